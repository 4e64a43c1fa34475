"""Crop: shift every image by a few pixels."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F

from smidgen.methods.base import BatchMethod
from smidgen.methods.rows import images_of, rows_of, windows
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class Crop(BatchMethod):
    """Pad every image on all sides and cut one window of the old size out of it.

    ``x'[i, j] = x[i + a, j + b]``, with ``a`` and ``b`` uniform over ``-padding .. padding``,
    drawn for every image; pixels from outside are 0, the mean pixel.

    Args:
        padding: The largest shift in each direction, in pixels; >= 1.

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

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        rows, step = rows_of(batch.images)
        count, planes, height, _ = rows.shape
        width = batch.images.shape[3]
        offsets = torch.randint(2 * self.padding + 1, (2, count, 1), generator=generator)
        top, left = offsets.to(rows.device)

        aside = self.padding * step
        padded = F.pad(rows, [aside, aside, self.padding, self.padding]).flatten(0, 1)
        plane = torch.arange(count * planes, device=rows.device).view(count, planes)
        tall, wide = height + 2 * self.padding, width + 2 * self.padding
        corners = (plane * tall + top) * wide + left
        cut = windows(padded, step, corners.flatten(), (height, width))
        return replace(batch, images=images_of(cut.view(rows.shape), batch.images))
