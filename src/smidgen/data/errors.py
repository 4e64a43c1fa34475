"""What the door says when data are not what they must be."""

import warnings
from collections.abc import Iterable


class DataError(ValueError):
    """Data that cannot be used, in one line: what, where, what was expected."""


class DataWarning(UserWarning):
    """Something about the data, in one line, that its reader should know."""


def tell(name: str, notes: Iterable[str]) -> None:
    """Warn of each note on data of that name, where the function that calls this was called."""
    for note in notes:
        warnings.warn(f"{name}: {note}", DataWarning, stacklevel=3)
