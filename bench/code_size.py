"""Fit the constants of smidgen.export.c.footprint to nets compiled for a Cortex-M4.

Prints, for each kind of layer, the bytes of its code, how far predictions are off and the deepest
stacks. To be run again, and its figures copied, when the templates of the C change.

    python bench/code_size.py
"""

import itertools
import sys

import numpy as np
from drawn_nets import drawn

from smidgen import layers, zoo
from smidgen.export.c.emulate import Footprint, footprint, run_board
from smidgen.export.c.footprint import CODE, dummy_source, predict_cost
from smidgen.export.c.source import Source
from smidgen.layers import Layer, Shape
from smidgen.methods import parse, rewritten
from smidgen.spec import NetSpec

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
FLAT = NetSpec(Shape(1, 16, 16), (layers.Conv(6, stride=3), layers.Flatten(), END[-1]))


def specs() -> list[NetSpec]:
    """Return nets of every kind of layer, in many combinations, and as many drawn ones more."""
    nets = (*zoo.STUDY, "cifar-143k-res", "cifar-78k-resnet8", "vww-216k-mobilenet")
    named = [rewritten(zoo.net(n), parse(m)) for n, m in itertools.product(nets, METHODS)]
    sides = (Shape(3, 20, 18), Shape(1, 16, 16))
    return [
        *named,
        FLAT,
        *(NetSpec(shape, (*b, *END)) for shape, b in itertools.product(sides, BODIES)),
        *map(drawn, FITTED),
    ]


def main() -> None:
    nets = specs()
    sources: list[Source] = [dummy_source(spec) for spec in nets]
    prints: list[Footprint] = [footprint(source) for source in sources]
    rows = np.array([[float(source.parts.count(part)) for part in CODE] for source in sources])
    code = np.array([p.flash - s.table_bytes for p, s in zip(prints, sources, strict=True)])
    # errors count by their share of the flash
    share = 1 / np.array([[p.flash] for p in prints])
    found, *_ = np.linalg.lstsq(rows * share, code * share[:, 0], rcond=None)
    errors = 100 * (rows @ np.rint(found) - code) * share[:, 0]
    for part, value in zip(CODE, found, strict=True):
        print(f'    "{part}": {value:.0f},')
    print(f"{len(nets)} nets, {_range(errors)} of flash", file=sys.stderr)
    for spec, source in zip(nets, sources, strict=True):
        pixels = np.zeros((1, *spec.input_shape), np.uint8)
        stack = run_board(source, pixels).stack
        deep = [part for part in ("excite", "add") if part in source.parts]
        print(f"stack {stack}: {source.layers} layers, {deep}", file=sys.stderr)
    _check()


def _check() -> None:
    """Tell how far predictions with the constants of today are off for nets not fitted to."""
    flash, ram = list[float](), list[float]()
    for spec in map(drawn, NEW):
        run = run_board(dummy_source(spec), np.zeros((1, *spec.input_shape), np.uint8))
        predicted = predict_cost(spec)
        flash.append(100 * (predicted.flash / run.footprint.flash - 1))
        ram.append(100 * (predicted.ram / run.ram - 1))
    said = f"flash {_range(np.array(flash))}, RAM {_range(np.array(ram))}"
    print(f"{len(NEW)} others with today's constants: {said}", file=sys.stderr)


def _range(percent: np.ndarray) -> str:
    most = (np.abs(percent) > 5).sum()
    return f"{percent.min():+.1f} to {percent.max():+.1f} %, {most} beyond 5 %"


if __name__ == "__main__":
    main()
