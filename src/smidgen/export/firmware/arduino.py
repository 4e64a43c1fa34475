"""``--to arduino``: a library, with sketches for a picture and for a camera's frame or values."""

from smidgen.export.artefact import Artefact, Source, Wish
from smidgen.export.firmware.package import package

LAYOUT = {
    "library.properties": "arduino/library.properties",
    "keywords.txt": "arduino/keywords.txt",
    "examples/picture/picture.ino": "common/sketch.cpp",
    "examples/camera/camera.ino": "arduino/camera.ino",
    "examples/camera/frame.h": "common/frame.h",
    "examples/values/values.ino": "arduino/values.ino",
    "examples/values/window.h": "common/window.h",
}
USE = """Put this folder into the `libraries` folder of your sketchbook, as `NAME`; then open File,
Examples, NAME, picture, choose your board and upload. The monitor (115,200 baud) shows the answer
and the self-test, and the light blinks."""


def arduino(source: Source, wish: Wish) -> Artefact:
    """Make an Arduino library of the C; flash and RAM are told for a Cortex-M4."""
    return package(source, wish, LAYOUT, USE)
