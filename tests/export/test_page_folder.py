"""A folder of pictures in the page: answered as ``smidgen predict`` answers it, and counted."""

import csv
import io
import json
import re
import sys
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.export.tab import Tab, needs_chromium, needs_clang

import smidgen as sm
from smidgen.chance import wilson
from smidgen.cli import main
from smidgen.data import Data, Preprocessing, Split
from smidgen.export.artefact import source_of
from smidgen.export.c.float32 import generate_float
from smidgen.export.page import Facts, page
from smidgen.export.squares import looked_at
from smidgen.export.wasm import compile_wasm
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.run import load_run
from smidgen.train import train

CLASSES = ("red", "green", "blüe, or so")
SEEN = Preprocessing(9, 12, "rgb", 3, fit="crop")


@dataclass(frozen=True, slots=True)
class Made:
    """A trained net, its page, and a folder of pictures in and outside of class folders."""

    run: Path
    html: Path
    pictures: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    place = tmp_path_factory.mktemp("page")
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(90) % 3
    images = torch.randint(0, 256, (90, 3, 9, 12), generator=generator, dtype=torch.uint8)
    images[torch.arange(90), labels] //= 2
    split = Split(images, labels)
    data = Data("colours", split, split, CLASSES, preprocessing=SEEN)
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(3, 9, 12), 3)
    train(spec, data, recipe=Recipe(epochs=3, batch_size=9), folder=place / "run")
    run = load_run(place / "run")
    program = source_of(run, data).program
    module = compile_wasm(generate_float(program, "net"), program)
    facts = Facts(
        *("net", "colours", "float32", 1.0, 1, 1, 1.0, 1, CLASSES, 0, 0, ()),
        preprocessing=SEEN,
        squares=looked_at(program),
    )
    (place / "page.html").write_text(page(module, program.input_shape, facts))
    rng = np.random.default_rng(0)
    apart = unicodedata.normalize("NFD", CLASSES[2])  # as macOS may hand over a folder's name
    for number in range(14):
        inside = ("red", "green", apart, "deep/green/of all sizes")[number % 4]
        inside = "elsewhere" if number > 11 else inside
        folder = place / "new" / inside
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (20 + 3 * number, 30, 3), np.uint8)
        pixels[..., (number * 7) % 3] //= 2
        Image.fromarray(pixels).save(folder / f"{number}{',' if number == 3 else ''}.png")
    (place / "new" / "broken.png").write_bytes(b"no picture")
    (place / "new" / "notes.txt").write_text("nor this")
    (place / "new" / "drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    for hidden in (".hidden", "__MACOSX", "#recycle"):
        (place / "new" / hidden).mkdir()
        Image.fromarray(rng.integers(0, 256, (9, 9), np.uint8)).save(
            place / "new" / hidden / "a.png"
        )
    return Made(place / "run", place / "page.html", place / "new")


def predicted(made: Made, folder: Path) -> list[dict[str, str]]:
    """Return the rows that ``smidgen predict --csv`` writes of the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.pictures.parent)
        file = folder / "answers.csv"
        words = ["smidgen", "predict", str(made.run), "new", "--csv", str(file)]
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    with file.open(newline="") as rows:
        return list(csv.DictReader(rows))


def require_same(found: list[dict[str, str]], expected: list[dict[str, str]]) -> None:
    assert [row["picture"] for row in found] == [row["picture"] for row in expected]
    assert [row["class"] for row in found] == [row["class"] for row in expected]
    assert [bool(row["error"]) for row in found] == [bool(row["error"]) for row in expected]
    for one, other in zip(found, expected, strict=True):
        if other["class"]:
            assert float(one["probability"]) == pytest.approx(float(other["probability"]), abs=1e-5)


def pairs_of(rows: list[dict[str, str]]) -> list[tuple[str | None, str]]:
    """Return, of each row, the class that a folder around the picture has, and the answer."""
    return [
        (next((part for part in reversed(inside) if part in CLASSES), None), row["class"])
        for row in rows
        for inside in [unicodedata.normalize("NFC", row["picture"]).split("/")[:-1]]
    ]


def require_confusions(tab: Tab, labelled: list[tuple[str | None, str]]) -> None:
    """Require the pairs of a class and a wrong answer to be told, the most frequent first."""
    told = tab.page.locator("#confused button").all_inner_texts()
    wrong = Counter(pair for pair in labelled if pair[0] != pair[1])
    classes = Counter(label for label, _ in labelled)
    assert sorted(told) == sorted(
        f"{label} → {answer}: {count} of {classes[label]}"
        for (label, answer), count in wrong.items()
    )
    counts = [int(said.split()[-3]) for said in told]
    assert counts == sorted(counts, reverse=True)


def require_said(tab: Tab, told: str) -> None:
    """Require what test pictures say to stand beside pictures that may have been learned."""
    assert "2 in no folder named like a class" in told
    said = re.findall(r"trained on some .* of its (\d+) test pictures ([\d.]+ %) are right", told)
    reached = tab.page.inner_text("#accuracy").replace("\xa0", " ")
    assert [f"{share} of {images}" for images, share in said] == [reached]


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_folder_gets_the_answers_of_predict_and_is_counted(
    made: Made, browser: Any, tmp_path: Path
) -> None:
    tab = Tab(browser, made.html)
    tab.page.set_input_files("#directory", made.pictures)
    tab.wait("document.getElementById('csv').checkVisibility()")
    with tab.page.expect_download() as started:
        tab.page.click("#csv")
    assert started.value.suggested_filename == "answers.csv"
    with Path(started.value.path()).open(newline="") as rows:
        found = list(csv.DictReader(rows))
    expected = predicted(made, tmp_path)
    require_same(found, expected)
    assert len(expected) == 15

    answered = [row for row in expected if row["class"]]
    pairs = pairs_of(answered)
    labelled = [pair for pair in pairs if pair[0]]
    right = sum(label == answer for label, answer in labelled)
    assert 0 < right < len(labelled) == 12  # so that both kinds of cells are there
    told = tab.page.inner_text("#summary").replace("\xa0", " ")
    low, high = (f"{100 * end:.1f} %" for end in wilson(right / 12, 12))
    said = f"{right} of 12 right: {100 * right / 12:.1f} % (95 % interval: {low} to {high})."
    assert told.startswith(f"14 pictures answered. {said}")
    require_said(tab, told)
    assert "new/broken.png" in tab.page.inner_text("#broken")
    require_confusions(tab, labelled)

    cells, titles = tab.page.locator("#matrix td button"), list[str]()
    numbers = {cells.nth(i).get_attribute("title"): cells.nth(i) for i in range(cells.count())}
    for label, answer in set(labelled):
        count, all_ = labelled.count((label, answer)), sum(of == label for of, _ in labelled)
        cell = numbers.pop(f"{count} of {all_} pictures of {label} taken for {answer}")
        assert cell.inner_text() == str(count)
        cell.click()
        titles = [
            row["picture"]
            for row, pair in zip(answered, pairs, strict=True)
            if pair == (label, answer)
        ]
        shown = tab.page.locator("#gallery button")
        assert [shown.nth(i).get_attribute("title") for i in range(shown.count())] == titles
    assert not numbers

    tab.page.evaluate("smidgen.state.logits = null")
    tab.page.locator("#gallery button").first.click()  # a picture opens on the pad
    tab.wait("smidgen.state.logits !== null")
    path = made.pictures.parent / str(
        tab.page.locator("#gallery button").first.get_attribute("title")
    )
    pixels = SEEN.pixels(Image.open(path)).transpose(2, 0, 1)
    np.testing.assert_array_equal(tab.answer()[0], pixels.ravel())

    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_threshold_tells_its_coverage_of_the_folder(
    made: Made, browser: Any, tmp_path: Path
) -> None:
    tab = Tab(browser, made.html)
    tab.page.set_input_files("#directory", made.pictures)
    tab.wait("document.getElementById('csv').checkVisibility()")
    answered = [row for row in predicted(made, tmp_path) if row["class"]]
    pairs = pairs_of(answered)
    tab.page.evaluate(
        "document.getElementById('sure').value = 60;"
        "document.getElementById('sure').dispatchEvent(new Event('input'))"
    )
    sure = [
        pair for row, pair in zip(answered, pairs, strict=True) if float(row["probability"]) >= 0.6
    ]
    counted = [pair for pair in sure if pair[0]]
    told = tab.page.inner_text("#folder-covered").replace("\xa0", " ")
    assert f"{len(sure)} of 14 pictures" in told
    assert f"{sum(a == b for a, b in counted)} of {len(counted)} rightly" in told


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_folder_can_be_dropped(made: Made, browser: Any, tmp_path: Path) -> None:
    tab = Tab(browser, made.html)
    session = tab.page.context.new_cdp_session(tab.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": 200,
                "y": 300,
                "data": {"items": [], "files": [str(made.pictures)], "dragOperationsMask": 1},
            },
        )
    tab.wait("document.getElementById('csv').checkVisibility()")
    found = list(csv.DictReader(io.StringIO(tab.page.evaluate("smidgen.csv()"))))
    require_same(found, predicted(made, tmp_path))
    text = tab.page.evaluate("smidgen.folder.broken.push({path: '=1', error: '@1'}), smidgen.csv()")
    assert "\r\n'=1,,,'@1\r\n" in text  # starts no formula
    assert tab.complaints == []


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_second_folder_takes_the_place_of_the_first(made: Made, browser: Any) -> None:
    tab = Tab(browser, made.html)
    tab.hold_first_picture()
    tab.page.set_input_files("#directory", made.pictures / "red")
    tab.page.set_input_files("#directory", made.pictures / "green")
    tab.wait("document.getElementById('csv').checkVisibility()")
    tab.release()
    paths = json.loads(tab.page.evaluate("JSON.stringify(smidgen.folder.rows.map(r => r.path))"))
    assert paths == ["green/1.png", "green/5.png", "green/9.png"]
    assert tab.page.inner_text("#summary").startswith("3 pictures answered.")


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_of_a_folder_one_picture_at_a_time_is_in_memory(made: Made, browser: Any) -> None:
    tab = Tab(browser, made.html)
    tab.page.evaluate(
        """(() => { window.grounds = new Set(); window.most = 0;
        let count = 0;
        const real = createImageBitmap, read = CanvasRenderingContext2D.prototype.getImageData;
        window.createImageBitmap = async (...all) => {
          window.most = Math.max(window.most, ++count);
          return real(...all).finally(() => { count--; });
        };
        CanvasRenderingContext2D.prototype.getImageData = function (...all) {
          window.grounds.add(this.canvas);
          return read.apply(this, all);
        }; })()"""
    )
    tab.page.set_input_files("#directory", made.pictures)
    blank = "[...document.querySelectorAll('#gallery canvas')].filter(c => c.width === 300).length"
    tab.wait(f"document.getElementById('csv').checkVisibility() && {blank} === 0")
    assert tab.page.locator("#gallery canvas").count() == 14
    assert tab.page.evaluate("[most, grounds.size]") == [1, 1]
