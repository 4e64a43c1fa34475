"""How far a training has come: told after every step, shown in a notebook or on a terminal."""

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TextIO, final

from torch import Tensor

from smidgen.escape import html, terminal
from smidgen.run import EpochRecord
from smidgen.sizes import counted

_EVERY = 0.2  # seconds between two looks
_BAR = 24  # characters


Show = Callable[[float, str], None]  # share done, in words


class Report(NamedTuple):
    """Where a run stands; sent to the observer after every step."""

    epoch: int  # counted from 1
    step: int  # of the epoch, counted from 1
    steps: int  # in an epoch
    loss: Tensor  # of the step; read it sparingly on a GPU
    lr: float
    finished: EpochRecord | None  # the epoch, when this was its last step
    start: int  # of several, counted from 1, until one is chosen and its epochs are told; 0 then
    done: float  # share of the run, that of every start among it


@final
@dataclass(slots=True)
class TimeLeft:
    """Tells how long the rest of a run takes, by how long its steps took since the first seen.

    Args:
        epochs: Of the run.
    """

    epochs: int
    started: float = field(default_factory=lambda: time.perf_counter())
    _first: float | None = None

    def seconds(self, report: Report, now: float) -> float:
        """Return the seconds left after a step; to be asked after the first one, too."""
        if self._first is None:
            self._first = report.done - 1 / (report.steps * self.epochs)  # a resumed run goes on
        return (now - self.started) / max(report.done - self._first, 1e-9) * (1 - report.done)


@final
@dataclass(slots=True)
class TrainingBar:
    """Turns the steps of a run into a line that is written again and again.

    Args:
        name: Of the net.
        epochs: Of the run.
        show: Writes the line.
    """

    name: str
    epochs: int
    show: Show
    _shown: float = 0.0
    _last: str = ""
    _rest: TimeLeft = field(init=False)

    def __post_init__(self) -> None:
        self._rest = TimeLeft(self.epochs)

    def step(self, report: Report) -> None:
        """Take in a step; cheap unless something is to be shown."""
        now, done = time.perf_counter(), report.done
        left = self._rest.seconds(report, now)
        if (finished := report.finished) is not None:
            held_out = finished.held_out_accuracy
            share = "" if held_out is None else f", held-out {100 * held_out:.2f} %"
            self._last = f", loss {finished.loss:.4f}{share}"
        elif now - self._shown < _EVERY:
            return
        self._shown = now
        if done >= 1:
            epochs = counted(self.epochs, "epoch", "epochs")
            took = _time(now - self._rest.started)
            self.show(1.0, f"{self.name}: {epochs} in {took}{self._last}")
            return
        start = f"start {report.start}, " if report.start else ""
        where = f"{start}epoch {report.epoch} of {self.epochs}"
        text = f"{self.name}: {where}, {_time(left)} left{self._last}"
        self.show(done, text)


def training_bar(name: str, epochs: int) -> TrainingBar | None:
    """Return a bar for whoever is looking, or ``None``: a script's output stays as it is."""
    show = _in_notebook() or _on_terminal()
    return TrainingBar(name, epochs, show) if show else None


def _in_notebook() -> Show | None:
    """Return what shows a bar in a notebook's cell, if this runs in one."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

    handle: Any = display(HTML(""), display_id=True)

    def show(done: float, text: str) -> None:
        bar = "" if done >= 1 else f'<progress max="1" value="{done:.4f}"></progress> '
        handle.update(HTML(f"<div>{bar}{html(text)}</div>"))

    return show


def _on_terminal() -> Show | None:
    streams: list[TextIO | None] = [sys.stdout, sys.stderr]  # None where the caller closed one
    if not all(stream is not None and stream.isatty() for stream in streams):
        return None
    widest = [0]

    def show(done: float, text: str) -> None:
        full = round(_BAR * done)
        text = terminal(text)
        line = text if done >= 1 else f"[{'=' * full}{' ' * (_BAR - full)}] {text}"
        if done < 1:  # a line of more than one row would stay, each time it is written
            line = line[: shutil.get_terminal_size().columns - 1]
        widest[0] = max(widest[0], len(line))
        sys.stderr.write(f"\r{line:<{widest[0]}}" + ("\n" if done >= 1 else ""))
        sys.stderr.flush()

    return show


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"  # noqa: PLR2004
