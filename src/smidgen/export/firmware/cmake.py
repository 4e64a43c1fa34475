"""``--to cmake``: a library with a test that the host runs."""

from smidgen.export.artefact import Artefact, Source, Wish
from smidgen.export.firmware.package import package

LAYOUT = {
    "CMakeLists.txt": "cmake/CMakeLists.txt",
    "test/main.c": "common/main.c",
}
USE = """`add_subdirectory` this folder and link `smidgen::NAME`. The test on this machine:
`cmake -B build && cmake --build build && (cd build && ctest)`."""


def cmake(source: Source, wish: Wish) -> Artefact:
    """Make a CMake library of the C; flash and RAM are told for a Cortex-M4."""
    return package(source, wish, LAYOUT, USE)
