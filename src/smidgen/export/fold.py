"""From a trained model to a flat program: batch norm folded, linear neighbours merged.

What is exact, and done:

* Batch norm after a convolution: ``W' = W g / sqrt(var + eps)``, ``b' = (b - mean) g / sqrt(var +
  eps) + beta``, in float64.
* The bias of a depthwise convolution passes through the pointwise one: ``b' = b_p + W_p b_d``. The
  zero padding lies before the bias, so the border is no exception.
* A convolution without ReLU and a 1x1 convolution of stride 1 after it: ``W2 W1``,
  ``b2 + W2 b1``.
* A 1x1 convolution without ReLU and a kxk one after it: ``sum_m W2[o, m] W1[m, i]``, provided the
  kxk one does not pad or the 1x1 one has no bias: a padded pixel is 0, not ``b1``.
* A 1x1 convolution without ReLU changes places with a blur or a global average pool behind it
  (both are linear with weights that sum to 1, and reflect rather than pad), where it then meets
  fewer pixels and perhaps a partner of the above.
* A global average pool, max pool or blur that covers one pixel and skips none is dropped.

Merges are made when they do not raise the multiply-accumulates. What is not exact, and so not
done: merging a blur with a convolution that pads with zeros (their borders differ), a biased 1x1
convolution with one that pads, and anything across a ReLU, max pool or squeeze-and-excitation.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from smidgen import layers
from smidgen.export.program import (
    Blur,
    Conv2d,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Normalise,
    Operation,
    Program,
    SqueezeExcite,
)
from smidgen.layers import Layer, Shape
from smidgen.spec import NetSpec
from smidgen.text import to_text

Array: TypeAlias = NDArray[Any]  # float64 until the program is complete


class Convolution(NamedTuple):
    """Weight (4 axes) and bias of a convolution inside a layer's module."""

    weight: Array
    bias: Array


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
            differ, or a weight is not finite; the layer is named.
    """
    _check(spec, mean, std)
    operations: list[Operation] = []
    for place, (layer, module) in enumerate(zip(spec.layers, model, strict=True), 1):
        for operation in _operations(layer, module):
            _require_finite(operation, f"{spec.name}, layer {place} {to_text(layer)}")
            operations.append(operation)
    operations = _merged(operations, spec.input_shape)
    first = Normalise(np.array(mean, np.float32), np.array(std, np.float32))
    return Program(spec.name, spec.input_shape, (first, *(_single(op) for op in operations)))


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
            found.append(Convolution(_array(weight), zeros if bias is None else _array(bias)))
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


def _operations(layer: Layer, module: nn.Module) -> list[Operation]:
    own = convolutions(module)
    found: list[Operation]
    match layer:
        case layers.Conv():
            found = [_conv(_normed(own[0], module), layer.stride, relu=layer.activation == "relu")]
        case layers.Depthwise():
            found = _depthwise(layer, own[0], own[1], module)
        case layers.Transition():
            found = [_conv(own[0])]
        case layers.MaxPool(kernel_size, stride):
            found = [MaxPool(kernel_size, stride)]
        case layers.Blur(stride, kernel_size):
            found = [Blur(kernel_size, stride)]
        case layers.SqueezeExcite():
            found = [SqueezeExcite(own[0].weight[:, :, 0, 0], own[1].weight[:, :, 0, 0])]
        case layers.GlobalAveragePool():
            found = [GlobalAveragePool()]
        case layers.Classifier():
            found = [Linear(own[0].weight[:, :, 0, 0], own[0].bias)]
        case _:
            raise ValueError(f"layer {to_text(layer)} has no deployable form")
    return found


def _depthwise(
    layer: layers.Depthwise, spatial: Convolution, pointwise: Convolution, module: nn.Module
) -> list[Operation]:
    carried = pointwise.bias + pointwise.weight[:, :, 0, 0] @ spatial.bias
    after = _normed(pointwise._replace(bias=carried), module)
    bare = spatial._replace(bias=np.zeros_like(spatial.bias))
    return [
        _conv(bare, layer.stride, groups=len(bare.weight)),
        _conv(after, relu=layer.activation == "relu"),
    ]


def _conv(own: Convolution, stride: int = 1, groups: int = 1, *, relu: bool = False) -> Conv2d:
    padding = own.weight.shape[2] // 2
    return Conv2d(own.weight, own.bias, stride, padding, groups, relu)


def _normed(own: Convolution, module: nn.Module) -> Convolution:
    factor, shift = norm(module)
    return Convolution(own.weight * factor.reshape(-1, 1, 1, 1), own.bias * factor + shift)


def _merged(operations: list[Operation], shape: Shape) -> list[Operation]:
    """Apply the rules of the module's docstring until none applies."""
    done: list[Operation] = []
    shapes = [shape]  # what each of ``done`` receives, and what comes out at the end
    queue = list(operations)
    while queue:
        operation = queue.pop(0)
        if _is_idle(operation, shapes[-1]):
            continue
        before = done[-1] if done else None
        if isinstance(before, Conv2d) and not before.relu:
            replacement = _pair(before, operation, shapes[-2])
            if replacement is not None:
                done.pop()
                shapes.pop()
                queue = [*replacement, *queue]
                continue
        done.append(operation)
        shapes.append(operation.out_shape(shapes[-1]))
    return done


def _is_idle(operation: Operation, shape: Shape) -> bool:
    match operation:
        case MaxPool(1, 1) | Blur(1, 1):
            return True
        case GlobalAveragePool():
            return shape.height == shape.width == 1
        case _:
            return False


def _pair(first: Conv2d, second: Operation, shape: Shape) -> list[Operation] | None:
    """Return what replaces two neighbours, the first without ReLU, or nothing."""
    if isinstance(second, Blur | GlobalAveragePool):
        swaps = first.kernel_size == 1 and first.stride == 1 and first.groups == 1
        shrinks = second.out_shape(shape).elements < shape.elements
        return [second, first] if swaps and shrinks else None
    if isinstance(second, Linear):
        kernel = second.weight[:, :, None, None]
        joined = _pair(first, Conv2d(kernel, second.bias), shape)
        own = joined[0] if joined else None
        if not isinstance(own, Conv2d) or own.kernel_size > 1:
            return None
        return [Linear(own.weight[:, :, 0, 0], own.bias)]
    if not isinstance(second, Conv2d) or first.groups > 1 or second.groups > 1:
        return None
    one_before = first.kernel_size == 1 and first.stride == 1
    one_after = second.kernel_size == 1 and second.stride == 1
    border_differs = second.padding > 0 and bool(np.any(first.bias))
    if not one_after and (not one_before or border_differs):
        return None
    if one_after:
        weight = np.einsum("om,miyx->oiyx", second.weight[:, :, 0, 0], first.weight)
    else:
        weight = np.einsum("omyx,mi->oiyx", second.weight, first.weight[:, :, 0, 0])
    spatial = first if one_after else second
    joined = replace(
        spatial,
        weight=weight,
        bias=second.bias + second.weight.sum((2, 3)) @ first.bias,
        relu=second.relu,
    )
    apart = _macs(first, shape) + _macs(second, first.out_shape(shape))
    return [joined] if _macs(joined, shape) <= apart else None


def _macs(conv: Conv2d, shape: Shape) -> int:
    out = conv.out_shape(shape)
    return conv.weight.size * out.height * out.width


def _single(operation: Operation) -> Operation:
    match operation:
        case Conv2d():
            weight, bias = operation.weight.astype(np.float32), operation.bias.astype(np.float32)
            return replace(operation, weight=weight, bias=bias)
        case Linear(weight, bias):
            return Linear(weight.astype(np.float32), bias.astype(np.float32))
        case SqueezeExcite(squeeze, excite):
            return SqueezeExcite(squeeze.astype(np.float32), excite.astype(np.float32))
        case _:
            return operation


def _require_finite(operation: Operation, where: str) -> None:
    match operation:
        case Conv2d(weight, bias) | Linear(weight, bias):
            arrays = (weight, bias)
        case SqueezeExcite(squeeze, excite):
            arrays = (squeeze, excite)
        case _:
            arrays = ()
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{where}: its folded weights must be finite, got inf or NaN")


def _check(spec: NetSpec, mean: Sequence[float], std: Sequence[float]) -> None:
    places = [i for i, layer in enumerate(spec.layers) if isinstance(layer, layers.Classifier)]
    if places != [len(spec.layers) - 1]:
        last = to_text(spec.layers[-1]) if spec.layers else "nothing"
        raise ValueError(f"an exported net must end in its only classifier, got {last} at the end")
    for what, values in (("mean", mean), ("std", std)):
        if len(values) != spec.input_shape.channels:
            channels = spec.input_shape.channels
            raise ValueError(f"{what} must have {channels} numbers, one a channel, got {values}")
    if min(std) <= 0:
        raise ValueError(f"std must be > 0, got {min(std)}")


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()
