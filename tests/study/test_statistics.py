"""Intervals and tests agree with scipy's own and with closed forms."""

from itertools import chain, combinations
from math import comb, isnan, nan
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
    adjusted_for,
    holm,
    mcnemar,
    mean_interval,
    paired_difference,
    paired_effect,
    spread,
    verdicts,
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
    assert found.p == pytest.approx(test.pvalue)


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


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        mean_interval([])


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


def test_the_error_of_a_mean_is_read_back_from_its_interval() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    assert mean_interval(values).error == pytest.approx(stats.sem(values))
    assert mean_interval([3.0]).error == 0
    assert accuracy_interval([90.0], 50).error == 0
    assert Interval(1.0, 0.0, 2.0, 2).error == pytest.approx(1 / stats.t.ppf(0.975, 1))


def test_an_end_at_zero_is_not_beyond_it() -> None:
    assert not Interval(-0.1, -0.2, 0.0, 3).excludes_zero
    assert Interval(-0.1, -0.2, -1e-9, 3).verdict == "worse"
    assert Interval(0.1, 1e-9, 0.2, 3).verdict == "better"


def test_what_folds_share_widens_the_interval() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    plain, folds = mean_interval(values), mean_interval(values, shared=0.25)
    assert folds.high - folds.mean == pytest.approx((plain.high - plain.mean) * 2**0.5)
    assert plain.mean - plain.low == pytest.approx(plain.high - plain.mean)
    floored = mean_interval(values, floor=100.0)
    assert floored.high - floored.mean == pytest.approx(stats.t.ppf(0.975, 3) * 100 / 2)


def test_accuracies_stay_between_0_and_100() -> None:
    assert accuracy_interval([0.0, 2.0, 0.0], 50).low == 0
    assert accuracy_interval([100.0, 98.0, 100.0], 50).high == 100
    assert accuracy_interval([100 + 1e-9], 50).high == 100  # a sum of shares may round up
    assert accuracy_interval([-1e-9], 50).low == 0


def test_chances_of_pictures_and_seeds_are_independent() -> None:
    values = [88.0, 90.0, 91.0]
    seeds, (low, high) = mean_interval(values), wilson(sum(values) / 300, 200)
    found = accuracy_interval(values, 200)
    half = seeds.high - seeds.mean
    assert found.low == pytest.approx(seeds.mean - ((seeds.mean - 100 * low) ** 2 + half**2) ** 0.5)
    assert found.high == pytest.approx(
        seeds.mean + ((100 * high - seeds.mean) ** 2 + half**2) ** 0.5
    )
    assert (found.count, found.kind) == (3, "t and Wilson")


@pytest.mark.parametrize(
    ("interval", "told"),
    [
        (Interval(90.0, 89.0, 91.0, 3), "90.00 ± 1.00"),
        (Interval(90.0, 87.0, 91.0, 3), "90.00 [87.00, 91.00]"),
        (Interval(90.0, 88.9, 91.0, 3), "90.00 ± 1.05"),
        (Interval(90.0, 89.0, 91.3, 3), "90.00 [89.00, 91.30]"),
        (Interval(90.0, 80.0, 95.0, 1, "t and Wilson"), "90.00 [80.00, 95.00] (1 seed)"),
        (Interval(90.0, float("nan"), float("nan"), 1), "90.00 (1 seed)"),
    ],
)
def test_a_mean_is_told_with_what_it_is_off_by(interval: Interval, told: str) -> None:
    assert spread(interval) == told
    assert spread(interval, ".0f").startswith("90")
    assert " %" not in told
    figures, _, seed = told.partition(" (")
    unit = f"{figures} % ({seed}" if seed else f"{figures} %"
    assert spread(interval, unit=" %") == unit, "which belongs to the figure"


@pytest.mark.parametrize(
    ("interval", "is_even"),
    [
        (Interval(44.44, 0.0, 91.25, 3, "t and Wilson"), False),  # -1.19 as mean - half
        (Interval(50.0, 0.0, 100.0, 3, "t and Wilson"), False),
        (Interval(56.0, 10.0, 99.9, 3, "t and Wilson"), False),  # 100.95 as mean + half
        (Interval(50.0, 0.1, 99.9, 3, "t and Wilson"), True),
        (Interval(68.75, 46.83, 87.66, 3, "t and Wilson"), False),  # 48.34 and 89.17 as mean ± half
        (Interval(98.0, 97.67, 98.31, 3, "t and Wilson"), True),
        (Interval(1.0, -1.0, 3.0, 3), True),  # of a difference
    ],
)
def test_no_accuracy_is_told_to_be_below_0_or_above_100_percent(
    interval: Interval, is_even: bool
) -> None:
    assert ("±" in spread(interval)) == is_even
    assert (f"[{interval.low:.2f}, {interval.high:.2f}]" in spread(interval)) != is_even


def test_five_percent_is_not_below_five_percent() -> None:
    assert McNemar(9, 1, 1 - 0.95).verdict == NO_DIFFERENCE
    assert McNemar(9, 1, 0.0499).verdict == "first better"


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),  # Newcombe 1998, table II, method 10
        ((1, 1, 7, 12), -0.507, -0.026),  # Fagerland, Lydersen & Laake 2014
    ],
)
def test_a_paired_difference_has_the_interval_that_was_published(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    both, only_first, only_second, neither = counts
    found = paired_difference(both, only_first, only_second, neither)
    assert found.mean == pytest.approx((only_first - only_second) / sum(counts))
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-4)
    turned = paired_difference(both, only_second, only_first, neither)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_a_paired_difference_stays_within_its_range_and_needs_an_image() -> None:
    found = paired_difference(0, 3, 0, 0)
    assert (found.mean, found.high) == (1, 1)
    assert paired_difference(5, 0, 0, 5).low < 0 < paired_difference(5, 0, 0, 5).high
    with pytest.raises(ValueError, match="at least one image"):
        paired_difference(0, 0, 0, 0)


ps = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@given(ps)
def test_holm_is_closed_testing_by_bonferroni(found: list[float]) -> None:
    """A comparison is as sure as the least sure of all the sets that hold it."""
    places = range(len(found))
    sets = list(chain.from_iterable(combinations(places, size + 1) for size in places))
    oracle = [
        max(min(len(of) * min(found[one] for one in of), 1.0) for of in sets if place in of)
        for place in places
    ]
    assert holm(found) == pytest.approx(oracle)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1, 1]
    assert holm([]) == []
    untested = holm([nan, 0.02, nan, 0.03])
    assert isnan(untested[0])
    assert isnan(untested[2])
    assert (untested[1], untested[3]) == pytest.approx((0.04, 0.04))


@given(ps)
def test_what_is_adjusted_is_less_sure_and_in_the_same_order(found: list[float]) -> None:
    adjusted = holm(found)
    assert all(p <= after <= 1 for p, after in zip(found, adjusted, strict=True))
    in_order = [after for _, after in sorted(zip(found, adjusted, strict=True))]
    assert in_order == sorted(adjusted)
    assert len(found) > 1 or adjusted == found, "of one comparison nothing changes"


differences = st.lists(
    st.lists(st.integers(-20, 60), min_size=1, max_size=5).map(
        lambda values: paired_effect(
            dict(enumerate(map(float, values))), dict.fromkeys(range(5), 0.0), step=1
        )
    ),
    max_size=6,
)


@given(differences)
def test_judged_together_no_more_is_shown_than_by_each_alone(found: list[Interval]) -> None:
    judged = verdicts(found)
    for alone, together in zip(found, judged, strict=True):
        assert together.told in (alone.verdict, NO_DIFFERENCE)
        assert (together.told == NOT_TESTED) == (alone.count == 1) == isnan(together.p)
        if together.told in ("better", "worse"):
            assert together.p < 0.05
    assert verdicts(found[:1]) == [
        (pytest.approx(of.p, nan_ok=True), of.verdict) for of in found[:1]
    ]


def test_effects_that_are_all_zero_and_one_that_is_exact_have_a_p() -> None:
    assert mean_interval([0.0, 0.0]).p == 1
    assert mean_interval([0.25, 0.25]).p == 0
    assert isnan(mean_interval([0.25]).p)


def test_a_p_near_the_level_is_not_shown_beside_others() -> None:
    near = mean_interval([1.0, 2.0, 3.0, 1.5])
    assert (0.01 < near.p < 0.05, near.verdict) == (True, "better")
    assert [told for _, told in verdicts([near, near, near])] == [NO_DIFFERENCE] * 3
    one_seed = Interval(1.0, nan, nan, 1)
    assert verdicts([near, one_seed, one_seed])[0].told == "better", "what is no test counts not"
    assert adjusted_for(3) == "adjusted for 3 comparisons (Holm)"
    assert adjusted_for(1) == ""
