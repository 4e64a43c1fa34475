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
from smidgen.data.lines import (
    COMMAS,
    Lines,
    fall_of,
    has_time,
    lines_in,
    numbers_of,
    pace_of,
    without_first,
)
from smidgen.data.preprocessing import WHITE, Preprocessing, Values
from smidgen.data.sensor import (
    UNKNOWN,
    Sensor,
    listed_names,
    order_of,
    told_missing,
    told_order,
    told_pace,
)
from smidgen.names import bare, shown

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
    as those trained on are. Columns of the names trained on are put in their order, and others
    beside all of them left out.

    Args:
        lines: Of the text.
        how: What it will go through.

    Raises:
        DataError: If its lines are none of these.
    """
    own, channels = max(how.native), how.channels
    lines, pace, notes = _without_head(lines, how)
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
            f"{across:,}{_named(lines)}{_advice(lines, how)}"
        )
    values = numbers_of(lines).reshape(length, channels)
    if not how.scale:  # the net takes bytes as they are
        values = np.floor(values + 0.5).clip(0, WHITE).astype(np.uint8)
    each = (values,)
    notes += _of_pace(pace, how, 1 if is_cut else length / own)
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


def _without_head(lines: Lines, how: Preprocessing) -> tuple[Lines, Sensor, tuple[str, ...]]:
    """Return the channels' lines, how far apart they are, and what was left out or reordered."""
    own, channels = max(how.native), how.channels
    pace, notes = UNKNOWN, [COMMAS] if lines.commas else list[str]()
    if not lines.names and lines.is_counted:
        size = (len(lines.rows) - 1) * len(lines.rows[0])
        if len(lines.rows) > 1 and size == own * channels:
            notes.append("the first line is taken for numbers of columns and left out")
            lines = lines.uncounted
    if has_time(lines) and fall_of(lines) < 0:
        notes.append(f"the first column, {shown(lines.names[0])}, rises as time and is left out")
        pace, lines = pace_of(lines), without_first(lines)
    by_moments = _are_moments(lines, channels) or _has_more(lines, how)
    if not lines.names:
        if len(how.names) > 1 and by_moments:
            known = listed_names(how.names)
            notes.append(f"columns without names are taken in the order trained on: {known}")
    elif not (len(lines.rows[0]) == len(lines.names) and by_moments):
        notes.append("the first line, of names, is left out")
    elif not how.names:
        notes.append(f"columns are taken in this order{_named(lines)}")
    elif told := told_order(lines.names, how.names):
        notes.append(told)
        lines = _ordered(lines, order_of(lines.names, how.names))
    return lines, pace, tuple(notes)


def _ordered(lines: Lines, order: list[int] | None) -> Lines:
    """Return lines with their columns in an order, if there is one."""
    if order is None:
        return lines
    rows = [[row[place] for place in order] for row in lines.rows]
    return lines._replace(rows=rows, names=tuple(lines.names[place] for place in order))


def _of_pace(pace: Sensor, how: Preprocessing, times: float) -> tuple[str, ...]:
    """Return a note of moments at another rate than trained on; ``times`` is of the fit."""
    fitted = pace._replace(interval=pace.interval * times)
    told = told_pace(fitted, how.sensor, "" if times == 1 else " once fitted")
    return (told,) if told else ()


def _are_moments(lines: Lines, channels: int) -> bool:
    """Return whether each line is a moment; of one channel all may be in one line, too."""
    count, across = len(lines.rows), len(lines.rows[0])
    return 1 in (count, across) if channels == 1 else across == channels


def _has_more(lines: Lines, how: Preprocessing) -> bool:
    """Return whether lines have all columns trained on by their names, and others beside them."""
    across = len(lines.rows[0])
    is_wide = len(lines.rows) > 1 and len(lines.names) == across > len(how.names)
    return is_wide and order_of(lines.names, how.names) is not None


def _named(lines: Lines) -> str:
    """Return the names of columns, for people."""
    if len(lines.names) != len(lines.rows[0]):
        return ""
    return f": {bare(', '.join(name or '(no name)' for name in lines.names))}"


def _advice(lines: Lines, how: Preprocessing) -> str:
    """Return what may be done about lines of another form."""
    own, channels, count, across = (
        max(how.native),
        how.channels,
        len(lines.rows),
        len(lines.rows[0]),
    )
    if len(lines.names) == across and (missing := told_missing(lines.names, how.names)):
        return f"; {missing}"
    if (count, across) == (channels, own):
        return "; exchange rows and columns"
    return "; leave out other columns, as of time" if across > channels and count > 1 else ""
