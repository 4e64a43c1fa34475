"""``smidgen curve``."""

from dataclasses import asdict, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from smidgen.cli.options import (
    NO_DATA,
    Color,
    DataDir,
    Fit,
    GroupBy,
    ImageColumn,
    ImageSize,
    Json,
    LabelColumn,
    Recipe,
    Settings,
    SkipBroken,
    Turned,
    Window,
    With,
)
from smidgen.cli.study import show_event
from smidgen.cli.terminal import print_json, say, table, tell
from smidgen.cli.train import require_once, tell_left_out

if TYPE_CHECKING:
    from smidgen.curve import Curve
    from smidgen.study.statistics import Interval

_Number = TypeVar("_Number", int, float)


def curve(  # noqa: PLR0913 - a command line
    net: Annotated[
        str, typer.Argument(help="A named net, or a TOML file or a TOML table that describes one.")
    ],
    data: Annotated[
        str | None, typer.Option(help="A name from `smidgen list data`, a folder or a hub id.")
    ] = None,
    shares: Annotated[
        str,
        typer.Option(
            metavar="SHARE,...", help="Of the training pictures, two or more, as 0.125,0.25,0.5,1."
        ),
    ] = "0.25,0.5,1",
    seeds: Annotated[
        str, typer.Option(metavar="SEED,...", help="Runs of each share, as 0,1,2,3,4.")
    ] = "0,1,2",
    out: Annotated[
        Path, typer.Option(help="A new folder, or that of a curve, which goes on.")
    ] = Path("curve"),
    jobs: Annotated[
        int | None, typer.Option(help="Trials side by side, one process each; 1 by default.")
    ] = None,
    with_: With = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over all training pictures; as many steps for all.")
    ] = None,
    recipe: Recipe = None,
    set_: Settings = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="What judges: selection, or folds as 5-folds, which few pictures have by default."
        ),
    ] = None,
    data_dir: DataDir = None,
    image_size: ImageSize = None,
    color: Color = None,
    fit: Fit = None,
    turned: Turned = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    group_by: GroupBy = None,
    window: Window = None,
    skip_broken: SkipBroken = False,
    json: Json = False,
) -> int:
    """Tell whether more pictures would help: a net's accuracy by how many it was trained on."""
    from smidgen import config
    from smidgen.curve import curve as found_of
    from smidgen.methods import parse
    from smidgen.study.job import Origin

    said = {
        "net": (net, "the net"),
        "data": (data, "--data"),
        "methods": (with_, "--with"),
        "recipe.epochs": (epochs, "--epochs"),
        "recipe.share": (shares, "--shares"),
        "turned": (turned or None, "--turned"),
    }
    require_once(set_ or (), said)
    asked = _numbers(shares, "--shares", float), _numbers(seeds, "--seeds", int)
    spec = config.load_net(net)
    known = config.default_recipe(data and data.removeprefix("known:"), spec)
    plan = config.load_plan(recipe or known, set_ or ())
    if (name := data or plan.data) is None:
        raise ValueError(NO_DATA)
    turned = turned or plan.turned
    origin = Origin(
        *(name, data_dir, image_size, color, fit, image_column, label_column),
        skip_broken=skip_broken,
        turned=turned,
        group_by=group_by,
        window=window,
    )
    tell_left_out(net, recipe, spec, plan, with_, turned=turned)
    found = found_of(
        spec,
        origin,
        methods=plan.methods if with_ is None else parse(with_),
        recipe=plan.recipe if epochs is None else replace(plan.recipe, epochs=epochs),
        shares=asked[0],
        seeds=asked[1],
        split=split,
        folder=out,
        jobs=jobs,
        observer=show_event,
    )
    if json:
        print_json(_plain(found))
    else:
        _show(found)
    return 1 if found.missing else 0


def _numbers(text: str, option: str, kind: type[_Number]) -> list[_Number]:
    """Return the numbers of a list with commas.

    Raises:
        ValueError: If one is none.
    """
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        what = "whole numbers, as 0,1,2" if kind is int else "numbers, as 0.25,0.5,1"
        raise ValueError(f"{option} must be {what}, got {text!r}") from None


def _plain(found: "Curve") -> dict[str, object]:
    """Return what is told to machines: shares of one in the place of percents."""

    def ends(of: "Interval | None") -> list[float] | None:
        return None if of is None else [of.low / 100, of.high / 100]

    points = [
        {
            "share": of.share,
            "pictures": of.pictures,
            "runs": of.runs,
            "accuracy": of.accuracy.mean / 100,
            "interval": ends(of.accuracy),
            "gained": None if of.gained is None else of.gained.mean / 100,
            "gained_interval": ends(of.gained),
        }
        for of in found.points
    ]
    places = {"folder": str(found.folder), "report": str(found.report)}
    chance = None if found.chance is None else found.chance / 100
    return {**asdict(found), "points": points, "chance": chance, **places}


def _show(found: "Curve") -> None:
    rows: list[list[object]] = [
        [of.pictures, f"{of.share:g}", of.runs, _told(of.accuracy, ".2f"), *_gained(of.gained)]
        for of in found.points
    ]
    header = ["training pictures", "share", "runs", "accuracy %", "against half", "verdict"]
    aside = f"{found.judged_by:,} held-out pictures ({found.split})"
    net = f"{found.net} ({found.params:,} params, images of {'x'.join(map(str, found.image))})"
    table(header, rows, title=f"{net} on {found.data}, judged by {aside}")
    tell("", f"{found.told}.")
    say(f"report: {found.report}")


def _gained(gained: "Interval | None") -> list[object]:
    return ["-", "-"] if gained is None else [_told(gained, "+.2f"), gained.verdict]


def _told(of: "Interval", form: str) -> str:
    if not isfinite(of.low):
        return f"{of.mean:{form}}"
    return f"{of.mean:{form}} [{of.low:{form}}, {of.high:{form}}]"
