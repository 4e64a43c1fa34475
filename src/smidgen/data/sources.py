"""From the name of a data set, or a path, to the data."""

import logging
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from smidgen.data.archives import is_archive, name_of, unpacked
from smidgen.data.arrays import KEPT, kept_arrays
from smidgen.data.base import Data, Progress, Source
from smidgen.data.cache import Cache, cache_at
from smidgen.data.catalogue import Wish, asked_for
from smidgen.data.digits import Digits
from smidgen.data.errors import DataError, DataWarning, tell
from smidgen.data.hub import Hub
from smidgen.data.inspection import Inspection, inspected
from smidgen.data.layouts import Folders, Idx, Layout, Npz, Windows, layout_of
from smidgen.data.layouts.folders import is_made
from smidgen.data.making import made
from smidgen.data.names import class_names, is_system
from smidgen.data.plugged import Plugged, plugged
from smidgen.data.preprocessing import Preprocessing
from smidgen.data.remembered import (
    FOLDERS,
    asked_of,
    place_of,
    remembered,
    with_asked,
    with_remembered,
)
from smidgen.data.sizes import ImageSize
from smidgen.data.turned import exchanged
from smidgen.files import at_home
from smidgen.machine import memory
from smidgen.names import bare, require_kind, shown
from smidgen.plugins import DATA, names
from smidgen.text import nearest
from smidgen.torch_state import float32_on_the_cpu

_LOG = logging.getLogger(__name__)
VARIABLE = "SMIDGEN_DATA"  # a folder of local copies
# Repository, configuration and revision; no ./folder. A revision is looked for as a file of the
# hub's cache, so that it is no path that leads out of there.
HUB_ID = re.compile(
    r"([\w-][\w.-]*/[\w.-]+?)(?::([\w-][\w.-]*))?(?:@([\w-](?:[\w/-]|\.(?!\.))*))?", re.ASCII
)
UNPINNED = "main"
_MOST_COMPARED = 1000  # folders, with a name that is unknown
_MOST_FOLDERS = 8  # that are named with the data sets that are known
KNOWN = "known:"  # before a name that a folder here has too
NO_DATA_DIR = "--data-dir changes nothing"
NO_COLUMNS = (
    "is read without a table, so that --image-column and --label-column change nothing (--data may"
    " name the table itself)"
)
_WITHOUT_COLUMNS = (Digits, Folders, Idx, Npz, Windows)


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


def load(  # noqa: PLR0913 - all but one by keyword
    name_or_path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    image_size: ImageSize = None,
    color: str | None = None,
    fit: str | None = None,
    turned: bool = False,
    preprocessing: Preprocessing | None = None,
    classes: Iterable[str] = (),
    image_column: str | None = None,
    label_column: str | None = None,
    skip_broken: bool = False,
    group_by: str | None = None,
    window: int | None = None,
    other_classes: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Progress = None,
) -> Data:
    """Return a data set, whole and in memory.

    A local copy is looked for first: a folder named as the data set, in ``data_dir`` or else in
    the folder that SMIDGEN_DATA names. Otherwise it comes from the hub. It is decoded once and
    then read from the cache, for as long as the files it came from stay as they are.

    Args:
        name_or_path: A name in ``NAMED``; a folder or file of one of the layouts of
            docs/data.md; or the hub's ``owner/name``, with ``@revision`` to pin it,
            ``owner/name:configuration`` where it has several.
        data_dir: A folder of local copies, which must then hold this one.
        image_size: N or HxW that every image is fitted to; without it one is chosen, and told.
        color: ``grey`` or ``rgb``; grey if all images are, by default.
        fit: ``stretch``, which is the default, ``crop`` or ``pad``.
        turned: Whether rows and columns of every image are exchanged, after the fit.
        preprocessing: Of a run, instead of those four.
        classes: Of a run, in its order: labels are matched to them by name, and data that only
            have test images are taken.
        image_column: Of a table, where it is not clear.
        label_column: Likewise; or how names of files tell the classes: ``prefix``, the first word
            (``cat.1.jpg``), or ``series``, all but the last number (``great_dane_12.jpg``).
        skip_broken: Whether images that cannot be read are left out and told.
        group_by: What belongs together, as the pictures of one recording or patient, and is never
            both learned from and judged on: a column of a table, an array of a .npz, or of names of
            files ``folder``, ``series`` (names that differ in their last number alone) or
            ``prefix`` (their first word).
        window: Moments of the windows that recordings of a sensor, CLASS/*.csv, are cut into, a new
            one every half of it; windows of one recording are then never on two sides.
        other_classes: Whether pictures of classes that ``classes`` lack are taken, their classes
            behind those; they are refused otherwise.
        cache_dir: Where decoded data are kept; by default ``smidgen`` below XDG_CACHE_HOME, or
            ~/.cache, and if that cannot be written a warning says that nothing is kept.
        progress: Called with what is being decoded, how many images are done, of how many.

    Raises:
        DataError: In one line, if there are no such data or something in them is broken.

    Warns:
        DataWarning: Of each of ``Data.notes``.
    """
    if preprocessing is not None:
        require_kind(preprocessing, Preprocessing, "preprocessing", "that of a run")
    if preprocessing is not None and turned:
        raise DataError(f"rows and columns are as those of the run, {preprocessing.text}")
    if preprocessing is not None and preprocessing.turned:
        preprocessing, turned = preprocessing.exchanged, True
    wish = asked_for(
        image_size=image_size,
        color=color,
        fit=fit,
        preprocessing=preprocessing,
        classes=class_names("a run", classes),
        image_column=image_column,
        label_column=label_column,
        skip_broken=skip_broken,
        group_by=group_by,
        window=window,
        other_classes=other_classes,
    )
    if isinstance(name_or_path, str):
        origin, name_or_path = name_or_path, place_of(name_or_path)
        _require_installed(name_or_path, asked_of(origin).get("package", ""))
        wish, data_dir = with_remembered(wish, origin), data_dir or asked_of(origin).get("data-dir")
        if name_or_path.startswith(KEPT):
            held = cache_dir or asked_of(origin).get("cache-dir")
            kept = replace(kept_arrays(name_or_path, wish, held), origin=origin)
            return exchanged(kept) if turned else kept
    cache = cache_at(cache_dir)
    name, source = find(name_or_path, data_dir, wish, cache)
    data = _read(name, source, wish, cache, progress)
    data = replace(data, origin=_origin(name_or_path, source, wish, data_dir))
    tell(name, data.notes)
    return exchanged(data) if turned else data


def inspect(
    name_or_path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    progress: Progress = None,
    **asked: Any,
) -> Inspection:
    """Return what is understood of a data set; ``asked`` are arguments of :func:`load`.

    Raises:
        DataError: In one line, if there are no such data or nothing in them can be used.
    """
    wish = asked_for(**asked)
    name, source = find(name_or_path, data_dir, wish)
    data = _read(name, source, wish, cache_at(None), progress)
    data = replace(data, origin=_origin(name_or_path, source, wish, data_dir))
    return inspected(data, source.catalogue(wish), wish)


def _read(name: str, source: Source, wish: Wish, cache: Cache, progress: Progress) -> Data:
    if wish.window and not wish.classes and not isinstance(source, Windows):
        raise DataError(
            f"{name} must be recordings of a sensor, CLASS/*.csv, to be cut into windows (--window,"
            f" or window=): leave that out"
        )
    by_names = isinstance(source, Windows) and source.way is not None
    asked = wish.image_column or wish.label_column
    if asked and not by_names and isinstance(source, _WITHOUT_COLUMNS):
        warnings.warn(f"{name} {NO_COLUMNS}", DataWarning, stacklevel=3)
    path = cache.path(name, source.key(wish))
    data = cache.read(path, name)
    if data is None and isinstance(source, Hub):
        source = source.settled()
        if source.files:
            path = cache.path(name, source.key(wish))
            data = cache.read(path, name)
    _LOG.info(
        "%s: %s %s", name, "decoded from" if data is None else "read from the cache of", source
    )
    if data is None:
        writable = cache.require_writable()

        def planned(size: int) -> None:
            nonlocal writable
            writable = writable and cache.has_room(size)
            if size > (free := memory()):
                warnings.warn(
                    f"the decoded pictures of {name} take {size / 1e6:,.0f} MB of memory, and"
                    f" {free / 1e6:,.0f} MB are free: --image-size N, or image_size=N, makes them"
                    " smaller",
                    DataWarning,
                    stacklevel=2,
                )

        with float32_on_the_cpu():
            data = made(name, source.catalogue(wish), wish, progress, planned)
        if writable:
            cache.write(path, data, source=repr(source))
    return data


def _require_installed(name: str, package: str) -> None:
    """Refuse data of a package that is not there, naming it."""
    if package and name.removeprefix(KNOWN) not in others() and not Path(name).exists():
        raise DataError(
            f"the data set {shown(name)} is of the package {bare(package)}, which is not"
            " installed here"
        )


def others() -> Mapping[str, Source]:
    """Return the data sets of other packages, by name; those that break are told."""
    return plugged(frozenset(NAMED))


def _origin(
    name_or_path: str | os.PathLike[str],
    source: Source,
    wish: Wish,
    data_dir: str | os.PathLike[str] | None,
) -> str:
    """Return what finds the data again as they were asked for, from any working folder."""
    place = origin_of(name_or_path, source)
    held = None
    if isinstance(source, Layout) and not Path(place).is_absolute():
        if _is_of_folder(place) and (local := _local(place, data_dir)):
            place = str(local.resolve())
        elif data_dir is not None:
            held = str(at_home(data_dir).resolve())
    whose = source.package if isinstance(source, Plugged) else None
    return with_asked(place, {**remembered(wish, held), "package": whose})


def find(
    name_or_path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    wish: Wish | None = None,
    cache: Cache | None = None,
) -> tuple[str, Source]:
    """Return the name of the data and where they are; see :func:`load`.

    Args:
        name_or_path: As there.
        data_dir: Likewise.
        wish: What is asked of them, if it is known: names of files may tell the classes.
        cache: Holds what archives are unpacked to; by default the usual one.

    Raises:
        DataError: If they are no name, path or place on the hub, or nothing is there.
    """
    try:
        text = os.fspath(name_or_path)
    except TypeError:
        raise DataError(
            "data are a name, a folder, a file or owner/name, and arrays come in by"
            f" smidgen.data.from_arrays, got {shown(name_or_path)}"
        ) from None
    if isinstance(name_or_path, str) and text.removeprefix(KNOWN) in {*NAMED, *names(DATA)}:
        return _known(text, data_dir, wish)
    if not text.strip():
        raise DataError(f"the data set must have a name, got {text!r}")
    if isinstance(name_or_path, str) and (match := HUB_ID.fullmatch(text)):
        # As on a command line, a folder that is there is meant before a place on the hub.
        if Path(text).is_dir():
            _tell_unused(f"{text} is read where it is", data_dir)
            return Path(text).name, layout_of(Path(text), wish)
        repository, configuration, revision = match.groups()
        there = Hub(repository, revision or UNPINNED, configuration)
        if local := _local("/".join(filter(None, (repository, configuration))), data_dir):
            if revision:
                said = f"{there.name}: {local} is read, a local copy, whatever its revision"
                warnings.warn(said, DataWarning, stacklevel=3)
            return there.name, layout_of(local, wish)
        if not Path(text.split("/", maxsplit=1)[0]).is_dir():
            return there.name, _of_hub(there, pinned=revision is not None)
    own = cache or cache_at(None)
    return _at(text, data_dir, wish, own, is_name=isinstance(name_or_path, str))


def to_fetch(place: str, data_dir: str | os.PathLike[str] | None = None) -> Hub | None:
    """Return the data set of the hub that a place names, if no file of it is here yet."""
    found = HUB_ID.fullmatch(place)
    if found is None or Path(place.split("/", maxsplit=1)[0]).is_dir():
        return None
    repository, configuration, revision = found.groups()
    if _local("/".join(filter(None, (repository, configuration))), data_dir):
        return None
    there = Hub(repository, revision or UNPINNED, configuration)
    return None if there.is_fetched else there


def _at(
    text: str,
    data_dir: str | os.PathLike[str] | None,
    wish: Wish | None,
    cache: Cache,
    *,
    is_name: bool,
) -> tuple[str, Source]:
    """Return what a path holds, or the local copy of that name."""
    path = at_home(text)
    if not path.exists() and _is_of_folder(text):
        if is_name and (local := _local(text, data_dir)):
            return text, layout_of(local, wish)
        named, here = [*NAMED, *others()], _folders_here()
        close = get_close_matches(text[:100], here, n=1)
        said = nearest(text, [*named, *close])
        if here and not close and said.startswith("known: "):
            said += f"; folders here: {', '.join(here[:_MOST_FOLDERS])}"
        raise DataError(f"unknown data set {text!r}; {said} (or a folder, or owner/name)")
    _tell_unused(f"{text} is read where it is", data_dir)
    if is_archive(path):
        return name_of(path.resolve()), layout_of(unpacked(path, cache), wish)
    return path.resolve().name, layout_of(path, wish)


def _is_of_folder(text: str) -> bool:
    """Return whether a text that is not known may be the name of something in a folder."""
    return text.removeprefix(KNOWN) not in NAMED and "/" not in text and os.sep not in text


def _tell_unused(why: str, data_dir: str | os.PathLike[str] | None) -> None:
    if data_dir is not None:
        warnings.warn(f"{why}: {NO_DATA_DIR}", DataWarning, stacklevel=5)


def _folders_here() -> list[str]:
    """Return the folders that a mistyped name may mean: none of runs, designs or exports."""
    try:
        found = sorted(path for path in Path().iterdir() if path.is_dir())
        plain = (path.name for path in found if not is_system(path.name) and not is_made(path))
        return [*islice(plain, _MOST_COMPARED)]
    except OSError:
        return []


def _known(
    text: str, data_dir: str | os.PathLike[str] | None, wish: Wish | None
) -> tuple[str, Source]:
    name = text.removeprefix(KNOWN)
    if name == text and Path(text).is_dir():
        raise DataError(
            f"{text!r} is a known data set and a folder here: ./{text} means the folder, "
            f"{KNOWN}{text} the data set"
        )
    source = NAMED[name] if name in NAMED else others().get(name)
    if source is None:
        raise DataError(f"the data set {name!r} of another package cannot be used")
    if isinstance(source, Digits | Plugged):
        _tell_unused(f"{name} are embedded", data_dir)
        return name, source
    local = _local(name, data_dir)
    return name, layout_of(local, wish) if local else source


def origin_of(name_or_path: str | os.PathLike[str], source: Source) -> str:
    """Return what finds the data again: an absolute path, a name, or a place and its commit."""
    text = os.fspath(name_or_path)
    if isinstance(source, Hub) and source.is_pinned and HUB_ID.fullmatch(text):
        return f"{source.name}@{source.revision}"
    path = at_home(text)
    named = isinstance(name_or_path, str) and text.removeprefix(KNOWN) in NAMED
    of_path = isinstance(source, Layout) and not named
    return str(path.resolve()) if of_path and path.exists() else text


def unplaced(origin: str, name: str) -> str:
    """Return an origin without the folders of this machine, for others to read.

    What was asked of the data stays: without it they would be split otherwise.

    Args:
        origin: Of data.
        name: That stands for their place if it is such a folder.
    """
    place, asked = place_of(origin), asked_of(origin)
    if Path(place.partition("::")[0]).is_absolute():
        place = no_data_set(name)
    return with_asked(place, {key: value for key, value in asked.items() if key not in FOLDERS})


def no_data_set(folder: str) -> str:
    """Return the name of a folder, with ``./`` before it where a known data set is called so."""
    known = folder.removeprefix(KNOWN) in {*NAMED, *names(DATA)}
    return f"./{folder}" if known else folder


def staying(origin: str, data_dir: str | os.PathLike[str] | None = None) -> str:
    """Return what finds the same data later: of the hub, the commit that a branch is at now.

    Args:
        origin: As :func:`load` takes it.
        data_dir: See there.

    Raises:
        DataError: If there are no such data.
    """
    place, asked = place_of(origin), asked_of(origin)
    if not HUB_ID.fullmatch(place):
        return origin
    wish = with_remembered(Wish(), origin)
    _, source = find(place, data_dir or asked.get("data-dir"), wish)
    return with_asked(origin_of(place, source), asked) if isinstance(source, Hub) else origin


def _of_hub(there: Hub, *, pinned: bool) -> Source:
    """Return a data set of the hub at a commit, as far as that can be known."""
    if pinned:
        return there if there.is_pinned else there.pinned()
    known = {s.repository: s.revision for s in NAMED.values() if isinstance(s, Hub)}
    if there.repository in known:
        return replace(there, revision=known[there.repository])
    warnings.warn(
        f"{there.name} is not pinned and may change; name a commit, {there.name}@REVISION",
        DataWarning,
        stacklevel=4,
    )
    return there.pinned()


def _local(name: str, data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Return the local copy of a data set, or None for the hub's."""
    folder = data_dir if data_dir is not None else os.environ.get(VARIABLE)
    if not folder:
        return None
    where, root = ("--data-dir" if data_dir is not None else VARIABLE), at_home(folder)
    if not root.is_dir():
        raise DataError(f"{where} must be a folder of local copies, got {root}")
    if (root / name).is_dir():
        return root / name
    if data_dir is None:
        return None
    held = [path.name for path in root.iterdir() if path.is_dir()]
    raise DataError(f"{where} {root} must hold {name!r}; {nearest(name, held)}")
