"""ONNX files answer what torch answers, take bytes, and hold nothing superfluous."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tests.export.nets import MEAN, NESTS, STD, lively, nest, pixels_for, program_of, window

from smidgen import zoo
from smidgen.data import normalise
from smidgen.export.onnx import INPUT, OUTPUT, card_of, quantize_onnx, run_onnx, session, to_onnx
from smidgen.export.program import FloatArray, Pixels
from smidgen.layers import Blur, Classifier, Conv, GlobalAveragePool, MaxPool, Shape, SqueezeExcite
from smidgen.methods import parse, rewritten
from smidgen.spec import NetSpec

COMBINATIONS = ("", "blurpool", "squeeze-excite", "blurpool, squeeze-excite")
QUICK = {("mnist-1k5-dw", ""), ("mnist-5k", "blurpool, squeeze-excite"), ("cifar-143k-dw", "")}
EVERY = [
    pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow)
    for case in product(zoo.STUDY, COMBINATIONS)
]


def rewritten_net(name: str, methods: str) -> NetSpec:
    return rewritten(zoo.net(name), parse(methods))


@functools.cache
def exported(name: str = "mnist-1k5-dw", methods: str = "") -> bytes:
    return to_onnx(program_of(rewritten_net(name, methods)), {"classes": '["a"]'})


def logits_of_torch(spec: NetSpec, pixels: Pixels) -> FloatArray:
    channels = spec.input_shape.channels
    images = torch.from_numpy(pixels)
    with torch.no_grad():
        return lively(spec)(
            normalise(images, MEAN[:channels], STD[:channels], torch.float32)
        ).numpy()


def assert_close(found: FloatArray, expected: FloatArray) -> None:
    allowed = 1e-5 * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)


@pytest.mark.parametrize(("name", "methods"), EVERY)
def test_onnx_runtime_answers_what_torch_answers(name: str, methods: str) -> None:
    spec = rewritten_net(name, methods)
    pixels = pixels_for(spec, 6)
    assert_close(run_onnx(exported(name, methods), pixels), logits_of_torch(spec, pixels))


@pytest.mark.parametrize(
    "first",
    [
        (MaxPool(2),),  # meets pixels before any convolution can absorb their normalisation
        (SqueezeExcite(2),),
        (Blur(2), Blur(1, 5), MaxPool(1, 3)),  # reflects at a side that shrinks to one pixel
    ],
    ids=["pool", "gate", "blur"],
)
def test_normalisation_is_right_before_any_first_layer(first: tuple[Any, ...]) -> None:
    spec = NetSpec(Shape(3, 9, 5), (*first, GlobalAveragePool(), Classifier(4, bias=True)))
    pixels = pixels_for(spec, 4)
    assert_close(run_onnx(to_onnx(program_of(spec), {}), pixels), logits_of_torch(spec, pixels))


@pytest.mark.parametrize("name", ["resnet", "blurred", "gated", "repeat", "flat", "oblong"])
def test_sums_and_repeats_answer_what_torch_answers(name: str) -> None:
    spec = nest(name)
    pixels = pixels_for(spec, 6)
    assert_close(run_onnx(to_onnx(program_of(spec), {}), pixels), logits_of_torch(spec, pixels))


@pytest.mark.parametrize("wide", [False, True], ids=["40 x 1", "1 x 40"])
@pytest.mark.parametrize("methods", ["", "blurpool, squeeze-excite(min_channels=9)"])
def test_kernels_and_pools_of_unequal_sides_answer_what_torch_answers(
    methods: str, wide: bool
) -> None:
    spec = rewritten(window(wide=wide), parse(methods))
    pixels = pixels_for(spec, 6)
    assert_close(run_onnx(to_onnx(program_of(spec), {}), pixels), logits_of_torch(spec, pixels))


@pytest.mark.parametrize("shape", [(3, 13, 29), (1, 29, 13), (2, 12, 30)])
def test_rows_and_columns_of_kernels_and_pools_are_not_taken_for_each_other(
    shape: tuple[int, int, int],
) -> None:
    texts = [
        *("conv(5, 3x7, stride=2)", "max_pool(1x3, stride=1)", "depthwise(6, 5x1, stride=2)"),
        *("channelwise(1x5)", "max_pool(2x3)", "flatten()", "classifier(4)"),
    ]
    spec = NetSpec.from_dict({"name": "oblong", "input": [*shape], "layers": texts})
    pixels = pixels_for(spec, 6)
    assert_close(run_onnx(to_onnx(program_of(spec), {}), pixels), logits_of_torch(spec, pixels))
    nodes = onnx.load_from_string(to_onnx(program_of(spec), {})).graph.node
    sides = [tuple(of.ints) for node in nodes for of in node.attribute if of.name == "kernel_shape"]
    assert [pair for pair in sides if pair != (1, 1)] == [(3, 7), (1, 3), (5, 1), (1, 5), (2, 3)]


def test_a_sum_is_one_addition_and_passes_share_their_weights() -> None:
    graph = onnx.load_from_string(to_onnx(program_of(nest("resnet")), {})).graph
    assert [node.op_type for node in graph.node].count("Add") == 2
    graph = onnx.load_from_string(to_onnx(program_of(nest("repeat")), {})).graph
    used = [node.input[1] for node in graph.node if node.op_type == "Conv"]
    assert len(used) == 1 + 3 + 4
    assert len(set(used)) == 1 + 1 + 2
    apart = onnx.load_from_string(to_onnx(program_of(nest("repeat")), {}, share=False)).graph
    assert len({node.input[1] for node in apart.node if node.op_type == "Conv"}) == 1 + 3 + 3
    assert "Mul" not in {node.op_type for node in apart.node}


def test_an_image_gets_the_same_answer_in_any_batch() -> None:
    pixels = pixels_for(zoo.net("mnist-1k5-dw"), 7)
    whole = run_onnx(exported(), pixels)
    for size in (1, 3):
        assert_close(run_onnx(exported(), pixels, batch_size=size), whole)


def test_the_file_takes_bytes_and_holds_the_card_and_nothing_for_its_makers() -> None:
    model = onnx.load_from_string(exported())
    (source,), (result,) = model.graph.input, model.graph.output
    assert (source.name, result.name) == (INPUT, OUTPUT)
    assert source.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert source.type.tensor_type.shape.dim[0].dim_param == "n"
    assert {entry.key: entry.value for entry in model.metadata_props} == {"classes": '["a"]'}
    assert not model.graph.value_info
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert all(node.op_type != "BatchNormalization" for node in model.graph.node)
    deployed = zoo.net("mnist-1k5-dw").deployed_params
    assert len(exported()) < 4 * deployed + 5_000


def test_int8_has_weights_a_channel_and_all_bytes_unsigned() -> None:
    pixels = pixels_for(zoo.net("mnist-1k5-dw"), 64)
    model = onnx.load_from_string(quantize_onnx(exported(), pixels))
    arrays = {entry.name: entry for entry in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    made_by = {node.output[0]: node for node in model.graph.node}
    for convolution in convolutions:
        activation, weight = (made_by[name] for name in convolution.input[:2])
        assert activation.op_type == weight.op_type == "DequantizeLinear"
        assert arrays[weight.input[0]].data_type == onnx.TensorProto.UINT8
        channels = arrays[weight.input[0]].dims[0]
        assert list(arrays[weight.input[1]].dims) == [channels]
        assert set(onnx.numpy_helper.to_array(arrays[weight.input[2]])) == {128}
        assert arrays[activation.input[2]].data_type == onnx.TensorProto.UINT8
    assert len(convolutions) == 11
    assert {entry.key for entry in model.metadata_props} == {"classes"}


@pytest.mark.parametrize("name", list(NESTS))
def test_integer_kernels_answer_what_floats_between_the_roundings_answer(name: str) -> None:
    spec = nest(name)
    pixels = pixels_for(spec, 64)
    model = quantize_onnx(to_onnx(program_of(spec), {}, share=False), pixels)
    expected = session(model, optimised=False)(pixels)
    assert np.abs(session(model)(pixels) - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize(("least", "channels"), [(0.0, 6), (1e-12, 3), (1e-7, 3), (1e-6, 3)])
@pytest.mark.parametrize("sign", [1, -1])
def test_channels_of_next_to_no_weights_keep_their_bias_in_int8(
    least: float, channels: int, sign: int
) -> None:
    """As fine as those weights, a bias would take more than the 32 bits of a sum.

    Of none the quantiser makes the scale 1.
    """
    spec = NetSpec(Shape(1, 9, 9), (Conv(6), GlobalAveragePool(), Classifier(4)), "one")
    model = onnx.load_from_string(to_onnx(program_of(spec), {}))
    (first, *_) = (node for node in model.graph.node if node.op_type == "Conv")
    kept = {entry.name: entry for entry in model.graph.initializer}
    weight, bias = (onnx.numpy_helper.to_array(kept[name]).copy() for name in first.input[1:])
    weight[:channels] *= least / np.abs(weight[:channels]).max()
    bias[:3] = (0.4 * sign, 2.0 * sign, 0.0)
    for name, array in zip(first.input[1:], (weight, bias), strict=True):
        kept[name].CopyFrom(onnx.numpy_helper.from_array(array, name))
    source, pixels = model.SerializeToString(), pixels_for(spec, 64)
    made, expected = quantize_onnx(source, pixels), run_onnx(source, pixels)
    for optimised in (True, False):
        found = session(made, optimised=optimised)(pixels)
        assert np.abs(found - expected).max() < 0.06 * np.ptp(expected)


@pytest.mark.parametrize("calibration", ["minmax", "percentile-99.99"])
def test_int8_stays_near_float32(calibration: str, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = pixels_for(zoo.net("mnist-1k5-dw"), 64)
    expected = run_onnx(exported(), pixels)
    found = run_onnx(quantize_onnx(exported(), pixels, calibration), pixels)
    assert np.abs(found - expected).max() < 0.06 * np.ptp(expected)
    assert not np.array_equal(found, expected)
    assert capsys.readouterr().out == ""


def test_an_unknown_calibration_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"no calibration 'min-max'; did you mean 'minmax'\?"):
        quantize_onnx(b"", np.zeros((1, 1, 1, 1), np.uint8), "min-max")


def test_nothing_is_written_for_the_makers_of_onnx_runtime(tmp_path: Path) -> None:
    """Its Linux packages (1.32) keep a number of the machine in the cache, for their reports."""
    (tmp_path / "net.onnx").write_bytes(exported())
    script = (
        "import sys, pathlib\nfrom smidgen.export.onnx import session\n"
        "session(pathlib.Path(sys.argv[1]).read_bytes())"
    )
    homes = {name: str(tmp_path / "home") for name in ("HOME", "XDG_CACHE_HOME")}
    environment = {**os.environ, **homes}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    (tmp_path / "home").mkdir()
    command = [sys.executable, "-c", script, str(tmp_path / "net.onnx")]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    assert not list((tmp_path / "home").rglob("*"))


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    call = (
        (lambda: session(b""))
        if package == "onnxruntime"
        else (lambda: to_onnx(program_of(zoo.net("mnist-1k5-dw")), {}))
    )
    with pytest.raises(ValueError, match=rf"the package {package}: pip install onnx onnxruntime "):
        call()


def outside(place: str) -> bytes:
    """Return an ONNX model that has a tensor of another file in one of the places for tensors."""
    helper, proto = onnx.helper, onnx.TensorProto
    tensor = helper.make_tensor("w", proto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = proto.EXTERNAL
    tensor.external_data.add(key="location", value="etc/passwd")
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    graph = helper.make_graph([], "inside", [], [], [tensor])
    model = helper.make_model(helper.make_graph([], "net", [], []))
    if place == "initializer":
        model.graph.initializer.append(tensor)
    elif place == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(tensor)
    elif place == "attribute":
        model.graph.node.append(constant)
    elif place == "tensors":
        model.graph.node.append(helper.make_node("Mine", [], [], values=[tensor]))
    elif place == "subgraph":
        model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=graph))
    else:
        function = model.functions.add(name="mine")
        function.node.append(constant)
    return model.SerializeToString()


@pytest.mark.parametrize(
    "place", ["initializer", "sparse", "attribute", "tensors", "subgraph", "function"]
)
@pytest.mark.parametrize("read", [card_of, session])
def test_values_in_another_file_are_refused(read: Callable[[bytes], object], place: str) -> None:
    with pytest.raises(ValueError, match="must hold all of its values, got tensor 'w' in another"):
        read(outside(place))
