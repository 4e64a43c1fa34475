"""SWA: keep the mean of the weights over the last part of training."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from smidgen.limits import NUMBER
from smidgen.methods.base import WeightMethod, WeightTracker


@dataclass(frozen=True, slots=True)
class SWA(WeightMethod):
    """Average the weights at the end of every epoch after ``start``, all with equal weight.

    ``a = (w_1 + ... + w_k) / k``: of ``e`` epochs, those that end past ``start e``; the last one
    is always among them. Training itself goes on from ``w``.

    Args:
        start: Fraction of training before the average begins, in [0, 1).
        lr: Multiple of the peak learning rate held from ``start`` on, over 0; none leaves the
            rate to the schedule.

    Raises:
        ValueError: If an argument is out of its range.

    Warns:
        UserWarning: At the end of a run of which only the last epoch was averaged.

    Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better
        Generalization", arXiv:1803.05407, algorithm 1.
    Differs: the learning rate is held or left to the schedule, never cyclical within an epoch.
    """

    start: float = 0.75
    lr: float | None = None

    name: ClassVar[str] = "swa"

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise ValueError(f"swa start must be in [0, 1), got {self.start}")
        if self.lr is not None and not 0 < self.lr < NUMBER:
            raise ValueError(f"swa lr must be finite and > 0, or none, got {self.lr}")

    def follow(self, weights: Float[Tensor, " p"]) -> WeightTracker:
        return _Mean(weights, self.start)

    def lr_factor(self, progress: float, scheduled: float) -> float:
        return scheduled if self.lr is None or progress < self.start else self.lr


class _Mean(WeightTracker):
    def __init__(self, weights: Float[Tensor, " p"], start: float) -> None:
        self._weights, self._start = weights, start
        self._average, self._epochs = weights.clone(), 0

    def after_step(self) -> None:
        pass

    def after_epoch(self, progress: float) -> None:
        if progress <= self._start:
            self._average.copy_(self._weights)  # nothing to average yet: the live weights stand
            return
        self._epochs += 1
        self._average.lerp_(self._weights, 1 / self._epochs)
        if progress >= 1 and self._epochs == 1:
            warnings.warn(
                f"swa averaged the last epoch alone, which changes nothing: train for more epochs"
                f" or start before {self._start}",
                stacklevel=2,
            )

    @property
    def average(self) -> Float[Tensor, " p"]:
        return self._average

    def state(self) -> dict[str, Tensor]:
        return {"average": self._average.clone(), "epochs": torch.tensor(self._epochs)}

    def load(self, state: dict[str, Tensor]) -> None:
        self._average.copy_(state["average"])
        self._epochs = int(state["epochs"])
