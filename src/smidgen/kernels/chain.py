"""Run a whole net, its loss and their gradients as a chain of compiled operations, or its logits.

Autograd and the allocator take as long as the arithmetic of a net of some thousand parameters. A
chain works out every address once and keeps its memory from step to step, so that a step is a row
of calls into C. Its links are what the modules of a net say of themselves.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from smidgen.kernels.functions import Last
from smidgen.kernels.library import NO_STATE, operations, shape_of
from smidgen.kernels.links import Average, Flatten, Link, Mix, links_of
from smidgen.kernels.plan import Call, MapError, Plan


class Chain:
    """The training step of a net on batches of one size, without data and optimizer.

    Parameters, their gradients and running statistics must stay where they are in memory. Each
    pass forward overwrites what the one before left for its backward pass.
    """

    def __init__(
        self, links: Sequence[Link], size: Sequence[int], dtype: torch.dtype, gradient: Tensor
    ) -> None:
        """Plan the calls.

        Args:
            links: Of the net, in order; the last two are the global average and the classifier.
            size: Of a batch of images (n, c, h, w).
            dtype: Of images and maps, float32 or bfloat16.
            gradient: The vector whose views are the gradients of all parameters.

        Raises:
            ValueError: If there are no compiled operations for ``dtype``, or the links are not
                those of a chain.
        """
        found = operations(dtype)
        if found is None or not _chainable(links):
            raise ValueError(f"no compiled operations for {dtype}, or links that make no chain")
        self._size, self._dtype = tuple(size), dtype
        self._gradient, self._own = gradient, torch.zeros_like(gradient)
        self._plan = Plan(found, size, dtype, links, self._gradient_of)
        self._anchor, self._one = torch.zeros((), requires_grad=True), torch.ones(())
        self._held: Any = None
        self._dloss: Tensor | None = None
        self._passes = 0

    def fits(self, images: Tensor) -> bool:
        """Whether these images are of the size and the data type of the plan."""
        return tuple(images.shape) == self._size and images.dtype == self._dtype

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy; its backward pass adds to the gradients of parameters.

        Running statistics follow the batch, by the momentum their norm has at this moment.
        """
        return cast("Tensor", _Loss.apply(self._anchor, self, images, targets))

    def backprop(self, images: Tensor, targets: Tensor) -> Tensor:
        """Return the loss and add its gradients, as ``loss`` and its backward pass do.

        Nothing but this chain runs: autograd takes as long as a small net's own passes.
        """
        loss, number = self.run_forward(images, targets)
        self.run_backward(self._one, number)
        return loss

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls of the last pass, forward and back, to be timed one by one."""
        return *self._plan.forward, *self._plan.backward

    def run_forward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, int]:
        """Return the loss and the number of this pass."""
        assert self.fits(images), "a chain is planned for one size of batch"
        images, targets = images.contiguous(memory_format=Last), targets.float().contiguous()
        loss, plan = torch.empty(()), self._plan
        self._held = images, targets, loss
        plan.images.value, plan.targets.value = images.data_ptr(), targets.data_ptr()
        plan.loss.value = loss.data_ptr()
        for norm, momentum in plan.norms:
            assert norm.momentum is not None, "cumulative averages are torch's alone"
            momentum.value = norm.momentum
        for call in plan.forward:
            call()
        self._passes += 1
        return loss, self._passes

    def run_backward(self, dloss: Tensor, number: int) -> None:
        """Add the gradients of pass ``number``.

        Raises:
            RuntimeError: If another pass forward has overwritten what this one needs.
        """
        if number != self._passes:
            raise RuntimeError("a chain keeps the maps of its last pass forward alone")
        self._dloss, self._plan.dloss.value = dloss, dloss.data_ptr()
        for call in self._plan.backward:
            call()
        self._gradient.add_(self._own)

    def _gradient_of(self, parameter: Tensor) -> Tensor:
        assert parameter.grad is not None, "every parameter has its place in the vector"
        place = (parameter.grad.data_ptr() - self._gradient.data_ptr()) // 4
        assert 0 <= place < self._gradient.numel(), "every parameter has its place"
        return self._own[place : place + parameter.numel()]


class Inference:
    """A net in evaluation: its logits for batches of any size, from running statistics.

    Compiled operations give them where a chain of the net serves, else the model. Parameters and
    running statistics must stay where they are in memory, and as they are.
    """

    def __init__(self, model: nn.Module) -> None:
        """Plan nothing yet.

        Args:
            model: In evaluation mode.
        """
        assert not model.training, "running statistics are those of evaluation"
        self.model, self._links = model, links_of(model) if _plain(model) else None
        self._plan: Plan | None = None
        self._fits: tuple[torch.Size, torch.dtype] | None = None

    def is_compiled(self, dtype: torch.dtype) -> bool:
        """Whether compiled operations give the logits of images of ``dtype`` on the CPU."""
        return self._links is not None and serves(
            self._links, torch.empty(1, dtype=dtype, device="cpu")
        )

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits (n, classes) of images (n, c, h, w).

        Raises:
            RuntimeError: If images are not such as the net takes, from torch.
        """
        if self._links is None or not serves(self._links, images):
            return self.model(images)
        if self._plan is None or self._fits != (images.shape, images.dtype):
            found = operations(images.dtype)
            assert found is not None, "there are some where a chain serves"
            size, links = images.shape, self._links
            try:
                self._plan = Plan(found, size, images.dtype, links, Tensor.flatten, recalls=True)
            except MapError:
                return self.model(images)  # torch says what does not fit
            self._fits = size, images.dtype
        images = images.contiguous(memory_format=Last)
        self._plan.images.value = images.data_ptr()
        for call in self._plan.forward:
            call()
        return _product(self._plan.pooled, cast("Mix", self._links[-1]))


def _product(pooled: Tensor, classifier: Mix) -> Tensor:
    """Return the logits (n, classes) of means (n, channels), all float32.

    By a compiled operation: what torch (2.13) takes for it, MKL, holds a lock while a thread that
    has used it ends, and a process that is forked off at that moment waits for it without end.
    """
    found, (n, c) = operations(torch.float32), pooled.shape
    assert found is not None, "there are some where a chain serves"
    weight, bias = classifier.weight, classifier.bias
    logits = torch.empty(n, len(weight), dtype=torch.float32, device="cpu")
    shape, to = shape_of(n, 1, 1, c, len(weight)), (logits.data_ptr(), None)
    own = pooled.data_ptr(), weight.data_ptr(), None if bias is None else bias.data_ptr()
    found.convolution_forward(shape, *own, *to, NO_STATE, 0.0, 0.0, None)
    return logits


def _plain(model: nn.Module) -> bool:
    """Whether C can read all that a model holds, and every norm has statistics."""
    held = [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]
    reads = all(t.is_cpu and t.dtype == torch.float32 and t.is_contiguous() for t in held)
    norms = (each for each in model.modules() if isinstance(each, nn.BatchNorm2d))
    return reads and all(each.affine and each.running_mean is not None for each in norms)


def serves(links: Sequence[Link], images: Tensor) -> bool:
    """Whether a chain of these links can run on such images."""
    on_cpu = type(images) is Tensor and images.device.type == "cpu" and images.numel() > 0
    return on_cpu and operations(images.dtype) is not None and _chainable(links)


def _chainable(links: Sequence[Link]) -> bool:
    heads = [place for place, link in enumerate(links) if isinstance(link, Average | Flatten)]
    return heads == [len(links) - 2] and isinstance(links[-1], Mix)


class _Loss(Function):
    """The loss of a chain, as autograd sees it."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, chain: Chain, images: Tensor, targets: Tensor) -> Tensor:
        """Run the net."""
        del anchor
        loss, ctx.number = chain.run_forward(images, targets)
        ctx.chain = chain
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dloss: Tensor) -> tuple[None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Add to the gradients of the parameters, where they are."""
        ctx.chain.run_backward(dloss, ctx.number)
        return None, None, None, None
