"""The main job as its words stand in the README: photographs in, a net out, answers, C."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.command import Done, command

KINDS = ("rings", "stripes")
SIZES = ((90, 60), (48, 75), (33, 33), (120, 80))


def photograph(kind: str, number: int) -> Image.Image:
    generator = np.random.default_rng([number, KINDS.index(kind)])
    height, width = SIZES[number % len(SIZES)]
    rows, columns = np.mgrid[0:height, 0:width]
    phase = generator.uniform(0, 6)
    across = columns if kind == "stripes" else np.hypot(columns - width / 2, rows - height / 2)
    colour = generator.uniform(0.6, 1.2, 3)
    waves = np.sin(across * 20 / width + phase)[..., None] * colour * 70 + 128
    pixels = waves + generator.normal(0, 8, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(autouse=True)
def _of_a_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Take away what a person has not: copies of data sets, and a cache of before."""
    monkeypatch.delenv("SMIDGEN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def smidgen(folder: Path, *arguments: str) -> Done:
    """Run the command line as a person does, in an empty folder far from the code."""
    done = command(*arguments, where=folder)
    assert done.returncode == 0, done.stderr
    return done


def test_photographs_of_mixed_sizes_become_a_net_that_answers_and_ships(tmp_path: Path) -> None:
    here = tmp_path / "here"
    for kind in KINDS:
        (here / "photos" / kind).mkdir(parents=True)
        for number in range(12):
            photograph(kind, number).save(here / "photos" / kind / f"{number}.jpg")
    photograph("rings", 99).save(here / "new.jpg")

    budget = ("--max-flash", "8KB", "--max-ram", "4KB", "--profile", "quick", "--epochs", "2")
    design = smidgen(here, "design", "--data", "photos", *budget, "--jobs", "1", "--out", "mine")
    assert "were set aside" in design.stderr
    assert "bytes of flash and" in design.stderr
    assert "next:   smidgen predict mine PICTURE" in design.stderr
    assert (here / "mine" / "report.html").stat().st_size < 1_500_000

    answer = smidgen(here, "predict", "mine", "new.jpg").stdout.split()
    assert answer[0] == "new.jpg"
    assert answer[1] in KINDS

    smidgen(here, "export", "mine", "--to", "c")
    proof = json.loads((here / "mine-c" / "artefact.json").read_text())
    assert proof["classes"] == list(KINDS)
    assert proof["oracle_difference"] in (0, None)  # none without a compiler
    seen = json.loads((here / "mine" / "model" / "run.json").read_text())["preprocessing"]
    assert proof["preprocessing"] == seen
    assert (proof["flash"] or 0) <= 8_192
    assert (proof["ram"] or 0) <= 4_096
    assert sorted(path.name for path in here.iterdir()) == ["mine", "mine-c", "new.jpg", "photos"]


@pytest.mark.slow
def test_a_design_at_a_size_that_was_asked_for(tmp_path: Path) -> None:
    here = tmp_path / "here"
    for kind in KINDS:
        (here / "photos" / kind).mkdir(parents=True)
        for number in range(12):
            photograph(kind, number).save(here / "photos" / kind / f"{number}.jpg")
    asked = ("--image-size", "20x24", "--color", "grey", "--fit", "crop")
    short = ("--max-params", "900", "--profile", "quick", "--epochs", "1", "--time", "20s")
    made = smidgen(here, "design", "--data", "photos", *asked, *short, "--jobs", "1", "--out", "m")
    assert "failed" not in made.stderr
    seen = json.loads((here / "m" / "model" / "run.json").read_text())["preprocessing"]
    assert [seen[name] for name in ("height", "width", "color", "fit")] == [20, 24, "grey", "crop"]
    smidgen(here, "export", "m", "--to", "c")
