"""Several starts of a run: which one is chosen, and that it is trained as it would be alone."""

import sys
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from smidgen.data import Data, Split
from smidgen.layers import Classifier, Conv, GlobalAveragePool, MaxPool, Shape
from smidgen.methods import EMA, Cutout, Method, OneCycle, Pretrained
from smidgen.progress import Report
from smidgen.recipe import Recipe
from smidgen.run import Run
from smidgen.runtime import Runtime
from smidgen.spec import NetSpec
from smidgen.starts import STARTS, chosen, rounds, turn_of_chosen
from smidgen.train import Observer, train
from smidgen.training import Training, TrainingDivergedError
from smidgen.trial import Trial

CPU = Runtime("cpu", threads=1, precision="float32")
NET = NetSpec(
    Shape(1, 8, 8), (Conv(3), MaxPool(), Conv(4), GlobalAveragePool(), Classifier(2)), "small"
)
METHODS: tuple[Method, ...] = (Cutout(3), OneCycle(), EMA(0.9))


def noise(images: int = 64) -> Data:
    """Noise of two classes, one of them brighter."""
    g = torch.Generator().manual_seed(5)
    labels = torch.arange(images) % 2
    pixels = torch.randint(0, 150, (images, 1, 8, 8), generator=g) + 40 * labels.view(-1, 1, 1, 1)
    split = Split(pixels.to(torch.uint8), labels)
    return Data("noise", split, split, ("dark", "bright"))


def recipe(starts: int, epochs: int = 8) -> Recipe:
    return Recipe(epochs=epochs, batch_size=16, starts=starts)


def ran(of: Recipe, observer: Observer = lambda report: None, **more: Any) -> Run:
    return train(NET, noise(), methods=METHODS, recipe=of, runtime=CPU, observer=observer, **more)


def of_start(start: int, epochs: int) -> Training:
    """Return a start as trained alone from end to end, by a loop of its own; EMA aside."""
    data = noise()
    trial = Trial(NET, METHODS, recipe(8), 0, data.name, data.fingerprint, "full")
    with CPU.active():
        training = Training(trial, data, CPU, start=start)
        steps = len(training.batches)
        for epoch in range(epochs):
            total = torch.zeros(())
            training.model.train()
            for step, batch in enumerate(training.batches.epoch(training.generator)):
                progress = (epoch * steps + step) / (steps * 8 - 1)
                for method in training.batch_methods:
                    batch = method.transform(batch, progress, training.generator)
                training.set_lr(progress)
                training.flat.gradient.zero_()
                total += training.descend(batch)
                training.optimizer.step()
                training.trackers[0].after_step()
            training.trackers[0].after_epoch((epoch + 1) / 8)
            training.record_epoch(float(total) / steps, 1.0)
    return training


def weights(run: Run) -> list[Tensor]:
    return [tensor.clone() for tensor in run.model.state_dict().values()]


def test_of_eight_half_go_on_after_an_eighth_a_quarter_and_a_half() -> None:
    assert list(rounds(recipe(8, 80))) == [(8, 0, 10), (4, 10, 20), (2, 20, 40)]
    assert list(rounds(recipe(1, 80))) == []
    assert turn_of_chosen(recipe(8, 80)).epochs == 2.5 * 80  # a run, and half of one a doubling
    assert list(rounds(recipe(4, 1))) == [(4, 0, 1), (2, 1, 1)]
    assert turn_of_chosen(recipe(4, 1)).epochs == 4


def test_the_chosen_start_is_the_best_of_each_round_and_ends_as_it_would_alone() -> None:
    alone = [of_start(start, 8) for start in range(8)]
    left = list(range(8))
    for epoch, kept in ((1, 4), (2, 2), (4, 1)):
        left = sorted(left, key=lambda start: alone[start].history[epoch - 1].loss)[:kept]
    assert left != [0], "the seed must not be one whose first start is the best"
    run = ran(recipe(8))
    assert [of.loss for of in run.history] == [of.loss for of in alone[left[0]].history]
    with CPU.active():
        expected = alone[left[0]].finished()
    assert all(map(torch.equal, weights(run), weights(expected)))


def test_the_first_start_is_the_run_without_others() -> None:
    with CPU.active():
        alone = of_start(0, 8).finished()
    assert all(map(torch.equal, weights(ran(recipe(1))), weights(alone)))


def test_starts_are_told_once_they_are_over() -> None:
    told: list[Report] = []
    run = ran(recipe(4), told.append)
    done = [report.done for report in told]
    assert done == sorted(done)
    assert done[-1] == 1
    finished = [report.finished for report in told if report.finished is not None]
    assert finished == list(run.history)
    assert all(report.start == 0 for report in told if report.finished is not None)
    turns = [(r.start, r.epoch) for r in told if r.step == r.steps and r.finished is None]
    assert sorted(turns[:8]) == [(start, epoch) for start in (1, 2, 3, 4) for epoch in (1, 2)]
    assert sorted(epoch for _, epoch in turns[8:]) == [3, 3, 4, 4]
    assert len({start for start, _ in turns[8:]}) == 2


@pytest.mark.parametrize("link", [STARTS, f"{STARTS}/start-1", f"{STARTS}/start-2"])
def test_starts_are_not_kept_where_a_link_leads(tmp_path: Path, link: str) -> None:
    (precious := tmp_path / "precious").mkdir()
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(precious)

    def begin(start: int, folder: Path) -> Training:
        raise AssertionError(f"start {start} began in {folder}")

    with pytest.raises(ValueError, match=f"{link} must be a folder, got a link: remove it"):
        chosen(recipe(2), tmp_path / STARTS, begin, lambda training, turn, folder: None)


def test_the_time_of_a_run_is_that_of_every_start(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    clock = SimpleNamespace(perf_counter=lambda: float(next(ticks)), monotonic=time.monotonic)
    monkeypatch.setattr(sys.modules["smidgen.train"], "time", clock)
    seconds = [of.seconds for of in ran(recipe(2)).history]  # one an epoch
    assert seconds == [1, 2, 3, 4 + 4, 9, 10, 11, 12]


@pytest.mark.parametrize("stop", [(2, 1, 2), (4, 1, 4), (1, 2, 1), (0, 6, 2)])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    tmp_path: Path, stop: tuple[int, int, int]
) -> None:
    def interrupt(report: Report) -> None:
        if (report.start, report.epoch, report.step) == stop:
            raise KeyboardInterrupt

    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        ran(recipe(4), interrupt, folder=folder)
    again: list[Report] = []
    run = ran(recipe(4), again.append, folder=folder, resume=True)
    straight = ran(recipe(4))
    assert all(map(torch.equal, weights(run), weights(straight)))
    assert [of.loss for of in run.history] == [of.loss for of in straight.history]
    assert (again[0].start, again[0].epoch, again[0].step) == (*stop[:2], 1)
    assert not (folder / STARTS).exists()


def test_a_start_that_diverges_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    best = next(iter(chosen_of(monkeypatch, diverge=())))
    assert chosen_of(monkeypatch, diverge=(best,)) != {best}
    with pytest.raises(TrainingDivergedError):
        chosen_of(monkeypatch, diverge=(0, 1, 2, 3))


def chosen_of(monkeypatch: pytest.MonkeyPatch, diverge: tuple[int, ...]) -> set[int]:
    """Return the start, counted from 0, that a run goes on with if others diverge."""
    begun: list[int] = []
    within = Training.__init__

    def begin(self: Training, *given: Any, start: int = 0, **more: Any) -> None:
        within(self, *given, start=start, **more)
        begun.append(start)
        if start in diverge:
            self.flat.weights.fill_(float("nan"))

    with monkeypatch.context() as patched:
        patched.setattr(Training, "__init__", begin)
        ran(recipe(4))
    return {begun[-1]}


@pytest.mark.parametrize("starts", [0, 3, 12, 2048, -2, True, 2.0, "8"])
def test_other_numbers_of_starts_are_refused(starts: Any) -> None:
    with pytest.raises(ValueError, match=r"^recipe starts must be "):
        Recipe(starts=starts)


def test_a_run_that_says_what_it_begins_with_has_one_start() -> None:
    with pytest.raises(ValueError, match=r"^recipe starts must be 1 with pretrained, .* got 2$"):
        Trial(NET, (Pretrained("runs/one"),), recipe(2), 0, "noise", "0" * 24, "full")


def test_one_start_is_no_part_of_a_trial_s_key() -> None:
    assert "starts" not in recipe(1).to_dict()
    assert recipe(2).to_dict()["starts"] == 2
