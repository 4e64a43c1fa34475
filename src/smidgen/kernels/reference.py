"""Give every operation in plain torch: what the compiled ones equal and fall back on."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

_ALIGNED = 16  # bytes
_VECTOR = 16  # channels, the most that oneDNN takes at once


def _like(weight: Tensor | None, x: Tensor) -> Tensor | None:
    return None if weight is None else weight.to(x.dtype)


def strided(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
) -> Tensor:
    """Convolve in the data type of x; at a stride, bfloat16 maps on a CPU are summed in float32.

    On processors with matrix units torch's own bfloat16 gives NaN or garbage for narrow maps at a
    stride over 1, in the result and in the gradient of the weights. Kernels of 1 x 1 take the
    pixels at their stride first: the gradient of torch's own (2.13, oneDNN) writes past its memory
    where channels come last and do not fill its vectors.
    """
    pointwise, vectors = weight.shape[2:] == (1, 1), weight.shape[1] % _VECTOR == 0
    if stride > 1 and x.device.type == "cpu" and pointwise and not vectors:
        assert padding in (0, (0, 0))
        x = x[:, :, ::stride, ::stride].contiguous(memory_format=torch.channels_last)
        stride = 1
    dtype = x.dtype
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
    if not (stride > 1 and x.device.type == "cpu" and dtype == torch.bfloat16):
        return F.conv2d(x, weight.to(x.dtype), _like(bias, x), stride, padding, 1, groups)
    with torch.autocast("cpu", enabled=False):
        half = x.to(dtype)  # as are the other factors: only the sums are in float32
        parts = [t if t is None else t.float() for t in (half, weight.to(dtype), _like(bias, half))]
        return F.conv2d(*parts, stride, padding, 1, groups).to(dtype)  # pyright: ignore


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1, groups: int = 1
) -> Tensor:
    """Convolve with a border of zeros that keeps the size at stride 1, in the data type of x."""
    same = weight.shape[-2] // 2, weight.shape[-1] // 2
    return strided(x, weight, bias, stride=stride, padding=same, groups=groups)


def bn_relu(x: Tensor, norm: nn.BatchNorm2d, *, relu: bool = True) -> Tensor:
    """Normalise by the batch (training) or the running statistics, then cut at zero."""
    normed = functional_call(norm, aligned(norm), x) if x.is_cuda else norm(x)
    return F.relu(normed) if relu else normed


def aligned(norm: nn.BatchNorm2d) -> dict[str, Tensor]:
    """Return the weights of a norm, copied if they begin where a GPU cannot read four at once.

    They are views of one vector of all weights, and begin wherever the ones before them end.
    """
    return {
        name: weight if weight.data_ptr() % _ALIGNED == 0 else weight.clone()
        for name, weight in norm.named_parameters()
    }


def conv_bn_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    norm: nn.BatchNorm2d,
    stride: int = 1,
    *,
    relu: bool = True,
) -> Tensor:
    """Convolve, normalise, cut at zero."""
    return bn_relu(convolution(x, weight, bias, stride), norm, relu=relu)


def depthwise_bn_relu(
    x: Tensor,
    depth: tuple[Tensor, Tensor | None],
    point: tuple[Tensor, Tensor | None],
    norm: nn.BatchNorm2d,
    stride: int,
    *,
    relu: bool = True,
) -> Tensor:
    """Convolve each channel alone, mix the channels pixel by pixel, normalise, cut at zero."""
    middle = convolution(x, *depth, stride, groups=x.shape[1])
    return bn_relu(convolution(middle, *point), norm, relu=relu)


def channelwise_bn_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    norm: nn.BatchNorm2d,
    stride: int,
    *,
    relu: bool,
) -> Tensor:
    """Convolve each channel alone, normalise, cut at zero."""
    return bn_relu(convolution(x, weight, bias, stride, x.shape[1]), norm, relu=relu)


def add(x: Tensor, y: Tensor, *, relu: bool) -> Tensor:
    """Add pixel by pixel, cut at zero if asked."""
    total = x.to(y.dtype) + y
    return F.relu(total) if relu else total


def _pad_axis(x: Tensor, horizontal: bool) -> Tensor:
    size = x.shape[3 if horizontal else 2]
    border = (1, 1, 0, 0) if horizontal else (0, 0, 1, 1)
    return F.pad(x, border, mode="reflect" if size > 1 else "replicate")


def blur2d(x: Tensor) -> Tensor:
    """Blur with [1, 2, 1] x [1, 2, 1] / 16 at stride 2.

    The border is reflected, a side of one pixel onto itself.
    """
    # made on the device: a graph being recorded on a GPU takes nothing from the host
    line = 0.5 - (torch.arange(3, dtype=x.dtype, device=x.device) - 1).abs() / 4
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
    padded = _pad_axis(_pad_axis(x, True), False)
    return strided(padded, kernel, stride=2, groups=x.shape[1])


def max_blur_pool2d(x: Tensor) -> Tensor:
    """Take the largest of two by two pixels at stride 1, then blur at stride 2."""
    return blur2d(F.max_pool2d(x, 2, 1))


def squeeze_excite(x: Tensor, squeeze: Tensor, excite: Tensor) -> Tensor:
    """Scale each channel by a gate computed from the means of all of them."""
    hidden = convolution(x.mean((2, 3), keepdim=True), squeeze, None).relu()
    return x * convolution(hidden, excite, None).sigmoid()
