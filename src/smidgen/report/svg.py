"""A small SVG writer: shapes and texts whose colours follow the page they stand in."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeAlias
from unicodedata import combining, east_asian_width

from smidgen.escape import html

Number: TypeAlias = float | int


INK, MUTED, LINE, PAPER, CARD, ACCENT = (
    f"var(--{name})" for name in ("ink", "muted", "line", "paper", "card", "accent")
)
ALONE = {  # the page's variables for a drawing outside it: in light, in dark
    "--ink": ("#1a1e24", "#e6e9ee"),
    "--muted": ("#5a6472", "#9aa5b3"),
    "--line": ("#dfe3e8", "#2e343d"),
    "--paper": ("#fff", "#13161a"),
    "--card": ("#f6f7f9", "#1b1f25"),
    "--accent": ("#2468a8", "#6fb1f0"),
}
TEXT = 11  # pixels, of text in a drawing
_MARGIN = 8  # pixels to the left and right, for readers whose font is wider than the expected one
_WIDE, _MIDDLE, _SLIM = "MWmw@%", "ABCDEFGHKNOPQRSUVXYZ&", "iljtfrI.,:;'|!()[]- 1"


def width_of(text: str, size: Number = TEXT) -> float:
    """Return about how many pixels a text takes in a system font, rather more than less."""
    letters = {_WIDE: 0.9, _MIDDLE: 0.7, _SLIM: 0.4}
    return size * sum(next((w for k, w in letters.items() if c in k), _other(c)) for c in text)


def _other(letter: str) -> float:
    """Return the share of its size that a letter of any script takes."""
    if combining(letter):
        return 0.0
    return 1.0 if east_asian_width(letter) in "WF" else 0.59


def shortened(text: str, width: Number, size: Number = TEXT) -> str:
    """Return a text cut to ``width`` pixels, with an ellipsis where something is missing."""
    if width_of(text, size) <= width:
        return text

    def needed(length: int) -> float:
        return width_of(f"{text[:length]}…", size)

    fitting = bisect_right(range(len(text)), width, key=needed)
    return f"{text[: max(fitting - 1, 0)]}…"


class Canvas:
    """A drawing in progress, in pixels from the upper left corner."""

    def __init__(self, width: Number, height: Number) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def line(
        self, x1: Number, y1: Number, x2: Number, y2: Number, colour: str, *, width: Number = 1
    ) -> None:
        """Draw a straight line."""
        ends = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
        self._parts.append(f'<line {ends} stroke="{colour}" stroke-width="{_n(width)}"/>')

    def path(self, points: Sequence[tuple[Number, Number]], colour: str, told: str = "") -> None:
        """Draw a line through points; ``told`` is its tooltip."""
        way = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        form = f'fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"'
        self._mark(f'path d="M{way}" {form}', "path", told)

    def shape(
        self,
        points: Sequence[tuple[Number, Number]],
        colour: str,
        told: str = "",
        opacity: Number = 1,
    ) -> None:
        """Fill the shape between points."""
        way = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        faint = f' fill-opacity="{opacity:.3g}"' if opacity < 1 else ""
        self._mark(f'path d="M{way}Z" fill="{colour}"{faint}', "path", told)

    def circle(self, x: Number, y: Number, radius: Number, colour: str, told: str = "") -> None:
        """Fill a circle."""
        form = f'circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{colour}"'
        self._mark(form, "circle", told)

    def rect(
        self,
        x: Number,
        y: Number,
        width: Number,
        height: Number,
        colour: str,
        *,
        told: str = "",
        opacity: Number = 1,
        radius: Number = 0,
    ) -> None:
        """Fill a rectangle."""
        form = f'rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
        form += f' fill="{colour}"'
        form += f' fill-opacity="{opacity:.3g}"' if opacity < 1 else ""
        form += f' rx="{_n(radius)}"' if radius else ""
        self._mark(form, "rect", told)

    def squares(
        self, corners: Sequence[tuple[Number, Number]], side: Number, colour: str, opacity: Number
    ) -> None:
        """Fill squares of one colour, given by their upper left corners, as one shape."""
        along = f"h{_n(side)}v{_n(side)}h-{_n(side)}z"
        way = "".join(f"M{_n(x)} {_n(y)}{along}" for x, y in corners)
        self._mark(f'path d="{way}" fill="{colour}" fill-opacity="{opacity:.3g}"', "path", "")

    def text(
        self,
        x: Number,
        y: Number,
        text: str,
        colour: str = INK,
        *,
        anchor: str = "start",
        size: Number = TEXT,
        turned: bool = False,
        told: str = "",
    ) -> None:
        """Write a text with its baseline at ``y``; a turned one reads upwards."""
        form = f'text x="{_n(x)}" y="{_n(y)}" fill="{colour}" font-size="{_n(size)}"'
        form += f' text-anchor="{anchor}"' if anchor != "start" else ""
        form += f' transform="rotate(-90 {_n(x)} {_n(y)})"' if turned else ""
        tooltip = f"<title>{html(told)}</title>" if told else ""
        self._parts.append(f"<{form}>{html(text)}{tooltip}</text>")

    def svg(self, title: str) -> str:
        """Return the drawing; ``title`` is what a screen reader says of it."""
        width = self.width + 2 * _MARGIN
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-_MARGIN} 0 {_n(width)}'
            f' {_n(self.height)}" width="{_n(width)}" role="img" aria-label="{html(title)}"'
            f' font-family="system-ui, sans-serif">{"".join(self._parts)}</svg>'
        )

    def _mark(self, form: str, name: str, told: str) -> None:
        end = f"><title>{html(told)}</title></{name}>" if told else "/>"
        self._parts.append(f"<{form}{end}")


def alone(svg: str) -> str:
    """Return a drawing as a file of its own: with colours, in light and in dark, and paper."""
    dark = ";".join(f"{name}:{colour}" for name, (_, colour) in ALONE.items())
    light = ";".join(f"{name}:{colour}" for name, (colour, _) in ALONE.items())
    style = f"<style>:root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    paper = f'<rect x="{-_MARGIN}" width="100%" height="100%" fill="var(--paper)"/>'
    head = svg.index(">") + 1
    return f"{svg[:head]}{style}{paper}{svg[head:]}\n"


def _n(value: Number) -> str:
    return f"{value:.1f}".removesuffix(".0")
