"""Going on with a run when there are more pictures."""

import shlex
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.methods.learned import NUMBERS

import smidgen as sm
from smidgen.again import held_out_of, trained_on
from smidgen.checkpoint import checkpoints
from smidgen.cli.fine_tuning import told
from smidgen.data import DataWarning
from smidgen.data.known import keys_of
from smidgen.data.remembered import asked_of
from smidgen.fine_tune import begin, fine_tune, gentler
from smidgen.methods import BlurPool, OneCycle
from smidgen.run import PICTURES, digest, load_run
from smidgen.run_folder import WEIGHTS
from smidgen.testing.given import BARE, NET, SINGLE

RECIPE = sm.Recipe(**NUMBERS)


def draw(folder: Path, names: tuple[str, ...], count: int, seed: int) -> Path:
    random = np.random.default_rng(seed)
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for place in range(count):
            picture = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
            picture.save(folder / name / f"{seed}-{place}.png")
    return folder


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/, a run of them, and more/ with others beside them."""
    folder = tmp_path_factory.mktemp("given")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        data = sm.data.load(draw(folder / "photos", ("hen", "owl"), 24, 0), image_size=8)
        net = NET.fitted(sm.layers.Shape(*data.shape), 2)
        methods = [BlurPool(), OneCycle()]
        sm.train(
            *(net, data),
            methods=methods,
            recipe=RECIPE,
            split="selection",
            folder=folder / "run",
            runtime=SINGLE,
        )
    shutil.copytree(folder / "photos", folder / "more")
    draw(folder / "more", ("hen", "owl"), 12, 1)
    return folder


@pytest.fixture(autouse=True)
def copied(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(given / "cache"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(given / "run", "run")
    return tmp_path


pytestmark = pytest.mark.filterwarnings("ignore:.*:smidgen.data.DataWarning")


def test_it_goes_on_with_the_run_s_net_methods_and_sides(given: Path) -> None:
    before = load_run("run")
    after = fine_tune("run", given / "more", folder="after", runtime=SINGLE)
    assert after.trial.net == before.trial.net
    assert after.trial.recipe == gentler(before)
    assert (gentler(before).epochs, gentler(before).peak_lr) == (1, pytest.approx(0.003))
    part = replace(before.trial, recipe=replace(before.trial.recipe, share=0.5))
    assert gentler(replace(before, trial=part)) == gentler(before), "of all pictures"
    assert [text.split("(")[0] for text in after.trial.method_texts] == [
        "blurpool",
        "pretrained",
        "one-cycle",
    ]
    assert after.preprocessing == before.preprocessing
    assert before.known is not None
    data = trained_on(after, "after")
    held = set(keys_of(held_out_of(after, data, "after")).tolist())
    assert not held & before.known.learned
    assert {key for key, side in before.known.sides.items() if side == "validation"} < held
    assert load_run("after").trial.key == after.trial.key


def test_a_cut_run_goes_on_to_the_same_bits(given: Path) -> None:
    recipe = replace(RECIPE, epochs=3)
    once = fine_tune("run", given / "more", recipe=recipe, folder="after", runtime=SINGLE)
    Path("after", WEIGHTS).unlink()
    checkpoints(Path("after"))[0].unlink()
    again = fine_tune(
        "run", given / "more", recipe=recipe, folder="after", resume=True, runtime=SINGLE
    )
    assert digest(again) == digest(once)


def test_what_is_told_counts_the_pictures(given: Path) -> None:
    begun = begin("run", given / "more")
    of = begun.sided
    (line,) = begun.lines
    assert line == (
        "48 pictures known, 24 new (hen 12, owl 12); held out as before"
        f" {of.judged}, and {of.judged_new} of the new"
    )
    run, images = load_run("run"), of.data.validation
    assert images is not None
    found = sm.evaluate(run, images, measure_latency=False).accuracy
    assert begun.held_out_before() == pytest.approx(found)
    alone = begin("run", draw(Path("alone"), ("owl", "hen"), 12, 1))
    assert alone.lines[1] == (
        "48 pictures of run are not among them: it trains on the new ones alone, and forgets; were"
        " they saved anew? a picture saved in another form counts as another"
    )
    assert (begun.unknown, begun.other_form) == (False, False)
    assert (alone.unknown, alone.other_form) == (False, True)


@pytest.mark.parametrize(
    ("unknown", "other_form", "said"),
    [
        (False, False, "which neither learned"),
        (True, False, "of which it is not known what the first one learned"),
        (False, True, "none of which the first one learned in this form"),
    ],
)
def test_what_is_not_known_is_not_claimed(unknown: bool, other_form: bool, said: str) -> None:
    found = {"before": 0.5, "after": 0.75, "held_out": 4}
    line = told({**found, "unknown": unknown, "other_form": other_form})
    assert line == f"held out: before 50.00 %, after 75.00 % on these 4 pictures, {said}"


def test_of_more_classes_the_classifier_begins_anew(given: Path) -> None:
    shutil.copytree(given / "photos", "three")
    begun = begin("run", draw(Path("three"), ("eel",), 6, 2))
    assert begun.spec.out_shape.channels == 3
    assert begun.lines[-1] == "other classes than run knows, hen, owl: the classifier begins anew"
    assert begun.held_out_before() is None
    after = fine_tune("run", "three", runtime=SINGLE)
    assert after.classes == ("eel", "hen", "owl")


def test_what_an_earlier_run_learned_stays_learned_where_the_last_one_had_it_not(
    given: Path,
) -> None:
    """The middle one had half of the pictures: the others are known of the first."""
    shutil.copytree(given / "more", "half")
    for path in Path("half").glob("*/0-*.png"):
        if int(path.stem[2:]) % 2:
            path.unlink()
    fine_tune("run", "half", folder="middle", runtime=SINGLE)
    middle = load_run("middle")
    assert gentler(middle) == middle.trial.recipe, "fewer epochs than the first, and not ever fewer"
    first = load_run("run").known
    begun = begin("middle", given / "more")
    assert first is not None
    assert begun.sided.data.validation is not None
    assert not set(keys_of(begun.sided.data.validation).tolist()) & first.learned
    assert sum(begun.sided.new) == 0
    shutil.rmtree("run")
    with pytest.warns(UserWarning, match=r"what \S+run, with which it began, has learned is"):
        assert begin("middle", given / "more").unknown


def test_a_run_that_kept_nothing_is_known_by_its_data_or_refused(given: Path) -> None:
    Path("run", PICTURES).unlink()
    assert begin("run", given / "more").sided.known == 48
    Path("photos").symlink_to(given / "photos")
    grown = shutil.copytree(given / "photos", "grown")
    form = load_run("run")
    sm.train(
        *(form.trial.net, sm.data.load(grown, preprocessing=form.preprocessing)),
        methods=form.trial.methods,
        recipe=replace(RECIPE, epochs=1),
        folder="old",
        runtime=SINGLE,
    )
    Path("old", PICTURES).unlink()
    draw(Path("grown"), ("owl",), 1, 5)
    with pytest.raises(ValueError, match="nothing tells the pictures old has learned from the new"):
        begin("old", "grown")
    with pytest.warns(UserWarning, match="what old has learned is not known"):
        assert begin("old", given / "more").unknown


def test_the_command_of_a_run_trains_it_again(given: Path) -> None:
    after = fine_tune("run", given / "more", runtime=SINGLE, seed=3)
    words = shlex.split(after.trial.command(after.origin, after.preprocessing))
    assert words[:4] == ["smidgen", "train", "--from", str(Path("run").absolute())]
    assert words[4:8] == ["--data", str((given / "more").resolve()), "--seed", "3"]
    assert words[words.index("--with") + 1] == "blurpool,one-cycle"
    full = fine_tune("run", given / "more", runtime=SINGLE, full=True)
    assert full.trial.command(full.origin, full.preprocessing).endswith(" --full")


def test_what_cannot_be_gone_on_with_is_refused(given: Path) -> None:
    data = sm.data.load(given / "more", image_size=9)
    with pytest.raises(ValueError, match=r"more must be seen as run sees pictures, RGB 8x8.* got"):
        fine_tune("run", data)
    with pytest.raises(ValueError, match="full must be a bool"):
        fine_tune("run", data, full=1)  # pyright: ignore[reportArgumentType]
    Path("run", WEIGHTS).unlink()
    with pytest.raises(ValueError, match=r"run has no weights.safetensors: training has not"):
        fine_tune("run", given / "more")


def test_recordings_are_cut_into_the_windows_that_the_run_knows() -> None:
    random = np.random.default_rng(0)
    for place in range(12):
        folder = Path("moves", "ab"[place % 2])
        folder.mkdir(parents=True, exist_ok=True)
        moments = [f"{20 * n},{a},{b}" for n, (a, b) in enumerate(random.normal(size=(20, 2)))]
        (folder / f"{place}.csv").write_text("\n".join(["timestamp,x,y", *moments]))
    data = sm.data.load("moves", window=8)
    net = BARE.fitted(sm.layers.Shape(*data.shape), 2)
    sm.train(net, data, recipe=replace(RECIPE, epochs=1), folder="windows", runtime=SINGLE)
    begun = begin("windows", "moves")
    whole = sum(map(len, data.parts.values()))
    assert (begun.sided.known, sum(begun.sided.new), begun.sided.gone) == (whole, 0, 0)
    after = fine_tune("windows", "moves", folder="after", runtime=SINGLE)
    assert asked_of(after.origin)["window"] == "8"
    assert trained_on(after, "after").fingerprint == after.trial.fingerprint


def test_data_that_were_loaded_serve(given: Path) -> None:
    data = sm.data.load(given / "more", preprocessing=load_run("run").preprocessing)
    one, other = (begin("run", place).sided.data for place in (data, given / "more"))
    assert one.fingerprint == other.fingerprint
    assert torch.equal(one.train.labels, other.train.labels)
