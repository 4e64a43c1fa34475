"""Processes side by side: failures stay alone, a killed study goes on, nobody is orphaned."""

import errno
import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from tests.study.conftest import Jobs
from tests.waiting import stop_at_second_checkpoint, until

from smidgen.checkpoint import checkpoints
from smidgen.data import Data
from smidgen.evaluate import evaluate
from smidgen.run_folder import WEIGHTS
from smidgen.runtime import choose
from smidgen.study.job import Job, Origin
from smidgen.study.owner import owner
from smidgen.study.running import one, worker
from smidgen.study.running.local import (
    NO_MEMORY,
    NO_ROOM,
    Event,
    Pool,
    StudyError,
    Watch,
    _Worker,
    dispatch,
)
from smidgen.study.running.one import execute
from smidgen.study.status import Ended
from smidgen.study.store import KILLS, Claim, Store
from smidgen.train import train

# what two runs of one trial may differ in
TIMED = {"seconds", "history", "bytes_on_disk", "latency", "study", "studies"}


def told(row: dict[str, object]) -> dict[str, object]:
    stored = json.loads(json.dumps(row))
    return {name: value for name, value in stored.items() if name not in TIMED}


def pids_of(store: Store) -> list[int]:
    return [int(path.name.split("-")[0]) for path in store.owners.glob("*-*")]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_row_is_of_the_held_out_images_when_selecting(
    jobs: Jobs, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = jobs(epochs=2)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "left").touch()  # by one that was killed before it had begun
    monkeypatch.setattr(one, "PACE", replace(one.PACE, save_every=0.0))
    row = execute(job, digits, tmp_path / "run")
    assert row["split"] == "held-out"
    assert row["images"] == 144
    assert row["history"][-1]["held_out_accuracy"] == row["accuracy"]
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "run.json",
        "weights.safetensors",
    }, "checkpoints are dropped"


def test_a_tested_row_shows_the_pictures_behind_it(
    jobs: Jobs, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = jobs(epochs=1)
    judges = Mock(side_effect=evaluate)
    monkeypatch.setattr(one, "evaluate", judges)
    selecting = execute(job, digits, tmp_path / "selecting")
    assert "examples" not in selecting
    assert all(digits.train.labels[of["image"]] == of["label"] for of in selecting["doubted"])
    assert all(of["sure"] for of in selecting["doubted"])
    row = execute(replace(job, trial=replace(job.trial, split="full")), digits, tmp_path / "full")
    wrong = row["images"] - sum(row["confusion"][place][place] for place in range(10))
    assert 1 - wrong / row["images"] == pytest.approx(row["accuracy"])
    assert len(row["wrong"]) == min(wrong, 64)
    assert all(digits.test.labels[of["image"]] == of["label"] for of in row["wrong"])
    shown = [f"test/{of['image']}" for of in row["wrong"][:24]]
    assert list(row["pictures"]) == shown
    assert sum(row["examples"]) == len(digits.train)
    assert [layer["layer"].split("(")[0] for layer in row["drawing"]] == [
        "conv", "max_pool", "depthwise", "global_average_pool", "classifier",
    ]  # fmt: skip
    assert [call.kwargs["shifted"] for call in judges.call_args_list] == [200, None], "all to test"


def test_a_worker_takes_the_trials_of_its_study_or_of_all(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Taken(BaseException): ...

    def take(store: Store, claim: Claim, me: str) -> None:
        store.fail(claim.key, me, "it goes back")
        raise Taken(claim.job.trial.seed)

    monkeypatch.setattr(worker, "work", take)
    store = Store(tmp_path / "study.db")
    first, second = jobs((0, 1))
    store.add("a", [first])
    store.add("b", [second])
    for study, seed in (("b", 1), ("a", 0), ("", 0)):
        with pytest.raises(Taken) as taken:
            worker._take(store, study, "me")
        assert taken.value.args == (seed,)


def test_a_trial_begun_in_another_precision_is_begun_anew(
    jobs: Jobs, digits: Data, tmp_path: Path
) -> None:
    (job,) = jobs(epochs=3)
    _cut_short(job, digits, tmp_path / "run", "float32")
    epochs: set[int] = set()
    other = replace(job, precision="bfloat16")
    row = execute(other, digits, tmp_path / "run", lambda report: epochs.add(report.epoch))
    assert row["precision"] == "bfloat16"
    assert epochs == {1, 2, 3}
    assert len(row["history"]) == 3


@pytest.mark.parametrize("begun", ["float32", "bfloat16"])
def test_a_trial_whose_precision_is_left_to_the_machine_goes_on_in_that_of_another(
    jobs: Jobs, digits: Data, tmp_path: Path, begun: str
) -> None:
    (job,) = jobs(epochs=3)
    assert job.precision == "auto"
    _cut_short(job, digits, tmp_path / "run", begun)
    epochs: set[int] = set()
    row = execute(job, digits, tmp_path / "run", lambda report: epochs.add(report.epoch))
    assert row["precision"] == begun
    assert epochs == set()


def _cut_short(job: Job, data: Data, folder: Path, precision: str) -> None:
    """Leave what a trial of a machine of that precision does when it is killed before its end."""
    train(
        job.trial.net,
        data,
        recipe=job.trial.recipe,
        split=job.trial.split,
        runtime=choose("cpu", precision=precision),
        folder=folder,
    )
    (folder / WEIGHTS).unlink()


def test_a_trial_planned_for_other_images_is_refused(
    jobs: Jobs, digits: Data, tmp_path: Path
) -> None:
    (job,) = jobs()
    other = replace(job, trial=replace(job.trial, fingerprint="0" * 32))
    with pytest.raises(ValueError, match="digits has changed since the study was planned"):
        execute(other, digits, tmp_path / "run")


def test_two_processes_share_the_trials_and_one_failure_stops_none(
    jobs: Jobs, digits: Data, tmp_path: Path
) -> None:
    good, bad = jobs(seeds=range(4)), jobs(seeds=(9,), peak_lr=1e30)
    store = Store(tmp_path / "study.db")
    store.add("s", [*bad, *good])
    events: list[Event] = []
    status = dispatch(store, "s", jobs=2, observer=events.append)
    assert (status.done, status.failed) == (4, 1)
    assert "TrainingDivergedError: training diverged in epoch 1" in status.failures[0][1]
    attempts = [ended for event in events for ended in event.ended]
    assert [e.state for e in attempts if e.key == bad[0].trial.key].count("failed") == 1
    assert sorted(e.key for e in attempts if e.state == "done") == sorted(
        job.trial.key for job in good
    )
    alone = execute(good[2], digits, tmp_path / "alone")
    (row,) = [row for row in store.rows() if row["seed"] == 2]
    assert told(row) == told(alone)
    assert row["threads"] == 1


WORKER = "smidgen.study.running.worker"


def test_a_killed_study_leaves_no_process_and_goes_on_from_its_checkpoint(
    jobs: Jobs, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = stop_at_second_checkpoint(WORKER, tmp_path, monkeypatch)
    (job,) = jobs(epochs=4, methods="swa(start=0.3)")
    store = Store(tmp_path / "study.db")
    store.add("s", [job])
    script = (
        "import sys; from smidgen.study.store import Store;"
        "from smidgen.study.running.local import dispatch; dispatch(Store(sys.argv[1]), 's')"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(store.path)])
    folder = store.runs / job.trial.key
    until(stopped.exists, parent)
    (pid,) = pids_of(store)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not is_running(pid))

    assert store.status("s").running == 1
    assert store.release_lost() == 1
    assert checkpoints(folder)[0].name == "checkpoint-00002.safetensors"
    started: list[int] = []
    loaded = execute(job, digits, folder, lambda report: started.append(report.epoch))
    assert started[0] == 3  # went on, did not begin anew
    assert told(loaded) == told(execute(job, digits, tmp_path / "whole"))


def test_a_worker_that_dies_costs_no_attempt(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = stop_at_second_checkpoint(WORKER, tmp_path, monkeypatch)
    (job,) = jobs(epochs=4)
    store = Store(tmp_path / "study.db")
    store.add("s", [job])
    killed: list[int] = []

    def kill_once(event: Event) -> None:
        if stopped.exists() and not killed:
            assert event.status.running == 1
            killed.extend(pids_of(store))
            os.kill(killed[0], signal.SIGKILL)

    status = dispatch(store, "s", observer=kill_once)
    assert status.done == 1
    assert killed
    (attempts,) = sqlite3.connect(store.path).execute("SELECT attempts FROM trials").fetchone()
    assert attempts == 1


def test_what_another_process_that_is_killed_had_begun_is_taken_over(
    jobs: Jobs, tmp_path: Path
) -> None:
    (job,) = jobs()
    store, started = Store(tmp_path / "study.db"), time.monotonic()

    def give_up(event: Event) -> None:
        assert time.monotonic() - started < 120, "it waits for a process that is gone"

    with Pool(store, 1) as pool:
        store.add("s", [job])
        with owner(store.owners) as other:
            assert store.claim(other) is not None
        assert pool.finish("s", give_up).done == 1


def test_a_worker_that_cannot_start_ends_the_study_with_its_reason(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "study.db")
    store.add("s", jobs())
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StudyError, match="no worker could be started"):
        dispatch(store, "s")
    assert store.status("s").queued == 1


def test_jobs_below_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="jobs must be >= 1, got 0"):
        dispatch(Store(tmp_path / "study.db"), "s", jobs=0)


def test_what_ends_between_two_looks_counts_as_done_where_it_is_told(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, heard = Store(tmp_path / "study.db"), list[Event]()
    store.add("s", jobs())
    watch = Watch(store, "s", heard.append)
    claim = store.claim("me", "s")
    assert claim is not None
    looked = store.ended

    def late(*asked: Any) -> list[Ended]:
        store.finish(claim.key, "me", {"accuracy": 1.0, "split": "test"})
        return looked(*asked)

    monkeypatch.setattr(store, "ended", late)
    assert not watch.look().is_complete, "or whoever waits would miss the news"
    (event,) = heard
    assert (len(event.ended), event.status.done) == (1, 1)


def test_what_ends_is_told_once_though_the_clock_is_set_back(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, heard, now = Store(tmp_path / "study.db"), list[Event](), 1e9
    monkeypatch.setattr(time, "time", lambda: now)
    store.add("s", jobs(seeds=(0, 1, 2)))

    def finish() -> str:
        claim = store.claim("me", "s")
        assert claim is not None
        store.finish(claim.key, "me", {"accuracy": 1.0, "split": "test"})
        return claim.key

    finish()  # before anybody looks
    watch = Watch(store, "s", heard.append)
    keys = [finish()]
    watch.look()
    now -= 3600
    keys.append(finish())
    watch.look()
    watch.look()
    assert [one.key for event in heard for one in event.ended] == keys


def test_a_store_is_looked_at_the_less_often_the_longer_nothing_ends(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, now = Store(tmp_path / "study.db"), 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    (job,) = jobs(epochs=1)
    store.add("s", [job])
    watch = Watch(store, "s", lambda event: None)
    assert watch.pause == 0.1
    now += 4
    watch.look()
    assert watch.pause == pytest.approx(0.4)
    now += 1000
    assert watch.pause == 1.0
    claim = store.claim("me")
    assert claim is not None
    store.finish(claim.key, "me", {"accuracy": 1.0, "split": "test"})
    watch.look()
    assert watch.pause == 0.1


def test_an_error_is_told_in_one_line() -> None:
    assert worker.described(ValueError("a\n b")) == "a b"
    assert worker.described(KeyError("a")) == "KeyError: 'a'"
    assert worker.described(MemoryError()) == "MemoryError"


def no_memory() -> Exception:
    """Return what torch raises, below an error of whoever asked it."""
    error = ValueError("the images cannot be stretched")
    error.__cause__ = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), NO_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory"), NO_MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), NO_MEMORY),
        (no_memory(), NO_MEMORY),
        (OSError(errno.ENOSPC, "No space left"), NO_ROOM),
        (RuntimeError("shapes cannot be multiplied"), None),
    ],
)
def test_a_process_ends_after_what_is_no_fault_of_its_trial_and_its_checkpoint_stays(
    error: Exception,
    status: int | None,
    jobs: Jobs,
    digits: Data,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Over(BaseException): ...

    def end(code: int) -> None:
        raise Over(code)

    def fails(*_: Any) -> None:
        raise error

    store = Store(tmp_path / "study.db")
    store.add("s", jobs())
    monkeypatch.setattr(worker, "loaded", lambda origin: digits)  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.setattr(worker, "execute", fails)
    claim = store.claim("me")
    assert claim is not None
    folder = store.folder(claim.key)
    folder.mkdir(parents=True)
    if status is None:
        worker.work(store, claim, "me")
        assert not folder.exists(), "the second attempt must begin anew"
        return
    monkeypatch.setattr(worker, "_take", lambda *_: worker.work(store, claim, "me"))  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.setattr(worker, "_end_with_parent", lambda: None)
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(Over) as ended:
        worker.main(str(store.path), "s", str(tmp_path / "name"))
    assert ended.value.args == (status,)
    assert folder.is_dir()
    assert store.status("s").running == 1, "whoever buries the process counts it"


def test_what_is_kept_of_a_trial_whose_images_cannot_be_read_stays(
    jobs: Jobs, tmp_path: Path
) -> None:
    store = Store(tmp_path / "study.db")
    store.add("s", [replace(job, origin=Origin(str(tmp_path / "gone"))) for job in jobs()])
    claim = store.claim("me")
    assert claim is not None
    store.folder(claim.key).mkdir(parents=True)
    worker.work(store, claim, "me")
    assert store.status("s").queued == 1
    assert store.folder(claim.key).is_dir()


def test_workers_that_are_killed_before_a_trial_are_started_again_and_others_seldom(
    tmp_path: Path,
) -> None:
    """Three that end by themselves are one fault; a hundred that were killed are one, too."""
    (tmp_path / "name").write_text("me")

    def end(pool: Pool, code: int, name: str = "no name") -> None:
        ended: Any = type("Ended", (), {"returncode": code})
        ended.poll = ended.communicate = lambda self: code  # pyright: ignore[reportUnknownLambdaType]
        pool._workers.append(_Worker(ended(), tmp_path / name, tmp_path / "log", ""))
        pool._bury_dead()

    (tmp_path / "log").write_text("a line\nthe last line\n")
    with Pool(Store(tmp_path / "study.db"), 1) as pool:
        for _ in range(99):
            end(pool, -signal.SIGKILL)
        with pytest.raises(StudyError, match=r"^no worker could be started: the last line$"):
            end(pool, -signal.SIGKILL)
    with Pool(Store(tmp_path / "study.db"), 1) as pool:
        for name in ("no name", "no name", "name", "no name", "no name"):
            end(pool, 1, name)  # one that had got as far as a trial begins the count anew
        with pytest.raises(StudyError, match="no worker could be started"):
            end(pool, 1)


def test_a_process_without_memory_gives_way_to_a_new_one_and_is_told_once(
    jobs: Jobs, tmp_path: Path
) -> None:
    store = Store(tmp_path / "study.db")
    store.add("s", jobs())
    (tmp_path / "name").write_text("me")
    ended: Any = type("Ended", (), {"returncode": NO_MEMORY})
    ended.poll = ended.communicate = lambda self: NO_MEMORY  # pyright: ignore[reportUnknownLambdaType]

    def fall_short(pool: Pool) -> None:
        for _ in range(KILLS):
            assert store.claim("me") is not None
            pool._workers.append(_Worker(ended(), tmp_path / "name", tmp_path / "log", ""))
            pool._bury_dead()
            assert pool._workers == []

    with Pool(store, 4) as pool, pytest.warns(UserWarning, match="out of memory") as told:
        fall_short(pool)
    assert len(told) == 1
    assert "use fewer --jobs than 4" in str(told[0].message)
    ((_, error),) = store.status("s").failures
    assert error == f"its process ended for want of memory, {KILLS} times without another epoch"


def test_what_killed_studies_left_is_cleared_by_the_next_start_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    monkeypatch.setattr(platform, "node", lambda: "here.local")
    parent = f"smidgen-study-here.local-{os.getppid()}-x"  # of a study that runs
    elsewhere = "smidgen-study-there.local-999999999-x"  # of a machine that shares the folder
    killed, mine = "smidgen-study-here.local-999999999-x", "smidgen-study-mine"
    for name in (killed, parent, elsewhere, mine, "another"):
        (place / name).mkdir()
    (place / "smidgen-study-here.local-999999998-x").symlink_to(precious)
    with Pool(Store(tmp_path / "study.db"), 1):
        names = {path.name for path in place.iterdir()}
    assert killed not in names
    assert names >= {parent, elsewhere, mine, "another"}
    assert (precious / "thesis.txt").read_text() == "years of work"
    assert not [path for path in place.iterdir() if str(os.getpid()) in path.name]


def test_a_pool_leaves_that_of_another_thread_alone(tmp_path: Path) -> None:
    with Pool(Store(tmp_path / "one.db"), 1) as one, Pool(Store(tmp_path / "other.db"), 1):
        assert one._folder is not None
        assert Path(one._folder.name).is_dir()


@pytest.mark.parametrize(
    ("count", "visible", "given"),
    [
        (3, None, ["0", "1", "2", "0"]),
        (2, "5, GPU-8932f937", ["5", "GPU-8932f937", "5", "GPU-8932f937"]),
        (1, "5", ["5"] * 4),
        (0, None, [None] * 4),
    ],
)
def test_workers_are_spread_over_the_gpus(
    count: int, visible: str | None, given: list[Any], tmp_path: Path, monkeypatch: Any
) -> None:
    started: list[dict[str, str]] = []

    class Process:
        returncode = -signal.SIGTERM

        def __init__(self, *_: Any, env: dict[str, str], **__: Any) -> None:
            started.append(env)
            self.ended: int | None = None

        def poll(self) -> int | None:
            return self.ended

        def kill(self) -> None:
            self.ended = self.returncode

        def communicate(self) -> None: ...

    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with Pool(Store(tmp_path / "s.db"), 4) as pool:
        for _ in range(4):
            pool._start()
        assert [env.get("CUDA_VISIBLE_DEVICES") for env in started] == given
        pool._workers[1].process.kill()
        pool._bury_dead()
        pool._start()
        assert started[-1].get("CUDA_VISIBLE_DEVICES") == given[1], "in the place of the one lost"


@pytest.mark.parametrize("searched", [True, False])
def test_workers_import_from_the_working_folder_only_if_the_study_does(
    searched: bool, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise ImportError('of the working folder')")
    monkeypatch.chdir(tmp_path)
    (job,) = jobs(epochs=1)
    store = Store(tmp_path / "study.db")
    store.add("s", [job])
    elsewhere = [place for place in sys.path if place not in ("", str(tmp_path))]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *elsewhere] if searched else elsewhere)
    if searched:
        with pytest.raises(StudyError, match="of the working folder"):
            dispatch(store, "s")
    else:
        assert dispatch(store, "s").done == 1
