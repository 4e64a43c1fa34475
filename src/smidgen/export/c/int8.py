"""C99 from an integer program: a header and a source, no library behind them.

The source is a table of layers and one small function a kind of layer, so flash grows with the
weights and hardly with the depth. Rows flow from layer to layer through rings of as many rows as
the next window needs; see docs/microcontrollers.md.
"""

import itertools
from collections.abc import Sequence
from typing import get_args

import numpy as np

from smidgen.export.c.arena import Buffer, place
from smidgen.export.c.int8_facts import facts_of, is_loose
from smidgen.export.c.int8_table import (
    Inner,
    Kind,
    Row,
    Tables,
    add,
    add_pooled,
    pools_first,
    whole_words,
)
from smidgen.export.c.names import require_identifier
from smidgen.export.c.source import Needed, Source, written
from smidgen.export.c.text import template
from smidgen.export.int8.program import (
    GATES,
    IntConv2d,
    IntegerProgram,
)

SLACK = 4  # bytes that a load of four may reach beyond the last map, and a copy beyond a window
HELIUM_SLACK = 28  # bytes that Helium's may reach beyond that
HELIUM_REACH = 56  # bytes that its loads may reach beyond the weights of a convolution
OPTIMIZE = ("speed", "flash")
_BYTES = {"int8_t": 1, "uint8_t": 1, "uint16_t": 2, "int32_t": 4, "uint32_t": 4}
# callers after callees; the classifier is where the loop ends
_KERNELS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "CLASSIFY")


def generate(program: IntegerProgram, name: str = "net", optimize: str = "speed") -> Source:
    """Return C99 that computes ``program`` bit for bit as :mod:`smidgen.export.int8.simulate` does.

    Args:
        program: As quantised.
        name: A C identifier, of the function and the files.
        optimize: For speed, cores that multiply two at a time get their inner loops in assembly,
            about 1 KB of code; for flash they do not.

    Raises:
        ValueError: If the name is no identifier, there is no such ``optimize`` or a layer is
            beyond what the C can hold; the layer's place is named.
    """
    require_identifier(name)
    if optimize not in OPTIMIZE:
        raise ValueError(f"optimize must be {' or '.join(OPTIMIZE)}, got {optimize!r}")
    tables, shape, zero = Tables(), program.input_shape, -128
    operations, waiting = list(program.operations), None
    for place_, operation in enumerate(operations):
        after = operations[place_ + 1 : place_ + 2]
        try:
            if after and operation is not waiting and pools_first(operation, after[0], shape):
                shape = add_pooled(tables, after[0], shape, zero)
                operations[place_ + 1] = waiting = operation
                continue
            shape, zero = add(tables, operation, shape, zero)
        except ValueError as error:
            raise ValueError(f"{program.name}, operation {place_ + 1}: {error}") from None
    rows = [*tables.rows, Row("CLASSIFY", shape, height=1), *tables.inner]
    return _written(program, tables, rows, name, optimize)


def _written(
    program: IntegerProgram, tables: Tables, rows: list[Row], name: str, optimize: str
) -> Source:
    offsets, arena = _placed(tables, rows)
    small, offset = _types(tables, rows, offsets)
    bordered = _bordered(program)
    kernels: list[Kind] = [kind for kind in _KERNELS if kind in {row.kind for row in rows}]
    data = _data(program, tables)
    more = max(0, HELIUM_REACH - program.head.weight.size) if "CONVOLVE" in kernels else 0
    table_bytes = sum(_BYTES[kind] * len(values) for kind, _, values in data)
    slotted = any(row.slots != row.kernel for row in rows)
    oblong = any(row.oblong for row in rows)
    layer_size = 4 + (5 + slotted + 2 * oblong) * _BYTES[small]
    layer_size += -layer_size % _BYTES[offset] + 4 * _BYTES[offset]
    table_bytes += layer_size * len(rows)
    inner_from = len(tables.rows) + 1
    layers = "".join(
        _layer(row, offsets, inner_from, slotted=slotted, oblong=oblong) for row in rows
    )
    gathered = any(row.kind == "CONVOLVE" and row.kernel > 1 for row in rows)
    texts = [
        "arithmetic",
        *["gather"] * gathered,
        *["tile_thumb", "tile"] * ("CONVOLVE" in kernels),
    ]
    texts += ["convolve_packed", "convolve_helium"] * ("CONVOLVE" in kernels)
    texts += ["filter_helium", "filter_thumb", "filter_packed"] * ("FILTER" in kernels)
    texts += ["pool_sums"] * ("POOL" in kernels)
    texts += [*(kind.lower() for kind in kernels), *["border"] * (bordered is not None)]
    filling = "own == layers + BORDERED ? fill_pixels(p, rows) : fill(own, p, rows)"
    facts = facts_of(program, tables, rows)
    defines = {
        "SPEED": int(optimize == "speed"),
        **facts,
        "SLOTTED": int(slotted),
        "OBLONG": int(oblong),
        "GATHER": int(gathered),
        "BETWEEN": SLACK,
        "PATCH": offsets.get("patch", 0),
        "FEATURES": program.head.weight.shape[1],
        "LAYER_BYTES": layer_size,
        "BORDERED": bordered or 0,
        "FILL(own, p, rows)": "fill(own, p, rows)" if bordered is None else filling,
    }
    run = template("int8_run.c")
    source = [
        f"typedef {small} small;\ntypedef {offset} offset;\n\n",
        *(f"#define {key} {value}\n" for key, value in defines.items()),
        "\n" + template("int8_head.c").replace("KINDS", ", ".join([*kernels, "CLASSIFY"])) + "\n",
        *(_array(*table, more) for table in data),
        f"static const layer layers[] = {{\n{layers}}};\n",
        *(template(f"int8_{text}.c") for text in texts),
        run.replace("KERNELS", ", ".join(kind.lower() for kind in kernels) or "0"),
    ]
    parts = _parts(facts, rows, kernels, bordered=bordered is not None)
    needed = Needed(table_bytes, arena, parts, len(tables.rows), HELIUM_SLACK)
    return written(program, name, "".join(source), needed, scale=program.head.scale)


def _parts(
    facts: dict[str, int | str], rows: list[Row], kernels: Sequence[Kind], *, bordered: bool
) -> tuple[str, ...]:
    """Return what of the code is compiled for a core that multiplies two at a time."""
    parts = ["arithmetic", *(kind.lower() for kind in kernels if kind != "FILTER")]
    parts += ["small_filter"] * bool(facts["SMALL_FILTERS"])
    parts += ["large_filter"] * bool(facts["LARGE_FILTERS"])
    by_threes = bool(facts["THREE_FILTERS"])
    others = {
        (row.kernel, row.across)
        for row in rows
        if row.kind == "FILTER" and not (row.tiled or (by_threes and row.in_threes))
    }
    parts += ["filter"] * bool(others) + ["another_filter"] * (len(others) - 1)
    there = {
        "signed": not facts["RELU"],
        "gather": facts["TILED_GATHER"],
        "long_turns": facts["LONG_TURNS"],
        "three_columns": facts["THREE_COLUMNS"],
        "three_filter": by_threes,
        "another_three": facts["EVERY_COLUMN"] and facts["EVERY_OTHER_COLUMN"],
        "border": bordered,
        "shortcut": facts["SHORTCUTS"],
        "blurred_shortcut": facts["BLURRED_SHORTCUTS"],
        "pooled_gate": facts["POOLED_GATES"],
    }
    return (*parts, *(part for part, is_there in there.items() if is_there))


def _placed(tables: Tables, rows: list[Row]) -> tuple[dict[str, int], int]:
    """Return the place of every buffer and the size of the arena."""
    patches = [
        _patch(row) for part in (rows, tables.inner) for row in part if row.kind == "CONVOLVE"
    ]
    if patches:
        tables.buffers["patch"] = Buffer(max(patches), 0, tables.epoch)
    offsets, arena = place(tables.buffers)
    return offsets, arena + SLACK


def _patch(row: Row) -> int:
    """Return the bytes for a convolution's windows: four as halves, and as bytes if gathered."""
    size = whole_words(row.kernel * row.across * row.shape.channels)
    return 8 * size + is_loose(row) * 4 * (size + SLACK)


def _types(tables: Tables, rows: list[Row], offsets: dict[str, int]) -> tuple[str, str]:
    """Return the narrowest types that hold the sides of every map, and every place."""
    small = max(max(row.kernel, row.across, row.first, row.height, *row.shape) for row in rows)
    if small >= 2**16:
        raise ValueError(f"sides and channels must be below {2**16}, got {small}")
    weights = sum(len(part) for part in tables.weights)
    far = max(weights, len(tables.units), *offsets.values(), *(row.row_size for row in rows))
    return "uint8_t" if small < 2**8 else "uint16_t", "uint16_t" if far < 2**16 else "int32_t"


def _bordered(program: IntegerProgram) -> int | None:
    """Return the place of the convolution whose border differs by channel, if there is one."""
    for place_, operation in enumerate(program.operations):
        if isinstance(operation, IntConv2d) and any(operation.padding):
            values = operation.padding_value
            return place_ if (values != values[0]).any() else None
    return None


def _data(program: IntegerProgram, tables: Tables) -> list[tuple[str, str, Sequence[int]]]:
    """Return the constant arrays: type, name, values."""
    reach = {"CONVOLVE": 4, "FILTER": 4}  # outputs at a time, the last ones perhaps not all there
    ends = [
        row.unit + -(-after.shape.channels // reach[row.kind]) * reach[row.kind]
        for part in (tables.rows, tables.inner)
        for row, after in itertools.pairwise(part)
        if row.kind in reach
    ]
    units = [*tables.units, *[(0, 0)] * (max(ends, default=0) - len(tables.units))]
    found: list[tuple[str, str, Sequence[int]]] = [
        ("int8_t", "weights", np.concatenate(tables.weights).tolist()),
        ("int32_t", "biases", program.head.bias.tolist()),
    ]
    bordered = _bordered(program)
    if units:  # a classifier alone has none
        found.append(("uint32_t", "units", [number for unit in units for number in unit]))
    if tables.taps:
        found.append(("uint8_t", "binomials", tables.taps))
    if any(row.kind == "EXCITE" for row in tables.rows):
        found.append(("uint8_t", "sigmoid", GATES.tolist()))
    if bordered is not None:
        conv = program.operations[bordered]
        assert isinstance(conv, IntConv2d)
        found.append(("int8_t", "border", conv.padding_value.tolist()))
    return found


def _layer(
    row: Row, offsets: dict[str, int], inner_from: int, *, slotted: bool, oblong: bool
) -> str:
    channels, _, width = row.shape
    match row.weight:
        case int(weight):
            pass
        case Inner(at):
            weight = inner_from + at
        case str(sums):
            weight = offsets[sums] // 4  # counted in words of the arena
    values = [row.stride, row.padding, row.zero, row.kernel, *[row.slots] * slotted]
    values += [row.across, row.beside] * oblong
    values += [row.first, row.height, width]
    values += [channels, row.row_size, offsets.get(row.map, 0), weight, row.unit]
    return f"  {{{row.kind}, {', '.join(map(str, values))}}},\n"


def _array(kind: str, name: str, values: Sequence[int], more: int) -> str:
    """Return an array; of weights, ``more`` behind it where Helium reads so far."""
    texts = [str(value) for value in values]
    lines = [", ".join(texts[i : i + 20]) for i in range(0, len(texts), 20)]
    kind = f"WORD_ALIGNED {kind}" if name == "weights" else kind  # of which four are read at once
    count = f"{len(values)} + HELIUM * {more}" if name == "weights" and more else ""
    return f"static const {kind} {name}[{count}] = {{\n  " + ",\n  ".join(lines) + "\n};\n"
