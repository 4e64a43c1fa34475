"""A design says how long it takes, and a limit makes it as long as that."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from types import SimpleNamespace

import pytest
import torch

from smidgen.data import Data
from smidgen.recipe import Recipe
from smidgen.robust.corruptions import corruptions_for
from smidgen.spec import NetSpec
from smidgen.study.design import clock as module
from smidgen.study.design.clock import (
    NO_CARDS,
    Clock,
    Estimate,
    estimate,
    fitted,
    lasting_within,
    require_time,
    seconds_an_image,
    seconds_of,
    seconds_of_cards,
    told_estimate,
    told_overrun,
    told_time,
    work_of,
)
from smidgen.study.design.judging import FOLDS
from smidgen.study.design.profile import PROFILES
from smidgen.study.job import CARD, QUICK

STANDARD = PROFILES["standard"]
RECIPE = Recipe(epochs=10)


def seconds(profile_name: str = "standard", jobs: int = 1) -> float:
    profile = PROFILES[profile_name]
    return estimate(1e-4, 5_000, RECIPE, work_of(profile, None, 10), jobs).seconds


def test_more_processes_take_less_and_more_profile_takes_more() -> None:
    assert seconds(jobs=2) - 5 == pytest.approx((seconds() - 5) / 2)
    assert seconds("quick") < seconds("standard") < seconds("thorough")


def test_a_limit_shortens_the_runs_and_drops_rungs() -> None:
    usual = estimate(1e-4, 5_000, RECIPE, work_of(STANDARD, None, 10), 2)
    less = fitted(STANDARD, usual, usual.seconds / 4)
    assert less.images < STANDARD.images
    assert 3 <= less.rungs < STANDARD.rungs
    ratio = less.images / STANDARD.images * work_of(less, None, 10).search
    assert ratio < 0.5 * work_of(STANDARD, None, 10).search


def test_a_generous_limit_is_spent_on_longer_runs() -> None:
    usual = estimate(1e-4, 5_000, RECIPE, work_of(STANDARD, None, 10), 2)
    more = fitted(STANDARD, usual, 4 * (usual.search + usual.confirm))
    assert more.images == pytest.approx(0.85 * 4 * STANDARD.images, rel=0.01)
    assert more.rounds == STANDARD.rounds
    longer = more.images / STANDARD.images
    assert more.most_epochs / STANDARD.most_epochs == pytest.approx(longer, rel=0.02)
    assert longer > 2


def needs(usual: Estimate, images: int, an_image: float, jobs: int) -> Callable[[float], Estimate]:
    """Return what a standard design takes that is fitted to a limit."""

    def expected(limit: float) -> Estimate:
        profile = fitted(STANDARD, usual, limit)
        epochs = max(round(profile.images / images), 2)
        work = work_of(profile, None, epochs)
        return estimate(an_image, images, Recipe(epochs=epochs), work, jobs)

    return expected


@pytest.mark.parametrize(
    ("an_image", "images", "limit", "told"),
    [
        (0.1, 50_000, 60, "1m"),
        (1e-7, 1_000, 0.1, "0.1s"),  # starting and writing take longer than training 8 x 8 pixels
        (1e-3, 5_000, 5.4, "5.4s"),
    ],
)
def test_a_limit_that_is_too_short_is_refused_with_one_that_is_enough(
    an_image: float, images: int, limit: float, told: str
) -> None:
    usual = estimate(an_image, images, Recipe(epochs=10), work_of(STANDARD, None, 10), 2)
    expected = needs(usual, images, an_image, 2)
    with pytest.raises(ValueError, match=rf"^a time of {told} is too short .* at least$") as caught:
        require_time(expected, limit)
    (named,) = re.findall(r"it needs (\S+) at least", str(caught.value))
    require_time(expected, seconds_of(named))


def test_a_limit_that_the_last_runs_alone_break_is_refused() -> None:
    """Runs have a least length: an estimate of the shortest may be above the limit."""
    require_time(lambda _: Estimate(search=500.0, confirm=40.0, least=20.0), 60)
    with pytest.raises(ValueError, match=r"^a time of 59s is too short .* it needs 1m1s at least"):
        require_time(lambda _: Estimate(search=0.0, confirm=40.1, least=20.0), 59)
    with pytest.raises(ValueError, match=r"^a time of 1h20m is too short .* needs 1h24m at least"):
        require_time(lambda _: Estimate(search=0.0, confirm=5000.1, least=20.0), 4800)


def test_no_comparison_begins_in_the_time_of_the_last_runs() -> None:
    assert Clock(None).left(1e9)
    assert Clock(100.0).left(90.0)
    assert not Clock(100.0).left(96.0)  # the last five seconds are for the result
    assert Clock(40.0).left(34.0)
    assert not Clock(40.0).left(36.0)  # as many of a short limit
    assert not Clock(1000.0).left(951.0)  # and more of a long one


def test_what_a_process_took_to_begin_is_of_its_time() -> None:
    assert Clock(100.0, 50.0).left(40.0)
    assert not Clock(100.0, 50.0).left(46.0)


@pytest.mark.parametrize(("limit", "spent"), [(None, 500.0), (240.0, 100.0), (240.0, 240.5)])
def test_no_overrun_is_told_of_what_kept_its_time(limit: float | None, spent: float) -> None:
    assert told_overrun(Clock(limit, spent)) == ""


def test_an_overrun_is_told() -> None:
    told = told_overrun(Clock(240.0, 283.0))
    assert told.startswith("took 43 s longer than the 4m that it was given: ")


def test_last_runs_are_as_long_as_the_time_left_allows() -> None:
    """Five runs on two processes take 2.5 times as long as one, with 15 % for a busy machine."""
    assert lasting_within(29.0, 30, [1.0], seeds=5, jobs=2) == 10
    assert lasting_within(29.0, 30, [1.0, 1.0], seeds=5, jobs=2) == 5
    assert lasting_within(1e6, 30, [1.0], seeds=5, jobs=2) == 30
    assert lasting_within(11.5, 30, [1.0], seeds=1, jobs=8) == 10  # one run is not divided
    assert lasting_within(-3.0, 30, [1.0], seeds=5, jobs=2) == 1
    assert lasting_within(29.0, 30, [1.0], seeds=5, jobs=2, card=4.0) == 6  # 10 s for five cards
    assert lasting_within(29.0, 30, [1.0], seeds=1, jobs=8, card=4.0) == 21  # one is not divided


def test_cards_of_changed_pictures_take_their_time(digits: Data) -> None:
    cards = seconds_of_cards(digits, an_image=1.0)
    held_out, tested = len(digits.train) // 5, len(digits.test)
    assert cards.quick > held_out * (15 + 15) / 3  # corruptions and what is seen otherwise
    assert cards.whole > tested * (15 + 60) / 3
    work = work_of(STANDARD, None, 10)
    without, judged = (estimate(1e-4, 5_000, RECIPE, work, 2, of) for of in (NO_CARDS, cards))
    assert judged.confirm - without.confirm == pytest.approx(2.5 * cards.whole)
    assert judged.search - without.search == pytest.approx(work.judged * cards.quick / 2)
    assert judged.least > without.least
    assert judged.card == cards.whole


def test_a_quick_card_is_of_a_fold_and_a_whole_one_of_the_test_images(digits: Data) -> None:
    cards, kinds = seconds_of_cards(digits, an_image=100.0), corruptions_for(*digits.shape)
    levels = sum(len(one.published) for one in kinds)
    quick = min(len(digits.train) // FOLDS, QUICK) * (len(kinds) + 15)
    whole = min(len(digits.test), CARD) * (levels + 60)
    assert cards.quick / cards.whole == pytest.approx(quick / whole)


def test_every_third_move_that_begins_is_judged_by_all_seeds() -> None:
    """Of 8 moves a round, all are tried at half a run and 3 go on, over 3 rounds with 6 seeds."""
    profile = PROFILES["thorough"]
    assert (profile.moves, profile.move_rounds, profile.seeds) == (8, 3, 6)
    moves, none = (work_of(of, None, 10) for of in (profile, replace(profile, moves=0)))
    assert moves.search - none.search == pytest.approx(3 * (0.5 * 8 + 3 * 6))


def test_a_step_takes_what_the_fastest_took_once_warm(
    digits: Data, tiny: NetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps that warm up are not counted, be they faster; the threads stay as they were."""

    def ends() -> Iterator[float]:
        now = 0.0
        for took in (1.0, 2.0, 9.0, 4.0, 8.0, 16.0):
            yield now
            yield (now := now + took)

    times = ends()
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = seconds_an_image(tiny, digits, Recipe(epochs=1, batch_size=128))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert found == pytest.approx(4.0 / 128)


def test_a_front_takes_as_much_longer_as_it_has_nets() -> None:
    one = work_of(STANDARD.for_front, None, 10).confirm
    assert work_of(STANDARD.for_front, None, 10, front=True).confirm == 3.5 * one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[("90s", 90), ("20m", 1200), ("2h", 7200), ("1h30m", 5400), ("0.5h", 1800)],
        *[("1h 30m", 5400), ("1 h", 3600), (" 1H 2 m 3s ", 3723), ("1h5s", 3605)],
    ],
)
def test_times_are_read(text: str, expected: float) -> None:
    assert seconds_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "2", "h", "2d", "-1h", "0s", "1.2.3h", ".h", "2hx", "2h30", "9" * 400 + "h"),
        *("1h1h", "1s1h", "30m1h", "5.m", ".5h", "1 2h", "\N{SUPERSCRIPT TWO}h", 90),
    ],
)
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"^time must be such as"):
        seconds_of(text)


def test_no_more_time_is_told_than_was_given() -> None:
    usual = Estimate(search=500.0, confirm=220.0, least=20.0)
    assert [told_estimate(usual, limit) for limit in (None, 300, 3600)] == [
        "about 12 min",
        "about 5 min",
        "about 12 min",
    ]


def test_runs_that_are_there_take_no_time() -> None:
    usual = replace(estimate(1e-4, 5_000, RECIPE, work_of(STANDARD, None, 10), 2), plain=7.0)
    half = usual.after([{"epochs": 10}] * 20, 2)
    assert usual.seconds - half.seconds == pytest.approx((1.3 * 0.5 * 10 + 0.2) * 20 / 2)
    assert usual.after([{"epochs": 10**6}], 2).seconds == 12.0, "plain methods and the page"
    assert told_estimate(replace(usual, done=inf), None) == "nothing is left to do"


def test_times_are_told() -> None:
    assert [told_time(n) for n in (0.2, 45, 600, 9000)] == ["0.2 s", "45 s", "10 min", "2.5 h"]
