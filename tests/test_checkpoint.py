"""A run that is killed and resumed ends with the same bits; a damaged checkpoint is never used."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from tests.command import command
from tests.waiting import stop_at_second_checkpoint, until
from torch import nn

from smidgen.checkpoint import (
    CheckpointError,
    _digest,
    checkpoints,
    load_newest,
    load_tensors,
    save_checkpoint,
    save_tensors,
)
from smidgen.data import load
from smidgen.layers import Classifier, Conv, Depthwise, GlobalAveragePool, MaxPool, Shape
from smidgen.methods import Cosine, parse
from smidgen.progress import Report
from smidgen.recipe import Recipe
from smidgen.run import load_run
from smidgen.runtime import Runtime
from smidgen.spec import NetSpec
from smidgen.train import train
from smidgen.training import TrainingDivergedError

NET = NetSpec(
    Shape(1, 8, 8),
    (Conv(4), MaxPool(), Depthwise(8), GlobalAveragePool(), Classifier(10)),
    "small",
)
EVERYTHING = parse(
    "blurpool, squeeze-excite, crop(padding=1), flip, affine(anneal=0.3), cutout(length=3), mixup,"
    " label-smoothing, one-cycle, sam, ema, swa(start=0.3)"
)


class StopError(Exception):
    """Raised by an observer, in place of a kill."""


def same_bits(a: nn.Module, b: nn.Module) -> bool:
    other = b.state_dict()
    return all(torch.equal(value, other[name]) for name, value in a.state_dict().items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "soap"])
def test_resumed_in_the_middle_equals_uninterrupted_bit_for_bit(
    tmp_path: Path, precision: str, optimizer: str
) -> None:
    data, runtime = load("digits"), Runtime("cpu", 1, precision)
    recipe = Recipe(epochs=4, batch_size=128, optimizer=optimizer, peak_lr=0.01)

    def stop_in_epoch_three(report: Report) -> None:
        if report.epoch == 3 and report.step == 5:
            raise StopError

    arguments = {"methods": EVERYTHING, "recipe": recipe, "runtime": runtime, "split": "selection"}
    whole = train(NET, data, **arguments)  # pyright: ignore
    with pytest.raises(StopError):
        train(NET, data, folder=tmp_path / "run", observer=stop_in_epoch_three, **arguments)  # pyright: ignore
    resumed = train(NET, data, folder=tmp_path / "run", resume=True, **arguments)  # pyright: ignore
    assert same_bits(whole.model, resumed.model)
    assert [r.loss for r in whole.history] == [r.loss for r in resumed.history]
    assert same_bits(resumed.model, load_run(tmp_path / "run").model)


def test_kill_nine_and_resume_through_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def words(folder: Path, *more: str) -> list[str]:
        return [
            *("train", "mnist-1k5-dw", "--data", "digits", "--epochs", "4"),
            *("--with", "blurpool,mixup,one-cycle,sam,ema", "--out", str(folder), *more),
        ]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert command(*words(whole)).returncode == 0
    stopped = stop_at_second_checkpoint("smidgen", tmp_path, monkeypatch)
    process = subprocess.Popen(
        [sys.executable, "-m", "smidgen", *words(killed)], stderr=subprocess.DEVNULL
    )
    until(stopped.exists, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "weights.safetensors").exists()
    assert command(*words(killed, "--resume")).returncode == 0
    assert same_bits(load_run(whole).model, load_run(killed).model)


def begun(folder: Path, precision: str = "float32", epochs: int = 2) -> Any:
    """Train with all that a checkpoint holds of a run, or go on with it."""
    return train(
        NET,
        load("digits"),
        methods=parse("one-cycle, ema, lookahead"),
        recipe=Recipe(epochs=epochs),
        runtime=Runtime("cpu", 1, precision),
        folder=folder,
        resume=folder.exists(),
    )


def test_a_run_begun_in_another_precision_is_not_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    begun(folder)
    (folder / "weights.safetensors").unlink()
    said = "run holds a run begun in float32, and this is bfloat16: precision float32 goes on with"
    with pytest.raises(ValueError, match=said):
        begun(folder, "bfloat16")
    assert not (folder / "weights.safetensors").exists()
    begun(folder)


def test_a_run_that_ended_in_another_precision_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    begun(folder)
    said = "run holds a run that has ended in float32, and this is bfloat16: it stays as it is"
    with pytest.warns(UserWarning, match=said):
        run = begun(folder, "bfloat16")
    assert run.machine["precision"] == "float32"
    begun(folder)


def test_a_checkpoint_from_before_it_told_the_precision_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    begun(folder)
    (folder / "weights.safetensors").unlink()
    newest = checkpoints(folder)[0]
    tensors, values = load_tensors(newest)
    del values["precision"]
    save_tensors(newest, tensors, values)
    begun(folder)


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("weights", itemgetter(slice(1)), r"all weights must be float32 \d+, got float32 1$"),
        ("buffer.", torch.Tensor.double, r"batch-norm \S+ must be \S+ \S+, got float64"),
        (
            "tracker.0.slow",
            itemgetter(slice(1)),
            r"lookahead slow must be float32 \d+, got float32 1",
        ),
        ("tracker.0.slow", None, r"lookahead slow must be float32 \d+, got none"),
        ("tracker.1.average", itemgetter(slice(1)), r"ema average must be float32 \d+, got float"),
        ("optimizer.0.exp_avg", itemgetter(slice(1)), r"adamw exp_avg must be float32 \d+, got f"),
        ("optimizer.1.exp_avg_sq", None, r"adamw exp_avg_sq must be float32 \d+, got none"),
    ],
)
def test_tensors_of_other_shapes_or_methods_are_refused(
    tmp_path: Path, name: str, changed: Any, said: str
) -> None:
    folder = tmp_path / "run"
    begun(folder, epochs=1)
    (folder / "weights.safetensors").unlink()
    (newest,) = checkpoints(folder)
    tensors, values = load_tensors(newest)
    name = min(found for found in tensors if found.startswith(name))
    if changed is None:
        del tensors[name]
    else:
        tensors[name] = changed(tensors[name])
    save_tensors(newest, tensors, values)
    with pytest.raises(CheckpointError, match=f"a checkpoint of another run or version: {said}"):
        begun(folder, epochs=1)


def some_tensors() -> dict[str, torch.Tensor]:
    return {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2]).to(torch.uint8)}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    values = {"loss": 0.1 + 0.2, "list": [1, None]}
    save_tensors(tmp_path / "x.safetensors", some_tensors(), values)
    tensors, found = load_tensors(tmp_path / "x.safetensors")
    assert found == values
    assert all(torch.equal(tensors[name], t) for name, t in some_tensors().items())
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"], "a temporary file was left"


@pytest.mark.parametrize("place", [0.0, 0.02, 0.5, 0.9, 0.999])
def test_one_flipped_bit_anywhere_is_noticed(tmp_path: Path, place: float) -> None:
    path = tmp_path / "x.safetensors"
    save_tensors(path, some_tensors(), {"epoch": 3})
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match=r"x\.safetensors: (truncated|altered)"):
        load_tensors(path)


@pytest.mark.parametrize("kept", [0, 5, 8, 60, -1])
def test_a_truncated_file_is_refused_and_the_previous_checkpoint_used(
    tmp_path: Path, kept: int
) -> None:
    for epoch in (1, 2, 3):
        save_checkpoint(tmp_path, epoch, some_tensors(), {"epoch": epoch})
    assert len(checkpoints(tmp_path)) == 2, "the newest two are kept"
    newest = checkpoints(tmp_path)[0]
    newest.write_bytes(newest.read_bytes()[:kept])
    found = load_newest(tmp_path)
    assert found is not None
    assert found[1] == {"epoch": 2}
    assert "checkpoint-00003.safetensors" in found[2][0]


def test_all_checkpoints_damaged_is_an_error_and_none_at_all_is_not(tmp_path: Path) -> None:
    assert load_newest(tmp_path) is None
    save_checkpoint(tmp_path, 1, some_tensors(), {})
    checkpoints(tmp_path)[0].write_bytes(b"")
    with pytest.raises(CheckpointError, match="no checkpoint can be used"):
        load_newest(tmp_path)


def test_a_damaged_checkpoint_costs_an_epoch_and_no_bits(tmp_path: Path) -> None:
    data, runtime, recipe = load("digits"), Runtime("cpu", 1, "float32"), Recipe(epochs=3)
    whole = train(NET, data, recipe=recipe, runtime=runtime, folder=tmp_path / "run")
    newest = checkpoints(tmp_path / "run")[0]
    newest.write_bytes(newest.read_bytes()[:-7])
    (tmp_path / "run" / "weights.safetensors").unlink()
    with pytest.warns(UserWarning, match="truncated"):
        again = train(
            NET, data, recipe=recipe, runtime=runtime, folder=tmp_path / "run", resume=True
        )
    assert same_bits(whole.model, again.model)


def test_divergence_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exploding(self: Cosine, progress: float) -> float:
        del self
        return 1e18 if progress > 0.7 else 1.0

    monkeypatch.setattr(Cosine, "lr_factor", exploding)
    data, runtime = load("digits"), Runtime("cpu", 1, "float32")
    recipe = Recipe(epochs=4, optimizer="sgd")
    with pytest.raises(TrainingDivergedError, match="diverged in epoch 3"):
        train(
            NET, data, methods=[Cosine()], recipe=recipe, runtime=runtime, folder=tmp_path / "run"
        )
    found = load_newest(tmp_path / "run")
    assert found is not None
    assert len(found[1]["history"]) == 2
    assert all(t.isfinite().all() for name, t in found[0].items() if name != "generator")
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_resuming_another_spec_seed_or_data_is_refused(tmp_path: Path) -> None:
    data, runtime, recipe = load("digits"), Runtime("cpu", 1, "float32"), Recipe(epochs=1)
    train(NET, data, recipe=recipe, runtime=runtime, folder=tmp_path / "run")
    plan = json.loads((tmp_path / "run" / "run.json").read_text())
    with pytest.raises(ValueError, match="seed is 0 there and 1 here"):
        train(
            NET, data, recipe=recipe, runtime=runtime, folder=tmp_path / "run", resume=True, seed=1
        )
    longer = Recipe(epochs=2)
    with pytest.raises(ValueError, match=r"another run: epochs is 1 there and 2 here$"):
        train(NET, data, recipe=longer, runtime=runtime, folder=tmp_path / "run", resume=True)
    wider = NetSpec(NET.input_shape, (Conv(5), *NET.layers[1:]), "wider")
    with pytest.raises(ValueError, match="holds another run: net is"):
        train(wider, data, recipe=recipe, runtime=runtime, folder=tmp_path / "run", resume=True)
    plan["fingerprint"] = "0" * 16
    del plan["sha256"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(plan))
    with pytest.raises(ValueError, match="fingerprint is 0000000000000000 there"):
        train(NET, data, recipe=recipe, runtime=runtime, folder=tmp_path / "run", resume=True)


def test_equal_pixels_that_are_read_otherwise_are_another_run(tmp_path: Path) -> None:
    """Square images are the same however they are fitted; what a user asks about is not."""
    runtime, recipe = Runtime("cpu", 1, "float32"), Recipe(epochs=1)
    asked = partial(train, NET, recipe=recipe, runtime=runtime, folder=tmp_path / "run")
    asked(load("digits"))
    padded = load("digits", fit="pad")
    assert padded.fingerprint == load("digits").fingerprint
    with pytest.raises(
        ValueError, match=r"through grey 8x8, stretched.* and through grey 8x8, pad"
    ):
        asked(padded, resume=True)


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    data, runtime, recipe = load("digits"), Runtime("cpu", 1, "float32"), Recipe(epochs=1)
    train(NET, data, recipe=recipe, runtime=runtime, folder=tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    with pytest.raises(ValueError, match=r"already: resume it \(--resume, or resume=True\)"):
        train(NET, data, recipe=recipe, runtime=runtime, folder=tmp_path / "run")
    assert before == {p: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        train(NET, data, recipe=recipe, runtime=runtime, folder=tmp_path / "mine")


def test_the_newest_two_checkpoints_are_kept_and_told_newest_first(tmp_path: Path) -> None:
    for epoch in (9, 10, 11, 100):
        save_checkpoint(tmp_path, epoch, some_tensors(), {"epoch": epoch})
    names = [path.name for path in checkpoints(tmp_path)]
    assert names == ["checkpoint-00100.safetensors", "checkpoint-00011.safetensors"]
    (tmp_path / "checkpoint-00200.safetensors.7.tmp").touch()  # half-written, of somebody else
    assert [path.name for path in checkpoints(tmp_path)] == names
    found = load_newest(tmp_path)
    assert found is not None
    assert (found[1], found[2]) == ({"epoch": 100}, [])
    for epoch in (99_999, 100_000):
        save_checkpoint(tmp_path, epoch, some_tensors(), {"epoch": epoch})
    names = [path.name for path in checkpoints(tmp_path)]
    assert names == ["checkpoint-100000.safetensors", "checkpoint-99999.safetensors"]
    copies = [f"checkpoint-{name}.safetensors" for name in ("99999-kept", "99999 (copy)", "1", "x")]
    for name in copies:
        shutil.copy(tmp_path / names[1], tmp_path / name)
    assert [path.name for path in checkpoints(tmp_path)] == names
    save_checkpoint(tmp_path, 100_001, some_tensors(), {"epoch": 100_001})
    assert {path.name for path in tmp_path.glob("checkpoint-*s")} == {
        "checkpoint-100001.safetensors", "checkpoint-100000.safetensors", *copies,
    }  # fmt: skip


def test_a_file_that_is_not_there_or_no_file_of_tensors_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"x\.safetensors: cannot be read: No such file"):
        load_tensors(tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"not one of ours at all")
    with pytest.raises(CheckpointError, match=r"x\.safetensors: truncated or not a file of smid"):
        load_tensors(tmp_path / "x.safetensors")


def other_tensors(what: str) -> dict[str, torch.Tensor]:
    a, b = some_tensors().values()
    return {
        "names": {"b": a, "a": b},
        "shapes": {"a": a.reshape(3, 2), "b": b},
        "types": {"a": a.view(torch.int32), "b": b},
        "values": {"a": a + 1e-7, "b": b},
    }[what]


@pytest.mark.parametrize("what", ["names", "shapes", "types", "values"])
def test_names_shapes_types_and_values_are_in_the_digest(tmp_path: Path, what: str) -> None:
    path, tensors = tmp_path / "x.safetensors", some_tensors()
    save_tensors(path, tensors, {"epoch": 1})
    size = int.from_bytes(path.read_bytes()[:8], "little")
    metadata = json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]
    path.write_bytes(safetensors.torch.save(tensors, metadata))
    assert load_tensors(path)[1] == {"epoch": 1}
    path.write_bytes(safetensors.torch.save(other_tensors(what), metadata))
    with pytest.raises(CheckpointError, match="altered: its content does not match its digest"):
        load_tensors(path)


def test_values_that_are_no_table_are_refused(tmp_path: Path) -> None:
    path, tensors = tmp_path / "x.safetensors", some_tensors()
    metadata = {"values": "[1, 2]", "sha256": _digest(tensors, "[1, 2]")}
    path.write_bytes(safetensors.torch.save(tensors, metadata))
    with pytest.raises(CheckpointError, match=r"its values must be a table, got \[1, 2\]"):
        load_tensors(path)
