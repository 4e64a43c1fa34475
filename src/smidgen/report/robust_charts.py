"""Charts of cards of robustness: corruptions, geometry, a camera, confidence."""

from collections.abc import Callable, Sequence
from typing import Any

from smidgen.report.axes import ticks
from smidgen.report.bars import bars
from smidgen.report.chart import Chart
from smidgen.report.panels import Dot, Panel, panels
from smidgen.report.points import Point, over
from smidgen.sizes import amounted
from smidgen.study.statistics import Interval, accuracy_interval

GEOMETRY, CAMERA = ("shift", "rotation", "scale"), ("exposure", "contrast", "blur")
LEVEL = ("gain", "offset", "smoothing")  # of windows of a sensor
_NEUTRAL = {  # amounts that change nothing; 0 of the other kinds
    **dict.fromkeys(("scale", "contrast", "tempo", "gain"), 1.0),
}


def robust_charts(points: Sequence[Point]) -> list[Chart]:
    """Return the charts of a few points: the baseline first, then the best where corrupted."""
    return [
        _by_corruption(points),
        *_ways(points),
        *_strangers(points),
        _selective(points),
        _reliability(points[:2]),  # of more, the names under the plots would not be told apart
    ]


def is_of_windows(point: Point) -> bool:
    """Return whether the card of a point is of windows of a sensor, and not of pictures."""
    return any(of["kind"] in LEVEL for of in point.first["robust"]["seen"])


def _ways(points: Sequence[Point]) -> list[Chart]:
    if is_of_windows(points[0]):
        return [
            *_seen("Moved and played faster", ("shift", "tempo"), points),
            *_seen("Gain, offset and smoothing", LEVEL, points),
        ]
    return [
        *_seen("Moved, turned and resized", GEOMETRY, points),
        *_seen("Light, contrast and focus", CAMERA, points),
    ]


def _by_corruption(points: Sequence[Point]) -> Chart:
    """Chart the accuracy under each corruption, point by point."""
    found: dict[str, dict[str, Interval]] = {}
    for point in points:
        shares: dict[str, list[float]] = {}
        for row in point.rows.values():
            for one in row["robust"]["corruptions"]:
                name = one["name"].replace("_", " ")
                shares.setdefault(name, []).append(100 * one["accuracy"])
        images = judged_by(point)
        found[point.label()] = {name: accuracy_interval(of, images) for name, of in shares.items()}
    series = {label: {name: of.mean for name, of in by.items()} for label, by in found.items()}
    ends = {
        label: {name: (of.low, of.high) for name, of in by.items()} for label, by in found.items()
    }
    note = (
        f"Accuracy in percent, the mean over {over(points)} and over the published severities; the"
        f" line is its 95 % interval, for other {over(points)} and other pictures."
    )
    return bars("Accuracy by corruption", "accuracy, %", series, note, ".1f", ends)


def judged_by(point: Point) -> int:
    """Return how many different pictures the cards of a point are of."""
    return point.pictures(lambda row: int(row["robust"]["images"]))


def _seen(title: str, kinds: Sequence[str], points: Sequence[Point]) -> list[Chart]:
    """Chart the accuracy against the amount of each kind of change that was measured."""
    plots = [
        Panel(
            f"{kind}, {unit}",
            {point.label(): dots for point in points if (dots := _amounts(point, kind))},
            marks,
        )
        for kind, unit, marks in _axes(kinds, points)
    ]
    note = (
        f"Accuracy in percent, the mean over {over(points)}"
        + (" and, of shifts and rotations, over directions" if "shift" in kinds else "")
        + ". A dot tells under the pointer how many answers are those to the unchanged picture."
    )
    return [panels(title, "accuracy, %", plots, note, None)] if plots else []


def _axes(kinds: Sequence[str], points: Sequence[Point]) -> list[tuple[str, str, list[float]]]:
    """Return each kind that was measured with its unit and amounts, that of no change included."""
    found: list[tuple[str, str, list[float]]] = []
    for kind in kinds:
        every = [
            of for point in points for of in point.first["robust"]["seen"] if of["kind"] == kind
        ]
        if every:
            amounts = {of["amount"] for of in every} | {_NEUTRAL.get(kind, 0.0)}
            found.append((kind, every[0]["unit"], sorted(amounts)))
    return found


def _amounts(point: Point, kind: str) -> list[Dot]:
    """Return the accuracy of a point by the amount of a kind of change."""
    amounts = {
        of["amount"]: of["unit"] for of in point.first["robust"]["seen"] if of["kind"] == kind
    }

    def found(amount: float, field: str) -> Interval:
        shares = [
            100 * of[field]
            for row in point.rows.values()
            for of in row["robust"]["seen"]
            if (of["kind"], of["amount"]) == (kind, amount)
        ]
        return accuracy_interval(shares, judged_by(point))

    neutral = _NEUTRAL.get(kind, 0.0)
    dots = [
        Dot(
            amount,
            found(amount, "accuracy").mean,
            f"{kind} of {amounted(amount, unit)}: {_told(found(amount, 'accuracy'))} right,"
            f" {_told(found(amount, 'consistency'))} answered as before"
            if amount != neutral  # such answers are the same by definition, and not by 95 %
            else f"unchanged: {_told(found(amount, 'accuracy'))} right",
        )
        for amount, unit in amounts.items()
    ]
    if dots and neutral not in amounts:
        every = [100 * row["robust"]["clean"] for row in point.rows.values()]
        clean = accuracy_interval(every, judged_by(point))
        dots.append(Dot(neutral, clean.mean, f"unchanged: {_told(clean)} right"))
    return sorted(dots)


def _told(of: Interval) -> str:
    return f"{of.mean:.1f} % [{of.low:.1f}, {of.high:.1f}]"


def _strangers(points: Sequence[Point]) -> list[Chart]:
    """Chart how many pictures of no class are answered surely, kind by kind."""
    series: dict[str, dict[str, float]] = {}
    for point in points:
        shares: dict[str, list[float]] = {}
        for row in point.rows.values():
            for one in row["robust"]["strangers"]:
                shares.setdefault(one["name"], []).append(100 * one["certain"])
        series[point.label()] = {name: sum(of) / len(of) for name, of in shares.items()}
    if not any(series.values()):
        return []
    note = f"Percent of pictures that show none of the classes, the mean over {over(points)}."
    title = "Pictures of no class answered with a confidence of 90 % and more"
    return [bars(title, "so answered, %", series, note, ".1f")]


def _selective(points: Sequence[Point]) -> Chart:
    """Chart how many of the surest answers are right, against how many are kept."""
    curves: dict[str, list[Dot]] = {}
    for point in points:
        found: list[Dot] = []
        for share, _ in point.first["robust"]["selective"]:
            right = 100 * _mean(
                point,
                lambda card, share=share: [of for kept, of in card["selective"] if kept == share],
            )
            told = f"the surest {100 * share:g} %: {right:.2f} % right"
            found.append(Dot(100 * share, right, told))
        curves[point.label()] = found
    marks = sorted({dot.x for dots in curves.values() for dot in dots})
    note = (
        "Clean answers in the order of their confidence, the surest kept and the others left"
        f" unanswered. Mean over {over(points)}."
    )
    plot = Panel("answers kept, %", curves, marks)
    return panels("Accuracy of the surest answers", "accuracy, %", [plot], note, None)


def _reliability(points: Sequence[Point]) -> Chart:
    """Chart how many answers of a confidence are right, clean and corrupted, a plot a point."""
    plots = [
        Panel(
            f"confidence of {point.label()}, %",
            {
                "clean": _bins(point, "reliability"),
                "corrupted": _bins(point, "corrupted_reliability"),
            },
            ticks(0, 100, 5),
            joined=False,
            diagonal=True,
        )
        for point in points
    ]
    note = (
        f"Answers in 15 bins of confidence, {over(points)} together; on the line a net is right as"
        " often as it says, below it is too sure."
    )
    return panels("Reliability", "accuracy, %", plots, note, (0, 100))


def _bins(point: Point, field: str) -> list[Dot]:
    """Return confidence and accuracy of each bin that has any answer."""
    found: list[Dot] = []
    for bins in zip(*(row["robust"][field] for row in point.rows.values()), strict=True):
        images = sum(one["images"] for one in bins)
        if images:
            sure, right = (
                100 * sum(one["images"] * one[name] for one in bins) / images
                for name in ("confidence", "accuracy")
            )
            found.append(
                Dot(sure, right, f"{images:,} answers of {sure:.1f} %: {right:.1f} % right")
            )
    return found


def _mean(point: Point, values: Callable[[dict[str, Any]], list[float]]) -> float:
    """Return the mean of what the cards of a point's seeds hold."""
    found = [value for row in point.rows.values() for value in values(row["robust"])]
    return sum(found) / len(found)
