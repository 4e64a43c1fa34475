"""What a net looked at: the parts of a logit that each square of its last map gave."""

import re
from importlib import resources

from smidgen.export.c.source import Source
from smidgen.export.int8.program import IntAverage, IntegerProgram, IntLinear
from smidgen.export.program import GlobalAveragePool, Linear, Program
from smidgen.layers import Shape

_HEAD = """
#define EXPORT(name) __attribute__((export_name(#name)))
"""
_KEPT = """#define SQUARES {squares}
static {number} kept[SQUARES * {channels}];
static double squares[SQUARES];
"""
_ROW = """  {condition}for (int c_ = 0; c_ < {channels}; c_++) {{
    for (int x_ = 0; x_ < {width}; x_++) kept[({y} * {width} + x_) * {channels} + c_] = {value};
  }}
"""


def looked_at(program: Program | IntegerProgram) -> Shape | None:
    """Return the shape of the map whose squares add up to the logits, if there is one.

    Where a linear classifier reads the mean of every channel, a logit is a sum over the squares
    of the map before it. Nothing of the kind holds for other heads, and one square tells nothing.

    Source: Zhou et al. 2016, arXiv:1512.04150, sec. 2.
    Differs: A square holds its part of the bias, and in int8 of what the mean was rounded by, so
    that the sum is the logit itself.
    """
    *_, (pool, shape), (head, _) = [(None, program.input_shape), *program.walk()]
    averages = isinstance(pool, GlobalAveragePool | IntAverage)
    linear = isinstance(head, Linear | IntLinear)
    return shape if averages and linear and shape.height * shape.width > 1 else None


def watched(source: Source, shape: Shape | None) -> str:
    """Return generated C with what keeps the last map, and shares a logit out to its squares.

    Args:
        source: As generated.
        shape: Of that map; without one, nothing is added.
    """
    text = source.bare  # one net a module: its names need not be its own
    if shape is None:
        return _exporting(source.name, text, "")
    channels, height, width = shape
    if source.logit_type == "int32_t":
        numbers, number, more = "int8", "int8_t", ""
        (place,) = re.finditer(r"void average\(.*\{\n", text)
        condition, y = "if (own == layers + LAYERS - 2) ", "at->row"
        value = f"rows[0][x_ * {channels} + c_]"
    else:
        numbers, number, more = "float32", "float", f"#define CHANNELS {channels}\n"
        # the last mean is the one that the classifier reads
        *_, place = re.finditer(r"const float \*last = .*;\n(?=.*\n.*\n.* (\d+) \+ x)", text)
        condition, y, value = "", "y", f"last[c_ * {place[1]} + x_]"
    kept = _KEPT.format(squares=height * width, channels=channels, number=number) + more
    row = _ROW.format(condition=condition, channels=channels, width=width, y=y, value=value)
    file = resources.files("smidgen.export") / "templates" / f"wasm_squares_{numbers}.c"
    text = text[: place.end()] + row + text[place.end() :] + file.read_text(encoding="utf-8")
    return _exporting(source.name, text, kept)


def _exporting(name: str, text: str, kept: str) -> str:
    """Return C that includes its header, with what is declared after that."""
    return f'#include "{name}.h"{_HEAD}{kept}{text}'
