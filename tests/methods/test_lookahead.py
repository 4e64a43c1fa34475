"""Lookahead: slow weights go part of the way, and the fast ones start from them again."""

import pytest
import torch

from smidgen.methods import EMA, Lookahead
from smidgen.testing.given import run_with


def test_meets_every_few_steps_at_a_share_of_the_way() -> None:
    weights = torch.zeros(2)
    tracker = Lookahead(3, 0.25).follow(weights)
    seen: list[tuple[float, float]] = []
    for _ in range(7):
        weights += 4
        tracker.after_step()
        seen.append((float(weights[0]), float(tracker.average[1])))
    assert seen == [(4, 0), (8, 0), (3, 3), (7, 3), (11, 3), (6, 6), (10, 6)]


def test_agrees_with_the_algorithm_on_a_quadratic() -> None:
    # SGD of rate 0.1 on w^2 / 2: five steps shrink w by 0.9^5, of which half is gone
    weights = torch.tensor([1.0])
    tracker = Lookahead(5, 0.5).follow(weights)
    for _ in range(10):
        weights -= 0.1 * weights
        tracker.after_step()
    expected = ((1 + 0.9**5) / 2) ** 2
    assert float(weights) == float(tracker.average) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("steps", "kept"), [(1, 2.0), (3, 2.0)])
def test_a_round_that_the_end_cuts_short_ends_there(steps: int, kept: float) -> None:
    weights = torch.zeros(1)
    tracker = Lookahead(50, 0.5).follow(weights)
    for _ in range(steps):
        weights += 4 / steps
        tracker.after_step()
    tracker.after_epoch(0.5)
    assert float(tracker.average) == 0, "an epoch's end is no meeting"
    tracker.after_epoch(1.0)
    assert float(tracker.average) == float(weights) == pytest.approx(kept)


def test_a_round_that_has_just_ended_is_not_ended_twice() -> None:
    weights = torch.zeros(1)
    tracker = Lookahead(2, 0.5).follow(weights)
    for _ in range(2):
        weights += 1
        tracker.after_step()
    tracker.after_epoch(1.0)
    assert float(tracker.average) == 1


def test_goes_on_within_a_round() -> None:
    weights, again = torch.zeros(3), torch.zeros(3)
    whole, first = Lookahead(5).follow(weights), Lookahead(5).follow(again)

    def step(tracker: object, of: torch.Tensor, number: int) -> None:
        of += torch.randn(3, generator=torch.Generator().manual_seed(number))
        tracker.after_step()  # pyright: ignore

    for number in range(13):
        step(whole, weights, number)
    for number in range(8):
        step(first, again, number)
    resumed, state, there = Lookahead(5).follow(again), first.state(), again.clone()
    for number in range(8, 13):  # what is kept does not follow any further
        step(first, again, number)
    again.copy_(there)
    resumed.load(state)
    for number in range(8, 13):
        step(resumed, again, number)
    assert torch.equal(weights, again)
    assert torch.equal(whole.average, resumed.average)


def test_a_mean_over_training_is_of_the_slow_weights() -> None:
    both, alone = (
        run_with(methods, epochs=4).model.state_dict()
        for methods in ([Lookahead(), EMA()], [EMA()])
    )
    assert any(not torch.equal(value, alone[name]) for name, value in both.items())


def test_a_mean_over_training_takes_in_the_meeting_at_the_end() -> None:
    alone, averaged = (
        run_with([Lookahead(50), *more], epochs=2).model.state_dict()
        for more in ([], [EMA(decay=0.0)])
    )
    for name, value in alone.items():
        torch.testing.assert_close(averaged[name], value, msg=name)


def test_the_kept_weights_are_the_slow_ones_and_training_starts_from_them() -> None:
    one, plain = (run_with([m] if m else [], epochs=1) for m in (Lookahead(50, 0.999999), None))
    for name, value in one.model.state_dict().items():
        if name.endswith("weight"):
            torch.testing.assert_close(value, plain.model.state_dict()[name], atol=1e-4, rtol=1e-4)
