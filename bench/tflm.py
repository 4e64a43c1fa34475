"""Integer programs as TensorFlow Lite files, and TensorFlow Lite Micro's interpreter on them.

An oracle of our rounding that others wrote, and a peer in memory; only what is needed for that is
here. A TensorFlow Lite file holds no multipliers but float32 scales, from which the interpreter
works out its own. The scales are chosen so that those come within 1e-7 of ours, and
:func:`lowered` returns the program with the very multipliers that it will use.

Differs: a blur is a mirrored border and a depthwise convolution, whose two roundings are not our
one; the border of a convolution holds one number, not one a colour. :func:`parts` leaves both out.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from numpy.typing import NDArray
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from smidgen.export.int8.program import (
    HEADROOM,
    Addend,
    IntAverage,
    IntConv2d,
    IntegerProgram,
    IntLinear,
    IntOperation,
    IntResidual,
    IntSqueezeExcite,
    Rescale,
)
from smidgen.export.program import Blur, Flatten, MaxPool
from smidgen.layers import Shape
from smidgen.layers.base import Kernel, sides_of

ARENA = 4 << 20
GATE = 1 / 256  # the scale that its sigmoid insists on, with a zero point of -128
CROOKED = 0.7  # scale of a map by that of the one before, so that multipliers use all 31 bits


class Lowered(NamedTuple):
    """A file, and what it computes."""

    file: bytes
    program: IntegerProgram  # with the multipliers that the interpreter derives from the file
    head: Rescale  # of the logits: its dense layer returns int8


class _Map(NamedTuple):
    """A tensor that an operation has made: its place, and what 1 in it stands for in the file."""

    tensor: int
    shape: Shape
    scale: float
    zero: int


def lowered(program: IntegerProgram, logit_step: float = 2.0**-7) -> Lowered:
    """Return ``program`` as a file; it takes int8 images (1, h, w, c): bytes less 128.

    Args:
        program: Any part of an integer program, too, if it is a chain of operations.
        logit_step: Steps of an int8 logit that one step of an int32 logit is worth.
    """
    graph = _Graph()
    current = graph.map(program.input_shape, 1.0, _zero(program.operations))
    start, done = current.tensor, list[IntOperation]()
    head = _factor(logit_step)
    for operation in program.operations:
        if isinstance(operation, IntLinear):
            own = operation
            head, current = _classified(graph, operation, current, logit_step)
        else:
            own, current = _operated(graph, operation, current)
        done.append(own)
    file = graph.file(start, current.tensor)
    return Lowered(file, replace(program, operations=tuple(done)), head)


def _operated(  # noqa: PLR0911 - a case an operation
    graph: "_Graph", operation: IntOperation, into: _Map, out: float = 0.0
) -> tuple[IntOperation, _Map]:
    """Write one operation; return it with the interpreter's multipliers, and what it makes.

    A convolution's result has the scale ``out`` in the file, if it is not 0.
    """
    match operation:
        case IntConv2d():
            return _convolved(graph, operation, into, out)
        case MaxPool(kernel_size, stride):
            return operation, _pooled(graph, into, kernel_size, stride)
        case Blur():
            return operation, _blurred(graph, operation, into)
        case IntAverage():
            return _averaged(graph, operation, into)
        case IntSqueezeExcite():
            return _excited(graph, operation, into)
        case IntResidual():
            return _summed(graph, operation, into)
        case Flatten():
            return operation, _flattened(graph, into)
        case IntLinear():
            raise ValueError("the logits are the last operation's, of the net itself")


class Net:
    """TensorFlow Lite Micro's interpreter of one file."""

    def __init__(self, file: bytes) -> None:
        self._interpreter = runtime.Interpreter.from_bytes(file, arena_size=ARENA)

    def __call__(self, maps: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return what the file makes of int8 maps (n, h, w, c), flat: (n, elements)."""
        results = list[NDArray[np.int8]]()
        for one in maps:
            self._interpreter.set_input(one[None], 0)
            self._interpreter.invoke()
            results.append(np.array(self._interpreter.get_output(0)).ravel())
        return np.stack(results)

    def arena(self) -> int:
        """Return the bytes that its recording allocator counts, once it has run.

        It tells them to the process's standard error and to nobody else.
        """
        with tempfile.TemporaryFile() as said:
            kept = os.dup(2)
            os.dup2(said.fileno(), 2)
            try:
                self._interpreter.print_allocations()
            finally:
                os.dup2(kept, 2)
                os.close(kept)
            said.seek(0)
            text = said.read().decode()
        found = re.search(r"Arena allocation total (\d+) bytes", text)
        assert found is not None, f"no total in what it said: {text[:200]}"
        return int(found[1])


def sigmoid(numbers: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return its sigmoid of maps (n, h, w, c) in sixteenths, in 1/256 above -128; flat."""
    graph = _Graph()
    shape = Shape(numbers.shape[3], *numbers.shape[1:3])
    start, end = graph.map(shape, 1 / 16, 0), graph.map(shape, GATE, -128)
    graph.operate(schema.BuiltinOperator.LOGISTIC, [start.tensor], end.tensor)
    return Net(graph.file(start.tensor, end.tensor))(numbers)


class Part(NamedTuple):
    """Operations of a net that the interpreter has exactly."""

    place: int  # of the first of them
    border: NDArray[np.int8] | None  # a colour, to be laid around their input beforehand
    width: tuple[int, int]  # of that border, above and beside
    program: IntegerProgram

    def framed(self, maps: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return maps (n, h, w, c) with the border around them."""
        if self.border is None:
            return maps
        count, height, width, channels = maps.shape
        p, q = self.width
        around = np.empty((count, height + 2 * p, width + 2 * q, channels), np.int8)
        around[:] = self.border
        around[:, p : p + height, q : q + width] = maps
        return around


def parts(program: IntegerProgram) -> Iterator[Part]:
    """Yield the longest chains of operations that the interpreter has exactly."""
    chain: list[IntOperation] = []
    begin, border, width = 0, None, (0, 0)
    start = program.input_shape
    for place, (operation, shape) in enumerate(program.walk()):
        coloured = isinstance(operation, IntConv2d) and any(operation.padding)
        coloured = coloured and len(set(operation.padding_value.tolist())) > 1
        differs = _blurs(operation)
        if differs or coloured:
            if chain:
                part = IntegerProgram(program.name, start, tuple(chain))
                yield Part(begin, border, width, part)
            chain, begin, border, width, start = [], place, None, (0, 0), shape
        if coloured:
            border, width = operation.padding_value, operation.padding
            start = Shape(shape.channels, shape.height + 2 * width[0], shape.width + 2 * width[1])
            chain.append(replace(operation, padding=(0, 0)))
        elif differs:
            begin, start = place + 1, operation.out_shape(shape)
        else:
            chain.append(operation)
    yield Part(begin, border, width, IntegerProgram(program.name, start, tuple(chain)))


def _blurs(operation: IntOperation) -> bool:
    """Return whether an operation is a blur or holds one."""
    if isinstance(operation, IntResidual):
        return any(_blurs(held) for held in (*operation.inner, *operation.shortcut))
    return isinstance(operation, Blur)


def _zero(operations: tuple[IntOperation, ...]) -> int:
    """Return the zero point that the first operation to have one takes its input to have."""
    for operation in operations:
        match operation:
            case IntConv2d():
                return int(operation.padding_value[0])
            case IntAverage(zero) | IntSqueezeExcite(IntAverage(zero)):
                return zero
            case IntResidual(inner, shortcut, _, beside):
                return _zero(inner) if shortcut else beside.zero
            case IntLinear():
                return 0
            case MaxPool() | Blur() | Flatten():
                pass
    return 0


class _Graph:
    """A file while it is written."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[int] = []
        self._buffers = [schema.BufferT()]

    def map(self, shape: Shape, scale: float, zero: int) -> _Map:
        channels, height, width = shape
        tensor = self._tensor((1, height, width, channels), schema.TensorType.INT8, [scale], [zero])
        return _Map(tensor, shape, scale, zero)

    def weights(self, values: NDArray[np.int8], scales: NDArray[np.float32], axis: int) -> int:
        zeros = [0] * len(scales)
        kind = schema.TensorType.INT8
        return self._tensor(values.shape, kind, scales.tolist(), zeros, values, axis)

    def numbers(self, values: NDArray[np.int32], scales: NDArray[np.float64]) -> int:
        kind = schema.TensorType.INT32
        return self._tensor(
            values.shape, kind, np.float32(scales).tolist(), [0] * len(scales), values
        )

    def operate(self, code: int, inputs: list[int], output: int, kind: str = "", **of: Any) -> None:
        """Append an operator; ``kind`` and ``of`` are its options."""
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = inputs, [output]
        if code not in self._codes:
            self._codes.append(code)
        operator.opcodeIndex = self._codes.index(code)
        if kind:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(schema, f"{kind}T")()
            for name, value in of.items():
                setattr(operator.builtinOptions, name, value)
        self._operators.append(operator)

    def file(self, start: int, end: int) -> bytes:
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs, graph.name = [start], [end], b"main"
        model.version, model.subgraphs, model.buffers = 3, [graph], self._buffers
        model.operatorCodes = []
        for code in self._codes:
            named = schema.OperatorCodeT()
            named.builtinCode, named.deprecatedBuiltinCode = code, min(code, 127)
            model.operatorCodes.append(named)
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _tensor(
        self,
        shape: tuple[int, ...],
        kind: int,
        scales: list[float],
        zeros: list[int],
        values: NDArray[Any] | None = None,
        axis: int = 0,
    ) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = list(shape), kind, f"t{len(self._tensors)}"
        if values is not None:
            held = schema.BufferT()
            held.data = np.frombuffer(values.tobytes(), np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(held)
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = scales, zeros
        tensor.quantization.quantizedDimension = axis
        self._tensors.append(tensor)
        return len(self._tensors) - 1


def _convolved(
    graph: _Graph, own: IntConv2d, into: _Map, out: float = 0.0
) -> tuple[IntConv2d, _Map]:
    """Write a convolution whose result has the scale ``out`` in the file."""
    around = own.sides[0] // 2, own.sides[1] // 2
    assert own.padding in ((0, 0), around), "no border of its own is as wide"
    out = out or float(np.float32(CROOKED * into.scale))
    factors = _factors(own.rescale) * out / into.scale
    scales = factors.astype(np.float32)
    held = np.float64(into.scale) * scales.astype(np.float64) / out
    source = into
    if any(own.padding) and own.stride > 1:  # its own border would not be the same on both sides
        source = _bordered(graph, into, own.padding, schema.BuiltinOperator.PAD)
    # it takes the zero point off every number, ours is in the bias
    zeros = into.zero * own.weight.astype(np.int32).sum((1, 2, 3), dtype=np.int32)
    bias = graph.numbers(own.bias + zeros, into.scale * scales.astype(np.float64))
    after = graph.map(own.out_shape(into.shape), out, own.rescale.zero)
    common = {"strideW": own.stride, "strideH": own.stride}
    same = any(own.padding) and own.stride == 1
    common["padding"] = schema.Padding.SAME if same else schema.Padding.VALID
    if own.depthwise:
        weight = graph.weights(own.weight[:, 0].transpose(1, 2, 0)[None].copy(), scales, 3)
        code, kind = schema.BuiltinOperator.DEPTHWISE_CONV_2D, "DepthwiseConv2DOptions"
        common["depthMultiplier"] = 1
    else:
        weight = graph.weights(own.weight.transpose(0, 2, 3, 1).copy(), scales, 0)
        code, kind = schema.BuiltinOperator.CONV_2D, "Conv2DOptions"
    graph.operate(code, [source.tensor, weight, bias], after.tensor, kind, **common)
    return replace(own, rescale=_multipliers(held, own.rescale.zero)), after


def _pooled(graph: _Graph, into: _Map, side: Kernel, stride: int) -> _Map:
    after = into._replace(shape=MaxPool(side, stride).out_shape(into.shape))
    after = graph.map(after.shape, into.scale, into.zero)
    rows, columns = sides_of(side)
    window = {"filterWidth": columns, "filterHeight": rows, "strideW": stride, "strideH": stride}
    window["padding"] = schema.Padding.VALID
    code = schema.BuiltinOperator.MAX_POOL_2D
    graph.operate(code, [into.tensor], after.tensor, "Pool2DOptions", **window)
    return after


def _blurred(graph: _Graph, own: Blur, into: _Map) -> _Map:
    code = schema.BuiltinOperator.MIRROR_PAD
    reach = own.kernel_size // 2
    source = _bordered(graph, into, (reach, reach), code)
    square = np.outer(own.row, own.row).astype(np.int8)
    channels = into.shape.channels
    filters = np.repeat(square[None, :, :, None], channels, 3)
    scales = np.full(channels, 1 / square.sum(), np.float32)
    weight = graph.weights(np.ascontiguousarray(filters), scales, 3)
    zero = graph.numbers(np.zeros(channels, np.int32), into.scale * scales.astype(np.float64))
    after = graph.map(own.out_shape(into.shape), into.scale, into.zero)
    options = {"strideW": own.stride, "strideH": own.stride, "depthMultiplier": 1}
    options["padding"] = schema.Padding.VALID
    code, kind = schema.BuiltinOperator.DEPTHWISE_CONV_2D, "DepthwiseConv2DOptions"
    graph.operate(code, [source.tensor, weight, zero], after.tensor, kind, **options)
    return after


def _bordered(graph: _Graph, into: _Map, width: tuple[int, int], code: int) -> _Map:
    channels, height, columns = into.shape
    after = graph.map(Shape(channels, height + 2 * width[0], columns + 2 * width[1]), *into[2:])
    sides = np.array([[0, 0], [width[0]] * 2, [width[1]] * 2, [0, 0]], np.int32)
    kind = "MirrorPadOptions" if code == schema.BuiltinOperator.MIRROR_PAD else "PadOptions"
    inputs = [into.tensor, graph.numbers(sides, np.empty(0))]
    graph.operate(code, inputs, after.tensor, kind)  # mode 0 is to reflect
    return after


def _averaged(graph: _Graph, own: IntAverage, into: _Map) -> tuple[IntAverage, _Map]:
    channels, height, width = into.shape
    pixels = height * width
    factor = float(_factors(own.rescale)[0]) * pixels / into.scale  # of the mean, not of the sum
    out = float(np.float32(1 / factor))
    after = graph.map(Shape(channels, 1, 1), out, own.rescale.zero)
    axes = graph.numbers(np.array([1, 2], np.int32), np.empty(0))
    code = schema.BuiltinOperator.MEAN
    graph.operate(code, [into.tensor, axes], after.tensor, "ReducerOptions", keepDims=True)
    # it divides the multiplier, downwards, and leaves it where that puts it
    whole = _factor(into.scale / out)
    moved = min(pixels.bit_length() - 1, 32, 31 - int(whole.shift[0]))
    divided = np.array([(int(whole.multiplier[0]) << moved) // pixels], np.int32)
    held = Rescale(divided, whole.shift + moved, own.rescale.zero)
    return replace(own, rescale=held), after


def _excited(graph: _Graph, own: IntSqueezeExcite, into: _Map) -> tuple[IntSqueezeExcite, _Map]:
    average, mean = _averaged(graph, own.average, into)
    squeeze, hidden = _convolved(graph, own.squeeze, mean)
    excite, gate = _convolved(graph, own.excite, hidden, out=1 / 16)
    opened = graph.map(gate.shape, GATE, -128)
    graph.operate(schema.BuiltinOperator.LOGISTIC, [gate.tensor], opened.tensor)
    out = float(np.float32(into.scale * GATE / _factors(own.rescale)[0]))
    after = graph.map(into.shape, out, own.rescale.zero)
    inputs = [into.tensor, opened.tensor]
    graph.operate(schema.BuiltinOperator.MUL, inputs, after.tensor, "MulOptions")
    held = _multipliers(np.array([into.scale * GATE / out]), own.rescale.zero)
    return IntSqueezeExcite(average, squeeze, excite, held), after


def _summed(graph: _Graph, own: IntResidual, into: _Map) -> tuple[IntResidual, _Map]:
    """Write a sum; where a convolution ends its inner chain, the scales are in our ratio."""
    shortcut, beside = _chained(graph, own.shortcut, into)
    ratio = float(_factors(own.made.rescale)[0] / _factors(own.beside.rescale)[0])
    inner, made = _chained(graph, own.inner, into, float(np.float32(beside.scale * ratio)))
    larger = max(made.scale, beside.scale)
    factor = float(_factors(own.rescale)[0]) * 2**HEADROOM / 2  # of the larger by the result
    out = float(np.float32(larger / factor))
    after = graph.map(own.out_shape(into.shape), out, own.rescale.zero)
    inputs = [beside.tensor, made.tensor]
    graph.operate(schema.BuiltinOperator.ADD, inputs, after.tensor, "AddOptions")
    held = replace(
        own,
        inner=inner,
        shortcut=shortcut,
        made=Addend(made.zero, _factor(made.scale / (2 * larger))),
        beside=Addend(beside.zero, _factor(beside.scale / (2 * larger))),
        rescale=_multipliers(np.array([2 * larger / (2**HEADROOM * out)]), own.rescale.zero),
    )
    return held, after


def _chained(
    graph: _Graph, operations: tuple[IntOperation, ...], into: _Map, out: float = 0.0
) -> tuple[tuple[IntOperation, ...], _Map]:
    done = list[IntOperation]()
    for place, operation in enumerate(operations, 1):
        own, into = _operated(graph, operation, into, out if place == len(operations) else 0.0)
        done.append(own)
    return tuple(done), into


def _flattened(graph: _Graph, into: _Map) -> _Map:
    shape = Flatten().out_shape(into.shape)
    after = graph.map(shape, into.scale, into.zero)
    sides = graph.numbers(np.array([1, 1, 1, shape.channels], np.int32), np.empty(0))
    inputs = [into.tensor, sides]
    graph.operate(schema.BuiltinOperator.RESHAPE, inputs, after.tensor, "ReshapeOptions")
    return after


def _classified(graph: _Graph, own: IntLinear, into: _Map, step: float) -> tuple[Rescale, _Map]:
    scales = np.array([step / into.scale], np.float32)
    held = into.scale * scales.astype(np.float64)
    weight = graph.weights(own.weight, scales, 0)
    zeros = into.zero * own.weight.astype(np.int32).sum(1, dtype=np.int32)
    bias = graph.numbers(own.bias + zeros, into.scale * scales.astype(np.float64))
    after = graph.map(Shape(len(own.bias), 1, 1), 1.0, 0)
    inputs = [into.tensor, weight, bias]
    code, kind = schema.BuiltinOperator.FULLY_CONNECTED, "FullyConnectedOptions"
    graph.operate(code, inputs, after.tensor, kind, keepNumDims=True)
    return _multipliers(held, 0), after


def _factors(by: Rescale) -> NDArray[np.float64]:
    """Return the factors of a rescaling, exactly: 31 bits fit into a double."""
    return by.multiplier * 2.0 ** -(31.0 + by.shift)


def _factor(factor: float) -> Rescale:
    return _multipliers(np.array([factor]), 0)


def _multipliers(factors: NDArray[np.float64], zero: int) -> Rescale:
    """Return multipliers as TensorFlow Lite's ``QuantizeMultiplier`` does, all 31 bits in use."""
    multipliers, shifts = list[int](), list[int]()
    for factor in factors.tolist():
        mantissa, exponent = np.frexp(factor)
        scaled = Fraction(float(mantissa)) * 2**31
        multiplier, shift = int(scaled + Fraction(1, 2)), -int(exponent)
        if multiplier == 2**31:
            multiplier, shift = 2**30, shift - 1
        multipliers.append(multiplier)
        shifts.append(shift)
    return Rescale(np.array(multipliers, np.int32), np.array(shifts, np.int32), zero)
