"""What a module says of itself, so that a chain can run it: an operation and its parameters."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Conv:
    """Convolution, norm, perhaps ReLU."""

    weight: Tensor
    bias: Tensor | None
    norm: nn.BatchNorm2d
    relu: bool = True
    stride: int = 1


@dataclass(frozen=True, slots=True)
class Depthwise:
    """Depthwise convolution at a stride, pointwise convolution, norm, perhaps ReLU."""

    depth: Tensor
    depth_bias: Tensor | None
    point: Tensor
    point_bias: Tensor | None
    norm: nn.BatchNorm2d
    relu: bool = True
    stride: int = 1


@dataclass(frozen=True, slots=True)
class Channelwise:
    """Depthwise convolution alone, norm, perhaps ReLU."""

    weight: Tensor
    bias: Tensor | None
    norm: nn.BatchNorm2d
    relu: bool = True
    stride: int = 1


@dataclass(frozen=True, slots=True)
class Mix:
    """A 1 x 1 convolution alone: a transition, or the classifier after the global average."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, slots=True)
class Pool:
    """Max pooling; blurred, it is two by two at stride 1 and then blurred at stride 2."""

    blurred: bool
    rows: int = 2
    columns: int = 2
    stride: int = 2

    @property
    def ends_blocks(self) -> bool:
        """Whether blocks pool at their end in this way."""
        return self.rows == self.columns == self.stride == 2  # noqa: PLR2004 - as in csrc/tail.h


@dataclass(frozen=True, slots=True)
class Blur:
    """A binomial filter at a stride, its border reflected."""

    kernel_size: int
    stride: int


@dataclass(frozen=True, slots=True)
class Excite:
    """Squeeze-and-excitation."""

    squeeze: Tensor
    excite: Tensor


@dataclass(frozen=True, slots=True)
class Residual:
    """The sum of what two rows of links make of one map, perhaps ReLU.

    A row without links gives the map itself.
    """

    layers: tuple["Link", ...]
    shortcut: tuple["Link", ...]
    relu: bool


@dataclass(frozen=True, slots=True)
class Average:
    """The mean of each channel; only a classifier follows it."""


@dataclass(frozen=True, slots=True)
class Flatten:
    """The map as one pixel; only a classifier follows it."""


@dataclass(frozen=True, slots=True)
class Series:
    """Not a link, but what a module says that is several of them, one after another."""

    links: tuple["Link", ...]


Link: TypeAlias = (
    Conv | Depthwise | Channelwise | Mix | Pool | Blur | Excite | Residual | Average | Flatten
)


@runtime_checkable
class Linkable(Protocol):
    """A module that a chain may run."""

    def link(self) -> Link | Series | None:
        """Return what the module computes, or none where no operation does."""
        ...


def links_of(model: nn.Module) -> tuple[Link, ...] | None:
    """Return the links of a model, in order, or none if any of its modules cannot be linked."""
    if isinstance(model, Linkable):
        link = model.link()
        if isinstance(link, Series):
            return link.links
        return None if link is None else (link,)
    if isinstance(model, nn.Identity | nn.Flatten):
        return ()
    if type(model) is not nn.Sequential:
        return None
    return series_of(model)


def series_of(modules: Iterable[nn.Module]) -> tuple[Link, ...] | None:
    """Return the links of modules that run one after another, or none likewise."""
    found: list[Link] = []
    for module in modules:
        links = links_of(module)
        if links is None:
            return None
        found += links
    return tuple(found)


def taken_by(link: Link) -> tuple[int | None, tuple[int, int]]:
    """Return the channels of the map that a link takes, none if any, and its least sides."""
    match link:
        case Conv() | Mix():
            return link.weight.shape[1], (1, 1)
        case Depthwise():
            return link.depth.shape[0], (1, 1)
        case Channelwise():
            return link.weight.shape[0], (1, 1)
        case Excite():
            return link.squeeze.shape[1], (1, 1)
        case Pool():
            return None, (link.rows, link.columns)
        case Blur() | Residual() | Average() | Flatten():
            return None, (1, 1)


def agrees(link: Link) -> bool:
    """Whether what a link holds is of the sizes and types that C reads, and its kernel is odd.

    A module is another one where somebody has given it another norm or other weights.
    """
    match link:
        case Conv() | Channelwise():
            outputs, kernel, bias = len(link.weight), link.weight, link.bias
            fits = isinstance(link, Conv) or kernel.shape[1] == 1
        case Depthwise():
            outputs, kernel, bias = len(link.point), link.depth, link.point_bias
            fits = link.point.shape[1:] == (len(kernel), 1, 1) and kernel.shape[1] == 1
            fits = fits and _of(len(kernel), link.depth_bias) and _plain(link.point)
        case Mix():
            fits = link.weight.shape[2:] == (1, 1) and _plain(link.weight)
            return fits and _of(len(link.weight), link.bias)
        case Excite():
            (latent, channels), plain = link.squeeze.shape[:2], _plain(link.squeeze, link.excite)
            shape = *link.squeeze.shape[2:], *link.excite.shape
            return plain and shape == (1, 1, channels, latent, 1, 1)
        case Pool() | Blur() | Residual() | Average() | Flatten():
            return True
    norm, sides = link.norm, kernel.shape[2:]
    odd = len(sides) == 2 and all(side % 2 for side in sides)  # noqa: PLR2004 - rows and columns
    vectors = norm.weight, norm.bias, norm.running_mean, norm.running_var
    fits = fits and norm.num_features == outputs and _of(outputs, bias, *vectors)
    return fits and odd and _plain(kernel) and _counts(norm.num_batches_tracked)


def _of(channels: int, *vectors: Tensor | None) -> bool:
    """Whether vectors have a number a channel, as C reads and writes them."""
    held = [vector for vector in vectors if vector is not None]
    return all(vector.shape == (channels,) for vector in held) and _plain(*held)


def _plain(*tensors: Tensor) -> bool:
    """Whether tensors are rows of float32 in the memory that C sees."""
    return all(t.is_cpu and t.dtype == torch.float32 and t.is_contiguous() for t in tensors)


def _counts(batches: Tensor | None) -> bool:
    return batches is None or (batches.is_cpu and batches.dtype == torch.int64)


def tensors_of(links: Iterable[Link]) -> Iterator[Tensor]:
    """Yield every tensor of links, those of their norms left out, as often as one is used."""
    for link in links:
        for field in fields(link):
            own: Any = getattr(link, field.name)
            if isinstance(own, Tensor):
                yield own
            elif isinstance(own, tuple):
                yield from tensors_of(own)
