"""C99 from an integer program: a header and a source, no library behind them.

The source is a table of layers and one small function a kind of layer, so flash grows with the
weights and hardly with the depth. Rows flow from layer to layer through rings of as many rows as
the next window needs; see docs/microcontrollers.md.
"""

import keyword
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from smidgen.export.arena import Buffer, place
from smidgen.export.integer import (
    GATES,
    IntAverage,
    IntConv2d,
    IntegerProgram,
    IntLinear,
    IntOperation,
    IntSqueezeExcite,
    Rescale,
)
from smidgen.export.program import Blur, MaxPool
from smidgen.layers import Shape

WIDEST_BLUR = 11  # its largest weight is 252
_SLACK = 4  # bytes that a load of four may reach beyond the last map


@dataclass(frozen=True, slots=True)
class Source:
    """Generated C and what it needs.

    Args:
        name: Of the function and of the files.
        header: Text of ``<name>.h``.
        source: Text of ``<name>.c``.
        table_bytes: Of constant data, exactly.
        arena_bytes: Of static memory, exactly.
        parts: Names of the kernels in the source.
    """

    name: str
    header: str
    source: str
    table_bytes: int
    arena_bytes: int
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
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
    weight: int | str = 0
    unit: int = 0


@dataclass(slots=True)
class _Tables:
    """What the layers of one net put into memory, gathered while they are walked."""

    rows: list[_Row] = field(default_factory=list[_Row])
    inner: list[_Row] = field(default_factory=list[_Row])
    weights: list[NDArray[np.int8]] = field(default_factory=list[NDArray[np.int8]])
    units: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    taps: list[int] = field(default_factory=list[int])
    buffers: dict[str, Buffer] = field(default_factory=dict[str, Buffer])
    epoch: int = 0

    def add_weights(self, block: NDArray[np.int8]) -> int:
        """Return where ``block`` lies once it is appended."""
        at = sum(len(part) for part in self.weights)
        self.weights.append(block)
        return at

    def add_units(self, bias: Iterable[int], rescale: Rescale | None) -> int:
        """Return where the biases, multipliers and shifts lie once they are appended."""
        at, biases = len(self.units), [int(b) for b in bias]
        ones = np.zeros(len(biases), np.int32)
        multiplier = ones if rescale is None else rescale.multiplier + ones
        shift = ones + 1 if rescale is None else rescale.shift + ones
        self.units += zip(biases, map(int, multiplier), map(int, shift - 1), strict=True)
        return at

    def add_buffer(self, name: str, size: int, until: int = 0, turn: int | None = None) -> str:
        """Plan a buffer that is written now and read until ``until`` epochs later."""
        self.buffers[name] = Buffer(size, self.epoch, self.epoch + until, turn)
        return name


def generate(program: IntegerProgram, name: str = "net") -> Source:
    """Return C99 that computes ``program`` bit for bit as :mod:`smidgen.export.simulate` does.

    Args:
        program: As quantised.
        name: A C identifier, of the function and the files.

    Raises:
        ValueError: If the name is no identifier or a layer is beyond what the C can hold; the
            layer's place is named.
    """
    require_identifier(name)
    tables, shape, zero = _Tables(), program.input_shape, -128
    for place_, (operation, _) in enumerate(program.walk()):
        try:
            shape, zero = _add(tables, operation, shape, zero, place_)
        except ValueError as error:
            raise ValueError(f"{program.name}, operation {place_ + 1}: {error}") from None
    rows = [*tables.rows, _Row("CONVOLVE", shape, height=1), *tables.inner]
    return _written(program, tables, rows, name)


def require_identifier(name: str) -> None:
    """Refuse a name that C cannot use.

    Raises:
        ValueError: Naming what was given.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"name must be a lower-case C identifier, got {name!r}")


def _add(
    tables: _Tables, operation: IntOperation, shape: Shape, zero: int, place_: int
) -> tuple[Shape, int]:
    """Append the row of one operation; return the shape and the zero point of what it writes."""
    name = f"map{place_}"
    row = _Row("", shape, zero=zero, height=shape.height, map=name)
    out, after = operation.out_shape(shape), zero
    match operation:
        case IntConv2d():
            row, after = _conv_row(tables, operation, row), operation.rescale.zero
        case IntLinear():
            row = _linear_row(tables, operation, row)
        case MaxPool(kernel_size, stride):
            row = replace(
                row, kind="POOL", kernel=kernel_size, stride=stride, first=kernel_size
            )
        case Blur():
            row = _blur_row(tables, operation, row)
        case IntAverage():
            row, after = _average_row(tables, operation, row), operation.rescale.zero
        case IntSqueezeExcite():
            row, after = _excite_row(tables, operation, row), operation.rescale.zero
    if tables.rows and tables.rows[-1].kind == "AVERAGE":
        # the average counts the rows it has read: the map after it is ready with the last
        before = tables.rows[-1].height
        row = replace(row, first=before, height=before)
    barrier = row.kind in ("AVERAGE", "EXCITE")
    columns = shape.width + 2 * row.padding
    passing = row.kernel == 1 and row.kind != "EXCITE"
    tables.add_buffer(
        name,
        row.kernel * columns * shape.channels,
        until=int(row.kind == "EXCITE"),
        turn=place_ if passing else None,
    )
    tables.rows.append(row)
    tables.epoch += barrier
    return out, after


def _conv_row(tables: _Tables, conv: IntConv2d, row: _Row) -> _Row:
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


def _linear_row(tables: _Tables, linear: IntLinear, row: _Row) -> _Row:
    weight = tables.add_weights(packed_pairs(linear.weight[:, :, None, None]))
    unit = tables.add_units(linear.bias, None)
    return replace(row, kind="CONVOLVE", weight=weight, unit=unit)


def _blur_row(tables: _Tables, blur: Blur, row: _Row) -> _Row:
    if blur.kernel_size > WIDEST_BLUR:
        raise ValueError(f"blur kernel_size must be <= {WIDEST_BLUR}, got {blur.kernel_size}")
    at = len(tables.taps)
    tables.taps += blur.row
    first = blur.kernel_size // 2 + 1
    return replace(
        row, kind="BLUR", kernel=blur.kernel_size, stride=blur.stride, first=first, weight=at
    )


def _average_row(tables: _Tables, average: IntAverage, row: _Row) -> _Row:
    sums = tables.add_buffer(f"{row.map}_sums", 4 * row.shape.channels)
    start = -average.zero * row.shape.height * row.shape.width
    unit = tables.add_units([start], average.rescale)
    return replace(row, kind="AVERAGE", weight=sums, unit=unit)


def _excite_row(tables: _Tables, own: IntSqueezeExcite, row: _Row) -> _Row:
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
    blank = _Row("", mean, height=1)
    first = _conv_row(tables, own.squeeze, replace(blank, map=maps[0]))
    second = replace(blank, shape=Shape(latent, 1, 1), map=maps[1])
    second = _conv_row(tables, own.excite, second)
    gates = replace(blank, kind="EXCITE", zero=own.excite.rescale.zero, map=maps[2])
    tables.inner += [first, second, gates]
    unit = tables.add_units([-own.average.zero * height * width], own.average.rescale)
    tables.add_units([0], own.rescale)
    return replace(
        row, kind="EXCITE", kernel=height, first=height, stride=0, weight=f"inner {at}", unit=unit
    )


def packed_pairs(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return dense weights (o, i, k, k) as the kernel reads them.

    Outputs go in pairs, an odd one with a partner of zeros. Within a pair come the rows of the
    window; a row is its pixels' channels, padded to fours; of each four, first one output's
    weights, then the other's.
    """
    outputs, inputs, side, _ = weight.shape
    rows = weight.transpose(0, 2, 3, 1).reshape(outputs, side, side * inputs)
    rows = np.pad(rows, ((0, outputs % 2), (0, 0), (0, -rows.shape[2] % 4)))
    fours = rows.reshape(-(-outputs // 2), 2, side, -1, 4)
    return np.ascontiguousarray(fours.transpose(0, 2, 3, 1, 4)).ravel()


def _filters(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return depthwise weights (c, 1, k, k) with the channels innermost."""
    return np.ascontiguousarray(weight[:, 0].transpose(1, 2, 0)).ravel()


def _written(program: IntegerProgram, tables: _Tables, rows: list[_Row], name: str) -> Source:
    offsets, arena = place(tables.buffers)
    arena += _SLACK
    inner_from = len(tables.rows) + 1
    small = _unsigned([max(r.kernel, r.first, r.height, *r.shape) for r in rows])
    numbers = [[_number(r.weight, offsets, inner_from), offsets.get(r.map, 0), r.unit] for r in rows]
    offset = _unsigned([n for line in numbers for n in line], wide="int32_t")
    used = {r.kind for r in rows[: inner_from - 1]}
    first = program.operations[0]
    border = first.padding_value if isinstance(first, IntConv2d) and first.padding else None
    uneven = border is not None and bool((border != border[0]).any())
    units = [*tables.units, (0, 0, 0)]  # the partner of an odd output reads one more
    layer_size = 4 + 5 * _bytes(small) + 3 * _bytes(offset)
    layer_size += -layer_size % _bytes(offset)
    weights = np.concatenate(tables.weights)
    fours = all(r.shape.channels >= 4 for r in rows if r.kind == "FILTER")  # noqa: PLR2004
    data = [
        _array("int8_t", "weights", weights),
        _array("int32_t", "units", [n for unit in units for n in unit[:2]]),
        _array("uint8_t", "shifts", [unit[2] for unit in units]),
        "static const layer layers[] = {\n"
        + "".join(_layer(r, n) for r, n in zip(rows, numbers, strict=True))
        + "};\n",
        f"static int32_t arena[{arena // 4}];\n",
    ]
    table_bytes = len(weights) + 9 * len(units) + layer_size * len(rows)
    if tables.taps:
        data.append(_array("uint8_t", "binomials", tables.taps))
        table_bytes += len(tables.taps)
    if "EXCITE" in used:
        data.append(_array("uint8_t", "sigmoid", GATES))
        table_bytes += len(GATES)
    if uneven and border is not None:
        data.append(_array("int8_t", "border", border))
        table_bytes += len(border)
    kernels = [kind for kind in _CASES if kind in used]
    wanted = ["arithmetic", *(kind.lower() for kind in kernels), *(["border"] if uneven else [])]
    fill = "own == layers ? fill_pixels(p, rows) : fill(own, p, rows)" if uneven else ""
    defines = {
        "LAYERS": str(len(tables.rows)),
        "WINDOW": str(max([1, *(r.kernel for r in tables.rows if r.kind != "EXCITE")])),
        "FOURS": str(int(fours)),
        "FILL(own, p, rows)": fill or "fill(own, p, rows)",
    }
    cases = "".join(f"      {_CASES[kind]}\n" for kind in kernels)
    run = _template("run").replace("NAME", name).replace("CASES\n", cases)
    run, signature = run, f"void {name}(const uint8_t *pixels, int32_t *logits)"
    source = "\n".join(
        [
            f'#include "{name}.h"\n',
            f"typedef {small} small;\ntypedef {offset} offset;\n",
            "".join(f"#define {key} {value}\n" for key, value in defines.items()),
            _template("head"),
            *data,
            "".join(_template(part) for part in wanted) + run,
        ]
    )
    header = _header(program, name, signature, table_bytes, arena)
    return Source(name, header, source, table_bytes, arena, tuple(wanted))


_CASES = {
    "CONVOLVE": "case CONVOLVE: convolve(own, rows, out, 0); break;",
    "FILTER": "case FILTER: filter(own, rows, out); break;",
    "POOL": "case POOL: pool(own, rows, out); break;",
    "BLUR": "case BLUR: blur(own, here, out); break;",
    "EXCITE": "case EXCITE: excite(own, here->row, out); break;",
    "AVERAGE": "case AVERAGE: average(own, here->row, out); break;",
}


def _header(
    program: IntegerProgram, name: str, signature: str, table_bytes: int, arena: int
) -> str:
    channels, height, width = program.input_shape
    classes, guard = len(program.head.bias), f"{name.upper()}_H"
    return f"""#ifndef {guard}
#define {guard}
/* {program.name}, int8.
   Tables: {table_bytes} bytes. Static memory: {arena} bytes, so one call at a time. */
#include <stdint.h>

#define {name.upper()}_PIXELS {program.input_shape.elements} /* {height} rows of {width} pixels of {channels} bytes */
#define {name.upper()}_CLASSES {classes}
#define {name.upper()}_SCALE {program.head.scale:.9e} /* what 1 in the logits stands for */

/* Takes bytes as they come from a camera, row by row, channels innermost. */
{signature};

#endif
"""


def _layer(row: _Row, numbers: Sequence[int]) -> str:
    weight, map_, unit = numbers
    channels, _, width = row.shape
    values = [row.stride, row.padding, row.zero, row.kernel, row.first]
    values += [row.height, width, channels, map_, weight, unit]
    return f"  {{{row.kind}, {', '.join(map(str, values))}}},\n"


def _number(weight: int | str, offsets: dict[str, int], inner_from: int) -> int:
    if isinstance(weight, int):
        return weight
    if weight.startswith("inner "):
        return inner_from + int(weight.removeprefix("inner "))
    return offsets[weight] // 4  # sums: counted in words of the arena


def _unsigned(values: Iterable[int], wide: str = "uint16_t") -> str:
    largest = max(values)
    for kind, limit in (("uint8_t", 2**8), ("uint16_t", 2**16), (wide, 2**31)):
        if largest < limit and _bytes(kind) <= _bytes(wide):
            return kind
    raise ValueError(f"a size of {largest} is more than {wide} holds")


def _bytes(kind: str) -> int:
    return {"uint8_t": 1, "uint16_t": 2, "int32_t": 4}[kind]


def _array(kind: str, name: str, values: Sequence[int] | NDArray[np.integer]) -> str:
    texts = [str(int(value)) for value in values]
    lines = [", ".join(texts[i : i + 20]) for i in range(0, len(texts), 20)]
    return f"static const {kind} {name}[] = {{\n  " + ",\n  ".join(lines) + "\n};\n"


def _template(part: str) -> str:
    return (resources.files("smidgen.export") / "templates" / f"int8_{part}.c").read_text()
