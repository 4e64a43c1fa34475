"""SWA and EMA: the means they say, begun on time, with batch norm of their own."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from smidgen.data import Data, Split
from smidgen.flat import Flat
from smidgen.layers import Classifier, Conv, GlobalAveragePool, Shape
from smidgen.methods import EMA, SWA, Method, OneCycle
from smidgen.methods.base import WeightTracker
from smidgen.progress import Report
from smidgen.recipe import Recipe
from smidgen.runtime import Runtime
from smidgen.spec import NetSpec
from smidgen.train import train

NET = NetSpec(Shape(1, 4, 4), (Conv(3), GlobalAveragePool(), Classifier(2)))


def noise() -> Data:
    pixels = torch.randint(
        0, 256, (32, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    split = Split(pixels, torch.arange(32) % 2)
    return Data("noise", split, split, ("a", "b"))


def run(methods: list[Method], **more: Any) -> Any:
    recipe = Recipe(epochs=4, batch_size=8, peak_lr=0.1)
    runtime = Runtime("cpu", 1, "float32")
    return train(NET, noise(), methods=methods, recipe=recipe, runtime=runtime, **more)


def followed(method: EMA | SWA, epochs: int) -> tuple[WeightTracker, list[torch.Tensor]]:
    """Return a tracker after ``epochs`` of one step each, and the weights it saw."""
    weights, seen = torch.zeros(100), list[torch.Tensor]()
    tracker = method.follow(weights)
    for epoch in range(epochs):
        weights.copy_(torch.randn(100, generator=torch.Generator().manual_seed(epoch)))
        tracker.after_step()
        tracker.after_epoch((epoch + 1) / epochs)
        seen.append(weights.clone())
    return tracker, seen


@pytest.mark.parametrize(
    ("start", "epochs", "collected"),
    [(0.5, 4, 2), (0.75, 20, 5), (0.0, 7, 7), (0.7, 10, 3), (0.99, 300, 3)],
)
def test_swa_is_the_mean_of_the_epochs_that_end_after_start(
    start: float, epochs: int, collected: int
) -> None:
    tracker, seen = followed(SWA(start), epochs)
    expected = torch.stack(seen[-collected:]).double().mean(0)
    torch.testing.assert_close(tracker.average.double(), expected, atol=1e-6, rtol=0)
    assert int(tracker.state()["epochs"]) == collected


def test_swa_equals_torch() -> None:
    model = nn.Linear(9, 1, bias=False)
    reference = AveragedModel(model)
    tracker, seen = followed(SWA(0.5), 12)
    for weights in seen[6:]:
        with torch.no_grad():
            model.weight.copy_(weights[None, :9])
        reference.update_parameters(model)
    theirs = next(reference.parameters()).detach()
    torch.testing.assert_close(tracker.average[None, :9], theirs)


def test_swa_before_its_start_stands_at_the_live_weights() -> None:
    weights = torch.zeros(3)
    tracker = SWA(0.75).follow(weights)
    weights += 5
    tracker.after_epoch(0.5)
    assert torch.equal(tracker.average, weights)


def test_swa_over_too_short_a_run_says_so() -> None:
    with pytest.warns(UserWarning, match=r"swa averaged the last epoch alone, which changes noth"):
        tracker, seen = followed(SWA(0.75), 3)
    assert torch.equal(tracker.average, seen[-1])


def test_ema_equals_torch_without_warm_up() -> None:
    model = nn.Linear(100, 1, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    reference.n_averaged.fill_(1)  # torch would otherwise copy the first weights
    tracker, seen = followed(EMA(0.9, warmup=False), 30)
    for weights in seen:
        with torch.no_grad():
            model.weight.copy_(weights[None])
        reference.update_parameters(model)
    torch.testing.assert_close(tracker.average[None], next(reference.parameters()).detach())


def test_ema_warms_up_by_the_written_decay_and_forgets_the_start() -> None:
    tracker, seen = followed(EMA(0.5), 20)
    expected = torch.zeros(100, dtype=torch.float64)
    for t, weights in enumerate(seen):
        decay = min(0.5, (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * weights.double()
    torch.testing.assert_close(tracker.average.double(), expected, atol=1e-6, rtol=0)


def test_ema_counts_steps_and_not_epochs() -> None:
    weights = torch.ones(3)
    tracker = EMA(0.9, warmup=False).follow(weights)
    weights.zero_()
    for _ in range(4):
        tracker.after_step()
    tracker.after_epoch(0.5)
    torch.testing.assert_close(tracker.average, torch.full((3,), 0.9**4))


def test_swa_follows_ema_when_both_are_asked_for() -> None:
    weights = torch.zeros(2)
    ema = EMA(0.5, warmup=False).follow(weights)
    swa = SWA(0.0).follow(ema.average)
    for epoch in range(2):
        weights.fill_(4.0)
        ema.after_step()
        ema.after_epoch((epoch + 1) / 2)
        swa.after_epoch((epoch + 1) / 2)
    assert swa.average.tolist() == [2.5, 2.5]  # the mean of 2 and 3


def test_the_run_ends_on_the_average_with_batch_norm_statistics_of_its_own() -> None:
    model = run([SWA(start=0.25)]).model
    block = model[0]
    pixels = noise().train.images.float() / 255
    images = (pixels - pixels.mean()) / pixels.std(correction=0)
    with torch.no_grad():
        maps = block.conv(images)
    torch.testing.assert_close(block.norm.running_mean, maps.mean((0, 2, 3)), atol=1e-4, rtol=1e-3)
    plain = run([]).model
    assert not torch.equal(block.conv.weight, plain[0].conv.weight)


@pytest.mark.parametrize("method", [SWA(start=0.25), EMA(0.9)], ids=["swa", "ema"])
def test_training_does_not_go_on_from_the_average(method: Method) -> None:
    with_average, without = (run(methods).history for methods in ([method], []))
    assert [epoch.loss for epoch in with_average] == [epoch.loss for epoch in without]


@pytest.mark.parametrize("schedule", [[], [OneCycle()]], ids=["constant", "one-cycle"])
def test_the_rate_asked_for_is_the_one_used_from_start_on(schedule: list[Method]) -> None:
    def rates(methods: list[Method]) -> list[float]:
        found: list[float] = []

        def observer(report: Report) -> None:
            found.append(report.lr)

        run(methods, observer=observer)
        return found

    held, free = rates([SWA(start=0.5, lr=0.25), *schedule]), rates([SWA(start=0.5), *schedule])
    assert held[:8] == free[:8] == rates(schedule)[:8]
    assert held[8:] == pytest.approx([0.025] * 8)
    assert free == rates(schedule)


def test_averages_span_every_parameter() -> None:
    model = NET.build()
    flat = Flat(model)
    for method in (SWA(), EMA()):
        assert method.follow(flat.weights).average.shape == (NET.params,)


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [
        (SWA, "start", 1.0),
        (SWA, "start", -0.1),
        (SWA, "lr", 0.0),
        (SWA, "lr", float("nan")),
        (EMA, "decay", 1.0),
    ],
)
def test_refuses_what_is_out_of_range(kind: Any, argument: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{kind.name} {argument} must be .*, got {value}"):
        kind(**{argument: value})
