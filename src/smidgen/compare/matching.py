"""Which pictures may judge: they are the same for both models, and neither has learned them."""

import warnings
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence, Set
from typing import TYPE_CHECKING, NamedTuple

from smidgen.compare.reading import Asked, How

if TYPE_CHECKING:
    from smidgen.data import Data, Split


class Seen(NamedTuple):
    """The pictures that may judge, as one model sees them."""

    data: "Data"
    split: "Split"

    def names(self) -> list[str]:
        """Return the label of each picture by name."""
        return [self.data.classes[label] for label in self.split.labels.tolist()]


class Matched(NamedTuple):
    """The same pictures as both models see them, by their places there."""

    places: tuple[list[int], list[int]]
    learned: int
    unshared: int
    others: dict[str, int]  # of classes that a model does not know, a class


def learned_by(side: Asked, seen: "Data", how: How) -> Set[int]:
    """Return keys of the pictures that a model has learned, as it sees them.

    What cannot be known is told: its pictures are not left out.
    """
    from smidgen.again import trained_on
    from smidgen.data import DataWarning
    from smidgen.data.known import keys_of
    from smidgen.data.shares import learned

    run, own = side.run, seen
    if run is not None and run.known is not None and run.preprocessing == seen.preprocessing:
        return run.known.learned  # whatever became of its data since
    try:
        if run is not None and seen.fingerprint != run.trial.fingerprint:
            own = trained_on(run, side.place, data_dir=how.data_dir, progress=how.progress)
        if run is not None:
            trial = run.trial
            images = learned(own, trial.split, trial.recipe.share, trial.seed)
            return {*keys_of(images).tolist()}
        why = "an ONNX file does not say"
    except ValueError as error:
        why = str(error)
    warnings.warn(
        f"which pictures {side.place} has learned is not known, so that they are not left out, and"
        f" would flatter it: {why}",
        DataWarning,
        stacklevel=3,
    )
    return set()


def parts_of(
    asked: tuple[Asked, Asked], data: "tuple[Data, Data]", *, held_out: bool
) -> "Iterable[tuple[str, tuple[Seen, Seen]]]":
    """Yield the pictures that may judge: the test part first, then what both runs held out."""
    from smidgen.again import held_out_of

    one, other = data
    yield "test", (Seen(one, one.test), Seen(other, other.test))
    first, second = (side.run for side in asked)
    if not held_out or first is None or second is None:
        return
    try:
        splits = [
            held_out_of(run, own, side.place)
            for run, own, side in zip((first, second), data, asked, strict=True)
        ]
    except ValueError:  # one of them was trained on all images
        return
    yield "held-out", (Seen(one, splits[0]), Seen(other, splits[1]))


def matched(
    asked: tuple[Asked, Asked], splits: tuple[Seen, Seen], learned: Sequence[Set[int]]
) -> Matched:
    """Return the pictures that both models see, whose class both know, and neither has learned."""
    from smidgen.data.known import keys_of

    pairs, labels = _pairs(*splits), splits[0].names()
    shared = {*asked[0].model.classes} & {*asked[1].model.classes}
    ours = [(a, b) for a, b in pairs if labels[a] in shared]
    known = [
        [key in of_one for key in keys_of(seen.split).tolist()]
        for seen, of_one in zip(splits, learned, strict=True)
    ]
    kept = [(a, b) for a, b in ours if not (known[0][a] or known[1][b])]
    return Matched(
        ([a for a, _ in kept], [b for _, b in kept]),
        len(ours) - len(kept),
        sum(len(seen.split) for seen in splits) - 2 * len(pairs),
        dict(Counter(labels[a] for a, _ in pairs if labels[a] not in shared)),
    )


def _pairs(first: Seen, second: Seen) -> list[tuple[int, int]]:
    """Return the places of the same picture for both models.

    Raises:
        DataError: If nothing tells which are the same.
    """
    if first.split is second.split:
        return [(place, place) for place in range(len(first.split))]
    ids = [_ids(seen, of) for seen, of in ((first, second), (second, first))]
    places = {of: place for place, of in enumerate(ids[1])}
    return [(place, places[of]) for place, of in enumerate(ids[0]) if of in places]


def _ids(seen: Seen, other: Seen) -> list[Hashable]:
    """Return what tells each picture from all others, in whatever form a model sees it."""
    from smidgen.data import DataError
    from smidgen.data.making import NO_TEST
    from smidgen.data.splits import keys

    labels = seen.names()
    if seen.split.files and other.split.files:
        return _numbered(zip(seen.split.files, labels, strict=True))
    if seen.data.preprocessing == other.data.preprocessing:
        return _numbered(zip(keys(seen.split), labels, strict=True))
    set_aside = any(NO_TEST in note for of in (seen, other) for note in of.data.notes)
    if set_aside or labels != other.names():
        raise DataError(
            f"{seen.data.name} must hold its pictures as files, or a test part of its own: the"
            " models see them in two forms, and nothing tells which are the same"
        )
    return list(range(len(labels)))


def _numbered(ids: Iterable[Hashable]) -> list[Hashable]:
    """Return ids with a number each, so that no two are the same."""
    seen: Counter[Hashable] = Counter()
    found: list[Hashable] = []
    for of in ids:
        found.append((of, seen[of]))
        seen[of] += 1
    return found
