"""The drawing of the floors shows the floors of the test that holds them."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("floors", ROOT / "tools" / "floors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_drawing_is_that_of_the_floors_today(drawing: ModuleType) -> None:
    made = drawing.drawn(drawing.floors())
    assert (ROOT / "docs" / "floors.svg").read_text() == made, "make floors draws it anew"


def test_every_room_is_drawn_once_and_inside_the_paper(drawing: ModuleType) -> None:
    found = drawing.floors()
    made = drawing.drawn(found)
    shown = [name.rstrip("/") for name in re.findall(r"<text x[^>]*>([^<]*)</text>", made)]
    assert sorted(shown) == sorted(room for rooms in found for room in rooms)
    boxes = re.findall(r'x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', made)
    assert all(float(left) + float(wide) <= drawing.WIDTH - drawing.EDGE for left, wide in boxes)


def test_a_floor_above_is_drawn_above(drawing: ModuleType) -> None:
    made = drawing.drawn(drawing.floors())
    height = {
        name: float(y) for y, name in re.findall(r'<text x="[\d.]+" y="([\d.]+)">(\w+)', made)
    }
    assert height["cli"] < height["report"] < height["study"] < height["spec"] < height["tensors"]
