"""Squeeze-and-excitation: scale every channel by a gate computed from all of them."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from smidgen import kernels
from smidgen.kernels import links
from smidgen.layers.base import PlainLayer, Shape, require_positive
from smidgen.layers.transition import PointwiseModule
from smidgen.tensors import Images


@dataclass(frozen=True, slots=True)
class SqueezeExcite(PlainLayer):
    """``y = x * sigmoid(W2 relu(W1 mean(x)))``, a gate a channel.

    Args:
        latent_channels: Width between the two maps, >= 1.

    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507, eq. (3).
    Differs: no biases.
    """

    latent_channels: int

    name: ClassVar[str] = "squeeze_excite"

    def __post_init__(self) -> None:
        require_positive(self, latent_channels=self.latent_channels)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        return (shape,)

    def params(self, shape: Shape) -> int:
        return 2 * shape.channels * self.latent_channels

    def norm_params(self, shape: Shape) -> int:
        return 0

    def deployed_params(self, shape: Shape) -> int:
        return self.params(shape)

    def macs(self, shape: Shape) -> int:
        return 2 * shape.channels * self.latent_channels

    def build(self, shape: Shape) -> nn.Module:
        return SqueezeExciteModule(shape.channels, self.latent_channels)


class SqueezeExciteModule(nn.Module):
    """Global mean, two 1x1 maps, a gate on every channel."""

    def __init__(self, channels: int, latent_channels: int) -> None:
        super().__init__()
        self.squeeze = PointwiseModule(channels, latent_channels, bias=False)
        self.excite = PointwiseModule(latent_channels, channels, bias=False)

    def forward(self, x: Images) -> Images:
        return kernels.squeeze_excite(x, self.squeeze.conv.weight, self.excite.conv.weight)

    def link(self) -> links.Link | None:
        return links.Excite(self.squeeze.conv.weight, self.excite.conv.weight)
