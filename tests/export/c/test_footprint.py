"""Flash and RAM are known before training, to a few percent of what the linker then says."""

import itertools
import shutil
import subprocess
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
from tests.export.nets import MEAN, STD, excited, lively, nest, pixels_for, warmed
from tests.thinned import thinned

from smidgen import layers, zoo
from smidgen.export import generated
from smidgen.export.artefact import Wish
from smidgen.export.c.boards import CORES
from smidgen.export.c.emulate import RISCV_TOOLS, run_board, run_riscv, write_source
from smidgen.export.c.footprint import (
    CODE,
    MEASURED,
    dummy_source,
    predict_cost,
    predict_costs,
    unforeseen,
)
from smidgen.export.c.int8 import generate
from smidgen.export.c.int8_table import Kind, whole_words
from smidgen.export.c.text import template
from smidgen.export.fold import fold
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.quantize import quantize
from smidgen.export.lower import lower
from smidgen.layers import Shape
from smidgen.methods import parse, rewritten
from smidgen.spec import NetSpec

needs_board = pytest.mark.skipif(
    None in [shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm")],
    reason="needs Debian's gcc-arm-none-eabi, libnewlib and qemu-system-arm",
)
needs_riscv = pytest.mark.skipif(
    None in map(shutil.which, RISCV_TOOLS),
    reason="needs Debian's gcc-riscv64-unknown-elf, picolibc and qemu-system-misc",
)


def with_methods(name: str, methods: str = "") -> NetSpec:
    return rewritten(zoo.net(name), parse(methods))


SPECS = {
    **{name: zoo.net(name) for name in zoo.STUDY},
    "mnist-1k5-dw, blurpool": with_methods("mnist-1k5-dw", "blurpool"),
    "mnist-5k-dw, squeeze-excite": with_methods("mnist-5k-dw", "squeeze-excite"),
    "mnist-1k5-dw, both": with_methods("mnist-1k5-dw", "blurpool,squeeze-excite"),
    "cifar-143k-dw, both": with_methods("cifar-143k-dw", "blurpool,squeeze-excite"),
    **{name: nest(name, (3, 24, 24)) for name in ("depthwise", "resnet", "repeat", "blurred")},
    "excited": excited(zoo.net("mnist-7k")),
    "oblong": nest("oblong", (3, 24, 24)),
    "passes merge": NetSpec.from_dict(
        {
            "name": "merged",
            "input": [3, 7, 5],
            "layers": [
                "conv(3, 1)",
                "repeat(conv(12, 3x5, activation=none), conv(3, 1, activation=none), times=4)",
                *("global_average_pool", "classifier(10)"),
            ],
        }
    ),
    "pixels in a repeat": NetSpec.from_dict(
        {
            "name": "pixels",
            "input": [3, 9, 7],
            "layers": [
                "repeat(conv(3), times=2)",
                *("depthwise(6)", "global_average_pool", "classifier(5)"),
            ],
        }
    ),
    "gates gather": NetSpec.from_dict(
        {
            "name": "gathered",
            "input": [1, 1, 40],
            "layers": [
                *("repeat(conv(1), times=3)", "squeeze_excite(1)"),
                "depthwise(7, 7x1, bias=true, activation=none)",
                *("blur(1)", "conv(1)", "flatten", "classifier(5, bias=true)"),
            ],
        }
    ),
    "a sensor's window": NetSpec.from_dict(
        {
            "name": "window",
            "input": [3, 96, 1],
            "layers": [
                "conv(12, 7x1, stride=2)",
                "depthwise(18, 5x1, stride=2)",
                "residual(depthwise(18, 5x1))",
                "conv(24, 5x1, stride=2)",
                *("global_average_pool", "classifier(6)"),
            ],
        }
    ),
    "pooled gates": excited(zoo.net("mnist-25k")),
    "drawn": NetSpec(
        Shape(3, 20, 18),
        (
            layers.Conv(7, 5, stride=2),
            layers.Depthwise(13, 3),
            layers.GlobalAveragePool(),
            layers.Classifier(5, bias=True),
        ),
    ),
}


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("name", thinned(SPECS))
def test_the_prediction_is_within_five_percent_of_the_linker(name: str) -> None:
    spec = SPECS[name]
    program = warmed(spec)
    source = generate(quantize(lower(program), calibrate(lower(program), pixels_for(spec, 10))))
    run = run_board(source, pixels_for(spec, 1))
    predicted = predict_cost(spec)
    assert predicted.flash == pytest.approx(run.footprint.flash, rel=0.05)
    assert run.ram <= predicted.ram <= 1.05 * run.ram  # so that a budget of RAM is kept


OTHERS = thinned(
    [
        *itertools.product(("m0plus", "m3", "m55", "rv32imc", "rv32ec"), ("a sensor's window",)),
        *((core, "drawn") for core in ("m0plus", "rv32imc", "rv32ec")),
        ("rv32ec", "mnist-1k5-dw"),
    ],
    6,
)


@pytest.mark.mcu
@needs_board
@needs_riscv
@pytest.mark.parametrize(("core", "name"), OTHERS)
def test_the_prediction_for_other_cores_is_near_what_their_compilers_make(
    core: Any, name: str
) -> None:
    source, pixels = dummy_source(SPECS[name]), pixels_for(SPECS[name], 1)
    if core.startswith("rv32"):
        run = run_riscv(source, pixels, isa=core)
    else:
        run = run_board(source, pixels, core)
    predicted = predict_cost(SPECS[name], core)
    assert predicted.flash == pytest.approx(run.footprint.flash, rel=0.09)
    assert predicted.flash > 1.05 * predict_cost(SPECS[name]).flash or core in ("m3", "m55")
    assert run.ram <= predicted.ram <= run.ram + 140


def test_a_net_is_built_once_to_predict_it(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[NetSpec] = []
    build = NetSpec.build

    def counted(spec: NetSpec, seed: int = 0) -> torch.nn.Sequential:
        built.append(spec)
        return build(spec, seed)

    monkeypatch.setattr(NetSpec, "build", counted)
    predict_cost(zoo.net("mnist-1k5-dw"))
    assert len(built) == 1, "a search asks for the cost of a thousand nets"


def test_a_core_that_was_not_measured_is_the_largest_of_the_others() -> None:
    costs = predict_costs(SPECS["a sensor's window"])
    assert costs.keys() == CORES.keys()
    others = [cost for core, cost in costs.items() if core != "unknown"]
    assert costs["unknown"] == tuple(map(max, zip(*others, strict=True)))
    assert costs["m4"] == predict_cost(SPECS["a sensor's window"])


@pytest.mark.parametrize("name", SPECS)
def test_tables_and_static_memory_do_not_depend_on_training(name: str) -> None:
    spec = SPECS[name]
    program = lower(warmed(spec))
    trained = generate(quantize(program, calibrate(program, pixels_for(spec, 2), "minmax")))
    dummy = dummy_source(spec)
    assert dummy.table_bytes == trained.table_bytes
    assert dummy.arena_bytes == trained.arena_bytes


def test_a_trained_bias_before_a_border_keeps_two_convolutions_apart() -> None:
    body = (layers.Conv(3), layers.Transition(9, bias=True), layers.Conv(6))
    spec = NetSpec(Shape(3, 9, 9), (*body, layers.GlobalAveragePool(), layers.Classifier(4)))
    program = lower(warmed(spec))
    trained = generate(quantize(program, calibrate(program, pixels_for(spec, 10))))
    assert dummy_source(spec).table_bytes == trained.table_bytes


@pytest.mark.parametrize(("factor", "more"), [(1.0, False), (-1.0, True)])
def test_weights_that_a_pass_keeps_to_itself_after_training_are_told(
    factor: float, more: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers_ = ["conv(6)", "repeat(conv(6), times=3)", "global_average_pool", "classifier(5)"]
    spec = NetSpec.from_dict({"input": [3, 8, 8], "layers": layers_})
    model = lively(spec)
    with torch.no_grad():
        model.get_parameter("1.passes.1.0.norm.weight")[2] *= factor
    program = lower(fold(spec, model, MEAN, STD))
    integer = quantize(program, calibrate(program, pixels_for(spec, 8), "minmax"))
    made = SimpleNamespace(program=integer)

    def integers(*_: object) -> tuple[object, str]:
        return made, "minmax"

    def untold(source: object, *_: object) -> object:
        return source

    monkeypatch.setattr(generated, "integers_of", integers)
    monkeypatch.setattr(generated, "_told", untold)
    run: Any = SimpleNamespace(run=SimpleNamespace(trial=SimpleNamespace(spec=spec)), stem="net")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        source = generated.made_of(run, Wish()).source
    bytes_ = whole_words(9 * 6) * 6  # a pass's weights
    assert unforeseen(spec, source) == more * bytes_
    assert [f"{bytes_} bytes of flash more than a design" in str(one.message) for one in told] == (
        [True] * more
    )


def test_a_prediction_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    predict_cost(SPECS["mnist-1k5-dw"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_every_kind_of_layer_has_a_template_and_a_size() -> None:
    for kind in get_args(Kind):
        if kind != "CLASSIFY":  # where the loop over the layers ends
            assert min(CODE[kind.lower()]) >= 0
            assert CODE[kind.lower()][MEASURED.index("m4")] > 0
            assert f" {kind.lower()}(const layer *own" in template(f"int8_{kind.lower()}.c")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("name", thinned(SPECS))
def test_predicted_tables_and_arena_are_what_a_compiler_makes_of_them(
    name: str, tmp_path: Path
) -> None:
    source = dummy_source(SPECS[name])
    write_source(source, tmp_path)
    subprocess.run(["gcc", "-O0", "-c", "net.c", "-o", "net.o"], cwd=tmp_path, check=True)
    said = subprocess.run(
        ["nm", "-S", "net.o"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    symbols = [line.split() for line in said.splitlines() if len(line.split()) == 4]
    sizes = {name: (kind, int(size, 16)) for _, size, kind, name in symbols}
    del sizes["net_kernels"]  # pointers, as wide as the machine's
    assert sum(size for kind, size in sizes.values() if kind == "r") == source.table_bytes
    assert sum(size for kind, size in sizes.values() if kind == "b") == source.arena_bytes
