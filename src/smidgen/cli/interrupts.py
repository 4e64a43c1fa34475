"""Ctrl-C while modules are imported: it waits for their end."""

import _thread
import inspect
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

_AGAIN = 0.05  # seconds until it is asked again whether the import has ended
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


def _interrupted(_: int, frame: FrameType | None) -> None:
    if not _importing(frame):
        raise KeyboardInterrupt
    again = threading.Timer(_AGAIN, _thread.interrupt_main)
    again.daemon = True
    again.start()


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORT):
            return True
        frame = frame.f_back
    return False
