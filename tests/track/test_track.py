"""What a run reports reaches the tracker that was asked for, and nothing else changes."""

import json
import logging
import sqlite3
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from smidgen.cli import main
from smidgen.run import EpochRecord
from smidgen.track import TRACKERS, require_trackers, track_row, tracking
from smidgen.track.base import Facts

TRAIN = ("train", "mnist-1k5-dw", "--data", "digits", "--epochs", "2", "--out", "runs/one")
FACTS = Facts("one", "runs", {"net": "mnist-1k5-dw", "epochs": 2})


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SMIDGEN_DATA", raising=False)
    return tmp_path


def smidgen(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["smidgen", *arguments])
        with pytest.raises(SystemExit) as exited:
            main()
    return exited.value.code if isinstance(exited.value.code, int) else 0


def record(epoch: int, held_out: float | None = 0.5) -> EpochRecord:
    return EpochRecord(epoch, 1 / epoch, 0.01, held_out, 1000.0, float(epoch))


class Heard:
    """A package of a tracker that writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def called(*values: Any, **named: Any) -> "Heard":
            self.said.append((name, *values, named))
            return self

        return called


@pytest.fixture
def heard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Heard:
    heard = Heard()
    module: Any = types.ModuleType(request.param)
    module.__getattr__ = heard.__getattr__
    monkeypatch.setitem(sys.modules, request.param, module)
    return heard


@pytest.mark.parametrize("heard", ["mlflow", "wandb", "trackio"], indirect=True)
def test_every_epoch_and_the_settings_are_told_in_the_tracker_s_own_words(
    heard: Heard, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.params["heard"]
    with tracking([name], FACTS) as tracked:
        tracked.epoch(None)
        tracked.epoch(record(1))
        tracked.epoch(record(2, None))
    logged = [said for said in heard.said if said[0] in ("log", "log_metrics")]
    assert [said[-1]["step"] for said in logged] == [1, 2]
    assert logged[0][1] == {
        "loss": 1.0,
        "lr": 0.01,
        "images_per_second": 1000.0,
        "seconds": 1.0,
        "held_out_accuracy": 0.5,
    }
    assert "held_out_accuracy" not in logged[1][1]
    assert "mnist-1k5-dw" in str(heard.said[:3])
    assert "'one'" in str(heard.said[:3])
    assert heard.said[-1][0] in ("finish", "end_run")


@pytest.mark.parametrize(
    ("heard", "ends"),
    [
        ("wandb", [("finish", {"exit_code": code}) for code in (0, 1, 1)]),
        ("mlflow", [("end_run", status, {}) for status in ("FINISHED", "FAILED", "KILLED")]),
        ("trackio", [("finish", {})] * 3),
    ],
    indirect=["heard"],
)
def test_a_run_that_fails_is_closed_there_too_and_as_one_that_failed(
    heard: Heard, ends: list[Any], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.params["heard"]
    with tracking([name], FACTS):
        pass
    assert heard.said[-1] == ends[0]
    for error, end in zip((FloatingPointError, KeyboardInterrupt), ends[1:], strict=True):
        with pytest.raises(error), tracking([name], FACTS):
            raise error
        assert heard.said[-1] == end


@pytest.mark.parametrize("heard", ["trackio"], indirect=True)
def test_a_row_of_a_study_is_a_run_with_its_figures(heard: Heard) -> None:
    history = [{**vars_of(record(epoch))} for epoch in (1, 2)]
    row = {
        "net": "n",
        "seed": 3,
        "key": "0123456789abcdef",
        "methods": ["cutout"],
        "recipe": {"epochs": 2},
        "data": "digits",
        "epochs": 2,
        "history": history,
        "accuracy": 0.9,
        "nll": None,
        "params": 10,
    }
    track_row(["trackio"], row, "place")
    start, *told, end = heard.said
    assert start[-1]["name"] == "n-seed3-0123456789abcdef"
    assert start[-1]["config"]["methods"] == "cutout"
    assert [said[-1]["step"] for said in told] == [1, 2, 2]
    assert told[-1][1] == {"accuracy": 0.9, "params": 10.0}
    assert end[0] == "finish"


class Broken(Heard):
    """A package that fails in one of its calls with an error of its own."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self.call = call

    def __getattr__(self, name: str) -> Any:
        if name != self.call:
            return super().__getattr__(name)

        def fails(*_: Any, **__: Any) -> None:
            self.said.append((name,))
            raise RuntimeError("api_key not\nconfigured")

        return fails


def test_a_tracker_that_cannot_begin_is_one_line_before_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", Broken("init"))
    assert smidgen(*TRAIN, "--track", "wandb") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "smidgen: --track wandb cannot begin: api_key not configured"
    assert not Path("runs").exists()
    row = {"net": "n", "seed": 3, "key": "k", "methods": [], "recipe": {}, "data": "d", "epochs": 1}
    with pytest.warns(UserWarning, match="wandb cannot begin"):
        track_row(["wandb"], row, "place")


def test_a_run_whose_settings_mlflow_refuses_is_ended_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = Broken("log_params")
    monkeypatch.setitem(sys.modules, "mlflow", broken)
    with pytest.raises(ValueError, match="mlflow cannot begin"), tracking(["mlflow"], FACTS):
        pass
    assert broken.said[-1] == ("end_run", "FAILED", {})


@pytest.mark.parametrize(("call", "said"), [("log", "takes no more"), ("finish", "not end well")])
def test_a_run_goes_on_without_a_tracker_that_fails(
    call: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Broken(call)
    monkeypatch.setitem(sys.modules, "wandb", broken)
    warned = pytest.warns(UserWarning, match=f"--track wandb .*{said}: api_key not configured")
    with warned, tracking(["wandb"], FACTS) as tracked:
        tracked.epoch(record(1))
        tracked.epoch(record(2))
    assert [name for name, *_ in broken.said].count(call) == 1
    assert broken.said[-1][0] == "finish"


def vars_of(record: EpochRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in EpochRecord.__slots__}


def test_tensorboard_gets_a_run_for_real(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard", reason="pip install 'smidgen[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert smidgen(*TRAIN, "--track", "tensorboard", "--json") == 0
    json.loads(capsys.readouterr().out)
    events: Any = EventAccumulator("runs/tensorboard/one").Reload()
    names = {"loss", "lr", "images_per_second", "seconds", "held_out_accuracy"}
    assert set(events.Tags()["scalars"]) == names
    assert [event.step for event in events.Scalars("loss")] == [1, 2]
    assert events.Scalars("held_out_accuracy")[1].value > 0.1


def test_curves_of_a_run_that_is_trained_anew_are_not_among_the_old_ones() -> None:
    pytest.importorskip("tensorboard", reason="pip install 'smidgen[tensorboard]'")
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    for epochs in (range(1, 5), range(1, 3), range(2, 4)):  # the last one is resumed
        with tracking(["tensorboard"], FACTS) as tracked:
            for epoch in epochs:
                tracked.epoch(record(epoch, len(epochs) / 10))
    with tracking(["tensorboard"], FACTS):
        pass  # refused, as where there is a run already
    events: Any = EventAccumulator("runs/tensorboard/one").Reload()
    curve = events.Tensors("held_out_accuracy")
    told = [(event.step, round(event.tensor_proto.float_val[0], 1)) for event in curve]
    assert told == [(1, 0.2), (2, 0.2), (3, 0.2)]
    assert [event.step for event in events.Tensors("settings/text_summary")] == [1, 2]


def test_tensorboard_without_a_place_is_refused_before_the_first_epoch() -> None:
    pytest.importorskip("tensorboard", reason="pip install 'smidgen[tensorboard]'")
    Path("runs").mkdir()
    Path("runs/tensorboard").touch()
    with (
        pytest.raises(ValueError, match=r"--track tensorboard cannot begin: .*runs/tensorboard"),
        tracking(["tensorboard"], FACTS),
    ):
        pass


def test_trackio_gets_a_run_for_real(
    empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(empty_folder / "trackio"))
    pytest.importorskip("trackio", reason="pip install 'smidgen[trackio]'")
    assert smidgen(*TRAIN, "--track", "trackio", "--json") == 0
    json.loads(capsys.readouterr().out)
    with sqlite3.connect(empty_folder / "trackio" / "smidgen.db") as held:
        rows = held.execute("select run_name, step, metrics from metrics order by step").fetchall()
    assert [(name, step) for name, step, _ in rows] == [("one", 1), ("one", 2)]
    assert json.loads(rows[1][2])["loss"] > 0


@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.parametrize("verb", ["train", "study", "design"])
def test_a_tracker_that_is_not_installed_is_named_with_its_extra_before_any_work(
    verb: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    empty_folder: Path,
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    asked = {
        "train": TRAIN,
        "study": ("study", "reference-mnist"),
        "design": ("design", "--data", "digits", "--max-params", "1k", "--out", "mine"),
    }
    assert smidgen(*asked[verb], "--track", name) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    needs = f"--track {name} needs {name}, which is not installed: pip install {name}"
    assert line == f"smidgen: {needs}"
    assert not [path for path in empty_folder.iterdir() if path.name != "cache"]


def test_an_unknown_tracker_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown tracker 'tensorbord'; did you mean 'tensorboa"):
        require_trackers(["tensorbord"])
    assert require_trackers([]) == ()


def test_verbose_shows_what_is_logged_and_quiet_what_must_be_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert smidgen(*TRAIN, "--verbose") == 0
    loud = capsys.readouterr().err
    assert "smidgen.train: trial " in loud
    assert "smidgen.data.sources: digits: " in loud
    assert "epoch 2/2" in loud
    assert not logging.getLogger("smidgen").handlers, "nothing is left behind"
    assert smidgen("--quiet", *TRAIN[:-1], "runs/two") == 0
    assert capsys.readouterr() == ("", "")
    assert smidgen(*TRAIN, "--quiet") == 2
    assert "holds a run already" in capsys.readouterr().err
    assert smidgen(*TRAIN[:-1], "runs/three") == 0
    told = capsys.readouterr().err
    assert "epoch 2/2" in told, "the next command is as loud as ever"
    assert "smidgen.train: " not in told
    assert smidgen("--quiet", "--verbose", "list", "nets") == 2
    assert "contradict each other" in capsys.readouterr().err


def test_the_library_logs_under_its_name_and_prints_nothing(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    from smidgen.testing.given import run_with

    with caplog.at_level(logging.DEBUG, "smidgen"):
        run_with([])
    assert {one.name.split(".")[0] for one in caplog.records} == {"smidgen"}
    assert any("seed 0" in one.getMessage() for one in caplog.records)
    assert capsys.readouterr() == ("", "")
