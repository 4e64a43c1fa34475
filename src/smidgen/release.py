"""Which release of smidgen this is, and which one wrote what is read."""

from collections.abc import Collection, Mapping
from importlib.metadata import version
from typing import Any

from smidgen.names import shown
from smidgen.text import nearest


def release() -> str:
    """Return the version of the package that runs."""
    return version("smidgen")


def require_known(form: Mapping[str, Any], known: Collection[str], what: str, by: object) -> None:
    """Refuse keys that this version does not know.

    Args:
        form: As read.
        known: Keys.
        what: Holds them, for the error.
        by: The version that wrote it, as far as it says so.

    Raises:
        ValueError: Naming the key, and both versions if they differ.
    """
    for key in form:
        if key in known:
            continue
        if isinstance(by, str) and by != release():
            raise ValueError(
                f"{what} was written by smidgen {shown(by)[1:-1]}, and this is {release()}: the"
                f" key {shown(key)} is not known here"
            )
        raise ValueError(f"{what} has no key {shown(key)}; {nearest(str(key), known)}")
