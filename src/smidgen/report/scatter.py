"""The chart of what nets reach at their size."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import inf, isfinite
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from smidgen.report.axes import (
    BELOW,
    Scale,
    across,
    log_ticks,
    padded_percents,
    room_beside,
    ticks,
    upward,
)
from smidgen.report.chart import NARROW, SAME, SERIES, Chart, draw, legend
from smidgen.report.points import Point, lengths_apart, longest, longest_groups, over
from smidgen.report.reference import reported_of
from smidgen.report.svg import INK, TEXT, Canvas, width_of
from smidgen.sizes import counted

_HEIGHT = 340
_NAMED = 8  # nets; of more, only those that no smaller one beats are named in a chart
_NAMES = 40  # at most: a chart has no room for more, and each is tried in many places
_NUMBERED = 12  # points that are no baselines; of more, only the best one is named
_RADIUS = 4.5  # pixels, of a point
_MOVES = sorted(range(-40, 41, 2), key=lambda moved: (abs(moved), moved))  # of a name, upward first
_ACROSS = 26  # pixels that a name is moved rather than lie across an interval
_COLOURS = {"baseline": SERIES[0], "with more methods": SERIES[1], "reference study": SAME}


class _Box(NamedTuple):
    left: float
    right: float
    top: float
    bottom: float

    @classmethod
    def around(cls, x: float, y: float, reach: float) -> Self:
        return cls(x - reach, x + reach, y - reach, y + reach)

    def overlaps(self, others: npt.NDArray[np.float64]) -> bool:
        """Tell whether it lies across any of other boxes (n 4): of thousands, in one step."""
        left, right, top, bottom = others.T
        beside = (self.left < right) & (left < self.right)
        return bool((beside & (self.top < bottom) & (top < self.bottom)).any())


class _Dot(NamedTuple):
    params: int
    accuracy: float
    low: float
    high: float
    kind: str
    told: str
    name: str = ""


def accuracy_against_params(points: Sequence[Point]) -> Chart | None:
    """Chart what nets reach at their size, with intervals; a single point is no chart."""
    if len(longest(points)) == 1:
        return None
    numbers = _numbers(points)
    ours, studied = _dots(points), _studied(longest(points))
    told = "; ".join(f"{number}: {name}" for number, name in numbers.values())
    return draw(
        "Accuracy against parameters",
        f"Mean over {over(points)} with its 95 % interval, for other {over(points)} and other"
        " pictures; parameters on"
        " a logarithmic scale. Baseline: the fewest methods of a net and recipe."
        + (f" {told}." if told else ""),
        lambda width: _drawn(width, ours, studied),
    )


def _numbers(points: Sequence[Point]) -> dict[int, tuple[int, str]]:
    """Return number and name of each point that is no baseline, if they are few, by identity."""
    others = [
        (point, f"{point.net}, {point.label(baseline)}{more}")
        for (baseline, group), more in _apart(points)
        for point in group
    ]
    if len(others) > _NUMBERED:
        return {}
    return {id(point): (number, name) for number, (point, name) in enumerate(others, 1)}


def _apart(points: Sequence[Point]) -> Iterator[tuple[tuple[Point, list[Point]], str]]:
    """Yield each baseline with the points that have more methods, and what tells it apart."""
    found = longest_groups(points)
    yield from zip(found, lengths_apart([baseline for baseline, _ in found]), strict=True)


def _dots(points: Sequence[Point]) -> list[_Dot]:
    numbers = _numbers(points)
    plain = {id(baseline) for baseline, _ in longest_groups(points)}
    points = longest(points)
    plain &= set(map(id, points))
    best = max(points, key=lambda point: point.accuracy.mean)
    told_apart = points if len(plain) <= _NAMED else _unbeaten(points)
    named = {id(one) for one in _most_accurate([p for p in told_apart if id(p) in plain])}
    of_name = [point for point in points if id(point) in named]
    names = {
        id(point): f"{point.net}{more}"
        for point, more in zip(of_name, lengths_apart(of_name), strict=True)
    }
    names |= {point: str(number) for point, (number, _) in numbers.items()}
    if id(best) not in plain or id(best) not in names:
        more = "" if id(best) in plain else f", {counted(len(best.methods), 'method', 'methods')}"
        names[id(best)] = f"best: {names.get(id(best), f'{best.net}{more}')}"
    found: list[_Dot] = []
    for point in points:
        of, size = point.accuracy, point.first["params"]
        low, high = (end if isfinite(end) else of.mean for end in (of.low, of.high))
        kind = "baseline" if id(point) in plain else "with more methods"
        told = f"{point.net}, {point.label()}: {point.reached(' %')} at {size:,} parameters"
        found.append(_Dot(size, of.mean, low, high, kind, told, names.get(id(point), "")))
    return found


def _studied(points: Sequence[Point]) -> list[_Dot]:
    """Return what the reference study reports of the same nets and methods."""
    found: list[_Dot] = []
    for point in points:
        row = reported_of(point) if point.first["split"] == "test" else None
        if row:
            told = f"{row.net}, {point.label()}, in the reference study: {row.accuracy} %"
            at = row.accuracy
            found.append(_Dot(point.first["params"], at, at, at, "reference study", told))
    return found


def _unbeaten(points: Sequence[Point]) -> list[Point]:
    """Return the points of which no smaller net reaches more, the smallest first."""
    found: list[Point] = []
    highest = -inf  # of smaller nets
    by_size = sorted(points, key=_size)
    for _, of_size in groupby(by_size, key=_size):
        as_large = list(of_size)
        found += [point for point in as_large if point.accuracy.mean >= highest]
        highest = max(highest, *(point.accuracy.mean for point in as_large))
    return found


def _most_accurate(points: Sequence[Point]) -> list[Point]:
    """Return as many as can be named; of equal ones the smaller."""
    return sorted(points, key=lambda point: (-point.accuracy.mean, _size(point)))[:_NAMES]


def _size(point: Point) -> int:
    return int(point.first["params"])


def _drawn(width: int, ours: Sequence[_Dot], studied: Sequence[_Dot]) -> Canvas:
    canvas = Canvas(width, _HEIGHT)
    dots = [*studied, *ours]
    kinds = dict.fromkeys(dot.kind for dot in [*ours, *studied])
    top = legend(canvas, {kind: _COLOURS[kind] for kind in kinds})
    bottom = _HEIGHT - BELOW
    low, high = padded_percents([end for dot in dots for end in (dot.low, dot.high)])
    levels = ticks(low, high, 6)
    left = room_beside(levels)
    y = Scale(low, high, bottom, top)
    sizes = [dot.params for dot in dots]
    x = Scale(0.8 * min(sizes), 1.25 * max(sizes), left, width, log=True)
    upward(canvas, y, levels, width, "accuracy, %")
    across(canvas, x, log_ticks(x.low, x.high), top, bottom, "parameters")
    for dot in studied:
        at, up, r = x(dot.params), y(dot.accuracy), 5
        diamond = [(at, up - r), (at + r, up), (at, up + r), (at - r, up)]
        canvas.shape(diamond, _COLOURS[dot.kind], dot.told)
    for dot in ours:
        at = x(dot.params)
        canvas.line(at, y(dot.low), at, y(dot.high), _COLOURS[dot.kind], width=1.5)
    for dot in sorted(ours, key=lambda dot: dot.kind == "baseline"):  # which lies above the others
        canvas.circle(x(dot.params), y(dot.accuracy), _RADIUS, _COLOURS[dot.kind], dot.told)
    _names(canvas, ours, studied, x, y, top, bottom)
    return canvas


def _names(
    canvas: Canvas,
    ours: Sequence[_Dot],
    studied: Sequence[_Dot],
    x: Scale,
    y: Scale,
    top: float,
    bottom: float,
) -> None:
    """Write the names beside the points, covering neither points nor names; some have no room."""
    size = TEXT if canvas.width > NARROW else TEXT - 1
    dots = [*ours, *studied]
    taken = np.array([_Box.around(x(dot.params), y(dot.accuracy), _RADIUS + 1) for dot in dots])
    ends = np.array(
        [_Box(x(dot.params) - 1, x(dot.params) + 1, y(dot.high), y(dot.low)) for dot in ours]
    )
    for dot in sorted((dot for dot in ours if dot.name), key=lambda dot: dot.accuracy):
        at, level, needed = x(dot.params), y(dot.accuracy), width_of(dot.name, size)
        free: list[tuple[int, _Box]] = []
        for moved in _MOVES:
            if free and abs(moved) >= min(cost for cost, _ in free):
                break  # what follows is moved as far
            for start in (at + 2 * _RADIUS, at - 2 * _RADIUS - needed):
                middle = level + moved
                box = _Box(start, start + needed, middle - size / 2, middle + size / 2)
                inside = x.start <= box.left and box.right <= canvas.width
                inside = inside and top <= box.top and box.bottom <= bottom
                if inside and not box.overlaps(taken):
                    free.append((abs(moved) + _ACROSS * box.overlaps(ends), box))
        if free:
            _, found = min(free, key=lambda one: one[0])
            taken = np.vstack([taken, found])
            canvas.text(found.left, found.bottom - 2, dot.name, INK, size=size)
