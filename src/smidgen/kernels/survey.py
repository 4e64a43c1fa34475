"""Say which compiled operations this machine has, which of them run, and why."""

import os
from dataclasses import dataclass

from smidgen.kernels import library
from smidgen.kernels.library import CHOICE, PATHS

REFUSED = 4  # the bit of csrc/processor.c for a system that keeps AMX from this process


@dataclass(frozen=True, slots=True)
class Known:
    """One implementation.

    Args:
        name: One of :data:`smidgen.kernels.library.PATHS`.
        float32: Milliseconds of the work that was timed; none where it was not.
        bfloat16: The same in bfloat16.
        said: Whether it runs, and why or why not.
    """

    name: str
    float32: float | None
    bfloat16: float | None
    said: str


def known() -> list[Known]:
    """Return all implementations, plain ones first."""
    found, used = library.available(), library.chosen()
    names = library.candidates()
    times = library.timings() if names != ("torch",) else {}
    return [
        Known(
            name,
            times.get((name, "float32")),
            times.get((name, "bfloat16")),
            _in_use(name, names) if name == used else _at_hand(name, found, names),
        )
        for name in PATHS
    ]


def _in_use(name: str, names: tuple[str, ...]) -> str:
    if os.environ.get(CHOICE):
        return f"in use: {CHOICE} names it"
    if len(names) > 1:
        return "in use: the fastest when this machine was measured"
    return "in use: the best this machine has" if name != "torch" else "in use: nothing is compiled"


def _at_hand(name: str, found: tuple[str, ...], names: tuple[str, ...]) -> str:
    if name in found:
        return "runs here, slower" if name in names else f"runs here if {CHOICE} names it"
    bits = library.processor_bits()
    if bits is None:
        return "not built: install a C compiler, then smidgen again"
    if name == PATHS[-1] and bits >> REFUSED & 1:
        return "the system keeps the matrix unit from this process"
    if name in PATHS[2:] and bits >> PATHS.index(name) - 2 & 1:
        return "not built: the compiler did not know its instructions"
    return "this processor does not have it"
