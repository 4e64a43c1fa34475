"""What firmware sees of generated C: names of its own, its own memory, rows, and answers."""

import re
import shutil
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.export.c.compiled import integers
from tests.export.nets import excited, nest, pixels_for, warmed
from tests.thinned import thinned

from smidgen import layers
from smidgen.data import Preprocessing
from smidgen.export.c import int8_facts
from smidgen.export.c.answer import probabilities
from smidgen.export.c.emulate import (
    WARNINGS,
    Core,
    machine,
    require_equal,
    run_host,
    run_program,
    write_source,
)
from smidgen.export.c.float32 import generate_float
from smidgen.export.c.host import compile_library, load_library
from smidgen.export.c.host_int8 import generate_host
from smidgen.export.c.int8 import OPTIMIZE, generate
from smidgen.export.c.int8_facts import ROOMY
from smidgen.export.c.names import is_taken, require_identifier, require_own
from smidgen.export.c.picture import described, picture_header, signed
from smidgen.export.c.source import Source
from smidgen.export.c.text import named
from smidgen.export.firmware.package import template
from smidgen.export.int8.simulate import simulate
from smidgen.layers import Shape
from smidgen.spec import NetSpec

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

SEEN = Preprocessing(12, 10, "rgb", 3, fit="pad")
OF_VALUES = replace(SEEN, offset=(0.0, 1.0, 2.0), scale=(0.1, 0.2, 0.3))
SILENT = WARNINGS[1:]
AS_C_AND_AS_CPP = [
    *[(cc, "c", std) for cc in ("gcc", "clang") for std in ("c99", "c11")],
    *[(cc, "c++", "c++17") for cc in ("g++", "clang++")],
    ("arm-none-eabi-gcc", "c", "c99"),  # whose loops in assembly others do not see
    ("arm-none-eabi-g++", "c++", "c++17"),
]


def net(width: int, classes: int = 3) -> NetSpec:
    body = (layers.Conv(width, stride=2), layers.Depthwise(width + 1), layers.SqueezeExcite(2))
    head = (layers.GlobalAveragePool(), layers.Classifier(classes, bias=True))
    return NetSpec(Shape(3, 12, 10), (*body, *head))


def full(source: Source, folder: Path, seen: Preprocessing = SEEN) -> None:
    """Write all files of a net, as an export does."""
    names = [f'class "{k}" */ ??/' for k in range(source.classes)]
    made = described(source, seen, names, key="cbf3ca34", version="smidgen 0")
    write_source(made, folder)
    (folder / f"{made.name}_picture.h").write_text(picture_header(made, seen))


def call(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two nets in integers and one in floats, and all three in one file."""
    folder = tmp_path_factory.mktemp("nets")
    full(generate(integers(net(4)), "cats"), folder)
    full(generate(integers(excited(nest("resnet", (3, 12, 10)))), "dogs"), folder)
    full(generate_float(warmed(net(5)), "birds"), folder)
    names = ("cats", "dogs", "birds")
    includes = [f'#include "{name}{end}"' for end in (".c", "_picture.h") for name in names]
    (folder / "all.c").write_text("\n".join([*includes, "int main(void) { return 0; }\n"]))
    return folder


@pytest.mark.parametrize(("compiler", "language", "standard"), AS_C_AND_AS_CPP)
def test_three_nets_in_one_file_compile_silently(
    compiler: str, language: str, standard: str, nets: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    core = machine("m4") if compiler.startswith("arm") else []
    command = [compiler, *core, "-x", language, f"-std={standard}", *SILENT, "-O1", "-c", "all.c"]
    call([*command, "-o", f"{compiler}-{standard}.o"], nets)


@pytest.mark.parametrize(
    ("compiler", "language", "flags"),
    [
        ("g++", "c++", ["-std=c++17", "-Wold-style-cast"]),
        ("clang++", "c++", ["-std=c++17", "-Wold-style-cast", "-Wcomma"]),
        ("clang", "c", ["-std=c99", "-Wcomma"]),
    ],
)
def test_headers_are_silent_where_a_project_forbids_casts_of_c(
    compiler: str, language: str, flags: list[str], nets: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    (nets / "headers.c").write_text(
        '#include "cats_picture.h"\n#include "birds_picture.h"\n'
        "CATS_FRAME(eye, CATS_FRAME_RGB888, 24, 32, 96);\nconst uint8_t *row(void);\n"
        "const uint8_t *row(void) { return cats_frame_row(&eye, 0); }\n"
    )
    silent: list[str | Path] = [compiler, "-x", language, *flags, *SILENT, "-fsyntax-only"]
    silent.append("headers.c")
    call(silent, nets)
    if language == "c++":  # a project's own casts are still told
        (nets / "headers.c").write_text('#include "cats_picture.h"\nint own = (int)2.5;\n')
        assert "old-style-cast" in refused(silent, nets)


SPARSE = {  # each without some of the kernels, and so without what only those call
    "a head": ["global_average_pool()"],
    "less than that": ["flatten()"],
    "a pooling": ["max_pool(2)", "flatten()"],
    "a convolution": ["conv(4)", "flatten()"],
    "a filter": ["channelwise()", "flatten()"],
    "a filter in fours": ["conv(8)", "channelwise()", "flatten()"],
    "signed sums": [
        *("conv(8, activation=none)", "channelwise(activation=none)", "channelwise(5)"),
        *("channelwise(3, stride=2, activation=none)", "conv(9)", "global_average_pool()"),
    ],
    "a strided filter": ["conv(8)", "channelwise(3, stride=2)", "global_average_pool()"],
    "a sum": ["residual(conv(3), activation=relu)", "flatten()"],
    "a blur": ["blur(2)", "flatten()"],
}
AWAY = ("--target=arm-none-eabi", "-ffreestanding", "-D__ARM_FEATURE_UNALIGNED=1")


@pytest.mark.parametrize("body", thinned(SPARSE.values()), ids=SPARSE)
@pytest.mark.parametrize("compiler", ["clang", "arm-none-eabi-gcc"])
def test_a_source_has_no_function_that_a_core_does_not_use(
    body: list[str], compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What larger nets have for speed is compiled whole; of the rest clang tells by reading it."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    spec = NetSpec.from_dict({"input": [3, 8, 8], "layers": [*body, "classifier(3)"]})
    program, away = integers(spec), AWAY if compiler == "clang" else ()
    for roomy, optimize in product([0, ROOMY], OPTIMIZE):
        whole = roomy == 0 and optimize == "speed"
        if not whole and compiler != "clang":
            continue
        monkeypatch.setattr(int8_facts, "ROOMY", roomy)
        write_source(generate(program, "net", optimize), tmp_path)
        for core in ("m0plus", "m3", "m4", "m55"):
            how = "-c" if whole else "-fsyntax-only"
            call([compiler, *away, *machine(core), *WARNINGS, how, "net.c"], tmp_path)


BARE = {  # without what larger nets have, in a picture of two channels
    "a sum of one row": ([2, 1, 1], ["conv(1, kernel_size=1)", "global_average_pool()"]),
    "steps over the picture": ([2, 7, 8], ["conv(11, stride=3, activation=none)", "flatten()"]),
    "blurs": ([2, 11, 5], ["blur(3)", "conv(3, activation=none)", "flatten()"]),
}


@pytest.mark.parametrize(("shape", "body"), BARE.values(), ids=BARE)
def test_floats_of_a_bare_net_compile_silently(
    shape: list[int], body: list[str], tmp_path: Path
) -> None:
    """Clang tells of functions that no line of a file calls; GCC of none that is inline."""
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    spec = NetSpec.from_dict({"input": shape, "layers": [*body, "classifier(3)"]})
    write_source(generate_float(warmed(spec)), tmp_path)
    for lanes in ((), ("-DLANES=1",), ("-mavx512f",)):
        call(["clang", *WARNINGS, *lanes, "-fsyntax-only", "net.c"], tmp_path)


def test_no_compiler_believes_that_a_narrow_net_reads_past_its_tables(tmp_path: Path) -> None:
    shape, body = BARE["a sum of one row"]
    spec = NetSpec.from_dict({"input": shape, "layers": [*body, "classifier(2)"]})
    write_source(generate_host(integers(spec)), tmp_path)
    call(["gcc", *WARNINGS, "-O3", "-c", "net.c"], tmp_path)


def test_every_name_that_a_compiler_or_a_linker_sees_is_the_nets_own(nets: Path) -> None:
    bare = call(["gcc", "-std=c99", "-dM", "-E", "-include", "stdint.h", "-x", "c", "-"], nets)
    for name in ("cats", "birds"):
        call(["gcc", "-std=c99", "-O0", "-c", f"{name}.c", "-o", f"{name}.o"], nets)
        symbols = [line.split()[-1] for line in call(["nm", f"{name}.o"], nets).splitlines()]
        # what stands inside a function has a number behind its name, and no linker sees it
        visible = [s for s in symbols if "." not in s and s != "_GLOBAL_OFFSET_TABLE_"]
        assert visible
        assert [s for s in visible if s != name and not s.startswith(f"{name}_")] == []
        (name_c := nets / f"{name}-with-pictures.c").write_text(
            f'#include "{name}.c"\n#include "{name}_picture.h"\n'
        )
        defined = call(["gcc", "-std=c99", "-dM", "-E", name_c], nets)
        found = {line.split()[1].split("(")[0] for line in defined.splitlines()}
        found -= {line.split()[1].split("(")[0] for line in bare.splitlines()}
        assert [macro for macro in found if not macro.startswith(f"{name.upper()}_")] == []


@pytest.mark.parametrize("name", ["small", "border", "walk", "head"])
def test_a_net_may_be_called_as_anything_that_its_source_defines(name: str, tmp_path: Path) -> None:
    program = integers(net(4))
    for made in (
        generate(program, name),
        generate_host(program, name),
        generate_float(warmed(net(5)), name),
    ):
        write_source(made, tmp_path)
        call(["gcc", *WARNINGS, "-fsyntax-only", f"{name}.c"], tmp_path)


@pytest.mark.parametrize("name", ["i", "count", "pixels", "out", "stack", "my_name", "error"])
def test_a_net_may_be_called_as_anything_in_what_runs_it(name: str, tmp_path: Path) -> None:
    program = integers(net(4))
    made, pixels = generate(program, name), pixels_for(net(4), 2)
    write_source(made, tmp_path)
    library = tmp_path / "net.so"
    compile_library(tmp_path, name, made.logit_type, len(pixels[0].ravel()), made.classes, library)
    run = load_library(library, made.logit_type, made.classes)
    require_equal("the library", run(pixels), simulate(program, pixels))
    require_equal("the program", run_host(made, pixels), simulate(program, pixels))


def test_no_name_is_defined_twice_in_the_files_of_a_net(tmp_path: Path) -> None:
    for made in (generate(integers(net(4)), "cats"), generate_float(warmed(net(5)), "cats")):
        full(made, tmp_path, OF_VALUES)
        defined = [
            name
            for path in tmp_path.glob("*.[ch]")
            for name in set(re.findall(r"^ *# *define (\w+)", path.read_text(), re.MULTILINE))
        ]
        assert "CATS_OFFSETS" in defined
        assert sorted(set(defined)) == sorted(defined)


def test_no_net_is_called_as_what_another_one_declares(tmp_path: Path) -> None:
    full(generate(integers(net(4)), "cats"), tmp_path, OF_VALUES)
    texts = [(tmp_path / name).read_text() for name in ("cats.h", "cats_picture.h")]
    texts += [named(template(f"common/{name}.h"), "cats") for name in ("self_test", "serve")]
    declared = set(re.findall(r"\b(cats_\w+)(?=\()|(?<=} )(cats_\w+);", "".join(texts)))
    names = {name for pair in declared for name in pair if name}
    assert {"cats_in", "cats_bytes", "cats_mean", "cats_test_answer", "cats_frame"} <= names
    for name in names:
        with pytest.raises(ValueError, match="name must not end as the functions of a net do"):
            require_own(name)


def test_no_header_has_a_name_of_another_nets_whose_name_is_longer(tmp_path: Path) -> None:
    """As CATS_COLOR_CHANNELS: a way to colour pictures of cats, and the channels of cats_color."""
    full(generate(integers(net(4)), "cats"), tmp_path, OF_VALUES)
    texts = [(tmp_path / name).read_text() for name in ("cats.h", "cats_picture.h")]
    texts += [named(template(f"common/{name}.h"), "cats") for name in ("self_test", "serve")]
    for net_name in ("cats", "CATS"):
        ends = set(re.findall(rf"\b{net_name}_(\w+)", "".join(texts)))
        pairs = product(ends, ends)
        words = {end.removesuffix(f"_{own}") for end, own in pairs if end.endswith(f"_{own}")}
        assert words & {"COLOR", "test"}
        for word in words:
            with pytest.raises(ValueError, match="name must not end as the functions of a net do"):
                require_own(f"cats_{word.lower()}")


def test_two_nets_of_one_name_are_told_apart_by_a_sentence(nets: Path, tmp_path: Path) -> None:
    full(generate(integers(net(5)), "cats"), tmp_path)
    text = f'#include "{nets}/cats.h"\n#include "{tmp_path}/cats.h"\n'
    (tmp_path / "both.c").write_text(text)
    said = refused(["gcc", "-c", "both.c"], tmp_path)
    assert "two nets are called cats: export one of them with another --name" in said
    (tmp_path / "same.c").write_text(f'#include "{nets}/cats.h"\n' * 2)
    call(["gcc", "-c", "same.c"], tmp_path)


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no cross-compiler")
@pytest.mark.parametrize("core", ["m0plus", "m4", "m55"])
def test_a_compiler_that_is_not_gcc_sees_nothing_of_its_language(core: Core, nets: Path) -> None:
    """Compilers of IAR and TI know Arm's macros, but neither GCC's assembly nor its functions."""
    for name in ("cats", "dogs", "birds"):
        (nets / "bare.c").write_text((nets / f"{name}.c").read_text().replace("#include", "//"))
        command = ["arm-none-eabi-gcc", *machine(core), "-U__GNUC__", "-E", "-P"]
        said = call([*command, "bare.c"], nets)
        assert "_rows(" in said
        assert re.search("__asm|__builtin|__attribute", said) is None


NESTED = """
#include <stdio.h>
#include "cats.h"
#include "dogs.h"
static int32_t first[CATS_MEMORY_BYTES / 4], second[DOGS_MEMORY_BYTES / 4];
static int32_t third[CATS_MEMORY_BYTES / 4];
static uint8_t pixels[2][CATS_PIXELS];
static int32_t other[DOGS_CLASSES], again[CATS_CLASSES];
static int asked;
/* in the middle of the first net both are called: the other one, and itself in other memory */
static const uint8_t *source(void *context, int row) {
  if (row != asked++) return 0;
  dogs_in(second, pixels[1], other);
  if (row == 5) cats_in(third, pixels[1], again);
  return (const uint8_t *)context + row * CATS_WIDTH * CATS_CHANNELS;
}
int main(void) {
  int32_t logits[CATS_CLASSES], fixed[CATS_CLASSES];
  FILE *file = fopen("pixels.bin", "rb");
  if (!file || fread(pixels, 1, sizeof pixels, file) != sizeof pixels) return 2;
  cats(pixels[0], fixed);
  cats_rows(first, source, pixels[0], logits);
  for (int k = 0; k < CATS_CLASSES; k++) {
    printf("%d %d %d ", (int)fixed[k], (int)logits[k], (int)again[k]);
  }
  for (int k = 0; k < DOGS_CLASSES; k++) printf("%d ", (int)other[k]);
  printf("%d %s\\n", cats_argmax(logits), cats_class_name(cats_argmax(logits)));
  return asked != CATS_HEIGHT;
}
"""


def test_calls_inside_each_other_with_memory_of_their_own_answer_alike(
    nets: Path, tmp_path: Path
) -> None:
    images = pixels_for(net(4), 2, seed=3)
    (tmp_path / "pixels.bin").write_bytes(images.transpose(0, 2, 3, 1).tobytes())
    (tmp_path / "main.c").write_text(NESTED)
    files = ["main.c", nets / "cats.c", nets / "dogs.c", "-o", "main"]
    check = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    call(["gcc", *WARNINGS, *check, "-O1", f"-I{nets}", *files], tmp_path)
    said = call(["./main"], tmp_path).split(" ", 3 * 3 + 3)
    *numbers, rest = said
    one, two = simulate(integers(net(4)), images)
    other = simulate(integers(excited(nest("resnet", (3, 12, 10)))), images[1:])[0]
    expected = [value for k in range(3) for value in (one[k], one[k], two[k])]
    assert list(map(int, numbers)) == [*expected, *other[:3]]
    assert rest.strip().endswith(f'{one.argmax()} class "{one.argmax()}" */ ??/')


ROW_BY_ROW = """
#include "net.h"
static int asked;
static const uint8_t *source(void *context, int row) {
  return row == asked++ ? (const uint8_t *)context + row * NET_WIDTH * NET_CHANNELS : 0;
}
int main(void) {
  static float memory[NET_MEMORY_BYTES / 4];
  static const uint8_t pixels[NET_PIXELS];
  LOGIT logits[NET_CLASSES], again[NET_CLASSES];
  net(pixels, again);
  net_rows(memory, source, (void *)pixels, logits);
  return asked != NET_HEIGHT || net_argmax(logits) != net_argmax(again);
}
"""
UNREACHED = {  # whose last rows no window reaches
    "pools": [*("conv(4, kernel_size=1)", "max_pool(2)", "conv(4)", "max_pool(2)"), "conv(4)"],
    "a stride": ["conv(4, kernel_size=1, stride=2)", "residual(conv(4))"],
    "a stride of 5": ["conv(4, kernel_size=1, stride=5)", "squeeze_excite(2)"],
    "none": ["conv(4)"],
}


@pytest.mark.parametrize(("height", "body"), thinned(product([9, 10], UNREACHED), 3))
def test_a_source_is_asked_for_every_row_once(height: int, body: str, tmp_path: Path) -> None:
    layers_of = [*UNREACHED[body], "global_average_pool()", "classifier(3)"]
    spec = NetSpec.from_dict({"input": [1, height, 9], "layers": layers_of})
    program = integers(spec)
    for made in (generate(program), generate_host(program), generate_float(warmed(spec))):
        write_source(made, tmp_path)
        (tmp_path / "main.c").write_text(ROW_BY_ROW.replace("LOGIT", made.logit_type))
        check = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wno-cast-qual"]
        call(["gcc", *WARNINGS, *check, "net.c", "main.c", "-o", "main"], tmp_path)
        call(["./main"], tmp_path)


@pytest.mark.mcu
@pytest.mark.skipif(
    None in [shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm")],
    reason="needs Debian's gcc-arm-none-eabi, libnewlib and qemu-system-arm",
)
def test_two_nets_in_one_firmware_answer_on_a_board(nets: Path, tmp_path: Path) -> None:
    images = pixels_for(net(4), 2, seed=3)
    (tmp_path / "pixels.bin").write_bytes(images.transpose(0, 2, 3, 1).tobytes())
    (tmp_path / "main.c").write_text(f'#include "cats.c"\n#include "dogs.c"\n{NESTED}')
    for path in nets.glob("*.[ch]"):
        if path.stem in ("cats", "dogs"):
            shutil.copy(path, tmp_path)
    *numbers, _ = run_program(tmp_path, ["main.c"]).split(" ", 3 * 3 + 3)
    one, two = simulate(integers(net(4)), images)
    expected = [value for k in range(3) for value in (one[k], one[k], two[k])]
    assert list(map(int, numbers[:9])) == expected


def test_without_static_memory_there_is_none(nets: Path) -> None:
    for name in ("cats", "birds"):
        define = f"-D{name.upper()}_STATIC_MEMORY=0"
        call(["gcc", "-std=c99", define, "-c", f"{name}.c", "-o", "bare.o"], nets)
        symbols = call(["nm", "bare.o"], nets)
        assert not re.search(r" [bBdD] ", symbols.replace(f" d {name}_kernels", ""))
        assert f" T {name}_in" in symbols
        assert f" T {name}\n" not in symbols


SHARES = """
#include <stdio.h>
#include "cats.h"
int main(void) {
  int32_t logits[CATS_CLASSES];
  uint16_t shares[CATS_CLASSES];
  FILE *in = fopen("logits.bin", "rb"), *out = fopen("shares.bin", "wb");
  while (fread(logits, sizeof logits, 1, in)) {
    cats_probabilities(logits, shares);
    fwrite(shares, sizeof shares, 1, out);
    printf("%d\\n", cats_argmax(logits));
  }
  return fclose(out);
}
"""


def assert_probabilities_near(logits: NDArray[np.int32], scale: float, folder: Path) -> None:
    """Hold the C for logits (n, classes) in steps of ``scale`` against softmax."""
    classes = logits.shape[1]
    header = generate(integers(net(4, classes)), "cats").header
    begin = header.index("\n/* Returns e to the power")
    header = header[:begin] + probabilities("cats", scale, classes)
    (folder / "cats.h").write_text(f"{header}\n#endif\n")
    (folder / "main.c").write_text(SHARES)
    call(["gcc", *WARNINGS, "-fsanitize=undefined", "main.c", "-o", "main"], folder)
    (folder / "logits.bin").write_bytes(logits.tobytes())
    answers = call(["./main"], folder)
    assert list(map(int, answers.split())) == logits.argmax(1).tolist()
    found = np.fromfile(folder / "shares.bin", np.uint16).reshape(-1, classes)
    powers = np.exp((logits.astype(np.float64) - logits.max(1)[:, None]) * scale)
    expected = powers / powers.sum(1)[:, None]
    assert np.abs(found / 2**15 - expected).max() <= 3 / 2**15


@pytest.mark.parametrize("classes", [2, 10, 300])
@pytest.mark.parametrize("scale", [3e-7, 0.002, 1.7])
def test_probabilities_in_integers_are_near_those_in_floats(
    classes: int, scale: float, tmp_path: Path
) -> None:
    generator = np.random.default_rng(classes)
    spread = np.exp(generator.uniform(-3, 4, 300))[:, None]
    drawn = generator.normal(0, spread, (300, classes)) / scale
    logits = drawn.clip(-(2**31), 2**31 - 1).astype(np.int32)
    logits[0], logits[1] = -(2**31), 2**31 - 1
    logits[2, 0], logits[2, 1:] = 2**31 - 1, -(2**31)
    assert_probabilities_near(logits, scale, tmp_path)


@pytest.mark.parametrize("classes", [255, 256, 1000, 65535])
def test_what_many_small_probabilities_lose_does_not_add_up(classes: int, tmp_path: Path) -> None:
    """Of one class on top and all others as far below it as loses most."""
    gaps = np.arange(8, 24, 1 / 8)
    logits = np.zeros((len(gaps), classes), np.int32)
    logits[:, 0] = 1024 * gaps
    assert_probabilities_near(logits, 1 / 1024, tmp_path)


def test_the_header_tells_what_was_trained_and_measured() -> None:
    source = generate(integers(net(4)), "cats")
    made = described(source, SEEN, ("a", "b", "c"), key='"*/', version="smidgen 7")
    assert '#define CATS_VERSION "smidgen 7"' in made.header
    assert r'#define CATS_TRAINING_KEY "\042*/"' in made.header
    assert "#define CATS_COLOR CATS_COLOR_RGB" in made.header
    assert "SPDX-License-Identifier: 0BSD" in made.header
    assert "SPDX-License-Identifier: 0BSD" in made.source
    assert "Accuracy and proof: not measured." in made.header
    proof = {
        "accuracy": 0.75,
        "float_accuracy": 0.8,
        "images": 40,
        "oracle": "the oracle */",
        "oracle_images": 30,
        "oracle_difference": 0.0,
        "instructions": None,
        "stack": None,
    }
    header = signed(made, proof)
    assert "not measured" not in header
    assert "Right on 75.00 % of 40 test images" in header
    assert "Equal to the oracle * /,\n   bit for bit, on 30 of them" in header
    for line in ("TEST_IMAGES 40", "TEST_CORRECT 30", "PROVED_IMAGES 30", "PROVED_DIFFERENCE 0.0"):
        assert f"#define CATS_{line}" in header
    assert signed(made, {"accuracy": None}) == made.header


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        ({}, []),
        (
            {"names": ("a x", '"*/', "\u00e9"), "interval": 10.0, "unit": "ms"},
            [
                r'#define CATS_CHANNEL_NAMES {"a x", "\042*/", "\303\251"} /* in the order of a mo',
                "#define CATS_INTERVAL_US 10000 /* microseconds between moments */",
            ],
        ),
        (
            {"interval": 1 / 3, "unit": "s"},
            ["#define CATS_INTERVAL_US 333333 /* microseconds between moments, rounded: 0.3333"],
        ),
        ({"interval": 20000.0, "unit": "us"}, ["#define CATS_INTERVAL_US 20000 /* microseconds b"]),
        ({"interval": 35.0, "unit": "min"}, ["#define CATS_INTERVAL_US 2100000000 /* micro"]),
        ({"interval": 1.0, "unit": "h"}, ["#define CATS_INTERVAL 1.0 /* between moments, h */"]),
        ({"interval": 1.4, "unit": "us"}, ["#define CATS_INTERVAL 1.4 /* between moments, us */"]),
        ({"interval": 9.0, "unit": "ns"}, ["#define CATS_INTERVAL 9.0 /* between moments, ns */"]),
        ({"interval": 2.0}, ["#define CATS_INTERVAL 2.0 /* between moments, in the unit of the"]),
    ],
)
def test_the_header_tells_the_channels_of_a_sensor_and_how_often_it_is_read(
    told: dict[str, Any], lines: list[str]
) -> None:
    made = described(
        generate(integers(net(4)), "cats"), Preprocessing(1, 8, "rgb", 3, **told), "ab"
    )
    found = re.findall(r"^#define CATS_(?:CHANNEL_NAMES|INTERVAL).*$", made.header, re.MULTILINE)
    assert len(found) == len(lines)
    assert all(line.startswith(of) for line, of in zip(found, lines, strict=True))
    comment = made.header[made.header.index("/* Pictures: ") :]
    assert comment.index("*/") > comment.index("are taken into account inside.")


@pytest.mark.parametrize("command", [("gcc", "-std=gnu2x"), ("g++", "-xc++", "-std=gnu++17")])
def test_no_macro_of_a_net_is_one_of_stdint(command: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / "all.c").write_text("#include <stdint.h>\n")
    macros = re.findall(
        r"#define ([A-Z]\w*)_WIDTH ", call([*command, "-dM", "-E", "all.c"], tmp_path)
    )
    assert "INT8" in macros
    assert [name for name in macros if not is_taken(name.lower())] == []


def test_no_file_of_a_net_is_found_in_place_of_a_systems(tmp_path: Path) -> None:
    """Headers of C and C++ include others by names that any folder may hold."""
    if shutil.which("g++") is None or not Path("/usr/include/features.h").exists():
        pytest.skip("g++ or glibc is not installed")
    headers = ("stdio.h", "stdlib.h", "string.h", "math.h", "string", "thread")
    (tmp_path / "all.cpp").write_text("".join(f"#include <{name}>\n" for name in headers))
    made = call(["g++", "-E", "all.cpp"], tmp_path)
    taken = set(re.findall(r'^# \d+ "/usr/include/(?:[\w-]+/)?([a-z]\w*)\.h"', made, re.MULTILINE))
    assert {"stdio", "features"} <= taken
    assert [name for name in taken if not is_taken(name)] == []


@pytest.mark.parametrize("compiler", ["gcc", "arm-none-eabi-gcc"])
def test_no_net_is_called_as_what_stdio_declares(compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    (tmp_path / "all.c").write_text("#include <stdio.h>\n")
    said = call([compiler, "-std=gnu99", "-E", "-P", "all.c"], tmp_path)
    names = set(re.findall(r"\b([a-z]\w*) ?\((?!\*)|^extern FILE \*(\w+);", said, re.MULTILINE))
    declared = {name for pair in names for name in pair if name}
    assert {"printf", "fileno", "ungetc"} <= declared
    assert [name for name in declared if not is_taken(name)] == []


STANDARD = """
assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg
stdbool stddef stdint stdio stdlib string tgmath time wchar wctype
"""


@pytest.mark.parametrize("compiler", ["gcc", "arm-none-eabi-gcc"])
def test_no_net_is_called_as_what_is_in_the_standard_library(compiler: str, tmp_path: Path) -> None:
    """In the C that the exports are in: its functions, and its macros in lower case."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    lines = [f"#include <{header}.h>\n" for header in STANDARD.split()]
    (tmp_path / "all.c").write_text("".join(lines))
    said = call([compiler, "-std=c99", "-E", "-P", "all.c"], tmp_path)
    macros = call([compiler, "-std=c99", "-E", "-dM", "all.c"], tmp_path)
    names = set(re.findall(r"\b([a-z]\w*) ?\((?!\*)", said))
    names |= set(re.findall(r"^#define ([a-z]\w*)", macros, re.MULTILINE))
    assert {"bsearch", "sqrtf", "wcslen", "isfinite", "va_arg"} <= names
    assert [name for name in names if not is_taken(name)] == []


def test_names_that_c_cannot_have_are_refused() -> None:
    taken = (
        "for",
        "restrict",
        "co_await",
        "_net",
        "stdint",
        "int8_t",
        "main",
        "word",
        "alarm",
        "std",
        "int8",
        "aux",
        "print",
        "stdout",
    )
    for name in (*taken, "a__b"):
        assert is_taken(name)
        with pytest.raises(ValueError, match=f"got (the keyword )?'{name}'"):
            require_identifier(name)
    require_identifier("cats_in")
    for name in ("cats_in", "cats_rows", "cats_class_name", "camera", "Cats", "2cats", ""):
        with pytest.raises(ValueError, match="name must "):
            require_own(name)
    require_own("cats")
