"""The ranges of a program's maps, measured on training images."""

from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smidgen.export.program import (
    Blur,
    Conv2d,
    Flatten,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Normalise,
    Operation,
    Pixels,
    Program,
    Residual,
    SqueezeExcite,
    apply,
)

Method: TypeAlias = Literal["minmax", "percentile-99.9", "percentile-99.99", "mse"]
METHODS: tuple[Method, ...] = get_args(Method)

# An operation's own ranges (low, high): none for one that keeps its input's, three for
# squeeze-and-excitation (mean, latent, result), for a residual sum those of all that it holds,
# the layers before the shortcut, and then its own, else that of its result.
Ranges: TypeAlias = tuple[tuple[tuple[float, float], ...], ...]

_SAMPLE = 200_000  # values that the mean squared error is measured on
_FRACTIONS = np.linspace(1, 0.2, 81)  # of the full range, tried by "mse"


def calibrate(program: Program, pixels: Pixels, method: str = "mse") -> Ranges:
    """Return the range of every map of ``program`` over training ``pixels``, a few hundred images.

    Args:
        program: Lowered, by :mod:`smidgen.export.lower`.
        pixels: Of the training set, uint8 (n, c, h, w).
        method: ``minmax`` spans every value seen; ``percentile-p`` leaves 100 - p percent out at
            the end it cuts; ``mse`` takes the span, from the full one to a fifth of it, with the
            least mean squared error after rounding to 256 steps.

    Raises:
        ValueError: If the method is unknown or there are no images.
    """
    if method not in METHODS:
        raise ValueError(f"calibration method must be one of {', '.join(METHODS)}, got {method!r}")
    if not len(pixels):
        raise ValueError("calibration needs at least one image, got none")
    x = torch.from_numpy(pixels.astype(np.float32))
    found: list[tuple[tuple[float, float], ...]] = []
    for operation in program.operations:
        maps, x = _maps(operation, x)
        found.append(tuple(_range(values.numpy().ravel(), method) for values in maps))
    return tuple(found)


def _maps(operation: Operation, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the maps that ``operation`` makes on grids of their own, and its result."""
    match operation:
        case MaxPool() | Blur() | Linear() | Flatten():
            return [], apply(operation, x)
        case Conv2d() | GlobalAveragePool():
            y = apply(operation, x)
            return [y], y
        case SqueezeExcite():
            mean = apply(GlobalAveragePool(), x)
            squeeze = operation.squeeze[:, :, None, None]
            latent = apply(Conv2d(squeeze, np.zeros(len(squeeze)), relu=True), mean)
            y = apply(operation, x)
            return [mean, latent, y], y
        case Residual():
            made, inner = _chain(operation.inner, x)
            beside, shortcut = _chain(operation.shortcut, x)
            y = (shortcut + inner).relu() if operation.relu else shortcut + inner
            return [*made, *beside, y], y
        case Normalise():
            raise ValueError("a program must be lowered before it is calibrated")


def _chain(operations: Iterable[Operation], x: Tensor) -> tuple[list[Tensor], Tensor]:
    found: list[Tensor] = []
    for operation in operations:
        maps, x = _maps(operation, x)
        found += maps
    return found, x


def _range(values: NDArray[np.float32], method: str) -> tuple[float, float]:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if method == "minmax":
        return low, high
    if method == "mse":
        return _least_error(values, low, high)
    kept = float(method.removeprefix("percentile-"))
    cut = np.percentile(values, [100 - kept, kept])
    return max(low, min(float(cut[0]), 0.0)), min(high, max(float(cut[1]), 0.0))


def _least_error(values: NDArray[np.float32], low: float, high: float) -> tuple[float, float]:
    if high - low <= 0:
        return low, high
    sample = values[:: max(1, len(values) // _SAMPLE)]

    def error(fraction: float) -> float:
        step = fraction * (high - low) / 255
        zero = np.rint(low * fraction / step)
        rounded = np.clip(np.rint(sample / step), zero, zero + 255) * step
        return float(np.mean((rounded - sample) ** 2))

    best = min(_FRACTIONS, key=error)
    return float(low * best), float(high * best)
