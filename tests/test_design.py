"""Designs from Python: what is asked before any work."""

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import smidgen as sm
from smidgen.data import Data, DataWarning, Split
from smidgen.design import _write_doubted  # pyright: ignore[reportPrivateUsage]
from smidgen.export.c.boards import board_named
from smidgen.study import records
from smidgen.study.design import design as search
from smidgen.study.design.search import News
from smidgen.study.job import Origin
from smidgen.study.running import places


@pytest.fixture(autouse=True)
def searched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Refuse to search; return what would have been asked."""
    asked: list[Any] = []

    def noted(*arguments: Any, **named: Any) -> None:
        asked.append((arguments, named))
        raise ValueError("searched")

    monkeypatch.setattr(search, "design", noted)
    return asked


def test_a_missing_package_of_the_page_is_told_before_the_search(
    searched: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.startswith("smidgen.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ValueError, match=r"a design's page needs jinja2.*: pip install jinja2"):
        sm.design("digits", out=tmp_path / "mine", max_params=500)
    assert not searched
    assert not (tmp_path / "mine").exists()


def test_amounts_are_understood_as_people_write_them(searched: list[Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="searched"):
        sm.design("photos", out=tmp_path, max_flash="16KB", max_params="2k", image_size=32)
    origin, budget, out = searched[0][0]
    assert (budget.max_flash, budget.max_params, budget.max_ram) == (16_384, 2000, None)
    assert (origin.name, origin.image_size, out) == ("photos", "32x32", tmp_path)


@pytest.mark.parametrize(
    ("board", "given", "limits", "core"),
    [
        ("micro:bit v1", {}, (131_072, 8_192), "C for a Cortex-M0+"),
        (
            "MICRO:BIT V1 ",
            {"max_flash": "16KB", "max_ram": "16KB"},
            (16_384, 8_192),
            "C for a Cortex-M0+",
        ),
        ("CH32V003 evaluation board", {"max_ram": 512}, (8_192, 512), "C for a RISC-V of RV32EC"),
        ("ESP32-DevKitC", {}, (2_097_152, 266_240), "the largest of other cores"),
    ],
)
def test_a_board_is_a_budget_of_half_of_its_memory_for_its_core(
    searched: list[Any],
    tmp_path: Path,
    board: str,
    given: dict[str, Any],
    limits: tuple[int, int],
    core: str,
) -> None:
    told: list[Any] = []
    with pytest.raises(ValueError, match="searched"):
        sm.design("digits", out=tmp_path, board=board, **given, observer=told.append)
    budget = searched[0][0][1]
    assert (budget.max_flash, budget.max_ram, budget.max_params) == (*limits, None)
    asked = f"for a net: at most {limits[0]:,} and {limits[1]:,}, predicted as {core}"
    assert asked in told[0].line
    assert budget.compiled == board_named(board).compiled


def test_a_board_that_is_none_is_told_with_the_nearest(searched: list[Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown board 'micro:bit v3'; did you mean 'micro:bit v"):
        sm.design("digits", out=tmp_path, board="micro:bit v3")
    assert not searched


def test_data_of_another_kind_are_refused_in_one_line(searched: list[Any], tmp_path: Path) -> None:
    for data in (5, None, [[0, 1]]):
        with pytest.raises(ValueError, match=r"^data must be a name, a folder or .*, got "):
            sm.design(data, out=tmp_path / "mine", max_params=500)  # pyright: ignore[reportArgumentType]
    assert not searched


def test_as_many_trials_run_at_once_as_this_process_has_processors(
    searched: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smidgen.machine.processors", lambda: 3)
    with pytest.raises(ValueError, match="searched"):
        sm.design("digits", out=tmp_path, max_params=500)
    assert searched[0][1]["jobs"] == 3


def test_what_is_spent_is_of_the_time_and_planning_is_told(
    searched: list[Any], tmp_path: Path
) -> None:
    heard: list[News] = []
    with pytest.raises(ValueError, match="searched"):
        sm.design(
            "digits", out=tmp_path, max_params=500, time="4m", spent=100.0, observer=heard.append
        )
    clock = searched[0][1]["clock"]
    assert (clock.limit, clock.over) == (240.0, 0.0)
    assert clock.seconds < 240 - 100 - 5
    assert str(heard[0].line).startswith("reading the data")


def test_no_trials_at_once_are_not_taken_for_as_many_as_usual(
    searched: list[Any], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="searched"):
        sm.design("digits", out=tmp_path, max_params=500, jobs=0)
    assert searched[0][1]["jobs"] == 0  # which is refused there


def test_a_cluster_is_asked_for_no_number_of_trials_at_once(
    searched: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "find_spec", bool)
    with pytest.raises(ValueError, match="jobs are of this machine"):
        sm.design("digits", out=tmp_path, max_params=500, on="ray", jobs=2)
    assert not searched
    with pytest.raises(ValueError, match="searched"):
        sm.design("digits", out=tmp_path, max_params=500, on="ray")


def test_loaded_data_are_searched_where_they_came_from(searched: list[Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="searched"):
        sm.design(sm.data.load("digits", cache_dir=tmp_path), out=tmp_path, max_params=500)
    assert searched[0][0][0].name == "digits"


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_loaded_data_are_searched_as_they_were_asked_for(
    searched: list[Any], tmp_path: Path
) -> None:
    for place in ("a/1.png", "a/2.png", "b/3.png", "b/4.png"):
        (tmp_path / "photos" / place).parent.mkdir(parents=True, exist_ok=True)
        image = Image.effect_noise((30, 20), 9 + int(place[2])).convert("RGB")
        image.save(tmp_path / "photos" / place)
    asked: dict[str, Any] = {
        "image_size": "9x12",
        "color": "grey",
        "fit": "crop",
        "skip_broken": True,
    }
    data = sm.data.load(tmp_path / "photos", cache_dir=tmp_path / "cache", **asked)
    with pytest.raises(ValueError, match="searched"):
        sm.design(data, out=tmp_path, max_params=500)
    origin = searched[0][0][0]
    assert (origin.image_size, origin.color, origin.fit) == ("9x12", "grey", "crop")
    again = origin.load()
    assert (again.fingerprint, again.origin) == (data.fingerprint, data.origin)


def test_what_loaded_data_have_already_is_not_asked_for_without_a_word(
    searched: list[Any], tmp_path: Path
) -> None:
    data = sm.data.load("digits", cache_dir=tmp_path)
    given: tuple[dict[str, Any], ...] = ({"image_size": 16}, {"data_dir": tmp_path})
    for asked in given:
        with pytest.raises(ValueError, match="image_size and data_dir are those of a name"):
            sm.design(data, out=tmp_path / "mine", max_params=500, **asked)
    with pytest.raises(ValueError, match=r"^time must be such as 90s, 20m, .*, got 30"):
        sm.design(data, out=tmp_path / "mine", max_params=500, time=30)  # pyright: ignore[reportArgumentType]
    assert not searched


def test_a_page_that_follows_a_design_is_named_after_its_data(
    searched: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smidgen.report import live

    titles = list[str]()

    def titled(store: Path, out: Path, title: str) -> None:
        del store, out
        titles.append(title)

    monkeypatch.setattr(live, "LivePage", titled)
    given = [Origin("/there/photos", label_column="kind"), "digits", sm.data.load("digits")]
    for data in given:
        with pytest.raises(ValueError, match="searched"):
            sm.design(data, out=tmp_path, max_params=500)
    assert titles == ["A net for photos", "A net for digits", "A net for digits"]
    assert len(searched) == 3


@pytest.mark.parametrize("asked", [True, False])
def test_a_page_that_follows_a_design_is_stopped_with_it(
    asked: bool, searched: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smidgen.report.live import LivePage

    stopped = list[LivePage]()

    def stop(page: LivePage) -> None:
        stopped.append(page)

    monkeypatch.setattr(LivePage, "stop", stop)
    with pytest.raises(ValueError, match="searched"):
        sm.design("digits", out=tmp_path, max_params=500, live=asked)
    assert searched
    assert len(stopped) == asked


def test_data_that_were_changed_are_not_searched_as_they_were(
    searched: list[Any], tmp_path: Path
) -> None:
    digits = sm.data.load("digits", cache_dir=tmp_path)
    with pytest.raises(ValueError, match="digits must be as they were loaded, got others"):
        sm.design(replace(digits, train=digits.test), out=tmp_path, max_params=500)
    assert not searched


def test_data_that_their_name_alone_does_not_make_are_not_searched_as_others(
    searched: list[Any], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            colour = (40 * number, 90, 200 * (name == "a"), 0)
            Image.new("RGBA", (9, 9), colour).save(tmp_path / "photos" / name / f"{number}.png")
    warnings.simplefilter("ignore", DataWarning)
    plain = sm.data.load(tmp_path / "photos", image_size=8)
    black = replace(plain.preprocessing, background="black")
    turned_round = sm.data.load(tmp_path / "photos", image_size=8, classes=("b", "a"))
    on_black = sm.data.load(tmp_path / "photos", preprocessing=black)
    for data in (turned_round, on_black):
        with pytest.raises(ValueError, match="alone make it, got other pixels or classes"):
            sm.design(data, out=tmp_path / "out", max_params=500)
    assert not searched
    with pytest.raises(ValueError, match="searched"):
        sm.design(plain, out=tmp_path / "out", max_params=500)


def test_data_from_nowhere_are_refused(searched: list[Any], tmp_path: Path) -> None:
    digits = sm.data.load("digits", cache_dir=tmp_path)
    part = Split(digits.test.images, digits.test.labels)
    data = Data("mine", part, part, digits.classes)
    with pytest.raises(ValueError, match="mine must come from a folder or a name"):
        sm.design(data, out=tmp_path, max_params=500)
    assert not searched


def test_labels_that_models_contradict_are_written_beside_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt = {"part": "train", "image": 5, "label": 0, "answer": 1, "probability": 0.75}
    own = {"fingerprint": "f", "split": "held-out", "trained_on": "selection", "epochs": 3}
    heard = {**own, "classes": ["cat", "dog"], "accuracy": 0.9, "images": 50, "net": "n"}
    rows = [{**heard, "doubted": [{**doubt, "file": "cat/=5.jpg"}]} for _ in range(2)]
    others = [{**of, "fingerprint": "g"} for of in rows]
    held = [*rows, *others, {**heard, "doubted": []}]

    def loaded(store: Path) -> SimpleNamespace:
        assert store == tmp_path / "design.db"
        return SimpleNamespace(rows=held)

    monkeypatch.setattr(records, "load", loaded)
    assert _write_doubted(tmp_path, "f") == ""
    assert (tmp_path / "doubted.csv").read_text().splitlines() == [
        "picture,label,answer,probability,models,judged",
        "cat/=5.jpg,cat,dog,0.75,2,3",
    ]
    for of in held:
        of |= {"accuracy": 0.65, "images": 30}
    assert "right on 65.0 % of 30 such images" in _write_doubted(tmp_path, "f")
    held[:] = others
    assert _write_doubted(tmp_path, "f") == ""
    assert not (tmp_path / "doubted.csv").exists(), "that of an earlier end"
