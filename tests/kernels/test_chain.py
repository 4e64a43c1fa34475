"""A chain gives the loss and the gradients that torch gives for the same net."""

import copy
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from smidgen import zoo
from smidgen.flat import Flat
from smidgen.kernels import available
from smidgen.kernels.chain import Chain, Inference, serves
from smidgen.kernels.library import forget_choice, operations
from smidgen.kernels.links import Average, links_of
from smidgen.kernels.plan import MapError, Plan
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
from smidgen.layers.base import Kernel
from smidgen.methods import BlurPool, rewritten
from smidgen.methods import SqueezeExcite as Gates
from smidgen.methods.base import Method
from smidgen.spec import NetSpec

COMPILED = [name for name in available() if name != "torch"]
pytestmark = pytest.mark.skipif(not COMPILED, reason="built without the compiled operations")

HEAD = (GlobalAveragePool(), Classifier(7, bias=True))
EVERY_LINK = NetSpec(
    Shape(3, 12, 10),
    (
        *(
            Conv(16),
            SqueezeExcite(4),
            MaxPool(),
            Depthwise(20, bias=True),
            Transition(9, bias=True),
        ),
        *(MaxPool(2, stride=1), Blur(stride=2), Conv(9, kernel_size=5), SqueezeExcite(2), *HEAD),
    ),
)
# Blocks whose ends take part in a sum, and others; sums in sums; a ReLU after a sum or none.
SUMS: dict[str, tuple[Layer, ...]] = {
    "one block": (Residual((Depthwise(16),)),),
    "one block, gated": (Residual((Depthwise(16), SqueezeExcite(3))),),
    "one block of 5 x 5": (Residual((Depthwise(16, 5),)), Residual((Depthwise(16, 7),))),
    "one convolution": (Residual((Conv(16),)),),
    "resnet": (Residual((Conv(16), Conv(16, activation="none")), activation="relu"),),
    "bottleneck": (
        Residual((Conv(24, 1), Channelwise(bias=True), Conv(16, 1, activation="none"))),
    ),
    "shortcut": (
        Residual((Conv(20), Conv(20, activation="none")), True, "relu"),
        Residual((Depthwise(12),), True),
    ),
    "mixed ends": (
        Residual((Transition(16), Conv(16), Transition(16, bias=True)), activation="relu"),
        Residual((SqueezeExcite(3),)),
        Residual((SqueezeExcite(2), Depthwise(16, activation="none"))),
    ),
    "sums in sums": (
        Residual((Conv(16), Residual((Depthwise(16),), activation="relu")), activation="relu"),
        Residual((Residual((Conv(16, 1),)), Conv(16), Residual((Conv(12), Conv(16))))),
        Residual((Residual((Conv(12),), True, "relu"), Conv(16)), activation="relu"),
    ),
    "repeat": (Repeat((Depthwise(16),), times=3),),
    "repeated sums": (
        Residual((Repeat((Residual((Depthwise(16), SqueezeExcite(2))), Transition(16)), 3),)),
    ),
}


# Strides, sides that differ, and blurs alone: over 9 x 14 pixels, and over a line.
APART: dict[str, tuple[Layer, ...]] = {
    "convolutions": (Conv(6, 3, 2), Conv(17, 5, 3, bias=True), Conv(9, (3, 1)), Conv(4, 1, 2)),
    "a long stride": (Conv(16, 7, 4), Conv(12, (1, 5))),
    "depthwise": (
        *(Conv(5, stride=2), Depthwise(16, 3, 2, bias=True), Depthwise(20, 5, 2)),
        *(Depthwise(9, (3, 1)), Depthwise(8, (1, 7))),
    ),
    "filters": (Conv(24), Channelwise(3, 2), Channelwise((5, 3), activation="none"), Conv(7, 1)),
    "pools": (Conv(18), MaxPool(3, stride=2), Conv(5), MaxPool((2, 1), stride=1), MaxPool(2, 3)),
    "blurs": (Conv(18), Blur(), Conv(5), Blur(stride=1), Blur(stride=3, kernel_size=5)),
    "gates and pools behind": (
        *(Conv(18, stride=2), SqueezeExcite(2), MaxPool(), Depthwise(12, 5, 2), SqueezeExcite(3)),
        Conv(9, (3, 1)),
    ),
    "pooled behind": (
        Conv(18, (3, 5)),
        MaxPool(2, stride=1),
        Blur(stride=2),
        Conv(12, 3, 2),
        MaxPool(),
    ),
    "sums": (
        *(Conv(12), Residual((Conv(20, 3, 2), Conv(20, activation="none")), True, "relu")),
        *(Residual((Depthwise(12, 5, 2), Depthwise(12)), True), Residual((Depthwise(12, (1, 3)),))),
        Residual((Residual((Conv(12, (3, 1)),)), Channelwise((1, 5)))),
    ),
    "sums that begin": (Residual((Depthwise(8, 3, 2),), True), Residual((Depthwise(8, (3, 1)),))),
}
LINES: dict[str, tuple[Layer, ...]] = {
    "a line": (
        *(Conv(8, (5, 1), 2), Depthwise(16, (5, 1), 2), Residual((Depthwise(16, (5, 1)),))),
        *(MaxPool((2, 1)), Blur()),
    ),
}


def spaced(name: str) -> NetSpec:
    if name in LINES:
        return NetSpec(Shape(3, 49, 1), (*LINES[name], *HEAD))
    return NetSpec(Shape(3, 9, 14), (*APART[name], *HEAD))


def summed(name: str) -> NetSpec:
    return NetSpec(Shape(5, 7, 6), (Conv(16), *SUMS[name], MaxPool(), Conv(9), *HEAD))


def batch(spec: NetSpec, n: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(n)
    images = torch.randn(n, *spec.input_shape, generator=g)
    targets = torch.rand(n, spec.out_shape.channels, generator=g).softmax(1)
    return images.contiguous(memory_format=torch.channels_last), targets


def built(spec: NetSpec) -> nn.Sequential:
    """A model whose norms have learned: scales of either sign, shifts."""
    model, g = spec.build(1), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.weight.copy_(torch.randn(norm.weight.shape, generator=g) + 0.5)
                norm.bias.copy_(torch.randn(norm.bias.shape, generator=g) * 0.3)
    return model


def chained(spec: NetSpec, images: Tensor) -> tuple[nn.Sequential, Flat, Chain]:
    model = built(spec)
    flat, links = Flat(model), links_of(model)
    assert links is not None
    return model, flat, Chain(links, images.shape, images.dtype, flat.gradient)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def by_torch(spec: NetSpec, images: Tensor, targets: Tensor) -> tuple[float, nn.Module]:
    """Loss, and gradients in a model, in float64; half precision stays so where x asks for it."""
    model = built(spec)
    model = model.double() if images.dtype == torch.float64 else model
    loss = F.cross_entropy(model(images).to(targets.dtype), targets)
    loss.backward()
    return float(loss.detach()), model


def agree(spec: NetSpec, n: int, dtype: torch.dtype, tolerance: float) -> None:
    """Assert that losses, gradients and running statistics agree with float64."""
    images, targets = batch(spec, n)
    images = images.to(dtype)
    model, _, chain = chained(spec, images)
    loss = chain.loss(images, targets)
    loss.backward()
    exact_loss, exact = by_torch(spec, images.double(), targets.double())
    assert float(loss.detach()) == pytest.approx(exact_loss, rel=tolerance)
    expected = gradients(exact)
    size = sum(float(g.square().sum()) for g in expected.values()) ** 0.5
    for name, got in gradients(model).items():
        off = float((got - expected[name]).square().sum()) ** 0.5
        assert off < tolerance * size, f"{name} is {off / size:.2g} off"
    for (name, ours), theirs in zip(model.named_buffers(), exact.buffers(), strict=True):
        torch.testing.assert_close(
            ours.double(), theirs.double(), rtol=tolerance, atol=tolerance, msg=name
        )


@pytest.mark.parametrize("path", COMPILED)
def test_agrees_with_float64_on_every_kind_of_link(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    agree(EVERY_LINK, 19, torch.float32, 2e-5)


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("path", COMPILED)
def test_agrees_with_float64_on_every_kind_of_sum(
    name: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    agree(summed(name), 21, torch.float32, 3e-5)


@pytest.mark.parametrize("name", [*APART, *LINES])
@pytest.mark.parametrize("path", COMPILED)
def test_agrees_with_float64_at_strides_and_of_any_sides(
    name: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    agree(spaced(name), 21, torch.float32, 3e-5)


@pytest.mark.parametrize("kernel", [3, 5, (3, 1)], ids=str)
@pytest.mark.parametrize("side", [36, 5])  # by the strip of one image, and by several images
@pytest.mark.parametrize("path", COMPILED)
def test_agrees_with_float64_where_windows_are_taken_by_the_strip(
    path: str, side: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    layers = (Conv(5), Conv(16, kernel, 2 if side < 9 else 1 + (kernel != (3, 1))), *HEAD)
    agree(NetSpec(Shape(3, side, 2 * side - 1), layers), 7, torch.float32, 3e-5)


@pytest.mark.parametrize("channels", [16, 21, 40])  # that fill vectors, and that do not
@pytest.mark.parametrize("path", COMPILED)
def test_agrees_with_float64_where_maps_are_taken_by_the_strip(
    path: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    own = Depthwise(channels)
    large = Residual((Depthwise(channels, kernel_size=5),))
    sums = (Residual((own,)), large, Residual((own, SqueezeExcite(2))))
    # 20 columns: strips of six rows, the last of three
    layers = (Conv(channels), *sums, MaxPool(), *HEAD)
    agree(NetSpec(Shape(3, 21, 20), layers), 3, torch.float32, 3e-5)


def answered(spec: NetSpec, n: int, dtype: torch.dtype) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """Return a model in evaluation, images, its logits by compiled operations, and in float64."""
    model, (images, _) = built(spec), batch(spec, n)
    g = torch.Generator().manual_seed(3)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.randn(buffer.shape, generator=g) * 0.2)
        elif name.endswith("running_var"):
            buffer.copy_(torch.rand(buffer.shape, generator=g) + 0.3)
    model.eval().requires_grad_(requires_grad=False)
    found = Inference(model)(images.to(dtype))
    return model, images, found, copy.deepcopy(model).double()(images.to(dtype).double())


@pytest.mark.parametrize(
    "spec",
    [EVERY_LINK, *map(summed, SUMS), *map(spaced, (*APART, *LINES))],
    ids=["every link", *SUMS, *APART, *LINES],
)
@pytest.mark.parametrize("path", COMPILED)
def test_answers_in_running_statistics_as_float64_does(
    spec: NetSpec, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    model, images, found, exact = answered(spec, 19, torch.float32)
    torch.testing.assert_close(found.double(), exact, rtol=2e-4, atol=2e-4)
    assert not torch.allclose(found, copy.deepcopy(model).train()(images), rtol=0.01, atol=0.01)


def test_answers_leave_statistics_and_are_asked_for_batches_of_any_size() -> None:
    model, images, found, exact = answered(EVERY_LINK, 21, torch.float32)
    before = copy.deepcopy(dict(model.named_buffers()))
    ask = Inference(model)
    first, rest = ask(images[:13]), ask(images[13:])
    torch.testing.assert_close(torch.cat([first, rest]), found, rtol=1e-4, atol=1e-4)
    other = ask(images.flip(0)[:8])  # of the size before: nothing of it is left
    torch.testing.assert_close(other.double(), exact.flip(0)[:8], rtol=2e-4, atol=2e-4)
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_answers_of_what_is_no_chain_are_those_of_the_model() -> None:
    spec = NetSpec(Shape(3, 9, 7), (Conv(8), GlobalAveragePool(), Conv(5, 1), *HEAD))
    model, images, found, _ = answered(spec, 5, torch.float32)
    assert not Inference(model).is_compiled(torch.float32)
    assert torch.equal(found, model(images))


@pytest.mark.parametrize("change", ["float64", "channels last", "no statistics"])
def test_a_model_that_c_cannot_read_answers_by_itself(change: str) -> None:
    model, images, _, _ = answered(EVERY_LINK, 9, torch.float32)
    assert Inference(model).is_compiled(torch.float32)
    if change == "float64":
        model, images = model.double(), images.double()
    elif change == "channels last":
        for weight in (p for p in model.parameters() if p.ndim == 4):
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    else:
        norm = next(each for each in model.modules() if isinstance(each, nn.BatchNorm2d))
        norm.running_mean = norm.running_var = None
    infer = Inference(model)
    assert not infer.is_compiled(images.dtype)
    assert torch.equal(infer(images), model(images))


def test_no_layer_takes_a_map_that_does_not_fit() -> None:
    depthwise, gate = Depthwise(4), SqueezeExcite(2)
    wrong: list[tuple[Layer, tuple[int, int, int]]] = [
        *((layer, (4, 6, 6)) for layer in (Conv(4), depthwise, Transition(4), gate)),
        *((layer, (4, 6, 6)) for layer in (Channelwise(), Residual((Depthwise(3),)))),
        (MaxPool((3, 2)), (3, 2, 6)),
        (Blur(2, 5), (3, 6, 2)),
        (Flatten(), (3, 6, 5)),
    ]
    for layer, sides in wrong:
        head = (Classifier(7),) if isinstance(layer, Flatten) else HEAD
        links = links_of(NetSpec(Shape(3, 6, 6), (layer, *head)).build())
        found = operations(torch.float32)
        assert links is not None
        assert found is not None
        Plan(found, (2, 3, 6, 6), torch.float32, links, Tensor.flatten, recalls=True)
        with pytest.raises(MapError):
            Plan(found, (2, *sides), torch.float32, links, Tensor.flatten, recalls=True)
    broken = Residual((depthwise,)).build(Shape(4, 6, 6))
    broken.layers.append(MaxPool().build(Shape(4, 6, 6)))  # pyright: ignore
    links = links_of(nn.Sequential(broken, *NetSpec(Shape(4, 6, 6), HEAD).build()))
    assert links is not None
    with pytest.raises(MapError, match="a sum of maps"):
        Plan(operations(torch.float32), (2, 4, 6, 6), torch.float32, links, Tensor.flatten)  # pyright: ignore


# What somebody may have put into a net in the place of what was built for it.
SWAPPED: dict[str, nn.Module | Tensor] = {
    "0.norm": nn.BatchNorm2d(2),
    "0.norm.weight": torch.ones(40),
    "0.norm.running_var": torch.ones(1),
    "0.conv": nn.Conv2d(3, 8, 4),
    "0.conv.bias": torch.ones(3),
    "1": SqueezeExcite(2).build(Shape(2, 9, 9)),
    "1.excite.conv": nn.Conv2d(3, 8, 1, bias=False),
    "2.depthwise": nn.Conv2d(8, 8, 3),
    "2.depthwise.bias": torch.ones(3),
    "2.pointwise": nn.Conv2d(9, 6, 1),
    "3.conv": nn.Conv2d(6, 6, 3),
    "3.norm": nn.BatchNorm2d(12),
    "4.conv": nn.Conv2d(6, 5, 3),
    "6.0.conv.bias": torch.ones(3),
}


@pytest.mark.parametrize("place", SWAPPED)
def test_modules_that_do_not_fit_each_other_are_left_to_torch(place: str) -> None:
    layers = (Conv(8, bias=True), SqueezeExcite(2), Depthwise(6, bias=True), Channelwise())
    spec = NetSpec(Shape(3, 9, 9), (*layers, Transition(5), *HEAD))
    model, (images, _) = spec.build(), batch(spec, 5)
    inside, _, name = place.rpartition(".")
    value = SWAPPED[place]
    if isinstance(value, Tensor) and "running" not in name:
        value = nn.Parameter(value)
    setattr(model.get_submodule(inside), name, value)
    model.eval()
    links, found = links_of(model), operations(torch.float32)
    assert links is not None
    assert found is not None
    with pytest.raises(MapError):
        Plan(found, images.shape, torch.float32, links, Tensor.flatten, recalls=True)
    with torch.no_grad():
        try:
            expected = model(images)
        except RuntimeError:
            with pytest.raises(RuntimeError):
                Inference(model)(images)
        else:
            assert torch.equal(Inference(model)(images), expected)


@pytest.mark.parametrize("name", ["running_mean", "running_var", "num_batches_tracked"])
def test_statistics_of_another_type_are_refused_in_training(name: str) -> None:
    spec, found = NetSpec(Shape(3, 9, 9), (Conv(4), *HEAD)), operations(torch.float32)
    model = spec.build()
    (norm,) = (each for each in model.modules() if isinstance(each, nn.BatchNorm2d))
    setattr(norm, name, getattr(norm, name).double())
    links = links_of(model)
    assert links is not None
    assert found is not None
    with pytest.raises(MapError, match="float32"):
        Plan(found, (2, 3, 9, 9), torch.float32, links, Tensor.flatten)


@pytest.mark.parametrize("layer", [Conv(4, stride=2), Depthwise(4, stride=2), Channelwise(3)])
def test_a_norm_with_one_value_a_channel_is_refused_in_training_alone(layer: Layer) -> None:
    model, found = NetSpec(Shape(3, 2, 1), (layer, *HEAD)).build(), operations(torch.float32)
    links, sizes = links_of(model), [(2, 3, 2, 1), (1, 3, 3, 1), (1, 3, 1, 4)]
    assert links is not None
    assert found is not None
    for size in sizes:
        Plan(found, size, torch.float32, links, Tensor.flatten)
    Plan(found, (1, 3, 1, 1), torch.float32, links, Tensor.flatten, recalls=True)
    with pytest.raises(MapError, match="more than one value a channel"):
        Plan(found, (1, 3, 1, 1), torch.float32, links, Tensor.flatten)


@pytest.mark.parametrize("shape", [(4, 4, 12, 10), (4, 2, 12, 10), (4, 3, 1, 10)])
def test_images_that_a_net_does_not_take_are_refused_and_not_read_past(
    shape: tuple[int, ...],
) -> None:
    model, images, found, _ = answered(EVERY_LINK, 4, torch.float32)
    infer = Inference(model)
    with pytest.raises(RuntimeError):
        infer(torch.zeros(shape))
    assert torch.equal(infer(images), found)


@pytest.mark.parametrize("extras", [(), (BlurPool(), Gates())], ids=["plain", "blurred and gated"])
def test_answers_in_bfloat16_are_as_close_to_float64_as_those_of_torch(
    extras: tuple[Method, ...],
) -> None:
    spec = rewritten(zoo.net("cifar-143k-res"), extras)
    model, images, found, exact = answered(spec, 32, torch.bfloat16)
    theirs = model(images.bfloat16())
    assert (found - exact).norm() < 1.2 * (theirs - exact).norm()


def test_a_residual_may_begin_a_net_and_a_flat_map_may_end_it() -> None:
    agree(NetSpec(Shape(16, 5, 4), (*SUMS["one block"], *HEAD)), 21, torch.float32, 2e-5)
    agree(NetSpec(Shape(16, 5, 4), (*SUMS["sums in sums"], *HEAD)), 21, torch.float32, 3e-5)
    flat = (Conv(8), MaxPool(), Flatten(), Classifier(7, bias=True))
    agree(NetSpec(Shape(3, 9, 7), flat), 21, torch.float32, 2e-5)
    agree(NetSpec(Shape(3, 4, 4), (Flatten(), Classifier(7))), 21, torch.float32, 2e-5)


@cache
def by_float64(spec: NetSpec, n: int, dtype: torch.dtype) -> tuple[Tensor, float]:
    """Gradients in float64, and how far torch's own are from them, once for all paths."""
    images, targets = batch(spec, n)
    images = images.to(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMIDGEN_KERNELS", "torch")
        forget_choice()
        _, exact = by_torch(spec, images.double(), targets.double())
        _, eager = by_torch(spec, images, targets) if dtype == torch.bfloat16 else (0.0, exact)
    forget_choice()
    expected = torch.cat([g.flatten() for g in gradients(exact).values()])
    theirs = torch.cat([g.flatten() for g in gradients(eager).values()])
    return expected, float((theirs - expected).norm())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("path", COMPILED)
@pytest.mark.parametrize("name", ["cifar-143k-res", "mnist-1k5-dw", "mnist-25k", "cifar-143k-dw"])
@pytest.mark.parametrize("extras", [(), (BlurPool(), Gates())], ids=["plain", "blurred and gated"])
def test_is_as_close_to_float64_as_torch_is(
    name: str,
    extras: tuple[Method, ...],
    path: str,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    spec = rewritten(zoo.net(name), extras)
    images, targets = batch(spec, 12)
    images = images.to(dtype)
    model, _, chain = chained(spec, images)
    chain.loss(images, targets).backward()
    expected, theirs = by_float64(spec, 12, dtype)
    found = torch.cat([g.flatten() for g in gradients(model).values()])
    ours = float((found - expected).norm())
    # In float32 a value on the other side of a ReLU or a maximum weighs more than all rounding.
    flipped = 1e-3 * float(expected.norm())
    assert ours < (1.2 * theirs if dtype == torch.bfloat16 else flipped)


OBLONG = st.sampled_from([1, 3, 5, (3, 1), (1, 5), (5, 3)])
WORDS = [
    "pool",
    "soft",
    "conv",
    "depthwise",
    "transition",
    "gate",
    "max",
    "blur",
    "filter",
    "sum",
    "repeat",
]


def residual(before: int, channels: int, kernel: Kernel, stride: int, bias: bool) -> Residual:
    """A residual, with a shortcut where its width becomes odd or pixels are left out."""
    after = channels if channels % 2 else before
    inner = (Conv(channels, kernel, stride, bias=bias), Depthwise(after, activation="none"))
    beside = after != before or stride > 1
    return Residual(inner, shortcut=beside, activation="relu" if bias else "none")


def net(sides: tuple[int, int, int], words: list[tuple[str, int, Kernel, int, bool]]) -> NetSpec:
    """The net of words: kind, channels, kernel, stride, with biases or not; small maps stay."""
    spec = NetSpec(Shape(*sides), (Conv(8),))
    for kind, channels, kernel, steps, bias in words:
        stride = min(steps, *spec.out_shape[1:])
        if kind in {"pool", "soft"} and min(spec.out_shape[1:]) < 3:
            continue
        if kind in {"max", "blur"} and min(spec.out_shape[1:]) < 4:
            continue
        new: tuple[Layer, ...] = {
            "conv": (Conv(channels, kernel, stride, bias=bias),),
            "depthwise": (Depthwise(channels, kernel, stride, bias=bias),),
            "pool": (MaxPool((2, 1 + channels % 3), stride),),
            "soft": (Blur(stride, 3),),
            "transition": (Transition(channels, bias=bias),),
            "gate": (SqueezeExcite(1 + channels // 4),),
            "filter": (
                Channelwise(kernel, stride, bias=bias, activation="none" if bias else "relu"),
            ),
            "sum": (residual(spec.out_shape.channels, channels, kernel, stride, bias),),
            "repeat": (Repeat((Depthwise(spec.out_shape.channels, kernel, bias=bias),), 2),),
            "max": (MaxPool(),),
            "blur": (MaxPool(2, stride=1), Blur(stride=2)),
        }[kind]
        spec = NetSpec(spec.input_shape, (*spec.layers, *new))
    return NetSpec(spec.input_shape, (*spec.layers, *HEAD))


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 4), st.integers(4, 13), st.integers(4, 13)),
    st.lists(
        st.tuples(
            st.sampled_from(WORDS),
            st.integers(2, 40),
            OBLONG,
            st.sampled_from([1, 1, 2, 3]),
            st.booleans(),
        ),
        max_size=5,
    ),
    st.integers(8, 35),
    st.sampled_from(COMPILED),
)
def test_agrees_with_float64_on_any_net(
    sides: tuple[int, int, int],
    words: list[tuple[str, int, Kernel, int, bool]],
    n: int,
    path: str,
) -> None:
    spec = net(sides, words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMIDGEN_KERNELS", path)
        forget_choice()
        # one value on the other side of a ReLU is a hundredth in a small net
        agree(spec, n, torch.float32, 3e-2)


def test_gradients_are_added_and_scaled_as_autograd_does() -> None:
    images, targets = batch(EVERY_LINK, 8)
    _, flat, chain = chained(EVERY_LINK, images)
    chain.loss(images, targets).backward()
    once = flat.gradient.clone()
    (3 * chain.loss(images, targets)).backward()
    torch.testing.assert_close(flat.gradient, 4 * once, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("spec", [EVERY_LINK, *map(spaced, APART)], ids=["every link", *APART])
def test_repeats_bit_for_bit_in_memory_that_was_used_before(spec: NetSpec) -> None:
    images, targets = batch(spec, 8)
    _, flat, chain = chained(spec, images)
    seen: list[Tensor] = []
    for scale in (1.0, 1e20, 1.0):
        flat.gradient.zero_()
        chain.loss(images * scale, targets).backward()
        seen.append(flat.gradient.clone())
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])


def test_an_overwritten_pass_is_refused() -> None:
    images, targets = batch(EVERY_LINK, 8)
    _, _, chain = chained(EVERY_LINK, images)
    first = chain.loss(images, targets)
    chain.loss(images, targets)
    with pytest.raises(RuntimeError, match="the maps of its last pass forward alone"):
        first.backward()


def test_the_momentum_of_the_moment_counts() -> None:
    images, targets = batch(EVERY_LINK, 8)
    model, _, chain = chained(EVERY_LINK, images)
    chain.loss(images, targets)
    before = copy.deepcopy(dict(model.named_buffers()))
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 0.0
    chain.loss(images + 1, targets)
    for name, buffer in model.named_buffers():
        if "running" in name:
            assert torch.equal(buffer, before[name])
    for norm in norms:
        norm.momentum = 1.0
    chain.loss(images + 1, targets)
    moved = dict(model.named_buffers())["0.norm.running_mean"]
    assert not torch.equal(moved, before["0.norm.running_mean"])


def test_what_no_operation_computes_makes_no_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert links_of(nn.Sequential(nn.Linear(3, 3))) is None
    images, _ = batch(EVERY_LINK, 8)
    links = links_of(EVERY_LINK.build())
    assert links is not None
    assert serves(links, images)
    assert not serves(links, images.double())
    assert not serves(links[:-2], images)
    assert not serves((Average(), *links), images)
    monkeypatch.setenv("SMIDGEN_KERNELS", "torch")
    forget_choice()
    assert not serves(links, images)


@pytest.mark.parametrize("gate", [(), (SqueezeExcite(3),)], ids=["ungated", "gated"])
@pytest.mark.parametrize("pool", [(), (MaxPool(),), (MaxPool(2, stride=1), Blur(stride=2))])
@pytest.mark.parametrize("block", [Conv(12), Depthwise(16), Conv(32), Depthwise(70)], ids=str)
@pytest.mark.parametrize("path", COMPILED)
def test_every_end_of_a_block_is_one_operation_and_right(
    block: Layer,
    pool: tuple[Layer, ...],
    gate: tuple[Layer, ...],
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    spec = NetSpec(Shape(5, 9, 7), (block, *gate, *pool, Conv(6), *HEAD))
    agree(spec, 21, torch.float32, 3e-5)


def test_a_value_that_is_no_number_shows_in_loss_and_gradients() -> None:
    spec = NetSpec(Shape(3, 8, 8), (Conv(16), SqueezeExcite(2), MaxPool(), *HEAD))
    images, targets = batch(spec, 8)
    images[3, 1, 4, 4] = float("nan")
    _, flat, chain = chained(spec, images)
    loss = chain.loss(images, targets)
    loss.backward()
    assert loss.isnan()
    assert flat.gradient.isnan().any()
