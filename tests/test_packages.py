"""What a source archive and the wheels' configuration hold."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
SDIST = "from setuptools import build_meta; print(build_meta.build_sdist('.'))"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names in a source archive of what git knows."""
    place = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    for name in listed or ["pyproject.toml"]:
        if not (ROOT / name).is_file() or name.startswith(("docs/charts", "results/reference")):
            continue
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", SDIST],
        cwd=place,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(place.glob("*.tar.gz"))) as file:
        return {name.partition("/")[2] for name in file.getnames()}


def test_a_source_archive_has_what_a_build_needs_and_its_papers(archive: set[str]) -> None:
    csrc = {
        str(path.relative_to(ROOT)) for path in (ROOT / "src/smidgen/kernels/csrc").glob("*.[ch]")
    }
    assert csrc <= archive
    assert {"LICENSE", "LICENSE-0BSD", "THIRD_PARTY.md", "setup.py", "CHANGELOG.md"} <= archive
    assert {"src/smidgen/py.typed", "src/smidgen/recipes/mnist.toml"} <= archive


def test_a_source_archive_has_neither_results_nor_tests_nor_builds(archive: set[str]) -> None:
    tops = {name.partition("/")[0] for name in archive}
    assert not tops & {"results", "tests", "bench", "docs", "tools", "notebooks", "examples"}
    assert not [name for name in archive if name.endswith((".so", ".pyc"))]


def test_wheels_are_built_once_a_platform_and_tried() -> None:
    asked = PROJECT["tool"]["cibuildwheel"]
    assert asked["build"] == ["cp311-*"], "the tag is py3-none: setup.py"
    tried = asked["test-command"].split("{project}/")[1]
    assert (ROOT / tried).exists()


def test_the_hosts_ci_calls_targets_that_there_are_on_every_python_that_is_named() -> None:
    flow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    makefile = (ROOT / "Makefile").read_text()
    steps = [step for job in flow["jobs"].values() for step in job["steps"]]
    targets = [step["run"].removeprefix("sudo ").split() for step in steps if "run" in step]
    for make, *names in targets:
        assert make == "make"
        assert all(f"\n{name}:" in makefile for name in names)
    matrix = flow["jobs"]["python"]["strategy"]["matrix"]
    named = [text.rpartition(" :: ")[2] for text in PROJECT["project"]["classifiers"]]
    assert matrix["python"] == [name for name in named if name.startswith("3.")]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}


def test_hooks_and_containers_name_what_there_is() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for hook in hooks:
        tool, *words = hook["entry"].split()
        assert tool.startswith(".venv/bin/")
        assert all((ROOT / word).exists() for word in words if word.endswith(".py")), hook["id"]
    inside = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"make ([a-z-]+)", inside["postCreateCommand"]):
        assert f"\n{name}:" in makefile
    copied = re.findall(
        r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    kept = (ROOT / ".dockerignore").read_text()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name.partition('-')[0]}" in kept, (
            f"{name} is left out of the container's sources"
        )
