"""Weights and places of windows as the integer C for hosts reads them: four bytes a step."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.host_map import BLOCK, Map, whole
from smidgen.export.int8.program import Int8, Int32

Tap = tuple[int, int]  # rows down, bytes to the right


class Packed(NamedTuple):
    """Weights, and where each four of the window's bytes lies.

    Args:
        weight: Sixteen outputs after sixteen; of each, step by step, four weights an output.
        taps: A step's place; of a filter, a weight's.
        steps: Fours of weights an output.
    """

    weight: Int8
    taps: tuple[Tap, ...]
    steps: int


def packed_dense(weight: Int8, pitch: int) -> Packed:
    """Return dense weights (o, i, rows, columns) for a map with ``pitch`` bytes a pixel."""
    outputs, inputs, side, across = weight.shape
    rows = weight.transpose(0, 2, 3, 1)  # o k k i
    # where pixels lie side by side, a row of the window is one run of bytes
    runs = rows.reshape(outputs, side, 1, across * inputs) if pitch == inputs else rows
    fours = whole(runs.shape[3], 4) // 4
    runs = np.pad(runs, ((0, -outputs % BLOCK), (0, 0), (0, 0), (0, 4 * fours - runs.shape[3])))
    taps = tuple(
        (y, x * pitch + 4 * i)
        for y in range(side)
        for x in range(runs.shape[2])
        for i in range(fours)
    )
    blocks = runs.reshape(-1, BLOCK, len(taps), 4).transpose(0, 2, 1, 3)
    return Packed(np.ascontiguousarray(blocks).ravel(), taps, len(taps))


def packed_filter(weight: NDArray[np.integer], pitch: int) -> Packed:
    """Return depthwise weights (c, 1, rows, columns), fours of taps for each channel."""
    channels, _, side, across = weight.shape
    steps = whole(side * across, 4) // 4
    flat = weight.reshape(channels, -1).astype(np.int8)
    flat = np.pad(flat, ((0, -channels % BLOCK), (0, 4 * steps - side * across)))
    blocks = flat.reshape(-1, BLOCK, steps, 4).transpose(0, 2, 1, 3)
    taps = [(y, x * pitch) for y in range(side) for x in range(across)]
    taps += [(0, 0)] * (4 * steps - len(taps))  # whose weights are 0
    return Packed(np.ascontiguousarray(blocks).ravel(), tuple(taps), steps)


def places(taps: Sequence[Tap], source: Map) -> tuple[int, ...]:
    """Return where the bytes of a window lie, counted from its first."""
    return tuple(down * source.row + right for down, right in taps)


def units(bias: Int32, multiplier: Int32, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for every sixteen outputs, biases, factors and biases for signed bytes.

    Args:
        bias: For bytes less 128.
        multiplier: An output, or one for all.
        sums: Of every output's weights; what 128 more in every byte adds is 128 of them.
    """
    count = whole(len(bias))
    rows = np.zeros((3, count), np.int64)
    rows[0, : len(bias)] = bias - 128 * sums
    rows[1] = 2**30
    rows[1, : len(bias)] = multiplier
    rows[2, : len(bias)] = bias
    return rows.reshape(3, -1, BLOCK).transpose(1, 0, 2).ravel()
