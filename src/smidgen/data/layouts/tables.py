"""Tables of text: the rows of a CSV file or of JSON lines."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from smidgen.data import columns
from smidgen.data.errors import DataError
from smidgen.data.layouts.folders import ENDINGS as OF_PICTURES
from smidgen.data.lines import text_in
from smidgen.limits import CELLS, COLUMNS, TABLE_ROWS

OF_JSON = ".jsonl"
ENDINGS = (".csv", ".tsv", OF_JSON)
OF_EDGE_IMPULSE = "info.labels"  # what its exports hold
_OF_SPREADSHEETS = re.compile(r'"?sep=([,;|\t])"?\r?\n')  # their line of what is between cells
_FEW = 2  # columns of a table without a header

Row = dict[str, Any]
_Line = TypeVar("_Line")


class Twice(NamedTuple):
    """Stands for the cells of a name that several columns have, of which none is the one meant."""

    line: int  # of the names

    def __str__(self) -> str:
        return ""


def is_table(path: Path) -> bool:
    """Return whether a file is a table by its name."""
    return path.suffix.lower() in ENDINGS or path.name == OF_EDGE_IMPULSE


def tables_in(folder: Path) -> list[Path]:
    """Return the tables that lie in a folder, sorted, but forms to hand answers in with."""
    return sorted(
        path
        for path in folder.iterdir()
        if is_table(path)
        and path.is_file()
        and not path.name.startswith(".")
        and "submission" not in path.name.casefold()
    )


def delimiter_of(line: str) -> str:
    """Return what stands between the cells of a line: tabs, semicolons or commas."""
    return max("\t;,", key=line.count)


def rows_of(
    table: Path,
    most: int | None = None,
    is_picture: Callable[[str], bool] = lambda cell: False,
    limit: int = TABLE_ROWS,
) -> list[Row]:
    """Return the rows of a table, all with the columns of the first.

    Args:
        table: Of text.
        most: Rows that are wanted, of the first 10,000 columns; all by default.
        is_picture: Whether a cell names one that is there: if the first line has one beside a
            label, it is no header.
        limit: Rows that it may have, of 16 cells each; wider ones have fewer.

    Raises:
        DataError: If it cannot be read, or has more rows: a few bytes of a file are 300 in memory.
            If all rows are wanted and it has more than 10,000 columns.
    """
    text = text_in(table)
    try:
        of_edge_impulse = table.name == OF_EDGE_IMPULSE
        if of_edge_impulse or table.suffix.lower() == OF_JSON:
            _require_few_values(table, text, limit)
            return (_of_edge_impulse if of_edge_impulse else _of_json)(table, text, most)
        return _of_csv(table, text, most, is_picture, limit)
    except (csv.Error, RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{table} cannot be read: {' '.join(str(error).split())}") from error


def _require_few_values(table: Path, text: str, limit: int) -> None:
    """Refuse JSON of more values than a table may have cells, before it is read."""
    values = sum(map(text.count, "{[,\n"))
    if values > CELLS * limit:
        raise DataError(
            f"{table} must hold at most {CELLS * limit:,} values beside so few pictures, got"
            f" {values:,}"
        )


def _at_most(table: Path, lines: Iterable[_Line], limit: int, cells: int) -> Iterator[_Line]:
    """Yield lines of so many cells, as long as they are not too many."""
    most = min(limit, CELLS * limit // max(cells, 1))
    for number, line in enumerate(lines, 1):
        if number > most:
            raise DataError(
                f"{table} must have at most {most:,} rows of {cells:,} cells beside so few"
                " pictures, got more"
            )
        yield line


def _of_json(table: Path, text: str, most: int | None) -> list[Row]:
    rows: list[Row] = []
    known: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):  # texts may hold other ends of lines
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise DataError(f"{table} line {number} is no JSON, got {line[:40]}") from None
        if not isinstance(row, dict):
            raise DataError(f"{table} line {number} must be a JSON object, got {line[:40]}")
        if rows and (lacking := [name for name in rows[0] if name not in row]):
            raise DataError(f"{table} line {number} has no {lacking[0]!r}")
        if not rows:
            known = _few_columns(table, list(row), most)
        rows.append({name: row[name] for name in known} if len(row) > COLUMNS else row)
        if len(rows) == most:
            break
    return rows


def _of_edge_impulse(table: Path, text: str, most: int | None) -> list[Row]:
    """Return a row a file, see https://docs.edgeimpulse.com (labels acquisition format)."""
    whole = json.loads(text)
    files = whole.get("files") if isinstance(whole, dict) else None
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise DataError(f"{table} must hold a list of files")
    boxed = [file for file in files if file.get("boundingBoxes")]
    if boxed and most is None:
        raise DataError(
            f"{table} gives boxes, as for {boxed[0].get('path')!r}: they are not read, but one "
            f"class a picture"
        )
    rows: list[Row] = []
    for file in files[:most]:
        label = file.get("label")
        said = label.get("label") if isinstance(label, dict) else label
        part = file.get("category")
        own = part if part in ("training", "testing") else ""  # or both, as they come
        rows.append({"file_name": file.get("path"), "label": said, "split": own})
    return rows


def _of_csv(
    table: Path, text: str, most: int | None, is_picture: Callable[[str], bool], limit: int
) -> list[Row]:
    said = text.lstrip("\r\n")  # a header may stand below empty lines
    text, first = said, 1 + text[: len(text) - len(said)].count("\n")
    if told := _OF_SPREADSHEETS.match(text):
        text, first = text[told.end() :], first + 1
    mark = told[1] if told else delimiter_of(text.split("\n", 1)[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    header = next(reader, None)
    if not header:
        return []
    lines = ((first - 1 + reader.line_num, cells) for cells in reader)  # a cell may break lines
    width, header = len(header), _few_columns(table, header, most)
    if names := _names_above(table, first, header, is_picture):
        lines, header = chain([(first, header)], lines), names
    named = Counter(header)
    again = {name: Twice(first) for name in header if name.strip() and named[name] > 1}
    rows: list[Row] = []
    for number, cells in _at_most(table, lines, limit, width):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != width:
            raise DataError(f"{table} line {number} must have {width} cells, got {len(cells)}")
        row = dict(zip(header, (cell.strip() for cell in cells[: len(header)]), strict=True))
        rows.append({**row, **again})
        if len(rows) == most:
            break
    return rows


def _few_columns(table: Path, names: Sequence[str], most: int | None) -> list[str]:
    """Return the names of columns, or the first of them if a few rows are only looked at.

    Raises:
        DataError: If all rows are wanted and there are too many: each column is gone through.
    """
    if most is None and len(names) > COLUMNS:
        raise DataError(
            f"{table} must have at most {COLUMNS:,} columns, got {len(names):,}: keep those of"
            " file names, labels, parts and groups"
        )
    return list(names[:COLUMNS])


def _names_above(
    table: Path, line: int, cells: Sequence[str], is_picture: Callable[[str], bool]
) -> list[str]:
    """Return names of columns for a table that begins with a picture; none if it has a header."""
    pictures = [place for place, cell in enumerate(cells) if _is_of_picture(cell)]
    if pictures and len(cells) != _FEW:
        raise DataError(
            f"{table} line {line} must name the columns, such as file_name,label, got "
            f"{cells[pictures[0]]!r}"
        )
    if not pictures and len(cells) == _FEW and not any(map(columns.is_known, cells)):
        found = [place for place, cell in enumerate(cells) if is_picture(cell)]
        pictures = found if len(found) == 1 else []
    if not pictures:
        return []
    return ["label", "file_name"] if pictures == [1] else ["file_name", "label"]


def is_number(text: str) -> bool:
    """Return whether a cell holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_of_picture(cell: str) -> bool:
    return Path(cell.strip()).suffix.lower() in OF_PICTURES
