"""The state of a run in progress: what a checkpoint holds, and what a step needs."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from math import ceil, isfinite
from numbers import Real
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smidgen.adamw import AdamW
from smidgen.checkpoint import CheckpointError, Room, load_newest, save_checkpoint
from smidgen.data import Batches, Data, Split, channel_statistics
from smidgen.data.known import Known
from smidgen.data.parts import parts
from smidgen.data.shares import share_of
from smidgen.data.splits import mislabelled
from smidgen.evaluate.accuracy import accuracy, predict
from smidgen.flat import Flat
from smidgen.kernels.chain import Chain, serves
from smidgen.kernels.graph import GraphedLoss
from smidgen.kernels.links import links_of
from smidgen.methods import in_order
from smidgen.methods.base import (
    BatchMethod,
    GradientMethod,
    ScheduleMethod,
    StartMethod,
    WeightMethod,
    WeightTracker,
    at_most_one,
    described,
    of_kind,
    returned,
    transformed,
)
from smidgen.methods.upright import upright
from smidgen.names import bare, said_by, shown
from smidgen.recipe import Recipe
from smidgen.run import EpochRecord, Run, record_of
from smidgen.runtime import Runtime, versions
from smidgen.soap import SOAP
from smidgen.teacher import lessons, started
from smidgen.tensors import Batch, Images, Labels, Scalar
from smidgen.trial import Trial

_APART = 0x9E3779B97F4A7C15  # of two starts' seeds: nobody takes 0 and this
_GLANCE = 4  # batches that give averaged weights the statistics they are judged with meanwhile


class TrainingDivergedError(FloatingPointError):
    """The loss or the weights are no longer finite."""


class PrecisionError(ValueError):
    """A run that was begun in another precision than it is to go on in.

    Args:
        message: What is told.
        begun: The precision that it was begun in.
    """

    def __init__(self, message: str, begun: str) -> None:
        super().__init__(message)
        self.begun = begun

    def __reduce__(self) -> tuple[type["PrecisionError"], tuple[str, str]]:
        """Come back whole from another process: an exception alone is made of its message."""
        return type(self), (str(self), self.begun)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a run stops to save and to look.

    Args:
        save_every: Least seconds between two checkpoints; 0 writes one after every epoch.
        looks: How many images may be looked at for the accuracies of the epochs, as a share of
            those trained on, > 0; the other epochs have none. The last one always has, and by
            ``None`` all have.

    Raises:
        ValueError: If one of them is out of its range, or no number.
    """

    save_every: float = 0.0
    looks: float | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.save_every, int | float) and self.save_every >= 0):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"save_every must be seconds >= 0, got {shown(self.save_every)}")
        if not (self.looks is None or (isinstance(self.looks, int | float) and self.looks > 0)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"looks must be a share of images > 0, got {shown(self.looks)}")


AT_EVERY_EPOCH = Pace()


class Training:
    """A run in progress: all that a checkpoint holds, and what it was made from."""

    def __init__(
        self,
        trial: Trial,
        data: Data,
        runtime: Runtime,
        pace: Pace = AT_EVERY_EPOCH,
        *,
        begins: bool = True,
        start: int = 0,
    ) -> None:
        """Prepare the first step, or :meth:`restore`, which needs no weights to begin with.

        Args:
            trial: What is trained.
            data: On what.
            runtime: Where.
            pace: How often it stops to save and to look.
            begins: Whether it does not go on from a checkpoint.
            start: Which of the weights that the seed stands for it begins with.

        Raises:
            ValueError: As of :func:`smidgen.train.train`.
        """
        self.trial, self.runtime, self.data = trial, runtime, data
        methods = in_order(trial.methods)
        self.schedule = at_most_one(methods, ScheduleMethod)
        self.gradient = at_most_one(methods, GradientMethod)
        self.weight_methods = of_kind(methods, WeightMethod)

        images, self.held_out = parts(data, trial.split)
        length = len(images)  # of an epoch, whatever share of them is learned from
        self._look_every = 1  # epochs
        if pace.looks is not None and self.held_out is not None:
            seen = len(self.held_out)
            if self.weight_methods:
                seen += _GLANCE * min(trial.recipe.batch_size, length)
            self._look_every = max(ceil(seen / (pace.looks * length)), 1)
        images = _learned(images, trial, len(data.classes))
        self.mean, self.std = channel_statistics(images.images)
        self.batch_methods = lessons(
            upright(of_kind(methods, BatchMethod), turned=data.preprocessing.turned),
            data,
            trial.split,
            (self.mean, self.std),
            runtime.device,
        )
        self.batches = Batches(
            images,
            batch_size=trial.recipe.batch_size,
            classes=len(data.classes),
            mean=self.mean,
            std=self.std,
            device=torch.device(runtime.device),
            dtype=runtime.dtype,
            length=length,
        )

        self._weights: Tensor | None = None
        if trial.recipe.balance:
            self._weights = class_weights(images.labels, len(data.classes)).to(runtime.device)

        drawn = (trial.seed + start * _APART) % 2**63
        self.model = trial.spec.build(drawn).to(runtime.device)
        first = at_most_one(methods, StartMethod)
        if begins and first is not None:
            started(first, data, trial.split, trial.spec).start(self.model)
        self.flat = Flat(self.model)
        self.optimizer = _optimizer(self.flat, trial.recipe)
        self.trackers: list[WeightTracker] = []
        watched = self.flat.weights
        for method in self.weight_methods:  # each averages what the one before it chose
            tracker = returned(method, "follow", method.follow(watched), WeightTracker)
            self.trackers.append(tracker)
            watched = tracker.average
        self._links = links_of(self.model) if runtime.device == "cpu" else None
        self._chain: Chain | None = None
        self._graphed: GraphedLoss | None = None
        self.generator = torch.Generator().manual_seed(trial.seed)
        self.history: list[EpochRecord] = []
        self._chosen: dict[str, Tensor] | None = None

    def weighed(self, batch: Batch) -> Batch:
        """Return ``batch``, labels as they are, with the weights that the recipe gives them."""
        if self._weights is None:
            return batch
        return replace(batch, targets=batch.targets * self._weights)

    def loss_of(self, batch: Batch) -> Scalar:
        """Return the loss of the model on ``batch``, ready for its backward pass."""
        images, targets = batch.images, batch.targets
        if self.runtime.device == "cuda":
            if self._graphed is None or not self._graphed.fits(images):
                self._graphed = GraphedLoss(self.model, images, targets)
            return self._graphed.loss(images, targets)
        chain = self._chain_for(images)
        if chain is None:
            return F.cross_entropy(self.model(images).float(), targets)
        return chain.loss(images, targets)

    def backward(self, batch: Batch) -> Scalar:
        """Return the loss on ``batch``, the gradient that the run's method makes of it added."""
        if self.gradient is None:
            return self.descend(batch)
        loss = self.gradient.backward(lambda: self.loss_of(batch), self.model, self.flat)
        return returned(self.gradient, "backward", loss, Tensor)

    def descend(self, batch: Batch) -> Scalar:
        """Return the loss on ``batch`` with its gradient added to the parameters'."""
        chain = self._chain_for(batch.images)
        if chain is not None:
            return chain.backprop(batch.images, batch.targets)
        loss = self.loss_of(batch)
        loss.backward()
        return loss.detach()

    def _chain_for(self, images: Images) -> Chain | None:
        if self._chain is not None and self._chain.fits(images):
            return self._chain
        if self._links is None or not serves(self._links, images):
            return None
        self._chain = Chain(self._links, images.shape, images.dtype, self.flat.gradient)
        return self._chain

    def set_lr(self, progress: float) -> None:
        """Set the learning rate of the step at ``progress``."""
        factor = 1.0
        if self.schedule:
            factor = _factor_of(self.schedule, self.schedule.lr_factor(progress))
        for method in self.weight_methods:
            factor = _factor_of(method, method.lr_factor(progress, factor))
        for group in self.optimizer.param_groups:
            group["lr"] = self.trial.recipe.peak_lr * factor

    @property
    def lr(self) -> float:
        """Learning rate of the last step."""
        return self.optimizer.param_groups[0]["lr"]

    def record_epoch(self, loss: float, seconds: float) -> EpochRecord:
        """Close an epoch of mean ``loss`` that took ``seconds``.

        Raises:
            TrainingDivergedError: If the loss, a weight or a running statistic is no longer finite.
        """
        epoch = len(self.history)
        if not (isfinite(loss) and self._is_finite()):
            half = self.runtime.precision == "bfloat16"
            raise TrainingDivergedError(
                f"training diverged in epoch {epoch + 1} (loss {loss:g},"
                f" precision {self.runtime.precision});"
                f" a smaller peak_lr than {self.trial.recipe.peak_lr:g} may help"
                f"{', or precision float32' if half else ''}"
            )
        share = None
        left = self.trial.recipe.epochs - epoch - 1
        if self.held_out is not None and left % self._look_every == 0:
            share = self._accuracy_on(self.held_out, ends=left == 0)
        before = self.history[-1].seconds if self.history else 0.0
        images = len(self.batches) * self.batches.batch_size
        record = EpochRecord(epoch + 1, loss, self.lr, share, images / seconds, before + seconds)
        self.history.append(record)
        return record

    def _is_finite(self) -> bool:
        """Whether weights and running statistics are numbers: others are refused when read."""
        running = [b for b in self.model.buffers() if b.is_floating_point()]
        return all(bool(tensor.isfinite().all()) for tensor in (self.flat.weights, *running))

    @torch.no_grad()
    def _accuracy_on(self, images: Split, *, ends: bool) -> float:
        """Return the share of ``images`` that the weights to keep get right, were this the end."""
        live = (self.flat.weights, *self.model.buffers()) if self.trackers else ()
        before = [tensor.clone() for tensor in live]
        self._choose(whole=ends)
        if ends:
            self._chosen = {name: t.clone() for name, t in self.model.state_dict().items()}
        logits = predict(self.model, images.images, self.mean, self.std)
        for tensor, own in zip(live, before, strict=True):
            tensor.copy_(own)
        return accuracy(logits, images.labels)

    def save(self, folder: Path) -> None:
        """Write a checkpoint from which :meth:`restore` goes on to the same bits."""
        values = {
            "key": self.trial.key,
            "precision": self.runtime.precision,
            "history": [asdict(record) for record in self.history],
        }
        save_checkpoint(folder, len(self.history), self._tensors(), values)

    def _tensors(self) -> dict[str, Tensor]:
        """Return all that a checkpoint holds of the run as it is now."""
        tensors = {f"buffer.{name}": buffer for name, buffer in self.model.named_buffers()}
        tensors |= {"weights": self.flat.weights, "generator": self.generator.get_state()}
        for place, tracker in enumerate(self.trackers):
            tensors |= {f"tracker.{place}.{name}": t for name, t in tracker.state().items()}
        for place, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{place}.{name}": t for name, t in state.items()}
        return tensors

    def _room(self) -> Room:
        """Return what a checkpoint of the run takes; SGD remembers weights from its first step."""
        momenta = [own for group in self.optimizer.param_groups for own in group["params"]]
        return Room.of([*self._tensors().values(), *momenta], self.trial.recipe.epochs)

    def restore(self, folder: Path) -> None:
        """Go on from the newest sound checkpoint in ``folder``, if it holds any.

        Raises:
            PrecisionError: If it was begun in another precision.
            CheckpointError: If none is sound, or it is that of another run.
        """
        found = load_newest(folder, self._room())
        if found is None:
            return
        tensors, values, refused = found
        for reason in refused:
            warnings.warn(f"{reason}; the checkpoint before it is used", stacklevel=2)
        began, here = values.get("precision"), self.runtime.precision
        if began not in (None, here):  # None: from before it was kept
            raise PrecisionError(
                f"{folder} holds a run begun in {bare(began)}, and this is {here}: precision"
                f" {bare(began)} goes on with it, another folder begins anew",
                str(began),
            )
        try:
            self._restore(tensors, values)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{folder} holds a checkpoint of another run or version: {said_by(error)}"
            ) from error

    def _restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        if values["key"] != self.trial.key:
            raise ValueError(f"it is of trial {values['key']}, and this is {self.trial.key}")
        weights, own = {"weights": self.flat.weights}, dict(self.model.named_buffers())
        _require_alike("all", weights, {"weights": tensors["weights"]})
        _require_alike("batch-norm", own, buffers := _under("buffer.", tensors))
        with torch.no_grad():
            self.flat.weights.copy_(tensors["weights"])
            for name, buffer in own.items():
                buffer.copy_(buffers[name])
        self.generator.set_state(tensors["generator"])
        for place, tracker in enumerate(self.trackers):
            found = _under(f"tracker.{place}.", tensors)
            _require_alike(self.weight_methods[place].name, tracker.state(), found)
            tracker.load(found)
        state = self.optimizer.state_dict()
        state["state"] = {
            place: self._moments(group, _under(f"optimizer.{place}.", tensors))
            for place, group in enumerate(self.optimizer.param_groups)
        }
        self.optimizer.load_state_dict(state)
        self.history = [record_of(record) for record in values["history"]]

    def _moments(self, group: dict[str, Any], found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what an optimizer remembers of a group, held against its weights."""
        weights = group["params"][0]
        own = dict(self.optimizer.state.get(weights, {}))
        if not own and self.trial.recipe.momentum:  # SGD, before its first step
            own = {"momentum_buffer": weights}
        _require_alike(self.trial.recipe.optimizer, own, found)
        return found

    def finished(self, *, keep_pictures: bool = True) -> Run:
        """Return the run, with the weights that the weight methods chose.

        Args:
            keep_pictures: Whether it knows its pictures, those of the test part, too.
        """
        if self._chosen is None:
            self._choose(whole=True)
        model = self.trial.spec.build()
        model.load_state_dict(self._chosen or self.model.state_dict())
        return Run(
            trial=self.trial,
            model=model.eval(),
            mean=self.mean,
            std=self.std,
            classes=self.data.classes,
            history=tuple(self.history),
            machine=dict(self.runtime.describe()),
            versions={**versions(), **_packages(self.trial)},
            preprocessing=self.data.preprocessing,
            origin=self.data.origin or self.data.name,
            known=self._known() if keep_pictures else None,
        )

    def _known(self) -> Known:
        trial = self.trial
        return Known.of(self.data, trial.split, trial.recipe.share, trial.seed)

    @torch.no_grad()
    def _choose(self, *, whole: bool) -> None:
        """Give the model the weights that the weight methods chose, with statistics of their own.

        The statistics are averaged over all training images, or over a few batches where ``whole``
        is off. The images are augmented as at the end of training: on CIFAR-10 with cutout,
        statistics of plain images cost 0.4 points of held-out accuracy (docs/log.md).
        """
        if not self.trackers:
            return
        self.flat.weights.copy_(self.trackers[-1].average)
        generator = torch.Generator().set_state(self.generator.get_state())
        batches, dtype = (None, torch.float32) if whole else (_GLANCE, self.runtime.dtype)
        norms = [m for m in self.model.modules() if isinstance(m, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        self.model.train()
        for count, batch in enumerate(islice(self.batches.epoch(generator), batches), 1):
            for norm in norms:
                norm.momentum = 1 / count  # the mean of all batches so far
            for method in self.batch_methods:
                batch = transformed(method, batch, 1.0, generator)
            images = batch.images.to(dtype)
            chain = self._chain_for(images)
            if chain is None:
                self.model(images)
            else:
                chain.run_forward(images, batch.targets)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _learned(images: Split, trial: Trial, classes: int) -> Split:
    """Return what a run learns of the images that its split trains on, as it sees them labelled."""
    recipe = trial.recipe
    images = share_of(images, recipe.share, trial.seed)
    if not recipe.label_noise:
        return images
    return mislabelled(images, classes, recipe.label_noise, trial.seed)


def _factor_of(method: ScheduleMethod | WeightMethod, factor: object) -> float:
    return float(returned(method, "lr_factor", factor, Real))  # NumPy's numbers, too


def _packages(trial: Trial) -> dict[str, str]:
    """Return the versions of the packages that methods come from."""
    return dict(package.split(" ", 1) for _, package in trial.packages)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _require_alike(whose: str, own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Refuse tensors of a checkpoint of other names, shapes or types than there are here.

    A copy would spread one number over a thousand without a word.

    Raises:
        ValueError: Naming the first of them.
    """
    for name in sorted({*own, *found}):
        here, there = (described(of[name]) if name in of else "none" for of in (own, found))
        if here != there:
            raise ValueError(f"{whose} {name} must be {here}, got {there}")


def class_weights(labels: Labels, classes: int) -> Tensor:
    """Return what an image of each class counts, so that all classes count alike; mean 1."""
    counts = torch.bincount(labels.cpu(), minlength=classes)
    return len(labels) / (int((counts > 0).sum()) * counts.clamp(min=1).float())


def _optimizer(flat: Flat, recipe: Recipe) -> torch.optim.Optimizer:
    kernels, rest = slice(None, flat.decayed), slice(flat.decayed, None)
    groups = [_group(flat, kernels, recipe.weight_decay), _group(flat, rest, 0.0)]
    if recipe.optimizer == "soap":
        each = [{"params": [k], "weight_decay": recipe.weight_decay} for k in flat.kernels]
        return SOAP([*each, groups[1]], lr=recipe.peak_lr, betas=(recipe.momentum, 0.95))
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return torch.optim.SGD(
            groups, lr=recipe.peak_lr, momentum=recipe.momentum, nesterov=nesterov, fused=True
        )
    return AdamW(groups, lr=recipe.peak_lr, betas=(recipe.momentum, 0.999))


def _group(flat: Flat, part: slice, decay: float) -> dict[str, Any]:
    weights = nn.Parameter(flat.weights[part])
    weights.grad = flat.gradient[part]
    return {"params": [weights], "weight_decay": decay}
