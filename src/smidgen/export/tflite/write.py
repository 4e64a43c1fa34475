"""An integer program as a TensorFlow Lite file, and as the program that the file computes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from smidgen.export.int8.program import (
    Grid,
    Int32,
    IntegerProgram,
    IntLinear,
    IntOperation,
    Rescale,
)
from smidgen.export.int8.simulate import requantise
from smidgen.export.tflite.graph import Code, Graph, Map
from smidgen.export.tflite.operations import classified, operated
from smidgen.layers import Shape

Input: TypeAlias = Literal["uint8", "int8", "float32"]
INPUTS: tuple[Input, ...] = get_args(Input)
PIXEL = 1 / 255  # what 1 of a byte stands for: pixels are 0 to 1
_ZEROS: Mapping[Input, int] = {"uint8": 0, "int8": -128}


class Written(NamedTuple):
    """A file, and what it computes.

    Args:
        file: Its bytes.
        program: With the multipliers that an interpreter derives from the file.
        head: How the logits of ``program`` become those of the file, int8.
        factor: Of ``head``, in double precision.
    """

    file: bytes
    program: IntegerProgram
    head: Rescale
    factor: float

    def rounded_twice(self, sums: Int32) -> Int32:
        """Return the file's logits, in steps above zero, as micro interpreters round them."""
        return requantise(sums, self.head).astype(np.int32) - self.head.zero

    def rounded_once(self, sums: Int32) -> Int32:
        """Return the file's logits as LiteRT's plain classifier rounds them: halves from zero."""
        exact = sums * self.factor
        steps = np.copysign(np.floor(np.abs(exact) + 0.5), exact).astype(np.int32)
        return np.clip(steps, -128 - self.head.zero, 127 - self.head.zero)


def written(
    program: IntegerProgram,
    logits: Grid,
    takes: Input = "uint8",
    notes: Mapping[str, bytes] | None = None,
) -> Written:
    """Return ``program`` as a file that takes one image (1, h, w, c) and returns (1, classes).

    Args:
        program: Whole: its last operation is the classifier.
        logits: The grid of its results.
        takes: ``uint8`` pixels, ``int8`` pixels (less 128), or ``float32`` pixels from 0 to 1,
            with which the logits are float32, too.
        notes: What else the file says, by name.
    """
    graph = Graph()
    into = _received(graph, program.input_shape, takes)
    start = into.tensor
    if takes != "int8":
        into = graph.map(program.input_shape, PIXEL, -128)
        graph.operate(Code.QUANTIZE, [start], into.tensor)
    *body, head = program.operations
    assert isinstance(head, IntLinear)
    done = list[IntOperation]()
    for operation in body:
        own, into = operated(graph, operation, into)
        done.append(own)
    classifier = classified(graph, head, into, logits)
    end = classifier.tensor
    if takes == "float32":
        inside, end = end, graph.tensor((1, program.classes), "float32", name="logits")
        graph.operate(Code.DEQUANTIZE, [inside], end)
    file = graph.file(start, end, program.name, notes or {})
    whole = replace(program, operations=(*done, head))
    return Written(file, whole, classifier.by, classifier.factor)


def _received(graph: Graph, shape: Shape, takes: Input) -> Map:
    channels, height, width = shape
    quantised = takes != "float32"
    scales, zeros = ([PIXEL], [_ZEROS[takes]]) if quantised else ([], [])
    sides = (1, height, width, channels)
    place = graph.tensor(sides, takes, scales, zeros, name="pixels")
    return Map(place, shape, float(np.float32(PIXEL)), -128)
