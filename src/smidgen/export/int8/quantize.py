"""From floats to integers, by the specification in docs/quantisation.md.

In short: int8 weights, symmetric, one scale an output channel (one in all for the classifier);
int8 activations, one scale and zero point a map; int32 biases and sums; TFLite's double rounding.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from smidgen.export.int8.calibrate import Ranges
from smidgen.export.int8.program import (
    GATE_SCALE,
    HEADROOM,
    WIDEST_BLUR,
    Addend,
    Grid,
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
from smidgen.export.program import (
    Blur,
    Conv2d,
    Flatten,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Normalise,
    Operation,
    Program,
    Residual,
    SqueezeExcite,
    walk,
)
from smidgen.layers import Shape

PIXELS = Grid(scale=1.0, zero=-128)  # of the input: a byte less 128
STEEPEST = 0.499  # output steps a sum step may be worth; Rescale holds factors below 1/2
FLATTEST = 2.0**-20
LARGEST_SUM = 2**30 - 1  # the kernels double a sum before they multiply
_LEAST_STEP = 1e-12  # of the classifier's weights
_SATURATED = 256 / FLATTEST  # a sum that is at an end of the output, whatever it is worth
GATE = Grid(GATE_SCALE, 0)

Array = NDArray[np.float64]


def quantize(program: Program, ranges: Ranges) -> IntegerProgram:
    """Return the integer form of ``program``.

    Args:
        program: Lowered: its first sum has absorbed the normalisation.
        ranges: Of its maps, from :func:`smidgen.export.int8.calibrate.calibrate`.

    Raises:
        ValueError: If a sum has more terms than 32 bits hold, or a blur is wider than there is C
            for; the place of the operation is named.
    """
    grid, done = PIXELS, list[IntOperation]()
    for place, ((operation, shape), own) in enumerate(zip(program.walk(), ranges, strict=True), 1):
        try:
            integer, grid = _operation(operation, shape, grid, (grid_of(*ends) for ends in own))
        except ValueError as error:
            raise ValueError(f"{program.name}, operation {place}: {error}") from None
        done.append(integer)
    return IntegerProgram(program.name, program.input_shape, tuple(done))


def grid_of(low: float, high: float) -> Grid:
    """Return the grid that spans ``low`` to ``high``, widened to hold 0 exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 0:
        high = 1.0
    scale = (high - low) / 255
    return Grid(scale, int(np.clip(np.floor(-128 - low / scale + 0.5), -128, 127)))


def rescale(factors: Sequence[float] | Array, zero: int, scale: float = 1.0) -> Rescale:
    """Return multipliers and shifts for ``factors``, each at least 0 and below 1/2.

    The results lie on the grid of ``scale`` and ``zero``. The last five bits of a multiplier are
    its shift less 1, an error of 3e-8 of the factor.
    """
    mantissa, exponent = np.frexp(np.asarray(factors, np.float64))
    multiplier = np.floor(mantissa * 2**31 + 0.5).astype(np.int64)
    carried = multiplier == 2**31
    multiplier, shift = np.where(carried, 2**30, multiplier), -(exponent + carried)
    vanishing = shift > 31  # noqa: PLR2004 - no bit of the sum survives
    vanishing |= multiplier == 0
    multiplier, shift = np.where(vanishing, 2**30, multiplier), np.where(vanishing, 31, shift)
    assert (shift >= 1).all(), "a factor is 1/2 or more"
    multiplier = (multiplier & ~31) | (shift - 1)  # so that a table of shifts is not needed
    return Rescale(multiplier.astype(np.int32), shift.astype(np.int32), zero, scale)


def _operation(
    operation: Operation, shape: Shape, grid: Grid, own: Iterator[Grid]
) -> tuple[IntOperation, Grid]:
    match operation:
        case Conv2d():
            out = next(own)
            return _conv(operation, grid, out), out
        case Blur(kernel_size) if kernel_size > WIDEST_BLUR:
            raise ValueError(f"blur kernel_size must be <= {WIDEST_BLUR}, got {kernel_size}")
        case MaxPool() | Blur() | Flatten():
            return operation, grid
        case SqueezeExcite():
            return _squeeze_excite(operation, shape, grid, own)
        case Residual():
            return _residual(operation, shape, grid, own)
        case GlobalAveragePool():
            return _average(shape, grid, next(own))
        case Linear(weight, bias):
            return _linear(weight, bias, grid), grid
        case Normalise():
            raise ValueError("normalisation must be the first operation and the only one")


def _conv(conv: Conv2d, grid: Grid, out: Grid) -> IntConv2d:
    """Quantise a convolution; ``out`` is the grid of its result."""
    weight = conv.weight.astype(np.float64)
    scale = weight_scales(weight, grid, out)
    rounded = _rounded(conv, scale)
    channels = weight.shape[0] if conv.depthwise else weight.shape[1]
    # the input's real zero, in steps of its grid; between two steps only for the mean pixel
    zero = np.full(channels, float(grid.zero))
    bias = conv.bias.astype(np.float64)
    if conv.padding_value is not None:
        mean = conv.padding_value.astype(np.float64)
        zero += mean / grid.scale
        column = (-1, 1, 1, 1) if conv.depthwise else (1, -1, 1, 1)
        bias = bias + (weight * mean.reshape(column)).sum((1, 2, 3))
    zeros = zero.reshape(-1, 1, 1, 1) if conv.depthwise else zero.reshape(1, -1, 1, 1)
    bias = bias / (grid.scale * scale) - (rounded * zeros).sum((1, 2, 3))
    reach = 128 * np.abs(rounded).sum((1, 2, 3))
    return IntConv2d(
        rounded.astype(np.int8),
        _bias(bias, reach),
        rescale(grid.scale * scale / out.scale, out.zero, out.scale),
        conv.stride,
        conv.padding,
        conv.groups,
        np.clip(np.floor(zero + 0.5), -128, 127).astype(np.int8),
    )


def _rounded(conv: Conv2d, scale: Array) -> Array:
    """Return the weights in steps of ``scale``; shared ones are the same in all that share them.

    Unless their scale was bounded: then they are rounded apart.
    """
    own, steps = conv.weight.astype(np.float64), scale
    if conv.shared is not None:
        shared, gain = (array.astype(np.float64) for array in conv.shared[1:])
        largest = np.abs(shared).reshape(len(shared), -1).max(1) / 127
        free = np.isclose(scale, largest * gain, rtol=1e-5, atol=0)
        own, steps = shared, np.where(free, largest, scale / gain)
    return _round(own / steps.reshape(-1, 1, 1, 1), 127)


def weight_scales(weight: Array, grid: Grid, out: Grid) -> Array:
    """Return the scale of every output channel's weights.

    The largest weight is 127, unless one step of the sum would then be worth half a step of the
    output or more, or less than 2**-20 of one: a channel whose inputs stay near 0 or one that is
    all but dead. The scale then stops at that bound, and weights saturate or vanish.
    """
    largest = np.abs(weight).reshape(len(weight), -1).max(1)
    step = out.scale / grid.scale
    return np.clip(largest / 127, FLATTEST * step, STEEPEST * step)


def _average(shape: Shape, grid: Grid, out: Grid) -> tuple[IntAverage, Grid]:
    pixels = shape.height * shape.width
    if pixels * max(127 - grid.zero, 128 + grid.zero) > LARGEST_SUM:
        raise ValueError(
            "int8 adds up the pixels of a channel in 32 bits, and this map has too many:"
            f" {shape.height} x {shape.width}"
        )
    out = no_finer(out, grid.scale / pixels)
    by = rescale([grid.scale / pixels / out.scale], out.zero, out.scale)
    return IntAverage(grid.zero, by), out


def _squeeze_excite(
    own: SqueezeExcite, shape: Shape, grid: Grid, grids: Iterator[Grid]
) -> tuple[IntSqueezeExcite, Grid]:
    average, mean = _average(shape, grid, next(grids))
    latent, out = next(grids), no_finer(next(grids), grid.scale / 256)
    squeeze = Conv2d(own.squeeze[:, :, None, None], np.zeros(len(own.squeeze)), relu=True)
    excite = Conv2d(own.excite[:, :, None, None], np.zeros(len(own.excite)))
    integer = IntSqueezeExcite(
        average,
        _conv(squeeze, mean, latent),
        _conv(excite, latent, GATE),
        rescale([grid.scale / 256 / out.scale], out.zero, out.scale),
    )
    return integer, out


def _residual(
    own: Residual, shape: Shape, grid: Grid, grids: Iterator[Grid]
) -> tuple[IntResidual, Grid]:
    inner, made = _chain(own.inner, shape, grid, grids)
    shortcut, beside = _chain(own.shortcut, shape, grid, grids)
    larger = max(made.scale, beside.scale)
    step = 2 * larger / 2**HEADROOM
    out = no_finer(next(grids), step)  # of a sum whose sides cancel, or that is all but dead
    integer = IntResidual(
        inner,
        shortcut,
        Addend(made.zero, half_of(made.scale, larger)),
        Addend(beside.zero, half_of(beside.scale, larger)),
        rescale([step / out.scale], out.zero, out.scale),
    )
    return integer, out


def _chain(
    operations: tuple[Operation, ...], shape: Shape, grid: Grid, grids: Iterator[Grid]
) -> tuple[tuple[IntOperation, ...], Grid]:
    done: list[IntOperation] = []
    for operation, before in walk(operations, shape):
        integer, grid = _operation(operation, before, grid, grids)
        done.append(integer)
    return tuple(done), grid


def half_of(scale: float, larger: float) -> Rescale:
    """Return the factor ``scale / larger / 2``; that of the larger one is 1/2, exactly."""
    if scale > larger * (1 - 2.0**-30):
        return Rescale(np.array([2**30], np.int32), np.array([0], np.int32), 0)
    return rescale([scale / larger / 2], 0)


def _linear(weight: NDArray[np.floating], bias: NDArray[np.floating], grid: Grid) -> IntLinear:
    # its sums are the answer and nothing saturates them: biases that weights next to nothing would
    # leave no room for make the scale coarser
    room = float(np.abs(bias).max()) / (grid.scale * (LARGEST_SUM // 2))
    needed = max(float(np.abs(weight).max()) / 127, room)
    if 0 < needed < _LEAST_STEP:  # where weights vanish, and all pictures get one class
        raise ValueError(
            f"int8 has no step for logits as small as these: the classifier's weights must reach"
            f" {127 * _LEAST_STEP:.0e}, got at most {np.abs(weight).max():.0e}; multiplied by one"
            " factor, weights and biases of the classifier give the same answers"
        )
    scale = max(needed, _LEAST_STEP)
    rounded = _round(weight.astype(np.float64) / scale, 127)
    sums = bias.astype(np.float64) / (grid.scale * scale) - rounded.sum(1) * grid.zero
    return IntLinear(
        rounded.astype(np.int8),
        _bias(sums, 128 * np.abs(rounded).sum(1), saturates=False),
        grid.scale * scale,
    )


def no_finer(grid: Grid, step: float) -> Grid:
    """Return ``grid``, coarsened where a sum worth ``step`` would move it by half or more."""
    finest = step / STEEPEST
    return grid if grid.scale >= finest else Grid(finest, grid.zero)


def _bias(bias: Array, reach: Array, *, saturates: bool = True) -> Int32:
    """Return int32 biases; one so large that the sum could overflow saturates its output anyway.

    Where tens of thousands of weights make one output, or nothing saturates, that does not hold.
    """
    room = LARGEST_SUM - reach
    lost = np.abs(bias) > room + 1
    if saturates:
        lost &= room - reach < _SATURATED
    if ((room <= 0) | lost).any():
        raise ValueError(
            "int8 adds up products in 32 bits, which one output here has too many weights for:"
            " make the map before it smaller"
        )
    return np.clip(np.floor(bias + 0.5), -room, room).astype(np.int32)


def _round(values: Array, largest: int) -> Array:
    return np.clip(np.floor(values + 0.5), -largest, largest)
