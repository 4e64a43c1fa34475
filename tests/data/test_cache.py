"""Decoded data are kept whole, found again at once, and made again when they do not fit."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch

import smidgen.data
from smidgen.data import Data, DataError, DataWarning, Split, load
from smidgen.data.base import Source
from smidgen.data.cache import LEFT, cache_at
from smidgen.data.catalogue import Catalogue
from smidgen.data.layouts import Folders
from smidgen.data.rules import rules, rules_of
from smidgen.kernels.measured import cache_path
from smidgen.release import release

Folder = Callable[..., Path]
BOTH = {"train": {"cat": 3, "dog": 2}, "test": {"cat": 1, "dog": 1}}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """Return a list that grows with every decoding."""
    seen: list[Source] = []
    original = Folders.catalogue

    def counted(self: Folders, *args: Any) -> Catalogue:
        seen.append(self)
        return original(self, *args)

    monkeypatch.setattr(Folders, "catalogue", counted)
    return seen


def same(first: Data, second: Data) -> bool:
    return (
        first.train.images.equal(second.train.images)
        and first.test.images.equal(second.test.images)
        and first.train.labels.equal(second.train.labels)
        and first.test.labels.equal(second.test.labels)
        and (first.classes, first.name, first.fingerprint)
        == (second.classes, second.name, second.fingerprint)
    )


def cached(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def test_data_are_decoded_once(image_folder: Folder, tmp_path: Path, reads: list[Source]) -> None:
    folder = image_folder(BOTH)
    first, second = (load(folder, cache_dir=tmp_path / "cache") for _ in range(2))
    assert len(reads) == 1
    assert same(first, second)
    assert first.train.images.stride() == second.train.images.stride()


def test_the_files_of_pictures_are_found_again(image_folder: Folder, tmp_path: Path) -> None:
    folder = image_folder(BOTH)
    first, second = (load(folder, cache_dir=tmp_path / "cache") for _ in range(2))
    names = ("cat/000.png", "cat/001.png", "cat/002.png", "dog/000.png", "dog/001.png")
    assert first.train.files == second.train.files == tuple(f"train/{name}" for name in names)
    assert first.test.files == second.test.files == ("test/cat/000.png", "test/dog/000.png")
    assert load("digits", cache_dir=tmp_path / "cache").test.files == ()
    with pytest.raises(DataError, match="got 1 files of 2 images"):
        Split(first.test.images, first.test.labels, ("cat/000.png",))


def test_the_cache_is_one_file_of_bytes_that_says_what_it_is(
    image_folder: Folder, tmp_path: Path
) -> None:
    data = load(image_folder(BOTH), cache_dir=tmp_path / "cache")
    with safetensors.safe_open(cached(tmp_path / "cache"), "pt") as stored:
        images = stored.get_tensor("train_images")
        said = json.loads(stored.metadata()["smidgen"])
        assert set(stored.keys()) == {
            f"{s}_{w}" for s in ("train", "test") for w in ("images", "labels")
        }
    assert images.dtype == torch.uint8
    assert images.permute(0, 3, 1, 2).equal(data.train.images)
    assert said["classes"] == ["cat", "dog"]
    assert said["fingerprint"] == data.fingerprint
    assert "pictures" in said["source"]


def test_the_default_place_follows_xdg(
    image_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = image_folder(BOTH)
    load(folder)
    assert cached(tmp_path / "cache home" / "smidgen").suffix == ".safetensors"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load(folder)
    assert cached(tmp_path / "home" / ".cache" / "smidgen").suffix == ".safetensors"


@pytest.mark.parametrize("relative", ["", "caches", "~/caches"])
def test_a_relative_place_counts_for_nothing(
    relative: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", relative)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_at(None).folder == tmp_path / "home" / ".cache" / "smidgen"


def test_a_user_without_a_home_caches_below_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 5)
    assert cache_at(None).folder == Path("/.cache/smidgen")
    assert cache_path([("avx2", "float32")], Path(__file__)).parent == Path("/.cache/smidgen")


def test_each_image_size_is_kept_apart(image_folder: Folder, reads: list[Source]) -> None:
    folder = image_folder(BOTH)
    shapes = [load(folder, image_size=size).shape for size in (None, 4, (4, 4), 3, None, 4)]
    assert shapes == [(1, 6, 5), (1, 4, 4), (1, 4, 4), (1, 3, 3), (1, 6, 5), (1, 4, 4)]
    assert len(reads) == 3


def test_what_another_smidgen_decoded_is_never_read(
    image_folder: Folder, reads: list[Source], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, cache = image_folder(BOTH), tmp_path / "cache"
    for name, decoded in (("older", 1), ("older", 1), ("newer", 2), ("newer", 2), ("older", 2)):
        monkeypatch.setattr("smidgen.data.base.rules", lambda name=name: name)
        load(folder, cache_dir=cache)
        assert len(reads) == decoded


def test_the_rules_are_those_of_every_module_and_of_the_release(tmp_path: Path) -> None:
    door = Path(smidgen.data.__file__).parent
    assert rules() == rules_of(door, release())
    (tmp_path / "layouts").mkdir()
    (tmp_path / "a.py").write_text("one")
    seen = {rules_of(tmp_path, "1.0"), rules_of(tmp_path, "1.1")}
    (tmp_path / "layouts" / "b.py").write_text("two")
    seen.add(rules_of(tmp_path, "1.0"))
    (tmp_path / "layouts" / "b.py").write_text("three")
    seen.add(rules_of(tmp_path, "1.0"))
    (tmp_path / "layouts" / "b.py").rename(tmp_path / "layouts" / "c.py")
    seen.add(rules_of(tmp_path, "1.0"))
    assert len(seen) == 5


def test_changed_files_are_decoded_again(image_folder: Folder, reads: list[Source]) -> None:
    folder = image_folder(BOTH)
    first = load(folder)
    (folder / "train" / "cat" / "000.png").write_bytes(
        (folder / "train" / "cat" / "001.png").read_bytes()
    )
    second = load(folder)
    (folder / "train" / "cat" / "000.png").unlink()
    third = load(folder)
    (folder / "test" / "dog" / "000.png").rename(folder / "test" / "cat" / "111.png")
    fourth = load(folder)
    assert len({data.fingerprint for data in (first, second, third, fourth)}) == 4
    assert len(reads) == 4
    assert (len(third.train), fourth.test.labels.tolist()) == (4, [0, 0])


@pytest.mark.parametrize("harm", ["cut", "flip", "flip label", "empty", "other"])
def test_a_damaged_cache_is_made_again(
    harm: str, image_folder: Folder, tmp_path: Path, reads: list[Source]
) -> None:
    folder, cache = image_folder(BOTH), tmp_path / "cache"
    first = load(folder, cache_dir=cache)
    file = cached(cache)
    content = bytearray(file.read_bytes())
    if harm == "cut":
        content = content[:-10]
    elif harm == "flip":
        content[-50] ^= 1
    elif harm == "flip label":
        content[content.index(first.train.labels.numpy().tobytes()) + 8] ^= 1
    else:
        content = bytearray() if harm == "empty" else bytearray(b"another file altogether")
    file.write_bytes(content)
    with pytest.warns(DataWarning, match="is damaged .* and is made again"):
        second = load(folder, cache_dir=cache)
    assert same(first, second)
    assert same(first, load(folder, cache_dir=cache))
    assert len(reads) == 2


def test_writing_that_is_cut_short_leaves_nothing(
    image_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(tensors: Any, path: Path, **named: Any) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save_file", torn)
    with pytest.raises(KeyboardInterrupt):
        load(image_folder(BOTH), cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_room_is_asked_for_before_anything_is_decoded(
    image_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = image_folder(BOTH), list[Path]()
    needed = 7 * 6 * 5

    def usage(place: Path) -> Any:
        asked.append(place)
        return SimpleNamespace(free=LEFT + needed - len(asked))  # enough, then a byte too few

    monkeypatch.setattr("smidgen.data.cache.shutil.disk_usage", usage)
    monkeypatch.setattr("smidgen.data.making.content_key", None)  # whoever decodes fails
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    with pytest.raises(DataError, match=r"the cache folder .* has 67 MB free, and the decoded"):
        load(folder, cache_dir=tmp_path / "cache")
    assert asked == [tmp_path / "cache"]
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("smidgen.data.cache.shutil.disk_usage", usage)
    with pytest.warns(DataWarning, match="; they are decoded every time"):
        assert len(load(folder).train) == 5
    assert not list((tmp_path / "home" / "smidgen").iterdir())
    asked.clear()
    monkeypatch.setattr("smidgen.data.cache.LEFT", LEFT - 1)
    load(folder)
    assert len(list((tmp_path / "home" / "smidgen").iterdir())) == 1


def test_data_that_are_refused_are_not_kept(image_folder: Folder, tmp_path: Path) -> None:
    folder = image_folder(BOTH)
    (folder / "test" / "dog" / "000.png").write_bytes(b"broken")
    with pytest.raises(DataError):
        load(folder, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_chosen_cache_folder_must_be_writable(
    image_folder: Folder, tmp_path: Path, reads: list[Source]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DataError, match=r"the cache folder \S*file/cache cannot be written: Not a dir"
    ):
        load(image_folder(BOTH), cache_dir=tmp_path / "file" / "cache")
    assert reads == []  # said before the work is done


def test_without_a_writable_default_cache_data_are_decoded_every_time(
    image_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[Source]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = image_folder(BOTH)
    for _ in range(2):
        with pytest.warns(DataWarning, match=r"file/smidgen cannot be written: .* every time"):
            assert len(load(folder).train) == 5
    assert len(reads) == 2


def test_a_default_cache_that_cannot_even_be_looked_at_is_one(
    image_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("long" * 100)))
    with pytest.warns(DataWarning, match=r"/smidgen cannot be written: .* every time"):
        assert len(load(image_folder(BOTH)).train) == 5


def test_a_disk_that_fills_up_meanwhile_leaves_the_data(
    image_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tensors: Any, path: Path, **named: Any) -> None:
        path.write_bytes(b"half")
        raise safetensors.SafetensorError("I/O error: Disk quota exceeded (os error 122)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    folder = image_folder(BOTH)
    with pytest.warns(DataWarning, match=r"cannot be written: .* quota exceeded .* every time"):
        assert len(load(folder).train) == 5
    with pytest.raises(DataError, match=r"the cache folder \S*cache cannot be written: .* quota"):
        load(folder, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_two_of_one_process_number_may_fill_the_cache_at_once(
    image_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, original = image_folder(BOTH), safetensors.torch.save_file

    def between(tensors: Any, path: Path, **named: Any) -> None:
        original(tensors, path, **named)
        monkeypatch.setattr("safetensors.torch.save_file", original)
        load(folder, cache_dir=tmp_path / "cache")  # as a thread does, or another container

    monkeypatch.setattr("safetensors.torch.save_file", between)
    data = load(folder, cache_dir=tmp_path / "cache")
    cached(tmp_path / "cache")
    assert same(data, load(folder, cache_dir=tmp_path / "cache"))


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_decoded_data_are_for_all_whom_the_umask_lets_read(
    umask: int, mode: int, image_folder: Folder, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        load(image_folder(BOTH), cache_dir=tmp_path / "cache")
    finally:
        os.umask(before)
    (path,) = (tmp_path / "cache").iterdir()
    assert path.stat().st_mode & 0o777 == mode


def test_more_pictures_than_memory_is_free_are_told_before_they_are_decoded(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smidgen.data.sources.memory", lambda: 7 * 6 * 5 - 1)
    monkeypatch.setattr("smidgen.data.making.content_key", None)  # whoever decodes fails
    with (
        pytest.warns(DataWarning, match="of memory, and 0 MB are free: --image-size N"),
        pytest.raises(DataError, match="cannot be used"),
    ):
        load(image_folder(BOTH))


def test_pictures_for_which_memory_is_free_are_decoded_in_silence(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smidgen.data.sources.memory", lambda: 7 * 6 * 5)
    assert len(load(image_folder(BOTH)).train) == 5


def test_what_is_but_judged_is_kept_as_such(image_folder: Folder, reads: list[Source]) -> None:
    """One part stands for both: its tensors are written twice."""
    folder = image_folder({"test": {"cat": 3, "dog": 2}})
    how = smidgen.data.Preprocessing(6, 5, "grey", 1)
    found = [load(folder, classes=("cat", "dog", "owl"), preprocessing=how) for _ in range(2)]
    assert len(reads) == 1
    assert found[1].to_judge
    assert same(*found)


def test_groups_are_kept(image_folder: Folder, reads: list[Source]) -> None:
    folder = image_folder({"train": {"cat": 6, "dog": 6}})
    for path in sorted(folder.rglob("*.png")):
        path.rename(path.with_name(f"{int(path.stem) // 2}_{path.name}"))
    with pytest.warns(DataWarning) as told:
        first, second = (load(folder, group_by="prefix") for _ in range(2))
    assert not [one for one in told if "damaged" in str(one.message)]
    assert len(reads) == 1
    assert first.train.groups is not None
    assert second.train.groups is not None
    assert first.train.groups.equal(second.train.groups)
