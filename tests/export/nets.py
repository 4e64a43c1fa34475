"""Untrained nets with lively batch norm, for the tests of the exporters."""

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

MEAN, STD = (0.3, 0.45, 0.5), (0.2, 0.25, 0.3)


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
    with torch.no_grad():
        for _ in range(30):
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


def plans() -> st.SearchStrategy[Plan]:
    """Draw small nets of every layer: odd sizes, strides, wide kernels, few and many channels."""
    sides = st.tuples(st.integers(1, 3), st.integers(1, 13), st.integers(1, 13))
    return st.builds(Plan, sides, st.lists(_layers(), min_size=1, max_size=5), st.integers(2, 11))


def spec_of(plan: Plan) -> NetSpec:
    """Return the net of a plan, without the layers that what reaches them is too small for."""
    shape = Shape(*plan.sides)
    reached, fitting = shape, list[Layer]()
    for layer in plan.layers:
        try:
            reached = layer.out_shape(reached)
        except ValueError:
            continue
        fitting.append(layer)
    end = (layers.GlobalAveragePool(), layers.Classifier(plan.classes, bias=True))
    return NetSpec(shape, (*fitting, *end), "drawn")


def _layers() -> st.SearchStrategy[Layer]:
    width, stride = st.integers(1, 13), st.sampled_from([1, 1, 2, 3])
    kernel = st.sampled_from([1, 3, 3, 5])
    return st.one_of(
        st.builds(layers.Conv, width, kernel, stride, st.booleans()),
        st.builds(layers.Depthwise, width, kernel, stride, st.booleans()),
        st.builds(layers.Transition, width, st.booleans()),
        st.builds(layers.MaxPool, st.integers(1, 3), st.integers(1, 3)),
        st.builds(layers.Blur, st.integers(1, 3), st.sampled_from([1, 3, 5])),
        st.builds(layers.SqueezeExcite, st.integers(1, 4)),
    )
