"""The calibration that serves a net best, chosen on training images."""

from dataclasses import dataclass

import numpy as np

from smidgen.export.int8.calibrate import METHODS, Method, Ranges, calibrate
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import simulate
from smidgen.export.program import Pixels, Program, run_float


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """An integer program and how the methods compared.

    Args:
        method: Of the calibration chosen.
        ranges: That it found.
        program: Quantised with them.
        errors: Of every method: mean squared difference of integer and float logits, each
            image's mean taken off since it changes no answer, over the variance of the float
            logits.
    """

    method: Method
    ranges: Ranges
    program: IntegerProgram
    errors: dict[str, float]


def quantize_best(program: Program, pixels: Pixels) -> Choice:
    """Return ``program`` quantised by the method with the least error of the logits.

    Args:
        program: Lowered.
        pixels: Training images, about a thousand: half of them, every second one, calibrate; the
            other half judge. Test images must not be among them.

    Raises:
        ValueError: If there are fewer than two images.
    """
    if len(pixels) < 2:  # noqa: PLR2004
        raise ValueError(f"calibration needs at least 2 images, got {len(pixels)}")
    measured, judging = pixels[::2], pixels[1::2]
    expected = run_float(program, judging).astype(np.float64)  # squares of logits may be huge
    expected = expected - expected.mean(1, keepdims=True)
    tried: dict[Method, tuple[Ranges, IntegerProgram]] = {}
    errors: dict[str, float] = {}
    for method in METHODS:
        ranges = calibrate(program, measured, method)
        integer = quantize(program, ranges)
        tried[method] = ranges, integer
        logits = simulate(integer, judging) * integer.head.scale
        logits = logits - logits.mean(1, keepdims=True)
        spread = max(float(np.mean(expected**2)), float(np.finfo(np.float64).tiny))
        errors[method] = float(np.mean((logits - expected) ** 2)) / spread
    best = min(METHODS, key=errors.__getitem__)
    return Choice(best, *tried[best], errors)
