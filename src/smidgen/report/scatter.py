"""The chart of what nets reach at their size."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from smidgen.report.axes import (
    BELOW,
    Scale,
    across,
    log_ticks,
    padded,
    room_beside,
    ticks,
    upward,
)
from smidgen.report.chart import NARROW, SAME, SERIES, Chart, draw, legend
from smidgen.report.points import Point, baselines, lengths_apart, longest
from smidgen.report.reference import reported_of
from smidgen.report.svg import INK, TEXT, Canvas, width_of
from smidgen.study.statistics import spread

_HEIGHT = 340
_NAMED = 8  # nets; of more, only those that no smaller one beats are named in a chart
_COLOURS = {"baseline": SERIES[0], "with more methods": SERIES[1], "reference study": SAME}


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
    points = longest(points)
    if len(points) == 1:
        return None
    ours, studied = _dots(points), _studied(points)
    return draw(
        "Accuracy against parameters",
        "Mean over seeds with its 95 % interval, for other seeds and other pictures; parameters on"
        " a logarithmic scale. Baseline: the fewest methods of a net and recipe.",
        lambda width: _drawn(width, ours, studied),
    )


def _dots(points: Sequence[Point]) -> list[_Dot]:
    best = max(points, key=lambda point: point.accuracy.mean)
    plain = {id(baseline) for baseline, _ in baselines(points)}
    named = {id(point) for point in points if id(point) in plain and not _is_beaten(point, points)}
    if len(plain) <= _NAMED:
        named = plain
    of_name = [point for point in points if id(point) in named]
    names = {
        id(point): f"{point.net}{more}"
        for point, more in zip(of_name, lengths_apart(of_name), strict=True)
    }
    found: list[_Dot] = []
    for point in points:
        of, size = point.accuracy, point.first["params"]
        low, high = (end if isfinite(end) else of.mean for end in (of.low, of.high))
        kind = "baseline" if id(point) in plain else "with more methods"
        reached = spread(of, unit=" %")
        told = f"{point.net}, {point.label()}: {reached} at {size:,} parameters"
        name = names.get(id(point), f"best: {point.net}" if point is best else "")
        found.append(_Dot(size, of.mean, low, high, kind, told, name))
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


def _is_beaten(point: Point, points: Sequence[Point]) -> bool:
    """Tell whether a smaller net reaches more."""
    return any(
        other.accuracy.mean > point.accuracy.mean and other.first["params"] < point.first["params"]
        for other in points
    )


def _drawn(width: int, ours: Sequence[_Dot], studied: Sequence[_Dot]) -> Canvas:
    canvas = Canvas(width, _HEIGHT)
    dots = [*studied, *ours]
    kinds = dict.fromkeys(dot.kind for dot in [*ours, *studied])
    top = legend(canvas, {kind: _COLOURS[kind] for kind in kinds})
    bottom = _HEIGHT - BELOW
    low, high = padded([end for dot in dots for end in (dot.low, dot.high)])
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
        canvas.circle(x(dot.params), y(dot.accuracy), 4.5, _COLOURS[dot.kind], dot.told)
    _names(canvas, ours, x, y, top)
    return canvas


def _names(canvas: Canvas, dots: Sequence[_Dot], x: Scale, y: Scale, top: float) -> None:
    """Write the names beside the points, moved up where they would overlap; some have no room."""
    taken: list[tuple[float, float, float]] = []
    size = TEXT if canvas.width > NARROW else TEXT - 1
    for dot in sorted((dot for dot in dots if dot.name), key=lambda dot: dot.accuracy):
        needed, at = width_of(dot.name, size), x(dot.params)
        left = at + 9 + needed > canvas.width
        start = at - 9 - needed if left else at + 9
        level = y(dot.accuracy) + 4
        while any(
            start < end and start + needed > begin and abs(level - up) < size + 2
            for begin, end, up in taken
        ):
            level -= 2
        if level < top or start < x.start:
            continue
        taken.append((start, start + needed, level))
        canvas.text(start, level, dot.name, INK, size=size)
