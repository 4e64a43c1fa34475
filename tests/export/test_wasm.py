"""The WebAssembly module and its page compute, in a real browser, what the simulation computes."""

import io
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.export.nets import excited, pixels_for, program_of
from tests.waiting import PATIENCE

from smidgen import zoo
from smidgen.data.base import as_they_are
from smidgen.export.c.int8 import generate
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import simulate
from smidgen.export.lower import lower
from smidgen.export.program import Pixels
from smidgen.export.wasm import Facts, compile_wasm, frame_of, load_wasm, page
from smidgen.spec import NetSpec

CHROMIUM = "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]

needs_clang = pytest.mark.skipif(
    not (shutil.which("clang") and shutil.which("wasm-ld")), reason="needs Debian's clang and lld"
)
needs_chromium = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium")


def integers(spec: NetSpec) -> IntegerProgram:
    program = program_of(spec)
    return quantize(lower(program), calibrate(lower(program), pixels_for(spec, 32, seed=1)))


def compiled(program: IntegerProgram) -> bytes:
    return compile_wasm(generate(program, "net"), program.input_shape)


@needs_clang
@pytest.mark.parametrize(
    "spec", [zoo.net("mnist-1k5-dw"), excited(zoo.net("cifar-143k-dw"))], ids=["mnist", "cifar"]
)
def test_the_module_computes_what_the_simulation_computes(spec: NetSpec) -> None:
    program, pixels = integers(spec), pixels_for(spec, 3)
    run, memory = load_wasm(compiled(program), 10, "int32_t")
    np.testing.assert_array_equal(run(pixels), simulate(program, pixels))
    assert memory % 65536 == 0


@needs_clang
def test_the_module_imports_nothing_and_has_a_few_kilobytes() -> None:
    import wasmtime

    module = compiled(integers(zoo.net("mnist-1k5-dw")))
    loaded = wasmtime.Module(wasmtime.Engine(), module)
    assert not loaded.imports
    assert sorted(entry.name for entry in loaded.exports) == ["logits", "memory", "pixels", "run"]
    assert len(module) < 10_000


@pytest.mark.parametrize(("tool", "package"), [("clang", "clang"), ("wasm-ld", "lld")])
def test_a_missing_compiler_is_named_with_its_package(
    tool: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shutil.which

    def which(name: str) -> str | None:
        return None if name == tool else found(name)

    monkeypatch.setattr(shutil, "which", which)
    with pytest.raises(ValueError, match=f"needs {tool}; on Debian: apt-get install {package}"):
        compiled(integers(zoo.net("mnist-1k5-dw")))


@pytest.mark.parametrize(
    ("background", "ink", "expected"),
    [
        (0, 255, {"background": 0, "ink_box": 9}),
        (250, 10, {"background": 250, "ink_box": 9}),
    ],
    ids=["light on dark", "dark on light"],
)
def test_the_frame_of_drawings_is_read_off_the_training_images(
    background: int, ink: int, expected: dict[str, int]
) -> None:
    images = torch.full((5, 1, 16, 16), background, dtype=torch.uint8)
    images[:, :, 4:13, 7:9] = ink
    assert frame_of(images) == expected


def test_photographs_fill_the_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    photographs = torch.randint(0, 256, (20, 1, 16, 16), generator=generator, dtype=torch.uint8)
    assert frame_of(photographs)["ink_box"] == 0
    assert frame_of(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))["ink_box"] == 0


def facts(spec: NetSpec, samples: Pixels, ink_box: int) -> Facts:
    return Facts(
        name=spec.name,
        data="a </script> of data",
        numbers="int8",
        logit_scale=0.01,
        params=spec.params,
        macs=spec.macs,
        accuracy=0.9876,
        images=360,
        classes=tuple("abcdefghij") if ink_box == 0 else tuple("0123456789"),
        background=0,
        ink_box=ink_box,
        samples=tuple(enumerate(samples)),
        preprocessing=as_they_are(*spec.input_shape),
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=0)
        yield running
        running.close()


class Tab:
    """A page opened from a file, with everything it complains of or asks the network for."""

    def __init__(self, browser: Any, file: Path) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        context = browser.new_context(viewport={"width": 900, "height": 900})
        context.set_default_timeout(0)  # milliseconds; a busy machine may need many
        self.page = context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", self._hear)
        self.page.on("request", self._see)
        self.page.goto(file.as_uri())

    def _hear(self, message: Any) -> None:
        self.complaints.append(getattr(message, "text", str(message)))

    def _see(self, request: Any) -> None:
        self.requests.append(request.url)

    def answer(self) -> tuple[Pixels, list[int]]:
        """Return the bytes that the net saw last and the logits it gave."""
        seen = self.page.evaluate(
            "[Array.from(smidgen.state.pixels), Array.from(smidgen.state.logits)]"
        )
        return np.array(seen[0], np.uint8), seen[1]

    def draw(self, points: list[tuple[float, float]]) -> None:
        """Draw a stroke with the mouse, in shares of the pad."""
        box = self.page.locator("#ink").bounding_box()
        place = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.mouse.move(*place[0])
        self.page.mouse.down()
        for point in place[1:]:
            self.page.mouse.move(*point, steps=4)
        self.page.mouse.up()
        self.settle()

    def load(self, picture: bytes) -> None:
        """Choose a picture as a person does, and wait until the net has seen it."""
        self.page.evaluate("smidgen.state.logits = null")
        self.page.set_input_files(
            "#file", {"name": "a.png", "mimeType": "image/png", "buffer": picture}
        )
        self.wait("smidgen.state.logits !== null")

    def wait(self, condition: str) -> None:
        """Wait until a condition holds; the page's own policy forbids Playwright's way."""
        deadline = time.monotonic() + PATIENCE
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"never came true: {condition}"
            self.page.wait_for_timeout(50)

    def settle(self) -> None:
        self.page.evaluate(
            "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
        )


def png(array: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(array).save(held, "PNG")
    return held.getvalue()


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_drawings_and_test_images_get_the_simulations_answers(browser: Any, tmp_path: Path) -> None:
    spec = zoo.net("mnist-1k5-dw")
    program, images = integers(spec), pixels_for(spec, 4)
    module = compiled(program)
    file = tmp_path / "page.html"
    file.write_text(page(module, spec.input_shape, facts(spec, images, ink_box=20)))
    tab = Tab(browser, file)

    tab.draw([(0.2, 0.2), (0.5, 0.2), (0.3, 0.6)])
    pixels, logits = tab.answer()
    pixels = pixels.reshape(1, *spec.input_shape)
    assert logits == simulate(program, pixels)[0].tolist()
    rows, columns = (np.flatnonzero((pixels[0, 0] > 127).any(axis)) for axis in (1, 0))
    assert 19 <= np.ptp(rows) + 1 <= 21  # scaled to the box, wherever and however large it was
    middle = (np.arange(28) + 0.5) @ pixels[0, 0].sum(1) / pixels.sum()
    assert abs(middle - 14) < 0.5  # the centre of mass is in the middle
    assert len(columns) < len(rows)

    tab.draw([(0.6, 0.6), (0.8, 0.8)])
    assert tab.answer()[1] != logits  # it answers while one draws on

    for image in images:
        tab.load(png(image[0]))
        seen, logits = tab.answer()
        np.testing.assert_array_equal(seen, image.ravel())
        assert logits == simulate(program, image[None])[0].tolist()

    tab.page.locator("#samples button").nth(2).click()
    assert tab.answer()[1] == simulate(program, images[2:3])[0].tolist()

    shares = [
        float(text.rstrip(" %"))
        for text in tab.page.locator("li > span:last-child").all_inner_texts()
    ]
    real = np.exp(0.01 * (np.array(tab.answer()[1]) - max(tab.answer()[1])))
    np.testing.assert_allclose(shares, 100 * real / real.sum(), atol=0.051)

    tab.page.click("#clear")
    assert tab.page.evaluate("smidgen.state.pixels") is None
    tab.wait("/µs|ms/.test(document.getElementById('time').textContent)")
    text = tab.page.inner_text("main")
    assert f"{len(module):,} bytes" in re.sub(r"\s+", " ", text)
    assert "98.76 %" in text
    assert tab.complaints == []
    assert tab.requests == [file.as_uri()]  # the page itself


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_pictures_of_other_sizes_and_broken_ones(browser: Any, tmp_path: Path) -> None:
    spec = zoo.net("cifar-143k-dw")
    program, images = integers(spec), pixels_for(spec, 2)
    file = tmp_path / "page.html"
    file.write_text(page(compiled(program), spec.input_shape, facts(spec, images, ink_box=0)))
    tab = Tab(browser, file)

    exact = images[1].transpose(1, 2, 0)
    tab.load(png(exact))
    assert tab.answer()[1] == simulate(program, images[1:2])[0].tolist()

    twice = exact.repeat(2, 0).repeat(3, 1)  # averaged over whole pixels: the same bytes again
    tab.load(png(twice))
    np.testing.assert_array_equal(tab.answer()[0], images[1].ravel())

    tab.page.set_input_files(
        "#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    tab.page.wait_for_selector("text=this file is no picture")
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_dark_drawing_on_paper_becomes_what_the_net_knows(browser: Any, tmp_path: Path) -> None:
    spec = zoo.net("mnist-1k5-dw")
    file = tmp_path / "page.html"
    module = compiled(integers(spec))
    file.write_text(page(module, spec.input_shape, facts(spec, pixels_for(spec, 1), ink_box=20)))
    tab = Tab(browser, file)
    photograph = np.full((120, 200), 215, np.uint8)
    photograph[30:90, 150:160] = 40  # a stroke, off the middle
    tab.load(png(photograph))
    stretched = as_they_are(*spec.input_shape).pixels(photograph)
    np.testing.assert_array_equal(tab.answer()[0], stretched.ravel())  # as predict sees it
    tab.page.check("#cut")
    tab.settle()
    seen = tab.answer()[0].reshape(28, 28)
    rows, columns = np.nonzero(seen > 127)
    assert (rows.min(), rows.max()) == (4, 23)
    assert abs(columns.mean() + 0.5 - 14) < 1
    assert seen[:, :8].max() == 0  # paper is background


def test_the_page_cannot_be_broken_by_a_name(tmp_path: Path) -> None:
    spec = zoo.net("mnist-1k5-dw")
    text = page(b"\0asm", spec.input_shape, facts(spec, pixels_for(spec, 1), ink_box=20))
    held = re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.DOTALL)
    assert held is not None
    assert json.loads(held[1])["data"] == "a </script> of data"
    assert "http" not in re.sub(r"http-equiv", "", text)
