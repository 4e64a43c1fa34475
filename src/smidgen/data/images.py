"""Any picture as bytes: grey or RGB, one size."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from smidgen.data.base import ImageSize, Progress
from smidgen.data.errors import DataError
from smidgen.data.preprocessing import DEEP, averaged, opaque, shallow, with_channels

Array: TypeAlias = npt.NDArray[np.uint8]  # h w c
REPORTED_EVERY = 1_000  # images


def checked_size(image_size: ImageSize) -> tuple[int, int] | None:
    """Return (height, width), given either that or the side of a square.

    Raises:
        DataError: If it is neither, or not positive.
    """
    if image_size is None:
        return None
    size: tuple[Any, ...] = (
        (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    )
    if len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size):  # noqa: PLR2004
        raise DataError(f"image size must be N or (height, width), each >= 1, got {image_size!r}")
    return size[0], size[1]


def decoded(
    encoded: Iterable[Any],
    where: Callable[[int], str],
    image_size: tuple[int, int] | None,
    report: Callable[[int], None],
) -> Array:
    """Return all images as one array n h w c, of one channel if all are grey, else of three.

    Args:
        encoded: Files, Pillow images, or ``{"bytes": ..., "path": ...}`` as in tables, whose paths
            are not followed.
        where: The name of an image by its number, for errors.
        image_size: Height and width to resize to; without, all images must be equal already.
        report: Called now and then with the number of images done.

    Raises:
        DataError: Naming the image, if it cannot be read or differs from the first.
    """
    import datasets

    feature = datasets.Image()
    arrays: list[Array] = []
    for number, value in enumerate(encoded):
        try:
            array = _as_bytes(feature.decode_example(_with_bytes(value)), image_size)
        except DataError as error:
            raise DataError(f"{where(number)} {error}") from error
        except Exception as error:  # decoders raise whatever a broken file leads them to
            said = "there is none" if value is None else " ".join(str(error).split())
            raise DataError(f"{where(number)} is no readable image: {said}") from error
        if image_size is None and arrays and array.shape != arrays[0].shape:
            raise DataError(
                f"images must have one size and colour mode, got {_shape(array)} in "
                f"{where(number)} and {_shape(arrays[0])} in {where(0)}; "
                f"--image-size N resizes all to NxN and turns mixed modes into RGB"
            )
        arrays.append(array)
        if number % REPORTED_EVERY == 0:
            report(number)
    if not arrays:
        return np.empty((0, 1, 1, 1), np.uint8)
    return np.stack(same_channels(arrays))


def same_channels(arrays: list[Array]) -> list[Array]:
    """Return the arrays with three channels if any of them has three."""
    channels = max(array.shape[-1] for array in arrays)
    return [
        array if array.shape[-1] == channels else array.repeat(channels, axis=-1)
        for array in arrays
    ]


def reporter(progress: Progress, what: str, total: int) -> Callable[[int], None]:
    """Return a function of the number of images done that calls ``progress`` if there is one."""
    return lambda done: progress(what, done, total) if progress else None


def _with_bytes(value: Any) -> Any:
    """Return what `datasets.Image` decodes, read from its path: Pillow may leave a file open."""
    if isinstance(value, Path):
        return {"bytes": value.read_bytes(), "path": None}
    if isinstance(value, dict) and not isinstance(value["bytes"], bytes):
        # A table could name any file of this machine, and so put it among the pictures.
        raise DataError("must hold the bytes of a picture; the path of a file is not followed")
    return {"bytes": value["bytes"], "path": None} if isinstance(value, dict) else value


def _as_bytes(image: Any, image_size: tuple[int, int] | None) -> Array:
    if image.mode in DEEP:
        image = shallow(image)
    array = with_channels(np.asarray(opaque(image, "white"), np.uint8))
    return array if image_size is None else averaged(array, *image_size)


def _shape(array: Array) -> str:
    height, width, channels = array.shape
    return f"{'grey' if channels == 1 else 'RGB'} {height}x{width}"
