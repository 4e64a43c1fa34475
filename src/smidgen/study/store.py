"""The one place where a study's trials and rows are kept: an SQLite file that survives a crash."""

import json
import sqlite3
import sys
import time
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from smidgen.checkpoint import checkpoints
from smidgen.files import require_no_link, write_atomically
from smidgen.names import require_key, shown
from smidgen.run_folder import WEIGHTS
from smidgen.split_names import row_key
from smidgen.study.database import StoreError, connect, connect_to_read, told
from smidgen.study.job import Job, titles
from smidgen.study.owner import is_alive
from smidgen.study.records import (
    OF_STUDY,
    counts_in,
    ended_in,
    ends_in,
    notes_in,
    own_runs_of,
    owners_of,
    rows_in,
    runs_of,
    status_in,
    studies_in,
)
from smidgen.study.rows import read_rows
from smidgen.study.status import Ended, Pace, Status

ATTEMPTS = 2  # a trial that failed once is tried once more
KILLS = 10  # of its process without an epoch between them, until a trial counts as failed


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
            create: Whether to make it if there is none; without, it is opened to be looked at
                alone.

        Raises:
            StoreError: If the file is no store, or cannot be written and is to be, or is missing
                and not wanted new, or if its run folders are a link to somewhere else.
        """
        self.path = Path(path)
        self._paces: dict[str, Pace] = {}
        if not create:
            self._db = connect_to_read(self.path)
            return
        for folder in (self.runs, self.owners):
            _require_own(folder)
        is_new = not self.path.exists()
        self._db = connect(self.path)
        if is_new and (own := own_runs_of(self.path)) != self.path.with_suffix(".runs"):
            own.mkdir(exist_ok=True)  # by which it is known later on

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @property
    def runs(self) -> Path:
        """Folder of the run folders, one a trial, beside the store."""
        return runs_of(self.path)

    def folder(self, key: str) -> Path:
        """Return the run folder of a trial.

        Raises:
            StoreError: If that is no key, or the folder is a link to somewhere else.
        """
        try:
            folder = self.runs / require_key(key, "the key of a trial")
        except ValueError as error:
            raise StoreError(f"{self.path}: {error}") from None
        _require_own(folder)
        return folder

    @property
    def owners(self) -> Path:
        """Folder of the locks of those who run trials now."""
        return owners_of(self.path)

    def add(self, study: str, jobs: Iterable[Job]) -> None:
        """Queue those jobs that the store does not know yet, and note that ``study`` wants all.

        A trial that waits, or has failed, is done as it is asked for last: its images may have
        moved, and what is to be measured may be more than before.
        """
        wanted = list(jobs)
        with self._writing() as db:
            for job, title in zip(wanted, titles(wanted), strict=True):
                key = job.trial.key
                db.execute(
                    "INSERT INTO trials (key, job, title, state, queued) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (key) DO UPDATE SET job = excluded.job, title = excluded.title"
                    " WHERE state IN ('queued', 'failed')",
                    (key, job.to_text(), title, "queued", time.time()),
                )
                db.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (study, key))

    def keep_only(self, study: str, jobs: Iterable[Job]) -> int:
        """Take from ``study`` what waits or has failed and is none of these; return how many.

        What is finished stays, and so does everything while anybody runs a trial of the study.
        """
        self.release_lost()
        wanted = {job.trial.key for job in jobs}
        with self._writing() as db:
            found = db.execute(
                "SELECT key, state FROM members JOIN trials USING (key) WHERE study = ?", (study,)
            ).fetchall()
            if any(state == "running" for _, state in found):
                return 0
            over = [key for key, state in found if state != "done" and key not in wanted]
            for key in over:
                db.execute("DELETE FROM members WHERE study = ? AND key = ?", (study, key))
                db.execute(
                    "DELETE FROM trials WHERE key = ? AND key NOT IN (SELECT key FROM members)",
                    (key,),
                )
        return len(over)

    def claim(self, owner: str, study: str | None = None) -> Claim | None:
        """Return a queued job, now running under ``owner``; ``None`` if there is none.

        A trial whose record is broken, or that is none of its key, is failed and passed over.
        """
        while (found := self._claimed(owner, study)) is not None:
            key, text, attempts = found
            try:
                require_key(key, "the key of a trial")
                job = Job.from_text(text)
                if job.trial.key != key:
                    raise ValueError(f"its content is that of trial {job.trial.key}")
            except ValueError as error:
                self._refuse(key, owner, f"{self.path}, trial {shown(key)}: {error}")
            else:
                return Claim(key, job, attempts)
        return None

    def _claimed(self, owner: str, study: str | None) -> tuple[str, str, int] | None:
        with self._writing() as db:
            found = db.execute(
                "SELECT key, job, attempts FROM trials"
                f" WHERE state = 'queued' AND job IS NOT NULL AND {OF_STUDY}"
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
        return key, text, attempts + 1

    def _refuse(self, key: str, owner: str, error: str) -> None:
        with self._writing() as db:
            db.execute(
                "UPDATE trials SET state = 'failed', error = ?, owner = NULL, ended = ?"
                " WHERE key = ? AND owner = ? AND state = 'running'",
                (error, time.time(), key, owner),
            )

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
        for (key,) in self._read("SELECT key FROM trials WHERE owner = ?", owner):
            self.fail(key, owner, error)

    def killed(self, owner: str, why: str) -> None:
        """Queue again what ran under ``owner``, whose process was killed in the middle of it."""
        for (key,) in self._read("SELECT key FROM trials WHERE owner = ?", owner):
            self.lost(key, owner, why)

    def lost(self, key: str, owner: str, why: str) -> None:
        """Queue a trial again whose process was killed in the middle of it.

        That is no fault of the trial as long as it gets further between two kills: only
        ``KILLS`` of them without another epoch are.
        """
        found = self._read(
            "SELECT kills, reached FROM trials WHERE key = ? AND owner = ? AND state = 'running'",
            *(key, owner),
        )
        for kills, before in found:
            reached = self._kept(key)
            kills = 1 if reached > before else kills + 1
            error = f"its process ended {why}, {kills} times without another epoch"
            with self._writing() as db:
                db.execute(
                    "UPDATE trials SET state = iif(? < ?, 'queued', 'failed'), kills = ?,"
                    " reached = ?, attempts = max(attempts - 1, 0), owner = NULL, error = ?,"
                    " ended = iif(? < ?, ended, ?)"
                    " WHERE key = ? AND owner = ? AND state = 'running'",
                    (
                        *(kills, KILLS, kills, max(reached, before), error),
                        *(kills, KILLS, time.time(), key, owner),
                    ),
                )

    def _kept(self, key: str) -> int:
        """Return the epochs of a trial that are kept in its run folder."""
        folder = self.folder(key)
        if (folder / WEIGHTS).exists():
            return sys.maxsize >> 1
        newest = checkpoints(folder)[:1]
        return max((int(path.stem.rpartition("-")[2]) for path in newest), default=0)

    def _read(self, query: str, *values: object) -> list[Any]:
        with told(self.path):
            return self._db.execute(query, values).fetchall()

    def release_lost(self, besides: Collection[str] = ()) -> int:
        """Queue the trials whose process is gone again, as if never begun; return how many.

        An interrupted study is no fault of its trials, so no attempt is counted.

        Args:
            besides: Owners whose end somebody else notes.
        """
        running = self._read("SELECT DISTINCT owner FROM trials WHERE state = 'running'")
        owners = [name for (name,) in running if name not in besides]
        return sum(self.release(name) for name in owners if not is_alive(self.owners, str(name)))

    def release(self, owner: str) -> int:
        """Queue the trials that run under ``owner`` again, as if never begun; return how many."""
        with self._writing() as db:
            return db.execute(
                "UPDATE trials SET state = 'queued', owner = NULL, attempts = max(attempts - 1, 0)"
                " WHERE owner IS ? AND state = 'running'",
                (owner,),
            ).rowcount

    def retry_failed(self, study: str | None = None) -> int:
        """Queue failed trials again with fresh attempts; return how many."""
        with self._writing() as db:
            return db.execute(
                "UPDATE trials SET state = 'queued', attempts = 0, kills = 0"
                f" WHERE state = 'failed' AND {OF_STUDY}",
                (study, study),
            ).rowcount

    def studies(self) -> list[str]:
        """Return the names of the studies that wanted trials, oldest first."""
        with told(self.path):
            return studies_in(self._db)

    def status(self, study: str | None = None) -> Status:
        """Return where the trials of a study stand, or all."""
        with told(self.path):
            return status_in(self._db, study, paces=self._paces)

    def counts(self, study: str | None = None) -> Status:
        """Return how many are in which state alone, for who looks again and again."""
        with told(self.path):
            return counts_in(self._db, study)

    def standing(self, study: str | None = None) -> Status:
        """Return where they stand for somebody who only looks: what is lost does not run."""
        with told(self.path):
            return status_in(self._db, study, partial(is_alive, self.owners), self._paces)

    def ends(self, study: str | None = None) -> dict[str, float]:
        """Return when the last attempt of each trial ended, by key, in seconds since 1970."""
        with told(self.path):
            return ends_in(self._db, study)

    def ended(
        self, study: str | None = None, known: Mapping[str, float] = MappingProxyType({})
    ) -> list[Ended]:
        """Return the attempts that ended, but for those that :meth:`ends` told, oldest first."""
        with told(self.path):
            return ended_in(self._db, study, known)

    def rows(self, study: str | None = None) -> list[dict[str, Any]]:
        """Return the finished rows in the order in which they were asked for, each once."""
        with told(self.path):
            return rows_in(self._db, str(self.path), study)

    def note(self, name: str, value: Any) -> None:
        """Keep a plain value beside the rows, for reports."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, json.dumps(value)))

    def notes(self) -> dict[str, Any]:
        """Return what was noted, by name."""
        with told(self.path):
            return notes_in(self._db, str(self.path))

    def export_rows(self, path: Path, study: str | None = None) -> int:
        """Write the finished rows as JSON lines; return how many."""
        rows = self.rows(study)
        lines = "".join(f"{json.dumps(row, sort_keys=True)}\n" for row in rows)
        write_atomically(path, lines.encode())
        return len(rows)

    def import_rows(self, path: Path) -> int:
        """Take finished rows from JSON lines; return how many the store did not have.

        What older versions wrote of test images, for a trial that held others out, is no row of
        the trial.

        Raises:
            StoreError: If a line is no row; nothing is taken then.
        """
        rows = read_rows(path)
        for row in rows:
            if "trained_on" in row and "split" in row:
                row["key"] = row_key(row["key"], row["trained_on"], row["split"])
        return self._take(rows)

    def keep(self, study: str, rows: Iterable[dict[str, Any]]) -> int:
        """Keep finished rows of ``study`` that no trial made; return how many were new."""
        return self._take([{**row, "study": study, "studies": [study]} for row in rows])

    def _take(self, rows: list[dict[str, Any]]) -> int:
        last = {row["key"]: row for row in rows}  # the newest of a file, as in a report of it
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
                for row in last.values()
            )

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk may have ended it already
                    self._db.execute("ROLLBACK")
                raise


def _require_own(folder: Path) -> None:
    try:
        require_no_link(folder)
    except ValueError as error:
        raise StoreError(str(error)) from None


__all__ = ["ATTEMPTS", "Claim", "Store", "StoreError"]
