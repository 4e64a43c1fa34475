"""When a comparison has been decided before all its replicates are trained."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot

from smidgen.study.design.gain import Belief
from smidgen.study.design.judging import Judging
from smidgen.study.design.search import Candidate, Left, Rows, Search
from smidgen.study.statistics import Interval

_SPREAD = 15.0  # points, in units of e (1 - e): how far lengths may be apart
_SURE = 2.0  # deviations: the sign is another one in the end once in 44 times


@dataclass(frozen=True, slots=True)
class Race:
    """Tells of which comparisons further replicates could hardly change the outcome.

    After some replicates a belief says how far one candidate is ahead of another. The rest would
    move its mean, by a deviation that is known before: where it is so far from zero that the rest
    would have to move it by more than two of them, the rest decides nothing.

    Args:
        judging: Of the candidates.
        percent: Their level, near which they are.
        replicates: Of a whole comparison.
    """

    judging: Judging
    percent: float
    replicates: int

    @property
    def of_lengths(self) -> Belief:
        """What is believed of the difference of two lengths before any is measured."""
        share = min(max(self.percent / 100, 0.01), 0.99)
        return Belief(0.0, _SPREAD * share * (1 - share))

    def error(self, replicates: int) -> float:
        """Return about how well a paired difference is known, in points: pictures and seeds.

        A replicate's seeds are taken to be as noisy as its pictures. Pictures that are held out
        for all replicates are the same in each, so that more replicates help against seeds alone.
        """
        judging, alone = self.judging, self.judging.error(self.percent, 1)
        return hypot(judging.error(self.percent, replicates), alone / replicates**0.5)

    def after(self, prior: Belief, gain: Interval) -> Belief:
        """Return what is believed after ``gain`` was measured, by all replicates or by some."""
        if gain.count == self.replicates:
            return prior.after(gain, self.judging.error(self.percent, self.replicates))
        return prior.after(gain, self.error(gain.count))

    def is_decided(self, prior: Belief, gain: Interval) -> bool:
        """Whether the rest of the replicates hardly changes which of the two is ahead."""
        if gain.count >= self.replicates:
            return True
        precision = 1 / self.error(self.replicates) ** 2 - 1 / self.error(gain.count) ** 2
        now = self.after(prior, gain)
        return abs(now.mean) > _SURE * now.moved(precision**-0.5)

    def is_lost(self, prior: Belief, gain: Interval) -> bool:
        """Whether it is decided, and the candidate with this ``gain`` is behind."""
        return self.after(prior, gain).mean < 0 and self.is_decided(prior, gain)


def looks(replicates: int) -> Iterator[int]:
    """Yield how many replicates are trained when it is asked whether the rest is needed."""
    count = 1
    while count < replicates:
        yield count
        count *= 2
    yield replicates


def race(
    search: Search,
    phase: str,
    candidates: Sequence[Candidate],
    replicates: Sequence[int],
    over: Callable[[Mapping[Candidate, Rows]], set[Candidate]],
    left: Left,
) -> dict[Candidate, Rows]:
    """Return the rows of candidates, some of which need not all their replicates.

    Args:
        search: To ask.
        phase: Under which the trials are kept.
        candidates: To be trained; what fails is left out.
        replicates: Of those that stay; the caller has seen to it that there is time for the first.
        over: Tells, of those still trained, which need no more, or that none does.
        left: Whether there is time for more of them.
    """
    found: dict[Candidate, Rows] = {}
    trained = list(candidates)
    done = 0
    for count in looks(len(replicates)):
        if done and not left(trained, replicates[:count]):
            search.say(phase, f"the time allows no more than {done} of {len(replicates)} seeds")
            break
        now = search.measure(phase, trained, replicates[:count])
        for one in trained:
            found.pop(one, None)
        found |= now
        ended = over(now) if count < len(replicates) else set(now)
        trained = [one for one in now if one not in ended]
        if not trained:
            break
        done = count
    return {one: found[one] for one in candidates if one in found}
