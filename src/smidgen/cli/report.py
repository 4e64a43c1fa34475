"""``smidgen report``."""

from pathlib import Path
from typing import Annotated

import typer

from smidgen.cli.terminal import say


def report(
    store: Annotated[Path, typer.Argument(help="A study's store, or rows as JSON lines.")],
    out: Annotated[
        Path | None, typer.Option(help="The page to write; without it, tables as Markdown.")
    ] = None,
    title: Annotated[str, typer.Option(help="Of the page.")] = "",
) -> None:
    """Write one self-contained page of what a store holds, finished or not."""
    from smidgen.report import markdown, write_page

    if out is None:
        print(markdown(store))
    else:
        command = f"smidgen report {store} --out {out}"
        page = write_page(store, out, title=title, commands=[command])
        say(f"{page}: {page.stat().st_size:,} bytes")
