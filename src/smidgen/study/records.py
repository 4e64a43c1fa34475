"""Reading finished rows and the state of a study, without loading what trains."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smidgen.study.status import Ended, Status, status_of

SQLITE = b"SQLite format 3\x00"
OF_STUDY = "(? IS NULL OR key IN (SELECT key FROM members WHERE study = ?))"
_WAIT = 60.0  # seconds for another process to end its transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trials (
    key TEXT PRIMARY KEY,
    job TEXT,                             -- JSON; null for a row that came from elsewhere
    title TEXT NOT NULL,
    state TEXT NOT NULL,                  -- queued, running, done or failed
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,                           -- of the last attempt that failed
    owner TEXT,                           -- who runs it: see owner.py
    progress REAL NOT NULL DEFAULT 0,     -- 0 to 1, of the running attempt
    queued REAL, started REAL, ended REAL,  -- seconds since 1970
    row TEXT                              -- JSON, once done
);
CREATE TABLE IF NOT EXISTS members (
    study TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (study, key)
);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);  -- JSON
"""


class StoreError(ValueError):
    """A file that is no store, or cannot be used as one."""


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open the SQLite file of a store.

    Raises:
        StoreError: If the file is no store, cannot be written, or is missing and not wanted new.
    """
    if not create and not path.exists():
        raise StoreError(f"there is no store {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be used as a store: {error}") from error
    return db


def studies_in(db: sqlite3.Connection) -> list[str]:
    """Return the names of the studies that wanted trials, oldest first."""
    found = db.execute("SELECT study FROM members GROUP BY study ORDER BY min(rowid)")
    return [name for (name,) in found]


def status_in(db: sqlite3.Connection, study: str | None = None) -> Status:
    """Return where the trials of a study stand, or all."""
    return status_of(
        db.execute(
            "SELECT state, title, job, row, progress, started, ended, error FROM trials"
            f" WHERE {OF_STUDY}",
            (study, study),
        ).fetchall()
    )


def ended_in(db: sqlite3.Connection, study: str | None, since: float) -> list[Ended]:
    """Return the attempts that ended after ``since``, seconds since 1970, oldest first."""
    found = db.execute(
        "SELECT key, title, state, error, row, ended FROM trials"
        f" WHERE ended > ? AND {OF_STUDY} ORDER BY ended",
        (since, study, study),
    )
    return [
        Ended(key, title, state, error, json.loads(row) if row else None, ended)
        for key, title, state, error, row, ended in found
    ]


def rows_in(db: sqlite3.Connection, study: str | None = None) -> list[dict[str, Any]]:
    """Return the finished rows in the order in which they were asked for, each once."""
    found = db.execute(
        "SELECT trials.row, members.study, min(members.rowid) AS place"  # its first study
        " FROM members JOIN trials USING (key)"
        " WHERE row IS NOT NULL AND (? IS NULL OR members.study = ?)"
        " GROUP BY key ORDER BY place",
        (study, study),
    )
    rows = [{**json.loads(row), "study": name} for row, name, _ in found]
    for row in rows:
        wanted = "SELECT study FROM members WHERE key = ? ORDER BY rowid"
        row["studies"] = [name for (name,) in db.execute(wanted, (row["key"],))]
    return rows


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of JSON lines.

    Raises:
        StoreError: If it cannot be read or a line is no row; the line is named.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise StoreError(f"{path}, line {number}: no JSON: {error}") from error
        if not isinstance(row, dict) or not {"key", "study", "net"} <= row.keys():
            raise StoreError(f"{path}, line {number}: a row must have key, study and net")
        rows.append(row)
    return rows


def notes_in(db: sqlite3.Connection) -> dict[str, Any]:
    """Return what was noted beside the rows, such as the decisions of a design."""
    return {name: json.loads(value) for name, value in db.execute("SELECT name, value FROM notes")}


@dataclass(frozen=True, slots=True)
class Records:
    """What a store holds for a reader.

    Args:
        rows: Finished ones.
        status: Where its trials stand.
        notes: By name.
    """

    rows: list[dict[str, Any]]
    status: Status
    notes: dict[str, Any]


def load(path: Path | str) -> Records:
    """Return what is in a store, SQLite or JSON lines.

    Raises:
        StoreError: If there is no such file, or it is neither.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(f"there is no store {path}")
    try:
        with path.open("rb") as file:
            is_database = file.read(len(SQLITE)) == SQLITE
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    if not is_database:
        rows = read_rows(path)
        return Records(rows, Status(len(rows), 0, 0, 0, 0.0, ()), {})
    db = connect(path, create=False)
    try:
        return Records(rows_in(db), status_in(db), notes_in(db))
    finally:
        db.close()
