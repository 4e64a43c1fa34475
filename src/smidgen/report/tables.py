"""Tables: the same cells as Markdown, and as HTML that can be sorted."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from smidgen.escape import markdown
from smidgen.report.notices import has_learned_little
from smidgen.report.points import Effect, Point, apart, baselines, lengths_apart, over, tested
from smidgen.report.replicates import kind
from smidgen.sizes import listed
from smidgen.split_names import FULL
from smidgen.study.statistics import Interval, adjusted_for, mcnemar

MISSING = "-"
_LONG = 9.95  # seconds, from which on tenths tell nothing
COUNTED = {"seeds": "seeds", "seeds and folds": "replicates"}  # the column of how many there are
PAIRED = {"seeds": "seed", "seeds and folds": "seed and fold"}


class Cell(NamedTuple):
    """What is read, and what is sorted by."""

    text: str
    value: float | str


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title.

    Args:
        title: Above it.
        columns: Their names; the first one names the row.
        rows: A cell a column.
        note: Below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers."""
        return [
            any(not isinstance(row[place].value, str) for row in self.rows)
            for place in range(len(self.columns))
        ]

    def to_markdown(self) -> str:
        """Return the table for a README."""
        rule = ["---:" if numeric else "---" for numeric in self.numeric]
        lines = [self.columns, rule, *([cell.text for cell in row] for row in self.rows)]
        body = "\n".join(f"| {' | '.join(map(markdown, line))} |" for line in lines)
        note = f"\n{markdown(self.note)}\n" if self.note else ""
        return f"**{markdown(self.title)}**\n\n{body}\n{note}"


def words(text: str) -> Cell:
    """Return a cell of words."""
    return Cell(text, text)


def number(value: float | int | None, form: str = ",.0f", unit: str = "") -> Cell:
    """Return a cell of a number; a missing one sorts last."""
    if value is None or not isfinite(value):
        return Cell(MISSING, float("-inf"))
    return Cell(f"{value:{form}}{unit}", value)


def difference(interval: Interval, digits: int = 2) -> str:
    """Return a difference with the ends of its interval."""
    mean, low, high = (f"{of:+.{digits}f}" for of in (interval.mean, interval.low, interval.high))
    return f"{mean} (1 seed)" if interval.count == 1 else f"{mean} [{low}, {high}]"


def points_table(title: str, points: Sequence[Point]) -> Table:
    """Return every point with what it reaches and costs."""
    many = over(points)
    columns = (
        "net", "methods", "accuracy %", COUNTED[many], "epochs", "params", "MACs", "NLL", "ECE %",
        "shift %", "ms", "int8 bytes", "train s",
    )  # fmt: skip
    whole, more, little = any(map(_is_full, points)), apart(points), list(map(_little, points))
    rows = tuple(
        (
            words(point.net),
            words(
                point.label()
                + told
                + (", on a part" if whole and not _is_full(point) else "")
                + few
            ),
            Cell(point.reached(), point.accuracy.mean),
            number(len(point.rows)),
            number(point.first["epochs"]),
            number(point.first["params"]),
            number(point.first["macs"]),
            number(point.mean(lambda row: row["nll"]), ".3f"),
            number(point.mean(lambda row: 100 * row["ece"]), ".2f"),
            number(point.mean(lambda row: 100 * row["shift_consistency"]), ".2f"),
            number(point.latency("kernel_ms"), ".3f"),
            number(point.first["bytes_int8"]),
            number(point.seconds, ",.0f" if point.seconds >= _LONG else ".2g"),
        )
        for point, told, few in zip(points, more, little, strict=True)
    )
    note = (
        f"{_accuracy_told(points)} Shift:"
        " predictions unchanged by a shift of one pixel, border repeated. ms: the net alone, one"
        " image at a time, one thread. int8 bytes: deployed parameters."
    )
    if any(len(point.rows) > 1 for point in points):
        note += f" Times are the least over the {many}."
    if any(little):
        note += " Learned little: hardly above what always answering one class reaches."
    if whole and not all(map(_is_full, points)):
        note += " On a part: of the training images, the others having been held out."
    if any(point.first["split"] == "held-out" for point in points):
        note += " Shift is of at most 200 of the held-out images."
    if any(point.shared for point in points):
        note += " Each fold is of other pictures: the interval counts all of them."
    if any(", data " in text for text in more):
        note += (
            " Data: the first digits of their fingerprint; the pictures, or the size and colours"
            " they are read at, differ."
        )
    return Table(title, columns, rows, note)


def _is_full(point: Point) -> bool:
    return point.first["trained_on"] == FULL


def _little(point: Point) -> str:
    """Return which runs of a point learned little, to stand behind its methods."""
    few = [one for one, row in point.rows.items() if has_learned_little(row)]
    if not few:
        return ""
    if len(few) == len(point.rows):
        return ", learned little"
    return f", {len(few)} of {len(point.rows)} {kind(point.rows)} learned little"


def _accuracy_told(points: Sequence[Point]) -> str:
    """Return what accuracies are, and what their intervals count."""
    if all(len(point.rows) == 1 for point in points):
        return "Accuracy: of the last epoch, with its 95 % interval for other pictures (Wilson)."
    many = over(points)
    return (
        f"Accuracy: mean over {many} of the last epoch, with its 95 % interval for other {many}"
        " (Student) and other pictures (Wilson), combined as the root of the sum of squares."
    )


def effects_tables(
    groups: Sequence[tuple[Point, Sequence[Effect]]], points: Sequence[Point]
) -> list[Table]:
    """Return a table a baseline; of those of one net, titles tell in what they differ.

    Args:
        groups: Each baseline with the effects against it.
        points: All that were to be compared; those that share no seed with their baseline are told.
    """
    more = lengths_apart([baseline for baseline, _ in groups])
    others = {id(baseline): rest for baseline, rest in baselines(points)}
    return [
        effects_table(
            baseline,
            found,
            of,
            [
                point
                for point in others[id(baseline)]
                if not point.rows.keys() & baseline.rows.keys()
            ],
        )
        for (baseline, found), of in zip(groups, more, strict=True)
    ]


def effects_table(
    baseline: Point, found: Sequence[Effect], more: str = "", unpaired: Sequence[Point] = ()
) -> Table:
    """Return what methods change against a baseline, with what they cost.

    Args:
        baseline: Of all of them.
        found: A row each.
        more: What the title tells it by from tables of the same net.
        unpaired: Points that share no seed with it.
    """
    rows = tuple(
        (
            words(e.point.label(baseline)),
            Cell(difference(e.accuracy), e.accuracy.mean),
            number(e.accuracy.count),
            words(e.verdict),
            number(e.p, ".2g"),
            number(e.params, "+,d"),
            number(e.macs, "+,d"),
            number(e.time, ".2f", " x"),
        )
        for e in found
    )
    folds = (
        " It is wider by what folds share of their training images (Nadeau & Bengio 2003)."
        if baseline.shared
        else ""
    )
    many = over([baseline])
    columns = (
        "methods", "accuracy, points", COUNTED[many], "verdict", "p", "params", "MACs",
        "training time",
    )  # fmt: skip
    return Table(
        f"Effects on {baseline.net}{more}",
        columns,
        rows,
        f"Against {baseline.label()}: {baseline.reached(' %')}. Differences are paired by"
        f" {PAIRED[many]}{by_verdict(found)}.{folds}{_left_out(found, unpaired, PAIRED[many])}",
    )


def _left_out(found: Sequence[Effect], unpaired: Sequence[Point], pair: str) -> str:
    """Return what could not be paired: replicates of one side alone, and whole points."""
    told = ""
    if any({*e.point.rows} != {*e.baseline.rows} for e in found):
        told += f" A {pair} that only one side has is left out."
    if unpaired:
        names = listed([point.label() for point in unpaired])
        told += f" No {pair} in common with it: {names}."
    return told


def by_verdict(found: Sequence[Effect]) -> str:
    """Return how the effects of one table are judged, to go on a sentence on what is paired."""
    count = tested(found)
    if count == 0:
        return "; a single pair has no interval, and is not tested"
    if count == 1:
        return ", with the 95 % t interval; one that includes zero shows no difference"
    return f", each with its own 95 % t interval; verdict and p are {adjusted_for(count)}"


def pair_tables(points: Sequence[Point]) -> list[Table]:
    """Return McNemar's test of two models on the same images; nothing of more, or of none.

    Where there are several seeds, effects are paired by them instead.
    """
    if len(points) != 2 or any(len(point.rows) != 1 for point in points):  # noqa: PLR2004
        return []
    first, second = (point.first for point in points)
    held_out = [] if first["split"] == "test" else ["trained_on"]  # each fold has its own
    same = all(first[of] == second[of] for of in ("fingerprint", "split", "images", *held_out))
    if not (same and "right" in first and "right" in second):
        return []
    hits = [right(row) for row in (first, second)]
    test = mcnemar(hits[0], hits[1])
    both, neither = int((hits[0] & hits[1]).sum()), int((~hits[0] & ~hits[1]).sum())
    more = lengths_apart(points)
    names = [f"{of.net}, {of.label()}{told}" for of, told in zip(points, more, strict=True)]
    alone = zip(names, points, (test.only_first, test.only_second), strict=True)
    rows = [
        (words(name), Cell(of.reached(), of.accuracy.mean), number(own)) for name, of, own in alone
    ]
    verdict = test.verdict.replace("first", names[0]).replace("second", names[1])
    return [
        Table(
            "Two models on the same images",
            ("model", "accuracy %", "alone right"),
            tuple(rows),
            f"McNemar's exact test: p = {test.p:.2g}, {verdict}. Both are right on {both:,} images,"
            f" neither on {neither:,}. It is of these two models: other seeds may differ.",
        )
    ]


def mcnemar_of(first: Mapping[str, Any], second: Mapping[str, Any]) -> Cell:
    """Return McNemar's test of two rows; they may be too old to tell which images were right."""
    if not ("right" in first and "right" in second):
        return number(None)
    test = mcnemar(right(first), right(second))
    return Cell(f"{test.only_first} : {test.only_second}, p = {test.p:.2g}", test.p)


def right(row: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Return which images a row's model predicted right, from its packed bits."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(row["right"]), dtype=np.uint8))
    return bits[: row["images"]].astype(np.bool_)
