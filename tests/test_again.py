"""The data of a run, found again from anywhere."""

import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import smidgen as sm
from smidgen.again import Columns, held_out_of, judged_on, trained_on
from smidgen.checkpoint import Room, load_tensors, save_tensors
from smidgen.data import DataError
from smidgen.data.known import keys_of
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.run import PICTURES, Run, load_run


def photographs(
    root: Path, names: tuple[str, ...] = ("cat", "dog", "owl"), *, seed: int = 3
) -> Path:
    """Draw a few pictures of several sizes for each class, a colour each."""
    generator = np.random.default_rng(seed)
    for part, count in (("train", 12), ("test", 4)):
        for name in names:
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                side = (20 + i, 30 - i)
                pixels = generator.integers(0, 90, (*side, 3), np.uint8)
                pixels[..., {"cat": 0, "dog": 1, "owl": 2}.get(name, 0)] += 150
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SMIDGEN_DATA", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def run(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Train on pictures that are named by a relative path, then go elsewhere."""
    photographs(elsewhere / "here" / "photos")
    data = sm.data.load("photos", image_size=12)
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(*data.shape), 3)
    place = elsewhere / "run"
    sm.train(spec, data, recipe=Recipe(epochs=8, batch_size=6), split="selection", folder=place)
    (elsewhere / "there").mkdir()
    monkeypatch.chdir(elsewhere / "there")
    return load_run(place)


def test_the_data_are_found_from_another_folder_at_the_run_s_size(run: Run) -> None:
    data = trained_on(run, "run")
    assert data.shape == (3, 12, 12)
    assert data.fingerprint == run.trial.fingerprint
    assert Path(run.origin).is_absolute()


def test_data_that_moved_are_read_where_they_are_now(run: Run, elsewhere: Path) -> None:
    moved = elsewhere / "moved"
    shutil.move(elsewhere / "here" / "photos", moved)
    with pytest.raises(DataError, match=r"no longer in .*photos: say where they are now"):
        trained_on(run, "run")
    assert trained_on(run, "run", data=moved).fingerprint == run.trial.fingerprint


@pytest.mark.parametrize("place", [300 * "x", "/" + 300 * "x"])
def test_a_place_that_no_path_can_have_is_told_with_its_run(
    place: str, run: Run, elsewhere: Path
) -> None:
    with pytest.raises(DataError, match=r"the data of run cannot be looked for in '.*: File name"):
        trained_on(replace(run, origin=place), "run")
    here = elsewhere / "here" / "photos"
    assert judged_on(replace(run, origin=place), here).fingerprint == run.trial.fingerprint


def test_what_is_neither_a_place_nor_data_is_refused(run: Run) -> None:
    part = sm.data.load("digits").test
    for wrong in (part, part.images.numpy()):
        with pytest.raises(ValueError, match="must be a path, got "):
            trained_on(run, "run", data=wrong)  # pyright: ignore[reportArgumentType]


def test_what_was_said_in_training_is_not_said_again(elsewhere: Path) -> None:
    photos = photographs(elsewhere / "parts") / "train"
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        data = sm.data.load(photos, image_size=12)
        spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(*data.shape), 3)
        sm.train(spec, data, recipe=Recipe(epochs=1, batch_size=6), folder=elsewhere / "run")
        run = load_run(elsewhere / "run")
        assert any("no test images" in str(warning.message) for warning in heard)
        heard.clear()
        trained_on(run, "run")
        assert not heard
        (photos / "cat" / "99.png").write_bytes(b"broken since")
        trained_on(run, "run")
    (said,) = [str(warning.message) for warning in heard]
    assert "1 picture cannot be used and is left out: " in said
    assert "99.png" in said


def test_other_pictures_are_not_what_it_was_trained_on(run: Run, elsewhere: Path) -> None:
    (elsewhere / "here" / "photos" / "train" / "cat" / "0.png").unlink()
    said = r"photos must hold the pictures \S+run was trained on as they were, its content changed"
    told = rf"{said} \(0 pictures came, 1 went\): .* `smidgen evaluate \S+run --data \S+photos` "
    for data in (None, elsewhere / "here" / "photos"):
        with pytest.raises(DataError, match=f"^(?:(?!photos).)*{told}.*`smidgen train --from "):
            trained_on(run, elsewhere / "run", data=data)
    with pytest.raises(DataError, match=rf"{said}: put them back"):
        trained_on(replace(run, known=None), elsewhere / "run")


def test_of_a_folder_that_has_grown_the_run_s_own_pictures_are_taken(
    run: Run, elsewhere: Path
) -> None:
    photos = elsewhere / "here" / "photos" / "train"
    for name in ("0", "zz"):  # before and after the others
        pixels = np.random.default_rng(9).integers(0, 255, (16, 16, 3), np.uint8)
        pixels[0, 0] = ord(name[0])
        Image.fromarray(pixels).save(photos / "owl" / f"{name}-new.png")
    for data in (None, elsewhere / "here" / "photos"):
        with pytest.warns(UserWarning, match="photos holds 2 pictures more than run was trained"):
            found = trained_on(run, "run", data=data)
        assert (found.fingerprint, found.origin) == (run.trial.fingerprint, run.origin)
        assert len(found.train.files) == 36
    loaded = sm.data.load(elsewhere / "here" / "photos", preprocessing=run.preprocessing)
    with pytest.warns(UserWarning, match="photos holds 2 pictures more"):
        assert trained_on(run, "run", data=loaded).fingerprint == run.trial.fingerprint
    (photos / "cat" / "0.png").rename(photos / "owl" / "of-a-cat.png")
    with pytest.raises(DataError, match="2 pictures came, 0 went, labels or groups are others"):
        trained_on(run, "run")


def test_what_tells_a_run_s_pictures_is_not_needed(run: Run, elsewhere: Path) -> None:
    path = elsewhere / "run" / PICTURES
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="pictures.safetensors: truncated .* not known without it"):
        assert load_run(elsewhere / "run").known is None
    path.unlink()
    assert load_run(elsewhere / "run").known is None


def test_what_tells_pictures_is_of_this_run_and_bounded(
    run: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = elsewhere / "run" / PICTURES
    tensors, values = load_tensors(path)
    assert values == {"key": run.trial.key}
    fold = replace(run.trial, split="fold-1-of-2")
    assert fold.fingerprint == run.trial.fingerprint, "of the same data"
    for other in ({"key": fold.key}, {"fingerprint": run.trial.fingerprint}):
        save_tensors(path, tensors, other)
        with pytest.warns(
            UserWarning, match="pictures.safetensors: of another run; which pictures"
        ):
            assert load_run(elsewhere / "run").known is None
    all_kinds = {"validation": tensors["test"].clone(), "left_out": tensors["held_out"].clone()}
    save_tensors(path, {**tensors, **all_kinds}, values)
    known = load_run(elsewhere / "run").known
    assert known is not None
    assert known.left_out is not None
    header = 4096
    room = Room(5, path.stat().st_size - header, header)
    monkeypatch.setattr("smidgen.run._KNOWN", room)
    assert load_run(elsewhere / "run").known is not None
    monkeypatch.setattr("smidgen.run._KNOWN", room._replace(bytes=room.bytes - 1))
    with pytest.warns(UserWarning, match="bytes of a file must be at most .* not known without it"):
        assert load_run(elsewhere / "run").known is None


def test_held_out_images_are_those_of_the_run_s_split(run: Run) -> None:
    data = trained_on(run, "run")
    found = held_out_of(run, data, "run")
    assert len(found) == len(sm.data.selection_split(data.train)[1])
    assert (found.images == sm.data.selection_split(data.train)[1].images).all()
    whole = sm.train(run.trial.net, data, recipe=Recipe(epochs=1, batch_size=6), split="full")
    with pytest.raises(ValueError, match="run was trained on all images: nothing was held out"):
        held_out_of(whole, data, "run")
    given = replace(data, validation=data.test, fingerprint="")
    assert held_out_of(whole, given, "run") is data.test, "it is never trained on"


def test_other_data_go_through_what_the_run_s_did(run: Run, elsewhere: Path) -> None:
    data = judged_on(run, photographs(elsewhere / "new", seed=4))
    assert data.shape == (3, 12, 12)
    assert sm.evaluate(run, data.test, measure_latency=False).accuracy > 0.8


def test_only_new_pictures_are_enough(run: Run, elsewhere: Path) -> None:
    new = photographs(elsewhere / "new", seed=4)
    shutil.rmtree(new / "train")
    assert len(judged_on(run, new).test) == 12


def right(run: Run, data: sm.data.Data) -> float:
    return sm.evaluate(run, data.test, measure_latency=False).accuracy


def test_classes_are_matched_by_name_whatever_their_order(run: Run, elsewhere: Path) -> None:
    whole = right(run, judged_on(run, photographs(elsewhere / "new", seed=4)))
    assert whole > 0.8, "or a wrong order would not be seen"
    table = elsewhere / "listed"
    (table / "images").mkdir(parents=True)
    lines = ["file_name,label"]
    for name in ("owl", "dog", "cat"):  # another order than the run's
        for path in sorted((elsewhere / "new" / "test" / name).iterdir()):
            shutil.copy(path, table / "images" / f"{name}{path.name}")
            lines.append(f"{name}{path.name},{name}")
    (table / "labels.csv").write_text("\n".join(lines))
    with pytest.warns(sm.data.DataWarning, match="all 12 images are judged"):
        data = judged_on(run, table / "labels.csv")
    assert data.classes == run.classes
    assert right(run, data) == pytest.approx(whole)


def test_fewer_classes_are_judged_and_unknown_ones_refused(run: Run, elsewhere: Path) -> None:
    new = photographs(elsewhere / "new", seed=4)
    shutil.rmtree(new / "train")
    shutil.rmtree(new / "test" / "cat")
    data = judged_on(run, new)
    assert data.classes == run.classes
    assert sorted(set(data.test.labels.tolist())) == [1, 2]
    (new / "test" / "owl").rename(new / "test" / "owls")
    with pytest.raises(DataError, match=r"class 'owls' of .* did you mean 'owl'\?") as raised:
        judged_on(run, new)
    assert "\n" not in str(raised.value)


def test_new_pictures_without_parts_are_all_judged_and_that_is_told(
    run: Run, elsewhere: Path
) -> None:
    new = photographs(elsewhere / "new", seed=4) / "train"
    with pytest.warns(sm.data.DataWarning, match="train: all 36 images are judged; if it was") as w:
        data = judged_on(run, new)
    assert len(data.test) == 36
    assert not any("set aside" in str(warning.message) for warning in w)
    assert sorted(data.test.files) == sorted(
        f"{name}/{i}.png" for name in ("cat", "dog", "owl") for i in range(12)
    )
    owls = [Path(data.test.files[n]).parent.name for n in (data.test.labels == 2).nonzero()]
    assert owls == ["owl"] * 12


def test_a_validation_part_is_judged_with_the_others(run: Run, elsewhere: Path) -> None:
    new = photographs(elsewhere / "new", seed=4)
    (new / "test").rename(new / "val")
    with pytest.warns(sm.data.DataWarning, match="new: all 48 images are judged; if it was"):
        data = judged_on(run, new)
    assert len(data.test) == 48


@pytest.mark.filterwarnings("ignore:.* are left out:smidgen.data.DataWarning")
def test_what_the_run_has_learned_judges_nowhere(run: Run, elsewhere: Path) -> None:
    assert run.known is not None
    new = photographs(elsewhere / "new", seed=4)
    for path in (elsewhere / "here" / "photos" / "train").glob("*/*.png"):
        shutil.copy(path, new / "test" / path.parent.name / f"learned-{path.name}")
    learned = len(run.known.learned)
    told = f"new: {learned} of the 48 test images were learned by the run and are left out"
    with pytest.warns(sm.data.DataWarning, match=told):
        found = judged_on(run, new)
    assert len(found.test) == len(found.test.files) == 48 - learned
    assert not set(keys_of(found.test).tolist()) & run.known.learned
    assert found.fingerprint != judged_on(run, new, learned=True).fingerprint
    for of, images in ((replace(run, known=None), 48), (run, 48 - learned)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sm.data.DataWarning)
            assert len(judged_on(of, new).test) == images
    own = elsewhere / "here" / "photos"
    with pytest.warns(sm.data.DataWarning, match=f"the other {36 - learned} images are judged"):
        judged_on(run, own / "train")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert judged_on(run, own).fingerprint == run.trial.fingerprint
    alone = replace(run.known, held_out=torch.zeros(36, dtype=torch.bool))
    with pytest.raises(DataError, match=r"train must hold a test image .* got 36 that it has: nam"):
        judged_on(replace(run, known=alone), own / "train")
    of_share = replace(alone, left_out=torch.arange(36) >= 9)
    with pytest.warns(sm.data.DataWarning, match="the other 27 images are judged"):
        judged_on(replace(run, known=of_share), own / "train")


def test_of_the_run_s_own_pictures_only_the_part_set_aside_is_judged_wherever_they_lie(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs(elsewhere / "here" / "all")
    shutil.move(elsewhere / "here" / "all" / "train", elsewhere / "here" / "plain")
    with pytest.warns(sm.data.DataWarning, match="set aside"):
        data = sm.data.load("plain", image_size=12)
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(*data.shape), 3)
    run = sm.train(spec, data, recipe=Recipe(epochs=1, batch_size=6))
    Image.new("RGB", (9, 9)).save(elsewhere / "here" / "plain" / "cat" / "new.png")
    monkeypatch.chdir(elsewhere)
    with pytest.warns(sm.data.DataWarning, match="set aside"):
        grown = judged_on(run, elsewhere / "here" / "plain")
    assert len(data.test) <= len(grown.test) <= len(data.test) + 1
    (elsewhere / "here" / "plain" / "cat" / "new.png").unlink()
    shutil.move(elsewhere / "here" / "plain", elsewhere / "moved")
    with pytest.warns(sm.data.DataWarning, match="set aside"):
        moved = judged_on(run, elsewhere / "moved")
    assert moved.test.images.equal(data.test.images)


def test_of_data_of_the_hub_that_went_on_the_part_set_aside_is_judged(elsewhere: Path) -> None:
    (elsewhere / "copies" / "owner").mkdir(parents=True)
    photographs(elsewhere / "all")
    shutil.move(elsewhere / "all" / "train", elsewhere / "copies" / "owner" / "pets")
    with pytest.warns(sm.data.DataWarning, match="set aside"):
        data = sm.data.load("owner/pets", data_dir=elsewhere / "copies", image_size=12)
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(*data.shape), 3)
    data = replace(data, origin=f"owner/pets@{'a' * 40}")
    run = sm.train(spec, data, recipe=Recipe(epochs=1, batch_size=6))
    new = elsewhere / "copies" / "owner" / "pets" / "cat" / "new.png"
    Image.new("RGB", (9, 9)).save(new)
    with pytest.warns(sm.data.DataWarning, match="set aside"):
        grown = judged_on(run, "owner/pets", data_dir=elsewhere / "copies")
    assert len(data.test) <= len(grown.test) <= len(data.test) + 1


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        (None, "which is fetched "),
        ((1_200_000_000, 34_000_000), r"1\.23 GB, which is fetched "),
        ((1_200_000_000, None), "which is fetched "),
        ((6_000_000_000, 4_000_000_000), r"10\.00 GB, which is fetched "),
        ((6_000_000_000, 4_000_000_000, 10_000_000), None),
    ],
)
def test_what_a_run_has_fetched_from_the_hub_is_told_before_and_bounded(
    run: Run,
    sizes: tuple[int | None, ...] | None,
    told: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(*asked: object, **more: object) -> None:
        raise DataError("it is silent")

    def info(*asked: object, revision: str, files_metadata: bool, timeout: float) -> object:
        assert (revision, files_metadata, timeout) == ("a" * 40, True, 5)
        if sizes is None:
            raise TimeoutError
        return SimpleNamespace(siblings=[SimpleNamespace(size=size) for size in sizes])

    monkeypatch.setattr("smidgen.again.load", read)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", info)
    theirs = replace(run, origin=f"somebody/any@{'a' * 40}")
    named = "^run names somebody/any@a+ of the hub,"
    if told is None:
        refused = rf"{named} 10\.01 GB, more than the 10\.00 GB .* with --data somebody/any@a+$"
        with pytest.raises(DataError, match=refused):
            trained_on(theirs, "run")
        return
    with (
        pytest.warns(sm.data.DataWarning, match=f"{named} {told}"),
        pytest.raises(DataError, match="it is silent"),
    ):
        trained_on(theirs, "run")


def test_the_folder_of_copies_of_a_run_is_not_that_of_other_data(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for copies, name in (("copies", "pets"), ("more", "others")):
        (elsewhere / copies / "owner").mkdir(parents=True)
        photographs(elsewhere / copies / "owner" / name)
    data = sm.data.load("owner/pets", data_dir=elsewhere / "copies", image_size=12)
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(*data.shape), 3)
    run = sm.train(spec, data, recipe=Recipe(epochs=1, batch_size=6))
    monkeypatch.setenv("SMIDGEN_DATA", str(elsewhere / "more"))
    assert judged_on(run, "owner/others").name == "owner/others"
    assert judged_on(run, "owner/pets").fingerprint == data.fingerprint


@pytest.fixture
def tabled(elsewhere: Path) -> Run:
    """Train on a table whose columns had to be named, with pictures missing and broken."""
    folder = photographs(elsewhere / "here" / "listed")
    rows = [
        f"{path.relative_to(folder)},{path.parent.name},7"
        for part in ("train", "test")
        for path in sorted((folder / part).rglob("*.png"))
    ]
    rows += ["gone.png,cat,7", "broken.png,owl,7"]
    (folder / "broken.png").write_bytes(b"nothing")
    (folder / "data.csv").write_text("\n".join(["shown,is a,was a", *rows]))
    data = sm.data.load(
        folder, image_size=12, image_column="shown", label_column="is a", skip_broken=True
    )
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(*data.shape), 3)
    sm.train(spec, data, recipe=Recipe(epochs=1, batch_size=6), folder=elsewhere / "run")
    return load_run(elsewhere / "run")


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_what_was_asked_of_a_table_need_not_be_said_again(tabled: Run, elsewhere: Path) -> None:
    assert trained_on(tabled, "run").fingerprint == tabled.trial.fingerprint
    shutil.move(elsewhere / "here" / "listed", elsewhere / "moved")
    moved = trained_on(tabled, "run", data=elsewhere / "moved")
    assert moved.fingerprint == tabled.trial.fingerprint


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_other_data_may_have_other_columns_and_broken_pictures(
    tabled: Run, elsewhere: Path
) -> None:
    folder = photographs(elsewhere / "other")
    rows = [
        f"{path.relative_to(folder)},{path.parent.name}"
        for path in (folder / "test").rglob("*.png")
    ]
    (folder / "data.csv").write_text("\n".join(["shown,label", *rows, "broken.png,cat"]))
    (folder / "broken.png").write_bytes(b"nothing")
    shutil.rmtree(folder / "train")
    with pytest.raises(
        DataError, match=r"has no column 'is a' \(--label-column, or label_column=\)"
    ):
        judged_on(tabled, folder)
    columns = Columns(label="label")
    with pytest.raises(DataError, match=r"broken.png is no readable picture"):
        judged_on(tabled, folder, columns=columns)
    assert len(judged_on(tabled, folder, columns=columns, skip_broken=True).test) == 12


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_columns_are_told_of_folders_if_they_were_asked_for_and_not_remembered(
    tabled: Run, elsewhere: Path
) -> None:
    folder = photographs(elsewhere / "other")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        judged_on(tabled, folder)
    assert not any("without a table" in str(of.message) for of in heard)
    with pytest.warns(sm.data.DataWarning, match="other is read without a table"):
        judged_on(tabled, folder, columns=Columns(label="breed"))


def test_a_known_set_is_meant_whatever_folder_lies_here(elsewhere: Path) -> None:
    data = sm.data.load("digits")
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(*data.shape), 10)
    sm.train(spec, data, recipe=Recipe(epochs=1, batch_size=64), folder=elsewhere / "run")
    (elsewhere / "here" / "digits").mkdir()
    run = load_run(elsewhere / "run")
    assert trained_on(run, "run").fingerprint == data.fingerprint
