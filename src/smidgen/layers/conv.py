"""Convolution, batch norm and activation."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from smidgen import kernels
from smidgen.kernels import links
from smidgen.layers.base import (
    Activation,
    Kernel,
    PlainLayer,
    Shape,
    require_activation,
    require_flag,
    require_odd,
    require_positive,
    same_padded,
    sides_of,
    squared,
    within,
)
from smidgen.tensors import Images


@dataclass(frozen=True, slots=True)
class Conv(PlainLayer):
    """Convolution with "same" padding, batch norm, activation.

    Args:
        out_channels: Width of the output, >= 1.
        kernel_size: Sides of the kernel in pixels; odd, one number if it is square, else rows and
            columns.
        stride: Distance between kernel positions in pixels, >= 1.
        bias: Whether the convolution has a bias of its own (batch norm makes it redundant;
            the reference study's CIFAR nets count it).
        activation: What follows the norm.
    """

    out_channels: int
    kernel_size: Kernel = 3
    stride: int = 1
    bias: bool = False
    activation: Activation = "relu"

    name: ClassVar[str] = "conv"

    def __post_init__(self) -> None:
        require_positive(self, out_channels=self.out_channels, stride=self.stride)
        require_odd(conv__kernel_size=self.kernel_size)
        squared(self, kernel_size=self.kernel_size)
        require_flag(conv__bias=self.bias)
        require_activation("conv", self.activation)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        return (same_padded(shape, self.out_channels, self.stride),)

    def params(self, shape: Shape) -> int:
        return self._weights(shape) + self.bias * self.out_channels + self.norm_params(shape)

    def norm_params(self, shape: Shape) -> int:
        return 2 * self.out_channels

    def deployed_params(self, shape: Shape) -> int:
        return self._weights(shape) + self.out_channels

    def macs(self, shape: Shape) -> int:
        out = self.out_shape(shape)
        return self._weights(shape) * out.height * out.width

    def build(self, shape: Shape) -> nn.Module:
        convolution = nn.Conv2d(
            shape.channels,
            self.out_channels,
            self.kernel_size,
            stride=self.stride,
            padding=within(self.kernel_size),
            bias=self.bias,
        )
        return ConvModule(
            convolution, nn.BatchNorm2d(self.out_channels), relu=self.activation == "relu"
        )

    def _weights(self, shape: Shape) -> int:
        return shape.channels * self.out_channels * prod(sides_of(self.kernel_size))


class ConvModule(nn.Module):
    """Convolution, batch norm and activation as one operation."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, *, relu: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = conv, norm, relu

    def forward(self, x: Images) -> Float[Tensor, "n c_out h_out w_out"]:
        conv = self.conv
        return kernels.conv_bn_relu(
            x, conv.weight, conv.bias, self.norm, conv.stride[0], relu=self.relu
        )

    def link(self) -> links.Link:
        conv = self.conv
        return links.Conv(conv.weight, conv.bias, self.norm, self.relu, conv.stride[0])
