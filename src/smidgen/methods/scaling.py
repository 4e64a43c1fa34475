"""Scaling: make every channel of an image larger or smaller."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import ClassVar

import torch

from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class Scaling(BatchMethod):
    """Multiply every channel by a random factor: ``x'_c = s_c x_c``, with ``s_c ~ N(1, sigma^2)``.

    For windows of a sensor, which others wear more loosely or move more strongly. One factor for
    every channel of every window.

    Args:
        sigma: Deviation of the factors; > 0 and finite.

    Raises:
        ValueError: If ``sigma`` is out of its range.

    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease
        Monitoring using Convolutional Neural Networks", arXiv:1706.00527, sec. 3.
    Differs: about the mean of the channel over the training data, theirs about 0 of the sensor.
    """

    sigma: float = 0.1

    name: ClassVar[str] = "scaling"

    def __post_init__(self) -> None:
        if not (self.sigma > 0 and isfinite(self.sigma)):
            raise ValueError(f"scaling sigma must be > 0 and finite, got {self.sigma}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        count, channels = batch.images.shape[:2]
        factors = 1 + self.sigma * torch.randn(count, channels, 1, 1, generator=generator)
        images = torch.empty_like(batch.images).copy_(batch.images)
        return replace(batch, images=images.mul_(factors.to(images)))
