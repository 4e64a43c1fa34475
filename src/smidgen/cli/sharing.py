"""``smidgen card`` and ``smidgen push``."""

from pathlib import Path
from typing import Annotated

import typer

from smidgen.cli.options import DataDir, Json, in_a_folder
from smidgen.cli.terminal import print_json, say

_Run = Annotated[
    Path, typer.Argument(metavar="RUN|DESIGN", help="The folder of a run or of a design.")
]
_Licence = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Of the model: the hub's identifier, as in apache-2.0, or other:NAME."
    ),
]
_About = Annotated[str, typer.Option(metavar="TEXT", help="What the model is for.")]
_Data = Annotated[
    str | None, typer.Option(help="Where the data of the run are now, if they were moved.")
]


def card(
    run: _Run,
    out: Annotated[
        Path | None,
        typer.Option(callback=in_a_folder, help="The file to write; default RUN-card.md."),
    ] = None,
    licence: _Licence = None,
    about: _About = "",
    data: _Data = None,
    data_dir: DataDir = None,
) -> None:
    """Write a model card: use, data, figures with intervals, sizes, how to run it."""
    from smidgen.export.ship import place_of
    from smidgen.share.card import write_card

    path = out or place_of(run, "card").with_name(f"{place_of(run, 'card').name}.md")
    written = write_card(run, path, licence=licence, about=about, data=data, data_dir=data_dir)
    say(f"{written}: {written.stat().st_size:,} bytes")


def push(  # noqa: PLR0913 - a command line
    run: _Run,
    repository: Annotated[
        str, typer.Argument(metavar="USER/NAME", help="The repository on the hub.")
    ],
    space: Annotated[
        bool, typer.Option("--space", help="Publish the page of the net, too, as a static Space.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Show a new repository to nobody else.")
    ] = False,
    licence: _Licence = None,
    about: _About = "",
    data: _Data = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Share a run on the hub: the model, its card, its rows and what was exported of it."""
    from smidgen.hub import PREFIX
    from smidgen.share.push import push as send

    pushed = send(
        run,
        repository,
        space=space,
        private=private,
        licence=licence,
        about=about,
        data=data,
        data_dir=data_dir,
        tell=say,
    )
    if json:
        print_json(pushed._asdict())
        return
    say(f"model: {pushed.url}")
    if pushed.space:
        say(f"page:  {pushed.space}")
    say(f"next:  smidgen predict {PREFIX}{repository.removeprefix(PREFIX)} PICTURE")
