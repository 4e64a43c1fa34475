"""Time the training step of residual nets beside a sequential one, by multiply-accumulates.

    python bench/residual.py [--rounds N] [--float32] [--calls]

Forward, loss and backward of the chain, one thread, batch 128, contenders in turns, medians of
thread CPU time. The last columns are the speed in multiply-accumulates a second as a share of the
baseline's, and the bytes of maps that have to go through memory each step, where maps are larger
than the cache: the blocks' reads and writes, and what a written line is read for first.
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from smidgen import kernels, zoo
from smidgen.flat import Flat
from smidgen.kernels.chain import Chain
from smidgen.kernels.links import links_of
from smidgen.layers import Conv, Depthwise, Layer, MaxPool, Residual
from smidgen.spec import NetSpec

BATCH, BASELINE = 128, "cifar-143k-dw"


def without_sums(spec: NetSpec) -> NetSpec:
    """Return the net with the layers of each residual in its place."""

    def opened(layers: tuple[Layer, ...]) -> list[Layer]:
        held = [layer.layers if isinstance(layer, Residual) else (layer,) for layer in layers]
        return [layer for part in held for layer in part]

    return replace(spec.map_sequences(opened), name=f"{spec.name}-no-sums")


def chain_of(spec: NetSpec, dtype: torch.dtype) -> tuple[Callable[[], None], Chain]:
    """Return a step of training without data and optimizer, and the chain that runs it."""
    model = spec.build()
    flat, links = Flat(model), links_of(model)
    assert links is not None, f"a module of {spec.name} cannot be linked"
    g = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, *spec.input_shape, generator=g)
    images = images.to(dtype, memory_format=torch.channels_last)
    targets = torch.rand(BATCH, spec.out_shape.channels, generator=g).softmax(1)
    chain = Chain(links, images.shape, images.dtype, flat.gradient)

    def step() -> None:
        flat.gradient.zero_()
        chain.loss(images, targets).backward()

    return step, chain


def moved(spec: NetSpec, item: int) -> int:
    """Return the bytes of maps that a step reads and writes, a written one counted twice."""
    values, shape, summed = 0, spec.input_shape, False
    for place, own in enumerate(spec.layers):
        pools = isinstance(spec.layers[min(place + 1, len(spec.layers) - 1)], MaxPool)
        before, out = math.prod(shape), math.prod(own.out_shape(shape))
        if isinstance(own, Conv | Depthwise | Residual):
            summed = isinstance(own, Residual)
            pooled = pools and not summed
            left = out // 4 if pooled else out
            # forward: x, z; the largest of four, or z and what is added; y
            values += before + 2 * out + (3 * left if pooled else (1 + summed) * out) + 2 * left
            # back: for the norm, then z, dy, x and dx
            values += 2 * left + out + left + (3 if place else 1) * before
        elif isinstance(own, MaxPool) and summed:  # a call of its own
            values += before + 2 * out + before + out + 2 * before
        shape = own.out_shape(shape)
    return BATCH * item * values


def show_calls(chain: Chain, rounds: int) -> None:
    """Print the milliseconds of each call, as they follow one another in a step."""
    times: list[list[float]] = [[] for _ in chain.calls]
    for _ in range(rounds):
        for call, taken in zip(chain.calls, times, strict=True):
            start = time.thread_time()
            call()
            taken.append(1e3 * (time.thread_time() - start))
    for call, taken in zip(chain.calls, times, strict=True):
        print(f"    {call.func.__name__:45s} {statistics.median(taken):8.3f}")  # pyright: ignore


def main() -> None:
    """Print one row a net."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--calls", action="store_true", help="time each call of each net too")
    parser.add_argument("nets", nargs="*", default=["cifar-143k-res"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    kernels.keep_memory()
    dtype = torch.float32 if asked.float32 else torch.bfloat16
    specs = [zoo.net(BASELINE)]
    for name in asked.nets:
        specs += [zoo.net(name), without_sums(zoo.net(name))]
    specs = list({spec.layers: spec for spec in specs}.values())
    steps = {spec: chain_of(spec, dtype) for spec in specs}
    times: dict[NetSpec, list[float]] = {spec: [] for spec in specs}
    for turn in range(asked.rounds + 2):
        for spec, (step, _) in steps.items():
            start = time.thread_time()
            step()
            if turn > 1:  # the first two find memory
                times[spec].append(time.thread_time() - start)
    print(f"{kernels.implementation()} {dtype} {os.cpu_count()} cores")
    base = specs[0].macs / statistics.median(times[specs[0]])
    for spec in specs:
        taken = statistics.median(times[spec])
        share = spec.macs / taken / base
        size = f"{moved(spec, dtype.itemsize) / 1e6:6.0f} MB"
        print(f"{spec.name:32s} {spec.macs:12,} MACs {1e3 * taken:8.2f} ms {share:6.2f} {size}")
        if asked.calls:
            show_calls(steps[spec][1], asked.rounds)


if __name__ == "__main__":
    main()
