"""Linear neighbours of a program merged into one.

What is exact, and done:

* A convolution without ReLU and a 1x1 convolution of stride 1 after it: ``W2 W1``,
  ``b2 + W2 b1``.
* A 1x1 convolution without ReLU and a kxk one after it: ``sum_m W2[o, m] W1[m, i]``, provided the
  kxk one does not pad or the 1x1 one has no bias: a padded pixel is 0, not ``b1``.
* A 1x1 convolution without ReLU changes places with a blur or a global average pool behind it
  (both are linear with weights that sum to 1, and reflect rather than pad), where it then meets
  fewer pixels and perhaps a partner of the above.
* A global average pool, max pool or blur that covers one pixel and skips none is dropped, and so
  is any of them, or a flattening, of a map of one pixel: a blur reflects that pixel alone.

Merges are made when they do not raise the multiply-accumulates. What is not exact, and so not
done: merging a blur with a convolution that pads with zeros (their borders differ), a biased 1x1
convolution with one that pads, and anything across a ReLU, max pool, squeeze-and-excitation or
either end of a residual sum, whose map is read twice.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from smidgen.export.program import (
    Blur,
    Conv2d,
    Flatten,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Normalise,
    Operation,
    Residual,
    SqueezeExcite,
)
from smidgen.layers import Shape

Origin: TypeAlias = frozenset[int]  # places of the layers that an operation was made of


def merged(
    operations: Sequence[tuple[Operation, Origin]], shape: Shape
) -> list[tuple[Operation, Origin]]:
    """Apply the rules of the module's docstring until none applies.

    Args:
        operations: One after another, each with where it is from; so are those returned.
        shape: Of what the first receives.
    """
    done: list[tuple[Operation, Origin]] = []
    shapes = [shape]  # what each of ``done`` receives, and what comes out at the end
    queue = list(operations)
    while queue:
        operation, origin = queue.pop(0)
        if _is_idle(operation, shapes[-1]):
            continue
        operation = _inside(operation, shapes[-1])
        before, of_before = done[-1] if done else (None, Origin())
        if isinstance(before, Conv2d) and not before.relu:
            replacement = _pair(before, operation, shapes[-2])
            if replacement is not None:
                done.pop()
                shapes.pop()
                swapped = len(replacement) > 1  # else they are joined
                origins = (origin, of_before) if swapped else (origin | of_before,)
                queue = [*zip(replacement, origins, strict=True), *queue]
                continue
        done.append((operation, origin))
        shapes.append(operation.out_shape(shapes[-1]))
    return done


def _inside(operation: Operation, shape: Shape) -> Operation:
    """Return an operation with those that it holds merged."""
    match operation:
        case Residual(inner, shortcut, relu):
            sides = ([(one, Origin()) for one in side] for side in (inner, shortcut))
            inner, shortcut = (tuple(one for one, _ in merged(side, shape)) for side in sides)
            return Residual(inner, shortcut, relu)
        case Normalise() | Conv2d() | MaxPool() | Blur() | SqueezeExcite():
            return operation
        case GlobalAveragePool() | Flatten() | Linear():
            return operation


def _is_idle(operation: Operation, shape: Shape) -> bool:
    lone = shape.height == shape.width == 1
    match operation:
        case MaxPool(kernel_size, stride) | Blur(kernel_size, stride):
            return lone or kernel_size == stride == 1
        case GlobalAveragePool() | Flatten():
            return lone
        case Normalise() | Conv2d() | SqueezeExcite() | Residual() | Linear():
            return False


def _pair(first: Conv2d, second: Operation, shape: Shape) -> list[Operation] | None:
    """Return what replaces two neighbours, the first without ReLU, or nothing."""
    match second:
        case Blur() | GlobalAveragePool():
            swaps = first.sides == (1, 1) and first.stride == 1 and first.groups == 1
            shrinks = second.out_shape(shape).elements < shape.elements
            return [second, first] if swaps and shrinks else None
        case Linear(weight, bias):
            joined = _joined(first, Conv2d(weight[:, :, None, None], bias), shape)
            if joined is None or joined.sides != (1, 1) or joined.stride > 1:
                return None
            return [Linear(joined.weight[:, :, 0, 0], joined.bias)]
        case Conv2d():
            joined = _joined(first, second, shape)
            return None if joined is None else [joined]
        case Normalise() | MaxPool() | SqueezeExcite() | Residual() | Flatten():
            return None


def _joined(first: Conv2d, second: Conv2d, shape: Shape) -> Conv2d | None:
    if first.groups > 1 or second.groups > 1:
        return None
    one_before = first.sides == (1, 1) and first.stride == 1
    one_after = second.sides == (1, 1) and second.stride == 1
    border_differs = any(second.padding) and bool(np.any(first.bias))
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
        shared=None,
    )
    apart = _macs(first, shape) + _macs(second, first.out_shape(shape))
    return joined if _macs(joined, shape) <= apart else None


def _macs(conv: Conv2d, shape: Shape) -> int:
    out = conv.out_shape(shape)
    return conv.weight.size * out.height * out.width
