"""A design's decisions follow from the rows, and its files train the winner again."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from smidgen.config import load_net, load_plan
from smidgen.data import Data
from smidgen.layers import Shape
from smidgen.methods import Method, parse
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget
from smidgen.study.design.combine import Selection
from smidgen.study.design.design import design, plan_text
from smidgen.study.design.ladder import BudgetError, Maker, ladder
from smidgen.study.design.profile import PROFILES, Profile, Round, candidates, recipe_of
from smidgen.study.design.reduce import best_of, reduce
from smidgen.study.design.search import Candidate, News, Rows, Search
from smidgen.study.job import Origin
from smidgen.study.running.local import Pool
from smidgen.study.store import Store
from smidgen.trial import Trial

BUDGET = Budget(max_params=1000)
PROFILE = Profile(
    rounds=(Round(0.25, 6, 1), Round(1.0, 2, 3)),
    seeds=3,
    confirm_seeds=2,
    confirm_longer=2,
    images=10_000,
    most_epochs=8,
    tolerance=1.0,
    methods=("blurpool", "squeeze-excite", "ema", "sam"),
    tries=2,
)
Accuracy = Callable[[Candidate, int], float]


@pytest.fixture
def maker(digits: Data) -> Maker:
    return Maker(Shape(*digits.shape), 10, BUDGET)


class Asked:
    """A search whose answers are made up, and which remembers what it was asked."""

    def __init__(self, search: Search, asked: list[tuple[Candidate, ...]]) -> None:
        self.search, self.asked = search, asked


@pytest.fixture
def fake(
    digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Accuracy], Asked]:
    """Return what makes a search that answers with given accuracies, without training."""

    def make(accuracy: Accuracy) -> Asked:
        store = Store(tmp_path / "study.db")
        search = Search(store, Pool(store, 1), Origin("digits"), digits, lambda news: None)
        asked: list[tuple[Candidate, ...]] = []

        def measure(
            self: Search, phase: str, wanted: Iterable[Candidate], seeds: Sequence[int]
        ) -> dict[Candidate, Rows]:
            wanted = tuple(wanted)
            asked.append(wanted)
            return {c: {seed: row(c, accuracy(c, seed)) for seed in seeds} for c in wanted}

        monkeypatch.setattr(Search, "measure", measure)
        return Asked(search, asked)

    return make


def row(candidate: Candidate, accuracy: float) -> dict[str, Any]:
    net = candidate.net
    return {
        "accuracy": accuracy,
        "images": 1000,
        "seconds": 1.0,
        "params": net.params,
        "macs": net.macs,
    }


def names(methods: Iterable[Method]) -> set[str]:
    return {method.name for method in methods}


def test_reduce_takes_the_smallest_net_within_the_tolerance(
    fake: Callable[[Accuracy], Asked], maker: Maker
) -> None:
    rungs = ladder(maker, 6)
    by_size = sorted(rungs, key=lambda net: net.params)

    def accuracy(candidate: Candidate, seed: int) -> float:
        place = by_size.index(candidate.net)
        return [0.50, 0.60, 0.70, 0.964, 0.95, 0.97][place]

    given = fake(accuracy)
    chosen = reduce(given.search, maker, rungs, PROFILE, Recipe(epochs=8), parse("one-cycle"))
    assert chosen == by_size[3]
    assert [len(wanted) for wanted in given.asked] == [6, 2, 2]
    assert {c.recipe.epochs for c in given.asked[0]} == {2}
    assert {c.recipe.epochs for c in given.asked[1]} == {8}
    assert any("smallest within 1 points" in line for line in given.search.steps["reduce"])


def test_a_net_whose_first_seed_is_hopeless_gets_no_others(
    fake: Callable[[Accuracy], Asked], maker: Maker
) -> None:
    rungs = ladder(maker, 6)
    by_size = sorted(rungs, key=lambda net: net.params)
    seen: list[tuple[NetSpec, int]] = []

    def accuracy(candidate: Candidate, seed: int) -> float:
        if candidate.recipe.epochs == 8:
            seen.append((candidate.net, seed))
            return 0.97 if candidate.net == by_size[5] else 0.97 - 0.051
        return [0.50, 0.60, 0.70, 0.95, 0.96, 0.97][by_size.index(candidate.net)]

    given = fake(accuracy)
    chosen = reduce(given.search, maker, rungs, PROFILE, Recipe(epochs=8), parse("one-cycle"))
    assert chosen == by_size[5]
    assert set(seen) == {(by_size[5], 0), (by_size[5], 1), (by_size[5], 2), (by_size[4], 0)}


def test_the_hopeless_go_first_then_what_a_smaller_net_beats(maker: Maker) -> None:
    small, middle, large, huge = sorted(ladder(maker, 12), key=maker.excess)[::3]
    scores = {small: 60.0, middle: 96.0, large: 95.5, huge: 97.0}
    assert best_of(list(scores), scores, maker, PROFILE) == [huge, middle, large, small]


def gains(points: dict[str, float], noise: float = 0.0005) -> Accuracy:
    """Return accuracies to which each method adds its points, and a little chance."""

    def accuracy(candidate: Candidate, seed: int) -> float:
        chance = noise * (seed - 1) * (1 + len(candidate.methods))
        return 0.9 + sum(points.get(m.name, 0.0) for m in candidate.methods) / 100 + chance

    return accuracy


def test_methods_are_added_while_the_interval_excludes_zero(
    fake: Callable[[Accuracy], Asked], maker: Maker, tiny: NetSpec, digits: Data
) -> None:
    given = fake(gains({"blurpool": 3, "ema": 2, "sam": 0.01, "squeeze-excite": -1}))
    selection = Selection(given.search, maker, tiny, Recipe(epochs=1), PROFILE)
    baseline = parse("one-cycle")
    effects = selection.tweak(baseline, candidates(PROFILE, digits))
    assert {method.name: effect.verdict for method, effect in effects.items()} == {
        "blurpool": "better",
        "ema": "better",
        "sam": "no difference shown",
        "squeeze-excite": "worse",
    }
    assert names(selection.combine(baseline, effects)) == {"one-cycle", "blurpool", "ema"}
    assert "stopped at" in given.search.steps["combine"][-1]
    assert not any("squeeze-excite" in names(c.methods) for w in given.asked[1:] for c in w)


def test_without_a_shown_gain_nothing_is_added(
    fake: Callable[[Accuracy], Asked], maker: Maker, tiny: NetSpec, digits: Data
) -> None:
    given = fake(gains({"blurpool": 0.01, "ema": 0.02}))
    selection = Selection(given.search, maker, tiny, Recipe(epochs=1), PROFILE)
    effects = selection.tweak(parse("one-cycle"), candidates(PROFILE, digits))
    assert names(selection.combine(parse("one-cycle"), effects)) == {"one-cycle"}


def test_only_the_best_combination_of_half_of_the_seeds_is_tried_on_all(
    fake: Callable[[Accuracy], Asked], maker: Maker, tiny: NetSpec, digits: Data
) -> None:
    seen: dict[str, set[int]] = {}

    def accuracy(candidate: Candidate, seed: int) -> float:
        of = names(candidate.methods)
        seen.setdefault(" + ".join(sorted(of - {"one-cycle"})), set()).add(seed)
        both = {"blurpool", "ema"} <= of
        return 0.9 + 0.03 * ("blurpool" in of) + 0.01 * (of & {"ema", "sam"} != set()) - 0.02 * both

    given = fake(accuracy)
    selection = Selection(given.search, maker, tiny, Recipe(epochs=1), PROFILE)
    effects = selection.tweak(parse("one-cycle"), candidates(PROFILE, digits))
    assert names(selection.combine(parse("one-cycle"), effects)) == {"one-cycle", "blurpool", "sam"}
    assert seen["blurpool + ema"] == {0, 1}
    assert seen["blurpool + sam"] == {0, 1, 2}
    assert seen["blurpool"] == {0, 1, 2}


def test_a_selection_that_ends_says_what_was_tried_on_fewer_seeds(
    fake: Callable[[Accuracy], Asked], maker: Maker, tiny: NetSpec, digits: Data
) -> None:
    given = fake(gains({"blurpool": 3, "ema": 0.3, "sam": 0.2}, noise=0.004))
    selection = Selection(given.search, maker, tiny, Recipe(epochs=1), PROFILE)
    effects = selection.tweak(parse("one-cycle"), candidates(PROFILE, digits))
    assert names(selection.combine(parse("one-cycle"), effects)) == {"one-cycle", "blurpool"}
    said = given.search.steps["combine"][-1]
    assert "ema +0.30 points [" in said
    assert "sam +0.00 on 2 seeds" in said


def test_methods_that_do_nothing_or_cost_too_much_are_not_tried(
    fake: Callable[[Accuracy], Asked], digits: Data
) -> None:
    form = {"input": [1, 8, 8], "layers": ["conv(16)", "global-average-pool", "classifier(10)"]}
    net = NetSpec.from_dict(form)
    tight = Maker(Shape(1, 8, 8), 10, Budget(max_params=net.params))
    given = fake(gains({}))
    selection = Selection(given.search, tight, net, Recipe(epochs=1), PROFILE)
    effects = selection.tweak(parse("one-cycle"), candidates(PROFILE, digits))
    assert {method.name for method in effects} == {"ema", "sam"}
    said = " ".join(given.search.steps["tweak"])
    assert "blurpool is not tried: it changes nothing here" in said
    assert "squeeze-excite is not tried: over the budget" in said


def test_the_plan_file_trains_the_winner_again(tmp_path: Path, tiny: NetSpec, digits: Data) -> None:
    methods = parse("one-cycle, crop(padding=1), ema(decay=0.99)")
    winner = Candidate(tiny, methods, Recipe(epochs=7, peak_lr=0.02))
    path = tmp_path / "design.toml"
    path.write_text(plan_text(winner, "digits"))
    plan, net = load_plan(str(path)), load_net(str(path))
    found, expected = (
        Trial(
            net=spec,
            methods=chosen,
            recipe=recipe,
            seed=0,
            data="digits",
            fingerprint=digits.fingerprint,
            split="full",
        )
        for spec, chosen, recipe in (
            (net, plan.methods, plan.recipe),
            (tiny, methods, winner.recipe),
        )
    )
    assert plan.data == "digits"
    assert found.key == expected.key


def test_recipes_follow_the_size_of_the_data(digits: Data) -> None:
    recipe = recipe_of(PROFILES["quick"], digits, 1000, None)
    assert (recipe.batch_size, recipe.peak_lr) == (32, 0.02)
    assert 2 <= recipe.epochs <= PROFILES["quick"].most_epochs
    assert recipe_of(PROFILES["quick"], digits, 90_000, 3).epochs == 3


def test_an_impossible_budget_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="the smallest one"):
        design(Origin("digits"), Budget(max_params=9), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="not empty and holds no design"):
        design(Origin("digits"), BUDGET, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_unknown_profile_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown profile 'quik'; did you mean 'quick'"):
        design(Origin("digits"), BUDGET, tmp_path / "out", profile="quik")


@pytest.mark.slow
def test_a_design_ends_with_its_model_and_goes_on_without_training_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smidgen.run import load_run

    monkeypatch.setitem(PROFILES, "quick", PROFILE)
    out, news = tmp_path / "out", list[News]()
    found = design(Origin("digits"), BUDGET, out, epochs=2, observer=news.append)
    run = load_run(out / "model")
    assert run.trial.spec.params <= 1000
    assert (run.trial.net, run.trial.split, run.trial.seed) == (found.net, "full", 0)
    assert {row["split"] for row in found.rows.values()} == {"test"}
    assert {n.phase for n in news if n.line} >= {"reduce", "tweak", "combine", "confirm"}
    assert run.trial.recipe.epochs == found.recipe.epochs == 4  # the winner's run is longer
    store = Store(out / "design.db")
    tested = [row for row in store.rows() if row["split"] == "test"]
    assert len(tested) == PROFILE.confirm_seeds
    facts = dict(store.notes()["design"]["facts"])
    assert facts["parameters"] == f"{run.trial.spec.params:,}"

    before = store.ended()
    again = design(Origin("digits"), BUDGET, out, epochs=2)
    assert again == found
    assert store.ended() == before
    with pytest.raises(ValueError, match="another design, with other epochs"):
        design(Origin("digits"), BUDGET, out, epochs=3)
