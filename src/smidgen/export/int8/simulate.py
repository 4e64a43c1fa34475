"""Integer inference in NumPy, bit for bit what the generated C computes."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smidgen.export.int8.program import (
    GATES,
    HEADROOM,
    Addend,
    Int8,
    Int32,
    IntAverage,
    IntConv2d,
    IntegerProgram,
    IntLinear,
    IntOperation,
    IntResidual,
    IntSqueezeExcite,
    Rescale,
)
from smidgen.export.program import Blur, Flatten, MaxPool, Pixels
from smidgen.layers.base import Kernel, sides_of

# Images at a time, and pixels of them: their maps stay near the cache, and their windows in memory.
_BATCH, _PIXELS = 32, 32 * 64 * 64


def simulate(program: IntegerProgram, pixels: Pixels) -> Int32:
    """Return the int32 logits (n, classes) of uint8 ``pixels`` (n, c, h, w)."""
    size = max(1, min(_BATCH, _PIXELS // (pixels.shape[2] * pixels.shape[3])))
    parts = [_logits(program, pixels[i : i + size]) for i in range(0, len(pixels), size)]
    return np.concatenate(parts) if parts else np.zeros((0, len(program.head.bias)), np.int32)


def trace(program: IntegerProgram, pixels: Pixels) -> Iterator[NDArray[Any]]:
    """Yield what every operation makes of ``pixels``, as int8 maps (n, h, w, c), then logits."""
    x = (pixels.transpose(0, 2, 3, 1).astype(np.int16) - 128).astype(np.int8)
    for operation in program.operations:
        x = _apply(operation, x)
        yield x


def requantise(sums: Int32, by: Rescale) -> Int8:
    """Return sums (..., channels) as int8: TFLite's ``MultiplyByQuantizedMultiplier`` and clamp.

    Its first rounding, ``SaturatingRoundingDoublingHighMul``, is ``(2 a m + 2**31) >> 32``, halves
    towards plus infinity; its second, ``RoundingDivideByPOT``, rounds halves away from zero.
    """
    x = scaled(sums.astype(np.int64), by)
    x += by.zero
    return np.clip(x, -128, 127, out=x).astype(np.int8)


def scaled(x: NDArray[np.int64], by: Rescale) -> NDArray[np.int64]:
    """Return whole numbers by a factor, rounded twice, in place."""
    shift = by.shift.astype(np.int64)
    x *= by.multiplier
    x += 1 << 30
    x >>= 31
    x += (x >> 63) * (shift > 0)  # -1 below zero: a half there rounds down
    x += np.left_shift(1, shift) >> 1
    x >>= shift
    return x


def _logits(program: IntegerProgram, pixels: Pixels) -> Int32:
    *_, logits = trace(program, pixels)
    assert logits.dtype == np.int32
    return logits


def _apply(operation: IntOperation, x: Int8) -> NDArray[Any]:
    y: NDArray[Any]
    match operation:
        case IntConv2d():
            y = requantise(_sums(operation, x), operation.rescale)
        case MaxPool(kernel_size, stride):
            y = _windows(x, kernel_size, stride).max((3, 4))
        case Blur():
            y = _blurred(operation, x)
        case IntSqueezeExcite():
            gated = x.astype(np.int32) - operation.average.zero
            y = requantise(gated * _gates(operation, x), operation.rescale)
        case IntResidual():
            y = _summed(operation, x)
        case IntAverage():
            y = _averaged(operation, x)
        case Flatten():
            y = x.reshape(len(x), 1, 1, -1)
        case IntLinear(weight, bias):
            y = x.reshape(len(x), -1).astype(np.int32) @ weight.T.astype(np.int32) + bias
    return y


def _summed(own: IntResidual, x: Int8) -> Int8:
    made, beside = x, x
    for operation in own.inner:
        made = _apply(operation, made)
    for operation in own.shortcut:
        beside = _apply(operation, beside)
    return requantise(widened(made, own.made) + widened(beside, own.beside), own.rescale)


def widened(x: Int8, by: Addend) -> Int32:
    """Return what a map adds to a sum: TFLite's two roundings, of which a half needs none."""
    y = (x.astype(np.int64) - by.zero) << HEADROOM
    return scaled(y, by.rescale).astype(np.int32)


def _sums(conv: IntConv2d, x: Int8) -> Int32:
    if any(conv.padding):
        count, height, width, channels = x.shape
        above, beside = conv.padding
        padded = np.empty((count, height + 2 * above, width + 2 * beside, channels), np.int8)
        padded[:] = conv.padding_value
        padded[:, above : above + height, beside : beside + width] = x
        x = padded
    windows = _windows(x, conv.sides, conv.stride)  # n h w k k c
    if conv.depthwise:
        sums = np.zeros((*windows.shape[:3], x.shape[3]), np.int32)
        for row, column in np.ndindex(conv.sides):
            tap = conv.weight[:, 0, row, column].astype(np.int32)
            sums += windows[:, :, :, row, column] * tap
        return sums + conv.bias
    # floats add integers exactly while no partial sum leaves their mantissa
    reach = 128 * int(np.abs(conv.weight.astype(np.int64)).sum((1, 2, 3)).max(initial=0))
    exact = np.float32 if reach < 2**24 else np.float64
    flat = windows.reshape(-1, prod(conv.sides) * x.shape[3]).astype(exact)
    kernel = conv.weight.transpose(2, 3, 1, 0).reshape(flat.shape[1], -1).astype(exact)
    return (flat @ kernel).astype(np.int32).reshape(*windows.shape[:3], -1) + conv.bias


def _windows(x: Int8, kernel_size: Kernel, stride: int) -> Int8:
    """Return a view (n, h, w, k, k, c) of the windows of ``x``."""
    view = np.lib.stride_tricks.sliding_window_view(x, sides_of(kernel_size), (1, 2))
    return view[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)


def _blurred(blur: Blur, x: Int8) -> Int8:
    reach = blur.kernel_size // 2
    for axis in (1, 2):
        sides = [(0, 0)] * 4
        sides[axis] = (reach, reach)
        x = np.pad(x, sides, mode="reflect" if x.shape[axis] > 1 else "edge")
    windows = _windows(x, blur.kernel_size, blur.stride)
    row = np.array(blur.row, np.int32)
    sums = np.einsum("nhwyxc,y,x->nhwc", windows.astype(np.int32), row, row)
    shift = 2 * (blur.kernel_size - 1)
    return ((sums + (1 << shift >> 1)) >> shift).astype(np.int8)


def _averaged(average: IntAverage, x: Int8) -> Int8:
    pixels = x.shape[1] * x.shape[2]
    sums = x.sum((1, 2), dtype=np.int32, keepdims=True) - np.int32(average.zero * pixels)
    return requantise(sums, average.rescale)


def _gates(own: IntSqueezeExcite, x: Int8) -> Int32:
    mean = _averaged(own.average, x)
    latent = requantise(_sums(own.squeeze, mean), own.squeeze.rescale)
    gate = requantise(_sums(own.excite, latent), own.excite.rescale)
    return GATES[gate.astype(np.int32) + 128].astype(np.int32)
