"""The recipe of the last runs: optimizer, rate, weight decay and length, by a small search."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from statistics import fmean
from typing import Any

from smidgen.sizes import counted
from smidgen.study.design.clock import Clock, lasting_within
from smidgen.study.design.gain import Belief
from smidgen.study.design.profile import Change, Profile, is_small
from smidgen.study.design.race import Race, race
from smidgen.study.design.search import Candidate, Rows, Search
from smidgen.study.statistics import Interval
from smidgen.text import to_text

RECIPE = "recipe"
_SPREAD = 6.0  # points, in units of e (1 - e): how far another recipe may be from the usual one
_SHORTER = 3  # times: the shorter run that few images are tried with
_SLOWEST, _FASTEST = 1e-4, 0.5  # learning rates
_SOAP_MOMENTUM = 0.95  # its paper's


def tuned(
    search: Search, chosen: Candidate, rows: Rows, profile: Profile, left: Callable[[], bool]
) -> Candidate:
    """Return the candidate with the recipe that is expected to be best.

    Each other recipe is compared with the usual one, paired by replicate, and taken if it is
    expected to be ahead: what is measured counts for less the less exactly it is known.

    Args:
        search: To ask.
        chosen: With its methods and the usual recipe.
        rows: Of whole runs of it; of shorter ones where there is no time.
        profile: Names the other recipes.
        left: Whether there is time.
    """
    judging, replicates = search.judging, profile.seeds
    level = sum(map(judging.level, rows.values())) / len(rows)
    error = judging.error(level, replicates)
    share = min(max(level / 100, 0.01), 0.99)
    prior = Belief(0.0, _SPREAD * share * (1 - share))
    if not profile.recipes or prior.worth_measuring(error) < profile.worth or not left():
        return chosen
    others = [changed(chosen, change) for change in profile.recipes]
    odds = Race(judging, level, replicates)

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
                f"{described(other)}: {gain.mean:+.2f} points, expected now {after.mean:+.2f}",
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


def lengthened(
    search: Search, chosen: Candidate, profile: Profile, left: Callable[[], bool]
) -> Candidate:
    """Return the candidate with the epochs of its last runs.

    They are several times those of the search, as small nets go on learning for long. On few
    images, where a net may learn them by heart instead and long runs cost little, a longer and a
    shorter run are compared with the usual one on held-out folds first.
    """
    usual = chosen.recipe.epochs
    longer = chosen.lasting(usual * profile.confirm_longer)
    if not is_small(search.data) or not left():
        return longer
    others = dict.fromkeys((longer, chosen.lasting(max(1, usual // _SHORTER))))

    def over(found: Mapping[Candidate, Rows]) -> set[Candidate]:
        gains = _gains(search, found, chosen)
        if not gains:
            return set(found)
        level = fmean(map(search.judging.level, found[chosen].values()))
        odds = Race(search.judging, level, profile.seeds)
        ended = {one for one, gain in gains.items() if odds.is_decided(odds.of_lengths, gain)}
        return ended if len(ended) < len(gains) else set(found)

    found = race(search, RECIPE, [chosen, *others], profile.seeds, over, left)
    if chosen not in found:
        return longer
    best, most = chosen, 0.0
    for other in others:
        if other in found:
            gain = search.judging.effect(found[other], found[chosen]).mean
            epochs = counted(other.recipe.epochs, "epoch", "epochs")
            search.say(RECIPE, f"{epochs} instead of {usual}: {gain:+.2f} points")
            if gain > most:
                best, most = other, gain
    return best


def in_time(
    search: Search, last: Sequence[Candidate], seeds: int, jobs: int, clock: Clock, card: float
) -> list[Candidate]:
    """Return the candidates with as many epochs of their last runs as the time left allows.

    It goes by what the search's own runs took, on this machine and beside what else it does.

    Args:
        search: Has trained them, on a part of the training images or with others to judge.
        last: That are to be trained on all, with one recipe.
        seeds: Of each.
        jobs: Runs side by side.
        clock: Knows what is left.
        card: Seconds that each run is judged on changed pictures.
    """
    planned = last[0].recipe.epochs
    if clock.seconds is None:
        return list(last)
    rows = [row for row in search.store.rows() if row["split"] == "held-out"]
    once = list(dict.fromkeys(last))
    # another winner, or another front, is another question
    asked = [clock.limit, planned, [search.key(one, 0, full=True) for one in once]]
    noted = search.store.notes().get("last")
    if isinstance(noted, list) and noted[:-1] == asked and type(noted[-1]) is int:
        epochs = noted[-1]  # what was interrupted may have been tested already
    else:
        an_epoch = [_an_epoch(search, rows, one) for one in once]
        epochs = lasting_within(clock.seconds, planned, an_epoch, seeds, jobs, card)
        search.store.note("last", [*asked, epochs])
    if epochs < planned:
        enough = counted(epochs, "epoch", "epochs")
        search.say(RECIPE, f"the time left is enough for {enough} and not {planned}")
    return [one.lasting(epochs) for one in last]


def _an_epoch(search: Search, rows: Sequence[Mapping[str, Any]], candidate: Candidate) -> float:
    """Return the most seconds that an epoch of a candidate took, as it were on all images.

    Methods may take as long again as the net, as SAM does: runs with the same ones tell, or else
    with some of them.
    """
    images, size = len(search.data.train), candidate.recipe.batch_size
    apart = search.data.validation is not None  # then the search trains on all of them as well

    def whole(row: Mapping[str, Any]) -> float:
        trained = images if apart else images - row["images"]
        return row["seconds"] / row["epochs"] * ceil(images / size) / ceil(trained / size)

    methods = [to_text(method) for method in candidate.methods]
    own = [row for row in rows if row["net"] == candidate.net.name]
    some = [row for row in own if all(text in methods for text in row.get("methods", ()))]
    same = [row for row in some if len(row.get("methods", ())) == len(methods)]
    return max(map(whole, same or some or own or rows))


def hurried(search: Search, winner: Candidate) -> list[str]:
    """Return a warning if the time cut the last runs below those that the winner was chosen by."""
    noted, epochs = search.store.notes().get("last"), winner.recipe.epochs
    if not isinstance(noted, list) or epochs >= noted[1]:
        return []
    searched = [
        row["epochs"]
        for row in search.store.rows()
        if row["split"] == "held-out" and row["net"] == winner.net.name
    ]
    if epochs >= max(searched, default=0):
        return []
    return [
        f"the time was enough for last runs of {counted(epochs, 'epoch', 'epochs')}, where runs of"
        f" {max(searched)} chose the net: the model is worse for it; give a longer --time, in"
        " another folder"
    ]


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
