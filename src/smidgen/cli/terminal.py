"""Tables and progress on a terminal, and plain lines where there is none."""

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smidgen.escape import shell, terminal

if TYPE_CHECKING:
    from smidgen.progress import Report
    from smidgen.run import EpochRecord

# Whether only results, warnings and errors are told: --quiet. A context's own, so that one
# command leaves no trace in the next one.
QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
ALONE: ContextVar[bool] = ContextVar("alone", default=False)  # whether a process is one command's
_REFRESH = 0.2  # seconds between two looks at the loss
_BETWEEN = 3  # letters between the columns of a table
_WORDS = 8  # letters of a column of words, at the least
_MINUTE, _HOUR = 60, 3600  # seconds
_FIGURE = re.compile(r"([+-]?[\d,.]+(e[+-]?\d+)?|nan|inf|-)?( %)?")  # one, or none


def print_json(value: Any) -> None:
    """Print ``value`` as JSON; what is not finite becomes null."""
    print(json.dumps(_finite(value), indent=1, default=list, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(of) for of in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def tell(*lines: str) -> None:
    """Print results on standard output, a line each; nothing in a line can end it."""
    for line in lines:
        print(terminal(line), flush=True)


def padded(texts: Sequence[str]) -> list[str]:
    """Return texts filled up to one width; on a terminal some letters take two cells."""
    from rich.cells import cell_len

    lengths = [cell_len(terminal(text)) for text in texts]
    widest = max(lengths)
    return [text + " " * (widest - own) for text, own in zip(texts, lengths, strict=True)]


def say(*lines: str) -> None:
    """Print lines for people on standard error, so that results alone are on standard output."""
    if not QUIET.get():
        warn(*lines)


def warn(*lines: str) -> None:
    """Print lines that people must know of on standard error, quiet or not."""
    for line in lines:
        print(terminal(line), file=sys.stderr, flush=True)


def shows_bars() -> bool:
    """Tell whether progress is shown as a bar."""
    return sys.stderr.isatty() and not QUIET.get()


def time_left(seconds: float) -> str:
    """Return about how long something goes on."""
    if seconds < _MINUTE:
        return "less than a minute left"
    minutes = round(seconds / _MINUTE)
    return (
        f"about {minutes} min left" if seconds < 2 * _HOUR else f"about {minutes / 60:.1f} h left"
    )


def next_commands(
    folder: Path, *verbs: str, held_out: bool = False, asked: str = "PICTURE"
) -> list[str]:
    """Return the commands that may follow on a model in ``folder``, one a line.

    Args:
        folder: Of a run or a design.
        verbs: In this order.
        held_out: Whether images held out judge it, so that the test images wait for the last run.
        asked: What it is asked about, as a place of people's own.
    """
    judged = ["--held-out"] if held_out else []
    options = {
        "predict": [asked],
        "evaluate": judged,
        "export": ["--to", "c"],
    }
    begin = ["next:", *[""] * len(verbs)]
    commands = {verb: shell(["smidgen", verb, str(folder), *options[verb]]) for verb in verbs}
    return [f"{word:<8}{commands[verb]}" for word, verb in zip(begin, verbs, strict=False)]


def table(
    header: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None
) -> None:
    """Print rows under a header; numbers are right-aligned, and whole where words leave room.

    Where a terminal is too narrow even so, a row is a list of what it holds, a line each.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(
        title=None if title is None else Text(terminal(title)),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    written = [
        [f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows
    ]
    # so that they break between their words; JSON has them in lower case
    names = [name.replace("_", " ").replace("macs", "MACs") for name in header]
    names = [re.sub(r"\bram\b", "RAM", name) for name in names]
    numeric = [
        all(isinstance(row[place], int | float) for row in rows)
        if place == 0  # names, which may be digits
        else all(_FIGURE.fullmatch(row[place]) for row in written)
        for place in range(len(header))
    ]
    if _room_of(names, written, numeric) > console.width:
        tell(*([] if title is None else [title, ""]), *_as_lists(names, written))
        return
    whole = numeric if _is_tight(names, written, numeric, console.width) else [False] * len(header)
    for name, is_number, is_whole in zip(names, numeric, whole, strict=True):
        grid.add_column(
            Text(terminal(name).replace(" ", "\n") if is_whole else terminal(name)),
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap=is_whole,
        )
    for row in written:
        grid.add_row(*(Text("\n".join(map(terminal, cell.split("\n")))) for cell in row))
    console.print(grid)


def _is_tight(
    names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], width: int
) -> bool:
    """Tell whether a table fits a width only if its words break and its numbers do not."""
    whole = sum(map(max, map(len, names), _widest(names, rows)))
    return whole + _BETWEEN * (len(names) - 1) > width >= _room_of(names, rows, numeric)


def _room_of(names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> int:
    """Return the letters that a table needs if its words break and its numbers do not."""
    least = (
        max([cell, *map(len, name.split())]) if is_number else min(cell, _WORDS)
        for name, cell, is_number in zip(names, _widest(names, rows), numeric, strict=True)
    )
    return sum(least) + _BETWEEN * (len(names) - 1)


def _widest(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max((len(row[place]) for row in rows), default=0) for place in range(len(names))]


def _as_lists(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines, a name and what it is; one without a name or value is left out."""
    lines: list[str] = []
    for row in rows:
        named = zip(padded(names), row, strict=True)
        lines += [f"{name}  {' '.join(cell.split())}" for name, cell in named if cell]
        lines.append("")
    return lines[:-1]


class Barred:
    """What may show a bar, and takes it away at the end."""

    bar: Any = None

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()


class LoadingProgress(Barred):
    """Shows how many of many are done: a bar on a terminal, nothing elsewhere."""

    def __init__(self, *, on: bool = True) -> None:
        self.on = on and shows_bars()
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> "LoadingProgress":
        return self

    def observe(self, what: str, done: int, total: int) -> None:
        """Take in that ``done`` of ``total`` of ``what`` are done."""
        if not self.on:
            return
        if self.bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.start()
        if what not in self.tasks:
            from rich.markup import escape

            self.tasks[what] = self.bar.add_task(escape(terminal(what)), total=total)
        self.bar.update(self.tasks[what], completed=done)


class TrainingProgress(Barred):
    """Shows a run: a bar on a terminal, a line an epoch elsewhere."""

    def __init__(self, epochs: int, heading: str | None) -> None:
        """Begin; ``heading`` is printed once training has really started."""
        from smidgen.progress import TimeLeft

        self.epochs, self.heading = epochs, heading
        self.shown = time.perf_counter()
        self.rest = TimeLeft(epochs)
        self.task: Any = None
        self.start = 0

    def __enter__(self) -> "TrainingProgress":
        if shows_bars():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[state]}"),
                console=Console(stderr=True),
            )
            self.bar.start()
            self.task = self.bar.add_task("training", total=1.0, state="")
        return self

    def observe(self, report: "Report") -> None:
        """Take in one step; cheap unless something is to be shown."""
        if self.heading:
            say(self.heading)
            self.heading = None
        now = time.perf_counter()
        seconds = self.rest.seconds(report, now)
        if report.start and report.start != self.start:
            self._line(f"start {report.start}, from epoch {report.epoch}")
        self.start = report.start
        if report.finished is None and (self.bar is None or now - self.shown < _REFRESH):
            return
        self.shown = now
        if report.finished:
            self._epoch_line(report, report.finished, seconds)
        if self.bar:
            rate = f"{report.finished.images_per_second:,.0f} images/s  " if report.finished else ""
            state = f"{rate}loss {float(report.loss):.4f}  lr {report.lr:.2g}"
            label = f"epoch {report.epoch}/{self.epochs}"
            self.bar.update(self.task, completed=report.done, description=label, state=state)

    def _epoch_line(self, report: "Report", record: "EpochRecord", seconds: float) -> None:
        left = f"{seconds:.0f} s left" if seconds < 2 * _MINUTE else time_left(seconds)
        held_out = record.held_out_accuracy
        accuracy = "" if held_out is None else f"  held-out {100 * held_out:.2f} %"
        line = (
            f"epoch {record.epoch}/{self.epochs}  loss {record.loss:.4f}  lr {record.lr:.2g}"
            f"{accuracy}  {record.images_per_second:,.0f} images/s"
        ) + (f"  {left}" if report.epoch < self.epochs else "")
        self._line(line)

    def _line(self, line: str) -> None:
        if self.bar:
            self.bar.console.print(line, highlight=False, markup=False)
        else:
            say(line)
