"""SAM: descend along the gradient found at the worst nearby weights."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from smidgen.flat import Flat
from smidgen.limits import NUMBER
from smidgen.methods.base import GradientMethod
from smidgen.tensors import Scalar

TINY = 1e-12  # a zero gradient has no direction: it then moves nothing


@dataclass(frozen=True, slots=True)
class SAM(GradientMethod):
    """Replace ``grad L(w)`` by ``grad L(w + rho g / |g|)``, with ``g = grad L(w)``.

    Both passes see the same batch. Batch-norm statistics come from the first pass, at the weights
    themselves.

    Args:
        rho: Radius of the neighbourhood in the L2 norm of all weights, >= 0; 0 is the plain
            gradient, at the cost of one pass.

    Raises:
        ValueError: If ``rho`` is out of its range.

    Source: Foret et al. 2021, "Sharpness-Aware Minimization", arXiv:2010.01412, eq. (2) and (3).
    """

    rho: float = 0.05

    name: ClassVar[str] = "sam"

    def __post_init__(self) -> None:
        if not 0 <= self.rho < NUMBER:
            raise ValueError(f"sam rho must be finite and >= 0, got {self.rho}")

    def backward(self, loss_of: Callable[[], Scalar], model: nn.Module, flat: Flat) -> Scalar:
        loss = loss_of()
        loss.backward()
        if self.rho > 0:
            with _ascended(flat, self.rho), _frozen_statistics(model):
                flat.gradient.zero_()
                loss_of().backward()
        return loss.detach()


@contextmanager
def _ascended(flat: Flat, rho: float) -> Generator[None]:
    """Move the weights ``rho`` up the gradient, and bring them back bit for bit."""
    kept = flat.weights.clone()
    flat.weights.addcmul_(flat.gradient, rho / (flat.gradient.norm() + TINY))
    try:
        yield
    finally:
        flat.weights.copy_(kept)


@contextmanager
def _frozen_statistics(model: nn.Module) -> Generator[None]:
    """Keep batch norm on the statistics of the batch, but stop its running averages and counts."""
    # By their own dictionaries: asking modules for attributes they lack costs more than the rest.
    norms: list[Any] = [
        module
        for module in model.modules()
        if "momentum" in vars(module) and vars(module)["_buffers"].get("running_mean") is not None
    ]
    momenta = [norm.momentum for norm in norms]
    counts: list[Tensor] = [
        norm.num_batches_tracked for norm in norms if norm.num_batches_tracked is not None
    ]
    kept = [count.clone() for count in counts]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for count, before in zip(counts, kept, strict=True):
            count.copy_(before)
