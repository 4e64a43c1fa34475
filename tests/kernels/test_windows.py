"""Operations compiled for Windows equal torch, on every instruction set, under Wine."""

import platform
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from tests.kernels import test_arm, test_chain
from tests.kernels.cases import OPERATIONS, compare, operands
from tests.kernels.elsewhere import WINDOWS, Elsewhere, built, remember
from tests.kernels.test_against_float64 import SIZES
from torch import Tensor, UntypedStorage

from smidgen import kernels
from smidgen.kernels import library

pytestmark = [
    pytest.mark.mcu,
    pytest.mark.slow,  # a minute to compile
    pytest.mark.skipif(
        bool(WINDOWS.missing) or platform.machine() != "x86_64",
        reason="needs a cross compiler and Wine (make windows-tools), on x86-64",
    ),
]
PATHS = [path for path in kernels.available() if path not in ("torch", "avx512amx")]
DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture(scope="module")
def native_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.getbasetemp(), WINDOWS)


@pytest.fixture(autouse=True, params=PATHS)
def windows(
    native_library: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[str]:
    """Put one instruction set of Windows in the place of this machine's."""
    storages: dict[int, UntypedStorage] = {}
    found = Elsewhere(native_library, WINDOWS, storages)

    def data_ptr(tensor: Tensor) -> int:  # every address that C is given comes from here
        return remember(storages, tensor)

    def native(path: Path) -> Elsewhere:
        del path
        return found

    monkeypatch.setattr(Tensor, "data_ptr", data_ptr)
    monkeypatch.setattr(library, "_native", native)
    monkeypatch.setenv("SMIDGEN_KERNELS", request.param)
    library.forget_choice()
    yield request.param
    found.close()
    library.forget_choice()


def test_is_what_runs(windows: str) -> None:
    assert kernels.implementation() == windows
    assert "avx512amx" not in kernels.available(), "Windows is not asked for its tiles"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_agrees_with_float64(name: str, dtype: torch.dtype, windows: str) -> None:
    if windows == "avx512bf16" and dtype == torch.float32:
        pytest.skip("it computes in bfloat16 alone")
    for size, out in SIZES:
        if "wise" in name and name != "pointwise" and size[1] == 1:
            continue  # a lone channel's scale cancels
        compare(name, operands(name, size, out, 3), dtype)


def test_a_net_of_every_link_agrees_with_float64(windows: str) -> None:
    if windows != "avx512bf16":
        test_chain.agree(test_chain.EVERY_LINK, 19, torch.float32, 2e-5)


@pytest.mark.parametrize("last", [False, True], ids=["planes", "channels last"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_operations_on_batches_agree(dtype: torch.dtype, last: bool, windows: str) -> None:
    if windows != "avx512bf16" or dtype == torch.bfloat16:
        test_arm.test_operations_on_batches_agree(dtype, last)
