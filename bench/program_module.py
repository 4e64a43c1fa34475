"""A folded program as torch modules, of the kinds that exporters know best."""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smidgen.export import program as ops
from smidgen.export.program import FloatArray, Program
from smidgen.layers import Shape

_Kept: TypeAlias = dict[int, nn.Conv2d] | None  # convolutions used again; None: never


class ProgramModule(nn.Module):
    """uint8 pixels (n, c, h, w) in, logits out; for torch's exporter and whoever reads torch.

    Args:
        program: Folded, normalisation first.
        share: Whether convolutions that share their weights do so here, and scale what comes of
            it; else each has its own, folded.
    """

    def __init__(self, program: Program, *, share: bool = True) -> None:
        super().__init__()
        first, *rest = program.operations
        assert isinstance(first, ops.Normalise)
        mean, std = (_column(255 * side.astype(np.float64)) for side in (first.mean, first.std))
        # ``W ((p - 255 mean) / (255 std))``: the division goes into the weights where it can
        if isinstance(rest[0], ops.Conv2d):
            absorbed = std.numpy() if rest[0].groups == 1 else std.numpy().reshape(-1, 1, 1, 1)
            weight = (rest[0].weight / absorbed).astype(np.float32)
            rest[0] = replace(rest[0], weight=weight, shared=None)
            std = torch.ones_like(std)
        self.normalise = _Normalise(mean, std)
        shape = program.input_shape
        steps: list[nn.Module] = []
        kept: _Kept = {} if share else None
        for operation in rest:
            steps.extend(_modules(operation, shape, kept))
            shape = operation.out_shape(shape)
        self.steps = nn.Sequential(*steps)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.steps(self.normalise(pixels))


class _Normalise(nn.Module):
    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.mean, self.std = nn.Buffer(mean), nn.Buffer(std)
        self.divides = bool((std != 1).any())

    def forward(self, pixels: Tensor) -> Tensor:
        centred = pixels.float() - self.mean
        return centred / self.std if self.divides else centred


class _Blur(nn.Module):
    def __init__(self, blur: ops.Blur, channels: int) -> None:
        super().__init__()
        self.stride, self.reach = blur.stride, blur.kernel_size // 2
        row = torch.tensor(blur.row, dtype=torch.float32)
        kernel = torch.outer(row, row) / row.sum() ** 2
        self.kernel = nn.Buffer(kernel.expand(channels, 1, -1, -1).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        across, down = [self.reach] * 2, [self.reach] * 2
        if min(height, width) > 1:
            x = F.pad(x, [*across, *down], mode="reflect")
        else:  # a side of one pixel has nothing to reflect
            x = F.pad(x, [*across, 0, 0], mode="reflect" if width > 1 else "replicate")
            x = F.pad(x, [0, 0, *down], mode="reflect" if height > 1 else "replicate")
        return F.conv2d(x, self.kernel, stride=self.stride, groups=x.shape[1])


class _Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


class _Gate(nn.Module):
    def __init__(self, gate: ops.SqueezeExcite) -> None:
        super().__init__()
        squeeze, excite = (w[:, :, None, None] for w in (gate.squeeze, gate.excite))
        self.squeeze, self.excite = _convolution(squeeze), _convolution(excite)

    def forward(self, x: Tensor) -> Tensor:
        latent = self.squeeze(x.mean((2, 3), keepdim=True)).relu()
        return x * self.excite(latent).sigmoid()


class _Scaled(nn.Module):
    """A convolution whose weights others use too, then a factor and a bias a channel."""

    def __init__(self, conv: nn.Conv2d, gain: FloatArray, bias: FloatArray) -> None:
        super().__init__()
        self.conv = conv
        self.gain, self.bias = nn.Buffer(_column(gain)), nn.Buffer(_column(bias))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.gain + self.bias


class _Sum(nn.Module):
    def __init__(self, inner: list[nn.Module], shortcut: list[nn.Module], *, relu: bool) -> None:
        super().__init__()
        self.inner, self.shortcut = nn.Sequential(*inner), nn.Sequential(*shortcut)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        y = self.shortcut(x) + self.inner(x)
        return y.relu() if self.relu else y


class _Flatten(nn.Module):
    """One operator of ONNX for the new sides: not every reader has those that torch would take."""

    def __init__(self, elements: int) -> None:
        super().__init__()
        self.elements = elements

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(-1, self.elements, 1, 1)


def _chain(operations: tuple[ops.Operation, ...], shape: Shape, kept: _Kept) -> list[nn.Module]:
    return [
        module
        for operation, before in ops.walk(operations, shape)
        for module in _modules(operation, before, kept)
    ]


def _modules(operation: ops.Operation, shape: Shape, kept: _Kept) -> list[nn.Module]:
    """Return the modules of one operation; ``kept`` are convolutions that are used again."""
    found: list[nn.Module]
    match operation:
        case ops.Conv2d():
            assert operation.padding_value is None
            conv = _convolved(operation, kept)
            found = [conv, nn.ReLU()] if operation.relu else [conv]
        case ops.MaxPool(kernel_size, stride):
            found = [nn.MaxPool2d(kernel_size, stride)]
        case ops.Blur():
            found = [_Blur(operation, shape.channels)]
        case ops.SqueezeExcite():
            found = [_Gate(operation)]
        case ops.Residual(inner, shortcut, relu):
            inner, shortcut = (_chain(side, shape, kept) for side in (inner, shortcut))
            found = [_Sum(inner, shortcut, relu=relu)]
        case ops.GlobalAveragePool():
            found = [_Mean()]
        case ops.Flatten():
            found = [_Flatten(shape.elements)]
        case ops.Linear(weight, bias):
            linear = nn.Linear(*reversed(weight.shape))
            linear.load_state_dict({"weight": _tensor(weight), "bias": _tensor(bias)})
            found = [nn.Flatten(), linear]
        case ops.Normalise():
            raise AssertionError("normalisation is the first operation alone")
    return found


def _convolved(own: ops.Conv2d, kept: _Kept) -> nn.Module:
    sizes = own.stride, own.padding, own.groups
    if own.shared is None or kept is None:
        return _convolution(own.weight, own.bias, *sizes)
    key, weight, gain = own.shared
    if key not in kept:
        kept[key] = _convolution(weight, None, *sizes)
    bare = bool((gain == 1).all()) and not own.bias.any()
    return kept[key] if bare else _Scaled(kept[key], gain, own.bias)


def _convolution(
    weight: FloatArray,
    bias: FloatArray | None = None,
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    groups: int = 1,
) -> nn.Conv2d:
    width, inputs, rows, columns = weight.shape
    biased = bias is not None and bool(bias.any())
    conv = nn.Conv2d(
        inputs * groups, width, (rows, columns), stride, padding, groups=groups, bias=biased
    )
    state = {"weight": _tensor(weight)}
    if bias is not None and biased:
        state["bias"] = _tensor(bias)
    conv.load_state_dict(state)
    return conv


def _tensor(array: FloatArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _column(array: FloatArray) -> Tensor:
    return _tensor(array.astype(np.float32)).reshape(1, -1, 1, 1)
