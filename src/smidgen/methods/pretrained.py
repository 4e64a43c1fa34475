"""Pretrained: begin with what another run has learned."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from smidgen.methods.base import StartMethod


@dataclass(frozen=True, slots=True)
class Pretrained(StartMethod):
    """Begin with the weights of a run, of the same layers, instead of drawn ones.

    ``w_0 = w_run`` in every layer but the classifier, batch-norm statistics included; in that,
    too, where both know the same classes. The run may have learned other classes, from pictures of
    other sizes. Everything is trained from there.

    Args:
        run: Folder of the run.
        digest: Of its weights; found when training begins, and part of the trial.

    Raises:
        ValueError: If no run is named where training begins.

    Source: Yosinski et al. 2014, "How transferable are features in deep neural networks?",
        arXiv:1411.1792, sec. 2: all layers but the last transferred, and fine-tuned.
    Differs: pictures lose the mean of the new data, not that of the old.
    """

    run: str = ""
    digest: str = ""

    name: ClassVar[str] = "pretrained"

    def start(self, model: nn.Module) -> None:
        """Refuse: training copies the weights of the run, which it has at hand.

        Raises:
            ValueError: Always.
        """
        del model
        raise ValueError(f"pretrained run must be a trained run, got {self.run!r} unread")
