"""Fused operations equal torch in float64, both passes, on every instruction set here."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.cases import OPERATIONS, compare, operands, run

from smidgen import kernels
from smidgen.kernels import available, reference
from smidgen.kernels.library import forget_choice

SIZES = [
    ((4, 16, 32, 32), 16),
    ((3, 8, 28, 28), 12),
    ((5, 12, 7, 7), 15),
    ((2, 64, 8, 8), 64),
    ((2, 64, 4, 4), 130),
    ((3, 3, 9, 13), 16),
    ((3, 32, 21, 19), 24),  # in strips of six rows, the last of three
    ((2, 16, 5, 150), 16),  # of two rows, the last of one
    (
        (2, 1, 28, 28),
        8,
    ),  # not depthwise: a lone channel's scale cancels
    ((8, 5, 3, 2), 7),
]
COMPILED = [name for name in available() if name != "torch"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("path", COMPILED)
@pytest.mark.parametrize("name", OPERATIONS)
def test_agrees_on_the_shapes_of_our_nets(
    name: str, path: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    for size, out in SIZES:
        if "wise" in name and name != "pointwise" and size[1] == 1:
            continue
        compare(name, operands(name, size, out, 3), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("path", COMPILED)
@pytest.mark.parametrize("kernel", [1, 5, 7])
@pytest.mark.parametrize(
    "name", ["depthwise", "channelwise", "spread_conv", "spread_depthwise", "spread_channelwise"]
)
def test_agrees_on_filters_of_other_sides(
    name: str, kernel: int, path: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    wide = ((2, 64, 8, 8), 64), ((8, 24, 5, 3), 9), ((9, 17, 3, 2), 8), ((9, 32, 3, 1), 5)
    for size, out in (*wide, ((8, 5, 2, 9), 7)):
        compare(name, operands(name, size, out, kernel), dtype)


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_agrees_on_any_shape(name: str, data: st.DataObject) -> None:
    draw = data.draw
    lone = 2 if name.endswith(("depthwise", "channelwise", "_conv")) else 1
    n, c, out = draw(st.integers(1, 5)), draw(st.integers(lone, 40)), draw(st.integers(1, 40))
    least = 2 if name.startswith("max") else 1
    h, w = draw(st.integers(least, 12)), draw(st.integers(least, 12))
    if n * h * w < 128 * (1 + 3 * name.startswith("spread")):
        # a batch norm over a few values is ill-conditioned, and one value on the other side of
        # the ReLU is one in the root of their number
        n = 128 * (1 + 3 * name.startswith("spread"))
    kernel = draw(st.sampled_from([1, 3, 5]))
    path, dtype = (
        draw(st.sampled_from(COMPILED)),
        draw(st.sampled_from([torch.float32, torch.bfloat16])),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMIDGEN_KERNELS", path)
        forget_choice()
        # In a small map one bfloat16 value on the other side of the ReLU is several per cent.
        tolerance = 0.12 if dtype == torch.bfloat16 else None
        seed, size = n + c + h + w, (n, c, h, w)
        try:
            compare(name, operands(name, size, out, kernel, seed=seed), dtype, tolerance)
        except AssertionError:
            # once in thousands, rounding takes a value across the ReLU: not twice
            compare(name, operands(name, size, out, kernel, seed=seed + 1), dtype, tolerance)


@pytest.mark.parametrize("path", COMPILED)
def test_large_mean_does_not_cancel_the_variance(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    # Filters of one weight, 1 or -1, hand x on as it is, and rounding x is the same for both; a
    # float32 mean is off by 3e-5. Their own gradient is rounding alone: the norm divides them out.
    x, filters, *norm = operands("channelwise", (8, 12, 9, 9), 0, 1)
    fused = [t.float() for t in (x + 1000.0, filters.sign(), *norm)]
    fused[0] = fused[0].contiguous(memory_format=torch.channels_last)
    dy = torch.randn(8, 12, 9, 9, generator=torch.Generator().manual_seed(1))
    y, dx, _, *of_norm = run("channelwise", kernels, fused, dy)
    expected, of_x, _, *expected_of_norm = run(
        "channelwise", reference, [t.double() for t in fused], dy
    )
    for got, exact in zip([y, dx, *of_norm], [expected, of_x, *expected_of_norm], strict=True):
        assert float((got - exact).abs().mean() / exact.abs().mean()) < 5e-5
