"""Every layer tells the truth about its shape and its cost."""

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from smidgen.layers import (
    LAYERS,
    Blur,
    Channelwise,
    Classifier,
    Conv,
    Depthwise,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Nest,
    Repeat,
    Residual,
    Shape,
    SqueezeExcite,
    Transition,
)
from smidgen.layers.base import require_activation
from smidgen.text import parse, to_text

widths = st.sampled_from([1, 4, 7])
kernels, strides = st.sampled_from([1, 3, 5, (5, 1), (1, 3)]), st.integers(1, 3)
windows = st.sampled_from([1, 2, 3, (2, 1), (1, 3)])
convolution = {
    "out_channels": widths,
    "kernel_size": kernels,
    "stride": strides,
    "bias": st.booleans(),
    "activation": st.sampled_from(["none", "relu"]),
}
filters = {key: convolution[key] for key in ("kernel_size", "stride", "bias", "activation")}
PLAIN: dict[type[Layer], st.SearchStrategy[Layer]] = {
    Conv: st.builds(Conv, **convolution),
    Depthwise: st.builds(Depthwise, **convolution),
    Transition: st.builds(Transition, out_channels=widths, bias=st.booleans()),
    MaxPool: st.builds(MaxPool, kernel_size=windows, stride=strides),
    Blur: st.builds(Blur, stride=strides, kernel_size=st.sampled_from([3, 5])),
    SqueezeExcite: st.builds(SqueezeExcite, latent_channels=widths),
    Channelwise: st.builds(Channelwise, **filters),
}


def nests(inside: st.SearchStrategy[Layer]) -> dict[type[Layer], st.SearchStrategy[Layer]]:
    """Return strategies of the layers that hold layers, those that repeat among the innermost."""
    held = st.lists(inside, min_size=1, max_size=3).map(tuple)
    keeping = st.sampled_from(
        [
            (Depthwise(8),),
            (Conv(8), Channelwise(activation="none"), SqueezeExcite(2)),
            (Residual((Conv(4), Conv(8, 1, activation="none")), activation="relu"),),
            (Channelwise(bias=True),),
        ]
    )
    return {
        Residual: st.builds(
            Residual,
            layers=held,
            shortcut=st.booleans(),
            activation=st.sampled_from(["none", "relu"]),
        ),
        Repeat: st.builds(Repeat, layers=keeping, times=st.integers(1, 3)),
    }


shallow = st.one_of(*PLAIN.values(), *nests(st.one_of(*PLAIN.values())).values())
KINDS: dict[type[Layer], st.SearchStrategy[Layer]] = {
    **PLAIN,
    **nests(shallow),
    Flatten: st.builds(Flatten),
    GlobalAveragePool: st.builds(GlobalAveragePool),
    Classifier: st.builds(Classifier, classes=st.integers(2, 10), bias=st.booleans()),
}
sides = st.integers(1, 13)


placed = given(
    layer=st.one_of(*KINDS.values()),
    shape=st.builds(Shape, st.sampled_from([1, 3, 8]), sides, sides),
)


def fitting(layer: Layer, shape: Shape) -> Shape:
    """Return ``shape``, or a point of it for a classifier; pass over what the layer refuses."""
    if isinstance(layer, Classifier):
        return Shape(shape.channels, 1, 1)
    try:
        layer.out_shape(shape)
    except ValueError:
        assume(False)
    return shape


def test_no_layer_escapes_these_tests() -> None:
    assert set(KINDS) == set(LAYERS)


@placed
def test_out_shape_is_the_shape_that_comes_out(layer: Layer, shape: Shape) -> None:
    shape = fitting(layer, shape)
    module = layer.build(shape)
    expected = tuple(layer.out_shape(shape))[: 1 if isinstance(layer, Classifier) else 3]
    for mode in (True, False):  # training takes other code than evaluation
        assert module.train(mode)(torch.randn(3, *shape)).shape == (3, *expected)


@placed
def test_params_counts_every_learned_scalar(layer: Layer, shape: Shape) -> None:
    shape = fitting(layer, shape)
    assert layer.params(shape) == sum(p.numel() for p in layer.build(shape).parameters())


@placed
def test_macs_matches_a_count_taken_while_running(layer: Layer, shape: Shape) -> None:
    shape = fitting(layer, shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer.build(shape).eval()(torch.zeros(1, *shape))
    assert layer.macs(shape) == counter.get_total_flops() // 2


@given(layer=st.one_of(*KINDS.values()))
def test_the_text_form_round_trips(layer: Layer) -> None:
    assert parse(to_text(layer), {kind.name: kind for kind in LAYERS}, "layer") == layer


@given(layer=st.one_of(*KINDS.values()))
def test_is_a_frozen_value(layer: Layer) -> None:
    assert hash(layer) == hash(parse(to_text(layer), {kind.name: kind for kind in LAYERS}, "layer"))
    for field in fields(layer):  # pyright: ignore[reportArgumentType]
        with pytest.raises(FrozenInstanceError):
            setattr(layer, field.name, None)


def folded_params(layer: Layer, shape: Shape) -> int:
    """Count what an exporter has to store: every kernel, and one bias an output channel."""
    kernels = [p for p in layer.build(shape).parameters() if p.ndim == 4]
    return sum(p.numel() for p in kernels) + layer.out_shape(shape).channels


@placed
def test_deployed_params_are_kernels_and_one_bias_a_channel(layer: Layer, shape: Shape) -> None:
    shape = fitting(layer, shape)
    if isinstance(layer, Conv | Depthwise | Channelwise):
        assert layer.deployed_params(shape) == folded_params(layer, shape)
    elif not isinstance(layer, Nest):
        assert layer.deployed_params(shape) == layer.params(shape)


@placed
def test_norm_params_are_those_of_batch_norms(layer: Layer, shape: Shape) -> None:
    shape = fitting(layer, shape)
    norms = [m for m in layer.build(shape).modules() if isinstance(m, nn.BatchNorm2d)]
    assert layer.norm_params(shape) == sum(2 * norm.num_features for norm in norms)


@placed
def test_a_kept_input_is_counted_beside_the_output_and_no_more_than_once(
    layer: Layer, shape: Shape
) -> None:
    shape = fitting(layer, shape)
    alone, kept = layer.peak_activation(shape), layer.peak_activation(shape, keep=True)
    assert alone <= kept <= alone + shape.elements
    out = layer.out_shape(shape).elements
    stays = isinstance(layer, Flatten) and shape.height == shape.width == 1
    assert kept >= (out if stays else shape.elements + out)


@pytest.mark.parametrize("training", [True, False])
def test_depthwise_is_pair_then_norm_then_relu_and_nothing_between(training: bool) -> None:
    layer, shape = Depthwise(5, bias=True), Shape(3, 6, 6)
    module = layer.build(shape)
    norm = next(m for m in module.modules() if isinstance(m, nn.BatchNorm2d))
    convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    assert [c.groups for c in convolutions] == [3, 1]
    nn.init.normal_(norm.weight)
    x = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    y = x.double()
    for convolution in convolutions:
        y = torch.conv2d(
            y,
            convolution.weight.double(),
            None if convolution.bias is None else convolution.bias.double(),
            padding=convolution.padding,  # pyright: ignore[reportArgumentType]
            groups=convolution.groups,
        )
    if training:
        y = (y - y.mean((0, 2, 3), keepdim=True)) / (
            y.var((0, 2, 3), correction=0, keepdim=True) + norm.eps
        ).sqrt()
    else:
        y = y / (1 + norm.eps) ** 0.5
    expected = (y * norm.weight.double()[:, None, None]).relu()
    torch.testing.assert_close(module.train(training)(x).double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kernel", [(5, 1), (1, 3), (3, 5)])
def test_an_oblong_kernel_is_a_square_one_of_zeros_around_it(
    kernel: tuple[int, int], training: bool
) -> None:
    """Forwards and backwards; the square one in float64."""
    x = torch.randn(4, 3, 7, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    high, wide = kernel
    down, across = (5 - high) // 2, (5 - wide) // 2
    for make in (Conv, Depthwise):
        oblong, square = make(4, kernel).build(Shape(3, 7, 6)), make(4, 5).build(Shape(3, 7, 6))
        for own, other in zip(oblong.parameters(), square.parameters(), strict=True):
            with torch.no_grad():
                if own.shape != other.shape:
                    other.zero_()
                    other[:, :, down : 5 - down, across : 5 - across] = own
                else:
                    other.copy_(own)
        y = oblong.train(training)(x)
        expected = square.double().train(training)(x.double())
        torch.testing.assert_close(y.double(), expected, atol=1e-5, rtol=1e-5)
        weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
        (found,) = torch.autograd.grad((y * weight).sum(), x)
        (of_square,) = torch.autograd.grad((expected * weight).sum(), x)
        torch.testing.assert_close(found, of_square.float(), atol=1e-4, rtol=1e-4)


def test_equal_sides_are_one_number() -> None:
    assert Conv(4, (3, 3)) == Conv(4, 3)
    assert MaxPool((2, 2)) == MaxPool(2)


def test_the_widest_blur_keeps_what_is_the_same_everywhere() -> None:
    blurred = Blur(1, 63).build(Shape(1, 40, 41))(torch.full((1, 1, 40, 41), 3.0))
    torch.testing.assert_close(blurred, torch.full((1, 1, 40, 41), 3.0))


def test_squeeze_excite_gates_two_channels_by_the_formula() -> None:
    gate = SqueezeExcite(1).build(Shape(2, 3, 3))
    squeeze, excite = (p for p in gate.parameters())
    with torch.no_grad():
        squeeze.copy_(torch.ones(1, 2, 1, 1))
        excite.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
    gates = gate(torch.ones(1, 2, 3, 3))[0, :, 1, 1]
    torch.testing.assert_close(gates, torch.tensor([0.880797, 0.119203]), atol=1e-6, rtol=0)


def test_max_pool_drops_what_does_not_fill_a_window() -> None:
    x = torch.arange(25.0).view(1, 1, 5, 5)
    pooled = MaxPool().build(Shape(1, 5, 5))(x)
    assert torch.equal(pooled[0, 0], torch.tensor([[6.0, 8.0], [16.0, 18.0]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv(0), "conv out_channels must be >= 1, got 0"),
        (lambda: Conv(4, kernel_size=2), "conv kernel_size must be odd, got 2"),
        (lambda: Depthwise(4, stride=0), "depthwise stride must be >= 1, got 0"),
        (lambda: Transition(-1), "transition out_channels must be >= 1, got -1"),
        (lambda: MaxPool(0), "max_pool kernel_size must be >= 1, got 0"),
        (lambda: MaxPool((2, 0)), "max_pool kernel_size must be >= 1, got 0"),
        (lambda: Conv(4, (5, 2)), "conv kernel_size must be odd, got 2"),
        (
            lambda: MaxPool((1, 5)).out_shape(Shape(1, 4, 4)),
            "max_pool kernel_size=1x5 needs a map at least that large, got 1x4x4",
        ),
        (lambda: Blur(kernel_size=4), "blur kernel_size must be odd, got 4"),
        (lambda: Blur(kernel_size=65), "blur kernel_size must be at most 63, got 65"),
        (lambda: SqueezeExcite(0), "squeeze_excite latent_channels must be >= 1, got 0"),
        (lambda: Classifier(1), "classifier classes must be >= 2, got 1"),
        (
            lambda: require_activation("conv", "gelu"),
            "conv activation must be 'none' or 'relu', got 'gelu'",
        ),  # pyright: ignore[reportArgumentType]
        (lambda: Channelwise(2), "channelwise kernel_size must be odd, got 2"),
        (lambda: Conv(True), "conv out_channels must be a whole number, got True"),
        (lambda: MaxPool().out_shape(Shape(1, 1, 4)), "needs a map at least that large"),
        (lambda: Blur(kernel_size=5).out_shape(Shape(1, 2, 9)), "needs sides over 2 pixels"),
        (lambda: Classifier(2).out_shape(Shape(1, 2, 2)), "classifier needs a 1x1 map"),
    ],
)
def test_refuses_what_cannot_be(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


OF_NUMPY = """
from dataclasses import fields
import numpy as np
from smidgen.layers import *
n = np.int64(3)
layers = [
    Conv(n, n, stride=n), Depthwise(n, stride=n), Channelwise(n, stride=n), Transition(n),
    MaxPool(n, stride=n), Blur(stride=n, kernel_size=n), SqueezeExcite(n),
    Repeat((Conv(3),), times=n), Classifier(n),
]
given = [getattr(layer, field.name) for layer in layers for field in fields(layer)]
print(*[type(value).__name__ for value in given if not isinstance(value, bool | str | tuple)])
"""


def test_numbers_of_numpy_become_python_s_own() -> None:
    """In a process of its own: here, types of arguments are checked in every call."""
    done = subprocess.run(
        [sys.executable, "-c", OF_NUMPY], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["int"] * 16
