"""What is in memory is data like any other: any numbers, any channels, found again later."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.conftest import pixels
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

import smidgen as sm
from smidgen.cli import main
from smidgen.data import Data, DataError, DataWarning, Preprocessing, from_arrays, load
from smidgen.export.artefact import Wish

# pictures set aside, of a range, or judged twice are told; what is told is tested by itself
pytestmark = pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
EVEN = np.arange(40) % 2


def test_bytes_stay_as_they_are() -> None:
    images, other = pixels(0, 40, 6, 5), pixels(1, 4, 6, 5)
    data = from_arrays(images, EVEN, ["cat", "dog"], test=(other, [1, 0, 1, 0]))
    assert data.train.images[:, 0].equal(torch.from_numpy(images))
    assert data.test.labels.tolist() == [1, 0, 1, 0]
    assert (data.classes, data.preprocessing) == (("cat", "dog"), Preprocessing(6, 5, "grey", 1))
    assert data.notes == ()


def test_without_a_test_part_one_is_set_aside() -> None:
    data = from_arrays(pixels(0, 40, 6, 5, 3), EVEN, ["cat", "dog"])
    assert len(data.train) + len(data.test) == 40
    assert any("set aside" in note for note in data.notes)


def test_labels_of_more_digits_than_python_reads_are_names() -> None:
    names = "1" * 5_000, "2" * 5_000
    assert from_arrays(pixels(0, 40, 6, 5), [*names] * 20).classes == names


def test_a_long_label_of_another_kind_is_a_short_line() -> None:
    with pytest.raises(DataError, match="must be a whole number or a name") as refused:
        from_arrays(pixels(0, 40, 6, 5), [{"name": "x" * 10_000}] * 40)
    assert len(str(refused.value)) < 400


def test_what_is_decided_of_arrays_is_told_as_of_files() -> None:
    images = pixels(0, 40, 6, 5)
    with pytest.warns(DataWarning, match="set aside") as said:
        data = from_arrays(images, EVEN)
    assert [str(one.message) for one in said] == [f"arrays: {note}" for note in data.notes]
    with pytest.warns(DataWarning, match="3 pictures to judge on are also trained on"):
        from_arrays(images, EVEN, test=(images[:3], EVEN[:3]))


@pytest.mark.parametrize("several", [list, np.asarray])
def test_truth_values_are_black_and_white(several: Any) -> None:
    images = pixels(0, 40, 6, 5) > 127
    data = from_arrays(several(images), EVEN, test=(several(images[:2]), [0, 1]))
    assert data.train.images[:, 0].equal(torch.from_numpy(images * np.uint8(255)))


@pytest.mark.parametrize("sides", [(4, 9, 3), (3, 4, 4)])
def test_pictures_of_few_rows_have_their_channels_last(sides: tuple[int, ...]) -> None:
    images = pixels(0, 40, *sides)
    data = from_arrays(images, EVEN, test=(pixels(1, 2, *sides), [0, 1]))
    assert data.train.images.permute(0, 2, 3, 1).equal(torch.from_numpy(images))
    assert data.notes == ()


@pytest.mark.parametrize("sides", [(1, 128, 6), (1, 128, 9), (3, 9, 7)])
def test_windows_of_sensors_have_their_channels_last(sides: tuple[int, ...]) -> None:
    images = pixels(0, 40, *sides)
    data = from_arrays(images, EVEN, test=(pixels(1, 2, *sides), [0, 1]))
    assert data.train.images.permute(0, 2, 3, 1).equal(torch.from_numpy(images))
    (note,) = data.notes
    assert note.startswith(f"pictures of {'x'.join(map(str, sides))} are taken for {sides[2]} chan")


@pytest.mark.parametrize("sides", [(1, 8, 8), (3, 5, 5), (3, 32, 32), (1, 12, 16), (4, 9, 8)])
def test_arrays_of_few_channels_may_have_them_first(sides: tuple[int, ...]) -> None:
    images = pixels(0, 40, *sides)
    data = from_arrays(images, EVEN, test=(pixels(1, 2, *sides), [0, 1]))
    assert data.train.images.equal(torch.from_numpy(images))
    assert len(data.notes) == (sides[1] != sides[2])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([[1, 0, 0], [1, 1, 0]] * 20, "train must have one label a picture, 40, got 40x3"),
        ([[0.3, 0.7], [0.8, 0.2]] * 20, "train must have one label a picture, 40, got 40x2"),
        ([0.0, float("nan")] * 20, "20 of 40 pictures have no label, or -1: arrays train row 1; "),
    ],
)
def test_several_labels_and_none_are_refused(labels: list[Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        from_arrays(pixels(0, 40, 6, 5), np.array(labels))


def test_batches_are_no_pictures() -> None:
    pairs = TensorDataset(torch.from_numpy(pixels(0, 40, 1, 6, 5)), torch.from_numpy(EVEN))
    with pytest.raises(DataError, match=r"got a DataLoader, which .*: loader\.dataset is"):
        from_arrays(DataLoader(pairs, batch_size=8))


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_any_number_of_channels(channels: int) -> None:
    images = pixels(0, 40, 6, 5, channels)
    data = from_arrays(images, EVEN, test=(pixels(1, 2, 6, 5, channels), [0, 1]))
    assert data.shape == (channels, 6, 5)
    assert data.preprocessing.color == "channels"
    assert data.train.images.permute(0, 2, 3, 1).equal(torch.from_numpy(images))


def test_each_channel_has_the_range_of_its_training_values() -> None:
    generator = np.random.default_rng(0)
    images = generator.normal([300.0, -2.0], [9.0, 0.5], (40, 6, 5, 2))
    test = (images[:2] * 1000, [0, 1])  # far beyond: it has no say
    data = from_arrays(images, EVEN, test=test)
    how = data.preprocessing
    assert how.offset == pytest.approx(images.min(axis=(0, 1, 2)))
    assert [255 * s for s in how.scale] == pytest.approx(np.ptp(images, axis=(0, 1, 2)))
    assert data.train.images.amin((0, 2, 3)).tolist() == [0, 0]
    assert data.train.images.amax((0, 2, 3)).tolist() == [255, 255]
    assert np.array_equal(how.pixels(images[7]), data.train.images[7].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("factor", [1, 100, 0.001])
@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_part_in_another_unit_is_told_with_the_share_that_is_clipped(
    part: str, factor: float
) -> None:
    images = np.random.default_rng(0).normal(size=(40, 1, 32, 2))
    given: dict[str, Any] = {part: (images[:8] * factor, EVEN[:8])}
    notes = from_arrays(images, EVEN, **given).notes
    told = [note for note in notes if "another unit" in note]
    if factor == 1:
        assert not told
        return
    assert len(told) == 1
    assert told[0].startswith(f"the values of the {part} pictures, ")
    ends = "9[0-9] % of them are clipped" if factor > 1 else "all become one level"
    assert re.search(f" seem to be in another unit .*: {ends}$", told[0])


@pytest.mark.parametrize("channels", [1, 3])
def test_one_value_that_takes_the_range_from_all_others_is_told(channels: int) -> None:
    images = np.random.default_rng(0).normal(size=(40, 1, 32, channels))
    plain = from_arrays(images, EVEN).notes
    assert not any("levels" in note or "once values are bytes" in note for note in plain)
    images[17, 0, 5, 0] = 1e5
    data = from_arrays(images, EVEN, test=(images[:2], [0, 1]), name="mine")
    told = next(note for note in data.notes if "levels" in note)
    of = " in channel 0" if channels == 3 else ""
    assert told.startswith(f"mine train row 17 has the value 100000{of}, where nearly all others")
    assert "these become 1 of 256 levels" in told
    if channels == 3:
        assert any(f"and channel 0 {100000 - images[..., 0].min():g}: " in n for n in data.notes)
    else:
        told = "once values are bytes, 41 pictures are the same as one of another class, of 42"
        assert told in data.notes


def test_three_axes_of_a_sensor_in_their_own_units_have_a_range_each() -> None:
    images = np.random.default_rng(0).normal(size=(40, 1, 64, 3)) * [100, 1, 0.01]
    data = from_arrays(images, EVEN, test=(images[:2], [0, 1]))
    assert data.preprocessing.color == "channels"
    assert [len(data.train.images[:, one].unique()) > 150 for one in range(3)] == [True] * 3
    assert any(note.startswith("channel 2 spans 0.0") for note in data.notes)
    together = from_arrays(images, EVEN, test=(images[:2], [0, 1]), color="rgb").preprocessing
    assert (together.color, len(set(together.scale))) == ("rgb", 1)


@pytest.mark.parametrize(
    "images",
    [
        pixels(0, 40, 6, 5, 3) / 255,
        pixels(0, 40, 6, 5, 3) / 255 * [1, 0.5, 0.1],  # 0 to 1 stays so, however dark
        pixels(0, 40, 6, 5, 3).astype(np.int32) // [1, 2, 9],
        pixels(0, 40, 6, 5, 3) * [1.0, 1, 0.3],
        pixels(0, 40, 6, 5, 3) / 127.5 - 1,
    ],
    ids=["zero to one", "dark blue", "bytes in larger numbers", "0 to 255", "signed"],
)
def test_colours_have_one_range_whatever_their_numbers(images: Any) -> None:
    how = from_arrays(images, EVEN, test=(images[:2], [0, 1])).preprocessing
    assert (how.color, len(set(how.offset)), len(set(how.scale))) == ("rgb", 1, 1)


@pytest.mark.parametrize(
    ("sides", "way"),
    [
        ((96, 3), "images[:, None]"),
        ((6, 40), "images.transpose(0, 2, 1)[:, None]"),
        ((1, 96), None),
        ((8, 8), None),
        ((24, 32), None),
    ],
)
def test_windows_without_an_axis_for_channels_are_told(
    sides: tuple[int, int], way: str | None
) -> None:
    images = pixels(0, 40, *sides)
    of_bytes, of_values = (
        [note for note in from_arrays(values, EVEN).notes if "windows of" in note]
        for values in (images, images - 0.5)
    )
    assert not of_bytes
    assert len(of_values) == (way is not None)
    if way is not None:
        assert of_values[0].endswith(f"must be n x 1 x {max(sides)} x {min(sides)}, as {way} is")
        assert eval(way, {"images": images}).shape == (40, 1, max(sides), min(sides))


@pytest.mark.parametrize(
    ("images", "offset", "top"),
    [
        (pixels(0, 40, 6, 5).astype(np.int64), 0, 255),
        ((pixels(0, 40, 6, 5) / 255).astype(np.float32), 0, 1),
        (pixels(0, 40, 6, 5).astype(np.int16) - 128, -128, 127),
        (pixels(0, 40, 6, 5).astype(np.uint16) * 16, 0, 4080),
    ],
    ids=["bytes in larger numbers", "zero to one", "signed", "12 bits"],
)
def test_values_become_bytes_by_their_range(images: Any, offset: float, top: float) -> None:
    how = from_arrays(images, EVEN, test=(images[:2], [0, 1])).preprocessing
    assert how.offset == (offset,)
    assert how.offset[0] + 255 * how.scale[0] == pytest.approx(top)


def test_tensors_of_bfloat16_are_those_of_their_values() -> None:
    images = torch.from_numpy(pixels(0, 40, 1, 6, 5)).bfloat16()
    half = from_arrays(images, torch.from_numpy(EVEN).bfloat16())
    assert half.fingerprint == from_arrays(images.float(), EVEN).fingerprint


def test_tensors_have_their_channels_first() -> None:
    images = torch.from_numpy(pixels(0, 40, 3, 9, 8))
    data = from_arrays(images, torch.from_numpy(EVEN), test=(images[:2], torch.tensor([0, 1])))
    assert data.train.images.equal(images)


@pytest.mark.parametrize("sides", [(20, 17, 3), (17, 30, 4), (28, 28, 1)])
def test_tensors_whose_channels_seem_to_be_last_are_told(sides: tuple[int, int, int]) -> None:
    images = torch.from_numpy(pixels(0, 6, *sides))
    labels, named = torch.arange(6) % 2, "x".join(map(str, sides))
    pairs = torch.utils.data.TensorDataset(images, labels)
    asked: tuple[Any, ...] = ((images, labels), (pairs,))
    for given in asked:
        data = from_arrays(*given)
        told = [note for note in data.notes if note.startswith("tensors are channels x height x")]
        assert len(told) == 1
        assert f"so that {named} are {sides[0]} channels of {sides[1]}x{sides[2]} pixels" in told[0]
    right = from_arrays(images.permute(0, 3, 1, 2), labels)
    assert not any("channels" in note for note in right.notes)


@pytest.mark.parametrize(
    "sides",
    [
        *((1, 28, 28), (3, 32, 32), (3, 3, 3), (3, 64, 3), (16, 40, 3), (12, 224, 224)),
        *((64, 128, 1), (200, 3, 3), (256, 7, 7), (512, 4, 4), (512, 1, 1), (128, 2, 40)),
    ],
)
def test_tensors_of_many_channels_are_not_doubted(sides: tuple[int, int, int]) -> None:
    data = from_arrays(torch.from_numpy(pixels(0, 6, *sides)), torch.arange(6) % 2)
    assert not any("channels" in note for note in data.notes)


class Pairs(Dataset[tuple[Any, int]]):
    """A data set as torchvision's are."""

    classes = ("ash", "oak")

    def __init__(self, seed: int, count: int) -> None:
        self.seed, self.count = seed, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Any, int]:
        image = Image.fromarray(pixels(self.seed + number, 20 + number % 3, 30, 3))
        return image, number % 2


def test_a_torch_data_set_of_images() -> None:
    data = from_arrays(Pairs(0, 40), test=Pairs(900, 4), image_size=8)
    assert (data.classes, data.shape) == (("ash", "oak"), (3, 8, 8))
    assert data.test.labels.tolist() == [0, 1, 0, 1]
    first = data.preprocessing.pixels(Image.fromarray(pixels(900, 20, 30, 3)))
    assert np.array_equal(data.test.images[0].permute(1, 2, 0).numpy(), first)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_part_of_a_data_set_has_its_names(depth: int) -> None:
    part: Any = Pairs(0, 40)
    for _ in range(depth):
        part = Subset(part, range(len(part)))
    assert from_arrays(part, image_size=8).classes == Pairs.classes


def test_a_data_set_without_names_is_told() -> None:
    pairs = TensorDataset(torch.from_numpy(pixels(0, 40, 1, 6, 5)), torch.from_numpy(EVEN))
    said = "classes are called by their numbers"
    assert any(said in note for note in from_arrays(pairs).notes)
    for named in (
        from_arrays(pairs, classes=("cat", "owl")),
        from_arrays(pixels(0, 40, 6, 5), EVEN),
    ):
        assert not any(said in note for note in named.notes)


def test_a_torch_data_set_of_tensors() -> None:
    tensors = torch.utils.data.TensorDataset(
        torch.from_numpy(pixels(0, 40, 3, 6, 5)), torch.from_numpy(EVEN)
    )
    data = from_arrays(tensors, classes=["cat", "dog"], test=tensors)
    assert data.train.images.equal(tensors.tensors[0])


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((4, 6)), [0, 1, 0, 1], "must hold pictures as numbers n x height x width"),
        (pixels(0, 4, 6, 5), [0, 1], "must have one label a picture, 4, got 2"),
        (pixels(0, 4, 6, 5), [0, 1, 2, 0], r"row 2 must be 0 to 1 \(2 classes\), got 2"),
        (np.full((4, 6, 5), np.nan), [0, 1, 0, 1], "must hold finite numbers, got NaN"),
        ([1, 2, 3, 4], [0, 1, 0, 1], "must be an array or a Pillow image, got int"),
        (7, None, "must be images and labels, or a Dataset of such pairs, got int"),
        ([{"image": 1, "label": 0}] * 4, None, "or a Dataset of such pairs, got list"),
        ({"image": [1], "label": [0]}, None, "or a Dataset of such pairs, got dict"),
    ],
)
def test_what_does_not_fit_is_told(images: Any, labels: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        from_arrays(images, labels, ["cat", "dog"])


def test_arrays_that_cannot_be_kept_are_told_what_names_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(DataWarning, match=r"cannot be written: .* will not find these arrays again"):
        data = from_arrays(pixels(0, 40, 6, 5), EVEN)
    with pytest.raises(DataError, match="cache_dir= or XDG_CACHE_HOME names another folder, where"):
        load(data.origin)
    kept = from_arrays(pixels(0, 40, 6, 5), EVEN, cache_dir=tmp_path / "mine")
    assert load(kept.origin).fingerprint == data.fingerprint


def test_masked_arrays_in_a_list_are_refused() -> None:
    images = np.ma.masked_array(pixels(0, 40, 6, 5), mask=False)
    images[3, 0, 0] = np.ma.masked
    with pytest.raises(DataError, match="arrays train row 3 an array must have a value everywhere"):
        from_arrays(list(images), EVEN)


def test_they_are_found_again_by_their_origin() -> None:
    data = from_arrays(pixels(0, 40, 6, 5) / 7, EVEN, ["cat", "dog"], name="heat")
    again = load(data.origin)
    assert (again.fingerprint, again.origin, again.name) == (data.fingerprint, data.origin, "heat")
    assert again.preprocessing == data.preprocessing
    turned = load(data.origin, classes=("dog", "eel", "cat"))
    assert turned.test.labels.tolist() == [(2, 0)[label] for label in data.test.labels.tolist()]
    other: list[dict[str, Any]] = [{"image_size": 9}, {"color": "rgb"}, {"fit": "crop"}]
    for asked in other:
        with pytest.raises(DataError, match="are kept as grey 6x5"):
            load(data.origin, **asked)
    assert load(data.origin, color="grey", fit="stretch").preprocessing == data.preprocessing
    with pytest.raises(DataError, match=r"are no longer in the cache, .* make them again with"):
        load("arrays:0123")


def test_other_values_that_become_the_same_bytes_are_kept_apart() -> None:
    images, test = pixels(0, 40, 6, 5), (pixels(1, 4, 6, 5), [0, 1, 0, 1])
    images[0, 0, :2] = 0, 255
    shares = from_arrays(images / 255, EVEN, test=(test[0] / 255, test[1]))
    whole = from_arrays(images, EVEN, test=test)
    assert whole.fingerprint == shares.fingerprint
    for data in (shares, whole):
        assert load(data.origin).preprocessing == data.preprocessing


def test_values_may_be_grey_among_coloured_ones() -> None:
    levels = [pixels(n, 6, 5, *([3] * (n % 3 > 0))) / 255 for n in range(40)]
    data = from_arrays(levels, EVEN)
    assert data.preprocessing == Preprocessing(
        6, 5, "rgb", 3, offset=(0.0,) * 3, scale=(1 / 255,) * 3
    )


class Heat(Dataset[tuple[torch.Tensor, int]]):
    """A data set of tensors of two channels in hundredths of a kelvin."""

    classes = ("cold", "warm")

    def __len__(self) -> int:
        return 60

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        generator = torch.Generator().manual_seed(number)
        image = 29_000 + 90 * torch.randn(2, 12, 12, generator=generator)
        image[:, 3:9, 3:9] += 1_800 * (number % 2)
        return image, number % 2


def of_heat(kind: str) -> Data:
    pairs = [Heat()[number] for number in range(60)]
    if kind == "dataset":
        return from_arrays(Heat(), name="heat")
    images = np.stack([image.permute(1, 2, 0).numpy() for image, _ in pairs])
    return from_arrays(images, [label for _, label in pairs], ["cold", "warm"], name="heat")


def test_a_torch_data_set_gives_the_data_that_its_arrays_give() -> None:
    one, other = of_heat("arrays"), of_heat("dataset")
    assert one.fingerprint == other.fingerprint
    assert (one.preprocessing, one.classes) == (other.preprocessing, other.classes)
    assert (one.name, one.origin) == (other.name, other.origin)


def test_a_run_trained_on_arrays_is_judged_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = of_heat("dataset")
    spec = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(*data.shape), 2)
    run = sm.train(spec, data, recipe=sm.Recipe(epochs=6, batch_size=8), folder="run")
    assert run.preprocessing == data.preprocessing
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    accuracy = sm.evaluate(run, data.test, measure_latency=False).accuracy
    assert accuracy > 0.8
    patch = ["smidgen", "evaluate", str(tmp_path / "run"), "--json"]
    monkeypatch.setattr("sys.argv", patch)
    with pytest.raises(SystemExit) as exited:
        main()
    assert exited.value.code == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(accuracy)
    cold, warm = (Heat()[number][0].permute(1, 2, 0).numpy() for number in (0, 1))
    model = sm.load(tmp_path / "run")
    answers = model.predict([cold, warm])
    assert [answer.name for answer in answers] == ["cold", "warm"]
    proof = sm.export(tmp_path / "run", "onnx", "as-onnx")
    assert proof.accuracy == pytest.approx(accuracy)
    there = sm.load(tmp_path / "elsewhere" / "as-onnx" / proof.artefact)
    assert there.predict(warm).probability == pytest.approx(answers[1].probability, abs=1 / 255)
    written = sm.export(tmp_path / "run", "c", "as-c", wish=Wish(finish_epochs=0))
    header = next((tmp_path / "elsewhere" / "as-c").glob("*_1k5_dw.h")).read_text()
    assert '"cold", "warm"' in header
    assert "OFFSETS" in header
    if written.accuracy is not None:  # there is a compiler
        assert written.accuracy == pytest.approx(accuracy, abs=0.1)


def test_arrays_that_are_no_longer_kept_may_be_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = of_heat("arrays")
    spec = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(*data.shape), 2)
    sm.train(spec, data, recipe=sm.Recipe(epochs=1, batch_size=8), folder=tmp_path / "run")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    with pytest.raises(DataError, match="are no longer in the cache"):
        sm.export(tmp_path / "run", "onnx", tmp_path / "out")
    assert sm.export(tmp_path / "run", "onnx", tmp_path / "out", data=data).data == "heat"
    other = from_arrays(pixels(0, 40, 12, 12, 2), EVEN, ["cold", "warm"], name="other")
    with pytest.raises(DataError, match=r"other must hold the pictures .* \(--data, or data=\)$"):
        sm.export(tmp_path / "run", "onnx", tmp_path / "more", data=other)


def test_arrays_are_found_in_the_cache_that_was_chosen(tmp_path: Path) -> None:
    data = from_arrays(pixels(0, 40, 6, 5), EVEN, ["cat", "dog"], cache_dir=tmp_path / "mine")
    assert data.origin.endswith(f"::cache-dir={tmp_path / 'mine'}")
    assert len(list((tmp_path / "mine").iterdir())) == 1
    again = load(data.origin)
    assert (again.fingerprint, again.origin) == (data.fingerprint, data.origin)


def test_arrays_whose_cache_is_damaged_are_kept_again(tmp_path: Path) -> None:
    data = from_arrays(pixels(0, 40, 6, 5), EVEN, cache_dir=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:300])
    with pytest.raises(DataError, match="make them again with smidgen"):
        load(data.origin)
    from_arrays(pixels(0, 40, 6, 5), EVEN, cache_dir=tmp_path)
    assert load(data.origin).fingerprint == data.fingerprint


@pytest.mark.slow
def test_a_design_on_a_torch_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = sm.design(
        from_arrays(Heat(), name="heat"),
        out="mine",
        max_params=400,
        profile="quick",
        time="20s",
        jobs=1,
        epochs=2,
    )
    assert found.net.input_shape == (2, 12, 12)
    assert sm.export("mine", "c").data == "heat"
    warm = Heat()[1][0].permute(1, 2, 0).numpy()
    assert set(sm.load("mine").predict(warm).probabilities) == {"cold", "warm"}


def test_the_warning_class_is_public() -> None:
    assert issubclass(DataWarning, UserWarning)


@pytest.mark.parametrize("several", [np.asarray, torch.tensor, list])
def test_minus_one_beside_one_is_a_class(several: Any) -> None:
    labels = several([-1, 1] * 20)
    data = from_arrays(pixels(0, 40, 6, 5), labels, test=(pixels(1, 2, 6, 5), [1, -1]))
    assert (data.classes, data.test.labels.tolist()) == (("-1", "1"), [1, 0])
    assert any("-1 is a class" in note for note in data.notes)


@pytest.mark.parametrize(
    ("images", "wanted"),
    [
        (torch.zeros(40, 3, 96), "n x 3 x 1 x 96, as images[:, :, None] is"),
        (torch.zeros(40, 96, 3), "n x 3 x 1 x 96, as images.permute(0, 2, 1)[:, :, None] is"),
        ([np.zeros((96, 3))] * 40, "be 1 x 96 x 3, as image[None] is"),
        ([np.zeros((3, 96))] * 40, "be 1 x 96 x 3, as image.T[None] is"),
        ([torch.zeros(3, 96)] * 40, "be 3 x 1 x 96, as image[:, None] is"),
        ([torch.zeros(96, 3)] * 40, "be 3 x 1 x 96, as image.T[:, None] is"),
    ],
)
def test_windows_in_tensors_and_lists_are_told_with_how_to_give_them_channels(
    images: Any, wanted: str
) -> None:
    other = [np.ones((3, 96))] * 2
    notes = from_arrays(images, EVEN, test=(other, [0, 1]), image_size=(3, 96)).notes
    (told,) = (note for note in notes if "for one channel of" in note)
    assert wanted in told
    way = told.split(", as ")[1].removesuffix(" is")
    named = {"images": images} if "images" in way else {"image": images[0]}
    moved = eval(way, {}, named)
    with_channels = moved.shape if "image" in named else moved.shape[1:]
    assert tuple(with_channels) in ((3, 1, 96), (1, 96, 3))


def test_a_series_a_row_is_refused_with_the_axes_it_lacks() -> None:
    with pytest.raises(DataError, match=r"got float64 40x96: windows .* as X\[:, None, :, None\]"):
        from_arrays(np.zeros((40, 96)), EVEN)
