"""What a person asks for, in a TOML file and on the command line, as checked values."""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from smidgen import zoo
from smidgen.data.sensor import is_window
from smidgen.limits import toml_text
from smidgen.methods import parse
from smidgen.methods.base import Method
from smidgen.names import as_name, shown
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.text import from_mapping, nearest

_KEYS = ("net", "data", "methods", "recipe", "about", "turned")
OF_DATA = ("cifar10", "digits", "mnist")  # data sets with a recipe of their own
OF_WINDOWS = "windows"


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A recipe file, read: how to train, and on request which net on which data.

    Args:
        net: Or ``None`` if the file leaves it open.
        data: Likewise.
        methods: In any order.
        recipe: The numbers.
        turned: Whether rows and columns of the images are exchanged.
    """

    net: NetSpec | None = None
    data: str | None = None
    methods: tuple[Method, ...] = ()
    recipe: Recipe = Recipe()  # noqa: RUF009 - frozen
    turned: bool = False


def recipes() -> dict[str, Path]:
    """Return the recipes and studies that come with smidgen, by name."""
    folder = Path(str(files("smidgen"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def recipe_path(name: str) -> Path:
    """Return the file of that path, or the one of that name that comes with smidgen.

    Raises:
        ValueError: If there is no recipe of that name.
    """
    path = Path(name) if name.endswith(".toml") else recipes().get(name)
    if path is None:
        _require_no_folder(name)
        if os.path.exists(name):  # noqa: PTH110 - as below
            kind = "one of another name" if os.path.isfile(name) else "a pipe or a device"  # noqa: PTH113
            raise ValueError(f"{shown(name)} must be a file .toml, got {kind}")
        raise ValueError(f"unknown recipe {name!r}; {nearest(name, recipes())} (or a file .toml)")
    return path


def default_recipe(data: str | None, net: NetSpec) -> str:
    """Return the name of the recipe made for a data set, or of the one for any other images.

    A net for windows of a sensor has that for windows.
    """
    if data in OF_DATA:
        return data
    return OF_WINDOWS if is_window(*net.input_shape[1:]) else "default"


def load_plan(recipe: str, settings: Iterable[str] = ()) -> TrainingPlan:
    """Return the plan in a recipe file, with single values replaced.

    Args:
        recipe: A file, or the name of one that comes with smidgen.
        settings: Each ``path=value`` as in ``recipe.epochs=3``; the value in TOML's notation.

    Raises:
        ValueError: If the file or a setting cannot be read; file and key are named.
    """
    form, where = _read(recipe)
    plain, settings = deepcopy(form), list(settings)
    for setting in settings:
        _set(form, setting)
    try:
        return _plan(form)
    except ValueError as error:
        with suppress(ValueError):  # of the file alone, or of what was asked for beside it
            _plan(plain)
            where = " ".join(f"--set {setting}" for setting in settings)
        raise ValueError(f"{where}: {error}") from None


def with_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the numbers of a run with single ones replaced, as :func:`load_plan` does.

    Raises:
        ValueError: If a setting cannot be read, or is none of a recipe's numbers.
    """
    form: dict[str, Any] = {"recipe": recipe.to_dict()}
    settings = list(settings)
    for setting in settings:
        _set(form, setting)
    others = [key for key in form if key != "recipe"]
    if others:
        raise ValueError(f"--set {others[0]} changes nothing beside --from: leave it out")
    try:
        return _plan(form).recipe
    except ValueError as error:
        where = " ".join(f"--set {setting}" for setting in settings)
        raise ValueError(f"{where}: {error}") from None


def load_net(name: str) -> NetSpec:
    """Return the net of that name, or the one that a TOML file, or a table as text, describes.

    Raises:
        ValueError: If there is no such net or file, or the file cannot be read.
    """
    if name.lstrip().startswith("{"):
        try:
            return _net(tomllib.loads(f"net = {name}")["net"])
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValueError(f"a net as text must be a table of TOML: {error}") from None
    if not name.endswith(".toml"):
        if name not in zoo.NETS:
            _require_no_folder(name)
        return zoo.net(name)
    form, where = _read(name)
    if not {"net", "input", "layers"} & set(form):
        raise ValueError(
            f"{where} describes no net: that takes input and layers, at its top or in a table [net]"
        )
    try:
        net = _net(form.get("net", form))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return replace(net, name=as_name(Path(name).stem)) if net.name == "net" else net


def _require_no_folder(name: str) -> None:
    """Refuse a folder in the place of a net, a recipe or a study, with what serves instead.

    Raises:
        ValueError: If there is one of that name.
    """
    if not os.path.isdir(name):  # noqa: PTH112 - Path's own fails on a long text
        return
    chosen = Path(name) / "design.toml"
    if chosen.exists():
        raise ValueError(f"{name} is a design: its net and its recipe are in {chosen}")
    if (Path(name) / "run.json").exists():
        raise ValueError(
            f"{name} is a run: smidgen inspect {name} shows its net and its methods, smidgen train"
            f" --from {name} --data OLD-AND-NEW goes on with it (fine-tuning)"
        )
    raise ValueError(f"{name} is a folder: name what comes with smidgen, or a file .toml")


def is_turned(name: str) -> bool:
    """Return whether a plan file has rows and columns of the images exchanged.

    Args:
        name: As :func:`load_net` takes it; what is no file says nothing of images.
    """
    return name.endswith(".toml") and _turned(_read(name)[0])


def load_methods(name: str) -> tuple[Method, ...]:
    """Return the methods that stand beside the net in a TOML file, such as a design's.

    Raises:
        ValueError: If the file cannot be read, or they are none.
    """
    if not name.endswith(".toml"):
        return ()
    form, where = _read(name)
    try:
        return _methods(form)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _read(name: str) -> tuple[dict[str, Any], str]:
    path = recipe_path(name)
    try:
        return tomllib.loads(toml_text(path)), str(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not TOML: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _set(form: dict[str, Any], setting: str) -> None:
    path, found, text = setting.partition("=")
    if not found:
        raise ValueError(f"a setting must be path=value, got {setting!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text  # a bare word is a string
    *tables, key = path.strip().split(".")
    if not tables and key not in _KEYS:  # said here: the file has no such key
        known = [*_KEYS, *(f"recipe.{field.name}" for field in fields(Recipe))]
        raise ValueError(f"setting {path!r}: unknown key; {nearest(key, known)}")
    table = form
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"setting {path!r}: {name!r} is not a table")
    table[key] = value


def _plan(form: Mapping[str, Any]) -> TrainingPlan:
    if "trials" in form:
        raise ValueError("this is a study, not a recipe: `smidgen study` runs it")
    for key in form:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}; {nearest(key, _KEYS)}")
    methods = _methods(form)
    data = form.get("data")
    if not (data is None or isinstance(data, str)):
        raise ValueError(f"data must be a name, got {data!r}")
    recipe = form.get("recipe", {})
    if not isinstance(recipe, dict):
        raise ValueError(f"recipe must be a table, got {recipe!r}")
    return TrainingPlan(
        net=_net(form["net"]) if "net" in form else None,
        data=data,
        methods=methods,
        recipe=from_mapping(Recipe, recipe, "recipe"),
        turned=_turned(form),
    )


def _turned(form: Mapping[str, Any]) -> bool:
    found = form.get("turned", False)
    if not isinstance(found, bool):
        raise ValueError(f"turned must be true or false, got {found!r}")
    return found


def _methods(form: Mapping[str, Any]) -> tuple[Method, ...]:
    methods = form.get("methods", [])
    if not (isinstance(methods, list) and all(isinstance(text, str) for text in methods)):
        raise ValueError(f"methods must be a list of texts, got {json.dumps(methods, default=str)}")
    return parse(", ".join(methods))


def _net(form: Any) -> NetSpec:
    if isinstance(form, str):
        return zoo.net(form)
    if not isinstance(form, dict):
        raise ValueError(f"net must be a name or a table with input and layers, got {form!r}")
    return NetSpec.from_dict(form)
