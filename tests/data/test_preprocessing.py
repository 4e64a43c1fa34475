"""A picture becomes the same bytes wherever integers are integers."""

import io
import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from smidgen.data import DataError, Preprocessing
from smidgen.data.decode import open_picture
from smidgen.data.preprocessing import averaged

Bytes = npt.NDArray[np.uint8]


def drawn(seed: int, *shape: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def windows(n: int, m: int) -> list[tuple[int, int]]:
    """Return which of n pixels each of m is the mean of, by the rule that the docstring states."""
    if m >= n:
        return [((2 * i * n + n) // (2 * m), (2 * i * n + n) // (2 * m) + 1) for i in range(m)]
    borders = [(2 * i * n + m) // (2 * m) for i in range(m + 1)]
    return list(pairwise(borders))


def mean(values: list[int]) -> int:
    k = len(values)
    factor = (2 * 2**22 + k) // (2 * k)  # 2^22 / k, rounded
    return min((sum(values) * factor + 2**21) >> 22, 255)


def by_rows(pixels: Bytes, height: int, width: int) -> Bytes:
    """Return an area average made row by row, of Python's integers alone."""
    tall, wide, channels = pixels.shape
    rows = [
        [
            [mean([int(pixels[y, x, c]) for x in range(*w)]) for c in range(channels)]
            for w in windows(wide, width)
        ]
        for y in range(tall)
    ]
    result = [
        [[mean([rows[y][x][c] for y in range(*h)]) for c in range(channels)] for x in range(width)]
        for h in windows(tall, height)
    ]
    return np.array(result, np.uint8)


@given(
    tall=st.integers(1, 90),
    wide=st.integers(1, 90),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3, 2]),
    seed=st.integers(0, 2**32),
)
def test_integers_row_by_row_give_the_same_bits(
    tall: int, wide: int, height: int, width: int, channels: int, seed: int
) -> None:
    pixels = drawn(seed, tall, wide, channels)
    to = Preprocessing(height, width, "channels", channels)
    assert np.array_equal(to.pixels(pixels), by_rows(pixels, height, width))


def test_every_border_falls_where_the_rule_says() -> None:
    """A border halfway between two pixels is where rounding would differ."""
    for n in (*range(1, 30), 55, 64, 75, 89, 100, 125, 140):
        columns = np.eye(n, dtype=np.uint8)[:, :, None] * 255
        for m in (1, 2, 3, 5, 6, 8, 12, 14, 24, 32, 47, 49):
            seen = averaged(columns, n, m)[:, :, 0] > 0
            assert [(int(c.argmax()), int(c.argmax() + c.sum())) for c in seen.T] == windows(n, m)


def test_large_pictures_and_results_keep_the_rule() -> None:
    for n, m in ((20_000, 32), (65_535, 96), (65_535, 4_096), (4_096, 65_535), (3, 65_535)):
        line = drawn(n, 1, n, 1)
        assert np.array_equal(averaged(line, 1, m), by_rows(line, 1, m))


def test_a_picture_of_the_right_size_keeps_its_bytes() -> None:
    pixels = drawn(0, 8, 9, 3)
    to = Preprocessing(8, 9, "rgb", 3)
    assert np.array_equal(to.pixels(pixels), pixels)
    assert np.array_equal(to.pixels(Image.fromarray(pixels)), pixels)


@pytest.mark.parametrize(("tall", "wide"), [(60, 100), (100, 60), (33, 32), (1, 90)])
def test_crop_takes_the_middle(tall: int, wide: int) -> None:
    pixels = drawn(1, tall, wide, 3)
    side = min(tall, wide)
    top, left = (tall - side) // 2, (wide - side) // 2
    middle = pixels[top : top + side, left : left + side]
    to = Preprocessing(16, 16, "rgb", 3, fit="crop")
    assert np.array_equal(to.pixels(pixels), by_rows(middle, 16, 16))


@pytest.mark.parametrize(("background", "level"), [("black", 0), ("white", 255)])
def test_pad_puts_the_whole_picture_in_the_middle(background: Any, level: int) -> None:
    pixels = drawn(2, 30, 60, 1)
    to = Preprocessing(16, 20, "grey", 1, fit="pad", background=background)
    found = to.pixels(pixels)
    assert np.array_equal(found[3:13], by_rows(pixels, 10, 20))
    assert (found[:3] == level).all()
    assert (found[13:] == level).all()


def test_grey_is_made_of_colour_before_the_fit() -> None:
    pixels = drawn(3, 20, 20, 3)
    red, green, blue = (pixels[:, :, c].astype(int) for c in range(3))
    grey = ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)
    to = Preprocessing(7, 7, "grey", 1)
    assert np.array_equal(to.pixels(Image.fromarray(pixels)), by_rows(grey[:, :, None], 7, 7))


def test_a_grey_picture_for_a_net_of_colours_has_three_equal_channels() -> None:
    grey = drawn(4, 8, 8)
    found = Preprocessing(8, 8, "rgb", 3).pixels(Image.fromarray(grey))
    assert np.array_equal(found, np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize(("background", "level"), [("black", 0), ("white", 255)])
def test_transparent_pixels_show_the_background(background: Any, level: int) -> None:
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:2] = (9, 8, 7, 255)
    to = Preprocessing(4, 4, "rgb", 3, background=background)
    for found in (to.pixels(Image.fromarray(clear)), to.pixels(clear)):
        assert (found[:2] == (9, 8, 7)).all()
        assert (found[2:] == level).all()


def test_exif_turns_the_picture_before_anything_else() -> None:
    pixels = drawn(5, 6, 10, 3)
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    written = io.BytesIO()
    image.save(written, "PNG", exif=exif)
    turned = np.rot90(pixels, -1)
    to = Preprocessing(10, 6, "rgb", 3)
    assert np.array_equal(to.pixels(open_picture(written.getvalue())), turned)
    assert np.array_equal(to.pixels(Image.open(written)), turned)


def test_values_become_bytes_by_offset_and_scale_a_channel() -> None:
    to = Preprocessing(1, 4, "channels", 2, offset=(-1.0, 0.0), scale=(0.5, 16.0))
    values = np.array([[[-2.0, 8.0], [-1.0, 7.9], [0.0, 4095.0], [1e9, 24.0]]])
    assert to.pixels(values)[0].tolist() == [[0, 1], [0, 0], [2, 255], [255, 2]]


def test_a_picture_of_16_bits_is_read_by_the_range_of_the_model() -> None:
    deep = np.array([[0, 16, 4095]], np.uint16)
    to = Preprocessing(1, 3, "grey", 1, offset=(0.0,), scale=(4095 / 255,))
    assert to.pixels(Image.fromarray(deep)).ravel().tolist() == [0, 1, 255]
    with pytest.raises(DataError, match=r"must have more than 8 bits.* got one of mode L"):
        to.pixels(Image.new("L", (3, 1)))


@pytest.mark.parametrize(
    ("to", "wrong", "said"),
    [
        (Preprocessing(2, 2, "rgb", 3), np.zeros((2, 2, 3)), r"must hold bytes \(uint8\), got flo"),
        (Preprocessing(2, 2, "rgb", 3), np.zeros((2, 2, 5), np.uint8), "x 3, got 2 x 2 x 5"),
        (
            Preprocessing(1, 1, "grey", 1, offset=(0.0,), scale=(1.0,)),
            np.ones((1, 1), np.complex64),
            "real numbers, got complex64",
        ),
        (
            Preprocessing(1, 1, "grey", 1, offset=(0.0,), scale=(1.0,)),
            np.array([["7"]]),
            "real numbers, got <U1",
        ),
        (Preprocessing(2, 2, "channels", 2), np.zeros((2, 2, 3), np.uint8), "x 2, got 2 x 2 x 3"),
        (Preprocessing(2, 2, "channels", 2), Image.new("L", (2, 2)), "arrays of 2 channels, got a"),
        (Preprocessing(2, 2, "grey", 1), np.zeros(4, np.uint8), "must be height x width .* got 4"),
        (Preprocessing(2, 2, "grey", 1), np.zeros((0, 4), np.uint8), "must be height x width"),
        (
            Preprocessing(2, 2, "grey", 1, offset=(0.0,), scale=(1.0,)),
            np.full((2, 2), np.nan),
            "finite numbers, got NaN",
        ),
    ],
)
def test_what_is_no_picture_of_the_model_is_refused(
    to: Preprocessing, wrong: Any, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        to.pixels(wrong)


@given(
    sides=st.tuples(st.integers(1, 65_535), st.integers(1, 65_535)),
    fit=st.sampled_from(["stretch", "crop", "pad"]),
    background=st.sampled_from(["black", "white"]),
    offset=st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)),
    scale=st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)),
)
def test_it_survives_being_stored(
    sides: tuple[int, int], fit: Any, background: Any, offset: Any, scale: Any
) -> None:
    value = Preprocessing(*sides, "channels", 2, fit, background, offset, scale)
    assert Preprocessing.from_dict(json.loads(json.dumps(value.to_dict()))) == value


GOOD = Preprocessing(32, 32, "rgb", 3).to_dict()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"height": 0}, "height must be 1 to 65535, got 0"),
        ({"width": 1.5}, "'width' should be a valid integer, got 1.5"),
        ({"height": True}, "'height' should be a valid integer, got True"),
        ({"color": "bgr"}, "'color' should be 'grey', 'rgb' or 'channels', got 'bgr'"),
        ({"channels": 1}, "channels of rgb must be 3, got 1"),
        ({"channels": 10**9}, "channels must be 1 to 1024, got 1000000000"),
        ({"fit": "zoom"}, "'fit' should be 'stretch', 'crop' or 'pad', got 'zoom'"),
        ({"background": ""}, "'background' should be 'black' or 'white', got ''"),
        ({"scale": [1.0]}, "offset and scale must be 3 numbers each, or none"),
        ({"scale": [1, 1, 0], "offset": [0, 0, 0]}, "scale must be > 0"),
        ({"scale": [1, 1, 1], "offset": [0, 0, float("nan")]}, "offset must be finite"),
        ({"scale": "abc"}, "'scale' should be a valid tuple, got 'abc'"),
        ({"scale": ["a"]}, "'scale' should be a valid number"),
        ({"length": 96}, r"length must be 0 to 65,535 of windows, .* got 96 of 32x32"),
        ({"height": 1, "length": -1}, "length must be 0 to 65,535 of windows"),
        ({"length": 9.5}, "'length' should be a valid integer, got 9.5"),
        ({"names": ["x", "y", "z"]}, "names and interval are of windows, .* got them of 32x32"),
        ({"interval": 1.5}, "names and interval are of windows"),
        ({"height": 1, "names": ["x"]}, r"names must be 3 of at most 100 characters, .*'x'"),
        ({"height": 1, "names": ["x", "y", "z" * 101]}, "names must be 3 of at most 100 char"),
        ({"height": 1, "names": ["x", "y", None]}, "should be a valid string"),
        ({"height": 1, "interval": -1}, "interval must be >= 0 and finite, got -1"),
        ({"height": 1, "interval": float("nan")}, "interval must be >= 0 and finite, got nan"),
        (
            {"height": 1, "unit": "d"},
            "unit must be one of s, ms, us, ns, min, h, or empty, got 'd'",
        ),
        ({"sclae": []}, "preprocessing has no argument 'sclae'; did you mean 'scale'"),
    ],
)
def test_what_is_read_is_checked(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Preprocessing.from_dict({**GOOD, **change})
    with pytest.raises(DataError, match="must be a table"):
        Preprocessing.from_dict([])
    with pytest.raises(DataError, match="needs the argument 'width'"):
        Preprocessing.from_dict({"height": 3})


def test_the_length_that_windows_had_is_kept_and_changes_no_byte() -> None:
    short = Preprocessing(1, 32, "channels", 2)
    assert "length" not in short.to_dict()  # nor in what older versions wrote
    assert (short.native, replace(short, height=8).native) == ((1, 32), (8, 32))
    shrunk = replace(short, length=96)
    assert Preprocessing.from_dict(json.loads(json.dumps(shrunk.to_dict()))) == shrunk
    assert shrunk.text == "2 channels 1x32, stretched from 1x96"
    assert shrunk.native == shrunk.exchanged.native == (1, 96)
    assert replace(shrunk, height=32, width=1).native == (96, 1)
    window = np.arange(192, dtype=np.uint8).reshape(1, 96, 2)
    assert (shrunk.pixels(window) == short.pixels(window)).all()


def test_it_is_told_in_a_line() -> None:
    assert Preprocessing(32, 24, "rgb", 3, "crop", "black").text == (
        "RGB 32x24, cropped, transparent over black"
    )
    deep = Preprocessing(8, 8, "grey", 1, offset=(0.0,), scale=(4095 / 255,))
    assert deep.text == "grey 8x8, stretched, values 0 to 4095"
    channels = Preprocessing(1, 32, "channels", 6, "pad", "black")
    assert channels.text == "6 channels 1x32, padded with black"
    axes = Preprocessing(1, 64, "rgb", 3, offset=(-4.0,) * 3, scale=(8 / 255,) * 3)
    assert axes.text == "3 channels 1x64, stretched, values -4 to 4 in each channel"
    apart = replace(axes, scale=(8 / 255, 4 / 255, 8 / 255))
    assert apart.text.endswith(", values -4 to 4, -4 to 0, -4 to 4")


def test_sixteen_bits_become_the_nearest_of_eight() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    found = Preprocessing(256, 256, "grey", 1).pixels(Image.fromarray(every))
    assert np.array_equal(found[:, :, 0], np.rint(every / 257))
