"""Files and folders that other processes, a crash or a full disk may come between."""

import errno
import fcntl
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_TEMPORARY = re.compile(r".+\.([0-9]+)\.tmp", re.DOTALL)
_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def at_home(place: str | os.PathLike[str]) -> Path:
    """Return a path with the folder of a user for ``~``, or as it is where nobody knows that."""
    return Path(os.path.expanduser(place))  # noqa: PTH111 - Path's own ends in a RuntimeError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, also after a crash.

    Raises:
        OSError: Naming the file, if it cannot be written; what was there before is kept.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # of a process that had this number and was killed
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with open(os.open(temporary, flags, 0o666), "wb") as file:  # noqa: PTH123 - an open file
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Tell whether a file is one that :func:`write_atomically` had not finished."""
    return _TEMPORARY.fullmatch(path.name) is not None


def clear_temporaries(folder: Path) -> None:
    """Remove the unfinished files of processes that are gone, as far as that can be done."""
    for path in folder.iterdir():
        found = _TEMPORARY.fullmatch(path.name)
        if found and not path.is_dir() and not runs(int(found[1])):
            try:
                path.unlink(missing_ok=True)
            except OSError:  # a medium that is read alone keeps them
                return


def runs(process: int) -> bool:
    """Tell whether another process of that number runs."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return process != os.getpid()


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Keep every other process out of a folder inside this block, however it ends.

    Raises:
        ValueError: If another one is in it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is at work in {folder}: wait for it, or choose another folder"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # some network file systems have none for folders
                raise
        yield
    finally:
        os.close(handle)
