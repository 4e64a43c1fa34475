"""The comparison of training speed is fair: every side trains the same net by the same methods."""

import importlib.util
import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from smidgen.data import load
from smidgen.layers import Shape
from smidgen.methods import EMA, BlurPool, Cutout, SqueezeExcite, rewritten
from smidgen.recipe import Recipe
from smidgen.runtime import Runtime
from smidgen.tensors import Batch
from smidgen.training import Training
from smidgen.trial import Trial
from smidgen.zoo import net

BENCH = Path(__file__).parents[1] / "bench"
METHODS = {"blurpool": BlurPool(), "se": SqueezeExcite()}


@pytest.fixture(scope="module")
def plain() -> Generator[ModuleType]:
    sys.path.insert(0, str(BENCH))
    spec = importlib.util.spec_from_file_location("plain_loops", BENCH / "plain_loops.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(BENCH))


@pytest.fixture
def training() -> Training:
    """Return a run of digits whose weights are averaged."""
    data = load("digits")
    spec = net("mnist-1k5-dw").fitted(Shape(*data.shape), len(data.classes))
    trial = Trial(spec, (EMA(),), Recipe(), 0, "digits", data.fingerprint, "full")
    return Training(trial, data, Runtime("cpu", 1, "float32"))


def test_a_whole_step_averages_and_a_bare_one_descends_as_training_does(
    plain: ModuleType, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    import end_to_end  # pyright: ignore[reportMissingImports]

    batch = next(training.batches.epoch(training.generator))
    descents: list[Batch] = []
    descend = Training.descend

    def counted(self: Training, batch: Batch) -> Tensor:
        descents.append(batch)
        return descend(self, batch)

    monkeypatch.setattr(Training, "descend", counted)
    averaged: list[object] = []

    def noted(self: object) -> None:
        averaged.append(self)

    monkeypatch.setattr(type(training.trackers[0]), "after_step", noted)
    end_to_end.bare_step(training, batch)
    assert (len(descents), len(averaged)) == (1, 0)
    end_to_end.whole_step(training, batch)
    assert (len(descents), len(averaged)) == (2, 1)


@pytest.mark.parametrize(("methods", "descends"), [("none", 1), ("sam", 0)])
def test_a_bare_round_descends_as_training_does(
    plain: ModuleType,
    methods: str,
    descends: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import rounds  # pyright: ignore[reportMissingImports]
    import smidgen_rounds  # pyright: ignore[reportMissingImports]

    images = torch.randint(256, (256, 1, 28, 28), dtype=torch.uint8)
    torch.save({"images": images, "labels": torch.arange(256) % 10}, tmp_path / "drawn.pt")
    descents: list[Batch] = []
    descend = Training.descend

    def counted(self: Training, batch: Batch) -> Tensor:
        descents.append(batch)
        return descend(self, batch)

    class One:
        """A round of one step."""

        def ready(self, parameters: int) -> None:
            assert parameters == 1_560

        def step_done(self, images: int, loss: Tensor) -> None:
            assert bool(loss.isfinite())
            raise rounds.JobIsOver

    monkeypatch.setattr(Training, "descend", counted)
    job = rounds.Job("mnist-1k5-dw", methods, 1, str(tmp_path / "drawn.pt"), 128)
    with pytest.raises(rounds.JobIsOver):
        smidgen_rounds.bare_step(job, One())
    assert len(descents) == descends


@pytest.mark.parametrize("name", ["mnist-1k5-dw", "cifar-143k-dw"])
@pytest.mark.parametrize("asked", [(), ("blurpool",), ("se",), ("blurpool", "se")])
def test_peers_compute_the_same_function(
    plain: ModuleType, name: str, asked: tuple[str, ...]
) -> None:
    spec = rewritten(net(name), [METHODS[method] for method in asked])
    ours, theirs = spec.build(), plain.plain_net(name, asked)
    assert plain.parameters(theirs) == spec.params
    with torch.no_grad():  # in the same order, and of the same sizes but for trailing ones
        for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
            a.copy_(b.view(a.shape))
    images = torch.randn(4, *spec.input_shape, generator=torch.Generator().manual_seed(0))
    for model in (ours, theirs):
        _forget_precision(model)
    torch.testing.assert_close(theirs(images), ours(images), rtol=1e-4, atol=1e-5)


def _forget_precision(model: nn.Module) -> None:
    model.eval()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            torch.nn.init.constant_(norm.running_var, 0.1)  # pyright: ignore[reportArgumentType]


def test_peers_cut_as_much(plain: ModuleType) -> None:
    count = 8_000
    ones = torch.ones(count, 1, 28, 28)
    batch = Batch(ones, torch.full((count, 10), 0.1))
    ours = Cutout(plain.CUTOUT).transform(batch, 0.0, torch.Generator().manual_seed(0)).images
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = plain.cutout(ones)
    for axis in (2, 3):  # how often each column, then each row is touched
        a, b = ((images == 0).any(axis).float().mean((0, 1)) for images in (ours, theirs))
        torch.testing.assert_close(a, b, rtol=0, atol=5 * (2 * 0.25 / count) ** 0.5)
    torch.testing.assert_close(ours.mean(), theirs.mean(), rtol=0, atol=0.002)


def test_loss_of_peers_is_that_of_mixed_and_smoothed_targets(plain: ModuleType) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(16, 1, 28, 28, generator=generator)
    labels = torch.randint(10, (16,), generator=generator)
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x.flatten(1)[:, 300:310]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        loss = plain.loss_function(images, labels, ("mixup", "smoothing"))(Spy())
        torch.manual_seed(1)
        share = float(torch.distributions.Beta(plain.MIXUP, plain.MIXUP).sample())
        order = torch.randperm(16)
    one_hot = nn.functional.one_hot(labels, 10).float()
    targets = (share * one_hot + (1 - share) * one_hot[order]) * 0.9 + 0.01
    torch.testing.assert_close(seen[0], share * images + (1 - share) * images[order])
    logits = seen[0].flatten(1)[:, 300:310]
    torch.testing.assert_close(loss, -(targets * logits.log_softmax(1)).sum(1).mean())
