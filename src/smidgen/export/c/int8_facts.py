"""What the templates of integer C may take as constant for one net."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from smidgen.export.c.int8_table import THREES, Inner, Row, Tables, filled, whole_words
from smidgen.export.int8.program import (
    IntAverage,
    IntConv2d,
    IntegerProgram,
    IntLinear,
    IntOperation,
    IntResidual,
    IntSqueezeExcite,
)
from smidgen.export.program import Blur, Flatten, MaxPool

ROOMY = 2**15  # bytes of weights, beside which a few hundred of code are little


def facts_of(program: IntegerProgram, tables: Tables, rows: list[Row]) -> dict[str, int | str]:
    """Return what the kernels may take as constant."""

    def fours(kind: str) -> int:
        channels = [row.shape.channels for row in rows if row.kind == kind]
        return int(all(count >= 4 for count in channels))  # noqa: PLR2004

    products = ("CONVOLVE", "FILTER")
    pairs = itertools.chain(itertools.pairwise(rows), itertools.pairwise(tables.inner))
    written = [(row, after) for row, after in pairs if row.kind in products]
    whole = all(row.shape.channels % 4 == 0 for row in rows if row.kind == "FILTER")
    blurs = [row for row in rows if row.kind == "BLUR"]
    sums = [row.weight.at for row in rows if row.kind == "ADD" and isinstance(row.weight, Inner)]
    sides = [tables.inner[at] for at in sums]
    # binomials of up to 5 add up to 256, and 256 bytes to 16 bits
    narrow = all(row.kernel <= 5 for row in blurs)  # noqa: PLR2004
    filters = [row for row in rows if row.kind == "FILTER"]
    kinds = {row.kind for row in rows}
    convolutions = [*_convolutions(program.operations)]
    return {
        "LAYERS": len(tables.rows),
        "UNREACHED": max(0, tables.rows[0].height - filled(tables.rows, 1)),
        "CONVOLVES": int("CONVOLVE" in kinds),
        "FILTERS": int("FILTER" in kinds),
        "POOLS": int("POOL" in kinds),
        "NARROWS": int(not kinds.isdisjoint(("AVERAGE", "EXCITE", "ADD"))),
        "SHIFTED": int(all(map(_is_shifted, convolutions))),
        "SHORT_SUMS": int(all(map(_is_short, convolutions))),
        "QUICK_SUMS": int(all(map(_is_quick, convolutions))),
        "RELU": int(all(after.zero == -128 for _, after in written)),  # noqa: PLR2004
        "WINDOW": max(1, *(row.kernel for row in rows if row.kind != "EXCITE")),
        "SHORTCUTS": int(any(row.kind in ("CONVOLVE", "BLUR") for row in sides)),
        "BLURRED_SHORTCUTS": int(any(row.kind == "BLUR" for row in sides)),
        "WHOLE_FOURS": int(whole),
        **_loops(tables, written),
        "TILED_GATHER": int(any(is_loose(row) for row in [*rows, *tables.inner])),
        "THUMB_FILTERS": int(any(row.alone for row in filters)),
        "OTHER_THUMB_FILTERS": int(not all(row.alone for row in filters)),
        "THUMB_REST_FILTERED(own, rows, out)": _by_size(
            {(row.kernel, row.across) for row in filters if not row.alone}
        ),
        "ROLLED_FILTERS": int(any(row.rolled for row in filters)),
        "EVERY_OTHER_ROLLED": int(any(row.rolled and row.stride > 1 for row in filters)),
        "UNROLLED_FILTERS": int(not all(row.rolled for row in filters)),
        "UNROLLED_FILTERED(own, rows, out)": _by_size(
            {(row.kernel, row.across) for row in filters if not row.rolled}
        ),
        "POOLED_GATES": int(any(row.kind == "POOL" and row.unit for row in rows)),
        "BLUR_FOURS": int(bool(blurs) and narrow and fours("BLUR")),
        "FOUR_POOLED": fours("POOL"),
        "FILTERED(own, rows, out)": _by_size({(row.kernel, row.across) for row in filters}),
    }


def _loops(tables: Tables, written: Sequence[tuple[Row, Row]]) -> dict[str, int | str]:
    """Return which loops of int8_tile.c and int8_filter.c there are.

    Those over three columns and long turns take some hundred bytes: too many for a small net.
    """
    roomy = _roomy(tables)
    dense = [after.shape for row, after in written if row.kind == "CONVOLVE"]
    filters = [row for row, _ in written if row.kind == "FILTER"]
    threes = [row for row in filters if roomy and row.in_threes]
    fours = [row for row in filters if row.tiled and row not in threes]
    rest = [row for row in filters if not (row.tiled or row in threes)]
    return {
        "LONG_TURNS": int(roomy),
        "ODD_OUTPUTS": int(any(shape.channels % 2 for shape in dense)),
        "THREE_COLUMNS": int(roomy and any(shape.width % 4 for shape in dense)),
        "THREE_FILTERS": int(bool(threes)),
        "BY_THREES(kernel, stride, columns)": _asked(threes, by_itself=not rest),
        "EVERY_COLUMN": int(any(row.stride == 1 for row in threes)),
        "EVERY_OTHER_COLUMN": int(any(row.stride > 1 for row in threes)),
        "TILED_FILTERS": int(bool(fours)),
        "SMALL_FILTERS": int(any(row.kernel == 3 for row in fours)),  # noqa: PLR2004
        "LARGE_FILTERS": int(any(row.kernel > 3 for row in fours)),  # noqa: PLR2004
        "OTHER_FILTERS": int(bool(rest)),
        "REST_FILTERED(own, rows, out)": _by_size({(row.kernel, row.across) for row in rest}),
    }


def _asked(threes: Sequence[Row], *, by_itself: bool) -> str:
    """Return what in C tells filters by threes from others: less of it where all are in loops."""
    counts = sorted({row.columns for row in threes if row.stride == 1})
    every = " || ".join(f"(columns) == {count}" for count in counts) or "0"
    asked = "(stride) > 1" if by_itself else f"((stride) == 2 && (columns) >= {min(THREES)})"
    asked += f" || ((stride) == 1 && ({every}))" if counts else ""
    return f"((kernel) == 3 && ({asked}))"


def _roomy(tables: Tables) -> bool:
    return sum(part.size for part in tables.weights) >= ROOMY


def _convolutions(operations: Iterable[IntOperation]) -> Iterator[IntConv2d]:
    for operation in operations:
        match operation:
            case IntConv2d():
                yield operation
            case IntSqueezeExcite(_, squeeze, excite):
                yield from (squeeze, excite)
            case IntResidual(inner, shortcut):
                yield from _convolutions((*inner, *shortcut))
            case MaxPool() | Blur() | IntAverage() | Flatten() | IntLinear():
                pass


def _is_short(conv: IntConv2d) -> bool:
    """Return whether sums have 30 bits and pairs of products 16: see int8_tile_thumb.c."""
    reach = 128 * np.abs(conv.weight.astype(np.int64)).sum((1, 2, 3))
    far = (reach + np.abs(conv.bias.astype(np.int64))).max()
    return bool(far < 2**29 and conv.weight.min() > -128)  # noqa: PLR2004


def _is_quick(conv: IntConv2d) -> bool:
    """Return whether half a step and the zero point fit beside a sum: see int8_arithmetic.c."""
    return bool(_is_short(conv) and conv.rescale.shift.max() <= 20)  # noqa: PLR2004


def _is_shifted(conv: IntConv2d) -> bool:
    """Return whether 2**(31 - shift) leaves the sign alone: see int8_arithmetic.c."""
    return bool((conv.rescale.shift > 1).all())


def _by_size(sizes: set[tuple[int, int]]) -> str:
    """Return the call of the filter whose size is the layer's."""
    *first, last = sorted(sizes) or [(1, 1)]
    asked = [
        f"if ((own)->kernel == {rows} && ACROSS(own) == {columns})"
        f" filtered(own, rows, out, {rows}, {columns});"
        for rows, columns in first
    ]
    return " else ".join([*asked, f"filtered(own, rows, out, {last[0]}, {last[1]})"])


def is_loose(row: Row) -> bool:
    """Return whether a convolution's window is gathered before it is widened: see packed_pairs."""
    span = row.across * row.shape.channels
    by_rows = whole_words(span) * row.kernel == whole_words(span * row.kernel)
    return row.kind == "CONVOLVE" and not by_rows
