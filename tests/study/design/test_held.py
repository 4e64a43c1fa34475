"""A design that goes on with a store of somebody else's refuses in a line what no design wrote."""

from pathlib import Path
from typing import Any

import pytest

from smidgen.data import Data
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.database import StoreError
from smidgen.study.design.budget import Budget
from smidgen.study.design.judging import Judging
from smidgen.study.design.outset import STORE, Wishes, outset
from smidgen.study.design.search import Candidate, Search
from smidgen.study.job import Origin
from smidgen.study.running.local import Observer
from smidgen.study.status import Status
from smidgen.study.store import Store

RUNG = {"size": [1, 8, 8], "template": {"family": "plain", "blocks": [1]}, "widths": [4]}
OF = {"rounds": [[0.5, 4, 1]], "moves": 1, "images": 100, "most_epochs": 2}
LENGTHS = {"seconds": None, "params": 90, "of": OF}
NOTES = {"request": {}, "start": ["flip"], "rungs": [RUNG], "lengths": LENGTHS}


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({"request": [1]}, "notes of a design argument 'request'"),
        ({"start": [1]}, "notes of a design argument 'start'"),
        ({"rungs": 3}, "notes of a design argument 'rungs'"),
        ({"rungs": []}, "nets of a design must be some, got none"),
        ({"rungs": [{}]}, "net 1 of a design needs the argument 'size'"),
        ({"rungs": [{**RUNG, "template": {}}]}, "template of a net needs the argument 'family'"),
        ({"rungs": [{**RUNG, "widths": []}]}, r"widths of a net must be one a stage, got \[\]"),
        ({"rungs": [{**RUNG, "template": {"family": "a", "blocks": [1]}}]}, "must be of a design"),
        ({"lengths": 1}, "notes of a design argument 'lengths'"),
        ({"lengths": {**LENGTHS, "of": {}}}, "lengths of a design needs the argument 'rounds'"),
        ({"lengths": {**LENGTHS, "of": {**OF, "rounds": [[1]]}}}, "rounds must be of share, nets"),
        ({"lengths": {**LENGTHS, "of": {**OF, "most_epochs": 0}}}, "most_epochs must be in"),
        ({"latencies": [1.0]}, "notes of a design argument 'latencies'"),
        ({"latencies": {"a": 1.0, "b": 0}}, "latencies of a design must be numbers > 0, got 0"),
        ({"latencies": {"a": "short"}}, "latencies of a design must be numbers > 0, got 'short'"),
    ],
)
def test_notes_of_no_design_are_refused_in_a_line(
    tmp_path: Path, digits: Data, notes: dict[str, Any], said: str
) -> None:
    store = Store(tmp_path / STORE)
    for name, value in {**NOTES, **notes}.items():
        store.note(name, value)
    store.close()
    wishes = Wishes("quick", None, "best", balance=False, pareto=False, seconds=None)
    with pytest.raises(StoreError, match=rf"design\.db: .*{said}") as caught:
        outset(Origin("digits"), digits, Budget(max_params=900), tmp_path, wishes, 1)
    assert "\n" not in str(caught.value)


class Made:
    """Ends every trial with a row that is given."""

    def __init__(self, store: Store, row: dict[str, Any]) -> None:
        self.store, self.row = store, row

    def finish(self, study: str, observer: Observer) -> Status:
        del observer
        while claimed := self.store.claim("here", study):
            self.store.finish(claimed.key, "here", {"key": claimed.key, **self.row})
        return self.store.status(study)


ROW = dict.fromkeys(
    (
        *("accuracy", "balanced_accuracy", "nll", "balanced_nll", "images", "params", "macs"),
        *("seconds", "epochs"),
    ),
    1,
)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "design needs its column 'accuracy', got None"),
        ({**ROW, "balanced_accuracy": "much"}, "design needs its column 'balanced_accuracy', got"),
        ({**ROW, "nll": None}, "design needs its column 'nll', got None"),
        (ROW, "design needs its column 'robust_quick', got None"),
        ({**ROW, "robust_quick": {"light": 3}}, "design needs its column 'robust_quick', got"),
        ({**ROW, "key": "0" * 16}, "the store's rows are of other trials"),
    ],
)
def test_rows_that_lack_what_a_design_goes_by_are_refused_in_a_line(
    tmp_path: Path, digits: Data, tiny: NetSpec, row: dict[str, Any], said: str
) -> None:
    store = Store(tmp_path / STORE)
    judging = Judging(0, balanced=False, images=100, robust=True)
    made = Made(store, row)
    search = Search(store, made, Origin("digits"), digits, judging, lambda news: None)
    with pytest.raises(ValueError, match=said):
        search.measure("reduce", [Candidate(tiny, (), Recipe(epochs=1))], [0])
