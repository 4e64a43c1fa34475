"""A table of file names and labels beside the pictures: CSV, or JSON lines as of image folders."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

from smidgen.data import columns
from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import PARTS, TRAIN, Catalogue, Files, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.layouts.finder import Finder, part_of_place
from smidgen.data.layouts.folders import parts_in, pictures_below, subfolders, unwrapped
from smidgen.data.layouts.pixels import Pixels
from smidgen.data.layouts.tables import (
    OF_EDGE_IMPULSE,
    OF_JSON,
    Row,
    Twice,
    is_number,
    is_table,
    rows_of,
    tables_in,
)
from smidgen.data.names import COLLECTIONS, part_in
from smidgen.data.values import labels_of
from smidgen.limits import BOUNDLESS, TABLE_ROWS, is_boundless
from smidgen.sizes import counted

_LOOKED_AT = 20  # rows that tell whether a table names pictures
_SHOWN = 3
_AGAIN = 8  # rows, at most, for each picture that is there, of tables that are long
_ONE, _NOUGHT = ("1", "1.0"), ("0", "0.0")  # whether a picture is of a class


@final
@dataclass(frozen=True, slots=True)
class Listed(Source):
    """Tables in ``folder`` or in its parts, that name pictures below it."""

    folder: Path
    tables: tuple[tuple[str, Path], ...]

    @staticmethod
    def claim(path: Path) -> "Listed | None":
        """Return the layout if ``path`` has it: a table whose first rows name pictures.

        Raises:
            DataError: If it is a table in a whole disk, home or system folder, which would be
                walked through.
        """
        if path.is_file():
            if not is_table(path) or Pixels.claim(path) is not None:
                return None
            if is_boundless(path.parent):  # the pictures below it are looked for
                raise DataError(f"{path.parent} {BOUNDLESS}")
            return Listed(path.parent, ((TRAIN, path),))
        for root in _down(path):
            tables = _tables_of(root)
            if not tables:
                continue
            find = Finder(root)
            found = tuple((part, table) for part, table in tables if _names_pictures(table, find))
            # Where classes have folders, a table that says nothing of labels is of something else.
            if found and (
                any(_has_labels(table, find) for _, table in found) or not _classes(root)
            ):
                return Listed(root, found)
            if tables and not found and _is_collection(root):
                return Listed(root, tuple(tables))  # what it lacks is told when it is read
            if not found and find.below and not _classes(unwrapped(path)):
                flat = all(picture.parent == root for picture in find.below)
                unread = tuple(of for of in tables if _is_unreadable(of[1], none_else=flat))
                if unread:
                    return Listed(root, unread)  # likewise
        return None

    def identity(self) -> tuple[str, ...]:
        files = [table for _, table in self.tables] + pictures_below(self.folder)
        return (str(self.folder.resolve()), *(file_identity(file, self.folder) for file in files))

    def catalogue(self, wish: Wish) -> Catalogue:
        listed: dict[str, list[tuple[Path, str | None, str | None]]] = {}
        missing: list[_Missing] = []
        notes: list[str] = []
        finder = Finder(self.folder)
        unlisted = dict(finder.below)
        total = again = 0
        seen: set[tuple[str, Path, str | None]] = set()
        known: tuple[str, ...] = ()  # the columns of labels of the training table
        for part, table in sorted(self.tables, key=lambda pair: pair[0] != TRAIN):
            rows = _rows(table, finder)
            total += len(rows)
            read = _columns(table, rows, finder, wish, known if part != TRAIN else ())
            if len(read.labels) > 1 and not known:
                notes.append(
                    f"the classes are the columns of {table.name} that hold noughts and ones"
                )
            known = known or read.labels
            notes += columns.split_told(read.split)
            by_default = not (part_in(table.stem) or part_of_place(table, self.folder))
            of_table = None if by_default and part == TRAIN else part
            for own_part, path, label, group in _read(table, rows, of_table, read, finder):
                if isinstance(path, _Missing):
                    missing.append(path)
                    continue
                unlisted.pop(path, None)
                if (own_part, path, label) in seen:
                    again += 1
                    continue
                seen.add((own_part, path, label))
                listed.setdefault(own_part, []).append((path, label, group))
        if missing:
            said = _told_missing(missing, total, finder)
            if not wish.skip_broken:
                raise DataError(f"{said} (--skip-broken, or skip_broken=True, leaves them out)")
            notes.append(f"{said}: they are left out")
        if again:
            twice = counted(again, "row names", "rows name")
            notes.append(f"{twice} a picture again with one label: it is taken once")
        if unlisted:
            pictures = counted(len(unlisted), "picture is", "pictures are")
            notes.append(f"{pictures} in no table, such as {next(iter(unlisted))}")
        parts = {part: _part(listed[part]) for part in PARTS if part in listed}
        return Catalogue(parts, notes=tuple(dict.fromkeys(notes)))


def _part(rows: Sequence[tuple[Path, str | None, str | None]]) -> Part:
    paths, labels, groups = zip(*rows, strict=True)
    return Part(Files(paths), labels, groups)


class _Missing(NamedTuple):
    """A row whose picture is not found."""

    name: str
    table: Path
    part: str | None  # that it was looked for in


def _told_missing(missing: Sequence[_Missing], total: int, find: Finder) -> str:
    listed = ", ".join(f"{of.name!r} of {of.table}" for of in missing[:_SHOWN])
    for of in missing[:_SHOWN]:
        if alike := find.alike(*of):
            return (
                f"{len(missing):,} of {total:,} rows name no picture or several, such as {listed}: "
                f"{of.name!r} may be {alike[0]} or {alike[1]}, so write the folder in the table"
            )
    return f"{len(missing):,} of {total:,} pictures are not there, such as {listed}"


class _Columns(NamedTuple):
    file: str
    labels: tuple[str, ...]  # one; none where they are hidden; or one a class, of noughts and a one
    split: str | None  # of parts
    group: str | None  # of what belongs together


def _columns(
    table: Path, rows: Sequence[Row], find: Finder, wish: Wish, known: Sequence[str]
) -> _Columns:
    """Return which columns of a table are read; ``known`` are those of the training labels."""
    if not rows:
        raise DataError(f"{table} must have a row a picture, got none")
    has_header = table.suffix.lower() != OF_JSON
    naming = _naming(table, rows, find)
    if has_header and len(rows[0]) == 1 and not naming:
        raise DataError(
            f"{table} must begin with names of columns, such as file_name,label, with commas, "
            f"semicolons or tabs between, got {next(iter(rows[0]))!r}"
        )
    file = _file_column(table, rows[0], naming, wish.image_column)
    _require_once(table, rows, file)
    _require_no_boxes(table, rows, file)
    group = columns.group_column(wish.group_by, rows[0])
    split = columns.split_of(
        list(rows[0]), (file, wish.label_column, group), lambda name: [row[name] for row in rows]
    )
    others = [name for name in rows[0] if name not in (file, split, group)]
    named = any(columns.form(name) in columns.LABELS for name in others)
    if known and not named and not any(name in others for name in known):
        return _Columns(file, (), split, group)
    if wish.label_column is None and not named:
        for name in others:  # each may be a class
            _require_once(table, rows, name)
        if classes := _marked(table, rows, others):
            return _Columns(file, classes, split, group)
    label = _label_column(table, rows, others, wish)
    _require_once(table, rows, label)
    return _Columns(file, (label,), split, group)


def _require_once(table: Path, rows: Sequence[Row], name: str) -> None:
    """Refuse a column that is read and has the name of another."""
    if isinstance(cell := rows[0][name], Twice):
        raise DataError(f"{table} line {cell.line} must name each column once, got {name!r} twice")


def _marked(table: Path, rows: Sequence[Row], names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of noughts and ones, if each row has one in exactly one of them."""
    marks = [name for name in names if all(str(row[name]) in (*_ONE, *_NOUGHT) for row in rows)]
    ones = [sum(str(row[name]) in _ONE for name in marks) for row in rows]
    others = [row for row, count in enumerate(ones) if count != 1]
    if others and marks == list(names) and len(marks) > 1:
        raise DataError(
            f"{table} must have a one in one of {', '.join(name.strip() for name in marks)} for "
            f"each picture, got {ones[others[0]]} in row {others[0] + 1}"
            + (f" and another number in {len(others):,} rows in all" if len(others) > 1 else "")
            + ": one class a picture is read (or name it: --label-column, or label_column=)"
        )
    return tuple(marks) if not others and len(marks) > 1 else ()


def _require_no_boxes(table: Path, rows: Sequence[Row], file: str) -> None:
    """Refuse a table with a row a thing, of which a picture may show several."""
    boxes = [name for name in rows[0] if columns.form(name) in columns.BOXES]
    if boxes and len({str(row[file]) for row in rows}) < len(rows):
        raise DataError(
            f"{table} gives boxes, several a picture (column {boxes[0]!r}): they are not read, but "
            f"one class a picture"
        )


def _told(row: Row, names: Sequence[str]) -> Any:
    """Return what a row says of its class."""
    if len(names) > 1:
        return next(name.strip() for name in names if str(row[name]) in _ONE)
    return row[names[0]] if names else None


def _read(
    table: Path, rows: Sequence[Row], part: str | None, of: _Columns, find: Finder
) -> Iterator[tuple[str, Path | _Missing, str | None, str | None]]:
    labels = labels_of([_told(row, of.labels) for row in rows], len(rows), (), str(table))
    parts = [part or ""] * len(rows)
    if of.split is not None:
        _require_once(table, rows, of.split)
        cells = [row[of.split] for row in rows]
        parts = columns.parts_of(cells, of.split, part or "", str(table))
    groups: list[str | None] = [None] * len(rows)
    if of.group is not None:
        _require_once(table, rows, of.group)
        groups = columns.group_texts([row[of.group] for row in rows])
    of_table = part_in(table.stem) or part
    for row, own, of_class, group in zip(rows, parts, labels, groups, strict=True):
        name = str(row[of.file] or "")
        within = own if own and own != part else of_table
        path = find(name, table, within)
        place = find.part_of(path) if path is not None else None
        yield own or place or TRAIN, path or _Missing(name, table, within), of_class, group


def _label_column(table: Path, rows: Sequence[Row], names: Sequence[str], wish: Wish) -> str:
    """Return the column of labels: by its name, or the only one of words that repeat."""
    words = [
        name
        for name in names
        if all(isinstance(row[name], str) and not is_number(row[name]) for row in rows)
        and 2 * len({row[name] for row in rows}) <= len(rows)
    ]
    return columns.chosen(str(table), "label", names, columns.LABELS, wish.label_column, words)


def _file_column(table: Path, row: Row, naming: Sequence[str], asked: str | None) -> str:
    """Return the column of pictures: by its name, or the only one that names them."""
    if asked is None and not naming:
        _require_no_numbers(table, row)
    forms = set(map(columns.form, naming))
    preferred = sorted(columns.FILES, key=lambda name: name not in forms)  # a name may be Bob's
    return columns.chosen(str(table), "image", list(row), preferred, asked, naming)


def _require_no_numbers(table: Path, row: Row) -> None:
    """Refuse a table of measurements, which names no picture."""
    forms = set(map(columns.form, row))
    if not forms.isdisjoint(columns.FILES):
        return
    values = [cell for name, cell in row.items() if columns.form(name) not in columns.LABELS]
    numbers = sum(is_number(str(cell)) for cell in values)
    if numbers >= columns.MANY or numbers == len(row):  # with nothing that could be a label
        raise DataError(
            f"{table} names no picture, and {numbers:,} numbers a row are no square one: "
            f"{columns.IN_ARRAYS}"
        )


def _naming(table: Path, rows: Sequence[Row], find: Finder) -> list[str]:
    """Return the columns of which the first rows name a picture that is there."""
    looked = rows[:_LOOKED_AT]
    return [name for name in rows[0] if any(find.knows(str(row[name]), table) for row in looked)]


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
    parts = {folder: part for part, folder in parts_in(root)}
    for folder in subfolders(root):
        tables += [
            (parts.get(folder) or part_in(table.stem) or TRAIN, table)
            for table in tables_in(folder)
        ]
    return tables


def _names_pictures(table: Path, find: Finder) -> bool:
    """Return whether a table is one of pictures, and not of something else."""
    of_json = table.suffix.lower() == OF_JSON
    if not (find.below or of_json):
        return False
    try:
        rows = _rows(table, find, _LOOKED_AT)
        if not rows:
            return False
        naming = _naming(table, rows, find)
        if len(naming) > 1:
            return True  # which of them is asked when it is read
        file = _file_column(table, rows[0], naming, None)
    except DataError:
        return False
    if isinstance(rows[0][file], Twice):
        return True  # which is told when it is read
    return of_json or file in naming


def _rows(table: Path, find: Finder, most: int | None = None) -> list[Row]:
    limit = max(TABLE_ROWS, _AGAIN * len(find.below))
    return rows_of(table, most, lambda cell: find.knows(cell, table), limit)


def _is_unreadable(table: Path, *, none_else: bool) -> bool:
    """Return whether a table is damaged, or speaks of pictures of which it names none.

    Args:
        table: That names no picture.
        none_else: Whether nothing else may say of what class the pictures are.
    """
    try:
        rows = rows_of(table, _LOOKED_AT)
    except DataError:
        return True
    names = set(map(columns.form, rows[0] if rows else ()))
    return none_else and bool(names & {*columns.FILES} and names & {*columns.LABELS})


def _has_labels(table: Path, find: Finder) -> bool:
    rows = _rows(table, find, _LOOKED_AT)
    return any(columns.form(name) in columns.LABELS for name in rows[0])


def _classes(root: Path) -> bool:
    """Return whether two folders or more hold pictures, parts and pieces of one aside."""
    for place in [folder for _, folder in parts_in(root)] or [root]:
        held = [folder.name for folder in subfolders(place) if pictures_below(folder)]
        if len(held) > 1 and not _are_pieces(held):
            return True
    return False


def _are_pieces(names: Sequence[str]) -> bool:
    """Return whether folders hold one collection, as ``images_1`` and ``images_2``."""
    plain = {re.sub(r"\d+", "", name.casefold()) for name in names}
    return len(plain) == 1 and not COLLECTIONS.isdisjoint(re.split("[^a-z]+", plain.pop()))


def _is_collection(root: Path) -> bool:
    """Return whether one folder alone holds pictures, and has a name that is of no class."""
    held = [folder for folder in subfolders(root) if pictures_below(folder)]
    return len(held) == 1 and held[0].name.casefold() in COLLECTIONS
