"""Several nets of one search: those that no smaller one beats, each trained, tested and kept."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from smidgen.checkpoint import write_atomically
from smidgen.files import copy_of_own
from smidgen.sizes import counted
from smidgen.study.design.budget import CALLS, Budget, Latencies, costs
from smidgen.study.design.reduce import Entrant
from smidgen.study.design.search import Candidate, Rows, Search
from smidgen.study.design.story import changed, footprint_of, plan_text, rewritten_quietly
from smidgen.study.statistics import Interval, accuracy_interval

FRONT = "front"
_CALLED = {"params": "parameters", "macs": "MACs", "flash": "flash", "ram": "RAM"}
_CALLED["latency"] = "time an image"
_FEW = 3  # nets, fewer of which are no range of sizes


@dataclass(frozen=True, slots=True)
class Point:
    """A net of the front.

    Args:
        name: Of the net.
        params: Learned scalars.
        macs: Multiply-accumulates an image.
        accuracy: On the test images, in percent.
        folder: Of its run, which exports and predicts like every other.
        sizes: Its parameters, and all that is limited, by name; first what the budget leaves
            the front the least of. Bytes of flash and RAM are predicted; latency, in
            milliseconds, is what the limit was held against, that of the untrained net.
        changed: Mean accuracy on changed test images, in percent, of a design for robust.
        footprint: Predicted bytes of flash and RAM, limited or not; ``None`` without a form in C.
    """

    name: str
    params: int
    macs: int
    accuracy: Interval
    folder: Path
    sizes: dict[str, float | int] = field(default_factory=dict[str, float | int])
    changed: float | None = None
    footprint: tuple[int, int] | None = None


def front_of(scores: Mapping[Entrant, float]) -> list[Entrant]:
    """Return the entrants that none reaches which needs no more of anything, the smallest first.

    As of parameters and everything that is limited; see :meth:`Entrant.is_no_larger`.
    """
    found: list[Entrant] = []
    for one in sorted(scores, key=lambda entrant: (-scores[entrant], entrant.size)):
        if not any(other.is_no_larger(one) for other in found):
            found.append(one)
    return sorted(found, key=lambda entrant: entrant.excess)


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


def kept(
    search: Search,
    found: Mapping[Candidate, Rows],
    out: Path,
    budget: Budget,
    latencies: Latencies | None = None,
) -> list[Point]:
    """Write a run folder and a plan for every net of the front, and return them by size.

    That is, by what the budget leaves them the least of.

    Those of an earlier call go; what was exported of them, or written beside them, stays.

    Args:
        search: Whose store holds the runs.
        found: Rows of the last runs of each net, by seed.
        out: Folder of the design.
        budget: That they meet.
        latencies: By which they met it, if latency is limited.
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
        sizes = _sizes(candidate, row, budget, latencies)
        points.append(
            Point(
                candidate.net.name,
                row["params"],
                row["macs"],
                accuracy,
                folder,
                sizes,
                changed(rows),
                footprint_of(candidate.net, candidate.methods, budget.compiled),
            )
        )
    return _by_size(points, budget)


def _sizes(
    candidate: Candidate, row: Mapping[str, Any], budget: Budget, latencies: Latencies | None
) -> dict[str, float | int]:
    spec = rewritten_quietly(candidate.net, candidate.methods)
    sizes = costs(spec, budget)
    if latencies is not None:
        # not that of a trained net: last runs are timed side by side, and what one takes is noise
        sizes["latency"] = latencies.of(spec)
    return {"params": row["params"], **sizes}


def _by_size(points: Sequence[Point], budget: Budget) -> list[Point]:
    """Return points, and the sizes of each, by what the budget leaves all of them the least of."""

    def share(name: str) -> float:
        limit = budget.limits.get(name)
        used = [point.sizes[name] for point in points if name in point.sizes]
        return fmean(used) / limit if limit and used else 0.0

    names = sorted(_CALLED, key=lambda name: -share(name))
    found = [
        replace(one, sizes={name: one.sizes[name] for name in names if name in one.sizes})
        for one in points
    ]
    return sorted(found, key=lambda one: (next(iter(one.sizes.values())), one.params))


def _named(candidate: Candidate) -> str:
    """Return the name of a net's folder: one net may be there for images of several sizes."""
    size = "" if candidate.origin is None else f"-{candidate.net.input_shape}"
    return f"{candidate.net.name}{size}"


def told_points(points: Sequence[Point], out: Path) -> list[dict[str, Any]]:
    """Return what a design's page tells of its front, a mapping a net."""
    units = {"flash": "flash", "ram": "ram", "latency": "latency_ms"}
    return [
        {
            "net": point.name,
            "params": point.params,
            "macs": point.macs,
            **{units[name]: size for name, size in point.sizes.items() if name in units},
            "accuracy": point.accuracy.mean / 100,
            "interval": [point.accuracy.low / 100, point.accuracy.high / 100],
            **({} if point.changed is None else {"changed": point.changed / 100}),
            "folder": point.folder.relative_to(out).as_posix(),
        }
        for point in points
    ]


def told_front(points: Sequence[Point]) -> str:
    """Return what a front is, in words: its order, and what is not on it; empty for none."""
    if not points:
        return ""
    *most, last = (_CALLED[name] for name in points[0].sizes)
    first = (*most, last)[0]
    every = f"{', '.join(most)} and {last}" if most else last
    timed = (
        f" Milliseconds are those that the limit was held against: of the untrained net, by PyTorch"
        f" on one thread, the least of {CALLS} calls."
        if "latency" in points[0].sizes
        else ""
    )
    return (
        f"By {first}, the smallest first. What is not here was reached on held-out images by one of"
        f" these that needs no more of {every}, or at most 5 % more.{timed}"
    )


def few_told(points: Sequence[Point]) -> list[str]:
    """Return a line if a front has too few nets to be a range of sizes."""
    if not 0 < len(points) < _FEW:
        return []
    return [
        f"the front has {counted(len(points), 'net', 'nets')}: these reached all others of the last"
        " round and need no more; a larger budget, or a longer --profile, has more to choose from"
    ]
