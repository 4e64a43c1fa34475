"""Other readers than ONNX Runtime answer alike: OpenCV's dnn, and onnxruntime-web in a browser."""

import base64
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.export.nets import blurred, excited, nest, pixels_for, program_of

from smidgen import zoo
from smidgen.export.onnx import quantize_onnx, run_onnx, to_onnx
from smidgen.export.program import FloatArray, Pixels
from smidgen.spec import NetSpec

CHROMIUM = "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
WEB = Path(__file__).parents[2] / ".web" / "package" / "dist"  # what `make web-tools` fetches
SITE = "http://smidgen.test/"  # answered by the test itself, from files

NETS: dict[str, NetSpec] = {
    "mnist": excited(blurred(zoo.net("mnist-1k5-dw"))),
    "resnet": nest("resnet"),
    "repeat": nest("repeat"),
    "flat": nest("flat"),
}


@functools.cache
def exported(name: str) -> tuple[bytes, Pixels, FloatArray]:
    """Return a file, images, and what ONNX Runtime answers."""
    spec = NETS[name]
    model, pixels = to_onnx(program_of(spec), {}), pixels_for(spec, 6)
    return model, pixels, run_onnx(model, pixels)


def assert_close(found: FloatArray, expected: FloatArray) -> None:
    allowed = 1e-5 * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)


@pytest.mark.parametrize("name", list(NETS))
def test_opencv_answers_alike(name: str) -> None:
    cv2: Any = pytest.importorskip("cv2", reason="needs opencv-python-headless")
    model, pixels, expected = exported(name)
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
    for images, answers in ((pixels, expected), (pixels[:1], expected[:1])):
        net.setInput(images)
        assert_close(net.forward(), answers)


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    """Return a page of Chromium that has loaded onnxruntime-web, without any network."""
    context = browser.new_context()
    context.set_default_timeout(0)
    tab = context.new_page()
    tab.route("**/*", _answer)
    tab.goto(SITE)
    tab.evaluate("ort.env.wasm.numThreads = 1")
    yield tab
    context.close()


def _answer(route: Any) -> None:
    name = route.request.url.removeprefix(SITE)
    if not name:
        html = "<!doctype html><script src='ort.wasm.min.js'></script>"
        route.fulfill(body=html, content_type="text/html")
    elif (WEB / name).is_file():
        kind = "application/wasm" if name.endswith(".wasm") else "text/javascript"
        route.fulfill(path=WEB / name, content_type=kind)
    else:
        route.fulfill(status=404)


RUN = """async ([model, pixels, shape]) => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const session = await ort.InferenceSession.create(bytes(model));
  const tensor = new ort.Tensor("uint8", bytes(pixels), shape);
  const {logits} = await session.run({pixels: tensor});
  return [ort.env.versions.web, logits.dims, Array.from(logits.data)];
}"""


def in_browser(page: Any, model: bytes, pixels: Pixels) -> tuple[str, FloatArray]:
    texts = [base64.b64encode(content).decode() for content in (model, pixels.tobytes())]
    version, dims, logits = page.evaluate(RUN, [*texts, list(pixels.shape)])
    return version, np.array(logits, np.float32).reshape(dims)


needs_web = pytest.mark.skipif(
    not WEB.exists() or not Path(CHROMIUM).exists(),
    reason="needs Debian's chromium and onnxruntime-web (make system-tools web-tools)",
)


@needs_web
@pytest.mark.browser
@pytest.mark.parametrize("name", list(NETS))
def test_onnxruntime_web_answers_alike(name: str, page: Any) -> None:
    model, pixels, expected = exported(name)
    version, logits = in_browser(page, model, pixels)
    assert version.startswith("1.17.")
    assert_close(logits, expected)


@needs_web
@pytest.mark.browser
def test_onnxruntime_web_runs_int8_to_a_step_or_two(page: Any) -> None:
    spec = NETS["resnet"]
    whole = to_onnx(program_of(spec), {}, share=False)
    model, pixels = quantize_onnx(whole, pixels_for(spec, 64)), pixels_for(spec, 6)
    expected = run_onnx(model, pixels)
    _, logits = in_browser(page, model, pixels)
    assert np.abs(logits - expected).max() < 0.05 * np.abs(expected).max()


@needs_web
@pytest.mark.browser
def test_a_newer_ir_version_is_what_it_would_refuse(page: Any) -> None:
    from playwright.sync_api import Error

    onnx: Any = importlib.import_module("onnx")
    model, pixels, _ = exported("flat")
    newer = onnx.load_from_string(model)
    newer.ir_version = 10
    with pytest.raises(Error, match=r"Page\.evaluate"):
        in_browser(page, newer.SerializeToString(), pixels)
