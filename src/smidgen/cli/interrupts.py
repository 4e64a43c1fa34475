"""Ctrl-C, and signals that end a command as it does: they wait for the end of an import."""

import _thread
import inspect
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType

from smidgen.machine import DECODING

_AGAIN = 0.05  # seconds until it is asked again whether the import has ended
_ENDING = [one for one in signal.Signals if one.name in ("SIGTERM", "SIGHUP")]
BY_SIGNAL = 128  # is added to its number where one ends a process
_IMPORT = "<frozen importlib"  # how the files of Python's own import begin


@contextmanager
def after_imports() -> Generator[None]:
    """Raise KeyboardInterrupt only while no module is being imported.

    Inside an import it may be lost, and what was to be stopped goes on: torch asks for numpy in C
    and takes any error for its absence. Or half a module stays, and the next error tells of that.
    Changes nothing outside the main thread, or where Ctrl-C is somebody else's.
    """
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        and not _importing(inspect.currentframe())
    )
    if not ours:
        yield
        return
    signal.signal(signal.SIGINT, _interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def like_control_c() -> Generator[list[int]]:
    """End a command by SIGTERM or SIGHUP as by Ctrl-C: what it holds is tidied up.

    Otherwise half-made folders stay, and in a container, where a command is process 1, SIGTERM
    does nothing. A signal that is ignored, as under nohup, or somebody else's, stays so.

    Yields:
        The numbers of those that came.
    """
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        _interrupted(number, frame)

    main = threading.current_thread() is threading.main_thread()
    ours = [one for one in _ENDING if main and signal.getsignal(one) is signal.SIG_DFL]
    for one in ours:
        signal.signal(one, end)
    try:
        yield came
    finally:
        for one in ours:
            signal.signal(one, signal.SIG_DFL)


def leave_decoding(status: object) -> None:
    """End this process at once if an interrupted command left pictures that are being decoded.

    Python would wait for their threads, which cannot be stopped, keep nothing and may take long.
    What else was begun has been tidied up by then.

    Args:
        status: That the process is to end with.
    """
    names = [thread.name for thread in threading.enumerate() if not thread.daemon]
    decoding = any(name.startswith(DECODING) for name in names)
    if decoding and isinstance(status, int) and status > BY_SIGNAL:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # closed, or nobody reads on
                stream.flush()
        os._exit(status)


def _interrupted(number: int, frame: FrameType | None) -> None:
    if not _importing(frame):
        raise KeyboardInterrupt
    again = threading.Timer(_AGAIN, _thread.interrupt_main, (number,))
    again.daemon = True
    again.start()


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORT):
            return True
        frame = frame.f_back
    return False
