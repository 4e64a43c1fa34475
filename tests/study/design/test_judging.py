"""What a candidate's figure is, and what is believed of a method after a measurement."""

from dataclasses import replace
from math import exp

import numpy as np
import pytest
import torch

from smidgen.data import Data, Split
from smidgen.data.parts import parts
from smidgen.split_names import require_split
from smidgen.study.design.gain import Belief
from smidgen.study.design.judging import FOLDS, SMALL, Judging, judging_of
from smidgen.study.design.profile import PROFILES
from smidgen.study.statistics import Interval, mean_interval


def data_of(counts: list[int]) -> Data:
    labels = torch.cat([torch.full((count,), number) for number, count in enumerate(counts)])
    images = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    split = Split(images, labels)
    return Data("d", split, split, tuple(str(n) for n in range(len(counts))))


def test_few_images_are_judged_by_folds_and_uneven_ones_by_class() -> None:
    assert judging_of(data_of([10, 10])) == Judging(FOLDS, balanced=False, images=20)
    assert judging_of(data_of([19, 1])) == Judging(FOLDS, balanced=True, images=20)
    many = judging_of(data_of([SMALL // 2, SMALL // 2]))
    assert many == Judging(0, balanced=False, images=SMALL // 10)


def test_replicates_take_their_turn_at_the_folds_and_then_at_others() -> None:
    names = [Judging(5, balanced=False, images=20).split(n) for n in range(7)]
    assert names[:5] == [f"fold-{n}-of-5" for n in range(1, 6)]
    assert names[5:] == ["fold-1-of-5-round-2", "fold-2-of-5-round-2"]
    for name in names:
        require_split(name)
    assert {Judging(0, balanced=False, images=20).split(n) for n in range(7)} == {"selection"}


def test_on_folds_the_likelihood_counts_beside_the_accuracy() -> None:
    row = {"accuracy": 0.8, "nll": 0.5, "balanced_accuracy": 0.6, "balanced_nll": 0.7}
    assert Judging(0, balanced=False, images=9).points(row) == pytest.approx(80)
    assert Judging(0, balanced=True, images=9).points(row) == pytest.approx(60)
    assert Judging(5, balanced=False, images=9).points(row) == pytest.approx(40 + 50 * exp(-0.5))
    assert Judging(5, balanced=True, images=9).points(row) == pytest.approx(30 + 50 * exp(-0.7))


def test_a_net_that_says_one_class_is_no_better_than_chance() -> None:
    always = {"accuracy": 0.95, "nll": 0.2, "balanced_accuracy": 0.5, "balanced_nll": 1.6}
    better = {"accuracy": 0.85, "nll": 0.4, "balanced_accuracy": 0.8, "balanced_nll": 0.5}
    judging = judging_of(data_of([19, 1]))
    assert judging.points(better) > judging.points(always)


def test_folds_that_share_their_training_images_widen_an_interval() -> None:
    plain = mean_interval([1.0, 2.0, 4.0])
    folds = mean_interval([1.0, 2.0, 4.0], shared=0.25)
    assert folds.mean == plain.mean
    ratio = (folds.high - folds.mean) / (plain.high - plain.mean)
    assert ratio == pytest.approx(((1 / 3 + 0.25) / (1 / 3)) ** 0.5)
    assert folds.error == pytest.approx(float(np.std([1, 2, 4], ddof=1)) * (1 / 3 + 0.25) ** 0.5)


@pytest.mark.parametrize(("images", "shown"), [(100, False), (100_000, True)])
def test_replicates_that_differ_by_the_same_images_are_no_certainty(
    images: int, shown: bool
) -> None:
    base, rows = (
        {n: {"accuracy": share, "images": images} for n in range(3)} for share in (0.5, 0.51)
    )
    found = Judging(0, balanced=False, images=images).effect(rows, base)
    assert found.mean == pytest.approx(1)
    assert found.excludes_zero == shown


def test_a_belief_moves_as_far_as_a_measurement_is_exact() -> None:
    belief = Belief(1.0, 2.0)
    exact = belief.after(Interval(-1.0, -1.1, -0.9, 4), 0.01)
    vague = belief.after(Interval(-1.0, -1.0, -1.0, 3), 20.0)
    assert exact.mean == pytest.approx(-1.0, abs=0.01)
    assert vague.mean == pytest.approx(1.0, abs=0.03)
    even = belief.after(Interval(-1.0, -1.0, -1.0, 3), 2.0)
    assert even.mean == pytest.approx(0.0)
    assert even.deviation == pytest.approx(2**0.5)


def test_what_no_measurement_could_change_is_not_worth_one() -> None:
    known = Belief(1.5, 1.5)
    assert known.worth_measuring(5.0) < 0.01 < known.worth_measuring(0.1)
    unknown = Belief(0.0, 1.5)
    assert unknown.worth_measuring(0.1) > 0.5
    # by drawing: E[max(0, mean afterwards)] - max(0, mean)
    generator = np.random.default_rng(0)
    belief, error = Belief(0.4, 1.2), 0.7
    truth = generator.normal(belief.mean, belief.deviation, 200_000)
    seen = generator.normal(truth, error)
    weight = belief.deviation**2 / (belief.deviation**2 + error**2)
    after = belief.mean + weight * (seen - belief.mean)
    drawn = np.maximum(after, 0).mean() - belief.mean
    assert belief.worth_measuring(error) == pytest.approx(drawn, abs=0.01)


def answered(accuracy: float, likelihood: float, balanced: tuple[float, float]) -> dict[str, float]:
    """Return how a family of changes is answered, as a row has it."""
    names = ("accuracy", "likelihood", "balanced_accuracy", "balanced_likelihood")
    return dict(zip(names, (accuracy, likelihood, *balanced), strict=True))


@pytest.mark.parametrize("folds", [0, 5])
def test_for_robust_changed_pictures_weigh_as_much_and_how_surely_they_are_answered(
    folds: int,
) -> None:
    row = {
        "accuracy": 0.8,
        "balanced_accuracy": 0.6,
        "nll": 0.5,
        "balanced_nll": 0.7,
        "robust_quick": {
            "corruptions": answered(0.4, 0.1, (0.3, 0.0)),
            "geometry": answered(0.7, 0.5, (0.5, 0.4)),
            "light": answered(0.6, 0.4, (0.6, 0.3)),
        },
    }
    for balanced, changed in ((False, 45), (True, 35)):
        plain = Judging(folds, balanced=balanced, images=9)
        robust = Judging(folds, balanced=balanced, images=9, robust=True)
        assert robust.points(row) == pytest.approx((plain.points(row) + changed) / 2)


def test_what_is_left_to_gain_for_robust_is_left_on_changed_pictures_too() -> None:
    row = {"accuracy": 0.99, "nll": 0.1, "robust_quick": {"light": answered(0.5, 0.3, (0, 0))}}
    assert Judging(5, balanced=False, images=9).level(row) == pytest.approx(99)
    robust = Judging(5, balanced=False, images=9, robust=True)
    assert robust.level(row) == robust.points(row) < 70


def test_a_validation_part_judges_however_small_and_is_no_training_images() -> None:
    data = data_of([10, 10])
    found = judging_of(replace(data, validation=data.train))
    assert found == Judging(0, balanced=False, images=20)
    assert str(found) == "accuracy on 20 images held out of training"


@pytest.mark.parametrize(
    ("judging", "told", "unit"),
    [
        (Judging(0, balanced=False, images=9), "80.00 %", "points"),
        (
            Judging(0, balanced=True, images=9),
            "60.00 % balanced accuracy",
            "points of balanced accuracy",
        ),
        (Judging(5, balanced=False, images=9), "score 70.33 (accuracy 80.00 %)", "of score"),
        (
            Judging(5, balanced=True, images=9),
            "score 54.83 (balanced accuracy 60.00 %)",
            "of score",
        ),
        (
            Judging(0, balanced=False, images=9, robust=True),
            "score 60.00 (accuracy 80.00 %)",
            "of score",
        ),
    ],
)
def test_a_figure_that_is_no_accuracy_is_told_as_a_score_beside_it(
    judging: Judging, told: str, unit: str
) -> None:
    row = {
        "accuracy": 0.8,
        "balanced_accuracy": 0.6,
        "nll": 0.5,
        "balanced_nll": 0.7,
        "robust_quick": {"light": {"accuracy": 0.5, "likelihood": 0.3}},
    }
    assert judging.told({0: row}) == told
    assert judging.unit == unit
    assert str(judging).startswith("a score: ") == (unit == "of score")


def test_it_is_told_what_a_design_for_robust_weighs() -> None:
    found = judging_of(data_of([10, 10]), robust=True)
    assert found.robust
    told = str(found)
    assert told.startswith(str(judging_of(data_of([10, 10]))))
    for said in (
        "changed (at most 500)",
        "accuracy and 100 exp(-NLL)",
        "corruptions; moved",
        "light",
    ):
        assert said in told
    assert "balanced accuracy and 100 exp" in str(judging_of(data_of([19, 1]), robust=True))


@pytest.mark.parametrize(("counts", "folds"), [((3, 3), 5), ((2, 2), 4), ((2, 1), 2)])
def test_of_fewer_than_five_images_there_are_fewer_folds(
    counts: tuple[int, ...], folds: int
) -> None:
    found = judging_of(few(*counts))
    assert found.folds == folds
    assert all(len(parts(few(*counts), found.split(n))[1] or ()) for n in range(2 * folds))


def test_where_no_class_has_two_images_there_is_nothing_to_choose_on() -> None:
    with pytest.raises(ValueError, match="no class of few has two training images"):
        judging_of(few(1, 1, 1))


def few(*counts: int) -> Data:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    pixels = torch.arange(len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    split = Split(pixels, labels)
    return Data("few", split, split, tuple("abc"[: len(counts)]))


@pytest.mark.parametrize(
    ("folds", "used", "first"), [(0, 3, 3), (5, 3, 5), (5, 5, 5), (5, 6, 10), (2, 3, 4)]
)
def test_later_replicates_share_neither_a_seed_nor_a_round_of_folds(
    folds: int, used: int, first: int
) -> None:
    judging = Judging(folds, balanced=False, images=100)
    later = judging.after(used, 3)
    assert later == range(first, first + 3)
    rounds = [{judging.split(n).split("-of-")[-1] for n in of} for of in (range(used), later)]
    assert not folds or not rounds[0] & rounds[1]


def test_no_replicate_of_a_comparison_may_have_chosen_the_net() -> None:
    for profile in PROFILES.values():
        fresh = profile.fresh(Judging(0, balanced=False, images=100))
        assert min(fresh) == max(profile.seeds, *(one.seeds for one in profile.rounds))
        assert len(fresh) == profile.seeds
