"""Rows to tables, charts and one page; nothing here needs torch."""

import os
from collections.abc import Sequence
from pathlib import Path

from smidgen.study.records import load


class ReportError(ValueError):
    """A report that cannot be made."""


def write_page(
    store: Path | str,
    out: Path | str,
    *,
    title: str = "",
    about: str = "",
    commands: Sequence[str] = (),
) -> Path:
    """Write one self-contained HTML page of what a store holds, done or partly done.

    Args:
        store: SQLite, or JSON lines.
        out: The file to write.
        title: Of the page; the names of the studies by default.
        about: A line below it.
        commands: That made the rows.

    Raises:
        ValueError: If the store cannot be read or the page not be written.
        ReportError: If the packages that draw are missing.
    """
    try:
        from smidgen.report.page import render
    except ImportError as error:
        raise ReportError(
            f"a report needs {error.name}, which is not installed: pip install 'smidgen[report]'"
        ) from error
    records = load(store)
    names = dict.fromkeys(row["study"] for row in records.rows)
    page = render(records, title or ", ".join(names) or Path(store).stem, about, commands)
    out = Path(out)
    temporary = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(page)
        temporary.replace(out)
    except OSError as error:
        raise ValueError(f"{out}: cannot be written: {error.strerror}") from error
    return out


def markdown(store: Path | str) -> str:
    """Return the tables of a store as Markdown, those of the reference study first.

    Raises:
        ValueError: If the store cannot be read.
    """
    from smidgen.report.page import tables_of

    return "\n".join(table.to_markdown() for table in tables_of(load(store)))
