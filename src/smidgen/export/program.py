"""A deployable net: a flat list of operations with their numbers, and its float interpreter."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import comb
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from smidgen.layers import Shape
from smidgen.layers.base import Kernel, sides_of

FloatArray: TypeAlias = NDArray[np.floating[Any]]  # float32 once a program is complete
Pixels: TypeAlias = NDArray[np.uint8]  # n c h w, as stored
MOST = float(np.finfo(np.float32).max)  # of a weight
_BATCH, _PIXELS = 256, 2**18  # images at once, and pixels of them: torch's sums depend on it


@dataclass(frozen=True, slots=True, eq=False)
class Normalise:
    """``(pixel / 255 - mean) / std`` a channel: bytes become what the model was trained on."""

    mean: FloatArray
    std: FloatArray

    def out_shape(self, shape: Shape) -> Shape:
        return shape


class Shared(NamedTuple):
    """Weights that several convolutions share, but for a factor an output channel."""

    key: int  # the same in all of them, and in no other
    weight: FloatArray  # (out, in / groups, rows, columns)
    gain: FloatArray  # (out,), above 0; times the weights, those of this convolution


@dataclass(frozen=True, slots=True, eq=False)
class Conv2d:
    """Convolution, bias, and ReLU where asked.

    Args:
        weight: (out, in / groups, rows, columns).
        bias: (out,).
        stride: In both directions.
        padding: Pixels added above and below, and on either side.
        groups: 1, or the number of channels (depthwise).
        relu: Whether negative results become 0.
        padding_value: (in,), what the added pixels hold. Zero but in a first convolution that
            has absorbed the normalisation, where it is the mean pixel.
        shared: Where others use the same weights, what they have in common.
    """

    weight: FloatArray
    bias: FloatArray
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
    relu: bool = False
    padding_value: FloatArray | None = None
    shared: Shared | None = None

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns of the kernel."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def depthwise(self) -> bool:
        """Whether each channel is filtered alone; a single channel counts as dense."""
        return self.groups > 1

    def out_shape(self, shape: Shape) -> Shape:
        down, across = (
            (side + 2 * pad - kernel) // self.stride + 1
            for side, pad, kernel in zip(shape[1:], self.padding, self.sides, strict=True)
        )
        return Shape(self.weight.shape[0], down, across)


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The largest value of every window; rows and columns that fill no window are dropped."""

    kernel_size: Kernel
    stride: int

    def out_shape(self, shape: Shape) -> Shape:
        rows, columns = sides_of(self.kernel_size)
        return Shape(
            shape.channels,
            (shape.height - rows) // self.stride + 1,
            (shape.width - columns) // self.stride + 1,
        )


@dataclass(frozen=True, slots=True)
class Blur:
    """Binomial filter with reflected borders, then every ``stride``-th pixel."""

    kernel_size: int
    stride: int

    @property
    def row(self) -> tuple[int, ...]:
        """The filter of one direction, in integers: 1 2 1 for a kernel of 3."""
        return tuple(comb(self.kernel_size - 1, i) for i in range(self.kernel_size))

    def out_shape(self, shape: Shape) -> Shape:
        return Shape(
            shape.channels, -(-shape.height // self.stride), -(-shape.width // self.stride)
        )


@dataclass(frozen=True, slots=True, eq=False)
class SqueezeExcite:
    """``x * sigmoid(excite @ relu(squeeze @ mean(x)))``."""

    squeeze: FloatArray  # latent, channels
    excite: FloatArray  # channels, latent

    def out_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """What ``inner`` and ``shortcut`` make of one map, added; ReLU where asked.

    Args:
        inner: Operations, one after another.
        shortcut: Likewise; none where the map itself is added.
        relu: Whether negative results become 0.
    """

    inner: tuple["Operation", ...]
    shortcut: tuple["Operation", ...]
    relu: bool

    def out_shape(self, shape: Shape) -> Shape:
        for operation in self.inner:
            shape = operation.out_shape(shape)
        return shape


@dataclass(frozen=True, slots=True)
class GlobalAveragePool:
    """The mean of every channel."""

    def out_shape(self, shape: Shape) -> Shape:
        return Shape(shape.channels, 1, 1)


@dataclass(frozen=True, slots=True)
class Flatten:
    """All pixels, row by row, the channels of each side by side, as the channels of one."""

    def out_shape(self, shape: Shape) -> Shape:
        return Shape(shape.elements, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """The logits: ``weight @ x + bias`` on a map of one pixel; always the last operation."""

    weight: FloatArray  # classes, channels
    bias: FloatArray

    def out_shape(self, shape: Shape) -> Shape:
        return Shape(self.weight.shape[0], 1, 1)


Operation: TypeAlias = (
    Normalise
    | Conv2d
    | MaxPool
    | Blur
    | SqueezeExcite
    | Residual
    | GlobalAveragePool
    | Flatten
    | Linear
)


@runtime_checkable
class _Step(Protocol):
    def out_shape(self, shape: Shape, /) -> Shape: ...


AnyStep = TypeVar("AnyStep", bound=_Step)


def walk(steps: Iterable[AnyStep], shape: Shape) -> Iterator[tuple[AnyStep, Shape]]:
    """Yield each step of a program, floats or integers, with the shape it receives."""
    for step in steps:
        yield step, shape
        shape = step.out_shape(shape)


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """What every exporter reads: operations on uint8 pixels, logits at the end."""

    name: str
    input_shape: Shape
    operations: tuple[Operation, ...]

    def walk(self) -> Iterator[tuple[Operation, Shape]]:
        """Yield each operation with the shape it receives."""
        return walk(self.operations, self.input_shape)

    @property
    def classes(self) -> int:
        """Number of logits."""
        return list(self.walk())[-1][0].out_shape(Shape(1, 1, 1)).channels


def in_parts(pixels: Pixels) -> Iterator[Pixels]:
    """Yield images as many at a time as there is memory for their maps."""
    size = max(1, min(_BATCH, _PIXELS // (pixels.shape[2] * pixels.shape[3])))
    return (pixels[start : start + size] for start in range(0, len(pixels), size))


def run_float(program: Program, pixels: Pixels) -> FloatArray:
    """Return the logits (n, classes) of uint8 ``pixels`` (n, c, h, w), computed in float32."""
    parts = map(_floats, in_parts(pixels))
    logits = [apply_all(program.operations, part).numpy() for part in parts]
    return np.concatenate(logits) if logits else np.zeros((0, program.classes), np.float32)


def trace(program: Program, pixels: Pixels) -> list[FloatArray]:
    """Return what every operation makes of ``pixels``, in order; the logits come last."""
    x = _floats(pixels)
    seen: list[FloatArray] = []
    for operation in program.operations:
        x = apply(operation, x)
        seen.append(x.numpy())
    return seen


def apply(operation: Operation, x: Tensor) -> Tensor:
    """Return what one operation makes of the maps ``x``, in the precision of ``x``."""
    match operation:
        case Normalise(mean, std):
            mean, std = (_like(side, x).reshape(1, -1, 1, 1) for side in (mean, std))
            y = (x / 255 - mean) / std
        case Conv2d():
            x = pad(x, operation.padding, operation.padding_value)
            weight, bias = _like(operation.weight, x), _like(operation.bias, x)
            y = F.conv2d(x, weight, bias, operation.stride, groups=operation.groups)
            y = y.relu() if operation.relu else y
        case MaxPool(kernel_size, stride):
            y = F.max_pool2d(x, kernel_size, stride)
        case Blur():
            y = _blurred(operation, x)
        case SqueezeExcite(squeeze, excite):
            latent = (x.mean((2, 3)) @ _like(squeeze, x).T).relu()
            y = x * (latent @ _like(excite, x).T).sigmoid()[:, :, None, None]
        case Residual(inner, shortcut, relu):
            y = apply_all(shortcut, x) + apply_all(inner, x)
            y = y.relu() if relu else y
        case GlobalAveragePool():
            y = x.mean((2, 3), keepdim=True)
        case Flatten():
            y = x.permute(0, 2, 3, 1).flatten(1)[:, :, None, None]
        case Linear(weight, bias):
            y = x.flatten(1) @ _like(weight, x).T + _like(bias, x)
    return y


def apply_all(operations: Iterable[Operation], x: Tensor) -> Tensor:
    """Return what operations one after another make of the maps ``x``."""
    for operation in operations:
        x = apply(operation, x)
    return x


def pad(x: Tensor, padding: tuple[int, int], value: FloatArray | None = None) -> Tensor:
    """Return ``x`` with pixels above and below, and beside, that hold ``value`` (0 if none)."""
    above, beside = padding
    if not any(padding):
        return x
    if value is None:
        return F.pad(x, [beside, beside, above, above])
    count, _, height, width = x.shape
    border = _like(value, x).reshape(1, -1, 1, 1)
    last = x.is_contiguous(memory_format=torch.channels_last)
    padded = border.expand(count, -1, height + 2 * above, width + 2 * beside).clone(
        memory_format=torch.channels_last if last else torch.contiguous_format
    )
    padded[:, :, above : above + height, beside : beside + width] = x
    return padded


def _blurred(blur: Blur, x: Tensor) -> Tensor:
    reach = blur.kernel_size // 2
    for axis, sides in ((3, [reach, reach, 0, 0]), (2, [0, 0, reach, reach])):
        x = F.pad(x, sides, mode="reflect" if x.shape[axis] > 1 else "replicate")
    row = torch.tensor(blur.row, dtype=x.dtype)
    kernel = torch.outer(row, row) / row.sum() ** 2
    kernel = kernel.expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, kernel, stride=blur.stride, groups=x.shape[1])


def _floats(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32))


def _like(array: FloatArray, x: Tensor) -> Tensor:
    return torch.from_numpy(array).to(x.dtype)
