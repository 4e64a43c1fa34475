"""Studies from Python: what is asked before any work, what is told, and the rows that come back."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

import smidgen as sm
from smidgen.study.plan import plan_of
from smidgen.study.running import places
from smidgen.study.running.local import Event
from smidgen.study.status import Status
from smidgen.study.store import Store

SMALL: dict[str, Any] = {
    "name": "small",
    "data": "digits",
    "seeds": [0],
    "split": "full",
    "latency": False,
    "recipe": {"epochs": 1, "batch_size": 256},
    "trials": [{"nets": ["mnist-1k5-dw"]}],
}
FAILED = Status(0, 0, 1, 0, None, (("the net, seed 0", "MemoryError"),))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Train nothing; return what would have been."""
    found: list[Any] = []

    def noted(on: str, store: Store, study: str, jobs: int | None, *_: Any) -> Status:
        found.append((on, study, jobs, store.status(study).queued))
        return FAILED

    monkeypatch.setattr(places, "run_on", noted)
    return found


def test_a_study_gives_its_rows_and_a_page_of_them(tmp_path: Path) -> None:
    store = tmp_path / "study.db"
    (row,) = sm.study(SMALL, store=store)
    assert (row["net"], row["seed"], row["study"]) == ("mnist-1k5-dw", 0, "small")
    assert sm.study(SMALL, store=store) == [row], "a second time nothing is trained"
    pages = [sm.report(of, out=tmp_path / f"{n}.html") for n, of in enumerate([store, [row]])]
    assert all("mnist-1k5-dw" in page.read_text() for page in pages)
    with pytest.raises(ValueError, match="holds no page, and would be overwritten"):
        sm.report(store, out=store)


def test_what_fails_and_what_is_left_out_is_told(asked: list[Any], tmp_path: Path) -> None:
    store = tmp_path / "study.db"
    with pytest.warns(UserWarning, match=r"^failed: the net, seed 0: MemoryError; retry_failed"):
        assert sm.study({**SMALL, "seeds": [0, 1]}, store=store, jobs=2) == []
    with pytest.warns(UserWarning, match=r"left out|^failed") as told:
        sm.study(SMALL, store=store)
    assert str(told[0].message) == "1 trial left out, not done: no longer in the study"
    assert asked == [("local", "small", 2, 2), ("local", "small", None, 1)]


def test_a_page_follows_a_study_and_rests_once_it_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place, page = tmp_path / "study.db", tmp_path / "study.html"
    seen = list[str]()

    def stopped(on: str, store: Store, study: str, *rest: Any) -> Status:
        del on
        rest[-1](Event(store.status(study), ()))
        seen.append(page.read_text())
        raise KeyboardInterrupt

    monkeypatch.setattr(places, "run_on", stopped)
    with pytest.raises(KeyboardInterrupt):
        sm.study(SMALL, store=place, live=True)
    assert 'http-equiv="refresh"' in seen[0]
    assert "Trials done: 0 of 1, 0 running" in seen[0]
    assert "Stopped; the same command goes on." in page.read_text()
    monkeypatch.setattr(places, "run_on", Mock(return_value=Status(0, 0, 0, 0, None, ())))
    sm.study(SMALL, store=place, live=True)
    assert "Stopped" not in page.read_text()
    page.unlink()
    sm.study(SMALL, store=place)
    assert not page.exists(), "none was asked for"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"plan": 7}, "^a study must be a file, a name or a mapping, got 7"),
        ({"plan": "no-such-study"}, "^unknown recipe 'no-such-study'"),
        ({"plan": {**SMALL, "sedes": [1]}}, "^study has no argument 'sedes'; did you mean"),
        ({"plan": SMALL, "store": 5}, "^store must be a path, got 5"),
        ({"plan": SMALL, "on": "rey"}, "^unknown place 'rey'; did you mean"),
        ({"plan": SMALL, "jobs": "2"}, "^jobs must be a whole number, got '2'"),
        ({"plan": SMALL, "jobs": 0}, "^jobs must be >= 1, got 0"),
        ({"plan": SMALL, "observer": 5}, "^an observer must be a function of an Event, got 5"),
    ],
)
def test_what_cannot_be_is_refused_before_a_store_is_made(
    wrong: dict[str, Any], said: str, asked: list[Any], tmp_path: Path
) -> None:
    given: dict[str, Any] = {"store": tmp_path / "study.db", **wrong}
    with pytest.raises(ValueError, match=said):
        sm.study(**given)
    assert not asked
    assert not list(tmp_path.iterdir())


def test_rows_are_those_that_the_study_names_in_its_order(
    asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = {**SMALL, "seeds": (np.int64(0), 1), "data": Path("digits")}
    monkeypatch.setattr(places, "run_on", Mock(return_value=Status(0, 0, 0, 0, None, ())))
    rows = list[dict[str, Any]]()
    monkeypatch.setattr(Store, "rows", Mock(return_value=rows))
    data = sm.data.load("digits")
    keys = [job.trial.key for job in plan_of({**SMALL, "seeds": [0, 1]}).jobs(data)]
    own = {"study": "small", "net": "mnist-1k5-dw"}
    rows += [{**own, "key": key, "precision": "float32"} for key in ["0" * 16, *reversed(keys)]]
    with pytest.warns(UserWarning, match="^1 row is of trials that the study no longer names"):
        found = sm.study(two, store=tmp_path / "study.db")
    assert [row["key"] for row in found] == keys
    assert not asked


def test_rows_with_numbers_of_numpy_and_paths_are_rows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 1: a row must have"):
        sm.report([{"net": Path("a"), "accuracy": np.float32(0.5)}], out=tmp_path / "page.html")


@pytest.mark.parametrize("source", [5, [3], [{"net": object()}]])
def test_a_report_of_anything_else_is_refused_in_one_line(source: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^a report is of a store, .* or a list of rows, got"):
        sm.report(source, out=tmp_path / "page.html")


def test_what_failed_is_tried_again_only_if_that_is_asked(asked: list[Any], tmp_path: Path) -> None:
    store = tmp_path / "study.db"
    with pytest.warns(UserWarning, match="^failed"):
        sm.study(SMALL, store=store)
    opened = Store(store)
    claim = opened.claim("1-00000000")
    assert claim is not None
    for _ in range(2):
        opened.fail(claim.key, "1-00000000", "it broke")
        opened.claim("1-00000000")
    assert opened.status("small").failed == 1
    for again, queued in ((False, 0), (True, 1)):
        with pytest.warns(UserWarning, match="^failed"):
            sm.study(SMALL, store=store, retry_failed=again)
        assert asked[-1][-1] == queued


def test_rows_that_were_made_otherwise_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "run_on", Mock(return_value=Status(0, 0, 0, 0, None, ())))
    told = Mock(return_value=["another precision"])
    monkeypatch.setattr("smidgen.studies.made_otherwise", told)
    with pytest.warns(UserWarning, match=r"^another precision$"):
        sm.study(SMALL, store=tmp_path / "study.db")
