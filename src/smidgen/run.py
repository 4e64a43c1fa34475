"""A run: a trained model with everything needed to use it, judge it and train it again."""

import hashlib
import json
import os
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from smidgen.checkpoint import CheckpointError, load_with_digest, packed
from smidgen.data import Data, Preprocessing
from smidgen.data.base import as_they_are
from smidgen.data.known import Known
from smidgen.data.sources import unplaced as unplaced_origin
from smidgen.files import LOCK, at_home, is_temporary, write_atomically
from smidgen.hub import fetched, is_hub
from smidgen.limits import KNOWN_BYTES, PLAN_BYTES, TENSOR_BYTES, TEXT, content, is_number
from smidgen.methods import parse
from smidgen.methods.base import Method
from smidgen.methods.of_runs import placed, run_of
from smidgen.names import shown
from smidgen.release import release, require_known
from smidgen.show import card, percent
from smidgen.sizes import counted
from smidgen.text import to_text
from smidgen.trial import Trial

PLAN, WEIGHTS = "run.json", "weights.safetensors"
PICTURES = "pictures.safetensors"  # that tell those of the run from others; never shared
MODEL = "model"  # the run's folder in a design's
_DIGITS = 16  # of a digest that people read
_NAMED = 3  # runs of those in a folder
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
        _require_same(folder, load_plan(folder).trial, self.trial)
        form = json.loads(content(folder / PLAN, PLAN_BYTES))
        form.pop("sha256", None)
        # before the weights: whenever this is cut short, none lie there that it does not name
        _write_plan(folder, {**form, "weights": known})
        if self.known is not None:
            pictures, _ = packed(self.known.tensors, {"key": self.trial.key})
            write_atomically(folder / PICTURES, pictures)
        write_atomically(folder / WEIGHTS, written)


class Plan(NamedTuple):
    """What a run folder is for.

    Args:
        trial: That is trained.
        preprocessing: Of its pictures; ``None`` in runs from before it was kept.
        origin: Where the data were; empty likewise.
        weights: Digest of the file of its weights; empty until it has ended, and likewise.
    """

    trial: Trial
    preprocessing: Preprocessing | None
    origin: str
    weights: str


def save_plan(folder: Path, trial: Trial, data: Data) -> None:
    """Write what a run folder is for, with a digest of it."""
    form = {
        "key": trial.key,
        **trial.to_dict(),
        "origin": data.origin or data.name,
        "preprocessing": data.preprocessing.to_dict(),
        "smidgen": release(),
    }
    _write_plan(folder, form)


def _write_plan(folder: Path, form: Mapping[str, Any]) -> None:
    whole = {**form, "sha256": _plan_digest(form)}
    write_atomically(folder / PLAN, f"{json.dumps(whole, indent=1)}\n".encode())


def shared_plan(folder: Path) -> bytes:
    """Return what a run folder is for, without the place of its data on this machine."""
    form = json.loads(content(folder / PLAN, PLAN_BYTES))
    form.pop("sha256", None)
    form["methods"] = [to_text(unplaced(method)) for method in parse(", ".join(form["methods"]))]
    if "origin" in form:
        form["origin"] = unplaced_origin(form["origin"], form["data"])
    return f"{json.dumps({**form, 'sha256': _plan_digest(form)}, indent=1)}\n".encode()


def unplaced(method: Method) -> Method:
    """Return a method whose run, if it learns from one at a path of this machine, is only named."""
    place = run_of(method)
    return placed(method, Path(place).name) if place and Path(place).is_absolute() else method


def load_plan(folder: Path) -> Plan:
    """Return what a run folder is for.

    Raises:
        ValueError: If there is no such folder, or its plan cannot be read, was altered, or is of
            another version.
    """
    path = folder / PLAN
    try:
        form = json.loads(content(path, PLAN_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{folder} is no run folder: it has no {PLAN}") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from None
    try:
        return _plan(form)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _plan(form: Any) -> Plan:
    if not isinstance(form, dict):
        raise ValueError(f"a run must be a table, got {shown(form)}")
    expected = form.pop("sha256", None)  # runs from before it was kept have none
    if expected is not None and expected != _plan_digest(form):
        raise ValueError("altered: its content does not match its digest")
    by = form.pop("smidgen", None)
    if "key" not in form:
        raise ValueError("a run needs the key 'key'")
    del form["key"]
    origin, seen = form.pop("origin", ""), form.pop("preprocessing", None)
    weights = form.pop("weights", "")
    for name, value in (("origin", origin), ("weights", weights)):
        if not isinstance(value, str):
            raise ValueError(f"{name} must be a text, got {shown(value)}")
    _require_place(origin)
    trial = Trial.from_dict(form, by)
    preprocessing = None if seen is None else Preprocessing.from_dict(seen)
    if preprocessing is not None:
        _require_input(trial, preprocessing)
    return Plan(trial, preprocessing, origin, weights)


def _require_place(origin: str) -> None:
    try:
        known = b"\0" not in os.fsencode(origin) and len(origin) <= TEXT
    except UnicodeEncodeError:
        known = False
    if not known:
        raise ValueError(
            f"origin must be a place of at most {TEXT:,} characters that a path may have, got"
            f" {shown(origin)}"
        )


def _plan_digest(form: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()


def digest(run: Run) -> str:
    """Return a hash of all that decides what a run answers to an image."""
    found = hashlib.sha256(repr((run.trial.spec.to_dict(), run.mean, run.std)).encode())
    for name, tensor in sorted(run.model.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:_DIGITS]


def _require_input(trial: Trial, seen: Preprocessing) -> None:
    made = (seen.channels, seen.height, seen.width)
    if made != tuple(trial.net.input_shape):
        found = "x".join(map(str, made))
        raise ValueError(
            f"preprocessing must make the net's {trial.net.input_shape}, got one that makes {found}"
        )


def path_of(place: Path | str) -> Path:
    """Return the path that a run is named by.

    Raises:
        ValueError: If it is none, such as a run itself.
    """
    try:
        return at_home(place)
    except TypeError:
        raise ValueError(
            f"a run is named by its folder, the folder= of train, got {type(place).__name__}"
        ) from None


def run_folder(place: Path | str) -> Path:
    """Return the folder of a run, given it, the folder of its design, or ``hub:USER/NAME``.

    Raises:
        ValueError: If it is none of these, or cannot be fetched from the hub.
    """
    if is_hub(place):
        return fetched(place, {PLAN: PLAN_BYTES, WEIGHTS: TENSOR_BYTES})
    folder = path_of(place)
    try:
        if (folder / PLAN).exists():
            return folder
        if (folder / MODEL / PLAN).exists():
            return folder / MODEL
        there, designed = folder.exists(), (folder / "design.db").exists()
        chosen = folder / "design.toml"
        ended = chosen.exists()
        beside = folder.parent if folder.is_file() else folder
        exported = (beside / "artefact.json").exists()
        inside = _runs_in(folder) if folder.is_dir() else []
    except OSError as error:  # a name that is too long, or a folder of somebody else's
        raise ValueError(f"{shown(str(folder))}: cannot be read: {error.strerror}") from None
    if not there:
        raise ValueError(f"{folder} is no run folder: there is nothing of that name")
    if designed and ended:
        raise ValueError(
            f"{folder} holds a design that has ended, but its {MODEL}/ is gone: smidgen train"
            f" {chosen} --out NEW trains its net again"
        )
    if designed:
        raise ValueError(f"{folder} holds a design that has not ended: its command goes on with it")
    if exported:
        raise ValueError(
            f"{folder} is no run folder but what was exported of one: name that run; predict also"
            " takes an ONNX file"
        )
    if inside:
        named = ", ".join(map(str, inside[:_NAMED]))
        raise ValueError(f"{folder} is no run folder but holds {len(inside):,}: name one, {named}")
    raise ValueError(f"{folder} is no run folder: it has no {PLAN}, and no {MODEL}/ of a design")


def _runs_in(folder: Path) -> list[Path]:
    """Return the folders of runs and of designs that lie in a folder."""
    inside = (child for child in sorted(folder.iterdir()) if child.is_dir())
    return [run for run in inside if (run / PLAN).exists() or (run / MODEL / PLAN).exists()]


def require_folder(folder: Path, trial: Trial, seen: Preprocessing, *, resume: bool) -> bool:
    """Make ``folder`` if there is none, and return whether a run of ``trial`` is to begin in it.

    Args:
        folder: Of the run.
        trial: To be run.
        seen: What its pictures go through.
        resume: Whether to go on with a run of it.

    Raises:
        ValueError: If it holds a run and ``resume`` is off, holds another run or other files, or
            cannot be written; or if nothing could read the run again.
    """
    if trial.nameless:
        raise ValueError(
            f"method {trial.nameless[0]} is of no installed package, so that a run with it could"
            " not be read again: leave the folder out, or offer it by the entry point"
            " smidgen.methods (docs/plugins.md)"
        )
    require_readable(trial)
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    held = require_vacant(folder, resume=resume)
    if PLAN not in held:
        return True
    plan = load_plan(folder)
    _require_same(folder, plan.trial, trial)
    if plan.preprocessing not in (None, seen):  # of equal pixels: a new picture is read otherwise
        raise ValueError(
            f"{folder} holds another run: pictures go through {plan.preprocessing.text} there and"
            f" through {seen.text} here"
        )
    return plan.preprocessing is None and WEIGHTS not in held


def require_readable(trial: Trial) -> None:
    """Refuse arguments of a net or of methods that their text form cannot hold, as half a pixel.

    Raises:
        ValueError: Naming the argument.
    """
    try:
        Trial.from_dict(trial.to_dict())
    except ValueError as error:
        raise ValueError(f"a run could not be read again: {error}") from None


def require_vacant(folder: Path, *, resume: bool) -> set[str]:
    """Return what a folder holds, if a run may begin in it or, where it is resumed, go on.

    Raises:
        ValueError: If it holds a run and ``resume`` is off, holds other files, or is a file.
    """
    if not folder.exists():
        return set()
    with _told(folder):
        held = {path.name for path in folder.iterdir() if not is_temporary(path)} - {LOCK}
    if held and PLAN not in held:
        raise ValueError(f"{folder} is not empty and holds no run: choose another folder")
    if held and not resume:
        raise ValueError(
            f"{folder} holds a run already: resume it (--resume, or resume=True), or choose another"
            " folder"
        )
    return held


def methods_in(folder: Path) -> tuple[Method, ...]:
    """Return the methods of the run that a folder holds; none if there is no run.

    Raises:
        ValueError: As of :func:`load_plan`.
    """
    return load_plan(folder).trial.methods if (folder / PLAN).exists() else ()


def open_folder(folder: Path, trial: Trial, data: Data, *, resume: bool) -> None:
    """Make a folder that nobody else is in ready for a run of ``trial``.

    Args:
        folder: Of the run.
        trial: Its plan is written, where there is none yet.
        data: That it is trained on.
        resume: Whether the folder may hold the same run, to go on with.

    Raises:
        ValueError: As of :func:`require_folder`.
    """
    if require_folder(folder, trial, data.preprocessing, resume=resume):
        with _told(folder):
            save_plan(folder, trial, data)


@contextmanager
def _told(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written: {error.strerror}") from error


def _require_same(folder: Path, there: Trial, here: Trial) -> None:
    if there.key == here.key:
        return
    old, new = there.to_dict(), here.to_dict()
    old, new = ({**of.pop("recipe"), **of} for of in (old, new))
    differing = [
        f"{name} is {old.get(name)} there and {new.get(name)} here"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
    if old["fingerprint"] != new["fingerprint"]:
        differing.append("so the pictures have changed, or how they are read")
    raise ValueError(f"{folder} holds another run: {'; '.join(differing)}")


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
    tensors, values, found = load_with_digest(path)
    if known and found != known:
        raise CheckpointError(
            f"{path}: weights of another run: their digest is {found[:_DIGITS]}, and {PLAN}"
            f" beside them names {shown(known[:_DIGITS])[1:-1]}; a run is copied whole"
        )
    try:
        model = trial.spec.build()
        _require_possible(tensors, model.state_dict())
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
        tensors, values, _ = load_with_digest(path, KNOWN_BYTES)
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
