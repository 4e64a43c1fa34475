"""What a run reports, sent to a tracker: TensorBoard, MLflow, Weights & Biases or trackio."""

import importlib
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from smidgen.extras import install
from smidgen.names import said_by
from smidgen.text import nearest
from smidgen.track.base import Facts, Tracker

if TYPE_CHECKING:
    from smidgen.methods import Method
    from smidgen.recipe import Recipe
    from smidgen.run import EpochRecord
    from smidgen.spec import NetSpec


class _Known(NamedTuple):
    needs: str  # the module that is imported
    start: Callable[[Facts], Tracker]


def _starter(name: str) -> Callable[[Facts], Tracker]:
    """Return what starts a tracker; its module, and the package behind it, are imported then."""

    def start(facts: Facts) -> Tracker:
        return importlib.import_module(f"smidgen.track.{name}").start(facts)

    return start


TRACKERS: Mapping[str, _Known] = {
    "tensorboard": _Known("tensorboard", _starter("tensorboard")),
    "mlflow": _Known("mlflow", _starter("mlflow")),
    "wandb": _Known("wandb", _starter("wandb")),
    "trackio": _Known("trackio", _starter("trackio")),
}


def require_trackers(names: Iterable[str]) -> tuple[str, ...]:
    """Return the trackers asked for, each once.

    Raises:
        ValueError: If one is unknown (the nearest name is given) or its package is not installed
            (what installs it is named); before any work.
    """
    found = tuple(dict.fromkeys(names))
    for name in found:
        if name not in TRACKERS:
            raise ValueError(f"unknown tracker {name!r}; {nearest(name, TRACKERS)}")
        try:
            importlib.import_module(TRACKERS[name].needs)
        except ImportError as error:
            missing = (error.name or name).split(".")[0]
            raise ValueError(
                f"--track {name} needs {missing}, which is not installed: {install(name)}"
            ) from None
    return found


def facts_of(
    spec: "NetSpec",
    methods: Iterable["Method"],
    recipe: "Recipe",
    data: str,
    seed: int,
    folder: Path,
) -> Facts:
    """Return what a tracker is told of a run before it begins; files go beside its folder."""
    from smidgen.text import to_text

    settings = {
        "net": spec.name,
        "params": spec.params,
        "methods": ", ".join(to_text(method) for method in methods),
        "data": data,
        "seed": seed,
        **recipe.to_dict(),
    }
    return Facts(folder.absolute().name, str(folder.absolute().parent), settings)


class Tracking:
    """Sends what a run reports to every tracker that was asked for."""

    def __init__(self, trackers: Mapping[str, Tracker]) -> None:
        self._trackers = dict(trackers)

    def epoch(self, record: "EpochRecord | None") -> None:
        """Take in an epoch that ended; nothing where none did."""
        if record is None:
            return
        figures = {
            "loss": record.loss,
            "lr": record.lr,
            "images_per_second": record.images_per_second,
            "seconds": record.seconds,
        }
        if record.held_out_accuracy is not None:
            figures["held_out_accuracy"] = record.held_out_accuracy
        self._log(figures, record.epoch)

    def last(self, figures: Mapping[str, float], epoch: int) -> None:
        """Take in what was measured of the finished run, in its last epoch."""
        self._log(figures, epoch)

    def _log(self, figures: Mapping[str, float], epoch: int) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                tracker.log(figures, epoch)
            except Exception as error:  # whatever a stranger's package raises without its server
                del self._trackers[name]
                warnings.warn(f"--track {name} takes no more: {said_by(error)}", stacklevel=4)


@contextmanager
def tracking(names: Iterable[str], facts: Facts) -> Generator[Tracking]:
    """Yield what sends the epochs of one run to trackers; they are closed however it ends.

    Args:
        names: Of ``TRACKERS``.
        facts: Of the run.

    Raises:
        ValueError: If one cannot begin.

    Warns:
        UserWarning: Of one that fails later; what it should have told of goes on.
    """
    with ExitStack() as stack:
        started: dict[str, Tracker] = {}
        for name in require_trackers(names):
            try:
                with redirect_stdout(sys.stderr):  # results alone are on standard output
                    started[name] = TRACKERS[name].start(facts)
            except Exception as error:  # such as one of its own, without a login
                raise ValueError(f"--track {name} cannot begin: {said_by(error)}") from error
            stack.push(_closing(name, started[name]))
        yield Tracking(started)


def _closing(name: str, tracker: Tracker) -> Callable[..., None]:
    """Return what ends a run in a tracker, as it is told of what ended the training."""

    def close(_: object, error: BaseException | None, __: object) -> None:
        _close(name, tracker, error)

    return close


def _close(name: str, tracker: Tracker, failure: BaseException | None) -> None:
    try:
        with redirect_stdout(sys.stderr):
            tracker.close(failure)
    except Exception as error:  # what was trained is kept
        warnings.warn(f"--track {name} did not end well: {said_by(error)}", stacklevel=4)


def track_row(names: Iterable[str], row: Mapping[str, Any], folder: str) -> None:
    """Send a finished trial of a study, its epochs and its figures, to trackers.

    Warns:
        UserWarning: Of a tracker that cannot begin or fails; a study goes on without.
    """
    from smidgen.run import record_of

    name = f"{row['net']}-seed{row['seed']}-{row['key']}"
    settings = {"net": row["net"], "methods": ", ".join(row["methods"]), "seed": row["seed"]}
    facts = Facts(name, folder, {**settings, **row["recipe"], "data": row["data"]})
    figures = ("accuracy", "nll", "ece", "params", "macs")
    held = {name: float(row[name]) for name in figures if row.get(name) is not None}
    records = [record_of(record) for record in row.get("history", [])]
    try:
        with tracking(names, facts) as tracked:
            for record in records:
                tracked.epoch(record)
            tracked.last(held, row["epochs"])
    except ValueError as error:
        warnings.warn(str(error), stacklevel=2)
