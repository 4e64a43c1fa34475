"""The table of layers that drives the generated integer C, and the data it points into."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.arena import Buffer
from smidgen.export.int8.program import (
    HEADROOM,
    WIDEST_BLUR,
    Int32,
    IntAverage,
    IntConv2d,
    IntLinear,
    IntOperation,
    IntResidual,
    IntSqueezeExcite,
    Rescale,
)
from smidgen.export.program import Blur, Flatten, MaxPool, walk
from smidgen.layers import Shape
from smidgen.layers.base import sides_of

_COLLECTS = ("AVERAGE", "FLATTEN")  # write to one row as often as they read one


# A name is also that of a function and its template, and of what footprint.py counts for it.
Kind: TypeAlias = Literal[  # in the order that the C needs, callers after callees
    "CONVOLVE", "FILTER", "POOL", "BLUR", "EXCITE", "ADD", "AVERAGE", "FLATTEN", "CLASSIFY"
]


THREES = (3, 5, 6, 9)  # columns of which as many threes take less than fours


def by_threes(stride: int, columns: int) -> bool:
    """Return whether a filter of 3 x 3 goes by three columns: see int8_filter.c."""
    return columns in THREES if stride == 1 else stride == 2 and columns >= min(THREES)  # noqa: PLR2004


class Inner(NamedTuple):
    """Place among the layers inside others, which follow the chain in the table."""

    at: int


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of layers; see the struct in templates/int8_head.c."""

    kind: Kind
    shape: Shape
    stride: int = 1
    padding: int = 0  # above and below
    zero: int = -128
    kernel: int = 1  # rows of the window
    first: int = 1
    height: int = 0
    held: int = 0
    map: str = ""
    weight: int | str | Inner = 0
    unit: int = 0
    oblong: tuple[int, int] | None = None  # columns of a window, and of the border beside

    @property
    def across(self) -> int:
        """Columns of the window."""
        return self.oblong[0] if self.oblong else self.kernel

    @property
    def beside(self) -> int:
        """Columns of the border on either side."""
        return self.oblong[1] if self.oblong else self.padding

    @property
    def slots(self) -> int:
        """Rows in the ring: those of the window, or more where a sum reads an earlier one."""
        return max(self.kernel, self.held)

    @property
    def columns(self) -> int:
        """Columns of what a window at stride 1 would make."""
        return self.shape.width + 2 * self.beside - self.across + 1

    @property
    def tiled(self) -> bool:
        """Whether cores that multiply two at a time filter it in fours; see int8_filter.c."""
        square = self.kernel == self.across and self.kernel in (3, 5)
        filtered = self.kind == "FILTER" and self.stride == 1 and square
        return filtered and self.columns > 3 and self.shape.channels % 4 == 0  # noqa: PLR2004

    @property
    def in_threes(self) -> bool:
        """Whether such cores filter it better by three columns, if there is room for the loop."""
        columns = (self.columns - 1) // self.stride + 1
        square = self.kernel == self.across == 3  # noqa: PLR2004
        filtered = self.kind == "FILTER" and square and self.shape.channels % 4 == 0
        return filtered and by_threes(self.stride, columns)

    @property
    def alone(self) -> bool:
        """Whether cores without such products filter it in assembly; see int8_filter_thumb.c."""
        square = self.kernel == self.across == 3  # noqa: PLR2004
        filtered = self.kind == "FILTER" and self.stride == 1 and square
        return filtered and self.columns > 3  # noqa: PLR2004

    @property
    def rolled(self) -> bool:
        """Whether cores with many registers filter it in assembly; see int8_filter_packed.c."""
        square = self.kernel == self.across == 3  # noqa: PLR2004
        return self.kind == "FILTER" and square and self.stride <= 2  # noqa: PLR2004

    @property
    def row_size(self) -> int:
        """Bytes of one row of the ring, border included."""
        return (self.shape.width + 2 * self.beside) * self.shape.channels


@dataclass(slots=True)
class Tables:
    """What the layers of one net put into memory, gathered while they are walked."""

    rows: list[Row] = field(default_factory=list[Row])
    inner: list[Row] = field(default_factory=list[Row])
    weights: list[NDArray[np.int8]] = field(default_factory=list[NDArray[np.int8]])
    units: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    taps: list[int] = field(default_factory=list[int])
    buffers: dict[str, Buffer] = field(default_factory=dict[str, Buffer])
    epoch: int = 0
    epochs: list[int] = field(default_factory=list[int])  # in which each of ``rows`` is computed

    @property
    def constant_bytes(self) -> int:
        """Bytes of the weights, of biases and multipliers and of blurs' taps so far."""
        return sum(len(part) for part in self.weights) + 8 * len(self.units) + len(self.taps)

    def add_weights(self, block: NDArray[np.int8]) -> int:
        """Return where ``block`` lies: where it was before, or at the end."""
        at = 0
        for part in self.weights:  # passes of a repeat share theirs
            if part is block or (len(part) == len(block) and (part == block).all()):
                return at
            at += len(part)
        self.weights.append(block)
        return at

    def add_last_weights(self, block: NDArray[np.int8]) -> int:
        """Return where the classifier's lie, the end: Helium's loads reach into them."""
        at = sum(len(part) for part in self.weights)
        self.weights.append(block)
        return at

    def add_units(self, bias: Int32, rescale: Rescale) -> int:
        """Return where the biases and multipliers lie once they are appended."""
        at = len(self.units)
        numbers = zip(bias, rescale.multiplier, strict=True)
        self.units += [(int(b) & 0xFFFFFFFF, 2 * int(m)) for b, m in numbers]
        return at

    def add_buffer(self, name: str, size: int, until: int = 0, turn: int | None = None) -> str:
        """Plan a buffer that is written now and read until ``until`` epochs later."""
        self.buffers[name] = Buffer(size, self.epoch, self.epoch + until, turn)
        return name


def add(tables: Tables, operation: IntOperation, shape: Shape, zero: int) -> tuple[Shape, int]:
    """Append the rows of one operation; return the shape and the zero point of what it writes."""
    start, out, read, made = len(tables.rows), operation.out_shape(shape), shape, zero
    for inner, before in walk(_inside(operation), shape):
        read, made = add(tables, inner, before, made)
    place_ = len(tables.rows)
    row = Row("CLASSIFY", read, zero=made, height=read.height, map=f"map{place_}")
    row, after = _row_of(tables, operation, row, start)
    averaged = bool(tables.rows) and tables.rows[-1].kind in _COLLECTS
    if averaged:
        if row.kernel > 1 and row.kind != "EXCITE":
            raise ValueError(
                "int8 C row by row reads means, or a flattened map, by windows of one row;"
                f" got {row.kernel}: take kernel_size=1"
            )
        # it writes to one row as often as it reads one: the map is ready with the last
        before = tables.rows[-1].height
        row = replace(row, first=before, height=before)
    barrier = row.kind in _COLLECTS or row.kind == "EXCITE"
    # a border beside is written once: nobody else may write there
    passing = row.kernel == 1 and not row.beside and row.kind != "EXCITE"
    turn = place_ if passing and not averaged else None
    tables.epoch -= averaged  # which writes with every row
    tables.add_buffer(row.map, row.kernel * row.row_size, averaged + (row.kind == "EXCITE"), turn)
    tables.epoch += averaged
    tables.rows.append(row)
    tables.epochs.append(tables.epoch + (row.kind == "EXCITE"))  # once all of its map is there
    if place_ > start:
        _hold(tables, start)
    tables.epoch += barrier
    return out, after


def _inside(operation: IntOperation) -> tuple[IntOperation, ...]:
    """Return the operations that make what one reads, beside the map that it is given."""
    match operation:
        case IntResidual(inner):
            return inner
        case IntConv2d() | MaxPool() | Blur() | IntSqueezeExcite():
            return ()
        case IntAverage() | Flatten() | IntLinear():
            return ()


def pools_first(operation: IntOperation, after: IntOperation, shape: Shape) -> bool:
    """Return whether a gate may wait for the pooling behind it, so that less of the map is held.

    A gate is never negative and rounding keeps order, so the largest number of a window is also
    the largest behind the gate, bit for bit. The means are those of the whole map: every pixel
    has to be in exactly one window.
    """
    return (
        isinstance(operation, IntSqueezeExcite)
        and isinstance(after, MaxPool)
        and after.kernel_size == after.stride > 1
        and shape.height % after.stride == shape.width % after.stride == 0
    )


def add_pooled(tables: Tables, pool: IntOperation, shape: Shape, zero: int) -> Shape:
    """Append the pooling before a gate, which adds up its rows; return the shape it writes.

    The gate that is added next takes the sums of the map before the pooling.
    """
    pooled, _ = add(tables, pool, shape, zero)
    sums = tables.add_buffer(f"{tables.rows[-1].map}_sums", 4 * shape.channels, 1)
    tables.rows[-1] = replace(tables.rows[-1], weight=sums, unit=1)
    return pooled


def _row_of(tables: Tables, operation: IntOperation, row: Row, start: int) -> tuple[Row, int]:
    """Return the row of one operation, and the zero point of what it writes."""
    after = row.zero
    match operation:
        case IntConv2d():
            made, after = _conv_row(tables, operation, row), operation.rescale.zero
            # an average goes by its own zero point, which is not the border of means of pixels
            averaged = bool(tables.rows) and tables.rows[-1].kind == "AVERAGE"
            row = replace(made, zero=row.zero) if averaged else made
        case IntLinear():
            row = _linear_row(tables, operation, row)
        case MaxPool(kernel_size, stride):
            rows, columns = sides_of(kernel_size)
            row = replace(row, kind="POOL", kernel=rows, stride=stride, first=rows)
            row = replace(row, oblong=_oblong((rows, columns), (0, 0)))
        case Blur():
            row = _blur_row(tables, operation, row)
        case IntAverage():
            row, after = _average_row(tables, operation, row), operation.rescale.zero
        case Flatten():
            row = replace(row, kind="FLATTEN")
        case IntSqueezeExcite():
            row, after = _excite_row(tables, operation, row), operation.rescale.zero
        case IntResidual():
            row, after = _add_row(tables, operation, row, start), operation.rescale.zero
    return row, after


def _conv_row(tables: Tables, conv: IntConv2d, row: Row) -> Row:
    packed = _filters(conv.weight) if conv.depthwise else packed_pairs(conv.weight)
    return replace(
        row,
        kind="FILTER" if conv.depthwise else "CONVOLVE",
        kernel=conv.sides[0],
        stride=conv.stride,
        padding=conv.padding[0],
        first=conv.sides[0] - conv.padding[0],
        oblong=_oblong(conv.sides, conv.padding),
        zero=int(conv.padding_value[0]),
        weight=tables.add_weights(packed),
        unit=tables.add_units(conv.bias, conv.rescale),
    )


def _oblong(sides: tuple[int, int], padding: tuple[int, int]) -> tuple[int, int] | None:
    """Return the columns of a window and its border where they are not as many as its rows."""
    return None if sides[0] == sides[1] and padding[0] == padding[1] else (sides[1], padding[1])


def _linear_row(tables: Tables, linear: IntLinear, row: Row) -> Row:
    return replace(row, kind="CLASSIFY", weight=tables.add_last_weights(linear.weight.ravel()))


def _blur_row(tables: Tables, blur: Blur, row: Row) -> Row:
    if blur.kernel_size > WIDEST_BLUR:
        raise ValueError(f"blur kernel_size must be <= {WIDEST_BLUR}, got {blur.kernel_size}")
    at = len(tables.taps)
    tables.taps += blur.row
    first = blur.kernel_size // 2 + 1
    return replace(
        row, kind="BLUR", kernel=blur.kernel_size, stride=blur.stride, first=first, weight=at
    )


def _average_row(tables: Tables, average: IntAverage, row: Row) -> Row:
    sums = tables.add_buffer(f"{row.map}_sums", 4 * row.shape.channels)
    start = -average.zero * row.shape.height * row.shape.width
    unit = tables.add_units(np.array([start], np.int32), average.rescale)
    return replace(row, kind="AVERAGE", weight=sums, unit=unit)


def _excite_row(tables: Tables, own: IntSqueezeExcite, row: Row) -> Row:
    channels, height, width = row.shape
    latent = own.squeeze.weight.shape[0]
    mean = Shape(channels, 1, 1)
    tables.epoch += 1  # the gates are computed once all of the map is there
    maps = [
        tables.add_buffer(f"{row.map}_{part}", size)
        for part, size in (("mean", channels), ("latent", latent), ("gates", channels))
    ]
    tables.epoch -= 1
    at = len(tables.inner)
    blank = Row("EXCITE", mean, height=1)
    first = _conv_row(tables, own.squeeze, replace(blank, map=maps[0]))
    second = replace(blank, shape=Shape(latent, 1, 1), map=maps[1])
    second = _conv_row(tables, own.excite, second)
    gates = replace(blank, kind="EXCITE", zero=own.excite.rescale.zero, map=maps[2])
    tables.inner += [first, second, gates]
    before = tables.rows[-1] if tables.rows else row
    covered = before.kernel**2 if before.kind == "POOL" and before.unit else 1
    start = np.array([-own.average.zero * height * width * covered], np.int32)
    unit = tables.add_units(start, own.average.rescale)
    tables.add_units(np.zeros(1, np.int32), own.rescale)
    return replace(
        row, kind="EXCITE", kernel=height, first=height, stride=0, weight=Inner(at), unit=unit
    )


def _add_row(tables: Tables, own: IntResidual, row: Row, start: int) -> Row:
    """Return the row of a sum; what it adds, and what a shortcut makes of that, lies inside.

    The first of those rows says how far back in the chain stands who reads the map that is added.
    """
    # a half enters as it is: of two, either
    swapped = int(own.beside.rescale.shift[0]) > 0
    half, other = (own.made, own.beside) if swapped else (own.beside, own.made)
    by = 2 * int(other.rescale.multiplier[0]) * bool(other.rescale.shift[0])
    unit = len(tables.units)
    tables.units.append(((-other.zero << HEADROOM) & 0xFFFFFFFF, by))
    tables.units.append(((1 - (half.zero << HEADROOM)) & 0xFFFFFFFF, int(swapped)))
    tables.add_units(np.zeros(1, np.int32), own.rescale)
    reader = tables.rows[start] if start < len(tables.rows) else row
    source = replace(reader, kind="ADD", stride=1, kernel=1, weight=0, unit=0, oblong=_ring(reader))
    inner: list[Row] = []
    for place_, operation in enumerate(own.shortcut):
        into = source if not inner else replace(inner[-1], padding=0, oblong=None)
        match operation:
            case Blur():
                inner.append(_blur_row(tables, operation, into))
                shape = operation.out_shape(source.shape)._replace(height=1)
                buffer = tables.add_buffer(f"{row.map}_{place_}", shape.width * shape.channels)
                inner.append(Row("ADD", shape, height=1, zero=source.zero, map=buffer))
            case IntConv2d():
                if inner:
                    into = inner.pop()
                made = replace(_conv_row(tables, operation, into), padding=into.padding)
                inner.append(replace(made, oblong=into.oblong))
                inner.append(Row("ADD", row.shape, zero=own.beside.zero))
            case (
                MaxPool()
                | IntSqueezeExcite()
                | IntResidual()
                | IntAverage()
                | Flatten()
                | IntLinear()
            ):
                raise AssertionError("a shortcut is a blur and a 1x1 convolution, or less")
    inner = inner or [source]
    inner[0] = replace(inner[0], first=len(tables.rows) - start, held=reader.slots)
    at = len(tables.inner)
    tables.inner += inner
    return replace(row, kind="ADD", weight=Inner(at), unit=unit)


def _ring(reader: Row) -> tuple[int, int] | None:
    """Return how a sum sees the border of a ring that a window reads."""
    return None if reader.beside == reader.padding else (1, reader.beside)


def _hold(tables: Tables, start: int) -> None:
    """Keep the map that the last row adds until then, as many rows of it as that takes."""
    *rows, last = tables.rows[start:]
    assert isinstance(last.weight, Inner)
    place_ = last.weight.at
    side = tables.inner[place_]
    back = side.kernel // 2 if side.kind == "BLUR" else 0
    most = 0
    for y in range(last.height):
        most = max(most, filled(rows, y + 1) - max(0, y * side.stride - back))
    if rows[0].height != rows[0].shape.height:  # what has been collected in one row
        most = 1
    # a blur beside counts the ring's rows as a window's: on a small map as many are there
    window = side.kernel if side.kind == "BLUR" else 0
    reader = replace(rows[0], held=max(most, window, rows[0].held))
    tables.rows[start] = reader
    for place_, other in enumerate(tables.inner):  # a sum within this one may read the same ring
        if other.map == reader.map:
            tables.inner[place_] = replace(other, held=reader.slots)
    buffer = tables.buffers[reader.map]
    until = max(buffer.last, tables.epoch)
    size = reader.slots * reader.row_size
    tables.buffers[reader.map] = replace(buffer, size=size, last=until, turn=None)


def filled(rows: Sequence[Row], written: int) -> int:
    """Return the rows of the first map, and of the border below it, before so many are written."""
    needed = written
    for row in reversed(rows):
        needed = row.first + (written - 1) * row.stride
        written = min(needed, row.height)
    return needed


def whole_words(size: int) -> int:
    """Return ``size`` bytes in whole words."""
    return (size + 3) // 4 * 4


def packed_pairs(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return dense weights (o, i, rows, columns) as the kernel reads them.

    Outputs go in pairs, an odd one with a partner of zeros. Within a pair the window's pixels
    follow each other, each with its channels, padded to fours at the end, or at the end of each
    row where that takes no more. Of each four, terms 0, 2, 1 and 3 follow each other, each with
    one output's weight, then the other's: so one word widens to a pair of either output's.
    """
    outputs, _, rows, _ = weight.shape
    windows = weight.transpose(0, 2, 3, 1).reshape(outputs, rows, -1)
    span, size = windows.shape[2], rows * windows.shape[2]
    if rows * whole_words(span) == whole_words(size):
        windows = np.pad(windows, ((0, 0), (0, 0), (0, -span % 4)))
    windows = windows.reshape(outputs, -1)
    windows = np.pad(windows, ((0, outputs % 2), (0, -windows.shape[1] % 4)))
    fours = windows.reshape(-(-outputs // 2), 2, -1, 4)[..., [0, 2, 1, 3]]
    return np.ascontiguousarray(fours.transpose(0, 2, 3, 1)).ravel()


def _filters(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return depthwise weights (c, 1, rows, columns) in fours of channels, those innermost."""
    padded = np.pad(weight.reshape(len(weight), -1), ((0, -len(weight) % 4), (0, 0)))
    return np.ascontiguousarray(padded.reshape(-1, 4, padded.shape[1]).transpose(0, 2, 1)).ravel()
