"""Charts of figures by net as bars: time of inference, and size."""

from collections.abc import Mapping, Sequence

from smidgen.report.axes import BELOW, Scale, across, ticks
from smidgen.report.chart import NARROW, SERIES, Chart, draw, legend, legend_height
from smidgen.report.points import Point
from smidgen.report.reference import ours, reported_of
from smidgen.report.svg import INK, MUTED, TEXT, Canvas, shortened, width_of

_BAR, _GAP = 14, 10  # pixels of a bar with its room, and between nets
_NETS = 10  # drawn at most; the table has all
_LABELS = 200  # pixels, at the most, for the names of nets
_WHOLE = 1000  # from here on a value is written without decimals

Series = Mapping[str, Mapping[str, float | int]]


def latency_bars(points: Sequence[Point]) -> Chart | None:
    """Chart the time for 10,000 images, net by net, beside the reference study's."""
    points, rest = _most_accurate(points)
    kinds = {"net alone": "kernel_s_10000", "bytes to classes": "end_to_end_s_10000"}
    series = {
        kind: {p.net: seconds for p in points if (seconds := p.latency(name)) is not None}
        for kind, name in kinds.items()
    }
    studied = {p.net: row.latency for p in points if (row := reported_of(p)) and row.latency}
    if not any(series.values()):
        return None
    if studied and ours(points, next(r for p in points if (r := reported_of(p)))):
        series["reference study"] = studied
    note = f"Seconds for 10,000 images at the best batch size, float32, one thread of a CPU.{rest}"
    return bars("Inference time", "seconds for 10,000 images", series, note)


def size_bars(points: Sequence[Point]) -> Chart:
    """Chart the bytes of each net."""
    points, rest = _most_accurate(points)
    names = {"int8": "bytes_int8", "float32": "bytes_float32", "file": "bytes_on_disk"}
    series = {
        kind: {p.net: p.first[name] for p in points if p.first.get(name)}
        for kind, name in names.items()
    }
    note = (
        "Deployed parameters as int8 and as float32, and the file of weights as trained, with its"
        f" container.{rest}"
    )
    return bars("Size", "bytes", series, note)


def _most_accurate(points: Sequence[Point]) -> tuple[Sequence[Point], str]:
    """Return a point a net, as many as a chart can show, in order, and a word on the others.

    The point of a net is that with the fewest methods, of several the most accurate.
    """
    nets: dict[str, Point] = {}
    for point in sorted(points, key=lambda point: (len(point.methods), -point.accuracy.mean)):
        nets.setdefault(point.net, point)
    kept = sorted(nets.values(), key=lambda point: -point.accuracy.mean)[:_NETS]
    shown = [point for point in points if any(point is one for one in kept)]
    more = f" The {_NETS} most accurate of {len(nets)} nets are drawn."
    return shown, more if len(nets) > _NETS else ""


def bars(
    title: str,
    axis: str,
    series: Series,
    note: str,
    form: str = ",.3g",
    ends: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
) -> Chart:
    """Chart figures by net as bars, one colour a kind.

    Args:
        title: Of the chart.
        axis: Of the values.
        series: By kind, then by net.
        note: Below.
        form: Of a value beside its bar, below a thousand.
        ends: Of the interval of each value, drawn as a line; none, by default.
    """
    return draw(title, note, lambda width: _drawn(width, axis, series, form, ends or {}))


def _drawn(
    width: int,
    axis: str,
    series: Series,
    form: str,
    ends: Mapping[str, Mapping[str, tuple[float, float]]],
) -> Canvas:
    narrow = width == NARROW
    kinds = dict(zip(series, SERIES, strict=False))
    nets = list(dict.fromkeys(net for by_net in series.values() for net in by_net))
    above = TEXT + 6 if narrow else 0  # a phone has the name of a net over its bars
    step = _BAR * len(series) + _GAP + above
    canvas = Canvas(width, legend_height(width, kinds) + step * len(nets) + BELOW)
    top = legend(canvas, kinds)
    bottom = top + step * len(nets)
    left = 0.0 if narrow else min(max(map(width_of, nets)), _LABELS) + 10
    most = max(value for by_net in series.values() for value in by_net.values()) or 1
    most = max(most, *(high for by_net in ends.values() for _, high in by_net.values()), 0)
    x = Scale(0, 1.15 * most, left, width)
    across(canvas, x, ticks(0, x.high, 4 if narrow else 8), top, bottom, axis)
    for place, net in enumerate(nets):
        y = top + step * place
        if narrow:
            canvas.text(0, y + TEXT + 2, shortened(net, width), INK)
        else:
            middle = y + step / 2 + 4
            canvas.text(left - 10, middle, shortened(net, left - 10), INK, anchor="end", told=net)
        for row, (kind, by_net) in enumerate(series.items()):
            value = by_net.get(net)
            if value is not None:
                at = y + above + _GAP / 2 + _BAR * row
                whole = f"{value:,.0f}" if value >= _WHOLE else ""
                text, told = whole or f"{value:{form}}", whole or f"{value:,.4g}"
                low, high = ends.get(kind, {}).get(net, (value, value))
                told = f"{net}, {kind}: {told}" + (
                    f" [{low:{form}}, {high:{form}}]" if ends else ""
                )
                canvas.rect(left, at, x(value) - left, _BAR - 3, kinds[kind], told=told)
                if ends:
                    canvas.line(x(low), at + 5.5, x(high), at + 5.5, INK)
                canvas.text(x(high) + 4, at + _BAR - 5, text, MUTED, size=TEXT - 1)
    return canvas
