"""``smidgen evaluate``."""

import json as json_text
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from smidgen.cli.options import DataDir, ImageSize, Json, Threads
from smidgen.cli.terminal import LoadingProgress, print_json, table


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    data: Annotated[str | None, typer.Option(help="Other data than it was trained on.")] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Judge on the held-out images, not the test set.")
    ] = False,
    row: Annotated[
        Path | None, typer.Option(help="Append the row to this JSON lines file.")
    ] = None,
    data_dir: DataDir = None,
    image_size: ImageSize = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Judge a run: accuracy, calibration, shift consistency, latency and bytes."""
    from smidgen.data import load, selection_split
    from smidgen.evaluate import evaluate as judge
    from smidgen.evaluate import row as row_of
    from smidgen.run import WEIGHTS, load_run
    from smidgen.runtime import choose

    loaded_run = load_run(run)
    trial = loaded_run.trial
    with LoadingProgress() as loading:
        source = load(
            data or trial.data,
            data_dir=data_dir,
            image_size=image_size,
            progress=loading.observe,
        )
    if data is None and source.fingerprint != trial.fingerprint:
        raise ValueError(f"{trial.data} is not the data {run} was trained on: its content changed")
    if held_out and trial.split != "selection":
        raise ValueError(f"{run} was trained on all images: nothing was held out")
    images = selection_split(source.train)[1] if held_out else source.test
    with choose("cpu", threads).active():
        found = judge(
            loaded_run, images, split="held-out" if held_out else "test", weights=run / WEIGHTS
        )
    values = row_of(loaded_run, found, study="", revision=_revision())
    if row:
        with row.open("a") as file:
            file.write(json_text.dumps(values) + "\n")
    if json:
        latency = values["latency"]
        print_json({**values, "latency_ms": latency["kernel_ms"], "bytes": values["bytes_float32"]})
    else:
        _show(values, loaded_run.classes)


def _show(values: dict[str, Any], classes: tuple[str, ...]) -> None:
    latency = values["latency"]
    where = f"batch 1, {latency['threads']} thread(s), {latency['device']}"
    best = f"10,000 images, batch {latency['best_batch']}, {latency['threads']} thread(s)"
    rows: list[list[object]] = [
        [
            "accuracy",
            f"{100 * values['accuracy']:.2f} %",
            f"{values['split']}, {values['images']:,} images",
        ],
        [
            "params",
            f"{values['params']:,}",
            f"{values['deployed_params']:,} deployed, batch norm folded",
        ],
        ["MACs", f"{values['macs']:,}", "per image"],
        [
            "bytes",
            f"{values['bytes_float32']:,}",
            f"float32; {values['bytes_int8']:,} as int8; {values['bytes_on_disk']:,} on disk",
        ],
        ["latency, kernel", f"{latency['kernel_ms']:.3f} ms", where],
        ["latency, end to end", f"{latency['end_to_end_ms']:.3f} ms", where],
        ["latency, kernel", f"{latency['kernel_s_10000']:.3f} s", best],
        ["latency, end to end", f"{latency['end_to_end_s_10000']:.3f} s", best],
        ["NLL", f"{values['nll']:.4f}", "nats"],
        ["ECE", f"{100 * values['ece']:.2f} %", "15 bins"],
        [
            "shift consistency",
            f"{100 * values['shift_consistency']:.2f} %",
            "one pixel, border repeated",
        ],
    ]
    table(["", "value", "of"], rows, title=f"{values['net']} on {values['data']}")
    by_class = zip(classes, values["accuracy_by_class"], strict=True)
    shown = ", ".join(
        f"{name} {'-' if share is None else f'{100 * share:.1f}'}" for name, share in by_class
    )
    print(f"\naccuracy by class (%): {shown}")


def _revision() -> str:
    """Return the code's git revision, or nothing where there is no repository."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
