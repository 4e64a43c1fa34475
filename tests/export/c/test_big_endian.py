"""A big-endian Arm with instructions for two products at once answers as the simulation does."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.export.nets import blurred, pixels_for, warmed
from tests.waiting import PATIENCE

from smidgen import zoo
from smidgen.export.c.emulate import write_source
from smidgen.export.c.int8 import generate
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import Int32, IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import simulate
from smidgen.export.lower import lower
from smidgen.export.program import Pixels
from smidgen.layers import Shape

TOOLS = ("arm-none-eabi-gcc", "qemu-armeb")
pytestmark = [
    pytest.mark.mcu,
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {' and '.join(TOOLS)}"),
]
MACHINE = ["-mbig-endian", "-mcpu=cortex-r4", "-mthumb", "-mfloat-abi=soft"]
# no C library is built for this machine: Linux is asked directly
MAIN = """
#include <stddef.h>
#include "net.h"
static const uint8_t pixels[] = {PIXELS};
void *memcpy(void *to, const void *from, size_t n) {
  volatile char *a = to;
  const volatile char *b = from;
  while (n--) *a++ = *b++;
  return to;
}
void *memset(void *to, int value, size_t n) {
  volatile char *a = to;
  while (n--) *a++ = (char)value;
  return to;
}
static int call(int number, int a, int b, int c) {
  register int r7 __asm__("r7") = number, r0 __asm__("r0") = a, r1 __asm__("r1") = b;
  register int r2 __asm__("r2") = c;
  __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
  return r0;
}
void _start(void) {
  static int32_t logits[NET_CLASSES];
  for (int i = 0; i < IMAGES; i++) {
    net(pixels + i * NET_PIXELS, logits);
    call(4, 1, (int)logits, sizeof logits);
  }
  call(1, 0, 0, 0);
}
"""


def logits_of(
    integers: IntegerProgram, pixels: Pixels, tools: tuple[str, str], flags: list[str], at: Path
) -> Int32:
    """Return what the C answers on a processor that ``tools``, compiler and emulator, know."""
    compiler, emulator = tools
    write_source(generate(integers, "net"), at)
    numbers = ", ".join(map(str, pixels.transpose(0, 2, 3, 1).ravel().tolist()))
    main = MAIN.replace("PIXELS}", f"{numbers}}}").replace("IMAGES", str(len(pixels)))
    (at / "main.c").write_text(main)
    flags = [*flags, "-ffreestanding", "-nostdlib", "-static", "-Wl,-e,_start"]
    command = [compiler, *flags, "net.c", "main.c", "-lgcc", "-o", "net.elf"]
    built = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    done = subprocess.run(
        [emulator, "net.elf"], cwd=at, capture_output=True, check=True, timeout=PATIENCE
    )
    order = ">" if "-mbig-endian" in flags else "<"
    return np.frombuffer(done.stdout, f"{order}i4").reshape(len(pixels), -1)


@pytest.mark.parametrize("blur", [False, True])
def test_a_big_endian_arm_answers_bit_for_bit(tmp_path: Path, *, blur: bool) -> None:
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 12, 12), 10)
    spec = blurred(spec) if blur else spec
    program, pixels = lower(warmed(spec)), pixels_for(spec, 8)
    integers = quantize(program, calibrate(program, pixels_for(spec, 32, seed=1)))
    found = logits_of(integers, pixels, TOOLS, [*MACHINE, "-O2", "-Wl,--be8"], tmp_path)
    assert np.array_equal(found, simulate(integers, pixels))
