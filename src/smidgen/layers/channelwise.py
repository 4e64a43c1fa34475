"""A filter a channel, batch norm and activation: depthwise convolution alone."""

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
class Channelwise(PlainLayer):
    """One filter for each channel with "same" padding, batch norm, activation; the width stays.

    Args:
        kernel_size: Sides of the kernel in pixels; odd, one number if it is square, else rows and
            columns.
        stride: Distance between kernel positions in pixels, >= 1.
        bias: Whether the convolution has a bias of its own.
        activation: What follows the norm.

    Source: Howard et al. 2017, "MobileNets", arXiv:1704.04861, fig. 3, the upper half; Sandler et
        al. 2018, "MobileNetV2", arXiv:1801.04381, sec. 3.4, the middle of a bottleneck.
    Differs: ReLU where MobileNetV2 has ReLU6.
    """

    kernel_size: Kernel = 3
    stride: int = 1
    bias: bool = False
    activation: Activation = "relu"

    name: ClassVar[str] = "channelwise"

    def __post_init__(self) -> None:
        require_positive(self, stride=self.stride)
        require_odd(channelwise__kernel_size=self.kernel_size)
        squared(self, kernel_size=self.kernel_size)
        require_flag(channelwise__bias=self.bias)
        require_activation("channelwise", self.activation)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        return (same_padded(shape, shape.channels, self.stride),)

    def params(self, shape: Shape) -> int:
        return self._weights(shape) + self.bias * shape.channels + self.norm_params(shape)

    def norm_params(self, shape: Shape) -> int:
        return 2 * shape.channels

    def deployed_params(self, shape: Shape) -> int:
        return self._weights(shape) + shape.channels

    def macs(self, shape: Shape) -> int:
        out = self.out_shape(shape)
        return self._weights(shape) * out.height * out.width

    def build(self, shape: Shape) -> nn.Module:
        convolution = nn.Conv2d(
            shape.channels,
            shape.channels,
            self.kernel_size,
            stride=self.stride,
            padding=within(self.kernel_size),
            groups=shape.channels,
            bias=self.bias,
        )
        norm = nn.BatchNorm2d(shape.channels)
        return ChannelwiseModule(convolution, norm, relu=self.activation == "relu")

    def _weights(self, shape: Shape) -> int:
        return shape.channels * prod(sides_of(self.kernel_size))


class ChannelwiseModule(nn.Module):
    """A filter a channel, batch norm and activation as one operation."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, *, relu: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = conv, norm, relu

    def forward(self, x: Images) -> Float[Tensor, "n c h_out w_out"]:
        conv = self.conv
        return kernels.channelwise_bn_relu(
            x, conv.weight, conv.bias, self.norm, conv.stride[0], relu=self.relu
        )

    def link(self) -> links.Link:
        conv = self.conv
        return links.Channelwise(conv.weight, conv.bias, self.norm, self.relu, conv.stride[0])
