"""Data sets that other packages offer by the entry point ``smidgen.data``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, final

from smidgen import plugins
from smidgen.data.base import Source
from smidgen.data.catalogue import PARTS, Catalogue, Part, Wish
from smidgen.data.errors import DataError
from smidgen.names import shown


@final
@dataclass(frozen=True, slots=True)
class Plugged(Source):
    """A source of another package; what is kept of it is read anew when its version changes."""

    package: str
    source: Source

    def identity(self) -> tuple[str, ...]:
        found: Any = self.source.identity()
        if not (isinstance(found, tuple) and all(isinstance(part, str) for part in found)):
            raise self._refused("identity", "a tuple of texts", found)
        return (self.package, type(self.source).__name__, *found)

    def catalogue(self, wish: Wish) -> Catalogue:
        found: Any = self.source.catalogue(wish)
        parts: Any = found.parts if isinstance(found, Catalogue) else None
        if not isinstance(parts, Mapping):
            raise self._refused("catalogue", "a Catalogue of parts by name", found)
        for name, part in parts.items():
            if name not in PARTS or not isinstance(part, Part):
                known = ", ".join(PARTS)
                raise self._refused("catalogue", f"parts of {known}, each a Part", {name: part})
            if len(part.pictures) != len(part.labels):
                counts = f"{len(part.pictures):,} and {len(part.labels):,}"
                raise self._refused("catalogue", f"a label a picture of {name}", counts)
        return found

    def _refused(self, of: str, what: str, got: object) -> DataError:
        name = type(self.source).__name__
        return DataError(f"{of} of {name} of {self.package} must return {what}, got {shown(got)}")


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
