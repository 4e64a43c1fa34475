"""Pictures that belong together, as those of one recording: they are never on two sides."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import torch

from smidgen.chance import of_groups
from smidgen.data.catalogue import Wish
from smidgen.data.errors import DataError
from smidgen.data.file_names import LAST_NUMBER, PREFIX, SERIES
from smidgen.data.labelled import Labelled, Row
from smidgen.data.names import part_of
from smidgen.data.preprocessing import Values
from smidgen.names import shown
from smidgen.sizes import counted
from smidgen.tensors import Labels

FOLDER = "folder"
WAYS = (FOLDER, SERIES, PREFIX)
_FIRST_WORD = re.compile(r"[^_\-. ]+")
_LISTED = 3


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
        name = LAST_NUMBER.sub("", place.stem, count=1)
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
        if way in WAYS and all(row.pictures.file(row.number) for row in rows):
            several = len({row.part for row in rows}) > 1
            rows = [
                row._replace(group=named_of(_without_part(path) if several else path, way))
                for row, path in zip(rows, files(rows), strict=True)
            ]
        elif not wish.classes:
            raise DataError(_told_missing(name, way))
    groups = {row.group for row in rows if row.group is not None}
    if len(groups) < 2 and not wish.classes:  # noqa: PLR2004
        held = f"the one group {shown(groups.pop())}" if groups else "no group"
        raise DataError(
            f"{name} must have two groups or more by {way!r} (--group-by, or groups=), got {held}"
        )
    return replace(found, rows=rows, notes=(*found.notes, *_notes(rows, way)))


def _without_part(path: str) -> str:
    """Return the path of a file without the first folder that names a part."""
    *folders, name = path.split("/")
    named = (place for place, folder in enumerate(folders) if part_of(folder))
    place = next(named, None)
    kept = folders if place is None else [*folders[:place], *folders[place + 1 :]]
    return "/".join([*kept, name])


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
    both = [group for group, of in parts.items() if len(of) > 1]
    if both:
        groups = counted(len(both), "group is", "groups are")
        listed = ", ".join(map(shown, both[:_LISTED]))
        notes.append(
            f"{groups} in several parts of the data, such as {listed}: the accuracy flatters"
        )
    return notes


def unit_keys(keys: Sequence[bytes], groups: Sequence[str | None]) -> list[bytes]:
    """Return for each picture a key of its group, or of what it shows if it is of none.

    Copies in several groups stay in theirs: a black frame would join all films otherwise.

    Args:
        keys: Of what each picture shows.
        groups: Of each, or None.
    """
    pairs = zip(keys, groups, strict=True)
    return [key if group is None else _digest(group) for key, group in pairs]


def _digest(group: str) -> bytes:
    return hashlib.blake2b(group.encode(errors="replace"), digest_size=16).digest()


def numbers_of(keys: Sequence[bytes], groups: Sequence[str | None]) -> Labels | None:
    """Return a number for each group, and for each picture of none and its copies.

    Args:
        keys: Of what each picture shows.
        groups: Of each, or None; nothing is returned if all are that.
    """
    if all(group is None for group in groups):
        return None
    seen: dict[bytes, int] = {}
    rows = [seen.setdefault(key, len(seen)) for key in unit_keys(keys, groups)]
    return torch.tensor(rows, dtype=torch.int64)


def folds_of_groups(labels: Labels, groups: Labels, of: int, seed: int) -> torch.Tensor:
    """Return the fold of each image, from 1, all of a group in one; 0 is that of no fold.

    Groups in turn, the largest first and in an order that is drawn among equals, go to the fold
    that then leaves every class the most evenly spread, as scikit-learn's StratifiedGroupKFold
    does. A class is never whole in one fold: a group that alone has images of a class is in none.

    Args:
        labels: Of the images.
        groups: A number each: those that have the same stay together.
        of: How many folds, of which some may stay empty: the last ones.
        seed: Of the order.
    """
    held = _Held(labels, groups)
    generator = torch.Generator().manual_seed(seed)
    order: list[int] = torch.randperm(held.count, generator=generator).tolist()
    order.sort(key=lambda number: -sum(held.counts[number]))
    folds = np.zeros(held.count, np.int64)
    filled = np.zeros((of, held.classes))
    for number in order:
        if number in held.alone:
            continue
        own, share = held.labels[number], held.shares(number)
        now = filled[:, own]
        # Of a class the mean over folds is the same wherever the group goes.
        squares = (now**2).sum(0) + 2 * share * now + share**2
        spread = squares / of - ((now.sum(0) + share) / of) ** 2
        before = (now**2).sum(0) / of - (now.sum(0) / of) ** 2
        gained = np.sqrt(spread.clip(0)) - np.sqrt(before.clip(0))
        fold = int(gained.sum(1).round(12).argmin())  # the first of equals
        filled[fold, own] += share
        folds[number] = fold + 1
    held.leave_each_a_side(folds)
    present = np.unique(folds[folds > 0])
    numbers = np.zeros(of + 1, np.int64)
    numbers[present] = np.arange(1, len(present) + 1)
    return torch.from_numpy(numbers[folds])[held.group]


def held_out_groups(labels: Labels, groups: Labels, share: float, seed: int) -> torch.Tensor:
    """Return which images to hold out, whole groups that are about a share of every class.

    Every class that several groups have is in it, where others leave it one, and never whole.

    Args:
        labels: Of the images.
        groups: See :func:`folds_of_groups`.
        share: Of each class.
        seed: Of the draw.

    Raises:
        DataError: If each class has a single group.
    """
    of = max(2, round(1 / share))
    folds = folds_of_groups(labels, groups, of, seed)
    counts = torch.zeros(of + 1, int(labels.max()) + 1, dtype=torch.float64)
    counts.index_put_((folds, labels), torch.ones(len(labels)).double(), accumulate=True)
    if not counts[1:].any():
        raise DataError("no group of images can be held out: each class has a single one")
    shares = counts / counts.sum(dim=0).clamp(min=1)
    off = (shares[1:] - share).abs().mean(dim=1)
    off[counts[1:].sum(dim=1) == 0] = torch.inf
    aside = folds == int(off.argmin()) + 1
    return _Held(labels, groups).with_each_class(aside)


class _Held:
    """Which classes each group holds, and how many images of them."""

    def __init__(self, labels: Labels, groups: Labels) -> None:
        _, self.group = groups.unique(return_inverse=True)
        self.count, self.classes = int(self.group.max()) + 1, int(labels.max()) + 1
        pairs, counts = (self.group * self.classes + labels).unique(return_counts=True)
        self.labels: list[list[int]] = [[] for _ in range(self.count)]
        self.counts: list[list[int]] = [[] for _ in range(self.count)]
        self.of_class: list[list[int]] = [[] for _ in range(self.classes)]
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            number, label = divmod(pair, self.classes)
            self.labels[number].append(label)
            self.counts[number].append(count)
            self.of_class[label].append(number)
        self.sizes = torch.bincount(labels, minlength=self.classes).tolist()
        self.alone = {own[0] for own in self.of_class if len(own) == 1}

    def shares(self, number: int) -> Values:
        """Return what share of each of its classes a group holds."""
        pairs = zip(self.labels[number], self.counts[number], strict=True)
        return np.array([count / self.sizes[label] for label, count in pairs])

    def leave_each_a_side(self, folds: Values) -> None:
        """Take out of its fold the smallest group of a class that would be in one fold alone."""
        for own in self.of_class:
            if own and (folds[own] == folds[own[0]]).all():
                folds[min(own, key=lambda number: sum(self.counts[number]))] = 0

    def with_each_class(self, aside: torch.Tensor) -> torch.Tensor:
        """Return the mask with a group more of each class that it lacks and may give one."""
        chosen = set(self.group[aside].tolist())
        for own in self.of_class:
            if len(own) < 2 or chosen.intersection(own):  # noqa: PLR2004
                continue
            for number in sorted(own, key=lambda number: sum(self.counts[number])):
                more = chosen | {number}
                if all(not more.issuperset(self.of_class[label]) for label in self.labels[number]):
                    chosen = more
                    break
        return torch.isin(self.group, torch.tensor(sorted(chosen), dtype=torch.int64))


def told_of_test(tested: Sequence[str | None]) -> list[str]:
    """Return a note of how many groups judge: pictures of one are no independent witnesses.

    Args:
        tested: The group of each test image.
    """
    found = {group for group in tested if group is not None}
    if not found:
        return []
    return [of_groups(len(tested), len(found))]
