"""Answers are given where as many are right as wished, and nowhere else."""

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import beta

import smidgen as sm
from smidgen.again import held_out_of
from smidgen.answer import answers_of, margins_of
from smidgen.cli import main
from smidgen.data import Data
from smidgen.evaluate.cost import Latency
from smidgen.export import generated, proof
from smidgen.export.artefact import Artefact, SureInC, Wish
from smidgen.export.c import host
from smidgen.layers import Shape
from smidgen.model import model_of
from smidgen.recipe import Recipe
from smidgen.run import load_run
from smidgen.sure import Sure, fewest, images_for, sure, surest
from smidgen.train import train


@pytest.fixture(scope="module")
def digits() -> Data:
    return sm.data.load("digits")


@pytest.fixture(scope="module")
def folder(digits: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "digits"
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    train(spec, digits, recipe=Recipe(epochs=6, batch_size=32), split="selection", folder=place)
    return place


def smidgen(*arguments: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["smidgen", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            main()
    return exited.value.code if isinstance(exited.value.code, int) else 0


@pytest.mark.parametrize(("wanted", "wrong"), [(0.99, 0), (0.99, 1), (0.95, 0), (0.8, 7)])
def test_the_fewest_images_are_those_of_clopper_and_pearson(wanted: float, wrong: int) -> None:
    least = fewest(wanted, wrong)
    low, before = (beta.ppf(0.05, n - wrong, wrong + 1) for n in (least, least - 1))
    assert before < wanted <= low
    assert (fewest(0.99), fewest(0.95)) == (299, 59), "known from tables"


def test_what_is_not_so_accurate_is_taken_for_it_once_in_twenty_times() -> None:
    """A margin that says nothing: each of the fifty thresholds would be a false one."""
    random, taken, draws = np.random.default_rng(0), 0, 250
    for _ in range(draws):
        try:
            surest(random.normal(size=300), random.random(300) < 0.899, 0.9)
            taken += 1
        except ValueError:
            pass
    assert 0 < taken / draws < 0.08


def test_the_threshold_lies_just_above_the_first_answer_that_is_too_unsure() -> None:
    margins = np.arange(1000)
    found = surest(margins, margins >= 100, 0.99)
    assert found.images == 1000
    assert found.answered == 1000 - found.margin
    assert found.right / found.answered > 0.99
    assert 80 < found.margin <= 100
    floats = surest(margins.astype(np.float64), margins >= 100, 0.99)
    assert floats.answered == found.answered
    assert found.margin - 1 < floats.margin < found.margin - 0.99
    whole = surest(margins, margins >= 0, 0.99)
    assert (whole.margin, whole.answered) == (0, 1000)


def test_equals_are_answered_together() -> None:
    margins = np.repeat([3.0, 2.0, 1.0], 100)
    right = margins > 1
    found = surest(margins, right, 0.98)
    assert (found.answered, found.right) == (200, 200)
    with pytest.raises(ValueError, match="is not shown"):
        surest(np.ones(300), right, 0.98)


def test_too_few_images_are_told_with_how_many_it_takes() -> None:
    with pytest.raises(ValueError, match=r"takes 299 held-out .* got 120, which show 97.5 % at mo"):
        surest(np.arange(120.0), np.ones(120, bool), 0.99)
    right = np.arange(400) < 395  # the five surest are wrong
    with pytest.raises(ValueError, match="5 of the 299 surest of 400 held-out images answered"):
        surest(np.arange(400.0), right, 0.99)


def test_a_margin_is_that_of_the_answer_to_the_bit() -> None:
    logits = (10 * np.random.default_rng(0).normal(size=(200, 5))).astype(np.float32)
    answers = answers_of(logits, "abcde")
    assert margins_of(logits).tolist() == [answer.margin for answer in answers]
    best = np.sort(logits.astype(np.float64))
    assert margins_of(logits) == pytest.approx(best[:, -1] - best[:, -2])
    far = np.array([[2**31 - 1, -(2**31)], [5, 5]], np.int32)
    assert margins_of(far).tolist() == [2**32 - 1, 0]
    assert answers_of(np.array([[0.0, -2000.0]]), "ab")[0].margin == np.inf


def test_it_is_chosen_on_what_was_held_out(folder: Path, digits: Data) -> None:
    run = load_run(folder)
    held_out = held_out_of(run, digits, folder)
    line = sure(folder, "80%")
    assert line.images == len(held_out)
    answers = model_of(run).predict(list(held_out.images))
    assert sum(map(line.passes, answers)) == line.answered
    assert sure(run, 0.8, on=digits) == line
    assert sure(run, 0.8, on="digits") == line, "its own, of which the test part is no choice"
    assert line.told.endswith("right: at least 80 % with 95 % confidence")
    moved = replace(run, origin="/nowhere/digits")
    with pytest.raises(ValueError, match=r"say where they are now \(--sure-on, or on=\)"):
        sure(moved, 0.8)
    with pytest.raises(ValueError, match="sure must be a share above 0 and below 1"):
        sure(run, 99)


def test_other_labelled_images_serve_where_nothing_was_held_out(
    folder: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = load_run(folder)
    full = replace(run, trial=replace(run.trial, split="full"))
    with pytest.raises(ValueError, match=r"nothing was held out, .* --sure-on \(on=\) names"):
        sure(full, 0.8, on=digits)
    images, labels = digits.test.images.numpy(), digits.test.labels.numpy()
    np.savez("new.npz", images=255 - images[:, 0], labels=np.array(digits.classes)[labels])
    with pytest.warns(UserWarning, match="all 360 images are judged"):
        found = images_for(full, "full", own=digits, on="new.npz")
    kept, own = (part.images.flatten(1).sum(1).sort().values for part in (found, digits.test))
    assert torch.equal(kept, (64 * 255 - own).sort().values), "all, and none of its own"


def test_of_groups_it_says_that_they_show_less(
    folder: Path, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = torch.arange(len(digits.test)) // 10
    other = replace(digits, test=replace(digits.test, groups=groups))
    monkeypatch.setattr(sys.modules["smidgen.sure"], "judged_on", Mock(return_value=other))
    with pytest.warns(UserWarning, match="360 held-out images are of 36 groups"):
        images_for(load_run(folder), folder, on="other")


def test_evaluate_tells_what_is_answered_and_how_the_test_images_judge_it(
    folder: Path,
    digits: Data,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    untold = Latency(1.0, 1.0, 1, 1.0, 1.0, 1, "cpu")  # which takes seconds
    monkeypatch.setattr(sys.modules["smidgen.evaluate"], "latency", Mock(return_value=untold))
    assert smidgen("evaluate", folder, "--sure", "80%", "--json") == 0
    found = json.loads(capsys.readouterr().out)["sure"]
    run, line = load_run(folder), sure(folder, 0.8)
    assert Sure(**{name: found[name] for name in Sure.__slots__}) == line
    answers = model_of(run).predict(list(digits.test.images))
    passed = [line.passes(answer) for answer in answers]
    names = [digits.classes[label] for label in digits.test.labels.tolist()]
    right = sum(
        of and answer.name == name for of, answer, name in zip(passed, answers, names, strict=True)
    )
    assert found["judged"] == {"images": 360, "answered": sum(passed), "right": right}
    assert smidgen("evaluate", folder, "--sure", "80%", "--held-out") == 0
    said = capsys.readouterr().out
    assert "chosen on these: at least 80 % with 95 % confidence" in said
    assert "test, 360" not in said, "which nobody asked for"
    assert smidgen("evaluate", folder, "--sure", "99%") == 2
    assert "takes 299 held-out images" in capsys.readouterr().err
    assert smidgen("evaluate", folder, "--sure-on", "x", "--data", "x", "--sure", "80%") == 2
    assert "must be other images than those that judge" in capsys.readouterr().err


def test_predict_is_not_sure_of_a_picture_below_the_threshold(
    folder: Path,
    digits: Data,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    line, model = sure(folder, 0.9), sm.load(folder)
    answers = model.predict(list(digits.test.images))
    order = sorted(range(360), key=lambda place: answers[place].margin)
    for name, place in (("far", order[-1]), ("near", order[0])):
        Image.fromarray(digits.test.images[place, 0].numpy()).save(f"{name}.png")
    near = answers[order[0]]
    assert [line.passes(answers[order[place]]) for place in (-1, 0)] == [True, False]
    asked = ("predict", folder, "far.png", "near.png", "--sure", "0.9")
    assert smidgen(*asked) == 0
    told = capsys.readouterr()
    first, second = told.out.splitlines()
    assert "not sure" not in first
    assert second.endswith(f"not sure ({near.name} {100 * near.probability:5.1f} %)")
    assert f"1 of 2 pictures answered; {line.told}" in told.err
    assert smidgen(*asked, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["sure"] for row in rows] == [True, False]
    assert rows[1]["class"] == near.name, "which a reader may still want to know"
    assert smidgen(*asked, "--csv", "answers.csv") == 0
    with Path("answers.csv").open(newline="") as file:
        assert [row["sure"] for row in csv.DictReader(file)] == ["true", "false"]
    capsys.readouterr()
    assert smidgen("predict", folder, "far.png", "--sure-on", "x") == 2
    assert "--sure-on is for --sure" in capsys.readouterr().err


def _as_it_is(artefact: Artefact, *_: object) -> Artefact:
    return artefact


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_integer_c_is_sure_where_python_is(
    folder: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generated, "_on_cortex_m4", Mock(side_effect=_as_it_is))
    monkeypatch.setattr(host, "FAST", ("-O1",))
    monkeypatch.setattr(proof, "_latency", Mock(return_value=()))
    wish = Wish(sure="90%", finish_epochs=0, calibration="minmax", name="own")
    loaded = list[Any]()
    load = generated.load_sure

    def keeping(library: Path) -> Any:
        loaded.append(load(library))
        return loaded[-1]

    monkeypatch.setattr(generated, "load_sure", keeping)
    known = sm.export(folder, "c", tmp_path / "c", data=digits, wish=wish).sure
    assert known is not None
    logits = np.zeros((3, 10), np.int32)
    logits[:, 3] = known["margin"], known["margin"] - 1, 2**31 - 1
    logits[2, :3] = -(2**31)
    assert loaded[0](logits).tolist() == [3, -1, 3], "from the margin on, however far apart"
    held_out = held_out_of(load_run(folder), digits, folder)
    assert known["compared"] == known["images"] == len(held_out)
    assert known["test"]["images"] == 360
    assert 0 < known["answered"] < len(held_out), "or nothing would be compared"
    header = (tmp_path / "c" / "own.h").read_text()
    assert f"#define OWN_SURE_MARGIN {known['margin']}u " in header
    assert f"answers {100 * known['answered'] / len(held_out):.1f} % of 144 held-out" in header


def test_c_that_is_sure_where_python_is_not_is_refused() -> None:
    logits, pixels = np.array([[0, 9], [0, 1]], np.int32), np.zeros((2, 1, 1, 1), np.uint8)
    line, answers = Sure(0.9, 5, 2, 1, 1), np.array([1, -1])

    def known(said: list[int]) -> Any:
        infer = Mock(return_value=Mock(return_value=np.array(said)))  # as compiled C answers
        artefact = SimpleNamespace(main="own.c", sure=SureInC(line, pixels, answers, infer))
        return proof._sure(cast("Artefact", artefact), Path(), logits, np.array([1, 1]))

    assert known([1, -1])["compared"] == 2
    assert known([1, -1])["test"] == {"images": 2, "answered": 1, "right": 1}
    with pytest.raises(ValueError, match="answers 1 of 2 held-out images otherwise than Python"):
        known([1, 1])


def test_what_cannot_be_sure_is_refused_before_any_work(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sure is for int8 C"):
        sm.export(folder, "onnx", tmp_path / "o", wish=Wish(sure=0.9))
    with pytest.raises(ValueError, match="sure is for int8 C"):
        sm.export(folder, "c", tmp_path / "o", wish=Wish(sure=0.9, numbers="float32"))
    with pytest.raises(ValueError, match="sure_on is for sure"):
        sm.export(folder, "c", tmp_path / "o", wish=Wish(sure_on="x"))
    with pytest.raises(ValueError, match="takes 299 held-out images"):
        sm.export(folder, "c", tmp_path / "o", wish=Wish(sure="99%"))
    with pytest.raises(ValueError, match="sure must be a share"):
        Wish(sure="99")
