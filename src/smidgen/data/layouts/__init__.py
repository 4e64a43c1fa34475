"""Layouts of folders and files, one a module: a new one is a module, its test and a line here."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from smidgen.data.columns import IN_ARRAYS
from smidgen.data.errors import DataError
from smidgen.data.layouts.folders import (
    DEEPEST,
    OF_BOXES,
    Folders,
    endings_below,
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
from smidgen.data.names import of_address
from smidgen.limits import BOUNDLESS, is_boundless

Layout: TypeAlias = Folders | Listed | Npz | Idx | Parquet | Pixels
LAYOUTS: tuple[type[Layout], ...] = (Listed, Folders, Npz, Idx, Parquet, Pixels)  # first claims
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")
_UNPACKED = "an archive must be unpacked first"
_SHOWN = 5
_SPECTROGRAMS = "sound is not read: save its spectrograms, n x height x width, with labels in .npz"
_INSTEAD = {  # what is said of files that are no pictures, by their ending
    ".npy": "of arrays save one .npz, images and labels, or a folder of x.npy and y.npy",
    **dict.fromkeys((".csv", ".tsv", ".txt"), IN_ARRAYS),
    **dict.fromkeys((".wav", ".mp3", ".flac", ".ogg"), _SPECTROGRAMS),
    ".dcm": "DICOM is not read: save its pixels as PNG, of 16 bits if need be, or in .npz",
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv"), "films are not read: save frames as JPEG"),
    **dict.fromkeys((".json", ".xlsx", ".xls"), "a table is read as labels.csv (file_name,label)"),
    **dict.fromkeys((".h5", ".hdf5", ".pkl", ".pt", ".feather"), "save arrays in .npz"),
}


def layout_of(path: Path) -> Layout:
    """Return what reads a folder, or a file that holds a data set.

    Raises:
        DataError: If it is not there, or of no layout that is known.
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
    for place in _nested(path):
        for layout in LAYOUTS:
            if (found := layout.claim(place)) is not None:
                return found
    if not path.is_dir():
        raise DataError(
            f"{path} must be a folder, or a file .npz, .mat, .parquet, .csv or .jsonl; got another "
            f"file ({_INSTEAD.get(path.suffix.lower(), _UNPACKED)})"
        )
    if pictures := pictures_below(path):
        parts = [place.name for _, place in parts_in(path)]
        beside = parts and len(subfolders(path)) > len(parts)
        tables = tables_in(path)
        boxes = [folder for folder in subfolders(path) if folder.name.casefold() in OF_BOXES]
        raise DataError(
            f"{path} holds pictures without classes, as {pictures[0].relative_to(path)}: put them "
            f"in a folder a class, as in {path.name}/CLASS/*.jpg (or train/CLASS/*.jpg below it), "
            f"or name them in {path.name}/labels.csv (file_name,label)"
            + (f"; {parts[0]!r} is a part of data: a class needs another name" if beside else "")
            + (f"; boxes, as in {boxes[0].name}, are not read" if boxes else "")
            + (f"; {tables[0].name} has no column that names them" if tables else "")
        )
    if arrays := next(filter(None, map(Npz.unread, _nested(path))), None):
        return arrays  # why it cannot be read is told when it is
    held = sorted(child.name for child in path.iterdir())
    inside = next((of for of in endings_below(path) if of[0] in _INSTEAD), None)
    packed = any(name.casefold().endswith(_ARCHIVES) for name in held)
    raise DataError(
        f"{path} must hold CLASS/*.jpg, train/CLASS/*.png, a table of pictures or pixels, .npz, "
        f".mat, IDX or Parquet files, got {', '.join(held[:_SHOWN]) or 'an empty folder'}"
        + (f" ({_UNPACKED})" if packed else "")
        + (f", with {inside[1]:,} files {inside[0]}: {_INSTEAD[inside[0]]}" if inside else "")
    )


def _nested(path: Path) -> Iterator[Path]:
    """Yield a path, and the folder that it holds alone, as ``MNIST/raw``, and so on."""
    for _ in range(DEEPEST):
        yield path
        inner = subfolders(path) if path.is_dir() else []
        if len(inner) != 1:
            return
        path = inner[0]
