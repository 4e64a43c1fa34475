"""The runs that a run learns from, teachers and earlier ones: found, checked and asked."""

import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from smidgen.again import known_of, same_place
from smidgen.data import Data, Preprocessing
from smidgen.data.decode import SAME_PARTS
from smidgen.data.known import keys_of
from smidgen.data.making import NO_TEST
from smidgen.data.parts import parts
from smidgen.data.remembered import place_of
from smidgen.escape import shell
from smidgen.hub import is_hub
from smidgen.kernels.chain import Inference
from smidgen.methods import built_of
from smidgen.methods.base import ArchitectureMethod, BatchMethod, Method, StartMethod, of_kind
from smidgen.methods.distill import Distill
from smidgen.methods.of_runs import placed, run_of
from smidgen.methods.pretrained import Pretrained
from smidgen.run import Run, digest, load_run
from smidgen.run_folder import path_of
from smidgen.spec import NetSpec
from smidgen.split_names import FULL, SELECTION
from smidgen.tensors import Batch


class UnreadError(ValueError):
    """A run to learn from that is not there, has not ended or is damaged."""


def with_teachers(
    methods: Iterable[Method],
    data: Data,
    split: str,
    net: NetSpec,
    begun: Iterable[Method] = (),
) -> tuple[Method, ...]:
    """Return methods with the digest and the absolute path of each run that they learn from.

    Args:
        methods: In any order.
        data: Of the run that is to learn.
        split: Likewise.
        net: Likewise, before architecture methods.
        begun: The methods of the run if it began before, which know digests of runs that are gone.

    Raises:
        ValueError: If a teacher or an earlier run is no finished run, was trained on images that
            are to be held out, or is another one than the digest says; if a teacher knows other
            classes or other pictures, or an earlier run is of other layers.

    Warns:
        UserWarning: If an earlier run saw the pictures at a size at which others are set aside, or
            the pictures have changed since, or it learned of a run that is not here any more, and
            some are held out.
    """
    methods = tuple(methods)
    found: list[Method] = []
    for method in methods:
        if isinstance(method, Distill | Pretrained):
            try:
                if isinstance(method, Distill):
                    run = _teacher(method, data, split)
                else:
                    run = _earlier(method, data, split, built_of(net, methods))
                _require_apart(method, run, data, split)
                _require_apart_before(method, run, data, split)
                known = digest(run)
            except UnreadError:
                if not (known := _digest_of(method, begun)):
                    raise
            method = replace(method, digest=known)
            method = placed(method, _absolute(run_of(method) or ""))
        found.append(method)
    return tuple(found)


def _absolute(place: str) -> str:
    return place if is_hub(place) else str(path_of(place).absolute())


def _digest_of(method: Distill | Pretrained, there: Iterable[Method]) -> str:
    """Return the digest that one of the methods has of the run that this one names; or nothing."""
    place = _absolute(run_of(method) or "")
    for one in there:
        if not (isinstance(one, Distill | Pretrained) and type(one) is type(method)):
            continue
        if run_of(one) == place and method.digest in ("", one.digest):
            return one.digest
    return ""


def _teacher(method: Distill, data: Data, split: str) -> Run:
    """Return the run that teaches.

    Raises:
        ValueError: As of :func:`with_teachers`.
    """
    run = _read(method)
    where = f"distill teacher {method.teacher}"
    if run.classes != data.classes:
        raise ValueError(
            f"{where} must know the classes of {data.name}, {_listed(data.classes)},"
            f" got {_listed(run.classes)}"
        )
    # runs from before it was kept say no length, on which nothing that is seen depends
    if replace(run.preprocessing, length=0) != replace(data.preprocessing, length=0):
        raise ValueError(
            f"{where} must see the pictures of {data.name}, {data.preprocessing.text},"
            f" got {run.preprocessing.text}"
        )
    _require(where, run, data, split, method.digest)
    return run


def _earlier(method: Pretrained, data: Data, split: str, spec: NetSpec) -> Run:
    """Return the run whose weights are begun with, for a net that will be built.

    Raises:
        ValueError: As of :func:`with_teachers`.
    """
    run = _read(method)
    where = f"pretrained run {method.run}"
    if _body(spec, data.preprocessing) != _body(run.trial.spec, run.preprocessing):
        changing = [one.name for one in of_kind(run.trial.methods, ArchitectureMethod)]
        raise ValueError(
            f"{where} must have the layers of {spec.name} and its methods, but for the classifier,"
            " for as many channels, and rows and columns as here; it is"
            f" {run.trial.net.name} with {', '.join(changing) or 'no method that changes layers'},"
            f" for {run.trial.spec.input_shape.channels} channels:"
            f" {_going_on(method.run, data)} takes its net and methods"
        )
    _require(where, run, data, split, method.digest)
    return run


def _going_on(place: str, data: Data) -> str:
    """Return the command that goes on with a run on data, as both are known here."""
    there = place_of(data.origin) or data.name
    return f"`{shell(['smidgen', 'train', '--from', place, '--data', there])}`"


def _body(spec: NetSpec, preprocessing: Preprocessing) -> tuple[object, ...]:
    """Return all that must be the same for weights to mean the same: the classifier need not be."""
    return spec.input_shape.channels, spec.layers[:-1], preprocessing.turned


def _read(method: Distill | Pretrained) -> Run:
    what, place = _called(method), run_of(method)
    if not place:
        raise UnreadError(f"{what} must be the folder of a run, got none")
    try:
        return load_run(place)
    except ValueError as error:
        raise UnreadError(f"{what}: {error}") from error


def _called(method: Distill | Pretrained) -> str:
    return "distill teacher" if isinstance(method, Distill) else "pretrained run"


def _require(where: str, run: Run, data: Data, split: str, known: str) -> None:
    """Refuse a run that has learned what is to be held out, or is another one than was named."""
    same = run.trial.fingerprint == data.fingerprint
    # the same pictures in another size are other data, and as many are held out of those
    there = bool(data.origin) and same_place(run, data.origin)
    if same and split != run.trial.split and _holds_out(data, split):
        raise ValueError(
            f"{where} must be of the split {split}, got {run.trial.split}: it has learned images"
            " that are to be held out"
        )
    if there and not same and _set_aside_anew(run, data):
        warnings.warn(
            f"{where} saw these pictures at another size, and beyond {SAME_PARTS} pixels a side"
            " others may be set aside: it may have learned some of those that judge here",
            stacklevel=2,
        )
    if known and known != digest(run):
        raise ValueError(f"{where} must have the digest {known}, got {digest(run)}")


def _require_apart_before(method: Distill | Pretrained, run: Run, data: Data, split: str) -> None:
    """Refuse a run that has learned of one which has learned what is to be held out here.

    Warns:
        UserWarning: If one of those is gone or another one by now, so that nothing tells.
    """
    if not _holds_out(data, split):
        return
    waiting, seen = [run], {digest(run)}
    while waiting:
        for earlier in waiting.pop().trial.methods:
            if not isinstance(earlier, Distill | Pretrained) or earlier.digest in seen:
                continue
            seen.add(earlier.digest)
            where = f"{_called(method)} {run_of(method)}"
            before = None
            if not is_hub(run_of(earlier) or ""):  # a stranger's plan has nothing fetched
                with suppress(UnreadError):
                    before = _read(earlier)
            if before is None or digest(before) != earlier.digest:
                warnings.warn(
                    f"{where} has learned of {run_of(earlier)}, which is not here as it was: it"
                    " may have learned images that are held out now",
                    stacklevel=3,
                )
                continue
            _require(f"{where}, by its {_called(earlier)}", before, data, split, "")
            _require_apart(earlier, before, data, split)
            waiting.append(before)


def _holds_out(data: Data, split: str) -> bool:
    """Whether a split judges on images that others train on, as a validation part is not."""
    return split != FULL and not (split == SELECTION and data.validation is not None)


def _require_apart(method: Distill | Pretrained, run: Run, data: Data, split: str) -> None:
    """Refuse a run that has learned, of other data or some at another size, what is held out here.

    Pictures are known by their pixels, wherever they lie and whatever they are called.

    Warns:
        UserWarning: If nothing tells what it has learned.
    """
    same = run.trial.fingerprint == data.fingerprint
    images = parts(data, split)[1]
    if same or images is None or _is_told(run, data):
        return
    where, place = f"{_called(method)} {run_of(method)}", run_of(method) or ""
    if not _holds_out(data, split):  # a validation part: what is at hand tells
        known = run.known if run.preprocessing == data.preprocessing else None
    elif (known := known_of(run, place, data.preprocessing)) is None:
        warnings.warn(
            f"{where} was trained on what was in {run.trial.data} before, which is not there any"
            " more: it may have learned some of the images that are held out now",
            stacklevel=3,
        )
    learned = frozenset[int]() if known is None else known.learned
    both = sum(key in learned for key in keys_of(images).tolist())
    if both:
        raise ValueError(
            f"{where} has learned {both:,} of the {len(images):,} images that are to be held out:"
            f" {_going_on(place, data)} holds out what it has not learned, --full nothing"
        )


def _is_told(run: Run, data: Data) -> bool:
    """Whether :func:`_require` has told that others may judge here."""
    return bool(data.origin) and same_place(run, data.origin) and _set_aside_anew(run, data)


def _set_aside_anew(run: Run, data: Data) -> bool:
    """Whether the test part was set aside here, and may be another one at the size of the run."""
    sizes = (run.preprocessing.size, data.preprocessing.size)
    apart = sizes[0] != sizes[1] and max(map(max, sizes)) > SAME_PARTS
    return apart and any(note.startswith(NO_TEST) for note in data.notes)


def _listed(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:3])
    return f"{shown}, ... ({len(classes)})" if len(classes) > 3 else shown  # noqa: PLR2004


@dataclass(frozen=True, slots=True, eq=False)
class Lesson(BatchMethod):
    """Distillation with its teacher at hand.

    Args:
        method: What is done with the answers.
        answers: Gives the logits of images.
        scale: From images as the run has them to those that the teacher was trained on.
        shift: Likewise.
    """

    method: Distill
    answers: Callable[[Tensor], Tensor]
    scale: Tensor
    shift: Tensor

    name: ClassVar[str] = "distill"

    @torch.no_grad()
    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress, generator
        seen = torch.addcmul(self.shift, batch.images.float(), self.scale)
        # in the data type of the run: a teacher in float32 takes longer than the whole step
        return self.method.taught(batch, self.answers(seen.to(batch.images.dtype)))


@dataclass(frozen=True, slots=True, eq=False)
class Begun(StartMethod):
    """A start with the run at hand whose weights are begun with.

    Args:
        run: As loaded.
        classes: Of the run that is to learn.
    """

    run: Run
    classes: tuple[str, ...]

    name: ClassVar[str] = "pretrained"

    @torch.no_grad()
    def start(self, model: nn.Module) -> None:
        own, its = model.state_dict(), self.run.model.state_dict()
        classifier = f"{len(self.run.trial.spec.layers) - 1}."
        fits = self.run.classes == self.classes
        for name, tensor in own.items():
            if name.startswith(classifier):
                kept = its.get(name)  # none of a bias that its classifier has not
                if not fits or kept is None or kept.shape != tensor.shape:
                    continue
            tensor.copy_(its[name])


def started(method: StartMethod, data: Data, split: str, spec: NetSpec) -> StartMethod:
    """Return the method that sets the first weights; if it takes a run's, with that at hand.

    Args:
        method: Of the run that begins.
        data: Likewise.
        split: Likewise.
        spec: That is built.
    """
    if isinstance(method, Pretrained):
        return Begun(_earlier(method, data, split, spec), data.classes)
    return method


def lessons(
    methods: Iterable[BatchMethod],
    data: Data,
    split: str,
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    device: str,
) -> tuple[BatchMethod, ...]:
    """Return methods as a run applies them: those that have a teacher with it, and last.

    Args:
        methods: In order.
        data: Of the run.
        split: Of the run.
        statistics: Mean and standard deviation, a channel each, that the run's images have lost.
        device: Of the run.
    """
    # other packages' methods come after all of ours, and a teacher sees what they leave
    methods = sorted(methods, key=lambda method: isinstance(method, Distill))
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
    return Lesson(method, Inference(model), *(each.float().to(device) for each in (scale, shift)))
