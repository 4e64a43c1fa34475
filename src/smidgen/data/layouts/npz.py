"""Arrays in files .npz, .npy or .mat: of Keras, MedMNIST, KMNIST, or simply images and labels."""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any, final
from zipfile import ZipFile

import numpy as np

from smidgen.data import columns
from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import TRAIN, Arrays, Catalogue, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.layouts import matlab
from smidgen.data.names import part_in
from smidgen.data.preprocessing import Preprocessing, Values
from smidgen.data.values import (
    OF_SIGNS,
    SIGN,
    are_signs,
    doubt_of,
    images_of,
    labels_of,
    of_own_axes,
    plain,
    to_ask,
)
from smidgen.limits import CHANNELS, VALUES, require_at_most
from smidgen.names import said_by

_IMAGES = ("x", "image", "images", "imgs", "data", "pictures", "pixels", "arr_0")
_LABELS = ("y", "label", "labels", "target", "targets", "class", "arr_1")
_KNOWN = {"images": _IMAGES, "labels": _LABELS}
_WANTED = _KNOWN.keys()
_CLASSES = ("classes", "class_names", "label_names", "names", "target_names")


@final
@dataclass(frozen=True, slots=True)
class Npz(Source):
    """Arrays such as x_train and y_train, or train_images and train_labels.

    Args:
        file: The file .npz or .mat, or a folder of several, or of files .npy.
    """

    file: Path

    @staticmethod
    def claim(path: Path) -> "Npz | None":
        """Return the layout if ``path`` has it: such a file, or a folder of some."""
        if not path.is_dir():
            return Npz(path) if path.suffix.lower() in (".npz", matlab.ENDING) else None
        held = _files_in(path, ".npz")
        if len(held) > 1:  # a table beside them is as likely what is meant, unless they tell
            return Npz(path) if _names_in(held) >= _WANTED else None
        if held:
            return Npz(held[0])
        if len(_files_in(path, ".npy")) > 1:
            return Npz(path)
        names = matlab.names_in(_files_in(path, matlab.ENDING))
        return Npz(path) if {kind for name in names for kind in _kinds(name)} == _WANTED else None

    @staticmethod
    def unread(path: Path) -> "Npz | None":
        """Return it for a folder with files .npz or .mat of which none seems to hold pictures."""
        held = path.is_dir() and (_files_in(path, ".npz") or _files_in(path, matlab.ENDING))
        return Npz(path) if held else None

    def identity(self) -> tuple[str, ...]:
        files = self._files
        return (str(self.file.resolve()), *(file_identity(file, file.parent) for file in files))

    @property
    def _files(self) -> list[Path]:
        if not self.file.is_dir():
            return [self.file]
        held = (_files_in(self.file, ending) for ending in (".npz", ".npy", matlab.ENDING))
        return next(filter(None, held))

    def catalogue(self, wish: Wish) -> Catalogue:
        with _telling(self.file):
            return self._catalogue(self._stored(), wish)

    def to_ask(self, how: Preprocessing) -> dict[str, Values]:
        """Return the pictures of each of its arrays of pictures, n h w c, whatever its part.

        Args:
            how: What they will go through.

        Raises:
            DataError: If it cannot be read, or of several arrays none is called as pictures are.
        """
        with _telling(self.file):
            stored = self._stored()
            kinds = {part: of.get("images", ()) for part, of in _by_part(stored).items()}
            names = [self._one(of, "images", part) for part, of in kinds.items() if of]
            if not names and len(stored) != 1:
                raise DataError(
                    f"{self.file} must hold images, or one array alone, got "
                    f"{', '.join(sorted(stored)) or 'nothing'}"
                )
            return {
                name: to_ask(stored[name], how, f"{self.file} {name}").values
                for name in names or stored
            }

    def _stored(self) -> dict[str, Any]:
        files = self._files
        if files[0].suffix.lower() == ".npy":
            require_at_most("bytes of arrays", sum(file.stat().st_size for file in files), VALUES)
            # mapped first: a file that is shorter than it says asks for no memory
            held = {file.stem: np.load(file, "r", allow_pickle=False) for file in files}
            return {name: np.array(array) for name, array in held.items()}
        if files[0].suffix.lower() == matlab.ENDING:
            return _of_matlab(files)
        found: dict[str, Any] = {}
        room = VALUES
        for path in files:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                room = self._require_room(stored, room)
                for name in stored.files:
                    full = name if len(files) == 1 else _full(path, name, len(stored.files))
                    found[full] = stored[name]
        return found

    def _require_room(self, stored: Any, room: int) -> int:
        """Refuse what says that it is too large, or is, before any of it is unpacked.

        Args:
            stored: An open file.
            room: Bytes that it may take; what it leaves of them is returned.
        """
        said = 0
        for name in stored.zip.namelist():
            with stored.zip.open(name) as file:
                if np.lib.format.read_magic(file) == (1, 0):
                    shape, _, kind = np.lib.format.read_array_header_1_0(file)
                else:
                    shape, _, kind = np.lib.format.read_array_header_2_0(file)
            if kind.hasobject:  # pickled, and no pickle is ever read
                raise DataError(
                    f"{self.file} must hold numbers and texts, got Python objects in"
                    f" {name.removesuffix('.npy')!r}: of names save np.array(names, dtype=str)"
                )
            said += max(prod(shape) * kind.itemsize, stored.zip.getinfo(name).file_size)
        if said > room:
            raise DataError(f"{self.file} says that it holds {said:,} bytes, too many")
        return room - said

    def _catalogue(self, stored: Mapping[str, Any], wish: Wish) -> Catalogue:
        how, classes = wish.preprocessing, wish.classes
        names: tuple[str, ...] = ()
        for name in _CLASSES:
            if name in stored and stored[name].ndim == 1:
                require_at_most(f"names of classes in {name!r}", len(stored[name]), CHANNELS)
                names = tuple(str(of) for of in _plain(stored[name]))
        found = _by_part(stored)
        pairs = {
            part: self._pair(part, of, stored, how)
            for part, of in found.items()
            if of.keys() == _WANTED
        }
        signs = SIGN in classes  # of the run that they are to judge
        if not (names or classes):
            signs = TRAIN in pairs and are_signs(pairs[TRAIN][1])
        parts = {part: self._part(part, *of, names, signs) for part, of in pairs.items()}
        parts = {part: _with_groups(part, of, stored, wish.group_by) for part, of in parts.items()}
        split = None
        if len(parts) == 1:
            split, parts = self._divided(*parts.popitem(), stored, wish.group_by)
        if not parts:
            raise DataError(
                f"{self.file} must hold x_train and y_train, train_images and train_labels or "
                f"images and labels, got {', '.join(sorted(stored)) or 'nothing'}"
            )
        doubted = () if how else [images for images, _ in pairs.values()]  # a run was told of it
        doubts = dict.fromkeys(note for images in doubted for note in doubt_of(images))
        told = (OF_SIGNS,) if signs and not classes else ()
        notes = (*doubts, *told, *columns.split_told(split), *_unpaired(found))
        return Catalogue(parts, names, notes)

    def _pair(
        self,
        part: str,
        found: Mapping[str, Sequence[str]],
        stored: Mapping[str, Any],
        how: Preprocessing | None,
    ) -> tuple[Any, Any]:
        """Return the pictures and the labels of a part; of a run's axes, as it was trained on."""
        images, labels = (stored[self._one(found[kind], kind, part)] for kind in _KNOWN)
        if self._files[0].suffix.lower() == matlab.ENDING:
            images = matlab.pictures_first(images, labels, f"{self.file} {part}")
        own = how and of_own_axes(plain(images, f"{self.file} {part}"), how)
        return (own.values if own and own.many else images), labels

    def _one(self, names: Sequence[str], kind: str, part: str) -> str:
        """Return the array that is meant: the one that is called so, and nothing more.

        Raises:
            DataError: If several may be, of which the first in the file is as good as any.
        """
        plain = [name for name in names if _is_called(name, kind)] or names
        if len(plain) > 1:
            way = "save it with one of them"
            if self.file.is_dir():
                way = "name a file, or keep each data set in a folder of its own"
            raise DataError(
                f"{self.file} holds two arrays of {kind} for {part}, {plain[0]} and {plain[1]}: "
                f"{way}"
            )
        return plain[0]

    def _part(
        self, part: str, images: Any, labels: Any, names: tuple[str, ...], signs: bool
    ) -> Part:
        where = f"{self.file} {part}"
        pictures = Arrays(images_of(images, where), lambda row: f"{where} row {row}")
        return Part(pictures, labels_of(labels, len(pictures), names, where, signs=signs))

    def _divided(
        self, name: str, part: Part, stored: Mapping[str, Any], group_by: str | None
    ) -> tuple[str | None, dict[str, Part]]:
        """Return the parts of the only pictures, and the array such as ``split`` that says them."""
        assert isinstance(part.pictures, Arrays)
        values, count = part.pictures.values, len(part.labels)
        long = [name for name, array in stored.items() if array.shape in ((count,), (count, 1))]
        split = columns.split_of(long, (group_by,), lambda name: _plain(stored[name]))
        if split is None:
            return None, {name: part}
        own = columns.parts_of(_plain(stored[split]), split, name, str(self.file))
        return split, {
            of: Part(
                Arrays(values[chosen], _Rows(self.file, chosen)),
                [part.labels[row] for row in chosen],
                [part.groups[row] for row in chosen] if part.groups else (),
            )
            for of, chosen in columns.rows_of(own).items()
        }


def pictures_of(file: Path, how: Preprocessing) -> list[tuple[str, Values]] | None:
    """Return the name and the values, h w c, of each picture of a file .npz or .npy, or None.

    Args:
        file: That may be one.
        how: What its pictures will go through.

    Raises:
        DataError: If it cannot be read.
    """
    if not (file.suffix.lower() in (".npz", ".npy") and file.is_file()):
        return None
    held = Npz(file).to_ask(how)
    names = {name: f"{name} " if len(held) > 1 else "" for name in held}
    return [
        (f"{file} {names[name]}{'window' if how.is_window else 'picture'} {number}", value)
        for name, values in held.items()
        for number, value in enumerate(values, 1)
    ]


def _with_groups(part: str, of: Part, stored: Mapping[str, Any], way: str | None) -> Part:
    """Return a part with the groups that an array names: ``way``, or that and the part's name."""
    if way is None:
        return of
    wanted, count = set(_words(way)[1]), len(of.labels)
    for name, array in stored.items():
        own = name == way or wanted <= set(_words(name)[1])
        same = (part_in(name.replace("/", "_")) or TRAIN) == part
        if own and same and array.shape in ((count,), (count, 1)):
            return replace(of, groups=columns.group_texts(_plain(array)))
        if name == way and array.ndim <= 2:  # noqa: PLR2004 - a value an image
            raise DataError(
                f"the array {name!r} (--group-by) must have a value for each of {count:,} images of"
                f" {part}, got {'x'.join(map(str, array.shape))}; {name}_{part} names those of"
                " a part"
            )
    return of


@contextmanager
def _telling(file: Path) -> Generator[None]:
    """Refuse a file that ends the reading, whatever it leads the library to."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{file} cannot be read as arrays: {said_by(error)}") from error


def _by_part(names: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Return the names of the arrays of each kind, by part."""
    by_part: dict[str, dict[str, list[str]]] = {}
    for name in names:
        part = part_in(name.replace("/", "_")) or TRAIN
        for kind in _kinds(name):
            by_part.setdefault(part, {}).setdefault(kind, []).append(name)
    return by_part


def _unpaired(by_part: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[str]:
    """Yield a note of each part that has pictures alone, or labels alone."""
    for part, found in by_part.items():
        for lacking in _WANTED - found.keys() if part != TRAIN else ():
            names = ", ".join(chain(*found.values()))
            yield f"the part {part!r} has no {lacking}, got {names} alone: it is not used"


@final
@dataclass(frozen=True, slots=True)
class _Rows:
    """Names the pictures of a part by their places among all of a file."""

    file: Path
    rows: Sequence[int]

    def __call__(self, number: int) -> str:
        return f"{self.file} row {self.rows[number]}"


def _plain(array: Any) -> list[Any]:
    """Return the values of an array of one axis, or a column of them; bytes as texts."""
    values = array.reshape(-1).tolist()
    return [of.decode(errors="replace") if isinstance(of, bytes) else of for of in values]


def _of_matlab(files: Sequence[Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in files:
        stored = matlab.arrays_of(path, VALUES - sum(array.nbytes for array in found.values()))
        for name, array in stored.items():
            found[name if len(files) == 1 else _full(path, name, len(stored))] = array
    return found


def _files_in(folder: Path, ending: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{ending}") if path.is_file())


def _kinds(name: str) -> Iterator[str]:
    """Yield what an array is by its name; that of its file, before a slash, says which part."""
    own, words = _words(name)
    if own in _CLASSES:
        return
    for kind, known in _KNOWN.items():
        if own in known or any(word in known for word in words):
            yield kind


def _is_called(name: str, kind: str) -> bool:
    """Return whether an array is called as its kind and its part alone: ``train_images``."""
    own, words = _words(name)
    return own in _KNOWN[kind] or all(word in _KNOWN[kind] or part_in(word) for word in words)


def _words(name: str) -> tuple[str, list[str]]:
    """Return the name of an array without that of its file, and its words."""
    own = name.rpartition("/")[2].casefold()
    return own, [word for word in re.split(r"[^a-z]+", own) if word]


def _names_in(archives: Iterable[Path]) -> set[str]:
    """Return what archives hold by the names of their arrays, of which none is read."""
    found: set[str] = set()
    for path in archives:
        with suppress(Exception), ZipFile(path) as held:  # whatever a damaged file leads it to
            names = [name.removesuffix(".npy") for name in held.namelist()]
            found.update(kind for name in names for kind in _kinds(_full(path, name, len(names))))
    return found


def _full(path: Path, name: str, arrays: int) -> str:
    """Return the name of one of the arrays of one of several archives."""
    return path.stem if arrays == 1 else f"{path.stem}/{name}"
