"""The pairs of classes that are taken for each other most."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from smidgen.chance import wilson
from smidgen.confusion import Matrix
from smidgen.escape import LEFT_TO_RIGHT
from smidgen.report.doubts import pictures_of

_PAIRS = 10  # at most
_PICTURES = 3  # of a pair, at most


class Pair(NamedTuple):
    """A class that is answered as another one."""

    label: str
    answer: str
    told: str  # the share of the class, and how many of how many images
    pictures: tuple[tuple[str, str], ...]  # PNG in base64 and the picture's name


def most_confused(
    matrix: Matrix, names: Sequence[str], rows: Sequence[dict[str, Any]]
) -> tuple[Pair, ...]:
    """Return the pairs with the largest share of a class that is answered as one other.

    They come in the order of the lower end of Wilson's interval of that share, so that one image of
    two does not stand before 20 of 48.

    Args:
        matrix: Images by class and answer.
        names: Of the classes.
        rows: That the matrix is of, for pictures of such answers.
    """
    found = [
        (wilson(count / sum(counts), sum(counts))[0], label, answer)
        for label, counts in enumerate(matrix)
        for answer, count in enumerate(counts)
        if count and label != answer
    ]
    found.sort(key=lambda of: (-of[0], *of[1:]))
    shown = _shown(rows)
    return tuple(
        Pair(
            f"{names[label]}{LEFT_TO_RIGHT}",
            f"{names[answer]}{LEFT_TO_RIGHT}",
            _told(matrix[label][answer], sum(matrix[label])),
            tuple(dict.fromkeys(shown.get((label, answer), ())))[:_PICTURES],
        )
        for _, label, answer in found[:_PAIRS]
    )


def _told(count: int, images: int) -> str:
    return f"{100 * count / images:.3g} % ({count:,} of {images:,})"


def _shown(rows: Sequence[dict[str, Any]]) -> dict[tuple[int, int], list[tuple[str, str]]]:
    """Return the pictures that rows hold, with their names, by label and answer."""
    pictures = pictures_of(rows)
    found: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for part, of in _answers(rows):
        picture = pictures.get(f"{part}/{of['image']}")
        if picture:
            name = str(of.get("file") or f"{part} image {of['image']}")
            found.setdefault((of["label"], of["answer"]), []).append((picture, name))
    return found


def _answers(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every wrong answer that rows list, with the part that its picture is of."""
    for row in rows:
        yield from (("test", of) for of in row.get("wrong") or ())
        yield from ((of.get("part", "train"), of) for of in row.get("doubted") or ())
