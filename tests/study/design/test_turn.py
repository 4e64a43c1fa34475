"""Wide images are looked at turned where that saves RAM, and told."""

from pathlib import Path

import numpy as np
import pytest
from tests.study.design.conftest import PROFILE

from smidgen.again import trained_on
from smidgen.data import DataWarning, from_arrays
from smidgen.layers import Shape
from smidgen.methods import parse
from smidgen.model import load
from smidgen.recipe import Recipe
from smidgen.run import load_run
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget
from smidgen.study.design.design import design
from smidgen.study.design.inputs import Input
from smidgen.study.design.maker import Maker
from smidgen.study.design.outset import Outset, Wishes, outset
from smidgen.study.design.profile import PROFILES
from smidgen.study.design.search import Candidate
from smidgen.study.design.story import plan_text
from smidgen.study.design.turn import cheaper, ram_of, turned_told
from smidgen.study.job import Origin
from smidgen.study.store import Store

SMALL = Budget(max_flash=8192, max_ram=4096)
WISHES = Wishes("quick", None, "best", balance=False, pareto=False, seconds=None)
LINES = {
    "input": [3, 1, 96],
    "layers": ["conv(8, kernel_size=(1, 5), stride=2)", "global-average-pool", "classifier(3)"],
}


def seen(height: int, width: int, budget: Budget = SMALL, **asked: object) -> tuple[Input, str]:
    view = Input(None, Shape(3, height, width), "")
    return cheaper(view, Maker(view.shape, 4, budget), Origin("x", **asked))  # pyright: ignore


def test_wide_images_are_turned_and_tall_square_and_nearly_square_ones_are_not() -> None:
    view, line = seen(1, 96)
    assert (view.shape, view.origin) == (Shape(3, 96, 1), Origin("x", turned=True))
    assert "rows and columns of the 1 x 96 images are exchanged" in line
    assert "on 96 x 1" in line
    assert seen(36, 64)[0].shape == Shape(3, 64, 36)
    for sides in ((96, 1), (32, 32), (30, 32)):
        assert seen(*sides) == (Input(None, Shape(3, *sides), ""), "")


def test_only_a_budget_of_ram_turns_them() -> None:
    assert seen(1, 96, Budget(max_flash=8192))[1] == ""
    assert seen(1, 96, Budget(max_params=900))[1] == ""
    assert seen(1, 96, turned=True)[1] == "", "it was asked for"


def test_a_cheaper_way_is_told_of_any_net_with_its_kernels_turned() -> None:
    wide = NetSpec.from_dict(LINES)
    assert wide.exchanged.input_shape == Shape(3, 96, 1)
    assert wide.exchanged.layers[0] == parse_layer("conv(8, kernel_size=(5, 1), stride=2)")
    assert wide.exchanged.exchanged == wide
    assert (wide.params, wide.macs) == (wide.exchanged.params, wide.exchanged.macs)
    line = turned_told(wide)
    now, then = ram_of(wide), ram_of(wide.exchanged)
    assert line.endswith(f"would take {then:,} bytes of RAM instead of {now:,} bytes of RAM")
    assert turned_told(wide.exchanged) == ""


def parse_layer(text: str) -> object:
    return NetSpec.from_dict({**LINES, "layers": [text, *LINES["layers"][1:]]}).layers[0]


@pytest.fixture
def outsets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Outset]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache home"))
    generator = np.random.default_rng(0)
    values = generator.integers(0, 256, (80, 96, 3), dtype=np.uint8)
    made: list[Outset] = []
    for shape in ((80, 1, 96, 3), (80, 96, 1, 3)):
        with pytest.warns(DataWarning, match="set aside"):
            data = from_arrays(values.reshape(shape), np.arange(80) % 4)
        made.append(outset(Origin(data.origin), data, SMALL, tmp_path / "out", WISHES, 1))
    return made


def test_both_ways_to_lay_down_a_window_begin_with_the_same_nets(outsets: list[Outset]) -> None:
    wide, tall = outsets
    nets = [one.shaped.spec for one in wide.entrants]
    assert nets == [one.shaped.spec for one in tall.entrants]
    assert {spec.input_shape for spec in nets} == {Shape(3, 96, 1)}
    assert (bool(wide.turned), tall.turned) == (True, "")
    assert {one.origin.turned for one in wide.entrants if one.origin} == {True}
    assert {one.origin for one in tall.entrants} == {None}


def test_the_plan_of_a_turned_net_says_so() -> None:
    spec = NetSpec.from_dict(LINES)
    plan = plan_text(Candidate(spec, (), Recipe(), Origin("x", turned=True)), "x")
    assert "\nturned = true\n" in plan
    assert "turned" not in plan_text(Candidate(spec, parse("ema"), Recipe()), "x")


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
@pytest.mark.slow
def test_a_design_of_wide_windows_ends_as_one_turned_model_that_answers_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache home"))
    monkeypatch.setitem(PROFILES, "quick", PROFILE)
    generator = np.random.default_rng(0)
    labels = np.arange(160) % 2
    images = generator.integers(0, 90, (160, 1, 24, 3), dtype=np.uint8)
    images[labels == 1, :, :8] += 120
    data = from_arrays(images, labels, ["even", "begun"], cache_dir=tmp_path / "kept")
    out = tmp_path / "out"
    found = design(Origin(data.origin), SMALL, out, epochs=4)
    assert "--turned" in found.command.split()
    assert found.net.input_shape == Shape(3, 24, 1)
    assert found.footprint[1] <= 4096
    told = Store(out / "design.db").notes()["design"]
    assert dict(told["facts"])["looks at"] == "24 x 1, rows and columns exchanged"
    assert "rows and columns of the 1 x 24 images are exchanged" in str(told["steps"])
    model = load(out)
    assert model.preprocessing.turned
    run = load_run(out / "model")
    right = [model.predict(image).name == "begun" for image in images[1:21:2]]
    assert sum(right) >= 9, "pictures are given as they lie"
    assert trained_on(run, out).shape == (3, 24, 1)
