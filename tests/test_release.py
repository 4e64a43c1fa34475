"""Which smidgen this is: of its own checkout the revision, elsewhere the version."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from smidgen.release import release, revision

ROOT = Path(__file__).parents[1]
SAID = "from smidgen.release import revision; print(revision())"


def git(folder: Path, *arguments: str) -> str:
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(
        ["git", *who, *arguments],
        cwd=folder,
        env=os.environ | alone,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def said_from(place: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", SAID],
        env=os.environ | {"PYTHONPATH": str(place)},
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.mark.parametrize("place", ["src", "venv/lib/python3/site-packages"])
@pytest.mark.parametrize("project", ["", '[project]\nname = "somebody-elses"\n'])
def test_somebody_elses_repository_has_no_say(tmp_path: Path, place: str, project: str) -> None:
    held = tmp_path / place / "smidgen"
    shutil.copytree(ROOT / "src" / "smidgen", held, ignore=shutil.ignore_patterns("*.so"))
    if project:
        (tmp_path / "pyproject.toml").write_text(project)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "theirs")
    assert said_from(tmp_path / place) == version("smidgen")


def test_a_checkout_of_smidgen_names_its_revision_and_whether_it_changed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.so"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "ours")
    commit = git(tmp_path, "rev-parse", "HEAD")[:12]
    assert said_from(tmp_path / "src") == commit
    (tmp_path / "src" / "smidgen" / "names.py").write_text(
        (tmp_path / "src" / "smidgen" / "names.py").read_text() + "\n"
    )
    assert said_from(tmp_path / "src") == f"{commit}-dirty"


def test_an_archive_without_git_names_the_version(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.so"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert said_from(tmp_path / "src") == release()


def test_the_revision_is_asked_for_in_one_place() -> None:
    asking = [
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "bench")
        for path in (ROOT / folder).rglob("*.py")
        if '"describe"' in path.read_text() or '"rev-parse"' in path.read_text()
    ]
    assert asking == ["src/smidgen/release.py"]
    assert revision()


def test_the_version_is_written_in_one_place_and_heads_the_changelog() -> None:
    number = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    heading = next(
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    )
    assert heading.startswith(f"## {number}")
    elsewhere = [
        path.name for path in (ROOT / "src").rglob("*.py") if f'"{number}"' in path.read_text()
    ]
    assert not elsewhere


def test_the_command_line_names_the_versions() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "smidgen", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"smidgen {release()}, Python 3.")
    assert ", torch 2." in done.stdout


def test_without_a_command_there_is_the_help_in_lines() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-m", "smidgen", *words], capture_output=True, text=True, check=True
        ).stdout
        for words in ([], ["--help"])
    ]
    assert said[0] == said[1]
    assert said[0].count("\n") > 10
