"""What a confusion matrix says of the classes, one by one and together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

MATRIX_CLASSES = 100  # of more classes a row keeps no confusion matrix
Matrix: TypeAlias = Sequence[Sequence[int]]  # images by class (rows) and by answer (columns)


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
    found: list[ClassFigures] = []
    for place, name in enumerate(names):
        right, images, answered = (
            int(n) for n in (counts[place, place], counts[place].sum(), counts[:, place].sum())
        )
        precision = right / answered if answered else None
        recall = right / images if images else None
        f1 = 2 * right / (images + answered) if images else None
        found.append(ClassFigures(name, images, answered, precision, recall, f1))
    return tuple(found)


def balanced_accuracy(matrix: Matrix) -> float:
    """Return the mean over classes of the share of their images that are found, in [0, 1].

    A model that always gives the same answer reaches 1 / classes, however many images are of
    that class. Classes without an image do not count.
    """
    counts = np.asarray(matrix, np.float64)
    images = counts.sum(1)
    return float((counts.diagonal()[images > 0] / images[images > 0]).mean())


def largest_share(matrix: Matrix) -> float:
    """Return the share of the largest class: what always answering it would reach."""
    images = np.asarray(matrix, np.int64).sum(1)
    return float(images.max() / images.sum())


def never_answered(matrix: Matrix, names: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that have images and are never the answer."""
    return tuple(of.name for of in by_class(matrix, names) if of.images and not of.answered)
