"""The main job's door: a folder of JPEGs of mixed sizes, from any working folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.command import Done, command

from smidgen.report.points import points_of
from smidgen.study.job import Job, Origin
from smidgen.study.plan import read_plan
from smidgen.study.rows import read_rows

SIZES = [(160, 120), (120, 160), (200, 150), (90, 90)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty folder but for ``photos``, two classes of drawn JPEGs without a split."""
    folder = tmp_path_factory.mktemp("home")
    generator = np.random.default_rng(0)
    for number in range(60):
        of_class, (width, height) = ("disc", "bars")[number % 2], SIZES[number % len(SIZES)]
        (folder / "photos" / of_class).mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (width, height), tuple(generator.integers(0, 99, 3).tolist()))
        draw, ink = ImageDraw.Draw(image), tuple(generator.integers(150, 256, 3).tolist())
        if of_class == "disc":
            draw.ellipse((width * 0.2, height * 0.2, width * 0.8, height * 0.8), fill=ink)
        else:
            for left in range(0, width, width // 5):
                draw.rectangle((left, 0, left + width // 10, height), fill=ink)
        image.save(folder / "photos" / of_class / f"IMG_{number:04}.jpg", quality=90)
    return folder


@pytest.fixture(autouse=True)
def _apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.delenv("SMIDGEN_DATA", raising=False)


def smidgen(home: Path, *words: str, where: Path | None = None) -> Done:
    return command(*words, where=where or home)


def test_a_folder_of_photographs_is_trained_on_and_judged_from_anywhere(
    home: Path, tmp_path: Path
) -> None:
    words = ("train", "mnist-1k5-dw", "--data", "photos", "--epochs", "2", "--out", "run")
    trained = smidgen(home, *words)
    assert trained.returncode == 0, trained.stderr
    assert "pictures have the sizes (height x width) 90x90 to 150x200, median" in trained.stderr
    assert "each is stretched to 32x32" in trained.stderr
    assert "no test images: " in trained.stderr
    judged = smidgen(home, "evaluate", str(home / "run"), "--json", where=tmp_path)
    assert judged.returncode == 0, judged.stderr
    assert "warning" not in judged.stderr  # what training said is not said again
    inspected = smidgen(home, "inspect-data", "photos", "--json", "--data-dir", str(tmp_path))
    assert "photos is read where it is: --data-dir changes nothing" in inspected.stderr
    assert inspected.stderr.count("warning") == 1, "its notes are shown as such"
    found = json.loads(inspected.stdout)
    assert json.loads(judged.stdout)["images"] == sum(found["counts"]["test"].values())


def test_wrong_answers_are_named_by_their_files_and_classes(home: Path, tmp_path: Path) -> None:
    run = str(home / "weak")
    words = ("train", "mnist-1k5-dw", "--data", "photos", "--out", run)
    frozen = ("--epochs", "1", "--set", "recipe.peak_lr=1e-9")
    assert smidgen(home, *words, *frozen).returncode == 0
    found = json.loads(smidgen(home, "evaluate", run, "--json", "--wrong", "99").stdout)
    wrong, images = found["wrong"], found["images"]
    assert len(wrong) == images - round(images * found["accuracy"]) > 1
    sure = [of["probability"] for of in wrong]
    assert sure == sorted(sure, reverse=True)
    for of in wrong:
        label, answer = (found["classes"][of[name]] for name in ("label", "answer"))
        assert label != answer
        assert Path(of["file"]).parent.name == label
        asked = smidgen(home, "predict", run, str(home / "photos" / label / Path(of["file"]).name))
        assert f" {answer} " in asked.stdout
    told = smidgen(home, "evaluate", run, "--wrong", "1", where=tmp_path).stdout
    assert told.count(".jpg") == 1
    assert wrong[0]["file"] in told
    assert ".jpg" not in smidgen(home, "evaluate", run, "--wrong", "0").stdout
    aside = json.loads(smidgen(home, "evaluate", run, "--held-out", "--json").stdout)
    assert aside["wrong"]
    for of in aside["wrong"]:
        assert Path(of["file"]).parent.name == aside["classes"][of["label"]]


def test_what_was_asked_for_is_part_of_the_run(home: Path, tmp_path: Path) -> None:
    asked = ("--image-size", "24x20", "--color", "grey", "--fit", "crop")
    words = ("train", "mnist-1k5-dw", "--data", "photos", "--epochs", "1", "--out", "grey", *asked)
    trained = smidgen(home, *words)
    assert trained.returncode == 0, trained.stderr
    judged = smidgen(home, "evaluate", str(home / "grey"), "--json", where=tmp_path)
    assert judged.returncode == 0, judged.stderr
    kept = json.loads((home / "grey" / "run.json").read_text())["preprocessing"]
    assert (kept["height"], kept["width"], kept["color"], kept["fit"]) == (24, 20, "grey", "crop")
    words = ("export", str(home / "grey"), "--to", "onnx", "--out", "grey-onnx")
    shipped = smidgen(home, *words, where=tmp_path)
    assert shipped.returncode == 0, shipped.stderr
    proof = json.loads((tmp_path / "grey-onnx" / "artefact.json").read_text())
    assert proof["preprocessing"] == kept


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--image-size", "32x"), "image size must be N or HxW, as in 32 or 24x32, each >= 1"),
        (("--color", "bgr"), "color must be one of grey, rgb, got 'bgr'"),
        (("--fit", "zoom"), "fit must be one of stretch, crop, pad, got 'zoom'"),
    ],
)
def test_bad_options_are_one_line(home: Path, words: tuple[str, ...], said: str) -> None:
    ended = smidgen(home, "train", "mnist-1k5-dw", "--data", "photos", "--out", "bad", *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not (home / "bad").exists()


def test_new_pictures_alone_judge_a_run(home: Path, tmp_path: Path) -> None:
    if not (home / "run").exists():
        words = ("train", "mnist-1k5-dw", "--data", "photos", "--epochs", "1", "--out", "run")
        assert smidgen(home, *words).returncode == 0
    for number, name in enumerate(("bars", "disc", "disc")):
        (tmp_path / "new" / "test" / name).mkdir(parents=True, exist_ok=True)
        source = next((home / "photos" / name).iterdir())
        target = tmp_path / "new" / "test" / name / f"{number}.jpg"
        Image.open(source).rotate(number + 1).save(target)
    rows = tmp_path / "rows.jsonl"
    words = ("evaluate", str(home / "run"), "--row", str(rows))
    assert smidgen(home, *words).returncode == 0
    judged = smidgen(home, *words, "--data", str(tmp_path / "new"), "--json")
    assert judged.returncode == 0, judged.stderr
    found = json.loads(judged.stdout)
    assert (found["images"], found["data"]) == (3, "new")
    own, new = points_of(read_rows(rows))
    assert (len(own.rows), len(new.rows)) == (1, 1), "they are no seeds of one figure"
    assert new.first["key"] != own.first["key"], "no row of the trial in a store"
    (tmp_path / "new" / "test" / "disc").rename(tmp_path / "new" / "test" / "disk")
    judged = smidgen(home, "evaluate", str(home / "run"), "--data", str(tmp_path / "new"))
    assert judged.returncode == 2
    assert "class 'disk' of" in judged.stderr
    assert "did you mean 'disc'?" in judged.stderr


def test_a_contact_sheet_is_a_picture(home: Path) -> None:
    ended = smidgen(home, "inspect-data", "photos", "--sheet", "sheet.png")
    assert ended.returncode == 0, ended.stderr
    with Image.open(home / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert np.asarray(sheet).std() > 20
    assert "bars" in ended.stdout
    assert "pictures have the sizes" not in ended.stdout, "sizes are told once"
    assert "sizes (height x width): 15 of " in ended.stdout
    assert "RGB 32x32, stretched" in ended.stdout
    assert "(--image-size N or HxW for another size)" in ended.stdout
    assert "pictures: sheet.png\n" in ended.stderr
    Image.new("RGB", (9, 9)).save(home / "mine.png")
    before = (home / "mine.png").read_bytes()
    ended = smidgen(home, "inspect-data", "photos", "--sheet", "mine.png")
    assert "mine.png holds no sheet of pictures, and would be overwritten" in ended.stderr
    assert (home / "mine.png").read_bytes() == before
    assert smidgen(home, "inspect-data", "photos", "--sheet", "sheet.png").returncode == 0
    ended = smidgen(home, "inspect-data", "photos", "--sheet", "photos/sheet.png")
    assert "photos/sheet.png is in photos: it would be one of its pictures" in ended.stderr
    ended = smidgen(home, "inspect-data", "photos", "--sheet", "sheet.gif")
    assert ended.returncode == 2


def test_a_broken_picture_is_told_with_what_training_needs_for_it(tmp_path: Path) -> None:
    refuses = "train and design refuse broken pictures unless --skip-broken is given"
    for number in range(8):
        folder = tmp_path / "photos" / ("low", "high")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 30 * number).save(folder / f"{number}.png")
    assert refuses not in smidgen(tmp_path, "inspect-data", "photos").stdout
    (tmp_path / "photos" / "low" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    inspected = smidgen(tmp_path, "inspect-data", "photos")
    assert inspected.returncode == 0, inspected.stderr
    assert refuses in inspected.stdout
    words = ("train", "mnist-1k5-dw", "--data", "photos", "--out", "run")
    assert "(--skip-broken, or skip_broken=True, leaves it out)" in smidgen(tmp_path, *words).stderr


def test_a_contact_sheet_of_more_classes_than_it_shows_says_so(tmp_path: Path) -> None:
    images, labels = np.zeros((82, 8, 8), np.uint8), np.arange(82) % 41
    images[:, 0, :] = np.arange(82)[:, None]
    np.savez(tmp_path / "many.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    ended = smidgen(tmp_path, "inspect-data", "many.npz", "--sheet", "sheet.png")
    assert "pictures: sheet.png, of the first 40 classes" in ended.stderr


def test_what_uneven_data_are_told_to_ask_for_is_there(tmp_path: Path) -> None:
    images, labels = np.arange(64 * 44, dtype=np.uint8).reshape(44, 8, 8), [0] * 40 + [1] * 4
    np.savez(tmp_path / "few.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    words = ("train", "mnist-1k5-dw", "--data", "few.npz", "--epochs", "1", "--out", "run")
    asked = "design --balance, train --set recipe.balance=true"
    assert asked in smidgen(tmp_path, "inspect-data", "few.npz").stdout
    ended = smidgen(tmp_path, *words, "--set", "recipe.balance=true")
    assert ended.returncode == 0
    assert asked not in ended.stderr, "it is set"


def test_an_origin_survives_the_store_whatever_was_asked(tmp_path: Path) -> None:
    from smidgen.recipe import Recipe
    from smidgen.trial import Trial
    from smidgen.zoo import net

    origin = Origin("photos", None, "24x20", "grey", "crop", "a", "b", skip_broken=True)
    trial = Trial(net("mnist-1k5-dw"), (), Recipe(), 0, "photos", "0" * 32, "full")
    job = Job(trial, origin)
    assert Job.from_text(job.to_text()) == job
    hash(origin)  # a worker keeps the data of an origin
    older = json.loads(job.to_text())
    older["origin"] = {"name": "photos", "data_dir": None, "image_size": [24, 20]}
    assert Job.from_text(json.dumps(older)).origin == Origin("photos", None, "24x20")
    assert origin.options == [
        *("--image-size", "24x20", "--color", "grey", "--fit", "crop"),
        *("--image-column", "a", "--label-column", "b", "--skip-broken"),
    ]


@pytest.mark.parametrize("written", ["20", '"24x20"', "[24, 20]"])
def test_a_study_file_may_ask_for_a_size(tmp_path: Path, written: str) -> None:
    (tmp_path / "study.toml").write_text(
        f'name = "s"\ndata = "photos"\nimage_size = {written}\ncolor = "grey"\nseeds = [0]\n'
        '[[trials]]\nnets = ["mnist-1k5-dw"]\n'
    )
    expected = "20x20" if written == "20" else "24x20"
    assert read_plan(tmp_path / "study.toml").origin == Origin("photos", None, expected, "grey")


def test_the_folder_of_a_run_is_one_whatever_the_data_are_called(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "copies" / "owner" / "shapes").mkdir(parents=True)
    (home / "photos").rename(tmp_path / "copies" / "owner" / "shapes" / "small")
    monkeypatch.setenv("SMIDGEN_DATA", str(tmp_path / "copies"))
    try:
        words = ("train", "mnist-1k5-dw", "--data", "owner/shapes:small", "--epochs", "1")
        assert smidgen(home, *words, where=tmp_path).returncode == 0
    finally:
        (tmp_path / "copies" / "owner" / "shapes" / "small").rename(home / "photos")
    assert (tmp_path / "runs" / "mnist-1k5-dw-owner-shapes-small-seed0" / "run.json").exists()
