"""Targets: for each, how its artefact is made, run and doubted."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from smidgen import plugins
from smidgen.export.artefact import (
    Artefact,
    Infer,
    Oracle,
    Source,
    Wish,
    Witness,
    largest_of,
    require,
)
from smidgen.export.firmware.arduino import arduino
from smidgen.export.firmware.cmake import cmake
from smidgen.export.firmware.esp_idf import esp_idf
from smidgen.export.firmware.platformio import platformio
from smidgen.export.firmware.zephyr import zephyr
from smidgen.export.generated import ALL, ROUNDING, c, made_of
from smidgen.export.onnx import quantize_onnx, session, to_onnx
from smidgen.export.onnx import require_tools as require_onnx
from smidgen.export.program import in_parts
from smidgen.export.tflite.tables import require_flatbuffers
from smidgen.export.tflite.target import tflite
from smidgen.export.wasm import compile_wasm, load_wasm
from smidgen.export.wasm import require_tools as require_wasm
from smidgen.names import require_kind, shown
from smidgen.text import nearest

_COMPARED = 64  # images that both WebAssembly modules must answer alike before they are proved


def onnx(source: Source, wish: Wish) -> Artefact:
    """Make an ONNX file of float32, which ONNX Runtime is to answer as torch does."""
    name = f"{source.stem}.onnx"
    return Artefact(
        files={name: to_onnx(source.program, source.card())},
        infer=lambda folder, threads: session((folder / name).read_bytes(), threads),
        runtime="ONNX Runtime",
        threads=(1, 2),
        scale=1.0,
        oracle=Oracle("the trained model in torch", source.float_infer(), ALL, ROUNDING),
        numbers="float32",
    )


def onnx_int8(source: Source, wish: Wish) -> Artefact:
    """Make an ONNX file of int8 (QDQ), proved with and without integer kernels."""
    calibration = wish.calibration or "minmax"
    name = f"{source.stem}.int8.onnx"
    whole = to_onnx(source.program, source.card(), share=False)
    model = quantize_onnx(whole, source.calibration_images, calibration)
    plain = session(model, optimised=False)
    return Artefact(
        files={name: model},
        infer=lambda folder, threads: session((folder / name).read_bytes(), threads),
        runtime="ONNX Runtime",
        threads=(1, 2),
        scale=1.0,
        # halves that round the other way move a value by a step, and few steps reach the logits
        oracle=Oracle(
            "the same file without integer kernels",
            lambda pixels: np.concatenate([plain(part) for part in in_parts(pixels)]),
            2_000,
            0.05,
        ),
        numbers="int8",
        calibration=calibration,
    )


def wasm(source: Source, wish: Wish) -> Artefact:
    """Make a WebAssembly module with SIMD128, one without, and a page that shows them."""
    made = made_of(replace(source, name="net"), wish)  # a name that nothing in its C has
    generated = made.source
    name, plain, kind = f"{source.stem}.wasm", f"{source.stem}.plain.wasm", generated.logit_type
    files = {of: compile_wasm(generated, source.program, simd=of == name) for of in (name, plain)}
    runs = {of: load_wasm(module, generated.classes, kind) for of, module in files.items()}
    pixels = source.calibration_images[:_COMPARED]
    one, other = (run(pixels) for run, _ in runs.values())
    allowed = made.oracle.tolerance * largest_of(one)
    apart = float(np.abs(one.astype(np.float64) - other).max())
    require(apart <= allowed, f"{name} and {plain} differ by {apart:.3g}, allowed {allowed:.3g}")

    def infer(folder: Path, of: str) -> Infer:
        return load_wasm((folder / of).read_bytes(), generated.classes, kind)[0]

    beside = Witness(
        "without SIMD128", lambda folder, _: infer(folder, plain), None, made.oracle.tolerance
    )
    return Artefact(
        files=files,
        infer=lambda folder, _: infer(folder, name),
        witnesses=(beside,),
        runtime="wasmtime, called from Python",
        threads=(1,),
        scale=made.scale,
        oracle=made.oracle,
        numbers=wish.numbers or "int8",
        calibration=made.calibration,
        finished=made.finished,
        flash=len(files[name]),
        ram=runs[name][1],
    )


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
    "arduino": arduino,
    "esp-idf": esp_idf,
    "zephyr": zephyr,
    "cmake": cmake,
    "platformio": platformio,
}
PACKAGES = ("arduino", "esp-idf", "zephyr", "cmake", "platformio")  # with ten test pictures
OF_C = ("c", *PACKAGES)


def target_of(name: str) -> Callable[[Source, Wish], Artefact]:
    """Return what makes the artefact of the named target.

    Raises:
        ValueError: If there is no such target; the nearest name is given.
    """
    require_kind(name, str, "a target", "as in 'c'")
    if name in TARGETS:
        return TARGETS[name]
    others = plugins.working(installed())
    if name not in others:
        raise ValueError(f"unknown target {name!r}; {nearest(name, [*TARGETS, *others])}")
    return lambda source, wish: _artefact(others[name], others[name].value(source, wish))


def _artefact(plugin: plugins.Plugin, made: object) -> Artefact:
    """Return what a target of another package made.

    Raises:
        ValueError: If it is no artefact with a file, naming the target.
    """
    whose = f"the target {plugin.name} of {plugin.package}"
    if not isinstance(made, Artefact):
        raise ValueError(f"{whose} must return an Artefact, got {shown(made)}")
    files: Any = made.files
    contents = list(files.values()) if isinstance(files, Mapping) else []
    if not contents or not all(isinstance(content, bytes) for content in contents):
        raise ValueError(f"{whose} must return files, bytes by name, got {shown(files)}")
    return made


@cache
def installed() -> tuple[plugins.Plugin, ...]:
    """Return the targets of other packages, those that cannot be used with the reason."""
    return plugins.checked(
        plugins.TARGETS,
        lambda plugin: "" if callable(plugin.value) else "it is no function of a source and a wish",
        TARGETS,
    )
