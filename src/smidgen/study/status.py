"""Where a study stands, and how long it will go on, judged by what has finished."""

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from math import isfinite, log2
from statistics import fmean
from typing import Any, NamedTuple, TypeAlias

Pace: TypeAlias = tuple[str, tuple[str, ...], float]  # net, methods, seconds an epoch


class Status(NamedTuple):
    """Where the trials of a study stand."""

    done: int
    running: int
    failed: int
    queued: int
    seconds_left: float | None  # with as many side by side as now; None while nothing is known
    failures: tuple[tuple[str, str], ...]  # title and error of each failed trial

    @property
    def total(self) -> int:
        """All trials."""
        return self.done + self.running + self.failed + self.queued

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to do."""
        return self.running + self.queued == 0


class Ended(NamedTuple):
    """An attempt that has ended."""

    key: str
    title: str
    state: str  # done, failed, or queued (running) again
    error: str | None
    row: dict[str, Any] | None
    at: float  # seconds since 1970

    @property
    def outcome(self) -> str:
        """How it ended, for people; one that failed may be queued again."""
        return self.state if self.state in {"done", "failed"} else "failed, to be tried once more"


def status_of(records: Iterable[tuple[Any, ...]], paces: Iterable[Pace]) -> Status:
    """Return where trials stand.

    Args:
        records: State, title, job, progress, start and error of each; a job where it waits or runs.
        paces: Of the finished ones, see :func:`pace_of`; what is raised by a broken row leaves
            nothing to judge by.
    """
    records = list(records)
    count: dict[str, int] = defaultdict(int)
    for record in records:
        count[record[0]] += 1
    return Status(
        count["done"],
        count["running"],
        count["failed"],
        count["queued"],
        _estimate(records, paces, max(count["running"], 1)),
        tuple((str(record[1]), str(record[5])) for record in records if record[0] == "failed"),
    )


def pace_of(row: str, started: float | None, ended: float | None) -> Pace:
    """Return what is known of a finished trial's time, whichever is longer of row and clock."""
    form = json.loads(row)
    wall = (ended - started) if started and ended else 0.0
    recipe = {**form.get("recipe", {}), "epochs": max(form.get("epochs", 1), 1)}
    seconds = max(wall, form.get("seconds", 0.0)) / _epochs(recipe)
    return form["net"], tuple(form["methods"]), seconds


def _estimate(records: list[tuple[Any, ...]], paces: Iterable[Pace], jobs: int) -> float | None:
    """Return the seconds left, or ``None`` where a broken record leaves nothing to judge by.

    What is broken is told by whoever runs the trial or reads its row.
    """
    try:
        left = _seconds_left(records, paces, jobs)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None
    return left if left is not None and isfinite(left) else None


def _seconds_left(records: list[tuple[Any, ...]], paces: Iterable[Pace], jobs: int) -> float | None:
    """Estimate from the seconds an epoch of finished trials: of the same kind, net, or at all."""
    seen: dict[Any, list[float]] = defaultdict(list)
    for net, methods, seconds in paces:
        for kind in _kinds(net, methods):
            seen[kind].append(seconds)
    if not seen:
        return None
    usual = {kind: fmean(found) for kind, found in seen.items()}
    now, left = time.time(), 0.0
    for state, _, job, progress, started, _ in records:
        if state not in ("queued", "running"):
            continue
        trial = json.loads(job)["trial"]
        kinds = _kinds(trial["net"]["name"], trial["methods"])
        kind = next(kind for kind in kinds if kind in usual)
        expected = usual[kind] * _epochs(trial["recipe"])
        if state == "running":
            expected = max(expected - (now - started), expected * (1 - progress) * 0.5, 0.0)
        left += expected
    return left / jobs


def _epochs(recipe: dict[str, Any]) -> float:
    """Return the epochs of a run with those of all its starts: half a run for a doubling."""
    return recipe["epochs"] * (1 + log2(recipe.get("starts", 1)) / 2)


def _kinds(net: str, methods: Iterable[str]) -> tuple[Any, ...]:
    return (net, tuple(methods)), net, None
