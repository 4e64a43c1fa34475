"""The pictures that a run learned from, held out and was tested on, known by their pixels."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple, final

import torch
from torch import Tensor

from smidgen.data.base import Data, Split
from smidgen.data.catalogue import TEST, TRAIN, VALIDATION
from smidgen.data.errors import DataError
from smidgen.data.parts import held_out, parts
from smidgen.data.shares import share_mask
from smidgen.data.splits import keys

_BYTES = 8  # of a key: of a million pictures, two that differ share one once in 37 million sets
_HELD_OUT, _LEFT_OUT = "held_out", "left_out"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What tells the pictures of a run from others, and their sides.

    Args:
        parts: By name of the part, a key for each of its pictures (int64 n), in order.
        held_out: Which of the training part judged the run and were not learned (bool n).
        left_out: Which of it a share left out: neither learned nor held out (bool n); ``None`` of a
            run on all of them.

    Raises:
        DataError: If they are not that.
    """

    parts: Mapping[str, Tensor]
    held_out: Tensor
    left_out: Tensor | None = None

    def __post_init__(self) -> None:
        if TRAIN not in self.parts or not {*self.parts} <= {TRAIN, TEST, VALIDATION}:
            raise DataError(f"known pictures must be of the parts of data, got {[*self.parts]}")
        if any(of.dtype != torch.int64 or of.ndim != 1 for of in self.parts.values()):
            raise DataError("keys of known pictures must be int64 n")
        for name, of in ((_HELD_OUT, self.held_out), (_LEFT_OUT, self.left_out)):
            if of is not None and (of.dtype != torch.bool or of.shape != self.parts[TRAIN].shape):
                raise DataError(f"{name} of known pictures must be bool, one a training picture")

    @staticmethod
    def of(data: Data, split: str, share: float = 1.0, seed: int = 0) -> "Known":
        """Return the pictures of data that a run of a split is trained and judged on.

        Args:
            data: All of it.
            split: Of the run.
            share: Of what its split trains on, which it learned; in (0, 1].
            seed: Of the run.

        Raises:
            DataError: If the share would leave a class without an image.
        """
        part, places = held_out(data, split)
        aside = torch.zeros(len(data.train), dtype=torch.bool)
        if part == TRAIN:
            aside[places] = True
        known = {name: keys_of(of) for name, of in data.parts.items()}
        if share == 1:
            return Known(known, aside)
        left = ~aside
        left[~aside] = ~share_mask(parts(data, split)[0], share, seed)
        return Known(known, aside, left)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        left = {} if self.left_out is None else {_LEFT_OUT: self.left_out}
        return {**self.parts, _HELD_OUT: self.held_out, **left}

    @staticmethod
    def of_tensors(tensors: Mapping[str, Tensor]) -> "Known":
        """Return what :attr:`tensors` gave.

        Raises:
            DataError: If something is missing or of another kind.
        """
        parts = {name: of for name, of in tensors.items() if name not in (_HELD_OUT, _LEFT_OUT)}
        return Known(parts, tensors.get(_HELD_OUT, torch.zeros(0)), tensors.get(_LEFT_OUT))

    @property
    def learned(self) -> frozenset[int]:
        """Keys of what was trained on."""
        unseen = self.held_out if self.left_out is None else self.held_out | self.left_out
        return frozenset(self.parts[TRAIN][~unseen].tolist())

    @property
    def counts(self) -> tuple[int, int] | None:
        """How many training pictures a share has taken, and of how many; ``None`` without one."""
        if self.left_out is None:
            return None
        every = int((~self.held_out).sum())
        return every - int(self.left_out.sum()), every

    @property
    def sides(self) -> dict[int, str]:
        """The side of each key: what was learned is, wherever else it was, too.

        What a share left out has none, and is as new.
        """
        sides = dict.fromkeys(self._of(TEST), TEST)
        sides |= dict.fromkeys([*self._of(VALIDATION)], VALIDATION)
        sides |= dict.fromkeys(self.parts[TRAIN][self.held_out].tolist(), VALIDATION)
        return sides | dict.fromkeys(self.learned, TRAIN)

    def _of(self, part: str) -> list[int]:
        return self.parts[part].tolist() if part in self.parts else []


class Change(NamedTuple):
    """What became of the pictures of a run."""

    data: Data | None  # those of the run alone; None if one is gone
    came: int
    went: int


def keys_of(split: Split) -> Tensor:
    """Return a key of the pixels of each image (int64 n)."""
    found = [int.from_bytes(key[:_BYTES], signed=True) for key in keys(split)]
    return torch.tensor(found, dtype=torch.int64)


def together(parts: Iterable[Split]) -> Split:
    """Return the images of several parts as one; files and groups where all parts have them."""
    parts = list(parts)
    images = torch.cat([part.images.permute(0, 2, 3, 1) for part in parts]).permute(0, 3, 1, 2)
    files = tuple(chain(*(part.files for part in parts))) if all(p.files for p in parts) else ()
    groups = [part.groups for part in parts if part.groups is not None]
    return Split(
        images,
        torch.cat([part.labels for part in parts]),
        files,
        torch.cat(groups) if len(groups) == len(parts) else None,
    )


def compared(found: Data, known: Known) -> Change:
    """Return the pictures of a run out of data that hold them, in the parts and order of the run.

    Args:
        found: With the classes and the preprocessing of the run.
        known: Of the run.
    """
    whole = together(apart(found))
    places: dict[int, list[int]] = {}
    for place, key in enumerate(keys_of(whole).tolist()):
        places.setdefault(key, []).append(place)
    wanted = Counter(chain(*(of.tolist() for of in known.parts.values())))
    went = sum(max(count - len(places.get(key, ())), 0) for key, count in wanted.items())
    came = sum(max(len(own) - wanted[key], 0) for key, own in places.items())
    if went:
        return Change(None, came, went)
    rows = {
        part: torch.tensor([places[key].pop(0) for key in of.tolist()], dtype=torch.int64)
        for part, of in known.parts.items()
    }
    return Change(of_rows(found, whole, rows), came, went)


def apart(data: Data) -> list[Split]:
    """Return the parts of data, of which the training part is the test part if all judge."""
    return [of for part, of in data.parts.items() if part == TRAIN or of is not data.train]


def of_rows(found: Data, whole: Split, rows: Mapping[str, Tensor]) -> Data:
    """Return data with the parts that places in ``whole`` make."""
    parts = {part: _taken(whole, places) for part, places in rows.items()}
    if whole.groups is not None:  # their numbers are those that these pictures alone would have
        used, numbers = torch.cat([*rows.values()]).unique(), torch.zeros_like(whole.groups)
        numbers[used] = whole.groups[used].unique(return_inverse=True)[1]
        parts = {part: replace(of, groups=numbers[rows[part]]) for part, of in parts.items()}
    return replace(
        found,
        train=parts[TRAIN],
        test=parts.get(TEST, parts[TRAIN]),
        validation=parts.get(VALIDATION),
        fingerprint="",
    )


def _taken(whole: Split, places: Tensor) -> Split:
    images = whole.images.permute(0, 2, 3, 1).index_select(0, places).permute(0, 3, 1, 2)
    files = tuple(whole.files[place] for place in places.tolist()) if whole.files else ()
    groups = None if whole.groups is None else whole.groups[places]
    return Split(images, whole.labels[places], files, groups)
