"""Rows are added to a file of them whole, each on a line of its own."""

from pathlib import Path

import pytest
from tests.full import full_at
from tests.report.conftest import row

from smidgen.study import rows
from smidgen.study.rows import append_row, read_rows

ONE, OTHER = row("one", [], 0, 150), row("other", [], 1, 140)


def test_rows_come_one_after_another(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for one in (ONE, OTHER):
        append_row(path, one)
    assert read_rows(path) == [ONE, OTHER]


def test_a_last_line_that_has_no_end_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, ONE)
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    append_row(path, OTHER)
    assert read_rows(path) == [ONE, OTHER]


def test_a_full_disk_leaves_no_part_of_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, ONE)
    with monkeypatch.context() as patch:
        patch.setattr(rows, "FileIO", full_at(path.stat().st_size + 20))
        with pytest.raises(OSError, match="No space left") as refused:
            append_row(path, OTHER)
    assert refused.value.filename == str(path)
    append_row(path, OTHER)
    assert read_rows(path) == [ONE, OTHER]
