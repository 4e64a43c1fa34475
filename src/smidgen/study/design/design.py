"""Design: from images and a budget to a trained net, by reduce, refine, methods and confirm."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, SupportsIndex

from smidgen.export.c.boards import Compiled
from smidgen.export.c.footprint import predict_cost
from smidgen.files import copy_of_own, locked, write_atomically
from smidgen.methods import Method, in_order
from smidgen.recipe import Recipe
from smidgen.run_folder import MODEL
from smidgen.show import card, percent
from smidgen.sizes import counted
from smidgen.spec import NetSpec
from smidgen.study.design.baseline import STUDY as PLAIN
from smidgen.study.design.baseline import baselines
from smidgen.study.design.budget import CALLS, Budget
from smidgen.study.design.clock import Clock, told_estimate
from smidgen.study.design.front import (
    Point,
    few_told,
    front_of,
    kept,
    likewise,
    told_front,
    told_points,
)
from smidgen.study.design.judging import judging_of
from smidgen.study.design.outset import (
    STORE,
    Outset,
    Wishes,
    outset,
    require_out,
    views_told,
)
from smidgen.study.design.pace import Pace
from smidgen.study.design.reduce import Contest, choose
from smidgen.study.design.search import Candidate, Observer, Rows, Search, listed, titled
from smidgen.study.design.selection import Selection, Standing
from smidgen.study.design.story import (
    WARNING,
    changed,
    chosen_again,
    command_of,
    doubts,
    models_of,
    plan_text,
    pretrained_told,
    rewritten_quietly,
    slow_told,
    story,
)
from smidgen.study.design.tune import lengthened, tuned
from smidgen.study.design.turn import turned_told
from smidgen.study.job import Origin
from smidgen.study.running.local import StudyError
from smidgen.study.running.places import require_place, runner_on, side_by_side
from smidgen.study.statistics import Interval, accuracy_interval, spread
from smidgen.study.store import Store

PLANNED, CONFIRM = "plan", "confirm"
PLAN, ROWS = "design.toml", "rows.jsonl"


@dataclass(frozen=True, slots=True)
class Design:
    """What a design ends as.

    Args:
        net: Before its architecture methods.
        methods: In order of application.
        recipe: Of its runs.
        accuracy: On the test images, in percent: mean over the confirming seeds, with an interval
            for other seeds and other pictures.
        rows: Of the confirming runs, by seed.
        folder: Of the store, the plan, the rows and the model.
        command: That trains the model in ``folder`` again.
        plain: Rows of plain methods on the same images, tested once as well.
        warnings: What should make its reader doubt it, a line each.
        front: Nets by size, where a front was asked for; the winner is one of them.
        limits: That were met, by name: params, macs, flash and ram in bytes, those of a board
            among them, and latency in milliseconds.
        admitted: Milliseconds that the limit of latency was held against, those of the untrained
            net; ``None`` where latency is not limited.
        compiled: The core that limits of flash and RAM are of.
    """

    net: NetSpec
    methods: tuple[Method, ...]
    recipe: Recipe
    accuracy: Interval
    rows: Rows
    folder: Path
    command: str
    plain: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    front: tuple[Point, ...] = ()
    limits: dict[str, float | int] = field(default_factory=dict[str, float | int])
    admitted: float | None = None
    compiled: Compiled = "m4"

    def __repr__(self) -> str:
        return f"Design({self.net.name}: {self._told})"

    def _repr_html_(self) -> str:
        """Return a table of the last runs, for a notebook."""
        rows = [
            (seed, percent(row["accuracy"]), percent(row["balanced_accuracy"]), f"{row['nll']:.4f}")
            for seed, row in self.rows.items()
        ]
        columns = ("seed", "accuracy", "balanced accuracy", "NLL")
        return card(self.net.name, self._told, columns, rows)

    @property
    def _told(self) -> str:
        """What a prompt shows of the design."""
        reached = spread(self.accuracy, unit=" %")
        return (
            f"{reached} on test images, {counted(len(self.rows), 'seed', 'seeds')},"
            f" {self.net.params:,} params with {listed(self.methods)}, in {self.folder}"
        )

    @property
    def model(self) -> Path:
        """The folder of the run that is the result."""
        return self.folder / MODEL

    @property
    def changed(self) -> float | None:
        """Mean accuracy on changed test images, in percent, of a design for robust."""
        return changed(self.rows)

    @property
    def footprint(self) -> tuple[int, int]:
        """Bytes of flash and RAM as int8 C, predicted, on the core that limits are of."""
        flash, ram = predict_cost(rewritten_quietly(self.net, self.methods), self.compiled)
        return flash, ram


def design(  # noqa: PLR0913 - the one door; all but three arguments by keyword
    origin: Origin,
    budget: Budget,
    out: Path | str,
    *,
    profile: str = "quick",
    jobs: int = 1,
    epochs: int | None = None,
    prefer: str = "best",
    balance: bool = False,
    pareto: bool = False,
    seconds: float | None = None,
    purpose: str = "accuracy",
    on: str = "local",
    address: str | None = None,
    clock: Clock | None = None,
    observer: Observer = lambda news: None,
) -> Design:
    """Find a net for the images that meets the budget, train it, and test it once.

    Every choice is made on images held out of the training set. A design that was interrupted
    goes on where it stopped when it is called again with the same arguments.

    Args:
        origin: Of the images.
        budget: Exact figures hold for every net before it is trained.
        out: Folder of the result.
        profile: ``quick``, ``standard`` or ``thorough``.
        jobs: Trials side by side, one process each.
        epochs: Of the last runs, instead of what the profile says.
        prefer: ``best`` inside the budget, or ``smallest`` that is nearly as good.
        balance: Whether every class weighs alike in the training loss.
        pareto: Whether to end with a front of nets, from small to good, and not with one alone.
        seconds: At most, of the whole design; ``None`` is as long as the profile takes.
        purpose: ``accuracy``, or ``robust`` to choose as much by how changed pictures are answered.
        on: ``local`` or ``ray``; a cluster runs as many trials side by side as it has cores.
        address: Of a running Ray cluster; without, one of this machine alone is started.
        clock: That runs already, of as many seconds; one begins now if not given.
        observer: Told what is decided and how the trials stand.

    Raises:
        BudgetError: Before any training, if no net meets the budget; the smallest is named.
        ValueError: If ``out`` holds another design, another process is at work in it, an argument
            is unknown, or the time is too short for one rung.
        StudyError: If every trial of a phase failed, or the cluster cannot be reached.
    """
    wishes = Wishes(profile, epochs, prefer, balance, pareto, seconds, purpose)
    out = Path(out)
    require_place(on, address)
    whole = isinstance(jobs, SupportsIndex)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not (whole and jobs >= 1):
        raise ValueError(f"jobs must be a whole number >= 1, got {jobs!r}")
    require_out(out)
    clock = Clock(seconds) if clock is None else clock
    data = origin.load()
    origin = origin.at(data)
    judging = judging_of(data, robust=wishes.purpose == "robust")
    jobs = side_by_side(on, address, jobs)
    begun = outset(origin, data, budget, out, wishes, jobs)
    store = Store(out / STORE)
    try:
        with locked(out):  # two would put their models in one place
            begun.note(store)
            _drop_left(store)
            with runner_on(on, store, jobs, address) as pool:
                search = Search(store, pool, origin, data, judging, observer)
                pace = Pace(search, clock, begun.expected, jobs)
                winner, standings, front = _search(search, begun, wishes, pace)
                # before the last runs, so that what it takes is known
                if pace.allows_plain(winner):
                    _keep_plain(search)
                else:
                    search.say(CONFIRM, "the time allows no plain methods beside the last runs")
                seeds = begun.profile.confirm_seeds
                (winner, *front), seeds = pace.in_time([winner, *front], seeds)
                rows = pace.confirmed(CONFIRM, [winner, *front], seeds)
                if winner not in rows:
                    raise StudyError(f"the last runs of {titled(winner)} failed")
                of_front = {one: rows[one] for one in front if one in rows}
                points = kept(search, of_front, out, budget, begun.latencies)
                before = _read_before(search, [winner, *front], begun.profile.confirm_seeds)
                notices = [*pace.hurried(winner), *chosen_again(before), *few_told(points)]
                found = _told(search, winner, rows[winner], begun, standings, notices, before)
                return replace(
                    _finished(search, winner, rows[winner], found, points, out, seconds),
                    limits=budget.limits,
                    admitted=_admitted(begun, winner),
                    compiled=budget.compiled,
                )
    finally:
        store.close()


def _drop_left(store: Store) -> None:
    """Take from a store what an earlier call left undone: what is still wanted is asked for again.

    Lengths may be others now, and the time is for these. What failed gets fresh attempts, as what
    it failed of may be mended since; a design that has ended is not tried again.
    """
    store.release_lost()
    if "design" not in store.notes() or store.status().queued:
        for phase in store.studies():
            store.keep_only(phase, ())


def _search(
    search: Search, begun: Outset, wishes: Wishes, pace: Pace
) -> tuple[Candidate, Sequence[Standing], list[Candidate]]:
    """Return the winner with the epochs of its last runs, why it has its methods, and a front."""
    profile, recipe, left = begun.profile, begun.recipe, pace.left
    search.say(
        PLANNED,
        f"judged by {search.judging}; {told_estimate(begun.expected, wishes.seconds)}"
        f" for {counted(len(begun.entrants), 'net', 'nets')} of at most"
        f" {counted(recipe.epochs, 'epoch', 'epochs')}, then"
        f" {counted(profile.confirm_seeds, 'last run', 'last runs')}"
        + (" of each net of the front" if wishes.pareto else ""),
    )
    for line in (begun.turned, views_told(begun.entrants)):
        if line:
            search.say(PLANNED, line)
    prefer = "smallest" if wishes.wants_small else "best"
    contest = Contest(search, profile, begun.methods, recipe, prefer)
    scores = contest.reduce(begun.entrants, left, pace.first)
    chosen = choose(search, scores, profile, wishes.prefer, contest.reached)
    if not wishes.wants_small:
        chosen = contest.refine(chosen, left)
    candidate = chosen.candidate(begun.methods, recipe)
    rows = contest.rows_of(chosen)
    selection = Selection(search, chosen.maker, profile)
    candidate = selection.select(candidate, rows, left)
    candidate = tuned(search, candidate, rows, profile, left)
    if wishes.epochs is not None:
        candidate = candidate.lasting(wishes.epochs)
    else:
        candidate = lengthened(search, candidate, profile, left)
    if candidate.recipe.epochs > recipe.epochs:
        candidate = selection.at_length(candidate, left)
    winner = replace(candidate, methods=in_order(candidate.methods))
    near = front_of(scores) if wishes.pareto else []
    others = [one for one in likewise(near, winner) if one.net != winner.net]
    return winner, selection.standings, [*others, winner] if wishes.pareto else []


def _read_before(search: Search, last: Sequence[Candidate], seeds: int) -> int:
    """Return for how many other models an earlier call in this folder read the test images."""
    own = {search.key(one, seed, full=True) for one in last for seed in range(seeds)}
    return models_of(row for row in search.store.rows(CONFIRM) if row["key"] not in own)


def _told(
    search: Search,
    winner: Candidate,
    rows: Rows,
    begun: Outset,
    standings: Sequence[Standing],
    notices: list[str],
    before: int,
) -> dict[str, Any]:
    """Tell how the winner was tested and what is doubtful, and return what a report tells of it.

    Args:
        search: Whose observer is told.
        winner: With the epochs of its last runs.
        rows: Of these, by seed.
        begun: What the design began with.
        standings: Of methods.
        notices: Doubts that no row shows.
        before: Other models that the test images were read for.
    """
    first = min(rows)
    accuracy = _accuracy_of(rows)
    images = f"{rows[first]['images']:,} images"
    search.say(
        CONFIRM,
        f"{winner.net.name} with {listed(winner.methods)}, trained on all"
        f" {len(search.data.train):,} training images for"
        f" {counted(winner.recipe.epochs, 'epoch', 'epochs')} with"
        f" {counted(len(rows), 'seed', 'seeds')} and"
        + (f" tested on {images}, read before" if before else f" tested once on {images}")
        + f": {spread(accuracy, unit=' %')}",
    )
    plain = search.store.rows(PLAIN)
    for row in plain:
        name = str(row["net"]).replace("-", " ")
        search.say(CONFIRM, f"{name} on the same pixels: {100 * row['accuracy']:.2f} %")
    lines = doubts(
        rows,
        plain,
        len(begun.entrants),
        balanced=search.judging.balanced,
        weighed=winner.recipe.balance,
    )
    spec = rewritten_quietly(winner.net, winner.methods)
    turned = "" if begun.budget.max_ram is not None else turned_told(spec)
    admitted = _admitted(begun, winner)
    notices = [*notices, *slow_told(rows, begun.budget.max_latency, admitted)]
    lines = [*notices, *lines]
    for line in [*lines, *([turned] if turned else [])]:
        search.say(WARNING, line)
    if hint := pretrained_told(search.data):
        search.say(CONFIRM, hint)
    compiled = begun.budget.compiled
    found = story(search, winner, rows, begun.told, accuracy, standings, compiled)
    if admitted is not None:
        label = f"the same when it was admitted, untrained, the least of {CALLS} calls on 1 thread"
        found["facts"].append((label, f"{admitted:.3f} ms"))
    return {**found, "warnings": lines, "notices": notices, "read_before": before}


def _admitted(begun: Outset, winner: Candidate) -> float | None:
    """Return the milliseconds by which the winner met its limit, if latency is limited."""
    if begun.latencies is None:
        return None
    return begun.latencies.of(rewritten_quietly(winner.net, winner.methods))


def _finished(
    search: Search,
    winner: Candidate,
    rows: Rows,
    found: dict[str, Any],
    points: Sequence[Point],
    out: Path,
    seconds: float | None,
) -> Design:
    """Write what the design found, and return it."""
    first = min(rows)
    run = search.store.folder(search.key(winner, first, full=True))
    shutil.rmtree(out / MODEL, ignore_errors=True)
    copy_of_own(run, out / MODEL)
    write_atomically(
        out / PLAN, plan_text(winner, search.data.origin or search.origin.name).encode()
    )
    command = command_of(winner.origin or search.origin, out / PLAN, out / "again", first)
    told = {"front": told_points(points, out), "front_told": told_front(points)}
    search.store.note("design", {**found, **told})
    search.store.note("commands", [command])
    search.store.note("ended", seconds)  # what the same time again would test another net for
    search.store.export_rows(out / ROWS)
    return Design(
        winner.net,
        winner.methods,
        winner.recipe,
        _accuracy_of(rows),
        rows,
        out,
        command,
        tuple(search.store.rows(PLAIN)),
        tuple(found["warnings"]),
        tuple(points),
    )


def _accuracy_of(rows: Rows) -> Interval:
    """Return the accuracy of last runs, in percent."""
    percents = [100 * row["accuracy"] for row in rows.values()]
    return accuracy_interval(percents, rows[min(rows)]["images"])


def _keep_plain(search: Search) -> None:
    """Make the rows of plain methods, where the store has none yet; nothing is chosen by them."""
    if not search.store.rows(PLAIN):
        search.store.keep(PLAIN, baselines(search.data))
