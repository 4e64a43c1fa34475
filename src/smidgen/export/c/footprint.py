"""Flash and RAM of a net as int8 C on a Cortex-M4, before it is trained.

Tables and static memory do not depend on the weights' values, so the C of an untrained net gives
them to the byte. The code is one function a kind of layer: its size is a sum of the constants
below, fitted to 81 nets compiled by gcc 12.2 with -O2 (bench/code_size.py); the C has changed
since, so that the largest error is 3.2 % of flash.
"""

import itertools
from typing import NamedTuple

import torch

from smidgen.export.c.int8 import generate
from smidgen.export.c.int8_layout import laid_out, stack_of
from smidgen.export.c.source import Source
from smidgen.export.fold import fold
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.lower import lower
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
)
from smidgen.spec import NetSpec

CODE = {
    "arithmetic": 391,  # and what passes rows from layer to layer
    "average": 179,
    "convolve": 813,
    "signed": 153,  # where not every product ends in a ReLU
    "gather": 183,
    "long_turns": 208,  # of larger nets, as the next three
    "three_columns": 640,
    "three_filter": 430,
    "another_three": 190,  # at stride 1 as well as 2
    "small_filter": 1037,
    "large_filter": 747,
    "filter": 525,
    "another_filter": 451,  # of another size: each has a loop of its own
    "pool": 235,
    "blur": 373,
    "excite": 360,
    "add": 284,
    "shortcut": 33,
    "blurred_shortcut": 103,
    "pooled_gate": 120,
    "flatten": 212,
    "border": 98,
}


class Cost(NamedTuple):
    """Bytes on a Cortex-M4; the picture and the logits are the caller's."""

    flash: int
    ram: int


def predict_cost(spec: NetSpec) -> Cost:
    """Return what ``spec`` will need as int8 C, to within 5 % of the linker's figures.

    Raises:
        ValueError: If the net cannot be exported; the layer is named.
    """
    needed = laid_out(_dummy(spec)).needed
    code = sum(CODE[part] for part in needed.parts)
    return Cost(
        needed.table_bytes + code, needed.arena_bytes + stack_of(needed.parts, needed.layers)
    )


def dummy_source(spec: NetSpec) -> Source:
    """Return the C of an untrained net; the global generator is left as it was."""
    return generate(_dummy(spec))


def _dummy(spec: NetSpec) -> IntegerProgram:
    channels = spec.input_shape.channels
    with torch.no_grad():
        model = spec.build()
        # a trained bias is not 0: a merge that needs it to be would not happen
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.fill_(0.1)
    mean = [0.3 + 0.1 * channel for channel in range(channels)]  # one border a colour
    program = lower(fold(spec, model, [value % 1 for value in mean], [0.25] * channels))
    return quantize(program, _ranges(program))


def _ranges(program: Program) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return any ranges: of them, only whether a map can be negative changes a size."""
    both, positive = (-1.0, 1.0), (0.0, 1.0)

    def of(operation: Operation) -> tuple[tuple[float, float], ...]:
        match operation:
            case MaxPool() | Blur() | Flatten() | Linear() | Normalise():
                return ()
            case Conv2d():
                return (positive if operation.relu else both,)
            case GlobalAveragePool():
                return (both,)
            case SqueezeExcite():
                return (both, positive, both)
            case Residual(inner, shortcut):
                held = (of(one) for one in (*inner, *shortcut))
                return (*itertools.chain.from_iterable(held), both)

    return tuple(of(operation) for operation in program.operations)
