"""The size of pictures as users write it: N, or HxW."""

import re
from operator import index
from typing import SupportsIndex, TypeAlias

from smidgen.data.errors import DataError
from smidgen.limits import PICTURE, SIDE
from smidgen.names import shown

ImageSize: TypeAlias = int | str | tuple[int, int] | list[int] | None
_WRITTEN = re.compile(r"(\d+)(?:\s*[xX*]\s*(\d+))?")


def checked_size(image_size: ImageSize) -> tuple[int, int] | None:
    """Return (height, width), given that, the side of a square, or either as text.

    Raises:
        DataError: If it is none of them, not positive, or of more pixels than a picture may have.
    """
    if image_size is None:
        return None
    size: tuple[object, ...] = ()
    if isinstance(image_size, str):
        if found := _WRITTEN.fullmatch(image_size.strip()):
            size = (int(found[1]), int(found[2] or found[1]))
    elif isinstance(image_size, SupportsIndex):  # numpy's whole numbers, too
        size = (index(image_size), index(image_size))
    elif hasattr(image_size, "__iter__"):
        size = tuple(image_size)
    match size:
        case (int() as height, int() as width) if height >= 1 and width >= 1:
            if max(height, width) > SIDE or height * width > PICTURE:  # told before any is decoded
                raise DataError(
                    f"image size must be at most {SIDE:,} pixels a side and {PICTURE:,} in all, got"
                    f" {shown(image_size)}"
                )
            return height, width
        case _:
            raise DataError(
                f"image size must be N or HxW, as in 32 or 24x32, each >= 1, got {image_size!r}"
            )
