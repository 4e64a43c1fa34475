"""Packages for ESP-IDF, Zephyr and PlatformIO: read by what reads them, and compiled with stubs."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import kconfiglib
import numpy as np
import pytest
import yaml

from smidgen.data import Data, Preprocessing, Split
from smidgen.export import generated
from smidgen.export.artefact import Artefact, Source, Wish, source_of
from smidgen.export.c.footprint import dummy_source
from smidgen.export.c.picture import described, picture_header
from smidgen.export.c.text import filled_in
from smidgen.export.firmware import package
from smidgen.export.firmware.arduino import arduino
from smidgen.export.firmware.package import (
    Parts,
    _call,  # pyright: ignore[reportPrivateUsage]
    _frame,  # pyright: ignore[reportPrivateUsage]
    _handed,  # pyright: ignore[reportPrivateUsage]
    _holding,  # pyright: ignore[reportPrivateUsage]
    has_camera,
    has_values,
    sum_of,
    template,
)
from smidgen.export.generated import made_of
from smidgen.export.program import Pixels
from smidgen.export.ship import write_files
from smidgen.export.targets import OF_C
from smidgen.layers import Classifier, Flatten, Shape
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.train import train

Packaged = Callable[..., tuple[Path, Artefact]]
STUB = Path(__file__).parent / "stub"
FLAGS = ["-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Wshadow", "-Werror"]
PACKAGES = [name for name in OF_C if name != "c"]
ONE_EPOCH = Recipe(epochs=1, batch_size=64)
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def answered(command: list[str | Path], folder: Path) -> str:
    """Return what the program prints that a compiler made."""
    done = subprocess.run(
        [*command, "-o", folder / "main"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return subprocess.run([folder / "main"], capture_output=True, text=True, check=True).stdout


def told_by(sketch: Path, objects: list[Path], folder: Path, loops: int = 1) -> str:
    """Return what a sketch of a library in a folder prints on this machine."""
    includes = [f"-I{STUB}", f"-I{folder / 'src'}", "-include", "Arduino.h", f"-DLOOPS={loops}"]
    files = [*objects, "-x", "c++", sketch, STUB / "core.cpp"]
    return answered(["g++", "-std=gnu++14", "-Wall", "-Werror", *includes, *files], folder)


def sources(folder: Path) -> list[Path]:
    return sorted((folder / "src").glob("*.c"))


@pytest.mark.parametrize("target", PACKAGES)
def test_every_package_holds_the_net_its_test_and_what_people_read(
    target: str, packaged: Packaged
) -> None:
    folder, artefact = packaged(target)
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert {path.relative_to(folder).as_posix() for path in texts} == set(artefact.files)
    for path, text in texts.items():
        left = re.search(r"NAME(?!S|D)|UPPER|<[A-Z]{3,}>", text.replace("(NAME digits_", "("))
        assert left is None, (path, left)
    assert {path.name for path in (folder / "src").iterdir()} == {
        *("digits.c", "digits.h", "digits_picture.h", "digits_self_test.c", "digits_self_test.h"),
        *("digits_serve.c", "digits_serve.h"),
    }
    assert "Zero Clause" in (folder / "LICENSE").read_text()
    readme = (folder / "README.md").read_text()
    assert "`mnist-1k5-dw` as int8 C" in readme
    assert "the logits, 40 bytes of the caller's, and 80 bytes of flash for the names" in readme
    assert "about 1,250 bytes of flash, 640 of them its 10 pictures, and 40 of memory" in readme
    assert "Instructions" not in readme  # none were counted
    cost = package._cost(  # pyright: ignore[reportPrivateUsage]
        replace(artefact, instructions=978_000, stack=352)
    )
    assert cost == (
        "- Instructions: 978,000 an image on an emulated Cortex-M4, about 15.3 ms at 64 MHz if each"
        " takes a cycle; 352 bytes of stack.\n"
    )
    assert "digits_self_test.c" in " ".join(texts.values()) or target in ("arduino", "platformio")


def test_the_pictures_are_of_every_class_and_answered_as_the_oracle_does(
    packaged: Packaged, source: Source
) -> None:
    folder, artefact = packaged("cmake")
    text = (folder / "src" / "digits_self_test.c").read_text()
    answers = re.search(r"answers\[.*\] = \{(.*)\};", text)
    sums = re.search(r"sums\[.*\] = \{(.*)\};", text)
    assert answers is not None
    assert sums is not None
    labels = source.data.test.labels.numpy()
    firsts = [int((labels == k).nonzero()[0][0]) for k in range(10)]
    pixels = source.data.test.images[firsts].numpy()
    logits = artefact.oracle.infer(pixels)
    assert list(map(int, answers[1].split(", "))) == logits.argmax(1).tolist()
    assert sums[1].split(", ") == [f"{sum_of(row)}u" for row in logits]


@pytest.mark.parametrize(("room", "kept"), [(640, 10), (639, 9), (64, 1), (63, 1)])
def test_a_self_test_holds_as_many_pictures_as_have_room(
    room: int, kept: int, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "PICTURE_BYTES", room)  # of 64 bytes each
    pictures = package._pictures(source)  # pyright: ignore[reportPrivateUsage]
    labels = source.data.test.labels.numpy()
    first = [int((labels == k).nonzero()[0][0]) for k in range(kept)]
    assert (pictures == source.data.test.images[first].numpy()).all()


def test_self_tests_of_several_nets_fit_into_one_file() -> None:
    for file in ("common/self_test.c", "common/sums.c"):
        text = filled_in(template(file), "digits", {})
        names = re.findall(r"^(?:static |const |int ).*?(\w+)[(\[]", text, re.MULTILINE)
        assert len(names) > 1
        assert [name for name in names if not name.startswith("digits_")] == []


@pytest.mark.parametrize(("room", "side"), [(512, "16"), (511, "8")])
def test_the_frame_of_an_example_is_the_picture_as_it_lies(
    room: int, side: str, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "PICTURE_BYTES", room)
    run = replace(source.run, preprocessing=replace(source.run.preprocessing, turned=True))
    turned = replace(source, run=run)
    made = made_of(turned, Wish())
    pictures, asked = source.data.test.images[:2].numpy(), list[Pixels]()

    def infer(pixels: Pixels) -> Any:
        asked.append(pixels)
        return np.array([[0, 3, 1]])

    watched = made._replace(oracle=replace(made.oracle, infer=infer))
    told = _frame(Parts(turned, watched, pictures, np.zeros((2, 10), np.int32)))
    (found,) = asked
    assert np.abs(found[0].astype(int) - pictures[-1]).max() <= 8  # what RGB565 costs
    assert (told["ROWS"], told["COLUMNS"], told["ANSWER"]) == (side, side, "1")


def test_where_no_camera_gives_pictures_there_is_no_example_of_one() -> None:
    assert has_camera(Preprocessing(8, 8, "grey", 1))
    assert has_camera(Preprocessing(8, 8, "rgb", 3))
    assert not has_camera(Preprocessing(8, 8, "grey", 1, offset=(0.0,), scale=(16.0,)))
    assert not has_camera(Preprocessing(8, 8, "channels", 4))
    assert has_values(Preprocessing(8, 8, "channels", 1, offset=(0.0,), scale=(16.0,)))
    assert not has_values(Preprocessing(128, 129, "grey", 1, offset=(0.0,), scale=(16.0,)))
    assert not has_values(Preprocessing(8, 8, "channels", 1))


WINDOWS = {  # as one net of 64 values may see them
    "one row": Preprocessing(64, 1, "channels", 1, turned=True, offset=(-3.0,), scale=(0.1,)),
    "rows": Preprocessing(8, 8, "grey", 1, offset=(1e4,), scale=(16.0,)),
    "rows exchanged": Preprocessing(8, 8, "grey", 1, turned=True, offset=(0.0,), scale=(1 / 3,)),
    "a longer row": Preprocessing(
        *(1, 64, "channels", 1, "stretch", "white", (-3.0,), (0.1,)),
        length=150,
        names=("<acc>*",),
        interval=2.5,
        unit="ms",
    ),
    "a longer column": Preprocessing(
        *(1, 64, "channels", 1, "stretch", "white", (-3.0,), (0.1,)),
        turned=True,
        length=192,
        interval=1.0,
        unit="h",  # longer than micros() can wait
    ),
}


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("seen", WINDOWS.values(), ids=WINDOWS)
def test_a_package_says_how_measured_values_are_handed_over_and_its_sketch_does(
    seen: Preprocessing, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmeasured(artefact: Artefact, *_: object) -> Artefact:
        return artefact

    monkeypatch.setattr(generated, "_on_cortex_m4", unmeasured)
    shape, body = Shape(1, seen.height, seen.width), (Flatten(), Classifier(10))
    run = train(NetSpec(shape, body), digits := of_values(source.data, seen), recipe=ONE_EPOCH)
    artefact = arduino(source_of(run, digits, "digits"), Wish(numbers="float32"))
    write_files(artefact.files, tmp_path)
    readme = (tmp_path / "README.md").read_text()
    held = "measured" if seen.length else "window"
    assert f"digits_bytes(values, 1, {held} + i * DIGITS_CHANNELS);" in readme
    rows, columns = seen.native
    assert f"A window has {rows} x {columns} pixels (moments" in readme
    assert ("the net sees them as" in readme) == bool(seen.length)
    if seen.is_window:
        header = (tmp_path / "src" / "digits.h").read_text()
        assert f"#define DIGITS_MOMENTS {seen.length or 64} /* of a window" in header
    words = (tmp_path / "keywords.txt").read_text().split()
    assert "digits_bytes" in words
    assert "digits_probabilities" not in words  # which is of int8 alone
    if seen.names:
        assert "channels (&lt;acc>\\*), a moment every 2.5 ms" in readme
        assert {"DIGITS_CHANNEL_NAMES", "DIGITS_INTERVAL_US", "DIGITS_MOMENTS"} <= {*words}
    assert "camera" not in readme
    assert "transparent" not in readme
    assert ("DIGITS_FRAME_CHANNELS" in readme) == (seen is WINDOWS["rows exchanged"])
    (sketch,) = (tmp_path / "examples" / "values").glob("*.ino")
    objects = [tmp_path / f"{path.stem}.o" for path in sources(tmp_path)]
    for path, made in zip(sources(tmp_path), objects, strict=True):
        subprocess.run(["gcc", "-std=gnu11", *FLAGS, "-c", path, "-o", made], check=True)
    assert "\nas on the computer\n" in told_by(sketch, objects, tmp_path)
    stream = tmp_path / "examples" / "stream" / "stream.ino"
    assert stream.exists() == seen.is_window
    if seen.is_window:  # three whole windows: an answer after the first, and after each half more
        said = told_by(stream, objects, tmp_path, loops=3 * rows * columns)
        unpaced = "nothing waits between readings: DIGITS_INTERVAL of digits.h says how long to\n"
        first = unpaced if seen.unit == "h" else ""
        assert said.startswith(f"{first}as on the computer\ndigits: ")
        assert said.count("digits: ") == 5
    (values,) = (tmp_path / "examples" / "values").glob("window.h")
    assert values.read_text().count("f,") + 1 >= rows * columns


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("seen", [WINDOWS["a longer row"], WINDOWS["a longer column"]])
def test_a_measured_window_becomes_what_predict_makes_of_it_as_the_readme_says(
    seen: Preprocessing, tmp_path: Path
) -> None:
    """The lines of the README, for values that no picture was made of."""
    spec = NetSpec(Shape(1, seen.height, seen.width), (Flatten(), Classifier(3)))
    made = described(dummy_source(spec), seen, "abc")
    values = np.random.default_rng(0).normal(3, 4, (*seen.native, 1)).astype(np.float32)
    (tmp_path / "net.h").write_text(made.header)
    (tmp_path / "net_picture.h").write_text(picture_header(made, seen))
    count, call = _holding(seen, "net")["BYTES_HELD"], _call(seen).partition(";")[0]
    (tmp_path / "main.c").write_text(
        f"""#include <stdio.h>
        #include "net.h"
        #include "net_picture.h"
        static const float values[] = {{{", ".join(f"{of!r}f" for of in values.ravel().tolist())}}};
        static uint8_t measured[{count}], window[NET_PIXELS];
        int main(void) {{
          for (int i = 0; i < {count}; i++) net_bytes(values + i, 1, measured + i);
          if (!{filled_in(call, "net", {})}) return 1;
          return fwrite(window, 1, sizeof window, stdout) != sizeof window;
        }}"""
    )
    subprocess.run(["gcc", "-std=c99", "main.c", "-o", "main"], cwd=tmp_path, check=True)
    got = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout
    assert got == seen.pixels(values).tobytes()


def of_values(data: Data, seen: Preprocessing) -> Data:
    """Return the digits as pictures of another form, which were made of values."""

    def part_of(part: Split) -> Split:
        return Split(part.images.reshape(-1, 1, seen.height, seen.width), part.labels)

    train_part, test = part_of(data.train), part_of(data.test)
    return Data("values", train_part, test, data.classes, preprocessing=seen)


@pytest.mark.parametrize(
    ("kind", "said"), [("channels", "an array of another size"), ("grey", "a camera's frame")]
)
def test_a_package_says_how_pictures_and_arrays_are_handed_over(kind: Any, said: str) -> None:
    text = template(_handed(Preprocessing(8, 8, kind, 1)))
    assert said in text


@needs_gcc
def test_the_component_of_esp_idf_is_read_and_its_example_answers(
    packaged: Packaged, tmp_path: Path
) -> None:
    folder, _ = packaged("esp-idf")
    manifest = yaml.safe_load((folder / "idf_component.yml").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["dependencies"] == {"idf": ">=4.4"}
    options = kconfiglib.Kconfig(str(folder / "Kconfig"), warn_to_stderr=False)
    assert options.syms["SMIDGEN_DIGITS_STATIC_MEMORY"].str_value == "y"
    assert options.syms["SMIDGEN_DIGITS_SELF_TEST"].str_value == "n"
    assert options.warnings == []
    options.load_config(str(folder / "examples" / "self_test" / "sdkconfig.defaults"))
    assert options.syms["SMIDGEN_DIGITS_SELF_TEST"].str_value == "y"
    for named in re.findall(r'"(src/\S+\.c)"', (folder / "CMakeLists.txt").read_text()):
        assert (folder / named).exists()
    (tmp_path / "start.c").write_text("void app_main(void);\nint main(void) { app_main(); }\n")
    main = folder / "examples" / "self_test" / "main" / "main.c"
    files = [*sources(folder), main, tmp_path / "start.c", f"-I{folder / 'src'}"]
    said = answered(["gcc", "-std=gnu11", "-O2", *FLAGS, *files], tmp_path)
    assert "smidgen self-test: 10 of 10" in said


@needs_gcc
def test_the_module_of_zephyr_is_read_and_its_sample_answers(
    packaged: Packaged, tmp_path: Path
) -> None:
    folder, _ = packaged("zephyr")
    module = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    assert module["name"] == "digits"
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").exists()
    assert (folder / module["build"]["kconfig"]).exists()
    (sample_folder,) = module["samples"]
    sample = folder / sample_folder / "self_test"
    told = yaml.safe_load((sample / "sample.yaml").read_text())
    assert {"sample", "common", "tests"} == set(told)
    (regex,) = told["common"]["harness_config"]["regex"]
    options = kconfiglib.Kconfig(str(folder / "Kconfig"), warn_to_stderr=False)
    assert options.syms["SMIDGEN_DIGITS_SELF_TEST"].str_value == "n"
    settings = (sample / "prj.conf").read_text()
    (tmp_path / "ours.conf").write_text(
        "".join(f"{line}\n" for line in settings.splitlines() if "SMIDGEN" in line)
    )
    options.load_config(str(tmp_path / "ours.conf"))
    assert options.syms["SMIDGEN_DIGITS"].str_value == "y"
    assert options.syms["SMIDGEN_DIGITS_SELF_TEST"].str_value == "y"
    assert options.warnings == []
    files = [*sources(folder), sample / "src" / "main.c", f"-I{folder / 'src'}"]
    said = answered(["gcc", "-std=c99", "-O2", *FLAGS, *files], tmp_path)
    assert re.search(f"^{regex}$", said, re.MULTILINE)


@pytest.mark.parametrize("name", ["on", "no", "null"])
def test_a_net_may_be_called_as_a_word_of_yaml(name: str) -> None:
    module = yaml.safe_load(filled_in(template("zephyr/module.yml"), name, {}))
    assert module["name"] == name


@needs_gcc
def test_the_library_of_platformio_is_read_and_its_example_answers(
    packaged: Packaged, tmp_path: Path
) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    folder, _ = packaged("platformio")
    library = json.loads((folder / "library.json").read_text())
    assert {"name", "version", "description", "keywords", "license"} <= set(library)
    assert (folder / library["build"]["srcDir"] / library["headers"]).exists()
    (example,) = library["examples"]
    assert all((folder / example["base"] / name).exists() for name in example["files"])
    project = folder / example["base"]
    settings = (project / "platformio.ini").read_text().splitlines()
    (told,) = [line for line in settings if line.startswith("lib_")]  # this library, none beside it
    name, _, place = told.removeprefix("lib_deps = ").partition("=symlink://")
    assert (name, (project / place).resolve()) == (library["name"], folder.resolve())
    objects: list[Path] = []
    for path in sources(folder):
        objects.append(tmp_path / f"{path.stem}.o")
        command = ["gcc", "-std=gnu11", "-O2", *FLAGS, "-c", path, "-o", objects[-1]]
        subprocess.run(command, check=True)
    main = folder / "examples" / "self_test" / "src" / "main.cpp"
    includes = [f"-I{STUB}", f"-I{folder / 'src'}"]
    command = ["g++", "-std=gnu++14", *includes, main, STUB / "core.cpp", *objects]
    assert "smidgen self-test: 10 of 10" in answered(command, tmp_path)
