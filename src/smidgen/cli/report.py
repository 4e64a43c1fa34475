"""``smidgen report``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smidgen.cli.options import require_another
from smidgen.cli.terminal import say, tell
from smidgen.escape import shell
from smidgen.sizes import counted

if TYPE_CHECKING:
    from smidgen.study.status import Status


def report(
    store: Annotated[
        Path, typer.Argument(help="A study's store, a design, or rows as JSON lines.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The page to write; without it, tables as Markdown.")
    ] = None,
    charts: Annotated[
        Path | None, typer.Option(help="A folder for the charts, each as an SVG file.")
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "",
) -> None:
    """Write one self-contained page of what a store holds, finished or not."""
    from smidgen.report import markdown, read, write_charts, write_page
    from smidgen.studies import store_of

    store = store_of(store)
    require_another("--out", out, [store], "what the report is of")
    if title and out is None:
        raise ValueError("--title is of the page that --out writes")
    if charts is not None:
        for path in write_charts(store, charts):
            say(str(path))
    if out is None and charts is None:
        records = read(store)
        lines = markdown(records).splitlines()
        tell(*lines)
        if not lines:
            say(f"{store} holds no row of a finished trial yet")
        say(*_left(records.status))
    elif out is not None:
        command = shell(["smidgen", "report", str(store), "--out", str(out)])
        page = write_page(store, out, title=title, commands=[command])
        say(f"{page}: {page.stat().st_size:,} bytes")


def _left(status: "Status") -> list[str]:
    """Return what the tables are not of: trials that failed, and those that are not done."""
    left = {"running": status.running, "queued": status.queued, "failed": status.failed}
    counts = ", ".join(f"{count:,} {state}" for state, count in left.items() if count)
    if not counts:
        return []
    return [
        f"figures are of {status.done:,} of {counted(status.total, 'trial', 'trials')}: {counts}"
    ]
