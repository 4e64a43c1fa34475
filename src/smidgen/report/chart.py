"""A chart in two widths, and what all charts share: colours and legends."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from smidgen.report.svg import INK, TEXT, Canvas, shortened, width_of

WIDE, NARROW = 840, 330  # pixels, for a page and for a phone
# Told apart by most colour-blind readers, and with enough contrast on white and on black.
SERIES = ("#3b82c4", "#d9822b", "#2f9e6e", "#a371d6", "#d1495b", "#1fa3b3", "#a47148", "#7d8590")
BETTER, WORSE, SAME = "#2f9e6e", "#d1495b", "#8a929c"
_MARK, _GAP = 10, 16  # pixels, of a legend


class Chart(NamedTuple):
    """A chart in two widths."""

    title: str
    wide: str
    narrow: str
    note: str


def draw(title: str, note: str, drawn: Callable[[int], Canvas]) -> Chart:
    """Return the chart that ``drawn(width)`` draws, for a page and for a phone."""
    return Chart(title, drawn(WIDE).svg(title), drawn(NARROW).svg(title), note)


def legend_height(width: float | int, names: Mapping[str, str]) -> float:
    """Return the pixels that a legend takes in a chart of ``width``."""
    return legend(Canvas(width, 0), names)


def legend(canvas: Canvas, names: Mapping[str, str]) -> float:
    """Write names with their colours along the top, and return where the plot may begin."""
    x, y = 0.0, TEXT + 2.0
    for whole, colour in names.items():
        name = shortened(whole, canvas.width - _MARK - 5)
        needed = _MARK + 5 + width_of(name)
        if x and x + needed > canvas.width:
            x, y = 0.0, y + TEXT + 7
        canvas.circle(x + _MARK / 2, y - 4, _MARK / 2, colour)
        canvas.text(x + _MARK + 5, y, name, INK)
        x += needed + _GAP
    return y + 14
