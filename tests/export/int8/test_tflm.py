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
from smidgen.export.int8.program import (
    GATES,
    HEADROOM,
    Addend,
    IntConv2d,
    IntegerProgram,
    IntLinear,
    IntResidual,
)
from smidgen.export.int8.quantize import half_of, quantize, rescale
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


RESIDUAL = [
    "conv(8)",
    "residual(depthwise(8))",
    "residual(conv(8), conv(8, activation=none), activation=relu)",
    "residual(conv(12, stride=2), conv(12, activation=none), shortcut=true, activation=relu)",
    "residual(conv(24, kernel_size=1), channelwise(), conv(12, kernel_size=1, activation=none))",
    "repeat(residual(depthwise(12, kernel_size=5)), times=2)",
]


@pytest.mark.parametrize(
    "head", [["flatten()"], ["global_average_pool()"]], ids=["flatten", "average"]
)
def test_residual_sums_add_as_its_add_does(tflm: Any, head: list[str]) -> None:
    form = {"input": [1, 12, 10], "layers": [*RESIDUAL, *head, "classifier(5, bias=true)"]}
    program = exported(NetSpec.from_dict(form))
    (part,) = tflm.parts(program)
    assert part.program.operations == program.operations
    images = pixels_for(NetSpec.from_dict(form), 10, seed=1)
    assert compared(tflm, program, images) == 50
    # the chains of drawn nets end in other scales: here the multipliers are ours as well
    for own, its in zip(program.operations, tflm.lowered(program).program.operations, strict=True):
        if isinstance(own, IntResidual):
            for ours, theirs in ((own.made, its.made), (own.beside, its.beside)):
                assert factor(ours) == pytest.approx(factor(theirs), rel=1e-6)
            assert max(factor(own.made), factor(own.beside)) == 0.5


def factor(addend: Addend) -> float:
    by = addend.rescale
    return float(by.multiplier[0]) * 2.0 ** -(31 + int(by.shift[0]))


def test_every_pair_of_bytes_is_added_as_its_add_does(tflm: Any) -> None:
    shape = Shape(2, 256, 256)
    for other, out in ((1.0, 1.7), (0.37, 0.9), (0.011, 0.6), (0.5, 0.31)):
        own = IntResidual(
            (_projected(0),),
            (_projected(1),),
            Addend(-20, half_of(1.0, 1.0)),
            Addend(3, half_of(other, 1.0)),
            rescale([2 / (2**HEADROOM * out)], -7),
        )
        program = IntegerProgram("pairs", shape, (own,))
        byte = np.arange(-128, 128, dtype=np.int8)
        maps = np.stack(np.broadcast_arrays(byte[:, None], byte[None]), 2)[None]
        low = tflm.lowered(program)
        (expected,) = list(traced(low.program, maps))
        np.testing.assert_array_equal(tflm.Net(low.file)(maps), expected.reshape(1, -1))
        assert len(np.unique(expected)) > 150


def _projected(channel: int) -> IntConv2d:
    """Return what makes a byte of one channel of two almost what it was."""
    weight = np.zeros((1, 2, 1, 1), np.int8)
    weight[0, channel] = 127
    by = rescale([0.999 / 127], (-20, 3)[channel])
    zero = np.zeros(2, np.int8)
    return IntConv2d(weight, np.zeros(1, np.int32), by, 1, (0, 0), 1, zero)


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
