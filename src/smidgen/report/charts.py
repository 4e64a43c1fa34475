"""Charts as SVG texts whose colours follow the page that they stand in."""

import re
from collections.abc import Mapping, Sequence
from math import isfinite, log10
from typing import Any, NamedTuple

import altair as alt
import vl_convert

from smidgen.report.points import Effect, Point, baselines, longest
from smidgen.report.reference import ours, reported_of
from smidgen.report.tables import difference, spread

WIDE, NARROW = 840, 330  # pixels, for a page and for a phone
# Written into the SVG, then replaced by the page's own variables.
_INK, _MUTED, _LINE, _PAPER = "#010101", "#020202", "#030303", "#040404"
_VARIABLES = {_INK: "--ink", _MUTED: "--muted", _LINE: "--line", _PAPER: "--paper"}
_ALONE = {  # the page's variables for a chart outside it: in light, in dark
    "--ink": ("#1a1e24", "#e6e9ee"),
    "--muted": ("#5a6472", "#9aa5b3"),
    "--line": ("#dfe3e8", "#2e343d"),
    "--paper": ("#fff", "#13161a"),
}
# Told apart by most colour-blind readers, and with enough contrast on white and on black.
SERIES = ("#3b82c4", "#d9822b", "#2f9e6e", "#a371d6", "#d1495b", "#1fa3b3", "#a47148", "#7d8590")
BETTER, WORSE, SAME = "#2f9e6e", "#d1495b", "#8a929c"
_LABEL = 11  # pixels, of text in a chart
_MARGIN = 8  # pixels to the left and right, for readers whose font is wider than the measured one
_MEASURED = "DejaVu Sans"  # as wide as system fonts come, so that no reader's text is cut off
_CURVES = len(SERIES)
_NAMED = 8  # nets; of more, only those that no smaller one beats are named in a chart


class Chart(NamedTuple):
    """A chart in two widths."""

    title: str
    wide: str
    narrow: str
    note: str


def draw(title: str, note: str, chart: Any) -> Chart:
    """Return the chart that ``chart(width)`` describes, drawn for a page and for a phone."""
    return Chart(title, _svg(chart(WIDE), title), _svg(chart(NARROW), title), note)


def accuracy_against_params(points: Sequence[Point]) -> Chart | None:
    """Chart what nets reach at their size, with intervals; a single point is no chart."""
    points = longest(points)
    best = max(points, key=lambda point: point.accuracy.mean)
    if len(points) == 1:
        return None
    plain = {id(baseline) for baseline, _ in baselines(points)}
    named = {id(point) for point in points if id(point) in plain and not _is_beaten(point, points)}
    if len(plain) <= _NAMED:
        named = plain
    values: list[dict[str, Any]] = [
        {
            **_ends(point),
            "params": point.first["params"],
            "kind": "without methods" if id(point) in plain else "with methods",
            "told": f"{point.net}, {point.label()}: {spread(point.accuracy)} % at"
            f" {point.first['params']:,} parameters",
            "name": _name(point, best, id(point) in named),
        }
        for point in points
    ]
    studied: list[dict[str, Any]] = [
        {"params": point.first["params"], "accuracy": row.accuracy, "kind": "reference study",
         "told": f"{row.net}, {point.label()}, in the reference study: {row.accuracy} %"}
        for point in points if point.first["split"] == "test" and (row := reported_of(point))
    ]  # fmt: skip
    kinds = list(dict.fromkeys(value["kind"] for value in [*values, *studied]))
    colours = {"without methods": SERIES[0], "with methods": SERIES[1], "reference study": SAME}

    def chart(width: int) -> Any:
        height = 340
        x = alt.X(
            "params:Q",
            title="parameters",
            scale=alt.Scale(type="log", padding=28, nice=False),
            axis=alt.Axis(values=_round_numbers([v["params"] for v in values]), format=",d"),
        )
        y = alt.Y(
            "accuracy:Q", title="accuracy, %", scale=alt.Scale(zero=False, nice=False, padding=12)
        )
        colour = alt.Color(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=kinds, range=[colours[kind] for kind in kinds]),
        )
        base = alt.Chart(alt.Data(values=values)).encode(x=x, color=colour)
        layers = [
            base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(y="low:Q", y2="high:Q"),
            base.mark_circle(size=64, opacity=1).encode(y=y, description="told:N"),
            _labels(values, width, height),
        ]
        if studied:
            marks = alt.Chart(alt.Data(values=studied)).mark_point(shape="diamond", size=48)
            layers.insert(0, marks.encode(x=x, y=y, color=colour, description="told:N"))
        return alt.layer(*layers).properties(width=width, height=height)

    return draw(
        "Accuracy against parameters",
        "Mean over seeds with its 95 % t interval; parameters on a logarithmic scale.",
        chart,
    )


def _is_beaten(point: Point, points: Sequence[Point]) -> bool:
    """Tell whether a smaller net reaches more."""
    return any(
        other.accuracy.mean > point.accuracy.mean and other.first["params"] < point.first["params"]
        for other in points
    )


def _name(point: Point, best: Point, is_named: bool) -> str:
    if is_named:
        return point.net
    return f"best: {point.net}" if point is best else ""


def _round_numbers(params: Sequence[int]) -> list[int]:
    """Return 1, 2 and 5 times powers of ten around ``params``."""
    numbers = [digit * 10**power for power in range(9) for digit in (1, 2, 5)]
    low, high = 0.6 * min(params), 1.7 * max(params)
    found = [number for number in numbers if low <= number <= high]
    return found if len(found) > 1 else sorted({min(params), max(params)})


def _labels(values: Sequence[dict[str, Any]], width: int, height: int) -> Any:
    """Return the names beside the points, moved up or down where they would overlap."""
    named = sorted((v for v in values if v["name"]), key=lambda v: v["accuracy"])
    lows = [v["low"] for v in values]
    highs = [v["high"] for v in values]
    span = (max(highs) - min(lows)) or 1.0
    sizes = [log10(v["params"]) for v in values]
    breadth = (max(sizes) - min(sizes)) or 1.0
    placed: list[tuple[float, float]] = []
    for value in named:
        x = log10(value["params"])
        y = value["accuracy"]
        reach = 190 / (width - 110) * breadth  # two labels, one to the left and one to the right
        for other_x, other_y in placed:
            if abs(other_x - x) < reach:
                y = max(y, other_y + (_LABEL + 3) / (height - 40) * span)
        placed.append((x, y))
        value["label_y"] = y
        value["left"] = x > min(sizes) + 0.6 * breadth
    layers = [
        alt.Chart(alt.Data(values=[v for v in named if v["left"] == left]))
        .mark_text(align="right" if left else "left", dx=-9 if left else 9, color=_INK)
        .encode(x="params:Q", y="label_y:Q", text="name:N")
        for left in (False, True)
    ]
    return alt.layer(*layers)


def forest(baseline: Point, found: Sequence[Effect]) -> Chart:
    """Chart the effects of methods on one net: differences with intervals around zero."""
    colours = {"better": BETTER, "worse": WORSE}
    values = [
        {
            "label": e.point.label(baseline),
            "mean": e.accuracy.mean,
            "low": e.accuracy.low if isfinite(e.accuracy.low) else e.accuracy.mean,
            "high": e.accuracy.high if isfinite(e.accuracy.high) else e.accuracy.mean,
            "colour": colours.get(e.accuracy.verdict, SAME),
            "told": f"{e.point.label(baseline)}: {difference(e.accuracy)} points,"
            f" {e.accuracy.verdict}",
        }
        for e in sorted(found, key=lambda e: -e.accuracy.mean)
    ]

    def chart(width: int) -> Any:
        narrow = width == NARROW
        y = alt.Y(
            "label:N",
            title=None,
            sort=None,
            axis=alt.Axis(labelLimit=140 if narrow else 300, domain=False, grid=False),
        )
        x = alt.X("mean:Q", title="difference in accuracy, points")
        colour = alt.Color("colour:N", scale=None)
        base = alt.Chart(alt.Data(values=values)).encode(y=y, color=colour)
        zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=_MUTED)
        return alt.layer(
            zero.encode(x="zero:Q"),
            base.mark_rule(strokeWidth=2.5).encode(x="low:Q", x2="high:Q"),
            base.mark_circle(size=80, opacity=1).encode(x=x, description="told:N"),
        ).properties(width=width, height=alt.Step(24))

    return draw(
        f"Effects on {baseline.net}",
        f"Against {baseline.label()} ({spread(baseline.accuracy)} %), paired by seed, 95 % t"
        " interval. Grey: no difference shown.",
        chart,
    )


def curves(points: Sequence[Point], what: str, title: str, form: str) -> Chart | None:
    """Chart a figure of training over its epochs, the mean over seeds.

    Args:
        points: At most eight are drawn, those trained longest.
        what: The figure's name in a row's history.
        title: Of the vertical axis.
        form: How the last value is told.
    """
    values: list[dict[str, Any]] = []
    points = sorted(points, key=lambda point: -point.first["epochs"])
    names = _names(points[:_CURVES])
    for point, name in zip(points, names, strict=False):
        histories = [row["history"] for row in point.rows.values()]
        for records in zip(*histories, strict=False):
            known = [record[what] for record in records if record[what] is not None]
            if known:
                mean = sum(known) / len(known)
                epoch = records[0]["epoch"]
                told = f"{name}, epoch {epoch}: {mean:{form}}"
                values.append({"epoch": epoch, "value": mean, "name": name, "told": told})
    if not values:
        return None

    def chart(width: int) -> Any:
        base = alt.Chart(alt.Data(values=values)).encode(
            x=alt.X(
                "epoch:Q",
                scale=alt.Scale(nice=False, zero=False),
                axis=alt.Axis(format="d", tickMinStep=1, tickCount=8),
            ),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "name:N",
                title=None,
                sort=None,
                scale=alt.Scale(domain=names, range=list(SERIES[: len(names)])),
                legend=alt.Legend(columns=1 if width == NARROW else 3, labelLimit=300),
            ),
        )
        return (
            base.mark_line(strokeWidth=2)
            .encode(description="told:N")
            .properties(width=width, height=260)
        )

    more = len(points) - _CURVES
    rest = f" The {_CURVES} trained longest of {len(points)} are drawn." if more > 0 else ""
    return draw(f"Training: {title}", f"Mean over seeds, an epoch a point.{rest}", chart)


def bars(
    title: str, axis: str, series: Mapping[str, Mapping[str, float | int]], note: str
) -> Chart:
    """Chart figures by net as bars, one colour a kind.

    Args:
        title: Of the chart.
        axis: Of the values.
        series: By kind, then by net.
        note: Below.
    """
    kinds = list(series)
    most = max(value for by_net in series.values() for value in by_net.values())
    values = [
        {"net": net, "kind": kind, "value": value, "told": f"{net}, {kind}: {value:,.4g}",
         "text": f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"}  # noqa: PLR2004
        for kind, by_net in series.items() for net, value in by_net.items()
    ]  # fmt: skip

    def chart(width: int) -> Any:
        base = alt.Chart(alt.Data(values=values)).encode(
            y=alt.Y("net:N", title=None, sort=None, axis=alt.Axis(domain=False, labelLimit=130)),
            yOffset=alt.YOffset("kind:N", sort=kinds),
            x=alt.X(
                "value:Q",
                title=axis,
                scale=alt.Scale(domain=[0, 1.15 * most], nice=False),
                axis=alt.Axis(tickCount=4 if width == NARROW else 8),
            ),
        )
        colours = alt.Scale(domain=kinds, range=list(SERIES[: len(kinds)]))
        return alt.layer(
            base.mark_bar(height=11).encode(
                color=alt.Color(
                    "kind:N",
                    title=None,
                    scale=colours,
                    legend=alt.Legend(columns=2 if width == NARROW else 4),
                ),
                description="told:N",
            ),
            base.mark_text(align="left", dx=4, color=_MUTED, fontSize=10).encode(text="text:N"),
        ).properties(width=width, height={"step": 14 * len(kinds) + 10, "for": "position"})

    return draw(title, note, chart)


def latency_bars(points: Sequence[Point]) -> Chart | None:
    """Chart the time for 10,000 images, net by net, beside the reference study's."""
    kinds = {"net alone": "kernel_s_10000", "bytes to classes": "end_to_end_s_10000"}
    series = {
        kind: {p.net: seconds for p in points if (seconds := p.latency(name)) is not None}
        for kind, name in kinds.items()
    }
    studied = {p.net: row.latency for p in points if (row := reported_of(p)) and row.latency}
    if studied and ours(points, next(r for p in points if (r := reported_of(p)))):
        series["reference study"] = studied
    if not any(series.values()):
        return None
    note = "Seconds for 10,000 images at the best batch size, float32, one thread of a CPU."
    return bars("Inference time", "seconds for 10,000 images", series, note)


def size_bars(points: Sequence[Point]) -> Chart:
    """Chart the bytes of each net."""
    names = {"int8": "bytes_int8", "float32": "bytes_float32", "file": "bytes_on_disk"}
    series = {
        kind: {p.net: p.first[name] for p in points if p.first.get(name)}
        for kind, name in names.items()
    }
    note = (
        "Deployed parameters as int8 and as float32, and the file of weights as trained, with its"
        " container."
    )
    return bars("Size", "bytes", series, note)


def _ends(point: Point) -> dict[str, float]:
    found = point.accuracy
    low = found.low if isfinite(found.low) else found.mean
    high = min(found.high, 100.0) if isfinite(found.high) else found.mean
    return {"accuracy": found.mean, "low": low, "high": high}


def _names(points: Sequence[Point]) -> list[str]:
    nets = [point.net for point in points]
    return [
        point.net if nets.count(point.net) == 1 else f"{point.net}, {point.label()}"
        for point in points
    ]


def alone(svg: str) -> str:
    """Return a chart's SVG as a file of its own: with colours, in light and in dark, and paper."""
    dark = ";".join(f"{name}:{colour}" for name, (_, colour) in _ALONE.items())
    light = ";".join(f"{name}:{colour}" for name, (colour, _) in _ALONE.items())
    style = f"<style>:root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    paper = f'<rect x="{-_MARGIN}" width="100%" height="100%" fill="var(--paper)"/>'
    head = svg.index(">") + 1
    return f"{svg[:head]}{style}{paper}{svg[head:]}\n"


def _svg(chart: Any, title: str) -> str:
    spec = chart.configure(
        font=_MEASURED,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        background="transparent",
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=_INK, titleColor=_MUTED, gridColor=_LINE, domainColor=_LINE,
            tickColor=_LINE, labelFontSize=_LABEL, titleFontSize=_LABEL, titleFontWeight="normal",
        ),
        legend=alt.LegendConfig(
            labelColor=_INK, labelFontSize=_LABEL, orient="top", direction="horizontal",
            symbolStrokeWidth=2, columnPadding=16,
        ),
        text=alt.MarkConfig(fontSize=_LABEL),
    )  # fmt: skip
    svg = vl_convert.vegalite_to_svg(spec.to_dict())
    for placeholder, variable in _VARIABLES.items():
        svg = svg.replace(f'"{placeholder}"', f'"var({variable})"')
    svg = svg.replace(f'font-family="{_MEASURED}"', 'font-family="system-ui, sans-serif"')
    width, height = _size(svg)
    svg = re.sub(
        r"<svg[^>]*>",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-_MARGIN} 0 {width + 2 * _MARGIN:g}'
        f' {height:g}" width="{width + 2 * _MARGIN:g}" role="img" aria-label="{title}">',
        svg,
        count=1,
    )
    return re.sub(r"<path aria-label=[^>]*/>", _with_tooltip, svg)


def _with_tooltip(mark: re.Match[str]) -> str:
    """Turn what a mark tells a screen reader into a tooltip, which screen readers read as well."""
    told = re.search(r'aria-label="([^"]*)"', mark[0])
    bare = re.sub(r' (aria-label|aria-roledescription|role)="[^"]*"', "", mark[0])
    return f"{bare.removesuffix('/>')}><title>{told[1] if told else ''}</title></path>"


def _size(svg: str) -> tuple[float, float]:
    head = svg[: svg.index(">")]
    found = dict(re.findall(r'\b(width|height)="([\d.]+)"', head))
    return float(found["width"]), float(found["height"])
