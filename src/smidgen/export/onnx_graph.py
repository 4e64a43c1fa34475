"""A folded program as a graph of ONNX, of operators that every reader knows."""

import importlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smidgen.export import program as ops
from smidgen.export.program import FloatArray, Program
from smidgen.layers import Shape

INPUT, OUTPUT = "pixels", "logits"


def graph_of(program: Program, *, share: bool = True) -> Any:
    """Return an ``onnx.GraphProto``: uint8 pixels (n, c, h, w) in, logits (n, classes) out.

    Args:
        program: Folded, normalisation first.
        share: Whether weights that several convolutions share stand in it once, a factor and a
            bias a channel behind each convolution; else each has its own, folded.
    """
    graph = _Graph(share=share)
    first, *rest = program.operations
    assert isinstance(first, ops.Normalise)
    mean, std = (255 * side.astype(np.float64) for side in (first.mean, first.std))
    x = graph.node("Sub", graph.node("Cast", INPUT, to=graph.float32), graph.column("mean", mean))
    # ``W ((p - 255 mean) / (255 std))``: the division goes into the weights where it can
    if isinstance(rest[0], ops.Conv2d):
        absorbed = std.reshape((1, -1, 1, 1) if rest[0].groups == 1 else (-1, 1, 1, 1))
        weight = (rest[0].weight / absorbed).astype(np.float32)
        rest[0] = replace(rest[0], weight=weight, shared=None)
    else:
        x = graph.node("Div", x, graph.column("std", std))
    graph.chain(rest, x, program.input_shape)
    return graph.made(program)


class _Graph:
    """Operators and constants so far; values are named by operator and number."""

    def __init__(self, *, share: bool) -> None:
        self._onnx: Any = importlib.import_module("onnx")
        self._share = share
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._named: Counter[str] = Counter()
        self._kept: dict[tuple[tuple[int, ...], bytes], str] = {}

    @property
    def float32(self) -> int:
        """The type, in ONNX's numbering."""
        return self._onnx.TensorProto.FLOAT

    def made(self, program: Program) -> Any:
        """Return the graph; the value that was computed last is the output."""
        helper = self._onnx.helper
        self._nodes[-1].output[0] = OUTPUT
        pixels = self._onnx.TensorProto.UINT8
        source = helper.make_tensor_value_info(INPUT, pixels, ["n", *program.input_shape])
        result = helper.make_tensor_value_info(OUTPUT, self.float32, ["n", program.classes])
        return helper.make_graph(self._nodes, program.name, [source], [result], self._constants)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator and return the name of what it computes."""
        name = self._name(kind.lower())
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        name = self._name(name)
        array = np.ascontiguousarray(array)
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def column(self, name: str, values: FloatArray) -> str:
        """Add a constant of a number a channel."""
        return self.constant(name, values.astype(np.float32).reshape(1, -1, 1, 1))

    def kept(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant if there is none like it.

        Biases are not kept like this: quantised, each has a scale of its own.
        """
        content = array.shape, array.tobytes()
        if content not in self._kept:
            self._kept[content] = self.constant(name, array)
        return self._kept[content]

    def chain(self, operations: Iterable[ops.Operation], x: str, shape: Shape) -> str:
        """Add operations one after another, to maps of a shape."""
        for operation, before in ops.walk(operations, shape):
            x = self._added(operation, x, before)
        return x

    def _added(self, operation: ops.Operation, x: str, shape: Shape) -> str:
        match operation:
            case ops.Conv2d():
                assert operation.padding_value is None
                y = self._convolved(operation, x)
                y = self.node("Relu", y) if operation.relu else y
            case ops.MaxPool(kernel_size, stride):
                sides = ops.sides_of(kernel_size)
                y = self.node("MaxPool", x, kernel_shape=sides, strides=(stride, stride))
            case ops.Blur():
                y = self._blurred(operation, x, shape)
            case ops.SqueezeExcite(squeeze, excite):
                latent = self.node("Relu", self._pointwise(self._mean(x), squeeze))
                y = self.node("Mul", x, self.node("Sigmoid", self._pointwise(latent, excite)))
            case ops.Residual(inner, shortcut, relu):
                kept, added = (self.chain(side, x, shape) for side in (shortcut, inner))
                y = self.node("Add", kept, added)
                y = self.node("Relu", y) if relu else y
            case ops.GlobalAveragePool():
                y = self._mean(x)
            case ops.Flatten():
                turned = self.node("Transpose", x, perm=(0, 2, 3, 1))
                y = self._reshaped(turned, (-1, shape.elements, 1, 1))
            case ops.Linear(weight, bias):
                flat = self._reshaped(x, (-1, weight.shape[1]))
                parts = self.kept("weight", weight), self.constant("bias", bias)
                y = self.node("Gemm", flat, *parts, transB=1)
            case ops.Normalise():
                raise AssertionError("normalisation is the first operation alone")
        return y

    def _convolved(self, conv: ops.Conv2d, x: str) -> str:
        weight, gain, bias = conv.weight, None, conv.bias
        if conv.shared is not None and self._share:
            _, weight, gain = conv.shared
        above, beside = conv.padding
        biased = [self.constant("bias", bias)] if gain is None and bias.any() else []
        y = self.node(
            "Conv",
            *(x, self.kept("weight", weight), *biased),
            kernel_shape=conv.sides,
            strides=(conv.stride, conv.stride),
            pads=(above, beside, above, beside),
            group=conv.groups,
        )
        if gain is not None and ((gain != 1).any() or bias.any()):
            y = self.node("Mul", y, self.column("gain", gain))
            y = self.node("Add", y, self.column("bias", bias))
        return y

    def _pointwise(self, x: str, weight: FloatArray) -> str:
        return self.node("Conv", x, self.kept("weight", weight[:, :, None, None]))

    def _mean(self, x: str) -> str:
        return self.node("ReduceMean", x, self.kept("axes", np.array([2, 3])), keepdims=1)

    def _reshaped(self, x: str, sides: tuple[int, ...]) -> str:
        return self.node("Reshape", x, self.kept("sides", np.array(sides)))

    def _blurred(self, blur: ops.Blur, x: str, shape: Shape) -> str:
        reach = blur.kernel_size // 2
        sides = [(2, shape.height), (3, shape.width)]
        if min(shape.height, shape.width) > 1:
            x = self._padded(x, {2: reach, 3: reach}, "reflect")
        else:  # a side of one pixel has nothing to reflect
            for axis, side in sides:
                x = self._padded(x, {axis: reach}, "reflect" if side > 1 else "edge")
        row = np.array(blur.row, np.float32)
        kernel = np.outer(row, row) / row.sum() ** 2
        return self.node(
            "Conv",
            *(x, self.kept("kernel", np.broadcast_to(kernel, (shape.channels, 1, *kernel.shape)))),
            kernel_shape=kernel.shape,
            strides=(blur.stride, blur.stride),
            group=shape.channels,
        )

    def _padded(self, x: str, reach: dict[int, int], mode: str) -> str:
        pads = [reach.get(axis, 0) for axis in range(4)] * 2
        return self.node("Pad", x, self.kept("pads", np.array(pads)), mode=mode)

    def _name(self, kind: str) -> str:
        self._named[kind] += 1
        return f"{kind}_{self._named[kind]}"
