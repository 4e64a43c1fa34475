"""Pictures and windows of a sensor whose classes are in the names of their files."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tests.data.conftest import pixels, png

from smidgen.data import DataError, Preprocessing, load
from smidgen.data.remembered import asked_of

pytestmark = pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
NAMES = [f"{name}.{number}.png" for name in ("cat", "dog") for number in range(8)]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a picture, or lines of a sensor, to each path."""

    def written(names: Iterable[str], folder: str = "photos") -> Path:
        for seed, name in enumerate(names):
            (path := tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            values = pixels(seed, 6, 5)
            if path.suffix == ".png":
                path.write_bytes(png(values))
            else:
                path.write_text("\n".join(",".join(map(str, row)) for row in values))
        return tmp_path / folder

    return written


@pytest.mark.parametrize("place", ["", "images/", "train/", "data/train/"])
def test_names_of_files_tell_the_classes(place: str, write: Write) -> None:
    data = load(write(place + name for name in NAMES), label_column="prefix")
    held = [*zip(data.train.files, data.train.labels.tolist(), strict=True)]
    held += zip(data.test.files, data.test.labels.tolist(), strict=True)
    assert len(held) == len(NAMES)
    assert all(f"/{data.classes[label]}." in file for file, label in held)
    assert data.notes[0] == "classes are told by names of files, by 'prefix', as cat by cat.0.png"
    assert asked_of(data.origin)["label-column"] == "prefix"
    assert load(data.origin).fingerprint == data.fingerprint


def test_folders_that_are_parts_are_parts(write: Write) -> None:
    folder = write([f"{part}/{name}" for part in ("train", "val", "test") for name in NAMES])
    data = load(folder, label_column="prefix")
    assert [len(part) for part in data.parts.values()] == [16, 16, 16]
    folder = write([*(f"train/{name}" for name in NAMES), "test1/1.png", "test1/2.png"], "kaggle")
    data = load(folder, label_column="prefix")
    assert "the labels of the part 'test' are hidden: it is not used" in data.notes
    assert len(data.train) + len(data.test) == len(NAMES)


@pytest.mark.parametrize("place", ["", "images/", "train/"])
def test_the_refusal_names_the_way(place: str, write: Write) -> None:
    said = r'\(label_column="prefix"\) reads cat, dog; else '
    with pytest.raises(DataError, match=f"--label-column prefix {said}"):
        load(write(place + name for name in NAMES))


def test_so_does_that_of_a_text_beside_them(write: Write) -> None:
    folder = write(f"images/{name}" for name in NAMES)
    (folder / "README.txt").touch()
    with pytest.raises(DataError, match=r"README.txt is not read.*; or .*column prefix .*cat, dog"):
        load(folder)


def test_a_name_without_a_class_is_told(write: Write) -> None:
    folder = write([*NAMES, "IMG_1.png", "notes.txt"])
    with pytest.raises(DataError, match=r"1 of 17 pictures has no label, .*IMG_1\.png \(--skip-br"):
        load(folder, label_column="prefix")
    data = load(folder, label_column="prefix", skip_broken=True)
    assert len(data.train) + len(data.test) == len(NAMES)
    assert f"1 file is no picture, such as {folder / 'notes.txt'}" in data.notes
    said = "photos must have files whose names give a class by 'series' .*, got 'cat.png': call"
    with pytest.raises(DataError, match=f"alike.{said}"):
        load(write(["cat.png", "dog.png"], "alike/photos"), label_column="series")
    with pytest.raises(DataError, match="no column of images: leave --image-column"):
        load(folder, label_column="prefix", image_column="file")


def test_folders_are_the_classes_if_names_tell_none_or_a_run_knows_them(write: Write) -> None:
    by_day = write([f"{n % 2}/{name}" for n, name in enumerate(NAMES)])
    assert load(by_day, label_column="prefix").classes == ("cat", "dog")
    others = write([f"{name}/{n}.png" for name in "ab" for n in range(8)], "others")
    assert load(others, label_column="prefix").classes == ("a", "b")
    how = Preprocessing(6, 5, "grey", 1)
    more = write([f"Cat/holiday.{n}.png" for n in range(4)], "more")
    data = load(more, preprocessing=how, classes=("cat", "dog"), label_column="prefix")
    assert {*data.train.labels.tolist()} == {0}


@pytest.mark.parametrize("place", ["", "train/"])
def test_windows_of_a_sensor_may_be_called_so_too(place: str, write: Write) -> None:
    names = [place + name.replace("png", "csv") for name in NAMES]
    folder = write(names)
    with pytest.raises(DataError, match=r"--label-column prefix .* reads cat, dog"):
        load(folder)
    data = load(folder, label_column="prefix")
    assert (data.shape, data.classes) == ((5, 1, 6), ("cat", "dog"))
    assert len(data.train) + len(data.test) == len(NAMES)
    write([f"{place}7.csv"])
    with pytest.raises(DataError, match=r"7\.csv must have a name that gives a class by 'prefix'"):
        load(folder, label_column="prefix")
