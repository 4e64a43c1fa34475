"""Affine: turn, resize, slant and shift every image at random."""

from dataclasses import dataclass, replace
from math import radians
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch, Images

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
        draws = torch.rand(5, len(batch.images), generator=generator) * 2 - 1
        strength = self.strength(progress)
        if strength <= 0:
            return batch
        ranges = (radians(self.rotation), self.scale, radians(self.shear), self.shift, self.shift)
        bounds = torch.tensor([[strength * most] for most in ranges])
        rotation, scale, shear, across, down = (draws * bounds).to(batch.images.device)
        height, width = batch.images.shape[2:]
        matrices = inverse(rotation, 1 + scale, shear, across * width, down * height)
        return replace(batch, images=resample(batch.images, matrices))


def inverse(
    rotation: Float[Tensor, " n"],
    scale: Float[Tensor, " n"],
    shear: Float[Tensor, " n"],
    across: Float[Tensor, " n"],
    down: Float[Tensor, " n"],
) -> Float[Tensor, "n 2 3"]:
    """Return ``[A^-1, -A^-1 t]``: where in the old image each point of the new one comes from.

    Args:
        rotation: In radians, from the axis to the right towards the axis down.
        scale: Factor, over 0.
        shear: In radians.
        across: Shift to the right in pixels.
        down: Shift down in pixels.
    """
    cos, sin, slant = rotation.cos() / scale, rotation.sin() / scale, shear.tan()
    a, b, c, d = cos + slant * sin, sin - slant * cos, -sin, cos
    rows = (a, b, -a * across - b * down, c, d, -c * across - d * down)
    return torch.stack(rows, 1).view(-1, 2, 3)


def resample(images: Images, matrices: Float[Tensor, "n 2 3"]) -> Images:
    """Return new images whose pixel at ``u`` is the old one at ``matrix (u, 1)``, bilinear.

    Args:
        images: In any memory format, which is kept.
        matrices: In pixels from the centre of the image, right and down.
    """
    height, width = images.shape[2:]
    across = torch.arange(width, device=images.device) - (width - 1) / 2
    down = torch.arange(height, device=images.device) - (height - 1) / 2
    # grid_sample wants the image to reach from -1 to 1
    sides = torch.tensor([[2 / width], [2 / height]], device=images.device)
    by_column, by_row, fixed = (matrices * sides).unsqueeze(3).unbind(2)
    grid = (by_row * down + fixed).unsqueeze(3) + (by_column * across).unsqueeze(2)
    # planes of float32, whatever the images are: faster here, and bfloat16 is coarse for places
    moved = F.grid_sample(
        images.contiguous().float(), grid.permute(0, 2, 3, 1), align_corners=False
    )
    return torch.empty_like(images).copy_(moved.to(images.dtype))
