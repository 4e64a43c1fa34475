"""Long lists of cases: some run each time, all of them with the long tests."""

from collections.abc import Iterable
from typing import Any

import pytest


def thinned(cases: Iterable[Any], step: int = 2) -> list[Any]:
    """Return the cases; those between each ``step``-th and the last one are long tests."""
    every = list(cases)
    last = len(every) - 1
    return [
        case
        if place % step == 0 or place == last
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for place, case in enumerate(every)
    ]
