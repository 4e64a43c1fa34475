"""A run: a trained model with everything needed to use it, judge it and train it again."""

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from smidgen.checkpoint import CheckpointError, load_tensors, save_tensors, write_atomically
from smidgen.data import Data, Preprocessing
from smidgen.data.base import as_they_are
from smidgen.methods import parse
from smidgen.recipe import Recipe
from smidgen.show import card, percent
from smidgen.spec import NetSpec
from smidgen.text import from_mapping
from smidgen.trial import Trial

PLAN, WEIGHTS, LOG = "run.json", "weights.safetensors", "log.jsonl"
MODEL = "model"  # the run's folder in a design's


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What was seen in one epoch.

    Args:
        epoch: Counted from 1.
        loss: Mean training loss of the epoch.
        lr: Learning rate of its last step.
        held_out_accuracy: Of the live weights on images held out of training, in [0, 1];
            ``None`` when training on everything.
        images_per_second: Of training, evaluation not counted.
        seconds: Since the start of the run, earlier parts of a resumed run included.
    """

    epoch: int
    loss: float
    lr: float
    held_out_accuracy: float | None
    images_per_second: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a trial.

    Args:
        trial: What was asked for.
        model: The trained model in evaluation mode, on the CPU, in float32.
        mean: Of each channel of the training pixels in units of 0 to 1.
        std: Likewise.
        classes: Names, in the order of the logits.
        history: A record an epoch.
        machine: Device, threads, precision and kernels that trained it.
        versions: Of the software.
        preprocessing: What a picture goes through on its way to the net.
        origin: Where the data were: an absolute path, or a name.
    """

    trial: Trial
    model: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    history: tuple[EpochRecord, ...]
    machine: dict[str, Any]
    versions: dict[str, str]
    preprocessing: Preprocessing
    origin: str

    def __repr__(self) -> str:
        return f"Run({self.trial.net.name}: {self._told})"

    def _repr_html_(self) -> str:
        """Return a table of the epochs, for a notebook."""
        rows = [
            (of.epoch, f"{of.loss:.4f}", percent(of.held_out_accuracy), f"{of.seconds:.1f} s")
            for of in self.history
        ]
        columns = ("epoch", "loss", "held-out accuracy", "time")
        return card(self.trial.net.name, self._told, columns, rows)

    @property
    def _told(self) -> str:
        """What a prompt shows of the run."""
        methods = " + ".join(self.trial.method_texts) or "no method"
        epochs = len(self.history)
        end = f", loss {self.history[-1].loss:.4f}" if self.history else ""
        return (
            f"{self.trial.spec.params:,} params with {methods} on {self.trial.data}, seed"
            f" {self.trial.seed}, {epochs} epochs in {self.seconds:.0f} s{end}"
        )

    @property
    def seconds(self) -> float:
        """Duration of training."""
        return self.history[-1].seconds if self.history else 0.0

    def save(self, folder: Path) -> None:
        """Write the trained model to ``folder``, beside its plan."""
        values = {
            "mean": self.mean,
            "std": self.std,
            "classes": self.classes,
            "history": [asdict(record) for record in self.history],
            "machine": self.machine,
            "versions": self.versions,
        }
        save_tensors(folder / WEIGHTS, self.model.state_dict(), values)


class Plan(NamedTuple):
    """What a run folder is for.

    Args:
        trial: That is trained.
        preprocessing: Of its pictures; ``None`` in runs from before it was kept.
        origin: Where the data were; empty likewise.
    """

    trial: Trial
    preprocessing: Preprocessing | None
    origin: str


def save_plan(folder: Path, trial: Trial, data: Data) -> None:
    """Write what a run folder is for."""
    form = {
        "key": trial.key,
        **trial.to_dict(),
        "origin": data.origin or data.name,
        "preprocessing": data.preprocessing.to_dict(),
    }
    write_atomically(folder / PLAN, f"{json.dumps(form, indent=1)}\n".encode())


def load_plan(folder: Path) -> Plan:
    """Return what a run folder is for.

    Raises:
        ValueError: If there is no such folder or its plan cannot be read.
    """
    path = folder / PLAN
    try:
        form = json.loads(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"{folder} is no run folder: it has no {PLAN}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from None
    try:
        form.pop("key")
        origin, seen = form.pop("origin", ""), form.pop("preprocessing", None)
        if not isinstance(origin, str):
            raise ValueError(f"origin must be a text, got {origin!r}")
        form["net"] = NetSpec.from_dict(form["net"])
        form["methods"] = parse(", ".join(form["methods"]))
        form["recipe"] = from_mapping(Recipe, form["recipe"], "recipe")
        trial = Trial(**form)
        preprocessing = None if seen is None else Preprocessing.from_dict(seen)
        if preprocessing is not None:
            _require_input(trial, preprocessing)
        return Plan(trial, preprocessing, origin)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _require_input(trial: Trial, seen: Preprocessing) -> None:
    made = (seen.channels, seen.height, seen.width)
    if made != tuple(trial.net.input_shape):
        found = "x".join(map(str, made))
        raise ValueError(
            f"preprocessing must make the net's {trial.net.input_shape}, got one that makes {found}"
        )


def run_folder(place: Path | str) -> Path:
    """Return the folder of a run, given it or the folder of the design that ended in it.

    Raises:
        ValueError: If it is neither.
    """
    folder = Path(place)
    if (folder / PLAN).exists():
        return folder
    if (folder / MODEL / PLAN).exists():
        return folder / MODEL
    if not folder.exists():
        raise ValueError(f"{folder} is no run folder: there is nothing of that name")
    if (folder / "design.db").exists():
        raise ValueError(f"{folder} holds a design that has not ended: its command goes on with it")
    raise ValueError(f"{folder} is no run folder: it has no {PLAN}, and no {MODEL}/ of a design")


def open_folder(folder: Path, trial: Trial, data: Data, *, resume: bool) -> Path:
    """Return ``folder``, made ready for a run of ``trial``.

    Raises:
        ValueError: If it holds a run and ``resume`` is off, holds another run or other files, or
            cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = {path.name for path in folder.iterdir()}
        if PLAN in held:
            if not resume:
                raise ValueError(
                    f"{folder} holds a run already: resume it, or choose another folder"
                )
            plan = load_plan(folder)
            _require_same(folder, plan.trial, trial)
            if plan.preprocessing is None:
                save_plan(folder, trial, data)
        elif held:
            raise ValueError(f"{folder} is not empty and holds no run: choose another folder")
        else:
            save_plan(folder, trial, data)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written: {error.strerror}") from error
    return folder


def _require_same(folder: Path, there: Trial, here: Trial) -> None:
    if there.key == here.key:
        return
    old, new = there.to_dict(), here.to_dict()
    differing = [
        f"{name} is {old[name]} there and {new[name]} here"
        for name in old
        if old[name] != new[name]
    ]
    raise ValueError(f"{folder} holds another run: {'; '.join(differing)}")


def load_run(folder: Path | str) -> Run:
    """Return the finished run in ``folder``.

    Args:
        folder: Of the run, or of the design that ended in it.

    Raises:
        ValueError: If it is no run folder, training has not finished, or its weights are damaged.

    Warns:
        UserWarning: If the run is from before preprocessing was kept.
    """
    folder = run_folder(folder)
    trial, preprocessing, origin = load_plan(folder)
    path = folder / WEIGHTS
    if not path.exists():
        raise ValueError(f"{folder} has no {WEIGHTS}: training has not finished (--resume goes on)")
    tensors, values = load_tensors(path)
    model = trial.spec.build()
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: weights of another net: {error}") from None
    values["history"] = tuple(EpochRecord(**record) for record in values["history"])
    for name in ("mean", "std", "classes"):
        values[name] = tuple(values[name])
    if preprocessing is None:
        preprocessing = as_they_are(*trial.net.input_shape)
        warnings.warn(
            f"{folder} does not say what its pictures went through; taken is: {preprocessing.text}",
            stacklevel=2,
        )
    values |= {"preprocessing": preprocessing, "origin": origin or trial.data}
    return Run(trial=trial, model=model.eval(), **values)
