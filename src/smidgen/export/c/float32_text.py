"""What the float32 C of one net is written with: its maps, tables and functions."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.arena import Buffer
from smidgen.layers import Shape

VECTOR = 16  # columns a row is padded to
ACCUMULATORS = 16  # vectors summed at once: enough to hide latency, few enough for registers


@dataclass(frozen=True, slots=True)
class Map:
    """A map in the arena: ``rows`` of it are kept, after ``border`` rows of zeros."""

    name: str
    shape: Shape
    rows: int
    border: int

    @property
    def pitch(self) -> int:
        """Floats from one channel's row to the next."""
        return padded(self.shape.width + self.border)

    @property
    def row(self) -> int:
        """Floats from one row to the next."""
        return self.shape.channels * self.pitch

    @property
    def front(self) -> int:
        """Zeros before the first row: a window looks as far to the left as its border."""
        return max(VECTOR, padded(self.border))

    @property
    def size(self) -> int:
        """Floats in all, with zeros in front and a vector of them behind."""
        return (self.rows + 2 * self.border) * self.row + self.front + VECTOR

    def at(self, row: str) -> str:
        """Return C for where a row begins, counted from the first row of the picture."""
        return f"{self.name} + {self.front + self.border * self.row} + ({row}) * {self.row}"


def literal(value: float | np.floating) -> str:
    """Return a float32 as a C constant; ``1f`` is none, so whole numbers get a point."""
    text = f"{value:.9g}"
    return f"{text}f" if set(text) & set(".en") else f"{text}.0f"


@dataclass(slots=True)
class Text:
    """The C of one net while it is written."""

    tables: list[str] = field(default_factory=list[str])
    functions: list[str] = field(default_factory=list[str])
    body: list[str] = field(default_factory=list[str])
    buffers: dict[str, Buffer] = field(default_factory=dict[str, Buffer])
    masks: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    table_bytes: int = 0
    epoch: int = 0
    number: int = 1  # of the next layer

    def table(self, name: str, values: NDArray[np.floating]) -> None:
        flat = values.astype(np.float32).ravel()
        texts = [literal(value) for value in flat]
        lines = [", ".join(texts[i : i + 8]) for i in range(0, len(texts), 8)]
        joined = ",\n  ".join(lines)
        self.tables.append(f"static const float {name}[] = {{\n  {joined}\n}};\n")
        self.table_bytes += 4 * len(flat)

    def mask(self, width: int, pitch: int) -> str:
        self.masks.add((width, pitch))
        return f"inside_{width}_{pitch}"

    def keep(self, made: Map, *, until: int) -> None:
        self.buffers[made.name] = Buffer(4 * made.size, self.epoch, self.epoch + until)

    def scratch(self, name: str, floats: int) -> None:
        """Plan floats that one layer alone needs, in the arena: a stack may be small."""
        self.buffers[name] = Buffer(4 * floats, self.epoch, self.epoch)

    def hold(self, made: Map, *, until: int) -> None:
        """Keep a map that has been planned at least as long."""
        planned = self.buffers[made.name]
        self.buffers[made.name] = replace(planned, last=max(planned.last, self.epoch + until))


def padded(width: int) -> int:
    """Return ``width`` rounded up to whole vectors."""
    return -(-width // VECTOR) * VECTOR


def write_function(text: Text, number: int, body: str, extra: str = "") -> None:
    """Write the C function of a layer: from rows of one map to a row of the next."""
    text.functions.append(
        f"static void layer{number}(const float *RESTRICT in, {extra}float *RESTRICT out) {{\n"
        f"{body}}}\n"
    )


def write_loop(text: Text, lines: Iterable[str], height: int, rows: int = 1) -> None:
    """Write a loop over the rows of a map, ``rows`` of them at a time."""
    joined = "\n    ".join(lines)
    text.body.append(f"for (int y = 0; y < {height}; y += {rows}) {{\n    {joined}\n  }}")
