"""What all generated C has in common: its header, its name, its templates."""

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

from smidgen.escape import c_comment
from smidgen.export.c.answer import probabilities
from smidgen.export.c.prefix import prefixed
from smidgen.export.c.text import LICENCE, filled, named, template
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.program import Program


@dataclass(frozen=True, slots=True)
class Source:
    """Generated C and what it needs.

    Args:
        name: Of the function and of the files.
        header: Text of ``<name>.h``.
        source: Text of ``<name>.c`` without its end, the calls that bring memory or a picture.
        table_bytes: Of constant data, exactly.
        arena_bytes: Of static memory, exactly.
        parts: Names of the kernels in the source.
        classes: Number of logits.
        logit_type: In C.
        layers: That follow each other.
        bare: The source without its first lines, before its names were the net's own: for what is
            compiled with it in one file.
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
    bare: str


class Needed(NamedTuple):
    """What generated C needs: see :class:`Source`."""

    table_bytes: int
    arena_bytes: int
    parts: tuple[str, ...]
    layers: int
    stack: str  # bytes, in words
    helium_slack: int = 0  # bytes of memory more, on a core with Helium


def written(
    program: Program | IntegerProgram, name: str, source: str, needed: Needed, scale: float | None
) -> Source:
    """Return the source with its header.

    Args:
        program: That it computes.
        name: Of the function and the files.
        source: Text of ``<name>.c`` without its end, the calls that bring memory or a picture.
        needed: By it.
        scale: Of its int32 logits; None if they are floats.
    """
    numbers, kind = ("float32", "float") if scale is None else ("int8", "int32_t")
    channels, height, width = program.input_shape
    end = template("entry.c").replace("NUMBER", kind)
    if "#define ALIGNED" not in source:  # where four bytes do
        end = end.replace("ALIGNED ", "")
    code = named(prefixed(source + end), name)
    values = {
        "MADE_OF": hashlib.sha256(code.encode()).hexdigest()[:12],
        "TITLE": c_comment(program.name),
        "NUMBERS": numbers,
        "TABLE_BYTES": str(needed.table_bytes),
        "ARENA_BYTES": str(needed.arena_bytes),
        "HELIUM_BYTES": str(needed.arena_bytes + needed.helium_slack),
        "STACK": needed.stack,
        "HEIGHT": str(height),
        "WIDTH": str(width),
        "CHANNELS": str(channels),
        "PIXELS": str(program.input_shape.elements),
        "CLASSES": str(program.classes),
        "KIND": kind,
        "WORTH": "",
        "PROBABILITIES": "",
    }
    if scale is not None:
        worth = f"{scale:.9e} /* what 1 in the logits stands for */"
        values["WORTH"] = f"#define {name.upper()}_SCALE {worth}\n"
        values["PROBABILITIES"] = probabilities(name, scale, program.classes)
    header = filled("header.h", name, values)
    return Source(
        name,
        header,
        f'{LICENCE}#include "{name}.h"\n\n{code}',
        needed.table_bytes,
        needed.arena_bytes,
        needed.parts,
        program.classes,
        kind,
        needed.layers,
        named(source + end, name),
    )


def made_of(header: str) -> str:
    """Return the 12 hexadecimal digits of a net's C that its header has: of code, tables and name.

    Raises:
        ValueError: If it has none.
    """
    found = re.search(r"^#define [A-Z0-9_]+_MADE_OF_([0-9a-f]{12}) 1$", header, re.MULTILINE)
    if found is None:
        raise ValueError("it is no header that smidgen export wrote")
    return found[1]
