"""Measured values as text: lines of cells, the names of columns above them, times before them."""

import re
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smidgen.data.errors import DataError
from smidgen.data.preprocessing import Values
from smidgen.data.sensor import UNITS, UNKNOWN, Sensor, unit_of, words_of
from smidgen.limits import TABLE, TABLE_ROWS, content
from smidgen.names import shown
from smidgen.sizes import counted

ENDINGS = (".csv", ".tsv")
_LONGEST = 1 << 22  # characters of a line
_NUMBERS = 1 << 18  # in a line, which may be a whole window
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_MISSING = re.compile(r"nan?|null|none|[-+]?inf", re.IGNORECASE)  # what loggers write for no value
_WITH_COMMA = re.compile(r"[-+]?\d*,\d+(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[-+]?\d+", re.ASCII)
_BETWEEN_DIGITS = re.compile(r"\d,\d", re.ASCII)
_BESIDE_TAB = re.compile(r", *\t|\t *,")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}([., '\u2019]\d{3})+([.,]\d+)?", re.ASCII)
_OF_SPREADSHEETS = re.compile(r'"?sep=(.?)"?')  # their line of what is between cells
COMMAS = "decimal commas are read as points"  # what is told of them
_IF_DECIMAL = (
    "where commas are decimal, put semicolons or tabs between numbers, or write decimal points"
)
_TIMES = frozenset(  # words of which names of a column of times are made
    (
        *("time", "times", "timestamp", "timestamps", "t", "date", "datetime", "elapsed", "uptime"),
        *UNITS,
    )
)
_DOUBTFUL = frozenset({"min", "h"})  # which alone may be a least value and a height


class Lines(NamedTuple):
    """The cells of a text.

    Args:
        where: The file, for errors.
        rows: Of numbers, as they are written; all of one length, at least one.
        first: The line that the first of them is, from 1.
        names: Of the columns, as the line above them has them; none if there is no such line.
        commas: Whether commas were decimal, which are points in ``rows``.
    """

    where: str
    rows: list[list[str]]
    first: int
    names: tuple[str, ...]
    commas: bool = False

    @property
    def is_counted(self) -> bool:
        """Whether the first line may be the numbers of columns, which pandas writes unasked."""
        return self.rows[0] == [str(place) for place in range(len(self.rows[0]))]

    @property
    def uncounted(self) -> "Lines":
        """The same without its first line."""
        return self._replace(rows=self.rows[1:], first=self.first + 1)


def is_text(path: Path) -> bool:
    """Return whether a file is text of measured values, by its name."""
    return path.suffix.lower() in ENDINGS


def lines_in(path: Path) -> Lines:
    """Return the cells of a file.

    Raises:
        DataError: If it cannot be read, is larger than a table of text may be, or is no lines of
            as many numbers each.
    """
    return lines_of(text_in(path), str(path))


def text_in(path: Path) -> str:
    """Return the text of a file: a table's, or that of measured values.

    Raises:
        DataError: If it cannot be read, is no UTF-8, or is larger than a table may be.
    """
    try:
        return content(path, TABLE).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} must be UTF-8 (spreadsheets call it CSV UTF-8), got other bytes at "
            f"{error.start:,}"
        ) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as text: {why}") from error


def lines_of(text: str, where: str) -> Lines:
    """Return the cells of a text, blank lines around all of them left out.

    Args:
        text: Cells with semicolons, tabs, commas or blanks between; whichever of them, in this
            order, the last line has. Commas in numbers are decimal where something else, or
            quotation marks, tell numbers apart.
        where: For errors.

    Raises:
        DataError: If it is no lines of as many cells each, or commas may be decimal or not.
    """
    found = _stripped(text, where)
    held = [number for number, line in enumerate(found, 1) if line]
    told = _OF_SPREADSHEETS.fullmatch(found[held[0] - 1]) if held else None
    if told:
        del held[0]
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
    mark = (told[1] or "\t") if told else _mark_of(lines[-1], where)
    rows = [_cells(line, mark, where) for line in lines]
    names: tuple[str, ...] = ()
    if len(rows) > 1 and _are_names(rows[0]):
        names, first = tuple(rows.pop(0)), first + 1
    commas = any(_has_comma(cell) for row in rows for cell in row)
    if commas:
        _require_commas(rows, first, mark, where)
        rows = [[c.replace(",", ".") if _has_comma(c) else c for c in row] for row in rows]
    elif mark == ",":
        _require_no_halves(rows, first, names, where)
    across = len(rows[0])
    for number, row in enumerate(rows, first):
        if len(row) != across:
            raise DataError(
                f"{where} must have as many numbers in each line, got {across:,} and in line "
                f"{number:,} {len(row):,}"
            )
    return Lines(where, rows, first, names, commas)


def _has_comma(cell: str) -> bool:
    """Return whether a cell is a number with a decimal comma."""
    return "," in cell and bool(_WITH_COMMA.fullmatch(cell))


def _mark_of(line: str, where: str) -> str | None:
    """Return what stands between the cells of a line, None for blanks.

    Raises:
        DataError: If semicolons end it, and commas may stand between cells or in them.
    """
    inner = line.removesuffix(";")
    if ";" in line:
        if ";" not in inner and _BETWEEN_DIGITS.search(inner):
            raise DataError(
                f"{where} must not end lines by semicolons where commas are between digits, got "
                f"{shown(line)}: leave these out, or write decimal points"
            )
        return ";"
    tabs = "\t" in line and not _BESIDE_TAB.search(line)
    if tabs and not any(map(_are_several, line.split("\t"))):  # or else blanks and tabs are alike
        return "\t"
    return "," if "," in line and not _are_several(line) else None


def _are_several(text: str) -> bool:
    """Return whether a text is of numbers with blanks between, perhaps with decimal commas."""
    cells = text.split()
    return len(cells) > 1 and all(
        _NUMBER.fullmatch(cell) or (cell.strip("+-")[:1] != "," and _has_comma(cell))
        for cell in cells
    )


def _require_commas(
    rows: Sequence[Sequence[str]], first: int, mark: str | None, where: str
) -> None:
    """Refuse points in numbers beside decimal commas: either may stand between thousands.

    Where nothing else is between cells, as a last line that was cut short may have it, commas may
    be that.
    """
    comma = next(cell for row in rows for cell in row if _has_comma(cell))
    if mark is None and all(len(row) == 1 for row in rows):
        raise DataError(
            f"{where} may have the number {comma} or two, and no comma in its last line: "
            f"{_IF_DECIMAL}"
        )
    for number, row in enumerate(rows, first):
        for cell in row:
            if "." in cell and _NUMBER.fullmatch(cell):
                raise DataError(
                    f"{where} must have decimal commas or decimal points, got {shown(comma)} and in"
                    f" line {number:,} {shown(cell)}: write all alike, with no mark between"
                    " thousands"
                )


def _require_no_halves(
    rows: Sequence[Sequence[str]], first: int, names: Sequence[str], where: str
) -> None:
    """Refuse lines of whole numbers with commas between that may be halves of others.

    There are more of them than names, but at most two for each; or without names there is a nought
    with a minus, or zeros stand before numbers of a column, but not of the first or of two side by
    side, as hours and minutes have them.
    """
    widest = max(map(len, rows))
    if names and not len(names) < widest <= 2 * len(names):
        return
    if not all(_WHOLE.fullmatch(cell) for row in rows for cell in row):
        return
    if names:
        raise DataError(
            f"{where} has {counted(len(names), 'name', 'names')} above {widest:,} whole numbers: "
            f"{_IF_DECIMAL}; otherwise name every column"
        )
    places = [
        (number, row, place)
        for number, row in enumerate(rows, first)
        for place, cell in enumerate(row)
        if cell == "-0" or (len(cell) > 1 and cell[0] == "0")
    ]
    minus = next((of for of in places if of[1][of[2]] == "-0"), None)
    padded = {place for _, row, place in places if row[place] != "-0"}
    if minus is None and any(place == 0 or place - 1 in padded for place in padded):
        return
    if places:
        number, row, place = minus or places[0]
        begin = place if minus else place - 1
        raise DataError(
            f"{where} line {number:,} may have the number {','.join(row[begin : begin + 2])} or"
            f" two: {_IF_DECIMAL}; otherwise leave out zeros before whole numbers"
        )


def is_time(name: str) -> bool:
    """Return whether a column is one of times by its name, as ``timestamp`` or ``Time (ms)``."""
    words = words_of(name)
    return _TIMES.issuperset(words) and not _DOUBTFUL.issuperset(words)


def has_time(lines: Lines) -> bool:
    """Return whether the first of several columns is one of times by its name."""
    return bool(lines.names) and len(lines.rows[0]) > 1 and is_time(lines.names[0])


def fall_of(lines: Lines) -> int:
    """Return the row where the first column does not rise as time does, from 0; -1 if it does.

    It may stay, as a clock that ticks seldom does, but not in all rows. Where none is a number, as
    of dates, they are compared as text.

    Raises:
        DataError: If some are numbers and some are not.
    """
    cells = [row[0] for row in lines.rows]
    times: Sequence[float | str] = cells
    if any(map(_NUMBER.fullmatch, cells)):
        for row, cell in enumerate(cells):
            if not _NUMBER.fullmatch(cell):
                raise _no_number(lines, row, cell)
        times = [float(cell) for cell in cells]
    for row, (before, after) in enumerate(pairwise(times), 1):
        if not before <= after:  # pyright: ignore[reportOperatorIssue] - all are of one kind
            return row
    return -1 if times[0] != times[-1] else len(times) - 1


def pace_of(lines: Lines) -> Sensor:
    """Return how far apart moments are on average by the first column; of dates nothing."""
    try:
        first, last = float(lines.rows[0][0]), float(lines.rows[-1][0])
    except ValueError:
        return UNKNOWN
    if len(lines.rows) < 2 or not isfinite(step := (last - first) / (len(lines.rows) - 1)):  # noqa: PLR2004
        return UNKNOWN
    return Sensor(interval=max(0.0, step), unit=unit_of(lines.names[0]))


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
                raise _no_number(lines, row, cell)
            values[row, column] = value
    return values


def _no_number(lines: Lines, row: int, cell: str) -> DataError:
    """Return the error of a cell that is none; a line under the names may be one of units."""
    is_of_units = row == 0 and bool(lines.names) and not any(map(_NUMBER.fullmatch, lines.rows[0]))
    is_parted = bool(_THOUSANDS.fullmatch(cell))
    return DataError(
        f"{lines.where} line {lines.first + row:,} must hold numbers alone, got "
        f"{shown(cell) if cell else 'an empty cell'}"
        + (": leave out the line if it is one of units" if is_of_units else "")
        + (": write no mark between thousands" if is_parted else "")
    )


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


def _cells(line: str, mark: str | None, where: str) -> list[str]:
    cells = line.removesuffix(line[-1] if line[-1] in ",;" else "").split(mark, _NUMBERS) or [""]
    if mark and '"' in line:
        cells = _joined(cells, mark)
    if len(cells) > _NUMBERS:
        raise DataError(f"{where} must have at most {_NUMBERS:,} numbers in a line, got more")
    plain = [cell.strip() for cell in cells]
    return [cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell for cell in plain]


def _joined(cells: Sequence[str], mark: str) -> list[str]:
    """Return cells of which those within quotation marks are whole again."""
    found: list[list[str]] = []
    is_open = False
    for cell in cells:
        if is_open:
            found[-1].append(cell)
        else:
            found.append([cell])
        is_open ^= cell.count('"') % 2 == 1
    return [mark.join(of) for of in found]


def _are_names(cells: Sequence[str]) -> bool:
    """Return whether a line is one of names alone, some of which may be empty."""
    return any(cells) and not any(
        cell and (_NUMBER.fullmatch(cell) or _MISSING.fullmatch(cell) or _has_comma(cell))
        for cell in cells
    )
