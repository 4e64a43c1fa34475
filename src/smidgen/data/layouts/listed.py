"""A table of file names and labels beside the pictures: CSV, or JSON lines as of image folders."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, final

from smidgen.data import columns
from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import PARTS, TRAIN, Catalogue, Files, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.layouts.folders import is_picture_file, pictures_below, subfolders, unwrapped
from smidgen.data.names import part_in, part_of
from smidgen.data.values import labels_of

_ENDINGS = (".csv", ".tsv", ".jsonl")
_LOOKED_AT = 20  # rows that tell whether a table names pictures
_SHOWN = 3
_LARGEST = 1 << 28  # bytes of a table
_FEW = 2  # columns of a table without a header

Row = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Listed(Source):
    """Tables in ``folder`` or in its parts, that name pictures below it."""

    folder: Path
    tables: tuple[tuple[str, Path], ...]

    @staticmethod
    def claim(path: Path) -> "Listed | None":
        """Return the layout if ``path`` has it: a table whose first rows name pictures."""
        if path.is_file():
            if path.suffix.lower() not in _ENDINGS:
                return None
            return Listed(path.parent, ((TRAIN, path),))
        root = unwrapped(path)
        tables = [(part_in(table.stem) or TRAIN, table) for table in _tables(root)]
        for folder in subfolders(root):
            tables += [
                (part_of(folder.name) or part_in(table.stem) or TRAIN, table)
                for table in _tables(folder)
            ]
        found = [(part, table) for part, table in tables if _names_pictures(table)]
        labelled = any(_has_labels(table) for _, table in found)
        # Where classes have folders, a table that says nothing of labels is of something else.
        return Listed(root, tuple(found)) if labelled or (found and not _classes(root)) else None

    def identity(self) -> tuple[str, ...]:
        files = [table for _, table in self.tables] + pictures_below(self.folder)
        return (str(self.folder.resolve()), *(file_identity(file, self.folder) for file in files))

    def catalogue(self, wish: Wish) -> Catalogue:
        paths: dict[str, list[Path]] = {}
        labels: dict[str, list[str | None]] = {}
        missing: list[str] = []
        unlisted: dict[Path, None] = dict.fromkeys(pictures_below(self.folder))
        total = 0
        for part, table in self.tables:
            rows = _rows(table)
            total += len(rows)
            finder = _Finder(table.parent, self.folder)
            for own_part, path, label, name in _read(table, rows, part, wish, finder):
                if path is None:
                    missing.append(f"{name!r} of {table}")
                    continue
                unlisted.pop(path, None)
                paths.setdefault(own_part, []).append(path)
                labels.setdefault(own_part, []).append(label)
        notes: list[str] = []
        if missing:
            listed = ", ".join(missing[:_SHOWN])
            said = f"{len(missing):,} of {total:,} pictures are not there, such as {listed}"
            if not wish.skip_broken:
                raise DataError(f"{said} (--skip-broken leaves them out)")
            notes.append(f"{said}: they are left out")
        if unlisted:
            notes.append(
                f"{len(unlisted):,} pictures are in no table, such as {next(iter(unlisted))}"
            )
        parts = {part: Part(Files(paths[part]), labels[part]) for part in PARTS if part in paths}
        return Catalogue(parts, notes=tuple(notes))


class _Finder:
    """Finds the picture that a row names; nothing outside the data's folder is ever read."""

    def __init__(self, beside: Path, root: Path) -> None:
        self.places, self.root = (beside, root), root.resolve()
        self.by_name: dict[str, Path | None] = {}
        for path in pictures_below(root):
            for name in {path.name, path.stem}:  # None where two are called so
                self.by_name[name] = None if name in self.by_name else path

    def __call__(self, name: str, table: Path) -> Path | None:
        """Return the picture of that name, or None if it is not there.

        Raises:
            DataError: If the name leads out of the folder.
        """
        plain = Path(name.strip().replace("\\", "/"))
        if plain.is_absolute() or ".." in plain.parts:
            raise DataError(
                f"{table} must name pictures below {self.root}, got {name!r}, which is outside"
            )
        for place in self.places:
            path = place / plain
            if path.is_file():
                if not path.resolve().is_relative_to(self.root):
                    raise DataError(f"{path} must be a picture below {self.root}, got a link")
                return path
        return self.by_name.get(plain.name)


def _read(
    table: Path, rows: Sequence[Row], part: str, wish: Wish, find: _Finder
) -> Iterator[tuple[str, Path | None, str | None, str]]:
    names = list(rows[0]) if rows else []
    file = columns.chosen(str(table), "image", names, columns.FILES, wish.image_column)
    label = _label_column(table, rows, [n for n in names if n != file], wish)
    split = next((n for n in names if n.strip().casefold() in columns.PARTS), None)
    labels = labels_of([row[label] for row in rows], len(rows), (), str(table))
    for row, of_class in zip(rows, labels, strict=True):
        own = part
        if split is not None and row[split]:
            own = part_of(str(row[split])) or ""
            if not own:
                raise DataError(
                    f"the column {split!r} of {table} must be train, validation or test, "
                    f"got {row[split]!r}"
                )
        name = str(row[file] or "")
        yield own, find(name, table), of_class, name


def _label_column(table: Path, rows: Sequence[Row], names: Sequence[str], wish: Wish) -> str:
    """Return the column of labels: by its name, or the only one of words that repeat."""
    words = [
        name
        for name in names
        if name.strip().casefold() not in columns.PARTS
        and all(isinstance(row[name], str) and not _is_number(row[name]) for row in rows)
        and 2 * len({row[name] for row in rows}) <= len(rows)
    ]
    return columns.chosen(str(table), "label", names, columns.LABELS, wish.label_column, words)


def _tables(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _ENDINGS and path.is_file() and not path.name.startswith(".")
    )


def _names_pictures(table: Path) -> bool:
    """Return whether a table is one of pictures, and not of something else."""
    try:
        rows = _rows(table, _LOOKED_AT)
        file = columns.chosen(
            str(table), "image", list(rows[0]) if rows else [], columns.FILES, None
        )
    except DataError:
        return False
    if table.suffix.lower() == ".jsonl":
        return True
    root = table.parent if not part_of(table.parent.name) else table.parent.parent
    known = {name for path in pictures_below(root) for name in (path.name, path.stem)}
    return any(Path(str(row[file]).replace("\\", "/")).name in known for row in rows)


def _has_labels(table: Path) -> bool:
    rows = _rows(table, _LOOKED_AT)
    return any(name.strip().casefold() in columns.LABELS for name in rows[0])


def _classes(root: Path) -> bool:
    """Return whether two folders or more hold pictures, parts aside."""
    places = [folder for folder in subfolders(root) if part_of(folder.name)] or [root]
    return any(
        sum(bool(pictures_below(folder)) for folder in subfolders(place)) > 1 for place in places
    )


def _rows(table: Path, most: int | None = None) -> list[Row]:
    """Return the rows of a table, all with the columns of the first.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        if table.stat().st_size > _LARGEST:
            raise DataError(f"{table} must be a table of at most {_LARGEST:,} bytes")
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table} cannot be read as text: {error}") from error
    try:
        if table.suffix.lower() == ".jsonl":
            return _of_json(table, text, most)
        return _of_csv(table, text, most)
    except (csv.Error, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{table} cannot be read: {' '.join(str(error).split())}") from error


def _of_json(table: Path, text: str, most: int | None) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        row = json.loads(line)
        if not isinstance(row, dict):
            raise DataError(f"{table} line {number} must be a JSON object, got {line[:40]}")
        if rows and (lacking := [name for name in rows[0] if name not in row]):
            raise DataError(f"{table} line {number} has no {lacking[0]!r}")
        rows.append(row)
        if len(rows) == most:
            break
    return rows


def _of_csv(table: Path, text: str, most: int | None) -> list[Row]:
    first = text.split("\n", 1)[0]
    marks = max("\t;,", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=marks)
    header = next(reader, None)
    if not header:
        return []
    lines = enumerate(reader, 2)
    if len(header) == _FEW and is_picture_file(Path(header[0])):  # it has no names of columns
        lines = chain([(1, header)], lines)
        header = ["file_name", "label"]
    rows: list[Row] = []
    for number, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise DataError(
                f"{table} line {number} must have {len(header)} cells, got {len(cells)}"
            )
        rows.append(dict(zip(header, (cell.strip() for cell in cells), strict=True)))
        if len(rows) == most:
            break
    return rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
