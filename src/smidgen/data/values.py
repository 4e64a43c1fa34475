"""Arrays of any kind as pictures and as names of classes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import torch

from smidgen.data.errors import DataError
from smidgen.data.preprocessing import Preprocessing, Values
from smidgen.limits import IMAGES, SIDE
from smidgen.names import shown
from smidgen.sizes import counted

SIGN = "-1"  # where it is a class
OF_SIGNS = "labels are -1 and one other number: -1 is a class, and hides no label"
FEW = 4  # channels, at most, of what is surely channels
_ROWS = 3  # axes of pictures without channels
_MOVED = (  # windows with an axis more: arrays or tensors, all or each, channels first or last
    (
        ("images.transpose(0, 2, 1)[:, None]", "images[:, None]"),
        ("image.T[None]", "image[None]"),
    ),
    (
        ("images[:, :, None]", "images.permute(0, 2, 1)[:, :, None]"),
        ("image[:, None]", "image.T[:, None]"),
    ),
)
_SIDE, _SIDE_OF_ONE = 8, 16  # pixels, at least, of sides that differ, behind channels, or one


def array_of(tensor: torch.Tensor) -> Values:
    """Return a tensor as an array; bfloat16, which numpy has not, as float32.

    Raises:
        DataError: If its values do not lie in memory, as those of a sparse one.
    """
    try:
        held = tensor.detach().cpu()
        return (held.float() if held.dtype == torch.bfloat16 else held).numpy()
    except (NotImplementedError, RuntimeError, TypeError) as error:
        raise DataError(f"a tensor must be dense numbers in memory: {error}") from None


class Asked(NamedTuple):
    """Pictures of an array."""

    values: Values  # n h w c
    many: bool  # whether an axis of it counts them; or it is a single one


def plain(given: Any, where: str) -> Values:
    """Return an array as numbers, of truth values black and white.

    Raises:
        DataError: If some of it is masked: what lies below a mask would be taken for a value.
    """
    if np.ma.is_masked(given):
        raise DataError(
            f"{where} must have a value everywhere, got a masked array: array.filled(0) has 0 there"
        )
    values = np.asarray(given)
    return values.astype(np.uint8) * 255 if values.dtype.kind == "b" else values


def to_ask(given: Any, how: Preprocessing, where: str, *, channels_first: bool = False) -> Asked:
    """Return the pictures of an array that a model is asked of: a single one, or many.

    Axes that are those of the pictures trained on are these, height x width x channels, also
    channels first, and without some of length 1; with another axis before them it is many. Others
    are pictures of another size: h w, h w c or c h w, n h w, n h w c or n c h w, in this order. Of
    windows, with a side of 1, another length is all that may differ.

    Args:
        given: An array.
        how: What its pictures will go through.
        where: For errors.
        channels_first: Whether they can be nothing else, as those of a tensor.

    Raises:
        DataError: If it is none of these, or holds no real numbers.
    """
    values = plain(given, where)
    if values.dtype.kind not in "uif":
        raise DataError(f"{where} must hold real numbers, got {values.dtype}")
    found = of_own_axes(values, how, channels_first=channels_first)
    other = values.ndim in (2, 3, 4) and 0 not in values.shape
    if found is None and other and not how.is_window:
        found = _of_another_size(values, how, channels_first=channels_first)
    if found is None:
        sides = how.size if how.is_window else ("height", "width")
        form = (how.channels, *sides) if channels_first else (*sides, how.channels)
        own, got = " x ".join(map(str, form)), " x ".join(map(str, values.shape))
        more = " (axes of length 1 may be left out)" if how.is_window else ""
        raise DataError(f"{where} must be {own} or n x {own}, got {got or 'a number'}{more}")
    return found


def of_own_axes(
    values: Values, how: Preprocessing, *, channels_first: bool = False
) -> Asked | None:
    """Return pictures whose axes are those of the ones trained on, or None: :func:`to_ask`.

    Windows may be of another length, as a design may have found that shorter ones do.
    """
    if found := _of_axes(values, how, channels_first=channels_first):
        return found
    for length in values.shape if how.is_window else ():
        if 1 < length <= SIDE:
            height, width = (length if side > 1 else 1 for side in (how.height, how.width))
            other = replace(how, height=height, width=width)
            if found := _of_axes(values, other, channels_first=channels_first):
                return found
    return None


def _of_axes(values: Values, how: Preprocessing, *, channels_first: bool) -> Asked | None:
    last, first = (*how.size, how.channels), (how.channels, *how.size)
    # of a tensor 3 x h x w, colours are one picture, also where a net of grey ones is asked
    few = channels_first and values.ndim == _ROWS and len(values) <= FEW and 1 not in how.size
    for form in (first,) if channels_first else (last, first):
        for known in _without_ones(form):
            more = values.ndim - len(known)
            if more in (0, 1) and values.shape[more:] == known and not (few and more):
                found = values.reshape(-1, *form)
                return Asked(found if form is last else found.transpose(0, 2, 3, 1), more == 1)
    return None


def _without_ones(form: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield lengths of axes, all and then without some of those that are 1, but for all."""
    ones = [axis for axis, length in enumerate(form) if length == 1]
    for count in range(len(ones) + 1):
        for left_out in combinations(ones, count):
            if count < len(form):
                yield tuple(length for axis, length in enumerate(form) if axis not in left_out)


def _of_another_size(values: Values, how: Preprocessing, *, channels_first: bool) -> Asked | None:
    """Return pictures whose sides are not those of the ones trained on, or None."""
    own = how.channels
    if values.ndim == 2:  # noqa: PLR2004 - h w
        found = Asked(values[None, :, :, None], many=False)
    elif values.ndim == _ROWS:
        few = values.shape[2] in (own, *range(1, FEW + 1))
        if channels_first or (len(values) == own > 1 and not few):
            found = Asked(values.transpose(1, 2, 0)[None], many=False)
        elif few:
            found = Asked(values[None], many=False)
        elif values.shape[2] < _SIDE:  # channels, as likely
            return None
        else:
            found = Asked(values[..., None], many=True)
    else:
        _, second, _, last = values.shape
        first = second == own if last > FEW else False
        first = channels_first or (last != own and (first or are_channels_first(values.shape)))
        found = Asked(values.transpose(0, 2, 3, 1) if first else values, many=True)
    *_, width, channels = found.values.shape
    return None if channels_first and width == own != channels else found


def images_of(images: Any, where: str, *, channels_first: bool = False) -> Values:
    """Return pictures as numbers n h w c.

    Args:
        images: An array n h w or n h w c; also n c h w, see :func:`are_channels_first`.
        where: For errors.
        channels_first: Whether arrays of four axes are n c h w.

    Raises:
        DataError: If they are none of these.
    """
    values = plain(images, where)
    if values.ndim == _ROWS:
        values = values[..., None]
    elif values.ndim == _ROWS + 1 and (channels_first or are_channels_first(values.shape)):
        values = values.transpose(0, 2, 3, 1)
    if values.ndim != _ROWS + 1 or 0 in values.shape or values.dtype.kind not in "uif":
        shape = "x".join(str(side) for side in np.shape(images))
        windows = values.ndim == 2 and values.dtype.kind in "uif"  # noqa: PLR2004
        raise DataError(
            f"{where} must hold pictures as numbers n x height x width (x channels), got "
            f"{np.asarray(images).dtype} {shape or 'without axes'}"
            + (
                ": windows of one channel are n x 1 x steps x 1, as X[:, None, :, None]"
                if windows
                else ""
            )
        )
    return values


def are_channels_first(shape: Sequence[int]) -> bool:
    """Return whether pictures of four axes are n c h w, by their shape.

    The second axis has at most 4, the last one more, and the sides are equal or both 8 and more.
    With one in the second, a last axis below 16 is channels: a window of a sensor is 1 x steps x
    channels.
    """
    _, first, second, last = shape
    if not first <= FEW < last:
        return False
    return second == last or (second >= _SIDE and last >= (_SIDE_OF_ONE if first == 1 else _SIDE))


def doubt_of(images: Any) -> tuple[str, ...]:
    """Return a note if channels may be first or last, or missing, and neither is plain."""
    shape = np.shape(images)
    if len(shape) == _ROWS:
        return doubt_of_windows(np.asarray(images).dtype, shape[1], shape[2])
    if len(shape) != _ROWS + 1:
        return ()
    _, first, second, last = shape
    if not first <= FEW < last or second == last:
        return ()
    held = f"pictures of {first}x{second}x{last} are taken for"
    if are_channels_first(shape):
        return (
            f"{held} {counted(first, 'channel', 'channels')} of {second}x{last} pixels: channels"
            " that are last have the sides exchanged, as images.transpose(0, 2, 1, 3) does",
        )
    return (
        f"{held} {last} channels of {first}x{second} pixels: channels that are first must be moved"
        " last, as images.transpose(0, 2, 3, 1) does",
    )


def doubt_of_windows(
    kind: np.dtype[Any], height: int, width: int, *, tensors: bool = False, each: bool = False
) -> tuple[str, ...]:
    """Return a note if one of two sides may be the channels of a sensor: few, and no bytes.

    Args:
        kind: Of the numbers.
        height: The first side.
        width: The second one.
        tensors: Whether they are of torch, whose channels are first.
        each: Whether they are a list of some, and no array of all.
    """
    few, steps = sorted((height, width))
    if kind == np.uint8 or kind.kind == "b" or not 1 < few <= min(_SIDE_OF_ONE, steps - 1):
        return ()
    wanted = f"{few} x 1 x {steps}" if tensors else f"1 x {steps} x {few}"
    moved = _MOVED[tensors][each][few == width]
    return (
        f"{'tensors' if tensors else 'arrays'} of {height}x{width} are taken for one channel of"
        f" {height}x{width} pixels: windows of {steps} steps and {few} channels must be"
        f" {'' if each else 'n x '}{wanted}, as {moved} is",
    )


def are_signs(labels: Any) -> bool:
    """Return whether labels are -1 and one other number, so that -1 is a class of its own."""
    try:
        found = np.asarray(labels)
    except ValueError:  # lists of several lengths, which are told as such
        return False
    return found.dtype.kind in "if" and len(held := np.unique(found)) == 2 and -1 in held  # noqa: PLR2004


def labels_of(
    labels: Any, count: int, names: Sequence[str], where: str, *, signs: bool = False
) -> list[str | None]:
    """Return the names of the classes of ``count`` pictures; -1 and None are hidden labels, None.

    Args:
        labels: Numbers or texts; numbers are places in ``names`` if there are any.
        count: Of the pictures.
        names: Of the classes.
        where: For errors.
        signs: Whether -1 is a class, see :func:`are_signs`.

    Raises:
        DataError: If there is not one a picture, or one is no class.
    """
    if count > IMAGES:  # each label becomes a text
        raise DataError(f"{where} must have at most {IMAGES:,} pictures, got {count:,}")
    texts = isinstance(labels, list) and any(isinstance(label, str) for label in labels)
    try:  # numpy's own texts all take the room of the longest
        found = np.asarray(labels, object if texts else None)
    except ValueError:  # lists of several lengths
        raise DataError(f"{where} must have one label a picture, {count:,}, got lists") from None
    if found.ndim == 2 and 1 in found.shape:  # noqa: PLR2004 - a column of labels
        found = found.reshape(-1)
    of_numbers = found.ndim == 2 and len(found) == count and found.dtype.kind in "buif"  # noqa: PLR2004
    if of_numbers and np.isin(found, (0, 1)).all() and (found.sum(axis=1) == 1).all():
        found = found.argmax(axis=1)  # one-hot
    if found.ndim != 1 or len(found) != count:
        shape = "x".join(str(side) for side in found.shape)
        raise DataError(f"{where} must have one label a picture, {count:,}, got {shape}")
    told = found.tolist()
    if signs:
        told = [SIGN if label == -1 else label for label in told]
    return [_name(label, names, where, row) for row, label in enumerate(told)]


def _name(label: Any, names: Sequence[str], where: str, row: int) -> str | None:
    if isinstance(label, bytes):
        label = label.decode(errors="replace")
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if label is None or label == -1 or label != label or label == "":
        return None
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, str):
        return label
    if not isinstance(label, int):
        raise DataError(
            f"the label of {where} row {row} must be a whole number or a name, got {shown(label)}"
        )
    if not names:
        if label < 0:
            raise DataError(f"the label of {where} row {row} must be >= 0, got {label}")
        return str(label)
    if not 0 <= label < len(names):
        raise DataError(
            f"the label of {where} row {row} must be 0 to {len(names) - 1} "
            f"({len(names)} classes), got {label}"
        )
    return names[label]
