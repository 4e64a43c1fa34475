"""Corruptions that mix pixels with their neighbours: blur."""

import numpy as np
from scipy import ndimage

from smidgen.robust.drawing import Floats, Number, enlarged, moved, smoothed

_REACH = 8  # pixels of the kernel of a lens


def defocus_blur(
    x: Floats, unit: Number, random: np.random.Generator, radius: Number, edge: Number
) -> Floats:
    """Smear every pixel over a disc of ``radius``, whose edge is softened by ``edge``."""
    reach = max(_REACH, int(np.ceil(radius * unit)))
    steps = np.arange(-reach, reach + 1)
    disc = (steps[:, None] ** 2 + steps**2 <= (radius * unit) ** 2).astype(np.float32)
    soft = np.exp(-(np.arange(-1, 2) ** 2) / (2 * edge**2))
    soft /= soft.sum()
    kernel = ndimage.convolve(disc / disc.sum(), np.outer(soft, soft), mode="constant")
    used = np.flatnonzero(kernel.any(0))
    kernel = kernel[used[0] : used[-1] + 1, used[0] : used[-1] + 1]
    return ndimage.convolve(x, kernel[None, :, :, None], mode="mirror")


def glass_blur(
    x: Floats, unit: Number, random: np.random.Generator,
    sigma: Number, reach: int, times: int, always: bool,
) -> Floats:  # fmt: skip
    """Blur, take for each pixel one that lies up to ``reach`` above or to the left, and blur again.

    Args:
        x: Pictures.
        unit: Pixels for one of the published size.
        random: Draws.
        sigma: Of the blur before and after.
        reach: In pixels.
        times: How often all pixels are gone through, from the last to the first.
        always: Whether every pixel is moved, or half of them. In grey the two pixels change
            places; in colour the published program copies the one onto the other.
    """
    x = np.floor(smoothed(x, sigma * unit) * 255) / np.float32(255)
    count, height, width, channels = x.shape
    one, reach = np.arange(count), max(1, round(reach * unit))
    for _ in range(times):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                steps = random.integers(-reach, reach, (2, count))
                if not always:
                    steps *= random.integers(0, 2, count)
                rows, columns = row + steps[0], column + steps[1]
                taken = x[one, rows, columns]
                if channels == 1:
                    x[one, rows, columns] = x[:, row, column]
                x[:, row, column] = taken
    return smoothed(x, sigma * unit)


def motion_blur(
    x: Floats, unit: Number, random: np.random.Generator, radius: Number, sigma: Number
) -> Floats:
    """Smear along a line, up to 45 degrees from the rows either way."""
    degrees = random.uniform(-45, 45, len(x))
    return moved(x, max(1, round(radius * unit)), sigma * unit, degrees)


def zoom_blur(
    x: Floats, unit: Number, random: np.random.Generator, end: Number, step: Number
) -> Floats:
    """Take the mean of the picture and of itself enlarged by 1 to ``end``."""
    factors = np.arange(1, end, step)
    total = x.copy()
    for factor in factors:
        total += enlarged(x, float(factor))
    return total / np.float32(len(factors) + 1)
