"""Data whose rows and columns are exchanged, as the nets of small RAM take wide images."""

from dataclasses import replace

from smidgen.data.base import Data, Split


def exchanged(data: Data) -> Data:
    """Return data with the rows and columns of every image exchanged, and said to be."""
    splits = {part: _turned(split) for part, split in data.parts.items()}
    return replace(
        data,
        train=splits["train"],
        test=splits["test"],
        validation=splits.get("validation"),
        preprocessing=data.preprocessing.exchanged,
        fingerprint="",
    )


def _turned(split: Split) -> Split:
    pixels = split.images.permute(0, 3, 2, 1).contiguous()  # n w h c
    return replace(split, images=pixels.permute(0, 3, 1, 2))
