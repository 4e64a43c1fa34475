"""A TensorFlow Lite file computes what the integer simulation does, in two interpreters."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from tests.export.nets import (
    NESTS,
    Plan,
    blurred,
    excited,
    nest,
    pixels_for,
    plans,
    program_of,
    spec_of,
    warmed,
)

from smidgen import layers, zoo
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import Grid, IntConv2d, IntegerProgram, IntLinear
from smidgen.export.int8.quantize import grid_of, quantize
from smidgen.export.int8.simulate import simulate, trace
from smidgen.export.lower import lower
from smidgen.export.program import Blur, Flatten, Pixels, Program
from smidgen.export.tflite import runtimes
from smidgen.export.tflite.graph import Code, Graph
from smidgen.export.tflite.operations import operated
from smidgen.export.tflite.runtimes import MICRO, found, litert, micro
from smidgen.export.tflite.write import INPUTS, Input, Written, written
from smidgen.layers import Shape
from smidgen.spec import NetSpec

needs_micro = pytest.mark.skipif(
    not found(MICRO), reason="tflite-micro is not installed: it is made for Python 3.11 on Linux"
)


def exported(
    spec: NetSpec, made: Callable[[NetSpec], Program] = warmed
) -> tuple[IntegerProgram, Grid]:
    """Return the integers of a net, and a grid that its logits fit."""
    program = lower(made(spec))
    images = pixels_for(spec, 20)
    integers = quantize(program, calibrate(program, images))
    logits = simulate(integers, images) * integers.head.scale
    return integers, grid_of(float(logits.min()), float(logits.max()))


def assert_all_agree(made: Written, images: Pixels) -> None:
    """Hold both interpreters against the simulation, each in its own rounding."""
    sums, scale = simulate(made.program, images), made.head.scale
    found_logits = litert(made.file, scale, reference=True)(images)
    np.testing.assert_array_equal(found_logits, made.rounded_once(sums))
    if found(MICRO):
        np.testing.assert_array_equal(micro(made.file, scale)(images), made.rounded_twice(sums))


@needs_micro
def test_tflite_micro_is_given_the_memory_that_large_maps_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = (layers.Conv(40), layers.GlobalAveragePool(), layers.Classifier(3))
    spec = NetSpec(Shape(1, 20, 20), body)
    made, images = written(*exported(spec)), pixels_for(spec, 2)
    monkeypatch.setattr(runtimes, "_ARENAS", (1 << 14, 1 << 20))
    expected = made.rounded_twice(simulate(made.program, images))
    np.testing.assert_array_equal(micro(made.file, made.head.scale)(images), expected)
    monkeypatch.setattr(runtimes, "_ARENAS", (1 << 14,))
    with pytest.raises(ValueError, match="tflite-micro does not take this file, with 16,384 bytes"):
        micro(made.file, made.head.scale)


@given(plans())
def test_drawn_nets_answer_as_simulated(plan: Plan) -> None:
    spec = spec_of(plan)
    integers, logits = exported(spec, program_of)
    assert_all_agree(written(integers, logits), pixels_for(spec, 4, seed=1))


@pytest.mark.parametrize("takes", INPUTS)
@pytest.mark.parametrize("name", ["resnet", "gated", "repeat", "blurred", "of-pixels", "of-means"])
def test_every_input_gives_the_same_logits(name: str, takes: Input) -> None:
    spec = nest(name)
    integers, logits = exported(spec)
    assert_all_agree(written(integers, logits, takes), pixels_for(spec, 6, seed=1))


def plain(spec: NetSpec) -> NetSpec:
    return spec


def both(spec: NetSpec) -> NetSpec:
    return excited(blurred(spec))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("mnist-1k5-dw", plain),
        ("mnist-1k5-dw", blurred),
        ("mnist-1k5-dw", excited),
        ("cifar-143k-dw", both),
        ("cifar-143k-res", plain),
        ("cifar-78k-resnet8", plain),
    ],
    ids=["mnist", "mnist, blur", "mnist, se", "cifar, blur and se", "residual", "resnet"],
)
def test_the_reference_nets_answer_as_simulated(name: str, form: Any) -> None:
    spec = form(zoo.net(name))
    integers, logits = exported(spec)
    made = written(integers, logits)
    assert_all_agree(made, pixels_for(spec, 3, seed=1))
    # the scales of a file are float32: its multipliers are ours but for one part in ten million
    ours = simulate(integers, pixels_for(spec, 3, seed=1)) * integers.head.scale
    its = simulate(made.program, pixels_for(spec, 3, seed=1)) * integers.head.scale
    assert np.abs(ours - its).max() < 0.05 * np.abs(ours).max()


@pytest.mark.parametrize(("side", "stride"), [(1, 2), (3, 1), (3, 2), (5, 1), (5, 3)])
@pytest.mark.parametrize("sides", [(9, 12), (1, 8), (7, 1), (3, 4)])
def test_a_blur_rounds_and_mirrors_as_ours(side: int, stride: int, sides: tuple[int, int]) -> None:
    if any(1 < length <= side // 2 for length in sides):
        pytest.skip("no such layer")
    shape = Shape(2, *sides)
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    images[0], images[1] = 0, 255
    expected = next(trace(IntegerProgram("blur", shape, (Blur(side, stride),)), images))
    for zero in (-128, 5):  # interpreters round what lies on either side of it alike; we do not
        graph = Graph()
        into = graph.map(shape, 1 / 255, zero)
        _, after = operated(graph, Blur(side, stride), into)
        file = graph.file(into.tensor, after.tensor, "blur", {})
        runs = [litert(file, 1.0, reference=True)]
        runs += [micro(file, 1.0)] if found(MICRO) else []
        for run in runs:
            np.testing.assert_array_equal(run(images) + zero, expected)


def test_one_wrong_weight_is_seen() -> None:
    spec = zoo.net("mnist-1k5-dw")
    integers, logits = exported(spec)
    images = pixels_for(spec, 10, seed=1)
    made = written(integers, logits)
    first, *rest = integers.operations
    assert isinstance(first, IntConv2d)
    weight = first.weight.copy()
    weight[0, 0, 1, 1] -= 1
    bent = replace(integers, operations=(replace(first, weight=weight), *rest))
    found_logits = litert(written(bent, logits).file, made.head.scale, reference=True)(images)
    assert (found_logits != made.rounded_once(simulate(made.program, images))).any()


def model_of(file: bytes) -> Any:
    schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(file, 0))


def codes_of(file: bytes) -> list[int]:
    model = model_of(file)
    return [
        model.operatorCodes[operator.opcodeIndex].builtinCode
        for operator in model.subgraphs[0].operators
    ]


def test_a_file_names_operators_of_every_micro_interpreter_alone() -> None:
    used: set[int] = set()
    for name in NESTS:
        spec = excited(blurred(nest(name)))
        integers, logits = exported(spec, program_of)
        for takes in INPUTS:
            used |= set(codes_of(written(integers, logits, takes).file))
    assert used <= set(Code)
    mirror_pad, batch_matmul = 100, 126
    assert not used & {mirror_pad, batch_matmul}


def test_a_residual_sum_is_one_add_and_a_gate_mean_logistic_and_mul() -> None:
    resnet = codes_of(written(*exported(nest("resnet"), program_of)).file)
    assert resnet.count(Code.ADD) == 2
    gated = codes_of(written(*exported(nest("gated"), program_of)).file)
    assert [gated.count(code) for code in (Code.LOGISTIC, Code.MUL, Code.MEAN)] == [1, 1, 2]
    assert gated[0] == Code.QUANTIZE
    assert gated[-1] == Code.FULLY_CONNECTED


def test_weights_have_a_scale_a_channel_and_what_a_map_means_is_true() -> None:
    spec = nest("resnet")
    integers, logits = exported(spec)
    graph = model_of(written(integers, logits).file).subgraphs[0]
    (start,), (end,) = graph.inputs, graph.outputs
    assert graph.tensors[start].quantization.scale == np.float32(1 / 255)
    assert graph.tensors[end].quantization.scale == np.float32(logits.scale)
    first = integers.operations[0]
    assert isinstance(first, IntConv2d)
    (found_weight,) = [t for t in graph.tensors if list(t.shape) == [8, 3, 3, 3]]
    assert len(found_weight.quantization.scale) == 8
    # a weight of the file times its scale is the weight that pixels from 0 to 1 meet
    largest = np.abs(255 * lower(warmed(spec)).operations[0].weight).max((1, 2, 3))  # type: ignore[union-attr]
    np.testing.assert_allclose(found_weight.quantization.scale, largest / 127, rtol=1e-5)


def test_constants_are_aligned_and_equal_ones_stand_in_a_file_once() -> None:
    made = written(*exported(nest("repeat"), program_of))
    model = model_of(made.file)
    contents = [bytes(b.data) for b in model.buffers if b.data is not None and len(b.data)]
    assert len(set(contents)) == len(contents)
    for content in contents:
        places = [i for i in range(0, len(made.file), 16) if made.file.startswith(content, i)]
        assert places, "a constant does not start at a multiple of 16 bytes"
    weights = [t.buffer for t in model.subgraphs[0].tensors if list(t.shape) == [6, 3, 3, 6]]
    assert len(weights) == 3
    assert len(set(weights)) == 1


def test_logits_outside_their_grid_stay_at_its_ends() -> None:
    spec = nest("flat")
    integers, logits = exported(spec)
    narrow = Grid(logits.scale / 9, -20)
    made = written(integers, narrow)
    images = pixels_for(spec, 10, seed=1)
    assert_all_agree(made, images)
    steps = made.rounded_twice(simulate(made.program, images))
    assert (steps.min(), steps.max()) == (-108, 147)


def test_halves_of_logits_leave_zero_in_both_roundings() -> None:
    step = float(np.float32(1 / 255))
    halves = (np.arange(-60, 60) * 512 + 256).astype(np.int32)
    weight = np.zeros((len(halves), 4), np.int8)
    head = IntLinear(weight, halves, step * 2.0**-9)
    shape = Shape(1, 1, 4)
    made = written(IntegerProgram("halves", shape, (Flatten(), head)), Grid(step, 0))
    images = np.zeros((1, *shape), np.uint8)
    assert_all_agree(made, images)
    assert made.rounded_once(halves).tolist() == [*range(-60, 0), *range(1, 61)]


@pytest.mark.parametrize("times", [0.3, 0.6, 1.0, 7.0])
def test_logits_finer_than_the_sums_allow_are_made_coarser(times: float) -> None:
    step = float(np.float32(1 / 255))
    sums = np.arange(-60, 60).astype(np.int32)
    head = IntLinear(np.zeros((len(sums), 4), np.int8), sums, step * times)
    shape = Shape(1, 1, 4)
    made = written(IntegerProgram("coarse", shape, (Flatten(), head)), Grid(step, 0))
    assert made.factor < 0.5
    images = np.zeros((1, *shape), np.uint8)
    assert_all_agree(made, images)
    off = made.rounded_twice(sums) - sums * made.factor
    assert np.abs(off).max() < 0.5 + 0.25  # the second rounding is of halves
