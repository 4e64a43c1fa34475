"""The contract every layer keeps."""

from abc import ABC, abstractmethod
from contextlib import suppress
from operator import index
from typing import ClassVar, Literal, NamedTuple, Self, TypeAlias, final

from torch import nn

from smidgen import limits
from smidgen.names import as_whole, shown

Activation: TypeAlias = Literal["none", "relu"]
Kernel: TypeAlias = int | tuple[int, int]  # a side, or rows and columns


class _Sides(NamedTuple):
    channels: int
    height: int
    width: int


@final
class Shape(_Sides):
    """The size of one feature map, without the batch axis: channels, height and width.

    Raises:
        ValueError: If one of the three is no whole number >= 1.
    """

    __slots__ = ()

    def __new__(cls, channels: int, height: int, width: int) -> Self:
        """Check them: a named tuple has no other place for it."""
        whole = type(channels) is type(height) is type(width) is int  # shapes are made by thousands
        if not whole:
            with suppress(ValueError):  # numpy's
                return cls(*(as_whole(side, "a side") for side in (channels, height, width)))
        if not (whole and channels >= 1 and height >= 1 and width >= 1):
            raise ValueError(
                "a shape must be channels, height and width, whole numbers >= 1,"
                f" got {(channels, height, width)}"
            )
        return super().__new__(cls, channels, height, width)

    @property
    def elements(self) -> int:
        """Scalars in the map."""
        return self.channels * self.height * self.width

    def __str__(self) -> str:
        return f"{self.channels}x{self.height}x{self.width}"


class Layer(ABC):
    """A layer as written in a spec: what it makes of one input shape, and what that costs.

    Subclasses are frozen dataclasses and are never subclassed further.
    """

    __slots__ = ()
    name: ClassVar[str]  # in the text form

    @abstractmethod
    def out_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output for an input of ``shape``.

        Raises:
            ValueError: If an input of ``shape`` does not suit this layer.
        """

    @abstractmethod
    def peak_activation(self, shape: Shape, *, keep: bool = False) -> int:
        """Return the most elements alive at once: maps being read, written and kept for later.

        Args:
            shape: Of the input.
            keep: Whether the input stays alive to the end, for somebody else reads it again.
        """

    @abstractmethod
    def params(self, shape: Shape) -> int:
        """Return the number of learned scalars, exactly, batch norm included."""

    @abstractmethod
    def norm_params(self, shape: Shape) -> int:
        """Return how many of :meth:`params` are weights and biases of batch norms."""

    @abstractmethod
    def deployed_params(self, shape: Shape) -> int:
        """Return the number of scalars left after batch norm is folded into the convolution."""

    @abstractmethod
    def macs(self, shape: Shape) -> int:
        """Return the multiply-accumulates per image (norm, bias and activation are free)."""

    @abstractmethod
    def build(self, shape: Shape) -> nn.Module:
        """Return a freshly initialised module that computes this layer."""


class PlainLayer(Layer):
    """A layer that holds no other: its maps are written one after another, each from the last."""

    __slots__ = ()

    @abstractmethod
    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        """Return the shapes of the maps written for an input of ``shape``, the output last.

        Raises:
            ValueError: If an input of ``shape`` does not suit this layer.
        """

    @final
    def out_shape(self, shape: Shape) -> Shape:
        return self.feature_maps(shape)[-1]

    @final
    def peak_activation(self, shape: Shape, *, keep: bool = False) -> int:
        maps = (shape, *self.feature_maps(shape))
        kept = (0, *[shape.elements * keep] * (len(maps) - 2))  # the first step reads it anyway
        return max(
            read.elements + written.elements + beside
            for read, written, beside in zip(maps[:-1], maps[1:], kept, strict=True)
        )


def require_positive(layer: Layer, **numbers: int) -> None:
    """Refuse an argument of a frozen layer below 1, or beyond any net; keep it as Python's own.

    Raises:
        ValueError: Naming the argument, as in ``conv out_channels``.
    """
    for name, number in numbers.items():
        object.__setattr__(layer, name, positive(number, f"{layer.name} {name}"))


def positive(number: int, what: str) -> int:
    """Return a number of at least 1 that some net can have, as Python's own.

    Raises:
        ValueError: If it is none.
    """
    whole = as_whole(number, what)
    if whole < 1:
        raise ValueError(f"{what} must be >= 1, got {whole}")
    limits.require_at_most(what, whole, limits.CHANNELS)
    return whole


def require_flag(**flags: bool) -> None:
    """Refuse what is neither true nor false: its text could not be read again."""
    for label, flag in flags.items():
        if type(flag) is not bool:
            name = label.replace("__", " ")
            raise ValueError(f"{name} must be true or false, got {shown(flag)}")


def sides_of(kernel: Kernel) -> tuple[int, int]:
    """Return the rows and columns of a kernel."""
    return kernel if isinstance(kernel, tuple) else (kernel, kernel)


def within(kernel: Kernel) -> tuple[int, int]:
    """Return the pixels, above and beside, that keep a map's size under an odd kernel."""
    rows, columns = sides_of(kernel)
    return rows // 2, columns // 2


def squared(layer: Layer, **kernels: Kernel) -> None:
    """Make a frozen layer's kernel of equal sides one number, so that equal layers are equal.

    Raises:
        ValueError: If it has other sides than rows and columns.
    """
    for name, kernel in kernels.items():
        sides = [index(side) for side in sides_of(kernel)]  # those of numpy are written otherwise
        if len(sides) != 2:  # noqa: PLR2004 - rows and columns
            said = "must be one number, or rows and columns"
            raise ValueError(f"{layer.name} {name} {said}, got {shown(kernel)}")
        rows, columns = sides
        object.__setattr__(layer, name, rows if rows == columns else (rows, columns))


def require_odd(**kernels: Kernel) -> None:
    """Refuse an even kernel, which has no centre and so no "same" padding."""
    numbers = [(label, side) for label, kernel in kernels.items() for side in sides_of(kernel)]
    for label, number in numbers:
        name = label.replace("__", " ")
        as_whole(number, name)
        if number < 1 or number % 2 == 0:
            raise ValueError(f"{name} must be odd, got {number}")
        limits.require_at_most(name, number, limits.KERNEL)


def require_activation(name: str, activation: str) -> None:
    """Refuse an activation that there is not."""
    if activation not in ("none", "relu"):
        raise ValueError(f"{name} activation must be 'none' or 'relu', got {activation!r}")


def same_padded(shape: Shape, channels: int, stride: int) -> Shape:
    """Return the output shape of a "same"-padded convolution."""
    return Shape(channels, -(-shape.height // stride), -(-shape.width // stride))
