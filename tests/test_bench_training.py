"""The comparison of training speed is fair: every side trains the same net by the same methods."""

import importlib.util
import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from smidgen.methods import BlurPool, Cutout, SqueezeExcite, rewritten
from smidgen.tensors import Batch
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
