"""Noise: a batch method."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import ClassVar

import torch

from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class Noise(BatchMethod):
    """Add noise to every pixel: ``x' = x + strength * n`` with ``n`` from a normal distribution.

    Args:
        strength: In standard deviations of the training pixels; >= 0.

    Raises:
        ValueError: If ``strength`` is out of its range.

    Source: Bishop 1995, "Training with Noise is Equivalent to Tikhonov Regularization".
    """

    strength: float = 0.1

    name: ClassVar[str] = "noise"

    def __post_init__(self) -> None:
        if not (isfinite(self.strength) and self.strength >= 0):
            raise ValueError(f"noise strength must be finite and >= 0, got {self.strength}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        images = batch.images
        noise = torch.randn(images.shape, generator=generator).to(images)
        changed = torch.empty_like(images).copy_(images + self.strength * noise)
        return replace(batch, images=changed)
