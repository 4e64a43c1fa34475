"""Fit the constants of smidgen.export.c.footprint to nets compiled for the cores of boards.

Prints, for each kind of layer, the bytes of its code on each core, how far predictions are off and
how much deeper stacks are than predicted for a Cortex-M4. To be run again, and its figures copied,
when the templates of the C change.

    python bench/code_size.py
"""

import itertools
import sys
from typing import Any, cast

import numpy as np
from drawn_nets import drawn
from numpy.typing import NDArray

from smidgen import layers, zoo
from smidgen.export.c.boards import Compiled
from smidgen.export.c.emulate import BoardRun, Core, run_board, run_riscv
from smidgen.export.c.footprint import CODE, MEASURED, dummy_source, predict_cost
from smidgen.export.c.int8_layout import stack_of
from smidgen.export.c.source import Source
from smidgen.layers import Layer, Shape
from smidgen.methods import parse, rewritten
from smidgen.spec import NetSpec

_AVERAGED = ("global_average_pool", "classifier(4)")
METHODS = ("", "blurpool", "squeeze-excite", "blurpool,squeeze-excite")
END = (layers.GlobalAveragePool(), layers.Classifier(5, bias=True))
_PLAIN, _LINEAR = layers.Conv(8), layers.Conv(8, activation="none")
BODIES: tuple[tuple[Layer, ...], ...] = (
    (layers.Conv(7, 5, stride=2), layers.Depthwise(13, 3)),
    (layers.Depthwise(6, 5), layers.MaxPool(), layers.Conv(10, 1)),
    (layers.MaxPool(), layers.Conv(8)),
    (layers.Blur(2, 3), layers.Depthwise(8), layers.SqueezeExcite(2)),
    (layers.Conv(16, 1), layers.SqueezeExcite(2)),
    (layers.Conv(6), layers.Blur(2, 5), layers.Depthwise(9)),
    (layers.Transition(8), layers.Blur(2, 3)),
    (layers.Conv(16), layers.Residual((layers.Depthwise(16),))),
    (layers.Conv(8), layers.Residual((_PLAIN, _LINEAR, _PLAIN, _LINEAR), activation="relu")),
    (layers.Conv(8), layers.Residual((layers.Conv(12, stride=2), layers.Conv(12)), shortcut=True)),
    (layers.Conv(6), layers.Residual((layers.Conv(9), layers.Blur(2, 3)), shortcut=True)),
    (layers.Conv(12), layers.Depthwise(8, 5), layers.Depthwise(8)),
    (layers.Conv(12, 1), layers.Depthwise(8, 5), layers.Depthwise(9, 3)),
    (layers.Conv(8), layers.Depthwise(8, 5), layers.Depthwise(8, 3, stride=2)),
    (layers.Conv(8), layers.Depthwise(8, 5, stride=2), layers.Depthwise(8, 3, stride=2)),
    (layers.Conv(8, activation="none"), layers.Depthwise(8)),
    (layers.Conv(12, 1), layers.Depthwise(8, stride=2), layers.Depthwise(9)),
    (layers.Conv(8, stride=2), layers.Repeat((layers.Residual((layers.Depthwise(8, 5),)),), 3)),
)
FITTED, NEW = range(100), range(100, 200)  # drawn nets, and those that the fit has not seen
MULTIPLIED = 192  # bytes of __mulsi3 and __muldi3, which the linker adds where no core multiplies
_ONCE: tuple[Compiled, ...] = ("m3", "m55", "rv32ec")
_M4: tuple[Compiled, ...] = ("m4",)
_THUMB: tuple[Compiled, ...] = ("m0plus",)
_PACKED: tuple[Compiled, ...] = ("rv32imc",)
ONLY: dict[str, tuple[Compiled, ...]] = {  # parts that some cores alone have
    **dict.fromkeys(("long_turns", "three_columns", "three_filter", "another_three"), _M4),
    **dict.fromkeys(("small_filter", "large_filter", "filter", "another_filter"), _M4),
    **dict.fromkeys(("every_filter", "another_every_filter"), _ONCE),
    **dict.fromkeys(("thumb_filter", "thumb_rest", "another_thumb_rest"), _THUMB),
    **dict.fromkeys(("rolled_filter", "rolled_strides"), _PACKED),
    **dict.fromkeys(("unrolled_filter", "another_unrolled_filter"), _PACKED),
}
WINDOWS = tuple(  # of a sensor, a column
    NetSpec.from_dict({"input": [channels, moments, 1], "layers": [*body, *_AVERAGED]})
    for channels, moments in ((1, 64), (3, 64), (4, 64), (3, 32), (6, 96), (1, 128))
    for body in (
        ("conv(8)", "depthwise(8, stride=2)", "depthwise(8)"),
        ("conv(8, 7x1, stride=2)", "depthwise(16, 5x1, stride=2)"),
        ("conv(12, 5x1, stride=2)", "conv(16, 3x1)", "depthwise(16, 5x1)"),
        ("conv(6, 3x1)", "max_pool(2x1)", "depthwise(12, 3x1)", "residual(depthwise(12, 3x1))"),
    )
)
FLAT = NetSpec(Shape(1, 16, 16), (layers.Conv(6, stride=3), layers.Flatten(), END[-1]))


def specs() -> list[NetSpec]:
    """Return nets of every kind of layer, in many combinations, and as many drawn ones more."""
    nets = (*zoo.STUDY, "cifar-143k-res", "cifar-78k-resnet8", "vww-216k-mobilenet")
    named = [rewritten(zoo.net(n), parse(m)) for n, m in itertools.product(nets, METHODS)]
    sides = (Shape(3, 20, 18), Shape(1, 16, 16))
    return [
        *named,
        FLAT,
        *WINDOWS,
        *(NetSpec(shape, (*b, *END)) for shape, b in itertools.product(sides, BODIES)),
        *map(drawn, FITTED),
    ]


def main() -> None:
    nets = specs()
    sources: list[Source] = [dummy_source(spec) for spec in nets]
    rows = np.array([[float(source.parts.count(part)) for part in CODE] for source in sources])
    columns: list[NDArray[Any]] = []
    for core in MEASURED:
        runs = [_run(source, spec, core) for spec, source in zip(nets, sources, strict=True)]
        flash = np.array([_flash(run, core) for run in runs])
        code = flash - [source.table_bytes for source in sources]
        there = rows * [core in ONLY.get(part, MEASURED) for part in CODE]
        # errors count by their share of the flash
        found, *_ = np.linalg.lstsq(there / flash[:, None], code / flash, rcond=None)
        columns.append(np.where(there.any(0), found, 0.0))
        errors = 100 * (there @ np.rint(found) - code) / flash
        deeper = [
            run.ram - s.arena_bytes - stack_of(s.parts, s.layers)
            for s, run in zip(sources, runs, strict=True)
        ]
        said = f"{len(nets)} nets, {_range(errors)} of flash, stack at most {max(deeper):+} bytes"
        print(f"{core}: {said}", file=sys.stderr)
    for part, *values in zip(CODE, *columns, strict=True):
        print(f'    "{part}": ({", ".join(f"{value:.0f}" for value in values)}),')
    _check()


def _run(source: Source, spec: NetSpec, core: Compiled) -> BoardRun:
    pixels = np.zeros((1, *spec.input_shape), np.uint8)
    if core == "rv32imc" or core == "rv32ec":
        return run_riscv(source, pixels, isa=core)
    return run_board(source, pixels, cast("Core", core))


def _flash(run: BoardRun, core: Compiled) -> int:
    return run.footprint.flash + (MULTIPLIED if core == "rv32ec" else 0)


def _check() -> None:
    """Tell how far predictions with the constants of today are off for nets not fitted to."""
    nets = [drawn(seed) for seed in NEW]
    for core in MEASURED:
        flash, ram = list[float](), list[float]()
        for spec in nets:
            run = _run(dummy_source(spec), spec, core)
            predicted = predict_cost(spec, core)
            flash.append(100 * (predicted.flash / _flash(run, core) - 1))
            ram.append(predicted.ram - run.ram)
        said = f"flash {_range(np.array(flash))}, RAM {min(ram):+} to {max(ram):+} bytes"
        print(f"{core}: {len(NEW)} others with today's constants: {said}", file=sys.stderr)


def _range(percent: NDArray[np.float64]) -> str:
    most = (np.abs(percent) > 5).sum()
    return f"{percent.min():+.1f} to {percent.max():+.1f} %, {most} beyond 5 %"


if __name__ == "__main__":
    main()
