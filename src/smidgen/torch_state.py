"""What torch holds for the whole process, set aside for as long as a block lasts."""

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, nullcontext
from threading import Lock

import torch
from torch import nn

_PROCESS = os.getpid()  # that this is imported in
_SEEDED = Lock()  # the global generator, from which modules draw: one net at a time


def one_thread_if_forked() -> None:
    """Let torch compute on one thread in a process forked off the one it was imported in.

    Threads of OpenMP that have worked before do not come along, and are waited for without end.
    """
    if os.getpid() != _PROCESS:
        torch.set_num_threads(1)


class _DefaultType:
    """Torch's default data type, which all threads share: float32 while any is in a block."""

    def __init__(self) -> None:
        self._lock, self._inside, self._before = Lock(), 0, torch.float32

    @contextmanager
    def float32(self) -> Generator[None]:
        with self._lock:
            if not self._inside:
                self._before = torch.get_default_dtype()
            self._inside += 1
            torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:  # none that goes on elsewhere needs it any longer
                    torch.set_default_dtype(self._before)


_DEFAULT_TYPE = _DefaultType()


@contextmanager
def float32_on_the_cpu() -> Generator[None]:
    """Make new tensors float32 on the CPU inside the block, whatever the caller's defaults are.

    Nor does a caller's autocast change the data type of any operation.
    """
    elsewhere = torch.get_default_device().type != "cpu"
    with (
        _DEFAULT_TYPE.float32(),
        torch.device("cpu") if elsewhere else nullcontext(),  # it slows every operation
        _without_autocast(),
    ):
        yield


@contextmanager
def _without_autocast() -> Generator[None]:
    with ExitStack() as stack:
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def answering(model: nn.Module) -> Generator[None]:
    """Let a model answer as one that is deployed inside the block, in float32.

    Each of its modules keeps its mode, and the caller's autocast is back after the block.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with _without_autocast():
            yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def gradients() -> Generator[None]:
    """Let torch record gradients inside the block, whatever the caller has switched off."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Let torch's global generator begin at ``seed`` inside the block, in one thread at a time.

    That of the CPU; ``torch.manual_seed`` would leave those of GPUs at the seed as well.
    """
    with _SEEDED, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
