"""Crop: shift every image by a few pixels."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from smidgen.kernels import batch as pixels
from smidgen.limits import SIDE, require_at_most
from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class Crop(BatchMethod):
    """Pad every image on all sides and cut one window of the old size out of it.

    ``x'[i, j] = x[i + a, j + b]``, with ``a`` and ``b`` uniform over ``-padding .. padding``,
    drawn for every image; pixels from outside are 0, the mean pixel. A side of 1, as windows of a
    sensor have, is not padded.

    Args:
        padding: The largest shift in each direction, in pixels; 1 to 65,535.

    Raises:
        ValueError: If ``padding`` is out of its range.

    Source: Lee et al. 2015, "Deeply-Supervised Nets", arXiv:1409.5185, sec. 3.2; He et al. 2016,
        arXiv:1512.03385, sec. 4.2: 4 pixels a side on CIFAR-10.
    """

    padding: int = 4

    name: ClassVar[str] = "crop"

    def __post_init__(self) -> None:
        if self.padding < 1:
            raise ValueError(f"crop padding must be >= 1, got {self.padding}")
        require_at_most("crop padding", self.padding, SIDE)

    def hidden(self, height: int, width: int) -> float:
        """Return the share of a window that lies outside the image, on average over all shifts."""

        def kept(side: int) -> float:
            if side == 1:
                return 1.0
            shifts = range(-self.padding, self.padding + 1)
            return sum(max(side - abs(shift), 0) for shift in shifts) / len(shifts) / side

        return 1 - kept(height) * kept(width)

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        count, _, height, width = batch.images.shape
        offsets = torch.randint(2 * self.padding + 1, (2, count), generator=generator)
        sides = torch.tensor([[height], [width]])
        down, across = (offsets - self.padding) * (sides > 1)
        return replace(batch, images=pixels.crop(batch.images, down, across))
