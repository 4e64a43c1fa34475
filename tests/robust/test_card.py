"""The card of things that answer, whose figures are known beforehand."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict

import pytest
import torch
from tests.largest import LargestTensor

from smidgen.data import Split
from smidgen.robust.camera import changes
from smidgen.robust.card import Aside, _distance, halved, robust_card, spread_over
from smidgen.robust.strangers import COUNT, strangers
from smidgen.tensors import Logits, Pixels


def by_brightness(pixels: Pixels) -> Logits:
    """Answer 1 for pictures that are bright on the whole, surer the clearer it is."""
    mean = pixels.float().mean((1, 2, 3)) / 255
    return torch.stack([torch.zeros_like(mean), 20 * (mean - 0.5)], 1)


def even(count: int = 40, channels: int = 1, side: int = 28) -> Split:
    """Return pictures of even brightness, dark ones of class 0 and bright ones of class 1."""
    levels = torch.linspace(20, 235, count).round().to(torch.uint8)
    images = levels[:, None, None, None].expand(count, channels, side, side).contiguous()
    return Split(images, (levels > 127).long())


def test_the_card_of_a_net_that_sees_brightness_alone() -> None:
    card = robust_card(by_brightness, even(), aside=Aside(even()))
    assert card.clean == 1
    by_name = {one.name: one for one in card.corruptions}
    assert len(by_name) == 15
    assert by_name["brightness"].accuracy == pytest.approx(0.5, abs=0.05)  # all bright but a few
    assert by_name["stripe"].accuracy == pytest.approx(0.5, abs=0.1)  # every mean is half
    assert by_name["rotate"].levels[0].severity == 2
    assert card.accuracy == pytest.approx(sum(of.accuracy for of in card.corruptions) / 15)
    assert card.relative == card.accuracy
    seen = {(of.kind, of.amount): of for of in card.seen}
    assert seen["shift", 4].consistency == seen["rotation", 30].accuracy == 1
    assert seen["exposure", -2].accuracy == pytest.approx(0.5, abs=0.05)  # all are dark
    assert card.threshold is not None
    assert card.threshold.kept == 1
    assert {of.name for of in card.strangers} == {"noise", "clouds", "shapes"}
    json.dumps(asdict(card), allow_nan=False)


def test_colour_has_five_severities_and_repeats_its_bits() -> None:
    images = even(20, 3, 32)
    card = robust_card(by_brightness, images, numbers="int8", seed=7)
    assert card == robust_card(by_brightness, images, numbers="int8", seed=7)
    assert [len(one.levels) for one in card.corruptions] == [5] * 15
    assert (card.numbers, card.images, card.seed) == ("int8", 20, 7)
    assert card.threshold is None
    assert card.no_threshold == "no images that were held out are here to choose it on, or too few"


def test_other_pictures_stand_beside_the_drawn_ones() -> None:
    others = {"black": torch.zeros(5, 1, 28, 28, dtype=torch.uint8)}
    card = robust_card(by_brightness, even(), aside=Aside(even()), others=others)
    black = card.strangers[-1]
    assert (black.name, black.images, black.certain, black.answered) == ("black", 5, 1, 1)
    assert black.told_apart == 0  # none of the own is as sure


def test_a_threshold_without_held_out_images_is_refused_if_asked_for() -> None:
    with pytest.raises(ValueError, match="chosen on held-out images, and there are none"):
        robust_card(by_brightness, even(), wanted=0.9)


def test_a_threshold_that_cannot_be_is_told_if_nobody_asked_for_one() -> None:
    aside = Aside(Split(even().images, 1 - even().labels))
    assert "no threshold makes" in robust_card(by_brightness, even(), aside=aside).no_threshold
    with pytest.raises(ValueError, match="no threshold makes 90 %"):
        robust_card(by_brightness, even(), aside=aside, wanted=0.9)


def test_a_threshold_is_judged_on_the_images_that_are_there_for_it() -> None:
    wrong = Split(even(30).images, 1 - even(30).labels)
    found = robust_card(by_brightness, even(), aside=Aside(even(), wrong)).threshold
    assert found is not None
    assert (found.images, found.kept, found.accuracy) == (30, 1, 0)
    of_the_card = robust_card(by_brightness, even(), aside=Aside(even(30))).threshold
    assert of_the_card is not None
    assert (of_the_card.images, of_the_card.accuracy) == (40, 1)


def test_halves_of_held_out_images_share_none_and_have_each_class_evenly() -> None:
    held_out = even(41)
    aside = halved(held_out)
    assert aside is not None
    assert aside.judges is not None
    levels = [set(of.images[:, 0, 0, 0].tolist()) for of in (aside.chooses, aside.judges)]
    assert not levels[0] & levels[1]
    assert levels[0] | levels[1] == set(held_out.images[:, 0, 0, 0].tolist())
    assert abs(int(aside.chooses.labels.sum()) - int(aside.judges.labels.sum())) <= 1
    assert abs(len(aside.chooses) - len(aside.judges)) <= 1
    twice = Split(torch.cat([held_out.images] * 2), torch.cat([held_out.labels] * 2))
    of_copies = halved(twice)
    assert of_copies is not None
    assert of_copies.judges is not None
    levels = [set(of.images[:, 0, 0, 0].tolist()) for of in (of_copies.chooses, of_copies.judges)]
    assert not levels[0] & levels[1], "copies lie in one half"
    assert halved(Split(held_out.images[:1], held_out.labels[:1])) is None
    assert halved(Split(held_out.images[[0, -1]], held_out.labels[[0, -1]])) is None


def test_some_images_are_spread_over_all() -> None:
    assert spread_over(even(), 4).images[:, 0, 0, 0].tolist() == [20, 92, 163, 235]
    given = even()
    assert spread_over(given, 40) is given
    assert spread_over(given, 99) is given
    with pytest.raises(ValueError, match="must be >= 1, got 0"):
        spread_over(even(), 0)


def test_a_camera_changes_what_it_says() -> None:
    dot = torch.zeros(1, 1, 33, 33, dtype=torch.uint8)
    dot[0, 0, 16, 26] = 188  # half of the light, in sRGB
    by = {(of.kind, of.amount): of.apply(dot) for of in changes()}
    assert torch.equal(by["shift", 0][0], dot)
    assert sorted(tuple(v[0, 0].nonzero()[0].tolist()) for v in by["shift", 3]) == [
        (13, 26), (16, 23), (16, 29), (19, 26),
    ]  # fmt: skip
    sides = [v[0, 0].nonzero().double().mean(0) - 16 for v in by["rotation", 30]]
    assert sorted(round(float(side[0])) for side in sides) == [-5, 5]  # 10 sin(30)
    assert by["exposure", 1.0][0].max() in (254, 255)
    assert by["exposure", -1.0][0].max() == 137  # a quarter of the light
    assert float((by["scale", 0.8][0][0, 0].nonzero().double().mean(0) - 16)[1]) == pytest.approx(
        8, abs=0.6
    )
    assert by["contrast", 0.5][0].min() == 64
    blurred = by["blur", 1.0][0].double()
    assert float(blurred.max()) == pytest.approx(188 / (2 * 3.14159 * (33 / 32) ** 2), rel=0.1)


@pytest.mark.parametrize(
    ("draw", "written"),
    [
        (lambda: strangers(1, 32, 32), 3 * COUNT * 32 * 32),
        *(
            (lambda of=of: of.apply(torch.zeros(2000, 1, 16, 16, dtype=torch.uint8)), 2000 * 256)
            for of in changes()
            if of.amount in (4.0, 15.0, -2.0, 0.25)
        ),
    ],
)
def test_many_or_large_pictures_take_little_more_memory_than_they_are(
    draw: Callable[[], object], written: int
) -> None:
    tracemalloc.start()
    try:
        with LargestTensor() as tensors:
            found = draw()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found
    assert most < 5 * written
    assert tensors.nbytes <= 4 * written


def test_how_far_pixels_are_from_clean_ones_is_counted_in_parts() -> None:
    dark, bright = torch.zeros(2, 1000, 1, 16, 16, dtype=torch.uint8)
    bright += 3
    bright[:10, :, :2] = 253
    with LargestTensor() as tensors:
        assert _distance(bright, dark) == _distance(dark, bright) == 3 + 250 * 2 / 1600
    assert tensors.nbytes < bright.nbytes
