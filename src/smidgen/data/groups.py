"""Pictures that belong together, as those of one recording: they are never on two sides."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import torch

from smidgen.data.catalogue import TRAIN, Files, Wish
from smidgen.data.errors import DataError
from smidgen.data.labelled import Labelled, Row
from smidgen.data.preprocessing import Values
from smidgen.names import shown
from smidgen.sizes import counted
from smidgen.tensors import Labels

FOLDER, SERIES, PREFIX = WAYS = ("folder", "series", "prefix")
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_FIRST_WORD = re.compile(r"[^_\-. ]+")
_LISTED = 3
_OF_A_CLASS, _ASKED, _FEW = 1_000, 40, 40  # pictures that neighbours are looked for among, and of
_SIDE = 8  # pixels of what is compared
_WITHIN = (2, 5, 10, 20, 40)  # places that make a neighbour
_MUCH, _BEYOND_CHANCE = 0.5, 2.5


def named_of(path: str, way: str) -> str | None:
    """Return the group of a picture by the path of its file, None if it says none.

    Args:
        path: Below the folder of the data, with slashes.
        way: ``folder`` for that it lies in; ``series`` for that and its name without the last
            number; ``prefix`` for the first word of its name, whatever folder it lies in.
    """
    place = PurePosixPath(path)
    if way == FOLDER:
        return str(place.parent)
    if way == SERIES:
        name = _LAST_NUMBER.sub("", place.stem, count=1)
        return None if name == place.stem else f"{place.parent}/{name}"
    word = _FIRST_WORD.match(place.stem)
    return None if word is None or word[0] == place.stem else word[0]


def grouped(
    name: str, found: Labelled, wish: Wish, files: Callable[[Sequence[Row]], Sequence[str]]
) -> Labelled:
    """Return rows with the groups that were asked for; where a run asks, they may be missing.

    Args:
        name: Of the data, for errors.
        found: Rows, with a group each where the data have a column or an array of that name.
        wish: What was asked.
        files: Returns the path of each row's file below a common folder, nothing if there is none.

    Raises:
        DataError: If there are no groups, or only one.
    """
    way, rows = wish.group_by, found.rows
    if way is None:
        return found
    if all(row.group is None for row in rows):
        if way in WAYS and all(isinstance(row.pictures, Files) for row in rows):
            paths = files(rows)
            own = zip(rows, paths, strict=True)
            rows = [row._replace(group=named_of(path, way)) for row, path in own]
        elif not wish.classes:
            raise DataError(_told_missing(name, way))
    groups = {row.group for row in rows if row.group is not None}
    if len(groups) < 2 and not wish.classes:  # noqa: PLR2004
        held = f"the one group {shown(groups.pop())}" if groups else "no group"
        raise DataError(f"{name} must have two groups or more by {way!r} (--group-by), got {held}")
    return replace(found, rows=rows, notes=(*found.notes, *_notes(rows, way)))


def _told_missing(name: str, way: str) -> str:
    if way in WAYS:
        return f"{name} has no files whose names give a {way} (--group-by): name a column or array"
    return (
        f"{name} has no column or array {way!r} (--group-by); names of files have"
        f" {', '.join(WAYS[:-1])} and {WAYS[-1]}"
    )


def _notes(rows: Sequence[Row], way: str) -> list[str]:
    sizes: dict[str, int] = {}
    parts: dict[str, set[str]] = {}
    for row in rows:
        if row.group is not None:
            sizes[row.group] = sizes.get(row.group, 0) + 1
            parts.setdefault(row.group, set()).add(row.part)
    if not sizes:
        return []
    largest = max(sizes, key=sizes.__getitem__)
    notes = [
        f"{counted(len(sizes), 'group', 'groups')} of pictures by {way!r}, the largest "
        f"{shown(largest)} with {sizes[largest]:,}: each is on one side whenever some are held out"
    ]
    if alone := sum(row.group is None for row in rows):
        notes.append(f"{counted(alone, 'picture is', 'pictures are')} of no group: each by itself")
    both = [group for group, of in parts.items() if TRAIN in of and len(of) > 1]
    if both:
        groups = counted(len(both), "group is", "groups are")
        listed = ", ".join(map(shown, both[:_LISTED]))
        notes.append(
            f"{groups} both learned from and judged on, such as {listed}: the accuracy flatters"
        )
    return notes


def alike_neighbours(rows: Sequence[Row], pixels: Values) -> list[str]:
    """Return a note if the likest picture is often a neighbour in the order of files or rows.

    That is so of frames of a film, of bursts and of windows of one recording: then what is held out
    at random has its like among what is learned from. Of pictures in no order it is rare.

    Args:
        rows: Of all pictures, in their order.
        pixels: Of each, n h w c.
    """
    places: dict[int, list[int]] = {}
    for place in sorted(range(len(rows)), key=lambda place: _in_order(rows[place])):
        places.setdefault(rows[place].label, []).append(place)
    apart, chances = dict[int, list[int]](), dict[int, list[float]]()
    for own in places.values():
        some = own[:_OF_A_CLASS]
        offsets = _offsets(pixels[some])
        for within in _WITHIN:
            if len(some) > _SIDE * within:
                apart.setdefault(within, []).extend(offsets)
                chances.setdefault(within, []).append(2 * within / (len(some) - 1))
    for within, found in apart.items():
        share = sum(offset <= within for offset in found) / len(found)
        chance = sum(chances[within]) / len(chances[within])
        if len(found) >= _FEW and share >= max(_MUCH, _BEYOND_CHANCE * chance):
            return [
                "pictures that follow each other look alike: the likest of its class is within"
                f" {within} places of {100 * share:.0f} % of {len(found):,} pictures, by chance of"
                f" {100 * chance:.0f} %. If they are of one film, burst, place or person, what is"
                " held out has its like in what is learned from, and accuracies flatter: --group-by"
                " keeps groups on one side (docs/data.md)"
            ]
    return []


def _in_order(row: Row) -> tuple[list[str | int], int]:
    """Return what rows are sorted by: names of files as people count, others as they come."""
    name = row.pictures.where(row.number) if isinstance(row.pictures, Files) else ""
    split = re.split(r"(\d{1,18})", name)
    return [int(of) if number % 2 else of for number, of in enumerate(split)], row.place


def _offsets(pixels: Values) -> list[int]:
    """Return of some pictures how many places away the one is that looks the most like each."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    seen = torch.nn.functional.adaptive_avg_pool2d(images, _SIDE).flatten(1)
    asked = torch.linspace(0, len(seen) - 1, min(_ASKED, len(seen))).long()
    distances = torch.cdist(seen[asked], seen)
    distances[distances == 0] = torch.inf  # itself, and copies: they are on one side anyway
    return (distances.argmin(dim=1) - asked).abs().tolist()


def together(*ways: Sequence[Hashable | None]) -> list[int]:
    """Return for each row the place of the first that it belongs to.

    Args:
        ways: Each a key a row; those of one key, by any of the ways, belong together. None is none.
    """
    first = list(range(len(ways[0])))

    def root(place: int) -> int:
        while first[place] != place:
            first[place] = first[first[place]]
            place = first[place]
        return place

    for way in ways:
        seen: dict[Hashable, int] = {}
        for place, key in enumerate(way):
            if key is not None:
                one, other = root(seen.setdefault(key, place)), root(place)
                first[max(one, other)] = min(one, other)
    return [root(place) for place in range(len(first))]


def unit_keys(keys: Sequence[bytes], groups: Sequence[str | None]) -> list[bytes]:
    """Return for each picture a key of those that it belongs to: copies, and those of its group.

    That of a group is of the least of the names in it, so that a picture more moves no other.

    Args:
        keys: Of what each picture shows.
        groups: Of each, or None.
    """
    first = together(keys, groups)
    names: dict[int, str] = {}
    for place, group in zip(first, groups, strict=True):
        if group is not None:
            names[place] = min(group, names.get(place, group))
    digests = {
        place: hashlib.blake2b(name.encode(errors="replace"), digest_size=16).digest()
        for place, name in names.items()
    }
    return [digests.get(place, keys[place]) for place in first]


def numbers_of(groups: Sequence[str | None]) -> Labels | None:
    """Return a number for each group, and one for each picture of none; None if there is none."""
    if all(group is None for group in groups):
        return None
    seen: dict[str | int, int] = {}
    rows = [
        seen.setdefault(place if group is None else group, len(seen))
        for place, group in enumerate(groups)
    ]
    return torch.tensor(rows, dtype=torch.int64)


def folds_of_groups(labels: Labels, units: Sequence[int], of: int, seed: int) -> torch.Tensor:
    """Return the fold of each image, from 1, all of a unit in one; 0 is that of no fold.

    Units in turn, the largest first and in an order that is drawn among equals, go to the fold that
    then leaves every class the most evenly spread, as scikit-learn's StratifiedGroupKFold does. A
    class is never whole in one fold: a unit that alone has images of a class is in none.

    Args:
        labels: Of the images.
        units: A number each: those that have the same stay together.
        of: How many folds, of which some may stay empty: the last ones.
        seed: Of the order.
    """
    _, unit = torch.tensor(units).unique(return_inverse=True)
    count, classes = int(unit.max()) + 1, int(labels.max()) + 1
    held = torch.zeros(count, classes, dtype=torch.float64)
    held.index_put_((unit, labels), torch.ones(len(labels), dtype=torch.float64), accumulate=True)
    in_units = (held > 0).sum(dim=0)
    free = ~((held > 0) & (in_units == 1)).any(dim=1)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    order = order[held.sum(dim=1)[order].argsort(descending=True, stable=True)]
    share = held / held.sum(dim=0).clamp(min=1)
    folds, filled = torch.zeros(count, dtype=torch.int64), torch.zeros(of, classes).double()
    for place in order[free[order]].tolist():
        then = torch.stack([_spread(filled, fold, share[place]) for fold in range(of)])
        fold = int(then.argmin())  # the first of equals
        filled[fold] += share[place]
        folds[place] = fold + 1
    _leave_each_a_side(folds, held)
    present = folds.unique()
    numbers = torch.zeros(of + 1, dtype=torch.int64)
    numbers[present[present > 0]] = torch.arange(1, int((present > 0).sum()) + 1)
    return numbers[folds][unit]


def held_out_groups(labels: Labels, units: Sequence[int], share: float, seed: int) -> torch.Tensor:
    """Return which images to hold out, whole units that are about a share of every class.

    Every class that several units have is in it where they are even enough, and never whole.

    Args:
        labels: Of the images.
        units: See :func:`folds_of_groups`.
        share: Of each class.
        seed: Of the draw.

    Raises:
        DataError: If each class has a single unit.
    """
    pairs = {(unit, label) for unit, label in zip(units, labels.tolist(), strict=True)}
    several = [n for n in Counter(label for _, label in pairs).values() if n > 1]
    if not several:
        raise DataError("no group of images can be held out: each class has a single one")
    of = max(2, min(round(1 / share), *several))
    folds = folds_of_groups(labels, units, of, seed)
    counts = torch.zeros(of + 1, int(labels.max()) + 1, dtype=torch.float64)
    counts.index_put_((folds, labels), torch.ones(len(labels)).double(), accumulate=True)
    shares = counts / counts.sum(dim=0).clamp(min=1)
    off = (shares[1:] - 1 / of).abs().mean(dim=1)
    off[counts[1:].sum(dim=1) == 0] = torch.inf
    return folds == int(off.argmin()) + 1


def _spread(filled: torch.Tensor, fold: int, more: torch.Tensor) -> torch.Tensor:
    """Return how unevenly classes are spread over folds once one of them has more."""
    with_it = filled.clone()
    with_it[fold] += more
    return with_it.std(dim=0, correction=0).mean()


def _leave_each_a_side(folds: torch.Tensor, held: torch.Tensor) -> None:
    """Take out of its fold the smallest unit of a class that would be in one fold alone."""
    for number in range(held.shape[1]):
        own = (held[:, number] > 0).nonzero().flatten()
        if len(own) and bool((folds[own] == folds[own[0]]).all()):
            folds[own[held[own].sum(dim=1).argmin()]] = 0


def told_of_test(tested: Sequence[str | None]) -> list[str]:
    """Return a note of how many groups judge: pictures of one are no independent witnesses.

    Args:
        tested: The group of each test image.
    """
    found = {group for group in tested if group is not None}
    if not found:
        return []
    return [
        f"{len(tested):,} test images are of {counted(len(found), 'group', 'groups')}: for new"
        f" groups the accuracy is less certain than the interval of {len(tested):,} images says"
    ]
