"""Corruptions of drawings in grey: slants, turns and sizes, lines across, stripes, edges alone."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from smidgen.robust.drawing import Floats, Number, about_the_middle, mapped, sampled, smoothed

_SIDE = 28  # pixels of the published pictures, in which lines are told
_FADING = 2.3  # pixels over which a line fades
_LOW, _HIGH = 0.1, 0.2  # least gradients of an edge, and of one that starts it


def shear(x: Floats, unit: Number, random: np.random.Generator, angle: Number) -> Floats:
    """Slant by ``angle`` radians, to either side."""
    angles = angle * _signs(len(x), random)
    zeros, ones = np.zeros(len(x)), np.ones(len(x))
    return _turned(x, [[ones, -np.sin(angles)], [zeros, np.cos(angles)]])


def rotate(x: Floats, unit: Number, random: np.random.Generator, angle: Number) -> Floats:
    """Turn by ``angle`` radians, to either side."""
    angles = angle * _signs(len(x), random)
    return _turned(x, [[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])


def scale(x: Floats, unit: Number, random: np.random.Generator, factor: Number) -> Floats:
    """Shrink to ``factor`` of its size."""
    ones, zeros = np.full(len(x), 1 / factor), np.zeros(len(x))
    return _turned(x, [[ones, zeros], [zeros, ones]])


def translate(x: Floats, unit: Number, random: np.random.Generator, pixels: Number) -> Floats:
    """Shift by as many pixels along both axes, to either side."""
    steps = pixels * unit * np.stack([_signs(len(x), random) for _ in range(2)], 1)
    linear = np.broadcast_to(np.eye(2), (len(x), 2, 2))
    return mapped(x, np.concatenate([linear, steps[:, :, None]], 2), "zeros")


def stripe(x: Floats, unit: Number, random: np.random.Generator) -> Floats:
    """Turn the left and the right quarter into their negative."""
    x, quarter = x.copy(), x.shape[2] // 4
    x[:, :, :quarter] = 1 - x[:, :, :quarter]
    x[:, :, -quarter:] = 1 - x[:, :, -quarter:]
    return x


def dotted_line(x: Floats, unit: Number, random: np.random.Generator) -> Floats:
    """Draw a dotted line from the left border to the right one."""
    ends = random.integers(0, _SIDE - 1, (2, len(x))).astype(np.float64)
    zeros = np.zeros(len(x))
    line = _line(x, zeros, ends[0], zeros + _SIDE - 1, ends[1])
    shown = np.linspace(0, _SIDE - 1, x.shape[2]) % 4 >= 2  # noqa: PLR2004 - two pixels in four
    return x + (line * shown)[..., None]


def zigzag(x: Floats, unit: Number, random: np.random.Generator) -> Floats:
    """Draw a zigzag across, two pixels to either side of a line that is nearly level."""
    start, end, length, reach = 2.0, 25.0, 2.0, 2.0
    first = random.integers(0, _SIDE - 1, len(x)).astype(np.float64)
    last = first + random.integers(-5, 5, len(x))
    angles = np.arctan((last - first) / (end - start))
    whole = (end - start) / np.cos(angles)
    turns = ((whole - length) // (2 * length)).astype(int) + 1
    along, beside = [np.zeros(len(x))], [np.zeros(len(x))]
    for turn in range(int(turns.max())):
        there = turn < turns
        along.append(np.where(there, (2 * turn + 1) * length, along[-1]))
        beside.append(np.where(there, (-1.0) ** turn * reach, beside[-1]))
    rest = whole - 2 * length * (whole // (2 * length))
    with np.errstate(divide="ignore"):
        beside.append(np.where(rest > 0, beside[-1] / (2 * rest), beside[-1]))
    along.append(np.where(rest > 0, whole, along[-1]))
    cosine, sine = np.cos(angles), np.sin(angles)
    columns = [a * cosine - b * sine + start for a, b in zip(along, beside, strict=True)]
    rows = [a * sine + b * cosine + first for a, b in zip(along, beside, strict=True)]
    for place in range(1, len(along)):
        line = _line(x, columns[place - 1], rows[place - 1], columns[place], rows[place])
        x = np.clip(x + line[..., None], 0, 1)
    return x


def canny_edges(x: Floats, unit: Number, random: np.random.Generator) -> Floats:
    """Leave nothing but edges.

    Where the gradient of the smoothed picture is largest across itself, and at least 0.2, or at
    least 0.1 and joined to such a place.

    Source: Canny 1986; smoothing of one pixel and thresholds as scikit-image's defaults.
    """
    plane = x[..., 0]
    within = ndimage.gaussian_filter(np.ones(plane.shape[1:], np.float32), 1, mode="constant")
    smooth = smoothed(plane, 1.0, "constant") / (within + np.finfo(np.float32).eps)
    down, across = (
        ndimage.correlate1d(ndimage.correlate1d(smooth, [-1, 0, 1], along), [1, 2, 1], beside)
        for along, beside in ((1, 2), (2, 1))
    )
    size = np.hypot(down, across)
    most = np.maximum(np.maximum(np.abs(down), np.abs(across)), np.float32(1e-12))
    rows, columns = (
        np.arange(x.shape[1], dtype=np.float32)[:, None],
        np.arange(x.shape[2], dtype=np.float32),
    )
    peak = np.ones(size.shape, bool)
    for sign in (1, -1):
        there = sampled(
            size[..., None], rows + sign * down / most, columns + sign * across / most, "zeros"
        )
        peak &= there[..., 0] <= size + 1e-5
    peak[:, [0, -1]] = peak[:, :, [0, -1]] = False
    weak, strong = peak & (size >= _LOW), peak & (size >= _HIGH)
    joined = np.zeros((3, 3, 3), bool)
    joined[1] = True  # neighbours in the picture, none in the next one
    groups = np.zeros(weak.shape, np.int32)
    ndimage.label(weak, joined, output=groups)
    kept = np.zeros(int(groups.max(initial=0)) + 1, bool)
    kept[np.unique(groups[strong])] = True
    kept[0] = False
    return kept[groups].astype(np.float32)[..., None]


def _signs(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    return np.where(random.integers(0, 2, count) == 1, 1.0, -1.0)


def _turned(x: Floats, columns: list[list[NDArray[np.float64]]]) -> Floats:
    linear = np.array(columns).transpose(2, 0, 1)
    return mapped(x, about_the_middle(linear, *x.shape[1:3]), "zeros")


def _line(
    x: Floats,
    c0: NDArray[np.float64],
    r0: NDArray[np.float64],
    c1: NDArray[np.float64],
    r1: NDArray[np.float64],
) -> Floats:
    """Return the light of a line from (c0, r0) to (c1, r1); ``1 + log(1 - d / 2.3)`` beside it."""
    rows = np.linspace(0, _SIDE - 1, x.shape[1])[None, :, None]
    columns = np.linspace(0, _SIDE - 1, x.shape[2])[None, None]
    c0, r0, c1, r1 = (values[:, None, None] for values in (c0, r0, c1, r1))
    steep = (r1 - r0) / np.where(c1 == c0, 1.0, c1 - c0)
    distance = np.clip(np.abs(rows - steep * (columns - c0) - r0), 0, _FADING - 1e-10)
    light = np.clip(np.log(1 - distance / _FADING) + 1, 0, 1)
    inside = (columns >= np.floor(c0)) & (columns < np.ceil(c1)) & (c1 != c0)
    return (light * inside).astype(np.float32)
