"""A TensorFlow Lite file while it is written: tensors, operators and constants."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen.export.tflite.tables import Table, Value, packed
from smidgen.layers import Shape

# The numbers below are those of TensorFlow Lite's schema.fbs, version 3.
_SCHEMA = 3
_IDENTIFIER = b"TFL3"
_OLD_CODES = 127  # what the byte that once held an operator can say
VALID, SAME = np.int8(1), np.int8(0)
NUMBERS = {"float32": 0, "int32": 2, "uint8": 3, "int8": 9}  # kinds of tensors


class Code(IntEnum):
    """Operators that files are made of."""

    ADD = 0
    CONCATENATION = 2
    CONV_2D = 3
    DEPTHWISE_CONV_2D = 4
    DEQUANTIZE = 6
    FULLY_CONNECTED = 9
    LOGISTIC = 14
    MAX_POOL_2D = 17
    MUL = 18
    RESHAPE = 22
    PAD = 34
    MEAN = 40
    SLICE = 65
    QUANTIZE = 114


class _Kind(NamedTuple):
    """Of an operator's options the number and, where it has them, their slots by name."""

    version: int  # of the operator: the first that takes int8
    options: int
    slots: Mapping[str, int]


_WINDOW = {"padding": 0, "stride_w": 1, "stride_h": 2}
_KINDS = {
    Code.ADD: _Kind(2, 11, {}),
    Code.CONCATENATION: _Kind(2, 10, {"axis": 0}),
    Code.CONV_2D: _Kind(3, 1, {**_WINDOW, "dilation_w": 4, "dilation_h": 5}),
    Code.DEPTHWISE_CONV_2D: _Kind(
        3, 2, {**_WINDOW, "multiplier": 3, "dilation_w": 5, "dilation_h": 6}
    ),
    Code.DEQUANTIZE: _Kind(2, 38, {}),
    Code.FULLY_CONNECTED: _Kind(4, 8, {}),
    Code.LOGISTIC: _Kind(2, 0, {}),
    Code.MAX_POOL_2D: _Kind(2, 5, {**_WINDOW, "filter_w": 3, "filter_h": 4}),
    Code.MUL: _Kind(2, 21, {}),
    Code.RESHAPE: _Kind(1, 17, {"shape": 0}),
    Code.PAD: _Kind(2, 22, {}),
    Code.MEAN: _Kind(2, 27, {"keep": 0}),
    Code.SLICE: _Kind(2, 48, {}),
    Code.QUANTIZE: _Kind(1, 89, {}),
}


class Map(NamedTuple):
    """A tensor that an operator has made: its place, and what its numbers mean."""

    tensor: int
    shape: Shape
    scale: float
    zero: int


class Graph:
    """Tensors and operators in the order in which they were asked for."""

    def __init__(self) -> None:
        self._tensors: list[Table] = []
        self._operators: list[Table] = []
        self._codes: list[Code] = []
        self._buffers: dict[bytes, int] = {b"": 0}  # the first is the one of tensors without

    def map(self, shape: Shape, scale: float, zero: int) -> Map:
        """Return a new map of int8 numbers; its scale is what float32 leaves of ``scale``."""
        channels, height, width = shape
        scale = float(np.float32(scale))
        tensor = self.tensor((1, height, width, channels), "int8", [scale], [zero])
        return Map(tensor, shape, scale, zero)

    def constant(
        self, values: NDArray[Any], scales: Sequence[float] = (), zero: int = 0, axis: int = 0
    ) -> int:
        """Return a tensor that holds ``values``; equal ones share their bytes in the file.

        Args:
            values: int8 or int32.
            scales: One, or one a place along ``axis``; none for what is no quantity.
            zero: The number that means 0.
            axis: Along which scales differ.
        """
        zeros = [zero] * len(scales)
        content = np.ascontiguousarray(values).tobytes()
        return self.tensor(values.shape, values.dtype.name, scales, zeros, content, axis)

    def tensor(
        self,
        shape: Sequence[int],
        kind: str,
        scales: Sequence[float] = (),
        zeros: Sequence[int] = (),
        content: bytes = b"",
        axis: int = 0,
        name: str = "",
    ) -> int:
        """Return the place of a new tensor.

        Args:
            shape: Its sides.
            kind: Of its numbers.
            scales: What 1 stands for.
            zeros: The numbers that mean 0, as many as there are scales.
            content: Of a constant.
            axis: Along which scales differ.
            name: For people.
        """
        slots: dict[int, Value] = {
            0: np.array(shape, np.int32),
            1: np.int8(NUMBERS[kind]),
            2: np.uint32(self._buffer(content)),
            3: name or f"t{len(self._tensors)}",
        }
        if scales:
            slots[4] = Table(
                {
                    2: np.array(scales, np.float32),
                    3: np.array(zeros, np.int64),
                    6: np.int32(axis),
                }
            )
        self._tensors.append(Table(slots))
        return len(self._tensors) - 1

    def operate(self, code: Code, inputs: Sequence[int], output: int, **options: Value) -> None:
        """Append an operator with its options by name."""
        if code not in self._codes:
            self._codes.append(code)
        kind = _KINDS[code]
        slots: dict[int, Value] = {
            0: np.uint32(self._codes.index(code)),
            1: np.array(inputs, np.int32),
            2: np.array([output], np.int32),
        }
        if kind.options:
            slots[3] = np.uint8(kind.options)
            slots[4] = Table({kind.slots[name]: value for name, value in options.items()})
        self._operators.append(Table(slots))

    def file(self, start: int, end: int, description: str, notes: Mapping[str, bytes]) -> bytes:
        """Return the file.

        Args:
            start: The tensor that takes the input.
            end: The tensor that holds the result.
            description: One line for people.
            notes: What else it says, by name.
        """
        subgraph: dict[int, Value] = {
            0: self._tensors,
            1: np.array([start], np.int32),
            2: np.array([end], np.int32),
            3: self._operators,
            4: "main",
        }
        places = {name: self._buffer(content) for name, content in notes.items()}
        root: dict[int, Value] = {
            0: np.uint32(_SCHEMA),
            1: [_code(code) for code in self._codes],
            2: [Table(subgraph)],
            3: description,
            4: [Table({0: content} if content else {}) for content in self._buffers],
            6: [Table({0: name, 1: np.uint32(place)}) for name, place in places.items()],
        }
        return packed(Table(root), _IDENTIFIER)

    def _buffer(self, content: bytes) -> int:
        return self._buffers.setdefault(content, len(self._buffers))


def _code(code: Code) -> Table:
    old = np.int8(min(code, _OLD_CODES))
    return Table({0: old, 2: np.int32(_KINDS[code].version), 3: np.int32(code)})
