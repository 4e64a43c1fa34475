"""C99 from an integer program: a header and a source, no library behind them.

The source is a table of layers and one small function a kind of layer, so flash grows with the
weights and hardly with the depth. Rows flow from layer to layer through rings of as many rows as
the next window needs; see docs/microcontrollers.md.
"""

from collections.abc import Sequence

from smidgen.export.c.int8_layout import PATCH, SLACK, Layout, laid_out
from smidgen.export.c.int8_table import Inner, Row
from smidgen.export.c.names import require_identifier
from smidgen.export.c.source import Source, written
from smidgen.export.c.text import template
from smidgen.export.int8.program import IntegerProgram

HELIUM_REACH = 56  # bytes that its loads may reach beyond the weights of a convolution
OPTIMIZE = ("speed", "flash")


def generate(program: IntegerProgram, name: str = "net", optimize: str = "speed") -> Source:
    """Return C99 that computes ``program`` bit for bit as :mod:`smidgen.export.int8.simulate` does.

    Args:
        program: As quantised.
        name: A C identifier, of the function and the files.
        optimize: For speed, cores that multiply two at a time get their inner loops in assembly,
            about 1 KB of code; for flash they do not.

    Raises:
        ValueError: If the name is no identifier, there is no such ``optimize`` or a layer is
            beyond what the C can hold; the layer's place is named.
    """
    require_identifier(name)
    if optimize not in OPTIMIZE:
        raise ValueError(f"optimize must be {' or '.join(OPTIMIZE)}, got {optimize!r}")
    laid = laid_out(program)
    source = _text(program, laid, optimize)
    return written(program, name, source, laid.needed, scale=program.head.scale)


def _text(program: IntegerProgram, laid: Layout, optimize: str) -> str:
    kernels, bordered = laid.kernels, laid.bordered
    more = max(0, HELIUM_REACH - program.head.weight.size) if "CONVOLVE" in kernels else 0
    gathered = any(row.kind == "CONVOLVE" and row.kernel > 1 for row in laid.rows)
    texts = [
        "arithmetic",
        *["gather"] * gathered,
        *["tile_thumb", "tile"] * ("CONVOLVE" in kernels),
    ]
    texts += ["convolve_packed", "convolve_helium"] * ("CONVOLVE" in kernels)
    texts += ["filter_helium", "filter_thumb", "filter_packed"] * ("FILTER" in kernels)
    texts += ["pool_sums"] * ("POOL" in kernels)
    texts += [*(kind.lower() for kind in kernels), *["border"] * (bordered is not None)]
    filling = "own == layers + BORDERED ? fill_pixels(p, rows) : fill(own, p, rows)"
    defines = {
        "SPEED": int(optimize == "speed"),
        **laid.facts,
        "SLOTTED": int(laid.slotted),
        "OBLONG": int(laid.oblong),
        "GATHER": int(gathered),
        "BETWEEN": SLACK,
        "PATCH": laid.offsets.get(PATCH, 0),
        "FEATURES": program.head.weight.shape[1],
        "LAYER_BYTES": laid.layer_bytes,
        "BORDERED": bordered or 0,
        "FILL(own, p, rows)": "fill(own, p, rows)" if bordered is None else filling,
    }
    head = template("int8_head.c").replace("KINDS", ", ".join([*kernels, "CLASSIFY"]))
    run = template("int8_run.c")
    source = [
        f"typedef {laid.small} small;\ntypedef {laid.offset} offset;\n\n",
        *(f"#define {key} {value}\n" for key, value in defines.items()),
        "\n" + head.replace("STRIDE", laid.stride) + "\n",
        *(_array(*table, more) for table in laid.data),
        f"static const layer layers[] = {{\n{''.join(_layer(row, laid) for row in laid.rows)}}};\n",
        *(template(f"int8_{text}.c") for text in texts),
        run.replace("KERNELS", ", ".join(kind.lower() for kind in kernels) or "0"),
    ]
    return "".join(source)


def _layer(row: Row, laid: Layout) -> str:
    channels, _, width = row.shape
    match row.weight:
        case int(weight):
            pass
        case Inner(at):
            weight = laid.chain + 1 + at  # behind the classifier
        case str(sums):
            weight = laid.offsets[sums] // 4  # counted in words of the arena
    values = [row.stride, row.padding, row.zero, row.kernel, *[row.slots] * laid.slotted]
    values += [row.across, row.beside] * laid.oblong
    values += [row.first, row.height, width]
    values += [channels, row.row_size, laid.offsets.get(row.map, 0), weight, row.unit]
    return f"  {{{row.kind}, {', '.join(map(str, values))}}},\n"


def _array(kind: str, name: str, values: Sequence[int], more: int) -> str:
    """Return an array; of weights, ``more`` behind it where Helium reads so far."""
    texts = [str(value) for value in values]
    lines = [", ".join(texts[i : i + 20]) for i in range(0, len(texts), 20)]
    kind = f"WORD_ALIGNED {kind}" if name == "weights" else kind  # of which four are read at once
    count = f"{len(values)} + HELIUM * {more}" if name == "weights" and more else ""
    return f"static const {kind} {name}[{count}] = {{\n  " + ",\n  ".join(lines) + "\n};\n"
