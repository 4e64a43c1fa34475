"""The comparison with nets of others is fair, and the page has its figures from the rows."""

import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType

import pytest
import torch

import smidgen as sm
from smidgen.data import Data, Split, channel_statistics
from smidgen.layers import Classifier, Conv, GlobalAveragePool, MaxPool, Shape
from smidgen.methods import Crop, Flip, OneCycle

ROOT = Path(__file__).parents[1]
EPOCHS, BATCH, STEPS = 2, 16, 6


@pytest.fixture(scope="module")
def bench() -> Generator[Path]:
    sys.path.insert(0, str(ROOT / "bench"))
    yield ROOT / "bench"
    sys.path.remove(str(ROOT / "bench"))


@pytest.fixture(scope="module")
def peers(bench: Path) -> ModuleType:
    import peers  # pyright: ignore[reportMissingImports]

    return peers


@pytest.fixture(scope="module")
def data() -> Data:
    """Three steps of pictures an epoch, and three pictures that are left over."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (51, 32, 32, 3), generator=generator, dtype=torch.uint8)
    part = Split(images.permute(0, 3, 1, 2), torch.arange(51) % 10)
    return Data("drawn", part, part, tuple("abcdefghij"))


def test_the_plain_loop_takes_the_steps_that_smidgen_takes(bench: Path, data: Data) -> None:
    from peer_loop import trained  # pyright: ignore[reportMissingImports]

    layers = (Conv(8), MaxPool(), Conv(8), GlobalAveragePool(), Classifier(10))
    spec = sm.NetSpec(Shape(3, 32, 32), layers)
    recipe = sm.Recipe(epochs=EPOCHS, batch_size=BATCH, peak_lr=0.01, weight_decay=5.0)
    peak = 0.3 * STEPS - 1  # torch's, counted from the first step
    methods = [Crop(4), Flip(), OneCycle(warmup=peak / (STEPS - 1))]
    runtime = sm.Runtime("cpu", 1, "float32")
    ours = sm.train(spec, data, methods=methods, recipe=recipe, seed=3, runtime=runtime).model
    statistics = channel_statistics(data.train.images)
    theirs = trained(spec.build(3), data.train, statistics, recipe, 3)
    pairs = zip(theirs.parameters(), ours.parameters(), strict=True)
    apart = torch.cat([(a - b).detach().abs().flatten() for a, b in pairs])
    assert apart.mean() < 1e-4, "a step changes a weight by a hundredth"
