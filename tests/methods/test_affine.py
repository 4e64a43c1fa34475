"""Affine: the map is the one it says, and it fades out when asked."""

from math import pi

import pytest
import torch

from smidgen.kernels.batch import matrices, warp
from smidgen.methods import Affine
from smidgen.tensors import Batch


def some_images(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 2, 9, 9, generator=torch.Generator().manual_seed(0))


def maps_of(n: int = 3, **asked: float) -> torch.Tensor:
    """Return the inverse of one map, n times."""
    names = ("rotation", "growth", "shear", "right", "below")
    return matrices(torch.ones(5, n), [asked.get(name, 0.0) for name in names])


def moved(images: torch.Tensor, **asked: float) -> torch.Tensor:
    """Move all images alike."""
    return warp(images, maps_of(len(images), **asked))


def test_no_map_changes_nothing() -> None:
    torch.testing.assert_close(moved(some_images()), some_images(), atol=1e-5, rtol=0)


def test_a_quarter_turn_is_exact() -> None:
    # rows point down, so a turn from right to down is clockwise to the eye
    turned = torch.rot90(some_images(), -1, (2, 3))
    torch.testing.assert_close(moved(some_images(), rotation=pi / 2), turned, atol=1e-5, rtol=0)


def test_whole_pixels_shift_and_leave_zeros_behind() -> None:
    expected = torch.zeros_like(some_images())
    expected[:, :, 1:, 2:] = some_images()[:, :, :-1, :-2]
    torch.testing.assert_close(
        moved(some_images(), right=2.0, below=1.0), expected, atol=1e-5, rtol=0
    )


def test_half_a_pixel_is_the_mean_of_two() -> None:
    images = some_images()
    halved = (images[..., 1:] + images[..., :-1]) / 2
    out = moved(images, right=-0.5)
    torch.testing.assert_close(out[..., :-1], halved, atol=1e-5, rtol=0)
    torch.testing.assert_close(out[..., -1], images[..., -1] / 2, atol=1e-5, rtol=0)


def test_twice_the_size_shows_every_second_pixel_where_it_was() -> None:
    out = moved(some_images(), growth=1.0)
    torch.testing.assert_close(
        out[:, :, ::2, ::2], some_images()[:, :, 2:7, 2:7], atol=1e-5, rtol=0
    )


def test_shear_slides_rows_in_proportion_to_their_height() -> None:
    out = moved(some_images(), shear=pi / 4)  # by one pixel a row, about the middle one
    for row in range(9):
        expected = torch.zeros(3, 2, 9)
        for column in range(9):
            if 0 <= column - (row - 4) < 9:
                expected[..., column] = some_images()[:, :, row, column - (row - 4)]
        torch.testing.assert_close(out[:, :, row], expected, atol=1e-5, rtol=0)


def test_the_map_is_the_written_one_for_any_numbers() -> None:
    r, z, k, t = 0.3, 1.2, 0.2, torch.tensor([1.5, -0.7])
    cos, sin = torch.tensor(r).cos(), torch.tensor(r).sin()
    turn = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
    forward = z * turn @ torch.tensor([[1.0, float(torch.tensor(k).tan())], [0.0, 1.0]])
    asked = {"rotation": r, "growth": z - 1, "shear": k, "right": float(t[0]), "below": float(t[1])}
    found = maps_of(1, **asked)[0]
    point = torch.tensor([0.4, -2.0])
    torch.testing.assert_close(found[:, :2] @ (forward @ point + t) + found[:, 2], point)


def centre_of_mass(images: torch.Tensor) -> torch.Tensor:
    places = torch.arange(images.shape[-1]) - (images.shape[-1] - 1) / 2
    mass = images.sum((1, 2, 3))
    across, down = images.sum((1, 2)) @ places / mass, images.sum((1, 3)) @ places / mass
    return torch.stack([across, down], 1)


def blob(n: int) -> Batch:
    images = torch.zeros(n, 1, 21, 21)
    images[:, :, 9:12, 9:12] = 1
    return Batch(images, torch.ones(n, 1))


def test_shifts_are_uniform_up_to_the_share_of_the_side_asked_for() -> None:
    method = Affine(rotation=0.0, scale=0.0, shear=0.0)
    after = method.transform(blob(2000), 0.0, torch.Generator().manual_seed(0)).images
    centres = centre_of_mass(after)
    assert float(centres.abs().max()) == pytest.approx(2.1, abs=0.02)
    assert float(centres.std()) == pytest.approx(2.1 / 3**0.5, rel=0.05)
    assert abs(float(torch.corrcoef(centres.T)[0, 1])) < 0.1, "down and across are drawn apart"


def test_sizes_stay_within_the_range() -> None:
    method = Affine(rotation=0.0, scale=0.2, shear=0.0, shift=0.0)
    after = method.transform(blob(2000), 0.0, torch.Generator().manual_seed(0)).images
    area = after.sum((1, 2, 3)) / 9
    assert 0.6 < float(area.min()) < 0.72  # 0.8 squared
    assert 1.36 < float(area.max()) < 1.5  # 1.2 squared


@pytest.mark.parametrize(
    ("anneal", "progress", "strength"),
    [
        (0.0, 0.99, 1),
        (0.0, 1.0, 1),
        (0.2, 0.8, 1),
        (0.2, 0.9, 0.5),
        (0.2, 1.0, 0),
        (1.0, 0.25, 0.75),
    ],
)
def test_strength_falls_linearly_over_the_last_part(
    anneal: float, progress: float, strength: float
) -> None:
    assert Affine(anneal=anneal).strength(progress) == pytest.approx(strength)


def test_annealed_to_the_end_nothing_moves_and_the_generator_goes_on_alike() -> None:
    method, generators = Affine(anneal=0.5), [torch.Generator().manual_seed(5) for _ in range(2)]
    still = method.transform(blob(3), 1.0, generators[0])
    half, full = (
        centre_of_mass(method.transform(blob(300), at, torch.Generator()).images).abs().max()
        for at in (0.75, 0.0)
    )
    method.transform(blob(3), 0.0, generators[1])
    assert torch.equal(still.images, blob(3).images)
    assert float(half) == pytest.approx(float(full) / 2, rel=0.05)
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_annealed_to_nothing_a_batch_is_handed_on_as_it_is() -> None:
    batch = Batch(some_images(), torch.ones(3, 1))
    assert Affine(anneal=0.5).transform(batch, 1.0, torch.Generator()) is batch
    assert Affine(anneal=0.5).transform(batch, 0.999, torch.Generator()) is not batch


def test_five_numbers_are_drawn_for_an_image() -> None:
    generator, expected = (torch.Generator().manual_seed(3) for _ in range(2))
    Affine().transform(Batch(some_images(), torch.ones(3, 1)), 0.0, generator)
    torch.rand(5, 3, generator=expected)
    assert torch.equal(generator.get_state(), expected.get_state())


@pytest.mark.parametrize(
    ("argument", "value"),
    [("rotation", 181.0), ("scale", 1.0), ("shear", 90.0), ("shift", 1.1), ("anneal", -0.1)],
)
def test_refuses_what_no_image_survives(argument: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"affine {argument} must be in \[0, .*, got {value}"):
        Affine(**{argument: value})
