"""Running a study on this machine: some processes side by side, one thread each."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from smidgen.study.status import Ended, Status
from smidgen.study.store import Store

_POLL = 0.1  # seconds
_NOTED_EVERY = 1.0  # seconds between events while nothing ends
_STILLBORN = 3  # workers that end before their first trial, until the study is given up
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class StudyError(RuntimeError):
    """A study that cannot go on."""


class Event(NamedTuple):
    """Where a study stands; sent to the observer about once a second and when a trial ends."""

    status: Status
    ended: tuple[Ended, ...]  # attempts since the last event


Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class _Worker:
    process: "subprocess.Popen[bytes]"
    name_file: Path
    log: Path

    @property
    def name(self) -> str:
        """Its name in the store, once it has one."""
        return self.name_file.read_text() if self.name_file.exists() else ""


def dispatch(
    store: Store, study: str, *, jobs: int = 1, observer: Observer = lambda event: None
) -> Status:
    """Run what is queued of ``study`` until nothing is left, and return where it stands then.

    Args:
        store: Holds the study; its trials that were running in a process that is gone are gone
            on with from their checkpoints.
        study: Name of the study.
        jobs: Processes side by side, >= 1; each runs one trial at a time on one thread.
        observer: Told what happens.

    Raises:
        ValueError: If ``jobs`` is below 1.
        StudyError: If no worker can be started.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be >= 1, got {jobs}")
    store.release_lost()
    watch = Watch(store, study, observer)
    workers: list[_Worker] = []
    stillborn = 0
    with TemporaryDirectory(prefix="smidgen-study-") as folder:
        try:
            while True:
                for worker in [w for w in workers if w.process.poll() is not None]:
                    workers.remove(worker)
                    stillborn = 0 if worker.name else stillborn + 1
                    _bury(store, worker)
                    if stillborn == _STILLBORN:
                        raise StudyError(f"no worker could be started: {_last_line(worker.log)}")
                status = watch.look()
                if status.queued == 0 and not workers:
                    return status
                if len(workers) < min(jobs, status.queued + len(workers)):
                    workers.append(_start(store, study, Path(folder)))
                time.sleep(_POLL)
        finally:
            for worker in workers:
                worker.process.kill()
            for worker in workers:
                worker.process.communicate()
            store.release_lost()


class Watch:
    """Tells an observer what changes in a store."""

    def __init__(self, store: Store, study: str, observer: Observer) -> None:
        self._store, self._study, self._observer = store, study, observer
        self._since, self._told = time.time(), 0.0

    def look(self) -> Status:
        """Return where the study stands, telling the observer if there is news."""
        status = self._store.status(self._study)
        ended = tuple(self._store.ended(self._study, self._since))
        if ended or time.monotonic() - self._told >= _NOTED_EVERY:
            self._told = time.monotonic()
            self._since = ended[-1].at if ended else self._since
            self._observer(Event(status, ended))
        return status


def _start(store: Store, study: str, folder: Path) -> _Worker:
    number = len(list(folder.glob("*.log")))
    name_file, log = folder / f"{number}.name", folder / f"{number}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "smidgen.study.worker", str(store.path), study, str(name_file)],
            stdin=subprocess.PIPE,  # closes when this process ends, and the worker with it
            stdout=subprocess.DEVNULL,
            stderr=file,
            env={**os.environ, **_THREADS},
            start_new_session=True,  # Ctrl-C is for this process, which ends the workers
        )
    return _Worker(process, name_file, log)


def _bury(store: Store, worker: _Worker) -> None:
    """Note the trial that a worker left behind when it did not end well."""
    worker.process.communicate()  # closes the pipe
    code = worker.process.returncode
    if code == 0:
        return
    how = f"by signal {-code}" if code < 0 else f"with status {code}: {_last_line(worker.log)}"
    if worker.name:
        store.fail_of(worker.name, f"its process ended {how}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")
