"""What a page shows of rows that bear a card of robustness: tables of methods, and charts."""

from collections.abc import Collection, Mapping, Sequence
from math import isfinite, nan
from statistics import fmean
from typing import Any

from smidgen.report.look import Look
from smidgen.report.points import Point, baselines, numbers_of, over
from smidgen.report.replicates import Replicate, told
from smidgen.report.robust_charts import is_of_windows, judged_by, robust_charts
from smidgen.report.robust_figures import (
    FIGURES,
    FURTHER,
    NATS,
    SHARES,
    SHIFTED,
    THRESHOLD,
    Value,
    corrupted,
    of_strangers,
    of_threshold,
)
from smidgen.report.tables import (
    COUNTED,
    MISSING,
    PAIRED,
    Cell,
    Table,
    difference,
    number,
    words,
)
from smidgen.sizes import counted
from smidgen.split_names import fold_of
from smidgen.study.statistics import accuracy_interval, paired_effect, spread

_DRAWN = 4  # points in a chart, at most


def robust_looks(points: Sequence[Point]) -> list[Look]:
    """Return what is shown of robustness, a look a net and recipe; nothing without cards."""
    known = [point for point in points if all(row.get("robust") for row in point.rows.values())]
    found = baselines(known)
    titles = _titles([baseline for baseline, _ in found])
    return [_look(*group, title) for group, title in zip(found, titles, strict=True)]


def _titles(points: Sequence[Point]) -> list[str]:
    """Return a title a baseline; those that would be alike tell in what they differ."""
    plain, settings = [_title(point) for point in points], [_setting(point) for point in points]
    titles: list[str] = []
    for title, own in zip(plain, settings, strict=True):
        alike = [other for of, other in zip(plain, settings, strict=True) if of == title]
        apart = [text for name, text in own.items() if any(of.get(name) != text for of in alike)]
        titles.append(", ".join([title, *apart]))
    return titles


def _title(point: Point) -> str:
    noise = point.first["recipe"].get("label_noise")
    wrong = f", {100 * noise:g} % of the training labels wrong" if noise else ""
    return f"Robustness of {point.net} on {point.first['data']}{wrong}"


def _setting(point: Point) -> dict[str, str]:
    """Return what else tells the points of one title apart, in words."""
    first = point.first
    fold = fold_of(first["trained_on"])
    return {
        "epochs": counted(first["epochs"], "epoch", "epochs"),
        "split": f"{first['split']} images",
        "trained_on": f"{fold[1]} folds" if fold else f"trained on {first['trained_on']}",
        **{name: f"{name} {value}" for name, value in numbers_of(first)},
    }


def _look(baseline: Point, others: Sequence[Point], title: str) -> Look:
    first, every = baseline.first, [baseline, *others]
    card = first["robust"]
    best = sorted(others, key=lambda point: -(point.mean(corrupted) or 0))[: _DRAWN - 1]
    some = f"; drawn are {baseline.label()} and the {len(best)} that are best on corrupted images"
    drawn = some if len(others) > len(best) else ""
    integers = _integers(every)
    tables = [
        _figures(every),
        *([_effects(baseline, others)] if others else []),
        _further(baseline, others),
        *_unsure(every),
        *([integers] if integers else []),
    ]
    return Look(
        title=title,
        about=f"{_defined(baseline)}, on {card['images']:,} {first['split']} images; mean over"
        f" {over(every)}{drawn}.",
        warnings=(),
        tables=tuple(tables),
        charts=tuple(robust_charts([baseline, *best])),
        walls=(),
        lines=(),
    )


def _defined(point: Point) -> str:
    """Return whose definitions the corruptions of a card are."""
    if is_of_windows(point):
        return "Corruptions of a sensor, by smidgen's own definitions (docs/robustness.md)"
    return "Corruptions made anew from their published definitions"


def _figures(points: Sequence[Point]) -> Table:
    corruptions = len(points[0].first["robust"]["corruptions"])
    ways = f"{SHIFTED:g} pixels leaves, four directions"
    if is_of_windows(points[0]):
        ways = f"{SHIFTED:g} moments leaves, either way"
    note = (
        f"Corrupted: mean accuracy over {corruptions} corruptions. Same if shifted: answers that a"
        f" shift of {ways}, border repeated. ECE: 15 bins, clean"
        " and mean over corruptions. Strangers told apart: how often an own picture is answered"
        " more surely than noise, clouds or shapes; 50 is chance."
        f" {_chance(points)}"
    )
    return _means("Robustness", points, FIGURES, note)


def _means(title: str, points: Sequence[Point], figures: dict[str, Value], note: str) -> Table:
    rows = tuple(
        (
            words(point.label()),
            number(len(point.rows)),
            *(
                _figure(point.rows, value, name, judged_by(point))
                for name, value in figures.items()
            ),
        )
        for point in points
    )
    return Table(title, ("methods", COUNTED[over(points)], *figures), rows, note)


def _chance(points: Sequence[Point]) -> str:
    many = over(points)
    return (
        f"Shares of the pictures come with their 95 % interval for other {many} (Student) and other"
        " pictures (Wilson)."
    )


def _figure(rows: Mapping[Replicate, dict[str, Any]], value: Value, name: str, images: int) -> Cell:
    """Return the mean of a figure; that of a share of the pictures with its interval."""
    by_seed = _by_seed(rows, value)
    found = list(by_seed.values())
    if not found:
        return number(nan)
    if name not in SHARES:
        cell = number(fmean(found), f".{_digits(name)}f")
    else:
        interval = accuracy_interval(found, max(round(SHARES[name] * images), 1))
        cell = Cell(spread(interval).removesuffix(" (1 seed)"), interval.mean)  # it has a column
    return cell._replace(text=cell.text + _fewer(by_seed, rows))


def _fewer(found: Collection[Replicate], of: Collection[Replicate]) -> str:
    """Return how many replicates have a figure, if not all of a point: its table counts those."""
    return f" ({told(found)})" if 0 < len(found) < len(of) else ""


def _effects(baseline: Point, others: Sequence[Point]) -> Table:
    note = (
        f"Against {baseline.label()}, in points, paired by {PAIRED[over([baseline])]}, with the"
        " 95 % t interval; one that includes zero shows no difference, and one in twenty leaves it"
        " out by chance. A lower ECE is better."
    )
    title = f"Effects on the robustness of {baseline.net}"
    return _differences(title, baseline, others, FIGURES, note)


def _further(baseline: Point, others: Sequence[Point]) -> Table:
    """Return what the first table leaves out: effects, with what the baseline has in the note."""
    every = [row for point in (baseline, *others) for row in point.rows.values()]
    shown = {
        name: value for name, value in FURTHER.items() if any(isfinite(value(row)) for row in every)
    }
    ways = (
        "pictures are rotated, scaled, and as another camera gives them (exposure, contrast, blur)"
    )
    if is_of_windows(baseline):
        ways = "windows are played faster or slower, resized, moved and smoothed"
    note = (
        f"Accuracy where {ways}, the mean over amounts, and of the surest answers; NLL in nats,"
        " lower is better."
    )
    if THRESHOLD in shown:
        note += " Over the threshold: answers that one chosen on held-out images lets pass."
    if not others:
        note += f" {_chance([baseline])}"
        return _means("Robustness, further", [baseline], shown, note)
    has = ", ".join(
        f"{name} {_mean(baseline.rows, value):.{_digits(name)}f}"
        + _fewer(_by_seed(baseline.rows, value), baseline.rows)
        for name, value in shown.items()
    )
    note += (
        f" Against {baseline.label()} ({has}), paired by {PAIRED[over([baseline])]}, with the 95 %"
        " t interval; one that includes zero shows no difference, and one in twenty leaves it out"
        " by chance."
    )
    title = f"Further effects on the robustness of {baseline.net}"
    return _differences(title, baseline, others, shown, note)


def _unsure(points: Sequence[Point]) -> list[Table]:
    """Return what is answered surely: own pictures over a threshold, and those of no class."""
    cards = [row["robust"] for point in points for row in point.rows.values()]
    names = list(dict.fromkeys(one["name"] for card in cards for one in card["strangers"]))
    tables: list[Table] = []
    if any(card["threshold"] for card in cards):
        figures = {
            "from a confidence of %": of_threshold("confidence"),
            "answered %": of_threshold("kept"),
            "of these right %": of_threshold("accuracy"),
            **{f"of {name} answered %": of_strangers(name, "answered") for name in names},
        }
        note = (
            "The least confidence that is answered, chosen on held-out images so that as many"
            " answers are right as was wanted, half of the errors by default; judged on others."
            f" Means are over the {over(points)} that have such a figure, and say so where not all"
            " do."
        )
        tables.append(_means("I do not know", points, figures, note))
    if names:
        figures = {
            f"{name}{end}": of_strangers(name, field)
            for field, end in (("certain", ", sure %"), ("told_apart", ", told apart %"))
            for name in names
        }
        note = (
            "Pictures that show none of the classes. Sure: answered with a confidence of 90 % and"
            " more. Told apart: how often an own picture is answered more surely; 50 is chance."
        )
        tables.append(_means("Pictures of no class", points, figures, note))
    return tables


def _differences(
    title: str, baseline: Point, others: Sequence[Point], figures: dict[str, Value], note: str
) -> Table:
    rows = tuple(
        (
            words(point.label(baseline)),
            *(
                _compared(
                    point,
                    baseline,
                    value,
                    # nats are no shares of the images: they have no least difference
                    0.0 if name in NATS else 100 / point.first["robust"]["images"],
                    _digits(name),
                )
                for name, value in figures.items()
            ),
        )
        for point in others
    )
    return Table(title, ("methods", *figures), rows, note)


def _compared(point: Point, baseline: Point, value: Value, step: float, digits: int) -> Cell:
    """Return the difference of a figure, and of how few replicates if others have none of it."""
    ours, theirs = _by_seed(point.rows, value), _by_seed(baseline.rows, value)
    cell = _difference(ours, theirs, step, digits, shared=point.shared)
    both = ours.keys() & theirs.keys()
    if len(both) == 1:  # it says so
        return cell
    return cell._replace(text=cell.text + _fewer(both, point.rows.keys() & baseline.rows.keys()))


def _integers(points: Sequence[Point]) -> Table | None:
    """Return the figures of the integers beside those of the floats, where rows have both."""
    rows: list[tuple[Cell, ...]] = []
    for point in points:
        floats = {one: row for one, row in point.rows.items() if row.get("robust_int8")}
        if not floats:
            continue
        integers = {one: {"robust": row["robust_int8"]} for one, row in floats.items()}
        label, seeds = words(point.label()), number(len(floats))
        for numbers, of in (("float32", floats), ("int8", integers)):
            means = (_figure(of, value, name, judged_by(point)) for name, value in FIGURES.items())
            rows.append((label, words(numbers), seeds, *means))
        step = 100 / point.first["robust"]["images"]
        apart = (
            _difference(
                _by_seed(integers, value), _by_seed(floats, value), step, shared=point.shared
            )
            for value in FIGURES.values()
        )
        rows.append((label, words("difference"), seeds, *apart))
    note = (
        f"Difference: what the integers change, in points, paired by {PAIRED[over(points)]}, with"
        " the 95 % t interval; of one seed there is none."
    )
    columns = ("methods", "numbers", COUNTED[over(points)], *FIGURES)
    return Table("Robustness as int8", columns, tuple(rows), note) if rows else None


def _by_seed(rows: Mapping[Replicate, dict[str, Any]], value: Value) -> dict[Replicate, float]:
    return {one: figure for one, row in rows.items() if isfinite(figure := value(row))}


def _mean(rows: Mapping[Replicate, dict[str, Any]], value: Value) -> float:
    found = _by_seed(rows, value)
    return fmean(found.values()) if found else nan


def _digits(name: str) -> int:
    return 3 if name in NATS else 2


def _difference(
    ours: dict[Replicate, float],
    theirs: dict[Replicate, float],
    step: float,
    digits: int = 2,
    *,
    shared: float = 0.0,
) -> Cell:
    if not ours.keys() & theirs.keys():
        return Cell(MISSING, float("-inf"))
    found = paired_effect(ours, theirs, step=step, shared=shared)
    return Cell(difference(found, digits), found.mean)
