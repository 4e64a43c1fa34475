"""What can be asked of each target, known before any work."""

from smidgen.export.artefact import Wish, require, require_floats
from smidgen.export.c.int8 import OPTIMIZE
from smidgen.export.generated import HOST
from smidgen.export.int8.calibrate import METHODS
from smidgen.export.onnx import CALIBRATIONS
from smidgen.export.targets import OF_C
from smidgen.export.tflite.write import INPUTS
from smidgen.text import nearest

_NUMBERS = ("int8", "float32")


def require_wish(target: str, wish: Wish) -> None:
    """Refuse a wish that a target cannot fulfil, whatever the run.

    Raises:
        ValueError: Naming what is asked for and what may be.
    """
    if wish.input is not None and target != "tflite":
        raise ValueError(f"{target} takes uint8 pixels; a choice of input is for tflite")
    if wish.optimize is not None and target in ("onnx", "onnx-int8", "tflite", "wasm"):
        raise ValueError(f"{target} has no code of a microcontroller to optimise; c has")
    if wish.optimize == HOST and target not in ("c", "cmake"):
        raise ValueError(f"{target} is for microcontrollers; code for hosts is for c and cmake")
    _require_sure(target, wish)
    if target == "onnx":
        require(wish.numbers in (None, "float32"), "onnx is float32; onnx-int8 is the integer form")
        require_floats("onnx is float32", wish)
    elif target == "onnx-int8":
        _require_of_onnxruntime(wish)
    elif target == "tflite":
        _require_of_tflite(wish)
    elif target in (*OF_C, "wasm"):
        _require_of_c(wish)


def _require_sure(target: str, wish: Wish) -> None:
    require(wish.sure is not None or wish.sure_on is None, "sure_on is for sure")
    if wish.sure is not None and (target not in OF_C or wish.numbers == "float32"):
        raise ValueError(
            f"sure is for int8 C, as of {', '.join(OF_C)}; `smidgen predict --sure` and sm.sure ask"
            " a run"
        )


def _require_of_onnxruntime(wish: Wish) -> None:
    require(wish.numbers in (None, "int8"), "onnx-int8 is int8; onnx is the float32 form")
    require(not wish.finish_epochs, "onnx-int8 is quantised by onnxruntime: nothing to finish")
    if wish.calibration not in (None, *CALIBRATIONS):
        known = nearest(wish.calibration, CALIBRATIONS)
        raise ValueError(f"onnxruntime has no calibration {wish.calibration!r}; {known}")


def _require_of_tflite(wish: Wish) -> None:
    if wish.input not in (None, *INPUTS):
        known = nearest(wish.input, INPUTS)
        raise ValueError(f"unknown input {wish.input!r} of tflite; {known}")
    if wish.numbers not in (None, "int8"):
        raise ValueError(f"tflite is int8, got {wish.numbers!r}; onnx and c have a float32 form")
    _require_method(wish)


def _require_of_c(wish: Wish) -> None:
    known = (*OPTIMIZE, HOST)
    if wish.optimize not in (None, *known):
        raise ValueError(f"optimize must be one of {', '.join(known)}, got {wish.optimize!r}")
    if wish.numbers not in (None, *_NUMBERS):
        raise ValueError(f"numbers must be {' or '.join(_NUMBERS)}, got {wish.numbers!r}")
    if wish.numbers == "float32":
        require(wish.optimize is None, "float32 C is for hosts: nothing to optimise for flash")
        require_floats("float32 C is not quantised", wish)
    _require_method(wish)


def _require_method(wish: Wish) -> None:
    if wish.calibration not in (None, *METHODS):
        known = ", ".join(METHODS)
        raise ValueError(f"calibration method must be one of {known}, got {wish.calibration!r}")
