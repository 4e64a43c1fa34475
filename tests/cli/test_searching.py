"""What a terminal says of a design: the phase, what is done and to come, and for how long."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smidgen import zoo
from smidgen.cli.design import _show, _told  # pyright: ignore[reportPrivateUsage]
from smidgen.cli.searching import DesignProgress, heading, standing
from smidgen.export.c.footprint import predict_cost
from smidgen.recipe import Recipe
from smidgen.study.design.design import Design
from smidgen.study.design.front import Point
from smidgen.study.design.search import News
from smidgen.study.running.local import Event
from smidgen.study.statistics import accuracy_interval
from smidgen.study.status import Ended, Status

UNDER_WAY = Status(12, 2, 0, 16, 245.0, ())
ENDED = Ended("k", "net, blurpool, seed 1", "done", None, {"accuracy": 0.9, "split": "held-out"}, 1)
LOST = Ended("k", "net, mixup, seed 1", "failed", "it broke", None, 1)


def test_a_phase_has_its_place() -> None:
    assert heading("methods") == "methods (2 of 4)"
    assert heading("baseline") == "baseline"


def test_what_is_done_and_to_come_is_counted() -> None:
    assert standing("methods", UNDER_WAY) == "12 trials done, 18 to come so far, about 4 min left"
    assert standing("reduce", Status(3, 1, 0, 0, 20.0, ())).endswith(
        "so far, less than a minute left"
    )
    assert standing("confirm", Status(3, 1, 0, 0, None, ())) == "3 trials done, 1 to come"
    assert standing("recipe", Status(4, 0, 0, 0, 0.0, ())) == "4 trials done, 0 to come so far"


def test_without_a_terminal_it_is_a_line_a_trial(capsys: pytest.CaptureFixture[str]) -> None:
    with DesignProgress() as progress:
        progress.observe(News("methods", "blurpool: +0.3 points", None))
        progress.observe(News("methods", None, Event(UNDER_WAY, (ENDED, LOST))))
        progress.observe(News("methods", None, Event(UNDER_WAY, ())))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "methods: blurpool: +0.3 points",
        "  12 of 30 so far  net, blurpool, seed 1: 90.00 % held-out, about 4 min left",
        "  12 of 30 so far  net, mixup, seed 1: failed: it broke, about 4 min left",
    ]


def test_a_warning_is_left_to_the_end_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with DesignProgress() as progress:
        progress.observe(News("warning", "only one net met the budget", None))
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen: Any = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with DesignProgress() as progress:
        progress.observe(News("methods", None, Event(UNDER_WAY, (ENDED,))))
        progress.observe(News("recipe", None, Event(Status(0, 1, 0, 3, None, ()), ())))
    assert "12 of 30 so far  net, blurpool, seed 1: 90.00 % held-out" in screen.getvalue()
    assert "recipe (3 of 4)" in screen.getvalue()
    assert "0 trials done, 4 to come so far" in screen.getvalue()


@pytest.mark.parametrize(
    ("seeds", "said"), [(3, "other seeds and pictures"), (1, "other pictures")]
)
def test_an_accuracy_says_what_its_interval_is_for(
    seeds: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = dict.fromkeys(("params", "deployed_params", "macs", "bytes_int8", "bytes_float32"), 9)
    row = {**counts, "data": "drawn", "latency": {"kernel_ms": 0.1, "threads": 1}}
    found: Any = SimpleNamespace(
        changed=None,
        rows=dict.fromkeys(range(seeds), row),
        accuracy=accuracy_interval([50.0] * seeds, 100),
        net=SimpleNamespace(name="tiny"),
    )
    _show(found)
    assert f"95 % for {said}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("doubted", [True, False])
def test_json_has_the_figures_and_the_limits_that_a_terminal_tells(
    doubted: bool, tmp_path: Path
) -> None:
    tiny = zoo.net("mnist-1k5-dw")
    counts = dict.fromkeys(("params", "deployed_params", "macs", "bytes_int8", "bytes_float32"), 9)
    row = {**counts, "latency": {"kernel_ms": 0.1, "threads": 1}}
    flash, ram = predict_cost(tiny)
    accuracy = accuracy_interval([75.0], 20)
    point = Point(
        "net", 9, 9, accuracy, tmp_path / "net", {"params": 9, "flash": flash}, None, (flash, ram)
    )
    limits = {"flash": 8192, "ram": 4096, "latency": 2.0}
    found = Design(
        tiny, (), Recipe(), accuracy, {0: row}, tmp_path, "smidgen train", (), (), (point,), limits,
        1.5,
    )  # fmt: skip
    file = tmp_path / "doubted.csv"
    if doubted:
        file.touch()
    told = _told(found, tmp_path / "report.html", file)
    assert {name: told[name] for name in counts} == counts
    assert (told["flash"], told["ram"]) == (flash, ram)
    assert (told["latency_ms"], told["trained_latency_ms"]) == (1.5, 0.1)
    assert told["limits"] == {"flash": 8192, "ram": 4096, "latency_ms": 2.0}
    assert told["doubted"] == (str(file) if doubted else None)
    assert [(of["flash"], of["ram"]) for of in told["front"]] == [(flash, ram)]
