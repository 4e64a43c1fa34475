"""The chart of what methods change: differences with intervals around zero."""

from collections.abc import Sequence
from math import isfinite

from smidgen.report.axes import BELOW, Scale, across, padded, ticks
from smidgen.report.chart import BETTER, NARROW, SAME, WORSE, Chart, draw
from smidgen.report.points import Effect, Point, over, tested
from smidgen.report.svg import INK, MUTED, TEXT, Canvas, shortened, width_of
from smidgen.report.tables import difference

_STEP, _NARROW_STEP = 24, 36  # pixels from one method to the next
_LABELS = 330  # pixels, at the most, for the names of methods
_COLOURS = {"better": BETTER, "worse": WORSE}


def forest(baseline: Point, found: Sequence[Effect], more: str = "") -> Chart:
    """Chart the effects of methods on one net.

    Args:
        baseline: Of all of them.
        found: In any order.
        more: What the title tells it by from charts of the same net.
    """
    ordered = sorted(found, key=lambda e: -e.accuracy.mean)
    return draw(
        f"Effects on {baseline.net}{more}",
        f"Against {baseline.label()} ({baseline.reached(' %')}), paired by seed on the same"
        f" pictures, 95 % t interval over {over([baseline])}. Grey: no difference shown"
        + (", by the p of the table below." if tested(found) > 1 else "."),
        lambda width: _drawn(width, baseline, ordered),
    )


def _drawn(width: int, baseline: Point, found: Sequence[Effect]) -> Canvas:
    narrow = width == NARROW
    step = _NARROW_STEP if narrow else _STEP
    labels = [effect.point.label(baseline) for effect in found]
    left = 0.0 if narrow else min(max(map(width_of, labels)), _LABELS) + 12
    bottom = step * len(found) + 4
    canvas = Canvas(width, bottom + BELOW)
    ends = [_ends(effect) for effect in found]
    low, high = padded([0.0, *(end for pair in ends for end in pair)])
    x = Scale(low, high, left, width)
    across(canvas, x, ticks(low, high, 4 if narrow else 9), 0, bottom, "difference, points")
    canvas.line(x(0), 0, x(0), bottom, MUTED)
    for place, (effect, label, (start, end)) in enumerate(zip(found, labels, ends, strict=True)):
        y = step * place + (26 if narrow else 14)
        room, at = (width, y - 10) if narrow else (left - 12, y + 4)
        told = f"{label}: {difference(effect.accuracy)} points, {effect.verdict}"
        anchor = "start" if narrow else "end"
        canvas.text(0 if narrow else left - 12, at, shortened(label, room), INK, anchor=anchor,
                    size=TEXT, told=told)  # fmt: skip
        colour = _COLOURS.get(effect.verdict, SAME)
        canvas.line(x(start), y, x(end), y, colour, width=2.5)
        canvas.circle(x(effect.accuracy.mean), y, 5, colour, told)
    return canvas


def _ends(effect: Effect) -> tuple[float, float]:
    of = effect.accuracy
    low, high = (end if isfinite(end) else of.mean for end in (of.low, of.high))
    return low, high
