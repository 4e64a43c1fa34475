"""A table of file names and labels beside the pictures: CSV, or JSON lines as of image folders."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

from smidgen.data import columns
from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import PARTS, TRAIN, Catalogue, Files, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.layouts.folders import pictures_below, subfolders, unwrapped
from smidgen.data.layouts.tables import (
    OF_EDGE_IMPULSE,
    Row,
    is_number,
    is_table,
    rows_of,
    tables_in,
)
from smidgen.data.names import part_in, part_of
from smidgen.data.values import labels_of
from smidgen.sizes import counted

_LOOKED_AT = 20  # rows that tell whether a table names pictures
_SHOWN = 3
_ONE, _NOUGHT = ("1", "1.0"), ("0", "0.0")  # whether a picture is of a class
_COLLECTIONS = (
    "images",
    "image",
    "imgs",
    "img",
    "pictures",
    "photos",
    "data",
    "jpg",
    "jpeg",
    "png",
)


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
            if not is_table(path):
                return None
            return Listed(path.parent, ((TRAIN, path),))
        for root in _down(path):
            tables = _tables_of(root)
            found = tuple((part, table) for part, table in tables if _names_pictures(table, root))
            # Where classes have folders, a table that says nothing of labels is of something else.
            if found and (any(_has_labels(table) for _, table in found) or not _classes(root)):
                return Listed(root, found)
            if tables and not found and _is_collection(root):
                return Listed(root, tuple(tables))  # what it lacks is told when it is read
        return None

    def identity(self) -> tuple[str, ...]:
        files = [table for _, table in self.tables] + pictures_below(self.folder)
        return (str(self.folder.resolve()), *(file_identity(file, self.folder) for file in files))

    def catalogue(self, wish: Wish) -> Catalogue:
        paths: dict[str, list[Path]] = {}
        labels: dict[str, list[str | None]] = {}
        missing: list[str] = []
        notes: list[str] = []
        unlisted: dict[Path, None] = dict.fromkeys(pictures_below(self.folder))
        total = 0
        known: tuple[str, ...] = ()  # the columns of labels of the training table
        for part, table in sorted(self.tables, key=lambda pair: pair[0] != TRAIN):
            rows = rows_of(table)
            total += len(rows)
            finder = _Finder(table.parent, self.folder)
            read = _columns(table, rows, finder, wish, known if part != TRAIN else ())
            if len(read.labels) > 1 and not known:
                notes.append(
                    f"the classes are the columns of {table.name} that hold noughts and ones"
                )
            known = known or read.labels
            for own_part, path, label, name in _read(table, rows, part, read, finder):
                if path is None:
                    missing.append(f"{name!r} of {table}")
                    continue
                unlisted.pop(path, None)
                paths.setdefault(own_part, []).append(path)
                labels.setdefault(own_part, []).append(label)
        if missing:
            listed = ", ".join(missing[:_SHOWN])
            said = f"{len(missing):,} of {total:,} pictures are not there, such as {listed}"
            if not wish.skip_broken:
                raise DataError(f"{said} (--skip-broken leaves them out)")
            notes.append(f"{said}: they are left out")
        if unlisted:
            pictures = counted(len(unlisted), "picture is", "pictures are")
            notes.append(f"{pictures} in no table, such as {next(iter(unlisted))}")
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
        folded: dict[str, Path | None] = {}
        for name, path in self.by_name.items():
            plain = name.casefold()
            folded[plain] = None if plain in folded else path
        self.by_name = {**folded, **self.by_name}  # as a file system would, letter case aside

    def knows(self, name: str) -> bool:
        """Return whether there is a picture that is called so, in whatever folder."""
        return self._called(_plain(name)) is not None

    def _called(self, path: Path) -> Path | None:
        return self.by_name.get(path.name) or self.by_name.get(path.name.casefold())

    def __call__(self, name: str, table: Path) -> Path | None:
        """Return the picture of that name, or None if it is not there.

        Raises:
            DataError: If the name leads out of the folder.
        """
        plain = _plain(name)
        if plain.is_absolute() or ".." in plain.parts:
            found = "absolute: begin it there" if plain.is_absolute() else "outside"
            raise DataError(
                f"{table} must name pictures below {self.root}, got {name!r}, which is {found}"
            )
        for place in self.places:
            path = place / plain
            if os.path.isfile(path):  # noqa: PTH113 - Path's own fails on a name that is too long
                if not path.resolve().is_relative_to(self.root):
                    raise DataError(f"{path} must be a picture below {self.root}, got a link")
                return path
        return self._called(plain)


def _plain(name: str) -> Path:
    """Return the path that a table writes, with the slashes of any system."""
    return Path(name.strip().replace("\\", "/"))


class _Columns(NamedTuple):
    file: str
    labels: tuple[str, ...]  # one; none where they are hidden; or one a class, of noughts and a one


def _columns(
    table: Path, rows: Sequence[Row], find: _Finder, wish: Wish, known: Sequence[str]
) -> _Columns:
    """Return which columns of a table are read; ``known`` are those of the training labels."""
    if not rows:
        raise DataError(f"{table} must have a row a picture, got none")
    file = _file_column(table, rows, find, wish.image_column)
    others = [name for name in rows[0] if name != file and columns.form(name) not in columns.PARTS]
    named = any(columns.form(name) in columns.LABELS for name in others)
    if known and not named and not any(name in others for name in known):
        return _Columns(file, ())
    if wish.label_column is None and not named and (classes := _marked(rows, others)):
        return _Columns(file, classes)
    return _Columns(file, (_label_column(table, rows, others, wish),))


def _marked(rows: Sequence[Row], names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of noughts and ones, if each row has one in exactly one of them."""
    marks = [name for name in names if all(str(row[name]) in (*_ONE, *_NOUGHT) for row in rows)]
    whole = all(sum(str(row[name]) in _ONE for name in marks) == 1 for row in rows)
    return tuple(marks) if whole and len(marks) > 1 else ()


def _told(row: Row, names: Sequence[str]) -> Any:
    """Return what a row says of its class."""
    if len(names) > 1:
        return next(name.strip() for name in names if str(row[name]) in _ONE)
    return row[names[0]] if names else None


def _read(
    table: Path, rows: Sequence[Row], part: str, of: _Columns, find: _Finder
) -> Iterator[tuple[str, Path | None, str | None, str]]:
    names = list(rows[0])
    split = next((n for n in names if columns.form(n) in columns.PARTS), None)
    labels = labels_of([_told(row, of.labels) for row in rows], len(rows), (), str(table))
    parts = [part] * len(rows)
    if split is not None:
        parts = columns.parts_of([row[split] for row in rows], split, part, str(table))
    for row, own, of_class in zip(rows, parts, labels, strict=True):
        name = str(row[of.file] or "")
        yield own, find(name, table), of_class, name


def _label_column(table: Path, rows: Sequence[Row], names: Sequence[str], wish: Wish) -> str:
    """Return the column of labels: by its name, or the only one of words that repeat."""
    words = [
        name
        for name in names
        if all(isinstance(row[name], str) and not is_number(row[name]) for row in rows)
        and 2 * len({row[name] for row in rows}) <= len(rows)
    ]
    return columns.chosen(str(table), "label", names, columns.LABELS, wish.label_column, words)


def _file_column(table: Path, rows: Sequence[Row], find: _Finder, asked: str | None) -> str:
    """Return the column of pictures: by its name, or the only one that names them."""
    naming = _naming(rows, find)
    return columns.chosen(str(table), "image", list(rows[0]), columns.FILES, asked, naming)


def _naming(rows: Sequence[Row], find: _Finder) -> list[str]:
    looked = rows[:_LOOKED_AT]
    return [name for name in rows[0] if any(find.knows(str(row[name])) for row in looked)]


def _down(path: Path) -> list[Path]:
    """Return the folders from one down to what it wraps: a table may lie in any of them."""
    last = unwrapped(path)
    between = [last, *last.parents]
    return between[between.index(path) :: -1] if path in between else [last]


def _tables_of(root: Path) -> list[tuple[str, Path]]:
    """Return the tables of a folder and of those in it, with the part that each speaks of."""
    tables = [(part_in(table.stem) or TRAIN, table) for table in tables_in(root)]
    if any(table.name == OF_EDGE_IMPULSE for _, table in tables):
        return tables  # those in the parts say the same again
    for folder in subfolders(root):
        tables += [
            (part_of(folder.name) or part_in(table.stem) or TRAIN, table)
            for table in tables_in(folder)
        ]
    return tables


def _names_pictures(table: Path, root: Path) -> bool:
    """Return whether a table is one of pictures, and not of something else."""
    try:
        rows = rows_of(table, _LOOKED_AT)
        if not rows:
            return False
        find = _Finder(table.parent, root)
        if len(_naming(rows, find)) > 1:
            return True  # which of them is asked when it is read
        file = _file_column(table, rows, find, None)
    except DataError:
        return False
    return table.suffix.lower() == ".jsonl" or any(find.knows(str(row[file])) for row in rows)


def _has_labels(table: Path) -> bool:
    rows = rows_of(table, _LOOKED_AT)
    return any(columns.form(name) in columns.LABELS for name in rows[0])


def _classes(root: Path) -> bool:
    """Return whether two folders or more hold pictures, parts aside."""
    places = [folder for folder in subfolders(root) if part_of(folder.name)] or [root]
    return any(
        sum(bool(pictures_below(folder)) for folder in subfolders(place)) > 1 for place in places
    )


def _is_collection(root: Path) -> bool:
    """Return whether one folder alone holds pictures, and has a name that is of no class."""
    held = [folder for folder in subfolders(root) if pictures_below(folder)]
    return len(held) == 1 and held[0].name.casefold() in _COLLECTIONS
