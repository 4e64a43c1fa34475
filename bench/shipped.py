"""What runs become as int8 C: accuracy, flash, RAM and instructions an image on a Cortex-M4.

    python bench/shipped.py RUN [RUN ...] --out results/records-int8.jsonl

Each is exported as ``smidgen export RUN --to c`` does it, proof and finishing included; the files
that are written are what QEMU counts the instructions of (needs gcc-arm-none-eabi and
qemu-system-arm), and what they answer there must be what they answer on this machine. A row that is
there already, of the same run, is kept.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rows import label_of, origin

from smidgen.data import load
from smidgen.export.artefact import pixels_of
from smidgen.export.c.emulate import require_equal, run_board, run_host
from smidgen.export.c.source import Source
from smidgen.export.ship import export
from smidgen.run import Run, load_run

IMAGES = 2  # answered on the emulated board; what it takes hardly depends on them


@dataclass(frozen=True, slots=True)
class Row:
    """What a run became."""

    bench: str
    net: str
    label: str  # its name, with the methods that changed its layers
    training_key: str
    seed: int
    data: str
    params: int
    macs: int  # an image
    accuracy: float  # of the C, on all test images
    trained_accuracy: float  # of the trained model there
    finishing_epochs: int
    flash: int  # bytes of code and constants
    ram: int  # bytes: static memory and stack
    instructions: int  # an image
    core: str  # that QEMU emulated
    oracle_images: int  # on which the C is the integer simulation's to the bit
    revision: str
    command: str
    date: str


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    out: Annotated[Path, typer.Option(help="Rows, as JSON lines; what is new is added.")] = Path(
        "results/records-int8.jsonl"
    ),
) -> None:
    """Export, count, print and write the rows."""
    kept = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    have = {row["training_key"] for row in kept}
    for folder in runs:
        run = load_run(folder)
        if run.trial.key in have:
            continue
        row = asdict(_shipped(run, folder))
        with out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        kept.append(row)
    _show(kept)


def _shipped(run: Run, folder: Path) -> Row:
    """Return what one run became.

    Raises:
        ParityError: If the C answers otherwise on the board than here.
        ValueError: If the proof is not to the bit.
    """
    data = load(run.trial.data)
    with TemporaryDirectory() as place:
        made = Path(place) / "c"
        proof = export(folder, "c", made, data=data)
        if proof.oracle_difference != 0 or proof.accuracy is None:
            raise ValueError(f"{folder} is not the integer simulation to the bit")
        c = _read(made, Path(proof.artefact).stem, len(proof.classes))
    pixels = pixels_of(data.test.images[:IMAGES])
    board = run_board(c, pixels)
    require_equal(proof.net, board.logits, run_host(c, pixels))
    assert proof.flash is not None, "C has one"
    assert proof.ram is not None, "C has some"
    return Row(
        bench="shipped",
        net=run.trial.net.name,
        label=label_of(run.trial),
        training_key=run.trial.key,
        seed=run.trial.seed,
        data=run.trial.data,
        params=proof.params,
        macs=proof.macs,
        accuracy=proof.accuracy,
        trained_accuracy=proof.float_accuracy,
        finishing_epochs=proof.finishing_epochs,
        flash=proof.flash,
        ram=proof.ram,
        instructions=board.instructions,
        core=board.emulated,
        oracle_images=proof.oracle_images,
        **origin(),
    )


def _read(folder: Path, name: str, classes: int) -> Source:
    """Return exported C as what can be compiled for a board; sizes are those of the proof."""
    header, source = ((folder / f"{name}.{end}").read_text() for end in ("h", "c"))
    return Source(
        name=name,
        header=header,
        source=source,
        table_bytes=0,
        arena_bytes=0,
        parts=(),
        classes=classes,
        logit_type="int32_t",
        layers=0,
        bare="",
    )


def _show(rows: list[dict[str, object]]) -> None:
    table = Table(title="int8 C, Cortex-M4")
    named = ("net", "seed", "accuracy", "trained_accuracy", "flash", "ram", "instructions")
    for name in named:
        table.add_column(
            name.replace("_accuracy", ""), justify="left" if name == "net" else "right"
        )
    for row in rows:
        table.add_row(*(str(row[name]) for name in named))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
