"""Windows of a sensor at the command line: what is said of them, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.command import command

MOMENTS = 32


def waves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return windows n 1 moments 2 of slow and of fast waves, and their classes."""
    draw, time = np.random.default_rng(seed), np.arange(MOMENTS)
    kind = np.arange(count) % 2
    phase = draw.uniform(0, 6.28, (count, 1)) + 0.3 * (1 + 2 * kind[:, None]) * time
    values = np.stack([np.sin(phase), np.cos(phase)], 2)
    return (values + draw.normal(0, 0.1, values.shape))[:, None], kind


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with data, new windows and a run of a named net."""
    folder = tmp_path_factory.mktemp("windows")
    x, y = waves(80, 0)
    np.savez(folder / "moves.npz", x=x, y=y)
    np.save(folder / "new.npy", waves(3, 1)[0][:, 0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        trained = command(
            *("train", "windows-2k-dw", "--data", "moves.npz", "--epochs", "2", "--out", "run"),
            where=folder,
        )
        assert trained.returncode == 0, trained.stderr
        yield folder


def test_a_named_net_is_fitted_and_trained_by_the_recipe_for_windows(place: Path) -> None:
    said = (place / "run" / "run.json").read_text()
    assert '"time-shift"' in said
    assert '"scaling"' in said
    assert '"blurpool"' not in said


def test_notes_speak_of_windows(place: Path) -> None:
    said = command("inspect-data", "moves.npz", where=place).stdout
    assert "of the 80 windows were set aside as such" in said
    assert "in the training windows; a range" in said


def test_answers_are_of_windows(place: Path) -> None:
    said = command("predict", "run", "new.npy", where=place).stdout
    assert said.startswith("new.npy window 1 ")
    assert "picture" not in said


def test_a_run_is_judged_on_windows(place: Path) -> None:
    said = command("evaluate", "run", where=place).stdout
    for words in ("windows and Wilson's", "per window", "one moment,", "10,000 windows, batch"):
        assert words in said
    assert "pixel" not in said


def test_methods_of_pictures_are_refused_with_those_that_serve(place: Path) -> None:
    asked = ("train", "windows-2k-dw", "--data", "moves.npz", "--with", "flip", "--out", "other")
    refused = command(*asked, where=place)
    assert refused.returncode == 2
    assert "flip is for pictures: it would reverse time" in refused.stderr
    assert "time-shift, scaling and jitter are for windows" in refused.stderr
    assert not (place / "other").exists()
