"""Arrays in a file .npz, or in files .npy: of Keras, of MedMNIST, or simply images and labels."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np

from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import TRAIN, Arrays, Catalogue, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.names import part_in
from smidgen.data.values import images_of, labels_of
from smidgen.limits import VALUES, require_at_most

_IMAGES = ("x", "image", "images", "data", "pictures", "pixels", "arr_0")
_LABELS = ("y", "label", "labels", "target", "targets", "class", "arr_1")
_CLASSES = ("classes", "class_names", "label_names", "names", "target_names")


@final
@dataclass(frozen=True, slots=True)
class Npz(Source):
    """Arrays such as x_train and y_train, or train_images and train_labels.

    Args:
        file: The file .npz, or a folder of files .npy.
    """

    file: Path

    @staticmethod
    def claim(path: Path) -> "Npz | None":
        """Return the layout if ``path`` has it: such a file, a folder of a single one, of .npy."""
        if not path.is_dir():
            return Npz(path) if path.suffix.lower() == ".npz" else None
        held = _files_in(path, ".npz")
        if held:
            return Npz(held[0]) if len(held) == 1 else None
        return Npz(path) if len(_files_in(path, ".npy")) > 1 else None

    def identity(self) -> tuple[str, ...]:
        files = _files_in(self.file, ".npy") if self.file.is_dir() else [self.file]
        return (str(self.file.resolve()), *(file_identity(file, file.parent) for file in files))

    def catalogue(self, wish: Wish) -> Catalogue:
        try:
            return self._catalogue(self._stored())
        except DataError:
            raise
        except Exception as error:  # whatever a damaged file leads the library to
            said = " ".join(str(error).split())
            raise DataError(f"{self.file} cannot be read as arrays: {said}") from error

    def _stored(self) -> dict[str, Any]:
        if self.file.is_dir():
            files = _files_in(self.file, ".npy")
            require_at_most("bytes of arrays", sum(file.stat().st_size for file in files), VALUES)
            # mapped first: a file that is shorter than it says asks for no memory
            held = {file.stem: np.load(file, "r", allow_pickle=False) for file in files}
            return {name: np.array(array) for name, array in held.items()}
        with self.file.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            self._require_room(stored)
            return {name: stored[name] for name in stored.files}

    def _require_room(self, stored: Any) -> None:
        """Refuse what says that it is too large, or is, before any of it is unpacked."""
        said = 0
        for name in stored.zip.namelist():
            with stored.zip.open(name) as file:
                if np.lib.format.read_magic(file) == (1, 0):
                    shape, _, kind = np.lib.format.read_array_header_1_0(file)
                else:
                    shape, _, kind = np.lib.format.read_array_header_2_0(file)
            said += max(prod(shape) * kind.itemsize, stored.zip.getinfo(name).file_size)
        if said > VALUES:
            raise DataError(f"{self.file} says that it holds {said:,} bytes, too many")

    def _catalogue(self, stored: Mapping[str, Any]) -> Catalogue:
        names: tuple[str, ...] = ()
        for name in _CLASSES:
            if name in stored and stored[name].ndim == 1:
                names = tuple(str(of) for of in stored[name].tolist())
        parts = {part: self._part(part, *of, names) for part, of in self._pairs(stored)}
        if not parts:
            raise DataError(
                f"{self.file} must hold x_train and y_train, train_images and train_labels or "
                f"images and labels, got {', '.join(sorted(stored)) or 'nothing'}"
            )
        return Catalogue(parts, names)

    def _pairs(self, stored: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
        by_part: dict[str, dict[str, Any]] = {}
        for name, array in stored.items():
            words = [word for word in re.split(r"[^a-z]+", name.casefold()) if word]
            part = part_in(name) or TRAIN
            for kind, known in (("images", _IMAGES), ("labels", _LABELS)):
                if name.casefold() in known or any(word in known for word in words):
                    by_part.setdefault(part, {}).setdefault(kind, array)
        for part, found in by_part.items():
            if "images" in found and "labels" in found:
                yield part, (found["images"], found["labels"])

    def _part(self, part: str, images: Any, labels: Any, names: tuple[str, ...]) -> Part:
        where = f"{self.file} {part}"
        pictures = Arrays(images_of(images, where), lambda row: f"{where} row {row}")
        return Part(pictures, labels_of(labels, len(pictures), names, where))


def _files_in(folder: Path, ending: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{ending}") if path.is_file())
