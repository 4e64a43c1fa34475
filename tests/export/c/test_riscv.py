"""An emulated RISC-V gives the simulation's bits in as few instructions as are documented."""

import shutil
from dataclasses import replace
from itertools import product
from typing import Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from tests.export.c.compiled import fuzz, integers
from tests.export.nets import (
    NESTS,
    Plan,
    blurred,
    excited,
    nest,
    pixels_for,
    plans,
    spec_of,
    window,
)
from tests.thinned import thinned

from smidgen import layers, zoo
from smidgen.export.c.emulate import RISCV_TOOLS, BoardRun, require_equal, run_riscv
from smidgen.export.c.int8 import generate
from smidgen.export.int8.program import IntConv2d, IntegerProgram
from smidgen.export.int8.simulate import simulate
from smidgen.export.program import Pixels
from smidgen.layers import Layer, Shape
from smidgen.spec import NetSpec

pytestmark = [
    pytest.mark.mcu,
    pytest.mark.skipif(
        None in map(shutil.which, RISCV_TOOLS),
        reason="needs Debian's gcc-riscv64-unknown-elf, picolibc and qemu-system-misc",
    ),
]
AVERAGED = (layers.GlobalAveragePool(), layers.Classifier(3))
QUICK = "#define NET_QUICK_SUMS 1\n"


def exact(program: IntegerProgram, images: Pixels, optimize: str = "speed") -> BoardRun:
    run = run_riscv(generate(program, optimize=optimize), images)
    require_equal("RISC-V", run.logits, simulate(program, images))
    return run


def exact_net(spec: NetSpec, count: int = 4) -> BoardRun:
    return exact(integers(spec), pixels_for(spec, count, seed=2))


@pytest.mark.parametrize(
    "spec",
    thinned([excited(blurred(zoo.net("mnist-1k5-dw"))), *(nest(name) for name in NESTS)]),
    ids=["blurred and excited", *NESTS],
)
def test_sums_repeats_and_gates_are_exact(spec: NetSpec) -> None:
    exact_net(spec, 12)


@pytest.mark.parametrize("width", thinned([1, 2, 3, 4, 5, 6, 7, 9, 14]))
@pytest.mark.parametrize("activation", ["relu", "none"])
def test_every_width_and_number_of_outputs_is_exact(
    width: int, activation: Literal["relu", "none"]
) -> None:
    outputs = (8, 5, 1, 6, 3, 10, 2, 7)
    body: list[Layer] = []
    for place, count in enumerate(outputs):
        body.append(layers.Conv(count, 1 if place % 2 else 3, activation=activation))
        if place % 2:
            body.append(layers.Channelwise(activation=activation))
    channels = 1 + width % 3
    exact_net(NetSpec(Shape(channels, 7, width), (*body, *AVERAGED)))


@pytest.mark.parametrize(
    ("width", "activation"), thinned(product([1, 2, 3, 5, 8, 11], ["relu", "none"]), 5)
)
def test_filters_of_every_size_and_stride_are_exact(
    width: int, activation: Literal["relu", "none"]
) -> None:
    for strides in ((1, 2, 2), (1, 1, 3), (2, 2, 1)):
        body = [layers.Conv(9, activation=activation)]
        body += [layers.Channelwise(3, stride, activation=activation) for stride in strides]
        body += [layers.Channelwise(5), layers.Conv(4, stride=2)] * (strides[-1] == 1)
        exact_net(NetSpec(Shape(2, 12, width), (*body, *AVERAGED)), 3)


@pytest.mark.parametrize("wide", [False, True], ids=["40 x 1", "1 x 40"])
def test_kernels_of_unequal_sides_are_exact(wide: bool) -> None:
    exact_net(window(wide=wide))


@settings(fuzz, max_examples=8)
@example(Plan((1, 1, 1), [layers.Blur(2, 1)], 2, False))  # one row in each window
@given(plans())
def test_drawn_nets_are_exact(plan: Plan) -> None:
    exact_net(spec_of(plan))


def convolved() -> tuple[IntegerProgram, IntConv2d, Pixels]:
    """Return a program, its first convolution and pictures of the ends of their range."""
    body = (layers.Conv(8), layers.Depthwise(8), *AVERAGED)
    spec = NetSpec(Shape(3, 8, 9), body)
    integer, images = integers(spec), pixels_for(spec, 8, seed=2)
    images[0], images[1] = 0, 255
    images[2, :, :, ::2], images[2, :, :, 1::2] = 0, 255
    images[3, :, :, ::2], images[3, :, :, 1::2] = 255, 0
    images[4, :, :, :4], images[4, :, :, 4:] = 0, 255
    first = integer.operations[0]
    assert isinstance(first, IntConv2d)
    return integer, first, images


@pytest.mark.parametrize("least", [-127, -128])
def test_the_largest_weights_and_pixels_are_exact(least: int) -> None:
    integer, first, images = convolved()
    weight = np.full_like(first.weight, 127)
    weight[1::2] = least
    weight[2, :, :, ::2] = least
    integer = replace(integer, operations=(replace(first, weight=weight), *integer.operations[1:]))
    exact(integer, images)
    assert (QUICK in generate(integer).source) == (least == -127)


@pytest.mark.parametrize(
    ("shift", "zero"),
    thinned(
        [
            (1, -128),
            (1, 3),
            (2, 127),
            (3, -128),
            (12, -5),
            (20, -128),
            (20, 127),
            (21, 0),
            (31, -128),
        ]
    ),
)
def test_a_second_rounding_of_any_shift_and_zero_point_is_exact(shift: int, zero: int) -> None:
    integer, first, images = convolved()
    by = first.rescale
    most = 2.0 ** min(28, 7 + shift)
    bias = np.linspace(-most, most, len(first.bias)).astype(np.int32)
    multiplier = (by.multiplier & ~31) | (shift - 1)
    by = replace(by, multiplier=multiplier, shift=np.full_like(by.shift, shift), zero=zero)
    # so small that what rounds is not beyond both ends, and often a tie
    weight = np.sign(first.weight) * (np.abs(first.weight) > 60) if shift < 4 else first.weight
    first = replace(first, weight=weight.astype(np.int8), bias=bias, rescale=by)
    _, second, *rest = integer.operations
    assert isinstance(second, IntConv2d)  # whose border is the first one's zero point
    second = replace(second, padding_value=np.full_like(second.padding_value, zero))
    integer = replace(integer, operations=(first, second, *rest))
    exact(integer, images)
    assert (QUICK in generate(integer).source) == (shift <= 20)


@pytest.mark.parametrize(
    ("name", "most", "flash"),
    [("mnist-1k5-dw", 1_960_000, 6_420), ("cifar-143k-dw", 23_500_000, 154_910)],
)
def test_a_risc_v_takes_a_third_less_than_plain_c_at_one_kilobyte_more(
    name: str, most: int, flash: int
) -> None:
    spec = zoo.net(name)
    program, images = integers(spec), pixels_for(spec, 2, seed=2)
    quick, small = exact(program, images), exact(program, images, optimize="flash")
    assert quick.instructions <= most
    assert quick.instructions <= 0.68 * small.instructions
    assert quick.footprint.flash <= flash
    assert quick.footprint.flash <= small.footprint.flash + 1024
    assert quick.footprint.static_ram == small.footprint.static_ram
    assert quick.ram <= small.ram + 128
