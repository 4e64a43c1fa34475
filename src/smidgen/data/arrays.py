"""Data from arrays, images in memory, or a torch data set."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch.utils.data import DataLoader

from smidgen.data import columns
from smidgen.data.base import Data
from smidgen.data.cache import cache_at
from smidgen.data.catalogue import (
    TEST,
    TRAIN,
    VALIDATION,
    Arrays,
    Catalogue,
    Head,
    Part,
    Pictures,
    Wish,
    asked_for,
)
from smidgen.data.decode import is_deep
from smidgen.data.errors import DataError, tell
from smidgen.data.making import made
from smidgen.data.names import Matcher, class_names
from smidgen.data.preprocessing import upright, with_channels
from smidgen.data.remembered import with_asked
from smidgen.data.sizes import ImageSize
from smidgen.data.turned import exchanged
from smidgen.data.values import (
    OF_SIGNS,
    are_signs,
    array_of,
    doubt_of,
    doubt_of_windows,
    images_of,
    labels_of,
    plain,
)
from smidgen.names import shown
from smidgen.torch_state import float32_on_the_cpu

KEPT = "arrays:"  # begins the origin of data from arrays: their key in the cache follows
_ANOTHER = "cache_dir= or XDG_CACHE_HOME names another folder"
_LOST = f"a design, a run and an export will not find these arrays again: {_ANOTHER}"
_PAIR, _AXES = 2, 3  # of images and labels; of a picture
_SIDE = 16  # of a second axis, beyond which it is no channels where the last one may be
_COLOURS = (3, 4)  # channels of RGB and RGBA
_PARTS_OF_PARTS = 8  # a Subset of a Subset of ..., of which the innermost has the names
_NUMBERED = "classes are called by their numbers, as the Dataset has no names: classes=[...] does"


def from_arrays(  # noqa: PLR0913 - all but three by keyword
    images: Any,
    labels: Any = None,
    classes: Sequence[str] | None = None,
    *,
    test: Any = None,
    validation: Any = None,
    groups: Any = None,
    name: str = "arrays",
    image_size: ImageSize = None,
    color: str | None = None,
    fit: str | None = None,
    turned: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Data:
    """Return data from what is in memory.

    Values that are no bytes become bytes by the range of the training images, of each channel,
    which is kept with every model. Three channels are colours, which have one range, if each takes
    a quarter of it or more, or ``color`` is ``rgb``. The result is kept in the cache, so that a
    run, an export and the processes of a design find it again.

    Args:
        images: An array n h w or n h w c of any numbers and channels, or n c h w where the shape
            says so, which is told where it is not plain; a torch tensor, which is n c h w if it
            has four axes; a list of arrays or of Pillow images; or a torch ``Dataset`` of images
            and labels.
        labels: One an image: names, or numbers, which are places in ``classes`` if those are
            given. Left out for a ``Dataset``.
        classes: Names, in their order; by default a ``Dataset``'s own, or the labels sorted.
        test: ``(images, labels)`` or a ``Dataset`` to test on; without it a fifth is set aside.
        validation: Likewise, to make choices on.
        groups: A name or number for each of ``images``: those that have the same, as windows of one
            recording, are never both learned from and judged on.
        name: Of the data.
        image_size: See :func:`smidgen.data.load`, as for the next three.
        color: ``grey`` or ``rgb``.
        fit: ``stretch``, ``crop`` or ``pad``.
        turned: Whether rows and columns are exchanged; they are kept as they lie.
        cache_dir: Where they are kept.

    Raises:
        DataError: In one line, if something does not fit.

    Warns:
        DataWarning: Of each of ``Data.notes``.
    """
    if labels is None and classes is None:
        classes = _classes_of(images)
    names = _named(name, () if classes is None else classes)
    given = {TRAIN: (images, labels), VALIDATION: validation, TEST: test}
    pairs = {part: _pair(f"{name} {part}", of) for part, of in given.items() if of is not None}
    signs = not names and are_signs(_plain(pairs[TRAIN][1]))
    parts = {part: _part(f"{name} {part}", *pair, names, signs) for part, pair in pairs.items()}
    if groups is not None:
        own = columns.group_texts(_grouping(groups, len(parts[TRAIN].labels)))
        parts[TRAIN] = replace(parts[TRAIN], groups=own)
    by = None if groups is None else "groups"
    wish = asked_for(image_size=image_size, color=color, fit=fit, group_by=by)
    doubts = (*_doubts(pairs[TRAIN][0]), *([OF_SIGNS] if signs else ()))
    if labels is None and not names and all(isinstance(of, int) for of in pairs[TRAIN][1]):
        doubts = (*doubts, _NUMBERED)
    catalogue = Catalogue(parts, names, doubts)
    with float32_on_the_cpu():
        data = made(name, catalogue, wish, None)
    tell(name, data.notes)
    cache, key = replace(cache_at(cache_dir), otherwise=_LOST), _key(data)
    if cache.require_writable():
        path = cache.path("arrays", key)
        if cache.read(path) is None:  # nor if it is damaged
            cache.write(path, data, source=f"arrays of {name}")
    held = None if cache_dir is None else str(cache.folder.absolute())
    data = replace(data, origin=with_asked(f"{KEPT}{key}", {"cache-dir": held}))
    return exchanged(data) if turned else data


def _classes_of(dataset: Any) -> list[str] | None:
    """Return the names that a ``Dataset`` has, or the one that it is a ``Subset`` of."""
    for _ in range(_PARTS_OF_PARTS):
        found = getattr(dataset, "classes", None)
        if found is not None:
            return [str(name) for name in found]
        dataset = getattr(dataset, "dataset", None)
    return None


def _grouping(groups: Any, count: int) -> list[Any]:
    """Return the group of each image as it was given.

    Raises:
        DataError: If there is not one an image.
    """
    held = groups.tolist() if hasattr(groups, "tolist") else groups
    if getattr(groups, "ndim", 1) != 1:
        raise DataError(f"groups must be of one axis, got {'x'.join(map(str, groups.shape))}")
    if not isinstance(held, Iterable) or isinstance(held, str | bytes):
        raise DataError(f"groups must be one name or number an image, got {shown(groups)}")
    listed = list(held)
    if len(listed) != count:
        raise DataError(f"groups must be one an image, got {len(listed):,} of {count:,} images")
    return listed


def _named(name: Any, classes: Iterable[Any]) -> tuple[str, ...]:
    """Return the names of the classes, as plain texts.

    Raises:
        DataError: If one of them, or the name of the data, is no text.
    """
    if not isinstance(name, str):
        raise DataError(f"the name of data must be a text, got {shown(name)}")
    return class_names(name, classes)


def _key(data: Data) -> str:
    """Return a name for data in the cache; other values may become the same bytes."""
    parts = json.dumps([data.fingerprint, data.name, data.preprocessing.to_dict()])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def kept_arrays(origin: str, wish: Wish, cache_dir: str | os.PathLike[str] | None) -> Data:
    """Return data that :func:`from_arrays` has made before.

    Raises:
        DataError: If they are no longer kept, or not as the wish has them.
    """
    path = cache_at(cache_dir).path("arrays", origin.removeprefix(KEPT))
    data = cache_at(cache_dir).read(path)
    if data is None:
        raise DataError(
            f"the arrays {origin.removeprefix(KEPT)} are no longer in the cache, {path.parent}: "
            f"make them again with smidgen.data.from_arrays ({_ANOTHER}, where that cannot be"
            " written)"
        )
    data = replace(data, origin=origin)
    how = data.preprocessing
    size = (how.height, how.width)
    asked = (wish.preprocessing or how, wish.size or size, wish.color or how.color)
    if (*asked, wish.fit or how.fit) != (how, size, how.color, how.fit):
        raise DataError(f"the arrays are kept as {how.text}, and can be had in no other form")
    return matched(data, wish.classes) if wish.classes else data


def matched(data: Data, classes: tuple[str, ...]) -> Data:
    """Return data with the classes of a run, matched by name.

    Raises:
        DataError: If one of theirs is unknown to the run.
    """
    if data.classes == classes:
        return data
    matcher = Matcher(classes, "the model knows")
    places = [matcher.number(name, data.name) for name in data.classes]
    numbers = torch.tensor(places, device="cpu")
    parts = {
        part: replace(split, labels=numbers[split.labels]) for part, split in data.parts.items()
    }
    return replace(data, classes=classes, fingerprint="", to_judge=True, **parts)


@final
@dataclass(frozen=True, slots=True)
class Given(Pictures):
    """Arrays h w or h w c, or Pillow images, each of its own size."""

    images: Sequence[Any]
    name: str

    def __len__(self) -> int:
        return len(self.images)

    def where(self, number: int) -> str:
        return f"{self.name} {number}"

    def head(self, number: int) -> Head:
        image = self.picture(number, None)
        if isinstance(image, np.ndarray):
            height, width, channels = image.shape
            return Head(height, width, channels, image.dtype != np.uint8)
        grey = image.mode in ("1", "L", "LA", "La") or is_deep(image)
        return Head(
            image.height,
            image.width,
            1 if grey else 3,
            is_deep(image),
            image.has_transparency_data,
        )

    def picture(self, number: int, size: tuple[int, int] | None) -> Any:
        image = self.images[number]
        if isinstance(image, torch.Tensor):
            if image.ndim == 3:  # noqa: PLR2004 - c h w
                image = image.permute(1, 2, 0)
            image = array_of(image)
        if isinstance(image, np.ndarray):
            if image.dtype.kind not in "buif":
                raise DataError(f"must hold numbers, got {image.dtype}")
            return with_channels(plain(image, "an array"))
        if isinstance(image, str | bytes | Path) or not hasattr(image, "mode"):
            raise DataError(f"must be an array or a Pillow image, got {type(image).__name__}")
        return upright(image)


def _pair(where: str, given: Any) -> tuple[Any, Any]:
    """Return the images and the labels of a part, as they were given."""
    if isinstance(given, tuple) and len(given) == _PAIR and given[1] is not None:
        return given
    return _of_dataset(where, given[0] if isinstance(given, tuple) else given)


def _plain(labels: Any) -> Any:
    return array_of(labels) if isinstance(labels, torch.Tensor) else labels


def _part(where: str, images: Any, labels: Any, names: tuple[str, ...], signs: bool) -> Part:
    if isinstance(images, torch.Tensor):
        values = array_of(images)
        pictures: Pictures = Arrays(
            images_of(values, where, channels_first=True), lambda row: f"{where} row {row}"
        )
    elif isinstance(images, np.ndarray) and images.dtype != object:
        pictures = Arrays(images_of(images, where), lambda row: f"{where} row {row}")
    elif isinstance(images, Iterable) and not isinstance(images, str | bytes):
        pictures = Given(list(images), f"{where} row")
    else:
        raise DataError(f"{where} must be arrays or Pillow images, got {type(images).__name__}")
    own = labels_of(_plain(labels), len(pictures), names, where, signs=signs)
    return Part(pictures, own)


def _doubts(images: Any) -> tuple[str, ...]:
    """Return a note if the channels of arrays may be first or last, or those of tensors seem last.

    Pictures have both sides over 16, and three or four channels, or are square and have one:
    maps of more than 16 channels are hardly that narrow, but for those of sensors, one wide.
    """
    if isinstance(images, np.ndarray):
        return doubt_of(images)
    first = images[0] if isinstance(images, list) and images else images
    each, tensors = first is not images, isinstance(first, torch.Tensor)
    if isinstance(first, np.ndarray | torch.Tensor) and first.ndim == _AXES - each:
        held = array_of(first) if isinstance(first, torch.Tensor) else first
        height, width = held.shape[-2:]
        return doubt_of_windows(held.dtype, height, width, tensors=tensors, each=each)
    if not isinstance(first, torch.Tensor) or first.ndim < _AXES:
        return ()
    channels, height, width = first.shape[-_AXES:]
    square = width == 1 and channels == height
    if min(channels, height) <= _SIDE or not (width in _COLOURS or square):
        return ()
    return (
        f"tensors are channels x height x width, so that {channels}x{height}x{width} are {channels}"
        f" channels of {height}x{width} pixels: channels that are last must be moved first, as"
        f" images.permute(0, 3, 1, 2) does",
    )


def _of_dataset(where: str, dataset: Any) -> tuple[list[Any], list[Any]]:
    """Return the images and labels of a torch ``Dataset``, or of any other list of pairs."""
    if isinstance(dataset, DataLoader):
        raise DataError(
            f"{where} must be images and labels, or a Dataset of such pairs, got a DataLoader,"
            " which gives batches: loader.dataset is its Dataset"
        )
    images: list[Any] = []
    labels: list[Any] = []
    try:
        pairs = (
            (dataset[number] for number in range(len(dataset)))
            if hasattr(dataset, "__getitem__")
            else iter(dataset)
        )
        for pair in pairs:
            if isinstance(pair, Mapping):
                raise TypeError("its keys are no image and no label")
            image, label = pair
            images.append(image)
            labels.append(label.item() if isinstance(label, torch.Tensor) else label)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:  # of a batch's labels, too
        raise DataError(
            f"{where} must be images and labels, or a Dataset of such pairs, "
            f"got {type(dataset).__name__}"
        ) from error
    return images, labels
