"""Artefacts: for each target, its files, how to run them, and what to hold them against."""

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn

from smidgen.data import Data, selection_split
from smidgen.evaluate import predict
from smidgen.export.c import Source as Generated
from smidgen.export.c import generate
from smidgen.export.c_float import generate_float
from smidgen.export.calibrate import calibrate
from smidgen.export.choose import quantize_best
from smidgen.export.finish import EPOCHS, Finished, Images, finished
from smidgen.export.fold import fold
from smidgen.export.host import compile_library, load_library
from smidgen.export.onnx import quantize_onnx, session, to_onnx
from smidgen.export.parity import ToolMissingError, footprint, run_board
from smidgen.export.program import Pixels, Program
from smidgen.export.simulate import simulate
from smidgen.export.wasm import compile_wasm, load_wasm
from smidgen.run import Run
from smidgen.text import nearest

Infer: TypeAlias = Callable[[Pixels], NDArray[Any]]  # uint8 images (n, c, h, w) to logits
ROUNDING = 1e-5  # of the largest logit: what float32 sums may differ by in another order
_CALIBRATION_IMAGES = 512
_ALL = 2**62  # images: as many as there are
_SIMULATED = 2_000  # images that integer artefacts are held against the simulation on


@dataclass(frozen=True, slots=True)
class Oracle:
    """An independent computation of the same logits.

    Args:
        what: Its name, for people.
        infer: Logits on the artefact's scale.
        images: Of the test split, at most, since an oracle may be slow.
        tolerance: Difference allowed, as a share of the largest logit; 0 is bit for bit.
    """

    what: str
    infer: Infer
    images: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class Artefact:
    """What one target needs to be written, run and doubted.

    Args:
        files: Contents by name; the first is the artefact itself.
        infer: Returns what runs the files of a folder with a number of threads.
        runtime: What that is.
        threads: Numbers of threads it can use.
        scale: What 1 in its logits stands for.
        oracle: What it is held against.
        numbers: ``float32`` or ``int8``.
        calibration: How its ranges were found; ``None`` for floats.
        finished: What finishing did for it; ``None`` where there is no such thing.
        flash: Bytes of code and constants on a microcontroller or in a module.
        ram: Bytes of memory it writes to, where that is known.
    """

    files: Mapping[str, bytes]
    infer: Callable[[Path, int], Infer]
    runtime: str
    threads: tuple[int, ...]
    scale: float
    oracle: Oracle
    numbers: str
    calibration: str | None = None
    finished: Finished | None = None
    flash: int | None = None
    ram: int | None = None

    @property
    def main(self) -> str:
        """Name of the artefact itself among its files."""
        return next(iter(self.files))


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person may ask of a target; ``None`` leaves it to the target.

    Args:
        calibration: How the ranges of int8 are found.
        numbers: ``float32`` or ``int8``.
        finish_epochs: Of quantisation-aware finishing, should int8 call for it; 0 never finishes.
        tell: Is told of what takes long.
    """

    calibration: str | None = None
    numbers: str | None = None
    finish_epochs: int | None = None
    tell: Callable[[str], None] = lambda line: None


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported: a run, its data, and the folded program of its model."""

    run: Run
    data: Data
    program: Program

    @property
    def stem(self) -> str:
        """Name of the files, and of the C function: lower case, digits and underscores."""
        plain = re.sub(r"[^a-z0-9]+", "_", self.run.trial.net.name.lower()).strip("_")
        return plain if plain[:1].isalpha() else f"net_{plain}".rstrip("_")

    @property
    def calibration_images(self) -> Pixels:
        """Training images, spread over the whole split."""
        count = len(self.data.train)
        step = max(1, count // _CALIBRATION_IMAGES)
        return pixels_of(self.data.train.images[::step][:_CALIBRATION_IMAGES])

    @property
    def finishing_images(self) -> Images:
        """Training images to finish with, and others to see whether that is needed."""
        learning, held_out = selection_split(self.data.train)
        labels = held_out.labels.numpy()
        return Images(pixels_of(learning.images), pixels_of(held_out.images), labels)

    def card(self) -> dict[str, str]:
        """Return the model card: what a user of the bare file must know."""
        trial, spec = self.run.trial, self.run.trial.spec
        normalised = f"(pixel / 255 - {list(self.run.mean)}) / {list(self.run.std)} a channel"
        return {
            "net": trial.net.name,
            "input": f"uint8 (n, {', '.join(map(str, spec.input_shape))}), 0 to 255",
            "normalisation": f"inside: {normalised}",
            "output": "logits (n, classes); softmax gives probabilities",
            "classes": json.dumps(self.run.classes),
            "params": str(spec.params),
            "macs": str(spec.macs),
            "methods": ", ".join(trial.method_texts),
            "data": f"{trial.data} {trial.fingerprint}",
            "training_key": trial.key,
            "made_by": f"smidgen {self.run.versions['smidgen']}",
        }

    def float_infer(self) -> Infer:
        """Return the trained model itself, in torch."""
        import torch

        def infer(pixels: Pixels) -> NDArray[Any]:
            images = torch.from_numpy(pixels)
            return predict(self.run.model, images, self.run.mean, self.run.std).numpy()

        return infer


def source_of(run: Run, data: Data) -> Source:
    """Return a run made ready for export.

    Raises:
        ValueError: If a layer has no deployable form; it is named.
    """
    assert isinstance(run.model, nn.Sequential)
    return Source(run, data, fold(run.trial.spec, run.model, run.mean, run.std))


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
    whole = to_onnx(source.program, source.card())
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

    flash, ram = _cortex_m4(generated, source.calibration_images[:2])
    return Artefact(
        files={
            f"{name}.c": generated.source.encode(),
            f"{name}.h": generated.header.encode(),
        },
        infer=infer,
        runtime="gcc -O3 -march=native on this machine",
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
    module = compile_wasm(generated, source.program.input_shape)
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
    numbers = wish.numbers
    require(
        numbers in (None, "int8", "float32"), f"numbers must be int8 or float32, got {numbers!r}"
    )
    if numbers == "float32":
        _require_floats("float32 C is not quantised", wish)
        oracle = Oracle("the trained model in torch", source.float_infer(), _ALL, ROUNDING)
        return _Made(generate_float(source.program, source.stem), oracle, 1.0, None, None)
    calibration, images = wish.calibration, source.calibration_images
    if calibration is None:
        choice = quantize_best(source.program, images)
        calibration, ranges = choice.method, choice.ranges
    else:
        ranges = calibrate(source.program, images, calibration)
    done = finished(
        source.program,
        ranges,
        source.finishing_images,
        epochs=EPOCHS if wish.finish_epochs is None else wish.finish_epochs,
        seed=source.run.trial.seed,
        tell=wish.tell,
    )

    def simulated(pixels: Pixels) -> NDArray[np.int32]:
        return simulate(done.program, pixels)

    oracle = Oracle("the integer simulation in NumPy", simulated, _SIMULATED, 0.0)
    generated = generate(done.program, source.stem)
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


TARGETS: dict[str, Callable[[Source, Wish], Artefact]] = {
    "onnx": onnx,
    "onnx-int8": onnx_int8,
    "c": c,
    "wasm": wasm,
}


def target_of(name: str) -> Callable[[Source, Wish], Artefact]:
    """Return what makes the artefact of the named target.

    Raises:
        ValueError: If there is no such target; the nearest name is given.
    """
    if name not in TARGETS:
        raise ValueError(f"unknown target {name!r}; {nearest(name, TARGETS)}")
    return TARGETS[name]


def pixels_of(images: Any) -> Pixels:
    """Return a uint8 tensor as an array in the order n, c, h, w."""
    return np.ascontiguousarray(images.numpy())


def require(holds: bool, message: str) -> None:
    """Raise ``ValueError(message)`` unless it holds."""
    if not holds:
        raise ValueError(message)
