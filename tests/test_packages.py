"""What packages and their makers hold: archives, wheels, workflows, the container, the tag."""

import importlib.util
import json
import os
import re
import shlex
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
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a source archive of what git knows."""
    if not (ROOT / ".git").exists():
        pytest.skip("git alone knows which files are of the sources")
    place = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in listed:
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
    return next(place.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def archive(packed: Path) -> set[str]:
    """Return the names in it."""
    with tarfile.open(packed) as file:
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


def test_an_index_is_shown_no_link_that_leads_nowhere(packed: Path) -> None:
    with tarfile.open(packed) as file:
        (name,) = [name for name in file.getnames() if re.fullmatch(r"[^/]+/PKG-INFO", name)]
        held = file.extractfile(name)
        assert held
        told = held.read().decode()
    assert "urls" not in PROJECT["project"], "then links lead there"
    assert "Project-URL" not in told
    assert "Description-Content-Type: text/markdown" in told
    assert "smidgen predict mine new.jpg" in told
    assert not re.findall(r"\]\((?!https?:|#).*?\)", told)


def test_wheels_are_built_once_a_platform_and_tried() -> None:
    asked = PROJECT["tool"]["cibuildwheel"]
    assert asked["build"] == ["cp311-*"], "the tag is py3-none: setup.py"
    tried = asked["test-command"].split("{project}/")[1]
    assert (ROOT / tried).exists()


@pytest.mark.parametrize("compiler", ["unix", "mingw32"])
def test_without_a_compiler_a_build_goes_on(compiler: str, tmp_path: Path) -> None:
    places = f"--build-lib={tmp_path}", f"--build-temp={tmp_path}"
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", f"--compiler={compiler}", *places],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "No such file or directory: 'gcc'" in done.stdout + done.stderr
    assert not list(tmp_path.rglob("native.so"))


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


@pytest.mark.parametrize("script", ["Makefile", "tools/setup.sh", "tools/wheel.sh", "tools/tag.sh"])
def test_a_target_for_every_system_asks_for_nothing_that_gnus_programs_alone_know(
    script: str,
) -> None:
    only_gnu = r"\bsed [^\n]*\\t|\bsed -i|\bstat -c|\bgrep -\w*P|\breadlink -f|\btar -[cx] "
    assert re.findall(only_gnu, (ROOT / script).read_text()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a script of sh stands for Python")
def test_edits_that_were_drawn_are_told_where_some_went_unnoticed(tmp_path: Path) -> None:
    said = subprocess.run(
        ["make", "--silent", "mutants", "--old-file=setup", "PY=."],
        cwd=_with_python_that_fails(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2, said.stderr
    assert [line.split()[1] for line in said.stdout.splitlines()] == ["--list", "--table"]


def _with_python_that_fails(folder: Path) -> Path:
    """Return a folder whose Makefile is ours and whose Python tells its words and fails."""
    shutil.copy(ROOT / "Makefile", folder / "Makefile")
    script = folder / "python"
    script.write_text('#!/bin/sh\necho "$@"\n[ "$2" = --table ]\n')
    script.chmod(0o755)
    return folder


def test_studies_of_make_are_there_and_import_rows_of_such() -> None:
    makefile = (ROOT / "Makefile").read_text()
    studies = set(re.findall(r"/smidgen study ([\w-]+)", makefile))
    assert {"records-mnist", "records-cifar10", "mlperf-cifar10"} <= studies
    assert all((ROOT / "recipes" / f"{name}.toml").exists() for name in studies)
    importing = [line for line in makefile.splitlines() if re.search("--import|^KEPT", line)]
    for path in re.findall(r"results/[\w-]+\.jsonl", " ".join(importing)):
        rows = [json.loads(line) for line in (ROOT / path).read_text().splitlines()]
        assert {row["study"] for row in rows} <= studies, path
    for name in ("mlperf-cifar10", "records-cifar10-distilled"):
        text = (ROOT / "recipes" / f"{name}.toml").read_text()
        (teacher,) = re.findall(r"teacher='(.*?)'", text)
        assert f"--out {teacher}\n" in makefile
        (taught,) = re.findall(r"smidgen train (.*?) --out", text.replace("\\\n#", ""), re.DOTALL)
        words = set(shlex.split(taught))
        made = re.findall(r"smidgen train (.*?) --out", makefile.replace("\\\n", ""), re.DOTALL)
        assert words in [set(shlex.split(line)) - {"--resume"} for line in made], name


def test_hooks_judge_what_make_check_judges() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    (judged,) = re.findall(
        r"ruff check --quiet (.*)", (ROOT / "Makefile").read_text().partition("\ncheck: ")[2]
    )
    of_ruff = [hook["files"] for hook in hooks if "/ruff " in hook["entry"]]
    assert of_ruff == [f"^({judged.replace(' ', '|')})/"] * 2


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


JUDGES = [
    *(
        ("zizmor", "--offline", "--quiet", f".github/workflows/{name}.yml")
        for name in ("ci", "wheels")
    ),
    ("hadolint", "Dockerfile"),
    *(
        ("check-jsonschema", "--builtin-schema", f"vendor.{schema}", name)
        for schema, name in (
            ("github-workflows", ".github/workflows/ci.yml"),
            ("github-workflows", ".github/workflows/wheels.yml"),
            ("github-issue-forms", ".github/ISSUE_TEMPLATE/missing.yml"),
            ("github-issue-forms", ".github/ISSUE_TEMPLATE/wrong.yml"),
            ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
            ("citation-file-format", "CITATION.cff"),
        )
    ),
]


@pytest.mark.parametrize("command", JUDGES, ids=lambda command: f"{command[0]} {command[-1]}")
def test_what_runs_elsewhere_is_in_order(command: tuple[str, ...]) -> None:
    tool = Path(sys.executable).with_name(command[0])
    if not tool.exists():
        pytest.skip(f"{command[0]} is of the extra dev, on Linux on x86-64")
    # a script names the place its environment was made at, a module is found wherever that is now
    is_module = importlib.util.find_spec(command[0].replace("-", "_")) is not None
    words = [sys.executable, "-m", command[0].replace("-", "_")] if is_module else [tool]
    done = subprocess.run(
        [*words, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_container_takes_extras_that_there_are_and_shows_a_design_with_a_budget() -> None:
    text = (ROOT / "Dockerfile").read_text()
    (shown,) = re.findall(r"^#.* smidgen design (.*)$", text, re.MULTILINE)
    assert "--max-" in shown
    (extras,) = re.findall(r"^ARG EXTRAS=(.*)$", text, re.MULTILINE)
    assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])
    assert text.rstrip().endswith('ENTRYPOINT ["smidgen"]')
    assert "smidgen" in PROJECT["project"]["scripts"]


def tag(place: Path, changes: str) -> subprocess.CompletedProcess[str]:
    """Tag what is in a place of its own, whose CHANGELOG begins so."""
    (place / "tools").mkdir(parents=True)
    for name in ("pyproject.toml", "tools/tag.sh"):
        shutil.copy(ROOT / name, place / name)
    (place / "CHANGELOG.md").write_text(f"# Changelog\n\n{changes}\n")
    for words in ("init -q", "add .", "-c user.name=a -c user.email=a@b.c commit -qm all"):
        subprocess.run(["git", *words.split()], cwd=place, check=True)
    given = {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c"}
    return subprocess.run(
        ["sh", "tools/tag.sh"],
        cwd=place,
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_version_is_tagged_once_its_section_has_a_date(tmp_path: Path) -> None:
    version = PROJECT["project"]["version"]
    done = tag(tmp_path / "ready", f"## {version}, 2026-01-31")
    assert done.returncode == 0, done.stderr
    named = subprocess.run(
        ["git", "tag"], cwd=tmp_path / "ready", capture_output=True, text=True, check=True
    ).stdout
    assert named == f"v{version}\n"
    early = tag(tmp_path / "early", f"## {version}, unreleased")
    assert early.returncode == 2
    assert f"must have a section '## {version}, YEAR-MONTH-DAY'" in early.stderr


def test_the_first_section_of_the_changes_is_the_version() -> None:
    first = re.search(r"^## (\S+), (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first
    assert first[1] == PROJECT["project"]["version"]
    assert re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", first[2])
