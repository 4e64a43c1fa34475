"""Names that are safe in a path, in C, in a page and in a shell, and what is not."""

import re
from contextlib import suppress
from operator import index
from pathlib import Path
from typing import SupportsIndex

from smidgen.files import at_home

LONGEST = 100  # characters of a name
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,{LONGEST - 1}}}")
_KEY = re.compile(r"[0-9a-f]{16}")
_SHOWN = 200  # characters of a refused value
_SAID = 300  # characters of an error of another library


def require_name(name: object, what: str) -> str:
    """Return the name of a net, a study or an artefact, as it came from outside.

    Raises:
        ValueError: If it holds anything but letters, digits and ``._+-``, begins with one of
            these, or is longer than 100 characters.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ValueError(
        f"{what} must be letters, digits and . _ + -, the first one a letter or a digit, at most"
        f" {LONGEST} characters, got {shown(name)}"
    )


def require_key(key: object, what: str) -> str:
    """Return the key of a trial, as it came from outside.

    Raises:
        ValueError: If it is not 16 hexadecimal digits.
    """
    if isinstance(key, str) and _KEY.fullmatch(key):
        return key
    raise ValueError(f"{what} must be 16 digits of 0-9a-f, got {shown(key)}")


def as_name(text: str) -> str:
    """Return a name made of any text, such as that of a file: what a name cannot hold is ``-``."""
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+")
    return plain[:LONGEST] or "net"


def require_kind(value: object, kind: type, what: str, as_in: str) -> None:
    """Refuse a value of another kind, before it fails where nobody knows what it was meant for.

    Args:
        value: As it was given.
        kind: That it must be of.
        what: It is meant for.
        as_in: How one is had.

    Raises:
        ValueError: Naming all of these.
    """
    if not isinstance(value, kind):
        raise ValueError(f"{what} must be a {kind.__name__}, {as_in}, got {shown(value)}")


def as_whole(number: object, what: str) -> int:
    """Return a whole number, numpy's as well, as Python's own.

    Raises:
        ValueError: If it is none; true and false are none.
    """
    # Python's own first: to look for a protocol takes twenty times as long
    if isinstance(number, int | SupportsIndex) and not isinstance(number, bool):
        with suppress(TypeError):  # numpy's true and false, and arrays of several
            return index(number)
    raise ValueError(f"{what} must be a whole number, got {shown(number)}")


def as_seed(seed: object) -> int:
    """Return a seed as Python's own number.

    Raises:
        ValueError: If it is no whole number in [0, 2^63).
    """
    with suppress(ValueError):
        if 0 <= (whole := as_whole(seed, "seed")) < 2**63:
            return whole
    raise ValueError(f"seed must be a whole number in [0, 2^63), got {shown(seed)}")


def require_path(place: object, what: str) -> Path:
    """Return the path of a file or folder that was given, with the folder of a user for ``~``.

    Raises:
        ValueError: If it is none.
    """
    try:
        return at_home(place)  # pyright: ignore[reportArgumentType]
    except TypeError:
        raise ValueError(f"{what} must be a path, got {shown(place)}") from None


def said_by(error: BaseException) -> str:
    """Return what another library's error says, on one line and not long; else its kind."""
    return " ".join(str(error).split())[:_SAID] or type(error).__name__


def shown(value: object) -> str:
    """Return a value from outside for an error: in quotes, on one line, and not long."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        return f"a {type(value).__name__} that is too large to show"
    return _cut(" ".join(text.split()) if "\n" in text else text)  # arrays are shown on several


def bare(value: object) -> str:
    """Return a text, or a list of them, as :func:`shown`, without the quotes or brackets of all."""
    if not isinstance(value, str | list | tuple):
        return shown(value)
    try:
        return _cut(repr(value)[1:-1])
    except (RecursionError, ValueError):  # as there
        return shown(value)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"
