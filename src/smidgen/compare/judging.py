"""Two models asked of the same pictures, and whether chance alone may tell them apart."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from smidgen.compare.matching import Matched, Seen
from smidgen.compare.reading import Asked
from smidgen.compare.result import ComparedPicture, Comparison, Judged

if TYPE_CHECKING:
    from smidgen.answer import Answer
    from smidgen.data import Split
    from smidgen.model import Model
    from smidgen.run import Run

UNEVEN = 2  # times the pictures of the smallest class, from where on designs weigh classes, too
_AT_ONCE = 512  # pictures that an ONNX file is asked of


def judged(
    asked: tuple[Asked, Asked], splits: tuple[Seen, Seen], part: str, found: Matched
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
        others=found.others,
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


def _judged(side: Asked, labels: list[str], answers: "list[Answer]") -> Judged:
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
