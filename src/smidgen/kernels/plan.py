"""Plan the calls of a chain: which operation runs on which memory, forward and back."""

from collections.abc import Callable, Sequence
from ctypes import c_double, c_void_p
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from smidgen.kernels.functions import GROUP
from smidgen.kernels.library import (
    NO_STATE,
    RECALL,
    RETURNED,
    SAVED,
    Operations,
    shape_of,
    state_of,
    tail_of,
)
from smidgen.kernels.links import (
    Average,
    Blur,
    Channelwise,
    Conv,
    Depthwise,
    Excite,
    Flatten,
    Link,
    Mix,
    Pool,
    Residual,
    agrees,
    taken_by,
)
from smidgen.kernels.memory import Buffers, Call, Maps, ParameterGradients

Address: TypeAlias = int | c_void_p


class MapError(ValueError):
    """A link does not take the map that comes to it, or what it holds: C would read past it."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What happens at the two ends of some links because they are a side of a residual.

    Args:
        added: The map that is added to the last one's.
        relu: Whether a ReLU follows this sum.
        arrives: The buffer in which the gradient of the last one's map comes; else any.
        returned: The buffer with what is added to the gradient of the first one's input.

    Buffers are compared to none: a cell is false for as long as it is empty.
    """

    added: Address | None = None
    relu: bool = False
    arrives: c_void_p | None = None
    returned: c_void_p | None = None


class Plan:
    """Calls in the making, and where the map of the last one lies.

    The addresses that change from step to step are cells: whoever runs the plan fills them. What
    the classifier sees is in ``pooled``, float32 (n, channels).
    """

    def __init__(
        self,
        found: Operations,
        size: Sequence[int],
        dtype: torch.dtype,
        links: Sequence[Link],
        gradient_of: Callable[[Tensor], Tensor],
        *,
        recalls: bool = False,
    ) -> None:
        """Plan all of it.

        Args:
            found: The operations for ``dtype``.
            size: Of a batch of images (n, c, h, w).
            dtype: Of maps.
            links: The last two are a global average, or a map made one pixel, and the classifier.
            gradient_of: Gives the place where a parameter's gradient is to be written.
            recalls: Whether norms take their running statistics and leave them, as evaluation does:
                then the calls end before the classifier, and none goes back.

        Raises:
            MapError: If a link does not take the map that comes to it, its parameters are not of
                one size and float32, or a norm would have one value a channel to go by.
        """
        self._recalls = recalls
        self.images, self.targets = c_void_p(), c_void_p()
        self.loss, self.dloss = c_void_p(), c_void_p()
        self.forward: list[Call] = []
        self.backward: list[Call] = []
        self.norms: list[tuple[nn.BatchNorm2d, c_double]] = []
        self._found, self._memory, self._buffers = found, Maps(dtype), Buffers()
        self._parameters = ParameterGradients(links, gradient_of)
        self._memory.keep(links)
        self._n, self._c, self._h, self._w = size
        self._x: Address = self.images
        self._dx = self._buffers.other_than(c_void_p())  # where the gradient of x is to go
        self._largest = 0
        self._returned: list[tuple[Any, c_void_p]] = []  # tails, to be told where buffers are
        self._run(links[:-2], Ends())
        head, classifier = links[-2:]
        assert isinstance(classifier, Mix)
        self._close(head, classifier)

    def _run(self, links: Sequence[Link], ends: Ends) -> None:
        """Append the operations of links that run one after another."""
        done = 0
        while done < len(links):
            block, first = _block(links[done:]), done == 0
            done += block.count
            last = done == len(links)
            self._add(
                block,
                Ends(
                    ends.added if last else None,
                    ends.relu and last,
                    ends.arrives if last else None,
                    ends.returned if first else None,
                ),
            )

    def _add(self, block: "_Block", ends: Ends) -> None:
        # Convolutions take part in a sum at their ends; for others it is a call of its own.
        fused = isinstance(block.link, Conv | Depthwise | Channelwise)
        back = ends.returned if self._x is not self.images else None
        if back is not None and not fused:
            shape, to, back = self._shape(self._c), self._dx, None
            self._dx = self._buffers.other_than(to)
            call = partial(self._found.sum_forward, shape, self._dx, ends.returned, to, 0)
            self.backward.append(call)
        joins = fused and block.pool is None and isinstance(ends.added, int)
        self._operation(block, Ends(ends.added if joins else None, ends.relu, ends.arrives, back))
        if ends.added is not None and not joins:
            (y,) = self._maps(self._c, 1)
            sides = self._shape(self._c), ends.added, self._x, y, int(ends.relu)
            self.forward.append(partial(self._found.sum_forward, *sides))
            self._x = y

    def _operation(self, block: "_Block", ends: Ends) -> None:
        channels, least = taken_by(block.link)
        self._require(channels, *least)
        _require_agreement(block.link)
        match block.link:
            case Conv() | Channelwise():
                self._require_spread(block.link.stride)
                self._conv(block.link, block, ends)
            case Depthwise():
                self._require_spread(block.link.stride)
                self._depthwise(block.link, block, ends)
            case Mix():
                self._mix(block.link, block, ends)
            case Pool():
                self._pool(block.link, ends)
            case Blur():
                self._blur(block.link, ends)
            case Excite():
                self._excite(block.link, ends)
            case Residual():
                self._residual(block.link, ends)
            case Average() | Flatten():
                raise ValueError("the last map made one pixel belongs to the head of a chain")

    def _residual(self, link: Residual, ends: Ends) -> None:
        x, dx, size, own = self._x, self._dx, (self._c, self._h, self._w), ends.arrives
        if own is None or link.relu:  # a ReLU changes the gradient for this sum alone
            own = self._buffers.other_than(dx)
        # The gradient of the sum goes both ways, so it stays until the way that runs last is done.
        sums = self._buffers.hold(own)
        if link.shortcut:
            through = self._buffers.hold(self._buffers.other_than(dx))  # what the layers return
            self._run(link.shortcut, Ends(arrives=sums, returned=through))
            beside = self._c, self._h, self._w
            side, (self._c, self._h, self._w) = self._x, size
            self._x, self._dx = x, through
            self._run(link.layers, Ends(side, link.relu, arrives=sums))
            self._buffers.release()
            size = beside
        else:
            self._run(link.layers, Ends(x, link.relu, arrives=sums, returned=sums))
        if (self._c, self._h, self._w) != size:
            raise MapError(f"a sum of maps of {size} and of {(self._c, self._h, self._w)}")
        self._buffers.release()
        if link.relu:
            came, shape = sums if ends.arrives is None else ends.arrives, self._shape(self._c)
            self.backward.append(partial(self._found.cut_backward, shape, self._x, came, sums))
            self._dx = came

    def _close(self, head: Link, classifier: Mix) -> None:
        """Append global average, classifier and loss, and give the gradients of maps memory."""
        if isinstance(head, Flatten):  # the mean over one pixel is that pixel
            self._c, self._h, self._w = self._c * self._h * self._w, 1, 1
        self._require(classifier.weight.shape[1])
        _require_agreement(classifier)
        weight, bias, classes = classifier.weight, classifier.bias, classifier.weight.shape[0]
        shape, memory = self._shape(classes), self._memory
        self.pooled = memory.vector(self._n * self._c).view(self._n, self._c)
        pooled = self.pooled.data_ptr()
        if self._recalls:
            self.forward.append(partial(self._found.average_forward, shape, self._x, pooled))
            self.backward.clear()
            return
        logits = memory.floats(self._n * classes)
        own = (weight.data_ptr(), _address(bias))
        to = (self._gradient_of(weight), None if bias is None else self._gradient_of(bias))
        self._largest = max(self._largest, self._n * self._c * self._h * self._w)
        where = (*own, self.targets, pooled, logits, self.loss)
        self._append(
            (self._found.head_forward, shape, self._x, *where),
            (self._found.head_backward, shape, own[0], pooled, logits, self.dloss, self._dx, *to),
        )
        self.backward.reverse()
        self.backward += self._parameters.sums()
        self._buffers.fill(memory, self._largest)
        for tail, cell in self._returned:
            assert cell.value is not None
            tail[RETURNED] = cell.value

    def _append(self, forward: tuple[Any, ...], backward: tuple[Any, ...]) -> None:
        self.forward.append(partial(*forward))
        self.backward.append(partial(*backward))

    def _conv(self, link: Conv | Channelwise, block: "_Block", ends: Ends) -> None:
        alone, found = isinstance(link, Channelwise), self._found
        forward = found.channelwise_forward if alone else found.convolution_forward
        backward = found.channelwise_backward if alone else found.convolution_backward
        outputs = link.weight.shape[0]
        shape, x = self._shape(outputs, link.weight, link.stride), self._x
        weight, bias = link.weight.data_ptr(), _address(link.bias)
        state, saved, numbers = self._norm(link.norm)
        dx, dy = self._pass(ends, stride=link.stride)
        z, y, tail = self._end(outputs, block, ends)
        to = [self._gradient_of(p) for p in (link.weight, link.norm.weight, link.norm.bias)]
        self._append(
            (forward, shape, x, weight, bias, z, y, state, *numbers, tail),
            (backward, shape, x, weight, z, dy, saved, dx, *to, tail),
        )

    def _depthwise(self, link: Depthwise, block: "_Block", ends: Ends) -> None:
        outputs = link.point.shape[0]
        shape, x = self._shape(outputs, link.depth, link.stride), self._x
        deep, point = link.depth.data_ptr(), link.point.data_ptr()
        own = (deep, _address(link.depth_bias), point, _address(link.point_bias))
        state, saved, numbers = self._norm(link.norm)
        dx, dy = self._pass(ends, stride=link.stride)
        z, y, tail = self._end(outputs, block, ends)
        parameters = (link.depth, link.point, link.norm.weight, link.norm.bias)
        to = [self._gradient_of(p) for p in parameters]
        self._append(
            (self._found.depthwise_forward, shape, x, *own, z, y, state, *numbers, tail),
            (self._found.depthwise_backward, shape, x, deep, point, z, dy, saved, dx, *to, tail),
        )

    def _mix(self, link: Mix, block: "_Block", ends: Ends) -> None:
        outputs, none = link.weight.shape[0], (NO_STATE, 0.0, 0.0)
        shape, x = self._shape(outputs), self._x
        weight, bias = link.weight.data_ptr(), _address(link.bias)
        (dx, dy), (z, y, tail) = self._pass(ends), self._end(outputs, block, ends)
        to = (self._gradient_of(link.weight), None)
        to = (*to, None if link.bias is None else self._gradient_of(link.bias))
        self._append(
            (self._found.convolution_forward, shape, x, weight, bias, z, y, *none, tail),
            (self._found.convolution_backward, shape, x, weight, z, dy, NO_STATE, dx, *to, tail),
        )
        if block.pool is None:
            self._x = z  # nothing follows the product

    def _end(self, outputs: int, block: "_Block", ends: Ends) -> tuple[int, int, Any]:
        """Return where a block's product and its end result lie, and what happens between them."""
        n, memory, self._c = self._n, self._memory, outputs
        (z,), words = self._maps(outputs, 1), dict[str, int]()
        if block.pool is not None:
            words["pool"] = 1 + block.pool.blurred
            self._h, self._w = self._h // 2, self._w // 2
        (y,) = self._maps(outputs, 1)
        if block.gate is not None:
            squeeze, excite = block.gate.squeeze, block.gate.excite
            self._require(squeeze.shape[1])
            _require_agreement(block.gate)
            latent, whole = squeeze.shape[0], -(-n // GROUP) * GROUP
            sizes = {"mean": outputs, "hidden": latent, "gate": outputs, "open": 2 * outputs}
            words |= {"latent": latent, "squeeze": squeeze.data_ptr(), "excite": excite.data_ptr()}
            words |= {"dsqueeze": self._gradient_of(squeeze), "dexcite": self._gradient_of(excite)}
            words |= {name: memory.floats(whole * count) for name, count in sizes.items()}
        if block.pool is not None and not block.pool.blurred:
            words["pooled"] = memory.values(n * outputs * self._h * self._w)
        if not getattr(block.link, "relu", True):
            words["plain"] = 1
        if isinstance(ends.added, int):
            words |= {"added": ends.added, "cut": int(ends.relu)}
        self._x = y
        if not words and ends.returned is None:
            return z, y, None
        tail = tail_of(**words)
        if ends.returned is not None:
            self._returned.append((tail, ends.returned))
        memory.keep(tail)
        return z, y, tail

    def _pool(self, link: Pool, ends: Ends) -> None:
        n, c, h, w = self._n, self._c, self._h, self._w
        sides, stride = (link.rows, link.columns), link.stride
        shape, x = shape_of(n, h, w, c, c, kernel=sides, stride=stride), self._x
        dx, dy = self._pass(ends, always=True)
        self._h, self._w = (h - link.rows) // stride + 1, (w - link.columns) // stride + 1
        (y,) = self._maps(self._c, 1)
        self._append(
            (self._found.pool_forward, shape, x, y, link.blurred),
            (self._found.pool_backward, shape, x, dy, dx, link.blurred),
        )
        self._x = y

    def _blur(self, link: Blur, ends: Ends) -> None:
        n, c, h, w = self._n, self._c, self._h, self._w
        sides, reach = (link.kernel_size, link.kernel_size), link.kernel_size // 2
        if any(1 < side <= reach for side in (h, w)):
            raise MapError(f"a blur that reaches {reach} pixels over the border of {h} x {w}")
        shape, x = shape_of(n, h, w, c, c, kernel=sides, stride=link.stride), self._x
        dx, dy = self._pass(ends, always=True, stride=link.stride)
        (y,) = self._maps(c, 1)
        self._append(
            (self._found.blur_forward, shape, x, y), (self._found.blur_backward, shape, dy, dx)
        )
        self._x = y

    def _excite(self, link: Excite, ends: Ends) -> None:
        latent, whole = link.squeeze.shape[0], -(-self._n // GROUP) * GROUP
        shape, x = self._shape(latent), self._x
        weights = link.squeeze.data_ptr(), link.excite.data_ptr()
        memory = [self._memory.floats(whole * k) for k in (self._c, latent, self._c)]
        y, dx, dy = *self._maps(self._c, 1), *self._pass(ends, always=True)
        to = self._gradient_of(link.squeeze), self._gradient_of(link.excite)
        self._append(
            (self._found.excite_forward, shape, x, *weights, y, *memory),
            (self._found.excite_backward, shape, x, dy, *weights, *memory, dx, *to),
        )
        self._x = y

    def _norm(self, norm: nn.BatchNorm2d) -> tuple[Any, Any, tuple[c_double, float]]:
        """Return a norm's state forward and back, and the cell of its momentum with its eps."""
        statistics = torch.empty(2, norm.num_features, dtype=torch.float32, device="cpu")
        momentum = c_double(RECALL)
        running = norm.running_mean, norm.running_var, norm.num_batches_tracked
        if self._recalls:
            assert running[0] is not None, "a norm of a net has running statistics"
            running = *running[:2], None  # no batch is counted
        else:
            self.norms.append((norm, momentum))
        self._memory.keep(statistics, running)
        state, saved = (state_of(norm.weight, norm.bias, statistics, r) for r in (running, SAVED))
        return state, saved, (momentum, norm.eps)

    def _pass(
        self, ends: Ends, always: bool = False, stride: int = 1
    ) -> tuple[c_void_p | None, c_void_p]:
        """Return the gradients of an operation's input, none for images, and of its output.

        From here on maps are as large as its output is at this stride.
        """
        dx = self._dx if always or self._x is not self.images else None
        self._dx = self._buffers.other_than(self._dx) if ends.arrives is None else ends.arrives
        self._largest = max(self._largest, self._n * self._c * self._h * self._w)
        self._h, self._w = -(-self._h // stride), -(-self._w // stride)
        return dx, self._dx

    def _shape(self, outputs: int, weight: Tensor | None = None, stride: int = 1) -> Any:
        kernel = (1, 1) if weight is None else (weight.shape[2], weight.shape[3])
        sizes = self._n, self._h, self._w, self._c, outputs
        return shape_of(*sizes, kernel=kernel, stride=stride)

    def _gradient_of(self, parameter: Tensor) -> int:
        return self._parameters.address(parameter)

    def _require(self, channels: int | None, rows: int = 1, columns: int = 1) -> None:
        """Refuse the map at hand unless it has so many channels and at least so many pixels."""
        size = self._c, self._h, self._w
        if channels not in (None, self._c) or self._h < rows or self._w < columns:
            raise MapError(
                f"a link of {channels} channels, {rows} x {columns} pixels: map of {size}"
            )

    def _require_spread(self, stride: int) -> None:
        """Refuse to normalise by a batch that has one value a channel after this stride."""
        if not self._recalls and self._n == 1 and max(self._h, self._w) <= stride:
            raise MapError("a norm must have more than one value a channel: batches must be larger")

    def _maps(self, channels: int, count: int) -> list[int]:
        size = self._n * channels * self._h * self._w
        self._largest = max(self._largest, size)
        return [self._memory.values(size) for _ in range(count)]


def _require_agreement(link: Link) -> None:
    if not agrees(link):
        raise MapError(
            f"a {type(link).__name__} whose weights and norm do not fit each other, or float32"
        )


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


@dataclass(frozen=True, slots=True)
class _Block:
    """A link and those that end it: one operation."""

    link: Link
    gate: Excite | None
    pool: Pool | None
    count: int


def _block(links: Sequence[Link]) -> _Block:
    """Return the operation that begins these links: a block, the gates and the pooling after it."""
    link, gate, pool, count = links[0], None, None, 1
    if isinstance(link, Conv | Depthwise | Channelwise) and count < len(links):
        following = links[count]
        if isinstance(following, Excite):
            gate, count = following, count + 1
    if isinstance(link, Conv | Depthwise | Channelwise | Mix) and count < len(links):
        following = links[count]
        if isinstance(following, Pool) and following.ends_blocks:
            pool, count = following, count + 1
    return _Block(link, gate, pool, count)
