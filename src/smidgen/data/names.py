"""Names of classes and of parts, compared in one form."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import final

from smidgen.data.catalogue import TEST, TRAIN, VALIDATION
from smidgen.data.errors import DataError
from smidgen.escape import whole
from smidgen.names import shown
from smidgen.text import nearest

_PARTS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "t10k"), TEST),
    "publictest": VALIDATION,  # of FER-2013
    "privatetest": TEST,
}
_OF_DATA = re.compile(r"[-_ ]*(set|data|images?|pictures?|split)$")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")  # as in trainLabels
_NUMBERED = re.compile(r"^\d+[-_ .]+|[-_ ]*\d+$", re.ASCII)  # as 0_train, train2017, train_2020


def class_names(of: str, classes: Iterable[object]) -> tuple[str, ...]:
    """Return the names of the classes of something, as plain texts.

    Raises:
        DataError: If they are not several in an order, or one is no text.
    """
    several = isinstance(classes, Iterable)  # pyright: ignore[reportUnnecessaryIsInstance]
    if isinstance(classes, str | set | frozenset | Mapping):  # whose order is not that of numbers
        several = False
    found = tuple(classes) if several else ()
    if not (several and all(isinstance(name, str) for name in found)):
        raise DataError(
            f"classes of {of} must be texts in order, as in ['cat', 'owl'],"
            f" got {shown(found if several else classes)}"
        )
    return tuple(map(str, found))


_WHOLE = re.compile(r"[+-]?\d{1,1000}", re.ASCII)  # Python reads none of thousands of digits
COLLECTIONS = frozenset(  # names of folders that are of no class
    ("images", "image", "imgs", "img", "pictures", "photos", "data", "jpg", "jpeg", "png")
)
SYSTEM = (  # folders that systems make; hidden ones count too
    *("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information"),
    *("lost+found", "__pycache__"),
)

MADE = ("run.json", "artefact.json", "design.db")  # each in a folder that smidgen wrote


def part_of(name: str) -> str | None:
    """Return which part a folder, or a value in a table, names: ``Training`` is ``train``."""
    plain = name.strip().casefold()
    return _PARTS.get(plain) or _PARTS.get(_OF_DATA.sub("", plain))


def numbered_part_of(name: str) -> str | None:
    """Return which part a folder names beside a number, as ``train2017``, which a class may too."""
    return part_of(_NUMBERED.sub("", name.strip()))


def part_in(text: str) -> str | None:
    """Return which part a file name speaks of, such as ``emnist-train-images``."""
    for word in re.split(r"[^a-z0-9]+", _HUMP.sub(" ", text).casefold()):
        if found := _PARTS.get(word) or _PARTS.get(word.rstrip("0123456789")):
            return found
    return None


def is_system(name: str) -> bool:
    """Return whether a folder or file is a system's own, or hidden."""
    return name.startswith(".") or name in SYSTEM


def of_address(name: str) -> str:
    """Return what to say of a name of nothing here which is an address; nothing of others."""
    is_one = re.match("[a-z][a-z0-9+.-]+:/", name)  # a path has lost one of its slashes
    return "; addresses are not fetched, download it first" if is_one else ""


def one_form(name: str) -> str:
    r"""Return a name as it is compared: composed Unicode, no space at the ends.

    Bytes of a folder's name that are no UTF-8 are written as ``\xff``, since every file that a
    class is named in is text.
    """
    return " ".join(unicodedata.normalize("NFC", whole(name)).split())


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return names sorted, whole numbers by their value."""
    names = set(names)
    if all(_WHOLE.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


@final
class Matcher:
    """Finds the number of a class by its name, in any of the forms that systems make of it."""

    def __init__(self, classes: Sequence[str], whose: str = "the part to train on has") -> None:
        self.classes, self._whose = tuple(classes), whose
        self._exact = {name: number for number, name in enumerate(classes)}
        self._formed = {one_form(name): number for number, name in enumerate(classes)}
        folded: dict[str, list[int]] = {}
        for number, name in enumerate(classes):
            folded.setdefault(one_form(name).casefold(), []).append(number)
        self._folded = {name: found[0] for name, found in folded.items() if len(found) == 1}
        self.differing: dict[str, str] = {}  # what was written otherwise, and the class

    def number(self, name: str, where: str) -> int:
        """Return the number of a class.

        Raises:
            DataError: If there is none of that name.
        """
        if name in self._exact:
            return self._exact[name]
        plain = one_form(name)
        number = self._formed.get(plain, self._folded.get(plain.casefold()))
        if number is None:
            number = self._of_number(plain)
        if number is None:
            known = nearest(name, self.classes).replace("known: ", f"{self._whose} only ", 1)
            raise DataError(f"class {name!r} of {where} must be one that is known: {known}")
        self.differing[name] = self.classes[number]
        return number

    def _of_number(self, name: str) -> int | None:
        """Return the class that is the same whole number, as 01 is 1."""
        if not _WHOLE.fullmatch(name):
            return None
        same = [
            number
            for number, known in enumerate(self.classes)
            if _WHOLE.fullmatch(known) and int(known) == int(name)
        ]
        return same[0] if len(same) == 1 else None
