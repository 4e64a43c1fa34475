"""Archives of data, as people download and send them, unpacked once into the cache."""

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import IO, Any, BinaryIO, NamedTuple, final

from smidgen.data.cache import LEFT, Cache
from smidgen.data.errors import DataError
from smidgen.data.names import is_system
from smidgen.limits import ARCHIVED, VALUES
from smidgen.names import shown

TARS: dict[str, Callable[[BinaryIO], Any]] = {
    ".tar": lambda file: file,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tbz2": bz2.open,
    ".tar.xz": lzma.open,
    ".txz": lzma.open,
}
ZIP = ".zip"
_ENCRYPTED = 1  # of a member's flags
_UTF8 = 1 << 11  # likewise
_HEADER = 1 << 20  # bytes that are read in one go: a longer one is of an archive that attacks
_BLOCK = 1 << 20  # bytes
_DEEPEST = 32  # folders above a file
_LONGEST = 255  # bytes of a name, on most file systems
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError, ValueError, OSError),  # OSError: of bz2 and gzip, too
)


class _Member(NamedTuple):
    """A file in an archive."""

    name: str
    size: int  # bytes, as the archive says
    content: IO[bytes]


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive that :func:`unpacked` reads, by its ending."""
    return path.is_file() and _ending(path.name) is not None


def name_of(path: Path) -> str:
    """Return the name of an archive without its ending: that of the data in it."""
    ending = _ending(path.name)
    return path.name[: -len(ending)] if ending else path.name


def unpacked(path: Path, cache: Cache) -> Path:
    """Return the folder that an archive was unpacked to; the same content is unpacked once.

    Nothing is written outside that folder, whatever an archive says: there are no links and no
    devices in it, and what systems add, as ``__MACOSX``, is left out.

    Args:
        path: Of a ``.zip`` or ``.tar``, also of gzip, bzip2 or xz.
        cache: Holds the folder.

    Raises:
        DataError: In one line, if it is broken, encrypted, too large, or what it holds has no
            place in a folder; or if the cache cannot be written.
    """
    folder = cache.folder / "archives" / f"{name_of(path)[:50]}-{_digest(path)}"
    if folder.is_dir():
        return folder
    partial = folder.with_name(f"{folder.name}.{token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise DataError(
            f"{path} cannot be unpacked to {partial.parent}: {error.strerror or error}; unpack it"
            " and name the folder"
        ) from error
    try:
        _unpack(path, partial)
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # another process was faster
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _unpack(path: Path, folder: Path) -> None:
    written = count = 0
    room = min(VALUES, shutil.disk_usage(folder).free - LEFT)
    try:
        with _members(path) as members:
            for member in members:
                count += 1
                written += member.size
                _require_room(path, count, written, room)
                if (place := _place(path, member.name)) is not None:
                    _write(path, member, folder / place)
    except DataError:
        raise
    except _BROKEN as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{path} cannot be unpacked: {shown(said)}") from error


def _require_room(path: Path, count: int, written: int, room: int) -> None:
    """Refuse what holds more than a data set may, or the disk has room for."""
    if count > ARCHIVED:
        raise DataError(f"{path} must hold at most {ARCHIVED:,} files")
    if written > room:
        what = "a data set may have" if room == VALUES else "the disk of the cache has room for"
        raise DataError(f"{path} unpacks to more than the {room / 1e6:,.0f} MB that {what}")


def _place(path: Path, name: str) -> PurePosixPath | None:
    """Return where a file belongs below the folder; None if it is a system's own.

    Raises:
        DataError: If it leads out of there, or no file system has such a name.
    """
    place = PurePosixPath(name.replace("\\", "/"))
    parts = place.parts
    outside = place.is_absolute() or ".." in parts or any(":" in part for part in parts[:1])
    if outside or not parts:
        raise DataError(f"{path} holds {shown(name)}, which leads out of its folder")
    if len(parts) > _DEEPEST or max(len(os.fsencode(part)) for part in parts) > _LONGEST:
        raise DataError(f"{path} holds {shown(name)}, which no file can be called")
    return None if any(map(is_system, parts)) else place


def _write(path: Path, member: _Member, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    with place.open("wb") as file:
        while block := member.content.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise DataError(f"{path} holds {shown(member.name)}, which is larger than it says")
            file.write(block)


@contextmanager
def _members(path: Path) -> Generator[Iterator[_Member]]:
    """Open an archive and give its files, in its order."""
    ending = _ending(path.name)
    if ending == ZIP:
        with zipfile.ZipFile(path) as archive:
            yield _of_zip(path, archive)
        return
    with path.open("rb") as packed, TARS[str(ending)](packed) as file:
        bounded: Any = _Bounded(path, file)
        with tarfile.open(fileobj=bounded, mode="r:") as archive:
            yield _of_tar(path, archive)
            # tarfile takes one that is cut between two files for whole
            bounded.seek(archive.offset)
            if bounded.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise DataError(f"{path} cannot be unpacked: its end is missing")


def _of_zip(path: Path, archive: zipfile.ZipFile) -> Iterator[_Member]:
    held = archive.infolist()
    if any(member.flag_bits & _ENCRYPTED for member in held):
        raise DataError(f"{path} is encrypted: unpack it with its password, and name the folder")
    _require_room(path, len(held), sum(member.file_size for member in held), VALUES)
    for member in held:
        if not member.is_dir():
            with archive.open(member) as content:
                yield _Member(_named(member), member.file_size, content)


def _named(member: zipfile.ZipInfo) -> str:
    """Return the name of a file; macOS and others write UTF-8 and do not say so."""
    if member.flag_bits & _UTF8:
        return member.filename
    try:
        return member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename


def _of_tar(path: Path, archive: tarfile.TarFile) -> Iterator[_Member]:
    for member in archive:
        if member.isdir():
            continue
        content = archive.extractfile(member) if member.isfile() else None
        if content is None:
            raise DataError(
                f"{path} holds {shown(member.name)}, which is a link or a device: unpack it, and"
                " name the folder"
            )
        yield _Member(member.name, member.size, content)


@final
class _Bounded:
    """What a compressed tar unpacks to, without headers that memory does not hold."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file = path, file

    def read(self, size: int) -> bytes:
        if size > _HEADER:
            raise DataError(f"{self._path} has a header of {size:,} bytes, too many")
        return self._file.read(size)

    def seek(self, place: int) -> int:
        if place > VALUES:
            raise DataError(
                f"{self._path} unpacks to more than the {VALUES / 1e6:,.0f} MB that a data set may"
                " have"
            )
        return self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()


def _ending(name: str) -> str | None:
    plain = name.casefold()
    return next((ending for ending in (ZIP, *TARS) if plain.endswith(ending)), None)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:16]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
