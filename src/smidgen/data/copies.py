"""Pictures that are there twice, told where that matters."""

from collections.abc import Sequence

from smidgen.data.catalogue import TRAIN
from smidgen.data.labelled import Row
from smidgen.sizes import counted


def between_parts(rows: Sequence[Row], keys: Sequence[bytes]) -> list[str]:
    """Return a note of pictures that are both learned from and judged on."""
    learned = {key: row for row, key in zip(rows, keys, strict=True) if row.part == TRAIN}
    both = [
        (learned[key], row)
        for row, key in zip(rows, keys, strict=True)
        if row.part != TRAIN and key in learned
    ]
    if not both:
        return []
    first, second = both[0]
    pictures = counted(len(both), "picture to judge on is", "pictures to judge on are")
    return [
        f"{pictures} also trained on, such as {_named(second)}, which "
        f"is {_named(first)}: the accuracy on them proves nothing"
    ]


def between_classes(
    rows: Sequence[Row], keys: Sequence[bytes], classes: Sequence[str]
) -> list[str]:
    """Return a note of pictures that have two labels."""
    seen: dict[bytes, Row] = {}
    found: dict[bytes, tuple[Row, Row]] = {}
    for row, key in zip(rows, keys, strict=True):
        other = seen.setdefault(key, row)
        if other.label != row.label:
            found.setdefault(key, (other, row))
    if not found:
        return []
    first, second = next(iter(found.values()))
    pictures = counted(len(found), "picture is", "pictures are")
    return [
        f"{pictures} in two classes, such as {_named(first)} "
        f"({classes[first.label]!r}) and {_named(second)} ({classes[second.label]!r})"
    ]


def once_bytes(rows: Sequence[Row], keys: Sequence[bytes], of_bytes: Sequence[bytes]) -> list[str]:
    """Return a note of pictures that become what one of another class does, and were not before.

    Args:
        rows: Of the pictures.
        keys: Of what each shows.
        of_bytes: Likewise, once its values are bytes.
    """
    before, after = (_in_two_classes(rows, of) for of in (keys, of_bytes))
    if after <= before:
        return []
    pictures = counted(after, "picture is", "pictures are")
    return [f"once values are bytes, {pictures} the same as one of another class, of {len(rows):,}"]


def _in_two_classes(rows: Sequence[Row], keys: Sequence[bytes]) -> int:
    labels: dict[bytes, set[int]] = {}
    for row, key in zip(rows, keys, strict=True):
        labels.setdefault(key, set()).add(row.label)
    return sum(len(labels[key]) > 1 for key in keys)


def _named(row: Row) -> str:
    return row.pictures.where(row.number)
