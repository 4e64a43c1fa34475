"""Labels that models contradict which were trained without the picture."""

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from smidgen.split_names import fold_of

_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST = 30_000  # bytes of a picture that a page takes in
_SHOTS = 24  # pictures on a wall
_FEWEST = 2  # models that must contradict a label
_MAJORITY = 0.5  # of the models that judged the picture
_TRAINED = 0.5  # of the most epochs: models trained for less have no say


class Shot(NamedTuple):
    """A picture with what is said of it."""

    picture: str  # PNG in base64, or nothing
    answer: str
    label: str
    detail: str
    place: str


class Wall(NamedTuple):
    """Pictures under a title."""

    title: str
    shots: tuple[Shot, ...]
    note: str


class _Doubt(NamedTuple):
    share: float  # of the models that judged the picture
    probability: float  # mean
    shot: Shot


def doubts(rows: Iterable[dict[str, Any]]) -> Wall | None:
    """Return the pictures whose label most models contradict that were trained without it.

    Rows of one split judged the same pictures; one that does not tell its doubts, as of
    ``evaluate --row``, is not counted. Those trained for less than half of its most
    epochs have no say. The folds of a round judge each picture once; that another round judged it,
    too, is told by no row if none of its models doubts it, so that the fullest round alone has a
    say. The first of equals in share are those with the surest answers.

    Args:
        rows: Of models of one data set, judged on images held out of their training.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row.get("classes") and row.get("doubted") is not None:
            groups.setdefault(row["trained_on"], []).append(row)
    groups = _fullest_round(groups)
    trained = {name: _trained(group) for name, group in groups.items()}
    said: dict[tuple[Any, ...], list[tuple[str, dict[str, Any]]]] = {}
    for name, group in trained.items():
        for of in (of for row in group for of in row.get("doubted") or ()):
            key = (of.get("part", "train"), of["image"], of["label"], of["answer"])
            said.setdefault(key, []).append((name, of))
    pictures = pictures_of(row for group in groups.values() for row in group)
    found: list[_Doubt] = []
    for (part, image, label, answer), votes in said.items():
        judged = sum(len(trained[name]) for name in {name for name, _ in votes})
        if len(votes) < max(_FEWEST, _MAJORITY * judged):
            continue
        names = groups[votes[0][0]][0]["classes"]
        mean = sum(of["probability"] for _, of in votes) / len(votes)
        shot = Shot(
            pictures.get(f"{part}/{image}", ""),
            str(names[answer]),
            f"labelled {names[label]}",
            f"{100 * mean:.0f} %, {len(votes)} of {judged} models",
            str(votes[0][1].get("file") or f"{part} image {image}"),
        )
        found.append(_Doubt(len(votes) / judged, mean, shot))
    found.sort(key=lambda doubt: (-doubt.share, -doubt.probability))
    if not found:
        return None
    note = (
        "Training images with the answer of models that were trained without them: most of these"
        " models give it, each at least as surely as it answers the images of that class, on"
        " average. Many such labels are errors: look at them."
        + (f" The first {_SHOTS} of {len(found):,}." if len(found) > _SHOTS else "")
    )
    shots = tuple(doubt.shot for doubt in found[:_SHOTS])
    return Wall("Labels that the models contradict", shots, note)


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
    return [row for row in rows if row["epochs"] >= _TRAINED * most]


def pictures_of(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return the pictures that rows hold, by name; only those that a page may hold."""
    found: dict[str, str] = {}
    for row in rows:
        for name, picture in (row.get("pictures") or {}).items():
            if name not in found and sound(picture):
                found[name] = picture
    return found


def sound(picture: Any) -> str:
    """Return a picture if it is what a page may hold, a small PNG in base64; else nothing."""
    try:
        raw = base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return ""
    return picture if raw.startswith(_PNG) and len(raw) <= _LARGEST else ""
