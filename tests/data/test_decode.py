"""Strangers' pictures are decoded within limits, or refused in a line."""

import io
import struct
import warnings
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smidgen import limits
from smidgen.data import DataError, Preprocessing, decode
from smidgen.data.decode import open_picture
from smidgen.data.preprocessing import pillow_heard


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def in_a_scan_a_channel(width: int, height: int) -> bytes:
    """Return a grey JPEG that is not progressive, each of its three channels in its own scan."""

    def segment(kind: int, content: bytes) -> bytes:
        return b"\xff" + bytes([kind]) + struct.pack(">H", len(content) + 2) + content

    one_code = bytes([1, *[0] * 15]) + b"\0"  # a bit that says that there is nothing
    bits = 2 * -(-width // 8) * -(-height // 8)
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    return b"".join(
        (
            b"\xff\xd8",
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(0xC0, frame),
            segment(0xC4, b"\0" + one_code),
            segment(0xC4, b"\x10" + one_code),
            *(segment(0xDA, bytes([1, c, 0, 0, 63, 0])) + bytes(-(-bits // 8)) for c in (1, 2, 3)),
            b"\xff\xd9",
        )
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_the_content_decides_and_not_the_name(kind: str, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(encoded(Image.new("RGB", (5, 4), (9, 99, 9)), kind))
    image = open_picture(tmp_path / "picture").convert("RGB")
    assert image.size == (5, 4)
    assert abs(image.getpixel((0, 0))[1] - 99) <= 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "^is an empty file$"),
        (b"hello", "^is no readable picture: its content is of no known format$"),
        (encoded(Image.new("RGB", (99, 99), "red"))[:90], "^is no readable picture: "),
        (b"\0\0\0\x18ftypheic" + bytes(99), "^is (a HEIC|no readable) picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "no known format"),
    ],
    ids=["empty", "text", "cut off", "heic", "a program in PostScript"],
)
def test_what_is_no_picture_is_refused_in_a_line(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        open_picture(content)
    assert "\n" not in str(refused.value)
    assert "BytesIO" not in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^cannot be read: No such file"):
        open_picture(tmp_path / "missing.png")


def test_a_picture_that_would_fill_the_memory_is_refused_and_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    huge = encoded(Image.new("1", (12_000, 12_000)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="12000 x 12000: 144 megapixels, of at most 64"):
            open_picture(huge)
    monkeypatch.setattr(decode, "PICTURE", 12_000 * 12_000)
    assert open_picture(huge).size == (12_000, 12_000)


@pytest.mark.parametrize(("size", "decoded"), [(None, (1250, 1050)), ((32, 32), (625, 525))])
def test_a_jpeg_of_a_telephone_is_decoded_to_what_has_room(
    size: tuple[int, int] | None, decoded: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "PICTURE", 4_000_000)
    huge = Image.new("RGB", (2500, 2100))
    assert open_picture(encoded(huge, "JPEG"), size).size == decoded
    several = encoded(huge, "MPO", save_all=True, append_images=[Image.new("RGB", (160, 120))])
    assert open_picture(several, size).size == decoded
    # These lie in memory whole, whatever is asked for.
    for whole in (encoded(huge, "JPEG", progressive=True), in_a_scan_a_channel(2500, 2100)):
        with pytest.raises(DataError, match="2500 x 2100: 5 megapixels, of at most 4"):
            open_picture(whole, size)
    monkeypatch.setattr(decode, "LARGE_JPEG", 5_000_000)
    with pytest.raises(DataError, match="2500 x 2100: 5 megapixels, of at most 5"):
        open_picture(encoded(huge, "JPEG"), size)


def test_a_jpeg_of_two_hundred_megapixels_is_decoded_in_half() -> None:
    assert limits.LARGE_JPEG / 4 <= limits.PICTURE
    assert Image.MAX_IMAGE_PIXELS == 2**30 // 12  # Pillow's own, whatever was opened before
    huge = encoded(Image.new("L", (16_320, 12_240)), "JPEG")
    assert open_picture(huge).size == (8_160, 6_120)
    assert Image.MAX_IMAGE_PIXELS == 2**30 // 12  # it is everybody's


def test_a_large_jpeg_is_decoded_small_with_the_same_average() -> None:
    # Blobs, as photographs have them: noise of single pixels would average to a plain grey.
    coarse = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((4000, 3000), Image.Resampling.BICUBIC)
    jpeg = encoded(photo, "JPEG", quality=90)
    small = open_picture(jpeg, (32, 32))
    assert small.size == (1000, 750)
    to = Preprocessing(32, 32, "rgb", 3)
    whole = to.pixels(np.asarray(Image.open(io.BytesIO(jpeg))))
    apart = np.abs(to.pixels(small).astype(int) - whole)
    assert apart.max() <= 4  # at the edges of blobs of black beside white
    assert apart.mean() < 0.7


def test_a_small_jpeg_is_decoded_whole() -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (640, 640), dtype=np.uint8))
    jpeg = encoded(image, "JPEG")
    whole = np.asarray(Image.open(io.BytesIO(jpeg)))
    assert np.array_equal(np.asarray(open_picture(jpeg, (32, 32))), whole)


def test_a_large_jpeg_is_decoded_whole_where_no_size_is_asked() -> None:
    jpeg = encoded(Image.new("RGB", (4000, 3000)), "JPEG")
    assert open_picture(jpeg).size == (4000, 3000)


def test_a_net_that_takes_large_pictures_gets_them() -> None:
    jpeg = encoded(Image.new("RGB", (4000, 3000)), "JPEG")
    assert open_picture(jpeg, (96, 96)).size == (2000, 1500)
    assert open_picture(jpeg, (400, 20)).size == (4000, 3000)


def with_scans(encoded: bytes, more: int) -> bytes:
    """Return a JPEG with its last scan again, so many times."""
    last, end = encoded.rindex(b"\xff\xda"), encoded.rindex(b"\xff\xd9")
    return encoded[:last] + encoded[last:end] * (1 + more) + encoded[end:]


def test_a_jpeg_of_many_scans_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.SCANNED >= 20 * limits.PICTURE, "usual ones have some ten"
    usual = encoded(Image.new("L", (64, 48), 128), "JPEG", progressive=True)
    scans = usual.count(b"\xff\xda")
    monkeypatch.setattr(decode, "SCANNED", 64 * 48 * scans + 1)
    # What a comment holds is no scan, nor what follows the end, as a preview does.
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 40) + b"\xff\xda" * 20
    for fine in (
        usual,
        usual[:2] + comment + usual[2:],
        usual + b"\0\2" + usual,
        encoded_in_rows(),
    ):
        assert open_picture(fine).size == (64, 48)
    for more in (1, 30):
        said = f"64 x 48 in {scans + more} scans, of at most {scans}: save it again"
        with pytest.raises(DataError, match=said):
            open_picture(with_scans(usual, more))


def test_scans_of_a_channel_each_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "SCANNED", 64 * 48 * 3)
    several = in_a_scan_a_channel(64, 48)
    assert open_picture(several).size == (64, 48)
    with pytest.raises(DataError, match="64 x 48 in 8 scans, of at most 3"):
        open_picture(with_scans(several, 5))


def encoded_in_rows() -> bytes:
    """Return a JPEG of one scan, of which as many may follow as there are: none is decoded."""
    return with_scans(encoded(Image.new("L", (64, 48), 128), "JPEG"), 0) + b"\xff\xda" * 50


def test_what_another_thread_warns_of_is_not_taken_for_pillow_s() -> None:
    def warn_elsewhere() -> None:
        thread = Thread(target=warnings.warn, args=("of mine",))
        thread.start()
        thread.join()

    with pytest.warns(UserWarning, match="^of mine$"), pillow_heard() as heard:
        warn_elsewhere()
    assert not heard
