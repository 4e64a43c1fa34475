"""Label smoothing: never ask a model to be certain."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class LabelSmoothing(BatchMethod):
    """Move a fraction of every target onto the uniform distribution.

    ``y' = (1 - smoothing) y + smoothing |y| / k``, for ``k`` classes, with ``|y|`` the sum of a
    target: 1, unless the run is balanced.

    Args:
        smoothing: Probability moved, in [0, 1).

    Raises:
        ValueError: If ``smoothing`` is out of its range.

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision",
        arXiv:1512.00567, sec. 7.
    """

    smoothing: float = 0.1

    name: ClassVar[str] = "label-smoothing"

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"label-smoothing smoothing must be in [0, 1), got {self.smoothing}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress, generator
        classes = batch.targets.shape[1]
        uniform = batch.targets.sum(1, keepdim=True) * (self.smoothing / classes)
        return replace(batch, targets=batch.targets * (1 - self.smoothing) + uniform)
