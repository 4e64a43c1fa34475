"""Several nets of one search: those that no smaller one beats, each trained, tested and kept."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smidgen.checkpoint import write_atomically
from smidgen.files import copy_of_own
from smidgen.study.design.reduce import Entrant
from smidgen.study.design.search import Candidate, Rows, Search
from smidgen.study.design.story import plan_text
from smidgen.study.statistics import Interval, accuracy_interval

FRONT = "front"


@dataclass(frozen=True, slots=True)
class Point:
    """A net of the front.

    Args:
        name: Of the net.
        params: Learned scalars.
        macs: Multiply-accumulates an image.
        accuracy: On the test images, in percent.
        folder: Of its run, which exports and predicts like every other.
    """

    name: str
    params: int
    macs: int
    accuracy: Interval
    folder: Path


def front_of(scores: Mapping[Entrant, float]) -> list[Entrant]:
    """Return the entrants that no smaller one reaches or beats, the smallest first."""
    found: list[Entrant] = []
    for one in sorted(scores, key=lambda entrant: (entrant.excess, -scores[entrant])):
        if not found or scores[one] > max(scores[other] for other in found):
            found.append(one)
    return found


def likewise(entrants: Sequence[Entrant], winner: Candidate) -> list[Candidate]:
    """Return the entrants with methods and recipe of the winner, where they meet the budget."""
    found: list[Candidate] = []
    for one in entrants:
        try:
            fits = replace(one.maker, methods=winner.methods).excess(one.shaped.spec) <= 1
        except ValueError:  # a method that this net cannot have
            fits = False
        methods = winner.methods if fits else tuple(m for m in winner.methods if _is_free(m.name))
        found.append(one.candidate(methods, winner.recipe))
    return found


def _is_free(name: str) -> bool:
    """Whether a method costs a net nothing once it is trained."""
    return name not in ("blurpool", "squeeze-excite")


def kept(search: Search, found: Mapping[Candidate, Rows], out: Path) -> list[Point]:
    """Write a run folder and a plan for every net of the front, and return them by size.

    Those of an earlier call go; what was exported of them, or written beside them, stays.
    """
    for plan in (out / FRONT).glob("*.toml"):
        shutil.rmtree(plan.with_suffix(""), ignore_errors=True)
        plan.unlink()
    points: list[Point] = []
    for candidate, rows in found.items():
        first = min(rows)
        folder = out / FRONT / _named(candidate)
        copy_of_own(search.store.folder(search.key(candidate, first, full=True)), folder)
        named = search.data.origin or search.origin.name
        plan = out / FRONT / f"{folder.name}.toml"
        write_atomically(plan, plan_text(candidate, named).encode())
        percents = [100 * row["accuracy"] for row in rows.values()]
        row = rows[first]
        accuracy = accuracy_interval(percents, row["images"])
        points.append(Point(candidate.net.name, row["params"], row["macs"], accuracy, folder))
    return sorted(points, key=lambda point: point.params)


def _named(candidate: Candidate) -> str:
    """Return the name of a net's folder: one net may be there for images of several sizes."""
    size = "" if candidate.origin is None else f"-{candidate.net.input_shape}"
    return f"{candidate.net.name}{size}"


def told_points(points: Sequence[Point], out: Path) -> list[dict[str, Any]]:
    """Return what a design's page tells of its front, a mapping a net."""
    return [
        {
            "net": point.name,
            "params": point.params,
            "macs": point.macs,
            "accuracy": point.accuracy.mean / 100,
            "interval": [point.accuracy.low / 100, point.accuracy.high / 100],
            "folder": point.folder.relative_to(out).as_posix(),
        }
        for point in points
    ]
