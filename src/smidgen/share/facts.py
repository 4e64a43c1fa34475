"""All that is known of a trained model when it is shared, gathered once."""

import glob
import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from smidgen.again import trained_on
from smidgen.data import DataError
from smidgen.data.sources import unplaced as unplaced_origin
from smidgen.evaluate import evaluate, row
from smidgen.export.c.boards import verdict
from smidgen.export.c.footprint import predict_costs
from smidgen.export.ship import PROOF, place_of
from smidgen.hub import is_hub
from smidgen.limits import PLAN_BYTES, content
from smidgen.names import require_name
from smidgen.release import release
from smidgen.report.checked import require_rows
from smidgen.run import Run, digest, load_run
from smidgen.run_folder import PLAN, WEIGHTS, path_of, run_folder, unplaced
from smidgen.study.design.design import ROWS
from smidgen.study.design.outset import STORE
from smidgen.study.records import notes_of
from smidgen.study.rows import read_rows
from smidgen.study.statistics import Interval, accuracy_interval

_PRIVATE = ("pictures", "wrong", "doubted")  # columns that show pictures or name their files
_SAME = ("net", "methods", "recipe", "fingerprint", "trained_on")


@dataclass(frozen=True, slots=True)
class Artefact:
    """An exported form of the model.

    Args:
        name: The target, with a number from the second of its kind on, as ``c-2``.
        target: Such as ``c``.
        folder: That holds it.
        proof: What was measured of it.
    """

    name: str
    target: str
    folder: Path
    proof: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card says.

    Args:
        place: As it was given: the folder of a run or of a design.
        folder: Of the run.
        run: As loaded.
        rows: On test images, one a seed; empty if nothing could be measured.
        unmeasured: Why there are none.
        artefacts: Exported from this very run.
        footprint: Flash and RAM as int8 C on a Cortex-M4, predicted; ``None`` if it cannot be.
        fitting: Boards of whose memory it is to take half at most, as C for their cores.
        doubts: What a design warned of.
        is_choice_blind: Whether no choice was made on the test images, which of a design alone is
            known, and not of one that read them before.
    """

    place: Path
    folder: Path
    run: Run
    rows: tuple[dict[str, Any], ...]
    unmeasured: str
    artefacts: tuple[Artefact, ...]
    footprint: tuple[int, int] | None
    fitting: tuple[str, ...]
    doubts: tuple[str, ...]
    is_choice_blind: bool

    @property
    def accuracy(self) -> Interval | None:
        """On the test images, in percent, for other seeds and other pictures."""
        if not self.rows:
            return None
        percents = [100 * one["accuracy"] for one in self.rows]
        return accuracy_interval(percents, self.rows[0]["images"])

    @property
    def shared_rows(self) -> list[dict[str, Any]]:
        """The rows without pictures, names of files and places on this machine."""
        return [
            {
                **{name: value for name, value in one.items() if name not in _PRIVATE},
                "command": self.command(one["seed"]),
                "methods": self.run.trial.method_texts,
            }
            for one in self.rows
        ]

    def command(self, seed: int) -> str:
        """Return what trains the model again with a seed; the data are named, not placed."""
        trial = replace(self.run.trial, seed=seed)
        origin = unplaced_origin(self.run.origin, trial.data)
        return trial.command(origin, self.run.preprocessing)


def facts_of(
    place: Path | str, *, data: Path | str | None = None, data_dir: Path | str | None = None
) -> Facts:
    """Gather what is known of a finished run or design.

    A design's own rows are taken; a run is judged on its test images, if its data are there.

    Args:
        place: The folder of a run or of a design.
        data: Where the data are now, if they were moved.
        data_dir: Folder of local copies of data sets.

    Raises:
        ValueError: If it is neither, or is not finished.
    """
    place = Path(place) if is_hub(place) else path_of(place)
    folder = run_folder(place)
    run = load_run(folder)
    rows, story = _rows_of(place, run), _story(place)
    is_choice_blind = bool(rows and story) and not story.get("read_before")
    why = ""
    if not rows:
        rows, why = _judged(run, folder, data, data_dir)
    footprint, fitting = None, list[str]()
    with suppress(ValueError):  # a layer that has no form in C
        costs = predict_costs(run.trial.spec)
        footprint = (costs["m4"].flash, costs["m4"].ram)
        fitting = [board.name for board, word in verdict(costs) if word == "fits"]
    return Facts(
        place,
        folder,
        replace(run, trial=replace(run.trial, methods=tuple(map(unplaced, run.trial.methods)))),
        tuple(rows),
        why,
        tuple(_artefacts(place, run)),
        footprint,
        tuple(fitting),
        tuple(_doubts(story)),
        is_choice_blind,
    )


def _rows_of(place: Path, run: Run) -> list[dict[str, Any]]:
    """Return the rows of a design that are of this model, seed by seed."""
    path = place / ROWS
    if not path.exists():
        return []
    asked: dict[str, Any] = {
        "net": run.trial.net.name,
        "methods": run.trial.method_texts,
        "recipe": run.trial.to_dict()["recipe"],
        "fingerprint": run.trial.fingerprint,
        "trained_on": run.trial.split,
    }
    rows = read_rows(path)
    require_rows(rows, str(path))
    found = [
        one
        for one in rows
        if one.get("split") == "test" and all(one.get(name) == asked[name] for name in _SAME)
    ]
    last = {one["seed"]: one for one in found}  # judged again, a seed is one all the same
    return [last[seed] for seed in sorted(last)]


def _judged(
    run: Run, folder: Path, data: Path | str | None, data_dir: Path | str | None
) -> tuple[list[dict[str, Any]], str]:
    try:
        source = trained_on(run, folder, data=data, data_dir=data_dir)
    except DataError as error:
        if data is not None:
            raise
        warnings.warn(f"the card has no figures: {error}", stacklevel=4)
        return [], "the data were not at hand when this card was written"
    found = evaluate(run, source.test, measure_latency=False, weights=folder / WEIGHTS)
    return [row(run, found, study="", revision=release())], ""


def _artefacts(place: Path, run: Run) -> list[Artefact]:
    """Return what was exported of this very run to folders beside it."""
    found: list[Artefact] = []
    named, own = place_of(place, ""), digest(run)
    for path in sorted(named.parent.glob(f"{glob.escape(named.name)}*/{PROOF}")):
        try:
            proof = json.loads(content(path, PLAN_BYTES))
            target = require_name(proof["target"], "a target")
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue  # no artefact of smidgen's
        if proof.get("training_key") != run.trial.key:
            continue
        if proof.get("training_digest", own) != own:  # older ones have none
            warnings.warn(
                f"{path.parent} is left out: it was exported before the run was trained again, to"
                " other weights",
                stacklevel=4,
            )
        else:
            number = 1 + sum(one.target == target for one in found)
            name = target if number == 1 else f"{target}-{number}"
            found.append(Artefact(name, target, path.parent, proof))
    return found


def _story(place: Path) -> dict[str, Any]:
    """Return what a design noted of itself; nothing of a run."""
    told = notes_of(place / STORE).get("design") if (place / STORE).exists() else None
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}


def _doubts(story: Mapping[str, Any]) -> list[str]:
    lines = story.get("warnings")
    return [str(line) for line in lines] if isinstance(lines, list) else []


__all__ = ["PLAN", "WEIGHTS", "Artefact", "Facts", "facts_of"]
