"""Data in memory are checked once, and known by their content."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from smidgen.data import Data, DataError, Split
from smidgen.data.sizes import checked_size


def split(labels: list[int], level: int = 0, size: int = 2) -> Split:
    images = torch.full((len(labels), 1, size, size), level, dtype=torch.uint8)
    return Split(images, torch.tensor(labels, dtype=torch.int64))


def data(
    train: Split | None = None, test: Split | None = None, classes: tuple[str, ...] = ("cat", "dog")
) -> Data:
    return Data("pets", train or split([0, 1]), test or split([1]), classes)


@pytest.mark.parametrize("label", [2, -1])
def test_labels_outside_the_classes(label: int) -> None:
    with pytest.raises(
        DataError, match=rf"labels of pets test must be 0 to 1 \(2 classes\), got {label} in row 1$"
    ):
        data(test=split([0, label]))


def test_a_class_without_a_training_image_is_named() -> None:
    with pytest.raises(DataError, match=r"class 'dog' of pets has no training image$"):
        data(train=split([0, 0]))
    with pytest.raises(DataError, match=r"class 'cat' .* \(so has 1 other class\)"):
        data(train=split([2]), classes=("cat", "dog", "eel"))


def test_classes_of_one_name() -> None:
    with pytest.raises(DataError, match="got 'cat' twice"):
        data(classes=("cat", "cat"))


@pytest.mark.parametrize("name", ["", "  ", "\t"])
def test_a_class_without_a_name(name: str) -> None:
    with pytest.raises(DataError, match="each class of pets must have a name, got"):
        data(classes=("cat", name))


def test_splits_of_two_shapes() -> None:
    with pytest.raises(
        DataError, match=r"train uint8 2x1x2x2 and test uint8 1x1x3x3; --image-size"
    ):
        data(test=split([1], size=3))


def test_an_empty_split() -> None:
    with pytest.raises(DataError, match="at least one image"):
        split([])


def test_the_shape_is_channels_height_width() -> None:
    assert data().shape == (1, 2, 2)
    assert len(data().train) == 2


def test_the_fingerprint_is_of_the_content() -> None:
    original = data().fingerprint
    assert data().fingerprint == original
    renamed = Data("others", split([0, 1]), split([1]), ("cat", "dog"), notes=("found",))
    assert renamed.fingerprint == original
    assert data(classes=("cat", "cow")).fingerprint != original
    assert data(train=split([1, 0])).fingerprint != original
    assert data(train=split([0, 1], level=1)).fingerprint != original
    assert data(test=split([0])).fingerprint != original
    assert replace(data(), test=split([0])).fingerprint == data(test=split([0])).fingerprint
    assert replace(data(), classes=("cat", "cow")).fingerprint != original
    assert replace(data(), name="others", fingerprint="kept").fingerprint == "kept"


def test_data_know_whether_they_are_those_that_were_loaded() -> None:
    whole = data()
    fewer = replace(whole, test=split([0]))
    assert [replace(one, name="others").changed for one in (whole, fewer)] == [False, True]
    assert replace(fewer, fingerprint="").changed is False, "they are data of their own"


def test_the_fingerprint_is_not_of_the_memory_format() -> None:
    images = torch.arange(2 * 3 * 2 * 2, dtype=torch.uint8).view(2, 3, 2, 2)
    labels = torch.tensor([0, 1])
    stored = [images, images.contiguous(memory_format=torch.channels_last)]
    first, second = (
        Data("pets", Split(i, labels), Split(i, labels), ("cat", "dog")) for i in stored
    )
    assert first.fingerprint == second.fingerprint


def test_types_are_checked_without_a_type_checker() -> None:
    """In another process: in this one, beartype is faster."""
    program = """
import torch
from smidgen.data import Split, load
labels = torch.tensor([0])
for wrong in (
    lambda: Split(torch.zeros(1, 1, 2, 2), labels),
    lambda: Split(torch.zeros(1, 2, 2, dtype=torch.uint8), labels),
    lambda: Split(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), labels.int()),
    lambda: Split(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), labels),
    lambda: load("digits", image_size=(3,)),
    lambda: load("digits", image_size=(3.5, 2)),
):
    try:
        wrong()
    except ValueError as error:
        print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == [
        "images must be uint8 n c h w, got float32 1x1x2x2",
        "images must be uint8 n c h w, got uint8 1x2x2",
        "labels must be int64 n, got int32 1",
        "a split must have one label an image and at least one image, got 2 images and 1 labels",
        "image size must be N or HxW, as in 32 or 24x32, each >= 1, got (3,)",
        "image size must be N or HxW, as in 32 or 24x32, each >= 1, got (3.5, 2)",
    ]


@pytest.mark.parametrize("size", [9999, "9999", (8_001, 8_000), "70000x1", "9" * 30])
def test_a_size_that_no_picture_may_have_is_refused_before_any_is_decoded(size: Any) -> None:
    with pytest.raises(DataError, match="image size must be at most 65,535 pixels a side and 64"):
        checked_size(size)
    assert checked_size("8000") == (8000, 8000)
