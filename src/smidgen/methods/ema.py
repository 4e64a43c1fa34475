"""EMA: keep a moving average of the weights."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from smidgen.methods.base import WeightMethod, WeightTracker


@dataclass(frozen=True, slots=True)
class EMA(WeightMethod):
    """Average the weights over the last few hundred steps, the latest most.

    ``a' = d a + (1 - d) w`` after every step ``t = 0, 1, ...``, from the initial weights on, with
    ``d = min(decay, (1 + t) / (10 + t))``.

    Args:
        decay: Of an older step's share from one step to the next, in [0, 1); the average reaches
            back over about ``1 / (1 - decay)`` steps.
        warmup: Whether ``d`` rises with ``t``, so that the initial weights are soon forgotten;
            otherwise ``d = decay``.

    Raises:
        ValueError: If ``decay`` is out of its range.

    Source: Polyak & Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging";
        exponential weights as in Tarvainen & Valpola 2017, arXiv:1703.01780, sec. 2; the rising
        decay of TensorFlow's ``ExponentialMovingAverage(num_updates=)``.
    Differs: batch-norm statistics are estimated anew, not averaged.
    """

    decay: float = 0.998
    warmup: bool = True

    name: ClassVar[str] = "ema"

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(f"ema decay must be in [0, 1), got {self.decay}")

    def follow(self, weights: Float[Tensor, " p"]) -> WeightTracker:
        return _MovingAverage(weights, self)

    def lr_factor(self, progress: float, scheduled: float) -> float:
        del progress
        return scheduled


class _MovingAverage(WeightTracker):
    def __init__(self, weights: Float[Tensor, " p"], method: EMA) -> None:
        self._weights, self._method = weights, method
        self._average, self._steps = weights.clone(), 0

    def after_step(self) -> None:
        decay = self._method.decay
        if self._method.warmup:
            decay = min(decay, (1 + self._steps) / (10 + self._steps))
        self._average.lerp_(self._weights, 1 - decay)
        self._steps += 1

    def after_epoch(self, progress: float) -> None:
        pass

    @property
    def average(self) -> Float[Tensor, " p"]:
        return self._average

    def state(self) -> dict[str, Tensor]:
        return {"average": self._average.clone(), "steps": torch.tensor(self._steps)}

    def load(self, state: dict[str, Tensor]) -> None:
        self._average.copy_(state["average"])
        self._steps = int(state["steps"])
