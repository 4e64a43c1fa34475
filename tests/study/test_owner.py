"""What owners left that were killed is cleared, and nothing of one that may be alive."""

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from smidgen.study import owner as module
from smidgen.study.owner import clear_dead, is_alive, owner


def left(folder: Path, process: int, age: float) -> Path:
    """Write the file of an owner that holds no lock, so many seconds ago."""
    path = folder / f"{process}-{process % 10**8:08x}"
    path.touch()
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


@pytest.fixture(scope="module")
def gone() -> int:
    """Return the number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ended.wait()
    return ended.pid


def test_what_is_dead_for_a_minute_is_cleared_and_nothing_else(tmp_path: Path, gone: int) -> None:
    running = left(tmp_path, os.getppid(), 1e4)  # it may be about to ask for its lock
    young = left(tmp_path, gone, 10)
    with owner(tmp_path) as me:
        clear_dead(tmp_path)
        assert is_alive(tmp_path, me)
        assert sorted(tmp_path.iterdir()) == sorted([tmp_path / me, running, young])
    left(tmp_path, gone, 1e4)
    clear_dead(tmp_path)
    assert list(tmp_path.iterdir()) == [running]


def test_what_is_locked_is_never_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another container a process may have a number that here is of none."""
    with owner(tmp_path) as me:
        os.utime(tmp_path / me, (0, 0))
        monkeypatch.setattr(module, "runs", Mock(return_value=False))
        clear_dead(tmp_path)
        assert (tmp_path / me).exists()
