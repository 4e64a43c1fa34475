"""Max pooling."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from smidgen.layers.base import Layer, Shape, require_positive


@dataclass(frozen=True, slots=True)
class MaxPool(Layer):
    """The largest value of every window, no padding.

    Args:
        kernel_size: Side of the window in pixels, >= 1.
        stride: Distance between windows in pixels, >= 1.
    """

    kernel_size: int = 2
    stride: int = 2

    name: ClassVar[str] = "max_pool"

    def __post_init__(self) -> None:
        require_positive(max_pool__kernel_size=self.kernel_size, max_pool__stride=self.stride)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        if min(shape.height, shape.width) < self.kernel_size:
            raise ValueError(
                f"max_pool kernel_size={self.kernel_size} needs a map at least that large,"
                f" got {shape}"
            )
        return (
            Shape(
                shape.channels,
                (shape.height - self.kernel_size) // self.stride + 1,
                (shape.width - self.kernel_size) // self.stride + 1,
            ),
        )

    def params(self, shape: Shape) -> int:
        return 0

    def deployed_params(self, shape: Shape) -> int:
        return 0

    def macs(self, shape: Shape) -> int:
        return 0

    def build(self, shape: Shape) -> nn.Module:
        return nn.MaxPool2d(self.kernel_size, self.stride)
