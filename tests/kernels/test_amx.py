"""Products on the tiles of AMX equal torch in float64, by an emulation that runs everywhere."""

import ctypes
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.kernels import test_chain
from tests.kernels.cases import OPERATIONS, compare, operands
from tests.kernels.test_against_float64 import SIZES
from torch import Tensor

from smidgen import kernels
from smidgen.kernels import available, library

HERE, CSRC = Path(__file__).parent, Path(library.__file__).with_name("csrc")
COMPILER = shutil.which("gcc") or shutil.which("cc") or "cc"
HALF, PATH = torch.bfloat16, "avx512amx"
pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason="needs a C compiler")
PRODUCTS = ["conv", "depthwise", "pointwise"]
# Widths of whole tiles, of less, of more; channels that fill tiles and that do not.
WIDE = [((2, 16, 5, 16), 16), ((3, 3, 4, 32), 40), ((3, 33, 3, 48), 7), ((1, 70, 6, 19), 49)]


def _compiled(folder: Path, name: str, *arguments: str) -> ctypes.CDLL:
    target = folder / f"{name}.so"
    flags = ["-O2", "-std=gnu11", "-fPIC", "-shared", "-ffp-contract=off", "-Wall", "-Wextra"]
    command = [COMPILER, *flags, "-Werror", "-Wno-psabi", *arguments, "-o", str(target), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert target.exists(), done.stderr
    return ctypes.CDLL(str(target))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The operations in portable C with emulated tiles, as a library of that path alone."""
    folder = tmp_path_factory.mktemp("tiles")
    processor = folder / "processor.c"
    processor.write_text(
        "int smidgen_processor(void);\nint smidgen_processor(void) { return 8; }\n"
    )
    macros = {"LANES": 4, "PAIRED": 1, "AMX": 1, "BFLOAT16": 1, "SUFFIX": f"{PATH}_bfloat16"}
    macros |= {"TILES": f'"{HERE / "tiles.h"}"'}
    sources = [*(str(CSRC / f"{name}.c") for name in ("blocks", "batch", "memory")), str(processor)]
    return _compiled(folder, "emulated", *(f"-D{k}={v}" for k, v in macros.items()), *sources)


@pytest.fixture
def emulated(built: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Put the emulated operations in the place of this machine's."""
    monkeypatch.setattr(library, "_native", lambda path: built)  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.setenv("SMIDGEN_KERNELS", PATH)
    library.forget_choice()
    yield
    library.forget_choice()


@pytest.mark.usefixtures("emulated")
def test_is_what_runs() -> None:
    assert available() == ("torch", "portable", PATH)
    assert kernels.implementation() == PATH


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_agree_with_float64(name: str, kernel: int) -> None:
    for size, out in SIZES + WIDE:
        if (name == "depthwise" and size[1] == 1) or (name == "pointwise" and kernel > 1):
            continue
        compare(name, operands(name, size, out, kernel), HALF)


@pytest.mark.usefixtures("emulated")
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("name", PRODUCTS)
@given(data=st.data())
def test_products_of_any_shape_agree_with_float64(name: str, data: st.DataObject) -> None:
    draw = data.draw
    n, c, out = draw(st.integers(1, 5)), draw(st.integers(2, 70)), draw(st.integers(1, 70))
    h, w = draw(st.integers(1, 9)), draw(st.integers(1, 34))
    n = 32 if n * h * w < 32 else n  # a batch norm over a few values is ill-conditioned
    kernel = draw(st.sampled_from([1, 3, 5]))
    compare(name, operands(name, (n, c, h, w), out, kernel, seed=n + c + h), HALF, 0.12)


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - set(PRODUCTS)))
def test_the_other_operations_agree_with_float64(name: str) -> None:
    for size, out in SIZES:
        compare(name, operands(name, size, out, 3), HALF)


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("name", ["spread_conv", "spread_depthwise"])
def test_at_a_stride_products_take_windows_of_any_length(name: str) -> None:
    for kernel in (1, 5):
        for size, out in WIDE:
            compare(name, operands(name, size, out, kernel), HALF)


@pytest.mark.usefixtures("emulated")
def test_a_chain_is_as_close_to_float64_as_torch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    test_chain.test_is_as_close_to_float64_as_torch_is("mnist-1k5-dw", (), PATH, HALF, monkeypatch)


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize(
    "size",
    [(1, 16, 4, 4), (3, 10, 3, 7), (2, 32, 1, 16), (2, 6, 2, 3), (1, 3, 4, 4), (2, 1, 5, 7)],
)
def test_what_lies_beside_a_map_enters_no_sum(size: tuple[int, int, int, int]) -> None:
    n, c, h, w = size
    around = torch.full((n + 4, h, w, c), torch.nan, dtype=HALF)
    inside = around[2 : n + 2].permute(0, 3, 1, 2)
    inside.copy_(torch.randn(size, generator=torch.Generator().manual_seed(0)))
    weight, bias = torch.randn(20, c, 1, 1), torch.zeros(20)
    got: list[list[Tensor | None]] = []
    for x in (inside, inside.clone(memory_format=torch.channels_last)):
        leaves = [t.detach().requires_grad_() for t in (x, weight.clone(), bias.clone())]
        y = kernels.pointwise(*leaves)
        y.sum().backward()
        got.append([y.detach(), *[leaf.grad for leaf in leaves]])
    for beside, alone in zip(*got, strict=True):
        assert beside is not None
        assert beside.isfinite().all()
        assert torch.equal(beside, alone)  # pyright: ignore[reportArgumentType]


def _numbers(g: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Bfloat16 of very different sizes, some too small to be normal, as 16 bits each."""
    values = g.standard_normal(shape) * 2.0 ** g.integers(-140, 40, shape)
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


@pytest.mark.skipif(PATH not in available(), reason="needs a processor with AMX")
@pytest.mark.parametrize(("rows", "depth", "width"), [(16, 32, 16), (16, 10, 16), (3, 2, 5)])
def test_the_emulation_gives_the_processor_s_bits(
    rows: int, depth: int, width: int, tmp_path: Path
) -> None:
    pair = _compiled(tmp_path, "pair", "-mamx-tile", "-mamx-bf16", str(HERE / "tile_pair.c"))
    g = np.random.default_rng(rows * depth)
    shapes = np.zeros(64, np.uint8)
    shapes[0] = 1
    shapes[16:22:2] = 4 * width, 2 * depth, 4 * width
    shapes[48:51] = rows, rows, depth // 2
    for _ in range(50):
        a, b = _numbers(g, (16, 32)), _numbers(g, (16, 32))
        sums = (_numbers(g, (16, 16)).astype(np.uint32) << 16) | 0x1234
        got: list[np.ndarray] = []
        for function in (pair.emulated, pair.real):
            out = sums.copy()
            function(*(t.ctypes.data_as(ctypes.c_void_p) for t in (shapes, a, b, out)))
            got.append(out)
        assert np.array_equal(got[0], got[1])
