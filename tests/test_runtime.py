"""The runtime is chosen from what the machine has, and what was asked for."""

from contextlib import ExitStack
from functools import partial

import pytest
import torch

from smidgen import kernels
from smidgen.kernels.library import forget_choice
from smidgen.runtime import Runtime, choose, tell_if_slow
from smidgen.torch_state import float32_on_the_cpu


def test_the_cpu_is_chosen_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose().device == "cpu"
    with pytest.raises(ValueError, match="torch sees no NVIDIA GPU; try 'cpu'"):
        choose("cuda")


def _told(native: bool, including_emulation: bool) -> bool:
    return native or including_emulation


def test_a_gpu_is_chosen_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for native, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", partial(_told, native))
        assert choose().device == "cuda"
        assert choose().precision == precision
    assert choose("cpu").device == "cpu"


@pytest.mark.parametrize("expected", ["float32", "bfloat16"])
def test_the_number_format_on_a_processor_is_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, expected: str
) -> None:
    monkeypatch.setattr(kernels, "number_format", lambda: expected)
    assert choose("cpu").precision == expected
    for asked in ("float32", "bfloat16"):
        assert choose("cpu", precision=asked).precision == asked


def test_threads_are_set_inside_and_restored_after() -> None:
    before = torch.get_num_threads()
    with choose("cpu", threads=before + 1).active():
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tpu",), "device must be one of auto, cpu, cuda, got 'tpu'"),
        (("cpu", 0), "threads must be a whole number >= 1, got 0"),
        (("cpu", 1, "int4"), "precision must be one of auto, float32, bfloat16, got 'int4'"),
    ],
)
def test_what_is_unknown_is_refused(arguments: tuple[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choose(*arguments)


def test_a_block_that_ends_leaves_float32_to_those_that_go_on_in_other_threads() -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with ExitStack() as other:
            with float32_on_the_cpu():
                other.enter_context(float32_on_the_cpu())  # as if in another thread
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_operations_that_do_not_run_here_are_refused_before_a_run_begins(
    monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", "bogus")
    forget_choice()
    with pytest.raises(ValueError, match=r"SMIDGEN_KERNELS must be one of torch.*, got bogus"):
        choose("cpu", precision=precision)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    Runtime("cuda", 1, "float32")  # where no processor's operations run
    monkeypatch.undo()
    forget_choice()


def test_missing_operations_are_told_once_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernels, "available", lambda: ("torch",))
    tell_if_slow.cache_clear()
    with pytest.warns(UserWarning, match="no compiled operations.* install a C compiler"):
        tell_if_slow()
    tell_if_slow()  # a warning is an error in tests
    monkeypatch.setattr(kernels, "available", lambda: ("torch", "portable"))
    tell_if_slow.cache_clear()
    tell_if_slow()
