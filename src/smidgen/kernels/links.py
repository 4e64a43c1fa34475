"""What a module says of itself, so that a chain can run it: an operation and its parameters."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Conv:
    """Convolution of stride 1, norm, ReLU."""

    weight: Tensor
    bias: Tensor | None
    norm: nn.BatchNorm2d


@dataclass(frozen=True, slots=True)
class Depthwise:
    """Depthwise convolution of stride 1, pointwise convolution, norm, ReLU."""

    depth: Tensor
    depth_bias: Tensor | None
    point: Tensor
    point_bias: Tensor | None
    norm: nn.BatchNorm2d


@dataclass(frozen=True, slots=True)
class Mix:
    """A 1 x 1 convolution alone: a transition, or the classifier after the global average."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, slots=True)
class Pool:
    """Max pooling two by two: at stride 2, or at stride 1 and then blurred at stride 2."""

    blurred: bool


@dataclass(frozen=True, slots=True)
class Excite:
    """Squeeze-and-excitation."""

    squeeze: Tensor
    excite: Tensor


@dataclass(frozen=True, slots=True)
class Average:
    """The mean of each channel; only a classifier follows it."""


Link: TypeAlias = Conv | Depthwise | Mix | Pool | Excite | Average


@runtime_checkable
class Linkable(Protocol):
    """A module that a chain may run."""

    def link(self) -> Link | None:
        """Return what the module computes in training, or none where no operation does."""
        ...


def links_of(model: nn.Module) -> tuple[Link, ...] | None:
    """Return the links of a model, in order, or none if any of its modules cannot be linked."""
    if isinstance(model, Linkable):
        link = model.link()
        return None if link is None else (link,)
    if isinstance(model, nn.Identity | nn.Flatten):
        return ()
    if type(model) is not nn.Sequential:
        return None
    found: list[Link] = []
    for module in model:
        links = links_of(module)
        if links is None:
            return None
        found += links
    return tuple(found)
