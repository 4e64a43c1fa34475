"""A store from somebody else reads, writes and removes nothing outside its own folder."""

import json
import os
import re
import shutil
import sqlite3
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.study.conftest import Jobs
from tests.waiting import PATIENCE

from smidgen.study import records
from smidgen.study.owner import alone, clear_dead, is_alive, owner
from smidgen.study.records import load, notes_of
from smidgen.study.running.worker import work
from smidgen.study.store import KILLS, Store, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "study.db")


def rekeyed(store: Store, jobs: Jobs, key: str) -> None:
    """Put a trial under another key, as only a file that was tampered with has it."""
    (job,) = jobs()
    store.add("s", [job])
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE trials SET key = ?", (key,))
        db.execute("UPDATE members SET key = ?", (key,))


@pytest.mark.parametrize("form", ["absolute", "relative", "another trial's"])
def test_a_key_that_is_a_path_or_not_the_trials_own_is_failed_and_nothing_is_removed(
    store: Store, jobs: Jobs, tmp_path: Path, form: str
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    key = {"absolute": str(precious), "relative": "../precious", "another trial's": "0" * 16}[form]
    rekeyed(store, jobs, key)
    (good,) = jobs(seeds=(7,))
    store.add("s", [good])
    claim = store.claim("me")
    assert claim is not None, "a broken trial stopped the others"
    assert claim.key == good.trial.key
    assert (precious / "thesis.txt").read_text() == "years of work"
    ((_, error),) = store.status("s").failures
    assert str(store.path) in error
    assert key[:60] in error
    assert store.claim("me") is None


def test_a_run_folder_that_is_a_link_is_not_followed(
    store: Store, jobs: Jobs, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    (job,) = jobs()
    store.add("s", [job])
    store.runs.mkdir(exist_ok=True)
    (store.runs / job.trial.key).symlink_to(precious)
    claim = store.claim("me")
    assert claim is not None
    work(store, claim, "me")
    assert [path.name for path in precious.iterdir()] == ["thesis.txt"]
    with pytest.raises(StoreError, match="must be a folder, got a link"):
        store.folder(job.trial.key)


@pytest.mark.parametrize("what", ["study.runs", "study.runs/owners"])
def test_run_folders_that_are_a_link_are_not_written_to(store: Store, what: str) -> None:
    store.close()
    precious = store.path.parent / "precious"
    precious.mkdir()
    link = store.path.parent / what
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(precious)
    with pytest.raises(StoreError, match=f"{what} must be a folder, got a link: remove it"):
        Store(store.path)
    assert load(store.path).status.total == 0, "it may be looked at"


MAGIC = bytes.fromhex("d9d505f920a163d7")
PAGE = 4096


def with_journal_that_names(victim: Path, path: Path) -> None:
    """Put a journal beside a store as a crash leaves it, of a transaction over several files."""
    content = path.read_bytes()
    head = MAGIC + struct.pack(">IIIII", 1, 7, len(content) // PAGE, 512, PAGE)
    first = content[:PAGE]
    record = struct.pack(">I", 1) + first + struct.pack(">I", 7 + sum(first[PAGE - 200 : 0 : -200]))
    name = str(victim).encode()
    name_of_it = struct.pack(">I", (1 << 30) // PAGE + 1) + name
    ends = struct.pack(">II", len(name), sum(name)) + MAGIC
    journal = path.with_name(f"{path.name}-journal")
    journal.write_bytes(head.ljust(512, b"\0") + record + name_of_it + ends)


READS: dict[str, Callable[[Path], object]] = {
    "run": Store,
    "look": lambda path: Store(path, create=False),
    "report": load,
    "card": notes_of,
}


@pytest.mark.parametrize("is_link", [False, True])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_journal_that_names_another_file_has_it_deleted_by_nobody(
    store: Store, tmp_path: Path, read: Callable[[Path], object], *, is_link: bool
) -> None:
    store.close()
    (victim := tmp_path / "thesis.txt").write_text("years of work")
    with_journal_that_names(victim, store.path)
    path = tmp_path / "link.db" if is_link else store.path
    if is_link:
        path.symlink_to(store.path.name)
    with pytest.raises(
        StoreError, match=r"study\.db-journal names another file, which SQLite would"
    ):
        read(path)
    assert victim.read_text() == "years of work"


def test_a_journal_that_a_crash_left_is_rolled_back(
    store: Store, jobs: Jobs, tmp_path: Path
) -> None:
    store.add("s", jobs())
    store.close()
    db = sqlite3.connect(store.path, isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")  # as where no memory is shared
    db.execute("PRAGMA cache_size = 1")
    db.execute("BEGIN")
    db.execute("UPDATE trials SET row = printf('%.*c', 100000, 'x')")
    (tmp_path / "left").mkdir()
    for end in ("", "-journal"):
        shutil.copy(f"{store.path}{end}", tmp_path / "left")
    db.close()
    again = Store(tmp_path / "left" / "study.db")
    assert again.status().queued == 1
    assert again.rows() == []


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("what", ["", "-journal"])
def test_a_pipe_is_not_waited_for(store: Store, what: str, read: Callable[[Path], object]) -> None:
    store.close()
    pipe = Path(f"{store.path}{what}")
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    told: list[str] = []

    def ask() -> None:
        try:
            read(store.path)
        except StoreError as error:
            told.append(str(error))

    asked = threading.Thread(target=ask, daemon=True)
    asked.start()
    asked.join(PATIENCE)
    assert [line.startswith(f"{pipe}: ") and "must be a file" in line for line in told] == [True]


def branching(to: int, begins: bytes = b"") -> bytes:
    """Return a page of a tree of SQLite's that leads to one page again and again."""
    places = [PAGE - 5 * (cell + 1) for cell in range(380)]
    head = struct.pack(">BHHHBI380H", 5, 0, 380, places[-1], 0, to, *places)
    cells = struct.pack(">IB", to, 1) * 380
    return (begins + head).ljust(PAGE - len(cells), b"\0") + cells


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("what", ["trials", "sqlite_master"])
def test_a_few_pages_that_stand_for_millions_of_rows_are_refused(
    store: Store, jobs: Jobs, what: str, read: Callable[[Path], object]
) -> None:
    store.add("s", jobs())
    store.close()
    db = sqlite3.connect(store.path, isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")
    query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    (root,) = db.execute(query, (what,)).fetchone() or (1,)
    db.close()
    content = store.path.read_bytes()
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    begins = content[:100] if root == 1 else b""  # of the file itself
    leaf = pages[root - 1]
    many = 8 + 2 * struct.unpack(">H", leaf[len(begins) + 3 : len(begins) + 5])[0]
    moved = leaf[len(begins) : len(begins) + many].ljust(len(begins) + many, b"\0")
    pages += [moved + leaf[len(moved) :]]
    pages += [branching(len(pages))]
    pages += [branching(len(pages))]
    pages[root - 1] = branching(len(pages), begins)
    whole = bytearray(b"".join(pages))
    whole[28:32] = struct.pack(">I", len(pages))
    whole[92:96] = whole[24:28]
    store.path.write_bytes(whole)
    with pytest.raises(StoreError, match=r"cannot be used as a store: (it is damaged|malformed)"):
        read(store.path)


@pytest.mark.parametrize("key", ["..", "/tmp", "owners", ""])
def test_a_store_names_no_folder_but_those_of_trials(store: Store, key: str) -> None:
    with pytest.raises(StoreError, match="16 digits"):
        store.folder(key)


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:-100] = b"\xff" * (len(content) - 200)
    path.write_bytes(content)


@pytest.mark.parametrize("verb", ["open", "report"])
@pytest.mark.parametrize("what", ["damaged", "foreign", "view", "newer", "text", "folder"])
def test_a_file_that_is_no_store_of_ours_is_one_line_that_names_it(
    store: Store, jobs: Jobs, tmp_path: Path, what: str, verb: str
) -> None:
    store.add("s", jobs())
    store.close()
    path = store.path
    if what == "damaged":
        damaged(path)
    elif what == "newer":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 7")
    else:
        path = tmp_path / "other.db"
        if what == "foreign":
            with sqlite3.connect(path) as db:
                db.execute("CREATE TABLE cookies (name TEXT)")
        elif what == "view":  # as one that never ends
            with sqlite3.connect(path) as db:
                for (sql,) in sqlite3.connect(store.path).execute("SELECT sql FROM sqlite_master"):
                    if sql and "trials" not in sql:
                        db.execute(sql)
                columns = ["key", "job", "title", "state", "attempts", "error", "owner"]
                columns += ["progress", "queued", "started", "ended", "kills", "reached", "row"]
                nothing = ", ".join(f"NULL AS {column}" for column in columns)
                db.execute(f"CREATE VIEW Trials AS SELECT {nothing}")
                db.execute("PRAGMA user_version = 1")
        elif what == "text":
            path.write_text("not a store, and long enough to be read")
        else:
            path.mkdir()
    before = path.read_bytes() if path.is_file() else b""
    read: Callable[[], object] = (
        (lambda: Store(path).status()) if verb == "open" else (lambda: load(path))
    )
    with pytest.raises(StoreError) as refused:
        read()
    assert str(path) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER t AFTER UPDATE ON trials BEGIN SELECT 1; END",  # as one that never ends
        "ALTER TABLE trials ADD COLUMN x AS (printf('%9s', key))",  # as one of a gigabyte a row
        "ALTER TABLE notes ADD COLUMN x AS (printf('%9s', name))",
        "CREATE INDEX i ON trials (printf('%9s', key))",
        "ALTER TABLE members ADD COLUMN x TEXT CHECK (length(printf('%9s', key)) > 1)",
        "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql ="
        " replace(sql, 'DEFAULT 0', 'DEFAULT (printf(''%9s'', 1))')",
        "CREATE VIEW v AS SELECT * FROM trials",
    ],
)
def test_a_store_that_computes_is_refused(store: Store, jobs: Jobs, sql: str) -> None:
    store.add("s", jobs())
    store.close()
    with sqlite3.connect(store.path) as db:
        db.executescript(sql)
    for read in (load, Store):
        with pytest.raises(StoreError, match="cannot be used as a store: it is of another program"):
            read(store.path)


def test_a_pipe_in_the_place_of_an_owner_is_not_waited_for(store: Store) -> None:
    store.owners.mkdir(parents=True)
    os.mkfifo(store.owners / "1-0123abcd")
    asked = threading.Thread(target=is_alive, args=(store.owners, "1-0123abcd"), daemon=True)
    asked.start()
    asked.join(PATIENCE)
    assert not asked.is_alive()


def test_a_store_from_before_versions_is_taken_up(store: Store, jobs: Jobs) -> None:
    store.add("s", jobs())
    store.close()
    with sqlite3.connect(store.path) as db:
        db.execute("ALTER TABLE trials DROP COLUMN kills")
        db.execute("ALTER TABLE trials DROP COLUMN reached")
        db.execute("PRAGMA user_version = 0")
    assert load(store.path).status.queued == 1
    again = Store(store.path)
    assert again.claim("me") is not None
    again.killed("me", "by signal 9")
    (version,) = sqlite3.connect(store.path).execute("PRAGMA user_version").fetchone()
    assert version == 1


def test_a_store_on_a_medium_that_can_only_be_read_is_read(
    store: Store, jobs: Jobs, tmp_path: Path
) -> None:
    (job,) = jobs()
    store.add("s", [job])
    store.close()
    before = sorted(path.name for path in tmp_path.iterdir())
    tmp_path.chmod(0o500)
    store.path.chmod(0o400)
    try:
        assert load(store.path).status.queued == 1
        assert Store(store.path, create=False).standing("s").queued == 1
    finally:
        tmp_path.chmod(0o700)
    assert [name for name in before if name == store.path.name]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "no JSON"),
        ("[1]", "a row must be a table"),
        ('{"accuracy": "high"}', "accuracy must be a finite number, got 'high'"),
        ('{"accuracy": 1' + "0" * 400 + "}", "accuracy must be a finite number"),
        ('{"accuracy": NaN}', "accuracy must be a finite number"),
        ('{"net": "*/"}', "net must be letters"),
        ('{"methods": [1]}', "methods must be texts"),
        ('{"epochs": null, "versions": {"smidgen": "9.0"}}', r"written by smidgen 9\.0"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_a_broken_row_names_store_and_trial(store: Store, jobs: Jobs, row: str, said: str) -> None:
    (job,) = jobs()
    store.add("s", [job])
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE trials SET state = 'done', row = ?", (row,))
    for read in (store.rows, lambda: load(store.path)):
        with pytest.raises(StoreError, match=said) as refused:
            read()
        assert str(store.path) in str(refused.value)
        assert job.trial.key in str(refused.value)


def test_a_trial_is_taken_up_again_while_it_gets_further_between_kills(
    store: Store, jobs: Jobs
) -> None:
    (job,) = jobs()
    store.add("s", [job])
    folder = store.folder(job.trial.key)
    folder.mkdir(parents=True)
    for epoch in range(1, 40):
        assert store.claim("me") is not None, f"given up after {epoch - 1} kills"
        (folder / f"checkpoint-{epoch:05d}.safetensors").touch()
        store.killed("me", "by signal 9")
    for kill in range(1, KILLS):
        assert store.claim("me") is not None, f"given up after {kill} kills without progress"
        store.killed("me", "by signal 9")
    assert store.claim("me") is None
    ((_, error),) = store.status("s").failures
    assert error == f"its process ended by signal 9, {KILLS} times without another epoch"
    assert store.retry_failed() == 1
    assert store.claim("me") is not None


def test_status_does_not_count_what_is_lost_as_running(store: Store, jobs: Jobs) -> None:
    store.add("s", jobs(seeds=(0, 1)))
    with owner(store.owners) as alive:
        assert store.claim(alive) is not None
        assert store.claim("123-0123abcd") is not None
        standing = store.standing("s")
        assert (standing.running, standing.queued) == (1, 1)
        status = load(store.path).status
        assert (status.running, status.queued) == (1, 1)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/dev/zero", "..", "", "me"])
def test_an_owner_is_looked_for_in_its_folder_alone(tmp_path: Path, name: str) -> None:
    assert not is_alive(tmp_path, name)


def test_a_trial_is_of_one_alone_and_leaves_no_lock(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "runs" / "key.lock", 0, list[int]()

    def work() -> None:
        nonlocal inside
        for _ in range(5):
            with alone(path):
                inside += 1
                most.append(inside)
                time.sleep(0.001)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20
    assert not list(path.parent.iterdir())


def test_what_killed_owners_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    with owner(tmp_path) as alive:
        names = {"dead": "999999999-0123abcd", "begun": "999999998-0123abcd", "other": "notes-1"}
        for name in names.values():
            (tmp_path / name).touch()
        for name in (names["dead"], names["other"], alive):
            os.utime(tmp_path / name, (0, 0))
        clear_dead(tmp_path)
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {alive, names["begun"], names["other"]}


@pytest.mark.parametrize("job", ["true", "{", '{"trial": 7}', None, 5, "[" * 100_000])
def test_a_broken_job_does_not_keep_the_status_from_being_told(
    store: Store, jobs: Jobs, job: object
) -> None:
    first, second = jobs(seeds=(0, 1))
    store.add("s", [first, second])
    row = {
        "key": first.trial.key, "net": "tiny", "methods": [], "seconds": 2.0, "epochs": 1,
    }  # fmt: skip
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE trials SET job = ?", (job,))
        db.execute(
            "UPDATE trials SET state = 'done', row = ? WHERE key = ?",
            (json.dumps(row), first.trial.key),
        )
    status = store.standing("s")
    assert (status.done, status.queued, status.seconds_left) == (1, 1, None)


def test_what_is_told_of_a_trial_is_no_longer_than_a_few_lines(store: Store, jobs: Jobs) -> None:
    """A title and an error of 5 MB each were printed, and written into every page."""
    store.add("s", jobs(seeds=(0, 1)))
    with sqlite3.connect(store.path) as db:
        db.execute(
            "UPDATE trials SET state = 'failed', title = hex(zeroblob(50000)), error = title,"
            " ended = 1 WHERE rowid = 1"
        )
        db.execute("UPDATE trials SET state = 'failed', error = title, ended = 2 WHERE rowid = 2")
        db.execute("UPDATE trials SET error = hex(zeroblob(50000)) WHERE rowid = 1")
    (long, error), (short, same) = store.status("s").failures
    assert long == error == f"{'0' * 1_000}... (100,000 characters)"
    assert short == same == "tiny, no method, seed 1"
    assert [(of.title, of.error) for of in store.ended("s")] == [(long, error), (short, same)]


@pytest.mark.parametrize(
    ("column", "of", "said"),
    [
        (
            "row",
            "zeroblob(20000000)",
            "trial '{key}': a row must be a text of at most 16,777,216 c",
        ),
        ("row", "hex(zeroblob(9000000))", "trial '{key}': a row must be a text of at most 16,7"),
        ("job", "zeroblob(70000000)", "a value in a store must have at most 67,108,864 bytes"),
    ],
)
def test_what_is_too_long_is_refused_before_it_is_read(
    store: Store, jobs: Jobs, column: str, of: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of 300 MB took half a minute and 2.8 GB to be told as none."""
    (job,) = jobs()
    store.add("s", [job])
    with sqlite3.connect(store.path) as db:
        db.execute(f"UPDATE trials SET {column} = {of}")

    def parsed(text: object, where: str) -> None:
        pytest.fail(f"{where} was read")

    monkeypatch.setattr(records, "row_of", parsed)
    read = store.rows if column == "row" else lambda: store.claim("me")
    with pytest.raises(StoreError, match=re.escape(said.format(key=job.trial.key))) as refused:
        read()
    assert str(store.path) in str(refused.value)
    assert store.status("s").seconds_left is None, "and what is told of it needs none of it"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("'{'", "a note is no JSON: "),
        ("hex(zeroblob(9000000))", "its notes must be at most 16,777,216 characters, got 18,000,0"),
    ],
)
def test_a_broken_note_names_the_store(store: Store, value: str, said: str) -> None:
    with sqlite3.connect(store.path) as db:
        db.execute(f"INSERT INTO notes VALUES ('a', {value})")
    for read in (store.notes, lambda: load(store.path), lambda: notes_of(store.path)):
        with pytest.raises(StoreError, match=re.escape(f"{store.path}: {said}")):
            read()


def test_a_store_whose_names_are_no_text_is_one_line(store: Store, jobs: Jobs) -> None:
    store.add("s", jobs())
    store.close()
    content = store.path.read_bytes()
    store.path.write_bytes(content.replace(b"title TEXT NOT NULL", b"title TEXT DEFAULT \x80"))
    for read in (lambda: Store(store.path).status(), lambda: load(store.path)):
        with pytest.raises(StoreError) as refused:
            read()
        assert str(store.path) in str(refused.value)
