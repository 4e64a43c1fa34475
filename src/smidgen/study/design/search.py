"""Asking what a net with methods reaches: as trials in the store, answered by rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from smidgen.data import Data
from smidgen.methods import Method, in_order
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.job import Job, Origin
from smidgen.study.running.local import Event, Pool, StudyError
from smidgen.study.store import Store
from smidgen.text import to_text
from smidgen.trial import Trial


@dataclass(frozen=True, slots=True)
class Candidate:
    """A net with methods, to be judged over some seeds.

    Args:
        net: Before its architecture methods.
        methods: All of them.
        recipe: Of its runs.
    """

    net: NetSpec
    methods: tuple[Method, ...]
    recipe: Recipe


class News(NamedTuple):
    """What a design is doing; sent to the observer."""

    phase: str  # reduce, tweak, combine or confirm
    line: str | None  # a decision, in words
    event: Event | None  # of the trials under way


Observer = Callable[[News], None]
Rows = dict[int, dict[str, Any]]  # by seed


class Search:
    """The trials of one design."""

    def __init__(
        self, store: Store, pool: Pool, origin: Origin, data: Data, observer: Observer
    ) -> None:
        self.store, self.origin, self.data = store, origin, data
        self._pool, self._observer = pool, observer
        self.steps: dict[str, list[str]] = {}

    def say(self, phase: str, line: str) -> None:
        """Note a decision for the report, and tell the observer."""
        self.steps.setdefault(phase, []).append(line)
        self._observer(News(phase, line, None))

    def measure(
        self,
        phase: str,
        candidates: Iterable[Candidate],
        seeds: Sequence[int],
        *,
        split: str = "selection",
    ) -> dict[Candidate, Rows]:
        """Return the rows of candidates, trained where the store has none yet.

        A candidate of which a trial failed is left out, and said to be.

        Raises:
            StudyError: If every candidate failed.
        """
        jobs = {
            (candidate, seed): self._job(candidate, seed, split)
            for candidate in candidates
            for seed in seeds
        }
        self.store.add(phase, jobs.values())
        self._pool.finish(phase, lambda event: self._observer(News(phase, None, event)))
        by_key = {row["key"]: row for row in self.store.rows(phase)}
        found: dict[Candidate, Rows] = {}
        failed: dict[Candidate, None] = {}
        for (candidate, seed), job in jobs.items():
            if job.trial.key in by_key:
                found.setdefault(candidate, {})[seed] = by_key[job.trial.key]
            else:
                failed[candidate] = None
        for candidate in failed:
            self.say(phase, f"{titled(candidate)} failed and is left out")
            found.pop(candidate, None)
        if not found:
            errors = [error for _, error in self.store.status(phase).failures]
            raise StudyError(f"every trial of {phase} failed: {errors[0]}")
        return found

    def key(self, candidate: Candidate, seed: int, split: str) -> str:
        """Return the key of a candidate's trial."""
        return self._job(candidate, seed, split).trial.key

    def _job(self, candidate: Candidate, seed: int, split: str) -> Job:
        trial = Trial(
            net=candidate.net,
            methods=candidate.methods,
            recipe=candidate.recipe,
            seed=seed,
            data=self.data.name,
            fingerprint=self.data.fingerprint,
            split=split,
        )
        return Job(trial, self.origin, latency=split == "full" and seed == 0)


def percent(rows: Rows) -> dict[int, float]:
    """Return accuracies in percent, by seed."""
    return {seed: 100 * row["accuracy"] for seed, row in rows.items()}


def listed(methods: Iterable[Method]) -> str:
    """Return methods for people."""
    return " + ".join(to_text(method) for method in in_order(methods)) or "no method"


def titled(candidate: Candidate) -> str:
    """Return a candidate for people."""
    return f"{candidate.net.name} with {listed(candidate.methods)}"
