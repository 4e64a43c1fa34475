"""A camera's frame becomes the bytes that Python makes of it, on this machine and on a board."""

import shutil
import struct
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from smidgen import layers
from smidgen.data import Preprocessing
from smidgen.data.preprocessing import Background, opaque, to_bytes
from smidgen.export.c.emulate import WARNINGS, run_program, write_source
from smidgen.export.c.footprint import dummy_source
from smidgen.export.c.frames import FORMATS, Format, picture_of, rgb565
from smidgen.export.c.picture import described, picture_header
from smidgen.layers import Shape
from smidgen.spec import NetSpec

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

needs_board = pytest.mark.skipif(
    None in [shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm")],
    reason="needs Debian's gcc-arm-none-eabi, libnewlib and qemu-system-arm",
)

SEEN = {
    "stretched": Preprocessing(9, 12, "rgb", 3),
    "cropped": Preprocessing(12, 9, "rgb", 3, fit="crop"),
    "padded": Preprocessing(9, 12, "rgb", 3, fit="pad", background="black"),
    "grey, cropped": Preprocessing(9, 12, "grey", 1, fit="crop"),
    "grey, padded": Preprocessing(12, 9, "grey", 1, fit="pad"),
    "turned, padded": Preprocessing(12, 9, "rgb", 3, fit="pad", turned=True),
    "turned, cropped": Preprocessing(12, 9, "grey", 1, fit="crop", turned=True),
}
CHECKED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
MAIN = """
#include <stdio.h>
#include "net.h"
#include "net_picture.h"
static uint8_t bytes[1 << 20];
int main(void) {
  uint32_t head[8];
  static net_frame frame;
  FILE *in = fopen("frames.bin", "rb"), *out = fopen("rows.bin", "wb");
  if (!in || !out) return 2;
  while (fread(head, sizeof head, 1, in) == 1) {
    if (fread(bytes, 1, head[2], in) != head[2]) return 3;
    frame.bytes = bytes;
    if (!net_frame_set(&frame, head[0], head[6], (head[7] + 1) / 2 * 2, head[1])) return 5;
    frame.top = head[4], frame.left = head[5], frame.width = head[7];
    for (int row = 0; row < NET_HEIGHT; row++) {
      const uint8_t *made = net_frame_row(&frame, row);
      if (fwrite(made, 1, sizeof frame.row, out) != sizeof frame.row) return 4;
    }
  }
  return fclose(out);
}
"""


@dataclass(frozen=True)
class Frame:
    """A frame and the part of it that is looked at."""

    content: bytes
    form: Format
    height: int
    width: int
    stride: int
    top: int
    left: int
    tall: int
    wide: int

    def packed(self) -> bytes:
        part = (self.top, self.left, self.tall, self.wide)
        known = (*FORMATS[:6], "channels", *FORMATS[6:])  # as picture.h counts them
        numbers = (known.index(self.form), self.stride, len(self.content), 0, *part)
        return struct.pack("<8I", *numbers) + self.content

    def seen_by(self, seen: Preprocessing) -> NDArray[np.uint8]:
        """Return what Python's door makes of the same part."""
        picture = picture_of(
            self.content,
            self.form,
            self.height,
            self.width,
            stride=self.stride,
            grey=seen.color == "grey",
        )
        rows, columns = (
            slice(self.top, self.top + self.tall),
            slice(self.left, self.left + self.wide),
        )
        if isinstance(picture, Image.Image):
            box = (self.left, self.top, self.left + self.wide, self.top + self.tall)
            return seen.pixels(picture.crop(box))
        return seen.pixels(np.ascontiguousarray(picture[rows, columns]))


def frames() -> list[Frame]:
    """Return frames of every format: enlarged and shrunk, with a stride, in part, of noise."""
    made: list[Frame] = []
    generator = np.random.default_rng(1)
    for form in FORMATS:
        size = {"grey": 1, "rgb888": 3, "bgr888": 3, "rgbx8888": 4, "bgrx8888": 4}.get(form, 2)
        for height, width, more, part in (
            (60, 80, 0, None),
            (37, 50, 7, None),
            (9, 12, 0, None),
            (5, 4, 3, None),
            (90, 30, 0, None),
            (48, 64, 6, (3, 5, 31, 40)),
            (48, 64, 0, (40, 0, 1, 63)),
        ):
            stride = width * size + more
            content = generator.integers(0, 256, stride * height, np.uint8).tobytes()
            place = part or (0, 0, height, width)
            made.append(Frame(content, form, height, width, stride, *place))
    return made


def prepare(seen: Preprocessing, folder: Path) -> None:
    body = (layers.Conv(2), layers.GlobalAveragePool(), layers.Classifier(2))
    spec = NetSpec(Shape(seen.channels, seen.height, seen.width), body)
    made = described(dummy_source(spec), seen, ("a", "b"))
    write_source(made, folder)
    (folder / "net_picture.h").write_text(picture_header(made, seen))
    (folder / "main.c").write_text(MAIN)
    (folder / "frames.bin").write_bytes(b"".join(frame.packed() for frame in frames()))


def require_same(seen: Preprocessing, folder: Path) -> None:
    found = np.fromfile(folder / "rows.bin", np.uint8)
    found = found.reshape(-1, seen.height, seen.width, seen.channels)
    assert len(found) == len(frames())
    for frame, rows in zip(frames(), found, strict=True):
        what = str(replace(frame, content=b""))
        np.testing.assert_array_equal(rows, frame.seen_by(seen), what)


@pytest.mark.parametrize("name", SEEN)
def test_a_frame_is_what_python_makes_of_it_on_this_machine(name: str, tmp_path: Path) -> None:
    prepare(SEEN[name], tmp_path)
    command = ["gcc", *WARNINGS, *CHECKED, "-O1", "main.c", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run(["./main"], cwd=tmp_path, check=True)
    require_same(SEEN[name], tmp_path)


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("name", ["cropped", "grey, padded"])
def test_a_frame_is_what_python_makes_of_it_on_a_board(name: str, tmp_path: Path) -> None:
    prepare(SEEN[name], tmp_path)
    run_program(tmp_path, ["main.c", "net.c"])
    require_same(SEEN[name], tmp_path)


def test_yuv_becomes_what_pillow_makes_of_it() -> None:
    frame = bytes([81, 90, 81, 240, 145, 54, 145, 34])  # a red and a green as YUV
    picture = picture_of(frame, "yuyv", 2, 2)
    colors = np.asarray(picture.convert("RGB"))
    assert colors[0, 0, 0] > 200 > colors[0, 0, 1]
    assert colors[1, 0, 1] > 200 > colors[1, 0, 0]
    swapped = bytes(frame[i ^ 1] for i in range(8))
    assert np.array_equal(picture_of(swapped, "uyvy", 2, 2), picture)


def test_rgb565_keeps_black_white_and_the_high_bits() -> None:
    colors = np.array([[[0, 0, 0], [255, 255, 255], [200, 100, 50]]], np.uint8)
    packed = rgb565(colors)
    assert np.abs(picture_of(packed, "rgb565-be", 1, 3).astype(int) - colors).max() <= 7
    assert picture_of(packed, "rgb565-be", 1, 3)[0, :2].tolist() == [[0] * 3, [255] * 3]
    other = bytes(packed[i ^ 1] for i in range(6))
    assert np.array_equal(
        picture_of(other, "rgb565-le", 1, 3), picture_of(packed, "rgb565-be", 1, 3)
    )


@pytest.mark.parametrize(
    ("form", "width", "stride", "message"),
    [
        ("rgb", 4, None, "format must be one of grey, rgb888"),
        ("yuyv", 3, None, "width of yuyv must be even, got 3"),
        ("rgb888", 4, 11, "stride must be >= 12 bytes, got 11"),
        ("grey", 4, 40, "a frame of 3 rows must have more bytes than 24"),
    ],
)
def test_a_frame_that_cannot_be_is_refused(
    form: str, width: int, stride: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        picture_of(bytes(24), form, 3, width, stride=stride)


GOOD = "NET_FRAME(camera, NET_FRAME_RGB565_BE, 240, 320, 640)"


@pytest.mark.parametrize("standard", ["c99", "c11", "c++17"])
@pytest.mark.parametrize(
    ("said", "sentence", "name"),
    [
        (GOOD.replace("640", "639"), "the stride must be at least the bytes of a row", "stride"),
        (
            GOOD.replace("NET_FRAME_RGB565_BE", "10"),
            "the format must be one of NET_FRAME_",
            "format",
        ),
        (
            "NET_FRAME(camera, NET_FRAME_YUYV, 240, 321, 700)",
            "the width of a YUV422 frame must be even",
            "odd_width",
        ),
        (
            "NET_FRAME_PART(camera, NET_FRAME_GREY, 240, 320, 320, 0, 300, 240, 21)",
            "the part that is looked at must lie inside the frame",
            "not_inside",
        ),
        (GOOD.replace("320", "199999999").replace("640", "400000000"), "below 2^30", "too_large"),
    ],
)
def test_a_camera_that_cannot_be_is_a_sentence_at_compile_time(
    said: str, sentence: str, name: str, standard: str, tmp_path: Path
) -> None:
    prepare(SEEN["cropped"], tmp_path)
    compiler = ["g++", "-x", "c++"] if standard == "c++17" else ["gcc"]
    command = [*compiler, f"-std={standard}", *WARNINGS[1:], "-Wno-unused-variable", "-c"]
    for declared, expected in ((GOOD, ""), (said, name if standard == "c99" else sentence)):
        (tmp_path / "camera.c").write_text(f'#include "net_picture.h"\n{declared};\n')
        done = subprocess.run(
            [*command, "camera.c"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) == (not expected), done.stderr
        assert expected in done.stderr


@pytest.mark.parametrize(
    "seen",
    [
        Preprocessing(9, 12, "grey", 1, offset=(0.0,), scale=(16.0,)),
        Preprocessing(9, 12, "rgb", 3, offset=(0.0,) * 3, scale=(16.0,) * 3),
        Preprocessing(9, 12, "channels", 2),
    ],
    ids=["grey values", "values of three channels", "channels"],
)
def test_what_no_camera_can_see_is_no_frame_of_one(seen: Preprocessing, tmp_path: Path) -> None:
    prepare(seen, tmp_path)
    array = f"NET_FRAME(camera, NET_FRAME_CHANNELS, 24, 32, 32 * {seen.channels})"
    for declared, expected in ((array, ""), (GOOD, "has_a_format_that_the_net_does_not_take")):
        (tmp_path / "camera.c").write_text(f'#include "net_picture.h"\n{declared};\n')
        command = ["gcc", *WARNINGS, "-Wno-unused-variable", "-fsyntax-only", "camera.c"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (not expected), done.stderr
        assert expected in done.stderr


SET = """
#include <stdio.h>
#include "net_picture.h"
int main(void) {
  static const uint32_t cases[][4] = {CASES}; /* format, height, width, stride */
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    static net_frame frame = {0, 77, 77, 1, 1, 77, 77, {0}};
    frame.format = frame.top = 77;
    const int done = net_frame_set(&frame, cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
    if (frame.format != (done ? cases[i][0] : 77) || frame.top != (done ? 0u : 77u)) return 1;
    printf("%d", done);
  }
  return 0;
}
"""


def test_a_frame_is_set_as_it_runs_where_the_compiler_would_take_it(tmp_path: Path) -> None:
    prepare(SEEN["cropped"], tmp_path)  # 9 columns: a width of 2^30 / 9 is too large
    cases = {
        "NET_FRAME_RGB565_BE, 240, 320, 640": 1,
        "NET_FRAME_BGRX8888, 240, 320, 1280": 1,
        "NET_FRAME_RGB565_BE, 240, 320, 639": 0,
        "NET_FRAME_RGBX8888, 240, 320, 1279": 0,
        "NET_FRAME_BGR888, 240, 320, 959": 0,
        "10, 240, 320, 1280": 0,
        "NET_FRAME_CHANNELS, 240, 320, 1280": 0,
        "4294967295u, 240, 320, 1280": 0,
        "NET_FRAME_YUYV, 240, 321, 700": 0,
        "NET_FRAME_GREY, 0, 320, 320": 0,
        "NET_FRAME_GREY, 240, 0, 320": 0,
        "NET_FRAME_GREY, 1, 119304647, 119304647": 1,
        "NET_FRAME_GREY, 1, 119304648, 119304648": 0,
        "NET_FRAME_GREY, 89478486, 1, 1": 0,
        "NET_FRAME_RGB888, 1, 2863311532u, 4": 0,
    }
    listed = ", ".join(f"{{{case}}}" for case in cases)
    (tmp_path / "set.c").write_text(SET.replace("CASES", listed))
    command = ["gcc", *WARNINGS, *CHECKED, "set.c", "-o", "set"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["./set"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert dict(zip(cases, map(int, done.stdout), strict=True)) == cases


PICTURE = """
#include <stdio.h>
#include <string.h>
#include "net_picture.h"
static uint8_t bytes[1 << 20];
int main(void) {
  uint32_t head[3];
  FILE *in = fopen("pictures.bin", "rb"), *out = fopen("made.bin", "wb");
  if (!in || !out) return 2;
  if (net_picture(bytes, 0, 4, NET_CHANNELS, bytes)) return 5;
  if (net_picture(bytes, 4, 0, NET_CHANNELS, bytes)) return 6;
  if (net_picture(bytes, 1u << 30, 4, NET_CHANNELS, bytes)) return 7;
  while (fread(head, sizeof head, 1, in) == 1) {
    uint8_t made[1 + NET_PIXELS];
    memset(made, 7, sizeof made);
    if (fread(bytes, 1, head[0] * head[1] * head[2], in) != head[0] * head[1] * head[2]) return 3;
    made[0] = (uint8_t)net_picture(bytes, head[0], head[1], head[2], made + 1);
    if (fwrite(made, 1, sizeof made, out) != sizeof made) return 4;
  }
  return fclose(out);
}
"""
MEASURED = {
    "values": Preprocessing(9, 12, "grey", 1, offset=(0.0,), scale=(16.0,)),
    "values of three channels": Preprocessing(
        9, 12, "rgb", 3, offset=(0.0, 1.0, 2.0), scale=(1.0, 2.0, 3.0)
    ),
    "channels": Preprocessing(12, 9, "channels", 4, turned=True),
}


@pytest.mark.parametrize("name", [*SEEN, *MEASURED])
def test_a_picture_of_one_to_five_channels_is_python_s_or_refused(
    name: str, tmp_path: Path
) -> None:
    seen = {**SEEN, **MEASURED}[name]
    prepare(seen, tmp_path)
    plain = replace(seen, offset=(), scale=())  # of the bytes that values have become
    generator = np.random.default_rng(1)
    pictures = [
        generator.integers(0, 256, (*size, channels), np.uint8)
        for channels in range(1, 6)
        for size in ((9, 12), (31, 50), (60, 30), (4, 5))
    ]
    packed = [struct.pack("<3I", *p.shape) + p.tobytes() for p in pictures]
    (tmp_path / "pictures.bin").write_bytes(b"".join(packed))
    (tmp_path / "picture.c").write_text(PICTURE)
    command = ["gcc", *WARNINGS, *CHECKED, "-O1", "picture.c", "-o", "picture"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run(["./picture"], cwd=tmp_path, check=True)
    made = np.fromfile(tmp_path / "made.bin", np.uint8).reshape(len(pictures), -1)
    for picture, (done, *pixels) in zip(pictures, made.tolist(), strict=True):
        channels = picture.shape[2]
        if name in MEASURED:
            assert done == (channels == seen.channels)
        else:
            assert done == (channels <= 4)
        expected = plain.pixels(picture).ravel().tolist() if done else [7] * len(pixels)
        assert pixels == expected, picture.shape


VALUES = """
#include <stdio.h>
#include "net.h"
int main(void) {
  static float values[1 << 16];
  static uint8_t bytes[1 << 16];
  uint32_t head[1];
  FILE *in = fopen("values.bin", "rb"), *out = fopen("bytes.bin", "wb");
  if (!in || !out) return 2;
  while (fread(head, sizeof head, 1, in) == 1) {
    const uint32_t all = head[0] * NET_CHANNELS;
    if (fread(values, sizeof *values, all, in) != all) return 3;
    bytes[all] = 77;
    fputc(net_bytes(values, head[0], bytes), out);
    if (bytes[all] != 77 || fwrite(bytes, 1, all, out) != all) return 4;
  }
  return fclose(out);
}
"""
WINDOW = Preprocessing(
    *(1, 32, "channels", 6, "stretch", "white"),
    offset=(-39.2266, 0.1, -1e-3, 1e9, -3.3e38, 0.0),
    scale=(0.3076596, 0.7, 1e-5 / 255, 1 / 3, 2.6e36, 1e-30),
)


def windows() -> list[NDArray[np.float32]]:
    """Return values of many sizes, among them the nearest to a border between two bytes."""
    generator = np.random.default_rng(1)
    offset, scale = np.array(WINDOW.offset), np.array(WINDOW.scale)
    borders = (offset + scale * (np.arange(-2, 258)[:, None] + 0.5)).clip(-3.4e38, 3.4e38)
    near = borders.astype(np.float32)
    below, above = np.nextafter(near, np.float32(-3.4e38)), np.nextafter(near, np.float32(3.4e38))
    inside = (offset + scale * generator.uniform(-20, 280, (3_000, 6))).clip(-3.4e38, 3.4e38)
    wild = generator.integers(0, 2**32, (2_000, 6), np.uint32).view(np.float32)
    wild[~np.isfinite(wild)] = -0.0
    broken = np.array([np.nan, -np.inf, np.inf], np.float32)[:, None]
    broken = np.where(np.eye(6)[0] > 0, broken, np.float32(0))
    return [
        near,
        below,
        above,
        inside.astype(np.float32),
        wild,
        *broken[:, None].astype(np.float32),
    ]


def prepare_values(folder: Path) -> None:
    prepare(WINDOW, folder)
    packed = [struct.pack("<I", len(window)) + window.tobytes() for window in windows()]
    (folder / "values.bin").write_bytes(b"".join(packed))
    (folder / "values.c").write_text(VALUES)


def require_same_bytes(folder: Path) -> None:
    found = (folder / "bytes.bin").read_bytes()
    for window in windows():
        done, made, found = found[0], found[1 : 1 + window.size], found[1 + window.size :]
        assert done == np.isfinite(window).all()
        finite = np.nan_to_num(window, nan=-3.4e38, posinf=3.4e38, neginf=-3.4e38)
        expected = to_bytes(finite, WINDOW.offset, WINDOW.scale)
        np.testing.assert_array_equal(np.frombuffer(made, np.uint8), expected.ravel())
    assert not found


def test_measured_values_become_the_bytes_that_python_makes_of_them(tmp_path: Path) -> None:
    prepare_values(tmp_path)
    command = ["gcc", *WARNINGS, *CHECKED, "-O1", "values.c", "-o", "values"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run(["./values"], cwd=tmp_path, check=True)
    require_same_bytes(tmp_path)


@pytest.mark.mcu
@needs_board
def test_measured_values_become_the_same_bytes_on_a_board(tmp_path: Path) -> None:
    prepare_values(tmp_path)
    run_program(tmp_path, ["values.c"])
    require_same_bytes(tmp_path)


OVER = """
#include <stdio.h>
#include "net_picture.h"
int main(void) {
  for (uint32_t i = 0; i < 65536; i++) putchar((int)net_over(i >> 8, i & 255));
  return 0;
}
"""


@pytest.mark.parametrize("background", ["white", "black"])
def test_every_value_is_composed_as_pillow_does(background: Background, tmp_path: Path) -> None:
    prepare(replace(SEEN["padded"], background=background), tmp_path)
    (tmp_path / "over.c").write_text(OVER)
    subprocess.run(["gcc", *WARNINGS, "-O1", "over.c", "-o", "over"], cwd=tmp_path, check=True)
    done = subprocess.run(["./over"], cwd=tmp_path, capture_output=True, check=True)
    found = np.frombuffer(done.stdout, np.uint8).reshape(256, 256)
    pairs = np.moveaxis(np.indices((256, 256)), 0, 2).astype(np.uint8)
    expected = np.asarray(opaque(Image.fromarray(pairs, "LA"), background))
    np.testing.assert_array_equal(found, expected)


def test_names_that_windows_h_makes_nothing_of_are_not_needed(tmp_path: Path) -> None:
    prepare(SEEN["cropped"], tmp_path)
    empty = ["-Dnear=", "-Dfar=", "-Dsmall=char", "-Dinterface=struct"]
    command = ["gcc", *WARNINGS, *empty, "-fsyntax-only", "main.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("standard", ["c99", "c11", "c++17"])
def test_a_camera_inside_a_function_compiles_silently(standard: str, tmp_path: Path) -> None:
    prepare(SEEN["cropped"], tmp_path)
    (tmp_path / "camera.c").write_text(
        f'#include "net_picture.h"\nNET_frame *mine(void);\n'
        f"NET_frame *mine(void) {{\n  {GOOD};\n  return &camera;\n}}\n".replace("NET_f", "net_f")
    )
    language = ["g++", "-x", "c++"] if "+" in standard else ["gcc"]
    command = [*language, f"-std={standard}", *WARNINGS[1:], "-c", "camera.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
