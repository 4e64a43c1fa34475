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


def test_what_is_no_data_set_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a" / "imagelabels.mat", labels=[1, 2])
    with pytest.raises(DataError, match=r"a\.mat must hold .* got labels"):
        load(path.rename(path.with_name("a.mat")))
    with pytest.raises(DataError, match="a must hold CLASS"):
        load(path.parent)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    with pytest.raises(DataError, match=r"labels\.mat cannot be read as arrays: .*HDF"):
        load(path)


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
