"""Advice that is followed already is left out of what a command tells."""

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def told_of_weights(*, balanced: bool) -> "Generator[None]":
    """Leave out of what is told of data the advice that is followed already."""
    if not balanced:
        yield
        return
    from smidgen.data.labelled import WEIGH_ALIKE

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
    for warning in heard:
        warnings.warn(str(warning.message).replace(WEIGH_ALIKE, ""), warning.category, stacklevel=3)
