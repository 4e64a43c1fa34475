"""int8 C for Arms from ARMv4T to ARMv6: none is asked for an instruction that it lacks."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.export.c.compiled import HEAD, integers
from tests.export.c.test_big_endian import logits_of
from tests.export.nets import pixels_for

from smidgen import layers
from smidgen.export.c.emulate import WARNINGS, write_source
from smidgen.export.c.int8 import generate
from smidgen.export.int8.simulate import simulate
from smidgen.layers import Shape
from smidgen.spec import NetSpec

TOOLS = ("arm-none-eabi-gcc", "qemu-arm")
# every kernel that has loops in assembly somewhere, and the sum that asks for its own
EVERY = NetSpec(
    Shape(3, 9, 9),
    (
        layers.Conv(5),
        layers.Residual((layers.Depthwise(5),)),
        layers.Blur(1),
        layers.MaxPool(2, 2),
        layers.SqueezeExcite(2),
        *HEAD,
    ),
)
MACHINES = {
    "ARMv4T": "-mcpu=arm7tdmi -marm",
    "ARMv4T, Thumb": "-mcpu=arm7tdmi -mthumb",
    "ARMv5TE": "-mcpu=arm926ej-s -marm",
    "ARMv5TE, Thumb": "-mcpu=arm926ej-s -mthumb",
    "ARMv6": "-mcpu=arm1176jzf-s -marm",
    "ARMv6, Thumb": "-mcpu=arm1176jzf-s -mthumb",
}


@pytest.mark.mcu
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {' and '.join(TOOLS)}")
@pytest.mark.parametrize("machine", MACHINES)
def test_older_arms_answer_bit_for_bit(machine: str, tmp_path: Path) -> None:
    program, pixels = integers(EVERY), pixels_for(EVERY, 4, seed=1)
    flags = [*MACHINES[machine].split(), "-mfloat-abi=soft", "-O2"]
    assert np.array_equal(
        logits_of(program, pixels, TOOLS, flags, tmp_path), simulate(program, pixels)
    )


@pytest.mark.parametrize("compiler", ["arm-none-eabi-gcc", "clang --target=arm-none-eabi"])
def test_older_arms_assemble_it_at_every_level(compiler: str, tmp_path: Path) -> None:
    tool, *target = compiler.split()
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    write_source(generate(integers(EVERY), "net"), tmp_path)
    flags = [*target, *WARNINGS, "-ffreestanding", "-c", "net.c", "-o", "net.o"]
    for machine in (*MACHINES.values(), "-mcpu=xscale -marm", "-mcpu=cortex-m0 -mthumb"):
        for level in ("-O0", "-O2"):
            subprocess.run([tool, *machine.split(), level, *flags], cwd=tmp_path, check=True)
