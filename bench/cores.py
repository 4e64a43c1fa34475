"""Count what the int8 C of untrained nets needs on every emulated core, answers held to the bit.

    python bench/cores.py NET ... [--core m0plus] [--methods blurpool]

NET is a named net, or ``dw-19568``: 32, 48 and 80 channels of depthwise-separable layers. Weights
are drawn, since they change neither flash nor RAM, and instructions by less than 1 %. Needs
gcc-arm-none-eabi and qemu-system-arm, for ``riscv`` gcc-riscv64-unknown-elf, its picolibc and
qemu-system-misc; a core whose tools are missing is told and left out. Prints a table and writes
rows; a core whose answers differ in a bit from the simulation's ends the bench.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from rows import origin, update_rows

from smidgen import zoo
from smidgen.export.c.emulate import (
    BoardRun,
    Core,
    ToolMissingError,
    require_equal,
    run_board,
    run_riscv,
)
from smidgen.export.c.int8 import generate
from smidgen.export.c.source import Source
from smidgen.export.fold import fold
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import simulate
from smidgen.export.lower import lower
from smidgen.export.program import Pixels
from smidgen.methods import parse, rewritten
from smidgen.spec import NetSpec

IMAGES = 3
CORES = (*get_args(Core), "riscv")
DEPTHWISE = ("conv(32)", "depthwise(32)", "max_pool", "depthwise(48)", "depthwise(48)", "max_pool")
ENDS = ("depthwise(80)", "depthwise(80)", "global_average_pool", "classifier(10)")


@dataclass(frozen=True, slots=True)
class Row:
    """What one net needs on one core."""

    bench: str
    net: str
    methods: str
    core: str
    emulated: str
    optimize: str
    macs: int
    flash: int
    ram: int
    instructions: int
    images: int
    revision: str
    command: str
    date: str


def main(
    nets: Annotated[list[str], typer.Argument(help="Named nets, or dw-19568.")],
    core: Annotated[list[str] | None, typer.Option(help="One of them; default: all.")] = None,
    methods: Annotated[str, typer.Option(help="That change layers, as in --with.")] = "",
    optimize: Annotated[str, typer.Option(help="speed or flash.")] = "speed",
    out: Annotated[Path, typer.Option(help="Rows; others that are there stay.")] = Path(
        "results/cores.jsonl"
    ),
) -> None:
    """Measure, print and write the rows."""
    for one in core or ():
        if one not in CORES:
            raise typer.BadParameter(f"core must be one of {', '.join(CORES)}, got {one!r}")
    rows: list[Row] = []
    for name in nets:
        spec = rewritten(_spec(name), parse(methods))
        program, images = _drawn(spec)
        source = generate(program, "net", optimize)
        expected = simulate(program, images)
        for one in core or CORES:
            try:
                run = _run(source, images, one)
            except ToolMissingError as missing:
                typer.echo(f"{one} is missing: {missing}", err=True)
                continue
            require_equal(f"{name} on {one}", run.logits, expected)
            cost = (run.footprint.flash, run.ram, run.instructions, len(images))
            labels = ("cores", name, methods, one, run.emulated, optimize)
            rows.append(Row(*labels, spec.macs, *cost, **origin()))
    update_rows(out, rows, ("net", "methods", "core", "optimize"))
    table = Table("net", "core", "flash", "RAM", "instructions", "a MAC")
    for row in rows:
        counts = (f"{value:,}" for value in (row.flash, row.ram, row.instructions))
        table.add_row(row.net, row.core, *counts, f"{row.instructions / row.macs:.2f}")
    Console(width=110).print(table)


def _run(source: Source, images: Pixels, core: str) -> BoardRun:
    known: tuple[Core, ...] = get_args(Core)
    for one in known:
        if one == core:
            return run_board(source, images, one)
    return run_riscv(source, images)


def _spec(name: str) -> NetSpec:
    if name != "dw-19568":
        return zoo.net(name)
    return NetSpec.from_dict({"name": name, "input": [3, 32, 32], "layers": [*DEPTHWISE, *ENDS]})


def _drawn(spec: NetSpec) -> tuple[IntegerProgram, np.ndarray]:
    torch.manual_seed(0)
    model = spec.build().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    channels = spec.input_shape.channels
    mean = [0.4 + 0.05 * channel for channel in range(channels)]
    program = lower(fold(spec, model, mean, [0.25] * channels))
    shape = (32, *spec.input_shape)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return quantize(program, calibrate(program, images, "minmax")), images[:IMAGES]


if __name__ == "__main__":
    typer.run(main)
