"""NumPy: a target, the folded net as arrays in one .npz file."""

import io
from pathlib import Path

import numpy as np

from smidgen.export.artefact import Artefact, Infer, Oracle, Source, Wish
from smidgen.export.program import run_float


def numpy_target(source: Source, wish: Wish) -> Artefact:
    """Return the net's arrays as .npz, float32."""
    if wish.numbers not in (None, "float32"):
        raise ValueError(f"numpy is float32, got {wish.numbers!r}")
    if wish.calibration is not None or wish.finish_epochs is not None:
        raise ValueError("numpy is float32: nothing is calibrated or finished")
    arrays = {
        f"{place:02}.{type(operation).__name__}.{name}": value
        for place, operation in enumerate(source.program.operations)
        for name in getattr(operation, "__slots__", ())
        if isinstance(value := getattr(operation, name), np.ndarray)
    }
    held = io.BytesIO()
    np.savez(held, **arrays)
    name = f"{source.stem}.npz"

    def infer(folder: Path, _: int) -> Infer:
        with np.load(folder / name) as kept:
            for key, array in arrays.items():
                if not np.array_equal(kept[key], array):
                    raise ValueError(f"{name} holds another {key}")
        return lambda pixels: run_float(source.program, pixels)

    return Artefact(
        files={name: held.getvalue()},
        infer=infer,
        runtime="NumPy arrays, run by smidgen",
        threads=(1,),
        scale=1.0,
        oracle=Oracle("the trained model in torch", source.float_infer(), 2_000, 1e-5),
        numbers="float32",
    )
