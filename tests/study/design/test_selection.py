"""Methods are taken by their expected gain, from a set that is known to help."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from tests.study.design.conftest import PROFILE, Accuracy, Fake, row

from smidgen.data import Data
from smidgen.layers import Shape
from smidgen.methods import Method, parse
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget
from smidgen.study.design.ladder import Maker
from smidgen.study.design.search import Candidate
from smidgen.study.design.selection import Selection, start
from smidgen.study.design.tune import lengthened, tuned


def always() -> bool:
    return True


def names(methods: Iterable[Method]) -> set[str]:
    return {method.name for method in methods}


def gains(points: Mapping[str, float | int], noise: float = 0.0005, base: float = 0.8) -> Accuracy:
    """Return accuracies to which each method adds its points, and a little chance."""

    def accuracy(candidate: Candidate, seed: int) -> float:
        chance = noise * (seed - 1) * (1 + len(candidate.methods))
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
        return 0.7 - 0.004 * ("ema" in names(candidate.methods)) * (seed - 0.5)

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
    (asked,) = given.asked
    assert [names(c.methods) - names(chosen.methods) for c in asked] == [set(), {"flip"}]
    why = {s.method.name: s.why for s in selection.standings}
    assert "not measured" in why["ema"]
    assert "-3.00 points" in why["flip"]


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
    found = Selection(given.search, maker, PROFILE).select(chosen, rows, lambda: False)
    assert found == chosen
    assert given.asked == []


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


def test_on_few_images_longer_runs_must_pay(fake: Fake, chosen: Candidate) -> None:
    better = fake(lambda candidate, seed: 0.8 + candidate.recipe.epochs / 1000)
    assert lengthened(better.search, chosen, PROFILE, always).recipe.epochs == 8
    worse = fake(lambda candidate, seed: 0.8 - candidate.recipe.epochs / 1000)
    assert lengthened(worse.search, chosen, PROFILE, always).recipe.epochs == 1
    middle = fake(lambda candidate, seed: 0.8 - abs(candidate.recipe.epochs - 4) / 1000)
    assert lengthened(middle.search, chosen, PROFILE, always).recipe.epochs == 4
    assert parse("ema")[0] in chosen.methods
