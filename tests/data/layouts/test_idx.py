"""MNIST's own files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.conftest import pixels

from smidgen.data import DataError, load


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with MNIST's four names, two of them compressed."""
    for name, size, seed in (("train", 6, 0), ("t10k", 4, 1)):
        images, labels = pixels(seed, size, 6, 5), (np.arange(size) % 3).astype(np.uint8)
        content = (idx(images), idx(labels))
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(content[0])
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(content[1]))
    return tmp_path


def test_four_files_are_two_parts(folder: Path) -> None:
    data = load(folder)
    assert data.train.images[:, 0].equal(torch.from_numpy(pixels(0, 6, 6, 5)))
    assert data.test.images[:, 0].equal(torch.from_numpy(pixels(1, 4, 6, 5)))
    assert data.classes == ("0", "1", "2")
    assert data.test.labels.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must be an IDX file, got another content"),
        (b"\0\0\x08\x03\0\0", "is damaged: "),
        (b"\0\0\x08\x03" + struct.pack(">3I", 6, 6, 5) + b"\0" * 99, "must hold 180 bytes of"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 9), "says that it holds .* too many"),
    ],
)
def test_damage_is_named(folder: Path, content: bytes, said: str) -> None:
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=f"train-images-idx3-ubyte {said}"):
        load(folder)


def test_a_missing_half_is_named(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte must have a file of labels beside"):
        load(folder)


def test_damage_inside_what_is_compressed_is_named(folder: Path) -> None:
    whole = bytearray((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    whole[10:14] = b"\xff" * 4  # no blocks of deflate
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(whole)
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz is damaged: Error -3"):
        load(folder)
