"""What methods change at each length of training: a chart and a table of effects over epochs."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from smidgen.report.axes import BELOW, Scale, across, padded, room_beside, ticks, upward
from smidgen.report.chart import SERIES, Chart, draw, legend, legend_height
from smidgen.report.points import Effect, Point, effects, numbers_of, over, setting_of
from smidgen.report.reference import reported_of, study_effect
from smidgen.report.svg import MUTED, Canvas
from smidgen.report.tables import Cell, Table, difference, number, words
from smidgen.sizes import counted

_HEIGHT = 300  # pixels of the plot
_APART = 5  # pixels between the intervals of two methods at one length


class _Way(NamedTuple):
    """A set of methods on one net, over lengths."""

    label: str
    effects: dict[int, Effect]  # by epochs
    study: float | None  # points, in the reference study


def lengths_of(points: Sequence[Point]) -> list[tuple[str, list[_Way]]]:
    """Return each net with the methods that were compared at two lengths or more."""
    grouped: dict[tuple[str, str], dict[str, dict[int, Effect]]] = {}
    for baseline, found in effects(points):
        of = str((*setting_of(baseline.first), numbers_of(baseline.first)))
        ways = grouped.setdefault((baseline.net, of), {})
        for effect in found:
            label = effect.point.label(baseline)
            ways.setdefault(label, {})[baseline.first["epochs"]] = effect
    kept: list[tuple[str, list[_Way]]] = []
    for (net, _), ways in grouped.items():
        several = [
            _Way(label, dict(sorted(by.items())), _studied(next(iter(by.values()))))
            for label, by in ways.items()
            if len(by) > 1
        ]
        if several:
            kept.append((net, several))
    return kept


def _studied(effect: Effect) -> float | None:
    row = reported_of(effect.point)
    return study_effect(row) if row and effect.point.first["split"] == "test" else None


def length_charts(points: Sequence[Point]) -> list[Chart]:
    """Chart the effects of methods against epochs, as many charts a net as colours ask for."""
    return [
        draw(
            f"Effects against epochs on {net}{part}",
            "Against the baseline of the same length, paired by seed, 95 % t interval over"
            f" {over(points)};"
            " epochs on a logarithmic scale, methods side by side.",
            lambda width, some=some: _drawn(width, some),
        )
        for net, ways in lengths_of(points)
        for part, some in _parts(ways)
    ]


def _parts(ways: Sequence[_Way]) -> list[tuple[str, Sequence[_Way]]]:
    """Return the ways in parts that have colours for each, with what a title says of the part."""
    parts = [ways[start : start + len(SERIES)] for start in range(0, len(ways), len(SERIES))]
    many = len(parts) > 1
    return [(f", {n} of {len(parts)}" if many else "", of) for n, of in enumerate(parts, 1)]


def _drawn(width: int, ways: Sequence[_Way]) -> Canvas:
    colours = dict(zip((way.label for way in ways), SERIES, strict=False))
    canvas = Canvas(width, legend_height(width, colours) + _HEIGHT + BELOW)
    top = legend(canvas, colours)
    bottom = top + _HEIGHT
    ends = [end for way in ways for effect in way.effects.values() for end in _ends(effect)]
    low, high = padded([0.0, *ends])
    levels = ticks(low, high, 7)
    left, epochs = room_beside(levels), sorted({n for way in ways for n in way.effects})
    y = Scale(low, high, bottom, top)
    x = Scale(0.8 * epochs[0], 1.25 * epochs[-1], left, width, log=True)
    upward(canvas, y, levels, width, "difference, points")
    across(canvas, x, epochs, top, bottom, "epochs")
    canvas.line(left, y(0), width, y(0), MUTED)
    for place, (way, colour) in enumerate(zip(ways, SERIES, strict=False)):
        aside = _APART * (place - (len(ways) - 1) / 2)
        at = [(x(n) + aside, y(effect.accuracy.mean)) for n, effect in way.effects.items()]
        canvas.path(at, colour, way.label)
        for (across_, up), (n, effect) in zip(at, way.effects.items(), strict=True):
            start, end = _ends(effect)
            canvas.line(across_, y(start), across_, y(end), colour, width=1.5)
            told = f"{way.label}, {_length(n)}: {difference(effect.accuracy)} points"
            canvas.circle(across_, up, 4, colour, told)
    return canvas


def _ends(effect: Effect) -> tuple[float, float]:
    of = effect.accuracy
    low, high = (end if isfinite(end) else of.mean for end in (of.low, of.high))
    return low, high


def length_tables(points: Sequence[Point]) -> list[Table]:
    """Return the effects by epochs, a table a net, with how they change and what the study has."""
    return [_table(net, ways) for net, ways in lengths_of(points)]


def _table(net: str, ways: Sequence[_Way]) -> Table:
    epochs = sorted({n for way in ways for n in way.effects})
    rows = tuple(
        (
            words(way.label),
            *(_cell(way.effects.get(n)) for n in epochs),
            words(trend(way.effects)),
            number(way.study, "+.2f"),
            words(met(way.effects, way.study)),
        )
        for way in ways
    )
    columns = ("methods", *map(_length, epochs), "with length", "study", "its figure")
    return Table(
        f"Effects by length on {net}",
        columns,
        rows,
        "Percentage points against the baseline of the same length, paired by seed, with the 95 % t"
        " interval. With length: gains or loses where the intervals of the shortest and the longest"
        " do not overlap. The study's figure is met at the first length whose interval holds it or"
        " is above it.",
    )


def _length(epochs: int) -> str:
    return counted(epochs, "epoch", "epochs")


def _cell(effect: Effect | None) -> Cell:
    if effect is None:
        return number(None)
    return Cell(difference(effect.accuracy), effect.accuracy.mean)


def trend(by: dict[int, Effect]) -> str:
    """Say whether an effect grows with length, as far as intervals can tell."""
    first, last = (by[n].accuracy for n in (min(by), max(by)))
    if first.count < 2 or last.count < 2:  # noqa: PLR2004 - one seed has no interval
        return "one seed"
    if last.low > first.high:
        return "gains"
    return "loses" if last.high < first.low else "no change shown"


def met(by: dict[int, Effect], study: float | None) -> str:
    """Say at which length the reference study's effect is reached."""
    if study is None:
        return "-"
    for n, effect in sorted(by.items()):
        if effect.accuracy.count > 1 and effect.accuracy.high >= study:
            return f"met at {_length(n)}"
    return "not met"
