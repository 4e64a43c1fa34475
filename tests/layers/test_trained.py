"""Nets of layers that hold layers train, are stored, read back and go on like any other."""

from pathlib import Path

import pytest
import torch

from smidgen.data import Data, Split
from smidgen.layers import (
    Channelwise,
    Classifier,
    Conv,
    Depthwise,
    Flatten,
    GlobalAveragePool,
    Layer,
    Repeat,
    Residual,
    Shape,
)
from smidgen.methods import EMA, SAM, BlurPool, SqueezeExcite
from smidgen.recipe import Recipe
from smidgen.run import Run, load_run
from smidgen.runtime import Runtime
from smidgen.spec import NetSpec
from smidgen.train import train

NETS: dict[str, tuple[Layer, ...]] = {
    "residual": (Conv(8), Residual((Depthwise(8),)), GlobalAveragePool()),
    "resnet": (
        Conv(8),
        Residual((Conv(8), Conv(8, activation="none")), activation="relu"),
        Residual((Conv(12, stride=2), Conv(12, activation="none")), True, "relu"),
        GlobalAveragePool(),
    ),
    "bottleneck": (
        Conv(8),
        Residual((Conv(16, 1), Channelwise(), Conv(8, 1, activation="none"))),
        GlobalAveragePool(),
    ),
    "repeat": (Conv(8), Repeat((Depthwise(8),), times=3), GlobalAveragePool()),
    "flatten": (Conv(8, stride=2), Flatten()),
}


def noise() -> Data:
    g = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (24, 3, 8, 8), generator=g, dtype=torch.uint8)
    split = Split(pixels, torch.arange(24) % 5)
    return Data("noise", split, split, tuple("abcde"))


class InterruptedRunError(Exception):
    """Raised in the middle of a run."""


@pytest.mark.parametrize("net", NETS)
def test_a_run_is_stored_read_back_and_resumed_to_the_same_bits(net: str, tmp_path: Path) -> None:
    def trained(folder: Path, *, resume: bool = False, stop: bool = False) -> Run:
        def observer(report: object) -> None:
            seen.append(report)
            if stop and len(seen) == 4:  # in the second epoch
                raise InterruptedRunError

        seen: list[object] = []
        return train(
            NetSpec(Shape(3, 8, 8), (*NETS[net], Classifier(5)), net),
            noise(),
            methods=[BlurPool(), SqueezeExcite(), SAM(), EMA()] if net == "resnet" else [],
            recipe=Recipe(epochs=2, batch_size=8, peak_lr=0.01),
            runtime=Runtime("cpu", threads=1, precision="float32"),
            folder=folder,
            resume=resume,
            observer=observer,
        )

    whole = trained(tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        trained(tmp_path / "parts", stop=True)
    trained(tmp_path / "parts", resume=True)
    x = torch.randn(2, 3, 8, 8)
    for folder in ("whole", "parts"):
        run = load_run(tmp_path / folder)
        assert run.trial == whole.trial
        assert torch.equal(run.model(x), whole.model(x))
    assert whole.trial.spec.params == sum(p.numel() for p in whole.model.parameters())
