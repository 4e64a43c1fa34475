"""Float32 C of convolutions, a row at a time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.float32_text import ACCUMULATORS, VECTOR, Map, Text, padded, write_function
from smidgen.export.program import Conv2d


def convolve(text: Text, own: Conv2d, number: int, source: Map, made: Map) -> None:
    """Write a dense convolution: several outputs of several vectors of pixels summed at once."""
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
    write_function(text, number, body + tail(made))


class _Block(NamedTuple):
    """Outputs summed together."""

    outputs: int
    first: int  # of them
    begin: int  # of their weights
    columns: int  # vectors of pixels


def _outputs(own: Conv2d, number: int, block: _Block, source: Map, made: Map) -> str:
    count, first, begin, columns = block
    mask = f"inside_{made.shape.width}_{made.pitch}"
    _, inputs, high, wide = own.weight.shape
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
    if high * wide > 1:
        taps = f"for (int t = 0; t < {inputs * high}; t++) for (int k = 0; k < {wide}; k++) {{"
        row = f"t % {high} * {source.row} + t / {high} * {source.pitch}"
        tap = f"in + {row} + k - {own.padding[1]} + x"
    return (
        f"    {{\n      const float *w = weight{number} + {begin};\n"
        f"      vec {declared};\n      {taps}\n"
        f"        const float *p = {tap};\n        const vec {loads};\n{macs}\n"
        f"        w += {count};\n{close}{stores}\n    }}\n"
    )


def _finished(own: Conv2d, sum_: str, mask: str) -> str:
    return f"within({f'positive({sum_})' if own.relu else sum_}, {mask} + x)"


def tail(made: Map) -> str:
    """Return C that zeroes what the vectors of a row leave of its pitch."""
    width = padded(made.shape.width)
    if width == made.pitch:
        return ""
    count, rest = made.shape.channels, made.pitch - width
    return f"  for (int o = 0; o < {count}; o++) clear(out + o * {made.pitch} + {width}, {rest});\n"


def filter_(text: Text, own: Conv2d, number: int, source: Map, made: Map) -> None:
    """Write a depthwise convolution: a channel after the other, its taps unrolled."""
    channels, _, high, wide = own.weight.shape
    text.table(f"weight{number}", own.weight)
    text.table(f"bias{number}", own.bias)
    mask = text.mask(made.shape.width, made.pitch)
    columns = 2 if padded(made.shape.width) % (2 * VECTOR) == 0 else 1
    whole = padded(made.shape.width) == columns * VECTOR
    declared = ", ".join(f"a{v} = filled(bias{number}[c])" for v in range(columns))
    taps = "".join(
        f"      a{v} += load(p + {j * source.row + i - own.padding[1]} + {v} * LANES)"
        f" * w[{j * wide + i}];\n"
        for j in range(high)
        for i in range(wide)
        for v in range(columns)
    )
    stores = "".join(
        f"      store(out + c * {made.pitch} + x + {v} * LANES, "
        + _finished(own, f"a{v}", f"{mask} + {v} * LANES")
        + ");\n"
        for v in range(columns)
    )
    general = f"      vec {declared};\n{taps}"
    if whole and high == wide == 3:  # noqa: PLR2004 - the kernel of nearly every net
        general = f"#if SHIFTS\n{_shifted(number, source, columns)}#else\n{general}#endif\n"
    body = (
        f"  for (int c = 0; c < {channels}; c++) {{\n"
        f"    const float *w = weight{number} + c * {high * wide};\n"
        f"    for (int x = 0; x < {padded(made.shape.width)}; x += {columns} * LANES) {{\n"
        f"      const float *p = in + c * {source.pitch} + x;\n"
        f"{general}{stores}    }}\n  }}\n"
    )
    write_function(text, number, body + tail(made))


def _shifted(number: int, source: Map, columns: int) -> str:
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


def convolve_strided(text: Text, own: Conv2d, number: int, source: Map, made: Map) -> None:
    """Write a convolution that skips pixels, dense or depthwise, without vectors."""
    outputs, inputs, high, wide = own.weight.shape
    text.table(f"weight{number}", own.weight)
    text.table(f"bias{number}", own.bias)
    channel = "o" if own.depthwise else "c"
    relu = "sum > 0 ? sum : 0" if own.relu else "sum"
    body = f"""\
  const float *w = weight{number};
  for (int o = 0; o < {outputs}; o++, w += {inputs * high * wide}) {{
    for (int x = 0; x < {made.shape.width}; x++) {{
      const float *k = w;
      float sum = bias{number}[o];
      for (int c = 0; c < {inputs}; c++) {{
        for (int j = 0; j < {high}; j++) {{
          const float *p = in + j * {source.row} + {channel} * {source.pitch};
          p += x * {own.stride} - {own.padding[1]};
          for (int i = 0; i < {wide}; i++) sum += p[i] * *k++;
        }}
      }}
      out[o * {made.pitch} + x] = {relu};
    }}
    clear(out + o * {made.pitch} + {made.shape.width}, {made.pitch - made.shape.width});
  }}
"""
    write_function(text, number, body)
