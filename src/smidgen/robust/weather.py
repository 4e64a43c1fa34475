"""Corruptions that lie over a picture: snow, frost, fog, drops of mud."""

import numpy as np

from smidgen.robust.drawing import Floats, Number, enlarged, moved, plasma, smoothed

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_ICE = np.array([0.88, 0.94, 1.0], np.float32)  # a little blue
_MUD = 63 / 255


def snow(  # noqa: PLR0913 - the published definition has seven numbers
    x: Floats, unit: Number, random: np.random.Generator,
    mean: Number, deviation: Number, zoom: Number, least: Number, radius: Number, sigma: Number,
    keep: Number,
) -> Floats:  # fmt: skip
    """Whiten the picture and lay flakes over it that fall steeply, in two layers.

    Flakes are normal draws of ``mean`` and ``deviation``, enlarged ``zoom`` times, those below
    ``least`` left out, smeared downwards; the second layer is the first turned by 180 degrees.
    """
    flakes = random.normal(mean, deviation, x.shape[:3]).astype(np.float32)[..., None]
    flakes = enlarged(flakes, zoom)
    flakes = np.where(flakes < least, 0, np.clip(flakes, 0, 1)).astype(np.float32)
    degrees = random.uniform(-135, -45, len(x))
    flakes = moved(flakes, max(1, round(radius * unit)), sigma * unit, degrees)
    grey = x if x.shape[-1] == 1 else (x @ _GREY)[..., None]
    bright = grey * 1.5 + 0.5
    white = np.float32(keep) * x + np.float32(1 - keep) * np.maximum(x, bright)
    return white + flakes + flakes[:, ::-1, ::-1]


def frost(
    x: Floats, unit: Number, random: np.random.Generator, keep: Number, ice: Number
) -> Floats:
    """Lay ice over the picture.

    Differs: the published sets use crops of six photographs, which are not here. Ice is drawn: the
    ridges of a fractal, white with a little blue, of mean 0.5 or so.
    """
    height, width = x.shape[1:3]
    maps = plasma(len(x), _power(max(height, width)), 2.0, random)[:, :height, :width]
    ridges = 1 - np.abs(2 * maps - 1)
    layer = ridges[..., None] * (_ICE if x.shape[-1] != 1 else np.float32(1))
    return np.float32(keep) * x + np.float32(ice) * layer


def fog(
    x: Floats, unit: Number, random: np.random.Generator, depth: Number, decay: Number, least: int
) -> Floats:
    """Add ``depth`` times a fractal, and take the light back to the picture's brightest value.

    ``least`` is the side of the fractal of which a corner is taken.
    """
    height, width = x.shape[1:3]
    side = max(least, _power(max(height, width)))
    maps = np.concatenate(
        [plasma(len(part), side, decay, random)[:, :height, :width] for part in _parts(x, side)]
    )
    brightest = x.max((1, 2, 3), keepdims=True)
    return (x + np.float32(depth) * maps[..., None]) * brightest / (brightest + np.float32(depth))


def spatter(
    x: Floats, unit: Number, random: np.random.Generator,
    mean: Number, deviation: Number, blur: Number, least: Number, edge: Number,
) -> Floats:  # fmt: skip
    """Throw drops of mud: smoothed normal draws above ``least``, with soft edges."""
    liquid = random.normal(mean, deviation, x.shape[:3]).astype(np.float32)
    drops = (smoothed(liquid, blur * unit) > least).astype(np.float32)
    drops = smoothed(drops, edge * unit)
    drops = np.where(drops < 0.8, 0, drops)[..., None].astype(np.float32)  # noqa: PLR2004
    return x * (1 - drops) + np.float32(_MUD) * drops


def _power(side: int) -> int:
    return 1 << (side - 1).bit_length()


def _parts(x: Floats, side: int) -> list[Floats]:
    """Return pictures in parts whose fractals take at most 32 MB."""
    size = max(1, 2**23 // side**2)
    return [x[start : start + size] for start in range(0, len(x), size)]
