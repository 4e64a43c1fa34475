"""The wrong edits that are kept can still be made, and the tests that notice them are there."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
EDITS: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "tools/wrong_edits.toml").read_text())
DRAWN = (ROOT / "tools" / "mutants.txt").read_text().splitlines()


def missing(tests: list[str]) -> list[str]:
    """Return those of some tests that there are not."""
    absent: list[str] = []
    for test in tests:
        path, _, name = test.removeprefix("--deselect=").partition("::")
        file = ROOT / path
        held = file.read_text() if file.is_file() else ""
        there = f"def {name.partition('[')[0]}(" in held if name else file.exists()
        absent += [] if there else [test]
    return absent


@pytest.mark.parametrize("name", EDITS)
def test_a_wrong_edit_has_its_place_and_its_tests(name: str) -> None:
    edit = EDITS[name]
    assert (ROOT / edit["module"]).read_text().count(edit["was"]) == 1
    assert missing(edit["tests"].split()) == []


def test_the_page_lists_the_wrong_edits_that_are_made() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    listed = re.findall(r"^\| `([\w-]+)` \| `([\w/.]+)` \| `", page, re.MULTILINE)
    made = [(name, edit["module"].removeprefix("src/smidgen/")) for name, edit in EDITS.items()]
    assert sorted(listed) == sorted(made)


@pytest.mark.parametrize("line", DRAWN, ids=lambda line: line.split()[0])
def test_a_module_whose_edits_are_drawn_is_there_with_its_tests(line: str) -> None:
    assert missing(line.split()) == []
