"""Short forms of values for a notebook: a heading, a line and a table."""

from collections.abc import Iterable, Sequence

from smidgen.escape import html

_ROWS = 40  # of a table; more are counted


def card(
    heading: str, about: str, columns: Sequence[str] = (), rows: Sequence[Iterable[object]] = ()
) -> str:
    """Return HTML of a heading with a line about it, and a table below.

    Args:
        heading: In bold.
        about: After it.
        columns: Of the table.
        rows: A cell a column; numbers are right-aligned and whole ones get thousands separators.
    """
    told = f"<p><b>{html(heading)}</b> {html(about)}</p>"
    if not rows:
        return f"<div>{told}</div>"
    head = "".join(f"<th>{html(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:_ROWS])
    more = len(rows) - _ROWS
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div>{told}{table}{rest}</div>"


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share in [0, 1] in percent; a missing one is a dash."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def _cell(value: object) -> str:
    if isinstance(value, str):
        return f'<td style="text-align: left">{html(value)}</td>'
    text = f"{value:,}" if isinstance(value, int | float) else str(value)
    return f"<td>{html(text)}</td>"
