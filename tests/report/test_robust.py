"""The section of robustness, from rows that bear cards."""

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from smidgen.chance import wilson
from smidgen.data import Split
from smidgen.report.chart import Chart
from smidgen.report.page import charts_of, render, tables_of
from smidgen.report.points import points_of
from smidgen.report.robust import robust_looks
from smidgen.report.robust_figures import DRAWN, corrupted, noticed, shifted
from smidgen.report.tables import Table
from smidgen.robust.card import RobustCard, robust_card
from smidgen.robust.confidence import Threshold
from smidgen.study.records import Records, load
from smidgen.study.status import Status

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def card() -> RobustCard:
    levels = torch.linspace(20, 235, 20).round().to(torch.uint8)
    images = levels[:, None, None, None].expand(20, 1, 28, 28).contiguous()

    def answers(pixels: torch.Tensor) -> torch.Tensor:
        mean = pixels.float().mean((1, 2, 3)) / 255
        return torch.stack([torch.zeros_like(mean), 20 * (mean - 0.5)], 1)

    return robust_card(answers, Split(images, (levels > 127).long()))


def row(card: RobustCard, seed: int, methods: list[str], **more: Any) -> dict[str, Any]:
    return {
        "key": f"{seed}{methods}", "study": "s", "net": "tiny", "params": 10, "deployed_params": 9,
        "macs": 5, "methods": methods, "recipe": {"epochs": 1}, "data": "drawn", "epochs": 1,
        "fingerprint": "f", "trained_on": "full", "split": "test", "seed": seed, "images": 20,
        "accuracy": card.clean, "nll": 0.1, "ece": 0.1, "shift_consistency": 1.0, "seconds": 1.0,
        "bytes_int8": 9, "bytes_float32": 36, "bytes_on_disk": 50, "history": [], "versions": {},
        "revision": "r", "device": "cpu", "threads": 1, "precision": "float32", "kernels": "torch",
        "robust": asdict(card), **more,
    }  # fmt: skip


def rows(card: RobustCard) -> list[dict[str, Any]]:
    """Return two seeds of a baseline, and of a method that is two points better if corrupted."""
    better = replace(card, accuracy=card.accuracy + 0.02)
    plain = [row(card, seed, ["cosine"]) for seed in (0, 1)]
    return plain + [row(better, seed, ["blurpool", "cosine"]) for seed in (0, 1)]


def test_a_table_of_effects_is_paired_by_seed(card: RobustCard) -> None:
    (look,) = robust_looks(points_of(rows(card)))
    figures, effects, *_ = look.tables
    assert [cells[0].text for cells in figures.rows] == ["cosine", "blurpool + cosine"]
    place = effects.columns.index("corrupted %")
    assert effects.rows[0][0].text == "blurpool"
    assert effects.rows[0][place].value == pytest.approx(2)
    assert effects.rows[0][effects.columns.index("clean %")].value == 0
    assert [chart.title for chart in look.charts] == [
        "Accuracy by corruption", "Moved, turned and resized", "Light, contrast and focus",
        "Pictures of no class answered with a confidence of 90 % and more",
        "Accuracy of the surest answers", "Reliability",
    ]  # fmt: skip
    assert "drawn are" not in look.about, "all of them are"
    more = [row(card, 0, [f"m{number}", "cosine"]) for number in range(3)]
    (look,) = robust_looks(points_of([*rows(card), *more]))
    assert look.about.endswith("drawn are cosine and the 3 that are best on corrupted images.")


def test_shares_of_the_pictures_have_an_interval(card: RobustCard) -> None:
    low, high = (100 * end for end in wilson(1, 20))
    for told in (rows(card), rows(card)[:1]):
        (look,) = robust_looks(points_of(told))
        cells = dict(zip(look.tables[0].columns, look.tables[0].rows[0], strict=True))
        assert cells["clean %"].text == f"100.00 [{low:.2f}, {high:.2f}]"
        assert cells["clean %"].value == 100
        assert re.fullmatch(r"[\d.]+", cells["ECE %"].text), "no share of the pictures"
        assert "Wilson" in look.tables[0].note
        fog = re.search(r"<title>fog, cosine: ([\d.]+) \[([\d.]+), ([\d.]+)\]", look.charts[0].wide)
        assert fog
        assert float(fog[2]) < float(fog[1]) <= float(fog[3])


def test_tables_and_sections_say_what_they_are_of(card: RobustCard) -> None:
    def titles(*changed: dict[str, Any]) -> list[str]:
        told = [{**of, **more} for more in changed for of in rows(card)]
        looks = robust_looks(points_of(told))
        tables = tables_of(Records(told, Status(len(told), 0, 0, 0, 0.0, ()), {}))
        robust = [table.title for table in tables if "obustness" in table.title]
        assert len(robust) == len(set(robust))
        assert all(any(of.startswith(f"{look.title}: ") for of in robust) for look in looks)
        return [look.title for look in looks]

    noisy = [{"recipe": {"epochs": n, "label_noise": 0.2}, "epochs": n} for n in (1, 2)]
    alike = "Robustness of tiny on drawn"
    assert titles({}, {"data": "digits", "fingerprint": "g"}) == [
        alike, "Robustness of tiny on digits",
    ]  # fmt: skip
    wrong = f"{alike}, 20 % of the training labels wrong"
    assert titles({}, *noisy) == [alike, f"{wrong}, 1 epoch", f"{wrong}, 2 epochs"]
    parts = titles({}, {"split": "held-out", "trained_on": "fold-1-of-5"})
    assert parts == [
        f"{alike}, test images, trained on full", f"{alike}, held-out images, 5 folds",
    ]  # fmt: skip


def test_effects_over_folds_have_wider_intervals(card: RobustCard) -> None:
    folds = [{**of, "trained_on": f"fold-{of['seed'] + 1}-of-5"} for of in rows(card)]
    ends: list[list[float]] = []
    for told in (rows(card), folds):
        (look,) = robust_looks(points_of(told))
        text = look.tables[1].rows[0][2].text
        ends.append([float(end) for end in re.findall(r"[+-][\d.]+", text)])
    (mean, _, one), (same, _, wider) = ends
    assert mean == same
    assert wider - mean == pytest.approx((one - mean) * (1 + 2 / 4) ** 0.5, abs=0.02)


def test_figures_are_those_of_the_card(card: RobustCard) -> None:
    one = row(card, 0, [])
    assert corrupted(one) == 100 * card.accuracy
    assert shifted(one) == 100  # even pictures look alike wherever they are


def turned(card: RobustCard, accuracies: Sequence[float]) -> RobustCard:
    """Return a card with these accuracies for its four rotations."""
    rest = iter(accuracies)
    seen = (
        replace(of, accuracy=next(rest), consistency=0.5) if of.kind == "rotation" else of
        for of in card.seen
    )
    return replace(card, seen=tuple(seen))


def test_further_effects_are_means_over_amounts_and_nats_are_no_points(card: RobustCard) -> None:
    plain = turned(card, [0.8, 0.7, 0.6, 0.5])
    better = turned(replace(card, nll=card.nll - 0.0123, selective=((0.9, 1.0),)), [0.9] * 4)
    plain = replace(plain, selective=((1.0, 0.5), (0.9, 0.75)))
    of = [row(plain, seed, ["cosine"]) for seed in (0, 1)]
    of += [row(better, seed, ["blurpool", "cosine"]) for seed in (0, 1)]
    (look,) = robust_looks(points_of(of))
    table = look.tables[2]
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    assert cells["rotation %"].value == pytest.approx(25)
    assert cells["surest 90 % right %"].value == pytest.approx(25)
    assert cells["scale %"].value == 0
    assert cells["scale %"].text != "+0.00 [+0.00, +0.00]", "one image is the least difference"
    assert cells["NLL"].text == "-0.012 [-0.012, -0.012]"
    assert "rotation % 65.00" in table.note
    assert "over the threshold %" not in table.columns, "no card has a threshold"
    assert "threshold" not in table.note


def test_a_card_alone_has_further_figures_and_its_threshold(card: RobustCard) -> None:
    lone = replace(turned(card, [0.5] * 4), threshold=Threshold(0.9, 0.95, 0.6, 80, 0.625, 1.0))
    (look,) = robust_looks(points_of([row(lone, 0, ["cosine"])]))
    assert [table.title for table in look.tables] == [
        "Robustness", "Robustness, further", "I do not know", "Pictures of no class",
    ]  # fmt: skip
    cells = dict(zip(look.tables[1].columns, look.tables[1].rows[0], strict=True))
    assert cells["over the threshold %"].text == "62.50"
    assert "lets pass" in look.tables[1].note
    assert cells["rotation %"].text == "50.00 ± 20.07", "Wilson, of 20 pictures"
    assert cells["NLL"].text == f"{card.nll:.3f}"


def strange(card: RobustCard, *named: str, answered: float | None = None) -> RobustCard:
    """Return a card whose strangers are those that are named, a quarter of them surely answered."""
    one = replace(card.strangers[0], certain=0.25, told_apart=0.9, answered=answered)
    return replace(card, strangers=tuple(replace(one, name=name) for name in named))


def cells_of(table: Table, place: int = 0) -> dict[str, str]:
    return {
        column: cell.text for column, cell in zip(table.columns, table.rows[place], strict=True)
    }


def test_what_a_threshold_lets_pass_stands_beside_what_it_was_chosen_for(card: RobustCard) -> None:
    own = strange(card, "noise", "mnist", answered=0.5)
    first = replace(own, threshold=Threshold(0.9, 0.95, 0.6, 80, 0.625, 1.0))
    second = replace(own, threshold=Threshold(0.7, 0.95, 0.6, 80, 0.0, None))
    of = [row(first, 0, ["cosine"]), row(second, 1, ["cosine"]), row(card, 0, ["sam", "cosine"])]
    (look,) = robust_looks(points_of(of))
    (table,) = [table for table in look.tables if table.title == "I do not know"]
    cells = cells_of(table)
    assert cells["from a confidence of %"] == "80.00"
    assert cells["answered %"] == "31.25"
    assert cells["of these right %"] == "100.00 (1 seed)", "the only one with an answer"
    assert cells["of mnist answered %"] == "50.00"
    assert set(cells_of(table, 1).values()) == {"sam + cosine", "1", "-"}, "it has no threshold"


def test_a_difference_says_of_how_few_seeds_it_is(card: RobustCard) -> None:
    has = replace(card, threshold=Threshold(0.9, 0.95, 0.6, 80, 0.5, 1.0))
    of = [
        row(has if seed < 2 else card, seed, methods)
        for methods in (["cosine"], ["sam", "cosine"])
        for seed in range(3)
    ]
    (look,) = robust_looks(points_of(of))
    (table,) = [table for table in look.tables if table.title.startswith("Further effects")]
    cells = cells_of(table)
    assert cells["over the threshold %"].endswith(" (2 seeds)")
    assert not cells["NLL"].endswith("seeds)")
    assert "over the threshold % 50.00 (2 seeds)," in table.note


def test_pictures_of_no_class_are_told_kind_by_kind(card: RobustCard) -> None:
    own = strange(card, "noise", "mnist")
    of = [row(own, 0, ["cosine"]), row(strange(card, "noise"), 0, ["blurpool", "cosine"])]
    (look,) = robust_looks(points_of(of))
    assert "I do not know" not in [table.title for table in look.tables]
    (table,) = [table for table in look.tables if table.title == "Pictures of no class"]
    cells = cells_of(table)
    assert (cells["mnist, sure %"], cells["mnist, told apart %"]) == ("25.00", "90.00")
    assert cells_of(table, 1)["mnist, sure %"] == "-", "rows of older stores have no such pictures"
    chart = chart_of(
        "Pictures of no class answered with a confidence of 90 % and more",
        [(own, ["cosine"]), (strange(card, "noise"), ["blurpool", "cosine"])],
    )
    assert "<title>mnist, cosine: 25</title>" in chart.wide
    assert "mnist, blurpool" not in chart.wide
    none = replace(own, strangers=tuple(replace(of, certain=0.0) for of in own.strangers))
    assert chart_of(chart.title, [(none, ["cosine"])]).wide, "bars may all be of no length"


def test_pictures_of_other_data_do_not_move_the_figure_of_the_drawn_ones(card: RobustCard) -> None:
    assert tuple(of.name for of in card.strangers) == DRAWN
    mixed = strange(card, *DRAWN, "mnist")
    mixed = replace(
        mixed, strangers=(*mixed.strangers[:3], replace(mixed.strangers[3], told_apart=0.0))
    )
    assert noticed(row(mixed, 0, [])) == pytest.approx(90)


def test_integers_stand_beside_floats_where_a_row_has_both(card: RobustCard) -> None:
    integers = asdict(replace(card, accuracy=card.accuracy - 0.1))
    both = [row(card, seed, ["cosine"], robust_int8=integers) for seed in (0, 1)]
    (look,) = robust_looks(points_of([*both, row(card, 0, ["blurpool", "cosine"])]))
    table = look.tables[-1]
    assert table.title == "Robustness as int8"
    assert [cells[1].text for cells in table.rows] == ["float32", "int8", "difference"]
    place = table.columns.index("corrupted %")
    floats, ints, apart = (cells[place].value for cells in table.rows)
    assert (floats, ints) == pytest.approx((100 * card.accuracy, 100 * card.accuracy - 10))
    assert apart == pytest.approx(-10)
    assert table.rows[2][place].text.startswith("-10.00 [")


def chart_of(title: str, cards: Sequence[tuple[RobustCard, list[str]]]) -> Chart:
    (look,) = robust_looks(points_of([row(of, 0, methods) for of, methods in cards]))
    (found,) = [chart for chart in look.charts if chart.title == title]
    return found


def test_geometry_is_drawn_with_the_unchanged_picture(card: RobustCard) -> None:
    cards = [(turned(card, [0.9, 0.8, 0.7, 0.6]), ["cosine"]), (card, ["blurpool", "cosine"])]
    chart = chart_of("Moved, turned and resized", cards)
    for told in (
        "cosine, rotation of 10 degrees: 80.0 % [58.4, 91.9] right, 50.0 % [29.9, 70.1] answered"
        " as before",
        "blurpool + cosine, shift of 4 pixels: 100.0 % [83.9, 100.0] right, 100.0 %",
    ):
        assert told in chart.wide
        assert told in chart.narrow
    unchanged = f"<title>cosine, unchanged: {100 * card.clean:.1f} % ["
    assert chart.wide.count(unchanged) == 3, "a shift of nothing is none, either"
    assert "of 0 pixels" not in chart.wide
    assert "cosine, shift of 1 pixel: " in chart.wide
    assert "scale, times" in chart.wide
    assert "blur, pixels" not in chart.wide
    assert "over directions" in chart.note
    camera = chart_of("Light, contrast and focus", cards)
    assert "directions" not in camera.note, "it has none"
    assert camera.wide.count(unchanged) == 3
    assert "blur, pixels of 32" in camera.wide
    assert "blur of 1 pixel of 32: " in camera.wide


def test_the_surest_answers_and_the_best_nets_confidence_are_drawn(card: RobustCard) -> None:
    best = replace(card, accuracy=card.accuracy + 0.1, selective=((0.5, 0.99), (1.0, 0.5)))
    cards = [(card, ["cosine"]), (card, ["mixup", "cosine"]), (best, ["blurpool", "cosine"])]
    chart = chart_of("Accuracy of the surest answers", cards)
    assert "<title>blurpool + cosine, the surest 50 %: 99.00 % right</title>" in chart.wide
    reliability = chart_of("Reliability", cards)
    for name, drawn in (("cosine", 1), ("blurpool + cosine", 1), ("mixup + cosine", 0)):
        assert reliability.wide.count(f">confidence of {name}, %") == drawn


def test_wrong_labels_have_a_look_of_their_own(card: RobustCard) -> None:
    noisy = row(card, 0, ["cosine"], recipe={"epochs": 1, "label_noise": 0.4})
    titles = [look.title for look in robust_looks(points_of([*rows(card), noisy]))]
    assert titles == [
        "Robustness of tiny on drawn",
        "Robustness of tiny on drawn, 40 % of the training labels wrong",
    ]


def test_rows_without_cards_have_no_section(card: RobustCard) -> None:
    plain = [{name: of for name, of in one.items() if name != "robust"} for one in rows(card)]
    assert robust_looks(points_of(plain)) == []


def test_the_page_and_its_tables_hold_it(card: RobustCard) -> None:
    records = Records(rows(card), Status(4, 0, 0, 0, 0.0, ()), {})
    page = render(records, "Robust", "", [])
    assert "Robustness of tiny on drawn" in page
    assert "glass blur" in page
    assert "Robustness of tiny on drawn: Robustness" in {of.title for of in tables_of(records)}
    assert "Reliability" in {chart.title for _, chart in charts_of(records)}


@pytest.mark.parametrize(
    ("study", "tables"),
    [
        ("robust-mnist", ("Effects", "Further effects")),
        ("robust-cifar10", ("Effects", "Further effects")),
        ("robust-mnist-labels", ("Effects",)),
        ("robust-cifar10-labels", ("Effects",)),
        ("robust-digits", ("Effects",)),
    ],
)
def test_the_docs_have_the_tables_of_the_rows(study: str, tables: tuple[str, ...]) -> None:
    page = (ROOT / "docs" / "robustness.md").read_text()
    looks = robust_looks(points_of(load(ROOT / "results" / f"{study}.jsonl").rows))
    told = [table for look in looks for table in look.tables if table.title.startswith(tables)]
    assert len(told) == len(tables) * len(looks)
    for table in told:
        lines = table.to_markdown().split("\n\n")[1]
        assert lines.strip() in page


def test_a_card_of_windows_is_told_in_words_of_theirs() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(60, 200, (20, 3, 1, 32), generator=generator, dtype=torch.uint8)
    images[::2] = 120 + images[::2] // 20

    def answers(pixels: torch.Tensor) -> torch.Tensor:
        moved = pixels.double().flatten(2).std(2).mean(1)
        return torch.stack([torch.zeros_like(moved), (moved - 20) / 4], 1)

    own = robust_card(answers, Split(images, torch.arange(20) % 2))
    (look,) = robust_looks(points_of([row(own, 0, ["cosine"])]))
    assert "Corruptions of a sensor, by smidgen's own definitions" in look.about
    assert "over 12 corruptions" in look.tables[0].note
    assert "2 moments" in look.tables[0].note
    further = cells_of(look.tables[1])
    assert {"tempo %", "gain %", "offset %", "smoothing %"} < set(further)
    assert not {"rotation %", "blur %"} & set(further)
    assert "played faster or slower" in look.tables[1].note
    titles = {chart.title for chart in look.charts}
    assert {"Moved and played faster", "Gain, offset and smoothing"} < titles
    assert "Light, contrast and focus" not in titles
