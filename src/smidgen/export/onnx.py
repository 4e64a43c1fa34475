"""ONNX files: float32, and int8 by onnxruntime's static quantiser."""

import importlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from smidgen.escape import whole
from smidgen.export.onnx_graph import INPUT, OUTPUT, graph_of
from smidgen.export.program import FloatArray, Pixels, Program
from smidgen.extras import needed
from smidgen.names import said_by, shown
from smidgen.text import nearest

CALIBRATIONS = ("minmax", "percentile-99.9", "percentile-99.99")
_OPSET = 18
_IR_VERSION = 8  # the first with this operator set: read by old runtimes, in browsers above all
_CALIBRATION_BATCH = 64
_MIDDLE = 128  # of the bytes of weights: 0
_NO_MODEL = "is no ONNX model that onnxruntime can run"
_BIAS_ROOM = 2.0**30  # steps of a bias at most, so that products have as many


def require_tools() -> None:
    """Refuse if a package that models are made and run with is missing.

    Raises:
        ValueError: Naming it.
    """
    _require("onnx", "onnxruntime")


def to_onnx(program: Program, card: Mapping[str, str], *, share: bool = True) -> bytes:
    """Return an ONNX model that takes uint8 pixels (n, c, h, w), any n, and returns logits.

    Args:
        program: Folded, normalisation first.
        card: Model card: names and texts that go into the file's metadata.
        share: Whether weights that several convolutions share stand in the file once, each
            convolution's factors behind it; else each has its own, which quantise better.

    Raises:
        ValueError: If an ONNX package is missing.
    """
    onnx = _require("onnx")
    model = onnx.helper.make_model(
        graph_of(program, share=share), opset_imports=[onnx.helper.make_opsetid("", _OPSET)]
    )
    return _stripped(model, program.name, card)


def quantize_onnx(model: bytes, images: Pixels, calibration: str = "minmax") -> bytes:
    """Return the int8 form of an ONNX model: QDQ, u8 activations, weights a channel.

    Weights are symmetric around 128 in u8: with s8, onnxruntime's sums of bytes saturate on x86
    without VNNI, so that the same file would answer otherwise there.

    Args:
        model: What :func:`to_onnx` returned; its model card is kept.
        images: Training images, from which the ranges of the activations are read.
        calibration: ``minmax``, or ``percentile-p``, which leaves 100 - p percent out.

    Raises:
        ValueError: If the calibration is unknown to onnxruntime or a package is missing.
    """
    if calibration not in CALIBRATIONS:
        known = nearest(calibration, CALIBRATIONS)
        raise ValueError(f"onnxruntime has no calibration {calibration!r}; {known}")
    source = _require("onnx").load_from_string(model)
    quantised = quantized(source, images, calibration)
    _fit_biases(quantised, _require("onnx").load_from_string(model))  # the other was taken apart
    card = {entry.key: entry.value for entry in source.metadata_props}
    return _stripped(quantised, source.graph.name, card)


def quantized(source: Any, images: Pixels, calibration: str, form: str = "QDQ") -> Any:
    """Return the int8 form of an ONNX model, as onnxruntime makes it of one in memory.

    Args:
        source: The model, an ``onnx.ModelProto``.
        images: Training images, from which the ranges of the activations are read.
        calibration: One of ``CALIBRATIONS``.
        form: ``QDQ``, or ``QOperator`` for operators on integers.
    """
    quantization: Any = _require("onnxruntime.quantization")
    percent = calibration.partition("-")[2]
    methods = quantization.CalibrationMethod
    method = methods.Percentile if percent else methods.MinMax
    options: dict[str, float] = {"WeightSymmetric": True}
    if percent:
        options["CalibPercentile"] = float(percent)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        target = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            source,
            target,
            CalibrationReader(images),
            quant_format=quantization.QuantFormat[form],
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QUInt8,
            per_channel=True,
            calibrate_method=method,
            extra_options=options,
        )
        return _require("onnx").load(target)


def _fit_biases(quantised: Any, source: Any) -> None:
    """Give channels whose weights are nothing, or next to it, a scale that suits their bias.

    The quantiser's own would be so fine that the bias had no room in 32 bits: it was cut off, and
    with the products added the sum could turn over. For weights that are all 0 it takes a scale of
    1, so that a bias became whole steps of the input, and another zero point than its kernels take.
    """
    onnx = _require("onnx")
    floats = {one.name: onnx.numpy_helper.to_array(one) for one in source.graph.initializer}
    kept = {one.name: one for one in quantised.graph.initializer}
    scaled = {node.output[0]: node for node in quantised.graph.node}
    for node in quantised.graph.node:
        if node.op_type not in ("Conv", "Gemm") or len(node.input) < 3:  # noqa: PLR2004 - no bias
            continue
        weight, bias = (scaled[name].input for name in node.input[1:3])
        wanted = floats[bias[0].removesuffix("_quantized")].astype(np.float64)
        old, scale = (onnx.numpy_helper.to_array(kept[one[1]]) for one in (bias, weight))
        least = np.abs(wanted) / (_BIAS_ROOM * old.astype(np.float64))
        middle, steps = (
            onnx.numpy_helper.to_array(kept[weight[place]]).astype(np.float64) for place in (2, 0)
        )
        steps -= np.reshape(middle, (-1, *[1] * (steps.ndim - 1)))
        empty = ~steps.any(tuple(range(1, steps.ndim)) if scale.ndim else None)
        if scale.ndim == 0:
            least = least.max()
        coarser = np.where(empty & (least > 0), least, np.maximum(1.0, least))
        if (coarser == 1).all() and (middle == _MIDDLE).all():
            continue
        by_channel = np.reshape(coarser, (-1, *[1] * (steps.ndim - 1)))
        changed = {
            weight[0]: np.rint(steps / by_channel) + _MIDDLE,
            weight[1]: scale * coarser,
            weight[2]: np.full_like(middle, _MIDDLE),
            bias[0]: np.rint(wanted / (old * coarser)),
            bias[1]: old * coarser,
        }
        for name, array in changed.items():
            type_ = onnx.numpy_helper.to_array(kept[name]).dtype
            kept[name].CopyFrom(onnx.numpy_helper.from_array(array.astype(type_), name))


def session(
    model: bytes, threads: int = 1, *, optimised: bool = True
) -> Callable[[Pixels], FloatArray]:
    """Return what runs an ONNX model under ONNX Runtime on the CPU.

    Args:
        model: Its bytes.
        threads: Of one operation.
        optimised: Without, nodes run as they stand in the file: a quantised model then computes
            in floats between its roundings.

    Raises:
        ValueError: If a package is missing, the file is no ONNX that it can run, or it names
            another file.
    """
    loaded = _loaded(model, threads, optimised=optimised)

    def run(pixels: Pixels) -> FloatArray:
        try:
            return loaded.run([OUTPUT], {INPUT: pixels})[0]
        except Exception as error:  # of a class of its own for every reason
            raise ValueError(f"onnxruntime cannot run the model: {said_by(error)}") from error

    return run


def _loaded(model: bytes, threads: int, *, optimised: bool) -> Any:
    runtime: Any = _require("onnxruntime")
    _require_inside(model)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.load_model_format", "ONNX")  # as was looked through
    if not optimised:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of a class of its own for every reason
        raise ValueError(f"{_NO_MODEL}: {said_by(error)}") from None


def _require_inside(model: bytes) -> None:
    """Refuse a model with values in another file: onnxruntime reads any that it names."""
    onnx = _require("onnx")
    try:
        pending = [onnx.ModelProto.FromString(model)]
    except Exception as error:  # protobuf has several forms, with an error each
        raise ValueError(f"{_NO_MODEL}: {said_by(error)}") from None
    while pending:
        one = pending.pop()
        if isinstance(one, onnx.TensorProto) and (one.data_location or one.external_data):
            raise ValueError(
                "an ONNX model must hold all of its values, got tensor"
                f" {shown(one.name)} in another file, which is not read: save it as one file"
            )
        for field, value in one.ListFields():
            if field.message_type is not None:
                pending.extend([value] if hasattr(value, "ListFields") else value)


def card_of(model: bytes) -> dict[str, str]:
    """Return the model card in an ONNX file's metadata.

    Raises:
        ValueError: If a package is missing, the file is no ONNX that it can run, or it names
            another file.
    """
    return _loaded(model, 1, optimised=False).get_modelmeta().custom_metadata_map


def run_onnx(model: bytes, pixels: Pixels, batch_size: int = 256) -> FloatArray:
    """Return the logits (n, classes) of an ONNX model under ONNX Runtime."""
    run = session(model)
    return np.concatenate([run(part) for part in _parts(pixels, batch_size)])


def _stripped(model: Any, name: str, card: Mapping[str, str]) -> bytes:
    """Return the model's bytes without what only its makers read, and with the model card."""
    graph = model.graph
    graph.name = name
    model.producer_name, model.producer_version = "smidgen", ""
    model.ir_version = _IR_VERSION
    del graph.value_info[:], model.metadata_props[:]
    for node in graph.node:
        node.name = ""
    for key, text in card.items():
        model.metadata_props.add(key=key, value=whole(text))
    _require("onnx").checker.check_model(model, full_check=True)
    return model.SerializeToString()


class CalibrationReader:
    """Hands onnxruntime the calibration images, a batch at a time."""

    def __init__(self, images: Pixels) -> None:
        self.parts = _parts(images, _CALIBRATION_BATCH)

    def get_next(self) -> dict[str, Pixels] | None:
        part = next(self.parts, None)
        return None if part is None else {INPUT: part}


def _parts(pixels: Pixels, size: int) -> Iterator[Pixels]:
    return (pixels[i : i + size] for i in range(0, len(pixels), size))


def _require(*names: str) -> Any:
    """Return the last of the named modules; all of them are needed.

    Tells onnxruntime, before it is first imported, to send nothing to its maker and to write no
    number of this machine into the cache, unless the environment says otherwise.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    module = None
    for name in names:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            raise needed("ONNX", name.partition(".")[0], "export", error) from None
    return module


@contextmanager
def _quiet() -> Generator[None]:
    """Silence advice that the quantiser gives its own makers; errors are still raised."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
