"""Intervals and tests agree with scipy's own and with closed forms."""

from math import comb, isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smidgen.chance import wilson
from smidgen.study.statistics import (
    NO_DIFFERENCE,
    NOT_TESTED,
    Interval,
    McNemar,
    accuracy_interval,
    mcnemar,
    mean_interval,
    paired_effect,
)

accuracies = st.lists(
    st.floats(0, 1).map(lambda value: round(value, 4)), min_size=2, max_size=12, unique=True
)


@given(accuracies)
def test_the_t_interval_is_scipys(values: list[float]) -> None:
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = mean_interval(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@given(accuracies, st.randoms(use_true_random=False))
def test_a_paired_effect_is_scipys_paired_t_test(values: list[float], random: object) -> None:
    baseline = dict(enumerate(values))
    shifts = np.random.default_rng(len(values)).normal(0.01, 0.02, len(values))
    treated = {seed: baseline[seed] + shifts[seed] for seed in baseline}
    test = stats.ttest_rel(list(treated.values()), list(baseline.values()))
    expected = test.confidence_interval(0.95)
    found = paired_effect(treated, baseline)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.excludes_zero == (test.pvalue < 0.05)


def test_pairing_removes_what_seeds_share() -> None:
    baseline = {0: 0.10, 1: 0.50, 2: 0.90}
    treated = {seed: value + 0.01 + 0.001 * seed for seed, value in baseline.items()}
    assert paired_effect(treated, baseline).verdict == "better"
    assert paired_effect(baseline, treated).verdict == "worse"
    unpaired: Any = stats.ttest_ind(list(treated.values()), list(baseline.values()))
    assert unpaired.pvalue > 0.9


def test_only_seeds_on_both_sides_count() -> None:
    effect = paired_effect({0: 0.5, 1: 0.6, 7: 0.0}, {1: 0.5, 0: 0.4, 9: 1.0})
    assert effect.count == 2
    assert effect.mean == pytest.approx(0.1)
    with pytest.raises(ValueError, match="none in common"):
        paired_effect({0: 0.5}, {1: 0.5})


def test_one_seed_shows_no_difference_however_large() -> None:
    effect = paired_effect({0: 0.9}, {0: 0.1})
    assert isnan(effect.low)
    assert effect.verdict == NOT_TESTED


def test_an_interval_that_touches_zero_shows_no_difference() -> None:
    assert Interval(0.1, 0.0, 0.2, 3).verdict == NO_DIFFERENCE
    assert mean_interval([0.0, 0.0, 0.0]).verdict == NO_DIFFERENCE
    assert mean_interval([0.25, 0.25]).verdict == "better"


def test_seeds_that_agree_to_the_image_are_not_certainty() -> None:
    baseline, step = {0: 96.0, 1: 95.0, 2: 97.0}, 0.5
    treated = {seed: value + step for seed, value in baseline.items()}
    effect = paired_effect(treated, baseline, step=step)
    half = stats.t.ppf(0.975, 2) * step / 6**0.5 / 3**0.5
    assert (effect.low, effect.high) == pytest.approx((step - half, step + half))
    assert effect.verdict == NO_DIFFERENCE
    apart = {0: 99.0, 1: 90.0, 2: 96.0}  # a spread above the floor is left as it is
    assert paired_effect(apart, baseline, step=step) == paired_effect(apart, baseline)


def test_the_bootstrap_is_stated_repeats_and_covers_as_promised() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(0.5, 0.1, 40)
    found = mean_interval(list(values), "bootstrap")
    assert found == mean_interval(list(values), "bootstrap")
    assert found.kind == "bootstrap"
    # resampled means are normal with the plain standard deviation over sqrt(n)
    half = 1.96 * values.std() / 40**0.5
    assert found.high - found.mean == pytest.approx(half, rel=0.1)
    assert found.mean - found.low == pytest.approx(half, rel=0.1)


def test_nothing_and_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        mean_interval([])
    with pytest.raises(ValueError, match="one of t, bootstrap, got 'z'"):
        mean_interval([1.0], "z")


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_a_fair_coin_on_the_images_that_differ(first: int, second: int) -> None:
    right = np.array([True] * first + [False] * second + [True] * 5 + [False] * 5)
    other = np.array([False] * first + [True] * second + [True] * 5 + [False] * 5)
    found = mcnemar(right, other)
    n, tail = first + second, min(first, second)
    closed_form = min(1.0, 2 * sum(comb(n, k) for k in range(tail + 1)) / 2**n)
    assert (found.only_first, found.only_second) == (first, second)
    assert found.p == pytest.approx(closed_form)


def test_mcnemar_names_the_better_model_or_none() -> None:
    assert McNemar(30, 5, 0.001).verdict == "first better"
    assert McNemar(5, 30, 0.001).verdict == "second better"
    assert McNemar(5, 6, 0.9).verdict == NO_DIFFERENCE
    with pytest.raises(ValueError, match="same images"):
        mcnemar(np.array([True]), np.array([True, False]))


def test_of_one_seed_the_pictures_chance_is_left() -> None:
    found = accuracy_interval([90.0], 50)
    low, high = wilson(0.9, 50)
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high))


def test_seeds_that_agree_do_not_pass_for_certainty() -> None:
    """Three models right on the same 49 of 50 pictures."""
    found = accuracy_interval([98.0, 98.0, 98.0], 50)
    assert mean_interval([98.0, 98.0, 98.0]).low == 98
    assert found.low < 90
    assert found.high <= 100


def test_of_very_many_pictures_the_seeds_chance_is_left() -> None:
    values = [88.0, 90.0, 91.0]
    found, seeds = accuracy_interval(values, 10**9), mean_interval(values)
    assert (found.low, found.high) == pytest.approx((seeds.low, seeds.high), abs=0.01)


def test_the_interval_covers_what_other_pictures_and_seeds_would_give() -> None:
    """Nets of 80 % on average; each picture has its difficulty, each seed its luck."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        difficulty = rng.beta(4, 1, size=60)
        luck = rng.normal(0, 0.03, size=(3, 1))
        right = rng.random((3, 60)) < np.clip(difficulty + luck, 0, 1)
        found = accuracy_interval([100 * share for share in right.mean(1)], 60)
        covered += found.low <= 80 <= found.high
    assert covered >= 0.94 * 400
