"""Max pooling."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from smidgen import kernels
from smidgen.kernels import links
from smidgen.layers.base import (
    Kernel,
    PlainLayer,
    Shape,
    positive,
    require_positive,
    sides_of,
    squared,
)
from smidgen.tensors import Images
from smidgen.text import literal


@dataclass(frozen=True, slots=True)
class MaxPool(PlainLayer):
    """The largest value of every window, no padding.

    Args:
        kernel_size: Sides of the window in pixels, >= 1; one number if it is square, else rows
            and columns.
        stride: Distance between windows in pixels, >= 1.
    """

    kernel_size: Kernel = 2
    stride: int = 2

    name: ClassVar[str] = "max_pool"

    def __post_init__(self) -> None:
        for side in sides_of(self.kernel_size):
            positive(side, "max_pool kernel_size")
        require_positive(self, stride=self.stride)
        squared(self, kernel_size=self.kernel_size)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        rows, columns = sides_of(self.kernel_size)
        if shape.height < rows or shape.width < columns:
            raise ValueError(
                f"max_pool kernel_size={literal(self.kernel_size)} needs a map at least that"
                f" large, got {shape}"
            )
        down, across = shape.height - rows, shape.width - columns
        return (Shape(shape.channels, down // self.stride + 1, across // self.stride + 1),)

    def params(self, shape: Shape) -> int:
        return 0

    def norm_params(self, shape: Shape) -> int:
        return 0

    def deployed_params(self, shape: Shape) -> int:
        return 0

    def macs(self, shape: Shape) -> int:
        return 0

    def build(self, shape: Shape) -> nn.Module:
        return MaxPoolModule(self.kernel_size, self.stride)


class MaxPoolModule(nn.Module):
    """Max pooling without a border."""

    def __init__(self, kernel_size: Kernel, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Images) -> Float[Tensor, "n c h_out w_out"]:
        return kernels.max_pool2d(x, self.kernel_size, self.stride)

    def link(self) -> links.Link:
        return links.Pool(False, *sides_of(self.kernel_size), self.stride)


class MaxBlurPoolModule(nn.Module):
    """Max pooling of 2x2 at stride 1, then a 3x3 blur at stride 2, as one operation."""

    def forward(self, x: Images) -> Float[Tensor, "n c h_out w_out"]:
        return kernels.max_blur_pool2d(x)

    def link(self) -> links.Link:
        return links.Pool(blurred=True)
