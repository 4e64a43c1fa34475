"""Float32 C of convolutions of narrow maps: several rows in a vector."""

import numpy as np

from smidgen.export.c.float32_text import (
    ACCUMULATORS,
    VECTOR,
    Map,
    Text,
    write_function,
    write_loop,
)
from smidgen.export.program import Conv2d, Operation
from smidgen.layers import Shape


def rows_at_once(operation: Operation, shape: Shape) -> int:
    """Return how many rows of a dense convolution's result one vector holds, all groups whole."""
    if not isinstance(operation, Conv2d) or operation.depthwise or operation.stride > 1:
        return 1
    out = operation.out_shape(shape)
    most = VECTOR // min(out.width, VECTOR)
    return max(rows for rows in range(1, most + 1) if out.height % rows == 0)


def convolve_packed(
    text: Text, step: tuple[Operation, Shape], number: int, source: Map, made: Map
) -> None:
    """Write a convolution of a narrow map, several rows in a vector.

    What each tap sees is first gathered, so that sums run over whole vectors; they are then laid
    out in rows again.
    """
    own, shape = step
    assert isinstance(own, Conv2d)
    outputs, inputs, high, wide = own.weight.shape
    rows, width = rows_at_once(own, shape), made.shape.width
    taps = inputs * high * wide
    for name, count in ((f"taps{number}", taps), (f"sums{number}", outputs)):
        text.scratch(name, count * VECTOR)
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
    for (int j = 0; j < {high}; j++)
      for (int k = 0; k < {wide}; k++, to += {VECTOR})
        for (int r = 0; r < {rows}; r++) {{
          const float *p = in + (r + j) * {source.row} + c * {source.pitch} + k - {own.padding[1]};
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
    write_function(text, number, body, "float *RESTRICT taps, float *RESTRICT sums, ")
    begin, to = source.at(f"y - {own.padding[0]}"), made.at("y")
    call = f"layer{number}({begin}, taps{number}, sums{number}, {to});"
    write_loop(text, [call], made.shape.height, rows)
