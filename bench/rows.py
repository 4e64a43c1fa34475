"""Where the rows of a benchmark come from, and how they are kept."""

import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smidgen.methods.base import ArchitectureMethod
from smidgen.release import revision
from smidgen.trial import Trial

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def label_of(trial: Trial) -> str:
    """Return the net's name, with the methods that changed its layers."""
    changing = [m.name for m in trial.methods if isinstance(m, ArchitectureMethod)]
    return " + ".join([trial.net.name, *changing])


def origin() -> dict[str, str]:
    """Return what a row says of its making: the git revision, the command and the date."""
    return {
        "revision": revision(),
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_rows(path: Path, rows: "Iterable[DataclassInstance]") -> None:
    """Write rows as JSON lines, in place of what was there."""
    _write(path, map(asdict, rows))


def update_rows(path: Path, rows: "Sequence[DataclassInstance]", known_by: Sequence[str]) -> None:
    """Write rows as JSON lines; those that were there and differ in ``known_by`` stay before them.

    Args:
        path: Of the file.
        rows: What was measured.
        known_by: The columns that tell one measurement from another.
    """
    made = [asdict(row) for row in rows]
    anew = {tuple(row[name] for name in known_by) for row in made}
    there = path.read_text().splitlines() if path.exists() else []
    kept = [row for row in map(json.loads, there) if tuple(row[n] for n in known_by) not in anew]
    _write(path, [*kept, *made])


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
