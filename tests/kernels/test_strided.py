"""Strided layers in bfloat16 stay off torch's own sums, which some processors get wrong."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smidgen import kernels
from smidgen.kernels import available, reference
from smidgen.kernels.library import forget_choice
from smidgen.layers import Blur, Conv, Depthwise, Layer, Shape

# Maps one or two wide, where matrix units gave NaN, and a plain one.
SIZES = [(32, 16, 96, 1), (32, 16, 96, 2), (128, 8, 1, 7), (4, 32, 8, 4), (8, 16, 9, 8)]
LAYERS: tuple[Layer, ...] = (
    Conv(16, stride=2),
    Conv(8, kernel_size=5, stride=3),
    Conv(12, kernel_size=1, stride=2),
    Depthwise(16, stride=2),
    Depthwise(24, kernel_size=5, stride=2),
    Blur(stride=2),
)
HALF = torch.bfloat16


def _passes(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the result, the gradient of x and those of the parameters."""
    for parameter in module.parameters():
        parameter.grad = None
    leaf = x.detach().clone(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", HALF, enabled=x.dtype == HALF):
        y = module(leaf)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    y.backward(dy.to(y.dtype))
    return [y.detach(), *[t.grad for t in (leaf, *module.parameters()) if t.grad is not None]]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_strided_layers_agree_with_float64_on_narrow_maps(
    layer: Layer, path: str, size: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    torch.manual_seed(0)
    module = layer.build(Shape(*size[1:]))
    x = torch.randn(size).to(HALF)
    exact = _passes(module.double(), x.double())
    for _ in range(3):  # what is wrong depends on what lies in memory
        got = _passes(module.float(), x)
        for mine, other in zip(got, exact, strict=True):
            assert mine.isfinite().all()
            # Garbage is off by its whole size, rounding before a norm of few values by a tenth.
            assert (mine.double() - other).abs().mean() <= 0.15 * other.abs().mean()


def test_no_strided_bfloat16_reaches_torch_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.dtype] = []
    convolve = F.conv2d

    def watched(x: Tensor, weight: Tensor, bias: Any, stride: Any, *rest: Any) -> Tensor:
        if stride != 1:
            seen.append(torch.float32 if not torch.is_autocast_enabled("cpu") else HALF)
            seen.extend((x.dtype, weight.dtype))
        return convolve(x, weight, bias, stride, *rest)

    monkeypatch.setattr(F, "conv2d", watched)
    monkeypatch.setenv("SMIDGEN_KERNELS", "torch")
    forget_choice()
    x = torch.randn(2, 4, 8, 8).to(HALF)
    for layer in LAYERS:
        with torch.autocast("cpu", HALF):
            layer.build(Shape(4, 8, 8))(x)
    reference.max_blur_pool2d(x)
    assert seen, "the layers are strided"
    assert set(seen) == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.float32, HALF], ids=str)
def test_no_strided_pointwise_reaches_torch_on_the_cpu(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gradient of torch's own (2.13) wrote past its memory: trainings were aborted."""
    seen: list[tuple[int, ...]] = []
    convolve = F.conv2d

    def watched(x: Tensor, weight: Tensor, bias: Any, stride: Any, *rest: Any) -> Tensor:
        seen.append((stride, *weight.shape[2:]))
        return convolve(x, weight, bias, stride, *rest)

    monkeypatch.setattr(F, "conv2d", watched)
    x = torch.randn(2, 3, 9, 8).to(dtype)
    y = reference.convolution(x, torch.ones(5, 3, 1, 1), None, stride=3)
    assert y.equal(convolve(x.float(), torch.ones(5, 3, 1, 1), None, 3).to(dtype))
    assert seen == [(1, 1, 1)]


def test_strided_bfloat16_stays_bfloat16() -> None:
    norm = nn.BatchNorm2d(8)
    y = kernels.conv_bn_relu(
        torch.randn(2, 4, 8, 8).to(HALF), torch.randn(8, 4, 3, 3), None, norm, 2
    )
    assert y.dtype == HALF
