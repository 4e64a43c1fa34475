"""A run from somebody else is refused if its name is code, and the writers escape it as well."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.export.nets import pixels_for, program_of

from smidgen import zoo
from smidgen.data import load
from smidgen.export.c import float32, int8
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.quantize import quantize
from smidgen.export.lower import lower
from smidgen.export.ship import export
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.run_folder import PLAN
from smidgen.train import train

CODE = "*/ __attribute__((constructor)) static void x(void) {{ {} }} /*".format(
    '__builtin_printf("owned");'
)


def test_a_run_whose_name_closes_a_comment_is_refused_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    folder = tmp_path / "run"
    train(spec, load("digits"), recipe=Recipe(epochs=1), split="full", folder=folder)
    form = json.loads((folder / PLAN).read_text())
    form["net"]["name"] = CODE
    del form["sha256"]
    (folder / PLAN).write_text(json.dumps(form))
    with pytest.raises(ValueError, match=re.escape(PLAN)) as refused:
        export(folder, "c", tmp_path / "out")
    assert "the name of a net must be" in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("numbers", ["int8", "float32"])
def test_a_name_in_generated_c_stays_a_comment(tmp_path: Path, numbers: str) -> None:
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    program = replace(program_of(spec), name=CODE)
    if numbers == "int8":
        lowered = lower(program)
        ranges = calibrate(lowered, pixels_for(spec, 8))
        source = int8.generate(quantize(lowered, ranges), "net")
    else:
        source = float32.generate_float(program, "net")
    (tmp_path / "net.h").write_text(source.header)
    (tmp_path / "net.c").write_text(source.source)
    (tmp_path / "main.c").write_text('#include "net.h"\nint main(void) { return 0; }\n')
    subprocess.run(["gcc", "-o", "a.out", "main.c", "net.c", "-lm"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "a.out"], capture_output=True, text=True, check=True)
    assert done.stdout == ""
