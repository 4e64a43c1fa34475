"""A study whose rows bear the card of robustness, and a design that weighs it."""

from pathlib import Path

import pytest

import smidgen as sm
from smidgen.recipe import Recipe
from smidgen.study.design.budget import Budget
from smidgen.study.design.judging import judging_of
from smidgen.study.design.outset import Wishes, outset
from smidgen.study.job import Job, Origin
from smidgen.study.plan import read_plan
from smidgen.study.rows import row_of
from smidgen.study.running.one import execute

STUDY = """
name = "s"
data = "digits"
seeds = [0]
robust = {robust}
recipe = {{ epochs = 1, label_noise = 0.1 }}
[[trials]]
nets = ["mnist-1k5-dw"]
"""


def test_rows_of_a_robust_study_bear_the_card(tmp_path: Path) -> None:
    import json

    (tmp_path / "s.toml").write_text(STUDY.format(robust="true"))
    data = sm.data.load("digits")
    (job,) = read_plan(tmp_path / "s.toml").jobs(data)
    assert job.robust == "card"
    assert Job.from_text(job.to_text()) == job
    row = execute(job, data, tmp_path / "run")
    assert row["robust"]["images"] == len(data.test)
    assert row["robust"]["clean"] == row["accuracy"]
    assert row["robust"]["threshold"] is None  # it was trained on all images
    assert row["recipe"]["label_noise"] == 0.1
    again = row_of(json.dumps(row), "here")
    assert again["robust"]["accuracy"] == row["robust"]["accuracy"]


def test_a_quick_card_is_one_figure_of_held_out_images(tmp_path: Path) -> None:
    data = sm.data.load("digits")
    net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(*data.shape), 10)
    trial = sm.trial.Trial(net, (), Recipe(epochs=1), 0, data.name, data.fingerprint, "selection")
    row = execute(Job(trial, Origin("digits"), robust="quick"), data, tmp_path / "run")
    assert row["split"] == "held-out"
    assert 0 < row["robust_accuracy"] < 1
    assert "robust" not in row
    judging = judging_of(data, robust=True)
    assert judging.points(row) < 100


def test_a_plain_study_says_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STUDY.format(robust="false"))
    (job,) = read_plan(tmp_path / "s.toml").jobs(sm.data.load("digits"))
    assert job.robust == ""


def test_a_job_that_asks_for_another_card_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STUDY.format(robust="true"))
    (job,) = read_plan(tmp_path / "s.toml").jobs(sm.data.load("digits"))
    with pytest.raises(ValueError, match="robust must be one of quick, card, got 'slow'"):
        Job.from_text(job.to_text().replace('"card"', '"slow"'))


def test_an_unknown_purpose_of_a_design_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown purpose 'robot'.*robust"):
        Wishes("quick", None, "best", False, False, None, "robot")


def test_a_design_for_robust_refuses_pictures_too_small_before_it_trains(tmp_path: Path) -> None:
    import numpy as np

    images = np.random.default_rng(0).integers(0, 255, (40, 6, 6, 1), np.uint8)
    data = sm.data.from_arrays(images, [0, 1] * 20, test=(images, [0, 1] * 20))
    wishes = Wishes("quick", None, "best", False, False, None, "robust")
    with pytest.raises(ValueError, match="shot_noise needs pictures of at least 8x8, got 6x6"):
        outset(Origin("drawn"), data, Budget(max_params=500), tmp_path / "out", wishes, 1)
    assert not (tmp_path / "out").exists()
