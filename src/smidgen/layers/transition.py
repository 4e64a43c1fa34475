"""The transition block: a 1x1 convolution that narrows a net."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from smidgen.layers.base import Layer, Shape, require_positive


@dataclass(frozen=True, slots=True)
class Transition(Layer):
    """A 1x1 convolution with nothing after it.

    Args:
        out_channels: Width of the output, >= 1.
        bias: Whether it has a bias.

    Source: the reference study's transition block.
    """

    out_channels: int
    bias: bool = False

    name: ClassVar[str] = "transition"

    def __post_init__(self) -> None:
        require_positive(transition__out_channels=self.out_channels)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        return (shape._replace(channels=self.out_channels),)

    def params(self, shape: Shape) -> int:
        return (shape.channels + self.bias) * self.out_channels

    def deployed_params(self, shape: Shape) -> int:
        return self.params(shape)

    def macs(self, shape: Shape) -> int:
        return shape.elements * self.out_channels

    def build(self, shape: Shape) -> nn.Module:
        return nn.Conv2d(shape.channels, self.out_channels, 1, bias=self.bias)
