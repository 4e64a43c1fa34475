"""A comparison that is decided is not trained to its end, and an open one is."""

from math import hypot

import pytest
from tests.study.design.conftest import PROFILE, Fake, always, until

from smidgen import zoo
from smidgen.methods import parse
from smidgen.recipe import Recipe
from smidgen.study.design.gain import Belief
from smidgen.study.design.judging import Judging
from smidgen.study.design.race import Race, looks, race
from smidgen.study.design.search import Candidate
from smidgen.study.design.tune import lengthened, tuned
from smidgen.study.statistics import paired_effect

PRIOR = Belief(0.0, 1.0)


@pytest.fixture
def odds() -> Race:
    return Race(Judging(0, balanced=False, images=1000), 90.0, replicates=4)


@pytest.fixture
def candidates() -> list[Candidate]:
    net, recipe = zoo.net("mnist-1k5-dw"), Recipe(epochs=8)
    return [Candidate(net, parse(methods), recipe) for methods in ("one-cycle", "ema", "flip")]


def test_one_two_and_four_replicates_are_looked_at_then_all() -> None:
    assert [list(looks(count)) for count in (1, 2, 3, 5, 9)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 4, 5],
        [1, 2, 4, 8, 9],
    ]


@pytest.mark.parametrize(
    ("points", "decided", "lost"),
    [(-8.0, True, True), (8.0, True, False), (-0.2, False, False), (0.2, False, False)],
)
def test_only_a_difference_far_from_nothing_is_decided(
    odds: Race, points: float, decided: bool, lost: bool
) -> None:
    gain = paired_effect({0: 90.0 + points}, {0: 90.0})
    assert odds.is_decided(PRIOR, gain) == decided
    assert odds.is_lost(PRIOR, gain) == lost


def test_the_rest_is_asked_for_where_it_could_change_the_sign_by_two_deviations() -> None:
    """One of four folds is known, and nothing before: the rest has a third of its variance."""
    odds = Race(Judging(5, balanced=False, images=1000), 90.0, replicates=4)
    edge = 2 * odds.error(1) * (1 - 1 / 4) ** 0.5
    for share, decided in ((0.99, False), (1.01, True)):
        for sign in (-1, 1):
            gain = paired_effect({0: 90.0 + sign * share * edge}, {0: 90.0})
            assert odds.is_decided(Belief(0.0, 1e6), gain) == decided


def test_where_nothing_is_left_to_measure_it_is_decided(odds: Race) -> None:
    gain = paired_effect(dict.fromkeys(range(4), 90.1), dict.fromkeys(range(4), 90.0))
    assert odds.is_decided(PRIOR, gain)


def test_more_replicates_of_the_same_pictures_tell_less_and_less(odds: Race) -> None:
    errors = [odds.error(count) for count in (1, 2, 4, 1000)]
    assert errors == sorted(errors, reverse=True)
    alone = odds.judging.error(90.0, 1)
    assert errors[0] == pytest.approx(2**0.5 * alone)
    assert errors[2] == pytest.approx(hypot(odds.judging.error(90.0, 4), alone / 2))
    assert errors[-1] == pytest.approx(odds.judging.error(90.0, 1000), rel=0.01)


def test_what_is_over_gets_no_further_replicates(fake: Fake, candidates: list[Candidate]) -> None:
    given = fake(lambda candidate, seed: 0.9)
    first, second, third = candidates
    ends = iter([{third}, set[Candidate]()])
    found = race(given.search, "reduce", candidates, range(3), lambda rows: next(ends), always)
    assert given.asked == [(first, second, third), (first, second), (first, second)]
    assert {one: len(rows) for one, rows in found.items()} == {first: 3, second: 3, third: 1}
    assert list(found) == candidates


def test_where_time_is_over_no_further_replicate_begins(
    fake: Fake, candidates: list[Candidate]
) -> None:
    given = fake(lambda candidate, seed: 0.9)
    found = race(
        given.search, "methods", candidates, range(5), lambda rows: set(), until(True, False)
    )
    assert {len(rows) for rows in found.values()} == {2}
    assert given.search.steps["methods"] == ["the time allows no more than 2 of 5 seeds"]


def test_where_all_are_over_nothing_more_is_trained(
    fake: Fake, candidates: list[Candidate]
) -> None:
    given = fake(lambda candidate, seed: 0.9)
    found = race(given.search, "reduce", candidates, range(5), lambda rows: set(rows), always)
    assert len(given.asked) == 1
    assert {len(rows) for rows in found.values()} == {1}


def test_a_recipe_that_loses_gets_one_replicate_and_one_that_wins_gets_all(
    fake: Fake, candidates: list[Candidate]
) -> None:
    chosen = candidates[0]

    def accuracy(candidate: Candidate, seed: int) -> float:
        del seed
        faster = candidate.recipe.peak_lr > chosen.recipe.peak_lr
        return 0.8 + 0.05 * (candidate.recipe.weight_decay > 0.04) - 0.2 * faster

    given = fake(accuracy)
    rows = given.search.measure("recipe", [chosen], range(3))[chosen]
    given.asked.clear()
    found = tuned(given.search, chosen, rows, PROFILE, always)
    assert found.recipe.weight_decay == pytest.approx(0.05)
    assert [len(asked) for asked in given.asked] == [3, 2, 2]


def test_where_every_other_recipe_has_lost_the_usual_one_is_not_trained_alone(
    fake: Fake, candidates: list[Candidate]
) -> None:
    chosen = candidates[0]
    given = fake(lambda candidate, seed: 0.8 - 0.2 * (candidate != chosen))
    rows = given.search.measure("recipe", [chosen], range(3))[chosen]
    given.asked.clear()
    assert tuned(given.search, chosen, rows, PROFILE, always) == chosen
    assert [len(asked) for asked in given.asked] == [3]


def test_lengths_that_are_decided_are_not_trained_again(
    fake: Fake, candidates: list[Candidate]
) -> None:
    given = fake(lambda candidate, seed: 0.3 if candidate.recipe.epochs < 8 else 0.8)
    assert lengthened(given.search, candidates[0], PROFILE, always).recipe.epochs == 8
    shorter = [sum(c.recipe.epochs < 8 for c in asked) for asked in given.asked]
    assert shorter == [1, 0, 0]
