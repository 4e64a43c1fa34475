"""One-cycle: warm the learning rate up, then anneal it to nothing."""

from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar

from smidgen.methods.base import ScheduleMethod


@dataclass(frozen=True, slots=True)
class OneCycle(ScheduleMethod):
    """Half a cosine from ``start`` up to 1, then half a cosine down to ``end``.

    With ``t`` the progress within a half: ``f = b + (a - b) (1 + cos(pi t)) / 2``, from ``a`` to
    ``b``.

    Args:
        warmup: Progress at the peak, in (0, 1).
        start: Multiple of the peak learning rate at the first step, in [0, 1].
        end: Multiple of the peak learning rate at the last step, in [0, 1].

    Raises:
        ValueError: If an argument is out of its range.

    Source: Smith & Topin 2018, "Super-Convergence", arXiv:1708.07120; shape and defaults of
        ``torch.optim.lr_scheduler.OneCycleLR``.
    Differs: progress runs from the first step to the last, so that the shape does not depend on
        the number of steps ``n``; torch's peak is at step ``pct_start n - 1``, which is
        ``warmup = (pct_start n - 1) / (n - 1)``. Momentum stays.
    """

    warmup: float = 0.3
    start: float = 1 / 25
    end: float = 1 / 25e4

    name: ClassVar[str] = "one-cycle"

    def __post_init__(self) -> None:
        if not 0 < self.warmup < 1:
            raise ValueError(f"one-cycle warmup must be in (0, 1), got {self.warmup}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"one-cycle start must be in [0, 1], got {self.start}")
        if not 0 <= self.end <= 1:
            raise ValueError(f"one-cycle end must be in [0, 1], got {self.end}")

    def lr_factor(self, progress: float) -> float:
        if progress < self.warmup:
            return _cosine(self.start, 1.0, progress / self.warmup)
        return _cosine(1.0, self.end, (progress - self.warmup) / (1 - self.warmup))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + cos(pi * progress)) / 2
