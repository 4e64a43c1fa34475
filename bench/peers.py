"""Nets of others inside the budget of a design, trained as long as smidgen's: equal epochs or time.

    python bench/peers.py train [NET ...] [--seeds N]    rows that the file does not hold yet
    python bench/peers.py table                          the tables of docs/designs.md

The budget is MLPerf Tiny's ResNet-8. Every net sees the same training pictures of CIFAR-10, drawn
evenly over the classes by a fixed seed, and is tested on all test pictures after its last epoch.
The recipe is one: AdamW, its peak rate and decay, one cycle, batch 128, crop by 4 and flip. Of one
seed, order and windows of the pictures are the same for all nets. Nets of others are trained by a
plain PyTorch loop (``peer_loop.py``), smidgen's by smidgen, all on one thread in float32.

First all train for equal epochs. Then smidgen's nets train for as many epochs as take no longer
than ResNet-8 took, by the CPU seconds of the rows: the cycle is as long as that from the start.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from peer_loop import trained
from peer_nets import counted, mobilenetv2, resnet8
from rows import origin
from torch import nn

import smidgen as sm
from smidgen import kernels, zoo
from smidgen.data import Data, channel_statistics, load
from smidgen.data.splits import divided
from smidgen.evaluate.accuracy import accuracy, predict
from smidgen.layers import Shape
from smidgen.methods import parse, rewritten
from smidgen.runtime import versions
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget
from smidgen.study.design.ladder import ladder
from smidgen.study.design.maker import Maker
from smidgen.study.statistics import Interval, mean_interval, paired_effect, spread
from smidgen.text import to_text

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "results" / "peers-cifar10.jsonl"
PICTURES, EPOCHS, SEEDS = 5_000, 8, 3
# ResNet-8's, its parameters as they are deployed: 78,186 with those of the norms that are folded
PARAMS, MACS = 77_706, 12_501_632
RECIPE = "crop(padding=4), flip, one-cycle"
OWN = f"blurpool, {RECIPE}, ema"  # what the records of docs/records.md are trained with
PLAIN, SMIDGEN = "a plain PyTorch loop", "smidgen"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """A net and who trains it.

    Args:
        name: For people.
        make: Returns it: a module for the plain loop, a spec for smidgen.
        trained_by: ``PLAIN`` or ``SMIDGEN``.
        methods: In smidgen's words.
    """

    name: str
    make: Callable[[], nn.Module | NetSpec]
    trained_by: str
    methods: str = RECIPE


def by_ladder() -> NetSpec:
    """Return the first residual net of the ladder that a design begins with, untrained."""
    maker = Maker(Shape(3, 32, 32), 10, Budget(max_params=PARAMS, max_macs=MACS))
    return next(one.spec for one in ladder(maker, 9) if one.template.family == "residual")


def by_hand() -> NetSpec:
    """Return the net of the records at this size; its shape was chosen on held-out pictures."""
    return zoo.net("cifar-78000-b")


PEERS = {
    "resnet8": Peer("ResNet-8", resnet8, PLAIN),
    "mobilenetv2": Peer("MobileNetV2 x0.1", lambda: mobilenetv2(0.1), PLAIN),
    "wider": Peer("MobileNetV2 x0.17", lambda: mobilenetv2(0.17), PLAIN),
    "same": Peer(
        "`cifar-78k-resnet8`, a ResNet-8", lambda: sm.zoo.net("cifar-78k-resnet8"), SMIDGEN
    ),
    "ladder": Peer("the ladder's first residual net", by_ladder, SMIDGEN),
    "hand": Peer("`cifar-78000-b`, made by hand", by_hand, SMIDGEN),
    "own": Peer("`cifar-78000-b` with `blurpool` and `ema`", by_hand, SMIDGEN, OWN),
}


def pictures(count: int) -> Data:
    """Return CIFAR-10 with ``count`` training pictures, evenly over the classes."""
    data = load("cifar10")
    return replace(data, train=divided(data.train, count, 0)[1], fingerprint="")


def fit(peer: Peer, data: Data, recipe: sm.Recipe, seed: int) -> nn.Module:
    """Return the net, trained."""
    torch.manual_seed(seed)
    net = peer.make()
    if isinstance(net, nn.Module):
        return trained(net, data.train, channel_statistics(data.train.images), recipe, seed)
    runtime = sm.Runtime("cpu", 1, "float32")
    methods = parse(peer.methods)
    return sm.train(net, data, methods=methods, recipe=recipe, seed=seed, runtime=runtime).model


def run(peer: Peer, data: Data, epochs: int, seed: int) -> Row:
    """Train a net and return its row."""
    recipe = sm.Recipe(epochs=epochs, batch_size=128, peak_lr=0.01, weight_decay=0.01)
    wall, cpu = time.perf_counter(), time.process_time()
    model = fit(peer, data, recipe, seed)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    logits = predict(model, data.test.images, *channel_statistics(data.train.images))
    net, methods = peer.make(), parse(peer.methods)
    machine = sm.Runtime("cpu", 1, "float32").describe()
    if isinstance(net, NetSpec):
        name, built = net.name, rewritten(net, methods)
        params, macs = built.params, built.macs
    else:
        name, machine["kernels"] = peer.name, "torch"
        params, macs = sum(p.numel() for p in net.parameters()), counted(net)
    return {
        "net": name, "trained_by": peer.trained_by, "params": params, "macs": macs,
        "methods": [to_text(method) for method in methods], "recipe": recipe.to_dict(),
        "seed": seed, "epochs": epochs, "pictures": len(data.train), "split": "test",
        "images": len(data.test), "fingerprint": data.fingerprint,
        "accuracy": accuracy(logits, data.test.labels), "seconds": seconds,
        "cpu_seconds": cpu_seconds, **machine, "versions": versions(), **origin(),
    }  # fmt: skip


def rows_of(rows: Iterable[Row], key: str, epochs: int) -> dict[int, Row]:
    """Return the rows of a peer by seed."""
    found = {row["seed"]: row for row in rows if (row["peer"], row["epochs"]) == (key, epochs)}
    return dict(sorted(found.items()))


def fitting(rows: list[Row], key: str) -> int:
    """Return how many epochs of a net take no longer than ResNet-8 took for all of its own."""
    taken, limit = (
        mean(row["cpu_seconds"] for row in rows_of(rows, name, EPOCHS).values())
        for name in (key, "resnet8")
    )
    return int(EPOCHS * limit / taken)


def train(names: list[str], seeds: int) -> None:
    """Append the rows that are missing: a seed of every net, the next seed, then equal time."""
    data = pictures(PICTURES)
    kernels.keep_memory()  # smidgen's runs ask for it, so that the plain loop has it as well
    few = pictures(256)
    for key in ("resnet8", "ladder"):  # what a process does once is no part of a run's seconds
        fit(PEERS[key], few, sm.Recipe(epochs=1), 0)

    def add(key: str, epochs: int, seed: int) -> None:
        if seed not in rows_of(read(), key, epochs):
            row = {"bench": "peers", "peer": key, **run(PEERS[key], data, epochs, seed)}
            with ROWS.open("a") as file:
                file.write(f"{json.dumps(row)}\n")
            print(key, epochs, seed, row["accuracy"], round(row["cpu_seconds"]), flush=True)

    for seed in range(seeds):
        for key in names:
            add(key, EPOCHS, seed)
    for seed in range(seeds):
        for key in names:
            if PEERS[key].trained_by == SMIDGEN:
                add(key, fitting(read(), key), seed)


def read() -> list[Row]:
    """Return the rows that there are."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def table(rows: list[Row], lengths: dict[str, int]) -> str:
    """Return a table of the nets that have every seed of ResNet-8, each of a number of epochs."""
    columns = ("net", "trained by", "parameters", "MACs", "epochs", "CPU seconds", "accuracy, %")
    lines = [
        f"| {' | '.join(columns)} | beside ResNet-8, points |",
        "| --- | --- |" + 6 * " ---: |",
    ]
    theirs = _percents(rows_of(rows, "resnet8", EPOCHS))
    for key, epochs in lengths.items():
        of = rows_of(rows, key, epochs)
        if of.keys() != theirs.keys():
            continue
        first, ours = next(iter(of.values())), _percents(of)
        effect = paired_effect(ours, theirs, step=100 / first["images"])
        cells = (
            PEERS[key].name, first["trained_by"], f"{first['params']:,}",
            f"{first['macs'] / 1e6:.2f} M", str(epochs),
            f"{mean(row['cpu_seconds'] for row in of.values()):.0f}",
            spread(mean_interval(list(ours.values()))),
            "" if key == "resnet8" else _signed(effect),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _signed(effect: Interval) -> str:
    return f"{effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]"


def _percents(rows: dict[int, Row]) -> dict[int, float]:
    return {seed: 100 * row["accuracy"] for seed, row in rows.items()}


def tables(rows: list[Row]) -> tuple[str, str]:
    """Return the table of equal epochs and that of equal time."""
    equal = [key for key in PEERS if rows_of(rows, key, EPOCHS)]
    own = [key for key in equal if PEERS[key].trained_by == SMIDGEN]
    timed = {"resnet8": EPOCHS} | {key: fitting(rows, key) for key in own}
    return table(rows, dict.fromkeys(equal, EPOCHS)), table(rows, timed)


def main() -> None:
    """Train what is missing, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["train", "table"])
    parser.add_argument("nets", nargs="*", default=list(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    asked = parser.parse_args()
    if asked.what == "table":
        print("\n".join(tables(read())))
        return
    torch.set_num_threads(1)
    train(asked.nets, asked.seeds)


if __name__ == "__main__":
    main()
