"""Who works on a trial, told by a file lock that ends with its process, however it ends."""

import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from smidgen.files import let_go, runs

_YOUNG = 60.0  # seconds
_SHARED = 0o666  # to ask for a lock, the others of a store need to write
_NAME = re.compile(r"[0-9]+-[0-9a-f]{8}")


@contextmanager
def owner(folder: Path) -> Generator[str]:
    """Yield a new name that :func:`is_alive` knows until the block or the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{os.getpid()}-{uuid4().hex[:8]}"
    lock = FileLock(folder / name, mode=_SHARED)
    lock.acquire()
    with let_go(lock):
        yield name


def is_alive(folder: Path, name: str) -> bool:
    """Tell whether the process that was given ``name`` still holds it."""
    if not _NAME.fullmatch(name):
        return False
    path = folder / name
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except (Timeout, PermissionError):  # of one that may not be asked nothing is taken away
        return True
    except OSError:
        return False


def clear_dead(folder: Path) -> None:
    """Remove what owners left that were killed; one that has just begun may hold no lock yet."""
    for path in folder.glob("*-*"):
        if not _NAME.fullmatch(path.name) or runs(int(path.name.split("-")[0])):
            continue
        with suppress(OSError):
            old = time.time() - path.lstat().st_mtime > _YOUNG
            if old and not is_alive(folder, path.name):
                path.unlink()


@contextmanager
def alone(path: Path) -> Generator[None]:
    """Keep every other process that asks for the same ``path`` waiting inside this block.

    The file is gone after it: who waits looks whether what it locked is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    lock.acquire()
    with let_go(lock):
        yield
