"""A proof holds files against their oracle, in parts that there is memory for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smidgen.evaluate import cost
from smidgen.export import program, targets
from smidgen.export.artefact import Artefact, Oracle, Wish, Witness, source_of
from smidgen.export.program import Pixels
from smidgen.export.proof import _against_oracle, _heard, _latency, _over
from smidgen.testing.given import run_with, some_data

IMAGES = np.zeros((40, 1, 8, 8), np.uint8)


class Answering:
    """Answers with zeros, and knows how many images it was given at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, pixels: Pixels) -> NDArray[Any]:
        self.sizes.append(len(pixels))
        return np.zeros((len(pixels), 2), np.float32)


def test_what_runs_the_files_and_what_they_are_held_against_answer_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(program, "_PIXELS", 15 * 64)
    answering = Answering()
    _over(answering, IMAGES)
    assert answering.sizes == [15, 15, 10]
    plain = Answering()

    def started(model: bytes, threads: int = 1, *, optimised: bool = True) -> Answering:
        return plain

    monkeypatch.setattr(targets, "session", started)
    data = some_data()
    made = targets.onnx_int8(source_of(run_with([]), data), Wish())
    made.oracle.infer(IMAGES)
    assert plain.sizes == [15, 15, 10]


@pytest.mark.parametrize(("most", "sizes"), [(40, {1, 32}), (31, {1})])
def test_no_more_images_are_timed_at_once_than_there_is_memory_for(
    most: int, sizes: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "_PIXELS", most * 64)
    timed = Answering()
    oracle = Oracle("it", timed, 8, 0.0)
    artefact = Artefact({"a": b""}, None, "none", (1,), 1.0, oracle, "float32")
    found = _latency(artefact, lambda folder, threads: timed, Path(), IMAGES)
    assert {of.batch for of in found} == set(timed.sizes) == sizes


def held(expected: NDArray[Any], tolerance: float) -> Artefact:
    oracle = Oracle("it", lambda pixels: expected, len(expected), tolerance)
    return Artefact({"a": b""}, None, "none", (1,), 1.0, oracle, "float32")


LOGITS = np.random.default_rng(0).normal(0, 3, (400, 3)).astype(np.float32)


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1e-2, 1.0, 1e6])
@pytest.mark.parametrize("tolerance", [1e-5, 0.05])
def test_small_logits_are_held_to_the_same_share_as_large_ones(
    size: float, tolerance: float
) -> None:
    logits = (size * LOGITS).astype(np.float32)
    images, artefact = np.zeros((400, 1, 1, 1), np.uint8), held(logits, tolerance)
    largest = float(np.abs(logits).max())
    difference, allowed = _against_oracle(artefact, images, (1 + 4e-7) * logits)
    assert difference < allowed == pytest.approx(tolerance * largest)
    one_class = np.broadcast_to((np.arange(3) == 1) * 1e-9 * largest, (400, 3))
    with pytest.raises(ValueError, match="a does not compute what was trained: on test image"):
        _against_oracle(artefact, images, one_class)


def test_logits_of_nothing_are_equal() -> None:
    nothing = np.zeros((4, 3), np.float32)
    found = _against_oracle(held(nothing, 1e-5), np.zeros((4, 1, 1, 1), np.uint8), nothing)
    assert found[0] == 0


@pytest.mark.parametrize(("others", "refused"), [(4, False), (5, True)])
def test_an_image_with_large_logits_excuses_no_other_s_answer(others: int, refused: bool) -> None:
    logits = LOGITS.copy()
    logits[0] *= 1e7
    found = logits.copy()
    found[1 : 1 + others] = np.roll(found[1 : 1 + others], 1, axis=1)
    images = np.zeros((400, 1, 1, 1), np.uint8)
    if not refused:
        _against_oracle(held(logits, 1e-5), images, found)
        return
    message = "a does not answer as was trained: .* 98.75 % of 400 test images.* must to 99 %"
    with pytest.raises(ValueError, match=message):
        _against_oracle(held(logits, 1e-5), images, found)


def test_a_near_tie_may_be_answered_either_way() -> None:
    logits = np.array([[1.0, 1.0 + 1e-6]] * 50, np.float32)
    _against_oracle(held(logits, 1e-5), np.zeros((50, 1, 1, 1), np.uint8), logits[:, ::-1])


@pytest.mark.parametrize("tolerance", [None, 0.0, 1.0])
def test_a_witness_that_is_to_be_equal_is_refused_where_it_is_not(tolerance: float | None) -> None:
    logits = np.rint(LOGITS[:100])
    images, labels = np.zeros((100, 1, 1, 1), np.uint8), np.zeros(100, int)
    wrong = logits + (np.arange(3) == 1)
    witness = Witness("it", lambda folder, threads: lambda pixels: wrong, None, tolerance)

    def heard() -> float:
        return _heard(witness, held(logits, 0.0), Path(), images, labels, logits).same_logits

    if tolerance == 0:
        with pytest.raises(ValueError, match="a in it does not compute what was trained: on test"):
            heard()
    else:
        assert heard() == pytest.approx(2 / 3)
