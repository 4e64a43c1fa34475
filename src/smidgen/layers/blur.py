"""A fixed low-pass filter, applied before pixels are thrown away."""

from dataclasses import dataclass
from math import comb
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from smidgen import limits
from smidgen.kernels import links
from smidgen.kernels.reference import strided
from smidgen.layers.base import (
    PlainLayer,
    Shape,
    require_odd,
    require_positive,
    same_padded,
)
from smidgen.names import as_whole
from smidgen.tensors import Images


@dataclass(frozen=True, slots=True)
class Blur(PlainLayer):
    """A fixed binomial filter, then every ``stride``-th pixel. Costs time but no parameters.

    Args:
        stride: Distance between the pixels kept, >= 1.
        kernel_size: Side of the filter in pixels, odd; 3 is [1 2 1] / 4 in each direction.

    Source: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again",
        arXiv:1904.11486, sec. 3.2.
    Differs: odd kernels alone, so that no half-pixel shift appears.
    """

    stride: int = 2
    kernel_size: int = 3

    name: ClassVar[str] = "blur"

    def __post_init__(self) -> None:
        require_positive(self, stride=self.stride)
        side = as_whole(self.kernel_size, "blur kernel_size")  # one for both
        object.__setattr__(self, "kernel_size", side)
        require_odd(blur__kernel_size=self.kernel_size)
        limits.require_at_most("blur kernel_size", self.kernel_size, limits.BLUR)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        reach = self.kernel_size // 2
        if any(1 < side <= reach for side in (shape.height, shape.width)):
            raise ValueError(
                f"blur kernel_size={self.kernel_size} needs sides over {reach} pixels, got {shape}"
            )
        return (same_padded(shape, shape.channels, self.stride),)

    def params(self, shape: Shape) -> int:
        return 0

    def norm_params(self, shape: Shape) -> int:
        return 0

    def deployed_params(self, shape: Shape) -> int:
        return 0

    def macs(self, shape: Shape) -> int:
        return self.out_shape(shape).elements * self.kernel_size**2

    def build(self, shape: Shape) -> nn.Module:
        return BlurModule(shape.channels, self.stride, self.kernel_size)


class BlurModule(nn.Module):
    """Depthwise convolution with a constant kernel and reflected borders."""

    kernel: Tensor

    def __init__(self, channels: int, stride: int, kernel_size: int) -> None:
        super().__init__()
        self.stride, self.kernel_size = stride, kernel_size
        row = torch.tensor([comb(kernel_size - 1, i) for i in range(kernel_size)]).float()
        kernel = torch.outer(row, row) / row.sum() ** 2
        self.register_buffer(
            "kernel", kernel.expand(channels, 1, -1, -1).contiguous(), persistent=False
        )

    def forward(self, x: Images) -> Float[Tensor, "n c h_out w_out"]:
        reach = self.kernel_size // 2
        # a side of one pixel has nothing to reflect: it stands for its own neighbours
        for axis, pad in ((3, [reach, reach, 0, 0]), (2, [0, 0, reach, reach])):
            x = F.pad(x, pad, mode="reflect" if x.shape[axis] > 1 else "replicate")
        return strided(x, self.kernel, stride=self.stride, groups=x.shape[1])

    def link(self) -> links.Link:
        return links.Blur(self.kernel_size, self.stride)
