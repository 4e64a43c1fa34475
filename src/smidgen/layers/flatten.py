"""A map as one pixel, for a dense layer over all of it."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from smidgen.kernels import links
from smidgen.layers.base import Layer, Shape
from smidgen.tensors import Images


@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """All pixels of a map as the channels of one.

    The order is that in which maps lie in memory, as in Keras: pixel by pixel along the rows, the
    channels of a pixel side by side. It costs no arithmetic; the classifier after it has a weight
    for every channel of every pixel, and works at one size of image alone.
    """

    name: ClassVar[str] = "flatten"

    def out_shape(self, shape: Shape) -> Shape:
        return Shape(shape.elements, 1, 1)

    def peak_activation(self, shape: Shape, *, keep: bool = False) -> int:
        # written anew, as generated C does: its rows may lie apart, or its channels in planes
        return shape.elements * (1 if shape.height == shape.width == 1 else 2)

    def params(self, shape: Shape) -> int:
        return 0

    def norm_params(self, shape: Shape) -> int:
        return 0

    def deployed_params(self, shape: Shape) -> int:
        return 0

    def macs(self, shape: Shape) -> int:
        return 0

    def build(self, shape: Shape) -> nn.Module:
        return FlattenModule()


class FlattenModule(nn.Module):
    """All pixels of a map as the channels of one."""

    def forward(self, x: Images) -> Float[Tensor, "n hwc 1 1"]:
        return x.permute(0, 2, 3, 1).flatten(1)[:, :, None, None]

    def link(self) -> links.Link | None:
        return links.Flatten()
