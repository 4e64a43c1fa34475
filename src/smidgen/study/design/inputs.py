"""The sizes at which a design may look at its images, where what they cost binds."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from smidgen.data.arrays import KEPT
from smidgen.data.sensor import is_window
from smidgen.layers import Shape
from smidgen.study.design.budget import Budget
from smidgen.study.job import Origin

_SHARES = (1.0, 2 / 3, 1 / 2, 1 / 3, 1 / 4)  # of a side
_LEAST = 16  # pixels of the longer side of an image that is shrunk
_FROM = 40  # pixels of the longer side from which images are shrunk at all
_LARGER = (48, 64)  # pixels a side, tried where pictures were shrunk to less
_EVEN = 4  # pixels in which sides are counted
_BINDING = {"ram", "macs", "latency"}  # what the size of an image decides
_COUNTED = 16  # sides below are counted one by one


@dataclass(frozen=True, slots=True)
class Input:
    """Images as a net sees them.

    Args:
        origin: That loads them so; ``None`` is the design's own.
        shape: Of an image.
        told: For people, empty if they are the design's own.
    """

    origin: Origin | None
    shape: Shape
    told: str


def inputs(
    origin: Origin,
    shape: Shape,
    budget: Budget,
    most: int,
    *,
    shrunk: bool = False,
    values: bool = False,
) -> list[Input]:
    """Return how images may be looked at: as they are first, then at other sizes, then in grey.

    Only where RAM, MACs or latency bind, where no size was asked for, and not of arrays. Each size
    is tried in colour and in grey; the last sizes are left out where that were too many.

    Args:
        origin: Of the images; its size, if it has one, was asked for.
        shape: That they have.
        budget: To be met.
        most: Ways that there may be, >= 1.
        shrunk: Whether the pictures are larger than the images.
        values: Whether they are values that are no bytes, or channels, of which there is no grey.
    """
    found = [Input(None, shape, "")]
    if origin.image_size is not None or not _BINDING & budget.limits.keys():
        return found
    if origin.name.startswith(KEPT):  # arrays are had in one size
        return found
    sizes = [(side, side) for side in _LARGER] if shrunk else []
    if max(shape.height, shape.width) >= _FROM:
        sizes += _sizes(shape)
    for height, width in dict.fromkeys(sizes):
        if (height, width) == (shape.height, shape.width):
            continue  # as they are, once more
        smaller = Shape(shape.channels, height, width)
        at = replace(origin, image_size=f"{height}x{width}")
        found.append(Input(at, smaller, sides_told(smaller)))
    coloured = shape.channels == 3 and not values  # noqa: PLR2004 - red, green, blue
    if len(found) == 1 or not coloured or origin.color is not None:
        return found[:most]
    pairs = chain.from_iterable((one, _grey(origin, one.shape)) for one in found)
    return sorted(list(pairs)[:most], key=lambda one: one.shape.channels == 1)


def sides_told(shape: Shape) -> str:
    """Return how large images are, for people; windows of a sensor have moments."""
    if is_window(shape.height, shape.width):
        return f"{max(shape.height, shape.width)} moments"
    return f"{shape.height} x {shape.width} pixels"


def _grey(origin: Origin, shape: Shape) -> Input:
    height, width = shape.height, shape.width
    at = replace(origin, image_size=f"{height}x{width}", color="grey")
    return Input(at, Shape(1, height, width), f"{height} x {width} grey pixels")


def _sizes(shape: Shape) -> Iterator[tuple[int, int]]:
    for share in _SHARES[1:]:
        sides = tuple(_side(side, share) for side in (shape.height, shape.width))
        if max(sides) >= _LEAST:
            yield sides[0], sides[1]


def _side(side: int, share: float) -> int:
    if side < _COUNTED:
        return max(1, round(side * share))
    return max(_EVEN, _EVEN * round(side * share / _EVEN))
