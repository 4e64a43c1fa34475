"""What is told stays readable, and harmless, whatever is in it."""

import pytest

from smidgen.cli.terminal import QUIET, say


def test_lines_stay_lines_and_other_control_characters_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    QUIET.set(False)  # whatever a command before this one asked for
    say("model: mine", "next: smidgen predict \x1b[31mmine")
    assert capsys.readouterr().err == "model: mine\nnext: smidgen predict \\x1b[31mmine\n"
