"""How the cost of a training step grows with batch, width, image size and threads.

    python bench/growth.py [--rounds N] [--out FILE]

CPU milliseconds of the process for forward, loss, backward and AdamW, medians of rounds in which
all sizes of a kind take turns (numbers of threads do not: waiting threads cost time for a while);
then the exponent of a straight line through the logarithms.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from smidgen import kernels, zoo
from smidgen.adamw import AdamW
from smidgen.flat import Flat
from smidgen.kernels.chain import Chain
from smidgen.kernels.links import links_of
from smidgen.layers import Conv, Depthwise, Layer, Shape, Transition
from smidgen.spec import NetSpec

BATCH = 128
Step = Callable[[], None]


def widened(spec: NetSpec, factor: float) -> NetSpec:
    """Return the net with every width times ``factor``."""

    def wider(layer: Layer) -> tuple[Layer, ...]:
        if isinstance(layer, Conv | Depthwise | Transition):
            return (replace(layer, out_channels=max(1, round(factor * layer.out_channels))),)
        return (layer,)

    return spec.map_layers(wider)


def resized(spec: NetSpec, side: int) -> NetSpec:
    """Return the net for images of another size."""
    return replace(spec, input_shape=Shape(spec.input_shape.channels, side, side))


def step_of(spec: NetSpec, batch: int, threads: int = 1) -> Step:
    """Return a whole step on one batch, which sets the number of threads itself."""
    model = spec.build()
    flat, links = Flat(model), links_of(model)
    assert links is not None, "every module of these nets can be linked"
    g = torch.Generator().manual_seed(0)
    images = torch.randn(batch, *spec.input_shape, generator=g)
    images = images.to(torch.bfloat16, memory_format=torch.channels_last)
    targets = torch.rand(batch, 10, generator=g).softmax(1)
    chain = Chain(links, images.shape, images.dtype, flat.gradient)
    weights = torch.nn.Parameter(flat.weights)
    weights.grad = flat.gradient
    adamw = AdamW([{"params": [weights], "weight_decay": 0.01}], lr=1e-3, betas=(0.9, 0.999))

    def step() -> None:
        torch.set_num_threads(threads)
        flat.gradient.zero_()
        chain.loss(images, targets).backward()
        adamw.step()

    return step


def kinds(spec: NetSpec) -> Iterator[tuple[str, list[tuple[float, int, Step]]]]:
    """Yield each kind of growth: its sizes, the parameters at each, and the steps."""
    side = spec.input_shape.height
    batches = (8, 32, 128, 512)
    yield "batch", [(size, spec.params, step_of(spec, size)) for size in batches]
    wide = [(factor, widened(spec, factor)) for factor in (0.5, 1, 2, 4)]
    yield "width", [(factor, net.params, step_of(net, BATCH)) for factor, net in wide]
    sides = [(size, resized(spec, size)) for size in (side // 2, side, 2 * side)]
    yield "image side", [(size, net.params, step_of(net, BATCH)) for size, net in sides]
    yield "threads", [(count, spec.params, step_of(spec, BATCH, count)) for count in (1, 2)]


def timed(steps: list[Step], rounds: int, in_turns: bool) -> list[list[float]]:
    """Return milliseconds a round for each step, taken in turns or one step after the other."""
    if not in_turns:
        return [timed([step], rounds, in_turns=True)[0] for step in steps]
    times: list[list[float]] = [[] for _ in steps]
    for turn in range(rounds + 1):
        for step, taken in zip(steps, times, strict=True):
            step()  # what the step before it left in the cache is not held against it
            start = time.process_time()
            step()
            if turn:
                taken.append(1e3 * (time.process_time() - start))
    return times


def exponent(sizes: list[float], costs: list[float]) -> float:
    """Return the slope of the least-squares line through the logarithms."""
    x, y = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    return statistics.linear_regression(x, y).slope


def main() -> None:
    """Measure, print a table, write rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    kernels.keep_memory()
    rows: list[dict[str, Any]] = []
    print("| net | of | size | params | ms (quartiles) | us an image | exponent |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in ("mnist-1k5-dw", "cifar-143k-dw"):
        for kind, cases in kinds(zoo.net(name)):
            in_turns = kind != "threads"
            times = timed([step for _, _, step in cases], arguments.rounds, in_turns)
            costs = [statistics.median(taken) for taken in times]
            slope = exponent([size for size, _, _ in cases], costs)
            for (size, params, _), taken, cost in zip(cases, times, costs, strict=True):
                low, _, high = statistics.quantiles(taken, n=4)
                images = size if kind == "batch" else BATCH
                print(
                    f"| {name} | {kind} | {size:g} | {params:,} | {cost:.2f} ({low:.2f} to "
                    f"{high:.2f}) | {1e3 * cost / images:.1f} | {slope:.2f} |"
                )
                row = {"bench": "growth", "net": name, "kind": kind, "size": size}
                row |= {"params": params, "milliseconds": cost, "low": low, "high": high}
                rows.append({**row, "exponent": slope, "kernels": kernels.implementation()})
    if arguments.out:
        with arguments.out.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
