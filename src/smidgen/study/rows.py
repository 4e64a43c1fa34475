"""Rows in a file, and as they are read: of the right kinds, or refused by place."""

import json
import os
from codecs import BOM_UTF8
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from smidgen.files import write_whole
from smidgen.limits import ROW, ROWS_BYTES, content, is_number
from smidgen.names import bare, require_name, shown
from smidgen.release import release
from smidgen.study.database import StoreError

_TEXTS = (
    *("key", "study", "net", "data", "split", "trained_on", "device", "kernels", "precision"),
    *("revision", "fingerprint", "command", "right"),
)
_NUMBERS = (
    *("accuracy", "nll", "ece", "shift_consistency", "params", "macs", "deployed_params"),
    *("seed", "epochs", "seconds", "threads", "images", "loss", "peak_activation"),
    *("bytes_float32", "bytes_int8", "bytes_on_disk"),
)
_MAY_LACK = (  # may be null
    *("nll", "ece", "shift_consistency", "loss", "bytes_on_disk"),
    *("params", "macs"),  # of plain learners beside a design
)
_KINDS: dict[str, type] = {
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(("recipe", "versions", "robust", "robust_quick"), dict),
    **dict.fromkeys(("methods", "history", "studies", "layers"), list),
}
NO_ROW = f"a row must be a text of at most {ROW:,} characters"
_WORDS: dict[type, str] = {str: "a text", dict: "a table", list: "a list"}


def row_of(text: object, where: str) -> dict[str, Any]:
    """Return the row that a JSON text holds, its values of the kinds that they must be.

    Args:
        text: As stored.
        where: It stands, for errors.

    Raises:
        StoreError: If it is no row; place and column are named.
    """
    if not isinstance(text, str) or len(text) > ROW:
        raise StoreError(f"{where}: {NO_ROW}")
    try:
        row = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise StoreError(f"{where}: no JSON: {error}") from None
    if not isinstance(row, dict):
        raise StoreError(f"{where}: a row must be a table, got {shown(row)}")
    try:
        _require_kinds(row)
    except ValueError as error:
        by = row["versions"].get("smidgen") if isinstance(row.get("versions"), dict) else None
        newer = "" if by in (None, release()) else f" (written by smidgen {bare(by)})"
        raise StoreError(f"{where}: {error}{newer}") from None
    return row


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of JSON lines.

    Raises:
        StoreError: If it cannot be read or a line is no row; the line is named.
    """
    try:
        text = content(path, ROWS_BYTES).decode("utf-8-sig")  # some editors mark it
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: must be text, rows of JSON") from error
    except ValueError as error:
        raise StoreError(f"{path}: {error}") from None
    rows: list[dict[str, Any]] = []
    lines = text.removesuffix("\n").split("\n") if text else []  # a text in JSON may hold others
    for number, line in enumerate(lines, 1):
        row = row_of(line, f"{path}, line {number}")
        if not {"key", "study", "net"} <= row.keys():
            raise StoreError(f"{path}, line {number}: a row must have key, study and net")
        rows.append(row)
    return rows


def require_row_file(path: Path) -> None:
    """Refuse to add rows to a file that holds something else, such as weights or a picture.

    Raises:
        ValueError: If it does, or cannot be read.
    """
    if not path.is_file():  # a pipe is not looked into
        return
    try:
        with path.open("rb") as file:
            first = file.readline(ROW).removeprefix(BOM_UTF8).strip()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    if first and not (first.startswith(b"{") and first.endswith(b"}")):  # a plan goes over lines
        raise ValueError(f"{path} holds no rows: choose another file")


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row to a file of JSON lines, whole or not at all, on a line of its own.

    Raises:
        OSError: If it cannot be written.
        ValueError: If it holds something else.
    """
    require_row_file(path)
    line = f"{json.dumps(row)}\n".encode()
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            line = line if file.read() == b"\n" else b"\n" + line
    with FileIO(path, "a") as file:
        write_whole(file, line)


def _require_kinds(row: Mapping[str, Any]) -> None:
    for column, value in row.items():
        if column in _KINDS and not isinstance(value, _KINDS[column]):
            raise ValueError(f"{column} must be {_WORDS[_KINDS[column]]}, got {shown(value)}")
        if column in _NUMBERS and not is_number(value):
            if value is None and column in _MAY_LACK:
                continue
            raise ValueError(f"{column} must be a finite number, got {shown(value)}")
    for column in ("methods", "studies"):
        if not all(isinstance(text, str) for text in row.get(column, [])):
            raise ValueError(f"{column} must be texts, got {shown(row[column])}")
    if not all(isinstance(record, dict) for record in row.get("history", [])):
        raise ValueError("history must be tables, one an epoch")
    if "net" in row:
        require_name(row["net"], "net")
