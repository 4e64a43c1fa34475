"""C99 for hosts from an integer program: whole maps, layer by layer, on what the processor has.

One source holds the kernels for AMX with AVX-512 VNNI, AVX-512 VNNI alone, AVX-VNNI, AVX2, Neon and
plain C, and asks the processor when it is called. All of them compute the same integers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from smidgen.export.c.arena import Buffer, place
from smidgen.export.c.host_layers import Plan, Step, planned
from smidgen.export.c.host_map import VECTOR
from smidgen.export.c.host_packed import places
from smidgen.export.c.names import require_identifier
from smidgen.export.c.source import Needed, Source, written
from smidgen.export.c.text import template
from smidgen.export.int8.program import GATES, IntegerProgram

_FIELDS = 35  # numbers in a line of the table of layers
_FILLS = ("CONSTANT", "MIRRORED", "BY_CHANNEL")
_SPARE = "spare"  # a row of a filter that skips pixels
_WIDENED = "widened"  # weights of sixteen outputs, in plain C


class _Kernels(NamedTuple):
    """Kernels of one kind of processor.

    Args:
        name: That their names begin with.
        parts: Templates, what is particular to them first.
        lanes: Sums in a vector.
        tiles: Blocks of outputs, pixels, and from how many pixels on: the first that fits is taken.
        when: They are compiled.
        changed: Of the template.
        tiled: Template of the instructions that multiply tiles, which are compiled from the next
            UPPER_SIMD on.
    """

    name: str
    parts: tuple[str, ...]
    lanes: int
    tiles: tuple[tuple[int, int, int], ...]
    when: str
    changed: tuple[tuple[str, str], ...] = ()
    tiled: str = ""


_NARROW = ((1, 4, 2), (1, 1, 1))
_WIDE = ((4, 4, 2), (4, 1, 1), (2, 8, 5), (2, 4, 1), (1, 16, 12), (1, 8, 6), *_NARROW)
_VNNI = (("AVX2", "AVXVNNI"), ("avx2_", "avxvnni_"), ('"avx2"', '"avx2,avxvnni"'))
# not every clang can be asked whether the processor has it
_WHERE_VNNI = "OF_X86 && UPPER_SIMD > 1 && !defined(__clang__)"
PROCESSORS = (
    _Kernels("plain", ("plain",), 1, _NARROW, "!OF_ARM"),
    _Kernels("avx2", ("avx2", "avx2_dot"), 8, _NARROW, "OF_X86"),
    _Kernels("avxvnni", ("avx2", "avxvnni_dot"), 8, _NARROW, _WHERE_VNNI, _VNNI),
    _Kernels("avx512", ("avx512",), 16, _WIDE, "OF_X86 && UPPER_SIMD > 2", tiled="amx"),
    _Kernels("neon", ("neon",), 4, _NARROW, "OF_ARM"),
)
_CALLS = {  # kinds with kernels for every processor, and those with one for all
    "CONVOLVE": "ISA_convolve(own, in, out)",
    "FILTER": "ISA_filter(own, in, out, arena + SPARE)",
    "AVERAGE": "ISA_average(own, in, out)",
    "EXCITE": "ISA_excite(own, in, out, arena + own->beside)",
    "ADD": "ISA_add(own, in, out, arena + own->beside)",
    "POOL": "ISA_pool(own, in, out)",
    "BLUR": "blur(own, in, out)",
    "FLATTEN": "flatten(own, in, out)",
    "COPY": "copy(own, in, out)",
}
_PLAINLY = {  # with other loops in plain C
    "CONVOLVE": "plain_convolve(own, in, out, (int16_t *)(void *)(arena + WIDENED))",
    "FILTER": "plain_filter(own, in, out)",
}
_ON_TILES = {"CONVOLVE": "ISA_dense(own, in, out)"}


def generate_host(program: IntegerProgram, name: str = "net") -> Source:
    """Return C99 that computes ``program`` bit for bit as :mod:`smidgen.export.int8.simulate` does.

    Args:
        program: As quantised.
        name: A C identifier, of the function and the files.

    Raises:
        ValueError: If the name is no identifier or a layer is beyond what the C can hold; the
            layer's place is named.
    """
    require_identifier(name)
    plan = planned(program)
    offsets, arena = _placed(plan)
    data = _Data(plan)
    layers = "".join(data.line(step, offsets) for step in plan.steps)
    kinds = {step.kind for step in plan.steps}
    filtered = max((step.steps for step in plan.steps if step.kind == "FILTER"), default=0)
    widest = max((step.made.blocks for step in plan.steps if step.kind == "CONVOLVE"), default=1)
    defines = {
        "LAYERS": len(plan.steps),
        "SPARE": offsets.get(_SPARE, 0),
        "WIDENED": offsets.get(_WIDENED, 0),
        "FILTER_STEPS": filtered,
    }
    shared = [
        kind for kind, call in _CALLS.items() if kind in kinds and not call.startswith("ISA_")
    ]
    source = [
        template("host_head.c").replace("KINDS", ", ".join(["READ", *_CALLS, "CLASSIFY"])),
        *(f"#define {key} {value}\n" for key, value in defines.items()),
        *(_array(kind, table, values) for kind, table, values in data.arrays() if values),
        f"static const layer layers[] = {{\n{layers}}};\n",
        template("host_run.c"),
        *(template(f"host_{kind.lower()}.c") for kind in shared),
        *(_kernels(processor, kinds, widest) for processor in PROCESSORS),
        template("host_choose.c"),
    ]
    table_bytes = 4 * _FIELDS * len(plan.steps)
    table_bytes += sum(_BYTES[kind] * len(values) for kind, _, values in data.arrays())
    parts = tuple(sorted(kind.lower() for kind in kinds - {"READ", "CLASSIFY"}))
    needed = Needed(table_bytes, arena, parts, len(plan.steps) - 1, _STACK)
    return written(program, name, "".join(source), needed, scale=program.head.scale)


_STACK = "some ten thousand, if optimised"
_BYTES = {"int8_t": 1, "uint8_t": 1, "int32_t": 4}


def _placed(plan: Plan) -> tuple[dict[str, int], int]:
    """Return the place of every map, and the bytes of all."""
    buffers = {each.name: Buffer(each.size, each.first, each.last) for each in plan.maps}
    skipping = [s for s in plan.steps if s.kind == "FILTER" and s.stride > 1]
    if skipping:
        size = max(s.made.shape.width * s.stride * s.source.pitch for s in skipping)
        buffers[_SPARE] = Buffer(size + 2 * VECTOR, 0, len(plan.steps))
    dense = [128 * s.steps for s in plan.steps if s.kind == "CONVOLVE"]
    if dense:
        buffers[_WIDENED] = Buffer(max(dense), 0, len(plan.steps))
    return place(buffers)


class _Data:
    """The constants of one net."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._places: list[int] = []
        self._margins: list[int] = []

    def arrays(self) -> list[tuple[str, str, Sequence[int]]]:
        """Return type, name and values of each array."""
        plan = self._plan
        gated = any(step.kind == "EXCITE" for step in plan.steps)
        return [
            ("int8_t", "weights", np.concatenate(plan.weights).tolist()),
            ("int32_t", "units", plan.units),
            ("int32_t", "places", self._places),
            ("uint8_t", "margins", self._margins or [0]),
            ("uint8_t", "binomials", plan.taps),
            ("uint8_t", "sigmoid", GATES.tolist() if gated else []),
        ]

    def line(self, step: Step, offsets: dict[str, int]) -> str:
        """Return a layer's line in the table."""
        source, made, beside = step.source, step.made, step.beside
        back = step.padding[0] * source.row + step.padding[1] * source.pitch
        _, height, width = made.shape
        # rows that follow each other without a border are one
        passing = step.kind in ("CONVOLVE", "ADD", "EXCITE") and (*step.kernel, step.stride) == (
            1,
            1,
            1,
        )
        others = [each for each in (source, made, beside) if each is not None]
        if step.kind == "EXCITE":
            others = [source, made]
        if passing and not any(each.border for each in others):
            height, width = 1, height * width
        seen = 0
        if step.taps:
            seen = len(self._places)
            self._places += places(step.taps, source)
        values: list[int | str] = [step.kind]
        values += [offsets[source.name] + source.begin - back, source.row, source.pitch]
        values += [offsets[made.name] + made.begin, made.row, made.pitch]
        values += [offsets[beside.name] + beside.begin, beside.row] if beside else [0, 0]
        values += [height, width, source.shape.height, source.shape.width, source.shape.channels]
        values += [*step.kernel, step.stride, made.blocks, step.steps, seen, step.weight, step.unit]
        values += [2 * (step.zero + 128) + 1, int(step.zero == -128), int(step.quick)]  # noqa: PLR2004
        values += [step.shift, int(step.by_rows), step.chunk]
        values += [*step.zeros, *step.by, made.border, *self._fill(step)]
        assert len(values) == _FIELDS
        return f"  {{{', '.join(map(str, values))}}},\n"

    def _fill(self, step: Step) -> tuple[str, int]:
        fill = step.made.fill
        if fill is None:
            return _FILLS[0], 0
        if fill == "mirrored":
            return _FILLS[1], 0
        if len(set(fill)) == 1:
            return _FILLS[0], fill[0]
        self._margins += [*fill, *[0] * (step.made.pitch - len(fill))]
        return _FILLS[2], len(self._margins) - step.made.pitch


def _kernels(own: _Kernels, kinds: set[str], widest: int) -> str:
    """Return the kernels of one kind of processor, those that a net needs.

    Tiles of more blocks than its ``widest`` dense convolution has are left out: a compiler warned
    that they read past the tables.
    """
    particular = "".join(template(f"host_{part}.c") for part in own.parts[:1])
    for part in own.parts[1:]:
        particular = particular.replace("DOT\n", template(f"host_{part}.c"))
    for old, new in own.changed:
        particular = particular.replace(old, new)
    texts = [template("host_common.c")]
    for kind, call in _CALLS.items():
        if kind in kinds and call.startswith("ISA_"):
            plain = "_plain" * (own.name == "plain" and kind in _PLAINLY)
            texts.append(template(f"host_{kind.lower()}{plain}.c"))
    if own.tiled and "CONVOLVE" in kinds:
        texts.append(_tiled(own.tiled))
    texts += [template("host_classify.c"), template("host_walk.c")]
    calls = _CALLS | (_PLAINLY if own.name == "plain" else {}) | (_ON_TILES if own.tiled else {})
    cases = "".join(
        f"      case {kind}: {call}; break;\n" for kind, call in calls.items() if kind in kinds
    )
    tiles = tuple(tile for tile in own.tiles if tile[0] <= widest)
    sizes = sorted({blocks for blocks, _, _ in tiles}, reverse=True)
    asked = "".join(f"left >= {size} ? {size} : " for size in sizes if size > 1)
    values = {
        "CASES\n": cases,
        "MANY": f"{asked}1" if asked else "left ? 1 : 0",
        "TILES": _tiles(tiles),
        "ISA_": f"{own.name}_",
        "TARGETED": own.name.upper(),
        "MOST": str(max(b * p for b, p, _ in tiles) * 16 // own.lanes),
        "LANES": str(own.lanes),
    }
    text = "".join(texts)
    for old, new in values.items():
        text = text.replace(old, new)
    return f"\n#if {own.when}\n{particular}{text}#endif\n"


def _tiled(instructions: str) -> str:
    """Return C of convolutions on tiles where they are compiled, else of what replaces them."""
    tiles = template(f"host_{instructions}.c") + template("host_tiles.c")
    return (
        f"\n#if UPPER_SIMD > 3\n{tiles}#define ISA_dense ISA_convolve_on_tiles\n"
        "#else\n#define ISA_dense ISA_convolve\n#endif\n"
    )


def _tiles(tiles: tuple[tuple[int, int, int], ...]) -> str:
    """Return C that takes the first tile that fits; the last one always does."""
    most, text = tiles[0][0], ""
    for blocks, pixels, least in tiles:
        asked = [f"many == {blocks}"] * (most > 1) + [f"rest >= {least}"] * (least > 1)
        condition = f"if ({' && '.join(asked)}) " if (blocks, pixels, least) != tiles[-1] else ""
        call = f"ISA_tile(own, p, q, w, unit, {blocks}, {pixels}), pixels = {pixels};"
        text += f"{'else ' if text else ''}{condition}{call}\n        "
    return text.rstrip()


def _array(kind: str, name: str, values: Sequence[int]) -> str:
    texts = [str(value) for value in values]
    joined = ",\n  ".join(", ".join(texts[i : i + 20]) for i in range(0, len(texts), 20))
    return f"static ALIGNED const {kind} {name}[] = {{\n  {joined}\n}};\n"
