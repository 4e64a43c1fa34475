"""Join the compiled operations to autograd: a function a block, keeping what backward needs."""

# The decorator that refuses second derivatives hides the signature of every backward pass.
# pyright: reportIncompatibleMethodOverride=false

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from smidgen.kernels.library import (
    NO_STATE,
    PLAIN,
    SAVED,
    Operations,
    operations,
    shape_of,
    state_of,
)

Last = torch.channels_last


def _operations(x: Tensor) -> Operations:
    found = operations(x.dtype)
    assert found is not None, "the caller checks that the compiled path serves"
    return found


def _empty(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    sizes = x.shape[0], channels, height, width
    return torch.empty(sizes, dtype=x.dtype, device="cpu", memory_format=Last)


def _strided(x: Tensor, channels: int, stride: int) -> Tensor:
    """Room for what a convolution makes of x whose border keeps the size at stride 1."""
    return _empty(x, channels, *(-(-side // stride) for side in x.shape[2:]))


def _floats(*sizes: int) -> Tensor:
    return torch.empty(sizes, dtype=torch.float32, device="cpu")


def _gradient(dy: Tensor, like: Tensor) -> Tensor:
    return dy.to(like.dtype).contiguous(memory_format=Last)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


class Norm:
    """The tensors and numbers of a batch norm in training, gathered for a call."""

    __slots__ = ("eps", "momentum", "running")

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        """Read the module, whose statistics and count of batches the forward pass updates."""
        self.running = (norm.running_mean, norm.running_var, norm.num_batches_tracked)
        self.eps, self.momentum = norm.eps, norm.momentum


class ConvBnRelu(Function):
    """relu(norm(conv(x))), of all channels or a filter a channel, or without the ReLU.

    A bias before the norm only moves the running mean, so its gradient is zero.
    """

    @staticmethod
    def forward(  # noqa: PLR0913, autograd takes tensors one by one
        ctx: Any,
        x: Tensor,
        kernel: Tensor,
        shift: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        norm: Norm,
        channelwise: bool,
        relu: bool,
        stride: int,
    ) -> Tensor:
        """Keep x and the convolution's result."""
        n, c, h, w = x.shape
        o, sides = kernel.shape[0], (kernel.shape[2], kernel.shape[3])
        (z, y), statistics = (_strided(x, o, stride) for _ in range(2)), _floats(2, o)
        shape = shape_of(n, h, w, c, o, kernel=sides, stride=stride)
        own = _operations(x)
        forward = own.channelwise_forward if channelwise else own.convolution_forward
        forward(
            shape,
            x.data_ptr(),
            kernel.data_ptr(),
            _address(shift),
            z.data_ptr(),
            y.data_ptr(),
            state_of(weight, bias, statistics, norm.running),
            norm.momentum,
            norm.eps,
            None if relu else PLAIN,
        )
        ctx.save_for_backward(x, kernel, weight, bias, z, statistics)
        ctx.shape, ctx.channelwise, ctx.relu = shape, channelwise, relu
        ctx.biased = shift is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        """Leave out the gradient of an input that asks for none."""
        x, kernel, weight, bias, z, statistics = ctx.saved_tensors
        dy = _gradient(dy, z)
        dx = torch.empty_like(x, memory_format=Last) if ctx.needs_input_grad[0] else None
        dkernel, dweight, dbias = (
            torch.empty_like(kernel),
            torch.empty_like(weight),
            torch.empty_like(bias),
        )
        own = _operations(x)
        backward = own.channelwise_backward if ctx.channelwise else own.convolution_backward
        backward(
            ctx.shape,
            x.data_ptr(),
            kernel.data_ptr(),
            z.data_ptr(),
            dy.data_ptr(),
            state_of(weight, bias, statistics, SAVED),
            _address(dx),
            dkernel.data_ptr(),
            dweight.data_ptr(),
            dbias.data_ptr(),
            None if ctx.relu else PLAIN,
        )
        of_shift = torch.zeros_like(weight) if ctx.biased else None
        return dx, dkernel, of_shift, dweight, dbias, None, None, None, None


class Pointwise(Function):
    """A convolution of stride 1 alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Keep x."""
        n, c, h, w = x.shape
        o, sides = kernel.shape[0], (kernel.shape[2], kernel.shape[3])
        z, shape = _empty(x, o, h, w), shape_of(n, h, w, c, o, kernel=sides)
        _operations(x).convolution_forward(
            shape,
            x.data_ptr(),
            kernel.data_ptr(),
            _address(bias),
            z.data_ptr(),
            None,
            NO_STATE,
            0.0,
            0.0,
            None,
        )
        ctx.save_for_backward(x, kernel)
        ctx.shape, ctx.biased = shape, bias is not None
        return z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dz: Tensor) -> tuple[Tensor | None, ...]:
        """Sum the gradient of the bias in float32."""
        x, kernel = ctx.saved_tensors
        dz = _gradient(dz, x)
        dx = torch.empty_like(x, memory_format=Last) if ctx.needs_input_grad[0] else None
        dkernel = torch.empty_like(kernel)
        dbias = _floats(kernel.shape[0]) if ctx.biased else None
        _operations(x).convolution_backward(
            ctx.shape,
            x.data_ptr(),
            kernel.data_ptr(),
            None,
            dz.data_ptr(),
            NO_STATE,
            _address(dx),
            dkernel.data_ptr(),
            None,
            _address(dbias),
            None,
        )
        return dx, dkernel, dbias


class DepthwiseBnRelu(Function):
    """relu(norm(pointwise(depthwise(x)))), or without the ReLU.

    The middle map is never kept.
    """

    @staticmethod
    def forward(  # noqa: PLR0913, autograd takes tensors one by one
        ctx: Any,
        x: Tensor,
        depth: Tensor,
        depth_bias: Tensor | None,
        point: Tensor,
        point_bias: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        norm: Norm,
        relu: bool,
        stride: int,
    ) -> Tensor:
        """Keep x and the pointwise result."""
        n, c, h, w = x.shape
        o, sides = point.shape[0], (depth.shape[2], depth.shape[3])
        (z, y), statistics = (_strided(x, o, stride) for _ in range(2)), _floats(2, o)
        shape = shape_of(n, h, w, c, o, kernel=sides, stride=stride)
        _operations(x).depthwise_forward(
            shape,
            x.data_ptr(),
            depth.data_ptr(),
            _address(depth_bias),
            point.data_ptr(),
            _address(point_bias),
            z.data_ptr(),
            y.data_ptr(),
            state_of(weight, bias, statistics, norm.running),
            norm.momentum,
            norm.eps,
            None if relu else PLAIN,
        )
        ctx.save_for_backward(x, depth, point, weight, bias, z, statistics)
        ctx.shape, ctx.relu = shape, relu
        ctx.biased = depth_bias is not None, point_bias is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        """Leave out the gradient of an input that asks for none."""
        x, depth, point, weight, bias, z, statistics = ctx.saved_tensors
        dy = _gradient(dy, z)
        dx = torch.empty_like(x, memory_format=Last) if ctx.needs_input_grad[0] else None
        ddepth, dpoint = torch.empty_like(depth), torch.empty_like(point)
        dweight, dbias = torch.empty_like(weight), torch.empty_like(bias)
        _operations(x).depthwise_backward(
            ctx.shape,
            x.data_ptr(),
            depth.data_ptr(),
            point.data_ptr(),
            z.data_ptr(),
            dy.data_ptr(),
            state_of(weight, bias, statistics, SAVED),
            _address(dx),
            ddepth.data_ptr(),
            dpoint.data_ptr(),
            dweight.data_ptr(),
            dbias.data_ptr(),
            None if ctx.relu else PLAIN,
        )
        of_depth = x.new_zeros(x.shape[1], dtype=torch.float32) if ctx.biased[0] else None
        return (
            dx,
            ddepth,
            of_depth,
            dpoint,
            torch.zeros_like(weight) if ctx.biased[1] else None,
            dweight,
            dbias,
            None,
            None,
            None,
        )


class Pool(Function):
    """Max pooling two by two: at stride 2, or at stride 1 and then blurred at stride 2."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, blurred: bool) -> Tensor:
        """Keep x, from which the place of each maximum is found again."""
        n, c, h, w = x.shape
        # Blurred or not, a side of h pixels gives h // 2.
        y, shape = _empty(x, c, h // 2, w // 2), shape_of(n, h, w, c, c, kernel=(2, 2), stride=2)
        _operations(x).pool_forward(shape, x.data_ptr(), y.data_ptr(), blurred)
        ctx.save_for_backward(x)
        ctx.shape, ctx.blurred = shape, blurred
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        """Send each gradient to the first of the largest values."""
        (x,) = ctx.saved_tensors
        dy, dx = _gradient(dy, x), torch.empty_like(x, memory_format=Last)
        _operations(x).pool_backward(
            ctx.shape, x.data_ptr(), dy.data_ptr(), dx.data_ptr(), ctx.blurred
        )
        return dx, None


class Average(Function):
    """The mean of each channel's pixels, in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Keep nothing but the size."""
        n, c, h, w = x.shape
        y, ctx.shape, ctx.dtype = _floats(n, c, 1, 1), shape_of(n, h, w, c, c), x.dtype
        _operations(x).average_forward(ctx.shape, x.data_ptr(), y.data_ptr())
        ctx.sizes = x.shape
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        """Give every pixel its share."""
        dy, dx = (
            dy.float().contiguous(),
            torch.empty(ctx.sizes, dtype=ctx.dtype, device="cpu", memory_format=Last),
        )
        _operations(dx).average_backward(ctx.shape, dy.data_ptr(), dx.data_ptr())
        return dx


GROUP = 16  # images that squeeze-and-excitation takes together, at the most


class Excite(Function):
    """x * sigmoid(excite relu(squeeze mean(x))): squeeze-and-excitation."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, squeeze: Tensor, excite: Tensor) -> Tensor:
        """Keep x and, in float32, the numbers of each image on the way to its gates."""
        n, c, h, w = x.shape
        latent = squeeze.shape[0]
        y, shape = _empty(x, c, h, w), shape_of(n, h, w, c, latent)
        whole = -(-n // GROUP) * GROUP
        mean, hidden, gate = (_floats(whole, k) for k in (c, latent, c))
        _operations(x).excite_forward(
            shape,
            x.data_ptr(),
            squeeze.data_ptr(),
            excite.data_ptr(),
            y.data_ptr(),
            mean.data_ptr(),
            hidden.data_ptr(),
            gate.data_ptr(),
        )
        ctx.save_for_backward(x, squeeze, excite, mean, hidden, gate)
        ctx.shape = shape
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Add what comes through the product and through the mean."""
        x, squeeze, excite, mean, hidden, gate = ctx.saved_tensors
        dy, dx = _gradient(dy, x), torch.empty_like(x, memory_format=Last)
        dsqueeze, dexcite = torch.empty_like(squeeze), torch.empty_like(excite)
        _operations(x).excite_backward(
            ctx.shape,
            x.data_ptr(),
            dy.data_ptr(),
            squeeze.data_ptr(),
            excite.data_ptr(),
            mean.data_ptr(),
            hidden.data_ptr(),
            gate.data_ptr(),
            dx.data_ptr(),
            dsqueeze.data_ptr(),
            dexcite.data_ptr(),
        )
        return dx, dsqueeze, dexcite
