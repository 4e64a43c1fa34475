"""What all pictures have in common is found, decided once and told; nothing is lost silently."""

import io
import struct
import weakref
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.data.conftest import pixels, png

from smidgen.data import Data, DataError, DataWarning, Preprocessing, load
from smidgen.data.catalogue import Encoded, Files
from smidgen.data.decode import loaded as decoded_of_others
from smidgen.data.decoding import AT_ONCE
from smidgen.data.survey import listed_sizes

# Says that two tags follow, of which the second one ends early.
HALF_A_TAG = b"Exif\0\0II*\0\x08\0\0\0\2\0" + struct.pack("<HHII", 0x0128, 3, 1, 2) + bytes(10)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes encoded pictures, in turn to cat and dog, in two parts."""

    def written(train: Sequence[bytes], test: Sequence[bytes] | None = None) -> Path:
        for part, contents in (("train", train), ("test", test or [png(pixels(9999, 6, 5))])):
            for number, content in enumerate(contents):
                place = tmp_path / "set" / part / ("cat", "dog")[number % 2]
                place.mkdir(parents=True, exist_ok=True)
                (place / f"{number:03}.img").write_bytes(content)
        return tmp_path / "set"

    return written


def loaded(folder: Path, **asked: Any) -> tuple[Data, str]:
    """Return the data of a folder and all that was told, in one text."""
    import warnings

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        data = load(folder, **asked)
    assert all(issubclass(one.category, DataWarning) for one in said)
    return data, "\n".join(str(one.message) for one in said)


def jpeg(seed: int, height: int, width: int, mode: str = "RGB", **options: Any) -> bytes:
    coarse = pixels(seed, 6, 6, 3)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return encoded(image.convert(mode), "JPEG", quality=85, **options)


def test_photographs_of_mixed_sizes_are_fitted_and_told(folder: Callable[..., Path]) -> None:
    sizes = [(480, 640)] * 5 + [(640, 480)] * 4 + [(300, 300)] * 2 + [(90, 120)]
    photos = [jpeg(number, *size) for number, size in enumerate(sizes)]
    data, said = loaded(folder(photos, [jpeg(99, 480, 640)]))
    assert data.shape == (3, 32, 32)
    assert data.preprocessing == Preprocessing(32, 32, "rgb", 3)
    assert (
        "pictures have the sizes (height x width) 90x120 to 640x480, median 480x640, 4 in all, most"
        " often 480x640 (6 pictures): each is stretched to 32x32 (--image-size N or HxW, or"
        " image_size=, for another)"
    ) in said
    first = data.preprocessing.pixels(Image.open(io.BytesIO(photos[0])))
    assert data.train.images[0].permute(1, 2, 0).equal(torch.from_numpy(first.copy()))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([(2, 3, 5), (3, 2, 4)], "5 of 2x3, 4 of 3x2"),
        ([(9, 9, 1), (2, 3, 1), (4, 4, 1)], "2x3 to 9x9, median 4x4, 3 in all"),
        (
            [(9, 9, 1_200), (2, 3, 1_000), (4, 4, 100)],
            "2x3 to 9x9, median 9x9, 3 in all, most often 9x9 (1,200 pictures)",
        ),
    ],
)
def test_many_sizes_are_told_as_a_range(sizes: list[tuple[int, int, int]], said: str) -> None:
    assert listed_sizes(sizes, 2) == said


def test_files_of_one_name_in_two_classes_are_told_apart(tmp_path: Path) -> None:
    for number in range(8):
        place = tmp_path / "set" / ("cat", "dog")[number % 2] / "2023 trip"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"IMG {number // 2}.png").write_bytes(png(pixels(number, 6, 5)))
    data, _ = loaded(tmp_path / "set")
    files = {*data.train.files, *data.test.files}
    assert files == {f"{of}/2023 trip/IMG {n}.png" for of in ("cat", "dog") for n in range(4)}


def test_a_size_and_a_fit_can_be_asked_for(folder: Callable[..., Path]) -> None:
    photos = [jpeg(number, 48, 60 + number) for number in range(4)]
    data, said = loaded(folder(photos), image_size="24x20", color="grey", fit="crop")
    assert data.preprocessing == Preprocessing(24, 20, "grey", 1, "crop")
    assert said == ""
    with pytest.raises(DataError, match="color must be one of grey, rgb, got 'bgr'"):
        load(folder(photos), color="bgr")


def test_few_large_pictures_among_many_small_ones(folder: Callable[..., Path]) -> None:
    small = [png(pixels(number, 20, 20)) for number in range(30)]
    data, said = loaded(
        folder([*small, png(pixels(77, 900, 900))], [png(pixels(5, 20, 20, 1)[:, :, 0])])
    )
    assert data.shape == (1, 20, 20)
    assert "1 of 900x900: each is stretched to 20x20" in said


@pytest.mark.parametrize(
    ("sides", "chosen"),
    [((28, 28), (28, 28)), ((64, 48), (64, 48)), ((96, 96), (32, 32)), ((96, 1), (96, 1))],
)
def test_pictures_of_one_size_keep_it_up_to_64(
    folder: Callable[..., Path], sides: tuple[int, int], chosen: tuple[int, int]
) -> None:
    data, said = loaded(
        folder([png(pixels(n, *sides)) for n in range(4)], [png(pixels(9, *sides))])
    )
    assert data.shape == (1, *chosen)
    assert (said == "") == (sides == chosen)


def test_what_breaks_in_decoding_is_counted_in_no_note(folder: Callable[..., Path]) -> None:
    grey, colour = pixels(1, 8, 9), pixels(2, 8, 9, 3)
    deep = [encoded(Image.fromarray(pixels(n, 8, 9).astype(np.uint16) * 257)) for n in (5, 6)]
    whole = [png(grey), png(colour), png(pixels(3, 8, 9)), png(pixels(4, 8, 9, 3))]
    broken = [png(grey)[:-30], deep[1][:-30]]  # of which the heads can be read
    place = folder([*whole, deep[0], *broken], [png(colour)])
    _, said = loaded(place, skip_broken=True)
    assert "3 of 6 pictures are grey" in said
    assert "1 of 6 pictures have more than 8 bits" in said
    assert "2 pictures cannot be used" in said


def test_damaged_exif_is_told_once_with_the_name_of_a_picture(
    folder: Callable[..., Path], recwarn: pytest.WarningsRecorder
) -> None:
    plain = [jpeg(n, 8, 9) for n in range(2)]
    place = folder([*plain, *(jpeg(n, 8, 9, exif=HALF_A_TAG) for n in (2, 3))], plain[:1])
    _, said = loaded(place)
    assert said.count("EXIF") == 1
    first = place / "train" / "cat" / "002.img"
    assert f"2 pictures have damaged EXIF, such as {first}: how they are turned may be" in said
    assert not recwarn.list


def test_grey_pictures_among_coloured_ones_are_told(folder: Callable[..., Path]) -> None:
    data, said = loaded(
        folder([png(pixels(0, 6, 5)), png(pixels(1, 6, 5, 3)), png(pixels(2, 6, 5, 3))])
    )
    assert data.shape == (3, 6, 5)
    assert "2 of 4 pictures are grey, the others in colour: all are taken as RGB" in said


@pytest.mark.parametrize(("ink", "over"), [(255, "black"), (0, "white")])
def test_what_is_transparent_is_composed_over_what_keeps_the_picture(
    folder: Callable[..., Path], ink: int, over: str
) -> None:
    drawings: list[bytes] = []
    for number in range(4):
        drawing = np.full((8, 8, 4), ink, np.uint8)
        drawing[:, :, 3] = 0
        drawing[number : number + 3, 2:6, 3] = 255
        drawings.append(png(drawing))
    data, said = loaded(folder(drawings[:3], drawings[3:]))
    assert f"4 pictures are transparent: they are composed over {over}" in said
    assert data.preprocessing.background == over
    assert all(image.float().std() > 50 for image in data.train.images)


def test_twelve_bits_in_sixteen_are_scaled_by_the_range_of_training(
    folder: Callable[..., Path],
) -> None:
    deep = [
        png(np.random.default_rng(n).integers(0, 4096, (6, 5)).astype(np.uint16)) for n in range(4)
    ]
    highest = png(np.full((6, 5), 4095, np.uint16))
    beyond = png(np.full((6, 5), 60_000, np.uint16))  # of the test part: it has no say
    data, said = loaded(folder([*deep, highest], [beyond]))
    assert "values are no bytes: " in said
    assert " to 4095 in the training pictures" in said
    assert data.preprocessing.offset[0] + 255 * data.preprocessing.scale[0] == 4095
    assert data.train.images.max() == 255
    assert data.train.images.float().mean() > 90
    assert (data.test.images == 255).all()
    told = "the test pictures, 60000 to 60000, seem to be in another unit than those trained on"
    assert told in said
    again, said = loaded(folder([*deep, highest], [beyond]), preprocessing=data.preprocessing)
    assert told in said
    assert again.fingerprint == data.fingerprint


def test_sixteen_bits_among_eight_are_told(folder: Callable[..., Path]) -> None:
    deep = png(np.full((6, 5), 257 * 9, np.uint16))
    data, said = loaded(folder([png(pixels(0, 6, 5)), deep]))
    assert "1 of 3 pictures have more than 8 bits: they are taken by the range of 16 bits" in said
    assert (data.train.images[1] == 9).all()
    told = "the greatest value of pictures of more than 8 bits is 2,313, which is 9 of 255"
    assert told in said
    bytewise = replace(data.preprocessing, height=6, width=5)
    assert told in loaded(folder([deep, deep]), preprocessing=bytewise)[1]
    bright = png(np.full((6, 5), 60_000, np.uint16))
    assert told not in loaded(folder([png(pixels(0, 6, 5)), bright]))[1]


def deep_png(values: npt.NDArray[np.uint16], **chunks: bytes) -> bytes:
    """Return a PNG h w c of 16 bits a channel, as Pillow writes none of several."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    all_chunks = {"IHDR": head, **chunks, "IDAT": zlib.compress(rows), "IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(of))
        + name.encode()
        + of
        + struct.pack(">I", zlib.crc32(name.encode() + of))
        for name, of in all_chunks.items()
    )


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_sixteen_bits_are_told(folder: Callable[..., Path], channels: int) -> None:
    deep = deep_png(np.full((6, 5, channels), 9, np.uint16))
    _, said = loaded(folder([png(pixels(0, 6, 5, 3)), deep], [png(pixels(1, 6, 5, 3))]))
    assert (
        "1 picture has 16 bits in each of several channels, of which the upper 8 are taken" in said
    )


def test_grey_of_sixteen_bits_keeps_them_beside_alpha_that_hides_nothing(
    folder: Callable[..., Path],
) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (5, 6, 5, 1), dtype=np.uint16)
    alpha = np.full((5, 6, 5, 1), 65_535, np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = {"eXIf": exif.tobytes().removeprefix(b"Exif\0\0")}
    for chunks in ({}, turned):
        plain = [deep_png(picture, **chunks) for picture in values]
        with_alpha = [deep_png(picture, **chunks) for picture in np.concatenate([values, alpha], 3)]
        no_level = [deep_png(picture, **chunks, tRNS=b"\xff\xff") for picture in values]
        one, said = loaded(folder(plain[:3], plain[3:]))
        for others in (with_alpha, no_level):
            other, said_too = loaded(folder(others[:3], others[3:]))
            assert said == said_too
            assert one.fingerprint == other.fingerprint
        assert one.shape == ((1, 5, 6) if chunks else (1, 6, 5))


@pytest.mark.parametrize("level", [None, 300])  # that is transparent, or alpha says what is
def test_grey_of_sixteen_bits_with_transparent_pixels_stays_grey_and_is_told(
    folder: Callable[..., Path], level: int | None
) -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (6, 5, 2), dtype=np.uint16)
    deep = deep_png(values)
    if level is not None:
        values[:3, :, 0], values[:3, :, 1], values[3:, :, 1] = level, 0, 65_535
        deep = deep_png(values[:, :, :1], tRNS=struct.pack(">H", level))
    shallow = Image.fromarray((values >> 8).astype(np.uint8), "LA")
    one, said = loaded(folder([deep, png(pixels(0, 6, 5))], [png(pixels(1, 6, 5))]))
    other, _ = loaded(folder([encoded(shallow), png(pixels(0, 6, 5))], [png(pixels(1, 6, 5))]))
    assert one.fingerprint == other.fingerprint
    assert one.preprocessing.color == "grey"
    assert (
        "1 picture has 16 bits in each of several channels, of which the upper 8 are taken" in said
    )
    assert "1 picture is transparent" in said


def test_a_picture_that_somebody_opened_stays_as_it_is() -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (6, 5, 2), dtype=np.uint16)
    own, expected = (Image.open(io.BytesIO(deep_png(values))) for _ in range(2))
    for _ in range(2):
        assert decoded_of_others(own).tobytes() == expected.tobytes()


def test_colours_of_sixteen_bits_in_a_tiff_are_told(folder: Callable[..., Path]) -> None:
    tags = [(256, 5), (257, 6), (258, 122), (259, 1), (262, 2), (273, 128), (277, 3), (278, 6)]
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in [*tags, (279, 180)]]
    entries[2] = struct.pack("<HHII", 258, 3, 3, 122)
    deep = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4)
    deep += struct.pack("<3H", 16, 16, 16) + bytes([0, 9] * 90)
    data, said = loaded(folder([png(pixels(0, 6, 5, 3)), deep], [png(pixels(1, 6, 5, 3))]))
    assert data.train.images[1].unique().tolist() == [9]
    assert (
        "1 picture has 16 bits in each of several channels, of which the upper 8 are taken" in said
    )
    _, said = loaded(folder([encoded(Image.fromarray(pixels(n, 6, 5, 3)), "TIFF") for n in (0, 1)]))
    assert "16 bits" not in said


def test_a_tiff_is_turned_once_before_its_size_counts(folder: Callable[..., Path]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = [encoded(Image.fromarray(pixels(n, 40, 30, 3)), "TIFF", exif=exif) for n in range(3)]
    data, said = loaded(folder(turned, [png(pixels(9, 30, 40, 3))]))
    assert (data.shape, said) == ((3, 30, 40), "")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "PNG with EXIF as text", "TIFF"])
def test_a_head_is_of_a_picture_as_it_stands(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"exif": exif}
    if kind.endswith("text"):
        options["pnginfo"] = text = PngInfo()
        text.add_text("Raw profile type exif", f"\nexif\n0\n{exif.tobytes().hex()}", zip=True)
        del options["exif"]
    path = tmp_path / "one.img"
    path.write_bytes(encoded(Image.fromarray(pixels(0, 7, 5, 3)), kind.split()[0], **options))
    head, picture = Files([path]).head(0), Files([path]).picture(0, None)
    assert (head.height, head.width) == (picture.height, picture.width)
    assert (head.height, head.width) == ((5, 7) if orientation > 4 else (7, 5))


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


XMP = b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'


@pytest.mark.parametrize("kind", ["eXIf", "iTXt"])
@pytest.mark.parametrize("behind", [True, False])
@pytest.mark.parametrize("source", [Files, Encoded])
def test_a_png_may_say_behind_its_pixels_how_it_is_turned(
    tmp_path: Path, source: Any, kind: str, *, behind: bool
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = chunk(
        kind.encode(), exif.tobytes().removeprefix(b"Exif\0\0") if kind == "eXIf" else XMP
    )
    written = png(pixels(0, 70, 90))  # of more bytes than are read at first
    at = len(written) - 12 if behind else written.index(b"IDAT") - 4
    path = tmp_path / "one.png"
    path.write_bytes(written[:at] + turned + written[at:])
    pictures = Files([path]) if source is Files else Encoded([path.read_bytes()], str)
    head, picture = pictures.head(0), pictures.picture(0, None)
    assert (head.height, head.width) == (picture.height, picture.width) == (90, 70)
    path.write_bytes(written[:-99])
    assert Files([path]).head(0)[:2] == (70, 90)  # that it is broken is told when it is decoded


@pytest.mark.parametrize(("shape", "colour"), [((6, 5), 9), ((6, 5, 3), (9, 9, 9))])
def test_one_colour_may_be_the_transparent_one(
    tmp_path: Path, shape: tuple[int, ...], colour: Any
) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(encoded(Image.fromarray(pixels(0, *shape)), transparency=colour))
    assert Files([path]).head(0).alpha
    path.write_bytes(png(pixels(0, *shape)))
    assert not Files([path]).head(0).alpha


def test_copies_between_parts_are_told_with_how_many(folder: Callable[..., Path]) -> None:
    train = [png(pixels(number, 6, 5)) for number in range(6)]
    same = encoded(Image.fromarray(pixels(0, 6, 5)), "BMP")
    _, said = loaded(folder(train, [same, train[3], png(pixels(50, 6, 5))]))
    assert "2 pictures to judge on are also trained on, such as " in said


def test_a_picture_in_two_classes_is_told(folder: Callable[..., Path]) -> None:
    train = [png(pixels(number, 6, 5)) for number in range(6)]
    train[5] = train[0]
    _, said = loaded(folder(train))
    assert "1 picture is in two classes, such as " in said
    assert "('cat') and " in said


def test_uneven_classes_are_told(tmp_path: Path) -> None:
    for number in range(42):
        place = tmp_path / "train" / ("ok" if number < 40 else "bad")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(png(pixels(number, 6, 5)))
    (tmp_path / "test" / "ok").mkdir(parents=True)
    (tmp_path / "test" / "ok" / "a.png").write_bytes(png(pixels(99, 6, 5)))
    _, said = loaded(tmp_path)
    assert "classes are uneven: 95 % of the training pictures are 'ok', 2 are 'bad'" in said


def test_exif_turns_a_photograph_before_its_size_counts(folder: Callable[..., Path]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = [jpeg(n, 40, 30, exif=exif) for n in range(3)]
    data, said = loaded(folder(turned, [jpeg(9, 30, 40)]))
    assert (data.shape, said) == ((3, 30, 40), "")


def test_a_run_decides_what_pictures_go_through(folder: Callable[..., Path]) -> None:
    photos = [jpeg(number, 48, 60 + number) for number in range(4)]
    how = Preprocessing(10, 12, "grey", 1, "pad", "black")
    data, said = loaded(folder(photos), preprocessing=how)
    assert (data.preprocessing, data.shape, said) == (how, (1, 10, 12), "")
    with pytest.raises(DataError, match="size and colour are those of the run, grey 10x12"):
        load(folder(photos), preprocessing=how, image_size=4)


def test_the_cache_keeps_each_preprocessing_apart(folder: Callable[..., Path]) -> None:
    photos = folder([jpeg(number, 20, 30) for number in range(4)], [jpeg(9, 20, 30)])
    wishes: list[dict[str, Any]] = [
        {},
        {"color": "grey"},
        {"image_size": 9},
        {"image_size": 9, "fit": "crop"},
        {"image_size": 9, "fit": "pad"},
    ]
    prints = {load(photos, **asked).fingerprint for _ in range(2) for asked in wishes}
    assert len(prints) == 5
    again = load(photos, color="grey")
    assert again.preprocessing == Preprocessing(20, 30, "grey", 1)


def test_many_broken_pictures_are_counted_and_ten_are_named(folder: Callable[..., Path]) -> None:
    whole = png(pixels(0, 6, 5))
    place = folder([whole, *[png(pixels(n, 6, 5))[:60] for n in range(1, 25)]])
    with pytest.raises(DataError) as refused:
        load(place)
    said = str(refused.value)
    # Without a name that says picture, content decides: these begin like pictures.
    assert said.startswith("24 of 26 pictures cannot be used: ")
    assert said.count("is no readable picture") == 10
    assert "; and 14 more (--skip-broken, or skip_broken=True, leaves them out)" in said


def test_copies_between_training_and_validation_are_told(folder: Callable[..., Path]) -> None:
    place = folder([png(pixels(number, 6, 5)) for number in range(40)])
    (place / "test").rename(place / "val")
    (place / "val" / "cat" / "000.img").write_bytes(png(pixels(0, 6, 5)))
    (place / "val" / "cat" / "001.img").write_bytes(png(pixels(1, 6, 5)))
    data, said = loaded(place)
    learned = {image.numpy().tobytes() for image in data.train.images}
    assert data.validation is not None
    copies = sum(image.numpy().tobytes() in learned for image in data.validation.images)
    assert f"{copies} pictures to judge on are also trained on, such as " in said


def test_transparent_pictures_are_not_all_in_memory_to_find_what_they_lie_on(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
    most = 0
    original = Files.picture

    def picture(self: Files, number: int, size: tuple[int, int] | None) -> Any:
        nonlocal most
        image = original(self, number, size)
        alive[id(image)] = image
        most = max(most, len(alive))
        return image

    monkeypatch.setattr(Files, "picture", picture)
    _, said = loaded(folder([png(pixels(number, 6, 5, 4)) for number in range(60)]))
    assert "60 pictures are transparent" in said
    assert most <= 2 * AT_ONCE


def test_more_classes_than_a_net_may_have_are_refused(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder([png(pixels(seed, 6, 5)) for seed in range(4)])
    monkeypatch.setattr("smidgen.data.labelled.CHANNELS", 1)
    with pytest.raises(DataError, match="set must have at most 1 classes, got 2: is what was read"):
        load(place)
