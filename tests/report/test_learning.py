"""A learning curve says what the last doubling of the pictures gave, and no more than that."""

from typing import Any

import pytest
from tests.report.conftest import Rows, row

from smidgen.report.learning import CURVE, LITTLE, learning_charts, learning_curves, learning_tables
from smidgen.report.page import charts_of, render, tables_of
from smidgen.report.points import longest, points_of
from smidgen.report.replicates import told
from smidgen.study.records import Records
from smidgen.study.statistics import NO_DIFFERENCE
from smidgen.study.status import Status


def at(share: float, seed: int, right: int, methods: tuple[str, ...] = (), **other: Any) -> Any:
    recipe = {"epochs": 3} | ({} if share == 1 else {"share": share})
    form = {"recipe": recipe, "training_images": round(400 * share), "split": "held-out"} | other
    made = row("mine", methods, seed, right, **{"trained_on": "selection", **form})
    return {**made, "key": f"{made['key']} {share} {made['epochs']} {made['trained_on']}"}


def rows(gain: list[int], half: float = 0.5, methods: tuple[str, ...] = ()) -> Rows:
    """Return rows of a quarter, a half and all of 400 pictures; all gives ``gain`` images more."""
    found: Rows = []
    for seed, more in enumerate(gain):
        base = 140 + 3 * seed
        found += [
            at(0.25, seed, base - 12, methods),
            at(half, seed, base, methods),
            at(1.0, seed, base + more, methods),
        ]
    return found


def test_points_are_shares_of_the_pictures_and_pair_by_seed() -> None:
    (curve,) = learning_curves(points_of(rows([4, 5, 6])))
    assert (curve.name, curve.pictures) == ("mine, no method", (100, 200, 400))
    assert [told(point.rows) for point in curve.points] == ["3 seeds"] * 3
    last = curve.doubling()
    assert last is not None
    assert (last.accuracy.mean, last.accuracy.count) == (pytest.approx(2.5), 3)
    assert curve.doubling(0) is None
    assert curve.verdict == "better"


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (
            [4, 5, 6],
            "from 200 to 400 training pictures, gave +2.5 points [+1.3, +3.7] (3 seeds, 200"
            " held-out pictures): shown to help; a further doubling, to 800, is"
            " likely to help as well, by as much or less (an extrapolation)",
        ),
        (
            [-4, 1, 6],
            "gave +0.5 points [-5.7, +6.7] (3 seeds, 200 held-out pictures): no difference"
            " shown; a further doubling, to 800, is not shown to help, and is"
            " unlikely to give more than +6.7 (an extrapolation); more seeds"
            " may narrow this",
        ),
        (
            [-4, -5, -6],
            "pictures): shown to hurt, in as many steps; longer training or a larger net may be",
        ),
        ([4], "gave +2.0 points (1 seed, 200 held-out pictures): not tested; two seeds or more"),
    ],
)
def test_a_sentence_says_what_the_last_doubling_gave(gain: list[int], said: str) -> None:
    (curve,) = learning_curves(points_of(rows(gain)))
    assert curve.told.startswith("The last doubling, ")
    assert said in curve.told


def test_no_more_is_thought_of_than_is_left_to_gain() -> None:
    near = [{**of, "images": 20, "accuracy": 0.95 + 0.05 * (of["seed"] % 2)} for of in rows([0, 0])]
    for of, changed in zip(near[1::3], (1.0, 0.9), strict=True):
        of["accuracy"] = changed
    (curve,) = learning_curves(points_of(near))
    assert "unlikely to give more than +2.5 (an extrapolation)" in curve.told


NO_MORE = "the net has learned little (always answering the largest class reaches 35.00 %)"
RIGHT = "all held-out pictures are right already: nothing is left to gain here"


@pytest.mark.parametrize(
    ("accuracies", "other", "said", "verdict"),
    [
        ((0.35, 0.36), {}, f": {NO_MORE}: train longer (--epochs) before asking", LITTLE),
        ((0.35, 0.36), {"balanced_accuracy": 0.6}, "not shown to help", NO_DIFFERENCE),
        ((0.5, 0.51), {}, "not shown to help", NO_DIFFERENCE),
        ((1.0, 1.0), {}, f"): {RIGHT}", NO_DIFFERENCE),
    ],
)
def test_nothing_is_thought_of_a_net_at_either_end(
    accuracies: tuple[float, float], other: dict[str, float], said: str, verdict: str
) -> None:
    form = {"largest_class": 0.35, "classes": ["a", "b", "c"], **other}
    made = [{**of, **form, "accuracy": accuracies[of["seed"] % 2]} for of in rows([0, 0, 0])]
    (curve,) = learning_curves(points_of(made))
    assert curve.chance == pytest.approx(35)
    assert said in curve.told
    assert ("an extrapolation" in curve.told) == (said == "not shown to help")
    assert curve.verdict == verdict


def test_more_seeds_are_not_asked_for_where_they_would_show_nothing() -> None:
    worse = [at(share, seed, 150, images=200_000) for share in (0.5, 1.0) for seed in range(3)]
    (curve,) = learning_curves(points_of(worse))
    assert "more than +0.0 (an extrapolation)" in curve.told
    assert "more seeds" not in curve.told


def test_ends_that_no_difference_has_are_not_told_and_few_pictures_are() -> None:
    few = [
        at(share, seed, (2, 12)[(seed + 2 * share) % 2 > 0], images=12)
        for share in (0.5, 1.0)
        for seed in range(2)
    ]
    (curve,) = learning_curves(points_of(few))
    assert "[-100.0, +100.0] (2 seeds, 12 held-out pictures)" in curve.told
    assert curve.told.endswith(
        "12 pictures are too few to judge by, as one is 8.3 points: add some"
    )


def test_of_groups_those_seeds_are_paired_whose_pictures_are_doubled() -> None:
    by_seed = {0: (34, 67), 1: (334, 334), 2: (34, 334), 3: (34, 67)}
    made = [
        at(share, seed, 100 + 20 * place + seed, training_images=images[place])
        for seed, images in by_seed.items()
        for place, share in enumerate((0.5, 1.0))
    ]
    (curve,) = learning_curves(points_of(made))
    assert "from 34 to 67 training pictures" in curve.told
    assert "(2 seeds, 200 held-out pictures)" in curve.told
    assert "; 2 of 4 runs are left out" in curve.told
    uneven = [of for of in made if of["seed"] in (1, 2)]
    assert learning_curves(points_of(uneven))[0].told.startswith("No share with half of")


def test_curves_that_differ_in_their_split_alone_are_told_apart() -> None:
    folds = [
        {**of, "trained_on": f"fold-{of['seed'] + 1}-of-3", "seed": 0} for of in rows([4, 5, 6])
    ]
    both = points_of([*rows([4, 5]), *folds])
    assert [curve.name for curve in learning_curves(both)] == [
        "mine, no method, split selection",
        "mine, no method, split 3-folds",
    ]
    (chart,) = learning_charts(both)
    assert "split selection" in chart.wide
    assert len({of.title for of in learning_tables(both)}) == 2


def test_seeds_that_happen_to_agree_are_no_certainty() -> None:
    same = [{**of, "accuracy": 0.7} for of in rows([0, 0])]
    (curve,) = learning_curves(points_of(same))
    assert all(of.low < 70 < of.high for of in curve.accuracies)


def test_without_half_of_the_pictures_nothing_is_told_of_a_doubling() -> None:
    (curve,) = learning_curves(points_of(rows([4, 5], half=0.7)))
    assert curve.verdict == ""
    assert curve.told.startswith("No share with half of the 400 training pictures was trained")
    others = [at(0.5, 0, 150), at(1.0, 7, 160)]
    (apart,) = learning_curves(points_of(others))
    assert apart.doubling() is None, "no seed in common"
    assert apart.told.startswith("No share with half")


def test_folds_are_replicates_whose_interval_is_wider() -> None:
    by_fold = [
        {**of, "trained_on": f"fold-{of['seed'] + 1}-of-3", "seed": 0} for of in rows([4, 5, 6])
    ]
    (curve,), (seeds,) = (learning_curves(points_of(of)) for of in (by_fold, rows([4, 5, 6])))
    assert curve.doubling() is not None
    assert curve.accuracies[2].high > seeds.accuracies[2].high


def test_rows_of_all_pictures_from_before_they_were_counted_have_the_others_number() -> None:
    older = [dict(of) for of in rows([4, 5])]
    for of in older:
        if "share" not in of["recipe"]:
            del of["training_images"]
    (curve,) = learning_curves(points_of(older))
    assert curve.pictures == (100, 200, 400)


def test_nets_methods_and_lengths_have_a_curve_each_and_others_none() -> None:
    several = [*rows([4, 5]), *rows([1, 2], methods=("blurpool",)), at(1.0, 0, 150, ("ema",))]
    longer = [{**of, "epochs": 9, "recipe": {**of["recipe"], "epochs": 9}} for of in rows([4, 5])]
    found = learning_curves(points_of([*several, *longer]))
    assert [curve.name for curve in found] == [
        "mine, no method, epochs 3",
        "mine, blurpool",
        "mine, no method, epochs 9",
    ]


def test_a_share_of_no_number_is_that_of_all() -> None:
    """Rows may be anybody's."""
    odd = [*rows([4]), at(1.0, 1, 150, recipe={"epochs": 3, "share": "all"})]
    assert len(learning_curves(points_of(odd))) == 1


def test_the_page_draws_the_curve_and_says_the_sentence() -> None:
    records = Records(rows([4, 5, 6]), Status(9, 0, 0, 0, 0.0, ()), {})
    section, chart = charts_of(records)[0]
    assert (section, chart.title) == (
        "mnist, held-out images",
        "Accuracy against training pictures",
    )
    assert chart.wide.count("<circle") == 3 + 1, "a point a share, and the legend"
    assert "mine, no method, 400 pictures: 74.00 %" in chart.wide
    assert "shown to help" in chart.note
    (table,) = [of for of in tables_of(records) if of.title == "Accuracy by training pictures"]
    texts = [[cell.text for cell in cells] for cells in table.rows]
    assert [cells[0] for cells in texts] == ["100", "200", "400"]
    assert texts[0][4:] == ["-", "-"]
    assert texts[2][4:] == ["+2.50 [+1.26, +3.74]", "better"]
    assert "shown to help" in table.note


def test_a_page_of_nothing_else_begins_with_its_answer() -> None:
    of_curve = [{**of, "study": CURVE} for of in rows([4, 5, 6])]
    page, of_study = (
        render(Records(of, Status(9, 0, 0, 0, 0.0, ()), {}), "t", "", [])
        for of in (of_curve, rows([4, 5, 6]))
    )
    sentence, chart = "<p>The last doubling, from 200", "<b>Accuracy against training pictures</b>"
    assert page.index(sentence) < page.index(chart) < page.index('<div class="facts">')
    assert page.count(chart) == of_study.count(chart) == 1
    assert page.count('aria-label="Accuracy by training pictures"') == 1
    assert page.count("The last doubling, from 200") == 1
    assert of_study.count("The last doubling, from 200") == 1, "below the chart alone"
    assert of_study.index(chart) > of_study.index('<div class="facts">')


def test_a_net_that_learned_little_is_told_once() -> None:
    other = {"largest_class": 0.7, "classes": ["a", "b"], "balanced_accuracy": 0.5, "study": CURVE}
    little = [{**of, **other} for of in rows([1, 0, -1])]
    page = render(Records(little, Status(9, 0, 0, 0, 0.0, ()), {}), "t", "", [])
    assert page.count("the net has learned little") == 1
    elsewhere = [{**of, "study": "s"} for of in little]
    page = render(Records(elsewhere, Status(9, 0, 0, 0, 0.0, ()), {}), "t", "", [])
    assert page.count("the net has learned little.") == 1, "on top"


def test_what_is_beside_the_curve_shows_all_pictures_alone() -> None:
    points = points_of(rows([4, 5]))
    assert [point.first["recipe"] for point in longest(points)] == [{"epochs": 3}]
    assert learning_charts(points_of([at(1.0, 0, 150)])) == []
    assert learning_tables(points_of([at(1.0, 0, 150)])) == []
