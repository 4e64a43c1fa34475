"""One point of the space smidgen explores: what is trained, how, on what, with which seed."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from smidgen import zoo
from smidgen.data.arrays import KEPT
from smidgen.data.preprocessing import CHANNELS, Preprocessing
from smidgen.data.remembered import SIDES_OF, asked_of, place_of, with_asked
from smidgen.escape import shell
from smidgen.methods import built_of, in_order, package_named, package_of, parse
from smidgen.methods.base import (
    Method,
    StartMethod,
    of_kind,
    require_method,
    require_together,
)
from smidgen.methods.of_runs import placed
from smidgen.methods.pretrained import Pretrained
from smidgen.names import as_seed, require_kind, shown
from smidgen.plugins import OWN, require_package
from smidgen.recipe import Recipe
from smidgen.release import require_known
from smidgen.spec import NetSpec
from smidgen.split_names import FULL, SELECTION, require_split
from smidgen.text import from_mapping, to_text, without_spaces


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that decides a run's result, but for the machine it runs on.

    Args:
        net: As asked for, before any architecture method.
        methods: In any order; they are applied in the order of ``METHODS``.
        recipe: The numbers of the run.
        seed: Of every random draw.
        data: Name of the data set.
        fingerprint: Hash of its content.
        split: ``full`` trains on all training images; ``selection`` or a fold such as
            ``fold-2-of-5`` holds some of them out, for choices that must not see the test set.
        packages: Of methods that are none of smidgen's own: name, and package with its version; by
            default as they are installed.

    Raises:
        ValueError: If two methods contradict each other, ``split`` is unknown, or one of these is
            of another kind.
    """

    net: NetSpec
    methods: tuple[Method, ...]
    recipe: Recipe
    seed: int
    data: str
    fingerprint: str
    split: str
    packages: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        require_kind(self.net, NetSpec, "a net", "as smidgen.zoo.net(NAME) returns")
        require_kind(self.recipe, Recipe, "a recipe", "as in Recipe(epochs=20)")
        require_kind(self.split, str, "a split", "as in 'full'")
        require_split(self.split)
        object.__setattr__(self, "seed", as_seed(self.seed))
        for method in self.methods:
            require_method(method)
        require_together(self.methods)
        if self.recipe.starts > 1 and (first := of_kind(self.methods, StartMethod)):
            raise ValueError(
                f"recipe starts must be 1 with {first[0].name}, which says what to begin with,"
                f" got {self.recipe.starts}"
            )
        object.__setattr__(self, "packages", _packages(self.methods, dict(self.packages)))

    @property
    def spec(self) -> NetSpec:
        """The net that is built: after every architecture method."""
        return built_of(self.net, self.methods)

    @property
    def method_texts(self) -> list[str]:
        """The methods in order of application, in text form."""
        return [to_text(method) for method in in_order(self.methods)]

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as plain values, for JSON."""
        form = {
            "net": self.net.to_dict(),
            "methods": self.method_texts,
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "split": self.split,
        }
        return {**form, "packages": dict(self.packages)} if self.packages else form

    @staticmethod
    def from_dict(form: Any, by: object = None) -> "Trial":
        """Return the trial that :meth:`to_dict` gave; everything in it is checked.

        Args:
            form: As read.
            by: The version that wrote it, as far as it is known.

        Raises:
            ValueError: If a key is missing or unknown, or a value is not what it must be.
        """
        if not isinstance(form, Mapping):
            raise ValueError(f"a trial must be a table, got {shown(form)}")
        kinds = {field.name: field.type for field in fields(Trial)}
        require_known(form, kinds, "a trial", by)
        for key in kinds:
            if key not in form and key != "packages":
                raise ValueError(f"a trial needs the key {key!r}")
        for key in ("seed", "data", "fingerprint", "split"):
            if type(form[key]) is not kinds[key]:
                raise ValueError(f"{key} of a trial must be another kind, got {shown(form[key])}")
        texts, recipe = form["methods"], form["recipe"]
        if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
            raise ValueError(f"methods must be a list of texts, got {shown(texts)}")
        if not isinstance(recipe, Mapping):
            raise ValueError(f"recipe must be a table, got {shown(recipe)}")
        require_known(recipe, [field.name for field in fields(Recipe)], "a recipe", by)
        packages = _required(form.get("packages", {}))
        return Trial(
            net=NetSpec.from_dict(form["net"]),
            methods=parse(", ".join(texts)),
            recipe=from_mapping(Recipe, recipe, "recipe"),
            seed=form["seed"],
            data=form["data"],
            fingerprint=form["fingerprint"],
            split=form["split"],
            packages=packages,
        )

    def require_installed(self) -> None:
        """Refuse to train with another version of a package than the trial names.

        Raises:
            ValueError: Naming the method and both versions.
        """
        for method in self.methods:
            asked, here = dict(self.packages).get(method.name), package_of(method)
            if asked is not None and asked != here:
                raise ValueError(f"method {method.name} must be that of {asked}, got {here}")

    @property
    def nameless(self) -> list[str]:
        """The methods that no installed package offers, so that no other process finds them."""
        return [method.name for method in self.methods if package_of(method) is None]

    def command(self, origin: str, seen: Preprocessing) -> str:
        """Return the command line that trains it again, from any folder.

        Args:
            origin: Of the data: an absolute path, or a name.
            seen: What pictures go through.
        """
        asked = asked_of(origin)
        if (before := asked.pop(SIDES_OF, None)) is not None:
            return self._command_from(before, with_asked(place_of(origin), asked))
        words = ["smidgen", "train", self._net_word, "--data", origin, "--seed", str(self.seed)]
        if not origin.startswith(KEPT):  # arrays are had in one form
            words += ["--image-size", "x".join(map(str, seen.size)), "--fit", seen.fit]
            words += ["--color", seen.color] if seen.color in CHANNELS else []
        words += ["--turned"] if seen.turned else []
        words += ["--with", ",".join(map(without_spaces, self.method_texts)), *self._numbers]
        if self.split != SELECTION:
            words += ["--split", self.split]
        return shell(words)

    def _command_from(self, before: str, origin: str) -> str:
        """Return the command line that goes on with a run again, as it was gone on with."""
        words = ["smidgen", "train", "--from", before, "--data", origin, "--seed", str(self.seed)]
        own = [method for method in in_order(self.methods) if not isinstance(method, Pretrained)]
        words += ["--with", ",".join(without_spaces(to_text(method)) for method in own)]
        return shell([*words, *self._numbers, *(["--full"] if self.split == FULL else [])])

    @property
    def _numbers(self) -> list[str]:
        """The words that set every number of the recipe."""
        numbers = self.recipe.to_dict().items()
        return [
            word
            for name, value in numbers
            for word in ("--set", f"recipe.{name}={str(value).lower()}")
        ]

    @property
    def _net_word(self) -> str:
        """The net's name if it is a named one, fitted or not; otherwise all of it, as TOML."""
        shape, classes = self.net.input_shape, self.net.out_shape.channels
        name = self.net.name
        if name in zoo.NETS:
            with suppress(ValueError):  # images too small for it
                if zoo.net(name).fitted(shape, classes) == self.net:
                    return name
        form = self.net.to_dict()
        return "{" + ", ".join(f"{key} = {json.dumps(form[key])}" for key in form) + "}"

    @property
    def key(self) -> str:
        """Hash of the content; names of the net and of the data set do not count.

        Of a run that is learned from what counts is what it answers, wherever it lies.
        """
        content = self.to_dict()
        content["methods"] = [to_text(placed(method, "")) for method in in_order(self.methods)]
        del content["data"], content["net"]["name"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _packages(methods: tuple[Method, ...], given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the packages of the methods that are not smidgen's own, by name of the method."""
    found: list[tuple[str, str]] = []
    for method in methods:
        package = given.get(method.name) or package_of(method)
        if package is not None and package != OWN:
            found.append((method.name, package))
    return tuple(sorted(found))


def _required(form: Any) -> tuple[tuple[str, str], ...]:
    """Return the packages that a trial names, every one of them installed.

    Raises:
        ValueError: If one is not, or this is no table of packages.

    Warns:
        UserWarning: If another version of one is installed.
    """
    if not isinstance(form, Mapping):
        raise ValueError(f"packages of a trial must be a table, got {shown(form)}")
    asked = {str(name): require_package(of, "a package of a trial") for name, of in form.items()}
    for name, package in asked.items():
        here = package_named(name)
        if here is None:
            raise ValueError(
                f"method {shown(name)} is of the package {package}, which is not installed here"
            )
        if here != package:
            warnings.warn(
                f"method {shown(name)} was that of {package}, and {here} is installed", stacklevel=4
            )
    return tuple(sorted(asked.items()))
