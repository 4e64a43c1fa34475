"""Float32 C of all that is no convolution: pixels, pooling, blur, gates, means and logits."""

import numpy as np

from smidgen.export.c.float32_text import (
    VECTOR,
    Map,
    Text,
    literal,
    padded,
    write_function,
    write_loop,
)
from smidgen.export.program import Blur, Linear, MaxPool, Normalise, SqueezeExcite
from smidgen.layers.base import sides_of


def read(text: Text, first: Normalise, into: Map) -> None:
    """Write what turns bytes, the channels of a pixel together, into rows of normalised floats."""
    channels, height, width = into.shape
    std = 255 * first.std.astype(np.float64)
    text.table("factor", 1 / std)
    text.table("offset", -first.mean.astype(np.float64) / first.std)
    text.body.append(f"""\
for (int y = 0; y < {height}; y++) {{
    float *row = {into.at("y")};
    const uint8_t *const pixels = source(context, y);
    for (int c = 0; c < {channels}; c++, row += {into.pitch}) {{
      const uint8_t *p = pixels + c;
      for (int x = 0; x < {width}; x++) row[x] = (float)p[x * {channels}] * factor[c] + offset[c];
      clear(row + {width}, {into.pitch - width});
    }}
  }}""")


def pool(text: Text, own: MaxPool, number: int, source: Map, made: Map) -> None:
    """Write the maximum of every window."""
    (rows, columns), step = sides_of(own.kernel_size), own.stride
    width, pitch = made.shape.width, made.pitch
    taps = "".join(
        f"      v = p[{j * source.row + i} + x * {step}], best = v > best ? v : best;\n"
        for j in range(rows)
        for i in range(columns)
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
    if rows == columns == step == 2:  # noqa: PLR2004 - the window of nearly every net
        body = f"#if SHIFTS\n{_halved(source, made)}#else\n{body}#endif\n"
    write_function(text, number, body)


def _halved(source: Map, made: Map) -> str:
    """Return C for a maximum of two by two of rows that vectors hold."""
    stores = ""
    for x in range(0, padded(made.shape.width), VECTOR):
        first, second = (
            f"larger(load(p + {at}), load(p + {at + source.row}))"
            if at < source.pitch
            else "filled(0)"
            for at in (2 * x, 2 * x + VECTOR)
        )
        stores += f"    store(out + {x}, halved({first}, {second}));\n"
    return f"""\
  const float *p = in;
  for (int c = 0; c < {made.shape.channels}; c++, out += {made.pitch}, p += {source.pitch}) {{
{stores}    clear(out + {made.shape.width}, {made.pitch - made.shape.width});
  }}
"""


def blur(text: Text, own: Blur, number: int, source: Map, made: Map) -> None:
    """Write the binomial filter with reflected borders; it asks for the row it is at."""
    _, height, width = source.shape
    reach, k = own.kernel_size // 2, own.kernel_size
    text.scratch(f"line{number}", width + 2 * reach)
    text.table(f"taps{number}", np.array(own.row, np.float64) / sum(own.row))
    body = f"""\
  for (int c = 0; c < {made.shape.channels}; c++, out += {made.pitch}) {{
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
    write_function(text, number, body, "int y, float *RESTRICT line, ")


def average(text: Text, lines: list[str], source: Map, at: str, target: Map, height: int) -> None:
    """Write the mean of every channel, each row added as it comes."""
    channels, _, width = source.shape
    text.body.append(f"clear({target.at('0')}, {target.row});")
    lines.append(f"""const float *last = {at};
    for (int c = 0; c < {channels}; c++) {{
      float sum = 0;
      for (int x = 0; x < {width}; x++) sum += last[c * {source.pitch} + x];
      ({target.at("0")})[c * {target.pitch}] += sum * {literal(1 / (height * width))};
    }}""")
    write_loop(text, lines, height)


def excite(text: Text, own: SqueezeExcite, source: Map, number: int) -> None:
    """Write squeeze-and-excitation, in place: its gates depend on the whole map."""
    channels, height, width = source.shape
    latent = len(own.squeeze)
    text.scratch(f"mean{number}", channels)
    text.scratch(f"hidden{number}", latent)
    text.table(f"squeeze{number}", own.squeeze)
    text.table(f"excite{number}", own.excite)
    text.body.append(f"""\
{{
    for (int c = 0; c < {channels}; c++) {{
      float sum = 0;
      for (int y = 0; y < {height}; y++) {{
        const float *row = {source.at("y")} + c * {source.pitch};
        for (int x = 0; x < {width}; x++) sum += row[x];
      }}
      mean{number}[c] = sum * {literal(1 / (height * width))};
    }}
    for (int l = 0; l < {latent}; l++) {{
      float sum = 0;
      const float *w = squeeze{number} + l * {channels};
      for (int c = 0; c < {channels}; c++) sum += w[c] * mean{number}[c];
      hidden{number}[l] = sum > 0 ? sum : 0;
    }}
    for (int c = 0; c < {channels}; c++) {{
      float sum = 0;
      const float *w = excite{number} + c * {latent};
      for (int l = 0; l < {latent}; l++) sum += w[l] * hidden{number}[l];
      const float gate = sigmoid(sum);
      for (int y = 0; y < {height}; y++) {{
        float *row = {source.at("y")} + c * {source.pitch};
        for (int x = 0; x < {width}; x++) row[x] *= gate;
      }}
    }}
  }}""")


def add(text: Text, beside: Map, into: Map, *, relu: bool) -> None:
    """Write a residual sum, in place of one of its sides."""
    channels, height, width = into.shape
    lines = f"""for (int c = 0; c < {channels}; c++) {{
      const float *p = {beside.at("y")} + c * {beside.pitch};
      float *q = {into.at("y")} + c * {into.pitch};
      for (int x = 0; x < {width}; x++) {{
        const float sum = p[x] + q[x];
        q[x] = {"sum > 0 ? sum : 0" if relu else "sum"};
      }}
    }}"""
    write_loop(text, [lines], height)


def copy(text: Text, source: Map, into: Map) -> None:
    """Write a copy of a map, for what works in place."""
    channels, height, width = into.shape
    lines = f"""for (int c = 0; c < {channels}; c++) {{
      const float *p = {source.at("y")} + c * {source.pitch};
      float *q = {into.at("y")} + c * {into.pitch};
      for (int x = 0; x < {width}; x++) q[x] = p[x];
      clear(q + {width}, {into.pitch - width});
    }}"""
    write_loop(text, [lines], height)


def flatten(text: Text, source: Map, into: Map) -> None:
    """Write all pixels of a map, the channels of each side by side, as channels of one."""
    channels, height, width = source.shape
    lines = f"""for (int x = 0; x < {width}; x++) {{
      for (int c = 0; c < {channels}; c++) {{
        float *q = {into.at("0")} + ((y * {width} + x) * {channels} + c) * {into.pitch};
        q[0] = ({source.at("y")})[c * {source.pitch} + x];
        clear(q + 1, {into.pitch - 1});
      }}
    }}"""
    write_loop(text, [lines], height)


def classify(text: Text, own: Linear, source: Map) -> None:
    """Write the logits from a map of one pixel."""
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
