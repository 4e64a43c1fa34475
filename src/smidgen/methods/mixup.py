"""Mixup: train on blends of two images and of their targets."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from smidgen.kernels import batch as pixels
from smidgen.limits import ALPHA
from smidgen.methods.base import BatchMethod
from smidgen.methods.beta import drawn
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class Mixup(BatchMethod):
    """Blend each image, and its target, with another of the same batch.

    ``x' = (1 - m) x + m x[permutation]``, and likewise for the targets, with
    ``m = min(l, 1 - l)`` and ``l ~ Beta(alpha, alpha)`` drawn once a batch.

    Args:
        alpha: Strength, 0 to 1,000,000. Small values leave most batches nearly untouched (0: all),
            1 draws ``m`` uniformly.

    Raises:
        ValueError: If ``alpha`` is out of its range.

    Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412,
        eq. (2) and algorithm in figure 1a: one weight a batch.
    Differs: the partner's weight is folded to [0, 0.5], so that the target's largest entry is the
        image's own class; as a set, the batch has the same distribution.
    """

    alpha: float = 0.2

    name: ClassVar[str] = "mixup"

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= ALPHA:
            raise ValueError(f"mixup alpha must be in [0, {ALPHA:,}], got {self.alpha}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        weight = self.draw(generator)
        permutation = torch.randperm(len(batch.images), generator=generator)
        partners = batch.targets.index_select(0, permutation.to(batch.targets.device))
        return Batch(
            images=pixels.blend(batch.images, permutation, weight),
            targets=torch.lerp(batch.targets, partners, weight),
        )

    def draw(self, generator: torch.Generator) -> float:
        """Return a weight for the partner, in [0, 0.5]."""
        seed = int(torch.randint(2**62, (), generator=generator))
        weight = drawn(self.alpha, seed) if self.alpha else 0.0
        return min(weight, 1 - weight)
