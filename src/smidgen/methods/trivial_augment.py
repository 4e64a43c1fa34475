"""TrivialAugment: one change of a list, at one random strength, for every image."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import radians
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from smidgen.kernels import batch as pixels
from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch, Images

_LEVELS = 31
_ROTATION, _SHEAR, _SHIFT, _FACTOR = 30.0, 0.3, 10 / 32, 0.9  # the most of each, as theirs
_BYTE, _LUMA = 255, (0.299, 0.587, 0.114)

# Of the changed amounts, each in [-1, 1]: maps from the new image to the old one, in pixels from
# the centre; the side is that along which an image is shifted.
_Matrix = Callable[[Tensor, int, int], tuple[Tensor, ...]]
# Of values in [0, 1], and amounts of shape (n, 1, 1, 1).
_Change = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class TrivialAugment(BatchMethod):
    """Change every image by one of fourteen ways, all alike probable, and by a uniform strength.

    ``x' = f_k(x, strength m / 30)``, with ``k`` uniform among identity, rotation, shear and shift
    along either axis, brightness, contrast, colour, sharpness, posterize, solarize, autocontrast
    and equalize, ``m`` uniform in ``0 .. 30``, and a fair sign where ``f_k`` has one.

    Args:
        strength: Factor of all strengths, in (0, 1]; less than 1 for nets that the whole of it
            leaves nothing to learn.

    Raises:
        ValueError: If ``strength`` is out of its range.

    Source: Mueller & Hutter 2021, "TrivialAugment: Tuning-free Yet State-of-the-Art Data
        Augmentation", arXiv:2103.10158, sec. 3 and table 1 (the RA space: 30 degrees, 0.3, 10 of
        32 pixels, factors 0.1 to 1.9, 4 bits).
    Differs: black and white, between which values stay, are the least and the largest value of a
        channel in the batch, since images come normalised; moved images are bilinear with the mean
        pixel outside; ``strength`` is not theirs.
    """

    strength: float = 1.0

    name: ClassVar[str] = "trivial-augment"

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ValueError(f"trivial-augment strength must be in (0, 1], got {self.strength}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        count = len(batch.images)
        kinds = torch.randint(len(_MOVES) + len(_CHANGES) + 1, (count,), generator=generator)
        levels = torch.randint(_LEVELS, (count,), generator=generator) / (_LEVELS - 1)
        signs = torch.randint(2, (count,), generator=generator) * 2 - 1
        return replace(batch, images=changed(batch.images, kinds, self.strength * levels, signs))


def changed(images: Images, kinds: Tensor, levels: Tensor, signs: Tensor) -> Images:
    """Return every image changed in its own way.

    Args:
        images: Normalised.
        kinds: Of each, a place in :data:`NAMES`.
        levels: In [0, 1].
        signs: 1 or -1.
    """
    if len(images) == 0:
        return images
    amounts = (levels * signs).to(images.device)
    found = torch.empty_like(images).copy_(images)
    black, white = _ends(images)
    room = (white - black).clamp(min=1e-6)
    for kind, name in enumerate(NAMES[1:], 1):
        places = (kinds == kind).nonzero().flatten().to(images.device)
        if len(places) == 0:
            continue
        chosen, own = images[places], amounts[places]
        if name in _MOVES:
            found[places] = pixels.warp(chosen, _matrices(_MOVES[name], own, chosen))
            continue
        # in one order in memory, so that sums are the same in every one
        values = (chosen.float().contiguous() - black) / room
        values = _CHANGES[name](values, own.view(-1, 1, 1, 1)).clamp(0, 1)
        found[places] = (values * room + black).to(images.dtype)
    return found


def _ends(images: Images) -> tuple[Tensor, Tensor]:
    """Return the least and the largest value of every channel."""
    low, high = images.amin((0, 2, 3), keepdim=True), images.amax((0, 2, 3), keepdim=True)
    return low.float(), high.float()


def _matrices(move: _Matrix, amounts: Tensor, images: Images) -> Float[Tensor, "n 2 3"]:
    height, width = images.shape[2:]
    parts = torch.broadcast_tensors(*move(amounts.cpu(), height, width))
    return torch.stack(parts, 1).view(-1, 2, 3).contiguous()


def _turned(amount: Tensor, height: int, width: int) -> tuple[Tensor, ...]:
    del height, width
    angle = amount * radians(_ROTATION)
    none = torch.zeros_like(angle)
    return angle.cos(), -angle.sin(), none, angle.sin(), angle.cos(), none


def _moved(place: int, most: Callable[[int, int], float]) -> _Matrix:
    """Return the map that is the identity but for one of its numbers."""

    def move(amount: Tensor, height: int, width: int) -> tuple[Tensor, ...]:
        numbers = [torch.full_like(amount, one) for one in (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)]
        numbers[place] = amount * most(height, width)
        return tuple(numbers)

    return move


def _grey(values: Tensor) -> Tensor:
    """Return the luminance of images in colour, the mean of any other channels."""
    channels = values.shape[1]
    weights = _LUMA if channels == len(_LUMA) else (1 / channels,) * channels
    return sum(w * values[:, place : place + 1] for place, w in enumerate(weights))  # pyright: ignore


def _away(values: Tensor, other: Tensor, amount: Tensor) -> Tensor:
    """Return images as far from others as a factor of ``1 + 0.9 amount`` says."""
    return other + (1 + _FACTOR * amount) * (values - other)


def _brightness(values: Tensor, amount: Tensor) -> Tensor:
    return _away(values, torch.zeros_like(values), amount)


def _contrast(values: Tensor, amount: Tensor) -> Tensor:
    return _away(values, _grey(values).mean((2, 3), keepdim=True), amount)


def _colour(values: Tensor, amount: Tensor) -> Tensor:
    return _away(values, _grey(values), amount) if values.shape[1] > 1 else values


def _sharpness(values: Tensor, amount: Tensor) -> Tensor:
    if min(values.shape[2:]) < 3:  # noqa: PLR2004 - the filter's side
        return values
    smooth, inner = values.clone(), values[:, :, 1:-1, 1:-1]
    smooth[:, :, 1:-1, 1:-1] = (9 * F.avg_pool2d(values, 3, 1) + 4 * inner) / 13
    return _away(values, smooth, amount)


def _posterize(values: Tensor, amount: Tensor) -> Tensor:
    step = 2 ** (4 * amount.abs()).round()
    return (values * _BYTE).round().div(step).floor() * step / _BYTE


def _solarize(values: Tensor, amount: Tensor) -> Tensor:
    above = values * _BYTE >= (_BYTE + 1) * (1 - amount.abs())
    return torch.where(above, 1 - values, values)


def _autocontrast(values: Tensor, amount: Tensor) -> Tensor:
    del amount
    low, high = values.amin((2, 3), keepdim=True), values.amax((2, 3), keepdim=True)
    return torch.where(high > low, (values - low) / (high - low).clamp(min=1e-6), values)


def _equalize(values: Tensor, amount: Tensor) -> Tensor:
    del amount
    bins = (values * _BYTE).round().long().flatten(2).flatten(0, 1)
    counts = torch.zeros(len(bins), _BYTE + 1, dtype=torch.int64, device=bins.device)
    counts.scatter_add_(1, bins, torch.ones_like(bins))
    last = counts.gather(1, bins.amax(1, keepdim=True))
    step = (bins.shape[1] - last) // _BYTE
    table = ((step // 2 + counts.cumsum(1) - counts) // step.clamp(min=1)).clamp(max=_BYTE)
    even = table.gather(1, bins).view(values.shape) / _BYTE
    return torch.where((step > 0).view(*values.shape[:2], 1, 1), even, values)


_MOVES: dict[str, _Matrix] = {
    "rotation": _turned,
    "shear-x": _moved(1, lambda height, width: _SHEAR),
    "shear-y": _moved(3, lambda height, width: _SHEAR),
    "shift-x": _moved(2, lambda height, width: _SHIFT * width),
    "shift-y": _moved(5, lambda height, width: _SHIFT * height),
}
_CHANGES: dict[str, _Change] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "colour": _colour,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}
NAMES = ("identity", *_MOVES, *_CHANGES)
