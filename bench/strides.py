"""Time nets that reduce by strides: a training step and logits, as smidgen runs them, beside torch.

    python bench/strides.py [--rounds N] [--net NAME]

One thread, contenders in turns, medians of thread CPU time; drawn weights and images. A step is the
forward and the backward pass of a batch of 128 in the number format of a run; `blocks` are the
modules one by one under autograd, with what is compiled of each, as nets trained that could not be
a chain; `torch` is its own operations, channels last, in the same format. Logits are in float32, in
batches as everything that judges takes them.
"""

import argparse
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from evaluation import drawn, medians
from torch import nn

from smidgen import kernels
from smidgen.evaluate.accuracy import BATCH_SIZE, taken
from smidgen.flat import Flat
from smidgen.kernels.chain import Chain, Inference
from smidgen.kernels.library import CHOICE, forget_choice
from smidgen.kernels.links import links_of
from smidgen.layers import (
    Classifier,
    Conv,
    Depthwise,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Residual,
    Shape,
)
from smidgen.spec import NetSpec

TRAINED = 128


def photographs(side: int, stem: Conv) -> NetSpec:
    """Return a net for pictures in colour, as designs draw them from 64 pixels a side on."""
    stages: list[Layer] = [stem, Depthwise(16)]
    for width in (32, 64):
        block = Depthwise(width)
        stages += [MaxPool(), block, Residual((block,))]
    layers = (*stages, MaxPool(), Depthwise(96), GlobalAveragePool(), Classifier(10))
    return NetSpec(Shape(3, side, side), layers)


def strided() -> NetSpec:
    """Return the record's shape within 0.4 M multiply-accumulates, which strides alone."""
    stages: list[Layer] = [Conv(6, stride=2), Depthwise(16)]
    for width, more in ((28, 2), (56, 1)):
        stages += [Depthwise(width, stride=2), *[Residual((Depthwise(width),))] * more]
    return NetSpec(Shape(3, 32, 32), (*stages, GlobalAveragePool(), Classifier(10)))


def line() -> NetSpec:
    """Return a net for the windows of a sensor: one column, filters that are lines."""
    stages: list[Layer] = [Conv(8, (5, 1), 2), Depthwise(16, (5, 1))]
    for width in (24, 32):
        block = Depthwise(width, (5, 1))
        stages += [Depthwise(width, (5, 1), 2), Residual((block,))]
    return NetSpec(Shape(3, 96, 1), (*stages, GlobalAveragePool(), Classifier(6)))


NETS = {
    "96 x 96, stem at 2": photographs(96, Conv(8, stride=2)),
    "96 x 96, stem at 4": photographs(96, Conv(8, 5, 4)),
    "32 x 32, all strides": strided(),
    "96 x 1, all strides": line(),
}


@contextmanager
def forced(path: str) -> Generator[None]:
    """Run what is inside on one path."""
    os.environ[CHOICE] = path
    forget_choice()
    yield
    os.environ.pop(CHOICE)
    forget_choice()


def steps(spec: NetSpec, dtype: torch.dtype) -> dict[str, Callable[[], object]]:
    """Return a training step of each contender, and smidgen's only where it makes a chain."""
    images = drawn(spec, TRAINED, dtype)
    targets = torch.rand(TRAINED, spec.out_shape.channels).softmax(1)

    def stepped(model: nn.Module, path: str) -> Callable[[], object]:
        def run() -> None:
            autocast = torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16)
            with forced(path), autocast:
                F.cross_entropy(model(images).float(), targets).backward()

        return run

    model = spec.build().train()
    flat, links, plain = Flat(model), links_of(model), spec.build().train()
    for weight in (p for p in plain.parameters() if p.ndim == 4):
        weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    found = {
        "blocks": stepped(spec.build().train(), kernels.implementation()),
        "torch": stepped(plain, "torch"),
    }
    if links is not None:
        chain = Chain(links, images.shape, images.dtype, flat.gradient)
        found["chain"] = lambda: chain.backprop(images, targets)
    return found


def logits(spec: NetSpec) -> dict[str, Callable[[], object]]:
    """Return what gives the logits of as many images."""
    model = spec.build().eval().requires_grad_(requires_grad=False)
    infer, images = Inference(model), drawn(spec, BATCH_SIZE, torch.float32)
    few = images.split(taken(*spec.input_shape[1:]))
    return {"compiled": lambda: [infer(some) for some in few], "torch": lambda: model(images)}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--net", choices=NETS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    half = kernels.number_format() == "bfloat16"
    dtype = torch.bfloat16 if half else torch.float32
    print(f"path {kernels.implementation()}, steps in {str(dtype).removeprefix('torch.')}")
    for name, spec in NETS.items():
        if arguments.net not in (None, name):
            continue
        took = medians(steps(spec, dtype), arguments.rounds)
        print(f"{name} ({spec.macs / 1e6:.2f} M multiply-accumulates)")
        said = ", ".join(f"{who} {1e3 * seconds:.1f} ms" for who, seconds in took.items())
        print(f"  a step: {said}")
        found = medians(logits(spec), arguments.rounds)
        each = ", ".join(f"{who} {1e6 * took / BATCH_SIZE:.0f} us" for who, took in found.items())
        print(f"  an image's logits: {each}")


if __name__ == "__main__":
    main()
