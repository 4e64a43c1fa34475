"""A page that follows a design shows its phase and decisions, and asks to be read again."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import Rows

from smidgen.report import _use, live, write_page
from smidgen.report.live import LivePage
from smidgen.report.page import render
from smidgen.study.records import Records
from smidgen.study.status import Status
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
    assert "Stopped in phase reduce; the same command goes on." in text
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


UNDER_WAY = Status(28, 0, 0, 2, 61.0, ())


def test_a_design_under_way_counts_what_was_asked_for_and_draws_no_bar(study: Rows) -> None:
    story = {"facts": [], "steps": []}

    def told(refresh: int, **notes: Any) -> str:
        phase = "Phase reduce" if refresh else "Stopped in phase reduce"
        return render(Records(study, UNDER_WAY, notes), "t", "", [], phase=phase, refresh=refresh)

    text = told(5, design=story)
    assert "Trials done: 28 of 30 asked for so far" in text
    assert "about 1 minute to go for these" in text
    assert "<progress" not in text
    assert "to go" not in told(0, design=story), "nothing goes on by itself"
    assert "<progress" in told(5), "a study asks for all at once"


def test_a_page_tells_when_it_was_written_as_long_as_it_is_read_again(study: Rows) -> None:
    records = Records(study, UNDER_WAY, {})
    text = render(records, "t", "", [], phase="Phase reduce", refresh=5)
    (at,) = re.findall(r'<time datetime="([^"]+)">', text)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()) < 60
    assert "<time" not in render(records, "t", "", [], phase="Stopped in phase reduce")


@pytest.mark.parametrize(
    "asked", [["photos: at most 4,000 parameters", "with --profile quick"], []]
)
def test_what_a_design_was_asked_for_stands_before_its_phases(
    tmp_path: Path, asked: list[str]
) -> None:
    store = Store(tmp_path / "design.db")
    if asked:
        store.note("asked", asked)
    page = LivePage(store.path, tmp_path / "p.html", "A net for photos")
    page.follow("plan", "judged by accuracy")
    store.close()
    text = (tmp_path / "p.html").read_text()
    assert ("Asked for</h3>" in text) == bool(asked)
    assert all(line in text.partition(">Plan</h3>")[0] for line in asked)


def test_a_page_that_follows_a_study_ends_with_it(
    study: Rows, written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    out = tmp_path / "p.html"
    page = LivePage(written(study), out, "", ["smidgen study one.toml"])
    page.follow()
    assert 'http-equiv="refresh"' in out.read_text()
    assert "asked for so far" not in out.read_text()
    page.stop()
    assert "Stopped; the same command goes on." in out.read_text()
    page.end()
    text = out.read_text()
    assert "smidgen study one.toml" in text
    assert 'http-equiv="refresh"' not in text
    assert "Stopped" not in text


@pytest.mark.browser
def test_a_page_that_is_not_written_for_long_says_that_it_was_perhaps_killed(
    study: Rows, written: Callable[[Rows], Path], tmp_path: Path, browser: Any
) -> None:
    out = tmp_path / "p.html"
    write_page(written(study), out, phase="Phase reduce", refresh=60)
    sheet = browser.new_context().new_page()
    sheet.goto(out.as_uri())
    assert "perhaps" not in sheet.locator("header").inner_text()
    text = out.read_text()
    (at,) = re.findall(r'<time datetime="([^"]+)">', text)
    before = datetime.fromisoformat(at) - timedelta(minutes=7, seconds=5)
    out.write_text(text.replace(at, before.isoformat(timespec="seconds")))
    sheet.reload()
    said = sheet.locator("header").inner_text()
    assert "That is 7 minutes ago: perhaps it was killed; the same command goes on." in said


@pytest.mark.browser
def test_a_page_that_is_read_again_stays_as_its_reader_left_it(
    study: Rows, written: Callable[[Rows], Path], tmp_path: Path, browser: Any
) -> None:
    store, out = written(study), tmp_path / "p.html"
    write_page(store, out, phase="Phase reduce", refresh=60)
    sheet = browser.new_context(viewport={"width": 900, "height": 500}).new_page()
    sheet.set_default_timeout(0)  # milliseconds; a busy machine may need many
    said: list[str] = []
    sheet.on("console", lambda event: said.append(str(event)))  # pyright: ignore[reportUnknownLambdaType]
    sheet.goto(out.as_uri())
    unfolded = sheet.locator("details").last
    unfolded.locator("summary").click()
    table = sheet.locator("table[aria-label='All points']")
    table.locator("th button", has_text="params").click()
    sheet.evaluate("scrollTo(0, 1234)")
    kept = "JSON.parse(sessionStorage.getItem('smidgen ' + location.pathname))"
    sheet.wait_for_function(f"{kept}.down === 1234 && {kept}.sorted.length && {kept}.open.length")
    for refresh in (60, 0):  # a last page stands still, and goes on from where its reader was
        write_page(store, out, phase="Phase tweak", refresh=refresh)
        sheet.reload()
        assert "Phase tweak" in sheet.locator("header").inner_text()
        assert sheet.locator("details[open]").count() == 1
        assert unfolded.get_attribute("open") is not None
        assert sheet.evaluate("scrollY") == 1234
        params = table.locator("td[data-column=params]").all_inner_texts()
        assert params == sorted(params, key=lambda text: -int(text.replace(",", "")))
    assert said == []
    assert sheet.evaluate("sessionStorage.length") == 0


def test_a_design_for_windows_is_used_with_a_window() -> None:
    (asked, _) = _use(Path("mine"), [{"input": [3, 1, 96]}, {"input": [3, 48, 1]}, {}])
    assert asked == "smidgen predict mine WINDOW.csv"
    for of in ([{"input": [1, 28, 28]}], [{"input": [3, 1, 96]}, {"input": [1, 1, 1]}], []):
        assert _use(Path("mine"), of)[0] == "smidgen predict mine PICTURE"
