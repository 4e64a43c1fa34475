"""From a catalogue to data: what is common decided, pictures decoded, parts made."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch

from smidgen.data import copies, groups, neighbours, survey
from smidgen.data.aside import aside, content_key
from smidgen.data.base import Data, Progress, Split
from smidgen.data.catalogue import (
    PARTS,
    TEST,
    TRAIN,
    VALIDATION,
    Arrays,
    Catalogue,
    Head,
    Wish,
)
from smidgen.data.decoding import each, told
from smidgen.data.errors import DataError
from smidgen.data.labelled import Labelled, Row, labelled, told_counts
from smidgen.data.preprocessing import DEEP, Array, Preprocessing, Values, with_channels
from smidgen.data.sensor import Sensor
from smidgen.sizes import counted

NO_TEST = "no test images"
_WHOLE = "the names of their groups, each whole"
_LOOKED_AT = 100  # transparent pictures that decide what they are composed over


class _Seen(NamedTuple):
    """What is kept of a decoded picture."""

    key: bytes
    lowest: Values | None = None  # of each channel, where values are no bytes
    highest: Values | None = None
    beyond: float = 0.0  # share of these values that is clipped


@final
@dataclass(frozen=True, slots=True)
class _Decoded:
    """Pictures that could be read, as bytes of one size, and the key of each."""

    rows: list[Row]
    parts: list[str]
    keys: list[bytes]
    pixels: Array
    how: Preprocessing


def made(
    name: str,
    catalogue: Catalogue,
    wish: Wish,
    progress: Progress,
    planned: Callable[[int], None] = lambda size: None,
) -> Data:
    """Return the data of a catalogue.

    Args:
        name: Of the data.
        catalogue: Of their pictures.
        wish: How they are wanted.
        progress: See :func:`smidgen.data.load`.
        planned: Told how many bytes the decoded pictures will be, before any is decoded.

    Raises:
        DataError: If pictures cannot be read, labels are unknown or missing, or a class has too
            few pictures.
    """
    found = groups.grouped(name, labelled(name, catalogue, wish), wish, _files)
    if wish.preprocessing is None:
        _require_one_kind(name, found.rows)
    notes, broken = list[str](), dict[int, str]()
    total = len(found.rows)
    heads = each(found.rows, lambda row: row.pictures.head(row.number), broken)
    good = [head for number, head in enumerate(heads) if number not in broken]
    if not good:
        told(found.rows, broken, skip=False)
    how, decided = _how(found.rows, heads, wish)
    if wish.preprocessing is None and how.is_window:
        how = _with(how, catalogue.sensor)
    _require_windows(name, found.rows, good, how, wish)
    planned(total * how.height * how.width * how.channels)
    ranged = wish.preprocessing is None and all(head.deep for head in good)

    def report(done: int) -> None:
        if progress:
            progress(name, done, total)

    if ranged:
        decoded = _by_range(found, how, wish, broken, report, notes)
    else:
        pixels = np.empty((total, how.height, how.width, how.channels), np.uint8)
        seen = each(found.rows, lambda row: _fitted(row, how, pixels), broken, report)
        decoded = _kept(found, seen, how, wish, broken, notes)
        kept = [row.place for row in decoded.rows]
        notes += _of_ranges([seen[place] for place in kept], decoded)
        decoded = replace(decoded, pixels=pixels if len(kept) == total else pixels[kept])
    if len(decoded.rows) < len(good):  # decoding found more broken ones, which no note counts
        left = [None if place in broken else head for place, head in enumerate(heads)]
        anew, counted_anew = _how(found.rows, left, wish)
        decided = counted_anew if anew == how else decided
    return _data(name, found, decoded, wish, [*found.notes, *decided, *notes])


def _require_one_kind(name: str, rows: Sequence[Row]) -> None:
    """Refuse arrays of which one part holds bytes and another one other numbers."""
    held = {row.part: row.pictures.values for row in rows if isinstance(row.pictures, Arrays)}
    first: dict[bool, str] = {}
    for part, values in held.items():
        first.setdefault(values.dtype == np.uint8, part)
    if len(first) > 1:
        told = [
            f"{part} is {held[part].dtype} ({np.nanmin(held[part]):g} to {np.nanmax(held[part]):g})"
            for part in sorted(first.values(), key=PARTS.index)
        ]
        raise DataError(
            f"{name} must hold parts of one kind, got {', '.join(told)}: save them alike"
        )


def _require_windows(
    name: str, rows: Sequence[Row], heads: Sequence[Head], how: Preprocessing, wish: Wish
) -> None:
    """Refuse an image size that no window can be fitted to: each would be refused on its own."""
    asked = wish.preprocessing is None and all(isinstance(row.pictures, Arrays) for row in rows)
    sizes = {(head.height, head.width) for head in heads}
    if asked and sizes and not any(how.takes(*size) for size in sizes):
        height, width = min(sizes)
        other = "1xN" if height == 1 else "Nx1" if width == 1 else "HxW"
        raise DataError(
            f"{name}: windows are {height} x {width}, got an image size of"
            f" {how.size[0]}x{how.size[1]}: ask for {other} (--turned, or turned=True, then"
            " exchanges rows and columns)"
        )


def _with(how: Preprocessing, sensor: Sensor) -> Preprocessing:
    """Return the same with what is known of the sensor; grey of several channels has no names."""
    names = sensor.names if len(sensor.names) == how.channels else ()
    return replace(how, **sensor._replace(names=names)._asdict())


def _how(
    rows: Sequence[Row], heads: Sequence[Head | None], wish: Wish
) -> tuple[Preprocessing, list[str]]:
    """Return what pictures go through, and what was decided unasked, in words.

    Args:
        rows: All of them.
        heads: A row each; None of a picture that is broken, which no word counts.
        wish: How they are wanted.
    """
    notes: list[str] = []
    background, good = None, [head for head in heads if head is not None]
    clear = [row for row, head in zip(rows, heads, strict=True) if head is not None and head.alpha]
    if clear and wish.background is None and wish.preprocessing is None:
        looked = clear[:_LOOKED_AT]
        gains = each(looked, lambda row: survey.whiter(row.pictures.picture(row.number, None)), {})
        background = "white" if sum(gain or 0 for gain in gains) >= 0 else "black"
        seen = counted(
            len(clear), "picture is transparent: it is", "pictures are transparent: they are"
        )
        notes.append(f"{seen} composed over {background}")
    if coarse := sum(head.coarse for head in good):
        pictures = counted(coarse, "picture has", "pictures have")
        notes.append(
            f"{pictures} 16 bits in each of several channels, of which the upper 8 are taken: "
            f"where fewer bits are in use they are dark, and must be converted first"
        )
    if pages := sum(head.pages for head in good):
        files = counted(pages, "file has", "files have")
        notes.append(f"{files} several pages, of which the first is read")
    notes += _of_damaged(rows, heads)
    how, more = survey.decided(good, wish, background)
    deep = sum(head.deep for head in good)
    if wish.preprocessing is None and 0 < deep < len(good):
        more.append(
            f"{deep:,} of {len(good):,} pictures have more than 8 bits: they are taken by the "
            f"range of 16 bits"
        )
    return how, [*notes, *more]


def _of_damaged(rows: Sequence[Row], heads: Sequence[Head | None]) -> list[str]:
    """Return a note of the pictures some of whose tags cannot be read, with the first of them."""
    damaged = [row for row, head in zip(rows, heads, strict=True) if head and head.damaged]
    if not damaged:
        return []
    pictures = counted(len(damaged), "picture has", "pictures have")
    turned = "how it is" if len(damaged) == 1 else "how they are"
    first = damaged[0].pictures.where(damaged[0].number)
    return [f"{pictures} damaged EXIF, such as {first}: {turned} turned may be lost"]


def _by_range(
    found: Labelled,
    how: Preprocessing,
    wish: Wish,
    broken: dict[int, str],
    report: Callable[[int], None],
    notes: list[str],
) -> _Decoded:
    """Return pictures whose values become bytes by the range of the training pictures.

    They are decoded twice: which of them are training pictures depends on what they show.
    """
    seen = each(found.rows, lambda row: _ranged(row, how), broken)
    decoded = _kept(found, seen, how, wish, broken, notes)
    learned = [
        row
        for row, part in zip(decoded.rows, decoded.parts, strict=True)
        if part == TRAIN or TRAIN not in decoded.parts
    ]
    lows = [seen[row.place].lowest for row in learned]
    highs = [seen[row.place].highest for row in learned]
    if wish.color is None and (unlike := survey.unlike(lows, highs)):
        how = replace(how, color="channels")
        notes.append(unlike)
    if how.color != "channels":  # one range for all, also where some are grey
        lows = [low.min(keepdims=True) for low in lows]
        highs = [high.max(keepdims=True) for high in highs]
    lowest, highest = np.stack(lows).min(axis=0), np.stack(highs).max(axis=0)
    offset, scale = survey.value_range(lowest, highest)
    if len(scale) != how.channels:  # colours have that range each
        offset, scale = offset * how.channels, scale * how.channels
    how = replace(how, offset=offset, scale=scale)
    notes.append(
        f"values are no bytes: {lowest.min():g} to {highest.max():g} in the training"
        f" {'windows' if how.is_window else 'pictures'}; "
        f"a range found there makes them bytes, and is kept with the model"
    )
    notes += survey.far_off(
        lows, highs, scale, lambda place: learned[place].pictures.where(learned[place].number)
    )
    rows = [row._replace(place=place) for place, row in enumerate(decoded.rows)]
    pixels = np.empty((len(rows), how.height, how.width, how.channels), np.uint8)
    again: dict[int, str] = {}
    seen = each(rows, lambda row: _fitted(row, how, pixels), again, report)
    told(rows, again, skip=False)
    decoded = replace(decoded, pixels=pixels, how=how)
    notes += _of_ranges(seen, decoded, (VALIDATION, TEST))
    as_bytes = [content_key(image) for image in pixels]
    notes += copies.once_bytes(rows, decoded.keys, as_bytes)
    return decoded


def _of_ranges(seen: Sequence[_Seen], decoded: _Decoded, parts: Sequence[str] = PARTS) -> list[str]:
    """Return notes of parts in another unit than that trained on, or of 16 bits hardly in use.

    Args:
        seen: A row each.
        decoded: The rows.
        parts: That are looked at; where all of several are in another unit, one note says so.
    """
    ranged: dict[str, list[tuple[Values, Values, float]]] = {}
    for part, of in zip(decoded.parts, seen, strict=True):
        if of.lowest is not None and of.highest is not None:
            ranged.setdefault(part, []).append((of.lowest, of.highest, of.beyond))
    if not decoded.how.scale:
        return survey.few_bits([highest for own in ranged.values() for _, highest, _ in own])

    def noted(part: str, own: Sequence[tuple[Values, Values, float]]) -> list[str]:
        lows, highs, beyond = zip(*own, strict=True)
        return survey.another_unit(part, float(np.mean(beyond)), lows, highs, decoded.how)

    notes = [note for part in parts if part in ranged for note in noted(part, ranged[part])]
    if 1 < len(notes) == len(ranged):
        return noted("", list(chain(*ranged.values())))
    return notes


def _kept(
    found: Labelled,
    seen: Sequence[_Seen | None],
    how: Preprocessing,
    wish: Wish,
    broken: dict[int, str],
    notes: list[str],
) -> _Decoded:
    """Return the rows that could be read with their parts; the pixels are still to come."""
    notes += told(found.rows, broken, skip=wish.skip_broken)
    rows = [row for row in found.rows if row.place not in broken]
    if not rows:
        told(found.rows, broken, skip=False)
    keys = [of.key for of in seen if of is not None]
    parts, own = [row.part for row in rows], [row.group for row in rows]
    if TEST not in parts:
        units = groups.unit_keys(keys, own)
        by_group = units != keys
        learned = [place for place, part in enumerate(parts) if part == TRAIN]
        chosen = aside(
            [units[place] for place in learned],
            [rows[place].label for place in learned],
            found.classes,
            to_judge=bool(wish.classes),
            by_group=by_group,
        )
        if not any(chosen):  # too few of each class: there is nothing but to judge
            chosen = [True] * len(chosen)
        for place, is_test in zip(learned, chosen, strict=True):
            parts[place] = TEST if is_test else TRAIN
        if not all(chosen):
            by = _WHOLE if by_group else "what each shows"
            notes.append(
                f"{NO_TEST}: {sum(chosen):,} of the {len(chosen):,} {how.things} were set aside as"
                f" such, chosen by {by}: always the same ones"
            )
    placed = [row._replace(part=part) for row, part in zip(rows, parts, strict=True)]
    notes += copies.between_parts(placed, keys)
    notes += copies.between_classes(rows, keys, found.classes)
    return _Decoded(rows, parts, keys, np.empty((0, 1, 1, 1), np.uint8), how)


def _data(name: str, found: Labelled, decoded: _Decoded, wish: Wish, notes: list[str]) -> Data:
    labels = np.array([row.label for row in decoded.rows], np.int64)
    of_part = np.array(decoded.parts)
    splits: dict[str, Split] = {}
    files = _files(decoded.rows)
    own_groups = [row.group for row in decoded.rows]
    numbers = groups.numbers_of(decoded.keys, own_groups)
    for part in PARTS:
        chosen = np.flatnonzero(of_part == part)
        if len(chosen):
            first, last = int(chosen[0]), int(chosen[-1]) + 1
            together = last - first == len(chosen)  # then nothing is copied
            pixels = decoded.pixels[first:last] if together else decoded.pixels[chosen]
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
            own = tuple(files[place] for place in chosen.tolist()) if files else ()
            of_groups = None if numbers is None else numbers[torch.from_numpy(chosen)]
            splits[part] = Split(images, torch.from_numpy(labels[chosen]), own, of_groups)
    if TRAIN not in splits:
        if not wish.classes:
            raise DataError(f"{name} must hold pictures to train on, got none that can be read")
        if TEST not in splits:  # a validation part is all that there is
            splits[TEST] = splits.pop(VALIDATION)
        splits[TRAIN] = splits[TEST]
    notes += told_counts(splits[TRAIN].labels, found.classes, wish)
    tested = [own_groups[place] for place in np.flatnonzero(of_part == TEST).tolist()]
    notes += groups.told_of_test(tested)
    set_aside = decoded.parts != [row.part for row in decoded.rows]
    if set_aside and not (wish.group_by or wish.classes):
        notes += neighbours.alike_neighbours(decoded.rows, decoded.pixels)
    return Data(
        name,
        splits[TRAIN],
        splits[TEST],
        found.classes,
        tuple(notes),
        validation=splits.get(VALIDATION),
        preprocessing=decoded.how,
        to_judge=bool(wish.classes),
    )


def _files(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return each picture's file below the folder that holds all, with its own folder at least.

    Nothing unless all are files.
    """
    paths = [path for row in rows if (path := row.pictures.file(row.number)) is not None]
    if len(paths) < len(rows):
        return ()
    above = len(Path(os.path.commonpath({path.parent for path in paths})).parts)
    return tuple("/".join(path.parts[min(above, len(path.parts) - 2) :]) for path in paths)


def _fitted(row: Row, how: Preprocessing, pixels: Array) -> _Seen:
    picture = row.pictures.picture(row.number, (how.height, how.width))
    if isinstance(picture, np.ndarray) and not how.takes(*picture.shape[:2]):
        own, got = (" x ".join(map(str, of)) for of in ((*how.size, how.channels), picture.shape))
        raise DataError(f"must be a window {own}, got {got}")
    pixels[row.place] = how.pixels(picture)
    if not (how.scale or getattr(picture, "mode", "") in DEEP):
        return _Seen(content_key(picture))
    values = with_channels(np.asarray(picture))
    return _seen(picture, values)._replace(beyond=how.beyond(values) if how.scale else 0.0)


def _ranged(row: Row, how: Preprocessing) -> _Seen:
    picture = row.pictures.picture(row.number, (how.height, how.width))
    values = with_channels(np.asarray(picture))
    if not np.isfinite(values).all():
        raise DataError("must hold finite numbers, got NaN or infinity")
    return _seen(picture, values)


def _seen(picture: Any, values: Values) -> _Seen:
    return _Seen(content_key(picture), values.min(axis=(0, 1)), values.max(axis=(0, 1)))
