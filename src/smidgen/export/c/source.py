"""What all generated C has in common: its header, its name, its templates."""

import keyword
import re
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

from smidgen.escape import c_comment
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.program import Program


@dataclass(frozen=True, slots=True)
class Source:
    """Generated C and what it needs.

    Args:
        name: Of the function and of the files.
        header: Text of ``<name>.h``.
        source: Text of ``<name>.c``.
        table_bytes: Of constant data, exactly.
        arena_bytes: Of static memory, exactly.
        parts: Names of the kernels in the source.
        classes: Number of logits.
        logit_type: In C.
        layers: That follow each other.
    """

    name: str
    header: str
    source: str
    table_bytes: int
    arena_bytes: int
    parts: tuple[str, ...]
    classes: int
    logit_type: str
    layers: int


class Needed(NamedTuple):
    """What generated C needs: see :class:`Source`."""

    table_bytes: int
    arena_bytes: int
    parts: tuple[str, ...]
    layers: int


def written(
    program: Program | IntegerProgram, name: str, source: str, needed: Needed, scale: float | None
) -> Source:
    """Return the source with its header.

    Args:
        program: That it computes.
        name: Of the function and the files.
        source: Text of ``<name>.c``.
        needed: By it.
        scale: Of its int32 logits; None if they are floats.
    """
    numbers, kind = ("float32", "float") if scale is None else ("int8", "int32_t")
    tables, memory, *_ = needed
    channels, height, width = program.input_shape
    upper = name.upper()
    worth = (
        ""
        if scale is None
        else f"#define {upper}_SCALE {scale:.9e} /* what 1 in the logits stands for */\n"
    )
    header = f"""#ifndef {upper}_H
#define {upper}_H
/* {c_comment(program.name)}, {numbers}.
   Tables: {tables} bytes. Static memory: {memory} bytes, so one call at a time. */
#include <stdint.h>

#define {upper}_HEIGHT {height}
#define {upper}_WIDTH {width}
#define {upper}_CHANNELS {channels}
#define {upper}_PIXELS {program.input_shape.elements}
#define {upper}_CLASSES {program.classes}
{worth}
/* Takes bytes as they come from a camera, row by row, the channels of a pixel together. */
void {name}(const uint8_t *pixels, {kind} *logits);

#endif
"""
    return Source(
        name,
        header,
        source,
        needed.table_bytes,
        needed.arena_bytes,
        needed.parts,
        program.classes,
        kind,
        needed.layers,
    )


def require_identifier(name: str) -> None:
    """Refuse a name that C cannot use.

    Raises:
        ValueError: Naming what was given.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"name must be a lower-case C identifier, got {name!r}")


def template(name: str) -> str:
    """Return the text of a file in templates/."""
    return (resources.files("smidgen.export.c") / "templates" / name).read_text()
