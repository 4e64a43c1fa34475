"""Distillation: learn from the answers of a trained net as well as from labels."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from smidgen.limits import NUMBER
from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch, Logits


@dataclass(frozen=True, slots=True)
class Distill(BatchMethod):
    """Move a share of every target to what a teacher answers to the same image.

    ``y' = (1 - share) y + share |y| softmax(z(x') / temperature)``, with ``z`` the logits of the
    teacher, in its running statistics, for the image ``x'`` as every other method has left it: both
    nets see the same. ``|y|`` is the sum of a target: 1, unless the run is balanced.

    Args:
        teacher: Folder of its run, of the same classes and the same pictures; any net.
        share: In (0, 1]; 1 never looks at labels.
        temperature: Over 0; more than 1 softens the answers.
        digest: Of the teacher's weights; found when a run begins, and part of the trial.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531,
        sec. 2; the same view for both nets: Beyer et al. 2022, "Knowledge distillation: A good
        teacher is patient and consistent", arXiv:2106.05237, sec. 3.
    Differs: the temperature is the teacher's alone, since the loss stays the cross-entropy against
        targets; at 1 the gradient is that of theirs.
    """

    teacher: str = ""
    share: float = 0.5
    temperature: float = 1.0
    digest: str = ""

    name: ClassVar[str] = "distill"

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"distill share must be in (0, 1], got {self.share}")
        if not 0 < self.temperature < NUMBER:
            raise ValueError(f"distill temperature must be finite and > 0, got {self.temperature}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        """Refuse: a run hands the teacher's answers to :meth:`taught` instead.

        Raises:
            ValueError: Always.
        """
        del batch, progress, generator
        raise ValueError(f"distill teacher must be a trained run, got {self.teacher!r} unread")

    def taught(self, batch: Batch, logits: Logits) -> Batch:
        """Return the batch with targets that the teacher's ``logits`` for its images move."""
        answers = (logits.float() / self.temperature).softmax(1)
        answers = answers * batch.targets.sum(1, keepdim=True)
        return Batch(batch.images, torch.lerp(batch.targets, answers, self.share))
