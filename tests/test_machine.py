"""What a container or another affinity leaves of a machine is what is used of it."""

import os
from pathlib import Path

import psutil
import pytest

from smidgen.machine import memory, processors, seconds_of_process


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    def affinity(process: int) -> set[int]:
        assert process == 0, "this one"
        return set(range(8))

    monkeypatch.setattr(os, "sched_getaffinity", affinity, raising=False)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "6400000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu.max": "broken"}, 8),
    ],
)
@pytest.mark.usefixtures("eight")
def test_processors_are_those_of_the_affinity_and_the_quota(
    files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    _write(tmp_path, files)
    assert processors(tmp_path) == expected


def test_where_there_is_no_affinity_all_processors_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert processors(tmp_path) == 3


@pytest.mark.parametrize(
    "files", [{"memory.max": "1000\n"}, {"memory/memory.limit_in_bytes": "1000\n"}]
)
def test_memory_is_what_is_free_or_a_containers_limit(
    files: dict[str, str], tmp_path: Path
) -> None:
    assert memory(tmp_path) > 1000
    _write(tmp_path, {"memory.max": "max\n"})
    assert memory(tmp_path) > 1000
    _write(tmp_path, files)
    assert memory(tmp_path) == 1000


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_a_process_is_as_old_as_its_beginning_at_most_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = psutil.Process().create_time()
    for now, age in ((began + 7, 7.0), (began - 3, 0.0), (began + 86_400, 60.0)):
        monkeypatch.setattr("smidgen.machine.time.time", lambda now=now: now)
        assert seconds_of_process() == pytest.approx(age)
