"""``--to arduino``: a library; sketches of a picture, a frame, values, a stream, a serial line."""

import re
from dataclasses import replace

from smidgen.export.artefact import Artefact, Source, Wish
from smidgen.export.firmware.package import package

LAYOUT = {
    "library.properties": "arduino/library.properties",
    "keywords.txt": "arduino/keywords.txt",
    "examples/picture/picture.ino": "common/sketch.cpp",
    "examples/serve/serve.ino": "arduino/serve.ino",
    "examples/camera/camera.ino": "arduino/camera.ino",
    "examples/camera/frame.h": "common/frame.h",
    "examples/values/values.ino": "arduino/values.ino",
    "examples/values/window.h": "common/window.h",
    "examples/stream/stream.ino": "arduino/stream.ino",
    "examples/stream/window.h": "common/window.h",
}
USE = """Put this folder into the `libraries` folder of your sketchbook, as `NAME`; then open File,
Examples, NAME, picture, choose your board and upload. The monitor (115,200 baud) shows the answer
and the self-test, and the light blinks. With the sketch `serve` it answers pictures of yours:
`smidgen verify FOLDER --port /dev/ttyACM0 --against RUN`."""


def arduino(source: Source, wish: Wish) -> Artefact:
    """Make an Arduino library of the C; flash and RAM are told for a Cortex-M4."""
    made = package(source, wish, LAYOUT, USE)
    headers = b"".join(text for path, text in made.files.items() if path.endswith(".h")).decode()
    said = set(re.findall(r"\w+", headers))  # which functions a net has depends on what it takes
    lines = made.files["keywords.txt"].decode().splitlines(keepends=True)
    known = "".join(line for line in lines if line.split("\t")[0] in said)
    return replace(made, files={**made.files, "keywords.txt": known.encode()})
