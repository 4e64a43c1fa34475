"""The data of a run, found and read again as the run has them."""

import warnings
from dataclasses import replace
from pathlib import Path

import torch

from smidgen.data import Data, DataError, DataWarning, Split, load
from smidgen.data.base import Progress
from smidgen.data.making import NO_TEST
from smidgen.data.parts import FULL, parts
from smidgen.run import Run

_OF_A_SPLIT = ("images", "labels")


def trained_on(
    run: Run,
    folder: Path | str,
    *,
    data: Path | str | None = None,
    data_dir: Path | str | None = None,
    progress: Progress = None,
) -> Data:
    """Return the data that a run was trained on; every picture goes through what it went through.

    Args:
        run: As loaded.
        folder: It was loaded from, for errors.
        data: Where they are now, if they were moved.
        data_dir: Folder of local copies of data sets.
        progress: See :func:`smidgen.data.load`.

    Raises:
        DataError: If they are gone, cannot be read, or are others.
    """
    path, asked, columns = run.origin.partition("::")  # which columns of a table were taken
    place = f"{data or path}{asked}{columns}"
    gone = data is None and Path(path).is_absolute() and not Path(path).exists()
    if gone:
        raise DataError(
            f"the data of {folder} are no longer in {place}: --data says where they are now"
        )
    found = _read(run, place, data_dir, progress)
    if found.fingerprint != run.trial.fingerprint:
        raise DataError(
            f"{place} is not the data {folder} was trained on: its content changed"
            if data is None
            else f"{place} does not hold the data {folder} was trained on, {run.trial.data}"
        )
    return found


def judged_on(
    run: Run, data: Path | str, *, data_dir: Path | str | None = None, progress: Progress = None
) -> Data:
    """Return other data, made of pictures as the run's were, with the run's classes by name.

    Without parts, all of them are judged, unless they lie where the run's own data do: there a
    test part was set aside, and is.

    Raises:
        DataError: If they cannot be read, or hold a class that the run does not know.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = _read(run, data, data_dir, progress)
    whole = found.origin != run.origin and any(note.startswith(NO_TEST) for note in found.notes)
    if whole:
        parts = (found.train, found.test)
        images, labels = (torch.cat([getattr(p, name) for p in parts]) for name in _OF_A_SPLIT)
        found = replace(found, test=Split(images, labels), fingerprint="")
        warnings.warn(
            f"{found.name}: all {len(labels):,} images are judged; if it was trained on some of"
            " them, they flatter it",
            DataWarning,
            stacklevel=2,
        )
    for warning in heard:
        if not (whole and NO_TEST in str(warning.message)):
            warnings.warn(warning.message, stacklevel=2)
    return found


def _read(run: Run, data: Path | str, data_dir: Path | str | None, progress: Progress) -> Data:
    return load(
        data,
        data_dir=data_dir,
        preprocessing=run.preprocessing,
        classes=run.classes,
        progress=progress,
    )


def held_out_of(run: Run, data: Data, folder: Path | str) -> Split:
    """Return the images that a run was not trained on, of the data it was trained on.

    Raises:
        ValueError: If there are none.
    """
    _, held_out = parts(data, run.trial.split)
    if run.trial.split == FULL:
        held_out = data.validation  # it is never trained on
    if held_out is None:
        raise ValueError(f"{folder} was trained on all images: nothing was held out")
    return held_out
