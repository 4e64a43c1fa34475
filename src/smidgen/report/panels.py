"""Small plots side by side with one vertical axis, of percents: dots, a colour a name."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from smidgen.report.axes import (
    BELOW,
    Number,
    Scale,
    across,
    padded_percents,
    room_beside,
    ticks,
    upward,
)
from smidgen.report.chart import NARROW, SERIES, Chart, draw, legend, legend_height
from smidgen.report.svg import MUTED, Canvas, shortened

_HEIGHT = 190  # pixels of a plot
_BETWEEN = 28  # pixels from one plot to the next
_INSIDE = 8  # pixels from the ends of a plot to its outermost dots


class Dot(NamedTuple):
    """A value, and what is told of it."""

    x: Number
    y: Number
    told: str


class Panel(NamedTuple):
    """One plot.

    Args:
        title: Below its horizontal axis.
        curves: Dots by name, in order; a name has one colour in all panels.
        marks: On the horizontal axis.
        joined: Whether a line leads from dot to dot.
        diagonal: Whether a grey line shows where both values are the same.
    """

    title: str
    curves: dict[str, list[Dot]]
    marks: Sequence[Number]
    joined: bool = True
    diagonal: bool = False


def panels(
    title: str, axis: str, plots: Sequence[Panel], note: str, ends: tuple[Number, Number] | None
) -> Chart:
    """Chart plots side by side; below each other on a phone.

    Args:
        title: Of the chart.
        axis: Of the vertical values, which are percents.
        plots: From left to right.
        note: Below.
        ends: Of the vertical axis; those of the dots, if ``None``.
    """
    values = [dot.y for plot in plots for dots in plot.curves.values() for dot in dots]
    low, high = ends or padded_percents(values)
    return draw(title, note, lambda width: _drawn(width, axis, plots, low, high))


def _drawn(width: int, axis: str, plots: Sequence[Panel], low: Number, high: Number) -> Canvas:
    names = list(dict.fromkeys(name for plot in plots for name in plot.curves))
    colours = dict(zip(names, SERIES, strict=False))
    lines = [[plot] for plot in plots] if width == NARROW else [plots]
    canvas = Canvas(width, legend_height(width, colours) + len(lines) * (_HEIGHT + BELOW + 6))
    top = legend(canvas, colours)
    levels = ticks(low, high, 5)
    left = room_beside(levels)
    for line in lines:
        bottom = top + _HEIGHT
        y = Scale(low, high, bottom, top)
        upward(canvas, y, levels, width, axis)
        room = (width - left - _BETWEEN * (len(line) - 1)) / len(line)
        for place, plot in enumerate(line):
            start = left + place * (room + _BETWEEN)
            _plot(canvas, plot, y, (start, start + room), colours)
        top = bottom + BELOW + 6
    return canvas


def _plot(
    canvas: Canvas,
    plot: Panel,
    y: Scale,
    sides: tuple[float, float],
    colours: Mapping[str, str],
) -> None:
    start, end = sides[0] + _INSIDE, sides[1] - _INSIDE
    x = Scale(min(plot.marks), max(plot.marks), start, end)
    title = shortened(plot.title, sides[1] - sides[0])
    across(canvas, x, plot.marks, y.end, y.start, title)
    if plot.diagonal:
        canvas.line(x(x.low), y(x.low), x(x.high), y(x.high), MUTED)
    for name, dots in plot.curves.items():
        if plot.joined:
            canvas.path([(x(dot.x), y(dot.y)) for dot in dots], colours[name])
        for dot in dots:
            canvas.circle(x(dot.x), y(dot.y), 4, colours[name], f"{name}, {dot.told}")
