"""Flash and RAM of a net as int8 C on a Cortex-M4, before it is trained.

Tables and static memory do not depend on the weights' values, so the C of an untrained net gives
them to the byte, but where a pass of a repeat comes to keep weights of its own: :func:`unforeseen`.
The code is one function a kind of layer: its size is a sum of the constants below, fitted to 181
nets compiled by gcc 12.2 with -O2 (bench/code_size.py), within 4.4 % of flash.
"""

import itertools
from typing import NamedTuple

import torch
from torch import nn

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
from smidgen.layers.repeat import holds_repeat
from smidgen.spec import NetSpec

CODE = {
    "arithmetic": 476,  # and what passes rows from layer to layer
    "average": 97,
    "convolve": 945,
    "signed": 24,  # where not every product ends in a ReLU
    "gather": 167,
    "long_turns": 161,  # of larger nets, as the next three
    "three_columns": 720,
    "three_filter": 503,
    "another_three": 83,  # at stride 1 as well as 2
    "small_filter": 1056,
    "large_filter": 735,
    "filter": 431,
    "another_filter": 470,  # of another size: each has a loop of its own
    "pool": 192,
    "blur": 367,
    "excite": 393,
    "add": 219,
    "shortcut": 53,
    "blurred_shortcut": 144,
    "pooled_gate": 134,
    "flatten": 8,
    "border": 135,
}


class Cost(NamedTuple):
    """Bytes on a Cortex-M4; the picture and the logits are the caller's."""

    flash: int
    ram: int


def predict_cost(spec: NetSpec) -> Cost:
    """Return what ``spec`` will need as int8 C.

    Of 134 nets drawn at random that the constants were not fitted to, narrow, oblong and nested
    ones of 2 to 90 KB, flash is -5.6 to +7.7 % off the linker's figure, 2 of them by more than 5 %;
    RAM is 0 to 80 bytes too much.

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


def unforeseen(spec: NetSpec, made: Source) -> int:
    """Return the bytes of a trained net's tables that :func:`predict_cost` did not count.

    Passes of a repeat share their weights but for one whose norm turns a channel's sign around or
    whose scale had to stop at a bound, which no untrained net tells: see docs/quantisation.md.
    """
    if not any(map(holds_repeat, spec.layers)):
        return 0
    return max(0, made.table_bytes - laid_out(_dummy(spec)).needed.table_bytes)


def _dummy(spec: NetSpec) -> IntegerProgram:
    channels = spec.input_shape.channels
    with torch.no_grad():
        model = spec.build()
        # a trained bias is not 0: a merge that needs it to be would not happen
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.fill_(0.1)
        # nor are trained factors 1: what passes of a repeat merge is not the same in all of them
        norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
        for place, norm in enumerate(norms, 1):
            norm.weight.copy_(torch.tensor(_apart(norm.num_features, place)))
    mean = [0.3 + 0.1 * channel for channel in range(channels)]  # one border a colour
    std = [0.25 * factor for factor in _apart(channels)]  # and one span, which a repeat may absorb
    program = lower(fold(spec, model, [value % 1 for value in mean], std))
    return quantize(program, _ranges(program))


def _apart(count: int, place: int = 1) -> list[float]:
    """Return different factors from 1 to 2, those of one place no multiple of another's."""
    return [1 + (0.6180339887 * place * number) % 1 for number in range(1, count + 1)]


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
