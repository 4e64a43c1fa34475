"""Crop and flip: whole pixels move, nothing else happens to them."""

import pytest
import torch
import torch.nn.functional as F

from smidgen.methods import Crop, Flip
from smidgen.tensors import Batch


def numbered(n: int, *, channels: int = 2) -> Batch:
    """No two pixels of a batch are alike."""
    images = torch.arange(1.0, n * channels * 42 + 1).view(n, channels, 6, 7)
    return Batch(images, torch.eye(n))


def shift_of(before: torch.Tensor, after: torch.Tensor, reach: int) -> tuple[int, int]:
    """Return by how many pixels an image was moved, found by trying all of them."""
    padded = F.pad(before, [reach] * 4)
    for down in range(2 * reach + 1):
        for across in range(2 * reach + 1):
            if torch.equal(after, padded[:, down : down + 6, across : across + 7]):
                return down - reach, across - reach
    raise AssertionError("not a shift of the image")


@pytest.mark.parametrize("padding", [1, 2, 4])
def test_crop_shifts_each_image_by_any_offset_alike_in_all_channels(padding: int) -> None:
    batch = numbered(64)
    after = Crop(padding).transform(batch, 0.0, torch.Generator().manual_seed(0)).images
    shifts = [shift_of(b, a, padding) for b, a in zip(batch.images, after, strict=True)]
    expected = set(range(-padding, padding + 1))
    assert {down for down, _ in shifts} == {across for _, across in shifts} == expected
    assert len(set(shifts)) > 8, "down and across are drawn apart, for every image"


def test_crop_offsets_are_uniform() -> None:
    batch = Batch(torch.ones(1, 1, 5, 5).expand(9000, 1, 5, 5), torch.ones(9000, 1))
    after = Crop(1).transform(batch, 0.0, torch.Generator().manual_seed(0)).images
    empty_top = float((after[:, 0, 0].amax(1) == 0).float().mean())
    assert empty_top == pytest.approx(1 / 3, abs=0.02)


def test_flip_mirrors_left_and_right_and_leaves_the_rest() -> None:
    batch = numbered(400)
    after = Flip(0.25).transform(batch, 0.0, torch.Generator().manual_seed(0)).images
    kept = (after == batch.images).flatten(1).all(1)
    mirrored = (after == batch.images.flip(3)).flatten(1).all(1)
    assert (kept ^ mirrored).all()
    assert float(mirrored.float().mean()) == pytest.approx(0.25, abs=0.06)


def test_flip_of_all_is_the_mirror() -> None:
    batch = numbered(5)
    after = Flip(1.0).transform(batch, 0.0, torch.Generator())
    assert torch.equal(after.images, batch.images.flip(3))
    assert torch.equal(after.targets, batch.targets)


@pytest.mark.parametrize("probability", [0.0, -0.1, 1.1])
def test_flip_refuses_what_is_no_probability_or_does_nothing(probability: float) -> None:
    with pytest.raises(ValueError, match=r"flip probability must be in \(0, 1\], got"):
        Flip(probability)


def test_crop_refuses_no_padding() -> None:
    with pytest.raises(ValueError, match=r"crop padding must be >= 1, got 0"):
        Crop(0)
