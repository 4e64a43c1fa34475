"""Interpreters of TensorFlow Lite files on this machine: LiteRT and tflite-micro."""

import importlib
import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smidgen.export.artefact import Infer
from smidgen.export.program import Pixels

# bytes that tflite-micro is given, until its maps fit: enough for most, and the most it can count
_ARENAS = (64 << 20, (2 << 30) - 1)
LITERT, MICRO = "ai_edge_litert.interpreter", "tflite_micro.python.tflite_micro.runtime"


def found(name: str) -> Any:
    """Return a module of a package, or nothing if that is not installed or does not load here."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError):
        return None


def litert(model: bytes, scale: float, threads: int = 1, *, reference: bool) -> Infer:
    """Return what runs a file under LiteRT, image by image; logits in steps above zero.

    Args:
        model: The file.
        scale: Of its logits: what a step stands for.
        threads: Of one operation.
        reference: Whether its plain kernels run, which round as micro interpreters do, or those
            that it takes unless told otherwise.
    """
    runtime = found(LITERT)
    kinds = runtime.OpResolverType
    with _quiet():
        interpreter = runtime.Interpreter(
            model_content=model,
            num_threads=threads,
            experimental_op_resolver_type=kinds.BUILTIN_REF if reference else kinds.AUTO,
        )
        interpreter.allocate_tensors()
    (into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()

    def one(image: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_tensor(into["index"], image)
        interpreter.invoke()
        return interpreter.get_tensor(out["index"])[0]

    return _over(one, into["dtype"], out, scale)


def micro(model: bytes, scale: float) -> Infer:
    """Return what runs a file under tflite-micro, image by image; logits as :func:`litert`'s.

    Raises:
        ValueError: If the file's maps are too large for it.
    """
    interpreter = _micro_interpreter(model)
    into, out = interpreter.get_input_details(0), interpreter.get_output_details(0)

    def one(image: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_input(image, 0)
        interpreter.invoke()
        return np.array(interpreter.get_output(0))[0]

    return _over(one, into["dtype"], out, scale)


def _micro_interpreter(model: bytes) -> Any:
    runtime, refused = found(MICRO), ""
    for arena in _ARENAS:
        try:
            with _quiet():
                return runtime.Interpreter.from_bytes(model, arena_size=arena)
        except RuntimeError as error:
            refused = str(error)
    raise ValueError(
        f"tflite-micro does not take this file, with {_ARENAS[-1]:,} bytes for its maps: {refused}"
    )


def _over(one: Callable[[NDArray[Any]], NDArray[Any]], kind: Any, out: Any, scale: float) -> Infer:
    """Return ``one`` over many images of uint8 pixels (n, c, h, w)."""
    zeros = out["quantization_parameters"]["zero_points"]

    def infer(pixels: Pixels) -> NDArray[Any]:
        images = as_taken(pixels, np.dtype(kind))
        logits = np.stack([one(images[i : i + 1]) for i in range(len(images))])
        if not len(zeros):  # floats
            return np.rint(logits / scale).astype(np.int32)
        return logits.astype(np.int32) - int(zeros[0])

    return infer


def as_taken(pixels: Pixels, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return pixels (n, c, h, w) as a file takes them: (n, h, w, c), in its numbers."""
    images = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    if kind == np.int8:
        return (images.astype(np.int16) - 128).astype(np.int8)
    return images.astype(np.float32) / 255 if kind == np.float32 else images


class _quiet:  # noqa: N801 - read as a word
    """Keep what a library writes to standard error, past Python, away from it."""

    def __enter__(self) -> None:
        self._kept, self._file = os.dup(2), tempfile.TemporaryFile()
        os.dup2(self._file.fileno(), 2)

    def __exit__(self, *_: object) -> None:
        os.dup2(self._kept, 2)
        os.close(self._kept)
        self._file.close()
