"""A folder of images: ``train/CLASS/*.png`` and, if it is there, ``test/CLASS/*.png``."""

from dataclasses import dataclass
from pathlib import Path

import torch

from smidgen.data.base import Data, Progress, Source, Split
from smidgen.data.errors import DataError
from smidgen.data.images import Array, decoded, reporter
from smidgen.data.parquet import file_identity
from smidgen.data.tables import as_images, with_test_split
from smidgen.text import nearest

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


@dataclass(frozen=True, slots=True)
class ImageFolder(Source):
    """Images below ``folder``; the classes are the names of the folders in ``train``, sorted."""

    folder: Path

    def identity(self) -> tuple[str, ...]:
        found = [path for part in self._parts() for _, path in _files(part)]
        return (str(self.folder.resolve()), *(file_identity(path, self.folder) for path in found))

    def read(self, name: str, image_size: tuple[int, int] | None, progress: Progress) -> Data:
        parts = self._parts()
        classes = tuple(path.name for path in _folders(parts[0]))
        if not classes:
            raise DataError(f"{parts[0]} must hold a folder a class, got none")
        listed = [_labelled(part, classes) for part in parts]
        for number, of_class in enumerate(classes):
            if not any(label == number for _, label in listed[0]):
                place = parts[0] / of_class
                raise DataError(
                    f"class {of_class!r} must have an image, got none in {place} "
                    f"(of {', '.join(ENDINGS)})"
                )
        # As one list, so that the first image that differs from the rest is named, whichever
        # split it is in.
        everything = [entry for entries in listed for entry in entries]
        report = reporter(progress, name, len(everything))
        pixels: Array = decoded(
            [path for path, _ in everything],
            lambda number: str(everything[number][0]),
            image_size,
            report,
        )
        report(len(everything))
        labels = torch.tensor([label for _, label in everything])
        notes = self._notes(parts)
        if len(parts) == 1:
            train, test, note = with_test_split(Split(as_images(pixels), labels))
            return Data(name, train, test, classes, (note, *notes))
        n = len(listed[0])
        train = Split(as_images(pixels[:n]), labels[:n])
        return Data(name, train, Split(as_images(pixels[n:]), labels[n:]), classes, notes)

    def _parts(self) -> list[Path]:
        """Return the folders `train` and, if there is one, `test`."""
        train, test = self.folder / "train", self.folder / "test"
        if not train.is_dir():
            held = sorted(path.name for path in self.folder.iterdir())
            raise DataError(
                f"{self.folder} must hold train/CLASS/*.png or Parquet files, got "
                f"{', '.join(held[:5]) or 'an empty folder'}"
            )
        return [train, test] if test.is_dir() else [train]

    def _notes(self, parts: list[Path]) -> tuple[str, ...]:
        """Return what was left out, in words."""
        unread = [path for path in _folders(self.folder) if path not in parts]
        others = [
            path
            for part in parts
            for path in [*part.iterdir(), *(p for of in _folders(part) for p in of.iterdir())]
            if path.is_file() and not path.name.startswith(".") and not _is_image(path)
        ]
        notes = [f"folders not read: {', '.join(map(str, unread))}"] if unread else []
        if others:
            notes.append(f"{len(others)} files are no images by name, such as {others[0]}")
        return tuple(notes)


def _folders(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if path.is_dir())
    return sorted(path for path in found if not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()


def _files(part: Path) -> list[tuple[str, Path]]:
    """Return every image below ``part`` with the name of its class, in order."""
    return [
        (of_class.name, path)
        for of_class in _folders(part)
        for path in sorted(of_class.iterdir())
        if _is_image(path)
    ]


def _labelled(part: Path, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    """Return every image below ``part`` with its class number."""
    for of_class in _folders(part):
        if of_class.name not in classes:
            raise DataError(
                f"{of_class} must be one of the classes in train, {nearest(of_class.name, classes)}"
            )
    numbers = {name: number for number, name in enumerate(classes)}
    found = [(path, numbers[name]) for name, path in _files(part)]
    if not found:
        raise DataError(f"{part} must hold CLASS/*.png, got no image")
    return found
