"""Time shift: begin every window at another moment."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch

_HALF = 0.5


@dataclass(frozen=True, slots=True)
class TimeShift(BatchMethod):
    """Move every window along time in a circle: ``x'[t] = x[(t - s) mod n]``.

    The shift ``s`` is uniform over ``-floor(share n) .. floor(share n)`` moments and drawn for
    every window; what leaves it at one end comes back at the other. Time is the longer side of the
    images, and the width of square ones.

    Args:
        share: Largest shift either way, as a share of the window; in (0, 0.5], 0.5 for all.

    Raises:
        ValueError: If ``share`` is out of its range.

    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease
        Monitoring using Convolutional Neural Networks", arXiv:1706.00527, sec. 3: permutation.
    Differs: two segments, of random lengths, which change places; theirs are four of like length
        in any order, which has more seams.
    """

    share: float = _HALF

    name: ClassVar[str] = "time-shift"

    def __post_init__(self) -> None:
        if not 0 < self.share <= _HALF:
            raise ValueError(f"time-shift share must be in (0, 0.5], got {self.share}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        images = batch.images
        count, _, height, width = images.shape
        axis, length = (2, height) if height > width else (3, width)
        most = int(self.share * length)
        shifts = torch.randint(-most, most + 1, (count, 1), generator=generator)
        places = (torch.arange(length) - shifts) % length
        places = places.view(count, 1, *((length, 1) if axis == 2 else (1, length)))  # noqa: PLR2004
        moved = images.gather(axis, places.to(images.device).expand(images.shape))
        return replace(batch, images=torch.empty_like(images).copy_(moved))
