"""Random erasing: a rectangle that fits, of the area and shape asked for, full of noise."""

from math import log

import pytest
import torch
from tests.methods.conftest import seeded

from smidgen.methods import RandomErasing
from smidgen.tensors import Batch


def erased(method: RandomErasing, n: int = 4000, height: int = 40, width: int = 40) -> torch.Tensor:
    """Return which pixels are erased, as the images show it: n, height, width."""
    batch = Batch(torch.full((n, 1, height, width), 9.0), torch.ones(n, 1))
    return method.transform(batch, 0.0, seeded()).images[:, 0] != 9


def sides(gone: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    gone = gone[gone.flatten(1).any(1)]
    tall, wide = gone.any(2).sum(1), gone.any(1).sum(1)
    assert torch.equal(gone.sum((1, 2)), tall * wide), "a full rectangle"
    return tall, wide


def test_areas_and_shapes_are_in_their_ranges_and_fill_them() -> None:
    tall, wide = sides(erased(RandomErasing(1.0, 0.1, 0.3, 0.5)))
    areas, aspects = tall * wide / 1600, tall / wide
    assert 0.09 < float(areas.min()) < 0.105
    assert 0.29 < float(areas.max()) < 0.315
    assert float(areas.mean()) == pytest.approx(0.2, abs=0.005)
    assert 0.45 < float(aspects.min()) < 0.55
    assert 1.85 < float(aspects.max()) < 2.2
    assert float(aspects.log().mean()) == pytest.approx(0, abs=0.03), "tall and wide are alike"
    assert float(aspects.log().std()) == pytest.approx(2 * log(2) / 12**0.5, abs=0.03)


def test_all_channels_are_erased_alike() -> None:
    batch = Batch(torch.full((50, 3, 16, 16), 9.0), torch.ones(50, 1))
    gone = RandomErasing(1.0).transform(batch, 0.0, seeded()).images != 9
    assert torch.equal(gone, gone[:, :1].expand_as(gone))
    assert gone.any()


def test_squares_of_one_area_may_lie_anywhere_they_fit() -> None:
    gone = erased(RandomErasing(1.0, 0.25, 0.25, 1.0))
    tall, wide = sides(gone)
    assert {*tall.tolist(), *wide.tolist()} == {20}
    for across in (2, 1):
        begins = gone.any(across).byte().argmax(1).bincount(minlength=21)
        assert len(begins) == 21
        assert begins.min() > 4000 / 21 * 0.7
    assert not torch.equal(gone.any(2), gone.any(1)), "rows and columns are drawn apart"


def test_the_probability_is_that_of_an_image() -> None:
    gone = erased(RandomErasing(0.3))
    assert float(gone.flatten(1).any(1).float().mean()) == pytest.approx(0.3, abs=0.02)


def test_one_that_does_not_fit_is_drawn_again() -> None:
    # half of an image four times as wide as it is tall: tall shapes do not fit, and are not clipped
    gone = erased(RandomErasing(1.0, 0.5, 0.5, 0.05), height=16, width=64)
    tall, wide = sides(gone)
    assert len(tall) > 3900
    assert ((tall * wide / 1024 - 0.5).abs() < 0.05).all()


@pytest.mark.parametrize(("height", "width"), [(2, 64), (64, 2)])
def test_one_pixel_is_the_least_of_either_side(height: int, width: int) -> None:
    gone = erased(RandomErasing(1.0, 0.1, 0.1, 0.002), height=height, width=width)
    tall, wide = sides(gone)
    assert min(tall.min(), wide.min()) == 1
    assert min(tall.max(), wide.max()) == 2
    # 12.8 r is in 0.25 .. 6.25 where its root is rounded to 1 or 2; one of 16 draws has to be
    fits = log(25) / (2 * -log(0.002))
    assert len(tall) / len(gone) == pytest.approx(1 - (1 - fits) ** 16, abs=0.015)


def test_a_shape_that_never_fits_leaves_the_image() -> None:
    gone = erased(RandomErasing(1.0, 1.0, 1.0, 1.0), n=20, height=4, width=64)
    assert not gone.any()


def test_noise_is_normal_and_another_for_every_pixel_channel_and_image() -> None:
    batch = Batch(torch.full((400, 3, 16, 16), 9.0), torch.ones(400, 1))
    images = RandomErasing(1.0).transform(batch, 0.0, seeded()).images
    noise = images[images != 9]
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    assert len(noise.unique()) > 0.99 * len(noise)


def test_the_mean_pixel_is_0_and_noise_moves_no_rectangle() -> None:
    batch = Batch(torch.full((40, 1, 16, 16), 9.0), torch.ones(40, 1))
    mean, noise = (
        RandomErasing(0.7, fill=fill).transform(batch, 0.0, seeded()).images
        for fill in ("mean", "noise")
    )
    assert set(mean.unique().tolist()) == {0.0, 9.0}
    assert torch.equal(mean == 0, noise != 9)


def test_targets_stay() -> None:
    targets = torch.eye(4)
    after = RandomErasing().transform(Batch(torch.ones(4, 1, 8, 8), targets), 0.0, seeded())
    assert torch.equal(after.targets, targets)
