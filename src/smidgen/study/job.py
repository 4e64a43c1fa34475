"""A trial as it waits in the store: what to train, where its images are, what to measure."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TypeAlias

from smidgen.data import Data, load
from smidgen.data.base import Progress, as_it_is
from smidgen.data.preprocessing import CHANNELS
from smidgen.data.remembered import asked_of, place_of, with_asked
from smidgen.data.sources import HUB_ID
from smidgen.limits import ROW, require_at_most
from smidgen.names import shown
from smidgen.recipe import Recipe
from smidgen.release import release, require_known
from smidgen.runtime import PRECISIONS
from smidgen.tensors import Pixels
from smidgen.text import from_mapping
from smidgen.trial import Trial

ROBUST = ("", "quick", "card")
CARD, QUICK = 2000, 500  # images of a card of robustness, and of a quick one, at most
Others: TypeAlias = Mapping[str, Pixels]  # pictures of none of a trial's classes, by name


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a study's images come from; see :func:`smidgen.data.load`.

    Args:
        name: Of the data set, or a path.
        data_dir: Folder of local copies, or ``None``.
        image_size: N or HxW that images are fitted to, or ``None``.
        color: ``grey`` or ``rgb``, or ``None``.
        fit: ``stretch``, ``crop`` or ``pad``, or ``None``.
        image_column: Of a table, or ``None``.
        label_column: Likewise.
        skip_broken: Whether images that cannot be read are left out.
        turned: Whether rows and columns of every image are exchanged.
        group_by: What belongs together, or ``None``.
        window: Moments of the windows that recordings are cut into, or ``None``.
    """

    name: str
    data_dir: str | None = None
    image_size: str | None = None
    color: str | None = None
    fit: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    skip_broken: bool = False
    turned: bool = False
    group_by: str | None = None
    window: int | None = None

    def load(self, progress: Progress = None) -> Data:
        """Return the images.

        Args:
            progress: Told how many are decoded.

        Raises:
            DataError: If they cannot be had.
        """
        asked = asdict(self)
        return load(asked.pop("name"), **asked, progress=progress)

    def at(self, data: Data) -> "Origin":
        """Return where the same images stay: of the hub, at the commit that a branch was at.

        Args:
            data: What :meth:`load` returned.
        """
        place = place_of(data.origin)
        if not HUB_ID.fullmatch(place):
            return self
        return replace(self, name=with_asked(place, asked_of(self.name)))

    def others(self, against: tuple[str, ...], data: Data) -> Others:
        """Return pictures of other data sets, made as these are.

        Args:
            against: Each a name or a path.
            data: What :meth:`load` returned.

        Raises:
            DataError: If one cannot be had, or is ``data``.
        """
        if not against:
            return {}
        from smidgen.robust.measured import others_of

        return others_of(against, data.preprocessing, data.fingerprint, self.data_dir)

    @property
    def options(self) -> list[str]:
        """The options of the command line that ask for the same images, the name left out."""
        words: list[str] = []
        for name, value in list(asdict(self).items())[1:]:
            option = f"--{name.replace('_', '-')}"
            if value is True:
                words.append(option)
            elif value:
                words += [option, str(value)]
        return words


def origin_of(data: Data, what: str) -> Origin:
    """Return how data that were loaded are loaded again, by the processes that train on them.

    Args:
        data: As :func:`smidgen.data.load` or ``from_arrays`` returned them.
        what: Whose processes those are, such as ``a design``.

    Raises:
        ValueError: If they come from nowhere, were changed since, or are not made again as they
            are.
    """
    again = f"the processes of {what} load their data again: {data.name} must"
    if not data.origin:
        raise ValueError(f"{again} come from a folder or a name, or of smidgen.data.from_arrays")
    if data.changed or as_it_is(data) is not data:
        raise ValueError(
            f"{again} be as they were loaded, got others; smidgen.data.from_arrays takes changed"
            " ones"
        )
    how = data.preprocessing
    origin = Origin(
        data.origin,
        image_size="x".join(map(str, how.size)),
        color=how.color if how.color in CHANNELS else None,
        fit=how.fit,
        turned=how.turned,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told where they were loaded, and by who trains
        found = origin.load()
    if found.fingerprint != data.fingerprint:
        raise ValueError(
            f"{again} be as its name, image_size, color, fit and turned alone make it, got other"
            " pixels or classes"
        )
    return origin


@dataclass(frozen=True, slots=True)
class Job:
    """One trial and how it is to be judged.

    Args:
        trial: What decides the result.
        origin: Of its images.
        latency: Whether to spend some seconds on timing inference.
        precision: Of activations in training: ``auto``, ``float32`` or ``bfloat16``.
        robust: ``card`` for all that is measured of robustness, on at most 2,000 of the images that
            judge; ``quick`` for a few changes of each family, on at most 500; or nothing.
        against: Other data sets whose pictures the card has beside those that are drawn, each a
            name or a path.
    """

    trial: Trial
    origin: Origin
    latency: bool = False
    precision: str = "auto"
    robust: str = ""
    against: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the job as JSON."""
        form = {**asdict(self), "trial": self.trial.to_dict(), "smidgen": release()}
        if not self.against:
            del form["against"]  # so that older versions, which do not know it, read the others
        return json.dumps(form, sort_keys=True)

    @staticmethod
    def from_text(text: object) -> "Job":
        """Return the job of a JSON text; the inverse of :meth:`to_text`.

        Raises:
            ValueError: If it is none.
        """
        if not isinstance(text, str):
            raise ValueError(f"a job must be a text, got {shown(text)}")
        require_at_most("characters of a job", len(text), ROW)
        try:
            form = json.loads(text)
        except (RecursionError, ValueError):
            raise ValueError(f"a job must be JSON, got {shown(text)}") from None
        if not isinstance(form, dict):
            raise ValueError(f"a job must be a table, got {shown(form)}")
        by = form.pop("smidgen", None)
        require_known(form, [field.name for field in fields(Job)], "a job", by)
        trial, origin = Trial.from_dict(form.get("trial"), by), form.get("origin")
        if not isinstance(origin, dict):
            raise ValueError(f"the origin of a job must be a table, got {shown(origin)}")
        if isinstance(size := origin.get("image_size"), list):  # as older versions wrote it
            origin["image_size"] = "x".join(map(str, size))
        require_known(origin, [field.name for field in fields(Origin)], "the origin of a job", by)
        latency, precision = form.get("latency", False), form.get("precision", "auto")
        if not isinstance(latency, bool):
            raise ValueError(f"latency must be true or false, got {shown(latency)}")
        if precision not in PRECISIONS:
            raise ValueError(
                f"precision must be one of {', '.join(PRECISIONS)}, got {shown(precision)}"
            )
        robust = form.get("robust", "")
        if robust not in ROBUST:
            raise ValueError(f"robust must be one of {', '.join(ROBUST[1:])}, got {shown(robust)}")
        against = form.get("against", [])
        if not (isinstance(against, list) and all(isinstance(place, str) for place in against)):
            raise ValueError(f"against must be a list of texts, got {shown(against)}")
        return Job(
            trial,
            from_mapping(Origin, origin, "origin"),
            latency,
            precision,
            robust,
            tuple(against),
        )


def titles(jobs: Sequence[Job]) -> list[str]:
    """Return what people call each: net, methods, seed, and in what else of these they differ."""
    trials = [job.trial for job in jobs]
    numbers = [
        field.name
        for field in fields(Recipe)
        if len({getattr(trial.recipe, field.name) for trial in trials}) > 1
    ]
    splits = len({trial.split for trial in trials}) > 1
    found: list[str] = []
    for trial in trials:
        parts = [trial.net.name, " + ".join(trial.method_texts) or "no method"]
        parts += [f"{name} {getattr(trial.recipe, name)}" for name in numbers]
        parts += [trial.split] * splits
        found.append(", ".join([*parts, f"seed {trial.seed}"]))
    return found
