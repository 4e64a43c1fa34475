"""Which pictures are set aside to test on: each picture's content decides, and nothing else."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from smidgen.data.errors import DataError
from smidgen.data.labelled import NAMED
from smidgen.data.preprocessing import DEEP, opaque

TEST_SHARE = 0.2
_BITS = 64
_LOOK = 64  # pixels that tell most colour pictures from grey ones


def content_key(picture: Any) -> bytes:
    """Return a hash of what a picture shows, whatever file format it was kept in.

    A grey picture has one key, stored as grey or as colour.
    """
    if isinstance(picture, np.ndarray):
        pixels = picture
    else:
        if picture.mode not in ("L", "RGB") or picture.has_transparency_data:
            picture = _plain(picture)
        pixels = np.asarray(picture)
    if pixels.ndim == 3 and pixels.shape[2] == 3 and _is_grey(pixels):  # noqa: PLR2004
        pixels = pixels[:, :, 0]
    shape = (*pixels.shape[:2], 1 if pixels.ndim == 2 else pixels.shape[2])  # noqa: PLR2004
    digest = hashlib.blake2b(f"{shape} {pixels.dtype.kind}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def aside(
    keys: Sequence[bytes],
    labels: Sequence[int],
    classes: Sequence[str],
    *,
    to_judge: bool = False,
    by_group: bool = False,
) -> list[bool]:
    """Return which pictures are set aside, about a fifth of every class.

    Whether a picture is depends on its own key, so that a picture more moves no other, and
    copies stay together. Only a class that would have none on one side gives or keeps the one
    with the least or greatest key, of those that leave other classes, which may share it, a side.

    Args:
        keys: See :func:`content_key`.
        labels: Numbers of classes.
        classes: Names, for errors.
        to_judge: Whether nothing is to be trained on them, so that a class may have one picture.
        by_group: Whether a key is of a group: one of more than half of a class is set aside last.

    Raises:
        DataError: If a class has a single picture, copies not counted, or shares its pictures with
            others so that not each can have both sides.
    """
    by_class: dict[int, set[bytes]] = {}
    first: dict[bytes, int] = {}
    shared: dict[bytes, set[int]] = {}  # pictures of several classes
    for key, label in zip(keys, labels, strict=True):
        by_class.setdefault(label, set()).add(key)
        if first.setdefault(key, label) != label:
            shared.setdefault(key, {first[key]}).add(label)
    large = _large(keys, labels) if by_group else set[bytes]()
    chosen = {key for key in keys if _place(key) < TEST_SHARE} - large
    one = "group of pictures" if by_group else "picture"
    alone = [label for label, own in sorted(by_class.items()) if len(own) == 1]
    if alone and not to_judge:
        once = len(alone) == sum(map(labels.count, alone))
        raise DataError(_told_alone([classes[label] for label in alone], one, once=once))
    for label, own in sorted(by_class.items()):
        if len(own) == 1:
            continue
        if own & chosen and not own <= chosen:
            continue
        nearest = sorted(own, key=_place, reverse=own <= chosen)  # to the other side
        for key in sorted(nearest, key=lambda key: key in large and not own <= chosen):
            others = (by_class[other] for other in shared.get(key, ()) if other != label)
            if not any(_has_alone(other, key, chosen) for other in others):
                chosen ^= {key}
                break
        else:
            raise DataError(
                f"class {classes[label]!r} has no {one} but those that are in other classes too,"
                f" and not each class can have one to learn from and one to test on: leave one out"
            )
    return [key in chosen for key in keys]


def _large(keys: Sequence[bytes], labels: Sequence[int]) -> set[bytes]:
    """Return the keys that are of more than half of a class."""
    sizes, own = Counter(labels), Counter(zip(keys, labels, strict=True))
    return {key for (key, label), count in own.items() if 2 * count > sizes[label]}


def _told_alone(names: Sequence[str], one: str, *, once: bool) -> str:
    """Return what to say of classes of a single picture each, which may be there several times."""
    copies = "" if once or one != "picture" else " (copies count as one)"
    needs = "and each class needs one to learn from and one to test on: add pictures of"
    if len(names) == 1:
        return f"class {names[0]!r} has a single {one}{copies}, {needs} it, or leave the class out"
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return (
        f"{len(names):,} classes have a single {one} each{copies}, {needs} them, or leave the "
        f"classes out: {', '.join(map(repr, names[:NAMED]))}{more}"
    )


def _has_alone(own: set[bytes], key: bytes, chosen: set[bytes]) -> bool:
    """Return whether a class of several pictures has one of them alone on its side."""
    return len(own) > 1 and own & chosen in ({key}, own - {key})


def _place(key: bytes) -> float:
    return int.from_bytes(key[: _BITS // 8]) / 2**_BITS


def _plain(picture: Any) -> Any:
    if picture.has_transparency_data and picture.mode not in DEEP:
        return picture.convert("RGBA")
    if picture.mode in ("1", "P", "CMYK", "YCbCr", "HSV", "LAB", "LA", "PA", "RGBX"):
        return opaque(picture, "white")
    return picture  # of more than a byte


def _is_grey(pixels: Any) -> bool:
    first = pixels.reshape(-1, 3)[:_LOOK]
    if not (first == first[:, :1]).all():
        return False
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    return bool((red == green).all() and (red == blue).all())
