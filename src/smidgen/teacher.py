"""The teachers of a distilled run: found, checked and asked."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from smidgen.checkpoint import CheckpointError
from smidgen.data import Data
from smidgen.hub import is_hub
from smidgen.methods.base import BatchMethod, Method
from smidgen.methods.distill import Distill
from smidgen.run import Run, load_run
from smidgen.split_names import FULL, SELECTION
from smidgen.tensors import Batch

_DIGITS = 16


def with_teachers(methods: Iterable[Method], data: Data, split: str) -> tuple[Method, ...]:
    """Return methods with the digest and the absolute path of each teacher, which may teach this.

    Args:
        methods: In any order.
        data: Of the run that is to learn.
        split: Likewise.

    Raises:
        ValueError: If a teacher is no finished run, knows other classes or other pictures, was
            trained on images that are to be held out, or is another one than the digest says.
    """
    return tuple(
        replace(
            method,
            teacher=_absolute(method.teacher),
            digest=digest(_teacher(method, data, split)),
        )
        if isinstance(method, Distill)
        else method
        for method in methods
    )


def _absolute(place: str) -> str:
    return place if is_hub(place) else str(Path(place).absolute())


def digest(run: Run) -> str:
    """Return a hash of all that decides what a run answers to an image."""
    found = hashlib.sha256(repr((run.trial.spec.to_dict(), run.mean, run.std)).encode())
    for name, tensor in sorted(run.model.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:_DIGITS]


def _teacher(method: Distill, data: Data, split: str) -> Run:
    """Return the run that teaches.

    Raises:
        ValueError: As of :func:`with_teachers`.
    """
    if not method.teacher:
        raise ValueError("distill teacher must be the folder of a run, got none")
    try:
        run = load_run(method.teacher)
    except CheckpointError as error:
        raise CheckpointError(f"distill teacher: {error}") from error
    except ValueError as error:
        raise ValueError(f"distill teacher: {error}") from error
    where = f"distill teacher {method.teacher}"
    if run.classes != data.classes:
        raise ValueError(
            f"{where} must know the classes of {data.name}, {_listed(data.classes)},"
            f" got {_listed(run.classes)}"
        )
    if run.preprocessing != data.preprocessing:
        raise ValueError(
            f"{where} must see the pictures of {data.name}, {data.preprocessing.text},"
            f" got {run.preprocessing.text}"
        )
    same = run.trial.fingerprint == data.fingerprint
    aside = split == SELECTION and data.validation is not None  # nothing is trained on those
    if same and split not in (FULL, run.trial.split) and not aside:
        raise ValueError(
            f"{where} must be of the split {split}, got {run.trial.split}: it has learned images"
            " that are to be held out"
        )
    if method.digest and method.digest != digest(run):
        raise ValueError(f"{where} must have the digest {method.digest}, got {digest(run)}")
    return run


def _listed(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:3])
    return f"{shown}, ... ({len(classes)})" if len(classes) > 3 else shown  # noqa: PLR2004


@dataclass(frozen=True, slots=True, eq=False)
class Lesson(BatchMethod):
    """Distillation with its teacher at hand.

    Args:
        method: What is done with the answers.
        model: That answers, in evaluation mode.
        scale: From images as the run has them to those that the teacher was trained on.
        shift: Likewise.
    """

    method: Distill
    model: nn.Module
    scale: Tensor
    shift: Tensor

    name: ClassVar[str] = "distill"

    @torch.no_grad()
    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress, generator
        seen = torch.addcmul(self.shift, batch.images.float(), self.scale)
        # in the data type of the run: a teacher in float32 takes longer than the whole step
        return self.method.taught(batch, self.model(seen.to(batch.images.dtype)))


def lessons(
    methods: Iterable[BatchMethod],
    data: Data,
    split: str,
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    device: str,
) -> tuple[BatchMethod, ...]:
    """Return methods as a run applies them, those that have a teacher with it.

    Args:
        methods: In order.
        data: Of the run.
        split: Of the run.
        statistics: Mean and standard deviation, a channel each, that the run's images have lost.
        device: Of the run.
    """
    return tuple(
        _lesson(method, _teacher(method, data, split), statistics, device)
        if isinstance(method, Distill)
        else method
        for method in methods
    )


def _lesson(
    method: Distill,
    run: Run,
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    device: str,
) -> Lesson:
    mean, std, its_mean, its_std = (
        torch.tensor(numbers, dtype=torch.float64).view(1, -1, 1, 1)
        for numbers in (*statistics, run.mean, run.std)
    )
    scale, shift = std / its_std, (mean - its_mean) / its_std
    model = run.model.to(device).eval().requires_grad_(False)
    return Lesson(method, model, *(each.float().to(device) for each in (scale, shift)))
