"""A batch method that is shown pictures as they lie, whatever way the net takes them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from smidgen.methods.base import BatchMethod, transformed
from smidgen.methods.distill import Distill
from smidgen.tensors import Batch


@dataclass(frozen=True, slots=True)
class Upright(BatchMethod):
    """A method on images whose rows and columns were exchanged, which it sees as they were.

    ``x' = T f(T x)``, with ``T`` the exchange: a flip exchanges left and right of what was
    photographed, and so it must here. No method of a paper; it only hands ``f`` its images.

    Args:
        method: Any but distillation, whose teacher takes images as the net does.
    """

    method: BatchMethod

    name: ClassVar[str] = "upright"

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        return _turned(transformed(self.method, _turned(batch), progress, generator))


def upright(methods: Iterable[BatchMethod], *, turned: bool) -> tuple[BatchMethod, ...]:
    """Return methods as a run on turned images applies them, or as they are."""
    if not turned:
        return tuple(methods)
    return tuple(method if isinstance(method, Distill) else Upright(method) for method in methods)


def _turned(batch: Batch) -> Batch:
    images = batch.images.swapaxes(-2, -1).contiguous(memory_format=torch.channels_last)
    return replace(batch, images=images)
