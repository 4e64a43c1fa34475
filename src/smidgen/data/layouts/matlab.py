"""Arrays in files .mat of MATLAB, as SVHN's; those saved with -v7.3 are of another kind."""

from collections.abc import Iterable
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from smidgen.data.errors import DataError

ENDING = ".mat"
_BYTES = {  # of a number
    "logical": 1,
    "single": 4,
    "double": 8,
    **{f"{sign}int{8 * size}": size for sign in ("", "u") for size in (1, 2, 4, 8)},
}
_COLUMN = 2  # axes of a vector, which has no fewer in MATLAB


def arrays_of(path: Path, room: int) -> dict[str, Any]:
    """Return the numbers of a file by name; of pictures, the first axis counts them.

    MATLAB has them the other way round, height x width x channels x pictures: the axis of as many
    as there are labels is the one.

    Args:
        path: Of the file.
        room: Bytes that they may take.

    Raises:
        DataError: If they say that they take more.
    """
    from scipy.io import loadmat

    held = _held(path)
    said = sum(held.values())
    if said > room:
        raise DataError(f"{path} says that it holds {said:,} bytes, too many")
    stored = loadmat(path, variable_names=list(held))
    found = {name: np.asarray(stored[name]) for name in held}
    counts = {of.size for of in found.values() if of.ndim == _COLUMN and 1 in of.shape}
    return {
        name: np.moveaxis(of, -1, 0)
        if of.ndim > _COLUMN and of.shape[-1] in counts and of.shape[0] not in counts
        else of
        for name, of in found.items()
    }


def names_in(files: Iterable[Path]) -> list[str]:
    """Return the names of the arrays of files, of which none is read."""
    found: list[str] = []
    for path in files:
        with suppress(Exception):  # whatever a damaged file leads the library to
            found += _held(path)
    return found


def _held(path: Path) -> dict[str, int]:
    """Return the bytes of each array of numbers, by its name."""
    from scipy.io import whosmat

    told = whosmat(path)
    return {name: prod(shape) * _BYTES[kind] for name, shape, kind in told if kind in _BYTES}
