"""Many pictures are decoded several at a time, in order, and what is broken stops none."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.waiting import PATIENCE, ending

from smidgen.data import DataError
from smidgen.data.catalogue import Arrays
from smidgen.data.decoding import AT_ONCE, each, told
from smidgen.data.labelled import Row


def rows(count: int) -> list[Row]:
    pictures = Arrays(np.zeros((count, 2, 2, 1), np.uint8), lambda row: f"row {row}")
    return [Row(place, pictures, place, 0, "train") for place in range(count)]


def test_several_are_decoded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smidgen.data.decoding.processors", lambda: 2)
    meeting = threading.Barrier(2, timeout=PATIENCE)  # whoever works alone waits in vain

    def work(row: Row) -> int:
        if row.number in (0, 64):
            meeting.wait()
        return row.number

    broken: dict[int, str] = {}
    assert each(rows(96), work, broken) == list(range(96))
    assert broken == {}


def test_few_are_decoded_at_a_time_on_many_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each picture may be large: there are no 64 in memory."""
    monkeypatch.setattr("smidgen.data.decoding.processors", lambda: 64)
    made: list[int] = []

    class Noted(ThreadPoolExecutor):
        def __init__(self, workers: int, name: str) -> None:
            made.append(workers)
            super().__init__(workers, name)

    monkeypatch.setattr("smidgen.data.decoding.ThreadPoolExecutor", Noted)
    assert each(rows(2), lambda row: row.number, {}) == [0, 1]
    assert made == [AT_ONCE]


def test_who_stops_waits_for_no_picture_that_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smidgen.data.decoding.processors", lambda: 1)
    begun, told = threading.Event(), threading.Event()
    monkeypatch.setattr("smidgen.data.decoding.ThreadPoolExecutor", ending(told))
    decoded: list[int] = []

    def work(row: Row) -> None:
        if row.number >= 32:  # of the second go
            begun.set()
            told.wait(PATIENCE)
        decoded.append(row.number)

    def interrupted(_: int) -> None:
        begun.wait(PATIENCE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(rows(320), work, {}, interrupted)
    assert len(decoded) == 33, "a thread takes 32 in one go, and has begun with one more"


def test_who_stops_waits_for_no_picture_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smidgen.data.decoding.processors", lambda: 1)
    begun, go = threading.Event(), threading.Event()
    ended: list[int] = []

    def work(row: Row) -> None:
        if row.number == 32:
            begun.set()
            go.wait(5)
            ended.append(row.number)

    def interrupted(_: int) -> None:
        begun.wait(PATIENCE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(rows(64), work, {}, interrupted)
    assert ended == []
    go.set()


def test_results_are_in_order_and_what_is_broken_is_noted() -> None:
    seen: list[int] = []

    def work(row: Row) -> int:
        if row.number % 40 == 7:
            raise DataError("is an empty file") if row.number == 7 else OSError("two\nlines")
        return -row.number

    broken = {3: "was broken before"}
    found = each(rows(100), work, broken, seen.append)
    assert broken == {
        3: "was broken before",
        7: "is an empty file",
        47: "is no readable picture: two lines",
        87: "is no readable picture: two lines",
    }
    assert found == [None if place in broken else -place for place in range(100)]
    assert (sorted(seen), seen[-1]) == (seen, 100)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (
            {2: "is empty"},
            r"^row 2 is empty \(--skip-broken, or skip_broken=True, lea",
        ),
        ({2: "is empty", 0: "is cut"}, r"^2 of 30 pictures .*: row 0 is cut; row 2 is empty \("),
        (dict.fromkeys(range(12), "is cut"), r"row 9 is cut; and 2 more \(--skip-broken"),
    ],
)
def test_broken_pictures_are_named_or_left_out(broken: dict[int, str], said: str) -> None:
    given: Sequence[Any] = rows(30)
    with pytest.raises(DataError, match=said):
        told(given, broken, skip=False)
    (note,) = told(given, broken, skip=True)
    left = (
        "1 picture cannot be used and is" if len(broken) == 1 else f"{len(broken)} pictures cannot"
    )
    assert note.startswith(left)
    assert " left out: row " in note
    assert told(given, {}, skip=False) == []
