"""Residual sums: a map and what layers make of it, added."""

from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from smidgen import kernels
from smidgen.kernels import links
from smidgen.layers.base import Activation, Layer, Shape, require_activation, require_flag
from smidgen.layers.blur import Blur
from smidgen.layers.conv import Conv
from smidgen.layers.nest import (
    Layers,
    Nest,
    end_of,
    leaves,
    peak_of,
    require_nestable,
    stack,
    through,
)
from smidgen.tensors import Images


@dataclass(frozen=True, slots=True)
class Residual(Nest):
    """``activation(x + layers(x))``.

    Args:
        layers: What is added to their input, one or more.
        shortcut: Whether a 1x1 convolution with batch norm stands on the other side of the sum
            where the layers change width or size. It takes the layers' stride; if one of them is
            a blur with a stride, the same blur comes before it. Where nothing changes the input
            is added as it is.
        activation: What follows the sum.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv:1512.03385, eq.
        (1) and (2), shortcut B; without an activation after the sum as in Sandler et al. 2018,
        "MobileNetV2", arXiv:1801.04381, sec. 3.3.
    Differs: a blur in the layers blurs the shortcut too.
    """

    layers: Layers = field(metadata={"holds": True})
    shortcut: bool = False
    activation: Activation = "none"

    name: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        require_nestable("residual", self.layers)
        require_flag(residual__shortcut=self.shortcut)
        require_activation("residual", self.activation)

    @property
    def inside(self) -> Layers:
        return self.layers

    @property
    def passes(self) -> int:
        return 1

    def out_shape(self, shape: Shape) -> Shape:
        out = end_of(self.layers, shape)
        if out != shape and end_of(self.shortcut_layers(shape), shape) != out:
            raise ValueError(
                f"no shortcut with a stride makes {out} of {shape}: put what cuts pixels off at"
                " the border, a max_pool, before or after the residual"
            )
        return out

    def shortcut_layers(self, shape: Shape) -> Layers:
        """Return the layers on the other side of the sum: none where the input itself is added.

        Raises:
            ValueError: If the layers change width or size and there is no shortcut.
        """
        out = end_of(self.layers, shape)
        if out == shape:
            return ()
        if not self.shortcut:
            raise ValueError(
                f"residual adds maps of one shape, and its layers make {out} of {shape}:"
                " keep width and stride, or set shortcut=true"
            )
        stride = prod(strides(layer) for layer in self.layers)
        inner = [layer for layer, _ in leaves(self.layers, shape)]
        blurs = [layer for layer in inner if isinstance(layer, Blur) and layer.stride > 1]
        if blurs:
            dense = Conv(out.channels, kernel_size=1, activation="none")
            return Blur(stride, blurs[0].kernel_size), dense
        return (Conv(out.channels, kernel_size=1, stride=stride, activation="none"),)

    def peak_activation(self, shape: Shape, *, keep: bool = False) -> int:
        inner = peak_of(self.layers, shape, keep=True)
        beside = self.shortcut_layers(shape)
        if not beside:
            return inner
        sums = self.out_shape(shape).elements  # of the layers, waiting for the shortcut
        return max(inner, sums + peak_of(beside, shape, keep=keep))

    def params(self, shape: Shape) -> int:
        return sum(layer.params(before) for layer, before in self._all(shape))

    def norm_params(self, shape: Shape) -> int:
        return sum(layer.norm_params(before) for layer, before in self._all(shape))

    def deployed_params(self, shape: Shape) -> int:
        return sum(layer.deployed_params(before) for layer, before in self._all(shape))

    def macs(self, shape: Shape) -> int:
        return sum(layer.macs(before) for layer, before in self._all(shape))

    def build(self, shape: Shape) -> nn.Module:
        return ResidualModule(
            stack(self.layers, shape),
            stack(self.shortcut_layers(shape), shape),
            relu=self.activation == "relu",
        )

    def _all(self, shape: Shape) -> list[tuple[Layer, Shape]]:
        return [*through(self.layers, shape), *through(self.shortcut_layers(shape), shape)]


def strides(layer: Layer) -> int:
    """Return how many pixels of the input, along a side, one pixel of the output stands for."""
    if isinstance(layer, Nest):
        return prod(strides(inner) for inner in layer.inside)
    own: Any = getattr(layer, "stride", 1)
    return own


class ResidualModule(nn.Module):
    """The sum of two ways from one map, and the activation of it."""

    def __init__(self, layers: nn.Sequential, shortcut: nn.Sequential, *, relu: bool) -> None:
        super().__init__()
        self.layers, self.shortcut, self.relu = layers, shortcut, relu

    def forward(self, x: Images) -> Float[Tensor, "n c_out h_out w_out"]:
        return kernels.add(self.shortcut(x), self.layers(x), relu=self.relu)

    def link(self) -> links.Link | None:
        layers, shortcut = links.links_of(self.layers), links.links_of(self.shortcut)
        if not layers or shortcut is None:
            return None
        return links.Residual(layers, shortcut, self.relu)
