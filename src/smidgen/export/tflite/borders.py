"""Borders of maps, written out by operators that every interpreter has."""

from collections.abc import Sequence

import numpy as np

from smidgen.export.int8.program import Int8
from smidgen.export.tflite.graph import Code, Graph, Map
from smidgen.layers import Shape

_AXES = (1, 2)  # rows, then columns


def padded(graph: Graph, into: Map, width: tuple[int, int]) -> Map:
    """Return ``into`` with a border that means 0."""
    channels, rows, columns = into.shape
    above, beside = width
    sides = np.array([[0, 0], [above, above], [beside, beside], [0, 0]], np.int32)
    shape = Shape(channels, rows + 2 * above, columns + 2 * beside)
    after = graph.map(shape, into.scale, into.zero)
    graph.operate(Code.PAD, [into.tensor, graph.constant(sides)], after.tensor)
    return after


def coloured(graph: Graph, into: Map, width: tuple[int, int], colour: Int8) -> Map:
    """Return ``into`` with a border of one colour, a number a channel."""
    for axis in _AXES:
        sides = [1, into.shape.height, into.shape.width, into.shape.channels]
        sides[axis] = width[axis - 1]
        if not sides[axis]:
            continue
        border = np.broadcast_to(colour, sides)
        edge = graph.constant(np.ascontiguousarray(border), [into.scale], into.zero)
        into = _joined(graph, into, [edge, into.tensor, edge], axis, 2 * sides[axis])
    return into


def mirrored(graph: Graph, into: Map, width: int) -> Map:
    """Return ``into`` with a border that mirrors what lies beside its edge.

    A side of one pixel has nothing beside it: the pixel itself is repeated.
    """
    for axis in _AXES:
        last = (into.shape.height, into.shape.width)[axis - 1] - 1
        before = [min(place, last) for place in range(width, 0, -1)]
        after = [max(last - place, 0) for place in range(1, width + 1)]
        lines = (
            {place: _line(graph, into, axis, place) for place in {*before, *after}} if last else {}
        )
        parts = [lines.get(place, into.tensor) for place in before]
        parts += [into.tensor, *(lines.get(place, into.tensor) for place in after)]
        into = _joined(graph, into, parts, axis, 2 * width)
    return into


def _line(graph: Graph, into: Map, axis: int, place: int) -> int:
    """Return the tensor of one row or column."""
    sides = [1, into.shape.height, into.shape.width, into.shape.channels]
    begin = [0, 0, 0, 0]
    sides[axis], begin[axis] = 1, place
    line = graph.map(Shape(sides[3], sides[1], sides[2]), into.scale, into.zero)
    numbers = [graph.constant(np.array(values, np.int32)) for values in (begin, sides)]
    graph.operate(Code.SLICE, [into.tensor, *numbers], line.tensor)
    return line.tensor


def _joined(graph: Graph, into: Map, parts: Sequence[int], axis: int, more: int) -> Map:
    sides = [into.shape.height, into.shape.width]
    sides[axis - 1] += more
    after = graph.map(Shape(into.shape.channels, *sides), into.scale, into.zero)
    graph.operate(Code.CONCATENATION, parts, after.tensor, axis=np.int32(axis))
    return after
