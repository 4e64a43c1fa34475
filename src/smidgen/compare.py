"""Two models judged on the same pictures, and whether chance alone may tell them apart."""

import os
import warnings
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from smidgen.show import card
from smidgen.sizes import counted

if TYPE_CHECKING:
    from smidgen.again import Columns, Reading
    from smidgen.answer import Answer
    from smidgen.data import Data, Split
    from smidgen.data.base import Progress
    from smidgen.model import Model
    from smidgen.run import Run

UNEVEN = 2  # times the pictures of the smallest class, from where on designs weigh classes, too
_AT_ONCE = 512  # pictures that an ONNX file is asked of


@dataclass(frozen=True, slots=True)
class Judged:
    """One of two models, on the pictures that judge both.

    Args:
        place: As it was named.
        net: Its name.
        accuracy: In [0, 1].
        balanced_accuracy: Mean over the classes that have pictures, in [0, 1].
        params: Learned scalars; this and what follows are ``None`` for an ONNX file.
        macs: Multiply-accumulates an image.
        bytes_float32: Deployed parameters as float32.
        bytes_int8: Deployed parameters as int8.
        flash: Bytes as int8 C on a Cortex-M4, predicted; ``None`` if that C cannot be written.
        ram: Likewise.
    """

    place: str
    net: str
    accuracy: float
    balanced_accuracy: float
    params: int | None = None
    macs: int | None = None
    bytes_float32: int | None = None
    bytes_int8: int | None = None
    flash: int | None = None
    ram: int | None = None


@dataclass(frozen=True, slots=True)
class ComparedPicture:
    """What two models say of a picture.

    Args:
        picture: Its file below the folder that holds all, or its place among those judged, from 0.
        label: Class that the data give.
        first: Class that the first model gives.
        first_probability: Of that, in [0, 1].
        second: Class that the second model gives.
        second_probability: Of that, in [0, 1].
    """

    picture: str
    label: str
    first: str
    first_probability: float
    second: str
    second_probability: float

    @property
    def decides(self) -> bool:
        """Whether exactly one model is right."""
        return (self.first == self.label) != (self.second == self.label)


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """Two models on the same pictures, none of which either is known to have learned.

    Args:
        first: What the first model reaches and costs.
        second: Likewise.
        data: Name of the pictures' data.
        part: ``test`` or ``held-out``.
        images: How many are judged.
        both: Pictures that both get right.
        only_first: That the first alone gets right.
        only_second: That the second alone gets right.
        neither: That neither gets right.
        p: Of McNemar's exact test, two-sided.
        difference: Accuracy of the first less that of the second, in [-1, 1].
        interval: Ends of its paired 95 % interval (Newcombe 1998, method 10).
        uneven: Whether the largest class has twice the pictures of the smallest, or more.
        learned: Pictures left out, as a model has learned them or a copy of them.
        unshared: Pictures left out, as they are in the part of one of the two models alone.
        groups: Of how many groups the pictures are; 0 if they have none.
        pictures: All that are judged, in the order of the data.
    """

    first: Judged
    second: Judged
    data: str
    part: str
    images: int
    both: int
    only_first: int
    only_second: int
    neither: int
    p: float
    difference: float
    interval: tuple[float, float]
    uneven: bool
    learned: int
    unshared: int
    groups: int
    pictures: tuple[ComparedPicture, ...]

    @property
    def verdict(self) -> str:
        """``first better``, ``second better`` or ``no difference shown``, at the 5 % level."""
        from smidgen.study.statistics import McNemar

        return McNemar(self.only_first, self.only_second, self.p).verdict

    @property
    def differing(self) -> tuple[ComparedPicture, ...]:
        """The pictures that get two answers: those one model has right first, the surest first."""
        found = [of for of in self.pictures if of.first != of.second]
        found.sort(
            key=lambda of: (not of.decides, -max(of.first_probability, of.second_probability))
        )
        return tuple(found)

    def told(self, first: str = "first", second: str = "second") -> str:
        """Return the result in a line, the models called as asked for."""
        verdict = self.verdict.replace("first", f"{first} is").replace("second", f"{second} is")
        return (
            f"{first} right {100 * self.first.accuracy:.1f} %, {second}"
            f" {100 * self.second.accuracy:.1f} %, of"
            f" {counted(self.images, 'picture', 'pictures')}; only {first} {self.only_first:,},"
            f" only {second} {self.only_second:,}; McNemar p {self.p:.2g}: {verdict}"
        )

    def __repr__(self) -> str:
        low, high = (100 * end for end in self.interval)
        return (
            f"Comparison({self.told()}; difference {100 * self.difference:+.1f} points"
            f" [{low:+.1f}, {high:+.1f}])"
        )

    def _repr_html_(self) -> str:
        """Return a table of the pictures that get two answers, for a notebook."""
        rows = [(of.picture, of.label, of.first, of.second) for of in self.differing]
        return card("Comparison", self.told(), ("picture", "labelled", "first", "second"), rows)


class _Asked(NamedTuple):
    """A model with what it was named by."""

    place: str
    model: "Model"

    @property
    def run(self) -> "Run | None":
        return self.model.run


class _Seen(NamedTuple):
    """The pictures that may judge, as one model sees them."""

    data: "Data"
    split: "Split"

    def names(self) -> list[str]:
        """Return the label of each picture by name."""
        return [self.data.classes[label] for label in self.split.labels.tolist()]


class _How(NamedTuple):
    """How data are read."""

    data_dir: "Path | str | None"
    columns: "Columns"
    skip_broken: bool
    progress: "Progress"


class _Matched(NamedTuple):
    """The same pictures as both models see them, by their places there."""

    places: tuple[list[int], list[int]]
    learned: int
    unshared: int


def compare(
    first: "Path | str | Run | Model",
    second: "Path | str | Run | Model",
    *,
    data: "Data | Path | str | None" = None,
    data_dir: Path | str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_broken: bool = False,
    progress: "Progress" = None,
) -> Comparison:
    """Judge two models on the same pictures, in float32 on the CPU.

    By default these are the test part of the data that both were trained on, or what both held
    out if no picture of it is left. Those that either has learned are left out. Classes are
    matched by name.

    Args:
        first: A run or its folder, that of a design, an ONNX file that smidgen exported,
            ``hub:USER/NAME``, or what :func:`smidgen.load` returned of one.
        second: Likewise.
        data: Other pictures, or where those trained on are now; of data without a test part all.
            Data that were loaded must be made of pictures as those of both models are.
        data_dir: A folder of local copies of data sets.
        image_column: Of a table, where it is not that of the runs.
        label_column: Likewise.
        skip_broken: Whether images that cannot be read are left out and told.
        progress: See :func:`smidgen.data.load`.

    Raises:
        ValueError: If a model cannot be read, or there is no picture to judge both on; of data it
            is a :class:`smidgen.data.DataError`.

    Warns:
        DataWarning: If it is not known which pictures a model has learned.
    """
    from smidgen.again import Columns
    from smidgen.data import Data

    asked = (_asked(first, "first"), _asked(second, "second"))
    how = _How(data_dir, Columns(image_column, label_column), skip_broken, progress)
    if data is None:
        seen = _common(asked, how)
    elif isinstance(data, Data):
        seen = _given(asked, data)
    else:
        seen = _other(asked, data, how)
    learned = [_learned(one, data, how) for one, data in zip(asked, seen, strict=True)]
    refused: list[str] = []
    for part, splits in _parts(asked, seen, held_out=data is None):
        found = _matched(splits, learned)
        if found.places[0]:
            return _compared(asked, splits, part, found)
        refused.append(
            f"{part}: {found.learned:,} are learned, {found.unshared:,} are of one model alone"
        )
    raise ValueError(
        f"no picture of {seen[0].name} can judge both {asked[0].place} and {asked[1].place}"
        f" ({'; '.join(refused)}): name pictures that neither was trained on (--data, or data=)"
    )


def _asked(model: Any, which: str) -> _Asked:
    from smidgen.model import Model, load
    from smidgen.names import shown
    from smidgen.run import Run

    if isinstance(model, Model):
        return _Asked(f"the {which} model", model)
    if isinstance(model, Run):
        return _Asked(f"the {which} run", load(model))
    if not isinstance(model, str | os.PathLike):
        raise ValueError(
            f"the {which} model must be a run, its folder, an ONNX file or hub:USER/NAME, got"
            f" {shown(model)}"
        )
    place = os.fspath(model)
    return _Asked(place, load(place))


def _common(asked: tuple[_Asked, _Asked], how: _How) -> "tuple[Data, Data]":
    """Return the data that both models were trained on, as each sees them.

    Raises:
        ValueError: If they were trained on different data, or nothing tells on which.
    """
    from smidgen.again import judged_on, own_place, same_place, trained_on
    from smidgen.data.remembered import asked_of

    known = [(one.place, one.run) for one in asked if one.run is not None]
    if not known:
        raise ValueError(
            "an ONNX file does not say what it was trained on: name the pictures that judge both"
            " (--data, or data=)"
        )
    (_, one), (_, other) = known[0], known[-1]
    same = one.trial.fingerprint == other.trial.fingerprint
    if not (same or same_place(one, other.origin)):
        raise ValueError(
            f"{known[0][0]} was trained on {one.trial.data} and {known[1][0]} on other data"
            f" ({other.trial.data}): name the pictures that judge both (--data, or data=)"
        )
    found: list[Data] = []
    for side in asked:
        run = side.run
        if run is not None and found and found[0].fingerprint == run.trial.fingerprint:
            found.append(found[0])
        elif run is not None:
            found.append(
                trained_on(
                    run,
                    side.place,
                    data_dir=how.data_dir,
                    progress=how.progress,
                    columns=how.columns,
                )
            )
        else:  # an ONNX file beside a run
            own = how.data_dir or asked_of(one.origin).get("data-dir")
            found.append(
                judged_on(
                    _reading(side, one.origin),
                    own_place(one.origin),
                    data_dir=own,
                    progress=how.progress,
                    columns=how.columns,
                    skip_broken=True,  # it is told, and the run lacks the same
                )
            )
    return found[0], found[1]


def _reading(side: _Asked, origin: str = "") -> "Reading":
    from smidgen.again import Reading

    return Reading(side.model.preprocessing, side.model.classes, origin)


def _given(asked: tuple[_Asked, _Asked], data: "Data") -> "tuple[Data, Data]":
    """Return data that were loaded, if both models take them as they are."""
    from smidgen.data import DataError

    for side in asked:
        model = side.model
        if (data.preprocessing, data.classes) != (model.preprocessing, model.classes):
            raise DataError(
                f"{data.name} is not made of pictures as {side.place} takes them, in its classes:"
                " give their place instead, or smidgen.data.load(place, preprocessing="
                "model.preprocessing, classes=model.classes)"
            )
    return data, data


def _other(asked: tuple[_Asked, _Asked], data: Path | str, how: _How) -> "tuple[Data, Data]":
    """Return the pictures in a place, as each model sees them."""
    from smidgen.again import FLATTERED, judged_on

    def read(side: _Asked) -> "Data":
        return judged_on(
            _reading(side) if side.run is None else side.run,
            data,
            data_dir=how.data_dir,
            progress=how.progress,
            columns=how.columns,
            skip_broken=how.skip_broken,
        )

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", f".*{FLATTERED}")  # what was learned is left out here
        return read(asked[0]), read(asked[1])


def _learned(side: _Asked, seen: "Data", how: _How) -> set[bytes]:
    """Return hashes of the pictures that a model has learned, as it sees them.

    What cannot be known is told: its pictures are not left out.
    """
    from smidgen.again import trained_on
    from smidgen.data import DataWarning
    from smidgen.data.parts import parts
    from smidgen.data.splits import keys

    run, own = side.run, seen
    try:
        if run is not None and seen.fingerprint != run.trial.fingerprint:
            own = trained_on(run, side.place, data_dir=how.data_dir, progress=how.progress)
        if run is not None:
            return set(keys(parts(own, run.trial.split)[0]))
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


def _parts(
    asked: tuple[_Asked, _Asked], data: "tuple[Data, Data]", *, held_out: bool
) -> "Iterable[tuple[str, tuple[_Seen, _Seen]]]":
    """Yield the pictures that may judge: the test part first, then what both runs held out."""
    from smidgen.again import held_out_of

    one, other = data
    yield "test", (_Seen(one, one.test), _Seen(other, other.test))
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
    yield "held-out", (_Seen(one, splits[0]), _Seen(other, splits[1]))


def _matched(splits: tuple[_Seen, _Seen], learned: Sequence[set[bytes]]) -> _Matched:
    """Return the pictures that both models see, and neither has learned."""
    from smidgen.data.splits import keys

    pairs = _pairs(*splits)
    known = [
        [key in of_one for key in keys(seen.split)]
        for seen, of_one in zip(splits, learned, strict=True)
    ]
    kept = [(a, b) for a, b in pairs if not (known[0][a] or known[1][b])]
    unshared = sum(len(seen.split) for seen in splits) - 2 * len(pairs)
    return _Matched(([a for a, _ in kept], [b for _, b in kept]), len(pairs) - len(kept), unshared)


def _pairs(first: _Seen, second: _Seen) -> list[tuple[int, int]]:
    """Return the places of the same picture for both models.

    Raises:
        DataError: If nothing tells which are the same.
    """
    if first.split is second.split:
        return [(place, place) for place in range(len(first.split))]
    ids = [_ids(seen, of) for seen, of in ((first, second), (second, first))]
    places = {of: place for place, of in enumerate(ids[1])}
    return [(place, places[of]) for place, of in enumerate(ids[0]) if of in places]


def _ids(seen: _Seen, other: _Seen) -> list[Hashable]:
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


def _compared(
    asked: tuple[_Asked, _Asked], splits: tuple[_Seen, _Seen], part: str, found: _Matched
) -> Comparison:
    """Return what the models say of the pictures that are left."""
    import numpy as np

    from smidgen.study.statistics import mcnemar, paired_difference

    seen, kept = splits[0], found.places[0]
    names = seen.names()
    labels = [names[place] for place in kept]
    answers = [
        _answers(side.model, of.split, places)
        for side, of, places in zip(asked, splits, found.places, strict=True)
    ]
    right = [
        np.array([of.name == label for of, label in zip(own, labels, strict=True)])
        for own in answers
    ]
    test = mcnemar(right[0], right[1])
    both = int((right[0] & right[1]).sum())
    neither = len(kept) - both - test.only_first - test.only_second
    difference = paired_difference(both, test.only_first, test.only_second, neither)
    counts = Counter(labels).values()
    groups = seen.split.groups
    of_groups = 0 if groups is None else len(groups[kept].unique())
    return Comparison(
        first=_judged(asked[0], labels, answers[0]),
        second=_judged(asked[1], labels, answers[1]),
        data=seen.data.name,
        part=part,
        images=len(kept),
        both=both,
        only_first=test.only_first,
        only_second=test.only_second,
        neither=neither,
        p=test.p,
        difference=difference.mean,
        interval=(difference.low, difference.high),
        uneven=max(counts) >= UNEVEN * min(counts),
        learned=found.learned,
        unshared=found.unshared,
        groups=of_groups if of_groups < len(kept) else 0,
        pictures=tuple(_pictures(seen.split, kept, labels, answers)),
    )


def _answers(model: "Model", split: "Split", places: list[int]) -> "list[Answer]":
    from smidgen.answer import answers_of

    found: list[Answer] = []
    for start in range(0, len(places), _AT_ONCE):
        pixels = split.images[places[start : start + _AT_ONCE]].contiguous().numpy()
        found += answers_of(model.infer(pixels), model.classes)
    return found


def _judged(side: _Asked, labels: list[str], answers: "list[Answer]") -> Judged:
    from smidgen.confusion import balanced_accuracy, figures_of

    classes = side.model.classes
    numbers = {name: number for number, name in enumerate(classes)}
    truth, given = [numbers[of] for of in labels], [numbers[of.name] for of in answers]
    return Judged(
        place=side.place,
        net=side.model.name,
        accuracy=sum(a == b for a, b in zip(truth, given, strict=True)) / len(truth),
        balanced_accuracy=balanced_accuracy(figures_of(truth, given, classes)),
        **({} if side.run is None else _cost(side.run)),
    )


def _cost(run: "Run") -> dict[str, Any]:
    from smidgen.export.c.footprint import predict_cost

    spec = run.trial.spec
    try:
        flash, ram = predict_cost(spec)
    except ValueError:  # no C can be written of it
        flash = ram = None
    return {
        "params": spec.params,
        "macs": spec.macs,
        "bytes_float32": 4 * spec.deployed_params,
        "bytes_int8": spec.deployed_params,
        "flash": flash,
        "ram": ram,
    }


def _pictures(
    split: "Split", places: list[int], labels: list[str], answers: "Sequence[list[Answer]]"
) -> "Iterable[ComparedPicture]":
    for place, label, one, other in zip(places, labels, *answers, strict=True):
        yield ComparedPicture(
            split.files[place] if split.files else f"image {place:,}",
            label,
            one.name,
            one.probability,
            other.name,
            other.probability,
        )
