"""``--to zephyr``: a module with its options, and a sample that runs the self-test."""

from smidgen.export.artefact import Artefact, Source, Wish
from smidgen.export.firmware.package import package

LAYOUT = {
    "zephyr/module.yml": "zephyr/module.yml",
    "CMakeLists.txt": "zephyr/CMakeLists.txt",
    "Kconfig": "zephyr/Kconfig",
    "samples/self_test/CMakeLists.txt": "zephyr/sample_project.txt",
    "samples/self_test/prj.conf": "zephyr/prj.conf",
    "samples/self_test/sample.yaml": "zephyr/sample.yaml",
    "samples/self_test/src/main.c": "common/main.c",
}
USE = """Name this folder in `ZEPHYR_EXTRA_MODULES`, or in your west manifest, and set
`CONFIG_SMIDGEN_UPPER=y`. The sample prints the self-test:
`west build -b native_sim samples/self_test -t run`."""


def zephyr(source: Source, wish: Wish) -> Artefact:
    """Make a Zephyr module of the C; flash and RAM are told for a Cortex-M4."""
    return package(source, wish, LAYOUT, USE)
