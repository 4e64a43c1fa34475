"""A proof goes through as many images at a time as there is memory for their maps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smidgen.evaluate import cost
from smidgen.export import program, targets
from smidgen.export.artefact import Artefact, Oracle, Wish, source_of
from smidgen.export.program import Pixels
from smidgen.export.proof import _latency, _over
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
