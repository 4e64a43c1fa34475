"""Cutout: a square of the side asked for, elsewhere in every image, clipped at the borders."""

import warnings

import pytest
import torch

from smidgen import zoo
from smidgen.data import load
from smidgen.layers import Shape
from smidgen.methods import Cutout, parse, tell_hidden
from smidgen.recipe import Recipe
from smidgen.tensors import Batch
from smidgen.train import train


def holes(length: int, *, n: int = 2000, side: int = 32, seed: int = 0) -> torch.Tensor:
    """Return which pixels were cut: n, side, side."""
    batch = Batch(torch.ones(n, 3, side, side), torch.ones(n, 1))
    cut = Cutout(length).transform(batch, 0.0, torch.Generator().manual_seed(seed)).images == 0
    assert torch.equal(cut[:, 0], cut[:, 2]), "all channels are cut alike"
    return cut[:, 0]


@pytest.mark.parametrize("length", [1, 4, 5, 9, 10, 31])
def test_a_hole_is_a_square_clipped_at_the_borders(length: int) -> None:
    cut = holes(length)
    tall, wide = cut.any(2).sum(1), cut.any(1).sum(1)
    assert torch.equal(cut.sum((1, 2)), tall * wide), "a full rectangle"
    assert tall.max() == wide.max() == length
    assert tall.min() == wide.min() == length - length // 2, "the centre is inside the image"
    inside = ~(cut[:, 0].any(1) | cut[:, -1].any(1) | cut[:, :, 0].any(1) | cut[:, :, -1].any(1))
    assert (cut[inside].sum((1, 2)) == length**2).all()
    assert inside.any() == (length < 31)


@pytest.mark.parametrize("length", [1, 5, 10, 40, 900])
def test_what_is_hidden_on_average_is_what_is_cut(length: int) -> None:
    share = Cutout(length).hidden(32, 32)
    assert share == pytest.approx(float(holes(length).float().mean()), abs=0.01)


def test_another_hole_for_every_image() -> None:
    assert len(torch.unique(holes(10, n=64).flatten(1), dim=0)) > 50


def test_probabilities_are_those_of_the_stated_convention() -> None:
    # the square covers centre - 5 .. centre + 4, and the centre is uniform over 32 pixels
    share = holes(10, n=10_000).float().mean(0)
    assert float(share[16, 16]) == pytest.approx((10 / 32) ** 2, abs=0.01)  # 0.0977
    assert float(share[0, 0]) == pytest.approx((6 / 32) ** 2, abs=0.005)  # 0.0352
    assert float(share[31, 31]) == pytest.approx((5 / 32) ** 2, abs=0.005)  # 0.0244
    assert float(share[0, 31]) == pytest.approx(6 / 32 * 5 / 32, abs=0.005)


def test_what_is_not_cut_stays_bit_for_bit() -> None:
    images = torch.randn(16, 3, 9, 11, generator=torch.Generator().manual_seed(1))
    after = Cutout(4).transform(Batch(images, torch.ones(16, 1)), 0.0, torch.Generator()).images
    assert torch.equal(after[after != 0], images[after != 0])
    assert 0 < int((after == 0).sum()) <= 16 * 3 * 16


def test_a_square_larger_than_the_image_may_hide_all_of_it() -> None:
    assert holes(100, n=50, side=8).all()


def test_targets_stay() -> None:
    targets = torch.eye(4)
    after = Cutout().transform(Batch(torch.ones(4, 1, 8, 8), targets), 0.0, torch.Generator())
    assert torch.equal(after.targets, targets)


@pytest.mark.parametrize(
    ("text", "shape", "said"),
    [
        ("cutout(length=900)", (32, 32), "cutout(length=900) hides 100 % of images of 32x32 on"),
        ("cutout", (8, 8), "cutout hides 74 % of images of 8x8 on average, and the net learns"),
        ("crop", (1, 96), ""),  # of which it moves columns alone
        ("crop(padding=40)", (32, 32), "a smaller padding than 40 leaves more"),
        ("cutout(length=3), crop(padding=1), flip, random-erasing, affine", (8, 8), ""),
        ("cutout, crop", (28, 28), ""),
    ],
)
def test_methods_that_hide_an_image_are_told(text: str, shape: tuple[int, int], said: str) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        tell_hidden(parse(text), *shape)
    assert len(heard) == bool(said)
    assert all(said in str(warning.message) for warning in heard)


def test_training_tells_it() -> None:
    digits = load("digits")
    net = zoo.net("mnist-1k5-dw").fitted(Shape(*digits.shape), 10)
    with pytest.raises(UserWarning, match="cutout hides 74 %"):
        train(net, digits, methods=[Cutout()], recipe=Recipe(epochs=1))
