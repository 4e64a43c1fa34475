"""The figures of classes are scikit-learn's, and hold where classes are missing."""

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from smidgen.confusion import (
    balanced_accuracy,
    by_class,
    figures_of,
    judged_classes,
    largest_share,
    macro_f1,
    matrix_of,
    never_answered,
)

NAMES = ("cat", "dog", "owl")
pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


@given(pairs)
def test_every_figure_is_scikit_learns(answered: list[tuple[int, int]]) -> None:
    labels, answers = [pair[0] for pair in answered], [pair[1] for pair in answered]
    matrix = matrix_of(labels, answers, 3)
    assert [list(line) for line in matrix] == metrics.confusion_matrix(
        labels, answers, labels=range(3)
    ).tolist()
    expected: Any = metrics.precision_recall_fscore_support(
        labels,
        answers,
        labels=range(3),
        zero_division=0,  # pyright: ignore[reportArgumentType]
    )
    assert figures_of(labels, answers, NAMES) == by_class(matrix, NAMES)
    for place, of in enumerate(by_class(matrix, NAMES)):
        ours = (of.precision or 0, of.recall or 0, of.f1 or 0, of.images)
        assert ours == pytest.approx(tuple(figures[place] for figures in expected))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of answers that are no label
        balanced = metrics.balanced_accuracy_score(labels, answers)
    assert balanced_accuracy(by_class(matrix, NAMES)) == pytest.approx(balanced)
    f1 = metrics.f1_score(labels, answers, labels=sorted(set(labels)), average="macro")
    assert macro_f1(by_class(matrix, NAMES)) == pytest.approx(f1)


def test_rows_are_classes_and_columns_answers() -> None:
    assert matrix_of([0, 0, 2], [0, 1, 1], 3) == ((1, 1, 0), (0, 0, 0), (0, 1, 0))


def test_what_nothing_allows_to_be_said_is_none() -> None:
    cat, dog, owl = by_class(((4, 0, 0), (2, 0, 0), (0, 0, 0)), NAMES)
    assert (cat.precision, cat.recall) == (pytest.approx(4 / 6), 1)
    assert (dog.precision, dog.recall, dog.f1) == (None, 0, 0)
    assert (owl.precision, owl.recall, owl.f1) == (None, None, None)


@pytest.mark.parametrize(
    ("row", "classes"),
    [
        ({"confusion": [[3, 1, 0], [0, 0, 0], [0, 0, 2]], "classes": NAMES}, 2),
        ({"accuracy_by_class": [0.5, None, 0.0], "confusion": None, "classes": NAMES}, 2),
        ({"classes": NAMES}, 3),
        ({}, 0),
    ],
)
def test_classes_without_images_do_not_judge(row: dict[str, Any], classes: int) -> None:
    assert judged_classes(row) == classes


def test_always_answering_the_largest_class_is_seen_through() -> None:
    figures = by_class(((95, 0), (5, 0)), ("common", "rare"))
    assert largest_share(figures) == 0.95
    assert balanced_accuracy(figures) == 0.5
    assert never_answered(figures) == ("rare",)


def test_a_class_without_images_is_not_missed() -> None:
    figures = by_class(((3, 0), (0, 0)), ("a", "b"))
    assert never_answered(figures) == ()
    assert balanced_accuracy(figures) == 1


def test_many_classes_ask_for_no_more_than_their_number() -> None:
    names = [str(n) for n in range(65_535)]
    figures = figures_of([0, 65_534, 65_534], [0, 65_534, 1], names)
    assert [(of.images, of.answered, of.recall) for of in (*figures[:2], figures[-1])] == [
        (1, 1, 1.0), (0, 1, None), (2, 1, 0.5),
    ]  # fmt: skip
    assert balanced_accuracy(figures) == 0.75


def test_names_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match="must be of 3 classes, got 2"):
        by_class(((1, 0), (0, 1)), NAMES)
