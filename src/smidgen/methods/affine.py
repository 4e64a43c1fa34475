"""Affine: turn, resize, slant and shift every image at random."""

from dataclasses import dataclass, replace
from math import radians
from typing import ClassVar

import torch

from smidgen.kernels import batch as pixels
from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch

RIGHT_ANGLE, HALF_TURN = 90, 180


@dataclass(frozen=True, slots=True)
class Affine(BatchMethod):
    """Move every image by one random affine map of the plane, about its centre.

    ``x'(u) = x(A^-1 (u - t))`` with ``A = z R(r) [[1, tan k], [0, 1]]``; the angles ``r`` and
    ``k``, the factor ``z`` and the shift ``t`` are uniform in the ranges below and drawn for every
    image. Values between pixels are bilinear; outside the image they are 0, the mean pixel.

    Args:
        rotation: Largest angle either way, in degrees; in [0, 180].
        scale: Largest change of the factor: ``z`` is in ``1 - scale .. 1 + scale``; in [0, 1).
        shear: Largest slant either way, in degrees; in [0, 90).
        shift: Largest shift along each axis, as a fraction of the side; in [0, 1].
        anneal: Last fraction of training, over which all ranges shrink linearly to nothing, so
            that the run ends on images as they are; in [0, 1], 0 for never.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Simard et al. 2003, "Best Practices for Convolutional Neural Networks Applied to Visual
        Document Analysis", sec. 2; annealing as in Graham 2014, "Fractional Max-Pooling",
        arXiv:1412.6071, sec. 4.
    Differs: no elastic distortion; the annealing is linear.
    """

    rotation: float = 10.0
    scale: float = 0.1
    shear: float = 5.0
    shift: float = 0.1
    anneal: float = 0.0

    name: ClassVar[str] = "affine"

    def __post_init__(self) -> None:
        if not 0 <= self.rotation <= HALF_TURN:
            raise ValueError(f"affine rotation must be in [0, 180] degrees, got {self.rotation}")
        if not 0 <= self.scale < 1:
            raise ValueError(f"affine scale must be in [0, 1), got {self.scale}")
        if not 0 <= self.shear < RIGHT_ANGLE:
            raise ValueError(f"affine shear must be in [0, 90) degrees, got {self.shear}")
        if not 0 <= self.shift <= 1:
            raise ValueError(f"affine shift must be in [0, 1], got {self.shift}")
        if not 0 <= self.anneal <= 1:
            raise ValueError(f"affine anneal must be in [0, 1], got {self.anneal}")

    def strength(self, progress: float) -> float:
        """Return the factor of all ranges at ``progress``."""
        return min(1.0, (1 - progress) / self.anneal) if self.anneal else 1.0

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        draws = torch.rand(5, len(batch.images), generator=generator)
        strength = self.strength(progress)
        if strength <= 0:
            return batch
        height, width = batch.images.shape[2:]
        angles_and_size = radians(self.rotation), self.scale, radians(self.shear)
        shifts = self.shift * width, self.shift * height
        reach = [strength * most for most in (*angles_and_size, *shifts)]
        return replace(batch, images=pixels.warp(batch.images, pixels.matrices(draws, reach)))
