"""Find the compiled operations and the instruction set to run them with."""

import ctypes
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from platform import machine
from typing import Any

import torch
from torch import Tensor

from smidgen.kernels import measured
from smidgen.kernels.measured import Timings

CHOICE = "SMIDGEN_KERNELS"
PATHS = ("torch", "portable", "avx2", "avx512", "avx512bf16", "avx512amx")
PAIRED = ("avx512bf16", "avx512amx")  # whose products take pairs of bfloat16
LIBRARY = Path(__file__).with_name("native.so")

_P, _D, _I = ctypes.c_void_p, ctypes.c_double, ctypes.c_int
_F, _N = ctypes.c_float, ctypes.c_int64
_SIGNATURES = {
    "convolution_forward": [_P] * 7 + [_D] * 2 + [_P],
    "convolution_backward": [_P] * 11,
    "depthwise_forward": [_P] * 9 + [_D] * 2 + [_P],
    "depthwise_backward": [_P] * 13,
    "channelwise_forward": [_P] * 7 + [_D] * 2 + [_P],
    "channelwise_backward": [_P] * 11,
    "sum_forward": [_P] * 4 + [_I],
    "cut_backward": [_P] * 4,
    "blur_forward": [_P] * 3,
    "blur_backward": [_P] * 3,
    "pool_forward": [_P] * 3 + [_I],
    "pool_backward": [_P] * 4 + [_I],
    "average_forward": [_P] * 3,
    "average_backward": [_P] * 3,
    "excite_forward": [_P] * 8,
    "excite_backward": [_P] * 11,
    "head_forward": [_P] * 8,
    "head_backward": [_P] * 8,
    "batch_gather": [_P] * 5 + [_N] * 2,
    "batch_crop": [_P] * 5,
    "batch_flip": [_P] * 4,
    "batch_cut": [_P] * 5 + [_N],
    "batch_blend": [_P] * 3 + [_F, _N, _N],
    "batch_matrices": [_P] * 3 + [_N],
    "batch_warp": [_P] * 4,
}


@dataclass(frozen=True, slots=True)
class Operations:
    """The C functions of one instruction set and one data type, called with data pointers."""

    convolution_forward: Callable[..., None]
    convolution_backward: Callable[..., None]
    depthwise_forward: Callable[..., None]
    depthwise_backward: Callable[..., None]
    channelwise_forward: Callable[..., None]
    channelwise_backward: Callable[..., None]
    sum_forward: Callable[..., None]
    cut_backward: Callable[..., None]
    blur_forward: Callable[..., None]
    blur_backward: Callable[..., None]
    pool_forward: Callable[..., None]
    pool_backward: Callable[..., None]
    average_forward: Callable[..., None]
    average_backward: Callable[..., None]
    excite_forward: Callable[..., None]
    excite_backward: Callable[..., None]
    head_forward: Callable[..., None]
    head_backward: Callable[..., None]
    batch_gather: Callable[..., None]
    batch_crop: Callable[..., None]
    batch_flip: Callable[..., None]
    batch_cut: Callable[..., None]
    batch_blend: Callable[..., None]
    batch_matrices: Callable[..., None]
    batch_warp: Callable[..., None]


@functools.cache
def _native(path: Path) -> ctypes.CDLL | None:
    if not path.exists():
        return None
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def processor_bits(path: Path = LIBRARY) -> int | None:
    """Return what csrc/processor.c found, or None where nothing is compiled."""
    native = _native(path)
    return None if native is None else int(native.smidgen_processor())


def available(path: Path = LIBRARY) -> tuple[str, ...]:
    """Return the implementations that this build and this processor can run, best last."""
    native = _native(path)
    if native is None:
        return ("torch",)
    bits: int = native.smidgen_processor()
    found = [name for bit, name in enumerate(PATHS[2:]) if bits >> bit & 1]
    found = [name for name in found if hasattr(native, f"head_forward_{name}_bfloat16")]
    return ("torch", "portable", *found)


def load(name: str, dtype: torch.dtype) -> Operations:
    """Return the operations of one implementation; those of pairs take float32 one by one.

    Raises:
        ValueError: If one is missing, as where sources are newer than what was compiled of them.
    """
    native = _native(LIBRARY)
    assert native is not None, "the caller knows what is available"
    if name in PAIRED and dtype == torch.float32:
        name = "avx512"
    found: dict[str, Any] = {}
    for function, signature in _SIGNATURES.items():
        call = getattr(native, f"{function}_{name}_{str(dtype).removeprefix('torch.')}", None)
        if call is None:
            raise ValueError(f"{LIBRARY} is of another version: install smidgen again")
        call.argtypes, call.restype = signature, None
        found[function] = call
    return Operations(**found)


def candidates() -> tuple[str, ...]:
    """Return the implementations among which measuring decides: the latest, or all of AVX-512."""
    found = available()
    wide = tuple(name for name in found if name.startswith("avx512"))
    return wide or found[-1:]


@functools.cache
def timings() -> Timings:
    """Return how long each candidate takes in bfloat16, and the first one in float32."""
    names = candidates()
    pairs = [(names[0], "float32"), *((name, "bfloat16") for name in names)]
    return measured.timings(pairs, load, LIBRARY)


@functools.cache
def chosen() -> str:
    """Return the implementation in use: the fastest, or the one the environment names, read once.

    Raises:
        ValueError: the environment variable names one that this machine cannot run.
    """
    found, wanted = available(), os.environ.get(CHOICE)
    if not wanted:
        names = candidates()
        return names[0] if len(names) == 1 else measured.best(timings(), names, "bfloat16")
    if wanted not in found:
        raise ValueError(
            f"{CHOICE} must be one of {', '.join(found)} on this machine, got {wanted}"
        )
    return wanted


def require_runnable() -> None:
    """Refuse an implementation that the environment names and this machine cannot run.

    Nothing is loaded where it names none.

    Raises:
        ValueError: Naming those that it can.
    """
    if os.environ.get(CHOICE):
        chosen()


def number_format() -> str:
    """Return ``bfloat16`` where what runs here trains faster in it than in float32.

    Raises:
        ValueError: the environment variable names what this machine cannot run.
    """
    name, names = chosen(), candidates()
    if name == "torch":
        return "float32"
    if name in names:
        found, whole = timings(), names[0]
    else:  # the environment names it, so that it is not among those that were measured
        pairs = [(name, "float32"), (name, "bfloat16")]
        found, whole = measured.timings(pairs, load, LIBRARY), name
    faster = found[name, "bfloat16"] * measured.GAIN < found[whole, "float32"]
    return "bfloat16" if faster else "float32"


def implementation() -> str:
    """Name what runs: one of PATHS, where "portable" is called "neon" on 64-bit Arm."""
    name = chosen()
    return "neon" if name == "portable" and machine().lower() in {"aarch64", "arm64"} else name


@functools.cache
def operations(dtype: torch.dtype) -> Operations | None:
    """Return the compiled operations for a data type, or None where torch must serve."""
    name = chosen()
    if name == "torch" or dtype not in (torch.float32, torch.bfloat16):
        return None
    return load(name, dtype)


@functools.lru_cache(maxsize=4096)
def shape_of(
    *sizes: int, kernel: tuple[int, int] = (1, 1), stride: int = 1
) -> ctypes.Array[ctypes.c_int64]:
    """Return images, height, width, channels and outputs, rows and columns of a kernel, its stride.

    As C reads them.
    """
    return (ctypes.c_int64 * 8)(*sizes, *kernel, stride)


_State = ctypes.c_void_p * 7


def state_of(
    weight: Tensor,
    bias: Tensor,
    statistics: Tensor,
    running: tuple[Tensor | None, Tensor | None, Tensor | None],
) -> ctypes.Array[ctypes.c_void_p]:
    """Return a norm's addresses: weight, bias, running mean and variance, mean, rstd, count."""
    mean, (running_mean, running_var, count) = statistics.data_ptr(), running
    return _State(
        weight.data_ptr(),
        bias.data_ptr(),
        None if running_mean is None else running_mean.data_ptr(),
        None if running_var is None else running_var.data_ptr(),
        mean,
        mean + 4 * weight.shape[0],
        None if count is None else count.data_ptr(),
    )


NO_STATE = _State()
RECALL = -1.0  # a momentum by which a norm takes its running statistics and leaves them


# What follows a convolution, in the order of csrc/tail.h: numbers and addresses.
_TAIL = (
    *("pool", "latent", "squeeze", "excite", "dsqueeze", "dexcite"),
    *("mean", "hidden", "gate", "open", "pooled", "plain", "cut", "added", "returned"),
)


def tail_of(**words: int) -> ctypes.Array[ctypes.c_int64]:
    """Return what follows a convolution as csrc/tail.h reads it; what is not named is none."""
    assert not words.keys() - set(_TAIL), "only what csrc/tail.h knows"
    return (ctypes.c_int64 * len(_TAIL))(*(words.get(name, 0) for name in _TAIL))


PLAIN = tail_of(plain=1)  # no ReLU
RETURNED = _TAIL.index("returned")


SAVED = (None, None, None)  # instead of running statistics: the pass backward leaves them alone


def forget_choice() -> None:
    """Read the environment variable again at the next operation."""
    chosen.cache_clear()
    timings.cache_clear()
    operations.cache_clear()


def keep_memory() -> bool:
    """Ask the C library to keep freed memory for the next step instead of giving it back.

    The maps of a step are as large in the next one; without this each step pays for new pages.
    Return whether the C library understood.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # the last on Windows, where no name is no library
        return False
    # Setting either ends the C library's own adjustment of both, so that one alone would be worse
    # than none; older ones refuse more than 32 MiB for the first.
    mmap_threshold, trim_threshold = -3, -1
    return bool(mallopt(mmap_threshold, 2**25)) and bool(mallopt(trim_threshold, 2**30))
