"""Whether more pictures would help: one net trained on shares of them, as a resumable study."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from smidgen.show import card
from smidgen.sizes import counted, listed
from smidgen.split_names import SELECTION

if TYPE_CHECKING:
    from smidgen.data import Data
    from smidgen.methods.base import Method
    from smidgen.recipe import Recipe
    from smidgen.report.learning import LearningCurve
    from smidgen.spec import NetSpec
    from smidgen.study.job import Origin
    from smidgen.study.running.local import Event
    from smidgen.study.statistics import Interval

STORE, REPORT = "study.db", "report.html"
SHARES, SEEDS = (0.25, 0.5, 1.0), (0, 1, 2)
FEW = 2_000  # training images, below which a tenth of them judges too coarsely
FOLDS = 5


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What a net reached with a share of the training pictures.

    Args:
        share: Of the training pictures, in (0, 1].
        pictures: How many those are, a mean over the runs.
        runs: How many there are: a seed each, or a seed and a fold.
        accuracy: In percent on held-out pictures, with an interval for other seeds (or folds) on
            the same pictures.
        gained: Percentage points against half as many pictures, paired by seed and fold; ``None``
            where no point has half of them.
    """

    share: float
    pictures: int
    runs: int
    accuracy: "Interval"
    gained: "Interval | None"


@dataclass(frozen=True, slots=True, repr=False)
class Curve:
    """A learning curve: accuracy by training pictures, and what the last doubling of them gave.

    Args:
        net: Name of the net.
        params: Its parameters, fitted to the data.
        image: Channels, height and width of what it sees.
        data: Name of the data.
        split: ``selection``, or folds such as ``5-folds``.
        judged_by: Different held-out pictures that judge, the same for all points.
        points: One a share, the smallest first.
        chance: What always answering the largest class of the pictures that judge reaches, in
            percent; ``None`` if their rows do not tell.
        verdict: Of the last doubling: ``better``, ``worse``, ``no difference shown``, ``one seed,
            not tested`` or, where the net is not shown to do better than ``chance``, ``learned
            little``; nothing where no point has half of the most pictures.
        told: The same in a sentence, with what may be thought of one further doubling.
        missing: Trials that failed, which another call tries again.
        folder: Of the study and its page.
    """

    net: str
    params: int
    image: tuple[int, int, int]
    data: str
    split: str
    judged_by: int
    points: tuple[CurvePoint, ...]
    chance: float | None
    verdict: str
    told: str
    missing: int
    folder: Path

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / REPORT

    def __repr__(self) -> str:
        return f"Curve({self.net} on {self.data}: {self.told})"

    def _repr_html_(self) -> str:
        """Return a table of the points, for a notebook."""
        rows = [(f"{of.pictures:,}", of.runs, f"{of.accuracy.mean:.2f} %") for of in self.points]
        return card("Curve", self.told, ("training pictures", "runs", "accuracy"), rows)


def curve(  # noqa: PLR0913 - a door; all but two arguments by keyword
    net: "NetSpec | str",
    data: "Data | Origin | Path | str",
    *,
    methods: "Iterable[Method]" = (),
    recipe: "Recipe | None" = None,
    shares: Iterable[float] = SHARES,
    seeds: Iterable[int] = SEEDS,
    split: str | None = None,
    folder: Path | str = "curve",
    jobs: int | None = None,
    observer: "Callable[[Event], None]" = lambda event: None,
) -> Curve:
    """Train a net on shares of the training pictures, and tell whether more of them would help.

    Each share is trained for as many steps, with each seed; pictures that no run has learned judge
    all of them, and the test images are not read. It may be stopped; the same call goes on.

    Args:
        net: A net, fitted to the data; or a name, or a TOML file, as ``smidgen train`` takes it.
        data: A name, a folder, a hub id; or data that were loaded from one, or made by
            :func:`smidgen.data.from_arrays`; or how they are to be loaded.
        methods: In any order.
        recipe: The numbers of each run; ``Recipe()`` by default.
        shares: Of the training pictures, two or more in (0, 1]; a smaller one lies within a larger
            one of the same seed.
        seeds: Of the runs of each share; one alone gives no interval.
        split: What is held out: ``selection``, or folds such as ``5-folds``. By default five folds
            below 2,000 training images that have no validation part, else ``selection``.
        folder: A new one, or that of a curve, which goes on: for the study and its page.
        jobs: Trials side by side, one process each; 1 by default.
        observer: Told what happens, about once a second and when a trial ends.

    Returns:
        The curve; its page is in ``folder``.

    Raises:
        ValueError: Before any training, if an argument or the data cannot be used, a share leaves
            a class without a picture or two take the same ones, or ``folder`` holds something
            else; or if all runs of all shares but one have failed.

    Warns:
        UserWarning: Of each trial that failed.
    """
    from smidgen.names import require_path
    from smidgen.recipe import Recipe
    from smidgen.report.learning import learning_curves
    from smidgen.report.points import points_of
    from smidgen.studies import report, study

    place = _vacant(require_path(folder, "folder"))
    numbers = Recipe() if recipe is None else recipe
    if numbers.share != 1:
        raise ValueError(
            f"recipe share must be 1 in a learning curve, whose shares vary it, got {numbers.share}"
        )
    shares, seeds = _required(shares, numbers), _seeds(seeds)
    origin, loaded = _loaded(data)
    held = split_of(loaded, split)
    _require_apart(loaded, held, shares, seeds)
    plan = _plan(net, origin, tuple(methods), numbers, shares, seeds, held)
    rows = study(plan, store=place / STORE, jobs=jobs, retry_failed=True, observer=observer)
    found = learning_curves(points_of(rows))
    if not found:
        raise ValueError(
            f"a learning curve needs runs of two shares, got {counted(len(rows), 'run', 'runs')}:"
            " the others have failed; the same call tries them again"
        )
    report(place / STORE, out=place / REPORT, title=_title(place / STORE))
    asked = len(shares) * len(dict.fromkeys(seeds)) * _splits(held)
    return _curve(found[0], held, asked - len(rows), place)


def _loaded(data: "Data | Origin | Path | str") -> "tuple[Origin, Data]":
    """Return what is learned, and how the processes of the study load it.

    Raises:
        ValueError: If it cannot be had, or is of another kind.
    """
    from smidgen.data import Data
    from smidgen.names import require_path
    from smidgen.study.job import Origin, origin_of

    if isinstance(data, Data):
        return origin_of(data, "a learning curve"), data
    origin = data if isinstance(data, Origin) else Origin(os.fspath(require_path(data, "data")))
    return origin, origin.load()


def split_of(data: "Data", asked: str | None = None) -> str:
    """Return what a learning curve holds out to judge by.

    Args:
        data: As loaded.
        asked: ``selection`` or folds; chosen if ``None``.

    Raises:
        ValueError: If that holds nothing out, or is unknown; or if a class has a single training
            image, of which none can be held out.
    """
    found = _asked_or_chosen(data, asked)
    if found == SELECTION and data.validation is None:
        _require_two(data)
    return found


def _asked_or_chosen(data: "Data", asked: str | None) -> str:
    from smidgen.data.parts import folds_of
    from smidgen.split_names import FULL, splits_in

    if asked == FULL:
        raise ValueError(
            "split of a learning curve must hold pictures out to judge by, as selection or 5-folds,"
            " got 'full'"
        )
    if asked is not None:
        splits_in(asked)
        return asked
    if data.validation is not None or len(data.train) >= FEW:
        return SELECTION
    filled = int(folds_of(data.train, FOLDS, 1).max())
    return f"{filled}-folds" if filled > 1 else SELECTION


def _require_two(data: "Data") -> None:
    counts = data.train.labels.bincount(minlength=len(data.classes)).tolist()
    single = [name for name, count in zip(data.classes, counts, strict=True) if count == 1]
    if single:
        raise ValueError(
            "a learning curve needs two training images of each class, one to hold out, got 1 of"
            f" {listed(list(map(repr, single)))} in {data.name}: add images, or leave such classes"
            " out"
        )


def _require_apart(data: "Data", split: str, shares: Sequence[float], seeds: Sequence[int]) -> None:
    """Refuse shares that take the same pictures with all seeds and of all folds.

    Raises:
        ValueError: If there are any, or one leaves a class without an image.
    """
    from smidgen.data.shares import learned
    from smidgen.split_names import splits_in

    for less, more in pairwise(shares):
        counts = (
            tuple(len(learned(data, part, share, seed)) for share in (less, more))
            for part in splits_in(split)
            for seed in seeds
        )
        if all(fewer == count for fewer, count in counts):  # a smaller share lies within a larger
            raise ValueError(
                f"shares {less:g} and {more:g} take the same training pictures of {data.name}, as"
                " it has few of them or large groups: leave one out"
            )


def _splits(name: str) -> int:
    from smidgen.split_names import splits_in

    return len(splits_in(name))


def _vacant(folder: Path) -> Path:
    """Return a folder that a curve may begin or go on in.

    Raises:
        ValueError: If it holds something else, or is a file.
    """
    from smidgen.escape import shell

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{shell([str(folder)])} is a file: a curve needs a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / STORE).exists():
        raise ValueError(
            f"{folder} holds something else than a learning curve: name a new folder, or that of a"
            " curve, which goes on"
        )
    return folder


def _title(store: Path) -> str:
    """Return the title of a page, with the names of all data whose curves a folder holds."""
    from smidgen.report.learning import CURVE
    from smidgen.study.records import load

    rows = [row for row in load(store).rows if row["study"] == CURVE]
    return f"Would more pictures help? {', '.join(dict.fromkeys(str(row['data']) for row in rows))}"


def _numbers(values: object, what: str, as_in: str) -> tuple[Any, ...]:
    """Return numbers as they were given, once.

    Raises:
        ValueError: If they are no list or the like.
    """
    from smidgen.names import shown

    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(
            f"{what} of a learning curve must be a list of numbers, as {as_in}, got {shown(values)}"
        )
    return tuple(cast("Iterable[Any]", values))


def _required(shares: Iterable[float], recipe: "Recipe") -> list[float]:
    """Return shares, the smallest first.

    Raises:
        ValueError: If they are not two numbers or more in (0, 1].
    """
    from smidgen.names import shown

    asked = _numbers(shares, "shares", "[0.5, 1]")
    found = sorted({replace(recipe, share=share).share for share in asked})
    if len(found) < 2:  # noqa: PLR2004
        raise ValueError(
            f"shares of a learning curve must be two or more, as [0.5, 1], got {shown([*asked])}"
        )
    return found


def _seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """Return seeds.

    Raises:
        ValueError: If they are not one whole number or more.
    """
    from smidgen.names import as_seed

    found = tuple(map(as_seed, _numbers(seeds, "seeds", "[0, 1, 2]")))
    if not found:
        raise ValueError("seeds of a learning curve must be one or more, as [0, 1, 2], got []")
    return found


def _plan(
    net: "NetSpec | str",
    origin: "Origin",
    methods: "tuple[Method, ...]",
    recipe: "Recipe",
    shares: list[float],
    seeds: tuple[int, ...],
    split: str,
) -> dict[str, Any]:
    """Return the study, as its file would hold it."""
    from smidgen.config import load_net
    from smidgen.methods.base import several
    from smidgen.report.learning import CURVE
    from smidgen.text import to_text

    spec = load_net(net) if isinstance(net, str) else net
    words = asdict(origin)
    trials = {
        "nets": [spec.name],
        "methods": [[to_text(method) for method in several(methods)]],
        "share": shares,
    }
    return {
        "name": CURVE,
        "data": words.pop("name"),
        "split": split,
        "seeds": list(seeds),
        "recipe": recipe.to_dict(),
        "nets": [spec.to_dict()],
        "latency": False,
        "trials": [trials],
        **{name: value for name, value in words.items() if value not in (None, False)},
    }


def _curve(found: "LearningCurve", split: str, missing: int, folder: Path) -> Curve:
    points = [
        CurvePoint(
            share=share,
            pictures=pictures,
            runs=len(point.rows),
            accuracy=accuracy,
            gained=None if (twice := found.doubling(place)) is None else twice.accuracy,
        )
        for place, (share, pictures, point, accuracy) in enumerate(
            zip(found.shares, found.pictures, found.points, found.accuracies, strict=True)
        )
    ]
    last = found.points[-1]
    return Curve(
        net=last.net,
        params=int(last.first["params"]),
        image=tuple(last.first["input"]),
        data=str(last.first["data"]),
        split=split,
        judged_by=last.images,
        points=tuple(points),
        chance=found.chance,
        verdict=found.verdict,
        told=found.told,
        missing=missing,
        folder=folder,
    )
