"""The chart of bench/inference.py: bars of time an image, drawn as SVG for light and dark pages."""

from html import escape
from typing import Any

WIDTH, LEFT, BAR, GAP, HEAD = 860, 150, 15, 6, 46
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1d1f21; }
.quiet { fill: #6a6e73; font-size: 12px; }
.title { font-weight: 600; font-size: 15px; }
.peer { fill: #b9c4c9; } .ours { fill: #0b7a6b; } line { stroke: #6a6e73; }
@media (prefers-color-scheme: dark) {
  text { fill: #eceae4; } .quiet { fill: #989da3; }
  .peer { fill: #4a555b; } .ours { fill: #4fd1bd; } line { stroke: #989da3; }
}
"""


def drawn(rows: list[dict[str, Any]]) -> str:
    """Return an SVG with a panel for each net, at one thread: batch 1 and the best batch."""
    threads = min(row["threads"] for row in rows)
    parts: list[str] = []
    top = 10
    for net in dict.fromkeys(row["label"] for row in rows):
        own = [row for row in rows if row["label"] == net and row["threads"] == threads]
        for title, panel in (("batch 1", _single(own)), ("best batch", _best(own))):
            if panel:
                head = f"{net}, {title}, {threads} thread: microseconds an image"
                text, height = _panel(head, panel)
                parts.append(f'<g transform="translate(10 {top})">{text}</g>')
                top += height
    size = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return f"{head}<style>{STYLE}</style>{''.join(parts)}</svg>\n"


def _single(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["batch"] == 1 and row["us_per_image"] is not None]


def _best(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ran = [row for row in rows if row["us_per_image"] is not None]
    names = dict.fromkeys(row["contender"] for row in ran)
    return [
        min((row for row in ran if row["contender"] == name), key=lambda row: row["us_per_image"])
        for name in names
    ]


def _panel(title: str, rows: list[dict[str, Any]]) -> tuple[str, int]:
    rows = sorted(rows, key=lambda row: row["us_per_image"])
    longest = max(row["high"] for row in rows)
    scale = (WIDTH - LEFT - 150) / longest
    lines = [f'<text class="title" x="0" y="20">{escape(title)}</text>']
    for number, row in enumerate(rows):
        y = HEAD - 10 + number * (BAR + GAP)
        middle, kind = y + BAR / 2, "ours" if row["contender"].startswith("smidgen") else "peer"
        low, length, high = (row[key] * scale for key in ("low", "us_per_image", "high"))
        batch = f", batch {row['batch']}" if row["batch"] > 1 else ""
        lines += [
            f'<text x="{LEFT - 8}" y="{middle + 4.5}" text-anchor="end">'
            f"{escape(row['contender'])}</text>",
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="3"/>',
            f'<line x1="{LEFT + low:.1f}" x2="{LEFT + high:.1f}" y1="{middle}" y2="{middle}"/>',
            f'<text class="quiet" x="{LEFT + max(length, high) + 8:.1f}" y="{middle + 4.5}">'
            f"{row['us_per_image']:,.1f}{batch}</text>",
        ]
    return "".join(lines), HEAD + len(rows) * (BAR + GAP) + 14
