"""A map's range is that of its values, by the method asked for."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.export.nets import blurred, excited, nest, pixels_for, warmed
from tests.largest import LargestTensor

from smidgen import zoo
from smidgen.export.int8 import calibrate as module
from smidgen.export.int8.calibrate import METHODS, _Values, calibrate
from smidgen.export.lower import lower
from smidgen.export.program import Conv2d, GlobalAveragePool, Residual, SqueezeExcite, apply, trace
from smidgen.spec import NetSpec

SPECS = [zoo.net("mnist-1k5-dw"), blurred(zoo.net("mnist-1k5-dw")), nest("resnet"), nest("nested")]


def ends(values: NDArray[np.floating]) -> tuple[float, float]:
    return min(float(values.min()), 0.0), max(float(values.max()), 0.0)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_results_of_operations_span_what_the_float_program_makes(spec: NetSpec) -> None:
    program, images = lower(warmed(spec)), pixels_for(spec, 9)
    ranges = calibrate(program, images, "minmax")
    assert len(ranges) == len(program.operations)
    for operation, own, made in zip(
        program.operations, ranges, trace(program, images), strict=True
    ):
        measured = isinstance(operation, Conv2d | GlobalAveragePool | Residual | SqueezeExcite)
        assert bool(own) == measured
        if own:
            assert own[-1] == pytest.approx(ends(made))


def test_a_residual_has_the_ranges_of_its_layers_those_of_its_shortcut_and_its_own() -> None:
    spec = nest("resnet")
    program, images = lower(warmed(spec)), pixels_for(spec, 9)
    ranges = calibrate(program, images, "minmax")
    before = trace(program, images)
    for place, operation in enumerate(program.operations):
        if not isinstance(operation, Residual):
            continue
        expected: list[tuple[float, float]] = []
        sums = []
        for side in (operation.inner, operation.shortcut):
            x = torch.from_numpy(before[place - 1])
            for held in side:
                x = apply(held, x)
                if isinstance(held, Conv2d):
                    expected.append(ends(x.numpy()))
            sums.append(x)
        y = sums[0] + sums[1]
        expected.append(ends((y.relu() if operation.relu else y).numpy()))
        assert ranges[place] == pytest.approx(np.array(expected))


def test_a_gate_has_the_ranges_of_its_mean_its_latent_channels_and_its_result() -> None:
    spec = excited(zoo.net("mnist-1k5-dw"))
    program, images = lower(warmed(spec)), pixels_for(spec, 9)
    ranges, made = calibrate(program, images, "minmax"), trace(program, images)
    (place, gate), *_ = [
        (place, operation)
        for place, operation in enumerate(program.operations)
        if isinstance(operation, SqueezeExcite)
    ]
    mean = made[place - 1].mean((2, 3))
    latent = np.maximum(mean @ gate.squeeze.T, 0)
    expected = [ends(mean), ends(latent), ends(made[place])]
    np.testing.assert_allclose(ranges[place], expected, rtol=1e-5)


def range_of(values: NDArray[np.float32], method: str, parts: int = 1) -> tuple[float, float]:
    seen = _Values(method, len(values))
    for part in np.array_split(values, parts):
        seen.add(part)
    return seen.range()


@pytest.mark.parametrize("count", [1, 2, 1001, 20_000])
@pytest.mark.parametrize("method", METHODS)
def test_a_range_is_the_same_to_the_bit_however_the_values_come(
    method: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SAMPLE", 600)
    values = np.random.default_rng(count).normal(0.3, 2, count).astype(np.float32)
    whole = range_of(values, method)
    assert all(range_of(values, method, parts) == whole for parts in (2, 7, 400) if parts <= count)
    if method.startswith("percentile"):
        kept = float(method.removeprefix("percentile-"))
        low, high = np.percentile(values, [100 - kept, kept])
        assert whole == (min(float(low), 0.0), max(float(high), 0.0))


@pytest.mark.parametrize("method", METHODS)
def test_many_images_go_through_a_net_in_parts(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = nest("resnet")
    program, images = lower(warmed(spec)), pixels_for(spec, 9)
    whole = calibrate(program, images, method)
    monkeypatch.setattr(module, "_PIXELS", 2 * images[0, 0].size)
    with LargestTensor() as of_few:
        calibrate(program, images[:2], method)
    with LargestTensor() as of_many:
        found = calibrate(program, images, method)
    assert of_many.nbytes == of_few.nbytes
    for own, of_all in zip(found, whole, strict=True):
        np.testing.assert_allclose(own, of_all, rtol=0.05)  # a fraction more or less of the range


def floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


@pytest.mark.parametrize("method", ["minmax", "mse", "percentile-99.9", "percentile-99.99"])
def test_a_range_holds_zero_and_is_no_wider_than_the_values(method: str) -> None:
    assert range_of(np.linspace(2, 3, 1000, dtype=np.float32), method)[0] == 0
    assert range_of(np.linspace(-3, -2, 1000, dtype=np.float32), method)[1] == 0
    assert range_of(floats(0, 0, 0), method) == (0, 0)
    low, high = range_of(np.linspace(-2, 3, 1000, dtype=np.float32), method)
    assert -2 <= low < -1.5
    assert 2.2 < high <= 3


def test_percentiles_leave_out_the_few_values_beyond_them() -> None:
    values = np.zeros(20_000, np.float32)
    values[:15], values[15:40] = 5.0, 0.25  # 0.075 % and 0.2 % are at least as large
    assert range_of(values, "percentile-99.9") == pytest.approx((0, 0.25))
    assert range_of(-values, "percentile-99.9") == pytest.approx((-0.25, 0))
    assert range_of(values, "percentile-99.99") == pytest.approx((0, 5.0))
    few = np.full(20_000, -1, np.float32)
    few[0] = 5.0
    assert range_of(few, "percentile-99.9") == pytest.approx((-1, 0))
    assert range_of(-few, "percentile-99.9") == pytest.approx((0, 1))


def errors(values: NDArray[np.float32], low: float, high: float) -> list[float]:
    """Return the mean squared error of rounding, for every fraction of the range."""
    found: list[float] = []
    for fraction in np.linspace(1, 0.2, 81):
        step = fraction * (high - low) / 255
        first = np.rint(low * fraction / step)
        levels = np.clip(np.rint(values / step), first, first + 255)
        found.append(float(((levels * step - values) ** 2).mean()))
    return found


@pytest.mark.parametrize("sample", [200_000, 500])
def test_mse_takes_the_fraction_of_least_error_on_values_spread_over_all(
    sample: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SAMPLE", sample)
    values = np.random.default_rng(3).normal(0, 1, 4000).astype(np.float32)
    values[::2] *= 0.05  # so that it matters which ones are looked at
    values[1], values[8] = 9.0, -6.0
    seen = values if sample > 4000 else values[::8]
    expected = np.linspace(1, 0.2, 81)[int(np.argmin(errors(seen, -6, 9)))]
    low, high = range_of(values, "mse")
    assert (low / -6, high / 9) == pytest.approx((expected, expected))
    turned = np.linspace(1, 0.2, 81)[int(np.argmin(errors(-seen, -9, 6)))]
    low, high = range_of(-values, "mse")
    assert (low / -9, high / 6) == pytest.approx((turned, turned))


def test_mse_looks_at_every_value_of_a_few() -> None:
    values = np.random.default_rng(0).uniform(0, 0.01, 4000).astype(np.float32)
    values[1] = 4.0  # one in so few is worth keeping
    assert range_of(values, "mse")[1] > 2


def test_mse_goes_down_to_a_fifth_of_therange_of() -> None:
    values = np.random.default_rng(0).uniform(0, 0.01, 400_000).astype(np.float32)
    values[1] = 4.0  # of so many values every second one is looked at
    assert range_of(values, "mse")[1] == pytest.approx(0.8)


def test_mse_keeps_the_whole_of_a_range_that_is_evenly_used() -> None:
    assert range_of(np.linspace(0, 4, 10_001, dtype=np.float32), "mse")[1] == pytest.approx(
        4, rel=0.02
    )
