"""Arrays of any kind as pictures and as names of classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from smidgen.data.errors import DataError
from smidgen.data.preprocessing import Values
from smidgen.limits import IMAGES
from smidgen.names import shown
from smidgen.sizes import counted

FEW = 4  # channels, at most, of what is surely channels
_ROWS = 3  # axes of pictures without channels
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


def images_of(images: Any, where: str, *, channels_first: bool = False) -> Values:
    """Return pictures as numbers n h w c.

    Args:
        images: An array n h w or n h w c; also n c h w, see :func:`are_channels_first`.
        where: For errors.
        channels_first: Whether arrays of four axes are n c h w.

    Raises:
        DataError: If they are none of these.
    """
    values = np.asarray(images)
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * 255
    if values.ndim == _ROWS:
        values = values[..., None]
    elif values.ndim == _ROWS + 1 and (channels_first or are_channels_first(values.shape)):
        values = values.transpose(0, 2, 3, 1)
    if values.ndim != _ROWS + 1 or 0 in values.shape or values.dtype.kind not in "uif":
        shape = "x".join(str(side) for side in np.shape(images))
        raise DataError(
            f"{where} must hold pictures as numbers n x height x width (x channels), got "
            f"{np.asarray(images).dtype} {shape or 'without axes'}"
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
        return _doubt_of_windows(np.asarray(images).dtype, *shape[1:])
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


def _doubt_of_windows(kind: np.dtype[Any], height: int, width: int) -> tuple[str, ...]:
    """Return a note if one of two sides may be the channels of a sensor: few, and no bytes."""
    few, steps = sorted((height, width))
    if kind == np.uint8 or kind.kind == "b" or not 1 < few <= min(_SIDE_OF_ONE, steps - 1):
        return ()
    moved = "images[:, None]" if few == width else "images.transpose(0, 2, 1)[:, None]"
    return (
        f"arrays of {height}x{width} are taken for one channel of {height}x{width} pixels: windows"
        f" of {steps} steps and {few} channels must be n x 1 x {steps} x {few}, as {moved} is",
    )


def labels_of(labels: Any, count: int, names: Sequence[str], where: str) -> list[str | None]:
    """Return the names of the classes of ``count`` pictures; -1 and None are hidden labels, None.

    Args:
        labels: Numbers or texts; numbers are places in ``names`` if there are any.
        count: Of the pictures.
        names: Of the classes.
        where: For errors.

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
    return [_name(label, names, where, row) for row, label in enumerate(found.tolist())]


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
