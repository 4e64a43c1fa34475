"""Running a study on a Ray cluster: each trial a task, every row back into the one store."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from smidgen.data import Data
from smidgen.extras import install
from smidgen.names import said_by
from smidgen.study.job import Job, Others
from smidgen.study.owner import owner
from smidgen.study.running.local import Observer, StudyError, Watch
from smidgen.study.running.one import execute
from smidgen.study.running.worker import described, is_for_memory, loaded, others
from smidgen.study.status import Status
from smidgen.study.store import Claim, Store

_POLL = 0.5  # seconds
_AHEAD = 2  # tasks submitted a free slot, so that no slot waits for this process
Files = Mapping[str, bytes]


def dispatch_on_ray(
    store: Store,
    study: str,
    *,
    address: str | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    observer: Observer = lambda event: None,
) -> Status:
    """Run what is queued of ``study`` on a Ray cluster, and return where it stands then.

    Images travel to the nodes with the first trial, so that nodes need smidgen but no data. A
    trial whose node or process is lost runs again elsewhere, from its last checkpoint if the
    store's folder is on a file system that the nodes share, else from its beginning; it is failed
    once that has happened as often as on this machine, see :meth:`Store.lost`.

    Args:
        store: On the machine that this process runs on; no node needs to see it.
        study: Name of the study.
        address: Of a running cluster; without, one of this machine alone is started.
        cpus: CPU cores that a trial asks for, > 0; it computes on one thread.
        gpus: GPUs that a trial asks for; a fraction lets several share one.
        observer: Told what happens.

    Raises:
        ValueError: If ``cpus`` or ``gpus`` is out of its range.
        StudyError: If Ray is not installed, or the cluster cannot be reached.
    """
    with RayPool(store, address=address, cpus=cpus, gpus=gpus) as pool:
        return pool.finish(study, observer)


class RayPool:
    """A Ray cluster that runs trials, connected from one study to the next."""

    def __init__(
        self, store: Store, *, address: str | None = None, cpus: float = 1.0, gpus: float = 0.0
    ) -> None:
        """Prepare to connect; see :func:`dispatch_on_ray` for arguments and errors."""
        if not cpus > 0:
            raise ValueError(f"cpus must be > 0, got {cpus}")
        if gpus < 0:
            raise ValueError(f"gpus must be >= 0, got {gpus}")
        self._store, self._address, self._slot = store, address, (cpus, gpus)
        self._started = False

    def __enter__(self) -> "RayPool":
        self._started = _connect(self._address)
        self._store.release_lost()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._started:
            import ray

            ray.shutdown()

    def finish(self, study: str, observer: Observer = lambda event: None) -> Status:
        """Run what is queued of ``study`` until nothing is left; see :func:`dispatch_on_ray`."""
        with owner(self._store.owners) as me:
            try:
                return _run(_Cluster(self._store, study, me, *self._slot), observer)
            finally:
                self._store.release(me)


def cores_of(address: str | None) -> int | None:
    """Return the CPU cores of a cluster that runs already; ``None`` if one would be started here.

    Raises:
        StudyError: If Ray is not installed, or the cluster cannot be reached.
    """
    if not address and "RAY_ADDRESS" not in os.environ:
        return None
    started = _connect(address)
    import ray

    try:
        return max(int(ray.cluster_resources().get("CPU", 0)), 1)
    finally:
        if started:
            ray.shutdown()


def _connect(address: str | None) -> bool:
    """Connect to a cluster, or start one; return whether there was no connection before."""
    try:
        import ray
    except ImportError as error:
        raise StudyError(
            f"the place ray needs Ray, which is not installed: {install('ray')}"
        ) from error
    if ray.is_initialized():
        return False
    try:
        alone: dict[str, Any] = {} if address else {"include_dashboard": False}
        ray.init(address=address, log_to_driver=False, **alone)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise StudyError(f"Ray cluster {address!r} cannot be reached: {said_by(error)}") from error
    return True


class _Cluster:
    """The trials of one study that are tasks of the cluster now."""

    def __init__(self, store: Store, study: str, me: str, cpus: float, gpus: float) -> None:
        import ray

        self.store, self.study, self.me = store, study, me
        self._slot = {"CPU": cpus, "GPU": gpus}
        # A task that is lost is begun again by the store, which counts how often that was in vain:
        # Ray would do so without end where a trial brings its process down.
        self._task: Any = ray.remote(
            num_cpus=cpus, num_gpus=gpus, max_retries=0, retry_exceptions=False
        )(_trial)
        self._images: dict[str, Any] = {}
        self.running: dict[Any, Claim] = {}

    def submit(self) -> None:
        """Claim and submit trials until the cluster has enough of them."""
        import ray

        resources = ray.cluster_resources()
        slots = min(int(resources.get(what, 0) / n) for what, n in self._slot.items() if n)
        while len(self.running) < max(slots, 1) * _AHEAD:
            claim = self.store.claim(self.me, self.study)
            if claim is None:
                return
            asked = claim.job.origin, claim.job.against
            if str(asked) not in self._images:
                try:
                    self._images[str(asked)] = ray.put((loaded(asked[0]), others(*asked)))
                except ValueError as error:
                    self.store.fail(claim.key, self.me, described(error))
                    continue
            text, images = claim.job.to_text(), self._images[str(asked)]
            folder = str(self.store.folder(claim.key).absolute())
            mark = str((self.store.owners / self.me).absolute())
            self.running[self._task.remote(text, images, folder, claim.attempt, mark)] = claim

    def collect(self) -> None:
        """Take the rows of tasks that have ended into the store."""
        import ray
        from ray.exceptions import RayError

        ended, _ = ray.wait(list(self.running), num_returns=len(self.running), timeout=_POLL)
        for reference in ended:
            claim = self.running.pop(reference)
            try:
                row, files = ray.get(reference)
            except RayError as error:
                self._note(claim, error)
            else:
                _write(self.store.folder(claim.key), files)
                self.store.finish(claim.key, self.me, row)

    def _note(self, claim: Claim, error: Exception) -> None:
        """Note that a trial failed, or was lost by no error of its own."""
        from ray.exceptions import (
            NodeDiedError,
            ObjectLostError,
            OutOfMemoryError,
            RayTaskError,
            WorkerCrashedError,
        )

        own = (isinstance(error, RayTaskError) and error.cause) or error
        lost = (NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError)
        if isinstance(own, lost) or is_for_memory(own):
            why = f"with {type(own).__name__}: {said_by(own).rstrip('.')}"
            self.store.lost(claim.key, self.me, why)
        else:
            self.store.fail(claim.key, self.me, described(own))


def _run(cluster: _Cluster, observer: Observer) -> Status:
    watch = Watch(cluster.store, cluster.study, observer)
    while True:
        cluster.submit()
        if cluster.running:
            cluster.collect()
        else:  # what is left is of another process, which may be gone by now
            cluster.store.release_lost()
            time.sleep(_POLL)
        status = watch.look()
        if status.is_complete:
            return status


def _trial(
    text: str, images: tuple[Data, Others], folder: str, attempt: int, mark: str
) -> tuple[dict[str, Any], Files]:
    """Run one trial on a node; return its row, and its files if the store does not see them.

    Args:
        text: Of the job.
        images: That it needs.
        folder: Of the trial, beside the store.
        attempt: Counted from 1.
        mark: A file of this study, which a node sees if it shares the store's folder; one may have
            another folder of that name.
    """
    data, pictures = images
    job, shared = Job.from_text(text), Path(folder)
    if Path(mark).exists():
        if attempt > 1 and shared.is_dir():
            _clear(shared)
        return execute(job, data, shared, others=pictures), {}
    with TemporaryDirectory(prefix="smidgen-trial-") as own:
        place = Path(own) / shared.name
        row = execute(job, data, place, others=pictures)
        return row, {path.name: path.read_bytes() for path in place.iterdir()}


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _write(folder: Path, files: Files) -> None:
    if files:
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
