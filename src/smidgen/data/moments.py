"""A window of a sensor as text, given to a model: a line a moment, by the rules of the page.

templates/page_windows.js of the export reads the same text in the same way as lines.py and this
module, and says the same of what is taken for granted; tests/data/test_moments.py holds the two to
one another.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from smidgen.data.errors import DataError
from smidgen.data.layouts.recordings import starts_of, step_of
from smidgen.data.lines import Lines, fall_of, has_time, lines_in, numbers_of, without_first
from smidgen.data.preprocessing import WHITE, Preprocessing, Values
from smidgen.names import shown

LONGER = 1.5  # times the moments trained on, from which a recording is cut and not fitted


class Window(NamedTuple):
    """What a text holds as a model is asked of it.

    Args:
        values: All moments, h w c.
        each: What the net is asked of, h w c each: these, or the windows of a recording.
        notes: What was taken for granted.
    """

    values: Values
    each: tuple[Values, ...]
    notes: tuple[str, ...]


def window_in(path: Path, how: Preprocessing) -> Window:
    """Return the window in a file, as :func:`window_of` reads its text.

    Raises:
        DataError: As there, and if the file cannot be read.
    """
    return window_of(lines_in(path), how)


def window_of(lines: Lines, how: Preprocessing) -> Window:
    """Return a window for a net that was trained on some.

    It is a line a moment, or all numbers in one line, or a number a line. A first column that
    rises is left out if it is one of times by its name. Another number of moments is fitted, since
    a window may have been taken at another rate; LONGER times as many are a recording, which is cut
    as those trained on are.

    Args:
        lines: Of the text.
        how: What it will go through.

    Raises:
        DataError: If its lines are none of these.
    """
    own, channels = max(how.native), how.channels
    lines, notes = _without_head(lines, own, channels)
    count, across = len(lines.rows), len(lines.rows[0])
    flat, by_moments = 1 in (count, across), _are_moments(lines, channels)
    length = across * count // channels
    as_many = across * count == own * channels
    is_cut = by_moments and length >= LONGER * own
    fitted = how.fit == "stretch" and by_moments and length > 1
    if not (is_cut or fitted or (as_many and (flat or by_moments))):
        form = f"{channels} channels of a moment" if channels > 1 else "value of a moment"
        raise DataError(
            f"{lines.where} must be a window, {own:,} lines of the {form}, got {count:,} of "
            f"{across:,}{_named(lines)}{_advice(lines, own, channels)}"
        )
    values = numbers_of(lines).reshape(length, channels)
    if not how.scale:  # the net takes bytes as they are
        values = np.floor(values + 0.5).clip(0, WHITE).astype(np.uint8)
    each = (values,)
    if is_cut:
        each = tuple(values[start : start + own] for start in starts_of(length, own))
        notes += (
            f"{LONGER:g} times {own:,} moments or more are cut into windows of {own:,}, a new one "
            f"every {step_of(own):,}: the answer is the mean of theirs",
        )
    axis = 0 if how.native[0] == 1 else 1
    return Window(
        np.expand_dims(values, axis), tuple(np.expand_dims(of, axis) for of in each), notes
    )


def _without_head(lines: Lines, own: int, channels: int) -> tuple[Lines, tuple[str, ...]]:
    """Return lines without what stands above and before the channels, and what was left out."""
    notes: list[str] = []
    if not lines.names and lines.is_counted:
        size = (len(lines.rows) - 1) * len(lines.rows[0])
        if len(lines.rows) > 1 and size == own * channels:
            notes.append("the first line is taken for numbers of columns and left out")
            lines = lines.uncounted
    if has_time(lines) and fall_of(lines) < 0:
        notes.append(f"the first column, {shown(lines.names[0])}, rises as time and is left out")
        lines = without_first(lines)
    if lines.names:
        told = "the first line, of names, is left out"
        if len(lines.rows[0]) == len(lines.names) and _are_moments(lines, channels):
            told = f"columns are taken in this order{_named(lines)}"
        notes.append(told)
    return lines, tuple(notes)


def _are_moments(lines: Lines, channels: int) -> bool:
    """Return whether each line is a moment; of one channel all may be in one line, too."""
    count, across = len(lines.rows), len(lines.rows[0])
    return 1 in (count, across) if channels == 1 else across == channels


def _named(lines: Lines) -> str:
    """Return the names of columns, for people."""
    if len(lines.names) != len(lines.rows[0]):
        return ""
    return f": {shown(', '.join(name or '(no name)' for name in lines.names))[1:-1]}"


def _advice(lines: Lines, own: int, channels: int) -> str:
    """Return what may be done about lines of another form."""
    count, across = len(lines.rows), len(lines.rows[0])
    if (count, across) == (channels, own):
        return "; exchange rows and columns"
    return "; leave out other columns, as of time" if across > channels and count > 1 else ""
