"""Design: from images and a budget to a trained net, by reduce, tweak, combine and confirm."""

import json
import shlex
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from smidgen.checkpoint import write_atomically
from smidgen.export.c.footprint import predict_cost
from smidgen.layers import Shape
from smidgen.methods import Method, in_order, parse, rewritten
from smidgen.recipe import Recipe
from smidgen.run import MODEL
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget
from smidgen.study.design.combine import Selection
from smidgen.study.design.ladder import Maker, ladder
from smidgen.study.design.profile import BASELINE, Profile, candidates, profile_of, recipe_of
from smidgen.study.design.reduce import reduce
from smidgen.study.design.search import Candidate, Observer, Rows, Search, listed, percent
from smidgen.study.job import Origin
from smidgen.study.running.local import Pool
from smidgen.study.statistics import Interval, accuracy_interval, spread
from smidgen.study.store import Store
from smidgen.text import to_text

CONFIRM = "confirm"
STORE, PLAN, ROWS = "design.db", "design.toml", "rows.jsonl"


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
    """

    net: NetSpec
    methods: tuple[Method, ...]
    recipe: Recipe
    accuracy: Interval
    rows: Rows
    folder: Path
    command: str

    @property
    def model(self) -> Path:
        """The folder of the run that is the result."""
        return self.folder / MODEL

    @property
    def footprint(self) -> tuple[int, int]:
        """Bytes of flash and RAM as int8 C on a Cortex-M4, predicted."""
        flash, ram = predict_cost(rewritten(self.net, self.methods))
        return flash, ram


def design(
    origin: Origin,
    budget: Budget,
    out: Path | str,
    *,
    profile: str = "quick",
    jobs: int = 1,
    epochs: int | None = None,
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
        epochs: Of a whole run of the search, instead of what the profile says.
        observer: Told what is decided and how the trials stand.

    Raises:
        BudgetError: Before any training, if no net meets the budget; the smallest is named.
        ValueError: If ``out`` holds another design, or an argument is unknown.
        StudyError: If every trial of a phase failed.
    """
    settings, out = profile_of(profile), Path(out)
    data = origin.load()
    maker = Maker(Shape(*data.shape), len(data.classes), budget)
    asked = {
        "data": data.fingerprint,
        "budget": asdict(budget),
        "profile": profile,
        "epochs": epochs,
    }
    store = Store(out / STORE, create=True) if (out / STORE).exists() else None
    rungs = _rungs(store, maker, settings, asked, out)
    store = store or Store(out / STORE)
    store.note("request", asked)
    store.note("rungs", [net.to_dict() for net in rungs])
    recipe = recipe_of(settings, data, max(net.params for net in rungs), epochs)
    baseline = parse(BASELINE)
    try:
        with Pool(store, jobs) as pool:
            search = Search(store, pool, origin, data, observer)
            net = reduce(search, maker, rungs, settings, recipe, baseline)
            selection = Selection(search, maker, net, recipe, settings)
            effects = selection.tweak(baseline, candidates(settings, data))
            methods = in_order(selection.combine(baseline, effects))
            whole = replace(recipe, epochs=recipe.epochs * settings.confirm_longer)
            winner = Candidate(net, methods, whole)
            seeds = range(settings.confirm_seeds)
            rows = search.measure(CONFIRM, [winner], seeds, split="full")[winner]
            return _finished(search, winner, rows, budget, out)
    finally:
        store.close()


def _rungs(
    store: Store | None, maker: Maker, profile: Profile, asked: dict[str, Any], out: Path
) -> list[NetSpec]:
    """Return the nets to begin with: those of the interrupted design, or a new ladder."""
    notes = store.notes() if store else {}
    if "request" not in notes:
        if out.exists() and any(path.name != STORE for path in out.iterdir()) and not store:
            raise ValueError(f"{out} is not empty and holds no design: choose another folder")
        return ladder(maker, profile.rungs)
    if notes["request"] != asked:
        differing = [name for name in asked if notes["request"].get(name) != asked[name]]
        raise ValueError(
            f"{out} holds another design, with other {' and '.join(differing)}:"
            " choose another folder"
        )
    return [NetSpec.from_dict(form) for form in notes["rungs"]]


def _finished(search: Search, winner: Candidate, rows: Rows, budget: Budget, out: Path) -> Design:
    """Write what the design found, and return it."""
    first = min(rows)
    accuracy = accuracy_interval(list(percent(rows).values()), rows[first]["images"])
    run = search.store.folder(search.key(winner, first, "full"))
    shutil.rmtree(out / MODEL, ignore_errors=True)
    shutil.copytree(run, out / MODEL)
    write_atomically(
        out / PLAN, plan_text(winner, search.data.origin or search.origin.name).encode()
    )
    command = _command(search.origin, out, first)
    search.say(
        CONFIRM,
        f"{winner.net.name} with {listed(winner.methods)}, trained on all"
        f" {len(search.data.train):,} training images for {winner.recipe.epochs}"
        f" epochs with {len(rows)} seeds and tested once on"
        f" {rows[first]['images']:,} images: {spread(accuracy)} %",
    )
    search.store.note("design", story(search, winner, rows, budget, accuracy))
    search.store.note("commands", [command])
    search.store.export_rows(out / ROWS)
    return Design(winner.net, winner.methods, winner.recipe, accuracy, rows, out, command)


def story(
    search: Search, winner: Candidate, rows: Rows, budget: Budget, accuracy: Interval
) -> dict[str, Any]:
    """Return what a report tells of a design: its figures and its decisions."""
    first = rows[min(rows)]
    mean = {
        name: sum(row[name] for row in rows.values()) / len(rows)
        for name in ("balanced_accuracy", "ece", "shift_consistency")
    }
    facts = [
        ("accuracy on test images", f"{spread(accuracy)} %"),
        ("balanced accuracy, mean over classes", f"{100 * mean['balanced_accuracy']:.2f} %"),
        ("always the largest class", f"{100 * first['largest_class']:.2f} %"),
        ("parameters", f"{first['params']:,}"),
        ("MACs", f"{first['macs']:,}"),
        ("bytes as int8", f"{first['bytes_int8']:,}"),
        ("bytes as float32", f"{first['bytes_float32']:,}"),
        ("calibration error (ECE)", f"{100 * mean['ece']:.2f} %"),
        ("shift consistency", f"{100 * mean['shift_consistency']:.2f} %"),
        ("training", f"{min(row['seconds'] for row in rows.values()):.1f} s"),
    ]
    flash, ram = predict_cost(rewritten(winner.net, winner.methods))
    facts.append(("flash as int8 C, predicted", f"{flash:,} bytes"))
    facts.append(("RAM there, predicted", f"{ram:,} bytes"))
    if first["latency"]:
        facts.append(("ms an image, one thread", f"{first['latency']['kernel_ms']:.3f}"))
    asked = {"title": "Asked for", "lines": [f"{search.data.name}: {budget}"]}
    steps = [{"title": name.title(), "lines": lines} for name, lines in search.steps.items()]
    return {"facts": facts, "steps": [asked, *steps]}


def plan_text(winner: Candidate, data: str) -> str:
    """Return the TOML file from which ``smidgen train`` trains the winner."""
    net = winner.net.to_dict()
    methods = [to_text(method) for method in winner.methods]
    recipe = "\n".join(f"{name} = {json.dumps(v)}" for name, v in asdict(winner.recipe).items())
    return (
        f"data = {json.dumps(data)}\nmethods = {json.dumps(methods)}\n\n[recipe]\n{recipe}\n\n"
        f"[net]\nname = {json.dumps(net['name'])}\ninput = {json.dumps(net['input'])}\n"
        f"layers = {json.dumps(net['layers'])}\n"
    )


def _command(origin: Origin, out: Path, seed: int) -> str:
    plan = shlex.quote(str(out / PLAN))
    words = [f"smidgen train {plan} --recipe {plan} --full --seed {seed}"]
    words += [shlex.quote(word) for word in origin.options]
    return " ".join([*words, f"--out {shlex.quote(str(out / 'again'))}"])
