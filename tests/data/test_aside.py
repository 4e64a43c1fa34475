"""What is set aside to test on depends on each picture alone."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.conftest import pixels, png

from smidgen.data import DataError, load
from smidgen.data.aside import aside, content_key

NAMES = ("cat", "dog", "eel")


def keys(seed: int, count: int) -> list[bytes]:
    return [content_key(pixels(seed * 10_000 + number, 4, 4)) for number in range(count)]


def test_about_a_fifth_of_every_class() -> None:
    labels = [number % 3 for number in range(3_000)]
    chosen = np.array(aside(keys(0, 3_000), labels, NAMES))
    for number in range(3):
        assert 0.16 < chosen[np.array(labels) == number].mean() < 0.24


def test_pictures_more_move_no_other() -> None:
    old, labels = keys(1, 120), [number % 3 for number in range(120)]
    before = aside(old, labels, NAMES)
    more = keys(2, 60)
    after = aside([*more, *old], [number % 3 for number in range(60)] + labels, NAMES)
    assert after[60:] == before
    assert aside(old[:60], labels[:60], NAMES) == before[:60]


def test_copies_stay_together_even_in_two_classes() -> None:
    old = keys(3, 90)
    labels = [number % 3 for number in range(90)]
    chosen = aside([*old, *old], [*labels, *labels[1:], 0], NAMES)
    assert chosen[:90] == chosen[90:]


def test_every_class_has_both_sides_however_few_it_has() -> None:
    for seed in range(60):
        old, labels = keys(seed, 6), [0, 0, 1, 1, 2, 2]
        chosen = aside(old, labels, NAMES)
        for number in range(3):
            assert chosen[2 * number] != chosen[2 * number + 1]


def test_a_class_of_copies_is_a_class_of_one() -> None:
    old = keys(4, 5)
    with pytest.raises(DataError, match=r"'dog' has a single picture \(copies count as one\), and"):
        aside([*old, old[4]], [0, 0, 0, 0, 1, 1], NAMES)


def test_the_content_counts_and_not_the_file() -> None:
    grey = pixels(5, 9, 7)
    colour = Image.fromarray(np.stack([grey] * 3, axis=2))
    written = io.BytesIO()
    Image.fromarray(grey).save(written, "BMP")
    assert content_key(Image.open(written)) == content_key(colour) == content_key(grey)
    other = grey.copy()
    other[8, 6] ^= 1
    assert content_key(other) != content_key(grey)
    assert content_key(grey.reshape(7, 9)) != content_key(grey)


def test_pictures_of_sixteen_bits_differ_where_a_level_is_transparent() -> None:
    dark, light = (Image.fromarray(np.full((9, 7), level, np.uint16)) for level in (300, 60_000))
    dark.info["transparency"] = light.info["transparency"] = 0
    assert content_key(dark) != content_key(light)


def test_what_is_transparent_counts_however_it_is_kept() -> None:
    palette = Image.fromarray(pixels(0, 9, 7) % 4, "P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0])
    palette.info["transparency"] = 1
    clear = palette.convert("RGBA")
    assert content_key(palette) == content_key(clear)
    assert content_key(palette) != content_key(clear.convert("RGB"))


def test_of_a_class_all_above_or_all_below_the_share_the_nearest_to_it_changes_sides() -> None:
    keys = [bytes([n]) + bytes(15) for n in (200, 60, 90, 10, 40, 30)]
    assert aside(keys, [0, 0, 0, 1, 1, 1], NAMES) == [False, True, False, True, False, True]


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_from_folder_to_folder(tmp_path: Path) -> None:
    """Renamed, in another order, with more pictures and another size: the same are tested on."""
    for number in range(60):
        place = tmp_path / "a" / NAMES[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:02}.png").write_bytes(png(pixels(number, 40, 30)))
    first = load(tmp_path / "a", image_size="40x30")
    for number in range(60):
        place = tmp_path / "b" / NAMES[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{60 - number:02}.png").write_bytes(png(pixels(number, 40, 30)))
        if number < 30:
            (place / f"x{number:02}.png").write_bytes(png(pixels(900 + number, 80, 99)))
    second = load(tmp_path / "b", image_size="40x30")
    tested = {image.numpy().tobytes() for image in first.test.images}
    learned = {image.numpy().tobytes() for image in first.train.images}
    again = {image.numpy().tobytes() for image in second.test.images}
    assert len(second.test) > len(first.test)
    assert tested <= again
    assert not learned & again


def test_a_picture_of_two_classes_leaves_each_of_them_both_sides() -> None:
    low = [bytes([n]) + bytes(15) for n in (10, 20)]
    high = [bytes([n]) + bytes(15) for n in (100, 200)]
    assert aside([*low, low[1], high[1]], [0, 0, 1, 1], NAMES) == [False, True, True, False]
    assert aside([*high, low[0], high[0]], [0, 0, 1, 1], NAMES) == [False, True, True, False]
    one, two, three = *low, high[0]
    with pytest.raises(DataError, match="class 'cat' has no picture but those that are in other"):
        aside([one, two, two, three, three, one], [0, 0, 1, 1, 2, 2], NAMES)


def test_ten_of_many_classes_of_a_single_picture_are_named() -> None:
    names = [f"r{number:02}" for number in range(12)]
    keys = [bytes([number]) * 16 for number in range(12)]
    with pytest.raises(DataError, match=r"12 classes have .*: 'r00', .*'r09' and 2 more$"):
        aside(keys, range(12), names)
    with pytest.raises(DataError, match=r"2 classes have a single picture each \(copies count"):
        aside([keys[0], *keys[:2]], [0, 0, 1], names)
