"""Which columns of a table hold the pictures and the labels."""

from collections.abc import Callable, Collection, Iterable, Sequence

from smidgen.data.catalogue import TRAIN, VALIDATION
from smidgen.data.errors import DataError
from smidgen.data.names import part_of
from smidgen.text import nearest

IMAGES = ("image", "img", "images", "picture", "pixels", "bytes")
FILES = (
    *("file_name", "filename", "file", "path", "filepath", "file_path", "image", "img", "images"),
    *("image_path", "image_name", "image_file", "picture", "name", "image_id", "id"),
)
LABELS = (
    *("fine_label", "label", "labels", "class", "target", "classes", "class_name", "label_name"),
    *("category", "targets", "y"),
)
BOXES = ("bbox", "bounding_box", "xmin", "x_min", "xmax", "x_max", "x1")
IN_ARRAYS = (  # what is said of numbers that are no picture
    "windows of a sensor and the like go in .npz, x_train, n x 1 x steps x channels, and y_train,"
    " or in CLASS/*.csv, a file a window and a line a moment"
)
MANY = 16  # numbers a row that are no ages and widths, but what is to be learned from
_LISTED = 10
_SPLITS = ("split", "is_valid")
PARTS = (*_SPLITS, "part", "set", "subset", "partition", "usage")  # usage as FER-2013 has it
_VALID = {"true": VALIDATION, "1": VALIDATION, "false": TRAIN, "0": TRAIN}  # of fast.ai's is_valid


def form(column: str) -> str:
    """Return a column's name as it is compared: ``File Name`` is ``file_name``."""
    return "_".join(column.casefold().replace("-", " ").replace("_", " ").split())


def is_known(column: str) -> bool:
    """Return whether a column says by its name what it holds."""
    return form(column) in (*FILES, *LABELS, *PARTS)


def chosen(
    where: str,
    what: str,
    columns: Sequence[str],
    preferred: Sequence[str],
    asked: str | None,
    alone: Sequence[str] = (),
) -> str:
    """Return the column that was asked for, else the first preferred, else the one that is alone.

    Args:
        where: The table, for errors.
        what: ``image`` or ``label``, which is also the option's name.
        columns: All there are.
        preferred: Names in the form of :func:`form`, the best first.
        asked: With ``--image-column`` or ``--label-column``.
        alone: Columns of which a single one is taken, whatever its name.

    Raises:
        DataError: If there is none, or several.
    """
    option = f"--{what}-column, or {what}_column="
    if asked is not None:
        if asked not in columns:
            raise DataError(
                f"{where} has no column {asked!r} ({option}); {nearest(asked, columns)}"
            )
        return asked
    by_form: dict[str, list[str]] = {}
    for column in columns:
        by_form.setdefault(form(column), []).append(column)
    for name in preferred:
        if alike := by_form.get(name):
            if len(alike) > 1:
                raise DataError(
                    f"{where} has the columns {', '.join(map(repr, alike))}, each of which could "
                    f"be the {what}: name one with {option}"
                )
            return alike[0]
    if len(alone) == 1:
        return alone[0]
    found = f"got {_listed(alone) or 'none'} of the columns {_listed(columns) or 'that are left'}"
    if what == "label" and columns and not alone:
        say = "whose name does not say so" if len(columns) == 1 else "whose names do not say so"
        found = f"found {_listed(columns)}, {say}"
    raise DataError(f"{where} must have a column with the {what}, {found}: name it with {option}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def group_texts(cells: Sequence[object]) -> list[str | None]:
    """Return the names of groups that a column or an array holds; empty ones and NaN are none."""
    texts = ("" if cell is None or cell != cell else str(cell).strip() for cell in cells)
    return [text or None for text in texts]


def group_column(asked: str | None, names: Iterable[str]) -> str | None:
    """Return the column that ``--group-by`` means: of that name, or else in other letter case."""
    known = list(names)
    if asked is None or asked in known:
        return asked
    alike = [name for name in known if form(name) == form(asked)]
    return alike[0] if len(alike) == 1 else None


def split_of(
    columns: Sequence[str], taken: Collection[str | None], cells: Callable[[str], Sequence[object]]
) -> str | None:
    """Return the column that says the part of each row, if there is one.

    It is called ``split`` or ``is_valid``; or ``part``, ``set``, ``subset``, ``partition`` or
    ``usage``, and then holds one, since it may as well be the part of a machine. Any other holds
    nothing else, and one to train on and another one among them: :func:`split_told` tells it.

    Args:
        columns: All there are.
        taken: Those that hold something else.
        cells: Returns what a column holds.
    """
    likely = [name for name in columns if name not in taken and form(name) in PARTS]
    sure = [name for name in likely if form(name) in _SPLITS]
    others = [name for name in likely if any(part_of(str(cell)) for cell in cells(name))]
    if sure or others:
        return (sure or others)[0]
    left = (name for name in columns if name not in taken and not is_known(name))
    return next((name for name in left if are_parts(cells(name))), None)


def are_parts(cells: Sequence[object]) -> bool:
    """Return whether cells hold names of parts alone, several of them and one to train on."""
    found: set[str] = set()
    for cell in cells:
        if cell not in (None, ""):
            if (part := part_of(str(cell))) is None:
                return False
            found.add(part)
    return TRAIN in found and len(found) > 1


def split_told(column: str | None) -> tuple[str, ...]:
    """Return a note of a column of parts whose name does not say that it is one."""
    if column is None or form(column) in PARTS:
        return ()
    return (f"the column {column!r} holds names of parts alone: it says the part of each row",)


def parts_of(cells: Sequence[object], column: str, part: str, where: str) -> list[str]:
    """Return the part of each row, as its column of parts says; where it is empty, ``part``.

    Raises:
        DataError: If a cell names none.
    """
    known, must = part_of, "train, validation or test"
    if form(column) == "is_valid":
        known, must = _VALID.get, "true or false"
    found = [part if cell in (None, "") else known(str(cell).casefold()) for cell in cells]
    if None in found:
        raise DataError(
            f"the column {column!r} of {where} must be {must}, got {cells[found.index(None)]!r}"
        )
    return [of for of in found if of is not None]


def rows_of(parts: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows of each part, whose names are given row by row."""
    rows: dict[str, list[int]] = {}
    for row, part in enumerate(parts):
        rows.setdefault(part, []).append(row)
    return rows
