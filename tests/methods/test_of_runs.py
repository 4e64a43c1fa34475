"""Methods that learn from a run: what is refused of the place that they name."""

from pathlib import Path

import pytest
from tests.methods.learned import run

from smidgen.methods import Distill, Method, Pretrained
from smidgen.methods.of_runs import placed


@pytest.mark.parametrize(
    ("method", "what"), [(Distill(), "distill teacher"), (Pretrained(), "pretrained run")]
)
@pytest.mark.parametrize(
    ("place", "said"),
    [("", "must be the folder of a run, got none"), ("nowhere", "nowhere is no run folder")],
)
def test_refuses_what_is_no_run(
    method: Method,
    what: str,
    place: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"{what}:? {said}"):
        run(tmp_path / "run", [placed(method, place)])
    assert not (tmp_path / "run").exists(), "nothing is written"
