"""Time each fused operation, and the step of two nets, against torch eager on one thread.

    python bench/kernels.py [--rounds N] [--json FILE]

"ours" joins one operation a block to autograd; "chain" is the step that training takes.
Contenders take turns; figures are medians of thread CPU time, since other work on the machine
would add to wall time.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smidgen import kernels, zoo
from smidgen.flat import Flat
from smidgen.kernels import reference
from smidgen.kernels.chain import Chain
from smidgen.kernels.links import links_of
from smidgen.kernels.measured import processor
from smidgen.methods import BlurPool, rewritten

Step = Callable[[], object]
BATCH = 128


class Block(nn.Module):
    """One block of a net, fused or not: conv, depthwise, transition, pool or gate."""

    def __init__(self, kind: str, inputs: int, outputs: int, bias: bool, fused: bool) -> None:
        """Make the parameters that the kind needs."""
        super().__init__()
        self.kind, self.fused = kind, fused
        if kind == "depthwise":
            self.depth = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=bias)
        if kind in {"conv", "depthwise", "transition"}:
            side = 3 if kind == "conv" else 1
            self.mix = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=bias)
        if kind in {"conv", "depthwise"}:
            self.norm = nn.BatchNorm2d(outputs)
        if kind == "gate":
            latent = max(1, inputs // 16)
            self.squeeze = nn.Parameter(torch.randn(latent, inputs, 1, 1) / inputs**0.5)
            self.excite = nn.Parameter(torch.randn(inputs, latent, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Run the block."""
        if self.kind in {"pool", "blurpool", "gate"}:
            return self._without_convolution(x)
        w, b = self.mix.weight, self.mix.bias
        if self.kind == "transition":
            return kernels.pointwise(x, w, b) if self.fused else self.mix(x)
        if self.kind == "conv":
            return (
                kernels.conv_bn_relu(x, w, b, self.norm)
                if self.fused
                else F.relu(self.norm(self.mix(x)))
            )
        if not self.fused:
            return F.relu(self.norm(self.mix(self.depth(x))))
        return kernels.depthwise_bn_relu(x, self.depth.weight, self.depth.bias, w, b, self.norm)

    def _without_convolution(self, x: Tensor) -> Tensor:
        if self.kind == "pool":
            return kernels.max_pool2d(x) if self.fused else F.max_pool2d(x, 2)
        module = kernels if self.fused else reference
        if self.kind == "gate":
            return module.squeeze_excite(x, self.squeeze, self.excite)
        return module.max_blur_pool2d(x)


class Head(nn.Module):
    """Global average and classifier."""

    def __init__(self, inputs: int, fused: bool) -> None:
        """Make the classifier."""
        super().__init__()
        self.mix, self.fused = nn.Conv2d(inputs, 10, 1, bias=False), fused

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        if self.fused:
            return kernels.pointwise(kernels.average_pool(x), self.mix.weight).flatten(1)
        return self.mix(F.adaptive_avg_pool2d(x, 1)).flatten(1)


NETS = {
    "mnist-1k5-dw": ((1, 28, 28), False, "c8 d12 t8 M d12 d16 t12 M d15"),
    "cifar-143k-dw": ((3, 32, 32), True, "c16 c16 M d32 c32 M d64 c64 M d128 d192 d260"),
}
KINDS = {"c": "conv", "d": "depthwise", "t": "transition"}


def build(net: str, pool: str, fused: bool) -> nn.Sequential:
    """Build a net by hand, its parameters the same whether fused or not."""
    torch.manual_seed(0)
    (inputs, _, _), bias, text = NETS[net]
    blocks: list[nn.Module] = []
    for word in text.split():
        kind, outputs = (pool, inputs) if word == "M" else (KINDS[word[0]], int(word[1:]))
        blocks.append(Block(kind, inputs, outputs, bias, fused))
        inputs = outputs
    return nn.Sequential(*blocks, Head(inputs, fused))


def step_of(model: nn.Module, shape: tuple[int, ...], bfloat16: bool, fused: bool) -> Step:
    """Return a training step without data and optimizer: eager bfloat16 is autocast."""
    images = torch.randn(BATCH, *shape).contiguous(memory_format=torch.channels_last)
    targets = torch.softmax(torch.randn(BATCH, 10), 1)
    if fused:
        images = images.to(torch.bfloat16 if bfloat16 else torch.float32)
    else:
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def step() -> None:
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16 and not fused):
            logits = model(images)
        F.cross_entropy(logits.float(), targets).backward()

    return step


def chain_of(net: str, pool: str, bfloat16: bool) -> Step:
    """Return the step of smidgen's training, without data and optimizer."""
    model = rewritten(zoo.net(net), [BlurPool()] if pool == "blurpool" else []).build()
    flat, links = Flat(model), links_of(model)
    assert links is not None, "every module of these nets can be linked"
    images = torch.randn(BATCH, *zoo.net(net).input_shape)
    images = images.to(
        torch.bfloat16 if bfloat16 else torch.float32, memory_format=torch.channels_last
    )
    targets = torch.softmax(torch.randn(BATCH, 10), 1)
    chain = Chain(links, images.shape, images.dtype, flat.gradient)

    def step() -> None:
        flat.gradient.zero_()
        chain.loss(images, targets).backward()

    return step


def piece_of(block: nn.Module, x: Tensor, bfloat16: bool, fused: bool) -> Step:
    """Return forward and backward of one block."""
    x = x.contiguous(memory_format=torch.channels_last)
    x = (x.bfloat16() if bfloat16 else x).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16 and not fused):
        dy = torch.randn_like(block(x))

    def piece() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16 and not fused):
            y = block(x)
        y.backward(dy)
        x.grad = None

    return piece


def race(contenders: dict[str, Step], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each contender, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for step in contenders.values():
        step()
        step()
    for _ in range(rounds):
        for name, step in contenders.items():
            start = time.thread_time()
            step()
            times[name].append(1e3 * (time.thread_time() - start))
    return {name: statistics.median(values) for name, values in times.items()}


PIECES = [
    ("conv", 16, 16, 32), ("conv", 32, 32, 16), ("conv", 64, 64, 8), ("depthwise", 8, 12, 28),
    ("depthwise", 16, 32, 16), ("depthwise", 192, 260, 4), ("transition", 12, 8, 28),
    ("pool", 16, 16, 32), ("blurpool", 16, 16, 32), ("blurpool", 8, 8, 28), ("gate", 16, 16, 32),
]  # fmt: skip
CONTENDERS = {
    "eager float32": (False, False),
    "eager bfloat16": (True, False),
    "ours float32": (False, True),
    "ours bfloat16": (True, True),
}
CHAINS = {"chain float32": False, "chain bfloat16": True}


def report(name: str, times: dict[str, float]) -> dict[str, object]:
    """Print one row and return it."""
    best = min(times["eager float32"], times["eager bfloat16"])
    ratio = best / times.get("chain bfloat16", times["ours bfloat16"])
    shown = (f"{times[c]:11.2f}" if c in times else " " * 11 for c in (*CONTENDERS, *CHAINS))
    print(f"{name:38s}" + "".join(shown) + f"{ratio:9.2f}")
    return {"name": name, "milliseconds": times, "ratio_bfloat16": ratio}


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kernels.keep_memory()
    gc.disable()
    print(
        f"{kernels.implementation()}, torch {torch.__version__}, batch {BATCH}, "
        "milliseconds forward and backward"
    )
    print(
        f"{'':38s}"
        + "".join(
            f"{c.replace('bfloat', 'bf').replace('float', 'f'):>11s}"
            for c in (*CONTENDERS, *CHAINS)
        )
        + "    ratio"
    )
    rows: list[dict[str, object]] = []
    for kind, inputs, outputs, side in PIECES:
        torch.manual_seed(0)
        x = torch.randn(BATCH, inputs, side, side)
        block = {fused: Block(kind, inputs, outputs, False, fused) for fused in (False, True)}
        race_of = {
            c: piece_of(block[fused], x, bf16, fused) for c, (bf16, fused) in CONTENDERS.items()
        }
        rows.append(
            report(
                f"{kind} {inputs} -> {outputs}, {side} x {side}", race(race_of, arguments.rounds)
            )
        )
    for net, (shape, _, _) in NETS.items():
        for pool in ("pool", "blurpool"):
            steps = {
                c: step_of(build(net, pool, fused), shape, bf16, fused)
                for c, (bf16, fused) in CONTENDERS.items()
            }
            steps |= {c: chain_of(net, pool, bf16) for c, bf16 in CHAINS.items()}
            rows.append(report(f"step of {net}, {pool}", race(steps, arguments.rounds)))
    if arguments.json:
        about = {
            "torch": torch.__version__,
            "implementation": kernels.implementation(),
            "processor": processor(),
        }
        with arguments.json.open("a") as file:
            file.writelines(json.dumps({**row, **about}) + "\n" for row in rows)


if __name__ == "__main__":
    main()
