"""A design goes on where it stopped, warns of what is doubtful, and trains its winner again."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import Mock

import pytest
from tests.study.design.conftest import PROFILE

from smidgen.config import load_net, load_plan
from smidgen.data import Data, Preprocessing, load
from smidgen.export.c.footprint import predict_cost
from smidgen.files import locked
from smidgen.layers import Shape
from smidgen.methods import parse
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design import budget as costing
from smidgen.study.design import design as search
from smidgen.study.design import outset as module
from smidgen.study.design.budget import Budget
from smidgen.study.design.clock import NO_CARDS, estimate, work_of
from smidgen.study.design.design import design
from smidgen.study.design.inputs import Input, sides_told
from smidgen.study.design.ladder import BudgetError
from smidgen.study.design.maker import Maker
from smidgen.study.design.outset import Outset, Wishes, outset, views_told
from smidgen.study.design.profile import PROFILES, recipe_of
from smidgen.study.design.reduce import Entrant
from smidgen.study.design.search import Candidate, News
from smidgen.study.design.selection import Standing
from smidgen.study.design.story import (
    changed,
    doubts,
    models_of,
    plan_text,
    pretrained_told,
    slow_told,
    standings_of,
    story,
    told_latency,
)
from smidgen.study.design.templates import Template
from smidgen.study.job import Origin
from smidgen.study.running.local import Observer, StudyError
from smidgen.study.running.ray import RayPool
from smidgen.study.statistics import accuracy_interval
from smidgen.study.status import Status
from smidgen.study.store import Store
from smidgen.trial import Trial

BUDGET = Budget(max_params=1000)


def test_all_trials_are_of_the_commit_that_the_images_were_of_at_first(
    tmp_path: Path, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = replace(digits, origin=f"owner/pets@{'a' * 40}")
    begun = Mock(side_effect=StudyError("begun"))
    monkeypatch.setattr(Origin, "load", Mock(return_value=there))
    monkeypatch.setattr(search, "outset", begun)
    with pytest.raises(StudyError, match="begun"):
        design(Origin("owner/pets"), BUDGET, tmp_path)
    assert begun.call_args.args[0] == Origin(there.origin)


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
    assert recipe_of(PROFILES["quick"], digits, 90_000, 3000).epochs == recipe.epochs


def test_an_impossible_budget_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="the smallest one"):
        design(Origin("digits"), Budget(max_params=9), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="not empty and holds no design"):
        design(Origin("digits"), BUDGET, tmp_path)
    with pytest.raises(ValueError, match="not empty and holds no design"):  # before it is read
        design(Origin("nowhere"), BUDGET, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder_of_a_design(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(ValueError, match="mine must be a folder, got a file"):
        design(Origin("digits"), BUDGET, tmp_path / "mine")


@pytest.mark.parametrize("name", ["front", "model"])
def test_what_a_design_replaces_is_no_link(tmp_path: Path, name: str) -> None:
    (out := tmp_path / "out").mkdir()
    (out / name).symlink_to(tmp_path)
    with pytest.raises(ValueError, match=f"{name} must be a folder, got a link: remove it"):
        design(Origin("nowhere"), BUDGET, out)


def test_a_folder_that_a_killed_design_left_before_it_had_begun_is_taken(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "design.owners").mkdir(parents=True)
    for name in (
        "design.db-wal",
        "design.db-shm",
        "design.db-journal",
        "design.toml.123.tmp",
        ".lock",
    ):
        (out / name).write_bytes(b"")
    # Only the time is refused: the folder is not.
    with pytest.raises(ValueError, match="too short for one rung of the ladder"):
        design(Origin("digits"), BUDGET, out, seconds=1e-3)
    (out / "design.db").write_bytes(b"")  # made, and nothing noted in it
    with pytest.raises(ValueError, match="too short for one rung of the ladder"):
        design(Origin("digits"), BUDGET, out, seconds=1e-3)
    (out / "design.db").unlink(missing_ok=True)
    (out / "design.toml").write_text("precious")
    with pytest.raises(ValueError, match="not empty and holds no design"):
        design(Origin("digits"), BUDGET, out, seconds=1e-3)


def test_what_every_trial_has_is_not_said_to_be_expected_to_help() -> None:
    methods = parse("blurpool, ema, one-cycle, flip")
    by_name = {method.name: method for method in methods}
    standings = [
        Standing(by_name["ema"], taken=True, shown=True, why="+1.0"),
        Standing(by_name["flip"], taken=True, shown=False, why="expected +1.3"),
    ]
    candidate = Candidate(load_net("mnist-1k5-dw"), methods, Recipe())
    told = {one["method"]: one["standing"] for one in standings_of(candidate, standings)}
    assert told == {"blurpool": "always", "ema": "shown", "flip": "expected"}


def test_an_unknown_profile_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown profile 'quik'; did you mean 'quick'"):
        design(Origin("digits"), BUDGET, tmp_path / "out", profile="quik")


def test_a_design_in_a_limit_of_time_goes_on_with_the_lengths_that_it_had(
    tmp_path: Path, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another pace, as it is measured again, no trial would be one that was trained."""
    monkeypatch.setitem(PROFILES, "quick", PROFILE)
    pace, made = iter([1e-4, 2e-4, 2e-4, 2e-4]), module._entrants

    def timed(*of: object) -> float:
        del of
        return next(pace)

    def too_many(makers: Mapping[Input, Maker], rungs: int, *, smallest: bool) -> list[Entrant]:
        (maker,) = makers.values()
        large = Entrant(maker.made(Template("plain", (1,)), [1024]), maker)
        return [*made(makers, rungs, smallest=smallest), large]

    monkeypatch.setattr(module, "_entrants", too_many)
    monkeypatch.setattr(module, "seconds_an_image", timed)
    out = tmp_path / "out"

    def begun(seconds: float) -> Outset:
        wishes = Wishes("quick", None, "best", balance=False, pareto=False, seconds=seconds)
        return outset(Origin("digits"), digits, BUDGET, out, wishes, 1)

    first = begun(200.0)
    store = Store(out / module.STORE)
    first.note(store)
    store.close()
    again = begun(200.0)
    assert (again.recipe, again.profile) == (first.recipe, first.profile)
    assert (again.methods, again.entrants) == (first.methods, first.entrants)
    assert again.expected.search == pytest.approx(2 * first.expected.search, rel=0.05)
    assert begun(300.0).recipe != first.recipe, "with more time it is another"


def begun_anew(digits: Data, out: Path, seconds: float | None, budget: Budget = BUDGET) -> Outset:
    """Return what a call begins with, noted as it does."""
    wishes = Wishes("quick", None, "best", balance=False, pareto=False, seconds=seconds)
    begun = outset(Origin("digits"), digits, budget, out, wishes, 1)
    begun.note(Store(out / module.STORE))
    return begun


def test_a_design_that_had_little_time_has_all_its_nets_when_it_has_more(
    tmp_path: Path, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "seconds_an_image", constant)
    few, all_, few_again = (begun_anew(digits, tmp_path, n) for n in (12.0, None, 12.0))
    assert len(few.entrants) == few.profile.rungs < 9
    assert len(all_.entrants) == all_.profile.rungs == 9
    assert all_.entrants[: len(few.entrants)] == few.entrants == few_again.entrants


def test_a_design_goes_on_with_the_latencies_that_it_measured(
    tmp_path: Path, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They decide which neighbours fit: measured anew, other nets would be trained."""
    monkeypatch.setattr(module, "seconds_an_image", constant)
    budget = Budget(max_params=1000, max_latency=4.0)

    def begun(a_net: float) -> tuple[Entrant, ...]:
        monkeypatch.setattr(costing, "measured_latency", lambda spec: a_net)  # pyright: ignore[reportUnknownLambdaType]
        return begun_anew(digits, tmp_path, None, budget).entrants

    first, again = begun(3.0), begun(9.0)
    assert [one.shaped for one in again] == [one.shaped for one in first]
    assert {one.maker.latency(one.maker.built(one.shaped.spec)) for one in again} == {3.0}
    (maker,) = {one.maker for one in again}
    neighbour = maker.made(Template("plain", (1,)), [2]).spec
    assert maker.figures(neighbour)["latency"] == 9.0
    assert begun(1.0)[0].maker.figures(neighbour)["latency"] == 9.0, "measured since it began"


def constant(*of: object) -> float:
    del of
    return 1e-4


def short(digits: Data, at: Path, prefer: str = "best", purpose: str = "accuracy") -> Outset:
    wishes = Wishes("quick", 2, prefer, balance=False, pareto=False, seconds=None, purpose=purpose)
    return outset(Origin("digits"), digits, BUDGET, at / "out", wishes, 1)


def test_a_search_for_the_smallest_is_not_told_to_take_the_time_of_neighbours(
    tmp_path: Path, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "seconds_an_image", constant)
    each = ("best", "smallest")
    profiles = [short(digits, tmp_path, prefer=prefer).profile for prefer in each]
    assert [profile.move_rounds for profile in profiles] == [1, 0]


def test_the_lengths_that_few_images_are_tried_with_are_in_the_time_that_is_told(
    tmp_path: Path, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "seconds_an_image", constant)
    wishes = Wishes("quick", None, "best", balance=False, pareto=False, seconds=None)
    begun = outset(Origin("digits"), digits, BUDGET, tmp_path / "out", wishes, 1)
    bare = work_of(begun.profile, None, begun.recipe.epochs)
    without = estimate(1e-4, len(digits.train), begun.recipe, bare, 1)
    whole = without.confirm / begun.profile.confirm_seeds  # three times as long as in the search
    assert begun.expected.search == pytest.approx(without.search + begun.profile.seeds * whole)


def test_a_design_for_robust_tells_the_time_of_its_cards(
    tmp_path: Path, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "seconds_an_image", constant)
    each = ("accuracy", "robust")
    expected = [short(digits, tmp_path, purpose=purpose).expected for purpose in each]
    assert [one.card > 0 for one in expected] == [False, True]
    assert expected[1].confirm > expected[0].confirm + 2 * expected[1].card


class Broken:
    """A place where each trial fails."""

    waiting: ClassVar[list[int]] = []

    def __init__(self, store: Store) -> None:
        self.store = store

    def finish(self, study: str, observer: Observer) -> Status:
        del observer
        self.waiting.append(self.store.status(study).queued)
        while claim := self.store.claim("here", study):
            self.store.fail(claim.key, "here", "the disk was away")
        return self.store.status(study)


def run_at(place: type[Broken], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have quick designs send their trials to such a place, which tells how many waited."""
    monkeypatch.setitem(PROFILES, "quick", PROFILE)

    def runner_on(on: str, store: Store, *of: object) -> nullcontext[Broken]:
        del on, of
        return nullcontext(place(store))

    monkeypatch.setattr(search, "runner_on", runner_on)
    Broken.waiting.clear()


def test_what_failed_is_tried_again_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(Broken, monkeypatch)
    for _ in range(2):
        with pytest.raises(StudyError, match="every trial of reduce failed: the disk was away"):
            design(Origin("digits"), BUDGET, tmp_path / "out", epochs=1)
    assert Broken.waiting == [6, 6]


class Interrupted(Broken):
    """A place that is left with Ctrl-C before anything is done."""

    def finish(self, study: str, observer: Observer) -> Status:
        del observer
        self.waiting.append(self.store.status(study).queued)
        raise KeyboardInterrupt


def test_what_an_earlier_call_left_at_other_lengths_is_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers take what waits in any phase, and a phase ends when all of it is done."""
    monkeypatch.setattr(module, "seconds_an_image", constant)
    run_at(Interrupted, monkeypatch)
    for seconds in (None, 1e6):
        with pytest.raises(KeyboardInterrupt):
            design(Origin("digits"), BUDGET, tmp_path / "out", seconds=seconds)
    assert Broken.waiting == [6, 1], "of a time that ends one run tells how fast others are"
    waiting = Store(tmp_path / "out" / "design.db").claim("here")
    assert waiting is not None
    assert waiting.job.trial.recipe.epochs > PROFILE.most_epochs, "as the longer time has it"


@pytest.mark.parametrize(
    ("each", "values", "hinted"),
    [
        *[(400, False, True), (200, False, True), (100, False, False), (900, False, False)],
        (400, True, False),  # windows of a sensor
    ],
)
def test_weights_of_other_pictures_are_hinted_at_where_they_were_measured_to_pay(
    each: int, values: bool, hinted: bool
) -> None:
    how = SimpleNamespace(of_values=values)
    data: Any = SimpleNamespace(train=range(2 * each + 1), classes=("a", "b"), preprocessing=how)
    assert bool(pretrained_told(data)) == hinted


def test_sizes_that_are_tried_are_told_beside_the_one_to_begin_with() -> None:
    own = SimpleNamespace(maker=SimpleNamespace(shape=Shape(3, 32, 32)), origin=None, told="")
    other = SimpleNamespace(origin=Origin("x"), told="48 x 48 pixels")
    views: Any = [own, other, own]
    told = views_told(views)
    assert told.startswith(
        "images are looked at with 32 x 32 pixels to begin with; nets for 48 x 48"
    )
    assert views_told(views[::2]) == ""
    assert views_told(views[1:2]) == ""
    turned = SimpleNamespace(maker=SimpleNamespace(shape=Shape(3, 96, 1)), origin="x", told="")
    shorter = SimpleNamespace(origin=Origin("x"), told=sides_told(Shape(3, 1, 48)))
    both: Any = [turned, shorter]
    assert views_told(both).startswith("images are looked at with 96 moments to begin with; nets")
    assert "nets for 48 moments are tried" in views_told(both)


@pytest.mark.parametrize("left", [True, False])
def test_plain_methods_take_no_time_from_the_last_runs(
    left: bool, tmp_path: Path, tiny: NetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    winner, news = Candidate(tiny, (), Recipe(epochs=1)), list[News]()
    monkeypatch.setattr(search, "_search", Mock(return_value=(winner, [], [])))
    monkeypatch.setattr(search.Search, "measure", Mock(return_value={winner: {}}))
    monkeypatch.setattr(search, "_told", Mock())
    monkeypatch.setattr(search, "_finished", Mock())
    monkeypatch.setattr(search, "replace", Mock())  # of what is found, a stand-in here
    monkeypatch.setattr(search.Pace, "left", Mock(return_value=left))
    plain = Mock(return_value=[])
    monkeypatch.setattr(search, "baselines", plain)
    design(Origin("digits"), BUDGET, tmp_path / "out", observer=news.append)
    assert plain.called == left
    assert ("the time allows no plain methods" in str([n.line for n in news])) != left


@pytest.mark.parametrize(
    ("on", "address", "at_once"),
    [("ray", "10.0.0.1:6379", 64), ("ray", None, 2), ("local", None, 2)],
)
def test_the_time_of_a_design_is_told_by_the_cores_of_the_cluster(
    on: str, address: str | None, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = Mock(__spec__=Mock())
    ray.is_initialized.return_value = False
    ray.cluster_resources.return_value = {"CPU": 64.0, "memory": 1.0}
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    begin = Mock(side_effect=ValueError("seen"))
    monkeypatch.setattr(search, "outset", begin)
    with pytest.raises(ValueError, match="seen"):
        design(Origin("digits"), BUDGET, tmp_path / "out", jobs=2, on=on, address=address)
    assert begin.call_args.args[-1] == at_once
    assert ray.init.called == ray.shutdown.called == (address is not None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prefer": "smalest"}, "unknown preference 'smalest'; did you mean 'smallest'"),
        ({"on": "rai"}, "unknown place 'rai'; did you mean 'ray'"),
        ({"address": "10.0.0.1:6379"}, "an address is that of a Ray cluster"),
        ({"epochs": 0}, "^epochs must be a whole number >= 1, got 0"),
        ({"epochs": 10**7}, "^epochs must be at most 1,000,000, got 10,000,000"),
        ({"jobs": 0}, "jobs must be a whole number >= 1, got 0"),
        ({"seconds": 1e-3}, "too short for one rung of the ladder and the last runs: it needs"),
    ],
)
def test_a_bad_wish_is_refused_before_anything_is_written(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        design(Origin("digits"), BUDGET, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def row_of(accuracy: float, balanced: float, answered: list[list[int]]) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "balanced_accuracy": balanced,
        "accuracy_by_class": [0.5] * len(answered),
        "largest_class": max(sum(line) for line in answered) / sum(map(sum, answered)),
        "confusion": answered,
        "classes": ["cat", "dog"],
    }


def test_what_is_doubtful_is_told() -> None:
    good = row_of(0.97, 0.97, [[48, 2], [1, 49]])
    assert doubts({0: good, 1: good}, [], 9, balanced=False) == []
    plain = [{"net": "random-forest", "accuracy": 0.98, "balanced_accuracy": 0.9}]
    (ahead,) = doubts({0: good, 1: good}, plain, 9, balanced=False)
    assert ahead == "random forest on the same pixels is ahead: 98.00 % accuracy against 97.00 %"
    assert doubts({0: good, 1: good}, plain, 9, balanced=True) == []
    one_answer = row_of(0.5, 0.5, [[50, 0, 0], [50, 0, 0], [0, 0, 0]])
    one_answer |= {"accuracy_by_class": [1.0, 0.0, None], "classes": ["cat", "dog", "owl"]}
    little, _ = doubts({0: one_answer}, [], 9, balanced=True)
    assert "balanced accuracy is no more than what one answer for all reaches, 50.00 %" in little
    (few,) = doubts({0: good}, [], 2, balanced=False)
    assert few.startswith("only 2 nets met the budget")
    silent = row_of(0.95, 0.5, [[95, 0], [5, 0]])
    near, never = doubts({0: silent}, [], 9, balanced=True)
    assert "50.00 % balanced accuracy is no more than what one answer for all reaches" in near
    assert "never the answer for some seed: 'dog'; --balance" in never


@pytest.mark.parametrize(
    ("balanced", "weighed", "named"), [(True, False, 1), (True, True, 0), (False, False, 0)]
)
def test_weighing_classes_is_advised_where_they_are_uneven_and_not_weighed_yet(
    balanced: bool, weighed: bool, named: int
) -> None:
    silent = row_of(0.7, 0.7, [[50, 0], [30, 0]])
    *_, line = doubts({0: silent}, [], 9, balanced=balanced, weighed=weighed)
    assert line.startswith("never the answer for some seed: 'dog'; ")
    assert line.count("--balance") == named


def test_what_was_asked_for_is_told_and_how_changed_pictures_are_answered(
    tmp_path: Path, tiny: NetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "seconds_an_image", constant)
    monkeypatch.setattr(module, "seconds_of_cards", Mock(return_value=NO_CARDS))
    origin = Origin("digits", image_size="9", color="grey")
    data, origin = origin.load(), replace(origin, data_dir=str(tmp_path))
    wishes = Wishes(
        "quick", 2, "smallest", balance=True, pareto=True, seconds=5400, purpose="robust"
    )
    begun = outset(origin, data, BUDGET, tmp_path / "out", wishes, 1)
    assert begun.told == (
        "digits: 1,000 parameters at most",
        "with --profile quick --epochs 2 --prefer smallest --balance --pareto --for robust"
        " --time 1h30m --image-size 9 --color grey",
    )
    assert "compiled" not in begun.asked["budget"], "designs from before there was one go on"
    kinds = ("shift", "rotation", "scale", "exposure", "contrast", "blur")
    seen = [{"kind": kind, "amount": 1.0, "accuracy": 0.6} for kind in kinds[:3]]
    seen += [{"kind": kind, "amount": 1.0, "accuracy": 0.9} for kind in kinds[3:]]
    seen += [{"kind": "shift", "amount": 0.0, "accuracy": 1.0}]  # the picture as it is
    row = {**row_of(0.5, 0.5, [[5, 5], [5, 5]]), "robust": {"accuracy": 0.3, "seen": seen}}
    row |= dict.fromkeys(("params", "macs", "bytes_int8", "bytes_float32"), 400)
    row |= {**dict.fromkeys(("ece", "shift_consistency", "seconds"), 0.5), "latency": None}
    winner = Candidate(tiny, (), Recipe(epochs=1))
    found = story(Mock(steps={}), winner, {0: row}, begun.told, accuracy_interval([50.0], 20), [])
    assert found["steps"][0] == {"title": "Asked for", "lines": list(begun.told)}
    told = dict(found["facts"])["accuracy on changed test images"]
    assert told == "60.00 %, the mean of corruptions 30.00, geometry 60.00, light 90.00"
    other = story(
        *(Mock(steps={}), winner, {0: row}, begun.told, accuracy_interval([50.0], 20), [], "rv32ec")
    )
    flash = f"{predict_cost(tiny, 'rv32ec').flash:,} bytes"
    assert ("flash as int8 C for a RISC-V of RV32EC, predicted", flash) in other["facts"]
    assert changed({0: row}) == pytest.approx(60)
    assert changed({0: {}}) is None


@pytest.mark.parametrize(
    ("limit", "admitted", "lines"), [(2.0, 1.9, 1), (4.0, 1.9, 0), (None, None, 0)]
)
def test_a_trained_net_that_is_slower_than_the_limit_is_told(
    limit: float | None, admitted: float | None, lines: int
) -> None:
    row = {"latency": {"kernel_ms": 3.365, "threads": 1}}
    found = slow_told({0: row, 1: {}}, limit, admitted)
    assert len(found) == lines
    for line in found:
        assert line.startswith(
            "an image takes 3.365 ms, above the limit of 2 ms: untrained the net"
        )
    assert slow_told({1: {"latency": None}}, 2.0, 1.9) == []
    label, figure = told_latency(row["latency"])
    assert (label.split(", ")[1], figure) == ("PyTorch on 1 thread", "3.365 ms")


def test_models_are_counted_and_not_their_seeds() -> None:
    one = {"net": "a", "layers": [], "methods": ["ema"], "recipe": {"epochs": 3}}
    rows = [{**one, "seed": 0}, {**one, "seed": 1}, {**one, "recipe": {"epochs": 9}, "seed": 0}]
    assert [models_of(rows[:n]) for n in range(4)] == [0, 1, 1, 2]


class Answering:
    """A place where every trial reaches half, at once."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def finish(self, study: str, observer: Observer) -> Status:
        del observer
        while claim := self.store.claim("here", study):
            trial = claim.job.trial
            row = {**row_of(0.5, 0.5, [[5, 5], [5, 5]]), "net": trial.net.name, "key": claim.key}
            row |= {"methods": [], "recipe": trial.to_dict()["recipe"], "split": "test"}
            row |= {"epochs": trial.recipe.epochs, "images": 20, "seconds": 1.0, "nll": 0.7}
            row |= dict.fromkeys(("params", "macs", "bytes_int8", "bytes_float32"), 400)
            row |= dict.fromkeys(("balanced_nll", "ece", "shift_consistency"), 0.5)
            self.store.finish(claim.key, "here", {**row, "latency": None})
            self.store.folder(claim.key).mkdir(parents=True)
        return self.store.status(study)


def test_a_design_that_tests_another_model_says_that_the_test_images_were_read_before(
    tmp_path: Path, tiny: NetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROFILES, "quick", PROFILE)
    monkeypatch.setattr(search, "runner_on", lambda on, store, *of: nullcontext(Answering(store)))  # pyright: ignore
    monkeypatch.setattr(search, "_keep_plain", Mock())
    told = list[tuple[bool, int, bool]]()
    for epochs in (1, 2, 2):
        winner, news = Candidate(tiny, (), Recipe(epochs=epochs)), list[News]()
        monkeypatch.setattr(search, "_search", Mock(return_value=(winner, [], [])))
        found = design(Origin("digits"), BUDGET, tmp_path / "out", observer=news.append)
        (line,) = [n.line for n in news if n.line and n.phase == "confirm"]
        noted = Store(tmp_path / "out" / "design.db").notes()["design"]
        assert noted["notices"] == list(found.warnings)[: len(noted["notices"])]
        warned = "were read before, for 1 other model of this folder" in str(noted["notices"])
        told.append(("tested once on" in line, noted["read_before"], warned))
    assert told == [(True, 0, False), (False, 1, True), (False, 1, True)]


def test_no_more_time_is_refused_once_a_design_has_ended(
    tmp_path: Path, tiny: NetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    beginning = Origin("digits"), load("digits"), BUDGET

    def wishes(seconds: float | None) -> Wishes:
        return Wishes("quick", None, "best", balance=False, pareto=False, seconds=seconds)

    monkeypatch.setitem(PROFILES, "quick", PROFILE)
    monkeypatch.setattr(search, "runner_on", lambda on, store, *of: nullcontext(Answering(store)))  # pyright: ignore
    monkeypatch.setattr(search, "_keep_plain", Mock())
    winner = Candidate(tiny, (), Recipe(epochs=1))
    monkeypatch.setattr(search, "_search", Mock(return_value=(winner, [], [])))
    out = tmp_path / "out"
    design(Origin("digits"), BUDGET, out)
    store = Store(out / "design.db")
    assert store.notes()["ended"] is None
    assert store.notes()["asked"] == store.notes()["design"]["steps"][0]["lines"]
    assert outset(*beginning, out, wishes(None), 1).expected.seconds == 0, "all of it is there"
    for ended, refused in ((None, (600, 900)), (600.0, (300, 600)), (300.0, (300,))):
        store.note("ended", ended)
        for seconds in (300, 600, 900, None):
            again = pytest.raises(ValueError, match=r"out holds a design that has ended, with its")
            with again if seconds in (refused if ended else (300, *refused)) else nullcontext():
                outset(*beginning, out, wishes(seconds), 1)


@pytest.mark.parametrize(
    ("trained_on", "said"),
    [("photos", "other data: choose"), ("digits", "other preprocessing:")],
)
def test_a_folder_of_a_design_of_other_data_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_on: str, said: str
) -> None:
    wishes = Wishes("quick", None, "best", balance=False, pareto=False, seconds=None)
    began = outset(Origin("digits"), load("digits"), BUDGET, tmp_path, wishes, 1)
    store = Store(tmp_path / "design.db")
    began.note(store)
    monkeypatch.setattr(Store, "rows", Mock(return_value=[{"data": trained_on}]))
    with pytest.raises(ValueError, match=f"holds another design, with {said}"):
        outset(Origin("digits"), load("digits", image_size=10), BUDGET, tmp_path, wishes, 1)


def test_what_is_told_of_a_sensor_makes_no_other_design() -> None:
    wishes = Wishes("quick", None, "best", balance=False, pareto=False, seconds=None)
    told = Preprocessing(1, 8, "grey", 1, names=("x",), interval=2.0)
    requests = [
        module._asked(  # pyright: ignore[reportPrivateUsage]
            Origin("digits"), replace(load("digits"), preprocessing=seen), BUDGET, wishes
        )
        for seen in (told, replace(told, names=(), interval=0.0))
    ]
    assert requests[0] == requests[1]


@pytest.mark.parametrize(
    ("began", "again", "said"),
    [
        ({}, {"image_size": "8"}, "other image size: choose"),
        ({"image_size": "8"}, {}, "other image size: choose"),  # its views are others
        ({"image_size": "8x8"}, {"image_size": "8"}, ""),
        ({}, {"image_size": "10", "color": "rgb"}, "other image size and colour: choose"),
        ({}, {"fit": "pad"}, "other fit: choose"),
    ],
)
def test_another_image_size_or_colour_of_a_folder_is_named(
    began: dict[str, Any],
    again: dict[str, Any],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "seconds_an_image", constant)
    wishes = Wishes("quick", None, "best", balance=False, pareto=False, seconds=None)
    for asked in (began, again):
        origin = Origin("digits", **asked)
        refused = pytest.raises(ValueError, match=f"holds another design, with {said}")
        with refused if asked is again and said else nullcontext():
            outset(origin, origin.load(), BUDGET, tmp_path, wishes, 1).note(
                Store(tmp_path / "design.db")
            )


def test_nets_for_images_that_no_view_has_are_of_other_options(tmp_path: Path) -> None:
    """As of a design from before the size that was asked for was noted."""
    with pytest.raises(ValueError, match=r"another design, with nets for images of 3x64x64 as"):
        module._entrant({"size": [3, 64, 64]}, {}, tmp_path)


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
    assert {n.phase for n in news if n.line} >= {"reduce", "refine", "methods", "confirm"}
    assert run.trial.recipe.epochs == found.recipe.epochs == 2
    assert repr(found).startswith(f"Design({found.net.name}: ")
    assert len(repr(found)) < 400
    assert f">{100 * found.rows[0]['accuracy']:.2f} %</td>" in found._repr_html_()
    assert [row["net"] for row in found.plain] == ["logistic-regression", "random-forest"]
    store = Store(out / "design.db")
    rows = store.rows()
    tested = [row for row in rows if row["split"] == "test" and row["study"] != "baseline"]
    assert len(tested) == PROFILE.confirm_seeds
    chosen = [row for row in rows if row["split"] != "test"]
    assert {row["trained_on"].split("-")[0] for row in chosen} == {"fold"}
    standing = {m["standing"] for m in store.notes()["design"]["methods"]}
    assert standing <= {"shown", "expected", "always"}
    assert "one-cycle" in run.trial.method_texts
    assert "one-cycle" not in {m["method"] for m in store.notes()["design"]["methods"]}
    facts = dict(store.notes()["design"]["facts"])
    assert facts["parameters"] == f"{run.trial.spec.params:,}"

    before = store.ended()
    again = design(Origin("digits"), BUDGET, out, epochs=2)
    assert again == found
    assert store.ended() == before
    with pytest.raises(ValueError, match="another design, with other epochs"):
        design(Origin("digits"), BUDGET, out, epochs=3)
    with pytest.raises(ValueError, match="another design, with other fit"):
        design(Origin("digits", fit="pad"), BUDGET, out, epochs=2)
    with locked(out), pytest.raises(ValueError, match="another process is at work in"):
        design(Origin("digits"), BUDGET, out, epochs=2)
    request = store.notes()["request"]
    for name in ("preprocessing", "image_size", "color", "fit"):
        del request[name]
    store.note("request", request)  # as of a design from before it was kept
    assert design(Origin("digits"), BUDGET, out, epochs=2) == found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cluster_trains_and_finds_what_this_machine_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'smidgen[ray]'")
    monkeypatch.setitem(PROFILES, "quick", PROFILE)
    studies, finish = list[str](), RayPool.finish

    def watched(pool: RayPool, study: str, observer: Observer) -> Status:
        studies.append(study)
        return finish(pool, study, observer)

    monkeypatch.setattr(RayPool, "finish", watched)
    here, there = (
        design(Origin("digits"), BUDGET, tmp_path / on, epochs=2, on=on) for on in ("local", "ray")
    )
    assert (there.net, there.recipe, there.methods) == (here.net, here.recipe, here.methods)
    trained = [
        {row["key"]: row["accuracy"] for row in Store(tmp_path / on / "design.db").rows()}
        for on in ("local", "ray")
    ]
    assert trained[0] == trained[1]
    assert len(trained[0]) > PROFILE.confirm_seeds
    assert "confirm" in studies, "the cluster took no part"
