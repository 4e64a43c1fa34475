"""A study file, TOML, and the jobs that it stands for."""

import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from smidgen.data import Data
from smidgen.data.parts import folds_of, parts
from smidgen.data.shares import share_of
from smidgen.data.sizes import checked_size
from smidgen.data.sources import staying
from smidgen.layers import Shape
from smidgen.limits import TRIALS, require_at_most, toml_text
from smidgen.methods import Method, parse
from smidgen.methods.base import ScheduleMethod
from smidgen.names import require_name
from smidgen.recipe import Recipe
from smidgen.runtime import PRECISIONS
from smidgen.spec import NetSpec
from smidgen.split_names import folds_in, splits_in
from smidgen.study.job import Job, Origin
from smidgen.teacher import UnreadError, with_teachers
from smidgen.text import from_mapping, nearest
from smidgen.trial import Trial
from smidgen.zoo import NETS, net


@dataclass(frozen=True, slots=True)
class Group:
    """Nets times combinations of methods, and for all of them the same recipe and seeds.

    Args:
        nets: Specs as named in the file.
        combinations: Of methods; the empty one is the net without any.
        recipe: Of these trials.
        seeds: Of these trials.
    """

    nets: tuple[NetSpec, ...]
    combinations: tuple[tuple[Method, ...], ...]
    recipe: Recipe
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A study, as its file describes it.

    Args:
        name: Of the study.
        about: What it is for, in a line or two.
        origin: Of the images.
        split: ``full`` or ``selection``; a fold such as ``fold-2-of-5``, or ``5-folds``: every one.
        baseline: Methods that every trial has; a schedule among them gives way to another one.
        groups: What to train.
        latency: Whether to time inference.
        precision: Of activations in training.
        robust: Whether every row bears the card of robustness.
        against: Other data sets whose pictures the card has, each a name or a path.
    """

    name: str
    about: str
    origin: Origin
    split: str
    baseline: tuple[Method, ...]
    groups: tuple[Group, ...]
    latency: bool
    precision: str
    robust: bool
    against: tuple[str, ...]

    def jobs(self, data: Data) -> list[Job]:
        """Return the jobs for ``data``, each trial once, in the order of the file.

        Seed by seed, of each seed fold by fold: a study that is stopped early has every point with
        fewer of them rather than some points with all.

        Raises:
            ValueError: If a net does not take images of this size or is too large for any memory,
                a teacher cannot teach this, there are too few images for so many folds, or what a
                card needs cannot be had.
        """
        splits = self._splits(data)
        origin, against = self.origin.at(data), self._card_against(data)
        jobs: dict[str, tuple[int, Job]] = {}
        shape = Shape(*data.shape)
        self._require_shares(data, splits)
        for group in self.groups:
            for spec in group.nets:
                lying = spec.as_they_lie(shape) if self.origin.turned else spec
                fitted = lying.fitted(shape, len(data.classes))
                fitted.require_possible()  # before a worker is started for it
                for combination in group.combinations:
                    asked = with_baseline(combination, self.baseline)
                    named = ", ".join((fitted.name, *(one.name for one in asked)))
                    with _at(f"the trial {named}"):
                        taught = [self._taught(asked, data, fitted, split) for split in splits]
                    replicates = product(group.seeds, zip(splits, taught, strict=True))
                    for place, (seed, (split, methods)) in enumerate(replicates):
                        trial = Trial(
                            net=fitted,
                            methods=methods,
                            recipe=group.recipe,
                            seed=seed,
                            data=data.name,
                            fingerprint=data.fingerprint,
                            split=split,
                        )
                        robust = "card" if self.robust else ""
                        job = Job(
                            trial,
                            origin,
                            self.latency,
                            self.precision,
                            robust,
                            against,
                        )
                        jobs.setdefault(trial.key, (place, job))
        return [job for _, job in sorted(jobs.values(), key=lambda placed: placed[0])]

    def _splits(self, data: Data) -> tuple[str, ...]:
        """Return what each trial is run on.

        Raises:
            ValueError: If the images are too few for so many folds, or their groups.
        """
        folds = folds_in(self.split)
        if folds is not None:
            filled = int(folds_of(data.train, folds, 1).max())
            if filled < folds:
                raise ValueError(
                    f"split {self.split!r} is of more folds than {data.name} has images or groups"
                    f" for: {filled} of them would hold any; choose fewer"
                )
        return splits_in(self.split)

    def _require_shares(self, data: Data, splits: Sequence[str]) -> None:
        """Refuse shares that leave a class without an image: the least tells of all.

        Raises:
            ValueError: If there is one.
        """
        least = min((group.recipe.share for group in self.groups), default=1.0)
        if least == 1:
            return
        some = [group for group in self.groups if group.recipe.share == least]
        seeds = sorted({seed for group in some for seed in group.seeds})
        for split in splits:
            images = parts(data, split)[0]
            for seed in seeds:
                share_of(images, least, seed)

    def _taught(
        self, methods: Sequence[Method], data: Data, net: NetSpec, split: str
    ) -> tuple[Method, ...]:
        """Return methods with the runs that they learn from; see :func:`with_teachers`."""
        try:
            return with_teachers(methods, data, split, net)
        except UnreadError as error:
            raise ValueError(
                f"{error}; train it there first, or name another run in the study's file"
            ) from error

    def lacks(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row was made without what the study asks for of robustness."""
        from smidgen.robust.strangers import DRAWN

        strangers = (row.get("robust") or {}).get("strangers", [])
        return self.robust and len(strangers) < len(DRAWN) + len(self.against)

    def differs(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row is of another precision than the study asks for; no key tells it."""
        asked = self.precision != PRECISIONS[0] and "precision" in row
        return asked and row["precision"] != self.precision

    def _card_against(self, data: Data) -> tuple[str, ...]:
        """Return the other data sets of a card, of the hub as they are now for every trial.

        Raises:
            ValueError: If no card can be made of them, before anything is trained.
        """
        if not self.robust:
            return self.against
        from smidgen.robust.corruptions import corruptions_for

        try:
            corruptions_for(*data.shape)
        except ValueError as error:
            raise ValueError(
                f"{error}: robust = true judges corrupted pictures; leave it out"
            ) from None
        against = tuple(staying(place, self.origin.data_dir) for place in self.against)
        self.origin.others(against, data)
        return against


def with_baseline(methods: Sequence[Method], baseline: Sequence[Method]) -> tuple[Method, ...]:
    """Return ``methods`` with those of ``baseline`` that they do not replace.

    One is replaced by a method of the same name, a schedule by any schedule.
    """
    names = {method.name for method in methods}
    scheduled = any(isinstance(method, ScheduleMethod) for method in methods)
    kept = [
        method
        for method in baseline
        if method.name not in names and not (scheduled and isinstance(method, ScheduleMethod))
    ]
    return (*kept, *methods)


@dataclass(frozen=True, slots=True)
class _File:
    """The keys at the top of a study file."""

    name: str
    data: str
    seeds: list[int]
    trials: list[dict[str, Any]]
    about: str = ""
    split: str = "full"
    data_dir: str | None = None
    image_size: int | str | list[int] | None = None
    color: str | None = None
    fit: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    skip_broken: bool = False
    turned: bool = False
    group_by: str | None = None
    window: int | None = None
    baseline: list[str] | None = None
    recipe: dict[str, Any] | None = None
    nets: list[dict[str, Any]] | None = None
    latency: bool = True
    precision: str = "auto"
    robust: bool = False
    against: str | list[str] | None = None


@dataclass(frozen=True, slots=True)
class _Trials:
    """The keys of one ``[[trials]]``."""

    nets: list[str]
    methods: list[list[str]] | None = None
    recipe: dict[str, Any] | None = None
    epochs: list[int] | None = None
    share: list[float] | None = None
    seeds: list[int] | None = None


def read_plan(path: Path | str) -> Plan:
    """Return the study that a file describes.

    Raises:
        ValueError: In one line that names the file and the place in it.
    """
    path = Path(path)
    try:
        form = tomllib.loads(toml_text(path))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: no TOML: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    with _at(str(path)):
        if "trials" not in form and {"net", "methods"} & set(form):
            raise ValueError(
                f"this is a net or a recipe, not a study: smidgen train {path} --recipe {path}"
            )
        return plan_of(form)


def plan_of(form: Mapping[str, Any]) -> Plan:
    """Return the study that the content of a file describes.

    Raises:
        ValueError: In one line that names the place in it.
    """
    return _plan(from_mapping(_File, form, "study"))


def _plan(file: _File) -> Plan:
    splits_in(file.split)
    if file.precision not in PRECISIONS:
        raise ValueError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {file.precision!r}"
        )
    if not file.trials:
        raise ValueError("trials must be at least one [[trials]], got none")
    if file.against is not None and not file.robust:
        raise ValueError("against is of the card of robustness: it needs robust = true")
    trials = _trials(file)
    own: dict[str, NetSpec] = {}
    for number, form in enumerate(file.nets or [], 1):
        with _at(f"nets {number}"):
            spec = NetSpec.from_dict(form)
            if spec.name in own:
                raise ValueError(f"another net of this file is called {spec.name!r}, too")
        own[spec.name] = spec
    return Plan(
        name=require_name(file.name, "the name of a study"),
        about=file.about,
        origin=_origin(file),
        split=file.split,
        baseline=_methods(file.baseline or [], "baseline"),
        groups=tuple(
            group
            for number, of_group in enumerate(trials, 1)
            for group in _groups(of_group, file, own, f"trials {number}")
        ),
        latency=file.latency,
        precision=file.precision,
        robust=file.robust,
        against=(file.against,) if isinstance(file.against, str) else tuple(file.against or ()),
    )


def _origin(file: _File) -> Origin:
    size = checked_size(file.image_size)
    return Origin(
        name=file.data,
        data_dir=file.data_dir,
        image_size=None if size is None else f"{size[0]}x{size[1]}",
        color=file.color,
        fit=file.fit,
        image_column=file.image_column,
        label_column=file.label_column,
        skip_broken=file.skip_broken,
        turned=file.turned,
        group_by=file.group_by,
        window=file.window,
    )


def _trials(file: _File) -> list[_Trials]:
    """Return every ``[[trials]]`` of a file.

    Raises:
        ValueError: If a few lines ask for more nets or trials than could be listed.
    """
    require_at_most("nets of a study", len(file.nets or []), TRIALS)
    require_at_most("trials of a study", len(file.trials), TRIALS)
    for number, form in enumerate(file.trials, 1):
        if "split" in form:
            raise ValueError(
                f"trials {number}: split is that of all trials: above them, split ="
                ' "5-folds" is every one of five folds'
            )
    read = [from_mapping(_Trials, form, f"trials {n}") for n, form in enumerate(file.trials, 1)]
    asked = 0
    for each in read:
        seeds = each.seeds or file.seeds
        factors = (each.nets, each.methods, each.epochs, each.share, seeds, splits_in(file.split))
        asked += prod(max(len(factor or ()), 1) for factor in factors)  # empty ones are told later
    require_at_most("trials of a study", asked, TRIALS)
    return read


def _groups(trials: _Trials, file: _File, own: Mapping[str, NetSpec], where: str) -> list[Group]:
    """Return what one ``[[trials]]`` stands for: a group, or one a length and share."""
    recipes = _recipes(trials, file, where)
    with _at(f"{where}, nets"):
        specs = tuple(_net(name, own) for name in trials.nets)
    combinations = tuple(
        _methods(texts, f"{where}, methods {number}")
        for number, texts in enumerate([[]] if trials.methods is None else trials.methods, 1)
    )
    seeds = tuple(file.seeds if trials.seeds is None else trials.seeds)
    factors = (("nets", specs), ("methods", combinations), ("seeds", seeds))
    for what, values in factors:
        if not values:
            raise ValueError(f"{where}: {what} must not be empty")
    return [Group(specs, combinations, recipe, seeds) for recipe in recipes]


def _recipes(trials: _Trials, file: _File, where: str) -> list[Recipe]:
    """Return the recipes of one ``[[trials]]``: one, or one a length and share."""
    own = trials.recipe or {}
    numbers = {**(file.recipe or {}), **own}
    place = f"{where}, recipe" if own else "recipe"
    varied: dict[str, Sequence[float]] = {}
    for name, values in (("epochs", trials.epochs), ("share", trials.share)):
        if values is None:
            continue
        if name in own:
            raise ValueError(f"{where}: {name} must be given once, got it in recipe as well")
        if not values:
            raise ValueError(f"{where}: {name} must not be empty")
        varied[name] = values
        place = f"{where}, {' and '.join(varied)}"
    every = [dict(zip(varied, values, strict=True)) for values in product(*varied.values())]
    return [from_mapping(Recipe, {**numbers, **each}, place) for each in every]


def _net(name: str, own: Mapping[str, NetSpec]) -> NetSpec:
    if name in own:
        return own[name]
    if name not in NETS:
        raise ValueError(f"unknown net {name!r}; {nearest(name, [*NETS, *own])}")
    return net(name)


def _methods(texts: Sequence[str], where: str) -> tuple[Method, ...]:
    with _at(where):
        return parse(", ".join(texts))


@contextmanager
def _at(where: str) -> Generator[None]:
    """Name the place in every error raised inside the block."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
