"""The ranges of a program's maps, measured on training images."""

from collections.abc import Iterable
from math import floor
from typing import Literal, TypeAlias, final, get_args

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

_PIXELS = 2**19  # of the images that go through the net at once: torch's sums depend on how many
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
    size = max(1, _PIXELS // (pixels.shape[2] * pixels.shape[3]))
    found: list[list[_Values]] = []
    for start in range(0, len(pixels), size):
        x = torch.from_numpy(pixels[start : start + size].astype(np.float32))
        part = len(x)
        for place, operation in enumerate(program.operations):
            maps, x = _maps(operation, x)
            if not start:
                sizes = (len(pixels) * (values.numel() // part) for values in maps)
                found.append([_Values(method, count) for count in sizes])
            for seen, values in zip(found[place], maps, strict=True):
                seen.add(values.numpy().ravel())
    return tuple(tuple(values.range() for values in of) for of in found)


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


@final
class _Values:
    """What the range of a map is found from, kept of values that come in parts.

    Args:
        method: As :func:`calibrate` takes it.
        count: Of the values in all parts.
    """

    def __init__(self, method: str, count: int) -> None:
        self.low = self.high = 0.0
        self._count, self._seen = count, 0
        self._step = max(1, count // _SAMPLE) if method == "mse" else 0
        self._sample: list[NDArray[np.float32]] = []
        kept = float(method.removeprefix("percentile-")) if method.startswith("percentile-") else 0
        self._places = [(count - 1) * (percent / 100) for percent in (100 - kept, kept) if kept]
        self._ends = [np.zeros(0, np.float32) for _ in self._places]

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in the next values."""
        self.low = min(float(values.min()), self.low)
        self.high = max(float(values.max()), self.high)
        if self._step:
            self._sample.append(values[-self._seen % self._step :: self._step].copy())
        for end, (place, sign) in enumerate(zip(self._places, (1, -1), strict=False)):
            needed = floor(place) + 2 if sign > 0 else self._count - floor(place)
            both = np.concatenate([self._ends[end], sign * values])
            self._ends[end] = np.partition(both, min(needed, len(both)) - 1)[:needed].copy()
        self._seen += len(values)

    def range(self) -> tuple[float, float]:
        """Return the range, once all values are in."""
        assert self._seen == self._count
        if self._step:
            return _least_error(np.concatenate(self._sample), self.low, self.high)
        if not self._places:
            return self.low, self.high
        below, above = np.sort(self._ends[0]), -np.sort(self._ends[1])[::-1]
        low, high = self._places
        cut = _between(below, low), _between(above, high - (self._count - len(above)))
        return max(self.low, min(cut[0], 0.0)), min(self.high, max(cut[1], 0.0))


def _between(values: NDArray[np.float32], place: float) -> float:
    """Return the value at a place of sorted ones, between two of them as NumPy's percentiles."""
    first = floor(place)
    return float(np.quantile(values[first : first + 2], np.array([place - first]))[0])


def _least_error(sample: NDArray[np.float32], low: float, high: float) -> tuple[float, float]:
    if high - low <= 0:
        return low, high

    def error(fraction: float) -> float:
        step = fraction * (high - low) / 255
        zero = np.rint(low * fraction / step)
        rounded = np.clip(np.rint(sample / step), zero, zero + 255) * step
        return float(np.mean((rounded - sample) ** 2))

    best = min(_FRACTIONS, key=error)
    return float(low * best), float(high * best)
