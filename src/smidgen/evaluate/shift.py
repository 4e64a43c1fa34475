"""Whether a prediction survives a shift of the image by one pixel."""

from collections.abc import Iterable
from itertools import chain

import torch
import torch.nn.functional as F
from torch import nn

from smidgen.evaluate.accuracy import predict
from smidgen.tensors import Pixels

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # rows, columns
_BATCH = 100  # images at a time: padding is of floats, four times the bytes
_TOGETHER = 2**28  # bytes of images and their shifts that are answered at once


def shifted(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """Return the images moved by whole pixels; the border pixel is repeated into the gap."""
    return torch.cat([_shifted(part, rows, columns) for part in pixels.split(_BATCH)])


def _shifted(pixels: Pixels, rows: int, columns: int) -> Pixels:
    height, width = pixels.shape[2:]
    top, left = max(rows, 0), max(columns, 0)
    padding = [left, max(-columns, 0), top, max(-rows, 0)]
    padded = F.pad(pixels.float(), padding, mode="replicate").to(pixels.dtype)
    start_row, start_column = max(-rows, 0), max(-columns, 0)
    return padded[:, :, start_row : start_row + height, start_column : start_column + width]


def shift_consistency(
    model: nn.Module, pixels: Pixels, mean: tuple[float, ...], std: tuple[float, ...]
) -> float:
    """Return the share of predictions unchanged by a shift of one pixel, in [0, 1].

    The mean over shifts left, right, up and down, the border pixel repeated into the gap; along a
    side of 1, as windows of a sensor have, there is none.

    Args:
        model: A net of images as it takes them.
        pixels: Bytes, n c h w.
        mean: Of each channel, in units of 0 to 1.
        std: Likewise.

    Source: Zhang 2019, arXiv:1904.11486, sec. 4.1, with one pixel instead of up to eight.
    """
    height, width = pixels.shape[2:]
    ways = [(down, across) for down, across in DIRECTIONS if (height if down else width) > 1]
    if not ways:
        return 1.0
    moved = (shifted(pixels, down, across) for down, across in ways)
    versions: Iterable[Pixels] = chain([pixels], moved)
    if pixels.nbytes * (1 + len(ways)) <= _TOGETHER:
        # All at once: calls take longer than the arithmetic of a small net on few images.
        versions = [torch.cat(list(versions))]
    found = torch.cat([predict(model, one, mean, std).argmax(1) for one in versions])
    unmoved, *answers = found.split(len(pixels))
    return sum(float((one == unmoved).double().mean()) for one in answers) / len(ways)
