"""The contract every layer keeps."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, final

from torch import nn


class Shape(NamedTuple):
    """The size of one feature map, without the batch axis."""

    channels: int
    height: int
    width: int

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
    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        """Return the shapes of the maps written for an input of ``shape``, the output last.

        Raises:
            ValueError: If an input of ``shape`` is too small for this layer.
        """

    @abstractmethod
    def params(self, shape: Shape) -> int:
        """Return the number of learned scalars, exactly, batch norm included."""

    @abstractmethod
    def deployed_params(self, shape: Shape) -> int:
        """Return the number of scalars left after batch norm is folded into the convolution."""

    @abstractmethod
    def macs(self, shape: Shape) -> int:
        """Return the multiply-accumulates per image (norm, bias and activation are free)."""

    @abstractmethod
    def build(self, shape: Shape) -> nn.Module:
        """Return a freshly initialised module that computes this layer."""

    @final
    def out_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output for an input of ``shape``."""
        return self.feature_maps(shape)[-1]

    @final
    def peak_activation(self, shape: Shape) -> int:
        """Return the most elements alive at once: a map being read and the one being written."""
        maps = (shape, *self.feature_maps(shape))
        return max(read.elements + written.elements for read, written in zip(maps, maps[1:]))  # noqa: B905, RUF007


def require_positive(**numbers: int) -> None:
    """Refuse a layer argument below 1.

    Raises:
        ValueError: Naming the argument, as in ``conv out_channels``, given as ``conv__...``.
    """
    for label, number in numbers.items():
        if number < 1:
            raise ValueError(f"{label.replace('__', ' ')} must be >= 1, got {number}")


def require_odd(**numbers: int) -> None:
    """Refuse an even kernel, which has no centre and so no "same" padding."""
    for label, number in numbers.items():
        if number < 1 or number % 2 == 0:
            raise ValueError(f"{label.replace('__', ' ')} must be odd, got {number}")


def same_padded(shape: Shape, channels: int, stride: int) -> Shape:
    """Return the output shape of a "same"-padded convolution."""
    return Shape(channels, -(-shape.height // stride), -(-shape.width // stride))
