"""The section of robustness, from rows that bear cards."""

from dataclasses import asdict, replace
from typing import Any

import pytest
import torch

from smidgen.data import Split
from smidgen.report.page import charts_of, render, tables_of
from smidgen.report.points import points_of
from smidgen.report.robust import corrupted, robust_looks, shifted
from smidgen.robust.card import RobustCard, robust_card
from smidgen.study.records import Records
from smidgen.study.status import Status


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
    figures, effects = look.tables
    assert [cells[0].text for cells in figures.rows] == ["cosine", "blurpool + cosine"]
    place = effects.columns.index("corrupted %")
    assert effects.rows[0][0].text == "blurpool"
    assert effects.rows[0][place].value == pytest.approx(2)
    assert effects.rows[0][effects.columns.index("clean %")].value == 0
    assert {chart.title for chart in look.charts} == {"Accuracy by corruption", "Reliability"}


def test_figures_are_those_of_the_card(card: RobustCard) -> None:
    one = row(card, 0, [])
    assert corrupted(one) == 100 * card.accuracy
    assert shifted(one) == 100  # even pictures look alike wherever they are


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
    assert "Robustness" in {table.title for table in tables_of(records)}
    assert "Reliability" in {chart.title for _, chart in charts_of(records)}
