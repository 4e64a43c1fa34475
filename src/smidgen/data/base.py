"""What a data set is once it is in memory."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, final

import torch

from smidgen.data.catalogue import Catalogue, Wish
from smidgen.data.errors import DataError
from smidgen.data.heif import reads_heic
from smidgen.data.names import class_names
from smidgen.data.preprocessing import Preprocessing
from smidgen.data.rules import rules
from smidgen.names import require_kind
from smidgen.show import card
from smidgen.sizes import and_others
from smidgen.tensors import Labels, Pixels

Progress: TypeAlias = Callable[[str, int, int], None] | None  # what is done, how many, of how many
_OTHERS = (None,)  # stands for: data that were changed
FOUND = Preprocessing(1, 1, "channels", 1)  # stands for: none, pictures have the size of the data


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images and their class numbers.

    Args:
        images: Dense in the order n, h, w, c (channels_last) when they come from `load`.
        labels: One an image.
        files: Folder and name of the file of each, to find it again; empty where none has one.
        groups: A number each: those that have the same are never on two sides; None if all may be.

    Raises:
        DataError: If there is no image, not one label an image, or one of them is no tensor.
    """

    images: Pixels
    labels: Labels
    files: tuple[str, ...] = ()
    groups: Labels | None = None

    def __post_init__(self) -> None:
        for what, given in (("images", self.images), ("labels", self.labels)):
            if not isinstance(given, torch.Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise DataError(
                    f"{what} of a split must be a tensor, got {type(given).__name__};"
                    " smidgen.data.from_arrays takes arrays and lists"
                )
        if self.images.ndim != 4 or self.images.dtype != torch.uint8:  # noqa: PLR2004
            raise DataError(f"images must be uint8 n c h w, got {_described(self.images)}")
        if self.labels.ndim != 1 or self.labels.dtype != torch.int64:
            raise DataError(f"labels must be int64 n, got {_described(self.labels)}")
        if len(self.images) != len(self.labels) or len(self.labels) == 0:
            raise DataError(
                f"a split must have one label an image and at least one image, "
                f"got {len(self.images)} images and {len(self.labels)} labels"
            )
        if self.files and len(self.files) != len(self.labels):
            raise DataError(
                f"a split must have one file an image or none, got {len(self.files)} files of"
                f" {len(self.labels)} images"
            )
        if self.groups is not None and (
            self.groups.dtype != torch.int64 or self.groups.shape != self.labels.shape
        ):
            raise DataError(f"groups must be int64 n, got {_described(self.groups)}")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """A data set: what is trained on, what is tested on, and the names of its classes.

    Args:
        name: For people; of the files that a run of it is kept in.
        train: What is learned from.
        test: What is tested on, once.
        classes: Names, in the order of the labels.
        notes: What ``load`` decided, such as where the test images come from.
        fingerprint: Of pixels, labels and classes, whatever their source; found if empty.
        validation: What choices are made on, if that part was given; it is never trained on.
        preprocessing: How a picture became an image; found from the images if not given.
        origin: What ``load`` finds the data with: an absolute path or a name.
        to_judge: Whether they are to judge a run on, whose classes need no training image here.

    Raises:
        DataError: If a label is outside the classes, a class has no training image or no name, two
            share a name, or the images of the splits differ in shape.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    validation: Split | None = None
    preprocessing: Preprocessing = FOUND
    origin: str = ""
    to_judge: bool = False
    _loaded: tuple[Any, ...] = field(default=(), repr=False, kw_only=True)  # what fingerprint is of

    def __post_init__(self) -> None:
        for split in self.parts.values():
            require_kind(split, Split, "a part of data", "as in Split(images, labels)")
        object.__setattr__(self, "classes", class_names(self.name, self.classes))
        twice = [name for name, count in Counter(self.classes).items() if count > 1]
        if twice:
            raise DataError(f"the classes of {self.name} must differ, got {twice[0]!r} twice")
        if any(not name.strip() for name in self.classes):
            raise DataError(f"each class of {self.name} must have a name, got {self.classes!r}")
        for what, split in self.parts.items():
            _require_known_labels(split, f"{self.name} {what}", len(self.classes))
        found = torch.bincount(self.train.labels, minlength=len(self.classes))
        missing = [name for name, n in zip(self.classes, found.tolist(), strict=True) if n == 0]
        if missing and not self.to_judge:
            more = and_others(len(missing) - 1)
            raise DataError(f"class {missing[0]!r} of {self.name} has no training image{more}")
        for what, split in self.parts.items():
            if split.images.shape[1:] != self.train.images.shape[1:]:
                raise DataError(
                    f"the images of {self.name} must have one shape, got train "
                    f"{_described(self.train.images)} and {what} {_described(split.images)}; "
                    f"--image-size N, or image_size=N, makes them equal"
                )
        if self.preprocessing is FOUND:
            object.__setattr__(self, "preprocessing", as_they_are(*self.shape))
        self._find_fingerprint()

    def _find_fingerprint(self) -> None:
        """Find it, unless it is given: ``dataclasses.replace`` gives that of other parts."""
        held = (self.classes, *self.parts.values())
        others = bool(self.fingerprint) and self._loaded not in ((), held)
        if others or not self.fingerprint:
            found_print = fingerprint(self.train, self.test, self.classes, self.validation)
            object.__setattr__(self, "fingerprint", found_print)
        # Of changed data nothing is kept: those that were loaded may be many times as large.
        object.__setattr__(self, "_loaded", _OTHERS if others else held)

    def __repr__(self) -> str:
        return f"Data({self.name}: {self._told})"

    def _repr_html_(self) -> str:
        """Return a table of the classes, for a notebook."""
        counts = [
            torch.bincount(split.labels, minlength=len(self.classes)).tolist()
            for split in self.parts.values()
        ]
        rows = list(zip(self.classes, *counts, strict=True))
        return card(self.name, self._told, ("class", *self.parts), rows)

    @property
    def _told(self) -> str:
        """What a prompt shows of the data."""
        parts = ", ".join(f"{len(split):,} {name}" for name, split in self.parts.items())
        shape = "x".join(map(str, self.shape))
        return f"{parts} images of {shape}, {len(self.classes)} classes"

    @property
    def changed(self) -> bool:
        """Whether a part or the classes were exchanged since the data were loaded."""
        return self._loaded == _OTHERS

    @property
    def parts(self) -> dict[str, Split]:
        """The splits there are, by name."""
        parts = {"train": self.train, "test": self.test}
        return parts if self.validation is None else {**parts, "validation": self.validation}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


class Source(ABC):
    """A place that data come from."""

    __slots__ = ()

    @abstractmethod
    def identity(self) -> tuple[str, ...]:
        """Return what changes whenever the data may have changed, found without decoding them.

        Raises:
            DataError: If there is nothing to read.
        """

    @abstractmethod
    def catalogue(self, wish: Wish) -> Catalogue:
        """Return what there is, with nothing decoded.

        Raises:
            DataError: If something is missing or cannot be understood.
        """

    @final
    def key(self, wish: Wish) -> str:
        """Return a name for the decoded data: of the same identity, wish and rules of decoding."""
        parts = [type(self).__name__, *self.identity(), repr(wish), rules()]
        if wish.skip_broken and reads_heic():  # what was left out without the package is read now
            parts.append("heic")
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def file_identity(path: Path, folder: Path) -> str:
    """Return the name, size and time of a file, which change when its content does."""
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere
        return f"{path.relative_to(folder)} nothing"
    return f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}"


def as_they_are(channels: int, height: int, width: int) -> Preprocessing:
    """Return the preprocessing of images that have this shape already."""
    if channels == 1:
        return Preprocessing(height, width, "grey", 1)
    if channels == 3:  # noqa: PLR2004
        return Preprocessing(height, width, "rgb", 3)
    return Preprocessing(height, width, "channels", channels)


def fingerprint(
    train: Split, test: Split, classes: tuple[str, ...], validation: Split | None = None
) -> str:
    """Return a hash of the pixels, labels, groups and classes, in hexadecimal."""
    digest = hashlib.sha256(json.dumps(classes).encode())
    for split in (train, test, *([] if validation is None else [validation])):
        digest.update(str(tuple(split.images.shape)).encode())
        digest.update(_raw(split.images.permute(0, 2, 3, 1)))
        digest.update(_raw(split.labels))
        if split.groups is not None:  # what is held out depends on them
            digest.update(b"groups")
            digest.update(_raw(split.groups))
    return digest.hexdigest()[:32]


def as_it_is(data: Data) -> Data:
    """Return data with the fingerprint of what they hold now, if tensors were written to."""
    found = fingerprint(data.train, data.test, data.classes, data.validation)
    return data if data.fingerprint == found else replace(data, fingerprint=found)


def _require_known_labels(split: Split, where: str, classes: int) -> None:
    outside = ((split.labels < 0) | (split.labels >= classes)).nonzero()
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"labels of {where} must be 0 to {classes - 1} ({classes} classes), "
            f"got {int(split.labels[row])} in row {row}"
        )


def _raw(tensor: torch.Tensor) -> Any:
    return tensor.cpu().contiguous().numpy()


def _described(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {'x'.join(map(str, tensor.shape))}"
