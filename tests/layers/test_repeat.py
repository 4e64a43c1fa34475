"""A repeat shares its weights between passes, and norms each pass on its own."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn

from smidgen.checkpoint import load_tensors, save_tensors
from smidgen.layers import (
    LAYERS,
    Classifier,
    Conv,
    Depthwise,
    GlobalAveragePool,
    MaxPool,
    Repeat,
    Residual,
    Shape,
    SqueezeExcite,
    Transition,
)
from smidgen.layers.repeat import RepeatModule
from smidgen.spec import NetSpec
from smidgen.text import parse

SHAPE = Shape(8, 5, 5)


def images(seed: int = 0) -> torch.Tensor:
    return torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(seed))


def built(layer: Repeat, seed: int = 0) -> RepeatModule:
    module = NetSpec(SHAPE, (layer,)).build(seed)[0]
    assert isinstance(module, RepeatModule)
    return module


def test_weights_once_norms_each_time() -> None:
    layer = Repeat((Depthwise(8), SqueezeExcite(2), Transition(8)), times=5)
    weights = 8 * 9 + 8 * 8 + 2 * 8 * 2 + 8 * 8
    assert layer.params(SHAPE) == weights + 5 * 2 * 8
    module = built(layer)
    assert sum(p.numel() for p in module.parameters()) == layer.params(SHAPE)
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len({id(norm.weight) for norm in norms}) == len(norms) == 5


def test_is_the_same_layers_applied_one_after_another() -> None:
    module = built(Repeat((Depthwise(8),), times=3))
    once = built(Repeat((Depthwise(8),), times=1))
    once.load_state_dict({n: t for n, t in module.state_dict().items() if n.startswith("passes.0")})
    x = images()
    torch.testing.assert_close(module(x), once(once(once(x))))  # norms are alike at the start


def test_a_step_of_the_shared_weights_moves_all_passes() -> None:
    module = built(Repeat((Conv(8),), times=3))
    module(images()).sum().backward()
    with torch.no_grad():
        for parameter in module.parameters():
            assert parameter.grad is not None
            parameter -= parameter.grad
    weights = [m.weight for m in module.modules() if isinstance(m, nn.Conv2d)]
    assert all(weight is weights[0] for weight in weights)
    copied = deepcopy(module)
    weights = [m.weight for m in copied.modules() if isinstance(m, nn.Conv2d)]
    assert all(weight is weights[0] for weight in weights)


def test_what_is_stored_is_what_is_learned_and_reads_back(tmp_path: Path) -> None:
    layer = Repeat((Residual((Conv(8, bias=True),)), SqueezeExcite(1)), times=3)
    module, other = built(layer), built(layer, seed=1)
    state = module.state_dict()
    learned = {name for name, _ in module.named_parameters()}
    assert {name for name in state if "running" not in name and "num_" not in name} == learned
    save_tensors(tmp_path / "w", state, {})
    other.load_state_dict(load_tensors(tmp_path / "w")[0])
    assert torch.equal(module.eval()(images()), other.eval()(images()))
    del state["passes.0.0.layers.0.conv.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*passes\.0\.0\.layers\.0\.conv\.weight"):
        other.load_state_dict(state)


def test_weights_that_are_assigned_stay_shared() -> None:
    layer = Repeat((Depthwise(8), SqueezeExcite(2)), times=3)
    model, other = nn.Sequential(built(layer)), nn.Sequential(built(layer, seed=1))
    other.load_state_dict(model.state_dict(), assign=True)
    assert other.state_dict().keys() == model.state_dict().keys()
    assert sum(p.numel() for p in other.parameters()) == layer.params(SHAPE)
    assert torch.equal(other.eval()(images()), model.eval()(images()))


def test_deployed_are_kernels_once_and_a_factor_and_a_bias_a_pass() -> None:
    kernels = 8 * 9 + 8 * 8
    assert Repeat((Depthwise(8),), times=9).deployed_params(SHAPE) == kernels + 9 * 2 * 8
    assert Repeat((Depthwise(8),), times=1).deployed_params(SHAPE) == kernels + 8


def test_every_pass_costs_its_macs() -> None:
    assert Repeat((Conv(8),), times=7).macs(SHAPE) == 7 * Conv(8).macs(SHAPE)


def test_peak_activation_is_that_of_one_pass() -> None:
    layer = Repeat((Depthwise(8),), times=7)
    assert layer.peak_activation(SHAPE) == 2 * 8 * 25
    assert Residual((layer,)).peak_activation(SHAPE) == 3 * 8 * 25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("repeat(conv(8), times=0)", "repeat times must be >= 1, got 0"),
        ("repeat(conv(8), times=101)", "repeat times must be at most 100, got 101"),
        ("repeat(times=3)", "repeat needs one layer inside at least, got ()"),
        ("repeat(conv(8), times=1000000000000)", "times must be at most 100, got 1,000,000"),
        ("repeat(conv(8), TIMES=3)", "layer repeat has no argument 'TIMES'; did you mean 'times'?"),
        ("repeat(conv(8), 3)", "repeat takes times by its name alone: write times=3, got '3'"),
        ("repeat(conv(8), 'x')", "layer must be name(argument=value, ...), got \"'x'\""),
        ("repeat(repeat(conv(8)))", "repeat cannot hold a repeat: multiply their times"),
        ("repeat(residual(repeat(conv(8))))", "repeat cannot hold a repeat: multiply their times"),
    ],
)
def test_refuses_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text, {kind.name: kind for kind in LAYERS}, "layer")


def test_refuses_what_changes_its_shape_with_layer_and_place() -> None:
    for inner, made in ((Conv(9), "9x5x5"), (Conv(8, stride=2), "8x3x3"), (MaxPool(), "8x2x2")):
        expected = f"repeat needs layers that keep the shape, and these make {made} of 8x5x5"
        with pytest.raises(ValueError, match=rf"net, layer 2 repeat\(.*{expected}"):
            NetSpec(Shape(3, 5, 5), (Conv(8), Repeat((inner,))))


def test_a_nest_runs_a_bounded_number_of_layers() -> None:
    with pytest.raises(ValueError, match=r"residual runs 1,100 layers, at most 1,000"):
        Residual((Repeat((Conv(8),) * 11, times=100),))


def test_passes_are_not_made_where_their_weights_take_the_memory() -> None:
    spec = NetSpec(Shape(350, 3, 3), (Repeat((Conv(350),), times=100),))
    with pytest.raises(ValueError, match="params of all passes of a repeat must be at most"):
        spec.build()


def test_nets_with_repeats_hold_their_classifier_outside() -> None:
    net = NetSpec(SHAPE, (Repeat((Conv(8),)), GlobalAveragePool(), Classifier(2)))
    assert net.fitted(Shape(8, 3, 4), 5).out_shape == Shape(5, 1, 1)
