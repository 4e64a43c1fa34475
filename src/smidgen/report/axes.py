"""From values to places in a drawing: scales, and the numbers written beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from smidgen.report.svg import LINE, MUTED, TEXT, Canvas, Number, width_of

_TICK = 4  # pixels between an axis and its numbers
BELOW = 34  # pixels under a plot, for numbers and the title of its axis


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight or logarithmic map from values to pixels.

    Args:
        low: Value at ``start``.
        high: Value at ``end``.
        start: Pixels.
        end: Pixels; may be less than ``start``.
        log: Whether ratios of values, not differences, are lengths.
    """

    low: Number
    high: Number
    start: Number
    end: Number
    log: bool = False

    def __call__(self, value: Number) -> float:
        """Return the place of a value."""
        low, high = (log10(self.low), log10(self.high)) if self.log else (self.low, self.high)
        at = log10(value) if self.log else value
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def between(self, start: Number, end: Number) -> "Scale":
        """Return the same scale between other pixels."""
        return Scale(self.low, self.high, start, end, self.log)


def padded(values: Sequence[Number], share: Number = 0.05) -> tuple[Number, Number]:
    """Return the ends of a scale with some room around ``values``."""
    low, high = min(values), max(values)
    room = share * (high - low) or max(abs(high) * share, 0.5)
    return low - room, high + room


def padded_percents(values: Sequence[Number]) -> tuple[Number, Number]:
    """Return the ends of a scale around percents, with no room where none can be."""
    low, high = padded(values)
    return max(0, low), min(100, high)


def ticks(low: Number, high: Number, count: int) -> list[Number]:
    """Return about ``count`` round values between ``low`` and ``high``."""
    raw = (high - low) / max(count, 1)
    if raw <= 0:
        return [low]
    power = 10.0 ** floor(log10(raw))
    step = next(digit * power for digit in (1, 2, 2.5, 5, 10) if digit * power >= raw * 0.999)
    first = ceil(low / step - 1e-9)
    return [round(n * step, 12) + 0.0 for n in range(first, floor(high / step + 1e-9) + 1)]


def whole_ticks(low: Number, high: Number, count: int) -> list[Number]:
    """Return round whole values between ``low`` and ``high``."""
    return [value for value in ticks(low, high, count) if value == round(value)] or [round(low)]


def log_ticks(low: Number, high: Number) -> list[Number]:
    """Return 1, 2 and 5 times powers of ten between ``low`` and ``high``, or others."""
    numbers = [float(digit * 10**power) for power in range(10) for digit in (1, 2, 5)]
    found = [number for number in numbers if low <= number <= high]
    return found if len(found) > 1 else whole_ticks(low, high, 4)


def told(value: Number, among: Sequence[Number]) -> str:
    """Return a value with as many digits as tell ``among`` apart."""
    for digits in range(7):
        if len({f"{other:.{digits}f}" for other in among}) == len(set(among)) and all(
            abs(round(other, digits) - other) <= 1e-9 * max(1, abs(other)) for other in among
        ):
            return f"{value:,.{digits}f}"
    return f"{value:.3g}"


def across(
    canvas: Canvas, scale: Scale, values: Sequence[Number], top: Number, bottom: Number, title: str
) -> None:
    """Draw a horizontal axis below a plot, with a line of the grid at each value."""
    end = -1e9
    for value in values:
        x, text = scale(value), told(value, values)
        canvas.line(x, top, x, bottom, LINE)
        half = width_of(text) / 2
        if x - half > end:
            canvas.text(x, bottom + _TICK + TEXT, text, anchor="middle")
            end = x + half + _TICK
    middle = (scale.start + scale.end) / 2
    canvas.text(middle, bottom + BELOW - 4, title, MUTED, anchor="middle")


def upward(
    canvas: Canvas, scale: Scale, values: Sequence[Number], right: Number, title: str
) -> None:
    """Draw a vertical axis to the left of a plot that begins at ``scale``'s caller's left edge."""
    left = room_beside(values)
    for value in values:
        y = scale(value)
        canvas.line(left, y, right, y, LINE)
        canvas.text(left - _TICK, y + 4, told(value, values), anchor="end")
    middle = (scale.start + scale.end) / 2
    canvas.text(TEXT, middle, title, MUTED, anchor="middle", turned=True)


def room_beside(values: Sequence[Number]) -> float:
    """Return the pixels that the numbers and the title of a vertical axis need."""
    return TEXT + 9 + max(width_of(told(value, values)) for value in values) + _TICK
