"""The pictures that a run learned from, held out and was tested on, known by their pixels."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple, final

import torch
from torch import Tensor

from smidgen.data.base import Data, Split
from smidgen.data.catalogue import TEST, TRAIN, VALIDATION
from smidgen.data.errors import DataError
from smidgen.data.parts import held_out
from smidgen.data.splits import chosen, keys, selection_mask
from smidgen.split_names import FULL, SELECTION

_BYTES = 8  # of a key: of a million pictures, two that differ share one once in 37 million sets
_HELD_OUT = "held_out"
_FEWEST = 5  # images of groups, a tenth of which is one


@final
@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What tells the pictures of a run from others, and their sides.

    Args:
        parts: By name of the part, a key for each of its pictures (int64 n), in order.
        held_out: Which of the training part judged the run and were not learned (bool n).

    Raises:
        DataError: If they are not that.
    """

    parts: Mapping[str, Tensor]
    held_out: Tensor

    def __post_init__(self) -> None:
        if TRAIN not in self.parts or not {*self.parts} <= {TRAIN, TEST, VALIDATION}:
            raise DataError(f"known pictures must be of the parts of data, got {[*self.parts]}")
        if any(of.dtype != torch.int64 or of.ndim != 1 for of in self.parts.values()):
            raise DataError("keys of known pictures must be int64 n")
        if self.held_out.dtype != torch.bool or self.held_out.shape != self.parts[TRAIN].shape:
            raise DataError("held_out of known pictures must be bool, one a training picture")

    @staticmethod
    def of(data: Data, split: str) -> "Known":
        """Return the pictures of data that a run of a split is trained and judged on."""
        part, places = held_out(data, split)
        aside = torch.zeros(len(data.train), dtype=torch.bool)
        if part == TRAIN:
            aside[places] = True
        return Known({name: keys_of(of) for name, of in data.parts.items()}, aside)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        return {**self.parts, _HELD_OUT: self.held_out}

    @staticmethod
    def of_tensors(tensors: Mapping[str, Tensor]) -> "Known":
        """Return what :attr:`tensors` gave.

        Raises:
            DataError: If something is missing or of another kind.
        """
        parts = {name: of for name, of in tensors.items() if name != _HELD_OUT}
        return Known(parts, tensors.get(_HELD_OUT, torch.zeros(0)))

    @property
    def learned(self) -> frozenset[int]:
        """Keys of what was trained on."""
        return frozenset(self.parts[TRAIN][~self.held_out].tolist())

    @property
    def sides(self) -> dict[int, str]:
        """The side of each key: what was learned is, wherever else it was, too."""
        sides = dict.fromkeys(self._of(TEST), TEST)
        sides |= dict.fromkeys([*self._of(VALIDATION)], VALIDATION)
        sides |= dict.fromkeys(self.parts[TRAIN][self.held_out].tolist(), VALIDATION)
        return sides | dict.fromkeys(self.learned, TRAIN)

    def _of(self, part: str) -> list[int]:
        return self.parts[part].tolist() if part in self.parts else []


class Change(NamedTuple):
    """What became of the pictures of a run."""

    data: Data | None  # those of the run alone; None if one is gone
    came: int
    went: int


class Sided(NamedTuple):
    """Data on whose sides nothing has moved, and what is told of them."""

    data: Data
    split: str  # to train with: what judges is the validation part, or there is nothing
    known: int  # pictures of an earlier run among them
    new: tuple[int, ...]  # others, a class
    gone: int  # pictures that the earlier run knew and that are not among them
    judged: int  # known ones that are held out
    judged_new: int  # others
    moved: int  # known ones that lie in another part here than the side on which they stay


def keys_of(split: Split) -> Tensor:
    """Return a key of the pixels of each image (int64 n)."""
    found = [int.from_bytes(key[:_BYTES], signed=True) for key in keys(split)]
    return torch.tensor(found, dtype=torch.int64)


def together(parts: Iterable[Split]) -> Split:
    """Return the images of several parts as one; files and groups where all parts have them."""
    parts = list(parts)
    images = torch.cat([part.images.permute(0, 2, 3, 1) for part in parts]).permute(0, 3, 1, 2)
    files = tuple(chain(*(part.files for part in parts))) if all(p.files for p in parts) else ()
    groups = [part.groups for part in parts if part.groups is not None]
    return Split(
        images,
        torch.cat([part.labels for part in parts]),
        files,
        torch.cat(groups) if len(groups) == len(parts) else None,
    )


def compared(found: Data, known: Known) -> Change:
    """Return the pictures of a run out of data that hold them, in the parts and order of the run.

    Args:
        found: With the classes and the preprocessing of the run.
        known: Of the run.
    """
    whole = together(_apart(found))
    places: dict[int, list[int]] = {}
    for place, key in enumerate(keys_of(whole).tolist()):
        places.setdefault(key, []).append(place)
    wanted = Counter(chain(*(of.tolist() for of in known.parts.values())))
    went = sum(max(count - len(places.get(key, ())), 0) for key, count in wanted.items())
    came = sum(max(len(own) - wanted[key], 0) for key, own in places.items())
    if went:
        return Change(None, came, went)
    rows = {
        part: torch.tensor([places[key].pop(0) for key in of.tolist()], dtype=torch.int64)
        for part, of in known.parts.items()
    }
    return Change(_of_rows(found, whole, rows), came, went)


def sided(found: Data, before: Sequence[Known], *, full: bool) -> Sided:
    """Return data whose known pictures stay on their sides; others get one as always.

    What is learned is the training part, what judges the validation part. A picture of a group
    that is known goes where that is. A class of which a single new picture may be trained on has
    that learned: of others about a tenth, at least one, is held out.

    Args:
        found: As loaded.
        before: Of the run that is gone on with, and then of those that it began with.
        full: Whether nothing is held out, but for a validation part that the data have.

    Raises:
        DataError: If nothing is left to test on.
    """
    sides: dict[int, str] = {}
    for known in reversed(before):
        sides |= known.sides
    whole = together(_apart(found))
    own = keys_of(whole).tolist()
    there = list(chain(*([part] * len(of) for part, of in found.parts.items())))
    is_known = torch.tensor([key in sides for key in own])
    side = [sides.get(key, "") for key in own]
    _follow_groups(side, whole)
    drawn = found.validation is None and not full
    side = _with_new(side, there, whole, draw=drawn)
    if full and found.validation is None:
        side = [TRAIN if one == VALIDATION else one for one in side]
    rows = {part: _places(side, part) for part in (TRAIN, TEST, VALIDATION)}
    if not len(rows[TEST]):
        raise DataError(
            f"{found.name} must hold a picture to test on that the run before has not learned, got"
            " none: add some"
        )
    judges, held = rows[VALIDATION], torch.zeros(len(own), dtype=torch.bool)
    held[judges] = True
    kept = {part: of for part, of in rows.items() if len(of)}
    labels = whole.labels[~is_known]
    return Sided(
        _of_rows(found, whole, kept),
        SELECTION if len(judges) else FULL,
        int(is_known.sum()),
        tuple(torch.bincount(labels, minlength=len(found.classes)).tolist()),
        len(before[0].sides.keys() - set(own)) if before else 0,
        int((held & is_known).sum()),
        int((held & ~is_known).sum()),
        sum(map(_is_moved, side, there, is_known.tolist())),
    )


def in_order(data: Data, classes: tuple[str, ...]) -> Data:
    """Return data with the same classes in another order."""
    places = torch.tensor([classes.index(name) for name in data.classes])
    parts = {part: replace(of, labels=places[of.labels]) for part, of in data.parts.items()}
    return replace(data, classes=classes, fingerprint="", **parts)


def _is_moved(side: str, there: str, known: bool) -> bool:
    """Whether a known picture lies among those to test on and is none of them, or the reverse."""
    return known and (side == TEST) != (there == TEST)


def _apart(data: Data) -> list[Split]:
    """Return the parts of data, of which the training part is the test part if all judge."""
    return [of for part, of in data.parts.items() if part == TRAIN or of is not data.train]


def _places(side: Sequence[str], part: str) -> Tensor:
    found = [place for place, of in enumerate(side) if of == part]
    return torch.tensor(found, dtype=torch.int64)


def _follow_groups(side: list[str], whole: Split) -> None:
    """Give pictures that are new the side of their group, where that has one."""
    if whole.groups is None:
        return
    of_group: dict[int, str] = {}
    groups = whole.groups.tolist()
    for part in (TEST, VALIDATION, TRAIN):  # what one learned of, is learned
        of_group |= {g: part for g, one in zip(groups, side, strict=True) if one == part}
    side[:] = [one or of_group.get(g, "") for g, one in zip(groups, side, strict=True)]


def _with_new(side: list[str], there: list[str], whole: Split, *, draw: bool) -> list[str]:
    """Return sides of all: new ones are where they lie, and of those to train on some judge."""
    new = torch.tensor([not one and part == TRAIN for one, part in zip(side, there, strict=True)])
    side = [one or part for one, part in zip(side, there, strict=True)]
    if draw:
        new &= _of_several(whole, new)
        if new.any():
            rows = new.nonzero().flatten()
            for place in rows[selection_mask(chosen(whole, new))].tolist():
                side[place] = VALIDATION
    return side


def _of_several(whole: Split, new: Tensor) -> Tensor:
    """Return which images are of a class that has several new ones, or several groups of them."""
    pairs = whole.labels[new][:, None]
    if whole.groups is not None:
        if int(new.sum()) < _FEWEST:
            return torch.zeros_like(new)
        pairs = torch.stack([whole.labels[new], whole.groups[new]], dim=1).unique(dim=0)
    counts = torch.bincount(pairs[:, 0], minlength=int(whole.labels.max()) + 1)
    return counts[whole.labels] > 1


def _of_rows(found: Data, whole: Split, rows: Mapping[str, Tensor]) -> Data:
    """Return data with the parts that places in ``whole`` make."""
    parts = {part: _taken(whole, places) for part, places in rows.items()}
    if whole.groups is not None:  # their numbers are those that these pictures alone would have
        used, numbers = torch.cat([*rows.values()]).unique(), torch.zeros_like(whole.groups)
        numbers[used] = whole.groups[used].unique(return_inverse=True)[1]
        parts = {part: replace(of, groups=numbers[rows[part]]) for part, of in parts.items()}
    return replace(
        found,
        train=parts[TRAIN],
        test=parts.get(TEST, parts[TRAIN]),
        validation=parts.get(VALIDATION),
        fingerprint="",
    )


def _taken(whole: Split, places: Tensor) -> Split:
    images = whole.images.permute(0, 2, 3, 1).index_select(0, places).permute(0, 3, 1, 2)
    files = tuple(whole.files[place] for place in places.tolist()) if whole.files else ()
    groups = None if whole.groups is None else whole.groups[places]
    return Split(images, whole.labels[places], files, groups)
