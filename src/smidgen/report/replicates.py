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
    """Return how many there are, such as ``3 seeds`` or ``5 folds of 1 seed``."""
    seeds = counted(len({seed for seed, _ in replicates}), "seed", "seeds")
    if not are_folds(replicates):
        return seeds
    return f"{counted(len(replicates), 'fold', 'folds')} of {seeds}"


def are_folds(replicates: Iterable[Replicate]) -> bool:
    """Tell whether any was trained on all folds but one, and is no seed alone."""
    return any(fold_of(split) for _, split in replicates)


def kind(replicates: Iterable[Replicate]) -> str:
    """Return the word for several of them, ``folds`` or ``seeds``."""
    return "folds" if are_folds(replicates) else "seeds"
