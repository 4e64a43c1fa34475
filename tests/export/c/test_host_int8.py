"""The integer C for hosts computes what the simulation does, bit for bit, on every path."""

import platform
import shutil
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.export.c.compiled import HEAD, TRAP, fuzz, integers
from tests.export.nets import (
    NESTS,
    Plan,
    blurred,
    excited,
    nest,
    pixels_for,
    plans,
    spec_of,
)
from tests.thinned import thinned

from smidgen import layers, zoo
from smidgen.export.artefact import Wish
from smidgen.export.c import host_int8
from smidgen.export.c.emulate import WARNINGS, prepare, require_equal, run_host, write_source
from smidgen.export.c.host_int8 import generate_host
from smidgen.export.c.host_map import Map
from smidgen.export.c.host_packed import packed_dense, packed_filter, units
from smidgen.export.int8.simulate import simulate
from smidgen.export.ship import export
from smidgen.layers import Shape
from smidgen.spec import NetSpec

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

NEEDED = {
    "plain": "",
    "AVX2": "avx2",
    "AVX-VNNI": "avx_vnni",
    "AVX-512 VNNI": "avx512_vnni",
    "AMX": "amx_int8",
}
PATHS = tuple(NEEDED)


def require_path(path: str) -> None:
    """Skip where this processor has no such instructions: another path would run in its place."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    if NEEDED[path] and NEEDED[path] not in flags:
        pytest.skip(f"this processor has no {path}")


def assert_exact(
    spec: NetSpec,
    paths: tuple[str, ...] = PATHS,
    compiler: str = "gcc",
    flags: tuple[str, ...] = ("-O1",),
) -> None:
    program, images = integers(spec), pixels_for(spec, 3, seed=1)
    source, expected = generate_host(program), simulate(program, images)
    for path in paths:
        # every convolution on tiles, where there are any
        chosen = (*flags, f"-DNET_SIMD={PATHS.index(path)}", "-DNET_LEAST_STEPS=1")
        require_equal(f"{spec.name} {path}", run_host(source, images, compiler, chosen), expected)


def present() -> tuple[str, ...]:
    """Return the paths that this processor can take."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return tuple(path for path, flag in NEEDED.items() if not flag or flag in flags)


@settings(fuzz, max_examples=3)
@given(plans())
def test_drawn_nets_are_exact(plan: Plan) -> None:
    assert_exact(spec_of(plan), present()[-1:], flags=("-O0",))


@pytest.mark.slow
@pytest.mark.parametrize("name", NESTS)
def test_all_sums_and_repeats_are_exact_on_every_path(name: str) -> None:
    assert_exact(nest(name), present())


@pytest.mark.slow
@settings(fuzz, max_examples=100)
@given(plans(), st.sampled_from(["gcc", "clang"]), st.sampled_from(["-O0", "-O3"]))
def test_many_drawn_nets_are_exact(plan: Plan, compiler: str, level: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    assert_exact(spec_of(plan), present(), compiler, (level, *TRAP))


EDGES = {
    # 4 and 2 blocks of outputs and 1, of rows of 16, 8, 4 pixels and 1; filters of every width
    "blocks": (
        layers.Conv(40),
        layers.Conv(100, 1),
        layers.Depthwise(33, 5),
        layers.Conv(17, 3, 2),
    ),
    "strides": (layers.Conv(5, stride=2), layers.Depthwise(70, 5, stride=2), layers.Depthwise(3)),
    "no products": (
        *(layers.MaxPool(1, 2), layers.Blur(1, 7), layers.SqueezeExcite(2), layers.Blur(2, 5)),
    ),
}


# Paths differ in how four bytes are multiplied and in lanes: each meets every other edge here.
@pytest.mark.parametrize(("body", "path"), thinned(product(EDGES, PATHS)))
def test_edges_are_exact(body: str, path: str) -> None:
    require_path(path)
    spec = NetSpec(Shape(3, 9, 29), (*EDGES[body], *HEAD), "edges")
    assert_exact(spec, (path,), flags=("-O0", *TRAP))


@pytest.mark.parametrize("name", thinned(["resnet", "first", "blurred", "gated", "flat", "oblong"]))
def test_sums_and_repeats_are_exact(name: str) -> None:
    assert_exact(nest(name), present()[-1:], flags=("-O0",))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_reference_net_is_exact_and_silent(compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    assert_exact(excited(blurred(zoo.net("mnist-1k5-dw"))), present()[-1:], compiler)


@pytest.mark.parametrize(("name", "path"), [("avx2", "AVX2"), ("avx512", "AVX-512 VNNI")])
def test_tiles_are_exact_where_they_are_emulated(
    name: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_path(path)
    tiles, template = Path(__file__).with_name("tiles.h").read_text(), host_int8.template
    chosen = [
        each._replace(tiled="amx" if each.name == name else "") for each in host_int8.PROCESSORS
    ]
    monkeypatch.setattr(host_int8, "PROCESSORS", tuple(chosen))

    def emulated(of: str) -> str:
        return tiles if of == "host_amx.c" else template(of)

    monkeypatch.setattr(host_int8, "template", emulated)
    bodies = [
        # rows of 16 pixels that end where the map's do, joined rows, 16 to 64 bytes a row of a tile
        (layers.Conv(5), layers.Conv(40), layers.Conv(70, 1), layers.Conv(17, 3, 2)),
        (layers.Conv(33, stride=2), layers.Conv(16, 5), layers.Conv(12), layers.MaxPool(2)),
    ]
    for body, width in zip(bodies, (39, 18), strict=True):
        spec = NetSpec(Shape(3, 5, width), (*body, layers.Conv(24), *HEAD), "tiled")
        program, images = integers(spec), pixels_for(spec, 2, seed=1)
        source = generate_host(program)
        text = source.source.replace("NET_SIMD > 3", "1")
        assert "tile_dot(" in text
        flags = ("-O0", f"-DNET_SIMD={PATHS.index(path)}", "-DNET_LEAST_STEPS=1", *TRAP)
        found = run_host(replace(source, source=text), images, "gcc", flags)
        require_equal(spec.name, found, simulate(program, images))


ASKED_AT_ONCE = """
#include <pthread.h>
static void *asks(void *answer) { return *(int *)answer = tiles_are_there(), answer; }
int main(void) {
  static pthread_t threads[4];
  static int answers[4];
  for (int i = 0; i < 4; i++) if (pthread_create(threads + i, 0, asks, answers + i)) return 3;
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  for (int i = 1; i < 4; i++) if (answers[i] != answers[0]) return 2;
  return 0;
}
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="tiles are those of x86")
def test_threads_may_ask_for_tiles_at_the_same_time(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(host_int8.template("host_amx.c") + ASKED_AT_ONCE)
    build = ["gcc", "-fsanitize=thread", "-O1", "main.c", "-o", "main", "-pthread"]
    if subprocess.run(build, cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("gcc has no ThreadSanitizer here")
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer does not run here")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("machine", ["armv8-a", "armv8.2-a+dotprod"])
def test_neon_is_exact(machine: str) -> None:
    compiler, emulator = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
    if compiler is None or emulator is None:
        pytest.skip("gcc-aarch64-linux-gnu or qemu-user is not installed")
    nets = [
        excited(blurred(zoo.net("mnist-1k5-dw"))),
        nest("blurred"),
        NetSpec(Shape(3, 9, 7), (layers.Conv(20), layers.Depthwise(18, 5, 2), *HEAD), "edges"),
    ]
    for spec in nets:
        program, images = integers(spec), pixels_for(spec, 2, seed=1)
        source = generate_host(program)
        with TemporaryDirectory() as name:
            folder = Path(name)
            prepare(source, images, folder)
            command = [compiler, *WARNINGS, "-O0", f"-march={machine}", "-static"]
            subprocess.run([*command, "net.c", "main.c", "-o", "main"], cwd=folder, check=True)
            subprocess.run([emulator, "-cpu", "max", "./main"], cwd=folder, check=True)
            found = np.frombuffer((folder / "logits.bin").read_bytes(), np.int32)
        require_equal(spec.name, found.reshape(len(images), -1), simulate(program, images))


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_it_compiles_silently_as_cpp_too(tmp_path: Path) -> None:
    source = generate_host(integers(NetSpec(Shape(3, 8, 8), (layers.Conv(17), *HEAD))))
    write_source(source, tmp_path)
    command = ["g++", "-x", "c++", "-std=c++17", *WARNINGS[1:], "-O2", "-c", "net.c", "-o", "n.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_the_header_says_what_stack_there_must_be(tmp_path: Path) -> None:
    source = generate_host(integers(NetSpec(Shape(3, 8, 8), (layers.Conv(17), *HEAD))))
    assert "and of stack some ten thousand, if optimised." in source.header
    write_source(source, tmp_path)
    command = ["gcc", "-std=c99", "-O2", "-fstack-usage", "-c", "net.c", "-o", "net.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    frames = [int(row.split("\t")[1]) for row in (tmp_path / "net.su").read_text().splitlines()]
    assert max(frames) < 10_000


def test_weights_lie_in_fours_of_sixteen_outputs() -> None:
    weight = np.arange(2 * 3 * 3 * 3, dtype=np.int8).reshape(2, 3, 3, 3)
    side_by_side, apart = packed_dense(weight, 3), packed_dense(weight, 16)
    assert side_by_side.taps[:4] == ((0, 0), (0, 4), (0, 8), (1, 0))  # nine bytes a row
    assert apart.taps[:4] == ((0, 0), (0, 16), (0, 32), (1, 0))  # three bytes a pixel
    assert side_by_side.weight[:8].tolist() == [0, 9, 18, 1, 27, 36, 45, 28]
    assert apart.weight[:8].tolist() == [0, 9, 18, 0, 27, 36, 45, 0]
    filters = packed_filter(weight[:, :1], 16)
    assert filters.steps == 3
    assert filters.by_rows  # three of nine weights a step, as four take no fewer
    assert filters.weight[:8].tolist() == [0, 1, 2, 0, 27, 28, 29, 0]
    assert filters.taps[2:5] == ((0, 32), (0, 32), (1, 0))
    large = packed_filter(np.arange(25, dtype=np.int8).reshape(1, 1, 5, 5), 16)
    assert large.steps == 7
    assert not large.by_rows
    assert large.weight[64:68].tolist() == [4, 5, 6, 7]


def test_a_row_of_a_tile_is_as_many_bytes_as_follow_each_other() -> None:
    weight = np.ones((2, 48, 3, 3), np.int8)
    assert packed_dense(weight, 48).chunk == 12  # of 36, a row of the window
    assert packed_dense(weight, 64).chunk == 12  # of 12, a pixel
    assert packed_dense(weight[:, :, :1, :1], 48).chunk == 12
    assert packed_dense(weight[:, :, :1, :1][:, :28], 32).chunk == 7


def test_biases_make_up_for_the_128_that_bytes_are_more() -> None:
    made = units(np.array([1000], np.int32), np.array([2**30 + 5], np.int32), np.array([3]))
    assert made.reshape(6, 16)[:, 0].tolist() == [1000 - 3 * 128, 2**30 + 5, 1000, 0, 0, 0]


def test_a_map_is_as_large_as_what_blocks_of_pixels_reach() -> None:
    own = Map("map", Shape(5, 4, 6), 16, 0, 0)
    assert own.surround(1, (128,))
    assert not own.surround(2, (128,))
    assert own.row == 8 * 16
    assert own.begin == 9 * 16
    assert own.size == 6 * 8 * 16 + 5 * 16 + 64


def test_a_layer_beyond_the_c_is_named() -> None:
    spec = NetSpec(Shape(1, 20, 20), (layers.Conv(2), layers.Blur(2, 13), *HEAD), "wide")
    with pytest.raises(ValueError, match="wide, operation 2: blur kernel_size must be <= 11, got"):
        generate_host(integers(spec))


def test_code_for_hosts_is_no_package_of_a_microcontroller(tmp_path: Path) -> None:
    wish = Wish(optimize="host")
    with pytest.raises(
        ValueError, match="arduino is for microcontrollers; code for hosts is for c"
    ):
        export(tmp_path, "arduino", tmp_path / "out", wish=wish)
    with pytest.raises(ValueError, match="code for hosts is not measured on a microcontroller"):
        export(tmp_path, "c", tmp_path / "out", wish=wish, max_flash="1MB")
