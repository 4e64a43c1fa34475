"""The data of a run, found and read again as the run has them."""

import warnings
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from smidgen import limits
from smidgen.data import NAMED, Data, DataError, DataWarning, Preprocessing, Split, load
from smidgen.data.base import Progress, as_it_is
from smidgen.data.decoding import LEFT_OUT
from smidgen.data.known import Known, compared, keys_of, together
from smidgen.data.making import NO_TEST
from smidgen.data.parts import parts
from smidgen.data.remembered import asked_of, place_of, window_of, with_asked
from smidgen.data.sources import HUB_ID, KNOWN, NO_COLUMNS, to_fetch
from smidgen.data.splits import chosen
from smidgen.escape import shell
from smidgen.files import at_home
from smidgen.names import require_path, shown
from smidgen.run import Run
from smidgen.sizes import counted
from smidgen.split_names import FULL

FLATTERED = "if it was trained on some of them, they flatter it"


class Columns(NamedTuple):
    """Of a table: ``None`` is the one that the run was trained on."""

    image: str | None = None
    label: str | None = None


AS_BEFORE = Columns()


class Reading(NamedTuple):
    """How a model reads pictures, where there is no run that says it.

    Args:
        preprocessing: What they go through.
        classes: In its order.
        origin: Of the data it was trained on; empty where nothing tells.
        fingerprint: Of these data; likewise.
    """

    preprocessing: Preprocessing
    classes: tuple[str, ...]
    origin: str = ""
    fingerprint: str = ""


def trained_on(
    run: Run,
    folder: Path | str,
    *,
    data: Data | Path | str | None = None,
    data_dir: Path | str | None = None,
    progress: Progress = None,
    columns: Columns = AS_BEFORE,
) -> Data:
    """Return the data that a run was trained on; every picture goes through what it went through.

    Of a place to which pictures have come those of the run alone are taken, which is told.

    Args:
        run: As loaded.
        folder: It was loaded from, for errors.
        data: Where they are now, if they were moved; or the data themselves.
        data_dir: Folder of local copies of data sets.
        progress: See :func:`smidgen.data.load`.
        columns: Of a table, if they are called otherwise now.

    Raises:
        DataError: If they are gone, cannot be read, or are others.
    """
    if isinstance(data, Data):
        if as_it_is(data).fingerprint == run.trial.fingerprint:
            return data
        return _of_run(run, data, data.name, folder)
    if data is not None:
        require_path(data, "data, if they are none that smidgen.data.load returned,")
    place = str(data or place_of(run.origin))
    with _looked_for(place, folder):
        gone = data is None and Path(place).is_absolute() and not Path(place).exists()
    if gone:
        raise DataError(
            f"the data of {folder} are no longer in {place}: say where they are now (--data, or"
            " data=)"
        )
    if data is None:
        place, asked = own_place(run.origin), asked_of(run.origin)
        _tell_fetched(place, data_dir or asked.get("data-dir"), folder)
        place = with_asked(place, asked)
    # What cannot be read is left out and told: the fingerprint says whether they are the same.
    with warnings.catch_warnings(record=True) as heard, _looked_for(place, folder):
        warnings.simplefilter("always")
        found = _read(run, place, data_dir, progress, columns, skip_broken=True)
    own = found
    if found.fingerprint != run.trial.fingerprint:
        own = _of_run(run, found, place_of(place).removeprefix(KNOWN), folder)
    for warning in _news(heard, columns):
        if not _said_before(str(warning.message), found):
            warnings.warn(warning.message, stacklevel=2)
    return own


def _of_run(run: Run, found: Data, place: str, folder: Path | str) -> Data:
    """Return the pictures of a run out of data that hold others, too.

    Their order, labels and groups are those of the run, or they are refused: its fingerprint says.

    Raises:
        DataError: If they are not all there as they were, with what has changed and what serves.
    """
    as_there = (found.classes, found.preprocessing) == (run.classes, run.preprocessing)
    if run.known is None or not as_there:
        raise DataError(_told_changed(place, folder, ""))
    change = compared(found, run.known)
    if change.data is None or change.data.fingerprint != run.trial.fingerprint:
        came = counted(change.came, "picture came", "pictures came")
        others = ", labels or groups are others" if change.data is not None else ""
        raise DataError(_told_changed(place, folder, f" ({came}, {change.went:,} went{others})"))
    if change.came:
        warnings.warn(
            f"{place} holds {counted(change.came, 'picture', 'pictures')} more than {folder} was"
            " trained on: those it was trained on are taken alone",
            DataWarning,
            stacklevel=3,
        )
    return replace(change.data, origin=run.origin)


def _told_changed(place: str, folder: Path | str, how: str) -> str:
    """Return what to say of pictures that are not those of a run any more, and what serves."""
    said = (
        f"{place} must hold the pictures {folder} was trained on as they were, its content"
        f" changed{how}: put them back, or name where they are (--data, or data=)"
    )
    if not (Path(folder).exists() and Path(place).exists()):  # in memory, and called by a name
        return said
    judge, go_on = (
        shell(["smidgen", *words, str(folder), "--data", place])
        for words in (["evaluate"], ["train", "--from"])
    )
    return f"{said}; `{judge}` judges it on what is there, `{go_on}` goes on with it"


def known_of(run: Run, folder: Path | str, how: Preprocessing | None = None) -> Known | None:
    """Return the pictures of a run as they look through some preprocessing; None if they are gone.

    What the run keeps serves where that is its own; otherwise its data are read, but not fetched.

    Args:
        run: As loaded.
        folder: It was loaded from.
        how: By default the run's own.
    """
    if run.known is not None and how in (None, run.preprocessing):
        return run.known
    asked = asked_of(run.origin)
    try:
        if to_fetch(place_of(run.origin), asked.get("data-dir")) is not None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # told where the data were loaded
            own = trained_on(run, folder)
            seen = own if how in (None, run.preprocessing) else _seen_anew(run, own, how)
    except ValueError:  # not as they were
        return None
    known = Known.of(own, run.trial.split, run.trial.recipe.share, run.trial.seed)
    if seen is None:
        return None
    return replace(known, parts=Known.of(seen, FULL).parts)


def _seen_anew(run: Run, own: Data, how: Preprocessing) -> Data | None:
    """Return the data of a run through other preprocessing; None if these are other pictures."""
    place, asked = place_of(run.origin), asked_of(run.origin)
    place = f"{KNOWN}{place}" if place in NAMED or asked.get("package") else place
    seen = load(with_asked(place, asked), preprocessing=how, classes=run.classes)
    alike = own.parts.keys() == seen.parts.keys() and all(
        torch.equal(of.labels, seen.parts[part].labels) for part, of in own.parts.items()
    )
    return seen if alike else None


def _tell_fetched(place: str, data_dir: Path | str | None, folder: Path | str) -> None:
    """Tell of data that a run, maybe a stranger's, has fetched, before they are.

    Raises:
        DataError: If they are more than is fetched because a run says so.
    """
    hub = to_fetch(place, data_dir)
    if hub is None:
        return
    size = hub.size()
    large = "," if size is None else f", {size / 1e9:,.2f} GB,"
    if size is not None and size > limits.OF_A_RUN:
        raise DataError(
            f"{folder} names {place} of the hub{large} more than the {limits.OF_A_RUN / 1e9:.2f} GB"
            f" that are fetched because a run says so: fetch it with --data {place}"
        )
    warnings.warn(
        f"{folder} names {place} of the hub{large} which is fetched (--data names another place)",
        DataWarning,
        stacklevel=3,
    )


@contextmanager
def _looked_for(place: str, folder: Path | str) -> Generator[None]:
    """Name the run whose data cannot be looked for, as in a name that is too long."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise DataError(
            f"the data of {folder} cannot be looked for in {shown(place)}: {why}"
        ) from None


def judged_on(
    run: Run | Reading,
    data: Path | str,
    *,
    data_dir: Path | str | None = None,
    progress: Progress = None,
    columns: Columns = AS_BEFORE,
    skip_broken: bool = False,
    learned: bool = False,
    other_classes: bool = False,
) -> Data:
    """Return other data, made of pictures as the run's were, with the run's classes by name.

    Without parts, all of them are judged, unless they are the run's own, wherever they lie now, or
    lie where those do: there a test part was set aside, and is. Of what is to judge, pictures that
    the run is known to have learned are left out, which is told.

    Args:
        run: As loaded, or how a model without one reads pictures.
        data: Where they are.
        data_dir: Folder of local copies of data sets.
        progress: See :func:`smidgen.data.load`.
        columns: Of a table, where they are not called as those of the run.
        skip_broken: Whether pictures that cannot be read are left out and told.
        learned: Whether those learned stay, for a caller that tells them apart.
        other_classes: Whether those of classes that the run does not know stay, likewise; these
            classes are then behind the run's own.

    Raises:
        DataError: If they cannot be read, hold a class that the run does not know, or none that the
            run has not learned.
    """
    own = same_place(run, data)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = _read(
            *(run, data, data_dir, progress, columns),
            skip_broken=skip_broken or own,
            other_classes=other_classes,
        )
    known = run.fingerprint if isinstance(run, Reading) else run.trial.fingerprint
    own = own or found.fingerprint == known
    whole = not own and any(note.startswith(NO_TEST) for note in found.notes)
    if whole:
        judged = replace(together(found.parts.values()), groups=None)
        found = replace(found, test=judged, fingerprint="")
    before = len(found.test)
    # the run's own data stay as they are: copies of a picture in two parts are told by report
    if not learned and isinstance(run, Run) and found.fingerprint != known:
        found = _without_learned(run, found)
    if whole:
        which = "all" if len(found.test) == before else "the other"
        warnings.warn(
            f"{found.name}: {which} {len(found.test):,} images are judged; {FLATTERED}",
            DataWarning,
            stacklevel=2,
        )
    for warning in _news(heard, columns):
        if not (whole and NO_TEST in str(warning.message)):
            warnings.warn(warning.message, stacklevel=2)
    return found


def _without_learned(run: Run, found: Data) -> Data:
    """Return data without what the run has learned among the test images, as far as it is known.

    Raises:
        DataError: If none is left.
    """
    if run.known is None or found.preprocessing != run.preprocessing:
        return found
    of_run, images = run.known.learned, len(found.test)
    new = torch.tensor([key not in of_run for key in keys_of(found.test).tolist()])
    left_out = images - int(new.sum())
    if left_out == images:
        raise DataError(
            f"{found.name} must hold a test image that the run has not learned, got {images:,} that"
            " it has: name other pictures, or none (without --data its own test part judges)"
        )
    if not left_out:
        return found
    warnings.warn(
        f"{found.name}: {left_out:,} of the {counted(images, 'test image', 'test images')} were"
        " learned by the run and are left out",
        DataWarning,
        stacklevel=3,
    )
    return replace(found, test=chosen(found.test, new), fingerprint="")


def _news(
    heard: Iterable[warnings.WarningMessage], columns: Columns
) -> list[warnings.WarningMessage]:
    """Return what was heard, but of columns that are the run's own and no user's of this data."""
    return [of for of in heard if columns != AS_BEFORE or NO_COLUMNS not in str(of.message)]


def _said_before(said: str, found: Data) -> bool:
    """Return whether it was said of the same data when the run was trained.

    A picture that cannot be read may have become so since.
    """
    return LEFT_OUT not in said and any(said.endswith(note) for note in found.notes)


def own_place(origin: str) -> str:
    """Return the place that an origin names, whatever folder of that name lies here."""
    place = place_of(origin)
    named = place in NAMED or asked_of(origin).get("package")
    return f"{KNOWN}{place}" if named else place


def same_place(run: Run | Reading, data: Path | str) -> bool:
    """Return whether data are where the run's were, on the hub at whatever commit.

    Args:
        run: As loaded, or how a model without one reads pictures.
        data: A place, or the origin of data.
    """
    if not run.origin:
        return False
    own, other = (_unpinned(place_of(origin)) for origin in (run.origin, str(data)))
    if own == other:
        return True
    try:
        mine, theirs = (at_home(place).resolve() for place in (own, other))
        return mine == theirs and mine.exists()
    except OSError:  # a name that is too long: nothing lies there
        return False


def _unpinned(place: str) -> str:
    return place.partition("@")[0] if HUB_ID.fullmatch(place) else place


def _read(
    run: Run | Reading,
    data: Path | str,
    data_dir: Path | str | None,
    progress: Progress,
    columns: Columns,
    *,
    skip_broken: bool,
    other_classes: bool = False,
) -> Data:
    asked = asked_of(run.origin)
    held = asked.get("data-dir") if same_place(run, data) else None
    return load(
        data,
        data_dir=data_dir or held,
        preprocessing=run.preprocessing,
        classes=run.classes,
        image_column=columns.image or asked.get("image-column"),
        label_column=columns.label or asked.get("label-column"),
        skip_broken=skip_broken,
        group_by=asked.get("group-by"),
        window=window_of(asked),
        other_classes=other_classes,
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
