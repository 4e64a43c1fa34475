"""C99 in float32 from a program: a function a layer, its loops written for its shapes.

Layers that look at one row follow each other row by row; a map is written in full only where a
window of several rows reads it. GCC's and clang's vectors are used where the target has them.
"""

from collections.abc import Sequence
from typing import TypeAlias

from smidgen.export.c.arena import place
from smidgen.export.c.float32_convolve import convolve, convolve_strided, filter_
from smidgen.export.c.float32_maps import (
    add,
    average,
    blur,
    classify,
    copy,
    excite,
    flatten,
    pool,
    read,
)
from smidgen.export.c.float32_packed import convolve_packed, rows_at_once
from smidgen.export.c.float32_text import VECTOR, Map, Text, write_loop
from smidgen.export.c.names import require_identifier
from smidgen.export.c.source import Needed, Source, written
from smidgen.export.c.text import template
from smidgen.export.program import (
    Blur,
    Conv2d,
    Flatten,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Normalise,
    Operation,
    Program,
    Residual,
    SqueezeExcite,
    walk,
)
from smidgen.layers import Shape
from smidgen.layers.base import sides_of

Steps: TypeAlias = Sequence[tuple[Operation, Shape]]
_STACK = "a few hundred, with wide vectors or not optimised some ten thousand"
_APART = "written apart from those that pass rows"


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
    first, *rest = program.walk()
    normalise, shape = first
    assert isinstance(normalise, Normalise)
    pixels = _map(text, "pixels_in", shape, rest)
    read(text, normalise, pixels)
    _sequence(text, rest, pixels, [])
    return _written(program, text, name)


def _map(text: Text, name: str, shape: Shape, ahead: Steps) -> Map:
    """Plan a map to be read in full; its border is what its reader looks beyond the picture."""
    border = _border(ahead)
    made = Map(name, shape, shape.height, border)
    text.keep(made, until=1 + _excited(ahead))
    if border:
        rows = border * made.row
        start, end = made.front + rows, rows + VECTOR
        behind = f"clear({name} + {made.size - end}, {end})"
        text.body.append(f"clear({name}, {start}), {behind};")
    else:
        text.body.append(f"clear({name}, {VECTOR});")
    return made


def _excited(ahead: Steps) -> int:
    """Return how many gates work on a map in place before anybody else reads it."""
    others = (at for at, (own, _) in enumerate(ahead) if not isinstance(own, SqueezeExcite))
    return next(others, len(ahead))


def _border(ahead: Steps) -> int:
    ahead = ahead[_excited(ahead) :]
    if not ahead:
        return 0
    match ahead[0][0]:
        case Conv2d(padding=padding):
            return max(padding)
        case Residual(inner, shortcut):
            sides = (list(walk(side, ahead[0][1])) for side in (inner, shortcut))
            return max(_border([*side, *ahead[1:]]) for side in sides)
        case Normalise() | MaxPool() | Blur() | SqueezeExcite():
            return 0
        case GlobalAveragePool() | Flatten() | Linear():
            return 0


def _sequence(text: Text, steps: Steps, source: Map, ahead: Steps) -> Map:
    """Write layers one after another; ``ahead`` are those that read what they make."""
    place_, base = 0, text.number
    text.number += len(steps)
    while place_ < len(steps):
        place_, source = _group(text, steps, place_, base, source, ahead)
    return source


def _group(
    text: Text, steps: Steps, start: int, base: int, source: Map, ahead: Steps
) -> tuple[int, Map]:
    """Write the layers from ``start`` on that pass rows to each other; return what follows."""
    text.epoch += 1
    operation, shape = steps[start]
    behind, following = start + 1, [*steps[start + 1 :], *ahead]
    match operation:
        case SqueezeExcite():
            excite(text, operation, source, base + start)
            return behind, source
        case Residual():
            return behind, _residual(text, operation, shape, source, following)
        case Flatten():
            target = _map(text, f"map{base + behind}", operation.out_shape(shape), following)
            flatten(text, source, target)
            return behind, target
        case Linear():
            classify(text, operation, source)
            return behind, source
        case Conv2d() if rows_at_once(operation, shape) > 1:
            target = _map(text, f"map{base + behind}", operation.out_shape(shape), following)
            convolve_packed(text, steps[start], base + start, source, target)
            return behind, target
        case Normalise():
            raise ValueError("normalisation must be the first operation and the only one")
        case Conv2d() | MaxPool() | Blur() | GlobalAveragePool():
            return _passing(text, steps, start, base, source, ahead)


def _passing(
    text: Text, steps: Steps, start: int, base: int, source: Map, ahead: Steps
) -> tuple[int, Map]:
    """Write layers each of which takes a row at a time from the one before."""
    operation, _ = steps[start]
    end, last = start, None
    match operation:
        case Conv2d():
            end += 1
            while end < len(steps) and _one_row(*steps[end]):
                end += 1
        case MaxPool() | Blur():
            end += 1
        case GlobalAveragePool():
            pass
        case Normalise() | SqueezeExcite() | Residual() | Flatten() | Linear():
            raise AssertionError(_APART)
    if end < len(steps):
        last = _end(operation, steps[end][0], passed=end > start)
    after = end + (last is not None)
    before, shape = steps[after - 1]
    target = _map(text, f"map{base + after}", before.out_shape(shape), [*steps[after:], *ahead])
    _rows(text, steps[start:end], base + start, source, target, last)
    return after, target


def _end(first: Operation, last: Operation, *, passed: bool) -> MaxPool | GlobalAveragePool | None:
    """Return the pool that takes the rows of the layers before it as they come, if it is one."""
    match last:
        case GlobalAveragePool():
            return last
        case MaxPool(kernel_size, stride):
            whole = kernel_size == stride
            return last if whole and passed and isinstance(first, Conv2d) else None
        case Normalise() | Conv2d() | Blur() | SqueezeExcite() | Residual():
            return None
        case Flatten() | Linear():
            return None


def _residual(text: Text, own: Residual, shape: Shape, source: Map, ahead: Steps) -> Map:
    """Write both sides of a sum, then the sum, in place of what the layers inside made."""
    inner, shortcut = (list(walk(side, shape)) for side in (own.inner, own.shortcut))
    begin = source
    if _excited(inner) or not inner:  # gates work in place, on a map that is read again
        begin = _map(text, f"copy{text.number}", shape, [*inner, *ahead])
        text.number += 1
        copy(text, source, begin)
    made = _sequence(text, inner, begin, ahead)
    beside = _sequence(text, shortcut, source, [])
    text.epoch += 1
    for map_ in (source, beside):
        text.hold(map_, until=0)
    text.hold(made, until=1 + _excited(ahead))
    add(text, beside, made, relu=own.relu)
    return made


def _one_row(operation: Operation, shape: Shape) -> bool:
    return (
        isinstance(operation, Conv2d)
        and rows_at_once(operation, shape) == 1
        and operation.sides == (1, 1)
        and operation.stride == 1
        and not operation.depthwise
    )


def _rows(
    text: Text,
    chain: Steps,
    start: int,
    source: Map,
    target: Map,
    end: MaxPool | GlobalAveragePool | None,
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
            rows = sides_of(end.kernel_size)[0] if final and isinstance(end, MaxPool) else 1
            made = Map(f"row{number}", out, rows, 0)
            text.keep(made, until=0)
            to = made.at(f"y % {rows}" if rows > 1 else "0")
        begin = at if index else _begin(operation, source, number)
        lines.append(f"layer{number}({begin}, {to});")
        _layer(text, operation, number, current, made)
        current, at = made, to
    match end:
        case GlobalAveragePool():
            average(text, lines, current, at if chain else source.at("y"), target, height)
            return
        case MaxPool():
            number = start + len(chain)
            _layer(text, end, number, current, target)
            k, _ = sides_of(end.kernel_size)
            pool = f"layer{number}({current.at('0')}, {target.at(f'y / {k}')})"
            lines.append(f"if (y % {k} == {k - 1}) {pool};")
        case None:
            pass
    write_loop(text, lines, height)


def _begin(operation: Operation, source: Map, number: int) -> str:
    """Return what a layer is told of the map it reads, to make row ``y`` of its own."""
    match operation:
        case Conv2d(stride=stride, padding=(border, _)):
            return source.at(f"y * {stride} - {border}")
        case MaxPool(stride=stride):
            return source.at(f"y * {stride} - 0")
        case Blur():  # which reflects: it looks for its rows itself
            return f"{source.at('0')}, y, line{number}"
        case (
            Normalise() | SqueezeExcite() | Residual() | GlobalAveragePool() | Flatten() | Linear()
        ):
            raise AssertionError(_APART)


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
        case (
            Normalise() | SqueezeExcite() | Residual() | GlobalAveragePool() | Flatten() | Linear()
        ):
            raise AssertionError(_APART)


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
    entry = template("float32_run.c").replace("MAPS", maps).replace("BODY", body)
    source = (
        "".join(template(part) for part in parts)
        + "".join(text.tables)
        + masks
        + "\n".join(text.functions)
        + entry
    )
    table_bytes = text.table_bytes + 4 * sum(pitch for _, pitch in text.masks)
    names = tuple(sorted({type(op).__name__ for op in program.operations}))
    needed = Needed(table_bytes, arena, names, len(program.operations), _STACK)
    return written(program, name, source, needed, scale=None)
