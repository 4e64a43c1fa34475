"""The target ``tflite``: a file for micro interpreters, and what runs it here."""

import functools
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen import layers
from smidgen.export.artefact import EXCHANGED, Artefact, Infer, Oracle, Source, Wish, Witness
from smidgen.export.int8.made import integers_of
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import grid_of
from smidgen.export.int8.simulate import simulate
from smidgen.export.program import Pixels
from smidgen.export.tflite.metadata import NAME, attached, metadata
from smidgen.export.tflite.operations import WIDEST_BLUR
from smidgen.export.tflite.runtimes import LITERT, MICRO, found, litert, micro
from smidgen.export.tflite.write import INPUTS, Input, Written, written
from smidgen.layers import Layer
from smidgen.spec import NetSpec
from smidgen.text import nearest, to_text

WITHOUT_LITERT = (
    "no LiteRT (pip install ai-edge-litert): the file is written, but its speed is not measured"
)
WITHOUT_MICRO = (
    "no tflite-micro (pip install tflite-micro; for Python 3.11 on Linux): the file is written and"
    " run by LiteRT, whose plain kernels round alike but in the classifier"
)
UNPROVED = (
    "neither LiteRT nor tflite-micro (pip install ai-edge-litert): the file is written, but what"
    " it answers, its accuracy and its speed are not measured"
)
_SIMULATED = 2_000  # images that it is held against the simulation on
# what was seen to round as simulated; others may not, a value by a step, and few steps reach the
# logits
_SEEN, _ON = "2.3.0", ("x86_64", "AMD64")
ALLOWED = 0.05


def tflite(source: Source, wish: Wish) -> Artefact:
    """Make an int8 TensorFlow Lite file, proved against a simulation in integers."""
    takes = _takes(wish)
    _require_operations(source.run.trial.spec)
    missing = _missing()
    if missing:
        wish.tell(missing)
    done, calibration = integers_of(source, wish)
    made = _made(source, done.program, takes)
    runs = _Runs(f"{source.stem}.tflite", made, _Sums(made.program))
    infer, expected, runtime, tolerance, timed = _first(runs)
    return Artefact(
        files={runs.name: made.file},
        infer=infer,
        runtime=runtime,
        threads=(1, 2) if timed else (1,),
        scale=made.head.scale,
        oracle=Oracle("the integer simulation in NumPy", expected, _SIMULATED, tolerance),
        numbers="int8",
        calibration=calibration,
        finished=done,
        witnesses=_others(runs),
        timed=timed,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """What runs a file, and what it should answer then."""

    name: str
    made: Written
    sums: "_Sums"

    def plain(self, folder: Path, threads: int) -> Infer:
        return litert(self._read(folder), self.made.head.scale, threads, reference=True)

    def usual(self, folder: Path, threads: int) -> Infer:
        return litert(self._read(folder), self.made.head.scale, threads, reference=False)

    def small(self, folder: Path, _: int) -> Infer:
        return micro(self._read(folder), self.made.head.scale)

    def as_plain(self, pixels: Pixels) -> NDArray[Any]:
        return self.made.rounded_once(self.sums(pixels))

    def as_small(self, pixels: Pixels) -> NDArray[Any]:
        return self.made.rounded_twice(self.sums(pixels))

    def _read(self, folder: Path) -> bytes:
        return (folder / self.name).read_bytes()


class _First(NamedTuple):
    """What runs the artefact here, as an :class:`Artefact` says it."""

    infer: Callable[[Path, int], Infer] | None
    expected: Infer
    runtime: str
    tolerance: float = 0.0
    timed: Callable[[Path, int], Infer] | None = None


def _first(runs: _Runs) -> _First:
    if found(LITERT):
        allowed = 0.0 if rounds_as_seen() else ALLOWED
        return _First(runs.plain, runs.as_plain, "LiteRT, its usual kernels", allowed, runs.usual)
    if found(MICRO):
        return _First(runs.small, runs.as_small, "tflite-micro on this machine")
    return _First(None, runs.as_small, "none")


def rounds_as_seen() -> bool:
    """Tell whether LiteRT's plain kernels here are those that were seen to round as simulated."""
    return version("ai-edge-litert") == _SEEN and platform.machine() in _ON


def _others(runs: _Runs) -> tuple[Witness, ...]:
    if not found(LITERT):
        return ()
    who = f"LiteRT {version('ai-edge-litert')}, its usual kernels"
    usual = Witness(who, runs.usual, None)
    if not found(MICRO):
        return (usual,)
    small = f"tflite-micro {version('tflite-micro')}"
    return usual, Witness(small, runs.small, runs.as_small, tolerance=0.0)


def _missing() -> str | None:
    """Return what to say of interpreters that are not here."""
    if found(LITERT):
        return None if found(MICRO) else WITHOUT_MICRO
    return WITHOUT_LITERT if found(MICRO) else UNPROVED


def _takes(wish: Wish) -> Input:
    for takes in INPUTS:
        if (wish.input or "uint8") == takes:
            return takes
    raise ValueError(f"unknown input {wish.input!r} of tflite; {nearest(wish.input or '', INPUTS)}")


def _pixels(takes: Input) -> str:
    match takes:
        case "uint8":
            return "uint8, 0 to 255"
        case "int8":
            return "int8, pixels less 128"
        case "float32":
            return "float32, 0 to 1"


def _made(source: Source, program: IntegerProgram, takes: Input) -> Written:
    """Return the file, with what it says of itself."""
    answered = simulate(program, source.calibration_images) * program.head.scale
    logits = grid_of(float(answered.min()), float(answered.max()))
    shape = program.input_shape
    sides = f"(1, {shape.height}, {shape.width}, {shape.channels})"
    seen = source.run.preprocessing
    card = source.card() | {
        "input": f"{_pixels(takes)}; {sides}, rows of pixels, the channels of a pixel together"
        f"{EXCHANGED if seen.turned else ''}",
        "output": f"logits (1, classes), {'float32' if takes == 'float32' else 'int8'};"
        " softmax of what they stand for gives probabilities",
    }
    notes = {NAME: metadata(card, seen, takes)}
    made = written(program, logits, takes, notes)
    return made._replace(file=attached(made.file, card, source.run.classes))


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """The int32 logits of a program; those of the last images are kept, for two ask."""

    program: IntegerProgram

    def __call__(self, pixels: Pixels) -> NDArray[np.int32]:
        return _sums(self.program, pixels.tobytes(), pixels.shape)


@functools.lru_cache(maxsize=1)
def _sums(program: IntegerProgram, pixels: bytes, shape: tuple[int, ...]) -> NDArray[np.int32]:
    return simulate(program, np.frombuffer(pixels, np.uint8).reshape(shape))


def _require_operations(spec: NetSpec) -> None:
    """Refuse a layer that TensorFlow Lite's operators cannot compute.

    Raises:
        ValueError: Naming it.
    """
    for place, layer in enumerate(spec.layers, 1):
        for inner in _all(layer):
            if isinstance(inner, layers.Blur) and inner.kernel_size > WIDEST_BLUR:
                raise ValueError(
                    f"{spec.name}, layer {place} {to_text(inner)}: tflite has int8 filters, of"
                    f" which a blur of more than {WIDEST_BLUR} x {WIDEST_BLUR} is none"
                )


def _all(layer: Layer) -> Iterator[Layer]:
    yield layer
    held: Iterable[Layer] = layer.inside if isinstance(layer, layers.Nest) else ()
    for inner in held:
        yield from _all(inner)
