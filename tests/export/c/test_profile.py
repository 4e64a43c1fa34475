"""A net's flash, RAM and instructions, layer by layer: sums of what is predicted of the whole."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from tests.export.c.test_footprint import SPECS, needs_board
from tests.export.nets import nest

import smidgen as sm
from smidgen import layers, zoo
from smidgen.export.c.emulate import run_board
from smidgen.export.c.footprint import (
    CODE,
    MEASURED,
    dummy_program,
    dummy_source,
    predict_cost,
    predict_costs,
)
from smidgen.export.c.int8_layout import SLACK, laid_out, stack_of
from smidgen.export.c.profile import _alive, inspect
from smidgen.layers import Shape
from smidgen.spec import NetSpec

NETS = {
    **{
        name: SPECS[name] for name in SPECS if not name.startswith(("cifar", "mnist-7", "mnist-5k"))
    },
    "first": nest("first", (3, 24, 24)),  # a sum of pixels: a convolution normalises before it
    "of-pixels": nest("of-pixels", (3, 24, 24)),
    "gated": nest("gated", (3, 24, 24)),
    "flat": nest("flat", (3, 24, 24)),
}


def spec_of(*texts: str, shape: tuple[int, int, int] = (1, 16, 16)) -> NetSpec:
    return NetSpec.from_dict({"input": [*shape], "layers": [*texts, "classifier(3)"]})


@pytest.mark.parametrize("name", NETS)
def test_layers_add_up_to_what_is_predicted_of_the_net(name: str) -> None:
    spec = NETS[name]
    made, layout = inspect(spec), laid_out(dummy_program(spec)[0])
    assert (made.flash, made.ram) == predict_cost(spec)
    assert [one.layer for one in made.layers] == [row["layer"] for row in spec.table()]
    # what is no layer's is told for itself, and is what it says
    m4 = MEASURED.index("m4")
    assert made.code == sum(CODE[part][m4] for part in layout.needed.parts)
    sigmoid = 256 * ("excite" in layout.needed.parts)
    assert 0 <= made.tables - sigmoid < 3 * 8 + 4, "of outputs by fours, and a border's colours"
    most = max(one.live for one in made.layers)
    assert 0 <= layout.needed.arena_bytes - SLACK - most <= 16, "alignment"
    assert made.beside == made.ram - most
    assert made.beside >= stack_of(layout.needed.parts, layout.needed.layers)
    assert made.instructions == sum(one.instructions or 0 for one in made.layers)
    buffers = sum(one.size for one in layout.buffers.values())
    assert sum(one.ram for one in made.layers) == buffers, "each is one layer's"
    assert all(one.ram <= most and (one.live or one.flash == 0) for one in made.layers)


@pytest.mark.parametrize("name", NETS)
def test_what_is_in_use_at_once_lies_apart(name: str) -> None:
    layout = laid_out(dummy_program(NETS[name])[0])
    for row in range(layout.chain):
        alive = {*_alive(layout, row)}
        following = {f"map{row + 1}"} if row + 1 < layout.chain else set[str]()
        assert alive >= {f"map{row}"} | following, "what it reads, and where it writes"
        places = sorted((layout.offsets[one], layout.buffers[one].size) for one in alive)
        for (at, size), (after, _) in itertools.pairwise(places):
            assert at + size <= after


def test_a_layer_has_its_weights_its_rows_and_its_line_of_the_table() -> None:
    conv, *_ = inspect(zoo.net("mnist-1k5-dw")).layers
    assert conv.flash == 8 * 12 + 8 * 8 + 18  # nine weights in words, bias and multiplier, a line
    assert conv.ram == 3 * (28 + 2)  # rows of its window, with their border
    assert conv.live > conv.ram, "others run in turns with it"


def test_a_layer_that_was_merged_names_the_one_that_has_its_costs() -> None:
    made = inspect(spec_of("conv(6)", "transition(9)", "conv(4, 1)", "global_average_pool"))
    assert [one.within for one in made.layers] == [None, 2, None, None, None]
    assert (made.layers[1].flash, made.layers[1].live, made.layers[1].instructions) == (0, 0, 0)
    alone = inspect(spec_of("conv(6)", "conv(4, 1)", "global_average_pool"))
    assert made.layers[2] == replace(alone.layers[1], layer=made.layers[2].layer)


def test_a_convolution_that_waits_for_a_blur_keeps_its_costs() -> None:
    made = inspect(spec_of("conv(6)", "transition(9)", "blur(2, 3)", "max_pool", "flatten"))
    assert {one.within for one in made.layers} == {None}
    conv, blur = made.layers[1:3]
    assert conv.flash > 9 * 8 > blur.flash
    assert blur.ram == 3 * 16 * 6, "it reads the six channels before them"


def test_what_normalises_pixels_for_a_sum_is_a_cost_of_the_sum() -> None:
    spec = spec_of("max_pool", "residual(conv(1))", "flatten", shape=(1, 6, 6))
    pool, _, _, classifier = inspect(spec).layers
    line = laid_out(dummy_program(spec)[0]).layer_bytes
    assert pool.flash == line
    assert classifier.flash == 9 * 3 + 4 * 3 + 2 * line, "weights, biases, its line and the last"


def test_gates_that_wait_for_a_pooling_keep_the_pooled_map() -> None:
    gate, pool = inspect(spec_of("conv(8)", "squeeze_excite(2)", "max_pool", "flatten")).layers[1:3]
    assert gate.ram == 8 * 8 * 8 + 8 + 2 + 8
    assert pool.ram == 2 * 16 * 8 + 4 * 8, "two rows, and the sums for the means"


def test_the_layer_that_decides_ram_and_what_takes_less_were_computed() -> None:
    spec = spec_of("conv(8)", "squeeze_excite(2)", "conv(8)", "global_average_pool")
    made = inspect(spec)
    assert made.decides == 1, "it needs the whole map"
    assert made.layers[1].ram == max(one.ram for one in made.layers) > made.ram / 2
    without = replace(spec, layers=(spec.layers[0], *spec.layers[2:]))
    halved = replace(spec, layers=(layers.Conv(8, stride=2), *spec.layers[1:]))
    images = replace(spec, input_shape=Shape(1, 8, 8))
    tried = {one.change: one.saves for one in made.tried}
    for change, lighter in (
        ("no squeeze_excite in layer 2", without),
        ("stride=2 in layer 1", halved),
        ("images of 8x8", images),
    ):
        assert tried[change] == made.ram - predict_cost(lighter).ram > 0
    assert [*tried.values()] == sorted(tried.values(), reverse=True)
    said = (
        f"layer 2 (squeeze_excite) decides RAM, with {made.layers[1].ram:,} of {made.ram:,} bytes"
    )
    assert made.told.startswith(f"{said}; tried: {made.tried[0].saves:,} less with")
    assert made.told.count(" less with ") == 3


def test_changes_that_are_no_net_or_save_nothing_are_not_told() -> None:
    spec = spec_of("residual(conv(1))", "global_average_pool", shape=(1, 1, 3))
    made = inspect(spec)
    assert all(one.saves > 0 for one in made.tried)
    assert replace(made, tried=()).told.endswith("bytes; tried: nothing that takes less")


def test_another_core_has_other_code_and_no_count_of_instructions() -> None:
    spec = SPECS["a sensor's window"]
    made, usual = sm.inspect(spec, "CH32V003"), sm.inspect(spec)
    assert (made.flash, made.ram) == predict_costs(spec)["rv32ec"]
    assert [one.flash for one in made.layers] == [one.flash for one in usual.layers]
    assert made.code > usual.code
    assert made.instructions is None
    assert {one.instructions for one in made.layers} == {None}
    with pytest.raises(ValueError, match="unknown board 'Pico 3'"):
        sm.inspect(spec, "Pico 3")
    with pytest.raises(ValueError, match="a net must be"):
        sm.inspect("mnist-1k5-dw")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("name", "counted"), [("mnist-1k5-dw", 977_520), ("vww-216k-mobilenet", 9_720_000)]
)
def test_instructions_are_near_those_that_were_counted(name: str, counted: int) -> None:
    # docs/microcontrollers.md, of QEMU
    assert inspect(zoo.net(name)).instructions == pytest.approx(counted, rel=0.02)


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("name", ["repeat", "oblong"])
def test_instructions_are_within_four_percent_of_those_that_an_emulator_counts(name: str) -> None:
    pixels = np.zeros((1, *SPECS[name].input_shape), np.uint8)
    counted = run_board(dummy_source(SPECS[name]), pixels).instructions
    assert inspect(SPECS[name]).instructions == pytest.approx(counted, rel=0.04)
