"""Pictures that belong together stay on one side, however they are divided."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

import smidgen as sm
from smidgen.again import judged_on, trained_on
from smidgen.data import DataError, DataWarning, Split, load, neighbours
from smidgen.data.catalogue import Arrays
from smidgen.data.groups import (
    folds_of_groups,
    held_out_groups,
    named_of,
    numbers_of,
    unit_keys,
)
from smidgen.data.labelled import Row
from smidgen.data.parts import held_out, parts
from smidgen.data.preprocessing import Values
from smidgen.data.sources import inspect
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.robust.card import halved
from smidgen.study.plan import read_plan

FRAMES, CLIPS, CLASSES = 6, 5, ("a", "b", "c")
# Of data that are loaded to see what became of their groups, not what is told of them.
notes_aside = pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")


def frames(seed: int) -> Iterator[np.ndarray]:
    """Yield pictures of one recording, which differ by little, of a subject of no class."""
    generator = np.random.default_rng(seed)
    base = generator.integers(20, 230, (8, 8))
    for _ in range(FRAMES):
        yield (base + generator.integers(-3, 4, base.shape)).astype(np.uint8)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Write five recordings a class, of which no class can be told."""
    for number, name in enumerate(CLASSES):
        (tmp_path / "clips" / name).mkdir(parents=True)
        for clip in range(CLIPS):
            for frame, pixels in enumerate(frames(100 * number + clip)):
                place = tmp_path / "clips" / name / f"clip{clip}_{frame:02}.png"
                Image.fromarray(pixels).save(place)
    return tmp_path / "clips"


def recordings(split: Split) -> set[str]:
    return {re.sub(r"_\d+\.png$", "", file) for file in split.files}


@pytest.mark.parametrize(
    ("path", "way", "group"),
    [
        ("cat/clip3/007.png", "folder", "cat/clip3"),
        ("cat/clip3_007.png", "series", "cat/clip3_"),
        ("cat/clip3_007 (copy).png", "series", "cat/clip3_ (copy)"),
        ("cat/007.png", "series", "cat/"),
        ("cat/tom.png", "series", None),
        ("cat/s01_walk_003.png", "prefix", "s01"),
        ("dog/s01-run.png", "prefix", "s01"),
        ("dog/s01.png", "prefix", None),
        ("dog/img_7_jpg.rf.0ab1.jpg", "prefix", "img"),
    ],
)
def test_names_of_files_give_groups(path: str, way: str, group: str | None) -> None:
    assert named_of(path, way) == group


def test_the_key_of_a_group_is_of_its_name_and_of_no_picture() -> None:
    first = unit_keys([b"0", b"1", b"2", b"3"], ["x", "x", None, "y"])
    assert first[0] == first[1] != first[3]
    assert first[2] == b"2"
    assert unit_keys([b"7", b"3"], ["x", "y"]) == [first[0], first[3]]
    assert len(set(unit_keys([b"0", b"0", b"0", b"0"], ["x", "y", None, None]))) == 3
    assert numbers_of([b"0", b"1"], [None, None]) is None
    numbers = numbers_of([b"0", b"1", b"1", b"1"], ["x", None, "x", None])
    assert numbers is not None
    assert numbers.tolist() == [0, 1, 0, 1], "copies of no group are together"


@pytest.mark.parametrize("seed", range(6))
def test_folds_are_whole_groups_as_even_as_scikit_learn_s(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 20, 40)
    groups = np.repeat(np.arange(40), sizes)
    own = generator.integers(0, 4, 40)
    mixed = generator.random(len(groups)) < (0.3 if seed % 2 else 0.0)
    labels = np.where(mixed, generator.integers(0, 4, len(groups)), own[groups])
    folds = folds_of_groups(torch.from_numpy(labels), torch.from_numpy(groups), 5, seed).numpy()
    assert set(folds) <= {0, 1, 2, 3, 4, 5}
    assert all(len(set(folds[groups == group])) == 1 for group in range(40))
    other = np.zeros_like(folds)
    peer = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for number, (_, aside) in enumerate(peer.split(labels, labels, groups), 1):
        other[aside] = number

    def unevenness(of: np.ndarray) -> float:
        shares = [[(of[labels == c] == fold).mean() for fold in range(1, 6)] for c in range(4)]
        return float(np.std(shares, axis=1).mean())

    assert unevenness(folds) < unevenness(other) + 0.02
    assert all(set(labels[folds != fold]) == set(labels) for fold in range(1, 6))


def test_a_class_of_one_group_is_never_held_out_and_no_fold_is_empty() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2])
    groups = torch.tensor([0, 0, 1, 1, 2, 2, 3, 4])
    folds = folds_of_groups(labels, groups, 5, 1)
    assert folds[4:6].tolist() == [0, 0]
    assert sorted(set(folds.tolist())) == [0, 1, 2], "the first folds, each with both classes"
    aside = held_out_groups(labels, groups, 0.1, 1)
    assert set(labels[aside].tolist()) == {0, 2} == set(labels[~aside].tolist()) - {1}
    with pytest.raises(DataError, match="no group of images can be held out"):
        held_out_groups(labels, labels, 0.1, 1)


def test_of_a_class_that_would_be_in_one_fold_alone_the_smallest_group_is_in_none() -> None:
    """Class 1 is of the first group and of the third, which is larger."""
    labels = torch.tensor([1, 2, 2, 2, 2, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 2])
    groups = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4])
    folds = folds_of_groups(labels, groups, 2, 1)
    assert folds.tolist() == [0, 0, 0, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2]


def unevenness(labels: torch.Tensor, folds: torch.Tensor, of: int) -> float:
    """Return how far the shares of a class lie apart over folds, summed over classes."""
    shares = [
        [(folds[labels == label] == fold).double().mean() for fold in range(1, of + 1)]
        for label in labels.unique()
    ]
    return float(np.std(shares, axis=1).sum())


def test_the_group_that_is_placed_last_lies_where_classes_are_the_most_even() -> None:
    """It is the smallest: of all folds that it could be in none leaves them more even."""
    tried = 0
    for seed in range(30):
        generator = np.random.default_rng(seed)
        groups = torch.from_numpy(np.repeat(np.arange(5), generator.integers(1, 6, 5)))
        labels = torch.from_numpy(generator.integers(0, 3, len(groups)))
        folds, sizes = folds_of_groups(labels, groups, 3, seed), groups.bincount()
        smallest = (sizes == sizes.min()).nonzero()
        if len(smallest) == 1 and bool((folds > 0).all()):
            tried += 1
            last = groups == smallest[0]
            others = [unevenness(labels, torch.where(last, at, folds), 3) for at in (1, 2, 3)]
            assert unevenness(labels, folds, 3) == pytest.approx(min(others))
    assert tried > 9


def test_of_few_groups_no_fold_that_is_empty_is_held_out() -> None:
    """What is held out stays as it was, though an empty fold is nearer to an eighth."""
    labels, groups = torch.tensor([0, 2, 1, 1, 0, 1]), torch.tensor([0, 0, 0, 1, 2, 2])
    assert held_out_groups(labels, groups, 1 / 8, 1).tolist() == [False] * 3 + [True] * 3


def test_a_class_with_its_share_is_given_no_group_more() -> None:
    groups = torch.arange(60).repeat_interleave(10)
    assert int(held_out_groups(groups % 3, groups, 0.1, 20).sum()) == 60


def test_a_share_is_held_out_of_groups_of_any_size_and_one_group_of_a_rare_class() -> None:
    groups = np.repeat(np.arange(60), np.random.default_rng(3).integers(1, 30, 60))
    labels = torch.from_numpy(np.append(groups % 3, [3, 3, 3]))
    groups = torch.from_numpy(np.append(groups, [60, 60, 61]))
    aside = held_out_groups(labels, groups, 0.1, 20)
    shares = [aside[labels == label].double().mean().item() for label in range(3)]
    assert all(0.06 < share < 0.14 for share in shares)
    assert aside[-3:].tolist() == [False, False, True]


def test_many_groups_of_many_classes_are_spread_to_the_image() -> None:
    labels = torch.arange(2_000) % 50
    folds = folds_of_groups(labels, torch.arange(2_000), 5, 1)
    counts = torch.stack([(folds[labels == label] == 1).sum() for label in range(50)])
    assert counts.tolist() == [8] * 50


@notes_aside
def test_a_frame_that_all_films_have_joins_none(tmp_path: Path) -> None:
    images, labels, groups = arrays(48)
    images[::4] = 0
    data = sm.data.from_arrays(images, labels, groups=groups)
    assert 4 <= len(data.test) <= 24
    assert len(grouped_test(data)) == int(data.test.groups.max()) + 1  # pyright: ignore


@notes_aside
def test_a_large_group_is_set_aside_last() -> None:
    images, _, _ = arrays(60)
    groups = np.r_[np.zeros(40), np.arange(1, 11), np.repeat(np.arange(11, 21), 1)]
    labels = np.r_[np.zeros(50), np.ones(10)].astype(int)
    for name in range(40):  # a hash of its name would set it aside in eight of them
        own = [f"{name} {int(group)}" for group in groups]
        assert len(sm.data.from_arrays(images, labels, groups=own).test) < 20


@notes_aside
def test_recordings_are_whole_wherever_some_are_held_out(clips: Path) -> None:
    data = load(clips, group_by="series")
    assert not recordings(data.train) & recordings(data.test)
    for name in ("selection", "fold-1-of-3", "fold-2-of-3", "fold-3-of-3-round-2"):
        train, aside = parts(data, name)
        assert aside is not None
        assert not recordings(train) & recordings(aside)
        assert set(aside.labels.tolist()) == {0, 1, 2}
        part, rows = held_out(data, name)
        assert part == "train"
        assert data.train.labels[rows].equal(aside.labels)
    two = halved(data.train)
    assert two is not None
    assert two.judges is not None
    chooses, judges = two.chooses.groups, two.judges.groups
    assert chooses is not None
    assert judges is not None
    assert not set(chooses.tolist()) & set(judges.tolist())


@notes_aside
def test_a_fold_that_is_empty_is_told_with_the_number_of_groups(clips: Path) -> None:
    data = load(clips, group_by="series")
    with pytest.raises(
        DataError, match=r"^fold-9-of-9 holds .* clips has 12 groups of training im"
    ):
        parts(data, "fold-9-of-9")


@notes_aside
def test_they_are_found_again_by_a_run_as_they_were(clips: Path, tmp_path: Path) -> None:
    data = load(clips, group_by="series")
    assert data.fingerprint == load(clips, group_by="series").fingerprint, "from the cache"
    assert data.train.groups is not None
    plain = load(clips)
    assert plain.train.groups is None
    assert data.fingerprint != plain.fingerprint
    spec = sm.zoo.net("mnist-1k5-dw").fitted(Shape(*data.shape), 3)
    run = sm.train(spec, data, recipe=Recipe(epochs=1, batch_size=32))
    assert trained_on(run, "run").fingerprint == data.fingerprint
    clips.rename(tmp_path / "moved")
    assert judged_on(run, tmp_path / "moved").test.files == data.test.files
    other = replace(run, origin=run.origin.replace("series", "recording"))
    judged = judged_on(other, tmp_path / "moved").test
    assert sorted(judged.files) == sorted(data.test.files), "of all, what it has not learned"


def table(folder: Path, ending: str) -> Path:
    """Write pictures by number with a table that names the recording of each."""
    rows = ["file_name,label,who,person,split"]
    for number in range(12):
        Image.fromarray(np.full((8, 8), 20 * number, np.uint8)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]},p{number // 3},x,")
    text = "\n".join(row.rpartition(",")[0] for row in rows)
    if ending == "jsonl":
        names, *cells = (row.split(",") for row in text.splitlines())
        text = "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in cells)
    (folder / ("labels.csv" if ending == "csv" else "metadata.jsonl")).write_text(text)
    return folder


@notes_aside
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_column_of_a_table_names_groups(tmp_path: Path, ending: str) -> None:
    data = load(table(tmp_path, ending), group_by="who")
    groups = [int(Path(file).stem) // 3 for part in data.parts.values() for file in part.files]
    numbers = torch.cat([part.groups for part in data.parts.values() if part.groups is not None])
    assert len(set(zip(groups, numbers.tolist(), strict=True))) == 4
    with pytest.raises(
        DataError, match=r"two groups or more by 'person' .*, got the one group 'x'"
    ):
        load(tmp_path, group_by="person")


def arrays(count: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8), np.uint8)
    return images, np.arange(count) % 2, np.arange(count) // 4


def grouped_test(data: sm.data.Data) -> list[int]:
    """Return how many images of each group are tested on."""
    assert data.test.groups is not None
    assert data.train.groups is not None
    assert not set(data.test.groups.tolist()) & set(data.train.groups.tolist())
    return torch.bincount(data.test.groups).tolist()


@notes_aside
def test_arrays_have_groups_in_a_file_and_in_memory(tmp_path: Path) -> None:
    images, labels, groups = arrays()
    np.savez(tmp_path / "a.npz", images=images, labels=labels, subject=groups)
    of_file = grouped_test(load(tmp_path / "a.npz", group_by="subject"))
    assert set(of_file) <= {0, 4}
    assert grouped_test(sm.data.from_arrays(images, labels, groups=groups)) == of_file
    assert (
        grouped_test(sm.data.from_arrays(images, labels, groups=list(map(str, groups)))) == of_file
    )
    np.savez(
        tmp_path / "b.npz",
        x_train=images,
        y_train=labels,
        subject_train=groups,
        x_test=images[:4],
        y_test=labels[:4],
    )
    found = load(tmp_path / "b.npz", group_by="subject").train.groups
    assert found is not None
    assert found.tolist() == groups.tolist()
    for wrong in (groups[:-1], 3, "abc"):
        with pytest.raises(DataError, match=r"^groups must be one "):
            sm.data.from_arrays(images, labels, groups=wrong)


@notes_aside
def test_tables_of_pixels_and_of_encoded_pictures_have_them(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images, labels, groups = arrays()
    names = ",".join(f"pixel{i}" for i in range(64))
    rows = [
        f"{y},p{g},{','.join(map(str, x.ravel()))}"
        for x, y, g in zip(images, labels, groups, strict=True)
    ]
    (tmp_path / "pixels.csv").write_text("\n".join([f"label,who,{names}", *rows]))
    of_pixels = grouped_test(load(tmp_path / "pixels.csv", group_by="who"))
    assert set(of_pixels) <= {0, 4}
    encoded: list[bytes] = []
    for image in images:
        Image.fromarray(image).save(tmp_path / "one.png")
        encoded.append((tmp_path / "one.png").read_bytes())
    (tmp_path / "parquet").mkdir()
    held = {"image": encoded, "label": labels, "who": [f"p{group}" for group in groups]}
    pq.write_table(pa.table(held), tmp_path / "parquet" / "train.parquet")
    assert grouped_test(load(tmp_path / "parquet", group_by="who")) == of_pixels


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("clip", r"no column or array 'clip' .*folder, series and prefix$"),
        ("folder", r"3 classes have a single group of pictures each, and each class needs one to"),
        ("prefix", r"must have two groups or more by 'prefix' .*, got the one group 'clip'$"),
    ],
)
def test_groups_that_are_none_are_refused(clips: Path, way: str, said: str) -> None:
    for path in sorted(clips.rglob("*.png")):
        path.rename(path.with_name(f"clip_{path.stem}.png"))
    with pytest.raises(DataError, match=said):
        load(clips, group_by=way)


def test_names_of_files_are_no_groups_of_arrays() -> None:
    with pytest.raises(DataError, match=r"^digits has no files whose names give a series"):
        load("digits", group_by="series")


def test_groups_are_told_and_those_on_both_sides(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in "ab":
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(4):
                pixels = np.random.default_rng(number + ord(name)).integers(0, 99, (8, 8), np.uint8)
                place = tmp_path / part / name / f"s{number % 2}_{part}{number}.png"
                Image.fromarray(pixels + (part == "test")).save(place)
    found = " ".join(inspect(tmp_path, group_by="prefix").data.notes)
    assert "2 groups of pictures by 'prefix', the largest 's0' with 8" in found
    assert "2 groups are in several parts of the data, such as 's0', 's1'" in found
    assert "8 test images are of 2 groups" in found
    by_series = " ".join(inspect(tmp_path, group_by="series").data.notes)
    assert "groups are in several parts" not in by_series
    for path in sorted(tmp_path.rglob("*.png")):
        path.rename(path.with_name(path.name.replace("train", "").replace("test", "1")))
    by_series = " ".join(inspect(tmp_path, group_by="series").data.notes)
    assert "4 groups are in several parts of the data, such as 'a/s0_'" in by_series


def test_a_folder_that_is_called_as_a_part_and_is_none_names_a_group(tmp_path: Path) -> None:
    """Of data in one part, a folder may be of recordings that were made in a test."""
    places = ("test", "indoors", "outdoors", "test")
    for number in range(24):
        folder = tmp_path / "all" / "ab"[number % 2] / places[number // 2 % 4]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 99, (8, 8), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    notes = " ".join(inspect(tmp_path / "all", group_by="folder").data.notes)
    assert "6 groups of pictures by 'folder', the largest 'a/test' with 6" in notes


@notes_aside
def test_the_largest_group_is_named() -> None:
    images, labels, _ = arrays()
    data = sm.data.from_arrays(images, labels, groups=["a"] * 4 + ["big"] * 16 + ["c"] * 4)
    assert "the largest 'big' with 16" in " ".join(data.notes)


@notes_aside
def test_recordings_are_suspected_where_neighbours_are_alike(clips: Path) -> None:
    with pytest.warns(
        DataWarning, match=r"^clips: pictures that follow each other look alike: .*--group-by"
    ):
        load(clips)
    images, labels, _ = arrays(200)
    assert not [note for note in sm.data.from_arrays(images, labels).notes if "look alike" in note]
    assert not [note for note in load(clips, group_by="series").notes if "look alike" in note]


def test_a_study_names_its_groups(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        'name = "s"\ndata = "clips"\nseeds = [0]\ngroup_by = "series"\n'
        '[[trials]]\nnets = ["mnist-1k5-dw"]\n'
    )
    origin = read_plan(tmp_path / "s.toml").origin
    assert origin.options == ["--group-by", "series"]


@pytest.mark.parametrize(("classes", "each", "looked_at"), [(50, 2, 0), (50, 16, 0), (50, 17, 9)])
def test_neighbours_are_looked_for_in_some_classes_that_have_enough_pictures(
    classes: int, each: int, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def offsets(pixels: Values, groups: Sequence[str | None]) -> list[int]:
        assert len(groups) == len(pixels)
        asked.append(len(pixels))
        return [1] * len(pixels)

    monkeypatch.setattr(neighbours, "_offsets", offsets)
    monkeypatch.setattr(neighbours, "_CLASSES", 9)
    values = np.zeros((classes * each, 2, 2, 1), np.uint8)
    pictures = Arrays(values, str)
    rows = [Row(n, pictures, n, n % classes, "train") for n in range(len(values))]
    told = neighbours.alike_neighbours(rows, values)
    assert asked == [each] * looked_at
    assert bool(told) == bool(looked_at)


@pytest.mark.parametrize(("long", "told"), [(4, False), (None, True)])
def test_neighbours_of_one_group_are_on_one_side_and_not_suspected(
    long: int | None, told: bool
) -> None:
    draw = np.random.default_rng(0)
    scenes = draw.integers(0, 256, (60, 8, 8, 1))  # four pictures each, that are nearly copies
    values = np.clip(scenes.repeat(4, 0) + draw.integers(-3, 4, (240, 8, 8, 1)), 0, 255)
    pictures = Arrays(values.astype(np.uint8), str)
    rows = [
        Row(n, pictures, n, 0, "train", group=None if long is None else f"clip {n // long}")
        for n in range(240)
    ]
    assert bool(neighbours.alike_neighbours(rows, pictures.values)) == told
    one = [row._replace(group="all") for row in rows]
    assert not neighbours.alike_neighbours(one, pictures.values)
