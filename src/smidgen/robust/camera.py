"""What another hand and another camera change: place, angle and size, light, contrast and focus."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from smidgen.evaluate.shift import DIRECTIONS, shifted
from smidgen.robust.drawing import Floats, about_the_middle, mapped, smoothed
from smidgen.tensors import Pixels

_SIDE = 32  # pixels, of which blurs are told: they are scaled with the picture, as no shift is
_BATCH = 100  # pictures at a time
_DARK, _LINEAR = 0.04045, 0.0031308  # ends of the straight part of sRGB


class Change(NamedTuple):
    """One way of seeing the pictures otherwise.

    Args:
        kind: ``shift``, ``rotation``, ``scale``, ``exposure``, ``contrast`` or ``blur``.
        amount: Of it.
        unit: Of the amount.
        apply: Returns the versions of the pictures that are judged, one after the other.
    """

    kind: str
    amount: float
    unit: str
    apply: Callable[[Pixels], list[Pixels]]


def changes() -> tuple[Change, ...]:
    """Return all of them, the mildest of each kind first.

    A shift is by whole pixels in four directions, a rotation to either side about the middle; what
    comes in from outside is the nearest pixel. Exposure is in stops of linear light (sRGB),
    contrast a factor about mid grey, blur a Gaussian in pixels of a picture of 32: of one of 8 a
    quarter of them.
    """
    shifts = tuple(Change("shift", float(by), "pixels", _shift(by)) for by in range(5))
    turns = tuple(Change("rotation", by, "degrees", _turn(by)) for by in (5.0, 10.0, 15.0, 30.0))
    sizes = tuple(Change("scale", by, "times", _scale(by)) for by in (0.8, 0.9, 1.1, 1.25))
    lights = tuple(Change("exposure", by, "stops", _expose(by)) for by in (-2.0, -1.0, 1.0, 2.0))
    factors = tuple(Change("contrast", by, "times", _contrast(by)) for by in (0.25, 0.5, 1.5, 2.0))
    blurs = tuple(Change("blur", by, f"pixels of {_SIDE}", _blur(by)) for by in (0.5, 1.0, 1.5))
    return (*shifts, *turns, *sizes, *lights, *factors, *blurs)


def _shift(by: int) -> Callable[[Pixels], list[Pixels]]:
    if by == 0:
        return lambda pixels: [pixels]
    return lambda pixels: [shifted(pixels, by * row, by * column) for row, column in DIRECTIONS]


def _turn(degrees: float) -> Callable[[Pixels], list[Pixels]]:
    def apply(pixels: Pixels) -> list[Pixels]:
        found: list[Pixels] = []
        for angle in (np.radians(degrees), -np.radians(degrees)):
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            found.append(_each(pixels, lambda x, turn=turn: _seen(x, turn)))
        return found

    return apply


def _scale(factor: float) -> Callable[[Pixels], list[Pixels]]:
    return lambda pixels: [_each(pixels, lambda x: _seen(x, np.eye(2) / factor))]


def _seen(x: Floats, linear: Floats) -> Floats:
    maps = about_the_middle(np.broadcast_to(linear, (len(x), 2, 2)), *x.shape[1:3])
    return mapped(x, maps, "edge")


def _expose(stops: float) -> Callable[[Pixels], list[Pixels]]:
    def brighter(x: Floats) -> Floats:
        linear = np.where(x <= _DARK, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
        linear = np.clip(linear * 2.0**stops, 0, 1)
        return np.where(linear <= _LINEAR, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)

    return lambda pixels: [_each(pixels, brighter)]


def _contrast(factor: float) -> Callable[[Pixels], list[Pixels]]:
    return lambda pixels: [_each(pixels, lambda x: (x - 0.5) * factor + 0.5)]


def _blur(sigma: float) -> Callable[[Pixels], list[Pixels]]:
    return lambda pixels: [_each(pixels, lambda x: smoothed(x, sigma * min(x.shape[1:3]) / _SIDE))]


def _each(pixels: Pixels, change: Callable[[Floats], Floats]) -> Pixels:
    parts: list[torch.Tensor] = []
    for part in pixels.split(_BATCH):
        x = part.permute(0, 2, 3, 1).numpy().astype(np.float32) / np.float32(255)
        bytes_ = np.rint(255 * np.clip(change(x), 0, 1)).astype(np.uint8)
        parts.append(torch.from_numpy(bytes_).permute(0, 3, 1, 2))
    return torch.cat(parts)
