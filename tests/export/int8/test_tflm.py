"""TensorFlow Lite Micro's interpreter, which others wrote, gives the simulation's bits."""

import importlib
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from tests.export.nets import Plan, blurred, excited, pixels_for, plans, program_of, spec_of, warmed

from smidgen import zoo
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import GATES, IntConv2d, IntegerProgram, IntLinear
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import requantise, trace
from smidgen.export.lower import lower
from smidgen.export.program import Blur, Pixels, Program
from smidgen.layers import Shape
from smidgen.spec import NetSpec

BENCH = Path(__file__).parents[3] / "bench"


@pytest.fixture(scope="module")
def tflm() -> Generator[ModuleType]:
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module("tflm")
    sys.path.remove(str(BENCH))


def exported(spec: NetSpec, made: Callable[[NetSpec], Program] = warmed) -> IntegerProgram:
    program = made(spec)
    return quantize(lower(program), calibrate(lower(program), pixels_for(spec, 20)))


def compared(tflm: Any, program: IntegerProgram, images: Pixels) -> int:
    """Hold every part that the interpreter has against the simulation; return how many numbers."""
    maps = [as_int8(images), *trace(program, images)]
    count = 0
    for part in tflm.parts(program):
        start = part.framed(maps[part.place])
        low = tflm.lowered(part.program)
        found = tflm.Net(low.file)(start)
        expected = list(traced(low.program, start))[-1]
        if isinstance(part.program.operations[-1], IntLinear):
            expected = requantise(expected, low.head)
        np.testing.assert_array_equal(found, expected.reshape(len(found), -1))
        count += expected.size
    return count


def as_int8(images: Pixels) -> NDArray[np.int8]:
    return (images.transpose(0, 2, 3, 1).astype(np.int16) - 128).astype(np.int8)


def traced(program: IntegerProgram, maps: NDArray[np.int8]) -> Any:
    return trace(program, (maps.astype(np.int16) + 128).astype(np.uint8).transpose(0, 3, 1, 2))


@given(plans())
def test_drawn_nets_round_as_tensorflow_lite_micro_does(tflm: Any, plan: Plan) -> None:
    spec = spec_of(plan)
    assert compared(tflm, exported(spec, program_of), pixels_for(spec, 4, seed=1))


def plain(spec: NetSpec) -> NetSpec:
    return spec


def both(spec: NetSpec) -> NetSpec:
    return excited(blurred(spec))


@pytest.mark.parametrize(
    ("name", "form", "count"),
    [
        ("mnist-1k5-dw", plain, 10),
        ("mnist-1k5-dw", blurred, 10),
        ("mnist-1k5-dw", excited, 10),
        ("cifar-143k-dw", both, 1),
    ],
    ids=["mnist", "mnist, blur", "mnist, se", "cifar, blur and se"],
)
def test_the_reference_nets_do(tflm: Any, name: str, form: Any, count: int) -> None:
    spec = form(zoo.net(name))
    assert compared(tflm, exported(spec), pixels_for(spec, count, seed=1)) > count


def test_a_whole_net_is_one_file_and_one_wrong_weight_is_seen(tflm: Any) -> None:
    spec = excited(zoo.net("mnist-1k5-dw"))
    program, images = exported(spec), pixels_for(spec, 10, seed=1)
    (part,) = tflm.parts(program)
    assert part.program.operations == program.operations
    low = tflm.lowered(program)
    expected = requantise(list(trace(low.program, images))[-1], low.head)
    assert (tflm.Net(low.file)(as_int8(images)) == expected).all()
    first, *rest = low.program.operations
    assert isinstance(first, IntConv2d)
    weight = first.weight.copy()
    weight[0, 0, 1, 1] -= 1
    bent = replace(program, operations=(replace(first, weight=weight), *rest))
    assert (tflm.Net(tflm.lowered(bent).file)(as_int8(images)) != expected).any()


def test_our_table_of_gates_is_its_sigmoid_number_by_number(tflm: Any) -> None:
    every = np.arange(-128, 128).astype(np.int8).reshape(1, 16, 16, 1)
    assert (tflm.sigmoid(every).ravel().astype(int) + 128 == GATES).all()


def test_blur_is_ours_alone_and_one_step_off_at_the_most(tflm: Any) -> None:
    blur = IntegerProgram("blur", Shape(3, 12, 9), (Blur(3, 2),))
    images = np.random.default_rng(0).integers(0, 256, (20, *blur.input_shape), dtype=np.uint8)
    found = tflm.Net(tflm.lowered(blur).file)(as_int8(images)).astype(int)
    ours = next(trace(blur, images)).reshape(found.shape)
    assert np.abs(found - ours).max() == 1
    assert (found != ours).mean() < 0.2  # where a sum lies halfway, or its half does


def test_the_arena_holds_two_maps_at_the_least(tflm: Any) -> None:
    program = exported(zoo.net("mnist-1k5-dw"))
    net = tflm.Net(tflm.lowered(program).file)
    net(np.zeros((1, 28, 28, 1), np.int8))
    assert 28 * 28 * (12 + 8) < net.arena() < 30_000
