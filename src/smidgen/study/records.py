"""Reading finished rows and the state of a study, without loading what trains."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from smidgen.escape import shell
from smidgen.limits import ROW
from smidgen.names import shown
from smidgen.study.database import SQLITE, StoreError, connect_to_read, require_file, told
from smidgen.study.owner import is_alive
from smidgen.study.rows import NO_ROW, read_rows, row_of
from smidgen.study.status import Ended, Pace, Status, pace_of, status_of

OF_STUDY = "(? IS NULL OR key IN (SELECT key FROM members WHERE study = ?))"
_TOLD = 1_000  # characters of a title, and of an error, that are told
Alive: TypeAlias = Callable[[str], bool]  # whether an owner of trials still runs


def _short(column: str) -> str:
    """Return what reads a text as far as it is told; a stranger's may have millions of letters."""
    cut = f"substr({column}, 1, {_TOLD}) || printf('... (%,d characters)', length({column}))"
    return f"iif(length({column}) > {_TOLD}, {cut}, {column})"


def studies_in(db: sqlite3.Connection) -> list[str]:
    """Return the names of the studies that wanted trials, oldest first."""
    found = db.execute("SELECT study FROM members GROUP BY study ORDER BY min(rowid)")
    return [name for (name,) in found]


def counts_in(db: sqlite3.Connection, study: str | None = None) -> Status:
    """Return how many trials of a study are in which state, and neither time left nor failures."""
    found = dict(
        db.execute(
            f"SELECT state, count(*) FROM trials WHERE {OF_STUDY} GROUP BY state", (study, study)
        )
    )
    done, running, failed, queued = (
        found.get(state, 0) for state in ("done", "running", "failed", "queued")
    )
    return Status(done, running, failed, queued, None, ())


def status_in(
    db: sqlite3.Connection,
    study: str | None = None,
    alive: Alive = lambda owner: True,
    paces: MutableMapping[str, Pace] | None = None,
) -> Status:
    """Return where the trials of a study stand, or all; those of owners that are gone wait.

    Args:
        db: Of a store.
        study: Its name; all if ``None``.
        alive: Asked of each owner.
        paces: Of finished trials by key, added to: with those of the last look no row is read
            again, each of which is long and does not change.
    """
    found = db.execute(
        f"SELECT state, {_short('title')},"
        " iif(state IN ('queued', 'running') AND length(job) <= ?, job, NULL), progress, started,"
        f" {_short('error')}, owner, iif(row IS NULL, NULL, key) FROM trials WHERE {OF_STUDY}",
        (ROW, study, study),
    ).fetchall()
    running = {owner for state, *_, owner, _ in found if state == "running"}
    gone = {owner for owner in running if owner is None or not alive(str(owner))}
    records = (
        ("queued" if state == "running" and owner in gone else state, *rest)
        for state, *rest, owner, _ in found
    )
    finished = [key for *_, key in found if key is not None]
    return status_of(records, _paces(db, finished, {} if paces is None else paces))


def _paces(
    db: sqlite3.Connection, keys: Iterable[str], known: MutableMapping[str, Pace]
) -> Iterator[Pace]:
    """Yield the paces of finished trials, noting those that were not known."""
    of_one = "SELECT iif(length(row) <= ?, row, ''), started, ended FROM trials WHERE key = ?"
    for key in keys:
        if key not in known:
            known[key] = pace_of(*db.execute(of_one, (ROW, key)).fetchone())
        yield known[key]


def ends_in(db: sqlite3.Connection, study: str | None) -> dict[str, float]:
    """Return when the last attempt of each trial ended, by key, in seconds since 1970."""
    query = f"SELECT key, ended FROM trials WHERE ended IS NOT NULL AND {OF_STUDY} ORDER BY ended"
    return dict(db.execute(query, (study, study)))


def ended_in(db: sqlite3.Connection, study: str | None, known: Mapping[str, float]) -> list[Ended]:
    """Return the attempts that ended at another time than is known, oldest first.

    What is new is told by that and not by being later: a clock may be set back.
    """
    of_one = (
        f"SELECT {_short('title')}, state, {_short('error')}, row, ended FROM trials"
        " WHERE key = ? AND ended NOT NULL"
    )
    found: list[Ended] = []
    for key in [key for key, at in ends_in(db, study).items() if known.get(key) != at]:
        for title, state, error, text, at in db.execute(of_one, (key,)).fetchall():
            row = row_of(text, f"trial {shown(key)}") if text else None
            found.append(Ended(key, title, state, error, row, at))
    return found


def rows_in(db: sqlite3.Connection, where: str, study: str | None = None) -> list[dict[str, Any]]:
    """Return the finished rows in the order in which they were asked for, each once.

    Raises:
        StoreError: If one is broken or too long; the store, ``where``, and the trial are named.
    """
    for (key,) in db.execute("SELECT key FROM trials WHERE length(row) > ? LIMIT 1", (ROW,)):
        raise StoreError(f"{where}, trial {shown(key)}: {NO_ROW}")  # before it is sorted
    found = db.execute(
        "SELECT key, trials.row, members.study, min(members.rowid) AS place"  # its first study
        " FROM members JOIN trials USING (key)"
        " WHERE row IS NOT NULL AND (? IS NULL OR members.study = ?)"
        " GROUP BY key ORDER BY place",
        (study, study),
    )
    rows: list[dict[str, Any]] = []
    for key, text, name, _ in found:
        row = {**row_of(text, f"{where}, trial {shown(key)}"), "study": str(name)}
        wanted = "SELECT study FROM members WHERE key = ? ORDER BY rowid"
        row["studies"] = [str(name) for (name,) in db.execute(wanted, (key,))]
        rows.append(row)
    return rows


def notes_in(db: sqlite3.Connection, where: str) -> dict[str, Any]:
    """Return what was noted beside the rows, such as the decisions of a design.

    Raises:
        StoreError: If a note is broken, or all are too long; the store, ``where``, is named.
    """
    (held,) = db.execute("SELECT total(length(name) + length(value)) FROM notes").fetchone()
    if held > ROW:
        raise StoreError(f"{where}: its notes must be at most {ROW:,} characters, got {held:,.0f}")
    try:
        return {
            name: json.loads(value) for name, value in db.execute("SELECT name, value FROM notes")
        }
    except (RecursionError, TypeError, ValueError) as error:
        raise StoreError(f"{where}: a note is no JSON: {error}") from None


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
    if path.is_dir():
        row = shell(["smidgen", "evaluate", str(path), "--row", "rows.jsonl"])
        raise StoreError(
            f"{path} must be a study's store, a design or rows as JSON lines, got another folder;"
            f" if it is a run, {row} writes its own"
        )
    try:
        require_file(path)
        with path.open("rb") as file:
            is_database = file.read(len(SQLITE)) == SQLITE
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    if not is_database:
        rows = read_rows(path)
        done = len({row.get("key", place) for place, row in enumerate(rows)})  # judged again is one
        return Records(rows, Status(done, 0, 0, 0, 0.0, ()), {})
    db = connect_to_read(path)
    try:
        with told(path):
            alive = partial(is_alive, owners_of(path))
            return Records(
                rows_in(db, str(path)), status_in(db, None, alive), notes_in(db, str(path))
            )
    finally:
        db.close()


def notes_of(path: Path) -> dict[str, Any]:
    """Return what was noted in a store, which stays as it is.

    Raises:
        StoreError: If it is no store, or cannot be read.
    """
    db = connect_to_read(path)
    try:
        with told(path):
            return notes_in(db, str(path))
    finally:
        db.close()


def runs_of(path: Path) -> Path:
    """Return the folder of the run folders, one a trial, beside a store.

    Stores that differ only in their suffix have one each, but for ``NAME`` and ``NAME.db``, which
    share ``NAME.runs``. A store of before that keeps its own.
    """
    own, before = own_runs_of(path), path.with_suffix(".runs")
    return before if before.is_dir() and not own.is_dir() else own


def own_runs_of(path: Path) -> Path:
    """Return the folder that a new store has of its own."""
    plain = path.suffix in ("", ".db")
    return path.with_suffix(".runs") if plain else path.with_name(f"{path.name}.runs")


def owners_of(path: Path) -> Path:
    """Return the folder of the locks of those who run a store's trials now."""
    return runs_of(path) / "owners"
