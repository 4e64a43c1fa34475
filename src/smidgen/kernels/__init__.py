"""Run the blocks of small nets as fused operations in C, or in torch where those cannot serve.

Every function takes and returns channels-last maps (n, c, h, w) of float32 or bfloat16. Parameters
are float32; a `torch.nn.BatchNorm2d` holds those of a norm, its statistics, momentum and eps.
With relu=False there is no ReLU at the end of a block; add takes relu=True.

    conv_bn_relu(x, weight, bias, norm, stride=1)       convolution, norm, ReLU
    depthwise_bn_relu(x, depth, depth_bias,             depthwise and pointwise convolution, norm,
                      point, point_bias, norm, stride=1)  ReLU
    channelwise_bn_relu(x, weight, bias, norm, stride=1)  a filter a channel, norm, ReLU
    add(x, y)                                           x + y
    pointwise(x, weight, bias)                          1 x 1 convolution alone
    max_pool2d(x, kernel_size, stride)                  max pooling without a border
    max_blur_pool2d(x)                                  max pooling (2, 1), then the blur
    blur2d(x)                                           [1, 2, 1] blur of stride 2
    average_pool(x)                                     global average, float32 (n, c, 1, 1)
    squeeze_excite(x, squeeze, excite)                  x * sigmoid(excite relu(squeeze mean(x)))
    implementation()                                    which path runs
    number_format()                                     whether bfloat16 is the faster one
    require_runnable()                                  refuse a path that cannot run here
    keep_memory()                                       keep a step's memory for the next one

The result has the data type of x, or the one of autocast where that is on. The compiled path serves
in training, on the CPU, with kernels of odd sides; a call in evaluation, export, tracing,
other devices and other data types run plain torch. The environment variable SMIDGEN_KERNELS forces
a path: torch, portable (Neon on 64-bit Arm), avx2, avx512, avx512bf16 or avx512amx (products on
tiles of the matrix unit). Training, and what judges a net, run whole nets of such blocks as one
chain, :mod:`smidgen.kernels.chain`, from what their modules say in ``link``.
What methods do to the pixels of a batch is in :mod:`smidgen.kernels.batch`, on the same paths.

Differs from torch: the gradient of a convolution's bias before a batch norm is exactly zero
(torch's is rounding noise), and the running mean follows that bias all the same; second
derivatives are refused.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smidgen.kernels import functions, reference
from smidgen.kernels.library import (
    available,
    implementation,
    keep_memory,
    number_format,
    operations,
    require_runnable,
)
from smidgen.kernels.links import (
    Channelwise,
    Conv,
    Depthwise,
    Excite,
    Mix,
    agrees,
    taken_by,
)
from smidgen.kernels.reference import blur2d

__all__ = [
    "add",
    "available",
    "average_pool",
    "blur2d",
    "channelwise_bn_relu",
    "conv_bn_relu",
    "depthwise_bn_relu",
    "implementation",
    "keep_memory",
    "max_blur_pool2d",
    "max_pool2d",
    "number_format",
    "pointwise",
    "require_runnable",
    "squeeze_excite",
]


MAP, HALF = 4, 2  # axes of a map; window and stride of the pooling that is compiled


def _cast(x: Tensor) -> Tensor:
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return x.to(torch.get_autocast_dtype("cpu"))
    return x


def _ready(x: Tensor, channels: int | None = None) -> bool:
    """Whether the compiled path serves a map here and now; torch refuses what cannot be.

    Args:
        x: A map.
        channels: How many the operation takes; none if any.
    """
    if type(x) is not Tensor or x.device.type != "cpu" or operations(x.dtype) is None:
        return False
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        return False
    return x.dim() == MAP and x.numel() > 0 and channels in (None, x.shape[1])


def _trains(x: Tensor, link: Conv | Depthwise | Channelwise) -> bool:
    """Whether a block normalises by the batch, and C can read what it holds and a map."""
    norm, (channels, _) = link.norm, taken_by(link)
    by_batch = norm.training and norm.affine and norm.momentum is not None
    return by_batch and _ready(x, channels=channels) and agrees(link) and _is_spread(x, link.stride)


def _is_spread(x: Tensor, stride: int) -> bool:
    """Whether a norm after this stride has more than one value a channel; torch refuses one."""
    return len(x) > 1 or max(x.shape[2:]) > stride


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def conv_bn_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    norm: nn.BatchNorm2d,
    stride: int = 1,
    *,
    relu: bool = True,
) -> Tensor:
    """Return relu(norm(conv(x))), with the border that keeps the size at stride 1."""
    x = _cast(x)
    if not _trains(x, Conv(weight, bias, norm, relu, stride)):
        return reference.conv_bn_relu(x, weight, bias, norm, stride, relu=relu)
    return functions.ConvBnRelu.apply(
        _last(x), weight, bias, norm.weight, norm.bias, functions.Norm(norm), False, relu, stride
    )


def depthwise_bn_relu(
    x: Tensor,
    depth: Tensor,
    depth_bias: Tensor | None,
    point: Tensor,
    point_bias: Tensor | None,
    norm: nn.BatchNorm2d,
    stride: int = 1,
    *,
    relu: bool = True,
) -> Tensor:
    """Return relu(norm(pointwise(depthwise(x)))), the border keeping the size at stride 1."""
    x = _cast(x)
    parameters = (depth, depth_bias, point, point_bias, norm.weight, norm.bias)
    if not _trains(x, Depthwise(*parameters[:4], norm, relu, stride)):
        return reference.depthwise_bn_relu(
            x, (depth, depth_bias), (point, point_bias), norm, stride, relu=relu
        )
    own = functions.Norm(norm)
    return functions.DepthwiseBnRelu.apply(_last(x), *parameters, own, relu, stride)


def channelwise_bn_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    norm: nn.BatchNorm2d,
    stride: int = 1,
    *,
    relu: bool = True,
) -> Tensor:
    """Return relu(norm(conv(x))) of a filter a channel, the border keeping the size at stride 1."""
    x = _cast(x)
    parameters = (weight, bias, norm.weight, norm.bias)
    if not _trains(x, Channelwise(weight, bias, norm, relu, stride)):
        return reference.channelwise_bn_relu(x, weight, bias, norm, stride, relu=relu)
    own = functions.Norm(norm)
    return functions.ConvBnRelu.apply(_last(x), *parameters, own, True, relu, stride)


def add(x: Tensor, y: Tensor, *, relu: bool = False) -> Tensor:
    """Return x + y, or relu(x + y), in the data type of y."""
    return reference.add(_cast(x), y, relu=relu)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the 1 x 1 convolution of x."""
    x = _cast(x)
    learns = x.requires_grad and torch.is_grad_enabled()
    if not (learns and _ready(x, channels=weight.shape[1]) and agrees(Mix(weight, bias))):
        return reference.convolution(x, weight, bias)
    if x.shape[2:] == (1, 1):  # pooled maps: a plain product, less to set up than a convolution
        bias = None if bias is None else bias.to(x.dtype)
        return F.linear(x.flatten(1), weight.flatten(1).to(x.dtype), bias)[:, :, None, None]
    return functions.Pointwise.apply(_last(x), weight, bias)


def max_pool2d(x: Tensor, kernel_size: int | tuple[int, int] = 2, stride: int = 2) -> Tensor:
    """Return the largest value of each window, without a border."""
    if not (kernel_size == stride == HALF and min(x.shape[2:]) >= HALF and _ready(x)):
        return F.max_pool2d(x, kernel_size, stride)
    return functions.Pool.apply(_last(x), False)


def max_blur_pool2d(x: Tensor) -> Tensor:
    """Return the largest of two by two pixels at stride 1, blurred at stride 2."""
    if not (min(x.shape[2:]) >= HALF and _ready(x)):
        return reference.max_blur_pool2d(x)
    return functions.Pool.apply(_last(x), True)


def average_pool(x: Tensor) -> Tensor:
    """Return the mean of each channel (n, c, 1, 1), in float32 where the compiled path serves."""
    if not (x.requires_grad and torch.is_grad_enabled() and _ready(x)):
        return F.adaptive_avg_pool2d(x, 1)
    return functions.Average.apply(_last(x))


def squeeze_excite(x: Tensor, squeeze: Tensor, excite: Tensor) -> Tensor:
    """Return x * sigmoid(excite relu(squeeze mean(x))).

    The weights are those of 1 x 1 convolutions, (l, c, 1, 1) and (c, l, 1, 1).
    """
    x = _cast(x)
    learns = x.requires_grad and torch.is_grad_enabled()
    ready = learns and _ready(x, channels=squeeze.shape[1])
    if not (ready and agrees(Excite(squeeze, excite))):
        return reference.squeeze_excite(x, squeeze, excite)
    return functions.Excite.apply(_last(x), squeeze, excite)
