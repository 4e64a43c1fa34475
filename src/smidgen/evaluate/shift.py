"""Whether a prediction survives a shift of the image by one pixel."""

import torch.nn.functional as F
from torch import nn

from smidgen.evaluate.accuracy import predict
from smidgen.tensors import Pixels

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # rows, columns


def shifted(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """Return the images moved by whole pixels; the border pixel is repeated into the gap."""
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

    The mean over shifts left, right, up and down, the border pixel repeated into the gap.

    Source: Zhang 2019, arXiv:1904.11486, sec. 4.1, with one pixel instead of up to eight.
    """
    unmoved = predict(model, pixels, mean, std).argmax(1)
    same = 0.0
    for rows, columns in DIRECTIONS:
        moved = predict(model, shifted(pixels, rows, columns), mean, std).argmax(1)
        same += float((moved == unmoved).double().mean())
    return same / len(DIRECTIONS)
