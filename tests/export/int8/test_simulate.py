"""Every integer operation against loops over single numbers, on Python's unbounded integers."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smidgen.export.int8.program import (
    GATES,
    HEADROOM,
    Addend,
    IntAverage,
    IntConv2d,
    IntegerProgram,
    IntLinear,
    IntResidual,
    IntSqueezeExcite,
    Rescale,
)
from smidgen.export.int8.simulate import _apply, _sums, scaled, simulate, trace, widened
from smidgen.export.program import Blur, Flatten, MaxPool
from smidgen.layers import Shape

Map = NDArray[Any]


def drawn(seed: int, *shape: int, largest: int = 127) -> Map:
    return np.random.default_rng(seed).integers(-largest, largest + 1, shape).astype(np.int8)


def by(*factors: tuple[int, int], zero: int = 0) -> Rescale:
    multipliers, shifts = zip(*factors, strict=True)
    return Rescale(np.array(multipliers, np.int32), np.array(shifts, np.int32), zero)


def rescaled(x: int, multiplier: int, shift: int) -> int:
    """Return a whole number by a factor: halves go up, then away from zero."""
    high = (2 * x * multiplier + 2**31) // 2**32
    if shift == 0:
        return high
    return (high + 2 ** (shift - 1) - (high < 0)) // 2**shift


def clamped(value: int) -> int:
    return max(-128, min(127, value))


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 5), (5, 1), (1, 3)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_convolution_is_its_sums_over_windows(
    kernel: tuple[int, int], stride: int, depthwise: bool
) -> None:
    channels, out, padding = 3, 3 if depthwise else 4, (kernel[0] // 2, kernel[1] // 2)
    weight = drawn(1, out, 1 if depthwise else channels, *kernel)
    bias, padding_value = np.arange(out).astype(np.int32) * 77 - 100, drawn(2, channels)
    rescale = by(*[(2**30 + 17 * c, 8 + c) for c in range(out)], zero=-3)
    groups = channels if depthwise else 1
    conv = IntConv2d(weight, bias, rescale, stride, padding, groups, padding_value)
    x = drawn(3, 2, 6, 7, channels)
    found = _apply(conv, x)
    expected = np.zeros((2, (5 // stride) + 1, (6 // stride) + 1, out), int)
    for image, row, column, o in np.ndindex(*expected.shape):
        total = int(bias[o])
        for i, j, c in np.ndindex(*kernel, channels):
            if depthwise and c != o:
                continue
            y, z = row * stride + i - padding[0], column * stride + j - padding[1]
            inside = 0 <= y < 6 and 0 <= z < 7
            value = int(x[image, y, z, c]) if inside else int(padding_value[c])
            total += value * int(weight[o, 0 if depthwise else c, i, j])
        factor = int(rescale.multiplier[o]), int(rescale.shift[o])
        expected[image, row, column, o] = clamped(rescaled(total, *factor) - 3)
    assert found.dtype == np.int8
    assert (found == expected).all()


@pytest.mark.parametrize("channels", [1030, 1050])
def test_sums_of_many_large_weights_are_exact(channels: int) -> None:
    """The largest sums are near 2**24, from where on float32 holds no odd number."""
    weight = np.full((2, channels, 1, 1), 127, np.int8)
    weight[1, 0] = 126
    conv = IntConv2d(
        weight, np.zeros(2, np.int32), by((2**30, 1)), 1, (0, 0), 1, np.zeros(channels, np.int8)
    )
    x = np.full((1, 1, 1, channels), -127, np.int8)
    x[0, 0, 0, 0] = -128
    expected = x.reshape(-1).astype(int) @ weight.reshape(2, -1).astype(int).T
    assert _sums(conv, x).reshape(-1).tolist() == expected.tolist()


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (2, 2), (3, 2), (3, 1)])
def test_a_maximum_is_that_of_its_window(kernel: int, stride: int) -> None:
    x = drawn(4, 2, 7, 6, 3)
    found = _apply(MaxPool(kernel, stride), x)
    for image, row, column, c in np.ndindex(*found.shape):
        y, z = row * stride, column * stride
        assert found[image, row, column, c] == x[image, y : y + kernel, z : z + kernel, c].max()
    assert found.shape == (2, (7 - kernel) // stride + 1, (6 - kernel) // stride + 1, 3)


@pytest.mark.parametrize(("kernel", "row"), [(3, [1, 2, 1]), (5, [1, 4, 6, 4, 1])])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_blur_weighs_its_window_and_rounds_halves_up(
    kernel: int, row: list[int], stride: int
) -> None:
    x, reach = drawn(5, 1, 7, 6, 2), kernel // 2
    found = _apply(Blur(kernel, stride), x)

    def mirrored(place: int, size: int) -> int:
        place = abs(place)
        return place if place < size else 2 * (size - 1) - place

    total = sum(row) ** 2
    for _, y, z, c in np.ndindex(*found.shape):
        value = sum(
            row[i]
            * row[j]
            * int(x[0, mirrored(y * stride + i - reach, 7), mirrored(z * stride + j - reach, 6), c])
            for i in range(kernel)
            for j in range(kernel)
        )
        assert found[0, y, z, c] == (2 * value + total) // (2 * total)


def test_a_blur_of_a_line_sees_its_border_again() -> None:
    x = drawn(6, 1, 1, 5, 1)
    found = _apply(Blur(3, 1), x)
    line = [int(v) for v in x.reshape(-1)]
    for z in range(5):
        left, right = line[abs(z - 1)], line[z + 1 if z < 4 else 3]
        assert found[0, 0, z, 0] == (2 * (left + 2 * line[z] + right) + 4) // 8


def test_a_mean_is_its_sum_less_zero_points() -> None:
    x, average = drawn(7, 3, 4, 5, 2), IntAverage(-9, by((1_500_000_000, 5), zero=11))
    found = _apply(average, x)
    for image, c in np.ndindex(3, 2):
        total = sum(int(v) + 9 for v in x[image, :, :, c].reshape(-1))
        assert found[image, 0, 0, c] == clamped(rescaled(total, 1_500_000_000, 5) + 11)
    assert found.shape == (3, 1, 1, 2)


def test_a_gate_scales_its_channel_by_its_table() -> None:
    x = drawn(8, 2, 3, 3, 2)
    average = IntAverage(4, by((2**30, 3), zero=-5))
    none = np.zeros(2, np.int8)
    squeeze = IntConv2d(
        drawn(9, 1, 2, 1, 1), np.array([50], np.int32), by((2**30, 6)), 1, (0, 0), 1, none
    )
    excite = IntConv2d(
        drawn(10, 2, 1, 1, 1), np.array([5, -700], np.int32), by((2**30, 5)), 1, (0, 0), 1, none[:1]
    )
    gate = IntSqueezeExcite(average, squeeze, excite, by((2**31 - 1, 7), zero=2))
    found = _apply(gate, x)
    for image in range(2):
        mean = _apply(average, x[image : image + 1])
        gates = _apply(excite, _apply(squeeze, mean)).reshape(-1)
        for y, z, c in np.ndindex(3, 3, 2):
            product = (int(x[image, y, z, c]) - 4) * int(GATES[int(gates[c]) + 128])
            assert found[image, y, z, c] == clamped(rescaled(product, 2**31 - 1, 7) + 2)
    assert len({*found.reshape(-1).tolist()}) > 5


def test_a_sum_widens_both_maps_before_it_adds_them() -> None:
    assert HEADROOM == 20
    x = drawn(11, 1, 2, 2, 1)
    inner = IntConv2d(
        np.array([[[[-77]]]], np.int8), np.array([9], np.int32), by((2**30, 5)), 1, (0, 0), 1,
        np.zeros(1, np.int8),
    )  # fmt: skip
    half, part = by((2**30, 0)), by((1_700_000_000, 2))
    total = IntResidual((inner,), (), Addend(3, half), Addend(-6, part), by((2**30, 17), zero=1))
    shortened = IntResidual((), (inner,), Addend(3, half), Addend(-6, part), total.rescale)
    made = _apply(inner, x)
    for operation, sides in ((total, (made, x)), (shortened, (x, made))):
        found = _apply(operation, x)
        for place in np.ndindex(*x.shape):
            first = rescaled((int(sides[0][place]) - 3) * 2**20, 2**30, 0)
            second = rescaled((int(sides[1][place]) + 6) * 2**20, 1_700_000_000, 2)
            assert found[place] == clamped(rescaled(first + second, 2**30, 17) + 1)
    assert widened(np.array([[4, 2]], np.int8), Addend(3, half)).tolist() == [[2**19, -(2**19)]]


def test_numbers_are_scaled_in_place() -> None:
    x = np.array([10, -10, 7], np.int64)
    assert scaled(x, by((2**30, 2))) is x
    assert x.tolist() == [1, -1, 1]


def test_pixels_are_bytes_less_128_and_batches_of_any_size_answer_alike() -> None:
    head = IntLinear(drawn(12, 3, 8), np.array([1, -2, 3], np.int32), 0.1)
    program = IntegerProgram("flat", Shape(2, 2, 2), (Flatten(), head))
    pixels = np.random.default_rng(0).integers(0, 256, (67, 2, 2, 2), dtype=np.uint8)
    whole = simulate(program, pixels)
    values = pixels.transpose(0, 2, 3, 1).reshape(67, 8).astype(int) - 128
    assert (whole == values @ head.weight.T.astype(int) + head.bias).all()
    assert whole.dtype == np.int32
    assert (
        np.concatenate([simulate(program, pixels[i : i + 1]) for i in range(67)]) == whole
    ).all()
    none = simulate(program, pixels[:0])
    assert (none.shape, none.dtype) == ((0, 3), np.int32)
    first, _ = trace(program, pixels[:1])
    assert first.shape == (1, 1, 1, 8)


def test_of_large_images_fewer_are_simulated_at_once() -> None:
    conv = IntConv2d(
        drawn(13, 4, 1, 3, 3), np.zeros(4, np.int32), by(*[(2**30, 9)] * 4), 1, (1, 1), 1,
        np.zeros(1, np.int8),
    )  # fmt: skip
    average = IntAverage(0, by((2**30, 14)))
    head = IntLinear(drawn(14, 2, 4), np.zeros(2, np.int32), 0.1)
    program = IntegerProgram("wide", Shape(1, 128, 128), (conv, average, head))
    pixels = np.zeros((32, 1, 128, 128), np.uint8)
    tracemalloc.start()
    try:
        simulate(program, pixels)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    windows = 4 * 9 * pixels.nbytes  # of all images at once, in float32
    assert most < windows
