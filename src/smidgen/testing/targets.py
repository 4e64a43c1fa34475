"""What every target of an export promises."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np

from smidgen.export.artefact import Artefact, Source, Wish, pixels_of, source_of
from smidgen.export.proof import proved
from smidgen.names import require_name
from smidgen.testing.given import run_with, some_data

Target: TypeAlias = Callable[[Source, Wish], Artefact]


def target_checks(target: Target) -> tuple[Callable[[Target], None], ...]:
    """Return the checks that hold for every target; each is called with it."""
    del target
    return (
        makes_files_of_bytes_with_safe_names,
        makes_the_same_files_twice,
        answers_and_is_held_against_its_oracle,
        refuses_a_wish_that_it_cannot_grant,
    )


def makes_files_of_bytes_with_safe_names(target: Target) -> None:
    """Every file has a name that no folder is left by."""
    artefact = target(_source(), Wish())
    assert artefact.files, "there must be a file"
    for name, content in artefact.files.items():
        require_name(name, "the name of a file")
        assert isinstance(content, bytes), f"{name} must be bytes, got {type(content).__name__}"


def makes_the_same_files_twice(target: Target) -> None:
    """One run gives one artefact."""
    once, again = (dict(target(_source(), Wish()).files) for _ in range(2))
    assert once == again, "made twice, the files differ"


def answers_and_is_held_against_its_oracle(target: Target) -> None:
    """What was written is run from its folder and computes what its oracle does."""
    source = _source()
    artefact = target(source, Wish())
    if artefact.infer is None:
        return  # what runs it is not on this machine
    with TemporaryDirectory() as place:
        folder = Path(place)
        for name, content in artefact.files.items():
            (folder / name).write_bytes(content)
        proof, _ = proved(source, "checked", artefact, folder)
        logits = artefact.infer(folder, 1)(pixels_of(source.data.test.images[:3]))
    assert np.shape(logits) == (3, len(source.run.classes)), "logits must be (n, classes)"
    assert proof.oracle_difference is not None, "it was not held against its oracle"
    assert proof.oracle_difference <= (proof.oracle_tolerance or 0.0), "it differs from its oracle"


def refuses_a_wish_that_it_cannot_grant(target: Target) -> None:
    """What is asked for and unknown is refused with a ValueError, never ignored."""
    refused = False
    try:
        target(_source(), Wish(numbers="int3"))
    except ValueError:
        refused = True
    assert refused, "numbers='int3' must be refused"


def _source() -> Any:
    data = some_data()
    return source_of(run_with([]), data)
