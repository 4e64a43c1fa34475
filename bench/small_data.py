"""Is a design on few pictures ahead of logistic regression, of a forest, and of an older design?

    python bench/small_data.py --label references --source src
    python bench/small_data.py --label new --source src
    python bench/small_data.py --label old --source ../older/src

Pictures are drawn from MNIST's and CIFAR-10's training sets, evenly over the classes, another draw
a seed, and written as PNG files; 2,000 test pictures are the same for every draw. Each design is
the command line's, quick, within 3,000 parameters, in a process of its own. The references, which
the label of that name asks for, see the same pixels: scikit-learn's logistic regression (C chosen
on held-out fifths) and a forest of 500 trees. Rows that the file holds already are not made again.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer
from PIL import Image

from smidgen.data import Data, Split, load
from smidgen.data.splits import divided

TEST, PARAMS = 2_000, 3_000


def drawn(data: Data, count: int, seed: int) -> tuple[Split, Split]:
    """Return ``count`` training pictures of a draw, and the test pictures of every draw."""
    return divided(data.train, count, seed)[1], divided(data.test, TEST, 0)[1]


def write(folder: Path, parts: tuple[Split, Split], classes: tuple[str, ...]) -> None:
    """Write the pictures as PNG files, a folder a class."""
    for part, split in zip(("train", "test"), parts, strict=True):
        for name in classes:
            (folder / part / name).mkdir(parents=True)
        for number, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            pixels = (
                image.permute(1, 2, 0).squeeze(2) if len(image) == 1 else image.permute(1, 2, 0)
            )
            path = folder / part / classes[int(label)] / f"{number:05d}.png"
            Image.fromarray(pixels.numpy()).save(path)


def references(parts: tuple[Split, Split]) -> dict[str, float]:
    """Return the test accuracy of plain methods on the same pixels."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (x, y), (x_test, y_test) = (
        (split.images.flatten(1).float().div(255).numpy(), split.labels.numpy()) for split in parts
    )
    strengths: Any = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    logistic = LogisticRegressionCV(Cs=strengths, cv=5, max_iter=300)
    found = {
        "logistic": make_pipeline(StandardScaler(with_std=False), logistic),
        "forest": RandomForestClassifier(500, random_state=0),
    }
    return {name: float(model.fit(x, y).score(x_test, y_test)) for name, model in found.items()}


def designed(source: Path, folder: Path, out: Path) -> dict[str, Any]:
    """Return what the command line's design of the code in ``source`` reaches."""
    words = [sys.executable, "-m", "smidgen", "design", "--data", str(folder), "--out", str(out)]
    words += ["--max-params", str(PARAMS), "--profile", "quick", "--jobs", "1", "--json"]
    started = time.perf_counter()
    ended = subprocess.run(
        words,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source.absolute())},
    )
    found = json.loads(ended.stdout)
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    confirmed = next(row for row in rows if row["split"] == "test")
    return {
        "accuracy": found["accuracy"],
        "net": found["net"],
        "methods": confirmed["methods"],
        "epochs": confirmed["epochs"],
        "params": confirmed["params"],
        "trials": len(rows),
        "revision": confirmed["revision"],
        "wall_seconds": time.perf_counter() - started,
        "training_seconds": sum(row["seconds"] for row in rows),
    }


def main(
    label: Annotated[str, typer.Option(help="Of the code, in the rows.")],
    source: Annotated[Path, typer.Option(help="Folder that holds the package.")],
    sizes: str = "200,1000,6000",
    draws: int = 5,
    data: str = "mnist,cifar10",
    out: Path = Path("results/small-data.jsonl"),
) -> None:
    """Add a row a draw to ``out``."""
    torch.set_num_threads(1)
    held = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {(row["label"], row["data"], row["images"], row["draw"]) for row in held}
    for seed in range(draws):
        for size in map(int, sizes.split(",")):
            for name in data.split(","):
                if (label, name, size, seed) in done:
                    continue
                whole = load(name)
                parts = drawn(whole, size, seed)
                row: dict[str, Any] = {"label": label, "data": name, "images": size, "draw": seed}
                with TemporaryDirectory() as folder:
                    place = Path(folder)
                    if label == "references":
                        row |= references(parts)
                    else:
                        write(place / "pictures", parts, whole.classes)
                        row |= designed(source, place / "pictures", place / "out")
                with out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    typer.run(main)
