"""A folder of images is read by its layout, and whatever is wrong with it is named."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smidgen.data import DataError, DataWarning, load

Folder = Callable[..., Path]
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
    folder = image_folder({"train": {"cat": 30, "dog": 20}})
    with pytest.warns(DataWarning, match="no test images: 10 of the 50 images were set aside"):
        first = load(folder)
    assert torch.bincount(first.test.labels).tolist() == [6, 4]
    assert torch.bincount(first.train.labels).tolist() == [24, 16]
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
    (folder / "valid").mkdir()
    with pytest.warns(DataWarning) as said:
        data = load(folder)
    assert len(data.train) == 5
    assert [re.sub(r"/\S*/", "", str(warning.message)) for warning in said] == [
        "pictures: folders not read: valid",
        "pictures: 1 files are no images by name, such as notes.txt",
    ]


def test_a_broken_image_is_named(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    broken = folder / "test" / "dog" / "000.png"
    for content in (b"", b"no image", broken.read_bytes()[:50]):
        broken.write_bytes(content)
        with pytest.raises(DataError, match=f"^{re.escape(str(broken))} is no readable image: .+$"):
            load(folder)


def test_mixed_sizes_name_both_files_and_the_way_out(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    other = folder / "test" / "cat" / "000.png"
    Image.new("L", (7, 7)).save(other)
    expected = (
        f"images must have one size and colour mode, got grey 7x7 in {other} and grey 6x5 in "
        f"{folder / 'train' / 'cat' / '000.png'}; --image-size N resizes"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}"):
        load(folder)
    assert load(folder, image_size=8).shape == (1, 8, 8)
    assert load(folder, image_size=(4, 9)).shape == (1, 4, 9)


def test_mixed_modes_are_refused_or_rgb(image_folder: Folder) -> None:
    folder = image_folder(BOTH)
    other = folder / "test" / "cat" / "000.png"
    Image.new("RGB", (5, 6)).save(other)
    with pytest.raises(DataError, match=f"got RGB 6x5 in {re.escape(str(other))} and grey 6x5"):
        load(folder)
    assert load(folder, image_size=(6, 5)).shape == (3, 6, 5)


def test_a_class_with_no_image_is_named(image_folder: Folder) -> None:
    folder = image_folder({"train": {"cat": 2, "eel": 0}, "test": {"cat": 1}})
    with pytest.raises(DataError, match=r"class 'eel' must have an image, got none in .*train/eel"):
        load(folder)


def test_an_unknown_class_to_test_on_is_named(image_folder: Folder) -> None:
    folder = image_folder({"train": {"cat": 2, "dog": 2}, "test": {"cta": 1}})
    with pytest.raises(DataError, match=r"test/cta must be one .*did you mean 'cat'\?"):
        load(folder)


def test_a_class_too_small_to_be_divided(image_folder: Folder) -> None:
    with pytest.raises(DataError, match="2 images for one to be set aside, got 1 of class 1"):
        load(image_folder({"train": {"cat": 2, "dog": 1}}))


def test_folders_that_hold_no_data(tmp_path: Path, image_folder: Folder) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty must hold train/CLASS/\*.png .* an empty folder"):
        load(tmp_path / "empty")
    trian = image_folder({"trian": {"cat": 2}})
    with pytest.raises(DataError, match=r"must hold train/CLASS/\*.png or Parquet .* got trian"):
        load(trian)
    (tmp_path / "bare" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match="bare/train must hold a folder a class, got none"):
        load(tmp_path / "bare")
    no_test = image_folder({"train": {"cat": 2}, "test": {"cat": 0}}, "no test")
    with pytest.raises(DataError, match=r"no test/test must hold CLASS/\*.png, got no image"):
        load(no_test)


def test_paths_that_are_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*missing"):
        load(tmp_path / "missing")
    (tmp_path / "file.zip").write_text("")
    with pytest.raises(DataError, match=r"file.zip must be a folder, got a file"):
        load(tmp_path / "file.zip")
