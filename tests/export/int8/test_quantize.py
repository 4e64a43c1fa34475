"""Integer inference rounds as it says, and stays near the floats it stands for."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.export.nets import Plan, pixels_for, plans, program_of, spec_of, warmed

from smidgen import layers, zoo
from smidgen.export.c.footprint import predict_cost
from smidgen.export.int8.calibrate import METHODS, Method, calibrate
from smidgen.export.int8.choose import quantize_best
from smidgen.export.int8.program import GATES, Grid, IntConv2d, IntegerProgram, Rescale
from smidgen.export.int8.quantize import (
    _linear,
    _rounded,
    grid_of,
    half_of,
    no_finer,
    quantize,
    rescale,
    weight_scales,
)
from smidgen.export.int8.simulate import requantise, simulate, trace
from smidgen.export.lower import lower
from smidgen.export.program import (
    Blur,
    Conv2d,
    Flatten,
    GlobalAveragePool,
    Linear,
    Normalise,
    Program,
    Shared,
    run_float,
)
from smidgen.export.program import trace as float_trace
from smidgen.layers import Layer, Shape
from smidgen.spec import NetSpec

HEAD = (layers.GlobalAveragePool(), layers.Classifier(4, bias=True))


def tflite(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier as gemmlowp writes it, on unbounded integers."""
    product = x * multiplier
    nudge = 2**30 if product >= 0 else 1 - 2**30
    high = math.trunc((product + nudge) / 2**31) if abs(product) < 2**52 else 0
    if not abs(product) < 2**52:  # beyond doubles: truncate by hand
        high = abs(product + nudge) // 2**31 * (1 if product + nudge >= 0 else -1)
    mask = 2**shift - 1
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    return (high >> shift) + (1 if (high & mask) > threshold else 0)


@given(
    st.lists(st.integers(-(2**30) + 1, 2**30 - 1), min_size=1, max_size=50),
    st.integers(2**30, 2**31 - 1),
    st.integers(1, 31),
    st.integers(-128, 127),
)
def test_rescaling_is_tflites_double_rounding(
    sums: list[int], multiplier: int, shift: int, zero: int
) -> None:
    one = Rescale(np.array([multiplier], np.int32), np.array([shift], np.int32), zero)
    expected = [max(-128, min(127, tflite(x, multiplier, shift) + zero)) for x in sums]
    assert requantise(np.array(sums, np.int32)[:, None], one)[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("x", "expected"), [(2, 1), (6, 2), (-2, -1), (-6, -2), (1, 1), (-1, 0), (3, 1), (-3, -1)]
)
def test_the_first_rounding_sends_halves_up_and_the_second_away_from_zero(
    x: int, expected: int
) -> None:
    quarter = rescale([0.25], 0)  # a half in the first rounding, a half in the second
    assert (quarter.multiplier.item(), quarter.shift.item()) == (2**30, 1)
    assert requantise(np.array([[x]], np.int32), quarter).item() == expected


@given(st.floats(2**-30, 0.4999999))
def test_a_factor_is_held_to_25_bits_and_tells_its_shift(factor: float) -> None:
    held = rescale([factor], 0)
    real = held.multiplier.item() * 2.0 ** -(31 + held.shift.item())
    assert real == pytest.approx(factor, rel=2**-25)
    assert held.multiplier.item() % 32 == held.shift.item() - 1
    assert 2**30 <= held.multiplier.item() < 2**31


def test_a_grid_holds_zero_and_both_ends() -> None:
    assert grid_of(0.0, 6.375).zero == -128  # ReLU is then the lower end of int8
    assert grid_of(0.5, 2.0).zero == -128
    for low, high in ((-1.0, 3.0), (-7.0, 0.5), (-2.0, 0.0), (0.0, 0.0)):
        grid = grid_of(low, high)
        assert grid.scale * (-128 - grid.zero) <= low + grid.scale
        assert grid.scale * (127 - grid.zero) >= high - grid.scale


def net(*body: Layer, shape: Shape = Shape(3, 9, 7)) -> NetSpec:  # noqa: B008
    return NetSpec(shape, (*body, *HEAD))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv(5),
        layers.Conv(5, kernel_size=5, stride=2),
        layers.Conv(3, kernel_size=1),
        layers.Depthwise(6, stride=3),
    ],
)
def test_the_first_convolution_is_off_by_its_roundings_alone(layer: Layer) -> None:
    spec = net(layer)
    program, images = warmed(spec), pixels_for(spec, 20)
    lowered = lower(program)
    integer = quantize(lower(program), calibrate(lower(program), images, "minmax"))
    real, held = lowered.operations[0], integer.operations[0]
    assert isinstance(real, Conv2d)
    assert isinstance(held, IntConv2d)
    # the grid of the result and the scales of the weights, from the numbers alone
    low, high = calibrate(lower(program), images, "minmax")[0][0]
    out = grid_of(low, high)
    factor = held.rescale.multiplier * 2.0 ** -(31.0 + held.rescale.shift)
    weights = factor * out.scale
    # half a step of each weight on what a pixel can differ from the mean; half a grey level of
    # padding; one rounding of the bias; two of the result
    spread = 0.5 * weights * 255 * real.weight[0].size
    padding = 0.5 * np.abs(real.weight).sum((1, 2, 3))
    bound = spread + padding + weights + 1.01 * out.scale
    expected = float_trace(lowered, images)[0].transpose(0, 2, 3, 1)
    got = next(trace(integer, images))
    assert (np.abs((got - float(out.zero)) * out.scale - expected) <= bound).all()
    typical = np.abs((got - float(out.zero)) * out.scale - expected).mean()
    assert typical < 1.0 * out.scale  # most roundings cancel


def test_a_flat_picture_of_the_mean_is_zero_to_the_first_convolution() -> None:
    spec = NetSpec(Shape(1, 6, 6), (layers.Conv(4), *HEAD))
    program = warmed(spec)
    images = np.full((1, 1, 6, 6), 79, np.uint8)  # 255 times the mean, 79.05, rounded
    integer = quantize(lower(program), calibrate(lower(program), pixels_for(spec, 30)))
    result = next(trace(integer, images))
    # border and middle see the same: padding is the mean pixel, not black
    assert (result == result[:, :1, :1]).all()


@given(plans())
def test_any_net_runs_in_integers_without_overflow(plan: Plan) -> None:
    spec = spec_of(plan)
    program, images = program_of(spec), pixels_for(spec, 6)
    integer = quantize(lower(program), calibrate(lower(program), images[:3]))
    for operation in integer.operations:
        if isinstance(operation, IntConv2d):
            reach = 128 * np.abs(operation.weight.astype(np.int64)).sum((1, 2, 3))
            assert (reach + np.abs(operation.bias.astype(np.int64)) < 2**30).all()
            assert (operation.rescale.shift >= 1).all()
    assert simulate(integer, images).dtype == np.int32


@pytest.mark.parametrize("method", METHODS)
def test_a_reference_net_keeps_its_logits(method: Method) -> None:
    spec = zoo.net("mnist-1k5-dw")
    program, images = warmed(spec), pixels_for(spec, 60)
    integer = quantize(lower(program), calibrate(lower(program), images[:30], method))
    expected = run_float(program, images)
    got = simulate(integer, images) * integer.head.scale
    spread = expected - expected.mean(0)
    assert np.sqrt(((got - expected) ** 2).mean() / (spread**2).mean()) < 0.15


def test_blur_rounds_halves_up_and_keeps_a_flat_map() -> None:
    blur = Blur(3, 1)
    program = IntegerProgram("blur", Shape(1, 3, 3), (blur,))
    for level in (0, 7, 255):
        flat = np.full((1, 1, 3, 3), level, np.uint8)
        assert (next(trace(program, flat)) == level - 128).all()
    dot = np.full((1, 1, 3, 3), 128, np.uint8)
    dot[0, 0, 1, 1] = 130  # 2 * 4/16 = 0.5 in the middle, 2 * 8/16 beside it by reflection
    assert next(trace(program, dot))[0, 1, 1, 0] == 1
    assert next(trace(program, dot))[0, 1, 0, 0] == 1
    dot[0, 0, 1, 1] = 126  # -0.5 in the middle: halves go up
    assert next(trace(program, dot))[0, 1, 1, 0] == 0


def test_the_gate_table_is_the_sigmoid_to_its_last_bit() -> None:
    x = np.arange(-128, 128) / 16
    exact = np.minimum(1 / (1 + np.exp(-x)), 255 / 256)  # a byte holds no 1
    np.testing.assert_allclose(GATES / 256, exact, rtol=0, atol=1 / 512 + 1e-9)


def test_calibration_methods_cut_outliers_as_they_say() -> None:
    spec = zoo.net("mnist-1k5-dw")
    program, images = warmed(spec), pixels_for(spec, 20)
    full, nines, more, least = (calibrate(lower(program), images, method) for method in METHODS)
    highs = [[r[0][1] for r in ranges if r] for ranges in (full, nines, more, least)]
    assert all(a >= c >= b for a, b, c in zip(*highs[:3], strict=True))
    assert all(a >= b for a, b in zip(highs[0], highs[3], strict=True))
    assert sum(highs[1]) < sum(highs[0])


def test_calibration_refuses_what_it_cannot_use() -> None:
    spec = zoo.net("mnist-1k5-dw")
    program = program_of(spec)
    with pytest.raises(ValueError, match="at least one image"):
        calibrate(lower(program), pixels_for(spec, 1)[:0])
    with pytest.raises(ValueError, match=r"must be one of minmax, .*, got 'max'"):
        calibrate(lower(program), pixels_for(spec, 1), "max")  # pyright: ignore[reportArgumentType]


@given(st.floats(-9.0, -0.1), st.floats(0.1, 9.0))
def test_a_zero_point_is_rounded_to_the_nearest(low: float, high: float) -> None:
    exact = -128 - low / ((high - low) / 255)
    assert abs(grid_of(low, high).zero - exact) <= 0.5 + 1e-9


def test_weights_are_in_127ths_of_the_largest_of_their_scale() -> None:
    spec = zoo.net("mnist-1k5-dw")
    program = warmed(spec)
    integer = quantize(lower(program), calibrate(lower(program), pixels_for(spec, 60), "minmax"))
    real, held = program.operations[-1], integer.head
    assert isinstance(real, Linear)
    expected = np.floor(127 * real.weight / np.abs(real.weight).max() + 0.5)
    assert (held.weight == expected).mean() > 0.99, "a half may round the other way"
    real, held = lower(program).operations[0], integer.operations[0]
    assert isinstance(real, Conv2d)
    assert isinstance(held, IntConv2d)
    largest = np.abs(real.weight).max((1, 2, 3), keepdims=True)
    expected = np.floor(127 * real.weight / largest + 0.5)
    own = (held.weight == expected).all((1, 2, 3))
    assert own.mean() > 0.7, "few channels are at a bound of their scale"


@pytest.mark.parametrize("just_below", [1 - 2.0**-33, 1 - 2.0**-40])
@pytest.mark.parametrize("power", [0.25, 0.125, 2.0**-20])
def test_a_mantissa_that_rounds_up_to_the_next_power_carries(
    just_below: float, power: float
) -> None:
    found, expected = rescale([power * just_below], 0), rescale([power], 0)
    assert found.multiplier.tolist() == expected.multiplier.tolist()
    assert found.shift.tolist() == expected.shift.tolist()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_bias_too_large_for_the_sum_is_clipped_to_its_room(sign: float) -> None:
    spec = net(layers.Conv(5))
    program = warmed(spec)
    first = next(o for o in program.operations if isinstance(o, Conv2d))
    huge = dataclasses.replace(first, bias=np.full_like(first.bias, sign * 1e12))
    images = pixels_for(spec, 20)
    ranges = calibrate(lower(program), images, "minmax")
    operations = tuple(huge if o is first else o for o in program.operations)
    integer = quantize(lower(dataclasses.replace(program, operations=operations)), ranges)
    held = next(o for o in integer.operations if isinstance(o, IntConv2d))
    reach = 128 * np.abs(held.weight.astype(np.int64)).sum((1, 2, 3))
    assert (np.abs(held.bias.astype(np.int64)) == 2**30 - 1 - reach).all()


@pytest.mark.parametrize("body", [(), (layers.Conv(2, kernel_size=1),)])
def test_more_channels_than_c_counts_are_refused_before_training(body: tuple[Layer, ...]) -> None:
    spec = NetSpec(Shape(1, 256, 256), (layers.Flatten(), *body, layers.Classifier(2)))
    with pytest.raises(ValueError, match="sides and channels must be below 65536, got 65536"):
        predict_cost(spec)


@pytest.mark.parametrize(("side", "signs"), [(200, (1, 1)), (150, (1, 1)), (200, (1, -1))])
def test_a_bias_that_leaves_the_sum_no_room_is_refused_where_it_would_change_answers(
    side: int, signs: tuple[int, int]
) -> None:
    """The pixels' zero is in it, 128 times the sum of the weights."""
    weight = np.resize(np.array(signs, np.float32), (2, side**2))
    first = Normalise(np.zeros(1, np.float32), np.ones(1, np.float32))
    rest = (Flatten(), Linear(weight, np.zeros(2, np.float32)))
    program = lower(Program("wide", Shape(1, side, side), (first, *rest)))
    if sum(signs) and 4 * 128 * 127 * side**2 > 2**31:
        with pytest.raises(ValueError, match="one output here has too many weights"):
            quantize(program, ((), ()))
    else:
        head = quantize(program, ((), ())).head
        expected = 128 * head.weight.astype(np.int64).sum(1)
        assert head.bias.tolist() == expected.tolist()


def test_a_mean_of_more_pixels_than_a_sum_has_room_for_is_refused() -> None:
    first = Normalise(np.zeros(1, np.float32), np.ones(1, np.float32))
    rest = (GlobalAveragePool(), Linear(np.ones((2, 1)), np.zeros(2)))
    ranges = (((-1.0, 1.0),), ())
    wide, wider = (Program("wide", Shape(1, side, side), (first, *rest)) for side in (2052, 2053))
    assert 255 * 2052**2 < 2**30 < 255 * 2053**2
    assert len(quantize(lower(wide), ranges).operations) == 2
    with pytest.raises(ValueError, match=r"wide, operation 1: .* too many: 2053 x 2053"):
        quantize(lower(wider), ranges)


def test_a_blur_that_no_c_computes_is_refused_before_anything_is_simulated() -> None:
    spec = NetSpec(Shape(1, 40, 40), (layers.Conv(2), layers.Blur(2, 35), *HEAD), "wide")
    with pytest.raises(ValueError, match="wide, operation 2: blur kernel_size must be <= 11, got"):
        quantize_best(lower(warmed(spec)), pixels_for(spec, 2))


def ranges_of(values: NDArray[np.float32], method: Method) -> tuple[float, float]:
    """Return the range that calibration gives a map of these values, a pixel each."""
    side = int(len(values) ** 0.5)
    assert side * side == len(values)
    levels = np.arange(256, dtype=np.uint8)
    chosen = np.clip(np.rint(values), -128, 127).astype(int)
    weight, bias = np.ones((1, 1, 1, 1), np.float32), np.full(1, -128, np.float32)
    program = Program(
        "map",
        Shape(1, side, side),
        (
            Normalise(np.zeros(1, np.float32), np.full(1, 1 / 255, np.float32)),
            Conv2d(weight, bias),
            GlobalAveragePool(),
            Linear(np.ones((2, 1)), np.zeros(2)),
        ),
    )
    pixels = levels[chosen + 128].reshape(1, 1, side, side)
    return calibrate(lower(program), pixels, method)[0][0]


def uneven_values() -> NDArray[np.float32]:
    """Return 10,000 values: most near 0, one end further out than the other."""
    values = np.random.default_rng(0).normal(0, 3, 10_000)
    values[0], values[1] = -100, 60
    return np.clip(values, -100, 60).astype(np.float32)


def test_percentiles_leave_their_share_out_at_each_end() -> None:
    # a processor that rounds each product leaves 8.99998 of 137 less 128
    values = np.rint(uneven_values())
    low, high = ranges_of(values, "percentile-99.9")
    assert (low, high) == pytest.approx(tuple(np.percentile(values, [0.1, 99.9])), abs=1e-4)
    low, high = ranges_of(values, "percentile-99.99")
    assert (low, high) == pytest.approx(tuple(np.percentile(values, [0.01, 99.99])), abs=1e-4)


def test_mse_scales_both_ends_by_the_factor_of_least_error() -> None:
    values = np.rint(uneven_values())
    low, high = ranges_of(values, "mse")
    assert low / -100 == pytest.approx(high / 60)

    def error(factor: float) -> float:  # by a grid of 256 steps from end to end
        step = factor * 160 / 255
        ends = np.rint(-100 * factor / step) * step
        return float(
            np.square(
                np.clip(np.rint(values / step) * step, ends, ends + 255 * step) - values
            ).mean()
        )

    factors = np.linspace(0.2, 1, 81)
    assert high / 60 == pytest.approx(factors[np.argmin([error(f) for f in factors])], abs=0.011)
    assert high < 60


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero"),
    [
        (0.0, 5.1, 0.02, -128),
        (-5.1, 0.0, 0.02, 127),
        (-2.0, 3.1, 0.02, -28),
        (0.0, 0.0, 1 / 255, -128),
    ],
)
def test_grids_have_255_steps_from_end_to_end(
    low: float, high: float, scale: float, zero: int
) -> None:
    grid = grid_of(low, high)
    assert (grid.scale, grid.zero) == (pytest.approx(scale), zero)


def test_a_factor_without_a_bit_left_is_one_that_gives_nothing() -> None:
    zero, tiny = rescale([0.0], 0), rescale([2.0**-40], 0)
    for held in (zero, tiny):
        assert held.shift.tolist() == [31]
        sums = np.array([[2**30 - 1], [-(2**30) + 1]], np.int32)
        assert requantise(sums, held).tolist() == [[0], [0]]
    least = rescale([2.0**-32], 0)  # the last one with its own shift
    assert (least.shift.item(), least.multiplier.item()) == (31, 2**30 | 30)
    assert rescale([0.25, 2.0**-31], 5).zero == 5


def test_the_scale_of_weights_stops_where_a_step_of_the_sum_is_half_one_of_the_output() -> None:
    grid, out = Grid(0.5, 0), Grid(2.0, 0)
    weight = np.array([1.27, 1e9, 0.0, -2.54]).reshape(4, 1, 1, 1)
    expected = [0.01, 0.499 * 4, 2.0**-20 * 4, 0.02]
    assert weight_scales(weight, grid, out).tolist() == pytest.approx(expected)


def test_the_larger_side_of_a_sum_is_halved_exactly_and_the_other_in_proportion() -> None:
    whole = half_of(3.0, 3.0)
    assert (whole.multiplier.tolist(), whole.shift.tolist(), whole.zero) == ([2**30], [0], 0)
    part = half_of(1.0, 4.0)
    assert part.multiplier.item() * 2.0 ** -(31 + part.shift.item()) == pytest.approx(1 / 8)
    nearly = half_of(1 - 2.0**-20, 1.0)
    assert nearly.shift.item() == 1


def test_a_mean_is_no_finer_than_its_sum_allows() -> None:
    grid = Grid(1.0, 3)
    assert no_finer(grid, 0.1) is grid
    assert no_finer(grid, 0.499) is grid
    coarse = no_finer(grid, 0.998)
    assert (coarse.scale, coarse.zero) == (pytest.approx(2.0), 3)


def test_the_head_counts_its_zero_point_and_keeps_weights_of_0() -> None:
    grid = Grid(0.5, -20)
    weight, bias = np.array([[1.27, -0.635], [0.0, 0.02]]), np.array([3.0, -0.26])
    held = _linear(weight, bias, grid)
    assert held.scale == pytest.approx(0.005)
    assert held.weight.tolist() == [[127, -63], [0, 2]]
    assert held.bias.tolist() == [600 + 64 * 20, -52 + 2 * 20]
    idle = _linear(np.zeros((2, 2)), np.zeros(2), grid)
    assert idle.weight.tolist() == [[0, 0], [0, 0]]
    assert idle.scale == pytest.approx(0.5e-12)


def test_shared_weights_round_alike_unless_their_scale_was_bounded() -> None:
    own = np.array([0.3, -1.27]).reshape(1, 2, 1, 1)
    gain = np.array([3.0])
    conv = Conv2d(own * 3, np.zeros(1), shared=Shared(0, own, gain))
    free = np.array([0.03])
    assert _rounded(conv, free).ravel().tolist() == [30, -127]
    # a scale of another size than that of the shared weights is its own
    bounded = np.array([0.06])
    assert _rounded(conv, bounded).ravel().tolist() == [15, -63]


def test_the_result_of_a_net_is_its_sums_by_hand() -> None:
    """A 1 x 1 convolution, a mean and a classifier on two pixels, integer by integer."""
    program = Program(
        "hand",
        Shape(1, 1, 2),
        (
            Conv2d(np.array([[[[0.5]]], [[[-0.25]]]]), np.array([2.0, 70.0]), relu=True),
            GlobalAveragePool(),
            Linear(np.array([[1.0, 0.5], [-1.0, 0.25]]), np.array([0.5, -0.5])),
        ),
    )
    ranges = (((0.0, 127.5),), ((0.0, 127.5),), ())
    integer = quantize(program, ranges)
    pixels = np.array([[[[200, 100]]]], np.uint8)
    first, mean, _ = trace(integer, pixels)
    assert (first.astype(int) + 128).reshape(2, 2).tolist() == [
        [204, 40],
        [104, 90],
    ]  # (102, 20), (52, 45)
    assert (mean.astype(int) + 128).ravel().tolist() == [154, 65]  # 77 and 32.5, in halves
    logits = simulate(integer, pixels)[0] * integer.head.scale
    assert logits == pytest.approx([0.5 + 77 + 16.25, -0.5 - 77 + 8.125], abs=0.5)


def test_biases_of_the_head_keep_their_order_however_small_its_weights() -> None:
    """A classifier that has learned the share of each class alone answers by its biases."""
    bias = np.array([0.3, -1.2, 0.9])
    for weight in (np.zeros((3, 4)), np.full((3, 4), 1e-11), np.full((3, 4), 1e-3)):
        held = _linear(weight, bias, Grid(0.02, -128))
        most = np.abs(held.bias.astype(np.int64)) + 128 * np.abs(held.weight.astype(int)).sum(1)
        assert most.max() <= 2**30 - 1
        zeros = held.weight.astype(np.int64).sum(1) * -128
        assert (held.bias + zeros) * held.scale == pytest.approx(bias, rel=1e-3)


def test_logits_too_small_for_a_step_are_refused_not_answered_with_one_class() -> None:
    weight, grid = np.array([[1.0, -0.4], [0.0, 0.2]]), Grid(0.02, -128)
    assert _linear(1.3e-10 * weight, np.zeros(2), grid).weight.tolist() == [[127, -51], [0, 25]]
    with pytest.raises(ValueError, match=r"weights must reach 1e-10, got at most 1e-30; mult"):
        _linear(1e-30 * weight, np.zeros(2), grid)
