"""The page of a design while it runs, written again as trials end."""

import time
import warnings
from pathlib import Path

from smidgen.report import write_page

_EVERY = 5.0  # seconds between two pages, at the least; a browser asks for a new one as often
_SHARE = 0.02  # of the time, at the most, is spent on pages


class LivePage:
    """A page that follows a design."""

    def __init__(self, store: Path | str, out: Path | str, title: str) -> None:
        self._store, self._out, self._title = store, out, title
        self._steps: dict[str, list[str]] = {}
        self._due = 0.0
        self._given_up = False

    def follow(self, phase: str, line: str | None) -> None:
        """Take in that ``phase`` goes on, and what it decided; write the page if it is due.

        Warns:
            UserWarning: Once, if it cannot be written: what it follows goes on without it.
        """
        steps = self._steps.setdefault(phase, [])
        if line:
            steps.append(line)
        started = time.monotonic()
        if started < self._due or self._given_up:
            return
        self._write(f"Phase {phase}", refresh=round(_EVERY))
        ended = time.monotonic()
        self._due = ended + max(_EVERY, (ended - started) / _SHARE)

    def stop(self) -> None:
        """Write a last page, which says that the design does not go on, if there is one."""
        if self._steps and not self._given_up:
            self._write(f"Stopped in phase {list(self._steps)[-1]}", refresh=0)

    def _write(self, phase: str, refresh: int) -> None:
        told = [{"title": name.title(), "lines": lines} for name, lines in self._steps.items()]
        try:
            write_page(
                self._store,
                self._out,
                title=self._title,
                phase=phase,
                refresh=refresh,
                story={"facts": [], "steps": told},
            )
        except ValueError as error:
            self._given_up = True
            warnings.warn(f"the page is not written while this goes on: {error}", stacklevel=4)
