"""Where and in which precision a run computes."""

import platform
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch

from smidgen import kernels
from smidgen.kernels.measured import processor
from smidgen.limits import THREADS, require_at_most
from smidgen.release import release
from smidgen.torch_state import float32_on_the_cpu, gradients

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")
UNCOMPILED = "torch"  # the implementation that is always there
SLOW = "no compiled operations"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The device and number format of a run.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: CPU threads of one operation. On these nets one is best: docs/performance.md.
        precision: Of activations, ``float32`` or ``bfloat16``; weights are always float32.

    Raises:
        ValueError: If one is unknown, the device is absent, or the environment names operations
            that this processor does not run.
    """

    device: str
    threads: int
    precision: str

    def __post_init__(self) -> None:
        _require_one_of("device", self.device, DEVICES[1:])
        _require_one_of("precision", self.precision, PRECISIONS[1:])
        if not (type(self.threads) is int and self.threads >= 1):
            raise ValueError(f"threads must be a whole number >= 1, got {self.threads!r}")
        require_at_most("threads", self.threads, THREADS)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device 'cuda' was asked for, but torch sees no NVIDIA GPU; try 'cpu'")
        if self.device == "cpu":
            kernels.require_runnable()  # before anything is written

    @property
    def dtype(self) -> torch.dtype:
        """Of activations in training."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    @contextmanager
    def active(self) -> Generator[None]:
        """Compute with this many threads inside the block, keeping freed memory for reuse."""
        kernels.keep_memory()
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with float32_on_the_cpu(), gradients():
                yield
        finally:
            torch.set_num_threads(before)

    def describe(self) -> dict[str, str | int]:
        """Return what a row says of the machine."""
        on_gpu = self.device == "cuda"
        return {
            "device": torch.cuda.get_device_name() if on_gpu else processor(),
            "threads": self.threads,
            "precision": self.precision,
            "kernels": "torch" if on_gpu else kernels.implementation(),
        }


def choose(device: str = "auto", threads: int = 1, precision: str = "auto") -> Runtime:
    """Return the runtime for this machine.

    Args:
        device: ``auto`` takes an NVIDIA GPU where there is one.
        threads: CPU threads, 1 to 1,024.
        precision: ``auto`` takes bfloat16 on a GPU that computes in it, from Ampere on, and on a
            processor that was measured to be faster in it, on the operations that run there.

    Raises:
        ValueError: If an argument is unknown, the device is absent, or the environment names
            operations that this processor does not run.
    """
    _require_one_of("device", device, DEVICES)
    _require_one_of("precision", precision, PRECISIONS)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision == "auto":
        precision = _gpu_format() if device == "cuda" else kernels.number_format()
    return Runtime(device, threads, precision)


def _gpu_format() -> str:
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if native else "float32"


def _require_one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, got {value!r}")


@cache
def tell_if_slow() -> None:
    """Tell once that the compiled operations are missing, and what to install.

    Warns:
        UserWarning: If they are.
    """
    if kernels.available() == (UNCOMPILED,):
        warnings.warn(
            f"{SLOW}, so training is several times slower: install a C compiler (on Debian:"
            " apt-get install gcc), then smidgen again, from the folder that it came from, with"
            " pip install --force-reinstall --no-deps",
            stacklevel=3,
        )


def versions() -> dict[str, str]:
    """Return the versions that a row records."""
    return {
        "smidgen": release(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
