"""Instructions of the integer C on a Cortex-M4, layer by layer, before anything is compiled.

A layer's are a sum of what its loops do, each so often as the shapes say, times the constants
below: fitted to nets that QEMU counted, compiled by gcc 12.2 with -O2 (bench/layer_costs.py).
"""

import itertools
from collections import Counter
from collections.abc import Sequence

from smidgen.export.c.int8_facts import is_loose
from smidgen.export.c.int8_layout import Layout
from smidgen.export.c.int8_table import Inner, Row, whole_words

COUNTS: dict[str, float] = {  # an image; of rows, words, columns and the like: see below
    "add": 65.2,
    "add_number": 17.0,
    "average": 24.1,
    "average_sum": 23.1,
    "average_term": 9.0,
    "blur": 35.1,
    "blur_four_column": 47.4,
    "blur_four_tap": 14.3,
    "blur_one_column": 29.9,
    "blur_one_tap": 8.3,
    "blur_pixel": 13.2,
    "blur_place": 25.8,
    "border": 65.3,
    "border_word": 5.9,
    "call": 69.8,
    "call_row": 11.4,
    "class": 17.5,
    "class_term": 5.0,
    "convolve": 70.4,
    "convolve_group": 41.1,
    "excite": 49.6,
    "excite_mean": 26.9,
    "excite_number": 19.1,
    "excite_pixel": 8.4,
    "excite_term": 5.0,
    "filter": 43.8,
    "filter_large": 26.0,
    "filter_number": 4.9,
    "filter_quad": 23.5,
    "filter_row": 2.2,
    "filter_small": 63.0,
    "filter_start": 19.5,
    "filter_tap": 11.8,
    "filter_three": 71.7,
    "flatten": 19.7,
    "flatten_term": 5.0,
    "four_pair": 53.6,
    "four_word": 26.5,
    "gather_row": 12.4,
    "gather_word": 10.7,
    "input_row": 50.4,
    "input_word": 5.4,
    "large_four": 500.4,
    "large_start": 17.2,
    "pool": 26.7,
    "pool_four": 24.9,
    "pool_four_row": 11.0,
    "pool_four_square": 25.3,
    "pool_four_tap": 5.4,
    "pool_one": 11.0,
    "pool_one_row": 11.4,
    "pool_one_square": 19.1,
    "pool_one_tap": 8.9,
    "pool_pixel": 10.0,
    "pool_sum": 28.9,
    "pool_sum_term": 7.0,
    "signed": 1.1,
    "small_four": 178.5,
    "small_start": 82.3,
    "three_filter": 155.3,
    "three_pair": 46.8,
    "three_start": 65.0,
    "three_strided": 171.9,
    "three_word": 20.3,
    "turn": 3.3,
    "widen_row": 16.7,
    "widen_word": 16.0,
}


def instructions_of(layout: Layout, classes: int) -> list[int]:
    """Return the instructions an image of each layer of the chain, the classifier's at the end.

    Args:
        layout: Of the net.
        classes: Logits that there are.
    """
    both = zip(kernels_of(layout), passing_of(layout, classes), strict=True)
    work = (itertools.chain(own.items(), passing.items()) for own, passing in both)
    return [round(sum(COUNTS[what] * often for what, often in each)) for each in work]


def kernels_of(layout: Layout) -> list[Counter[str]]:
    """Return how often each layer's kernel does what ``COUNTS`` names; the classifier has none."""
    rows = layout.rows[: layout.chain]
    _, calls = _passed(rows)
    before = (None, *rows)
    called = zip(itertools.pairwise(rows), calls, before, strict=False)
    found = [_called(layout, row, after, count, last) for (row, after), count, last in called]
    return [*found, Counter()]


def passing_of(layout: Layout, classes: int) -> list[Counter[str]]:
    """Return what of ``COUNTS`` brings a layer its rows, pixels or borders; and the classifier."""
    rows = layout.rows[: layout.chain]
    read, calls = _passed(rows)
    found = [
        Counter({"call": often, "call_row": often * int(layout.facts["WINDOW"])}) for often in calls
    ]
    found.append(Counter({"class": classes, "class_term": classes * rows[-1].shape.elements}))
    for work, row, filled in zip(found, rows, read, strict=True):
        below = max(0, filled - row.height)
        if row.padding or row.beside:
            work["border"], work["border_word"] = 1 + below, (row.slots + below) * row.row_size // 4
    found[0]["input_row"] = rows[0].height
    found[0]["input_word"] = rows[0].shape.elements // 4
    return found


def _passed(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    """Return the rows that each layer reads, a border below counted, and how many it computes."""
    read = [rows[-1].first]
    calls: list[int] = []
    for row, after in reversed([*itertools.pairwise(rows)]):
        made = min(read[-1], after.height)
        calls.append(made)
        read.append(row.first + (made - 1) * row.stride)
    return read[::-1], calls[::-1]


def _called(layout: Layout, row: Row, after: Row, calls: int, before: Row | None) -> Counter[str]:
    """Return what so many calls of a layer do; ``before`` is the layer that it reads from."""
    work: Counter[str]
    match row.kind:
        case "CONVOLVE":
            work = _convolved(layout, row, after)
        case "FILTER":
            work = _filtered(layout, row, after)
        case "POOL":
            work = _pooled(layout, row, after.shape.width)
        case "BLUR":
            work = _blurred(layout, row, after.shape.width)
        case "ADD":
            work = _added(layout, row, after)
        case "EXCITE":
            return _excited(layout, row, calls, before)
        case "AVERAGE":
            sums = row.shape.channels
            terms = sums * row.shape.width
            work = Counter({"average": 1, "average_sum": sums, "average_term": terms})
        case "FLATTEN":
            terms = row.shape.width * row.shape.channels
            work = Counter({"flatten": 1, "flatten_term": terms})
        case "CLASSIFY":
            raise AssertionError("the classifier is where the loop ends")
    return Counter({what: calls * often for what, often in work.items()})


def _rounded(layout: Layout, numbers: float) -> dict[str, float]:
    """Return what rounding takes more where not every product ends in a ReLU."""
    return {} if layout.facts["RELU"] else {"signed": numbers}


def _convolved(layout: Layout, row: Row, after: Row) -> Counter[str]:
    words = whole_words(row.kernel * row.across * row.shape.channels) // 4
    outputs, width = after.shape.channels, after.shape.width
    pairs = -(-outputs // 2)
    fours, threes = _groups(width, by_threes=bool(layout.facts["THREE_COLUMNS"]))
    groups = fours + threes
    turns = -(-words // (8 if layout.facts["LONG_TURNS"] else 4))
    work: Counter[str] = Counter(_rounded(layout, (4 * fours + 3 * threes) * outputs))
    work |= {
        "convolve": 1,
        "convolve_group": groups,
        "widen_word": groups * words,
        "four_pair": fours * pairs,
        "four_word": fours * pairs * words,
        "three_pair": threes * pairs,
        "three_word": threes * pairs * words,
        "turn": groups * pairs * turns,
    }
    if is_loose(row):
        span = -(-row.across * row.shape.channels // 4)
        work |= {"gather_row": groups * row.kernel, "gather_word": groups * row.kernel * span}
    else:
        work["widen_row"] = groups * row.kernel
    return work


def _groups(width: int, *, by_threes: bool) -> tuple[int, int]:
    """Return by how many groups of four and of three columns a row goes: see int8_tile.c."""
    if not by_threes:
        return -(-width // 4), 0
    fours = threes = at = 0
    while at < width:
        if (width - at) % 4 == 0:
            fours, at = fours + 1, at + 4
        else:
            at = width - 3 if width > 2 and at > width - 3 else at  # noqa: PLR2004
            threes, at = threes + 1, at + 3
    return fours, threes


def _filtered(layout: Layout, row: Row, after: Row) -> Counter[str]:
    channels, width = row.shape.channels, after.shape.width
    work: Counter[str] = Counter(_rounded(layout, width * channels))
    if layout.facts["LONG_TURNS"] and row.in_threes:
        strided = "three_strided" if row.stride > 1 else "three_filter"
        pairs = channels // 2
        work |= {"filter_three": 1, "three_start": pairs, strided: pairs * -(-width // 3)}
    elif row.tiled and row.kernel == 3:  # noqa: PLR2004
        quads = channels // 4
        work |= {"filter_small": 1, "small_start": quads, "small_four": 2 * quads * -(-width // 4)}
    elif row.tiled:
        pairs = channels // 2
        work |= {"filter_large": 1, "large_start": pairs, "large_four": pairs * -(-width // 4)}
    else:
        quads = -(-channels // 4) * width
        taps = quads * row.kernel * row.across
        work |= {"filter": 1, "filter_start": -(-channels // 4), "filter_number": width * channels}
        work |= {"filter_quad": quads, "filter_row": quads * row.kernel, "filter_tap": taps}
    return work


def _pooled(layout: Layout, row: Row, width: int) -> Counter[str]:
    channels = row.shape.channels
    work: Counter[str] = Counter({"pool": 1, "pool_pixel": width})
    if row.unit:  # a gate behind it takes the sums of what is pooled
        work |= {"pool_sum": channels, "pool_sum_term": channels * row.kernel * row.shape.width}
    fours = bool(layout.facts["FOUR_POOLED"])
    parts = width * (-(-channels // 4) if fours else channels)
    kind = "pool_four" if fours else "pool_one"
    if row.kernel == row.across == 2:  # noqa: PLR2004
        work[f"{kind}_square"] = parts
        return work
    work[kind] = parts
    work[f"{kind}_row"] = parts * row.kernel
    work[f"{kind}_tap"] = parts * row.kernel * row.across
    return work


def _blurred(layout: Layout, row: Row, width: int) -> Counter[str]:
    channels, kernel = row.shape.channels, row.kernel
    fours = bool(layout.facts["BLUR_FOURS"])
    parts = width * (-(-channels // 4) if fours else channels)
    kind = "blur_four" if fours else "blur_one"
    work = {"blur": 1, "blur_place": kernel, "blur_pixel": width}
    work |= {f"{kind}_column": parts * kernel, f"{kind}_tap": parts * kernel**2}
    return Counter(work)


def _added(layout: Layout, row: Row, after: Row) -> Counter[str]:
    numbers = row.shape.width * row.shape.channels
    work: Counter[str] = Counter({"add": 1, "add_number": numbers})
    assert isinstance(row.weight, Inner)
    inner = layout.inner[row.weight.at :]
    side, *rest = inner
    if side.kind == "BLUR":
        work += _blurred(layout, side, rest[0].shape.width)
        side, *rest = rest
    if side.kind == "CONVOLVE":
        work += _convolved(layout, side, after)
    return work


def _excited(layout: Layout, row: Row, calls: int, before: Row | None) -> Counter[str]:
    channels, height, width = row.shape
    assert isinstance(row.weight, Inner)
    squeeze, gate, gates = layout.inner[row.weight.at : row.weight.at + 3]
    work = _convolved(layout, squeeze, gate) + _convolved(layout, gate, gates)
    numbers = calls * width * channels
    work += Counter({"excite": calls, "excite_pixel": calls * width, "excite_number": numbers})
    work["excite_mean"] = channels
    if before is None or before.kind != "POOL" or not before.unit:
        work["excite_term"] = channels * height * width
    return work
