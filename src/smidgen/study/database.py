"""The SQLite file of a store: made, opened, or refused in one line that names it."""

import os
import re
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from urllib.parse import quote

from smidgen.limits import ROW
from smidgen.names import bare

SQLITE = b"SQLite format 3\x00"
VERSION = 1  # 0 is of before it was kept
_WAIT = 60.0  # seconds for another process to end its transaction
_VALUE = 4 * ROW  # bytes of a value: of a text of any script

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
    kills INTEGER NOT NULL DEFAULT 0,     -- of its process, since it last got further
    reached INTEGER NOT NULL DEFAULT 0,   -- epochs that were kept when it was last killed
    row TEXT                              -- JSON, once done
);
CREATE TABLE IF NOT EXISTS members (
    study TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (study, key)
);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);  -- JSON
"""
_ADDED = ("kills", "reached")  # columns that stores of version 0 lack
_TABLES = {"trials", "members", "notes"}
_COLUMNS = {"key", "job", "title", "state", "attempts", "error", "owner", "progress", "row"}


class StoreError(ValueError):
    """A file that is no store, or cannot be used as one."""


class RoomError(StoreError):
    """A store that cannot grow, for its disk is full."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the SQLite file of a store to write, made if there is none.

    Raises:
        StoreError: If the file is no store, is of a newer version, is damaged or cannot be
            written.
    """
    with told(path):
        try:
            _require_sqlite(path)
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
        existed = path.exists()
        try:
            return _writable(path)
        except sqlite3.OperationalError as error:
            if _code(error) not in _CANNOT_WRITE:
                raise
            raise StoreError(_unwritable(path, error, existed=existed)) from error


def _unwritable(path: Path, error: sqlite3.Error, *, existed: bool) -> str:
    if existed:
        return (
            f"{path}: {error}: a study writes to its store and beside it, so that file and folder"
            " must be writable; study --status and report read it as it is"
        )
    return f"{path}: {error}: the folder of a new store must be writable: choose another --store"


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a store of which nothing is to be changed, on a medium that may be read alone.

    Raises:
        StoreError: As :func:`connect`, and if there is none.
    """
    if not path.exists():
        raise StoreError(f"there is no store {path}")
    with told(path):
        try:
            _require_sqlite(path)
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
        return _readable(path)


@contextmanager
def told(path: Path) -> Generator[None]:
    """Tell what goes wrong with a store inside this block in one line that names it."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) in _UNSHARED:
            raise StoreError(
                f"{path}: {error}: its disk shares no locks or memory between processes, as some"
                " network drives do not: choose a folder on another disk"
            ) from error
        if _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise RoomError(
                f"{path}: {error}: what has finished is kept; it goes on when there is room"
            ) from error
        if _code(error) == sqlite3.SQLITE_TOOBIG:
            raise StoreError(
                f"{path}: a value in a store must have at most {_VALUE:,} bytes, and one has more"
            ) from error
        raise StoreError(f"{path}: cannot be used as a store: {error}") from error


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's code of an error; 0 for Python's own, such as of text that is no UTF-8."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


_UNSHARED = (  # no fault of a full disk, and none that passes
    *(sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_UNLOCK),
    *(sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK, sqlite3.SQLITE_IOERR_SHMOPEN),
    *(sqlite3.SQLITE_IOERR_SHMLOCK, sqlite3.SQLITE_IOERR_SHMMAP),
)
_BESIDE = ("-wal", "-journal")
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")  # ends a journal that names a file
_STEPS = 100_000  # of SQLite to read what tables there are: it takes some 100
_PLAIN_TABLE = re.compile(r"CREATE TABLE (?!.*\bCHECK\b)", re.IGNORECASE | re.DOTALL)
_CANNOT_WRITE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


def _require_sqlite(path: Path) -> None:
    if path.exists():
        require_file(path)
    _require_own_journal(path)
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        if file.read(len(SQLITE)) != SQLITE:
            raise StoreError(f"{path}: cannot be used as a store: file is not a database")


def require_file(path: Path) -> None:
    """Refuse what is no file in the place of a store: a pipe would be waited for.

    Raises:
        StoreError: Naming it.
        OSError: If it cannot be looked at.
    """
    if not S_ISREG(path.stat().st_mode):
        raise StoreError(f"{path}: a store must be a file")


def _require_own_journal(path: Path) -> None:
    """Refuse a journal that has SQLite delete another file, whichever it names.

    Rolled back, a journal that ends in a name takes the file of that name with it: so SQLite ends
    what was written to several files at once. A store is always one alone, and what an
    interrupted process left of it names none.
    """
    place = _real(path)
    for end in (*_BESIDE, "-shm"):
        beside = place.with_name(f"{place.name}{end}")
        with suppress(FileNotFoundError):  # nothing was left, or another process has just ended
            if not S_ISREG(beside.lstat().st_mode):
                raise StoreError(f"{beside}: what lies beside a store must be a file")
    journal = place.with_name(f"{place.name}-journal")
    with suppress(FileNotFoundError), journal.open("rb") as file:
        file.seek(-min(len(_NAMES_ANOTHER), journal.stat().st_size), os.SEEK_END)
        if file.read() == _NAMES_ANOTHER:
            raise StoreError(
                f"{journal} names another file, which SQLite would delete, and no store of"
                " smidgen's does: remove it, and do not trust who made it"
            )


def _real(path: Path) -> Path:
    """Return where a store lies: SQLite looks for what is beside it there, and not at a link."""
    return Path(os.path.realpath(path))


def _opened(place: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    """Open a file of which no value is read, or written, that would take hundreds of megabytes."""
    db = sqlite3.connect(place, timeout=_WAIT, isolation_level=None, uri=uri)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE)
    return db


def _writable(path: Path) -> sqlite3.Connection:
    db = _opened(path)
    try:
        version = _version(db, path)
        _require_whole(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
        if version < VERSION:
            held = {name for _, name, *_ in db.execute("PRAGMA table_info(trials)")}
            for column in [name for name in _ADDED if name not in held]:
                with suppress(sqlite3.OperationalError):  # another process was first
                    db.execute(f"ALTER TABLE trials ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
            db.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        db.close()
        raise
    return db


def _readable(path: Path) -> sqlite3.Connection:
    place = _real(path)
    name = quote(str(place))
    # Who only reads leaves the files beside a store that SQLite makes to read it; who could write
    # removes them. Where there are some already, somebody writes, or what they hold is not touched.
    beside = any(place.with_name(f"{place.name}{end}").exists() for end in _BESIDE)
    mode = "ro" if beside else "rw"
    try:
        db = _opened(f"file:{name}?mode={mode}", uri=True)
        try:
            db.execute("PRAGMA query_only = ON")
            if not _version(db, path) and not _is_ours(db):
                raise StoreError(f"{path}: cannot be used as a store: it holds no trials")
            _require_whole(db, path)
        except BaseException:
            db.close()
            raise
        return db
    except sqlite3.OperationalError as error:
        if _code(error) not in _CANNOT_WRITE:
            raise
    # Where no file can be made beside it, nobody else writes to it either.
    ahead = place.with_name(f"{place.name}-wal")
    if ahead.exists() and ahead.stat().st_size:
        raise StoreError(
            f"{path}: what was written last is in {ahead.name}, which cannot be read where nothing"
            " can be written: copy both to another folder"
        )
    db = _opened(f"file:{name}?immutable=1", uri=True)
    try:
        _version(db, path)
        _require_whole(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection, path: Path) -> int:
    """Return the version of a store's file; 0 if it is new, or from before there were any.

    Raises:
        StoreError: If it is newer than this program, or of another one.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    db.set_progress_handler(lambda: 1, _STEPS)  # a few pages may list themselves without end
    held = db.execute("SELECT 1 FROM sqlite_master").fetchall()
    db.set_progress_handler(None, 0)
    if held and not _is_ours(db):
        raise StoreError(
            f"{path}: cannot be used as a store: it is of another program, or another changed it"
        )
    if version > VERSION or version < 0:
        raise StoreError(
            f"{path}: a store of version {version}, and this smidgen knows versions up to {VERSION}"
        )
    return version


def _is_ours(db: sqlite3.Connection) -> bool:
    """Tell whether a store's tables are there, and nothing in it computes.

    A view in their place, or a trigger, may never end; a column that is generated, an index of an
    expression or a check may give more than memory holds. What is what the text that made it
    says, as SQLite itself reads no more than that.
    """
    texts = [text for (text,) in db.execute("SELECT sql FROM sqlite_master").fetchall()]
    if not all(text is None or _PLAIN_TABLE.match(str(text)) for text in texts):
        return False
    for table in _TABLES:
        columns = db.execute(f"PRAGMA table_xinfo({table})").fetchall()
        if any(hidden or "(" in str(default) for *_, default, _, hidden in columns):
            return False
    return {name for _, name, *_ in db.execute("PRAGMA table_info(trials)")} >= _COLUMNS


def _require_whole(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a damaged store: a few of its pages may lead to each other in millions of ways.

    To read all of them and to compare them with the indexes takes 10 ms a megabyte.
    """
    for table in sorted(_TABLES):
        if not db.execute(f"PRAGMA table_info({table})").fetchall():
            continue  # as in a store of before there was one
        found = str(db.execute(f"PRAGMA integrity_check({table})").fetchall()[0][0])
        if found != "ok":
            told = bare(found.splitlines()[-1])
            raise StoreError(f"{path}: cannot be used as a store: it is damaged: {told}")
