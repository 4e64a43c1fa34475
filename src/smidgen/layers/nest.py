"""Layers that hold layers: what all of them have in common."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias, final

from torch import nn

from smidgen.layers.base import Layer, Shape
from smidgen.layers.blur import Blur
from smidgen.layers.flatten import Flatten
from smidgen.layers.head import Classifier, GlobalAveragePool
from smidgen.layers.pool import MaxBlurPoolModule, MaxPool
from smidgen.limits import LAYERS, NESTED
from smidgen.names import shown
from smidgen.text import to_text

Layers: TypeAlias = tuple[Layer, ...]


class Nest(Layer):
    """A layer that holds layers, in a field ``layers``; frozen dataclasses as all layers are."""

    __slots__ = ()

    @property
    @abstractmethod
    def inside(self) -> Layers:
        """The layers it holds, in the order of computation."""

    @property
    @abstractmethod
    def passes(self) -> int:
        """How often it runs them."""

    @final
    def holding(self, layers: Layers) -> "Nest":
        """Return this nest with other layers inside."""
        own: Any = self
        return replace(own, layers=layers)


def require_nestable(name: str, layers: object) -> None:
    """Refuse what a nest cannot hold.

    Raises:
        ValueError: If ``layers`` is no tuple of layers, is empty, holds the end of a net, is nested
            too deep or is too long.
    """
    if not isinstance(layers, tuple):
        raise ValueError(
            f"{name} holds a tuple of layers, as in (Conv(8), Blur()), got {shown(layers)}"
        )
    if not layers:
        raise ValueError(f"{name} needs one layer inside at least, got ()")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ValueError(f"{name} holds layers alone, got {layer!r}")
        if isinstance(layer, Classifier | GlobalAveragePool | Flatten):
            raise ValueError(f"{name} cannot hold {to_text(layer)}: it belongs to the end of a net")
    if _depth(layers) >= NESTED:
        raise ValueError(f"{name} is nested too deep: at most {NESTED} inside each other")
    if count(layers) > LAYERS:
        raise ValueError(f"{name} runs {count(layers):,} layers, at most {LAYERS:,}")


def _depth(layers: Layers) -> int:
    return max(1 + _depth(layer.inside) if isinstance(layer, Nest) else 0 for layer in layers)


def count(layers: Layers) -> int:
    """Return how many layers run, those inside others counted as often as they do."""
    return sum(
        layer.passes * count(layer.inside) if isinstance(layer, Nest) else 1 for layer in layers
    )


def through(layers: Layers, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """Yield each layer with the shape it receives.

    Raises:
        ValueError: If a layer cannot take what reaches it; the layer and its place are named.
    """
    return ((layer, before) for layer, before, _ in _steps(layers, shape))


def end_of(layers: Layers, shape: Shape) -> Shape:
    """Return the shape that leaves the last layer; refuses as :func:`through` does."""
    for _, _, after in _steps(layers, shape):
        shape = after
    return shape


def _steps(layers: Layers, shape: Shape) -> Iterator[tuple[Layer, Shape, Shape]]:
    for place, layer in enumerate(layers, 1):
        try:
            after = layer.out_shape(shape)
        except ValueError as error:
            raise ValueError(f"layer {place} {to_text(layer)}: {error}") from None
        yield layer, shape, after
        shape = after


def peak_of(layers: Layers, shape: Shape, *, keep: bool) -> int:
    """Return the most elements alive at once while ``layers`` run one after another."""
    kept, peak = shape.elements * keep, 0
    for place, (layer, before) in enumerate(through(layers, shape)):
        beside = kept if place else 0  # the first layer reads the kept map itself
        peak = max(peak, beside + layer.peak_activation(before, keep=keep and not place))
    return peak


def stack(layers: Layers, shape: Shape) -> nn.Sequential:
    """Return a freshly initialised module a layer.

    A max pooling and the blur after it run as one operation, at the place of the blur.
    """
    modules = [layer.build(before) for layer, before in through(layers, shape)]
    for place, pair in enumerate(pairwise(layers)):
        if pair == (MaxPool(2, stride=1), Blur(stride=2, kernel_size=3)):
            modules[place : place + 2] = [nn.Identity(), MaxBlurPoolModule()]
    return nn.Sequential(*modules)


def rewritten(layers: Layers, rewrite: Callable[[Layers], Sequence[Layer]]) -> Layers:
    """Return what ``rewrite`` makes of ``layers``, after it has rewritten what they hold."""
    inner = (
        layer.holding(rewritten(layer.inside, rewrite)) if isinstance(layer, Nest) else layer
        for layer in layers
    )
    return tuple(rewrite(tuple(inner)))


def leaves(layers: Layers, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """Yield each layer that holds no other with the shape it receives; repeated ones once."""
    for layer, before in through(layers, shape):
        if isinstance(layer, Nest):
            yield from leaves(layer.inside, before)
        else:
            yield layer, before
