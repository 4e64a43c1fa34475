"""Asking what a net with methods reaches: as trials in the store, answered by rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from smidgen.data import Data
from smidgen.methods import Method, in_order
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.split_names import FULL
from smidgen.study.design.held import require_row
from smidgen.study.design.judging import Judging
from smidgen.study.job import Job, Origin
from smidgen.study.running.local import Event, Runner, StudyError
from smidgen.study.store import Store
from smidgen.text import to_text
from smidgen.trial import Trial


@dataclass(frozen=True, slots=True)
class Candidate:
    """A net with methods, to be judged over some replicates.

    Args:
        net: Before its architecture methods.
        methods: All of them.
        recipe: Of its runs.
        origin: Of the images as it sees them; ``None`` is the design's own.
    """

    net: NetSpec
    methods: tuple[Method, ...]
    recipe: Recipe
    origin: Origin | None = None

    def lasting(self, epochs: int) -> "Candidate":
        """Return the candidate with another number of epochs."""
        return replace(self, recipe=replace(self.recipe, epochs=epochs))


class News(NamedTuple):
    """What a design is doing; sent to the observer."""

    phase: str  # plan, reduce, refine, methods, recipe or confirm
    line: str | None  # a decision, in words
    event: Event | None  # of the trials under way


Observer = Callable[[News], None]
Rows = dict[int, dict[str, Any]]  # by replicate
# whether there is time for runs of candidates over replicates, before the last runs
Left = Callable[[Sequence[Candidate], Sequence[int]], bool]


class AllFailedError(StudyError):
    """A phase in which no candidate is left, as trials of each failed."""


class Search:
    """The trials of one design."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        origin: Origin,
        data: Data,
        judging: Judging,
        observer: Observer,
    ) -> None:
        self.store, self.origin, self.judging = store, origin, judging
        self._runner, self._observer = runner, observer
        self._data = {origin: data}
        self.steps: dict[str, list[str]] = {}

    @property
    def data(self) -> Data:
        """The images as they were asked for."""
        return self._data[self.origin]

    def data_of(self, origin: Origin | None) -> Data:
        """Return the images as a candidate sees them."""
        origin = origin or self.origin
        if origin not in self._data:
            self._data[origin] = origin.load()
        return self._data[origin]

    def say(self, phase: str, line: str) -> None:
        """Note a decision for the report, and tell the observer."""
        self.steps.setdefault(phase, []).append(line)
        self._observer(News(phase, line, None))

    def measure(
        self,
        phase: str,
        candidates: Iterable[Candidate],
        replicates: Sequence[int],
        *,
        full: bool = False,
    ) -> dict[Candidate, Rows]:
        """Return the rows of candidates, trained where the store has none yet.

        A candidate of which a trial failed is left out, and said to be.

        Args:
            phase: Under which the trials are kept.
            candidates: To be trained.
            replicates: Each a seed, and a fold where there are few images.
            full: Whether to train on everything and judge on the test images, for the last step.

        Raises:
            AllFailedError: If every candidate failed.
            StudyError: If trials cannot be run at all.
            StoreError: If a row of the store lacks what a design goes by.
        """
        jobs = {
            (candidate, replicate): self._job(candidate, replicate, full=full)
            for replicate in replicates
            for candidate in candidates
        }
        self.store.add(phase, jobs.values())
        self._runner.finish(phase, lambda event: self._observer(News(phase, None, event)))
        by_key = {row.get("key"): row for row in self.store.rows(phase)}
        found: dict[Candidate, Rows] = {}
        failed: dict[Candidate, None] = {}
        for (candidate, replicate), job in jobs.items():
            row = by_key.get(job.trial.key)
            if row is not None:
                quick = self.judging.robust and not full
                require_row(row, self.store.path, full=full, robust=quick)
                found.setdefault(candidate, {})[replicate] = row
            else:
                failed[candidate] = None
        for candidate in failed:
            self.say(phase, f"{titled(candidate)} failed and is left out")
            found.pop(candidate, None)
        if not found:
            errors = [error for _, error in self.store.status(phase).failures]
            why = errors[0] if errors else "the store's rows are of other trials"
            raise AllFailedError(f"every trial of {phase} failed: {why}")
        return found

    def key(self, candidate: Candidate, replicate: int, *, full: bool) -> str:
        """Return the key of a candidate's trial."""
        return self._job(candidate, replicate, full=full).trial.key

    def _job(self, candidate: Candidate, replicate: int, *, full: bool) -> Job:
        data = self.data_of(candidate.origin)
        trial = Trial(
            net=candidate.net,
            methods=candidate.methods,
            recipe=candidate.recipe,
            seed=replicate,
            data=data.name,
            fingerprint=data.fingerprint,
            split=FULL if full else self.judging.split(replicate),
        )
        card = ("card" if full else "quick") if self.judging.robust else ""
        origin = candidate.origin or self.origin
        return Job(trial, origin, latency=full and replicate == 0, robust=card)


def listed(methods: Iterable[Method]) -> str:
    """Return methods for people."""
    return " + ".join(to_text(method) for method in in_order(methods)) or "no method"


def titled(candidate: Candidate) -> str:
    """Return a candidate for people."""
    return f"{candidate.net.name} with {listed(candidate.methods)}"
