"""Nothing begins that the last runs have no time after, and these are as long as they can be."""

from collections.abc import Iterable
from dataclasses import replace
from math import ceil
from unittest.mock import Mock

import pytest
from tests.study.design.conftest import Fake, row

from smidgen.data import Data
from smidgen.methods import parse
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design.clock import Clock, Estimate
from smidgen.study.design.pace import Pace
from smidgen.study.design.search import Candidate, Search
from smidgen.study.design.selection import start
from smidgen.text import to_text


@pytest.fixture
def chosen(tiny: NetSpec, digits: Data) -> Candidate:
    return Candidate(tiny, start(digits, blur=True), Recipe(epochs=4))


@pytest.fixture
def search(fake: Fake) -> Search:
    return fake(lambda candidate, seed: 0.8).search


def pace_of(search: Search, clock: Clock, jobs: int = 1, confirm: float = 0.0) -> Pace:
    """Return a pace where an epoch of all images was expected to take a second."""
    return Pace(search, clock, Estimate(0.0, confirm, 0.0, epoch=1.0), jobs)


def trained(
    search: Search, candidate: Candidate, seconds: float, seeds: Iterable[int] = (0,)
) -> None:
    """Keep runs of a candidate on the way to the choice of its net, judged by no images."""
    for seed in seeds:
        of = {"key": search.key(candidate, seed, full=False), "net": candidate.net.name}
        of |= {"split": "held-out", "studies": ["reduce"], "study": "reduce", "images": 0}
        of |= {"epochs": candidate.recipe.epochs, "seconds": seconds}
        of |= {"methods": [to_text(method) for method in candidate.methods]}
        search.store.keep("reduce", [{**row(candidate, 0.8), **of}])


def clock_with(seconds: float) -> Clock:
    """Return a clock with so many seconds left, without those for the result."""
    return Clock(max(seconds / 0.95, seconds + 5.0))


def test_runs_begin_if_they_and_the_last_ones_fit_at_the_speed_so_far(
    search: Search, chosen: Candidate
) -> None:
    """An epoch took 3 s and not 1 s: the last runs take 90 s and not 30, a run of 4 epochs 12."""
    trained(search, chosen, 12.0)
    for seconds, jobs, fits in ((115, 1, True), (113, 1, False), (103, 2, True), (101, 2, False)):
        pace = pace_of(search, clock_with(seconds), jobs, confirm=30.0)
        assert pace.left([chosen], range(3)) == fits, "one of the three is done"
    assert pace_of(search, clock_with(91.0), confirm=30.0).left([chosen], range(1))
    assert not pace_of(search, clock_with(89.0), confirm=30.0).left([chosen], range(1))
    assert pace_of(search, Clock(None), confirm=1e9).left([chosen], range(99))


def test_a_run_is_no_shorter_for_many_side_by_side(search: Search, chosen: Candidate) -> None:
    trained(search, chosen, 4.0)
    longer = [chosen.lasting(40)]
    for seconds, fits in ((41.0, True), (39.0, False)):
        assert pace_of(search, clock_with(seconds), jobs=16).left(longer, range(2)) == fits


def test_before_any_run_the_last_ones_are_as_expected(search: Search, chosen: Candidate) -> None:
    for seconds, fits in ((31.0, True), (29.0, False)):
        pace = pace_of(search, clock_with(seconds), confirm=30.0)
        assert pace.left([chosen], range(3)) == fits


def test_a_net_without_runs_is_as_fast_as_the_one_with_the_nearest_macs(
    search: Search, chosen: Candidate
) -> None:
    large = replace(
        chosen.net,
        name="large",
        layers=NetSpec.from_dict(
            {"input": [1, 8, 8], "layers": ["conv(99)", "global-average-pool", "classifier(10)"]}
        ).layers,
    )
    trained(search, chosen, 4.0)
    trained(search, replace(chosen, net=large), 400.0)
    near = replace(chosen, net=replace(chosen.net, name="near"))
    assert pace_of(search, clock_with(5.0)).left([near], range(1, 2))
    assert not pace_of(search, clock_with(3.0)).left([near], range(1, 2))


@pytest.mark.parametrize(
    ("seconds", "jobs", "epochs", "seeds"),
    [
        (3 * 20.5, 1, 20, 3),  # enough for more epochs than chose the net
        (3 * 4.5, 1, 4, 3),
        (2 * 5.5, 1, 5, 2),  # three seeds would have three each
        (4.5, 1, 4, 1),
        (4.5, 2, 4, 2),  # side by side two take no longer than one
        (2.5, 1, 2, 1),  # not even one has as many
        (-9.0, 1, 1, 3),
    ],
)
def test_seeds_go_before_epochs_below_those_that_chose_the_net(
    search: Search, chosen: Candidate, seconds: float, jobs: int, epochs: int, seeds: int
) -> None:
    trained(search, chosen, 4.0, seeds=range(2))
    pace = pace_of(search, clock_with(1.15 * seconds), jobs)
    (cut,), kept = pace.in_time([chosen.lasting(40)], 3)
    assert (cut.recipe.epochs, kept) == (epochs, seeds)
    said, notices = "\n".join(search.steps["recipe"]), pace.hurried(cut)
    runs = f"{seeds} of 3 last runs" if seeds < 3 else "last runs"
    assert f"the time left is enough for {runs} of {epochs} epoch" in said
    assert [("chose the net" in line, "and not 3" in line) for line in notices] == [
        *[(True, False)] * (epochs < 4),
        *[(False, True)] * (seeds < 3),
    ]
    *_, noted = search.store.notes()["last"]
    assert noted == seeds


@pytest.mark.parametrize(
    ("left", "jobs", "asked"),
    [(100.0, 1, [1, 3]), (11.0, 1, [1, 2]), (4.0, 1, [1]), (11.0, 2, [2, 3]), (11.0, 8, [3])],
)
def test_seeds_go_where_the_first_last_runs_are_slow(
    search: Search,
    chosen: Candidate,
    left: float,
    jobs: int,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first ones take 10 s; those of several processes side by side."""
    now, seeds = [0.0], list[int]()

    def measure(phase: str, last: object, replicates: range, *, full: bool) -> dict[str, range]:
        assert (phase, last, full) == ("confirm", [chosen], True)
        now[0] += 10.0 * (not seeds)
        seeds.append(len(replicates))
        return {"of": replicates}

    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(search, "measure", measure)
    search.store.note("last", [200.0, 4, [], 3, 4, 3])
    pace = pace_of(search, clock_with(left + 10.0), jobs)
    assert pace.confirmed("confirm", [chosen], 3) == {"of": range(asked[-1])}
    assert seeds == asked
    told = f"the time left is enough for {asked[-1]} of 3 seeds" in str(search.steps)
    assert told == (asked[-1] < 3)
    assert search.store.notes()["last"][-1] == asked[-1], "an interrupted design goes on with it"


def test_without_a_limit_last_runs_are_asked_for_at_once(
    search: Search, chosen: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Mock()
    monkeypatch.setattr(search, "measure", measure)
    pace_of(search, Clock(None)).confirmed("confirm", [chosen], 3)
    measure.assert_called_once_with("confirm", [chosen], range(3), full=True)


def test_last_runs_are_cut_to_the_time_left(search: Search, chosen: Candidate) -> None:
    """An epoch took 2 s on four fifths of the images; on all of them it has more batches."""
    images = len(search.data.train)
    made = {**row(chosen, 0.8), "net": chosen.net.name, "split": "held-out", "epochs": 4}
    made |= {"key": "0" * 16, "studies": ["refine"], "study": "refine", "seconds": 8.0}
    search.store.keep("refine", [{**made, "images": images // 5}])
    last = [chosen.lasting(40)] * 2  # of a front, the winner is one: it is trained once
    size = chosen.recipe.batch_size
    whole = 2.0 * ceil(images / size) / ceil((images - images // 5) / size)
    clock = Clock(1.15 * 3 * whole * 10.5 / 0.95)
    cut, seeds = pace_of(search, clock).in_time(last, 3)
    assert ([one.recipe.epochs for one in cut], seeds) == ([10, 10], 3)
    enough = "the time left is enough for last runs of 10 epochs and not 40"
    assert enough in search.steps["recipe"]
    assert pace_of(search, clock).hurried(cut[0]) == [], "runs of 4 epochs chose it"
    *asked, _, _ = search.store.notes()["last"]
    search.store.note("last", [*asked, 7, 2])  # by a process that was killed behind that
    (again,), seeds = pace_of(search, clock).in_time([chosen.lasting(40)], 3)
    assert (again.recipe.epochs, seeds) == (7, 2), "what was tested is not tested at other lengths"
    other = replace(chosen.lasting(40), methods=chosen.methods[:1])
    (another,), _ = pace_of(search, clock).in_time([other], 3)
    assert another.recipe.epochs == 10, "that length is not of another winner"
    (short,) = pace_of(search, clock).hurried(chosen.lasting(3))
    assert short.startswith("the time was enough for last runs of 3 epochs, where runs of 4 chose")
    search.store.note("last", [clock.limit, 3, [], 3, 3, 3])
    assert pace_of(search, clock).hurried(chosen.lasting(3)) == [], "as many as were asked for"
    for enough in (None, 1e5):
        assert pace_of(search, Clock(enough)).in_time(last, 3) == (last, 3)


def test_last_runs_are_as_long_as_runs_with_their_own_methods_allow(
    search: Search, chosen: Candidate
) -> None:
    """SAM goes through the net twice: one trial of it would halve the last runs of all others."""
    made = {**row(chosen, 0.8), "net": chosen.net.name, "split": "held-out", "epochs": 4}
    texts = [to_text(method) for method in chosen.methods]
    for key, methods, seconds in (("a", texts, 8.0), ("b", [*texts, "sam"], 16.0), ("c", [], 4.0)):
        of = {"key": key * 16, "studies": ["methods"], "study": "methods", "methods": methods}
        search.store.keep("methods", [{**made, **of, "images": 0, "seconds": seconds}])
    clock = Clock(1.15 * 3 * 2.0 * 10.5 / 0.95)
    sam, flip, crop = ((*chosen.methods, *parse(name)) for name in ("sam", "flip", "crop"))
    for methods, epochs in ((chosen.methods, 10), (sam, 5), (flip, 10), (crop[1:], 20)):
        last = [replace(chosen.lasting(40), methods=methods)]
        (cut,), _ = pace_of(search, clock).in_time(last, 3)
        assert cut.recipe.epochs == epochs


def test_last_runs_take_no_longer_where_a_part_of_its_own_judges(
    search: Search, chosen: Candidate
) -> None:
    """Be it as large as what is trained on: an epoch of the search is one of all images."""
    search._data[search.origin] = replace(search.data, validation=search.data.train)
    images = len(search.data.train)
    made = {**row(chosen, 0.8), "net": chosen.net.name, "split": "held-out", "epochs": 4}
    made |= {"key": "0" * 16, "studies": ["refine"], "study": "refine", "seconds": 8.0}
    search.store.keep("refine", [{**made, "images": images}])
    clock = Clock(1.15 * 3 * 2.0 * 10.5 / 0.95)
    (cut,), _ = pace_of(search, clock).in_time([chosen.lasting(40)], 3)
    assert cut.recipe.epochs == 10


def kept(search: Search, candidate: Candidate, key: str, study: str, **other: object) -> None:
    """Keep a row of a candidate's net with its methods, in another study than chose it."""
    made = {**row(candidate, 0.8), "key": key * 16, "studies": [study], "study": study}
    made |= {"net": candidate.net.name, "split": "held-out", "images": 0, "epochs": 4}
    made |= {"methods": [to_text(method) for method in candidate.methods], **other}
    search.store.keep(study, [made])


def test_a_long_run_of_a_comparison_did_not_choose_the_net(
    search: Search, chosen: Candidate
) -> None:
    """Last runs need not be as long as it is before a seed may go."""
    trained(search, chosen, 4.0, seeds=range(2))
    kept(search, chosen, "a", "lengths", epochs=40, seconds=40.0)
    pace = pace_of(search, clock_with(1.15 * 2 * 5.5))
    (cut,), seeds = pace.in_time([chosen.lasting(40)], 3)
    assert (cut.recipe.epochs, seeds) == (5, 2)


def test_changed_pictures_take_their_time_in_runs_and_in_last_ones(
    search: Search, chosen: Candidate
) -> None:
    """Two runs of 4 s with quick cards of 10 s, and three last ones with whole cards of 10 s."""
    trained(search, chosen, 4.0)
    of = Estimate(0.0, 0.0, 0.0, card=10.0, quick=10.0, epoch=1.0)
    for seconds, fits in ((29.0, True), (27.0, False)):
        assert Pace(search, clock_with(seconds), of, 1).left([chosen], range(1, 3)) == fits
    pace = Pace(search, clock_with(1.15 * 3 * (10.5 + 10)), of, 1)
    (cut,), _ = pace.in_time([chosen.lasting(40)], 3)
    assert cut.recipe.epochs == 10


def test_runs_on_test_images_tell_no_pace(search: Search, chosen: Candidate) -> None:
    trained(search, chosen, 4.0)
    kept(search, chosen, "b", "confirm", split="test", seconds=4000.0)
    assert pace_of(search, clock_with(5.0)).left([chosen], range(1, 2))
