"""The training loop. There is one."""

import logging
import shutil
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from smidgen.checkpoint import CheckpointError, checkpoints
from smidgen.data import Data
from smidgen.data.base import as_it_is
from smidgen.data.shares import learned
from smidgen.files import clear_temporaries, locked
from smidgen.flat import Flat
from smidgen.layers import Shape
from smidgen.machine import memory
from smidgen.methods import require_suited, rewritten, tell_hidden
from smidgen.methods.base import GradientMethod, Method, several, transformed
from smidgen.names import bare, require_kind, shown
from smidgen.progress import Report, training_bar
from smidgen.recipe import Recipe
from smidgen.run import Run, load_run
from smidgen.run_folder import (
    WEIGHTS,
    methods_in,
    open_folder,
    path_of,
    require_folder,
    require_readable,
)
from smidgen.runtime import Runtime, choose, tell_if_slow
from smidgen.spec import NetSpec
from smidgen.split_names import FULL
from smidgen.starts import STARTS, Turn, chosen, turn_of_chosen
from smidgen.teacher import with_teachers
from smidgen.tensors import Batch, Scalar
from smidgen.training import AT_EVERY_EPOCH, Pace, Training
from smidgen.trial import Trial

Observer = Callable[[Report], None]
_LOG = logging.getLogger(__name__)


def train(  # noqa: PLR0913 - the one door; all but two arguments by keyword
    spec: NetSpec,
    data: Data,
    *,
    methods: Iterable[Method] = (),
    recipe: Recipe | None = None,
    seed: int = 0,
    split: str = "full",
    runtime: Runtime | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    pace: Pace = AT_EVERY_EPOCH,
    observer: Observer | None = None,
    keep_pictures: bool = True,
) -> Run:
    """Train a net and return the model that would be deployed.

    Args:
        spec: Must fit the data: see :meth:`NetSpec.fitted`.
        data: All of it in memory.
        methods: In any order.
        recipe: The numbers of the run; ``Recipe()`` by default.
        seed: Of every random draw: initial weights, order of images, batch methods.
        split: ``full`` trains on all training images; ``selection`` or a fold such as
            ``fold-2-of-5`` holds some out and reports the accuracy on them after every epoch.
        runtime: Where to compute; the best of this machine by default.
        folder: Where to keep checkpoints and the result; nothing is written by default.
        resume: Go on from the last checkpoint in ``folder``, to the same bits as an
            uninterrupted run (on the CPU, with the same threads and precision).
        pace: How often to write a checkpoint and to judge the images held out; after every epoch
            by default.
        observer: Called after every step. Without one there is a bar in a notebook and on a
            terminal, and nothing elsewhere.
        keep_pictures: Whether the run keeps a hash of each picture and its side, by which
            :func:`smidgen.fine_tune` and others know them; all parts are read for it.

    Raises:
        ValueError: If an argument is of another kind, the spec does not fit the data or end in its
            only classifier, methods contradict each other, a teacher cannot teach this, ``folder``
            holds a run and ``resume`` is off, or holds another run, or one begun in another
            precision; or ``resume`` is on without it.
        TrainingDivergedError: If the loss is no longer finite; the last checkpoint stays.
    """
    require_kind(data, Data, "data", "as smidgen.data.load(NAME) returns")
    methods = several(methods)
    if runtime is not None:
        require_kind(runtime, Runtime, "a runtime", "as smidgen.runtime.choose('cpu') returns")
    require_kind(pace, Pace, "a pace", "as in Pace(save_every=60)")
    if not (observer is None or callable(observer)):
        raise ValueError(f"an observer must be a function of a Report, got {shown(observer)}")
    if split == FULL:  # where choices are made, nothing reads the test part, which is in it
        data = as_it_is(data)
    folder = None if folder is None else path_of(folder)
    if resume and folder is None:
        raise ValueError("resume goes on with the run in a folder: name it, as in folder='mine'")
    begun = methods_in(folder) if resume and folder else ()
    trial = Trial(
        net=spec,
        methods=with_teachers(methods, data, split, spec, begun),
        recipe=Recipe() if recipe is None else recipe,
        seed=seed,
        data=data.name,
        fingerprint=data.fingerprint,
        split=split,
    )
    _require_fit(spec, data)
    require_suited(methods, *spec.input_shape[1:])
    if trial.recipe.share < 1:  # before a folder says that the run has begun
        learned(data, split, trial.recipe.share, trial.seed)
    rewritten(spec, methods)  # what changes nothing is told here, and once
    tell_hidden(methods, *spec.input_shape[1:])
    runtime = runtime or choose()
    if runtime.device == "cpu":
        tell_if_slow()
        _require_memory(spec, min(trial.recipe.batch_size, len(data.train)), runtime)
    if folder is None:
        if not trial.nameless:  # the arguments of others are theirs to check
            require_readable(trial)
        saver = _Saver(None, pace)
        return _trained(trial, data, runtime, saver, observer, keep_pictures=keep_pictures)
    require_folder(folder, trial, data.preprocessing, resume=resume)
    with locked(folder):
        open_folder(folder, trial, data, resume=resume)  # another run may have begun in it
        if resume and (done := _finished(folder)) is not None:
            _tell_other_precision(folder, done, runtime)
            return done
        clear_temporaries(folder)
        saver = _Saver(folder, pace)
        return _trained(
            trial, data, runtime, saver, observer, resume=resume, keep_pictures=keep_pictures
        )


def _finished(folder: Path) -> Run | None:
    """Return the run that a folder holds if it has ended, so that nothing is written again.

    Warns:
        UserWarning: If its weights are damaged, and a checkpoint is there.
    """
    if not (folder / WEIGHTS).exists():
        return None
    try:
        return load_run(folder)
    except CheckpointError as error:
        if not checkpoints(folder):
            raise
        warnings.warn(f"{error}; the last checkpoint makes them again", stacklevel=3)
        return None


def _tell_other_precision(folder: Path, done: Run, runtime: Runtime) -> None:
    """Warn of a precision that changes nothing any more; runs from before it was kept say none."""
    was = done.machine.get("precision", runtime.precision)
    if was != runtime.precision:
        warnings.warn(
            f"{folder} holds a run that has ended in {bare(was)}, and this is"
            f" {runtime.precision}: it stays as it is, another folder begins anew",
            stacklevel=3,
        )


class _Saver:
    """Writes the checkpoints of a run, not more often than asked for."""

    def __init__(self, folder: Path | None, pace: Pace) -> None:
        self.folder, self.pace, self._last = folder, pace, time.monotonic()

    def after_epoch(self, training: Training, folder: Path | None = None) -> None:
        """Write one, if there is a folder and the last one is old enough."""
        folder = folder or self.folder
        if folder is not None and time.monotonic() - self._last >= self.pace.save_every:
            training.save(folder)
            self._last = time.monotonic()


def _trained(
    trial: Trial,
    data: Data,
    runtime: Runtime,
    saver: _Saver,
    observer: Observer | None,
    *,
    resume: bool = False,
    keep_pictures: bool,
) -> Run:
    _LOG.info("trial %s: %s on %s, seed %d", trial.key, trial.net.name, trial.data, trial.seed)
    observer = observer or _bar(trial)
    with runtime.active():
        begin = partial(_begun, trial, data, runtime, saver.pace)
        if trial.recipe.starts > 1 and not (resume and saver.folder and checkpoints(saver.folder)):
            training = _chosen(trial.recipe, begin, saver, observer)
        else:
            training = begin(0, saver.folder if resume else None)
        turn = turn_of_chosen(trial.recipe)
        for _ in range(len(training.history), trial.recipe.epochs):
            _run_epoch(training, turn, observer)
            _LOG.debug("trial %s: %s", trial.key, training.history[-1])
            saver.after_epoch(training)
        run = training.finished(keep_pictures=keep_pictures)
    if saver.folder is not None:
        run.save(saver.folder)
        shutil.rmtree(saver.folder / STARTS, ignore_errors=True)
        _LOG.info("trial %s: kept in %s", trial.key, saver.folder)
    return run


def _begun(
    trial: Trial, data: Data, runtime: Runtime, pace: Pace, start: int, folder: Path | None
) -> Training:
    """Return a start, from the last checkpoint if there is one in ``folder``."""
    kept = folder if folder and checkpoints(folder) else None
    training = Training(trial, data, runtime, pace, begins=kept is None, start=start)
    if kept is not None:
        training.restore(kept)
    return training


def _chosen(
    recipe: Recipe, begin: Callable[[int, Path], Training], saver: _Saver, observer: Observer
) -> Training:
    """Return the best of several starts, its epochs told and kept."""

    def go_on(training: Training, turn: Turn, folder: Path) -> None:
        _run_epoch(training, turn, observer)
        saver.after_epoch(training, folder)

    with ExitStack() as stack:
        if saver.folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="smidgen-")))
        else:
            folder = saver.folder / STARTS
        training = chosen(recipe, folder, begin, go_on)
    turn, steps = turn_of_chosen(recipe), len(training.batches)
    for of in training.history:
        done = turn.done(len(training.history))
        observer(Report(of.epoch, steps, steps, torch.tensor(of.loss), of.lr, of, 0, done))
    if saver.folder is not None:
        training.save(saver.folder)
    return training


def _bar(trial: Trial) -> Observer:
    """Return what shows a run to whoever called :func:`train` and asked for nothing else."""
    bar = training_bar(trial.net.name, trial.recipe.epochs)
    if bar is None:
        return lambda report: None
    return bar.step


def _run_epoch(training: Training, turn: Turn, observer: Observer) -> None:
    training.model.train()
    epoch, epochs = len(training.history), training.trial.recipe.epochs
    started, steps = time.perf_counter(), len(training.batches)
    last = max(steps * epochs - 1, 1)
    loss = total = torch.zeros((), device=training.runtime.device)
    for step, batch in enumerate(training.batches.epoch(training.generator)):
        loss = _step(training, batch, progress=(epoch * steps + step) / last)
        total += loss
        ends = step + 1 == steps
        for tracker in training.trackers:  # each when the one it watches is done
            tracker.after_step()
            if ends:
                tracker.after_epoch((epoch + 1) / epochs)
        if not ends:
            done = turn.done(epoch + (step + 1) / steps)
            report = Report(epoch + 1, step + 1, steps, loss, training.lr, None, turn.start, done)
            observer(report)
    record = training.record_epoch(float(total) / steps, time.perf_counter() - started)
    told = None if turn.start else record
    done = turn.done(epoch + 1)
    observer(Report(epoch + 1, steps, steps, loss, training.lr, told, turn.start, done))


def _step(training: Training, batch: Batch, progress: float) -> Scalar:
    batch = training.weighed(batch)  # by their labels: what softens these has no say in it
    for method in training.batch_methods:
        batch = transformed(method, batch, progress, training.generator)
    training.set_lr(progress)
    training.flat.gradient.zero_()
    loss = training.backward(batch)
    training.optimizer.step()
    return loss


class Backprop(GradientMethod):
    """The gradient of the loss, as it is: what happens when no method asks otherwise."""

    def backward(self, loss_of: Callable[[], Scalar], model: nn.Module, flat: Flat) -> Scalar:
        loss = loss_of()
        loss.backward()
        return loss.detach()


def _require_fit(spec: NetSpec, data: Data) -> None:
    spec.require_classifier(f"net {spec.name}")
    expected = Shape(*data.shape)
    if spec.input_shape != expected or spec.out_shape != Shape(len(data.classes), 1, 1):
        raise ValueError(
            f"net {spec.name} takes {spec.input_shape} images of {spec.out_shape.channels} classes,"
            f" but {data.name} has {expected} of {len(data.classes)}:"
            " net.fitted(sm.layers.Shape(*data.shape), len(data.classes)) adapts it"
        )


def _require_memory(spec: NetSpec, images: int, runtime: Runtime) -> None:
    """Refuse maps of a batch, all of which the way back needs, that no memory here holds."""
    maps = sum(layer.out_shape(shape).elements for layer, shape in spec.walk())
    needed, free = images * maps * runtime.dtype.itemsize, memory()
    if needed > free:
        size = f"{spec.input_shape.height}x{spec.input_shape.width}"
        raise ValueError(
            f"net {spec.name} on images of {size} needs {needed / 1e9:,.1f} GB of memory or more"
            f" for {images} at a time, {free / 1e9:,.1f} GB are free: a smaller image_size or"
            " recipe.batch_size takes less"
        )
