"""Squeeze-and-excitation: one gate a block, after it, at the cost that is shown."""

import pytest
import torch
from torch import nn

from smidgen import layers, zoo
from smidgen.layers import Classifier, Conv, Depthwise, GlobalAveragePool, Shape, Transition
from smidgen.methods import BlurPool, SqueezeExcite, rewritten
from smidgen.spec import NetSpec


def test_one_gate_a_block_after_it_and_none_elsewhere() -> None:
    net = NetSpec(
        Shape(3, 8, 8),
        (Conv(32), Depthwise(64), Transition(8), GlobalAveragePool(), Classifier(10)),
    )
    assert SqueezeExcite(ratio=16).rewrite(net).layers == (
        Conv(32),
        layers.SqueezeExcite(2),
        Depthwise(64),
        layers.SqueezeExcite(4),
        Transition(8),
        GlobalAveragePool(),
        Classifier(10),
    )


@pytest.mark.parametrize(
    ("name", "ratio", "added"),
    [
        ("mnist-1k5-dw", 16, 2 * (8 + 12 + 12 + 16 + 15)),
        ("mnist-1k5-dw", 4, 2 * (8 * 2 + 12 * 3 + 12 * 3 + 16 * 4 + 15 * 3)),
        ("mnist-1k5-dw", 1000, 2 * (8 + 12 + 12 + 16 + 15)),  # never a latent width of 0
        ("cifar-143k", 16, 2 * (16 + 16 + 32 * 2 + 32 * 2 + 64 * 4 + 64 * 4 + 120 * 7)),
    ],
)
def test_adds_the_parameters_shown_and_no_more(name: str, ratio: int, added: int) -> None:
    net = zoo.net(name)
    new = SqueezeExcite(ratio).rewrite(net)
    assert new.params - net.params == added
    assert sum(p.numel() for p in new.build().parameters()) == net.params + added
    assert new.macs - net.macs == added, "a multiply a weight: the gates see one pixel"


def test_narrow_blocks_can_be_left_alone() -> None:
    net = NetSpec(Shape(3, 8, 8), (Conv(7), Conv(8)))
    gated = SqueezeExcite(min_channels=8).rewrite(net).layers
    assert gated == (Conv(7), Conv(8), layers.SqueezeExcite(1))
    with pytest.warns(UserWarning, match="squeeze-excite changes nothing in mnist-1k5-dw"):
        rewritten(zoo.net("mnist-1k5-dw"), [SqueezeExcite(min_channels=128)])


def test_acts_on_what_left_the_activation() -> None:
    spec = SqueezeExcite().rewrite(NetSpec(Shape(3, 8, 8), (Depthwise(4),)))
    model = spec.build()
    block, gate = model
    seen: list[torch.Tensor] = []
    gate.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    model(x)
    assert seen[0].min() == 0, "rectified"
    norm = next(m for m in block.modules() if isinstance(m, nn.BatchNorm2d))
    assert norm.training
    # half of a normalised map lies below 0, so a rectified one has a mean near 0.4
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.full((4,), 0.4), atol=0.1, rtol=0)


def test_a_block_whose_stride_went_into_a_blur_is_gated_once() -> None:
    net = NetSpec(Shape(3, 8, 8), (Conv(8, stride=2), Conv(8)))
    both = rewritten(net, [SqueezeExcite(), BlurPool()])
    gated_first = BlurPool().rewrite(SqueezeExcite().rewrite(net))
    for spec in (both, gated_first, SqueezeExcite().rewrite(gated_first)):
        assert sum(isinstance(layer, layers.SqueezeExcite) for layer in spec.layers) == 2


def test_a_block_behind_a_gate_gets_one_of_its_own() -> None:
    gate = layers.SqueezeExcite(1)
    net = NetSpec(Shape(3, 8, 8), (Conv(8), gate, Conv(9), Conv(7), gate))
    assert SqueezeExcite().rewrite(net).layers == (Conv(8), gate, Conv(9), gate, Conv(7), gate)


@pytest.mark.parametrize("ratio", [0, -1])
def test_refuses_a_ratio_below_one(ratio: int) -> None:
    with pytest.raises(ValueError, match=r"squeeze-excite ratio must be >= 1, got"):
        SqueezeExcite(ratio)
