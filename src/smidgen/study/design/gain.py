"""What a method is expected to gain, by what was known before and by what is measured."""

from dataclasses import dataclass
from math import erf, exp, pi, sqrt

from smidgen.study.statistics import Interval


@dataclass(frozen=True, slots=True)
class Belief:
    """A gain in points that is not known exactly: normal, with a mean and a deviation.

    Args:
        mean: Expected points.
        deviation: Of the belief, > 0.
    """

    mean: float
    deviation: float

    def after(self, measured: Interval, error: float) -> "Belief":
        """Return what is believed once a paired difference has been measured.

        The two are weighed by their precision: ``1 / deviation^2`` each.

        Args:
            measured: Over the replicates.
            error: Least standard error of its mean, in points: with two or three replicates that
                agree by chance the spread would claim too much.
        """
        precision = 1 / self.deviation**2
        weight = 1 / max(measured.error, error, 1e-6) ** 2
        total = precision + weight
        mean = (precision * self.mean + weight * measured.mean) / total
        return Belief(mean, 1 / sqrt(total))

    def moved(self, error: float) -> float:
        """Return the standard deviation by which measuring is expected to move the mean.

        Args:
            error: Standard error of the measurement, in points.
        """
        return self.deviation**2 / sqrt(self.deviation**2 + error**2)

    def worth_measuring(self, error: float) -> float:
        """Return the points that measuring is expected to gain.

        That is how much better it is to decide afterwards than now:
        ``E[max(0, m)] - max(0, mean)`` for the mean ``m`` of the belief afterwards.

        Args:
            error: Standard error of the measurement, in points.
        """
        moved = self.moved(error)
        ratio = self.mean / moved
        below = (1 + erf(ratio / sqrt(2))) / 2
        density = exp(-(ratio**2) / 2) / sqrt(2 * pi)
        return self.mean * below + moved * density - max(0.0, self.mean)
