"""Weights and places of windows as the integer C for hosts reads them: four bytes a step."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.host_map import BLOCK, Map, whole
from smidgen.export.c.host_quick import Lines
from smidgen.export.int8.program import Int8, Int32

_TILE = 16  # fours of bytes in a tile's row

Tap = tuple[int, int]  # rows down, bytes to the right


class Packed(NamedTuple):
    """Weights, and where each four of the window's bytes lies.

    Args:
        weight: Sixteen outputs after sixteen; of each, step by step, four weights an output.
        taps: A step's place; of a filter, a weight's.
        steps: Fours of weights an output.
        chunk: Steps that fit into a tile's row, as their bytes follow each other; 0 for a filter.
        by_rows: Whether a filter's steps are rows of its window.
    """

    weight: Int8
    taps: tuple[Tap, ...]
    steps: int
    chunk: int = 0
    by_rows: bool = False


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
    chunk = max(each for each in range(1, _TILE + 1) if fours % each == 0)
    return Packed(np.ascontiguousarray(blocks).ravel(), taps, len(taps), chunk)


def packed_filter(weight: NDArray[np.integer], pitch: int) -> Packed:
    """Return depthwise weights (c, 1, rows, columns), fours of taps for each channel."""
    channels, _, side, across = weight.shape
    steps = whole(side * across, 4) // 4
    by_rows = steps == side and across <= 4  # noqa: PLR2004 - as many steps as without
    rows = weight.reshape(channels, side, across) if by_rows else weight.reshape(channels, 1, -1)
    rows = rows.astype(np.int8)
    beyond = 4 * steps // rows.shape[1] - rows.shape[2]
    flat = np.pad(rows, ((0, -channels % BLOCK), (0, 0), (0, beyond)))
    blocks = flat.reshape(-1, BLOCK, steps, 4).transpose(0, 2, 1, 3)
    taps = [(y, x * pitch) for y in range(side) for x in range(across)]
    length = rows.shape[2]  # of a row, to which taps are added whose weights are 0
    many = [taps[at : at + length] for at in range(0, len(taps), length)]
    whole_ = [tap for row in many for tap in [*row, *row[-1:] * beyond]]
    return Packed(np.ascontiguousarray(blocks).ravel(), tuple(whole_), steps, by_rows=by_rows)


def places(taps: Sequence[Tap], source: Map) -> tuple[int, ...]:
    """Return where the bytes of a window lie, counted from its first."""
    return tuple(down * source.row + right for down, right in taps)


def units(
    bias: Int32, multiplier: Int32, sums: NDArray[np.int64], quick: Lines | None = None
) -> NDArray[np.int64]:
    """Return, for every sixteen outputs, biases, factors, biases for signed bytes, and lines.

    Args:
        bias: For bytes less 128.
        multiplier: An output, or one for all.
        sums: Of every output's weights; what 128 more in every byte adds is 128 of them.
        quick: Lines in float32 that round as the factors do, their bits.
    """
    count = whole(len(bias))
    rows = np.zeros((6, count), np.int64)
    rows[0, : len(bias)] = bias - 128 * sums
    rows[1] = 2**30
    rows[1, : len(bias)] = multiplier
    rows[2, : len(bias)] = bias
    for row, line in zip(rows[3:], quick or (), strict=False):
        row[: len(bias)] = line.view(np.int32)
    return rows.reshape(6, -1, BLOCK).transpose(1, 0, 2).ravel()
