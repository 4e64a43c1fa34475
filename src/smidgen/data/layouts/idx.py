"""The files that MNIST was published as: IDX, whole or compressed."""

import gzip
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import TRAIN, Arrays, Catalogue, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.names import part_in
from smidgen.data.values import doubt_of, images_of, labels_of
from smidgen.limits import VALUES

_NAME = re.compile(r"(.*)(images|labels)[-._]idx([13])[-._]ubyte(\.gz)?", re.IGNORECASE)
_KINDS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@final
@dataclass(frozen=True, slots=True)
class Idx(Source):
    """Pairs of files such as ``train-images-idx3-ubyte.gz`` and ``train-labels-...``."""

    folder: Path

    @staticmethod
    def claim(path: Path) -> "Idx | None":
        """Return the layout if ``path`` has it."""
        return Idx(path) if path.is_dir() and _files(path) else None

    def identity(self) -> tuple[str, ...]:
        files = _files(self.folder).values()
        return (
            str(self.folder.resolve()),
            *(file_identity(file, self.folder) for of in files for file in of.values()),
        )

    def catalogue(self, wish: Wish) -> Catalogue:
        parts: dict[str, Part] = {}
        doubts: dict[str, None] = {}
        for stem, found in _files(self.folder).items():
            part = part_in(stem) or TRAIN
            if set(found) != {"images", "labels"}:
                only = next(iter(found.values()))
                other = "labels" if "images" in found else "images"
                raise DataError(f"{only} must have a file of {other} beside it, got none")
            if part in parts:
                raise DataError(
                    f"{self.folder} must hold one data set, got another in {found['images']}"
                )
            images, where = _array(found["images"]), str(found["images"])
            pictures = Arrays(
                images_of(images, where), lambda row, where=where: f"{where} row {row}"
            )
            labels = labels_of(_array(found["labels"]), len(images), (), str(found["labels"]))
            parts[part] = Part(pictures, labels)
            doubts |= dict.fromkeys(doubt_of(images))
        return Catalogue(parts, notes=tuple(doubts))


def is_named(path: Path) -> bool:
    """Return whether a file is called as one of IDX."""
    return _NAME.fullmatch(path.name) is not None and path.is_file()


def _files(folder: Path) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        if (name := _NAME.fullmatch(path.name)) and path.is_file():
            found.setdefault(name[1].casefold(), {}).setdefault(name[2].casefold(), path)
    return found


def _array(path: Path) -> Any:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            start = file.read(4)
            if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _KINDS:  # noqa: PLR2004
                raise DataError(f"{path} must be an IDX file, got another content")
            kind, axes = np.dtype(_KINDS[start[2]]), start[3]
            sides = struct.unpack(f">{axes}I", file.read(4 * axes))
            expected = kind.itemsize * int(np.prod(sides, dtype=object))
            if expected > VALUES:
                raise DataError(f"{path} says that it holds {expected:,} bytes, too many")
            content = file.read(expected + 1)
    except (OSError, EOFError, struct.error, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if len(content) != expected:
        raise DataError(f"{path} must hold {expected:,} bytes of values, got {len(content):,}")
    return np.frombuffer(content, kind).reshape(sides)
