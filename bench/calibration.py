"""Compare ways to calibrate int8: accuracy of each on the test set, and of the one that is chosen.

    python bench/calibration.py RUN [RUN ...]        a run folder each

The table compares; nothing is chosen by it: what export takes is chosen on training images. The
generated C computes the answers, which tests hold equal to the integer simulation's.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rows import origin, write_rows

from smidgen.data import load
from smidgen.export.artefact import Source, pixels_of, source_of
from smidgen.export.c.emulate import write_source
from smidgen.export.c.host import compile_library, load_library
from smidgen.export.c.int8 import generate
from smidgen.export.int8.calibrate import METHODS, calibrate
from smidgen.export.int8.choose import quantize_best
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.lower import lower
from smidgen.export.program import Pixels
from smidgen.run import load_run


@dataclass(frozen=True, slots=True)
class Row:
    """What one calibration gives; accuracies and shares in percent of the test images."""

    bench: str
    net: str
    methods: str
    seed: int
    training_key: str
    calibration: str
    chosen: bool  # by training images
    images: int
    float_accuracy: float
    accuracy: float
    same_answers: float
    revision: str
    command: str
    date: str


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    data_dir: Annotated[Path | None, typer.Option(help="Local copies of data sets.")] = None,
    out: Annotated[Path, typer.Option(help="Rows, as JSON lines.")] = Path(
        "results/calibration.jsonl"
    ),
) -> None:
    """Measure, print and write the rows."""
    rows: list[Row] = []
    table = Table("net", "float32", *METHODS, "chosen", title="int8, % of test images")
    for folder in runs:
        run = load_run(folder)
        source = source_of(run, load(run.trial.data, data_dir=data_dir))
        found = measured(source)
        rows += found
        first = found[0]
        chosen = next(row.calibration for row in found if row.chosen)
        name = f"{first.net}, {first.methods} ({first.seed})"
        figures = (f"{row.accuracy:.2f}" for row in found)
        table.add_row(name, f"{first.float_accuracy:.2f}", *figures, chosen)
    Console(width=150).print(table)
    write_rows(out, rows)


def measured(source: Source) -> list[Row]:
    """Return a row a calibration."""
    trial, test = source.run.trial, source.data.test
    pixels, labels = pixels_of(test.images), test.labels.numpy()
    real = source.float_infer()(pixels).argmax(1)
    images = source.calibration_images
    choice = quantize_best(lower(source.program), images)
    rows: list[Row] = []
    for method in METHODS:
        integer = quantize(lower(source.program), calibrate(lower(source.program), images, method))
        answers = _answers(integer, pixels)
        rows.append(
            Row(
                bench="calibration",
                net=trial.net.name,
                methods=", ".join(method.name for method in trial.methods),
                seed=trial.seed,
                training_key=trial.key,
                calibration=method,
                chosen=method == choice.method,
                images=len(labels),
                float_accuracy=100 * float((real == labels).mean()),
                accuracy=100 * float((answers == labels).mean()),
                same_answers=100 * float((answers == real).mean()),
                **origin(),
            )
        )
    return rows


def _answers(integer: IntegerProgram, pixels: Pixels) -> np.ndarray:
    made = generate(integer, "net")
    with tempfile.TemporaryDirectory() as place:
        folder, library = Path(place), Path(place) / "net.so"
        write_source(made, folder)
        elements = integer.input_shape.elements
        compile_library(folder, "net", made.logit_type, elements, made.classes, library)
        return load_library(library, made.logit_type, made.classes)(pixels).argmax(1)


if __name__ == "__main__":
    typer.run(main)
