"""Arguments and options that several verbs share."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

NO_DATA = "--data is needed: a name from `smidgen list data`, a folder or a hub id"


def in_a_folder(path: Path | None) -> Path | None:
    """Return the file that is to be written.

    Raises:
        ValueError: If it cannot be: told now, and not once all is computed.
    """
    if path is None:
        return None
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: cannot be written: there is no folder {path.parent}")
    if path.is_dir():
        raise ValueError(f"{path}: cannot be written: it is a folder")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise ValueError(f"{path}: cannot be written: permission denied")
    return path


def require_another(option: str, path: Path | None, read: Iterable[str | Path], what: str) -> None:
    """Refuse to write over what is read.

    Args:
        option: That names the file.
        path: To be written, if any.
        read: What is read, whether it is there or not.
        what: That is, for the error.

    Raises:
        ValueError: Naming the file.
    """
    if path is None:
        return
    own, is_there = path.absolute(), path.exists()
    for of in map(Path, read):
        if of.absolute() == own or (is_there and of.exists() and path.samefile(of)):
            raise ValueError(f"{option} {path} is {what}: it would be overwritten")


def files_of_run(place: str) -> list[Path]:
    """Return what lies in the folder of a run or a design, but for tables that were written there.

    Args:
        place: As a run is named; of one on the hub it is nothing.
    """
    folder = Path(place)
    held = [*folder.glob("*"), *folder.glob("*/*")] if folder.is_dir() else []
    return [path for path in held if path.suffix != ".csv"]


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
DataDir = Annotated[
    str | None,
    typer.Option(help="Folder of local copies of data sets; default $SMIDGEN_DATA."),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        metavar="N|HxW", help="Fit every image to this size; without it one is chosen, and told."
    ),
]
Color = Annotated[
    str | None,
    typer.Option(metavar="grey|rgb", help="What a net sees. Default: grey if all images are."),
]
Fit = Annotated[
    str | None,
    typer.Option(
        metavar="stretch|crop|pad", help="How images of other proportions fit. Default: stretch."
    ),
]
Turned = Annotated[
    bool,
    typer.Option(
        "--turned",
        help="Exchange rows and columns of every image: wide ones then take less RAM as C.",
    ),
]
ImageColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="A table's column of images, where it is not clear."),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A table's column of labels, where it is not clear; or prefix, series of file names.",
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What is never on two sides: a column, or folder, series, prefix of file names.",
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Cut recordings of a sensor (CLASS/*.csv) into windows of N lines, as 96.",
    ),
]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out images that cannot be read, and say so.")
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
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track", metavar="NAME", help="tensorboard, mlflow, wandb or trackio; may be repeated."
    ),
]
Sure = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help='Answer only where this share is right, as 99%, and "not sure" elsewhere.',
    ),
]
SureOn = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help="Choose --sure on these labelled images. Default: those held out of training.",
    ),
]


def require_sure(
    sure: str | None, sure_on: str | None, *, judges: str | None = None
) -> float | None:
    """Return the share of answers that is to be right, if one is asked for.

    Args:
        sure: As it was given.
        sure_on: Data to choose a threshold on.
        judges: Data that judge it.

    Raises:
        ValueError: If it is none, images to choose on are named and no share, or these judge, too.
    """
    from smidgen.sizes import share_of

    if sure is None and sure_on is not None:
        raise ValueError("--sure-on is for --sure")
    if sure_on is not None and sure_on == judges:
        raise ValueError(f"--sure-on must be other images than those that judge, got {sure_on}")
    return None if sure is None else share_of(sure, "--sure")
