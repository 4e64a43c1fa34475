"""The CMake library is configured, built and tested as its README says."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from smidgen.export.artefact import Artefact
from smidgen.export.c.text import filled_in
from smidgen.export.firmware.package import template

pytestmark = pytest.mark.skipif(
    None in [shutil.which(tool) for tool in ("cmake", "gcc")], reason="needs Debian's cmake and gcc"
)
PROJECT = """
cmake_minimum_required(VERSION 3.13)
project(other C)
add_subdirectory(digits)
add_executable(other other.c)
target_link_libraries(other smidgen::digits)
"""


def call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("numbers", ["int8", "float32"])
def test_the_test_of_the_library_passes_on_this_machine(
    numbers: str, packaged: Callable[..., tuple[Path, Artefact]], tmp_path: Path
) -> None:
    folder, _ = packaged("cmake", numbers)
    call(["cmake", "-S", str(folder), "-B", "build"], tmp_path)
    call(["cmake", "--build", "build"], tmp_path)
    assert "100% tests passed" in call(["ctest"], tmp_path / "build")
    said = call([str(tmp_path / "build" / "digits_self_test")], tmp_path)
    assert "smidgen self-test: 10 of 10" in said


def test_one_wrong_number_is_seen_by_the_self_test(
    packaged: Callable[..., tuple[Path, Artefact]], tmp_path: Path
) -> None:
    folder, _ = packaged("cmake")
    copy = tmp_path / "digits"
    shutil.copytree(folder, copy)
    source = copy / "src" / "digits.c"
    begin, end = source.read_text().split("digits_biases[] = {\n  ", 1)
    first, rest = end.split(",", 1)
    source.write_text(f"{begin}digits_biases[] = {{\n  {int(first) + 1},{rest}")
    files = ["src/digits.c", "src/digits_self_test.c", "test/main.c", "-Isrc", "-o", "main"]
    call(["gcc", *files], copy)
    done = subprocess.run(["./main"], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "smidgen self-test: 0 of 10" in done.stdout


def test_another_project_links_the_library_without_its_static_memory(
    packaged: Callable[..., tuple[Path, Artefact]], tmp_path: Path
) -> None:
    folder, _ = packaged("cmake")
    shutil.copytree(folder, tmp_path / "digits")
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "other.c").write_text(
        '#include "digits.h"\nint main(void) { return DIGITS_STATIC_MEMORY; }\n'
    )
    call(["cmake", "-B", "build", "-DDIGITS_STATIC_MEMORY=OFF"], tmp_path)
    call(["cmake", "--build", "build"], tmp_path)
    call([str(tmp_path / "build" / "other")], tmp_path)


@pytest.mark.parametrize("name", ["test", "all"])
def test_a_net_may_be_called_as_a_target_that_cmake_has(name: str, tmp_path: Path) -> None:
    values = {"VERSION": "1.0.0", "ARENA": "4", "KEYWORD": "NAME"}
    (tmp_path / "CMakeLists.txt").write_text(
        filled_in(template("cmake/CMakeLists.txt"), name, values)
    )
    for file in (f"src/{name}.c", f"src/{name}_self_test.c", "test/main.c"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    call(["cmake", "-B", "build"], tmp_path)
