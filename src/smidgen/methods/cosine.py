"""Cosine: let the learning rate fall along half a cosine."""

from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar

from smidgen.methods.base import ScheduleMethod


@dataclass(frozen=True, slots=True)
class Cosine(ScheduleMethod):
    """Rise linearly from ``end`` to 1 when asked, then fall: ``end + (1 - end)(1 + cos(pi t))/2``.

    ``t`` is the progress since the peak, from 0 to 1.

    Args:
        warmup: Progress at the peak, in [0, 1); 0 starts there.
        end: Multiple of the peak learning rate at the last step, and at the first one of a
            warm-up; in [0, 1].

    Raises:
        ValueError: If an argument is out of its range.

    Source: Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts",
        arXiv:1608.03983, eq. (5); warm-up of Goyal et al. 2017, arXiv:1706.02677, sec. 2.2.
    Differs: one period, no restarts.
    """

    warmup: float = 0.0
    end: float = 0.0

    name: ClassVar[str] = "cosine"

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"cosine warmup must be in [0, 1), got {self.warmup}")
        if not 0 <= self.end <= 1:
            raise ValueError(f"cosine end must be in [0, 1], got {self.end}")

    def lr_factor(self, progress: float) -> float:
        if progress < self.warmup:
            return self.end + (1 - self.end) * progress / self.warmup
        since_peak = (progress - self.warmup) / (1 - self.warmup)
        return self.end + (1 - self.end) * (1 + cos(pi * since_peak)) / 2
