"""The six places where a method may act, and nothing else.

A method is a frozen dataclass of hyperparameters that extends exactly one of these kinds.
The training loop calls the kinds in the order they are written below.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import is_dataclass
from numbers import Real
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from smidgen.flat import Flat
from smidgen.names import require_kind, shown
from smidgen.spec import NetSpec
from smidgen.tensors import Batch, Scalar


class Method(ABC):
    """Something that makes a net better, smaller or faster to train."""

    __slots__ = ()
    name: ClassVar[str]  # in the text form


class ArchitectureMethod(Method):
    """Rewrites the spec, before the model is built."""

    __slots__ = ()
    target: ClassVar[str]  # the layers it looks for, named where a net has none of them

    @abstractmethod
    def rewrite(self, spec: NetSpec) -> NetSpec:
        """Return the spec to build instead of ``spec``."""


class StartMethod(Method):
    """Sets the weights that training begins with. At most one per run."""

    __slots__ = ()

    @abstractmethod
    def start(self, model: nn.Module) -> None:
        """Change weights and statistics of ``model`` in place; they were drawn by the seed.

        Args:
            model: On its device, before the first step.
        """


class BatchMethod(Method):
    """Changes images and targets together, on their device, once per step.

    ``generator`` lives on the CPU, so that one seed gives the same batches everywhere. Any torch
    will do; common changes of pixels are compiled in :mod:`smidgen.kernels.batch`.
    """

    __slots__ = ()

    @abstractmethod
    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        """Return the batch to train on, leaving ``batch`` as it is.

        Args:
            batch: Normalised images, so that 0 is the mean pixel, and their targets.
            progress: Fraction of training done, in [0, 1]: 0 at the first step, 1 at the last.
            generator: The source of every random draw.
        """


class ScheduleMethod(Method):
    """Sets the learning rate. At most one per run."""

    __slots__ = ()

    @abstractmethod
    def lr_factor(self, progress: float) -> float:
        """Return the multiple of the peak learning rate at ``progress`` in [0, 1]."""


class GradientMethod(Method):
    """Computes the gradients the optimizer will use. At most one per run."""

    __slots__ = ()

    @abstractmethod
    def backward(self, loss_of: Callable[[], Scalar], model: nn.Module, flat: Flat) -> Scalar:
        """Leave gradients in ``flat.gradient`` and return the loss at the current weights.

        Args:
            loss_of: Runs the model on the step's batch, the same one at every call. Of its loss
                ``backward()`` may be called, once and before the next call, and nothing else
                differentiated.
            model: Whose batch-norm statistics one call of ``loss_of`` in training mode updates.
            flat: All parameters of ``model``; the gradient is zero on entry.
        """


class WeightMethod(Method):
    """Chooses the weights to keep, from those that training passes through."""

    __slots__ = ()

    @abstractmethod
    def follow(self, weights: Float[Tensor, " p"]) -> "WeightTracker":
        """Return a tracker that watches ``weights``, the live vector of all parameters."""

    @abstractmethod
    def lr_factor(self, progress: float, scheduled: float) -> float:
        """Return the multiple of the peak learning rate to use instead of ``scheduled``."""


class WeightTracker(ABC):
    """The memory of one weight method during one run.

    It may set the live weights to those that it chose, which the optimizer then goes on from; it
    does nothing else to them.
    """

    @abstractmethod
    def after_step(self) -> None:
        """Look at the weights after an optimizer step."""

    @abstractmethod
    def after_epoch(self, progress: float) -> None:
        """Look at the weights at the end of an epoch, at ``progress`` in (0, 1]."""

    @property
    @abstractmethod
    def average(self) -> Float[Tensor, " p"]:
        """The weights chosen so far, live: the same tensor at every call."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return all that a resumed run needs, by name, to be saved in a checkpoint.

        Names, shapes and types are the same at every call.
        """

    @abstractmethod
    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned."""


KINDS = (
    *(ArchitectureMethod, StartMethod, BatchMethod),
    *(ScheduleMethod, GradientMethod, WeightMethod),
)

M = TypeVar("M", bound=Method)
T = TypeVar("T")


def returned(method: Method, of: str, value: object, kind: type[T]) -> T:
    """Return what a method returned, which may be another package's.

    Args:
        method: Whose it is.
        of: Which of its functions returned it.
        value: As it was returned.
        kind: That it must be of.

    Raises:
        ValueError: If it is of another kind, naming method and kind.
    """
    if not isinstance(value, kind):
        name = "number" if kind is Real else kind.__name__
        raise ValueError(f"{of} of method {method.name} must return a {name}, got {shown(value)}")
    return value


def transformed(
    method: BatchMethod, batch: Batch, progress: float, generator: torch.Generator
) -> Batch:
    """Return what a method makes of a batch; see :meth:`BatchMethod.transform`.

    Raises:
        ValueError: If that is no batch, or one of other shapes or types.
    """
    new = returned(method, "transform", method.transform(batch, progress, generator), Batch)
    for what in ("images", "targets"):
        was, now = getattr(batch, what), returned(method, "transform", getattr(new, what), Tensor)
        if (now.shape, now.dtype) != (was.shape, was.dtype):
            raise ValueError(
                f"transform of method {method.name} must keep shape and type of {what},"
                f" {described(was)}, got {described(now)}"
            )
    return new


def described(tensor: Tensor) -> str:
    """Return type and shape of a tensor, for an error."""
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    return f"{str(tensor.dtype).removeprefix('torch.')} {shape}"


def of_kind(methods: Iterable[Method], kind: type[M]) -> tuple[M, ...]:
    """Return the methods of one kind, in the order given."""
    return tuple(method for method in methods if isinstance(method, kind))


def at_most_one(methods: Iterable[Method], kind: type[M]) -> M | None:
    """Return the only method of a kind, if there is one.

    Raises:
        ValueError: If two methods of this kind were asked for.
    """
    found = of_kind(methods, kind)
    if len(found) > 1:
        names = " and ".join(method.name for method in found)
        raise ValueError(f"at most one {kind.__name__} per run, got {names}")
    return found[0] if found else None


def require_method(method: object) -> None:
    """Refuse what no run can apply, and no row can name.

    Raises:
        ValueError: If it is no method, none of a single kind, no dataclass or has no name.
    """
    require_kind(method, Method, "a method", "as in BlurPool()")
    kinds = ", ".join(kind.__name__ for kind in KINDS)
    fits = sum(isinstance(method, kind) for kind in KINDS) == 1
    if not (fits and is_dataclass(method) and isinstance(getattr(method, "name", None), str)):
        raise ValueError(
            f"a method must be a frozen dataclass with a name, of exactly one kind ({kinds}),"
            f" got {shown(method)}"
        )


def several(methods: object) -> tuple[Method, ...]:
    """Return methods that were given as a list, a tuple or another row of them.

    Raises:
        ValueError: If it is none, or one in it is no method.
    """
    if isinstance(methods, str | Method) or not isinstance(methods, Iterable):
        raise ValueError(f"methods must be a list, as in [BlurPool(), Flip()], got {methods!r}")
    found = tuple(methods)
    for method in found:
        require_method(method)
    return found


def require_together(methods: Sequence[Method]) -> None:
    """Refuse methods that no run has together.

    Raises:
        ValueError: If one is there twice, or two of them exclude each other.
    """
    at_most_one(methods, StartMethod)
    at_most_one(methods, ScheduleMethod)
    at_most_one(methods, GradientMethod)
    names = [method.name for method in methods]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"method {name} was asked for {names.count(name)} times")
