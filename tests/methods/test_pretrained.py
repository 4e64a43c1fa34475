"""Training that begins with the weights of a run: of which layers, and of which runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.methods.learned import others, run

from smidgen.data import Data, Split
from smidgen.layers import Classifier, Conv, GlobalAveragePool, Shape
from smidgen.methods import BlurPool, OneCycle, Pretrained, parse
from smidgen.recipe import Recipe
from smidgen.run import load_run, shared_plan
from smidgen.spec import NetSpec
from smidgen.study.plan import read_plan
from smidgen.teacher import digest, with_teachers
from smidgen.testing import methods as promises
from smidgen.testing.given import NET, SINGLE, some_data
from smidgen.text import to_text
from smidgen.training import Training
from smidgen.trial import Trial

LAST = f"{len(NET.layers) - 1}."  # of the classifier's weights


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier") / "my-net"
    run(folder, [], seed=7)
    return folder


def of_three_classes() -> Data:
    data = some_data()
    parts = {
        part: Split(getattr(data, part).images, getattr(data, part).labels % 3)
        for part in ("train", "test")
    }
    return others(data, classes=("x", "y", "z"), **parts)


def begun(method: Pretrained, data: Data, net: NetSpec = NET, **more: Any) -> Training:
    """Return a run before its first step."""
    trial = Trial(
        net=net,
        methods=with_teachers([method], data, "full", net),
        recipe=Recipe(),
        seed=0,
        data=data.name,
        fingerprint=data.fingerprint,
        split="full",
        **more,
    )
    return Training(trial, data, SINGLE)


@pytest.mark.parametrize(
    "check",
    [
        promises.is_a_frozen_value,
        promises.has_a_text_form_that_round_trips,
        promises.is_of_one_kind_and_documented,
    ],
)
def test_keeps_the_promises_of_a_value(check: promises.Check) -> None:
    check(Pretrained())


def test_all_but_the_classifier_of_other_classes_begins_as_the_run_ended(earlier: Path) -> None:
    net = NET.fitted(NET.input_shape, 3)
    model = begun(Pretrained(str(earlier)), of_three_classes(), net).model
    ended, drawn = load_run(earlier).model.state_dict(), net.build(0).state_dict()
    assert any("running_mean" in name for name in ended)
    for name, value in model.state_dict().items():
        expected = drawn if name.startswith(LAST) else ended
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)
        assert value.numel() == 1 or name.startswith(LAST) or not torch.equal(value, drawn[name])


def test_the_classifier_of_the_same_classes_is_kept(earlier: Path) -> None:
    model = begun(Pretrained(str(earlier)), some_data()).model
    for name, value in load_run(earlier).model.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=0)


def test_as_many_other_classes_are_not_the_same(earlier: Path) -> None:
    data = some_data()
    other = others(data, classes=tuple("vwxyz"))
    model, drawn = begun(Pretrained(str(earlier)), other).model.state_dict(), NET.build(0)
    for name, value in drawn.state_dict().items():
        if name.startswith(LAST):
            torch.testing.assert_close(model[name], value, rtol=0, atol=0)


def test_the_flat_vector_that_is_trained_is_that_of_the_run(earlier: Path) -> None:
    training = begun(Pretrained(str(earlier)), some_data())
    first = next(training.model.parameters())
    assert first.data_ptr() >= training.flat.weights.data_ptr()
    expected = {p.detach().flatten()[0].item() for p in load_run(earlier).model.parameters()}
    assert expected <= set(training.flat.weights.tolist())


def test_pictures_of_other_sizes_serve(earlier: Path) -> None:
    data = some_data()
    large = Split(data.train.images.repeat(1, 1, 2, 2), data.train.labels)
    data = others(data, train=large, test=large)
    net = NET.fitted(Shape(*data.shape), len(data.classes))
    first = next(iter(load_run(earlier).model.parameters()))
    torch.testing.assert_close(
        next(begun(Pretrained(str(earlier)), data, net).model.parameters()), first, rtol=0, atol=0
    )


def test_a_run_is_resumed_and_used_without_the_one_before(tmp_path: Path) -> None:
    run(tmp_path / "first", [])
    method = Pretrained(str(tmp_path / "first"))
    once = run(tmp_path / "second", [method, OneCycle()])
    (tmp_path / "first").rename(tmp_path / "moved")
    again = run(None, [Pretrained(str(tmp_path / "moved")), OneCycle()])
    assert again.trial.key == once.trial.key, "what counts is the weights, wherever they lie"
    for name, value in load_run(tmp_path / "second").model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], value, rtol=0, atol=0)
    assert run(None, [OneCycle()]).trial.key != once.trial.key
    shared = shared_plan(tmp_path / "second").decode()
    assert "pretrained(run='first'" in shared
    assert str(tmp_path) not in shared


def test_refuses_a_run_of_other_layers_or_of_images_held_out(earlier: Path) -> None:
    method, said = Pretrained(str(earlier)), "must have the layers of .* but for the classifier"
    wide = NetSpec(Shape(3, 8, 8), (Conv(24), GlobalAveragePool(), Classifier(5)), "wide")
    with pytest.raises(ValueError, match=said):
        with_teachers([method], some_data(), "full", wide)
    with pytest.raises(ValueError, match=said):
        with_teachers([method, BlurPool()], some_data(), "full", NET)
    told = r"it is .* with no method that changes layers, for 3 channels$"
    with pytest.raises(ValueError, match=told):
        with_teachers([method], some_data(), "full", wide)
    data = some_data()
    turned = others(data, preprocessing=replace(data.preprocessing, turned=True))
    with pytest.raises(ValueError, match=said):
        with_teachers([method], turned, "full", NET)
    with pytest.raises(ValueError, match=r"must be of the split selection, got full: it has lear"):
        with_teachers([method], some_data(), "selection", NET)
    with pytest.raises(ValueError, match=r"must have the digest 0123, got [0-9a-f]{16}$"):
        with_teachers([replace(method, digest="0123")], some_data(), "full", NET)


def test_a_study_asks_for_the_digest_when_it_is_planned(tmp_path: Path) -> None:
    data = some_data()
    net = {"name": "own", "layers": [to_text(layer) for layer in NET.layers]}
    run(tmp_path / "first", [])
    (tmp_path / "s.toml").write_text(
        'name = "s"\ndata = "noise"\nseeds = [0]\n[[nets]]\nname = "own"\n'
        f"input = [3, 8, 8]\nlayers = {net['layers']}\n"
        '[[trials]]\nnets = ["own"]\n'
        f"""methods = [[], ["pretrained(run='{tmp_path / "first"}')"]]\n"""
    )
    _, job = read_plan(tmp_path / "s.toml").jobs(data)
    (planned,) = job.trial.methods
    assert isinstance(planned, Pretrained)
    assert planned.digest == digest(load_run(tmp_path / "first"))
    assert parse(to_text(planned)) == (planned,)
