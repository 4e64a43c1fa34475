"""Reduce and refine: from a ladder of nets to the best inside the budget, and its neighbours."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import geometric_mean

from smidgen.methods import Method
from smidgen.recipe import Recipe
from smidgen.sizes import counted
from smidgen.spec import NetSpec
from smidgen.study.design.budget import told
from smidgen.study.design.maker import Maker, Shaped
from smidgen.study.design.moves import moves
from smidgen.study.design.profile import Profile
from smidgen.study.design.search import AllFailedError, Candidate, Left, Rows, Search
from smidgen.study.job import Origin

REDUCE, REFINE = "reduce", "refine"
_ALIKE = 1.05  # times a figure that is still taken for no more: RAM may differ by a few bytes
_FEW = 3  # nets that a design must be able to compare, whatever the time
_HOPELESS = 5.0  # times the tolerance below the best: too far to be caught up by longer training


@dataclass(frozen=True, slots=True)
class Entrant:
    """A net of the ladder, on images as it sees them.

    Args:
        shaped: The net.
        maker: What made it.
        origin: Of its images; ``None`` is the design's own.
        told: Of the images, for people, if they are not the design's own.
    """

    shaped: Shaped
    maker: Maker
    origin: Origin | None = None
    told: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return self.shaped.spec.name + (f" on {self.told}" if self.told else "")

    @property
    def built(self) -> NetSpec:
        """The net with the methods that rewrite it: its figures are those of what is trained."""
        return self.maker.built(self.shaped.spec)

    @property
    def excess(self) -> float:
        """The largest ratio of a figure to its limit."""
        return self.maker.excess(self.shaped.spec)

    @property
    def figures(self) -> dict[str, float | int]:
        """Parameters, and all that is limited, of the net with the methods that rewrite it."""
        return {"params": self.built.params, **self.maker.figures(self.shaped.spec)}

    @property
    def size(self) -> float:
        """The geometric mean of the ratios of all limited figures to their limits."""
        figures, limits = self.maker.figures(self.shaped.spec), self.maker.budget.limits
        return geometric_mean(figures[name] / limit for name, limit in limits.items())

    def is_no_larger(self, other: "Entrant") -> bool:
        """Whether it needs at most 5 % more than another net of anything that is counted.

        Where RAM binds, all nets use it up to a few bytes: these make none of them the smaller.
        """
        own, theirs = self.figures, other.figures
        return all(own[name] <= _ALIKE * theirs[name] for name in own)

    def candidate(self, methods: tuple[Method, ...], recipe: Recipe) -> Candidate:
        """Return the entrant as something to train."""
        return Candidate(self.shaped.spec, methods, recipe, self.origin)


Scores = dict[Entrant, float]


class Contest:
    """Entrants, compared with the same methods and recipe."""

    def __init__(
        self,
        search: Search,
        profile: Profile,
        methods: tuple[Method, ...],
        recipe: Recipe,
        prefer: str,
    ) -> None:
        self._search, self._profile, self._prefer = search, profile, prefer
        self._methods, self._recipe = methods, recipe
        self._last: dict[Entrant, Rows] = {}  # of the longest runs of each entrant so far

    def reduce(self, entrants: Sequence[Entrant], left: Left, first: int = 0) -> Scores:
        """Return the scores of the last round of successive halving, in percent.

        Every round trains those that are left longer and over more replicates, and then drops
        the hopeless; those whose first replicate is hopeless get no others, and stay as far below
        what was ahead in it. Where the smallest is wanted, those of the rest that no smaller net
        beats go on first.

        Args:
            entrants: To begin with.
            left: Whether there is time for a round, or for its further seeds; the first seed of
                the first one is trained without asking.
            first: Nets that are trained before all others, for their pace to tell how many of
                these there is time for; 0 where time is not limited.
        """
        sizes = [entrant.built.params for entrant in entrants]
        self._search.say(
            REDUCE,
            f"{len(entrants)} nets inside the budget, {min(sizes):,} to"
            f" {told('params', max(sizes))}",
        )
        scores: Scores = {}
        now = list(entrants)
        for number, round_ in enumerate(self._profile.rounds, 1):
            now = best_of(now, scores, self._profile, self._prefer)[: round_.nets]
            epochs = max(1, round(round_.share * self._recipe.epochs))
            if scores and not left(self._candidates(now, epochs), range(1)):
                self._search.say(REDUCE, "the time allows no further round")
                break
            if first and not scores:
                now = self._in_time(now, epochs, left, first)
            scores = self._halved(now, epochs, round_.seeds, left)
            best = max(scores, key=lambda one: scores[one])
            of = (
                counted(len(scores), "net", "nets"),
                counted(epochs, "epoch", "epochs"),
                counted(len(self._last[best]), "seed", "seeds"),
            )
            self._search.say(
                REDUCE,
                f"round {number}: {', '.join(of)}: best {best.name} with {self.reached(best)}",
            )
            now = list(scores)
        return scores

    def refine(self, best: Entrant, left: Left) -> Entrant:
        """Return the best net among ``best`` and its neighbours, and theirs in turn.

        Args:
            best: So far.
            left: Whether there is time for runs.
        """
        tried = {best.shaped.spec}
        replicates = self._profile.seeds
        for _ in range(self._profile.move_rounds):
            near = {
                Entrant(shaped, best.maker, best.origin, best.told): change
                for change, shaped in moves(best.maker, best.shaped)
                if shaped.spec not in tried
            }
            near = dict(list(near.items())[: self._profile.moves])
            half = max(1, round(0.5 * self._recipe.epochs))
            if not near:
                break
            if not left(self._candidates(near, half), range(1)):
                self._search.say(REFINE, "the time allows no run of a neighbour")
                break
            tried |= {one.shaped.spec for one in near}
            short = self._hopes(near, half)
            hopeful = sorted(short, key=lambda one: -short[one])
            compared = [best, *hopeful[: max(1, (len(near) + 1) // 3)]]
            if not left(self._candidates(compared, self._recipe.epochs), range(replicates)):
                self._search.say(REFINE, "the time allows no whole run of a neighbour")
                break
            scores = self._scores(compared, self._recipe.epochs, replicates)
            ahead = max(scores, key=lambda one: scores[one])
            if ahead == best or best not in scores:
                self._search.say(REFINE, f"{len(near)} neighbours tried, none is ahead")
                break
            self._search.say(
                REFINE,
                f"{near[ahead]}: {ahead.name} with {self.reached(ahead)} against"
                f" {self.reached(best)}",
            )
            best = ahead
        return best

    def rows_of(self, entrant: Entrant) -> Rows:
        """Return the rows that an entrant was last scored by: of whole runs, if there was time.

        Nothing is to be compared with them, as they chose it: they tell of its accuracy alone.
        """
        return self._last[entrant]

    def reached(self, entrant: Entrant) -> str:
        """Return for people what an entrant reached in the runs that it was last scored by."""
        return self._search.judging.told(self._last[entrant])

    def _in_time(
        self, entrants: list[Entrant], epochs: int, left: Left, first: int
    ) -> list[Entrant]:
        """Return as many of the nets as there is time for, but a few at the least.

        What was expected is of a machine that does nothing else.
        """
        try:
            self._scores(entrants[:first], epochs, 1)
        except AllFailedError:  # the others may do better
            return entrants
        counts = range(len(entrants), _FEW, -1)
        fits = (n for n in counts if left(self._candidates(entrants[:n], epochs), range(1)))
        fewer = max(next(fits, _FEW), min(first, len(entrants)))
        if fewer < len(entrants):
            self._search.say(REDUCE, f"the time allows {fewer} of {len(entrants)} nets")
        return entrants[:fewer]

    def _halved(self, entrants: Sequence[Entrant], epochs: int, seeds: int, left: Left) -> Scores:
        first = self._scores(entrants, epochs, 1)
        if seeds == 1:
            return first
        hopeless = _hopeless(first, self._profile)
        hopeful = [one for one in first if one not in hopeless]
        if not left(self._candidates(hopeful, epochs), range(seeds)):
            self._search.say(REDUCE, f"the time allows no more than 1 of {seeds} seeds")
            return first
        scores = self._scores(hopeful, epochs, seeds)
        ahead = max(scores, key=lambda one: first[one])
        moved = scores[ahead] - first[ahead]  # by seeds and folds that the hopeless do not have
        return scores | {one: score + moved for one, score in hopeless.items()}

    def _hopes(self, near: Iterable[Entrant], epochs: int) -> Scores:
        """Return the scores of one short run of each neighbour; none where all of them failed."""
        try:
            return self._scores(near, epochs, 1)
        except AllFailedError:  # the net that they are neighbours of is as good as before
            return {}

    def _candidates(self, entrants: Iterable[Entrant], epochs: int) -> list[Candidate]:
        recipe = replace(self._recipe, epochs=epochs)
        return [one.candidate(self._methods, recipe) for one in entrants]

    def _scores(self, entrants: Iterable[Entrant], epochs: int, seeds: int) -> Scores:
        entrants = list(entrants)
        wanted = dict(zip(self._candidates(entrants, epochs), entrants, strict=True))
        found = self._search.measure(REDUCE, wanted, range(seeds))
        self._last |= {wanted[candidate]: rows for candidate, rows in found.items()}
        mean = self._search.judging.mean
        return {wanted[candidate]: mean(rows) for candidate, rows in found.items()}


def _hopeless(scores: Mapping[Entrant, float], profile: Profile) -> Scores:
    least = max(scores.values()) - _HOPELESS * profile.tolerance
    return {one: score for one, score in scores.items() if score < least}


def best_of(
    entrants: Sequence[Entrant], scores: Mapping[Entrant, float], profile: Profile, prefer: str
) -> list[Entrant]:
    """Return ``entrants``, the most promising first; without scores the order stays.

    Where the smallest is wanted, last come the hopeless; before them, those that are beaten by a
    net that needs no more of anything; each group by its scores.
    """
    if not scores:
        return list(entrants)
    if prefer == "best":
        return sorted(entrants, key=lambda one: -scores[one])
    hopeless = _hopeless(scores, profile)

    def rank(one: Entrant) -> tuple[bool, int, float]:
        beaten = sum(scores[o] > scores[one] and o.is_no_larger(one) for o in entrants)
        return one in hopeless, beaten, -scores[one]

    return sorted(entrants, key=rank)


def choose(
    search: Search,
    scores: Mapping[Entrant, float],
    profile: Profile,
    prefer: str,
    reached: Callable[[Entrant], str],
) -> Entrant:
    """Return the best net, or the smallest that is as good but for the tolerance.

    Args:
        search: That is told of the choice.
        scores: By net.
        profile: Of which the tolerance is.
        prefer: ``best`` or ``smallest``.
        reached: Tells the score of a net, for people.
    """
    best = max(scores, key=lambda one: (scores[one], -one.size))
    chosen, why = best, "the best"
    if prefer == "smallest":
        near = [one for one in scores if scores[one] >= scores[best] - profile.tolerance]
        chosen = _smallest(near, scores)
        unit = search.judging.unit
        unit = unit.replace("points", "point") if profile.tolerance == 1 else unit
        within = f"{profile.tolerance:g} {unit}"
        limits = list(chosen.maker.budget.limits)
        by = "" if len(limits) == 1 else f", by its shares of the limits of {' and '.join(limits)},"
        why = f"the smallest{by} within {within} of the best ({reached(best)})"
    net = chosen.built
    search.say(
        REDUCE,
        f"chosen: {chosen.name}, {told('params', net.params)} and {told('macs', net.macs)},"
        f" with {reached(chosen)}: {why}",
    )
    return chosen


def _smallest(entrants: Sequence[Entrant], scores: Mapping[Entrant, float]) -> Entrant:
    """Return the one that uses the least of the limits; of those alike, with the fewest params."""
    least = min(one.size for one in entrants)
    alike = [one for one in entrants if one.size <= _ALIKE * least]
    return min(alike, key=lambda one: (one.figures["params"], one.size, -scores[one]))
