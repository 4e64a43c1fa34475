"""One picture gets one answer: in Python, in ONNX Runtime, in C on this machine, in Chromium."""

import io
import shutil
import subprocess
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tests.export.tab import needs_chromium, needs_clang
from tests.thinned import thinned
from tests.waiting import PATIENCE

import smidgen as sm
from smidgen.answer import Answer, answers_of
from smidgen.data import Data, Preprocessing, Split
from smidgen.data.decode import open_picture
from smidgen.export.artefact import source_of
from smidgen.export.c.float32 import generate_float
from smidgen.export.c.picture import described, picture_header
from smidgen.export.onnx import to_onnx
from smidgen.export.page import Facts, page
from smidgen.export.wasm import compile_wasm
from smidgen.layers import Shape
from smidgen.model import load, model_of
from smidgen.recipe import Recipe
from smidgen.run import Run
from smidgen.train import train

CLASSES = ("red", "green", "blue")
SEEN = {
    "stretched": Preprocessing(9, 12, "rgb", 3),
    "cropped": Preprocessing(9, 12, "rgb", 3, fit="crop"),
    "padded, over black": Preprocessing(9, 12, "rgb", 3, fit="pad", background="black"),
    "grey": Preprocessing(9, 12, "grey", 1, fit="crop"),
    "turned, cropped": Preprocessing(12, 9, "rgb", 3, fit="crop", turned=True),
    "turned, padded, grey": Preprocessing(12, 9, "grey", 1, fit="pad", turned=True),
}
KINDS = [
    "landscape",
    "portrait",
    "grey",
    "alpha",
    "EXIF 6",
    "tiny",
    "palette",
    "exact",
    "large JPEG",
]
ONE_LEVEL = 1 / 255


@cache
def encoded(kind: str) -> bytes:
    """Return a picture with smooth shapes and some noise, as a file."""
    if kind == "large JPEG":  # which the door would decode to a fraction
        drawn = Image.linear_gradient("L").resize((3000, 1100)).convert("RGB")
        draw = ImageDraw.Draw(drawn)
        for place in range(0, 3000, 130):
            ink = (place % 256, 255 - place % 200, (2 * place) % 256)
            draw.ellipse((place, place // 4, place + 61, place // 4 + 200), fill=ink)
        held = io.BytesIO()
        drawn.save(held, "JPEG", quality=90, subsampling=0)
        return held.getvalue()
    generator = np.random.default_rng(len(kind))
    height, width = {"portrait": (91, 37), "tiny": (5, 7), "exact": (9, 12)}.get(kind, (57, 83))
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / (4 + k)) + np.cos(columns / (3 + 2 * k)) for k in range(3)]
    noise = generator.normal(0, 9, (height, width, 3))
    pixels = (np.stack(waves, 2) * 60 + 128 + noise).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    held = io.BytesIO()
    if kind == "EXIF 6":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(held, "JPEG", quality=90, subsampling=0, exif=exif)
        return held.getvalue()
    if kind == "grey":
        image = image.convert("L")
    if kind == "palette":
        image = image.quantize(32)
    if kind == "alpha":
        image.putalpha(Image.fromarray((columns * 255 // width).astype(np.uint8)))
    image.save(held, "PNG")
    return held.getvalue()


@pytest.fixture(scope="module", params=list(SEEN))
def run(request: pytest.FixtureRequest) -> Run:
    seen = SEEN[request.param]
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(90) % 3
    shape = (90, seen.channels, seen.height, seen.width)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    images[torch.arange(90), labels % seen.channels] //= 2
    split = Split(images, labels)
    data = Data("colours", split, split, CLASSES, preprocessing=seen)
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(*data.shape), 3)
    return train(spec, data, recipe=Recipe(epochs=3, batch_size=9))


def require_same(found: Answer, expected: Answer) -> None:
    assert found.name == expected.name
    assert found.probabilities == pytest.approx(expected.probabilities, abs=ONE_LEVEL)


def test_onnx_runtime_answers_as_python_does(run: Run, tmp_path: Path) -> None:
    source = source_of(run, _none())
    (tmp_path / "net.onnx").write_bytes(to_onnx(source.program, source.card()))
    there, here = load(tmp_path / "net.onnx"), model_of(run)
    for kind in KINDS:
        require_same(there.predict(encoded(kind)), here.predict(encoded(kind)))


MAIN = """
#include <stdio.h>
#include "net.h"
#include "net_picture.h"
static uint8_t picture[1 << 24], pixels[NET_PIXELS];
int main(int count, char **names) {
  static const char *const classes[] = NET_CLASS_NAMES;
  unsigned height, width, channels;
  (void)count;
  FILE *file = fopen(names[1], "rb");
  if (!file || fscanf(file, "%u %u %u%*c", &height, &width, &channels) != 3) return 1;
  if (fread(picture, 1, height * width * channels, file) != height * width * channels) return 2;
  if (!net_picture(picture, height, width, channels, pixels)) return 3;
  float logits[NET_CLASSES];
  net(pixels, logits);
  for (int i = 0; i < NET_PIXELS; i++) printf("%d ", pixels[i]);
  for (int i = 0; i < NET_CLASSES; i++) printf("%s %.9g ", classes[i], (double)logits[i]);
  return 0;
}
"""


def in_c(program: Path, image: Any) -> tuple[NDArray[Any], dict[str, float]]:
    """Return the pixels that the compiled program made of an upright image, and its logits."""
    pixels = np.asarray(image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB"))
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    head = f"{pixels.shape[0]} {pixels.shape[1]} {channels}\n".encode()
    (program.parent / "picture").write_bytes(head + pixels.tobytes())
    said = subprocess.run(
        [program, program.parent / "picture"], capture_output=True, text=True, check=True
    ).stdout.split()
    names, logits = said[-6::2], map(float, said[-5::2])
    return np.array(list(map(int, said[:-6])), np.uint8), dict(zip(names, logits, strict=True))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_c_makes_the_same_bytes_of_a_picture_and_answers_the_same(run: Run, tmp_path: Path) -> None:
    made = described(
        generate_float(source_of(run, _none()).program, "net"), run.preprocessing, CLASSES
    )
    (tmp_path / "net.h").write_text(made.header)
    (tmp_path / "net.c").write_text(made.source)
    (tmp_path / "net_picture.h").write_text(picture_header(made, run.preprocessing))
    (tmp_path / "main.c").write_text(MAIN)
    strict = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    files = [tmp_path / "net.c", tmp_path / "main.c", "-o", tmp_path / "main"]
    subprocess.run(["gcc", *strict, *files], check=True)
    model = model_of(run)
    for kind in KINDS:
        image = open_picture(encoded(kind))
        if kind == "large JPEG":  # as any program decodes it
            image = Image.open(io.BytesIO(encoded(kind)))
        pixels, logits = in_c(tmp_path / "main", image)
        expected = run.preprocessing.pixels(open_picture(encoded(kind)))
        np.testing.assert_array_equal(pixels, expected.ravel(), kind)
        assert tuple(logits) == CLASSES
        (found,) = answers_of(np.array([list(logits.values())]), CLASSES)
        require_same(found, model.predict(encoded(kind)))


def in_page(tab: Any, picture: bytes) -> tuple[NDArray[Any], list[float]]:
    tab.evaluate("smidgen.state.logits = null")
    tab.set_input_files("#file", {"name": "a", "mimeType": "image/png", "buffer": picture})
    deadline = time.monotonic() + PATIENCE
    while not tab.evaluate("smidgen.state.logits !== null"):
        assert time.monotonic() < deadline, "the page never answered"
        tab.wait_for_timeout(25)
    pixels, logits = tab.evaluate(
        "[Array.from(smidgen.state.pixels), Array.from(smidgen.state.logits)]"
    )
    return np.array(pixels, np.uint8), logits


@pytest.mark.browser
@needs_chromium
@needs_clang
@pytest.mark.parametrize("run", thinned(SEEN), indirect=True)
def test_the_page_makes_the_same_of_a_picture(run: Run, tmp_path: Path, browser: Any) -> None:
    program, seen = source_of(run, _none()).program, run.preprocessing
    module = compile_wasm(generate_float(program, "net"), program)
    facts = Facts(
        *("net", "colours", "float32", 1.0, 1, 1, 1.0, 1, CLASSES, 0, 0, ()), preprocessing=seen
    )
    (tmp_path / "page.html").write_text(page(module, program.input_shape, facts))
    tab = browser.new_context().new_page()
    tab.set_default_timeout(0)  # milliseconds; a busy machine may need many
    complaints: list[str] = []

    def hear(error: Any) -> None:
        complaints.append(str(error))

    tab.on("pageerror", hear)
    tab.goto((tmp_path / "page.html").as_uri())
    while not tab.evaluate("!!window.smidgen"):
        tab.wait_for_timeout(25)
    model = model_of(run)
    for kind in KINDS:
        pixels, logits = in_page(tab, encoded(kind))
        planes = seen.pixels(open_picture(encoded(kind))).transpose(2, 0, 1)
        expected = seen.turn(planes).ravel()  # the page holds pictures as they lie
        apart = np.abs(pixels.astype(int) - expected).max()
        assert apart <= (1 if kind in ("alpha", "EXIF 6", "large JPEG") else 0), (kind, apart)
        (found,) = answers_of(np.array([logits]), CLASSES)
        require_same(found, model.predict(encoded(kind)))
    assert complaints == []


def test_what_is_no_picture_to_a_page_is_said_there(run: Run) -> None:
    module, seen = (
        b"",
        replace(
            run.preprocessing,
            offset=(1.0,) * run.preprocessing.channels,
            scale=(2.0,) * run.preprocessing.channels,
        ),
    )
    facts = Facts(
        *("net", "colours", "float32", 1.0, 1, 1, 1.0, 1, CLASSES, 0, 0, ()), preprocessing=seen
    )
    text = page(module, Shape(seen.channels, seen.height, seen.width), facts)
    assert '"scale": [2.0' in text
    assert "values 1 to 511" in text


def _none() -> Data:
    """Return data where none are needed."""
    part = Split(torch.zeros(3, 3, 9, 12, dtype=torch.uint8), torch.arange(3))
    return Data("none", part, part, CLASSES)
