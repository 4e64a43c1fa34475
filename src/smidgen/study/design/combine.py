"""Tweak and combine: which methods help a net, alone and together."""

import warnings
from collections.abc import Mapping, Sequence

from smidgen.methods import Method, rewritten
from smidgen.methods.base import ArchitectureMethod
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design.budget import costs, told
from smidgen.study.design.ladder import Maker
from smidgen.study.design.profile import Profile
from smidgen.study.design.search import Candidate, Rows, Search, listed, percent
from smidgen.study.statistics import BETTER, Interval, paired_effect

TWEAK, COMBINE = "tweak", "combine"
Chosen = tuple[Method, ...]


class Selection:
    """Methods chosen for one net, by paired comparisons on held-out images."""

    def __init__(
        self, search: Search, maker: Maker, net: NetSpec, recipe: Recipe, profile: Profile
    ) -> None:
        self._search, self._maker, self._net = search, maker, net
        self._recipe, self._profile = recipe, profile

    def tweak(self, baseline: Chosen, methods: Sequence[Method]) -> dict[Method, Interval]:
        """Return the effect of each method alone, in percentage points against ``baseline``."""
        able = [m for m in methods if self._is_able((*baseline, m), m)]
        alone = {method: (*baseline, method) for method in able}
        found = self._measure(TWEAK, [baseline, *alone.values()], self._profile.seeds)
        base = found[baseline]
        effects: dict[Method, Interval] = {}
        for method, combination in alone.items():
            rows = found.get(combination)
            if rows is not None:
                effects[method] = _effect(rows, base)
                self._search.say(TWEAK, self._line(method, effects[method], rows, base))
        return effects

    def combine(self, baseline: Chosen, effects: Mapping[Method, Interval]) -> Chosen:
        """Return ``baseline`` with what greedy forward selection adds to it.

        At each step a few of the methods that help are tried on half of the seeds, the best
        of them on all; it is added if the interval of what it adds excludes zero. The first
        step has all seeds from :meth:`tweak`.
        """
        helping = sorted(
            (m for m, effect in effects.items() if effect.mean > 0), key=lambda m: -effects[m].mean
        )
        chosen = baseline
        while helping:
            tried = [(*chosen, method) for method in helping[: self._profile.tries]]
            tried = [methods for methods in tried if self._is_able(methods, methods[-1])]
            seeds = self._profile.seeds
            gains = self._added(chosen, tried, seeds if chosen == baseline else max(2, seeds // 2))
            best = max(gains, key=lambda method: gains[method].mean, default=None)
            if best is not None and gains[best].mean > 0:
                gains |= self._added(chosen, [(*chosen, best)], seeds)
            if best is None or gains[best].verdict != BETTER:
                self._search.say(COMBINE, _stopped(gains, chosen))
                return chosen
            chosen = (*chosen, best)
            helping.remove(best)
            self._search.say(COMBINE, f"{listed([best])} added: {_points(gains[best])}")
        self._search.say(COMBINE, f"nothing is left to add to {listed(chosen)}")
        return chosen

    def _added(
        self, chosen: Chosen, combinations: Sequence[Chosen], seeds: int
    ) -> dict[Method, Interval]:
        """Return what the last method of each combination adds to those chosen before."""
        found = self._measure(COMBINE, [chosen, *combinations], seeds)
        return {m[-1]: _effect(found[m], found[chosen]) for m in combinations if m in found}

    def _measure(
        self, phase: str, combinations: Sequence[Chosen], seeds: int
    ) -> dict[Chosen, Rows]:
        candidates = {Candidate(self._net, chosen, self._recipe): chosen for chosen in combinations}
        found = self._search.measure(phase, candidates, range(seeds))
        return {candidates[candidate]: rows for candidate, rows in found.items()}

    def _is_able(self, methods: Chosen, added: Method) -> bool:
        """Tell whether a method acts on the net and leaves it inside the budget."""
        if not isinstance(added, ArchitectureMethod):
            return True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a method changes nothing is said below
            before = rewritten(self._net, [m for m in methods if m is not added])
            after = rewritten(self._net, methods)
        if after == before:
            self._search.say(TWEAK, f"{listed([added])} is not tried: it changes nothing here")
            return False
        if self._maker.excess(after) > 1:
            figures = costs(after, self._maker.budget)
            over = ", ".join(told(name, figure) for name, figure in figures.items())
            self._search.say(TWEAK, f"{listed([added])} is not tried: over the budget with {over}")
            return False
        return True

    def _line(self, method: Method, effect: Interval, rows: Rows, base: Rows) -> str:
        # The least over the seeds: what else the machine does only adds to a time.
        seconds = [min(row["seconds"] for row in of.values()) for of in (rows, base)]
        first, first_base = next(iter(rows.values())), next(iter(base.values()))
        more = first["params"] - first_base["params"], first["macs"] - first_base["macs"]
        return (
            f"{listed([method])}: {_points(effect)}, {effect.verdict};"
            f" {more[0]:+,d} parameters, {more[1]:+,d} MACs,"
            f" {seconds[0] / max(seconds[1], 1e-9):.2f} times the training time"
        )


def _effect(rows: Rows, base: Rows) -> Interval:
    images = next(iter(base.values()))["images"]
    return paired_effect(percent(rows), percent(base), step=100 / images)


def _points(effect: Interval) -> str:
    return f"{effect.mean:+.2f} points [{effect.low:+.2f}, {effect.high:+.2f}]"


def _stopped(gains: Mapping[Method, Interval], chosen: Chosen) -> str:
    most = max((gain.count for gain in gains.values()), default=0)
    tried = "; ".join(
        f"{listed([method])} "
        + (_points(gain) if gain.count == most else f"{gain.mean:+.2f} on {gain.count} seeds")
        for method, gain in gains.items()
    )
    return f"stopped at {listed(chosen)}: no further gain shown ({tried or 'nothing to try'})"
