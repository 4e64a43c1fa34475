"""The page of measured values: what text is a window, and how a window is shown."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from tests.export.nets import pixels_for, window
from tests.export.tab import Tab, compiled, facts, integers, needs_chromium, needs_clang

from smidgen.data import Preprocessing
from smidgen.export.page import page


def lines(count: int, cells: str, mark: str = "\n") -> str:
    """Return ``count`` lines of the same cells."""
    return mark.join([cells] * count)


def template(name: str) -> str:
    return (resources.files("smidgen.export") / f"templates/page_{name}.js").read_text("utf-8")


def function(name: str, source: str) -> str:
    """Return a function of a template, whole."""
    (found,) = re.findall(
        rf"^(?:async )?function {name}\b.*?^}}$", source, re.MULTILINE | re.DOTALL
    )
    return found


def ran(script: str) -> Any:
    """Return what a script prints as JSON."""
    done = subprocess.run(["node", "-"], input=script, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def evaluated(asked: Sequence[tuple[Preprocessing, str]]) -> list[dict[str, Any]]:
    """Return what the page's rules make of texts, each for a net, in one process."""
    source = template("windows")
    rules = f"""(takesPictures, height, width, plane, channels, seen, asked) => {{
        const number = value => `${{value}}`;
        {function("cut", template("net"))}
        {source[: source.index("function windowOf")]}
        return valuesOf;
    }}"""
    facts = [
        [False, *how.size, max(how.size), how.channels, how.to_dict(), "moments"]
        for how, _ in asked
    ]
    return ran(f"""
        const rules = {rules}, facts = {json.dumps(facts)};
        const found = {json.dumps([text for _, text in asked])}.map((text, i) => {{
          try {{
            const made = rules(...facts[i])(text);
            if (made.cells.some(cell => !cell || !Number.isFinite(Number(cell))))
              throw new Error("no number");
            return made;
          }} catch (error) {{ return {{ error: error.message }}; }}
        }});
        console.log(JSON.stringify(found));
    """)


@cache
def read(texts: tuple[str, ...], channels: int) -> dict[str, list[str]]:
    """Return the notes on texts as windows of 48 moments, values 0 to 255, or the error of each.

    One process reads them all: to start it takes longer than to read.
    """
    source = template("windows")
    said = ran(f"""
        const takesPictures = false, height = 1, width = 48, plane = 48, channels = {channels};
        const seen = {{ fit: "stretch", offset: Array(channels).fill(0),
          scale: Array(channels).fill(1) }};
        const asked = "48 moments", number = value => `${{value}}`, area = () => [];
        const percent = share => `${{Math.round(100 * share)}} %`;
        {function("cut", template("net"))}
        {source[: source.index("function loadWindow")]}
        const read = text => {{
          try {{ return windowOf(text).notes; }}
          catch (error) {{ return [error.message]; }}
        }};
        console.log(JSON.stringify({json.dumps(texts)}.map(read)));
    """)
    return dict(zip(texts, said, strict=True))


FORM = "a window has 144 numbers, 48 moments, in each line the 3 channels of a moment, or all"


OF_THREE = [
    (lines(48, "1,2,3"), []),
    (lines(48, "1; 2; 3;\r"), []),
    (lines(48, "\t1e1\t-2.5 3"), []),
    (lines(144, "1", ","), []),
    (lines(144, "1"), []),
    ("\ufeff# x,y,z\n" + lines(48, "1,2,3"), ["columns are taken in this order: x, y, z"]),
    (lines(64, "1,2,3"), ["64 moments fitted to 48"]),
    (
        lines(48, "900,900,3"),
        ["67 % of the values lie beyond those trained on, which may have"],
    ),
    (lines(48, "0,1,2,3"), [f"{FORM} in one, got 48 lines of 4; leave out other columns"]),
    (
        '"t","x y",,z\n' + lines(48, "0,1,2,3"),
        [f"{FORM} in one, got 48 lines of 4: t, x y, (no"],
    ),
    ("t,x\n" + lines(72, "0,1"), [f"{FORM} in one, got 72 lines of 2: t, x"]),
    (lines(48, "1"), [f"{FORM} in one, got 48 lines of 1"]),
    (lines(192, "1", " "), [f"{FORM} in one, got 1 line of 192"]),
    (
        lines(3, lines(48, "1", ",")),
        [f"{FORM} in one, got 3 lines of 48; exchange rows and col"],
    ),
    (lines(48, "0,5;1,5;2,5"), ["decimal commas are read as points"]),
    (lines(48, "0,5\t1.5\t2,5"), ["numbers must have decimal commas or decimal points, got “0,5”"]),
    ("x,y,z\n" + lines(48, "0,5,1,5,2,5"), ["3 names above 6 whole numbers: where commas are"]),
    (lines(47, "1,2,3") + "\n1,2", ["each line must have as many numbers, got 3 and 2: “1,2”"]),
    (lines(48, "1,,3"), ["a window has numbers alone, got an empty cell"]),
    ("nan,nan,nan\n" + lines(47, "1,2,3"), ["a window has numbers alone, got “nan”"]),
    ("", [f"{FORM} in one, got 0 lines of 0"]),
    (" \n\n" + lines(48, "1,2,3", "\r\r\n") + "\n\n", []),
    (lines(48, "1,2,3", "\r"), []),
    (lines(48, "-900,2,3"), []),
    (lines(48, "-900,-900,3"), ["67 % of the values lie beyond those trained on, which may have"]),
    (
        lines(20, "1,2,3") + "\n\n" + lines(28, "1,2,3"),
        ["a window has numbers alone, got a blank line, number 21: fill in the missing"],
    ),
    (
        "0,1,2\n" + lines(48, "1,2,3"),
        ["the first line, 0, 1, 2, is taken for numbers of columns and left out"],
    ),
    ("0,1,2\n" + lines(47, "1,2,3"), []),
    ("0,1,3\n" + lines(48, "1,2,3"), ["49 moments fitted to 48"]),
    ("a;b,c x1,2y,d\n" + lines(48, "1,2,3"), ["the first line, of names, is left out"]),
    ("a;b,c,d\n" + lines(48, "1,2,3"), ["columns are taken in this order: a;b, c, d"]),
    (lines(71, "1,2,3"), ["71 moments fitted to 48"]),
    (
        lines(72, "1,2,3"),
        ["a window has 48 moments, of which fewer than 1.5 times as many are fitted, got 72: give"],
    ),
    (
        lines(300_000, "1,2"),
        ["a window's text is at most 1 MB, got 1.2 MB: give one window alone"],
    ),
]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(("text", "said"), OF_THREE)
def test_text_is_a_window_by_its_lines_and_nothing_else(text: str, said: list[str]) -> None:
    got = read(tuple(text for text, _ in OF_THREE), 3)[text]
    assert [note[: len(start)] for note, start in zip(got, said, strict=True)] == said


OF_ONE = [
    (lines(48, "1"), []),
    ("force\n" + lines(48, "1"), ["columns are taken in this order: force"]),
    (lines(50, "1", " "), ["50 moments fitted to 48"]),
    (
        lines(48, "0,1"),
        ["a window has 48 numbers, 48 moments, in each line the value of a mom"],
    ),
    (
        "0\n" + lines(48, "1"),
        ["the first line, 0, is taken for numbers of columns and left out"],
    ),
    (
        "force\n\n" + lines(47, "1"),
        ["a window has numbers alone, got a blank line, number 2: f"],
    ),
    ("\n" + lines(24, "1", "\n\n") + "\n", ["a window has numbers alone, got a blank line"]),
    (lines(48, "0,841;"), ["lines must not end by semicolons where commas are between digits"]),
    (lines(47, "0,841") + "\n1", ["“0,841” may be one number or two: where commas are decimal"]),
]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(("text", "said"), OF_ONE)
def test_of_one_channel_a_line_or_a_column_is_a_window(text: str, said: list[str]) -> None:
    got = read(tuple(text for text, _ in OF_ONE), 1)[text]
    assert [note[: len(start)] for note, start in zip(got, said, strict=True)] == said


WITH_COMMAS = [
    (
        "-1,841",
        "; write decimal points if “-1,841” is one number, or leave out other columns, as",
    ),
    ("-0,841", "“-0,841” may be one number or two: where commas are decimal, put semicolons or"),
    ("0.5,841", "; leave out other columns, as of time"),
    ("0,84,1", "; leave out other columns, as of time"),
]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(("cells", "advice"), WITH_COMMAS)
def test_decimal_commas_of_one_channel_are_named_where_they_may_be(cells: str, advice: str) -> None:
    (said,) = read(tuple(lines(48, of) for of, _ in WITH_COMMAS), 1)[lines(48, cells)]
    assert advice in said


FILES = [
    ([("text/csv", 9)], "read"),
    (
        [("text/csv", 2_000_000)],
        "a window's text is at most 1 MB, got 2 MB: give one window alone",
    ),
    ([("image/png", 2_000_000)], "this net takes measured values, no pictures"),
    ([("image/png", 9), ("image/png", 9)], "this net takes measured values, no pictures"),
    ([("text/csv", 9), ("", 9)], "one window is read at a time, got 2 files: give one"),
]


@cache
def taken() -> list[list[str]]:
    """Return what is read or told of each of FILES, all by one process."""
    windows, sources = template("windows"), template("sources")
    limits = "\n".join(
        re.findall(r"^const (?:LONGEST|tooLong|isImage) .*", windows + sources, re.MULTILINE)
    )
    given = [[{"file": {"type": kind, "size": size}} for kind, size in of] for of, _ in FILES]
    return ran(f"""
        const takesPictures = false, channels = 1, own = 48, number = value => `${{value}}`;
        let told = [];
        const refuse = said => told.push(said), loadWindow = said => told.push(said);
        {limits}
        {function("load", sources)}
        {function("take", sources)}
        const all = async () => {{
          const found = [];
          for (const given of {json.dumps(given)}) {{
            told = [];
            for (const {{ file }} of given) file.text = async () => "read";
            take(given);
            await new Promise(done => setTimeout(done));
            found.push(told);
          }}
          console.log(JSON.stringify(found));
        }};
        all();
    """)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("number", range(len(FILES)))
def test_one_file_of_text_is_read_and_no_other(number: int) -> None:
    assert taken()[number] == [FILES[number][1]]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(
    ("height", "rows", "columns", "squares", "shares"),
    [
        (1, 2, 3, [0, 1, 1, 0, 2, -3], ["0.000", "1.000", "0.667"]),  # a window that lies
        (48, 3, 2, [0, 0, -3, -1, 1, 1], ["0.000", "1.000", "0.500"]),  # and one that stands
        (1, 1, 2, [0, 0], ["0.000", "0.000"]),
    ],
)
def test_squares_of_a_moment_are_one_and_the_most_telling_is_the_most_coloured(
    height: int, rows: int, columns: int, squares: list[int], shares: list[str]
) -> None:
    drawn = ran(f"""
        const height = {height}, net = {{ squares: {{ height: {rows}, width: {columns} }} }};
        const svg = (tag, attributes) => attributes;
        {function("heatOf", template("windows"))}
        console.log(JSON.stringify(heatOf({squares}, 48, 9, 240)));
    """)
    assert [one["fill-opacity"] for one in drawn] == shares
    assert [one["x"] for one in drawn] == [
        48 + place * 240 / len(shares) for place in range(len(shares))
    ]


@pytest.mark.browser
@needs_chromium
@needs_clang
def test_a_window_is_drawn_as_lines_and_called_a_window(browser: Any, tmp_path: Path) -> None:
    spec = window(wide=True)
    seen = Preprocessing(1, 40, "rgb", 3, offset=(-3.0, 0.0, 5.0), scale=(0.02, 1.0, 2.0))
    told = replace(
        facts(spec, pixels_for(spec, 2), 0), preprocessing=seen, thresholds=((9, 8),) * 100
    )
    (tmp_path / "page.html").write_text(page(compiled(integers(spec)), spec.input_shape, told))
    tab = Tab(browser, tmp_path / "page.html")
    assert tab.page.locator("#plot .line").count() == 3
    path = tab.page.locator("#plot .line").nth(1).get_attribute("d")
    heights = [float(point.split()[1]) for point in re.split("[ML]", path)[1:]]
    pixels = tab.answer()[0].reshape(3, 40)
    top, bottom = heights[pixels[1].argmax()], heights[pixels[1].argmin()]
    assert (top, bottom) == (min(heights), max(heights))
    assert tab.page.locator("#plot .heat").count() == told.squares.width  # type: ignore[union-attr]
    texts = tab.page.locator("#plot text").all_text_contents()
    assert texts == ["1", "2.1", "-3", "2", "255", "0", "3", "515", "5", "1", "moments", "40"]
    assert tab.page.is_hidden("#ink")
    assert tab.page.locator("#samples svg").count() == 2
    tab.wait("document.getElementById('holds').textContent")
    said = tab.page.inner_text("main")
    for words in ("Time a window, here", "Of 9 test windows", "of 40 moments away", "In time"):
        assert words in said
    assert "Windows: 40 moments, 3 channels, stretched, values -3 to 2.1, 0 to 255" in said
    assert not re.search("[Pp]icture|pixel|image|colour", said)
    tab.page.uncheck("#watch")
    assert tab.page.locator("#plot .heat").count() == 0
    tab.page.click("#clear")
    assert tab.page.locator("#plot .line").count() == 0
    assert tab.complaints == []
