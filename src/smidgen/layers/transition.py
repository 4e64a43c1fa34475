"""The transition block: a 1x1 convolution that narrows a net."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from smidgen import kernels
from smidgen.kernels import links
from smidgen.layers.base import PlainLayer, Shape, require_flag, require_positive
from smidgen.tensors import Images


@dataclass(frozen=True, slots=True)
class Transition(PlainLayer):
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
        require_positive(self, out_channels=self.out_channels)
        require_flag(transition__bias=self.bias)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        return (shape._replace(channels=self.out_channels),)

    def params(self, shape: Shape) -> int:
        return (shape.channels + self.bias) * self.out_channels

    def norm_params(self, shape: Shape) -> int:
        return 0

    def deployed_params(self, shape: Shape) -> int:
        return self.params(shape)

    def macs(self, shape: Shape) -> int:
        return shape.elements * self.out_channels

    def build(self, shape: Shape) -> nn.Module:
        return PointwiseModule(shape.channels, self.out_channels, bias=self.bias)


class PointwiseModule(nn.Module):
    """A 1x1 convolution alone."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Images) -> Float[Tensor, "n c_out h w"]:
        return kernels.pointwise(x, self.conv.weight, self.conv.bias)

    def link(self) -> links.Link | None:
        return links.Mix(self.conv.weight, self.conv.bias)
