"""Drawings say what they are told, whatever it holds, and their axes are round."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smidgen.report import svg
from smidgen.report.axes import Scale, log_ticks, ticks, told, whole_ticks
from smidgen.report.svg import Canvas, alone, shortened, width_of

BAD = "\"><script>alert(1)</script>&'"
SVG = "{http://www.w3.org/2000/svg}"


def test_every_text_is_escaped() -> None:
    canvas = Canvas(100, 50)
    canvas.text(0, 10, BAD, told=BAD)
    canvas.circle(1, 1, 1, "var(--ink)", BAD)
    canvas.path([(0, 0), (1, 1)], "var(--ink)", BAD)
    root = ElementTree.fromstring(canvas.svg(BAD))
    assert root.attrib["aria-label"] == BAD
    assert list(root.iter(f"{SVG}script")) == []
    assert [title.text for title in root.iter(f"{SVG}title")] == [BAD] * 3


def test_a_file_of_its_own_has_every_colour_that_it_uses() -> None:
    canvas = Canvas(10, 10)
    canvas.rect(0, 0, 5, 5, "var(--ink)")
    text = alone(canvas.svg("a"))
    ElementTree.fromstring(text)
    assert text.index("--ink:") < text.index("var(--ink)")


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert shortened("short", 100) == "short"
    cut = shortened("a name that goes on and on", 60)
    assert cut.endswith("…")
    assert width_of(cut) <= 60
    assert width_of("柴犬と猫", 10) == 40, "letters as wide as they are high"
    assert width_of("u\u0308", 10) == width_of("u", 10), "and such as stand upon another"


@given(st.text("iMa柴u\u0308 ", max_size=40), st.floats(0, 200))
def test_as_much_of_a_long_text_is_left_as_fits(text: str, width: float) -> None:
    cut = shortened(text, width)
    if cut != text:
        assert width_of(text) > width
        assert text.startswith(cut.removesuffix("…"))
        assert width_of(cut) <= width or cut == "…"
        assert width_of(f"{text[: len(cut)]}…") > width


def test_a_text_of_many_letters_is_cut_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []

    def counting(text: str, size: float) -> float:
        measured.append(text)
        return width_of(text, size)

    monkeypatch.setattr(svg, "width_of", counting)
    assert shortened("a" * 5_000, 300).endswith("a…")
    assert len(measured) < 20


@given(low=st.floats(-1e4, 1e4), span=st.floats(1e-3, 1e4), count=st.integers(2, 12))
def test_ticks_are_round_and_within(low: float, span: float, count: int) -> None:
    found = ticks(low, low + span, count)
    room = 1e-6 * max(1.0, abs(low), span)
    assert all(low - room <= value <= low + span + room for value in found)
    assert 1 <= len(found) <= count + 1
    steps = [b - a for a, b in pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)


def test_ticks_by_hand() -> None:
    assert ticks(0, 1, 5) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(97.2, 99.6, 6) == [97.5, 98, 98.5, 99, 99.5]
    assert whole_ticks(1, 3, 10) == [1, 2, 3]
    assert log_ticks(300, 6000) == [500, 1000, 2000, 5000]
    assert log_ticks(1248, 2107.5) == [1250, 1500, 1750, 2000], "nets of nearly one size"
    assert log_ticks(1501, 1599) == [1525, 1550, 1575]


def test_numbers_have_the_digits_that_tell_them_apart() -> None:
    assert [told(value, [0, 0.25, 0.5]) for value in (0, 0.25, 0.5)] == ["0.00", "0.25", "0.50"]
    assert told(20_000, [10_000, 20_000]) == "20,000"


def test_scales_are_straight_or_of_ratios() -> None:
    assert Scale(0, 10, 100, 0)(2.5) == 75
    assert Scale(10, 1000, 0, 100, log=True)(100) == pytest.approx(50)
    assert Scale(3, 3, 0, 100)(3) == 50
