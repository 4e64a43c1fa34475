"""The proof that generated C computes what it should: on this machine, and on emulated cores."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smidgen.export.c.source import Source
from smidgen.export.c.text import named, template
from smidgen.export.program import Pixels

Core: TypeAlias = Literal["m0plus", "m3", "m4", "m7", "m55"]

WARNINGS = (
    *("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Wshadow", "-Wcast-align"),
    "-Werror",
)

# QEMU has no board with a Cortex-M0+ and enough memory: its code, a subset of the M3's, runs on one
BOARDS: dict[Core, tuple[str, str]] = {
    "m0plus": ("mps2-an385", "Cortex-M3"),
    "m3": ("mps2-an385", "Cortex-M3"),
    "m4": ("mps2-an386", "Cortex-M4"),
    "m7": ("mps2-an500", "Cortex-M7"),
    "m55": ("mps3-an547", "Cortex-M55"),
}
_PACKAGES = {
    "gcc": "gcc",
    "clang": "clang",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "riscv64-unknown-elf-size": "binutils-riscv64-unknown-elf",
    "qemu-system-riscv32": "qemu-system-misc",
}
Isa: TypeAlias = Literal["rv32imac", "rv32imc", "rv32ec"]

RISCV = "RISC-V rv32imac"
RISCV_TOOLS = ("riscv64-unknown-elf-gcc", "riscv64-unknown-elf-size", "qemu-system-riscv32")
_ABI: dict[Isa, str] = {"rv32imac": "ilp32", "rv32imc": "ilp32", "rv32ec": "ilp32e"}
_RISCV_MEMORY = {  # of QEMU's virt machine
    "__flash": "0x80000000",
    "__flash_size": "4M",
    "__ram": "0x80400000",
    "__ram_size": "4M",
}
_CLOCK = {"m55": 32}  # MHz; one instruction a nanosecond
_USUAL_CLOCK = 25
_MEMORY = {"m55": "512K"}  # of code, and of data as much
_PATIENCE = 600  # seconds


class ToolMissingError(RuntimeError):
    """A program that the proof needs is not installed; the message names its Debian package."""


class ParityError(RuntimeError):
    """An artefact does not compute what was exported."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of one net's object file: flash is code, constants and initial data."""

    flash: int
    static_ram: int


@dataclass(frozen=True, slots=True, eq=False)
class BoardRun:
    """What a net did on an emulated board."""

    logits: NDArray[Any]
    instructions: int  # an image, to within 40; on a RISC-V exactly
    stack: int  # bytes, at the deepest
    footprint: Footprint
    emulated: str  # the core that QEMU emulated

    @property
    def ram(self) -> int:
        """Static memory and stack; the picture and the logits are the caller's."""
        return self.footprint.static_ram + self.stack


def find_tool(name: str) -> str:
    """Return the path of a program.

    Raises:
        ToolMissingError: Naming the Debian package that holds it.
    """
    path = shutil.which(name)
    if path is None:
        package = _PACKAGES.get(name, name)
        raise ToolMissingError(f"{name} is not installed; on Debian: apt-get install {package}")
    return path


def write_source(source: Source, folder: Path) -> None:
    """Write the header and the source of a net."""
    (folder / f"{source.name}.h").write_text(source.header, encoding="utf-8")
    (folder / f"{source.name}.c").write_text(source.source, encoding="utf-8")


def run_host(
    source: Source, pixels: Pixels, compiler: str = "gcc", flags: tuple[str, ...] = ("-O2",)
) -> NDArray[Any]:
    """Return what the compiled net answers for ``pixels`` (n, c, h, w) on this machine.

    Raises:
        ToolMissingError: If there is no compiler.
        ParityError: If the source does not compile without a warning, or does not run.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        prepare(source, pixels, folder)
        files = [f"{source.name}.c", "main.c", "-o", "main"]
        _call([find_tool(compiler), *WARNINGS, *flags, *files], folder)
        _call(["./main"], folder)
        return _logits(source, folder)


def run_board(source: Source, pixels: Pixels, core: Core = "m4", level: str = "-O2") -> BoardRun:
    """Return what the net does on an emulated board, for a few dozen ``pixels`` at the most.

    Raises:
        ToolMissingError: If the cross-compiler or QEMU is not installed.
        ParityError: If the net does not compile without a warning, or does not run.
    """
    board, emulated = BOARDS[core]
    with TemporaryDirectory() as name:
        folder = Path(name)
        footprint = _cross_compiled(source, core, level, folder)
        prepare(source, pixels, folder)
        said = run_program(folder, ["main.c", f"{source.name}.o"], core)
        pictures, ticks, stack = _counts(source, said, board)
        instructions = ticks * 1000 // (_CLOCK.get(core, _USUAL_CLOCK) * max(1, pictures))
        return BoardRun(_logits(source, folder), instructions, stack, footprint, emulated)


def run_program(folder: Path, files: Sequence[str], core: Core = "m4") -> str:
    """Return what a program prints on an emulated board; it may read and write files.

    Args:
        folder: Where its files are, and where it runs.
        files: Sources in C, and objects, one of them with ``main``.
        core: That the board has.

    Raises:
        ToolMissingError: If the cross-compiler or QEMU is not installed.
        ParityError: If it does not compile or ends with an error.
    """
    memory = template("emulate_board.ld").replace("= 4M", f"= {_MEMORY.get(core, '4M')}")
    (folder / "emulate_board.ld").write_text(memory, encoding="utf-8")
    (folder / "emulate_start.c").write_text(template("emulate_start.c"), encoding="utf-8")
    link = ["--specs=rdimon.specs", "-nostartfiles", "-T", "emulate_board.ld"]
    files = ["emulate_start.c", *files, "-o", "main.elf"]
    _call([find_tool("arm-none-eabi-gcc"), *machine(core), "-O2", *link, *files], folder)
    board, _ = BOARDS[core]
    qemu = [find_tool("qemu-system-arm"), "-M", board, "-icount", "shift=0", "-nographic"]
    semihosting = ["-semihosting-config", "enable=on,target=native", "-kernel", "main.elf"]
    return _call([*qemu, *semihosting], folder)


def run_riscv(
    source: Source, pixels: Pixels, level: str = "-O2", isa: Isa = "rv32imac"
) -> BoardRun:
    """Return what the net does on an emulated 32-bit RISC-V, without floating point.

    Whatever it is compiled for runs on a core of ``rv32imac``, which has the instructions of all.

    Raises:
        ToolMissingError: If the cross-compiler or QEMU is not installed.
        ParityError: If the net does not compile without a warning, or does not run.
    """
    compiler, size, emulator = map(find_tool, RISCV_TOOLS)
    made_for = ("--specs=picolibc.specs", f"-march={isa}", f"-mabi={_ABI[isa]}")
    with TemporaryDirectory() as name:
        folder = Path(name)
        prepare(source, pixels, folder)
        files = ["-c", f"{source.name}.c", "-o", f"{source.name}.o"]
        _call([compiler, *made_for, *WARNINGS, level, *files], folder)
        taken = _sizes(_call([size, f"{source.name}.o"], folder))
        memory = [f"-Wl,--defsym={key}={value}" for key, value in _RISCV_MEMORY.items()]
        link = [*memory, "--oslib=semihost", "--crt0=semihost"]
        files = [f"{source.name}.o", "main.c", "-o", "main.elf"]
        _call([compiler, *made_for, *WARNINGS, "-O2", *link, *files], folder)
        # what picolibc prints by characters goes to QEMU's stderr unless it is told where
        board = ["-M", "virt", "-bios", "none", "-icount", "shift=0", "-display", "none"]
        board += ["-monitor", "none", "-serial", "none", "-chardev", "stdio,id=said"]
        semihosting = "enable=on,target=native,chardev=said"
        command = [emulator, *board, "-semihosting-config", semihosting, "-kernel", "main.elf"]
        said = _call(command, folder)
        pictures, retired, stack = _counts(source, said, RISCV)
        return BoardRun(_logits(source, folder), retired // max(1, pictures), stack, taken, RISCV)


def footprint(source: Source, core: Core = "m4", level: str = "-O2") -> Footprint:
    """Return the bytes of the net compiled for a core.

    Raises:
        ToolMissingError: If the cross-compiler is not installed.
    """
    with TemporaryDirectory() as name:
        return _cross_compiled(source, core, level, Path(name))


def require_equal(what: str, got: NDArray[Any], expected: NDArray[Any]) -> None:
    """Refuse an artefact whose logits differ in any bit.

    Raises:
        ParityError: Saying how many images differ, and by how much.
    """
    if got.shape != expected.shape:
        raise ParityError(f"{what} answered {got.shape}, expected {expected.shape}")
    images = int((got != expected).any(1).sum())
    if images:
        largest = np.abs(got.astype(np.float64) - expected).max()
        raise ParityError(
            f"{what} differs from the simulation on {images} of {len(got)} images,"
            f" by {largest:g} at the most"
        )


def _cross_compiled(source: Source, core: Core, level: str, folder: Path) -> Footprint:
    write_source(source, folder)
    files = ["-c", f"{source.name}.c", "-o", f"{source.name}.o"]
    _call([find_tool("arm-none-eabi-gcc"), *machine(core), *WARNINGS, level, *files], folder)
    return _sizes(_call([find_tool("arm-none-eabi-size"), f"{source.name}.o"], folder))


def _sizes(said: str) -> Footprint:
    text, data, bss = map(int, said.splitlines()[1].split()[:3])
    return Footprint(text + data, data + bss)


def _counts(source: Source, said: str, board: str) -> tuple[int, int, int]:
    """Return pictures, ticks and bytes of stack that the program of emulate_main.c told."""
    counts = re.search(r"pictures (\d+) ticks (\d+) stack (\d+)", said)
    if counts is None:
        raise ParityError(f"{source.name} did not finish on {board}: {said.strip()[-200:]}")
    pictures, ticks, stack = map(int, counts.groups())
    return pictures, ticks, stack


def machine(core: Core) -> list[str]:
    """Return what tells the compiler of a core."""
    floats = "hard" if core == "m55" else "soft"  # where Helium lies in the registers for floats
    return [f"-mcpu=cortex-{core}", "-mthumb", f"-mfloat-abi={floats}"]


def prepare(source: Source, pixels: Pixels, folder: Path) -> None:
    """Write a net, a program that calls it, and the pictures that this reads."""
    write_source(source, folder)
    main = template("emulate_main.c").replace("TYPE", source.logit_type)
    (folder / "main.c").write_text(named(main, source.name), encoding="utf-8")
    (folder / "pixels.bin").write_bytes(pixels.transpose(0, 2, 3, 1).tobytes())


def _logits(source: Source, folder: Path) -> NDArray[Any]:
    kind = {"int32_t": np.int32, "float": np.float32}[source.logit_type]
    flat = np.frombuffer((folder / "logits.bin").read_bytes(), kind)
    return flat.reshape(-1, source.classes)


def _call(command: list[str], folder: Path) -> str:
    tool = Path(command[0]).name
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise ParityError(f"{tool} took more than {_PATIENCE} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        told = ("error", "will not fit")  # the latter by a linker, of memory
        first = next((line for line in said if any(word in line for word in told)), said[0])
        raise ParityError(f"{tool} failed: {first.rpartition('/ld: ')[2]}")
    return done.stdout
