"""A study file becomes the trials it says, or a one-line error that names file and key."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import smidgen
from smidgen.data import Data, Split
from smidgen.methods import parse
from smidgen.study.plan import Plan, read_plan, with_baseline
from smidgen.text import to_text

GOOD = """
name = "two-nets"
data = "digits"
seeds = [0, 1]
baseline = ["cosine"]

[recipe]
epochs = 2

[[nets]]
name = "tiny"
input = [1, 8, 8]
layers = ["conv(4)", "global-average-pool", "classifier(10)"]

[[trials]]
nets = ["tiny", "mnist-1k5-dw"]
methods = [[], ["one-cycle"], ["blurpool", "swa(start=0.5)"]]

[[trials]]
nets = ["tiny"]
recipe = { peak_lr = 0.02 }
seeds = [5]
"""

ANOTHER = """[[nets]]
name = "tiny"
input = [1, 8, 8]
layers = ["flatten", "classifier(10)"]

"""


def written(folder: Path, text: str) -> Plan:
    path = folder / "study.toml"
    path.write_text(text)
    return read_plan(path)


def test_trials_are_nets_times_methods_times_seeds(tmp_path: Path, digits: Data) -> None:
    jobs = written(tmp_path, GOOD).jobs(digits)
    assert len(jobs) == 2 * 3 * 2 + 1
    assert len({job.trial.key for job in jobs}) == len(jobs)
    assert all(job.trial.recipe.epochs == 2 for job in jobs)
    (other,) = [job.trial for job in jobs if job.trial.seed == 5]
    assert other.recipe.peak_lr == 0.02


def test_shares_are_a_factor_and_all_pictures_are_the_trial_without_one(
    tmp_path: Path, digits: Data
) -> None:
    few = GOOD.replace("seeds = [5]", "seeds = [5]\nshare = [0.25, 0.5, 1]")
    jobs = written(tmp_path, few).jobs(digits)
    shares = [job.trial.recipe.share for job in jobs if job.trial.seed == 5]
    assert shares == [0.25, 0.5, 1.0]
    plain = {job.trial.key for job in written(tmp_path, GOOD).jobs(digits)}
    assert len(plain) + 2 == len({job.trial.key for job in jobs} | plain)
    both = few.replace("share =", "epochs = [1, 2]\nshare =")
    trials = [job.trial for job in written(tmp_path, both).jobs(digits)]
    last = [trial.recipe for trial in trials if trial.seed == 5]
    assert {(of.epochs, of.share) for of in last} == {
        (epochs, share) for epochs in (1, 2) for share in (0.25, 0.5, 1.0)
    }


@pytest.mark.parametrize(
    ("share", "said"),
    [
        ("share = []", "trials 2: share must not be empty"),
        ("share = [0.5, 1.5]", r"recipe share must be in \(0, 1\], got 1.5"),
        ("share = 0.5", "trials 2 argument 'share'"),
        ("share = [0.001, 1]", "share must leave every class an image to learn from, got 0.001"),
    ],
)
def test_a_share_that_cannot_be_is_refused_before_anything_is_trained(
    share: str, said: str, tmp_path: Path, digits: Data
) -> None:
    with pytest.raises(ValueError, match=said):
        written(tmp_path, GOOD.replace("seeds = [5]", share)).jobs(digits)
    twice = GOOD.replace("peak_lr = 0.02 }", "share = 0.5 }\nshare = [0.5]")
    with pytest.raises(ValueError, match="trials 2: share must be given once"):
        written(tmp_path, twice)


def test_jobs_are_of_the_commit_that_was_planned_for(tmp_path: Path, digits: Data) -> None:
    """A branch of the hub that moves meanwhile fails none of them."""
    plan = written(tmp_path, GOOD.replace('"digits"', '"owner/pets::label-column=kind"'))
    there = replace(digits, origin=f"owner/pets@{'a' * 40}::label-column=kind")
    assert {job.origin.name for job in plan.jobs(there)} == {there.origin}
    here = replace(digits, origin="/photos/pets")
    assert {job.origin for job in plan.jobs(here)} == {plan.origin}


def test_seeds_come_in_rounds_so_that_an_early_stop_leaves_every_point(
    tmp_path: Path, digits: Data
) -> None:
    seeds = [job.trial.seed for job in written(tmp_path, GOOD).jobs(digits) if job.trial.seed != 5]
    assert seeds == sorted(seeds)


def test_a_trial_asked_for_twice_is_one_trial(tmp_path: Path, digits: Data) -> None:
    again = GOOD + '\n[[trials]]\nnets = ["tiny"]\nmethods = [["one-cycle"]]\n'
    assert len(written(tmp_path, again).jobs(digits)) == 13


def test_named_nets_are_fitted_to_the_images(tmp_path: Path, digits: Data) -> None:
    nets = {job.trial.net.name: job.trial.net for job in written(tmp_path, GOOD).jobs(digits)}
    assert tuple(nets["mnist-1k5-dw"].input_shape) == (1, 8, 8)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", ["flip", "cosine"]),
        ("sam", ["flip", "cosine", "sam"]),
        ("one-cycle", ["flip", "one-cycle"]),
        ("cyclical", ["flip", "cyclical"]),
        ("cosine(warmup=0.1), mixup", ["flip", "cosine(warmup=0.1)", "mixup"]),
    ],
)
def test_the_baselines_schedule_gives_way_to_another(asked: str, expected: list[str]) -> None:
    found = with_baseline(parse(asked), parse("flip, cosine"))
    assert [to_text(method) for method in found] == expected


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "two-nets"', 'nam = "x"', "study has no argument 'nam'; did you mean 'name'?"),
        ('data = "digits"', "", "study needs the argument 'data'"),
        ("seeds = [0, 1]", 'seeds = ["a"]', "study argument 'seeds'"),
        ("epochs = 2", "epoch = 2", "recipe has no argument 'epoch'; did you mean 'epochs'?"),
        ("epochs = 2", "epochs = 0", "recipe epochs must be >= 1, got 0"),
        ('"one-cycle"', '"one-cycel"', "trials 1, methods 2: unknown method 'one-cycel'; did you"),
        ("start=0.5", "start=2", "trials 1, methods 3: swa start must be in [0, 1), got 2"),
        ('["tiny", ', '["tyny", ', "trials 1, nets: unknown net 'tyny'; did you mean 'tiny'?"),
        ('"conv(4)"', '"cnv(4)"', "nets 1: unknown layer 'cnv'; did you mean 'conv'?"),
        (
            "[[nets]]",
            f"{ANOTHER}[[nets]]",
            "nets 2: another net of this file is called 'tiny', too",
        ),
        ("{ peak_lr = 0.02 }", "{ peak_lr = -1.0 }", "recipe peak_lr must be > 0, got -1.0"),
        ("seeds = [5]", "seeds = []", "trials 2: seeds must not be empty"),
        ("seeds = [5]", "sed = [5]", "trials 2 has no argument 'sed'"),
        ("seeds = [0, 1]", 'seeds = [0]\nsplit = "tets"', "split must be one of full, selection"),
        (
            "seeds = [0, 1]",
            'seeds = [0]\nsplit = "1-folds"',
            "one of 2 to 999 folds such as 5-folds",
        ),
        ("seeds = [5]", 'split = "3-folds"', "trials 2: split is that of all trials: above them"),
        ("[recipe]", "[recipe", "no TOML: "),
    ],
)
def test_an_error_is_one_line_with_file_and_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is checked below
        written(tmp_path, GOOD.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / 'study.toml'}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="this is a net or a recipe, not a study: smidgen train"):
        written(tmp_path, 'methods = ["flip"]\n[recipe]\nepochs = 3\n')


MANY = "must be at most 20,000, got"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds = [0, 1]", f"seeds = {[*range(9000)]}", f"trials of a study {MANY} 54,001"),
        ("seeds = [5]", f"seeds = {[*range(20_001)]}", f"trials of a study {MANY} 20,013"),
        ("seeds = [5]", f"epochs = {[1] * 10_000}", f"trials of a study {MANY} 20,012"),
        ("[[trials]]", '[[trials]]\nnets = ["tiny"]\n' * 20_000 + "[[trials]]", f"{MANY} 20,002"),
        ("[[nets]]", '[[nets]]\nname = "x"\n' * 20_000 + "[[nets]]", f"nets of a study {MANY}"),
    ],
    ids=["seeds of all", "seeds", "lengths", "groups", "nets"],
)
def test_a_study_that_few_lines_make_endless_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        written(tmp_path, GOOD.replace(old, new, 1))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.toml: cannot be read: No such file"):
        read_plan(tmp_path / "nowhere.toml")


WIDE = """
name = "wide"
data = "here.npz"
seeds = [0]
turned = true

[[nets]]
name = "sensor"
input = [1, 3, 12]
layers = ["conv(4, 3x5)", "global-average-pool", "classifier(2)"]

[[trials]]
nets = ["sensor"]
"""


def test_wide_images_are_turned_and_the_nets_written_for_them(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (80, 3, 12), np.uint8)
    labels = np.arange(40) % 2
    train, test = pixels[:40], pixels[40:]
    np.savez(tmp_path / "here.npz", x_train=train, y_train=labels, x_test=test, y_test=labels)
    plan = written(tmp_path, WIDE.replace("here", str(tmp_path / "here")))
    data = plan.origin.load()
    (job,) = plan.jobs(data)
    assert data.preprocessing.turned
    assert job.trial.net.input_shape == (1, 12, 3)
    assert "kernel_size=5x3" in to_text(job.trial.net.layers[0])
    assert "--turned" in job.origin.options
    (as_written,) = written(tmp_path, WIDE.replace("[1, 3, 12]", "[1, 12, 3]")).jobs(data)
    assert "kernel_size=3x5" in to_text(as_written.trial.net.layers[0])


def test_images_too_small_for_a_net_are_refused(tmp_path: Path, digits: Data) -> None:
    deep = GOOD.replace('"conv(4)"', '"max-pool", "max-pool", "max-pool", "max-pool"')
    with pytest.raises(ValueError, match="tiny, layer 4 max_pool"):
        written(tmp_path, deep).jobs(digits)


def test_a_net_too_large_to_be_built_is_refused_before_any_is_queued(
    tmp_path: Path, digits: Data
) -> None:
    """It was queued, a worker started for it, and it failed 12 seconds later."""
    wide = GOOD.replace('"conv(4)"', '"conv(65535)", "conv(65535)"')
    with pytest.raises(ValueError, match="params of tiny must be at most 100,000,000, got 38,"):
        written(tmp_path, wide).jobs(digits)


def test_lengths_are_a_factor_with_all_else_the_same(tmp_path: Path, digits: Data) -> None:
    text = GOOD.replace('nets = ["tiny", "mnist', 'epochs = [1, 4]\nnets = ["tiny", "mnist', 1)
    trials = [job.trial for job in written(tmp_path, text).jobs(digits)]
    lengths = [trial.recipe.epochs for trial in trials if trial.seed != 5]
    assert sorted(lengths) == [1] * 12 + [4] * 12
    assert [trial.recipe.epochs for trial in trials if trial.seed == 5] == [2]
    assert {trial.recipe.peak_lr for trial in trials if trial.seed != 5} == {0.01}


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        ("epochs = []", "trials 2: epochs must not be empty"),
        ("epochs = [0]", "recipe epochs must be >= 1, got 0"),
        ("epochs = 3", "trials 2 argument 'epochs' .* list, got 3"),
        ("epochs = [3.5]", "trials 2 argument 'epochs' .*integer"),
    ],
)
def test_lengths_that_are_none_are_refused(tmp_path: Path, lengths: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        written(tmp_path, GOOD.replace("seeds = [5]", lengths))


def test_lengths_are_given_once(tmp_path: Path) -> None:
    text = GOOD.replace("{ peak_lr = 0.02 }", "{ epochs = 3 }\nepochs = [4]")
    with pytest.raises(ValueError, match="trials 2: epochs must be given once"):
        written(tmp_path, text)


def test_every_fold_is_a_trial_of_each_seed_known_as_one_asked_for_alone(
    tmp_path: Path, digits: Data
) -> None:
    def trials(split: str) -> list[tuple[int, str, str]]:
        text = GOOD.replace("seeds = [0, 1]", f'seeds = [0, 1]\nsplit = "{split}"')
        jobs = written(tmp_path, text).jobs(digits)
        return [(job.trial.seed, job.trial.split, job.trial.key) for job in jobs]

    every = trials("3-folds")
    alone = [trials(f"fold-{number}-of-3") for number in (1, 2, 3)]
    assert sorted(every) == sorted(trial for fold in alone for trial in fold)
    first = [(seed, split) for seed, split, _ in every if seed != 5]
    nets = 6  # times methods: each is judged by a fold before any by the next
    assert first[::nets][:4] == [(0, f"fold-{n}-of-3") for n in (1, 2, 3)] + [(1, "fold-1-of-3")]


def test_more_folds_than_there_are_images_for_are_refused(tmp_path: Path) -> None:
    images = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)
    split = Split(images, torch.tensor([0, 0, 1, 1]))
    data = Data("few", split, split, ("a", "b"))
    text = GOOD.replace("seeds = [0, 1]", 'seeds = [0]\nsplit = "5-folds"')
    with pytest.raises(ValueError, match="split '5-folds' is of more folds than few has images"):
        written(tmp_path, text).jobs(data)


def test_folds_count_among_the_trials_that_a_file_may_ask_for(tmp_path: Path) -> None:
    text = GOOD.replace("seeds = [0, 1]", f'seeds = {list(range(10))}\nsplit = "999-folds"')
    with pytest.raises(ValueError, match="trials of a study must be at most 20,000, got"):
        written(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "rows", "shape"),
    [("mnist", 65, (1, 28, 28)), ("cifar10", 102, (3, 32, 32))],
)
def test_the_long_study_is_what_the_short_one_was_and_more(
    name: str, rows: int, shape: tuple[int, int, int]
) -> None:
    pixels = torch.zeros(10, *shape, dtype=torch.uint8)
    split = Split(pixels, torch.arange(10))
    data = Data(name, split, split, tuple("abcdefghij"))
    recipes = Path(smidgen.__file__).parent / "recipes"
    short, long = (
        [job.trial for job in read_plan(recipes / f"reference-{which}{name}.toml").jobs(data)]
        for which in ("", "long-")
    )
    assert len(long) == rows
    combinations = {(trial.net, tuple(trial.method_texts)) for trial in long}
    asked = {trial.net for trial in long}
    assert {(t.net, tuple(t.method_texts)) for t in short if t.net in asked} <= combinations
    flat, plain = (next(t.net for t in long if t.net.name.endswith(end)) for end in ("flat", "dw"))
    assert flat.layers[:-2] == plain.layers[:-2], "the same convolutions"
    assert [type(layer).__name__ for layer in flat.layers[-2:]] == ["Flatten", "Classifier"]
    tens = {trial.key for trial in long if trial.recipe.epochs == 10}
    assert tens <= {trial.key for trial in short}, "rows of ten epochs are taken, not trained again"
    assert len(tens) == (12 if name == "cifar10" else 0)
