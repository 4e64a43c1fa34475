"""The models that are compared, and the data that may judge both, as each of them sees them."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from smidgen.again import Columns, Reading
    from smidgen.data import Data
    from smidgen.data.base import Progress
    from smidgen.model import Model
    from smidgen.run import Run


class Asked(NamedTuple):
    """A model with what it was named by."""

    place: str
    model: "Model"

    @property
    def run(self) -> "Run | None":
        return self.model.run


class How(NamedTuple):
    """How data are read."""

    data_dir: "Path | str | None"
    columns: "Columns"
    skip_broken: bool
    progress: "Progress"


def asked_for(model: Any, which: str) -> Asked:
    """Return a model, loaded if it is named by a place.

    Args:
        model: As of :func:`smidgen.compare.compare`.
        which: ``first`` or ``second``.

    Raises:
        ValueError: If it is none, or cannot be read.
    """
    from smidgen.model import Model, load
    from smidgen.names import shown
    from smidgen.run import Run

    if isinstance(model, Model):
        return Asked(f"the {which} model", model)
    if isinstance(model, Run):
        return Asked(f"the {which} run", load(model))
    if not isinstance(model, str | os.PathLike):
        raise ValueError(
            f"the {which} model must be a run, its folder, an ONNX file or hub:USER/NAME, got"
            f" {shown(model)}"
        )
    place = os.fspath(model)
    return Asked(place, load(place))


def common(asked: tuple[Asked, Asked], how: How) -> "tuple[Data, Data]":
    """Return the data that both models were trained on, as each sees them.

    Raises:
        ValueError: If they were trained on different data, or nothing tells on which.
    """
    from smidgen.again import judged_on, own_place, same_place, trained_on
    from smidgen.data.remembered import asked_of

    known = [(one.place, one.run) for one in asked if one.run is not None]
    if not known:
        raise ValueError(
            "an ONNX file does not say what it was trained on: name the pictures that judge both"
            " (--data, or data=)"
        )
    (_, one), (_, other) = known[0], known[-1]
    same = one.trial.fingerprint == other.trial.fingerprint
    if not (same or same_place(one, other.origin)):
        raise ValueError(
            f"{known[0][0]} was trained on {one.trial.data} and {known[1][0]} on other data"
            f" ({other.trial.data}): name the pictures that judge both (--data, or data=)"
        )
    found: list[Data] = []
    for side in asked:
        run = side.run
        if run is not None and found and found[0].fingerprint == run.trial.fingerprint:
            found.append(found[0])
        elif run is not None:
            found.append(
                trained_on(
                    run,
                    side.place,
                    data_dir=how.data_dir,
                    progress=how.progress,
                    columns=how.columns,
                )
            )
        else:  # an ONNX file beside a run
            own = how.data_dir or asked_of(one.origin).get("data-dir")
            found.append(
                judged_on(
                    _reading(side, one.origin),
                    own_place(one.origin),
                    data_dir=own,
                    progress=how.progress,
                    columns=how.columns,
                    skip_broken=True,  # it is told, and the run lacks the same
                )
            )
    return found[0], found[1]


def given(asked: tuple[Asked, Asked], data: "Data") -> "tuple[Data, Data]":
    """Return data that were loaded, if both models take them as they are."""
    from smidgen.data import DataError

    for side in asked:
        model = side.model
        if (data.preprocessing, data.classes) != (model.preprocessing, model.classes):
            raise DataError(
                f"{data.name} is not made of pictures as {side.place} takes them, in its classes:"
                " give their place instead, or smidgen.data.load(place, preprocessing="
                "model.preprocessing, classes=model.classes)"
            )
    return data, data


def in_place(asked: tuple[Asked, Asked], data: Path | str, how: How) -> "tuple[Data, Data]":
    """Return the pictures in a place, as each model sees them."""
    from smidgen.again import FLATTERED, judged_on

    def read(side: Asked) -> "Data":
        return judged_on(
            _reading(side) if side.run is None else side.run,
            data,
            data_dir=how.data_dir,
            progress=how.progress,
            columns=how.columns,
            skip_broken=how.skip_broken,
            learned=True,
            other_classes=True,  # a picture is one of both models' classes, or left out
        )

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", f".*{FLATTERED}")  # what was learned is left out here
        return read(asked[0]), read(asked[1])


def _reading(side: Asked, origin: str = "") -> "Reading":
    from smidgen.again import Reading

    return Reading(side.model.preprocessing, side.model.classes, origin)
