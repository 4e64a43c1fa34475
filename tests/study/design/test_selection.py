"""Methods are taken by their expected gain, from a set that is known to help."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from tests.study.design.conftest import PROFILE, Accuracy, Fake, always, never, row, until

from smidgen.data import Data, Split
from smidgen.layers import Shape
from smidgen.methods import Affine, Flip, Method, parse, require_suited
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design import maker as made
from smidgen.study.design.budget import Budget
from smidgen.study.design.maker import Maker
from smidgen.study.design.profile import PROFILES, profile_of
from smidgen.study.design.search import Candidate, Rows, Search, listed
from smidgen.study.design.selection import (
    Selection,
    _asked_of,
    _prior,
    _Question,
    _told,
    start,
    worded,
)
from smidgen.study.design.tune import lengthened, tuned
from smidgen.study.statistics import Interval


def names(methods: Iterable[Method]) -> set[str]:
    return {method.name for method in methods}


def gains(points: Mapping[str, float | int], noise: float = 0.0005, base: float = 0.8) -> Accuracy:
    """Return accuracies to which each method adds its points, and a little chance."""

    def accuracy(candidate: Candidate, seed: int) -> float:
        chance = noise * (seed - 4) * (1 + len(candidate.methods))  # seeds 3 to 5 compare
        return base + sum(points.get(m.name, 0.0) for m in candidate.methods) / 100 + chance

    return accuracy


@pytest.fixture
def chosen(tiny: NetSpec, digits: Data) -> Candidate:
    return Candidate(tiny, start(digits, blur=True), Recipe(epochs=4))


@pytest.fixture
def maker(digits: Data) -> Maker:
    return Maker(Shape(*digits.shape), 10, Budget(max_params=1000))


def selected(
    fake: Fake, maker: Maker, chosen: Candidate, accuracy: Accuracy
) -> tuple[set[str], Selection, str]:
    given = fake(accuracy)
    selection = Selection(given.search, maker, PROFILE)
    rows = {n: row(chosen, accuracy(chosen, n)) for n in range(3)}
    found = selection.select(chosen, rows, always)
    return names(found.methods), selection, given.said


def test_every_design_starts_with_what_is_known_to_help(digits: Data) -> None:
    assert names(start(digits, blur=True)) == {"one-cycle", "ema", "affine", "blurpool"}
    assert names(start(digits, blur=False)) == {"one-cycle", "ema", "affine"}


def test_what_helps_is_taken_and_what_hurts_is_dropped(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    points = {"blurpool": 3, "ema": -4, "affine": 1, "flip": 2, "sam": -3, "squeeze-excite": -1}
    taken, selection, said = selected(fake, maker, chosen, gains(points))
    assert taken == {"one-cycle", "blurpool", "affine", "flip"}
    standing = {s.method.name: (s.taken, s.shown) for s in selection.standings}
    assert standing["blurpool"] == (True, True)
    assert standing["ema"] == (False, True)
    assert standing["flip"] == (True, True)
    assert "together" in said


def test_what_shows_no_difference_stays_if_it_is_known_to_help(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    taken, selection, _ = selected(fake, maker, chosen, gains({"sam": -0.1}, noise=0.004))
    assert taken == {"one-cycle", "blurpool", "ema", "affine"}
    standing = {s.method.name: (s.taken, s.shown) for s in selection.standings}
    assert standing["ema"] == (True, False)
    assert standing["sam"] == (False, False)


def test_a_small_loss_that_chance_explains_does_not_drop_a_method(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    """Three seeds on few images: the old rule dropped everything that was not shown."""

    def accuracy(candidate: Candidate, seed: int) -> float:
        return 0.7 - 0.004 * ("ema" in names(candidate.methods)) * (seed - 3.5)

    taken, _, _ = selected(fake, maker, chosen, accuracy)
    assert "ema" in taken


def test_flips_are_measured_always_and_not_taken_where_they_hurt(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    given = fake(gains({"flip": -3}))
    profile = replace(PROFILE, worth=1e9)
    selection = Selection(given.search, maker, profile)
    rows = {n: row(chosen, 0.8) for n in range(3)}
    found = selection.select(chosen, rows, always)
    assert "flip" not in names(found.methods)
    (only,) = given.asked  # what has lost is not trained again, nor the net with nothing beside it
    assert [names(c.methods) - names(chosen.methods) for c in only] == [set(), {"flip"}]
    why = {s.method.name: s.why for s in selection.standings}
    assert "not measured" in why["ema"]
    assert "-3.05 points, one seed" in why["flip"]


def test_one_way_of_moving_the_image_replaces_the_other(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    taken, _, _ = selected(fake, maker, chosen, gains({"affine": 0.5, "crop": 4}))
    assert "crop" in taken
    assert "affine" not in taken


def test_together_they_must_be_ahead_too(fake: Fake, maker: Maker, chosen: Candidate) -> None:
    def accuracy(candidate: Candidate, seed: int) -> float:
        del seed
        of = names(candidate.methods)
        both = {"flip", "sam"} <= of
        return 0.8 + 0.03 * ("flip" in of) + 0.02 * ("sam" in of) - 0.2 * both

    taken, _, _ = selected(fake, maker, chosen, accuracy)
    assert "flip" in taken
    assert "sam" not in taken


def test_without_time_nothing_is_measured(fake: Fake, maker: Maker, chosen: Candidate) -> None:
    given = fake(gains({}))
    rows = {n: row(chosen, 0.8) for n in range(3)}
    selection = Selection(given.search, maker, replace(PROFILE, worth=1.0))
    assert selection.select(chosen, rows, never) == chosen
    assert given.asked == []
    why = {s.method.name: s.why for s in selection.standings}
    assert why["flip"].endswith("; not measured, as the time was short")
    assert why["sam"].endswith("; not measured, as differences here are known to about 1.3 points")


def test_a_method_whose_trials_fail_is_said_not_to_be_measured_for_that(
    fake: Fake, maker: Maker, chosen: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = fake(gains({}))
    measure = given.search.measure

    def failing(phase: str, wanted: Iterable[Candidate], seeds: range) -> dict[Candidate, Rows]:
        return measure(phase, [one for one in wanted if "flip" not in names(one.methods)], seeds)

    monkeypatch.setattr(given.search, "measure", failing)
    selection = Selection(given.search, maker, PROFILE)
    selection.select(chosen, {n: row(chosen, 0.8) for n in range(3)}, always)
    why = {s.method.name: s.why for s in selection.standings}
    assert why["flip"].endswith("; not measured, as its trials failed")


def test_where_time_is_over_after_a_seed_what_is_taken_is_held_together_by_that_one(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    accuracy = gains({"flip": 20, "blurpool": -20})
    given = fake(accuracy)
    rows = {n: row(chosen, accuracy(chosen, n)) for n in range(3)}
    found = Selection(given.search, maker, PROFILE).select(chosen, rows, until(True, False, True))
    assert "flip" in names(found.methods)
    assert "blurpool" not in names(found.methods)
    assert given.seeds == [1, 1]


def test_methods_and_recipes_are_compared_by_replicates_that_did_not_choose_the_net(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    """It was chosen for a lucky seed among its first three, which nothing is compared with."""
    asked: set[int] = set()

    def accuracy(candidate: Candidate, seed: int) -> float:
        asked.add(seed)
        return 0.7 + (seed < 3) * (candidate == chosen) / 10 + 0.001 * (seed % 2)

    _, selection, _ = selected(fake, maker, chosen, accuracy)
    given = fake(accuracy)
    assert not any(s.shown for s in selection.standings)
    rows = given.search.measure("reduce", [chosen], range(3))[chosen]
    asked.clear()
    tuned(given.search, chosen, rows, PROFILE, always)
    lengthened(given.search, chosen, PROFILE, always)
    assert asked == {3, 4, 5}


def test_what_there_is_no_time_to_hold_together_is_the_best_alone(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    given = fake(gains({"flip": 20, "crop": 10}))
    rows = {n: row(chosen, 0.8) for n in range(3)}
    limited = until(True, True, True, False)
    found = Selection(given.search, maker, PROFILE).select(chosen, rows, limited)
    assert names(found.methods) == names(chosen.methods) | {"flip"}
    assert "the time allows no run of all that was taken together" in given.said


def test_methods_that_do_nothing_or_cost_too_much_are_not_tried(fake: Fake, digits: Data) -> None:
    form = {"input": [1, 8, 8], "layers": ["conv(16)", "global-average-pool", "classifier(10)"]}
    net = NetSpec.from_dict(form)
    tight = Maker(Shape(1, 8, 8), 10, Budget(max_params=net.params))
    candidate = Candidate(net, start(digits, blur=False), Recipe(epochs=1))
    given = fake(gains({}))
    selection = Selection(given.search, tight, PROFILE)
    selection.select(candidate, {n: row(candidate, 0.8) for n in range(3)}, always)
    assert {s.method.name for s in selection.standings} == {"ema", "affine", "flip", "crop", "sam"}
    assert "blurpool is not tried: it changes nothing here" in given.said
    assert "squeeze-excite is not tried: over the budget" in given.said


def test_a_method_that_takes_too_long_is_told_with_how_long(
    fake: Fake, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"input": [1, 8, 8], "layers": ["conv(16)", "global-average-pool", "classifier(10)"]}
    net = NetSpec.from_dict(form)
    monkeypatch.setattr(made, "measured_latency", lambda spec: 1.0 if spec == net else 2.5)  # pyright: ignore[reportUnknownLambdaType]
    candidate = Candidate(net, start(digits, blur=False), Recipe(epochs=1))
    given = fake(gains({}))
    selection = Selection(given.search, Maker(net.input_shape, 10, Budget(max_latency=2)), PROFILE)
    selection.select(candidate, {n: row(candidate, 0.8) for n in range(3)}, always)
    assert "squeeze-excite is not tried: over the budget with 2.5 ms" in given.said


def test_a_method_that_costs_nothing_is_not_refused_for_the_net_it_is_tried_with(
    fake: Fake, chosen: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A latency that is measured again may be over the limit by chance."""
    monkeypatch.setattr(made, "measured_latency", lambda spec: 2.5)  # pyright: ignore[reportUnknownLambdaType]
    slow = Maker(chosen.net.input_shape, 10, Budget(max_latency=2))
    taken, _, said = selected(fake, slow, chosen, gains({"flip": 4}))
    assert "flip" in taken
    assert "flip is over the budget" not in said


def test_for_robust_a_net_that_is_rarely_wrong_has_something_left_to_gain(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    figures = dict.fromkeys(("accuracy", "likelihood"), 0.5)
    rows = {n: row(chosen, 0.999) | {"robust_quick": {"light": figures}} for n in range(3)}
    asked: list[int] = []
    for robust in (False, True):
        given = fake(lambda candidate, seed: 0.999)
        given.search.judging = replace(given.search.judging, robust=robust)
        selection = Selection(given.search, maker, PROFILE)
        measured = given.search.measure

        def measure(*of: Any, measured: Any = measured) -> dict[Candidate, Rows]:
            return dict.fromkeys(measured(*of), rows)

        given.search.measure = measure  # pyright: ignore[reportAttributeAccessIssue]
        selection.select(chosen, rows, always)
        asked.append(len(set().union(*given.asked)))
    assert asked[0] == 2, "a flip alone"
    assert asked[1] > 3


def test_a_recipe_is_taken_if_it_is_expected_to_be_better(fake: Fake, chosen: Candidate) -> None:
    def accuracy(candidate: Candidate, seed: int) -> float:
        del seed
        return 0.8 + 0.03 * (candidate.recipe.weight_decay > 0.04)

    given = fake(accuracy)
    rows = {n: row(chosen, 0.8) for n in range(3)}
    found = tuned(given.search, chosen, rows, PROFILE, always)
    assert found.recipe.weight_decay == pytest.approx(0.05)
    assert found.recipe.peak_lr == chosen.recipe.peak_lr
    assert tuned(given.search, chosen, rows, replace(PROFILE, recipes=()), always) == chosen


@pytest.mark.parametrize("profile", ["standard", "thorough"])
def test_another_optimizer_is_one_of_the_recipes(
    fake: Fake, chosen: Candidate, profile: str
) -> None:
    given = fake(lambda candidate, seed: 0.8 + 0.03 * (candidate.recipe.optimizer == "soap"))
    rows = {n: row(chosen, 0.8) for n in range(6)}
    found = tuned(given.search, chosen, rows, profile_of(profile), always).recipe
    usual = chosen.recipe
    assert (found.optimizer, found.momentum) == ("soap", 0.95)
    assert (found.peak_lr, found.weight_decay) == (2 * usual.peak_lr, usual.weight_decay)
    taken = given.search.steps["recipe"][-1]
    assert taken.startswith("taken: soap, peak rate")


def test_on_few_images_longer_runs_must_pay(fake: Fake, chosen: Candidate) -> None:
    better = fake(lambda candidate, seed: 0.8 + candidate.recipe.epochs / 1000)
    assert lengthened(better.search, chosen, PROFILE, always).recipe.epochs == 8
    worse = fake(lambda candidate, seed: 0.8 - candidate.recipe.epochs / 1000)
    assert lengthened(worse.search, chosen, PROFILE, always).recipe.epochs == 1
    assert [line.split(":")[0] for line in worse.search.steps["recipe"]] == [
        "8 epochs instead of 4",
        "1 epoch instead of 4",
    ]
    middle = fake(lambda candidate, seed: 0.8 - abs(candidate.recipe.epochs - 4) / 1000)
    assert lengthened(middle.search, chosen, PROFILE, always).recipe.epochs == 4
    assert parse("ema")[0] in chosen.methods


def many(search: Search) -> None:
    """Give a search as many images as are judged on one part, without training on them."""
    data, images = search.data, 12_000
    train = Split(data.train.images[:1].expand(images, -1, -1, -1), torch.arange(images) % 10)
    search._data[search.origin] = replace(data, train=train)


def test_cutout_and_mixup_are_judged_again_at_the_length_of_the_last_runs(
    fake: Fake, chosen: Candidate, maker: Maker
) -> None:
    def accuracy(candidate: Candidate, seed: int) -> float:
        late = {"cutout", "mixup"} <= {method.name for method in candidate.methods}
        return 0.8 + 0.001 * seed + 0.0005 * (candidate.recipe.epochs - 20) * late

    profile = replace(PROFILE, methods=("flip", "cutout", "mixup"))
    for epochs, pays in ((60, True), (8, False)):
        given = fake(accuracy)
        many(given.search)
        selection = Selection(given.search, maker, profile)
        longer = chosen.lasting(epochs)
        found = selection.at_length(longer, always)
        assert names(found.methods) - names(chosen.methods) == (
            {"cutout", "mixup"} if pays else set()
        )
        assert found.recipe.epochs == epochs
        assert {s.method.name: s.taken for s in selection.standings} == {
            "cutout": pays,
            "mixup": pays,
        }
        assert f"at {epochs} epochs; expected now" in given.said
        why = {s.method.name: s.why for s in selection.standings}
        assert why["cutout"].startswith("together with mixup"), "its gain alone is not known"
        *_, last = given.search.steps["methods"]
        assert last == f"taken for the last runs: {listed(found.methods)}"
        assert ("cutout" in last) == pays
        asked = {candidate.methods for asked in given.asked for candidate in asked}
        assert len(asked) == 2
    assert selection.at_length(longer, never) == longer


def test_few_images_or_a_profile_without_them_ask_nothing_at_length(
    fake: Fake, chosen: Candidate, maker: Maker
) -> None:
    profile = replace(PROFILE, methods=("cutout", "mixup"))
    given = fake(gains({}))
    assert Selection(given.search, maker, profile).at_length(chosen, always) == chosen
    many(given.search)
    profile = replace(profile, methods=("flip",))
    assert Selection(given.search, maker, profile).at_length(chosen, always) == chosen
    assert not given.asked


def data_of(channels: int, height: int, width: int, images: int = 40) -> Data:
    pixels = torch.zeros(images, channels, height, width, dtype=torch.uint8)
    split = Split(pixels, torch.arange(images) % 2)
    return Data("drawn", split, split, ("a", "b"))


@pytest.mark.parametrize(
    ("sides", "crop", "cutout", "blur"),
    [
        ((32, 40), 4, 10, ""),
        ((6, 6), 1, 2, ""),
        ((2, 63), 1, 1, ""),
        ((32, 64), 4, 10, '(position="before")'),
    ],
)
def test_arguments_suit_the_size_of_the_images(
    sides: tuple[int, int], crop: int, cutout: int, blur: str
) -> None:
    data = data_of(3, *sides)
    assert worded("crop", data) == f"crop(padding={crop})"
    assert worded("cutout", data) == f"cutout(length={cutout})"
    assert worded("blurpool", data) == f"blurpool{blur}"
    assert worded("ema", data) == "ema"
    (affine,) = parse(worded("affine", data))
    assert affine == Affine(rotation=10.0, scale=0.1, shear=5.0, shift=0.07, anneal=0.25)


def test_designs_for_windows_start_with_methods_of_theirs_and_ask_about_no_others() -> None:
    for sides in ((1, 96), (96, 1)):
        data = data_of(3, *sides)
        found = start(data, blur=True)
        assert names(found) == {"one-cycle", "ema", "time-shift", "scaling"}
        for profile in PROFILES.values():
            asked = _asked_of(profile, data)
            assert {"jitter", "blurpool"} < set(asked)
            require_suited(parse(", ".join(worded(name, data) for name in asked)), *sides)
        assert worded("crop", data) == "crop(padding=12)"
        assert worded("cutout", data) == "cutout(length=32)"


@pytest.mark.parametrize(
    ("channels", "images", "shift"),
    [(3, 10_000, "crop"), (3, 9_000, "affine"), (1, 10_000, "affine")],
)
def test_many_photographs_are_cropped_and_others_moved_a_little(
    channels: int, images: int, shift: str
) -> None:
    data = data_of(channels, 2, 2, images)
    assert names(start(data, blur=True)) == {"one-cycle", "ema", shift, "blurpool"}
    assert names(start(data_of(channels, 2, 64, 4), blur=True)) == {"one-cycle", "ema", "affine"}


def test_methods_that_gain_nothing_together_are_kept_and_a_loss_is_not(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    def together(gain: float) -> Accuracy:
        def accuracy(candidate: Candidate, seed: int) -> float:
            del seed
            of = names(candidate.methods)
            both = {"flip", "sam"} <= of
            return 0.5 + (gain if both else 3 * ("flip" in of) + 2 * ("sam" in of)) / 128

        return accuracy

    taken, _, said = selected(fake, maker, chosen, together(0))
    assert {"flip", "sam"} <= taken
    assert said.splitlines()[-1].startswith("taken: ")
    assert "+0.00 points" in said
    taken, selection, said = selected(fake, maker, chosen, together(-0.5))
    assert taken == names(chosen.methods) | {"flip"}
    assert {s.method.name: s.taken for s in selection.standings}["sam"] is False
    assert said.splitlines()[-1] == f"taken: {listed((*chosen.methods, Flip()))}"


def test_a_method_that_stays_although_it_was_shown_to_hurt_is_not_shown_to_help(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    def accuracy(candidate: Candidate, seed: int) -> float:
        of = names(candidate.methods)
        left = 2 - len(of & {"ema", "blurpool"})
        return 0.8 + (0, 5, -5)[left] / 100 - 0.01 * len(of & {"flip", "crop", "sam"}) + seed / 1e3

    _, selection, _ = selected(fake, maker, chosen, accuracy)
    stayed = [s for s in selection.standings if s.method.name in ("ema", "blurpool") and s.taken]
    assert [(s.shown, s.why.split(",")[0][:4]) for s in stayed] == [(False, "-5.0")]


def test_methods_that_break_the_budget_together_are_not_taken_together(
    fake: Fake, digits: Data
) -> None:
    form = {
        "input": [1, 8, 8],
        "layers": ["conv(16)", "max-pool", "conv(16)", "global-average-pool", "classifier(10)"],
    }
    net = NetSpec.from_dict(form)
    candidate = Candidate(net, start(digits, blur=False), Recipe(epochs=1))
    points = {"blurpool": 3, "squeeze-excite": 2}
    one = Maker(Shape(1, 8, 8), 10, Budget(max_macs=1))
    most = max(round(replace(one, methods=parse(name)).excess(net)) for name in points)
    tight = replace(one, budget=Budget(max_macs=most))  # either fits, and not both
    taken, selection, said = selected(fake, tight, candidate, gains(points))
    found = tuple(s.method for s in selection.standings if s.taken)
    assert replace(tight, methods=found).excess(net) <= 1
    assert "blurpool" in taken
    assert "squeeze-excite is over the budget beside the others that were taken" in said


def test_a_loss_alone_leaves_the_start_as_it_was(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    """Without either of two methods of the start it is better, without both it is worst."""

    def accuracy(candidate: Candidate, seed: int) -> float:
        del seed
        of = names(candidate.methods)
        left = 2 - len(of & {"ema", "blurpool"})
        return 0.8 + (0, 5, -5)[left] / 100 - 0.01 * len(of & {"flip", "crop", "sam"})

    taken, _, _ = selected(fake, maker, chosen, accuracy)
    assert len(taken & {"ema", "blurpool"}) == 1


def test_a_small_gain_is_shown_where_chance_is_smaller(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    _, selection, said = selected(fake, maker, chosen, gains({"flip": 0.6}, noise=0.0))
    standing = {s.method.name: s for s in selection.standings}
    assert (standing["flip"].taken, standing["flip"].shown) == (True, True)
    assert "flip: +0.60 points [" in said
    count = sum("[" in s.why for s in selection.standings)
    assert said.count("(Holm)") == 1
    assert f"what is shown is adjusted for {count} comparisons (Holm)" in said
    assert "better; expected now +" in standing["flip"].why


def test_a_gain_that_is_shown_alone_is_not_shown_among_others(
    fake: Fake, maker: Maker, chosen: Candidate
) -> None:
    _, selection, _ = selected(fake, maker, chosen, gains({"flip": 1.0}, noise=0.0025))
    standing = {s.method.name: s for s in selection.standings}
    assert standing["flip"].taken
    low = float(standing["flip"].why.split("[")[1].split(",")[0])
    assert low > 0, "by its own interval"
    assert not standing["flip"].shown
    assert "], no difference shown; expected now +" in standing["flip"].why


def test_a_gain_is_told_with_its_interval_if_it_has_one() -> None:
    assert _told(Interval(1.234, 0.5, 2.0, 3), "points") == "+1.23 points [+0.50, +2.00]"
    assert _told(Interval(-1.0, float("nan"), float("nan"), 1), "of score") == "-1.00 of score"


@pytest.mark.parametrize(
    ("channels", "name", "percent", "mean", "deviation"),
    [
        (3, "flip", 50.0, 1.5, 3.75),
        (1, "flip", 50.0, -0.25, 7.5),
        (4, "flip", 50.0, -0.25, 7.5),
        (1, "ema", 80.0, 1.28, 1.28),
        (1, "sam", 80.0, -0.16, 0.96),
        (1, "sam", 100.0, -0.0099, 0.0594),
        (1, "sam", 0.0, -0.0099, 0.0594),
    ],
)
def test_what_is_believed_before_is_in_units_of_what_there_is_to_gain(
    channels: int, name: str, percent: float, mean: float, deviation: float
) -> None:
    (method,) = parse(name)
    question = _Question(method, parse("one-cycle, ema"))
    found = _prior(question, data_of(channels, 4, 4), percent)
    assert (found.mean, found.deviation) == pytest.approx((mean, deviation))


def test_a_gain_that_rounds_to_nothing_has_no_sign_of_a_loss() -> None:
    selection = Selection(Mock(**{"judging.unit": "points"}), Mock(), Mock())
    selection._note(Mock(method=parse("crop")[0]), None, Mock(mean=-0.04), "time was short")  # pyright: ignore[reportPrivateUsage]
    assert selection.standings[0].why.startswith("expected +0.0 points; ")
