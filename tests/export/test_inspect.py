"""`smidgen inspect` tells flash, RAM and the boards that a net fits, before it is trained."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from smidgen import zoo
from smidgen.cli import main
from smidgen.export.c.footprint import predict_cost
from smidgen.methods import parse, rewritten
from smidgen.recipe import Recipe
from smidgen.testing.given import NET, some_data
from smidgen.train import train


def inspected(
    *arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", ["smidgen", "inspect", *arguments, "--json"])
    with pytest.raises(SystemExit) as exited:
        main()
    assert not exited.value.code
    return json.loads(capsys.readouterr().out)


def test_boards_are_judged_by_the_net_with_its_methods(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = inspected(
        "mnist-1k5-dw", "--with", "squeeze-excite", monkeypatch=monkeypatch, capsys=capsys
    )
    spec = rewritten(zoo.net("mnist-1k5-dw"), parse("squeeze-excite"))
    assert (found["flash"], found["ram"]) == predict_cost(spec)
    assert found["boards"]["CH32V003 evaluation board"] == "too big"  # 2 KB of RAM
    assert found["boards"]["micro:bit v2"] == "fits"
    plain = inspected("mnist-1k5-dw", monkeypatch=monkeypatch, capsys=capsys)
    assert plain["flash"] < found["flash"], "the gates need code and weights"
    assert plain["ram"] < found["ram"], "the gates need a whole map"


def test_a_net_that_cannot_be_exported_is_inspected_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wide.toml"
    file.write_text(
        "[net]\ninput = [1, 20, 20]\n"
        'layers = ["conv(4)", "blur(2,13)", "global_average_pool", "classifier(3, bias=true)"]\n'
    )
    found = inspected(str(file), monkeypatch=monkeypatch, capsys=capsys)
    assert (found["flash"], found["boards"]) == (None, {})
    assert "operation 2: blur kernel_size must be <= 11, got 13" in found["not_exportable"]


@pytest.mark.parametrize("place", ["mine/model", "mine", "design.toml"])
def test_a_net_that_was_found_or_trained_is_judged_with_its_own_methods(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    methods = parse("cutout(length=2), blurpool")
    train(NET, some_data(), methods=methods, recipe=Recipe(epochs=1), folder="mine/model")
    form = NET.to_dict()
    described = "".join(f"{key} = {json.dumps(form[key])}\n" for key in form)
    Path("design.toml").write_text(
        f'methods = ["cutout(length=2)", "blurpool"]\n[net]\n{described}'
    )
    found = inspected(place, monkeypatch=monkeypatch, capsys=capsys)
    assert found["methods"] == ["blurpool"]
    spec = rewritten(NET, parse("blurpool"))
    assert spec.macs > NET.macs
    assert (found["macs"], found["flash"], found["ram"]) == (spec.macs, *predict_cost(spec))
    plain = inspected(place, "--with", "", monkeypatch=monkeypatch, capsys=capsys)
    assert (plain["methods"], plain["macs"]) == ([], NET.macs), "--with is what counts if given"
