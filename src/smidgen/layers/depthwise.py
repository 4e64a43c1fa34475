"""Depthwise separable convolution, batch norm and activation."""

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
class Depthwise(PlainLayer):
    """A filter a channel, then a 1x1 convolution across channels, batch norm, activation.

    Args:
        out_channels: Width of the output, >= 1.
        kernel_size: Sides of the depthwise kernel in pixels; odd, one number if it is square,
            else rows and columns.
        stride: Of the depthwise convolution, >= 1.
        bias: Whether both convolutions have biases.
        activation: What follows the norm.

    Source: Howard et al. 2017, "MobileNets", arXiv:1704.04861, sec. 3.1.
    Differs: one batch norm and ReLU after the pair, none between, as in the reference study;
        ``channelwise`` and a 1x1 ``conv`` are the pair with both.
    """

    out_channels: int
    kernel_size: Kernel = 3
    stride: int = 1
    bias: bool = False
    activation: Activation = "relu"

    name: ClassVar[str] = "depthwise"

    def __post_init__(self) -> None:
        require_positive(self, out_channels=self.out_channels, stride=self.stride)
        require_odd(depthwise__kernel_size=self.kernel_size)
        squared(self, kernel_size=self.kernel_size)
        require_flag(depthwise__bias=self.bias)
        require_activation("depthwise", self.activation)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        filtered = same_padded(shape, shape.channels, self.stride)
        return filtered, filtered._replace(channels=self.out_channels)

    def params(self, shape: Shape) -> int:
        biases = self.bias * (shape.channels + self.out_channels)
        return self._spatial(shape) + self._pointwise(shape) + biases + self.norm_params(shape)

    def norm_params(self, shape: Shape) -> int:
        return 2 * self.out_channels

    def deployed_params(self, shape: Shape) -> int:
        # the depthwise bias passes through the pointwise weights into one bias an output channel
        return self._spatial(shape) + self._pointwise(shape) + self.out_channels

    def macs(self, shape: Shape) -> int:
        out = self.out_shape(shape)
        return (self._spatial(shape) + self._pointwise(shape)) * out.height * out.width

    def build(self, shape: Shape) -> nn.Module:
        depthwise = nn.Conv2d(
            shape.channels,
            shape.channels,
            self.kernel_size,
            stride=self.stride,
            padding=within(self.kernel_size),
            groups=shape.channels,
            bias=self.bias,
        )
        pointwise = nn.Conv2d(shape.channels, self.out_channels, 1, bias=self.bias)
        norm, relu = nn.BatchNorm2d(self.out_channels), self.activation == "relu"
        return DepthwiseModule(depthwise, pointwise, norm, relu=relu)

    def _spatial(self, shape: Shape) -> int:
        return shape.channels * prod(sides_of(self.kernel_size))

    def _pointwise(self, shape: Shape) -> int:
        return shape.channels * self.out_channels


class DepthwiseModule(nn.Module):
    """Depthwise and pointwise convolution, batch norm and activation as one operation."""

    def __init__(
        self, depthwise: nn.Conv2d, pointwise: nn.Conv2d, norm: nn.BatchNorm2d, *, relu: bool
    ) -> None:
        super().__init__()
        self.relu = relu
        self.depthwise, self.pointwise, self.norm = depthwise, pointwise, norm

    def forward(self, x: Images) -> Float[Tensor, "n c_out h_out w_out"]:
        depth, point = self.depthwise, self.pointwise
        return kernels.depthwise_bn_relu(
            x,
            depth.weight,
            depth.bias,
            point.weight,
            point.bias,
            self.norm,
            depth.stride[0],
            relu=self.relu,
        )

    def link(self) -> links.Link:
        depth, point = self.depthwise, self.pointwise
        weights = depth.weight, depth.bias, point.weight, point.bias
        return links.Depthwise(*weights, self.norm, self.relu, depth.stride[0])
