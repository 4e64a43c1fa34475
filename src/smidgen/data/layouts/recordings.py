"""What a text file of a sensor holds, and what is said of the columns of several."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smidgen.data.errors import DataError
from smidgen.data.lines import (
    COMMAS,
    Lines,
    fall_of,
    has_time,
    lines_in,
    numbers_of,
    pace_of,
    without_first,
)
from smidgen.data.preprocessing import Values
from smidgen.data.sensor import (
    UNKNOWN,
    Sensor,
    are_kept,
    listed_names,
    order_of,
    told_missing,
    told_order,
    told_pace,
)
from smidgen.limits import INPUT_CHANNELS, require_at_most
from smidgen.names import bare, shown
from smidgen.sizes import counted, listed

_LEAST = 2  # moments of a window
_EVEN = 1e-6  # of a step between two times, by which steps that are written alike may differ
_UNEVEN = 2  # times the least step, of the greatest, above which moments are no longer even


class Recording(NamedTuple):
    """What a file holds.

    Args:
        path: Its own.
        part: That it is of.
        label: Its class.
        own: Its path below the folder of its part, with slashes.
        names: Of its channels, if a line says them.
        values: Moments x channels.
        time: The column of times that was left out, if any.
        steps: The least and the greatest between two times, if these are numbers.
        pace: How far apart its moments are on average.
        counted: Whether the first line may be numbers of columns.
        commas: Whether commas were decimal.
    """

    path: Path
    part: str
    label: str
    own: str
    names: tuple[str, ...]
    values: Values
    time: str
    steps: tuple[float, float] | None
    pace: Sensor
    counted: bool
    commas: bool


def recording_in(path: Path, part: str, place: Path, window: int | None) -> Recording:
    """Return what a file holds, its times left out.

    Raises:
        DataError: If it cannot be read, or its times do not rise.
    """
    lines = lines_in(path)
    count, least = len(lines.rows), window or _LEAST
    if count < least:
        raise DataError(
            f"{path} must have {least:,} moments or more, a line each, got {count:,}"
            + (" (a smaller --window N, or window=, takes it)" if window else "")
        )
    time, steps, pace, is_counted = "", None, UNKNOWN, not lines.names and lines.is_counted
    if has_time(lines):
        _require_rise(lines)
        time, steps, pace = lines.names[0], _steps_of(lines), pace_of(lines)
        lines = without_first(lines)
    require_at_most(f"{path}: channels", len(lines.rows[0]), INPUT_CHANNELS)
    values = numbers_of(lines)
    names = lines.names if len(lines.names) == len(lines.rows[0]) else ()
    own = path.relative_to(place).as_posix()
    label = own.split("/")[0]
    of_lines = (names, values, time, steps, pace, is_counted, lines.commas)
    return Recording(path, part, label, own, *of_lines)


def _require_rise(lines: Lines) -> None:
    if (row := fall_of(lines)) > 0:
        raise DataError(
            f"{lines.where} line {lines.first + row:,}: the first column, {shown(lines.names[0])},"
            f" must rise as time does, got {shown(lines.rows[row][0])} after "
            f"{shown(lines.rows[row - 1][0])}: mend it or leave it out, or call it otherwise if it "
            f"is a channel"
        )


def _steps_of(lines: Lines) -> tuple[float, float] | None:
    """Return the least and the greatest step of the first column, if it is of numbers."""
    try:
        steps = np.diff([float(row[0]) for row in lines.rows])
    except ValueError:  # dates
        return None
    return float(steps.min()), float(steps.max())


def step_of(window: int) -> int:
    """Return after how many moments of a recording a new window begins."""
    return max(1, window // 2)


def starts_of(length: int, window: int) -> range:
    """Return where windows of a recording begin, from 0; what fills none at the end is in none."""
    return range(0, length - window + 1, step_of(window))


def require_alike(found: Sequence[Recording]) -> None:
    """Refuse files of several columns, or of columns in several orders."""
    first = found[0]
    for of in found:
        if (of.time, of.names, of.values.shape[1]) != (
            first.time,
            first.names,
            first.values.shape[1],
        ):
            raise DataError(
                f"{of.path} must have the columns of {first.path}, {_columns(first)}, got "
                f"{_columns(of)}: write them alike"
            )


def _columns(of: Recording) -> str:
    names = ", ".join(filter(None, (of.time, *of.names)))
    count = counted(of.values.shape[1] + bool(of.time), "column", "columns")
    return shown(names) if of.names else f"{count} without names"


def sensor_of(found: Sequence[Recording]) -> tuple[Sensor, list[str]]:
    """Return what all files say of their sensor, and what of it is not kept, in words."""
    notes: list[str] = []
    by_pace = sorted((of for of in found if of.pace.interval), key=lambda of: of.pace.interval)
    pace = by_pace[len(by_pace) // 2].pace if len(by_pace) == len(found) else UNKNOWN
    if pace.interval and not by_pace[0].pace.is_read_as(by_pace[-1].pace):
        least, most = by_pace[0], by_pace[-1]
        notes.append(
            f"moments are {least.pace.pace} apart in {least.path} and {most.pace.pace} in"
            f" {most.path}: windows of one net are read alike, and no interval is kept with it"
        )
        pace = UNKNOWN
    names = found[0].names
    if not are_kept(names):
        notes.append(f"names of channels are too long to be kept: {shown(max(names, key=len))}")
        names = ()
    # what a time in 64 bits has lost is no part of an interval
    return pace._replace(names=names, interval=float(f"{pace.interval:.6g}")), notes


def as_trained(
    found: Sequence[Recording], trained: Sensor
) -> tuple[Sequence[Recording], Iterator[str]]:
    """Return files with their channels in the order that a model was trained on, and what to tell.

    Files without names, or of other ones, stay as they are.

    Raises:
        DataError: If some of the channels trained on lack in files of another number of them.
    """
    names, (own, _) = found[0].names, sensor_of(found)
    order = order_of(names, trained.names) if names else None
    known = order is not None or len(names) == len(trained.names) > 0
    if names and not known and (missing := told_missing(names, trained.names)):
        raise DataError(
            f"{found[0].path} must have the channels trained on, {listed_names(trained.names)}, got"
            f" {listed_names(names)}: {missing}"
        )
    if order is not None:
        in_order = tuple(names[place] for place in order)
        found = [of._replace(values=of.values[:, order], names=in_order) for of in found]
    told = (told_order(names, trained.names) if known else "", told_pace(own, trained))
    return found, filter(None, told)


def of_columns(found: Sequence[Recording]) -> Iterator[str]:
    """Yield what was understood of columns, in words."""
    first, commas = found[0], sum(of.commas for of in found)
    if commas:
        where = "" if commas == len(found) else f" in {commas:,} of {len(found):,} files"
        yield COMMAS + where
    if first.time:
        yield f"the first column, {shown(first.time)}, is time and left out{_told_steps(found)}"
    if first.names:
        names = ", ".join(name or "(no name)" for name in first.names)
        yield f"the channels are, in this order, {bare(names)}"
    if len(found) > 1 and (rising := _rising(found)):
        yield _told_rising(found, rising)


def _rising(found: Sequence[Recording]) -> list[int]:
    """Return the channels, from 0, that rise from each moment to the next in every file."""
    rising = np.ones(found[0].values.shape[1], bool)
    for of in found:
        rising &= (np.diff(of.values, axis=0) > 0).all(0)
        if not rising.any():
            break
    return np.flatnonzero(rising).tolist()


def _told_rising(found: Sequence[Recording], rising: Sequence[int]) -> str:
    """Return what may be no channels, in words; columns are counted in the file, from 1."""
    first, one = found[0], len(rising) == 1
    places = [
        str(channel + 1 + bool(first.time))
        + (f" ({bare(first.names[channel])})" if first.names and first.names[channel] else "")
        for channel in rising
    ]
    columns, them = ("column", "it") if one else ("columns", "them")
    instead = "" if first.time else ", or let times be first, called timestamp in the first line"
    return (
        f"{columns} {listed(places)} {'rises' if one else 'rise'} in all {len(found):,} files, as a"
        f" time or a counter does, and {'is a channel' if one else 'are channels'}: unless measured"
        f", leave {them} out{instead}"
    )


def _told_steps(found: Sequence[Recording]) -> str:
    """Return by how much times rise from line to line, in words; of dates nothing."""
    steps = [of.steps for of in found if of.steps is not None]
    if len(steps) < len(found):
        return ""
    least, most = min(of[0] for of in steps), max(of[1] for of in steps)
    if most - least <= _EVEN * most:
        return f": it rises evenly, by {least:g} a line"
    uneven = ", where a net takes moments to be as far apart" if most > _UNEVEN * least else ""
    return f": it rises by {least:g} to {most:g} a line{uneven}"
