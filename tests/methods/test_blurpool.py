"""BlurPool: sizes and parameters stay, borders stay bright, shifts matter less."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smidgen import data, zoo
from smidgen.evaluate.shift import shift_consistency
from smidgen.layers import (
    Blur,
    Classifier,
    Conv,
    Depthwise,
    GlobalAveragePool,
    MaxPool,
    Shape,
)
from smidgen.methods import BlurPool, OneCycle, rewritten
from smidgen.recipe import Recipe
from smidgen.runtime import Runtime
from smidgen.spec import NetSpec
from smidgen.train import train


@pytest.mark.parametrize(("name", "params"), [("mnist-1k5-dw", 1560), ("cifar-143k-dw", 143396)])
def test_adds_no_parameter(name: str, params: int) -> None:
    new = rewritten(zoo.net(name), [BlurPool()])
    assert new != zoo.net(name)
    assert sum(p.numel() for p in new.build().parameters()) == params


def test_three_taps_is_the_published_kernel() -> None:
    impulse = torch.zeros(1, 1, 5, 5)
    impulse[0, 0, 2, 2] = 16
    out = Blur(1).build(Shape(1, 5, 5))(impulse)[0, 0, 1:4, 1:4]
    assert torch.equal(out, torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]))


def test_the_highest_frequency_is_removed() -> None:
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    checkerboard = ((-1.0) ** (rows + columns))[None, None]
    assert Blur(2).build(Shape(1, 16, 16))(checkerboard).abs().max() < 1e-6


@pytest.mark.parametrize("side", [2, 3, 4, 7, 28])
def test_a_constant_stays_constant_at_the_borders_too(side: int) -> None:
    model = rewritten(NetSpec(Shape(2, side, side), (MaxPool(),)), [BlurPool()]).build()
    out = model(torch.ones(1, 2, side, side))
    torch.testing.assert_close(out, torch.ones(1, 2, side // 2, side // 2))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_maximum_and_blur_of_sixteen_numbers(memory_format: torch.memory_format) -> None:
    model = rewritten(NetSpec(Shape(2, 4, 4), (MaxPool(),)), [BlurPool()]).build()
    x = torch.arange(16.0).view(1, 1, 4, 4).expand(1, 2, 4, 4).contiguous()
    out = model(x.contiguous(memory_format=memory_format))
    assert torch.equal(out[0, 1], torch.tensor([[7.5, 8.5], [11.5, 12.5]]))


def test_sizes_are_those_of_the_pools_it_replaces() -> None:
    def sides(spec: NetSpec) -> list[int]:
        pools = (*(kind for kind in (MaxPool, Blur)),)
        return [l.out_shape(s).height for l, s in spec.walk() if isinstance(l, pools)]  # noqa: E741

    for start, expected in ((28, [14, 7, 3]), (32, [16, 8, 4]), (9, [4, 2, 1])):
        old = NetSpec(Shape(1, start, start), (MaxPool(),) * 3)
        assert sides(old) == expected
        assert sides(BlurPool().rewrite(old))[1::2] == expected


@given(
    layer=st.one_of(
        st.builds(MaxPool, kernel_size=st.integers(1, 3), stride=st.integers(2, 3)),
        st.builds(Conv, st.just(4), stride=st.integers(2, 3)),
        st.builds(Depthwise, st.just(4), stride=st.integers(2, 3)),
    ),
    height=st.integers(5, 17),
    width=st.integers(5, 17),
    method=st.builds(
        BlurPool, kernel_size=st.sampled_from([3, 5]), position=st.sampled_from(["after", "before"])
    ),
)
def test_whatever_has_a_stride_keeps_its_size_and_params(
    layer: MaxPool | Conv | Depthwise, height: int, width: int, method: BlurPool
) -> None:
    old = NetSpec(Shape(3, height, width), (layer,))
    new = method.rewrite(old)
    assert new.out_shape == old.out_shape
    assert new.params == old.params
    assert new.layers.count(Blur(layer.stride, method.kernel_size)) == 1
    assert all(getattr(part, "stride", 1) == 1 for part in new.layers if not isinstance(part, Blur))


def test_after_is_convolution_activation_blur_and_before_costs_stride_squared_fewer_macs() -> None:
    old = NetSpec(Shape(3, 16, 16), (Conv(8, stride=2),))
    after, before = (BlurPool(position=place).rewrite(old) for place in ("after", "before"))
    assert after.layers == (Conv(8), Blur(2))
    assert before.layers == (Blur(2), Conv(8))
    assert after.macs == 4 * old.macs + 9 * 8 * 8 * 8  # the blur: 9 taps on 8 channels of 8x8
    assert before.macs == old.macs + 9 * 3 * 8 * 8  # on 3 channels


def test_a_pool_is_blurred_after_its_maximum_wherever_convolutions_are() -> None:
    old = NetSpec(Shape(3, 8, 8), (MaxPool(),))
    assert BlurPool(position="before").rewrite(old).layers == (MaxPool(2, 1), Blur(2))


def test_a_trained_net_changes_its_mind_less_under_a_one_pixel_shift() -> None:
    digits = data.load("digits")
    net = NetSpec(
        Shape(*digits.shape),
        (Conv(8), MaxPool(), Conv(16), MaxPool(), GlobalAveragePool(), Classifier(10)),
    )

    def error(*methods: BlurPool) -> float:
        run = train(
            net,
            digits,
            methods=[*methods, OneCycle()],
            recipe=Recipe(epochs=6, peak_lr=0.02),
            runtime=Runtime("cpu", 1, "float32"),
        )
        return 1 - shift_consistency(run.model, digits.test.images, run.mean, run.std)

    assert error(BlurPool()) < 0.85 * error()


@pytest.mark.parametrize("kernel_size", [-1, 1, 2, 4])
def test_refuses_a_filter_without_centre_or_effect(kernel_size: int) -> None:
    with pytest.raises(ValueError, match=r"blurpool kernel_size must be odd and >= 3, got"):
        BlurPool(kernel_size)
