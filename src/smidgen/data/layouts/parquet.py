"""Parquet files, of the hub or of other tools: a column of encoded pictures and one of labels."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, final

from smidgen.data import columns
from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import TRAIN, Catalogue, Encoded, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.names import is_system, part_in
from smidgen.data.values import labels_of
from smidgen.extras import install
from smidgen.limits import IMAGES, README, VALUES, content
from smidgen.names import said_by
from smidgen.sizes import counted

_LOOKED_AT = 100  # rows that tell whether the words of a column repeat, or are names of parts
_AT_ONCE = 64  # rows: each may be as long as all that its file says of them
_OF_DICTIONARY = 1 << 16  # rows
_A_BATCH = 1 << 26  # bytes
_REPEATED = 100  # bytes read for each of a column, beyond a batch: no pictures are packed as much
_OF_ROW = 256  # bytes read for each row: words that repeat take next to none of a file
_NESTED = 2_000  # brackets in a README.md: what reads it takes their square
_PIECE = re.compile(r"(.+)-([0-9]{5})-of-([0-9]{5})(-[0-9a-f]+)?")  # of a table, as the hub has it


@final
@dataclass(frozen=True, slots=True)
class Parquet(Source):
    """The Parquet files below ``folder``, or a single one, with the hub's README.md if it is."""

    folder: Path
    files: tuple[Path, ...]
    alone: bool = False  # whether it is one that was named, and not its folder

    @staticmethod
    def claim(path: Path) -> "Parquet | None":
        """Return the layout if ``path`` has it."""
        if path.is_dir():
            files = parquet_files(path)
            return Parquet(path, tuple(files)) if files else None
        return Parquet(path.parent, (path,), True) if path.suffix.lower() == ".parquet" else None

    def identity(self) -> tuple[str, ...]:
        found = [*self.files, *self.folder.glob("README.md")]
        place = self.files[0] if self.alone else self.folder
        return (str(place.resolve()), *(file_identity(path, self.folder) for path in found))

    def catalogue(self, wish: Wish) -> Catalogue:
        _require_pyarrow()
        by_part: dict[str, list[Path]] = {}
        for path in self.files:
            # There is no other file to train on, whatever the name of a lone one.
            learned = self.alone and not wish.classes
            part = TRAIN if learned else _part_of(path.relative_to(self.folder))
            by_part.setdefault(part, []).append(path)
        for files in by_part.values():
            places = sorted({str(path.parent) for path in files})
            if len(places) > 1:  # whatever they are, they would be mixed
                raise DataError(
                    f"{self.folder} must hold one data set, got {places[0]} and {places[1]}"
                )
        said = _readme(self.folder)
        pieces: dict[str, list[_Piece]] = {}
        classes: tuple[str, ...] = ()
        known: str | None = None  # the column of labels of the training part
        notes = list(lacking(self.files))
        for part, files in sorted(by_part.items(), key=lambda of: of[0] != TRAIN):
            for path in files:
                read = _columns(path, {**said, **_class_names(_schema(path))}, wish, known)
                known = known or read.label
                notes += columns.split_told(read.split)
                held, names = _pieces(path, part, read)
                for own, piece in held.items():
                    pieces.setdefault(own, []).append(piece)
                if part == TRAIN or not classes:
                    classes = names
        parts = {part: _part(of) for part, of in pieces.items()}
        return Catalogue(parts, classes, tuple(dict.fromkeys(notes)))


def parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files below ``folder``, in order, hidden ones left out."""
    found = (path for path in folder.rglob("*.parquet") if path.is_file())
    return sorted(path for path in found if not any(map(is_system, path.relative_to(folder).parts)))


def lacking(files: Sequence[Path]) -> Iterator[str]:
    """Yield a note of each table of which pieces are not there, as after half a download."""
    read = {(path.parent, found[1], found[3]) for path in files if (found := _piece(path))}
    for folder, name, of in sorted(read):
        beside = filter(None, map(_piece, folder.iterdir()))
        there = {int(found[2]) for found in beside if (found[1], found[3]) == (name, of)}
        first = int(int(of) in there)  # some count from one
        if lacking := sorted({*range(first, int(of) + first)} - there):
            yield (
                f"{counted(len(lacking), 'file', 'files')} of the {int(of):,} of {name!r} missing,"
                f" such as {name}-{lacking[0]:05}-of-{of}.parquet"
            )


def _piece(path: Path) -> re.Match[str] | None:
    return _PIECE.fullmatch(path.stem) if path.suffix.lower() == ".parquet" else None


def _require_pyarrow() -> None:
    try:
        import pyarrow.parquet as _  # noqa: F401
    except ImportError:
        raise DataError(f"Parquet files need the package pyarrow: {install('hub')}") from None


def _part_of(path: Path) -> str:
    """Return the part that a file name, or else the nearest folder that names one, says."""
    for name in (path.stem, *reversed(path.parts[:-1])):
        if part := part_in(name):
            return part
    return TRAIN


class _Piece(NamedTuple):
    """Rows of one file that are of one part."""

    path: Path
    rows: Sequence[int]
    contents: Sequence[bytes | None]
    labels: Sequence[str | None]
    groups: Sequence[str | None]


def _part(pieces: Sequence[_Piece]) -> Part:
    contents = [content for piece in pieces for content in piece.contents]
    labels = [label for piece in pieces for label in piece.labels]
    groups = [group for piece in pieces for group in piece.groups]
    rows = _Rows(tuple((piece.path, piece.rows) for piece in pieces))
    return Part(Encoded(contents, rows), labels, groups)


class _Columns(NamedTuple):
    """Which are read, and the names of classes that numbers stand for, by column."""

    image: str
    label: str
    split: str | None  # of parts
    group: str | None  # of what belongs together
    named: Mapping[str, tuple[str, ...]]


def _pieces(path: Path, part: str, read: _Columns) -> tuple[dict[str, _Piece], tuple[str, ...]]:
    """Return what a file holds of each part, and the names of its classes if it lists them."""
    image, label, split, group, named = read
    names = named.get(label, ())
    contents = _contents(path, _read(path, image))
    found = _values(_read(path, label))
    labels = labels_of(found, len(found), names, str(path)) if found else []
    groups: list[str | None] = [None] * len(found)
    if group is not None:
        groups = columns.group_texts(_cells(path, group, named))
    if split is None or not found:
        return {part: _Piece(path, range(len(found)), contents, labels, groups)}, names
    own = columns.parts_of(_cells(path, split, named), split, part, str(path))
    return {
        of: _Piece(
            path,
            chosen,
            [contents[row] for row in chosen],
            [labels[row] for row in chosen],
            [groups[row] for row in chosen],
        )
        for of, chosen in columns.rows_of(own).items()
    }, names


def _cells(path: Path, column: str, named: Mapping[str, tuple[str, ...]]) -> list[Any]:
    """Return what a column holds, numbers as the names that they stand for."""
    names = named.get(column, ())
    cells = _values(_read(path, column))
    return [
        names[cell] if isinstance(cell, int) and 0 <= cell < len(names) else cell for cell in cells
    ]


def _values(column: Any) -> list[Any]:
    """Return what a column holds; a value of a dictionary is one object, whatever it stands for.

    A text of a megabyte that a few bytes of a file repeat would otherwise be a copy a row.
    """
    import pyarrow as pa

    values: list[Any] = []
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            held = chunk.dictionary.to_pylist()
            values += [None if i is None else held[i] for i in chunk.indices.to_pylist()]
        else:
            values += chunk.to_pylist()
    return values


def _contents(path: Path, column: Any) -> list[bytes | None]:
    """Return encoded pictures; a row that names a file instead is refused.

    A table of a stranger would otherwise have any file of this machine read, and shown.
    """
    import pyarrow as pa

    if not pa.types.is_struct(column.type):
        return column.to_pylist()
    contents: list[bytes | None] = []
    for row, value in enumerate(column.to_pylist()):
        content = None if value is None else value.get("bytes")
        if content is None and value is not None and value.get("path"):
            raise DataError(
                f"{path} row {row} must hold the picture itself, got the path {value['path']!r}: "
                f"files named in a table are not read"
            )
        contents.append(content)
    return contents


def _columns(
    path: Path, named: Mapping[str, tuple[str, ...]], wish: Wish, known: str | None
) -> _Columns:
    """Return which columns of a file are read; ``known`` is that of the training labels."""
    import pyarrow as pa

    schema = _schema(path)
    names = list(dict.fromkeys(schema.names))  # of several columns one name is no mistake yet
    types = {name: schema.field(schema.names.index(name)).type for name in names}
    images = [name for name, kind in types.items() if _is_image(kind)]
    if not images:
        _require_no_numbers(path, types)
    preferred = [name for name in columns.IMAGES if name in {n.casefold() for n in images}]
    image = columns.chosen(str(path), "image", names, preferred, wish.image_column, images)
    if image not in images:
        raise DataError(f"column {image!r} of {path} must hold pictures, got {types[image]}")
    flat = [name for name, kind in types.items() if not pa.types.is_nested(kind)]
    once = [name for name in flat if schema.names.count(name) == 1]
    begun = {  # not all of them: what else is in a table may be of any size
        name: _values(_read(path, name, _LOOKED_AT)) for name in once if _is_text(types[name])
    }
    parts = [name for name in once if columns.form(name) in columns.PARTS or name in named]
    parts += [name for name, cells in begun.items() if columns.are_parts(cells)]
    group = columns.group_column(wish.group_by, once)
    taken = (image, wish.label_column, group)
    split = columns.split_of(parts, taken, lambda name: _cells(path, name, named))
    others = [name for name in names if name not in (image, split, group)]
    words = [
        name
        for name in others
        if pa.types.is_boolean(types[name])
        or (name in named and len(named[name]) > 1)
        or (name in begun and 2 * len(set(begun[name])) <= len(begun[name]))
    ]
    asked = wish.label_column or (known if known in others else None)
    label = columns.chosen(str(path), "label", others, columns.LABELS, asked, words)
    for name in (image, label):
        if schema.names.count(name) > 1:
            raise DataError(f"{path} must name each column once, got {name!r} twice")
        if pa.types.is_nested(types[name]) and _holds_dictionary(types[name]):
            raise DataError(f"column {name!r} of {path} must be plain, got {types[name]}")
    if pa.types.is_nested(types[label]):  # a row of it may repeat a text any number of times
        raise DataError(f"column {label!r} of {path} must hold a class a row, got {types[label]}")
    return _Columns(image, label, split, group, named)


def _is_text(kind: Any) -> bool:
    """Return whether values of a type are texts, written once or not."""
    import pyarrow as pa

    of = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(of) or pa.types.is_large_string(of)


def _require_no_numbers(path: Path, types: Mapping[str, Any]) -> None:
    """Refuse a table of measurements, in lists or in a column each."""
    import pyarrow as pa

    of = pa.types
    lists = [
        name
        for name, kind in types.items()
        if of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind)
    ]
    numbers = sum(of.is_floating(kind) or of.is_integer(kind) for kind in types.values())
    if lists or numbers >= columns.MANY:
        held = f"lists in {lists[0]!r}" if lists else f"{numbers:,} columns of numbers"
        raise DataError(f"{path} must hold encoded pictures, got {held}: {columns.IN_ARRAYS}")


def _holds_dictionary(kind: Any) -> bool:
    """Return whether values of a type may be written once, and be those of any number of rows."""
    import pyarrow as pa

    inside = (kind.field(number).type for number in range(kind.num_fields))
    return pa.types.is_dictionary(kind) or any(map(_holds_dictionary, inside))


def _is_image(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return {kind.field(i).name for i in range(kind.num_fields)} == {"bytes", "path"}
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _schema(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is truncated or no Parquet: {said_by(error)}") from error


def _read(path: Path, name: str, first: int | None = None) -> Any:
    """Return a column of a file, or its ``first`` rows and what is read with them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            rows = file.metadata.num_rows
            if rows > IMAGES:
                raise DataError(f"{path} says that it has {rows:,} rows, too many")
            batches: list[Any] = []
            held = seen = 0  # one picture may stand for any number of rows
            most = min(VALUES, max(_A_BATCH, _REPEATED * _packed(file, name), _OF_ROW * rows))
            for batch in file.iter_batches(_rows_at_once(file, name), columns=[name]):
                held += batch.nbytes
                if held > most:
                    raise DataError(
                        f"{path} holds more than {most:,} bytes in its column {name!r}, too many"
                        " for what they take there: values are repeated"
                    )
                batches.append(batch)
                seen += len(batch)
                if first is not None and seen >= first:
                    break
            table = pa.Table.from_batches(batches) if batches else file.read(columns=[name])
            return table.column(name)
    except MemoryError as error:  # Arrow's as well, which is an ArrowException, too
        raise DataError(
            f"{path} cannot be read: there is not enough memory for its column {name!r}, or it is"
            f" damaged: {said_by(error)}"
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged: {said_by(error)}") from error


def _packed(file: Any, name: str) -> int:
    """Return how many bytes of a file its column of that name takes, with what is nested in it."""
    groups = (file.metadata.row_group(place) for place in range(file.metadata.num_row_groups))
    held = (group.column(place) for group in groups for place in range(group.num_columns))
    of_name = (one for one in held if one.path_in_schema.partition(".")[0] == name)
    return sum(one.total_compressed_size for one in of_name)


def _rows_at_once(file: Any, name: str) -> int:
    """Return how many rows of a column are read before they are measured.

    A value that is written once, and repeated, is at most as long as all that is written; in a
    dictionary it stays one, and each batch has a copy of all of them.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(file.schema_arrow.field(name).type):
        return _OF_DICTIONARY
    groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
    sizes = [
        group.column(place).total_uncompressed_size
        for group in groups
        for place in range(group.num_columns)
    ]
    return min(_AT_ONCE, max(_A_BATCH // max([*sizes, 1]), 1))


def _class_names(schema: Any) -> dict[str, tuple[str, ...]]:
    """Return the names of classes by column, as the hub writes them into the file."""
    try:
        stored = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = stored.get("info", {}).get("features", {})
        return {
            column: tuple(str(name) for name in feature["names"])
            for column, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (ValueError, AttributeError, RecursionError):  # it says nothing that helps
        return {}


def _readme(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the names of classes by column, as the README.md of the hub says them."""
    path = folder / "README.md"
    if not path.is_file():
        return {}
    try:
        import yaml
    except ImportError:  # it comes with the libraries of the hub
        return {}
    try:
        text = content(path, README).decode().split("---")[1]
        if text.count("[") + text.count("{") > _NESTED:
            return {}
        # of words alone: names of classes are no numbers, times or truth values
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
            return {}  # a few lines of them may stand for more than memory holds
        form = yaml.load(text, loader)
        features = form["dataset_info"]["features"]
        return {
            feature["name"]: _numbered(feature["dtype"]["class_label"]["names"])
            for feature in features
            if isinstance(feature["dtype"], dict) and "class_label" in feature["dtype"]
        }
    except Exception:  # whatever a strange README.md holds, the files themselves may do
        return {}


def _numbered(names: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return names of classes in the order of their numbers.

    Raises:
        ValueError: If the numbers are not 0, 1, 2, ...: names would move to other classes.
    """
    numbered = sorted(names.items(), key=lambda of: int(of[0]))
    if [int(number) for number, _ in numbered] != list(range(len(names))):
        raise ValueError("numbers of classes must be 0, 1, 2, ...")
    return tuple(str(name) for _, name in numbered)


@final
@dataclass(frozen=True, slots=True)
class _Rows:
    """Names rows by file and place, for a part that is made of several files."""

    files: tuple[tuple[Path, Sequence[int]], ...]  # with those of its rows that are of the part

    def __call__(self, row: int) -> str:
        ends = list(accumulate(len(rows) for _, rows in self.files))
        number = bisect_right(ends, row)
        path, rows = self.files[number]
        return f"{path} row {rows[row - ends[number]]}"
