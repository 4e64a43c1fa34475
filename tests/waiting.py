"""Waiting for other processes and threads, as long as it takes on a busy machine."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

PATIENCE = 1800  # seconds; only what would never come takes as long
# Read by every Python as it starts: stops one kind of process behind its second checkpoint, the
# first time that it gets there, and says so with a file.
_STOP = """
import sys

if {module!r} in sys.orig_argv:
    import signal
    from pathlib import Path

    from smidgen import checkpoint

    stopped, save = Path({stopped!r}), checkpoint.save_checkpoint

    def save_and_stop(folder, epoch, tensors, values):
        save(folder, epoch, tensors, values)
        if epoch == 2 and not stopped.exists():
            stopped.touch()
            while True:
                signal.pause()

    checkpoint.save_checkpoint = save_and_stop
    from smidgen.study.running import one

    one.PACE = one.Pace()  # else so short a run has none
"""


def until(condition: Callable[[], object], process: "subprocess.Popen[Any] | None" = None) -> None:
    """Wait until a condition holds, as long as the process that brings it about is there."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, "the process ended before"
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def stop_at_second_checkpoint(module: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the first ``python -m module`` that gets so far stop there; return the file that tells.

    So a test can kill it in the middle of its work, however fast or slow that is.
    """
    hook, stopped = folder / "hook", folder / "stopped"
    hook.mkdir()
    form = _STOP.format(module=module, stopped=str(stopped))
    (hook / "sitecustomize.py").write_text(form)
    monkeypatch.setenv("PYTHONPATH", str(hook), prepend=":")
    return stopped


def ending(told: Event) -> type[ThreadPoolExecutor]:
    """Return a pool that sets ``told`` when it is to end, before it waits for what runs in it."""

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            told.set()
            super().shutdown(wait=True)  # so that who ends it counts what was begun

    return Pool
