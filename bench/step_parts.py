"""Where the time of a training step goes: torch eager, and smidgen.

    python bench/step_parts.py [--rounds N] [--out FILE] [--svg docs/training-step.svg]

Thread CPU milliseconds of a step of batch 128 on one thread in bfloat16, data left out: forward,
loss, backward, AdamW. Contenders take turns. The eager step is split by the shares that torch's
profiler sees, smidgen's by timing the calls of its chain, which run convolution, norm, ReLU, gates
and pooling as one; what is left of the whole is Python, autograd and the allocator.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from plain_loops import plain_net
from step_chart import drawn
from torch.profiler import ProfilerActivity, profile

from smidgen import kernels, zoo
from smidgen.adamw import AdamW
from smidgen.flat import Flat
from smidgen.kernels.chain import Chain
from smidgen.kernels.links import links_of
from smidgen.methods import BlurPool, SqueezeExcite, rewritten

BATCH = 128
SETS: dict[str, tuple[str, ...]] = {"none": (), "blurpool + se": ("blurpool", "se")}
METHODS = {"blurpool": BlurPool(), "se": SqueezeExcite()}
REST, OTHER = "Python, autograd, allocator", "casts, gates, other operators"

# Of torch's operators: the first piece of a name that is found decides; the order matters.
EAGER = (
    ("convolution_backward", "convolutions, back"),
    ("mkldnn_convolution", "convolutions, forward"),
    ("thnn_conv", "convolutions, forward"),
    ("_convolution", "convolutions, forward"),
    ("batch_norm", "batch norm, both"),
    ("native_batch", "batch norm, both"),
    ("max_pool", "pooling and blur, both"),
    ("reflection_pad", "pooling and blur, both"),
    ("relu", "ReLU, both"),
    ("threshold", "ReLU, both"),
    ("_fused_adamw_", "optimizer"),
)
OURS = (
    ("convolution_forward", "convolutions, forward"),
    ("depthwise_forward", "convolutions, forward"),
    ("convolution_backward", "convolutions, back"),
    ("depthwise_backward", "convolutions, back"),
    ("head", "average, classifier, loss"),
)


def part_of(name: str, parts: tuple[tuple[str, str], ...], other: str) -> str:
    return next((part for piece, part in parts if piece in name), other)


def batch_of(net: str) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, *zoo.net(net).input_shape, generator=g)
    targets = torch.rand(BATCH, 10, generator=g).softmax(1)
    return images.to(torch.bfloat16, memory_format=torch.channels_last), targets


def eager_step(net: str, methods: tuple[str, ...]) -> Callable[[], None]:
    """Return a step in channels_last and autocast, with torch's fused optimizer."""
    model = plain_net(net, methods).to(memory_format=torch.channels_last)  # pyright: ignore
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    images, targets = batch_of(net)

    def step() -> None:
        adamw.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(images)
        F.cross_entropy(logits.float(), targets).backward()
        adamw.step()

    return step


def own_step(net: str, methods: tuple[str, ...]) -> tuple[Callable[[], None], Chain, AdamW]:
    """Return smidgen's step, its chain and its optimizer."""
    model = rewritten(zoo.net(net), [METHODS[name] for name in methods]).build()
    flat, links = Flat(model), links_of(model)
    images, targets = batch_of(net)
    assert links is not None, "every module of these nets can be linked"
    chain = Chain(links, images.shape, images.dtype, flat.gradient)
    weights = torch.nn.Parameter(flat.weights)
    weights.grad = flat.gradient
    adamw = AdamW([{"params": [weights], "weight_decay": 0.01}], lr=1e-3, betas=(0.9, 0.999))

    def step() -> None:
        flat.gradient.zero_()
        chain.loss(images, targets).backward()
        adamw.step()

    return step, chain, adamw


def clocked(call: Callable[[], Any]) -> float:
    start = time.thread_time()
    call()
    return 1e3 * (time.thread_time() - start)


def eager_parts(step: Callable[[], None], whole: float, steps: int) -> dict[str, float]:
    """Split the eager step by the shares that the profiler sees."""

    def several() -> None:
        for _ in range(steps):
            step()

    with profile(activities=[ProfilerActivity.CPU]) as seen:
        start = time.perf_counter()
        several()
        total = 1e6 * (time.perf_counter() - start)  # the profiler's clock runs on while we wait
    parts: dict[str, float] = defaultdict(float)
    for event in seen.key_averages():
        parts[part_of(event.key, EAGER, OTHER)] += event.self_cpu_time_total / total * whole
    parts[REST] = max(whole - sum(parts.values()), 0.0)
    return dict(parts)


def named(chain: Chain, times: list[list[float]], whole: float) -> dict[str, float]:
    parts: dict[str, float] = defaultdict(float)
    for call, taken in zip(chain.calls, times[1:], strict=True):
        name = call.func.__name__  # pyright: ignore[reportFunctionMemberAccess]
        parts[part_of(name, OURS, OTHER)] += statistics.median(taken)
    parts["optimizer"] = statistics.median(times[0])
    parts[REST] = max(whole - sum(parts.values()), 0.0)
    return dict(parts)


def measured(net: str, methods: str, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each contender."""
    eager = eager_step(net, SETS[methods])
    own, chain, adamw = own_step(net, SETS[methods])
    times: dict[str, list[float]] = {"torch eager": [], "smidgen": []}
    calls: list[list[float]] = [[] for _ in (*chain.calls, adamw)]
    for _ in range(3):
        eager()
        own()
    for _ in range(rounds):
        times["torch eager"].append(clocked(eager))
        own()  # what the eager step put into the cache is not held against the other
        times["smidgen"].append(clocked(own))
        for call, taken in zip((adamw.step, *chain.calls), calls, strict=True):
            taken.append(clocked(call))
    whole = {name: statistics.median(values) for name, values in times.items()}
    parts = {
        "torch eager": eager_parts(eager, whole["torch eager"], rounds),
        "smidgen": named(chain, calls, whole["smidgen"]),
    }
    about = {"net": net, "methods": methods, "batch": BATCH, "kernels": kernels.implementation()}
    return [
        {**about, "contender": name, "milliseconds": whole[name], "parts": parts[name]}
        for name in times
    ]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--svg", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kernels.keep_memory()
    rows: list[dict[str, Any]] = []
    for net in ("mnist-1k5-dw", "cifar-143k-dw"):
        for methods in SETS:
            rows += measured(net, methods, arguments.rounds)
    for row in rows:
        parts = ", ".join(f"{name} {value:.2f}" for name, value in row["parts"].items())
        print(f"{row['net']}, {row['methods']}, {row['contender']}:", end=" ")
        print(f"{row['milliseconds']:.2f} ms ({parts})")
    if arguments.out:
        with arguments.out.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    if arguments.svg:
        arguments.svg.write_text(drawn(rows))


if __name__ == "__main__":
    main()
