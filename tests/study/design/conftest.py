"""A search whose answers are made up, without training."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from smidgen.data import Data
from smidgen.study.design.judging import Judging
from smidgen.study.design.profile import Change, Profile, Round
from smidgen.study.design.search import Candidate, Left, Rows, Search
from smidgen.study.job import Origin
from smidgen.study.running.local import Pool
from smidgen.study.store import Store

PROFILE = Profile(
    rounds=(Round(0.25, 6, 1), Round(1.0, 2, 3)),
    seeds=3,
    moves=3,
    move_rounds=2,
    confirm_seeds=2,
    confirm_longer=2,
    images=10_000,
    most_epochs=8,
    tolerance=1.0,
    worth=0.01,
    methods=("flip", "crop", "squeeze-excite", "sam"),
    recipes=(Change(rate=2.0), Change(decay=5.0)),
)
Accuracy = Callable[[Candidate, int], float]


def always(*of: object) -> bool:
    del of
    return True


def until(*answers: bool) -> Left:
    """Return what tells in turn whether there is time."""
    ends = iter(answers)
    return lambda wanted, replicates: next(ends)


def never(*of: object) -> bool:
    del of
    return False


class Asked:
    """A search, and what it was asked."""

    def __init__(self, search: Search, asked: list[tuple[Candidate, ...]]) -> None:
        self.search, self.asked = search, asked
        self.seeds: list[int] = []  # of each time it was asked

    @property
    def said(self) -> str:
        return "\n".join(line for lines in self.search.steps.values() for line in lines)


Fake = Callable[[Accuracy], Asked]


@pytest.fixture
def fake(digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Return what makes a search that answers with given accuracies, without training."""

    def make(accuracy: Accuracy) -> Asked:
        store = Store(tmp_path / "study.db")
        judging = Judging(0, balanced=False, images=1000)
        search = Search(store, Pool(store, 1), Origin("digits"), digits, judging, lambda news: None)
        asked: list[tuple[Candidate, ...]] = []
        given = Asked(search, asked)

        def measure(
            self: Search,
            phase: str,
            wanted: Iterable[Candidate],
            replicates: Sequence[int],
            *,
            full: bool = False,
        ) -> dict[Candidate, Rows]:
            del self, phase
            assert not full, "nothing here may train on everything or be tested"
            wanted = tuple(wanted)
            asked.append(wanted)
            given.seeds.append(len(replicates))
            return {c: {n: row(c, accuracy(c, n)) for n in replicates} for c in wanted}

        monkeypatch.setattr(Search, "measure", measure)
        return given

    return make


def row(candidate: Candidate, accuracy: float) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "balanced_accuracy": accuracy,
        "nll": 0.983,  # 100 exp(-NLL) is 37.4
        "images": 1000,
        "seconds": 1.0,
        "params": candidate.net.params,
        "macs": candidate.net.macs,
    }
