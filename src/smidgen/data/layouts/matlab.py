"""Arrays in files .mat of MATLAB, as SVHN's; those saved with -v7.3 are of another kind."""

from collections.abc import Iterable
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from smidgen.data.errors import DataError
from smidgen.data.values import FEW

ENDING = ".mat"
_BYTES = {  # of a number
    "logical": 1,
    "single": 4,
    "double": 8,
    **{f"{sign}int{8 * size}": size for sign in ("", "u") for size in (1, 2, 4, 8)},
}
_COLUMN = 2  # axes of a vector, which has no fewer in MATLAB


def arrays_of(path: Path, room: int) -> dict[str, Any]:
    """Return the numbers of a file by name, their axes as they lie.

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
    return {name: np.asarray(stored[name]) for name in held}


def pictures_first(images: Any, labels: Any, where: str) -> Any:
    """Return pictures with the axis first that counts them.

    MATLAB has it last, height x width x channels x pictures; what was written by others may have
    it first. It is the one of as many as there are labels. Where both are, that of channels tells.

    Args:
        images: Of one part.
        labels: Of the same pictures: one each, or a row of one for each class.
        where: For errors.

    Raises:
        DataError: If it may be either.
    """
    count = labels.size if 1 in labels.shape else len(labels)
    if images.ndim <= _COLUMN or images.shape[-1] != count:
        return images
    if images.shape[0] == count:
        of_channels = [axis for axis in range(1, images.ndim) if images.shape[axis] <= FEW]
        if images.ndim != _COLUMN + 2 or len(of_channels) != 1:
            sides = "x".join(map(str, images.shape))
            raise DataError(
                f"the pictures of {where} may be counted by the first axis or the last of {sides}, "
                f"since there are {count:,} labels: write them as height x width x channels x "
                f"pictures, with one channel if they are grey"
            )
        if of_channels != [2]:
            return images
    return np.moveaxis(images, -1, 0)


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
