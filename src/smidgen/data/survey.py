"""What all pictures have in common decides how each becomes bytes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from smidgen.data.catalogue import Head, Wish
from smidgen.data.errors import DataError
from smidgen.data.preprocessing import (
    CHANNELS,
    WHITE,
    Background,
    Preprocessing,
    Values,
    opaque,
)
from smidgen.sizes import counted

LARGEST_KEPT = 64  # pixels a side that are taken as they are
NARROW = 16  # pixels of the shorter side below which a picture is a window of something longer
SIDE = 32  # of the square that others are fitted to
LISTED = 3  # sizes that are told
SIZES = "pictures have the sizes"  # how the note of them begins


def decided(
    heads: Sequence[Head], wish: Wish, background: Background | None
) -> tuple[Preprocessing, list[str]]:
    """Return what all pictures go through, and what was decided unasked, in words.

    Pictures of one size keep it, as do those where it is the size of at least half, up to 64
    pixels a side, or with a side below 16 up to as many pixels. Others become 32 x 32, or smaller
    if most have sides below that. They are grey if all are.
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
                f"taken as RGB (--color grey for the contrary)"
            )
    elif len(channels) > 1 or wish.color is not None:
        found = ", ".join(str(number) for number in sorted(channels))
        raise DataError(
            f"arrays must have one number of channels, 1 or 3 if grey or RGB, got {found}"
        )
    else:
        color, count = "channels", channels.pop()
    size = wish.size or _size(heads, notes, wish)
    return (
        Preprocessing(
            *size, color, count, wish.fit or "stretch", wish.background or background or "white"
        ),
        notes,
    )


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
            f"{how[wish.fit]} to {size[0]}x{size[1]} (--image-size N or HxW for another)"
        )
    return size


def listed_sizes(sizes: Sequence[tuple[int, int, int]], most: int) -> str:
    """Return sizes for people.

    Args:
        sizes: Height, width and how many pictures have it, the most common first.
        most: That are listed; how many others there are is said.
    """
    listed = ", ".join(f"{number:,} of {height}x{width}" for height, width, number in sizes[:most])
    others = len(sizes) - most
    return listed + (f" and {counted(others, 'other size', 'other sizes')}" if others > 0 else "")


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
