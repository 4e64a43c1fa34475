"""Integer operations as TensorFlow Lite operators, and what their interpreters make of them.

A file holds scales in float32, of which an interpreter works out multipliers that differ from ours
by less than 1e-7. So every function here returns the operation with the very multipliers that it
will use, besides the map that it makes: :func:`smidgen.export.int8.simulate.simulate` of those is
the oracle of the file, to the bit.

A border is written out, by slices and concatenation: that of a blur, which is mirrored, since not
every interpreter mirrors, and that of a convolution of pixels, whose colour is the mean pixel.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from smidgen.export.int8.program import (
    GATE_SCALE,
    HEADROOM,
    Addend,
    Grid,
    IntAverage,
    IntConv2d,
    IntLinear,
    IntOperation,
    IntResidual,
    IntSqueezeExcite,
    Rescale,
)
from smidgen.export.int8.quantize import no_finer
from smidgen.export.program import Blur, Flatten, MaxPool
from smidgen.export.tflite.borders import coloured, mirrored, padded
from smidgen.export.tflite.graph import SAME, VALID, Code, Graph, Map
from smidgen.export.tflite.multipliers import divided, factors, multipliers
from smidgen.layers import Shape
from smidgen.layers.base import Kernel, sides_of

GATE = 1 / 256  # the scale that its sigmoid insists on, with a zero point of -128
WIDEST_BLUR = 5  # the largest product of two numbers of a wider filter's row is no int8
_FINER = 3  # steps of a blur's weights to one of the filter: what is added then moves no other sum


def operated(  # noqa: PLR0911 - a case an operation
    graph: Graph, operation: IntOperation, into: Map
) -> tuple[IntOperation, Map]:
    """Write one operation that is not the classifier."""
    match operation:
        case IntConv2d():
            return _convolved(graph, operation, into)
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
            raise ValueError("the classifier must be the last operation and the only one")


class Classified(NamedTuple):
    """A classifier in a file: its logits' tensor, and how int32 logits become those."""

    tensor: int
    by: Rescale
    factor: float  # the same in double precision


def classified(graph: Graph, own: IntLinear, into: Map, logits: Grid) -> Classified:
    """Write the classifier; its int8 logits lie on the grid ``logits``, or a coarser one.

    Of sums worth more than half a step of theirs interpreters make logits that are not simulated.
    """
    weight_scale = float(np.float32(own.scale / into.scale))
    held = into.scale * weight_scale
    weight = graph.constant(own.weight, [weight_scale])
    zeros = into.zero * own.weight.astype(np.int32).sum(1, dtype=np.int32)
    bias = graph.constant(own.bias + zeros, [held])
    scale = float(np.float32(no_finer(logits, held).scale))
    after = graph.tensor((1, len(own.bias)), "int8", [scale], [logits.zero], name="logits")
    graph.operate(Code.FULLY_CONNECTED, [into.tensor, weight, bias], after)
    by = multipliers(np.array([held / scale]), logits.zero, scale)
    return Classified(after, by, held / scale)


def _convolved(graph: Graph, own: IntConv2d, into: Map) -> tuple[IntConv2d, Map]:
    after = graph.map(own.out_shape(into.shape), own.rescale.scale, own.rescale.zero)
    scales = (factors(own.rescale) * after.scale / into.scale).astype(np.float32)
    held = np.float64(into.scale) * scales.astype(np.float64)
    source, same = _framed(graph, own, into)
    # it takes the zero point off every number, ours is in the bias
    zeros = into.zero * own.weight.astype(np.int32).sum((1, 2, 3), dtype=np.int32)
    bias = graph.constant(own.bias + zeros, held.tolist())
    options = _window(own.stride, same=same) | {
        "dilation_w": np.int32(1),
        "dilation_h": np.int32(1),
    }
    if own.depthwise:
        filters = own.weight[:, 0].transpose(1, 2, 0)[None]
        weight = graph.constant(filters, scales.tolist(), axis=3)
        code, options["multiplier"] = Code.DEPTHWISE_CONV_2D, np.int32(1)
    else:
        weight = graph.constant(own.weight.transpose(0, 2, 3, 1), scales.tolist())
        code = Code.CONV_2D
    graph.operate(code, [source.tensor, weight, bias], after.tensor, **options)
    by = multipliers(held / after.scale, own.rescale.zero, after.scale)
    return replace(own, rescale=by), after


def _framed(graph: Graph, own: IntConv2d, into: Map) -> tuple[Map, bool]:
    """Return what a convolution reads, and whether it pads that itself."""
    p = own.padding
    if not any(p):
        return into, False
    if (own.padding_value != into.zero).any():
        return coloured(graph, into, p, own.padding_value), False
    sides = into.shape.height, into.shape.width
    out = own.out_shape(into.shape)
    if all(
        -(-side // own.stride) == steps and (steps - 1) * own.stride + kernel - side == 2 * pad
        for side, steps, kernel, pad in zip(sides, out[1:], own.sides, p, strict=True)
    ):
        return into, True
    return padded(graph, into, p), False  # its own border would not be the same on both sides


def _window(stride: int, *, same: bool) -> dict[str, np.generic]:
    step = np.int32(stride)
    return {"padding": SAME if same else VALID, "stride_w": step, "stride_h": step}


def _pooled(graph: Graph, into: Map, side: Kernel, stride: int) -> Map:
    after = graph.map(MaxPool(side, stride).out_shape(into.shape), into.scale, into.zero)
    rows, columns = sides_of(side)
    sides = {"filter_w": np.int32(columns), "filter_h": np.int32(rows)}
    window = _window(stride, same=False) | sides
    graph.operate(Code.MAX_POOL_2D, [into.tensor], after.tensor, **window)
    return after


def _blurred(graph: Graph, own: Blur, into: Map) -> Map:
    """Write a blur that rounds as ours: halves up, whatever rounds after it.

    Its interpreters round halves away from zero, some after a first rounding. With weights of
    three steps each and one step added no sum lies halfway, and none crosses a half.
    """
    assert own.kernel_size <= WIDEST_BLUR, "its filter is no int8"
    if own.kernel_size == 1:  # no filter: pixels are left out
        return _pooled(graph, into, 1, own.stride)
    source = mirrored(graph, into, own.kernel_size // 2)
    square = np.outer(own.row, own.row)
    filters = np.repeat((_FINER * square).astype(np.int8)[None, :, :, None], into.shape.channels, 3)
    scales = np.full(into.shape.channels, 1 / (_FINER * square.sum()), np.float32)
    weight = graph.constant(filters, scales.tolist(), axis=3)
    ones = np.ones(into.shape.channels, np.int32)
    bias = graph.constant(ones, (into.scale * scales.astype(np.float64)).tolist())
    after = graph.map(own.out_shape(into.shape), into.scale, into.zero)
    one = np.int32(1)
    options = _window(own.stride, same=False)
    options |= {"multiplier": one, "dilation_w": one, "dilation_h": one}
    inputs = [source.tensor, weight, bias]
    graph.operate(Code.DEPTHWISE_CONV_2D, inputs, after.tensor, **options)
    return after


def _averaged(graph: Graph, own: IntAverage, into: Map) -> tuple[IntAverage, Map]:
    pixels = into.shape.height * into.shape.width
    # not the scale it says: bytes that it averages count 1/255 in the file
    scale = float(into.scale / (factors(own.rescale)[0] * pixels))
    after = graph.map(own.out_shape(into.shape), scale, own.rescale.zero)
    axes = graph.constant(np.array([1, 2], np.int32))
    graph.operate(Code.MEAN, [into.tensor, axes], after.tensor, keep=np.bool_(True))
    whole = multipliers(np.array([into.scale / after.scale]), after.zero, after.scale)
    return replace(own, rescale=divided(whole, pixels)), after


def _excited(graph: Graph, own: IntSqueezeExcite, into: Map) -> tuple[IntSqueezeExcite, Map]:
    """Write a gate; its two dense layers are 1x1 convolutions, for a scale an output."""
    average, mean = _averaged(graph, own.average, into)
    squeeze, hidden = _convolved(graph, own.squeeze, mean)
    excite, gate = _convolved(graph, own.excite, hidden)
    assert gate.scale == GATE_SCALE, "the table of gates is of another scale"
    opened = graph.map(gate.shape, GATE, -128)
    graph.operate(Code.LOGISTIC, [gate.tensor], opened.tensor)
    after = graph.map(into.shape, own.rescale.scale, own.rescale.zero)
    graph.operate(Code.MUL, [into.tensor, opened.tensor], after.tensor)
    factor = np.array([into.scale * GATE / after.scale])
    by = multipliers(factor, after.zero, after.scale)
    return IntSqueezeExcite(average, squeeze, excite, by), after


def _summed(graph: Graph, own: IntResidual, into: Map) -> tuple[IntResidual, Map]:
    shortcut, beside = _chained(graph, own.shortcut, into)
    inner, made = _chained(graph, own.inner, into)
    after = graph.map(own.out_shape(into.shape), own.rescale.scale, own.rescale.zero)
    graph.operate(Code.ADD, [beside.tensor, made.tensor], after.tensor)
    twice = 2 * max(made.scale, beside.scale)
    held = replace(
        own,
        inner=inner,
        shortcut=shortcut,
        made=Addend(made.zero, multipliers(np.array([made.scale / twice]), 0, 1.0)),
        beside=Addend(beside.zero, multipliers(np.array([beside.scale / twice]), 0, 1.0)),
        rescale=multipliers(
            np.array([twice / (2**HEADROOM * after.scale)]), after.zero, after.scale
        ),
    )
    return held, after


def _chained(
    graph: Graph, operations: tuple[IntOperation, ...], into: Map
) -> tuple[tuple[IntOperation, ...], Map]:
    done = list[IntOperation]()
    for operation in operations:
        own, into = operated(graph, operation, into)
        done.append(own)
    return tuple(done), into


def _flattened(graph: Graph, into: Map) -> Map:
    channels = into.shape.elements
    after = graph.map(Shape(channels, 1, 1), into.scale, into.zero)
    sides = np.array([1, 1, 1, channels], np.int32)
    graph.operate(Code.RESHAPE, [into.tensor, graph.constant(sides)], after.tensor, shape=sides)
    return after
