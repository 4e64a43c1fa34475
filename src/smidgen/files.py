"""Files and folders that other processes, a crash or a full disk may come between."""

import errno
import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from secrets import token_hex

import psutil
from filelock import FileLock, Timeout

# of its process; the token tells it from one of the same number in another container
_TEMPORARY = re.compile(r".+\.([0-9]+)(?:-[0-9a-f]+)?\.tmp", re.DOTALL)
_KEPT = 50  # characters of a file's name in that of its temporary one: a name ends at 255 bytes
LOCK = ".lock"
_NEAR = 4096  # bytes at the beginning of a file, by which its kind is told
_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_READ_ALONE = (errno.EACCES, errno.EPERM, errno.EROFS)  # nobody is at work in such a folder


def at_home(place: str | os.PathLike[str]) -> Path:
    """Return a path with the folder of a user for ``~``, or as it is where nobody knows that."""
    return Path(os.path.expanduser(place))  # noqa: PTH111 - Path's own ends in a RuntimeError


def require_own(path: Path, kind: str, begins: bytes, marked: bytes = b"") -> None:
    """Refuse to write over a file that is of another kind, such as weights, a picture or notes.

    Args:
        path: To be written.
        kind: Of what is written, for the error.
        begins: How files of that kind begin, letter case aside.
        marked: What stands near their beginning.

    Raises:
        ValueError: If there is another one, or it cannot be read.
    """
    if not path.is_file():  # a pipe is not looked into
        return
    try:
        with path.open("rb") as file:
            start = file.read(_NEAR)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    if start and not (start.lower().startswith(begins) and marked in start):
        raise ValueError(f"{path} holds no {kind}, and would be overwritten: choose another file")


def require_no_link(folder: Path) -> None:
    """Refuse a link in the place of a folder that is written to: it may lead to anybody's.

    Raises:
        ValueError: If it is one, wherever it leads.
    """
    if folder.is_symlink():
        raise ValueError(
            f"{folder} must be a folder, got a link: remove it, or move all to where it leads"
        )


def copy_of_own(folder: Path, to: Path) -> None:
    """Copy a folder without the links in it: what they lead to is none of it, and may be private.

    Raises:
        OSError: If it cannot be written, or is there already.
    """

    def links(place: str, names: list[str]) -> list[str]:
        return [name for name in names if (Path(place) / name).is_symlink()]

    shutil.copytree(folder, to, ignore=links)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, also after a crash.

    Raises:
        OSError: Naming the file, if it cannot be written; what was there before is kept.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f"{path.name[:_KEPT]}.{os.getpid()}-{token_hex(4)}.tmp")
    try:
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


def write_whole(file: FileIO, content: bytes) -> None:
    """Write bytes at the end of an open file, all of them or none.

    Args:
        file: Unbuffered.
        content: To be written.

    Raises:
        OSError: Naming the file, as on a full disk.
    """
    written = 0
    try:
        while written < len(content):
            written += file.write(content[written:])
    except OSError as error:
        with suppress(OSError):  # no pipe can be cut
            end = file.tell()
            if written and file.seek(0, os.SEEK_END) == end:  # or another process added to it since
                file.truncate(end - written)
        raise OSError(error.errno, error.strerror, str(file.name)) from error


def is_temporary(path: Path) -> bool:
    """Tell whether a file is one that :func:`write_atomically` had not finished."""
    return _TEMPORARY.fullmatch(path.name) is not None


def clear_temporaries(folder: Path) -> None:
    """Remove the unfinished files of processes that are gone, as far as that can be done.

    Also those of this process's number, as every container has a process 1: the folder must be
    :func:`locked`, so that nobody else here writes in it.
    """
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
        return process != os.getpid() and psutil.pid_exists(process)
    except OverflowError:
        return False


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Keep every other process out of a folder inside this block, however it ends.

    Raises:
        ValueError: If another one is in it.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"another process is at work in {folder}: wait for it, or choose another folder"
        ) from None
    except OSError as error:
        if error.errno not in (*_NO_LOCKS, *_READ_ALONE):
            raise
    with let_go(lock):
        yield


@contextmanager
def let_go(lock: FileLock) -> Generator[None]:
    """Release a lock after this block, and leave no file of it."""
    try:
        yield
    finally:
        if lock.is_locked and os.name == "posix":  # elsewhere a release removes it
            Path(lock.lock_file).unlink(missing_ok=True)  # while it is ours
        lock.release()
