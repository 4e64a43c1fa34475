"""Flip: show some images as in a mirror."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from smidgen.kernels import batch as pixels
from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class Flip(BatchMethod):
    """Exchange left and right in some images: ``x'[i, j] = x[i, width - 1 - j]``.

    Not for images whose class depends on the side, such as digits.

    Args:
        probability: That an image is flipped, each on its own; in (0, 1].

    Raises:
        ValueError: If ``probability`` is out of its range.

    Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural
        Networks", sec. 4.1.
    """

    probability: float = 0.5

    name: ClassVar[str] = "flip"

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError(f"flip probability must be in (0, 1], got {self.probability}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        flipped = torch.rand(len(batch.images), generator=generator) < self.probability
        return replace(batch, images=pixels.flip(batch.images, flipped))
