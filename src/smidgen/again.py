"""The data of a run, found and read again as the run has them."""

from pathlib import Path

from smidgen.data import Data, DataError, Split, load
from smidgen.data.base import Progress
from smidgen.data.parts import FULL, parts
from smidgen.run import Run


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
    found = judged_on(run, place, data_dir=data_dir, progress=progress)
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

    Raises:
        DataError: If they cannot be read, or hold a class that the run does not know.
    """
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
