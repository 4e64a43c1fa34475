"""What a picture goes through on its way to the net, as one value that belongs to the model."""

import threading
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar, final, get_args

import numpy as np
import numpy.typing as npt

from smidgen.data.errors import DataError
from smidgen.data.sensor import SECONDS, Sensor, are_kept, is_window, listed_names
from smidgen.limits import INPUT_CHANNELS, SIDE, is_number
from smidgen.names import LONGEST, shown
from smidgen.text import from_mapping

Array: TypeAlias = npt.NDArray[np.uint8]  # h w c
Values: TypeAlias = npt.NDArray[Any]  # h w c, or h w
Color: TypeAlias = Literal["grey", "rgb", "channels"]
Fit: TypeAlias = Literal["stretch", "crop", "pad"]
Background: TypeAlias = Literal["black", "white"]

CHANNELS = {"grey": 1, "rgb": 3}
WHITE = 255
WITH_ALPHA = 4
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")  # Pillow's modes of more than a byte
DEEPEST = 65_535
FEW_OF_DEEP = 4_096  # values of pictures of 16 bits below which few of these are in use
_MOST = 0.5  # of the values of a picture
IN_PYTHON = (
    "predict takes a file .npy or .npz of some, and smidgen.load(MODEL).predict one in Python"
)
TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
DAMAGED = "smidgen: damaged"  # in the info of a Pillow image of whose tags some cannot be read
_LISTENING = threading.Lock()  # to Pillow's warnings, whose filters are the whole process's

Turnable = TypeVar("Turnable")  # an array or a tensor


@final
@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From any picture to the bytes that a net takes.

    In this order: EXIF orientation; transparent pixels over the background; values to bytes by
    ``byte = clip(floor((value - offset) / scale + 1/2), 0, 255)``, a channel each; grey or RGB
    (``grey = (19595 red + 38470 green + 7471 blue + 32768) >> 16``); the fit.

    The fit is an area average, first along rows and rounded to bytes, then along columns. From n
    pixels to fewer, m, pixel i is the mean of those from ``(2 i n + m) // 2m`` to
    ``(2 (i + 1) n + m) // 2m``, the last left out; from n to more, it is the pixel
    ``(2 i n + n) // 2m``. The mean of k bytes is ``(sum * round(2^22 / k) + 2^21) >> 22``: the
    area average of Pillow's BOX, in integers alone, so that the bits are the same anywhere.
    ``crop`` first cuts the largest middle part of the net's proportions, ``pad`` puts the whole
    picture in the middle of the background.

    Last, if ``turned``, rows and columns are exchanged, as a matrix is transposed: the pixel in row
    i and column j comes to row j and column i. Of a picture of one row the bytes stay in order.

    Args:
        height: Of the result, in pixels.
        width: Likewise.
        color: ``channels`` is of arrays with any number of channels, which are taken as they are.
        channels: 1 if grey, 3 if RGB.
        fit: How a picture of other proportions is made to fit.
        background: What transparent pixels are composed over, and what ``pad`` adds.
        offset: The value that becomes byte 0, a channel each; empty if values are bytes already.
        scale: Values a level, likewise.
        turned: Whether rows and columns are exchanged at the end, after the fit.
        length: Moments of the windows trained on, before the fit; 0 if that is as many as the net
            takes, it is not known, or pictures are no windows.
        names: Of the channels of windows, in their order; none if nothing said them. They, the
            interval and its unit make no byte another one: two that differ in them are equal.
        interval: From a moment trained on to the next, before the fit; 0 if it is not known.
        unit: Of the interval: ``s``, ``ms``, ``us``, ``ns``, ``min`` or ``h``, or empty if it is
            not known.

    Raises:
        DataError: If a value is out of range, offset and scale or names are not one a channel, or
            what is no window has a length, names or an interval.
    """

    height: int
    width: int
    color: Color
    channels: int
    fit: Fit = "stretch"
    background: Background = "white"
    offset: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    turned: bool = False
    length: int = 0
    names: tuple[str, ...] = field(default=(), compare=False)
    interval: float = field(default=0.0, compare=False)
    unit: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name, most in (
            ("height", SIDE),
            ("width", SIDE),
            ("channels", INPUT_CHANNELS),
        ):
            value = getattr(self, name)
            if not 1 <= value <= most:
                raise DataError(f"{name} must be 1 to {most}, got {value}")
        for name, kind in (("color", Color), ("fit", Fit), ("background", Background)):
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise DataError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if CHANNELS.get(self.color, self.channels) != self.channels:
            expected = CHANNELS[self.color]
            raise DataError(f"channels of {self.color} must be {expected}, got {self.channels}")
        if len(self.offset) != len(self.scale) or len(self.scale) not in (0, self.channels):
            raise DataError(
                f"offset and scale must be {self.channels} numbers each, or none, "
                f"got {self.offset} and {self.scale}"
            )
        if not all(np.isfinite(value) for value in self.offset):
            raise DataError(f"offset must be finite, got {self.offset}")
        if not all(np.isfinite(value) and value > 0 for value in self.scale):
            raise DataError(f"scale must be > 0 and finite, got {self.scale}")
        if not 0 <= self.length <= (SIDE if self.is_window else 0):
            raise DataError(
                f"length must be 0 to {SIDE:,} of windows, which have one side of 1, and 0 of"
                f" others, got {self.length} of {self.height}x{self.width}"
            )
        self._require_sensor()

    def _require_sensor(self) -> None:
        if self.sensor != Sensor() and not self.is_window:
            raise DataError(
                "names and interval are of windows, which have one side of 1, got them of"
                f" {self.height}x{self.width}"
            )
        if len(self.names) not in (0, self.channels) or not are_kept(self.names):
            raise DataError(
                f"names must be {self.channels} of at most {LONGEST} characters, or none, got"
                f" {shown(self.names)}"
            )
        if not (np.isfinite(self.interval) and self.interval >= 0):
            raise DataError(f"interval must be >= 0 and finite, got {self.interval}")
        if self.unit not in ("", *SECONDS):
            known = ", ".join(SECONDS)
            raise DataError(f"unit must be one of {known}, or empty, got {shown(self.unit)}")

    @property
    def sensor(self) -> Sensor:
        """What is known of the sensor whose windows were trained on."""
        return Sensor(self.names, self.interval, self.unit)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that a picture is fitted to, before rows and columns are exchanged."""
        return (self.width, self.height) if self.turned else (self.height, self.width)

    @property
    def native(self) -> tuple[int, int]:
        """Height and width of the windows trained on, before the fit; of pictures its size."""
        height, width = self.size
        length = self.length or max(height, width)
        return (1, length) if height == 1 else (length, 1) if width == 1 else (height, width)

    @property
    def exchanged(self) -> "Preprocessing":
        """The same, but for rows and columns, which are exchanged where they were not."""
        return replace(self, height=self.width, width=self.height, turned=not self.turned)

    def turn(self, images: Turnable) -> Turnable:
        """Return images (... h w) as they lie, of those that the net takes; or the reverse."""
        them: Any = images
        return them.swapaxes(-2, -1) if self.turned else images

    @property
    def of_values(self) -> bool:
        """Whether what it takes may be in no picture: values that are no bytes, or channels."""
        return self.color == "channels" or bool(self.scale)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value that bytes are made of, where none are bytes already."""
        tops = [low + WHITE * step for low, step in zip(self.offset, self.scale, strict=True)]
        return min(self.offset), max(tops)

    def beyond(self, values: Values) -> float:
        """Return the share of values (h w c) that are clipped by more than a level.

        Args:
            values: That become bytes by the offset and the scale.
        """
        step = np.array(self.scale)
        low, high = np.array(self.offset), np.array(self.offset) + WHITE * step
        return float(((values < low - step) | (values > high + step)).mean())

    def is_of_another_unit(self, beyond: float, least: float, greatest: float) -> bool:
        """Return whether values seem to be in another unit than those trained on.

        Args:
            beyond: Share that is clipped.
            least: Of all.
            greatest: Likewise; if it differs by less than a level, they all become one byte.
        """
        return beyond > _MOST or least < greatest < least + min(self.scale)

    @property
    def is_window(self) -> bool:
        """Whether it takes windows of a sensor, of which one side alone is 1."""
        return is_window(self.height, self.width)

    @property
    def things(self) -> str:
        """What it takes, in a word for people: ``windows`` or ``images``."""
        return "windows" if self.is_window else "images"

    @property
    def takes_text(self) -> bool:
        """Whether it takes windows of measured values, which may be text, a line a moment."""
        return self.of_values and self.is_window

    def takes(self, height: int, width: int) -> bool:
        """Return whether an array of these sides may be fitted: the side 1 of a window is 1."""
        sides = zip(self.size, (height, width), strict=True)
        return not self.is_window or all(side == 1 for own, side in sides if own == 1)

    @property
    def text(self) -> str:
        """One line for people."""
        color = {"grey": "grey", "rgb": "RGB"}.get(self.color, f"{self.channels} channels")
        if self.channels > 1 and self.of_values and self.is_window:  # of a sensor, no colours
            color = f"{self.channels} channels"
        how = {"stretch": "stretched", "crop": "cropped", "pad": "padded"}[self.fit]
        height, width = self.size
        line = f"{color} {height}x{width}, {how}"
        if self.length:
            line += " from {}x{}".format(*self.native)
        if self.names:
            line += f", channels ({listed_names(self.names)})"
        if self.interval:
            line += f", a moment every {self.sensor.pace}"
        if not self.of_values:
            line += f", transparent over {self.background}"
        elif self.fit == "pad":
            line += f" with {self.background}"
        end = ", then rows and columns exchanged" if self.turned else ""
        if not self.scale:
            return line + end
        ranges = [
            f"{offset:g} to {offset + WHITE * scale:g}"
            for offset, scale in zip(self.offset, self.scale, strict=True)
        ]
        if len(ranges) > 1 and len(set(ranges)) == 1:
            return f"{line}, values {ranges[0]} in each channel{end}"
        return f"{line}, values {', '.join(ranges)}{end}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; the last five only where they say something.

        Older versions, which do not know them, read the others.
        """
        form = asdict(self)
        for name in ("turned", "length", "names", "interval", "unit"):
            if not form[name]:
                del form[name]
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in form.items()
        }

    @staticmethod
    def from_dict(form: Any) -> "Preprocessing":
        """Return the value that ``to_dict`` gave; everything in it is checked.

        Raises:
            DataError: If a key is missing or unknown, or a value is not what it must be.
        """
        if not isinstance(form, Mapping):
            raise DataError(f"preprocessing must be a table, got {form!r}")
        values = {
            name: tuple(float(n) if is_number(n) else n for n in value)
            if isinstance(value, list)
            else value
            for name, value in form.items()
        }
        try:
            return from_mapping(Preprocessing, values, "preprocessing")
        except ValueError as error:
            raise DataError(str(error)) from None

    def pixels(self, picture: Any) -> Array:
        """Return a picture as the bytes that the net takes, h w c.

        Args:
            picture: A Pillow image, or an array h w or h w c: of bytes, or of any numbers where
                the preprocessing has an offset and a scale.

        Raises:
            DataError: If it has other channels, or numbers that are no bytes and none are known.
        """
        if isinstance(picture, np.ndarray):
            return fitted(self._of_array(picture), self)
        return fitted(self._of_image(upright(picture)), self)

    def _of_image(self, image: Any) -> Array:
        if self.color == "channels":
            raise DataError(
                f"the net takes arrays of {self.channels} channels, got a picture: {IN_PYTHON}"
            )
        if self.scale:
            if image.mode not in DEEP:
                raise DataError(
                    f"pictures must have more than 8 bits, with values as in {self.text}, "
                    f"got one of mode {image.mode}; of arrays, {IN_PYTHON}"
                )
            return self._of_array(np.asarray(image))
        if image.mode in DEEP:
            image = shallow(image)
        image = opaque(image, self.background)
        wanted = "L" if self.color == "grey" else "RGB"
        return with_channels(np.asarray(image if image.mode == wanted else image.convert(wanted)))

    def _of_array(self, array: Values) -> Array:
        if array.dtype.kind not in "buif":
            raise DataError(f"an array must hold real numbers, got {array.dtype}")
        values = with_channels(array)
        if self.scale:
            return to_bytes(self._with_our_channels(values), self.offset, self.scale)
        if values.dtype != np.uint8:
            raise DataError(f"an array must hold bytes (uint8), got {values.dtype}")
        if self.color != "channels" and values.shape[2] in (2, 3, WITH_ALPHA):
            from PIL import Image

            mode = {2: "LA", 3: "RGB", WITH_ALPHA: "RGBA"}[values.shape[2]]
            return self._of_image(Image.fromarray(np.ascontiguousarray(values), mode))
        return self._with_our_channels(values)

    def _with_our_channels(self, values: Values) -> Values:
        if values.shape[2] == 1 and self.color == "rgb":
            return values.repeat(self.channels, axis=2)
        if values.shape[2] != self.channels:
            raise DataError(
                f"an array must be height x width x {self.channels}, got "
                f"{' x '.join(str(side) for side in values.shape)}"
            )
        return values


@contextmanager
def pillow_heard() -> Generator[list[type[Warning]]]:
    """Keep what Pillow warns of, which names no file, from being shown; yield it by its kinds.

    One thread at a time: nothing slow belongs in here. What others warn of meanwhile is shown.
    """
    heard: list[type[Warning]] = []
    with _LISTENING, warnings.catch_warnings():
        shown, own = warnings.showwarning, threading.get_ident()

        def hear(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if threading.get_ident() == own:
                heard.append(category)
            else:
                shown(message, category, *where)

        warnings.showwarning = hear
        warnings.filterwarnings("always", module=r"PIL\.")
        yield heard


def upright(image: Any) -> Any:
    """Return an image turned and mirrored as its EXIF orientation says."""
    from PIL import ImageOps

    if _orientation(image) == 1:
        return image
    with pillow_heard() if image.info.get(DAMAGED) else nullcontext():  # it reads them again
        return ImageOps.exif_transpose(image)


def _orientation(image: Any) -> int:
    """Return the EXIF orientation of a Pillow image, marked as damaged where tags are."""
    from PIL import ExifTags

    if image.format == "PNG" and "exif" not in image.info:  # decoded whole to look for it
        image.load()
    with pillow_heard() as heard:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    if heard:
        image.info[DAMAGED] = True
    return found


def upright_size(image: Any) -> tuple[int, int]:
    """Return the height and width that an image has once it is upright."""
    turned = _orientation(image) in TURNED
    turned = turned and image.format != "TIFF"  # which Pillow turns itself
    return (image.width, image.height) if turned else (image.height, image.width)


def with_channels(array: Values) -> Values:
    """Return an array h w, or h w c, as h w c.

    Raises:
        DataError: If it is neither, or empty.
    """
    if array.ndim not in (2, 3) or 0 in array.shape:
        sides = " x ".join(str(side) for side in array.shape)
        raise DataError(f"an array must be height x width (x channels), got {sides or 'a number'}")
    return array if array.ndim == 3 else array[:, :, None]  # noqa: PLR2004


def to_bytes(values: Values, offset: tuple[float, ...], scale: tuple[float, ...]) -> Array:
    """Return numbers as bytes, a channel each: see :class:`Preprocessing`.

    Raises:
        DataError: If one is not finite.
    """
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise DataError("an array must hold finite numbers, got NaN or infinity")
    levels = np.floor((numbers - np.array(offset)) / np.array(scale) + 0.5)
    return levels.clip(0, WHITE).astype(np.uint8)


def shallow(image: Any) -> Any:
    """Return an image of 16 bits as one of 8, by the range of its format.

    Raises:
        DataError: If its values are no 16 bits.
    """
    from PIL import Image

    if image.mode == "F":
        raise DataError("must have pixels of 8 or 16 bits, got floating-point numbers")
    deep = np.asarray(image).astype(np.int64)
    if deep.min() < 0 or deep.max() > DEEPEST:
        raise DataError(f"must have pixels of at most 16 bits, got {deep.min()}..{deep.max()}")
    return Image.fromarray(((deep * WHITE + DEEPEST // 2) // DEEPEST).astype(np.uint8))


def opaque(image: Any, background: Background) -> Any:
    """Return an image of mode L or RGB, transparent pixels composed over the background."""
    if image.mode in ("L", "RGB") and not image.has_transparency_data:
        return image  # most are
    from PIL import Image

    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, background), clear)
    return image.convert("L" if grey else "RGB")


def fitted(pixels: Array, to: Preprocessing) -> Array:
    """Return bytes h w c at the size of ``to``, by its fit; turned if it says so."""
    if to.turned:
        return np.ascontiguousarray(fitted(pixels, to.exchanged).swapaxes(0, 1))
    height, width = pixels.shape[:2]
    if (height, width) == (to.height, to.width):
        return np.ascontiguousarray(pixels)
    if to.fit == "crop":
        tall = min(height, max(1, (2 * width * to.height + to.width) // (2 * to.width)))
        wide = min(width, max(1, (2 * height * to.width + to.height) // (2 * to.height)))
        top, left = (height - tall) // 2, (width - wide) // 2
        return averaged(pixels[top : top + tall, left : left + wide], to.height, to.width)
    if to.fit == "pad":
        tall = min(to.height, max(1, (2 * height * to.width + width) // (2 * width)))
        wide = min(to.width, max(1, (2 * width * to.height + height) // (2 * height)))
        top, left = (to.height - tall) // 2, (to.width - wide) // 2
        level = 0 if to.background == "black" else WHITE
        around = np.full((to.height, to.width, pixels.shape[2]), level, np.uint8)
        around[top : top + tall, left : left + wide] = averaged(pixels, tall, wide)
        return around
    return averaged(pixels, to.height, to.width)


def averaged(pixels: Array, height: int, width: int) -> Array:
    """Return bytes h w c at another size, by the area average of :class:`Preprocessing`."""
    from PIL import Image

    tall, wide, channels = pixels.shape
    if (tall, wide) == (height, width):
        return pixels

    # One direction at a time, since Pillow begins with the one that is less work. It finds its
    # windows in floating-point numbers, where a border halfway between two pixels falls on either
    # side: a box that begins a little later makes it the later one.
    def resized(plane: Array) -> Array:
        image = Image.fromarray(np.ascontiguousarray(plane))
        box = Image.Resampling.BOX
        image = image.resize((width, tall), box, (0.25 / width, 0, wide, tall))
        return np.asarray(image.resize((width, height), box, (0, 0.25 / height, width, tall)))

    if channels == CHANNELS["rgb"]:
        return resized(pixels)
    return np.stack([resized(pixels[:, :, c]) for c in range(channels)], axis=2)
