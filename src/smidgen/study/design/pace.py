"""What runs take, by those that are done: which fit before the last ones, and their lengths."""

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import ceil
from statistics import fmean
from typing import Any

from smidgen.sizes import counted
from smidgen.study.design.clock import Clock, Estimate, lasting_within
from smidgen.study.design.reduce import REDUCE
from smidgen.study.design.search import Candidate, Rows, Search
from smidgen.study.design.tune import RECIPE
from smidgen.text import to_text


class Pace:
    """The speed of a design's runs, on this machine and beside what else it does."""

    def __init__(self, search: Search, clock: Clock, expected: Estimate, jobs: int) -> None:
        """Begin with what was expected before anything was trained.

        Args:
            search: Whose runs tell.
            clock: Knows what is left.
            expected: Seconds of the last runs and of an epoch, as they were expected.
            jobs: Runs side by side.
        """
        self._search, self._clock, self._expected, self._jobs = search, clock, expected, jobs

    @property
    def first(self) -> int:
        """Runs that are to tell how fast others are: as many as go side by side, if time ends."""
        return 0 if self._clock.seconds is None else self._jobs

    def allows_plain(self, winner: Candidate) -> bool:
        """Whether there is time for the plain methods before the last runs of a winner."""
        return self.left([winner], (), self._expected.plain)

    def left(
        self,
        candidates: Sequence[Candidate],
        replicates: Sequence[int],
        besides: float = 0.0,
    ) -> bool:
        """Whether there is time for runs of the search and, after them, for all the last runs.

        Both are taken to be as fast as those before them; with none done yet, the last runs are
        as expected and the others take nothing.

        Args:
            candidates: To be trained.
            replicates: Of each; what the store has of them takes no time.
            besides: Seconds of what else is to be done.
        """
        if self._clock.seconds is None:
            return True
        rows = self._rows()
        once = list(dict.fromkeys(candidates))
        an_epoch = {one: fmean(self._epochs_of(rows, one)) for one in once} if rows else {}
        reserved = self._expected.confirm
        if an_epoch and self._expected.epoch:
            reserved *= fmean(an_epoch.values()) / self._expected.epoch
        done = {row["key"] for row in rows}
        lengths = [
            seconds * one.recipe.epochs + self._expected.quick
            for one, seconds in an_epoch.items()
            for replicate in replicates
            if self._search.key(one, replicate, full=False) not in done
        ]
        takes = max(sum(lengths) / self._jobs, max(lengths, default=0.0))
        return self._clock.left(reserved + takes + besides)

    def in_time(self, last: Sequence[Candidate], seeds: int) -> tuple[list[Candidate], int]:
        """Return the candidates with the epochs of their last runs that the time left allows.

        They get as many as the runs that chose the winner, if need be with fewer seeds, and more
        where all seeds can have them.

        Args:
            last: That are to be trained on all, with one recipe; the winner first.
            seeds: Of each, as planned.

        Returns:
            The candidates, and their seeds.
        """
        planned = last[0].recipe.epochs
        if self._clock.seconds is None:
            return list(last), seeds
        once = list(dict.fromkeys(last))
        # another winner, or another front, is another question
        keys = [self._search.key(one, 0, full=True) for one in once]
        asked = [self._clock.limit, planned, keys, seeds]
        noted = self._search.store.notes().get("last")
        answer = _answered(noted, asked)  # what was interrupted may have been tested already
        epochs, fewer = answer or self._fitting(once, planned, seeds)
        if answer is None:
            self._search.store.note("last", [*asked, epochs, fewer])
        if epochs < planned or fewer < seeds:
            runs = f"{fewer} of {seeds} last runs" if fewer < seeds else "last runs"
            instead = f" and not {planned:,}" if epochs < planned else ""
            enough = counted(epochs, "epoch", "epochs")
            self._search.say(RECIPE, f"the time left is enough for {runs} of {enough}{instead}")
        return [one.lasting(epochs) for one in last], fewer

    def confirmed(self, phase: str, last: Sequence[Candidate], seeds: int) -> dict[Candidate, Rows]:
        """Return the rows of the last runs, of fewer seeds where the first ones took too long.

        A machine that is slower now than it was in the search would break the limit by every seed.

        Args:
            phase: Under which they are kept.
            last: With the epochs of their last runs.
            seeds: Of each, as there was time for.
        """
        if self._clock.seconds is None:
            return self._search.measure(phase, last, range(seeds), full=True)
        at_once = min(max(self._jobs // len(dict.fromkeys(last)), 1), seeds)
        began = time.monotonic()
        rows = self._search.measure(phase, last, range(at_once), full=True)
        took = time.monotonic() - began
        fits = at_once
        while fits < seeds and self._clock.left(took * ceil((fits + 1 - at_once) / at_once)):
            fits += 1
        if fits < seeds:
            self._search.say(
                RECIPE,
                f"the last runs take longer than those before them: the time left is enough for"
                f" {fits} of {counted(seeds, 'seed', 'seeds')}",
            )
            *asked, epochs, _ = self._search.store.notes()["last"]
            self._search.store.note("last", [*asked, epochs, fits])
        return (
            rows if fits == at_once else self._search.measure(phase, last, range(fits), full=True)
        )

    def hurried(self, winner: Candidate) -> list[str]:
        """Return warnings if the time cut seeds, or epochs below those that chose the winner.

        Args:
            winner: With the epochs of its last runs.
        """
        noted, epochs = self._search.store.notes().get("last"), winner.recipe.epochs
        if not isinstance(noted, list) or self._clock.seconds is None:
            return []
        _, planned, _, seeds, _, fewer = noted
        lines: list[str] = []
        searched = max((row["epochs"] for row in self._own(winner)), default=0)
        again = "give a longer --time, in another folder"
        if epochs < min(planned, searched):
            lines.append(
                f"the time was enough for last runs of {counted(epochs, 'epoch', 'epochs')}, where"
                f" runs of {searched:,} chose the net: the model is worse for it; {again}"
            )
        if fewer < seeds:
            lines.append(
                f"the time was enough for {counted(fewer, 'last run', 'last runs')} and not"
                f" {seeds}: how far other seeds differ is known the less; {again}"
            )
        return lines

    def _fitting(self, last: Sequence[Candidate], planned: int, seeds: int) -> tuple[int, int]:
        """Return the epochs and seeds of the last runs that there is time for."""
        assert self._clock.seconds is not None
        rows = self._rows()
        # a machine that was slow once may be slow again, and these runs keep the limit
        an_epoch = [max(self._epochs_of(rows, one)) for one in last]
        of = partial(lasting_within, self._clock.seconds, planned, an_epoch)
        fits = {n: of(n, self._jobs, self._expected.card) for n in range(1, seeds + 1)}
        chose = [row["epochs"] for row in self._own(last[0]) if REDUCE in row["studies"]]
        least = max(chose, default=1)
        fewer = max(fits, key=lambda n: (min(fits[n], least), n))
        return fits[fewer], fewer

    def _rows(self) -> list[dict[str, Any]]:
        return [row for row in self._search.store.rows() if row["split"] == "held-out"]

    def _own(self, candidate: Candidate) -> list[dict[str, Any]]:
        return [row for row in self._rows() if row["net"] == candidate.net.name]

    def _epochs_of(
        self, rows: Sequence[Mapping[str, Any]], candidate: Candidate
    ) -> Iterable[float]:
        """Return seconds that an epoch of a candidate took in each run, as it were on all images.

        Methods may take as long again as the net, as SAM does: runs with the same ones tell, or
        else with some of them. Of a net without runs those of the net with the nearest MACs do.
        """
        data, size = self._search.data, candidate.recipe.batch_size
        images, apart = len(data.train), data.validation is not None

        def whole(row: Mapping[str, Any]) -> float:
            # with a part that judges the search trains on all of them as well
            trained = images if apart else images - row["images"]
            return row["seconds"] / row["epochs"] * ceil(images / size) / ceil(trained / size)

        methods = [to_text(method) for method in candidate.methods]
        own = [row for row in rows if row["net"] == candidate.net.name]
        if not own:
            near = min(abs(row["macs"] - candidate.net.macs) for row in rows)
            own = [row for row in rows if abs(row["macs"] - candidate.net.macs) == near]
        some = [row for row in own if all(text in methods for text in row.get("methods", ()))]
        same = [row for row in some if len(row.get("methods", ())) == len(methods)]
        return map(whole, same or some or own)


def _answered(noted: object, asked: Sequence[object]) -> tuple[int, int] | None:
    """Return epochs and seeds of a note, if it is of the last runs that are asked about."""
    if not isinstance(noted, list) or noted[:-2] != asked:
        return None
    epochs, seeds = noted[-2:]
    whole = all(type(number) is int and number >= 1 for number in (epochs, seeds))
    return (epochs, seeds) if whole else None
