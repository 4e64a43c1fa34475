"""Count what each layer's int8 C takes on QEMU's Cortex-M4, beside what smidgen predicts of it.

    python bench/layer_costs.py check mnist-1k5-dw cifar-143k-dw cifar-78k-resnet8
    python bench/layer_costs.py fit

``check`` writes a row a layer. ``fit`` prints the constants of smidgen.export.c.instructions,
fitted to the nets of bench/code_size.py and more, and how far those of today are off for drawn
nets that it leaves out: to be run again, and its figures copied, when the templates of the C
change. Needs gcc-arm-none-eabi and qemu-system-arm; ``fit`` needs scipy as well.
"""

import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import code_size
import numpy as np
import typer
from drawn_nets import drawn
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rows import origin, update_rows

from smidgen import zoo
from smidgen.export.c.emulate import prepare, run_board, run_program
from smidgen.export.c.footprint import dummy_program, dummy_source
from smidgen.export.c.instructions import COUNTS, kernels_of, passing_of
from smidgen.export.c.int8_layout import laid_out
from smidgen.export.c.profile import inspect
from smidgen.export.c.source import Source
from smidgen.export.program import Pixels
from smidgen.methods import parse, rewritten
from smidgen.spec import NetSpec

LEAST = 500  # instructions, of which a tick or two are a large share
TICK = 40  # instructions of SysTick's step under QEMU's -icount shift=0
IMAGES = 2
CALL = " net_kernels[own[-1].kind](own - 1, at - 1, rows, out);"
CLOCK = "*(volatile unsigned long *)0xE000E018"
END = ("global_average_pool", "classifier(5)")
MORE = tuple(  # of what other nets have little
    NetSpec.from_dict({"name": f"more-{place}", "input": shape, "layers": [*body, *END]})
    for place, (shape, body) in enumerate(
        (
            (
                [3, 30, 30],
                [
                    "conv(16)",
                    "depthwise(40, stride=2)",
                    "depthwise(400, stride=2)",
                    "depthwise(80)",
                ],
            ),
            (
                [1, 20, 20],
                [
                    "conv(20, stride=2)",
                    "depthwise(24, stride=2)",
                    "depthwise(700)",
                    "depthwise(60, stride=2)",
                ],
            ),
            (
                [3, 36, 36],
                [
                    "conv(8, stride=2)",
                    "depthwise(64, stride=2)",
                    "depthwise(520)",
                    "depthwise(40)",
                    "depthwise(24)",
                ],
            ),
            (
                [1, 24, 12],
                [
                    "conv(12, stride=2)",
                    "depthwise(300)",
                    "depthwise(120, stride=2)",
                    "depthwise(36)",
                ],
            ),
            ([2, 20, 16], ["blur(1, 3)", "conv(2)", "blur(2, 5)", "conv(4)"]),
            ([3, 14, 22], ["blur(2, 3)", "conv(3)", "blur(1, 5)", "conv(3)", "blur(2, 3)"]),
            ([1, 16, 16], ["conv(1)", "blur(1, 7)", "blur(2, 3)", "conv(2)"]),
            (
                [3, 24, 24],
                [
                    "conv(8)",
                    "max_pool(3, stride=2)",
                    "conv(12)",
                    "max_pool(3, stride=1)",
                    "max_pool(2, stride=1)",
                ],
            ),
            (
                [3, 20, 24],
                ["max_pool(3, stride=1)", "max_pool(2x1, stride=1)", "conv(4)", "max_pool"],
            ),
            (
                [2, 24, 24],
                ["max_pool", "conv(2)", "max_pool(1x2, stride=1)", "max_pool(4, stride=2)"],
            ),
            ([3, 12, 12], ["conv(8, stride=2)", "flatten", "conv(7, 1)"]),
            ([1, 10, 6], ["conv(3)", "max_pool", "flatten"]),
            (
                [3, 24, 24],
                ["conv(20)", "squeeze_excite(3)", "max_pool", "conv(36)", "squeeze_excite(5)"],
            ),
            (
                [3, 24, 24],
                ["conv(9, 5)", "channelwise(5)", "channelwise(7)", "conv(11, 5, stride=2)"],
            ),
            (
                [1, 24, 24],
                [
                    "conv(16, 7)",
                    "channelwise(5, stride=2)",
                    "channelwise(3, stride=3)",
                    "conv(5, 1)",
                ],
            ),
            (
                [3, 26, 26],
                [
                    "conv(24)",
                    "channelwise(5)",
                    "conv(40, 5, stride=2)",
                    "channelwise(5)",
                    "conv(33)",
                ],
            ),
        )
    )
)
LEFT_OUT = ("cifar-143k-dw", "cifar-78k-resnet8", "vww-216k-mobilenet")  # to be checked
NAMED = (
    *LEFT_OUT,
    "mnist-1k5-dw",
    "mnist-25k",
    "mnist-1560-rep",
    "cifar-143k-res",
    "cifar-11400-w",
)
METHODS = ("", "blurpool", "squeeze-excite")
FITTED, NEW = range(60), range(100, 140)  # drawn nets, and those that the fit has not seen


@dataclass(frozen=True, slots=True)
class Counts:
    """Instructions an image: of each layer's kernel, of all the net."""

    kernels: tuple[int, ...]
    whole: int


def counted(source: Source, pixels: Pixels) -> Counts:
    """Return what QEMU counts of a net; what passes rows between layers is in its whole alone."""
    assert source.source.count(CALL) == 1
    timed = f"{{ const unsigned long before = {CLOCK};{CALL}"
    timed += f" net_counted[own - 1 - net_layers] += (before - {CLOCK}) & 0xFFFFFF; }}"
    told = f'for (int i = 0; i < {source.layers}; i++) printf("layer %lu\\n", net_counted[i]);'
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(source, pixels, folder)
        head = f'#include "net.h"\nunsigned long net_counted[{source.layers}];\n'
        text = source.source.replace(CALL, timed).replace('#include "net.h"\n', head, 1)
        (folder / "net.c").write_text(text)
        main = (
            (folder / "main.c")
            .read_text()
            .replace("  fclose(out);", f"  {told}\n  fclose(out);", 1)
        )
        main = main.replace(
            "int main(void)", "extern unsigned long net_counted[];\nint main(void)", 1
        )
        (folder / "main.c").write_text(main)
        said = run_program(folder, ["main.c", "net.c"])
    ticks = [int(one) for one in re.findall(r"layer (\d+)", said)]
    kernels = tuple(TICK * one // len(pixels) for one in ticks)
    return Counts(kernels, run_board(source, pixels).instructions)


def main(
    what: Annotated[str, typer.Argument(help="check or fit.")],
    nets: Annotated[list[str] | None, typer.Argument(help="Named nets, to be checked.")] = None,
    methods: Annotated[str, typer.Option(help="That change layers, as in --with.")] = "",
    out: Annotated[Path, typer.Option(help="Rows of a check; others that are there stay.")] = Path(
        "results/layer-costs.jsonl"
    ),
) -> None:
    """Check named nets, or fit the constants."""
    if what == "fit":
        fit()
        return
    if what != "check":
        raise typer.BadParameter(f"must be check or fit, got {what!r}")
    rows: list[Row] = []
    for name in nets or ():
        rows += checked(name, methods)
    update_rows(out, rows, ("net", "methods", "place"))


@dataclass(frozen=True, slots=True)
class Row:
    """What one layer takes on a Cortex-M4, predicted and counted; ``whole`` stands for the net."""

    bench: str
    net: str
    methods: str
    place: int | str
    layer: str
    predicted: int
    counted: int
    revision: str
    command: str
    date: str


def checked(name: str, methods: str) -> Iterator[Row]:
    """Yield a row a layer of the net, and one of its whole; and print them.

    What brings a layer its rows is not counted apart, and is a share of what is left of the whole.
    """
    spec = rewritten(zoo.net(name), parse(methods))
    made = inspect(spec)
    found = _measured(spec)
    program, origins = dummy_program(spec)
    layout = laid_out(program)
    passing = [_sum(one) for one in passing_of(layout, spec.out_shape.channels)]
    left = (found.whole - sum(found.kernels)) / sum(passing)
    by_row = [own + left * more for own, more in zip(found.kernels, passing, strict=True)]
    table = Table("layer", "predicted", "counted", "off, %", title=name)
    whole = ("whole", "", made.instructions or 0, found.whole)
    rows: dict[int, list[int]] = {}
    for share in layout.shares:
        rows.setdefault(max(origins[share.operation]), []).extend(share.rows)
    each = [
        (
            place + 1,
            layer.layer,
            layer.instructions or 0,
            round(sum(by_row[at] for at in rows[place])),
        )
        for place, layer in enumerate(made.layers)
        if place in rows
    ]
    for place, layer, predicted, real in (*each, whole):
        if real:
            off = f"{100 * (predicted / real - 1):+.1f}"
            table.add_row(f"{place} {layer}", f"{predicted:,}", f"{real:,}", off)
            yield Row("layer-costs", name, methods, place, layer, predicted, real, **origin())
    Console(width=110).print(table)


def fit() -> None:
    """Print the constants, and how far off they are."""
    named = [
        rewritten(zoo.net(name), parse(method))
        for name, method in itertools.product(NAMED, METHODS)
        if method or name not in LEFT_OUT
    ]
    small = [net for net in code_size.specs() if net.name == "net"]
    nets = [*named, *small, *MORE, *map(drawn, FITTED)]
    constants: dict[str, float] = {}
    layouts = [laid_out(dummy_program(net)[0]) for net in nets]
    counts = [_measured(net) for net in nets]
    pairs = [
        (work, real)
        for layout, one in zip(layouts, counts, strict=True)
        for work, real in zip(kernels_of(layout), one.kernels, strict=True)
        if real
    ]
    constants |= _fitted(pairs)
    passed = [
        (sum(passing_of(layout, net.out_shape.channels), Counter()), one.whole - sum(one.kernels))
        for net, layout, one in zip(nets, layouts, counts, strict=True)
    ]
    constants |= _fitted(passed)
    for name in sorted(constants):
        print(f'    "{name}": {constants[name]:.1f},')
    new = [drawn(seed) for seed in NEW]
    off = np.array(
        [100 * ((inspect(net).instructions or 0) / _measured(net).whole - 1) for net in new]
    )
    print(f"{len(new)} others with today's constants: {off.min():+.1f} to {off.max():+.1f} %")


def _fitted(pairs: Sequence[tuple[Counter[str], int]]) -> dict[str, float]:
    """Return constants of least squares, none below 0; errors count by their share."""
    from scipy.optimize import nnls

    names = sorted({name for work, _ in pairs for name in work})
    real = np.array([count for _, count in pairs], float)
    work = np.array([[float(one[name]) for name in names] for one, _ in pairs])
    weighed = work / (real + LEAST)[:, None]
    scale = weighed.max(0)
    found: NDArray[np.float64] = nnls(weighed / scale, real / (real + LEAST))[0] / scale
    errors = 100 * (work @ found / real - 1)
    print(
        f"{len(pairs)}: {errors.min():+.1f} to {errors.max():+.1f} %, half of them below"
        f" {np.median(abs(errors)):.1f} %"
    )
    return dict(zip(names, found.tolist(), strict=True))


def _measured(spec: NetSpec) -> Counts:
    shape = (IMAGES, *spec.input_shape)
    return counted(dummy_source(spec), np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def _sum(work: Counter[str]) -> float:
    return sum(COUNTS[what] * often for what, often in work.items())


if __name__ == "__main__":
    typer.run(main)
