"""Text from outside ends nothing and begins nothing, whatever language it is written into."""

import html
import json
import re
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from ast import literal_eval

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from tests.waiting import PATIENCE

from smidgen import escape

HOSTILE = (
    '*/ int x = system("true"); /*',
    "*//**/*",
    "/*/",
    '" onload="alert(1)',
    "</script><script>alert(1)</script>",
    "<!--",
    r"\g<9> \ \n",
    "a\x00b\x1b[2J\x07\x7f\x9b2J",
    "a\nb\r\nc",
    "a??/\nb",
    "| a | b |",
    "[x](javascript:alert(1))",
    "# title",
    "$(touch owned) `touch owned` ; touch owned",
    "'; touch owned; '",
    "\u202egnp.exe\u2028\u2066",
    "ünï 中文 👩\u200d👩\u200d👧",
    "\ud800",
    "",
    "\\",
    "]]>",
)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(), st.text(st.sampled_from("*/\\?\"'<|`\n")))
NO_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@given(TEXTS)
def test_a_terminal_gets_one_line_without_control_characters(text: str) -> None:
    assert not NO_CONTROL.search(escape.terminal(text))
    if text.isprintable():
        assert escape.terminal(text) == text


@given(TEXTS)
def test_a_comment_of_c_neither_ends_nor_begins_another(text: str) -> None:
    written = escape.c_comment(text)
    assert not re.search(r"\*/|/\*|\n|\?\?/", f"{written} ")
    assert not NO_CONTROL.search(written)


@given(TEXTS)
def test_a_string_of_c_holds_the_same_text_as_utf8(text: str) -> None:
    written = escape.c_string(text)
    assert re.fullmatch(r'"([^"\\?\n]|\\[0-7]{3})*"', written)
    assert written.isascii()
    found = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), written[1:-1].encode())
    assert found == escape.whole(text).encode()


@given(TEXTS)
def test_html_and_svg_read_the_same_text(text: str) -> None:
    written = escape.html(text)
    assert not set(written) & set("<>\"'")
    found = ET.fromstring(f'<a b="{written}">{written}</a>')
    assert found.text in (html.unescape(written), None)
    assert not found.attrib["b"].startswith("alert")


@given(TEXTS)
def test_json_in_a_page_ends_no_script_and_reads_back(text: str) -> None:
    written = escape.json_in_page({"name": text})
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == {"name": text}


def test_json_in_a_page_has_no_words_that_javascript_lacks() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        escape.json_in_page(float("nan"))


@given(TEXTS)
def test_markdown_stays_in_its_cell_and_has_no_tags_or_links(text: str) -> None:
    written = escape.markdown(text)
    assert not NO_CONTROL.search(written)
    assert "<" not in written
    assert not re.search(r"(?<!\\)(\\\\)*[|`*]", written)
    assert not re.search(r"(?<!\\)(\\\\)*\][(\[:]", written)


@pytest.mark.parametrize(
    "text", ["cutout(length=8)", "blurpool + sam", "+0.29 [+0.07, +0.52]", "a_b", "98.6 ± 0.1"]
)
def test_markdown_leaves_ordinary_cells_alone(text: str) -> None:
    assert escape.markdown(text).replace("\\+0.29", "+0.29") == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("https://evil.example", "https&#58;//evil.example"),
        ("WWW.evil.example", "WWW&#46;evil.example"),
        ("a: b://", "a: b&#58;//"),
    ],
)
def test_a_bare_address_becomes_a_link_only_where_that_is_wanted(text: str, written: str) -> None:
    assert escape.markdown(text) == written
    assert html.unescape(written) == text
    assert escape.markdown(text, links=True) == text


@given(TEXTS | st.text(st.characters()))
@example("".join(map(chr, [*range(0x2100), 0xFEFF, 0xFFFE, 0xFFFF, 0xD83D, 0x1F600])))
def test_yaml_and_python_read_the_same_text(text: str) -> None:
    assert yaml.safe_load(f"- {escape.json_as_yaml({'a': [text]})}") == [{"a": [text]}]
    assert literal_eval(escape.json_as_yaml(text)) == text


@given(TEXTS.filter(lambda text: not re.search("[\ud800-\udfff]", text)))
def test_toml_reads_the_same_text(text: str) -> None:
    assert tomllib.loads(f"name = {escape.toml(text)}") == {"name": text}


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\x00" not in text])
def test_a_shell_takes_it_as_one_word(text: str, tmp_path: object) -> None:
    line = escape.shell(["printf", "%s|", text, "end"])
    assert not NO_CONTROL.search(line.replace("\u2028", ""))
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, cwd=str(tmp_path), check=True, timeout=PATIENCE
    )
    assert done.stdout == text.encode("utf-8", "surrogatepass") + b"|end|"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_of_a_spreadsheet_starts_no_formula(sign: str) -> None:
    assert escape.cell(f"{sign}1") == f"'{sign}1"
    assert escape.cell(f"a{sign}1") == f"a{sign}1"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("caf\udcc3\udca9/\u4e2d.png", "café/\u4e2d.png"),  # as where a locale has ASCII alone
        ("\udcff.png", "\\xff.png"),
        ("\udcfe\udcc3\udca9.png", "\\xfeé.png"),
        ("\ud800", "\ufffd"),
        ("\\é", "\\é"),
    ],
)
def test_names_that_differ_stay_different_in_utf_8(text: str, written: str) -> None:
    assert escape.whole(text) == written
    assert escape.whole(written) == written
