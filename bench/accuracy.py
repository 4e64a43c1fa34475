"""Does training on the compiled operations reach what training on torch's does?

    python bench/accuracy.py                              MNIST, half an hour on one thread
    python bench/accuracy.py --data cifar10 --epochs 3

The same trials run twice, once as they are and once with ``SMIDGEN_KERNELS=torch``: the same nets,
methods, recipe, seeds and order of images. Differences are paired by seed. They are judged on
held-out images, as nothing is claimed here that the test images would be needed for. Both stores
stay in the folder, so that an interrupted comparison goes on.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from smidgen.study.statistics import mean_interval, paired_effect

NETS = {"mnist": "mnist-1k5-dw", "cifar10": "cifar-143k-dw"}
SETS = (
    (),
    ("blurpool", "squeeze-excite", "swa"),
    ("cutout(length=8)", "mixup", "label-smoothing"),
    ("sam",),
)
ALL = tuple(method for methods in SETS for method in methods)
ONLY_TORCH = "torch"
Rows = dict[tuple[str, ...], dict[int, dict[str, Any]]]


def plan(data: str, sets: list[tuple[str, ...]], epochs: int, seeds: int) -> str:
    """Return the study as TOML."""
    return (
        f'name = "accuracy-{data}"\ndata = "{data}"\nsplit = "selection"\n'
        f'seeds = {list(range(seeds))}\nbaseline = ["one-cycle"]\n'
        f"[recipe]\nepochs = {epochs}\npeak_lr = 0.01\n"
        f'[[trials]]\nnets = ["{NETS[data]}"]\nmethods = {json.dumps(sets)}\n'
    )


def trained(path: Path, folder: Path, kernels: str | None) -> Rows:
    """Run the study with the operations named, and return its rows by methods and seed."""
    label = kernels or "compiled"
    rows = folder / f"{label}.jsonl"
    words = [sys.executable, "-m", "smidgen", "study", str(path)]
    words += ["--store", str(folder / f"{label}.db"), "--export", str(rows)]
    chosen = {} if kernels is None else {"SMIDGEN_KERNELS": kernels}
    subprocess.run(words, check=True, env={**os.environ, **chosen})
    found: Rows = {}
    for row in map(json.loads, rows.read_text().splitlines()):
        if (row["kernels"] == ONLY_TORCH) != (kernels == ONLY_TORCH):
            raise SystemExit(
                f"{label}: trained on {row['kernels']} operations: is the package built?"
            )
        found.setdefault(tuple(row["methods"]), {})[row["seed"]] = row
    return found


def main(
    data: Annotated[str, typer.Option(help="mnist or cifar10.")] = "mnist",
    epochs: Annotated[int, typer.Option(help="Of every run.")] = 5,
    seeds: Annotated[int, typer.Option(help="Of every set of methods.")] = 3,
    everything: Annotated[bool, typer.Option(help="Each set, or none and all of them.")] = False,
    folder: Annotated[Path, typer.Option(help="Of the two stores.")] = Path("runs/accuracy"),
    out: Annotated[Path, typer.Option(help="Rows are appended.")] = Path("results/accuracy.jsonl"),
) -> None:
    """Train on both, compare, and append a row for each set of methods."""
    folder = folder / data
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.toml"
    path.write_text(plan(data, [*SETS, ALL] if everything else [(), ALL], epochs, seeds))
    compiled, plain = trained(path, folder, None), trained(path, folder, ONLY_TORCH)
    table = Table("methods", "compiled, %", "torch, %", "difference, points", "verdict")
    for methods, rows in compiled.items():
        ours, theirs = (
            {seed: 100 * row["accuracy"] for seed, row in of.items()}
            for of in (rows, plain[methods])
        )
        first = next(iter(rows.values()))
        effect = paired_effect(ours, theirs, step=100 / first["images"])
        means = [mean_interval(list(of.values())).mean for of in (ours, theirs)]
        table.add_row(
            " + ".join(methods),
            *(f"{mean:.2f}" for mean in means),
            f"{effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]",
            effect.verdict,
        )
        with out.open("a") as file:
            row = {
                "bench": "accuracy", "net": first["net"], "methods": methods, "epochs": epochs,
                "seeds": sorted(ours), "images": first["images"], "compiled": ours, "torch": theirs,
                "difference": effect.mean, "low": effect.low, "high": effect.high,
                "kernels": first["kernels"], "device": first["device"], "threads": first["threads"],
                "versions": first["versions"], "revision": first["revision"],
            }  # fmt: skip
            file.write(f"{json.dumps(row)}\n")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
