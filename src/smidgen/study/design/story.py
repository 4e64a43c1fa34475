"""What is told of a design: figures, decisions, warnings, and the file that trains it again."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from smidgen.chance import beside_one_answer, is_near_one_answer
from smidgen.confusion import judged_classes
from smidgen.data import Data
from smidgen.escape import shell, toml
from smidgen.export.c.boards import CORES, Compiled
from smidgen.export.c.footprint import predict_cost
from smidgen.methods import Method, rewritten
from smidgen.robust.quick import by_family
from smidgen.sizes import counted
from smidgen.spec import NetSpec
from smidgen.study.design.budget import CALLS, is_predictable
from smidgen.study.design.search import Candidate, Rows, Search
from smidgen.study.design.selection import SCHEDULE, Standing
from smidgen.study.job import Origin
from smidgen.study.statistics import Interval, spread
from smidgen.text import to_text

WARNING = "warning"
# Training pictures a class between which weights of other pictures are hinted at: they were worth
# something at 400, and at 100 nothing was shown (docs/log.md); more than twice as many, unknown.
_FEW = range(200, 801)
_AHEAD = 0.5  # points by which a plain method must be ahead to be worth a word


def story(
    search: Search,
    winner: Candidate,
    rows: Rows,
    asked: Sequence[str],
    accuracy: Interval,
    standings: Sequence[Standing],
    compiled: Compiled = "m4",
) -> dict[str, Any]:
    """Return what a report tells of a design: its figures, its methods and its decisions.

    Args:
        search: With its steps.
        winner: With the epochs of its last runs.
        rows: Of these, by seed.
        asked: For, a line each.
        accuracy: On test images, in percent.
        standings: Of methods.
        compiled: The core that flash and RAM are of.
    """
    first = rows[min(rows)]
    mean = {
        name: sum(row[name] for row in rows.values()) / len(rows)
        for name in ("balanced_accuracy", "ece", "shift_consistency")
    }
    facts = [
        ("accuracy on test images", spread(accuracy, unit=" %")),
        *_of_changed(rows),
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
    if winner.origin is not None:
        sides = " x ".join(str(n) for n in winner.net.input_shape[1:])
        end = ", rows and columns exchanged" if winner.origin.turned else ""
        facts.append(("looks at", f"{sides}{end}"))
    if footprint := footprint_of(winner.net, winner.methods, compiled):
        flash, ram = footprint
        on = "" if compiled == "m4" else f" for {CORES[compiled]}"
        facts.append((f"flash as int8 C{on}, predicted", f"{flash:,} bytes"))
        facts.append(("RAM there, predicted", f"{ram:,} bytes"))
    if first["latency"]:
        facts.append(told_latency(first["latency"]))
    begun = {"title": "Asked for", "lines": list(asked)}
    steps = [{"title": name.title(), "lines": lines} for name, lines in search.steps.items()]
    return {
        "net": winner.net.name,
        "facts": facts,
        "steps": [begun, *steps],
        "methods": standings_of(winner, standings),
    }


def told_latency(latency: Mapping[str, Any]) -> tuple[str, str]:
    """Return by what an image takes its time, and that time, for people."""
    threads = counted(latency["threads"], "thread", "threads")
    return (
        f"an image, PyTorch on {threads}, trained, the median of rounds",
        f"{latency['kernel_ms']:.3f} ms",
    )


def slow_told(rows: Rows, limit: float | None, admitted: float | None) -> list[str]:
    """Return a warning if the trained net takes longer than the limit that it was admitted by.

    Args:
        rows: Of the last runs; one of them is timed.
        limit: Milliseconds, if latency is limited.
        admitted: Milliseconds that the net took before it was trained.
    """
    latency = rows[min(rows)].get("latency")
    if limit is None or admitted is None or not latency or latency["kernel_ms"] <= limit:
        return []
    return [
        f"an image takes {latency['kernel_ms']:.3f} ms, above the limit of {limit:g} ms: untrained"
        f" the net took {admitted:.3f} ms, the least of {CALLS} calls; what else runs on this"
        " machine adds to a median. Give a lower --max-latency, in another folder, if it matters;"
        " both are PyTorch's time, the C takes another"
    ]


def changed(rows: Rows) -> float | None:
    """Return the mean accuracy of last runs on changed pictures, in percent; ``None`` if unjudged.

    As a design for robust weighs it: over corruptions, geometry and light.
    """
    if not all(row.get("robust") for row in rows.values()):
        return None
    return 100 * fmean(fmean(by_family(row["robust"]).values()) for row in rows.values())


def _of_changed(rows: Rows) -> list[tuple[str, str]]:
    mean = changed(rows)
    if mean is None:
        return []
    each = [by_family(row["robust"]) for row in rows.values()]
    families = ", ".join(f"{name} {100 * fmean(of[name] for of in each):.2f}" for name in each[0])
    return [("accuracy on changed test images", f"{mean:.2f} %, the mean of {families}")]


def standings_of(winner: Candidate, standings: Sequence[Standing]) -> list[dict[str, str]]:
    """Return what is known of each method of a design, and how; its schedule says nothing."""
    by_method = {standing.method: standing for standing in standings}
    found: list[dict[str, str]] = []
    for method in winner.methods:
        standing = by_method.get(method)
        if method.name == SCHEDULE:  # of every run of every design: it tells nothing of this one
            continue
        if standing is None:
            known, why = "always", "every net was trained with it; it is known to help"
        else:
            known, why = "shown" if standing.shown else "expected", standing.why
        found.append({"method": to_text(method), "standing": known, "why": why})
    return found


def rewritten_quietly(spec: NetSpec, methods: Iterable[Method]) -> NetSpec:
    """Return the spec that is built; a method that finds nothing to do is no news here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rewritten(spec, methods)


def footprint_of(
    spec: NetSpec, methods: Iterable[Method], compiled: Compiled = "m4"
) -> tuple[int, int] | None:
    """Return predicted bytes of flash and RAM as int8 C; ``None`` of a net without a form in C."""
    built = rewritten_quietly(spec, methods)
    if not is_predictable(built):
        return None
    flash, ram = predict_cost(built, compiled)
    return flash, ram


def models_of(tested: Iterable[Mapping[str, Any]]) -> int:
    """Return of how many models rows are: seeds apart, with their methods and their recipe."""
    what = ("net", "layers", "methods", "recipe", "fingerprint")
    return len({repr([row.get(name) for name in what]) for row in tested})


def chosen_again(before: int) -> list[str]:
    """Return a warning if the test images were read for ``before`` other models, or none."""
    if not before:
        return []
    others = counted(before, "other model", "other models")
    return [
        f"the test images were read before, for {others} of this folder: the figure is not of one"
        " choice, and too high if the design was made again for a better one; images that no call"
        " has read would tell"
    ]


def doubts(
    rows: Rows,
    plain: Sequence[Mapping[str, Any]],
    candidates: int,
    *,
    balanced: bool,
    weighed: bool = False,
) -> list[str]:
    """Return what should make a reader doubt a design, a line each.

    Args:
        rows: Of the last runs, by seed.
        plain: Rows of plain methods on the same images.
        candidates: Nets that there were to choose from.
        balanced: Whether each class counts alike, as they are uneven.
        weighed: Whether each class weighed alike in training.
    """
    name = "balanced_accuracy" if balanced else "accuracy"
    what = "balanced accuracy" if balanced else "accuracy"
    reached = 100 * sum(row[name] for row in rows.values()) / len(rows)
    first = rows[min(rows)]
    lines: list[str] = []
    for row in plain:
        other = 100 * float(row[name])
        if other > reached + (0 if len(rows) > 1 else _AHEAD):
            lines.append(
                f"{row['net'].replace('-', ' ')} on the same pixels is ahead: {other:.2f} %"
                f" {what} against {reached:.2f} %"
            )
    even = 1 / judged_classes(first)
    floor = even if balanced else max(first["largest_class"], even)
    if is_near_one_answer(reached / 100, floor):
        lines.append(
            f"{reached:.2f} % {what} {beside_one_answer(reached / 100, floor)} what one answer for"
            f" all reaches, {100 * floor:.2f} %: these images, or this budget, teach it little"
        )
    silent = sorted({name for row in rows.values() for name in _silent(row)})
    if silent:
        names = ", ".join(map(repr, silent))  # a class may be called none
        # of even classes none is outweighed
        helps = balanced and not weighed
        advice = (
            "--balance weighs the classes"
            if helps
            else "the page's table of classes says what they are taken for"
        )
        lines.append(f"never the answer for some seed: {names}; {advice}")
    if candidates < 3:  # noqa: PLR2004 - a choice of two is none
        nets = "one net" if candidates == 1 else f"{candidates} nets"
        lines.append(f"only {nets} met the budget: there was little to choose from")
    return lines


def pretrained_told(data: Data) -> str:
    """Return a hint at weights of other pictures, where they were measured to pay; else nothing."""
    each = len(data.train) // len(data.classes)
    if each not in _FEW or data.preprocessing.of_values:
        return ""
    return (
        f"{each:,} training images a class: weights that the net learns from other pictures first"
        " may be worth 1.6 to 4.4 points, as measured at 400 a class: pretrained in docs/methods.md"
    )


def _silent(row: Mapping[str, Any]) -> list[str]:
    confusion = row.get("confusion")
    if not confusion:
        return []
    answered = [sum(line[place] for line in confusion) for place in range(len(confusion))]
    names = row["classes"]
    return [names[n] for n, line in enumerate(confusion) if sum(line) and not answered[n]]


def plan_text(winner: Candidate, data: str) -> str:
    """Return the TOML file from which ``smidgen train`` trains the winner."""
    net = winner.net.to_dict()
    methods = [to_text(method) for method in winner.methods]
    recipe = "\n".join(f"{name} = {toml(value)}" for name, value in winner.recipe.to_dict().items())
    turned = "turned = true\n" if winner.origin is not None and winner.origin.turned else ""
    return (
        f"data = {toml(data)}\n{turned}methods = {toml(methods)}\n\n[recipe]\n{recipe}\n\n"
        f"[net]\nname = {toml(net['name'])}\ninput = {toml(net['input'])}\n"
        f"layers = {toml(net['layers'])}\n"
    )


def command_of(origin: Origin, plan: Path, out: Path, seed: int) -> str:
    """Return the command that trains the model of a design again."""
    words = ["smidgen", "train", str(plan), "--recipe", str(plan), "--full", "--seed", str(seed)]
    return shell([*words, *origin.options, "--out", str(out)])
