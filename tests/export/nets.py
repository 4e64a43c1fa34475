"""Untrained nets with lively batch norm, for the tests of the exporters."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn

from smidgen import layers
from smidgen.export.fold import fold
from smidgen.export.program import Pixels, Program
from smidgen.layers import Layer, Shape
from smidgen.spec import NetSpec

# no mean that puts the bias of a lone normalisation, mean * 255 * 127 steps, on a half
MEAN, STD = (0.31, 0.45, 0.49), (0.2, 0.25, 0.3)


AVERAGE = ("global_average_pool()", "classifier(5, bias=true)")
NESTS: dict[str, tuple[str, ...]] = {  # bodies and heads of nets that hold layers in layers
    "depthwise": ("conv(8)", "residual(depthwise(8))", *AVERAGE),
    "resnet": (
        "conv(8)",
        "residual(conv(8), conv(8, activation=none), activation=relu)",
        "residual(conv(12, stride=2), conv(12, activation=none), shortcut=true, activation=relu)",
        *AVERAGE,
    ),
    "three": ("conv(8)", "residual(conv(8), conv(8), conv(8))", "max_pool(2)", *AVERAGE),
    "bottleneck": (
        "conv(8, stride=2)",
        "residual(conv(24, kernel_size=1), channelwise(), conv(8, kernel_size=1, activation=none))",
        "conv(8)",
        *AVERAGE,
    ),
    "nested": (
        "conv(6)",
        "residual(conv(6), residual(depthwise(6, kernel_size=5)), conv(6), activation=relu)",
        *AVERAGE,
    ),
    "first": (  # both sums read the ring of one map, the outer one an earlier row of it
        "conv(6)",
        "residual(residual(conv(6, kernel_size=1)), conv(6))",
        "residual(residual(residual(depthwise(6)), conv(6, kernel_size=5)), conv(6))",
        *AVERAGE,
    ),
    "of-pixels": ("residual(conv(3))", "conv(4)", *AVERAGE),
    "blurred": ("conv(6)", "residual(conv(7), blur(2), shortcut=true)", "conv(5)", *AVERAGE),
    "gated": ("conv(6)", "residual(squeeze_excite(2), conv(6))", "conv(5)", *AVERAGE),
    "repeat": (
        "conv(6)",
        "repeat(residual(conv(6)), times=3)",
        "repeat(depthwise(6), times=2)",
        *AVERAGE,
    ),
    "pooled": ("conv(6)", "residual(max_pool(2), conv(7), shortcut=true)", *AVERAGE),
    "flat": ("conv(6, stride=3)", "flatten()", "conv(9, kernel_size=1)", "classifier(5)"),
    "oblong": (
        "conv(6, 5x1, stride=2)",
        "residual(depthwise(6, 1x5), shortcut=true)",
        "max_pool(2x1)",
        "channelwise(3x5)",
        "conv(7, 1x3)",
        *AVERAGE,
    ),
    "of-means": (
        "conv(6)",
        "global_average_pool()",
        "residual(conv(6, kernel_size=1))",
        "classifier(5)",
    ),
}


def window(*, wide: bool) -> NetSpec:
    """Return a net for a sensor's window of 1 x 40, or of 40 x 1, as designs make them."""
    layers = (
        "conv(6, 7x1, stride=2)",
        "depthwise(9, 5x1, stride=2)",
        "residual(depthwise(9, 5x1), depthwise(9, 3x1))",
        "max_pool(3x1, stride=1)",
        "conv(11, 5x1, stride=2)",
        *AVERAGE,
    )
    spec = NetSpec.from_dict({"name": "window", "input": [3, 40, 1], "layers": [*layers]})
    return spec.exchanged if wide else spec


def nest(name: str, shape: tuple[int, int, int] = (3, 12, 10)) -> NetSpec:
    """Return a net that holds layers in layers."""
    return NetSpec.from_dict({"name": name, "input": list(shape), "layers": [*NESTS[name]]})


def lively(spec: NetSpec, seed: int = 0) -> nn.Sequential:
    """Return a model of ``spec`` whose batch norms have statistics and factors of their own."""
    torch.manual_seed(seed)
    model = spec.build().eval()
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("running_mean"):
                tensor.normal_(0, 0.3)
            elif name.endswith("running_var"):
                tensor.uniform_(0.3, 2)
            elif tensor.ndim == 1:  # factors, shifts, biases
                tensor.uniform_(-0.3 if name.endswith("bias") else 0.5, 1.5)
    return model


def program_of(spec: NetSpec, seed: int = 0) -> Program:
    """Return the folded program of a lively model of ``spec``."""
    channels = spec.input_shape.channels
    return fold(spec, lively(spec, seed), MEAN[:channels], STD[:channels])


def warmed(spec: NetSpec, seed: int = 0) -> Program:
    """Return the program of a net whose batch norms have seen images, so that signals survive."""
    model = lively(spec, seed).train()
    channels = spec.input_shape.channels
    mean, std = (torch.tensor(v[:channels]).reshape(1, -1, 1, 1) for v in (MEAN, STD))
    images = (torch.from_numpy(pixels_for(spec, 128, seed)).float() / 255 - mean) / std
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0  # one pass leaves what many would
    with torch.no_grad():
        model(images)
    return fold(spec, model.eval(), MEAN[:channels], STD[:channels])


def pixels_for(spec: NetSpec, count: int, seed: int = 0) -> Pixels:
    """Return random images that fit ``spec``, some of them flat."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, *spec.input_shape), dtype=np.uint8)
    images[::3] //= 4
    images[::5] = generator.integers(0, 256, (*images[::5].shape[:2], 1, 1), dtype=np.uint8)
    return images


def blurred(spec: NetSpec) -> NetSpec:
    """Return ``spec`` with max pooling split into a dense maximum and a blur."""

    def split(layer: Layer) -> tuple[Layer, ...]:
        pools = isinstance(layer, layers.MaxPool)
        return (layers.MaxPool(2, 1), layers.Blur(2)) if pools else (layer,)

    return spec.map_layers(split)


def excited(spec: NetSpec, latent: int = 3) -> NetSpec:
    """Return ``spec`` with squeeze-and-excitation after every block."""

    def extend(layer: Layer) -> tuple[Layer, ...]:
        block = isinstance(layer, layers.Conv | layers.Depthwise)
        return (layer, layers.SqueezeExcite(latent)) if block else (layer,)

    return spec.map_layers(extend)


class Plan(NamedTuple):
    """A drawn net before it is known which of its layers fit."""

    sides: tuple[int, int, int]
    layers: list[Layer]
    classes: int
    flat: bool


def plans() -> st.SearchStrategy[Plan]:
    """Draw small nets of every layer: odd sizes, strides, wide kernels, few and many channels."""
    sides = st.tuples(st.integers(1, 3), st.integers(1, 13), st.integers(1, 13))
    own = st.lists(st.one_of(_layers(), _layers(), _nests()), min_size=1, max_size=5)
    return st.builds(Plan, sides, own, st.integers(2, 11), st.booleans())


def spec_of(plan: Plan) -> NetSpec:
    """Return the net of a plan, without the layers that what reaches them is too small for."""
    shape = Shape(*plan.sides)
    reached, fitting = shape, list[Layer]()
    for drawn in plan.layers:
        layer = _keeping(drawn, reached)
        try:
            reached = layer.out_shape(reached)
        except ValueError:
            continue
        fitting.append(layer)
    head = layers.Flatten() if plan.flat else layers.GlobalAveragePool()
    return NetSpec(shape, (*fitting, head, layers.Classifier(plan.classes, bias=True)), "drawn")


def _keeping(layer: Layer, shape: Shape) -> Layer:
    """Return a layer that must keep the shape of its input so changed that it does."""
    if not isinstance(layer, layers.Nest) or (
        isinstance(layer, layers.Residual) and layer.shortcut
    ):
        return layer
    inner: list[Layer] = []
    for held in layer.inside:
        if isinstance(held, layers.MaxPool):
            continue
        kept = _keeping(held, shape)
        strided = isinstance(
            kept, layers.Conv | layers.Depthwise | layers.Channelwise | layers.Blur
        )
        inner.append(replace(kept, stride=1) if strided else kept)
    return layer.holding((*inner, layers.Conv(shape.channels, 1, activation="none")))


def _layers() -> st.SearchStrategy[Layer]:
    width, stride = st.integers(1, 13), st.sampled_from([1, 1, 2, 3])
    kernels = [1, 3, 3, 5, (5, 1), (1, 3), (3, 5)]
    kernel, activation = st.sampled_from(kernels), st.sampled_from(["relu", "relu", "none"])
    return st.one_of(
        st.builds(layers.Conv, width, kernel, stride, st.booleans(), activation),
        st.builds(layers.Depthwise, width, kernel, stride, st.booleans(), activation),
        st.builds(layers.Channelwise, kernel, stride, st.booleans(), activation),
        st.builds(layers.Transition, width, st.booleans()),
        st.builds(layers.MaxPool, st.sampled_from([1, 2, 3, (2, 1), (1, 3)]), st.integers(1, 3)),
        st.builds(layers.Blur, st.integers(1, 3), st.sampled_from([1, 3, 5])),
        st.builds(layers.SqueezeExcite, st.integers(1, 4)),
    )


def _nests() -> st.SearchStrategy[Layer]:
    """Draw residual sums, one inside another too, and repeats of both."""
    activation = st.sampled_from(["relu", "none"])

    def sums(held: st.SearchStrategy[Layer]) -> st.SearchStrategy[Layer]:
        inner = st.lists(held, min_size=1, max_size=3).map(tuple)
        return st.builds(layers.Residual, inner, st.booleans(), activation)

    flat = sums(_layers())
    nested = sums(st.one_of(_layers(), flat))
    repeated = st.lists(st.one_of(_layers(), flat), min_size=1, max_size=2).map(tuple)
    return st.one_of(flat, nested, st.builds(layers.Repeat, repeated, st.integers(1, 3)))
