"""Pictures that look like those beside them are told of, and others are not."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from smidgen.data import DataWarning, from_arrays, load

Pixels = NDArray[np.uint8]


def told(images: Pixels, classes: int, **more: Any) -> list[str]:
    """Return the notes on pictures that look alike, where classes take turns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = from_arrays(images, np.arange(len(images)) % classes, **more)
    return [note for note in data.notes if "look alike" in note]


def noise(count: int, side: int = 8) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, side, side), np.uint8)


def film(count: int, classes: int) -> Pixels:
    """Return a walk of each class, whose frames differ a little from the one before."""
    steps = np.random.default_rng(0).integers(-9, 10, (count // classes, classes, 8, 8))
    return (128 + np.clip(steps.cumsum(0), -120, 120)).reshape(count, 8, 8).astype(np.uint8)


def test_neighbours_are_of_a_class_and_chance_is_told() -> None:
    """In 30 pictures of a class 4 others lie within 2 places: 4 of 29 is the share by chance."""
    (said,) = told(film(300, 10), 10)
    assert "within 2 places of 100 % of 300 pictures, by chance of 14 %" in said


@pytest.mark.filterwarnings("ignore:film. no test images")
def test_files_follow_each_other_as_people_count(tmp_path: Path) -> None:
    """As letters sort them, 10 and 100 stand between 1 and 2."""
    for name in "ab":
        (tmp_path / "film" / name).mkdir(parents=True)
    for number, pixels in enumerate(film(120, 2), 1):
        Image.fromarray(pixels).save(tmp_path / "film" / "ab"[number % 2] / f"{number}.png")
    with pytest.warns(DataWarning, match=r"look alike: .* within 2 places of 100 %"):
        load(tmp_path / "film")


def test_pictures_in_twos_are_no_film_where_chance_alone_is_a_fifth() -> None:
    """Half of them lie beside their like, which is less than two and a half times chance."""
    base = np.random.default_rng(0).integers(60, 200, (20, 8, 8))
    beside = np.r_[np.arange(10) // 2, 5 + np.arange(5), 5 + np.arange(5)]
    one = base[beside] + np.arange(20)[:, None, None] % 3
    assert not told(np.stack([one, 255 - one], 1).reshape(40, 8, 8).astype(np.uint8), 2)


def test_copies_beside_each_other_are_no_film() -> None:
    """They are on one side anyway."""
    twice = noise(120).reshape(60, 2, 8, 8).repeat(2, 0)
    assert not told(twice.reshape(240, 8, 8), 2)


def test_no_picture_is_its_own_neighbour_by_rounding() -> None:
    assert not told(noise(200, side=20), 2)


@pytest.mark.parametrize(("count", "said"), [(38, False), (40, True)])
def test_of_fewer_than_forty_pictures_nothing_is_said(count: int, said: bool) -> None:
    assert bool(told(film(count, 2), 2)) == said
