"""Any picture becomes grey or RGB bytes."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from smidgen.data.errors import DataError
from smidgen.data.images import checked_size, decoded


def only(image: Any, size: tuple[int, int] | None = None) -> Any:
    return decoded([image], lambda row: f"row {row}", size, lambda done: None)[0]


def test_grey_and_rgb_pass_unchanged() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(4, 3)
    colour = np.arange(36, dtype=np.uint8).reshape(4, 3, 3)
    assert (only(Image.fromarray(grey))[:, :, 0] == grey).all()
    assert (only(Image.fromarray(colour)) == colour).all()


def test_sixteen_bits_are_scaled_to_eight() -> None:
    deep = np.array([[0, 128, 129, 257, 32_768, 65_406, 65_407, 65_535]], np.uint16)
    expected = [0, 0, 1, 1, 128, 254, 255, 255]  # rounded, not cut: 257 levels make one
    assert only(Image.fromarray(deep))[0, :, 0].tolist() == expected


def test_sixteen_bits_in_a_file_are_scaled(tmp_path: Any) -> None:
    Image.fromarray(np.full((2, 2), 65_535, np.uint16)).save(tmp_path / "deep.png")
    assert (only({"path": str(tmp_path / "deep.png"), "bytes": None}) == 255).all()


def test_more_than_sixteen_bits_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"row 0 must have pixels of at most 16 bits, got 0\.\.70000"
    ):
        only(Image.fromarray(np.array([[0, 70_000]], np.int32)))
    with pytest.raises(DataError, match="floating-point"):
        only(Image.fromarray(np.zeros((2, 2), np.float32)))


def test_a_palette_becomes_its_colours() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert only(image).tolist() == [[[10, 20, 30], [200, 100, 50]]]


def test_what_is_transparent_becomes_white() -> None:
    colour = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    assert only(Image.fromarray(colour)).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    grey = Image.fromarray(np.array([[[10, 255], [10, 0]]], np.uint8), mode=None)
    assert only(grey).tolist() == [[[10], [255]]]


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (1, 1), (0, 255, 255, 0))
    assert only(image).tolist() == [[[255, 0, 0]]]


def test_one_bit_becomes_black_and_white() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert only(image).tolist() == [[[0], [255]]]


def test_resizing_has_no_alias() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    inner = only(Image.fromarray(stripes), (8, 8))[1:-1, 1:-1]
    assert inner.min() >= 120
    assert inner.max() <= 135


def test_resizing_takes_height_before_width() -> None:
    assert only(Image.new("L", (10, 10)), (4, 6)).shape == (4, 6, 1)


def test_mixed_modes_become_rgb_when_resized() -> None:
    both = [Image.new("L", (3, 3), 7), Image.new("RGB", (5, 5), (1, 2, 3))]
    made = decoded(both, str, (2, 2), lambda done: None)
    assert made.shape == (2, 2, 2, 3)
    assert (made[0] == 7).all()
    assert (made[1] == [1, 2, 3]).all()


@pytest.mark.parametrize("second", [Image.new("L", (3, 4)), Image.new("RGB", (3, 3))])
def test_mixed_images_are_refused_by_name(second: Image.Image) -> None:
    images = [Image.new("L", (3, 3)), Image.new("L", (3, 3)), second]
    with pytest.raises(DataError, match=r"in number 2 and grey 3x3 in number 0; --image-size N"):
        decoded(images, lambda row: f"number {row}", None, lambda done: None)


@pytest.mark.parametrize("size", [0, -1, (3, 0)])
def test_image_size_out_of_range(size: Any) -> None:
    with pytest.raises(DataError, match="image size must be N or"):
        checked_size(size)


def test_image_size_is_a_side_or_both() -> None:
    assert checked_size(None) is None
    assert checked_size(5) == (5, 5)
    assert checked_size((4, 6)) == (4, 6)
