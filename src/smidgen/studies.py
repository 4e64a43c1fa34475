"""Studies from Python and from the command line: their trials are run, their rows become a page."""

import json
import os
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from smidgen.sizes import counted

if TYPE_CHECKING:
    from smidgen.study.job import Job
    from smidgen.study.plan import Plan
    from smidgen.study.running.local import Event
    from smidgen.study.store import Store


def study(
    plan: Mapping[str, Any] | Path | str,
    *,
    store: Path | str = "study.db",
    jobs: int | None = None,
    on: str = "local",
    address: str | None = None,
    retry_failed: bool = False,
    live: bool = False,
    observer: "Callable[[Event], None]" = lambda event: None,
) -> list[dict[str, Any]]:
    """Run all trials of a study that are not done yet, and return its finished rows.

    It may be stopped; the same call goes on.

    Args:
        plan: A study file, the name of one that comes with smidgen, or what a file holds.
        store: Where rows are kept; run folders lie beside it.
        jobs: Trials side by side, one process each; 1 by default. A cluster has its own number.
        on: ``local`` or ``ray``.
        address: Of a running Ray cluster.
        retry_failed: Whether failed trials are tried once more.
        live: Whether a page beside the store, of its name with ``.html``, is written again and
            again while the study goes on.
        observer: Told what happens, about once a second and when a trial ends.

    Returns:
        One a trial, in the order of the file; see docs/rows.md.

    Raises:
        ValueError: Before any training, if the study, its data or an argument cannot be used; or
            if no process can be started.

    Warns:
        UserWarning: Of each trial that failed, of trials left out as the study no longer names
            them, of rows that were made otherwise than it asks for now, and of a page that cannot
            be written.
    """
    from smidgen.names import as_whole, require_path, shown
    from smidgen.study.running.places import require_place, run_on
    from smidgen.study.store import Store
    from smidgen.torch_state import float32_on_the_cpu

    if not callable(observer):
        raise ValueError(f"an observer must be a function of an Event, got {shown(observer)}")
    place = require_path(store, "store")
    if jobs is not None and (jobs := as_whole(jobs, "jobs")) < 1:
        raise ValueError(f"jobs must be >= 1, got {jobs}")
    require_place(on, address, jobs)
    read = _read(plan)
    with float32_on_the_cpu():
        queued = read.jobs(read.origin.load())
    opened = Store(place)
    try:
        for line in queue(opened, read, queued, retry_failed=retry_failed):
            warnings.warn(line, stacklevel=2)
        with followed(place, observer, live=live) as observe:
            ended = run_on(on, opened, read.name, jobs, address, observe)
        found = {row["key"]: row for row in opened.rows(read.name)}
    finally:
        opened.close()
    keys = [job.trial.key for job in queued]
    rows = [found[key] for key in keys if key in found]
    if before := len(found) - len(rows):
        warnings.warn(
            f"{counted(before, 'row is', 'rows are')} of trials that the study no longer names:"
            " they stay in the store, and are not returned",
            stacklevel=2,
        )
    for title, error in ended.failures:
        warnings.warn(f"failed: {title}: {error}; retry_failed tries it again", stacklevel=2)
    for line in made_otherwise(read, rows):
        warnings.warn(line, stacklevel=2)
    return rows


def report(
    source: Sequence[Mapping[str, Any]] | Path | str, *, out: Path | str, title: str = ""
) -> Path:
    """Write one self-contained page of what a study or design has, finished or not.

    Args:
        source: A study's store, a design's folder, rows as JSON lines; or rows themselves.
        out: The page to write.
        title: Of the page; by default the net of a design, or the names of the studies.

    Returns:
        The page.

    Raises:
        ValueError: If the rows cannot be read, the page not be written, or another file is there.
    """
    from smidgen.escape import shell
    from smidgen.names import require_path, shown
    from smidgen.report import write_page

    if isinstance(source, str | os.PathLike):
        store = store_of(require_path(source, "source"))
        command = shell(["smidgen", "report", str(store), "--out", str(require_path(out, "out"))])
        return write_page(store, out, title=title, commands=[command])
    try:
        lines = "".join(
            f"{json.dumps(dict(row), sort_keys=True, default=_as_json)}\n" for row in source
        )
    except (RecursionError, TypeError, ValueError):
        raise ValueError(
            "a report is of a store, a design, rows as JSON lines or a list of rows, got"
            f" {shown(source)}"
        ) from None
    with TemporaryDirectory(prefix="smidgen-rows-") as folder:  # read with all checks of a file
        path = Path(folder, "rows.jsonl")
        path.write_text(lines, encoding="utf-8")
        return write_page(path, out, title=title)


@contextmanager
def followed(
    store: Path, observer: "Callable[[Event], None]", *, live: bool
) -> Generator["Callable[[Event], None]"]:
    """Yield what a study tells its events, from which a page is written too if it is ``live``.

    Args:
        store: Beside which the page is, see :func:`page_of`.
        observer: Told all events first.
        live: Whether there is a page.
    """
    if not live:
        yield observer
        return
    from smidgen.escape import shell
    from smidgen.report.live import LivePage

    out = page_of(store)
    page = LivePage(store, out, "", [shell(["smidgen", "report", str(store), "--out", str(out)])])

    def observe(event: "Event") -> None:
        observer(event)
        page.follow()

    try:
        yield observe
    except BaseException:  # an interruption, too: the page would ask for news for ever
        page.stop()
        raise
    page.end()


def page_of(store: Path) -> Path:
    """Return where the page of a study goes if nobody says."""
    return store.with_suffix(".html")


def store_of(source: Path) -> Path:
    """Return the store of a design's folder; anything else is returned as it is."""
    from smidgen.study.design.outset import STORE

    return source / STORE if (source / STORE).exists() else source


def queue(store: "Store", plan: "Plan", jobs: "Sequence[Job]", *, retry_failed: bool) -> list[str]:
    """Queue the jobs of a study in its store, and return what of that is told to people.

    Args:
        store: To which they are added; those of the study that it no longer names are left out.
        plan: Of the study.
        jobs: All that it names.
        retry_failed: Whether failed trials are queued once more.
    """
    over = store.keep_only(plan.name, jobs)
    store.add(plan.name, jobs)
    if retry_failed:
        store.retry_failed(plan.name)
    left = f"{counted(over, 'trial', 'trials')} left out, not done: no longer in the study"
    return [left] if over else []


def made_otherwise(plan: "Plan", rows: Sequence[dict[str, Any]]) -> list[str]:
    """Tell of rows that are not as the study asks for them now, and are not made again."""
    told: list[str] = []
    if lacking := sum(map(plan.lacks, rows)):
        told.append(
            f"{counted(lacking, 'of the rows was', 'of the rows were')} made before, without the"
            " card that the study asks for; another store has them made with it"
        )
    if differing := sum(map(plan.differs, rows)):
        told.append(
            f"{counted(differing, 'of the rows is', 'of the rows are')} of runs trained before, not"
            f" in {plan.precision} as the study asks; another store has them trained in it"
        )
    return told


def _read(plan: Mapping[str, Any] | Path | str) -> "Plan":
    from smidgen.config import recipe_path
    from smidgen.names import shown
    from smidgen.study.plan import plan_of, read_plan

    if isinstance(plan, Mapping):
        return plan_of(_as_toml(plan))
    try:
        name = os.fspath(plan)
    except TypeError:
        raise ValueError(
            f"a study must be a file, a name or a mapping, got {shown(plan)}"
        ) from None
    return read_plan(recipe_path(name))


def _as_toml(value: Any) -> Any:
    """Return what a file would hold in the place of a mapping, a sequence, a path or a number."""
    if isinstance(value, Mapping):
        return {name: _as_toml(held) for name, held in value.items()}
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, Sequence):
        return [_as_toml(held) for held in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    of_numpy = getattr(value, "item", None)
    return value if of_numpy is None else of_numpy()


def _as_json(value: Any) -> Any:
    """Return a path as a text and a number of NumPy as Python's.

    Raises:
        TypeError: If it is neither.
    """
    plain = _as_toml(value)
    if plain is value:
        raise TypeError(f"a row holds texts, numbers and lists, got {type(value).__name__}")
    return plain
