"""MNIST and CIFAR-10 themselves, where there are local copies."""

import hashlib
import os
from pathlib import Path

import pytest
import torch

from smidgen.data import channel_statistics, load

COPIES = os.environ.get("SMIDGEN_DATA", "")  # read before the tests are kept from it


def needs(name: str) -> pytest.MarkDecorator:
    there = bool(COPIES) and (Path(COPIES) / name).is_dir()
    return pytest.mark.skipif(not there, reason=f"SMIDGEN_DATA names no folder that holds {name}")


@pytest.mark.slow
@needs("mnist")
def test_mnist_is_mnist(tmp_path: Path) -> None:
    data = load("mnist", data_dir=COPIES, cache_dir=tmp_path)
    assert (len(data.train), len(data.test), data.shape) == (60_000, 10_000, (1, 28, 28))
    # The published IDX files are a head of 16 bytes and then the very same pixels.
    head = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (60_000, 28, 28))
    whole = head + data.train.images.numpy().tobytes()
    published = hashlib.md5(whole, usedforsecurity=False).hexdigest()
    assert published == "6bbc9ace898e44ae57da46a324031adb"
    per_class = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.bincount(data.test.labels).tolist() == per_class
    mean, std = channel_statistics(data.train.images)
    assert (round(mean[0], 4), round(std[0], 4)) == (0.1307, 0.3081)  # as is widely quoted


@pytest.mark.slow
@needs("cifar10")
def test_cifar10_is_cifar10(tmp_path: Path) -> None:
    data = load("cifar10", data_dir=COPIES, cache_dir=tmp_path)
    assert (len(data.train), len(data.test), data.shape) == (50_000, 10_000, (3, 32, 32))
    # A published batch of the binary version is a byte of label and then the pixels, by channel.
    batch = torch.cat([data.test.labels[:, None].byte(), data.test.images.flatten(1)], 1)
    published = hashlib.md5(batch.numpy().tobytes(), usedforsecurity=False).hexdigest()
    assert published == "803d5f7f4d78ea53de84dbe85f74fb6d"
    assert [round(m, 4) for m in channel_statistics(data.train.images)[0]] == [
        0.4914,
        0.4822,
        0.4465,
    ]
