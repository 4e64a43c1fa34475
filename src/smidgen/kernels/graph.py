"""The loss of a net and its gradients on an NVIDIA GPU, as CUDA graphs recorded once."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_WARM_UP = 3  # passes before recording: libraries choose and load their kernels in the first ones


class GraphedLoss:
    """The mean cross entropy of a model in training, on batches of one size.

    On nets of a few layers a GPU waits for Python to launch its kernels, one by one, for most of a
    step: a recorded graph launches them all at once. The parameters must keep their places and
    have gradients; a norm may change its momentum, which makes another recording.
    """

    def __init__(self, model: nn.Module, images: Tensor, targets: Tensor) -> None:
        """Make room for batches like ``images`` and ``targets``, on their device."""
        self._model = model
        self._images, self._targets = images.clone(), targets.float().clone()
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        self._recordings: dict[tuple[float | None, ...], _Recording] = {}
        self._anchor = torch.zeros((), device=images.device, requires_grad=True)

    def fits(self, images: Tensor) -> bool:
        """Whether these images are of the size and the data type that was recorded."""
        return images.shape == self._images.shape and images.dtype == self._images.dtype

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        """Return the loss; its backward pass adds to the gradients of the parameters.

        Running statistics follow the batch, by the momentum their norm has at this moment.
        """
        assert self.fits(images), "a graph is recorded for one size of batch"
        self._images.copy_(images)
        self._targets.copy_(targets)
        momenta = tuple(norm.momentum for norm in self._norms)
        if momenta not in self._recordings:
            self._recordings[momenta] = self._recorded()
        recording = self._recordings[momenta]
        return cast("Tensor", _Replayed.apply(self._anchor, recording))

    def _pass(self) -> Tensor:
        return F.cross_entropy(self._model(self._images).float(), self._targets)

    def _recorded(self) -> "_Recording":
        buffers = [buffer for norm in self._norms for buffer in norm.buffers()]
        kept = [buffer.clone() for buffer in buffers]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP):
                torch.autograd.grad(self._pass(), self._parameters)
            for buffer, before in zip(buffers, kept, strict=True):
                buffer.copy_(before)
        torch.cuda.current_stream().wait_stream(aside)
        return _Recording(self._pass, self._parameters)


class _Recording:
    """The passes forward and back as graphs over the same memory."""

    def __init__(self, forward: Any, parameters: list[nn.Parameter]) -> None:
        places = [p.grad for p in parameters]
        assert all(place is not None for place in places), "every parameter has its gradient"
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.forward):
            self.loss = forward()
        self.dloss = torch.ones_like(self.loss)
        with torch.cuda.graph(self.backward, pool=self.forward.pool()):
            found = torch.autograd.grad(self.loss, parameters, grad_outputs=self.dloss)
            for place, gradient in zip(places, found, strict=True):
                cast("Tensor", place).add_(gradient)
        self.loss = self.loss.detach()


class _Replayed(Function):
    """The loss of a recording, as autograd sees it."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, recording: _Recording) -> Tensor:
        """Run the net."""
        del anchor
        recording.forward.replay()
        ctx.recording = recording
        return recording.loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dloss: Tensor) -> tuple[None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Add to the gradients of the parameters, where they are."""
        ctx.recording.dloss.copy_(dloss)
        ctx.recording.backward.replay()
        return None, None
