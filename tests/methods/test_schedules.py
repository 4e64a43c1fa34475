"""Schedules: the published numbers, one peak, and the ends where they should be."""

from math import cos, pi

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smidgen.methods import Cosine, Cyclical, OneCycle
from smidgen.methods.base import ScheduleMethod


def rates(schedule: ScheduleMethod, steps: int, peak: float = 1.0) -> list[float]:
    """Return what the training loop sets: progress is 0 at the first step and 1 at the last."""
    return [peak * schedule.lr_factor(step / (steps - 1)) for step in range(steps)]


def test_one_cycle_over_ten_steps_has_the_published_numbers() -> None:
    # torch's peak is at step 0.3 * 10 - 1 = 2 of 0 .. 9
    found = rates(OneCycle(warmup=2 / 9), 10, peak=0.4)
    published = [
        0.016, 0.208, 0.4, 0.380194, 0.324698, 0.244505, 0.155497, 0.075303, 0.019808, 0.000002,
    ]  # fmt: skip
    assert found == pytest.approx(published, abs=1e-6)


@pytest.mark.parametrize(("steps", "warmup"), [(101, 0.31), (1000, 0.3), (37, 0.5)])
def test_one_cycle_equals_torch(steps: int, warmup: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=steps, pct_start=warmup, cycle_momentum=False
    )
    ours = rates(OneCycle(warmup=(warmup * steps - 1) / (steps - 1)), steps)
    for step, rate in enumerate(ours):
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9), step
        if step + 1 < steps:
            optimizer.step()
            reference.step()


@given(steps=st.integers(10, 300), warmup=st.floats(0.1, 0.9))
def test_one_cycle_has_one_peak_and_ends_below_its_start(steps: int, warmup: float) -> None:
    found = rates(OneCycle(warmup), steps)
    peak = found.index(max(found))
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)
    assert abs(peak - warmup * (steps - 1)) < 1
    assert found[-1] < found[0] < found[peak]


def test_cosine_equals_torch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=0.1)
    for rate in rates(Cosine(end=0.1), 51):
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        reference.step()


def test_cosine_warms_up_in_a_straight_line() -> None:
    found = rates(Cosine(warmup=0.2, end=0.0), 11)
    assert found[:4] == pytest.approx([0, 0.5, 1, (1 + cos(pi / 8)) / 2])
    assert found[-1] == pytest.approx(0)
    assert rates(Cosine(warmup=0.2, end=0.5), 11)[:3] == pytest.approx([0.5, 0.75, 1])


def test_cyclical_equals_torch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CyclicLR(
        optimizer, base_lr=0.1, max_lr=1.0, step_size_up=10, cycle_momentum=False
    )
    for rate in rates(Cyclical(cycles=3, low=0.1), 61):
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        reference.step()


@pytest.mark.parametrize("cycles", [1, 2, 5])
def test_cyclical_has_as_many_peaks_as_cycles_and_ends_low(cycles: int) -> None:
    found = rates(Cyclical(cycles=cycles, low=0.2), 20 * cycles + 1)
    assert sum(rate == pytest.approx(1) for rate in found) == cycles
    assert sum(rate == pytest.approx(0.2) for rate in found) == cycles + 1


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [
        (OneCycle, "warmup", 0.0),
        (OneCycle, "warmup", 1.0),
        (OneCycle, "start", 1.5),
        (OneCycle, "end", -0.1),
        (Cosine, "warmup", 1.0),
        (Cosine, "end", 2.0),
        (Cyclical, "cycles", 0),
        (Cyclical, "low", 1.0),
    ],
)
def test_refuses_what_is_out_of_range(
    kind: type[ScheduleMethod], argument: str, value: float
) -> None:
    with pytest.raises(ValueError, match=rf"{kind.name} {argument} must be .*, got {value}"):
        kind(**{argument: value})
