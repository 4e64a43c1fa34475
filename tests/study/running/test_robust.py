"""A study whose rows bear the card of robustness, and a design that weighs it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

import smidgen as sm
from smidgen.cli.robust import require_possible
from smidgen.data import Data, DataWarning
from smidgen.data.hub import Hub
from smidgen.data.parts import folds_of, parts
from smidgen.evaluate import predict
from smidgen.recipe import Recipe
from smidgen.robust.measured import RobustWish
from smidgen.run import Run, load_run
from smidgen.study.design.budget import Budget
from smidgen.study.design.judging import judging_of
from smidgen.study.design.outset import STORE, Outset, Wishes, outset
from smidgen.study.job import Job, Origin, Others
from smidgen.study.plan import Plan, read_plan
from smidgen.study.rows import row_of
from smidgen.study.running import ray
from smidgen.study.running.one import execute
from smidgen.study.running.worker import work
from smidgen.study.store import Store
from smidgen.trial import Trial

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


def planned(folder: Path, text: str) -> Plan:
    (folder / "s.toml").write_text(text)
    return read_plan(folder / "s.toml")


def trial_of(data: Data, split: str) -> Trial:
    net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(*data.shape), 10)
    return Trial(net, (), LONGER, 0, data.name, data.fingerprint, split)


LONGER = Recipe(epochs=8, batch_size=32, peak_lr=0.02)
AGAINST = STUDY.replace("robust = {robust}", 'robust = true\nagainst = "{}"')


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of coloured pictures of 20 x 12, 9 of them for the test."""
    random, place = np.random.default_rng(0), tmp_path_factory.mktemp("here") / "textures"
    for name in ("train/knit", "train/bark", "test/knit"):
        (place / name).mkdir(parents=True)
        for number in range(9):
            pixels = random.integers(0, 255, (20, 12, 3), np.uint8)
            Image.fromarray(pixels).save(place / name / f"{number}.png")
    return place


class Made(NamedTuple):
    """What a worker made of a job on the split ``selection``."""

    row: dict[str, Any]
    run: Run


@pytest.fixture(scope="module")
def made(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    store = Store(tmp_path_factory.mktemp("store") / "study.db")
    trial = trial_of(sm.data.load("digits"), "selection")
    store.add("s", [Job(trial, Origin("digits"), robust="card", against=(str(textures),))])
    claim = store.claim("me")
    assert claim is not None
    work(store, claim, "me")
    (row,) = store.rows("s")
    return Made(row, load_run(store.folder(claim.key)))


def sureness(run: Run, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return confidence and answer of each image."""
    logits = predict(run.model, images, run.mean, run.std).double()
    return logits.softmax(1).max(1).values, logits.argmax(1)


def test_a_threshold_is_chosen_on_one_half_of_what_is_held_out_and_judged_on_the_other(
    made: Made,
) -> None:
    held_out = parts(sm.data.load("digits"), "selection")[1]
    assert held_out is not None
    assert (made.row["split"], made.row["robust"]["images"]) == ("held-out", len(held_out))
    found = made.row["robust"]["threshold"]
    sure, answer = sureness(made.run, held_out.images)
    right, chooses = (answer == held_out.labels).double(), folds_of(held_out, 2, 1) == 1
    passed = sure >= found["confidence"]
    assert 0 < found["wanted"] == pytest.approx((1 + float(right[chooses].mean())) / 2)
    assert float(right[chooses & passed].mean()) >= found["wanted"]
    assert found["held_out_kept"] == pytest.approx(float(passed[chooses].double().mean()))
    assert found["images"] == int((~chooses).sum())
    assert found["kept"] == pytest.approx(float(passed[~chooses].double().mean()))
    assert found["accuracy"] == pytest.approx(float(right[~chooses & passed].mean()))
    of_chosen = (found["held_out_kept"], float(right[chooses & passed].mean()))
    assert (found["kept"], found["accuracy"]) != of_chosen, "the halves tell nothing apart"


def test_a_validation_part_chooses_the_threshold_that_test_images_judge(tmp_path: Path) -> None:
    data = sm.data.load("digits")
    given = replace(data, validation=parts(data, "selection")[1])
    job = Job(trial_of(given, "full"), Origin("digits"), robust="card")
    row = execute(job, given, tmp_path / "run")
    assert row["split"] == "test"
    assert row["robust"]["threshold"]["images"] == len(data.test)


def test_strangers_of_another_data_set_are_made_as_the_nets_pictures_are(
    made: Made, textures: Path
) -> None:
    *drawn, own = made.row["robust"]["strangers"]
    assert [of["name"] for of in drawn] == ["noise", "clouds", "shapes"]
    assert (own["name"], own["images"]) == ("textures", 9)
    sure, _ = sureness(made.run, sm.data.load(textures, image_size=8, color="grey").test.images)
    assert own["confidence"] == pytest.approx(float(sure.mean()))
    line = made.row["robust"]["threshold"]["confidence"]
    assert own["answered"] == pytest.approx(float((sure >= line).double().mean()))


def test_strangers_of_the_hub_are_of_one_commit_in_every_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def pinned(there: Hub) -> Hub:
        return replace(there, revision="a" * 40)

    def others(origin: Origin, against: tuple[str, ...], data: Data) -> Others:
        asked.append(against)
        return {}

    monkeypatch.setattr(Hub, "pinned", pinned)
    monkeypatch.setattr(Origin, "others", others)
    with pytest.warns(DataWarning, match="owner/x is not pinned"):
        (job,) = planned(tmp_path, AGAINST.format("owner/x")).jobs(sm.data.load("digits"))
    assert asked == [job.against] == [(f"owner/x@{'a' * 40}",)]


def test_a_study_asks_for_strangers_and_tells_rows_that_lack_them(
    made: Made, textures: Path, tmp_path: Path
) -> None:
    asking = planned(tmp_path, AGAINST.format(textures))
    (job,) = asking.jobs(sm.data.load("digits"))
    assert job.against == (str(textures),)
    assert not asking.lacks(made.row)
    before = {**made.row["robust"], "strangers": made.row["robust"]["strangers"][:3]}
    assert asking.lacks({**made.row, "robust": before})
    assert asking.lacks({})
    assert not planned(tmp_path, STUDY.format(robust="false")).lacks({})


def test_strangers_travel_to_the_nodes_of_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, black = sm.data.load("digits"), torch.zeros(5, 1, 8, 8, dtype=torch.uint8)
    job = Job(trial_of(data, "full"), Origin("digits"), robust="card", against=("nowhere",))
    given: list[object] = []

    def execute(job: Job, data: Data, folder: Path, *, others: Others) -> dict[str, Any]:
        folder.mkdir(exist_ok=True)
        given.append((job, others))
        return {}

    monkeypatch.setattr(ray, "execute", execute)
    for mark in (tmp_path, tmp_path / "none"):  # of a folder that the node shares, and not
        ray._trial(job.to_text(), (data, {"nowhere": black}), str(tmp_path / "run"), 1, str(mark))
    assert given == [(job, {"nowhere": black})] * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (AGAINST.format("mnits"), "unknown data set 'mnits'; did you mean 'mnist'"),
        (AGAINST.format("digits"), "against must be other data than the net's own, got digits"),
    ],
)
def test_strangers_that_cannot_be_are_told_before_anything_is_trained(
    text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        planned(tmp_path, text).jobs(sm.data.load("digits"))


def test_strangers_of_one_name_are_refused(textures: Path, tmp_path: Path) -> None:
    twice = AGAINST.format(textures).replace(f'"{textures}"', f'["{textures}", "{textures}"]')
    with pytest.raises(ValueError, match="data of different names, got textures twice"):
        planned(tmp_path, twice).jobs(sm.data.load("digits"))


def test_strangers_without_a_card_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"s\.toml: against is of the card .*robust = true"):
        planned(tmp_path, AGAINST.format("mnist").replace("robust = true", "robust = false"))


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_pictures_too_small_for_a_card_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 6, 6, 1), np.uint8)
    data = sm.data.from_arrays(images, [0, 1] * 20, test=(images, [0, 1] * 20))
    with pytest.raises(
        ValueError, match="shot_noise needs pictures of at least 8x8, got 6x6: robust = true"
    ):
        planned(tmp_path, STUDY.format(robust="true")).jobs(data)


def test_jobs_are_written_so_that_versions_without_strangers_read_them(tmp_path: Path) -> None:
    data = sm.data.load("digits")
    job = Job(trial_of(data, "full"), Origin("digits"), robust="card")
    assert "against" not in json.loads(job.to_text())
    assert Job.from_text(job.to_text()) == job
    asked = replace(job, against=("mnist", "cifar10"))
    assert Job.from_text(asked.to_text()) == asked
    assert asked.trial.key == job.trial.key == replace(job, robust="").trial.key
    with pytest.raises(ValueError, match="against must be a list of texts, got 'mnist'"):
        Job.from_text(asked.to_text().replace('["mnist", "cifar10"]', '"mnist"'))


def test_a_quick_card_is_of_held_out_images_by_family(tmp_path: Path) -> None:
    data = sm.data.load("digits")
    net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(*data.shape), 10)
    trial = sm.trial.Trial(net, (), Recipe(epochs=1), 0, data.name, data.fingerprint, "selection")
    row = execute(Job(trial, Origin("digits"), robust="quick"), data, tmp_path / "run")
    assert row["split"] == "held-out"
    assert list(row["robust_quick"]) == ["corruptions", "geometry", "light"]
    assert "robust" not in row
    again = row_of(json.dumps(row), "here")
    clean, robust = judging_of(data), judging_of(data, robust=True)
    shares = [
        of[name] for of in row["robust_quick"].values() for name in ("accuracy", "likelihood")
    ]
    changed = 100 * sum(shares) / 6
    assert 0 < changed < 100
    assert robust.points(again) == pytest.approx((clean.points(row) + changed) / 2)


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


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_a_design_for_robust_refuses_pictures_too_small_before_it_trains(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 6, 6, 1), np.uint8)
    data = sm.data.from_arrays(images, [0, 1] * 20, test=(images, [0, 1] * 20))
    wishes = Wishes("quick", None, "best", False, False, None, "robust")
    with pytest.raises(
        ValueError, match="shot_noise needs pictures of at least 8x8, got 6x6: --for robust, or"
    ):
        outset(Origin("drawn"), data, Budget(max_params=500), tmp_path / "out", wishes, 1)
    assert not (tmp_path / "out").exists()


def test_a_run_on_small_pictures_is_told_what_a_card_begins_with() -> None:
    run = Mock()
    run.trial.net.input_shape = (3, 2, 96)
    with pytest.raises(
        ValueError, match=r"at least 8x8, got 2x96: --robust begins with .* without"
    ):
        require_possible(run, RobustWish(), None)
    run.trial.net.input_shape = (3, 1, 96)  # a window
    require_possible(run, RobustWish(), None)
    require_possible(run, None, None)


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_a_design_for_robust_looks_at_no_size_that_corruptions_are_not_defined_for(
    tmp_path: Path,
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 40, 8, 1), np.uint8)
    data = sm.data.from_arrays(images, [0, 1] * 20, test=(images, [0, 1] * 20))
    wishes = Wishes("quick", 1, "best", False, False, None, "robust")
    begun = outset(Origin("drawn"), data, Budget(max_macs=9000), tmp_path / "out", wishes, 1)
    assert {tuple(one.maker.shape) for one in begun.entrants} == {(1, 40, 8)}


def test_a_design_for_robust_that_weighed_something_else_is_refused(tmp_path: Path) -> None:
    data, out = sm.data.load("digits"), tmp_path / "out"
    wishes = Wishes("quick", None, "best", False, False, None, "robust")

    def begun() -> Outset:
        return outset(Origin("digits"), data, Budget(max_params=500), out, wishes, 1)

    out.mkdir()
    store = Store(out / STORE)
    first = begun()
    first.note(store)
    assert begun().asked == first.asked, "one that was interrupted goes on"
    before = {name: value for name, value in first.asked.items() if name != "weighed"}
    for noted, said in (
        ({}, "by another version, which weighed corruptions alone and not corruptions, geometry"),
        ({"weighed": "sounds"}, "by another version, which weighed sounds and not corruptions"),
        ({"purpose": "accuracy"}, "holds another design, with other purpose: choose"),
    ):
        store.note("request", {**before, **noted})
        with pytest.raises(ValueError, match=said) as caught:
            begun()
        assert "\n" not in str(caught.value)


def test_a_folder_of_a_design_for_robust_says_so_to_one_that_is_not(tmp_path: Path) -> None:
    data, out = sm.data.load("digits"), tmp_path / "out"
    out.mkdir()
    store = Store(out / STORE)
    net = {"size": [1, 8, 8], "template": {"family": "plain", "blocks": [1]}, "widths": [4]}
    store.note("rungs", [net])
    store.note("request", {"purpose": "robust"})
    plain = Wishes("quick", None, "best", False, False, None)
    with pytest.raises(ValueError, match=r"with other .* and purpose: choose another folder"):
        outset(Origin("digits"), data, Budget(max_params=500), out, plain, 1)
