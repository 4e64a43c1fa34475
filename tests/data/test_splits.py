"""What is held out is fair, fixed and apart."""

import tracemalloc

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smidgen.data import Data, DataError, Split, selection_split
from smidgen.data.catalogue import Arrays, Catalogue, Part, Wish
from smidgen.data.inspection import inspected
from smidgen.data.splits import chosen, divided, mislabelled, stratified


def numbered(labels: torch.Tensor) -> Split:
    """Return images that hold their own number, in four bytes."""
    rows = torch.arange(len(labels))
    levels = torch.stack([rows >> shift & 255 for shift in (0, 8, 16)], 1)
    return Split(levels.to(torch.uint8).view(-1, 1, 1, 3), labels)


def numbers(split: Split) -> torch.Tensor:
    return (split.images.flatten(1).long() * torch.tensor([1, 256, 65_536])).sum(1)


sizes_of_classes = st.lists(st.integers(2, 60), min_size=1, max_size=8)


@given(sizes=sizes_of_classes, seed=st.integers(0, 99), share=st.sampled_from([0.1, 0.2]))
def test_every_class_gives_its_share(sizes: list[int], seed: int, share: float) -> None:
    labels = torch.cat([torch.full((size,), number) for number, size in enumerate(sizes)])
    count = round(share * len(labels))
    mask = stratified(labels, count, seed)
    assert mask.sum() == max(count, len(sizes))
    given = torch.bincount(labels[mask], minlength=len(sizes)).tolist()
    for size, of_class in zip(sizes, given, strict=True):
        assert 1 <= of_class < size
        if count * min(sizes) >= len(labels):  # no class was below one image
            assert abs(of_class - size * count / len(labels)) < 1


def test_a_class_never_gives_its_last_image() -> None:
    labels = torch.tensor([0, 0, 1, 1, 1])
    assert torch.bincount(labels[stratified(labels, 5, 0)]).tolist() == [1, 2]


@given(sizes=sizes_of_classes, seed=st.integers(0, 99))
def test_divided_loses_nothing_and_keeps_the_order(sizes: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.full((size,), number) for number, size in enumerate(sizes)])
    split = numbered(labels[torch.randperm(len(labels), generator=generator)])
    kept, aside = divided(split, len(sizes), seed)
    for part in (kept, aside):
        assert (numbers(part).diff() > 0).all()
        assert (split.labels[numbers(part)] == part.labels).all()
    assert torch.cat([numbers(kept), numbers(aside)]).sort().values.equal(torch.arange(len(split)))


@pytest.mark.parametrize(
    ("n", "held"), [(50_000, 5_000), (70_000, 5_000), (49_000, 4_900), (20_000, 2_000), (30, 10)]
)
def test_how_many_are_held_out(n: int, held: int) -> None:
    train, chosen = selection_split(numbered(torch.arange(n) % 10))
    assert (len(train), len(chosen)) == (n - held, held)


def test_the_selection_is_the_same_in_every_run() -> None:
    split = numbered(torch.arange(5_000) % 7)
    torch.manual_seed(1)
    first = numbers(selection_split(split)[1])
    torch.manual_seed(2)
    assert first.equal(numbers(selection_split(split)[1]))
    assert not first.equal(numbers(selection_split(split, seed=1)[1]))
    # The very images, so that a change of the seed or of the drawing is noticed.
    assert first[:6].tolist() == [3, 23, 36, 38, 41, 53]


def test_the_selection_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    selection_split(numbered(torch.arange(100) % 2))
    assert torch.get_rng_state().equal(before)


def test_a_class_of_one_image_cannot_be_divided() -> None:
    with pytest.raises(DataError, match=r"2 images .* got 1 of class 1"):
        selection_split(numbered(torch.tensor([0, 0, 0, 1])))


def test_what_shares_leave_over_goes_to_the_largest_remainders() -> None:
    sizes = [4, 8, 8, 7]  # of 6 in 27: 0.89, 1.78, 1.78, 1.56
    labels = torch.cat([torch.full((size,), number) for number, size in enumerate(sizes)])
    given = torch.bincount(labels[stratified(labels, 6, 0)]).tolist()
    assert given == [1, 2, 2, 1]


def copied(counts: list[list[int]]) -> Split:
    """Return images that differ, each with its own number of copies, by class; copies mixed up."""
    pairs = [
        (10 * label + number, label)
        for label, of_class in enumerate(counts)
        for number, copies in enumerate(of_class)
        for _ in range(copies)
    ]
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(3)).tolist()
    levels = torch.tensor([pairs[place][0] for place in order], dtype=torch.uint8)
    labels = torch.tensor([pairs[place][1] for place in order])
    return Split(levels.view(-1, 1, 1, 1).expand(-1, 1, 2, 2), labels)


def levels(split: Split) -> set[int]:
    return set(split.images[:, 0, 0, 0].tolist())


@given(
    counts=st.lists(st.lists(st.integers(1, 4), min_size=2, max_size=9), min_size=1, max_size=5),
    seed=st.integers(0, 30),
)
def test_copies_of_an_image_are_never_on_both_sides(counts: list[list[int]], seed: int) -> None:
    split = copied(counts)
    train, chosen = selection_split(split, seed)
    assert not levels(train) & levels(chosen)
    assert levels(train) | levels(chosen) == levels(split)
    assert chosen.labels.unique().tolist() == train.labels.unique().tolist()


def test_copies_in_two_classes_stay_together() -> None:
    split = copied([[1] * 10, [1] * 10])
    images = torch.cat([split.images, split.images])
    labels = torch.cat([split.labels, 1 - split.labels])
    train, chosen = selection_split(Split(images, labels))
    assert not levels(train) & levels(chosen)


def test_a_class_of_copies_of_one_image_is_trained_on() -> None:
    train, chosen = selection_split(copied([[1] * 9, [5]]))
    assert chosen.labels.tolist() == [0]
    assert (train.labels == 1).sum() == 5


def test_where_all_is_copies_some_are_held_out_all_the_same() -> None:
    assert len(selection_split(copied([[6], [6]]))[1]) == 2


def test_a_class_of_two_copies_of_one_image_is_trained_on() -> None:
    pixels = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1)
    pixels[5] = pixels[4]
    train, aside = selection_split(Split(pixels, torch.tensor([0, 0, 0, 0, 1, 1])))
    assert (train.labels == 1).sum() == 2
    assert aside.labels.tolist() == [0]


def test_wrong_labels_are_as_many_as_asked_and_all_of_them_wrong() -> None:
    split = Split(torch.zeros(1000, 1, 2, 2, dtype=torch.uint8), torch.arange(1000) % 4)
    found = mislabelled(split, 4, 0.3, seed=1)
    wrong = found.labels != split.labels
    assert int(wrong.sum()) == 300
    assert torch.equal(found.labels, mislabelled(split, 4, 0.3, seed=1).labels)
    assert not torch.equal(found.labels, mislabelled(split, 4, 0.3, seed=2).labels)
    assert set(found.labels.unique().tolist()) == {0, 1, 2, 3}
    steps = torch.bincount((found.labels - split.labels)[wrong] % 4, minlength=4)
    assert steps[0] == 0
    assert min(steps[1:].tolist()) > 70
    more = mislabelled(split, 4, 0.6, seed=1).labels != split.labels
    assert bool(more[wrong].all())
    assert torch.equal(mislabelled(split, 4, 0.0, seed=1).labels, split.labels)
    assert bool((mislabelled(split, 4, 1.0, seed=1).labels != split.labels).all())


def test_wrong_labels_need_another_class() -> None:
    split = Split(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(DataError, match="at least 2 classes, got 1"):
        mislabelled(split, 1, 0.5, seed=0)
    assert mislabelled(split, 2, 1.0, seed=0).labels.tolist() == [1, 1, 1]


def test_copies_are_counted_without_a_copy_of_all_images() -> None:
    images = torch.randint(256, (300, 3, 64, 64), dtype=torch.uint8)
    images[1] = images[0]
    split = Split(images, torch.arange(300) % 2)
    data = Data("noise", split, chosen(split, torch.arange(300) < 2), ("cat", "dog"))
    pictures = Arrays(images.permute(0, 2, 3, 1).numpy(), str)
    catalogue = Catalogue({"train": Part(pictures, ["cat", "dog"] * 150)})
    tracemalloc.start()
    try:
        found = inspected(data, catalogue, Wish())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.copies == 3
    assert most < images.nbytes / 2
