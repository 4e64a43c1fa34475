"""Arrays as Keras and MedMNIST keep them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.data.conftest import pixels

from smidgen.data import DataError, DataWarning, Preprocessing, load
from smidgen.data.catalogue import Wish
from smidgen.data.layouts.npz import Npz
from smidgen.data.making import made


class Runs:
    """Notes that a pickle of it was read."""

    done = False

    def __reduce__(self) -> Any:
        return setattr, (Runs, "done", True)


def test_arrays_of_keras(tmp_path: Path) -> None:
    train, test = pixels(0, 8, 6, 5), pixels(1, 3, 6, 5)
    np.savez(
        tmp_path / "mine.npz",
        x_train=train,
        y_train=np.array([3, 0, 12, 3, 0, 12, 3, 0], np.uint8),
        x_test=test,
        y_test=np.array([12, 0, 3], np.uint8),
    )
    for place in (tmp_path / "mine.npz", tmp_path):
        data = load(place)
        assert data.classes == ("0", "3", "12")
        assert data.train.labels.tolist() == [1, 0, 2, 1, 0, 2, 1, 0]
        assert data.test.labels.tolist() == [2, 0, 1]
        assert data.train.images[:, 0].equal(torch.from_numpy(train))
        assert (data.preprocessing.text, data.notes) == (
            "grey 6x5, stretched, transparent over white",
            (),
        )


def test_arrays_of_medmnist(tmp_path: Path) -> None:
    sizes = {"train": 6, "val": 4, "test": 2}
    arrays: dict[str, Any] = {}
    for number, (part, size) in enumerate(sizes.items()):
        arrays[f"{part}_images"] = pixels(number, size, 6, 5, 3)
        arrays[f"{part}_labels"] = np.arange(size)[:, None] % 2
    np.savez_compressed(tmp_path / "pathmnist.npz", **arrays)
    data = load(tmp_path / "pathmnist.npz")
    assert data.validation is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 4, 2]
    assert data.validation.images.permute(0, 2, 3, 1).equal(torch.from_numpy(arrays["val_images"]))


@pytest.mark.parametrize(("at", "by"), [(6, b"\xff\0"), (8, b"\0\x08")])
def test_a_damaged_one_of_several_archives_is_no_traceback(
    tmp_path: Path, at: int, by: bytes
) -> None:
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", images=pixels(0, 8, 6, 5))
    held = bytearray((tmp_path / "a.npz").read_bytes())
    entry = held.find(b"PK\1\2")  # its version, or that its name is UTF-8
    held[entry + at : entry + at + 2] = by
    held[entry + 46 : entry + 48] = b"\xff\xfe"
    (tmp_path / "a.npz").write_bytes(held)
    with pytest.raises(DataError, match="cannot be read as arrays: "):
        load(tmp_path)


@pytest.mark.parametrize("texts", [np.str_, np.bytes_])
def test_images_and_labels_alone_have_a_test_part_set_aside(
    tmp_path: Path, texts: type[np.generic]
) -> None:
    names = np.array(["ash", "oak"], texts)
    np.savez(
        tmp_path / "a.npz", images=pixels(0, 40, 6, 5), labels=np.arange(40) % 2, class_names=names
    )
    with pytest.warns(DataWarning, match="no test images"):
        assert load(tmp_path / "a.npz").classes == ("ash", "oak")


def test_what_is_no_data_set_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weights=np.zeros(3))
    with pytest.raises(DataError, match=r"a.npz must hold x_train and y_train, .* got weights"):
        load(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(b"PK\3\4 broken")
    with pytest.raises(DataError, match=r"a.npz cannot be read as arrays: "):
        load(tmp_path / "a.npz")


def test_a_pipe_is_not_waited_for(tmp_path: Path, pipe: Path) -> None:
    (tmp_path / "set").mkdir()
    link = tmp_path / "set" / "a.npz"
    link.symlink_to(pipe)
    with pytest.raises(DataError, match=r"set must hold .*, got a\.npz"):
        load(link.parent)
    with pytest.raises(DataError, match=r"a\.npz must be a folder or a file, got a pipe"):
        load(link)


def test_no_pickle_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.array([print, 1], object), labels=np.arange(2))
    with pytest.raises(
        DataError, match=r"a.npz must hold .*, got Python objects in '\w+': of names"
    ):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_a_pickle_that_is_called_an_array_is_not_run(tmp_path: Path, ending: str) -> None:
    place = tmp_path / "set"
    place.mkdir()
    for name in ("images", "labels"):
        (place / f"{name}.{ending}").write_bytes(pickle.dumps(Runs()))
    with pytest.raises(DataError):
        load(place if ending == "npy" else place / "images.npz")
    assert not Runs.done


def test_archives_have_room_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smidgen.data.layouts.npz.VALUES", 1_000)
    for part in ("train", "test"):
        where = tmp_path / f"data_{part}.npz"
        np.savez(where, x=pixels(0, 20, 6, 5), y=np.arange(20, dtype=np.uint8) % 2)
    with pytest.raises(DataError, match="says that it holds 876 bytes, too many"):
        load(tmp_path)


def test_labels_that_do_not_fit_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=pixels(0, 4, 6, 5), labels=np.arange(3))
    with pytest.raises(DataError, match=r"a.npz train must have one label a picture, 4, got 3"):
        load(tmp_path / "a.npz")


def test_hidden_labels_of_a_test_part(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        x_train=pixels(0, 40, 6, 5),
        y_train=np.arange(40) % 2,
        x_test=pixels(1, 3, 6, 5),
        y_test=np.full(3, -1),
    )
    with pytest.warns(DataWarning) as said:
        assert len(load(tmp_path / "a.npz").train) < 40
    assert "labels of the part 'test' are hidden: it is not used" in str(said[0].message)


@pytest.mark.parametrize("texts", [np.str_, np.bytes_])
def test_an_array_may_name_the_part(tmp_path: Path, texts: type[np.generic]) -> None:
    images, parts = pixels(0, 9, 6, 5), ["train", "val", "test"] * 3
    arrays: dict[str, Any] = {"images": images, "labels": np.array([0, 0, 0, 1, 1, 1, 0, 1, 2])}
    np.savez(tmp_path / "a.npz", **arrays, split=np.array(parts, texts))
    with pytest.raises(DataError, match=r"class '2' of \S+a\.npz row 8 must be one"):
        load(tmp_path / "a.npz")
    arrays["labels"][8] = 1
    np.savez(tmp_path / "a.npz", **arrays, split=np.array(parts, texts)[:, None])
    data = load(tmp_path / "a.npz")
    assert data.validation is not None
    for start, split in enumerate((data.train, data.validation, data.test)):
        assert split.images[:, 0].equal(torch.from_numpy(images[start::3]))
        assert split.labels.tolist() == arrays["labels"][start::3].tolist()


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_pictures_of_a_part_without_labels_are_told(tmp_path: Path) -> None:
    train: dict[str, Any] = {"x_train": pixels(0, 40, 6, 5), "y_train": np.arange(40) % 2}
    np.savez(tmp_path / "a.npz", **train, x_test=pixels(1, 3, 6, 5))
    with pytest.warns(DataWarning, match="'test' has no labels, got x_test alone: it is not used"):
        load(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_a_folder_of_arrays(tmp_path: Path) -> None:
    place = tmp_path / "signs"
    place.mkdir()
    images = pixels(0, 20, 6, 5)
    np.save(place / "X.npy", images)
    np.save(place / "Y.npy", np.eye(2)[np.arange(20) % 2])
    data = load(place)
    assert (data.classes, len(data.train) + len(data.test)) == (("0", "1"), 20)
    found = torch.cat([data.train.images, data.test.images])
    assert {row.numpy().tobytes() for row in found} == {image.tobytes() for image in images}
    np.save(place / "X.npy", pixels(1, 20, 6, 5))
    assert load(place).fingerprint != data.fingerprint
    np.save(place / "Y.npy", np.array([{}] * 20), allow_pickle=True)
    with pytest.raises(DataError, match="signs cannot be read as arrays"):
        load(place)
    np.savez(place / "a.npz", weights=np.zeros(3))
    with pytest.raises(DataError, match=r"a.npz must hold .* got weights"):
        load(place)


def test_a_folder_of_archives(tmp_path: Path) -> None:
    labels = np.arange(20, dtype=np.uint8) % 2
    for part, seed in (("train", 0), ("test", 1)):  # as KMNIST is given away, an array a file
        np.savez(tmp_path / f"kmnist-{part}-imgs.npz", pixels(seed, 20, 6, 5))
        np.savez(tmp_path / f"kmnist-{part}-labels.npz", labels)
    data = load(tmp_path)
    assert torch.equal(data.train.images[:, 0], torch.from_numpy(pixels(0, 20, 6, 5)))
    assert torch.equal(data.test.images[:, 0], torch.from_numpy(pixels(1, 20, 6, 5)))
    np.savez(tmp_path / "k49-test-imgs.npz", pixels(2, 20, 6, 5))
    with pytest.raises(
        DataError, match=r"two arrays of images for test, k49-test-imgs and kmnist-"
    ):
        load(tmp_path)


def test_a_folder_of_an_archive_a_part(tmp_path: Path) -> None:
    for part, seed in (("train", 0), ("test", 1)):
        where = tmp_path / f"data_{part}.npz"
        np.savez(where, x=pixels(seed, 20, 6, 5), y=np.arange(20) % 2)
    data = load(tmp_path)
    assert torch.equal(data.test.images[:, 0], torch.from_numpy(pixels(1, 20, 6, 5)))
    np.savez(tmp_path / "weights.npz", w=np.zeros(3))
    assert load(tmp_path).classes == ("0", "1")


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_archives_that_speak_of_no_pictures_leave_a_table_to_be_read(tmp_path: Path) -> None:
    drawn = pixels(0, 20, 8, 8).reshape(20, 64).tolist()
    rows = "\n".join(f"{n % 2},{','.join(map(str, row))}" for n, row in enumerate(drawn))
    header = "label," + ",".join(f"pixel{place}" for place in range(64))
    (tmp_path / "train.csv").write_text(f"{header}\n{rows}\n")
    for name in ("embeddings", "weights"):
        np.savez(tmp_path / f"{name}.npz", np.zeros(3))
    assert load(tmp_path).shape == (1, 8, 8)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
@pytest.mark.parametrize("other", ["class_names", "label_names", "image_ids", "coarse_labels"])
def test_what_comes_first_in_a_file_does_not_say_what_it_is(tmp_path: Path, other: str) -> None:
    arrays: dict[str, Any] = {"images": pixels(0, 40, 6, 5), "labels": np.arange(40) % 2}
    names = np.array(["ash", "oak"])
    more: dict[str, Any] = {other: names if other.endswith("names") else np.arange(40) % 4}
    np.savez(tmp_path / "a.npz", **arrays)
    plain = load(tmp_path / "a.npz")
    for held in (more | arrays, arrays | more):
        np.savez(tmp_path / "a.npz", **held)
        data = load(tmp_path / "a.npz")
        assert data.train.labels.equal(plain.train.labels)
        assert data.classes == (("ash", "oak") if other.endswith("names") else ("0", "1"))


def test_two_arrays_of_labels_are_refused(tmp_path: Path) -> None:
    coarse, fine = np.arange(40) % 2, np.arange(40) % 4
    np.savez(tmp_path / "a.npz", x=pixels(0, 40, 6, 5), coarse_labels=coarse, fine_labels=fine)
    with pytest.raises(
        DataError, match="two arrays of labels for train, coarse_labels and fine_labels: save it"
    ):
        load(tmp_path / "a.npz")


def test_where_the_channels_are_is_told_if_it_is_not_plain(tmp_path: Path) -> None:
    labels = np.arange(40) % 2
    held: dict[str, Any] = {
        f"{of}_{part}": array
        for part in ("train", "test")
        for of, array in (("x", pixels(len(part), 40, 1, 128, 6)), ("y", labels))
    }
    np.savez(tmp_path / "a.npz", **held)
    with pytest.warns(
        DataWarning, match="1x128x6 are taken for 6 channels of 1x128 pixels"
    ) as said:
        assert load(tmp_path / "a.npz").shape == (6, 1, 128)
    assert len(said) == 1


def test_a_run_is_judged_on_windows_without_the_axis_that_is_1(tmp_path: Path) -> None:
    how = Preprocessing(1, 96, "channels", 6, offset=(0.0,) * 6, scale=(9.0,) * 6)
    windows = np.arange(2 * 96 * 6, dtype=np.float32).reshape(2, 96, 6)
    found = []
    for shape in ((2, 96, 6), (2, 1, 96, 6), (2, 96, 1, 6)):
        np.savez(tmp_path / "a.npz", x=windows.reshape(shape), y=[0, 1])
        source = Npz(tmp_path / "a.npz")
        found.append(source.catalogue(Wish(preprocessing=how, classes=("0", "1"))))
    plain, whole, _ = (of.parts["train"].pictures.picture(1, None) for of in found)
    assert (plain == whole).all()
    assert plain.shape == (1, 96, 6)
    assert not found[0].notes, "that say what channels these are taken for"
    with pytest.raises(DataError, match="row 0 must be a window 1 x 96 x 6, got 96 x 1 x 6"):
        made("a", found[2], Wish(preprocessing=how, classes=("0", "1")), None)


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_the_length_of_windows_is_kept_where_they_are_fitted(tmp_path: Path) -> None:
    windows = np.random.default_rng(0).normal(size=(24, 1, 96, 3)).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=windows, y=np.arange(24) % 2)
    whole, shrunk, square = (load(tmp_path, image_size=size) for size in (None, "1x32", "4x4"))
    assert [of.preprocessing.length for of in (whole, shrunk, square)] == [0, 96, 0]
    assert whole.preprocessing.native == shrunk.preprocessing.native == (1, 96)


@pytest.mark.parametrize("skip", [False, True])
def test_a_size_that_no_window_can_have_is_refused_once(tmp_path: Path, skip: bool) -> None:
    windows = np.arange(9 * 96 * 3, dtype=np.float32).reshape(9, 1, 96, 3)
    np.savez(tmp_path / "a.npz", x=windows, y=[0, 1, 2] * 3)
    said = r"a.npz: windows are 1 x 96, got an image size of 24x1: ask for 1xN \(--turned, [^;]*$"
    with pytest.raises(DataError, match=said):
        load(tmp_path / "a.npz", image_size="24x1", skip_broken=skip)


def test_minus_one_beside_one_other_label_is_a_class_and_told(tmp_path: Path) -> None:
    signs = np.array([1, -1] * 4)
    arrays: Any = {"x_train": pixels(0, 8, 6, 5), "x_test": pixels(1, 4, 6, 5)}
    np.savez(tmp_path / "of.npz", **arrays, y_train=signs, y_test=signs[:4])
    with pytest.warns(DataWarning, match="-1 is a class, and hides no label"):
        data = load(tmp_path / "of.npz")
    assert (data.classes, data.test.labels.tolist()) == (("-1", "1"), [1, 0, 1, 0])
    np.savez(tmp_path / "of.npz", **arrays, y_train=np.arange(8) % 3 - 1, y_test=signs[:4])
    with pytest.raises(DataError, match="have no label, or -1"):
        load(tmp_path / "of.npz")


@pytest.mark.parametrize("kinds", [(np.uint8, np.float64), (np.float32, np.uint8)])
def test_parts_of_two_kinds_of_numbers_are_refused_with_both(
    tmp_path: Path, kinds: tuple[Any, Any]
) -> None:
    x_train, x_test = (np.full((4, 6, 5), of, kind) for of, kind in zip((1, 2), kinds, strict=True))
    y = np.array([0, 1, 0, 1])
    np.savez(tmp_path / "of.npz", x_train=x_train, y_train=y, x_test=x_test, y_test=y)
    train, test = (np.dtype(kind).name for kind in kinds)
    with pytest.raises(DataError, match=rf"train is {train} \(1 to 1\), test is {test} \(2 to 2\)"):
        load(tmp_path / "of.npz", skip_broken=True)


@pytest.mark.filterwarnings("ignore:.*parts alone:smidgen.data.DataWarning")
def test_an_array_of_parts_alone_is_the_split(tmp_path: Path) -> None:
    phase = np.array(["train"] * 6 + ["test"] * 4)
    np.savez(tmp_path / "of.npz", x=pixels(0, 10, 6, 5), y=np.arange(10) % 2, phase=phase)
    data = load(tmp_path / "of.npz")
    assert (len(data.train), len(data.test)) == (6, 4)
