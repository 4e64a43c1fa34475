"""The CMake library is configured, built and tested as its README says."""

import json
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


OUTER = """
cmake_minimum_required(VERSION 3.13)
project(outer C)
add_compile_options(OPTIONS)
add_subdirectory(eye)
"""
BARE_METAL = ["-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"]


def bare_package(name: str, folder: Path) -> None:
    """Write the files that CMake asks for, all but its own without a word in them."""
    values = {"VERSION": "1.0.0", "ARENA": "4", "KEYWORD": "NAME"}
    for file in (f"src/{name}.c", f"src/{name}_self_test.c", f"src/{name}_serve.c", "test/main.c"):
        (folder / file).parent.mkdir(exist_ok=True, parents=True)
        (folder / file).touch()
    text = filled_in(template("cmake/CMakeLists.txt"), name, values)
    (folder / "CMakeLists.txt").write_text(text)


@pytest.mark.parametrize(
    ("asked", "options", "levels", "movable"),
    [
        ([], None, ["-O2"], True),
        ([], "-Wall", ["-O2"], True),
        ([], "-Os", ["-Os"], True),
        (["-DCMAKE_C_FLAGS=-O1"], None, ["-O1"], True),
        (["-DCMAKE_BUILD_TYPE=Debug"], None, [], True),
        (["-DCMAKE_BUILD_TYPE=Release"], None, ["-O3"], True),
        (["-DCMAKE_POSITION_INDEPENDENT_CODE=OFF"], None, ["-O2"], False),
        (BARE_METAL, None, ["-O2"], False),
    ],
)
def test_the_library_is_optimised_unless_its_project_chose_and_may_be_shared(
    asked: list[str], options: str | None, levels: list[str], tmp_path: Path, *, movable: bool
) -> None:
    bare_package("eye", tmp_path if options is None else tmp_path / "eye")
    if options is not None:
        (tmp_path / "CMakeLists.txt").write_text(OUTER.replace("OPTIONS", options))
    said = call(["cmake", "-B", "build", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *asked], tmp_path)
    commands = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
    (words,) = [one["command"].split() for one in commands if one["file"].endswith("src/eye.c")]
    assert [word for word in words if word.startswith("-O")] == levels
    assert ("-fPIC" in words) == movable
    assert ("no CMAKE_BUILD_TYPE, so it is compiled with -O2" in said) == (levels == ["-O2"])


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
    bare_package(name, tmp_path)
    call(["cmake", "-B", "build"], tmp_path)
