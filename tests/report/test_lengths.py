"""Effects by length of training: a chart and a table that say where a method gains, and is met."""

import re
from dataclasses import replace
from typing import Any

import pytest
from tests.report.conftest import Rows, of_study

from smidgen.report.lengths import length_charts, length_tables, lengths_of, met, trend
from smidgen.report.page import charts_of, tables_of
from smidgen.report.points import points_of
from smidgen.report.reference import comparison
from smidgen.report.tables import Cell, Table
from smidgen.study.records import Records
from smidgen.study.status import Status


def at(epochs: int, methods: list[str], seed: int, right: int, net: str = "mnist-1k5-dw") -> Any:
    recipe = {"epochs": epochs, "batch_size": 128}
    one = of_study(net, methods, seed, right, recipe=recipe, epochs=epochs)
    return {**one, "key": f"{one['key']} {epochs}"}


@pytest.fixture
def long() -> Rows:
    """BlurPool gains 4, 8 and 16 images of 200 by length, mixup loses them; sam is trained once."""
    rows: Rows = []
    for epochs, gain in ((40, 16), (10, 4), (20, 8)):
        for seed in range(3):
            base = 150 + 5 * seed
            rows += [
                at(epochs, ["cosine"], seed, base),
                at(epochs, ["blurpool", "cosine"], seed, base + gain + seed % 2),
                at(epochs, ["cosine", "mixup"], seed, base - gain - seed % 2),
            ]
    return [*rows, *(at(40, ["cosine", "sam"], seed, 150 + 5 * seed) for seed in range(3))]


def named(table: Table, name: str) -> dict[str, Cell]:
    (found,) = [cells for cells in table.rows if cells[0].text == name]
    return dict(zip(table.columns, found, strict=True))


def test_each_length_is_compared_with_the_baseline_of_the_same_length(long: Rows) -> None:
    ((net, ways),) = lengths_of(points_of(long))
    assert net == "mnist-1k5-dw"
    assert [way.label for way in ways] == ["blurpool", "mixup"], "sam has one length"
    means = {n: effect.accuracy.mean for n, effect in ways[0].effects.items()}
    assert means == pytest.approx({10: 13 / 6, 20: 25 / 6, 40: 49 / 6})
    assert list(means) == [10, 20, 40]


def test_the_table_says_what_gains_and_where_the_studys_figure_is_met(long: Rows) -> None:
    (table,) = length_tables(points_of(long))
    assert table.columns[1:4] == ("10 epochs", "20 epochs", "40 epochs")
    blurpool, mixup = named(table, "blurpool"), named(table, "mixup")
    assert (blurpool["with length"].text, mixup["with length"].text) == ("gains", "loses")
    assert blurpool["study"].text == "+0.86"
    assert blurpool["its figure"].text == "met at 10 epochs"
    assert mixup["study"].text == "-0.50"
    assert mixup["its figure"].text == "not met"


def test_a_figure_is_met_where_an_interval_first_reaches_it(long: Rows) -> None:
    ((_, (blurpool, _)),) = lengths_of(points_of(long))
    high = {n: effect.accuracy.high for n, effect in blurpool.effects.items()}
    assert met(blurpool.effects, high[10] + 0.01) == "met at 20 epochs"
    assert met(blurpool.effects, high[40]) == "met at 40 epochs"
    assert met(blurpool.effects, high[40] + 0.01) == "not met"
    assert met(blurpool.effects, None) == "-"


def test_intervals_that_overlap_show_no_change(long: Rows) -> None:
    ((_, (blurpool, _)),) = lengths_of(points_of(long))
    assert trend({10: blurpool.effects[10], 20: blurpool.effects[10]}) == "no change shown"
    wide = replace(blurpool.effects[40].accuracy, low=blurpool.effects[10].accuracy.high - 0.01)
    late = replace(blurpool.effects[40], accuracy=wide)
    assert trend({10: blurpool.effects[10], 40: late}) == "no change shown"
    single = points_of([r for r in long if r["seed"] == 0])
    ((_, (alone, _)),) = lengths_of(single)
    assert trend(alone.effects) == "one seed"
    assert met(alone.effects, 0.1) == "not met"


def test_the_chart_has_a_point_with_an_interval_a_method_and_length(long: Rows) -> None:
    (chart,) = length_charts(points_of(long))
    assert chart.title == "Effects against epochs on mnist-1k5-dw"
    for drawing in (chart.wide, chart.narrow):
        told = re.findall(r"<circle[^>]*><title>([^<]*)</title>", drawing)
        assert len(told) == 6
        assert "blurpool, 20 epochs: +4.17 [" in told[1]
        heights = [
            float(y) for y in re.findall(r'<circle[^>]* cy="([\d.]+)"[^>]*><title>', drawing)
        ]
        assert heights[:3] == sorted(heights[:3], reverse=True), "it rises"
        assert heights[3:] == sorted(heights[3:]), "mixup falls"
        places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"[^>]*><title>', drawing)]
        assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2), "octaves"
    assert "10<" in chart.wide
    assert "40<" in chart.wide


def test_more_methods_than_colours_are_told_in_several_charts(long: Rows) -> None:
    names = [f"method-{n}" for n in range(8)]
    more = [at(n, ["cosine", name], s, 150) for name in names for n in (10, 40) for s in range(3)]
    first, second = length_charts(points_of([*long, *more]))
    assert first.title == "Effects against epochs on mnist-1k5-dw, 1 of 2"
    assert second.title == "Effects against epochs on mnist-1k5-dw, 2 of 2"
    drawn = [
        set(re.findall(r"<title>([^<,]+), 10 epochs", chart.wide)) for chart in (first, second)
    ]
    assert drawn == [{"blurpool", "mixup", *names[:6]}, set(names[6:])]


def test_one_length_is_no_chart(study: Rows) -> None:
    assert length_charts(points_of(study)) == []
    assert length_tables(points_of(study)) == []


def test_charts_of_two_lengths_have_names_of_their_own(long: Rows) -> None:
    records = Records(long, Status(0, 0, 0, 0, None, ()), {})
    titles = [chart.title for _, chart in charts_of(records)]
    assert len(set(titles)) == len(titles)
    assert "Effects on mnist-1k5-dw, 20 epochs" in titles
    assert any(title.startswith("Effects against epochs") for title in titles)
    assert any(table.title.startswith("Effects by length") for table in tables_of(records))


def test_the_studys_tables_are_of_one_length_the_one_with_most_rows(long: Rows) -> None:
    (table,) = [t for t in comparison(points_of(long)) if t.title.startswith("Table 4")]
    assert "here, 40 epochs." in table.note
    assert named(table, "blurpool")["effect, ours"].text.startswith("+8.17")
    more = [at(10, ["cosine", name], seed, 150) for name in ("swa", "sam") for seed in range(3)]
    (table,) = [t for t in comparison(points_of([*long, *more])) if t.title.startswith("Table 4")]
    assert "here, 10 epochs." in table.note


def test_nets_of_one_name_and_other_layers_have_lengths_of_their_own(long: Rows) -> None:
    other = [{**line, "layers": ["another"], "accuracy": 0.5} for line in long]
    (_, mine), (_, theirs) = lengths_of(points_of([*long, *other]))
    assert mine[0].effects[40].accuracy.mean > 8
    assert theirs[0].effects[40].accuracy.mean == 0


def test_a_constant_rate_is_not_taken_for_the_baseline(long: Rows) -> None:
    constant = [at(40, ["cosine(end=1.0)"], seed, 100) for seed in range(3)]
    (table,) = [t for t in comparison(points_of([*constant, *long])) if "Table 4" in t.title]
    assert named(table, "blurpool")["effect, ours"].text.startswith("+8.17")


def test_an_averaged_head_is_compared_with_a_flattened_one(long: Rows) -> None:
    flat = [at(40, ["cosine"], s, 140 + 5 * s, net="mnist-1k5-dw-flat") for s in range(3)]
    found = [t for t in comparison(points_of([*long, *flat])) if t.title.startswith("Global")]
    cells = named(found[0], "mnist-1k5-dw against mnist-1k5-dw-flat")
    assert cells["effect, ours"].text.startswith("+5.00")
    assert (cells["params, averaged"].text, cells["params, flattened"].text) == ("1,560", "500")
    assert not [t for t in comparison(points_of(long)) if t.title.startswith("Global")]
