"""Flash and RAM of a net as int8 C on a Cortex-M4 or another core, before it is trained.

Tables and static memory do not depend on the weights' values, so the C of an untrained net gives
them to the byte, but where a pass of a repeat comes to keep weights of its own: :func:`unforeseen`.
The code is one function a kind of layer: its size is a sum of the constants below, fitted to nets
compiled by gcc 12.2 with -O2 (bench/code_size.py).
"""

import itertools
from typing import NamedTuple

import torch
from torch import nn

from smidgen.export.c.boards import Compiled
from smidgen.export.c.int8 import generate
from smidgen.export.c.int8_layout import laid_out, stack_of
from smidgen.export.c.source import Needed, Source
from smidgen.export.fold import folded
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.lower import lower
from smidgen.export.merge import Origin
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

MEASURED: tuple[Compiled, ...] = ("m0plus", "m3", "m4", "m55", "rv32imc", "rv32ec")
CODE: dict[str, tuple[int, ...]] = {  # bytes on each of these
    "arithmetic": (331, 301, 476, 519, 408, 585),  # and what passes rows from layer to layer
    "average": (261, 209, 97, 320, 256, 361),
    "convolve": (1035, 862, 945, 519, 1971, 1575),
    "signed": (28, 30, 24, 34, 84, 56),  # where not every product ends in a ReLU
    "gather": (163, -19, 167, 20, -47, -26),
    "long_turns": (0, 0, 161, 0, 0, 0),  # of larger nets, as the next three
    "three_columns": (0, 0, 720, 0, 0, 0),
    "three_filter": (0, 0, 503, 0, 0, 0),
    "another_three": (0, 0, 83, 0, 0, 0),  # at stride 1 as well as 2
    "small_filter": (0, 0, 1056, 0, 0, 0),
    "large_filter": (0, 0, 735, 0, 0, 0),
    "filter": (0, 0, 431, 0, 0, 0),
    "another_filter": (0, 0, 470, 0, 0, 0),  # of another size: each has a loop of its own
    "pool": (255, 215, 192, 155, 231, 289),
    "blur": (378, 351, 367, 348, 411, 534),
    "excite": (555, 398, 393, 369, 477, 586),
    "add": (412, 280, 219, 310, 338, 486),
    "shortcut": (10, -27, 53, -5, 48, -68),
    "blurred_shortcut": (192, 222, 144, 162, 232, 292),
    "pooled_gate": (157, 134, 134, 174, 98, 132),
    "flatten": (70, 92, 8, 199, 152, 224),
    "border": (113, 104, 135, 76, 165, 138),
    "one_column": (-50, -65, -82, -35, -140, -147),  # of every map
    "every_filter": (0, 523, 0, 992, 0, 806),  # in C, of a size; as the next
    "another_every_filter": (0, 621, 0, 8, 0, 913),
    "thumb_filter": (1018, 0, 0, 0, 0, 0),
    "thumb_rest": (790, 0, 0, 0, 0, 0),
    "another_thumb_rest": (896, 0, 0, 0, 0, 0),
    "rolled_filter": (0, 0, 0, 0, 656, 0),
    "rolled_strides": (0, 0, 0, 0, 327, 0),
    "unrolled_filter": (0, 0, 0, 0, 659, 0),
    "another_unrolled_filter": (0, 0, 0, 0, 692, 0),
}
# bytes of stack more than a Cortex-M4 takes, and of memory that Helium reaches further, at most
_RAM_MORE: dict[Compiled, int] = {
    "m0plus": 48,
    "m3": -32,
    "m4": 0,
    "m55": 112,
    "rv32imc": 52,
    "rv32ec": 0,
}


class Cost(NamedTuple):
    """Bytes on one core; the picture and the logits are the caller's."""

    flash: int
    ram: int


def predict_cost(spec: NetSpec, compiled: Compiled = "m4") -> Cost:
    """Return what ``spec`` will need as int8 C.

    docs/microcontrollers.md says how far that is off, core by core.

    Args:
        spec: The net, with its methods.
        compiled: The core; ``unknown`` is the most of the others, as no compiler was measured.

    Raises:
        ValueError: If the net cannot be exported; the layer is named.
    """
    return predict_costs(spec)[compiled]


def predict_costs(spec: NetSpec) -> dict[Compiled, Cost]:
    """Return what ``spec`` will need as int8 C, core by core: see :func:`predict_cost`.

    Raises:
        ValueError: If the net cannot be exported; the layer is named.
    """
    return costs_of(laid_out(dummy_program(spec)[0]).needed)


def costs_of(needed: Needed) -> dict[Compiled, Cost]:
    """Return what C that needs this takes, core by core."""
    ram = needed.arena_bytes + stack_of(needed.parts, needed.layers)
    costs: dict[Compiled, Cost] = {
        core: Cost(needed.table_bytes + sum(CODE[part][place] for part in needed.parts), ram + more)
        for place, (core, more) in enumerate(_RAM_MORE.items())
    }
    costs["unknown"] = Cost(*map(max, zip(*costs.values(), strict=True)))
    return costs


def dummy_source(spec: NetSpec) -> Source:
    """Return the C of an untrained net; the global generator is left as it was."""
    return generate(dummy_program(spec)[0])


def unforeseen(spec: NetSpec, made: Source) -> int:
    """Return the bytes of a trained net's tables that :func:`predict_cost` did not count.

    Passes of a repeat share their weights but for one whose norm turns a channel's sign around or
    whose scale had to stop at a bound, which no untrained net tells: see docs/quantisation.md.
    """
    if not any(map(holds_repeat, spec.layers)):
        return 0
    return max(0, made.table_bytes - laid_out(dummy_program(spec)[0]).needed.table_bytes)


def dummy_program(spec: NetSpec) -> tuple[IntegerProgram, list[Origin]]:
    """Return an untrained net's program, and places in ``spec`` of what its operations are from.

    Raises:
        ValueError: If the net cannot be exported; the layer is named.
    """
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
    whole, (_, *origins) = folded(spec, model, [value % 1 for value in mean], std)
    program = lower(whole)
    if len(program.operations) > len(origins):  # one that normalises, before what reads its map
        kinds = zip(program.operations, whole.operations[1:], strict=False)
        at = next(place for place, (own, old) in enumerate(kinds) if type(own) is not type(old))
        origins.insert(at, origins[at])
    return quantize(program, _ranges(program)), origins


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
