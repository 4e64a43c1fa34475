"""Learning curves: accuracy against the training pictures, and what the last doubling gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite, log2
from typing import Any

from smidgen.report.axes import BELOW, Scale, across, padded_percents, room_beside, ticks, upward
from smidgen.report.chart import SERIES, Chart, draw, legend, legend_height
from smidgen.report.notices import is_at_chance, largest_of
from smidgen.report.points import (
    Effect,
    Point,
    apart,
    but_for_share,
    effect,
    over,
    setting_of,
    share_in,
)
from smidgen.report.replicates import Replicate
from smidgen.report.replicates import told as told_of
from smidgen.report.svg import Canvas
from smidgen.report.tables import COUNTED, PAIRED, Cell, Table, difference, number, words
from smidgen.sizes import counted
from smidgen.split_names import fold_of
from smidgen.study.statistics import BETTER, NO_DIFFERENCE, NOT_TESTED, Interval, mean_interval

_HEIGHT = 300  # pixels of the plot
_APART = 5  # pixels between the intervals of two curves at one number of pictures
_NEAR = 0.2  # how far the logarithm to base 2 of a doubling is from 1, at most
_FEW = 30  # held-out pictures, of which one is more than 3 points
_NOTHING = 0.05  # points, less than which is told as 0.0
CURVE = "learning-curve"  # the study of a learning curve alone
LEARNED_LITTLE = "the net has learned little"
LITTLE = "learned little"  # in the place of a verdict, where no doubling says anything


@dataclass(frozen=True)
class LearningCurve:
    """A net with its methods, trained on several shares of its training pictures.

    Args:
        name: Of the net, and what tells it from others of the report.
        points: One a share, the smallest first.
    """

    name: str
    points: tuple[Point, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """What share of the training pictures each point learned from."""
        return tuple(share_in(point.first) for point in self.points)

    @cached_property
    def pictures(self) -> tuple[int, ...]:
        """How many pictures each point learned from, a mean over its replicates.

        Of rows from before this was kept it follows from the others.
        """
        told = [point.mean(lambda row: row.get("training_images")) for point in self.points]
        each = [
            count / share_in(point.first)
            for count, point in zip(told, self.points, strict=True)
            if count is not None
        ]
        return tuple(
            round(each[-1] * share_in(point.first) if count is None else count)
            for count, point in zip(told, self.points, strict=True)
        )

    @cached_property
    def accuracies(self) -> tuple[Interval, ...]:
        """In percent, with an interval for other seeds, or folds, on the same pictures."""
        return tuple(map(_reached, self.points))

    @property
    def chance(self) -> float | None:
        """What always answering the largest class reaches, in percent, if the rows tell."""
        share = largest_of(list(self.points[-1].rows.values()))
        return None if share is None else 100 * share

    @cached_property
    def has_learned_little(self) -> bool:
        """Whether the most pictures led to no more than that, as far as is shown."""
        return is_at_chance(self.points[-1])

    def halved(self, place: int) -> int | None:
        """Return the place of the point with half as many pictures, if there is one.

        Of several it is that of which most replicates have, and then the nearest to half.
        """
        found: dict[int, tuple[int, float]] = {}
        for at in range(place):
            if paired := self._paired(place, at):
                far = sum(abs(log2(more / less) - 1) for more, less in paired.values())
                found[at] = len(paired), -far / len(paired)
        return max(found, key=lambda at: found[at], default=None)

    def _paired(self, place: int, at: int) -> Mapping[Replicate, tuple[int, int]]:
        """Return the pictures of both, of the replicates whose own are doubled between two points.

        Where a group holds most of the pictures, a share of some seeds is that of all of them.
        """
        more, less = self._counts(place), self._counts(at)
        return {
            one: (more[one], less[one])
            for one in more.keys() & less.keys()
            if abs(log2(more[one] / less[one]) - 1) <= _NEAR
        }

    def _counts(self, place: int) -> dict[Replicate, int]:
        rows, mean = self.points[place].rows, self.pictures[place]
        return {one: int(row.get("training_images") or mean) for one, row in rows.items()}

    def doubling(self, place: int = -1) -> Effect | None:
        """Return what twice the pictures changed at a point, paired by replicate.

        Args:
            place: Of the point with more of them; the last one by default.
        """
        place %= len(self.points)
        half = self.halved(place)
        if half is None:
            return None
        paired, rows = self._paired(place, half), self.points[half].rows
        less = Point({one: row for one, row in rows.items() if one in paired})
        found = effect(self.points[place], less)
        return None if found is None else replace(found, accuracy=_possible(found.accuracy))

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``no difference shown`` or ``one seed, not tested``.

        It is ``learned little`` where the net is not shown to do better than one answer for all,
        and nothing where no point has half of the most pictures.
        """
        last = self.doubling()
        if last is None:
            return ""
        return LITTLE if self.has_learned_little else last.accuracy.verdict

    @property
    def told(self) -> str:
        """Say in a sentence what the last doubling gave, and what may be thought of another."""
        last, half = self.doubling(), self.halved(len(self.points) - 1)
        if last is None or half is None:
            return (
                f"No share with half of the {self.pictures[-1]:,} training pictures was trained"
                " beside them with the same seeds: add it to share to be told what a doubling gives"
            )
        paired = self._paired(len(self.points) - 1, half)
        most, fewer = (round(sum(of) / len(paired)) for of in zip(*paired.values(), strict=True))
        split = self.points[-1].first["split"]
        judged = counted(self.points[-1].images, f"{split} picture", f"{split} pictures")
        found = (
            f"The last doubling, from {fewer:,} to {most:,} training pictures, gave"
            f" {_points(last.accuracy)} ({told_of(paired)}, {judged})"
        )
        return f"{found}: {self._meant(last.accuracy, 2 * most)}{self._doubts(len(paired))}"

    def _meant(self, gained: Interval, next_: int) -> str:
        if self.has_learned_little:
            return (
                f"{LEARNED_LITTLE} (always answering the largest class reaches"
                f" {self.chance:.2f} %): train longer (--epochs) before asking"
            )
        return _thought(gained, next_, 100.0 - self.accuracies[-1].mean)

    def _doubts(self, paired: int) -> str:
        """Return what else to know: how few judge, and whose pictures a share did not halve."""
        images, every, told = self.points[-1].images, len(self.points[-1].rows), ""
        if images < _FEW:
            few = counted(images, "picture is", "pictures are")
            told += f"; {few} too few to judge by, as one is {100 / images:.1f} points: add some"
        if paired < every:
            told += (
                f"; {every - paired} of {every} runs are left out, which failed with half of the"
                " pictures or learned another part of them, as of large groups"
            )
        return told


def _possible(gained: Interval) -> Interval:
    """Return a difference of accuracies without what none can be."""
    if not isfinite(gained.low):
        return gained
    return replace(gained, low=max(gained.low, -100.0), high=min(gained.high, 100.0))


def _reached(point: Point) -> Interval:
    """Return an accuracy whose spread is never taken to be less than its rounding to images."""
    percents = [100.0 * row["accuracy"] for row in point.rows.values()]
    floor = 100 / point.first["images"] / 12**0.5
    found = mean_interval(percents, floor=floor, shared=point.shared)
    if not isfinite(found.low):
        return found
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 100.0))


def _points(gained: Interval) -> str:
    if not isfinite(gained.low):
        return f"{gained.mean:+.1f} points"
    return f"{gained.mean:+.1f} points [{gained.low:+.1f}, {gained.high:+.1f}]"


def _thought(gained: Interval, next_: int, left: float) -> str:
    """Say what a doubling shows of the next one, whose gain is rarely more than its own.

    Args:
        gained: Points by the last doubling.
        next_: Pictures after a further one.
        left: Points that are left to gain.
    """
    further = f"a further doubling, to {next_:,}"
    if left <= 0:
        shown = "shown to help, but " if gained.verdict == BETTER else ""
        return f"{shown}all held-out pictures are right already: nothing is left to gain here"
    if gained.verdict == NOT_TESTED:
        return "not tested; two seeds or more give an interval"
    if gained.verdict == NO_DIFFERENCE:
        likely = min(max(gained.high, 0.0), left)
        narrow = "; more seeds may narrow this" if gained.high > _NOTHING else ""
        return (
            f"no difference shown; {further}, is not shown to help, and is unlikely to give more"
            f" than {likely:+.1f} (an extrapolation){narrow}"
        )
    if gained.verdict == BETTER:
        return (
            f"shown to help; {further}, is likely to help as well, by as much or less (an"
            " extrapolation)"
        )
    return (
        "shown to hurt, in as many steps; longer training or a larger net may be what more pictures"
        " need"
    )


def learning_curves(points: Sequence[Point]) -> list[LearningCurve]:
    """Return each net and methods that learned from two shares of the pictures or more."""
    grouped: dict[str, list[Point]] = {}
    for point in points:
        of = (*setting_of(point.first), point.first["params"], point.first["macs"], point.methods)
        key = str((*of, point.first["epochs"], but_for_share(point.first)))
        grouped.setdefault(key, []).append(point)
    several = [sorted(of, key=_share) for of in grouped.values() if len(of) > 1]
    known = [of for of in several if any("training_images" in point.first for point in of)]
    told = apart([of[-1] for of in known], _told_apart)
    return [
        LearningCurve(f"{of[-1].net}, {of[-1].label()}{more}", (*of,))
        for of, more in zip(known, told, strict=True)
    ]


def _share(point: Point) -> float:
    return share_in(point.first)


def _told_apart(row: dict[str, Any]) -> list[tuple[str, Any]]:
    fold = fold_of(row["trained_on"])
    held = row["trained_on"] if fold is None else f"{fold[1]}-folds"
    return [*but_for_share(row), ("epochs", row["epochs"]), ("split", held)]


def learning_charts(points: Sequence[Point], *, told: bool = True) -> list[Chart]:
    """Chart accuracies against the training pictures, as many charts as colours ask for.

    Args:
        points: Of one data set.
        told: Whether what each curve tells stands below, too.
    """
    curves, many = learning_curves(points), over(points)
    return [
        draw(
            "Accuracy against training pictures",
            f"Mean over {many} with its 95 % t interval for other {many} on the same pictures; as"
            " many steps for all; training pictures on a logarithmic scale."
            + "".join(f" {_of(curve, curves)}{curve.told}." for curve in some if told),
            lambda width, some=some: _drawn(width, some),
        )
        for start in range(0, len(curves), len(SERIES))
        if (some := curves[start : start + len(SERIES)])
    ]


def _of(curve: LearningCurve, among: Sequence[LearningCurve]) -> str:
    return f"{curve.name}: " if len(among) > 1 else ""


def _drawn(width: int, curves: Sequence[LearningCurve]) -> Canvas:
    colours = dict(zip((curve.name for curve in curves), SERIES, strict=False))
    canvas = Canvas(width, legend_height(width, colours) + _HEIGHT + BELOW)
    top = legend(canvas, colours)
    bottom = top + _HEIGHT
    ends = [end for curve in curves for of in curve.accuracies for end in _ends(of)]
    low, high = padded_percents(ends)
    levels = ticks(low, high, 7)
    left, counts = room_beside(levels), sorted({n for curve in curves for n in curve.pictures})
    y = Scale(low, high, bottom, top)
    x = Scale(0.8 * counts[0], 1.25 * counts[-1], left, width, log=True)
    upward(canvas, y, levels, width, "accuracy, %")
    across(canvas, x, counts, top, bottom, "training pictures")
    for place, (curve, colour) in enumerate(zip(curves, SERIES, strict=False)):
        aside = _APART * (place - (len(curves) - 1) / 2)
        found = list(zip(curve.pictures, curve.accuracies, strict=True))
        at = [(x(n) + aside, y(of.mean)) for n, of in found]
        canvas.path(at, colour, curve.name)
        for (across_, up), (n, of) in zip(at, found, strict=True):
            start, end = _ends(of)
            canvas.line(across_, y(start), across_, y(end), colour, width=1.5)
            canvas.circle(across_, up, 4, colour, f"{curve.name}, {n:,} pictures: {of.mean:.2f} %")
    return canvas


def _ends(of: Interval) -> tuple[float, float]:
    """Return the ends of an interval, or its mean for both if it has none."""
    return (of.low, of.high) if isfinite(of.low) else (of.mean, of.mean)


def learning_tables(points: Sequence[Point], *, told: bool = True) -> list[Table]:
    """Return the accuracies by training pictures, a table a curve, and what is told of each.

    Args:
        points: Of one data set.
        told: Whether that stands below, too.
    """
    curves = learning_curves(points)
    return [
        learning_table(
            curve,
            "Accuracy by training pictures" + (f": {curve.name}" if len(curves) > 1 else ""),
            over(points),
            told=told,
        )
        for curve in curves
    ]


def learning_table(curve: LearningCurve, title: str, many: str, *, told: bool = True) -> Table:
    """Return a row a share: what it reached, and what twice the pictures gave.

    Args:
        curve: Of which.
        title: Above it.
        many: What its means are over, such as ``seeds``.
        told: Whether what the curve tells stands below, too.
    """
    rows: list[tuple[Cell, ...]] = []
    for place, of in enumerate(curve.accuracies):
        twice, point = curve.doubling(place), curve.points[place]
        ends = "" if not isfinite(of.low) else f" [{_ends(of)[0]:.2f}, {_ends(of)[1]:.2f}]"
        rows.append(
            (
                number(curve.pictures[place]),
                number(share_in(point.first), "g"),
                number(len(point.rows)),
                Cell(f"{of.mean:.2f}{ends}", of.mean),
                number(None)
                if twice is None
                else Cell(difference(twice.accuracy), twice.accuracy.mean),
                words("-" if twice is None else twice.accuracy.verdict),
            )
        )
    columns = ("training pictures", "share", COUNTED[many], "accuracy %", "against half", "verdict")
    note = f"{curve.told}. " if told else ""
    note += (
        f"Accuracy with its 95 % t interval for other {many} on the same pictures;"
        f" against half: points against half as many pictures, paired by {PAIRED[many]}."
    )
    return Table(title, columns, tuple(rows), note)
