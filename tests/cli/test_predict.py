"""``smidgen predict``: pictures of any kind in, a class and a probability each out."""

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len
from tests.full import full_at

import smidgen as sm
from smidgen.answer import Answer
from smidgen.cli import answers, main
from smidgen.data import Preprocessing
from smidgen.layers import Shape
from smidgen.model import Model, Told
from smidgen.recipe import Recipe
from smidgen.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "digits"
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    data = sm.data.load("digits", cache_dir=folder.parent / "cache")
    train(spec, data, recipe=Recipe(epochs=3, batch_size=32), folder=folder)
    return folder


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with pictures of many kinds, and things that are none."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 4), np.uint8)
    folder = tmp_path / "new"
    for name in ("deep", "@eaDir", "__MACOSX", ".hidden"):
        (folder / name).mkdir(parents=True)
        Image.fromarray(noise[..., 0]).save(folder / name / "grey.png")
    Image.fromarray(noise[..., :3]).save(folder / "wide.jpg")
    Image.fromarray(noise).save(folder / "clear.PNG")
    Image.fromarray(noise[..., :3]).save(folder / "plain", format="JPEG")
    Image.fromarray(noise[..., :3]).save(folder / "photo.jfif", format="JPEG")
    (folder / "README").write_text("no picture")
    (folder / "notes.txt").write_text("nor this")
    return folder


def smidgen(*arguments: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["smidgen", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            main()
    return exited.value.code if isinstance(exited.value.code, int) else 0


def test_a_line_a_picture(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert smidgen("predict", run, "new/wide.jpg", "new/clear.PNG") == 0
    captured = capsys.readouterr()
    model = sm.load(run)
    expected = [model.predict(f"new/{name}") for name in ("wide.jpg", "clear.PNG")]
    lines = captured.out.splitlines()
    assert [line.split()[0] for line in lines] == ["new/wide.jpg", "new/clear.PNG"]
    assert [line.split(maxsplit=1)[1] for line in lines] == [
        f"{a.name} {100 * a.probability:5.1f} %" for a in expected
    ]
    assert captured.err == ""


def test_a_folder_is_its_pictures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert smidgen("predict", run, "new", "--json") == 0
    found = [Path(row["picture"]).name for row in json.loads(capsys.readouterr().out)]
    assert found == ["clear.PNG", "grey.png", "photo.jfif", "plain", "wide.jpg"]


def test_an_archive_is_the_pictures_in_it(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("cache").resolve()))
    shutil.make_archive("pack", "zip", "new")
    assert smidgen("predict", run, "new") == 0
    plain = capsys.readouterr().out
    assert smidgen("predict", run, "pack.zip") == 0
    assert capsys.readouterr().out.replace("pack.zip/", "new/") == plain


def test_a_table_of_pixels_is_a_picture_a_row(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = sm.data.load("digits").test.images[:3]
    names = [f"pixel{number}" for number in range(images[0].numel())]
    with Path("test.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, *(image.flatten().tolist() for image in images)])
    assert smidgen("predict", run, "test.csv", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    expected = sm.load(run).predict(list(images))
    assert [(row["picture"], row["class"]) for row in rows] == [
        (f"test.csv picture {number}", answer.name) for number, answer in enumerate(expected, 1)
    ]
    Path("other.csv").write_text("file_name,label\n1.png,2\n")
    assert smidgen("predict", run, "other.csv") == 2
    said = "smidgen: other.csv holds no pixels: of a table of names, name the files or their folder"
    assert capsys.readouterr().err == f"{said}\n"
    assert smidgen("predict", run, "https://example.com/photos") == 2
    assert "; addresses are not fetched, download it first" in capsys.readouterr().err


def test_a_table_of_measured_values_is_told_as_what_predict_takes(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Preprocessing(8, 8, "grey", 1, offset=(0.0,), scale=(1.0,))
    of_values = replace(sm.load(run), preprocessing=seen)
    monkeypatch.setattr("smidgen.model.load", Mock(return_value=of_values))
    Path("map.csv").write_text("heat,more\n1,2\n")
    assert smidgen("predict", run, "map.csv") == 2
    assert capsys.readouterr().err == (
        "smidgen: map.csv must be .npy or .npz, since the model takes measured values of 8x8:"
        ' numpy.save("map.npy", array) makes one of an array\n'
    )


@pytest.mark.filterwarnings("always::smidgen.data.DataWarning")
def test_windows_as_text_are_answered_as_the_arrays_that_they_hold(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def infer(pixels: Any) -> Any:
        asked.append(pixels)
        return np.zeros((len(pixels), 10))

    seen = Preprocessing(1, 4, "channels", 2, offset=(0.0,) * 2, scale=(0.5,) * 2, length=8)
    of_windows = replace(sm.load(run), preprocessing=seen, infer=infer)
    monkeypatch.setattr("smidgen.model.load", Mock(return_value=of_windows))
    values = np.arange(16.0).reshape(8, 2)
    Path("w/a").mkdir(parents=True)
    rows = "\n".join(f"{20 * n},{a:g},{b:g}" for n, (a, b) in enumerate(values))
    Path("w/a/1.csv").write_text(f"timestamp,ax,ay\n{rows}\n")
    Path("w/2.CSV").write_text("x,y\n1,z\n")
    Path("w/photo.jpg").write_bytes(b"passed over")
    np.save("one.npy", values)
    assert smidgen("predict", run, "w", "one.npy", "--json") == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert [row["picture"] for row in rows] == ["w/2.CSV", "w/a/1.csv", "one.npy window 1"]
    assert rows[0]["error"].startswith("w/2.CSV must be a window, 8 lines of the 2 channels")
    (pixels,) = asked
    assert (pixels[0] == pixels[1]).all()
    assert "so: the first column, 'timestamp', rises as time and is left out\n" in captured.err
    assert "so: columns are taken in this order: ax, ay\n" in captured.err
    Path("none").mkdir()
    assert smidgen("predict", run, "none") == 2
    assert "none holds no window, .csv or .tsv" in capsys.readouterr().err


@pytest.mark.filterwarnings("always::smidgen.data.DataWarning")
def test_a_recording_is_answered_by_the_mean_of_its_windows(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def infer(pixels: Any) -> Any:  # zero, for sure, of what is level, else one
        level = pixels.min((1, 2, 3)) == pixels.max((1, 2, 3))
        return np.where(level[:, None], 99.0, -99.0) * (np.arange(10) == 0) + np.eye(10)[1]

    seen = Preprocessing(1, 4, "channels", 1, offset=(0.0,), scale=(0.5,))
    of_windows = replace(sm.load(run), preprocessing=seen, infer=infer)
    monkeypatch.setattr("smidgen.model.load", Mock(return_value=of_windows))
    Path("long.csv").write_text("5\n" * 300 + "9\n" * 200)  # a window of 249 has both
    Path("short.csv").write_text("5\n" * 3 + "9\n" * 2)
    assert of_windows.predict("long.csv").windows == 249
    assert smidgen("predict", run, "long.csv", "short.csv", "--json") == 0
    captured = capsys.readouterr()
    long, short = json.loads(captured.out)
    assert (long["class"], long["windows"], "windows" in short) == ("0", 249, False)
    assert 0.98 < long["probability"] <= 1
    assert "4 moments or more are cut into windows of 4, a new one every 2" in captured.err
    assert smidgen("predict", run, "long.csv") == 0
    assert capsys.readouterr().out.rstrip().endswith("(mean of 249 windows)")


def test_arrays_in_files_are_pictures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = sm.data.load("digits").test.images[:3]
    expected = [answer.name for answer in sm.load(run).predict(list(images))]
    array = images[:, 0].numpy()
    np.save("many.npy", array)
    np.save("one.npy", array[2])
    np.savez("parts.npz", x_train=array[:1], x_test=array[1:], y_train=np.zeros(1), seed=3)
    np.savez("lone.npz", windows=array[:, None])
    asked = ("many.npy", "one.npy", "parts.npz", "lone.npz")
    assert smidgen("predict", run, *asked, "--json") == 0
    found = {row["picture"]: row["class"] for row in json.loads(capsys.readouterr().out)}
    names = [f"many.npy picture {n}" for n in (1, 2, 3)]
    parts = ["x_train picture 1", "x_test picture 1", "x_test picture 2"]
    lone = [f"lone.npz picture {n}" for n in (1, 2, 3)]
    names += ["one.npy picture 1", *(f"parts.npz {part}" for part in parts), *lone]
    assert found == dict(zip(names, [*expected, expected[2], *expected, *expected], strict=True))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": 0, "b": 0}, "x.npz must hold images, or one array alone, got a, b"),
        ({"images": np.zeros((0, 8, 8), np.uint8)}, "x.npz holds no picture"),
        ({"images": np.zeros(5, np.uint8)}, "x.npz images must be height x width x 1 or n x"),
        ({"images": np.zeros((2, 8, 8))}, "none of 2 pictures can be read: x.npz picture 1: "),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(
    arrays: dict[str, Any], said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("x.npz", **arrays)
    assert smidgen("predict", run, "x.npz") == 2
    assert capsys.readouterr().err.startswith(f"smidgen: {said}")


def test_a_file_of_arrays_that_is_damaged_is_told(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x.npy").write_bytes(b"\x93NUMPY\x01\x00")
    assert smidgen("predict", run, "x.npy") == 2
    assert "smidgen: x.npy cannot be read as arrays: " in capsys.readouterr().err


def test_a_folder_holds_the_pictures_that_training_would_find_in_it(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "elsewhere").mkdir()
    Path("new/wide.jpg").rename(tmp_path / "elsewhere" / "wide.jpg.1")
    Path("new/linked").symlink_to(tmp_path / "elsewhere")
    Path("new/IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    Path("new/lost.png").symlink_to("nowhere")
    assert smidgen("predict", run, "new") == 0
    captured = capsys.readouterr()
    assert "new/linked/wide.jpg.1" in captured.out
    said = captured.err.splitlines()
    assert said[0] == "2 of 7 pictures cannot be read:"
    assert "new/IMG_1.HEIC is a HEIC picture, which needs the package pillow-heif" in said[1]
    assert "new/lost.png cannot be read: No such file" in said[2]


def test_broken_pictures_are_named_at_the_end(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("new/broken.png").write_bytes(b"\x89PNG nothing")
    Path("new/empty.jpg").write_bytes(b"")
    assert smidgen("predict", run, "new") == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 5
    said = captured.err.splitlines()
    assert said[0] == "2 of 7 pictures cannot be read:"
    assert "new/broken.png is no readable picture" in said[1]
    assert "new/empty.jpg is an empty file" in said[2]


def test_quiet_names_broken_pictures_all_the_same(
    run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "broken.png").write_bytes(b"\x89PNG")
    assert smidgen("--quiet", "predict", run, "new/wide.jpg", "new/broken.png") == 0
    assert "1 of 2 pictures cannot be read" in capsys.readouterr().err


def test_answers_stand_below_one_another_whatever_the_names(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("a.png", "\u67f4\u72ac.png", "u\u0308.png")  # letters of one, two and no cells
    for name in names:
        Image.new("L", (8, 8), 90).save(name)
    assert smidgen("predict", run, *names) == 0
    lines = capsys.readouterr().out.splitlines()
    (answer,) = {line.partition("  ")[2].strip() for line in lines}
    assert [cell_len(line.removesuffix(answer)) for line in lines] == 3 * [len("12345678  ")]


def test_top_tells_more_classes(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert smidgen("predict", run, "new/wide.jpg", "--top", "3", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    ranking = sm.load(run).predict("new/wide.jpg").top(3)
    assert [(best["class"], best["probability"]) for best in row["top"]] == [
        (name, pytest.approx(share)) for name, share in ranking
    ]
    assert (row["class"], row["probability"]) == (ranking[0][0], pytest.approx(ranking[0][1]))


def test_a_csv_file_has_a_row_a_picture(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new/broken.png").write_bytes(b"\x89PNG nothing")
    assert smidgen("predict", run, "new", "--top", "2", "--csv", "out.csv") == 0
    assert "out.csv: 5 of 6 pictures; 1 row says why not\n" in capsys.readouterr().err
    with Path("out.csv").open() as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    assert len(rows) == 6
    assert list(rows[0]) == [
        *("picture", "class", "probability", "class_2", "probability_2", "error")
    ]
    broken, *others = rows
    assert (broken["class"], "no readable picture" in broken["error"]) == ("", True)
    assert all(float(row["probability"]) >= float(row["probability_2"]) > 0 for row in others)


def test_a_dash_is_the_csv_file_on_standard_output(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("new/wide.jpg").rename("new/\x1b[1m, 2.jpg")
    assert smidgen("predict", run, "new", "--csv", "-") == 0
    captured = capsys.readouterr()
    assert not Path("-").exists()
    assert captured.err == ""
    assert all(line.isprintable() for line in captured.out.split("\n"))
    named = ["\\x1b[1m, 2.jpg", "clear.PNG", "grey.png", "photo.jfif", "plain"]
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(captured.out)))
    assert [Path(row["picture"]).name for row in rows] == named
    assert all(float(row["probability"]) > 0 for row in rows)


def test_a_file_named_like_a_formula_is_none_in_the_csv_file(run: Path) -> None:
    Path("new/wide.jpg").rename("=1+1.jpg")
    assert smidgen("predict", run, "=1+1.jpg", "--csv", "out.csv") == 0
    with Path("out.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["picture"] == "'=1+1.jpg"
    assert float(row["probability"]) > 0


def told(name: str) -> Told:
    return Told(Answer((("seven", 0.75), ("one", 0.25))), "") if name else Told(None, "is empty")


@pytest.mark.parametrize("content", [b"# Notes\n", b"\x89PNG\r\n\x1a\n", b"file_name,label\n"])
def test_answers_are_not_written_over_other_files(
    content: bytes, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine").write_bytes(content)
    assert smidgen("predict", run, "new", "--csv", "mine") == 2
    said = "mine holds no table of answers, and would be overwritten: choose another file"
    assert capsys.readouterr().err == f"smidgen: {said}\n"
    assert Path("mine").read_bytes() == content


def test_rows_are_in_the_csv_file_as_they_are_answered(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = "picture,class,probability,error\nof another day\n"
    Path("out.csv").write_text(before)
    seen: list[str] = []

    def each(*_: Any) -> Iterator[Told]:
        for name in ("", "a", "b"):
            yield told(name)
            seen.append(Path("out.csv").read_text())
        raise KeyboardInterrupt

    monkeypatch.setattr(sm.model.Model, "each", each)
    assert smidgen("predict", run, "new", "--csv", "out.csv") == 130
    heading = "picture,class,probability,error\n"
    broken, one, two = (
        f"new/{name},{rest}\n"
        for name, rest in (
            ("clear.PNG", ",,is empty"),
            ("deep/grey.png", "seven,0.75,"),
            ("photo.jfif", "seven,0.75,"),
        )
    )
    assert seen == [before, heading + broken + one, heading + broken + one + two]
    assert Path("out.csv").read_text() == seen[-1]
    assert capsys.readouterr().err == "out.csv: 3 of 5 pictures\nsmidgen: interrupted\n"


def test_on_a_full_disk_the_csv_file_keeps_its_whole_rows(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answers, "FileIO", full_at(100))
    assert smidgen("predict", run, "new", "--csv", "out.csv") == 2
    assert capsys.readouterr().err.splitlines() == [
        "out.csv: 1 of 5 pictures",
        "smidgen: out.csv: No space left on device",
    ]
    with Path("out.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["error"] == ""


@pytest.mark.parametrize("named", ["new/wide.jpg", "new", "test.csv"])
def test_a_csv_file_is_not_written_over_what_is_asked_of(
    named: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = [f"pixel{n}" for n in range(64)], ["0"] * 64
    Path("test.csv").write_text("".join(f"{','.join(line)}\n" for line in pixels))
    over = Path("new/wide.jpg" if named == "new" else named)
    before = over.read_bytes()
    assert smidgen("predict", run, named, "--csv", over) == 2
    assert "is the model or one of the pictures: it would be overwritten" in capsys.readouterr().err
    assert over.read_bytes() == before


def test_a_csv_file_is_not_written_over_the_model(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = sm.load(run)

    def loaded(_: str) -> Model:
        return model

    monkeypatch.setattr("smidgen.model.load", loaded)
    Path("net.onnx").write_bytes(b"it")
    assert smidgen("predict", "net.onnx", "new/wide.jpg", "--csv", "net.onnx") == 2
    assert Path("net.onnx").read_bytes() == b"it"


@pytest.mark.parametrize("name", ["weights.safetensors", "run.json"])
def test_a_csv_file_is_not_written_over_a_file_of_the_model(
    name: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / name).read_bytes()
    assert smidgen("predict", run, "new/wide.jpg", "--csv", run / name) == 2
    assert "is the model or one of the pictures: it would be overwritten" in capsys.readouterr().err
    assert (run / name).read_bytes() == before
    for _ in range(2):
        assert smidgen("predict", run, "new/wide.jpg", "--csv", run / "mine.csv") == 0


def test_a_folder_called_dash_keeps_no_rows_from_standard_output(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("-").mkdir()
    assert smidgen("predict", run, "new/wide.jpg", "--csv", "-") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_a_name_that_is_no_text_is_a_row_of_utf_8_all_the_same(run: Path) -> None:
    os.rename(b"new/wide.jpg", b"new/caf\xe9.jpg")  # noqa: PTH104 - bytes
    assert smidgen("predict", run, "new", "--csv", "out.csv") == 0
    rows = list(csv.DictReader(io.StringIO(Path("out.csv").read_text("utf-8"))))
    assert Path(rows[0]["picture"]).name == "caf\\xe9.jpg"
    assert len(rows) == 5


def test_a_picture_on_standard_input(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.TextIOWrapper(io.BytesIO(Path("new/wide.jpg").read_bytes()))
    monkeypatch.setattr(sys, "stdin", content)
    assert smidgen("predict", run, "-", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["class"] == sm.load(run).predict("new/wide.jpg").name


def test_one_that_can_be_read_is_enough(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("half").mkdir()
    Path("half/a.jpg").write_bytes(b"nothing")
    Path("half/b.jpg").write_bytes(Path("new/wide.jpg").read_bytes())
    assert smidgen("predict", run, "half", "half/a.jpg", "half/mistyped.jpg") == 0
    captured = capsys.readouterr()
    assert [line.split()[0] for line in captured.out.splitlines()] == ["half/b.jpg"]
    first, *_, last = captured.err.splitlines()
    assert first == "3 of 4 pictures cannot be read:"
    assert last == "  there is no picture half/mistyped.jpg"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "new/wide.jpg"), "nowhere is no run folder"),
        (("RUN", "new/no.jpg"), "there is no picture new/no.jpg"),
        (("RUN", "https://a.b/c.jpg"), "addresses are not fetched, download it first"),
        (("RUN", "new/README"), "new/README is no readable picture"),
        (("RUN", "new/README", "new/notes.txt", "--csv", "o.csv"), "none of 2 pictures can be"),
        (
            ("RUN", "window.npy"),
            "window.npy picture 1: an array must hold bytes (uint8), got float64",
        ),
        (("RUN", "broken"), "none of 2 pictures can be read: broken/a.jpg"),
        (("RUN", "broken", "--json"), "none of 2 pictures can be read: broken/a.jpg"),
        (("RUN", "new/wide.jpg", "--top", "0"), "--top must be >= 1, got 0"),
        (("RUN", "new/wide.jpg", "--csv", "no/o.csv"), "there is no folder no"),
        (("RUN", "new/wide.jpg", "--csv", "-", "--json"), "ask for one of them"),
        (("RUN", "home"), "home must be a folder of pictures, got a whole disk, home or system"),
        (("RUN", "empty"), "empty holds no picture"),
        (("RUN", "rows.csv"), "rows.csv holds no picture"),
        (("RUN", "a.parquet"), "a.parquet is no picture to ask about: `smidgen evaluate MODEL --"),
        (("RUN", "idx"), "idx holds no picture to ask about: `smidgen evaluate MODEL --data idx`"),
        (("RUN", "idx/x-images-idx3-ubyte.gz"), "`smidgen evaluate MODEL --data idx` judges"),
        (("RUN", "arrays"), "arrays holds no picture: its files .npy are asked about by name"),
        (("RUN", "-", "-"), "which can be read once"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...],
    said: str,
    run: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "home" in arguments:  # a small one: were it walked through, not the whole disk would be
        monkeypatch.setenv("HOME", str(Path("home").resolve()))
    held = ("a.parquet", "idx/x-images-idx3-ubyte.gz", "arrays/1.npy")
    for name in ("empty", "home", "broken/a.jpg", "broken/b.png", *held):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"nothing") if "." in name else Path(name).mkdir()
    Path("rows.csv").write_text(",".join(f"pixel{number}" for number in range(64)) + "\n")
    np.save("window.npy", np.zeros((1, 96, 3)))
    before = sorted(Path.cwd().rglob("*"))
    assert smidgen("predict", *(str(run) if a == "RUN" else a for a in arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert said in captured.err
    assert sorted(Path.cwd().rglob("*")) == before


def test_what_comes_on_standard_input_is_no_larger_than_a_file(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("smidgen.cli.predict.ENCODED", 10)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 11)))
    assert smidgen("predict", str(run), "-") == 2
    assert "bytes on standard input must be at most 10, got 11" in capsys.readouterr().err


def test_as_many_broken_pictures_as_are_named_are_all_named(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = [f"b{number}.png" for number in range(20)]
    for name in broken:
        Path(name).write_bytes(b"nothing")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("good.png")
    assert smidgen("predict", str(run), "good.png", *broken) == 0
    said = capsys.readouterr().err
    assert "b19.png" in said
    assert "more (" not in said


def test_more_answers_than_classes_are_all_classes(run: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("good.png")
    heads: list[str] = []
    for top in ("10", "99"):
        assert smidgen("predict", str(run), "good.png", "--top", top, "--csv", f"{top}.csv") == 0
        heads.append(Path(f"{top}.csv").read_text().splitlines()[0])
    assert heads[0] == heads[1]
