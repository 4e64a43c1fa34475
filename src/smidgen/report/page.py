"""One self-contained page from the rows of a store."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from smidgen.escape import html
from smidgen.report.bars import latency_bars, size_bars
from smidgen.report.chart import Chart
from smidgen.report.checked import BASELINE
from smidgen.report.curves import held_out_accuracies, losses
from smidgen.report.forest import forest
from smidgen.report.learning import (
    CURVE,
    LEARNED_LITTLE,
    learning_charts,
    learning_curves,
    learning_tables,
)
from smidgen.report.lengths import length_charts, length_tables
from smidgen.report.look import Look, closer_look
from smidgen.report.notices import largest_of
from smidgen.report.points import (
    Point,
    data_names,
    effects,
    is_of_other_data,
    lengths_apart,
    longest,
    longest_groups,
    points_of,
)
from smidgen.report.reference import comparison
from smidgen.report.robust import robust_looks
from smidgen.report.scatter import accuracy_against_params
from smidgen.report.tables import (
    Cell,
    Table,
    effects_tables,
    number,
    pair_tables,
    points_table,
    words,
)
from smidgen.sizes import counted
from smidgen.split_names import FULL
from smidgen.study.records import Records

_LONG = 9  # rows of a table that is not folded, at most
_SHORT = 5  # lines, likewise
_FAILED = 100  # trials that failed, which are named
_COMMANDS = 10  # of rows, at most


@dataclass(frozen=True, slots=True)
class Section:
    """All that is shown of one data set and split.

    Args:
        title: Above it.
        about: What the figures are of.
        charts: In order.
        more: Charts that are folded.
        tables: In order, below the charts.
    """

    title: str
    about: str
    charts: tuple[Chart, ...]
    more: tuple[Chart, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a study of learning curves alone was asked for, which its page begins with.

    Args:
        title: The data and the images that judge.
        told: A sentence a curve.
        charts: In order.
        tables: In order, below the charts.
    """

    title: str
    told: tuple[str, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]


def tables_of(records: Records) -> list[Table]:
    """Return every table of the rows, those of the reference study first."""
    points = points_of(_of_nets(records.rows))
    tables = comparison(_tested(points))
    for title, group in grouped(points):
        tables.append(points_table(title, group))
        tables += effects_tables(effects(group), group)
        tables += pair_tables(group)
        tables += length_tables(group)
        tables += learning_tables(group)
    for look in robust_looks(points):
        tables += [replace(of, title=f"{look.title}: {of.title}") for of in look.tables]
    return tables


def render(
    records: Records,
    title: str,
    about: str,
    commands: Sequence[str],
    *,
    use: Sequence[str] = (),
    phase: str = "",
    refresh: int = 0,
) -> str:
    """Return the page as HTML.

    Args:
        records: What it shows.
        title: Of the page.
        about: A line below it.
        commands: That made the rows.
        use: Commands that use what was made.
        phase: Of a design or study under way, in words.
        refresh: Seconds after which a browser reads the page again; never if 0.
    """
    rows = _of_nets(records.rows)
    points = points_of(rows)
    story = _ordered(records.notes.get("design"))
    beside = [row for row in records.rows if row["study"] == BASELINE]
    answers = _answers(rows, points)
    little_told = any(LEARNED_LITTLE in line for answer in answers for line in answer.told)
    looks, best = _looks(points, beside, story, little_told=little_told), _best(points)
    names = data_names(point for point, _ in best)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("smidgen.report"),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_harmless,
    )
    style, script = _template("page.css"), _template("page.js")
    left = records.status.seconds_left
    stopped = records.status.is_complete or (phase and not refresh)
    return environment.get_template("page.html.j2").render(
        policy=policy(style, script),
        style=style,
        script=script,
        refresh=refresh,
        title=title,
        about=about,
        status=records.status,
        written=datetime.now(UTC),
        phase=phase,
        grows=bool(phase) and story is not None,
        left=None if left is None or stopped else duration(left),
        warnings=list(
            dict.fromkeys(
                [
                    *((story or {}).get("warnings") or (story or {}).get("notices") or ()),
                    *(warning for look in looks for warning in look.warnings),
                ]
            )
        ),
        story=story,
        use=use,
        standing=_standing(story),
        front=_front(story),
        best=[_facts(*of, names) for of in best],
        answers=answers,
        LONG=_LONG,
        SHORT=_SHORT,
        FAILED=_FAILED,
        looks=[*looks, *robust_looks(points)],
        reference=comparison(_tested(points)),
        sections=[
            _section(name, group, (story or {}).get("read_before") or 0, answered=bool(answers))
            for name, group in grouped(points)
        ],
        commands=list(
            dict.fromkeys([*_trained_by(rows), *records.notes.get("commands", []), *commands])
        ),
        made=_made(rows),
    )


def _trained_by(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return what trains the runs again that are of no study, which tells its own command."""
    commands = [row.get("command") for row in rows if not row["study"]]
    every = list(dict.fromkeys(command for command in commands if command))
    more = len(every) - _COMMANDS
    return every[:_COMMANDS] + ([f"# and {more:,} more, as rows tell"] if more > 0 else [])


def policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy of a page that may do no more than it brings along."""

    def of(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{of(style)}';"
        f" script-src 'sha256-{of(script)}'; base-uri 'none'; form-action 'none'"
    )


def _harmless(value: object) -> object:
    """Return what the template writes; drawings and its own parts are HTML already."""
    return value if isinstance(value, Markup) else Markup(html(str(value)))


def _template(name: str) -> str:
    return (resources.files("smidgen.report") / "templates" / name).read_text(encoding="utf-8")


def _of_nets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["study"] != BASELINE]


def _answers(rows: Sequence[dict[str, Any]], points: Sequence[Point]) -> list[Answer]:
    """Return what the learning curves of each data set tell, where rows are of nothing else."""
    if any(row["study"] != CURVE for row in rows):
        return []
    return [
        Answer(
            title,
            tuple(
                f"{curve.name}: {curve.told}." if len(curves) > 1 else f"{curve.told}."
                for curve in curves
            ),
            tuple(learning_charts(group, told=False)),  # it stands above
            tuple(learning_tables(group, told=False)),
        )
        for title, group in grouped(points)
        if (curves := learning_curves(group))
    ]


def _best(points: Sequence[Point]) -> list[tuple[Point, int]]:
    """Return the best point of each data set, and of how many; of tested ones, if there are any."""
    found: list[tuple[Point, int]] = []
    for group in _by_data(points).values():
        reached = longest(_tested(group) or group)
        found.append((max(reached, key=lambda point: point.accuracy.mean), len(reached)))
    return found


def _by_data(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Return the points by the fingerprint of their data."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.first["fingerprint"], []).append(point)
    return found


def _facts(best: Point, of: int, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what the first screen says of a study: how far its best net got, chosen by that.

    Args:
        best: Point of its data.
        of: How many points of them.
        names: Of data by fingerprint.
    """
    first = best.first
    chosen = f"; the highest of {of}, chosen by these images" if of > 1 else ""
    where = f"{names[first['fingerprint']]}, {first['split']} images{chosen}"
    largest = largest_of(list(best.rows.values()))
    one_answer = [] if largest is None else [("always the largest class", f"{100 * largest:.2f} %")]
    return [
        (f"accuracy, {where}", best.reached(" %")),
        *one_answer,
        (f"with {best.label()}", best.net),
        ("parameters", f"{first['params']:,}"),
        ("MACs", f"{first['macs']:,}"),
        ("bytes as int8", f"{first['bytes_int8']:,}"),
    ]


def _looks(
    points: Sequence[Point],
    baselines: Sequence[dict[str, Any]],
    story: dict[str, Any] | None,
    *,
    little_told: bool = False,
) -> list[Look]:
    """Return a closer look at the best point of each data set; of tested ones, if there are any.

    To a design, pictures of other sizes are other data: once its winner is tested, nothing else is
    looked at. Of a front it is the one that was chosen before the test.
    """
    found: list[Look] = []
    tested = _tested(points) if story is not None else []
    winner = (story or {}).get("net")
    best_ones = _best([point for point in tested if point.net == winner] or tested or points)
    by_data = _by_data(points)
    judged_on: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in baselines:
        judged_on.setdefault((row["fingerprint"], row["split"]), []).append(row)
    names = data_names(best for best, _ in best_ones)
    for best, _ in best_ones:
        group = by_data[best.first["fingerprint"]]
        beside = judged_on.get((best.first["fingerprint"], best.first["split"]), [])
        held_out = [row for point in group if not _tested([point]) for row in point.rows.values()]
        look = closer_look(
            *(best, beside, held_out),
            data=names[best.first["fingerprint"]],
            warned=bool((story or {}).get("warnings")),
            little_told=little_told,
        )
        if look:
            found.append(look)
    return found


def _ordered(story: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a design's story in order, without the warnings that stand on top of the page.

    Phases come in the order in which they first said something, and the last one may say before it
    begins what the time does not allow: what is confirmed comes behind the recipe of it.
    """
    if story is None:
        return None
    on_top = {*(story.get("warnings") or ())}
    told = [
        {**step, "lines": [line for line in step["lines"] if line not in on_top]}
        for step in story.get("steps") or []
    ]
    steps = [step for step in told if step["lines"]]
    story = {**story, "steps": steps}
    titles = [step["title"] for step in steps]
    if not {"Confirm", "Recipe"} <= set(titles):
        return story
    confirm = titles.index("Confirm")
    rest = [*steps[:confirm], *steps[confirm + 1 :]]
    after = max([step["title"] for step in rest].index("Recipe") + 1, confirm)
    return {**story, "steps": [*rest[:after], steps[confirm], *rest[after:]]}


def _standing(story: dict[str, Any] | None) -> Table | None:
    """Return which methods of a design were shown to help, and which are only expected to."""
    methods = (story or {}).get("methods") or []
    said = {
        "shown": "shown to help, on held-out images",
        "expected": "expected to help, not shown here",
        "always": "of every trial, not compared",
    }
    rows = tuple(
        (words(of["method"]), words(said.get(of["standing"], "")), words(of["why"]))
        for of in methods
    )
    return Table("Its methods", ("method", "standing", "why"), rows) if rows else None


def _front(story: dict[str, Any] | None) -> Table | None:
    """Return the nets of a design's front with the folders that they are exported from."""
    story = story or {}
    points = story.get("front") or []
    limited = {"flash": ("flash", ",.0f"), "ram": ("RAM", ",.0f"), "latency_ms": ("ms", ".3f")}
    also = [name for name in limited if all(name in of for of in points)]
    changed = ["changed %"] if points and all("changed" in of for of in points) else []
    rows = tuple(
        (
            words(of["net"]),
            number(of["params"]),
            number(of["macs"]),
            *(number(of[name], limited[name][1]) for name in also),
            Cell("{:.2f} [{:.2f}, {:.2f}]".format(*(100 * share for share in shares)), shares[0]),
            *(number(100 * of["changed"], ".2f") for _ in changed),
            words(of["folder"]),
        )
        for of in points
        if (shares := [of["accuracy"], *of["interval"]])
    )
    note = (
        f"{story.get('front_told', '')} Accuracy on test images, with its 95 % interval. Each"
        " folder, in that of the design, is a run of its own: smidgen export FOLDER --to c."
    ).strip()
    columns = ("net", "params", "MACs", *(limited[name][0] for name in also), "accuracy %")
    return Table("The front", (*columns, *changed, "folder"), rows, note) if rows else None


def charts_of(records: Records) -> list[tuple[str, Chart]]:
    """Return every chart of the page under the title of its section."""
    points = points_of(_of_nets(records.rows))
    sections = [_section(title, group) for title, group in grouped(points)]
    looks = [*_looks(points, [], records.notes.get("design")), *robust_looks(points)]
    return [
        *(
            (section.title, chart)
            for section in sections
            for chart in (*section.charts, *section.more)
        ),
        *((look.title, chart) for look in looks for chart in look.charts),
    ]


def grouped(points: Sequence[Point]) -> list[tuple[str, list[Point]]]:
    """Return the points by data set and split, each with a title; tested ones first."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.first["data"], point.first["split"]), []).append(point)
    ordered = sorted(groups.items(), key=lambda item: item[0][1] != "test")
    return [(f"{data}, {split} images", group) for (data, split), group in ordered]


def _section(
    title: str, points: list[Point], before: int = 0, *, answered: bool = False
) -> Section:
    """Return what is shown of points, without learning curves where the page begins with them."""
    reached = longest(points)
    plain = [of for of, _ in longest_groups(points) if any(of is one for one in reached)]
    found = effects(points)
    learned = [] if answered else learning_charts(points)
    drawn: list[Chart | None] = [*learned, accuracy_against_params(points)]
    titles = lengths_apart([baseline for baseline, _ in found])
    for (baseline, of_net), more in zip(found, titles, strict=True):
        drawn.append(forest(baseline, of_net, more))
    drawn += length_charts(points)
    shown = plain if len(plain) > 1 else reached
    shown = [point for point in shown if not point.is_of_other_data]  # whose training is no part
    more = [held_out_accuracies(shown), losses(shown)]
    more += [latency_bars(plain or reached), size_bars(plain or reached)]
    split, images = points[0].first["split"], sorted({point.images for point in points})
    told = " to ".join(f"{count:,}" for count in dict.fromkeys((images[0], images[-1])))
    about = f"Accuracy on {told} {split} images" + (
        " of other data than the nets were trained on."
        if all(point.is_of_other_data for point in points)
        else ", which training never saw; the test set was not read."
        if split != "test"
        else f", read after the last epoch, and for {counted(before, 'model', 'models')} before."
        if before
        else ", read once, after the last epoch."
        if all(point.first["trained_on"] == FULL for point in points)
        else ", read after training, which held other images out."
    )
    tables = [points_table("All points", points)]
    tables += effects_tables(found, points)
    tables += pair_tables(points)
    tables += length_tables(points)
    tables += [] if answered else learning_tables(points, told=False)  # the charts tell it
    shown_charts, folded = (tuple(c for c in charts if c) for charts in (drawn, more))
    return Section(title, about, shown_charts, folded, tuple(tables))


def _tested(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.first["split"] == "test"]


def duration(seconds: float) -> str:
    """Return a time for people."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return counted(round(seconds), "second", "seconds")
    return counted(minutes, "minute", "minutes") if minutes < 120 else f"{seconds / 3600:.1f} hours"  # noqa: PLR2004


def _made(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the rows say of software, machines and recipes, each thing once."""
    lines: dict[str, None] = {}
    for row in rows:
        software = ", ".join(f"{name} {number}" for name, number in row["versions"].items())
        lines[f"{software}, revision {row['revision']}"] = None
        threads = counted(row["threads"], "thread", "threads")
        lines[f"{row['device']}, {threads}, {row['precision']}, kernels {row['kernels']}"] = None
    for row in rows:
        if is_of_other_data(row):
            continue  # its recipe is that of its model's data
        numbers = ", ".join(f"{name} {value}" for name, value in row["recipe"].items())
        lines[f"Recipe on {row['data']}: {numbers}"] = None
    return list(lines)
