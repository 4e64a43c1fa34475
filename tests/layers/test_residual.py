"""A residual is its input plus what its layers make of it, and says what that costs."""

import re

import pytest
import torch

from smidgen.layers import (
    LAYERS,
    Blur,
    Channelwise,
    Classifier,
    Conv,
    Depthwise,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Repeat,
    Residual,
    Shape,
    SqueezeExcite,
)
from smidgen.layers.nest import require_nestable
from smidgen.methods import BlurPool, rewritten
from smidgen.methods import SqueezeExcite as Gates
from smidgen.spec import NetSpec
from smidgen.text import parse, to_text

KINDS = {kind.name: kind for kind in LAYERS}
BOTTLENECK = (Conv(24, kernel_size=1), Channelwise(), Conv(8, kernel_size=1, activation="none"))


def read(text: str) -> Layer:
    return parse(text, KINDS, "layer")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_adds_its_input_to_what_its_layers_give(training: bool, activation: str) -> None:
    layer = read(f'residual(conv(4, activation="none"), activation="{activation}")')
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    module = layer.build(Shape(4, 5, 5)).train(training)
    expected = x + module.layers(x)  # pyright: ignore[reportCallIssue]
    assert expected.min() < 0
    out = module(x)
    torch.testing.assert_close(out, expected.relu() if activation == "relu" else expected)


def test_a_blocks_own_activation_comes_before_the_sum() -> None:
    x = torch.full((1, 4, 5, 5), -100.0)
    out = Residual((Depthwise(4),)).build(Shape(4, 5, 5)).eval()(x)
    assert out.min() == -100, "the border's own ReLU gave 0 somewhere, and x was added after it"
    assert out.max() < 0


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("residual(depthwise(64))", Residual((Depthwise(64),))),
        (
            'residual(conv(16), conv(16, activation="none"), activation="relu")',
            Residual((Conv(16), Conv(16, activation="none")), activation="relu"),
        ),
        (
            "residual(conv(16, stride=2), shortcut=true, activation=relu)",
            Residual((Conv(16, stride=2),), True, "relu"),
        ),
        ("residual(channelwise, activation=none)", Residual((Channelwise(),))),
        (
            "repeat(residual(depthwise(8), squeeze_excite(1)), times=9)",
            Repeat((Residual((Depthwise(8), SqueezeExcite(1))),), 9),
        ),
    ],
)
def test_reads_what_a_person_would_write(text: str, layer: Layer) -> None:
    assert read(text) == layer
    assert read(to_text(layer)) == layer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("residual", "residual needs one layer inside at least, got ()"),
        ("residual(8)", "layer must be name(argument=value, ...), got '8'"),
        ("residual(cnov(8))", "unknown layer 'cnov'; did you mean 'conv'?"),
        ("residual(conv(8), layers=3)", "layer residual has no argument 'layers'"),
        ("residual(conv(8), shortcuts=true)", "did you mean 'shortcut'?"),
        ("residual(conv(8), activation=gelu)", "layer residual argument 'activation' "),
        ("conv(8, activation=gelu)", "layer conv argument 'activation' "),
        ("residual(conv(8), shortcut=1)", "layer residual argument 'shortcut' "),
        ("residual(global_average_pool)", "residual cannot hold global_average_pool"),
        ("residual(conv(8), classifier(10))", "residual cannot hold classifier(classes=10)"),
        ("residual(flatten)", "residual cannot hold flatten"),
        ("residual(conv(8), true)", "shortcut by its name alone: write shortcut=true, got 'true'"),
        ("residual(conv(8), relu)", "activation by its name alone: write activation=relu,"),
        ("residual(conv(8), none)", "activation by its name alone: write activation=none,"),
        ("residual(conv(8), blurr)", "unknown layer 'blurr'; did you mean 'blur'?"),
        ("residual(activation=relu, conv(8))", "what has no name, as a layer inside, comes before"),
        ("residual(" * 5 + "conv(8)" + ")" * 5, "residual is nested too deep: at most 4"),
        ("residual(" * 500 + "conv(8)" + ")" * 500, "layer must be name"),
    ],
)
def test_refuses_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_refuses_a_sum_of_two_shapes_with_layer_and_place() -> None:
    for inner, made in ((Conv(8, stride=2), "8x4x4"), (Conv(9), "9x8x8"), (MaxPool(), "8x4x4")):
        expected = f"net, layer 2 {to_text(Residual((inner,)))}: residual adds maps of one shape,"
        with pytest.raises(ValueError, match=re.escape(expected)) as caught:
            NetSpec(Shape(3, 8, 8), (Conv(8), Residual((inner,))))
        assert f"make {made} of 8x8x8: keep width and stride, or set shortcut=true" in str(
            caught.value
        )


def test_names_the_place_inside() -> None:
    with pytest.raises(ValueError, match=r"layer 1 residual\(.*\): layer 2 max_pool.*: max_pool"):
        NetSpec(Shape(3, 8, 8), (Residual((Conv(3), MaxPool(9, 1))),))


def test_refuses_a_size_that_no_stride_gives() -> None:
    said = "no shortcut with a stride makes 3x2x2 of 3x5x5: put what cuts pixels off at the border"
    with pytest.raises(ValueError, match=said):
        Residual((MaxPool(),), shortcut=True).out_shape(Shape(3, 5, 5))


@pytest.mark.parametrize("layers", [(), [Conv(8)], Conv(8), (Conv,), ("conv(8)",)])
def test_holds_nothing_but_a_tuple_of_layers(layers: object) -> None:
    with pytest.raises(ValueError, match=r"residual (needs|holds)"):
        require_nestable("residual", layers)


def test_a_shortcut_is_a_1x1_convolution_where_width_or_size_change_and_nothing_elsewhere() -> None:
    layer = Residual((Conv(16, stride=2), Conv(16, activation="none")), True, "relu")
    narrow, wide = Shape(8, 9, 9), Shape(16, 9, 9)
    projection = Conv(16, kernel_size=1, stride=2, activation="none")
    for shape in (narrow, wide):
        assert layer.shortcut_layers(shape) == (projection,)
        own = sum(inner.params(s) for inner, s in ((layer.layers[0], shape),))
        second = layer.layers[1].params(Shape(16, 5, 5))
        assert layer.params(shape) == own + second + projection.params(shape)
    same = Residual((Conv(16),), shortcut=True)
    assert same.shortcut_layers(wide) == ()
    assert same.params(wide) == Conv(16).params(wide)


def test_peak_activation_counts_the_kept_map() -> None:
    # a bottleneck of 8 to 24 channels: the filter reads 24 and writes 24 while 8 wait for the sum
    assert Residual(BOTTLENECK).peak_activation(Shape(8, 4, 4)) == (8 + 24 + 24) * 16
    # one block: its 8 filtered channels are read, 8 written, 8 wait
    assert Residual((Depthwise(8),)).peak_activation(Shape(8, 4, 4)) == (8 + 8 + 8) * 16
    # a single convolution reads the kept map itself
    assert Residual((Conv(8),)).peak_activation(Shape(8, 4, 4)) == (8 + 8) * 16
    # the sum of an outer residual waits while the inner one runs its second layer
    inner = Residual((Conv(8), Conv(8)))
    assert Residual((Conv(8), inner)).peak_activation(Shape(8, 4, 4)) == (8 + 8 + 8 + 8) * 16
    # the layers' result of 32 channels waits while the shortcut reads 8 and writes 32
    wide = Residual((Conv(32, stride=2),), shortcut=True)
    assert wide.peak_activation(Shape(8, 4, 4)) == 32 * 4 + 8 * 16 + 32 * 4
    net = NetSpec(Shape(8, 4, 4), (Residual(BOTTLENECK), GlobalAveragePool(), Classifier(2)))
    assert net.peak_activation == 56 * 16


def test_blurpool_blurs_the_shortcut_as_it_blurs_the_layers() -> None:
    old = NetSpec(Shape(3, 9, 9), (Residual((Conv(8, stride=2), Conv(8)), True),))
    new = rewritten(old, [BlurPool()])
    assert new.layers == (Residual((Conv(8), Blur(2), Conv(8)), True),)
    inside = new.layers[0]
    assert isinstance(inside, Residual)
    assert inside.shortcut_layers(Shape(3, 9, 9)) == (Blur(2), Conv(8, 1, activation="none"))
    assert (new.params, new.out_shape) == (old.params, old.out_shape)
    assert BlurPool().rewrite(new) == new


def test_gates_stand_inside_before_the_sum() -> None:
    old = NetSpec(Shape(16, 8, 8), (Residual((Conv(16), Conv(16, activation="none"))),))
    new = rewritten(old, [Gates()])
    gate = SqueezeExcite(1)
    assert new.layers == (Residual((Conv(16), gate, Conv(16, activation="none"), gate)),)
    assert new.params - old.params == 2 * 2 * 16
    assert [layer for layer, _ in new.leaves()] == list(new.layers[0].inside)  # pyright: ignore[reportAttributeAccessIssue]


def test_fits_another_number_of_classes_and_channels() -> None:
    net = NetSpec(Shape(3, 8, 8), (Residual((Conv(3),)), GlobalAveragePool(), Classifier(2)))
    with pytest.raises(ValueError, match=r"residual adds maps of one shape, .* 3x8x8 of 1x8x8"):
        net.fitted(Shape(1, 8, 8), 2)
    assert net.fitted(Shape(3, 9, 7), 5).out_shape == Shape(5, 1, 1)
