"""Measure once a machine which compiled operations are fastest, and keep what was found."""

import ctypes
import hashlib
import json
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from time import thread_time
from typing import Protocol, runtime_checkable

import torch

from smidgen.places import cache_folder
from smidgen.torch_state import float32_on_the_cpu

Candidate = tuple[str, str]  # an instruction set and the name of a data type
Timings = dict[Candidate, float]  # milliseconds
REPEATS = 5
# A dense block of few channels, and a pointwise one of many: images, height, width, channels,
# outputs, kernel.
WORK = ((8, 32, 32, 16, 16, 3), (32, 4, 4, 128, 192, 1))
GAIN = 1.1  # by which something must be faster before it takes the place of what is safer


@runtime_checkable
class Convolutions(Protocol):
    """The operations that are timed."""

    @property
    def convolution_forward(self) -> Callable[..., None]:
        """Convolution, norm, ReLU."""
        ...

    @property
    def convolution_backward(self) -> Callable[..., None]:
        """Its gradients."""
        ...


Load = Callable[[str, torch.dtype], Convolutions]


def timings(candidates: Sequence[Candidate], load: Load, library: Path) -> Timings:
    """Return how long each candidate takes, from the cache where this machine has measured it.

    Processes that start side by side agree: what the first one wrote is what all of them read.

    Args:
        candidates: What there is to choose from.
        load: Gives the operations of a candidate.
        library: The file they are in; another build is measured anew.
    """
    path = cache_path(candidates, library)
    found = _read(path, candidates)
    if found is None:
        measured = {which: milliseconds(load, *which) for which in candidates}
        with suppress(OSError):  # a cache that cannot be written is no reason to stop
            _write(path, measured)
        found = _read(path, candidates) or measured
    return found


def cache_path(candidates: Sequence[Candidate], library: Path) -> Path:
    """Return the file of a machine's timings, below XDG_CACHE_HOME or ~/.cache."""
    what = json.dumps([processor(), list(candidates)]).encode() + library.read_bytes()
    return cache_folder() / f"kernels-{hashlib.sha256(what).hexdigest()[:16]}.json"


def processor() -> str:
    """Return the processor's name as Linux gives it, or else what the system calls it."""
    lines: list[str] = []
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(errors="replace", encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def milliseconds(load: Load, name: str, dtype: str) -> float:
    """Time both passes over the work, and return the shortest of some repeats."""
    kind = getattr(torch, dtype)
    steps = [_step(load(name, kind), sizes, kind) for sizes in WORK]
    total = 0.0
    for step in steps:
        step()  # finds its memory
        total += min(_clocked(step) for _ in range(REPEATS))
    return 1e3 * total


def best(found: Timings, names: Sequence[str], dtype: str) -> str:
    """Return the fastest of ``names``; a later one is preferred to one that hardly beats it."""
    chosen = names[-1]
    for name in reversed(names):
        if found[name, dtype] * GAIN < found[chosen, dtype]:
            chosen = name
    return chosen


def _clocked(step: Callable[[], None]) -> float:
    start = thread_time()
    step()
    return thread_time() - start


@float32_on_the_cpu()
def _step(found: Convolutions, sizes: tuple[int, ...], dtype: torch.dtype) -> Callable[[], None]:
    n, h, w, c, o, k = sizes
    g = torch.Generator().manual_seed(0)  # the global one belongs to the run that waits for this
    x, dx = (torch.rand(n * h * w * c, generator=g).to(dtype) for _ in range(2))
    z, y, dy = (torch.rand(n * h * w * o, generator=g).to(dtype) for _ in range(3))
    kernel, dkernel = (torch.rand(o * c * k * k, generator=g) for _ in range(2))
    scale, shift, mean, rstd, dscale, dshift = (torch.rand(o, generator=g) for _ in range(6))
    shape = (ctypes.c_int64 * 8)(*sizes, k, 1)
    norm = (scale.data_ptr(), shift.data_ptr(), None, None, mean.data_ptr(), rstd.data_ptr())
    state = (ctypes.c_void_p * 7)(*norm, None)
    ahead = (shape, x.data_ptr(), kernel.data_ptr(), None, z.data_ptr(), y.data_ptr(), state)
    back = (shape, x.data_ptr(), kernel.data_ptr(), z.data_ptr(), dy.data_ptr(), state)
    to = (dx.data_ptr(), dkernel.data_ptr(), dscale.data_ptr(), dshift.data_ptr())
    held = (x, dx, z, y, dy, kernel, dkernel, scale, shift, mean, rstd, dscale, dshift)

    def step(held: object = held) -> None:
        del held  # the memory of these calls
        found.convolution_forward(*ahead, 0.1, 1e-5, None)
        found.convolution_backward(*back, *to, None)

    return step


def _read(path: Path, candidates: Sequence[Candidate]) -> Timings | None:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        found = {(str(name), str(dtype)): float(ms) for name, dtype, ms in stored["timings"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = set(found) == set(candidates) and all(0 < ms < float("inf") for ms in found.values())
    return found if whole else None


def _write(path: Path, found: Timings) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [[*which, round(ms, 4)] for which, ms in found.items()]
    partial = path.with_name(f"{path.name}.{token_hex(4)}.tmp")
    try:
        partial.write_text(
            json.dumps({"processor": processor(), "timings": rows}), encoding="utf-8"
        )
        if _read(path, list(found)) is None:
            path.unlink(missing_ok=True)  # what is there is not whole
        os.link(partial, path)  # of processes side by side one comes first
    except FileExistsError:
        pass
    except OSError:  # a disk without links
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
