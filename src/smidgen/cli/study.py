"""``smidgen study``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smidgen.cli.options import Json, Track, in_a_folder, require_another
from smidgen.cli.terminal import print_json, say, table, time_left, warn
from smidgen.escape import shell
from smidgen.sizes import counted

_FAILED = 100  # trials that failed, which are named

if TYPE_CHECKING:
    from smidgen.study.running.local import Event
    from smidgen.study.status import Status
    from smidgen.study.store import Store


def study(  # noqa: PLR0913 - a command line
    plan: Annotated[
        str, typer.Argument(metavar="STUDY.toml", help="A study file, or the name of one.")
    ],
    store: Annotated[Path, typer.Option(help="Where rows are kept.")] = Path("study.db"),
    jobs: Annotated[
        int | None, typer.Option(help="Trials side by side, one process each; 1 by default.")
    ] = None,
    on: Annotated[str, typer.Option(help="Where trials run: local or ray.")] = "local",
    address: Annotated[str | None, typer.Option(help="Address of a running Ray cluster.")] = None,
    status: Annotated[
        bool,
        typer.Option("--status", help="Show how far it is, run nothing; --export still writes."),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed trials once more.")
    ] = False,
    import_: Annotated[
        list[Path] | None,
        typer.Option(
            "--import", metavar="FILE", help="Take finished rows from JSON lines; may be repeated."
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(callback=in_a_folder, help="Write its finished rows to a JSON lines file."),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            help="Folder of local copies of data sets; default: the study file's, else"
            " $SMIDGEN_DATA."
        ),
    ] = None,
    image_size: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW",
            help="Fit every image to this size; default: the study file's, else one is chosen.",
        ),
    ] = None,
    color: Annotated[
        str | None,
        typer.Option(
            metavar="grey|rgb",
            help="What a net sees. Default: the study file's, else grey if all images are.",
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Write a page beside the store again and again as the study goes on."
        ),
    ] = False,
    track: Track = None,
    json: Json = False,
) -> int:
    """Run all trials of a study that are not done yet; may be stopped, and goes on."""
    from smidgen.config import recipe_path
    from smidgen.studies import followed, made_otherwise, queue
    from smidgen.study.plan import read_plan
    from smidgen.study.running.places import require_place, run_on
    from smidgen.study.store import Store
    from smidgen.track import require_trackers

    if status and (import_ or retry_failed or live):
        raise ValueError(
            "--status runs nothing and takes nothing in: no --import, no --retry-failed, no --live"
        )
    observe = _observing(require_trackers(track or ()), store)
    _require_free(export, (store, recipe_path(plan), *(import_ or ())))
    read = read_plan(recipe_path(plan))
    if status:
        opened = Store(store, create=False)
        _export(opened, read.name, export)
        _look(opened, read.name, json=json)
        return 0
    asked: dict[str, Any] = {"data_dir": data_dir, "image_size": image_size, "color": color}
    asked = {name: value for name, value in asked.items() if value}
    read = replace(read, origin=replace(read.origin, **asked))
    require_place(on, address, jobs)
    queued = read.jobs(read.origin.load())
    opened = _opened(store, import_ or ())
    say(*queue(opened, read, queued, retry_failed=retry_failed))
    with followed(store, observe, live=live) as told:
        ended = run_on(on, opened, read.name, jobs, address, told)
    _export(opened, read.name, export)
    _show(ended, json=json)
    for line in made_otherwise(read, opened.rows(read.name)):
        warn(line)
    asked |= {"on": on if on == "ray" else None, "address": address, "jobs": jobs}
    _say_next(plan, store, ended, asked)
    return 1 if ended.failed else 0


def _require_free(export: Path | None, read: Sequence[Path]) -> None:
    """Refuse to write rows over what is read, or over anything but rows."""
    from smidgen.study.rows import require_row_file

    require_another("--export", export, read, "the study, its store or rows to take in")
    if export is not None:
        require_row_file(export)


def _export(store: "Store", study: str, to: Path | None) -> None:
    if to is not None and to.is_file() and to.stat().st_size and not store.rows(study):
        raise ValueError(f"{to} holds rows, and {store.path} none of {study} yet: they stay")
    if to is not None:
        say(f"{to}: {counted(store.export_rows(to, study=study), 'row', 'rows')}")


def _opened(place: Path, taken: Sequence[Path]) -> "Store":
    """Return a store with the rows of files, if a report can be made of all of them."""
    from smidgen.report.checked import require_rows
    from smidgen.study.rows import read_rows
    from smidgen.study.store import Store

    for path in taken:
        require_rows(read_rows(path), str(path))
    store = Store(place)
    for path in taken:
        store.import_rows(path)
    return store


def _say_next(plan: str, store: Path, ended: "Status", asked: Mapping[str, object]) -> None:
    """Tell what may follow, with what was asked for: without it trials would be others."""
    from smidgen.studies import page_of

    page = page_of(store)
    say(f"next:   {shell(['smidgen', 'report', str(store), '--out', str(page)])}")
    if ended.failed:
        again = ["smidgen", "study", plan, "--store", str(store), "--retry-failed"]
        for name, value in asked.items():
            again += [f"--{name.replace('_', '-')}", str(value)] if value is not None else []
        say(f"        {shell(again)}")


def _observing(trackers: Sequence[str], store: Path) -> "Callable[[Event], None]":
    """Return an observer that tells people, and trackers of each trial that ended."""
    from smidgen.track import track_row

    def observe(event: "Event") -> None:
        show_event(event)
        for ended in event.ended:
            if ended.row:
                track_row(trackers, ended.row, str(store.absolute().parent))

    return observe


def show_event(event: "Event") -> None:
    """Tell people of each trial that has ended, and how long the others take."""
    status = event.status
    left = "" if _is_over(status) else f"  {time_left(status.seconds_left or 0)}"
    for ended in event.ended:
        found = _reached(ended.row) if ended.row else ended.error
        say(f"{status.done}/{status.total}  {ended.title}  {ended.outcome}  {found}{left}")


def _reached(row: Mapping[str, Any]) -> str:
    from smidgen.report.notices import has_learned_little

    little = ", learned little" if has_learned_little(row) else ""
    return f"{100 * row['accuracy']:.2f} % {row['split']}{little}"


def _is_over(status: "Status") -> bool:
    """Tell whether there is nothing left to wait for, or nothing known of how long it takes."""
    return status.seconds_left is None or status.is_complete


def _look(store: "Store", study: str, *, json: bool) -> None:
    """Show where a study stands, also one that its store knows nothing of."""
    standing = store.standing(study)
    _show(standing, json=json)
    if not standing.total:
        say(f"{store.path} was not asked for any trial of {study} yet")


def _show(status: "Status", *, json: bool) -> None:
    if json:
        print_json(status._asdict())
        return
    left = "" if _is_over(status) else time_left(status.seconds_left or 0).removesuffix(" left")
    header = ["done", "running", "queued", "failed", "total", "time left"]
    counts = [status.done, status.running, status.queued, status.failed, status.total, left]
    table(header, [counts])
    for title, error in status.failures[:_FAILED]:
        warn(f"failed: {title}: {error}")
    if len(status.failures) > _FAILED:
        warn(f"failed: {len(status.failures) - _FAILED:,} more, which --status --json names")
