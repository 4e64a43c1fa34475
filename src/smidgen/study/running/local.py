"""Running a study on this machine: some processes side by side, one thread each."""

import os
import platform
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir
from typing import NamedTuple, Protocol, runtime_checkable

import torch

from smidgen.files import runs
from smidgen.names import as_name
from smidgen.study.database import RoomError
from smidgen.study.owner import clear_dead
from smidgen.study.status import Ended, Status
from smidgen.study.store import Store

_POLL = 0.1  # seconds between looks at the store where trials are short
_POLL_LONG = 1.0  # where they are long: a look takes milliseconds of a processor that trains
_NOTED_EVERY = 1.0  # seconds between events while nothing ends
_STILLBORN = 3  # workers that end before their first trial, until the study is given up
_KILLED = [one for one in signal.Signals if one.name in ("SIGKILL", "SIGTERM")]  # by somebody else
_OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # what a session is on Windows
_STILLBORN_KILLED = 100  # likewise, where they were killed
NO_ROOM = 75  # exit status of a worker whose disk is full
NO_MEMORY = 71  # of one that could not get more memory
_GPUS = "CUDA_VISIBLE_DEVICES"
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class StudyError(ValueError):
    """A study that cannot go on."""


class Event(NamedTuple):
    """Where a study stands; sent to the observer about once a second and when a trial ends."""

    status: Status
    ended: tuple[Ended, ...]  # attempts since the last event


Observer = Callable[[Event], None]


@runtime_checkable
class Runner(Protocol):
    """What trains the queued trials of a store."""

    def finish(self, study: str, observer: Callable[[Event], None]) -> Status:
        """Run what is queued of ``study`` until nothing is left."""
        ...


@dataclass(frozen=True, slots=True)
class _Worker:
    process: "subprocess.Popen[bytes]"
    name_file: Path
    log: Path
    gpu: str  # or nothing where there is no choice

    @property
    def name(self) -> str:
        """Its name in the store, once it has one."""
        return self.name_file.read_text(encoding="utf-8") if self.name_file.exists() else ""

    @property
    def last_line(self) -> str:
        """The last line that it wrote to standard error."""
        lines = self.log.read_text(errors="replace", encoding="utf-8").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")


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
    with Pool(store, jobs, study) as pool:
        return pool.finish(study, observer)


class Pool:
    """Processes that run trials, kept alive from one study to the next."""

    def __init__(self, store: Store, jobs: int, study: str = "") -> None:
        """Prepare for ``jobs`` processes; each is started when there is something to do.

        They take trials of ``study`` alone, or of every study in the store if it is empty.

        Raises:
            ValueError: If ``jobs`` is below 1.
        """
        if jobs < 1:
            raise ValueError(f"jobs must be >= 1, got {jobs}")
        self._store, self._jobs, self._study = store, jobs, study
        self._workers: list[_Worker] = []
        self._started = self._stillborn = 0
        self._told_of_memory = False
        self._folder: TemporaryDirectory[str] | None = None

    def __enter__(self) -> "Pool":
        _clear_left()
        self._folder = TemporaryDirectory(prefix=f"{_prefix()}{os.getpid()}-")
        self._store.release_lost()
        clear_dead(self._store.owners)
        return self

    def __exit__(self, *raised: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.communicate()
        with suppress(RoomError):  # the next start does it
            self._store.release_lost()
        if self._folder is not None:
            self._folder.cleanup()

    def finish(self, study: str, observer: Observer = lambda event: None) -> Status:
        """Run what is queued of ``study`` until nothing is left; see :func:`dispatch`."""
        watch = Watch(self._store, study, observer)
        while True:
            self._bury_dead()
            status = watch.look()
            if status.is_complete:
                return status
            if not status.queued:  # what is left may be of another process that is gone by now
                self._store.release_lost(besides=[worker.name for worker in self._workers])
            if len(self._workers) < min(self._jobs, status.queued + status.running):
                self._start()
            time.sleep(watch.pause)

    def _start(self) -> None:
        assert self._folder is not None, "a pool works inside its with block"
        folder = Path(self._folder.name)
        name_file, log = folder / f"{self._started}.name", folder / f"{self._started}.log"
        self._started += 1
        gpu = _least_used([worker.gpu for worker in self._workers])
        with log.open("wb") as file:
            process = subprocess.Popen(
                [
                    *_python(),
                    "-m",
                    "smidgen.study.running.worker",
                    self._store.path,
                    self._study,
                    name_file,
                ],
                stdin=subprocess.PIPE,  # closes when this process ends, and the worker with it
                stdout=subprocess.DEVNULL,
                stderr=file,
                env={**os.environ, **_THREADS, **({_GPUS: gpu} if gpu else {})},
                start_new_session=True,
                creationflags=_OWN_GROUP,  # Ctrl-C is for this process, which ends the workers
            )
        self._workers.append(_Worker(process, name_file, log, gpu))

    def _bury_dead(self) -> None:
        """Note the trials of workers that ended, which none does by itself."""
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            worker.process.communicate()  # closes the pipe
            code = worker.process.returncode
            if code == NO_ROOM:
                raise StudyError(worker.last_line)
            if code == NO_MEMORY:
                self._store.killed(worker.name, "for want of memory")
                self._tell_of_memory()
            elif worker.name and code < 0:
                self._store.killed(worker.name, f"by signal {-code}")
            elif worker.name:
                why = f"with status {code}: {worker.last_line}"
                self._store.fail_of(worker.name, f"its process ended {why}")
            self._count_stillborn(worker, killed=-code in _KILLED)

    def _tell_of_memory(self) -> None:
        """Warn once that memory is short, and of what takes less."""
        if self._told_of_memory:
            return
        self._told_of_memory = True
        less = f"fewer --jobs than {self._jobs}" if self._jobs > 1 else "smaller images or batches"
        warnings.warn(
            f"out of memory: a trial goes on in a new process, from its checkpoint: use {less}",
            stacklevel=4,
        )

    def _count_stillborn(self, worker: _Worker, *, killed: bool) -> None:
        """Give up when no worker gets as far as its first trial; one that was killed may yet."""
        self._stillborn = 0 if worker.name else self._stillborn + 1
        if self._stillborn >= (_STILLBORN_KILLED if killed else _STILLBORN) and not worker.name:
            raise StudyError(f"no worker could be started: {worker.last_line}")


def _python() -> list[str]:
    """Return this Python, to import from the working folder only if this process does.

    With ``-m`` alone a file there, as random.py, would take the place of a module.
    """
    elsewhere = {"", str(Path.cwd())}.isdisjoint(sys.path)
    return [sys.executable, "-P"] if elsewhere else [sys.executable]


def _least_used(taken: list[str]) -> str:
    """Return the GPU that fewest workers have, as CUDA names it; nothing if there are not two."""
    count = torch.cuda.device_count()
    if count < 2:  # noqa: PLR2004
        return ""
    named = [name.strip() for name in os.environ.get(_GPUS, "").split(",") if name.strip()]
    return min((named or list(map(str, range(count))))[:count], key=taken.count)


def _prefix() -> str:
    """Return how the temporary folders of studies on this machine begin; others may share them."""
    return f"smidgen-study-{as_name(platform.node())}-"


def _clear_left() -> None:
    """Remove the folders of studies that were killed."""
    for path in Path(gettempdir()).glob(f"{_prefix()}*"):
        found = re.fullmatch(rf"{re.escape(_prefix())}([0-9]+)-.*", path.name)
        if found is None or path.is_symlink():
            continue
        process = int(found[1])  # this one may have another pool, in another thread
        if process != os.getpid() and not runs(process):
            rmtree(path, ignore_errors=True)  # somebody else's are not ours to remove


class Watch:
    """Tells an observer what changes in a store."""

    def __init__(self, store: Store, study: str, observer: Observer) -> None:
        self._store, self._study, self._observer = store, study, observer
        self._known, self._since, self._told = store.ends(study), time.monotonic(), 0.0

    @property
    def pause(self) -> float:
        """Seconds to the next look, a tenth of what has passed since a trial ended."""
        return min(max(_POLL, (time.monotonic() - self._since) / 10), _POLL_LONG)

    def look(self) -> Status:
        """Return where the study stands, telling the observer if there is news.

        The time left and the failures are told to the observer, and returned at the end.
        """
        status = self._store.counts(self._study)
        ended = tuple(self._store.ended(self._study, self._known))
        if ended or time.monotonic() - self._told >= _NOTED_EVERY:
            self._told = time.monotonic()
            self._since = self._told if ended else self._since
            self._known.update({one.key: one.at for one in ended})
            # what has ended since the first look counts as done where it is told
            self._observer(Event(self._store.status(self._study), ended))
        return self._store.status(self._study) if status.is_complete else status
