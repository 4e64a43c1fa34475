"""Names of splits: what of the training images is held out, if anything."""

import re

FULL, SELECTION = "full", "selection"
_FOLD = re.compile(r"fold-([1-9]\d{0,2})-of-([1-9]\d{0,2})(?:-round-([1-9]\d{0,3}))?", re.ASCII)

_FOLDS = re.compile(r"([1-9]\d{0,2})-folds", re.ASCII)


def fold_name(number: int, of: int, round_: int = 1) -> str:
    """Return the name of a split that holds one of several folds out.

    Args:
        number: Of the fold, counted from 1.
        of: How many folds there are, >= 2.
        round_: Of repeated cross-validation, counted from 1; each has folds of its own.
    """
    return f"fold-{number}-of-{of}" + (f"-round-{round_}" if round_ > 1 else "")


def fold_of(name: str) -> tuple[int, int, int] | None:
    """Return the arguments of :func:`fold_name`, or None if a name is of no fold."""
    found = _FOLD.fullmatch(name)
    if not found:
        return None
    number, of, round_ = int(found[1]), int(found[2]), int(found[3] or 1)
    return (number, of, round_) if number <= of and of > 1 else None


def folds_in(name: str) -> int | None:
    """Return how many folds a name such as ``5-folds`` stands for, or None if it is of none."""
    found = _FOLDS.fullmatch(name)
    return int(found[1]) if found and int(found[1]) > 1 else None


def splits_in(name: str) -> tuple[str, ...]:
    """Return the splits that a study runs: of ``5-folds`` all five, of any other name that one.

    Raises:
        ValueError: If the name stands for none.
    """
    folds = folds_in(name)
    if folds is not None:
        return tuple(fold_name(number, folds) for number in range(1, folds + 1))
    if name not in (FULL, SELECTION) and fold_of(name) is None:
        raise ValueError(
            "split must be one of full, selection, every one of 2 to 999 folds such as 5-folds, or"
            f" one fold such as fold-2-of-5, got {name!r}"
        )
    return (name,)


def row_key(key: str, trained_on: str, split: str) -> str:
    """Return the key of a row: the trial's own, but of images that are not what judges the trial.

    Args:
        key: Of the trial; one that says already what it is of is kept.
        trained_on: Name of the split that the trial trains on.
        split: Name of the images that the row judges.
    """
    own = "test" if trained_on == FULL else "held-out"
    return key if split == own or "-" in key else f"{key}-{split}"


def require_split(name: str) -> None:
    """Refuse a name that stands for no split.

    Raises:
        ValueError: If it is neither ``full``, ``selection`` nor a fold such as ``fold-2-of-5``.
    """
    if name not in (FULL, SELECTION) and fold_of(name) is None:
        raise ValueError(
            f"split must be one of full, selection or a fold such as fold-2-of-5, got {name!r}"
        )
