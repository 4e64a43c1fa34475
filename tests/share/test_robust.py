"""The model card tells what was measured of robustness."""

from dataclasses import asdict, replace
from pathlib import Path

import torch

import smidgen as sm
from smidgen.data import Split
from smidgen.recipe import Recipe
from smidgen.robust.card import robust_card
from smidgen.share.card import card_of
from smidgen.share.facts import facts_of


def test_the_card_holds_figures_where_a_row_bears_them(tmp_path: Path) -> None:
    data = sm.data.load("digits")
    net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(*data.shape), 10)
    sm.train(net, data, recipe=Recipe(epochs=1), folder=tmp_path / "run")
    facts = facts_of(tmp_path / "run")
    assert "were not measured" in card_of(facts)
    images = Split(data.test.images[:20], data.test.labels[:20])
    card = robust_card(lambda pixels: torch.eye(10)[pixels.long().sum((1, 2, 3)) % 10], images)
    rows = tuple({**row, "robust": asdict(card)} for row in facts.rows)
    text = card_of(replace(facts, rows=rows))
    assert f"| accuracy, corrupted | {100 * card.accuracy:.2f} % |" in text
    worst = min(card.corruptions, key=lambda one: one.accuracy)
    assert f"{100 * worst.accuracy:.2f} % | {worst.name.replace('_', ' ')} |" in text
    assert "sure of noise" in text
    assert "Noise, blur, light" not in text
