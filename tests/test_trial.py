"""A trial is known by its content, and says how to run it again."""

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

import smidgen as sm
from smidgen import zoo
from smidgen.cli import app, main
from smidgen.config import load_net, load_plan
from smidgen.data import Preprocessing
from smidgen.evaluate import row as row_of
from smidgen.layers import Classifier, Conv, GlobalAveragePool, Shape
from smidgen.methods import EMA, BlurPool, Cutout, OneCycle, parse, rewritten
from smidgen.recipe import Recipe
from smidgen.run import load_run
from smidgen.spec import NetSpec
from smidgen.trial import Trial

TRIAL = Trial(
    net=zoo.net("mnist-1k5-dw"),
    methods=(Cutout(length=7), OneCycle(), EMA()),
    recipe=Recipe(epochs=3, peak_lr=0.02),
    seed=4,
    data="mnist",
    fingerprint="f" * 16,
    split="full",
)


def test_the_key_forgets_names_and_order() -> None:
    renamed = replace(
        TRIAL,
        net=replace(TRIAL.net, name="other"),
        data="a copy",
        methods=(EMA(), OneCycle(), Cutout(length=7)),
    )
    assert renamed.key == TRIAL.key


@pytest.mark.parametrize(
    "other",
    [
        replace(TRIAL, net=zoo.net("mnist-5k")),
        replace(TRIAL, methods=(Cutout(length=8), OneCycle(), EMA())),
        replace(TRIAL, recipe=Recipe(epochs=3, peak_lr=0.02, batch_size=127)),
        replace(TRIAL, seed=5),
        replace(TRIAL, fingerprint="e" * 16),
        replace(TRIAL, split="selection"),
    ],
)
def test_the_key_knows_everything_that_decides_the_result(other: Trial) -> None:
    assert other.key != TRIAL.key


def test_a_whole_number_for_a_fraction_is_of_the_trial_that_is_read_again() -> None:
    trial = replace(TRIAL, methods=(OneCycle(end=0),), recipe=Recipe(momentum=0, weight_decay=0))
    assert Trial.from_dict(trial.to_dict()).key == trial.key


OF_NUMPY = """
import json
import numpy as np
import smidgen as sm
from smidgen.trial import Trial
from smidgen.layers import Classifier, Conv, GlobalAveragePool, Shape
from smidgen.spec import NetSpec
for whole, share in ((np.int64(3), np.float32(0.5)), (3, 0.5)):
    layers = Conv(whole), GlobalAveragePool(), Classifier(whole)
    trial = Trial(
        net=NetSpec(Shape(whole, whole, whole), layers),
        methods=(sm.methods.Cutout(whole), sm.methods.Mixup(alpha=share)),
        recipe=sm.Recipe(epochs=whole, peak_lr=share),
        seed=whole,
        data="mnist",
        fingerprint="f",
        split="full",
    )
    assert Trial.from_dict(json.loads(json.dumps(trial.to_dict()))) == trial
    print(trial.key)
"""


def test_numpy_s_numbers_are_of_the_trial_that_is_read_again() -> None:
    """In another process: in this one, types are checked."""
    ran = subprocess.run([sys.executable, "-c", OF_NUMPY], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert len(keys := ran.stdout.split()) == 2
    assert len(set(keys)) == 1


def test_the_command_asks_for_the_same_trial() -> None:
    said = TRIAL.command("mnist", Preprocessing(28, 28, "grey", 1))
    verb, *arguments = shlex.split(said)[1:]
    asked = get_command(app).commands[verb].make_context(verb, arguments).params  # pyright: ignore
    assert parse(asked["with_"]) == TRIAL.methods
    assert load_plan("default", asked["set_"]).recipe == TRIAL.recipe
    assert (asked["net"], asked["data"], asked["seed"]) == ("mnist-1k5-dw", "mnist", 4)
    assert (asked["split"], asked["image_size"], asked["color"]) == ("full", "28x28", "grey")


OWN = NetSpec.from_dict(
    {
        "name": "residual-2-3-1",
        "input": [3, 10, 12],
        "layers": ["conv(6)", "max_pool", "residual(conv(6))", "flatten", "classifier(2)"],
    }
)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with coloured pictures of two sizes in two classes."""
    for number in range(24):
        place = tmp_path / "here" / "photos" / ("a", "b c")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        shape = (20 + number % 2, 30, 3)
        noise = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
        Image.fromarray(noise).save(place / f"{number}.png")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Path("photos")


def trained_again(command: str, place: Path) -> Trial:
    """Run a command of the command line, and return the trial of the run that it made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*shlex.split(command), "--out", str(place)])
        with pytest.raises(SystemExit) as exited:
            main()
    assert exited.value.code == 0
    return load_run(place).trial


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
@pytest.mark.parametrize(
    ("net", "split"),
    [(OWN, "fold-2-of-3"), (OWN, "full"), (zoo.net("mnist-1k5-dw"), "selection")],
    ids=["a designed net", "on all images", "a named net"],
)
def test_the_command_of_a_row_trains_it_again_from_any_folder(
    photos: Path, net: NetSpec, split: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = sm.data.load(photos, image_size="10x12", fit="crop")
    run = sm.train(
        net.fitted(Shape(*data.shape), 2),
        data,
        methods=parse("cutout(length=3), ema"),
        recipe=Recipe(epochs=1, batch_size=8, balance=True),
        seed=3,
        split=split,
    )
    row = row_of(run, sm.evaluate(run, data.test, measure_latency=False), "", "")
    monkeypatch.chdir(tmp_path / "there")
    assert trained_again(row["command"], tmp_path / "again").key == run.trial.key


def test_a_method_that_is_no_value_is_refused() -> None:
    kinds: list[Any] = [Cutout, "cutout"]  # the kind itself has a name and transforms as well
    for kind in kinds:
        with pytest.raises(ValueError, match=r"a method must be a Method, as in BlurPool\(\), got"):
            replace(TRIAL, methods=(kind,))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"net": "mnist-1k5-dw"}, "a net must be a NetSpec, as smidgen.zoo.net(NAME) returns, got"),
        ({"recipe": {"epochs": 3}}, "a recipe must be a Recipe, as in Recipe(epochs=20), got {'ep"),
        ({"seed": 1.5}, "seed must be a whole number in [0, 2^63), got 1.5"),
        ({"split": 1}, "a split must be a str, as in 'full', got 1"),
    ],
)
def test_what_is_of_another_kind_is_refused(other: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        replace(TRIAL, **other)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("epochs", (1.5, "3", True, None), "a whole number"),
        ("batch_size", (32.0,), "a whole number"),
        ("peak_lr", ("a", float("nan"), float("inf"), -0.1), "> 0"),
        ("momentum", ("a", 1.0), "in [0, 1)"),
        ("weight_decay", ("a", -1, float("inf")), ">= 0"),
        ("label_noise", ("a", 1.1), "in [0, 1]"),
        ("share", ("a", 0, -0.5, 1.1, float("nan")), "in (0, 1]"),
        ("balance", (1, "yes"), "true or false"),
    ],
)
def test_a_recipe_s_number_of_another_kind_is_refused(
    name: str, values: tuple[Any, ...], said: str
) -> None:
    for value in values:
        with pytest.raises(ValueError, match=re.escape(f"recipe {name} must be {said}, got")):
            Recipe(**{name: value})


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_the_command_of_a_run_on_arrays_trains_it_again(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(300, 9, (30, 10, 12, 3))
    data = sm.data.from_arrays(images, ["warm", "cold"] * 15, test=(images, ["warm", "cold"] * 15))
    run = sm.train(OWN, data, recipe=Recipe(epochs=1, batch_size=8))
    command = run.trial.command(run.origin, run.preprocessing)
    assert trained_again(command, tmp_path / "again").key == run.trial.key


def test_a_split_that_contradicts_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        ("--full --split fold-1-of-3", "--full holds nothing out, --split fold-1-of-3 does"),
        ("--split fold-4-of-3", "split must be one of full, selection or a fold"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            command = f"smidgen train mnist-1k5-dw --data digits {words}"
            patch.setattr(sys, "argv", command.split())
            with pytest.raises(SystemExit) as exited:
                main()
        assert exited.value.code == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [("{layers = ", "a net as text must be a table of TOML"), ("{a = 1}", "'a'")],
)
def test_a_net_as_text_that_is_none_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_net(text)


def test_a_recipe_that_weighs_no_classes_has_the_key_it_always_had() -> None:
    assert TRIAL.key == "c3a9783c57fd2f70"
    assert "balance" not in TRIAL.to_dict()["recipe"]
    weighed = replace(TRIAL, recipe=replace(TRIAL.recipe, balance=True))
    assert weighed.key != TRIAL.key
    assert weighed.to_dict()["recipe"]["balance"] is True


def test_what_changes_nothing_is_told_by_training_and_by_no_run_that_is_read() -> None:
    net = NetSpec(Shape(1, 8, 8), (Conv(4), GlobalAveragePool(), Classifier(10)))
    trial = replace(TRIAL, net=net, methods=(BlurPool(),))
    assert trial.spec == net  # a warning would be an error here
    with pytest.warns(UserWarning, match="blurpool changes nothing in net"):
        assert rewritten(net, trial.methods) == net
