"""``--to esp-idf``: a component with its options, and a project that runs the self-test."""

from smidgen.export.artefact import Artefact, Source, Wish
from smidgen.export.firmware.package import package

LAYOUT = {
    "CMakeLists.txt": "esp_idf/CMakeLists.txt",
    "Kconfig": "esp_idf/Kconfig",
    "idf_component.yml": "esp_idf/idf_component.yml",
    "examples/self_test/CMakeLists.txt": "esp_idf/example_project.txt",
    "examples/self_test/sdkconfig.defaults": "esp_idf/sdkconfig.defaults",
    "examples/self_test/main/CMakeLists.txt": "esp_idf/example_main.txt",
    "examples/self_test/main/main.c": "esp_idf/main.c",
}
USE = """Put this folder into `components/` of your project, as `NAME`, and `REQUIRES NAME` into the
`idf_component_register` of what calls it. `idf.py menuconfig` has its options. The project in
`examples/self_test` prints the self-test: `idf.py set-target esp32s3 flash monitor`."""


def esp_idf(source: Source, wish: Wish) -> Artefact:
    """Make an ESP-IDF component of the C; flash and RAM are told for a Cortex-M4."""
    return package(source, wish, LAYOUT, USE)
