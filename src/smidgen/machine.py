"""What this process may use of its machine: processors and memory."""

import os
import time
from contextlib import suppress
from math import ceil
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")  # of a container, as it sees itself
_BEGINNING = 60.0  # seconds that Python and what a command imports take, at most
DECODING = "decoding"  # how the names of threads begin that nobody must wait for: they keep nothing


def processors(cgroup: Path = CGROUP) -> int:
    """Return how many processors there are, as affinity and a container's quota leave them, >= 1.

    Args:
        cgroup: Where Linux tells the quota, of version 2 or 1.
    """
    here = getattr(os, "sched_getaffinity", None)
    found = len(here(0)) if here else os.cpu_count() or 1
    for quota, period in (
        _numbers(cgroup / "cpu.max"),
        _numbers(cgroup / "cpu" / "cpu.cfs_quota_us", cgroup / "cpu" / "cpu.cfs_period_us"),
    ):
        if quota > 0 and period > 0:
            found = min(found, ceil(quota / period))
    return max(found, 1)


def memory(cgroup: Path = CGROUP) -> int:
    """Return how many bytes of memory are free, or a container's limit if that is less.

    Args:
        cgroup: Where Linux tells the limit, of version 2 or 1.
    """
    limits = (
        _numbers(cgroup / "memory.max")[0],
        _numbers(cgroup / "memory" / "memory.limit_in_bytes")[0],
    )
    return min([psutil.virtual_memory().available, *(limit for limit in limits if limit > 0)])


def seconds_of_process() -> float:
    """Return how long ago this process began, at most a minute: a clock may have been set since."""
    return min(max(time.time() - psutil.Process().create_time(), 0.0), _BEGINNING)


def _numbers(*files: Path) -> tuple[int, int]:
    """Return the two first numbers of files; 0 where there is no limit."""
    with suppress(OSError, ValueError):  # the latter of the word max
        words = " ".join(path.read_text(encoding="utf-8") for path in files).split()
        first, second = [*map(int, words), 0][:2]
        return first, second
    return 0, 0
