"""The one place where a study's trials and rows are kept: an SQLite file that survives a crash."""

import json
import sqlite3
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smidgen.checkpoint import write_atomically
from smidgen.study.job import Job
from smidgen.study.owner import is_alive
from smidgen.study.status import Ended, Status, status_of

ATTEMPTS = 2  # a trial that failed once is tried once more
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
"""
_OF_STUDY = "(? IS NULL OR key IN (SELECT key FROM members WHERE study = ?))"


class StoreError(ValueError):
    """A file that is no store, or cannot be used as one."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that one owner alone may run.

    Args:
        key: Of its trial.
        job: What to do.
        attempt: Counted from 1.
    """

    key: str
    job: Job
    attempt: int


class Store:
    """Trials by key, each queued, running, done or failed; safe with many processes at once."""

    def __init__(self, path: Path | str, *, create: bool = True) -> None:
        """Open a store.

        Args:
            path: Of the SQLite file.
            create: Whether to make it if there is none.

        Raises:
            StoreError: If the file is no store, cannot be written, or is missing.
        """
        self.path = Path(path)
        if not create and not self.path.exists():
            raise StoreError(f"there is no store {self.path}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(_SCHEMA)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written: {error.strerror}") from error
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be used as a store: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @property
    def runs(self) -> Path:
        """Folder of the run folders, one a trial, beside the store."""
        return self.path.with_suffix(".runs")

    @property
    def owners(self) -> Path:
        """Folder of the locks of those who run trials now."""
        return self.runs / "owners"

    def add(self, study: str, jobs: Iterable[Job]) -> None:
        """Queue those jobs that the store does not know yet, and note that ``study`` wants all."""
        with self._writing() as db:
            for job in jobs:
                key = job.trial.key
                db.execute(
                    "INSERT INTO trials (key, job, title, state, queued) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (key) DO NOTHING",
                    (key, job.to_text(), job.title, "queued", time.time()),
                )
                db.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (study, key))

    def claim(self, owner: str, study: str | None = None) -> Claim | None:
        """Return a queued job, now running under ``owner``; ``None`` if there is none."""
        with self._writing() as db:
            found = db.execute(
                "SELECT key, job, attempts FROM trials"
                f" WHERE state = 'queued' AND job IS NOT NULL AND {_OF_STUDY}"
                " ORDER BY attempts, rowid LIMIT 1",
                (study, study),
            ).fetchone()
            if found is None:
                return None
            key, text, attempts = found
            db.execute(
                "UPDATE trials SET state = 'running', owner = ?, attempts = ?, started = ?,"
                " ended = NULL, progress = 0 WHERE key = ?",
                (owner, attempts + 1, time.time(), key),
            )
        return Claim(key, Job.from_text(text), attempts + 1)

    def progress(self, key: str, owner: str, share: float) -> None:
        """Note how far a running trial is, 0 to 1."""
        with self._writing() as db:
            db.execute(
                "UPDATE trials SET progress = ? WHERE key = ? AND owner = ?", (share, key, owner)
            )

    def finish(self, key: str, owner: str, row: dict[str, Any]) -> bool:
        """Keep the row of a finished trial; return whether ``owner`` still had the claim."""
        with self._writing() as db:
            changed = db.execute(
                "UPDATE trials SET state = 'done', row = ?, error = NULL, owner = NULL,"
                " progress = 1, ended = ? WHERE key = ? AND owner = ? AND state = 'running'",
                (json.dumps(row, sort_keys=True), time.time(), key, owner),
            ).rowcount
        return changed == 1

    def fail(self, key: str, owner: str, error: str) -> None:
        """Note that an attempt failed; the first time, the trial is queued again, behind all."""
        with self._writing() as db:
            db.execute(
                "UPDATE trials SET state = iif(attempts < ?, 'queued', 'failed'), error = ?,"
                " owner = NULL, ended = ? WHERE key = ? AND owner = ? AND state = 'running'",
                (ATTEMPTS, error, time.time(), key, owner),
            )

    def fail_of(self, owner: str, error: str) -> None:
        """Note that whoever ran under ``owner`` ended in the middle of a trial."""
        for (key,) in self._db.execute(
            "SELECT key FROM trials WHERE owner = ?", (owner,)
        ).fetchall():
            self.fail(key, owner, error)

    def release_lost(self) -> int:
        """Queue the trials whose process is gone again, as if never begun; return how many.

        An interrupted study is no fault of its trials, so no attempt is counted.
        """
        running = self._db.execute("SELECT key, owner FROM trials WHERE state = 'running'")
        lost = [(k, o) for k, o in running.fetchall() if not is_alive(self.owners, o)]
        with self._writing() as db:
            return sum(
                db.execute(
                    "UPDATE trials SET state = 'queued', owner = NULL, attempts = attempts - 1"
                    " WHERE key = ? AND owner = ? AND state = 'running'",
                    pair,
                ).rowcount
                for pair in lost
            )

    def retry_failed(self, study: str | None = None) -> int:
        """Queue failed trials again with fresh attempts; return how many."""
        with self._writing() as db:
            return db.execute(
                "UPDATE trials SET state = 'queued', attempts = 0"
                f" WHERE state = 'failed' AND {_OF_STUDY}",
                (study, study),
            ).rowcount

    def studies(self) -> list[str]:
        """Return the names of the studies that wanted trials, oldest first."""
        found = self._db.execute("SELECT study FROM members GROUP BY study ORDER BY min(rowid)")
        return [name for (name,) in found]

    def status(self, study: str | None = None) -> Status:
        """Return where the trials of a study stand, or all."""
        return status_of(
            self._db.execute(
                "SELECT state, title, job, row, progress, started, ended, error FROM trials"
                f" WHERE {_OF_STUDY}",
                (study, study),
            ).fetchall()
        )

    def ended(self, study: str | None = None, since: float = 0.0) -> list[Ended]:
        """Return the attempts that ended after ``since``, seconds since 1970, oldest first."""
        found = self._db.execute(
            "SELECT key, title, state, error, row, ended FROM trials"
            f" WHERE ended > ? AND {_OF_STUDY} ORDER BY ended",
            (since, study, study),
        )
        return [
            Ended(key, title, state, error, json.loads(row) if row else None, ended)
            for key, title, state, error, row, ended in found
        ]

    def rows(self, study: str | None = None) -> list[dict[str, Any]]:
        """Return the finished rows in the order in which they were asked for, each once."""
        found = self._db.execute(
            "SELECT trials.row, members.study, min(members.rowid) AS place"  # its first study
            " FROM members JOIN trials USING (key)"
            " WHERE row IS NOT NULL AND (? IS NULL OR members.study = ?)"
            " GROUP BY key ORDER BY place",
            (study, study),
        )
        return [{**json.loads(row), "study": name} for row, name, _ in found]

    def export_rows(self, path: Path, study: str | None = None) -> int:
        """Write the finished rows as JSON lines; return how many."""
        rows = self.rows(study)
        for row in rows:
            wanted = "SELECT study FROM members WHERE key = ? ORDER BY rowid"
            row["studies"] = [name for (name,) in self._db.execute(wanted, (row["key"],))]
        lines = "".join(f"{json.dumps(row, sort_keys=True)}\n" for row in rows)
        write_atomically(path, lines.encode())
        return len(rows)

    def import_rows(self, path: Path) -> int:
        """Take finished rows from JSON lines; return how many the store did not have.

        Raises:
            StoreError: If a line is no row; nothing is taken then.
        """
        rows = read_rows(path)
        with self._writing() as db:
            for row in rows:
                for study in row.get("studies", [row["study"]]):
                    db.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (study, row["key"]))
            return sum(
                db.execute(
                    "INSERT INTO trials (key, title, state, progress, row) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (key) DO UPDATE SET state = 'done', progress = 1, owner = NULL,"
                    " row = excluded.row, error = NULL WHERE state != 'done'",
                    (row["key"], str(row["net"]), "done", 1.0, json.dumps(row, sort_keys=True)),
                ).rowcount
                for row in rows
            )

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


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
