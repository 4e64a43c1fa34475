"""A page in Chromium, and what pages of untrained nets are made of."""

import io
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.export.nets import pixels_for, program_of
from tests.waiting import PATIENCE

from smidgen.data.base import as_they_are
from smidgen.export.c.int8 import generate
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.lower import lower
from smidgen.export.page import Facts
from smidgen.export.program import Pixels
from smidgen.export.squares import looked_at
from smidgen.export.wasm import compile_wasm
from smidgen.spec import NetSpec

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    "--use-fake-device-for-media-stream=device-count=2",  # drawn cameras
    "--use-fake-ui-for-media-stream",
]

needs_clang = pytest.mark.skipif(
    not (shutil.which("clang") and shutil.which("wasm-ld")), reason="needs Debian's clang and lld"
)
needs_chromium = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium")


def integers(spec: NetSpec) -> IntegerProgram:
    program = program_of(spec)
    return quantize(lower(program), calibrate(lower(program), pixels_for(spec, 32, seed=1)))


def compiled(program: IntegerProgram, *, simd: bool = True) -> bytes:
    return compile_wasm(generate(program, "net"), program, simd=simd)


def facts(spec: NetSpec, samples: Pixels, ink_box: int) -> Facts:
    program = program_of(spec)
    return Facts(
        name=spec.name,
        data="a </script> of data",
        numbers="int8",
        logit_scale=0.01,
        params=spec.params,
        macs=spec.macs,
        accuracy=0.9876,
        images=360,
        classes=tuple("abcdefghij" if ink_box == 0 else "0123456789")[: program.classes],
        background=0,
        ink_box=ink_box,
        samples=tuple(enumerate(samples)),
        preprocessing=as_they_are(*spec.input_shape),
        squares=looked_at(program),
    )


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
        self.wait("window.smidgen !== undefined")

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

    def load_text(self, text: str) -> None:
        """Choose a file of numbers, without waiting."""
        file = {"name": "a.csv", "mimeType": "text/csv", "buffer": text.encode()}
        self.page.set_input_files("#file", file)

    def wait(self, condition: str) -> None:
        """Wait until a condition holds; the page's own policy forbids Playwright's way."""
        deadline = time.monotonic() + PATIENCE
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"never came true: {condition}"
            self.page.wait_for_timeout(50)

    def hold_first_picture(self) -> None:
        """Let the next picture decode only once :meth:`release` says so, those after it at once."""
        self.page.evaluate(
            """(() => { const real = createImageBitmap;
            const held = new Promise(done => { window.release = done; });
            let first = true;
            window.createImageBitmap = async (...all) => {
              const waits = first;
              first = false;
              if (waits) await held;
              return real(...all);
            }; })()"""
        )

    def release(self) -> None:
        """Let the picture that was held go on, and give the page time to have used it."""
        self.page.evaluate("release()")
        self.page.wait_for_timeout(200)  # of nothing that must come: only of what must not

    def settle(self) -> None:
        self.page.evaluate(
            "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
        )


def png(array: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(array).save(held, "PNG")
    return held.getvalue()
