"""CutMix: paste a rectangle of another image, and as much of its target."""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import torch

from smidgen.data.sensor import is_window
from smidgen.limits import ALPHA
from smidgen.methods.base import BatchMethod
from smidgen.methods.beta import drawn
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class CutMix(BatchMethod):
    """Replace a rectangle of each image by that of another of the same batch.

    ``x'[i, j] = x[permutation][i, j]`` inside of ``height sqrt(1 - l)`` rows and
    ``width sqrt(1 - l)`` columns, whole pixels, about a uniform centre and clipped at the borders,
    with ``l ~ Beta(alpha, alpha)``; ``y' = (1 - s) y + s y[permutation]``, with ``s`` the share of
    the pixels that the clipped rectangle has. One rectangle a batch. Of windows of a sensor, one
    side of which is 1, it has that side whole and ``1 - l`` of the other.

    Args:
        alpha: In (0, 1,000,000]. Small values paste nearly nothing or nearly all, 1 draws the
            area uniformly.
        probability: Share of the batches that are mixed; in (0, 1].

    Raises:
        ValueError: If an argument is out of its range.

    Source: Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with
        Localizable Features", arXiv:1905.04899, eq. (1) and (2) and algorithm A1; the probability
        is that of the authors' code for CIFAR.
    Differs: sides of an odd number of pixels are kept; in the authors' code they lose one.
    """

    alpha: float = 1.0
    probability: float = 0.5

    name: ClassVar[str] = "cutmix"

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= ALPHA:
            raise ValueError(f"cutmix alpha must be in (0, {ALPHA:,}], got {self.alpha}")
        if not 0 < self.probability <= 1:
            raise ValueError(f"cutmix probability must be in (0, 1], got {self.probability}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        if float(torch.rand((), generator=generator)) >= self.probability:
            return batch
        height, width = batch.images.shape[2:]
        rows, columns = self.draw(height, width, generator)
        permutation = torch.randperm(len(batch.images), generator=generator)
        permutation = permutation.to(batch.images.device)
        images = torch.empty_like(batch.images).copy_(batch.images)
        images[:, :, rows, columns] = batch.images[:, :, rows, columns][permutation]
        share = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
        partners = batch.targets[permutation.to(batch.targets.device)]
        return Batch(images=images, targets=torch.lerp(batch.targets, partners, share))

    def draw(self, height: int, width: int, generator: torch.Generator) -> tuple[slice, slice]:
        """Return the rows and the columns of a rectangle; either may be none."""
        seed = int(torch.randint(2**62, (), generator=generator))
        area = 1 - drawn(self.alpha, seed)
        if is_window(height, width):  # a row has no square root: its rectangle is a stretch
            tall, wide = (1.0 if side == 1 else area for side in (height, width))
        else:
            tall = wide = sqrt(area)
        return _clipped(height, tall, generator), _clipped(width, wide, generator)


def _clipped(side: int, share: float, generator: torch.Generator) -> slice:
    """Return ``share`` of the places of a side about a centre that is one of them."""
    length, centre = int(side * share), int(torch.randint(side, (), generator=generator))
    start = centre - length // 2
    return slice(max(start, 0), min(start + length, side))
