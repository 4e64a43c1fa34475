"""Tables of pixel values, as Kaggle and others give them."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.data.conftest import pixels, png

from smidgen.data import DataError, load
from smidgen.data.layouts.pixels import pictures_of

pytestmark = pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
SIDE = 8
NAMES = [f"pixel{i}" for i in range(SIDE * SIDE)]


def write(path: Path, rows: Iterable[Sequence[Any]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def rows_of(images: Any, labels: Sequence[Any]) -> list[list[Any]]:
    return [[label, *image.ravel()] for label, image in zip(labels, images, strict=True)]


def seen(split: Any) -> Any:
    return split.images.permute(0, 2, 3, 1)


@pytest.mark.parametrize(
    "header",
    [
        ["label", *NAMES],
        ["label", *(f"{row + 1}x{column + 1}" for row in range(SIDE) for column in range(SIDE))],
        ["label", *map(str, range(SIDE * SIDE))],
        ["target", *(f"pixel_{row}_{column}" for row in range(SIDE) for column in range(SIDE))],
        ["label", *(f"{row}.{column}" for row in range(SIDE) for column in range(SIDE))],
        [],  # as of the first MNIST in CSV
        list(map(str, range(SIDE * SIDE + 1))),  # as pandas names columns
        ["0", "0.1", "0.2", *(f"0.{i}" for i in range(3, SIDE * SIDE + 1))],  # or a lost first row
    ],
)
def test_a_column_a_pixel(tmp_path: Path, header: list[str]) -> None:
    parts = {"train": pixels(0, 6, SIDE, SIDE), "test": pixels(1, 4, SIDE, SIDE)}
    for part, images in parts.items():
        rows = rows_of(images, [number % 2 for number in range(len(images))])
        write(tmp_path / f"mnist_{part}.csv", [header, *rows] if header else rows)
    data = load(tmp_path)
    assert (data.classes, data.notes) == (("0", "1"), ())
    for part, split in (("train", data.train), ("test", data.test)):
        assert seen(split)[..., 0].equal(torch.from_numpy(parts[part]))
        assert split.labels.tolist() == [number % 2 for number in range(len(split))]


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 2, 3], ["cat", "eel", "owl"]])
@pytest.mark.parametrize("edge", [0, None])  # as of MNIST, and of photographs
@pytest.mark.parametrize("last", [True, False])
def test_without_a_header_labels_are_known_first_or_last(
    tmp_path: Path, labels: list[Any], edge: int | None, last: bool
) -> None:
    images = {"train": pixels(0, 60, SIDE, SIDE), "test": pixels(1, 6, SIDE, SIDE)}
    for part, of in images.items():
        if edge is not None:
            of[:, [0, -1], [0, -1]] = edge
        rows = rows_of(of, [labels[number % 3] for number in range(len(of))])
        write(
            tmp_path / "data" / f"{part}.csv",
            [[*row[1:], row[0]] for row in rows] if last else rows,
        )
    data = load(tmp_path / "data")
    assert data.classes == tuple(map(str, labels))
    for part, split in (("train", data.train), ("test", data.test)):
        assert seen(split)[..., 0].equal(torch.from_numpy(images[part])), "none is lost"
        assert split.labels.tolist() == [number % 3 for number in range(len(split))]
    asked = load(tmp_path / "data", label_column="last" if last else "first")
    assert asked.fingerprint == data.fingerprint


def test_without_a_header_labels_that_may_be_first_or_last_are_asked_for(tmp_path: Path) -> None:
    images = pixels(0, 60, SIDE, SIDE)
    images[:, 0, 0] = [number % 4 for number in range(60)]
    path = write(tmp_path / "a.csv", [[*im.ravel(), i % 3] for i, im in enumerate(images)])
    with pytest.raises(DataError, match="--label-column first or --label-column last says which"):
        load(path)
    assert len(load(path, label_column="first").classes) == 4
    assert len(load(path, label_column="last").classes) == 3
    with pytest.raises(DataError, match=r"has no column '64'.*known: first, last"):
        load(path, label_column="64")
    images[:, 0, 0] = np.resize([0, 3, 17], 60)  # as of a corner that is nearly always dark
    path = write(tmp_path / "b.csv", [[*im.ravel(), i % 10] for i, im in enumerate(images)])
    with pytest.raises(DataError, match="--label-column first or --label-column last says which"):
        load(path)


def test_without_a_header_and_with_all_values_the_last_column_is_a_pixel(tmp_path: Path) -> None:
    images = pixels(0, 512, SIDE, SIDE)
    images[:, -1, -1] = np.resize(range(256), 512)
    assert load(write(tmp_path / "a.csv", rows_of(images, [3, 5] * 256))).classes == ("3", "5")


def test_without_a_header_what_is_judged_has_its_labels_where_the_classes_are(
    tmp_path: Path,
) -> None:
    images = pixels(0, 6, SIDE, SIDE)
    images[:, 0, 0], images[:, -1, -1] = 0, [7, 7, 7, 7, 7, 8]
    classes = tuple(map(str, range(10)))
    labels = [3, 3, 3, 9, 9, 0]
    first = rows_of(images, labels)
    for name, rows in (("first", first), ("last", [[*row[1:], row[0]] for row in first])):
        path = write(tmp_path / f"{name}.csv", rows)
        data = load(path, classes=classes)
        assert sorted([*data.train.labels.tolist(), *data.test.labels.tolist()]) == sorted(labels)
        found = pictures_of(path, classes)
        assert found is not None
        assert np.array_equal(found[..., 0], images)


def test_without_a_header_labels_that_the_run_does_not_know_are_no_pixels(tmp_path: Path) -> None:
    images = pixels(0, 52, SIDE, SIDE)
    images[:, -1, -1] = 0
    letters = write(tmp_path / "a.csv", rows_of(images, [n % 26 + 1 for n in range(52)]))
    with pytest.raises(DataError, match="10"):
        load(letters, classes=tuple(map(str, range(10))))


def test_a_table_without_a_header_and_labels_is_pictures_alone(tmp_path: Path) -> None:
    images = pixels(0, 5, SIDE, SIDE)
    found = pictures_of(write(tmp_path / "a.csv", [image.ravel() for image in images]))
    assert found is not None
    assert np.array_equal(found[..., 0], images)


def test_colours_follow_each_other_and_labels_may_come_last(tmp_path: Path) -> None:
    images = pixels(0, 20, SIDE, SIDE, 3)
    names = [f"pixel{number:04}" for number in range(images[0].size)]
    rows = [[*image.ravel(), "cat" if number % 2 else "owl"] for number, image in enumerate(images)]
    data = load(write(tmp_path / "hmnist_8_8_RGB.csv", [[*names, "label"], *rows]))
    assert data.classes == ("cat", "owl")
    found = torch.cat([seen(data.train), seen(data.test)])
    assert {row.numpy().tobytes() for row in found} == {image.tobytes() for image in images}


def test_all_pixels_in_one_column(tmp_path: Path) -> None:
    images = pixels(0, 9, SIDE, SIDE)
    usage = ["Training", "PublicTest", "PrivateTest"] * 3
    rows = [
        [number // 3, " ".join(map(str, image.ravel())), of]
        for number, (image, of) in enumerate(zip(images, usage, strict=True))
    ]
    data = load(write(tmp_path / "fer2013.csv", [["emotion", "pixels", "Usage"], *rows]))
    assert data.validation is not None
    for start, split in enumerate((data.train, data.validation, data.test)):
        assert seen(split)[..., 0].equal(torch.from_numpy(images[start::3]))
        assert split.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("name", "labels"), [("ImageId", range(30)), ("label", [-1] * 30)])
def test_a_test_table_without_labels_is_not_used(
    tmp_path: Path, name: str, labels: Sequence[int]
) -> None:
    images = pixels(0, 30, SIDE, SIDE)
    write(tmp_path / "train.csv", [["label", *NAMES], *rows_of(images, [0, 1] * 15)])
    write(tmp_path / "test.csv", [[name, *NAMES], *rows_of(images, labels)])
    write(tmp_path / "sample_submission.csv", [["ImageId", "Label"], [1, 0]])
    data = load(tmp_path)
    assert "the labels of the part 'test' are hidden: it is not used" in data.notes
    assert len(data.train) + len(data.test) == len(images)


def test_values_that_are_no_bytes_keep_their_range(tmp_path: Path) -> None:
    images = pixels(0, 30, SIDE, SIDE)
    rows = rows_of(images / 255, [0, 1] * 15)
    data = load(write(tmp_path / "a.csv", [["label", *NAMES], *rows]))
    assert any("values are no bytes: 0 to 1" in note for note in data.notes)
    found = torch.cat([seen(data.train), seen(data.test)])
    assert {row.numpy().tobytes() for row in found} == {image.tobytes() for image in images}


def test_a_table_of_pixels_beside_pictures_is_not_what_is_read(tmp_path: Path) -> None:
    place = tmp_path / "data"
    for name in ("ash", "oak"):
        for number in range(4):
            (place / name).mkdir(parents=True, exist_ok=True)
            picture = png(pixels(number + len(name) * (name == "oak"), SIDE, SIDE))
            (place / name / f"{number}.png").write_bytes(picture)
    images = pixels(0, 10, SIDE, SIDE)
    write(place / "hmnist.csv", [["label", *NAMES], *rows_of(images, [0, 1] * 5)])
    assert load(place).classes == ("ash", "oak")
    assert load(place / "hmnist.csv").classes == ("0", "1")


def refused(tmp_path: Path, rows: Iterable[Sequence[Any]], **wish: Any) -> str:
    with pytest.raises(DataError) as error:
        load(write(tmp_path / "data" / "a.csv", rows), **wish)
    return str(error.value)


def test_what_is_no_table_of_pixels_is_told(tmp_path: Path) -> None:
    good = rows_of(pixels(0, 10, SIDE, SIDE), [0, 1] * 5)
    head = ["label", *NAMES]
    assert "row 4" in refused(tmp_path, [head, *good[:3], good[3][:-1]])
    assert "'x'" in refused(tmp_path, [head, *good[:3], [0, "x", *good[3][2:]]])
    longer = [[*row, 1, 2] for row in good]
    assert "must have a square of pixels a row, or three of them for colours, got 66" in refused(
        tmp_path, [[*head, "pixel64", "pixel65"], *longer]
    )
    twice = [[*row, 3] for row in good]
    assert "name it with --label-column" in refused(tmp_path, [["a", *NAMES, "b"], *twice])
    assert "has no column 'c'" in refused(tmp_path, [head, *good], label_column="c")
    text = " ".join(map(str, good[0][1:]))
    assert "must have a column with the label, got none" in refused(
        tmp_path, [["pixels"], [text], [text]]
    )
    assert "must have a column with the label, got none" in refused(
        tmp_path, [NAMES, *(row[1:] for row in good)]
    )
    assert "row 3 must hold 64 pixels, got 63" in refused(
        tmp_path, [["emotion", "pixels"], [0, text], [1, text.rsplit(" ", 1)[0]]]
    )
    assert "must be train, validation or test, got 'Holiday'" in refused(
        tmp_path, [["emotion", "pixels", "Usage"], [0, text, "Training"], [1, text, "Holiday"]]
    )


def test_tables_of_two_sizes_are_not_one_data_set(tmp_path: Path) -> None:
    for name, side in (("train", 8), ("test", 9)):
        names = [f"pixel{i}" for i in range(side * side)]
        rows = rows_of(pixels(0, 10, side, side), [0, 1] * 5)
        write(tmp_path / f"{name}.csv", [["label", *names], *rows])
    with pytest.raises(DataError, match=r"of one size: name one of test\.csv, train\.csv"):
        load(tmp_path)
    assert load(tmp_path / "test.csv").preprocessing.text.startswith("grey 9x9")


def test_two_tables_of_one_part_are_not_one_data_set(tmp_path: Path) -> None:
    """As of EMNIST, of which balanced-train and letters-train were one training part."""
    rows = rows_of(pixels(0, 10, SIDE, SIDE), [0, 1] * 5)
    for name in ("balanced-train", "letters-train", "letters-test"):
        write(tmp_path / f"{name}.csv", [["label", *NAMES], *rows])
    with pytest.raises(
        DataError, match=r"got balanced-train\.csv and letters-train\.csv for train"
    ):
        load(tmp_path)
    assert load(tmp_path / "letters-train.csv").classes == ("0", "1")


def test_pictures_beside_tables_of_pixels_are_told(tmp_path: Path) -> None:
    """As of Sign Language MNIST, with pictures of the alphabet."""
    rows = rows_of(pixels(0, 10, SIDE, SIDE), [0, 1] * 5)
    for part in ("train", "test"):
        write(tmp_path / "data" / f"sign_{part}.csv", [["label", *NAMES], *rows])
    (tmp_path / "data" / "signs.png").write_bytes(png(pixels(3, 30, 30)))
    data = load(tmp_path / "data")
    assert data.preprocessing.text.startswith("grey 8x8")
    assert any(
        note.startswith("pictures beside tables of pixels are not read") for note in data.notes
    )


@pytest.mark.parametrize("names", [["0", "1"], ["cat", "owl"]])
@pytest.mark.parametrize("least", [0, -0.5])
def test_a_first_row_of_fractions_is_a_picture(
    tmp_path: Path, names: list[str], least: float
) -> None:
    images = np.random.default_rng(0).random((20, SIDE, SIDE)) + least
    labels = [names[number % 2] for number in range(20)]
    data = load(write(tmp_path / "a.csv", rows_of(images, labels)))
    assert len(data.train) + len(data.test) == len(images)
    found = pictures_of(write(tmp_path / "b.csv", [image.ravel() for image in images]))
    assert found is not None
    assert found[..., 0] == pytest.approx(images)


@pytest.mark.parametrize("columns", [64, 65])
def test_numbers_beside_arrays_are_not_the_pictures(tmp_path: Path, columns: int) -> None:
    """As features: a folder of arrays was read before, whatever tables lay there."""
    numbers = pixels(1, 20, 1, columns)
    write(
        tmp_path / "a" / "features.csv",
        [["label", *range(columns)], *rows_of(numbers, [0, 1] * 10)],
    )
    np.savez(tmp_path / "a" / "a.npz", x_train=pixels(0, 20, 6, 5), y_train=[1, 2] * 10)
    assert load(tmp_path / "a").classes == ("1", "2")
    (tmp_path / "a" / "a.npz").unlink()
    if columns == SIDE * SIDE:
        assert load(tmp_path / "a").classes == ("0", "1")
    else:
        with pytest.raises(DataError, match="must hold CLASS"):
            load(tmp_path / "a")


def test_a_table_in_a_folder_alone_is_found(tmp_path: Path) -> None:
    rows = rows_of(pixels(0, 10, SIDE, SIDE), [0, 1] * 5)
    (tmp_path / "fer" / "inner").mkdir(parents=True)
    write(tmp_path / "fer" / "inner" / "inner" / "fer.csv", [["label", *NAMES], *rows])
    assert load(tmp_path / "fer").classes == ("0", "1")


def test_a_folder_beside_a_table_is_not_looked_into_instead(tmp_path: Path) -> None:
    rows = rows_of(pixels(0, 10, SIDE, SIDE), [0, 1] * 5)
    path = write(tmp_path / "fer" / "fer.csv", [["label", *NAMES], *rows])
    (path.parent / "notes" / "older").mkdir(parents=True)
    assert load(path.parent).classes == ("0", "1")


def test_the_named_column_of_labels_is_taken(tmp_path: Path) -> None:
    rows = [[*row, "even"] for row in rows_of(pixels(0, 20, SIDE, SIDE), [0, 1] * 10)]
    rows[0][-1] = rows[1][-1] = "odd"
    path = write(tmp_path / "a.csv", [["number", *NAMES, "set"], *rows])
    assert load(path, label_column="number").classes == ("0", "1")
    assert load(path, label_column="set").classes == ("even", "odd")


def test_a_series_without_a_header_is_told_to_be_taken_for_a_picture(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(20, SIDE, SIDE)).round(3)
    data = load(write(tmp_path / "a.tsv", rows_of(values, [1, -1] * 10)), label_column="first")
    told = (
        "a.tsv has no header, and 64 numbers a row that are no bytes are taken for pictures of 8x8"
    )
    assert any(note.startswith(told) for note in data.notes)
    of_bytes = load(write(tmp_path / "b.csv", rows_of(pixels(0, 20, SIDE, SIDE), [0, 1] * 10)))
    named = load(write(tmp_path / "c.csv", [["label", *NAMES], *rows_of(values, [0, 1] * 10)]))
    assert not any("no header" in note for of in (of_bytes, named) for note in of.notes)
