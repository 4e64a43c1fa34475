"""Going on with a trained net where there are more pictures, on the sides that the old ones had."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import NamedTuple

from smidgen.again import known_of, same_place
from smidgen.data import Data, load
from smidgen.data.base import Progress
from smidgen.data.known import Known
from smidgen.data.remembered import SIDES_OF, YES, asked_of, place_of, window_of, with_asked
from smidgen.data.sides import Sided, in_order, sided
from smidgen.evaluate.accuracy import accuracy, predict
from smidgen.hub import is_hub
from smidgen.layers import Shape
from smidgen.methods import Pretrained
from smidgen.methods.base import Method
from smidgen.names import require_kind, require_path
from smidgen.recipe import Recipe
from smidgen.run import Run, digest, load_run
from smidgen.run_folder import path_of
from smidgen.runtime import Runtime
from smidgen.sizes import counted, listed
from smidgen.spec import NetSpec
from smidgen.train import Observer, train
from smidgen.training import AT_EVERY_EPOCH, Pace

EPOCHS, PEAK = 0.5, 0.3  # of the first training's; not tuned: docs/training.md
_NONE_THERE = (
    ": it trains on the new ones alone, and forgets; were they saved anew? a picture saved in"
    " another form counts as another"
)


class Places(NamedTuple):
    """How data are read beside the preprocessing; ``None`` stands for what the run asked."""

    data_dir: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    group_by: str | None = None
    skip_broken: bool = False


class Begun(NamedTuple):
    """A run to go on with, and what it goes on to.

    Args:
        run: As loaded.
        place: Of it.
        spec: To train, before methods.
        methods: That it was trained with, and what has it begin where it ended.
        recipe: Fewer epochs and a lower peak rate than it had.
        sided: The pictures, on their sides.
        unknown: Whether it is not known of every run before what it has learned.
    """

    run: Run
    place: str
    spec: NetSpec
    methods: tuple[Method, ...]
    recipe: Recipe
    sided: Sided
    unknown: bool = False

    @property
    def other_form(self) -> bool:
        """Whether none of the pictures that are known is here: they may have been saved anew."""
        return bool(self.sided.gone) and not self.sided.known

    @property
    def lines(self) -> list[str]:
        """What is told before training."""
        of, classes = self.sided, self.sided.data.classes
        some = [f"{name} {new:,}" for name, new in zip(classes, of.new, strict=True) if new]
        new = f"{sum(of.new):,} new" + (f" ({listed(some, 6)})" if some else "")
        lines = [f"{counted(of.known, 'picture', 'pictures')} known, {new}; {self._judges}"]
        if of.gone:
            lines.append(
                f"{counted(of.gone, 'picture', 'pictures')} of {self.place} are not among them"
                + (_NONE_THERE if self.other_form else "")
            )
        if of.moved:
            lines.append(
                f"{counted(of.moved, 'known picture lies', 'known pictures lie')} in another part"
                " now, and stay on the side that they had: what was learned is no test any more"
            )
        if classes != self.run.classes:
            lines.append(
                f"other classes than {self.place} knows, {listed(self.run.classes)}: the classifier"
                " begins anew"
            )
        return lines

    @property
    def _judges(self) -> str:
        of = self.sided
        if not of.judged + of.judged_new:
            return "none is held out"
        return f"held out as before {of.judged:,}, and {of.judged_new:,} of the new"

    def held_out_before(self) -> float | None:
        """Return the share of what judges here that the earlier run gets right.

        None if nothing judges, or it knows other classes.
        """
        data, run = self.sided.data, self.run
        if data.validation is None or data.classes != run.classes:
            return None
        logits = predict(run.model, data.validation.images, run.mean, run.std)
        return accuracy(logits, data.validation.labels)


def begin(
    start: Path | str,
    data: Data | Path | str,
    *,
    methods: Iterable[Method] | None = None,
    recipe: Recipe | None = None,
    full: bool = False,
    places: Places = Places(),  # noqa: B008 - frozen
    progress: Progress = None,
) -> Begun:
    """Return what going on with a run trains, with pictures read as that run read its own.

    Args:
        start: As of :func:`fine_tune`, as the next two.
        data: Likewise.
        methods: Instead of the run's.
        recipe: Likewise; by default :func:`gentler` than the run's.
        full: Whether nothing is held out.
        places: How data are read.
        progress: See :func:`smidgen.data.load`.

    Raises:
        ValueError: As of :func:`fine_tune`.
    """
    run = load_run(start)
    place = str(start) if is_hub(start) else str(path_of(start).absolute())
    found = _loaded(run, start, data, places, progress)
    if found.classes != run.classes and set(found.classes) == set(run.classes):
        found = in_order(found, run.classes)
    before, unknown = _before(run, start, found)
    of = sided(found, before, full=full)
    asked = {**asked_of(found.origin), SIDES_OF: place}
    origin = with_asked(place_of(found.origin), asked) if found.origin else ""
    of = of._replace(data=replace(of.data, origin=origin))
    spec, classes = run.trial.net, len(found.classes)
    if spec.out_shape.channels != classes:
        spec = spec.fitted(Shape(*found.shape), classes)
    own = run.trial.methods if methods is None else methods
    kept = [method for method in own if not isinstance(method, Pretrained)]
    numbers = gentler(run) if recipe is None else recipe
    return Begun(run, str(start), spec, (*kept, Pretrained(place)), numbers, of, unknown)


def gentler(run: Run) -> Recipe:
    """Return the numbers to go on with: half of the epochs, 0.3 of the peak rate, one start.

    All images are learned from, whatever share of them the run had.

    Those of a run that went on itself are that already.
    """
    recipe = run.trial.recipe
    if SIDES_OF in asked_of(run.origin):
        return recipe
    epochs = ceil(EPOCHS * recipe.epochs)
    return replace(recipe, epochs=epochs, peak_lr=PEAK * recipe.peak_lr, starts=1, share=1.0)


def _loaded(
    run: Run, start: Path | str, data: Data | Path | str, places: Places, progress: Progress
) -> Data:
    if isinstance(data, Data):
        if data.preprocessing != run.preprocessing:
            raise ValueError(
                f"{data.name} must be seen as {start} sees pictures, {run.preprocessing.text}, got"
                f" {data.preprocessing.text}: its folder or name, in the place of data that were"
                " loaded, is read so"
            )
        return data
    require_path(data, "data, if they are none that smidgen.data.load returned,")
    asked = asked_of(run.origin)
    return load(
        data,
        data_dir=places.data_dir,
        preprocessing=run.preprocessing,
        image_column=places.image_column or asked.get("image-column"),
        label_column=places.label_column or asked.get("label-column"),
        group_by=places.group_by or asked.get("group-by"),
        skip_broken=places.skip_broken or asked.get("skip-broken") == YES,
        window=window_of(asked),
        progress=progress,
    )


def _before(run: Run, start: Path | str, found: Data) -> tuple[list[Known], bool]:
    """Return the pictures of a run, then of what it began with, and so on, as far as known.

    Beside them stands whether those of any are not known.

    Raises:
        ValueError: If nothing tells the run's own, and they are among those found.

    Warns:
        UserWarning: If something is not here as it was, so that nothing tells.
    """
    known: list[Known] = []
    unknown = False
    place: Path | str = start
    earlier: Run | None = run
    while earlier is not None:
        its = known_of(earlier, place)
        if its is None and earlier is run and same_place(run, found.origin):
            raise ValueError(
                f"nothing tells the pictures {start} has learned from the new ones in {found.name}:"
                " it is from before runs kept that; move the new ones to another folder with copies"
                " of the old ones, and go on with that folder"
            )
        if its is None:
            unknown = True
            _tell_unknown(f"{place} has learned is not known: pictures it knows are taken as new")
        else:
            known.append(its)
        place, earlier = _began_with(earlier)
    # a place without its run is of one that is not here
    return known, unknown or bool(place)


def _began_with(run: Run) -> tuple[str, Run | None]:
    """Return the run that one began with and its place, if there was one, and it if it is here."""
    first = next((of for of in run.trial.methods if isinstance(of, Pretrained)), None)
    if first is None:
        return "", None
    try:
        if not is_hub(first.run) and digest(earlier := load_run(first.run)) == first.digest:
            return first.run, earlier
    except ValueError:
        pass
    _tell_unknown(f"{first.run}, with which it began, has learned is not known: it is not here")
    return first.run, None


def _tell_unknown(what: str) -> None:
    warnings.warn(
        f"what {what}; if some that are held out were learned, they flatter it", stacklevel=4
    )


def fine_tune(  # noqa: PLR0913 - a door; all but two arguments by keyword
    start: Path | str,
    data: Data | Path | str,
    *,
    methods: Iterable[Method] | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    full: bool = False,
    runtime: Runtime | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    pace: Pace = AT_EVERY_EPOCH,
    observer: Observer | None = None,
) -> Run:
    """Go on with a trained net on more pictures, and return the model that would be deployed.

    Net, methods, numbers and preprocessing are those of the run, whose weights are begun with. Its
    pictures are known by their pixels and stay where they were: what it learned is learned, what
    judged it judges, what tested it is tested on. Of new ones some are set aside as always, so that
    the held-out accuracy is of pictures that neither run has learned. Of other classes than the
    run's the classifier begins anew.

    Args:
        start: Folder of the run or of a design, or ``hub:USER/NAME``.
        data: A name or a folder with old and new pictures, read as the run reads them; or loaded
            data, whose preprocessing is the run's.
        methods: Instead of the run's; :class:`smidgen.methods.Pretrained` is added.
        recipe: By default the run's with half of its epochs and 0.3 of its peak rate.
        seed: Of every random draw.
        full: Whether to hold nothing out, but for a validation part that the data have.
        runtime: See :func:`smidgen.train`, as for the next four.
        folder: Where to keep checkpoints and the result; nothing is written by default.
        resume: Go on with what is in ``folder``.
        pace: How often to write a checkpoint and to judge.
        observer: Called after every step.

    Raises:
        ValueError: If there is no such run, it has not ended, the pictures cannot be read as it
            reads them, none is left to test on, or nothing tells which of them it has learned; and
            as of :func:`smidgen.train`.

    Warns:
        UserWarning: If it is not known what the run, or one that it began with, has learned.
    """
    require_kind(full, bool, "full", "as in full=True")
    begun = begin(start, data, methods=methods, recipe=recipe, full=full)
    return train(
        begun.spec,
        begun.sided.data,
        methods=begun.methods,
        recipe=begun.recipe,
        seed=seed,
        split=begun.sided.split,
        runtime=runtime,
        folder=folder,
        resume=resume,
        pace=pace,
        observer=observer,
    )
