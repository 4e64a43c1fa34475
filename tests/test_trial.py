"""A trial is known by its content, and says how to run it again."""

import shlex
from dataclasses import replace

import pytest
from typer.main import get_command

from smidgen import zoo
from smidgen.cli import app
from smidgen.config import load_plan
from smidgen.methods import EMA, Cutout, OneCycle, parse
from smidgen.recipe import Recipe
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


def test_the_command_asks_for_the_same_trial() -> None:
    verb, *arguments = shlex.split(TRIAL.command)[1:]
    asked = get_command(app).commands[verb].make_context(verb, arguments).params  # pyright: ignore
    assert parse(asked["with_"]) == TRIAL.methods
    assert load_plan("default", asked["set_"]).recipe == TRIAL.recipe
    assert (asked["net"], asked["data"], asked["seed"]) == ("mnist-1k5-dw", "mnist", 4)
    assert asked["full"]


def test_a_recipe_that_weighs_no_classes_has_the_key_it_always_had() -> None:
    assert TRIAL.key == "c3a9783c57fd2f70"
    assert "balance" not in TRIAL.to_dict()["recipe"]
    weighed = replace(TRIAL, recipe=replace(TRIAL.recipe, balance=True))
    assert weighed.key != TRIAL.key
    assert weighed.to_dict()["recipe"]["balance"] is True
