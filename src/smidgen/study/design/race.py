"""When a comparison has been decided before all its replicates are trained."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, inf

from smidgen.study.design.gain import Belief
from smidgen.study.design.judging import Judging
from smidgen.study.design.search import Candidate, Rows, Search
from smidgen.study.statistics import Interval

_SPREAD = 15.0  # points, in units of e (1 - e): how far nets, or lengths, may be apart


@dataclass(frozen=True, slots=True)
class Race:
    """Tells of which comparisons further replicates could not change the outcome.

    After some replicates a belief says how far one candidate is ahead of another. The rest would
    move it, and be worth the points by which choosing afterwards is expected to be better than
    choosing now; where these are fewer than the profile asks of any comparison, the rest decides
    nothing.

    Args:
        judging: Of the candidates.
        percent: Accuracy near which they are.
        replicates: Of a whole comparison.
        worth: Points that the rest must be expected to gain for it to be trained.
    """

    judging: Judging
    percent: float
    replicates: int
    worth: float

    @property
    def of_nets(self) -> Belief:
        """What is believed of the difference of two good candidates before any is measured."""
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
        """Return what is believed after ``gain`` was measured."""
        return prior.after(gain, self.error(gain.count))

    def is_decided(self, prior: Belief, gain: Interval) -> bool:
        """Whether the rest of the replicates is not worth it, whichever of the two is ahead."""
        now, whole = self.error(gain.count), self.error(self.replicates)
        precision = 1 / whole**2 - 1 / now**2
        rest = precision**-0.5 if precision > 0 else inf
        return self.after(prior, gain).worth_measuring(rest) < self.worth

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
    replicates: int,
    over: Callable[[Mapping[Candidate, Rows]], set[Candidate]],
) -> dict[Candidate, Rows]:
    """Return the rows of candidates, some of which need not all their replicates.

    Args:
        search: To ask.
        phase: Under which the trials are kept.
        candidates: To be trained; what fails is left out.
        replicates: Of those that stay.
        over: Tells, of those still trained, which need no more, or that none does.
    """
    found: dict[Candidate, Rows] = {}
    left = list(candidates)
    for count in looks(replicates):
        now = search.measure(phase, left, range(count))
        for one in left:
            found.pop(one, None)
        found |= now
        if count == replicates:
            break
        ended = over(now)
        left = [one for one in now if one not in ended]
        if not left:
            break
    return {one: found[one] for one in candidates if one in found}
