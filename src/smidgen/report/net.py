"""The drawing of a net: a layer a line, with the map it writes and what it costs."""

from collections.abc import Sequence
from math import log2
from typing import Any

from smidgen.report.chart import NARROW, SERIES, Chart, draw
from smidgen.report.svg import ACCENT, INK, MUTED, TEXT, Canvas, Number, shortened

_STEP, _NARROW_STEP = 36, 56  # pixels a layer
_SIDE, _DEPTH = 22, 12  # pixels of the largest map, and of the most channels
_GLYPH = 52  # pixels that a map's drawing takes
_COSTS = (("parameters", "params"), ("MACs", "macs"), ("RAM, bytes", "peak_activation"))
_COST = 124  # pixels a column of costs


def net_chart(net: str, shape: Sequence[int], layers: Sequence[dict[str, Any]]) -> Chart:
    """Draw a net.

    Args:
        net: Its name.
        shape: Of an image: channels, height, width.
        layers: As in the column ``drawing`` of a row; see docs/rows.md.
    """
    totals = [sum(layer[key] for layer in layers) for key in ("params", "macs")]
    most = max(layer["peak_activation"] for layer in layers)
    return draw(
        f"The net, {net}",
        f"{totals[0]:,} parameters and {totals[1]:,} multiply-accumulates an image in all. RAM:"
        f" bytes of the whole maps that a layer reads and writes as int8, {most:,} at the most;"
        " exported C holds only the rows of them that the next layer waits for.",
        lambda width: _drawn(width, "x".join(map(str, shape)), layers),
    )


def _drawn(width: int, shape: str, layers: Sequence[dict[str, Any]]) -> Canvas:
    narrow = width == NARROW
    step = _NARROW_STEP if narrow else _STEP
    head = 0 if narrow else TEXT + 10
    canvas = Canvas(width, head + step * (len(layers) + 1))
    costs_from = width - _COST * len(_COSTS)
    if not narrow:
        for place, (title, _) in enumerate(_COSTS):
            canvas.text(costs_from + _COST * place, TEXT + 2, title, MUTED)
    lines: list[dict[str, Any]] = [{"layer": "image", "output": shape}, *layers]
    most = {key: max(layer[key] for layer in layers) or 1 for _, key in _COSTS}
    largest = max(_sides(line["output"])[1] for line in lines)
    deepest = max(_sides(line["output"])[0] for line in lines)
    for place, line in enumerate(lines):
        y = head + step * place
        channels, height, across = _sides(line["output"])
        if place:
            canvas.line(_GLYPH / 2, y - 7, _GLYPH / 2, y + 1, MUTED)
        _map(canvas, y, (channels / deepest, height / largest, across / largest))
        room = (width if narrow else costs_from) - _GLYPH - 12
        canvas.text(_GLYPH, y + 12, shortened(line["layer"], room), INK, told=line["layer"])
        canvas.text(_GLYPH, y + 26, line["output"], MUTED)
        if place and narrow:
            costs = " · ".join(f"{line[key]:,} {title}" for title, key in _COSTS)
            costs = costs.replace("RAM, bytes", "B RAM").replace("parameters", "params")
            canvas.text(
                _GLYPH, y + 40, shortened(costs, width - _GLYPH, TEXT - 1), INK, size=TEXT - 1
            )
        elif place:
            for column, (title, key) in enumerate(_COSTS):
                x, share = costs_from + _COST * column, line[key] / most[key]
                told = f"{line['layer']}: {line[key]:,} {title}"
                if line[key]:
                    canvas.rect(
                        x, y + 17, max((_COST - 24) * share, 1), 6, SERIES[column], told=told
                    )
                canvas.text(x, y + 12, f"{line[key]:,}" if line[key] else "0", INK, told=told)
    return canvas


def _sides(shape: str) -> tuple[int, int, int]:
    channels, height, width = (int(side) for side in shape.split("x"))
    return channels, height, width


def _map(canvas: Canvas, y: Number, shares: tuple[Number, Number, Number]) -> None:
    """Draw a feature map as a block: its face is the picture, its depth the channels."""
    depth = 2 + (_DEPTH - 2) * log2(1 + shares[0])
    tall, wide = (max(_SIDE * side, 3) for side in shares[1:])
    x, top = (_GLYPH - wide - depth) / 2 - 4, y + 2 + (_SIDE - tall) / 2 + depth / 4
    lift = depth / 2
    canvas.rect(x, top + lift, wide, tall, ACCENT, opacity=0.85)
    upper = [(x, top + lift), (x + depth, top), (x + wide + depth, top), (x + wide, top + lift)]
    canvas.shape(upper, ACCENT, opacity=0.55)
    right, back = x + wide, x + wide + depth
    side = [(right, top + lift), (back, top), (back, top + tall), (right, top + lift + tall)]
    canvas.shape(side, ACCENT, opacity=0.35)
