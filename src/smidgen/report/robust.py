"""What a page shows of rows that bear a card of robustness: a table of methods, and charts."""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

from smidgen.report.axes import BELOW, Scale, across, room_beside, ticks, upward
from smidgen.report.bars import bars
from smidgen.report.chart import NARROW, SERIES, Chart, draw, legend, legend_height
from smidgen.report.look import Look
from smidgen.report.points import Point, baselines
from smidgen.report.svg import MUTED, Canvas
from smidgen.report.tables import MISSING, Cell, Table, difference, number, words
from smidgen.study.statistics import paired_effect

_HEIGHT = 230  # pixels of a plot
_SHIFTED = 2.0  # pixels, of the shift that a table tells
_DRAWN = 4  # points in a chart of corruptions, at most

Value = Callable[[dict[str, Any]], float]


def robust_looks(points: Sequence[Point]) -> list[Look]:
    """Return what is shown of robustness, a look a net and recipe; nothing without cards."""
    known = [point for point in points if all(row.get("robust") for row in point.rows.values())]
    return [_look(baseline, others) for baseline, others in baselines(known)]


def corrupted(row: dict[str, Any]) -> float:
    """Return the mean accuracy of a row over the corruptions, in percent."""
    return 100 * float(row["robust"]["accuracy"])


def shifted(row: dict[str, Any]) -> float:
    """Return the answers of a row that a shift of two pixels leaves as they are, in percent."""
    seen = row["robust"]["seen"]
    found = [of for of in seen if (of["kind"], of["amount"]) == ("shift", _SHIFTED)]
    return 100 * found[0]["consistency"] if found else float("nan")


def noticed(row: dict[str, Any]) -> float:
    """Return how well a row tells own pictures from those of no class, in percent, a mean."""
    found = [of["told_apart"] for of in row["robust"]["strangers"]]
    return 100 * sum(found) / len(found) if found else float("nan")


FIGURES: dict[str, Value] = {
    "clean %": lambda row: 100 * row["robust"]["clean"],
    "corrupted %": corrupted,
    "same if shifted %": shifted,
    "ECE %": lambda row: 100 * row["robust"]["ece"],
    "corrupted ECE %": lambda row: 100 * row["robust"]["corrupted_ece"],
    "strangers told apart %": noticed,
}


def _look(baseline: Point, others: Sequence[Point]) -> Look:
    first, every = baseline.first, [baseline, *others]
    card = first["robust"]
    best = sorted(others, key=lambda point: -(point.mean(corrupted) or 0))[: _DRAWN - 1]
    noise = first["recipe"].get("label_noise")
    wrong = f", {100 * noise:g} % of the training labels wrong" if noise else ""
    charts = [_by_corruption([baseline, *best]), _reliability(baseline)]
    tables = [_figures(every), *([_effects(baseline, others)] if others else [])]
    return Look(
        title=f"Robustness of {baseline.net} on {first['data']}{wrong}",
        about=f"Corruptions made anew from their published definitions, on {card['images']:,}"
        f" {first['split']} images; mean over seeds.",
        warnings=(),
        tables=tuple(tables),
        charts=tuple(charts),
        walls=(),
        lines=(),
    )


def _figures(points: Sequence[Point]) -> Table:
    rows = tuple(
        (
            words(point.label()),
            number(len(point.rows)),
            *(number(point.mean(value), ".2f") for value in FIGURES.values()),
        )
        for point in points
    )
    note = (
        "Corrupted: mean accuracy over fifteen corruptions. Same if shifted: answers that a shift"
        f" of {_SHIFTED:g} pixels leaves, four directions, border repeated. ECE: 15 bins, clean"
        " and mean over corruptions. Strangers told apart: how often an own picture is answered"
        " more surely than noise, clouds or shapes; 50 is chance."
    )
    return Table("Robustness", ("methods", "seeds", *FIGURES), rows, note)


def _effects(baseline: Point, others: Sequence[Point]) -> Table:
    rows = tuple(
        (
            words(point.label(baseline)),
            *(_effect(point, baseline, value) for value in FIGURES.values()),
        )
        for point in others
    )
    note = (
        f"Against {baseline.label()}, in points, paired by seed, with the 95 % t interval; one that"
        " includes zero shows no difference. A lower ECE is better."
    )
    return Table(f"Effects on the robustness of {baseline.net}", ("methods", *FIGURES), rows, note)


def _effect(point: Point, baseline: Point, value: Value) -> Cell:
    ours, theirs = (
        {seed: figure for seed, row in of.rows.items() if isfinite(figure := value(row))}
        for of in (point, baseline)
    )
    if not ours.keys() & theirs.keys():
        return Cell(MISSING, float("-inf"))
    step = 100 / point.first["robust"]["images"]
    found = paired_effect(ours, theirs, step=step)
    return Cell(difference(found), found.mean)


def _by_corruption(points: Sequence[Point]) -> Chart:
    """Chart the accuracy under each corruption, point by point."""
    series: dict[str, dict[str, float]] = {}
    for point in points:
        shares: dict[str, list[float]] = {}
        for row in point.rows.values():
            for one in row["robust"]["corruptions"]:
                name = one["name"].replace("_", " ")
                shares.setdefault(name, []).append(100 * one["accuracy"])
        series[point.label()] = {name: sum(of) / len(of) for name, of in shares.items()}
    note = "Accuracy in percent, the mean over seeds and over the published severities."
    return bars("Accuracy by corruption", "accuracy, %", series, note)


def _reliability(point: Point) -> Chart:
    """Chart how many answers of a confidence are right, clean and corrupted."""
    names = {"clean": "reliability", "corrupted": "corrupted_reliability"}
    curves = {name: _bins(point, field) for name, field in names.items()}
    return draw(
        "Reliability",
        f"{point.net} with {point.label()}: answers in 15 bins of confidence, seeds together; on"
        " the line a net is right as often as it says.",
        lambda width: _drawn(width, curves),
    )


def _bins(point: Point, field: str) -> list[tuple[float, float, int]]:
    """Return confidence, accuracy and images of each bin that has any."""
    found: list[tuple[float, float, int]] = []
    for bins in zip(*(row["robust"][field] for row in point.rows.values()), strict=True):
        images = sum(one["images"] for one in bins)
        if images:
            sure, right = (
                100 * sum(one["images"] * one[name] for one in bins) / images
                for name in ("confidence", "accuracy")
            )
            found.append((sure, right, images))
    return found


def _drawn(width: int, curves: dict[str, list[tuple[float, float, int]]]) -> Canvas:
    colours = dict(zip(curves, SERIES, strict=False))
    canvas = Canvas(width, legend_height(width, colours) + _HEIGHT + BELOW)
    top = legend(canvas, colours)
    bottom, levels = top + _HEIGHT, ticks(0, 100, 5)
    x, y = Scale(0, 100, room_beside(levels), width - 6), Scale(0, 100, bottom, top)
    upward(canvas, y, levels, width, "right, %")
    across(canvas, x, ticks(0, 100, 5 if width == NARROW else 10), top, bottom, "confidence, %")
    canvas.line(x(0), y(0), x(100), y(100), MUTED)
    for name, bins in curves.items():
        for sure, right, images in bins:
            told = f"{name}: {images:,} answers of {sure:.1f} %, {right:.1f} % right"
            canvas.circle(x(sure), y(right), 4, colours[name], told)
    return canvas
