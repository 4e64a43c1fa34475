"""A run: a trained model with everything needed to use it, judge it and train it again."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from smidgen.checkpoint import CheckpointError, Room, load_with_digest, packed
from smidgen.data import Preprocessing
from smidgen.data.base import as_they_are
from smidgen.data.known import Known
from smidgen.files import write_atomically
from smidgen.limits import KNOWN_BYTES, PLAN_BYTES, content, is_number
from smidgen.names import bare, shown
from smidgen.release import require_known
from smidgen.run_folder import (
    PLAN,
    WEIGHTS,
    load_plan,
    path_of,
    require_same,
    run_folder,
    write_plan,
)
from smidgen.show import card, percent
from smidgen.sizes import counted
from smidgen.trial import Trial

PICTURES = "pictures.safetensors"  # that tell those of the run from others; never shared
# a key of each picture of three parts, and which were held out, and which a share left out
_KNOWN = Room(5, KNOWN_BYTES)
_DIGITS = 16  # of a digest that people read
_MACHINE = {  # what a row says of it, of which it may fill no other column, such as the accuracy
    **dict.fromkeys(("device", "kernels", "precision"), str),
    "threads": int,
}


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What was seen in one epoch.

    Args:
        epoch: Counted from 1.
        loss: Mean training loss of the epoch.
        lr: Learning rate of its last step.
        held_out_accuracy: On images held out of training, in [0, 1], of the weights to keep were it
            the last epoch; ``None`` when training on everything, or nobody looked.
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
        known: The pictures that it learned from and was judged on; ``None`` in runs of the hub, and
            in those from before that was kept.
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
    known: Known | None = None

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
        epochs = counted(len(self.history), "epoch", "epochs")
        end = f", loss {self.history[-1].loss:.4f}" if self.history else ""
        return (
            f"{self.trial.spec.params:,} params with {methods} on {self.trial.data}, seed"
            f" {self.trial.seed}, {epochs} in {self.seconds:.0f} s{end}"
        )

    @property
    def seconds(self) -> float:
        """Duration of training."""
        return self.history[-1].seconds if self.history else 0.0

    @property
    def learned_from(self) -> str:
        """Say which share of the training pictures was learned; nothing where all were.

        It is such as ``learned from 32 of 129 training pictures (share 0.25)``, without the numbers
        where the run does not know its pictures.
        """
        share = self.trial.recipe.share
        if share == 1:
            return ""
        counts = None if self.known is None else self.known.counts
        if counts is None:
            return f"learned from a share of {share:g} of its training pictures"
        return f"learned from {counts[0]:,} of {counts[1]:,} training pictures (share {share:g})"

    def save(self, folder: Path | str) -> None:
        """Write the trained model to ``folder``, beside its plan, which gets a digest of it.

        Raises:
            ValueError: If the folder holds no plan, or that of another run.
        """
        folder = path_of(folder)
        values = {
            "mean": self.mean,
            "std": self.std,
            "classes": self.classes,
            "history": [asdict(record) for record in self.history],
            "machine": self.machine,
            "versions": self.versions,
        }
        written, known = packed(self.model.state_dict(), values)
        require_same(folder, load_plan(folder).trial, self.trial)
        form = json.loads(content(folder / PLAN, PLAN_BYTES))
        form.pop("sha256", None)
        # before the weights: whenever this is cut short, none lie there that it does not name
        write_plan(folder, {**form, "weights": known})
        if self.known is not None:
            pictures, _ = packed(self.known.tensors, {"key": self.trial.key})
            write_atomically(folder / PICTURES, pictures)
        write_atomically(folder / WEIGHTS, written)


def digest(run: Run) -> str:
    """Return a hash of all that decides what a run answers to an image."""
    found = hashlib.sha256(repr((run.trial.spec.to_dict(), run.mean, run.std)).encode())
    for name, tensor in sorted(run.model.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:_DIGITS]


def load_run(folder: Path | str) -> Run:
    """Return the finished run in ``folder``.

    Args:
        folder: Of the run, or of the design that ended in it; or ``hub:USER/NAME``.

    Raises:
        ValueError: If it is no run folder, training has not finished, or its weights are damaged
            or those of another run.

    Warns:
        UserWarning: If the run is from before preprocessing was kept.
    """
    folder = run_folder(folder)
    trial, preprocessing, origin, known = load_plan(folder)
    path = folder / WEIGHTS
    if not path.exists():
        raise ValueError(f"{folder} has no {WEIGHTS}: training has not finished (--resume goes on)")
    try:
        model = trial.spec.build()
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None
    own, classes = model.state_dict(), trial.spec.out_shape.channels
    room = Room.of(own.values(), trial.recipe.epochs, classes)
    tensors, values, found = load_with_digest(path, room)
    if known and found != known:
        raise CheckpointError(
            f"{path}: weights of another run: their digest is {found[:_DIGITS]}, and {PLAN}"
            f" beside them names {bare(known[:_DIGITS])}; a run is copied whole"
        )
    try:
        _require_possible(tensors, own)
        model.load_state_dict(tensors)
        seen = _seen(values, trial)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: weights of another net: {error}") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None
    if preprocessing is None:
        preprocessing = as_they_are(*trial.net.input_shape)
        warnings.warn(
            f"{folder} does not say what its pictures went through; taken is: {preprocessing.text}",
            stacklevel=2,
        )
    return Run(
        trial=trial,
        model=model.eval(),
        preprocessing=preprocessing,
        origin=origin or trial.data,
        known=_known(folder / PICTURES, trial),
        **seen,
    )


def _known(path: Path, trial: Trial) -> Known | None:
    """Return what tells the pictures of a run from others, if it is there.

    Warns:
        UserWarning: If it is damaged, too large or of another run: the model serves without it.
    """
    if not path.exists():
        return None
    try:
        tensors, values, _ = load_with_digest(path, _KNOWN)
        if values.get("key") != trial.key:  # of the same data another run may have learned others
            raise ValueError(f"{path}: of another run")
        return Known.of_tensors(tensors)
    except ValueError as error:
        warnings.warn(
            f"{error}; which pictures the run was trained on is not known without it", stacklevel=3
        )
        return None


def _require_possible(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse weights and statistics that no training leaves.

    Args:
        tensors: As read.
        own: Of the net, whose data types they must have: 1e300 is finite as float64 alone.

    Raises:
        ValueError: Naming the first of them.
    """
    for name, tensor in tensors.items():
        if name in own and tensor.dtype != own[name].dtype:
            kind, found = (str(one.dtype).removeprefix("torch.") for one in (own[name], tensor))
            raise ValueError(f"{name} must be {kind}, got {found}")
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} must be finite, got NaN or infinity")
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise ValueError(f"{name} must be >= 0, got {float(tensor.min()):g}")


def _seen(values: Mapping[str, Any], trial: Trial) -> dict[str, Any]:
    """Return what stands beside the weights of a run, checked."""
    by = values["versions"].get("smidgen") if isinstance(values.get("versions"), dict) else None
    kinds = {
        "mean": list,
        "std": list,
        "classes": list,
        "history": list,
        "machine": dict,
        "versions": dict,
    }
    require_known(values, kinds, "a run", by)
    for name, kind in kinds.items():
        if not isinstance(values.get(name), kind):
            raise ValueError(f"{name} must be a {kind.__name__}, got {shown(values.get(name))}")
    channels, classes = trial.net.input_shape.channels, trial.spec.out_shape.channels
    for name in ("mean", "std"):
        numbers = values[name]
        if len(numbers) != channels or not all(map(is_number, numbers)):
            raise ValueError(f"{name} must be {channels} finite numbers, got {shown(numbers)}")
    if min(values["std"]) <= 0:
        raise ValueError(f"std must be > 0, got {shown(values['std'])}")
    names = values["classes"]
    if len(names) != classes or not all(isinstance(name, str) for name in names):
        raise ValueError(f"classes must be {classes} texts, got {shown(names)}")
    if len(set(names)) != classes:
        raise ValueError(f"classes must differ, got {shown(names)}")
    machine = {name: values["machine"][name] for name in _MACHINE if name in values["machine"]}
    if not all(type(value) is _MACHINE[name] for name, value in machine.items()):
        raise ValueError(f"machine must be texts and a number of threads, got {shown(machine)}")
    if not all(isinstance(said, str) for said in values["versions"].values()):
        raise ValueError(f"versions must be texts, got {shown(values['versions'])}")
    return {
        "mean": tuple(map(float, values["mean"])),
        "std": tuple(map(float, values["std"])),
        "classes": tuple(names),
        "history": tuple(record_of(record, by) for record in values["history"]),
        "machine": machine,
        "versions": values["versions"],
    }


def record_of(form: Any, by: object = None) -> EpochRecord:
    """Return what was seen in an epoch, as it was stored.

    Raises:
        ValueError: If it is no such thing.
    """
    known = [field.name for field in fields(EpochRecord)]
    if not isinstance(form, dict):
        raise ValueError(f"an epoch must be a table, got {shown(form)}")
    require_known(form, known, "an epoch", by)
    for name in known:
        value = form.get(name)
        none = name == "held_out_accuracy" and name in form and value is None
        if not (is_number(value) or none):
            raise ValueError(f"{name} of an epoch must be a finite number, got {shown(value)}")
    epoch, share = form["epoch"], form["held_out_accuracy"]
    if not isinstance(epoch, int):
        raise ValueError(f"epoch must be a whole number, got {shown(epoch)}")
    return EpochRecord(
        epoch=epoch,
        loss=float(form["loss"]),
        lr=float(form["lr"]),
        held_out_accuracy=None if share is None else float(share),
        images_per_second=float(form["images_per_second"]),
        seconds=float(form["seconds"]),
    )
