"""Targets: for each, how its artefact is made, run and doubted."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen import plugins
from smidgen.export.artefact import Artefact, Infer, Oracle, Source, Wish
from smidgen.export.c.emulate import ToolMissingError, footprint, run_board
from smidgen.export.c.float32 import generate_float
from smidgen.export.c.host import FAST, compile_library, find_compiler, load_library
from smidgen.export.c.int8 import generate
from smidgen.export.c.picture import described, picture_header
from smidgen.export.c.source import Source as Generated
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.choose import quantize_best
from smidgen.export.int8.finish import EPOCHS, Finished, finished
from smidgen.export.int8.simulate import simulate
from smidgen.export.lower import lower
from smidgen.export.onnx import quantize_onnx, session, to_onnx
from smidgen.export.onnx import require_tools as require_onnx
from smidgen.export.program import Pixels
from smidgen.export.tflite.tables import require_flatbuffers
from smidgen.export.tflite.target import tflite
from smidgen.export.wasm import compile_wasm, load_wasm
from smidgen.export.wasm import require_tools as require_wasm
from smidgen.text import nearest

ROUNDING = 1e-5  # of the largest logit: what float32 sums may differ by in another order
UNPROVED = (
    "no C compiler (gcc, cc or clang): the C is written, but what it answers, its accuracy and its"
    " speed are not measured; on Debian: apt-get install gcc"
)
_ALL = 2**62  # images: as many as there are
_SIMULATED = 2_000  # images that integer artefacts are held against the simulation on


def onnx(source: Source, wish: Wish) -> Artefact:
    """Return the float32 ONNX file; ONNX Runtime is held against torch."""
    require(wish.numbers in (None, "float32"), "onnx is float32; onnx-int8 is the integer form")
    _require_floats("onnx is float32", wish)
    name = f"{source.stem}.onnx"
    return Artefact(
        files={name: to_onnx(source.program, source.card())},
        infer=lambda folder, threads: session((folder / name).read_bytes(), threads),
        runtime="ONNX Runtime",
        threads=(1, 2),
        scale=1.0,
        oracle=Oracle("the trained model in torch", source.float_infer(), _ALL, ROUNDING),
        numbers="float32",
    )


def onnx_int8(source: Source, wish: Wish) -> Artefact:
    """Return the QDQ form; integer kernels are held against floats between the roundings."""
    require(wish.numbers in (None, "int8"), "onnx-int8 is int8; onnx is the float32 form")
    require(wish.finish_epochs is None, "onnx-int8 is quantised by onnxruntime: nothing to finish")
    calibration = wish.calibration or "minmax"
    name = f"{source.stem}.int8.onnx"
    whole = to_onnx(source.program, source.card(), share=False)
    model = quantize_onnx(whole, source.calibration_images, calibration)
    return Artefact(
        files={name: model},
        infer=lambda folder, threads: session((folder / name).read_bytes(), threads),
        runtime="ONNX Runtime",
        threads=(1, 2),
        scale=1.0,
        # halves that round the other way move a value by a step, and few steps reach the logits
        oracle=Oracle(
            "the same file without integer kernels", session(model, optimised=False), 2_000, 0.05
        ),
        numbers="int8",
        calibration=calibration,
    )


def c(source: Source, wish: Wish) -> Artefact:
    """Return one header and one source of C99; flash and RAM are a Cortex-M4's."""
    made = _generated(source, wish)
    generated = made.source
    name, kind, classes = generated.name, generated.logit_type, generated.classes

    def infer(folder: Path, _: int) -> Infer:
        with tempfile.TemporaryDirectory() as place:  # what is loaded outlives its file
            library = Path(place) / "net.so"
            pixels = source.program.input_shape.elements
            compile_library(folder, name, kind, pixels, classes, library)
            return load_library(library, kind, classes)

    compiler = find_compiler()
    if compiler is None:
        wish.tell(UNPROVED)
    flash, ram = _cortex_m4(generated, source.calibration_images[:2])
    return Artefact(
        files={
            f"{name}.c": generated.source.encode(),
            f"{name}.h": generated.header.encode(),
            f"{name}_picture.h": picture_header(generated, source.run.preprocessing).encode(),
        },
        infer=infer if compiler else None,
        runtime=f"{compiler} {' '.join(FAST)} on this machine" if compiler else "none",
        threads=(1,),
        scale=made.scale,
        oracle=made.oracle,
        numbers=wish.numbers or "int8",
        calibration=made.calibration,
        finished=made.finished,
        flash=flash,
        ram=ram,
    )


def wasm(source: Source, wish: Wish) -> Artefact:
    """Return the WebAssembly module of the same C."""
    made = _generated(source, wish)
    generated = made.source
    name, kind, classes = f"{source.stem}.wasm", generated.logit_type, generated.classes
    module = compile_wasm(generated, source.program)
    _, memory = load_wasm(module, classes, kind)
    return Artefact(
        files={name: module},
        infer=lambda folder, _: load_wasm((folder / name).read_bytes(), classes, kind)[0],
        runtime="wasmtime, called from Python",
        threads=(1,),
        scale=made.scale,
        oracle=made.oracle,
        numbers=wish.numbers or "int8",
        calibration=made.calibration,
        finished=made.finished,
        flash=len(module),
        ram=memory,
    )


class _Made(NamedTuple):
    """C, what to hold it against, what 1 in its logits stands for, and how it came about."""

    source: Generated
    oracle: Oracle
    scale: float
    calibration: str | None
    finished: Finished | None


def _generated(source: Source, wish: Wish) -> _Made:
    numbers, seen = wish.numbers, (source.run.preprocessing, source.run.classes)
    require(
        numbers in (None, "int8", "float32"), f"numbers must be int8 or float32, got {numbers!r}"
    )
    if numbers == "float32":
        _require_floats("float32 C is not quantised", wish)
        oracle = Oracle("the trained model in torch", source.float_infer(), _ALL, ROUNDING)
        made = described(generate_float(source.program, source.stem), *seen)
        return _Made(made, oracle, 1.0, None, None)
    calibration, images = wish.calibration, source.calibration_images
    program = lower(source.program)
    if calibration is None:
        choice = quantize_best(program, images)
        calibration, ranges = choice.method, choice.ranges
    else:
        ranges = calibrate(program, images, calibration)
    done = finished(
        program,
        ranges,
        source.finishing_images,
        epochs=EPOCHS if wish.finish_epochs is None else wish.finish_epochs,
        seed=source.run.trial.seed,
        tell=wish.tell,
    )

    def simulated(pixels: Pixels) -> NDArray[np.int32]:
        return simulate(done.program, pixels)

    oracle = Oracle("the integer simulation in NumPy", simulated, _SIMULATED, 0.0)
    generated = described(generate(done.program, source.stem), *seen)
    return _Made(generated, oracle, done.program.head.scale, calibration, done)


def _require_floats(what: str, wish: Wish) -> None:
    require(wish.calibration is None, f"{what} and takes no calibration")
    require(wish.finish_epochs is None, f"{what} and needs no finishing")


def _cortex_m4(generated: Generated, pixels: Pixels) -> tuple[int | None, int | None]:
    """Return flash and RAM on a Cortex-M4, of what the tools at hand can tell."""
    try:
        flash = footprint(generated).flash
    except ToolMissingError:
        return None, None
    try:
        return flash, run_board(generated, pixels).ram
    except ToolMissingError:
        return flash, None


def require_tools(name: str) -> None:
    """Refuse if something that the named target needs is missing, before any work.

    Raises:
        ValueError: Naming it and where it comes from.
    """
    if name in ("onnx", "onnx-int8"):
        require_onnx()
    if name == "wasm":
        require_wasm()
    if name == "tflite":
        require_flatbuffers()


TARGETS: dict[str, Callable[[Source, Wish], Artefact]] = {
    "onnx": onnx,
    "onnx-int8": onnx_int8,
    "c": c,
    "wasm": wasm,
    "tflite": tflite,
}


def target_of(name: str) -> Callable[[Source, Wish], Artefact]:
    """Return what makes the artefact of the named target.

    Raises:
        ValueError: If there is no such target; the nearest name is given.
    """
    if name in TARGETS:
        return TARGETS[name]
    others = plugins.working(installed())
    if name not in others:
        raise ValueError(f"unknown target {name!r}; {nearest(name, [*TARGETS, *others])}")
    return others[name].value


@cache
def installed() -> tuple[plugins.Plugin, ...]:
    """Return the targets of other packages, those that cannot be used with the reason."""
    return plugins.checked(
        plugins.TARGETS,
        lambda plugin: "" if callable(plugin.value) else "it is no function of a source and a wish",
        TARGETS,
    )


def require(holds: bool, message: str) -> None:
    """Raise ``ValueError(message)`` unless it holds."""
    if not holds:
        raise ValueError(message)
