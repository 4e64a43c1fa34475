"""The best net inside the budget wins, or the smallest that is nearly as good."""

import pytest
from tests.study.design.conftest import PROFILE, Fake

from smidgen.data import Data
from smidgen.layers import Shape
from smidgen.methods import parse
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget
from smidgen.study.design.ladder import Maker, ladder
from smidgen.study.design.reduce import Contest, Entrant, best_of, choose
from smidgen.study.design.search import Candidate

METHODS = parse("one-cycle")


@pytest.fixture
def maker(digits: Data) -> Maker:
    return Maker(Shape(*digits.shape), 10, Budget(max_params=1000))


@pytest.fixture
def entrants(maker: Maker) -> list[Entrant]:
    """Six nets, the smallest first."""
    made = ladder(maker, 6, smallest=True)
    return [Entrant(one, maker) for one in sorted(made, key=lambda one: one.spec.params)]


def always() -> bool:
    return True


@pytest.mark.parametrize(("prefer", "place"), [("best", 5), ("smallest", 3)])
def test_the_best_net_wins_unless_the_smallest_is_asked_for(
    fake: Fake, entrants: list[Entrant], prefer: str, place: int
) -> None:
    nets = [one.shaped.spec for one in entrants]

    def accuracy(candidate: Candidate, seed: int) -> float:
        del seed
        return [0.50, 0.60, 0.70, 0.964, 0.95, 0.97][nets.index(candidate.net)]

    given = fake(accuracy)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), prefer)
    scores = contest.reduce(entrants, always)
    assert choose(given.search, scores, PROFILE, prefer) == entrants[place]
    assert [len(wanted) for wanted in given.asked] == [6, 2, 2]
    assert {c.recipe.epochs for c in given.asked[0]} == {2}
    assert {c.recipe.epochs for c in given.asked[1]} == {8}


def test_a_net_whose_first_seed_is_hopeless_gets_no_others(
    fake: Fake, entrants: list[Entrant]
) -> None:
    nets = [one.shaped.spec for one in entrants]
    seen: set[tuple[NetSpec, int]] = set()

    def accuracy(candidate: Candidate, seed: int) -> float:
        if candidate.recipe.epochs == 8:
            seen.add((candidate.net, seed))
            return 0.97 if candidate.net == nets[5] else 0.97 - 0.051
        return [0.50, 0.60, 0.70, 0.95, 0.96, 0.97][nets.index(candidate.net)]

    contest = Contest(fake(accuracy).search, PROFILE, METHODS, Recipe(epochs=8), "best")
    contest.reduce(entrants, always)
    assert seen == {(nets[5], 0), (nets[5], 1), (nets[5], 2), (nets[4], 0)}


def test_for_the_smallest_the_hopeless_go_first_then_what_a_smaller_net_beats(
    entrants: list[Entrant],
) -> None:
    small, middle, large, huge = sorted(entrants, key=lambda one: one.excess)[2:]
    scores = {small: 60.0, middle: 96.0, large: 95.5, huge: 97.0}
    wanted = [huge, middle, large, small]
    assert best_of(list(scores), scores, PROFILE, "smallest") == wanted
    scores = {small: 95.0, middle: 96.5, large: 96.0, huge: 97.0}
    # the small one is beaten by larger nets alone, the large one by the middle one
    wanted = [huge, middle, small, large]
    assert best_of(list(scores), scores, PROFILE, "smallest") == wanted
    scores = {small: 96.6, middle: 96.0, large: 96.5, huge: 97.0}
    assert best_of(list(scores), scores, PROFILE, "best") == [huge, small, large, middle]


def test_without_time_no_further_round_begins(fake: Fake, entrants: list[Entrant]) -> None:
    given = fake(lambda candidate, seed: 0.9)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    contest.reduce(entrants, lambda: False)
    assert len(given.asked) == 1
    assert "the time allows no further round" in given.said


def test_neighbours_that_are_ahead_are_followed(fake: Fake, entrants: list[Entrant]) -> None:
    start = entrants[-1]

    def accuracy(candidate: Candidate, seed: int) -> float:
        del seed
        return 0.9 + 0.01 * len(candidate.net.layers) - (candidate.net == start.shaped.spec) / 1000

    given = fake(accuracy)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    found = contest.refine(start, always)
    assert len(found.shaped.spec.layers) >= len(start.shaped.spec.layers) + 2
    assert found.shaped.spec.params <= 1000
    assert "a block more" in given.said


def test_where_no_neighbour_is_ahead_the_net_stays(fake: Fake, entrants: list[Entrant]) -> None:
    start = entrants[-1]
    given = fake(lambda candidate, seed: 0.9 + (candidate.net == start.shaped.spec) / 100)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    assert contest.refine(start, always) == start
    assert "3 neighbours tried, none is ahead" in given.said
