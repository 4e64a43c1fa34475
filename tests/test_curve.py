"""A learning curve from Python and from the command line: what is asked, refused and told."""

import json
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.test_cli import smidgen

import smidgen as sm
from smidgen.curve import STORE, Curve, split_of
from smidgen.data import Data, Split, load
from smidgen.study.plan import plan_of
from smidgen.study.store import Store

SHORT = sm.Recipe(epochs=1, batch_size=256)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


def test_few_pictures_are_judged_by_folds_and_the_test_set_never_judges(digits: Data) -> None:
    assert split_of(digits) == "5-folds"
    assert split_of(replace(digits, validation=digits.test)) == "selection"
    many = Split(digits.train.images.repeat(2, 1, 1, 1), digits.train.labels.repeat(2))
    assert split_of(replace(digits, train=many)) == "selection"
    groups = torch.arange(len(digits.train)) % 3
    of_three = replace(digits.train, groups=groups)
    assert split_of(replace(digits, train=of_three)) == "3-folds"
    assert split_of(digits, "selection") == "selection"
    with pytest.raises(ValueError, match="must hold pictures out to judge by"):
        split_of(digits, "full")
    single = Split(torch.cat([digits.train.images[:10]] * 2), torch.arange(20).clamp(max=9))
    with pytest.raises(ValueError, match=r"needs two training images of each class.* got 1 of '0'"):
        split_of(replace(digits, train=single), "selection")
    with pytest.raises(ValueError, match="split must be one of"):
        split_of(digits, "thirds")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"shares": [1.0]},
            r"shares of a learning curve must be two or more, as .* got \[1.0\]",
        ),
        ({"shares": [0.0, 1.0]}, r"recipe share must be in \(0, 1\]"),
        ({"shares": [0.001, 1.0]}, "share must leave every class an image to learn from"),
        ({"recipe": sm.Recipe(share=0.5)}, "recipe share must be 1 in a learning curve"),
        ({"split": "full"}, "must hold pictures out"),
        ({"seeds": []}, "seeds of a learning curve must be one or more"),
        (
            {"seeds": 0},
            r"seeds of a learning curve must be a list of numbers, as .*, got 0",
        ),
        ({"seeds": [0.5]}, "seed must be a whole number"),
        ({"shares": 0.5}, r"shares of a learning curve must be a list of numbers, as .*, got 0.5"),
        ({"shares": None}, "shares of a learning curve must be a list of numbers, .* got None"),
        ({"shares": (of for of in ())}, r"shares of a learning curve must be two or more"),
        ({"shares": [0.9999, 1.0]}, "shares 0.9999 and 1 take the same training pictures of digit"),
        ({"shares": iter([0.5, 1]), "jobs": 0}, "jobs must be >= 1"),
        ({"jobs": 0}, "jobs must be >= 1"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    asked: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        sm.curve("mnist-1k5-dw", "digits", folder=tmp_path / "new", **asked)
    assert not (tmp_path / "new").exists()


def test_a_folder_of_something_else_is_no_place_for_it(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ValueError, match="holds something else than a learning curve"):
        sm.curve("mnist-1k5-dw", "digits", folder=tmp_path)
    with pytest.raises(ValueError, match="is a file: a curve needs a folder"):
        sm.curve("mnist-1k5-dw", "digits", folder=tmp_path / "a.jpg")


def test_a_curve_is_trained_once_told_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    found = sm.curve(
        "mnist-1k5-dw", "digits", recipe=SHORT, shares=[1, 0.5], seeds=[0], split="selection",
        folder=folder,
    )  # fmt: skip
    assert isinstance(found, Curve)
    assert [(point.share, point.pictures) for point in found.points] == [(0.5, 647), (1, 1293)]
    assert (found.judged_by, found.missing, found.verdict) == (144, 0, "learned little")
    assert found.told in repr(found)
    page = found.report.read_text()
    assert "<h1>Would more pictures help? digits</h1>" in page
    assert page.index(f"<p>{escape(found.told)}.</p>") < page.index('<div class="facts">')
    assert found.chance is not None
    assert found.chance == pytest.approx(100 * 15 / 144, abs=1)
    half, whole = Store(folder / STORE).rows("learning-curve")
    assert (half["recipe"]["share"], "share" in whole["recipe"]) == (0.5, False)
    assert len(half["history"]) == len(whole["history"]), "as long"
    assert half["images"] == whole["images"], "judged by the same pictures"

    short = ["--epochs", "1", "--set", "recipe.batch_size=256", "--seeds", "0", "--with", ""]
    short += ["--set", "recipe.peak_lr=0.01", "--shares", "0.5,1", "--split", "selection"]
    line = ["curve", "mnist-1k5-dw", "--data", "digits", *short, "--out", str(folder)]
    assert smidgen(*line, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert len(Store(folder / STORE).rows("learning-curve")) == 2, "nothing is trained again"
    assert said["points"][1]["pictures"] == 1293
    assert said["points"][1]["accuracy"] == pytest.approx(found.points[1].accuracy.mean / 100)
    assert (said["told"], said["chance"]) == (found.told, pytest.approx(found.chance / 100))
    assert smidgen(*line) == 0
    shown = capsys.readouterr()
    assert "(1,560 params, images of 1x8x8) on digits, judged by 144 held-out" in shown.out
    assert f"{found.told}." in shown.out
    assert f"report: {folder / 'report.html'}" in shown.err


def test_data_in_memory_are_learned_from(
    digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def study(plan: dict[str, Any], **_: object) -> list[dict[str, Any]]:
        asked.append(plan)
        raise ValueError("asked")

    monkeypatch.setattr("smidgen.studies.study", study)
    images, labels = digits.train.images[:300], digits.train.labels[:300]
    test, cache = (digits.test.images, digits.test.labels), tmp_path / "cache"
    made = sm.data.from_arrays(images, labels, digits.classes, test=test, cache_dir=cache)
    for data in (digits, made):
        with pytest.raises(ValueError, match="asked"):
            sm.curve("mnist-1k5-dw", data, folder=tmp_path / "new")
    for data, plan in zip((digits, made), asked, strict=True):
        again = plan_of(plan).origin.load()
        assert again.fingerprint == data.fingerprint
    for data in (
        Data("mine", digits.train, digits.test, digits.classes),
        replace(digits, train=made.train),
    ):
        with pytest.raises(ValueError, match=r"of a learning curve load .*\.from_arrays"):
            sm.curve("mnist-1k5-dw", data, folder=tmp_path / "new")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shares", "half,1"], "--shares must be numbers, as 0.25,0.5,1, got 'half,1'"),
        (["--seeds", "0,a"], "--seeds must be whole numbers, as 0,1,2, got '0,a'"),
        (["--set", "recipe.share=0.5"], "--set recipe.share changes nothing beside --shares"),
        ([], "--data is needed"),
    ],
)
def test_a_line_that_cannot_be_is_refused_in_a_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", "digits"] if words else []
    assert smidgen("curve", "mnist-1k5-dw", *data, *words) == 2
    assert said in capsys.readouterr().err
