"""``smidgen train``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smidgen.chance import beside_one_answer, is_near_one_answer
from smidgen.cli.options import (
    Color,
    DataDir,
    Device,
    Fit,
    GroupBy,
    ImageColumn,
    ImageSize,
    Json,
    LabelColumn,
    Precision,
    Recipe,
    Settings,
    SkipBroken,
    Threads,
    Track,
    Turned,
    With,
)
from smidgen.cli.terminal import (
    LoadingProgress,
    TrainingProgress,
    next_commands,
    print_json,
    say,
    warn,
)
from smidgen.escape import shell
from smidgen.show import percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from smidgen.config import TrainingPlan
    from smidgen.data import Data
    from smidgen.progress import Report
    from smidgen.run import EpochRecord, Run
    from smidgen.spec import NetSpec


def train(  # noqa: PLR0913 - a command line
    net: Annotated[
        str, typer.Argument(help="A named net, or a TOML file or a TOML table that describes one.")
    ],
    data: Annotated[
        str | None, typer.Option(help="A name from `smidgen list data`, a folder or a hub id.")
    ] = None,
    with_: With = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    seed: Annotated[int, typer.Option(help="Of every random draw.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder; default runs/...")] = None,
    recipe: Recipe = None,
    set_: Settings = None,
    full: Annotated[
        bool, typer.Option("--full", help="Train on all images, holding none out.")
    ] = False,
    split: Annotated[
        str | None,
        typer.Option(help="What is held out: selection (default), or a fold as fold-2-of-5."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")] = False,
    data_dir: DataDir = None,
    image_size: ImageSize = None,
    color: Color = None,
    fit: Fit = None,
    turned: Turned = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    group_by: GroupBy = None,
    skip_broken: SkipBroken = False,
    device: Device = "auto",
    threads: Threads = 1,
    precision: Precision = "auto",
    track: Track = None,
    json: Json = False,
) -> None:
    """Train a net; without --recipe and --with, by the recipe made for the data set."""
    from smidgen import config
    from smidgen.layers import Shape
    from smidgen.methods import parse
    from smidgen.runtime import choose
    from smidgen.split_names import FULL, SELECTION, require_split
    from smidgen.study.job import Origin
    from smidgen.track import facts_of, require_trackers, tracking
    from smidgen.train import train as train_net

    require_trackers(track or ())
    require_split(split or SELECTION)
    if full and split not in (None, FULL):
        raise ValueError(f"--full holds nothing out, --split {split} does: choose one")
    _require_once(
        set_ or (),
        {
            "net": (net, "the net"),
            "data": (data, "--data"),
            "methods": (with_, "--with"),
            "recipe.epochs": (epochs, "--epochs"),
            "turned": (turned or None, "--turned"),
        },
    )
    spec = config.load_net(net)
    plan = config.load_plan(
        recipe or config.default_recipe(data and data.removeprefix("known:")), set_ or ()
    )
    name = data or plan.data
    if name is None:
        raise ValueError("--data is needed: a name from `smidgen list data`, a folder or a hub id")
    methods = plan.methods if with_ is None else parse(with_)
    numbers = plan.recipe if epochs is None else replace(plan.recipe, epochs=epochs)
    runtime = choose(device, threads, precision)
    turned = turned or plan.turned
    _require_vacant(out, resume=resume)
    with LoadingProgress() as loading:
        asked = Origin(
            *(name, data_dir, image_size, color, fit, image_column, label_column, skip_broken),
            turned=turned,
            group_by=group_by,
        )
        loaded = asked.load(loading.observe)

    _tell_left_out(net, recipe, spec, plan, with_, turned=turned)
    heading, shape, classes = None, Shape(*loaded.shape), len(loaded.classes)
    if turned:
        spec = spec.as_they_lie(shape)
    if (spec.input_shape, spec.out_shape.channels) != (shape, classes):
        spec = spec.fitted(shape, classes)
        heading = f"{spec.name} fitted to {shape}, {classes} classes: {spec.params:,} params"
    folder = out or Path("runs") / _name_of(spec, loaded, seed)
    facts = facts_of(spec, methods, numbers, loaded.name, seed, folder)
    _tell_that_it_begins(folder, resume=resume)
    with (
        TrainingProgress(numbers.epochs, heading) as progress,
        tracking(track or (), facts) as tracked,
    ):
        run = train_net(
            spec,
            loaded,
            methods=methods,
            recipe=numbers,
            seed=seed,
            split=FULL if full else split or SELECTION,
            runtime=runtime,
            folder=folder,
            resume=resume,
            observer=_both(progress.observe, tracked.epoch),
        )
    _end(run, folder, loaded, json=json)


def _name_of(spec: "NetSpec", data: "Data", seed: int) -> str:
    return f"{spec.name}-{re.sub('[/:]', '-', data.name)}-seed{seed}"  # as of the hub


def _require_vacant(out: Path | None, *, resume: bool) -> None:
    """Refuse a folder that holds something else before thousands of pictures are decoded."""
    from smidgen.run import require_vacant

    if out is not None:
        require_vacant(out, resume=resume)


def _tell_that_it_begins(folder: Path, *, resume: bool) -> None:
    """Say that there is nothing to go on with, where that was asked for."""
    from smidgen.run import require_vacant

    if resume and not require_vacant(folder, resume=True):
        warn(f"there is no run in {folder} to go on with: it begins")


def _require_once(settings: Sequence[str], said: Mapping[str, tuple[object, str]]) -> None:
    """Refuse a setting of what the command line says elsewhere, which it would not change.

    Args:
        settings: As ``--set`` takes them.
        said: By path, what else says it, ``None`` if it does not, and how that is called.

    Raises:
        ValueError: Naming both.
    """
    for setting in settings:
        path = setting.partition("=")[0].strip()
        for own, (value, name) in said.items():
            if value is not None and f"{path}.".startswith(f"{own}."):
                raise ValueError(f"--set {path} changes nothing beside {name}: leave it out")


def _tell_left_out(
    net: str,
    recipe: str | None,
    spec: "NetSpec",
    plan: "TrainingPlan",
    with_: str | None,
    *,
    turned: bool,
) -> None:
    """Warn of what stands in the recipe's file or the net's and is not taken."""
    from smidgen.config import is_turned, load_methods

    if recipe not in (None, net) and plan.net not in (None, spec):
        warn(f"warning: the net that {recipe} describes is not taken, {net} is")
    if recipe is None and with_ is None and load_methods(net):
        warn(f"warning: the methods in {net} are not taken: --recipe {shell([net])} takes them")
    if recipe != net and not turned and is_turned(net):
        warn(f"warning: turned = true in {net} is not taken: --turned takes it")


def _end(run: "Run", folder: Path, data: "Data", *, json: bool) -> None:
    """Tell what came of the training, where it lies and what may follow."""
    warn(*_doubts(run, data))
    if json:
        print_json({"folder": str(folder), "key": run.trial.key, "seconds": run.seconds})
    else:
        params = f"{run.trial.spec.params:,} params"
        say(f"{run.trial.net.name}: {params}, trained in {run.seconds:,.0f} s, in {folder}")
        held_out = run.history[-1].held_out_accuracy is not None
        arrays = run.preprocessing.of_values and not data.train.files
        verbs = ("predict", "evaluate", "export")
        say(*next_commands(folder, *verbs, held_out=held_out, arrays=arrays))


def _doubts(run: "Run", data: "Data") -> list[str]:
    """Return what to say of a net that hardly learned, by the images held out."""
    from smidgen.data.parts import held_out

    reached = run.history[-1].held_out_accuracy
    if reached is None:
        return []
    part, places = held_out(data, run.trial.split)
    labels = data.parts[part].labels[places]
    floor = float(labels.bincount().max()) / len(labels)
    if not is_near_one_answer(reached, floor):
        return []
    return [
        f"held out: {percent(reached)} {beside_one_answer(reached, floor)} what one answer for all"
        f" reaches, {percent(floor)}: the net has learned little; more images or --epochs, or"
        " another net, may help"
    ]


def _both(
    observe: "Callable[[Report], None]", ended: "Callable[[EpochRecord | None], None]"
) -> "Callable[[Report], None]":
    """Return an observer of steps that tells another one of epochs."""

    def told(report: "Report") -> None:
        observe(report)
        ended(report.finished)

    return told
