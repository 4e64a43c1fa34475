"""The public face: ``sm.train`` and what stands beside it."""

import importlib
import inspect
import subprocess
import sys

import pytest

import smidgen as sm

FUNCTIONS = ("design", "evaluate", "export", "load", "load_run", "train")


def test_a_tab_offers_the_public_names() -> None:
    assert set(FUNCTIONS) < set(dir(sm))
    assert {"data", "layers", "methods", "zoo", "Recipe", "Runtime", "NetSpec"} < set(dir(sm))
    assert all(hasattr(sm, name) for name in dir(sm))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_stays_one_whatever_module_of_its_name_is_imported(name: str) -> None:
    for module in ("design", "export", "train", "evaluate", "export.ship"):
        importlib.import_module(f"smidgen.{module}")
    assert inspect.isfunction(getattr(sm, name))
    assert inspect.getdoc(getattr(sm, name))


def test_the_package_is_imported_without_torch() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, smidgen; dir(smidgen); print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == "False"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'predict_all'"):
        _ = sm.predict_all  # pyright: ignore[reportAttributeAccessIssue]


# In a process of its own: here the types of these arguments are checked in every call.
ASKED = """
import smidgen as sm

data = sm.data.load("digits")
net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(1, 8, 8), 10)
run = sm.train(net, data, recipe=sm.Recipe(epochs=1, batch_size=1024))
for wrong in (
    lambda: sm.train(net, "digits"),
    lambda: sm.train(data, net),
    lambda: sm.train("mnist-1k5-dw", data),
    lambda: sm.train(net, data, recipe={}),
    lambda: sm.train(net, data, runtime="cpu"),
    lambda: sm.train(net, data, methods="blurpool"),
    lambda: sm.train(net, data, methods=sm.methods.BlurPool()),
    lambda: sm.evaluate(run, data),
    lambda: sm.evaluate(data.test, run),
):
    try:
        print("nothing said", wrong())
    except ValueError as error:
        print(error)
"""
SAID = """
data must be a Data, as smidgen.data.load(NAME) returns, got 'digits'
data must be a Data, as smidgen.data.load(NAME) returns, got NetSpec(
a net must be a NetSpec, as smidgen.zoo.net(NAME) returns, got 'mnist-1k5-dw'
a recipe must be a Recipe, as in Recipe(epochs=20), got {}
a runtime must be a Runtime, as smidgen.runtime.choose('cpu') returns, got 'cpu'
methods must be a list, as in [BlurPool(), Flip()], got 'blurpool'
methods must be a list, as in [BlurPool(), Flip()], got BlurPool(
images must be a Split, as in data.test, got Data(
what is judged must be a Run, as smidgen.load_run(FOLDER) returns, got Split(
"""


def test_an_argument_of_another_kind_is_one_line() -> None:
    process = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True)
    lines, expected = process.stdout.splitlines(), SAID.strip().splitlines()
    assert len(lines) == len(expected), process.stdout + process.stderr
    for line, begin in zip(lines, expected, strict=True):
        assert line.startswith(begin)
