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


def test_layers_in_json_add_up_to_flash_ram_and_instructions_of_the_net(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = ["conv(4)", "transition(5)", "conv(3, 1)", "flatten", "classifier(2)"]
    net = f"{{input = [1, 9, 9], layers = {layers}}}"
    for board in ((), ("--board", "Blue Pill")):
        found = inspected(net, *board, monkeypatch=monkeypatch, capsys=capsys)
        rows = found["layers"]
        assert (
            sum(row["flash"] for row in rows) + found["code"] + found["shared_tables"]
            == found["flash"]
        )
        assert max(row["ram_in_use"] for row in rows) + found["ram_beside"] == found["ram"]
        assert [row["merged_into"] for row in rows] == [None, 3, None, None, None]
        assert rows[found["decides_ram"] - 1]["ram"] == max(row["ram"] for row in rows)
        if not board:
            assert sum(row["instructions"] for row in rows) == found["instructions"] > 0
            assert "board" not in found
    assert (found["instructions"], rows[0]["instructions"]) == (None, None)
    assert (found["flash"], found["ram"]) == (*found["cores"]["m3"].values(),)
    assert (found["board"]["board"], found["board"]["verdict"]) == ("Blue Pill", "fits")


def test_the_layer_that_decides_ram_is_marked_and_what_takes_less_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gated = ["conv(4)", "squeeze_excite(2)", "transition(5)", "conv(3, 1)"]
    net = f"{{input = [1, 9, 9], layers = {[*gated, 'flatten', 'classifier(2)']}}}"
    monkeypatch.setattr(sys, "argv", ["smidgen", "inspect", net])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().out
    assert "\n2*   squeeze_excite(latent_channels=2) " in said
    assert "\n* layer 2 (squeeze_excite) decides RAM, with " in said
    assert " less with no squeeze_excite in layer 2" in said
    assert "transition(out_channels=5): in layer 4" in said


@pytest.mark.parametrize(("board", "status"), [("ch32v003", 1), ("micro:bit v2", 0), ("micro", 2)])
def test_a_net_too_big_for_the_board_is_shown_and_told_by_the_status(
    board: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["smidgen", "inspect", "mnist-500-a", "--board", board])
    with pytest.raises(SystemExit) as exited:
        main()
    assert (exited.value.code or 0) == status
    said = capsys.readouterr()
    if status == 2:
        assert said.out == ""
        assert "did you mean one of 'micro:bit v1', 'micro:bit v2'?" in said.err
    else:
        verdict = {0: "micro:bit v2: fits, flash", 1: "CH32V003 evaluation board: too big, flash"}
        assert f"board            {verdict[status]} " in said.out
