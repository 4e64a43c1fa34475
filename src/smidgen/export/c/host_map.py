"""Maps of the integer C for hosts: how they lie in memory, and what surrounds them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from smidgen.layers import Shape

BLOCK = 16  # channels that are computed together
BEYOND = 4  # pixels at most that a block of pixels reaches beyond a row
VECTOR = 64  # bytes at most that are read or written at once

Fill: TypeAlias = tuple[int, ...] | Literal["mirrored"]  # a byte a channel


@dataclass(slots=True, eq=False)
class Map:
    """A map while the C is planned; who reads it gives it a border and keeps it.

    Args:
        name: Of its buffer.
        shape: Of the picture.
        pitch: Bytes from one pixel to the next.
        first: Epoch in which it is written.
        last: Epoch in which it is last read.
        border: Pixels on each side.
        fill: What they hold.
        reach: Pixels that readers go beyond a row, at most.
    """

    name: str
    shape: Shape
    pitch: int
    first: int
    last: int
    border: int = 0
    fill: Fill | None = None
    reach: int = BEYOND

    @property
    def row(self) -> int:
        """Bytes from one row to the next."""
        return (self.shape.width + 2 * self.border) * self.pitch

    @property
    def begin(self) -> int:
        """Bytes from the buffer's begin to the picture's."""
        return self.border * (self.row + self.pitch)

    @property
    def size(self) -> int:
        """Bytes in all, with those beyond the last row."""
        rows = self.shape.height + 2 * self.border
        return rows * self.row + (self.reach + 1) * self.pitch + VECTOR

    @property
    def blocks(self) -> int:
        """Blocks of channels, the last one perhaps not all there."""
        return whole(self.shape.channels) // BLOCK

    def surround(self, border: int, fill: Fill) -> bool:
        """Give it a border, and return whether it has that and no other."""
        if not self.border:
            self.border, self.fill = border, fill
        return (self.border, self.fill) == (border, fill)


def whole(count: int, block: int = BLOCK) -> int:
    """Return ``count`` rounded up to whole blocks."""
    return -(-count // block) * block
