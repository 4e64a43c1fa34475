"""What the README shows is what works: its commands parse, its Python runs, its files exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from smidgen.cli import app
from smidgen.report import markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" # ")[0].strip() for line in lines if line.startswith("smidgen ")]


def test_the_readme_shows_commands() -> None:
    assert len(commands()) >= 5


@pytest.mark.parametrize("command", commands())
def test_every_command_line_of_the_readme_parses(command: str) -> None:
    verb, *arguments = shlex.split(command)[1:]
    known = get_command(app).commands  # pyright: ignore
    context = known[verb].make_context(verb, arguments)
    assert context.params


MADE = """
sm.train(net, data, recipe=sm.Recipe(epochs=1), folder="mine")
from PIL import Image
Image.new("L", (40, 30), 99).save("new.jpg")
"""


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    asking, training = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    trained = "import smidgen as sm\n" + training.replace("epochs=60", "epochs=2")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            trained
            + MADE
            + asking.replace("model.predict", "answer = model.predict")
            + "\nprint(answer.probability)",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    accuracy, probability = map(float, done.stdout.split()[-2:])
    assert 0 <= accuracy <= 1
    assert 0.1 <= probability <= 1, "of ten classes"


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def studied_tables(text: str) -> set[str]:
    """Return the lines of those tables in a text that compare a study's figures with ours."""
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return {line for table in tables if "study |" in table for line in table.splitlines()}


@pytest.mark.parametrize(("page", "lines"), [("README.md", 8), ("docs/reference-study.md", 30)])
def test_the_reproduced_tables_are_those_of_the_rows(page: str, lines: int) -> None:
    shown = studied_tables((ROOT / page).read_text())
    rows = sorted((ROOT / "results").glob("reference-*.jsonl"))
    made = "".join(markdown(path) for path in rows)
    assert len(shown) >= lines
    assert not shown - studied_tables(made)


def test_every_source_file_has_its_line_in_the_architecture_or_its_package_has() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page[page.index("## Where things are") :]
    source = ROOT / "src" / "smidgen"
    for path in sorted(source.iterdir()):
        if path.name.startswith("_") or path.name == "py.typed" or path.suffix == ".egg-info":
            continue
        name = f"{path.name}/" if path.is_dir() else path.name
        assert f"`{name}`" in table, f"{name} is not explained"


def test_nothing_speaks_of_a_registry_or_a_home_folder() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("git alone knows which files are of the sources")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "README.md" in listed
    foreign = re.compile(
        "/" + "work/|/" + "root/|download\\.pytorch" + "\\.org|pypi" + "\\.org/simple"
    )
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".sh", ".json", ".jsonl", ".c", ".h"}:
            assert not foreign.search(path.read_text()), name
