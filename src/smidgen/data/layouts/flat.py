"""Pictures whose classes are in the names of their files, in whatever folder: ``cat.1.jpg``."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import final

from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import PARTS, TRAIN, Catalogue, Files, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.file_names import class_of
from smidgen.data.layouts.finder import part_of_place
from smidgen.data.layouts.folders import files_below, is_picture_file
from smidgen.names import bare, shown
from smidgen.sizes import counted


@final
@dataclass(frozen=True, slots=True)
class Flat(Source):
    """Pictures below ``folder``, whose classes are told by ``way``, one of ``file_names.WAYS``."""

    folder: Path
    way: str

    def identity(self) -> tuple[str, ...]:
        files = (file_identity(path, self.folder) for path in files_below(self.folder))
        return (str(self.folder.resolve()), *files)

    def catalogue(self, wish: Wish) -> Catalogue:
        of_part: dict[str, list[Path]] = {}
        other: list[Path] = []
        for path in files_below(self.folder):
            if is_picture_file(path):
                of_part.setdefault(part_of_place(path, self.folder) or TRAIN, []).append(path)
            else:
                other.append(path)
        told = told_named(chain(*of_part.values()), self.folder, self.way)
        parts = {part: self._part(of_part[part]) for part in PARTS if part in of_part}
        notes = [told]
        if other:
            files = counted(len(other), "file is no picture", "files are no pictures")
            notes.append(f"{files}, such as {other[0]}")
        return Catalogue(parts, notes=tuple(notes))

    def _part(self, paths: list[Path]) -> Part:
        return Part(Files(paths), [class_of(path, self.way) for path in paths])


def told_named(paths: Iterable[Path], folder: Path, way: str) -> str:
    """Return a note of where classes are read, with the first file whose name gives one.

    Raises:
        DataError: If none does.
    """
    first = None
    for path in paths:
        if (label := class_of(path, way)) is not None:
            return (
                f"classes are told by names of files, by {way!r}, as {bare(label)} by"
                f" {bare(path.name)}"
            )
        first = first or path
    raise DataError(
        f"{folder} must have files whose names give a class by {way!r} (--label-column, or "
        f"label_column=), got {shown(first.name) if first else 'none'}: call them as in "
        f"cat_001.jpg, or put them in a folder a class"
    )
