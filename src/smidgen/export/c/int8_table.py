"""The table of layers that drives the generated integer C, and the data it points into."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.arena import Buffer
from smidgen.export.int8.program import (
    Int32,
    IntAverage,
    IntConv2d,
    IntLinear,
    IntOperation,
    IntSqueezeExcite,
    Rescale,
)
from smidgen.export.program import Blur, MaxPool
from smidgen.layers import Shape

WIDEST_BLUR = 11  # its largest weight is 252


class Inner(NamedTuple):
    """Place among the layers inside others, which follow the chain in the table."""

    at: int


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of layers; see the struct in templates/int8_head.c."""

    kind: str
    shape: Shape
    stride: int = 1
    padding: int = 0
    zero: int = -128
    kernel: int = 1
    first: int = 1
    height: int = 0
    map: str = ""
    weight: int | str | Inner = 0
    unit: int = 0

    @property
    def row_size(self) -> int:
        """Bytes of one row of the ring, border included."""
        return (self.shape.width + 2 * self.padding) * self.shape.channels


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

    def add_weights(self, block: NDArray[np.int8]) -> int:
        """Return where ``block`` lies once it is appended."""
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


def add(
    tables: Tables, operation: IntOperation, shape: Shape, zero: int, place_: int
) -> tuple[Shape, int]:
    """Append the row of one operation; return the shape and the zero point of what it writes."""
    name = f"map{place_}"
    row = Row("", shape, zero=zero, height=shape.height, map=name)
    out, after = operation.out_shape(shape), zero
    match operation:
        case IntConv2d():
            row, after = _conv_row(tables, operation, row), operation.rescale.zero
        case IntLinear():
            row = _linear_row(tables, operation, row)
        case MaxPool(kernel_size, stride):
            row = replace(row, kind="POOL", kernel=kernel_size, stride=stride, first=kernel_size)
        case Blur():
            row = _blur_row(tables, operation, row)
        case IntAverage():
            row, after = _average_row(tables, operation, row), operation.rescale.zero
        case IntSqueezeExcite():
            row, after = _excite_row(tables, operation, row), operation.rescale.zero
    averaged = bool(tables.rows) and tables.rows[-1].kind == "AVERAGE"
    if averaged:
        # the average counts the rows it has read: the map after it is ready with the last
        before = tables.rows[-1].height
        row = replace(row, first=before, height=before)
    barrier = row.kind in ("AVERAGE", "EXCITE")
    passing = row.kernel == 1 and row.kind != "EXCITE"
    turn = place_ if passing and not averaged else None
    tables.epoch -= averaged  # which writes its means with every row
    tables.add_buffer(name, row.kernel * row.row_size, averaged + (row.kind == "EXCITE"), turn)
    tables.epoch += averaged
    tables.rows.append(row)
    tables.epoch += barrier
    return out, after


def _conv_row(tables: Tables, conv: IntConv2d, row: Row) -> Row:
    packed = _filters(conv.weight) if conv.depthwise else packed_pairs(conv.weight)
    return replace(
        row,
        kind="FILTER" if conv.depthwise else "CONVOLVE",
        kernel=conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        first=conv.kernel_size - conv.padding,
        zero=int(conv.padding_value[0]),
        weight=tables.add_weights(packed),
        unit=tables.add_units(conv.bias, conv.rescale),
    )


def _linear_row(tables: Tables, linear: IntLinear, row: Row) -> Row:
    return replace(row, kind="CLASSIFY", weight=tables.add_weights(linear.weight.ravel()))


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
    blank = Row("", mean, height=1)
    first = _conv_row(tables, own.squeeze, replace(blank, map=maps[0]))
    second = replace(blank, shape=Shape(latent, 1, 1), map=maps[1])
    second = _conv_row(tables, own.excite, second)
    gates = replace(blank, kind="EXCITE", zero=own.excite.rescale.zero, map=maps[2])
    tables.inner += [first, second, gates]
    start = np.array([-own.average.zero * height * width], np.int32)
    unit = tables.add_units(start, own.average.rescale)
    tables.add_units(np.zeros(1, np.int32), own.rescale)
    return replace(
        row, kind="EXCITE", kernel=height, first=height, stride=0, weight=Inner(at), unit=unit
    )


def packed_pairs(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return dense weights (o, i, k, k) as the kernel reads them.

    Outputs go in pairs, an odd one with a partner of zeros. Within a pair the window's pixels
    follow each other, each with its channels, padded to fours at the end; of each four, first
    one output's weights, then the other's.
    """
    outputs = weight.shape[0]
    windows = weight.transpose(0, 2, 3, 1).reshape(outputs, -1)
    windows = np.pad(windows, ((0, outputs % 2), (0, -windows.shape[1] % 4)))
    fours = windows.reshape(-(-outputs // 2), 2, -1, 4)
    return np.ascontiguousarray(fours.transpose(0, 2, 1, 3)).ravel()


def _filters(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return depthwise weights (c, 1, k, k) in fours of channels, those innermost."""
    padded = np.pad(weight.reshape(len(weight), -1), ((0, -len(weight) % 4), (0, 0)))
    return np.ascontiguousarray(padded.reshape(-1, 4, padded.shape[1]).transpose(0, 2, 1)).ravel()
