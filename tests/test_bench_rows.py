"""Rows of a benchmark take the place of those of the same measurement alone."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of a net on a core."""

    net: str
    core: str
    flash: int


def test_rows_of_other_measurements_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "bench")
    from rows import update_rows  # pyright: ignore[reportMissingImports]

    path = tmp_path / "results" / "cores.jsonl"
    update_rows(path, [Row("a", "m4", 1), Row("b", "m4", 2)], ("net", "core"))
    update_rows(path, [Row("a", "m7", 3), Row("b", "m4", 4)], ("net", "core"))
    update_rows(path, [], ("net", "core"))
    held = [json.loads(line) for line in path.read_text().splitlines()]
    assert [tuple(row.values()) for row in held] == [("a", "m4", 1), ("a", "m7", 3), ("b", "m4", 4)]
