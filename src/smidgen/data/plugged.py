"""Data sets that other packages offer by the entry point ``smidgen.data``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, final

from smidgen import plugins
from smidgen.data.base import Source
from smidgen.data.catalogue import Catalogue, Wish


@final
@dataclass(frozen=True, slots=True)
class Plugged(Source):
    """A source of another package; what is kept of it is read anew when its version changes."""

    package: str
    source: Source

    def identity(self) -> tuple[str, ...]:
        return (self.package, type(self.source).__name__, *self.source.identity())

    def catalogue(self, wish: Wish) -> Catalogue:
        return self.source.catalogue(wish)


@cache
def installed(own: frozenset[str]) -> tuple[plugins.Plugin, ...]:
    """Return the data sets of other packages, those that cannot be used with the reason.

    Args:
        own: Names of smidgen's own.
    """
    return plugins.checked(plugins.DATA, _refusal, own)


@cache
def plugged(own: frozenset[str]) -> Mapping[str, Source]:
    """Return the data sets of other packages by name.

    Warns:
        PluginWarning: Of each that is left out.
    """
    working = plugins.working(installed(own)).items()
    return {name: Plugged(plugin.package, _source(plugin.value)) for name, plugin in working}


def _source(value: Any) -> Any:
    """Return a source, given one or what makes one."""
    return value() if callable(value) else value


def _refusal(plugin: plugins.Plugin) -> str:
    return "" if isinstance(_source(plugin.value), Source) else "it is no Source, and makes none"
