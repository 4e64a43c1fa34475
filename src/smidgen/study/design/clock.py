"""How long a design takes: told before it starts, and held to a limit."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any, NamedTuple

from smidgen.data import Data
from smidgen.recipe import Recipe
from smidgen.robust.corruptions import corruptions_for
from smidgen.runtime import choose
from smidgen.spec import NetSpec
from smidgen.study.design.judging import FOLDS
from smidgen.study.design.profile import Profile, Round
from smidgen.study.job import CARD, QUICK
from smidgen.training import Training
from smidgen.trial import Trial

_STEPS = 4  # timed, after two that warm up
_EXTRA = 1.3  # of what the training steps alone take: decoding, judging, starting processes
_UNEVEN = 1.15  # of what epochs took before: a machine is not as fast at all times
_WRITING = 0.05  # of a long limit, to judge the last runs and to write the result and its page
_AROUND = 5.0  # seconds of a 2-core machine for that and the rest: processes start, torch is read
_TRIAL = 0.2  # seconds there of a run beside its steps: building, judging, writing
_TOLD = 1.0  # seconds beyond a limit, from which on it is a word worth
_EXACT = 600  # seconds: a shorter time that is enough is told to the second, a longer to the minute
_FEW = 3  # nets that a design must be able to compare
_MOST_SCALED = 8.0  # times the usual length that a generous limit may make a run
_CHANGED = 16  # images whose changes are timed
_PASSES = 3  # through a net in a training step, where an answer takes one
_SEEN_QUICKLY = 15  # versions of a picture in a quick card, beside those that are corrupted
_SEEN = 60  # in a whole one, with those of no class and the ones that a threshold is chosen on


@dataclass(frozen=True, slots=True)
class Work:
    """What a design asks for, in whole runs of its search.

    Args:
        search: Runs to choose, as a rule.
        confirm: Runs for the last figure.
        judged: Runs of the search, short ones counted as whole.
        last: Last runs, long ones likewise.
    """

    search: float
    confirm: float
    judged: float
    last: float


def work_of(
    profile: Profile, epochs: int | None, usual: int, *, front: bool = False, late: bool = False
) -> Work:
    """Return how much a profile asks for.

    Args:
        profile: Whose rounds, moves, comparisons and seeds are counted.
        epochs: Of the last runs, if the user chose them.
        usual: Epochs of a run of the search.
        front: Whether a front of nets is trained last, not one alone.
        late: Whether methods, or that length, are judged at the length of the last runs as well.
    """
    rounds = sum(one.share * one.nets * one.seeds for one in profile.rounds)
    moves = profile.move_rounds * (0.5 * profile.moves + (profile.moves + 1) // 3 * profile.seeds)
    methods = (len(profile.methods) / 2 + 2) * profile.seeds  # about half are worth a comparison
    recipes = len(profile.recipes) * profile.seeds
    base = profile.seeds  # the net anew, by replicates that did not choose it
    longer = profile.confirm_longer if epochs is None else max(epochs / usual, 1.0)
    at_length = longer * profile.seeds if late else 0  # two sides, about half of the replicates
    nets = (1 + profile.rounds[-1].nets) / 2 if front else 1.0  # those of a front are smaller
    confirm = profile.confirm_seeds * longer * nets
    return Work(
        float(rounds + moves + base + methods + recipes + at_length),
        float(confirm),
        float(
            sum(one.nets * one.seeds for one in profile.rounds)
            + (moves + base + methods + recipes + (profile.seeds if late else 0))
        ),
        float(profile.confirm_seeds * (profile.rounds[-1].nets if front else 1)),
    )


def seconds_an_image(spec: NetSpec, data: Data, recipe: Recipe) -> float:
    """Return what a training step takes an image, on one thread of this machine."""
    trial = Trial(
        net=spec,
        methods=(),
        recipe=replace(recipe, batch_size=min(recipe.batch_size, len(data.train))),
        seed=0,
        data=data.name,
        fingerprint=data.fingerprint,
        split="full",
    )
    runtime = choose(device="cpu", threads=1)
    with runtime.active():  # which leaves the threads as they were
        training = Training(trial, data, runtime)
        batch = next(iter(training.batches.epoch(training.generator)))
        times: list[float] = []
        for _ in range(2 + _STEPS):
            started = time.perf_counter()
            training.flat.gradient.zero_()
            training.loss_of(batch).backward()
            training.optimizer.step()
            times.append(time.perf_counter() - started)
    return min(times[2:]) / len(batch.images)


class Cards(NamedTuple):
    """Seconds that it takes to judge a run on changed pictures as well; none where none is."""

    quick: float = 0.0  # a run of the search
    whole: float = 0.0  # a last one


NO_CARDS = Cards()


def seconds_of_cards(data: Data, an_image: float) -> Cards:
    """Return what the cards of robustness of a design take, on one thread of this machine.

    Args:
        data: A few images of which are changed, to see how long it takes.
        an_image: Seconds of training.
    """
    few, corruptions = data.train.images[:_CHANGED].contiguous(), corruptions_for(*data.shape)
    times: list[float] = []
    for _ in range(3):  # the first brings in what changes pictures
        started = time.perf_counter()
        for one in corruptions:
            one.apply(few, one.published[len(one.published) // 2])
        times.append(time.perf_counter() - started)
    a_version = min(times) / len(few) / len(corruptions) + an_image / _PASSES
    versions = sum(len(one.published) for one in corruptions) + _SEEN
    return Cards(
        a_version * min(len(data.train) // FOLDS, QUICK) * (len(corruptions) + _SEEN_QUICKLY),
        a_version * min(len(data.test), CARD) * versions,
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a design will take.

    Args:
        search: Seconds until the winner is known, as a rule.
        confirm: Seconds of its last runs.
        least: Seconds of the least that could be called a design: a few short runs, and one.
        card: Seconds that it takes to judge one last run on changed pictures.
        quick: Likewise a run of the search.
        epoch: Seconds of the steps of one epoch on all images; what runs take is told by it.
        plain: Seconds of the plain methods beside the result.
        done: Seconds of runs that are there already; ``inf`` if all of them are.
    """

    search: float
    confirm: float
    least: float
    card: float = 0.0
    quick: float = 0.0
    epoch: float = 0.0
    plain: float = 0.0
    done: float = 0.0

    @property
    def seconds(self) -> float:
        """Of all that is left to do."""
        if self.done == inf:
            return 0.0
        return max(self.search + self.confirm - self.done, 0.0) + self.plain + _AROUND

    def after(self, runs: Iterable[Mapping[str, Any]], jobs: int) -> "Estimate":
        """Return the estimate where some runs are done.

        Args:
            runs: Their rows.
            jobs: Runs side by side.
        """
        took = [_EXTRA * self.epoch * row["epochs"] + _TRIAL for row in runs]
        return replace(self, done=sum(took) / jobs)

    @property
    def needed(self) -> float:
        """Of the shortest search, and all last runs."""
        return self.least + self.confirm


def estimate(
    an_image: float, images: int, recipe: Recipe, work: Work, jobs: int, cards: Cards = NO_CARDS
) -> Estimate:
    """Return how long a design takes.

    Args:
        an_image: Seconds of training.
        images: That are trained on.
        recipe: Of a whole run of the search.
        work: In runs of that length.
        jobs: Runs side by side.
        cards: Of runs that are judged on changed pictures as well.
    """
    epoch = _EXTRA * an_image * images
    run = epoch * recipe.epochs
    least = epoch * (_FEW / jobs + 2) + cards.quick * _FEW / jobs + cards.whole + _AROUND
    least += _TRIAL * (_FEW / jobs + 1)
    search = (run * work.search + (_TRIAL + cards.quick) * work.judged) / jobs
    confirm = (run * work.confirm + (_TRIAL + cards.whole) * work.last) / jobs
    return Estimate(search, confirm, least, cards.whole, cards.quick, an_image * images)


def fitted(profile: Profile, usual: Estimate, limit: float | int) -> Profile:
    """Return the profile with runs as long, and as many of them, as a limit allows.

    Args:
        profile: As asked for.
        usual: How long it would take.
        limit: Seconds; of one that is too short no run is shorter, see :func:`require_time`.
    """
    ratio = (0.85 * limit - _AROUND) / (usual.search + usual.confirm)
    if ratio >= 1:
        longer = min(ratio, _MOST_SCALED)
        return replace(
            profile,
            images=round(profile.images * longer),
            most_epochs=round(profile.most_epochs * longer),
        )
    ratio, rounds = max(ratio, 1e-6), profile.rounds
    fewer = max(ratio**0.5, _FEW / rounds[0].nets)
    rounds = tuple(
        Round(one.share, max(min(_FEW, one.nets), round(one.nets * fewer)), one.seeds)
        for one in rounds
    )
    shorter = max(ratio / fewer, 1e-3)
    return replace(
        profile,
        rounds=rounds,
        moves=round(profile.moves * fewer),
        images=max(round(profile.images * shorter), 1),
    )


def require_time(expected: Callable[[float], Estimate], limit: float | int) -> None:
    """Refuse a limit that not even the shortest runs keep: a few of the search, and all last ones.

    Args:
        expected: Of the profile that is fitted to a limit.
        limit: Seconds.

    Raises:
        ValueError: Naming a limit that is enough.
    """
    enough = limit
    # a longer limit makes longer last runs, so that what this one needs may not be enough
    while (needed := expected(enough).needed) > enough:
        step = 1 if needed < _EXACT else 60
        enough = ceil(needed / step) * step
    if enough > limit:
        raise ValueError(
            f"a time of {as_option(limit)} is too short for one rung of the ladder and the last"
            f" runs: it needs {as_option(enough)} at least"
        )


class Clock:
    """Tells what is left of the time that a design was given, from when it is made or before."""

    def __init__(self, limit: float | None, spent: float = 0.0) -> None:
        """Start it.

        Args:
            limit: Seconds of the whole design; ``None`` is as long as it takes.
            spent: Seconds of them that are gone already.
        """
        self.limit = limit
        self._given = None if limit is None else time.monotonic() - spent + limit
        kept = 0.0 if limit is None else max(_WRITING * limit, _AROUND)
        self._ends = None if self._given is None else self._given - kept

    @property
    def seconds(self) -> float | None:
        """Left, without those in which the result is written; ``None`` without a limit."""
        return None if self._ends is None else self._ends - time.monotonic()

    @property
    def over(self) -> float:
        """Seconds beyond the limit, 0 within it or without one."""
        return 0.0 if self._given is None else max(time.monotonic() - self._given, 0.0)

    def left(self, reserved: float) -> bool:
        """Whether anything may begin that leaves, with all it takes, ``reserved`` seconds."""
        return self.seconds is None or self.seconds > reserved


def lasting_within(
    seconds: float, epochs: int, an_epoch: Iterable[float], seeds: int, jobs: int, card: float = 0.0
) -> int:
    """Return the epochs of the last runs that the time left allows, as many as planned at most.

    Args:
        seconds: Left.
        epochs: Planned.
        an_epoch: Seconds that an epoch took in the search, of each net that is trained now.
        seeds: Of each net.
        jobs: Runs side by side.
        card: Seconds that each run is judged on changed pictures.
    """
    lengths = [one for one in an_epoch for _ in range(seeds)]
    at_once = max(sum(lengths) / jobs, max(lengths))
    judging = card * max(len(lengths) / jobs, 1)
    return max(min(epochs, int((seconds / _UNEVEN - judging) / at_once)), 1)


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_TIME = re.compile(r"\s*".join(rf"(?:{_NUMBER}\s*{unit})?" for unit in _UNITS))


def seconds_of(text: object) -> float:
    """Return the seconds of a text such as ``90s``, ``20m``, ``2h`` or ``1h 30m``.

    Hours, minutes and seconds stand in this order, each at most once.

    Raises:
        ValueError: If it is no such text.
    """
    found = _TIME.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    parts = found.groups(default="0") if found else ()
    total = sum(float(n) * unit for n, unit in zip(parts, _UNITS.values(), strict=False))
    if not 0 < total < inf:
        raise ValueError(
            "time must be such as 90s, 20m, 2h or 1h30m, each unit once, hours before minutes"
            f" before seconds, got {text!r}"
        )
    return total


def as_option(seconds: float | int) -> str:
    """Return the text that :func:`seconds_of` reads."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    return "".join(f"{n:g}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if n)


def told_overrun(clock: Clock) -> str:
    """Return by how much a design that ends took longer than its limit, and why; mostly nothing."""
    if clock.limit is None or clock.over < _TOLD:
        return ""
    return (
        f"took {told_time(clock.over)} longer than the {as_option(clock.limit)} that it was given:"
        " what has begun is not cut short, and its length was told by the runs before; less beside"
        " it on this machine, or a longer --time, keeps the limit"
    )


def told_estimate(expected: Estimate, limit: float | int | None) -> str:
    """Return about how long a design will take, for people; no longer than a limit."""
    seconds = expected.seconds
    if not seconds:
        return "nothing is left to do"
    return f"about {_told_of(seconds, limit)}"


def _told_of(seconds: float, limit: float | int | None) -> str:
    return told_time(seconds if limit is None else min(seconds, limit))


def told_time(seconds: float | int) -> str:
    """Return a time for people."""
    if seconds < 1:
        return f"{seconds:.1g} s"
    if seconds < 90:  # noqa: PLR2004 - below it seconds are read more easily
        return f"{seconds:.0f} s"
    if seconds < 7200:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
