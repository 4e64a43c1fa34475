"""Tables of pixel values, a row a picture: MNIST as CSV, or FER-2013."""

import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from smidgen.data import columns
from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import PARTS, TRAIN, Arrays, Catalogue, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.layouts.folders import pictures_below
from smidgen.data.layouts.tables import delimiter_of, is_number, tables_in
from smidgen.data.names import part_in
from smidgen.data.preprocessing import Values
from smidgen.data.values import labels_of
from smidgen.limits import PIXEL_TABLE, require_at_most
from smidgen.names import said_by

_ENDINGS = (".csv", ".tsv")
_NAME = re.compile(r"(pixel|pix|px|p)?_?\d+([x._]\d+)?", re.ASCII)  # pixel0, 1x28, pixel_0_7
_BARE = re.compile(r"\d+", re.ASCII)  # 783
_TEXTS = ("pixels", "pixel_values")  # columns that hold all pixels of a picture, with spaces
_NUMBERS = ("", "id", "index", "image_id", "imageid", "row_id", "unnamed:_0")  # of rows
_FIRST, _LAST = "first", "last"  # columns of a table without a header that may be the label
_LEAST = 64  # pixels: of fewer columns that are numbers nothing says that they are a picture
_LINE = 1 << 22  # bytes of a line that is looked at
_COLORS = 3
_BYTE = 255


class _Form(NamedTuple):
    """How a table is written; columns are counted from 0."""

    mark: str
    skipped: int  # lines above the first picture
    names: tuple[str, ...]  # of all columns
    pixels: tuple[int, ...]  # the columns of pixels, the one that holds all, or not known yet
    size: int  # pixels a picture


@final
@dataclass(frozen=True, slots=True)
class Pixels(Source):
    """Tables in ``folder``, or one that is named, each with the part that it speaks of."""

    folder: Path
    tables: tuple[tuple[str, Path], ...]

    @staticmethod
    def claim(path: Path) -> "Pixels | None":
        """Return the layout if ``path`` has it: it is such a table, or holds some."""
        if path.is_file():
            return Pixels(path, ((TRAIN, path),)) if _form_of(path) else None
        tables = [table for table in tables_in(path) if _form_of(table)]
        found = tuple((part_in(table.stem) or TRAIN, table) for table in tables)
        return Pixels(path, found) if found else None

    def identity(self) -> tuple[str, ...]:
        files = (file_identity(table, self.folder) for _, table in self.tables)
        return (str(self.folder.resolve()), *files)

    def catalogue(self, wish: Wish) -> Catalogue:
        values: dict[str, list[Values]] = {}
        labels: dict[str, list[str | None]] = {}
        groups: dict[str, list[str | None]] = {}
        names: dict[str, list[str]] = {}
        self._require_one_a_part()
        known: str | None = None  # the column of labels of the training table
        told: list[str] = []
        for part, table in sorted(self.tables, key=lambda pair: pair[0] != TRAIN):
            with _telling(table):
                read = _read(table, part, wish, known)
            known = known or read.label
            told += read.told
            for own in dict.fromkeys(read.parts):
                rows = [row for row, of in enumerate(read.parts) if of == own]
                values.setdefault(own, []).append(read.values[rows])
                labels.setdefault(own, []).extend(read.labels[row] for row in rows)
                groups.setdefault(own, []).extend(read.groups[row] for row in rows)
                names.setdefault(own, []).extend(f"{table} picture {row + 1}" for row in rows)
        if len({of.shape[1:] for of in chain(*values.values())}) > 1:
            held = ", ".join(table.name for _, table in self.tables)
            raise DataError(
                f"the tables of {self.folder} must hold pictures of one size: name one of {held}"
            )
        return Catalogue(
            {
                part: Part(
                    Arrays(np.concatenate(values[part]), names[part].__getitem__),
                    labels[part],
                    groups[part],
                )
                for part in PARTS
                if part in values
            },
            notes=(*dict.fromkeys(told), *self._notes()),
        )

    def _require_one_a_part(self) -> None:
        """Refuse tables of which nothing says that they are one data set, as EMNIST's."""
        first: dict[str, Path] = {}
        for part, table in self.tables:
            if (other := first.setdefault(part, table)) != table:
                raise DataError(
                    f"{self.folder} must hold one table of pixels a part, got {other.name} and "
                    f"{table.name} for {part}: name one of them as the data"
                )

    def _notes(self) -> Iterator[str]:
        if self.folder.is_dir() and (pictures := pictures_below(self.folder)):
            yield f"pictures beside tables of pixels are not read, such as {pictures[0]}"


def pictures_of(table: Path, classes: Sequence[str] = ()) -> Values | None:
    """Return the pictures of a table of pixels, n h w c, or None if it is none.

    Args:
        table: As it lies.
        classes: That its labels may be of, if it has some.

    Raises:
        DataError: If it cannot be read.
    """
    form = _form_of(table)
    if form is None:
        return None
    with _telling(table):
        return _values(table, _decided(table, form, None, classes))


@contextmanager
def _telling(table: Path) -> Generator[None]:
    """Refuse a table that is too large, and tell of one that ends the reading."""
    try:
        require_at_most("bytes of a table of pixels", table.stat().st_size, PIXEL_TABLE)
        yield
    except DataError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as pixels: {said_by(error)}") from error


class _Rows(NamedTuple):
    values: Values  # n h w c
    labels: list[str | None]
    parts: list[str]
    groups: Sequence[str | None]
    label: str | None  # the name of their column
    told: tuple[str, ...]  # what was decided, in words


def _read(table: Path, part: str, wish: Wish, known: str | None) -> _Rows:
    form = _form_of(table)
    assert form is not None, "it was claimed"
    asked = wish.label_column or (known if known in (_FIRST, _LAST) else None)
    form = _decided(table, form, asked, wish.classes)
    values = _values(table, form)
    others = [name for i, name in enumerate(form.names) if i not in form.pixels]

    def cells(name: str) -> list[str]:
        return _cells(table, form, form.names.index(name))

    group = columns.group_column(wish.group_by, others)
    others = [name for name in others if name != group]
    split = columns.split_of(others, (wish.label_column,), cells)
    lacking = known not in others if known not in (_FIRST, _LAST) else not others
    label = None
    labels: list[str | None] = [None] * len(values)
    if not (lacking and known is not None and part != TRAIN):
        label = _label_column(table, [name for name in others if name != split], wish)
        labels = labels_of(cells(label), len(values), (), str(table))
    parts = [part] * len(values)
    if split is not None:
        parts = columns.parts_of(cells(split), split, part, str(table))
    told = (*columns.split_told(split), *_doubt_of(table, form, values))
    groups = [None] * len(values) if group is None else columns.group_texts(cells(group))
    return _Rows(values, labels, parts, groups, label, told)


def _doubt_of(table: Path, form: _Form, values: Values) -> Iterator[str]:
    """Yield a note of numbers that are no bytes where no header says that they are pixels."""
    if any(form.names[i] for i in form.pixels[1:-1]) or values.dtype == np.uint8:
        return
    height, width, channels = values.shape[1:]
    yield (
        f"{table.name} has no header, and {form.size:,} numbers a row that are no bytes are taken "
        f"for pictures of {height}x{width}{' in colours' if channels > 1 else ''}: "
        f"{columns.IN_ARRAYS}"
    )


def _label_column(table: Path, names: Sequence[str], wish: Wish) -> str:
    """Return the name of the column of labels."""
    plain = [name for name in names if columns.form(name) not in _NUMBERS]
    alone = plain if len(plain) == 1 else []
    return columns.chosen(str(table), "label", names, columns.LABELS, wish.label_column, alone)


def _decided(table: Path, form: _Form, asked: str | None, classes: Collection[str]) -> _Form:
    """Return a form with its pixels, of a table without a header all but its first or last column.

    Args:
        table: To be read.
        form: Of it.
        asked: Which of the two holds the labels, or ``None``.
        classes: That the labels are of, or none if they are not known yet.

    Raises:
        DataError: If both may hold the labels and nothing says which.
    """
    if form.pixels:
        return form
    ends = (0, form.size)
    if asked is not None:
        label = form.names.index(columns.chosen(str(table), "label", (_FIRST, _LAST), (), asked))
    else:
        cells = _loaded(table, form, ends, np.object_)
        first, last = ({str(cell).strip() for cell in column} for column in cells.T)
        is_last = _is_last(first, last, set(classes))
        if is_last is None:
            raise DataError(
                f"{table} has no header, and its first column or its last may hold the labels: "
                f"--label-column {_FIRST} or --label-column {_LAST} says which (label_column= in "
                "Python)"
            )
        label = ends[is_last]
    return form._replace(pixels=tuple(i for i in range(form.size + 1) if i != label))


def _is_last(first: Set[str], last: Set[str], classes: Set[str]) -> bool | None:
    """Return whether the values of the last column, not of the first, are labels; None if unclear.

    Text is, and what is of the classes, unless the first may be labels of others; else what is
    numbered as labels are where the other is not. Pixels have more values, where they have several.
    """
    if not all(map(is_number, first | last)):
        return all(map(is_number, first))
    labels = _numbered(first), _numbered(last)
    if classes:
        others = labels[0] and len(first) > len(last)
        return last <= classes and not (others or (first <= classes and len(first) >= len(last)))
    if len(first) == 1 or len(last) == 1:
        return len(last) > 1
    if len(last) < len(first):
        return labels[1] if labels[0] != labels[1] else None
    return None if labels == (False, True) and len(last) <= _BYTE else False


def _numbered(cells: Collection[str]) -> bool:
    """Return whether the values of a column are 0, 1, 2, ... or 1, 2, 3, ..., several of them."""
    found = sorted(map(float, cells))
    return (
        len(found) > 1 and found[0] in (0, 1) and found == [found[0] + i for i in range(len(found))]
    )


def _values(table: Path, form: _Form) -> Values:
    shape = _shape(form.size)
    if shape is None:
        raise DataError(
            f"{table} must have a square of pixels a row, or three of them for colours, "
            f"got {form.size:,}: {columns.IN_ARRAYS}"
        )
    if len(form.pixels) == 1:
        values = np.stack([_numbers(text, form, row) for row, text in _texts(table, form)])
    else:
        try:
            values = _loaded(table, form, form.pixels, np.uint8)
        except ValueError:  # no bytes
            values = _loaded(table, form, form.pixels, np.float32)
    if values.dtype != np.uint8 and (values == values.clip(0, _BYTE).round()).all():
        values = values.astype(np.uint8)
    return values.reshape(-1, *shape)


def _texts(table: Path, form: _Form) -> Iterator[tuple[int, str]]:
    column = form.pixels[0]
    with table.open(encoding="utf-8-sig", newline="") as file:
        for row, cells in enumerate(csv.reader(file, delimiter=form.mark)):
            if row >= form.skipped and cells:
                if column >= len(cells):
                    raise DataError(f"{table} row {row + 1} has no pixels")
                yield row + 1, cells[column]


def _numbers(text: str, form: _Form, row: int) -> Any:
    found = np.array(text.split(), np.float32)
    if len(found) != form.size:
        raise ValueError(f"row {row} must hold {form.size:,} pixels, got {len(found):,}")
    return found


def _cells(table: Path, form: _Form, column: int) -> list[str]:
    return [str(cell).strip() for cell in _loaded(table, form, (column,), np.object_)[:, 0]]


def _loaded(table: Path, form: _Form, wanted: Sequence[int], dtype: type[np.generic]) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*no data")  # of no row: it is told as other emptiness
        return np.loadtxt(
            table,
            dtype=dtype,
            comments=None,
            delimiter=form.mark,
            skiprows=form.skipped,
            usecols=wanted,
            ndmin=2,
            encoding="utf-8-sig",
            quotechar='"',
        )


def _form_of(table: Path) -> _Form | None:
    """Return how a table writes pixels, or None if it is none, or one of something else."""
    if not (table.suffix.lower() in _ENDINGS and table.is_file()):
        return None
    try:
        with table.open("rb") as file:
            lines = [file.readline(_LINE).decode("utf-8-sig") for _ in range(2)]
        mark = delimiter_of(lines[0])
        first, second = (next(csv.reader(io.StringIO(line), delimiter=mark), []) for line in lines)
    except (OSError, ValueError, csv.Error):
        return None
    if form := _without_header(first, mark):
        return form
    names = [columns.form(name) for name in first]
    pixels = tuple(i for i, name in enumerate(names) if _NAME.fullmatch(name))
    if all(_BARE.fullmatch(names[i]) for i in pixels) and not _shape(len(pixels)):
        pixels = ()  # of so many numbers without a name nothing says that they are a picture
    if len(pixels) >= _LEAST:
        return _Form(mark, 1, tuple(first), pixels, len(pixels))
    for i, name in enumerate(names):
        values = second[i].split() if name in _TEXTS and i < len(second) else []
        if len(values) >= _LEAST and all(map(is_number, values)):
            return _Form(mark, 1, tuple(first), (i,), len(values))
    return None


def _without_header(cells: Sequence[str], mark: str) -> _Form | None:
    """Return the form of a table whose first line holds a picture, or numbers as pandas has them.

    Beside a text, as a label is, numbers are a picture, and no names, if they repeat, or are
    fractions in no order: names are as 0, 1, 2, ..., or as row and column, 0.0, 0.1, ...
    """
    size, numbers = len(cells) - 1, [cell for cell in cells if is_number(cell)]
    rows = [float(cell) // 1 for cell in numbers]
    named = _are_names(numbers) or (rows == sorted(rows) and len(set(rows)) > 1)
    picture = len(set(numbers)) < len(numbers) or not named
    if len(numbers) == size + 1 >= _LEAST and picture and _shape(size + 1) and not _shape(size):
        return _Form(mark, 0, ("",) * (size + 1), tuple(range(size + 1)), size + 1)
    texts = [i for i, cell in enumerate(cells) if not is_number(cell)]
    names = bool(texts) and not (picture and texts in ([0], [size]))
    if size < _LEAST or not _shape(size) or names:
        return None
    skipped = int(not texts and _are_names(cells))
    return _Form(mark, skipped, (_FIRST, *("",) * (size - 1), _LAST), (), size)


def _are_names(cells: Sequence[str]) -> bool:
    """Return whether pandas named columns so: 0, 1, 2, ... or a lost first row, as 0, 0.1, 0.2."""
    if list(cells) == [str(number) for number in range(len(cells))]:
        return True
    seen: Counter[str] = Counter()
    for cell in cells:
        plain = cell.partition(".")[0]
        if cell != (f"{plain}.{seen[plain]}" if seen[plain] else plain):
            return False
        seen[plain] += 1
    return True


def _shape(count: int) -> tuple[int, int, int] | None:
    """Return height, width and channels of so many values: a square, grey or in colours."""
    for channels in (1, _COLORS):
        side = isqrt(count // channels)
        if side * side * channels == count:
            return side, side, channels
    return None
