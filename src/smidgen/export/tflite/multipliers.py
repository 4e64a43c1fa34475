"""The multipliers that TensorFlow Lite works out from the scales of a file."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from smidgen.export.int8.program import Rescale

Array = NDArray[np.float64]


def factors(by: Rescale) -> Array:
    """Return the factors of a rescaling, exactly: 31 bits fit into a double."""
    return by.multiplier * 2.0 ** -(31.0 + by.shift)


def multipliers(wanted: Array, zero: int, scale: float) -> Rescale:
    """Return what its ``QuantizeMultiplier`` makes of factors: all 31 bits in use.

    The results lie on the grid of ``scale`` and ``zero``.
    """
    found, shifts = list[int](), list[int]()
    for factor in wanted.tolist():
        mantissa, exponent = np.frexp(factor)
        multiplier = int(Fraction(float(mantissa)) * 2**31 + Fraction(1, 2))
        shift = -int(exponent)
        if multiplier == 2**31:
            multiplier, shift = 2**30, shift - 1
        if shift > 31:  # noqa: PLR2004 - no bit of the sum survives
            multiplier, shift = 0, 0
        found.append(multiplier)
        shifts.append(shift)
    return Rescale(np.array(found, np.int32), np.array(shifts, np.int32), zero, scale)


def divided(by: Rescale, pixels: int) -> Rescale:
    """Return how its ``MEAN`` multiplies a sum of ``pixels`` numbers whose mean ``by`` rescales.

    It divides the multiplier, downwards, after as many bits as 32 leave room for.
    """
    moved = min(pixels.bit_length() - 1, 32, 31 - int(by.shift[0]))
    parts = np.array([(int(by.multiplier[0]) << moved) // pixels], np.int32)
    return Rescale(parts, by.shift + moved, by.zero, by.scale)
