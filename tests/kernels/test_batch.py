"""Operations on batches equal plain arithmetic in float64, on every instruction set here."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.conftest import running
from torch import Tensor

from smidgen.kernels import available, batch, batch_reference

PATHS = available()
COMPILED = [name for name in PATHS if name != "torch"]
DTYPES = [torch.float32, torch.bfloat16]
ROUNDING = {torch.float32: 2e-7, torch.bfloat16: 2**-8}  # of one value, relative
on_every_path = pytest.mark.parametrize("path", PATHS)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@st.composite
def images(draw: st.DrawFn) -> Tensor:
    """Images of any shape, of both data types, in planes, with channels last, or with gaps."""
    n, c = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    h, w = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    layout = draw(st.sampled_from(["planes", "last", "gaps"]))
    dtype = draw(st.sampled_from(DTYPES))
    x = torch.randn(n, h, w, c, generator=seeded(draw(st.integers(0, 99)))).to(dtype)
    if layout == "last":
        return x.permute(0, 3, 1, 2)
    x = x.permute(0, 3, 1, 2).contiguous()
    return torch.cat([x, x], 3)[..., :w] if layout == "gaps" else x


def offsets(n: int, low: int, high: int, seed: int = 0) -> Tensor:
    return torch.randint(low, high + 1, (n,), generator=seeded(seed))


def assert_same(got: Tensor, expected: Tensor, like: Tensor) -> None:
    """Assert the same bits, in the memory format of ``like``."""
    assert torch.equal(got, expected)
    assert_alike(got, like)


def assert_alike(got: Tensor, like: Tensor) -> None:
    """Assert the same data type and memory format: strides, where there is a step to take."""
    assert got.dtype == like.dtype
    if like.is_contiguous() or batch_reference.interleaved(like):
        steps = zip(got.shape, got.stride(), like.stride(), strict=True)
        assert all(a == b for size, a, b in steps if size > 1)


@on_every_path
@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 200)),
    dtype=st.sampled_from(DTYPES),
)
def test_gather_normalises_chosen_rows_rounding_as_torch_does(
    path: str, sizes: tuple[int, int, int], dtype: torch.dtype
) -> None:
    stored, n, size = sizes
    g = seeded(size)
    rows = torch.randint(256, (stored, size), generator=g, dtype=torch.uint8)
    chosen = torch.randint(stored, (n,), generator=g)
    scale, shift = torch.rand(2, size, generator=g) / 64
    with running(path):
        got = batch.gather(rows, chosen, scale, -shift * 99, dtype)
    assert torch.equal(got, batch_reference.gather(rows, chosen, scale, -shift * 99, dtype))
    exact = rows[chosen].double() * scale.double() - (shift * 99).double()
    torch.testing.assert_close(got.double(), exact, rtol=ROUNDING[dtype], atol=1e-6)


def test_gather_takes_factors_that_are_views() -> None:
    rows = torch.arange(24, dtype=torch.uint8).view(2, 12)
    scale, shift = torch.tensor(2.0).expand(12), torch.arange(24.0)[::2]
    got = batch.gather(rows, torch.tensor([9, 1, 9, 0])[1::2], scale, shift, torch.float32)
    assert torch.equal(got, rows.flip(0) * 2.0 + shift)


@on_every_path
@settings(max_examples=40, deadline=None)
@given(x=images(), reach=st.integers(1, 45))
def test_crop_shifts_and_leaves_zeros(path: str, x: Tensor, reach: int) -> None:
    down, across = (offsets(len(x), -reach, reach, seed) for seed in (1, 2))
    with running(path):
        got = batch.crop(x, down, across)
    h, w = x.shape[2:]
    padded = F.pad(x, [reach] * 4)
    pieces = [
        image[:, a + reach : a + reach + h, b + reach : b + reach + w]
        for image, a, b in zip(padded, down.tolist(), across.tolist(), strict=True)
    ]
    assert_same(got, torch.stack(pieces), x)


@on_every_path
@settings(max_examples=40, deadline=None)
@given(x=images(), seed=st.integers(0, 99))
def test_flip_mirrors_the_chosen(path: str, x: Tensor, seed: int) -> None:
    chosen = torch.rand(len(x), generator=seeded(seed)) < 0.5
    with running(path):
        got = batch.flip(x, chosen)
    assert_same(got, torch.where(chosen[:, None, None, None], x.flip(3), x), x)


@on_every_path
@settings(max_examples=40, deadline=None)
@given(x=images(), length=st.integers(1, 50))
def test_cut_is_zero_in_the_square_and_nowhere_else(path: str, x: Tensor, length: int) -> None:
    h, w = x.shape[2:]
    top, left = (offsets(len(x), -length - 3, side + 3, side) for side in (h, w))
    with running(path):
        got = batch.cut(x, top, left, length)
    row, column = torch.arange(h)[:, None], torch.arange(w)
    a, b = top[:, None, None], left[:, None, None]
    inside = (a <= row) & (row < a + length) & (b <= column) & (column < b + length)
    assert_same(got, x.masked_fill(inside[:, None], 0.0), x)


@pytest.mark.parametrize("size", [(2, 3, 7, 12), (3, 1, 30, 1)], ids=str)
@on_every_path
def test_shifts_and_squares_far_larger_than_an_image_ask_for_no_more_memory(
    path: str, size: tuple[int, ...]
) -> None:
    x, far = torch.randn(size, generator=seeded(1)), 50_000
    place = torch.tensor([-far, far, 2])[: len(x)]
    with running(path):
        assert not batch.crop(x, place, place.flip(0)).any()
        assert not batch.cut(x, -torch.arange(1, 1 + len(x)), place.clamp(max=0), 65_535).any()
        for down in range(-size[2] - 1, size[2] + 2):  # squares that end or begin in each row
            top = torch.full((len(x),), down)
            begun, ended = batch.cut(x, top, top * 0, far), batch.cut(x, top - far, top * 0, far)
            row = torch.arange(size[2])[:, None]
            assert torch.equal(begun, x.masked_fill(row >= down, 0.0))
            assert torch.equal(ended, x.masked_fill(row < down, 0.0))


@on_every_path
@settings(max_examples=40, deadline=None)
@given(x=images(), weight=st.floats(0, 0.5))
def test_blend_is_the_weighted_mean(path: str, x: Tensor, weight: float) -> None:
    partner = torch.randperm(len(x), generator=seeded(4))
    with running(path):
        got = batch.blend(x, partner, weight)
    exact = (1 - weight) * x.double() + weight * x.double()[partner]
    torch.testing.assert_close(got.double(), exact, rtol=ROUNDING[x.dtype], atol=1e-6)
    assert_alike(got, x)


@on_every_path
@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), seed=st.integers(0, 999))
def test_matrices_invert_the_map_drawn(path: str, n: int, seed: int) -> None:
    draws, reach = torch.rand(5, n, generator=seeded(seed)), (3.0, 0.5, 0.7, 9.0, 4.0)
    with running(path):
        found = batch.matrices(draws, reach).double()
    r, growth, k, right, below = (draws.double() * 2 - 1) * torch.tensor(reach)[:, None].double()
    turn = torch.stack([r.cos(), -r.sin(), r.sin(), r.cos()], 1).view(n, 2, 2)
    slant = torch.stack([torch.ones(n), k.tan(), torch.zeros(n), torch.ones(n)], 1).view(n, 2, 2)
    inverse = torch.linalg.inv((1 + growth)[:, None, None] * turn @ slant)
    torch.testing.assert_close(found[:, :, :2], inverse, rtol=0, atol=2e-6)
    fixed = -inverse @ torch.stack([right, below], 1)[:, :, None]
    torch.testing.assert_close(found[:, :, 2:], fixed, rtol=0, atol=2e-5)


def sampled(x: Tensor, matrices: Tensor) -> Tensor:
    """Return what warp should give, pixel by pixel of the old image, in float64."""
    h, w = x.shape[2:]
    across, down = (torch.arange(side).double() - (side - 1) / 2 for side in (w, h))
    u, v = across.expand(h, w), down[:, None].expand(h, w)
    points = torch.stack([u, v, torch.ones(h, w).double()], -1)
    places = torch.einsum("nij,hwj->nihw", matrices.double(), points)
    at_x, at_y = places[:, 0] + (w - 1) / 2, places[:, 1] + (h - 1) / 2
    # the share of old pixel p in a new one is a tent of width 2 around its place
    over_x = (1 - (at_x[..., None] - torch.arange(w)).abs()).clamp(min=0)
    over_y = (1 - (at_y[..., None] - torch.arange(h)).abs()).clamp(min=0)
    return torch.einsum("ncij,nhwi,nhwj->nchw", x.double(), over_y, over_x)


@on_every_path
@settings(max_examples=40, deadline=None)
@given(x=images(), reach=st.sampled_from([0.05, 0.3, 1.0]), seed=st.integers(0, 99))
def test_warp_is_bilinear_with_zeros_outside(path: str, x: Tensor, reach: float, seed: int) -> None:
    draws = torch.rand(5, len(x), generator=seeded(seed))
    maps = batch_reference.matrices(draws, [3 * reach, 0.9 * reach, reach, 20 * reach, 20 * reach])
    with running(path):
        got = batch.warp(x, maps)
    # a place is off by a few roundings of its distance from the centre
    torch.testing.assert_close(got.double(), sampled(x, maps), rtol=ROUNDING[x.dtype], atol=2e-4)
    assert_alike(got, x)


@pytest.mark.parametrize("path", COMPILED)
@pytest.mark.parametrize("far", [1e3, 1e30, float("inf"), float("nan")])
def test_warp_reads_nothing_beyond_the_border_however_far_it_points(path: str, far: float) -> None:
    x = torch.ones(2, 3, 9, 7)
    maps = torch.tensor([[[1.0, 0.0, far], [0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 0.0, -far]]])
    with running(path):
        assert torch.equal(batch.warp(x, maps), torch.zeros_like(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.skipif(not COMPILED, reason="built without the compiled operations")
def test_every_instruction_set_gives_the_same_bits(dtype: torch.dtype) -> None:
    g = seeded(0)
    x = torch.randn(5, 3, 13, 11, generator=g).to(dtype)
    maps = batch_reference.matrices(torch.rand(5, 5, generator=g), (0.5, 0.2, 0.2, 3.0, 3.0))
    found: list[tuple[Tensor, Tensor]] = []
    for path in COMPILED:
        with running(path):
            found.append((batch.blend(x, torch.arange(4, -1, -1), 0.3), batch.warp(x, maps)))
    assert all(torch.equal(a, b) for one in found for a, b in zip(found[0], one, strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_data_types_run_on_torch(dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 6, 5, generator=seeded(0)).to(dtype)
    one = torch.tensor([1, -1])
    assert torch.equal(batch.crop(x, one, one), batch_reference.crop(x, one, one))
    assert batch.blend(x, torch.tensor([1, 0]), 0.25).dtype == dtype


def test_images_that_ask_for_gradients_get_them() -> None:
    x = torch.randn(2, 3, 6, 5, generator=seeded(0), requires_grad=True)
    flipped = batch.flip(x, torch.tensor([True, False]))
    batch.cut(flipped, torch.tensor([1, 2]), torch.tensor([0, 3]), 2).sum().backward()
    assert x.grad is not None
    assert float(x.grad.sum()) == x.numel() - 2 * 3 * 4


@on_every_path
def test_a_place_that_is_not_there_is_refused(path: str) -> None:
    x, rows = torch.ones(3, 2, 4, 4), torch.zeros(3, 8, dtype=torch.uint8)
    scale = torch.ones(8)
    for place in (3, 99_999, -4):
        with running(path):
            with pytest.raises((IndexError, RuntimeError)):
                batch.blend(x, torch.tensor([0, place, 1]), 0.5)
            with pytest.raises((IndexError, RuntimeError)):
                batch.gather(rows, torch.tensor([0, place]), scale, scale, torch.float32)


OF_OTHER_TYPES = """
import torch
from smidgen.kernels import batch, batch_reference as plain
x = torch.arange(96.0).view(4, 2, 3, 4)
whole, small = torch.tensor([1, 0, 2, 1]), torch.tensor([1, 0, -1, 2], dtype=torch.int32)
turns = torch.eye(2, 3, dtype=torch.float64).repeat(4, 1, 1)
assert torch.equal(batch.flip(x, whole), plain.flip(x, whole))
assert torch.equal(batch.crop(x, small, small), plain.crop(x, small.long(), small.long()))
assert torch.equal(batch.cut(x, small, small, 2), plain.cut(x, small.long(), small.long(), 2))
assert torch.equal(batch.blend(x, whole.int(), 0.5), plain.blend(x, whole, 0.5))
assert torch.equal(batch.warp(x, turns), x)
rows, factors = (torch.arange(8) * 9).byte().view(4, 2), torch.ones(2, dtype=torch.float64)
found = batch.gather(rows, whole.int(), factors, factors, torch.float32)
assert torch.equal(found, rows[whole] + 1.0)
"""


def test_draws_of_another_type_are_read_as_numbers_all_the_same() -> None:
    """In a process of its own: here, shapes and types of arguments are checked in every call."""
    subprocess.run([sys.executable, "-c", OF_OTHER_TYPES], check=True)
