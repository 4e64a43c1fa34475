"""Corruptions of light, place and file: brightness, contrast, elastic, pixelate, JPEG."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from smidgen.robust.drawing import Floats, Number, mapped, sampled, smoothed


def brightness(x: Floats, unit: Number, random: np.random.Generator, more: Number) -> Floats:
    """Add to the value of hue, saturation and value."""
    value = x.max(-1, keepdims=True)
    raised = np.clip(value + np.float32(more), 0, 1)
    return np.where(value > 0, x * raised / np.maximum(value, np.float32(1e-6)), raised)


def contrast(x: Floats, unit: Number, random: np.random.Generator, factor: Number) -> Floats:
    """Bring every value closer to the mean of its channel."""
    mean = x.mean((1, 2), keepdims=True)
    return (x - mean) * np.float32(factor) + mean


def elastic_transform(
    x: Floats, unit: Number, random: np.random.Generator,
    strength: Number, sigma: Number, slant: Number,
) -> Floats:  # fmt: skip
    """Move three points of the picture at random, and every pixel by a smooth random field.

    ``strength``, ``sigma`` and ``slant`` are shares of the side: of the field, of its smoothness
    and of the movement of the points.
    """
    count, height, width, _ = x.shape
    side, middle = min(height, width), np.array([height // 2, width // 2])
    third = side // 3
    here = middle + third * np.array([[1, 1], [1, -1], [-1, -1]])
    there = here + random.uniform(-slant * side, slant * side, (count, 3, 2))
    ones = np.ones((count, 3, 1))
    back = np.linalg.solve(np.concatenate([there, ones], 2), np.broadcast_to(here, there.shape))
    x = mapped(x, back.transpose(0, 2, 1), "mirror")
    if not strength:
        return x
    fields = random.uniform(-1, 1, (2 * count, height, width)).astype(np.float32)
    fields = smoothed(fields, sigma * side, "reflect", 3.0) * np.float32(strength * side)
    rows = np.arange(height, dtype=np.float32)[:, None] + fields[:count]
    columns = np.arange(width, dtype=np.float32) + fields[count:]
    return sampled(x, rows, columns, "reflect")


def pixelate(x: Floats, unit: Number, random: np.random.Generator, share: Number) -> Floats:
    """Shrink the picture to a share of its sides, and enlarge it again, by boxes."""
    height, width = x.shape[1:3]
    small = (max(1, int(width * share)), max(1, int(height * share)))

    def change(picture: Image.Image) -> Image.Image:
        return picture.resize(small, Image.Resampling.BOX).resize(
            (width, height), Image.Resampling.BOX
        )

    return _one_by_one(x, change)


def jpeg_compression(x: Floats, unit: Number, random: np.random.Generator, quality: int) -> Floats:
    """Write the picture as a JPEG of ``quality`` and read it again."""

    def change(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _one_by_one(x, change)


def _one_by_one(x: Floats, change: Callable[[Image.Image], Image.Image]) -> Floats:
    bytes_ = np.rint(x * 255).astype(np.uint8)
    pictures = bytes_[..., 0] if x.shape[-1] == 1 else bytes_
    changed = [np.asarray(change(Image.fromarray(picture))) for picture in pictures]
    return np.stack(changed).reshape(x.shape).astype(np.float32) / np.float32(255)
