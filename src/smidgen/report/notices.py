"""What a page warns of at its top: classes that are never answered, a net that learned little."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from smidgen.chance import beside_one_answer, is_near_one_answer, of_groups, wilson
from smidgen.confusion import by_class, judged_classes, never_answered
from smidgen.escape import LEFT_TO_RIGHT
from smidgen.report.points import Point
from smidgen.report.replicates import kind, replicate_of
from smidgen.sizes import listed

_ZERO = "accuracy is 0 %, whatever the accuracy of all says."


def of_classes(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """Warn of classes that the model of some replicate never answers, in two lines at most.

    Args:
        rows: Of one point, those that hold a confusion matrix.
        names: Of the classes.
    """
    counts = Counter(
        name for row in rows for name in never_answered(by_class(row["confusion"], names))
    )
    by_all = [name for name in names if counts[name] == len(rows) > 0]
    by_some = [name for name in names if 0 < counts[name] < len(rows)]
    many = kind(map(replicate_of, rows))
    lines: list[str] = []
    if by_all:
        whom = f" by {len(rows)} of {len(rows)} {many}" if len(rows) > 1 else ""
        lines.append(_never(by_all, names, whom))
    if len(by_some) == 1:
        (name,) = by_some
        those = f"that {many.removesuffix('s')}" if counts[name] == 1 else f"such {many}"
        lines.append(
            f"Class {name} is never answered by {counts[name]} of {len(rows)} {many}: by {those}"
            f" its {_ZERO}"
        )
    elif by_some:
        lines.append(
            f"Each of {_marked(by_some)} ({len(by_some):,} of {len(names):,} classes) is never"
            f" answered by at least one of the {len(rows)} {many}: by such {many} its {_ZERO}"
        )
    return lines


def _never(silent: Sequence[str], names: Sequence[str], whom: str) -> str:
    if len(silent) == 1:
        return f"Class {silent[0]} is never answered{whom}: its {_ZERO}"
    told = f"{len(silent):,} of {len(names):,} classes are never answered{whom}"
    return f"{told}: {_marked(silent)}; their {_ZERO}"


def _marked(silent: Sequence[str]) -> str:
    return listed([f"{name}{LEFT_TO_RIGHT}" for name in silent])


def of_grouped(point: Point) -> list[str]:
    """Warn that the pictures which judged a point are fewer witnesses than they are many."""
    groups = point.pictures(lambda row: row.get("groups") or row["images"])
    if groups >= point.images:
        return []
    return [f"{of_groups(point.images, groups, point.first['split'])}."]


def of_little(point: Point) -> list[str]:
    """Warn of a point that is hardly above what one answer for all reaches."""
    rows = list(point.rows.values())
    floor, reached = largest_of(rows), point.accuracy.mean / 100
    floor = _mean(map(floor_of, rows)) if floor is None else floor
    if floor is None or not is_near_one_answer(reached, floor):
        return []
    told = (
        f"{100 * reached:.2f} % {beside_one_answer(reached, floor)} what always answering the"
        f" largest class reaches, {100 * floor:.2f} %"
    )
    if any(map(has_learned_little, rows)):
        return [f"{told}: the net has learned little."]
    balanced = _mean(row.get("balanced_accuracy") for row in rows)
    assert balanced is not None, "without it, a net so near has learned little"
    even = sum(1 / judged_classes(row) for row in rows) / len(rows)
    return [
        f"{told}; of each class alike it finds more than one answer for all, {100 * balanced:.2f} %"
        f" against {100 * even:.2f} %."
    ]


def is_at_chance(point: Point) -> bool:
    """Tell whether an accuracy may be that of always answering the largest class.

    That is where its share lies in the interval of the accuracy for other pictures, or in that for
    other seeds, too, of an accuracy near it; unless each class alike is answered better than that.
    """
    rows, reached = list(point.rows.values()), min(max(point.accuracy.mean / 100, 0.0), 1.0)
    floor = largest_of(rows)
    if floor is None:
        return False
    by_seeds = is_near_one_answer(reached, floor) and point.accuracy.low <= 100 * floor
    if not by_seeds and wilson(reached, point.images)[0] > floor:
        return False
    balanced, classes = _mean(row.get("balanced_accuracy") for row in rows), _classes(rows)
    if balanced is None or not classes:
        return True
    return wilson(balanced, point.images)[0] <= 1 / classes


def _classes(rows: Sequence[dict[str, Any]]) -> int | None:
    """Return the most classes that judged a row, if rows tell."""
    return max((of for row in rows if (of := judged_classes(row))), default=None)


def largest_of(rows: Sequence[dict[str, Any]]) -> float | None:
    """Return the share of the largest class of the images of all rows, in [0, 1], if they tell.

    Of folds it is that of their images together: one answer for all is the same in each.
    """
    matrices = [row.get("confusion") for row in rows]
    if all(matrices):
        images = [sum(map(sum, lines)) for lines in zip(*matrices, strict=True)]
        return max(images) / sum(images)
    known = [row for row in rows if row.get("largest_class") is not None]
    images = sum(row["images"] for row in known)
    return sum(row["largest_class"] * row["images"] for row in known) / images if known else None


def floor_of(row: Mapping[str, Any]) -> float | None:
    """Return what one answer for all reaches on the images of a row, in [0, 1], if it tells."""
    largest, classes = row.get("largest_class"), judged_classes(row)
    if largest is None:
        return 1 / classes if classes else None
    return max(largest, 1 / classes) if classes else largest


def has_learned_little(row: Mapping[str, Any]) -> bool:
    """Tell whether a model is near chance, where each class counts alike as well as in all.

    Of classes of few images each a lucky one makes much of their mean: what chance leaves of it
    counts, the lower end of Wilson's interval.
    """
    floor, balanced = floor_of(row), row.get("balanced_accuracy")
    if floor is None or not is_near_one_answer(row["accuracy"], floor):
        return False
    classes = judged_classes(row)
    if balanced is None or not classes:
        return True
    return is_near_one_answer(wilson(balanced, row["images"])[0], 1 / classes)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def of_baselines(point: Point, baselines: Iterable[dict[str, Any]]) -> list[str]:
    """Warn of plain learners that reach more than the point does."""
    return [
        f"{name} on the same pixels is ahead: {reached:.2f} % against {point.accuracy.mean:.2f} %."
        for name, reached in reached_by(baselines).items()
        if reached > point.accuracy.mean
    ]


def reached_by(rows: Iterable[dict[str, Any]], figure: str = "accuracy") -> dict[str, float]:
    """Return the mean of a figure in percent by net; those that have it."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.get(figure) is not None:
            found.setdefault(str(row["net"]), []).append(100 * row[figure])
    return {name: sum(values) / len(values) for name, values in found.items()}
