"""A spec is exact about the net it builds."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from smidgen import zoo
from smidgen.layers import (
    Blur,
    Channelwise,
    Classifier,
    Conv,
    Depthwise,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Repeat,
    Residual,
    Shape,
    SqueezeExcite,
    Transition,
)
from smidgen.spec import NetSpec
from smidgen.text import parse


def shrinking(width: int) -> Residual:
    """Return a residual with a shortcut that halves its map."""
    return Residual((Conv(width, stride=2), Depthwise(3)), shortcut=True, activation="relu")


widths = st.sampled_from([1, 3, 6])
inner: st.SearchStrategy[Layer] = st.one_of(
    st.builds(Conv, widths, kernel_size=st.sampled_from([1, 3]), stride=st.integers(1, 2)),
    st.builds(Depthwise, widths, stride=st.integers(1, 2), bias=st.booleans()),
    st.builds(Transition, widths, bias=st.booleans()),
    st.builds(MaxPool, kernel_size=st.integers(1, 2), stride=st.integers(1, 2)),
    st.builds(Blur, stride=st.integers(1, 2)),
    st.builds(SqueezeExcite, widths),
    st.builds(Channelwise, stride=st.integers(1, 2)),
    st.builds(shrinking, widths),
    st.builds(Residual, st.just((Channelwise(), SqueezeExcite(2)))),
    st.builds(Repeat, st.just((Depthwise(3),)), st.integers(1, 3)),
)


parts = given(
    input_shape=st.builds(Shape, st.sampled_from([1, 3]), st.integers(2, 12), st.just(9)),
    inside=st.lists(inner, max_size=6),
    classes=st.integers(2, 10),
)


def assembled(input_shape: Shape, inside: list[Layer], classes: int) -> NetSpec:
    """Return a net of those layers of ``inside`` that fit one after another."""
    layers = list[Layer]()
    for layer in inside:
        with suppress(ValueError):  # a pool larger than its map
            layers = list(NetSpec(input_shape, (*layers, layer)).layers)
    end = Flatten() if len(layers) % 2 else GlobalAveragePool()
    return NetSpec(input_shape, (*layers, end, Classifier(classes)))


def one_by_one(spec: NetSpec) -> nn.Sequential:
    """Build every layer on its own: torch counts no operations inside a fused pair."""
    return nn.Sequential(*(layer.build(shape) for layer, shape in spec.walk()))


@parts
def test_a_random_net_has_the_params_macs_and_shape_it_says(
    input_shape: Shape, inside: list[Layer], classes: int
) -> None:
    spec = assembled(input_shape, inside, classes)
    model, images = spec.build().eval(), torch.zeros(2, *spec.input_shape)
    assert model(images).shape == (2, spec.out_shape.channels)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        one_by_one(spec).eval()(images)
    assert spec.params == sum(p.numel() for p in model.parameters())
    assert 2 * 2 * spec.macs == counter.get_total_flops()


@parts
def test_the_text_form_round_trips(input_shape: Shape, inside: list[Layer], classes: int) -> None:
    spec = assembled(input_shape, inside, classes)
    assert NetSpec.from_dict(spec.to_dict()) == spec


def test_pooling_and_blur_run_as_one_but_compute_the_same() -> None:
    shape = Shape(3, 9, 8)
    pair = (MaxPool(2, stride=1), Blur(2))
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    spec = NetSpec(shape, pair)
    torch.testing.assert_close(spec.build()(x), one_by_one(spec)(x))


def test_two_nets_that_differ_in_name_alone_are_equal() -> None:
    net = zoo.net("mnist-7k")
    other = NetSpec(net.input_shape, net.layers, "other")
    assert net == other
    assert hash(net) == hash(other)
    assert net != NetSpec(net.input_shape, net.layers[1:], "mnist-7k")


def test_peak_activation_is_the_largest_map_read_and_map_written() -> None:
    # dw12 reads its 8 filtered maps of 28x28 and writes 12; tb8 then reads 12 and writes 8
    assert zoo.net("mnist-1k5-dw").peak_activation == (8 + 12) * 28 * 28
    assert NetSpec(Shape(3, 4, 4), (Conv(5),)).peak_activation == (3 + 5) * 16


def test_fits_other_images_and_classes_at_the_same_widths() -> None:
    net = zoo.net("mnist-1k5-dw").fitted(Shape(3, 32, 32), 7)
    assert net.out_shape == Shape(7, 1, 1)
    # two more input channels in the first 3x3 to 8, three fewer classes on 15 channels
    assert net.params == 1560 + 2 * 9 * 8 - 3 * 15


def test_an_impossible_layer_is_named_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"^tiny, layer 2 max_pool: max_pool kernel_size=2 needs"):
        NetSpec(Shape(1, 1, 1), (Conv(4), MaxPool()), "tiny")


@pytest.mark.parametrize("sides", [(-1, 3, 3), (3, 0, 3), (3, 3, -3), (3, 3.0, 3), (True, 3, 3)])
def test_a_shape_is_of_whole_numbers_from_1(sides: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"whole numbers >= 1, got {sides}")):
        Shape(*sides)


def test_a_shape_stays_a_shape_in_another_process() -> None:
    assert type(pickle.loads(pickle.dumps(Shape(3, 4, 5)))) is Shape


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (((1, 8, 8), ()), "the input of a net must be a Shape, as in Shape(3, 32, 32), got (1, 8"),
        ((Shape(1, 8, 8), [Conv(4)]), "the layers of a net must be a tuple, got [Conv("),
        ((Shape(1, 8, 8), ("conv(4)",)), "a layer of a net must be a Layer, as in Conv(8), got 'c"),
    ],
)
def test_a_net_of_other_kinds_is_one_line(arguments: tuple[Any, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        NetSpec(*arguments)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"inputs": [1, 8, 8], "layers": []}, "net has no key 'inputs'; did you mean 'input'?"),
        ({"input": [1, 8, 8]}, "net needs the key 'layers'"),
        ({"input": [1, 8], "layers": []}, "net input must be [channels, height, width]"),
        ({"input": [1, 8, 8.0], "layers": []}, "net input must be [channels, height, width]"),
        ({"input": [1, 8, 8], "layers": "conv(4)"}, "net layers must be a list of texts"),
        ({"input": [1, 8, 8], "layers": ["cnov(4)"]}, "unknown layer 'cnov'; did you mean 'conv'?"),
    ],
)
def test_a_broken_text_form_is_refused(form: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        NetSpec.from_dict(form)


def test_nets_built_side_by_side_in_threads_have_the_weights_of_their_seeds() -> None:
    layers = (*[Conv(16)] * 8, GlobalAveragePool(), Classifier(2))
    spec, seeds = NetSpec(Shape(1, 8, 8), layers), range(40)
    alone, before = [spec.build(seed) for seed in seeds], torch.random.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(spec.build, seeds))
    for one, other in zip(alone, together, strict=True):
        for wanted, found in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(wanted, found)
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator was touched"


def test_pictures_too_small_for_a_net_are_refused_with_the_size_it_is_written_for() -> None:
    layers = (Conv(4, stride=4), MaxPool((2, 3)), GlobalAveragePool(), Classifier(2))
    net = NetSpec(Shape(3, 96, 96), layers)
    told = "got 4x2x2 (the net is written for 3x96x96, and fitted to 3x8x8)"
    with pytest.raises(ValueError, match=re.escape(told)):
        net.fitted(Shape(3, 8, 8), 2)


def test_a_net_that_is_built_leaves_the_generators_of_gpus_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    NetSpec(Shape(1, 8, 8), (Conv(4), GlobalAveragePool(), Classifier(2))).build(3)
    assert not seeds


@pytest.mark.parametrize(("sides", "oblong"), [((1, 96), "1x2"), ((96, 1), "2x1")])
def test_windows_that_a_net_cannot_take_are_sent_to_design(
    sides: tuple[int, int], oblong: str
) -> None:
    layers = (Conv(4), MaxPool(2), GlobalAveragePool(), Classifier(2))
    net = NetSpec(Shape(1, 28, 28), layers)
    with pytest.raises(ValueError, match=rf"`smidgen design` finds .* max_pool\({oblong}\)"):
        net.fitted(Shape(3, *sides), 2)
    held = (Conv(4), parse(f"max_pool({oblong})", {"max_pool": MaxPool}, "layer"), *layers[2:])
    assert NetSpec(Shape(3, *sides), held).out_shape.channels == 2
