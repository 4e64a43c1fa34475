"""Arduino's library: its sketches are compiled as Arduino does it, and run on an emulated board."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from smidgen.export.artefact import Artefact
from smidgen.export.c.emulate import machine, run_program

Packaged = Callable[..., tuple[Path, Artefact]]
STUB = Path(__file__).parent / "stub"
# those of Arduino's Mbed and SAMD cores, with warnings where those have none
COMMON = ["-Os", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Werror"]
AS_C = ["-std=gnu11", *COMMON]
AS_CPP = ["-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", *COMMON]
needs_board = pytest.mark.skipif(
    None in [shutil.which(t) for t in ("arm-none-eabi-g++", "qemu-system-arm")],
    reason="needs Debian's gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm",
)


def compiled(command: list[str | Path], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run_sketch(library: Path, sketch: str, folder: Path) -> str:
    """Return what a sketch of the library prints, built as Arduino builds: objects, then a link."""
    objects: list[str] = []
    for number, path in enumerate(sorted((library / "src").glob("*.c"))):
        objects.append(f"c{number}.o")
        command = ["arm-none-eabi-gcc", *machine("m4"), *AS_C, "-c", path, "-o", objects[-1]]
        compiled(command, folder)
    for path in (STUB / "core.cpp", library / "examples" / sketch / f"{sketch}.ino"):
        objects.append(f"{path.stem}.o")
        includes = [f"-I{STUB}", f"-I{library / 'src'}", "-include", "Arduino.h", "-x", "c++"]
        command = ["arm-none-eabi-g++", *machine("m4"), *AS_CPP, *includes, "-c", path]
        compiled([*command, "-o", objects[-1]], folder)
    return run_program(folder, objects)


@pytest.mark.mcu
@needs_board
@pytest.mark.parametrize("numbers", ["int8", "float32"])
def test_the_sketch_answers_ten_of_ten_on_an_emulated_board_and_blinks(
    numbers: str, packaged: Packaged, tmp_path: Path
) -> None:
    folder, _ = packaged("arduino", numbers)
    said = run_sketch(folder, "picture", tmp_path)
    assert "smidgen self-test: 10 of 10\n" in said
    answer = re.search(r"digits: (\d)\n", said)
    assert answer is not None
    assert f"blinks {int(answer[1]) + 1}\n" in said


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_the_sketch_compiles_for_a_board_without_a_light(
    packaged: Packaged, tmp_path: Path
) -> None:
    folder, _ = packaged("arduino")
    sketch = folder / "examples" / "picture" / "picture.ino"
    includes = [f"-I{STUB}", f"-I{folder / 'src'}", "-include", "Arduino.h", "-x", "c++"]
    compiled(["g++", "-DWITHOUT_LIGHT", "-fsyntax-only", "-Wall", *includes, sketch], tmp_path)


@pytest.mark.mcu
@needs_board
def test_the_sketch_with_a_camera_answers_as_python_does(
    packaged: Packaged, tmp_path: Path
) -> None:
    folder, _ = packaged("arduino")
    assert "\nas on the computer\n" in run_sketch(folder, "camera", tmp_path)


def test_the_library_has_what_arduino_asks_for(packaged: Packaged) -> None:
    folder, artefact = packaged("arduino")
    lines = (folder / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    asked = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url"}
    assert asked | {"architectures"} <= set(properties)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", properties["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", properties["version"])
    assert properties["category"] == "Data Processing"  # of those in the specification
    assert properties["sentence"].endswith("8 x 8 pixels of 1 channel to one of 10 classes.")
    assert all((folder / "src" / name).exists() for name in properties["includes"].split(","))
    for line in (folder / "keywords.txt").read_text().splitlines():
        word, kind = line.split("\t")
        assert kind in ("KEYWORD1", "KEYWORD2", "LITERAL1")
        assert any(word in path.read_text() for path in (folder / "src").glob("*.h")), word
    called = set(re.findall(r"(digits(?:_\w+)?)\(", (folder / "src" / "digits.h").read_text()))
    called -= {"digits_power"}  # which digits_probabilities alone calls
    called.add("digits_frame_set")  # of digits_picture.h, whose other functions no sketch calls
    words = set((folder / "keywords.txt").read_text().split())
    assert {"digits_probabilities", "digits_frame_set"} <= called <= words
    sketches = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.ino"))
    assert sketches == [f"examples/{name}/{name}.ino" for name in ("camera", "picture", "serve")]
    assert artefact.main == "src/digits.c"
