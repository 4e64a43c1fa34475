"""Classes in the names of files: what each way reads, and which are told of."""

from pathlib import Path

import pytest

from smidgen.data.file_names import PREFIX, SERIES, class_of, told_ways


@pytest.mark.parametrize(
    ("name", "prefix", "series"),
    [
        ("cat.1.jpg", "cat", "cat"),
        ("dog_0012.png", "dog", "dog"),
        ("IMG-cat-3.jpg", "cat", "cat"),
        ("cat (12).jpg", "cat", "cat"),
        ("7_00012.png", "7", "7"),
        ("great_dane_12.jpg", "great", "great_dane"),
        ("cat_20240101_120000.jpg", "cat", "cat_20240101"),
        ("003_cat.jpg", "003", "cat"),
        ("cat_1_cut.jpg", "cat", "cat_cut"),
        ("cat12.jpg", None, "cat"),
        ("walk.a3f9.x.csv", "walk", "walk.a3f_x"),
        ("IMG_0001.jpg", None, None),
        ("Photo 12.jpg", None, None),
        ("cat.jpg", None, None),
        ("0001.jpg", None, None),
        ("_.jpg", None, None),
    ],
)
def test_the_class_of_a_name(name: str, prefix: str | None, series: str | None) -> None:
    path = Path("photos", name)
    assert (class_of(path, PREFIX), class_of(path, SERIES)) == (prefix, series)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("cat.{} dog.{}", '--label-column prefix (label_column="prefix") reads cat, dog'),
        ("cat{} dog{}", '--label-column series (label_column="series") reads cat, dog'),
        (
            "great_dane_{} great_tit_{} owl_{}",
            '--label-column prefix (label_column="prefix") reads great, owl, and --label-column'
            ' series (label_column="series") reads great_dane, great_tit, owl',
        ),
        ("a_{} b_{} c_{} d_{}", "--label-column prefix .* reads a, b, c, ... 4 classes"),
    ],
)
def test_ways_that_give_other_classes_are_both_told(names: str, said: str) -> None:
    paths = [Path(f"{of}.jpg".format(n)) for of in names.split() for n in range(4)]
    told = told_ways(paths)
    assert told.startswith("if names of files tell the classes, --label-column ")
    assert said.split(".*")[0] in told
    assert told.endswith(said.split(".*")[-1])


@pytest.mark.parametrize(
    "names",
    [
        "IMG_{}",  # of a camera
        "cat_{}",  # one class
        "2024{}_120000",  # dates
        "a{}b_x",  # each has its own
        "{} x{}y cat_{} dog_{} {}1 {}2 {}3",  # most have none
        "",
    ],
)
def test_names_that_mean_no_classes_are_not_told_of(names: str) -> None:
    paths = [Path(f"{of}.jpg".replace("{}", f"{n}")) for of in names.split() for n in range(4)]
    assert told_ways(paths) == ""
