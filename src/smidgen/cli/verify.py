"""``smidgen verify``."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smidgen.cli.options import Json
from smidgen.cli.terminal import print_json, say, tell
from smidgen.sizes import counted

_NAMED = 5  # of what is wrong

if TYPE_CHECKING:
    from smidgen.export.verify import Verified


def verify(
    folder: Annotated[Path, typer.Argument(help="A folder that smidgen export wrote.")],
    run: Annotated[
        bool,
        typer.Option(
            "--run",
            help="Run the artefact, too. C is compiled and runs as you: only what you trust.",
        ),
    ] = False,
    json: Json = False,
) -> int:
    """Tell whether an artefact is as it was exported, to the byte; status 1 if it is not."""
    from smidgen.export.verify import verify as verified_in

    verified = verified_in(folder, run=run)
    if json:
        print_json(asdict(verified))
    else:
        say(*verified.notes)
        tell(f"{folder}: {_wrong(verified.wrong) or _told(verified)}")
    return 1 if verified.wrong else 0


def _wrong(lines: Sequence[str]) -> str:
    more = [f"{len(lines) - _NAMED:,} more"] if len(lines) > _NAMED else []
    return "; ".join([*lines[:_NAMED], *more])


def _told(verified: "Verified") -> str:
    files = counted(verified.files, "file is as it was written", "files are as they were written")
    if verified.ran is None:
        return files
    difference = (
        "bit for bit"
        if verified.difference == 0
        else f"to within {verified.difference:.1e}, allowed {verified.allowed:.1e}"
    )
    return f"{files}, and {verified.ran} answers as before, {difference}"
