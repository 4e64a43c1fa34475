"""``--to platformio``: a library with a project that runs the self-test."""

from smidgen.export.artefact import Artefact, Source, Wish
from smidgen.export.firmware.package import package

LAYOUT = {
    "library.json": "platformio/library.json",
    "examples/self_test/platformio.ini": "platformio/platformio.ini",
    "examples/self_test/src/main.cpp": "common/sketch.cpp",
}
USE = """Put this folder into `lib/` of your project, as `NAME`, and include `NAME.h`. The project
in `examples/self_test` prints the self-test: `pio run -t upload && pio device monitor`."""


def platformio(source: Source, wish: Wish) -> Artefact:
    """Make a PlatformIO library of the C; flash and RAM are told for a Cortex-M4."""
    return package(source, wish, LAYOUT, USE)
