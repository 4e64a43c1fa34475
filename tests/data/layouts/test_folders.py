"""A folder of images is read by its layout, and whatever is wrong with it is named."""

import json
import os
import re
import shutil
import struct
import sys
import unicodedata
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.conftest import pixels, png

from smidgen import run_folder
from smidgen.cli import main
from smidgen.data import DataError, DataWarning, labelled, load, names
from smidgen.data.layouts.folders import pictures_below
from smidgen.data.names import MADE
from smidgen.data.parts import parts
from smidgen.escape import c_string
from smidgen.export import ship
from smidgen.limits import content as held_in
from smidgen.limits import is_boundless
from smidgen.study.design import outset
from smidgen.study.records import runs_of

Folder = Callable[..., Path]
MADE_OF = '{"net": {}, "origin": "digits::skip-broken=yes"}'
BOTH = {"train": {"cat": 3, "dog": 2}, "test": {"cat": 1, "dog": 1}}


def test_classes_are_the_sorted_folders(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    data = load(folder)
    assert data.name == "pictures"
    assert data.classes == ("cat", "dog")
    assert data.shape == (1, 6, 5)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert data.test.labels.tolist() == [0, 1]
    assert data.notes == ()
    stored = np.asarray(Image.open(folder / "train" / "dog" / "001.png"))
    assert data.train.images[4, 0].equal(torch.from_numpy(stored.copy()))


def test_a_path_is_a_path_object_or_text(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = image_folder(BOTH)
    monkeypatch.chdir(folder.parent)
    prints = {load(path).fingerprint for path in (folder, str(folder), "pictures", "./pictures")}
    assert len(prints) == 1


def test_images_are_dense_in_the_order_batches_are_made_of(image_folder: Folder) -> None:
    for split in (load(image_folder(BOTH)).train, load(image_folder(BOTH, "b"), image_size=4).test):
        assert split.images.is_contiguous(memory_format=torch.channels_last)


def test_without_test_images_a_fifth_is_set_aside_and_said(image_folder: Folder) -> None:
    folder = image_folder({"train": {"cat": 60, "dog": 40}})
    with pytest.warns(DataWarning, match=r"no test images: \d+ of the 100 images were set aside"):
        first = load(folder)
    assert 10 <= len(first.test) <= 30
    assert len(first.train) + len(first.test) == 100
    seen = {image.numpy().tobytes() for image in first.train.images}
    assert not any(image.numpy().tobytes() in seen for image in first.test.images)
    with pytest.warns(DataWarning, match="set aside"):  # from the cache it is said again
        second = load(folder)
    assert second.fingerprint == first.fingerprint


def test_the_same_images_elsewhere_have_the_same_fingerprint(
    image_folder: Folder, tmp_path: Path
) -> None:
    folder = image_folder(BOTH)
    shutil.copytree(folder, tmp_path / "copy")
    assert load(folder).fingerprint == load(tmp_path / "copy").fingerprint


def test_names_with_patterns_in_them(image_folder: Folder) -> None:
    folder = image_folder({"train": {"[ab]": 2, "c*": 2}, "test": {"c*": 1}}, "odd [1] name")
    assert load(folder).classes == ("[ab]", "c*")


def test_other_files_are_left_out_and_said(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    (folder / "train" / "cat" / "notes.txt").write_text("cats")
    (folder / "train" / "cat" / ".hidden.png").write_text("not an image")
    (folder / "masks").mkdir()
    with pytest.warns(DataWarning) as said:
        data = load(folder)
    assert len(data.train) == 5
    assert [re.sub(r"/\S*/", "", str(warning.message)) for warning in said] == [
        "pictures: folders not read: masks",
        "pictures: 1 file is no picture of a class, such as notes.txt",
    ]


def test_every_broken_file_is_named_in_one_message(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    empty, text, cut = (
        folder / "train" / "cat" / "000.png",
        folder / "train" / "dog" / "001.png",
        folder / "test" / "dog" / "000.png",
    )
    empty.write_bytes(b"")
    text.write_text("no picture")
    cut.write_bytes(cut.read_bytes()[:60])
    with pytest.raises(DataError) as refused:
        load(folder)
    said = str(refused.value)
    assert said.startswith(f"3 of 7 pictures cannot be used: {empty} is an empty file; ")
    assert f"{text} is no readable picture: its content is of no known format" in said
    assert f"{cut} is no readable picture: " in said
    assert said.endswith("(--skip-broken, or skip_broken=True, leaves them out)")
    assert "BytesIO" not in said


def test_broken_files_are_left_out_when_asked(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    broken = folder / "train" / "cat" / "000.png"
    broken.write_bytes(b"")
    with pytest.warns(DataWarning, match=f"1 picture .* left out: {re.escape(str(broken))} is an"):
        data = load(folder, skip_broken=True)
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    stored = np.asarray(Image.open(folder / "train" / "dog" / "000.png"))
    assert data.train.images[2, 0].equal(torch.from_numpy(stored.copy()))


def test_a_picture_without_pixels_is_named_and_left_out_when_asked(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    whole = (folder / "train" / "dog" / "000.png").read_bytes()
    head = b"IHDR" + struct.pack(">IIBBBBB", 0, 5, 8, 0, 0, 0, 0)
    empty = whole[:12] + head + struct.pack(">I", zlib.crc32(head)) + whole[33:]
    (folder / "train" / "dog" / "empty.png").write_bytes(empty)
    with pytest.raises(DataError, match=r"empty\.png is no readable picture"):
        load(folder)
    with pytest.warns(DataWarning, match="1 picture cannot be used and is left out"):
        assert len(load(folder, skip_broken=True).train) == 5


def test_nothing_left_is_refused_even_then(image_folder: Folder) -> None:
    folder = image_folder({"train": {"cat": 1, "dog": 1}, "test": {"cat": 1}})
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="3 of 3 pictures cannot be used"):
        load(folder, skip_broken=True)


def test_photographs_in_class_folders_need_no_split(image_folder: Folder) -> None:
    folder = image_folder({"": {"cat": 30, "dog": 30}})
    with pytest.warns(DataWarning, match="no test images"):
        data = load(folder)
    assert data.classes == ("cat", "dog")
    assert len(data.train) + len(data.test) == 60


@pytest.mark.parametrize("train", ["Train", "TRAIN", "training", "training_set", "train images"])
@pytest.mark.parametrize("test", ["Test", "testing", "test-set"])
def test_parts_are_known_by_their_usual_names(image_folder: Folder, train: str, test: str) -> None:
    data = load(image_folder({train: {"cat": 2, "dog": 1}, test: {"cat": 1}}))
    assert (len(data.train), len(data.test), data.notes) == (3, 1, ())


def test_folders_in_folders_are_not_looked_up_from_the_root_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that it takes to read a deep folder was the square of its depth."""
    place = tmp_path.joinpath(*"a" * 40)
    place.mkdir(parents=True)
    (place / "x.png").touch()
    looked = Mock(side_effect=os.path.realpath)
    monkeypatch.setattr(os.path, "realpath", looked)
    assert pictures_below(tmp_path) == [place / "x.png"]
    assert looked.call_count <= 2 * len(tmp_path.parents) + 2


@pytest.mark.parametrize("validation", ["val", "Valid", "validation", "dev"])
def test_a_validation_part_is_the_part_that_chooses(image_folder: Folder, validation: str) -> None:
    data = load(image_folder({**BOTH, validation: {"cat": 1, "dog": 3}}))
    learning, judging = parts(data, "selection")
    assert len(learning) == len(data.train) == 5
    assert judging is data.validation
    assert judging is not None
    assert judging.labels.tolist() == [0, 1, 1, 1]
    assert load(image_folder(BOTH, "other")).fingerprint != data.fingerprint


def test_validation_without_test_leaves_a_test_part_to_be_set_aside(image_folder: Folder) -> None:
    with pytest.warns(DataWarning, match="no test images: .* of the 40 images"):
        data = load(image_folder({"train": {"a": 20, "b": 20}, "val": {"a": 3, "b": 3}}))
    assert data.validation is not None
    assert len(data.validation) == 6
    assert len(data.train) + len(data.test) == 40


def test_a_folder_of_archives_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "train.ZIP").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"got train.ZIP \(an archive must be unpacked first\)$"):
        load(tmp_path)


def test_an_archive_unpacked_twice_is_read(image_folder: Folder) -> None:
    folder = image_folder({"photos/photos": {"cat": 20, "dog": 20}}, "outer")
    (folder / "__MACOSX" / "photos" / "cat").mkdir(parents=True)
    (folder / "__MACOSX" / "photos" / "cat" / "._000.png").write_bytes(b"\0\5\x16\7")
    with pytest.warns(DataWarning, match="no test images"):
        assert load(folder).classes == ("cat", "dog")
    inner = image_folder({"data/train/train": {"cat": 2, "dog": 2}, "data/test": {"cat": 1}}, "b")
    assert len(load(inner).train) == 4


def test_folders_of_systems_are_no_classes(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    for name in ("@eaDir", "__MACOSX", ".thumbnails", "$RECYCLE.BIN"):
        for place in (folder / "train" / name, folder / "train" / "cat" / name):
            place.mkdir()
            (place / "000.png").write_bytes(png(pixels(1, 6, 5)))
    data = load(folder)
    assert (data.classes, len(data.train), data.notes) == (("cat", "dog"), 5, ())


def test_pictures_deeper_in_a_class_belong_to_it(image_folder: Folder) -> None:
    folder = image_folder({"train": {"cat": 1, "cat/outside/day": 2, "dog": 1}, "test": {"cat": 1}})
    data = load(folder)
    assert data.classes == ("cat", "dog")
    assert torch.bincount(data.train.labels).tolist() == [3, 1]


def test_pictures_are_known_by_their_content(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    cats = folder / "train" / "cat"
    (cats / "000.png").rename(cats / "IMG_1")
    (cats / "001.png").rename(cats / "photo.jfif")
    (cats / "002.png").rename(cats / "scan.dat")
    assert torch.bincount(load(folder).train.labels).tolist() == [3, 2]


def test_a_dead_link_is_told_with_the_count(image_folder: Folder, tmp_path: Path) -> None:
    folder = image_folder(BOTH)
    link = folder / "train" / "dog" / "999.png"
    link.symlink_to(tmp_path / "gone.png")
    with pytest.warns(DataWarning, match=f"1 link leads nowhere, such as {re.escape(str(link))}"):
        assert len(load(folder).train) == 5


@pytest.mark.parametrize("name", ["x.png", "x"])
def test_a_link_to_a_pipe_is_not_waited_for(name: str, image_folder: Folder, pipe: Path) -> None:
    folder = image_folder(BOTH)
    (folder / "train" / "dog" / name).symlink_to(pipe)
    data = load(folder)
    assert len(data.train) == 5
    assert data.notes == ()


def test_links_to_one_folder_of_many_files_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smidgen.data.layouts.folders.AGAIN", 20)
    (tmp_path / "cat" / "x").mkdir(parents=True)
    for number in range(5):
        (tmp_path / "cat" / "x" / f"{number}.png").touch()
    for number in range(4):
        (tmp_path / "cat" / f"l{number}").symlink_to("x")
    assert len(pictures_below(tmp_path)) == 25, "as many as may be"
    (tmp_path / "cat" / "y").symlink_to("x")
    with pytest.raises(DataError, match="links lead to again, with over 20 files in all, too many"):
        pictures_below(tmp_path)


@pytest.mark.parametrize("place", [".", "train"])
def test_a_link_to_a_folder_above_makes_no_class_of_all_pictures(
    image_folder: Folder, place: str, tmp_path: Path
) -> None:
    folder = image_folder({"train": {"cat": 3, "dog": 3}, "test": {"cat": 1, "dog": 1}})
    before = load(folder)
    (folder / "train" / "dog" / "up").symlink_to(folder / place)
    (tmp_path / "there").symlink_to(tmp_path)
    for way in (folder, tmp_path / "there" / folder.name):
        assert load(way, cache_dir=tmp_path / "other").fingerprint == before.fingerprint


def test_a_folder_is_read_from_within_it(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = image_folder(BOTH)
    before = load(folder)
    monkeypatch.chdir(folder / "train" / "dog")
    for way in ("../..", f"../../../{folder.name}"):
        assert load(way, cache_dir=tmp_path / "other").fingerprint == before.fingerprint


def test_a_link_in_a_circle_ends(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    (folder / "train" / "dog" / "again").symlink_to(folder / "train" / "dog")
    assert len(load(folder).train) == 5


def test_links_to_folders_of_links_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smidgen.data.layouts.folders.LINKS", 1_000)
    folders = [tmp_path / "set" / f"{place:02}" for place in range(16)]
    folders[-1].mkdir(parents=True)
    for folder, following in pairwise(folders):
        folder.mkdir()
        for name in "ab":
            (folder / name).symlink_to(following)  # 32,768 ways to the last
    (folders[-1] / "x.png").write_bytes(png(pixels(0, 6, 5)))
    with pytest.raises(DataError, match="is one of over 1,000 links to folders, too many"):
        load(tmp_path / "set")


def test_classes_that_are_numbers_stand_in_the_order_of_their_values(image_folder: Folder) -> None:
    counts = {str(number): 1 for number in range(1, 13)}
    data = load(image_folder({"train": counts, "test": {"1": 1}}))
    assert data.classes == tuple(str(number) for number in range(1, 13))


@pytest.mark.skipif(sys.platform != "linux", reason="others refuse names that are no UTF-8")
def test_a_class_whose_name_is_no_utf8_is_told_and_text_everywhere(
    image_folder: Folder, tmp_path: Path
) -> None:
    latin, escaped = "caf\udce9", "caf\\xe9"
    folder = image_folder({"train": {latin: 2, "tea": 2}, "test": {latin: 1, "tea": 2}})
    with pytest.warns(DataWarning, match=r"'caf.udce9' is 'caf..xe9' of bytes that the system's"):
        data = load(folder)
    assert data.classes == (escaped, "tea")
    assert data.test.labels.tolist() == [0, 1, 1]
    assert json.dumps(data.classes) == r'["caf\\xe9", "tea"]'  # as in runs, proofs and pages
    assert c_string(latin) == c_string(escaped) == r'"caf\134xe9"'


def test_names_of_classes_are_compared_in_one_form(image_folder: Folder) -> None:
    composed, apart = "caf\u00e9", "cafe\u0301"
    folder = image_folder({"train": {composed: 2, "tea": 2}, "test": {apart: 1, "Tea ": 2}})
    with pytest.warns(DataWarning, match="names of classes are written in several ways: .*'tea'"):
        data = load(folder)
    assert data.classes == (composed, "tea")
    assert data.test.labels.tolist() == [1, 1, 0]


def test_a_class_is_looked_at_once_however_many_pictures_have_it(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    def one_form(name: str) -> str:
        looked_at.append(name)
        return names.one_form(name)

    monkeypatch.setattr(labelled, "one_form", one_form)
    load(image_folder({"train": {"cat": 9, "dog": 9}, "test": {"cat": 1, "dog": 1}}))
    assert sorted(looked_at) == ["cat", "dog"]


def test_names_that_differ_by_case_alone_in_training_are_two_classes_and_told(
    image_folder: Folder,
) -> None:
    with pytest.warns(DataWarning, match="the classes 'A' and 'a' differ by letter case alone"):
        data = load(image_folder({"train": {"a": 2, "A": 2}, "test": {"a": 1}}))
    assert data.classes == ("A", "a")
    assert data.test.labels.tolist() == [1]


def test_test_pictures_alone_are_to_judge_a_run(image_folder: Folder) -> None:
    folder = image_folder({"test": {"dog": 2, "cat": 1}})
    with pytest.raises(DataError, match="must hold pictures to train on, got only test"):
        load(folder)
    data = load(folder, classes=("bird", "dog", "cat"))
    assert data.classes == ("bird", "dog", "cat")
    assert data.test.labels.tolist() == [2, 1, 1]


def test_one_picture_a_class_is_enough_to_judge_a_run(image_folder: Folder) -> None:
    data = load(image_folder({"": {"dog": 1, "cat": 1}}), classes=("cat", "dog", "eel"))
    assert sorted(data.test.labels.tolist()) == [0, 1]
    assert data.notes == ()


def test_classes_of_a_run_are_matched_by_name(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    data = load(folder, classes=("dog", "cat", "eel"))
    assert data.test.labels.tolist() == [1, 0]
    assert load(folder, classes=("dog", "cat", "eel")).fingerprint == data.fingerprint
    for known, said in (("cab", r"did you mean 'cab'\?"), ("owl", "the model knows only dog, owl")):
        with pytest.raises(DataError, match=rf"class 'cat' of .* must be .* known: {said}"):
            load(folder, classes=("dog", known))


OURS = (
    *("mine/design.db", "net/run.json", "net-c/artefact.json", "runs/a/run.json"),
    *("s.runs/k/x", "t.sqlite.runs/k/x"),
)


def test_what_smidgen_wrote_among_the_classes_is_none(image_folder: Folder) -> None:
    """As of ``smidgen design --data . --out mine``: its own workers read the folder again."""
    folder = image_folder({"": {"cat": 4, "dog": 4}})
    with pytest.warns(DataWarning):
        before = load(folder)
    for name in ("s.db", "t.sqlite"):
        (folder / name).touch()
    for name in OURS:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
        shutil.copy(folder / "cat" / "000.png", (folder / name).parent)
    with pytest.warns(DataWarning):
        after = load(folder)
    assert (after.classes, after.fingerprint) == (("cat", "dog"), before.fingerprint)
    (folder / "s.db").unlink()
    with pytest.raises(DataError, match=r"class 's\.runs' has a single picture"):
        load(folder)


def test_files_by_which_its_folders_are_known_are_those_that_smidgen_writes() -> None:
    assert {run_folder.PLAN, ship.PROOF, outset.STORE} == set(MADE)
    assert runs_of(Path("s.db")) == Path("s.runs")
    assert runs_of(Path("t.sqlite")) == Path("t.sqlite.runs")


def test_a_class_with_no_image_is_named(image_folder: Folder) -> None:
    folder = image_folder({"train": {"cat": 2, "eel": 0}, "test": {"cat": 1}})
    with pytest.raises(
        DataError, match=r"class 'eel' must have a picture, got none in .*train/eel"
    ):
        load(folder)


@pytest.mark.parametrize("name", ["labels", "annotations"])
def test_boxes_are_told_apart_from_a_class_with_no_image(image_folder: Folder, name: str) -> None:
    folder = image_folder({"train": {"images": 4, name: 0}, "valid": {"images": 2, name: 0}})
    (folder / "train" / name / "000.txt").write_text("0 0.5 0.5 0.1 0.1")
    with pytest.raises(DataError, match=rf"train/{name} holds no pictures: boxes, as of YOLO and"):
        load(folder)


def test_an_unknown_class_to_test_on_is_named(image_folder: Folder) -> None:
    folder = image_folder({"train": {"cat": 2, "dog": 2}, "test": {"cta": 1}})
    with pytest.raises(DataError, match=r"class 'cta' of .*test/cta.* did you mean 'cat'\?"):
        load(folder)


def test_a_class_of_one_picture_is_named_and_what_to_do(image_folder: Folder) -> None:
    with pytest.raises(DataError, match=r"class 'dog' has a single picture, .* add pictures of it"):
        load(image_folder({"train": {"cat": 2, "dog": 1}}))
    data = load(image_folder({"train": {"cat": 9, "dog": 1}, "test": {"cat": 1}}, "b"))
    with pytest.raises(DataError, match=r"class 'dog' of b has 1 training image, .* add images of"):
        parts(data, "selection")


def test_folders_that_hold_no_data(tmp_path: Path, image_folder: Folder) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty must hold CLASS/\*.jpg, .* got an empty folder"):
        load(tmp_path / "empty")
    with pytest.raises(DataError, match="must have two classes or more, got 'cat'"):
        load(image_folder({"trian": {"cat": 2}}))
    (tmp_path / "bare" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"bare must hold CLASS/\*.jpg, .* got train$"):
        load(tmp_path / "bare")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"design.db": "", "model/run.json": MADE_OF}, "is a design of .*of it are digits .--data"),
        (
            {"design.db": "", "rows.jsonl": '{"a": 1}'},
            "is a design of .*: name the data that it",
        ),
        ({"run.json": MADE_OF}, "is a run of smidgen's, not pictures; the data of it are digits"),
        ({"artefact.json": '{"net": "a"}'}, "is an export of smidgen's, not pictures: name the"),
        ({"a/run.json": MADE_OF}, r"holds what smidgen made \(a\), not .*the data of a are digits"),
        ({"run.json": "[]"}, r"got run.json, with 1 file .json: a table is read"),
        ({"a.json": "{}", "b.json": "{}"}, r"with 2 files .json: a table is read"),
    ],
)
def test_what_smidgen_made_is_no_pictures(tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, content in files.items():
        (tmp_path / "it" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "it" / name).write_text(content)
    with pytest.raises(DataError, match=f"it .*{said}"):
        load(tmp_path / "it")


def test_a_store_of_trials_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "study.db").touch()
    with pytest.raises(DataError, match="a store of trials is no data: name those that they"):
        load(tmp_path / "study.db")


def test_pictures_without_classes_are_told_what_to_do(image_folder: Folder) -> None:
    folder = image_folder({"photos": {"": 3}}, "a")
    with pytest.raises(
        DataError, match=r"photos holds pictures without classes, as 000\.png: .*labels\.csv"
    ):
        load(folder / "photos")
    (folder / "photos").rename(folder / "train")
    with pytest.raises(DataError, match=r"a holds pictures without classes, as train.000\.png"):
        load(folder)


def test_paths_that_are_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*missing"):
        load(tmp_path / "missing")
    (tmp_path / "file.7z").write_text("")
    with pytest.raises(
        DataError,
        match=r"file.7z must be a folder, or a file .npz, .*an archive must be unpacked",
    ):
        load(tmp_path / "file.7z")


def test_a_train_may_be_a_class(image_folder: Folder) -> None:
    folder = image_folder({"bus": {".": 8}, "car": {".": 8}, "train": {".": 8}})
    with pytest.warns(DataWarning, match="set aside|^pictures: 'train' is a class, since other"):
        data = load(folder)
    assert data.classes == ("bus", "car", "train")
    assert any("'train' is a class" in note for note in data.notes)
    (folder / "test").mkdir()
    with pytest.raises(DataError, match=r"as bus.000\.png: put them .*train/CLASS"):
        load(folder)


def test_one_class_beside_one_called_as_a_part_is_told_why_it_is_none(image_folder: Folder) -> None:
    folder = image_folder({"control": {".": 4}, "test": {".": 4}})
    with pytest.raises(DataError, match="; 'test' is a part of data: a class needs"):
        load(folder)


@pytest.mark.parametrize("inner", ["", "seg_{}"])
def test_parts_may_share_a_name_before_theirs(image_folder: Folder, inner: str) -> None:
    """As of the scenes of Intel: they were classes, called seg_train and seg_test."""
    counts = {
        f"{part}/{inner.format(part[4:])}": n for part, n in (("seg_train", 4), ("seg_test", 2))
    }
    folder = image_folder(
        {place: {"ice": n, "sea": n} for place, n in counts.items()} | {"seg_pred": {"": 3}}
    )
    with pytest.warns(DataWarning, match="folders not read: .*seg_pred"):
        data = load(folder)
    assert (data.classes, len(data.train), len(data.test)) == (("ice", "sea"), 8, 4)


def test_a_name_that_no_other_part_shares_is_a_class(image_folder: Folder) -> None:
    with pytest.warns(DataWarning, match="set aside"):
        data = load(image_folder({"": {"toy_train": 8, "toy_car": 8, "lab_test": 8}}))
    assert data.classes == ("lab_test", "toy_car", "toy_train")


@pytest.mark.parametrize("place", ["images", "data_test", "cta"])
def test_test_pictures_in_one_folder_have_no_labels(image_folder: Folder, place: str) -> None:
    folder = image_folder({"data_train": {"cat": 9, "dog": 9}, "data_test": {place: 4}})
    if place == "cta":
        with pytest.raises(DataError, match="that is known: did you mean"):
            load(folder)
        return
    with pytest.warns(DataWarning, match="labels of the part 'test' are hidden|set aside"):
        data = load(folder)
    assert len(data.train) + len(data.test) == 18


@pytest.mark.parametrize("masks", ["masks", "annotations", "labels"])
def test_masks_are_no_class(image_folder: Folder, masks: str) -> None:
    folder = image_folder({"": {"images": 4, masks: 4}})
    with pytest.raises(DataError, match=f"images and {masks} of|{masks} and images of"):
        load(folder)


def test_classes_in_a_folder_of_images_beside_others_are_read(image_folder: Folder) -> None:
    """As of CUB-200-2011 and Food-101."""
    folder = image_folder({"images": {"owl": 6, "tit": 6}, "": {"meta": 0}})
    (folder / "meta" / "classes.txt").write_text("owl\ntit\n")
    with pytest.warns(DataWarning, match="folders not read: .*meta|set aside"):
        assert load(folder).classes == ("owl", "tit")
    (folder / "meta" / "a.png").write_bytes(png(pixels(0, 6, 5)))
    (folder / "meta" / "b.png").write_bytes(png(pixels(1, 6, 5)))
    with pytest.warns(DataWarning):
        assert load(folder).classes == ("images", "meta")


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_classes_that_all_hold_the_same_folders_are_told(image_folder: Folder) -> None:
    """As of PlantVillage: color, grayscale, segmented, and the classes in each."""
    folder = image_folder({kind: {"rot": 4, "rust": 4} for kind in ("color", "grey")})
    with pytest.warns(DataWarning, match="'color', 'grey' are classes, though .*'rot', 'rust'"):
        assert load(folder).classes == ("color", "grey")


@pytest.mark.parametrize("place", ["", "cat"])
def test_a_link_to_a_whole_disk_is_refused(image_folder: Folder, place: str) -> None:
    folder = image_folder({"": {"cat": 2, "dog": 2}}) if place else image_folder({"": {".": 0}})
    (folder / place / "all").symlink_to("/")
    with pytest.raises(DataError, match="/all must be a folder of pictures, got a whole disk"):
        load(folder)


def test_what_holds_homes_or_a_system_is_no_folder_of_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home := tmp_path / "homes" / "me").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    assert all(map(is_boundless, (home, home.parent, Path("/usr"), Path("/etc"))))
    assert not any(map(is_boundless, (home / "pets", tmp_path / "homes" / "you")))


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_a_text_that_begins_as_a_bitmap_is_no_picture(image_folder: Folder) -> None:
    folder = image_folder({"": {"audi": 6, "bmw": 6}})
    (folder / "bmw" / "LICENSE").write_text("BMW photographs, by many people\n")
    Image.fromarray(pixels(99, 6, 5)).save(folder / "bmw" / "one", "BMP")
    with pytest.warns(DataWarning, match="1 file is no picture of a class, such as .*LICENSE"):
        data = load(folder)
    assert len(data.train) + len(data.test) == 13


@pytest.mark.parametrize(
    "names",
    [
        ("train2017", "val2017", "test2017"),
        ("0_train", "1_val", "2_test"),
        ("train", "val1", "test1"),
    ],
)
def test_parts_beside_a_number_are_parts_and_told(
    image_folder: Folder, names: tuple[str, str, str]
) -> None:
    folder = image_folder({name: {"cat": 2, "dog": 2} for name in names})
    with pytest.warns(DataWarning, match=f"{names[2]!r} is taken for test"):
        data = load(folder)
    assert data.classes == ("cat", "dog")
    assert data.validation is not None
    assert [len(of) for of in (data.train, data.validation, data.test)] == [4, 4, 4]


def test_classes_beside_a_number_stay_classes(image_folder: Folder) -> None:
    folder = image_folder({".": {"test1": 9, "test2": 9, "blank": 9}})
    with pytest.warns(DataWarning, match="set aside"):
        data = load(folder)
    assert data.classes == ("blank", "test1", "test2")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"train-small": {"cat": 1}, "test-small": {"cat": 1}}, "are parts of data and no classes"),
        ({"development": {"cat": 1}, "test": {"cat": 1}}, "development is not read, unless it is"),
        ({"images": {"train2017": 2, "val2017": 2}, "annotations": {}}, "boxes, as in annotations"),
    ],
)
def test_what_is_no_class_is_refused_with_the_next_step(
    image_folder: Folder, counts: dict[str, dict[str, int]], said: str
) -> None:
    folder = image_folder(counts)
    for name in counts:
        (folder / name).mkdir(exist_ok=True)
    with pytest.raises(DataError, match=said):
        load(folder)


def test_a_table_beside_parts_with_a_number_keeps_to_them(image_folder: Folder) -> None:
    folder = image_folder({"images": {"train1": 4, "test1": 4}})
    rows = (f"images/{part}/{n:03}.png,{n % 2}" for part in ("train1", "test1") for n in range(4))
    (folder / "labels.csv").write_text("\n".join(["file_name,label", *rows]))
    data = load(folder)
    assert (data.notes, len(data.train), len(data.test)) == ((), 4, 4)


@pytest.mark.parametrize(
    ("ending", "said"),
    [("npy", "of arrays save one .npz"), ("wav", "save its spectrograms"), ("txt", "go in .npz")],
)
def test_classes_of_other_files_are_refused_with_what_to_save(
    tmp_path: Path, ending: str, said: str
) -> None:
    for place in (tmp_path / "of" / "no", tmp_path / "of" / "yes"):
        place.mkdir(parents=True)
        (place / f"1.{ending}").write_bytes(b"ax,ay\n0.1,0.2\n")
    with pytest.raises(DataError, match=rf"got no, yes, with 2 files \.{ending}: .*{said}"):
        load(tmp_path / "of")


@pytest.mark.parametrize(("name", "said"), [("X.npy", "x.npy and y.npy"), ("a.wav", "spectrog")])
def test_a_lone_file_of_something_else_is_refused_with_what_to_save(
    tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / name).write_bytes(b"?")
    with pytest.raises(DataError, match=f"got another file .*{said}"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["labels.txt", "labels.json", "img/labels.xlsx"])
def test_labels_in_a_file_that_is_not_read_are_named(image_folder: Folder, name: str) -> None:
    folder = image_folder({".": {"img": 2}})
    (folder / name).write_text("000.png cat")
    with pytest.raises(DataError, match=rf"{name} is not read: .*labels\.csv \(file_name,label\)"):
        load(folder)


def test_a_class_to_test_on_alone_is_refused_with_the_next_step(image_folder: Folder) -> None:
    folder = image_folder({"train": {"cat": 2, "owl": 2}, "test": {"dog": 1}})
    with pytest.raises(DataError, match=r"'dog' .* \(add it to the part to train on, or remove it"):
        load(folder)


@pytest.mark.parametrize("address", ["s3://bucket/a", "gs://bucket/a", "git+ssh://host/a"])
def test_addresses_are_not_fetched(address: str) -> None:
    with pytest.raises(DataError, match="addresses are not fetched"):
        load(address)


def test_a_class_in_another_unicode_form_is_told_as_that(image_folder: Folder) -> None:
    apart = unicodedata.normalize("NFD", "caf\u00e9")
    folder = image_folder({"train": {"caf\u00e9": 2, "tea": 2}, "test": {apart: 1, "tea": 1}})
    with pytest.warns(DataWarning, match="in another Unicode form$"):
        load(folder)


def test_a_file_of_several_pages_is_told(image_folder: Folder) -> None:
    folder = image_folder({"train": {"cat": 1, "dog": 2}, "test": {"cat": 1, "dog": 1}})
    pages = [Image.fromarray(pixels(90 + number, 6, 5)) for number in range(2)]
    pages[0].save(folder / "train" / "cat" / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.warns(DataWarning, match="1 file has several pages, of which the first is read"):
        data = load(folder)
    assert any((of[0].numpy() == np.asarray(pages[0])).all() for of in data.train.images)


def test_an_inspection_remembers_what_was_left_out_alone(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = image_folder(BOTH)
    monkeypatch.setattr("sys.argv", ["smidgen", "inspect-data", str(folder), "--json"])
    for left_out in (False, True):
        if left_out:
            (folder / "train" / "cat" / "broken.png").write_bytes(b"?")
        with pytest.raises(SystemExit):
            main()
        origin = json.loads(capsys.readouterr().out)["origin"]
        assert origin.endswith("::skip-broken=yes") == left_out


def test_a_file_of_as_many_bytes_as_are_read_is_read_and_no_larger_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert held_in(tmp_path / "file", 5) == b"12345"
    with pytest.raises(ValueError, match=r"^bytes of a file must be at most 4, got 5$"):
        held_in(tmp_path / "file", 4)
