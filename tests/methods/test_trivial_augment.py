"""TrivialAugment: every change is the one it is called, between black and white, at any size."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from tests.methods.conftest import seeded

from smidgen.methods import TrivialAugment
from smidgen.methods.trivial_augment import NAMES, changed
from smidgen.tensors import Batch

MEAN, STD = 0.4, 0.25


def pictures(n: int = 6, channels: int = 3, height: int = 12, width: int = 15) -> torch.Tensor:
    """Return smooth pictures in bytes, the first of them with black and with white in it."""
    small = torch.rand(n, channels, 4, 5, generator=seeded())
    big = torch.nn.functional.interpolate(small, (height, width), mode="bilinear")
    big = (0.15 + 0.7 * big).mul(255).round()
    big[0, :, 0, 0], big[0, :, 0, 1] = 0, 255
    return big


def applied(name: str, bytes_: torch.Tensor, amount: float) -> torch.Tensor:
    """Return the pictures in bytes after the change ``name``, its sign that of ``amount``."""
    images = (bytes_ / 255 - MEAN) / STD
    n = len(images)
    kinds, levels = torch.full((n,), NAMES.index(name)), torch.full((n,), abs(amount))
    signs = torch.full((n,), 1 if amount >= 0 else -1)
    return (changed(images, kinds, levels, signs) * STD + MEAN) * 255


def by_pillow(name: str, bytes_: torch.Tensor, amount: float) -> torch.Tensor:
    """Return what Pillow, in whole bytes, makes of the same pictures."""
    enhance = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "colour": ImageEnhance.Color,
        "sharpness": ImageEnhance.Sharpness,
    }
    found: list[np.ndarray] = []
    for one in bytes_:
        picture = Image.fromarray(one.permute(1, 2, 0).byte().numpy())
        if name in enhance:
            new = enhance[name](picture).enhance(1 + 0.9 * amount)
        elif name == "posterize":
            new = ImageOps.posterize(picture, 8 - round(4 * amount))
        elif name == "solarize":
            new = ImageOps.solarize(picture, int(256 * (1 - amount)))
        elif name == "autocontrast":
            new = ImageOps.autocontrast(picture)
        else:
            new = ImageOps.equalize(picture)
        found.append(np.asarray(new))
    return torch.tensor(np.stack(found)).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        *((name, sign) for name in ("brightness", "contrast", "colour", "sharpness")
          for sign in (-1.0, -0.5, 0.0, 0.5, 1.0)),
        *((name, amount) for name in ("posterize", "solarize") for amount in (0.0, 0.5, 1.0)),
        ("autocontrast", 0.3),
        ("equalize", 0.3),
    ],
)  # fmt: skip
def test_changes_of_values_are_those_of_pillow(name: str, amount: float) -> None:
    before = pictures(height=24, width=30)  # as many pixels as equalize needs to do anything
    found, expected = applied(name, before, amount), by_pillow(name, before, amount)
    assert (found - expected).abs().max() <= 1.6  # Pillow rounds at every step
    unchanged = amount == 0
    assert torch.allclose(found, before, atol=0.01) == unchanged


@pytest.mark.parametrize("white", [0, 1, 255, 400, 1300, 1980])
def test_histograms_are_evened_out_as_by_pillow_to_the_byte(white: int) -> None:
    before = pictures(3, height=40, width=50)
    before.flatten(2)[:, :, :white] = 255
    before[:, :, -1, -1] = 0
    found, expected = (of("equalize", before, 0.3) for of in (applied, by_pillow))
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)


def test_the_least_picture_that_is_sharpened_is_of_three_by_three() -> None:
    before = pictures(2, height=3, width=3)
    found = applied("sharpness", before, -1.0)
    centre = before[:, :, 1, 1].double()
    smooth = (before.double().sum((2, 3)) + 4 * centre) / 13
    expected = before.clone()
    expected[:, :, 1, 1] = (smooth + 0.1 * (centre - smooth)).float()
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 3)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_grey_and_colour_of_any_size_stay_between_black_and_white(
    name: str, size: tuple[int, int], channels: int
) -> None:
    before = pictures(4, channels, max(size[0], 2), max(size[1], 2))[:, :, : size[0], : size[1]]
    for amount in (-1.0, 0.4, 1.0):
        after = applied(name, before, amount)
        assert after.shape == before.shape
        assert after.isfinite().all()
        outside = MEAN * 255  # what a moved image shows beyond its border
        assert after.min() >= min(float(before.min()), outside) - 0.01
        assert after.max() <= max(float(before.max()), outside) + 0.01


@pytest.mark.parametrize(("name", "dim"), [("shift-x", 3), ("shift-y", 2)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_shift_is_of_10_pixels_in_32(name: str, dim: int, sign: int) -> None:
    before = pictures(2, 3, 32, 32)
    after = applied(name, before, sign)
    kept = before.narrow(dim, 10 if sign > 0 else 0, 22)
    there = after.narrow(dim, 0 if sign > 0 else 10, 22)
    torch.testing.assert_close(there, kept, atol=0.05, rtol=0)
    gone = after.narrow(dim, 22 if sign > 0 else 0, 10)
    torch.testing.assert_close(gone, torch.full_like(gone, MEAN * 255), atol=0.01, rtol=0)


@pytest.mark.parametrize(("name", "row", "column"), [("shear-x", 1, 0), ("shear-y", 0, 1)])
def test_a_shear_is_of_three_tenths_about_the_centre(name: str, row: int, column: int) -> None:
    side = 41
    ramp = torch.arange(float(side)).expand(side, side)
    ramp = (ramp if name == "shear-x" else ramp.T).expand(1, 1, side, side).contiguous() + 60
    ramp[0, 0, 0, 0], ramp[0, 0, -1, -1] = 0, 255
    after = applied(name, ramp, 1.0)[0, 0]
    centre, step = side // 2, 6
    moved = after[centre + step * row, centre + step * column]
    assert float(after[centre, centre]) == pytest.approx(60 + centre, abs=0.01)
    assert abs(float(moved) - 60 - centre) == pytest.approx(0.3 * step, abs=0.01)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_turn_is_of_30_degrees(sign: int) -> None:
    side = 41
    across = torch.arange(float(side)).expand(side, side)
    ramps = torch.stack((across, across.T))[:, None] + 60
    ramps[:, 0, 0, 0], ramps[:, 0, -1, -1] = 0, 255
    after = applied("rotation", ramps, sign)[:, 0].double()
    centre = side // 2
    right = after[:, centre, centre + 10] - after[:, centre, centre]
    down = after[:, centre + 10, centre] - after[:, centre, centre]
    cos, sin = 10 * 3**0.5 / 2, 5 * sign
    expected = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    torch.testing.assert_close(torch.stack((right, down), 1), expected, atol=0.05, rtol=0)


def test_three_fourteenths_of_these_stay_and_every_strength_comes() -> None:
    images = (pictures(1, 3, 8, 8) / 255 - MEAN).expand(6000, 3, 8, 8).contiguous()
    after = TrivialAugment().transform(Batch(images, torch.ones(6000, 1)), 0.0, seeded()).images
    same = (after == images).flatten(1).all(1).float().mean()
    # the identity, autocontrast of a picture with black and white, equalize of fewer pixels than
    # bytes have values, and a few of strength 0
    assert 3 / 14 < float(same) < 3.7 / 14
    assert len(after.flatten(1).unique(dim=0)) > 14 * 15


def test_pictures_are_shifted_either_way_as_often() -> None:
    images = torch.zeros(12000, 1, 16, 16)
    images[:, :, 4:12, 7], images[:, :, 0, 0] = 1, -1
    batch = Batch(images, torch.ones(12000, 1))
    rows = TrivialAugment().transform(batch, 0.0, seeded()).images[:, 0, 8]
    whole = ((rows - 1).abs() < 0.01).sum(1).eq(1) & (rows.abs() < 0.01).sum(1).eq(15)
    places = rows[whole].argmax(1)
    left, right = int((places < 7).sum()), int((places > 7).sum())
    # a fourteenth is shifted along rows, five strengths of 31 by whole pixels
    assert left + right == pytest.approx(12000 / 14 * 5 / 31, rel=0.25)
    assert left / (left + right) == pytest.approx(0.5, abs=0.15)


def test_less_strength_moves_less() -> None:
    images = (pictures(1, 1, 32, 32) / 255 - MEAN).expand(800, 1, 32, 32).contiguous()
    batch = Batch(images, torch.ones(800, 1))
    least, most = (
        (TrivialAugment(strength).transform(batch, 0.0, seeded()).images - images).abs().mean()
        for strength in (0.25, 1.0)
    )
    assert least < 0.8 * most


def test_targets_and_images_without_any_change_stay() -> None:
    images = torch.randn(5, 3, 7, 7, generator=seeded(2))
    none = torch.zeros(5, dtype=torch.int64)
    assert torch.equal(changed(images, none, torch.ones(5), torch.ones(5)), images)
    empty = Batch(images[:0], torch.eye(5)[:0])
    assert len(TrivialAugment().transform(empty, 0.0, seeded()).images) == 0
