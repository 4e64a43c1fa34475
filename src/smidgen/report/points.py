"""Rows that differ in their seed alone, taken together as one point of a study."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from typing import Any

from smidgen.report.replicates import Replicate, are_folds, replicate_of, told
from smidgen.sizes import counted
from smidgen.split_names import fold_of
from smidgen.study.statistics import (
    Interval,
    accuracy_interval,
    mean_interval,
    paired_effect,
    spread,
    verdicts,
)


@dataclass(frozen=True)
class Point:
    """One net, set of methods and recipe, on one data set, over its seeds and folds.

    Args:
        rows: By replicate; never empty.
    """

    rows: dict[Replicate, dict[str, Any]]

    @cached_property
    def first(self) -> dict[str, Any]:
        """Any row, for what all have in common."""
        return next(iter(self.rows.values()))

    @property
    def net(self) -> str:
        """Name of the net."""
        return str(self.first["net"])

    @property
    def methods(self) -> tuple[str, ...]:
        """Text forms, in order of application."""
        return tuple(self.first["methods"])

    @property
    def names(self) -> frozenset[str]:
        """Names of the methods, without their arguments."""
        return frozenset(text.split("(")[0].replace("_", "-") for text in self.methods)

    @property
    def replicates(self) -> str:
        """How many it is the mean of, such as ``3 seeds`` or ``5 folds of 1 seed``."""
        return told(self.rows)

    def reached(self, unit: str = "") -> str:
        """Return its accuracy in percent with its interval; if one seed is behind it, it says so.

        Args:
            unit: After the figure.
        """
        lone = len({seed for seed, _ in self.rows}) == 1
        return spread(self.accuracy, unit=unit, of=self.replicates if lone else "")

    @cached_property
    def images(self) -> int:
        """Different pictures that judged it; each fold has its own, and a round all of them."""
        return self.pictures(lambda row: int(row["images"]))

    def pictures(self, count: Callable[[dict[str, Any]], int]) -> int:
        """Return how many different pictures rows are of, by what each says of its own."""
        if self.first["split"] == "test":
            return count(self.first)
        rounds: Counter[int] = Counter()
        for split, images in {split: count(row) for (_, split), row in self.rows.items()}.items():
            fold = fold_of(split)
            rounds[fold[2] if fold else 0] += images
        return max(rounds.values())

    @cached_property
    def accuracy(self) -> Interval:
        """In percent, with an interval for other seeds and for other pictures."""
        percents = [100.0 * row["accuracy"] for row in self.rows.values()]
        return accuracy_interval(percents, self.images)

    @cached_property
    def accuracy_over_seeds(self) -> Interval:
        """In percent, with an interval for other seeds on the same pictures."""
        return self.over_seeds(lambda row: 100.0 * row["accuracy"])

    def over_seeds(self, value: Callable[[dict[str, Any]], float]) -> Interval:
        """Return the mean and interval of a figure over the seeds."""
        return mean_interval([float(value(row)) for row in self.rows.values()])

    def mean(self, value: Callable[[dict[str, Any]], float | None]) -> float | None:
        """Return the mean of a figure over the seeds that have it."""
        found = [value(row) for row in self.rows.values()]
        known = [figure for figure in found if figure is not None]
        return sum(known) / len(known) if known else None

    def latency(self, name: str) -> float | None:
        """Return a latency figure on one thread, the least over the seeds.

        What else runs only adds to it.
        """
        measured = [row["latency"] for row in self.rows.values() if row.get("latency")]
        found = [times[name] for times in measured if times.get("threads", 1) == 1]
        return float(min(found)) if found else None

    @property
    def is_of_other_data(self) -> bool:
        """Whether all its rows are of models that were trained on other data: their keys say it."""
        return all(map(is_of_other_data, self.rows.values()))

    @property
    def seconds(self) -> float:
        """Of training, the least over the seeds: what else the machine does only adds to it."""
        return float(min(row["seconds"] for row in self.rows.values()))

    @property
    def shared(self) -> float:
        """Of folds, the ratio of held-out to training images; see :func:`mean_interval`."""
        folds = [fold for _, split in self.rows if (fold := fold_of(split))]
        return max((1 / (of - 1) for _, of, _ in folds), default=0.0)

    def label(self, baseline: "Point | None" = None) -> str:
        """Return the methods for people; with a baseline, only what differs from it."""
        theirs = baseline.methods if baseline else ()
        own = " + ".join(text for text in self.methods if text not in theirs)
        left_out = " + ".join(text for text in theirs if text not in self.methods)
        if left_out:
            return f"{own} without {left_out}".lstrip()
        return own or ("baseline" if baseline else "no method")


def is_of_other_data(row: dict[str, Any]) -> bool:
    """Tell whether a row judges a model on data that it was not trained on; see docs/rows.md."""
    return str(row.get("key", "")).endswith(f"-{row['fingerprint']}")


def over(points: Iterable[Point]) -> str:
    """Return what figures of points are means over, in words."""
    return "seeds and folds" if any(are_folds(point.rows) for point in points) else "seeds"


DIGITS = 6  # of a fingerprint, where one name stood for several data


@dataclass(frozen=True, slots=True)
class Effect:
    """What a set of methods changes against the baseline of its net, paired by seed.

    Args:
        point: With the methods.
        baseline: Without.
        accuracy: Difference in percentage points.
        p: That it is none, adjusted for the comparisons of its table; nan of one seed.
        verdict: ``better``, ``worse``, ``no difference shown`` or ``one seed, not tested``, by p.
        params: Learned scalars added.
        macs: Multiply-accumulates added.
        time: Ratio of training seconds, each the least over its seeds; ``None`` if no two of them
            were trained on the same device in the same way.
    """

    point: Point
    baseline: Point
    accuracy: Interval
    p: float
    verdict: str
    params: int
    macs: int
    time: float | None


def points_of(rows: Iterable[dict[str, Any]]) -> list[Point]:
    """Return the points of a study, in the order in which their first rows come."""
    grouped: dict[str, dict[Replicate, dict[str, Any]]] = {}
    for row in rows:
        if row["study"] == "baseline":  # no net, and shown beside the result alone
            continue
        recipe = sorted(row["recipe"].items())
        key = str((*setting_of(row), row["params"], row["macs"], row["methods"], recipe))
        grouped.setdefault(key, {})[replicate_of(row)] = row
    return [Point(dict(sorted(seeds.items()))) for seeds in grouped.values()]


def setting_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what two rows must have in common to be held against each other, the net first."""
    fold = fold_of(row["trained_on"])
    trained_on = row["trained_on"] if fold is None else fold[1]  # folds of as many are replicates
    return row["net"], row["fingerprint"], row["split"], trained_on, row.get("layers")


def numbers_of(row: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the numbers of a row's recipe, but for its epochs, and which data a name means."""
    recipe = {"share": 1.0, **row["recipe"]}
    numbers = sorted((name, of) for name, of in recipe.items() if name != "epochs")
    return [*numbers, ("data", row["fingerprint"][:DIGITS])]


def share_in(row: dict[str, Any]) -> float:
    """Return what share of its training images a row's run learned from, in (0, 1]."""
    share = row["recipe"].get("share", 1.0)  # a row may be anybody's
    return float(share) if isinstance(share, float) and 0 < share <= 1 else 1.0


def apart(
    points: Sequence[Point],
    numbers: Callable[[dict[str, Any]], Iterable[tuple[str, Any]]] = numbers_of,
) -> list[str]:
    """Return for each point what tells it from others of its net and methods; mostly nothing.

    Args:
        points: In any order.
        numbers: Of a row, by name, that may differ.
    """
    every = [dict(numbers(point.first)) for point in points]
    first: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
    differing: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for point, own in zip(points, every, strict=True):
        one = first.setdefault((point.net, point.methods), own)
        names = differing.setdefault((point.net, point.methods), set())
        names |= {name for name in one.keys() | own.keys() if one.get(name) != own.get(name)}
    return [
        "".join(
            f", {name} {value}"
            for name, value in own.items()
            if name in differing[point.net, point.methods]
        )
        for point, own in zip(points, every, strict=True)
    ]


def data_names(points: Iterable[Point]) -> dict[str, str]:
    """Return the name of each data set by its fingerprint, whose digits tell apart equal ones."""
    names = {point.first["fingerprint"]: str(point.first["data"]) for point in points}
    several = Counter(names.values())
    return {
        fingerprint: f"{name} ({fingerprint[:DIGITS]})" if several[name] > 1 else name
        for fingerprint, name in names.items()
    }


def baselines(points: Sequence[Point]) -> list[tuple[Point, list[Point]]]:
    """Return each net's baseline with the points that are compared with it.

    The baseline of a net (on one data set, under one recipe) is its point with the fewest methods;
    of several, the one whose methods most others have as well, whatever the order of rows.
    """
    grouped: dict[str, list[Point]] = {}
    for point in points:
        key = str((*setting_of(point.first), sorted(point.first["recipe"].items())))
        grouped.setdefault(key, []).append(point)
    found: list[tuple[Point, list[Point]]] = []
    for group in grouped.values():
        baseline = _fewest_methods(group)
        found.append((baseline, [point for point in group if point is not baseline]))
    return found


def _fewest_methods(group: Sequence[Point]) -> Point:
    fewest = min(len(point.methods) for point in group)
    having: dict[str, set[int]] = {}  # by method, the places in the group
    for place, point in enumerate(group):
        for method in point.methods:
            having.setdefault(method, set()).add(place)

    def held_by(point: Point) -> int:
        if not point.methods:
            return len(group)
        return len(set[int].intersection(*(having[method] for method in point.methods)))

    return max((point for point in group if len(point.methods) == fewest), key=held_by)


def longest(points: Sequence[Point]) -> list[Point]:
    """Return the points without those of which the same was trained longer, or on more images.

    The same is what differs in its epochs alone, and in the share of the images that it learned.
    """

    def size(point: Point) -> tuple[float, int]:
        return share_in(point.first), point.first["epochs"]

    kept: dict[str, Point] = {}
    for point in points:
        key = str((*setting_of(point.first), point.methods, but_for_share(point.first)))
        if key not in kept or size(kept[key]) < size(point):
            kept[key] = point
    return list(kept.values())


def but_for_share(row: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what :func:`numbers_of` does without the share."""
    return [(name, of) for name, of in numbers_of(row) if name != "share"]


def longest_groups(points: Sequence[Point]) -> list[tuple[Point, list[Point]]]:
    """Return each net's baseline with the points compared with it that are :func:`longest`.

    A baseline that was trained longer elsewhere is returned with what was not: left out before, one
    of those with more methods would pass for it.
    """
    kept = {id(point) for point in longest(points)}
    found = [
        (baseline, [point for point in others if id(point) in kept])
        for baseline, others in baselines(points)
    ]
    return [(baseline, others) for baseline, others in found if others or id(baseline) in kept]


def effect(point: Point, baseline: Point) -> Effect | None:
    """Return what ``point`` changes against ``baseline``; ``None`` if they share no seed."""
    if not point.rows.keys() & baseline.rows.keys():
        return None

    def percent(of: Point) -> dict[Replicate, float]:
        return {replicate: 100.0 * row["accuracy"] for replicate, row in of.rows.items()}

    accuracy = paired_effect(
        percent(point),
        percent(baseline),
        step=100 / point.first["images"],
        shared=point.shared,
    )
    return Effect(
        point,
        baseline,
        accuracy,
        accuracy.p,
        accuracy.verdict,
        point.first["params"] - baseline.first["params"],
        point.first["macs"] - baseline.first["macs"],
        _time(point, baseline),
    )


def judged_together(found: Sequence[Effect]) -> list[Effect]:
    """Return the effects of one table against one baseline, with verdicts for so many."""
    return [
        replace(one, p=of.p, verdict=of.told)
        for one, of in zip(found, verdicts([one.accuracy for one in found]), strict=True)
    ]


def tested(found: Iterable[Effect]) -> int:
    """Return how many effects have more than one seed behind them."""
    return sum(isfinite(one.p) for one in found)


def _time(point: Point, baseline: Point) -> float | None:
    """Return the ratio of training seconds on what both were trained on."""
    own, theirs = _seconds(point), _seconds(baseline)
    shared = [(own[key], theirs[key]) for key in own if theirs.get(key)]
    return min(shared)[0] / min(shared)[1] if shared else None


def _seconds(point: Point) -> dict[tuple[Any, ...], float]:
    """Return the training seconds by all that they depend on but the net, the least over seeds."""
    found: dict[tuple[Any, ...], float] = {}
    for row in point.rows.values():
        key = tuple(row.get(name) for name in ("device", "kernels", "precision", "threads"))
        found[key] = min(found.get(key, row["seconds"]), row["seconds"])
    return found


def effects(points: Sequence[Point]) -> list[tuple[Point, list[Effect]]]:
    """Return the effects of methods by baseline; baselines without any are left out.

    Those of one baseline are judged together.

    Of a net and recipe that were trained for several lengths the shortest comes first.
    """
    found: list[tuple[Point, list[Effect]]] = []
    for baseline, others in baselines(points):
        known = [e for e in (effect(point, baseline) for point in others) if e]
        if known:
            found.append((baseline, judged_together(known)))
    places: dict[str, int] = {}
    for baseline, _ in found:
        places.setdefault(_but_for_length(baseline), len(places))
    return sorted(found, key=lambda of: (places[_but_for_length(of[0])], of[0].first["epochs"]))


def _but_for_length(point: Point) -> str:
    return str((*setting_of(point.first), numbers_of(point.first)))


def lengths_apart(points: Sequence[Point]) -> list[str]:
    """Return for each point its epochs, if its net comes with others, and what is :func:`apart`."""
    lengths: dict[str, set[int]] = {}
    for point in points:
        lengths.setdefault(point.net, set()).add(point.first["epochs"])
    told_apart: list[str] = []
    for point, more in zip(points, apart(points), strict=True):
        length = counted(point.first["epochs"], "epoch", "epochs")
        told_apart.append((f", {length}" if len(lengths[point.net]) > 1 else "") + more)
    return told_apart
