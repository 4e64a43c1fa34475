"""Rows from anybody: a report is made of them, or one line says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.report.conftest import Rows, row, seen

from smidgen.report import markdown, write_page
from smidgen.report.checked import OF_NETS, require_rows
from smidgen.study.database import StoreError
from smidgen.study.store import Store

RESULTS = Path(__file__).parents[2] / "results"
# the card of a row, whole
CARD = json.loads((RESULTS / "design-cards.jsonl").read_text().splitlines()[0])["robust"]
ANSWER = {"image": 0, "label": 0, "answer": 1, "probability": 1, "sure": True}
LAYER = {"layer": "conv", "output": "8x8x8", "params": 1, "macs": 1, "peak_activation": 1}
BAD = '"><script>alert(1)</script>'

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.sampled_from(["", BAD, "3x8x8", "0x0x0", "\x00", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "path",
    [
        *sorted(RESULTS.glob("reference-*.jsonl")),
        RESULTS / "default-recipes.jsonl",
        *sorted(RESULTS.glob("design-*/rows.jsonl")),
    ],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_rows_of_every_version_still_give_a_page(path: Path, tmp_path: Path) -> None:
    text = write_page(path, tmp_path / "p.html").read_text()
    assert len(text) < 1_500_000
    assert "All points" in text


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("accuracy", 1.2, r"row .*: accuracy must be in \[0, 1\], got 1.2"),
        ("accuracy", float("nan"), "accuracy must be"),
        ("images", 0, "images must be a whole number above 0, got 0"),
        ("params", True, "params must be .*, got True"),
        ("params", 0, "params must be a whole number above 0, got 0"),
        ("methods", "blurpool", "methods must be a list.*, got 'blurpool'"),
        ("epochs", 0, "epochs must be a whole number above 0, got 0"),
        ("seconds", -5.0, "seconds must be a number >= 0, got -5.0"),
        ("right", 36 * "A", "right must hold 25 bytes, a bit an image, got 27"),
        ("right", 34 * "A" + "==", "right must have the accuracy of the row, got 0 right"),
        ("right", "AAAA", "right must be 36 signs of base64, a bit an image"),
        ("confusion", [[1, 2]], "confusion must be of 3 classes"),
        ("confusion", [[0] * 3] * 3, "confusion must hold 200 images"),
        ("confusion", [[1, 2], [3]], "confusion must be of 3 classes"),
        ("confusion", [["1", 2, 3]] * 3, "confusion must be a matrix of counts, got"),
        ("confusion", [[-1, 2, 3]] * 3, "confusion must be a matrix of counts, got"),
        ("confusion", [[6, 2, 0], [1, 7, 0], [0, 4, 0]],
         "confusion must hold 200 images, as the row says, got 20"),
        ("confusion", [[200, 0, 0], [0, 0, 0], [0, 0, 0]],
         "confusion must have the accuracy of the row, got 200 right"),
        ("latency", "fast", "latency must be times above 0 by name, or null, got 'fast'"),
        ("latency", {"kernel_ms": 1}, "latency must be times above 0 by name"),
        ("latency", {"kernel_ms": -1.0, "kernel_s_10000": 1, "end_to_end_s_10000": 1},
         "latency must be times above 0 by name"),
        ("wrong", [{"image": 0, "label": 0, "answer": 7, "probability": 1, "sure": True}],
         "wrong must be of 3 classes"),
        ("wrong", [{**ANSWER, "file": {}}], "wrong must be a list of answers, at most 1,000, with"),
        ("doubted", [{**ANSWER, "part": ["train"]}], "doubted must be a list of answers"),
        ("doubted", [{**ANSWER, "file": 1_001 * "a"}], "file and part of at most 1,000 letters"),
        ("wrong", [ANSWER] * 1_001, "wrong must be a list of answers, at most 1,000"),
        ("drawing", [{"layer": "conv", "output": "8x8"}], "drawing must be a list of layers"),
        ("drawing", [LAYER] * 1_001, "drawing must be a list of layers, at most 1,000"),
        ("drawing", [{**LAYER, "layer": 9_999 * "a"}] * 21, "of 200,000 letters in all"),
        ("history", [{"epoch": 1, "loss": 1, "held_out_accuracy": None}] * 20_001,
         "history must be a list of at most 20,000 epochs"),
        ("pictures", {str(n): "" for n in range(1_001)}, "pictures must be at most 1,000 texts"),
        ("pictures", {"test/0": 100_001 * "a"}, "texts of at most 100,000 letters by name"),
        ("command", 100_001 * "a", "command must be a text of at most 100,000 letters"),
        ("methods", [9_999 * "a"] * 2, "methods must be a list of texts of at most 10,000 letters"),
        ("recipe", {"epochs": 1_001 * "a"}, "recipe must be a mapping of at most 100 numbers or"),
        ("versions", {str(n): "1" for n in range(101)}, "versions must be at most 100 texts of"),
        ("versions", {1_001 * "a": "1"}, "versions must be at most 100 texts of at most 1,000"),
        ("robust", {"accuracy": 1}, "robust must be a card of robustness, or null, got"),
        ("robust", {**CARD, "threshold": {"kept": 0.5}}, "robust must be a card of robustness"),
        ("robust", {**CARD, "strangers": [{"told_apart": 0.5}]}, "robust must be a card"),
        ("robust", {**CARD, "reliability": CARD["reliability"][:5]},
         "reliability of robust must have 15 bins, got 5"),
        ("robust_int8", {**CARD, "corrupted_reliability": []},
         "corrupted_reliability of robust_int8 must have 15 bins, got 0"),
        ("robust_int8", [], "robust_int8 must be a card of robustness, or null, got"),
        ("input", [], "input must be channels, height and width"),
        ("device", 10_001 * "a", "row .*: device must be a text of at most 10,000 letters, got"),
        ("methods", [10_001 * "a"], "methods must be a list of texts of at most 10,000 letters"),
        ("classes", [10_001 * "a"], "classes must be a list of texts of at most 10,000 letters"),
    ],
)  # fmt: skip
def test_what_no_row_can_hold_is_told_in_one_line(
    column: str, value: Any, said: str, written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    path = written([{**seen(0), column: value}])
    for report in (lambda: write_page(path, tmp_path / "p.html"), lambda: markdown(path)):
        with pytest.raises(StoreError, match=said) as caught:
            report()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "p.html").exists()


def many_classes(count: int, name: str = "c") -> dict[str, Any]:
    """Return a row whose images are all of the first of many classes."""
    matrix = [[130, 70, *[0] * (count - 2)], *[[0] * count] * (count - 1)]
    return {**seen(0), "classes": [f"{name}{of}" for of in range(count)], "confusion": matrix}


def test_a_confusion_matrix_has_no_more_classes_than_rows_keep(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    path = written([many_classes(101)])
    with pytest.raises(StoreError, match="confusion must be null above 100 classes, got 101"):
        write_page(path, tmp_path / "p.html")
    path = written([many_classes(100)])
    assert "c99" in write_page(path, tmp_path / "p.html").read_text()


def test_names_of_classes_are_not_in_full_in_each_cell(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    path = written([many_classes(20, 5_000 * "c")])
    assert len(write_page(path, tmp_path / "p.html").read_text()) < 2_000_000


def test_names_of_folders_that_are_no_utf_8_give_a_page(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    path = written([{**seen(0), "classes": ["c\udce4t", "dog", "cow"], "data": "b\udcfcrds"}])
    assert "ct" in write_page(path, tmp_path / "p.html").read_text(encoding="utf-8")
    assert "udcfcrds" in markdown(path)


def test_rows_of_the_same_pictures_have_the_same_classes(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    wrong = [{"image": 0, "label": 3, "answer": 0, "probability": 0.9, "sure": True}]
    other = {"classes": ["a", "b", "c", "d"], "confusion": None, "wrong": wrong, "key": "other"}
    path = written([seen(0), seen(1) | other])
    with pytest.raises(StoreError, match="'other': classes must be those of other rows"):
        write_page(path, tmp_path / "p.html")


@pytest.mark.parametrize(
    ("many", "said"),
    [
        ({"rows": 20_001}, "s: a report is of at most 20,000 rows, got 20,001: take fewer, as"),
        ({"data": 1_001}, "s: a report is of at most 1,000 data sets, got 1,001: take fewer, as"),
    ],
)
def test_more_than_a_page_has_room_for_is_refused(many: dict[str, int], said: str) -> None:
    rows = [seen(0)] * many.get("rows", 0)
    rows += [
        {**row("one", [], 0, 150), "fingerprint": f"{at}"} for at in range(many.get("data", 0))
    ]
    with pytest.raises(StoreError, match=said):
        require_rows(rows, "s")


def test_a_missing_column_is_named(written: Callable[[Rows], Path]) -> None:
    bad = row("mine", [], 0, 100)
    del bad["recipe"]
    with pytest.raises(StoreError, match="a report needs its column 'recipe'"):
        markdown(written([row("mine", [], 1, 100), bad]))


def refused(path: Path, out: Path) -> str:
    try:
        write_page(path, out)
    except StoreError as error:
        return str(error)
    return ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(column=st.sampled_from(sorted(OF_NETS)), value=values)
def test_any_value_in_any_column_gives_a_page_or_one_line(
    column: str, value: Any, tmp_path: Path
) -> None:
    path, out = tmp_path / "rows.jsonl", tmp_path / "p.html"
    path.write_text(json.dumps({**seen(0), column: value}) + "\n")
    out.unlink(missing_ok=True)
    said = refused(path, out)
    assert "\n" not in said
    assert said or BAD not in out.read_text()


@pytest.mark.parametrize(
    "story",
    [
        [],
        {"facts": 3, "steps": []},
        {"facts": [["a"]], "steps": []},
        {"steps": []},
        {"facts": [], "steps": [], "front": [{"net": "tiny"}]},
        {"facts": [], "steps": [], "notices": "all"},
        {"facts": [], "steps": [], "read_before": "2"},
    ],
)
def test_a_story_of_another_form_is_told(story: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "design.db")
    store.note("design", story)
    store.close()
    with pytest.raises(StoreError, match="its note of the design is not as"):
        write_page(tmp_path / "design.db", tmp_path / "p.html")


@pytest.mark.parametrize("commands", [3, [{}], "smidgen", [["smidgen"]]])
@pytest.mark.parametrize("name", ["commands", "asked"])
def test_lines_of_another_form_are_told(name: str, commands: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "study.db")
    store.note(name, commands)
    store.close()
    with pytest.raises(StoreError, match=f"its note of {name} must be a list of texts"):
        write_page(tmp_path / "study.db", tmp_path / "p.html")


def test_a_row_of_a_plain_learner_is_read_back_from_a_store(tmp_path: Path) -> None:
    beside = {
        "key": "0" * 16, "study": "baseline", "net": "random-forest", "params": None, "macs": None,
        "methods": [], "recipe": {}, "fingerprint": "f", "split": "test", "accuracy": 0.9,
    }  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(seen(0))}\n{json.dumps(beside)}\n")
    assert "random-forest" in write_page(path, tmp_path / "p.html").read_text()


@pytest.mark.parametrize("value", [5, "x", [5], [[1, 2], [3]]])
@pytest.mark.parametrize("column", ["confusion", "classes", "wrong"])
def test_no_column_that_a_plain_learner_has_not_ends_a_report(
    column: str, value: Any, written: Callable[[Rows], Path]
) -> None:
    learner = {"key": "b", "study": "baseline", "net": "k-nearest", "fingerprint": "f",
               "split": "test", "accuracy": 0.5, column: value}  # fmt: skip
    assert "mine" in markdown(written([seen(0), learner]))
