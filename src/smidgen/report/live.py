"""The page of a design or a study while it runs, written again as trials end."""

import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from smidgen.report import write_page

_EVERY = 5.0  # seconds between two pages, at the least; a browser asks for a new one as often
_SHARE = 0.02  # of the time, at the most, is spent on pages


class LivePage:
    """A page that follows a design, with its phases and decisions, or a study, which has none."""

    def __init__(
        self, store: Path | str, out: Path | str, title: str, commands: Sequence[str] = ()
    ) -> None:
        self._store, self._out, self._title, self._commands = store, out, title, commands
        self._steps: dict[str, list[str]] = {}
        self._due = 0.0
        self._begun = self._given_up = False

    def follow(self, phase: str = "", line: str | None = None) -> None:
        """Take in that ``phase`` goes on, and what it decided; write the page if it is due.

        Args:
            phase: Of a design; none of a study.
            line: What was decided, for people.

        Warns:
            UserWarning: Once, if it cannot be written: what it follows goes on without it.
        """
        self._begun = True
        if phase:
            steps = self._steps.setdefault(phase, [])
            steps += [line] if line else []
        started = time.monotonic()
        if started < self._due or self._given_up:
            return
        self._write(f"Phase {phase}" if phase else "", refresh=round(_EVERY))
        ended = time.monotonic()
        self._due = ended + max(_EVERY, (ended - started) / _SHARE)

    def stop(self) -> None:
        """Write a last page, which says that nothing goes on by itself, if there is one."""
        if self._begun and not self._given_up:
            where = f" in phase {list(self._steps)[-1]}" if self._steps else ""
            self._write(f"Stopped{where}; the same command goes on", refresh=0)

    def end(self) -> None:
        """Write a last page of all that was asked for, at rest."""
        if not self._given_up:
            self._write("", refresh=0)

    def _write(self, phase: str, refresh: int) -> None:
        told = [{"title": name.title(), "lines": lines} for name, lines in self._steps.items()]
        try:
            write_page(
                self._store,
                self._out,
                title=self._title,
                commands=self._commands,
                phase=phase,
                refresh=refresh,
                story={"facts": [], "steps": told} if told else None,
            )
        except ValueError as error:
            self._given_up = True
            warnings.warn(f"the page is not written while this goes on: {error}", stacklevel=4)
