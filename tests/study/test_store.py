"""The store runs each trial once, loses nothing, and is shared without quarrel."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.study.conftest import Jobs
from typer.testing import CliRunner

from smidgen.cli import app
from smidgen.study import records
from smidgen.study.database import RoomError, told
from smidgen.study.job import Job, Origin, titles
from smidgen.study.owner import is_alive, owner
from smidgen.study.records import load
from smidgen.study.status import Pace
from smidgen.study.store import Store, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "study.db")


def row_of(job: Job, accuracy: float = 0.5) -> dict[str, object]:
    return {
        "key": job.trial.key,
        "study": "",
        "net": job.trial.net.name,
        "methods": job.trial.method_texts,
        "seconds": 2.0,
        "epochs": 1,
        "accuracy": accuracy,
    }


def test_a_job_comes_back_as_it_was_put_in(store: Store, jobs: Jobs) -> None:
    (job,) = jobs(methods="blurpool, cutout(length=3), swa(start=0.5)", peak_lr=0.03)
    store.add("s", [job])
    claim = store.claim("me")
    assert claim is not None
    assert (claim.key, claim.attempt, claim.job) == (job.trial.key, 1, job)
    assert claim.job.trial.key == job.trial.key


def test_a_finished_trial_never_runs_twice(store: Store, jobs: Jobs) -> None:
    (job,) = jobs()
    store.add("s", [job])
    assert store.claim("me") is not None
    assert store.finish(job.trial.key, "me", row_of(job))
    store.add("s", [job])
    store.add("another study", [job])
    assert store.claim("me") is None
    assert store.status("another study").done == 1
    assert [row["study"] for row in store.rows()] == ["s"]
    assert [row["study"] for row in store.rows("another study")] == ["another study"]


def test_a_trial_that_waits_is_done_as_it_is_asked_for_last(store: Store, jobs: Jobs) -> None:
    first, second = jobs(seeds=(0, 1))
    store.add("s", [first, second])
    for _ in range(2):
        store.claim("me")
        store.claim("me")
        store.fail(first.trial.key, "me", "no such folder")
        store.finish(second.trial.key, "me", row_of(second))
    moved = [replace(job, origin=Origin("digits", data_dir="there")) for job in (first, second)]
    store.add("s", moved)
    store.retry_failed("s")
    claim = store.claim("me")
    assert claim is not None
    assert claim.job == moved[0]
    store.add("s", [first])
    store.release("me")
    again = store.claim("me")
    assert again is not None
    assert again.job == moved[0]  # one that runs is what it was when it began


def test_what_a_study_asks_for_no_more_is_not_run_and_what_is_done_stays(
    store: Store, jobs: Jobs
) -> None:
    done, failed, waits, shared, kept = jobs(seeds=range(5))
    store.add("s", [done, failed, waits, shared, kept])
    store.add("another study", [shared])
    store.claim("me")
    store.finish(done.trial.key, "me", row_of(done))
    with owner(store.owners) as living:
        store.claim(living)
        assert store.keep_only("s", [kept]) == 0  # somebody runs it
        store.fail(failed.trial.key, living, "no")
    assert store.keep_only("s", [kept]) == 3
    assert store.status("s")[:4] == (1, 0, 0, 1)
    assert store.status("another study").queued == 1
    assert store.status().total == 3
    claim = store.claim("me", "s")
    assert claim is not None
    assert claim.key == kept.trial.key


def test_titles_tell_in_what_trials_differ(jobs: Jobs) -> None:
    some = [*jobs(epochs=2), *jobs(epochs=2, peak_lr=0.5), *jobs((1,), "flip", peak_lr=0.5)]
    assert titles(some) == [
        "tiny, no method, epochs 2, peak_lr 0.01, seed 0",
        "tiny, no method, epochs 2, peak_lr 0.5, seed 0",
        "tiny, flip, epochs 1, peak_lr 0.5, seed 1",
    ]
    fold = replace(some[0], trial=replace(some[0].trial, split="fold-2-of-5"))
    assert titles([some[0], fold])[1] == "tiny, no method, fold-2-of-5, seed 0"


def test_a_failure_is_tried_once_more_and_behind_the_others(store: Store, jobs: Jobs) -> None:
    first, second = jobs(seeds=(0, 1))
    store.add("s", [first, second])
    for key in (first.trial.key, second.trial.key, first.trial.key):
        claim = store.claim("me")
        assert claim is not None
        assert claim.key == key
        if key == first.trial.key:
            store.fail(key, "me", f"broken {claim.attempt}")
        else:
            store.finish(key, "me", row_of(second))
    assert store.claim("me") is None
    status = store.status("s")
    assert (status.done, status.failed, status.is_complete) == (1, 1, True)
    assert status.failures == (("tiny, no method, seed 0", "broken 2"),)
    assert store.retry_failed() == 1
    assert store.claim("me") is not None


def test_only_the_owner_of_a_claim_may_end_it(store: Store, jobs: Jobs) -> None:
    (job,) = jobs()
    store.add("s", [job])
    store.claim("me")
    assert not store.finish(job.trial.key, "someone else", row_of(job))
    store.fail(job.trial.key, "someone else", "no")
    assert store.status().running == 1
    assert store.finish(job.trial.key, "me", row_of(job, 0.7))
    assert not store.finish(job.trial.key, "me", row_of(job, 0.1))
    assert store.rows()[0]["accuracy"] == 0.7


def test_trials_of_a_process_that_is_gone_are_queued_again_at_no_cost(
    store: Store, jobs: Jobs
) -> None:
    lost, kept = jobs(seeds=(0, 1))
    store.add("s", [lost, kept])
    with owner(store.owners) as living:
        store.claim("gone")
        claim = store.claim(living)
        assert is_alive(store.owners, living)
        assert store.release_lost() == 1
        again = store.claim(living)
        assert claim is not None
        assert again is not None
        assert (again.key, again.attempt) == (lost.trial.key, 1)
    assert not is_alive(store.owners, living)


def test_who_shares_a_store_can_ask_whether_another_is_alive(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with owner(store.owners) as living:
        assert (store.owners / living).stat().st_mode & 0o777 == 0o666

        def refused(*_: object, **__: object) -> None:
            raise PermissionError

        monkeypatch.setattr("filelock.FileLock.acquire", refused)
        assert is_alive(store.owners, living)
        monkeypatch.undo()


def test_many_claim_at_once_and_each_trial_goes_to_one(store: Store, jobs: Jobs) -> None:
    wanted = jobs(seeds=range(40))
    store.add("s", wanted)
    claimed: list[str] = []

    def take(name: str) -> None:
        mine = Store(store.path)  # its own connection, as another process has
        while claim := mine.claim(name):
            claimed.append(claim.key)
            mine.finish(claim.key, name, row_of(claim.job))
        mine.close()

    threads = [threading.Thread(target=take, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(job.trial.key for job in wanted)
    assert [row["key"] for row in store.rows()] == [job.trial.key for job in wanted]


def test_rows_survive_as_json_lines(store: Store, jobs: Jobs, tmp_path: Path) -> None:
    done, open_ = jobs(seeds=(0, 1))
    store.add("s", [done, open_])
    store.claim("me")
    store.finish(done.trial.key, "me", row_of(done, 0.25))
    assert store.export_rows(tmp_path / "rows.jsonl") == 1

    rebuilt = Store(tmp_path / "other.db")
    rebuilt.add("s", [done, open_])
    assert rebuilt.import_rows(tmp_path / "rows.jsonl") == 1
    assert rebuilt.import_rows(tmp_path / "rows.jsonl") == 0
    status = rebuilt.status("s")
    assert (status.done, status.queued) == (1, 1)
    claim = rebuilt.claim("me")
    assert claim is not None
    assert claim.key == open_.trial.key
    assert rebuilt.rows()[0]["accuracy"] == 0.25

    bare = Store(tmp_path / "bare.db")
    bare.import_rows(tmp_path / "rows.jsonl")
    assert bare.studies() == ["s"]
    assert bare.status("s").done == 1


def test_a_row_of_test_images_is_not_that_of_a_trial_that_held_others_out(
    store: Store, jobs: Jobs, tmp_path: Path
) -> None:
    first, second = jobs(seeds=(0, 1))
    told = [
        {**row_of(first), "trained_on": "selection", "split": "test"},
        {**row_of(second), "trained_on": "selection", "split": "held-out"},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    assert store.import_rows(tmp_path / "rows.jsonl") == 2
    store.add("s", [first, second])
    assert store.status("s")[:4] == (1, 0, 0, 1)
    assert [row["split"] for row in store.rows("s")] == ["held-out"]
    store.export_rows(tmp_path / "again.jsonl")
    assert store.import_rows(tmp_path / "again.jsonl") == 0


def test_rows_of_a_study_under_way_are_written_by_its_status(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims: what is done is exported, nothing is run."""
    (tmp_path / "s.toml").write_text(
        'name = "s"\ndata = "digits"\nsplit = "selection"\nseeds = [0]\n'
        '[[trials]]\nnets = ["mnist-1k5-dw"]\n'
    )
    store = Store(tmp_path / "s.db")
    done, open_ = jobs(seeds=(0, 1))
    store.add("s", [done, open_])
    store.claim("me")
    store.finish(done.trial.key, "me", row_of(done))
    monkeypatch.chdir(tmp_path)
    call = ["study", "s.toml", "--store", "s.db", "--status", "--export", "rows.jsonl"]
    ended = CliRunner().invoke(app, call)
    assert ended.exit_code == 0, ended.output
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [done.trial.key]
    assert store.status("s").queued == 1


def test_a_broken_line_is_named_and_nothing_taken(store: Store, tmp_path: Path) -> None:
    good = json.dumps({"key": "k", "study": "s", "net": "n"})
    for bad, said in (("{", "line 2: no JSON"), ("[1]", "line 2: a row must be a table")):
        path = tmp_path / "rows.jsonl"
        path.write_text(f"{good}\n{bad}\n")
        with pytest.raises(StoreError, match=said):
            store.import_rows(path)
    assert store.rows() == []


def test_time_left_is_told_from_what_has_finished(store: Store, jobs: Jobs) -> None:
    wanted = [*jobs(seeds=(0, 1, 2)), *jobs(methods="sam", epochs=5)]
    store.add("s", wanted)
    assert store.status("s").seconds_left is None
    store.claim("me")
    store.finish(wanted[0].trial.key, "me", row_of(wanted[0]))  # 2 seconds for an epoch
    assert store.status("s").seconds_left == pytest.approx(2 + 2 + 5 * 2)


def test_starts_take_their_time(store: Store, jobs: Jobs) -> None:
    one, eight, other = (*jobs(), *jobs(starts=8), *jobs(starts=2, seeds=(1,)))
    store.add("s", [one, eight, other])
    store.claim("me")
    store.finish(one.trial.key, "me", row_of(one))  # 2 seconds for an epoch
    assert store.status("s").seconds_left == pytest.approx(2 * 2.5 + 2 * 1.5)
    store.claim("me")
    finished = {**row_of(eight), "recipe": eight.trial.to_dict()["recipe"], "seconds": 20.0}
    store.finish(eight.trial.key, "me", finished)  # 8 seconds for one
    assert store.status("s").seconds_left == pytest.approx((2 + 8) / 2 * 1.5)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("not a database, but long enough to have been one" * 40)
    with pytest.raises(StoreError, match=r"notes.db: cannot be used as a store"):
        Store(path)
    with pytest.raises(StoreError, match=r"must be a study's store, .* got another folder"):
        load(tmp_path)
    with pytest.raises(StoreError, match="there is no store"):
        Store(tmp_path / "absent.db", create=False)
    assert not (tmp_path / "absent.db").exists()


def test_the_store_is_written_ahead(store: Store) -> None:
    (mode,) = sqlite3.connect(store.path).execute("PRAGMA journal_mode").fetchone()
    assert mode == "wal"


def kept(store: Store, key: str, *columns: str) -> tuple[object, ...]:
    with sqlite3.connect(store.path) as db:
        return db.execute(
            f"SELECT {', '.join(columns)} FROM trials WHERE key = ?", (key,)
        ).fetchone()


def test_stores_that_differ_in_their_suffix_have_run_folders_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "older.sqlite").touch()  # its folder was named by an older version
    (tmp_path / "older.runs").mkdir()
    names = ("a.db", "a.sqlite", "a.0.1", "a.0.2", "older.sqlite", "older.0.2")
    runs = [Store(tmp_path / name).runs.name for name in names]
    own = ["a.runs", "a.sqlite.runs", "a.0.1.runs", "a.0.2.runs"]
    assert runs == [*own, "older.runs", "older.0.2.runs"]
    assert [Store(tmp_path / name).runs.name for name in names] == runs, "opened again"


def test_what_was_written_last_is_not_left_out_where_it_cannot_be_read(
    store: Store, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def on_a_medium_that_is_read_alone(place: Any, **asked: Any) -> sqlite3.Connection:
        if "mode=ro" in str(place):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return connect(place, **asked)

    store.add("s", jobs())
    ahead = store.path.with_name(f"{store.path.name}-wal")
    assert ahead.stat().st_size
    monkeypatch.setattr(sqlite3, "connect", on_a_medium_that_is_read_alone)
    with pytest.raises(StoreError, match=f"what was written last is in {ahead.name}, which cannot"):
        load(store.path)
    store.close()
    assert not ahead.exists()
    assert load(store.path).status.queued == len(jobs())


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY])
@pytest.mark.parametrize("existed", [True, False])
def test_a_store_that_cannot_be_written_is_told_with_who_reads_it(
    existed: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> sqlite3.Connection:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = code
        raise error

    path = tmp_path / "study.db"
    if existed:
        Store(path).close()
    monkeypatch.setattr(sqlite3, "connect", refuse)
    step = "study --status and report read it" if existed else "choose another --store"
    with pytest.raises(StoreError, match=f"folder.* must be writable.*{step}"):
        Store(path)


def test_a_row_is_read_once_for_the_time_left(
    store: Store, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may hold thousands of them, of 20 KB each, and is looked at again and again."""
    first, second, third = jobs(seeds=range(3))
    store.add("s", [first, second, third])
    paced, read = records.pace_of, list[str]()

    def noted(row: str, *times: float) -> Pace:
        read.append(json.loads(row)["key"])
        return paced(row, *times)

    monkeypatch.setattr(records, "pace_of", noted)
    for job in (first, second):
        store.claim("me")
        store.finish(job.trial.key, "me", row_of(job))
        for _ in range(3):
            assert store.counts("s") == store.status("s")._replace(seconds_left=None)
    assert store.status("s").seconds_left == load(store.path).status.seconds_left == 2
    assert read == [first.trial.key, second.trial.key] * 2  # and again by who loads the store


def test_progress_is_noted_by_the_owner_alone_and_ends_at_1(store: Store, jobs: Jobs) -> None:
    (job,) = jobs()
    key = job.trial.key
    store.add("s", [job])
    store.claim("me")
    store.progress(key, "me", 0.25)
    store.progress(key, "someone else", 0.9)
    assert kept(store, key, "progress") == (0.25,)
    store.release("me")
    store.claim("me")
    assert kept(store, key, "progress") == (0,)
    store.finish(key, "me", row_of(job))
    assert kept(store, key, "progress", "error", "owner") == (1, None, None)


def test_the_time_left_falls_with_progress(store: Store, jobs: Jobs) -> None:
    first, second = jobs(seeds=(0, 1))
    slow = {**row_of(first), "seconds": 1e6}
    store.add("s", [first, second])
    store.claim("me")
    store.finish(first.trial.key, "me", slow)
    store.claim("me")
    whole = store.status("s").seconds_left
    assert whole == pytest.approx(1e6, rel=0.01)
    with sqlite3.connect(store.path) as db:  # long ago: progress is all that is left to go by
        db.execute("UPDATE trials SET started = 1 WHERE state = 'running'")
    store.progress(second.trial.key, "me", 0.75)
    assert store.status("s").seconds_left == pytest.approx(1e6 * 0.25 * 0.5)


def test_a_first_checkpoint_is_progress_and_ten_kills_without_another_end_it(
    store: Store, jobs: Jobs
) -> None:
    (job,) = jobs()
    key = job.trial.key
    store.add("s", [job])
    folder = store.folder(key)
    folder.mkdir(parents=True)

    def kill() -> tuple[object, ...]:
        assert store.claim("me") is not None
        store.killed("me", "by signal 9")
        return kept(store, key, "kills", "reached", "attempts")

    assert [kill() for _ in range(2)] == [(1, 0, 0), (2, 0, 0)]
    (folder / "checkpoint-00001.safetensors").touch()
    assert [kill() for _ in range(9)] == [(n, 1, 0) for n in range(1, 10)]
    (folder / "weights.safetensors").touch()  # trained, and killed while it was judged
    (_, most, _) = kill()
    assert isinstance(most, int)
    assert most > 10**9
    assert [kill()[0] for _ in range(8)] == list(range(2, 10))
    assert store.status().queued == 1
    assert kill()[0] == 10
    assert store.status().failed == 1
    assert kept(store, key, "error") == (
        "its process ended by signal 9, 10 times without another epoch",
    )
    assert store.retry_failed() == 1
    assert kept(store, key, "kills", "attempts") == (0, 0)


def test_a_process_that_failed_fails_what_it_ran(store: Store, jobs: Jobs) -> None:
    first, second = jobs(seeds=(0, 1))
    store.add("s", [first, second])
    store.claim("me")
    store.claim("you")
    store.fail_of("me", "no memory")
    assert kept(store, first.trial.key, "state", "error", "owner") == ("queued", "no memory", None)
    assert kept(store, second.trial.key, "state") == ("running",)


def test_attempts_that_ended_are_told_once(store: Store, jobs: Jobs) -> None:
    first, second = jobs(seeds=(0, 1))
    store.add("s", [first])
    store.add("t", [second])
    for job in (first, second):
        store.claim("me")
        store.finish(job.trial.key, "me", row_of(job))
    told = store.ended()
    assert [(one.key, one.state) for one in told] == [
        (job.trial.key, "done") for job in (first, second)
    ]
    assert store.ended("t") == told[1:]
    assert store.ended(known={one.key: one.at for one in told}) == []
    assert store.ended(known=store.ends("s")) == told[1:]


def test_notes_replace_what_was_noted_before(store: Store) -> None:
    store.note("a", [1, None])
    store.note("b", {"x": 0.5})
    store.note("a", "new")
    assert store.notes() == {"a": "new", "b": {"x": 0.5}}


def test_rows_that_no_trial_made_are_kept_once_under_their_study(store: Store, jobs: Jobs) -> None:
    (job,) = jobs()
    plain = {"key": "0" * 16, "net": "forest", "accuracy": 0.5}
    assert store.keep("baseline", [plain]) == 1
    assert store.keep("baseline", [plain]) == 0
    assert store.studies() == ["baseline"]
    (row,) = store.rows()
    assert (row["study"], row["studies"], row["net"]) == ("baseline", ["baseline"], "forest")
    store.add("s", [job])
    older = {**row_of(job), "study": "u", "studies": ["u", "v"]}
    taken = {**older, "accuracy": 0.75}
    path = store.path.with_name("rows.jsonl")
    path.write_text("".join(json.dumps(of) + "\n" for of in (older, taken)))
    store.claim("me")
    assert store.import_rows(path) == 1
    assert store.studies() == ["baseline", "s", "u", "v"]
    assert json.loads(str(kept(store, job.trial.key, "row")[0]))["accuracy"] == 0.75
    assert kept(store, job.trial.key, "state", "progress", "owner") == ("done", 1, None)


def test_exported_lines_have_their_columns_in_order(store: Store, jobs: Jobs) -> None:
    (job,) = jobs()
    store.add("s", [job])
    store.claim("me")
    store.finish(job.trial.key, "me", row_of(job))
    path = store.path.with_name("rows.jsonl")
    store.export_rows(path)
    names = list(json.loads(path.read_text()))
    assert names == sorted(names)
    (text,) = kept(store, job.trial.key, "row")
    assert isinstance(text, str)
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_what_is_read_has_nothing_new_beside_it(store: Store, jobs: Jobs) -> None:
    """A report of a design left the files that SQLite makes to read it."""
    store.add("s", jobs())
    store.close()
    before = {path.name: path.read_bytes() for path in store.path.parent.glob("*.db*")}
    assert load(store.path).status.total == 1
    assert {path.name: path.read_bytes() for path in store.path.parent.glob("*.db*")} == before


def test_what_fails_in_the_middle_of_writing_is_undone(store: Store, jobs: Jobs) -> None:
    first, second = jobs(seeds=(0, 1))

    def broken() -> Iterator[Job]:
        yield first
        raise KeyError("no more")

    with pytest.raises(KeyError):
        store.add("s", broken())
    assert store.status().total == 0
    store.add("s", [second])
    assert store.status().total == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_IOERR_SHMMAP, "choose a folder on another disk"),
        (sqlite3.SQLITE_IOERR_LOCK, "choose a folder on another disk"),
        (sqlite3.SQLITE_IOERR_WRITE, "it goes on when there is room"),
    ],
)
def test_a_disk_that_cannot_hold_a_store_is_told_from_one_that_is_full(
    code: int, said: str
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    refused = pytest.raises(StoreError, match=f"^mine.db: disk I/O error: .*{said}$")
    with refused as held, told(Path("mine.db")):
        raise error
    assert isinstance(held.value, RoomError) == ("room" in said)
