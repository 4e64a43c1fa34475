"""Rows to tables, charts and one page; nothing here needs torch."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smidgen.escape import shell
from smidgen.files import require_own, write_atomically
from smidgen.names import require_path
from smidgen.report.checked import BASELINE, require_notes, require_rows
from smidgen.study.records import Records, load


def write_page(
    store: Path | str,
    out: Path | str,
    *,
    title: str = "",
    about: str = "",
    commands: Sequence[str] = (),
    phase: str = "",
    refresh: int = 0,
    story: dict[str, Any] | None = None,
) -> Path:
    """Write one self-contained HTML page of what a store holds, done or partly done.

    Args:
        store: SQLite, or JSON lines.
        out: The file to write.
        title: Of the page; by default the net of a design, or the names of the studies.
        about: A line below it.
        commands: That made the rows.
        phase: Of a design or study under way, in words.
        refresh: Seconds after which a browser reads the page again; never if 0.
        story: Of a design under way, until its store holds one; see docs/rows.md.

    Raises:
        ValueError: If the store cannot be read, the page not be written, or another file is there.
    """
    from smidgen.report.page import render

    require_own(require_path(out, "out"), "page", b"<!doctype html>")
    records = read(store)
    finished = "design" in records.notes
    if story and not finished:
        asked = {"title": "Asked for", "lines": records.notes.get("asked", [])}
        steps = [asked, *story["steps"]] if asked["lines"] else story["steps"]
        records.notes["design"] = {**story, "steps": steps}
    page = render(
        records,
        title or _named(records) or Path(store).stem,
        about,
        commands,
        use=_use(Path(store).parent, records.rows) if finished else (),
        phase=phase,
        refresh=refresh,
    )
    return _written(require_path(out, "out"), page)


def write_charts(store: Path | str, folder: Path | str) -> list[Path]:
    """Write every chart of a store's page as an SVG file of its own, and return the files.

    Args:
        store: SQLite, or JSON lines.
        folder: To write into; files are named after section and chart, those of one name by number.

    Raises:
        ValueError: If the store cannot be read, a file not be written, or is there and no chart.
    """
    from smidgen.report import page
    from smidgen.report.svg import alone

    written: list[Path] = []
    taken: Counter[str] = Counter()
    for section, chart in page.charts_of(read(store)):
        name = f"{_slug(section)}-{_slug(chart.title)}"
        taken[name] += 1
        name += f"-{taken[name]}" if taken[name] > 1 else ""
        path = Path(folder) / f"{name}.svg"
        require_own(path, "chart", b"<svg")
        written.append(_written(path, alone(chart.wide)))
    return written


def read(store: Path | str) -> Records:
    """Return what a store holds, if a report can be made of it.

    Raises:
        StoreError: If it cannot be read, or a row holds what none can.
    """
    records = load(store)
    require_rows(records.rows, str(store))
    require_notes(records.notes, str(store))
    return records


def _named(records: Records) -> str:
    """Return what a page is about: the net that a design chose, or studies by their names."""
    nets = [row for row in records.rows if row["study"] != BASELINE and row["split"] == "test"]
    winner = records.notes.get("design", {}).get("net")  # of a front others are tested as well
    chosen = [row for row in nets if row["net"] == winner] or nets
    tested = {f"{row['net']} for {row['data']}" for row in chosen}
    if "design" in records.notes and len(tested) == 1:
        return tested.pop()
    return ", ".join(dict.fromkeys(row["study"] for row in records.rows if row["study"]))


def _use(design: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the commands that use a finished design, whose rows say what its nets take."""
    sides = {tuple(row["input"][1:]) for row in rows if row.get("input")}
    of_windows = sides and all(1 in side and side != (1, 1) for side in sides)
    return [
        shell(["smidgen", "predict", str(design), "WINDOW.csv" if of_windows else "PICTURE"]),
        shell(["smidgen", "export", str(design), "--to", "c"]),  # beside it, where `push` looks
    ]


def _written(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise ValueError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def _slug(title: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:80]  # a file has 255 bytes of name


def markdown(store: Records | Path | str) -> str:
    """Return the tables of a store as Markdown, those of the reference study first.

    Args:
        store: SQLite, or JSON lines; or what :func:`read` returned of one.

    Raises:
        ValueError: If the store cannot be read.
    """
    from smidgen.report.page import tables_of

    records = store if isinstance(store, Records) else read(store)
    return "\n".join(table.to_markdown() for table in tables_of(records))
