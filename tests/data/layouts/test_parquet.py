"""Parquet in the layout of the hub: columns are found by their kind, damage is named."""

import io
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from smidgen.data import DataError, DataWarning, load

Folder = Callable[..., Path]


def png(seed: int, *shape: int) -> bytes:
    array = np.random.default_rng(seed).integers(0, 256, shape or (4, 4), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(array).save(written, "PNG")
    return written.getvalue()


def rows(labels: list[int | None], first: int = 0) -> tuple[list[bytes], list[int | None]]:
    return [png(first + number) for number in range(len(labels))], labels


BOTH = {"train": rows([0, 1, 0, 1, 1, 0]), "test": rows([1, 0], first=50)}


def test_rows_are_read_in_order(parquet_folder: Folder) -> None:
    data = load(parquet_folder(BOTH))
    assert (data.name, data.classes, data.shape) == ("table", ("cat", "dog"), (1, 4, 4))
    assert data.train.labels.tolist() == [0, 1, 0, 1, 1, 0]
    assert data.test.labels.tolist() == [1, 0]
    for number, image in enumerate(data.train.images):
        stored = np.asarray(Image.open(io.BytesIO(png(number))))
        assert image[0].equal(torch.from_numpy(stored.copy()))


PARTS_OF_ROWS = ["train", "train", "test", "train", "Validation", "train"]


@pytest.mark.parametrize("name", ["split", "subset"])
@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_a_column_may_name_the_part(tmp_path: Path, name: str) -> None:
    images = [png(number) for number in range(6)]
    table = pa.table({"image": images, "label": [0, 1, 0, 1, 1, 0], name: PARTS_OF_ROWS})
    path = tmp_path / "all.parquet"
    pq.write_table(table, path)
    data = load(path)
    assert {part: split.labels.tolist() for part, split in data.parts.items()} == {
        "train": [0, 1, 1, 0],
        "validation": [1],
        "test": [0],
    }
    stored = np.asarray(Image.open(io.BytesIO(png(2))))
    assert data.test.images[0, 0].equal(torch.from_numpy(stored.copy()))
    images[4] = b"broken"
    pq.write_table(table.set_column(0, "image", pa.array(images)), path)
    with pytest.raises(DataError, match=r"all\.parquet row 4 is no readable picture"):
        load(path)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
@pytest.mark.parametrize("name", ["dev-boards", "test"])
def test_a_lone_file_is_trained_on_whatever_its_name(tmp_path: Path, name: str) -> None:
    table = pa.table({"image": [png(number) for number in range(40)], "label": [0, 1] * 20})
    pq.write_table(table, tmp_path / f"{name}.parquet")
    data = load(tmp_path / f"{name}.parquet")
    assert len(data.train) + len(data.test) == 40
    judged = load(tmp_path / f"{name}.parquet", classes=("0", "1"))
    assert len(judged.test) == 40
    with pytest.raises(DataError, match="must hold pictures to train on"):
        load(tmp_path)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_numbers_that_the_hub_names_may_say_the_part(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Value
    from datasets import Image as ImageFeature

    features = Features(
        image=ImageFeature(), label=Value("int64"), split=ClassLabel(names=["test", "train"])
    )
    images = [{"bytes": png(number), "path": None} for number in range(6)]
    held = {"image": images, "label": [0, 1] * 3, "split": [1, 1, 1, 0, 0, 1]}
    Dataset.from_dict(held, features).to_parquet(str(tmp_path / "all.parquet"))
    data = load(tmp_path)
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([0, 1, 0, 1], [1, 0])


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_what_fast_ai_calls_valid_is_no_label_and_not_trained_on(tmp_path: Path) -> None:
    images = [png(number) for number in range(20)]
    valid = [number >= 16 for number in range(20)]
    table = pa.table({"image": images, "kind": ["cat", "dog"] * 10, "is_valid": valid})
    pq.write_table(table, tmp_path / "all.parquet")
    data = load(tmp_path, label_column="kind")
    assert data.validation is not None
    assert len(data.validation) == 4


@pytest.mark.parametrize("columns", [("img", "fine_label"), ("picture", "kind")])
def test_columns_are_found_by_their_kind(parquet_folder: Folder, columns: tuple[str, str]) -> None:
    named = load(parquet_folder(BOTH, columns=columns))
    assert named.fingerprint == load(parquet_folder(BOTH, name="other")).fingerprint


def test_fine_labels_are_taken_before_coarse_ones(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features
    from datasets import Image as ImageFeature

    features = Features(
        coarse_label=ClassLabel(names=["pet"]),
        fine_label=ClassLabel(names=["cat", "dog"]),
        img=ImageFeature(),
    )
    for split, first in (("train", 0), ("test", 10)):
        columns = {
            "img": [{"bytes": png(first + n), "path": None} for n in range(2)],
            "coarse_label": [0, 0],
            "fine_label": [0, 1],
        }
        Dataset.from_dict(columns, features).to_parquet(str(tmp_path / f"{split}-0.parquet"))
    assert load(tmp_path).classes == ("cat", "dog")


def test_of_several_image_columns_the_one_called_image_is_taken(tmp_path: Path) -> None:
    for split, of in (("train", 0), ("test", 20)):
        masks, images = (
            [{"bytes": png(of + n), "path": None} for n in (f, f + 1)] for f in (0, 10)
        )
        table = pa.table({"mask": masks, "image": images, "label": pa.array([0, 1])})
        pq.write_table(table, tmp_path / f"{split}.parquet")
    stored = np.asarray(Image.open(io.BytesIO(png(10))))
    assert load(tmp_path).train.images[0, 0].equal(torch.from_numpy(stored.copy()))


def test_bare_columns_of_bytes_and_integers(tmp_path: Path) -> None:
    """As other tools write them, without what the hub adds to the file."""
    for split, first in (("train", 0), ("test", 10)):
        images = [{"bytes": png(first + number), "path": None} for number in range(3)]
        table = pa.table({"image": images, "label": pa.array([0, 2, 1], pa.int32())})
        pq.write_table(table, tmp_path / f"{split}.parquet")
    data = load(tmp_path)
    assert data.classes == ("0", "1", "2")
    assert data.test.labels.tolist() == [0, 2, 1]


def test_a_test_part_with_hidden_labels_is_not_used(parquet_folder: Folder) -> None:
    for number, (classes, hidden) in enumerate(
        [(None, -1), (("cat", "dog"), -1), (("cat", "dog"), None)]
    ):
        folder = parquet_folder(
            {"train": rows([0, 1] * 20), "test": rows([hidden] * 3, 90)}, classes, name=str(number)
        )
        with pytest.warns(DataWarning) as said:
            data = load(folder)
        assert "labels of the part 'test' are hidden: it is not used" in str(said[0].message)
        assert len(data.train) + len(data.test) == 40


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
def test_labels_outside_the_classes_name_the_row(tmp_path: Path, parquet_folder: Folder) -> None:
    images = [{"bytes": png(number), "path": None} for number in range(2)]
    schema = parquet_folder({"train": rows([0, 1])}, name="schema") / "data"
    stored = pq.read_schema(next(schema.iterdir()))
    table = pa.table({"image": images, "label": pa.array([0, 2])}).cast(stored)
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(
        DataError,
        match=r"the label of \S+/train.parquet row 1 must be 0 to 1 \(2 classes\), got 2$",
    ):
        load(tmp_path / "train.parquet")
    missing = parquet_folder({"train": rows([0, 1, None]), "test": rows([1])}, name="missing")
    said = r"^1 of 4 pictures has no label, or -1: \S+/train-\S+ row 2"
    with pytest.raises(
        DataError, match=rf"{said} \(--skip-broken, or skip_broken=True, leaves it out\)$"
    ):
        load(missing)
    data = load(missing, skip_broken=True)
    assert len(data.train) == 2
    assert re.fullmatch(rf"{said}; left out", data.notes[0])


def test_a_class_with_no_image_is_named(parquet_folder: Folder) -> None:
    with pytest.raises(DataError, match="class 'dog' of table has no training image"):
        load(parquet_folder({"train": rows([0, 0]), "test": rows([1])}))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"image": [[[0, 1], [2, 3]]] * 4}, "got lists in 'image': windows of .* go in .npz"),
        ({f"t{n}": [0.5] * 4 for n in range(96)}, "got 96 columns of numbers: windows of"),
    ],
)
def test_numbers_that_are_no_pictures_are_sent_to_arrays(
    columns: dict[str, list[object]], said: str, tmp_path: Path
) -> None:
    table = pa.table({"label": ["cat", "dog"] * 2, **columns})
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(DataError, match=said):
        load(tmp_path / "train.parquet")


def test_a_broken_image_names_file_and_row(parquet_folder: Folder) -> None:
    images = [png(number) for number in range(7)]
    images[5] = images[5][:40]
    folder = parquet_folder({"train": (images, [0, 1] * 3 + [0]), "test": rows([1])})
    with pytest.raises(
        DataError, match=r"train-00000-of-00001.parquet row 5 is no readable picture"
    ):
        load(folder)


def test_rows_are_counted_from_the_start_of_their_file(parquet_folder: Folder) -> None:
    folder = parquet_folder(
        {
            "train-00000-of-00002": rows([0, 1, 0]),
            "train-00001-of-00002": ([png(0), b"broken"], [0, 1]),
            "test": rows([1]),
        }
    )
    with pytest.raises(DataError, match=r"/train-00001-of-00002\S+ row 1 is no readable picture"):
        load(folder)


def test_a_missing_image_is_named(parquet_folder: Folder) -> None:
    folder = parquet_folder({"train": ([png(0), None], [0, 1]), "test": rows([1])})
    with pytest.raises(DataError, match=r"train-\S+ row 1 is no readable picture: there is none"):
        load(folder)


def test_mixed_sizes_are_made_one_and_told(parquet_folder: Folder) -> None:
    images = [png(number) for number in range(5)] + [png(9, 50, 70)]
    folder = parquet_folder({"train": (images, [0, 1] * 3), "test": rows([1], 20)})
    with pytest.warns(
        DataWarning, match=r"sizes \(height x width\) 6 of 4x4, 1 of 50x70: each is .* to 4x4"
    ):
        assert load(folder).shape == (1, 4, 4)
    assert load(folder, image_size="8x6").shape == (1, 8, 6)


def test_splits_of_two_modes_become_colour_and_are_told(parquet_folder: Folder) -> None:
    folder = parquet_folder({"train": rows([0, 1]), "test": ([png(0, 4, 4, 3)], [1])})
    with pytest.warns(DataWarning, match="2 of 3 pictures are grey, the others in colour"):
        assert load(folder).shape == (3, 4, 4)
    assert load(folder, color="grey").shape == (1, 4, 4)


def test_truncated_parquet_is_named(parquet_folder: Folder) -> None:
    folder = parquet_folder(BOTH)
    file = folder / "data" / "train-00000-of-00001.parquet"
    whole = file.read_bytes()
    for content in (b"", whole[:3], whole[: len(whole) // 2], whole[:-1]):
        file.write_bytes(content)
        with pytest.raises(
            DataError, match=f"^{re.escape(str(file))} is truncated or no Parquet: ."
        ):
            load(folder)


def test_damage_in_the_middle_is_named_and_said_once(
    parquet_folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = parquet_folder({"train": rows([0, 1] * 50), "test": rows([1])})
    file = folder / "data" / "train-00000-of-00001.parquet"
    content = bytearray(file.read_bytes())
    start = pq.read_metadata(file).row_group(3).column(0).data_page_offset
    content[start : start + 40] = b"\xff" * 40  # the head of a page, beyond what was read first
    file.write_bytes(content)
    capfd.readouterr()
    with pytest.raises(DataError, match=f"{re.escape(str(file))} is damaged: ."):
        load(folder)
    assert capfd.readouterr().err == ""


def test_an_error_ends_a_process_in_order(parquet_folder: Folder) -> None:
    """Reading is given up half-way, with threads at work below: they must not bring it down."""
    images = [png(number) for number in range(400)]
    images[3] = b"broken"
    folder = parquet_folder({"train": (images, [0, 1] * 200), "test": rows([1])})
    program = f"import smidgen.data; smidgen.data.load({str(folder)!r})"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "row 3 is no readable picture" in ran.stderr.splitlines()[-1]
    assert ran.stdout == ""


def test_a_validation_part_chooses_and_a_test_part_is_set_aside(parquet_folder: Folder) -> None:
    with pytest.warns(DataWarning, match="no test images: .* of the 40 images were set aside"):
        data = load(parquet_folder({"train": rows([0, 1] * 20), "validation": rows([1], 90)}))
    assert data.validation is not None
    assert data.validation.labels.tolist() == [1]


def test_columns_that_are_missing_or_many(tmp_path: Path) -> None:
    images = [{"bytes": png(0), "path": None}]
    label = pa.array([0], pa.int64())
    for name, table, said in (
        ("no image", pa.table({"label": label}), "with the image, got none of the columns label:"),
        (
            "no label",
            pa.table({"image": images}),
            "with the label, got none of the columns that are left: name it with --label-column",
        ),
        (
            "numbers",
            pa.table({"image": images, "fold": label}),
            "with the label, found fold, whose name does not say so: name it with --label-column",
        ),
        (
            "two images",
            pa.table({"a": images, "b": images, "label": label}),
            "with the image, got a, b of the columns a, b, label: name it with --image-column",
        ),
    ):
        (tmp_path / name).mkdir()
        pq.write_table(table, tmp_path / name / "train.parquet")
        with pytest.raises(DataError, match=f"train.parquet must have a column {said}"):
            load(tmp_path / name)


@pytest.mark.parametrize("name", ["note", "label", "image"])
def test_columns_of_one_name_are_refused_where_they_are_read(tmp_path: Path, name: str) -> None:
    for part, first in (("train", 0), ("test", 10)):
        images = pa.array([png(first + number) for number in range(4)])
        label = pa.array([0, 0, 1, 1])
        again = images if name == "image" else label
        names, columns = ["image", "label", name], [images, label, again]
        if name == "note":
            names, columns = [*names, name], [*columns, label]
        pq.write_table(pa.Table.from_arrays(columns, names=names), tmp_path / f"{part}.parquet")
    if name == "note":
        assert load(tmp_path).train.labels.tolist() == [0, 0, 1, 1]
        return
    with pytest.raises(DataError, match=f"must name each column once, got '{name}' twice$"):
        load(tmp_path)


def test_columns_may_be_named(tmp_path: Path) -> None:
    for part, first in (("train", 0), ("test", 10)):
        images = [{"bytes": png(first + number), "path": None} for number in range(4)]
        others = [{"bytes": png(first + number + 50), "path": None} for number in range(4)]
        table = pa.table({"a": others, "b": images, "fold": [0, 0, 1, 1], "species": list("xyxy")})
        pq.write_table(table, tmp_path / f"{part}.parquet")
    data = load(tmp_path, image_column="b", label_column="species")
    assert data.classes == ("x", "y")
    assert data.train.labels.tolist() == [0, 1, 0, 1]
    stored = np.asarray(Image.open(io.BytesIO(png(0))))
    assert data.train.images[0, 0].equal(torch.from_numpy(stored.copy()))
    with pytest.raises(DataError, match=r"has no column 'speces'.* did you mean 'species'"):
        load(tmp_path, image_column="b", label_column="speces")


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        (["ash", "oak", "ash", "elm"], ("ash", "elm", "oak"), [0, 2, 0, 1]),
        ([True, False, True, False], ("false", "true"), [1, 0, 1, 0]),
        ([12, 1, 2, 1], ("1", "2", "12"), [2, 0, 1, 0]),
        ([1.0, 2.0, 1.0, 2.0], ("1", "2"), [0, 1, 0, 1]),
    ],
)
def test_labels_of_any_kind(
    tmp_path: Path, labels: list[object], classes: tuple[str, ...], numbers: list[int]
) -> None:
    for part, first in (("train", 0), ("test", 10)):
        images = [png(first + number) for number in range(4)]  # bytes, as other tools write them
        table = pa.table({"label": labels, "image": images, "fold": [0, 1, 2, 3]})
        pq.write_table(table, tmp_path / f"{part}.parquet")
    data = load(tmp_path)
    assert data.classes == classes
    assert data.train.labels.tolist() == data.test.labels.tolist() == numbers


def test_a_column_of_labels_wins_over_numbers_of_other_names(tmp_path: Path) -> None:
    for part, first in (("train", 0), ("test", 10)):
        images = [{"bytes": png(first + number), "path": None} for number in range(2)]
        table = pa.table(
            {"image_id": [7, 8], "image": images, "width": [4, 4], "Label": ["a", "b"]}
        )
        pq.write_table(table, tmp_path / f"{part}.parquet")
    assert load(tmp_path).classes == ("a", "b")


def test_classes_in_another_order_are_matched_by_name(parquet_folder: Folder) -> None:
    folder = parquet_folder({"train": rows([0, 1])})
    other = parquet_folder({"test": rows([0, 1], 10)}, classes=("dog", "cat"), name="other")
    file = next((other / "data").iterdir())
    file.rename(folder / "data" / file.name)
    data = load(folder)
    assert data.classes == ("cat", "dog")
    assert data.test.labels.tolist() == [1, 0]


def test_a_row_that_names_a_file_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(1))
    (tmp_path / "table").mkdir()
    images = [{"bytes": png(0), "path": "cat.png"}, {"bytes": None, "path": str(secret)}]
    pq.write_table(
        pa.table({"image": images, "label": [0, 1]}), tmp_path / "table" / "train.parquet"
    )
    with pytest.raises(DataError, match=r"row 1 must hold the picture itself, got the path .*secr"):
        load(tmp_path / "table")


@pytest.mark.parametrize(
    "said", ["{", "[]", '{"info": 1}', '{"info": {"features": []}}', "[" * 100_000]
)
def test_strange_notes_of_the_hub_in_a_file_say_nothing(said: str, tmp_path: Path) -> None:
    images = [{"bytes": png(number), "path": None} for number in range(10)]
    table = pa.table({"image": images, "label": [0, 1] * 5})
    pq.write_table(table.replace_schema_metadata({"huggingface": said}), tmp_path / "a.parquet")
    with pytest.warns(DataWarning, match="set aside"):
        assert load(tmp_path / "a.parquet").classes == ("0", "1")


def test_pieces_of_a_table_that_are_not_there_are_told(parquet_folder: Folder) -> None:
    folder = parquet_folder({"train-00000-of-00003": BOTH["train"], "test": BOTH["test"]})
    lacking = r"^table: 2 files of the 3 of 'train' missing, such as train-00001-of-00003\.parquet$"
    with pytest.warns(DataWarning, match=lacking):
        data = load(folder)
    assert len(data.train) == len(BOTH["train"][1])


@pytest.mark.filterwarnings("error:.*missing")
@pytest.mark.filterwarnings("ignore:.*set aside")
def test_pieces_that_are_there_are_not_told(parquet_folder: Folder) -> None:
    """Such as those beside the one that is named, and those that are counted from one."""
    named = parquet_folder({f"train-{n:05}-of-00002": rows([0, 1] * 9, 20 * n) for n in (0, 1)})
    load(named / "data" / "train-00000-of-00002.parquet")
    counted = {f"train-{n:05}-of-00002": rows([0, 1], 20 * n) for n in (1, 2)}
    load(parquet_folder({**counted, "test": BOTH["test"]}, name="counted"))


def test_a_split_without_rows(parquet_folder: Folder) -> None:
    with pytest.raises(DataError, match="the part 'test' must have at least one row"):
        load(parquet_folder({"train": rows([0, 1]), "test": rows([])}))


def test_a_folder_of_several_data_sets_is_refused(parquet_folder: Folder) -> None:
    first = parquet_folder(BOTH, name="all/one")
    parquet_folder(BOTH, name="all/two")
    with pytest.raises(DataError, match=r"all must hold one data set, got \S*one/data and \S*two"):
        load(first.parent)


def test_names_of_the_classes_may_stand_in_the_readme(tmp_path: Path) -> None:
    names = [f"class {letter}" for letter in "lkjihgfedcba"]  # twelve: 10 is after 9, not after 1
    for split, first in (("train", 0), ("test", 20)):
        images = [{"bytes": png(first + number), "path": None} for number in range(12)]
        table = pa.table({"image": images, "label": pa.array(range(12), pa.int64())})
        pq.write_table(table, tmp_path / f"{split}.parquet")
    (tmp_path / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n  - name: label\n"
        "    dtype:\n      class_label:\n        names:\n"
        + "".join(f"          '{number}': {name}\n" for number, name in enumerate(names))
        + "---\n"
    )
    assert load(tmp_path).classes == tuple(names)


def test_a_readme_that_leaves_a_number_out_moves_no_name_to_another_class(tmp_path: Path) -> None:
    images = [{"bytes": png(number), "path": None} for number in range(20)]
    table = pa.table({"image": images, "label": pa.array([0, 1] * 10, pa.int64())})
    pq.write_table(table, tmp_path / "train.parquet")
    (tmp_path / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n"
        "        names:\n          '0': cat\n          '2': dog\n---\n"
    )
    with pytest.warns(DataWarning, match="no test images"):
        assert load(tmp_path).classes == ("0", "1")


@pytest.mark.parametrize(("brackets", "classes"), [(1, ("yes", "12:30")), (2_001, ("0", "1"))])
def test_names_in_a_readme_are_words_and_brackets_without_end_are_not_read(
    tmp_path: Path, brackets: int, classes: tuple[str, str]
) -> None:
    (tmp_path / "README.md").write_text(
        f"---\nmore: [{'[],' * (brackets - 1)}]\ndataset_info:\n  features:\n  - name: label\n"
        "    dtype:\n      class_label:\n        names:\n          '0': yes\n"
        "          '1': 12:30\n---\n"
    )
    images = [{"bytes": png(number), "path": None} for number in range(20)]
    table = pa.table({"image": images, "label": pa.array([0, 1] * 10, pa.int64())})
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.warns(DataWarning, match="no test images"):
        assert load(tmp_path).classes == classes


def test_a_column_of_lists_names_no_class(tmp_path: Path) -> None:
    table = pa.table({"image": [png(0)] * 2, "label": [["cat"], ["dog", "owl"]]})
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(DataError, match=r"'label' of .* must hold a class a row, got list<"):
        load(tmp_path)


def test_a_readme_of_aliases_says_nothing(tmp_path: Path) -> None:
    images = [{"bytes": png(number), "path": None} for number in range(20)]
    table = pa.table({"image": images, "label": pa.array([0, 1] * 10, pa.int64())})
    pq.write_table(table, tmp_path / "train.parquet")
    doubled = "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcd"))
    (tmp_path / "README.md").write_text(
        f"---\na: &a [x, x]\n{doubled}dataset_info:\n  features:\n  - name: label\n"
        "    dtype:\n      class_label:\n        names:\n          '0': *d\n          '1': dog\n"
        "---\n"
    )
    with pytest.warns(DataWarning, match="no test images"):
        assert load(tmp_path).classes == ("0", "1")


def test_a_plain_install_says_what_parquet_needs(
    parquet_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = parquet_folder(BOTH)
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        DataError, match=r"Parquet files need .* pip install 'datasets>=4' huggingface_hub pyarrow$"
    ):
        load(folder)


def test_a_text_that_is_missing_is_no_class(tmp_path: Path) -> None:
    images = [{"bytes": png(number), "path": None} for number in range(6)]
    for name, labels in (("words", ["cat", "dog", None] * 2), ("truths", [True, False, None] * 2)):
        (tmp_path / name).mkdir()
        table = pa.table({"image": images, "label": labels})
        pq.write_table(table, tmp_path / name / "train.parquet")
        with pytest.raises(DataError, match=r"2 of 6 pictures have no label.* row 2; .* row 5 "):
            load(tmp_path / name)


@pytest.mark.filterwarnings("ignore:.*set aside:smidgen.data.DataWarning")
def test_the_only_text_that_repeats_is_the_label(tmp_path: Path) -> None:
    held = {
        "image": [png(number) for number in range(12)],
        "species": ["owl", "cat"] * 6,
        "caption": [f"the {number}th" for number in range(12)],
    }
    pq.write_table(pa.table(held), tmp_path / "train.parquet")
    assert load(tmp_path).classes == ("cat", "owl")
    pq.write_table(pa.table({**held, "good": [True, False] * 6}), tmp_path / "train.parquet")
    with pytest.raises(DataError, match=r"got species, good of the columns .*--label-column"):
        load(tmp_path)


def test_the_label_of_other_parts_is_in_the_column_of_the_training_part(tmp_path: Path) -> None:
    for part, names in (("train", ["owl", "cat"] * 3), ("test", ["owl"])):
        images = [png(number + len(names) * 9) for number in range(len(names))]
        pq.write_table(pa.table({"image": images, "of": names}), tmp_path / f"{part}.parquet")
    assert load(tmp_path).test.labels.tolist() == [1]


def test_a_text_of_parts_alone_is_the_split(tmp_path: Path) -> None:
    held = {
        "image": [png(number) for number in range(8)],
        "label": [0, 1] * 4,
        "phase": ["train"] * 6 + ["test"] * 2,
    }
    pq.write_table(pa.table(held), tmp_path / "of.parquet")
    with pytest.warns(DataWarning, match="column 'phase' holds names of parts alone"):
        data = load(tmp_path)
    assert (len(data.train), len(data.test)) == (6, 2)


def test_other_columns_give_pictures_that_are_repeated_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smidgen.data.layouts.parquet._A_BATCH", 1 << 16)
    index, labels = pa.array([0] * 400, pa.int32()), ["a", "b"] * 200
    images = pa.DictionaryArray.from_arrays(index, pa.array([bytes(4_000)], pa.binary()))
    random = np.random.default_rng(0)
    filler = pa.array([random.bytes(400) for _ in range(400)], pa.binary(400))
    table = pa.table({"image": images, "label": labels, "more": filler})
    file = tmp_path / "one.parquet"
    pq.write_table(table, file, compression="zstd", store_schema=False)
    with pytest.raises(DataError, match=r"more than [\d,]+ bytes in its column 'image', too"):
        load(file)


def test_too_little_memory_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise pa.ArrowMemoryError("malloc of size 16018432 failed")

    monkeypatch.setattr("smidgen.data.layouts.parquet._rows_at_once", full)
    contents, labels = rows([0, 1])
    pq.write_table(pa.table({"image": contents, "label": labels}), tmp_path / "one.parquet")
    said = "one.parquet cannot be read: there is not enough memory for its column 'image', or"
    with pytest.raises(DataError, match=said):
        load(tmp_path / "one.parquet")
