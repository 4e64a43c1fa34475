"""``smidgen export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smidgen.cli.options import DataDir, Json, Sure, SureOn, require_sure
from smidgen.cli.terminal import print_json, say, table
from smidgen.sizes import counted

if TYPE_CHECKING:
    from smidgen.export.proof import Proof, Testimony


def export(  # noqa: PLR0913 - a command line
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The folder of a run or of a design, or hub:USER/NAME."),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="onnx, onnx-int8, c, wasm, tflite, arduino, esp-idf, zephyr, cmake or platformio.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="A new folder for the artefact and its proof; default RUN-TARGET."),
    ] = None,
    numbers: Annotated[str | None, typer.Option(help="For C: int8 (default) or float32.")] = None,
    input: Annotated[
        str | None, typer.Option(help="For tflite: uint8 (default), int8 or float32.")
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="minmax, percentile-99.9, percentile-99.99 or mse. Default: the best of them; of "
            "onnx-int8, which has no mse, minmax."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Of the files and of all that C sees; default: the net's."),
    ] = None,
    optimize: Annotated[
        str | None,
        typer.Option(help="For int8 C: speed (default; 1 KB more on a Cortex-M4), flash or host."),
    ] = None,
    finish_epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Train int8 for N epochs if it loses over 0.3 points; 0 never. Default: 3.",
        ),
    ] = None,
    max_flash: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="Fail if code and constants take more: 16384 or 16KB."),
    ] = None,
    max_ram: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="Fail if memory that is written to takes more."),
    ] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="Fail if more points of accuracy on the test images are lost: 0.5.",
        ),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Fail if C is too big for it; `smidgen list boards`."),
    ] = None,
    sure: Sure = None,
    sure_on: SureOn = None,
    data: Annotated[
        str | None, typer.Option(help="Where the data of the run are now, if they were moved.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Turn a run into an artefact, and prove that it computes what was trained."""
    from dataclasses import asdict

    from smidgen.export.artefact import Wish
    from smidgen.export.ship import PROOF, place_of
    from smidgen.export.ship import export as ship

    require_sure(sure, sure_on)
    out = out or place_of(run, to)
    proof = ship(
        run,
        to,
        out,
        wish=Wish(calibration, numbers, finish_epochs, say, input, name, optimize, sure, sure_on),
        data=data,
        data_dir=data_dir,
        max_flash=max_flash,
        max_ram=max_ram,
        max_loss=max_loss,
        board=board,
    )
    if json:
        print_json(asdict(proof))
    else:
        _show(proof)
        if proof.board is not None:
            say(f"board: {proof.board.told}")
        say(f"{out}: {', '.join(proof.files)} and {PROOF}")


def _show(proof: "Proof") -> None:
    from smidgen.export.int8.finish import told
    from smidgen.export.targets import OF_C

    trained = f"{100 * proof.float_accuracy:.2f} %"
    rows: list[list[object]] = [
        *_measured(proof),
        ["accuracy of the trained model", trained, f"test, {proof.images:,} images"],
        ["file", f"{proof.bytes:,} bytes", f"{proof.artefact}, {proof.numbers}"],
    ]
    if proof.held_out_loss is not None and proof.held_out_loss_after is not None:
        where = f"training images held out; {proof.calibration}"
        rows.append(["int8", f"{told(proof.held_out_loss)} on held-out images", where])
        if proof.finishing_epochs:
            where = f"the same, {counted(proof.finishing_epochs, 'epoch', 'epochs')}"
            rows.append(["after finishing", told(proof.held_out_loss_after), where])
    where = " on a Cortex-M4" if proof.target in OF_C else ""
    if proof.flash is not None:
        rows.append(["flash", f"{proof.flash:,} bytes", f"code and constants{where}"])
    if proof.ram is not None:
        rows.append(["RAM", f"{proof.ram:,} bytes", f"memory that is written to{where}"])
    rows += [*_beside(proof), *_sure(proof)]
    # this machine's time says nothing of a microcontroller's, where what it runs was counted
    counted_there = proof.instructions is not None and proof.numbers == "int8"
    for timing in () if counted_there else proof.latency:
        threads = counted(timing.threads, "thread", "threads")
        where = f"an image, batch {timing.batch}, {threads}, {proof.runtime}"
        rows.append(["latency", f"{timing.us_per_image / 1000:.3f} ms", where])
    table(["", "value", "of"], rows, title=f"{proof.net} as {proof.target}")


def _sure(proof: "Proof") -> list[list[object]]:
    """Return the rows of a threshold from which on it answers."""
    if proof.sure is None:
        return []
    known = proof.sure
    rows: list[list[object]] = []
    for name in ("held-out", "test"):
        of = known if name == "held-out" else known["test"]
        if of is None or not of["answered"]:
            continue
        told = f"{100 * of['answered'] / of['images']:.2f} % answered"
        where = (
            f"{100 * of['right'] / of['answered']:.2f} % of these right, {of['images']:,} images"
        )
        rows.append([f"where sure, {name}", told, where])
    equal = f"as in Python on {known['compared']:,} held-out images, bit for bit"
    told = equal if known["compared"] else "not compared: there was nothing to run it with"
    return [*rows, ["margin of logits", f"{known['margin']:,}", told]]


def _beside(proof: "Proof") -> list[list[object]]:
    """Return what C takes beside flash and RAM, and what was counted of it."""
    from smidgen.export.c.boards import timed

    rows: list[list[object]] = []
    if proof.flash is not None and proof.name_bytes is not None:
        where = "of flash more, where a program calls for the names of the classes"
        rows.append(["class names", f"{proof.name_bytes:,} bytes", where])
    if proof.flash is not None and proof.logit_bytes is not None:
        rows.append(["logits", f"{proof.logit_bytes:,} bytes", "of memory more, the caller's"])
    if proof.instructions is not None:
        where = f"an image on an emulated Cortex-M4; {timed(proof.instructions)}"
        rows.append(["instructions", f"{proof.instructions:,}", where])
        rows.append(["stack", f"{proof.stack:,} bytes", "of that RAM, there"])
    return rows


def _measured(proof: "Proof") -> list[list[object]]:
    """Return the rows that need the artefact to have run."""
    accuracy, agreement, apart = proof.accuracy, proof.agreement, proof.largest_difference
    if accuracy is None or agreement is None or apart is None:
        return [["accuracy, proof and latency", "not measured", "there was nothing to run it with"]]
    difference = (
        "bit for bit"
        if proof.oracle_difference == 0
        else f"{proof.oracle_difference:.1e}, allowed {proof.oracle_tolerance:.1e}"
    )
    return [
        ["accuracy", f"{100 * accuracy:.2f} %", f"test, {proof.images:,} images"],
        ["same answer", f"{100 * agreement:.2f} %", "of images, as the trained model"],
        [
            "right answers",
            f"{proof.lost:,} lost, {proof.gained:,} gained",
            f"test, {proof.images:,} images, against the trained model",
        ],
        ["largest difference of logits", f"{apart:.2g}", "to the trained model"],
        ["proof", difference, f"{proof.oracle}, {proof.oracle_images:,} images"],
        *([w.what, _told(w), f"test, {w.images:,} images"] for w in proof.witnesses),
    ]


def _told(witness: "Testimony") -> str:
    return (
        f"{100 * witness.accuracy:.2f} %, same answer {100 * witness.same_answer:.2f} %,"
        f" same logits {100 * witness.same_logits:.2f} %"
    )
