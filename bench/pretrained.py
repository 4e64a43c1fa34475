"""Do few pictures gain from the weights of a run on other classes?

    python bench/pretrained.py
    python bench/pretrained.py --sizes 400 --seen 96000

One net learns six classes of CIFAR-10 from 27,000 training pictures, then few pictures of the
other four: once from drawn weights, once from its own, by the same recipe, paired by draw. Judged
on 500 further training pictures a class, the same for every draw; the test set is not read.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
import typer
from rows import origin, update_rows

from smidgen.data import Data, from_arrays, load
from smidgen.evaluate import evaluate
from smidgen.methods import BlurPool, Crop, Flip, Method, OneCycle, Pretrained
from smidgen.recipe import Recipe
from smidgen.runtime import choose
from smidgen.spec import NetSpec
from smidgen.study.statistics import mean_interval
from smidgen.train import train

NEW = ("cat", "dog", "frog", "ship")
LAYERS = [
    *("conv(16)", "depthwise(24)", "max_pool", "depthwise(32)", "residual(depthwise(32))"),
    *("max_pool", "depthwise(48)", "residual(depthwise(48))", "global_average_pool"),
]
METHODS: tuple[Method, ...] = (BlurPool(), Flip(), Crop(padding=4), OneCycle())
JUDGED = 500  # pictures a class, before which those that are learned from end


@dataclass(frozen=True, slots=True)
class Row:
    """A pair of runs on one draw."""

    images: int  # a class
    draw: int
    params: int
    macs: int  # an image
    epochs: int
    drawn: float  # accuracy from drawn weights
    pretrained: float  # from those of the run on six classes
    six_epochs: int  # of that run
    revision: str
    command: str
    date: str


def net(classes: int) -> NetSpec:
    """Return the net for so many classes."""
    layers = [*LAYERS, f"classifier({classes})"]
    return NetSpec.from_dict({"name": "transferred", "input": [3, 32, 32], "layers": layers})


def picked(whole: Data, names: tuple[str, ...], first: int, count: int) -> tuple[object, list[str]]:
    """Return ``count`` training pictures of each class from the ``first`` on, and their labels."""
    images: list[torch.Tensor] = []
    labels: list[str] = []
    for name in names:
        of = whole.train.labels == whole.classes.index(name)
        images.append(whole.train.images[of][first : first + count])
        labels += [name] * len(images[-1])
    return torch.cat(images), labels


def main(
    out: Annotated[Path, typer.Option(help="Rows, as JSON lines.")] = Path(
        "results/pretrained-cifar10.jsonl"
    ),
    draws: int = 5,
    epochs: Annotated[int, typer.Option(help="Of the run on six classes.")] = 6,
    sizes: Annotated[str, typer.Option(help="Pictures a class.")] = "25,100,400",
    seen: Annotated[int, typer.Option(help="Pictures that a run on few passes through.")] = 24_000,
) -> None:
    """Print the effect of each size; the rows of each draw take their place in ``out``."""
    runtime = choose(threads=1)
    whole = load("cifar10")
    old = tuple(name for name in whole.classes if name not in NEW)
    per_class = min(int((whole.train.labels == k).sum()) for k in range(len(whole.classes)))
    judged = picked(whole, NEW, per_class - JUDGED, JUDGED)
    with TemporaryDirectory() as place:
        folder = Path(place) / "six"
        six = from_arrays(
            *picked(whole, old, 0, per_class - JUDGED),
            test=picked(whole, old, per_class - JUDGED, JUDGED),
            name="six classes",
        )
        recipe = Recipe(epochs=epochs, batch_size=128, peak_lr=0.01, weight_decay=0.02)
        train(net(len(old)), six, methods=METHODS, recipe=recipe, runtime=runtime, folder=folder)
        rows: list[Row] = []
        for size in map(int, sizes.split(",")):
            for draw in range(draws):
                data = from_arrays(*picked(whole, NEW, size * draw, size), test=judged, name="few")
                recipe = Recipe(
                    epochs=seen // (size * len(NEW)),
                    batch_size=32,
                    peak_lr=0.01,
                    weight_decay=0.02,
                )
                found = [
                    evaluate(
                        train(
                            net(len(NEW)),
                            data,
                            methods=[*METHODS, *begin],
                            recipe=recipe,
                            seed=draw,
                            runtime=runtime,
                        ),
                        data.test,
                        measure_latency=False,
                    ).accuracy
                    for begin in ((), (Pretrained(str(folder)),))
                ]
                spec = net(len(NEW))
                row = Row(
                    images=size,
                    draw=draw,
                    params=spec.params,
                    macs=spec.macs,
                    epochs=recipe.epochs,
                    drawn=found[0],
                    pretrained=found[1],
                    six_epochs=epochs,
                    **origin(),
                )
                rows.append(row)
                print(json.dumps(asdict(row)), flush=True)
    update_rows(out, rows, ("images", "draw", "epochs", "six_epochs"))
    for size in dict.fromkeys(row.images for row in rows):
        gains = [100 * (row.pretrained - row.drawn) for row in rows if row.images == size]
        print(f"{size} a class: {mean_interval(gains)}")


if __name__ == "__main__":
    typer.run(main)
