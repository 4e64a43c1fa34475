"""A share of the training images: a smaller one lies within a larger one of the same seed."""

from math import ceil

import torch

from smidgen.data.base import Data, Split
from smidgen.data.errors import DataError
from smidgen.data.parts import parts
from smidgen.data.splits import chosen, firsts
from smidgen.tensors import Labels

_DIGITS = 1000  # parts of one that a share is told in


def learned(data: Data, split: str, share: float, seed: int) -> Split:
    """Return the images that a run learns from: a share of what its split trains on.

    Args:
        data: All of it.
        split: See :func:`smidgen.data.parts.parts`.
        share: In (0, 1].
        seed: Of the run.

    Raises:
        DataError: If a class would be left without an image.
    """
    return share_of(parts(data, split)[0], share, seed)


def share_of(split: Split, share: float, seed: int) -> Split:
    """Return a share of the images, evenly over the classes, in their old order.

    A seed puts all images in one order, and a share is the beginning of it: that of a smaller one
    lies within that of a larger one. Copies of an image are taken together, or those of a group.

    Args:
        split: What may be learned from.
        share: Of the images, in (0, 1]; to the nearest image, or group of them.
        seed: Of the order.

    Raises:
        DataError: If a class would be left without an image.
    """
    return split if share == 1 else chosen(split, share_mask(split, share, seed))


def share_mask(split: Split, share: float, seed: int) -> torch.Tensor:
    """Return which images :func:`share_of` takes.

    Raises:
        DataError: If a class would be left without an image.
    """
    together = firsts(split) if split.groups is None else split.groups
    _, unit = together.unique(return_inverse=True)
    order, first = _order(split.labels, unit, seed)
    sizes = torch.bincount(unit)[order].double()
    middles = sizes.cumsum(0) - sizes / 2  # one is taken if that brings the sum nearer
    taken = int((middles <= share * len(unit)).sum())
    if taken < first:
        least = ceil(_DIGITS * float(middles[first - 1]) / len(unit)) / _DIGITS
        does = f"{least:g} or more does" if first < len(middles) else "1 alone does"
        raise DataError(
            f"share must leave every class an image to learn from, got {share:g} of {len(unit):,}:"
            f" {does}"
        )
    return torch.isin(unit, order[:taken])


def _order(labels: Labels, unit: torch.Tensor, seed: int) -> tuple[torch.Tensor, int]:
    """Return units in the order in which shares take them, and how many the classes need.

    Units are drawn; each then stands where its images do, on average, among those of their class.
    In front is the first unit of each class.
    """
    generator = torch.Generator().manual_seed(seed)
    # neither the draws of the run's first epoch nor those of its wrong labels
    generator.manual_seed(int(torch.randint(2**62, (2,), generator=generator)[1]))
    sizes, counts = torch.bincount(unit), torch.bincount(labels)
    rank = torch.randperm(len(sizes), generator=generator)
    drawn = rank[unit].argsort(stable=True)
    by_class = drawn[labels[drawn].argsort(stable=True)]
    place = torch.empty(len(unit), dtype=torch.float64)
    begins = counts.cumsum(0) - counts
    place[by_class] = (torch.arange(len(unit)) - begins[labels[by_class]]).double()
    stands = (place + 0.5) / counts[labels]
    stands = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, unit, stands) / sizes
    order = rank.argsort()
    order = order[stands[order].argsort(stable=True)]
    at = order.argsort()
    earliest = torch.full((len(counts),), len(sizes)).scatter_reduce_(0, labels, at[unit], "amin")
    first = earliest[counts > 0].unique()  # sorted
    return torch.cat([order[first], order[~torch.isin(torch.arange(len(order)), first)]]), len(
        first
    )
