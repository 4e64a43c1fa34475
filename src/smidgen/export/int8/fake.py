"""The integer program in floats, with gradients: what quantisation-aware finishing trains.

Every map is carried as whole numbers ``v = q - zero`` beside its scale, so the sums are those of
the integer program; only the rounding of halves and the 31 bits of a factor may differ. Rounding
passes gradients straight through; so does clipping, where nothing is clipped. The scale of a map
is learned with the weights, its zero point stays.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import inf, log2
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from smidgen.export.int8.calibrate import Ranges
from smidgen.export.int8.program import GATE_SCALE, HEADROOM, Grid
from smidgen.export.int8.quantize import FLATTEST, PIXELS, STEEPEST, grid_of, half_of, rescale
from smidgen.export.program import (
    Blur,
    Conv2d,
    Flatten,
    FloatArray,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Normalise,
    Operation,
    Pixels,
    Program,
    Residual,
    Shared,
    SqueezeExcite,
    apply,
    pad,
)
from smidgen.kernels.reference import strided

_SMALLEST = 0.05  # of a map's first scale: where learning stops


Relatives: TypeAlias = dict[int, nn.Parameter]  # weights shared by several convolutions, by key


class Map(NamedTuple):
    """Whole numbers (n, c, h, w), and what 1 in them is worth."""

    v: Tensor
    scale: Tensor


class FakeQuantised(nn.Module):
    """A lowered program with weights and maps rounded as :mod:`smidgen.export.int8.quantize` does.

    Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", section 3; Esser et al. 2020, "Learned Step Size
        Quantization", equation 3, for the gradient of a scale.
    Differs: from the latter, scales are learned relative to where calibration put them.
    """

    def __init__(self, program: Program, ranges: Ranges) -> None:
        super().__init__()
        self.own = program
        self.steps = nn.ModuleList()
        shared: Relatives = {}
        for operation, own in zip(program.operations, ranges, strict=True):
            self.steps.append(_step(operation, (grid_of(*ends) for ends in own), shared))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits (n, k) of pixels (n, c, h, w), whole numbers from 0 to 255."""
        x = _through(self.steps, Map(pixels, torch.tensor(PIXELS.scale)))
        return x.v * x.scale

    def program(self) -> tuple[Program, Ranges]:
        """Return the program as trained, and the ranges of its maps."""
        operations: list[Operation] = []
        ranges: list[tuple[tuple[float, float], ...]] = []
        for step in _steps(self.steps):
            operations.append(step.operation())
            ranges.append(step.ranges())
        return replace(self.own, operations=tuple(operations)), tuple(ranges)


class _Step(nn.Module):
    """One operation."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self.own = operation

    def operation(self) -> Operation:
        """Return the operation as trained."""
        return self.own

    def ranges(self) -> tuple[tuple[float, float], ...]:
        """Return the ranges of the maps it makes, as trained."""
        return ()


class _Plain(_Step):
    """One without numbers of its own, which stays as it is."""

    def __init__(self, operation: MaxPool | Blur | Flatten) -> None:
        super().__init__(operation)
        self.plain = operation

    def forward(self, x: Map) -> Map:
        v = apply(self.plain, x.v)
        match self.plain:
            case Blur():
                return Map(rounded(v), x.scale)
            case MaxPool() | Flatten():
                return Map(v, x.scale)


class _Narrow(Function):
    """Sums times a factor, rounded and held between two ends.

    One function where autograd would keep a map for each of a dozen operations.
    """

    @staticmethod
    def forward(
        ctx: Any,
        sums: Tensor,
        factor: Tensor,
        mantissa: Tensor,
        finer: Tensor,
        ends: tuple[float, float],
    ) -> Tensor:
        """Round as the integers do: twice, with the factor that 31 bits hold."""
        fine = (sums * mantissa).add_(0.5).floor_().div_(finer)  # SaturatingRoundingDoublingHighMul
        whole = fine.add_(torch.copysign(_HALF, fine)).trunc_()  # RoundingDivideByPOT
        inside = whole.clamp(*ends) == whole
        ctx.save_for_backward(sums, mantissa / finer, inside)
        ctx.shape = factor.shape
        return whole.clamp_(*ends)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dwhole: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Pass through the rounding, and where an end holds not at all."""
        sums, held, inside = ctx.saved_tensors
        dwhole = dwhole * inside
        return dwhole * held, (dwhole * sums).sum_to_size(ctx.shape), None, None, None


class _Round(Function):
    """Rounding, halves up, whose gradient is that of no rounding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Round."""
        del ctx
        return (x + 0.5).floor_()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Pass through."""
        del ctx
        return dy


_HALF = torch.tensor(0.5, dtype=torch.float32, device="cpu")


class Scale(nn.Module):
    """The grid of a map: its scale is learned."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.first, self.zero = grid.scale, grid.zero
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self) -> Tensor:
        return self.first * self.gain.clamp(min=_SMALLEST)

    def narrowed(self, sums: Tensor, factor: Tensor) -> Tensor:
        """Return ``sums * factor`` as whole numbers that int8 holds, rounded as TFLite does."""
        with torch.no_grad():
            by = rescale(factor.double().flatten().numpy(), self.zero)
            finer = torch.from_numpy(np.exp2(by.shift)).to(factor).reshape(factor.shape)
            mantissa = torch.from_numpy(by.multiplier * 2.0**-31).to(factor)
            mantissa = mantissa.reshape(factor.shape)
        ends = (-128.0 - self.zero, 127.0 - self.zero)
        return _Narrow.apply(sums, factor, mantissa, finer, ends)

    def ends(self) -> tuple[float, float]:
        """Return the range that the grid spans."""
        scale = float(self().detach())
        return (-128 - self.zero) * scale, (127 - self.zero) * scale


class _Weights(nn.Module):
    """Weight and bias in units of their own size, so that one learning rate suits all."""

    def __init__(
        self,
        weight: FloatArray,
        bias: FloatArray,
        unit: FloatArray,
        step: float,
        relative: nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        self.unit = nn.Buffer(torch.from_numpy(np.maximum(unit, 1e-12).astype(np.float32)))
        self.step = 2.0 ** round(log2(step))  # a division by it is exact: the bias stays the same
        own = torch.from_numpy(weight.astype(np.float32)) / self.unit
        self.relative = nn.Parameter(own) if relative is None else relative
        self.shift = nn.Parameter(torch.from_numpy(bias.astype(np.float32)) / self.step)

    def forward(self) -> tuple[Tensor, Tensor]:
        return self.relative * self.unit, self.shift * self.step


class _Convolve(_Step):
    def __init__(self, conv: Conv2d, grid: Grid, shared: Relatives) -> None:
        super().__init__(conv)
        self.conv, self.scale = conv, Scale(grid)
        bias = conv.bias.astype(np.float64)
        self.offset: Tensor | None = None
        if conv.padding_value is not None:  # the mean pixel, exact in the sum, a byte in the border
            mean = conv.padding_value.astype(np.float64)
            bias = bias + (conv.weight.astype(np.float64) * _along(conv, mean)).sum((1, 2, 3))
            self.offset = torch.from_numpy(conv.padding_value.astype(np.float32))
        unit = np.abs(conv.weight).max((1, 2, 3), keepdims=True)
        key = None if conv.shared is None else conv.shared.key
        of_others = None if key is None else shared.get(key)
        self.weights = _Weights(conv.weight, bias, unit, 64 * grid.scale, of_others)
        if key is not None:
            shared[key] = self.weights.relative

    def forward(self, x: Map) -> Map:
        conv, (weight, bias), out = self.conv, self.weights(), self.scale()
        step = out / x.scale
        largest = weight.abs().amax((1, 2, 3))
        scale = torch.minimum(torch.maximum(largest / 127, FLATTEST * step), STEEPEST * step)
        whole = rounded(weight / scale.reshape(-1, 1, 1, 1)).clamp(-127, 127)
        v, bias = x.v, bias / (x.scale * scale)
        if self.offset is None:
            v, bias = pad(v, conv.padding), rounded(bias)
        else:
            mean = self.offset / x.scale  # in steps of the input's grid: an average may come first
            border = torch.floor(mean.detach() + 0.5)
            v = pad(v, conv.padding, border.numpy()) - mean.reshape(1, -1, 1, 1)
            shape = (-1, 1, 1, 1) if conv.depthwise else (1, -1, 1, 1)
            carried = (whole * mean.reshape(shape)).sum((1, 2, 3))
            bias = rounded(bias - carried) + carried
        sums = strided(v, whole, bias, stride=conv.stride, groups=conv.groups)
        return Map(self.scale.narrowed(sums, (scale / step).reshape(1, -1, 1, 1)), out)

    def operation(self) -> Conv2d:
        weight, bias = (tensor.detach().double().numpy() for tensor in self.weights())
        if self.conv.padding_value is not None:
            bias = bias - (weight * _along(self.conv, self.conv.padding_value)).sum((1, 2, 3))
        shared = self.conv.shared
        if shared is not None:  # the unit of what is shared is 1, of the own weights their gain
            gain = self.weights.unit.flatten().numpy()
            shared = Shared(shared.key, self.weights.relative.detach().float().numpy(), gain)
        return replace(
            self.conv,
            weight=weight.astype(np.float32),
            bias=bias.astype(np.float32),
            shared=shared,
        )

    def ranges(self) -> tuple[tuple[float, float], ...]:
        return (self.scale.ends(),)


class _Average(_Step):
    def __init__(self, operation: Operation, grid: Grid) -> None:
        super().__init__(operation)
        self.scale = Scale(grid)

    def forward(self, x: Map) -> Map:
        pixels = x.v.shape[2] * x.v.shape[3]
        out = torch.maximum(self.scale(), x.scale / pixels / STEEPEST)
        sums = x.v.sum((2, 3), keepdim=True)
        return Map(self.scale.narrowed(sums, x.scale / pixels / out), out)

    def ranges(self) -> tuple[tuple[float, float], ...]:
        return (self.scale.ends(),)


class _Excite(_Step):
    def __init__(self, own: SqueezeExcite, grids: Iterator[Grid]) -> None:
        super().__init__(own)
        self.mean = _Average(GlobalAveragePool(), next(grids))
        latent, channels = own.squeeze.shape
        squeeze = Conv2d(own.squeeze[:, :, None, None], np.zeros(latent), relu=True)
        excite = Conv2d(own.excite[:, :, None, None], np.zeros(channels))
        self.squeeze, self.excite = (
            _Convolve(squeeze, next(grids), {}),
            _Convolve(excite, _GATE, {}),
        )
        no_biases = (self.squeeze.weights.shift, self.excite.weights.shift)
        for fixed in (*no_biases, self.excite.scale.gain):
            fixed.requires_grad_(False)
        self.scale = Scale(next(grids))

    def forward(self, x: Map) -> Map:
        gate = self.excite(self.squeeze(self.mean(x))).v
        gate = rounded(256 * (GATE_SCALE * gate).sigmoid()).clamp(max=255)
        out = torch.maximum(self.scale(), x.scale / 256 / STEEPEST)
        return Map(self.scale.narrowed(x.v * gate, x.scale / 256 / out), out)

    def operation(self) -> SqueezeExcite:
        squeeze, excite = self.squeeze.operation(), self.excite.operation()
        return SqueezeExcite(squeeze.weight[:, :, 0, 0], excite.weight[:, :, 0, 0])

    def ranges(self) -> tuple[tuple[float, float], ...]:
        return (*self.mean.ranges(), *self.squeeze.ranges(), self.scale.ends())


class _Residual(_Step):
    def __init__(self, own: Residual, grids: Iterator[Grid], shared: Relatives) -> None:
        super().__init__(own)
        self.relu = own.relu
        self.inner = nn.ModuleList([_step(operation, grids, shared) for operation in own.inner])
        self.shortcut = nn.ModuleList(
            [_step(operation, grids, shared) for operation in own.shortcut]
        )
        self.scale = Scale(next(grids))

    def forward(self, x: Map) -> Map:
        made, beside = _through(self.inner, x), _through(self.shortcut, x)
        larger = torch.maximum(made.scale, beside.scale)
        step = 2 * larger / 2**HEADROOM
        out = torch.maximum(self.scale(), step / STEEPEST)
        sums = _widened(made, larger) + _widened(beside, larger)
        return Map(self.scale.narrowed(sums, step / out), out)

    def operation(self) -> Residual:
        inner = tuple(step.operation() for step in _steps(self.inner))
        return Residual(inner, tuple(s.operation() for s in _steps(self.shortcut)), self.relu)

    def ranges(self) -> tuple[tuple[float, float], ...]:
        held = [*_steps(self.inner), *_steps(self.shortcut)]
        return (*(ends for step in held for ends in step.ranges()), self.scale.ends())


def _widened(x: Map, larger: Tensor) -> Tensor:
    """Return what a map adds to a sum, in whole numbers, rounded as TFLite does."""
    by = half_of(float(x.scale.detach()), float(larger.detach()))
    return _Narrow.apply(
        x.v,
        2**HEADROOM * (x.scale / larger / 2),
        x.v.new_tensor(2**HEADROOM * int(by.multiplier[0]) * 2.0**-31),
        x.v.new_tensor(2.0 ** int(by.shift[0])),
        (-inf, inf),
    )


def _through(steps: nn.ModuleList, x: Map) -> Map:
    for step in steps:
        x = step(x)
    return x


def _steps(steps: nn.ModuleList) -> Iterator[_Step]:
    for step in steps:
        assert isinstance(step, _Step)
        yield step


class _Classify(_Step):
    def __init__(self, own: Linear) -> None:
        super().__init__(own)
        largest = np.abs(own.weight).max(keepdims=True)
        self.weights = _Weights(own.weight, own.bias, largest, float(largest.max()) or 1.0)

    def forward(self, x: Map) -> Map:
        weight, bias = self.weights()
        scale = (weight.abs().max() / 127).clamp(min=1e-12)
        whole = rounded(weight / scale).clamp(-127, 127)
        sums = F.linear(x.v.flatten(1), whole, rounded(bias / (x.scale * scale)))
        return Map(sums, x.scale * scale)

    def operation(self) -> Linear:
        weight, bias = (tensor.detach().numpy() for tensor in self.weights())
        return Linear(weight, bias)


_GATE = Grid(GATE_SCALE, 0)


def _step(operation: Operation, grids: Iterator[Grid], shared: Relatives) -> _Step:
    match operation:
        case Conv2d():
            return _Convolve(operation, next(grids), shared)
        case SqueezeExcite():
            return _Excite(operation, grids)
        case GlobalAveragePool():
            return _Average(operation, next(grids))
        case Linear():
            return _Classify(operation)
        case Residual():
            return _Residual(operation, grids, shared)
        case MaxPool() | Blur() | Flatten():
            return _Plain(operation)
        case Normalise():
            raise ValueError("a program must be lowered before it is finished")


def rounded(x: Tensor) -> Tensor:
    """Return ``x`` rounded, halves up, its gradient untouched."""
    return _Round.apply(x)


def floats(pixels: Pixels) -> Tensor:
    """Return pixels as the floats that a program takes."""
    return torch.from_numpy(pixels.astype(np.float32))


def _along(conv: Conv2d, values: FloatArray) -> FloatArray:
    return values.reshape((-1, 1, 1, 1) if conv.depthwise else (1, -1, 1, 1))
