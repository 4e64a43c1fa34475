"""Cutout: hide a square of every image."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from smidgen.kernels import batch as pixels
from smidgen.limits import SIDE, require_at_most
from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class Cutout(BatchMethod):
    """Set a square of every image to 0, the mean pixel.

    ``x'[i, j] = 0`` where ``a - length // 2 <= i < a - length // 2 + length``, likewise for ``j``
    and ``b``. The centre ``(a, b)`` is uniform over all pixels and drawn for every image; what
    lies outside the image is clipped, so that squares at the border are smaller.

    Args:
        length: Side of the square in pixels; 1 to 65,535.

    Raises:
        ValueError: If ``length`` is out of its range.

    Source: DeVries & Taylor 2017, "Improved Regularization of Convolutional Neural Networks with
        Cutout", arXiv:1708.04552, sec. 3.2.
    Differs: an odd length is kept (the authors' code cuts one pixel less). An even square reaches
        one pixel further up and left than down and right, as theirs does.
    """

    length: int = 10  # for images of about 30 pixels a side, as MNIST's and CIFAR's

    name: ClassVar[str] = "cutout"

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"cutout length must be >= 1, got {self.length}")
        require_at_most("cutout length", self.length, SIDE)

    def hidden(self, height: int, width: int) -> float:
        """Return the share of an image that is hidden, on average over all centres."""
        reach = self.length // 2

        def cut(side: int) -> float:
            ends = ((max(a - reach, 0), min(a - reach + self.length, side)) for a in range(side))
            return sum(end - begin for begin, end in ends) / side**2

        return cut(height) * cut(width)

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        count, _, height, width = batch.images.shape
        a = torch.randint(height, (count,), generator=generator)
        b = torch.randint(width, (count,), generator=generator)
        reach = self.length // 2
        images = pixels.cut(batch.images, a - reach, b - reach, self.length)
        return replace(batch, images=images)
