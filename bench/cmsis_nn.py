"""C that calls CMSIS-NN's functions for an integer program, and their build from a checkout.

Whole maps in two buffers, each function by its wrapper, with the program's own weights,
multipliers and zero points. The library has no way to say two things that a program says: a border
of its own for every colour (see one_border), and a mean or logits that are not rounded to the
input's scale. So a mean is arm_avgpool_s8's, and the logits are int8: see Head.
"""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smidgen.export.int8.program import (
    IntAverage,
    IntConv2d,
    IntegerProgram,
    IntLinear,
    IntOperation,
    Rescale,
)
from smidgen.export.int8.quantize import rescale
from smidgen.export.int8.simulate import requantise, simulate, trace
from smidgen.export.program import Flatten, MaxPool, Pixels
from smidgen.layers import Shape
from smidgen.layers.base import sides_of

HEADER = "arm_nnfunctions.h"
FOLDERS = ("Convolution", "FullyConnected", "Pooling", "NNSupport")
CALLED = "&context, &parameters, &quant, &in, {read}, &filter, weights_{at}, &bias, bias_{at}, &out"


@dataclass(frozen=True, slots=True)
class Head:
    """The last two layers on the scales that the library can hold.

    Args:
        weight: Of the classifier.
        bias: In steps of its sums.
        offset: Added to what it reads: less the zero point.
        by: From its sums to int8.
        step: Of an answer, in the program's logits.
        averaged: Whether means come before it, on the scale of the map.
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    offset: int
    by: Rescale
    step: float
    averaged: bool


def one_border(program: IntegerProgram) -> IntegerProgram:
    """Return a program whose borders are one number for all channels."""

    def plain(operation: IntOperation) -> IntOperation:
        if not isinstance(operation, IntConv2d):
            return operation
        border = np.full_like(operation.padding_value, operation.padding_value[0])
        return replace(operation, padding_value=border)

    return replace(program, operations=tuple(map(plain, program.operations)))


def head_of(program: IntegerProgram, pixels: Pixels) -> Head:
    """Return the end of a program; logits fill int8 on ``pixels``."""
    *body, last = program.operations
    assert isinstance(last, IntLinear)
    step = float(np.abs(simulate(program, pixels)).max()) / 127
    before = body[-1] if body else None
    if not isinstance(before, IntAverage):
        by = rescale([1 / step], 0, last.scale * step)
        return Head(last.weight, last.bias, 0, by, step, averaged=False)
    shape = _shapes(program)[len(body) - 1]
    own = before.rescale
    factor = (
        float(own.multiplier[0]) * 2.0 ** (-31 - int(own.shift[0])) * shape.height * shape.width
    )
    bias = last.bias + own.zero * last.weight.astype(np.int64).sum(1)
    whole = np.rint(bias / factor).astype(np.int32)
    by = rescale([factor / step], 0, last.scale * step)
    return Head(last.weight, whole, -before.zero, by, step, averaged=True)


def answers(program: IntegerProgram, head: Head, pixels: Pixels) -> NDArray[np.int8]:
    """Return what the library's arithmetic makes of the last layers: int8 logits."""
    maps = [(pixels.transpose(0, 2, 3, 1).astype(np.int16) - 128).astype(np.int8)]
    maps += trace(program, pixels)
    read = maps[-3] if head.averaged else maps[-2]
    if head.averaged:
        count = read.shape[1] * read.shape[2]
        sums = read.astype(np.int32).sum((1, 2))
        halves = np.where(sums > 0, sums + count // 2, sums - count // 2)
        read = np.trunc(halves / count)
    flat = read.reshape(len(read), -1).astype(np.int32)
    return requantise((flat + head.offset) @ head.weight.T.astype(np.int32) + head.bias, head.by)


def driver(program: IntegerProgram, head: Head) -> str:
    """Return C whose ``net`` answers one picture through the library.

    Raises:
        ValueError: If there is a layer that it has no function for; the layer is named.
    """
    tables: list[str] = []
    calls: list[str] = []
    shapes = _shapes(program)
    largest, scratch, read = max(s.elements for s in shapes[:-1]), 4, "maps[0]"
    for at, (operation, shape) in enumerate(zip(program.operations, shapes, strict=False)):
        after, write = shapes[at + 1], f"maps[{(len(calls) + 1) % 2}]"
        match operation:
            case IntConv2d():
                tables += _tables(at, operation)
                calls.append(_convolved(at, operation, shape, after, read, write))
                scratch = max(
                    scratch, 4 * (operation.weight[0].size + 4), 2 * operation.weight.size
                )
            case MaxPool(kernel_size, stride):
                window = (sides_of(kernel_size), stride)
                calls.append(_pooled("max_pool", window, shape, after, read, write))
            case IntAverage():
                window = ((shape.height, shape.width), 1)
                calls.append(_pooled("avgpool", window, shape, after, read, write))
                scratch = max(scratch, 4 * shape.channels)
            case Flatten():
                continue
            case IntLinear():
                tables += _arrays(at, head.weight, head.bias, head.by)
                calls.append(_classified(at, head, read))
                scratch = max(scratch, 4 * len(head.bias))
            case _:
                raise ValueError(f"CMSIS-NN's driver has no {type(operation).__name__}")
        read = write
    shape = shapes[0]
    return f"""#include "net.h"

#include <stdlib.h>

#include "{HEADER}"

{"".join(tables)}
static int8_t maps[2][{largest}] __attribute__((aligned(4))), classes[NET_CLASSES];
static int32_t scratch[{scratch // 4 + 1}];
static const cmsis_nn_activation all = {{-128, 127}};

static cmsis_nn_context room(int32_t size) {{
  const cmsis_nn_context context = {{scratch, size}};
  if (size > (int32_t)sizeof scratch) abort();
  return context;
}}

static void done(arm_cmsis_nn_status status) {{
  if (status != ARM_CMSIS_NN_SUCCESS) abort();
}}

void net(const uint8_t *pixels, int32_t *logits) {{
  for (int i = 0; i < {shape.elements}; i++) maps[0][i] = (int8_t)(pixels[i] - 128);
{"".join(calls)}  for (int i = 0; i < NET_CLASSES; i++) logits[i] = classes[i];
}}
"""


def header(program: IntegerProgram) -> str:
    """Return the header that goes with it."""
    return (
        "#include <stdint.h>\n"
        f"#define NET_PIXELS {program.input_shape.elements}\n"
        f"#define NET_CLASSES {program.classes}\n"
        "void net(const uint8_t *pixels, int32_t *logits);\n"
    )


def build(compiler: Sequence[str], checkout: Path, folder: Path) -> None:
    """Make net.o in ``folder``: the driver with all that it calls, and nothing else.

    Raises:
        RuntimeError: If ``checkout`` is none, or something does not compile.
    """
    if not (checkout / "Include" / HEADER).is_file():
        raise RuntimeError(f"missing: {checkout} has no Include/{HEADER}")
    apart = ["-ffunction-sections", "-fdata-sections", f"-I{checkout / 'Include'}"]
    objects = ["driver.o"]
    _call([*compiler, *apart, "-c", "net.c", "-o", "driver.o"], folder)
    for source in _sources(checkout):
        objects.append(f"{source.stem}.o")
        _call([*compiler, *apart, "-c", str(source), "-o", objects[-1]], folder)
    joined = ["-nostdlib", "-r", "-Wl,--gc-sections,-u,net,-e,net"]
    _call([*compiler, *joined, *objects, "-o", "net.o"], folder)


def version_of(checkout: Path) -> str:
    """Return the commit of a checkout, or that it has none."""
    command = ["git", "-C", str(checkout), "log", "-1", "--format=%h"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "a folder without git"


def _sources(checkout: Path) -> Iterator[Path]:
    """Yield the files whose functions may be called: those for int8 and what they stand on."""
    for folder in FOLDERS:
        for path in sorted((checkout / "Source" / f"{folder}Functions").glob("*.c")):
            if not path.stem.endswith(("f16", "f32", "s16", "s4")):
                yield path


def _shapes(program: IntegerProgram) -> list[Shape]:
    shapes = [program.input_shape]
    for operation in program.operations:
        shapes.append(operation.out_shape(shapes[-1]))
    return shapes


def _tables(at: int, conv: IntConv2d) -> list[str]:
    zero = int(conv.padding_value[0])
    bias = conv.bias + zero * conv.weight.astype(np.int64).sum((1, 2, 3))
    order = (1, 2, 3, 0) if conv.depthwise else (0, 2, 3, 1)
    return _arrays(at, conv.weight.transpose(order), bias, conv.rescale)


def _arrays(at: int, weight: NDArray[Any], bias: NDArray[Any], by: Rescale) -> list[str]:
    count = len(bias)
    shifts = np.broadcast_to(-by.shift, count)
    multipliers = np.broadcast_to(by.multiplier, count)
    found = (("int8_t", "weights", weight), ("int32_t", "bias", bias))
    found += (("int32_t", "multiplier", multipliers), ("int32_t", "shift", shifts))
    return [
        f"static const {kind} {name}_{at}[] = {{{', '.join(map(str, values.ravel().tolist()))}}};\n"
        for kind, name, values in found
    ]


def _dims(name: str, n: int, h: int, w: int, c: int) -> str:
    return f"    const cmsis_nn_dims {name} = {{{n}, {h}, {w}, {c}}};\n"


def _of(name: str, shape: Shape) -> str:
    return _dims(name, 1, shape.height, shape.width, shape.channels)


def _convolved(at: int, conv: IntConv2d, shape: Shape, after: Shape, read: str, write: str) -> str:
    name, kind, more = "convolve_wrapper", "conv", ""
    sides = _dims("filter", after.channels, *conv.sides, shape.channels)
    if conv.depthwise:
        name, kind, more = "depthwise_conv_wrapper", "dw_conv", "1, "
        sides = _dims("filter", 1, *conv.sides, after.channels)
    above, beside = conv.padding
    offsets = f"{-int(conv.padding_value[0])}, {conv.rescale.zero}, {more}"
    tiles = f"{{{conv.stride}, {conv.stride}}}, {{{beside}, {above}}}, {{1, 1}}, all"
    quant = f"{{(int32_t *)multiplier_{at}, (int32_t *)shift_{at}}}"
    return (
        "  {\n"
        f"{_of('in', shape)}{sides}{_of('out', after)}{_dims('bias', 1, 1, 1, after.channels)}"
        f"    const cmsis_nn_{kind}_params parameters = {{{offsets}{tiles}}};\n"
        f"    const cmsis_nn_per_channel_quant_params quant = {quant};\n"
        f"    const cmsis_nn_context context ="
        f" room(arm_{name}_s8_get_buffer_size(&parameters, &in, &filter, &out));\n"
        f"    done(arm_{name}_s8({CALLED.format(read=read, at=at)}, {write}));\n  }}\n"
    )


def _pooled(
    name: str,
    window: tuple[tuple[int, int], int],
    shape: Shape,
    after: Shape,
    read: str,
    write: str,
) -> str:
    (rows, columns), stride = window
    size = f"arm_avgpool_s8_get_buffer_size({after.width}, {shape.channels})"
    called = f"arm_{name}_s8(&context, &parameters, &in, {read}, &filter, &out, {write})"
    return (
        "  {\n"
        f"{_of('in', shape)}{_dims('filter', 1, rows, columns, 1)}{_of('out', after)}"
        f"    const cmsis_nn_pool_params parameters = {{{{{stride}, {stride}}}, {{0, 0}}, all}};\n"
        f"    const cmsis_nn_context context = room({size if name == 'avgpool' else 0});\n"
        f"    done({called});\n  }}\n"
    )


def _classified(at: int, head: Head, read: str) -> str:
    classes, terms = head.weight.shape
    quant = f"{{{int(head.by.multiplier[0])}, {-int(head.by.shift[0])}}}"
    return (
        "  {\n"
        f"{_dims('in', 1, 1, 1, terms)}{_dims('filter', terms, 1, 1, classes)}"
        f"{_dims('bias', 1, 1, 1, classes)}{_dims('out', 1, 1, 1, classes)}"
        f"    const cmsis_nn_fc_params parameters = {{{head.offset}, 0, 0, all}};\n"
        f"    const cmsis_nn_per_tensor_quant_params quant = {quant};\n"
        "    const cmsis_nn_context context ="
        " room(arm_fully_connected_s8_get_buffer_size(&filter));\n"
        f"    done(arm_fully_connected_s8({CALLED.format(read=read, at=at)}, classes));\n  }}\n"
    )


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-300:]}")
