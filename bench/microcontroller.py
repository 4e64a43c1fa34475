"""Compare nets on a Cortex-M4: our C, CMSIS-NN, emx-onnx-cgen's C, and tflite-micro's memory.

    python bench/microcontroller.py RUN [RUN ...]        a run folder each

On a 32-bit RISC-V (rv32imac) our int8 C alone, counted by minstret; ``--core riscv`` for that only.
It needs gcc-riscv64-unknown-elf, its picolibc and qemu-system-misc.

All C is compiled by the same gcc, started by the same code and counted in the same way under QEMU
(needs gcc-arm-none-eabi and qemu-system-arm). tflite-micro's interpreter runs on this machine: of
it the arena is told, and whether its answers on test images are the integer simulation's, bit for
bit. emx-onnx-cgen takes part once bench/peers.sh has made its environment, CMSIS-NN with
``--cmsis-nn CHECKOUT``, a folder of its sources, called by bench/cmsis_nn.py; who is missing is
reported as missing.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import resources
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rows import label_of, origin, write_rows
from runtimes import EMX_COMPILE

import cmsis_nn
from smidgen.data import load
from smidgen.export.artefact import Source, pixels_of, source_of
from smidgen.export.c.emulate import (
    RISCV,
    RISCV_TOOLS,
    ParityError,
    ToolMissingError,
    find_tool,
    run_riscv,
)
from smidgen.export.c.float32 import generate_float
from smidgen.export.c.int8 import generate
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import IntegerProgram, IntLinear
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import requantise, simulate, trace
from smidgen.export.lower import lower
from smidgen.export.onnx import quantize_onnx, quantized, to_onnx
from smidgen.export.program import Pixels
from smidgen.run import load_run

HERE = Path(__file__).parent
EMX = HERE / ".peers" / "emx" / "bin"
EMX_FORMS = ("int8 QDQ", "int8 QOperator", "float32")
SOFT = ("-mfloat-abi=soft",)  # our int8 does without floating point
HARD = ("-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")  # all else gets the core's unit for it
PAINTED = 3 << 20  # bytes of stack that are looked at
TICK = 40  # instructions
CORES = {"m4": "Cortex-M4", "riscv": RISCV}


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one contender and net."""

    bench: str
    net: str
    label: str  # its name, with the methods that changed its layers
    training_key: str
    contender: str
    version: str
    core: str  # that QEMU emulated, or nothing
    numbers: str
    flash: int | None  # bytes of code and constants, without libraries
    ram: int | None  # static memory and stack, or the interpreter's arena
    instructions: int | None  # an image
    images: int  # that it answered
    difference: float | None  # of its answers from its oracle's, the largest
    oracle: str
    error: str
    compiler: str
    emulator: str
    revision: str
    command: str
    date: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """C to be compiled, and what it should answer."""

    contender: str
    version: str
    numbers: str
    files: dict[str, str]
    name: str
    kind: str  # C type of a logit
    rows_first: bool  # colours of a pixel together, else a plane a colour
    oracle: str
    scale: float  # of its logits
    floats: tuple[str, ...] = HARD
    library: Path | None = None  # a checkout that is compiled with it
    expected: NDArray[Any] | None = None  # of its oracle, if it is neither of the usual ones


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    images: Annotated[int, typer.Option(help="Answered on the emulated board.")] = 10,
    oracle_images: Annotated[int, typer.Option(help="Answered by tflite-micro.")] = 50,
    data_dir: Annotated[Path | None, typer.Option(help="Local copies of data sets.")] = None,
    core: Annotated[list[str] | None, typer.Option(help="m4 or riscv; default: both.")] = None,
    cmsis: Annotated[Path | None, typer.Option("--cmsis-nn", help="A checkout of it.")] = None,
    out: Annotated[Path, typer.Option(help="Rows, as JSON lines.")] = Path(
        "results/microcontroller.jsonl"
    ),
) -> None:
    """Measure, print and write the rows."""
    for one in core or ():
        if one not in CORES:
            raise typer.BadParameter(f"core must be {' or '.join(CORES)}, got {one!r}")
    rows: list[Row] = []
    for folder in runs:
        run = load_run(folder)
        source = source_of(run, load(run.trial.data, data_dir=data_dir))
        found: list[Row] = []
        if "m4" in (core or CORES):
            found += measured(source, images, oracle_images, cmsis)
        if "riscv" in (core or CORES):
            found.append(measured_riscv(source, images))
        show(found)
        rows += found
    write_rows(out, rows)


def measured(source: Source, count: int, oracle_count: int, cmsis: Path | None) -> Iterator[Row]:
    """Yield a row a contender."""
    test = pixels_of(source.data.test.images)
    integer = _integers(source)
    exact = simulate(integer, test[:count]) * integer.head.scale
    real = source.float_infer()(test[:count])
    blank = _blank(source)
    for candidate in _ours(source, integer):
        yield replace(blank, **_on_board(candidate, test[:count], exact, real))
    named = {"contender": "CMSIS-NN", "numbers": "int8"}
    try:
        library = _called(integer, source.calibration_images, test[:count], cmsis)
        yield replace(blank, **_on_board(library, test[:count], exact, real))
    except (RuntimeError, ValueError) as error:
        yield replace(blank, **named, error=str(error))
    yield replace(blank, **_interpreted(integer, test[:oracle_count]))
    for numbers in EMX_FORMS:
        named = {"contender": "emx-onnx-cgen", "numbers": numbers}
        if not EMX.exists():
            yield replace(blank, **named, error="missing: run bench/peers.sh")
            continue
        try:
            yield replace(blank, **_on_board(_emx(source, numbers), test[:count], exact, real))
        except RuntimeError as error:
            yield replace(blank, **named, error=str(error))


def measured_riscv(source: Source, count: int) -> Row:
    """Return the row of our int8 C on a RISC-V."""
    test = pixels_of(source.data.test.images)[:count]
    integer = _integers(source)
    named = {"contender": "smidgen C", "core": RISCV, "numbers": "int8"}
    blank = replace(_blank(source), **named, version="this revision")
    try:
        run = run_riscv(generate(integer, "net"), test)
    except (ToolMissingError, ParityError) as error:
        return replace(blank, error=str(error))
    apart = np.abs(run.logits.astype(np.int64) - simulate(integer, test)).max()
    compiler, _, emulator = RISCV_TOOLS
    return replace(
        blank,
        flash=run.footprint.flash,
        ram=run.ram,
        instructions=run.instructions,
        images=len(test),
        difference=float(apart * integer.head.scale),
        oracle="the integer simulation",
        compiler=_version(compiler),
        emulator=_version(emulator),
    )


def _integers(source: Source) -> IntegerProgram:
    program = lower(source.program)
    return quantize(program, calibrate(program, source.calibration_images, "minmax"))


def _ours(source: Source, integer: IntegerProgram) -> Iterator[Candidate]:
    both = (("int8", generate(integer, "net")), ("float32", generate_float(source.program, "net")))
    for numbers, made in both:
        yield Candidate(
            contender="smidgen C",
            version="this revision",
            numbers=numbers,
            files={"net.c": made.source, "net.h": made.header},
            name="net",
            kind=made.logit_type,
            rows_first=True,
            oracle="the integer simulation" if numbers == "int8" else "torch",
            scale=integer.head.scale if numbers == "int8" else 1.0,
            floats=SOFT if numbers == "int8" else HARD,
        )


def _called(
    integer: IntegerProgram, images: Pixels, test: Pixels, checkout: Path | None
) -> Candidate:
    """Return the program in CMSIS-NN's functions; its answers are held against ours."""
    if checkout is None:
        raise RuntimeError("missing: name a checkout with --cmsis-nn")
    program = cmsis_nn.one_border(integer)
    head = cmsis_nn.head_of(program, images)
    text = cmsis_nn.driver(program, head)
    return Candidate(
        contender="CMSIS-NN",
        version=cmsis_nn.version_of(checkout),
        numbers="int8",
        files={"net.c": text, "net.h": cmsis_nn.header(program)},
        name="net",
        kind="int32_t",
        rows_first=True,
        oracle="the integer simulation with one border, its means and logits in int8",
        scale=head.by.scale,
        floats=SOFT,
        library=checkout.resolve(),
        expected=cmsis_nn.answers(program, head, test) * head.by.scale,
    )


def _emx(source: Source, numbers: str) -> Candidate:
    """Return its C of our ONNX file, everything on the stack and in one file."""
    model = to_onnx(source.program, source.card())
    if numbers == "int8 QDQ":
        model = quantize_onnx(model, source.calibration_images)
    elif numbers == "int8 QOperator":
        model = _integer_operators(model, source.calibration_images)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "net.onnx").write_bytes(model)
        _call([str(EMX / "emx-onnx-cgen"), *EMX_COMPILE, "net.onnx", "net.c"], folder)
        text = (folder / "net.c").read_text()
    pixels, classes = source.program.input_shape.elements, source.program.classes
    header = (
        "#include <stdint.h>\n"
        f"#define NET_PIXELS {pixels}\n#define NET_CLASSES {classes}\n"
        "void net(const uint8_t *pixels, float *logits);\n"
    )
    asked = "from importlib.metadata import version; print(version('emx-onnx-cgen'))"
    return Candidate(
        contender="emx-onnx-cgen",
        version=_call([str(EMX / "python"), "-c", asked], HERE).strip(),
        numbers=numbers,
        files={"net.c": text, "net.h": header},
        name="net",
        kind="float",
        rows_first=False,
        oracle="torch",
        scale=1.0,
    )


def _integer_operators(model: bytes, images: Pixels) -> bytes:
    """Return the form with QLinearConv and the like, which our export does not offer."""
    import onnx

    source = onnx.load_from_string(model)
    return quantized(source, images, "minmax", "QOperator").SerializeToString()


def _on_board(
    own: Candidate, pixels: Pixels, exact: NDArray[Any], real: NDArray[Any]
) -> dict[str, Any]:
    """Return what is measured of C under QEMU."""
    machine = ["-mcpu=cortex-m4", "-mthumb", *own.floats]
    templates = resources.files("smidgen.export.c") / "templates"
    main = (templates / "emulate_main.c").read_text()
    main = re.sub(r"PAINTED = \d+", f"PAINTED = {PAINTED}", main)
    wrapped = 'if (SYSTICK[0] >> 16 & 1) return puts("too many instructions to count"), 4;'
    main = main.replace("ticks +=", f"{wrapped}\n    ticks +=")
    main = main.replace("TYPE", own.kind).replace("UPPER", own.name.upper())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for part in ("emulate_start.c", "emulate_board.ld"):
            (folder / part).write_text((templates / part).read_text())
        for name, text in {**own.files, "main.c": main.replace("NAME", own.name)}.items():
            (folder / name).write_text(text)
        order = (0, 2, 3, 1) if own.rows_first else (0, 1, 2, 3)
        (folder / "pixels.bin").write_bytes(pixels.transpose(order).tobytes())
        gcc = [find_tool("arm-none-eabi-gcc"), *machine, "-O2"]
        if own.library is None:
            _call([*gcc, "-c", "net.c", "-o", "net.o"], folder)
        else:
            cmsis_nn.build(gcc, own.library, folder)
        sizes = _call([find_tool("arm-none-eabi-size"), "net.o"], folder)
        link = ["--specs=rdimon.specs", "-nostartfiles", "-T", "emulate_board.ld"]
        files = ["emulate_start.c", "main.c", "net.o", "-lm", "-o", "main.elf"]
        _call([*gcc, *link, *files], folder)
        qemu = [find_tool("qemu-system-arm"), "-M", "mps2-an386", "-icount", "shift=0"]
        semihosting = ["-semihosting-config", "enable=on,target=native", "-kernel", "main.elf"]
        said = _call([*qemu, "-nographic", *semihosting], folder)
        kind = np.int32 if own.kind == "int32_t" else np.float32
        logits = np.frombuffer((folder / "logits.bin").read_bytes(), kind)
    text, data, bss = map(int, sizes.splitlines()[1].split()[:3])
    pictures, ticks, stack = map(int, re.findall(r"\d+", said)[-3:])
    if stack >= PAINTED:
        raise RuntimeError("uses more stack than was looked at")
    expected = exact if own.oracle == "the integer simulation" else real
    expected = expected if own.expected is None else own.expected
    return {
        "contender": own.contender,
        "version": own.version,
        "core": CORES["m4"],
        "numbers": own.numbers,
        "flash": text + data,
        "ram": data + bss + stack,
        "instructions": ticks * TICK // pictures,
        "images": pictures,
        "difference": float(np.abs(logits.reshape(expected.shape) * own.scale - expected).max()),
        "oracle": own.oracle,
        "compiler": _version("arm-none-eabi-gcc"),
        "emulator": _version("qemu-system-arm"),
    }


def _interpreted(program: IntegerProgram, pixels: Pixels) -> dict[str, Any]:
    """Return tflite-micro's arena, and how far its answers are from the simulation's."""
    named = {"contender": "tflite-micro", "numbers": "int8"}
    if find_spec("tflite_micro") is None:
        return {**named, "error": "missing: pip install tflite-micro"}
    import tflm

    maps = [(pixels.transpose(0, 2, 3, 1).astype(np.int16) - 128).astype(np.int8)]
    maps += trace(program, pixels)
    apart = 0
    for part in tflm.parts(program):
        low, start = tflm.lowered(part.program), part.framed(maps[part.place])
        back = (start.astype(np.int16) + 128).astype(np.uint8).transpose(0, 3, 1, 2)
        *_, expected = trace(low.program, back)
        if isinstance(part.program.operations[-1], IntLinear):
            expected = requantise(expected, low.head)
        found = tflm.Net(low.file)(start).astype(int)
        apart = max(apart, int(np.abs(found - expected.reshape(found.shape)).max()))
    whole = tflm.Net(tflm.lowered(cmsis_nn.one_border(program)).file)
    whole(maps[0][:1])
    return {
        **named,
        "version": version("tflite-micro"),
        "ram": whole.arena(),
        "images": len(pixels),
        "difference": float(apart),
        "oracle": "the integer simulation with the multipliers of its file, part by part",
    }


def _blank(source: Source) -> Row:
    trial = source.run.trial
    return Row(
        bench="microcontroller",
        net=trial.net.name,
        label=label_of(trial),
        training_key=trial.key,
        contender="",
        version="",
        core="",
        numbers="",
        flash=None,
        ram=None,
        instructions=None,
        images=0,
        difference=None,
        oracle="",
        error="",
        compiler="",
        emulator="",
        **origin(),
    )


def show(rows: list[Row]) -> None:
    """Print one table a net."""
    table = Table(title=rows[0].label, title_justify="left")
    for name in (
        "contender",
        "version",
        "core",
        "numbers",
        "flash",
        "RAM",
        "instructions",
        "difference",
    ):
        table.add_column(name)
    for row in rows:
        figures = ("" if v is None else f"{v:,}" for v in (row.flash, row.ram, row.instructions))
        last = row.error if row.difference is None else f"{row.difference:.2g}"
        table.add_row(row.contender, row.version, row.core, row.numbers, *figures, last)
    Console(width=150).print(table)


def _version(tool: str) -> str:
    return _call([find_tool(tool), "--version"], HERE).splitlines()[0]


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(
            f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-300:]}"
        )
    return done.stdout


if __name__ == "__main__":
    typer.run(main)
