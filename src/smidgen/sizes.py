"""Amounts as people write them: ``16KB``, ``20k``, 1 image, 2 images."""

import re
from collections.abc import Sequence
from operator import index
from typing import SupportsIndex

_AMOUNT = re.compile(r"\s*(\d+(?:[._]\d+)*|\d*\.\d+)\s*([A-Za-z]*)\s*")
_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(%?)\s*", re.ASCII)
_BYTES = {
    **dict.fromkeys(("", "b", "byte", "bytes"), 1),
    **dict.fromkeys(("k", "kb", "kib"), 1024),
    **dict.fromkeys(("m", "mb", "mib"), 1024**2),
    **dict.fromkeys(("g", "gb", "gib"), 1024**3),
}
_COUNTS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}


def bytes_of(amount: int | str, what: str) -> int:
    """Return a number of bytes; K, KB and KiB are 1,024, as makers of microcontrollers count.

    Args:
        amount: Such as ``16384``, ``16KB``, ``1.5 MiB``.
        what: It is of, for the error.

    Raises:
        ValueError: If it cannot be read.
    """
    return _read(amount, what, _BYTES, "bytes above 0, as in 16384, 16KB or 1.5M")


def count_of(amount: int | str, what: str) -> int:
    """Return a number of things; k is 1,000 and M a million.

    Raises:
        ValueError: If it cannot be read.
    """
    return _read(amount, what, _COUNTS, "a whole number above 0, as in 20000, 20k or 1.5M")


def share_of(amount: float | str, what: str) -> float:
    """Return a share above 0 and below 1.

    Args:
        amount: Such as ``0.99``, ``99%`` or ``99.5 %``.
        what: It is of, for the error.

    Raises:
        ValueError: If it is none.
    """
    found = _SHARE.fullmatch(str(amount))
    share = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < share < 1:
        raise ValueError(
            f"{what} must be a share above 0 and below 1, as 99% or 0.99, got {amount!r}"
        )
    return share


def counted(count: int, one: str, more: str) -> str:
    """Return a number of things, with the words for one of them or for any other number."""
    return f"{count:,} {one if count == 1 else more}"


def amounted(amount: float, unit: str) -> str:
    """Return an amount with its unit, such as ``2 pixels`` or ``1 pixel of 32``."""
    word, *of = unit.split(" ")
    return " ".join([f"{amount:g}", word.removesuffix("s") if abs(amount) == 1 else word, *of])


def and_others(count: int) -> str:
    """Return what is said of further classes, as `` (so have 2 other classes)``; or nothing."""
    classes = counted(count, "other class", "other classes")
    return f" (so {'has' if count == 1 else 'have'} {classes})" if count else ""


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return names behind each other, the first ``most`` of more, as ``a, b, c and 91 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _read(
    amount: SupportsIndex | float | str, what: str, units: dict[str, int], expected: str
) -> int:
    if isinstance(amount, SupportsIndex):
        return index(amount)
    found = _AMOUNT.fullmatch(str(amount))
    unit = units.get(found[2].lower()) if found else None
    if found is None or unit is None or found[1].count(".") > 1:
        raise ValueError(f"{what} must be {expected}, got {amount!r}")
    whole = float(found[1].replace("_", "")) * unit
    if not whole.is_integer():  # nor is infinity, of hundreds of digits
        raise ValueError(f"{what} must be {expected}, got {amount!r}")
    return int(whole)
