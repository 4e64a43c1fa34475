"""The chart of a figure of training over its epochs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from smidgen.report.axes import (
    BELOW,
    Scale,
    across,
    padded,
    padded_percents,
    room_beside,
    ticks,
    upward,
    whole_ticks,
)
from smidgen.report.chart import NARROW, SERIES, Chart, draw, legend, legend_height
from smidgen.report.points import Point, apart, numbers_of, over
from smidgen.report.svg import Canvas

_CURVES = len(SERIES)
_HEIGHT = 230  # pixels of the plot
_PERCENTS = 100

_Ends: TypeAlias = Callable[[Sequence[float]], tuple[float, float]]  # of an axis, by its values


class _Curve(NamedTuple):
    name: str
    values: list[tuple[int, float]]  # epoch, mean over seeds
    told: str


def losses(points: Sequence[Point]) -> Chart | None:
    """Chart the training loss over the epochs, in nats, the mean over seeds."""
    return _curves(points, "loss", "loss", 1, ".4f")


def held_out_accuracies(points: Sequence[Point]) -> Chart | None:
    """Chart the accuracy on held-out images over the epochs, in percent, the mean over seeds."""
    return _curves(points, "held_out_accuracy", "accuracy on held-out images, %", 100, ".2f")


def _curves(points: Sequence[Point], what: str, title: str, times: int, form: str) -> Chart | None:
    """Chart a figure of training, of at most eight points: those trained longest.

    Args:
        points: In any order.
        what: The figure's name in a row's history.
        title: Of the vertical axis.
        times: What it is drawn as, 100 for percents.
        form: How the last value is told.
    """
    ends = padded_percents if times == _PERCENTS else padded
    points = sorted(points, key=lambda point: -point.first["epochs"])
    drawn: list[_Curve] = []
    for point, name in zip(points, _names(points[:_CURVES]), strict=False):
        values: list[tuple[int, float]] = []
        told_of = [row["history"] for row in point.rows.values() if row.get("history")]
        for records in zip(*told_of, strict=False):
            known = [record[what] for record in records if record[what] is not None]
            if known:
                values.append((records[0]["epoch"], times * sum(known) / len(known)))
        if values:
            told = f"{name}, epoch {values[-1][0]}: {values[-1][1]:{form}}"
            drawn.append(_Curve(name, values, told))
    if not drawn:
        return None
    more = len(points) - _CURVES
    rest = f" The {_CURVES} trained longest of {len(points)} are drawn." if more > 0 else ""
    return draw(
        f"Training: {title.removesuffix(', %')}",
        f"Mean over {over(points)}, an epoch a point.{rest}",
        lambda width: _drawn(width, drawn, title, ends),
    )


def _drawn(width: int, drawn: Sequence[_Curve], title: str, ends: _Ends) -> Canvas:
    colours = dict(zip((curve.name for curve in drawn), SERIES, strict=False))
    canvas = Canvas(width, legend_height(width, colours) + _HEIGHT + BELOW)
    top = legend(canvas, colours)
    bottom = top + _HEIGHT
    low, high = ends([value for curve in drawn for _, value in curve.values])
    epochs = [epoch for curve in drawn for epoch, _ in curve.values]
    levels = ticks(low, high, 6)
    left = room_beside(levels)
    x = Scale(min(epochs), max(epochs), left, width - 6)
    y = Scale(low, high, bottom, top)
    upward(canvas, y, levels, width, title)
    across(
        canvas, x, whole_ticks(x.low, x.high, 5 if width == NARROW else 10), top, bottom, "epoch"
    )
    for curve, colour in zip(drawn, SERIES, strict=False):
        way = [(x(epoch), y(value)) for epoch, value in curve.values]
        if len(way) > 1:
            canvas.path(way, colour, curve.told)
        else:
            canvas.circle(*way[0], 4, colour, curve.told)
    return canvas


def _names(points: Sequence[Point]) -> list[str]:
    nets = [point.net for point in points]
    return [
        point.net if nets.count(point.net) == 1 else f"{point.net}, {point.label()}{more}"
        for point, more in zip(points, apart(points, _numbers), strict=True)
    ]


def _numbers(row: dict[str, Any]) -> list[tuple[str, Any]]:
    own = [(name, row[name]) for name in ("epochs", "params")]
    return [*numbers_of(row), *own, ("on", row["trained_on"])]
