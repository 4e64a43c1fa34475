"""Classes in the names of files, as cat of ``cat.1.jpg``."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from smidgen.data.names import COLLECTIONS, in_order
from smidgen.names import bare

PREFIX, SERIES = WAYS = ("prefix", "series")
LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_MARKS = " _-.()[]"
_WORD = re.compile(rf"[^{re.escape(_MARKS)}]+")
_OF_NO_CLASS = COLLECTIONS.union(  # first words that cameras and phones write
    ("dsc", "dscn", "dscf", "pxl", "mvimg", "whatsapp", "screenshot", "pic", "photo", "picture")
)
_SHORT = 3  # digits of a class that is a number: others are dates and counters
_LISTED = 3
_LONGEST = 40  # characters of the classes that are listed


def class_of(path: Path, way: str) -> str | None:
    """Return the class that the name of a file gives, None if it gives none.

    Words that cameras write before it, as IMG and DSC, are left out.

    Args:
        path: Of the file.
        way: ``prefix`` for the first word, before ``_``, ``-``, a space, a dot or a bracket, if
            another one follows; ``series`` for the name without its last number, if it has one.
    """
    name = path.stem
    if way == PREFIX:
        words = _WORD.findall(_without_camera(name))
        return words[0] if len(words) > 1 else None
    number = LAST_NUMBER.search(name)
    if number is None:
        return None
    around = (name[: number.start()].strip(_MARKS), name[number.end() :].strip(_MARKS))
    return _without_camera("_".join(filter(None, around))) or None


def _without_camera(name: str) -> str:
    """Return a name without the first words that are of no class."""
    begins = next((w.start() for w in _WORD.finditer(name) if not _is_camera(w[0])), len(name))
    return name[begins:]


def _is_camera(word: str) -> bool:
    return word.casefold() in _OF_NO_CLASS


def told_ways(paths: Sequence[Path]) -> str:
    """Return which ways give classes that names of files may well mean, in words; else nothing.

    Args:
        paths: Of all files.
    """
    found: dict[str, str] = {}
    before: list[str | None] = []
    for way in WAYS:
        of = [class_of(path, way) for path in paths]
        if of != before and _are_classes(of):
            found[way] = _listed({name for name in of if name is not None})
        before = of
    ways = (f'--label-column {way} (label_column="{way}") reads {of}' for way, of in found.items())
    return f"if names of files tell the classes, {', and '.join(ways)}" if found else ""


def _are_classes(found: Iterable[str | None]) -> bool:
    """Return whether names of files may mean these: most have one, and several share each."""
    of = list(found)
    counts = Counter(name for name in of if name is not None and _may_be_one(name))
    total = sum(counts.values())
    return 2 * total >= len(of) and 1 < len(counts) <= total / 2


def _may_be_one(name: str) -> bool:
    return len(name) <= _SHORT or not re.fullmatch(rf"[\d{re.escape(_MARKS)}]+", name)


def _listed(classes: Iterable[str]) -> str:
    names = in_order(classes)
    told = ", ".join(bare(name[:_LONGEST]) for name in names[:_LISTED])
    return told if len(names) <= _LISTED else f"{told}, ... {len(names):,} classes"
