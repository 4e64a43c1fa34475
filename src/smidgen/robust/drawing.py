"""What corruptions are drawn with: smoothing, resampling and fractals of many pictures at once."""

from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage

Number: TypeAlias = float | int
Floats: TypeAlias = NDArray[np.floating[Any]]  # (n, h, w, c), 0 to 1, in float32
_FAINT = 1 / 1024  # a weight below it moves no pixel by a level


def smoothed(
    pictures: Floats, sigma: Number, mode: str = "nearest", truncate: Number = 4.0
) -> Floats:
    """Return pictures (n, h, w, ...) under a Gaussian of ``sigma`` pixels."""
    sigmas = (0.0, sigma, sigma, 0.0)[: pictures.ndim]
    return ndimage.gaussian_filter(pictures, sigmas, mode=mode, truncate=truncate)


def sampled(pictures: Floats, rows: Floats, columns: Floats, border: str) -> Floats:
    """Return the bilinear values of each picture at its own places.

    Args:
        pictures: As they are.
        rows: Of the places (n, h, w), in pixels from the middle of the first one.
        columns: Likewise.
        border: What lies outside: ``zeros``, ``edge``, ``mirror`` (about the outer pixels, which
            are not repeated) or ``reflect`` (about the outer edges).
    """
    modes = {"edge": "border", "mirror": "reflection", "reflect": "reflection", "zeros": "zeros"}
    height, width = pictures.shape[1:3]
    inner = border != "reflect"  # whether -1 and 1 are the outer pixels' middles or their edges
    if inner:
        x, y = 2 * columns / max(width - 1, 1) - 1, 2 * rows / max(height - 1, 1) - 1
    else:
        x, y = (2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1
    grid = torch.from_numpy(np.stack([x, y], -1).astype(np.float32))
    planes = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    found = F.grid_sample(planes, grid, "bilinear", modes[border], align_corners=inner)
    return found.numpy().transpose(0, 2, 3, 1)


def mapped(pictures: Floats, maps: NDArray[Any], border: str) -> Floats:
    """Return each picture through its own affine map (n, 2, 3) from places (x, y, 1) to places."""
    height, width = pictures.shape[1:3]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    places = np.stack([x, y, np.ones_like(x)], -1).astype(np.float64)
    columns, rows = (np.einsum("hwk,nk->nhw", places, maps[:, axis]) for axis in (0, 1))
    return sampled(pictures, rows.astype(np.float32), columns.astype(np.float32), border)


def about_the_middle(linear: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return maps (n, 2, 3) that leave the middle of a picture where it is, from (n, 2, 2)."""
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.concatenate([linear, (middle - linear @ middle)[:, :, None]], 2)


def moved(pictures: Floats, radius: int, sigma: Number, degrees: NDArray[Any]) -> Floats:
    """Return pictures smeared along a line, each at its own angle.

    The mean of ``2 radius + 1`` pixels from each one on, in the direction of the angle, weighed by
    half a Gaussian; the nearest pixel stands for those outside.

    Source: ImageMagick, `MagickMotionBlurImage`, whose kernel and offsets these are.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    angles = np.radians(degrees)[:, None]
    across = np.ceil(steps * np.cos(angles) - 0.5).astype(np.int64)
    down = np.ceil(steps * np.sin(angles) - 0.5).astype(np.int64)
    height, width = pictures.shape[1:3]
    result, one = np.zeros_like(pictures), np.arange(len(pictures))[:, None, None]
    for step in np.flatnonzero(weights > _FAINT):
        rows = np.clip(np.arange(height)[None] + down[:, step, None], 0, height - 1)
        columns = np.clip(np.arange(width)[None] + across[:, step, None], 0, width - 1)
        result += np.float32(weights[step]) * pictures[one, rows[:, :, None], columns[:, None]]
    return result


def enlarged(pictures: Floats, factor: Number) -> Floats:
    """Return the middle of each picture, ``factor`` times as large, between the same borders."""
    for axis in (1, 2):
        matrix = _enlarging(pictures.shape[axis], factor)
        pictures = np.moveaxis(np.tensordot(matrix, pictures, (1, axis)), 0, axis)
    return pictures


def _enlarging(side: int, factor: Number) -> Floats:
    """Return the matrix (side, side) of linear interpolation from outer to outer pixel."""
    kept = int(np.ceil(side / factor))
    first, size = (side - kept) // 2, max(round(kept * factor), side)
    places = np.arange(size) * ((kept - 1) / max(size - 1, 1))
    left = np.clip(np.floor(places).astype(int), 0, max(kept - 2, 0))
    matrix = np.zeros((size, side), np.float32)
    share = (places - left).astype(np.float32)
    matrix[np.arange(size), first + left] = 1 - share
    matrix[np.arange(size), first + np.minimum(left + 1, kept - 1)] += share
    trim = (size - side) // 2
    return matrix[trim : trim + side]


def plasma(count: int, side: int, decay: Number, random: np.random.Generator) -> Floats:
    """Return fractal height maps (count, side, side), 0 to 1; ``side`` is a power of two.

    Diamonds and squares on a torus: the middle of four is their mean and a draw from ``-w^2 ..
    w^2``; ``w`` begins at 100 and is divided by ``decay`` when the step halves.

    Source: Fournier, Fussell & Carpenter 1982; the amplitudes are those of CIFAR-10-C.
    """
    maps = np.zeros((count, side, side), np.float32)
    step, wibble = side, 100.0

    def mean(sums: Floats) -> Floats:
        draws = random.random(sums.shape, np.float32)
        return sums / 4 + np.float32(wibble**2) * (2 * draws - 1)

    while step > 1:
        half = step // 2
        corners = maps[:, ::step, ::step]
        sums = corners + np.roll(corners, -1, 1)
        middles = mean(sums + np.roll(sums, -1, 2))
        maps[:, half::step, half::step] = middles
        across = corners + np.roll(corners, -1, 2) + middles + np.roll(middles, 1, 1)
        maps[:, ::step, half::step] = mean(across)
        down = corners + np.roll(corners, -1, 1) + middles + np.roll(middles, 1, 2)
        maps[:, half::step, ::step] = mean(down)
        step, wibble = half, wibble / decay
    maps -= maps.min((1, 2), keepdims=True)
    return maps / np.maximum(maps.max((1, 2), keepdims=True), np.float32(1e-12))
