"""Setting images aside, a fair share of every class, copies together."""

import hashlib
from collections.abc import Callable, Iterator

import torch

from smidgen.data.base import Split
from smidgen.data.errors import DataError
from smidgen.data.groups import held_out_groups
from smidgen.tensors import Labels

SELECTION_SEED = 20_11  # fixed, so that every run of every study selects on the same images
LARGE = 50_000  # training images of MNIST and CIFAR-10 and above: a round number is held out
HELD_OUT_OF_LARGE = 5_000
HELD_OUT_SHARE = 0.1


def selection_split(split: Split, seed: int = SELECTION_SEED) -> tuple[Split, Split]:
    """Return what choices are trained on and what they are made on, both out of ``split``.

    5,000 images are held out of 50,000 or more, otherwise 10 %, and at least one a class. Copies of
    an image are on one side, or else those of a group; a class of nothing but copies of one, or of
    one group, is trained on.

    Args:
        split: The training images.
        seed: Which images; not to be taken from a run's seed.

    Raises:
        DataError: If a class has a single image.
    """
    aside = selection_mask(split, seed)
    return chosen(split, ~aside), chosen(split, aside)


def selection_mask(split: Split, seed: int = SELECTION_SEED) -> torch.Tensor:
    """Return which images :func:`selection_split` holds out."""

    def drawn(labels: Labels) -> torch.Tensor:
        return stratified(labels, _held_out(len(labels)), seed)

    if split.groups is None:
        return copies_together(split, drawn)
    share = _held_out(len(split)) / len(split)
    return held_out_groups(split.labels, split.groups, share, seed)


def _held_out(count: int) -> int:
    return HELD_OUT_OF_LARGE if count >= LARGE else round(HELD_OUT_SHARE * count)


def copies_together(split: Split, drawn: Callable[[Labels], torch.Tensor]) -> torch.Tensor:
    """Return what is drawn for each image of ``split``, the same for all copies of one.

    The first of equal images is drawn for. A class that has but one image, in copies, takes no
    part and gets 0, unless that is so of every class: then each image is drawn for.

    Args:
        split: The images.
        drawn: From the labels of images that differ to a value of each.
    """
    first = firsts(split)
    own = first.unique()
    if len(own) == len(first):
        return drawn(split.labels)
    counts = torch.bincount(split.labels[own])
    alone = (counts == 1) & (torch.bincount(split.labels, minlength=len(counts))[: len(counts)] > 1)
    own = own[~alone[split.labels[own]]]
    if not len(own):
        return drawn(split.labels)
    values = drawn(split.labels[own])
    found = torch.zeros(len(first), dtype=values.dtype)
    found[own] = values
    return found[first]


def firsts(split: Split) -> torch.Tensor:
    """Return for each image the place of the first one with the same pixels."""
    seen: dict[bytes, int] = {}
    return torch.tensor([seen.setdefault(key, place) for place, key in enumerate(keys(split))])


def keys(split: Split) -> Iterator[bytes]:
    """Yield a hash of the pixels of each image."""
    rows = split.images.permute(0, 2, 3, 1).contiguous().flatten(1).numpy()
    return (hashlib.blake2b(row.data, digest_size=16).digest() for row in rows)


def divided(split: Split, count: int, seed: int) -> tuple[Split, Split]:
    """Return ``split`` without some ``count`` images of it, and those; each in its old order."""
    aside = stratified(split.labels, count, seed)
    return chosen(split, ~aside), chosen(split, aside)


def mislabelled(split: Split, classes: int, share: float, seed: int) -> Split:
    """Return ``split`` with a share of wrong labels, each one of the others with equal chance.

    Args:
        split: What is learned from.
        classes: How many there are.
        share: Of the images, in [0, 1]; rounded to a whole number of them.
        seed: Of the draws; which images are hit for a smaller share are hit for a larger one.

    Raises:
        DataError: If there is no other label.
    """
    if classes < 2:  # noqa: PLR2004
        raise DataError(f"wrong labels need at least 2 classes, got {classes}")
    generator = torch.Generator().manual_seed(seed)
    # a run draws the order of its first epoch from its seed: those hit would be the first in it
    generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
    order = torch.randperm(len(split), generator=generator)
    steps = torch.randint(1, classes, (len(split),), generator=generator)
    hit = order[: round(share * len(split))]
    labels = split.labels.clone()
    labels[hit] = (labels[hit] + steps[hit]) % classes
    return Split(split.images, labels, split.files, split.groups)


def stratified(labels: Labels, count: int, seed: int) -> torch.Tensor:
    """Return a mask over ``labels`` that sets ``count`` of them aside, evenly over the classes.

    Each class gives its share, rounded so that the sum is ``count`` (largest remainders), but at
    least one image and never its last: so the sum is more than ``count`` where that is below the
    number of classes.

    Raises:
        DataError: If a class has a single image.
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.bincount(labels).tolist()
    shares = _shares(sizes, count)
    mask = torch.zeros(len(labels), dtype=torch.bool)
    for number, share in enumerate(shares):
        members = (labels == number).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator)
        mask[members[order[:share]]] = True
    return mask


def _shares(sizes: list[int], count: int) -> list[int]:
    total = sum(sizes)
    for number, size in enumerate(sizes):
        if size == 1:
            raise DataError(
                f"every class must have 2 images for one to be set aside, got 1 of class {number}"
            )
    present = [number for number, size in enumerate(sizes) if size]
    exact = [size * count / total for size in sizes]
    shares = [int(share) for share in exact]
    by_remainder = sorted(present, key=lambda number: shares[number] - exact[number])
    for number in by_remainder[: count - sum(shares)]:
        shares[number] += 1
    for number in present:
        shares[number] = min(max(shares[number], 1), sizes[number] - 1)
    while sum(shares) > max(count, len(present)):  # what the smallest classes gained
        shares[shares.index(max(shares))] -= 1
    return shares


def chosen(split: Split, mask: torch.Tensor) -> Split:
    """Return the images that a mask (n) names, with their files."""
    rows = mask.nonzero().flatten()
    # Selecting whole rows in the order they are stored in is several times faster.
    images = split.images.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
    files = tuple(split.files[row] for row in rows.tolist()) if split.files else ()
    groups = None if split.groups is None else split.groups[rows]
    return Split(images, split.labels[rows], files, groups)
