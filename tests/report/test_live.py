"""A page that follows a design shows its phase and decisions, and asks to be read again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.report.conftest import Rows

from smidgen.report import live, write_page
from smidgen.report.live import LivePage
from smidgen.study.store import Store


def test_it_is_written_at_once_and_then_not_too_often(
    study: Rows,
    written: Callable[[Rows], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    out = tmp_path / "page.html"
    page = LivePage(written(study), out, "A net for photos")
    page.follow("reduce", "9 nets inside the budget")
    first = out.read_text()
    assert "9 nets inside the budget" in first
    assert '<meta http-equiv="refresh" content="5">' in first
    page.follow("tweak", "blurpool helps")
    assert out.read_text() == first
    now[0] += 5
    page.follow("tweak", None)
    assert "blurpool helps" in out.read_text()
    assert "9 nets inside" in out.read_text()


def test_a_design_that_ends_early_leaves_a_page_at_rest(
    study: Rows, written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    page = LivePage(written(study), out, "A net for photos")
    page.stop()
    assert not out.exists(), "none was asked for yet"
    page.follow("reduce", "9 nets inside the budget")
    page.stop()
    text = out.read_text()
    assert "Stopped in phase reduce." in text
    assert "9 nets inside the budget" in text
    assert 'http-equiv="refresh"' not in text


def test_a_page_that_cannot_be_written_is_warned_of_once_and_ends_nothing(
    study: Rows, written: Callable[[Rows], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live.time, "monotonic", iter(range(0, 10**6, 1000)).__next__)
    out = tmp_path / "page.html"
    out.write_text("my notes")
    page = LivePage(written(study), out, "A net for photos")
    with pytest.warns(UserWarning, match=r"the page is not written while .* holds no page"):
        page.follow("reduce", "9 nets inside the budget")
    page.follow("tweak", "blurpool helps")
    page.stop()
    assert out.read_text() == "my notes"


def test_a_page_of_no_design_is_at_rest(
    study: Rows, written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    text = write_page(written(study), tmp_path / "p.html").read_text()
    assert 'http-equiv="refresh"' not in text
    assert "Use it" not in text


def test_a_finished_design_says_how_to_use_it(tmp_path: Path) -> None:
    folder = tmp_path / "my nets"
    store = Store(folder / "design.db")
    methods = [
        {"method": "blurpool", "standing": "shown", "why": "+1.2 points"},
        {"method": "ema", "standing": "expected", "why": "helps on few pictures"},
    ]
    store.note("design", {"facts": [("accuracy", "97 %")], "steps": [], "methods": methods})
    store.close()
    text = write_page(folder / "design.db", tmp_path / "p.html").read_text()
    assert f"smidgen predict &#x27;{folder}&#x27; PICTURE" in text
    beside = f"smidgen export &#x27;{folder}&#x27; --to c\n"
    assert beside in text, "where `push` and `card` look for artefacts"
    assert "shown to help, on held-out images" in text
    assert "expected to help, not shown here" in text
