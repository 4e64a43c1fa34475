"""Where everything of a net lies in int8 C, and what that takes, before any of it is written."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from smidgen.export.c.arena import Buffer, place
from smidgen.export.c.int8_facts import facts_of, is_loose
from smidgen.export.c.int8_table import (
    Kind,
    Row,
    Tables,
    add,
    add_pooled,
    pools_first,
    whole_words,
)
from smidgen.export.c.source import Needed
from smidgen.export.int8.program import GATES, IntConv2d, IntegerProgram
from smidgen.layers import Shape

PATCH = "patch"  # the buffer for a convolution's windows, as large as the largest needs
SLACK = 4  # bytes that a load of four may reach beyond the last map, and a copy beyond a window
HELIUM_SLACK = 28  # bytes that Helium's may reach beyond that
_BYTES = {"int8_t": 1, "uint8_t": 1, "uint16_t": 2, "int32_t": 4, "uint32_t": 4}
_STACK = 304  # bytes on a Cortex-M4 under QEMU, at most, so that a budget is kept
_STACK_A_LAYER = 12  # how far each has come
_STACK_OF = {"large_filter": 24, "gather": 56}
_STACK_BESIDE = {"excite": 52, "shortcut": 68}  # one after the other, never both at once
_STACK_GATHERED = 20  # where those gather
# callers after callees; the classifier is where the loop ends
_KERNELS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "CLASSIFY")


@dataclass(frozen=True, slots=True)
class Share:
    """What one operation of the program puts into the C.

    Args:
        operation: Its place in the program.
        rows: Places of its lines among those that follow each other.
        inner: Places of its lines among those inside others.
        constant_bytes: Of weights, biases and multipliers, and a blur's taps, that nobody before
            it has.
        buffers: Names of those that it alone adds.
    """

    operation: int
    rows: range
    inner: range
    constant_bytes: int
    buffers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the C of one net consists of.

    Args:
        rows: Of the table of layers; those inside others follow the classifier.
        chain: How many of them follow each other, without the classifier.
        offsets: Of every buffer in the arena, in bytes.
        stride: Type that holds every stride.
        small: Type that holds the sides of every map.
        offset: Type that holds every place.
        layer_bytes: Of one line of the table.
        kernels: Kinds of layer that there are.
        facts: What they may take as constant.
        bordered: Place of the convolution whose border differs by channel, if there is one.
        data: The constant arrays: type, name, values.
        needed: By all of it.
        shares: Of it, an operation of the program each, in the order of the C.
        buffers: By name, with the epochs in which each is alive.
        epochs: In which each layer of the chain is computed.
    """

    rows: tuple[Row, ...]
    chain: int
    offsets: dict[str, int]
    stride: str
    small: str
    offset: str
    layer_bytes: int
    kernels: tuple[Kind, ...]
    facts: dict[str, int | str]
    bordered: int | None
    data: tuple[tuple[str, str, Sequence[int]], ...]
    needed: Needed
    shares: tuple[Share, ...]
    buffers: dict[str, Buffer]
    epochs: tuple[int, ...]

    @property
    def inner(self) -> tuple[Row, ...]:
        """The lines inside others."""
        return self.rows[self.chain + 1 :]

    @property
    def slotted(self) -> bool:
        """Whether a ring has more rows than its window."""
        return any(row.slots != row.kernel for row in self.rows)

    @property
    def oblong(self) -> bool:
        """Whether a window is not square."""
        return any(row.oblong for row in self.rows)


def laid_out(program: IntegerProgram) -> Layout:
    """Return what the C of ``program`` consists of.

    Raises:
        ValueError: If a layer is beyond what the C can hold; its place is named.
    """
    tables = Tables()
    shares, shape = _tabled(program, tables)
    rows = [*tables.rows, Row("CLASSIFY", shape, height=1), *tables.inner]
    offsets, arena = _placed(tables, rows)
    stride, small, offset = _types(tables, rows, offsets)
    bordered = _bordered(program)
    kernels: list[Kind] = [kind for kind in _KERNELS if kind in {row.kind for row in rows}]
    data = _data(program, tables)
    slotted = any(row.slots != row.kernel for row in rows)
    oblong = any(row.oblong for row in rows)
    layer_bytes = 3 * _BYTES[stride] + 1
    layer_bytes += -layer_bytes % _BYTES[small] + (5 + slotted + 2 * oblong) * _BYTES[small]
    layer_bytes += -layer_bytes % _BYTES[offset] + 4 * _BYTES[offset]
    table_bytes = sum(_BYTES[kind] * len(values) for kind, _, values in data)
    table_bytes += layer_bytes * len(rows)
    facts = facts_of(program, tables, rows)
    parts = _parts(facts, rows, kernels, bordered=bordered is not None)
    chain = len(tables.rows)
    stack = f"about {-(-stack_of(parts, chain) // 100) * 100:,} on a Cortex-M4"
    return Layout(
        tuple(rows),
        chain,
        offsets,
        stride,
        small,
        offset,
        layer_bytes,
        tuple(kernels),
        facts,
        bordered,
        tuple(data),
        Needed(table_bytes, arena, parts, chain, stack, HELIUM_SLACK),
        shares,
        tables.buffers,
        tuple(tables.epochs),
    )


def _tabled(program: IntegerProgram, tables: Tables) -> tuple[tuple[Share, ...], Shape]:
    """Fill ``tables``; return what each operation put there, and the shape of the logits."""
    shape, zero, shares = program.input_shape, -128, list[Share]()
    operations, waiting = list(program.operations), None
    for place_, operation in enumerate(operations):
        after = operations[place_ + 1 : place_ + 2]
        before = len(tables.rows), len(tables.inner), tables.constant_bytes, len(tables.buffers)
        own = place_ - (operation is waiting)
        try:
            if after and operation is not waiting and pools_first(operation, after[0], shape):
                shape = add_pooled(tables, after[0], shape, zero)
                operations[place_ + 1] = waiting = operation
                own = place_ + 1
            else:
                shape, zero = add(tables, operation, shape, zero)
        except ValueError as error:
            raise ValueError(f"{program.name}, operation {place_ + 1}: {error}") from None
        rows, inner, constants, buffers = before
        share = Share(
            own,
            range(rows, len(tables.rows)),
            range(inner, len(tables.inner)),
            tables.constant_bytes - constants,
            tuple(tables.buffers)[buffers:],
        )
        shares.append(share)
    return tuple(shares), shape


def stack_of(parts: Collection[str], layers: int) -> int:
    """Return the bytes of stack that the C takes on a Cortex-M4, compiled with -O2, at most."""
    of_parts = sum(size for part, size in _STACK_OF.items() if part in parts)
    beside = max((size for part, size in _STACK_BESIDE.items() if part in parts), default=0)
    gathered = _STACK_GATHERED * (beside > 0 and "gather" in parts)
    return _STACK + _STACK_A_LAYER * layers + of_parts + beside + gathered


def _parts(
    facts: dict[str, int | str], rows: list[Row], kernels: Sequence[Kind], *, bordered: bool
) -> tuple[str, ...]:
    """Return what of the code is compiled, on one core or another; sizes of filters repeat."""
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
    narrow = all(row.shape.width == 1 for row in rows)
    there |= {"one_column": narrow and facts["CONVOLVES"]}
    return (*parts, *(part for part, is_there in there.items() if is_there), *_elsewhere(facts))


def _elsewhere(facts: dict[str, int | str]) -> Iterator[str]:
    """Yield what is compiled where cores do not multiply two at a time."""
    if not facts["FILTERS"]:
        return
    yield from _by_size_of("every_filter", facts["FILTERED(own, rows, out)"])
    yield from ["thumb_filter"] * bool(facts["THUMB_FILTERS"])
    if facts["OTHER_THUMB_FILTERS"]:
        yield from _by_size_of("thumb_rest", facts["THUMB_REST_FILTERED(own, rows, out)"])
    yield from ["rolled_filter"] * bool(facts["ROLLED_FILTERS"])
    yield from ["rolled_strides"] * bool(facts["EVERY_OTHER_ROLLED"])
    if facts["UNROLLED_FILTERS"]:
        yield from _by_size_of("unrolled_filter", facts["UNROLLED_FILTERED(own, rows, out)"])


def _by_size_of(part: str, call: int | str) -> list[str]:
    """Return the loops that a call of filters chooses from, one a size."""
    return [part, *[f"another_{part}"] * (str(call).count("filtered(") - 1)]


def _placed(tables: Tables, rows: list[Row]) -> tuple[dict[str, int], int]:
    """Return the place of every buffer and the size of the arena."""
    patch = max(map(patch_bytes, (*rows, *tables.inner)))
    if patch:
        tables.buffers[PATCH] = Buffer(patch, 0, tables.epoch)
    offsets, arena = place(tables.buffers)
    return offsets, arena + SLACK


def patch_bytes(row: Row) -> int:
    """Return the bytes for a convolution's windows: four as halves, and as bytes if gathered."""
    if row.kind != "CONVOLVE":
        return 0
    size = whole_words(row.kernel * row.across * row.shape.channels)
    return 8 * size + is_loose(row) * 4 * (size + SLACK)


def _types(tables: Tables, rows: list[Row], offsets: dict[str, int]) -> tuple[str, str, str]:
    """Return the narrowest types that hold every stride, the sides of every map, every place."""
    small = max(max(row.slots, row.across, row.first, row.height, *row.shape) for row in rows)
    if small >= 2**16:
        raise ValueError(f"sides and channels must be below {2**16}, got {small}")
    weights = sum(len(part) for part in tables.weights)
    far = max(weights, len(tables.units), *offsets.values(), *(row.row_size for row in rows))
    stride, side = (
        "uint8_t" if most < 2**8 else "uint16_t"
        for most in (max(row.stride for row in rows), small)
    )
    return stride, side, "uint16_t" if far < 2**16 else "int32_t"


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
