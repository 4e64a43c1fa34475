"""A table of names and labels beside pictures is read, and never leads out of its folder."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.conftest import pixels, png

from smidgen.data import Data, DataError, DataWarning, load

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
        ("id,label", "{0:02},{1}"),
        ("Image;Class", "{0:02}.png;{1}"),
        ("path\tfold\ttarget", "images/{0:02}.png\t3\t{1}"),
        ("image_id,width,label", "{0:02},640,{1}"),
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
    ],
)
def test_a_table_beside_a_lone_folder_says_what_it_lacks(
    pictures: Path, rows: list[str], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        load(table(pictures, rows))


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
    with pytest.raises(DataError, match=r"labels.csv must have a column with the label, got none"):
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
def test_a_table_whose_labels_could_be_names_of_pictures_is_one_of_pictures(
    pictures: Path,
) -> None:
    rows = [f"{n:02},{'00' if n % 2 else '01'}" for n in range(40)]
    table(pictures, ["code,grade", *rows])
    assert load(pictures, image_column="code", label_column="grade").classes == ("00", "01")
    with pytest.raises(DataError, match=r"got code, grade of .* name it with --image-column"):
        load(pictures)


@pytest.mark.filterwarnings("ignore:.*(set aside|no pictures|no table):smidgen.data.DataWarning")
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
    with pytest.raises(DataError, match="name it with --label-column"):
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


@pytest.mark.parametrize("text", ["[]", "{", '{"files": [3]}', '{"files": {}}'])
def test_labels_of_another_form_are_told(pictures: Path, text: str) -> None:
    (pictures / "info.labels").write_text(text)
    with pytest.raises(DataError, match=r"info\.labels"):
        load(pictures / "info.labels")
