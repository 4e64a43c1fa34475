"""The picture that a row of a table names, among those below a folder."""

import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import final

from smidgen.data.catalogue import TRAIN
from smidgen.data.errors import DataError
from smidgen.data.layouts.folders import parts_in, pictures_below
from smidgen.data.names import numbered_part_of, part_of


@final
class Finder:
    """Finds the picture that a row names; nothing outside the data's folder is ever read."""

    def __init__(self, root: Path) -> None:
        self.folder, self.root = root, root.resolve()
        self.below = dict.fromkeys(pictures_below(root))
        self._found: dict[tuple[str, Path, str | None], Path] = {}  # a table may repeat a name
        self._of_folders: dict[Path, str | None] = {}
        of_part: dict[str | None, list[Path]] = {}
        for path in self.below:
            of_part.setdefault(self.part_of(path), []).append(path)
        self.by_name = _by_name(self.below)
        self.of_part = {part: _by_name(paths) for part, paths in of_part.items()}
        self._called = set[str]().union(self.by_name, *self.of_part.values())
        self.folders = {name for path in self.below for name in self._above(path)}

    def part_of(self, path: Path) -> str | None:
        """Return the part that a folder above a picture names."""
        folder = path.parent
        if folder not in self._of_folders:
            self._of_folders[folder] = part_of_place(path, self.folder)
        return self._of_folders[folder]

    def knows(self, name: str, table: Path) -> bool:
        """Return whether there is a picture that is called so, in whatever folder."""
        last = _last(name)
        if last not in self._called and _form(last) not in self._called:  # as nearly every cell
            return False
        plain, held = _plain(name), (self.by_name, *self.of_part.values())
        if any(_called(plain, by_name) is not None for by_name in held):
            return True
        return any(place / plain in self.below for place in (table.parent, self.folder))

    def __call__(self, name: str, table: Path, part: str | None) -> Path | None:
        """Return the picture of that name, or None.

        Where there is no such path, as in a table that was written elsewhere, it is the one that
        is called so, but never in place of one that is missing: it lies in those folders of the
        name that are here, and in no other part than the row's, if that has pictures or is the one
        to train on.

        Args:
            name: As the table has it.
            table: That names it.
            part: Of the row; None if nothing tells it, where one to train on comes first.

        Raises:
            DataError: If the name leads out of the folder.
        """
        asked = (name, table, part)
        if asked not in self._found and (found := self._looked_for(name, table, part)) is not None:
            self._found[asked] = found
        return self._found.get(asked)

    def _looked_for(self, name: str, table: Path, part: str | None) -> Path | None:
        plain = _plain(name)
        if plain.is_absolute() or ".." in plain.parts:
            found = f"absolute: {self._begun(plain)}" if plain.is_absolute() else "outside"
            raise DataError(
                f"{table} must name pictures below {self.root}, got {name!r}, which is {found}"
            )
        for place in (table.parent, self.folder):
            path = place / plain
            if os.path.isfile(path):  # noqa: PTH113 - Path's own fails on a name that is too long
                if not path.resolve().is_relative_to(self.root):
                    raise DataError(f"{path} must be a picture below {self.root}, got a link")
                return path
        found = next(filter(None, (_called(plain, held) for held in self._held(part))), None)
        return found if found is not None and self._fits(plain, found, table) else None

    def alike(self, name: str, table: Path, part: str | None) -> list[Path]:
        """Return the pictures that a name of which none was found may mean, if they are several."""
        plain, held = _plain(name), self._held(part)
        wanted, parts = _form(plain.name), (part or TRAIN, None)
        found = [
            path
            for path in self.below
            if wanted in (_form(path.name), _form(path.stem))
            and (self.by_name in held or self.part_of(path) in parts)
            and self._fits(plain, path, table)
        ]
        return found if len(found) > 1 else []

    def _held(self, part: str | None) -> list[Mapping[str, Path | None]]:
        """Return where a row of a part may have its picture, by name, the likeliest first."""
        own = self.of_part.get(part or TRAIN, {})
        if part is None or (not own and part != TRAIN):
            return [own, self.by_name]
        return [own, self.of_part.get(None, {})]

    def _fits(self, plain: Path, path: Path, table: Path) -> bool:
        """Return whether a picture lies in all those folders of a name that are here."""
        above = self._above(path)
        if any(name in self.folders - above for name in _folded(plain.parent)):
            return False
        own = plain.parent
        places = [place / own for place in (table.parent, self.folder)] if own.name else []
        there = [place for place in places if os.path.isdir(place)]  # noqa: PTH112 - as above
        return not there or any(path.is_relative_to(place) for place in there)

    def _above(self, path: Path) -> set[str]:
        """Return the names of the folders that a picture lies in, letter case aside."""
        return _folded(path.parent.relative_to(self.folder))

    def _begun(self, path: Path) -> str:
        """Return how an absolute name is written instead, in words."""
        tops = [top for top in (self.root, self.folder.absolute()) if path.is_relative_to(top)]
        return f"write {path.relative_to(tops[0]).as_posix()!r}" if tops else "begin it there"


def _by_name(paths: Iterable[Path]) -> dict[str, Path | None]:
    """Return pictures by their names with and without ending; None where two are called so."""
    by_name: dict[str, Path | None] = {}
    for path in paths:
        for name in {path.name, path.stem}:
            by_name[name] = None if name in by_name else path
    folded: dict[str, Path | None] = {}
    for name, path in by_name.items():
        plain = _form(name)
        folded[plain] = None if plain in folded else path
    return {**folded, **by_name}  # as a file system would, letter case aside


def _called(path: Path, by_name: Mapping[str, Path | None]) -> Path | None:
    name = path.name if path.name in by_name else _form(path.name)
    return by_name.get(name)  # None, too, where several are called exactly so


def _folded(folder: Path) -> set[str]:
    return {_form(name) for name in folder.parts}


def _form(name: str) -> str:
    """Return a name as it is compared: composed Unicode, which some systems take apart."""
    return unicodedata.normalize("NFC", name).casefold()


def part_of_place(path: Path, root: Path) -> str | None:
    """Return the part that a folder between ``root`` and a file names."""
    above = root
    for name in path.relative_to(root).parts[:-1]:
        folder = above / name
        if part := part_of(name):
            return part
        if numbered_part_of(name):  # which are parts beside others alone
            named = (part for part, of in parts_in(above) if of == folder)
            if part := next(named, None):
                return part
        above = folder
    return None


def _plain(name: str) -> Path:
    """Return the path that a table writes, with the slashes of any system."""
    return Path(name.strip().replace("\\", "/"))


def _last(name: str) -> str:
    """Return the name of :func:`_plain`, in a tenth of the time."""
    parts = name.strip().replace("\\", "/").split("/")
    return next((part for part in reversed(parts) if part not in ("", ".")), "")
