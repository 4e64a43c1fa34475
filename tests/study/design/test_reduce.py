"""The best net inside the budget wins, or the smallest that is nearly as good."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from tests.study.design.conftest import PROFILE, Accuracy, Fake

from smidgen.data import Data
from smidgen.layers import Shape
from smidgen.methods import BlurPool, parse
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget
from smidgen.study.design.judging import Judging
from smidgen.study.design.ladder import ladder
from smidgen.study.design.maker import Maker
from smidgen.study.design.reduce import Contest, Entrant, best_of, choose
from smidgen.study.design.search import AllFailedError, Candidate, Rows

METHODS = parse("one-cycle")


@pytest.fixture
def maker(digits: Data) -> Maker:
    return Maker(Shape(*digits.shape), 10, Budget(max_params=1000))


@pytest.fixture
def entrants(maker: Maker) -> list[Entrant]:
    """Six nets, the smallest first."""
    made = ladder(maker, 6, smallest=True)
    return [Entrant(one, maker) for one in sorted(made, key=lambda one: one.spec.params)]


def always(*of: object) -> bool:
    del of
    return True


def never(*of: object) -> bool:
    del of
    return False


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
    assert choose(given.search, scores, PROFILE, prefer, str) == entrants[place]
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


def test_a_hopeless_net_whose_only_fold_is_an_easy_one_is_not_ahead(
    fake: Fake, entrants: list[Entrant]
) -> None:
    nets = [one.shaped.spec for one in entrants]

    def accuracy(candidate: Candidate, seed: int) -> float:
        return [0.50, 0.60, 0.70, 0.80, 0.84, 0.90][nets.index(candidate.net)] - 0.12 * (seed > 0)

    given = fake(accuracy)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    scores = contest.reduce(entrants, always)
    assert scores == {entrants[5]: pytest.approx(82.0), entrants[4]: pytest.approx(76.0)}
    assert choose(given.search, scores, PROFILE, "best", str) == entrants[5]


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
    contest.reduce(entrants, never)
    assert len(given.asked) == 1
    assert "the time allows no further round" in given.said


@pytest.mark.parametrize(("fits", "nets"), [(6, 6), (4, 4), (1, 3)])
def test_where_time_ends_the_first_round_has_as_many_nets_as_the_first_one_tells(
    fake: Fake, entrants: list[Entrant], fits: int, nets: int
) -> None:
    given = fake(lambda candidate, seed: 0.9)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    contest.reduce(entrants, lambda wanted, replicates: len(wanted) <= fits, first=1)
    assert [len(wanted) for wanted in given.asked[:2]] == [1, nets]
    assert (f"the time allows {nets} of 6 nets" in given.said) == (nets < 6)


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


def accuracy_by_net(entrants: list[Entrant], *shares: float) -> Accuracy:
    nets = [one.shaped.spec for one in entrants]
    return lambda candidate, seed: shares[nets.index(candidate.net)]


def test_what_is_compared_and_how_it_ended_is_told(fake: Fake, entrants: list[Entrant]) -> None:
    given = fake(accuracy_by_net(entrants, 0.5, 0.6, 0.7, 0.95, 0.96, 0.97))
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    contest.reduce(entrants, always)
    smallest, best = entrants[0].shaped.spec, entrants[5].shaped.spec
    assert given.search.steps["reduce"] == [
        f"6 nets inside the budget, {smallest.params:,} to {best.params:,} parameters",
        f"round 1: 6 nets, 2 epochs, 1 seed: best {best.name} with 97.00 %",
        f"round 2: 2 nets, 8 epochs, 3 seeds: best {best.name} with 97.00 %",
    ]


def test_a_score_is_not_told_as_if_it_were_an_accuracy(fake: Fake, entrants: list[Entrant]) -> None:
    given = fake(accuracy_by_net(entrants, 0.5, 0.6, 0.7, 0.7, 0.7, 0.75))
    given.search.judging = Judging(5, balanced=False, images=100)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "smallest")
    scores = contest.reduce(entrants, always)
    assert "with score 56.21 (accuracy 75.00 %)" in given.said
    choose(given.search, scores, PROFILE, "smallest", contest.reached)
    within = "within 1 of score of the best (score 56.21 (accuracy 75.00 %))"
    assert within in given.said.splitlines()[-1]


def test_a_round_of_a_share_of_an_epoch_is_an_epoch(fake: Fake, entrants: list[Entrant]) -> None:
    given = fake(lambda candidate, seed: 0.9)
    Contest(given.search, PROFILE, METHODS, Recipe(epochs=1), "best").reduce(entrants, always)
    assert [{c.recipe.epochs for c in asked} for asked in given.asked[:2]] == [{1}, {1}]
    start = entrants[-1]
    Contest(given.search, PROFILE, METHODS, Recipe(epochs=1), "best").refine(start, always)
    assert [{c.recipe.epochs for c in asked} for asked in given.asked[3:]] == [{1}, {1}]


@pytest.mark.parametrize(("moves", "trained"), [(5, 2), (6, 2), (7, 2), (1, 1)])
def test_a_third_of_the_neighbours_is_trained_to_the_end(
    fake: Fake, entrants: list[Entrant], moves: int, trained: int
) -> None:
    start = entrants[-1]
    seeds: set[tuple[int, int]] = set()

    def accuracy(candidate: Candidate, seed: int) -> float:
        seeds.add((candidate.recipe.epochs, seed))
        return 0.9 + (candidate.net == start.shaped.spec) / 100

    given = fake(accuracy)
    profile = replace(PROFILE, moves=moves)
    contest = Contest(given.search, profile, METHODS, Recipe(epochs=8), "best")
    assert contest.refine(start, always) == start
    short, long = given.asked
    assert len(short) == moves, "its own half run would tell nothing"
    assert {c.recipe.epochs for c in short} == {4}
    assert len(long) == 1 + trained
    assert seeds == {(4, 0), (8, 0), (8, 1), (8, 2)}
    assert {c.recipe.epochs for c in long} == {8}
    assert long[0].net == start.shaped.spec
    assert contest.refine(start, never) == start
    assert len(given.asked) == 2


def test_a_net_that_ties_or_is_just_not_hopeless_is_not_beaten(
    entrants: list[Entrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Entrant, "is_no_larger", lambda one, than: one.excess <= than.excess)  # pyright: ignore
    small, middle, large, huge = sorted(entrants, key=lambda one: one.excess)[2:]
    scores = {huge: 97.0, large: 96.0, middle: 96.0, small: 95.0}
    assert best_of(list(scores), scores, PROFILE, "smallest") == [huge, large, middle, small]
    scores = {huge: 97.0, large: 95.0, middle: 96.0, small: 92.0}  # five tolerances below
    assert best_of(list(scores), scores, PROFILE, "smallest") == [huge, middle, small, large]
    assert best_of(list(scores), {}, PROFILE, "smallest") == [huge, large, middle, small]


@pytest.mark.parametrize(
    ("prefer", "percents", "place", "why"),
    [
        ("best", (96.0, 97.0, 97.0), 1, "the best"),  # the smaller of two that are equal
        ("smallest", (96.0, 96.5, 97.0), 0, "the smallest within 1 point of the best (97.00 %)"),
        ("smallest", (95.9, 96.5, 97.0), 1, "the smallest within 1 point of the best (97.00 %)"),
    ],
)
def test_the_choice_is_told_with_its_reason(
    fake: Fake,
    entrants: list[Entrant],
    prefer: str,
    percents: tuple[float, ...],
    place: int,
    why: str,
) -> None:
    nets = sorted(entrants, key=lambda one: one.excess)[:3]
    given = fake(lambda candidate, seed: 0.9)
    scores = dict(zip(reversed(nets), reversed(percents), strict=True))
    told = {one: f"{score:.2f} %" for one, score in scores.items()}
    assert choose(given.search, scores, PROFILE, prefer, told.__getitem__) == nets[place]
    spec = nets[place].shaped.spec
    assert given.search.steps["reduce"] == [
        f"chosen: {spec.name}, {spec.params:,} parameters and {spec.macs:,} MACs,"
        f" with {percents[place]:.2f} %: {why}"
    ]


def test_the_figures_of_the_choice_are_those_of_the_net_that_is_trained(
    fake: Fake, entrants: list[Entrant]
) -> None:
    blurred = [replace(one, maker=replace(one.maker, methods=(BlurPool(),))) for one in entrants]
    search = fake(lambda candidate, seed: 0.9).search
    chosen = choose(search, dict.fromkeys(blurred, 90.0), PROFILE, "best", str)
    built = BlurPool().rewrite(chosen.shaped.spec)
    assert built.macs > chosen.shaped.spec.macs
    assert f"{built.macs:,} MACs, with" in search.steps["reduce"][0]


def test_rows_of_an_entrant_are_of_whole_runs(fake: Fake, entrants: list[Entrant]) -> None:
    given = fake(lambda candidate, seed: 0.5 + seed / 100)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    best = choose(given.search, contest.reduce(entrants, always), PROFILE, "best", str)
    asked = list(given.asked)
    assert [row["accuracy"] for row in contest.rows_of(best).values()] == [0.5, 0.51, 0.52]
    assert given.asked == asked, "nothing is trained for it"


@pytest.mark.parametrize(
    ("fits", "asked", "told"), [(1, [6, 2], "1 seed"), (3, [6, 2, 2], "3 seeds")]
)
def test_a_round_of_which_one_seed_fits_has_one(
    fake: Fake, entrants: list[Entrant], fits: int, asked: list[int], told: str
) -> None:
    wanted: list[tuple[int, int, int]] = []

    def left(candidates: Sequence[Candidate], replicates: Sequence[int]) -> bool:
        (epochs,) = {one.recipe.epochs for one in candidates}
        wanted.append((len(candidates), epochs, len(replicates)))
        return len(replicates) <= fits

    given = fake(lambda candidate, seed: 0.9)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    contest.reduce(entrants, left)
    assert wanted == [(2, 8, 1), (2, 8, 3)], "asked with what the round takes"
    assert [len(of) for of in given.asked] == asked
    assert ("the time allows no more than 1 of 3 seeds" in given.said) == (fits == 1)
    assert given.search.steps["reduce"][-1].startswith(f"round 2: 2 nets, 8 epochs, {told}: ")


@pytest.mark.parametrize(("most", "asked"), [(0, 0), (1, 1), (3, 2)])
def test_neighbours_begin_only_if_their_runs_fit(
    fake: Fake, entrants: list[Entrant], most: int, asked: int
) -> None:
    given = fake(lambda candidate, seed: 0.9)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    found = contest.refine(entrants[-1], lambda wanted, seeds: len(seeds) <= most)
    assert len(given.asked) == asked
    assert found == entrants[-1]
    assert ("the time allows no" in given.said) == (asked < 2)


def test_without_time_the_rows_of_an_entrant_are_those_that_it_has(
    fake: Fake, entrants: list[Entrant]
) -> None:
    """Whole runs that nothing is compared with would take the time of the last ones."""
    given = fake(accuracy_by_net(entrants, 0.5, 0.6, 0.7, 0.95, 0.96, 0.97))
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    scores = contest.reduce(entrants, never)
    (given_up,) = given.asked
    rows = contest.rows_of(choose(given.search, scores, PROFILE, "best", str))
    assert {n: row["accuracy"] for n, row in rows.items()} == {0: 0.97}
    assert given.asked == [given_up]


def test_where_all_neighbours_fail_the_net_stays(
    fake: Fake, entrants: list[Entrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = entrants[-1]
    given = fake(lambda candidate, seed: 0.9)
    measure = given.search.measure

    def failed(phase: str, wanted: Iterable[Candidate], seeds: range) -> dict[Candidate, Rows]:
        kept = [one for one in wanted if one.net == start.shaped.spec]
        if not kept:
            raise AllFailedError("every trial of reduce failed")
        return measure(phase, kept, seeds)

    monkeypatch.setattr(given.search, "measure", failed)
    contest = Contest(given.search, PROFILE, METHODS, Recipe(epochs=8), "best")
    assert contest.refine(start, always) == start
    assert "3 neighbours tried, none is ahead" in given.said


def test_an_entrant_says_which_images_it_sees(entrants: list[Entrant]) -> None:
    plain = entrants[0]
    assert plain.name == plain.shaped.spec.name
    assert replace(plain, told="32x32").name == f"{plain.name} on 32x32"
