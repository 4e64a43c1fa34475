"""A training that Python started shows itself where somebody looks, and nowhere else."""

import io
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

import smidgen as sm
from smidgen import progress
from smidgen.progress import Report, TrainingBar, training_bar
from smidgen.run import EpochRecord


def report(epoch: int, step: int, finished: EpochRecord | None = None, start: int = 0) -> Report:
    """Return what is told after a step of ten, of the first of four epochs or a later one."""
    done = (epoch - 1 + step / 10) / 4
    return Report(epoch, step, 10, torch.tensor(0.5), 0.1, finished, start, done)


def record(epoch: int, held_out: float | None = None) -> EpochRecord:
    return EpochRecord(epoch, 0.5, 0.1, held_out, 100.0, 1.0)


class Shown(list[tuple[float, str]]):
    """Keeps what is shown."""

    def __call__(self, done: float, text: str) -> None:
        self.append((done, text))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_it_tells_how_long_it_will_take(clock: list[float]) -> None:
    shown = Shown()
    bar = TrainingBar("net", 4, shown)
    clock[0] += 1
    bar.step(report(1, 1))
    assert shown[-1] == (0.025, "net: epoch 1 of 4, 39 s left")
    clock[0] += 5
    bar.step(report(1, 10, record(1, 0.9)))
    assert shown[-1] == (0.25, "net: epoch 1 of 4, 18 s left, loss 0.5000, held-out 90.00 %")
    bar.step(report(4, 10, record(4)))
    assert shown[-1] == (1.0, "net: 4 epochs in 6 s, loss 0.5000")


def test_starts_that_compete_are_counted(clock: list[float]) -> None:
    shown = Shown()
    bar = TrainingBar("net", 4, shown)
    clock[0] += 1
    bar.step(report(2, 1, start=3))
    assert shown[-1][1].startswith("net: start 3, epoch 2 of 4, ")


def test_a_resumed_run_is_measured_from_where_it_went_on(clock: list[float]) -> None:
    shown = Shown()
    bar = TrainingBar("net", 4, shown)
    clock[0] += 1
    bar.step(report(3, 1))
    clock[0] += 9
    bar.step(report(3, 10, record(3)))
    assert shown[-1][1].startswith("net: epoch 3 of 4, 10 s left")


def test_steps_in_quick_succession_show_nothing(clock: list[float]) -> None:
    shown = Shown()
    bar = TrainingBar("net", 4, shown)
    for step in range(1, 9):
        bar.step(report(1, step))
        clock[0] += 0.03
    assert len(shown) == 2


def test_a_script_stays_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert training_bar("net", 3) is None
    sm.train(*tiny(), recipe=sm.Recipe(epochs=2))
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    sm.train(*tiny(), recipe=sm.Recipe(epochs=2))
    assert out.getvalue() == ""
    assert err.getvalue().count("\n") == 1
    assert err.getvalue().endswith("\n")
    assert "net: epoch 1 of 2" in err.getvalue()
    assert "net: 2 epochs in" in err.getvalue()


def test_a_line_under_way_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stderr", err := Terminal())
    sm.train(*tiny(), recipe=sm.Recipe(epochs=2))
    *under_way, end = err.getvalue().split("\r")
    assert max(map(len, under_way)) == 39
    assert end.startswith("net: 2 epochs in")


def test_an_observer_takes_the_place_of_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stderr", err := Terminal())
    seen: list[Any] = []
    sm.train(*tiny(), recipe=sm.Recipe(epochs=2), observer=seen.append)
    assert err.getvalue() == ""
    assert len(seen) == 2 * (1437 // 128)


def test_a_notebook_shows_a_bar_in_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def display(value: str, display_id: bool) -> Any:
        assert display_id
        return SimpleNamespace(update=shown.append)

    shell, places = ModuleType("IPython"), ModuleType("IPython.display")
    vars(shell)["get_ipython"] = lambda: SimpleNamespace(kernel="a kernel")
    vars(places).update(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", places)
    sm.train(*tiny(), recipe=sm.Recipe(epochs=2))
    assert '<progress max="1" value="0.' in shown[0]
    assert "net: 2 epochs in" in shown[-1]
    assert "<progress" not in shown[-1]


def test_a_prompt_of_ipython_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = ModuleType("IPython")
    vars(shell)["get_ipython"] = SimpleNamespace
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert training_bar("net", 1) is None


def tiny() -> tuple[Any, Any, *tuple[()]]:
    return (NET, sm.data.load("digits"))


NET = sm.NetSpec.from_dict(
    {"input": [1, 8, 8], "layers": ["conv(2)", "global_average_pool", "classifier(10)"]}
)


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_stream_that_is_closed_is_no_terminal(
    closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None if name == closed else Terminal())
    assert training_bar("net", 3) is None
