"""What all pictures have in common decides how each becomes bytes."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from smidgen.data.catalogue import Head, Wish
from smidgen.data.errors import DataError
from smidgen.data.preprocessing import (
    CHANNELS,
    DEEPEST,
    FEW_OF_DEEP,
    WHITE,
    Background,
    Preprocessing,
    Values,
    opaque,
)

LARGEST_KEPT = 64  # pixels a side that are taken as they are
NARROW = 16  # pixels of the shorter side below which a picture is a window of something longer
SIDE = 32  # of the square that others are fitted to
LISTED = 3  # sizes that are told
LEVELS = 16  # of 256, that nearly all pictures have at least
_FEW = 20  # one of so many pictures is a few
_ALIKE = 1 / 4  # of the range of all, that each colour has at least
SIZES = "pictures have the sizes"  # how the note of them begins


def decided(
    heads: Sequence[Head], wish: Wish, background: Background | None
) -> tuple[Preprocessing, list[str]]:
    """Return what all pictures go through, and what was decided unasked, in words.

    Pictures of one size keep it, as do those where it is the size of at least half, up to 64
    pixels a side, or with a side below 16 up to as many pixels. Others become 32 x 32, or smaller
    if most have sides below that. They are grey if all are.

    Raises:
        DataError: If arrays have several numbers of channels, or a color is asked of channels that
            are neither grey nor RGB.
    """
    if wish.preprocessing is not None:
        return wish.preprocessing, []
    notes: list[str] = []
    channels = {head.channels for head in heads}
    if channels <= set(CHANNELS.values()):
        color = wish.color or ("grey" if channels == {1} else "rgb")
        count = CHANNELS[color]
        if len(channels) > 1 and wish.color is None:
            grey = sum(head.channels == 1 for head in heads)
            notes.append(
                f"{grey:,} of {len(heads):,} pictures are grey, the others in colour: all are "
                f"taken as RGB (--color grey, or color=, for the contrary)"
            )
    elif len(channels) > 1 or wish.color is not None:
        found = ", ".join(str(number) for number in sorted(channels))
        raise DataError(
            f"arrays must have one number of channels, 1 or 3 if grey or RGB, got {found}"
        )
    else:
        color, count = "channels", channels.pop()
    size = wish.size or _size(heads, notes, wish)
    how = Preprocessing(
        *size, color, count, wish.fit or "stretch", wish.background or background or "white"
    )
    return replace(how, length=_length(heads, how)), notes


def _length(heads: Sequence[Head], how: Preprocessing) -> int:
    """Return how many moments all windows have; 0 where :class:`Preprocessing` has none."""
    sizes = {(head.height, head.width) for head in heads}
    if len(sizes) != 1 or not how.is_window:
        return 0
    own = sizes.pop()
    return max(own) if own != how.size and how.takes(*own) else 0


def _size(heads: Sequence[Head], notes: list[str], wish: Wish) -> tuple[int, int]:
    sizes = Counter((head.height, head.width) for head in heads)
    common, count = sizes.most_common(1)[0]
    is_small = max(common) <= LARGEST_KEPT or (
        min(common) < NARROW and common[0] * common[1] <= LARGEST_KEPT**2
    )
    if is_small and 2 * count >= len(heads):
        size = common
    else:
        middle = int(np.median([min(head.height, head.width) for head in heads]))
        size = (min(SIDE, middle), min(SIDE, middle))
    if len(sizes) > 1 or size != common:
        listed = listed_sizes([(*side, number) for side, number in sizes.most_common()], LISTED)
        how = {None: "stretched", "stretch": "stretched", "crop": "cropped", "pad": "padded"}
        notes.append(
            f"{SIZES} (height x width) {listed}: each is "
            f"{how[wish.fit]} to {size[0]}x{size[1]} (--image-size N or HxW, or image_size=, for "
            "another)"
        )
    return size


def listed_sizes(sizes: Sequence[tuple[int, int, int]], most: int) -> str:
    """Return sizes for people.

    Args:
        sizes: Height, width and how many pictures have it, the most common first.
        most: That are listed; of more the least and the greatest area are named, what the picture
            in the middle has, and the most common one if it is not the only one of its size.
    """
    if len(sizes) <= most:
        return ", ".join(f"{number:,} of {height}x{width}" for height, width, number in sizes)
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    before = list(accumulate(number for _, _, number in by_area))
    middle = by_area[bisect_left(before, before[-1] / 2)]
    least, median, greatest = (f"{of[0]}x{of[1]}" for of in (by_area[0], middle, by_area[-1]))
    height, width, number = sizes[0]
    often = f", most often {height}x{width} ({number:,} pictures)" if number > 1 else ""
    return f"{least} to {greatest}, median {median}, {len(sizes):,} in all{often}"


def whiter(image: Any) -> float:
    """Return how much more contrast a transparent picture has over white than over black."""
    white, black = (
        float(np.asarray(opaque(image, over).convert("L")).std()) for over in ("white", "black")
    )
    return white - black


def value_range(lowest: Values, highest: Values) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the offset and the scale, a channel each, that make bytes of values.

    Args:
        lowest: Of each channel.
        highest: Likewise.
    """
    whole = lowest.dtype.kind in "uib"
    offsets: list[float] = []
    scales: list[float] = []
    for low, high in zip(lowest.tolist(), highest.tolist(), strict=True):
        if whole and low >= 0 and high <= WHITE:  # bytes that are stored as larger numbers
            low, high = 0, WHITE
        elif not whole and low >= 0 and high <= 1:
            low, high = 0, 1
        offsets.append(float(low))
        scales.append((float(high) - float(low)) / WHITE or 1.0)
    return tuple(offsets), tuple(scales)


def unlike(lows: Sequence[Values], highs: Sequence[Values]) -> str:
    """Return why three channels are no colours, in words; nothing if they may be.

    Colours are in one unit: none of them takes under a quarter of what all of them do, unless they
    are 0 to 1 or 0 to 255, where a range of their own is the same.
    """
    if any(len(low) != CHANNELS["rgb"] for low in lows):
        return ""
    lowest, highest = np.stack(lows).min(axis=0), np.stack(highs).max(axis=0)
    spans = highest.astype(np.float64) - lowest.astype(np.float64)
    ranges = zip(*value_range(lowest, highest), strict=True)
    whole = float(highest.max()) - float(lowest.min())
    if len(set(ranges)) == 1 or spans.min() >= whole * _ALIKE:
        return ""
    least, most = int(spans.argmin()), int(spans.argmax())
    return (
        f"channel {least} spans {spans[least]:g} and channel {most} {spans[most]:g}: they are no"
        f" colours but channels with a range each (--color rgb, or color=, for one range)"
    )


def far_off(
    lows: Sequence[Values],
    highs: Sequence[Values],
    scale: Sequence[float],
    where: Callable[[int], str],
) -> list[str]:
    """Return a note where a few training pictures take nearly all of a range from the others.

    Args:
        lows: The least value of each channel, a picture each.
        highs: Likewise the greatest.
        scale: Values a level, a channel each.
        where: Names the picture of a place.
    """
    few = max(1, len(lows) // _FEW)
    if len(lows) <= 2 * few:
        return []
    low, high = np.stack(lows).astype(np.float64), np.stack(highs).astype(np.float64)
    bottom, top = np.sort(low, axis=0)[few], np.sort(high, axis=0)[-1 - few]
    whole, kept = high.max(axis=0) - low.min(axis=0), top - bottom
    lost = (kept > 0) & (kept * LEVELS < whole)
    if not lost.any():
        return []
    channel = int(np.where(lost, whole / np.maximum(kept, np.finfo(float).tiny), 0).argmax())
    above, below = high[:, channel] - top[channel], bottom[channel] - low[:, channel]
    up = above.max() >= below.max()
    place = int((above if up else below).argmax())
    value = (high if up else low)[place, channel]
    levels = int(kept[channel] / scale[channel]) + 1
    of = f" in channel {channel}" if low.shape[1] > 1 else ""
    return [
        f"{where(place)} has the value {value:g}{of}, where nearly all others have"
        f" {bottom[channel]:g} to {top[channel]:g}: these become {levels} of 256 levels, unless it"
        " is mended or left out"
    ]


def few_bits(highs: Sequence[Values]) -> list[str]:
    """Return a note of pictures of 16 bits, if few of these are in use, by their greatest value."""
    greatest = max((int(high.max()) for high in highs), default=0)
    if not 0 < greatest < FEW_OF_DEEP:
        return []
    return [
        f"the greatest value of pictures of more than 8 bits is {greatest:,}, which is"
        f" {round(greatest * WHITE / DEEPEST)} of 255 by the range of 16 bits, nearly black:"
        " convert them to 8 bits first"
    ]


def another_unit(
    part: str, beyond: float, lows: Sequence[Values], highs: Sequence[Values], how: Preprocessing
) -> list[str]:
    """Return a note if the values of a part seem to be in another unit than those trained on.

    Args:
        part: Its name; empty if all are judged.
        beyond: Share of its values that is clipped.
        lows: The least value of each channel, a picture each.
        highs: Likewise the greatest.
        how: What they go through.
    """
    least = min(float(low.min()) for low in lows)
    greatest = max(float(high.max()) for high in highs)
    if not how.is_of_another_unit(beyond, least, greatest):
        return []
    low, high = how.range
    clipped = f"{100 * beyond:.0f} % of them are clipped"
    pictures = f"{part} pictures" if part else "pictures"
    return [
        f"the values of the {pictures}, {least:g} to {greatest:g}, seem to be in another unit than"
        f" those trained on, {low:g} to {high:g}: {clipped if beyond else 'all become one level'}"
    ]
