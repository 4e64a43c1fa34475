"""Values are short at a prompt and tables in a notebook, and what they hold is harmless there."""

from typing import Any

import pytest
import torch

import smidgen as sm
from smidgen.data import Data, Split
from smidgen.show import card, percent


@pytest.fixture(scope="module")
def data() -> Data:
    return sm.data.load("digits")


@pytest.fixture(scope="module")
def run(data: Data) -> Any:
    net = sm.NetSpec.from_dict(
        {
            "name": "tiny",
            "input": [1, 8, 8],
            "layers": ["conv(4)", "max_pool", "global_average_pool", "classifier(10)"],
        }
    )
    return sm.train(net, data, recipe=sm.Recipe(epochs=2), split="selection")


def test_data_are_told_in_a_line_and_class_by_class(data: Data) -> None:
    assert repr(data) == "Data(digits: 1,437 train, 360 test images of 1x8x8, 10 classes)"
    html = data._repr_html_()
    assert html.count("<tr>") == 11
    assert "<th>train</th><th>test</th>" in html


def test_a_net_is_told_in_a_line_and_layer_by_layer(run: Any) -> None:
    net = run.trial.net
    assert repr(net) == "NetSpec(tiny: 1x8x8 to 10x1x1, 4 layers, 84 params, 2,344 MACs)"
    assert net._repr_html_().count("<tr>") == 5
    assert sum(line["params"] for line in net.table()) == net.params


def test_a_run_is_told_in_a_line_and_epoch_by_epoch(run: Any) -> None:
    assert repr(run).startswith("Run(tiny: 84 params with no method on digits, seed 0, 2 epochs in")
    assert len(repr(run)) < 150
    assert run._repr_html_().count("<tr>") == 3


def test_an_evaluation_is_told_in_a_line_and_class_by_class(run: Any, data: Data) -> None:
    found = sm.evaluate(run, data.test, measure_latency=False)
    assert repr(found).startswith(f"Evaluation(accuracy {100 * found.accuracy:.2f} % [")
    assert f"balanced {100 * found.balanced_accuracy:.2f} %" in repr(found)
    assert found._repr_html_().count("<tr>") == 11


def test_names_from_outside_are_harmless() -> None:
    bad = "<img src=x onerror=alert(1)>"
    part = Split(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]))
    html = Data("mine", part, part, (bad, "dog"))._repr_html_()
    assert bad not in html
    assert "&lt;img" in html
    assert bad not in card(bad, bad, (bad,), ((bad,),))


def test_a_long_table_is_counted_not_shown() -> None:
    html = card("many", "", ("n",), [(n,) for n in range(1_000)])
    assert html.count("<tr>") == 41
    assert "and 960 more" in html


def test_a_missing_share_is_a_dash() -> None:
    assert (percent(None), percent(0.5), percent(0.987, 0)) == ("-", "50.00 %", "99 %")
