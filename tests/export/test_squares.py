"""What the net looked at: the squares of the last map add up to the logits, and torch agrees."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.export.nets import excited, nest, pixels_for, program_of
from tests.export.tab import Tab, compiled, facts, integers, needs_chromium, needs_clang, png

from smidgen import zoo
from smidgen.export.c.float32 import generate_float
from smidgen.export.page import page
from smidgen.export.program import Linear, Pixels, Program, trace
from smidgen.export.squares import looked_at
from smidgen.export.wasm import compile_wasm
from smidgen.spec import NetSpec

SPECS = {
    "mnist": zoo.net("mnist-1k5-dw"),
    "gated": excited(zoo.net("mnist-1k5-dw")),
    "residual": nest("resnet"),
    "no activation at the end": NetSpec.from_dict(
        {
            "name": "signed",
            "input": [3, 9, 12],
            "layers": [
                *("conv(6, stride=2)", "conv(8, activation=none)"),
                *("global_average_pool()", "classifier(5, bias=true)"),
            ],
        }
    ),
}


def in_torch(program: Program, image: Pixels) -> NDArray[np.float64]:
    """Return what every square (class, row, column) gives to the logits, by their definition."""
    head = program.operations[-1]
    assert isinstance(head, Linear)
    map_ = trace(program, image[None])[-3][0].astype(np.float64)
    given = np.einsum("kc,chw->khw", head.weight, map_) + head.bias[:, None, None]
    return given / (map_.shape[1] * map_.shape[2])


def run(module: bytes, image: Pixels, shape: tuple[int, int, int], kind: Any) -> Any:
    """Return the logits of an image and the squares of every class, as the module tells them."""
    import wasmtime

    store = wasmtime.Store()
    loaded = wasmtime.Instance(store, wasmtime.Module(store.engine, module), []).exports(store)
    memory: Any = loaded["memory"]

    def call(name: str, *values: int) -> Any:
        function: Any = loaded[name]
        return function(store, *values)

    def read(at: int, kind: Any, count: int) -> NDArray[Any]:
        size = np.dtype(kind).itemsize * count
        return np.frombuffer(memory.read(store, at, at + size), kind)

    classes, rows, columns = shape
    memory.write(store, np.ascontiguousarray(image.transpose(1, 2, 0)).tobytes(), call("pixels"))
    call("run")
    squares = [
        read(call("squares", k), np.float64, rows * columns).reshape(rows, columns)
        for k in range(classes)
    ]
    return read(call("logits"), kind, classes), np.stack(squares)


@needs_clang
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_squares_add_up_to_the_logits_of_both_kinds_of_module(spec: NetSpec) -> None:
    program, whole = program_of(spec), integers(spec)
    shape = looked_at(program)
    assert shape is not None
    assert looked_at(whole) == shape
    sides = (program.classes, shape.height, shape.width)
    in_bytes, in_floats = (
        compiled(whole),
        compile_wasm(generate_float(program, "net"), program),
    )
    for image in pixels_for(spec, 3, seed=4):
        expected = in_torch(program, image)
        logits, squares = run(in_floats, image, sides, np.float32)
        np.testing.assert_allclose(squares.sum((1, 2)), logits, atol=2e-6)
        np.testing.assert_allclose(squares, expected, atol=1e-6)
        logits, squares = run(in_bytes, image, sides, np.int32)
        np.testing.assert_allclose(squares.sum((1, 2)), logits, rtol=1e-12, atol=1e-9)
        step = np.abs(whole.head.scale * logits - expected.sum((1, 2))).max()  # what int8 costs
        off = np.abs(whole.head.scale * squares - expected).max()
        assert off < max(step, 0.1 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["flat", "of-means"])
def test_other_heads_have_no_such_map(name: str) -> None:
    assert looked_at(program_of(nest(name))) is None


def test_a_map_of_one_square_tells_nothing() -> None:
    layers = ["conv(4, stride=3)", "global_average_pool()", "classifier(5)"]
    one = NetSpec.from_dict({"name": "one", "input": [3, 3, 3], "layers": layers})
    assert looked_at(program_of(one)) is None


def opened(
    browser: Any, spec: NetSpec, file: Path, ink_box: int = 0, *, turned: bool = False
) -> Tab:
    program = integers(spec)
    told = replace(
        facts(spec, pixels_for(spec, 2, seed=3), ink_box), logit_scale=program.head.scale
    )
    told = replace(told, preprocessing=replace(told.preprocessing, turned=turned))
    file.write_text(page(compiled(program), spec.input_shape, told))
    return Tab(browser, file)


@pytest.mark.browser
@needs_chromium
@needs_clang
@pytest.mark.parametrize("turned", [False, True], ids=["as it lies", "turned"])
def test_the_page_draws_the_squares_of_the_class_that_is_asked_for(
    browser: Any, tmp_path: Path, turned: bool
) -> None:
    spec = SPECS["no activation at the end"]
    own = spec.exchanged if turned else spec
    tab = opened(browser, own, tmp_path / "page.html", turned=turned)
    picture = pixels_for(spec, 2, seed=3)[1]
    tab.load(png(picture.transpose(1, 2, 0)))
    logits = np.array(tab.answer()[1])
    assert np.sum(tab.page.evaluate("[...smidgen.state.squares]")) == pytest.approx(logits.max())
    name = "abcde"[int(logits.argmax())]
    score = integers(own).head.scale * logits
    assert f"speak for “{name}”" in tab.page.inner_text("#told")
    assert tab.page.inner_text("#told").endswith(f"score, {score.max():.2f}.")

    other = int(logits.argmin())
    tab.page.locator("#bars button").nth(other).click()
    squares = np.array(tab.page.evaluate("[...smidgen.state.squares]"))
    assert squares.sum() == pytest.approx(logits[other])
    given = picture.transpose(0, 2, 1) if turned else picture
    parts = in_torch(program_of(own), given)[other]
    expected = (parts.T if turned else parts).ravel()
    assert np.corrcoef(squares, expected)[0, 1] > 0.95  # where they lie, but for what int8 costs
    assert f"speak for “{'abcde'[other]}”" in tab.page.inner_text("#told")
    assert tab.answer()[1] == logits.tolist()  # the answer stays
    for square, wins in ((squares.argmax(), 0), (squares.argmin(), 2)):
        at = [(square % 6 + 0.5) / 6, 0.125 + 0.75 * (square // 6 + 0.5) / 5]  # 12 x 9 in a square
        red_green_blue = tab.page.evaluate(
            """([x, y]) => { const c = document.getElementById("look");
            return [...c.getContext("2d").getImageData(x * c.width, y * c.height, 1, 1).data]; }""",
            at,
        )
        assert np.argmax(red_green_blue[:3]) == wins  # for: orange; against: blue
        assert red_green_blue[3] > 0

    tab.page.uncheck("#watch")
    assert tab.page.inner_text("#told") == ""
    blank = "[...look.getContext('2d').getImageData(0, 60, look.width, 400).data].every(v => !v)"
    assert tab.page.evaluate(blank)
    assert [said for said in tab.complaints if "getImageData" not in said] == []  # the test's own


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_the_page_of_another_head_says_that_it_has_no_map(browser: Any, tmp_path: Path) -> None:
    tab = opened(browser, nest("flat"), tmp_path / "page.html")
    assert "cannot be shown exactly" in tab.page.inner_text("#looked")
    assert not tab.page.locator("#watch").is_visible()
    assert tab.page.locator("#bars button").count() == 0
    assert tab.page.evaluate("smidgen.state.logits.length") == 5
    assert tab.complaints == []
