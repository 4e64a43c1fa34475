"""Labels by name become the numbers of classes, part by part."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

import torch

from smidgen.data.catalogue import PARTS, TRAIN, Catalogue, Part, Pictures, Wish
from smidgen.data.errors import DataError
from smidgen.data.file_names import told_ways
from smidgen.data.names import Matcher, in_order, one_form
from smidgen.escape import whole
from smidgen.limits import CHANNELS

LISTED = 3
NAMED = 10  # pictures that cannot be used that are named
_HIDDEN = frozenset((None, "-1", "-1.0"))  # a table of texts has no numbers
UNEVEN = 10  # times the pictures of the smallest class
WEIGH_ALIKE = (
    ", and let the classes weigh alike, unless they do: design --balance, train --set"
    " recipe.balance=true"
)


class Row(NamedTuple):
    """A picture with its label and part."""

    place: int  # among all rows
    pictures: Pictures
    number: int  # among those
    label: int
    part: str
    group: str | None = None  # of those that belong together


@final
@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows in the order of their parts, the classes, and what was decided, in words."""

    rows: list[Row]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def labelled(name: str, catalogue: Catalogue, wish: Wish) -> Labelled:
    """Return the rows of a catalogue with their labels as numbers.

    Raises:
        DataError: If a label is missing, and is not to be skipped, or names no class, or there is
            one class alone.
    """
    notes = list(catalogue.notes)
    parts = _with_labels(catalogue.parts, wish, notes)
    if not parts:
        raise DataError(f"{name} must hold pictures with labels, got none")
    classes = wish.classes or catalogue.classes or _classes(parts, notes)
    if wish.classes and wish.other_classes:
        classes += _unknown(parts, classes)
    if TRAIN not in parts and not wish.classes:
        raise DataError(f"{name} must hold pictures to train on, got only {' and '.join(parts)}")
    if len(classes) < 2:  # noqa: PLR2004
        ways = told_ways(_files(parts))
        raise DataError(
            f"{name} must have two classes or more, got {', '.join(map(repr, classes)) or 'none'}: "
            + (f"{ways}; else " if ways else "")
            + "a folder a class, or a table beside the pictures, labels.csv (file_name,label)"
        )
    if len(classes) > CHANNELS:  # of which no net has as many, and each is looked at
        raise DataError(
            f"{name} must have at most {CHANNELS:,} classes, got {len(classes):,}: is what was read"
            " as a label a number of the picture?"
        )
    matcher = Matcher(classes, "the model knows") if wish.classes else Matcher(classes)
    rows = _rows(parts, matcher, judged=bool(wish.classes))
    if not rows:
        raise DataError(f"{name} must hold pictures with labels, got none")
    differing = {k: v for k, v in matcher.differing.items() if one_form(k) != v or k != v}
    if differing:
        listed = [_alike(*pair) for pair in list(differing.items())[:LISTED]]
        more = f" and {len(differing) - LISTED} more" if len(differing) > LISTED else ""
        notes.append(f"names of classes are written in several ways: {', '.join(listed)}{more}")
    return Labelled(rows, classes, tuple(notes))


def _files(parts: Mapping[str, Part]) -> list[Path]:
    """Return the files of all pictures that have one."""
    numbered = ((of.pictures, number) for of in parts.values() for number in range(len(of.labels)))
    return [path for held, number in numbered if (path := held.file(number)) is not None]


def _alike(written: str, known: str) -> str:
    """Return how the name of a class was written, in words: two that look the same say why."""
    same = unicodedata.normalize("NFC", written) == unicodedata.normalize("NFC", known)
    why = " in another Unicode form" if same else ""
    if whole(written) != written:
        why = " of bytes that the system's locale cannot read"
    return f"{written!r} is {known!r}{why}"


def _rows(parts: Mapping[str, Part], matcher: Matcher, *, judged: bool) -> list[Row]:
    """Return the pictures of all parts that have a label; ``judged`` if the classes are a run's."""
    rows: list[Row] = []
    for part in PARTS:
        if part not in parts:
            continue
        of = parts[part]
        numbers: dict[str, int] = {}
        for number, label in enumerate(of.labels):
            if label is None:
                continue
            if label not in numbers:
                try:
                    numbers[label] = matcher.number(label, of.pictures.where(number))
                except DataError as error:
                    if judged:
                        raise DataError(
                            f"{error} (leave its pictures out of these, or `smidgen train --from"
                            " RUN --data DATA` learns it)"
                        ) from None
                    if part == TRAIN:
                        raise
                    raise DataError(
                        f"{error} (add it to the part to train on, or remove it from {part})"
                    ) from None
            group = of.groups[number] if of.groups else None
            rows.append(Row(len(rows), of.pictures, number, numbers[label], part, group))
    return rows


def _unknown(parts: Mapping[str, Part], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the classes of pictures that are none of those known, in order."""
    matcher, found = Matcher(classes), set[str]()
    for label in {label for of in parts.values() for label in of.labels if label is not None}:
        try:
            matcher.number(label, "")
        except DataError:
            found.add(one_form(label))
    return in_order(found)


def _with_labels(parts: Mapping[str, Part], wish: Wish, notes: list[str]) -> dict[str, Part]:
    """Return the parts with labels; those where all are hidden are left out and told."""
    kept: dict[str, Part] = {}
    lacking: list[str] = []
    known = {*(wish.classes or (parts[TRAIN].labels if TRAIN in parts else ()))} - {None}
    for part in PARTS:
        if part not in parts:
            continue
        of = parts[part]
        hidden = [number for number, label in enumerate(of.labels) if label is None]
        if not len(of.labels):
            raise DataError(f"the part {part!r} must have at least one row, got none")
        if part != TRAIN and set(of.labels) <= _HIDDEN - known:
            notes.append(f"the labels of the part {part!r} are hidden: it is not used")
        else:
            kept[part] = of
            lacking += [of.pictures.where(number) for number in hidden]
    if lacking:
        rows = sum(len(of.labels) for of in kept.values())
        notes.append(_told_lacking(lacking, rows, skip=wish.skip_broken))
    return kept


def _told_lacking(lacking: Sequence[str], rows: int, *, skip: bool) -> str:
    """Return a note of the pictures without a label, by their names, that are left out.

    Raises:
        DataError: That says the same, unless they are to be skipped.
    """
    have, them = ("has", "it") if len(lacking) == 1 else ("have", "them")
    named = listed(lacking[:NAMED], len(lacking))
    told = f"{len(lacking):,} of {rows:,} pictures {have} no label, or -1: {named}"
    if not skip:
        raise DataError(f"{told} (--skip-broken, or skip_broken=True, leaves {them} out)")
    return f"{told}; left out"


def listed(named: Sequence[str], count: int) -> str:
    """Return pictures that cannot be used, and how many there are beyond those that are named."""
    more = f"; and {count - len(named):,} more" if count > len(named) else ""
    return "; ".join(named) + more


def _classes(parts: Mapping[str, Part], notes: list[str]) -> tuple[str, ...]:
    """Return the classes of the training part: names that look alike are one."""
    source = parts.get(TRAIN) or next(iter(parts.values()))
    written = {*source.labels} - {None}  # each looked at once, however many pictures have it
    names = in_order({one_form(label) for label in written if label is not None})
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            notes.append(f"the classes {other!r} and {name!r} differ by letter case alone")
    return names


def told_counts(labels: torch.Tensor, classes: tuple[str, ...], wish: Wish) -> list[str]:
    """Return what a reader should know of the numbers of training pictures a class."""
    if wish.classes:
        return []
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    notes: list[str] = []
    most, least = max(counts), min(counts)
    if least and most >= UNEVEN * least:
        share = 100 * most / sum(counts)
        largest, smallest = classes[counts.index(most)], classes[counts.index(least)]
        notes.append(
            f"classes are uneven: {share:.0f} % of the training pictures are {largest!r}, "
            f"{least:,} are {smallest!r}; look at the balanced accuracy{WEIGH_ALIKE}"
        )
    return notes
