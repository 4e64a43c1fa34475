"""Tables say what the rows say: means, intervals, effects, and the reference study beside."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.report.conftest import IMAGES, Rows, of_study, row

from smidgen.chance import wilson
from smidgen.report import markdown, replicates
from smidgen.report.forest import forest
from smidgen.report.page import charts_of, render, tables_of
from smidgen.report.points import Point, baselines, effects, points_of
from smidgen.report.reference import REPORTED, comparison
from smidgen.report.tables import (
    Cell,
    Table,
    effects_table,
    effects_tables,
    pair_tables,
    points_table,
    right,
)
from smidgen.study.records import Records
from smidgen.study.statistics import NO_DIFFERENCE
from smidgen.study.status import Status


def named(table: Table, name: str) -> dict[str, Cell]:
    (found,) = [cells for cells in table.rows if cells[0].text == name]
    return dict(zip(table.columns, found, strict=True))


def titled(tables: list[Table], start: str) -> Table:
    return next(table for table in tables if table.title.startswith(start))


def test_rows_that_differ_in_seed_alone_are_one_point(study: Rows) -> None:
    points = points_of(study)
    assert len(points) == 7
    assert all([seed for seed, _ in point.rows] == [0, 1, 2] for point in points)
    longer = {**study[0], "recipe": {"epochs": 9, "batch_size": 128}, "key": "other"}
    assert len(points_of([*study, longer])) == 8


def test_nets_of_one_name_and_size_and_other_layers_are_two() -> None:
    one, other = (
        [row("a", [method], 0, 180 + shift, layers=[layer]) for method in ("cosine", "mixup")]
        for layer, shift in (("conv(8, 1x9)", 0), ("conv(8, 9x1)", 10))
    )
    assert len(points_of([*one, *other])) == 4
    found = effects(points_of([*one, *other]))
    assert [(plain.accuracy.mean, len(rest)) for plain, rest in found] == [(90, 1), (95, 1)]


def test_runs_on_all_images_and_on_a_part_of_them_are_no_seeds_of_one() -> None:
    rows = [
        row("a", methods, seed, right + len(methods), trained_on=trained_on)
        for seed in range(3)
        for trained_on, right in (("full", 180), ("selection", 150))
        for methods in ([], ["sam"])
    ]
    points = points_of(rows)
    assert [(point.accuracy.mean, point.accuracy.count) for point in points] == [
        *((90, 3), (90.5, 3)),
        *((75, 3), (75.5, 3)),
    ]
    assert [(plain.accuracy.mean, len(rest)) for plain, rest in effects(points)] == [
        (90, 1),
        (75, 1),
    ]
    table = points_table("All", points)
    told = ["no method", "sam", "no method, on a part", "sam, on a part"]
    assert [cells[1].text for cells in table.rows] == told
    assert "on a part" not in str(points_table("All", points[2:]))


def test_points_and_effects_of_two_recipes_are_told_apart() -> None:
    rows = [
        row("a", methods, seed, 150 + seed, recipe={"epochs": 3, "label_noise": noise})
        for noise in (0.2, 0.4)
        for methods in (["cosine"], ["cosine", "sam"])
        for seed in range(2)
    ]
    first, second = (title for title in _titles(rows) if title.startswith("Effects on a"))
    assert (first, second) == ("Effects on a, label_noise 0.2", "Effects on a, label_noise 0.4")
    table = points_table("All", points_of(rows))
    assert [cells[1].text for cells in table.rows][::2] == [
        "cosine, label_noise 0.2",
        "cosine, label_noise 0.4",
    ]
    assert [cells[1].text for cells in points_table("All", points_of(rows[:4])).rows] == [
        "cosine",
        "cosine + sam",
    ]


def test_data_that_changed_under_a_name_are_told_apart() -> None:
    rows = [
        row("a", methods, 0, 150, fingerprint=digits * 32)
        for digits in "ab"
        for methods in ([], ["sam"])
    ]
    titles = [title for title in _titles(rows) if title.startswith("Effects on a")]
    assert titles == ["Effects on a, data aaaaaa", "Effects on a, data bbbbbb"]
    table = points_table("All", points_of(rows))
    told = ["no method, data aaaaaa", "sam, data aaaaaa", "no method, data bbbbbb"]
    assert [cells[1].text for cells in table.rows][:3] == told
    assert (
        "Data: the first digits of their fingerprint; the pictures, or the size and" in table.note
    )
    others = [rows[0], row("b", [], 0, 150, fingerprint="b" * 32)]
    assert "fingerprint" not in points_table("All", points_of(others)).note, "names tell these"
    assert "data" not in str(points_table("All", points_of(rows[:2]))).lower()
    records = Records(rows, Status(len(rows), 0, 0, 0, 0.0, ()), {})
    names = [chart.wide for _, chart in charts_of(records)]
    assert any(">a, data aaaaaa<" in chart for chart in names), "the dots of two data"


def test_lengths_of_training_are_in_order_and_in_titles() -> None:
    rows = [
        row("a", methods, 0, 150, recipe={"epochs": epochs}, epochs=epochs)
        for epochs in (40, 160, 20)
        for methods in ([], ["sam"])
    ]
    told = [f"Effects on a, {epochs} epochs" for epochs in (20, 40, 160)]
    assert [title for title in _titles(rows) if title.startswith("Effects on a")] == told
    records = Records(rows, Status(len(rows), 0, 0, 0, 0.0, ()), {})
    charts = [chart.title for _, chart in charts_of(records)]
    assert [title for title in charts if title.startswith("Effects on a")] == told


def test_training_times_of_two_machines_are_no_ratio() -> None:
    def told(*devices: str) -> list[str]:
        rows = [
            row("a", methods, seed, 150, device=device, seconds=seconds)
            for seed, device in enumerate(devices)
            for methods, seconds in (([], 10.0 * seed + 10), (["sam"], 40.0))
        ]
        rows[0]["device"] = "a GPU"
        ((baseline, found),) = effects(points_of(rows))
        return [cells[-1].text for cells in effects_table(baseline, found).rows]

    assert told("a GPU") == ["4.00 x"]
    assert told("a processor") == ["-"]
    assert told("a processor", "a processor") == ["2.00 x"], "the second seed's"


def _titles(rows: Rows) -> list[str]:
    records = Records(rows, Status(len(rows), 0, 0, 0, 0.0, ()), {})
    charts = {chart.title for _, chart in charts_of(records)}
    tables = [table.title for table in tables_of(records)]
    assert {title for title in tables if title.startswith("Effects on")} <= charts
    return tables


@pytest.mark.parametrize("step", [1, -1])
def test_a_baseline_has_the_fewest_methods_and_those_that_others_have(
    study: Rows, step: int
) -> None:
    found = {point.net: (point, others) for point, others in baselines(points_of(study[::step]))}
    assert len(found) == 3
    point, others = found["mnist-1k5-dw"]
    assert point.methods == ("cosine",)
    assert ("one-cycle",) in [other.methods for other in others]
    assert len(others) == 4


def test_effects_are_paired_by_seed_with_their_cost(study: Rows) -> None:
    ((baseline, found),) = effects(points_of(study))
    by_label = {effect.point.label(baseline): effect for effect in found}
    assert baseline.methods == ("cosine",)
    blurpool = by_label["blurpool"].accuracy
    expected = stats.ttest_1samp([5.0, 5.5, 6.0], 0).confidence_interval(0.95)
    assert (blurpool.low, blurpool.high) == pytest.approx((expected.low, expected.high))
    assert by_label["sam"].accuracy.verdict == "worse"
    assert by_label["sam"].time == 2
    assert by_label["one-cycle without cosine"].accuracy.verdict == NO_DIFFERENCE
    assert by_label["squeeze-excite"].params == 126


def _compared(*groups: tuple[list[str], Sequence[int], Sequence[int]]) -> Rows:
    """Return rows of methods, seeds and how many images each gains over 150 and its seed."""
    return [
        row("a", methods, seed, 150 + seed + gain)
        for methods, seeds, gained in groups
        for seed, gain in zip(seeds, gained, strict=True)
    ]


def _p(gains: Sequence[float]) -> float:
    """Return the two-sided p of Student's test that the mean is zero."""
    return float(2 * stats.t.sf(abs(np.mean(gains)) / stats.sem(gains), len(gains) - 1))


def _effects(rows: Rows) -> Table:
    points = points_of(rows)
    (table,) = effects_tables(effects(points), points)
    return table


def test_verdicts_of_one_table_are_adjusted_for_their_number() -> None:
    seeds = range(3)
    rows = _compared(
        ([], seeds, [0, 0, 0]),
        (["blurpool"], seeds, [8, 12, 10]),  # p 0.013, by itself
        (["sam"], seeds, [20, 24, 22]),  # 0.0027
        (["mixup"], seeds, [2, -3, 1]),
        (["swa"], [0], [40]),
    )
    table = _effects(rows)
    told = {of[0].text: (of[3].text, of[4].text) for of in table.rows}
    alone = {
        name: _p(gains)
        for name, gains in (("blurpool", [8, 12, 10]), ("sam", [20, 24, 22]), ("mixup", [2, -3, 1]))
    }
    assert told["sam"] == ("better", f"{3 * alone['sam']:.2g}")
    assert told["blurpool"] == ("better", f"{2 * alone['blurpool']:.2g}")
    assert told["mixup"] == (NO_DIFFERENCE, "1")
    assert told["swa"] == ("one seed, not tested", "-")
    assert named(table, "blurpool")["accuracy, points"].text == "+5.00 [+2.52, +7.48]", "as alone"
    said = "each with its own 95 % t interval; verdict and p are adjusted for 3 comparisons (Holm)."
    assert said in table.note

    more = [of for n in range(4) for of in _compared(([f"mixup(alpha={n})"], seeds, [2, n, -5]))]
    wider = _effects([*rows, *more])
    assert named(wider, "blurpool")["verdict"].text == NO_DIFFERENCE
    points = points_of([*rows, *more])
    ((baseline, found),) = effects(points)
    assert "Grey: no difference shown, by the p of the table" in forest(baseline, found).note
    page = tables_of(_records([*rows, *more]))
    assert str(page).count("(Holm)") == 1


def test_one_comparison_is_its_own_t_test() -> None:
    table = _effects(_compared(([], range(3), [0, 0, 0]), (["sam"], range(3), [8, 12, 10])))
    assert named(table, "sam")["p"].value == pytest.approx(_p([8, 12, 10]))
    assert "Holm" not in table.note
    assert "with the 95 % t interval; one that includes zero shows no difference." in table.note


def test_a_study_of_one_seed_says_what_its_figures_are() -> None:
    rows = _compared(([], [0], [0]), (["sam"], [0], [9]))
    table = _effects(rows)
    assert "a single pair has no interval, and is not tested." in table.note
    note = points_table("All", points_of(rows)).note
    assert note.startswith("Accuracy: of the last epoch, with its 95 % interval for other pictures")
    assert "Student" not in note
    assert "the least over" not in note


def test_what_cannot_be_paired_is_told() -> None:
    even = _compared(([], range(3), [0, 0, 0]), (["sam"], range(3), [5, 6, 7]))
    assert "left out" not in _effects(even).note
    assert "in common" not in _effects(even).note
    fewer = _compared((["blurpool"], [2, 7], [5, 5]), (["ema"], [8, 9], [1, 2]))
    note = _effects([*even, *fewer]).note
    assert note.endswith(
        " A seed that only one side has is left out. No seed in common with it: ema."
    )


def test_methods_that_change_no_answer_show_no_difference() -> None:
    rows = _compared(*((of, range(3), [0, 0, 0]) for of in ([], ["sam"], ["swa"])))
    table = _effects(rows)
    assert [(of[1].text[:6], of[3].text, of[4].text) for of in table.rows] == [
        ("+0.00 ", NO_DIFFERENCE, "1")
    ] * 2


def test_runs_that_learned_little_are_marked_where_they_stand() -> None:
    def of(methods: list[str], shares: Sequence[int]) -> Rows:
        return [
            row("a", methods, seed, right, largest_class=0.4, classes=["a", "b", "c"])
            for seed, right in enumerate(shares)
        ]

    rows = [*of([], [150, 150]), *of(["sam"], [80, 150]), *of(["swa"], [80, 80])]
    table = points_table("All", points_of(rows))
    assert [cells[1].text for cells in table.rows] == [
        "no method", "sam, 1 of 2 seeds learned little", "swa, learned little",
    ]  # fmt: skip
    assert "Learned little: hardly above what always answering one class reaches." in table.note
    assert "earned little" not in str(points_table("All", points_of(rows[:2])))


@pytest.mark.parametrize(("more", "shown"), [(1, False), (5, True)])
def test_seeds_that_gain_the_same_images_are_no_certainty(more: int, shown: bool) -> None:
    """The spread is at least that of two roundings to an image."""
    rows = [
        row("a", methods, seed, right)
        for seed in range(3)
        for methods, right in (([], 150 + seed), (["blurpool"], 150 + seed + more))
    ]
    ((_, (found,)),) = effects(points_of(rows))
    half = stats.t.ppf(0.975, 2) * 100 / IMAGES / 6**0.5 / 3**0.5
    assert found.accuracy.high - found.accuracy.mean == pytest.approx(half)
    assert found.accuracy.excludes_zero == shown


def test_the_chance_of_the_pictures_is_that_of_as_many_as_there_are() -> None:
    (point,) = points_of([row("a", [], seed, 150) for seed in range(3)])
    ends = stats.binomtest(150, IMAGES).proportion_ci(method="wilson")
    assert (point.accuracy.low, point.accuracy.high) == pytest.approx(
        (100 * ends.low, 100 * ends.high)
    )


def test_pictures_of_another_fingerprint_are_no_baseline() -> None:
    plain = [row("a", ["cosine"], seed, 150 + seed) for seed in range(3)]
    other = [
        row("a", ["blurpool", "cosine"], seed, 180 + seed, fingerprint="g") for seed in range(3)
    ]
    assert not effects(points_of([*plain, *other]))


def test_every_fold_of_a_seed_counts_and_is_paired_with_itself() -> None:
    gains = (2, 4, 6, 5, 3)
    rows = [
        row("a", methods, 0, right, trained_on=f"fold-{fold}-of-5", split="held-out")
        for fold, gain in enumerate(gains, 1)
        for methods, right in (([], 100 + 9 * fold), (["blurpool"], 100 + 9 * fold + gain))
    ]
    ((_, (found,)),) = effects(points_of(rows))
    assert found.accuracy.count == 5
    assert found.accuracy.mean == pytest.approx(100 * np.mean(gains) / IMAGES)


def test_folds_share_what_they_train_on_and_their_interval_is_wider() -> None:
    gains = (3, 4, 6)
    rows = [
        row("a", methods, seed, right, trained_on=f"fold-{seed + 1}-of-5", split="held-out")
        for seed, gain in enumerate(gains)
        for methods, right in (([], 100), (["blurpool"], 100 + gain))
    ]
    ((baseline, (found,)),) = effects(points_of(rows))
    points = 100 * np.array(gains) / IMAGES
    half = stats.t.ppf(0.975, 2) * points.std(ddof=1) * (1 / 3 + 1 / 4) ** 0.5
    assert found.accuracy.high - found.accuracy.mean == pytest.approx(half)
    assert "Nadeau" in effects_table(baseline, [found]).note
    assert stats.ttest_1samp(points, 0).confidence_interval(0.95).low > 0  # but for what is shared
    assert found.accuracy.verdict == NO_DIFFERENCE


def test_the_pictures_of_all_folds_of_a_round_judge_a_point() -> None:
    folds = [
        row("a", [], seed, 100, trained_on=f"fold-{number}-of-5{more}", split="held-out")
        for seed, (number, more) in enumerate([(1, ""), (2, ""), (3, ""), (1, "-round-2")])
    ]
    one_part = [row("a", [], n, 100, trained_on="selection", split="held-out") for n in range(4)]
    tested = [{**of, "split": "test"} for of in folds]
    many, few, same = (points_of(rows)[0] for rows in (folds, one_part, tested))
    assert [many.images, few.images, same.images] == [3 * IMAGES, IMAGES, IMAGES]
    assert many.accuracy.low == pytest.approx(100 * wilson(0.5, 3 * IMAGES)[0])
    assert few.accuracy.low == pytest.approx(100 * wilson(0.5, IMAGES)[0])
    assert "counts all of them" in points_table("", [many]).note
    assert "counts all of them" not in points_table("", [few]).note


def test_folds_of_one_seed_are_not_called_seeds() -> None:
    rows = [
        row("a", methods, 0, right + fold, trained_on=f"fold-{fold}-of-5", split="held-out")
        for fold in range(1, 6)
        for methods, right in (([], 100), (["blurpool"], 110))
    ]
    points = points_of(rows)
    assert points[0].replicates == "5 folds of 1 seed"
    assert points[0].reached(" %").endswith(" % (5 folds of 1 seed)")
    assert effects(points)[0][1][0].accuracy.count == 5
    records = Records(rows, Status(len(rows), 0, 0, 0, 0.0, ()), {})
    told = render(records, "t", "", [])
    assert not re.findall(r"other seeds(?! and folds)|over seeds(?! and folds)|\d seeds", told)
    counted = [set(table.columns) & {"seeds", "replicates"} for table in tables_of(records)]
    assert counted == [{"replicates"}] * 2
    both = points_of([*rows, *({**line, "seed": 1} for line in rows)])
    assert both[0].replicates == "5 folds x 2 seeds"
    assert "(" not in both[0].reached()


@pytest.mark.parametrize(
    ("seeds", "folds", "left_out", "said"),
    [
        ((0, 1), (1, 2, 3), 0, ("3 folds x 2 seeds", "models")),
        ((0, 1), (1, 2, 3), 1, ("5 of 3 folds x 2 seeds", "models")),
        ((0,), (1, 2, 3), 0, ("3 folds of 1 seed", "folds")),
        ((0, 1), (), 0, ("2 seeds", "seeds")),
    ],
)
def test_folds_that_seeds_share_are_counted_once(
    seeds: tuple[int, ...], folds: tuple[int, ...], left_out: int, said: tuple[str, str]
) -> None:
    splits = [f"fold-{n}-of-3" for n in folds] or ["full"]
    every = [(seed, split) for seed in seeds for split in splits][left_out:]
    assert (replicates.told(every), replicates.kind(every)) == said


def test_a_shift_is_told_to_be_of_some_held_out_images() -> None:
    said = "at most 200 of the held-out images"
    held_out = row("a", [], 0, 100, trained_on="selection", split="held-out")
    assert said in points_table("", points_of([held_out])).note
    assert said not in points_table("", points_of([row("a", [], 0, 100)])).note


@pytest.mark.parametrize(
    "other",
    [
        {"data": "digits"},
        {"data": "fashion-mnist"},
        {"images": 48},
        {"split": "held-out"},
        {"input": [1, 32, 32]},
    ],
)
def test_other_data_than_the_studys_are_not_compared_with_it(
    study: Rows, other: dict[str, Any]
) -> None:
    assert not comparison(points_of([{**line, **other} for line in study]))
    assert comparison(points_of([{**line, "input": [1, 28, 28]} for line in study]))
    assert comparison(points_of([{**line, "data": "known:mnist"} for line in study]))


def test_the_studys_tables_are_of_one_set_of_pictures(study: Rows) -> None:
    more = [of_study("mnist-25k", ["cosine"], 0, 190, fingerprint="g")]
    table = titled(comparison(points_of([*more, *study])), "Table 3")
    assert named(table, "mnist-25k")["ours"].text == "not trained yet"
    assert named(table, "mnist-7k")["ours"].text.startswith("90.50")


def test_rows_that_do_not_tell_which_images_were_right_are_compared_without(study: Rows) -> None:
    old = [{name: line[name] for name in line if name != "right"} for line in study]
    pairs = titled(comparison(points_of(old)), "Depthwise")
    assert [cells[-1].text for cells in pairs.rows] == ["-"]


def test_the_studys_tables_stand_beside_ours(study: Rows) -> None:
    tables = comparison(points_of(study))
    nets = titled(tables, "Table 3")
    assert named(nets, "mnist-7k")["accuracy %, study"].text == "99.34"
    ours = 100 * np.array([180, 181, 182]) / 200
    half = stats.sem(ours) * stats.t.ppf(0.975, 2)
    assert named(nets, "mnist-7k")["ours"].text == f"{ours.mean():.2f} ± {half:.2f} (3)"
    assert named(nets, "mnist-25k")["ours"].text == "not trained yet"

    single = named(titled(tables, "Table 4"), "blurpool")
    assert (single["effect, study"].text, single["verdict"].text) == ("+0.86", "better")
    alone = _p([5.0, 5.5, 6.0])
    assert single["p"].value == pytest.approx(3 * alone), "the second of four"
    assert "p are adjusted for 4 comparisons (Holm)." in titled(tables, "Table 4").note
    assert named(titled(tables, "Table 4"), "mixup")["verdict"].text == "not trained yet"
    rest = [of for of in points_of(study) if of.net == "mnist-1k5-dw" and "sam" in of.methods]
    assert "98.35 % in the study, not trained. Effects" in titled(comparison(rest), "Table 4").note
    short = comparison(points_of([{**line, "epochs": 1} for line in study]))
    assert "here, 1 epoch. Effects" in titled(short, "Table 4").note

    pair = named(titled(tables, "Depthwise"), "mnist-7k-dw against mnist-7k")
    assert pair["McNemar, first seed"].text.startswith("150 : 0, p = ")


def test_the_studys_tables_are_of_one_recipe_and_of_no_wrong_labels(study: Rows) -> None:
    def with_numbers(lines: Rows, lost: int, **numbers: float) -> Rows:
        return [
            {**of, "accuracy": of["accuracy"] - lost / 100, "recipe": {**of["recipe"], **numbers}}
            for of in lines
        ]

    mixed = [*with_numbers(study[:2], 20, peak_lr=0.1), *study]
    assert comparison(points_of(mixed)) == comparison(points_of(study))
    noisy = with_numbers(study, 20, label_noise=0.4)
    assert not comparison(points_of(noisy))
    assert comparison(points_of([*noisy, *study])) == comparison(points_of(study))


def test_a_study_without_the_reference_nets_is_not_compared() -> None:
    assert comparison(points_of([row("mine", [], 0, 100)])) == []


def test_the_reported_figures_are_the_papers() -> None:
    by_row = {(r.net, " ".join(sorted(r.methods))): r.accuracy for r in REPORTED}
    assert len(by_row) == 8 + 9 + 8 + 6
    assert by_row["cifar-143k-dw", ""] == 79.90
    assert by_row["mnist-1k5-dw", "blurpool squeeze-excite swa"] == 99.20
    assert by_row["cifar-143k-dw", "blurpool cutout label-smoothing mixup sam swa"] == 86.76


def test_which_images_were_right_survives_packing() -> None:
    packed = row("n", [], 0, 137)
    assert right(packed).sum() == 137
    assert len(right(packed)) == 200


def _records(rows: Rows) -> Records:
    return Records(rows, Status(len(rows), 0, 0, 0, 0.0, ()), {})


def test_two_models_on_the_same_images_are_compared_by_which_they_get_right() -> None:
    rows = [row("a", [], 0, 180), row("b", ["blurpool"], 0, 150)]
    (table,) = [of for of in tables_of(_records(rows)) if of.title.startswith("Two models")]
    assert [cells[-1].value for cells in table.rows] == [30, 0]
    p = 2 * 0.5**30
    assert table.note.startswith(
        f"McNemar's exact test: p = {p:.2g}, a, no method better. Both are right on 150 images,"
        " neither on 20."
    )
    assert "Two models" in render(_records(rows), "t", "", [])
    near = [row("a", [], 0, 152), row("b", ["blurpool"], 0, 150)]
    assert f"p = 0.5, {NO_DIFFERENCE}" in pair_tables(points_of(near))[0].note


@pytest.mark.parametrize(
    ("other", "more"),
    [
        ({"fingerprint": "g"}, []),
        ({"images": 100}, []),
        ({"split": "held-out", "trained_on": "fold-2-of-3"}, []),
        ({}, [row("b", ["blurpool"], 1, 150)]),
        ({}, [row("c", [], 0, 150)]),
    ],
    ids=["pictures", "how many", "fold", "two seeds", "three models"],
)
def test_other_rows_are_not_compared_by_which_images_they_get_right(
    other: dict[str, Any], more: Rows
) -> None:
    first = row("a", [], 0, 180, **({} if "split" not in other else {**other, "trained_on": "x"}))
    rows = [first, row("b", ["blurpool"], 0, 90, **other), *more]
    assert not pair_tables(points_of(rows))


def test_two_rows_that_do_not_tell_which_images_were_right_are_not_compared() -> None:
    rows = [row("a", [], 0, 180), row("b", [], 0, 150)]
    del rows[1]["right"]
    assert not pair_tables(points_of(rows))


def test_one_seed_is_said_to_be_one(study: Rows) -> None:
    points = points_of([line for line in study if line["seed"] == 0])
    table = titled(comparison(points), "Table 3")
    assert named(table, "mnist-7k")["ours"].text == "90.00 (1 seed)"


def test_a_latency_is_the_least_over_seeds_on_one_thread(study: Rows) -> None:
    point: Point = points_of(study)[0]
    assert point.latency("kernel_ms") == 0.1
    point.first["latency"]["threads"] = 4
    assert point.latency("kernel_ms") == 1.1
    (many,) = points_of([point.first])
    assert many.latency("kernel_ms") is None


def test_a_short_training_time_is_not_nothing() -> None:
    def told(seconds: float) -> str:
        return points_table("", points_of([row("a", [], 0, 100, seconds=seconds)])).rows[0][-1].text

    assert [told(of) for of in (0.124, 3.0, 9.96, 1234.5)] == ["0.12", "3", "10", "1,234"]


def test_a_training_time_is_not_that_of_a_busy_machine(study: Rows) -> None:
    slow = next(row for row in study if row["methods"] == ["cosine"] and row["seed"] == 1)
    slow["seconds"] *= 20
    ((baseline, found),) = effects(points_of(study))
    assert {e.point.label(baseline): e.time for e in found}["sam"] == 2


def test_markdown_holds_the_same_tables(study: Rows, written: Callable[[Rows], Path]) -> None:
    text = markdown(written(study))
    assert "**Table 3, the nets**" in text
    assert "| mnist-1k5-dw | blurpool + cosine | 85.50 ±" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_rows_without_sizes_in_bytes_are_compared_all_the_same(study: Rows) -> None:
    optional = {"bytes_float32", "bytes_on_disk"}
    bare = [{name: row[name] for name in row.keys() - optional} for row in study]
    table = titled(comparison(points_of(bare)), "Table 3")
    line = named(table, "mnist-1k5-dw")
    assert (line["ours, file"].text, line["ours, float32 parameters"].text) == ("-", "-")
