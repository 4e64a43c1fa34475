"""A window of a sensor as text: a line a moment, a column a channel, by the rules of the page.

templates/page_windows.js of the export reads the same text in the same way, and says the same of
what is taken for granted; tests/data/test_moments.py holds the two to one another.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smidgen.data.errors import DataError
from smidgen.data.preprocessing import WHITE, Preprocessing, Values
from smidgen.limits import TABLE, TABLE_ROWS, content
from smidgen.names import shown

ENDINGS = (".csv", ".tsv")
MOST = 16  # times the moments of a window trained on that are fitted to them
_LONGEST = 1 << 22  # characters of a line
_NUMBERS = 1 << 18  # in a line, which may be a whole window
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_MISSING = re.compile(r"nan?|null|none|[-+]?inf", re.IGNORECASE)  # what loggers write for no value
_LETTERS = re.compile("[a-df-z]", re.IGNORECASE)  # e stands in numbers
_DECIMAL = re.compile(r"\d,\d", re.ASCII)
_ANOTHER = re.compile(r";|,[\de+-]+[ \t]+[-+]?\d", re.ASCII | re.IGNORECASE)
_TIMES = frozenset(  # words of which names of a column of times are made
    (
        *("time", "times", "timestamp", "timestamps", "t", "date", "datetime", "elapsed", "uptime"),
        *("s", "sec", "secs", "second", "seconds", "ms", "msec", "millis", "millisecond"),
        *("milliseconds", "us", "micros", "microsecond", "microseconds", "ns", "nanoseconds"),
    )
)


class Lines(NamedTuple):
    """The cells of a text.

    Args:
        where: The file, for errors.
        rows: Of numbers, as they are written; all of one length, at least one.
        first: The line that the first of them is, from 1.
        names: Of the columns, as the line above them has them; none if there is no such line.
    """

    where: str
    rows: list[list[str]]
    first: int
    names: tuple[str, ...]

    @property
    def is_counted(self) -> bool:
        """Whether the first line may be the numbers of columns, which pandas writes unasked."""
        return self.rows[0] == [str(place) for place in range(len(self.rows[0]))]

    @property
    def uncounted(self) -> "Lines":
        """The same without its first line."""
        return self._replace(rows=self.rows[1:], first=self.first + 1)


class Window(NamedTuple):
    """A window as a model is asked of it: its values h w c, and what was taken for granted."""

    values: Values
    notes: tuple[str, ...]


def is_text(path: Path) -> bool:
    """Return whether a file is text of measured values, by its name."""
    return path.suffix.lower() in ENDINGS


def lines_in(path: Path) -> Lines:
    """Return the cells of a file.

    Raises:
        DataError: If it cannot be read, is larger than a table of text may be, or is no lines of
            as many numbers each.
    """
    where = str(path)
    try:
        text = content(path, TABLE).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} must be UTF-8 (spreadsheets call it CSV UTF-8), got other bytes at "
            f"{error.start:,}"
        ) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{where} cannot be read as text: {why}") from error
    return lines_of(text, where)


def lines_of(text: str, where: str) -> Lines:
    """Return the cells of a text, blank lines around all of them left out.

    Args:
        text: Cells with semicolons, commas or blanks between; whichever of them, in this order,
            the last line has.
        where: For errors.

    Raises:
        DataError: If it is no lines of as many cells each.
    """
    found = _stripped(text, where)
    held = [number for number, line in enumerate(found, 1) if line]
    if not held:
        raise DataError(f"{where} must hold a line a moment, got no line")
    first, last = held[0], held[-1]
    if len(held) <= last - first:  # without its line the rest would move up
        gap = next(number for number, line in enumerate(found, 1) if number > first and not line)
        raise DataError(
            f"{where} must hold numbers alone, got a blank line, number {gap:,}: fill in the "
            f"missing value, or leave out the line"
        )
    lines = found[first - 1 : last]
    _require_points(lines, where)
    mark = next((mark for mark in ";," if mark in lines[-1]), None)
    rows = [_cells(line, mark, where) for line in lines]
    names: tuple[str, ...] = ()
    if len(rows) > 1 and _are_names(rows[0]):
        names, first = tuple(rows.pop(0)), first + 1
    across = len(rows[0])
    for number, row in enumerate(rows, first):
        if len(row) != across:
            raise DataError(
                f"{where} must have as many numbers in each line, got {across:,} and in line "
                f"{number:,} {len(row):,}"
            )
    return Lines(where, rows, first, names)


def is_time(name: str) -> bool:
    """Return whether a column is one of times by its name, as ``timestamp`` or ``Time (ms)``."""
    words = re.findall("[a-z]+", name.casefold())
    return bool(words) and _TIMES.issuperset(words)


def has_time(lines: Lines) -> bool:
    """Return whether the first of several columns is one of times by its name."""
    return bool(lines.names) and len(lines.rows[0]) > 1 and is_time(lines.names[0])


def fall_of(lines: Lines) -> int:
    """Return the row where the first column does not rise as time does, from 0; -1 if it does.

    It may stay, as a clock that ticks seldom does, but not in all rows. What is no number, as a
    date, is compared as text.
    """
    cells = [row[0] for row in lines.rows]
    times: Sequence[float | str] = cells
    if all(map(_NUMBER.fullmatch, cells)):
        times = [float(cell) for cell in cells]
    for row, (before, after) in enumerate(pairwise(times), 1):
        if not before <= after:  # pyright: ignore[reportOperatorIssue] - all are of one kind
            return row
    return -1 if times[0] != times[-1] else len(times) - 1


def without_first(lines: Lines) -> Lines:
    """Return lines without their first column."""
    return lines._replace(rows=[row[1:] for row in lines.rows], names=lines.names[1:])


def numbers_of(lines: Lines) -> Values:
    """Return the numbers of lines, moments x channels.

    Raises:
        DataError: If a cell is none.
    """
    values = np.empty((len(lines.rows), len(lines.rows[0])))
    for row, cells in enumerate(lines.rows):
        for column, cell in enumerate(cells):
            if not (_NUMBER.fullmatch(cell) and isfinite(value := float(cell))):
                raise DataError(
                    f"{lines.where} line {lines.first + row:,} must hold numbers alone, got "
                    f"{shown(cell) if cell else 'an empty cell'}"
                )
            values[row, column] = value
    return values


def window_in(path: Path, how: Preprocessing) -> Window:
    """Return the window in a file, as :func:`window_of` reads its text.

    Raises:
        DataError: As there, and if the file cannot be read.
    """
    return window_of(lines_in(path), how)


def window_of(lines: Lines, how: Preprocessing) -> Window:
    """Return a window for a net that was trained on some.

    It is a line a moment, or all numbers in one line, or a number a line. A first column that
    rises is left out if it is one of times by its name. Another number of moments is fitted.

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
    fitted = how.fit == "stretch" and by_moments and length > 1
    if not (fitted or (as_many and (flat or by_moments))):
        form = f"{channels} channels of a moment" if channels > 1 else "value of a moment"
        raise DataError(
            f"{lines.where} must be a window, {own:,} lines of the {form}, got {count:,} of "
            f"{across:,}{_named(lines)}{_advice(lines, own, channels)}"
        )
    if length > MOST * own:
        raise DataError(
            f"{lines.where} must be a window of {own:,} moments, of which at most {MOST} times as "
            f"many are fitted, got {length:,}: give one window alone"
        )
    values = numbers_of(lines).reshape(length, channels)
    if not how.scale:  # the net takes bytes as they are
        values = np.floor(values + 0.5).clip(0, WHITE).astype(np.uint8)
    return Window(values[None] if how.native[0] == 1 else values[:, None], notes)


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


def _stripped(text: str, where: str) -> list[str]:
    """Return the lines of a text without blanks around them, nor the mark of a comment.

    csv.writer on Windows may end a line by two returns.
    """
    ends = text.count("\n") + text.count("\r")
    if ends > 2 * TABLE_ROWS:
        raise DataError(f"{where} must have at most {TABLE_ROWS:,} lines, got far more")
    *ended, rest = text.split("\n")
    lines = [of for line in ended for of in line.rstrip("\r").split("\r")] + rest.split("\r")
    if len(lines) > TABLE_ROWS + 1:
        raise DataError(f"{where} must have at most {TABLE_ROWS:,} lines, got {len(lines):,}")
    if (longest := max(map(len, lines))) > _LONGEST:
        raise DataError(
            f"{where} must have lines of at most {_LONGEST:,} characters, got {longest:,}"
        )
    return [line.strip().removeprefix("#").strip() for line in lines]


def _require_points(lines: Sequence[str], where: str) -> None:
    """Refuse commas for decimal points where the cells have other marks between them, or these."""
    for line in lines:
        if not _LETTERS.search(line) and _DECIMAL.search(line) and _ANOTHER.search(line):
            raise DataError(
                f"{where} must have decimal points, and commas or semicolons between numbers, not "
                f"both, got {shown(line)}"
            )


def _cells(line: str, mark: str | None, where: str) -> list[str]:
    cells = line.removesuffix(line[-1] if line[-1] in ",;" else "").split(mark, _NUMBERS) or [""]
    if len(cells) > _NUMBERS:
        raise DataError(f"{where} must have at most {_NUMBERS:,} numbers in a line, got more")
    plain = [cell.strip() for cell in cells]
    return [cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell for cell in plain]


def _are_names(cells: Sequence[str]) -> bool:
    """Return whether a line is one of names alone, some of which may be empty."""
    return any(cells) and not any(
        cell and (_NUMBER.fullmatch(cell) or _MISSING.fullmatch(cell)) for cell in cells
    )
