"""The layers of an integer program, one after another, as the C for hosts runs them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.host_map import BEYOND, BLOCK, Fill, Map, whole
from smidgen.export.c.host_packed import Packed, Tap, packed_dense, packed_filter, units
from smidgen.export.c.host_quick import lines
from smidgen.export.int8.program import (
    WIDEST_BLUR,
    Addend,
    Int8,
    Int32,
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
from smidgen.layers.base import sides_of

_NONE = np.array([2**30], np.int32)  # where nothing is multiplied
_BLUR_OF_BYTES = 5  # the widest whose products of two weights are signed bytes


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A line of the table of layers; see the struct in templates/host_head.c."""

    kind: str
    source: Map
    made: Map
    beside: Map | None = None
    padding: tuple[int, int] = (0, 0)  # above and below, and beside
    kernel: tuple[int, int] = (1, 1)  # rows and columns
    stride: int = 1
    steps: int = 0
    taps: tuple[Tap, ...] = ()
    weight: int = 0
    unit: int = 0
    quick: bool = False
    zero: int = -128
    shift: int = 0
    zeros: tuple[int, int] = (0, 0)
    by: tuple[int, int] = (0, 0)
    by_rows: bool = False
    chunk: int = 0


@dataclass(slots=True)
class Plan:
    """What the C of one net holds, while its layers are walked."""

    steps: list[Step] = field(default_factory=list[Step])
    maps: list[Map] = field(default_factory=list[Map])
    weights: list[Int8] = field(default_factory=list[Int8])
    units: list[int] = field(default_factory=list[int])
    taps: list[int] = field(default_factory=list[int])  # of blurs too wide for bytes

    def make(self, shape: Shape, pitch: int | None = None) -> Map:
        """Plan a map that the next layer writes."""
        epoch = len(self.steps)
        made = Map(f"map{len(self.maps)}", shape, pitch or whole(shape.channels), epoch, epoch)
        self.maps.append(made)
        return made

    def add(self, step: Step) -> Map:
        """Append a layer; return what it writes."""
        for read in (step.source, step.beside):
            if read is not None:
                read.last = max(read.last, len(self.steps))
                read.reach = max(read.reach, BEYOND * step.stride + step.kernel[1])
        self.steps.append(step)
        return step.made

    def add_weights(self, block: Int8) -> int:
        """Return where ``block`` lies: where it was before, or at the end."""
        at = 0
        for part in self.weights:  # passes of a repeat share theirs
            if len(part) == len(block) and (part == block).all():
                return at
            at += len(part)
        self.weights.append(block)
        return at

    def add_units(
        self,
        bias: Int32,
        multiplier: Int32,
        sums: NDArray[np.int64],
        zero: int | None = None,
    ) -> tuple[int, bool]:
        """Return where biases and factors lie once they are appended, and if lines are with them.

        Args:
            bias: See :func:`units`.
            multiplier: Likewise.
            sums: Likewise.
            zero: Number that stands for 0 in the map to which sums are rounded, if they are.
        """
        at = len(self.units)
        quick = None if zero is None else lines(multiplier, zero + 128)
        self.units += units(bias, multiplier, sums, quick).tolist()
        return at, quick is not None

    def bordered(self, source: Map, border: int, fill: Fill) -> Map:
        """Return the map with a border, a copy where it has another one already."""
        if not border or source.surround(border, fill):
            return source
        made = self.make(source.shape, source.pitch)
        made.surround(border, fill)
        return self.add(Step("COPY", source, made))


def planned(program: IntegerProgram) -> Plan:
    """Return the layers of a program.

    Raises:
        ValueError: If one is beyond the C; its place is named.
    """
    plan, shape = Plan(), program.input_shape
    first = program.operations[0]
    dense = isinstance(first, IntConv2d) and not first.depthwise
    made = plan.make(shape, shape.channels if dense else None)
    plan.add(Step("READ", made, made))
    for place_, operation in enumerate(program.operations):
        try:
            made = _add(plan, operation, made)
        except ValueError as error:
            raise ValueError(f"{program.name}, operation {place_ + 1}: {error}") from None
    return plan


def _chain(plan: Plan, operations: Sequence[IntOperation], source: Map) -> Map:
    for operation in operations:
        source = _add(plan, operation, source)
    return source


def _add(plan: Plan, own: IntOperation, source: Map) -> Map:
    """Append the layers of one operation; return what the last one writes."""
    match own:
        case IntConv2d():
            made = _convolve(plan, own, source)
        case MaxPool(kernel_size, stride):
            made = plan.make(own.out_shape(source.shape))
            plan.add(Step("POOL", source, made, kernel=sides_of(kernel_size), stride=stride))
        case Blur():
            made = _blur(plan, own, source)
        case IntAverage():
            made = _average(plan, own, source)
        case Flatten():
            made = plan.make(Shape(source.shape.elements, 1, 1))
            plan.add(Step("FLATTEN", source, made))
        case IntSqueezeExcite():
            made = _excite(plan, own, source)
        case IntResidual():
            made = _residual(plan, own, source)
        case IntLinear():
            made = _classify(plan, own, source)
    return made


def _convolve(plan: Plan, own: IntConv2d, source: Map) -> Map:
    fill = tuple((own.padding_value.astype(int) + 128).tolist())
    source = plan.bordered(source, max(own.padding), fill)
    pack = packed_filter if own.depthwise else packed_dense
    packed: Packed = pack(own.weight, source.pitch)
    sums = own.weight.astype(np.int64).sum((1, 2, 3))
    unit, quick = plan.add_units(own.bias, own.rescale.multiplier, sums, own.rescale.zero)
    step = Step(
        "FILTER" if own.depthwise else "CONVOLVE",
        source,
        plan.make(own.out_shape(source.shape)),
        padding=own.padding,
        kernel=own.sides,
        stride=own.stride,
        steps=packed.steps,
        taps=packed.taps,
        weight=plan.add_weights(packed.weight),
        unit=unit,
        quick=quick,
        zero=own.rescale.zero,
        by_rows=packed.by_rows,
        chunk=packed.chunk,
    )
    return plan.add(step)


def _blur(plan: Plan, own: Blur, source: Map) -> Map:
    side, channels = own.kernel_size, source.shape.channels
    if side > WIDEST_BLUR:
        raise ValueError(f"blur kernel_size must be <= {WIDEST_BLUR}, got {side}")
    if side == 1 and own.stride == 1:
        return source
    source = plan.bordered(source, side // 2, "mirrored")
    made = plan.make(own.out_shape(source.shape))
    padding, sides = (side // 2, side // 2), (side, side)
    plain = Step("BLUR", source, made, padding=padding, kernel=sides, stride=own.stride)
    if side == 1:
        return plan.add(replace(plain, kind="POOL"))
    shift = 2 * (side - 1)
    if side > _BLUR_OF_BYTES:
        plan.taps += own.row
        return plan.add(replace(plain, weight=len(plan.taps) - side, shift=shift))
    square = np.outer(own.row, own.row)
    weight = np.broadcast_to(square, (channels, 1, side, side))
    packed = packed_filter(weight, source.pitch)
    # for bytes less 128 and for bytes alike: what 128 more adds is 128 steps of the result
    half = np.full(channels, (1 << shift >> 1) + (128 << shift), np.int32)
    unit, _ = plan.add_units(half, _NONE, np.full(channels, 1 << shift))
    return plan.add(
        replace(
            plain,
            kind="FILTER",
            steps=packed.steps,
            taps=packed.taps,
            weight=plan.add_weights(packed.weight),
            unit=unit,
            shift=shift,
            by_rows=packed.by_rows,
        )
    )


def _average(plan: Plan, own: IntAverage, source: Map) -> Map:
    pixels = source.shape.height * source.shape.width
    unit, quick = _alike(plan, -(own.zero + 128) * pixels, own.rescale)
    made = plan.make(own.out_shape(source.shape))
    step = Step("AVERAGE", source, made, unit=unit, quick=quick, zero=own.rescale.zero)
    return plan.add(step)


def _excite(plan: Plan, own: IntSqueezeExcite, source: Map) -> Map:
    gates = _chain(plan, (own.average, own.squeeze, own.excite), source)
    unit, quick = _alike(plan, 0, own.rescale)
    zeros, made = (own.average.zero + 128, 0), plan.make(source.shape)
    step = Step("EXCITE", source, made, gates, unit=unit, quick=quick, zeros=zeros)
    return plan.add(replace(step, zero=own.rescale.zero))


def _residual(plan: Plan, own: IntResidual, source: Map) -> Map:
    made, beside = _chain(plan, own.inner, source), _chain(plan, own.shortcut, source)
    unit, quick = _alike(plan, 0, own.rescale)
    sides = (own.made, own.beside)
    step = Step(
        "ADD",
        made,
        plan.make(made.shape),
        beside,
        unit=unit,
        quick=quick,
        zero=own.rescale.zero,
        zeros=(sides[0].zero + 128, sides[1].zero + 128),
        by=(_factor(sides[0]), _factor(sides[1])),
    )
    return plan.add(step)


def _classify(plan: Plan, own: IntLinear, source: Map) -> Map:
    packed = packed_dense(own.weight[:, :, None, None], source.pitch)
    sums = own.weight.astype(np.int64).sum(1)
    unit, _ = plan.add_units(own.bias, _NONE, sums)
    weight = plan.add_weights(packed.weight)
    made = plan.make(own.out_shape(source.shape))
    step = Step("CLASSIFY", source, made, steps=packed.steps, weight=weight, unit=unit)
    return plan.add(step)


def _alike(plan: Plan, bias: int, rescale: Rescale) -> tuple[int, bool]:
    """Return where one bias and one factor lie that all channels share, and if lines are there."""
    multiplier = np.full(BLOCK, rescale.multiplier[0], np.int32)
    sums = np.zeros(BLOCK, np.int64)
    return plan.add_units(np.full(BLOCK, bias, np.int32), multiplier, sums, rescale.zero)


def _factor(side: Addend) -> int:
    """Return what a side of a sum is multiplied with, 0 for a half."""
    return int(side.rescale.multiplier[0]) if int(side.rescale.shift[0]) else 0
