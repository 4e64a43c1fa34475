"""The generated C computes what the simulation does, bit for bit, and compiles silently."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.export.c.compiled import HEAD, TRAP, fuzz, integers
from tests.export.nets import (
    AVERAGE,
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

from smidgen import layers, zoo
from smidgen.export.c.arena import Buffer, place
from smidgen.export.c.emulate import require_equal, run_host, write_source
from smidgen.export.c.footprint import dummy_source
from smidgen.export.c.int8 import generate
from smidgen.export.c.int8_table import packed_pairs
from smidgen.export.c.source import Source
from smidgen.export.int8.program import IntConv2d
from smidgen.export.int8.simulate import simulate
from smidgen.layers import Layer, Shape
from smidgen.methods import parse, rewritten
from smidgen.spec import NetSpec

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def assert_exact(spec: NetSpec, compiler: str = "gcc", flags: tuple[str, ...] = ("-O0",)) -> Source:
    program, images = integers(spec), pixels_for(spec, 4, seed=1)
    source = generate(program)
    require_equal(spec.name, run_host(source, images, compiler, flags), simulate(program, images))
    return source


@settings(fuzz, max_examples=10)
@given(plans())
def test_drawn_nets_are_exact(plan: Plan) -> None:
    assert_exact(spec_of(plan))


@pytest.mark.slow
@settings(fuzz, max_examples=200)
@given(plans(), st.sampled_from(["gcc", "clang"]), st.sampled_from(["-O0", "-O2", "-Os"]))
def test_many_drawn_nets_are_exact(plan: Plan, compiler: str, level: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    assert_exact(spec_of(plan), compiler, (level, *TRAP))


@pytest.mark.parametrize(
    "body",
    [
        (layers.Conv(5, stride=2), layers.Depthwise(3, 5, stride=2)),
        (layers.MaxPool(3, 2), layers.Conv(4)),  # a border of its own for every colour, later
        (layers.Blur(2, 5), layers.Blur(1), layers.MaxPool(2, 1)),
        (layers.SqueezeExcite(2), layers.Conv(4), layers.SqueezeExcite(1)),
        (layers.MaxPool(1, 3), layers.Depthwise(9), layers.Transition(2)),
        (layers.Conv(1, 5), layers.Depthwise(1), layers.Conv(300, 1)),
        (layers.Conv(2, 9), layers.Depthwise(3, 11)),  # windows larger than the picture
    ],
)
@pytest.mark.parametrize("shape", [Shape(3, 9, 7), Shape(2, 5, 6)])
def test_edges_are_exact(body: tuple[Layer, ...], shape: Shape) -> None:
    assert_exact(NetSpec(shape, (*body, *HEAD)))


@pytest.mark.parametrize("channels", [1, 2])
def test_means_of_pixels_before_a_convolution_are_exact(channels: int) -> None:
    body = (layers.GlobalAveragePool(), layers.Conv(4, 1), layers.Conv(3, 1))
    assert_exact(NetSpec(Shape(channels, 9, 2), (*body, *HEAD)))


@pytest.mark.parametrize("before", [layers.GlobalAveragePool(), layers.Flatten()])
def test_windows_of_several_rows_over_what_one_row_collects_are_refused(before: Layer) -> None:
    spec = NetSpec(Shape(1, 6, 2), (layers.Conv(4), before, layers.Conv(4, 3), *HEAD))
    with pytest.raises(ValueError, match=r"by windows of one row; got 3: take kernel_size=1"):
        generate(integers(spec))


@pytest.mark.parametrize("name", NESTS)
def test_sums_and_repeats_are_exact(name: str) -> None:
    assert_exact(nest(name))


@pytest.mark.parametrize("wide", [False, True], ids=["40 x 1", "1 x 40"])
def test_kernels_and_pools_of_unequal_sides_are_exact(wide: bool) -> None:
    assert_exact(window(wide=wide))
    assert_exact(rewritten(window(wide=wide), parse("blurpool")))


SMALL: dict[str, tuple[list[int], list[str]]] = {
    "a ring of fewer rows than a shortcut's blur looks at": (
        [1, 4, 4],
        [
            "conv(8, stride=2)",
            "residual(conv(8, kernel_size=1), blur(2), shortcut=true)",
            AVERAGE[0],
        ],
    ),
    "likewise, of a wider blur": (
        [1, 8, 8],
        [
            "conv(8, stride=2)",
            "residual(conv(8, 1), channelwise(), blur(2, 5), conv(8, 1), shortcut=true)",
            AVERAGE[0],
        ],
    ),
    "a blur of means": (
        [1, 4, 4],
        ["conv(8)", AVERAGE[0], "residual(conv(16, kernel_size=1), blur(2), shortcut=true)"],
    ),
    "gates of means": ([1, 6, 6], ["conv(8)", AVERAGE[0], "residual(squeeze_excite(4))"]),
    "gates of all pixels": ([1, 4, 4], ["conv(4)", "flatten()", "squeeze_excite(4)"]),
    "a ring of more rows than its map": (
        [1, 255, 2],
        ["conv(4, kernel_size=1)", "residual(conv(4), squeeze_excite(2))", AVERAGE[0]],
    ),
    "a long stride": ([1, 1, 900], ["conv(8, 1x9, stride=300)", AVERAGE[0]]),
    "a stride over the map": ([1, 6, 6], ["conv(5)", "max_pool(2, stride=300)", "flatten()"]),
}


@pytest.mark.parametrize(("shape", "body"), SMALL.values(), ids=SMALL)
def test_small_maps_and_long_strides_are_exact(shape: list[int], body: list[str]) -> None:
    spec = NetSpec.from_dict({"input": shape, "layers": [*body, "classifier(3)"]})
    assert_exact(spec, flags=("-O0", *TRAP))


ROW = 24 * 16  # bytes


@pytest.mark.parametrize(
    ("inner", "grown"),
    [
        # what the inner layers made waits beside the row that the ring of the window still holds
        (["depthwise(16)"], ROW),
        (["depthwise(16, kernel_size=5)"], ROW),
        (["conv(16)", "conv(16, activation=none)"], ROW),
        (["conv(16, kernel_size=1)", "conv(16, kernel_size=1)"], ROW),
        # the inner layers look further than the first window: a row more of the ring, with border
        (["conv(16)", "conv(16)", "conv(16)"], ROW + 26 * 16),
    ],
)
def test_a_sum_costs_a_row_and_the_rows_that_the_layers_inside_look_further(
    inner: list[str], grown: int
) -> None:
    def arena(*body: str) -> int:
        texts = ["conv(16)", *body, "conv(8)", "max_pool(2)", *AVERAGE]
        return dummy_source(NetSpec.from_dict({"input": [3, 24, 24], "layers": texts})).arena_bytes

    found = arena(f"residual({', '.join(inner)})") - arena(*inner)
    assert 0 < found <= grown


def test_passes_of_a_repeat_share_their_weights() -> None:
    def tables(times: int) -> int:
        body = ["conv(16)", f"repeat(residual(depthwise(16)), times={times})", *AVERAGE]
        return dummy_source(NetSpec.from_dict({"input": [3, 16, 16], "layers": body})).table_bytes

    # a pass more: biases and multipliers of both convolutions and the sum, four lines of the table
    assert tables(3) - tables(2) == 8 * (16 + 16 + 3) + 4 * 18


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_classifier_alone_is_exact_and_silent(compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    assert_exact(NetSpec(Shape(3, 1, 1), HEAD), compiler)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", ["mnist-1k5-dw", "cifar-143k-dw"])
def test_reference_nets_are_exact_and_silent(name: str, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    assert_exact(zoo.net(name), compiler, ("-O1",))


def test_blur_and_excitation_of_a_reference_net_are_exact() -> None:
    source = assert_exact(excited(blurred(zoo.net("mnist-1k5-dw"))))
    assert set(source.parts) >= {"blur", "excite", "small_filter", "average"}


def test_a_source_holds_only_what_its_net_needs_and_needs_no_library(tmp_path: Path) -> None:
    source = generate(integers(zoo.net("mnist-1k5-dw")), "digit")
    assert "blur" not in source.source
    assert "sigmoid" not in source.source
    write_source(source, tmp_path)
    for level in ("-O0", "-O2", "-O3", "-Os"):
        command = ["gcc", "-std=c99", level, "-c", "digit.c", "-o", "digit.o"]
        subprocess.run(command, cwd=tmp_path, check=True)
        said = subprocess.run(
            ["nm", "-u", "digit.o"], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert [u for u in said.stdout.split() if u not in ("U", "_GLOBAL_OFFSET_TABLE_")] == []


def test_an_unusable_name_is_refused() -> None:
    program = integers(NetSpec(Shape(1, 4, 4), HEAD))
    for name in ("2net", "Net", "my net", "for", ""):
        with pytest.raises(ValueError, match="must be a lower-case C identifier"):
            generate(program, name)


def test_a_layer_beyond_the_c_is_named() -> None:
    spec = NetSpec(Shape(1, 20, 20), (layers.Conv(2), layers.Blur(2, 13), *HEAD), "wide")
    with pytest.raises(ValueError, match="wide, operation 2: blur kernel_size must be <= 11, got"):
        generate(integers(spec))


def test_the_classifiers_weights_are_the_last_though_others_are_alike() -> None:
    body = (layers.Conv(4, 1), layers.GlobalAveragePool(), layers.Classifier(4))
    program = integers(NetSpec(Shape(3, 4, 4), body))
    conv, *between = program.operations[:-1]
    assert isinstance(conv, IntConv2d)
    alike = replace(conv, weight=np.zeros_like(conv.weight))
    head = replace(program.head, weight=np.zeros((4, 4), np.int8))
    one = generate(replace(program, operations=(alike, *between, head)))
    # 56 bytes that loads of Helium reach over, but for the classifier's own 16
    assert f"net_weights[32 + NET_HELIUM * {56 - 16}]" in one.source


def test_weights_lie_as_the_kernel_meets_them() -> None:
    weight = np.arange(3 * 2 * 1, dtype=np.int8).reshape(3, 2, 1, 1)
    # of each four terms 0, 2, 1, 3, each for both outputs of a pair; the third has none beside it
    assert packed_pairs(weight).tolist() == [0, 2, 0, 0, 1, 3, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0]
    rows = np.arange(1, 10, dtype=np.int8).reshape(1, 1, 3, 3)  # each padded: it takes no more
    first = packed_pairs(rows)[::2].tolist()
    assert first == [1, 3, 2, 0, 4, 6, 5, 0, 7, 9, 8, 0]


def spanning(size: int, first: int, length: int, turn: int | None) -> Buffer:
    return Buffer(size, first, first + length, turn)


@given(
    st.lists(
        st.builds(
            spanning,
            st.integers(1, 50),
            st.integers(0, 4),
            st.integers(0, 3),
            st.one_of(st.none(), st.integers(0, 9)),
        ),
        max_size=9,
    )
)
def test_buffers_alive_together_never_overlap(drawn: list[Buffer]) -> None:
    buffers = {str(i): buffer for i, buffer in enumerate(drawn)}
    offsets, total = place(buffers)
    for a, one in buffers.items():
        assert offsets[a] % 4 == 0
        assert offsets[a] + one.size <= total
        for b, other in buffers.items():
            together = a != b and one.first <= other.last and other.first <= one.last
            if together and not (
                one.turn is not None and other.turn is not None and abs(one.turn - other.turn) > 1
            ):
                apart = offsets[a] + one.size <= offsets[b] or offsets[b] + other.size <= offsets[a]
                assert apart
