"""What a person asks for is read as it was meant, or refused with its place."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from smidgen import zoo
from smidgen.config import (
    OF_DATA,
    OF_WINDOWS,
    default_recipe,
    load_net,
    load_plan,
    recipe_path,
    recipes,
)
from smidgen.methods import SAM, Cutout, OneCycle, require_suited
from smidgen.methods import rewritten as rewritten_by
from smidgen.recipe import Recipe
from smidgen.study.plan import read_plan

STUDIES = [name for name, path in recipes().items() if "trials" in tomllib.loads(path.read_text())]


@pytest.mark.parametrize("name", [name for name in recipes() if name not in STUDIES])
def test_every_recipe_parses_and_its_methods_fit_a_net(name: str) -> None:
    plan = load_plan(name)
    net = zoo.net("cifar-143k-dw" if name == "cifar10" else "mnist-1k5-dw")
    assert rewritten_by(net, plan.methods).out_shape == net.out_shape
    assert plan.methods
    assert plan.data in {None, name}


def test_data_without_a_recipe_of_their_own_get_the_default() -> None:
    net = zoo.net("mnist-500-a")
    assert default_recipe("mnist", net) == "mnist"
    assert default_recipe("/somewhere/leaves", net) == "default"
    assert default_recipe(None, net) == "default"
    assert default_recipe("reference-mnist", net) == "default", "a folder called as a study is"
    assert set(OF_DATA) == set(recipes()) - set(STUDIES) - {"default", OF_WINDOWS}


def test_nets_for_windows_have_the_recipe_for_windows() -> None:
    net = zoo.net("windows-2k-dw")
    assert default_recipe("accel", net) == OF_WINDOWS
    require_suited(load_plan(OF_WINDOWS).methods, *net.input_shape[1:])


def test_a_recipe_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'net = "mnist-5k"\ndata = "mnist"\nmethods = ["cutout(length=7)", "sam"]\n'
        '[recipe]\nepochs = 3\noptimizer = "sgd"\npeak_lr = 1\n'
    )
    plan = load_plan(str(file))
    assert plan.net == zoo.net("mnist-5k")
    assert plan.data == "mnist"
    assert plan.methods == (Cutout(length=7), SAM())
    assert plan.recipe == Recipe(epochs=3, optimizer="sgd", peak_lr=1.0)


def test_settings_replace_single_values(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('methods = ["sam"]\n[recipe]\nepochs = 3\nbatch_size = 7\n')
    settings = ["recipe.epochs=5", 'methods=["one-cycle"]', "recipe.optimizer=sgd"]
    plan = load_plan(str(file), settings)
    assert plan.recipe == Recipe(epochs=5, batch_size=7, optimizer="sgd")
    assert plan.methods == (OneCycle(),)


def test_a_net_survives_its_text_form(tmp_path: Path) -> None:
    net = rewritten_by(zoo.net("cifar-143k-dw"), load_plan("cifar10").methods)
    form = net.to_dict()
    layers = ", ".join(f'"{layer}"' for layer in form["layers"])
    file = tmp_path / "copy.toml"
    file.write_text(f"[net]\ninput = {form['input']}\nlayers = [{layers}]\n")
    assert load_net(str(file)) == net


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("epochs = 3", "unknown key 'epochs'"),
        ("[recipe]\nepochs = 2.5", "recipe argument 'epochs' should be a valid integer, got 2.5"),
        ("[recipe]\npeak_lr = 0", "recipe peak_lr must be > 0"),
        (
            '[recipe]\noptimizer = "adam"',
            "recipe optimizer must be one of adamw, sgd, soap, got 'adam'",
        ),
        ("methods = 3", "methods must be a list of texts"),
        ("recipe = 3", "recipe must be a table"),
        ("data = 3", "data must be a name"),
        ('net = "mnist-1k5"', "unknown net 'mnist-1k5'; did you mean 'mnist-1k5-dw'?"),
        ("net = 3", "net must be a name or a table"),
        ("[net]\ninput = [1, 8, 8]", "net needs the key 'layers'"),
        ('[net]\ninput = [1, 8]\nlayers = ["conv(3)"]', "input must be [channels, height, width]"),
        ('[net]\ninput = [1, 8, 8]\nlayers = ["conv(0)"]', "conv out_channels must be >= 1"),
        (
            "[net]\ninputs = [1, 8, 8]\nlayers = []",
            "net has no key 'inputs'; did you mean 'input'?",
        ),
    ],
)
def test_a_faulty_file_is_named_with_its_fault(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "faulty.toml"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"faulty\.toml: ") as raised:
        load_plan(str(file))
    assert said in str(raised.value)


def test_a_recipe_without_a_net_is_no_net(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('data = "photos"\n[recipe]\nepochs = 3\n')
    with pytest.raises(ValueError, match=r"mine\.toml describes no net: that takes input and"):
        load_net(str(file))


@pytest.mark.parametrize("read", [load_plan, load_net])
@pytest.mark.parametrize(
    ("held", "said"),
    [
        ("design.toml", "is a design: its net and its recipe are in .*design.toml$"),
        ("run.json", "is a run: smidgen inspect .* shows its net and its methods, .* --from "),
        ("other.txt", r"is a folder: name what comes with smidgen, or a file \.toml$"),
    ],
)
def test_a_folder_is_no_net_and_no_recipe(
    tmp_path: Path, read: Callable[[str], object], held: str, said: str
) -> None:
    (tmp_path / held).touch()
    with pytest.raises(ValueError, match=said):
        read(str(tmp_path))


@pytest.mark.skipif(os.name != "posix", reason="there are no such pipes")
def test_what_is_no_file_of_toml_is_told_as_such(tmp_path: Path) -> None:
    """A pipe was an unknown recipe, and the known ones were listed."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "study.txt").touch()
    with pytest.raises(ValueError, match=r"pipe' must be a file \.toml, got a pipe or a device$"):
        recipe_path(str(tmp_path / "pipe"))
    with pytest.raises(ValueError, match=r"txt' must be a file \.toml, got one of another name$"):
        recipe_path(str(tmp_path / "study.txt"))


def test_a_setting_without_its_table_is_told_with_it() -> None:
    said = r"^setting 'peak_lr': unknown key; did you mean 'recipe\.peak_lr'\?"
    with pytest.raises(ValueError, match=said):
        load_plan("default", ["peak_lr=0.02"])


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_not_a_recipe(name: str) -> None:
    with pytest.raises(ValueError, match="`smidgen study` runs it"):
        load_plan(name)


@pytest.mark.parametrize("read", [load_plan, load_net, read_plan])
def test_a_file_of_endless_brackets_is_refused_by_name(
    read: Callable[[str], object], tmp_path: Path
) -> None:
    file = tmp_path / "deep.toml"
    file.write_text(f"data = {'[' * 5_000}{']' * 5_000}\n")
    with pytest.raises(ValueError, match=r"deep\.toml: no"):
        read(str(file))
