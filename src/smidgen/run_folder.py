"""The folder of a run: what it is for, where it lies, and whether a run may begin in it."""

import hashlib
import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from smidgen.data import Data, Preprocessing
from smidgen.data.sources import unplaced as unplaced_origin
from smidgen.files import LOCK, at_home, is_temporary, write_atomically
from smidgen.hub import fetched, is_hub
from smidgen.limits import PLAN_BYTES, TEXT, WEIGHT_BYTES, content
from smidgen.methods import parse
from smidgen.methods.base import Method
from smidgen.methods.of_runs import placed, run_of
from smidgen.names import shown
from smidgen.release import release
from smidgen.text import to_text
from smidgen.trial import Trial

PLAN, WEIGHTS = "run.json", "weights.safetensors"
MODEL = "model"  # the run's folder in a design's
_NAMED = 3  # runs of those in a folder


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
    write_plan(folder, form)


def write_plan(folder: Path, form: Mapping[str, Any]) -> None:
    """Write a plan's form with a digest of it."""
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
        return fetched(place, {PLAN: PLAN_BYTES, WEIGHTS: WEIGHT_BYTES})
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
    require_same(folder, plan.trial, trial)
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


def require_same(folder: Path, there: Trial, here: Trial) -> None:
    """Refuse a folder that holds another run than is asked for, with what differs.

    Raises:
        ValueError: If it does.
    """
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
