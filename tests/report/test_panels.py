"""Plots side by side: one axis, one colour a name, below each other on a phone."""

import re

from smidgen.report.chart import SERIES
from smidgen.report.panels import Dot, Panel, panels

LEFT = Panel("left", {"a": [Dot(0, 10, "low"), Dot(4, 90, "high")]}, [0, 4])
RIGHT = Panel("right", {"b": [Dot(1, 10, "far")], "a": [Dot(2, 90, "near")]}, [1, 2], joined=False)
CHART = panels("Two", "%", [LEFT, RIGHT], "", (0, 100))


def dots(svg: str) -> dict[str, tuple[float, float, str]]:
    """Return place and colour of each dot by what it tells."""
    form = r'<circle cx="([\d.]+)" cy="([\d.]+)" r="4" fill="(\S+)"><title>([^<]+)</title>'
    return {told: (float(x), float(y), hue) for x, y, hue, told in re.findall(form, svg)}


def test_a_name_has_one_colour_and_plots_one_axis() -> None:
    found = dots(CHART.wide)
    assert found["a, low"][2] == found["a, near"][2] == SERIES[0]
    assert found["b, far"][2] == SERIES[1]
    assert found["a, low"][1] == found["b, far"][1] > found["a, high"][1] == found["a, near"][1]
    assert found["a, low"][0] < found["a, high"][0] < found["b, far"][0] < found["a, near"][0]


def test_plots_are_below_each_other_on_a_phone() -> None:
    found = dots(CHART.narrow)
    assert found["a, low"][0] == found["b, far"][0]
    assert found["a, low"][1] < found["a, near"][1]


def test_only_joined_dots_have_a_line() -> None:
    assert CHART.wide.count("<path") == 1
    assert panels("One", "%", [RIGHT], "", None).wide.count("<path") == 0


def test_the_axis_holds_all_dots_where_no_ends_are_given() -> None:
    found = dots(panels("One", "%", [LEFT], "", None).wide)
    whole = dots(panels("One", "%", [LEFT], "", (0, 100)).wide)
    assert found["a, high"][1] < whole["a, high"][1]
    assert found["a, low"][1] > whole["a, low"][1]


def test_the_diagonal_is_where_both_values_are_the_same() -> None:
    plot = Panel("x", {"a": [Dot(0, 0, "start"), Dot(100, 100, "end")]}, [0, 100], diagonal=True)
    svg = panels("One", "%", [plot], "", (0, 100)).wide
    (start, end), form = dots(svg).values(), '<line x1="{}" y1="{}" x2="{}" y2="{}"'
    numbers = [f"{of:.1f}".removesuffix(".0") for of in (*start[:2], *end[:2])]
    assert form.format(*numbers) in svg
