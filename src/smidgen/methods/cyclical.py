"""Cyclical: let the learning rate rise and fall in triangles."""

from dataclasses import dataclass
from typing import ClassVar

from smidgen.limits import EPOCHS, require_at_most
from smidgen.methods.base import ScheduleMethod


@dataclass(frozen=True, slots=True)
class Cyclical(ScheduleMethod):
    """Rise linearly from ``low`` to 1 and fall back, ``cycles`` times.

    ``f = low + (1 - low) (1 - |2 t - 1|)``, with ``t`` the progress within a cycle.

    Args:
        cycles: Triangles in a run, 1 to 1,000,000.
        low: Multiple of the peak learning rate at the first and the last step of a cycle, in
            [0, 1).

    Raises:
        ValueError: If an argument is out of its range.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186,
        sec. 3: the triangular policy.
    Differs: whole cycles, counted a run, instead of a step size in iterations.
    """

    cycles: int = 4
    low: float = 0.1

    name: ClassVar[str] = "cyclical"

    def __post_init__(self) -> None:
        if self.cycles < 1:
            raise ValueError(f"cyclical cycles must be >= 1, got {self.cycles}")
        require_at_most("cyclical cycles", self.cycles, EPOCHS)
        if not 0 <= self.low < 1:
            raise ValueError(f"cyclical low must be in [0, 1), got {self.low}")

    def lr_factor(self, progress: float) -> float:
        within = progress * self.cycles % 1
        return self.low + (1 - self.low) * (1 - abs(2 * within - 1))
