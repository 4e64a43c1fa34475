"""Folding and merging change no answer, only the number of operations."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from tests.export.nets import (
    AVERAGE,
    MEAN,
    NESTS,
    STD,
    Plan,
    blurred,
    excited,
    lively,
    nest,
    pixels_for,
    plans,
    program_of,
    spec_of,
)
from tests.largest import LargestTensor
from torch import nn

from smidgen import layers, zoo
from smidgen.export import program as ops
from smidgen.export.fold import fold
from smidgen.export.lower import lower
from smidgen.export.program import run_float
from smidgen.layers import Layer, Shape
from smidgen.spec import NetSpec

HEAD = (layers.GlobalAveragePool(), layers.Classifier(4, bias=True))


def trained_logits(spec: NetSpec, images: ops.Pixels) -> np.ndarray:
    """Return what the unfolded model answers, in float64."""
    channels = spec.input_shape.channels
    mean, std = (torch.tensor(v[:channels]).double().reshape(1, -1, 1, 1) for v in (MEAN, STD))
    x = (torch.from_numpy(images).double() / 255 - mean) / std
    with torch.no_grad():
        return lively(spec).double()(x).numpy()


def assert_same(spec: NetSpec) -> ops.Program:
    images = pixels_for(spec, 5)
    program, expected = program_of(spec), trained_logits(spec, images)
    allowed = 1e-5 * max(1.0, float(np.abs(expected).max()))
    for form in (program, lower(program)):
        np.testing.assert_allclose(run_float(form, images), expected, rtol=0, atol=allowed)
    return program


def plain(spec: NetSpec) -> NetSpec:
    return spec


@pytest.mark.parametrize("change", [plain, blurred, excited])
@pytest.mark.parametrize("name", zoo.STUDY)
def test_the_folded_program_answers_what_the_trained_model_answers(
    name: str, change: Callable[[NetSpec], NetSpec]
) -> None:
    assert_same(change(zoo.net(name)))


@settings(max_examples=40, deadline=None)
@given(plans())
def test_any_net_folds_exactly(plan: Plan) -> None:
    assert_same(spec_of(plan))


def test_many_images_are_answered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = zoo.net("mnist-1k5-dw")
    program, images = program_of(spec), pixels_for(spec, 9)
    whole = run_float(program, images)
    monkeypatch.setattr(ops, "_PIXELS", 2 * images[0, 0].size)
    with LargestTensor() as of_few:
        run_float(program, images[:2])
    with LargestTensor() as of_many:
        found = run_float(program, images)
    assert of_many.nbytes == of_few.nbytes
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-4)


def net(*body: Layer, shape: Shape = Shape(3, 8, 8)) -> NetSpec:  # noqa: B008
    return NetSpec(shape, (*body, *HEAD))


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        # one 1x1 after another becomes one, and passes the average to meet the classifier
        ((layers.Transition(8, bias=True), layers.Transition(4)), ["GlobalAveragePool", "Linear"]),
        # before a blur there are four times the pixels
        (
            (layers.Transition(3, bias=True), layers.Blur(2), layers.MaxPool(2)),
            ["Blur", "Conv2d", "MaxPool", "GlobalAveragePool", "Linear"],
        ),
        # a convolution that pads with zeros sees the transition's bias in the picture, not beside
        (
            (layers.Transition(3, bias=True), layers.Conv(4)),
            ["Conv2d", "Conv2d", "GlobalAveragePool", "Linear"],
        ),
        ((layers.Transition(3), layers.Conv(4)), ["Conv2d", "GlobalAveragePool", "Linear"]),
        # merging would make the narrow transition dearer
        (
            (layers.Transition(1), layers.Conv(8)),
            ["Conv2d", "Conv2d", "GlobalAveragePool", "Linear"],
        ),
        ((layers.MaxPool(1, 1), layers.MaxPool(8)), ["MaxPool", "Linear"]),
        # one pixel is all that a window of any size, or a step, finds there
        ((layers.MaxPool(8), layers.Blur(2, 5), layers.MaxPool(1, 3)), ["MaxPool", "Linear"]),
        # one pixel is left, of several that are read: what skips them is no part of a product
        ((layers.Conv(5, 1, stride=8, activation="none"),), ["Conv2d", "Linear"]),
    ],
    ids=["1x1s", "blur", "biased border", "clean border", "dearer", "idle", "one pixel", "skips"],
)
def test_linear_neighbours_merge_exactly_where_the_rules_say(
    body: tuple[Layer, ...], kinds: list[str]
) -> None:
    program = assert_same(net(*body))
    assert [type(op).__name__ for op in program.operations] == ["Normalise", *kinds]


@pytest.mark.parametrize("name", NESTS)
def test_sums_and_repeats_fold_exactly(name: str) -> None:
    assert_same(nest(name))


def test_nothing_is_merged_into_a_map_that_is_read_twice() -> None:
    texts = "transition(3, bias=true)", "residual(transition(3, bias=true))", "transition(2)"
    spec = NetSpec.from_dict({"input": [3, 8, 8], "layers": [*texts, *AVERAGE]})
    _, first, sum_, *rest = assert_same(spec).operations
    assert isinstance(first, ops.Conv2d)
    assert isinstance(sum_, ops.Residual)
    assert [type(op).__name__ for op in sum_.inner] == ["Conv2d"]
    assert [type(op).__name__ for op in rest] == ["GlobalAveragePool", "Linear"]


def repeated(texts: str, model_of: Callable[[NetSpec], nn.Sequential] = lively) -> list[ops.Conv2d]:
    layers_ = ["conv(6)", f"repeat({texts}, times=3)", *AVERAGE]
    spec = NetSpec.from_dict({"input": [3, 8, 8], "layers": layers_})
    program = fold(spec, model_of(spec), MEAN, STD)
    return [op for op in program.operations if isinstance(op, ops.Conv2d)][1:]


def test_passes_of_a_repeat_are_multiples_of_the_same_weights() -> None:
    convs = repeated("depthwise(6)")
    assert len({conv.shared.key for conv in convs if conv.shared}) == 2
    for conv in convs:
        assert conv.shared is not None
        _, weight, gain = conv.shared
        np.testing.assert_allclose(weight * gain.reshape(-1, 1, 1, 1), conv.weight, rtol=1e-6)
    assert not np.array_equal(convs[1].weight, convs[3].weight)


@pytest.mark.parametrize("factor", [-1, 0])
def test_a_pass_whose_norm_turns_a_sign_or_ends_a_channel_keeps_weights_of_its_own(
    factor: int,
) -> None:
    def turned(spec: NetSpec) -> nn.Sequential:
        model = lively(spec)
        with torch.no_grad():
            model.get_parameter("1.passes.1.0.norm.weight")[2] *= factor
        return model

    first, second, third = repeated("conv(6)", turned)
    assert second.shared is None
    assert first.shared is not None
    assert third.shared is not None
    assert first.shared.key == third.shared.key


def test_a_module_of_any_class_folds_alike_if_its_tensors_keep_their_order() -> None:
    class Fused(nn.Module):
        """The same parameters under other prefixes, in a class of its own."""

        def __init__(self) -> None:
            super().__init__()
            self.filter = nn.Conv2d(3, 4, 3, padding=1, bias=True)
            self.centre = nn.BatchNorm2d(4)

    spec = net(layers.Conv(4, bias=True))
    model, fused = lively(spec), Fused()
    tensors = model[0].state_dict().values()
    fused.load_state_dict(dict(zip(fused.state_dict(), tensors, strict=True)))
    images = pixels_for(spec, 3)
    other = nn.Sequential(fused, *list(model)[1:])
    expected = run_float(fold(spec, model, MEAN, STD), images)
    np.testing.assert_array_equal(run_float(fold(spec, other, MEAN, STD), images), expected)


def test_what_cannot_be_folded_is_refused_by_name() -> None:
    headless = NetSpec(Shape(1, 8, 8), (layers.Conv(4),))
    with pytest.raises(ValueError, match=r"end in its only classifier, got conv\(out_channels=4\)"):
        fold(headless, lively(headless), [0.5], [0.5])
    spec = net(layers.Conv(4))
    with pytest.raises(ValueError, match="mean must have 3 numbers"):
        fold(spec, lively(spec), [0.5], [0.5])
    for std in (0.0, 1e-50, torch.nan):
        with pytest.raises(ValueError, match="std must be > 0 and finite, both in float32, got"):
            fold(spec, lively(spec), MEAN, (0.5, std, 0.5))
    with pytest.raises(ValueError, match="mean must be finite in float32, got"):
        fold(spec, lively(spec), (0.5, 1e39, 0.5), STD)
    broken = lively(spec)
    next(broken.parameters()).data[0] = torch.nan
    with pytest.raises(ValueError, match=r"layer 1 conv\(out_channels=4\): .* finite"):
        fold(spec, broken, MEAN, STD)


def test_a_product_of_weights_beyond_float32_is_refused() -> None:
    spec = net(layers.Transition(4), layers.Transition(4))
    apart, merged, absorbing = lively(net(layers.Conv(4))), lively(spec), lively(spec)
    with torch.no_grad():
        for module, factor in ((apart[0], 1e38), (merged[0], 1e30), (merged[1], 1e30)):
            for parameter in module.parameters():
                parameter.mul_(factor)
        for parameter in absorbing[-1].parameters():
            parameter.mul_(1e30)
    said = "its folded weights must be finite in float32"
    with pytest.raises(ValueError, match=rf"layer 1 conv\(.*\): {said}"):
        fold(net(layers.Conv(4)), apart, MEAN, STD)
    with pytest.raises(ValueError, match=f"^{spec.name}: {said}"):
        fold(spec, merged, MEAN, STD)
    with pytest.raises(ValueError, match="absorb the normalisation must be finite in float32"):
        lower(fold(spec, absorbing, MEAN, (1e-30, 1.0, 1.0)))


def shares(layers_: tuple[str, ...]) -> list[int | None]:
    spec = NetSpec.from_dict({"input": [3, 8, 8], "layers": [*layers_, *AVERAGE]})
    convs = [op for op in program_of(spec).operations if isinstance(op, ops.Conv2d)]
    return [conv.shared.key if conv.shared else None for conv in convs]


def test_weights_that_nobody_else_uses_are_not_called_shared() -> None:
    assert shares(("conv(6)", "conv(6)", "depthwise(5)")) == [None] * 4
    first, again, alone = shares(("repeat(conv(3), times=2)", "conv(3)"))
    assert (first is not None, first == again, alone) == (True, True, None)
    a, b, c, d = shares(("repeat(conv(3), times=2)", "repeat(conv(3), times=2)"))
    assert (a, c) == (b, d)
    assert len({a, c}) == 2
    two = shares(("repeat(conv(3), conv(3), times=2)",))
    assert two[:2] == two[2:]
    assert two[0] != two[1]


def test_weights_of_a_program_are_float32() -> None:
    for spec in (nest("repeat"), nest("gated"), excited(zoo.net("mnist-1k5-dw"))):
        pending = list(program_of(spec).operations)
        while pending:
            match pending.pop():
                case ops.Conv2d(weight=weight, bias=bias, shared=shared):
                    held = [weight, bias, *(shared[1:] if shared else ())]
                case ops.Linear(weight, bias):
                    held = [weight, bias]
                case ops.SqueezeExcite(squeeze, excite):
                    held = [squeeze, excite]
                case ops.Residual(inner, shortcut):
                    held = []
                    pending += [*inner, *shortcut]
                case ops.Normalise(mean, std):
                    held = [mean, std]
                case _:
                    held = []
            assert all(array.dtype == np.float32 for array in held)


@pytest.mark.parametrize(
    ("texts", "broken", "said"),
    [
        (("conv(4)",), "1.weight", r"layer 3 classifier\(.*finite"),
        (("conv(4)", "residual(conv(4))"), "layers.0.norm.weight", r"layer 2 residual\(.*finite"),
        (("conv(4)", "squeeze_excite(2)"), "excite", r"layer 2 squeeze_excite\(.*finite"),
    ],
)
def test_a_weight_that_is_no_number_is_named_by_its_layer(
    texts: tuple[str, ...], broken: str, said: str
) -> None:
    spec = NetSpec.from_dict({"input": [3, 8, 8], "layers": [*texts, *AVERAGE]})
    model = lively(spec)
    place = len(model) - 1 if "classifier" in said else 1
    parameters = dict(model[place].named_parameters())
    name = next((name for name in parameters if broken in name), [*parameters][-1])
    parameters[name].data.view(-1)[0] = torch.nan
    with pytest.raises(ValueError, match=said):
        fold(spec, model, MEAN, STD)


def test_a_net_with_two_classifiers_or_other_colours_is_refused() -> None:
    two = NetSpec(Shape(3, 8, 8), (layers.Conv(4), *HEAD, layers.Classifier(3)))
    with pytest.raises(ValueError, match="end in its only classifier"):
        fold(two, lively(two), MEAN, STD)
    spec = net(layers.Conv(4))
    with pytest.raises(ValueError, match="std must have 3 numbers, one a channel"):
        fold(spec, lively(spec), MEAN, STD[:2])
    assert fold(spec, lively(spec), MEAN, (1e-6, 1.0, 1.0)).operations


def test_convolutions_keep_their_stride_groups_padding_and_activation() -> None:
    texts = "conv(4, kernel_size=5, stride=2, activation=none)", "channelwise(stride=2)", "conv(3)"
    spec = NetSpec.from_dict({"input": [3, 16, 16], "layers": [*texts, "depthwise(6)", *AVERAGE]})
    convs = [op for op in program_of(spec).operations if isinstance(op, ops.Conv2d)]
    assert [(c.stride, c.padding, c.groups, c.relu) for c in convs] == [
        (2, (2, 2), 1, False),
        (2, (1, 1), 4, True),
        (1, (1, 1), 1, True),
        (1, (1, 1), 3, False),
        (1, (0, 0), 1, True),
    ]


@pytest.mark.parametrize("count", [1, 3, 16])
@pytest.mark.parametrize(
    ("place", "told"),
    [
        (
            "0.conv.bias",
            r"layer 1 conv\(out_channels=8, bias=true\): its conv.bias must be of shape \(8,\)",
        ),
        ("1.layers.0.pointwise.bias", r"layer 2 residual\(.*\): its layers.0.pointwise.bias must"),
        (
            "3.0.conv.bias",
            r"layer 4 classifier\(classes=5, bias=true\): its 0.conv.bias must be of shape",
        ),
    ],
)
def test_a_bias_of_another_length_is_refused_with_its_layer(
    place: str, told: str, count: int
) -> None:
    body = ["conv(8, bias=true)", "residual(depthwise(8, bias=true))", *AVERAGE]
    spec = NetSpec.from_dict({"name": "net", "input": [3, 8, 8], "layers": body})
    model = lively(spec)
    own, _, name = place.rpartition(".")
    setattr(model.get_submodule(own), name, nn.Parameter(torch.ones(count)))
    with pytest.raises(ValueError, match=f"net, {told}.*got \\({count},\\)"):
        fold(spec, model, MEAN, STD)


def test_a_model_without_a_bias_that_its_spec_has_is_refused_with_its_layer() -> None:
    one, other = (
        NetSpec.from_dict({"name": "net", "input": [3, 8, 8], "layers": [conv, *AVERAGE]})
        for conv in ("conv(8, bias=true)", "conv(8)")
    )
    with pytest.raises(ValueError, match=r"net, layer 1 conv\(.*\): must have 7 tensors, got 6"):
        fold(one, lively(other), MEAN, STD)
