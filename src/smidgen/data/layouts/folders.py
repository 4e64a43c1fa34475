"""Folders named as the classes, with or without folders named as the parts above them."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import TRAIN, Catalogue, Files, Part, Wish
from smidgen.data.decode import is_picture
from smidgen.data.errors import DataError
from smidgen.data.file_names import told_ways
from smidgen.data.names import (
    COLLECTIONS,
    MADE,
    is_system,
    numbered_part_of,
    part_in,
    part_of,
)
from smidgen.limits import AGAIN, BOUNDLESS, LINKS, is_boundless
from smidgen.sizes import counted

ENDINGS = (  # of files that must be pictures; others are if their content says so
    *(".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif", ".heic", ".heif"),
)
_START = 16  # bytes that tell a picture
DEEPEST = 8  # folders in a folder that hold nothing else
_SHOWN = 3
OF_BOXES = ("labels", "annotations")  # folders beside pictures of data sets for detection
_OF_MASKS = frozenset((*OF_BOXES, "mask", "masks", "segmentations", "trimaps"))
_ONE_CLASS = "but one class a picture, from CLASS/*.jpg or labels.csv (file_name,label)"
_TABLES = (".txt", ".json", ".xlsx", ".xls", ".xml", ".yaml", ".yml")  # that may hold labels
_ALIKE = 3  # folders with pictures, of which one called as a part is a class


@final
@dataclass(frozen=True, slots=True)
class Folders(Source):
    """Pictures below ``folder``: their class is the name of a folder, however deep they are.

    ``parts`` are the folders of each part, as pairs.
    """

    folder: Path
    parts: tuple[tuple[str, Path], ...]

    @staticmethod
    def claim(path: Path) -> "Folders | None":
        """Return the layout if ``path`` has it: pictures in folders."""
        if not path.is_dir():
            return None
        root = _collection_in(unwrapped(path))
        found = tuple((part, unwrapped(child)) for part, child in parts_in(root))
        if found and any(_has_classes(place) for _, place in found):
            return Folders(path, found)
        if (not found or _is_train_a_class(root, found)) and _has_classes(root):
            return Folders(path, ((TRAIN, root),))
        return None

    def identity(self) -> tuple[str, ...]:
        files = (file for _, place in self.parts for file in _below(place))
        return (str(self.folder.resolve()), *(file_identity(file, self.folder) for file in files))

    def catalogue(self, wish: Wish) -> Catalogue:
        found: dict[str, Part] = {}
        other: list[Path] = []
        dead: list[Path] = []
        empty: list[Path] = []
        for part in dict.fromkeys(part for part, _ in self.parts):
            paths: list[Path] = []
            labels: list[str] = []
            for place in [place for of, place in self.parts if of == part]:
                for of_class in subfolders(place):
                    pictures = _sorted_out(of_class, other, dead)
                    if not pictures and not holds_made(of_class):
                        empty.append(of_class)
                    paths += pictures
                    labels += [of_class.name] * len(pictures)
                other += [p for p in _files(place) if not is_system(p.name)]
            if paths:
                found[part] = Part(Files(paths), labels)
        if TRAIN in found and (alone := [p for p in empty if self._is_train(p)]):
            if alone[0].name.casefold() in OF_BOXES:
                raise DataError(
                    f"{alone[0]} holds no pictures: boxes, as of YOLO and COCO, are not read, "
                    f"{_ONE_CLASS}"
                )
            held = [f"but {n:,} {ending}" for ending, n in endings_below(alone[0]) if ending]
            raise DataError(
                f"class {alone[0].name!r} must have a picture, got "
                f"{', '.join(['none', *held[:1]])} in {alone[0]}: add some, or remove the folder"
            )
        if TRAIN in found:
            self._require_classes(found[TRAIN].labels)
            self._require_table(found, other)
            found = {part: self._hidden(part, of, found[TRAIN]) for part, of in found.items()}
        elif not wish.classes:
            self._refuse_to_judge_alone(found)
        return Catalogue(found, notes=tuple(self._notes(other, dead)))

    def _refuse_to_judge_alone(self, found: Collection[str]) -> None:
        """Name the folder that is not read where one to train on is lacking."""
        if found and (unread := self._unread()):
            raise DataError(
                f"{self.folder} must hold pictures to train on, got only {' and '.join(found)}: "
                f"{unread[0]} is not read, unless it is called train"
            )

    def _require_classes(self, labels: Sequence[str | None]) -> None:
        """Refuse pictures and their masks or boxes, each in a folder, and parts for classes."""
        named = sorted({str(label) for label in labels})
        parts = set(map(part_in, named))
        if None not in parts and TRAIN in parts and len(parts) > 1:
            raise DataError(
                f"{' and '.join(named[:_SHOWN])} of {self.folder} are parts of data and no classes:"
                f" call them train, val and test, with a folder a class in each"
            )
        plain = {name.casefold() for name in named}
        if len(plain) > 1 and plain <= COLLECTIONS | _OF_MASKS and plain & _OF_MASKS:
            raise DataError(
                f"{' and '.join(named)} of {self.folder} are no classes: masks and boxes are not "
                f"read, {_ONE_CLASS}"
            )

    def _require_table(self, found: Mapping[str, Part], other: Sequence[Path]) -> None:
        """Name the file that may hold the labels of pictures in one folder, as ``images``."""
        names = {str(label) for part in found.values() for label in part.labels}
        tables = [path for path in other if path.suffix.lower() in _TABLES]
        if tables and len(names) == 1 and names.pop().casefold() in COLLECTIONS:
            ways = told_ways(pictures_below(self.folder))
            raise DataError(
                f"{tables[0]} is not read: where it holds the classes of the pictures, write them"
                f" to {tables[0].with_name('labels.csv')} (file_name,label)"
                + (f"; or {ways}" if ways else "")
            )

    def _hidden(self, part: str, of: Part, train: Part) -> Part:
        """Return a part without labels if it is one folder of pictures, as test/images."""
        names = {str(label).casefold() for label in of.labels}
        places = {place.name.casefold() for of_part, place in self.parts if of_part == part}
        if part == TRAIN or len(names) > 1 or not names <= COLLECTIONS | places:
            return of
        if names & {str(label).casefold() for label in train.labels}:
            return of
        return Part(of.pictures, [None] * len(of.labels))

    def _is_train(self, of_class: Path) -> bool:
        return any(part == TRAIN and of_class.parent == place for part, place in self.parts)

    def _unread(self) -> list[Path]:
        """Return the folders beside those of the parts, of which none is read."""
        root = unwrapped(self.folder)
        read = {place for _, place in self.parts}
        tops = {parent for place in read for parent in (place, *place.parents)}
        return [] if root in read else [path for path in subfolders(root) if path not in tops]

    def _numbered(self) -> Iterator[str]:
        """Yield a note of the parts that are read as such in spite of their numbers."""
        root = _collection_in(unwrapped(self.folder))
        named = parts_in(root) if all(place != root for _, place in self.parts) else []
        taken = [
            f"{place.name!r} is taken for {part}"
            for part, place in named
            if not part_of(place.name) and numbered_part_of(place.name)
        ]
        if taken:
            yield f"parts are told by names with numbers: {', '.join(taken)}"

    def _notes(self, other: list[Path], dead: list[Path]) -> Iterator[str]:
        read = {place for _, place in self.parts}
        if unread := self._unread():
            yield f"folders not read: {', '.join(map(str, unread[:_SHOWN]))}"
        yield from self._numbered()
        if unwrapped(self.folder) in read:
            for folder in subfolders(unwrapped(self.folder)):
                if folder.name.casefold() == TRAIN:
                    yield f"{folder.name!r} is a class, since other folders beside it hold pictures"
        for part, place in self.parts:
            if part == TRAIN and (alike := _alike(place)):
                folders = ", ".join(repr(path.name) for path in subfolders(place)[:_SHOWN])
                yield (
                    f"{folders} are classes, though each holds {', '.join(map(repr, alike))}: if "
                    f"those are, name one of the folders as the data"
                )
        if other:
            files = counted(len(other), "file is no picture", "files are no pictures")
            yield f"{files} of a class, such as {other[0]}"
        if dead:
            links = counted(len(dead), "link leads", "links lead")
            yield f"{links} nowhere, such as {dead[0]}"


def parts_in(folder: Path) -> list[tuple[str, Path]]:
    """Return the folders in one that are called as parts, also after a name that they share.

    Those with a number, as ``train2017``, are parts beside one to train on and another one.
    """
    held = subfolders(folder)
    named = [(part, path) for path in held if (part := part_of(path.name))]
    own = dict(named)
    numbered = [
        (part, path) for path in held if (part := numbered_part_of(path.name)) and part not in own
    ]
    if TRAIN in (parts := {**own, **dict(numbered)}) and len(parts) > 1:
        return sorted(named + numbered, key=lambda pair: pair[1])
    if named:
        return named
    shared: dict[str, list[tuple[str, Path]]] = {}  # as of seg_train and seg_test
    for path in held:
        for mark in re.finditer("[-_ ]", path.name):
            if part := part_of(path.name[mark.end() :]):
                shared.setdefault(path.name[: mark.start()].casefold(), []).append((part, path))
                break
    of_several = (found for found in shared.values() if len({part for part, _ in found}) > 1)
    return next((found for found in of_several if TRAIN in dict(found)), [])


def class_folders(parts: Sequence[tuple[str, Path]]) -> list[Path]:
    """Return the folders of classes in those of all parts."""
    return [of_class for _, place in parts for of_class in subfolders(place)]


def _collection_in(root: Path) -> Path:
    """Return the folder of pictures, such as ``images``, if all others in ``root`` hold none."""
    held = subfolders(root)
    named = [folder for folder in held if folder.name.casefold() in COLLECTIONS]
    if len(named) != 1 or len(held) == 1 or len(subfolders(unwrapped(named[0]))) <= 1:
        return root
    others = (path for folder in held if folder != named[0] for path in _below(folder))
    return root if any(map(is_picture_file, others)) else unwrapped(named[0])


def _alike(place: Path) -> list[str]:
    """Return folders that every folder of a class holds, if there are several."""
    names: set[str] | None = None
    for of_class in subfolders(place):
        held = {path.name for path in subfolders(of_class)}
        names = held if names is None else names & held
        if len(names) <= 1:
            return []
    return sorted(names or ())[:_SHOWN]


def _is_train_a_class(root: Path, parts: tuple[tuple[str, Path], ...]) -> bool:
    """Return whether ``train`` is a thing like others here: it holds pictures, as two others do."""
    holding = {folder.name.casefold() for folder in subfolders(root) if _pictures_in(folder)}
    return len(parts) == 1 and TRAIN in holding and len(holding) >= _ALIKE


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in ``folder``, sorted, those of systems and of smidgen left out."""
    found = (path for path in folder.iterdir() if _is_folder(path))
    return sorted(path for path in found if not is_system(path.name) and not is_made(path))


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder.

    Raises:
        DataError: If it is a link to a whole disk, home or system folder, which would be walked
            through.
    """
    if not path.is_dir():
        return False
    if path.is_symlink() and is_boundless(path):
        raise DataError(f"{path} {BOUNDLESS}")
    return True


def is_made(folder: Path) -> bool:
    """Return whether smidgen wrote a folder: a run, a design, an export, the runs of a study."""
    stores = folder.with_suffix(".db"), folder.with_suffix("")
    of_study = folder.suffix == ".runs" and any(store.is_file() for store in stores)
    return of_study or any((folder / name).is_file() for name in MADE)


def holds_made(folder: Path) -> bool:
    """Return whether a folder without pictures holds what smidgen wrote, as ``runs`` does."""
    return any(is_made(Path(place)) for place, _, _ in os.walk(folder))


def unwrapped(folder: Path) -> Path:
    """Return the folder that a folder holds alone, as of an archive that is unpacked twice."""
    for _ in range(DEEPEST):
        inner = subfolders(folder)
        if len(inner) != 1 or _pictures_in(folder):
            return folder
        if part_of(inner[0].name) not in (None, part_of(folder.name)):
            return folder
        if _pictures_in(inner[0]) or not subfolders(inner[0]):
            return folder
        folder = inner[0]
    return folder


def pictures_below(folder: Path) -> list[Path]:
    """Return every picture below ``folder``, sorted."""
    return [path for path in _below(folder) if is_picture_file(path)]


def files_below(folder: Path) -> list[Path]:
    """Return every file below ``folder`` that is there, sorted."""
    return [path for path in _below(folder) if path.exists()]


def endings_below(folder: Path) -> list[tuple[str, int]]:
    """Return the endings of the files below ``folder`` and how many have each, the most first."""
    return Counter(path.suffix.lower() for path in _below(folder)).most_common()


def is_picture_file(path: Path) -> bool:
    """Return whether a file is a picture by its name or its content, or should be one."""
    if path.suffix.lower() in ENDINGS:
        return True
    try:
        with path.open("rb") as file:
            return is_picture(file.read(_START))
    except OSError:
        return False


def _has_classes(folder: Path) -> bool:
    return any(
        is_picture_file(path) or path.is_symlink()
        for of_class in subfolders(folder)
        for path in _below(of_class)
    )


def _sorted_out(folder: Path, other: list[Path], dead: list[Path]) -> list[Path]:
    pictures: list[Path] = []
    for path in _below(folder):
        if not path.exists():
            dead.append(path)
        elif is_picture_file(path):
            pictures.append(path)
        else:
            other.append(path)
    return pictures


def _pictures_in(folder: Path) -> bool:
    return any(is_picture_file(path) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files and dead links below ``folder`` in order, but hidden ones, systems' and ours.

    Links to folders are followed, but not into a folder that is being read already, nor into one
    above it: what lies beside would be taken for a part of it.
    """
    named = Path(os.path.abspath(folder))  # noqa: PTH100 - of `cat/..`, cat is no folder above
    above = (*named.parents, *Path(os.path.realpath(folder)).parents)
    real = os.path.realpath(folder)
    yield from _walked(folder, real, frozenset(map(os.path.realpath, above)), _Walk())


@final
class _Walk:
    """What a walk has met, and refuses to meet without end."""

    def __init__(self) -> None:
        self._links = self._again = 0
        self._folders: set[str] = set()

    def begins(self, real: str, entries: Sequence[Path]) -> None:
        """Note the entries of a folder, which links may have led to before.

        Raises:
            DataError: If links have led to too many files again.
        """
        if real in self._folders:
            self._again += len(entries)
        if self._again > AGAIN:
            raise DataError(
                f"{entries[0].parent} is one of the folders that links lead to again, with over"
                f" {AGAIN:,} files in all, too many"
            )
        self._folders.add(real)

    def follows(self, link: Path) -> None:
        """Note a link to a folder.

        Raises:
            DataError: If there are too many.
        """
        self._links += 1
        if self._links > LINKS:
            raise DataError(f"{link} is one of over {LINKS:,} links to folders, too many")


def _walked(folder: Path, real: str, above: frozenset[str], walk: _Walk) -> Iterator[Path]:
    if real in above:
        return
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    walk.begins(real, entries)
    for path in entries:
        if is_system(path.name):
            continue
        if _is_folder(path):
            linked = path.is_symlink()
            if linked:
                walk.follows(path)
            if not is_made(path):
                # looked up for links alone: it takes every folder above, each time; Windows has
                # others than these
                known = not linked and os.name != "nt"
                inner = os.path.join(real, path.name) if known else os.path.realpath(path)  # noqa: PTH118
                yield from _walked(path, inner, above | {real}, walk)
        elif path.is_file() or not path.exists():  # never a pipe or a device, nor a link to one
            yield path
