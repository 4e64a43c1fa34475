"""Windows of a sensor: methods that are theirs, and what methods of pictures make of one row."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.methods.conftest import seeded

import smidgen as sm
from smidgen.methods import (
    Crop,
    CutMix,
    Jitter,
    RandomErasing,
    Scaling,
    TimeShift,
    parse,
    require_suited,
    tell_hidden,
)
from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch, Images

ROW, COLUMN = (1, 96), (96, 1)


def changed(method: BatchMethod, images: Images, seed: int = 0) -> Images:
    batch = Batch(images, torch.eye(len(images)))
    return method.transform(batch, 0.5, seeded(seed)).images


def numbered(n: int, height: int, width: int) -> Images:
    """Return windows of three channels, each its moments counted from 1, or a hundred more."""
    moments = torch.arange(1.0, height * width + 1).view(1, 1, height, width)
    return (moments + 100 * torch.arange(3.0).view(1, 3, 1, 1)).repeat(n, 1, 1, 1)


@pytest.mark.parametrize("side", [ROW, COLUMN])
def test_time_shift_turns_windows_in_a_circle_all_channels_alike(side: tuple[int, int]) -> None:
    before = numbered(200, *side)
    after = changed(TimeShift(0.25), before)
    found = set[int]()
    for window in after:
        by = int(95 - window[0].flatten().argmax())
        by = -by if by <= 48 else 96 - by
        assert torch.equal(window.flatten(1), before[0].flatten(1).roll(by, 1))
        found.add(by)
    assert min(found) == -24
    assert max(found) == 24
    assert len(found) > 40, "every window has a shift of its own"


def test_time_shift_begins_anywhere_by_default() -> None:
    assert len({int(w[0].argmax()) for w in changed(TimeShift(), numbered(2000, *ROW))}) == 96


def test_jitter_adds_noise_of_its_deviation_to_every_value() -> None:
    before = numbered(100, *ROW)
    noise = changed(Jitter(0.3), before) - before
    assert float(noise.std()) == pytest.approx(0.3, abs=0.01)
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.01)
    each = noise.double().permute(1, 2, 3, 0).flatten(0, 2)  # of a value, over windows
    assert float(each.std(1).min()) > 0.2
    assert abs(float(np.corrcoef(noise[:, 0].flatten(), noise[:, 1].flatten())[0, 1])) < 0.05


def test_scaling_has_one_factor_a_channel_of_a_window() -> None:
    before = numbered(1000, *ROW)
    factors = changed(Scaling(0.2), before) / before
    assert float((factors.amax((2, 3)) - factors.amin((2, 3))).max()) < 1e-5
    each = factors[:, :, 0, 0]
    assert float(each.mean()) == pytest.approx(1.0, abs=0.02)
    assert each.std(0).tolist() == pytest.approx([0.2] * 3, abs=0.02)
    assert abs(float(torch.corrcoef(each.T)[0, 1])) < 0.1


@pytest.mark.parametrize("side", [ROW, COLUMN])
def test_crop_moves_a_window_along_time_alone(side: tuple[int, int]) -> None:
    after = changed(Crop(4), numbered(100, *side))
    assert int((after == 0).flatten(1).sum(1).max()) == 3 * 4, "4 moments in 3 channels"
    assert Crop(4).hidden(*side) < 0.03
    tell_hidden([Crop(4)], *side)  # no warning


@pytest.mark.parametrize("side", [ROW, COLUMN])
def test_cutmix_pastes_a_stretch_of_another_window(side: tuple[int, int]) -> None:
    images = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, *side).contiguous()
    shares: list[float] = []
    for seed in range(40):
        mixed = CutMix(1.0, 1.0).transform(Batch(images, torch.eye(8)), 0.5, seeded(seed))
        own = (mixed.images == images).double().mean((1, 2, 3))
        shares.append(1 - float(own.min()))
        assert torch.allclose(mixed.targets.diagonal().double(), own)
    assert np.mean(shares) == pytest.approx(0.39, abs=0.1), "half, less what the ends clip"


@pytest.mark.parametrize("side", [ROW, COLUMN])
def test_random_erasing_erases_a_stretch_of_its_share(side: tuple[int, int]) -> None:
    after = changed(RandomErasing(1.0, fill="mean"), numbered(400, *side))
    shares = (after[:, 0] == 0).double().mean((1, 2))
    assert float(shares.mean()) == pytest.approx(0.21, abs=0.02)
    assert 0.0 < float(shares.min()) < 0.04
    assert 0.38 < float(shares.max()) <= 0.4 + 0.5 / 96


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("flip", "flip is for pictures: it would reverse time, and these are windows of 1x96"),
        ("jitter, trivial-augment", "trivial-augment is for pictures: it turns, slants"),
        ("affine", r"affine is for pictures: .*affine:rotation=0:shear=0 stretches"),
        ("affine:rotation=0", "affine is for pictures"),
    ],
)
def test_methods_of_pictures_are_refused_for_windows(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        require_suited(parse(text), *ROW)
    require_suited(parse(text), 28, 28)
    require_suited(parse(text), 1, 1)


def test_methods_that_suit_windows_are_not_refused() -> None:
    text = "crop, affine:rotation=0:shear=0, cutout, random-erasing, mixup, cutmix, time-shift, sam"
    for side in (ROW, COLUMN):
        require_suited(parse(text), *side)


def test_training_refuses_before_a_folder_is_made(tmp_path: Any) -> None:
    draw = np.random.default_rng(0)
    learned, judging = (
        (draw.integers(0, 256, (24, 1, 32, 3), np.uint8), np.arange(24) % 2) for _ in range(2)
    )
    data = sm.data.from_arrays(*learned, test=judging, cache_dir=tmp_path / "cache")
    layers = ["conv(4, 1x5, stride=2)", "global_average_pool", "classifier(2)"]
    net = sm.NetSpec.from_dict({"name": "small", "input": [3, 1, 32], "layers": layers})
    with pytest.raises(ValueError, match="time-shift, scaling and jitter are for windows"):
        sm.train(net, data, methods=sm.methods.parse("flip"), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
