"""What a terminal shows of a design under way: its phase, and trials done and to come."""

import time
from typing import TYPE_CHECKING, Any

from smidgen.cli.terminal import Barred, say, shows_bars, time_left
from smidgen.escape import terminal

if TYPE_CHECKING:
    from smidgen.study.design.search import News
    from smidgen.study.status import Status

_PHASES = ("reduce", "methods", "recipe", "confirm")
_SILENT = 60.0  # seconds without a line where there is no terminal, at the most


class DesignProgress(Barred):
    """Shows a design: a bar a phase on a terminal, a line a trial elsewhere."""

    def __init__(self) -> None:
        self._task: Any = None
        self._phase = ""
        self._said = time.monotonic()

    def __enter__(self) -> "DesignProgress":
        if shows_bars():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[state]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self.bar.start()
        return self

    def observe(self, news: "News") -> None:
        """Take in what a design tells; the command tells its warnings itself, at the end."""
        from smidgen.study.design.story import WARNING

        if news.line and news.phase != WARNING:
            self._say(f"{news.phase}: {news.line}")
        if news.event is None:
            return
        status = news.event.status
        for ended in news.event.ended:
            result = f"{ended.outcome}: {ended.error}"
            if ended.row:
                result = f"{100 * ended.row['accuracy']:.2f} % {ended.row['split']}"
            count = f"{status.done} of {status.total}{_so_far(news.phase)}"
            self._say(f"  {count}  {ended.title}: {result}{_left(status)}")
        if self.bar:
            self._show(news.phase, status)
        elif time.monotonic() - self._said > _SILENT:
            self._say(f"  {heading(news.phase)}: {standing(news.phase, status)}")

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        if self.bar:
            self.bar.console.print(terminal(line), highlight=False, markup=False)
        else:
            say(line)

    def _show(self, phase: str, status: "Status") -> None:
        if phase != self._phase:
            if self._task is not None:
                self.bar.remove_task(self._task)
            self._phase = phase
            self._task = self.bar.add_task(heading(phase), total=None, state="")
        whole = None if _so_far(phase) else status.total
        self.bar.update(
            self._task, total=whole, completed=status.done, state=standing(phase, status)
        )


def heading(phase: str) -> str:
    """Return a phase with its place among those that train."""
    if phase not in _PHASES:
        return phase
    return f"{phase} ({_PHASES.index(phase) + 1} of {len(_PHASES)})"


def standing(phase: str, status: "Status") -> str:
    """Return how many trials of a phase are done and to come, and how long these will take."""
    to_come = status.running + status.queued
    return f"{status.done} trials done, {to_come} to come{_so_far(phase)}{_left(status)}"


def _so_far(phase: str) -> str:
    """Return what is said beside counts of a phase: all but the last one ask in several rounds."""
    return "" if phase == _PHASES[-1] else " so far"


def _left(status: "Status") -> str:
    if status.seconds_left is None or status.is_complete:
        return ""
    return f", {time_left(status.seconds_left)}"
