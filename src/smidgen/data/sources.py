"""From the name of a data set, or a path, to the data."""

import os
import re
import warnings
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from smidgen.data.base import Data, ImageSize, Progress, Source
from smidgen.data.cache import cache_at
from smidgen.data.digits import Digits
from smidgen.data.errors import DataError, DataWarning
from smidgen.data.folder import ImageFolder
from smidgen.data.hub import Hub
from smidgen.data.images import checked_size
from smidgen.data.parquet import ParquetFolder, parquet_files
from smidgen.text import nearest

VARIABLE = "SMIDGEN_DATA"  # a folder of local copies
HUB_ID = re.compile(r"([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?", re.ASCII)
UNPINNED = "main"

NAMED = MappingProxyType(
    {
        "digits": Digits(),
        "mnist": Hub("ylecun/mnist", "77f3279092a1c1579b2250db8eafed0ad422088c"),
        "fashion-mnist": Hub(
            "zalando-datasets/fashion_mnist", "531be5e2ccc9dba0c201ad3ae567a4f3d16ecdd2"
        ),
        "cifar10": Hub("uoft-cs/cifar10", "0b2714987fa478483af9968de7c934580d0bb9a2"),
        "cifar100": Hub("uoft-cs/cifar100", "aadb3af77e9048adbea6b47c21a81e47dd092ae5"),
    }
)


def load(
    name_or_path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    image_size: ImageSize = None,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Progress = None,
) -> Data:
    """Return a data set, whole and in memory.

    A local copy is looked for first: a folder named as the data set, in ``data_dir`` or else in
    the folder that SMIDGEN_DATA names. Otherwise it comes from the hub. It is decoded once and
    then read from the cache, for as long as the files it came from stay as they are.

    Args:
        name_or_path: A name in ``NAMED``; a folder of ``train/CLASS/*.png`` or of Parquet; or
            the hub's ``owner/name``, with ``@revision`` to pin it.
        data_dir: A folder of local copies, which must then hold this one.
        image_size: Height and width, or one side for both, that every image is resized to;
            without it, all images must have one size and colour mode.
        cache_dir: Where decoded data are kept; by default ``smidgen`` below XDG_CACHE_HOME, or
            ~/.cache, and if that cannot be written a warning says that nothing is kept.
        progress: Called with what is being decoded, how many images are done, of how many.

    Raises:
        DataError: In one line, if there are no such data or something in them is broken.

    Warns:
        DataWarning: Of each of ``Data.notes``.
    """
    size = checked_size(image_size)
    name, source = find(name_or_path, data_dir)
    cache = cache_at(cache_dir)
    path = cache.path(name, source.key(size))
    data = cache.read(path, name)
    if data is None:
        writable = cache.require_writable()
        data = source.read(name, size, progress)
        if writable:
            cache.write(path, data, source=repr(source))
    data = replace(data, origin=origin_of(name_or_path, source))
    for note in data.notes:
        warnings.warn(f"{name}: {note}", DataWarning, stacklevel=2)
    return data


def find(
    name_or_path: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None = None
) -> tuple[str, Source]:
    """Return the name of the data and where they are; see :func:`load`."""
    text = os.fspath(name_or_path)
    if text in NAMED:
        if isinstance(NAMED[text], Digits):
            if data_dir is not None:
                said = f"{text} are embedded: --data-dir changes nothing"
                warnings.warn(said, DataWarning, stacklevel=3)
            return text, NAMED[text]
        local = _local(text, data_dir)
        return text, _folder(local) if local else NAMED[text]
    if not text.strip():
        raise DataError(f"the data set must have a name, got {text!r}")
    if isinstance(name_or_path, str) and (match := HUB_ID.fullmatch(text)):
        # As on a command line, a folder that is there is meant before a place on the hub.
        if Path(text).is_dir():
            return Path(text).name, _folder(Path(text))
        repository, revision = match.groups()
        if local := _local(repository, data_dir):
            return repository, _folder(local)
        if not Path(text.split("/", maxsplit=1)[0]).is_dir():
            return repository, _of_hub(repository, revision)
    path = Path(text).expanduser()
    if not path.exists() and len(path.parts) == 1:
        raise DataError(
            f"unknown data set {text!r}; {nearest(text, NAMED)} (or a folder, or owner/name)"
        )
    return path.resolve().name, _folder(path)


def origin_of(name_or_path: str | os.PathLike[str], source: Source) -> str:
    """Return what finds the data again from any working folder: an absolute path, or the name."""
    text = os.fspath(name_or_path)
    found_by_path = text not in NAMED and isinstance(source, ImageFolder | ParquetFolder)
    path = Path(text).expanduser()
    return str(path.resolve()) if found_by_path and path.is_dir() else text


def _of_hub(repository: str, revision: str | None) -> Source:
    pinned = {s.repository: s.revision for s in NAMED.values() if isinstance(s, Hub)}
    if revision is None and repository not in pinned:
        warnings.warn(
            f"{repository} is not pinned and may change; name a commit, {repository}@REVISION",
            DataWarning,
            stacklevel=4,
        )
    return Hub(repository, revision or pinned.get(repository, UNPINNED))


def _local(name: str, data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Return the local copy of a data set, or None for the hub's."""
    folder = data_dir if data_dir is not None else os.environ.get(VARIABLE)
    if not folder:
        return None
    where, root = ("--data-dir" if data_dir is not None else VARIABLE), Path(folder).expanduser()
    if not root.is_dir():
        raise DataError(f"{where} must be a folder of local copies, got {root}")
    if (root / name).is_dir():
        return root / name
    if data_dir is None:
        return None
    held = [path.name for path in root.iterdir() if path.is_dir()]
    raise DataError(f"{where} {root} must hold {name!r}; {nearest(name, held)}")


def _folder(path: Path) -> Source:
    """Return what reads the folder ``path``: images if it has train/CLASS, else Parquet."""
    if not path.exists():
        raise DataError(f"there is no folder {path}")
    if not path.is_dir():
        raise DataError(f"{path} must be a folder, got a file")
    train = path / "train"
    if train.is_dir() and any(part.is_dir() for part in train.iterdir()):
        return ImageFolder(path)
    return ParquetFolder(path) if parquet_files(path) else ImageFolder(path)
