"""Rows and columns are exchanged after the fit, whatever the pictures come from, and it is told."""

import csv
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.conftest import pixels, png
from tests.data.layouts.test_idx import idx

from smidgen.again import trained_on
from smidgen.data import Data, DataError, Preprocessing, from_arrays, load
from smidgen.data.inspection import BAND, BANDS, LONG, contact_sheet
from smidgen.data.turned import exchanged
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.train import train
from smidgen.zoo import net

# pictures set aside, of a range, or judged twice are told; what is told is tested by itself
pytestmark = pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
LABELS = np.arange(40) % 2


def table(folder: Path) -> Path:
    rows = [(f"{n}.png", "ab"[n % 2], "train" if n < 20 else "test") for n in range(30)]
    for number, (name, *_) in enumerate(rows):
        (folder / name).write_bytes(png(pixels(number, 6 + number % 2, 5, 3)))
    with (folder / "labels.csv").open("w") as file:
        csv.writer(file).writerows([("file_name", "label", "split"), *rows])
    return folder


def mnist(folder: Path) -> Path:
    for name, size, seed in (("train", 6, 0), ("t10k", 4, 1)):
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx(pixels(seed, size, 6, 5)))
        labels = (np.arange(size) % 3).astype(np.uint8)
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def arrays(folder: Path) -> Path:
    images = pixels(0, 40, 3, 9, 2).astype(np.int16) * 3
    np.savez(folder / "all.npz", x_train=images, y_train=LABELS)
    return folder / "all.npz"


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
@pytest.mark.parametrize("made", [table, mnist, arrays])
def test_every_image_is_the_transpose_of_what_it_would_be(made: object, tmp_path: Path) -> None:
    place = made(tmp_path)  # pyright: ignore
    own, other = load(place), load(place, turned=True)
    for part, split in own.parts.items():
        assert other.parts[part].images.equal(split.images.transpose(2, 3))
        assert other.parts[part].labels.equal(split.labels)
        assert other.parts[part].files == split.files
    assert other.shape == (own.shape[0], own.shape[2], own.shape[1])
    assert other.preprocessing == own.preprocessing.exchanged
    assert other.preprocessing.size == own.preprocessing.size
    assert other.fingerprint != own.fingerprint
    again = load(place, preprocessing=other.preprocessing, classes=other.classes)
    assert (again.fingerprint, again.preprocessing) == (other.fingerprint, other.preprocessing)
    assert contact_sheet(other) == contact_sheet(own), "pictures are shown as they lie"
    umlauts = [contact_sheet(replace(own, classes=(name, *own.classes[1:]))) for name in "äß"]
    assert umlauts[0] != umlauts[1], "the font has them"


def test_a_sheet_shows_windows_as_curves_a_band_a_channel() -> None:
    rising = np.linspace(0, 255, 40, dtype=np.uint8)[None, :, None].repeat(14, axis=2)
    images = np.stack([rising, rising[:, ::-1]] * 10)
    data = from_arrays(images, np.arange(20) % 2, ["up", "down"], test=(images, np.arange(20) % 2))
    sheet = np.asarray(Image.open(BytesIO(contact_sheet(data))).convert("RGB")).astype(int)
    curve = (sheet[..., 2] - sheet[..., 0]) > 60  # blue
    first = curve[4 + 14 : 4 + 14 + BAND, 4 : 4 + LONG]
    assert (first.argmax(axis=0)[[0, -1]] == [BAND - 1, 0]).all()
    assert first.any(axis=0).all(), "of every moment there is a point"
    bands = np.diff(curve[:, 4 : 4 + LONG].any(axis=1).astype(int)) == 1
    assert bands.sum() == 2 * BANDS, "two classes, the first twelve channels of each"
    turned = exchanged(data)
    assert contact_sheet(turned) == contact_sheet(data)


def wide() -> Data:
    images = pixels(0, 40, 1, 12, 3)
    return from_arrays(images, LABELS, ["a", "b"], test=(images[:6], LABELS[:6]), turned=True)


def test_arrays_of_one_row_keep_their_bytes_and_are_found_again() -> None:
    data = wide()
    assert data.shape == (3, 12, 1)
    images = data.train.images.permute(0, 2, 3, 1)
    assert images.reshape(40, 36).equal(torch.from_numpy(pixels(0, 40, 1, 12, 3).reshape(40, 36)))
    assert load(data.origin, turned=True).fingerprint == data.fingerprint
    assert load(data.origin).shape == (3, 1, 12), "they are kept as they lie"
    picture = pixels(7, 1, 12, 3)
    assert data.preprocessing.pixels(picture).tobytes() == picture.tobytes()


def test_a_run_on_turned_arrays_finds_them_and_tells_how_it_is_made_again() -> None:
    data = wide()
    spec = net("mnist-1k5-dw").fitted(Shape(3, 12, 12), 2)
    small = type(spec)(Shape(*data.shape), (spec.layers[0], *spec.layers[-2:]))
    run = train(small, data, recipe=Recipe(epochs=1, batch_size=8))
    assert trained_on(run, "run").fingerprint == data.fingerprint
    command = run.trial.command(run.origin, run.preprocessing)
    assert "--turned" in command.split()
    seen = Preprocessing(12, 5, "rgb", 3, turned=True)
    assert "--image-size 5x12" in run.trial.command("photos", seen)
    assert "--turned" not in run.trial.command("photos", seen.exchanged)


def test_it_is_kept_only_where_it_is_so() -> None:
    seen = Preprocessing(12, 5, "rgb", 3, fit="crop", turned=True)
    assert Preprocessing.from_dict(seen.to_dict()) == seen
    assert seen.text.startswith("RGB 5x12, cropped")
    assert seen.text.endswith(", then rows and columns exchanged")
    assert "turned" not in seen.exchanged.to_dict(), "as older versions read it"
    assert not Preprocessing.from_dict(seen.exchanged.to_dict()).turned
    assert seen.exchanged.exchanged == seen


def test_the_fit_comes_first() -> None:
    picture = pixels(3, 31, 47, 3)
    for fit in ("stretch", "crop", "pad"):
        seen = Preprocessing(12, 5, "rgb", 3, fit=fit, turned=True)
        expected = seen.exchanged.pixels(picture).transpose(1, 0, 2)
        assert seen.exchanged.pixels(picture).shape == (5, 12, 3)
        assert np.array_equal(seen.pixels(picture), expected)


def test_what_contradicts_a_run_is_refused() -> None:
    data = wide()
    with pytest.raises(DataError, match="rows and columns are as those of the run, RGB 1x12"):
        load(data.origin, preprocessing=data.preprocessing, turned=True)
