"""What a confusion matrix says of the classes, one by one and together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

MATRIX_CLASSES = 100  # of more classes a row keeps no confusion matrix
Matrix: TypeAlias = Sequence[Sequence[int]]  # images by class (rows) and by answer (columns)
Counts: TypeAlias = npt.NDArray[np.int64]  # a number a class


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """What is said of one class; a figure that nothing allows to be said is ``None``.

    Args:
        name: Of the class.
        images: That are of it.
        answered: How often it was the answer.
        precision: Share of those answers that are right, in [0, 1].
        recall: Share of its images that are found, in [0, 1]: the accuracy on this class.
        f1: Harmonic mean of the two; 0 where no image is found.
    """

    name: str
    images: int
    answered: int
    precision: float | None
    recall: float | None
    f1: float | None


def matrix_of(
    labels: npt.ArrayLike, answers: npt.ArrayLike, classes: int
) -> tuple[tuple[int, ...], ...]:
    """Return how many images of each class (row) were answered as each class (column)."""
    places = classes * np.asarray(labels, np.int64) + np.asarray(answers, np.int64)
    counts = np.bincount(places, minlength=classes * classes).reshape(classes, classes)
    return tuple(tuple(int(count) for count in line) for line in counts)


def by_class(matrix: Matrix, names: Sequence[str]) -> tuple[ClassFigures, ...]:
    """Return the figures of every class, in the order of ``names``.

    Raises:
        ValueError: If the matrix is not of as many classes as there are names.
    """
    if [len(line) for line in matrix] != [len(names)] * len(names):
        raise ValueError(f"a confusion matrix must be of {len(names)} classes, got {len(matrix)}")
    counts = np.asarray(matrix, np.int64)
    return _figures(names, counts.diagonal(), counts.sum(1), counts.sum(0))


def figures_of(
    labels: npt.ArrayLike, answers: npt.ArrayLike, names: Sequence[str]
) -> tuple[ClassFigures, ...]:
    """Return the figures of every class without a matrix, which takes the square of the classes."""
    labels, answers = np.asarray(labels, np.int64), np.asarray(answers, np.int64)
    of = (labels[labels == answers], labels, answers)
    return _figures(names, *(np.bincount(numbers, minlength=len(names)) for numbers in of))


def _figures(
    names: Sequence[str], right: Counts, images: Counts, answered: Counts
) -> tuple[ClassFigures, ...]:
    """Return the figures of classes of which so many are right, there, and answered."""
    found: list[ClassFigures] = []
    columns = (counts.tolist() for counts in (right, images, answered))
    for name, hits, own, said in zip(names, *columns, strict=True):
        precision = hits / said if said else None
        recall = hits / own if own else None
        f1 = 2 * hits / (own + said) if own else None
        found.append(ClassFigures(name, own, said, precision, recall, f1))
    return tuple(found)


def balanced_accuracy(figures: Sequence[ClassFigures]) -> float:
    """Return the mean over classes of the share of their images that are found, in [0, 1].

    Classes without an image do not count. A model that always gives the same answer reaches
    1 / the others, however many images are of that class.
    """
    return float(np.mean([of.recall for of in figures if of.recall is not None]))


def macro_f1(figures: Sequence[ClassFigures]) -> float:
    """Return the mean over classes of their F1, in [0, 1]; those without an image do not count.

    Differs: scikit-learn's counts such a class as 0 where it is answered.
    """
    return float(np.mean([of.f1 for of in figures if of.f1 is not None]))


def judged_classes(row: Mapping[str, Any]) -> int:
    """Return how many classes have images among those that judged a row; 0 if it tells none.

    Its balanced accuracy is their mean, so that one answer for all reaches 1 / as many of it.
    """
    judged = sum(map(any, row.get("confusion") or ()))
    shares = row.get("accuracy_by_class") or ()  # of rows of too many classes for a matrix
    judged = judged or sum(share is not None for share in shares)
    return judged or len(row.get("classes") or ())


def largest_share(figures: Sequence[ClassFigures]) -> float:
    """Return the share of the largest class: what always answering it would reach."""
    images = [of.images for of in figures]
    return max(images) / sum(images)


def never_answered(figures: Sequence[ClassFigures]) -> tuple[str, ...]:
    """Return the classes that have images and are never the answer."""
    return tuple(of.name for of in figures if of.images and not of.answered)
