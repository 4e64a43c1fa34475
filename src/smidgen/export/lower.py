"""From normalised pixels to bytes: the first sum of a program absorbs the normalisation."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smidgen.export.program import Conv2d, FloatArray, Linear, Normalise, Program, SqueezeExcite


def lower(program: Program) -> Program:
    """Return the same program without its first operation, which the first sum absorbs.

    ``w (p / 255 - mean) / std + b`` is ``w' p + b'`` with ``w' = w / (255 std)`` and
    ``b' = b - w' (255 mean)``; a padded pixel, 0 after normalisation, is ``255 mean`` before it,
    which the convolution remembers as its padding value. Pooling and blur commute with a rising
    affine map of each channel, so they may stand between. Before squeeze-and-excitation, which
    does not commute, a 1x1 depthwise convolution takes the normalisation's place.
    """
    first, *rest = program.operations
    if not isinstance(first, Normalise):
        raise ValueError(f"program must start with Normalise, got {type(first).__name__}")
    mean, std = 255 * first.mean.astype(np.float64), 255 * first.std.astype(np.float64)
    place = next(i for i, op in enumerate(rest) if isinstance(op, Conv2d | Linear | SqueezeExcite))
    target = rest[place]
    if isinstance(target, SqueezeExcite):
        weight = (1 / std).reshape(-1, 1, 1, 1)
        own = Conv2d(_single(weight), _single(-mean / std), groups=len(mean))
        rest.insert(place, own)
    elif isinstance(target, Linear):
        weight = target.weight / std
        rest[place] = Linear(_single(weight), _single(target.bias - weight @ mean))
    else:
        assert isinstance(target, Conv2d)
        column = (-1, 1, 1, 1) if target.depthwise else (1, -1, 1, 1)
        weight = target.weight / std.reshape(column)
        offset = (weight * mean.reshape(column)).sum((1, 2, 3))
        rest[place] = replace(
            target,
            weight=_single(weight),
            bias=_single(target.bias - offset),
            padding_value=_single(mean),
        )
    return replace(program, operations=tuple(rest))


def _single(array: NDArray[np.float64]) -> FloatArray:
    return array.astype(np.float32)
