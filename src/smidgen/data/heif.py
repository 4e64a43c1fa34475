"""HEIC pictures, as telephones write them: opened where the extra ``heic`` is installed."""

import re
from importlib.util import find_spec
from io import BytesIO
from struct import unpack_from
from typing import Any

from smidgen.data.errors import DataError
from smidgen.extras import install
from smidgen.limits import ENCODED, PICTURE

_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
_EXTENT = re.compile(b"ispe")  # the box that tells the sides of an image inside, before it is cut
_LONG = b"\0\0\0\1"  # stands for the length of a box whose real one follows in 8 bytes
_SIDES = 4, 12  # where they are in that box: behind its version, 4 bytes each


def is_heic(start: bytes) -> bool:
    """Return whether what Pillow does not know starts as a HEIC picture does: 12 bytes or more."""
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS


def reads_heic() -> bool:
    """Return whether pillow-heif is installed."""
    return find_spec("pillow_heif") is not None


def opened_heic(file: Any) -> Any:
    """Return a HEIC picture as a Pillow image of which nothing but the head is decoded.

    The first image that the file names as its main one; of 10 or 12 bits the upper 8 are read. It
    arrives turned as it is to be shown.

    Args:
        file: The file, at any place.

    Raises:
        DataError: If pillow-heif is not installed, or an image in it is too large to decode.
        Exception: Whatever pillow-heif raises of a broken file.
    """
    try:
        from pillow_heif import HeifImageFile  # not registered with Pillow, which is not ours alone
    except ImportError:
        raise DataError(
            f"is a HEIC picture, which needs the package pillow-heif: {install('heic')}, or convert"
            " it to JPEG or PNG first"
        ) from None
    file.seek(0)
    encoded = file.read(ENCODED + 1)
    if len(encoded) > ENCODED:
        raise DataError(f"is a HEIC picture of more than {ENCODED:,} bytes")
    _require_room(encoded)
    return HeifImageFile(BytesIO(encoded))


def _require_room(encoded: bytes) -> None:
    """Refuse images that are too large as they are coded: what is shown may be a small cut of one.

    libheif decodes nothing that is larger than this box says, and nothing without one.
    """
    for found in _EXTENT.finditer(encoded):
        at = found.end()
        if encoded[max(found.start() - 4, 0) : found.start()] == _LONG:
            at += 8
        if encoded[at : at + 1] != b"\0" or len(encoded) < at + _SIDES[1]:
            continue  # the same letters by chance: of another version libheif reads none
        width, height = unpack_from(">II", encoded, at + _SIDES[0])
        if width * height > PICTURE:
            raise DataError(
                f"is a picture of {width} x {height}: {width * height / 1e6:.0f} megapixels,"
                f" of at most {PICTURE // 1_000_000}"
            )
