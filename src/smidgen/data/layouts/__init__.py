"""Layouts of folders and files, one a module: a new one is a module, its test and a line here."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Any, TypeAlias

from smidgen.data.catalogue import Wish
from smidgen.data.columns import IN_ARRAYS
from smidgen.data.errors import DataError
from smidgen.data.file_names import WAYS, class_of, told_ways
from smidgen.data.layouts.flat import Flat
from smidgen.data.layouts.folders import (
    DEEPEST,
    OF_BOXES,
    Folders,
    class_folders,
    endings_below,
    files_below,
    parts_in,
    pictures_below,
    subfolders,
)
from smidgen.data.layouts.idx import Idx
from smidgen.data.layouts.listed import Listed
from smidgen.data.layouts.npz import Npz
from smidgen.data.layouts.parquet import Parquet
from smidgen.data.layouts.pixels import Pixels
from smidgen.data.layouts.tables import tables_in
from smidgen.data.layouts.windows import Windows
from smidgen.data.lines import is_text
from smidgen.data.names import MADE, of_address, one_form
from smidgen.data.remembered import place_of
from smidgen.escape import shell
from smidgen.limits import BOUNDLESS, PLAN_BYTES, content, is_boundless
from smidgen.sizes import counted

_Claimed: TypeAlias = Folders | Listed | Npz | Idx | Parquet | Pixels | Windows
Layout: TypeAlias = _Claimed | Flat
LAYOUTS: tuple[type[_Claimed], ...] = (Listed, Folders, Npz, Idx, Parquet, Pixels)  # first claims
OF_TEXT: tuple[type[_Claimed], ...] = (Windows,)  # where no folder inside is of any of these
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")
_UNPACKED = "an archive must be unpacked first"
_SHOWN = 5
_RUN, _EXPORT, _DESIGN = MADE
_KINDS = {_RUN: "a run", _EXPORT: "an export"}
_SPECTROGRAMS = "sound is not read: save its spectrograms, n x height x width, with labels in .npz"
_INSTEAD = {  # what is said of files that are no pictures, by their ending
    ".npy": "of arrays save one .npz, images and labels, or a folder of x.npy and y.npy",
    **dict.fromkeys((".csv", ".tsv", ".txt"), IN_ARRAYS),
    **dict.fromkeys((".wav", ".mp3", ".flac", ".ogg"), _SPECTROGRAMS),
    ".dcm": "DICOM is not read: save its pixels as PNG, of 16 bits if need be, or in .npz",
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv"), "films are not read: save frames as JPEG"),
    **dict.fromkeys((".json", ".xlsx", ".xls"), "a table is read as labels.csv (file_name,label)"),
    **dict.fromkeys((".h5", ".hdf5", ".pkl", ".pt", ".feather"), "save arrays in .npz"),
    ".db": "a store of trials is no data: name those that they were trained on",
}


def layout_of(path: Path, wish: Wish | None = None) -> Layout:
    """Return what reads a folder, or a file that holds a data set.

    Args:
        path: Of it.
        wish: What is asked of the data; where its ``label_column`` is one of ``file_names.WAYS``,
            names of files may tell the classes.

    Raises:
        DataError: If it is not there, or of no layout that is known.
    """
    _require_place(path)
    nested = list(_nested(path))
    claims = chain(product(nested, LAYOUTS), product(nested, OF_TEXT))
    found = next(filter(None, (layout.claim(place) for place, layout in claims)), None)
    found = _named(path, found, wish) or found
    if found is not None:
        return found
    if not path.is_dir():
        raise DataError(
            f"{path} must be a folder, or a file .npz, .mat, .parquet, .csv, .jsonl, .zip or .tar;"
            f" got another file ({_INSTEAD.get(path.suffix.lower(), _UNPACKED)})"
        )
    if pictures := pictures_below(path):
        raise DataError(_without_classes(path, pictures))
    if arrays := next(filter(None, map(Npz.unread, nested)), None):
        return arrays  # why it cannot be read is told when it is
    raise DataError(_of_no_layout(path))


def _named(path: Path, found: Layout | None, wish: Wish | None) -> Flat | Windows | None:
    """Return the layout of files whose names tell the classes, if that is asked for.

    Folders of classes are that none the less where a run knows each, or names of most files give
    no class: a run's data may be asked for so, and others be given it.
    """
    way = wish.label_column if wish else None
    if wish is None or way not in WAYS or not isinstance(found, Folders | Windows | None):
        return None
    if not path.is_dir():
        return None
    files = pictures_below(path) or _texts_below(path)
    if isinstance(found, Folders | Windows):
        known = {one_form(name).casefold() for name in wish.classes}
        if known.issuperset(one_form(of.name).casefold() for of in class_folders(found.parts)):
            return None
        if 2 * sum(class_of(file, way) is not None for file in files) < len(files):
            return None
    if not files:
        return None
    if wish.image_column:
        raise DataError(
            f"{path} has classes in the names of its files (--label-column {way}), and no column of"
            " images: leave --image-column, or image_column=, out"
        )
    return Windows.named(path, way) if is_text(files[0]) else Flat(path, way)


def _texts_below(path: Path) -> list[Path]:
    return [file for file in files_below(path) if is_text(file)]


def _without_classes(path: Path, pictures: Sequence[Path]) -> str:
    """Return what to say of a folder of pictures that nothing tells the classes of."""
    parts = [place.name for _, place in parts_in(path)]
    beside = parts and len(subfolders(path)) > len(parts)
    tables = tables_in(path)
    boxes = [folder for folder in subfolders(path) if folder.name.casefold() in OF_BOXES]
    ways = told_ways(pictures)
    return (
        f"{path} holds pictures without classes, as {pictures[0].relative_to(path)}: "
        + (f"{ways}; else " if ways else "")
        + f"put them in a folder a class, as in {path.name}/CLASS/*.jpg (or train/CLASS/*.jpg below"
        f" it), or name them in {path.name}/labels.csv (file_name,label)"
        + (f"; {parts[0]!r} is a part of data: a class needs another name" if beside else "")
        + (f"; boxes, as in {boxes[0].name}, are not read" if boxes else "")
        + (f"; {tables[0].name} has no column that names them" if tables else "")
    )


def _require_place(path: Path) -> None:
    """Refuse what nobody reads pictures from, before anything in it is looked at.

    Raises:
        DataError: If it is not there, is a pipe, all that a system has, or of smidgen's making.
    """
    if not path.exists():
        what = "link that leads nowhere" if path.is_symlink() else "folder"
        raise DataError(
            f"{path} is a {what}"
            if path.is_symlink()
            else f"there is no {what} {path}{of_address(str(path))}"
        )
    if not (path.is_dir() or path.is_file()):  # it would be waited for, or never end
        raise DataError(f"{path} must be a folder or a file, got a pipe or a device")
    if is_boundless(path):
        raise DataError(f"{path} {BOUNDLESS}")
    if path.is_dir() and (kind := _made(path)):
        raise DataError(f"{path} is {kind} of smidgen's, not pictures{_trained_on(path)}")


def _of_no_layout(path: Path) -> str:
    """Return what to say of a folder that holds no data, with what it holds."""
    held = sorted(child.name for child in path.iterdir())
    if made := [child for child in map(path.joinpath, held) if child.is_dir() and _made(child)]:
        named = ", ".join(child.name for child in made[:_SHOWN])
        return f"{path} holds what smidgen made ({named}), not pictures{_trained_on(made[0])}"
    inside = next((of for of in endings_below(path) if of[0] in _INSTEAD), None)
    packed = any(name.casefold().endswith(_ARCHIVES) for name in held)
    got = ", ".join(held[:_SHOWN]) or "an empty folder"
    ways = told_ways(_texts_below(path))
    return (
        f"{path} must hold CLASS/*.jpg, train/CLASS/*.png, CLASS/*.csv of a sensor, a table of "
        f"pictures or pixels, .npz, .mat, IDX or Parquet files, got {got}"
        + (f" ({_UNPACKED})" if packed else "")
        + (f", with {_files(*inside)}: {_INSTEAD[inside[0]]}" if inside else "")
        + (f"; {ways}" if ways else "")
    )


def _files(ending: str, count: int) -> str:
    return counted(count, f"file {ending}", f"files {ending}")


def _made(folder: Path) -> str:
    """Return what smidgen made a folder for; nothing of others, whose files may be called alike."""
    if (folder / _DESIGN).is_file():
        return "a design"
    return next((kind for name, kind in _KINDS.items() if "net" in _form(folder / name)), "")


def _trained_on(folder: Path) -> str:
    """Return where the data of a run, or of the one that a design ended in, are, if it says so."""
    for plan in (folder / _RUN, folder / "model" / _RUN):
        if isinstance(origin := _form(plan).get("origin"), str):
            place = shell([place_of(origin)])
            return f"; the data of {folder.name} are {place} (--data {place})"
    return ": name the data that it was made of"


def _form(path: Path) -> dict[str, Any]:
    """Return what a file of JSON holds; nothing if it is none that smidgen may have written."""
    try:
        form = json.loads(content(path, PLAN_BYTES))
    except (OSError, RecursionError, ValueError):
        return {}
    return form if isinstance(form, dict) else {}


def _nested(path: Path) -> Iterator[Path]:
    """Yield a path, and the folder that it holds alone, as ``MNIST/raw``, and so on."""
    for _ in range(DEEPEST):
        yield path
        inner = subfolders(path) if path.is_dir() else []
        if len(inner) != 1:
            return
        path = inner[0]
