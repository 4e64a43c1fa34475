"""The command line as a shell sees it: help that is whole, completion, statuses, variables."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from smidgen.cli import app, main
from smidgen.cli.terminal import table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text()
COMMANDS = get_command(app).commands  # pyright: ignore
WIDTH = 80
AS_SMIDGEN = "import sys; sys.argv = ['smidgen']; from smidgen.cli import main; main()"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "smidgen", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def help_of(*verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(WIDTH))
        patch.setattr(sys, "argv", ["smidgen", *verb, "--help"])
        with pytest.raises(SystemExit) as exited:
            main()
    assert not exited.value.code
    return capsys.readouterr().out


def words(text: str) -> str:
    """Return a text without the places where its lines end."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("verb", COMMANDS)
def test_the_help_of_a_verb_cuts_no_sentence_at_80_columns(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = help_of(verb, capsys=capsys)
    assert max(map(len, shown.splitlines())) <= WIDTH
    command = COMMANDS[verb]
    told = [command.help, *(getattr(option, "help", None) for option in command.params)]
    for sentence in filter(None, told):
        assert words(sentence) in words(shown)


def test_the_list_of_verbs_cuts_no_sentence_at_80_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = help_of(capsys=capsys)
    assert max(map(len, shown.splitlines())) <= WIDTH
    for verb, command in COMMANDS.items():
        assert f"{verb} " in shown
        assert words(command.help.split("\n")[0]) in words(shown)
    for option in ("--version", "--quiet", "--verbose", "--install-completion"):
        assert option in shown


def test_every_option_has_a_help(capsys: pytest.CaptureFixture[str]) -> None:
    bare = [
        f"{verb} {option.opts[0]}"
        for verb, command in COMMANDS.items()
        for option in command.params
        if option.param_type_name == "option" and not getattr(option, "help", None)
    ]
    assert not bare


@pytest.mark.parametrize("verb", COMMANDS)
def test_options_are_told_in_words_and_not_in_types_of_python(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = help_of(verb, capsys=capsys)
    options = [line for line in shown.splitlines() if line.startswith("  -")]
    assert not [line for line in options if "<list[" in line or "--no-" in line]
    assert "Likewise" not in shown, "than what, where options stand alone or in another order"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_verbs_and_options(shell: str) -> None:
    asked = {
        "bash": {"COMP_WORDS": "smidgen tr", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "smidgen tr"},
        "fish": {"_TYPER_COMPLETE_ARGS": "smidgen tr", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv = ['smidgen']; from smidgen.cli import main; main()",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "_SMIDGEN_COMPLETE": f"complete_{shell}", **asked[shell]},
    )
    assert "train" in found.stdout, found.stderr
    assert "export" not in found.stdout


def test_statuses_are_those_of_the_page() -> None:
    told = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE))
    assert set(told) == {"0", "1", "2", "130"}
    assert run("list", "nets").returncode == 0
    assert run("list", "net").returncode == 2
    assert run("lists").returncode == 2


def read_by_the_source() -> set[str]:
    """Return every environment variable that smidgen reads, by any name for it."""
    texts = [path.read_text() for path in (ROOT / "src").rglob("*.py")]
    texts += [path.read_text() for path in (ROOT / "src").rglob("*.[ch]")]
    asked = re.findall(r"""(?:environ\.get\(|environ\[|getenv\()\s*([\w"']+)""", "\n".join(texts))
    constants = dict(re.findall(r'^([A-Z_]+) = "(\w+)"', "\n".join(texts), re.MULTILINE))
    return {constants.get(name, name.strip("\"'")) for name in asked}


@pytest.mark.parametrize(
    "closed",
    [
        "<&- >&- 2>&-",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("<&-", ">&-", "2>&-")),
    ],
)
def test_a_standard_stream_may_be_closed(closed: str) -> None:
    line = f"{shlex.quote(sys.executable)} -m smidgen list plugins {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("word", ["~/none.db", "--out=~/none/page.html"])
def test_a_tilde_that_the_shell_left_is_the_users_folder(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("")
    rows = [] if word.startswith("~") else ["rows.jsonl"]
    monkeypatch.setattr(sys, "argv", ["smidgen", "report", word, *rows])
    with pytest.raises(SystemExit):
        main()
    assert f"{tmp_path / 'none'}" in capsys.readouterr().err


def test_every_variable_that_is_read_is_in_the_table_and_the_reverse() -> None:
    own = PAGE.split("## Environment variables")[1].split("### ")[0]
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", own, re.MULTILINE))
    assert told == read_by_the_source()
    assert "SMIDGEN_DATA" in told


def test_no_color_is_heeded_and_color_is_for_terminals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    table(["a"], [["b"]], title="c")
    assert "\x1b[3" not in capsys.readouterr().out
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.delenv("NO_COLOR")
    table(["a"], [["b"]], title="c")
    assert "\x1b" not in capsys.readouterr().out


def test_figures_stand_below_one_another_and_names_that_are_digits_do_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table(["class", "kept", "share", "of"], [["7", "9.5", "1.0 %", 1], ["10", "100.0", "-", 20]])
    rows = [line.rstrip() for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == ["7         9.5   1.0 %    1", "10      100.0       -   20"]


def test_the_cache_lies_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from smidgen.data.cache import cache_at

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_at(None).folder == tmp_path / "smidgen"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_at(None).folder == tmp_path / "home" / ".cache" / "smidgen"


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_stands_on_the_page(verb: str) -> None:
    assert f"| `{verb}` |" in PAGE


def test_a_warning_that_python_makes_an_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warned(**_: object) -> None:
        raise UserWarning("two classes\nare uneven")

    monkeypatch.setattr("smidgen.cli.app", warned)
    monkeypatch.setattr(sys, "argv", ["smidgen", "list", "nets"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "smidgen: two classes are uneven\n"


def test_completion_is_that_of_smidgen_however_it_is_called() -> None:
    # the shell that calls is looked for among the processes above: here, bash, which stays
    command = f"{shlex.quote(sys.executable)} -m smidgen --show-completion; exit $?"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.rstrip().endswith(" -F _smidgen_completion smidgen")
