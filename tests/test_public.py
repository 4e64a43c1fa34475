"""The public face: ``sm.train`` and what stands beside it."""

import importlib
import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import smidgen as sm

FUNCTIONS = (
    "compare",
    "curve",
    "design",
    "evaluate",
    "export",
    "fine_tune",
    "inspect",
    "load",
    "load_run",
    "report",
    "study",
    "sure",
    "train",
    "verify",
)


def test_a_tab_offers_the_public_names() -> None:
    assert set(FUNCTIONS) < set(dir(sm))
    assert {"data", "layers", "methods", "zoo", "Recipe", "Runtime", "NetSpec", "Wish"} < set(
        dir(sm)
    )
    assert all(hasattr(sm, name) for name in dir(sm))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_stays_one_whatever_module_of_its_name_is_imported(name: str) -> None:
    for module in (
        "compare",
        "curve",
        "design",
        "export",
        "train",
        "evaluate",
        "export.ship",
        "report",
        "study.store",
    ):
        importlib.import_module(f"smidgen.{module}")
    assert inspect.isfunction(getattr(sm, name))
    assert inspect.getdoc(getattr(sm, name))


def test_it_tells_its_version_where_packages_do() -> None:
    assert sm.__version__ == version("smidgen")
    with pytest.raises(AttributeError, match="no attribute '__versions__'"):
        _ = sm.__versions__


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
from dataclasses import replace

import numpy as np

import torch

import smidgen as sm
from smidgen.answer import Answer
from smidgen.export.artefact import Wish
from smidgen.training import Pace

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
    lambda: sm.train(net, data, methods=None),
    lambda: sm.train(net, data, folder=5),
    lambda: sm.evaluate(run, data),
    lambda: sm.evaluate(data.test, run),
    lambda: sm.evaluate(run, replace(data.test, labels=data.test.labels + 1)),
    lambda: sm.evaluate(run, replace(data.test, labels=data.test.labels - 1)),
    lambda: sm.evaluate(run, data.test, shifted=0),
    lambda: sm.data.load("digits", image_size=16.5),
    lambda: sm.data.from_arrays(np.zeros((4, 6, 5)), [0, 1, 0, 1], range(2)),
    lambda: sm.data.from_arrays(np.zeros((4, 6, 5)), [0, 1, 0, 1], name=5),
    lambda: sm.design("digits", out="never", max_params=900, jobs=1.5),
    lambda: sm.design("digits", out="never", max_params=900, epochs=24.0),
    lambda: sm.design("digits", out="never", max_latency="5ms"),
    lambda: sm.design("digits", out=None, max_params=900),
    lambda: sm.design("digits", out="never", max_params=900, profile=5),
    lambda: sm.zoo.net(None),
    lambda: net.fitted(sm.layers.Shape(1, 8, 8), data.classes),
    lambda: sm.layers.Conv(8.5),
    lambda: sm.layers.Conv(8, 3.0),
    lambda: sm.layers.Conv(8, "3"),
    lambda: sm.layers.Conv(8, bias=1),
    lambda: sm.layers.Classifier(8, bias="no"),
    lambda: sm.layers.Residual((sm.layers.Conv(8),), shortcut=np.True_),
    lambda: sm.layers.Blur(2, (3, 3)),
    lambda: sm.layers.MaxPool((3, 3, 3)),
    lambda: sm.methods.parse(["mixup"]),
    lambda: sm.train(net, data, pace=3),
    lambda: sm.train(net, data, observer=3),
    lambda: sm.Runtime("cpu", 1, "float16"),
    lambda: sm.Runtime("mps", 1, "float32"),
    lambda: sm.Runtime("cpu", 1.5, "float32"),
    lambda: sm.export("run", to=5),
    lambda: sm.export("run", to="c", wish={}),
    lambda: sm.export("run", to="c", out=5),
    lambda: sm.data.load("digits", cache_dir=5),
    lambda: sm.data.load("digits", preprocessing="grey"),
    lambda: sm.data.load("digits", classes="abc"),
    lambda: sm.data.Data("mine", data.train, data.test, (0, 1)),
    lambda: sm.data.Data("mine", data.train, data.test, "abcdefghij"),
    lambda: sm.data.Data("mine", data.train, 5, data.classes),
    lambda: Answer((("cat", 0.7), ("owl", 0.3))).top(1.5),
    lambda: sm.data.Data("mine", data.train, data.test, set(data.classes)),
    lambda: sm.data.from_arrays(np.zeros((4, 6, 5)), [0, 1, 0, 1], {"owl": 1, "cat": 0}),
    lambda: sm.data.Split(data.test.images, [1, 2, 3]),
    lambda: sm.data.Split(data.test.images.numpy(), data.test.labels),
    lambda: sm.evaluate(run, data.test, logits=np.zeros((360, 10))),
    lambda: sm.evaluate(run, data.test, logits=torch.zeros(359, 10)),
    lambda: sm.evaluate(run, data.test, logits=torch.zeros(360, 9)),
    lambda: net.build(seed="0"),
    lambda: sm.layers.Residual([sm.layers.Conv(8)]),
    lambda: sm.methods.rewritten(net, "blurpool"),
    lambda: sm.methods.rewritten(net, ["blurpool"]),
    lambda: sm.train(net, data, methods=[sm.methods.Cutout(8.5)]),
    lambda: sm.train(net, data, methods=[sm.methods.Lookahead(2.5)]),
    lambda: Wish(name=5),
    lambda: Wish(finish_epochs=1.5),
    lambda: Wish(tell=5),
    lambda: run.save("never"),
    lambda: Pace(save_every="often"),
    lambda: Pace(looks=0),
    lambda: sm.design("digits", out="never", max_params=900, observer=None),
):
    try:
        print("nothing said", wrong())
    except ValueError as error:
        print(error)
sm.evaluate(run, data.test, weights="run/weights.safetensors", measure_latency=False)
print(sm.data.load("digits", image_size=np.int64(9)).shape)
tall = sm.layers.Conv(8, tuple(np.array([5, 1])))
print(*replace(net, layers=(tall,)).to_dict()["layers"])
"""
SAID = """
data must be a Data, as smidgen.data.load(NAME) returns, got 'digits'
data must be a Data, as smidgen.data.load(NAME) returns, got NetSpec(
a net must be a NetSpec, as smidgen.zoo.net(NAME) returns, got 'mnist-1k5-dw'
a recipe must be a Recipe, as in Recipe(epochs=20), got {}
a runtime must be a Runtime, as smidgen.runtime.choose('cpu') returns, got 'cpu'
methods must be a list, as in [BlurPool(), Flip()], got 'blurpool'
methods must be a list, as in [BlurPool(), Flip()], got BlurPool(
methods must be a list, as in [BlurPool(), Flip()], got None
a run is named by its folder, the folder= of train, got int
images must be a Split, as in data.test, got Data(
what is judged must be a Run, as smidgen.load_run(FOLDER) returns, got Split(
the run knows 10 classes, 0 to 9, got the label 10
the run knows 10 classes, 0 to 9, got the label -1
shifted must be a whole number >= 1, got 0
image size must be N or HxW, as in 32 or 24x32, each >= 1, got 16.5
classes of arrays must be texts in order, as in ['cat', 'owl'], got (0, 1)
the name of data must be a text, got 5
jobs must be a whole number >= 1, got 1.5
epochs must be a whole number >= 1, got 24.0
max-latency must be a number > 0, got '5ms'
out must be a path, got None
unknown profile 5; known: quick, standard, thorough
the name of a net must be a str, as in 'mnist-1k5-dw', got None
classifier classes must be a whole number, got ('0', '1',
conv out_channels must be a whole number, got 8.5
conv kernel_size must be a whole number, got 3.0
conv kernel_size must be a whole number, got '3'
conv bias must be true or false, got 1
classifier bias must be true or false, got 'no'
residual shortcut must be true or false, got np.True_
blur kernel_size must be a whole number, got (3, 3)
max_pool kernel_size must be one number, or rows and columns, got (3, 3, 3)
methods as text must be a str, as in 'cutout(length=8), mixup', got ['mixup']
a pace must be a Pace, as in Pace(save_every=60), got 3
an observer must be a function of a Report, got 3
precision must be one of float32, bfloat16, got 'float16'
device must be one of cpu, cuda, got 'mps'
threads must be a whole number >= 1, got 1.5
a target must be a str, as in 'c', got 5
a wish must be a Wish, as in sm.Wish(name='my_net'), got {}
out must be a path, got 5
the cache folder must be a path, got 5
preprocessing must be a Preprocessing, that of a run, got 'grey'
classes of a run must be texts in order, as in ['cat', 'owl'], got 'abc'
classes of mine must be texts in order, as in ['cat', 'owl'], got (0, 1)
classes of mine must be texts in order, as in ['cat', 'owl'], got 'abcdefghij'
a part of data must be a Split, as in Split(images, labels), got 5
top must be a whole number >= 1, got 1.5
classes of mine must be texts in order, as in ['cat', 'owl'], got {
classes of arrays must be texts in order, as in ['cat', 'owl'], got {'owl': 1, 'cat': 0}
labels of a split must be a tensor, got list; smidgen.data.from_arrays takes arrays and lists
images of a split must be a tensor, got ndarray; smidgen.data.from_arrays takes arrays and lists
logits must be a Tensor, as smidgen.evaluate.predict returns, got array(
logits of these images must be 360x10, got 359x10
logits of these images must be 360x10, got 360x9
seed must be a whole number in [0, 2^63), got '0'
residual holds a tuple of layers, as in (Conv(8), Blur()), got [Conv(
methods must be a list, as in [BlurPool(), Flip()], got 'blurpool'
a method must be a Method, as in BlurPool(), got 'blurpool'
a run could not be read again: method cutout argument 'length' should be a valid integer, got 8.5
a run could not be read again: method lookahead argument 'steps' should be a valid integer, got 2.5
the name of an artefact must be a str, as in 'my_net', got 5
epochs of finishing must be a whole number >= 0, got 1.5
tell must be a function of a line, got 5
never is no run folder: it has no run.json
save_every must be seconds >= 0, got 'often'
looks must be a share of images > 0, got 0
an observer must be a function of a News, got None
(1, 9, 9)
conv(out_channels=8, kernel_size=5x1)
"""


def test_an_argument_of_another_kind_is_one_line() -> None:
    process = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True)
    lines, expected = process.stdout.splitlines(), SAID.strip().splitlines()
    assert len(lines) == len(expected), process.stdout + process.stderr
    for line, begin in zip(lines, expected, strict=True):
        assert line.startswith(begin)
