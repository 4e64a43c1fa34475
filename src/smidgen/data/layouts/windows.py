"""Windows of a sensor as text: a folder a class, a CSV a window or a recording, a line a moment."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import TRAIN, Arrays, Catalogue, Part, Wish
from smidgen.data.decoding import LEFT_OUT
from smidgen.data.errors import DataError
from smidgen.data.file_names import class_of
from smidgen.data.labelled import NAMED, listed
from smidgen.data.layouts.flat import told_named
from smidgen.data.layouts.folders import (
    files_below,
    holds_made,
    parts_in,
    pictures_below,
    subfolders,
    unwrapped,
)
from smidgen.data.layouts.recordings import (
    Recording,
    as_trained,
    of_columns,
    recording_in,
    require_alike,
    sensor_of,
    starts_of,
    step_of,
)
from smidgen.data.lines import ENDINGS, is_text
from smidgen.data.preprocessing import Values
from smidgen.limits import SIDE, VALUES
from smidgen.sizes import counted


@final
@dataclass(frozen=True, slots=True)
class Windows(Source):
    """Text files below ``folder``: their class is the name of a folder, however deep they are.

    ``parts`` are the folders of each part, as pairs. With ``way``, one of ``file_names.WAYS``,
    names of files tell the classes, whatever folder they lie in.
    """

    folder: Path
    parts: tuple[tuple[str, Path], ...]
    way: str | None = None

    @staticmethod
    def claim(path: Path) -> "Windows | None":
        """Return the layout if ``path`` has it: text files in folders, and no picture."""
        if not path.is_dir():
            return None
        root = unwrapped(path)
        found = tuple((part, unwrapped(child)) for part, child in parts_in(root))
        if not any(_has_classes(place) for _, place in found):
            found = ((TRAIN, root),)
        if not any(_has_classes(place) for _, place in found) or pictures_below(path):
            return None
        return Windows(path, found)

    @staticmethod
    def named(path: Path, way: str) -> "Windows":
        """Return the layout of a folder of text files whose names tell the classes."""
        root = unwrapped(path)
        return Windows(path, tuple(parts_in(root)) or ((TRAIN, root),), way)

    def identity(self) -> tuple[str, ...]:
        files = (file for _, place in self.parts for file in files_below(place))
        return (str(self.folder.resolve()), *(file_identity(file, self.folder) for file in files))

    def catalogue(self, wish: Wish) -> Catalogue:
        notes: list[str] = []
        if self.way:
            texts = (path for _, place in self.parts for path in _texts_below(place))
            notes.append(told_named(texts, self.folder, self.way))
        found: Sequence[Recording] = self._recordings(wish, notes)
        if len(found) > 1 and len(found[0].values[0]) > 1 and all(of.counted for of in found):
            notes.append("the first line of each file, 0, 1, ..., is taken for numbers of columns")
            found = [of._replace(values=of.values[1:]) for of in found]
        require_alike(found)
        _require_lengths(found, wish)
        notes += of_columns(found)
        sensor, more = sensor_of(found)
        notes += more
        if wish.preprocessing is not None:
            found, more = as_trained(found, wish.preprocessing.sensor)
            notes += more
        if wish.window:
            notes.append(_told_cut([len(of.values) for of in found], wish.window))
        parts = dict.fromkeys(of.part for of in found)
        return Catalogue(
            {part: _part([of for of in found if of.part == part], wish) for part in parts},
            notes=tuple(notes),
            sensor=sensor,
        )

    def _recordings(self, wish: Wish, notes: list[str]) -> list[Recording]:
        """Return what every file holds; ``notes`` gain what is left out."""
        found: list[Recording] = []
        broken: list[tuple[Path, str]] = []
        other: list[Path] = []
        room = VALUES
        for part, place, path in self._files(other):
            try:
                found.append(self._recording(path, part, place, wish))
            except DataError as error:
                broken.append((path, str(error)))
                continue
            room -= _bytes_of(found[-1].values, wish.window)
            if room < 0:
                raise DataError(f"{self.folder} holds more than {VALUES:,} bytes of values")
        if not found:
            raise DataError(
                f"{self.folder} must hold windows that can be read, got none: "
                f"{_told_broken(broken)}"
            )
        if broken and not wish.skip_broken:
            them = "it" if len(broken) == 1 else "them"
            count = f"{len(broken):,} files cannot be used: " if len(broken) > 1 else ""
            raise DataError(
                f"{count}{_told_broken(broken)} (--skip-broken, or skip_broken=True,"
                f" leaves {them} out)"
            )
        if broken:
            files = counted(len(broken), f"file {LEFT_OUT} is", f"files {LEFT_OUT} are")
            notes.append(f"{files} left out: {_told_broken(broken)}")
        if other:
            files = counted(len(other), "file is no window", "files are no windows")
            notes.append(f"{files} of a class, such as {other[0]}")
        return found

    def _recording(self, path: Path, part: str, place: Path, wish: Wish) -> Recording:
        """Return what a file holds.

        Raises:
            DataError: If it cannot be read, or its name gives no class though it should.
        """
        found = recording_in(path, part, place, wish.window)
        if not self.way:
            return found
        if (label := class_of(path, self.way)) is None:
            raise DataError(f"{path} must have a name that gives a class by {self.way!r}")
        return found._replace(label=label)

    def _files(self, other: list[Path]) -> Iterator[tuple[str, Path, Path]]:
        """Yield the part, its folder and the path of each file; ``other`` gains what is none.

        Raises:
            DataError: If a class to train on has none.
        """
        for part, place in self.parts:
            if self.way:
                yield from ((part, place, path) for path in _texts_below(place))
                other += [path for path in files_below(place) if not is_text(path)]
                continue
            other += [path for path in files_below(place) if path.parent == place]
            for of_class in subfolders(place):
                held = files_below(of_class)
                texts = [path for path in held if is_text(path)]
                other += [path for path in held if not is_text(path)]
                if part == TRAIN and not (texts or holds_made(of_class)):
                    raise DataError(
                        f"class {of_class.name!r} must have a file {' or '.join(ENDINGS)}, got "
                        f"none in {of_class}: add some, or remove the folder"
                    )
                yield from ((part, place, path) for path in texts)


def _has_classes(folder: Path) -> bool:
    """Return whether a folder in one holds text files."""
    return any(any(map(is_text, files_below(of_class))) for of_class in subfolders(folder))


def _texts_below(folder: Path) -> list[Path]:
    return [path for path in files_below(folder) if is_text(path)]


def _told_broken(broken: Sequence[tuple[Path, str]]) -> str:
    """Return why files cannot be used; of those alike, but for what each has, the first."""
    alike: dict[str, list[str]] = {}
    for path, said in broken:
        reason = said.removeprefix(str(path)).partition(" got ")[0]
        alike.setdefault(re.sub(r"\d+", "0", reason), []).append(said)  # in line 3, and in line 4
    named = [
        f"{len(of):,} files alike, the first: {of[0]}" if len(of) > 1 else of[0]
        for of in alike.values()
    ]
    return listed(named[:NAMED], len(named))


def _bytes_of(values: Values, window: int | None) -> int:
    """Return how many bytes a recording takes, windows of it overlapping."""
    return values.nbytes * (2 if window else 1)


def _require_lengths(found: Sequence[Recording], wish: Wish) -> None:
    """Refuse windows of several lengths, naming one that differs from most, or too long ones."""
    if wish.window:
        return
    lengths = Counter(len(of.values) for of in found)
    ((usual, _),) = lengths.most_common(1)
    for of in found:
        if len(of.values) != usual:
            like = next(other for other in found if len(other.values) == usual)
            raise DataError(
                f"{of.path} must have {usual:,} moments as {like.path} has, got {len(of.values):,}:"
                f" --window N, or window=N, cuts recordings into windows of N"
            )
    if usual > SIDE:
        raise DataError(
            f"{found[0].path} must have at most {SIDE:,} moments, got {usual:,}: --window N, or"
            f" window=N, cuts recordings into windows of N"
        )


def _told_cut(lengths: Sequence[int], window: int) -> str:
    """Return how recordings are cut into windows, and how much of them is in none, in words."""
    step = step_of(window)
    windows = sum(len(starts_of(length, window)) for length in lengths)
    rest = sum((length - window) % step for length in lengths)
    of = (
        f"{min(lengths):,}"
        if min(lengths) == max(lengths)
        else f"{min(lengths):,} to {max(lengths):,}"
    )
    return (
        f"{counted(len(lengths), 'recording', 'recordings')} of {of} moments make "
        f"{counted(windows, 'window', 'windows')} of {window:,}, a new one every {step:,}: those "
        f"of one recording are on one side"
        + (f"; {counted(rest, 'moment', 'moments')} at the ends fill none" if rest else "")
    )


def _part(found: Sequence[Recording], wish: Wish) -> Part:
    """Return the windows of some files; unless asked otherwise those of one are a group."""
    if not wish.window:
        values = np.stack([of.values for of in found])
        paths = [of.path for of in found]
        pictures = Arrays(values[:, None], lambda number: str(paths[number]), paths)
        return Part(pictures, [of.label for of in found])
    cut, places, owners = [], [], []
    for of in found:
        for start in starts_of(len(of.values), wish.window):
            cut.append(of.values[start : start + wish.window])
            places.append(start + 1)
            owners.append(of)

    def where(number: int) -> str:
        return f"{owners[number].path} moments {places[number]:,} and on"

    pictures = Arrays(np.stack(cut)[:, None], where, [of.path for of in owners])
    groups = [] if wish.group_by else [of.own for of in owners]
    return Part(pictures, [of.label for of in owners], groups)
