"""C99 in float32 from a program: a function a layer, its loops written for its shapes.

Layers that look at one row follow each other row by row; a map is written in full only where a
window of several rows reads it. GCC's and clang's vectors are used where the target has them.
"""

from collections.abc import Sequence

from smidgen.export.c.arena import place
from smidgen.export.c.float32_convolve import convolve, convolve_strided, filter_
from smidgen.export.c.float32_maps import average, blur, classify, excite, pool, read
from smidgen.export.c.float32_packed import convolve_packed, rows_at_once
from smidgen.export.c.float32_text import VECTOR, Map, Text, write_loop
from smidgen.export.c.source import Needed, Source, require_identifier, template, written
from smidgen.export.program import (
    Blur,
    Conv2d,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Normalise,
    Operation,
    Program,
    SqueezeExcite,
)
from smidgen.layers import Shape


def generate_float(program: Program, name: str = "net") -> Source:
    """Return C99 that computes ``program`` in float32, normalisation included.

    Args:
        program: As folded.
        name: A C identifier, of the function and the files.

    Raises:
        ValueError: If the name is no identifier.
    """
    require_identifier(name)
    text = Text()
    steps = list(program.walk())
    first, shape = steps[0]
    assert isinstance(first, Normalise)
    current = _map(text, "pixels_in", shape, steps[1:])
    read(text, first, current)
    place_ = 1
    while place_ < len(steps):
        place_, current = _group(text, steps, place_, current)
    return _written(program, text, name)


def _map(text: Text, name: str, shape: Shape, ahead: Sequence[tuple[Operation, Shape]]) -> Map:
    """Plan a map to be read in full; its border is what its reader looks beyond the picture."""
    border = 0
    excited = 0
    for operation, _ in ahead:
        if isinstance(operation, SqueezeExcite):  # in place: the next reader's border counts
            excited += 1
            continue
        border = operation.padding if isinstance(operation, Conv2d) else 0
        break
    made = Map(name, shape, shape.height, border)
    text.keep(made, until=1 + excited)
    if border:
        span = border * made.row + VECTOR
        end = made.size - span
        text.body.append(f"clear({name}, {span}), clear({name} + {end}, {span});")
    else:
        text.body.append(f"clear({name}, {VECTOR});")
    return made


def _group(
    text: Text, steps: Sequence[tuple[Operation, Shape]], start: int, source: Map
) -> tuple[int, Map]:
    """Write the layers from ``start`` on that pass rows to each other; return what follows."""
    text.epoch += 1
    operation, _ = steps[start]
    if isinstance(operation, SqueezeExcite):
        excite(text, operation, source, start)
        return start + 1, source
    if isinstance(operation, Linear):
        classify(text, operation, source)
        return start + 1, source
    if rows_at_once(*steps[start]) > 1:
        target = _map(text, f"map{start + 1}", steps[start + 1][1], steps[start + 1 :])
        convolve_packed(text, steps[start], start, source, target)
        return start + 1, target
    end = start + (0 if isinstance(operation, GlobalAveragePool) else 1)
    if isinstance(operation, Conv2d):
        while _one_row(steps[end][0]) and rows_at_once(*steps[end]) == 1:
            end += 1
    last = steps[end][0]
    pooled = end > start and isinstance(operation, Conv2d) and isinstance(last, MaxPool)
    pooled = pooled and last.kernel_size == last.stride  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    averaged = isinstance(last, GlobalAveragePool)
    after = end + (1 if pooled or averaged else 0)
    out_shape = steps[after][1]
    target = _map(text, f"map{after}", out_shape, steps[after:])
    _rows(text, steps[start:end], start, source, target, last if pooled or averaged else None)
    return after, target


def _one_row(operation: Operation) -> bool:
    return (
        isinstance(operation, Conv2d)
        and operation.kernel_size == 1
        and operation.stride == 1
        and not operation.depthwise
    )


def _rows(
    text: Text,
    chain: Sequence[tuple[Operation, Shape]],
    start: int,
    source: Map,
    target: Map,
    end: Operation | None,
) -> None:
    """Write the loop that takes each row through ``chain`` and into a pool or an average."""
    lines: list[str] = []
    current, at = source, source.at("y")
    height = chain[-1][0].out_shape(chain[-1][1]).height if chain else source.shape.height
    for index, (operation, shape) in enumerate(chain):
        number, out = start + index, operation.out_shape(shape)
        final = index == len(chain) - 1
        if final and end is None:
            made, to = target, target.at("y")
        else:
            rows = end.kernel_size if final and isinstance(end, MaxPool) else 1
            made = Map(f"row{number}", out, rows, 0)
            text.keep(made, until=0)
            to = made.at(f"y % {rows}" if rows > 1 else "0")
        if isinstance(operation, Blur):
            lines.append(f"layer{number}({current.at('0')}, y, {to});")
        else:
            stride = operation.stride if isinstance(operation, Conv2d | MaxPool) else 1
            border = operation.padding if isinstance(operation, Conv2d) else 0
            begin = at if index else source.at(f"y * {stride} - {border}")
            lines.append(f"layer{number}({begin}, {to});")
        _layer(text, operation, number, current, made)
        current, at = made, to
    if isinstance(end, MaxPool):
        number = start + len(chain)
        _layer(text, end, number, current, target)
        k = end.kernel_size
        pool = f"layer{number}({current.at('0')}, {target.at(f'y / {k}')})"
        lines.append(f"if (y % {k} == {k - 1}) {pool};")
    if isinstance(end, GlobalAveragePool):
        average(text, lines, current, at if chain else source.at("y"), target, height)
        return
    write_loop(text, lines, height)


def _layer(text: Text, operation: Operation, number: int, source: Map, made: Map) -> None:
    match operation:
        case Conv2d() if operation.stride > 1:
            convolve_strided(text, operation, number, source, made)
        case Conv2d() if operation.depthwise:
            filter_(text, operation, number, source, made)
        case Conv2d():
            convolve(text, operation, number, source, made)
        case MaxPool():
            pool(text, operation, number, source, made)
        case Blur():
            blur(text, operation, number, source, made)
        case _:
            raise ValueError(f"float32 C has no form for {type(operation).__name__}")


def _written(program: Program, text: Text, name: str) -> Source:
    offsets, arena = place(text.buffers)
    parts = ["float32_head.c", "float32_clear.c"]
    joined = "".join(text.functions) + "".join(text.body)
    parts += ["float32_reflect.c"] if "reflected(" in joined else []
    parts += ["float32_sigmoid.c"] if "sigmoid(" in joined else []
    masks = ""
    for width, pitch in sorted(text.masks):
        numbers = ", ".join("-1" if x < width else "0" for x in range(pitch))
        masks += f"static const int32_t inside_{width}_{pitch}[] = {{{numbers}}};\n"
    maps = "".join(
        f"  float *const {key} = arena + {at // 4};\n" for key, at in sorted(offsets.items())
    )
    body = "".join(f"  {line}\n" for line in text.body)
    source = (
        f'#include "{name}.h"\n\n'
        + "".join(template(part) for part in parts)
        + "".join(text.tables)
        + masks
        + f"static ALIGNED float arena[{arena // 4}];\n\n"
        + "\n".join(text.functions)
        + f"\nvoid {name}(const uint8_t *pixels, float *logits) {{\n{maps}{body}}}\n"
    )
    table_bytes = text.table_bytes + 4 * sum(pitch for _, pitch in text.masks)
    names = tuple(sorted({type(op).__name__ for op in program.operations}))
    needed = Needed(table_bytes, arena, names, len(program.operations))
    return written(program, name, source, needed, scale=None)
