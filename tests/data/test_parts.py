"""Folds are fair, fixed, apart, and never hold a test image."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smidgen.data import Data, Split
from smidgen.data.parts import fold_numbers, parts
from smidgen.data.parts import held_out as places_of
from smidgen.split_names import fold_name, require_split


def numbered(labels: torch.Tensor, first: int = 0) -> Split:
    rows = first + torch.arange(len(labels))
    levels = torch.stack([rows >> shift & 255 for shift in (0, 8, 16)], 1)
    return Split(levels.to(torch.uint8).view(-1, 1, 1, 3), labels)


def numbers(split: Split) -> list[int]:
    return (split.images.flatten(1).long() * torch.tensor([1, 256, 65_536])).sum(1).tolist()


@pytest.fixture
def data() -> Data:
    labels = torch.arange(47) % 3
    return Data("d", numbered(labels), numbered(labels[:9], 1000), ("a", "b", "c"))


def test_every_image_is_held_out_by_one_fold_and_trained_on_by_the_others(data: Data) -> None:
    seen: list[int] = []
    for number in range(1, 6):
        train, held_out = parts(data, fold_name(number, 5))
        assert held_out is not None
        assert sorted(numbers(train) + numbers(held_out)) == list(range(47))
        seen += numbers(held_out)
    assert sorted(seen) == list(range(47))


def test_no_split_holds_a_test_image(data: Data) -> None:
    for name in ("full", "selection", "fold-2-of-3", "fold-1-of-4-round-2"):
        for part in parts(data, name):
            assert part is None or max(numbers(part)) < 1000


def test_rounds_differ_and_the_same_round_does_not(data: Data) -> None:
    first, again = (parts(data, "fold-1-of-5")[1] for _ in range(2))
    other = parts(data, "fold-1-of-5-round-2")[1]
    assert first is not None
    assert again is not None
    assert other is not None
    assert numbers(first) == numbers(again)
    assert numbers(first) != numbers(other)


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    of=st.integers(2, 7),
    round_=st.integers(1, 5),
)
def test_folds_are_level_over_all_and_in_every_class(
    sizes: list[int], of: int, round_: int
) -> None:
    labels = torch.cat([torch.full((size,), number) for number, size in enumerate(sizes)])
    folds = fold_numbers(labels, of, round_)
    for number, size in enumerate(sizes):
        counts = torch.bincount(folds[labels == number], minlength=of + 1)
        if size == 1:
            assert counts[0] == 1
        else:
            assert counts[0] == 0
            assert counts[1:].max() - counts[1:].min() <= 1
    counts = torch.bincount(folds, minlength=of + 1)[1:]
    assert counts.max() - counts.min() <= 1


def test_copies_of_an_image_are_in_one_fold() -> None:
    once = numbered(torch.arange(30) % 3)
    places = torch.randperm(90, generator=torch.Generator().manual_seed(1)) % 30
    split = Split(once.images[places], once.labels[places])
    data = Data("d", split, split, ("a", "b", "c"))
    seen: list[int] = []
    for number in range(1, 6):
        for round_ in (1, 2):
            train, held_out = parts(data, fold_name(number, 5, round_))
            assert held_out is not None
            assert not set(numbers(train)) & set(numbers(held_out))
            assert len(held_out) == 18
            part, rows = places_of(data, fold_name(number, 5, round_))
            assert part == "train"
            assert numbers(held_out) == [numbers(split)[row] for row in rows.tolist()]
        seen += numbers(parts(data, fold_name(number, 5))[1] or split)
    assert sorted(set(seen)) == list(range(30))


@pytest.mark.parametrize(
    "name", ["test", "fold-0-of-5", "fold-6-of-5", "fold-1-of-1", "fold-1-of-5-round-0", "fold-a"]
)
def test_a_name_that_is_no_split_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"split must be one of .* got '{name}'"):
        require_split(name)
