"""Pictures that show none of the classes, drawn: noise, and figures on a ground."""

import numpy as np
import torch

from smidgen.data.sensor import is_window
from smidgen.robust.drawing import smoothed
from smidgen.tensors import Pixels

COUNT = 1000  # pictures of each kind
_BATCH = 100  # of them drawn at a time, where they are drawn in fractions
DRAWN = ("noise", "clouds", "shapes")
_SIZES = (0.18, 0.42)  # of a figure, as shares of the side


def strangers(channels: int, height: int, width: int, seed: int = 0) -> dict[str, Pixels]:
    """Return pictures by kind.

    ``noise`` has even draws of every value; ``clouds`` are smooth draws over all values; ``shapes``
    are one to three filled rectangles, ellipses and stripes of even brightness on an even ground.
    Of windows of a sensor, one side of which is 1, clouds are smooth curves and shapes are steps.
    """
    random = np.random.default_rng((seed, channels, height, width))
    shape = (COUNT, height, width, channels)
    noise = random.integers(0, 256, shape, np.uint8)
    part = (_BATCH, height, width, channels)
    clouds = np.concatenate([_clouds(random, *part) for _ in range(COUNT // _BATCH)])
    kinds = (noise, clouds, _shapes(random, *shape))
    return dict(zip(DRAWN, map(_pixels, kinds), strict=True))


def _clouds(
    random: np.random.Generator, count: int, height: int, width: int, channels: int
) -> np.ndarray:
    draws = random.random((count, height, width, channels), np.float32)
    side = (max if is_window(height, width) else min)(height, width)
    clouds = smoothed(draws, side / 10, "wrap")
    clouds -= clouds.min((1, 2, 3), keepdims=True)
    clouds /= np.maximum(clouds.max((1, 2, 3), keepdims=True), np.float32(1e-6))
    return np.rint(255 * clouds).astype(np.uint8)


def _shapes(
    random: np.random.Generator, count: int, height: int, width: int, channels: int
) -> np.ndarray:
    ground = random.integers(0, 128, (count, 1, 1, channels)).astype(np.uint8)
    pictures = np.broadcast_to(ground, (count, height, width, channels)).copy()
    for place in range(3):
        y, x = (random.uniform(0.3, 0.7, (count, 1, 1)) * side for side in (height, width))
        tall, wide = (random.uniform(*_SIZES, (count, 1, 1)) * side for side in (height, width))
        kind = random.integers(0, 3, (count, 1, 1))
        drawn = random.integers(0, place + 1, (count, 1, 1)) == 0
        colour = random.integers(128, 256, (count, 1, 1, channels)).astype(np.uint8)
        for start in range(0, count, _BATCH):
            some = slice(start, start + _BATCH)
            lies = (of[some] for of in (y, x, tall, wide, kind))
            inside = _inside(height, width, *lies) & drawn[some]
            np.copyto(pictures[some], colour[some], where=inside[..., None])
    return pictures


def _inside(
    height: int, width: int,
    y: np.ndarray, x: np.ndarray, tall: np.ndarray, wide: np.ndarray, kind: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return which pixels lie in a figure, one a picture: a rectangle, an ellipse or stripes."""
    rows, columns = np.indices((height, width)) + 0.5
    down, across = np.abs(rows - y) / tall, np.abs(columns - x) / wide
    down, across = (0 * of if side == 1 else of for of, side in ((down, height), (across, width)))
    rectangle, stripe = np.maximum(down, across) < 1, rows.astype(int) // 2 % 2 == 0
    ellipse = down**2 + across**2 < 1
    return np.select([kind == 0, kind == 1], [rectangle, ellipse], rectangle & stripe)


def _pixels(pictures: np.ndarray) -> Pixels:
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
