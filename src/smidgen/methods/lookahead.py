"""Lookahead: go part of the way that several steps went, and start from there again."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from smidgen.methods.base import WeightMethod, WeightTracker


@dataclass(frozen=True, slots=True)
class Lookahead(WeightMethod):
    """Keep slow weights, towards which the optimizer's are brought back every ``steps`` steps.

    ``s' = s + share (w - s)``, then ``w' = s'``; the slow weights ``s`` are those kept. The
    optimizer's own averages go on.

    Args:
        steps: Of the optimizer between two meetings, >= 1.
        share: Of the way that the slow weights go, in (0, 1); 1 would be the optimizer alone.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Zhang et al. 2019, "Lookahead Optimizer: k steps forward, 1 step back",
        arXiv:1907.08610, algorithm 1.
    Differs: a round that the end of training cuts short ends there, so that no step is lost.
    """

    steps: int = 5
    share: float = 0.5

    name: ClassVar[str] = "lookahead"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"lookahead steps must be >= 1, got {self.steps}")
        if not 0 < self.share < 1:
            raise ValueError(f"lookahead share must be in (0, 1), got {self.share}")

    def follow(self, weights: Float[Tensor, " p"]) -> WeightTracker:
        return _Slow(weights, self.steps, self.share)

    def lr_factor(self, progress: float, scheduled: float) -> float:
        del progress
        return scheduled


class _Slow(WeightTracker):
    def __init__(self, weights: Float[Tensor, " p"], steps: int, share: float) -> None:
        self._weights, self._steps, self._share = weights, steps, share
        self._slow, self._taken = weights.clone(), 0

    def after_step(self) -> None:
        self._taken += 1
        if self._taken == self._steps:
            self._meet()

    def after_epoch(self, progress: float) -> None:
        if progress >= 1 and self._taken:
            self._meet()

    def _meet(self) -> None:
        self._slow.lerp_(self._weights, self._share)
        self._weights.copy_(self._slow)
        self._taken = 0

    @property
    def average(self) -> Float[Tensor, " p"]:
        return self._slow

    def state(self) -> dict[str, Tensor]:
        return {"slow": self._slow.clone(), "taken": torch.tensor(self._taken)}

    def load(self, state: dict[str, Tensor]) -> None:
        self._slow.copy_(state["slow"])
        self._taken = int(state["taken"])
