"""A trained model as it is used."""

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.waiting import PATIENCE, ending

import smidgen as sm
from smidgen.answer import Answer
from smidgen.data import Data, DataError, DataWarning, Preprocessing, Split
from smidgen.evaluate import predict
from smidgen.export.artefact import source_of
from smidgen.export.onnx import to_onnx
from smidgen.layers import Shape
from smidgen.model import Model, load, model_of
from smidgen.recipe import Recipe
from smidgen.run import Run, load_run
from smidgen.run_folder import MODEL, PLAN
from smidgen.train import train

SEEN = Preprocessing(6, 8, "rgb", 3, fit="crop")


def colours() -> Data:
    """Return pictures of one colour each, and the name of their strongest channel."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(96) % 3
    images = torch.randint(0, 90, (96, 3, 6, 8), generator=generator, dtype=torch.uint8)
    images[torch.arange(96), labels] += 150
    return Data(
        "colours",
        Split(images[:72], labels[:72]),
        Split(images[72:], labels[72:]),
        ("red", "green", "blue"),
        preprocessing=SEEN,
        origin="/far/away/colours",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "colours"
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(3, 6, 8), 3)
    train(spec, colours(), recipe=Recipe(epochs=12, batch_size=12), folder=place)
    return place


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder)


@pytest.fixture
def red(tmp_path: Path) -> Path:
    """Return a picture that is red in the middle alone, larger and wider than the net's."""
    picture = Image.new("RGB", (120, 30), (10, 10, 230))
    picture.paste((230, 10, 10), (40, 0, 80, 30))
    picture.paste((10, 10, 10), (40, 0, 60, 8))  # or upside down would be the same
    picture.save(tmp_path / "red.png")
    return tmp_path / "red.png"


def test_what_a_picture_goes_through_is_kept_with_the_run(folder: Path) -> None:
    run = load_run(folder)
    assert run.preprocessing == SEEN
    assert run.origin == "/far/away/colours"


def test_the_key_of_a_trial_does_not_know_of_it(folder: Path) -> None:
    form = json.loads((folder / PLAN).read_text())
    assert form["preprocessing"] == SEEN.to_dict()
    assert load_run(folder).trial.key == form["key"]


def test_every_way_to_give_a_picture_gets_the_same_answer(model: Model, red: Path) -> None:
    image = Image.open(red)
    array = np.asarray(image)
    tensor = torch.from_numpy(array.transpose(2, 0, 1).copy())
    upload = BytesIO(red.read_bytes())
    ways = (red, str(red), red.read_bytes(), image, array, tensor, upload, upload)
    answers = [model.predict(given) for given in ways]
    assert model.predict(array.transpose(2, 0, 1)) == answers[0]
    assert {answer.name for answer in answers} == {"red"}
    assert len(set(answers)) == 1, answers


def test_a_picture_is_cut_as_the_run_says(model: Model, folder: Path, red: Path) -> None:
    run = load_run(folder)
    pixels = SEEN.pixels(Image.open(red)).transpose(2, 0, 1)[None].copy()
    logits = predict(run.model, torch.from_numpy(pixels), run.mean, run.std)
    shares = logits.double().softmax(1)[0]
    found = model.predict(red).probabilities
    assert [found[name] for name in run.classes] == pytest.approx(shares.tolist(), abs=1e-9)


@pytest.mark.parametrize("many", [list, tuple, np.stack, "tensor"])
def test_many_pictures_are_answered_in_order(many: Any, model: Model) -> None:
    images = colours().test.images
    if many == "tensor":
        found = model.predict(images)
    else:
        found = model.predict(many([i.permute(1, 2, 0).numpy() for i in images]))
    assert isinstance(found, list)
    expected = [model.predict(image) for image in images]
    assert [a.name for a in found] == [a.name for a in expected]
    assert len({answer.name for answer in found}) == 3, "or the order is not seen"


def test_a_large_jpeg_is_answered_as_its_pixels_are(model: Model, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    photo = Image.fromarray(noise).resize((3000, 2250), Image.Resampling.NEAREST)
    photo.save(tmp_path / "large.jpg", quality=90)
    whole = np.asarray(Image.open(tmp_path / "large.jpg"))
    expected = model.predict(whole).probabilities
    assert model.predict(tmp_path / "large.jpg").probabilities == expected
    assert model.predict((tmp_path / "large.jpg").read_bytes()).probabilities == expected


def test_no_picture_is_lost_when_there_are_more_than_a_batch(model: Model) -> None:
    images = list(colours().train.images) * 3
    told = list(model.each(images))
    assert len(told) == len(images) == 216
    assert [t.answer and t.answer.name for t in told[:72]] == [
        t.answer and t.answer.name for t in told[72:144]
    ]


def test_what_lies_in_memory_is_read_before_it_is_written_again() -> None:
    def answered(pixels: Any) -> Any:
        return pixels.reshape(len(pixels), -1)[:, :2] / 9

    def frames(frame: Any) -> Iterator[Any]:
        for number in range(100):
            frame[:] = 0
            frame[0, number % 2] = 90
            yield frame

    mine = Model("mine", ("left", "right"), Preprocessing(6, 8, "grey", 1), answered)
    for frame in (np.zeros((6, 8), np.uint8), np.zeros((6, 8, 3), np.uint8)):
        names = [told.answer and told.answer.name for told in mine.each(frames(frame))]
        assert names == ["left", "right"] * 50


def test_one_picture_that_is_not_decoded_yet_may_come_several_times(model: Model) -> None:
    file = BytesIO()
    Image.effect_noise((900, 900), 40).convert("RGB").save(file, "PNG")
    image = Image.open(BytesIO(file.getvalue()))
    first, *others = model.predict([image] * 8)
    for one in others:  # a place in the batch may change the last bits on some processors
        assert dict(one.ranking) == pytest.approx(dict(first.ranking), rel=1e-5)


def test_a_broken_picture_stops_none_of_the_others(model: Model, red: Path) -> None:
    half = Image.open(BytesIO(red.read_bytes()[:80]))
    closed = Image.open(red)
    closed.close()
    strange = Image.new("La", (8, 8))  # Pillow turns it into nothing that a net sees
    told = list(model.each([red, b"nothing", half, closed, strange, red]))
    assert [t.answer is None for t in told] == [False, True, True, True, True, False]
    assert all("no readable picture" in t.error for t in told[1:5])
    with pytest.raises(DataError, match=r"picture 1 of 2: .*no readable picture"):
        model.predict([red, b"nothing"])


@pytest.mark.parametrize("single", ["photos", b"photos", None, 7, BytesIO()])
def test_a_path_is_not_gone_through_letter_by_letter(single: Any, model: Model) -> None:
    with pytest.raises(DataError, match=rf"each takes many pictures, .* got {single!r}"):
        next(model.each(single))
    with pytest.raises(DataError, match=r"each takes many pictures, .* got an array 20 x 30 x 3"):
        next(model.each(np.zeros((20, 30, 3), np.uint8)))


def test_who_stops_waits_for_no_picture_that_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, told = itertools.count(), Event()
    opened: list[object] = []

    def slowly(picture: object) -> Image.Image:
        if next(begun) >= 64:  # answered at once
            told.wait(PATIENCE)
        opened.append(picture)
        return Image.new("RGB", (8, 6))

    def interrupted(_: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("smidgen.model.open_picture", slowly)
    monkeypatch.setattr("smidgen.model.ThreadPoolExecutor", ending(told))
    monkeypatch.setattr("smidgen.model.processors", lambda: 2)
    with pytest.raises(KeyboardInterrupt):
        list(Model("mine", ("cat", "owl"), SEEN, interrupted).each([b""] * 200))
    assert 64 <= len(opened) <= 66, "64 are answered at once, and two more were begun"


def test_who_is_interrupted_waits_for_no_picture_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    go = Event()
    begun, ended = itertools.count(), list[object]()

    def slowly(picture: object) -> Image.Image:
        if next(begun) >= 64:  # answered at once
            go.wait(5)
            ended.append(picture)
        return Image.new("RGB", (8, 6))

    def interrupted(_: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("smidgen.model.open_picture", slowly)
    monkeypatch.setattr("smidgen.model.processors", lambda: 2)
    with pytest.raises(KeyboardInterrupt):
        list(Model("mine", ("cat", "owl"), SEEN, interrupted).each([b""] * 200))
    assert ended == []
    go.set()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((6, 8, 3), np.float32), r"bytes \(uint8\), got float32"),
        (np.zeros((6, 8, 3), np.int64), r"bytes \(uint8\), got int64"),
        (torch.zeros(3, 6, 8), r"bytes \(uint8\), got float32"),
        (torch.zeros(3, 6, 8, dtype=torch.bfloat16), r"bytes \(uint8\), got float32"),
        (torch.zeros(3, 6, 8).to_sparse(), "a tensor must be dense numbers in memory"),
        ([np.zeros((5, 6, 8), np.uint8)], "a picture must be a single one, got 5 x 6 x 8: 5"),
        (np.zeros((6, 8, 5), np.uint8), "height x width x 3, got 6 x 8 x 5"),
        (torch.zeros(6, 8, 3, dtype=torch.uint8), "a tensor must be 3 x height x w.*got 6 x 8 x 3"),
        (np.zeros(8, np.uint8), "or n x height x width x 3, got 8"),
        (torch.zeros(8, dtype=torch.uint8), "a tensor must be 3 x height x width or n x .*got 8"),
        (np.zeros((0, 8), np.uint8), "got 0 x 8"),
        (7, "a picture must be a path, .*got int"),
        ("no-such-file.jpg", "no-such-file.jpg cannot be read: No such file"),
    ],
)
def test_wrong_arrays_are_refused_and_never_answered(wrong: Any, said: str, model: Model) -> None:
    with pytest.raises(DataError, match=said):
        model.predict(wrong)


def test_a_folder_is_refused_with_the_call_that_takes_its_pictures(
    model: Model, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"is a folder: name its pictures, as in model.predict\("):
        model.predict(tmp_path)
    (told,) = model.each([str(tmp_path)])
    assert told.error.startswith(f"{tmp_path} is a folder")


@pytest.mark.parametrize(
    ("top", "factor", "told"),
    [
        (1, 1, "uint8, seem to be in another unit than those trained on, 0 to 1: "),
        (1, 1 / 255, None),
        (255, 1 / 255, "float64, seem .* 0 to 255: "),
        (255, 1.0, None),
        (255, 1, None),
        (200, 1.0, None),  # some are beyond, as of a hot day
    ],
)
def test_values_of_another_unit_than_those_trained_on_are_told(
    top: int, factor: float, told: str | None, model: Model
) -> None:
    how = replace(SEEN, offset=(0.0,) * 3, scale=(top / 255,) * 3)
    valued = replace(model, preprocessing=how)
    picture = np.arange(0, 251, 5, dtype=np.uint8)[: 6 * 8].repeat(3)[: 6 * 8 * 3].reshape(6, 8, 3)
    picture[0, 0], picture[-1, -1] = 0, 250
    expected = pytest.warns(DataWarning, match=told) if told else nullcontext()
    for given in (picture * factor, torch.from_numpy(picture * factor).permute(2, 0, 1)):
        with expected:
            valued.predict(given)


def unlearned(pixels: Any) -> Any:
    return np.zeros((len(pixels), 3))


@pytest.mark.parametrize(
    ("factor", "scale", "told"),
    [
        (16, 0.0, None),
        (1, 0.0, "a picture of more than 8 bits has 12 in use, and is taken by the range of 16"),
        (1, 16.0, None),
        (16, 16.0, "uint16, seem to be in another unit than those trained on, 0 to 4080"),
    ],
)
def test_a_deep_picture_of_another_range_is_told_however_it_is_given(
    factor: int, scale: float, told: str | None, model: Model, tmp_path: Path
) -> None:
    how = Preprocessing(6, 8, "grey", 1)
    if scale:
        how = replace(how, offset=(0.0,), scale=(scale,))
    asked = replace(model, preprocessing=how, infer=unlearned)
    values = np.linspace(500, 4000, 48).astype(np.uint16).reshape(6, 8) * factor
    deep, file = Image.fromarray(values), tmp_path / "deep.png"
    deep.save(file)
    for given in (deep, file, file.read_bytes()):
        with pytest.warns(DataWarning, match=told) if told else nullcontext():
            asked.predict(given)


def test_a_window_of_another_length_is_told(model: Model) -> None:
    how = Preprocessing(1, 8, "channels", 2, offset=(0.0,) * 2, scale=(1.0,) * 2)
    asked = replace(model, preprocessing=how, infer=unlearned)
    window = np.arange(8.0).reshape(1, 4, 2)
    with pytest.warns(DataWarning, match="a window of 1x4 is fitted to 1x8") as said:
        asked.predict([window] * 3)
    assert len({str(one.message) for one in said}) == 1
    asked.predict(np.arange(16.0).reshape(8, 2))
    shrunk = replace(asked, preprocessing=replace(how, length=24))
    with pytest.warns(DataWarning, match="of 1x8 is fitted to 1x8; those trained on have 1x24$"):
        shrunk.predict(np.arange(16.0).reshape(8, 2))
    shrunk.predict(np.arange(48.0).reshape(24, 2))  # and no warning, which would end the test


def test_what_is_taken_for_granted_of_windows_as_text_names_the_first_file(
    model: Model, tmp_path: Path
) -> None:
    how = Preprocessing(1, 4, "grey", 1, offset=(0.0,), scale=(1.0,), interval=20.0, unit="ms")
    asked = replace(model, preprocessing=how, infer=unlearned)
    files = [tmp_path / f"{number}.csv" for number in range(3)]
    for file, step in zip(files, (20, 40, 40), strict=True):
        file.write_text("t_ms,x\n" + "".join(f"{step * row},1\n" for row in range(4)))
    pace = "windows as text are read so: moments are 40 ms apart, "
    for given, starts in ((files, f"{files[1]} (and 1 more): "), (files[2], f"{files[2]}: ")):
        with pytest.warns(DataWarning) as said:
            asked.predict(given)
        assert [f"{one.message}".startswith(f"{starts}{pace}") for one in said].count(True) == 1
        assert all(f"{one.message}".startswith(str(tmp_path)) for one in said)


def test_a_file_of_text_is_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with (tmp_path / "a").open() as file, pytest.raises(DataError, match="must be open for bytes"):
        model.predict(file)


def test_a_run_is_loaded_as_it_is(folder: Path, red: Path) -> None:
    assert sm.load(load_run(folder)).predict(red).name == "red"


def test_a_grey_picture_is_answered_by_a_net_of_colours(model: Model) -> None:
    assert isinstance(model.predict(np.full((20, 20), 99, np.uint8)), Answer)


def test_no_pictures_have_no_answers(model: Model) -> None:
    assert model.predict([]) == []


def test_a_model_shows_what_it_takes_and_tells(model: Model) -> None:
    said = repr(model)
    for part in ("mnist-1k5-dw", "RGB 6x8, cropped", "3 classes: red, green, blue"):
        assert part in said
    said = repr(Model("a\x1b[2J", ("cat\x07", "owl"), SEEN, model.infer))
    assert said.isprintable()
    assert r"2 classes: cat\x07, owl" in said


def test_a_design_s_folder_is_its_model_s(folder: Path, tmp_path: Path, red: Path) -> None:
    shutil.copytree(folder, tmp_path / "mine" / MODEL)
    assert sm.load(tmp_path / "mine").predict(red).name == "red"


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("preprocessing", '"height": 31', "onnxruntime cannot run the model: .* Got: 31"),
        ("classes", '["a", "a", "b"]', "classes must be several that differ"),
        ("net", "\x1b[2Jnet", "net must be letters, digits and"),
        ("classes", "[]", "classes must be several that differ"),
        ("classes", '["a", "b"]', "a model of 2 classes must give n x that, got 1x3"),
        ("classes", "[" * 100_000, "maximum recursion depth"),
    ],
)
def test_an_onnx_file_that_is_not_as_its_card_says_is_refused(
    name: str, changed: str, said: str, folder: Path, tmp_path: Path, red: Path
) -> None:
    source = source_of(load_run(folder), colours())
    card = source.card()
    card = {**card, name: re.sub('"height": [0-9]+', changed, card[name])}
    card = {**card, name: changed} if name != "preprocessing" else card
    (tmp_path / "net.onnx").write_bytes(to_onnx(source.program, card))
    with pytest.raises(ValueError, match=said):
        load(tmp_path / "net.onnx").predict(red)


def test_a_run_that_names_no_version_has_a_card(folder: Path) -> None:
    run = replace(load_run(folder), versions={})
    assert source_of(run, colours()).card()["made_by"] == "smidgen of an unknown version"


@pytest.mark.parametrize("turned", [False, True])
def test_a_card_says_at_the_input_that_rows_and_columns_are_exchanged(
    folder: Path, turned: bool
) -> None:
    run = load_run(folder)
    run = replace(run, preprocessing=replace(run.preprocessing, turned=turned))
    end = ", rows and columns of the picture exchanged" if turned else ""
    assert source_of(run, colours()).card()["input"] == f"uint8 (n, 3, 6, 8), 0 to 255{end}"


def test_an_onnx_file_says_the_same(folder: Path, tmp_path: Path, red: Path) -> None:
    run = load_run(folder)
    source = source_of(run, colours())
    (tmp_path / "net.onnx").write_bytes(to_onnx(source.program, source.card()))
    loaded = load(tmp_path / "net.onnx")
    assert loaded.preprocessing == SEEN
    assert loaded.name == "mnist-1k5-dw"
    here, there = model_of(run).predict(red), loaded.predict(red)
    assert there.name == here.name
    assert there.probabilities == pytest.approx(here.probabilities, abs=1e-5)


def test_a_model_answers_the_same_in_another_process(
    folder: Path, tmp_path: Path, red: Path
) -> None:
    onnx = source_of(load_run(folder), colours())
    (tmp_path / "net.onnx").write_bytes(to_onnx(onnx.program, onnx.card()))
    with get_context("spawn").Pool(1) as pool:  # where nothing is inherited
        for place in (folder, tmp_path / "net.onnx"):
            loaded = load(place)
            assert pool.apply(loaded.predict, (str(red),)) == loaded.predict(red)


def test_a_run_from_before_is_read_with_a_warning(folder: Path, tmp_path: Path, red: Path) -> None:
    old = shutil.copytree(folder, tmp_path / "old")
    form = json.loads((old / PLAN).read_text())
    del form["preprocessing"], form["origin"], form["sha256"]
    (old / PLAN).write_text(json.dumps(form))
    with pytest.warns(UserWarning, match="does not say what its pictures went through; taken is"):
        run: Run = load_run(old)
    assert run.preprocessing == Preprocessing(6, 8, "rgb", 3)
    assert run.origin == "colours"


def refused_plan(folder: Path, tmp_path: Path, **changed: Any) -> str:
    other = shutil.copytree(folder, tmp_path / "changed")
    form = json.loads((other / PLAN).read_text()) | changed
    del form["sha256"]
    (other / PLAN).write_text(json.dumps(form))
    with pytest.raises(ValueError, match=r"run\.json: ") as raised:
        load_run(other)
    return str(raised.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"preprocessing": SEEN.to_dict() | {"height": 7}},
            "must make the net's 3x6x8, got .*3x7x8",
        ),
        (
            {"preprocessing": SEEN.to_dict() | {"heigth": 7}},
            "'heigth'; did you mean 'height'",
        ),
        ({"preprocessing": [1]}, "preprocessing must be a table"),
        ({"origin": 7}, "origin must be a text, got 7"),
    ],
)
def test_a_plan_that_does_not_fit_the_net_is_one_line(
    changed: dict[str, Any], said: str, folder: Path, tmp_path: Path
) -> None:
    assert re.search(said, refused_plan(folder, tmp_path, **changed))


@pytest.mark.parametrize(
    ("made", "name", "said"),
    [
        (None, "it", "there is nothing of that name"),
        (None, "it.onnx", "cannot be read: No such file"),
        ("it/else.txt", "it", "it has no run.json, and no model/ of a design"),
        ("it/design.db", "it", "a design that has not ended"),
        ("it/design.db it/design.toml", "it", "ended, but its model/ is gone: smidgen train"),
        ("it.onnx", "it.onnx", "no ONNX model that onnxruntime"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(
    made: str | None, name: str, said: str, tmp_path: Path
) -> None:
    for one in (made or "").split():
        (tmp_path / one).parent.mkdir(exist_ok=True)
        (tmp_path / one).write_text("?")
    with pytest.raises(ValueError, match=said) as raised:
        load(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_a_file_of_several_pages_is_asked_about_its_first_and_told(
    folder: Path, tmp_path: Path
) -> None:
    pages = [Image.fromarray(np.full((6, 8, 3), of, np.uint8)) for of in ((9, 9, 200), (200, 9, 9))]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.warns(DataWarning, match="several pages, of which the first is asked about"):
        answer = load(folder).predict(tmp_path / "stack.tif")
    assert answer == load(folder).predict(pages[0])


def test_damaged_exif_of_a_picture_is_told_in_our_words(folder: Path, tmp_path: Path) -> None:
    half_a_tag = b"Exif\0\0II*\0\x08\0\0\0\1\0" + bytes(10)
    Image.new("L", (8, 6), 99).save(tmp_path / "odd.jpg", exif=half_a_tag)
    with pytest.warns(DataWarning, match="^a picture has damaged EXIF") as told:
        load(folder).predict(tmp_path / "odd.jpg")
    assert len(told) == 1
