"""From normalised pixels to bytes: the first sum of a program absorbs the normalisation."""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from smidgen.export.program import (
    MOST,
    Blur,
    Conv2d,
    Flatten,
    FloatArray,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Normalise,
    Program,
    Residual,
    SqueezeExcite,
    walk,
)

Array: TypeAlias = NDArray[np.float64]


def lower(program: Program) -> Program:
    """Return the same program without its first operation, which the first sum absorbs.

    ``w (p / 255 - mean) / std + b`` is ``w' p + b'`` with ``w' = w / (255 std)`` and
    ``b' = b - w' (255 mean)``; a padded pixel, 0 after normalisation, is ``255 mean`` before it,
    which the convolution remembers as its padding value. Pooling and blur commute with a rising
    affine map of each channel, so they may stand between. Before squeeze-and-excitation and
    residual sums, which do not commute, a 1x1 depthwise convolution takes its place.

    Raises:
        ValueError: If the program does not start with its normalisation, or a weight that absorbs
            it is beyond float32.
    """
    first, *rest = program.operations
    if not isinstance(first, Normalise):
        raise ValueError(f"program must start with Normalise, got {type(first).__name__}")
    mean, std = 255 * first.mean.astype(np.float64), 255 * first.std.astype(np.float64)
    for place, (operation, shape) in enumerate(walk(rest, program.input_shape)):
        match operation:
            case MaxPool() | Blur() | GlobalAveragePool():
                continue
            case Flatten():
                pixels = shape.height * shape.width
                mean, std = np.tile(mean, pixels), np.tile(std, pixels)
                continue
            case SqueezeExcite() | Residual():
                own = Conv2d(_column(1 / std), _single(-mean / std), groups=len(mean))
                rest.insert(place, own)
            case Linear():
                rest[place] = _linear(operation, mean, std)
            case Conv2d():
                rest[place] = _conv(operation, mean, std)
            case Normalise():
                raise ValueError("normalisation must be the first operation and the only one")
        break
    return replace(program, operations=tuple(rest))


def _linear(own: Linear, mean: Array, std: Array) -> Linear:
    weight = own.weight / std
    return Linear(_single(weight), _single(own.bias - weight @ mean))


def _conv(own: Conv2d, mean: Array, std: Array) -> Conv2d:
    column = (-1, 1, 1, 1) if own.depthwise else (1, -1, 1, 1)
    weight = own.weight / std.reshape(column)
    offset = (weight * mean.reshape(column)).sum((1, 2, 3))
    return replace(
        own,
        weight=_single(weight),
        bias=_single(own.bias - offset),
        padding_value=_single(mean),
        shared=None,
    )


def _column(array: Array) -> FloatArray:
    return _single(array.reshape(-1, 1, 1, 1))


def _single(array: Array) -> FloatArray:
    if not (np.abs(array) <= MOST).all():  # nor is NaN
        raise ValueError("weights that absorb the normalisation must be finite in float32")
    return array.astype(np.float32)
