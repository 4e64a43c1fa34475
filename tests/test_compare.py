"""Two models are compared on pictures that are the same for both, and new to both."""

import csv
import importlib
import json
import re
import shutil
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import smidgen as sm
from smidgen.again import AS_BEFORE
from smidgen.cli import main
from smidgen.compare.matching import learned_by
from smidgen.compare.reading import Asked, How
from smidgen.data import Data, DataError, DataWarning
from smidgen.data.known import keys_of
from smidgen.data.parts import parts
from smidgen.data.preprocessing import Preprocessing
from smidgen.data.shares import learned
from smidgen.model import Array, Model
from smidgen.study.statistics import NO_DIFFERENCE

CLASSES = ("cat", "dog")
SEEN = Preprocessing(8, 8, "grey", 1)
EACH = 12  # training pictures a class
TRAINED = sm.Recipe(epochs=1, batch_size=8)
pytestmark = pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")


def pixels(count: int, seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8), np.uint8)


class Told:
    """Answers that a model gives to pictures, by their first pixel."""

    def __init__(self, answers: list[int], classes: int) -> None:
        self.answers, self.classes = answers, classes

    def __call__(self, images: Array) -> Any:
        logits = np.zeros((len(images), self.classes))
        for place, number in enumerate(images[:, 0, 0, 0]):
            logits[place, self.answers[number]] = 1 + number
        return logits


def told(answers: list[int], classes: tuple[str, ...] = CLASSES) -> Model:
    return Model("told", classes, SEEN, Told(answers, len(classes)))


@pytest.fixture(scope="module")
def numbered() -> Data:
    """Eight test pictures that bear their number in their first pixel: six cats, two dogs."""
    test = pixels(8, 1)
    test[:, 0, 0] = range(8)
    labels = [0, 0, 0, 0, 0, 0, 1, 1]
    return sm.data.from_arrays(pixels(8, 2), labels, CLASSES, test=(test, labels))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of which two test pictures are copies of training pictures, and runs trained on them."""
    folder = tmp_path_factory.mktemp("compared")
    train, test = pixels(2 * EACH, 3), pixels(10, 4)
    test[0], test[5] = train[0], train[EACH]
    labels = [*[0] * EACH, *[1] * EACH]
    own: dict[str, Any] = {
        "x_train": train,
        "y_train": labels,
        "x_test": test,
        "y_test": [0] * 5 + [1] * 5,
    }
    np.savez(folder / "own.npz", **own)
    own["x_train"] = pixels(2 * EACH, 5)
    np.savez(folder / "other.npz", **own)
    for part, count in (("train", EACH), ("test", 4)):
        for number, name in enumerate(CLASSES):
            (folder / "photos" / part / name).mkdir(parents=True)
            for i, values in enumerate(pixels(count, 10 + number + 2 * count)):
                Image.fromarray(values).save(folder / f"photos/{part}/{name}/{i}.png")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name, source, size, seed, split in (
            ("a", "own.npz", 8, 0, "full"),
            ("b", "own.npz", 8, 1, "selection"),
            ("other", "other.npz", 8, 0, "full"),
            ("small", "photos", 8, 0, "full"),
            ("large", "photos", 10, 0, "full"),
        ):
            data = sm.data.load(folder / source, image_size=size)
            net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(1, size, size), 2)
            sm.train(net, data, recipe=TRAINED, seed=seed, split=split, folder=folder / name)
    return folder


@pytest.fixture(autouse=True)
def elsewhere(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.delenv("SMIDGEN_DATA", raising=False)
    return tmp_path


def smidgen(*arguments: str | Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["smidgen", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            main()
    code = exited.value.code
    return code if isinstance(code, int) else 0


@pytest.mark.parametrize("at_once", [3, 512])
def test_what_both_one_or_neither_get_right_is_counted(
    at_once: int, numbered: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("smidgen.compare.judging"), "_AT_ONCE", at_once)
    first, second = told([0, 0, 0, 0, 0, 1, 0, 0]), told([0, 1, 1, 1, 1, 1, 1, 0])
    found = sm.compare(first, second, data=numbered)
    counts = (found.both, found.only_first, found.only_second, found.neither, found.images)
    assert counts == (1, 4, 1, 2, 8)
    assert (found.first.accuracy, found.second.accuracy) == (5 / 8, 2 / 8)
    assert found.difference == 3 / 8
    assert found.interval[0] < 3 / 8 < found.interval[1]
    assert (found.p, found.verdict) == (0.375, NO_DIFFERENCE)
    assert found.uneven
    assert found.first.balanced_accuracy == (5 / 6 + 0) / 2
    assert found.first.params is None
    assert repr(found).startswith(
        "Comparison(first right 62.5 %, second 25.0 %, of 8 pictures; only first 4, only second 1;"
        " McNemar p 0.38: no difference shown; difference +37.5 points ["
    )


def test_pictures_with_two_answers_are_named_those_that_decide_first(numbered: Data) -> None:
    found = sm.compare(
        told([0, 0, 0, 0, 0, 1, 0, 0]), told([0, 1, 0, 0, 0, 0, 1, 0]), data=numbered
    )
    assert [of.picture for of in found.differing] == ["image 6", "image 5", "image 1"]
    assert (found.differing[0].label, found.differing[0].second) == ("dog", "dog")
    assert len(found.pictures) == 8
    surer = replace(found.differing[0], label="owl", first_probability=1.0, picture="both wrong")
    assert replace(found, pictures=(surer, *found.pictures)).differing[-1] == surer
    assert "<td" in found._repr_html_()  # pyright: ignore[reportPrivateUsage]


def test_many_more_right_answers_are_a_difference(numbered: Data) -> None:
    right, wrong = [0] * 8, [1] * 6 + [0] * 2
    found = sm.compare(told(wrong), told([*right[:6], 1, 1]), data=numbered)
    assert (found.only_first, found.only_second, found.verdict) == (0, 8, "second better")
    assert found.told("A", "B").endswith("McNemar p 0.0078: B is better")


def test_two_runs_are_judged_on_the_test_part_that_neither_has_learned(place: Path) -> None:
    found = sm.compare(place / "a", place / "b")
    assert (found.part, found.images, found.learned, found.unshared) == ("test", 8, 2, 0)
    kept = [place for place in range(10) if place not in (0, 5)]
    answers = sm.load(place / "a").predict(np.load(place / "own.npz")["x_test"][kept])
    assert [of.first for of in found.pictures] == [answer.name for answer in answers]
    assert [of.label for of in found.pictures] == ["0"] * 4 + ["1"] * 4
    assert found.first.flash
    assert found.first.params == found.second.params


def test_what_a_share_left_out_is_not_learned_kept_or_read_anew(place: Path) -> None:
    data = sm.data.load(place / "own.npz")
    net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(1, 8, 8), 2)
    recipe = replace(TRAINED, epochs=1, share=0.5)
    run = sm.train(net, data, recipe=recipe, seed=2)
    own = {*keys_of(learned(data, "full", 0.5, 2)).tolist()}
    assert len(own) == EACH
    for known in (run.known, None):
        side = Asked("half", sm.load(replace(run, known=known)))
        assert learned_by(side, data, How(None, AS_BEFORE, False, None)) == own


def test_what_both_held_out_judges_where_each_test_picture_was_learned(place: Path) -> None:
    of_fold, held_out = parts(sm.data.load(place / "own.npz"), "fold-1-of-2")
    assert held_out
    values = dict(np.load(place / "own.npz"))
    values |= {"x_test": of_fold.images[:, 0].numpy(), "y_test": of_fold.labels.numpy()}
    np.savez("again.npz", **values)
    data = sm.data.load("again.npz")
    net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(1, 8, 8), 2)
    for name, seed, fold in (("a", 0, 1), ("b", 1, 1), ("other", 0, 2)):
        sm.train(net, data, recipe=TRAINED, seed=seed, split=f"fold-{fold}-of-2", folder=name)
    found = sm.compare("a", "b")
    assert (found.part, found.images, found.learned) == ("held-out", len(held_out), 0)
    with pytest.raises(
        ValueError, match=r"test: 12 are learned.*; held-out: 0 are learned, 24 are"
    ):
        sm.compare("a", "other")


def test_pictures_of_two_sizes_are_matched_by_their_files(place: Path) -> None:
    found = sm.compare(place / "small", place / "large")
    assert (found.images, found.learned, found.unshared) == (8, 0, 0)
    assert {of.picture for of in found.pictures} == {
        f"test/{name}/{number}.png" for name in CLASSES for number in range(4)
    }


def test_other_pictures_are_judged_but_for_those_learned(place: Path) -> None:
    found = sm.compare(place / "a", place / "other", data=place / "other.npz")
    assert (found.images, found.learned) == (8, 2), "copies of what a alone has learned"


def test_pictures_of_a_class_that_one_does_not_know_are_left_out_and_counted(
    place: Path, numbered: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    more = pixels(4, 30)
    for number, values in enumerate([*numbered.test.images[:, 0].numpy(), *more]):
        folder = Path("three", ("cat", "dog", "fox & co")[min(number // 4, 2)])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / f"{number}.png")
    knows_fox = told([0] * 256, ("fox & co", *CLASSES))
    found = sm.compare(told([0] * 256), knows_fox, data="three")
    assert (found.images, found.others) == (8, {"fox & co": 4})
    assert found.first.accuracy == 0.5, "of those whose class both know"
    assert sm.compare(knows_fox, knows_fox, data="three").images == 12
    assert smidgen("compare", place / "small", place / "large", "--data", "three") == 0
    assert "4 pictures are left out: a model does not know the class ('fox & co')" in (
        capsys.readouterr().err
    )
    assert smidgen("evaluate", place / "small", "--data", "three") == 2
    assert "`smidgen train --from RUN --data DATA` learns it" in capsys.readouterr().err


def test_what_was_learned_is_known_where_the_data_have_a_class_more(
    place: Path, elsewhere: Path
) -> None:
    shutil.copytree(place / "photos", "grown")
    data = sm.data.load("grown", image_size=8)
    net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(1, 8, 8), 2)
    sm.train(net, data, recipe=TRAINED, folder="before")
    fox = elsewhere / "grown/train/fox"
    fox.mkdir()
    for number, values in enumerate(pixels(3, 40)):
        Image.fromarray(values).save(fox / f"{number}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        warnings.filterwarnings("ignore", "(?!.*has learned is not known)", DataWarning)
        found = sm.compare("before", place / "large", data="grown")
    assert found.images == 8


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            "a",
            "other",
            r"was trained on own.npz and .*other on other data \(other.npz\): name the",
        ),
        ("a", "nothing", "there is nothing of that name"),
        (5, "a", "the first model must be a run, its folder, an ONNX file or hub:USER/NAME, got 5"),
    ],
)
def test_models_that_cannot_be_compared_are_told_in_a_line(
    first: Any, second: str, said: str, place: Path
) -> None:
    one = place / first if isinstance(first, str) else first
    with pytest.raises(ValueError, match=said):
        sm.compare(one, place / second)


def test_models_alone_need_pictures_and_do_not_say_what_they_learned(numbered: Data) -> None:
    model = told([0] * 8)
    with pytest.raises(ValueError, match="an ONNX file does not say what it was trained on"):
        sm.compare(model, model)
    with pytest.warns(
        DataWarning, match="which pictures the second model has learned is not known"
    ):
        sm.compare(model, model, data=numbered)
    with pytest.raises(DataError, match="is not made of pictures as the first model takes them"):
        sm.compare(told([0] * 8, ("dog", "cat")), model, data=numbered)


def test_pictures_in_two_forms_that_nothing_matches_are_refused(place: Path) -> None:
    values = np.load(place / "own.npz")
    np.savez("whole.npz", x=values["x_train"], y=np.repeat(CLASSES, EACH))
    with pytest.raises(DataError, match="nothing tells which are the same"):
        sm.compare(place / "small", place / "large", data="whole.npz")


def test_a_picture_that_judges_both_must_be_left(place: Path) -> None:
    values = dict(np.load(place / "own.npz"))
    train = {"x_test": values["x_train"], "y_test": values["y_train"]}
    np.savez("learned.npz", **{**values, **train})
    with pytest.raises(ValueError, match=r"no picture of learned.npz can judge .*test: 24 are"):
        sm.compare(place / "a", place / "b", data="learned.npz")


def test_the_command_tells_both_models_and_the_pictures(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = place / "a", place / "b"
    assert smidgen("compare", a, b, "--csv", "both.csv") == 0
    shown = capsys.readouterr()
    assert re.match(r"A right [\d.]+ %, B [\d.]+ %, of 8 pictures; only A \d, only B", shown.out)
    for word in ("A - B is", "params", "MACs", "flash", "RAM"):
        assert word in shown.out
    assert "balanced accuracy" not in shown.out, "its classes are even"
    assert "2 pictures are left out: a model has learned them" in shown.err
    rows = list(csv.DictReader(Path("both.csv").read_text().splitlines()))
    assert len(rows) == 8
    assert set(rows[0]) == {"picture", "label", "a", "a_probability", "b", "b_probability"}
    assert smidgen("compare", a, b, "--json", "--csv", "both.csv") == 0, "its own is replaced"
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 8
    assert found["verdict"] == NO_DIFFERENCE
    assert len(found["pictures"]) == sum(row["a"] != row["b"] for row in rows)


@pytest.mark.parametrize(
    ("file", "said"), [("notes.csv", "holds no table"), ("none/x.csv", "no f")]
)
def test_another_file_is_not_overwritten(
    file: str, said: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("notes.csv").write_text("mine,own\n")
    assert smidgen("compare", place / "a", place / "b", "--csv", file) == 2
    assert said in capsys.readouterr().err
    assert Path("notes.csv").read_text() == "mine,own\n"


def test_windows_of_few_recordings_are_told_to_be_no_independent_witnesses(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = dict(np.load(place / "own.npz"))
    del values["x_test"], values["y_test"]
    np.savez("grouped.npz", **values, recording=[f"r{n // 4}" for n in range(2 * EACH)])
    data = sm.data.load("grouped.npz", group_by="recording")
    net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(1, 8, 8), 2)
    sm.train(net, data, recipe=TRAINED, folder="grouped")
    assert smidgen("compare", "grouped", "grouped") == 0
    said = capsys.readouterr().err
    assert re.search(
        r"8 pictures are of 2 groups: those of one recording are not independent", said
    )
