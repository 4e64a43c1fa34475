"""Generated C as a library of this machine: compiled, loaded and called on many images."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.emulate import find_tool
from smidgen.export.program import Pixels

COMPILERS = ("gcc", "cc", "clang")
FAST = ("-O3", "-march=native")
FLAGS = ("-std=c99", "-ffp-contract=fast", "-shared", "-fPIC", "-fvisibility=hidden")
KINDS = {"int32_t": np.int32, "float": np.float32}
_LOOP = """
#include "{name}.h"
__attribute__((visibility("default"))) void RUN(const uint8_t *Pixels, {kind} *Logits, int Count);
void RUN(const uint8_t *Pixels, {kind} *Logits, int Count) {{
  for (int I = 0; I < Count; I++) {name}(Pixels + I * {pixels}, Logits + I * {classes});
}}
"""  # in capitals, which no net's name has: it may be called `count`. All else is hidden, or the
# loader calls the C library's function where a net is called as one, as `error`

_SURE = """
__attribute__((visibility("default"))) void SURE(const {kind} *Logits, int32_t *Answers, int Count);
void SURE(const {kind} *Logits, int32_t *Answers, int Count) {{
  for (int I = 0; I < Count; I++) Answers[I] = {name}_sure(Logits + I * {classes});
}}
"""


def compile_library(
    folder: Path,
    name: str,
    kind: str,
    pixels: int,
    classes: int,
    library: Path,
    *,
    sure: bool = False,
) -> None:
    """Compile ``<name>.c`` of ``folder`` with a loop over images into a shared library.

    Args:
        folder: Holds the header and the source.
        name: Of the C function.
        kind: C type of a logit.
        pixels: Bytes of an image.
        classes: Logits of an image.
        library: File to write.
        sure: Whether the header has ``<name>_sure``, which is then called on logits.

    Raises:
        ToolMissingError: If there is no compiler.
        ValueError: If it refuses the source.
    """
    text = _LOOP + _SURE * sure
    loop = text.format(name=name, kind=kind, pixels=pixels, classes=classes)
    compiler = find_compiler() or find_tool(COMPILERS[0])
    command = [compiler, *FLAGS, *FAST, f"-I{folder}", f"{folder / name}.c"]
    done = subprocess.run(
        [*command, "-x", "c", "-", "-o", library],
        input=loop,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"{compiler} refuses the generated C: {done.stderr.strip()[:500]}")


def find_compiler() -> str | None:
    """Return the name of a C compiler for this machine, if there is one."""
    return next((name for name in COMPILERS if shutil.which(name)), None)


def load_library(library: Path, kind: str, classes: int) -> Callable[[Pixels], NDArray[Any]]:
    """Return what runs a library on images (n, c, h, w); not from two threads at a time.

    Raises:
        ValueError: If this machine does not load it.
    """
    try:
        run = ctypes.CDLL(str(library)).RUN  # no net is called so
    except OSError as error:  # as on a disk that is mounted noexec
        raise ValueError(
            f"the compiled C cannot be loaded: {error}; TMPDIR names another folder for it"
        ) from None
    of_logits = KINDS[kind]

    def infer(pixels: Pixels) -> NDArray[Any]:
        rows = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
        logits = np.empty((len(rows), classes), of_logits)
        run(ctypes.c_void_p(rows.ctypes.data), ctypes.c_void_p(logits.ctypes.data), len(rows))
        return logits

    return infer


def load_sure(library: Path) -> Callable[[NDArray[np.int32]], NDArray[np.int32]]:
    """Return what makes answers (n,) of logits (n, classes), by a library with ``sure``."""
    run = ctypes.CDLL(str(library)).SURE

    def answers(logits: NDArray[np.int32]) -> NDArray[np.int32]:
        rows = np.ascontiguousarray(logits)
        found = np.empty(len(rows), np.int32)
        run(ctypes.c_void_p(rows.ctypes.data), ctypes.c_void_p(found.ctypes.data), len(rows))
        return found

    return answers
