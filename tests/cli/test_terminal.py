"""What is told stays readable, and harmless, whatever is in it."""

import re
import sys
import warnings
from io import BytesIO, TextIOWrapper
from itertools import product
from pathlib import Path

import pytest
from PIL import Image

from smidgen.cli import main
from smidgen.cli.terminal import QUIET, LoadingProgress, next_commands, say, table, time_left


def test_lines_stay_lines_and_other_control_characters_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    QUIET.set(False)  # whatever a command before this one asked for
    say("model: mine", "next: smidgen predict \x1b[31mmine")
    assert capsys.readouterr().err == "model: mine\nnext: smidgen predict \\x1b[31mmine\n"


def test_of_values_that_no_picture_holds_a_model_is_asked_by_a_file_of_arrays() -> None:
    lines = next_commands(Path("runs/it's"), "predict", "export", asked="FILE.npz")
    assert lines[0] == """next:   smidgen predict 'runs/it'"'"'s' FILE.npz"""
    assert next_commands(Path("runs/its"), "predict")[0].endswith("predict runs/its PICTURE")
    assert lines[1].split()[:2] == ["smidgen", "export"]


def test_a_bar_shows_a_name_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules[LoadingProgress.__module__], "shows_bars", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    with LoadingProgress() as loading:
        loading.observe("birds [old] [@click=(] \x1b[2J", 1, 2)
        loading.bar.transient = loading.bar.live.transient = False
    assert "birds [old] [@click=(] \\x1b[2J" in capsys.readouterr().err


@pytest.mark.parametrize("width", [40, 45, 61, 70, 200])
def test_a_narrow_terminal_breaks_words_and_no_numbers(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", f"{width}")
    header = ["name", "input", "params", "deployed_params", "macs", ""]
    table(header, [["cifar-143k-dw-of-mine", "3x32x32", 143_396, 141_356, 9_218_600, 32_768]])
    told = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out)
    assert all(len(line) <= width for line in told.splitlines())
    numbers = ("143,396", "141,356", "9,218,600", "32,768")
    assert all(number in told for number in numbers)
    assert ("deployed params" in told) == (width not in (61, 70)), "in one line"
    assert ("MACs             9,218,600" in told) == (width < 61), "a line each if there is no room"


def test_names_that_the_encoding_of_standard_output_lacks_are_told_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, name, number in product(("train", "test"), ("ümlaut", "鳥"), range(2)):
        folder = tmp_path / "birds" / part / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 40 * number + len(part) + len(name)).save(folder / f"{number}.png")
    monkeypatch.setattr(sys, "argv", ["smidgen", "inspect-data", str(tmp_path / "birds")])
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written := BytesIO(), encoding="latin-1"))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as ended:
        main()
    sys.stdout.flush()
    assert ended.value.code == 0
    told = written.getvalue().decode("latin-1")
    assert "ümlaut" in told
    assert "\\u9ce5" in told


def test_a_time_is_told_in_what_it_is_counted_in() -> None:
    assert time_left(12) == "less than a minute left"
    assert time_left(61) == "about 1 min left"
    assert time_left(90 * 60) == "about 90 min left"
    assert time_left(9000) == "about 2.5 h left"


def test_what_there_is_none_of_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> tuple[list[str], list[list[object]]]:
        return ["name"], []

    monkeypatch.setattr("smidgen.cli.listing._plugins", none)
    monkeypatch.setattr(sys, "argv", ["smidgen", "list", "plugins"])
    with pytest.raises(SystemExit):
        main()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "there are no plugins\n")
