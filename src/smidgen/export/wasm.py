"""A WebAssembly module from generated C, which also tells what the net looked at."""

import importlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.host import KINDS
from smidgen.export.c.source import Source
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.program import Pixels, Program
from smidgen.export.squares import looked_at, watched
from smidgen.export.vectors import vectorised
from smidgen.extras import needed

_FLAGS = (
    "--target=wasm32",
    "-std=c99",
    "-Os",
    "-mbulk-memory",
    "-ffreestanding",
    "-nostdlib",
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wl,--stack-first,-z,stack-size=16384",  # too deep a net ends in an error, not in its own data
)
_GLUE = """
static uint8_t pixels_[{pixels}];
static {kind} logits_[{classes}];
EXPORT(pixels) uint8_t *where_pixels(void) {{ return pixels_; }}
EXPORT(logits) {kind} *where_logits(void) {{ return logits_; }}
EXPORT(run) void run(void) {{ {name}(pixels_, logits_); }}
"""


def require_tools() -> None:
    """Refuse if a program or a package that modules are made and run with is missing.

    Raises:
        ValueError: Naming it.
    """
    for tool, package in (("clang", "clang"), ("wasm-ld", "lld")):
        if shutil.which(tool) is None:
            raise ValueError(f"WebAssembly needs {tool}; on Debian: apt-get install {package}")
    _wasmtime()


def compile_wasm(source: Source, program: Program | IntegerProgram, *, simd: bool = False) -> bytes:
    """Return the module: ``pixels`` and ``logits`` say where, ``run`` computes.

    Where :func:`smidgen.export.squares.looked_at` has a shape, ``squares(class)`` says where the
    parts are that each square of the last run's map gave to a logit, row by row, as float64.

    Args:
        source: That :mod:`smidgen.export.c` made of ``program``.
        program: It.
        simd: Whether it computes many numbers at once; browsers from before 2021 to 2023 refuse
            such a module. The integers are the same.

    Raises:
        ValueError: If clang or its linker is missing, or the compiler refuses the source.
    """
    require_tools()
    glue = _GLUE.format(
        name=source.name,
        pixels=program.input_shape.elements,
        classes=source.classes,
        kind=source.logit_type,
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / f"{source.name}.h").write_text(source.header, encoding="utf-8")
        text = watched(source, looked_at(program)) + glue
        (place / "net.c").write_text(vectorised(text) if simd else text, encoding="utf-8")
        command = ["clang", *_FLAGS, *["-msimd128"] * simd, "-o", "net.wasm", "net.c"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"clang refuses the generated C: {done.stderr.strip()[:500]}")
        return (place / "net.wasm").read_bytes()


def load_wasm(
    module: bytes, classes: int, kind: str
) -> tuple[Callable[[Pixels], NDArray[Any]], int]:
    """Return what runs a module on images (n, c, h, w), and the bytes of memory it takes.

    Args:
        module: From :func:`compile_wasm`.
        classes: Logits an image.
        kind: C type of a logit.

    Raises:
        ValueError: If the package wasmtime is missing.
    """
    wasmtime = _wasmtime()
    store = wasmtime.Store()
    instance = wasmtime.Instance(store, wasmtime.Module(store.engine, module), [])
    exported = instance.exports(store)
    memory, step = exported["memory"], exported["run"]
    source, result = exported["pixels"](store), exported["logits"](store)
    of_logits = np.dtype(KINDS[kind])

    def run(pixels: Pixels) -> NDArray[Any]:
        rows = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
        logits = np.empty((len(rows), classes), of_logits)
        for row, out in zip(rows, logits, strict=True):
            memory.write(store, row.tobytes(), source)
            step(store)
            out[:] = np.frombuffer(memory.read(store, result, result + out.nbytes), of_logits)
        return logits

    return run, memory.data_len(store)


def _wasmtime() -> Any:
    try:
        return importlib.import_module("wasmtime")
    except ImportError as error:
        raise needed("running WebAssembly", "wasmtime", "export", error) from None
