"""A search trains and judges on training images alone; only its last step opens the test images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smidgen.data import Data, Split
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.design.judging import Judging
from smidgen.study.design.search import Candidate, Search
from smidgen.study.job import Origin
from smidgen.study.running.local import Event
from smidgen.study.running.one import execute
from smidgen.study.status import Status
from smidgen.study.store import Store

OPENED: list[str] = []
SEALED: list[bool] = []


class Sealed(Split):
    """Images that tell when somebody looks at them."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if SEALED and name in ("images", "labels"):
            OPENED.append(name)
        return super().__getattribute__(name)


class InProcess:
    """Runs the queued trials of a store here, on data whose test images are sealed."""

    def __init__(self, store: Store, data: Data) -> None:
        self.store, self.data = store, data
        self.opened: dict[str, bool] = {}

    def finish(self, study: str, observer: Callable[[Event], None]) -> Status:
        del observer
        while claimed := self.store.claim("here", study):
            OPENED.clear()
            SEALED.append(True)
            try:
                row = execute(claimed.job, self.data, self.store.folder(claimed.key))
            finally:
                SEALED.clear()
            self.opened[claimed.key] = bool(OPENED)
            self.store.finish(claimed.key, "here", row)
        return self.store.status(study)


@pytest.mark.parametrize("folds", [0, 5])
def test_choices_never_touch_a_test_image(
    folds: int, digits: Data, tiny: NetSpec, tmp_path: Path
) -> None:
    data = Data(
        "digits",
        digits.train,
        Sealed(digits.test.images, digits.test.labels),
        digits.classes,
    )
    store = Store(tmp_path / "study.db")
    runner = InProcess(store, data)
    judging = Judging(folds, balanced=False, images=100)
    search = Search(store, runner, Origin("digits"), data, judging, lambda news: None)
    candidate = Candidate(tiny, (), Recipe(epochs=1))
    chosen = search.measure("reduce", [candidate], [0, 1])
    assert runner.opened
    assert not any(runner.opened.values()), "a choice looked at the test images"
    assert {row["split"] for row in chosen[candidate].values()} == {"held-out"}
    search.measure("confirm", [candidate], [0], full=True)
    assert runner.opened[search.key(candidate, 0, full=True)], "the seal does not tell"
