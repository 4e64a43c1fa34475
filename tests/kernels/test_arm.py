"""Operations compiled for 64-bit Arm equal torch, under an emulator; no time is measured there."""

from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from tests.kernels import test_chain
from tests.kernels.cases import OPERATIONS, compare, operands
from tests.kernels.elsewhere import ARM, Elsewhere, built, remember
from tests.kernels.test_against_float64 import SIZES
from tests.kernels.test_batch import sampled
from tests.thinned import thinned
from torch import Tensor, UntypedStorage

from smidgen import kernels
from smidgen.kernels import batch, batch_reference, library
from smidgen.layers import Blur, Conv, Depthwise, Layer, MaxPool, Shape, SqueezeExcite
from smidgen.methods import BlurPool
from smidgen.methods import SqueezeExcite as Gates
from smidgen.spec import NetSpec

pytestmark = [
    pytest.mark.mcu,
    pytest.mark.skipif(
        bool(ARM.missing), reason="needs Debian's gcc-aarch64-linux-gnu and qemu-user"
    ),
]
DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture(scope="module")
def native_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.getbasetemp(), ARM)


@pytest.fixture(autouse=True)
def arm(native_library: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Put Arm's operations in the place of this machine's."""
    storages: dict[int, UntypedStorage] = {}
    found = Elsewhere(native_library, ARM, storages)

    def data_ptr(tensor: Tensor) -> int:  # every address that C is given comes from here
        return remember(storages, tensor)

    def native(path: Path) -> Elsewhere:
        del path
        return found

    monkeypatch.setattr(Tensor, "data_ptr", data_ptr)
    monkeypatch.setattr(library, "_native", native)
    monkeypatch.setattr(library, "machine", lambda: "aarch64")
    monkeypatch.delenv("SMIDGEN_KERNELS", raising=False)
    library.forget_choice()
    yield
    found.close()


def test_is_what_runs_and_says_so() -> None:
    assert kernels.available() == ("torch", "portable")
    assert kernels.implementation() == "neon"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", thinned(OPERATIONS))
def test_every_operation_agrees_with_float64(name: str, dtype: torch.dtype) -> None:
    for size, out in SIZES:
        if "wise" in name and name != "pointwise" and size[1] == 1:
            continue  # a lone channel's scale cancels
        compare(name, operands(name, size, out, 3), dtype)


@pytest.mark.parametrize("gate", [(), (SqueezeExcite(3),)], ids=["ungated", "gated"])
@pytest.mark.parametrize("pool", [(), (MaxPool(),), (MaxPool(2, stride=1), Blur(stride=2))])
@pytest.mark.parametrize("block", [Conv(12), Depthwise(70)], ids=str)
def test_blocks_with_their_ends_and_the_loss_agree_with_float64(
    block: Layer, pool: tuple[Layer, ...], gate: tuple[Layer, ...]
) -> None:
    spec = NetSpec(Shape(5, 9, 7), (block, *gate, *pool, Conv(6), *test_chain.HEAD))
    test_chain.agree(spec, 21, torch.float32, 3e-5)


def test_a_net_of_every_link_agrees_with_float64() -> None:
    test_chain.agree(test_chain.EVERY_LINK, 19, torch.float32, 2e-5)


@pytest.mark.parametrize("name", thinned(test_chain.SUMS))
def test_sums_agree_with_float64(name: str) -> None:
    test_chain.agree(test_chain.summed(name), 21, torch.float32, 3e-5)


@pytest.mark.parametrize("name", thinned([*test_chain.APART, *test_chain.LINES]))
def test_strides_and_sides_that_differ_agree_with_float64(name: str) -> None:
    test_chain.agree(test_chain.spaced(name), 21, torch.float32, 3e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_net_with_gates_and_blur_is_as_close_to_float64_as_torch_is(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    extras, path = (BlurPool(), Gates()), "portable"
    test_chain.test_is_as_close_to_float64_as_torch_is(
        "mnist-1k5-dw", extras, path, dtype, monkeypatch
    )


@pytest.mark.parametrize("last", [False, True], ids=["planes", "channels last"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_operations_on_batches_agree(dtype: torch.dtype, last: bool) -> None:
    g = torch.Generator().manual_seed(0)
    rows = torch.randint(256, (7, 61), generator=g, dtype=torch.uint8)
    scale, shift = torch.rand(2, 61, generator=g)
    scale[::2], shift[::2] = 1, 256  # odd sums lie half-way between two bfloat16 values
    numbers = torch.tensor([3, 6, 0]), scale, shift, dtype
    assert torch.equal(batch.gather(rows, *numbers), batch_reference.gather(rows, *numbers))

    x = torch.randn(5, 3, 13, 11, generator=g).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    down, across = torch.randint(-15, 16, (2, 5), generator=g)
    chosen = across > 0
    assert torch.equal(batch.crop(x, down, across), batch_reference.crop(x, down, across))
    assert torch.equal(batch.flip(x, chosen), batch_reference.flip(x, chosen))
    assert torch.equal(batch.cut(x, down, across, 8), batch_reference.cut(x, down, across, 8))

    rounding = 2e-7 if dtype == torch.float32 else 2**-8
    partner = torch.tensor([4, 2, 1, 0, 3])
    exact = torch.lerp(x.double(), x[partner].double(), 0.3)
    got = batch.blend(x, partner, 0.3).double()
    torch.testing.assert_close(got, exact, rtol=rounding, atol=1e-6)

    draws, reach = torch.rand(5, 5, generator=g), (0.5, 0.2, 0.2, 3.0, 3.0)
    maps = batch.matrices(draws, reach)
    torch.testing.assert_close(maps, batch_reference.matrices(draws, reach), rtol=0, atol=5e-6)
    got = batch.warp(x, maps).double()
    torch.testing.assert_close(got, sampled(x, maps), rtol=rounding, atol=2e-4)
