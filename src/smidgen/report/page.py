"""One self-contained page from the rows of a store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from smidgen.report import charts
from smidgen.report.charts import Chart
from smidgen.report.points import Point, baselines, effects, longest, points_of
from smidgen.report.reference import comparison
from smidgen.report.tables import Table, effects_table, points_table
from smidgen.study.records import Records


@dataclass(frozen=True, slots=True)
class Section:
    """All that is shown of one data set and split.

    Args:
        title: Above it.
        about: What the figures are of.
        charts: In order.
        tables: In order, below the charts.
    """

    title: str
    about: str
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]


def tables_of(records: Records) -> list[Table]:
    """Return every table of the rows, those of the reference study first."""
    points = points_of(records.rows)
    tables = comparison(_tested(points))
    for title, group in grouped(points):
        tables.append(points_table(title, group))
        tables += [effects_table(baseline, found) for baseline, found in effects(group)]
    return tables


def render(records: Records, title: str, about: str, commands: Sequence[str]) -> str:
    """Return the page as HTML."""
    points = points_of(records.rows)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("smidgen.report"),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    left = records.status.seconds_left
    return environment.get_template("page.html.j2").render(
        title=title,
        about=about,
        status=records.status,
        left=None if left is None or records.status.is_complete else duration(left),
        story=records.notes.get("design"),
        reference=comparison(_tested(points)),
        sections=[_section(name, group) for name, group in grouped(points)],
        commands=list(dict.fromkeys([*records.notes.get("commands", []), *commands])),
        made=_made(records.rows),
    )


def charts_of(records: Records) -> list[tuple[str, Chart]]:
    """Return every chart of the page under the title of its section."""
    sections = [_section(title, group) for title, group in grouped(points_of(records.rows))]
    return [(section.title, chart) for section in sections for chart in section.charts]


def grouped(points: Sequence[Point]) -> list[tuple[str, list[Point]]]:
    """Return the points by data set and split, each with a title; tested ones first."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.first["data"], point.first["split"]), []).append(point)
    ordered = sorted(groups.items(), key=lambda item: item[0][1] != "test")
    return [(f"{data}, {split} images", group) for (data, split), group in ordered]


def _section(title: str, points: list[Point]) -> Section:
    plain = [point for point, _ in baselines(longest(points))]
    found = effects(points)
    drawn: list[Chart | None] = [charts.accuracy_against_params(points)]
    drawn += [charts.forest(baseline, of_net) for baseline, of_net in found]
    shown = plain if len(plain) > 1 else longest(points)
    drawn.append(charts.curves(shown, "held_out_accuracy", "accuracy on held-out images", ".4f"))
    drawn.append(charts.curves(shown, "loss", "loss", ".4f"))
    drawn += [charts.latency_bars(plain), charts.size_bars(plain)]
    split, trained_on = points[0].first["split"], points[0].first["trained_on"]
    images = points[0].first["images"]
    about = f"Accuracy on {images:,} {split} images" + (
        ", which training never saw; the test set was not read."
        if trained_on != "full"
        else ", read once, after the last epoch."
    )
    tables = [points_table("All points", points)]
    tables += [effects_table(baseline, of_net) for baseline, of_net in found]
    return Section(title, about, tuple(c for c in drawn if c), tuple(tables))


def _tested(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.first["split"] == "test"]


def duration(seconds: float) -> str:
    """Return a time for people."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} seconds"
    return f"{minutes} minutes" if minutes < 120 else f"{seconds / 3600:.1f} hours"  # noqa: PLR2004


def _made(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the rows say of software, machines and recipes, each thing once."""
    lines: dict[str, None] = {}
    for row in rows:
        software = ", ".join(f"{name} {number}" for name, number in row["versions"].items())
        lines[f"{software}, revision {row['revision']}"] = None
        threads = f"{row['threads']} thread" + ("s" if row["threads"] != 1 else "")
        lines[f"{row['device']}, {threads}, {row['precision']}, kernels {row['kernels']}"] = None
    for row in rows:
        numbers = ", ".join(f"{name} {value}" for name, value in row["recipe"].items())
        lines[f"Recipe on {row['data']}: {numbers}"] = None
    return list(lines)
