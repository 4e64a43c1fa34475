"""A WebAssembly module from generated C, with a page around it that needs no network."""

import base64
import hashlib
import importlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smidgen.data import Preprocessing
from smidgen.export.c.host import KINDS
from smidgen.export.c.source import Source
from smidgen.export.program import Pixels
from smidgen.layers import Shape
from smidgen.tensors import Pixels as PixelTensor

_FLAGS = (
    "--target=wasm32",
    "-std=c99",
    "-Os",
    "-mbulk-memory",
    "-msimd128",
    "-ffreestanding",
    "-nostdlib",
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wl,-z,stack-size=16384",
)
_GLUE = """
#include "{name}.h"
#define EXPORT(name) __attribute__((export_name(#name)))
static uint8_t pixels_[{pixels}];
static {kind} logits_[{classes}];
EXPORT(pixels) uint8_t *where_pixels(void) {{ return pixels_; }}
EXPORT(logits) {kind} *where_logits(void) {{ return logits_; }}
EXPORT(run) void run(void) {{ {name}(pixels_, logits_); }}
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page says of the net and of the data, and what it needs to know of them.

    Args:
        name: Of the net.
        data: Of the data set.
        numbers: ``int8`` or ``float32``.
        logit_scale: What 1 in the module's logits stands for.
        params: As trained.
        macs: An image.
        accuracy: Of the module on the test split, in [0, 1].
        images: Of that split.
        classes: Names, in the order of the logits.
        background: Level of the pixels around what is drawn, 0 to 255.
        ink_box: Larger side of what is drawn, in pixels; 0 for photographs, which fill the frame.
        samples: Test images to try, with their labels.
        preprocessing: What a picture goes through.
    """

    name: str
    data: str
    numbers: str
    logit_scale: float
    params: int
    macs: int
    accuracy: float
    images: int
    classes: tuple[str, ...]
    background: int
    ink_box: int
    samples: tuple[tuple[int, Pixels], ...]
    preprocessing: Preprocessing


def require_tools() -> None:
    """Refuse if a program or a package that modules are made and run with is missing.

    Raises:
        ValueError: Naming it.
    """
    for tool, package in (("clang", "clang"), ("wasm-ld", "lld")):
        if shutil.which(tool) is None:
            raise ValueError(f"WebAssembly needs {tool}; on Debian: apt-get install {package}")
    _wasmtime()


def compile_wasm(source: Source, input_shape: Shape) -> bytes:
    """Return the module: functions ``pixels`` and ``logits`` say where, ``run`` computes.

    Raises:
        ValueError: If clang or its linker is missing, or the compiler refuses the source.
    """
    require_tools()
    glue = _GLUE.format(
        name=source.name,
        pixels=input_shape.elements,
        classes=source.classes,
        kind=source.logit_type,
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / f"{source.name}.h").write_text(source.header)
        (place / f"{source.name}.c").write_text(source.source)
        (place / "glue.c").write_text(glue)
        command = ["clang", *_FLAGS, "-o", "net.wasm", f"{source.name}.c", "glue.c"]
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
    except ImportError:
        raise ValueError(
            "running WebAssembly needs the package wasmtime: pip install 'smidgen[export]'"
        ) from None


def page(module: bytes, input_shape: Shape, facts: Facts) -> str:
    """Return one HTML page with the module in it; it opens from a file and fetches nothing."""
    values = asdict(facts) | {
        "preprocessing": {**facts.preprocessing.to_dict(), "text": facts.preprocessing.text},
        "module": _text(module),
        "bytes": len(module),
        "sha256": hashlib.sha256(module).hexdigest(),
        "samples": [
            {"label": label, "pixels": _text(pixels.tobytes())} for label, pixels in facts.samples
        ],
        **input_shape._asdict(),
    }
    content = json.dumps(values).replace("<", "\\u003c")  # no tag can end the script early
    template = resources.files("smidgen.export") / "templates" / "page.html"
    return template.read_text().replace("{{ facts }}", content)


def frame_of(images: PixelTensor) -> Mapping[str, int]:
    """Return ``background`` and ``ink_box`` of training images, as :class:`Facts` has them.

    Drawings on an even ground have a border of one level; its median is the background, and the
    box is the median of the larger sides of what differs from it by more than a third.
    """
    edge = np.concatenate([side.numpy().ravel() for side in _sides(images)])
    background = int(np.median(edge))
    even = float(np.mean(np.abs(edge.astype(int) - background) < 255 // 3))
    if images.shape[1] > 1 or even < 0.8:  # noqa: PLR2004 - photographs reach the border
        return {"background": background, "ink_box": 0}
    marked = (images[:2000, 0].int() - background).abs() > 255 // 3
    longest = np.maximum(_extent(marked.any(1).numpy()), _extent(marked.any(2).numpy()))
    return {"background": background, "ink_box": max(1, int(np.median(longest)))}


def _sides(images: PixelTensor) -> Sequence[torch.Tensor]:
    return images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]


def _extent(marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how far the marks of each row reach, from the first to the last."""
    length = marked.shape[1]
    return np.maximum(length - marked[:, ::-1].argmax(1) - marked.argmax(1), 0)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
