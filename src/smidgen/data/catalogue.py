"""The small description that every layout turns its files into: pictures, labels, parts."""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast, final

from smidgen.data.decode import decoded, has_pages, is_deep, open_picture, opened, require_room
from smidgen.data.errors import DataError
from smidgen.data.preprocessing import (
    DAMAGED,
    Background,
    Color,
    Fit,
    Preprocessing,
    Values,
    upright_size,
)
from smidgen.data.sensor import UNKNOWN, Sensor
from smidgen.data.sizes import ImageSize, checked_size
from smidgen.limits import SIDE

TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")
PNG = b"\x89PNG\r\n\x1a\n"
_BYTE = 8  # bits
_DEEP_GREY_AND_ALPHA = b"\x10\x04"
_DEEP = b"\x10"  # how a PNG of 16 bits says that it is one
_HEAD = 4_096  # bytes in which a PNG says all that `head` asks, or else it is opened
_CHUNK = struct.Struct(">I4s8s")  # of a PNG: its length, its kind, and how it begins
_CHUNKS = 100_000  # of one PNG that are looked at: many hold 8 kB of pixels each
_MORE = (b"tRNS", b"eXIf")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PROFILES = (b"Raw prof", b"XML:com.")  # EXIF as text, and XMP


class Head(NamedTuple):
    """What a picture says of itself before it is decoded."""

    height: int
    width: int
    channels: int  # 1 if it is grey, 3 if it has colours, or those of an array
    deep: bool = False  # whether its values are no bytes
    alpha: bool = False  # whether pixels may be transparent
    coarse: bool = False  # whether it has 16 bits a channel, of which 8 are read
    pages: bool = False  # whether it is the first of several
    damaged: bool = False  # whether tags, such as how it is turned, cannot be read


class Pictures(ABC):
    """Pictures by number, not decoded yet."""

    __slots__ = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def where(self, number: int) -> str:
        """Return the name of a picture, for people."""

    def file(self, number: int) -> Path | None:
        """Return the file that holds a picture alone, or the moments that it is made of."""
        return None

    @abstractmethod
    def head(self, number: int) -> Head:
        """Return what a picture says of itself.

        Raises:
            DataError: If it is none.
        """

    @abstractmethod
    def picture(self, number: int, size: tuple[int, int] | None) -> Any:
        """Return a picture as a Pillow image or an array h w c; see :func:`open_picture`.

        Raises:
            DataError: If it is none.
        """


@final
@dataclass(frozen=True, slots=True)
class Files(Pictures):
    """Pictures that are a file each."""

    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def where(self, number: int) -> str:
        return str(self.paths[number])

    def file(self, number: int) -> Path | None:
        return self.paths[number]

    def head(self, number: int) -> Head:
        try:
            with self.paths[number].open("rb") as file:
                start = file.read(_HEAD)
                return _head(start, file) or _opened_head(file, start)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror or error}") from error

    def picture(self, number: int, size: tuple[int, int] | None) -> Any:
        return open_picture(self.paths[number], size)


@final
@dataclass(frozen=True, slots=True)
class Encoded(Pictures):
    """Pictures that are the content of a file each, in memory; None where there is none."""

    contents: Sequence[bytes | None]
    names: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.contents)

    def where(self, number: int) -> str:
        return self.names(number)

    def head(self, number: int) -> Head:
        content = self._content(number)
        start = content[:_HEAD]
        return _head(start, BytesIO(content)) or _opened_head(content, start)

    def picture(self, number: int, size: tuple[int, int] | None) -> Any:
        return open_picture(self._content(number), size)

    def _content(self, number: int) -> bytes:
        content = self.contents[number]
        if content is None:
            raise DataError("is no readable picture: there is none")
        return content


@final
@dataclass(frozen=True, slots=True)
class Arrays(Pictures):
    """Pictures that are numbers: n h w c; ``paths`` if each is of a file."""

    values: Values
    names: Callable[[int], str]
    paths: Sequence[Path] = ()

    def __len__(self) -> int:
        return len(self.values)

    def where(self, number: int) -> str:
        return self.names(number)

    def file(self, number: int) -> Path | None:
        return self.paths[number] if self.paths else None

    def head(self, number: int) -> Head:
        height, width, channels = self.values.shape[1:]
        return Head(height, width, channels, self.values.dtype.kind != "u" or self._wide())

    def picture(self, number: int, size: tuple[int, int] | None) -> Any:
        return self.values[number]

    def _wide(self) -> bool:
        return self.values.dtype.itemsize > 1


@final
@dataclass(frozen=True, slots=True)
class Part:
    """Pictures, the names of their classes and of their groups; a label of None is hidden."""

    pictures: Pictures
    labels: Sequence[str | None]
    groups: Sequence[str | None] = ()


@final
@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that a source holds.

    Args:
        parts: By name, of ``PARTS``.
        classes: In their order, if the source has one; otherwise they are sorted.
        notes: What was left out, or decided, in words.
        sensor: That windows are of, as far as it is known.
    """

    parts: Mapping[str, Part]
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sensor: Sensor = UNKNOWN


@final
@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of the data beside where they are; None and nothing leave it to the data.

    Args:
        size: Height and width.
        color: ``grey`` or ``rgb``.
        fit: How other proportions are made to fit.
        background: What transparent pixels are composed over.
        preprocessing: All of that, as a run has it already.
        classes: Of a run, in its order: labels are matched to them by name, and data without a
            training part are taken, to judge the run on.
        other_classes: Whether those that the run does not know are taken behind them, too.
        image_column: Of tables.
        label_column: Of tables.
        skip_broken: Whether pictures that cannot be read are left out and told.
        group_by: The column or array that names what belongs together, or one of ``groups.WAYS``.
        window: Moments of the windows that recordings of a sensor are cut into.
    """

    size: tuple[int, int] | None = None
    color: Color | None = None
    fit: Fit | None = None
    background: Background | None = None
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
    image_column: str | None = None
    label_column: str | None = None
    skip_broken: bool = False
    group_by: str | None = None
    window: int | None = None
    other_classes: bool = False


def asked_for(
    *,
    image_size: ImageSize = None,
    color: str | None = None,
    fit: str | None = None,
    preprocessing: Preprocessing | None = None,
    **others: Any,
) -> Wish:
    """Return what was asked for, checked; ``others`` are fields of the wish.

    Raises:
        DataError: If a value is none that is known, or contradicts another one.
    """
    if preprocessing is not None and (image_size or color or fit):
        raise DataError(f"the size and colour are those of the run, {preprocessing.text}")
    for what, value, known in (
        ("color", color, ("grey", "rgb")),
        ("fit", fit, ("stretch", "crop", "pad")),
    ):
        if value is not None and value not in known:
            raise DataError(f"{what} must be one of {', '.join(known)}, got {value!r}")
    window = others.get("window")
    if window is not None and not (isinstance(window, int) and 1 < window <= SIDE):
        raise DataError(f"window must be 2 to {SIDE:,} moments, got {window!r}")
    size = checked_size(image_size)
    chosen = cast("Color | None", color), cast("Fit | None", fit)
    return Wish(size, *chosen, preprocessing=preprocessing, **others)


def _head(start: bytes, file: BinaryIO) -> Head | None:
    """Return what the first bytes of a plain PNG say; most small pictures are that."""
    if not start.startswith(PNG) or b"IDAT" not in start:
        return None
    width, height, depth, kind = struct.unpack(">IIBB", start[16:26])
    plain = depth == 8 and kind in (0, 2) and 0 not in (width, height)  # noqa: PLR2004 - grey, RGB
    if not plain or _says_more(file):
        return None
    return Head(height, width, 1 if kind == 0 else 3)


def _says_more(file: BinaryIO) -> bool:
    """Return whether a PNG may be turned or transparent: a chunk behind the pixels may say it, too.

    What is broken says no more: it is told when it is decoded.
    """
    at = len(PNG)
    for _ in range(_CHUNKS):
        file.seek(at)
        said = file.read(_CHUNK.size)
        if len(said) < _CHUNK.size:  # the last one, which is shorter, or the end of what is broken
            return False
        length, kind, text = _CHUNK.unpack(said)
        if kind in _MORE or (kind in _TEXTS and text.startswith(_PROFILES)):
            return True
        at += length + 12  # with the length itself, the kind and a check
    return False


def _opened_head(source: Any, start: bytes) -> Head:
    image = opened(source)
    require_room(image)  # Pillow decodes a PNG whole to look for what says that it is turned
    of_png = start[24:26] if start.startswith(PNG) else b""  # bits a channel, and which channels
    deep_and_clear = is_deep(image) and image.has_transparency_data
    # Only its pixels say whether any is transparent.
    if of_png == _DEEP_GREY_AND_ALPHA or deep_and_clear:
        image = decoded(image)
    height, width = upright_size(image)
    grey = image.mode in ("1", "L", "LA", "La") or is_deep(image)
    coarse = (of_png.startswith(_DEEP) and not is_deep(image)) or (
        not grey and image.format == "TIFF" and _bits_of_tiff(image) > _BYTE
    )
    clear = image.has_transparency_data
    own = (is_deep(image), clear, coarse, has_pages(image), DAMAGED in image.info)
    return Head(height, width, 1 if grey else 3, *own)


def _bits_of_tiff(image: Any) -> int:
    """Return how many bits a channel of a TIFF has in its file."""
    from PIL import TiffImagePlugin

    return max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
