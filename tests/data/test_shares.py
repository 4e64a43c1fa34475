"""A share of the training images is fair, nested, and keeps together what belongs together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.data.test_splits import numbered, numbers

from smidgen.data import DataError, Split, load
from smidgen.data.parts import fold_numbers, parts
from smidgen.data.shares import learned, share_mask, share_of
from smidgen.data.splits import copies_together

DIGITS = load("digits")
SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=8)


def of_sizes(sizes: list[int]) -> Split:
    return numbered(torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)))


def counted(split: Split) -> list[int]:
    return torch.bincount(split.labels).tolist()


@given(sizes=SIZES, seed=st.integers(0, 99), shares=st.tuples(*[st.floats(0.02, 1.0)] * 2))
def test_a_smaller_share_lies_within_a_larger_one(
    sizes: list[int], seed: int, shares: tuple[float, float]
) -> None:
    split = of_sizes(sizes)
    try:
        less, more = (set(numbers(share_of(split, of, seed)).tolist()) for of in sorted(shares))
    except DataError:
        assert round(min(shares) * len(split)) <= len(sizes)
        return
    assert less <= more


@given(sizes=SIZES, seed=st.integers(0, 99), share=st.floats(0.02, 0.99))
def test_every_class_has_its_share_and_an_image(sizes: list[int], seed: int, share: float) -> None:
    split = of_sizes(sizes)
    if share * len(split) < len(sizes):
        return
    found = share_of(split, share, seed)
    assert abs(len(found) - share * len(split)) <= 0.5
    of_class = counted(found)
    assert min(of_class) >= 1
    assert len(of_class) == len(sizes)
    if share * min(sizes) >= 1:  # no class was below one image
        pairs = zip(of_class, sizes, strict=True)
        assert all(abs(own - share * size) <= 1 for own, size in pairs)


def test_a_seed_draws_its_own_images_and_all_of_them_are_the_same() -> None:
    split = of_sizes([40, 40])
    one, other = (set(numbers(share_of(split, 0.5, seed)).tolist()) for seed in (0, 1))
    assert 10 < len(one & other) < 30
    assert share_of(split, 1.0, 0) is split


def test_copies_are_taken_together() -> None:
    split = of_sizes([12, 12])
    twice = Split(split.images.repeat(2, 1, 1, 1), split.labels.repeat(2))
    first, second = share_mask(twice, 0.5, 3).chunk(2)
    assert torch.equal(first, second)
    assert first.sum() == 12


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_the_pictures_of_a_person_are_taken_together(share: float) -> None:
    """Twelve people, each with pictures of both classes, or of one."""
    groups = torch.arange(12).repeat_interleave(6)
    labels = torch.where(groups < 8, torch.arange(72) % 2, groups % 2)
    split = Split(numbered(labels).images, labels, groups=groups)
    mask = share_mask(split, share, 1)
    taken = mask.view(12, 6).sum(1)
    assert set(taken.tolist()) <= {0, 6}
    assert mask.sum() == round(share * 12) * 6
    zeros, ones = counted(Split(split.images[mask], labels[mask]))
    assert abs(zeros - ones) <= 6


def test_a_share_without_an_image_of_a_class_is_refused_and_one_that_does_is_named() -> None:
    split = of_sizes([30, 3, 3])
    with pytest.raises(DataError, match=r"to learn from, got 0\.05 of 36") as of:
        share_of(split, 0.05, 0)
    least = float(str(of.value).split(": ")[1].split()[0])
    assert counted(share_of(split, least, 0)) == [1, 1, 1]
    with pytest.raises(DataError, match=r"got 0\.5 of 2: 1 alone does"):
        share_of(of_sizes([1, 1]), 0.5, 0)


@pytest.mark.parametrize("split", ["full", "selection", "fold-2-of-5"])
def test_what_is_held_out_is_no_part_of_any_share(split: str) -> None:
    own, held_out = parts(DIGITS, split)
    some = learned(DIGITS, split, 0.5, 0)
    assert len(some) == pytest.approx(len(own) / 2, abs=1)
    keys = {image.numpy().tobytes() for image in own.images}
    assert {image.numpy().tobytes() for image in some.images} <= keys
    if held_out is not None:
        assert not {image.numpy().tobytes() for image in some.images} & {
            image.numpy().tobytes() for image in held_out.images
        }


def test_a_share_is_drawn_apart_from_the_folds_and_the_first_epoch() -> None:
    split = of_sizes([100])
    folds = copies_together(split, lambda labels: fold_numbers(labels, 2, 1))
    mask = share_mask(split, 0.5, 0)
    assert 10 < int((mask & (folds == 1)).sum()) < 40
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert 10 < int(mask[order[:50]].sum()) < 40
