"""The page answers, in a real browser, as the simulation does; what it shows follows from that."""

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.export.nets import nest, pixels_for, window
from tests.export.tab import Tab, compiled, facts, integers, needs_chromium, needs_clang, png

from smidgen import zoo
from smidgen.data import Preprocessing
from smidgen.data.base import as_they_are
from smidgen.data.decode import open_picture
from smidgen.evaluate.shift import shifted
from smidgen.export.int8.simulate import simulate
from smidgen.export.page import frame_of, page, thresholds
from smidgen.spec import NetSpec


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(
    ("took", "told", "asked"),
    [
        (0.004, "4 µs", 12_000),
        (0.7, "700 µs", 72),
        (12.34, "12.3 ms", 4),
        (99.94, "99.9 ms", 2),
        (123.4, "123 ms", 1),
        (2345, "2.3 s", 1),
    ],
)
def test_a_time_is_told_in_units_that_fit_and_a_slow_net_is_not_asked_long(
    took: float, told: str, asked: int
) -> None:
    source = (resources.files("smidgen.export") / "templates/page_net.js").read_text("utf-8")
    (number,) = re.findall(r"^const number = .*$", source, re.MULTILINE)
    timing = source[source.index("const asTime") :]
    script = f"""
        let clock = 0, count = 0;
        const performance = {{ now: () => clock }}, net = {{ samples: [] }};
        const channels = 1, plane = 1, logitsOf = () => {{ count++; clock += {took}; }};
        {number}
        {timing}
        const text = asTime(secondsAnImage());
        console.log(JSON.stringify([text, count]));
    """
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    text, count = json.loads(done.stdout)
    assert text == told
    assert count == pytest.approx(asked, rel=0.01)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(("took", "pauses"), [(0.5, 0), (20, 4), (400, 9)])
def test_a_slow_net_is_asked_at_its_shifts_in_pieces(took: float, pauses: int) -> None:
    source = (resources.files("smidgen.export") / "templates/page_answer.js").read_text("utf-8")
    begin, end = source.index("const reachOf"), source.index("function fill(")
    script = f"""
        let clock = 0, paused = 0, told = "";
        const performance = {{ now: () => clock }}, width = 9, height = 9;
        const net = {{ classes: ["cat", "dog"] }}, state = {{ whole: [0] }};
        const $ = id => ({{ set textContent(text) {{ told = text; }} }}), fill = () => {{}};
        const moved = (pixels, down, right) => [down + 10 * right], likeliest = all => all[0];
        const logitsOf = ([at]) => {{ clock += {took}; return [at === 20 || at === -1 ? 1 : 0]; }};
        const waiting = [], isWindow = false;
        const setTimeout = (work, _, ...all) => waiting.push(() => work(...all));
        {source[begin:end]}
        hold();
        for (; waiting.length; paused++) waiting.shift()();
        console.log(JSON.stringify([told, paused]));
    """
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    text, paused = json.loads(done.stdout)
    assert text.startswith("“cat” holds at 4 of 5 places sideways and at 4 of 5 up and down")
    assert paused == pauses


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(
    ("height", "width", "kind", "told"),
    [
        (
            20,
            27,
            0,
            "13 of 13 places sideways and at 11 of 11 up and down, up to 6 of 27 and 5 of 20",
        ),
        (1, 32, 0, "17 of 17 places sideways, up to 8 of 32"),
        (32, 1, 0, "17 of 17 places up and down, up to 8 of 32"),
        (1, 32, 1, "17 of 17 places in time, up to 8 of 32"),
        (32, 1, 1, "17 of 17 places in time, up to 8 of 32"),
        (2, 2, 0, "3 of 3 places sideways and at 3 of 3 up and down, up to 1 of 2"),
        (1, 1, 0, None),
    ],
)
def test_each_side_is_moved_and_told_by_its_own_size(
    height: int, width: int, kind: int, told: str | None
) -> None:
    source = (resources.files("smidgen.export") / "templates/page_answer.js").read_text("utf-8")
    begin, end = source.index("const reachOf"), source.index("function fill(")
    script = f"""
        let told;
        const width = {width}, height = {height}, isWindow = {kind};
        const net = {{ classes: ["cat"] }}, state = {{ whole: [0] }};
        const $ = id => ({{ set textContent(text) {{ told = text; }} }}), fill = () => {{}};
        const moved = pixels => pixels, likeliest = () => 0, logitsOf = () => [0];
        {source[begin:end]}
        hold();
        console.log(JSON.stringify(told));
    """
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    expected = f"“cat” holds at {told} {('pixels', 'moments')[kind]} away." if told else ""
    assert json.loads(done.stdout) == expected


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
    assert tab.answer()[1] == simulate(program, images[:1])[0].tolist()  # an example, on load

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
    assert (tab.answer()[0].reshape(pixels.shape) != pixels).any()  # it answers while one draws on

    for image in images:
        tab.load(png(image[0]))
        seen, logits = tab.answer()
        np.testing.assert_array_equal(seen, image.ravel())
        assert logits == simulate(program, image[None])[0].tolist()

    tab.page.locator("#samples button").nth(2).click()
    assert tab.answer()[1] == simulate(program, images[2:3])[0].tolist()

    shares = [
        float(text.rstrip("\xa0%")) for text in tab.page.locator("#bars .share").all_inner_texts()
    ]
    real = np.exp(0.01 * (np.array(tab.answer()[1]) - max(tab.answer()[1])))
    np.testing.assert_allclose(shares, 100 * real / real.sum(), atol=0.051)

    tab.page.click("#clear")
    assert tab.page.evaluate("smidgen.state.pixels") is None
    tab.wait("/µs|ms/.test(document.getElementById('time').textContent)")
    text = tab.page.inner_text("main")
    assert f"{len(module):,} bytes" in re.sub(r"\s+", " ", text)
    assert "98.76\xa0%" in text
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
    tab.page.wait_for_selector("text=this file is no picture that this browser reads")
    tab.page.evaluate(
        """void (window.createImageBitmap = async () =>
        ({ width: 9000, height: 9000, close() { window.freed = true; } }))"""
    )
    tab.page.set_input_files("#file", {"name": "a", "mimeType": "image/png", "buffer": b"large"})
    tab.page.wait_for_selector("text=this picture has over 64 million pixels, too many for")
    assert tab.page.evaluate("freed")  # or its 324 megabytes stay for a while
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_second_finger_draws_nothing(browser: Any, tmp_path: Path) -> None:
    spec = zoo.net("mnist-1k5-dw")
    file = tmp_path / "page.html"
    module = compiled(integers(spec))
    file.write_text(page(module, spec.input_shape, facts(spec, pixels_for(spec, 1), ink_box=20)))
    tab = Tab(browser, file)
    tab.page.click("#clear")
    box = tab.page.locator("#ink").bounding_box()
    session = tab.page.context.new_cdp_session(tab.page)
    for kind, *shares in (  # of the first finger, of the second
        ("touchStart", (0.2, 0.2)),
        ("touchMove", (0.3, 0.2)),
        ("touchStart", (0.3, 0.2), (0.8, 0.9)),
        ("touchMove", (0.4, 0.2), (0.9, 0.9)),
        ("touchMove", (0.5, 0.2)),
        ("touchEnd",),
    ):
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": finger}
            for finger, (x, y) in enumerate(shares)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    tab.settle()
    (stroke,) = tab.page.evaluate("smidgen.state.strokes")
    assert max(y for _, y in stroke) < 0.3
    assert stroke[-1][0] == pytest.approx(0.5, abs=0.02)  # the first goes on


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
    assert not re.search("https?:", text)  # no address


def photographs(browser: Any, file: Path, **other: Any) -> tuple[Tab, Any, Any]:
    """Return the page of a net of photographs 9 high and 12 wide, its integers, its test images."""
    spec = nest("resnet", (3, 9, 12))
    program, images = integers(spec), pixels_for(spec, 3)
    told = replace(facts(spec, images, ink_box=0), **other)
    file.write_text(page(compiled(program), spec.input_shape, told))
    return Tab(browser, file), program, images


@pytest.mark.browser
@needs_chromium
@needs_clang
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_frames_of_a_camera_are_fitted_as_python_fits_them(
    browser: Any, tmp_path: Path, fit: Any
) -> None:
    seen = Preprocessing(9, 12, "rgb", 3, fit=fit)
    tab, program, _ = photographs(browser, tmp_path / "page.html", preprocessing=seen)
    tab.page.click("#camera")
    tab.wait("smidgen.state.picture?.width > 100 && smidgen.state.logits !== null")
    first = tab.answer()[0]
    while np.array_equal(tab.answer()[0], first):  # it is live: what is seen changes by itself
        tab.page.wait_for_timeout(30)
    tab.page.click("#camera")  # stop, and keep the frame
    pixels, logits = tab.answer()
    held = tab.page.evaluate("smidgen.state.picture.toDataURL()").partition(",")[2]
    expected = seen.pixels(open_picture(base64.b64decode(held))).transpose(2, 0, 1)
    np.testing.assert_array_equal(pixels, expected.ravel())
    assert logits == simulate(program, expected[None])[0].tolist()
    tab.page.wait_for_timeout(150)
    np.testing.assert_array_equal(tab.answer()[0], pixels)
    assert tab.page.evaluate("smidgen.live.stream") is None
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_new_picture_ends_the_camera_and_a_refusal_is_said(browser: Any, tmp_path: Path) -> None:
    tab, program, images = photographs(browser, tmp_path / "page.html")
    tab.page.click("#camera")
    tab.wait("smidgen.state.picture?.width > 100")
    tab.page.locator("#samples button").nth(1).click()
    tab.page.wait_for_timeout(120)
    assert tab.answer()[1] == simulate(program, images[1:2])[0].tolist()
    refusal = "Promise.reject(new DOMException('no', 'NotAllowedError'))"
    tab.page.evaluate(f"void (navigator.mediaDevices.getUserMedia = () => {refusal})")
    tab.page.click("#camera")
    tab.page.wait_for_selector("text=the camera is not allowed to this page")
    assert tab.page.evaluate("smidgen.state.logits") is None


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_the_other_camera_is_the_next_one_or_a_phones_other_side(
    browser: Any, tmp_path: Path
) -> None:
    tab, _, _ = photographs(browser, tmp_path / "page.html")
    label = "smidgen.live.stream?.getVideoTracks()[0].label"
    tab.page.click("#camera")
    tab.page.wait_for_selector("#turn")
    assert tab.page.evaluate(label) == "fake_device_0"
    for name in ("fake_device_1", "fake_device_0"):
        tab.page.click("#turn")
        tab.wait(f"{label} === '{name}'")
        tab.page.wait_for_selector("#turn")
    tab.page.evaluate(
        """(() => { MediaStreamTrack.prototype.getSettings = () => ({ facingMode: "environment" });
        navigator.mediaDevices.getUserMedia = async ({ video }) => {
          window.asked = video.facingMode; throw new Error(); }; })()"""
    )
    tab.page.click("#turn")
    tab.page.wait_for_selector("text=the camera cannot be used here")
    assert tab.page.evaluate("asked") == {"exact": "user"}
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_camera_that_is_unplugged_is_no_longer_live(browser: Any, tmp_path: Path) -> None:
    tab, _, _ = photographs(browser, tmp_path / "page.html")
    tab.page.click("#camera")
    tab.wait("smidgen.state.picture?.width > 100")
    tab.page.evaluate("smidgen.live.stream.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    assert tab.page.evaluate("smidgen.live.stream") is None
    assert tab.page.locator("#camera[aria-pressed=false]").inner_text() == "Camera"
    assert tab.page.evaluate("smidgen.state.picture.width") > 100  # the last frame
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_net_of_measured_values_refuses_pictures_be_they_one_or_many(
    browser: Any, tmp_path: Path
) -> None:
    seen = Preprocessing(9, 12, "rgb", 3, offset=(1.0,) * 3, scale=(2.0,) * 3)
    tab, _, images = photographs(browser, tmp_path / "page.html", preprocessing=seen)
    files = [
        {"name": f"{i}.png", "mimeType": "image/png", "buffer": png(image.transpose(1, 2, 0))}
        for i, image in enumerate(images)
    ]
    for some in (files[:1], files):
        tab.page.locator("#samples button").first.click()
        tab.page.set_input_files("#file", some)
        tab.page.wait_for_selector("text=this net takes measured values")
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_measured_values_are_pasted_or_opened_and_become_pythons_bytes(
    browser: Any, tmp_path: Path
) -> None:
    offset, scale = (-1.5, 0.25, 3.0), (0.03, 1 / 3, 2.0)
    seen = Preprocessing(9, 12, "channels", 3, offset=offset, scale=scale)
    tab, _, _ = photographs(browser, tmp_path / "page.html", preprocessing=seen)
    assert "324 numbers of a window, 9 rows of 12, 3 channels each" in tab.page.inner_text("#hint")
    values = np.random.default_rng(0).normal(scale=90.0, size=(9, 12, 3))
    values[0, 0] = np.array(offset) + np.array(scale) * 7.5  # halfway between two bytes
    text = "\n".join(", ".join(map(repr, row.ravel().tolist())) for row in values)
    for bad, said in (("1 2", "has 324 numbers"), (text.replace(text[:4], "moss", 1), "“moss")):
        tab.load_text(bad)
        tab.page.wait_for_selector(f"text={said}")
    tab.page.evaluate("smidgen.state.logits = null")
    tab.load_text(text)
    tab.wait("smidgen.state.logits !== null")
    pixels, _ = tab.answer()
    assert (pixels.reshape(3, 9, 12) == seen.pixels(values).transpose(2, 0, 1)).all()
    tab.page.locator("#clear").click()
    tab.page.evaluate(
        """text => { const held = new DataTransfer(); held.setData("text", text);
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: held })); }""",
        text,
    )
    assert (tab.answer()[0] == pixels).all()
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
@pytest.mark.parametrize("wide", [False, True])
def test_a_window_of_another_length_is_fitted_as_python_does(
    wide: bool, browser: Any, tmp_path: Path
) -> None:
    spec = window(wide=wide)
    program, images = integers(spec), pixels_for(spec, 1)
    _, height, width = spec.input_shape
    seen = Preprocessing(height, width, "channels", 3, offset=(-3.0,) * 3, scale=(0.025,) * 3)
    told = replace(facts(spec, images, ink_box=0), preprocessing=seen)
    (tmp_path / "page.html").write_text(page(compiled(program), spec.input_shape, told))
    tab = Tab(browser, tmp_path / "page.html")
    values = np.random.default_rng(0).normal(size=(1, 50, 3) if wide else (50, 1, 3))
    tab.page.evaluate("smidgen.state.logits = null")
    rows = [" ".join(map(repr, row)) for row in values.reshape(50, 3).tolist()]
    tab.load_text("\n".join(["ax ay az", *rows]))
    tab.wait("smidgen.state.logits !== null")
    told = "Read so: columns are taken in this order: ax, ay, az; 50 moments fitted to 40."
    assert tab.page.inner_text("#noted") == told
    expected = seen.pixels(values).transpose(2, 0, 1)
    assert (tab.answer()[0].reshape(expected.shape) == expected).all()
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_no_answer_is_stale(browser: Any, tmp_path: Path) -> None:
    tab, program, images = photographs(browser, tmp_path / "page.html")
    tab.hold_first_picture()

    def choose(image: Any) -> None:
        buffer = png(image.transpose(1, 2, 0))
        tab.page.set_input_files(
            "#file", {"name": "a.png", "mimeType": "image/png", "buffer": buffer}
        )

    choose(images[1])
    choose(images[2])
    expected = simulate(program, images[2:3])[0].tolist()
    tab.wait(f"`${{smidgen.state.logits}}` === '{','.join(map(str, expected))}'")
    tab.release()
    assert tab.answer()[1] == expected

    tab.hold_first_picture()
    choose(images[1])
    assert "busy" in tab.page.locator("#answer").get_attribute("class")
    tab.page.click("#clear")
    tab.release()
    assert tab.page.evaluate("smidgen.state.logits") is None
    assert tab.page.inner_text("#answer").strip() == "\u2013"

    tab.hold_first_picture()
    choose(images[1])
    tab.page.evaluate(  # dropped text stops nothing
        """(() => { const dataTransfer = new DataTransfer();
        dataTransfer.setData("text/plain", "words");
        document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true })); })()"""
    )
    tab.release()
    assert tab.answer()[1] == simulate(program, images[1:2])[0].tolist()

    tab.page.locator("#samples button").nth(1).click()
    tab.page.evaluate("void (window.createImageBitmap = () => Promise.reject(new Error()))")
    tab.page.set_input_files(
        "#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    tab.page.wait_for_selector("text=this file is no picture")
    assert tab.page.evaluate("smidgen.state.logits") is None  # nor a bar or a square of before
    assert set(tab.page.locator("#bars .share").all_inner_texts()) == {""}
    assert tab.page.inner_text("#told") == ""
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_the_picture_moves_as_in_the_evaluation_of_shifts(browser: Any, tmp_path: Path) -> None:
    tab, program, images = photographs(browser, tmp_path / "page.html")
    tab.page.locator("#samples button").nth(1).click()
    whole = torch.from_numpy(images[1:2])
    slide = "([id, by]) => { const s = document.getElementById(id); s.value = by;"
    slide += "s.dispatchEvent(new Event('input')); }"
    for down, right in [(0, 2), (-1, 2), (1, -2)]:
        tab.page.evaluate(slide, ["down", down])
        tab.page.evaluate(slide, ["across", right])
        expected = shifted(whole, down, right).numpy()
        pixels, logits = tab.answer()
        np.testing.assert_array_equal(pixels, expected.ravel())
        assert logits == simulate(program, expected)[0].tolist()
    tab.page.wait_for_selector("text=sideways and at")

    def kept(moves: list[tuple[int, int]]) -> int:
        answers = [
            simulate(program, shifted(whole, *move).numpy())[0].argmax()
            for move in [(0, 0), *moves]
        ]
        return sum(int(answer == answers[0]) for answer in answers[1:])

    wide, tall = range(-3, 4), range(-2, 3)  # a quarter of 12 pixels, and of 9
    across, down = kept([(0, by) for by in wide]), kept([(by, 0) for by in tall])
    told = tab.page.inner_text("#holds")
    assert f"holds at {across} of 7 places sideways and at {down} of 5 up and down" in told
    assert told.endswith("up to 3 of 12 and 2 of 9 pixels away.")
    assert tab.page.locator("#across-strip .lost").count() == 7 - across
    tab.page.locator("#samples button").nth(2).click()  # another picture lies where it lies
    assert tab.answer()[1] == simulate(program, images[2:3])[0].tolist()
    assert tab.page.input_value("#across") == "0"


@pytest.mark.browser
@needs_chromium
@needs_clang
@pytest.mark.parametrize("refuses", [True, False])
def test_a_browser_without_simd128_takes_the_plain_module(
    browser: Any, tmp_path: Path, refuses: bool
) -> None:
    spec = nest("resnet", (3, 9, 12))
    program, images = integers(spec), pixels_for(spec, 3)
    both = [compiled(program, simd=simd) for simd in (True, False)]
    html = page(both[0], spec.input_shape, facts(spec, images, ink_box=0), both[1])
    if refuses:  # as an old browser would the first, and Chrome before 115 both, unless it may wait
        old = (
            f"WebAssembly.validate = code => code.length !== {len(both[0])};"
            "delete Element.prototype.ariaLabel; delete Element.prototype.ariaPressed;"
            "WebAssembly.Module = WebAssembly.Instance = function() { throw new RangeError(); };"
            "const real = createImageBitmap; createImageBitmap = async (of, asked) => {"
            "  if (asked?.imageOrientation === 'from-image') throw new TypeError();"
            "  return real(of, asked); };"
        )
        html = html.replace('"use strict";', f'"use strict"; {old}', 1)
    (tmp_path / "page.html").write_text(html)
    tab = Tab(browser, tmp_path / "page.html")
    assert tab.answer()[1] == simulate(program, images[:1])[0].tolist()
    assert f"{len(both[refuses]):,} bytes" in re.sub(r"\s+", " ", tab.page.inner_text("#bytes"))
    tab.load(png(images[2].transpose(1, 2, 0)))
    assert tab.answer()[1] == simulate(program, images[2:3])[0].tolist()
    told = tab.page.locator("#samples button").first.get_attribute("aria-label")
    assert told == "a test image of class a"
    assert tab.page.locator("#bars button[aria-pressed=false]").count() == program.classes
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_canvas_that_holds_nothing_is_no_picture(browser: Any, tmp_path: Path) -> None:
    tab, _, images = photographs(browser, tmp_path / "page.html")
    tab.page.evaluate(
        """void (CanvasRenderingContext2D.prototype.getImageData = (x, y, w, h) =>
        new ImageData(w, h))"""  # as WebKit does on an iPhone where there are too many pixels
    )
    buffer = png(images[1].transpose(1, 2, 0))
    tab.page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": buffer})
    tab.page.wait_for_selector("text=this picture is too large for this browser")
    assert tab.page.evaluate("smidgen.state.logits") is None


@pytest.mark.browser
@needs_chromium
@needs_clang
@pytest.mark.parametrize(("most", "said"), [(1, False), (255, True)])
def test_a_browser_that_gives_noise_for_pixels_is_told_of(
    browser: Any, tmp_path: Path, most: int, said: bool
) -> None:
    spec = nest("resnet", (3, 9, 12))
    module = compiled(integers(spec))
    html = page(module, spec.input_shape, facts(spec, pixels_for(spec, 3), ink_box=0))
    noise = (
        "const real = CanvasRenderingContext2D.prototype.getImageData;"
        "CanvasRenderingContext2D.prototype.getImageData = function(...all) {"
        "  const read = real.apply(this, all);"
        f"  read.data.forEach((value, i, data) => {{ data[i] = value ^ {most}; }});"
        "  return read; };"
    )
    file = tmp_path / "page.html"
    file.write_text(html.replace('"use strict";', f'"use strict"; {noise}', 1))
    lead = Tab(browser, file).page.inner_text("#lead")
    assert ("gives pages noise for the pixels of pictures" in lead) == said


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_small_pictures_have_their_own_shape(browser: Any, tmp_path: Path) -> None:
    tab, _, _ = photographs(browser, tmp_path / "page.html")
    for place in ("#samples canvas >> nth=0", "#seen"):
        box = tab.page.locator(place).bounding_box()
        assert box["width"] / box["height"] == pytest.approx(12 / 9, rel=0.02)
    assert tab.page.evaluate("smidgen.state.frame") == pytest.approx([0, 0.125, 1, 0.75])


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_below_the_threshold_there_is_no_answer(browser: Any, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(0, 3, (500, 5)), generator.integers(0, 5, 500)
    counts = thresholds(logits, labels)
    tab, _, _ = photographs(browser, tmp_path / "page.html", thresholds=counts, logit_scale=1e-5)
    share = max(tab.page.evaluate("smidgen.state.shares"))
    name = tab.page.inner_text("#answer b")

    def ask_for(percent: int) -> None:
        tab.page.evaluate(
            "p => { const s = document.getElementById('sure'); s.value = p;"
            "s.dispatchEvent(new Event('input')); }",
            percent,
        )

    ask_for(int(100 * share))
    assert tab.page.inner_text("#answer b") == name
    ask_for(int(100 * share) + 1)
    assert tab.page.inner_text("#answer b") == "not sure"
    assert f"perhaps {name}\u200e, " in tab.page.inner_text("#answer")

    ask_for(80)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    kept = shares.max(1) >= 0.8
    right = (shares.argmax(1) == labels)[kept]
    told = tab.page.inner_text("#covered").replace("\xa0", " ")
    assert f"Of 500 test pictures, {100 * kept.mean():.1f} % are answered" in told
    assert f"{100 * right.mean():.2f} % of those rightly" in told


def of_many(browser: Any, tmp_path: Path, names: tuple[str, ...]) -> Tab:
    """Return the page of a net of 3x9x12 with so many classes, on a phone."""
    layers = ["conv(6, stride=2)", "global_average_pool()", f"classifier({len(names)})"]
    spec = NetSpec.from_dict({"name": "many", "input": [3, 9, 12], "layers": layers})
    told = replace(facts(spec, pixels_for(spec, 3), ink_box=0), classes=names)
    (tmp_path / "page.html").write_text(page(compiled(integers(spec)), spec.input_shape, told))
    tab = Tab(browser, tmp_path / "page.html")
    tab.page.set_viewport_size({"width": 360, "height": 800})
    return tab


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_of_many_classes_the_likeliest_five_are_shown_and_all_are_folded(
    browser: Any, tmp_path: Path
) -> None:
    names = (
        ("שם " * 30).strip(),
        *(f"species_{i:02}_{'of_a_long_name_' * 9}{i}" for i in range(1, 14)),
    )
    tab = of_many(browser, tmp_path, names)
    shares = tab.page.evaluate("smidgen.state.shares")
    order = sorted(range(14), key=lambda place: -shares[place])
    shown = tab.page.locator("#bars .name")
    titles = [shown.nth(i).get_attribute("title") for i in range(shown.count())]
    assert titles == [names[place] for place in order[:5]]
    assert shown.first.get_attribute("dir") == "auto"
    for text, title in zip(shown.all_inner_texts(), titles, strict=True):
        start, end = text.split("…")  # the middle is cut
        assert title.startswith(start)
        assert title.endswith(end)
        assert len(end) > 20
    focusable = "[...document.querySelectorAll('#bars button, #all button')]"
    assert tab.page.evaluate(f"{focusable}.filter(b => b.checkVisibility()).length") == 5
    tab.page.click("#every summary")
    assert tab.page.locator("#all button").nth(13).is_visible()
    tab.page.locator("#all button").nth(order[-1]).click()
    assert tab.page.evaluate("smidgen.state.chosen") == order[-1]
    for place, name in enumerate(names):
        (tmp_path / "new" / name).mkdir(parents=True)
        picture = png(np.full((9, 12, 3), 9 * place, np.uint8))
        (tmp_path / "new" / name / "a.png").write_bytes(picture)
    tab.page.set_input_files("#directory", tmp_path / "new")
    tab.wait("document.getElementById('csv').checkVisibility()")
    assert tab.page.is_hidden("#matrix")  # a table of many is folded
    assert tab.page.locator("#confused button").count() == 10
    tab.page.click("#table summary")
    assert tab.page.is_visible("#matrix")
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 360
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_dark_page_is_light_in_print(browser: Any, tmp_path: Path) -> None:
    tab, _, _ = photographs(browser, tmp_path / "page.html")
    ground = "getComputedStyle(document.documentElement).getPropertyValue('--card').trim()"
    tab.page.emulate_media(color_scheme="dark")
    assert tab.page.evaluate(ground) == "#1b1e21"
    tab.page.emulate_media(media="print")
    assert tab.page.evaluate(ground) == "#ffffff"
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    assert tab.page.evaluate(scheme) == "light"


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_nothing_is_wider_than_a_phone(browser: Any, tmp_path: Path) -> None:
    tab, _, _ = photographs(browser, tmp_path / "page.html")
    tab.page.set_viewport_size({"width": 390, "height": 844})
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 390
    assert "one of each class (3 of 5 are here)" in tab.page.inner_text("#samples p")
    unnamed = tab.page.evaluate(
        """[...document.querySelectorAll("button, input")].filter(e => !e.hidden && !(
        e.textContent.trim() || e.ariaLabel || e.title || e.labels?.length)).length"""
    )
    assert unnamed == 0


@pytest.mark.browser
@needs_chromium
@needs_clang
@pytest.mark.parametrize("secure", [True, False])
def test_a_page_without_a_camera_does_not_ask_for_it(
    browser: Any, tmp_path: Path, secure: bool
) -> None:
    spec = nest("resnet", (3, 1, 12))
    html = page(compiled(integers(spec)), spec.input_shape, facts(spec, pixels_for(spec, 3), 0))
    without = (
        "Object.defineProperty(navigator, 'mediaDevices', { value: undefined });"
        f"Object.defineProperty(window, 'isSecureContext', {{ value: {json.dumps(secure)} }});"
    )
    file = tmp_path / "page.html"
    file.write_text(html.replace('"use strict";', f'"use strict"; {without}', 1))
    tab = Tab(browser, file)
    assert tab.page.text_content("#hint") == "Drop a picture here, paste one or open one"
    assert tab.page.is_hidden("#camera")
    assert tab.page.is_hidden("#unsafe") == secure
    assert tab.page.is_visible("#across")
    assert tab.page.is_hidden("#down")  # a picture of one row
    assert tab.complaints == []
