"""What spoils windows of a sensor, and what another wearer or another mounting changes of them."""

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage

from smidgen.robust.camera import Change
from smidgen.robust.drawing import Floats, Number
from smidgen.tensors import Pixels

_BATCH = 1000  # windows at a time


def noise(x: Floats, unit: Number, random: np.random.Generator, sigma: Number) -> Floats:
    """Add to every value a normal draw of deviation ``sigma``."""
    return x + np.float32(sigma) * random.standard_normal(x.shape, np.float32)


def spikes(x: Floats, unit: Number, random: np.random.Generator, share: Number) -> Floats:
    """Make a share of all values the largest or the least."""
    hit = random.random(x.shape, np.float32) < share
    return np.where(hit, random.integers(0, 2, x.shape).astype(np.float32), x)


def gain(x: Floats, unit: Number, random: np.random.Generator, factor: Number) -> Floats:
    """Resize each channel about its mean, by ``factor`` or by one over it."""
    return _about_the_mean(x, np.float32(factor) ** _signs(x, random))


def offset(x: Floats, unit: Number, random: np.random.Generator, by: Number) -> Floats:
    """Move each channel as a whole, up or down."""
    return x + np.float32(by) * _signs(x, random)


def drift(x: Floats, unit: Number, random: np.random.Generator, by: Number) -> Floats:
    """Move each channel more and more, up or down, from nothing at the beginning."""
    slope = np.linspace(0, by, x.shape[1], dtype=np.float32)[None, :, None]
    return x + slope * _signs(x, random)


def saturation(x: Floats, unit: Number, random: np.random.Generator, share: Number) -> Floats:
    """Cut values to a share of the range, about its middle."""
    return np.clip(x, (1 - share) / 2, (1 + share) / 2)


def resolution(x: Floats, unit: Number, random: np.random.Generator, levels: Number) -> Floats:
    """Round values to as many levels."""
    return np.rint(x * (levels - 1)) / np.float32(levels - 1)


def dropped_moments(x: Floats, unit: Number, random: np.random.Generator, share: Number) -> Floats:
    """Lose a share of the moments, each on its own; the last one that came is held."""
    lost = random.random(x.shape[:2], np.float32) < share
    return _held(x, lost[:, :, None])


def gap(x: Floats, unit: Number, random: np.random.Generator, share: Number) -> Floats:
    """Lose a stretch of the window; the moment before it is held."""
    return _held(x, _stretch(x, random, share)[:, :, None])


def stuck_channel(x: Floats, unit: Number, random: np.random.Generator, share: Number) -> Floats:
    """Hold one channel at a value for a stretch of the window."""
    channel = random.integers(0, x.shape[2], len(x))[:, None] == np.arange(x.shape[2])
    return _held(x, _stretch(x, random, share)[:, :, None] & channel[:, None])


def smoothing(x: Floats, unit: Number, random: np.random.Generator, sigma: Number) -> Floats:
    """Average over time, under a Gaussian of ``sigma`` moments in a window of 96."""
    return ndimage.gaussian_filter1d(x, sigma * unit, axis=1, mode="nearest")


def tempo(x: Floats, unit: Number, random: np.random.Generator, factor: Number) -> Floats:
    """Play each window faster about its middle, by ``factor`` or by one over it."""
    return _played(x, np.float32(factor) ** _signs(x, random)[:, 0, :1])


def changes() -> tuple[Change, ...]:
    """Return all ways of seeing windows otherwise, the mildest of each kind first.

    A shift is by whole moments either way and a tempo about the middle of the window; what comes in
    from outside is the nearest moment. A gain is about the mean of a channel in its window, an
    offset in percent of the values that the net tells apart, both of all channels alike; smoothing
    a Gaussian in moments of a window of 96: of one of 48 half of them.
    """
    shifts = tuple(Change("shift", float(by), "moments", _shift(by)) for by in (0, 1, 2, 4, 8, 16))
    paces = tuple(Change("tempo", by, "times", _tempo(by)) for by in (0.8, 0.9, 1.1, 1.25))
    gains = tuple(Change("gain", by, "times", _gain(by)) for by in (0.5, 0.75, 1.5, 2.0))
    moves = tuple(
        Change("offset", by, "% of the values", _offset(by)) for by in (-10.0, -5.0, 5.0, 10.0)
    )
    smooth = tuple(
        Change("smoothing", by, "moments of 96", _smoothing(by)) for by in (0.5, 1.0, 2.0)
    )
    return (*shifts, *paces, *gains, *moves, *smooth)


def in_rows(x: Floats) -> Floats:
    """Return windows (n, h, w, c), one side of which is 1, as (n, moments, c)."""
    return x.reshape(len(x), -1, x.shape[3])


def _shift(by: int) -> Callable[[Pixels], list[Pixels]]:
    def moved(x: Floats, by: int) -> Floats:
        return x[:, np.clip(np.arange(x.shape[1]) - by, 0, x.shape[1] - 1)]

    if by == 0:
        return lambda pixels: [pixels]
    return lambda pixels: [_each(pixels, lambda x, way=way: moved(x, way)) for way in (by, -by)]


def _tempo(factor: float) -> Callable[[Pixels], list[Pixels]]:
    return lambda pixels: [
        _each(pixels, lambda x: _played(x, np.full((len(x), 1), factor, np.float32)))
    ]


def _gain(factor: float) -> Callable[[Pixels], list[Pixels]]:
    return lambda pixels: [_each(pixels, lambda x: _about_the_mean(x, np.float32(factor)))]


def _offset(percent: float) -> Callable[[Pixels], list[Pixels]]:
    return lambda pixels: [_each(pixels, lambda x: x + np.float32(percent / 100))]


def _smoothing(sigma: float) -> Callable[[Pixels], list[Pixels]]:
    def smoothed(x: Floats) -> Floats:
        return ndimage.gaussian_filter1d(x, sigma * x.shape[1] / 96, axis=1, mode="nearest")

    return lambda pixels: [_each(pixels, smoothed)]


def _each(pixels: Pixels, change: Callable[[Floats], Floats]) -> Pixels:
    parts: list[torch.Tensor] = []
    for part in pixels.split(_BATCH):
        x = part.permute(0, 2, 3, 1).numpy().astype(np.float32) / np.float32(255)
        new = change(in_rows(x)).reshape(x.shape)
        bytes_ = np.rint(255 * np.clip(new, 0, 1)).astype(np.uint8)
        parts.append(torch.from_numpy(bytes_).permute(0, 3, 1, 2))
    return torch.cat(parts)


def _signs(x: Floats, random: np.random.Generator) -> Floats:
    """Return a fair sign a channel of each window: n 1 c."""
    return (2 * random.integers(0, 2, (len(x), 1, x.shape[2])) - 1).astype(np.float32)


def _about_the_mean(x: Floats, factors: Floats | np.float32) -> Floats:
    mean = x.mean(1, keepdims=True)
    return mean + factors * (x - mean)


def _stretch(x: Floats, random: np.random.Generator, share: Number) -> np.ndarray:
    """Return which moments of each window lie in one stretch of it, somewhere."""
    moments = x.shape[1]
    length = max(1, round(share * moments))
    begins = random.integers(0, moments - length + 1, (len(x), 1))
    places = np.arange(moments)
    return (places >= begins) & (places < begins + length)


def _held(x: Floats, lost: np.ndarray) -> Floats:
    """Return windows where each value that is lost is the last one that was not, or the first."""
    moments = np.broadcast_to(np.arange(x.shape[1])[None, :, None], x.shape)
    last = np.maximum.accumulate(np.where(lost, 0, moments), axis=1)
    return np.take_along_axis(x, last, axis=1)


def _played(x: Floats, factors: Floats) -> Floats:
    """Return windows at tempos of their own (n, 1), linear between moments."""
    middle = (x.shape[1] - 1) / 2
    places = np.clip(middle + factors * (np.arange(x.shape[1]) - middle), 0, x.shape[1] - 1)
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, x.shape[1] - 1)
    part = (places - below).astype(np.float32)[:, :, None]
    low, high = (np.take_along_axis(x, of[:, :, None], axis=1) for of in (below, above))
    return (1 - part) * low + part * high
