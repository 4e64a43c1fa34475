"""Batches are whole, shuffled, normalised and in the memory format asked for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smidgen.data import Batches, Split, channel_statistics, normalise

CPU = torch.device("cpu")


def random_split(n: int, shape: tuple[int, int, int], classes: int = 5, seed: int = 0) -> Split:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)
    return Split(images, torch.randint(0, classes, (n,), generator=generator))


def batches(
    split: Split,
    batch_size: int,
    dtype: torch.dtype = torch.float32,
    channels_last: bool = True,
) -> Batches:
    mean, std = channel_statistics(split.images)
    return Batches(
        split,
        batch_size=batch_size,
        classes=5,
        mean=mean,
        std=std,
        device=CPU,
        dtype=dtype,
        channels_last=channels_last,
    )


def exact(split: Split) -> torch.Tensor:
    """Return the normalised images in float64, by torch's own statistics."""
    levels = split.images.double() / 255
    dims = (0, 2, 3)
    std = levels.std(dims, correction=0, keepdim=True)
    return (levels - levels.mean(dims, keepdim=True)) / torch.where(std == 0, 1.0, std)


def test_an_epoch_as_long_as_of_more_images_has_each_several_times() -> None:
    split = random_split(10, (1, 2, 2))
    split = Split(split.images, torch.arange(10))
    mean, std = channel_statistics(split.images)
    more = Batches(split, batch_size=16, classes=10, mean=mean, std=std, device=CPU, length=40)
    epoch = list(more.epoch(torch.Generator().manual_seed(0)))
    assert (len(more), [len(batch.targets) for batch in epoch]) == (2, [16, 16])
    seen = torch.cat([batch.targets.argmax(1) for batch in epoch])
    counts = torch.bincount(seen, minlength=10)
    assert set(counts.tolist()) == {3, 4}, "as evenly as 32 of 10 can"
    assert all(sorted(turn.tolist()) == list(range(10)) for turn in seen[:30].split(10))


shapes = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))


@given(n=st.integers(1, 20), shape=shapes, seed=st.integers(0, 9))
def test_statistics_agree_with_torch(n: int, shape: tuple[int, int, int], seed: int) -> None:
    images = random_split(n, shape, seed=seed).images
    levels = images.double() / 255
    mean, std = channel_statistics(images)
    torch.testing.assert_close(
        torch.tensor(mean).double(), levels.mean((0, 2, 3)), rtol=1e-6, atol=0
    )
    expected = levels.std((0, 2, 3), correction=0)
    torch.testing.assert_close(
        torch.tensor(std).double(), torch.where(expected == 0, 1.0, expected), rtol=1e-6, atol=0
    )


def test_statistics_of_a_constant_channel() -> None:
    images = torch.zeros(3, 2, 4, 4, dtype=torch.uint8)
    images[:, 1] = 51
    assert channel_statistics(images) == ((0.0, 0.2), (1.0, 1.0))


def test_statistics_are_exact_where_floats_cancel() -> None:
    """One pixel in ten million differs: float32, and float64 by E[x^2]-E[x]^2, lose digits."""
    images = torch.full((1, 1, 1, 10_000_000), 255, dtype=torch.uint8)
    images[0, 0, 0, 0] = 254
    share = 1e-7
    assert channel_statistics(images)[1][0] == pytest.approx(
        (share * (1 - share)) ** 0.5 / 255, rel=1e-12
    )


@given(n=st.integers(2, 12), shape=shapes, channels_last=st.booleans())
def test_in_order_is_every_image_normalised(
    n: int, shape: tuple[int, int, int], channels_last: bool
) -> None:
    split = random_split(n, shape)
    found = list(batches(split, 5, channels_last=channels_last).in_order())
    assert [len(labels) for _, labels in found] == [5] * (n // 5) + [n % 5] * (n % 5 > 0)
    torch.testing.assert_close(
        torch.cat([images for images, _ in found]).double(), exact(split), rtol=1e-5, atol=2e-6
    )
    assert torch.cat([labels for _, labels in found]).equal(split.labels)


def test_the_plain_function_agrees_bit_for_bit() -> None:
    split = random_split(40, (3, 8, 8))
    mean, std = channel_statistics(split.images)
    for dtype in (torch.float32, torch.bfloat16):
        ((images, _),) = batches(split, 40, dtype).in_order()
        assert images.equal(normalise(split.images, mean, std, dtype))


def test_half_precision_is_rounded_once() -> None:
    split = random_split(20, (3, 16, 16))
    ((full, _),) = batches(split, 20).in_order()
    ((half, _),) = batches(split, 20, torch.bfloat16).in_order()
    assert half.dtype == torch.bfloat16
    assert half.equal(full.to(torch.bfloat16))


@pytest.mark.parametrize("stored_channels_last", [True, False])
@pytest.mark.parametrize("channels_last", [True, False])
def test_memory_format(channels_last: bool, stored_channels_last: bool) -> None:
    split = random_split(8, (3, 6, 5))
    if stored_channels_last:
        images = split.images.contiguous(memory_format=torch.channels_last)
        split = Split(images, split.labels)
    made = batches(split, 4, channels_last=channels_last)
    wanted = torch.channels_last if channels_last else torch.contiguous_format
    for batch in made.epoch(torch.Generator()):
        assert batch.images.shape == (4, 3, 6, 5)
        assert batch.images.is_contiguous(memory_format=wanted)


def test_an_epoch_is_whole_batches_in_the_order_drawn() -> None:
    split = random_split(23, (1, 3, 3))
    made = batches(split, 5)
    assert len(made) == 4
    found = list(made.epoch(torch.Generator().manual_seed(3)))
    order = torch.randperm(23, generator=torch.Generator().manual_seed(3))[:20]
    assert [len(batch.images) for batch in found] == [5] * 4
    torch.testing.assert_close(
        torch.cat([batch.images for batch in found]).double(),
        exact(split)[order],
        rtol=1e-5,
        atol=1e-6,
    )
    targets = torch.cat([batch.targets for batch in found])
    assert targets.dtype == torch.float32
    assert targets.equal(torch.eye(5)[split.labels[order]])


def test_epochs_differ_and_repeat_by_their_generator() -> None:
    made = batches(random_split(50, (1, 2, 2)), 50)

    def epochs(seed: int) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [batch.images for _ in range(2) for batch in made.epoch(generator)]

    first, second = epochs(0)
    assert not first.equal(second)
    assert all(a.equal(b) for a, b in zip(epochs(0), (first, second), strict=True))
    assert not first.equal(epochs(1)[0])


def test_the_order_is_drawn_when_the_epoch_begins() -> None:
    """So that what a method draws from the same generator in between cannot change it."""
    made = batches(random_split(30, (1, 2, 2)), 10)
    plain = [batch.images for batch in made.epoch(torch.Generator().manual_seed(0))]
    generator = torch.Generator().manual_seed(0)
    disturbed: list[torch.Tensor] = []
    for batch in made.epoch(generator):
        disturbed.append(batch.images)
        torch.rand(7, generator=generator)
    assert all(a.equal(b) for a, b in zip(plain, disturbed, strict=True))


def test_a_batch_may_be_changed_without_changing_the_data() -> None:
    made = batches(random_split(10, (1, 2, 2)), 10)
    (before,) = (images.clone() for images, _ in made.in_order())
    for images, _ in made.in_order():
        images.zero_()
    for batch in made.epoch(torch.Generator()):
        batch.images.zero_()
        batch.targets.zero_()
    (after,) = (images for images, _ in made.in_order())
    assert before.equal(after)
    assert all(batch.targets.sum() == 10 for batch in made.epoch(torch.Generator()))


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    made = batches(random_split(7, (1, 2, 2)), 128)
    assert len(made) == 1
    assert [len(batch.images) for batch in made.epoch(torch.Generator())] == [7]


def test_arguments_out_of_range() -> None:
    split = random_split(4, (3, 2, 2))
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        batches(split, 0)
    with pytest.raises(ValueError, match="mean and std must be 3 numbers"):
        Batches(split, batch_size=2, classes=5, mean=(0.5,), std=(1.0,), device=CPU)
