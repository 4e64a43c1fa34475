"""Memory of a plan: maps that stay, and buffers in turns for the gradients of maps."""

from collections import Counter
from collections.abc import Callable, Sequence
from ctypes import c_void_p
from functools import partial
from typing import Any

import torch
from torch import Tensor

from smidgen.kernels.links import Link, tensors_of
from smidgen.kernels.pages import Pages

Call = partial[None]


class Maps:
    """Memory that stays for as long as this object is kept."""

    def __init__(self, dtype: torch.dtype) -> None:
        """Begin with none.

        Args:
            dtype: Of maps.
        """
        self._dtype, self._kept, self._pages = dtype, list[Any](), Pages()

    def keep(self, *things: Any) -> None:
        """Keep what else owns memory whose address a call holds."""
        self._kept += things

    def values(self, count: int) -> int:
        """Return the address of ``count`` values of a map."""
        return self._new(count, self._dtype).data_ptr()

    def floats(self, count: int) -> int:
        """Return the address of ``count`` numbers of float32."""
        return self.vector(count).data_ptr()

    def vector(self, count: int) -> Tensor:
        """Return ``count`` numbers of float32."""
        return self._new(count, torch.float32)

    def _new(self, count: int, dtype: torch.dtype) -> Tensor:
        new = self._pages.take(count, dtype)
        self._kept.append(new)
        return new


class Buffers:
    """Buffers that hold gradients of maps: those that come, that go, and that wait for a sum.

    They are cells, whose memory is found when the largest map is known.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._cells: list[c_void_p] = []
        self._busy: list[c_void_p] = []

    def other_than(self, cell: c_void_p) -> c_void_p:
        """Return a buffer that is neither ``cell`` nor held."""
        taken = {id(other) for other in (cell, *self._busy)}
        for free in self._cells:
            if id(free) not in taken:
                return free
        self._cells.append(c_void_p())
        return self._cells[-1]

    def hold(self, cell: c_void_p) -> c_void_p:
        """Give a buffer to nobody else until it is released."""
        self._busy.append(cell)
        return cell

    def release(self) -> None:
        """Release what was held last."""
        self._busy.pop()

    def fill(self, maps: Maps, count: int) -> None:
        """Give each buffer memory for ``count`` values."""
        for cell in self._cells:
            cell.value = maps.values(count)


class ParameterGradients:
    """Where gradients of parameters are written; those of shared ones are added up at the end."""

    def __init__(self, links: Sequence[Link], gradient_of: Callable[[Tensor], Tensor]) -> None:
        """Count how often each parameter is used.

        Args:
            links: Of a whole net.
            gradient_of: Gives the place in the vector of all gradients.
        """
        self._gradient_of = gradient_of
        self._uses = Counter(id(tensor) for tensor in tensors_of(links))
        self._met = Counter[int]()
        self._shared: dict[int, tuple[Tensor, Tensor]] = {}  # a row a use, and where they go

    def address(self, parameter: Tensor) -> int:
        """Return where the next operation that uses a parameter writes its gradient."""
        key, to = id(parameter), self._gradient_of(parameter)
        if self._uses[key] < 2:  # noqa: PLR2004 - shared by nobody; norms are not counted
            return to.data_ptr()
        if key not in self._shared:
            rows = torch.empty(self._uses[key], len(to), dtype=torch.float32, device="cpu")
            self._shared[key] = rows, to
        self._met[key] += 1
        return self._shared[key][0][self._met[key] - 1].data_ptr()

    def sums(self) -> list[Call]:
        """Return the calls that add up what shared parameters got."""
        return [partial(_add_up, rows, to) for rows, to in self._shared.values()]


def _add_up(rows: Tensor, to: Tensor) -> None:
    torch.sum(rows, 0, out=to)
