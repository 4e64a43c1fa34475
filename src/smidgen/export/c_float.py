"""C99 in float32 from a program: a function a layer, its loops written for its shapes.

Layers that look at one row follow each other row by row; a map is written in full only where a
window of several rows reads it. GCC's and clang's vectors are used where the target has them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen.export.arena import Buffer, place
from smidgen.export.c import Source, require_identifier
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

VECTOR = 16  # columns a row is padded to
ACCUMULATORS = 16  # vectors summed at once: enough to hide latency, few enough for registers


@dataclass(frozen=True, slots=True)
class _Map:
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
    def size(self) -> int:
        """Floats in all, with a vector of zeros in front and behind."""
        return (self.rows + 2 * self.border) * self.row + 2 * VECTOR

    def at(self, row: str) -> str:
        """Return C for where a row begins, counted from the first row of the picture."""
        return f"{self.name} + {VECTOR + self.border * self.row} + ({row}) * {self.row}"


def _literal(value: float | np.floating) -> str:
    """Return a float32 as a C constant; ``1f`` is none, so whole numbers get a point."""
    text = f"{value:.9g}"
    return f"{text}f" if set(text) & set(".en") else f"{text}.0f"


@dataclass(slots=True)
class _Text:
    """The C of one net while it is written."""

    tables: list[str] = field(default_factory=list[str])
    functions: list[str] = field(default_factory=list[str])
    body: list[str] = field(default_factory=list[str])
    buffers: dict[str, Buffer] = field(default_factory=dict[str, Buffer])
    masks: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    table_bytes: int = 0
    epoch: int = 0

    def table(self, name: str, values: NDArray[np.floating]) -> None:
        flat = values.astype(np.float32).ravel()
        texts = [_literal(value) for value in flat]
        lines = [", ".join(texts[i : i + 8]) for i in range(0, len(texts), 8)]
        joined = ",\n  ".join(lines)
        self.tables.append(f"static const float {name}[] = {{\n  {joined}\n}};\n")
        self.table_bytes += 4 * len(flat)

    def mask(self, width: int, pitch: int) -> str:
        self.masks.add((width, pitch))
        return f"inside_{width}_{pitch}"

    def keep(self, made: _Map, *, until: int) -> None:
        self.buffers[made.name] = Buffer(4 * made.size, self.epoch, self.epoch + until)


def padded(width: int) -> int:
    """Return ``width`` rounded up to whole vectors."""
    return -(-width // VECTOR) * VECTOR


def generate_float(program: Program, name: str = "net") -> Source:
    """Return C99 that computes ``program`` in float32, normalisation included.

    Args:
        program: As folded.
        name: A C identifier, of the function and the files.

    Raises:
        ValueError: If the name is no identifier.
    """
    require_identifier(name)
    text = _Text()
    steps = list(program.walk())
    first, shape = steps[0]
    assert isinstance(first, Normalise)
    current = _map(text, "pixels_in", shape, steps[1:])
    _read(text, first, current)
    place_ = 1
    while place_ < len(steps):
        place_, current = _group(text, steps, place_, current)
    return _written(program, text, name)


def _map(text: _Text, name: str, shape: Shape, ahead: Sequence[tuple[Operation, Shape]]) -> _Map:
    """Plan a map to be read in full; its border is what its reader looks beyond the picture."""
    border = 0
    excited = 0
    for operation, _ in ahead:
        if isinstance(operation, SqueezeExcite):  # in place: the next reader's border counts
            excited += 1
            continue
        border = operation.padding if isinstance(operation, Conv2d) else 0
        break
    made = _Map(name, shape, shape.height, border)
    text.keep(made, until=1 + excited)
    if border:
        span = border * made.row + VECTOR
        end = made.size - span
        text.body.append(f"clear({name}, {span}), clear({name} + {end}, {span});")
    else:
        text.body.append(f"clear({name}, {VECTOR});")
    return made


def _read(text: _Text, first: Normalise, into: _Map) -> None:
    channels, height, width = into.shape
    std = 255 * first.std.astype(np.float64)
    text.table("factor", 1 / std)
    text.table("offset", -first.mean.astype(np.float64) / first.std)
    text.body.append(f"""\
for (int y = 0; y < {height}; y++) {{
    float *row = {into.at("y")};
    for (int c = 0; c < {channels}; c++, row += {into.pitch}) {{
      const uint8_t *p = pixels + y * {width * channels} + c;
      for (int x = 0; x < {width}; x++) row[x] = (float)p[x * {channels}] * factor[c] + offset[c];
      clear(row + {width}, {into.pitch - width});
    }}
  }}""")


def _group(
    text: _Text, steps: Sequence[tuple[Operation, Shape]], start: int, source: _Map
) -> tuple[int, _Map]:
    """Write the layers from ``start`` on that pass rows to each other; return what follows."""
    text.epoch += 1
    operation, _ = steps[start]
    if isinstance(operation, SqueezeExcite):
        _excite(text, operation, source, start)
        return start + 1, source
    if isinstance(operation, Linear):
        _classify(text, operation, source)
        return start + 1, source
    if _rows_at_once(*steps[start]) > 1:
        target = _map(text, f"map{start + 1}", steps[start + 1][1], steps[start + 1 :])
        _packed(text, steps[start], start, source, target)
        return start + 1, target
    end = start + (0 if isinstance(operation, GlobalAveragePool) else 1)
    if isinstance(operation, Conv2d):
        while _one_row(steps[end][0]) and _rows_at_once(*steps[end]) == 1:
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


def _rows_at_once(operation: Operation, shape: Shape) -> int:
    """Return how many rows of a dense convolution's result one vector holds, all groups whole."""
    if not isinstance(operation, Conv2d) or operation.depthwise or operation.stride > 1:
        return 1
    out = operation.out_shape(shape)
    most = VECTOR // min(out.width, VECTOR)
    return max(rows for rows in range(1, most + 1) if out.height % rows == 0)


def _packed(
    text: _Text, step: tuple[Operation, Shape], number: int, source: _Map, made: _Map
) -> None:
    """Write a convolution of a narrow map, several rows in a vector.

    What each tap sees is first gathered, so that sums run over whole vectors; they are then laid
    out in rows again.
    """
    own, shape = step
    assert isinstance(own, Conv2d)
    outputs, inputs, side, _ = own.weight.shape
    rows, width = _rows_at_once(own, shape), made.shape.width
    taps = inputs * side * side
    for name, count in ((f"taps{number}", taps), (f"sums{number}", outputs)):
        text.buffers[name] = Buffer(4 * count * VECTOR, text.epoch, text.epoch)
    blocks = range(0, outputs, ACCUMULATORS)
    parts = [own.weight[at : at + ACCUMULATORS].transpose(1, 2, 3, 0) for at in blocks]
    text.table(f"weight{number}", np.concatenate([part.ravel() for part in parts]))
    text.table(f"bias{number}", own.bias)
    loops = ""
    for at, part in zip(blocks, parts, strict=True):
        count = part.shape[-1]
        declared = ", ".join(f"a{o} = filled(bias{number}[{at + o}])" for o in range(count))
        macs = " ".join(f"a{o} += v * w[{o}];" for o in range(count))
        sums = [f"positive(a{o})" if own.relu else f"a{o}" for o in range(count)]
        stores = " ".join(
            f"store(sums + {(at + o) * VECTOR} + x, {sum_});" for o, sum_ in enumerate(sums)
        )
        loops += f"""\
    {{
      vec {declared};
      for (int t = 0; t < {taps}; t++, w += {count}) {{
        const vec v = load(taps + t * {VECTOR} + x);
        {macs}
      }}
      {stores}
    }}
"""
    body = f"""\
  float *to = taps;
  for (int c = 0; c < {inputs}; c++)
    for (int j = 0; j < {side}; j++)
      for (int k = 0; k < {side}; k++, to += {VECTOR})
        for (int r = 0; r < {rows}; r++) {{
          const float *p = in + (r + j) * {source.row} + c * {source.pitch} + k - {own.padding};
          for (int i = 0; i < {width}; i++) to[r * {width} + i] = p[i];
        }}
  for (int x = 0; x < {VECTOR}; x += LANES) {{
    const float *w = weight{number};
{loops}  }}
  for (int o = 0; o < {outputs}; o++)
    for (int r = 0; r < {rows}; r++) {{
      float *p = out + r * {made.row} + o * {made.pitch};
      for (int i = 0; i < {width}; i++) p[i] = sums[o * {VECTOR} + r * {width} + i];
      clear(p + {width}, {made.pitch - width});
    }}
"""
    _function(text, number, body, "float *restrict taps, float *restrict sums, ")
    begin, to = source.at(f"y - {own.padding}"), made.at("y")
    call = f"layer{number}({begin}, taps{number}, sums{number}, {to});"
    _loop(text, [call], made.shape.height, rows)


def _rows(
    text: _Text,
    chain: Sequence[tuple[Operation, Shape]],
    start: int,
    source: _Map,
    target: _Map,
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
            made = _Map(f"row{number}", out, rows, 0)
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
        _average(text, lines, current, at if chain else source.at("y"), target, height)
        return
    _loop(text, lines, height)


def _loop(text: _Text, lines: Iterable[str], height: int, rows: int = 1) -> None:
    joined = "\n    ".join(lines)
    text.body.append(f"for (int y = 0; y < {height}; y += {rows}) {{\n    {joined}\n  }}")


def _average(
    text: _Text, lines: list[str], source: _Map, at: str, target: _Map, height: int
) -> None:
    channels, _, width = source.shape
    text.body.append(f"clear({target.at('0')}, {target.row});")
    lines.append(f"""const float *last = {at};
    for (int c = 0; c < {channels}; c++) {{
      float sum = 0;
      for (int x = 0; x < {width}; x++) sum += last[c * {source.pitch} + x];
      ({target.at("0")})[c * {target.pitch}] += sum * {_literal(1 / (height * width))};
    }}""")
    _loop(text, lines, height)


def _layer(text: _Text, operation: Operation, number: int, source: _Map, made: _Map) -> None:
    match operation:
        case Conv2d() if operation.stride > 1:
            _strided(text, operation, number, source, made)
        case Conv2d() if operation.depthwise:
            _filter(text, operation, number, source, made)
        case Conv2d():
            _convolve(text, operation, number, source, made)
        case MaxPool():
            _pool(text, operation, number, source, made)
        case Blur():
            _blur(text, operation, number, source, made)
        case _:
            raise ValueError(f"float32 C has no form for {type(operation).__name__}")


def _function(text: _Text, number: int, body: str, extra: str = "") -> None:
    text.functions.append(
        f"static void layer{number}(const float *restrict in, {extra}float *restrict out) {{\n"
        f"{body}}}\n"
    )


def _finished(own: Conv2d, sum_: str, mask: str) -> str:
    return f"within({f'positive({sum_})' if own.relu else sum_}, {mask} + x)"


def _tail(made: _Map) -> str:
    """Return C that zeroes what the vectors of a row leave of its pitch."""
    width = padded(made.shape.width)
    if width == made.pitch:
        return ""
    count, rest = made.shape.channels, made.pitch - width
    return f"  for (int o = 0; o < {count}; o++) clear(out + o * {made.pitch} + {width}, {rest});\n"


def _convolve(text: _Text, own: Conv2d, number: int, source: _Map, made: _Map) -> None:
    outputs = len(own.weight)
    columns = 2 if padded(made.shape.width) % (2 * VECTOR) == 0 else 1
    block = min(outputs, ACCUMULATORS // columns)
    text.mask(made.shape.width, made.pitch)
    weights = list[NDArray[np.floating]]()
    loops = ""
    for first in range(0, outputs, block):
        part = own.weight[first : first + block]
        begin = sum(w.size for w in weights)
        weights.append(part.transpose(1, 2, 3, 0))  # taps, then outputs
        block_ = _Block(part.shape[0], first, begin, columns)
        loops += _outputs(own, number, block_, source, made)
    text.table(f"weight{number}", np.concatenate([w.ravel() for w in weights]))
    text.table(f"bias{number}", own.bias)
    step = f"{columns} * LANES"
    body = f"  for (int x = 0; x < {padded(made.shape.width)}; x += {step}) {{\n{loops}  }}\n"
    _function(text, number, body + _tail(made))


class _Block(NamedTuple):
    """Outputs summed together."""

    outputs: int
    first: int  # of them
    begin: int  # of their weights
    columns: int  # vectors of pixels


def _outputs(own: Conv2d, number: int, block: _Block, source: _Map, made: _Map) -> str:
    count, first, begin, columns = block
    mask = f"inside_{made.shape.width}_{made.pitch}"
    _, inputs, side, _ = own.weight.shape
    sums = [(o, v) for o in range(count) for v in range(columns)]
    declared = ", ".join(f"a{o}_{v} = filled(bias{number}[{first + o}])" for o, v in sums)
    loads = ", ".join(f"x{v} = load(p + {v} * LANES)" for v in range(columns))
    macs = "\n".join(
        "        " + " ".join(f"a{o}_{v} += x{v} * w[{o}];" for v in range(columns))
        for o in range(count)
    )
    stores = "\n".join(
        f"      store(out + {(first + o) * made.pitch} + x + {v} * LANES, "
        + _finished(own, f"a{o}_{v}", f"{mask} + {v} * LANES")
        + ");"
        for o, v in sums
    )
    taps = f"for (int c = 0; c < {inputs}; c++) {{"
    tap = f"in + c * {source.pitch} + x"
    close = "      }\n"
    if side > 1:
        taps = f"for (int t = 0; t < {inputs * side}; t++) for (int k = 0; k < {side}; k++) {{"
        row = f"t % {side} * {source.row} + t / {side} * {source.pitch}"
        tap = f"in + {row} + k - {own.padding} + x"
    return (
        f"    {{\n      const float *w = weight{number} + {begin};\n"
        f"      vec {declared};\n      {taps}\n"
        f"        const float *p = {tap};\n        const vec {loads};\n{macs}\n"
        f"        w += {count};\n{close}{stores}\n    }}\n"
    )


def _filter(text: _Text, own: Conv2d, number: int, source: _Map, made: _Map) -> None:
    channels, _, side, _ = own.weight.shape
    text.table(f"weight{number}", own.weight)
    text.table(f"bias{number}", own.bias)
    mask = text.mask(made.shape.width, made.pitch)
    columns = 2 if padded(made.shape.width) % (2 * VECTOR) == 0 else 1
    whole = padded(made.shape.width) == columns * VECTOR
    declared = ", ".join(f"a{v} = filled(bias{number}[c])" for v in range(columns))
    taps = "".join(
        f"      a{v} += load(p + {j * source.row + i - own.padding} + {v} * LANES)"
        f" * w[{j * side + i}];\n"
        for j in range(side)
        for i in range(side)
        for v in range(columns)
    )
    stores = "".join(
        f"      store(out + c * {made.pitch} + x + {v} * LANES, "
        + _finished(own, f"a{v}", f"{mask} + {v} * LANES")
        + ");\n"
        for v in range(columns)
    )
    general = f"      vec {declared};\n{taps}"
    if whole and side == 3:  # noqa: PLR2004 - the kernel of nearly every net
        general = f"#if SHIFTS\n{_shifted(number, source, columns)}#else\n{general}#endif\n"
    body = (
        f"  for (int c = 0; c < {channels}; c++) {{\n"
        f"    const float *w = weight{number} + c * {side * side};\n"
        f"    for (int x = 0; x < {padded(made.shape.width)}; x += {columns} * LANES) {{\n"
        f"      const float *p = in + c * {source.pitch} + x;\n"
        f"{general}{stores}    }}\n  }}\n"
    )
    _function(text, number, body + _tail(made))


def _shifted(number: int, source: _Map, columns: int) -> str:
    """Return C for a 3x3 filter of rows that registers hold: sums by column, shifted at the end.

    So only aligned vectors are read. What shifts in from outside the row is the border, 0.
    """
    lines: list[str] = []
    for v in range(columns):
        lines += [f"r{j}_{v} = load(p + {j * source.row} + {v} * LANES)" for j in range(3)]
        for k in range(3):
            bias = f"filled(bias{number}[c])" if k == 1 else "filled(0)"
            sums = " + ".join(f"r{j}_{v} * w[{3 * j + k}]" for j in range(3))
            lines.append(f"s{k}_{v} = {bias} + {sums}")
    for v in range(columns):
        left = f"s0_{v - 1}" if v else "filled(0)"
        right = f"s2_{v + 1}" if v + 1 < columns else "filled(0)"
        lines.append(f"a{v} = s1_{v} + later({left}, s0_{v}) + sooner(s2_{v}, {right})")
    return "      const vec " + ",\n          ".join(lines) + ";\n"


def _strided(text: _Text, own: Conv2d, number: int, source: _Map, made: _Map) -> None:
    outputs, inputs, side, _ = own.weight.shape
    text.table(f"weight{number}", own.weight)
    text.table(f"bias{number}", own.bias)
    channel = "o" if own.depthwise else "c"
    relu = "sum > 0 ? sum : 0" if own.relu else "sum"
    body = f"""\
  const float *w = weight{number};
  for (int o = 0; o < {outputs}; o++, w += {inputs * side * side}) {{
    for (int x = 0; x < {made.shape.width}; x++) {{
      const float *k = w;
      float sum = bias{number}[o];
      for (int c = 0; c < {inputs}; c++) {{
        for (int j = 0; j < {side}; j++) {{
          const float *p = in + j * {source.row} + {channel} * {source.pitch};
          p += x * {own.stride} - {own.padding};
          for (int i = 0; i < {side}; i++) sum += p[i] * *k++;
        }}
      }}
      out[o * {made.pitch} + x] = {relu};
    }}
    clear(out + o * {made.pitch} + {made.shape.width}, {made.pitch - made.shape.width});
  }}
"""
    _function(text, number, body)


def _pool(text: _Text, own: MaxPool, number: int, source: _Map, made: _Map) -> None:
    k, step = own.kernel_size, own.stride
    width, pitch = made.shape.width, made.pitch
    taps = "".join(
        f"      v = p[{j * source.row + i} + x * {step}], best = v > best ? v : best;\n"
        for j in range(k)
        for i in range(k)
        if j or i
    )
    body = f"""\
  for (int c = 0; c < {made.shape.channels}; c++, out += {pitch}) {{
    const float *p = in + c * {source.pitch};
    for (int x = 0; x < {width}; x++) {{
      float best = p[x * {step}], v = best;
{taps}      out[x] = v > best ? v : best;
    }}
    clear(out + {width}, {pitch - width});
  }}
"""
    _function(text, number, body)


def _blur(text: _Text, own: Blur, number: int, source: _Map, made: _Map) -> None:
    _, height, width = source.shape
    reach, k = own.kernel_size // 2, own.kernel_size
    text.table(f"taps{number}", np.array(own.row, np.float64) / sum(own.row))
    body = f"""\
  for (int c = 0; c < {made.shape.channels}; c++, out += {made.pitch}) {{
    float line[{width + 2 * reach}];
    for (int x = 0; x < {width}; x++) {{
      float sum = 0;
      for (int j = 0; j < {k}; j++) {{
        const int at = reflected(y * {own.stride} - {reach} + j, {height});
        sum += in[at * {source.row} + c * {source.pitch} + x] * taps{number}[j];
      }}
      line[x + {reach}] = sum;
    }}
    for (int i = 1; i <= {reach}; i++) {{
      line[{reach} - i] = line[{reach} + reflected(-i, {width})];
      line[{reach + width} - 1 + i] = line[{reach} + reflected({width} - 1 + i, {width})];
    }}
    for (int x = 0; x < {made.shape.width}; x++) {{
      float sum = 0;
      for (int i = 0; i < {k}; i++) sum += line[x * {own.stride} + i] * taps{number}[i];
      out[x] = sum;
    }}
    clear(out + {made.shape.width}, {made.pitch - made.shape.width});
  }}
"""
    _function(text, number, body, "int y, ")


def _excite(text: _Text, own: SqueezeExcite, source: _Map, number: int) -> None:
    channels, height, width = source.shape
    latent = len(own.squeeze)
    text.table(f"squeeze{number}", own.squeeze)
    text.table(f"excite{number}", own.excite)
    text.body.append(f"""\
{{
    float mean[{channels}], hidden[{latent}];
    for (int c = 0; c < {channels}; c++) {{
      float sum = 0;
      for (int y = 0; y < {height}; y++) {{
        const float *row = {source.at("y")} + c * {source.pitch};
        for (int x = 0; x < {width}; x++) sum += row[x];
      }}
      mean[c] = sum * {_literal(1 / (height * width))};
    }}
    for (int l = 0; l < {latent}; l++) {{
      float sum = 0;
      for (int c = 0; c < {channels}; c++) sum += squeeze{number}[l * {channels} + c] * mean[c];
      hidden[l] = sum > 0 ? sum : 0;
    }}
    for (int c = 0; c < {channels}; c++) {{
      float sum = 0;
      for (int l = 0; l < {latent}; l++) sum += excite{number}[c * {latent} + l] * hidden[l];
      const float gate = sigmoid(sum);
      for (int y = 0; y < {height}; y++) {{
        float *row = {source.at("y")} + c * {source.pitch};
        for (int x = 0; x < {width}; x++) row[x] *= gate;
      }}
    }}
  }}""")


def _classify(text: _Text, own: Linear, source: _Map) -> None:
    classes, channels = own.weight.shape
    text.table("head", own.weight)
    text.table("head_bias", own.bias)
    text.body.append(f"""\
for (int k = 0; k < {classes}; k++) {{
    float sum = head_bias[k];
    for (int c = 0; c < {channels}; c++) {{
      sum += head[k * {channels} + c] * ({source.at("0")})[c * {source.pitch}];
    }}
    logits[k] = sum;
  }}""")


def _written(program: Program, text: _Text, name: str) -> Source:
    offsets, arena = place(text.buffers)
    parts = ["float_head.c", "float_clear.c"]
    joined = "".join(text.functions) + "".join(text.body)
    parts += ["float_reflect.c"] if "reflected(" in joined else []
    parts += ["float_sigmoid.c"] if "sigmoid(" in joined else []
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
        + "".join(_template(part) for part in parts)
        + "".join(text.tables)
        + masks
        + f"static ALIGNED float arena[{arena // 4}];\n\n"
        + "\n".join(text.functions)
        + f"\nvoid {name}(const uint8_t *pixels, float *logits) {{\n{maps}{body}}}\n"
    )
    table_bytes = text.table_bytes + 4 * sum(pitch for _, pitch in text.masks)
    header = _header(program, name, table_bytes, arena)
    names = tuple(sorted({type(op).__name__ for op in program.operations}))
    return Source(
        name,
        header,
        source,
        table_bytes,
        arena,
        names,
        program.classes,
        "float",
        len(program.operations),
    )


def _header(program: Program, name: str, table_bytes: int, arena: int) -> str:
    channels, height, width = program.input_shape
    upper = name.upper()
    return f"""#ifndef {upper}_H
#define {upper}_H
/* {program.name}, float32.
   Tables: {table_bytes} bytes. Static memory: {arena} bytes, so one call at a time. */
#include <stdint.h>

#define {upper}_HEIGHT {height}
#define {upper}_WIDTH {width}
#define {upper}_CHANNELS {channels}
#define {upper}_PIXELS {program.input_shape.elements}
#define {upper}_CLASSES {program.classes}

/* Takes bytes as they come from a camera, row by row, the channels of a pixel together. */
void {name}(const uint8_t *pixels, float *logits);

#endif
"""


def _template(part: str) -> str:
    return (resources.files("smidgen.export") / "templates" / part).read_text()
