"""The chart of bench/step_parts.py: what a step consists of, as SVG for light and dark pages."""

from html import escape
from typing import Any

WIDTH, LEFT, BAR, GAP = 860, 110, 26, 10
COLOURS = {  # light, dark
    "convolutions, forward": ("#0b7a6b", "#4fd1bd"),
    "convolutions, back": ("#2f9d8d", "#2a9486"),
    "batch norm, both": ("#b4533a", "#e08a70"),
    "ReLU, both": ("#d9a441", "#e6bf6e"),
    "pooling and blur, both": ("#7a5ea8", "#a98fd6"),
    "casts, gates, other operators": ("#5b8bb5", "#86b4dc"),
    "average, classifier, loss": ("#c26a8f", "#e09bb8"),
    "optimizer": ("#8a9a5b", "#b3c27f"),
    "Python, autograd, allocator": ("#b9c4c9", "#4a555b"),
}
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1d1f21; }
.quiet { fill: #6a6e73; font-size: 12px; }
.title { font-weight: 600; font-size: 15px; }
@media (prefers-color-scheme: dark) {
  text { fill: #eceae4; } .quiet { fill: #989da3; }
"""


def drawn(rows: list[dict[str, Any]]) -> str:
    """Return an SVG with a panel for each net and method set, a bar for each contender."""
    dark = "".join(f".p{n} {{ fill: {pair[1]}; }} " for n, pair in enumerate(COLOURS.values()))
    light = "".join(f".p{n} {{ fill: {pair[0]}; }} " for n, pair in enumerate(COLOURS.values()))
    parts, top = [_legend()], 88
    for key in dict.fromkeys((row["net"], row["methods"]) for row in rows):
        own = [row for row in rows if (row["net"], row["methods"]) == key]
        text, height = _panel(*key, own)
        parts.append(f'<g transform="translate(10 {top})">{text}</g>')
        top += height
    size = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return f"{head}<style>{light}{STYLE}{dark}}}</style>{''.join(parts)}</svg>\n"


def _legend() -> str:
    marks: list[str] = []
    for number, part in enumerate(COLOURS):
        x, y = 10 + number % 4 * 212, 10 + number // 4 * 22
        marks.append(
            f'<rect class="p{number}" x="{x}" y="{y}" width="14" height="14" rx="3"/>'
            f'<text x="{x + 20}" y="{y + 12}">{escape(part)}</text>'
        )
    return "".join(marks)


def _panel(net: str, methods: str, rows: list[dict[str, Any]]) -> tuple[str, int]:
    title = f"{net}, {'no method' if methods == 'none' else methods}: milliseconds a step"
    lines = [f'<text class="title" x="0" y="16">{escape(title)}</text>']
    scale = (WIDTH - LEFT - 80) / max(row["milliseconds"] for row in rows)
    for number, row in enumerate(rows):
        y, x = 28 + number * (BAR + GAP), float(LEFT)
        lines.append(
            f'<text x="{LEFT - 8}" y="{y + 18}" text-anchor="end">{row["contender"]}</text>'
        )
        for place, part in enumerate(COLOURS):
            width = row["parts"].get(part, 0.0) * scale
            note = f"{escape(part)}: {row['parts'].get(part, 0.0):.2f} ms"
            lines.append(
                f'<rect class="p{place}" x="{x:.1f}" y="{y}" width="{width:.1f}" '
                f'height="{BAR}"><title>{note}</title></rect>'
            )
            x += width
        lines.append(f'<text class="quiet" x="{x + 8:.1f}" y="{y + 18}">')
        lines.append(f"{row['milliseconds']:.1f}</text>")
    return "".join(lines), 28 + len(rows) * (BAR + GAP) + 16
