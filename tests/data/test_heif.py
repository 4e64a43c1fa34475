"""HEIC pictures are read as others are where the extra is, and refused with its name elsewhere."""

import io
import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smidgen.data import DataError, DataWarning, load
from smidgen.data.base import Source
from smidgen.data.decode import open_picture

HEIC = b"\0\0\0\x18ftypheic" + bytes(99)
SIDE = 512  # of what is written, in tiles of 256 as a telephone does


def heic(image: Image.Image, **options: Any) -> bytes:
    library = pytest.importorskip("pillow_heif", reason="needs pillow-heif")
    written = io.BytesIO()
    library.from_pillow(image).save(written, quality=95, **options)
    return written.getvalue()


def halves() -> Image.Image:
    image = Image.new("RGB", (96, 64), (200, 30, 30))
    image.paste((30, 30, 200), (0, 0, 48, 64))
    return image


def test_without_its_package_the_refusal_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    said = r"^is a HEIC picture, which needs the package pillow-heif: pip install .*pillow-heif"
    with pytest.raises(DataError, match=said):
        open_picture(HEIC)


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_a_heic_picture_is_read_as_others_are(brand: bytes) -> None:
    raw = heic(halves()).replace(b"ftypheic", b"ftyp" + brand)
    image = open_picture(raw, (8, 8))
    assert image.size == (96, 64)
    assert np.abs(np.asarray(image, int) - np.asarray(halves(), int)).mean() < 4


def test_a_heic_picture_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    image = open_picture(heic(halves(), exif=exif.tobytes()))
    assert image.size == (64, 96)
    assert image.getpixel((32, 8))[2] > 150, "blue is above: its left is up, once and not twice"


def test_a_preview_in_it_does_not_stand_for_the_picture() -> None:
    large = Image.new("RGB", (1536, 1024), (200, 30, 30))
    assert open_picture(heic(large, thumbnails=[768]), (8, 8)).size == (1536, 1024)


def test_a_cut_off_heic_picture_is_refused_in_a_line() -> None:
    raw = heic(halves())
    for end in (40, 200, len(raw) - 20):
        with pytest.raises(DataError, match=r"^is no readable picture: ") as refused:
            open_picture(raw[:end])
        assert "\n" not in str(refused.value)


def bombed(raw: bytes, sides: int) -> bytes:
    """Return a picture of 64 x 64 of which 96 x 64 were shown, as one that is large inside."""
    at = raw.index(b"ispe") + 8
    return raw[:at] + struct.pack(">II", sides, sides) + raw[at + 8 :]


def lengthened(raw: bytes) -> bytes:
    """Return the same with a longer form of the box; the file is broken, which is seen later."""
    at = raw.index(b"ispe") - 4
    return raw[:at] + b"\0\0\0\1ispe" + struct.pack(">Q", 28) + raw[at + 8 :]


@pytest.mark.parametrize("form", [bytes, lengthened], ids=["short", "long"])
def test_what_is_large_inside_is_refused_before_it_is_decoded(
    form: Callable[[bytes], bytes],
) -> None:
    raw = form(bombed(heic(halves().crop((0, 0, 60, 40))), 20_000))
    with pytest.raises(DataError, match="20000 x 20000: 400 megapixels, of at most 64"):
        open_picture(raw)


def test_what_is_larger_than_it_says_is_no_picture() -> None:
    """The bound stands on what it reads: libheif decodes nothing larger, and nothing without it."""
    tiles = heic(Image.new("RGB", (SIDE, SIDE)), tile_size=256)
    (at,) = (
        found.start()
        for found in re.finditer(b"ispe", tiles)
        if struct.unpack_from(">II", tiles, found.start() + 8) == (SIDE, SIDE)
    )
    for raw in (
        bombed(heic(Image.new("RGB", (SIDE, SIDE))), 64),
        tiles[: at + 8] + struct.pack(">II", 64, 64) + tiles[at + 16 :],
        tiles[:at] + b"ispx" + tiles[at + 4 :],
    ):
        with pytest.raises(DataError, match=r"^is no readable picture: "):
            open_picture(raw)


def test_a_folder_with_heic_pictures_is_data(tmp_path: Path) -> None:
    for name, turned in (("cat", halves()), ("dog", halves().rotate(180))):
        of_class = tmp_path / "photos" / name
        of_class.mkdir(parents=True)
        (of_class / "IMG_1.HEIC").write_bytes(heic(turned))
        for n in range(2):
            turned.resize((48 + n, 32)).save(of_class / f"{n}.png")
    with pytest.warns(DataWarning, match="no test images"):
        data = load(tmp_path / "photos", image_size=8)
    assert sum(map(len, data.parts.values())) == 6


def test_what_was_left_out_without_the_package_is_read_with_it(
    image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []
    usual = Source.key

    def kept(source: Source, wish: Any) -> str:
        keys.append(usual(source, wish))
        return keys[-1]

    monkeypatch.setattr(Source, "key", kept)
    folder = image_folder({"train": {"cat": 2, "dog": 2}, "test": {"cat": 1, "dog": 1}})
    for there in (False, True):
        monkeypatch.setattr("smidgen.data.base.reads_heic", lambda there=there: there)
        for skip in (False, True):
            load(folder, skip_broken=skip)
    assert len(dict.fromkeys(keys)) == 3, "with the package, only what leaves out is another"
