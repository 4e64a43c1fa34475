"""A closer look at one point: its classes, its surest mistakes, doubted labels, and its net."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from smidgen.confusion import Matrix, balanced_accuracy, by_class, largest_share
from smidgen.escape import LEFT_TO_RIGHT
from smidgen.report import notices
from smidgen.report.chart import Chart
from smidgen.report.confused import Pair, most_confused
from smidgen.report.doubts import Shot, Wall, doubts, few_are_wrong, pictures_of, sure_enough
from smidgen.report.matrix import confusion_chart
from smidgen.report.net import net_chart
from smidgen.report.notices import has_learned_little, reached_by
from smidgen.report.points import Point
from smidgen.report.replicates import kind, replicate_of, told
from smidgen.report.tables import Table, number, words
from smidgen.sizes import counted

_SHOTS = 24  # pictures on a wall


@dataclass(frozen=True, slots=True)
class Look:
    """What is shown of a point beside its figures.

    Args:
        title: Above.
        about: What it is of.
        warnings: That belong at the top of the page.
        tables: In order.
        charts: Below them.
        walls: Of pictures, below those.
        lines: On the pictures as a whole.
        confused: Pairs of classes, above the charts.
    """

    title: str
    about: str
    warnings: tuple[str, ...]
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...]
    walls: tuple[Wall, ...]
    lines: tuple[str, ...]
    confused: tuple[Pair, ...] = ()


def closer_look(
    point: Point,
    baselines: Sequence[dict[str, Any]],
    held_out: Sequence[dict[str, Any]] = (),
    *,
    data: str = "",
    warned: bool = False,
    little_told: bool = False,
) -> Look | None:
    """Return what the rows of a point show, or ``None`` if they are too old to show anything.

    Args:
        point: The one that a page is about.
        baselines: Rows of plain learners on the same images; may be empty.
        held_out: Rows of other models of the same data, on images held out of their training.
        data: What to call the data, if not as the rows do.
        warned: Whether the page warns already, as a design does, of a net that learned little, of
            classes that are never answered and of plain learners that are ahead.
        little_told: Whether the page says already that the net learned little.
    """
    rows = [row for row in point.rows.values() if row.get("classes")]
    names: list[str] = rows[0]["classes"] if rows else []
    telling = [row for row in rows if row.get("wrong") is not None]
    judged = [row for row in rows if row.get("confusion")]
    matrices = [row["confusion"] for row in judged]
    matrix = _summed(matrices) if matrices else None
    drawing = point.first.get("drawing")
    beside = _baseline_table(point, baselines) if baselines else None
    if not (rows or drawing or beside):
        return None
    charts = [confusion_chart(matrix, names, _together(judged))] if matrix else []
    charts += [net_chart(point.net, point.first["input"], drawing)] if drawing else []
    tables = [_class_table(matrix, names, rows, point.images)] if matrix else []
    return Look(
        title=f"A closer look at {point.net}",
        about=f"{point.label()}, {point.replicates}, {point.images:,} {point.first['split']} images"
        f" of {data or point.first['data']}.",
        warnings=(
            *notices.of_grouped(point),
            *([] if warned or little_told else notices.of_little(point)),
            *([] if warned else notices.of_classes(judged, names)),
            *([] if warned else notices.of_baselines(point, baselines)),
        ),
        tables=tuple(tables + ([beside] if beside else [])),
        charts=tuple(charts),
        walls=tuple(
            wall for wall in (_wrong(telling), doubts(held_out), _doubted(telling)) if wall
        ),
        lines=_lines(rows, matrix),
        confused=most_confused(matrix, names, judged) if matrix else (),
    )


def _kind(rows: Sequence[dict[str, Any]]) -> str:
    return kind(map(replicate_of, rows))


def _together(rows: Sequence[dict[str, Any]]) -> str:
    """Return how many replicates rows are, in words; nothing of a single one."""
    return told(set(map(replicate_of, rows))) if len(rows) > 1 else ""


def _summed(matrices: Sequence[Matrix]) -> Matrix:
    return [
        [sum(counts) for counts in zip(*lines, strict=True)]
        for lines in zip(*matrices, strict=True)
    ]


def _class_table(
    matrix: Matrix, names: Sequence[str], rows: Sequence[dict[str, Any]], images: int
) -> Table:
    examples: list[int] = rows[0].get("examples") or []
    known = len(examples) == len(names)  # no row of held-out images tells them
    together = _together([row for row in rows if row.get("confusion")])
    answers = sum(map(sum, matrix))  # of several seeds to the same images, or of folds each to its

    def percent(share: float | None) -> float | None:
        return None if share is None else 100 * share

    cells = tuple(
        (
            words(of.name),
            *([number(examples[place])] if known else []),
            number(of.images * images / answers),
            number(percent(of.precision), ".1f"),
            number(percent(of.recall), ".1f"),
            number(percent(of.f1), ".1f"),
            words(_most_taken_for(line, place, names)),
        )
        for place, (of, line) in enumerate(zip(by_class(matrix, names), matrix, strict=True))
    )
    shares = ("images", "precision %", "recall %", "F1 %", "most taken for")
    note = (
        ("Examples: training images. " if known else "")
        + "Precision: how many of the answers are right. Recall: how many"
        " of the images are found. F1: their harmonic mean."
        + (f" Shares are of the answers of {together} together." if together else "")
    )
    return Table("The classes", ("class", *(["examples"] if known else []), *shares), cells, note)


def _most_taken_for(line: Sequence[int], own: int, names: Sequence[str]) -> str:
    others = [(count, -place) for place, count in enumerate(line) if place != own and count]
    if not others:
        return "-"
    count, place = max(others)
    return f"{names[-place]}{LEFT_TO_RIGHT}, {100 * count / sum(line):.1f} %"


def _baseline_table(point: Point, baselines: Sequence[dict[str, Any]]) -> Table:
    own = list(point.rows.values())
    accuracy = reached_by([*own, *baselines])
    balanced = reached_by([*own, *baselines], "balanced_accuracy")
    kept: dict[str, Any] = {row["net"]: row.get("params") for row in [*baselines, *own]}
    ordered = sorted(accuracy, key=lambda name: -accuracy[name])
    cells = tuple(
        (
            words(name),
            number(accuracy[name], ".2f"),
            number(balanced.get(name), ".2f"),
            number(kept[name]),
        )
        for name in ordered
    )
    note = "scikit-learn's plain learners, given the same pixels and judged on the same images."
    columns = ("learner", "accuracy %", "balanced accuracy %", "parameters")
    return Table("Beside plain baselines", columns, cells, note)


def _wrong(rows: Sequence[dict[str, Any]]) -> Wall | None:
    """Return the wrong answers that most seeds are surest of."""
    shots = _shots(rows, "test", _by_answer(rows, "wrong"))
    if not shots:
        return None
    note = (
        "Test images with the probability of the answer, its mean over the"
        f" {_kind(rows)} that list it among their 64 surest wrong answers; those of most"
        f" {_kind(rows)} come first. A picture is shown once, with every such answer to it."
    )
    return Wall("The surest wrong answers", shots, note)


def _doubted(rows: Sequence[dict[str, Any]]) -> Wall | None:
    """Return the test images whose label the models of all seeds contradict with one voice."""
    if any(map(has_learned_little, rows)):
        return None  # such a seed contradicts by chance
    classes = len(rows[0]["classes"]) if rows else 0
    agreed = {
        key: found
        for key, found in _by_answer(rows, "wrong").items()
        if len(found) == len(rows) > 1
        and all(of["sure"] for of in found)
        and sure_enough(_mean(found), classes)
    }
    shots = _shots(rows, "test", agreed)
    if not shots:
        return None
    note = (
        f"All {len(rows)} {_kind(rows)} give the same other answer, each at least as surely as it"
        " answers the images of that class, on average, and well above an even guess. Such labels"
        " may be errors: look at them."
    )
    reached = sum(row["accuracy"] for row in rows) / len(rows)
    weak = few_are_wrong(reached, max(row["images"] for row in rows))
    note += f" But {weak}." if weak else ""
    return Wall("Labels of test images that the models contradict", shots, note)


Answers = dict[tuple[int, int, int], list[dict[str, Any]]]  # by image, label and answer


def _by_answer(rows: Iterable[dict[str, Any]], column: str) -> Answers:
    """Return what the seeds say of each image, those of most seeds and the surest first."""
    found: Answers = {}
    for row in rows:
        for of in row.get(column) or ():
            found.setdefault((of["image"], of["label"], of["answer"]), []).append(of)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), -_mean(item[1]))))


def _mean(answers: Sequence[dict[str, Any]]) -> float:
    return sum(of["probability"] for of in answers) / len(answers)


def _shots(rows: Sequence[dict[str, Any]], split: str, answers: Answers) -> tuple[Shot, ...]:
    names = rows[0]["classes"] if rows else []
    pictures = pictures_of(rows)
    shots: dict[int, Shot] = {}
    for (image, label, answer), found in answers.items():
        count = f", {len(found)} of {len(rows)} {_kind(rows)}" if len(rows) > 1 else ""
        detail = f"{100 * _mean(found):.0f} %{count}"
        picture = pictures.get(f"{split}/{image}", "")
        if pictures and not picture:
            continue
        if first := shots.get(image):  # other seeds take it for something else
            also = f"{first.detail}; {names[answer]}{LEFT_TO_RIGHT} {detail}"
            shots[image] = first._replace(detail=also)
            continue
        shots[image] = Shot(
            picture,
            str(names[answer]),
            f"labelled {names[label]}",
            detail,
            str(found[0].get("file") or f"{split} image {image}"),
        )
    return tuple(shots.values())[:_SHOTS]


def _lines(rows: Sequence[dict[str, Any]], matrix: Matrix | None) -> tuple[str, ...]:
    """Return what is said of the images as a whole."""
    lines: list[str] = []
    if matrix:
        figures = by_class(matrix, [""] * len(matrix))
        lines.append(
            f"Balanced accuracy, the mean over classes: {100 * balanced_accuracy(figures):.2f} %."
            f" Always answering the largest class would reach {100 * largest_share(figures):.2f} %"
            f" accuracy and {100 / sum(map(any, matrix)):.2f} % balanced."
        )
    found = rows[0].get("copies") if rows else None
    if found:
        lines.append(
            "Copies, equal to the last pixel: "
            f"{found['train']:,} among the training images, {found['test']:,} among the test"
            f" images; {counted(found['across'], 'test image is', 'test images are')} among the"
            f" training images; {counted(found['labels'], 'image has', 'images have')} a copy with"
            " another label."
            if any(found.values())
            else "No two images are copies of each other, to the last pixel."
        )
    return tuple(lines)
