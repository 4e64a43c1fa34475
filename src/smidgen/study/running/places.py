"""The places where trials can run, by name."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

from smidgen.extras import install
from smidgen.study.running.local import Observer, Pool, Runner, StudyError, dispatch
from smidgen.study.status import Status
from smidgen.study.store import Store
from smidgen.text import nearest

PLACES = ("local", "ray")


def require_place(on: str, address: str | None, jobs: int | None = None) -> None:
    """Refuse a place that is unknown, or what is asked of a place that has none of it.

    Args:
        on: ``local`` or ``ray``.
        address: Of a running cluster.
        jobs: Processes on this machine, if some number of them was asked for.

    Raises:
        ValueError: If it is.
        StudyError: If Ray is not installed.
    """
    if on not in PLACES:
        raise ValueError(f"unknown place {on!r}; {nearest(on, PLACES)}")
    if on == "ray" and find_spec("ray") is None:
        raise StudyError(f"the place ray needs Ray, which is not installed: {install('ray')}")
    if address is not None and on != "ray":
        raise ValueError("an address is that of a Ray cluster, got the place local: ask for ray")
    if jobs is not None and on == "ray":
        raise ValueError(
            "jobs are of this machine: a cluster runs as many trials as it has cores, so that the"
            " place ray takes none"
        )


def side_by_side(on: str, address: str | None, jobs: int) -> int:
    """Return how many trials run at once.

    Args:
        on: ``local`` or ``ray``.
        address: Of a running cluster, which runs as many as it has cores now.
        jobs: Processes on this machine; also what a cluster of this machine alone is taken for.

    Raises:
        StudyError: If the cluster cannot be reached.
    """
    if on != "ray":
        return jobs
    from smidgen.study.running.ray import cores_of

    return cores_of(address) or jobs


def run_on(
    on: str, store: Store, study: str, jobs: int | None, address: str | None, observer: Observer
) -> Status:
    """Run what is queued of a study until nothing is left, and return where it stands then.

    Args:
        on: ``local`` or ``ray``.
        store: Of the trials.
        study: Its name.
        jobs: Processes on this machine, 1 if ``None``; a cluster has its own number.
        address: Of a running cluster.
        observer: Told what happens.

    Raises:
        ValueError: If ``jobs`` is below 1.
        StudyError: If no trial can be run there.
    """
    if on == "ray":
        from smidgen.study.running.ray import dispatch_on_ray

        return dispatch_on_ray(store, study, address=address, observer=observer)
    return dispatch(store, study, jobs=1 if jobs is None else jobs, observer=observer)


@contextmanager
def runner_on(on: str, store: Store, jobs: int, address: str | None) -> Generator[Runner]:
    """Yield what runs the trials of a store.

    Args:
        on: ``local`` or ``ray``.
        store: Of the trials.
        jobs: Processes on this machine; a cluster has its own number.
        address: Of a running cluster.
    """
    require_place(on, address)
    if on == "ray":
        from smidgen.study.running.ray import RayPool

        with RayPool(store, address=address) as cluster:
            yield cluster
    else:
        with Pool(store, jobs) as pool:
            yield pool
