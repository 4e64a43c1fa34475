"""What other installed packages add by entry points, with the package each is of."""

import re
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from smidgen.names import shown

METHODS, DATA, TARGETS = GROUPS = ("smidgen.methods", "smidgen.data", "smidgen.targets")
OWN = "smidgen"  # the package of what is built in
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99} [0-9A-Za-z][0-9A-Za-z.+!_-]{0,49}")


class PluginWarning(UserWarning):
    """A plugin that is left out, in one line."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point of another package.

    Args:
        group: One of ``GROUPS``.
        name: Of the entry point.
        package: Name and version of the distribution, as in ``smidgen-example 0.1.0``.
        value: What it names; ``None`` if it is left out.
        refusal: Why it is left out; empty if it is not.
    """

    group: str
    name: str
    package: str
    value: Any
    refusal: str = ""


def names(group: str) -> frozenset[str]:
    """Return the names of all entry points of a group, importing nothing."""
    return frozenset(point.name for point in entry_points(group=group))


@cache
def found(group: str) -> tuple[Plugin, ...]:
    """Return every entry point of a group, sorted by name; what breaks at import has a refusal."""
    points = sorted(entry_points(group=group), key=lambda point: (point.name, _package(point)))
    return tuple(_loaded(group, point) for point in points)


def checked(
    group: str,
    refusal_of: Callable[[Plugin], str],
    taken: Collection[str],
    as_read: Callable[[str], str] = str,
) -> tuple[Plugin, ...]:
    """Return every entry point of a group; those that cannot be used have a refusal.

    Args:
        group: One of ``GROUPS``.
        refusal_of: Says why a value is none of this kind, or nothing.
        taken: Names that smidgen has itself.
        as_read: One spelling of names that are read alike.
    """
    seen: dict[str, str] = dict.fromkeys(map(as_read, taken), OWN)
    all_of: list[Plugin] = []
    for plugin in found(group):
        refusal = plugin.refusal or _refusal(plugin, refusal_of)
        name = as_read(plugin.name)
        if not refusal and name in seen:
            refusal = f"{seen[name]} has that name already"
        if refusal:
            plugin = Plugin(plugin.group, plugin.name, plugin.package, None, refusal)
        else:
            seen[name] = plugin.package
        all_of.append(plugin)
    return tuple(all_of)


def working(plugins: Collection[Plugin]) -> Mapping[str, Plugin]:
    """Return the plugins that can be used, by name.

    Warns:
        PluginWarning: Of each that cannot.
    """
    for plugin in plugins:
        if plugin.refusal:
            warnings.warn(
                f"{plugin.name} of {plugin.package} ({plugin.group}) is left out: {plugin.refusal}",
                PluginWarning,
                stacklevel=3,
            )
    return MappingProxyType({plugin.name: plugin for plugin in plugins if not plugin.refusal})


def require_package(package: object, what: str) -> str:
    """Return a package's name and version, as they came from outside.

    Raises:
        ValueError: If they are none.
    """
    if isinstance(package, str) and _PACKAGE.fullmatch(package):
        return package
    raise ValueError(f"{what} must be a package and its version, got {shown(package)}")


def _loaded(group: str, point: EntryPoint) -> Plugin:
    try:
        with redirect_stdout(sys.stderr):  # results alone are on standard output
            return Plugin(group, point.name, _package(point), point.load())
    except (Exception, SystemExit) as error:  # whatever a stranger's module does as it is imported
        return Plugin(group, point.name, _package(point), None, f"its import {_ends_with(error)}")


def _refusal(plugin: Plugin, refusal_of: Callable[[Plugin], str]) -> str:
    try:
        return refusal_of(plugin)
    except (Exception, SystemExit) as error:
        return f"looking at it {_ends_with(error)}"


def _ends_with(error: BaseException) -> str:
    said = " ".join(str(error).split())[:300]
    return f"ends with {type(error).__name__}{': ' if said else ''}{said}"


def _package(point: EntryPoint) -> str:
    of = point.dist
    return "an unknown package 0" if of is None else f"{of.name} {of.version}"
