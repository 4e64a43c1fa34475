"""The chart of what images of each class were answered as."""

from collections.abc import Sequence

from smidgen.confusion import Matrix
from smidgen.escape import LEFT_TO_RIGHT
from smidgen.report.chart import BETTER, NARROW, WORSE, Chart, draw
from smidgen.report.svg import CARD, INK, MUTED, TEXT, Canvas, Number, shortened, width_of

_NAMED = 40  # classes; of more, names and numbers have no room
_CELL = 42  # pixels, at the most
_LABELS = 120  # pixels, at the most, for the names of classes
_NUMBERS = 15  # pixels of a cell that holds a number, at the least
_APART = 4  # pixels between the texts of two cells, at the least
_SMALL = 6  # pixels of a number, at the least
_EDGE = 24  # pixels beside the names, for what the side is
_WIDER = 1.16  # times what is expected of names, which a reader's font may take
_TOLD = 600  # pixels of a name in a tooltip, at the most: each of them is in as many as classes
_TOLD_TOGETHER = 6000  # pixels of the names of all classes, likewise
_TOOLTIPS = 2500  # in a matrix without numbers, those of the largest shares


def confusion_chart(matrix: Matrix, names: Sequence[str], over: str = "") -> Chart:
    """Chart a confusion matrix; darker is a larger share of the class.

    Args:
        matrix: Images by class and answer.
        names: Of the classes.
        over: What it was summed over, such as ``3 seeds``.
    """
    summed = f", summed over {over}" if over else ""
    return draw(
        "What each class is taken for",
        f"A row a class, a column an answer, images in numbers{summed}; the colour is their share"
        " of the class. Right answers are green.",
        lambda width: _drawn(width, matrix, names),
    )


def _drawn(width: int, matrix: Matrix, names: Sequence[str]) -> Canvas:
    if len(names) > _NAMED:
        return _unnamed(width, matrix, names)
    room = min(max(map(width_of, names)), _LABELS if width > NARROW else _LABELS * 0.6)
    left = top = _WIDER * room + _EDGE
    cell = min((width - left) / len(names), _CELL)
    canvas = _begun(width, left, cell * len(names))
    size = min(TEXT, max(cell - 2, 7))
    upright = all(width_of(name, size) < cell - _APART for name in names)
    told_names = _told_names(names)
    for row, (counts, name) in enumerate(zip(matrix, names, strict=True)):
        y, images = top + cell * row, sum(counts) or 1
        text = shortened(name, room, size)
        at = cell * row + cell / 2 + size * 0.35
        canvas.text(left - 6, top + at, text, INK, anchor="end", size=size, told=name)
        if upright:
            across = left + cell * (row + 0.5)
            canvas.text(across, top - 6, text, INK, anchor="middle", size=size, told=name)
        else:
            canvas.text(left + at, top - 6, text, INK, size=size, turned=True, told=name)
        for column, count in enumerate(counts):
            x, share = left + cell * column, count / images
            told = _told(told_names[row], told_names[column], count, share)
            canvas.rect(x, y, cell - 1, cell - 1, CARD, told=told if not count else "")
            if count:
                colour, strength = _shade(row, column, share)
                canvas.rect(x, y, cell - 1, cell - 1, colour, told=told, opacity=strength)
                _number(canvas, x, y, cell, count, told)
    return canvas


def _unnamed(width: int, matrix: Matrix, names: Sequence[str]) -> Canvas:
    """Draw a matrix of so many classes that cells have no names and numbers.

    It takes a few hundred KB, whatever is in the matrix: cells of one colour are one shape, and a
    phone, which has no pointer, has no tooltips.
    """
    left, classes = 16.0, len(names)
    cell = min((width - left) / classes, _CELL)
    canvas = _begun(width, left, cell * classes)
    canvas.rect(left, left, cell * classes - 1, cell * classes - 1, CARD)
    told_names = _told_names(names)
    shares = [
        (count / sum(counts), row, column)
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if count
    ]
    alike: dict[tuple[str, float], list[tuple[Number, Number]]] = {}
    for place, (share, row, column) in enumerate(sorted(shares, reverse=True)):
        x, y = left + cell * column, left + cell * row
        colour, strength = _shade(row, column, share)
        if place < _TOOLTIPS and width > NARROW:
            told = _told(told_names[row], told_names[column], matrix[row][column], share)
            canvas.rect(x, y, cell - 1, cell - 1, colour, told=told, opacity=strength)
        else:
            alike.setdefault((colour, round(strength, 1)), []).append((x, y))
    for (colour, strength), corners in alike.items():
        canvas.squares(corners, cell - 1, colour, strength)
    return canvas


def _begun(width: int, left: float, side: float) -> Canvas:
    """Return a drawing of a square at the right and below, whose sides say what they are."""
    canvas = Canvas(width, left + side + 4)
    canvas.text(TEXT, left + side / 2, "class", MUTED, anchor="middle", turned=True)
    canvas.text(left + side / 2, TEXT, "answer", MUTED, anchor="middle")
    return canvas


def _told_names(names: Sequence[str]) -> list[str]:
    """Return the names of classes for tooltips: the more there are, the shorter."""
    return [shortened(name, min(_TOLD, _TOLD_TOGETHER / len(names))) for name in names]


def _told(name: str, answer: str, count: int, share: float) -> str:
    return f"{name} answered as {answer}{LEFT_TO_RIGHT}: {count:,} ({100 * share:.1f} %)"


def _shade(row: int, column: int, share: float) -> tuple[str, float]:
    """Return the colour of a cell, and how much of it."""
    return BETTER if row == column else WORSE, 0.12 + 0.75 * share**0.5


def _number(canvas: Canvas, x: Number, y: Number, cell: Number, count: int, told: str) -> None:
    text, size = f"{count}", min(TEXT, cell / 2.4)
    size *= min(1, (cell - _APART) / width_of(text, size))
    if cell >= _NUMBERS and size >= _SMALL:
        x, y = x + cell / 2, y + cell / 2 + size * 0.36
        canvas.text(x, y, text, INK, anchor="middle", size=size, told=told)
