"""Where pictures have come, those that a run knows stay on their sides, and others get one."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from smidgen.data.base import Data, Split
from smidgen.data.catalogue import TEST, TRAIN, VALIDATION
from smidgen.data.errors import DataError
from smidgen.data.known import Known, apart, keys_of, of_rows, together
from smidgen.data.splits import chosen, selection_mask
from smidgen.split_names import FULL, SELECTION

_FEWEST = 5  # images of groups, a tenth of which is one


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
    whole = together(apart(found))
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
        of_rows(found, whole, kept),
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
