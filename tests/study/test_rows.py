"""Rows are added to a file of them whole, each on a line of its own."""

import errno
import json
from codecs import BOM_UTF8
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from tests.full import full_at
from tests.report.conftest import row

from smidgen.study import rows
from smidgen.study.database import StoreError
from smidgen.study.rows import append_row, read_rows, row_of

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


def test_rows_behind_a_byte_order_mark_are_read_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, ONE)
    path.write_bytes(BOM_UTF8 + path.read_bytes())
    append_row(path, OTHER)
    assert read_rows(path) == [ONE, OTHER]


@pytest.mark.parametrize("content", [b"\x08\0\0\0\0\0\0\0{}", b'{\n "net": {}\n}\n'])
def test_no_row_is_added_to_a_file_of_something_else(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run.json holds no rows: choose another file"):
        append_row(path, ONE)
    assert path.read_bytes() == content


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


@pytest.mark.parametrize("written", [0, 9])
def test_a_full_disk_takes_no_row_that_another_process_added_meanwhile(
    written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, ONE)

    class Full(FileIO):
        def write(self, content: Any) -> int:
            if written and self.tell() == before:
                return super().write(content[:written])
            with path.open("a") as file:
                file.write(f"{json.dumps(OTHER)}\n")
            raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(rows, "FileIO", Full)
    before = path.stat().st_size
    with pytest.raises(OSError, match="No space left"):
        append_row(path, OTHER)
    assert path.read_bytes()[before + written :].decode() == f"{json.dumps(OTHER)}\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_only_a_line_feed_ends_a_row(end: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {**ONE, "classes": ["a\u2028b", "c\x85d", "e\u2029f"]}
    text = json.dumps(row, ensure_ascii=False)
    path.write_bytes(f"{text}{end or chr(10)}{text}{end}".encode())
    assert read_rows(path) == [row, row]


@pytest.mark.parametrize("value", ["", False, [], {}])
@pytest.mark.parametrize("column", ["nll", "params", "loss"])
def test_a_figure_that_may_be_missing_is_a_number_or_null(column: str, value: object) -> None:
    assert row_of(json.dumps({column: None}), "here") == {column: None}
    with pytest.raises(StoreError, match=f"here: {column} must be a finite number, got"):
        row_of(json.dumps({column: value}), "here")
