"""A table of names and labels beside pictures is read, and never leads out of its folder."""

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.conftest import pixels, png

from smidgen.data import Data, DataError, DataWarning, load
from smidgen.data.layouts import finder

Table = Callable[..., Path]
LABELS = ["cat", "dog"] * 20


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder with 40 pictures in ``images``."""
    (tmp_path / "set" / "images").mkdir(parents=True)
    for number in range(40):
        content = png(pixels(number, 6, 5))
        (tmp_path / "set" / "images" / f"{number:02}.png").write_bytes(content)
    return tmp_path / "set"


def table(folder: Path, rows: list[str], name: str = "labels.csv") -> Path:
    (folder / name).write_text("\n".join(rows) + "\n")
    return folder


def same_labels(data: Data, folder: Path) -> None:
    """Check that every picture has the label that its number says: even is cat, odd is dog."""
    by_content = {
        np.asarray(Image.open(path)).tobytes(): int(path.stem) % 2
        for path in (folder / "images").iterdir()
        if path.suffix == ".png"
    }
    assert data.classes == ("cat", "dog")
    for split in (data.train, data.test):
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            assert by_content[image.numpy().tobytes()] == label


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file_name,label", "images/{0:02}.png,{1}"),
        ("filename,label", "{0:02}.png,{1}"),
        ("filename,label", "images\\{0:02}.png,{1}"),
        ("id,label", "{0:02},{1}"),
        ("Image;Class", "{0:02}.png;{1}"),
        ("path\tfold\ttarget", "images/{0:02}.png\t3\t{1}"),
        ("image_id,width,label", "{0:02},640,{1}"),
        ("image_id,note,label,note", "{0:02},seen,{1},again"),
        ("file,species", "{0:02}.png,{1}"),
        ("File Name,Label", "{0:02}.PNG,{1}"),
        ("photo of,what it shows", "{0:02}.png,{1}"),
    ],
)
def test_labels_csv_beside_images(pictures: Path, header: str, row: str) -> None:
    rows = [row.format(number, label) for number, label in enumerate(LABELS)]
    folder = table(pictures, [header, *rows])
    with pytest.warns(DataWarning, match="no test images"):
        data = load(folder)
    assert len(data.train) + len(data.test) == 40
    same_labels(data, pictures)


@pytest.mark.parametrize("name", ["labels.csv", "metadata.csv"])
@pytest.mark.parametrize("place", ["", "images/"])
def test_a_lone_folder_of_images_is_never_one_class(pictures: Path, name: str, place: str) -> None:
    inside = "" if place else "images/"  # as image folders of the hub: names from beside the table
    rows = [f"{inside}{number:02}.png,{label}" for number, label in enumerate(LABELS)]
    table(pictures, ["file_name,label", *rows], place + name)
    with pytest.warns(DataWarning, match="no test images"):
        same_labels(load(pictures), pictures)


def test_a_table_above_folders_that_are_no_classes_wins(tmp_path: Path) -> None:
    rows: list[str] = []
    for number, label in enumerate(LABELS):
        place = tmp_path / "set" / "images" / f"batch{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:02}.png").write_bytes(png(pixels(number, 6, 5)))
        rows.append(f"images/batch{number % 3}/{number:02}.png,{label}")
    table(tmp_path / "set", ["file_name,label", *rows], "metadata.csv")
    with pytest.warns(DataWarning, match="no test images"):
        assert load(tmp_path / "set").classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["file_name,label", "x.png,cat", "y.png,dog"], r"2 of 2 pictures are not there, such as"),
        (["file_name,label"], r"labels.csv must have a row a picture, got none"),
        (["kind,label", "a,cat", "b,dog"], r"labels.csv must have a column with the image"),
        (
            [",".join(["label", *(f"word{n}" for n in range(40))]), ",".join(["x"] * 41)],
            r"columns label, word0, .*, word8 and 31 more: name it with --image-column",
        ),
        (
            [",".join(["label", *(f"t{n}" for n in range(96))]), ",".join(["walk", *["0.5"] * 96])],
            r"names no picture, and 96 numbers a row are no square one: windows .* go in .npz",
        ),
        (["file_name|label", "a|cat", "b|dog"], r"begin with names of .*, got 'file_name\|label'$"),
        (
            ["# made by hand", "file_name,label", "a,cat"],
            r"must begin with names .* '# made by hand'",
        ),
        (
            ["file_name,label,label", "a,cat,x"],
            r"line 1 must name each column once, got 'label' tw",
        ),
        (
            ["file_name,file_name,label", "00.png,00.png,x"],
            r"line 1 must name each column once, got 'file_name' twice$",
        ),
        (
            ["file_name,label,split,split", "00.png,x,train,test"],
            r"line 1 must name each column once, got 'split' twice$",
        ),
        (
            ["file_name,label,Label ", "00.png,cat,x"],
            r"columns 'label', 'Label ', each .* be the label: name one with --label-column, or l",
        ),
        (
            ["File Name,file_name,label", "00.png,00.png,x"],
            r"columns 'File Name', 'file_name', each .* be the image: name one with --image-column",
        ),
        (["sep=;", "file_name;label", "a;b;c"], r"labels.csv line 3 must have 2 cells, got 3"),
    ],
)
def test_a_table_beside_a_lone_folder_says_what_it_lacks(
    pictures: Path, rows: list[str], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        load(table(pictures, rows))


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "sep=;\r", "\n\r", "\nsep=;"])
def test_what_spreadsheets_say_is_between_cells_is_no_header(pictures: Path, first: str) -> None:
    rows = [f"{number:02}.png;{label}" for number, label in enumerate(LABELS)]
    with pytest.warns(DataWarning, match="no test images"):
        same_labels(load(table(pictures, [first, "file_name;label", *rows])), pictures)


def test_a_table_wins_over_folders_that_hold_pictures_of_one_name(tmp_path: Path) -> None:
    rows: list[str] = []
    for number in range(20):
        name = Path(f"batch{number % 2}", f"{number // 2}.png")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(pixels(number, 6, 5)))
        rows.append(f"{name.as_posix()},{'cat' if number % 3 else 'dog'}")
    table(tmp_path, ["file_name,label", *rows])
    with pytest.warns(DataWarning, match="no test images"):
        assert load(tmp_path).classes == ("cat", "dog")


def test_a_lone_folder_without_a_table_says_what_to_do(pictures: Path) -> None:
    with pytest.raises(DataError, match=r"got 'images': a folder a class, or a table .*labels.csv"):
        load(pictures)


def test_a_table_without_a_header(pictures: Path) -> None:
    table(pictures, [f"{number:02}.png,{label}" for number, label in enumerate(LABELS)])
    with pytest.warns(DataWarning, match="no test images"):
        same_labels(load(pictures), pictures)


def test_a_column_may_name_the_part(pictures: Path) -> None:
    parts = ["Train"] * 20 + ["val"] * 10 + ["TEST"] * 10
    rows = [f"{n:02}.png,{LABELS[n]},{part}" for n, part in enumerate(parts)]
    data = load(table(pictures, ["file_name,label,split", *rows]))
    assert data.validation is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [20, 10, 10]
    same_labels(data, pictures)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
@pytest.mark.parametrize(("name", "asked"), [("part", None), ("Set", None), ("split", "split")])
def test_a_column_named_as_one_of_parts_may_hold_labels(
    pictures: Path, name: str, asked: str | None
) -> None:
    rows = [f"{number:02}.png,{label}" for number, label in enumerate(LABELS)]
    same_labels(load(table(pictures, [f"file_name,{name}", *rows]), label_column=asked), pictures)


def test_a_part_that_is_misspelt_is_told(pictures: Path) -> None:
    rows = [f"{n:02}.png,{label},{'tset' if n else 'train'}" for n, label in enumerate(LABELS)]
    with pytest.raises(DataError, match=r"'set' of .* must be train, validation or test, got 'tse"):
        load(table(pictures, ["file_name,label,set", *rows]))


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_what_fast_ai_calls_valid_is_not_trained_on(pictures: Path) -> None:
    rows = [f"{n:02}.png,{LABELS[n]},{n >= 30}" for n in range(40)]
    data = load(table(pictures, ["name,label,is_valid", *rows]))
    assert data.validation is not None
    assert len(data.validation) == 10
    table(pictures, ["name,label,is_valid", "00.png,cat,maybe"])
    with pytest.raises(DataError, match=r"'is_valid' of .* must be true or false, got 'maybe'"):
        load(pictures)


def test_metadata_of_image_folders(tmp_path: Path) -> None:
    for part, first in (("train", 0), ("test", 50)):
        folder = tmp_path / "set" / part
        folder.mkdir(parents=True)
        lines: list[str] = []
        for number in range(4):
            (folder / f"{number}.png").write_bytes(png(pixels(first + number, 6, 5)))
            lines.append(json.dumps({"file_name": f"{number}.png", "label": LABELS[number]}))
        (folder / "metadata.jsonl").write_text("\n".join(lines))
    data = load(tmp_path / "set")
    assert data.train.labels.tolist() == data.test.labels.tolist() == [0, 1, 0, 1]
    first = torch.from_numpy(pixels(50, 6, 5))
    assert data.test.images[0, 0].equal(first)


def test_pictures_that_are_not_there_are_told_all_at_once(pictures: Path) -> None:
    rows = [f"{number:02}.png,{label}" for number, label in enumerate(LABELS)]
    table(pictures, ["file_name,label", *rows, "98.png,cat", "99.png,dog"])
    with pytest.raises(DataError, match=r"2 of 42 pictures are not there, .*'98.png'.*'99.png'"):
        load(pictures)
    with pytest.warns(DataWarning) as said:
        data = load(pictures, skip_broken=True)
    assert "2 of 42 pictures are not there" in str(said[0].message)
    assert len(data.train) + len(data.test) == 40


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("/etc/secret.png", "absolute: begin it there"),
        ("../secret.png", "outside"),
        ("images/../../secret.png", "outside"),
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(
    pictures: Path, name: str, found: str
) -> None:
    (pictures.parent / "secret.png").write_bytes(png(pixels(99, 6, 5)))
    rows = [f"{number:02}.png,{label}" for number, label in enumerate(LABELS)]
    table(pictures, ["file_name,label", *rows, f"{name},cat"])
    with pytest.raises(DataError, match=f"got {re.escape(repr(name))}, which is {found}"):
        load(pictures)


def test_a_link_that_leads_out_of_the_folder_is_refused(pictures: Path) -> None:
    (pictures.parent / "secret.png").write_bytes(png(pixels(99, 6, 5)))
    (pictures / "images" / "x.png").symlink_to(pictures.parent / "secret.png")
    table(pictures, ["file_name,label", "images/x.png,cat", "00.png,dog"])
    with pytest.raises(DataError, match=r"x.png must be a picture below .*, got a link"):
        load(pictures)


def test_numbers_of_another_name_are_never_labels(pictures: Path) -> None:
    rows = [f"{number:02}.png,{number % 5}" for number in range(40)]
    table(pictures, ["file_name,fold", *rows])
    with pytest.raises(DataError, match=r"must have a column with the label, found fold, whose"):
        load(pictures)
    with pytest.warns(DataWarning, match="no test images"):
        assert load(pictures, label_column="fold").classes == tuple("01234")


def test_lines_that_cannot_be_read_are_named(pictures: Path) -> None:
    table(pictures, ["file_name,label", "00.png,cat", "01.png,dog,more"])
    with pytest.raises(DataError, match=r"labels.csv line 3 must have 2 cells, got 3"):
        load(pictures / "labels.csv")


def test_pictures_in_no_table_are_told(pictures: Path) -> None:
    rows = [f"{number:02}.png,{label}" for number, label in enumerate(LABELS[:38])]
    table(pictures, ["file_name,label", *rows])
    with pytest.warns(DataWarning) as said:
        load(pictures)
    assert any("2 pictures are in no table, such as" in str(one.message) for one in said)


def test_another_table_does_not_hide_the_folders(pictures: Path, tmp_path: Path) -> None:
    for of_class in ("cat", "dog"):
        (tmp_path / "other" / of_class).mkdir(parents=True)
        for number in range(10):
            content = png(pixels(number + 100 * (of_class == "cat"), 6, 5))
            (tmp_path / "other" / of_class / f"{number}.png").write_bytes(content)
    table(tmp_path / "other", ["epoch,loss", "1,2.0"], "log.csv")
    with pytest.warns(DataWarning):
        assert load(tmp_path / "other").classes == ("cat", "dog")


def test_a_table_of_labels_wins_over_the_names_of_folders(pictures: Path) -> None:
    (pictures / "masks").mkdir()
    (pictures / "masks" / "m.png").write_bytes(png(pixels(77, 6, 5)))
    rows = [f"{number:02}.png,{label}" for number, label in enumerate(LABELS)]
    table(pictures, ["file_name,label", *rows])
    with pytest.warns(DataWarning):
        assert load(pictures).classes == ("cat", "dog")


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_a_test_table_without_labels_is_not_used(pictures: Path) -> None:
    table(pictures, ["id_code,diagnosis", *(f"{n:02},{n % 2}" for n in range(30))], "train.csv")
    table(pictures, ["id_code", *(f"{n:02}" for n in range(30, 40))], "test.csv")
    data = load(pictures, image_column="id_code", label_column="diagnosis")
    assert "the labels of the part 'test' are hidden: it is not used" in data.notes
    assert len(data.train) + len(data.test) == 30
    with pytest.raises(DataError, match=r"no column 'nothing'"):
        load(pictures, image_column="id_code", label_column="nothing")


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
@pytest.mark.parametrize("labels", [("0", "1"), ("-1", "1")])
def test_labels_of_minus_one_are_hidden_unless_they_are_a_class(
    pictures: Path, labels: tuple[str, str]
) -> None:
    rows = [f"{n:02}.png,{labels[n % 2]},train" for n in range(30)]
    hidden = [f"{n:02}.png,-1,test" for n in range(30, 40)]
    data = load(table(pictures, ["file_name,label,split", *rows, *hidden]))
    assert data.classes == labels
    found = len(data.train) + len(data.test)
    assert found == (40 if "-1" in labels else 30)


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_a_table_whose_labels_could_be_names_of_pictures_is_one_of_pictures(
    pictures: Path,
) -> None:
    rows = [f"{n:02},{'00' if n % 2 else '01'}" for n in range(40)]
    table(pictures, ["code,grade", *rows])
    assert load(pictures, image_column="code", label_column="grade").classes == ("00", "01")
    with pytest.raises(DataError, match=r"got code, grade of .* name it with --image-column"):
        load(pictures)


@pytest.mark.filterwarnings("ignore:.*(set aside|no picture|no table):smidgen.data.DataWarning")
def test_columns_of_what_is_read_without_a_table_are_told(pictures: Path, tmp_path: Path) -> None:
    (pictures / "images").rename(pictures / "cat")
    (pictures / "dog").mkdir()
    for number in range(20):
        (pictures / "cat" / f"{number:02}.png").rename(pictures / "dog" / f"{number:02}.png")
    rows = [f"dog/{number:02}.png,{'lapdog' if number % 2 else 'hound'}" for number in range(20)]
    table(pictures, ["photo,breed", *rows], "breeds.csv")
    with pytest.warns(DataWarning, match="set is read without a table, so that --image-column"):
        assert load(pictures, label_column="breed").classes == ("cat", "dog")
    with pytest.warns(DataWarning, match="20 pictures are in no table") as told:
        found = load(pictures / "breeds.csv", label_column="breed")
    assert found.classes == ("hound", "lapdog")
    assert not any("without a table" in str(of.message) for of in told)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_a_form_to_hand_answers_in_with_is_no_table_of_labels(pictures: Path) -> None:
    labels = [f"{number:02}.png,{LABELS[number]}" for number in range(30)]
    answers = [f"{number:02}.png,cat" for number in range(30, 40)]  # of no meaning
    table(pictures, ["file_name,label", *labels], "train.csv")
    table(pictures, ["file_name,label", *answers], "sample_submission.csv")
    with pytest.warns(DataWarning, match="10 pictures are in no table, such as .*/30.png"):
        data = load(pictures)
    same_labels(data, pictures)
    assert len(data.train) + len(data.test) == 30


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
@pytest.mark.parametrize("name", ["labels.csv", "metadata.jsonl"])
@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0b", "\x1c"])
def test_texts_may_hold_what_ends_lines_elsewhere(pictures: Path, name: str, end: str) -> None:
    rows = [
        {"file_name": f"{number:02}.png", "text": f"a{end}b", "label": LABELS[number]}
        for number in range(40)
    ]
    if name.endswith(".csv"):
        lines = ["file_name,text,label", *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row, ensure_ascii=False).replace("\\u0085", "\x85") for row in rows]
    same_labels(load(table(pictures, lines, name)), pictures)


@pytest.mark.parametrize("labels", [[["cat"], ["cat", "dog"]], [["cat", "dog"]], [[1, 1]]])
def test_several_labels_a_picture_are_refused(pictures: Path, labels: list[list[str]]) -> None:
    rows = [
        json.dumps({"file_name": f"{number:02}.png", "label": labels[number % len(labels)]})
        for number in range(40)
    ]
    table(pictures, rows, "metadata.jsonl")
    with pytest.raises(DataError, match=r"metadata.jsonl must have one label a picture, 40, got"):
        load(pictures)


def test_an_absolute_name_below_the_folder_is_told_how_to_be_written(pictures: Path) -> None:
    rows = [f"{pictures / 'images'}/{number:02}.png,{LABELS[number]}" for number in range(40)]
    table(pictures, ["file_name,label", *rows])
    with pytest.raises(DataError, match=r"which is absolute: write 'images/00.png'$"):
        load(pictures)


def test_a_line_that_is_no_json_is_named(pictures: Path) -> None:
    rows = [f'{{"file_name": "{number:02}.png", "label": "x"}}' for number in range(3)]
    table(pictures, [*rows, '{"file_name": '], "metadata.jsonl")
    with pytest.raises(DataError, match=r'metadata.jsonl line 4 is no JSON, got {"file_name": $'):
        load(pictures)


def test_lines_of_json_without_pictures_are_asked_for_no_header(pictures: Path) -> None:
    table(pictures, ['{"label": "cat"}'] * 40, "metadata.jsonl")
    with pytest.raises(DataError, match=r"metadata.jsonl must have a column with the image"):
        load(pictures)


def test_lines_are_counted_with_the_empty_ones_above_a_header(pictures: Path) -> None:
    table(pictures, ["", "", "file_name,label", "00.png,cat,more"])
    with pytest.raises(DataError, match=r"labels.csv line 4 must have 2 cells, got 3"):
        load(pictures)


def test_lines_are_counted_with_those_inside_of_cells(pictures: Path) -> None:
    table(pictures, ["file_name,note,label", '00.png,"a\nb",cat', "01.png,dog"])
    with pytest.raises(DataError, match=r"labels.csv line 4 must have 3 cells, got 2"):
        load(pictures)


def test_a_name_that_no_file_can_have_is_one_that_is_missing(pictures: Path) -> None:
    rows = [f"{number:02}.png,{LABELS[number]}" for number in range(40)]
    table(pictures, ["file_name,label", *rows, f"{'x' * 300}.png,cat"])
    with pytest.raises(DataError, match="1 of 41 pictures are not there, such as 'xxx"):
        load(pictures)


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
@pytest.mark.parametrize(("one", "nought"), [("1", "0"), ("1.0", "0.0")])
def test_classes_may_have_a_column_each(pictures: Path, one: str, nought: str) -> None:
    rows = [
        f"{n:02}.png,{nought},{one}" if n % 2 else f"{n:02}.png,{one},{nought}" for n in range(40)
    ]
    table(pictures, ["filename, cat, dog", *rows], "_classes.csv")
    data = load(pictures)
    same_labels(data, pictures)
    assert "the classes are the columns of _classes.csv that hold noughts and ones" in data.notes


@pytest.mark.parametrize("marks", ["1,1", "0,0"])
def test_a_picture_of_two_classes_or_of_none_asks_for_the_column(
    pictures: Path, marks: str
) -> None:
    rows = [f"{n:02}.png,{n % 2},{1 - n % 2}" for n in range(39)]
    table(pictures, ["filename,cat,dog", *rows, f"39.png,{marks}"])
    said = (
        f"must have a one in one of cat, dog .* got {marks.count('1')} in row 40: .*--label-column"
    )
    with pytest.raises(DataError, match=said):
        load(pictures)


def in_parts(folder: Path, places: dict[str, int]) -> list[str]:
    """Move the pictures to folders, so many each, called from 0.png in every one."""
    held, moved = sorted((folder / "images").iterdir()), list[str]()
    for place, count in places.items():
        (folder / place).mkdir(parents=True)
        for number in range(count):
            held.pop(0).rename(folder / place / f"{number}.png")
            moved.append(f"{place}/{number}.png")
    (folder / "images").rmdir()
    return moved


@pytest.mark.parametrize("name", ["trainLabels.csv", "labels.csv"])
@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_pictures_of_one_name_in_two_parts_are_told_apart(pictures: Path, name: str) -> None:
    """As of CIFAR-10 of Kaggle: train/1.png and test/1.png."""
    in_parts(pictures, {"train": 20, "test": 20})
    rows = [f"{number},{label}" for number, label in enumerate(LABELS[:20])]
    data = load(table(pictures, ["id,label", *rows], name))
    assert len(data.train) + len(data.test) == 20
    held = {
        np.asarray(Image.open(path)).tobytes(): int(path.stem) % 2
        for path in (pictures / "train").iterdir()
    }
    for split in (data.train, data.test):
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            assert held[image.numpy().tobytes()] == label


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_a_table_named_as_a_part_finds_the_pictures_of_that_part(pictures: Path) -> None:
    in_parts(pictures, {"train": 20, "test": 20})
    folder = table(pictures, ["id,label", *(f"{n},{n % 2}" for n in range(20))], "test.csv")
    data = load(folder / "test.csv")
    held = {np.asarray(Image.open(p)).tobytes() for p in (folder / "test").iterdir()}
    assert {i.numpy().tobytes() for s in (data.train, data.test) for i in s.images} == held


@pytest.mark.parametrize("name", ["sports.csv", "train.csv"])
@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_where_a_picture_lies_says_its_part_if_the_table_does_not(
    pictures: Path, name: str
) -> None:
    moved = in_parts(pictures, {"train": 20, "valid": 8, "test": 12})
    rows = [f"{path},{LABELS[number]}" for number, path in enumerate(moved)]
    data = load(table(pictures, ["filepaths,labels", *rows], name))
    counts = {part: len(split) for part, split in data.parts.items()}
    if name == "sports.csv":
        assert counts == {"train": 20, "validation": 8, "test": 12}
    else:
        assert "validation" not in counts


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_tables_in_folders_that_share_a_name_are_of_their_parts(pictures: Path) -> None:
    in_parts(pictures, {"seg_train": 24, "seg_test": 16})
    for place, count in (("seg_train", 24), ("seg_test", 16)):
        rows = [f"{n}.png,{n % 2}" for n in range(count)]
        table(pictures / place, ["file,label", *rows])
    data = load(pictures)
    assert (len(data.train), len(data.test), data.validation) == (24, 16, None)


@pytest.mark.parametrize("pieces", [("a_images_part_1", "a_images_part_2"), ("s1", "s2")])
@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_pieces_of_one_collection_are_no_classes(pictures: Path, pieces: tuple[str, str]) -> None:
    """As of HAM10000 and ChestX-ray14."""
    for place, of in zip(pieces, (range(20), range(20, 40)), strict=True):
        (pictures / place).mkdir()
        for n in of:
            (pictures / "images" / f"{n:02}.png").rename(pictures / place / f"{n:02}.png")
    (pictures / "images").rmdir()
    rows = [f"{n:02},{label},{'mf'[n // 20]}" for n, label in enumerate(LABELS)]
    table(pictures, ["image_id,dx,sex", *rows], "metadata.csv")
    if pieces == ("s1", "s2"):
        assert load(pictures).classes == pieces
        return
    with pytest.raises(DataError, match=r"got dx, sex of the columns .*--label-column"):
        load(pictures)
    assert load(pictures, label_column="dx").classes == ("cat", "dog")


def test_names_that_are_lists_are_no_pictures(pictures: Path) -> None:
    lines = [
        f'{{"file_name": ["{n:02}.png"], "label": "a", "bbox": [1, 2, 3, 4]}}' for n in range(4)
    ]
    (pictures / "metadata.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError):
        load(pictures)


def test_boxes_of_a_table_are_refused(pictures: Path) -> None:
    rows = [f"{n // 2:02}.png,{label},1,2" for n, label in enumerate(LABELS)]
    table(pictures, ["filename,class,xmin,ymin", *rows], "_annotations.csv")
    with pytest.raises(DataError, match=r"several a picture \(column 'xmin'\): they are not read"):
        load(pictures)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_rows_that_say_the_same_again_are_one_picture(pictures: Path) -> None:
    rows = [f"{n:02}.png,{label}" for n, label in enumerate(LABELS)]
    table(pictures, ["filename,class", *rows, *rows[:3]])
    with pytest.warns(DataWarning, match="3 rows name a picture again with one label"):
        data = load(pictures)
    assert len(data.train) + len(data.test) == 40


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_rows_that_contradict_are_both_kept_and_told(pictures: Path) -> None:
    rows = [f"{n:02}.png,{label}" for n, label in enumerate(LABELS)]
    table(pictures, ["filename,class", *rows, "00.png,dog"])
    with pytest.warns(DataWarning, match="1 picture is in two classes") as said:
        data = load(pictures)
    assert len(data.train) + len(data.test) == 41
    assert not any("taken once" in str(one.message) for one in said)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_a_table_without_a_header_loses_no_row(pictures: Path) -> None:
    rows = [f"{label},{n:02}.png" for n, label in enumerate(LABELS)]
    same_labels(load(table(pictures, rows)), pictures)
    table(pictures, [f"TRAIN,gs://b/{row.split(',')[1]},{row[:3]}" for row in rows])
    with pytest.raises(DataError, match=r"line 1 must name the columns, .* got 'gs://b/00\.png'"):
        load(pictures)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
@pytest.mark.parametrize("row", ["{0:02},{1}", "{1},{0:02}"])
def test_a_table_without_a_header_loses_no_row_of_names_without_ending(
    pictures: Path, row: str
) -> None:
    rows = [row.format(n, label) for n, label in enumerate(LABELS)]
    same_labels(load(table(pictures, rows)), pictures)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
@pytest.mark.parametrize(("there", "told"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_are_compared_in_one_form_of_unicode(
    pictures: Path, there: Literal["NFC", "NFD"], told: Literal["NFC", "NFD"]
) -> None:
    for n in range(40):
        name = unicodedata.normalize(there, f"Käfer {n:02}.png")
        (pictures / "images" / f"{n:02}.png").rename(pictures / "images" / name)
    rows = [unicodedata.normalize(told, f"Käfer {n:02},{LABELS[n]}") for n in range(40)]
    data = load(table(pictures, ["file,label", *rows]))
    assert len(data.train) + len(data.test) == 40


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_a_column_that_names_pictures_is_taken_before_one_that_might(pictures: Path) -> None:
    rows = [f"Bob{n},{n:02},{label}" for n, label in enumerate(LABELS)]
    same_labels(load(table(pictures, ["name,id,label", *rows])), pictures)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["file_name,label", "a.png,cat", "b.png,dog"], "2 of 2 pictures are not there, such as"),
        (["img|label", "00.png|cat"], "without classes, .*; labels.csv has no column that names"),
    ],
)
def test_a_table_that_names_no_picture_beside_it_is_told(
    pictures: Path, rows: list[str], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        load(table(pictures / "images", rows))


@pytest.mark.parametrize("place", ["images", "Bilder"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_table_of_another_encoding_is_told(pictures: Path, place: str, encoding: str) -> None:
    if place != "images":
        (pictures / "images").rename(pictures / place)
    rows = [f"{n:02}.png;{'Käfer' if n % 2 else 'Maus'}" for n in range(40)]
    (pictures / "labels.csv").write_text("\n".join(["file;label", *rows]), encoding)
    with pytest.raises(DataError, match=r"labels\.csv must be UTF-8 \(spreadsheets call it"):
        load(pictures)


def exported(folder: Path, parts: dict[str, str]) -> Path:
    """Turn the pictures into what Edge Impulse exports: half of them in each part."""
    files: dict[str, list[dict[str, object]]] = {part: [] for part in parts}
    for number, path in enumerate(sorted((folder / "images").iterdir())):
        part = list(parts)[number // 20]
        (folder / part).mkdir(exist_ok=True)
        path.rename(folder / part / path.name)
        label = {"type": "label", "label": LABELS[number]}
        entry = {"name": path.stem, "category": parts[part], "label": label, "metadata": {}}
        files[part].append({"path": f"{part}/{path.name}", **entry})
    (folder / "images").rmdir()
    for part, held in files.items():
        own = [{**file, "path": Path(str(file["path"])).name} for file in held]
        (folder / part / "info.labels").write_text(json.dumps({"version": 1, "files": own}))
    whole = {"version": 1, "files": [file for held in files.values() for file in held]}
    (folder / "info.labels").write_text(json.dumps(whole))
    return folder


@pytest.mark.parametrize("root", [True, False])
def test_what_edge_impulse_exports(pictures: Path, root: bool) -> None:
    folder = exported(pictures, {"training": "training", "testing": "testing"})
    if not root:
        (folder / "info.labels").unlink()
    data = load(folder)
    assert (data.classes, data.notes) == (("cat", "dog"), ())
    assert data.train.labels.tolist() == data.test.labels.tolist() == [0, 1] * 10


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_an_export_that_is_not_split_has_a_test_part_set_aside(pictures: Path) -> None:
    folder = exported(pictures, {"one": "split", "two": "split"})
    data = load(folder / "info.labels")
    assert len(data.train) + len(data.test) == 40


def test_boxes_of_edge_impulse_are_refused(pictures: Path) -> None:
    folder = exported(pictures, {"training": "training", "testing": "testing"})
    whole = json.loads((folder / "info.labels").read_text())
    for file in whole["files"]:
        box = {"label": "cat", "x": 1, "y": 1, "width": 2, "height": 2}
        file.update(label={"type": "unlabeled"}, boundingBoxes=[box])
    (folder / "info.labels").write_text(json.dumps(whole))
    with pytest.raises(DataError, match=r"info\.labels gives boxes, as for 'training/00\.png'"):
        load(folder)


@pytest.mark.parametrize("text", ["[]", "{", '{"files": [3]}', '{"files": {}}'])
def test_labels_of_another_form_are_told(pictures: Path, text: str) -> None:
    (pictures / "info.labels").write_text(text)
    with pytest.raises(DataError, match=r"info\.labels"):
        load(pictures / "info.labels")


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
@pytest.mark.parametrize("with_test", [True, False])
def test_a_picture_that_is_missing_is_not_replaced_by_one_of_another_part(
    pictures: Path, *, with_test: bool
) -> None:
    in_parts(pictures, {"train": 20, "test": 20})
    (pictures / "train" / "7.png").unlink()
    rows = [f"{number}.png,{number % 2}" for number in range(20)]
    table(pictures, ["file,label", *rows], "train.csv")
    if with_test:
        table(pictures, ["file,label", *rows], "test.csv")
    with pytest.raises(DataError, match=r"1 of \d0 pictures are not there, such as '7.png' of"):
        load(pictures)


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_a_part_without_a_folder_has_its_pictures_among_all(pictures: Path) -> None:
    in_parts(pictures, {"train": 40})
    for name, numbers in (("train", range(30)), ("val", range(30, 40))):
        table(pictures, ["file,label", *(f"{n}.png,{n % 2}" for n in numbers)], f"{name}.csv")
    data = load(pictures)
    assert data.validation is not None
    assert len(data.validation) == 10


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
@pytest.mark.parametrize(("above", "left"), [("", True), ("D:\\photos\\", True), ("", False)])
def test_a_picture_that_is_missing_is_not_replaced_by_one_of_another_folder(
    pictures: Path, above: str, *, left: bool
) -> None:
    rows = [f"{above}{LABELS[number]}/{number:02}.png,{LABELS[number]}" for number in range(40)]
    for number, of_class in enumerate(LABELS):
        (pictures / of_class).mkdir(exist_ok=True)
        (pictures / "images" / f"{number:02}.png").rename(pictures / of_class / f"{number:02}.png")
    (pictures / "cat" / "08.png").rename(pictures / "dog" / "08.png")
    if not left:  # the folder is there, and empty
        for path in (pictures / "cat").iterdir():
            path.unlink()
    table(pictures, ["file,label", *rows])
    with pytest.raises(DataError, match=f"^{1 if left else 20} of 40 pictures are not there"):
        load(pictures / "labels.csv")


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_of_several_pictures_of_one_name_none_is_taken_in_another_letter_case(
    pictures: Path,
) -> None:
    for place, name in (("x", "A"), ("y", "A"), ("z", "a")):
        (pictures / "images" / place).mkdir()
        (pictures / "images" / place / f"{name}.png").write_bytes(png(pixels(ord(place), 6, 5)))
    rows = [f"{number:02}.png,{label}" for number, label in enumerate(LABELS)]
    table(pictures, ["file,label", *rows, "A.png,cat"])
    said = r"1 of 41 rows name no picture or several, .*'A.png' may be \S+x/A.png or \S+y/A.png, so"
    with pytest.raises(DataError, match=said):
        load(pictures)


@pytest.mark.parametrize("name", ["phase", "data_split", "type"])
def test_a_column_of_parts_alone_is_the_split_whatever_its_name(pictures: Path, name: str) -> None:
    rows = [f"{n:02}.png,{of},{'test' if n > 29 else 'train'}" for n, of in enumerate(LABELS)]
    with pytest.warns(DataWarning, match=f"column '{name}' holds names of parts alone"):
        data = load(table(pictures, [f"image,label,{name}", *rows]))
    assert (len(data.train), len(data.test)) == (30, 10)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
@pytest.mark.parametrize("others", [("train",), ("test", "bus"), ("train", "bus")])
def test_a_column_that_holds_other_words_too_is_no_split(
    pictures: Path, others: tuple[str, ...]
) -> None:
    rows = [f"{n:02}.png,{of},{others[n % len(others)]}" for n, of in enumerate(LABELS)]
    data = load(table(pictures, ["image,label,vehicle", *rows]))
    assert len(data.train) + len(data.test) == 40
    assert not any("parts alone" in note for note in data.notes)


@pytest.mark.parametrize("name", ["labels.csv", "metadata.jsonl"])
def test_a_table_of_very_many_columns_is_refused_where_folders_could_be_classes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passed over, it would leave the labels to the names of the folders."""
    monkeypatch.setattr("smidgen.data.layouts.tables.COLUMNS", 5)
    rows: list[dict[str, str]] = []
    for number in range(8):
        place = tmp_path / "set" / "xy"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(pixels(number, 6, 5)))
        more = {f"c{column}": "1" for column in range(4)}
        file = place.relative_to(tmp_path / "set").as_posix()
        rows.append({"file_name": file, "label": "ab"[number // 4], **more})
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    if name.endswith(".jsonl"):
        lines = [json.dumps(row) for row in rows]
    table(tmp_path / "set", lines, name)
    with pytest.raises(DataError, match=f"{name} must have at most 5 columns, got 6: keep those"):
        load(tmp_path / "set")
    monkeypatch.setattr("smidgen.data.layouts.tables.COLUMNS", 6)
    with pytest.warns(DataWarning, match="no test images"):
        assert load(tmp_path / "set").classes == ("a", "b")


def test_cells_that_name_no_picture_are_no_paths(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path takes a hundred times as long as a cell that is looked up."""
    asked: list[str] = []

    def path(name: str) -> Path:
        asked.append(name)
        return Path(name)

    monkeypatch.setattr(finder, "Path", path)
    names = ["file_name", "label", *(f"c{column}" for column in range(200))]
    rows = [f"{n:02}.png,{'ab'[n % 2]}{',0.5,x/y.png' * 100}" for n in range(40)]
    with pytest.warns(DataWarning, match="no test images"):
        load(table(pictures, [",".join(names), *rows]))
    assert asked
    assert {Path(name).suffix for name in asked} == {".png"}
    assert not [name for name in asked if name.startswith("x/")]
