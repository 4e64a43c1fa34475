"""A closer look shows what the rows hold, warns where it must, and does without what is missing."""

import base64
import re
from html import unescape
from struct import pack
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.report.conftest import MATRIX, NAMES, Rows, png, row, seen

from smidgen.report.confused import most_confused
from smidgen.report.doubts import (
    doubted_labels,
    doubts,
    few_are_wrong,
    sound,
    sure_enough,
    weakness,
)
from smidgen.report.look import Look, closer_look
from smidgen.report.matrix import confusion_chart
from smidgen.report.notices import (
    has_learned_little,
    of_baselines,
    of_classes,
    of_grouped,
    of_little,
)
from smidgen.report.points import points_of
from smidgen.report.svg import TEXT, width_of
from smidgen.report.tables import Cell, Table


def wrong(image: int, label: int, answer: int, probability: float, *, sure: bool) -> dict[str, Any]:
    return {
        "image": image, "label": label, "answer": answer, "probability": probability, "sure": sure,
    }  # fmt: skip


def look_at(rows: Rows, baselines: Rows | None = None) -> Look:
    (point,) = points_of(rows)
    found = closer_look(point, baselines or [])
    assert found
    return found


def named(table: Table, name: str) -> dict[str, Cell]:
    (cells,) = [cells for cells in table.rows if cells[0].text == name]
    return dict(zip(table.columns, cells, strict=True))


def test_the_classes_are_told_one_by_one() -> None:
    (table,) = look_at([seen(0), seen(1)]).tables
    cat, owl = named(table, "cat"), named(table, "owl")
    assert (cat["examples"].text, cat["images"].text) == ("300", "80")
    assert (cat["precision %"].text, cat["recall %"].text) == ("85.7", "75.0")
    assert cat["most taken for"].text == "dog\u200e, 25.0 %"  # the mark: a name may run to the left
    assert (owl["precision %"].text, owl["recall %"].text, owl["F1 %"].text) == ("-", "0.0", "0.0")


def test_a_column_of_nothing_is_left_out() -> None:
    (table,) = look_at([seen(0, examples=[])]).tables
    assert "examples" not in table.columns
    assert "Examples" not in table.note
    assert named(table, "cat")["images"].text == "80"


def test_names_of_a_matrix_do_not_reach_its_side_s_title() -> None:
    chart = confusion_chart(MATRIX, [16 * "<", "dog", "owl"])
    for drawing in (chart.wide, chart.narrow):
        ends = re.findall(r'x="([\d.]+)" [^>]*text-anchor="end">([^<]*)<', drawing)
        for right, name in ((float(x), unescape(name)) for x, name in ends):
            assert right - 1.15 * width_of(name) > TEXT + 3, "of a font that is wider than expected"


def test_a_class_that_is_never_answered_is_warned_of() -> None:
    other = [[60, 20, 0], [10, 70, 0], [0, 39, 1]]
    both = look_at([seen(0), seen(1, confusion=other)])
    assert [text.split(":")[0] for text in both.warnings] == [
        "Class owl is never answered by 1 of 2 seeds"
    ]
    assert both.warnings[0].endswith(": by that seed its accuracy is 0 %, whatever the accuracy of"
                                     " all says.")  # fmt: skip
    assert look_at([seen(0, confusion=other)]).warnings == ()


def test_many_classes_that_are_never_answered_are_one_notice() -> None:
    names = [f"c{n}" for n in range(100)]
    one_answer = [[2 * (column == 0) for column in range(100)] for _ in names]
    few = [[2 * (column == row % 6) for column in range(100)] for row in range(100)]
    rows = [seen(0, classes=names, confusion=one_answer, accuracy=0.01)]
    (line,) = of_classes(rows, names)
    assert line.replace("\u200e", "").startswith(
        "99 of 100 classes are never answered: c1, c2, c3 and 96 more; their accuracy is 0 %"
    )
    of_all, of_some = of_classes([*rows, seen(1, classes=names, confusion=few)], names)
    assert of_all.startswith("94 of 100 classes are never answered by 2 of 2 seeds: c6")
    assert of_some.replace("\u200e", "").startswith(
        "Each of c1, c2, c3 and 2 more (5 of 100 classes) is never answered by at least one of the"
        " 2 seeds: by such seeds its accuracy is 0 %"
    )


def test_classes_that_seeds_leave_out_in_turn_are_not_said_to_be_those_of_one() -> None:
    names = ["cat", "dog", "owl"]
    in_turn = [[[2 * (column != seed) for column in range(3)]] * 3 for seed in range(3)]
    (line,) = of_classes([seen(seed, confusion=of) for seed, of in enumerate(in_turn)], names)
    assert line.replace("\u200e", "").startswith(
        "Each of cat, dog, owl (3 of 3 classes) is never answered by at least one of the 3 seeds:"
    )


@pytest.mark.parametrize(
    ("accuracy", "balanced", "told"),
    [
        (0.45, 0.48, ": the net has learned little."),
        (0.2778, 0.2, "27.78 % is no more than what always answering the largest class reaches,"
                      " 40.00 %: the net has learned little."),
        (0.45, 0.35, "45.00 % is near what"),
        (0.45, 0.6, "; of each class alike it finds more than one answer for all, 60.00 % against"
                    " 33.33 %."),
        (0.65, 0.5, ""),
    ],
)  # fmt: skip
def test_a_net_near_one_answer_for_all_is_warned_of(
    accuracy: float, balanced: float, told: str
) -> None:
    (point,) = points_of([seen(0, accuracy=accuracy, balanced_accuracy=balanced)])
    lines = of_little(point)
    assert told in lines[0] if told else lines == []


def test_pictures_of_few_groups_are_told_to_be_fewer_witnesses() -> None:
    told = "200 test images are of 8 groups: for new groups the accuracy is less certain"
    assert look_at([seen(0, groups=8), seen(1, groups=8)]).warnings[0].startswith(told)
    assert not any("groups" in text for text in look_at([seen(0), seen(1, groups=None)]).warnings)
    folds = [
        row("a", [], 0, 15, images=20, trained_on=f"fold-{n}-of-2", split="held-out", groups=3)
        for n in (1, 2)
    ]
    (point,) = points_of(folds)
    (line,) = of_grouped(point)
    assert line.startswith("40 held-out images are of 6 groups: ")


def test_what_the_folds_of_a_seed_answer_is_of_folds() -> None:
    sure = [wrong(9, 1, 0, 0.9, sure=True)]
    folds = [seen(0, wrong=sure, trained_on=f"fold-{n}-of-5") for n in range(1, 6)]
    look = look_at(folds)
    assert look.about.startswith("no method, 5 folds of 1 seed, ")
    assert "Class owl is never answered by 5 of 5 folds: its" in look.warnings[0]
    assert look.tables[0].note.endswith("of the answers of 5 folds of 1 seed together.")
    assert "summed over 5 folds of 1 seed;" in look.charts[0].note
    first, second = look.walls
    assert first.shots[0].detail == "90 %, 5 of 5 folds"
    assert "All 5 folds" in second.note


def test_the_floor_stands_beside_balanced_accuracy() -> None:
    line = look_at([seen(0)]).lines[0]
    assert "54.17 %" in line
    assert "40.00 % accuracy and 33.33 % balanced" in line


def test_classes_without_images_are_no_part_of_the_floor() -> None:
    always_cat = [[90, 0, 0], [110, 0, 0], [0, 0, 0]]
    row = seen(0, confusion=always_cat, accuracy=0.45, balanced_accuracy=0.5, largest_class=0.55)
    assert has_learned_little(row)
    look = look_at([row])
    assert look.lines[0].endswith("accuracy and 50.00 % balanced.")
    assert look.warnings[0].endswith("55.00 %: the net has learned little.")


def test_the_surest_wrong_answers_come_with_their_pictures() -> None:
    first = [wrong(7, 0, 1, 0.9, sure=True), wrong(3, 2, 1, 0.8, sure=False)]
    second = [wrong(3, 2, 1, 0.6, sure=True)]
    rows = [
        seen(0, wrong=first, pictures={"test/7": png(1), "test/3": png(2)}),
        seen(1, wrong=second),
    ]
    (wall,) = look_at(rows).walls
    owl, cat = wall.shots
    assert (owl.answer, owl.label, owl.detail) == ("dog", "labelled owl", "70 %, 2 of 2 seeds")
    assert (owl.picture, owl.place) == (png(2), "test image 3")
    assert cat.detail == "90 %, 1 of 2 seeds"


def test_a_picture_that_seeds_answer_in_several_wrong_ways_is_shown_once() -> None:
    first = [wrong(7, 0, 1, 0.9, sure=True), wrong(3, 2, 1, 0.8, sure=False)]
    rows = [seen(0, wrong=first), seen(1, wrong=[wrong(7, 0, 2, 0.6, sure=True)])]
    (wall,) = look_at(rows).walls
    assert [shot.place for shot in wall.shots] == ["test image 7", "test image 3"]
    assert wall.shots[0].answer == "dog", "the surer one"
    assert wall.shots[0].detail == "90 %, 1 of 2 seeds; owl\u200e 60 %, 1 of 2 seeds"


def test_seeds_that_list_no_wrong_answers_are_not_counted() -> None:
    """As rows of ``evaluate --row`` of 0.1.0, which tell their figures alone."""
    sure = [wrong(9, 1, 0, 0.9, sure=True)]
    rows = [seen(0, wrong=sure), seen(1, wrong=sure), seen(2, wrong=None)]
    first, second = look_at(rows).walls
    assert first.shots[0].detail == second.shots[0].detail == "90 %, 2 of 2 seeds"
    assert "All 2 seeds" in second.note


def test_a_test_label_is_doubted_only_with_one_voice_and_surely() -> None:
    first = [wrong(9, 1, 0, 0.9, sure=True), wrong(8, 1, 0, 0.9, sure=False)]
    second = [wrong(9, 1, 0, 0.8, sure=True), wrong(8, 1, 0, 0.8, sure=True)]
    rows = [seen(0, wrong=first), seen(1, wrong=second)]
    wall = look_at(rows).walls[-1]
    assert wall.title == "Labels of test images that the models contradict"
    assert [shot.place for shot in wall.shots] == ["test image 9"]
    (only,) = look_at(rows[:1]).walls
    assert only.title == "The surest wrong answers", "one seed's word is no contradiction"


def held_out(seed: int, *doubted: dict[str, Any], **other: Any) -> dict[str, Any]:
    told = [{"part": "train", **of} for of in doubted]
    form: dict[str, Any] = {"split": "held-out", "trained_on": "selection", "doubted": told}
    return seen(seed, **{**form, **other})


@pytest.mark.parametrize(("accuracy", "images", "few"), [
    (0.55, 57, True), (0.64, 24, True), (0.7, 57, False), (0.55, 2000, False), (0.4, 2000, True),
])  # fmt: skip
def test_a_net_that_is_wrong_as_often_as_right_is_no_witness_against_labels(
    accuracy: float, images: int, *, few: bool
) -> None:
    told = few_are_wrong(accuracy, images)
    assert bool(told) == few
    assert not few or f"right on {100 * accuracy:.1f} % of {images:,} such images" in told


def test_beside_doubts_stands_that_the_models_are_weak() -> None:
    answer = wrong(5, 0, 1, 0.9, sure=True)
    for right, weak in ((0.9, False), (0.55, True)):
        rows = [held_out(n, answer, accuracy=right, images=57) for n in range(2)]
        wall = doubts(rows)
        assert wall
        assert ("few of these labels will be wrong" in wall.note) == weak
        assert bool(weakness(rows)) == weak
    assert weakness([]) == ""


def test_a_label_is_doubted_by_most_models_that_did_not_see_it() -> None:
    dog, owl = wrong(5, 0, 1, 0.9, sure=True), wrong(6, 0, 2, 0.7, sure=True)
    rows = [
        held_out(0, dog, {**owl, "file": "cat/7.jpg"}, pictures={"train/5": png()}),
        held_out(1, {**dog, "probability": 0.7}, {**owl, "answer": 1}),
        held_out(2, dog, {**owl, "file": "cat/7.jpg"}),
        held_out(3),
    ]
    wall = doubts(rows)
    assert wall
    (first,) = wall.shots
    assert (first.answer, first.label) == ("dog", "labelled cat")
    assert (first.detail, first.picture) == ("83 %, 3 of 4 models", png())
    assert wall.note.endswith(" Without a picture here: cat/7.jpg\u200e as owl.")
    unseen = doubts([{**of, "pictures": {}} for of in rows])
    assert unseen
    assert [shot.place for shot in unseen.shots] == ["train image 5", "cat/7.jpg"]
    assert doubted_labels(rows)[0] == ("train image 5", "cat", "dog", pytest.approx(2.5 / 3), 3, 4)
    assert [of.picture for of in doubted_labels(rows)] == ["train image 5", "cat/7.jpg"]
    assert look_at([seen(0)]).walls == ()
    (point,) = points_of([seen(0)])
    look = closer_look(point, [], rows)
    assert look
    assert [wall.title for wall in look.walls] == ["Labels that the models contradict"]


def test_models_that_do_not_tell_their_doubts_have_no_say() -> None:
    doubt = wrong(5, 0, 1, 0.9, sure=True)
    wall = doubts(
        [held_out(0, doubt), held_out(1, doubt), *(held_out(n, doubted=None) for n in range(2, 9))]
    )
    assert wall
    assert wall.shots[0].detail == "90 %, 2 of 2 models"


def test_a_single_model_or_a_minority_doubts_nothing() -> None:
    doubt = wrong(5, 0, 1, 0.9, sure=True)
    assert doubts([held_out(0, doubt)]) is None
    assert doubts([held_out(n, *([doubt] if n < 2 else [])) for n in range(5)]) is None
    assert doubts([]) is None


def test_hardly_trained_models_have_no_say() -> None:
    doubt = wrong(5, 0, 1, 0.9, sure=True)
    rows = [held_out(n, epochs=20) for n in range(3)]
    assert doubts([*rows, *(held_out(n, doubt, epochs=9) for n in range(9))]) is None
    assert doubts([*rows, *(held_out(n, doubt, epochs=10) for n in range(9))])


def test_models_near_chance_doubt_no_label() -> None:
    doubt = wrong(5, 0, 1, 0.9, sure=True)
    little = [held_out(n, doubt, accuracy=0.4, balanced_accuracy=0.34) for n in range(3)]
    wall = doubts(little)
    assert wall
    assert (wall.shots, "are near chance" in wall.note) == ((), True)
    assert doubts([{**of, "doubted": []} for of in little]) is None
    wall = doubts([*little, *(held_out(n, doubt) for n in range(3, 5))])
    assert wall
    assert wall.shots[0].detail == "90 %, 2 of 2 models"
    rows = [seen(n, wrong=[doubt], accuracy=0.4, balanced_accuracy=0.34) for n in range(2)]
    assert [of.title for of in look_at(rows).walls] == ["The surest wrong answers"]


def test_a_doubt_must_be_well_above_an_even_guess() -> None:
    unsure, sure = wrong(5, 0, 1, 0.6, sure=True), wrong(6, 0, 1, 0.7, sure=True)
    wall = doubts([held_out(n, unsure, sure) for n in range(2)])
    assert wall
    assert [shot.place for shot in wall.shots] == ["train image 6"]
    titles = [of.title for of in look_at([seen(n, wrong=[unsure]) for n in range(2)]).walls]
    assert titles == ["The surest wrong answers"]
    assert [sure_enough(*of) for of in ((0.14, 10), (0.2, 10), (0.7, 2), (0.75, 2))] == [
        False, True, False, True,
    ]  # fmt: skip


def test_a_round_of_folds_that_few_models_had_doubts_nothing() -> None:
    doubt = wrong(5, 0, 1, 0.9, sure=True)
    rows = [held_out(n, trained_on="fold-1-of-2") for n in range(9)]
    again = [held_out(n, doubt, trained_on="fold-2-of-2-round-2") for n in range(2)]
    assert doubts([*rows, *again]) is None, "nine models of the first round judged it as well"
    assert doubts(again)


def test_each_fold_is_judged_by_its_own_models() -> None:
    doubt = wrong(5, 0, 1, 0.9, sure=True)
    rows = [held_out(n, trained_on="fold-1-of-2") for n in range(9)]
    rows += [held_out(n, doubt, trained_on="fold-2-of-2") for n in range(2)]
    wall = doubts(rows)
    assert wall
    assert wall.shots[0].detail == "90 %, 2 of 2 models"


def test_copies_are_told() -> None:
    copied = {"train": 12, "test": 3, "across": 2, "labels": 1}
    told = look_at([seen(0, copies=copied)]).lines[1]
    for part in (
        "12 among the training",
        "2 test images are among the",
        "1 image has a copy with",
    ):
        assert part in told
    assert look_at([seen(0)]).lines[1].startswith("No two images are copies")


def test_a_baseline_stands_beside_and_a_better_one_is_warned_of() -> None:
    def plain(net: str, right: float) -> dict[str, Any]:
        return {"study": "baseline", "net": net, "accuracy": right, "balanced_accuracy": None,
                "params": 7850}  # fmt: skip

    beside = [plain("random-forest", 0.7), plain("logistic-regression", 0.6)]
    found = look_at([seen(0, confusion=None)], beside)
    (table,) = found.tables
    assert [cells[0].text for cells in table.rows] == [
        "random-forest", "mine", "logistic-regression",
    ]  # fmt: skip
    (warning,) = found.warnings
    assert warning.startswith("random-forest on the same pixels is ahead: 70.00 % against 65.00 %")


def test_the_net_is_drawn_with_what_each_layer_costs() -> None:
    net = look_at([seen(0)]).charts[-1]
    for drawing in (net.wide, net.narrow):
        said = " ".join(ElementTree.fromstring(drawing).itertext())
        for part in ("conv(out_channels=8)", "8x28x28", "88", "56,448", "7,056"):
            assert part in said
    assert "7,056 B RAM" in net.narrow


def test_the_most_confused_pairs_come_first_with_their_pictures() -> None:
    answers = [wrong(image, 0, 1, 0.9, sure=True) for image in range(5)]
    pictures = {f"test/{image}": png(image) for image in range(1, 5)}
    row = seen(0, confusion=[[36, 12, 0], [1, 1, 0], [0, 40, 8]], wrong=answers, pictures=pictures)
    pairs = most_confused(row["confusion"], NAMES, [row])
    told = [" ".join((of.label, "->", of.answer, of.told)).replace("\u200e", "") for of in pairs]
    assert told == [
        "owl -> dog 83.3 % (40 of 48)", "cat -> dog 25 % (12 of 48)", "dog -> cat 50 % (1 of 2)",
    ]  # fmt: skip
    assert pairs[1].pictures == tuple((png(n), f"test image {n}") for n in (1, 2, 3))
    many = [[1] * 60] * 60
    assert len(most_confused(many, [f"c{n}" for n in range(60)], [])) == 10
    held = held_out(0, answers[0], pictures={"train/0": png()})
    assert most_confused(row["confusion"], NAMES, [held])[1].pictures == ((png(), "train image 0"),)


def test_a_confusion_is_drawn_with_its_numbers() -> None:
    chart = look_at([seen(0), seen(1)]).charts[0]
    said = list(ElementTree.fromstring(chart.wide).itertext())
    assert "cat answered as dog\u200e: 40 (25.0 %)" in said
    many = look_at([seen(0, classes=[f"c{n}" for n in range(60)], confusion=[[1] * 60] * 60)])
    assert len(many.charts[0].wide) < 800_000


@pytest.mark.parametrize(("classes", "most"), [(40, 1_200_000), (41, 800_000), (100, 1_000_000)])
def test_a_confusion_of_many_classes_is_small_whatever_it_holds(classes: int, most: int) -> None:
    names = [f"{n} {100 * 'x'}" for n in range(classes)]
    full = [[1 + 99 * (own == n) for n in range(classes)] for own in range(classes)]
    chart = look_at([seen(0, classes=names, confusion=full)]).charts[0]
    assert len(chart.wide) + len(chart.narrow) < most
    assert re.search(r">7 x+… answered as 7 x+…\u200e: 100 \([\d.]+ %\)<", chart.wide)
    empty = [[9 * (own == n) for n in range(classes)] for own in range(classes)]
    few = look_at([seen(0, classes=names, confusion=empty)]).charts[0]
    assert (few.wide.count(": 0 (") == 0) == (classes > 40), "empty cells of many are not drawn"


def test_names_and_numbers_of_a_confusion_fit_their_cells() -> None:
    def drawn(names: list[str], width: str) -> str:
        every = [[4000] * len(names)] * len(names)
        return str(getattr(look_at([seen(0, classes=names, confusion=every)]).charts[0], width))

    assert drawn(["0", "1"], "wide").count("rotate(-90") == 1, "the title of the axis alone"
    assert drawn(["cat", "locomotive"], "wide").count("rotate(-90") == 3
    narrow = drawn([f"class {n}" for n in range(10)], "narrow")
    sizes = re.findall(r'font-size="([\d.]+)" text-anchor="middle">4000<', narrow)
    cells = re.findall(r'<rect [^>]*width="([\d.]+)"', narrow)
    assert len(sizes) == 100
    assert width_of("4000", float(sizes[0])) < float(cells[0]) - 2


def test_old_rows_show_nothing_and_break_nothing() -> None:
    (point,) = points_of([row("mine", [], 0, 100)])
    assert closer_look(point, []) is None


@pytest.mark.parametrize(
    "bad", ["", "x", '"onload="', base64.b64encode(b"<svg/>").decode(), 7, None]
)
def test_only_a_small_png_is_taken_for_a_picture(bad: Any) -> None:
    assert sound(bad) == ""
    assert sound(png()) == png()
    large = base64.b64encode(base64.b64decode(png()) + bytes(40_000)).decode()
    assert sound(large) == ""


@pytest.mark.parametrize(("sides", "taken"), [((64, 64), True), ((65, 1), False), ((1, 65), False)])
def test_a_picture_of_many_pixels_is_left_out_by_its_header(
    sides: tuple[int, int], *, taken: bool
) -> None:
    raw = base64.b64decode(png())
    told = base64.b64encode(raw[:16] + pack(">II", *sides) + raw[24:]).decode()
    assert bool(sound(told)) == taken
    assert sound(base64.b64encode(raw[:20]).decode()) == ""


def test_a_picture_that_two_seeds_answer_wrong_is_shown_once() -> None:
    answers = [wrong(image, 0, 1, 0.9, sure=True) for image in (1, 2)]
    of = seen(0, confusion=[[36, 12, 0], [1, 1, 0], [0, 40, 8]], wrong=answers[:1])
    rows = [
        {**of, "pictures": {"test/1": png(1)}},
        {**of, "seed": 1, "wrong": answers, "pictures": {"test/1": png(1), "test/2": png(2)}},
    ]
    pair = most_confused(of["confusion"], NAMES, rows)[1]
    assert [name for _, name in pair.pictures] == ["test image 1", "test image 2"]


def test_what_older_rows_doubt_is_of_the_training_images() -> None:
    answer = wrong(0, 0, 1, 0.9, sure=True)
    old = held_out(0, answer, pictures={"train/0": png()})
    for one in old["doubted"]:
        one.pop("part", None)
    matrix = [[36, 12, 0], [1, 1, 0], [0, 40, 8]]
    assert most_confused(matrix, NAMES, [old])[1].pictures == ((png(), "train image 0"),)


def test_one_seed_that_learned_little_is_enough_to_tell_it() -> None:
    rows = [seen(n, accuracy=0.45, balanced_accuracy=of) for n, of in enumerate((0.48, 0.9))]
    (point,) = points_of(rows)
    assert of_little(point)[0].endswith(": the net has learned little.")


def test_a_class_that_two_of_three_seeds_never_answer_is_told_of_such_seeds() -> None:
    other = [[60, 20, 0], [10, 70, 0], [0, 39, 1]]
    rows = [seen(0), seen(1), seen(2, confusion=other)]
    (line,) = [one for one in look_at(rows).warnings if "owl" in one]
    assert "by 2 of 3 seeds: by such seeds its accuracy" in line


def test_a_baseline_that_reaches_as_much_is_not_ahead() -> None:
    (point,) = points_of([seen(0, accuracy=0.65)])
    as_much, more = ({"net": "a plain learner", "accuracy": of} for of in (0.65, 0.66))
    assert of_baselines(point, [as_much]) == []
    (said,) = of_baselines(point, [more])
    assert said.startswith("a plain learner on the same pixels is ahead: 66.00 %")
