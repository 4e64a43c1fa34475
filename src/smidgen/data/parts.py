"""Which images a run is trained on and judged on, by the name of its split."""

import torch

from smidgen.data.base import Data, Split
from smidgen.data.errors import DataError
from smidgen.data.groups import folds_of_groups
from smidgen.data.splits import (
    SELECTION_SEED,
    chosen,
    copies_together,
    selection_mask,
    selection_split,
)
from smidgen.sizes import and_others
from smidgen.split_names import FULL, SELECTION, fold_of, require_split


def parts(data: Data, name: str) -> tuple[Split, Split | None]:
    """Return what a split trains on, and what it holds out for judging; never a test image.

    ``full`` trains on everything and holds nothing out. ``selection`` holds the validation part
    out if the data have one, else a fixed share, see :func:`selection_split`. A fold holds out its
    own share, evenly over the classes.

    Raises:
        ValueError: If the name is unknown.
        DataError: If there are too few images.
    """
    require_split(name)
    if name == FULL:
        return data.train, None
    if name == SELECTION:
        if data.validation is not None:
            return data.train, data.validation
        _require_two(data)
        return selection_split(data.train)
    aside = _fold(data.train, name)
    if not aside.any() or aside.all():
        raise DataError(_told_empty(data, name))
    return chosen(data.train, ~aside), chosen(data.train, aside)


def held_out(data: Data, name: str) -> tuple[str, torch.Tensor]:
    """Return the part of ``data`` that a split's held-out images are of, and their places there.

    They come in the order in which :func:`parts` gives the images; of ``full`` there are none.
    """
    require_split(name)
    if name == FULL:
        return "train", torch.zeros(0, dtype=torch.int64)
    if name == SELECTION:
        if data.validation is not None:
            return "validation", torch.arange(len(data.validation))
        return "train", selection_mask(data.train).nonzero().flatten()
    return "train", _fold(data.train, name).nonzero().flatten()


def _told_empty(data: Data, name: str) -> str:
    """Return what to say of a fold that holds no image, or all."""
    groups = data.train.groups
    count, what = len(data.train), "training images"
    if groups is not None:
        count, what = len(groups.unique()), "groups of training images"
    return f"{name} holds nothing out, or all: {data.name} has {count:,} {what}, choose fewer folds"


def _fold(split: Split, name: str) -> torch.Tensor:
    fold = fold_of(name)
    assert fold is not None, "require_split took the name for that of a fold"
    number, of, round_ = fold
    return folds_of(split, of, round_) == number


def folds_of(split: Split, of: int, round_: int) -> torch.Tensor:
    """Return the fold of every image, see :func:`fold_numbers`; copies of one are in one fold.

    Where images have groups, those of one are: :func:`smidgen.data.groups.folds_of_groups`.
    """
    if split.groups is not None:
        return folds_of_groups(split.labels, split.groups, of, SELECTION_SEED + round_ - 1)
    return copies_together(split, lambda labels: fold_numbers(labels, of, round_))


def fold_numbers(labels: torch.Tensor, of: int, round_: int) -> torch.Tensor:
    """Return the fold of every image, counted from 1; 0 is that of no fold.

    The images of a class go to the folds in turn, in an order drawn from the round, and the next
    class goes on where the one before ended, so that the folds are level too. A class of a single
    image is never held out.
    """
    generator = torch.Generator().manual_seed(SELECTION_SEED + round_ - 1)
    folds, place = torch.zeros_like(labels), 0
    for number in range(int(labels.max()) + 1):
        members = (labels == number).nonzero().flatten()
        if len(members) > 1:
            order = members[torch.randperm(len(members), generator=generator)]
            folds[order] = (torch.arange(len(members)) + place) % of + 1
            place += len(members)
    return folds


def _require_two(data: Data) -> None:
    counts = torch.bincount(data.train.labels, minlength=len(data.classes)).tolist()
    single = [name for name, count in zip(data.classes, counts, strict=True) if count == 1]
    if single:
        more = and_others(len(single) - 1)
        raise DataError(
            f"class {single[0]!r} of {data.name} has 1 training image, and one must be held out to "
            f"choose on{more}: add images of it, leave the class out, or train with --full"
        )
