"""Reduce: from a ladder of nets to the smallest that is as good as the best, but for a little."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from smidgen.methods import Method
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design.budget import told
from smidgen.study.design.ladder import Maker
from smidgen.study.design.profile import Profile
from smidgen.study.design.search import Candidate, Rows, Search, percent

PHASE = "reduce"
_HOPELESS = 5.0  # times the tolerance below the best: too far to be caught up by longer training


def reduce(
    search: Search,
    maker: Maker,
    rungs: Sequence[NetSpec],
    profile: Profile,
    recipe: Recipe,
    baseline: tuple[Method, ...],
) -> NetSpec:
    """Return the smallest net whose accuracy is within the tolerance of the best.

    Successive halving: every round trains those that are left longer and over more seeds, and
    then drops the hopeless; those whose first seed is hopeless get no others. Among the rest,
    those that no smaller net beats go on first.
    """
    left = list(rungs)
    search.say(
        PHASE,
        f"{len(left)} nets inside the budget, {told('params', min(s.params for s in left))} to"
        f" {told('params', max(s.params for s in left))}",
    )
    scores: dict[NetSpec, float] = {}
    for number, round_ in enumerate(profile.rounds, 1):
        left = best_of(left, scores, maker, profile)[: round_.nets]
        epochs = max(1, round(round_.share * recipe.epochs))
        shorter = replace(recipe, epochs=epochs)
        first = search.measure(PHASE, [Candidate(n, baseline, shorter) for n in left], range(1))
        scores = _scores(first)
        if round_.seeds > 1:
            hopeless = _hopeless(scores, profile)
            hopeful = [candidate for candidate in first if candidate.net not in hopeless]
            scores = _scores(search.measure(PHASE, hopeful, range(round_.seeds))) | hopeless
        best = max(scores, key=lambda net: scores[net])
        search.say(
            PHASE,
            f"round {number}: {len(scores)} nets, {epochs} epochs, {_seeds(round_.seeds)}:"
            f" best {best.name} with {scores[best]:.2f} % of the held-out images",
        )
        left = list(scores)
    return _smallest(search, maker, scores, profile.tolerance)


def _scores(found: dict[Candidate, Rows]) -> dict[NetSpec, float]:
    return {candidate.net: fmean(percent(rows).values()) for candidate, rows in found.items()}


def _hopeless(scores: dict[NetSpec, float], profile: Profile) -> dict[NetSpec, float]:
    least = max(scores.values()) - _HOPELESS * profile.tolerance
    return {net: score for net, score in scores.items() if score < least}


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def best_of(
    nets: Sequence[NetSpec], scores: dict[NetSpec, float], maker: Maker, profile: Profile
) -> list[NetSpec]:
    """Return ``nets``, the most promising first.

    Last come the hopeless; before them, those that are beaten by a net that costs no more; each
    group by accuracy. Without scores the order stays.
    """
    if not scores:
        return list(nets)
    hopeless = _hopeless(scores, profile)
    size = {net: maker.excess(net) for net in nets}

    def rank(net: NetSpec) -> tuple[bool, int, float]:
        beaten = sum(scores[o] > scores[net] and size[o] <= size[net] for o in nets)
        return net in hopeless, beaten, -scores[net]

    return sorted(nets, key=rank)


def _smallest(
    search: Search, maker: Maker, scores: dict[NetSpec, float], tolerance: float
) -> NetSpec:
    best = max(scores.values())
    near = [net for net, score in scores.items() if score >= best - tolerance]
    chosen = min(near, key=lambda net: (maker.excess(net), -scores[net]))
    search.say(
        PHASE,
        f"chosen: {chosen.name}, {told('params', chosen.params)} and {told('macs', chosen.macs)},"
        f" with {scores[chosen]:.2f} %: the smallest within {tolerance:g} points of the best"
        f" ({best:.2f} %)",
    )
    return chosen
