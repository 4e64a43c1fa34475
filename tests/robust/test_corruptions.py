"""Corruptions against closed forms, Pillow and OpenCV, and what all of them promise."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from smidgen.robust.corruptions import COLOUR, GREY, Corruption, corrupted, corruptions_for
from smidgen.robust.drawing import about_the_middle, enlarged, mapped, moved, plasma
from smidgen.tensors import Pixels

ALL = [*COLOUR, *GREY]
# Published numbers whose mildest ones are not the mildest for every picture.
NOT_BY_SEVERITY = ("elastic_transform", "frost", "glass_blur", "motion_blur", "spatter")
NEARLY = ("pixelate", "fog")  # sides that divide a picture; fractals of another decay


def pictures(channels: int, side: int, count: int = 8) -> Pixels:
    """Return smooth drawings with a bright figure on a dark ground."""
    random = np.random.default_rng(5)
    coarse = random.integers(0, 256, (count, channels, 6, 6)).astype(np.float32)
    smooth = torch.nn.functional.interpolate(torch.from_numpy(coarse), (side, side), mode="bicubic")
    found = smooth.clamp(0, 230)
    found[:, :, side // 4 : side // 2, side // 3 : -side // 3] = 230
    found[:, :, :2] = 0
    return found.to(torch.uint8)


def level(value: float, count: int = 64, side: int = 32, channels: int = 3) -> Pixels:
    return torch.full((count, channels, side, side), round(255 * value), dtype=torch.uint8)


def own(one: Corruption) -> Pixels:
    return pictures(3 if one.side == 32 else 1, one.side)


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.name}-{one.side}")
def test_bits_repeat_shape_stays_and_the_pictures_given_are_left_alone(one: Corruption) -> None:
    given = own(one)
    kept, state = given.clone(), torch.get_rng_state()
    first = one.apply(given, len(one.levels), seed=3)
    assert torch.equal(first, one.apply(given, len(one.levels), seed=3))
    assert torch.equal(given, kept)
    assert first.shape == given.shape
    assert first.dtype == torch.uint8
    assert not torch.equal(first, given)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    "one",
    [one for one in ALL if len(one.levels) == 5 and one.name not in NOT_BY_SEVERITY],
    ids=lambda one: f"{one.name}-{one.side}",
)
def test_a_higher_severity_changes_pixels_more(one: Corruption) -> None:
    given = own(one)
    changes = [
        float((one.apply(given, severity).float() - given.float()).abs().mean())
        for severity in range(1, 6)
    ]
    assert changes == sorted(changes) or one.name in NEARLY
    assert changes[0] < changes[-1]


@pytest.mark.parametrize("name", ["gaussian_noise", "fog", "snow", "frost", "elastic_transform"])
def test_another_seed_draws_otherwise(name: str) -> None:
    given = pictures(3, 32)
    assert not torch.equal(corrupted(given, name, 5, seed=0), corrupted(given, name, 5, seed=1))


def test_noise_has_the_published_deviations() -> None:
    grey = level(0.5)
    deviation = float(corrupted(grey, "gaussian_noise", 5).double().std()) / 255
    assert deviation == pytest.approx(0.1, rel=0.01)
    shot = corrupted(grey, "shot_noise", 5).double() / 255  # variance: value / photons
    assert float(shot.std()) == pytest.approx((0.5 / 50) ** 0.5, rel=0.02)
    assert float(shot.mean()) == pytest.approx(128 / 255, abs=0.004)
    impulses = corrupted(grey, "impulse_noise", 5)
    assert float((impulses == 255).double().mean()) == pytest.approx(0.035, abs=0.002)
    assert float((impulses == 0).double().mean()) == pytest.approx(0.035, abs=0.002)


def test_brightness_adds_to_the_value_and_leaves_hue_and_saturation() -> None:
    import colorsys

    given = torch.tensor([[200, 100, 50], [0, 0, 0], [9, 120, 30]], dtype=torch.uint8)
    image = given[:, :, None, None].expand(3, 3, 8, 8)
    found = corrupted(image, "brightness", 2)[:, :, 4, 4].tolist()
    for before, after in zip(given.tolist(), found, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(value / 255 for value in before))
        expected = colorsys.hsv_to_rgb(h, s, min(v + 0.1, 1))
        assert after == [int(255 * value + 1e-6) for value in expected]


def test_contrast_shrinks_the_distance_to_the_mean_of_each_channel() -> None:
    given = pictures(3, 32)
    x = given.double() / 255
    mean = x.mean((2, 3), keepdim=True)
    expected = 255 * ((x - mean) * 0.3 + mean)
    found = corrupted(given, "contrast", 4).double()
    assert float((found - expected).abs().max()) <= 1


def test_jpeg_and_pixelate_are_what_pillow_makes() -> None:
    given = pictures(3, 32)
    picture = Image.fromarray(given[0].permute(1, 2, 0).numpy())
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    found = corrupted(given, "jpeg_compression", 5)[0].permute(1, 2, 0).numpy()
    assert (found == np.asarray(Image.open(file))).all()
    small = picture.resize((20, 20), Image.Resampling.BOX)
    boxes = np.asarray(small.resize((32, 32), Image.Resampling.BOX))
    found = corrupted(given, "pixelate", 5)[0].permute(1, 2, 0).numpy()
    assert (found == boxes).all()


def test_defocus_is_a_disc_as_opencv_filters_with_it() -> None:
    cv2 = pytest.importorskip("cv2")
    given = pictures(3, 32)
    steps = np.arange(-8, 9)
    disc = (steps[:, None] ** 2 + steps**2 <= 1.5**2).astype(np.float32)
    kernel = cv2.GaussianBlur(disc / disc.sum(), ksize=(3, 3), sigmaX=0.1)
    expected = cv2.filter2D(given[0].permute(1, 2, 0).numpy() / np.float32(255), -1, kernel)
    found = corrupted(given, "defocus_blur", 5)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - 255 * expected).max() <= 1.01


def test_an_affine_map_is_as_opencv_warps() -> None:
    cv2 = pytest.importorskip("cv2")
    x = pictures(1, 28)[:1].permute(0, 2, 3, 1).numpy().astype(np.float32) / 255
    turn = np.array([[[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]])
    maps = about_the_middle(turn, 28, 28)
    warped = cv2.warpAffine(
        x[0, :, :, 0], maps[0], (28, 28), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    assert np.abs(mapped(x, maps, "zeros")[0, :, :, 0] - warped).mean() < 0.01
    assert np.allclose(maps[0] @ [13.5, 13.5, 1], [13.5, 13.5])


def test_enlarging_is_as_scipy_zooms_the_middle() -> None:
    from scipy.ndimage import zoom

    x = pictures(3, 32)[0].permute(1, 2, 0).numpy().astype(np.float32)
    kept = int(np.ceil(32 / 1.75))
    top = (32 - kept) // 2
    whole = np.asarray(zoom(x[top : top + kept, top : top + kept], (1.75, 1.75, 1), order=1))
    trim = (len(whole) - 32) // 2
    assert np.allclose(
        enlarged(x[None], 1.75)[0], whole[trim : trim + 32, trim : trim + 32], atol=0.01
    )


def test_motion_is_half_a_gaussian_along_the_rows() -> None:
    x = np.zeros((1, 9, 40, 1), np.float32)
    x[0, 4, 30] = 1
    found = moved(x, 6, 2.0, np.zeros(1))[0, 4, :, 0]
    weights = np.exp(-(np.arange(13) ** 2) / 8)
    assert np.allclose(found[18:31][::-1], weights / weights.sum(), atol=2e-3)
    assert np.allclose(found[31:], 0)


def test_a_fractal_spans_0_to_1_and_is_smoother_the_faster_it_decays() -> None:
    random = np.random.default_rng(0)
    rough, smooth = (plasma(8, 32, decay, random) for decay in (1.2, 4.0))
    for maps in (rough, smooth):
        assert maps.min((1, 2)).tolist() == [0] * 8
        assert maps.max((1, 2)).tolist() == [1] * 8
    steps = [float(np.abs(np.diff(maps, axis=1)).mean()) for maps in (rough, smooth)]
    assert steps[0] > 2 * steps[1]


def test_stripe_is_a_negative_of_the_outer_quarters() -> None:
    given = pictures(1, 28)
    found = corrupted(given, "stripe", 1)
    assert torch.equal(found[..., 7:21], given[..., 7:21])
    assert torch.equal(found[..., :7], 255 - given[..., :7])
    assert torch.equal(found[..., 21:], 255 - given[..., 21:])


def test_edges_are_the_outline_of_a_square_and_nothing_else() -> None:
    square = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    square[0, :, 8:20, 8:20] = 255
    found = corrupted(square, "canny_edges", 1)
    assert not found[1].any()
    assert not found[0, 0, 11:17, 11:17].any()
    assert set(found.unique().tolist()) == {0, 255}
    assert found[0, 0, 14].nonzero().flatten().tolist() == [7, 8, 19, 20]  # a step has two


def test_a_shift_moves_three_pixels_along_both_axes() -> None:
    given = torch.zeros(8, 1, 28, 28, dtype=torch.uint8)
    given[:, :, 14, 14] = 255
    found = corrupted(given, "translate", 3)
    for picture in found:
        ((_, row, column),) = picture.nonzero().tolist()
        assert {abs(row - 14), abs(column - 14)} == {3}


def test_lines_brighten_and_leave_pictures_apart() -> None:
    dark = torch.zeros(16, 1, 28, 28, dtype=torch.uint8)
    for name in ("dotted_line", "zigzag"):
        found = corrupted(dark, name, 1)
        assert (found.flatten(1).max(1).values > 200).all()
        assert 0.01 < float((found > 100).double().mean()) < 0.15
    dots = corrupted(dark, "dotted_line", 1)[:, 0].amax((0, 1))
    assert dots.reshape(7, 4)[:, :2].max() == 0
    assert dots.reshape(7, 4)[:, 2:].flatten()[:-1].min() > 100  # the line ends at the last one


def test_lengths_in_pixels_grow_with_the_picture() -> None:
    wide = torch.zeros(4, 1, 56, 56, dtype=torch.uint8)
    wide[:, :, 28, 28] = 255
    ((_, row, column),) = corrupted(wide, "translate", 3)[0].nonzero().tolist()
    assert {abs(row - 28), abs(column - 28)} == {6}


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 9), (1, 40), (3, 96)])
def test_other_sizes_and_oblong_ones_have_the_set_of_their_mode(channels: int, side: int) -> None:
    given = pictures(channels, side, 2)[..., : max(8, side - 2)].contiguous()
    found = corruptions_for(channels, *given.shape[2:])
    assert len(found) == 15
    for one in found:
        assert one.apply(given, one.published[-1]).shape == given.shape


@pytest.mark.parametrize(
    ("side", "parts"), [(8, [500, 20]), (96, [500, 20]), (192, [125, 125, 125, 125, 20])]
)
def test_of_large_pictures_fewer_are_changed_at_once(side: int, parts: list[int]) -> None:
    seen: list[int] = []

    def change(x: Any, *_: Any) -> Any:
        seen.append(len(x))
        return x

    many = torch.zeros(1, 1, side, side, dtype=torch.uint8).expand(520, -1, -1, -1)
    Corruption("none", change, ((),), (1,), 32).apply(many, 1)
    assert seen == parts


@pytest.mark.parametrize(
    ("shape", "name", "severity", "said"),
    [
        ((1, 3, 32, 32), "canny_edges", 1, r"canny_edges needs grey \(1 channel\) pictures, got 3"),
        ((1, 2, 32, 32), "fog", 1, r"fog needs grey \(1 channel\) or rgb \(3\) pictures, got 2"),
        ((1, 1, 28, 7), "shear", 1, "shear needs pictures of at least 8x8, got 28x7"),
        ((1, 1, 28, 28), "shear", 6, r"severity of shear must be in 1\.\.5, got 6"),
        ((1, 1, 28, 28), "stripe", 2, r"severity of stripe must be in 1\.\.1, got 2"),
        ((1, 3, 32, 32), "fogg", 1, "unknown corruption 'fogg'.*fog"),
    ],
)
def test_what_cannot_be_is_refused_with_what_it_needs(
    shape: tuple[int, ...], name: str, severity: int, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        corrupted(torch.zeros(shape, dtype=torch.uint8), name, severity)


def test_a_set_is_refused_for_too_small_pictures_by_its_first_corruption() -> None:
    with pytest.raises(ValueError, match="shot_noise needs pictures of at least 8x8, got 6x6"):
        corruptions_for(1, 6, 6)
    with pytest.raises(ValueError, match=r"gaussian_noise needs grey .* or rgb .*, got 4 channels"):
        corruptions_for(4, 32, 32)
