"""The float C computes what the folded program does, for any width of vector."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.export.c.compiled import HEAD, fuzz
from tests.export.nets import (
    NESTS,
    Plan,
    blurred,
    excited,
    nest,
    pixels_for,
    plans,
    program_of,
    spec_of,
    warmed,
)

from smidgen import layers, zoo
from smidgen.export.c.emulate import run_host, write_source
from smidgen.export.c.float32 import generate_float
from smidgen.export.program import run_float
from smidgen.layers import Layer, Shape
from smidgen.spec import NetSpec

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
WIDTHS = ("-DLANES=1", "-DLANES=4", "-DLANES=16", "-march=native")


def assert_close(spec: NetSpec, flags: tuple[str, ...], compiler: str = "gcc") -> None:
    program, images = program_of(spec), pixels_for(spec, 5)
    expected = run_float(program, images)
    got = run_host(generate_float(program), images, compiler, ("-O0", "-Wno-psabi", *flags))
    allowed = 1e-5 * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(got, expected, rtol=0, atol=allowed)


@settings(fuzz, max_examples=8)
@given(plans(), st.sampled_from(WIDTHS))
def test_drawn_nets_agree(plan: Plan, width: str) -> None:
    assert_close(spec_of(plan), (width,))


@pytest.mark.slow
@settings(fuzz, max_examples=200)
@given(plans(), st.sampled_from(WIDTHS))
def test_many_drawn_nets_agree(plan: Plan, width: str) -> None:
    assert_close(spec_of(plan), (width, "-fsanitize=address,undefined"))


@pytest.mark.parametrize("gate", [(), (layers.SqueezeExcite(1),)])
def test_a_mean_over_one_pixel_compiles(gate: tuple[Layer, ...]) -> None:
    assert_close(NetSpec(Shape(1, 1, 1), (*gate, *HEAD)), ())


@pytest.mark.parametrize(
    "body",
    [
        (layers.Conv(5), layers.Depthwise(14, 5), layers.MaxPool(2)),
        (layers.Conv(3, stride=2), layers.Depthwise(4, stride=2), layers.Transition(2)),
        (layers.MaxPool(2, 1), layers.Blur(2), layers.SqueezeExcite(2), layers.Conv(4)),
        # narrow maps, several rows of which make a vector
        (layers.MaxPool(2), layers.Conv(18), layers.Depthwise(5), layers.Transition(3)),
        (layers.MaxPool(3, 3), layers.Conv(4, 5), layers.MaxPool(2), layers.Conv(17, 1)),
    ],
)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shape", [Shape(3, 7, 16), Shape(1, 6, 33)])
def test_rows_that_fill_vectors_and_rows_that_do_not_agree(
    body: tuple[Layer, ...], width: str, shape: Shape
) -> None:
    assert_close(NetSpec(shape, (*body, *HEAD)), (width,))


ALONE = """
#include <stdio.h>
#include "net.h"
static float memory[2][64 + NET_MEMORY_BYTES / 4], logits[2][NET_CLASSES];
static const uint8_t pixels[NET_PIXELS] = {9, 200, 30};
int main(void) {
  for (int i = 0; i < 64; i++) memory[1][i] = 1e6f;
  for (int i = 0; i < 2; i++) net_in(memory[i] + 64, pixels, logits[i]);
  for (int k = 0; k < NET_CLASSES; k++) {
    if (logits[0][k] != logits[1][k]) return 1;
  }
  return 0;
}
"""


def test_windows_far_wider_than_a_vector_do_not_see_what_lies_before_memory(tmp_path: Path) -> None:
    spec = NetSpec(Shape(1, 2, 16), (layers.Conv(2, 49), *HEAD))
    write_source(generate_float(program_of(spec)), tmp_path)
    (tmp_path / "main.c").write_text(ALONE)
    command = ["gcc", "-std=c99", "-O0", "-Wno-psabi", "net.c", "main.c", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "main"], check=True)


def test_what_grows_with_a_map_lies_in_memory_and_not_on_the_stack() -> None:
    wide = NetSpec(Shape(1, 3, 1000), (layers.Blur(2, 5), layers.Conv(3), *HEAD))
    many = NetSpec(Shape(1, 3, 3), (layers.Conv(400), layers.SqueezeExcite(100), *HEAD))
    for spec in (wide, many):
        assert_close(spec, ("-O2", "-Wframe-larger-than=500"))


@pytest.mark.parametrize("name", NESTS)
def test_sums_and_repeats_agree(name: str) -> None:
    assert_close(nest(name), ("-march=native",))


@pytest.mark.parametrize("name", ["resnet", "first", "blurred", "gated", "flat", "oblong"])
def test_sums_and_repeats_agree_without_vectors(name: str) -> None:
    assert_close(nest(name), ("-DLANES=1",))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_reference_nets_agree_under_both_compilers(compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    for change in (blurred, excited):
        program = warmed(change(zoo.net("mnist-1k5-dw")))
        images = pixels_for(zoo.net("mnist-1k5-dw"), 5)
        flags = ("-O2",) if compiler == "gcc" else ("-O2", "-ffp-contract=off")
        got = run_host(generate_float(program), images, compiler, flags)
        np.testing.assert_allclose(got, run_float(program, images), rtol=0, atol=1e-5)


def test_no_library_is_needed_without_vectors(tmp_path: Path) -> None:
    write_source(generate_float(program_of(zoo.net("mnist-1k5-dw")), "digit"), tmp_path)
    for level in ("-O1", "-O3"):
        command = ["gcc", "-std=c99", level, "-DLANES=1", "-c", "digit.c", "-o", "digit.o"]
        subprocess.run(command, cwd=tmp_path, check=True)
        said = subprocess.run(
            ["nm", "-u", "digit.o"], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert [u for u in said.stdout.split() if u not in ("U", "_GLOBAL_OFFSET_TABLE_")] == []
