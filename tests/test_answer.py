"""What a net says of one picture."""

import numpy as np
import pytest

from smidgen.answer import Answer, answers_of

CLASSES = ("cat", "dog", "bird", "fish")


def test_an_answer_is_the_softmax_the_likeliest_first() -> None:
    logits = np.array([[0.0, np.log(6), np.log(2), np.log(1)]], np.float32)
    (answer,) = answers_of(logits, CLASSES)
    assert [name for name, _ in answer.ranking] == ["dog", "bird", "cat", "fish"]
    assert answer.name == "dog"
    assert answer.probability == pytest.approx(0.6)
    assert answer.probabilities == pytest.approx({"dog": 0.6, "bird": 0.2, "cat": 0.1, "fish": 0.1})
    assert answer.top(2) == answer.ranking[:2]


def test_large_logits_do_not_overflow() -> None:
    (answer,) = answers_of(np.array([[30_000, 29_000, -30_000, 0]], np.int32), CLASSES)
    assert (answer.name, answer.probability) == ("cat", 1.0)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_no_answer(number: float) -> None:
    with pytest.raises(ValueError, match="must give finite logits, got NaN or infinity"):
        answers_of(np.array([[1, number, 2, 0]]), CLASSES)


def test_of_equals_the_class_named_first_wins_as_with_argmax() -> None:
    (answer,) = answers_of(np.array([[1, 2, 2, 0]]), CLASSES)
    assert [name for name, _ in answer.top(2)] == ["dog", "bird"]


def test_an_answer_may_be_the_mean_of_several_rows() -> None:
    shares = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.4, 0.4, 0.1], [0.1, 0.6, 0.2, 0.1]])
    one, two = answers_of(np.log(shares), CLASSES, [1, 2])
    assert (one, two.windows) == (answers_of(np.log(shares[:1]), CLASSES)[0], 2)
    assert two.probabilities == pytest.approx({"dog": 0.5, "bird": 0.3, "cat": 0.1, "fish": 0.1})


def test_an_answer_is_a_small_value_that_shows_itself() -> None:
    answer = Answer((("dog", 0.9), ("cat", 0.06), ("bird", 0.03), ("fish", 0.01)))
    assert hash(answer) == hash(Answer(answer.ranking))
    assert str(answer) == "dog 90.0 %"
    assert repr(answer) == "Answer(dog 90.0 %, cat 6.0 %, bird 3.0 %, and 1 more)"
    with pytest.raises(ValueError, match="top must be a whole number >= 1, got 0"):
        answer.top(0)


def test_an_answer_shows_names_that_would_move_the_cursor_as_numbers() -> None:
    answer = Answer((("\x1b[2Jcat", 0.9), ("d\rog", 0.1)))
    assert str(answer) == r"\x1b[2Jcat 90.0 %"
    assert repr(answer) == r"Answer(\x1b[2Jcat 90.0 %, d\x0dog 10.0 %)"
    assert answer.name == "\x1b[2Jcat"
