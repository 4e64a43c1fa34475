"""Arrays as MATLAB keeps them, of SVHN and of others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat
from tests.data.conftest import pixels

from smidgen.data import DataError, DataWarning, load


def written(path: Path, **arrays: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    savemat(path, arrays, do_compression=True)
    return path


def test_files_of_svhn_have_their_pictures_last(tmp_path: Path) -> None:
    for part, size in (("train", 40), ("test", 20)):
        images = pixels(size, size, 6, 5, 3)
        labels = np.arange(size)[:, None] % 10 + 1
        written(tmp_path / "svhn" / f"{part}_32x32.mat", X=images.transpose(1, 2, 3, 0), y=labels)
    data = load(tmp_path / "svhn")
    assert data.classes == tuple(map(str, range(1, 11))), "their nought is 10"
    for size, split in ((40, data.train), (20, data.test)):
        assert split.images.permute(0, 2, 3, 1).equal(torch.from_numpy(pixels(size, size, 6, 5, 3)))
        assert split.labels.tolist() == [number % 10 for number in range(size)]


@pytest.mark.parametrize("last", [True, False])
def test_one_file_of_grey_pictures_first_or_last(tmp_path: Path, last: bool) -> None:
    images = pixels(0, 40, 6, 5)
    stored = images.transpose(1, 2, 0) if last else images
    names = np.array(["ash", "oak"], object)
    path = written(tmp_path / "a.mat", images=stored, labels=np.arange(40) % 2 * 1.0, other=names)
    with pytest.warns(DataWarning, match="no test images"):
        data = load(path)
    found = torch.cat([data.train.images, data.test.images])
    assert {image.numpy().tobytes() for image in found} == {image.tobytes() for image in images}


@pytest.mark.parametrize("axes", ["hwcn", "nhwc", "nchw"])
def test_channels_tell_which_axis_counts_where_two_are_as_long(tmp_path: Path, axes: str) -> None:
    images = pixels(3, 12, 12, 12, 3)
    stored = images.transpose(*("nhwc".index(axis) for axis in axes))
    path = written(tmp_path / "a.mat", X=stored, y=np.arange(12)[:, None] % 2)
    with pytest.warns(DataWarning, match="no test images"):
        data = load(path)
    found = torch.cat([data.train.images, data.test.images]).permute(0, 2, 3, 1)
    assert {image.numpy().tobytes() for image in found} == {image.tobytes() for image in images}


def test_four_pictures_of_four_channels(tmp_path: Path) -> None:
    images, others = pixels(4, 4, 7, 6, 4), pixels(5, 3, 7, 6, 4)
    arrays = {"train_x": images, "train_y": [0, 1, 0, 1], "test_x": others, "test_y": [0, 1, 0]}
    data = load(written(tmp_path / "a.mat", **arrays))
    assert data.train.images.permute(0, 2, 3, 1).equal(torch.from_numpy(images))


def test_an_axis_that_cannot_be_told_is_refused(tmp_path: Path) -> None:
    images = pixels(5, 12, 12, 12)
    path = written(tmp_path / "a.mat", X=images, y=np.arange(12) % 2)
    with pytest.raises(DataError, match="counted by the first axis or the last of 12x12x12, since"):
        load(path)
    path = written(path, X=images.transpose(1, 2, 0)[:, :, None], y=np.arange(12) % 2)
    with pytest.warns(DataWarning, match="no test images"):
        assert load(path).shape == (1, 12, 12)


def test_the_labels_of_the_pictures_count_and_no_other_numbers(tmp_path: Path) -> None:
    images = pixels(6, 30, 8, 8, 3)
    last, labels = images.transpose(1, 2, 3, 0), np.arange(30) % 2
    of_train = {"train_x": last[..., :8], "train_y": labels[:8]}  # as many as there are rows
    of_test = {"test_x": last[..., 8:], "test_y": np.eye(2)[labels[8:]]}
    one = written(tmp_path / "a.mat", **of_train, **of_test, mean=np.arange(8.0))
    written(tmp_path / "two" / "train_images.mat", X=last[..., :8])
    written(tmp_path / "two" / "train_labels.mat", y=labels[:8])
    written(tmp_path / "two" / "test_images.mat", X=last[..., 8:])
    written(tmp_path / "two" / "test_labels.mat", y=labels[8:])
    for place in (one, tmp_path / "two"):
        data = load(place)
        for split, first, end in ((data.train, 0, 8), (data.test, 8, 30)):
            assert split.images.permute(0, 2, 3, 1).equal(torch.from_numpy(images[first:end]))
            assert split.labels.tolist() == labels[first:end].tolist()


def test_what_is_no_data_set_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a" / "imagelabels.mat", labels=[1, 2])
    with pytest.raises(DataError, match=r"a\.mat must hold .* got labels"):
        load(path.rename(path.with_name("a.mat")))
    with pytest.raises(DataError, match=r"a must hold x_train and y_train, .* got labels"):
        load(path.parent)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    with pytest.raises(DataError, match=r"labels\.mat cannot be read as arrays: .*HDF"):
        load(path)
    (path.parent / "a.mat").unlink()
    with pytest.raises(DataError, match=r"a cannot be read as arrays: .*HDF"):
        load(path.parent)


def test_more_than_memory_holds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"X": np.zeros((2, 3, 4), np.uint8), "y": [1, 2, 3, 4]})
    held = path.read_bytes()
    dims = np.array([2, 3, 4], "<i4").tobytes()
    path.write_bytes(held.replace(dims, np.array([1 << 16, 1 << 16, 4], "<i4").tobytes()))
    with pytest.raises(DataError, match="says that it holds 17,179,869,216 bytes, too many"):
        load(path)


def test_files_have_room_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smidgen.data.layouts.npz.VALUES", 1_000)
    for part in ("train", "test"):
        labels = np.arange(20, dtype=np.uint8)[:, None] % 2
        written(tmp_path / "set" / f"{part}.mat", X=pixels(0, 20, 6, 5), y=labels)
    with pytest.raises(DataError, match="says that it holds 620 bytes, too many"):
        load(tmp_path / "set")
