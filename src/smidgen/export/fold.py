"""From a trained model to a program: batch norm folded, then linear neighbours merged.

What is exact, and done:

* Batch norm after a convolution: ``W' = W g / sqrt(var + eps)``, ``b' = (b - mean) g / sqrt(var +
  eps) + beta``, in float64.
* The bias of a depthwise convolution passes through the pointwise one: ``b' = b_p + W_p b_d``. The
  zero padding lies before the bias, so the border is no exception.
* Convolutions of a repeat have the same weights in every pass but for a factor an output channel,
  its batch norm's: they say so (:class:`smidgen.export.program.Shared`), so that an exporter can
  store them once. Not where a merge has changed them, nor where a norm turns a channel's sign.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smidgen import layers
from smidgen.export.merge import Origin, merged
from smidgen.export.program import (
    MOST,
    Blur,
    Conv2d,
    Flatten,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Normalise,
    Operation,
    Program,
    Residual,
    Shared,
    SqueezeExcite,
)
from smidgen.layers import Layer, Shape
from smidgen.layers.base import PlainLayer
from smidgen.layers.nest import Layers, through
from smidgen.layers.repeat import RepeatModule
from smidgen.layers.residual import ResidualModule
from smidgen.spec import NetSpec
from smidgen.text import to_text

Array: TypeAlias = NDArray[Any]  # float64 until the program is complete
_LEAST = float(np.finfo(np.float32).tiny)


class Convolution(NamedTuple):
    """Weight (4 axes) and bias of a convolution inside a layer's module.

    ``of`` are the parameter that the weight comes from and the factor it was folded with.
    """

    weight: Array
    bias: Array
    of: tuple[nn.Parameter, Array]


def fold(
    spec: NetSpec, model: nn.Sequential, mean: Sequence[float], std: Sequence[float]
) -> Program:
    """Return the deployable program of a trained ``model`` of ``spec``.

    Args:
        spec: Whose ``build()`` returned the model; a classifier must be its last layer.
        model: One module a layer; its tensors are found by :func:`convolutions` and :func:`norm`.
        mean: Of the pixels, a channel, on the scale 0 to 1, as subtracted in training.
        std: By which training divided, same scale.

    Raises:
        ValueError: If the spec does not end in its only classifier, the numbers of channels
            differ, or a tensor is of another shape than the spec's or not finite; the layer is
            named.
    """
    with torch.device("meta"):  # shapes alone
        plain = spec.build()
    for place, module in enumerate(zip(model, plain, strict=True)):
        _require_shapes(*module, _where(spec, place))
    return folded(spec, model, mean, std)[0]


def folded(
    spec: NetSpec, model: nn.Sequential, mean: Sequence[float], std: Sequence[float]
) -> tuple[Program, list[Origin]]:
    """Return the program of :func:`fold`, and of which layers each operation was made.

    Layers are told by their place in the spec, from 0; the normalisation is of none of them. The
    tensors of ``model`` are certainly of the spec's shapes.

    Raises:
        ValueError: As there; shapes are not looked at.
    """
    _check(spec, mean, std)
    operations: list[tuple[Operation, Origin]] = []
    found = _Parameters([])
    for place, ((layer, shape), module) in enumerate(zip(spec.walk(), model, strict=True)):
        where = _where(spec, place)
        for operation in _operations(layer, shape, module, found):
            _require_finite(operation, where)
            operations.append((operation, Origin((place,))))
    joined = merged(operations, spec.input_shape)
    for operation, _ in joined:  # a product of weights may be beyond what either was
        _require_finite(operation, spec.name)
    convs = _convs(operation for operation, _ in joined)
    uses = Counter(conv.shared.key for conv in convs if conv.shared)
    first = Normalise(np.array(mean, np.float32), np.array(std, np.float32))
    rest = (_single(operation, uses) for operation, _ in joined)
    program = Program(spec.name, spec.input_shape, (first, *rest))
    return program, [Origin(), *(origin for _, origin in joined)]


def _where(spec: NetSpec, place: int) -> str:
    """Return what to call a layer, by its place among them from 0."""
    return f"{spec.name}, layer {place + 1} {to_text(spec.layers[place])}"


def convolutions(module: nn.Module) -> list[Convolution]:
    """Return the convolutions of one layer's module, in order, float64.

    They are its parameters with four axes, and each one's bias the parameter named ``bias``
    beside it; so a fused module that keeps the parameters' names is read like the plain one.
    """
    named = dict(module.named_parameters())
    found: list[Convolution] = []
    for name, weight in named.items():
        if weight.ndim == 4:  # noqa: PLR2004
            bias = named.get(name.removesuffix("weight") + "bias")
            zeros = np.zeros(len(weight))
            values = _array(weight)
            of = weight, np.ones(len(values))
            found.append(Convolution(values, zeros if bias is None else _array(bias), of))
    return found


def norm(module: nn.Module) -> tuple[Array, Array]:
    """Return the factor and the shift a channel of the batch norm in one layer's module.

    It is found by its buffer ``running_mean``; its epsilon is the attribute ``eps`` of the
    module that owns that buffer.
    """
    buffers, named = dict(module.named_buffers()), dict(module.named_parameters())
    prefix = next(n for n in buffers if n.endswith("running_mean")).removesuffix("running_mean")
    epsilon: Any = module.get_submodule(prefix.removesuffix(".")).eps
    variance = _array(buffers[f"{prefix}running_var"])
    factor = _array(named[f"{prefix}weight"]) / np.sqrt(variance + epsilon)
    shift = _array(named[f"{prefix}bias"]) - _array(buffers[f"{prefix}running_mean"]) * factor
    return factor, shift


class _Parameters(NamedTuple):
    """The weights of all convolutions met so far; a place among them is a key."""

    seen: list[nn.Parameter]

    def key(self, parameter: nn.Parameter) -> int:
        for place, other in enumerate(self.seen):
            if other is parameter:
                return place
        self.seen.append(parameter)
        return len(self.seen) - 1


def _operations(  # noqa: C901, PLR0912 - a case a layer
    layer: Layer, shape: Shape, module: nn.Module, seen: _Parameters
) -> list[Operation]:
    own = convolutions(module) if isinstance(layer, PlainLayer) else []
    found: list[Operation]
    match layer:
        case layers.Conv() | layers.Channelwise():
            found = [_normed(own[0], module, seen, layer)]
        case layers.Depthwise():
            found = _depthwise(layer, own, module, seen)
        case layers.Transition():
            found = [_conv(own[0], seen)]
        case layers.MaxPool(kernel_size, stride):
            found = [MaxPool(kernel_size, stride)]
        case layers.Blur(stride, kernel_size):
            found = [Blur(kernel_size, stride)]
        case layers.SqueezeExcite():
            found = [SqueezeExcite(own[0].weight[:, :, 0, 0], own[1].weight[:, :, 0, 0])]
        case layers.Residual():
            assert isinstance(module, ResidualModule)
            inner = _chain(layer.layers, shape, module.layers, seen)
            shortcut = _chain(layer.shortcut_layers(shape), shape, module.shortcut, seen)
            found = [Residual(tuple(inner), tuple(shortcut), layer.activation == "relu")]
        case layers.Repeat():
            assert isinstance(module, RepeatModule)
            found = []
            for one in module.passes:
                assert isinstance(one, nn.Sequential)
                found += _chain(layer.layers, shape, one, seen)
        case layers.GlobalAveragePool():
            found = [GlobalAveragePool()]
        case layers.Flatten():
            found = [Flatten()]
        case layers.Classifier():
            found = [Linear(own[0].weight[:, :, 0, 0], own[0].bias)]
        case _:
            raise ValueError(f"layer {to_text(layer)} has no deployable form")
    return found


def _chain(
    inner: Layers, shape: Shape, modules: Iterable[nn.Module], seen: _Parameters
) -> list[Operation]:
    found: list[Operation] = []
    for (layer, before), module in zip(through(inner, shape), modules, strict=True):
        found += _operations(layer, before, module, seen)
    return found


def _depthwise(
    layer: layers.Depthwise, own: list[Convolution], module: nn.Module, seen: _Parameters
) -> list[Operation]:
    spatial, pointwise = own
    carried = pointwise.bias + pointwise.weight[:, :, 0, 0] @ spatial.bias
    bare = spatial._replace(bias=np.zeros_like(spatial.bias))
    after = pointwise._replace(bias=carried)
    filter_ = _conv(bare, seen, layer.stride, groups=len(bare.weight))
    return [filter_, _normed(after, module, seen, layer)]


def _normed(
    own: Convolution,
    module: nn.Module,
    seen: _Parameters,
    layer: layers.Conv | layers.Channelwise | layers.Depthwise,
) -> Conv2d:
    factor, shift = norm(module)
    weight, bias = own.weight * factor.reshape(-1, 1, 1, 1), own.bias * factor + shift
    folded = Convolution(weight, bias, (own.of[0], factor))
    stride = 1 if isinstance(layer, layers.Depthwise) else layer.stride
    groups = len(weight) if isinstance(layer, layers.Channelwise) else 1
    return _conv(folded, seen, stride, groups, relu=layer.activation == "relu")


def _conv(
    own: Convolution, seen: _Parameters, stride: int = 1, groups: int = 1, *, relu: bool = False
) -> Conv2d:
    parameter, gain = own.of
    shared = Shared(seen.key(parameter), _array(parameter), gain) if (gain > 0).all() else None
    padding = own.weight.shape[2] // 2, own.weight.shape[3] // 2
    return Conv2d(own.weight, own.bias, stride, padding, groups, relu, shared=shared)


def _convs(operations: Iterable[Operation]) -> Iterator[Conv2d]:
    for operation in operations:
        match operation:
            case Conv2d():
                yield operation
            case Residual(inner, shortcut):
                yield from _convs((*inner, *shortcut))
            case Normalise() | MaxPool() | Blur() | SqueezeExcite():
                pass
            case GlobalAveragePool() | Flatten() | Linear():
                pass


def _single(operation: Operation, uses: Counter[int]) -> Operation:
    """Return an operation in float32, its weights not called shared if nobody else uses them."""
    match operation:
        case Conv2d():
            weight, bias = operation.weight.astype(np.float32), operation.bias.astype(np.float32)
            shared = operation.shared
            if shared is not None:
                key, own, gain = shared
                shared = Shared(key, own.astype(np.float32), gain.astype(np.float32))
                shared = shared if uses[key] > 1 else None
            return replace(operation, weight=weight, bias=bias, shared=shared)
        case Linear(weight, bias):
            return Linear(weight.astype(np.float32), bias.astype(np.float32))
        case SqueezeExcite(squeeze, excite):
            return SqueezeExcite(squeeze.astype(np.float32), excite.astype(np.float32))
        case Residual(inner, shortcut, relu):
            inner, shortcut = (
                tuple(_single(op, uses) for op in side) for side in (inner, shortcut)
            )
            return Residual(inner, shortcut, relu)
        case Normalise() | MaxPool() | Blur() | GlobalAveragePool() | Flatten():
            return operation


def _require_shapes(module: nn.Module, plain: nn.Module, where: str) -> None:
    held, expected = ([*of.named_parameters(), *of.named_buffers()] for of in (module, plain))
    if len(held) != len(expected):
        raise ValueError(f"{where}: must have {len(expected)} tensors, got {len(held)}")
    for (name, tensor), (_, like) in zip(held, expected, strict=True):
        got, known = tuple(tensor.shape), tuple(like.shape)
        if got != known:
            raise ValueError(f"{where}: its {name} must be of shape {known}, got {got}")


def _require_finite(operation: Operation, where: str) -> None:
    match operation:
        case Conv2d(weight, bias) | Linear(weight, bias):
            arrays = (weight, bias)
        case SqueezeExcite(squeeze, excite):
            arrays = (squeeze, excite)
        case Residual(inner, shortcut):
            arrays = ()
            for held in (*inner, *shortcut):
                _require_finite(held, where)
        case Normalise() | MaxPool() | Blur() | GlobalAveragePool() | Flatten():
            arrays = ()
    if not all((np.abs(array) <= MOST).all() for array in arrays):  # nor is NaN
        raise ValueError(f"{where}: its folded weights must be finite in float32, got inf or NaN")


def _check(spec: NetSpec, mean: Sequence[float], std: Sequence[float]) -> None:
    spec.require_classifier("an exported net")
    for what, values in (("mean", mean), ("std", std)):
        if len(values) != spec.input_shape.channels:
            channels = spec.input_shape.channels
            raise ValueError(f"{what} must have {channels} numbers, one a channel, got {values}")
    if not all(_LEAST <= value <= MOST for value in std):
        raise ValueError(f"std must be > 0 and finite, both in float32, got {list(std)}")
    if not all(abs(value) <= MOST for value in mean):
        raise ValueError(f"mean must be finite in float32, got {list(mean)}")


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()
