"""Jitter: add noise to every value."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import ClassVar

import torch

from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class Jitter(BatchMethod):
    """Add a normal draw to every value: ``x' = x + e``, with ``e ~ N(0, sigma^2)``.

    For windows of a sensor, whose own noise it is like; pictures take it, too.

    Args:
        sigma: Deviation of the noise, in units of that of the channel's training values;
            > 0 and finite.

    Raises:
        ValueError: If ``sigma`` is out of its range.

    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease
        Monitoring using Convolutional Neural Networks", arXiv:1706.00527, sec. 3.
    Differs: deviations are in normalised values, theirs in those of the sensor.
    """

    sigma: float = 0.1

    name: ClassVar[str] = "jitter"

    def __post_init__(self) -> None:
        if not (self.sigma > 0 and isfinite(self.sigma)):
            raise ValueError(f"jitter sigma must be > 0 and finite, got {self.sigma}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        noise = torch.randn(batch.images.shape, generator=generator).to(batch.images)
        images = torch.empty_like(batch.images).copy_(batch.images)
        return replace(batch, images=images.add_(noise, alpha=self.sigma))
