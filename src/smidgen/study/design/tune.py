"""The recipe of the last runs: optimizer, rate, weight decay and length, by a small search."""

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from smidgen.sizes import counted
from smidgen.study.design.gain import Belief
from smidgen.study.design.profile import Change, Profile, is_small
from smidgen.study.design.race import Race, race
from smidgen.study.design.search import Candidate, Left, Rows, Search
from smidgen.study.statistics import Interval

RECIPE = "recipe"
_SPREAD = 6.0  # points, in units of e (1 - e): how far another recipe may be from the usual one
_SHORTER = 3  # times: the shorter run that few images are tried with
_SLOWEST, _FASTEST = 1e-4, 0.5  # learning rates
_SOAP_MOMENTUM = 0.95  # its paper's


def tuned(search: Search, chosen: Candidate, rows: Rows, profile: Profile, left: Left) -> Candidate:
    """Return the candidate with the recipe that is expected to be best.

    Each other recipe is compared with the usual one, paired by replicate, and taken if it is
    expected to be ahead: what is measured counts for less the less exactly it is known.

    Args:
        search: To ask.
        chosen: With its methods and the usual recipe.
        rows: That chose its net, by which its level is known.
        profile: Names the other recipes.
        left: Whether there is time for runs.
    """
    judging, replicates = search.judging, profile.fresh(search.judging)
    level = sum(map(judging.level, rows.values())) / len(rows)
    error = judging.error(level, len(replicates))
    share = min(max(level / 100, 0.01), 0.99)
    prior = Belief(0.0, _SPREAD * share * (1 - share))
    if not profile.recipes or prior.worth_measuring(error) < profile.worth:
        return chosen
    others = [changed(chosen, change) for change in profile.recipes]
    if not left([chosen, *others], replicates[:1]):
        return chosen
    odds = Race(judging, level, len(replicates))

    def over(found: Mapping[Candidate, Rows]) -> set[Candidate]:
        gains = _gains(search, found, chosen)
        lost = {other for other, gain in gains.items() if odds.is_lost(prior, gain)}
        return lost if len(lost) < len(gains) else set(found)

    found = race(search, RECIPE, [chosen, *others], replicates, over, left)
    if chosen not in found:
        return chosen
    best, most = chosen, 0.0
    for other in others:
        if other in found:
            gain = judging.effect(found[other], found[chosen])
            after = odds.after(prior, gain)
            search.say(
                RECIPE,
                f"{described(other)}: {gain.mean:+.2f} {judging.unit},"
                f" expected now {after.mean:+.2f}",
            )
            if after.mean > most:
                best, most = other, after.mean
    search.say(RECIPE, f"taken: {described(best)}")
    return best


def changed(candidate: Candidate, change: Change) -> Candidate:
    """Return the candidate with another recipe."""
    recipe = candidate.recipe
    peak = min(max(recipe.peak_lr * change.rate, _SLOWEST), _FASTEST)
    recipe = replace(recipe, peak_lr=peak, weight_decay=recipe.weight_decay * change.decay)
    if change.optimizer == "soap":
        recipe = replace(recipe, optimizer="soap", momentum=_SOAP_MOMENTUM)
    return replace(candidate, recipe=recipe)


def lengthened(search: Search, chosen: Candidate, profile: Profile, left: Left) -> Candidate:
    """Return the candidate with the epochs of its last runs.

    They are several times those of the search, as small nets go on learning for long. On few
    images, where a net may learn them by heart instead and long runs cost little, a longer and a
    shorter run are compared with the usual one on held-out folds first.
    """
    usual = chosen.recipe.epochs
    longer = chosen.lasting(usual * profile.confirm_longer)
    others = dict.fromkeys((longer, chosen.lasting(max(1, usual // _SHORTER))))
    replicates = profile.fresh(search.judging)
    if not is_small(search.data) or not left([chosen, *others], replicates[:1]):
        return longer

    def over(found: Mapping[Candidate, Rows]) -> set[Candidate]:
        gains = _gains(search, found, chosen)
        if not gains:
            return set(found)
        level = fmean(map(search.judging.level, found[chosen].values()))
        odds = Race(search.judging, level, profile.seeds)
        ended = {one for one, gain in gains.items() if odds.is_decided(odds.of_lengths, gain)}
        return ended if len(ended) < len(gains) else set(found)

    found = race(search, RECIPE, [chosen, *others], replicates, over, left)
    if chosen not in found:
        return longer
    best, most = chosen, 0.0
    for other in others:
        if other in found:
            gain = search.judging.effect(found[other], found[chosen]).mean
            epochs = counted(other.recipe.epochs, "epoch", "epochs")
            search.say(RECIPE, f"{epochs} instead of {usual}: {gain:+.2f} {search.judging.unit}")
            if gain > most:
                best, most = other, gain
    return best


def _gains(
    search: Search, found: Mapping[Candidate, Rows], base: Candidate
) -> dict[Candidate, Interval]:
    """Return how far each other candidate is ahead of ``base``; nothing where that has failed."""
    if base not in found:
        return {}
    effect = search.judging.effect
    return {one: effect(rows, found[base]) for one, rows in found.items() if one != base}


def described(candidate: Candidate) -> str:
    """Return the numbers that were searched, for people."""
    recipe = candidate.recipe
    numbers = f"peak rate {recipe.peak_lr:g}, weight decay {recipe.weight_decay:g}"
    return numbers if recipe.optimizer == "adamw" else f"{recipe.optimizer}, {numbers}"
