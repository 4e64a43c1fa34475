"""A run folder from anywhere is read as it was written, or refused in one line."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from smidgen import checkpoint, files, run_folder
from smidgen import run as runs
from smidgen.checkpoint import (
    CheckpointError,
    Room,
    checkpoints,
    load_tensors,
    packed,
    save_tensors,
)
from smidgen.data import Data, load
from smidgen.evaluate import evaluate, row
from smidgen.export.ship import export
from smidgen.files import clear_temporaries, is_temporary, locked, write_atomically
from smidgen.layers import Shape
from smidgen.methods import Cyclical
from smidgen.model import model_of
from smidgen.recipe import Recipe
from smidgen.run import PICTURES, EpochRecord, Run, load_run
from smidgen.run_folder import PLAN, WEIGHTS, load_plan
from smidgen.spec import NetSpec
from smidgen.train import train
from smidgen.trial import Trial

Plain = Callable[[dict[str, Any]], object]
Change = Callable[[dict[str, torch.Tensor], dict[str, Any]], object]
RECORD = EpochRecord(100_000, 1 / 3e5, 1 / 3e5, 1 / 3, 1e5 / 3, 1e7 / 3)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def net() -> NetSpec:
    layers = ["conv(4)", "max-pool", "global-average-pool", "classifier(10)"]
    return NetSpec.from_dict({"name": "tiny", "input": [1, 8, 8], "layers": layers})


@pytest.fixture(scope="module")
def finished(net: NetSpec, digits: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(net, digits, recipe=Recipe(epochs=1), split="full", folder=folder)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "run")


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


def change_plan(folder: Path, changes: dict[str, Any]) -> None:
    """Replace values by their path, or drop those that become ``...``; without a digest."""
    form = json.loads((folder / PLAN).read_text())
    del form["sha256"]
    for path, value in changes.items():
        *tables, key = path.split(".")
        table = form
        for name in tables:
            table = table[name]
        if value is ...:
            del table[key]
        else:
            table[key] = value
    (folder / PLAN).write_text(json.dumps(form))


def change_weights(folder: Path, change: Change) -> None:
    tensors, values = load_tensors(folder / WEIGHTS)
    change(tensors, values)
    save_tensors(folder / WEIGHTS, tensors, values)
    change_plan(folder, {"weights": ...})  # as of a run from before it named them


def changed(change: Plain) -> Change:
    """Return what changes the values beside the weights."""

    def both(tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        del tensors
        change(values)

    return both


def updated(**new: Any) -> Change:
    """Return what replaces values beside the weights."""
    return changed(lambda values: values.update(new))


@pytest.mark.parametrize("value", [b"7", b"8"])
def test_a_digit_changed_in_a_plan_is_noticed(folder: Path, value: bytes) -> None:
    path = folder / PLAN
    path.write_bytes(path.read_bytes().replace(b'"seed": 0', b'"seed": ' + value))
    with pytest.raises(ValueError, match=r"run\.json: altered: its content does not match"):
        load_plan(folder)


def test_a_plan_without_a_digest_is_from_before_and_read(folder: Path) -> None:
    before = load_plan(folder)
    change_plan(folder, {"smidgen": ...})
    assert load_plan(folder) == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"smidgen": "9.9.9", "colour": 1}, "9.9.9, and this is .*'colour'"),
        ({"colour": 1}, "has no key 'colour'"),
        ({"recipe.warmth": 1, "smidgen": "2.0"}, "a recipe was written by smidgen 2.0, .*'warmth'"),
        ({"seed": ...}, "needs the key 'seed'"),
        ({"seed": True}, "seed of a trial must be another kind, got True"),
        ({"net": []}, "a net must be a table"),
        ({"methods": "sam"}, "methods must be a list of texts"),
        ({"methods": ["a" * 10**6]}, "must be at most 10,000"),
        ({"data": None}, "data of a trial"),
        ({"weights": 7}, "weights must be a text, got 7"),
        *(({"origin": bad}, "origin must be a place of at most 10,000 characters that a path may")
          for bad in ("a\0b", "\ud800", "/" + 20_000 * "x")),
        ({"net.input": [1, 10**9, 8]}, "must be at most 65,535"),
        ({"net.layers": ["conv(1000000000)"]}, "must be at most 65,535"),
        ({"preprocessing.offset": [10**400], "preprocessing.scale": [1]}, "'offset' should be a"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_is_one_short_line(
    folder: Path, changes: dict[str, Any], said: str
) -> None:
    change_plan(folder, changes)
    with pytest.raises(ValueError, match=said) as refused:
        load_run(folder)
    assert str(folder / PLAN) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 700


def nan(tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
    del values
    next(t for t in tensors.values() if t.is_floating_point()).view(-1)[0] = float("nan")


def lacking(tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
    del values, tensors[next(name for name in tensors if name.endswith("weight"))]


def negative(tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
    del values
    next(t for name, t in tensors.items() if name.endswith("running_var"))[0] = -1.0


def wide(tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
    del values
    tensors.update({name: t.double() for name, t in tensors.items() if t.is_floating_point()})
    next(t for name, t in tensors.items() if name.endswith("weight")).fill_(1e300)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (nan, "must be finite, got NaN"),
        (wide, "must be float32, got float64"),
        (negative, "running_var must be >= 0, got -1"),
        (updated(std=[0.0]), "std must be > 0"),
        (updated(mean=[0.1, 0.2]), "mean must be 1 finite numbers"),
        (updated(mean=[float("nan")]), "mean must be 1 finite numbers"),
        (updated(mean=0.5), "mean must be a list"),
        (changed(lambda v: v["classes"].pop()), "classes must be 10 texts"),
        (updated(classes=["cat"] * 10), "classes must differ"),
        (changed(lambda v: v["machine"].update(threads="many")), "machine must be texts and a"),
        (
            changed(lambda v: v["history"][0].update(epoch=1.5)),
            "epoch must be a whole number",
        ),
        (changed(lambda v: v["history"][0].update(loss=10**400)), "must be a finite number"),
        (changed(lambda v: v["history"][0].pop("held_out_accuracy")), "held_out_accuracy of an"),
        (updated(history=[7]), "an epoch must be a table"),
        (
            changed(lambda v: v["history"][0].update(loss="low")),
            "loss of an epoch must be a finite",
        ),
        (
            changed(
                lambda v: (v["history"][0].update(beauty=1), v["versions"].update(smidgen="3.0"))
            ),
            "an epoch was written by smidgen 3.0, and this is .*'beauty'",
        ),
        (changed(lambda v: v.pop("machine")), "machine must be a dict"),
        (lacking, "weights of another net"),
    ],
)
def test_weights_and_statistics_that_cannot_be_are_one_line(
    folder: Path,
    change: Change,
    said: str,
) -> None:
    change_weights(folder, change)
    with pytest.raises(CheckpointError, match=said) as refused:
        load_run(folder)
    assert str(folder / WEIGHTS) in str(refused.value)


def test_no_run_says_how_accurate_it_is_where_it_is_judged(folder: Path, digits: Data) -> None:
    own = load_run(folder)
    change_weights(folder, changed(lambda v: v["machine"].update(accuracy=1.0, key="0" * 16)))
    run = load_run(folder)
    found = evaluate(run, digits.test, measure_latency=False)
    told = row(run, found, study="", revision="")
    assert (told["accuracy"], told["key"]) == (found.accuracy, run.trial.key)
    assert run.machine == own.machine


def test_a_row_says_of_how_many_groups_its_images_are(folder: Path, digits: Data) -> None:
    run, test = load_run(folder), digits.test
    assert row(run, evaluate(run, test, measure_latency=False), "", "")["groups"] is None
    groups = torch.arange(len(test.labels)) // 50
    found = evaluate(run, replace(test, groups=groups), measure_latency=False)
    told = row(run, found, study="", revision="")
    assert told["groups"] == len(groups.unique()) == 8
    f1 = [of.f1 for of in found.by_class if of.f1 is not None]
    assert told["macro_f1"] == pytest.approx(sum(f1) / 10)


def test_weights_that_overflow_give_no_answer(folder: Path, digits: Data) -> None:
    def large(tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        del values
        for name, tensor in tensors.items():
            if name.endswith("weight"):
                tensor.fill_(3e38)

    change_weights(folder, large)
    run = load_run(folder)
    with pytest.raises(ValueError, match="must give finite logits, got NaN or infinity"):
        evaluate(run, digits.test, measure_latency=False)
    with pytest.raises(ValueError, match="must give finite logits, got NaN or infinity"):
        model_of(run).predict(digits.test.images[0, 0].numpy())
    for to in ("onnx", "c"):
        with pytest.raises(ValueError, match="must give finite logits, got NaN or infinity"):
            export(folder, to, folder.parent / to, data=digits)


@pytest.fixture(scope="module")
def another(net: NetSpec, digits: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of the same net, with another seed."""
    folder = tmp_path_factory.mktemp("runs") / "another"
    train(net, digits, recipe=Recipe(epochs=1), split="full", seed=1, folder=folder)
    return folder


def test_weights_of_another_run_of_the_same_net_are_refused(folder: Path, another: Path) -> None:
    shutil.copy(another / WEIGHTS, folder)
    said = (
        rf"weights\.safetensors: weights of another run: .*[0-9a-f]{{16}}, and {PLAN} beside them"
    )
    with pytest.raises(CheckpointError, match=said) as refused:
        load_run(folder)
    assert len(str(refused.value).splitlines()) == 1
    shutil.copy(another / PLAN, folder)
    shutil.copy(another / PICTURES, folder)
    assert load_run(folder).trial.seed == 1


def test_weights_beside_a_plan_from_before_it_named_them_are_read(folder: Path) -> None:
    before = load_run(folder)
    change_plan(folder, {"weights": ...})
    assert runs.digest(load_run(folder)) == runs.digest(before)


def test_resumed_over_weights_of_another_run_its_own_come_back(
    folder: Path, another: Path, net: NetSpec, digits: Data
) -> None:
    own = runs.digest(load_run(folder))
    shutil.copy(another / WEIGHTS, folder)
    with pytest.warns(UserWarning, match=r"weights of another run: .*; the last checkpoint makes"):
        train(net, digits, recipe=Recipe(epochs=1), split="full", folder=folder, resume=True)
    assert runs.digest(load_run(folder)) == own != runs.digest(load_run(another))


def test_no_weights_lie_in_a_folder_that_its_plan_does_not_name(
    net: NetSpec, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = runs.write_atomically

    def cut_short(path: Path, content: bytes) -> None:
        if path.name == WEIGHTS:
            raise KeyboardInterrupt
        written(path, content)

    numbers: Any = {"recipe": Recipe(epochs=1), "folder": tmp_path / "run"}
    with monkeypatch.context() as patch:
        patch.setattr(runs, "write_atomically", cut_short)
        with pytest.raises(KeyboardInterrupt):
            train(net, digits, **numbers)
    assert load_plan(tmp_path / "run").weights
    with pytest.raises(ValueError, match="training has not finished"):
        load_run(tmp_path / "run")
    train(net, digits, resume=True, **numbers)
    load_run(tmp_path / "run")


def test_a_run_is_saved_in_no_other_run_s_folder(folder: Path, another: Path) -> None:
    before = contents(folder)
    with pytest.raises(ValueError, match="holds another run: seed is 0 there and 1 here"):
        load_run(another).save(folder)
    with pytest.raises(ValueError, match=f"is no run folder: it has no {PLAN}"):
        load_run(another).save(folder.parent)
    assert contents(folder) == before


def test_a_folder_of_runs_names_some_of_them(tmp_path: Path) -> None:
    for name in ("d", "a", "c/model", "b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / PLAN).touch()
    with pytest.raises(ValueError, match="is no run folder but holds 4: name one, ") as refused:
        load_run(tmp_path)
    named = str(refused.value).partition("name one, ")[2].split(", ")
    assert [Path(name).name for name in named] == ["a", "b", "c"]


def test_resuming_without_a_folder_is_refused(net: NetSpec, digits: Data) -> None:
    with pytest.raises(ValueError, match="resume goes on with the run in a folder: name it"):
        train(net, digits, recipe=Recipe(epochs=1), resume=True)


@pytest.mark.skipif(os.name != "posix", reason="a name that is too long is one of nothing there")
def test_a_folder_that_cannot_be_looked_at_is_one_line(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^'.*'?: cannot be read: File name too long$") as refused:
        load_run(folder / ("x" * 300))
    assert len(str(refused.value).splitlines()) == 1


def test_a_folder_below_that_of_the_user_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert load_run("~/run").trial == load_run(folder).trial


def test_a_file_of_weights_that_is_too_large_is_not_read(folder: Path) -> None:
    with (folder / WEIGHTS).open("r+b") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    with pytest.raises(CheckpointError, match="must be at most"):
        load_run(folder)


def made_up(path: Path, tensors: int = 0, spaces: int = 0, hole: int = 0) -> None:
    """Write a file of empty tensors, with spaces in its header and a hole, which takes no room."""
    of_one = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    held = {"__metadata__": {"values": "{}"}, **{f"{n}": of_one for n in range(tensors)}}
    header = json.dumps(held).encode() + b" " * spaces
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(file.tell() + hole)


@pytest.mark.parametrize(
    ("much", "said"),
    [
        ({"hole": 9_000_000}, r"bytes of a file must be at most 4,.*, got 9,"),
        ({"tensors": 100}, r"it must hold at most \d+ tensors, got 100; a run is copied whole$"),
        ({"spaces": 5_000_000}, r"(its header|bytes of a file) must be at most 4,.*, got 5,"),
    ],
)
def test_more_than_a_net_needs_is_refused_before_it_is_read(
    folder: Path, much: dict[str, int], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside 1,560 parameters a million empty tensors, or 4 GB, took a minute each."""

    def read(held: bytes) -> None:
        pytest.fail(f"{len(held)} bytes were read")

    monkeypatch.setattr(checkpoint, "from_bytes", read)
    made_up(folder / WEIGHTS, **much)
    with pytest.raises(CheckpointError, match=said):
        load_run(folder)


def test_pictures_and_checkpoints_of_more_tensors_are_not_read(
    folder: Path, net: NetSpec, digits: Data
) -> None:
    made_up(folder / PICTURES, tensors=6)
    with pytest.warns(UserWarning, match="at most 5 tensors, got 6; a run is copied whole; which"):
        load_run(folder)
    (folder / WEIGHTS).unlink()
    made_up(checkpoints(folder)[0], tensors=100)
    with pytest.raises(CheckpointError, match=r"no checkpoint can be used: .* got 100; a run is"):
        train(net, digits, recipe=Recipe(epochs=1), split="full", folder=folder, resume=True)


def test_too_little_memory_for_weights_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(held: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr(checkpoint, "from_bytes", none_left)
    with pytest.raises(CheckpointError, match=r"needs memory for its [\d,]+ bytes twice, and"):
        load_run(folder)


def test_long_histories_and_many_classes_have_room() -> None:
    """A record of an epoch takes some 250 bytes of a header, and a name in any script its own."""
    room = Room.of([torch.zeros(3)], epochs=1_000, classes=100)
    values = {"history": [asdict(RECORD)] * 1_000, "classes": ["\u96ea" * 250] * 100}
    held, _ = packed({"a": torch.zeros(3)}, values)
    assert len(held) - 12 < room.header - Room.of([], 0).header


def test_a_length_of_header_beyond_the_file_is_refused(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError, match="truncated or not a file of smidgen"):
        load_run(folder)


def test_a_run_itself_is_no_folder_of_one(folder: Path) -> None:
    run: Any = load_run(folder)
    with pytest.raises(ValueError, match=r"named by its folder, the folder= of train, got Run"):
        load_run(run)


def test_a_net_too_large_for_memory_is_refused_before_it_is_built() -> None:
    wide = ["conv(60000)", "conv(60000)", "global-average-pool", "classifier(10)"]
    spec = NetSpec.from_dict({"input": [1, 8, 8], "layers": wide})
    with pytest.raises(ValueError, match="params of net must be at most 100,000,000"):
        spec.build()
    tall = NetSpec.from_dict({"input": [3, 65535, 65535], "layers": ["conv(8)"]})
    with pytest.raises(ValueError, match="activations of net must be at most"):
        tall.build()
    with pytest.raises(ValueError, match="layers of a net must be at most 1,000"):
        NetSpec(
            Shape(1, 8, 8),
            NetSpec.from_dict({"input": [1, 8, 8], "layers": ["blur(1)"]}).layers * 1001,
        )


def test_resuming_a_finished_run_writes_nothing_and_gives_the_same_run(
    folder: Path,
    net: NetSpec,
    digits: Data,
) -> None:
    before, first = contents(folder), load_run(folder)
    again: Run = train(
        net, digits, recipe=Recipe(epochs=1), split="full", folder=folder, resume=True
    )
    assert contents(folder) == before
    for one, other in zip(
        first.model.state_dict().values(), again.model.state_dict().values(), strict=True
    ):
        assert one.equal(other)


def test_a_run_that_could_not_be_read_again_is_refused_before_any_work(
    tmp_path: Path, net: NetSpec, digits: Data
) -> None:
    one_and_a_half: Any = 1.5
    with pytest.raises(ValueError, match="could not be read again: method cyclical argument 'cy"):
        train(net, digits, methods=[Cyclical(cycles=one_and_a_half)], folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_damaged_weights_of_a_finished_run_come_back_from_the_last_checkpoint(
    folder: Path,
    net: NetSpec,
    digits: Data,
) -> None:
    sound = load_run(folder)
    assert checkpoints(folder)
    (folder / WEIGHTS).write_bytes(b"\x00" * 50)
    with pytest.warns(UserWarning, match=r"truncated .*; the last checkpoint makes them again"):
        train(net, digits, recipe=Recipe(epochs=1), split="full", folder=folder, resume=True)
    for one, other in zip(
        sound.model.state_dict().values(), load_run(folder).model.state_dict().values(), strict=True
    ):
        assert one.equal(other)


def test_a_run_killed_before_its_plan_was_there_can_be_begun(
    tmp_path: Path,
    net: NetSpec,
    digits: Data,
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / f"{PLAN}.99999999.tmp").write_text("{")
    train(net, digits, recipe=Recipe(epochs=1), split="full", folder=folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "checkpoint-00001.safetensors",
        PICTURES,
        PLAN,
        WEIGHTS,
    ]


def test_a_run_folder_is_one_processs_at_a_time(
    folder: Path,
    net: NetSpec,
    digits: Data,
) -> None:
    with locked(folder), pytest.raises(ValueError, match="another process is at work in"):
        train(net, digits, recipe=Recipe(epochs=1), split="full", folder=folder, resume=True)
    with locked(folder):
        pass  # it was let go


def test_a_plan_is_written_by_the_run_that_has_the_folder_alone(
    net: NetSpec, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: Any = {"recipe": Recipe(epochs=1), "folder": tmp_path / "run"}
    written = run_folder.save_plan

    def slow(folder: Path, trial: Trial, data: Data) -> None:
        if trial.seed == 0:
            train(net, digits, seed=1, **numbers)  # begins, and ends, before the other's plan
        written(folder, trial, data)

    monkeypatch.setattr(run_folder, "save_plan", slow)
    with pytest.raises(ValueError, match="another process is at work in"):
        train(net, digits, **numbers)


def test_only_unfinished_files_of_processes_that_are_gone_are_cleared(tmp_path: Path) -> None:
    gone = ["run.json.99999999.tmp", "run.json.99999999-0a1b2c3d.tmp"]
    names = [*gone, "run.json.1.tmp", "run.json.1-0a1b2c3d.tmp", "notes.tmp", "a.99999999.tmp.txt"]
    for name in names:
        (tmp_path / name).write_text("x")
    clear_temporaries(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names[2:])


def test_processes_of_one_number_write_the_same_file_without_each_other_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in two containers that share a volume."""
    path, synced = tmp_path / "it", os.fsync

    def meanwhile(descriptor: int) -> None:
        synced(descriptor)
        monkeypatch.setattr(os, "fsync", synced)
        assert all(map(is_temporary, tmp_path.iterdir()))
        write_atomically(path, b"other")
        assert path.read_bytes() == b"other"

    monkeypatch.setattr(os, "fsync", meanwhile)
    write_atomically(path, b"one")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("it", b"one")]


@pytest.mark.parametrize("name", ["q" * 255, "é" * 127, "\U00020000" * 63])
def test_a_file_may_have_as_long_a_name_as_any(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"one")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [(name, b"one")]


def test_a_file_is_never_written_through_a_link_that_was_laid_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def foreseen(count: int) -> str:
        return count * "55"

    monkeypatch.setattr(files, "token_hex", foreseen)
    precious = tmp_path / "precious"
    precious.write_text("years of work")
    (tmp_path / f"it.{os.getpid()}-55555555.tmp").symlink_to(precious)
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "it", b"new")
    assert precious.read_text() == "years of work"
