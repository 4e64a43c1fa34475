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
_TOLD = 600  # pixels of a name in a tooltip, at the most: each of them is in as many as classes


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
    named = len(names) <= _NAMED
    room = min(max(map(width_of, names)), _LABELS if width > NARROW else _LABELS * 0.6)
    left = room + 24 if named else 16.0
    cell = min((width - left) / len(names), _CELL)
    top = left
    canvas = Canvas(width, top + cell * len(names) + 4)
    size = min(TEXT, max(cell - 2, 7)) if named else TEXT
    upright = all(width_of(name, size) < cell - _APART for name in names)
    middle = cell * len(names) / 2
    canvas.text(TEXT, top + middle, "class", MUTED, anchor="middle", turned=True)
    canvas.text(left + middle, TEXT, "answer", MUTED, anchor="middle")
    told_names = [shortened(name, _TOLD) for name in names]
    for row, (counts, name) in enumerate(zip(matrix, names, strict=True)):
        y, images = top + cell * row, sum(counts) or 1
        if named:
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
            answer = f"{told_names[column]}{LEFT_TO_RIGHT}"
            told = f"{told_names[row]} answered as {answer}: {count:,} ({100 * share:.1f} %)"
            canvas.rect(x, y, cell - 1, cell - 1, CARD, told=told if not count else "")
            if count:
                colour = BETTER if row == column else WORSE
                strength = 0.12 + 0.75 * share**0.5
                canvas.rect(x, y, cell - 1, cell - 1, colour, told=told, opacity=strength)
                _number(canvas, x, y, cell, count, told)
    return canvas


def _number(canvas: Canvas, x: Number, y: Number, cell: Number, count: int, told: str) -> None:
    text, size = f"{count}", min(TEXT, cell / 2.4)
    size *= min(1, (cell - _APART) / width_of(text, size))
    if cell >= _NUMBERS and size >= _SMALL:
        x, y = x + cell / 2, y + cell / 2 + size * 0.36
        canvas.text(x, y, text, INK, anchor="middle", size=size, told=told)
