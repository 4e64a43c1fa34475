"""An integer net: the operations of docs/quantisation.md with their numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smidgen.export.program import Blur, Flatten, MaxPool, walk
from smidgen.layers import Shape

Int8: TypeAlias = NDArray[np.int8]
Int32: TypeAlias = NDArray[np.int32]

WIDEST_BLUR = 11  # its largest weight, 252, is a byte
HEADROOM = 20  # bits that a sum of maps has below a step of theirs

# sigmoid of every gate input q / 16, q = -128 ... 127, in 1/256
GATE_SCALE = 1 / 16
GATES = np.minimum(
    255, np.floor(256 / (1 + np.exp(-GATE_SCALE * np.arange(-128, 128))) + 0.5)
).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Grid:
    """What an int8 number means: ``scale * (number - zero)``."""

    scale: float
    zero: int


@dataclass(frozen=True, slots=True, eq=False)
class Rescale:
    """From int32 sums to int8: a multiplier in units of 2**-31 and a right shift, an output.

    The factor is ``multiplier * 2**(-31 - shift)``, with ``shift`` from 1 to 31, so below 1/2;
    the multiplier's last five bits are the shift less 1. The results lie on a grid of ``scale``
    and ``zero``; integers need the zero alone, formats that name their grids both.
    """

    multiplier: Int32
    shift: Int32
    zero: int
    scale: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class IntConv2d:
    """Convolution of int8 maps; ReLU is the lower end of int8, where its 0 lies.

    ``bias`` includes what the input's zero point adds up to; ``padding_value`` (in,) is that
    zero point, a channel of its own in the first convolution.
    """

    weight: Int8
    bias: Int32
    rescale: Rescale
    stride: int
    padding: tuple[int, int]  # above and below, and beside
    groups: int
    padding_value: Int8

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns of the kernel."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def depthwise(self) -> bool:
        """Whether each channel is filtered alone."""
        return self.groups > 1

    def out_shape(self, shape: Shape) -> Shape:
        down, across = (
            (side + 2 * pad - kernel) // self.stride + 1
            for side, pad, kernel in zip(shape[1:], self.padding, self.sides, strict=True)
        )
        return Shape(self.weight.shape[0], down, across)


@dataclass(frozen=True, slots=True, eq=False)
class IntAverage:
    """The sum of every channel, less its zero points, rescaled."""

    zero: int  # of the input
    rescale: Rescale

    def out_shape(self, shape: Shape) -> Shape:
        return Shape(shape.channels, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class IntSqueezeExcite:
    """Average, two 1x1 convolutions, a gate from the table ``GATES``, a product rescaled."""

    average: IntAverage
    squeeze: IntConv2d
    excite: IntConv2d
    rescale: Rescale  # of (input - its zero point) * gate

    def out_shape(self, shape: Shape) -> Shape:
        return shape


class Addend(NamedTuple):
    """How a map enters a sum: ``(number - zero) * 2**20``, rescaled; by 1/2 exactly, or less.

    1/2 has a multiplier of 2**30 and a shift of 0; any other shift is as in :class:`Rescale`.
    """

    zero: int
    rescale: Rescale


@dataclass(frozen=True, slots=True, eq=False)
class IntResidual:
    """Two maps made of one, added as TFLite's ``ADD`` does; ReLU is the lower end of int8."""

    inner: tuple["IntOperation", ...]
    shortcut: tuple["IntOperation", ...]  # none where the map itself is added
    made: Addend  # what the inner operations made
    beside: Addend
    rescale: Rescale  # of the sum

    def out_shape(self, shape: Shape) -> Shape:
        for operation in self.inner:
            shape = operation.out_shape(shape)
        return shape


@dataclass(frozen=True, slots=True, eq=False)
class IntLinear:
    """The logits, as int32 sums on one scale for all classes; nothing is rounded after them."""

    weight: Int8  # classes, channels
    bias: Int32
    scale: float  # of the sums: logit = scale * sum

    def out_shape(self, shape: Shape) -> Shape:
        return Shape(self.weight.shape[0], 1, 1)


IntOperation: TypeAlias = (
    IntConv2d | MaxPool | Blur | IntSqueezeExcite | IntResidual | IntAverage | Flatten | IntLinear
)


@dataclass(frozen=True, slots=True, eq=False)
class IntegerProgram:
    """Operations on uint8 pixels, int32 logits at the end."""

    name: str
    input_shape: Shape
    operations: tuple[IntOperation, ...]

    def walk(self) -> Iterator[tuple[IntOperation, Shape]]:
        """Yield each operation with the shape it receives."""
        return walk(self.operations, self.input_shape)

    @property
    def classes(self) -> int:
        """Number of logits."""
        return len(self.head.bias)

    @property
    def head(self) -> IntLinear:
        """The last operation."""
        head = self.operations[-1]
        assert isinstance(head, IntLinear)
        return head
