"""Seeds, and folds of seeds, in words: what the figures of a point are the mean of."""

from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

from smidgen.sizes import counted
from smidgen.split_names import fold_of

Replicate: TypeAlias = tuple[int, str]  # its seed, and the split that it was trained on


def replicate_of(row: dict[str, Any]) -> Replicate:
    """Return which replicate a row is."""
    return row["seed"], row["trained_on"]


def told(replicates: Collection[Replicate]) -> str:
    """Return how many there are: ``3 seeds``, ``5 folds of 1 seed`` or ``3 folds x 2 seeds``.

    The last is where several seeds have the same folds, ``5 of 3 folds x 2 seeds`` where not all.
    """
    count = len({seed for seed, _ in replicates})
    seeds = counted(count, "seed", "seeds")
    if not are_folds(replicates):
        return seeds
    each = len({split for _, split in replicates})
    folds = counted(each, "fold", "folds")
    if len(replicates) == each:
        return f"{folds} of {seeds}"
    some = "" if len(replicates) == each * count else f"{len(replicates)} of "
    return f"{some}{folds} x {seeds}"


def are_folds(replicates: Iterable[Replicate]) -> bool:
    """Tell whether any was trained on all folds but one, and is no seed alone."""
    return any(fold_of(split) for _, split in replicates)


def kind(replicates: Iterable[Replicate]) -> str:
    """Return the word for several: ``seeds``, ``folds``, or ``models`` if seeds share folds."""
    known = list(replicates)
    if not are_folds(known):
        return "seeds"
    return "folds" if len({split for _, split in known}) == len(known) else "models"
