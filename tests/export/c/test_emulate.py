"""The proof itself: emulated boards give the simulation's bits, and a wrong bit is found."""

import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pytest
from tests.export.nets import blurred, excited, nest, pixels_for, warmed
from tests.thinned import thinned

from smidgen import layers, zoo
from smidgen.export.c import emulate, int8_facts
from smidgen.export.c.emulate import (
    Core,
    ParityError,
    ToolMissingError,
    find_tool,
    footprint,
    require_equal,
    run_board,
    run_host,
)
from smidgen.export.c.footprint import dummy_source
from smidgen.export.c.int8 import generate
from smidgen.export.c.int8_layout import HELIUM_SLACK
from smidgen.export.c.text import template
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import IntConv2d, IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import simulate
from smidgen.export.lower import lower
from smidgen.layers import Shape
from smidgen.spec import NetSpec

tools = [shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm")]
needs_board = pytest.mark.skipif(
    None in tools, reason="needs Debian's gcc-arm-none-eabi, libnewlib and qemu-system-arm"
)


def integers(spec: NetSpec) -> IntegerProgram:
    program = lower(warmed(spec))
    return quantize(program, calibrate(program, pixels_for(spec, 20)))


def exported(spec: NetSpec, count: int):  # noqa: ANN201
    integer, images = integers(spec), pixels_for(spec, count, seed=2)
    return generate(integer), images, simulate(integer, images)


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("core", get_args(Core))
def test_fifty_images_are_exact_on_every_core(core: Core) -> None:
    source, images, expected = exported(zoo.net("mnist-1k5-dw"), 50)
    run = run_board(source, images, core)
    require_equal(core, run.logits, expected)
    reach = HELIUM_SLACK if core == "m55" else 0
    assert run.footprint.static_ram == source.arena_bytes + reach


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("times", [1, 40])
def test_the_header_tells_no_less_stack_than_is_taken(times: int) -> None:
    lines = ["conv(4)", f"repeat(residual(conv(4), conv(4)), times={times})"]
    ends = ["global_average_pool()", "classifier(3)"]
    spec = NetSpec.from_dict({"name": "deep", "input": [1, 6, 6], "layers": [*lines, *ends]})
    source, images, _ = exported(spec, 2)
    told = re.search(r"and of stack about ([\d,]+) on a Cortex-M4", source.header)
    assert told is not None
    taken = run_board(source, images).stack
    assert taken <= int(told[1].replace(",", "")) <= taken + 300


@pytest.mark.mcu
@needs_board
def test_a_stack_deeper_than_what_is_watched_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    source, images, _ = exported(zoo.net("mnist-1k5-dw"), 1)
    deepest = run_board(source, images).stack
    assert 64 < deepest < 1_000

    def shallow(name: str) -> str:
        return template(name).replace("PAINTED = 16384", f"PAINTED = {(deepest - 64) // 2}")

    monkeypatch.setattr(emulate, "template", shallow)
    with pytest.raises(ParityError, match=r"a stack deeper than \d+ bytes is not measured"):
        run_board(source, images)


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("core", ["m0plus", "m4", "m55"])
def test_every_kernel_is_exact_on_boards_with_and_without_dual_macs(core: Core) -> None:
    body = (layers.Conv(5), layers.Depthwise(9, 5), layers.SqueezeExcite(2), layers.MaxPool(2))
    spec = NetSpec(
        Shape(3, 11, 9),
        (*body, layers.Depthwise(3), layers.GlobalAveragePool(), layers.Classifier(7)),
    )
    for form in (spec, blurred(spec), excited(spec)):
        source, images, expected = exported(form, 5)
        require_equal(core, run_board(source, images, core).logits, expected)


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize(
    ("channels", "width", "activation"),
    thinned(
        [
            *((1, 1, "relu"), (2, 2, "relu"), (3, 3, "relu"), (1, 4, "relu"), (2, 5, "relu")),
            *((3, 7, "relu"), (1, 9, "relu"), (2, 2, "none"), (1, 4, "none"), (3, 7, "none")),
        ],
        3,
    ),
)
@pytest.mark.parametrize("core", ["m0plus", "m4", "m55"])
def test_loops_in_assembly_are_exact_at_every_width(
    core: Core, channels: int, width: int, activation: Literal["relu", "none"]
) -> None:
    body = (
        layers.Conv(8, activation=activation),
        layers.Depthwise(8),
        layers.Depthwise(8, 5),
        layers.Depthwise(7, stride=2),
        layers.Conv(9),
        layers.Depthwise(12, 5),
    )
    head = (layers.GlobalAveragePool(), layers.Classifier(3))
    source, images, expected = exported(NetSpec(Shape(channels, 6, width), (*body, *head)), 4)
    require_equal(core, run_board(source, images, core).logits, expected)


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("width", thinned([1, 2, 3, 5, 6, 7, 9, 14]))
@pytest.mark.parametrize("activation", ["relu", "none"])
def test_loops_for_larger_nets_are_exact_at_every_width(
    width: int, activation: Literal["relu", "none"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8_facts, "ROOMY", 0)
    body = (
        layers.Conv(8, activation=activation),
        layers.Channelwise(activation=activation),
        layers.Conv(12, kernel_size=1, activation=activation),
        layers.Channelwise(stride=2, activation=activation),
        layers.Conv(9, activation=activation),
        layers.Conv(20, kernel_size=1),
        layers.Channelwise(5),
        layers.Channelwise(),
        layers.Conv(8, stride=2),
    )
    head = (layers.GlobalAveragePool(), layers.Classifier(3))
    source, images, expected = exported(NetSpec(Shape(3, 7, width), (*body, *head)), 4)
    require_equal("m4", run_board(source, images).logits, expected)
    assert f"#define NET_EVERY_OTHER_COLUMN {int(width > 4)}\n" in source.source
    assert f"#define NET_EVERY_COLUMN {int(width in (3, 5, 6, 9, 10))}\n" in source.source


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize(
    ("sides", "stride", "odd"),
    [
        *[("3", stride, odd) for stride, odd in ((1, 1), (2, 1), (3, 0))],
        *[("5", 1, 0), ("5", 2, 0), ("1x3", 1, 0), ("3x1", 2, 0)],
    ],
)
def test_every_filter_is_exact_beside_those_by_threes(
    sides: str, stride: int, odd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8_facts, "ROOMY", 0)
    body = [f"conv({8 + odd})", f"channelwise({sides}, stride={stride})", "conv(8)"]
    body += ["channelwise(3, stride=2)", "global_average_pool()", "classifier(3)"]
    spec = NetSpec.from_dict({"input": [2, 10, 9], "layers": body})
    source, images, expected = exported(spec, 3)
    require_equal("m4", run_board(source, images).logits, expected)


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("shift", [1, 2, 3, 24, 31])
def test_a_second_rounding_of_any_shift_is_exact(shift: int) -> None:
    spec = NetSpec(
        Shape(3, 8, 8),
        (layers.Conv(8), layers.Depthwise(8), layers.GlobalAveragePool(), layers.Classifier(3)),
    )
    integer, images = integers(spec), pixels_for(spec, 4, seed=2)
    first, *rest = integer.operations
    assert isinstance(first, IntConv2d)
    by = first.rescale
    multiplier = (by.multiplier & ~31) | (shift - 1)
    most = 2.0 ** min(29, 6 + shift)
    bias = np.linspace(-most, most, len(first.bias)).astype(np.int32)
    changed = replace(by, multiplier=multiplier, shift=np.full_like(by.shift, shift))
    integer = replace(integer, operations=(replace(first, bias=bias, rescale=changed), *rest))
    source = generate(integer)
    require_equal("m4", run_board(source, images).logits, simulate(integer, images))
    assert f"#define NET_SHIFTED {int(shift > 1)}\n" in source.source


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("change", ["bias", "weight"])
def test_sums_beyond_thirty_bits_and_weights_of_minus_128_are_exact_without_wide_products(
    change: Literal["bias", "weight"],
) -> None:
    spec = NetSpec(
        Shape(3, 8, 8),
        (layers.Conv(8), layers.Depthwise(8), layers.GlobalAveragePool(), layers.Classifier(3)),
    )
    integer, images = integers(spec), pixels_for(spec, 6, seed=2)
    images[0] = 0
    first, *rest = integer.operations
    assert isinstance(first, IntConv2d)
    by = first.rescale
    if change == "bias":
        bias = first.bias.copy()
        bias[:4] = 2**30 + 2**25 * np.array([0, 1, -3, -5])
        multiplier, shift = by.multiplier.copy(), by.shift.copy()
        multiplier[:4], shift[:4] = (multiplier[:4] & ~31) | 23, 24
        changed = replace(by, multiplier=multiplier, shift=shift)
        first = replace(first, bias=bias, rescale=changed)
    else:
        first = replace(first, weight=np.full_like(first.weight, -128))
    integer = replace(integer, operations=(first, *rest))
    source = generate(integer)
    require_equal("m0plus", run_board(source, images, "m0plus").logits, simulate(integer, images))
    assert "#define NET_SHORT_SUMS 0" in source.source


@pytest.mark.mcu
@needs_board
def test_a_core_without_wide_products_takes_half_of_what_plain_c_took() -> None:
    source, images, expected = exported(zoo.net("mnist-1k5-dw"), 2)
    run = run_board(source, images, "m0plus")
    require_equal("m0plus", run.logits, expected)
    assert run.instructions <= 3_450_000
    assert run.footprint.flash <= 5_520


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("core", ["m0plus", "m4", "m55"])
@pytest.mark.parametrize(
    ("sides", "pools"),
    thinned(
        [((12, 8), (2,)), ((12, 18), (3,)), ((12, 8), (2, 2)), ((11, 8), (2,)), ((8, 8), (8,))]
    ),
)
def test_gates_after_the_pooling_are_exact(
    core: Core, sides: tuple[int, int], pools: tuple[int, ...]
) -> None:
    gated = (layers.SqueezeExcite(2), *(layers.MaxPool(side, side) for side in pools))
    body = (layers.Conv(6), layers.SqueezeExcite(3), layers.Conv(7, activation="none"), *gated)
    head = (layers.GlobalAveragePool(), layers.Classifier(5))
    source, images, expected = exported(NetSpec(Shape(3, *sides), (*body, *head)), 8)
    require_equal(core, run_board(source, images, core).logits, expected)
    assert f"#define NET_POOLED_GATES {int(sides[0] % 2 == 0)}\n" in source.source


@pytest.mark.mcu
@needs_board
def test_a_gate_before_a_pooling_holds_the_smaller_map() -> None:
    spec = excited(zoo.net("cifar-143k-dw"))
    assert run_board(exported(spec, 1)[0], pixels_for(spec, 1)).ram <= 28_600


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("terms", thinned([1, 4, 15, 16, 17, 28, 32, 33, 64, 68]))
@pytest.mark.parametrize("activation", ["relu", "none"])
def test_helium_is_exact_at_every_number_of_terms_and_outputs(
    terms: int, activation: Literal["relu", "none"]
) -> None:
    body = (
        layers.Conv(terms, kernel_size=1, activation=activation),
        layers.Conv(terms + 5, kernel_size=1, activation=activation),
        layers.Channelwise(),
        layers.Conv(7, stride=2, activation=activation),
        layers.MaxPool(2),
    )
    head = (layers.GlobalAveragePool(), layers.Classifier(2))
    source, images, expected = exported(NetSpec(Shape(3, 9, 11), (*body, *head)), 6)
    require_equal("m55", run_board(source, images, "m55").logits, expected)


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize(
    ("name", "most"), [("mnist-1k5-dw", 850_000), ("cifar-143k-dw", 2_750_000)]
)
def test_helium_takes_as_few_instructions_as_the_documentation_says(name: str, most: int) -> None:
    source, images, expected = exported(zoo.net(name), 2)
    run = run_board(source, images, "m55")
    require_equal("m55", run.logits, expected)
    assert run.instructions <= most


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize(
    ("name", "core"),
    thinned(
        product(
            ["resnet", "blurred", "nested", "repeat", "gated", "flat", "oblong"], get_args(Core)
        )
    ),
)
def test_sums_and_repeats_are_exact_on_every_core(name: str, core: Core) -> None:
    source, images, expected = exported(nest(name), 5)
    require_equal(core, run_board(source, images, core).logits, expected)


@pytest.mark.mcu
@needs_board
def test_the_reference_nets_stay_as_small_and_as_fast_as_the_documentation_says() -> None:
    spec = zoo.net("mnist-1k5-dw")
    source, images, _ = exported(spec, 3)
    run = run_board(source, images)
    assert run.footprint.flash <= 5_600
    assert run.ram <= 4_200
    assert run.instructions <= 1_050_000
    small = run_board(generate(integers(spec), optimize="flash"), images)
    require_equal("for flash", small.logits, run.logits)
    assert small.footprint.flash <= 4_700
    assert small.instructions <= 1_500_000
    source, images, _ = exported(zoo.net("cifar-143k-dw"), 2)
    run = run_board(source, images)
    assert run.ram <= 26_000
    assert run.instructions <= 9_600_000


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize(
    ("name", "most", "flash"),
    [("cifar-78k-resnet8", 1.0, 83_100), ("vww-216k-mobilenet", 1.3, 235_300)],
)
def test_the_nets_of_a_benchmark_take_at_most_that_many_instructions_a_mac(
    name: str, most: float, flash: int
) -> None:
    spec = zoo.net(name)
    pixels = np.zeros((1, *spec.input_shape), np.uint8)
    run = run_board(dummy_source(spec), pixels)
    assert run.instructions <= most * spec.macs
    assert run.footprint.flash <= flash


@pytest.mark.mcu
@needs_board
def test_filters_of_five_by_five_are_as_fast_as_of_three_by_three_each_size_in_its_own_loop() -> (
    None
):
    def instructions(*sides: int) -> int:
        body = (layers.Conv(32, stride=2), *(layers.Channelwise(side) for side in sides))
        head = (layers.GlobalAveragePool(), layers.Classifier(5))
        source = dummy_source(NetSpec(Shape(1, 24, 24), (*body, *head)))
        return run_board(source, np.zeros((1, 1, 24, 24), np.uint8)).instructions

    taken = instructions(), instructions(3), instructions(3, 5)
    three, five = (after - before for before, after in pairwise(taken))
    assert five / 25 <= three / 9


@pytest.mark.mcu
@needs_board
def test_the_count_of_instructions_sees_the_work_and_not_the_number_of_images() -> None:
    small, images, _ = exported(zoo.net("mnist-1k5-dw"), 6)
    few, many = (run_board(small, images[:n]).instructions for n in (2, 6))
    assert few == pytest.approx(many, rel=0.01)
    assert footprint(small, "m4").flash == run_board(small, images[:1]).footprint.flash


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_four_products_of_sixteen_bits_round_as_one_of_sixty_four(tmp_path: Path) -> None:
    text = template("int8_arithmetic.c")
    zeros = ("TWO_AT_ONCE", "BLUR_FOURS", "TILED", "THUMB", "FOURS_POOLED", "PLAIN_FILTER")
    defines = "".join(f"#define {name} 0\n" for name in zeros)
    once = text.replace("scaled", "in_halves").replace("halved", "half").replace("narrowed", "n")
    (tmp_path / "main.c").write_text(
        f"#include <stdint.h>\n#include <stdio.h>\n{defines}#define PLAIN_CONVOLVE 1\n"
        f"#define IN_HALVES 1\n{once}\n#undef IN_HALVES\n#define IN_HALVES 0\n{text}\n"
        """int main(void) {
  uint32_t seed = 1, wrong = 0;
  for (int n = 0; n < 3000000; n++) {
    seed = seed * 1664525u + 1013904223u;
    const uint32_t by = 0x80000000u | (seed >> (n & 31) & ~1u); /* twice a multiplier */
    seed = seed * 1664525u + 1013904223u;
    int32_t sum = (int32_t)(seed >> 2) - (1 << 29);
    sum >>= n / 32 & 31;
    if (n % 3 == 0) sum = (int32_t)((int64_t)(2 * sum + 1) * 0x40000000 / (int32_t)(by >> 1));
    if (sum >= 1 << 29 || sum <= -(1 << 29)) continue;
    wrong += in_halves(sum, by) != scaled(sum, by);
  }
  return printf("%u\\n", wrong), wrong != 0;
}
"""
    )
    subprocess.run(["gcc", "-O1", "main.c", "-o", "main"], cwd=tmp_path, check=True)
    subprocess.run(["./main"], cwd=tmp_path, check=True)


def test_one_wrong_bit_is_an_error_that_counts_images() -> None:
    expected = np.arange(12, dtype=np.int32).reshape(4, 3)
    require_equal("c", expected.copy(), expected)
    wrong = expected.copy()
    wrong[2, 1] ^= 4
    with pytest.raises(ParityError, match=r"differs .* on 1 of 4 images, by 4 at the most"):
        require_equal("c", wrong, expected)
    with pytest.raises(ParityError, match=r"answered \(3, 3\), expected \(4, 3\)"):
        require_equal("c", expected[:3], expected)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_a_warning_of_the_compiler_is_an_error() -> None:
    source, images, _ = exported(zoo.net("mnist-1k5-dw"), 1)
    # an int in a char without a cast: -Wconversion

    careless = replace(
        source,
        source=source.source + "\nsigned char f(int x);\nsigned char f(int x) { return x; }\n",
    )
    with pytest.raises(ParityError, match="gcc failed: "):
        run_host(careless, images)


@needs_board
def test_what_is_too_large_for_the_board_or_too_slow_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, images, _ = exported(nest("flat", (1, 8, 8)), 1)
    more = "\nextern const char more[6000000];\nconst char more[6000000] = {1};\n"
    with pytest.raises(ParityError, match=r"section .* will not fit in region `FLASH'"):
        run_board(replace(source, source=source.source + more), images)
    monkeypatch.setattr(emulate, "_PATIENCE", 0)
    with pytest.raises(ParityError, match="arm-none-eabi-gcc took more than 0 s"):
        run_board(source, images)


def test_a_missing_tool_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="apt-get install gcc-arm-none-eabi libnewlib"):
        find_tool("arm-none-eabi-gcc")
