"""The bench's driver of CMSIS-NN says what the program means: our own stand-in answers alike."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.export.nets import pixels_for, warmed

from smidgen import layers, zoo
from smidgen.export.c.emulate import machine, run_program
from smidgen.export.c.text import template
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import simulate
from smidgen.export.lower import lower
from smidgen.layers import Shape
from smidgen.spec import NetSpec

BENCH = Path(__file__).parents[1] / "bench"
LIBRARY = Path(__file__).parent / "cmsis_nn"  # laid out as the checkout, with functions of our own
needs_board = pytest.mark.skipif(
    None in [shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm")],
    reason="needs Debian's gcc-arm-none-eabi, libnewlib and qemu-system-arm",
)


@pytest.fixture(scope="module")
def cmsis_nn() -> Generator[ModuleType]:
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module("cmsis_nn")
    sys.path.remove(str(BENCH))


def integers(spec: NetSpec) -> IntegerProgram:
    program = lower(warmed(spec))
    return quantize(program, calibrate(program, pixels_for(spec, 20)))


SPECS = {
    "mnist": zoo.net("mnist-1k5-dw"),
    "colours": NetSpec(
        Shape(3, 12, 10),
        (
            layers.Conv(8, stride=2),
            layers.Channelwise(activation="none"),
            layers.Conv(7, kernel_size=1),
            layers.MaxPool(2),
            layers.GlobalAveragePool(),
            layers.Classifier(5, bias=True),
        ),
    ),
    "flat": NetSpec(
        Shape(1, 9, 8), (layers.Conv(6, stride=3), layers.Flatten(), layers.Classifier(4))
    ),
    "oblong": NetSpec.from_dict(
        {
            "input": [2, 12, 10],
            "layers": [
                "conv(6, 5x1)",
                "max_pool(2x1)",
                "channelwise(3x5)",
                "flatten()",
                "classifier(3)",
            ],
        }
    ),
}


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("name", SPECS)
def test_the_driver_answers_as_the_simulation_through_a_library_of_our_own(
    name: str, cmsis_nn: Any, tmp_path: Path
) -> None:
    spec = SPECS[name]
    program, pixels = cmsis_nn.one_border(integers(spec)), pixels_for(spec, 4, seed=2)
    head = cmsis_nn.head_of(program, pixels_for(spec, 20))
    (tmp_path / "net.c").write_text(cmsis_nn.driver(program, head))
    (tmp_path / "net.h").write_text(cmsis_nn.header(program))
    main = template("emulate_main.c").replace("TYPE", "int32_t")
    (tmp_path / "main.c").write_text(main.replace("UPPER", "NET").replace("NAME", "net"))
    (tmp_path / "pixels.bin").write_bytes(pixels.transpose(0, 2, 3, 1).tobytes())
    cmsis_nn.build(["arm-none-eabi-gcc", *machine("m4"), "-O2"], LIBRARY, tmp_path)
    run_program(tmp_path, ["main.c", "net.o"])
    found = np.frombuffer((tmp_path / "logits.bin").read_bytes(), np.int32).reshape(len(pixels), -1)
    np.testing.assert_array_equal(found, cmsis_nn.answers(program, head, pixels))
    exact = np.clip(simulate(program, pixels), -128 * head.step, 127 * head.step)
    # a mean and logits in int8: a few steps of 255
    assert np.abs(found * head.step - exact).max() <= 0.05 * np.ptp(exact)
    said = subprocess.run(
        ["arm-none-eabi-size", "net.o"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    assert int(said.splitlines()[1].split()[2]) < 100_000  # what is not called was left out


def test_a_net_that_it_cannot_call_and_a_folder_that_is_none_are_named(
    cmsis_nn: Any, tmp_path: Path
) -> None:
    spec = NetSpec(
        Shape(1, 8, 8), (layers.Blur(2), layers.GlobalAveragePool(), layers.Classifier(3))
    )
    program = integers(spec)
    with pytest.raises(ValueError, match="CMSIS-NN's driver has no Blur"):
        cmsis_nn.driver(program, cmsis_nn.head_of(program, pixels_for(spec, 2)))
    with pytest.raises(RuntimeError, match=r"missing: .* has no Include/arm_nnfunctions\.h"):
        cmsis_nn.build(["gcc"], tmp_path, tmp_path)
