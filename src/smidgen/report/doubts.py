"""Labels that models contradict which were trained without the picture."""

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Sequence
from struct import unpack
from typing import Any, NamedTuple

from smidgen.chance import wilson
from smidgen.escape import LEFT_TO_RIGHT
from smidgen.report.notices import has_learned_little
from smidgen.sizes import listed
from smidgen.split_names import fold_of

_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST = 30_000  # bytes of a picture that a page takes in
_SIDE = 64  # pixels a side, of such a picture: 48 are written
_SIDES = slice(16, 24)  # where a PNG tells width and height, behind its mark and "IHDR"
_SHOTS = 24  # pictures on a wall
_FEWEST = 2  # models that must contradict a label
_MAJORITY = 0.5  # of the models that judged the picture
_TRAINED = 0.5  # of the most epochs: models trained for less have no say
_EVIDENCE = 0.5  # right on more than this, so that a contradiction speaks against a label
_EVEN = 2.0  # times an even guess, that an answer must be as sure as
_NAMED = 12  # of the others, that are named
_TITLE = "Labels that the models contradict"


class Shot(NamedTuple):
    """A picture with what is said of it."""

    picture: str  # PNG in base64, or nothing
    answer: str
    label: str
    detail: str
    place: str


class Wall(NamedTuple):
    """Pictures under a title; without any, the note says why."""

    title: str
    shots: tuple[Shot, ...]
    note: str


class Doubt(NamedTuple):
    """A label that models contradict.

    Args:
        picture: Its file below the folder that holds all, or its part and place there.
        label: Class that the data give.
        answer: Class that the models give.
        probability: Of that, their mean, in [0, 1].
        models: That give it.
        judged: Models that judged the picture, trained without it.
    """

    picture: str
    label: str
    answer: str
    probability: float
    models: int
    judged: int


class _Trained(NamedTuple):
    groups: dict[str, list[dict[str, Any]]]  # of rows that tell their doubts, by split
    heard: dict[str, list[dict[str, Any]]]  # those of them that have a say


def doubts(rows: Iterable[dict[str, Any]]) -> Wall | None:
    """Return the pictures whose label most models contradict that were trained without it.

    Rows of one split judged the same pictures; one that does not tell its doubts, as of older
    versions, is not counted. Those trained for less than half of its most epochs, or near chance,
    have no say, and an answer must be :func:`sure_enough`. The folds of a round judge each picture
    once; that another round judged it, too, is told by no row if none of its models doubts it, so
    that the fullest round alone has a say. The first of equals in share are those with the surest
    answers.

    Args:
        rows: Of models of one data set, judged on images held out of their training.
    """
    groups, heard = judges = _judges(rows)
    if not any(heard.values()):
        little = any(row["doubted"] for group in groups.values() for row in group)
        note = "None is shown: the models that were trained without the pictures are near chance."
        return Wall(_TITLE, (), note) if little else None
    pictures = pictures_of(row for group in groups.values() for row in group)
    shots = [
        Shot(
            pictures.get(shown, ""),
            of.answer,
            f"labelled {of.label}",
            f"{100 * of.probability:.0f} %, {of.models} of {of.judged} models",
            of.picture,
        )
        for shown, of in _contradicted(judges)
    ]
    return _wall(shots, _weak(judges))


def weakness(rows: Iterable[dict[str, Any]]) -> str:
    """Return why few of :func:`doubted_labels` will be wrong, if the models are weak; else nothing.

    See :func:`few_are_wrong`.

    Args:
        rows: As there.
    """
    return _weak(_judges(rows))


def few_are_wrong(accuracy: float, images: int) -> str:
    """Return a warning if models are not shown to be right more often than wrong; else nothing.

    Right on a share ``a`` of the images, a model contradicts a right label in ``1 - a`` of the
    cases and a wrong one in about ``a`` of them or a little more: a contradiction makes a wrong
    label ``a / (1 - a)`` times as likely. Up to a half that is no evidence.

    Args:
        accuracy: Of the models, in [0, 1].
        images: That judged them; the lower end of Wilson's interval counts.
    """
    low, _ = wilson(accuracy, images)
    if low > _EVIDENCE:
        return ""
    return (
        f"few of these labels will be wrong: the models are right on {100 * accuracy:.1f} % of"
        f" {images:,} such images, not shown to be above half, so that most of what they contradict"
        " will be their own mistakes"
    )


def _weak(judges: "_Trained") -> str:
    """Return a warning of the models that have a say, of the images of their round together."""
    right, images = 0.0, 0
    for group in judges.heard.values():
        if group:
            images += group[0]["images"]
            right += group[0]["images"] * sum(row["accuracy"] for row in group) / len(group)
    return few_are_wrong(min(right / images, 1.0), images) if images else ""


def doubted_labels(rows: Iterable[dict[str, Any]]) -> list[Doubt]:
    """Return all labels that :func:`doubts` is of, in its order."""
    return [of for _, of in _contradicted(_judges(rows))]


def _judges(rows: Iterable[dict[str, Any]]) -> _Trained:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row.get("classes") and row.get("doubted") is not None:
            groups.setdefault(row["trained_on"], []).append(row)
    groups = _fullest_round(groups)
    return _Trained(groups, {name: _trained(group) for name, group in groups.items()})


def _contradicted(judges: _Trained) -> list[tuple[str, Doubt]]:
    """Return the labels that most models contradict, each with the name of its picture in rows."""
    said: dict[tuple[Any, ...], list[tuple[str, dict[str, Any]]]] = {}
    for name, group in judges.heard.items():
        for of in (of for row in group for of in row.get("doubted") or ()):
            key = (of.get("part", "train"), of["image"], of["label"], of["answer"])
            said.setdefault(key, []).append((name, of))
    found: list[tuple[str, Doubt]] = []
    for (part, image, label, answer), votes in said.items():
        judged = sum(len(judges.heard[name]) for name in {name for name, _ in votes})
        if len(votes) < max(_FEWEST, _MAJORITY * judged):
            continue
        names = judges.groups[votes[0][0]][0]["classes"]
        mean = sum(of["probability"] for _, of in votes) / len(votes)
        if not sure_enough(mean, len(names)):
            continue
        place = str(votes[0][1].get("file") or f"{part} image {image}")
        doubt = Doubt(place, str(names[label]), str(names[answer]), mean, len(votes), judged)
        found.append((f"{part}/{image}", doubt))
    found.sort(key=lambda of: (-of[1].models / of[1].judged, -of[1].probability))
    return found


def _wall(found: Sequence[Shot], weak: str) -> Wall | None:
    """Return the pictures on a wall, and those that no row holds by name; of none, all as words.

    Args:
        found: The pictures.
        weak: Why few of their labels will be wrong, or nothing.
    """
    if not found:
        return None
    seen = [shot for shot in found if shot.picture] or list(found)
    names = [f"{shot.place}{LEFT_TO_RIGHT} as {shot.answer}" for shot in found if shot not in seen]
    note = (
        "Training images with the answer of models that were trained without them: most of these"
        " models give it, each at least as surely as it answers the images of that class, on"
        " average, and well above an even guess. Such labels may be errors: look at them."
        + (f" But {weak}." if weak else "")
        + (f" The first {_SHOTS} of {len(seen):,}." if len(seen) > _SHOTS else "")
        + (f" Without a picture here: {listed(names, _NAMED)}." if names else "")
    )
    return Wall(_TITLE, tuple(seen[:_SHOTS]), note)


def sure_enough(probability: float, classes: int) -> bool:
    """Tell whether an answer is well above an even guess: twice it, or half the way to certainty.

    A net that tells little apart gives each class about as much, and so reaches the means of
    confident learning by chance.
    """
    even = 1 / classes
    return probability >= min(_EVEN * even, (1 + even) / 2)


def _fullest_round(groups: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return the groups of one round of folds, that of most models; those of no folds are one."""
    models: Counter[tuple[int, ...]] = Counter()
    for name, group in groups.items():
        models[_round_of(name)] += len(group)
    fullest = max(models, key=lambda one: models[one], default=())
    return {name: group for name, group in groups.items() if _round_of(name) == fullest}


def _round_of(split: str) -> tuple[int, ...]:
    fold = fold_of(split)
    return fold[1:] if fold else ()


def _trained(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    most = max(row["epochs"] for row in rows)
    long = [row for row in rows if row["epochs"] >= _TRAINED * most]
    return [row for row in long if not has_learned_little(row)]


def pictures_of(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return the pictures that rows hold, by name; only those that a page may hold."""
    found: dict[str, str] = {}
    for row in rows:
        for name, picture in (row.get("pictures") or {}).items():
            if name not in found and sound(picture):
                found[name] = picture
    return found


def sound(picture: Any) -> str:
    """Return a picture if it is what a page may hold, a small PNG in base64; else nothing.

    A few bytes may say that they are 60,000 pixels a side, which a browser makes room for.
    """
    try:
        raw = base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return ""
    width, height = unpack(">II", raw[_SIDES]) if len(raw) >= _SIDES.stop else (0, 0)
    small = len(raw) <= _LARGEST and 0 < width <= _SIDE and 0 < height <= _SIDE
    return picture if raw.startswith(_PNG) and small and raw[12:16] == b"IHDR" else ""
