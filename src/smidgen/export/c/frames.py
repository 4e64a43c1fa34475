"""Frames as cameras give them, as pictures: what ``<name>_picture.h`` does, for Python."""

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Format: TypeAlias = Literal[
    "grey",
    "rgb888",
    "rgb565-le",
    "rgb565-be",
    "yuyv",
    "uyvy",
    "bgr888",
    "rgbx8888",
    "bgrx8888",
]

FORMATS: tuple[Format, ...] = get_args(Format)
_BYTES = {"grey": 1, "rgb888": 3, "bgr888": 3, "rgbx8888": 4, "bgrx8888": 4}  # others: two
_COLORS = {"rgb888": [0, 1, 2], "bgr888": [2, 1, 0], "rgbx8888": [0, 1, 2], "bgrx8888": [2, 1, 0]}


def picture_of(
    frame: bytes,
    form: str,
    height: int,
    width: int,
    *,
    stride: int | None = None,
    grey: bool = False,
) -> Any:
    """Return a frame as what :meth:`smidgen.data.Preprocessing.pixels` takes.

    RGB565 becomes bytes by repeating the high bits below the low ones. YUV has 0 to 255 in each,
    as in JPEG, and becomes what Pillow makes of it. The fourth byte of a pixel is passed over.

    Args:
        frame: Its bytes, row by row.
        form: How its pixels lie.
        height: In pixels.
        width: In pixels; even for YUV, where two share U and V.
        stride: Bytes from a row to the next; by default those of its pixels.
        grey: Take Y alone of YUV, as a net of grey does.

    Returns:
        An array h w or h w 3; of YUV an image of Pillow's mode YCbCr.

    Raises:
        ValueError: If the format is unknown, or the sides do not fit the bytes.
    """
    if form not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {form!r}")
    row = width * _BYTES.get(form, 2)
    stride = row if stride is None else stride
    if form in ("yuyv", "uyvy") and width % 2:
        raise ValueError(f"width of {form} must be even, got {width}")
    if stride < row:
        raise ValueError(f"stride must be >= {row} bytes, got {stride}")
    if len(frame) < (height - 1) * stride + row:
        raise ValueError(f"a frame of {height} rows must have more bytes than {len(frame)}")
    held = np.zeros(height * stride, np.uint8)
    taken = np.frombuffer(frame[: held.size], np.uint8)
    held[: taken.size] = taken
    rows = held.reshape(height, stride)[:, :row]
    if form == "grey":
        return rows
    if form in _COLORS:
        return rows.reshape(height, width, _BYTES[form])[..., _COLORS[form]]
    if form in ("rgb565-le", "rgb565-be"):
        return _of_rgb565(rows.reshape(height, width, 2), swapped=form == "rgb565-be")
    first = 0 if form == "yuyv" else 1  # Y among the four bytes of two pixels
    if grey:
        return rows[:, first::2]
    return _of_yuv(rows.reshape(height, width // 2, 4), first)


def rgb565(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels (h, w, 3), or grey ones (h, w, 1), as RGB565 with the high byte first."""
    red, green, blue = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.uint16).T
    packed = (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3
    return packed.T.astype(">u2").tobytes()


def _of_rgb565(pairs: NDArray[np.uint8], *, swapped: bool) -> NDArray[np.uint8]:
    low, high = (pairs[..., int(swapped)], pairs[..., int(not swapped)])
    word = high.astype(np.uint16) << 8 | low
    red, green, blue = word >> 11, word >> 5 & 63, word & 31
    colors = [red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2]
    return np.stack(colors, axis=2).astype(np.uint8)


def _of_yuv(fours: NDArray[np.uint8], first: int) -> Any:
    from PIL import Image

    height, halves, _ = fours.shape
    luma = fours[..., first::2].reshape(height, 2 * halves)
    shared = [fours[..., at].repeat(2, axis=1) for at in (1 - first, 3 - first)]
    return Image.merge("YCbCr", [Image.fromarray(plane) for plane in (luma, *shared)])
