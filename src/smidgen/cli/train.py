"""``smidgen train``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smidgen.cli.advice import told_of_weights
from smidgen.cli.fine_tuning import go_on, require_of_run
from smidgen.cli.options import (
    NO_DATA,
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
    Window,
    With,
)
from smidgen.cli.terminal import LoadingProgress, TrainingProgress, warn
from smidgen.cli.trained import end
from smidgen.escape import shell

if TYPE_CHECKING:
    from collections.abc import Callable

    from smidgen.config import TrainingPlan
    from smidgen.data import Data
    from smidgen.fine_tune import Begun
    from smidgen.methods.base import Method
    from smidgen.progress import Report
    from smidgen.recipe import Recipe as RecipeNumbers
    from smidgen.run import EpochRecord
    from smidgen.spec import NetSpec
    from smidgen.study.job import Origin


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is trained, on what, and what is told of it before."""

    spec: "NetSpec"
    data: "Data"
    methods: "tuple[Method, ...]"
    recipe: "RecipeNumbers"
    split: str
    heading: str | None = None
    begun: "Begun | None" = None


def train(  # noqa: PLR0913 - a command line
    net: Annotated[
        str | None,
        typer.Argument(
            help="A named net, or a TOML file or a TOML table that describes one. None with --from."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="A name from `smidgen list data`, a folder or a hub id.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Fine-tune: go on with a run or design, as --from mine --data OLD-AND-NEW: of new"
            " pictures alone it forgets the old; its net, methods and sides of pictures are kept,"
            " half of its epochs at 0.3 of its rate.",
        ),
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
    window: Window = None,
    skip_broken: SkipBroken = False,
    device: Device = "auto",
    threads: Threads = 1,
    precision: Precision = "auto",
    track: Track = None,
    json: Json = False,
) -> None:
    """Train a net, or fine-tune a run (--from); by the recipe made for the data set, or its own."""
    from smidgen.fine_tune import Places
    from smidgen.runtime import choose
    from smidgen.split_names import FULL, SELECTION, require_split
    from smidgen.study.job import Origin
    from smidgen.track import facts_of, require_trackers, tracking
    from smidgen.train import train as train_net

    require_trackers(track or ())
    require_split(split or SELECTION)
    if full and split not in (None, FULL):
        raise ValueError(f"--full holds nothing out, --split {split} does: choose one")
    require_once(
        set_ or (),
        {
            "net": (net, "the net"),
            "data": (data, "--data"),
            "methods": (with_, "--with"),
            "recipe.epochs": (epochs, "--epochs"),
            "turned": (turned or None, "--turned"),
        },
    )
    runtime = choose(device, threads, precision)
    if from_ is not None:
        sizes = {"--image-size": image_size, "--color": color, "--fit": fit, "--turned": turned}
        decided = {"NET": net, "--recipe": recipe, "--split": split}
        require_of_run(from_, {**decided, "--window": window is not None, **sizes})
        _require_vacant(out, resume=resume)
        places = Places(data_dir, image_column, label_column, group_by, skip_broken)
        asked = _of_begun(go_on(from_, data, places, with_, epochs, set_ or (), full=full))
    elif net is None:
        raise ValueError(
            "a net is needed: a name from `smidgen list nets` or a file .toml; `smidgen design`"
            " finds one for your data, and --from RUN goes on with a run"
        )
    else:
        origin = Origin(
            *(data or "", data_dir, image_size, color, fit, image_column, label_column),
            skip_broken=skip_broken,
            turned=turned,
            group_by=group_by,
            window=window,
        )
        of_split = FULL if full else split or SELECTION
        asked = _of_net(net, origin, recipe, with_, epochs, set_ or (), of_split, (out, resume))
    folder = out or Path("runs") / _name_of(asked, seed)
    facts = facts_of(asked.spec, asked.methods, asked.recipe, asked.data.name, seed, folder)
    _tell_that_it_begins(folder, resume=resume)
    with (
        TrainingProgress(asked.recipe.epochs, asked.heading) as progress,
        tracking(track or (), facts) as tracked,
    ):
        run = train_net(
            asked.spec,
            asked.data,
            methods=asked.methods,
            recipe=asked.recipe,
            seed=seed,
            split=asked.split,
            runtime=runtime,
            folder=folder,
            resume=resume,
            observer=_both(progress.observe, tracked.epoch),
        )
    end(run, folder, asked.data, asked.begun, json=json)


def _of_net(
    net: str,
    origin: "Origin",
    recipe: str | None,
    with_: str | None,
    epochs: int | None,
    settings: Sequence[str],
    split: str,
    place: tuple[Path | None, bool],
) -> _Asked:
    """Return a net fitted to data, both as asked for.

    Args:
        net: By name or as TOML.
        origin: Of the data; without a name if none is asked for, beside what the recipe says.
        recipe: By name, or a file.
        with_: Methods.
        epochs: As asked for.
        settings: Likewise.
        split: Likewise.
        place: The folder of the run if one is asked for, and whether it is gone on with.
    """
    from smidgen import config
    from smidgen.layers import Shape
    from smidgen.methods import parse

    spec = config.load_net(net)
    data = origin.name or None
    known = config.default_recipe(data and data.removeprefix("known:"), spec)
    plan = config.load_plan(recipe or known, settings)
    name = data or plan.data
    if name is None:
        raise ValueError(NO_DATA)
    methods = plan.methods if with_ is None else parse(with_)
    numbers = plan.recipe if epochs is None else replace(plan.recipe, epochs=epochs)
    turned = origin.turned or plan.turned
    _require_vacant(place[0], resume=place[1])
    with LoadingProgress() as loading, told_of_weights(balanced=numbers.balance):
        loaded = replace(origin, name=name, turned=turned).load(loading.observe)
    tell_left_out(net, recipe, spec, plan, with_, turned=turned)
    heading, shape, classes = None, Shape(*loaded.shape), len(loaded.classes)
    if turned:
        spec = spec.as_they_lie(shape)
    if (spec.input_shape, spec.out_shape.channels) != (shape, classes):
        spec = spec.fitted(shape, classes)
        heading = f"{spec.name} fitted to {shape}, {classes} classes: {spec.params:,} params"
    return _Asked(spec, loaded, methods, numbers, split, heading)


def _of_begun(begun: "Begun") -> _Asked:
    of = begun.sided
    return _Asked(begun.spec, of.data, begun.methods, begun.recipe, of.split, None, begun)


def _name_of(asked: _Asked, seed: int) -> str:
    name = f"{asked.spec.name}-{re.sub('[/:]', '-', asked.data.name)}-seed{seed}"  # as of the hub
    before = None if asked.begun is None else asked.begun.place
    return name if before is None else f"{name}-from-{re.sub('[/:]', '-', Path(before).name)}"


def _require_vacant(out: Path | None, *, resume: bool) -> None:
    """Refuse a folder that holds something else before thousands of pictures are decoded."""
    from smidgen.run_folder import require_vacant

    if out is not None:
        require_vacant(out, resume=resume)


def _tell_that_it_begins(folder: Path, *, resume: bool) -> None:
    """Say that there is nothing to go on with, where that was asked for."""
    from smidgen.run_folder import require_vacant

    if resume and not require_vacant(folder, resume=True):
        warn(f"there is no run in {folder} to go on with: it begins")


def require_once(settings: Sequence[str], said: Mapping[str, tuple[object, str]]) -> None:
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


def tell_left_out(
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


def _both(
    observe: "Callable[[Report], None]", ended: "Callable[[EpochRecord | None], None]"
) -> "Callable[[Report], None]":
    """Return an observer of steps that tells another one of epochs."""

    def told(report: "Report") -> None:
        observe(report)
        ended(report.finished)

    return told
