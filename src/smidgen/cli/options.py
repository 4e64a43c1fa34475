"""Arguments and options that several verbs share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
DataDir = Annotated[
    str | None,
    typer.Option(help="Folder of local copies of data sets; default $SMIDGEN_DATA."),
]
ImageSize = Annotated[
    int | None, typer.Option(help="Resize the images of a folder to squares of this side.")
]
With = Annotated[
    str | None,
    typer.Option("--with", metavar="METHOD,...", help="Methods, as in blurpool,cutout:length=8."),
]
Recipe = Annotated[
    str | None, typer.Option("--recipe", help="A TOML file, or a name from `smidgen list recipes`.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Replace one value: recipe.peak_lr=0.02."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
Precision = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]
