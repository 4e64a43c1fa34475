"""The method chosen is the one whose logits are nearest the float net's, on images not measured."""

import dataclasses

import numpy as np
import pytest
from tests.export.nets import pixels_for, warmed

from smidgen import zoo
from smidgen.export.int8.calibrate import METHODS, calibrate
from smidgen.export.int8.choose import quantize_best
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import simulate
from smidgen.export.lower import lower
from smidgen.export.program import Linear, run_float


def test_the_least_error_wins_and_is_measured_on_the_other_half() -> None:
    spec = zoo.net("mnist-1k5-dw")
    program, images = warmed(spec), pixels_for(spec, 80)
    choice = quantize_best(lower(program), images)
    assert set(choice.errors) == set(METHODS)
    assert choice.errors[choice.method] == min(choice.errors.values())
    own = quantize(lower(program), calibrate(lower(program), images[::2], choice.method))
    np.testing.assert_array_equal(simulate(own, images), simulate(choice.program, images))
    expected = run_float(program, images[1::2])
    logits = simulate(own, images[1::2]) * own.head.scale
    centred = [x - x.mean(1, keepdims=True) for x in (logits, expected)]
    error = ((centred[0] - centred[1]) ** 2).mean() / (centred[1] ** 2).mean()
    assert choice.errors[choice.method] == pytest.approx(error, rel=1e-4)


def test_one_image_is_too_few() -> None:
    spec = zoo.net("mnist-1k5-dw")
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        quantize_best(lower(warmed(spec)), pixels_for(spec, 1))


def test_the_choice_of_huge_logits_is_that_of_the_same_net_in_other_units() -> None:
    """Their squares overflow in float32."""
    spec, size = zoo.net("mnist-1k5-dw"), 2.0**80
    program, images = lower(warmed(spec)), pixels_for(spec, 40)
    *body, head = program.operations
    assert isinstance(head, Linear)
    huge = Linear(size * head.weight, size * head.bias)
    one = quantize_best(program, images)
    other = quantize_best(dataclasses.replace(program, operations=(*body, huge)), images)
    assert other.method == one.method
    assert other.errors == pytest.approx(one.errors, rel=1e-4)
