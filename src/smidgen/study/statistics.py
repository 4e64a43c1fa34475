"""What seeds allow to be said: intervals of means, of paired effects, and McNemar's test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot, isfinite, nan
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from smidgen.chance import CONFIDENCE, fair_coin, wilson

NO_DIFFERENCE = "no difference shown"
NOT_TESTED = "one seed, not tested"
BETTER, WORSE = "better", "worse"
_Seed = TypeVar("_Seed", int, tuple[int, str])  # alone, or with a fold
_OF_SHARES = "t and Wilson"  # the kind whose values are percents, in [0, 100]
_UNEVEN = 0.2  # of half an interval: from here on it is not told as mean ± half
_MISPLACED = 0.5  # points of percent by which that may misplace the ends of a share, likewise


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over seeds with its confidence interval.

    Args:
        mean: Of the values, in their own unit.
        low: Lower end of the 95 % interval; nan when a single value allows none.
        high: Upper end.
        count: Values behind it.
        kind: ``t`` (Student), ``t and Wilson``, or ``Newcombe``, whose values are images.
    """

    mean: float
    low: float
    high: float
    count: int
    kind: str = "t"

    @property
    def error(self) -> float:
        """The standard error of the mean that the interval stands for; 0 if there is none."""
        if not isfinite(self.low) or self.count == 1:
            return 0.0
        half = (self.high - self.low) / 2
        return half / _students(self.count)

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside; never so without an interval."""
        return isfinite(self.low) and (self.low > 0 or self.high < 0)

    @property
    def p(self) -> float:
        """Two-sided p of Student's test that the mean is zero; nan without an interval.

        Of an interval of kind ``t``, which leaves out zero where it is below 0.05.
        """
        if not isfinite(self.low):
            return nan
        if self.error == 0:
            return 0.0 if self.mean else 1.0
        return float(2 * stdtr(self.count - 1, -abs(self.mean) / self.error))

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``no difference shown``, for a difference of accuracies.

        A difference of one seed has no interval and is ``one seed, not tested``.
        """
        if not isfinite(self.low):
            return NOT_TESTED
        if not self.excludes_zero:
            return NO_DIFFERENCE
        return BETTER if self.mean > 0 else WORSE


def mean_interval(values: Sequence[float], floor: float = 0.0, shared: float = 0.0) -> Interval:
    """Return the mean of ``values`` with its 95 % confidence interval.

    It is Student's, ``mean +- t(0.975, n - 1) * s * sqrt(1 / n + shared)``.

    Args:
        values: One a seed.
        floor: Least ``s``, for values that are known no better than that.
        shared: Variance of the mean that more values would not take away, as a share of that of
            one value: of folds, the ratio of held-out to training images.

    Raises:
        ValueError: If there is no value.
    """
    if not values:
        raise ValueError("an interval must be of at least one value, got none")
    array = np.asarray(values, dtype=np.float64)
    mean, count = float(array.mean()), len(array)
    if count == 1:
        return Interval(mean, nan, nan, 1)
    error = max(float(array.std(ddof=1)), floor) * (1 / count + shared) ** 0.5
    half = _students(count) * error
    return Interval(mean, mean - half, mean + half, count)


def _students(count: int) -> float:
    """Return how many standard errors half a t interval over ``count`` values spans."""
    return float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))


def accuracy_interval(percents: Sequence[float], images: int) -> Interval:
    """Return the mean of accuracies with an interval for other seeds and for other pictures.

    A t interval over seeds says what other seeds would reach on the very same pictures. Which
    pictures those are is chance, too, and of few pictures most of it: Wilson's interval of the
    mean. The two are independent, so on either side the distances to their ends are combined as
    the root of the sum of their squares. Of one seed, Wilson's interval alone is left. The
    chance that seeds share out among the pictures is counted on both sides: the interval is
    rather too wide.

    Source: Zou & Donner 2008, "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27, for the combination.

    Args:
        percents: Accuracies in percent, one a seed.
        images: How many pictures judged them: the same ones each, or of folds those of all.
    """
    seeds = mean_interval(percents)
    low, high = (100 * end for end in wilson(min(max(seeds.mean / 100, 0.0), 1.0), images))
    half = seeds.high - seeds.mean if isfinite(seeds.high) else 0.0
    return Interval(
        seeds.mean,
        max(0.0, seeds.mean - hypot(seeds.mean - low, half)),
        min(100.0, seeds.mean + hypot(high - seeds.mean, half)),
        seeds.count,
        _OF_SHARES,
    )


def paired_effect(
    treated: Mapping[_Seed, float],
    baseline: Mapping[_Seed, float],
    step: float = 0.0,
    shared: float = 0.0,
) -> Interval:
    """Return the mean difference ``treated - baseline`` over the seeds that both have.

    Args:
        treated: Values by seed.
        baseline: Values by seed; what chance they share with ``treated`` cancels.
        step: Least difference between two values, such as one image of those judged. Seeds that
            happen to differ by the same few images must not pass for certainty, so the spread
            is never taken to be less than that of two roundings, ``step / sqrt(6)``.
        shared: Of folds, see :func:`mean_interval`.

    Raises:
        ValueError: If they share no seed.
    """
    seeds = sorted(treated.keys() & baseline.keys())
    if not seeds:
        raise ValueError("a paired effect must have a seed on both sides, got none in common")
    differences = [treated[seed] - baseline[seed] for seed in seeds]
    return mean_interval(differences, floor=step / 6**0.5, shared=shared)


class Verdict(NamedTuple):
    """What is said of a difference that was judged together with others."""

    p: float  # adjusted for their number; nan of one seed, which is no test
    told: str  # as :attr:`Interval.verdict`


def verdicts(differences: Sequence[Interval]) -> list[Verdict]:
    """Return what may be said of differences from one baseline, judged together by :func:`holm`.

    None is shown that is not by its own interval, and the chance that any is shown where none is
    true is 5 % at most.

    Args:
        differences: Of kind ``t``; those of one seed are not tested and do not count.
    """
    return [
        Verdict(p, NO_DIFFERENCE if p >= 1 - CONFIDENCE else of.verdict)
        for of, p in zip(differences, holm([of.p for of in differences]), strict=True)
    ]


def holm(found: Sequence[float]) -> list[float]:
    """Return p-values that are adjusted for how many there are, in the order given.

    The k-th smallest of n is multiplied by ``n - k + 1``; none is less than a smaller one's or
    more than 1.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6.

    Args:
        found: In [0, 1]; nan where nothing was tested, which stays so and is not counted.
    """
    tested = sorted((p, place) for place, p in enumerate(found) if isfinite(p))
    adjusted, least = [nan] * len(found), 0.0
    for before, (p, place) in enumerate(tested):
        least = max(least, min(p * (len(tested) - before), 1.0))
        adjusted[place] = least
    return adjusted


def adjusted_for(count: int) -> str:
    """Return that verdicts are :func:`holm`'s, in words.

    Args:
        count: Differences that were tested; of one alone there is nothing to say.
    """
    return f"adjusted for {count:,} comparisons (Holm)" if count > 1 else ""


def spread(interval: Interval, form: str = ".2f", unit: str = "", of: str = "") -> str:
    """Return a mean with half its interval, or with its ends if half of it would mislead.

    That is, if the ends are not as far from it, as of few pictures, or if accuracies would leave 0
    to 100 %. A single value says so, after the unit.

    Args:
        interval: Of the mean.
        form: Of its numbers.
        unit: After them.
        of: What is behind it, if that must be told; of a single value it is ``1 seed``.
    """
    of = of or ("1 seed" if interval.count == 1 else "")
    after = unit + (f" ({of})" if of else "")
    if not isfinite(interval.low):
        return f"{interval.mean:{form}}{after}"
    if not _is_even(interval):
        return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]{after}"
    return f"{interval.mean:{form}} ± {(interval.high - interval.low) / 2:{form}}{after}"


def _is_even(interval: Interval) -> bool:
    """Whether mean ± half tells about the same ends, all of them such as a value can have."""
    low, mean, high = interval.low, interval.mean, interval.high
    half = (high - low) / 2
    if interval.kind == _OF_SHARES and (
        min(low, mean - half) <= 0 or max(high, mean + half) >= 100  # noqa: PLR2004 - percent
    ):
        return False
    apart = abs(high + low - 2 * mean)
    if interval.kind == _OF_SHARES and apart / 2 > _MISPLACED:
        return False
    return apart <= _UNEVEN * half


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's exact test between two models on the same images.

    Args:
        only_first: Images that the first model alone gets right.
        only_second: Images that the second model alone gets right.
        p: Two-sided probability of a split at least as uneven, were both equally good.
    """

    only_first: int
    only_second: int
    p: float

    @property
    def verdict(self) -> str:
        """Which model is better at the 5 % level, or ``no difference shown``."""
        if self.p >= 1 - CONFIDENCE:
            return NO_DIFFERENCE
        return "first better" if self.only_first > self.only_second else "second better"


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> McNemar:
    """Compare which images two models get right.

    Under equal accuracy the images that exactly one model gets right fall to either side like
    a fair coin, so ``p`` is the binomial test of ``only_first`` in ``only_first + only_second``.

    Source: McNemar 1947, Psychometrika 12(2); the exact form.

    Raises:
        ValueError: If the two differ in length.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"McNemar's test must see the same images, got {len(first)} and {len(second)}"
        )
    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    return McNemar(only_first, only_second, fair_coin(only_first, only_second))


def paired_difference(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """Return how much larger the first of two shares of the same images is, with its interval.

    Of shares ``p1`` and ``p2`` whose Wilson limits are ``dl`` below and ``du`` above them, the
    ends are ``p1 - p2 - sqrt(dl1^2 - 2 phi dl1 du2 + du2^2)`` and ``p1 - p2 + sqrt(du1^2 - 2 phi
    du1 dl2 + dl2^2)``: models that are right on the same images differ by less than others.

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial
    proportions based on paired data", Statistics in Medicine 17, method 10: a positive correlation
    ``phi`` is found with half the images taken off its numerator.

    Args:
        both: Images that both models get right.
        only_first: That the first alone gets right.
        only_second: Likewise.
        neither: That neither gets right.

    Returns:
        In [-1, 1]; positive where the first is better.

    Raises:
        ValueError: If there is no image.
    """
    images = both + only_first + only_second + neither
    if images < 1:
        raise ValueError("a difference of two shares must be of at least one image, got none")
    first, second = (both + only_first) / images, (both + only_second) / images
    low1, high1 = wilson(first, images)
    low2, high2 = wilson(second, images)
    phi = _correlation(both, only_first, only_second, neither)

    def apart(one: float, other: float) -> float:
        return max(one * one - 2 * phi * one * other + other * other, 0.0) ** 0.5

    mean = first - second
    low, high = (
        mean - apart(first - low1, high2 - second),
        mean + apart(high1 - first, second - low2),
    )
    return Interval(mean, max(low, -1.0), min(high, 1.0), images, "Newcombe")


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Return the correlation of two models' right answers, a positive one with a correction."""
    right1, right2 = both + only_first, both + only_second
    images = right2 + only_first + neither
    product = right1 * right2 * (images - right1) * (images - right2)
    if product == 0:
        return 0.0
    over = both * neither - only_first * only_second
    return (max(over - images / 2, 0.0) if over > 0 else over) / product**0.5
