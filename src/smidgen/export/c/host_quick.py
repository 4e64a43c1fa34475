"""Lines in float32 that round sums as the two integer roundings do, where there are any."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen.export.int8.program import Int32

_EXACT = 2**24  # integers that float32 holds, all of them up to here
_LEAST = 2.0**-20  # a slope with which products of such sums fit into float64
_NEAR = np.arange(-12, 13)  # float32s to either side of the true slope


class Lines(NamedTuple):
    """Of every output, what turns its sum into the map's byte, rounded down at every step.

    Args:
        slope: That a sum is multiplied with.
        above: That is added to the product of a sum of 0 or more.
        below: That is added to that of a negative one.
    """

    slope: NDArray[np.float32]
    above: NDArray[np.float32]
    below: NDArray[np.float32]


def lines(multiplier: Int32, zero: int) -> Lines | None:
    """Return lines equal to the integers' rounding for every sum, or None if some output has none.

    A byte is at least k from a certain sum on, for each k from 1 to 255; a line is right if it
    reaches k at that sum and not at the one before. Sums that float32 cannot hold, and bytes
    beyond both ends, need no more, as every step of the computation keeps the order.

    Args:
        multiplier: An output, its last five bits the shift less 1; see Rescale.
        zero: The byte that stands for 0.
    """
    first = _first_sums(multiplier, zero)
    slope = multiplier / 2.0 ** (32 + (multiplier & 31))
    if (np.abs(first) >= _EXACT).any() or (slope < _LEAST).any():
        return None
    near = slope.astype(np.float32)[:, None]
    near = near + _NEAR.astype(np.float32) * np.spacing(near)  # outputs, slopes
    byte = np.arange(1, 256)
    product, before = (near[:, :, None].astype(np.float64) * s[:, None] for s in (first, first - 1))
    low, high = byte - product, byte - before  # what is added is at least low, and below high
    # where byte 0 stands for 0, the sign of a sum makes no difference
    negative = [(each < 0) & (zero > 0) for each in (first, first - 1)]
    offsets, room = list[NDArray[np.float32]](), list[NDArray[np.float64]]()
    # no sum of 0 or more is below the byte of 0, none of less is above it
    for side, least, most in ((False, zero, zero + 1.0), (True, zero - 1, zero + 1.0 + near)):
        at_least = np.where((negative[0] == side)[:, None], low, least).max(2)
        below = np.where((negative[1] == side)[:, None], high, np.inf).min(2)
        below = np.minimum(below, most)
        offset = ((at_least + below) / 2).astype(np.float32)
        offsets.append(offset)
        room.append(np.minimum(offset - at_least, np.nextafter(below, -np.inf) - offset))
    best = np.minimum(*room)
    chosen = best.argmax(1)[:, None]
    if (np.take_along_axis(best, chosen, 1) < 0).any():
        return None
    found = [np.take_along_axis(each, chosen, 1)[:, 0] for each in (near, *offsets)]
    return Lines(found[0], found[1], found[1] if zero == 0 else found[2])


def _first_sums(multiplier: Int32, zero: int) -> NDArray[np.int64]:
    """Return, for each output and each byte from 1 to 255, the least sum that gives it."""
    wide = multiplier.astype(np.int64)[:, None]
    shift = wide & 31
    steps = np.arange(1, 256) - zero
    # the result of the first rounding from which on the second one gives that many steps
    least = steps * (np.int64(2) << shift) - (np.int64(1) << shift)
    least = np.clip(least + (least < 0), -(2**31), 2**31)
    return -((2**30 - least * 2**31) // wide)
