"""What torch holds for the whole process, set aside for as long as a block lasts."""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

import torch

_SEEDED = Lock()  # the global generator, from which modules draw: one net at a time


@contextmanager
def float32_by_default() -> Generator[None]:
    """Make new tensors float32 inside the block, whatever the caller has set as torch's default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def gradients() -> Generator[None]:
    """Let torch record gradients inside the block, whatever the caller has switched off."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Let torch's global generator begin at ``seed`` inside the block, in one thread at a time."""
    with _SEEDED, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
