"""Training that begins with the weights of a run: of which layers, and of which runs."""

import itertools
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.methods.learned import others, run

from smidgen import teacher
from smidgen.checkpoint import checkpoints
from smidgen.data import Data, DataWarning, Split, load
from smidgen.layers import Classifier, Conv, GlobalAveragePool, Shape
from smidgen.methods import BlurPool, Distill, Method, OneCycle, Pretrained, parse
from smidgen.recipe import Recipe
from smidgen.run import PICTURES, digest, load_run
from smidgen.run_folder import WEIGHTS, shared_plan
from smidgen.spec import NetSpec
from smidgen.study.plan import read_plan
from smidgen.teacher import with_teachers
from smidgen.testing import methods as promises
from smidgen.testing.given import CLASSES, NET, SINGLE, some_data
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


def test_a_bias_that_the_run_has_not_begins_as_drawn(earlier: Path) -> None:
    net = replace(NET, layers=(*NET.layers[:-1], Classifier(CLASSES, bias=True)))
    model, drawn = begun(Pretrained(str(earlier)), some_data(), net).model, net.build(0)
    ended = load_run(earlier).model.state_dict()
    for name, value in model.state_dict().items():
        expected = ended.get(name, drawn.state_dict()[name])
        torch.testing.assert_close(value, expected, rtol=0, atol=0)
    assert set(model.state_dict()) - set(ended) == {f"{LAST}0.conv.bias"}


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
    told = (
        r"it is .* with no method that changes layers, for 3 channels:"
        r" `smidgen train --from .*my-net --data noise` takes its net and methods$"
    )
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


@pytest.mark.parametrize("kind", [Pretrained, Distill])
def test_what_a_run_learned_of_others_counts_too(
    kind: type[Pretrained | Distill], tmp_path: Path
) -> None:
    """The first saw all images here, the second began with it elsewhere, the third judges here."""
    data = some_data()
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    run(first, [], data, split="full")
    inverse = Split(255 - data.train.images, data.train.labels)
    elsewhere = others(data, name="elsewhere", origin="", train=inverse)
    run(second, [Pretrained(str(first))], elsewhere, split="full")
    run(third, [Pretrained(str(second))], elsewhere, split="full")
    method, said = kind(str(third)), "third, by its pretrained run must be of the split selection"
    with pytest.raises(ValueError, match=said):
        with_teachers([method], data, "selection", NET)
    with_teachers([method], data, "full", NET)
    shutil.rmtree(first)
    with pytest.warns(UserWarning, match=r"third has learned of .*first, which is not here as it"):
        with_teachers([method], data, "selection", NET)


def test_nothing_is_fetched_for_what_a_stranger_s_run_learned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "first", [], split="full")
    given = load_run(tmp_path / "first")
    of_hub = Pretrained("hub:ann/net", digest="0123456789abcdef")
    shared = replace(given, trial=replace(given.trial, methods=(of_hub,)))

    def asked(place: object) -> None:
        raise AssertionError(place)

    monkeypatch.setattr(teacher, "load_run", asked)
    with pytest.warns(UserWarning, match="has learned of hub:ann/net, which is not here as it was"):
        teacher._require_apart_before(Pretrained("theirs"), shared, some_data(), "selection")


@pytest.mark.parametrize("method", [Pretrained, Distill])
def test_a_finished_run_is_resumed_without_the_one_that_it_learned_from(
    method: type[Pretrained | Distill], tmp_path: Path
) -> None:
    run(tmp_path / "first", [])
    methods: list[Method] = [method(str(tmp_path / "first"))]
    once = run(tmp_path / "second", methods)
    shutil.rmtree(tmp_path / "first")
    again = run(tmp_path / "second", methods, resume=True)
    assert digest(again) == digest(once)
    with pytest.raises(ValueError, match="is no run folder: there is nothing of that name"):
        run(tmp_path / "third", methods)


def test_a_cut_run_goes_on_from_its_checkpoint_without_the_one_it_began_with(
    tmp_path: Path,
) -> None:
    run(tmp_path / "first", [])
    methods: list[Method] = [Pretrained(str(tmp_path / "first")), OneCycle()]
    once = run(tmp_path / "second", methods)
    (tmp_path / "second" / WEIGHTS).unlink()
    checkpoints(tmp_path / "second")[0].unlink()
    shutil.rmtree(tmp_path / "first")
    assert digest(run(tmp_path / "second", methods, resume=True)) == digest(once)


def test_a_cut_run_without_a_checkpoint_needs_the_one_it_begins_with(tmp_path: Path) -> None:
    run(tmp_path / "first", [])
    methods: list[Method] = [Pretrained(str(tmp_path / "first"))]
    run(tmp_path / "second", methods)
    for path in [tmp_path / "second" / WEIGHTS, *checkpoints(tmp_path / "second")]:
        path.unlink()
    shutil.rmtree(tmp_path / "first")
    with pytest.raises(ValueError, match=r"pretrained run: .*first is no run folder"):
        run(tmp_path / "second", methods, resume=True)


def test_another_run_in_the_place_of_the_one_begun_with_is_told(tmp_path: Path) -> None:
    run(tmp_path / "first", [])
    method = Pretrained(str(tmp_path / "first"))
    run(tmp_path / "second", [method])
    shutil.rmtree(tmp_path / "first")
    run(tmp_path / "first", [], seed=1)
    with pytest.raises(ValueError, match=r"second holds another run: methods is .*pretrained"):
        run(tmp_path / "second", [method], resume=True)
    shutil.rmtree(tmp_path / "first")
    with pytest.raises(ValueError, match="is no run folder"):
        run(tmp_path / "second", [replace(method, digest="0123")], resume=True)


def test_the_same_pictures_in_another_size_are_no_way_to_those_held_out(tmp_path: Path) -> None:
    net = {size: NET.fitted(Shape(1, size, size), 10) for size in (8, 16)}
    small, large = load("digits"), load("digits", image_size=16)
    run(tmp_path / "all", [], small, net=net[8], split="full")
    method = Pretrained(str(tmp_path / "all"))
    for data in (large, replace(large, origin="")):
        with pytest.raises(ValueError, match="has learned 144 of the 144 images that are to be"):
            with_teachers([method], data, "selection", net[16])
    with_teachers([method], large, "full", net[16])


@pytest.mark.parametrize("alike", [False, True])
def test_copies_at_one_size_alone_do_not_mix_what_is_held_out(alike: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for place, name in itertools.product(range(24), ("owl", "hen")):
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (16, 16), np.uint8)
        if alike:
            pixels = np.full((16, 16), 10 * (place // 2) + 5 * (name == "owl"), np.uint8)
            pixels[7, 7] += place % 2  # of which nothing is left at a quarter of the size
        Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{place}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        small, large = (load(tmp_path / "photos", image_size=side) for side in (4, 16))
    net = {side: NET.fitted(Shape(1, side, side), 2) for side in (4, 16)}
    run(tmp_path / "first", [], small, net=net[4], split="selection")
    method = Pretrained(str(tmp_path / "first"))
    if not alike:
        with_teachers([method], large, "selection", net[16])
        picture = tmp_path / "photos" / "owl" / "0.png"
        shutil.copy(picture, picture.with_name("new.png"))
        with pytest.warns(DataWarning, match="no test images"):
            more = load(tmp_path / "photos", image_size=4)
        with_teachers([method], more, "selection", net[4])  # a copy is known, and changes nothing
        (tmp_path / "first" / PICTURES).unlink()  # as in runs from before it was kept
        with pytest.warns(UserWarning, match="learned some of the images that are held out now"):
            with_teachers([method], more, "selection", net[4])
        return
    with pytest.raises(ValueError, match=r"has learned \d of the \d images that are to be held"):
        with_teachers([method], large, "selection", net[16])


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("method", [Pretrained, Distill])
def test_pictures_that_were_learned_are_not_held_out_wherever_they_lie(
    method: type[Pretrained | Distill], kept: bool, tmp_path: Path
) -> None:
    """A copy of the folder with others of one class: each class has others held out."""
    random = np.random.default_rng(0)
    for place, name in itertools.product(range(30), ("owl", "hen")):
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(random.integers(0, 256, (8, 8), np.uint8))
        picture.save(tmp_path / "photos" / name / f"{place}.png")
    shutil.copytree(tmp_path / "photos", tmp_path / "more")
    for place in range(9):
        picture = Image.fromarray(random.integers(0, 256, (8, 8), np.uint8))
        picture.save(tmp_path / "more" / "hen" / f"new-{place}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        photos, more = (load(tmp_path / name, image_size=8) for name in ("photos", "more"))
    net = NET.fitted(Shape(1, 8, 8), 2)
    run(tmp_path / "first", [], photos, net=net, split="selection")
    if not kept:
        (tmp_path / "first" / PICTURES).unlink()
    said = r"has learned [1-9] of the \d images that are to be held out: .*train --from .*first"
    with pytest.raises(ValueError, match=said):
        with_teachers([method(str(tmp_path / "first"))], more, "selection", net)
    with_teachers([method(str(tmp_path / "first"))], more, "full", net)
    if not kept:
        shutil.rmtree(tmp_path / "photos")
        with pytest.warns(UserWarning, match="learned some of the images that are held out now"):
            with_teachers([method(str(tmp_path / "first"))], more, "selection", net)


@pytest.mark.parametrize(("size", "warned"), [(64, 0), (72, 1)])
def test_a_run_of_a_size_at_which_others_are_set_aside_is_told(
    size: int, warned: int, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    for place, name in itertools.product(range(9), ("owl", "hen")):
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(random.integers(0, 256, (16, 16), np.uint8))
        picture.save(tmp_path / "photos" / name / f"{place}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        small, large = (load(tmp_path / "photos", image_size=side) for side in (16, size))
    net = {side: NET.fitted(Shape(1, side, side), 2) for side in (16, size)}
    run(tmp_path / "first", [], small, net=net[16], split="full")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with_teachers([Pretrained(str(tmp_path / "first"))], large, "full", net[size])
    assert sum("may have learned some of those" in str(one.message) for one in heard) == warned


def test_a_run_below_the_folder_of_the_user_is_found(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(earlier.parent))
    monkeypatch.setenv("USERPROFILE", str(earlier.parent))
    (found,) = with_teachers([Pretrained("~/my-net")], some_data(), "full", NET)
    assert found == Pretrained(str(earlier), digest(load_run(earlier)))


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
