"""Draw the floors of tests/test_floors.py: docs/floors.svg, the ground at the bottom."""

import importlib.util
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
DRAWING = ROOT / "docs" / "floors.svg"
WIDTH, EDGE, GAP, ROW = 760, 16, 8, 30
LABEL = 92  # pixels for what a floor is called
LETTER = 7.4  # of a monospaced 12 px letter, and a bit
SAYS = (  # what a floor is for, from the ground
    "values",
    "numbers",
    "a net",
    "its choices",
    "one run",
    "many runs",
    "their page",
    "asking",
    "a person",
)
STYLE = """
  .paper{fill:#fff} .floor{fill:#eef2f6} .room{fill:#fff;stroke:#8a99a8} .many{fill:#d9e8f5;stroke:#3b75a8}
  text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1c2733}
  .says{font:12px system-ui,sans-serif;fill:#51606e}
  @media (prefers-color-scheme:dark){
    .paper{fill:#14191f} .floor{fill:#1e252d} .room{fill:#14191f;stroke:#66727e}
    .many{fill:#1d3346;stroke:#6ea8d8} text{fill:#e3e9ef} .says{fill:#a7b3bf}}
"""  # noqa: E501


def floors() -> list[set[str]]:
    """Return the floors as the test has them, from the ground."""
    path = ROOT / "tests" / "test_floors.py"
    spec = importlib.util.spec_from_file_location("floors_of_the_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FLOORS


def rows_of(rooms: set[str]) -> list[list[str]]:
    """Return the rooms of a floor in rows that fit."""
    rows: list[list[str]] = [[]]
    at = 0.0
    for room in sorted(rooms, key=lambda name: (not _is_package(name), name)):
        wide = _width(room) + GAP
        if rows[-1] and at + wide > WIDTH - 2 * EDGE - LABEL - GAP:
            rows.append([])
            at = 0.0
        rows[-1].append(room)
        at += wide
    return rows


def drawn(found: list[set[str]]) -> str:
    """Return the floors as SVG."""
    assert len(found) == len(SAYS), "SAYS needs a word for every floor"
    parts: list[str] = []
    top = EDGE
    for floor, rooms in reversed(list(enumerate(found))):
        rows = rows_of(rooms)
        high = len(rows) * (ROW + GAP) + GAP
        parts.append(
            f'<rect class="floor" x="{EDGE}" y="{top}" width="{WIDTH - 2 * EDGE}"'
            f' height="{high}" rx="6"/>'
        )
        parts.append(
            f'<text class="says" x="{EDGE + 10}" y="{top + GAP + 19}">{SAYS[floor]}</text>'
        )
        for place, row in enumerate(rows):
            parts += _row(row, top + GAP + place * (ROW + GAP))
        top += high + GAP
    high = top - GAP + EDGE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" role="img" '
        f'aria-label="the floors of smidgen: imports only point down">\n<style>{STYLE}</style>\n'
        f'<rect class="paper" width="{WIDTH}" height="{high}" rx="8"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _row(rooms: list[str], top: float) -> list[str]:
    parts: list[str] = []
    left = float(EDGE + LABEL)
    for room in rooms:
        many, wide = _is_package(room), _width(room)
        kind = "many" if many else "room"
        parts.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{top}" width="{wide:.1f}"'
            f' height="{ROW}" rx="4"/>'
            f'<text x="{left + 8:.1f}" y="{top + 19}">{escape(_shown(room))}</text>'
        )
        left += wide + GAP
    return parts


def _is_package(room: str) -> bool:
    return (ROOT / "src" / "smidgen" / room).is_dir()


def _shown(room: str) -> str:
    return f"{room}/" if _is_package(room) else room


def _width(room: str) -> float:
    return 16 + LETTER * len(_shown(room))


if __name__ == "__main__":
    DRAWING.write_text(drawn(floors()))
