"""Places for the buffers of a net: those never alive together share memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 4


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes needed over a span of epochs.

    Args:
        size: In bytes.
        first: Epoch in which it is first written.
        last: Epoch in which it is last read.
        turn: For a buffer that is read as soon as it is written, its place in the chain: of those
            in one epoch, only neighbours are alive together. None for one that stays.
    """

    size: int
    first: int
    last: int
    turn: int | None = None

    def meets(self, other: "Buffer") -> bool:
        """Return whether both are alive at some moment."""
        if self.last < other.first or other.last < self.first:
            return False
        if self.turn is None or other.turn is None:
            return True
        return abs(self.turn - other.turn) <= 1


def place(buffers: Mapping[str, Buffer]) -> tuple[dict[str, int], int]:
    """Return the offset of every buffer and the bytes needed in all; large ones go first."""
    offsets: dict[str, int] = {}
    for name in sorted(buffers, key=lambda name: (-buffers[name].size, name)):
        met = [
            (offsets[other], offsets[other] + buffers[other].size)
            for other in offsets
            if buffers[name].meets(buffers[other])
        ]
        offsets[name] = _lowest_gap(buffers[name].size, sorted(met))
    ends = [offsets[name] + buffers[name].size for name in buffers]
    return offsets, _aligned(max(ends, default=0))


def _lowest_gap(size: int, taken: Sequence[tuple[int, int]]) -> int:
    at = 0
    for start, end in taken:
        if at + size <= start:
            break
        at = max(at, _aligned(end))
    return at


def _aligned(at: int) -> int:
    return -(-at // ALIGNMENT) * ALIGNMENT
