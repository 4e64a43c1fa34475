"""Plan the calls of a chain: which operation runs on which memory, forward and back."""

from collections.abc import Callable, Sequence
from ctypes import c_double, c_void_p
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from smidgen.kernels.functions import GROUP
from smidgen.kernels.library import (
    NO_STATE,
    SAVED,
    Operations,
    shape_of,
    state_of,
    tail_of,
)
from smidgen.kernels.links import Average, Conv, Depthwise, Excite, Link, Mix, Pool

Call = partial[None]


class Plan:
    """Calls in the making, and where the map of the last one lies.

    The addresses that change from step to step are cells: whoever runs the plan fills them.
    """

    def __init__(
        self,
        found: Operations,
        size: Sequence[int],
        dtype: torch.dtype,
        gradient_of: Callable[[Tensor], int],
    ) -> None:
        """Begin before the first link.

        Args:
            found: The operations for ``dtype``.
            size: Of a batch of images (n, c, h, w).
            dtype: Of maps.
            gradient_of: Gives the address where a parameter's gradient is to be written.
        """
        self.images, self.targets = c_void_p(), c_void_p()
        self.loss, self.dloss = c_void_p(), c_void_p()
        self.forward: list[Call] = []
        self.backward: list[Call] = []
        self.norms: list[tuple[nn.BatchNorm2d, c_double]] = []
        self._found, self._dtype, self._gradient_of = found, dtype, gradient_of
        self._kept: list[Any] = []  # keeps memory alive whose address a call holds
        self._n, self._c, self._h, self._w = size
        self._x: int | c_void_p = self.images
        # Two buffers in turns hold the gradient that comes and the gradient that goes.
        self._gradients, self._turn, self._largest = (c_void_p(), c_void_p()), 0, 0

    def add(self, links: Sequence[Link]) -> int:
        """Append the operation that begins these links, and return how many of them it takes.

        A block and the gates and the pooling that follow it are one operation.
        """
        self._kept.append(links)
        link, rest = links[0], _Rest()
        if isinstance(link, Conv | Depthwise) and isinstance(links[1], Excite):
            rest = replace(rest, gate=links[1], count=1)
        if isinstance(link, Conv | Depthwise | Mix) and isinstance(links[1 + rest.count], Pool):
            rest = replace(rest, pool=links[1 + rest.count], count=rest.count + 1)
        match link:
            case Conv():
                self._conv(link, rest)
            case Depthwise():
                self._depthwise(link, rest)
            case Mix():
                self._mix(link, rest)
            case Pool():
                self._pool(link)
            case Excite():
                self._excite(link)
            case Average():
                raise ValueError("a global average belongs to the head of a chain")
        return 1 + rest.count

    def close(self, classifier: Mix) -> None:
        """Append global average, classifier and loss, and give the gradients of maps memory."""
        weight, bias, classes = classifier.weight, classifier.bias, classifier.weight.shape[0]
        shape = shape_of(self._n, self._h, self._w, self._c, classes, 1)
        pooled, logits = self._floats(self._n * self._c), self._floats(self._n * classes)
        own = (weight.data_ptr(), _address(bias))
        to = (self._gradient_of(weight), None if bias is None else self._gradient_of(bias))
        dx, _ = self._pass(always=True)
        self._append(
            (
                self._found.head_forward,
                shape,
                self._x,
                *own,
                self.targets,
                pooled,
                logits,
                self.loss,
            ),
            (self._found.head_backward, shape, own[0], pooled, logits, self.dloss, dx, *to),
        )
        self.backward.reverse()
        for cell in self._gradients:
            cell.value = self._values(self._largest)
        self._kept.append(classifier)

    def _append(self, forward: tuple[Any, ...], backward: tuple[Any, ...]) -> None:
        self.forward.append(partial(*forward))
        self.backward.append(partial(*backward))

    def _conv(self, link: Conv, rest: "_Rest") -> None:
        outputs, kernel = link.weight.shape[0], link.weight.shape[2]
        shape, x = shape_of(self._n, self._h, self._w, self._c, outputs, kernel), self._x
        weight, bias = link.weight.data_ptr(), _address(link.bias)
        state, saved, numbers = self._norm(link.norm)
        (dx, dy), (z, y, tail) = self._pass(), self._end(outputs, rest)
        to = [self._gradient_of(p) for p in (link.weight, link.norm.weight, link.norm.bias)]
        self._append(
            (self._found.convolution_forward, shape, x, weight, bias, z, y, state, *numbers, tail),
            (self._found.convolution_backward, shape, x, weight, z, dy, saved, dx, *to, tail),
        )

    def _depthwise(self, link: Depthwise, rest: "_Rest") -> None:
        outputs, kernel = link.point.shape[0], link.depth.shape[2]
        shape, x = shape_of(self._n, self._h, self._w, self._c, outputs, kernel), self._x
        deep, point = link.depth.data_ptr(), link.point.data_ptr()
        own = (deep, _address(link.depth_bias), point, _address(link.point_bias))
        state, saved, numbers = self._norm(link.norm)
        (dx, dy), (z, y, tail) = self._pass(), self._end(outputs, rest)
        parameters = (link.depth, link.point, link.norm.weight, link.norm.bias)
        to = [self._gradient_of(p) for p in parameters]
        self._append(
            (self._found.depthwise_forward, shape, x, *own, z, y, state, *numbers, tail),
            (self._found.depthwise_backward, shape, x, deep, point, z, dy, saved, dx, *to, tail),
        )

    def _mix(self, link: Mix, rest: "_Rest") -> None:
        outputs, none = link.weight.shape[0], (NO_STATE, 0.0, 0.0)
        shape, x = shape_of(self._n, self._h, self._w, self._c, outputs, 1), self._x
        weight, bias = link.weight.data_ptr(), _address(link.bias)
        (dx, dy), (z, y, tail) = self._pass(), self._end(outputs, rest)
        to = (self._gradient_of(link.weight), None)
        to = (*to, None if link.bias is None else self._gradient_of(link.bias))
        self._append(
            (self._found.convolution_forward, shape, x, weight, bias, z, y, *none, tail),
            (self._found.convolution_backward, shape, x, weight, z, dy, NO_STATE, dx, *to, tail),
        )
        if rest.pool is None:
            self._x = z  # nothing follows the product

    def _end(self, outputs: int, rest: "_Rest") -> tuple[int, int, Any]:
        """Return where a block's product and its end result lie, and what happens between them."""
        n, self._c = self._n, outputs
        (z,), tail = self._maps(outputs, 1), None
        if rest.pool is not None:
            self._h, self._w = self._h // 2, self._w // 2
        (y,) = self._maps(outputs, 1)
        if rest.count:
            words = [0 if rest.pool is None else 1 + rest.pool.blurred, 0, *[0] * 9]
            if rest.gate is not None:
                squeeze, excite = rest.gate.squeeze, rest.gate.excite
                latent, whole = squeeze.shape[0], -(-n // GROUP) * GROUP
                words[1:4] = latent, squeeze.data_ptr(), excite.data_ptr()
                words[4:6] = self._gradient_of(squeeze), self._gradient_of(excite)
                words[6:10] = [
                    self._floats(whole * k) for k in (outputs, latent, outputs, 2 * outputs)
                ]
            if words[0] == 1:
                words[10] = self._values(n * outputs * self._h * self._w)
            tail = tail_of(words)
            self._kept.append(tail)
        self._x = y
        return z, y, tail

    def _pool(self, link: Pool) -> None:
        shape, x = shape_of(self._n, self._h, self._w, self._c, self._c, 2), self._x
        dx, dy = self._pass(always=True)
        self._h, self._w = self._h // 2, self._w // 2
        (y,) = self._maps(self._c, 1)
        self._append(
            (self._found.pool_forward, shape, x, y, link.blurred),
            (self._found.pool_backward, shape, x, dy, dx, link.blurred),
        )
        self._x = y

    def _excite(self, link: Excite) -> None:
        latent, whole = link.squeeze.shape[0], -(-self._n // GROUP) * GROUP
        shape, x = shape_of(self._n, self._h, self._w, self._c, latent, 1), self._x
        weights = link.squeeze.data_ptr(), link.excite.data_ptr()
        memory = [self._floats(whole * k) for k in (self._c, latent, self._c)]
        y, dx, dy = *self._maps(self._c, 1), *self._pass(always=True)
        to = self._gradient_of(link.squeeze), self._gradient_of(link.excite)
        self._append(
            (self._found.excite_forward, shape, x, *weights, y, *memory),
            (self._found.excite_backward, shape, x, dy, *weights, *memory, dx, *to),
        )
        self._x = y

    def _norm(self, norm: nn.BatchNorm2d) -> tuple[Any, Any, tuple[c_double, float]]:
        """Return a norm's state forward and back, and the cell of its momentum with its eps."""
        statistics, momentum = torch.empty(2, norm.num_features), c_double()
        running = norm.running_mean, norm.running_var, norm.num_batches_tracked
        self._kept.append((statistics, running))
        self.norms.append((norm, momentum))
        state, saved = (state_of(norm.weight, norm.bias, statistics, r) for r in (running, SAVED))
        return state, saved, (momentum, norm.eps)

    def _pass(self, always: bool = False) -> tuple[c_void_p | None, c_void_p]:
        """Return the gradients of an operation's input, none for images, and of its output."""
        wanted = always or self._x is not self.images
        dx = self._gradients[self._turn] if wanted else None
        self._turn = 1 - self._turn
        self._largest = max(self._largest, self._n * self._c * self._h * self._w)
        return dx, self._gradients[self._turn]

    def _maps(self, channels: int, count: int) -> list[int]:
        size = self._n * channels * self._h * self._w
        self._largest = max(self._largest, size)
        return [self._values(size) for _ in range(count)]

    def _values(self, count: int) -> int:
        return self._memory(count, self._dtype)

    def _floats(self, count: int) -> int:
        return self._memory(count, torch.float32)

    def _memory(self, count: int, dtype: torch.dtype) -> int:
        self._kept.append(torch.empty(count, dtype=dtype))
        return self._kept[-1].data_ptr()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


@dataclass(frozen=True, slots=True)
class _Rest:
    """The links that end a block."""

    gate: Excite | None = None
    pool: Pool | None = None
    count: int = 0
