"""Encoded pictures, opened within limits: the one place where strangers' pictures are decoded."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from smidgen.data.errors import DataError
from smidgen.data.heif import is_heic, opened_heic
from smidgen.data.preprocessing import (
    DAMAGED,
    DEEP,
    DEEPEST,
    IN_PYTHON,
    Values,
    pillow_heard,
    upright,
)
from smidgen.limits import ENCODED, LARGE_JPEG, PICTURE, SCANNED, content

KEPT_SIDE = 512  # pixels a side, at least, that a large JPEG is decoded to
KEPT_EACH = 8  # and pixels a side for each pixel that the net takes, at least
# Pixels a side up to which every size sees one decoded picture, whose content sets it aside.
SAME_PARTS = KEPT_SIDE // KEPT_EACH
FORMATS = (  # never EPS, which runs a program, nor formats without a signature
    *("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF"),
)
_BOXED = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1")
SIGNATURES = (  # of those but BMP, and of HEIC, which is told if its package is missing
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"),
    *(b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P5\n", b"P6\n", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    *(bytes([0, 0, 0, n]) + b"ftyp" + kind for n in range(20, 48, 4) for kind in _BOXED),
)
_BY_ROWS = ("JPEG", "MPO")  # decoded in parts, and smaller where that is enough
_OF_NUMPY = (b"\x93NUMPY", b"PK\3\4")  # .npy, and .npz as any archive
_HEADERS_OF_BMP = tuple(bytes([size]) for size in (12, 16, 40, 52, 56, 64, 108, 124))
_MARK = b"\xff"  # how a segment of a JPEG begins
_SCAN, _END = b"\xda", b"\xd9"  # kinds of them
_OF_SCAN = 10  # bytes of one, at least
# What follows in a JPEG: marks inside of a scan, and bytes that look like one, are passed over.
_SEGMENT = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
_BARE = (b"", *(bytes([kind]) for kind in (0, 1, *range(0xD0, 0xDA))))  # kinds without a length
_DEEP_GREY_AND_ALPHA = "LA;16B"  # how Pillow names a PNG's two times 16 bits a pixel


def open_picture(
    source: str | os.PathLike[str] | bytes, size: tuple[int, int] | None = None
) -> Any:
    """Return an encoded picture as a Pillow image, decoded and turned as its EXIF says.

    With a ``size``, a large JPEG is decoded to a half, a quarter or an eighth of its own, which is
    several times faster, as long as 512 pixels a side are left, and 8 for each pixel of ``size``:
    its area average stays the same to a level, or a few at the edge of black and white. Without
    one it is decoded whole, as by any other program, if it has at most 64 megapixels.

    Args:
        source: A file, or the bytes of one.
        size: Height and width that it will be fitted to.

    Raises:
        DataError: If there is no such file, it is no picture, is broken, or is too large.
    """
    encoded = source if isinstance(source, bytes) else _content(Path(source))
    image = opened(encoded)
    require_room(image)
    _require_few_scans(image)
    if size is not None and image.format in _BY_ROWS:  # of a HEIC this would be its thumbnail
        side = max(KEPT_SIDE, KEPT_EACH * max(size))
        image.draft(None, (side, side))
    if image.width * image.height > PICTURE:  # a quarter of the largest is less
        image.draft(None, (image.width // 2, image.height // 2))
    return decoded(image)


def decoded(image: Any) -> Any:
    """Return what :func:`opened` gave decoded and turned; it is of no further use itself.

    A PNG of grey and alpha with 16 bits each, of which Pillow gives the upper 8 as colours, is grey
    with all of its bits where nothing is transparent, and otherwise grey and alpha, the upper 8. So
    is one of grey with 16 bits of which one level is transparent.

    Raises:
        DataError: If what it is of is broken.
    """
    tiles = image.tile
    if not (image.format == "PNG" and tiles and tiles[0][3] == _DEEP_GREY_AND_ALPHA):
        image = loaded(image)
        if not (is_deep(image) and "transparency" in image.info):
            return image
        grey = np.asarray(image)
        return _grey_of(grey, np.where(grey == image.info["transparency"], 0, DEEPEST))
    # Four bytes a pixel, as a colour and alpha of 8 bits have: all arrive as they are.
    image.tile = [(*tile[:3], "RGBA") for tile in tiles]
    values = np.asarray(loaded(image)).view(">u2")
    return _grey_of(values[:, :, 0], values[:, :, 1])


def loaded(image: Any) -> Any:
    """Return a Pillow image decoded, and turned as its EXIF says.

    Raises:
        DataError: If what it is of is broken, or closed.
    """
    try:
        image.load()
        return upright(image)
    except Exception as error:  # decoders raise whatever a broken file leads them to
        raise DataError(_unreadable(error)) from error


def _grey_of(grey: Values, alpha: Values) -> Any:
    """Return an image of grey, or of grey and alpha, of which both have 16 bits."""
    from PIL import Image

    if (alpha == DEEPEST).all():
        return Image.fromarray(grey.astype(np.uint16))
    return Image.fromarray((np.dstack((grey, alpha)) >> 8).astype(np.uint8), "LA")


def require_room(image: Any) -> None:
    """Refuse what would take too much memory to decode.

    A JPEG from a camera is decoded row by row, so that one as large as telephones make them is
    decoded to a half of its sides, everywhere; one in several scans, as a progressive one is, lies
    in memory whole before. MPO is a JPEG followed by others, such as a preview.

    Raises:
        DataError: If it has more pixels than that, naming its sides and the limit.
    """
    pixels = image.width * image.height
    if pixels <= PICTURE:
        return
    by_rows = image.format in _BY_ROWS and _is_one_scan(image)
    most = LARGE_JPEG if by_rows else PICTURE
    if pixels > most:
        raise DataError(
            f"is a picture of {image.width} x {image.height}: {pixels / 1e6:.0f} megapixels, "
            f"of at most {most // 1_000_000}"
        )


def _require_few_scans(image: Any) -> None:
    """Refuse a JPEG whose scans take too long: some 100 bytes of one go over the whole picture."""
    if image.format not in _BY_ROWS or _is_one_scan(image):
        return
    most = SCANNED // (image.width * image.height)
    file, at = image.fp, image.fp.tell()
    if file.seek(0, os.SEEK_END) > most * _OF_SCAN:
        file.seek(0)
        if (scans := _scans(file.read(), most)) > most:
            raise DataError(
                f"is a picture of {image.width} x {image.height} in {scans:,} scans, of at most"
                f" {most:,}: save it again, as a JPEG that is not progressive"
            )
    file.seek(at)


def _scans(encoded: bytes, most: int) -> int:
    """Return how many scans a JPEG has before it ends, or any number that is not above ``most``."""
    found, scans, at = encoded.count(_MARK + _SCAN), 0, 0
    if found <= most:  # some may be of a preview, or none
        return found
    while (segment := _SEGMENT.search(encoded, at)) and segment[1] != _END:
        scans += segment[1] == _SCAN
        at = segment.end() + int.from_bytes(encoded[segment.end() : segment.end() + 2])
    return scans


def _is_one_scan(image: Any) -> bool:
    """Return whether the first scan of a JPEG holds all that there is of every channel."""
    if "progressive" in image.info:
        return False
    file, at = image.fp, image.fp.tell()
    channels = b""  # of the first scan
    file.seek(0)
    while not channels and (byte := file.read(1)):
        if byte != _MARK:  # what stands between segments is passed over, as libjpeg does
            continue
        while (kind := file.read(1)) == _MARK:
            pass
        if kind in _BARE:
            continue
        length = int.from_bytes(file.read(2))
        if kind == _SCAN:
            channels = file.read(1)
        else:
            file.seek(length - 2, os.SEEK_CUR)
    file.seek(at)
    return channels == bytes([image.layers])


def is_picture(start: bytes) -> bool:
    """Return whether a file that starts with these 16 bytes or more is a picture."""
    if start.startswith(b"BM"):  # as words do: the size of the second header follows at 14
        return start[14:15] in _HEADERS_OF_BMP and start[15:16] == b"\0"
    return start.startswith(SIGNATURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def is_deep(image: Any) -> bool:
    """Return whether the values of a Pillow image are no bytes."""
    return image.mode in DEEP


def has_pages(image: Any) -> bool:
    """Return whether a Pillow image is the first page of a TIFF of several."""
    if image.format != "TIFF":  # of a GIF and the like the first frame is what anyone shows
        return False
    try:
        with pillow_heard():  # what the tags of a page that is not read lack
            image.seek(1)
            image.seek(0)
    except Exception:  # EOFError of a lone one, or whatever a broken second one leads to
        return False
    return True


def opened(encoded: bytes | BinaryIO) -> Any:
    """Return a Pillow image of which nothing but the head is decoded.

    Args:
        encoded: A file's content, or the file, which must then stay open.

    Raises:
        DataError: If it is no picture.
    """
    from PIL import Image, UnidentifiedImageError

    file = BytesIO(encoded) if isinstance(encoded, bytes) else encoded
    file.seek(0)
    start = file.read(16)
    if not start:
        raise DataError("is an empty file")
    file.seek(0)
    try:
        with pillow_heard() as heard, _limit_of_pillow(Image):
            image = Image.open(file, formats=FORMATS)
        if any(not issubclass(of, Image.DecompressionBombWarning) for of in heard):
            image.info[DAMAGED] = True
        return image
    except UnidentifiedImageError:
        if not is_heic(start):
            raise DataError(_no_picture(start)) from None
    except Exception as error:
        raise DataError(_unreadable(error)) from error
    try:
        return opened_heic(file)
    except DataError:
        raise
    except Exception as error:  # decoders raise whatever a broken file leads them to
        raise DataError(_unreadable(error)) from error


@contextmanager
def _limit_of_pillow(module: Any) -> Generator[None]:
    """Let Pillow open what is let through here: it refuses twice as many pixels as its limit."""
    usual = module.MAX_IMAGE_PIXELS
    module.MAX_IMAGE_PIXELS = None if usual is None else max(usual, LARGE_JPEG // 2)
    try:
        yield
    finally:
        module.MAX_IMAGE_PIXELS = usual


def _content(path: Path) -> bytes:
    try:
        return content(path, ENCODED)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"cannot be read: {error}") from None


def _unreadable(error: Exception) -> str:
    return f"is no readable picture: {' '.join(str(error).split())}"


def _no_picture(encoded: bytes) -> str:
    if encoded.startswith(_OF_NUMPY):
        return f"is no picture, but may hold arrays: {IN_PYTHON}"
    return "is no readable picture: its content is of no known format"
