"""Windows of a sensor: what corruptions do to them, and a card of them."""

import json
from dataclasses import asdict
from statistics import fmean

import pytest
import torch

from smidgen.cli.robust import show
from smidgen.data import Split
from smidgen.evaluate.accuracy import accuracy
from smidgen.robust.card import RobustCard, robust_card
from smidgen.robust.corruptions import WINDOWS, corrupted, corruptions_for
from smidgen.robust.quick import by_family, quick_card
from smidgen.robust.strangers import strangers
from smidgen.robust.windows import changes
from smidgen.tensors import Logits, Pixels

MOMENTS = 96


def waves(count: int = 60, *, column: bool = False) -> Pixels:
    """Return windows of three channels, sines of 60 to 200 with phases of their own."""
    generator = torch.Generator().manual_seed(0)
    phase = 6.28 * torch.rand(count, 3, 1, generator=generator)
    time = 6.28 * torch.arange(MOMENTS) / 24
    values = (130 + 70 * torch.sin(time + phase)).round().to(torch.uint8)
    return values[:, :, :, None] if column else values[:, :, None]


def spoilt(name: str, severity: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return windows before and after, n c moments."""
    before = waves()
    return before[:, :, 0].double(), corrupted(before, name, severity, seed=3)[:, :, 0].double()


@pytest.mark.parametrize("name", [one.name for one in WINDOWS])
def test_a_row_and_a_column_are_spoilt_alike_and_worse_with_severity(name: str) -> None:
    row, column = waves(), waves(column=True)
    changed = [corrupted(row, name, severity) for severity in (1, 3, 5)]
    assert torch.equal(corrupted(column, name, 3)[:, :, :, 0], changed[1][:, :, 0])
    far = [float((one.double() - row.double()).abs().mean()) for one in changed]
    assert far == sorted(far)
    assert 0 <= far[0] < far[2] < 60


def test_an_offset_moves_a_channel_as_a_whole_either_way() -> None:
    before, after = spoilt("offset", 4)
    by = (after - before).flatten(0, 1)
    assert float((by - by[:, :1]).abs().max()) <= 1, "the rounding of a byte"
    assert set(by[:, 0].sign().tolist()) == {-1, 1}
    assert by[:, 0].abs().tolist() == pytest.approx([25.5] * len(by), abs=1)


def test_a_drift_begins_with_nothing() -> None:
    before, after = spoilt("drift", 3)
    by = (after - before).abs().flatten(0, 1)
    assert float(by[:, 0].max()) <= 1
    assert by[:, -1].tolist() == pytest.approx([0.12 * 255] * len(by), abs=1)
    assert by[:, 48].tolist() == pytest.approx([0.06 * 255] * len(by), abs=1.5)


def test_a_gain_is_about_the_mean_of_a_channel() -> None:
    before, after = spoilt("gain", 2)
    ratio = (after.std(2) / before.std(2)).flatten()
    assert set(ratio.round(decimals=1).tolist()) == {0.8, 1.2}
    assert float((after.mean(2) - before.mean(2)).abs().max()) < 1


def test_lost_moments_hold_the_last_that_came_in_all_channels() -> None:
    before, after = spoilt("dropped_moments", 3)
    lost = (after != before).any(1)
    assert float(lost.double().mean()) == pytest.approx(0.2, abs=0.03)
    assert not lost[:, 0].any(), "nothing came before"
    held = lost[:, 1:]
    same = (after[:, :, 1:] == after[:, :, :-1]).all(1)
    assert bool(same[held].all())


def test_a_gap_is_one_stretch_and_a_stuck_channel_one_channel() -> None:
    before, after = spoilt("gap", 5)
    lost = (after != before).any(1)
    spans = [row.nonzero().flatten() for row in lost]
    assert max(int(span[-1] - span[0]) + 1 for span in spans if len(span)) <= 38
    before, after = spoilt("stuck_channel", 5)
    assert ((after != before).any(2).sum(1) == 1).all()
    stuck = (after == after[:, :, :1]).all(2)
    assert (stuck.sum(1) == 1).all(), "for the whole window"


def test_values_are_cut_rounded_and_struck_as_said() -> None:
    assert spoilt("saturation", 5)[1].unique().min() >= 255 * 0.375 - 1
    assert spoilt("saturation", 5)[1].unique().max() <= 255 * 0.625 + 1
    assert len(spoilt("resolution", 5)[1].unique()) <= 8
    before, after = spoilt("spikes", 5)
    hit = after != before
    assert set(after[hit].tolist()) == {0, 255}
    assert float(hit.double().mean()) == pytest.approx(0.08, abs=0.01)


def test_a_tempo_plays_a_window_about_its_middle() -> None:
    ramp = torch.arange(80, 176, dtype=torch.uint8).view(1, 1, 1, MOMENTS).repeat(8, 1, 1, 1)
    slopes = corrupted(ramp, "tempo", 5)[:, 0, 0].double().diff()[:, 40:55].mean(1)
    assert {round(of, 1) for of in slopes.tolist()} == {1.4, 0.7}


def test_changes_are_what_they_say() -> None:
    row = waves(20)
    by = {(of.kind, of.amount): of.apply(row) for of in changes()}
    assert torch.equal(by["shift", 0][0], row)
    for way, other in zip((8, -8), by["shift", 8], strict=True):
        kept = slice(8, None) if way > 0 else slice(None, -8)
        assert torch.equal(other[..., kept], row.roll(way, -1)[..., kept])
    assert float((by["offset", -5.0][0].double() - row.double()).mean()) == pytest.approx(-13, 1e-2)
    louder = by["gain", 0.5][0].double().std(3) / row.double().std(3)
    assert louder.flatten().tolist() == pytest.approx([0.5] * 60, abs=0.01)
    smoothed = by["smoothing", 2.0][0].double().std(3) / row.double().std(3)
    assert 0.8 < float(smoothed.mean()) < 0.95
    assert len(by["tempo", 1.25]) == 1


def by_strength(pixels: Pixels) -> Logits:
    """Answer 1 where a window moves much, surer the clearer it is."""
    deviation = pixels.flatten(2).double().std(2).mean(1)
    return torch.stack([torch.zeros_like(deviation), (deviation - 35) / 4], 1)


def still_or_not() -> Split:
    images = waves(40)
    images[::2] = 110 + images[::2] // 6
    return Split(images, torch.arange(40) % 2)


@pytest.fixture(scope="module")
def card() -> RobustCard:
    return robust_card(by_strength, still_or_not())


def test_the_card_of_windows(card: RobustCard) -> None:
    assert card.clean == 1
    by_name = {one.name: one.accuracy for one in card.corruptions}
    assert len(by_name) == 12
    assert by_name["offset"] == 1, "what looks at the strength alone sees no offset"
    assert by_name["saturation"] < 1
    assert [len(one.levels) for one in card.corruptions] == [5] * 12
    seen = {(of.kind, of.amount): of for of in card.seen}
    assert seen["gain", 0.5].accuracy == pytest.approx(0.5)
    assert seen["shift", 16].accuracy == 1
    json.dumps(asdict(card), allow_nan=False)


def test_the_quick_card_has_the_families_of_the_whole_one(card: RobustCard) -> None:
    images = still_or_not()
    quick, whole = quick_card(by_strength, images), by_family(asdict(card))
    assert quick.keys() == whole.keys()
    ways = {(of.kind, of.amount): of.apply(images.images) for of in changes()}

    def right(kind: str, *amounts: float) -> float:
        versions = [version for of in amounts for version in ways[kind, of]]
        return fmean(accuracy(by_strength(of), images.labels) for of in versions)

    level = right("gain", 0.5, 2.0), right("offset", -5.0, 5.0), right("smoothing", 1.0)
    assert quick["level"].accuracy == pytest.approx(fmean(level))
    time = right("shift", 8), right("tempo", 0.8, 1.25)
    assert quick["time"].accuracy == pytest.approx(fmean(time))
    assert whole["level"] < 1, "half the strength is taken for stillness"


def test_windows_of_no_class_are_noise_curves_and_steps() -> None:
    for sides in ((1, MOMENTS), (MOMENTS, 1)):
        drawn = {name: of.flatten(2).double() for name, of in strangers(3, *sides).items()}
        rough = {name: float(of.diff(dim=2).abs().mean()) for name, of in drawn.items()}
        assert rough["clouds"] < 20 < 60 < rough["noise"]
        steps = (drawn["shapes"].diff(dim=2) != 0).sum(2)
        assert float((steps > 0).double().mean()) > 0.95
        if sides[0] == 1:
            assert int(steps.max()) <= 6, "three figures have two ends each"


def test_too_short_windows_are_refused_and_pictures_have_none_of_these() -> None:
    with pytest.raises(ValueError, match=r"noise needs windows of .* at least 8 moments, got 1x7"):
        corruptions_for(3, 1, 7)
    assert corruptions_for(9, 1, 8) == WINDOWS
    with pytest.raises(ValueError, match="unknown corruption 'fog'"):
        corrupted(waves(2), "fog", 1)
    with pytest.raises(ValueError, match="unknown corruption 'gap'"):
        corrupted(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), "gap", 1)


def test_the_terminal_speaks_of_windows(
    card: RobustCard, capsys: pytest.CaptureFixture[str]
) -> None:
    show({"float32": card}, "moves")
    said = capsys.readouterr().out
    assert "corruptions of a sensor, by smidgen's own definitions" in said
    assert "12 corruptions, 5 severities each" in said
    assert "window changed" in said
    assert "4 moments" in said
    assert "pixel" not in said
