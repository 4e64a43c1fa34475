"""A name leads to the embedded digits, a local copy or the hub; a wrong one to its neighbour."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from unittest.mock import Mock

import datasets
import huggingface_hub
import numpy as np
import pytest
import torch
from datasets.exceptions import DatasetGenerationError
from PIL import Image

from smidgen.data import NAMED, DataError, DataWarning, load
from smidgen.data.catalogue import Wish
from smidgen.data.hub import Hub
from smidgen.data.layouts import LAYOUTS, OF_TEXT, Flat, Layout
from smidgen.data.remembered import asked_of, place_of, with_asked
from smidgen.data.sources import find, staying

Folder = Callable[..., Path]


def png(level: int) -> bytes:
    written = io.BytesIO()
    Image.fromarray(np.full((4, 4), level, np.uint8)).save(written, "PNG")
    return written.getvalue()


FEW = {"train": {"cat": 2, "dog": 2}, "test": {"cat": 1, "dog": 1}}  # pictures in folders
BOTH = {"train": ([png(1), png(2)], [0, 1]), "test": ([png(3)], [1])}


def test_every_layout_that_claims_a_path_is_one_whose_folder_is_remembered() -> None:
    assert set(get_args(Layout)) == {*LAYOUTS, *OF_TEXT, Flat}  # which is asked for


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    data = load("digits")
    assert (len(data.train), len(data.test), data.shape) == (1437, 360, (1, 8, 8))
    assert data.classes == tuple("0123456789")
    assert torch.bincount(data.test.labels).min() >= 34
    stored: Any = load_digits()
    levels = (stored.images * 255 / 16).round().astype(np.uint8)
    expected = sorted(
        zip([level.tobytes() for level in levels], stored.target.tolist(), strict=True)
    )
    found = [
        (image.numpy().tobytes(), int(label))
        for split in (data.train, data.test)
        for image, label in zip(split.images, split.labels, strict=True)
    ]
    assert sorted(found) == expected
    assert max(level.max() for level in levels) == data.train.images.max() == 255


def test_the_digits_are_divided_the_same_way_everywhere() -> None:
    assert load("digits").fingerprint == "030b9b53de63098672d584a08b19bcb5"


def test_digits_take_no_local_copy() -> None:
    with pytest.warns(DataWarning, match="digits are embedded: --data-dir changes nothing"):
        load("digits", data_dir="/missing")


def test_every_named_data_set_of_the_hub_is_pinned_to_a_commit() -> None:
    for name, source in NAMED.items():
        if name != "digits":
            assert isinstance(source, Hub)
            assert len(source.revision) == 40
            assert int(source.revision, 16)


def test_a_local_copy_is_found_by_variable_and_argument(
    parquet_folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copies = parquet_folder(BOTH, name="copies/mnist").parent
    by_argument = load("mnist", data_dir=copies)
    assert by_argument.name == "mnist"
    monkeypatch.setenv("SMIDGEN_DATA", str(copies))
    assert load("mnist").fingerprint == by_argument.fingerprint
    other = parquet_folder({**BOTH, "test": ([png(9)], [0])}, name="others/mnist").parent
    assert load("mnist", data_dir=other).fingerprint != by_argument.fingerprint


def test_a_local_copy_may_be_named_as_on_the_hub(parquet_folder: Folder) -> None:
    copies = parquet_folder(BOTH, name="copies/owner/pets").parent.parent
    data = load("owner/pets", data_dir=copies)
    assert data.name == "owner/pets"
    with pytest.warns(DataWarning, match="a local copy, whatever its revision"):
        assert load("owner/pets@v1", data_dir=copies).fingerprint == data.fingerprint


def test_any_folder_may_be_a_local_copy(
    parquet_folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copies = parquet_folder(BOTH, name="copies/forms").parent
    data = load("forms", data_dir=copies)
    assert (data.name, data.origin) == ("forms", str(copies / "forms"))
    with pytest.raises(DataError, match=r"--data-dir .* must hold 'froms'; did you mean 'forms'"):
        load("froms", data_dir=copies)
    monkeypatch.chdir(copies)
    for place in ("forms", "./forms", copies / "forms"):
        with pytest.warns(DataWarning, match="forms is read where it is: --data-dir changes noth"):
            assert load(place, data_dir=tmp_path).fingerprint == data.fingerprint


def test_a_folder_that_is_not_here_is_no_local_copy(
    parquet_folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SMIDGEN_DATA", str(parquet_folder(BOTH, name="copies/mnist").parent))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="there is no folder mnist"):
        load("./mnist")


def test_what_a_folder_of_copies_lacks(
    parquet_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = parquet_folder(BOTH, name="copies/cifar10").parent
    with pytest.raises(DataError, match=r"must hold 'cifar100'; did you mean 'cifar10'\?"):
        load("cifar100", data_dir=copies)  # asked for, so it is not passed over
    monkeypatch.setenv("SMIDGEN_DATA", str(copies))
    assert find("cifar100") == ("cifar100", NAMED["cifar100"])


@pytest.mark.parametrize("name", [5, None, ["photos"]])
def test_data_of_another_kind_are_refused_in_one_line(name: Any) -> None:
    with pytest.raises(DataError, match=r"^data are a name, a folder, .*from_arrays, got "):
        load(name)


def test_a_folder_of_copies_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data-dir must be a folder of local copies, got "):
        load("mnist", data_dir=tmp_path / "missing")
    monkeypatch.setenv("SMIDGEN_DATA", str(tmp_path / "missing"))
    with pytest.raises(DataError, match="SMIDGEN_DATA must be a folder of local copies, got "):
        load("mnist")


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("minst", "mnist"),
        ("cifar-10", "cifar10"),
        ("digit", "digits"),
        ("fashion", "fashion-mnist"),
    ],
)
def test_an_unknown_name_gives_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(DataError, match=rf"^unknown data set '{wrong}'; did you mean '{meant}'\?"):
        load(wrong)


def test_a_mistyped_folder_gives_the_folder(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = image_folder({"train": {"a": 2, "b": 2}, "test": {"a": 1}}, "photos")
    monkeypatch.chdir(folder.parent)
    for name in range(20):
        (folder.parent / f"a{name}").mkdir()  # before it in the order of names
    with pytest.raises(DataError, match=r"unknown data set 'phots'; did you mean 'photos'\?"):
        load("phots")
    with pytest.raises(DataError, match="there is no folder phots"):
        load("./phots")


def test_a_name_near_to_nothing_gives_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(DataError, match="known: cifar10, cifar100, digits, fashion-mnist, mnist"):
        load("zzz")
    with pytest.raises(DataError, match="must have a name, got ' '"):
        load(" ")


def test_folders_that_smidgen_wrote_are_no_data_that_may_be_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("base/run.json", "out/artefact.json", "mine/design.db", "s.db", "s.runs/a"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"known: cifar10, .*mnist \(or a folder, or owner/name\)$"):
        load("zzz")
    (tmp_path / "flowers").mkdir()
    with pytest.raises(DataError, match=r"mnist; folders here: flowers \(or a folder, or owner/na"):
        load("zzz")


def test_an_unreachable_hub_is_said_in_one_line() -> None:
    with pytest.raises(DataError) as refused:
        load("fashion-mnist")
    assert str(refused.value) == (
        "the hub cannot be reached for zalando-datasets/fashion_mnist (no network in tests); "
        "a folder of local copies is named with --data-dir, data_dir= or the variable SMIDGEN_DATA"
    )


def test_a_repository_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*args: Any, **named: Any) -> None:
        # Made without a response of the network, which its own constructor asks for.
        raise huggingface_hub.errors.RepositoryNotFoundError.__new__(
            huggingface_hub.errors.RepositoryNotFoundError, "404\nnot found"
        )

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", absent)
    with pytest.raises(DataError, match=r"^the hub does not give 'a/b' at revision 'c1': .*$"):
        load("a/b@c1")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Answer for the hub with a small table, and return what was asked for."""
    asked: list[tuple[str, str]] = []

    def info(self: Any, repository: str, *, revision: str, timeout: float) -> Any:
        asked.append((repository, revision))
        return SimpleNamespace(sha=None)

    def table(
        repository: str, configuration: str | None, *, revision: str, cache_dir: str
    ) -> datasets.DatasetDict:
        asked.append((":".join(filter(None, (repository, configuration))), revision))
        features = datasets.Features(
            img=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"])
        )
        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_dict(
                    {"img": [{"bytes": raw, "path": None} for raw in raws], "label": labels},
                    features,
                )
                for split, (raws, labels) in BOTH.items()
            }
        )

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    monkeypatch.setattr(datasets, "load_dataset", table)
    return asked


def test_the_hub_is_asked_for_the_pinned_revision_once(
    hub: list[tuple[str, str]], parquet_folder: Folder
) -> None:
    data = load("mnist")
    assert hub == [("ylecun/mnist", "77f3279092a1c1579b2250db8eafed0ad422088c")] * 2
    assert load("mnist").fingerprint == data.fingerprint
    assert len(hub) == 2  # from the cache
    assert data.fingerprint == load(parquet_folder(BOTH)).fingerprint


def test_a_hub_id_may_name_its_revision(hub: list[tuple[str, str]]) -> None:
    assert load("owner/pets@0123abc").name == "owner/pets"
    assert hub[-1] == ("owner/pets", "0123abc")
    with pytest.warns(
        DataWarning, match="not pinned and may change; name a commit, owner/pets@REV"
    ):
        load("owner/pets")
    assert hub[-1] == ("owner/pets", "main")
    load("ylecun/mnist")
    assert hub[-1] == ("ylecun/mnist", "77f3279092a1c1579b2250db8eafed0ad422088c")


def test_a_data_set_of_the_hub_is_that_of_the_commit_its_branch_is_at(
    hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now, place = "a" * 40, tmp_path / "datasets--owner--pets"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))

    def info(*asked: Any, **named: Any) -> Any:
        return SimpleNamespace(sha=now)

    def fetch(repository: str, name: str, *, repo_type: str, revision: str) -> None:
        (place / "refs").mkdir(parents=True, exist_ok=True)
        (place / "refs" / revision).write_text(now)
        raise FileNotFoundError  # as of a data set without a README.md

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    with pytest.warns(DataWarning, match="not pinned"):
        first = load("owner/pets")
    assert (first.origin, hub[-1]) == (f"owner/pets@{now}", ("owner/pets", now))
    now = "b" * 40
    monkeypatch.setitem(BOTH, "test", ([png(9)], [1]))
    with pytest.warns(DataWarning, match="not pinned"):
        second = load("owner/pets")
    assert second.fingerprint != first.fingerprint, "it was the cache's of before"
    assert load(first.origin).fingerprint == first.fingerprint

    asked = len(hub)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.warns(DataWarning, match="not pinned"):
        assert load("owner/pets").fingerprint == second.fingerprint, "as it was fetched last"
    assert len(hub) == asked


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Answer for a hub that never does, and return for how long it was waited for, each time."""
    waited: list[float] = []

    def info(*asked: Any, timeout: float, **named: Any) -> Any:
        waited.append(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    return waited


@pytest.mark.filterwarnings("ignore:owner/pets is not pinned")
def test_a_hub_is_asked_once_for_the_commit_of_a_branch(
    hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def info(self: Any, repository: str, *, revision: str, timeout: float) -> Any:
        asked.append(revision)
        return SimpleNamespace(sha="a" * 40)

    def fetch(*of: Any, **named: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    load("owner/pets")
    assert (asked, hub) == (["main"], [("owner/pets", "a" * 40)])
    assert staying("owner/pets::label-column=kind") == f"owner/pets@{'a' * 40}::label-column=kind"
    assert staying("owner/pets@c1") == f"owner/pets@{'a' * 40}"
    assert asked == ["main", "main", "c1"]
    for other in ("digits", "mnist", "./owner/pets", f"owner/pets@{'b' * 40}"):
        assert staying(other) == other
    assert len(asked) == 3


@pytest.mark.filterwarnings("ignore:owner/pets is not pinned")
def test_a_silent_hub_is_waited_for_once(silent: list[float]) -> None:
    with pytest.raises(DataError, match=r"hub cannot be reached for owner/pets \(timed out\); a"):
        load("owner/pets")
    assert silent == [20]


@pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
@pytest.mark.usefixtures("silent")
def test_a_part_that_was_fetched_is_not_kept_for_the_whole(
    parquet_folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    raws, commit = [png(number) for number in range(30)], "a" * 40
    written = parquet_folder({"train": (raws[:20], [0, 1] * 10), "test": (raws[20:], [0, 1] * 5)})
    place = tmp_path / ".hub" / "datasets--owner--pets" / "snapshots" / commit
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / ".hub"))
    (place / "data").mkdir(parents=True)
    for part, count in (("train", 20), ("test", 30)):
        name = f"{part}-00000-of-00001.parquet"
        (written / "data" / name).rename(place / "data" / name)
        data = load(f"owner/pets@{commit}")
        assert len(data.train) + len(data.test) == count


@pytest.mark.filterwarnings("ignore:owner/pets is not pinned")
@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("branch", [True, False])
def test_what_was_fetched_is_read_where_the_hub_is_silent(
    *,
    offline: bool,
    branch: bool,
    silent: list[float],
    parquet_folder: Folder,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    commit, place = "a" * 40, tmp_path / ".hub" / "datasets--owner--pets"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(place.parent))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    (place / "snapshots" / commit).mkdir(parents=True)
    (place / "snapshots" / commit / "README.md").write_text("# Pets")
    name = "owner/pets" if branch else f"owner/pets@{commit}"
    with pytest.raises(DataError, match="hub cannot be reached for owner/pets"):
        load(name)
    written = parquet_folder(BOTH) / "data"
    written.rename(place / "snapshots" / commit / "data")
    silent.clear()
    with pytest.warns(DataWarning, match="owner/pets: read as it was fetched before, .* not known"):
        data = load(name)
    assert silent == ([] if offline else [5])
    assert (data.name, data.origin) == ("owner/pets", f"owner/pets@{commit}")
    assert data.fingerprint == load(parquet_folder(BOTH, name="same")).fingerprint
    with pytest.raises(DataError, match="hub cannot be reached for owner/pets"):
        load(f"owner/pets@{'b' * 40}")
    piece = place / "snapshots" / commit / "data" / "train-00000-of-00001.parquet"
    piece.rename(piece.with_name("train-00001-of-00002.parquet"))
    with pytest.raises(
        DataError, match="is not the whole of owner/pets: 1 file of the 2 of 'train'"
    ):
        load(name, image_size=3)


def test_a_revision_leads_to_no_other_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, parquet_folder: Folder
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "hub" / "datasets--owner--pets" / "snapshots").mkdir(parents=True)
    parquet_folder(BOTH, name="mine")
    for revision in ("../../../mine", str(tmp_path / "mine"), "/dev/zero", "a/../../b"):
        with pytest.raises(DataError, match=f"there is no folder owner/pets@{revision}"):
            load(f"owner/pets@{revision}")


def test_no_library_of_the_hub_is_used_that_runs_programs_of_repositories(
    hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "__version__", "3.6.0")
    with pytest.raises(DataError, match=r"needs datasets 4 or newer, got 3\.6\.0, which runs"):
        load("owner/pets@c1")


def test_pictures_of_the_hub_are_read_where_its_cache_is(
    hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Such as HF_HUB_CACHE says; and nowhere else."""
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"])
    )
    columns: dict[str, list[Any]] = {"image": [], "label": []}
    for level in range(6):
        place = tmp_path / "cache" / f"{level}.png"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(png(level))
        columns["image"].append({"bytes": None, "path": str(place)})
        columns["label"].append(level % 2)
    rows = datasets.Dataset.from_dict(columns, features)
    splits = datasets.DatasetDict(dict.fromkeys(("train", "extra", "unsure"), rows))

    def table(*asked: Any, **named: Any) -> datasets.DatasetDict:
        return splits

    monkeypatch.setattr(datasets, "load_dataset", table)
    with pytest.raises(DataError, match="which is not of the hub"):
        load("owner/pets@c1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.warns(DataWarning) as heard:
        data = load("owner/pets@c1")
    assert len(data.train) + len(data.test) == 6
    said = [str(warning.message) for warning in heard]
    assert "owner/pets: splits not read: extra, unsure" in said


def table_of(
    monkeypatch: pytest.MonkeyPatch, splits: dict[str, tuple[str, ...]], **kinds: Any
) -> None:
    """Let the hub hold two pictures a split, of classes of these names, and other columns."""

    def rows(names: tuple[str, ...]) -> datasets.Dataset:
        kind = datasets.ClassLabel(names=list(names))
        features = datasets.Features(image=datasets.Image(), kind=kind, **kinds)
        columns: dict[str, Any] = {name: [0, 1] for name in ("kind", *kinds)}
        columns["image"] = [{"bytes": png(level), "path": None} for level in (1, 2)]
        return datasets.Dataset.from_dict(columns, features)

    held = datasets.DatasetDict({split: rows(names) for split, names in splits.items()})
    monkeypatch.setattr(datasets, "load_dataset", Mock(return_value=held))


def test_classes_of_the_hub_are_those_of_what_is_trained_on(
    hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever split comes first; of one to test on alone they are its own."""
    table_of(monkeypatch, {"test": ("dog", "cat"), "train": ("cat", "dog")})
    assert Hub("owner/pets", "c1").catalogue(Wish()).classes == ("cat", "dog")
    table_of(monkeypatch, {"test": ("dog", "cat")})
    assert Hub("owner/pets", "c1").catalogue(Wish()).classes == ("dog", "cat")


def test_a_column_of_classes_that_names_groups_is_not_that_of_labels(
    hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = datasets.ClassLabel(names=["ann", "bob"])
    table_of(monkeypatch, {"train": ("cat", "dog")}, who=people)
    found = Hub("owner/pets", "c1").catalogue(Wish(group_by="who"))
    assert found.classes == ("cat", "dog")
    assert found.parts["train"].groups is not None
    with pytest.raises(DataError, match="label"):
        Hub("owner/pets", "c1").catalogue(Wish())


@pytest.mark.parametrize(
    ("sizes", "told"), [([5, 7], 12), ([5, None], None), ([], None), (None, None)]
)
def test_the_size_of_data_on_the_hub_is_known_if_that_of_every_file_is(
    sizes: list[int | None] | None, told: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = None if sizes is None else [SimpleNamespace(size=size) for size in sizes]

    def info(*asked: Any, **named: Any) -> Any:
        assert named["files_metadata"]
        return SimpleNamespace(siblings=files)

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    assert Hub("owner/pets", "main").size() == told


def test_what_the_hub_s_library_stumbled_over_is_told(
    hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*asked: Any, **named: Any) -> None:
        said = "An error occurred while generating the dataset"
        raise DatasetGenerationError(said) from OSError(28, "No space left")

    monkeypatch.setattr(datasets, "load_dataset", broken)
    with pytest.raises(DataError, match=r"^owner/pets cannot be read: .*No space left$"):
        load("owner/pets@c1")


def test_of_several_configurations_of_the_hub_one_is_named(
    hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = load("owner/pets:small@c1")
    assert (data.name, data.origin) == ("owner/pets:small", "owner/pets:small@c1")
    assert hub[-1] == ("owner/pets:small", "c1")
    load("owner/pets:large@c1")
    assert hub[-1] == ("owner/pets:large", "c1")  # not the decoded pictures of the other
    (tmp_path / "owner/pets/large/cat").mkdir(parents=True)
    (tmp_path / "owner/pets/large/cat/a.png").write_bytes(BOTH["train"][0][0])
    assert find("owner/pets:large", tmp_path)[0] == "owner/pets:large"
    with pytest.raises(DataError, match="must hold 'owner/pets/small'"):
        load("owner/pets:small", data_dir=tmp_path)


@pytest.mark.parametrize(
    "said",
    [
        "Config name is missing.\nPlease pick one among the available configs: ['small', 'large']",
        "BuilderConfig 'tiny' not found. Available: ['small', 'large']",
    ],
)
def test_configurations_of_the_hub_are_told(
    said: str, hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*asked: Any, **named: Any) -> None:
        raise ValueError(said)

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    told = (
        r"^owner/pets has the configurations \['small', 'large'\]: name one of them, as in"
        r" owner/pets:small$"
    )
    with pytest.raises(DataError, match=told):
        load("owner/pets@c1")


def test_a_broken_row_of_the_hub_is_named(
    hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BOTH, "test", ([b"broken"], [1]))
    with pytest.raises(DataError, match=r"^ylecun/mnist test row 0 is no readable picture: "):
        load("mnist")


def test_a_folder_comes_before_a_hub_id(
    parquet_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = parquet_folder(BOTH, name="owner/pets")
    monkeypatch.chdir(folder.parent.parent)
    assert load("owner/pets").name == "pets"
    with pytest.raises(DataError, match="there is no folder owner/pest"):
        load("owner/pest")


def test_progress_is_reported_to_the_end(parquet_folder: Folder) -> None:
    seen: list[tuple[str, int, int]] = []

    def report(what: str, done: int, total: int) -> None:
        seen.append((what, done, total))

    load(parquet_folder(BOTH), progress=report)
    assert seen[-1] == ("table", 3, 3)


def test_the_door_brings_in_no_reader_and_folders_and_arrays_need_neither_library(
    image_folder: Folder,
) -> None:
    """Readers cost seconds, and later loads need none of them."""
    heavy = ["datasets", "huggingface_hub", "pyarrow", "sklearn", "PIL", "pandas"]
    folder = image_folder({"train": {"a": 2, "b": 2}, "test": {"a": 1}})
    program = (
        "import json, sys, smidgen.data as d\n"
        f"early = [m for m in {heavy} if m in sys.modules]\n"
        "d.load('digits')\n"
        f"later = [m for m in {heavy} if m in sys.modules]\n"
        "for name in ('datasets', 'pyarrow', 'pandas', 'huggingface_hub'):\n"
        " sys.modules[name] = None\n"
        "from smidgen.data import from_arrays\n"
        f"found = d.load({str(folder)!r}).classes, len(d.load('known:digits').train)\n"
        "print(json.dumps([early, later, found]))"
    )
    load("digits")
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == [[], [], [["a", "b"], 1437]]


def test_a_folder_named_as_a_known_set_is_told_apart(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = image_folder({"train": {"a": 2, "b": 2}, "test": {"a": 1}}, "digits")
    monkeypatch.chdir(folder.parent)
    with pytest.raises(
        DataError,
        match=r"'digits' is a known data set and a folder here: \./digits means the folder, known:",
    ):
        load("digits")
    for place in ("./digits", Path("./digits")):
        own = load(place)
        assert (own.name, own.classes, own.origin) == ("digits", ("a", "b"), str(folder))
    assert load("known:digits").fingerprint == "030b9b53de63098672d584a08b19bcb5"


def test_the_origin_finds_the_data_from_any_folder(
    image_folder: Folder, parquet_folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images = image_folder({"train": {"a": 2, "b": 2}, "test": {"a": 1}}, "of images")
    table = parquet_folder(BOTH, name="of tables")
    monkeypatch.chdir(tmp_path)
    for name, folder in (("of images", images), ("of tables", table)):
        data = load(name)
        assert data.origin == str(folder)
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert load(data.origin).fingerprint == data.fingerprint
        monkeypatch.chdir(tmp_path)
    assert load("digits").origin == "digits"


def test_the_origin_remembers_which_columns_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for part, first in (("train", 0), ("test", 10)):
        images = [png(first + number) for number in range(4)]
        table = pa.table({"fold": [0, 0, 1, 1], "picture": images, "kind": [3, 4, 3, 4]})
        pq.write_table(table, tmp_path / f"{part}.parquet")
    data = load(tmp_path, label_column="kind")
    assert data.origin == f"{tmp_path}::label-column=kind"
    again = load(data.origin)
    assert (again.classes, again.fingerprint) == (("3", "4"), data.fingerprint)
    assert again.origin == data.origin


def test_the_origin_remembers_a_folder_of_copies(
    image_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_folder(FEW, "copies/mnist")
    monkeypatch.chdir(tmp_path)
    data = load("mnist", data_dir="copies")
    assert data.origin == f"mnist::data-dir={tmp_path / 'copies'}"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load(data.origin).fingerprint == data.fingerprint


def test_the_origin_remembers_that_broken_pictures_were_left_out(image_folder: Folder) -> None:
    folder = image_folder(FEW)
    (folder / "train" / "cat" / "x.png").write_bytes(b"nothing")
    with pytest.warns(DataWarning, match="cannot be used and is left out"):
        data = load(folder, skip_broken=True)
    assert data.origin == f"{folder}::skip-broken=yes"
    with pytest.warns(DataWarning, match="cannot be used and is left out"):
        assert load(data.origin).fingerprint == data.fingerprint


def test_an_origin_is_taken_apart_whatever_is_in_it() -> None:
    asked = {"data-dir": None, "image-column": "a::b", "label-column": "c=d e"}
    origin = with_asked("/a::b/c", asked)
    assert origin == "/a::b/c::image-column=a::b::label-column=c=d e"
    assert place_of(origin) == "/a::b/c"
    assert asked_of(origin) == {"image-column": "a::b", "label-column": "c=d e"}


def test_a_plain_install_says_what_the_hub_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"the hub needs .* pip install 'datasets>=4' "):
        load("fashion-mnist")


@pytest.mark.parametrize("place", ["/", "/tmp/..", "home", "~"])
def test_a_whole_disk_or_home_is_not_walked_through(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("real")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def walked(path: Path) -> None:
        raise AssertionError(f"looked into {path}")

    (tmp_path / "real" / "labels.csv").write_text("file_name,label\nx.png,cat\n")
    monkeypatch.setattr(Path, "iterdir", walked)
    for asked in (place, "home/labels.csv"):
        with pytest.raises(DataError, match="a folder of pictures, got a whole disk, home or sys"):
            load(asked)
