"""Licences, drawings, paths for contributors and metadata say what is there."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from smidgen.data.layouts import LAYOUTS
from smidgen.export.targets import TARGETS
from smidgen.kernels.library import LIBRARY
from smidgen.layers import LAYERS
from smidgen.methods import METHODS

ROOT = Path(__file__).parents[1]
PAPERS = ("CONTRIBUTING.md", "SECURITY.md", "THIRD_PARTY.md")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def paths_named_in(paper: str) -> set[str]:
    """Return what a paper names in backticks, in links and in commands that looks like a path."""
    text = (ROOT / paper).read_text()
    named = re.findall(r"`([\w.-]+/[\w./-]+)`|\]\(([^)#:]+)[)#]", text)
    named += [("", word) for word in re.findall(r"\b(?:tests|src|docs)/[\w./-]*\w", text)]
    return {
        first or second for first, second in named if not (first or second).startswith("smidgen/")
    }


@pytest.mark.parametrize("paper", PAPERS)
def test_every_path_that_a_paper_names_is_there(paper: str) -> None:
    named = paths_named_in(paper)
    assert named
    for path in named:
        assert (ROOT / path).exists(), f"{paper} names {path}"


@pytest.mark.parametrize("part", ["a method", "a layer", "a target", "a data source"])
def test_there_is_a_path_of_five_minutes_for(part: str) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.partition(f"## Five minutes: {part}\n")[2].partition("\n## ")[0]
    steps = re.findall(r"^\d\. ", section, re.MULTILINE)
    assert len(steps) >= 4
    assert ".venv/bin/pytest -q tests/" in section, "says how to try it"


def test_the_paths_name_what_the_code_calls_its_registries() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name, registry in (
        ("METHODS", METHODS),
        ("LAYERS", LAYERS),
        ("TARGETS", TARGETS),
        ("LAYOUTS", LAYOUTS),
    ):
        assert f"`{name}`" in text
        assert len(registry) > 3


@pytest.mark.parametrize(
    ("part", "places"),
    [
        ("a method", ("docs/methods.md", "docs/python.md", "tests/methods/test_ranges.py")),
        ("a layer", ("docs/python.md", "tests/test_layers.py")),
        ("a target", ("`TARGETS` of `tests/export/test_export.py`", "docs/export.md")),
    ],
)
def test_a_path_names_every_place_that_asks_for_the_new_one(
    part: str, places: tuple[str, ...]
) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.partition(f"## Five minutes: {part}\n")[2].partition("\n## ")[0]
    assert [place for place in places if place not in section] == []


def test_the_licence_is_the_one_that_metadata_and_citation_name() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License\n" in (ROOT / "LICENSE").read_text()
    assert "END OF TERMS AND CONDITIONS" in (ROOT / "LICENSE").read_text()
    assert "BSD Zero Clause License" in (ROOT / "LICENSE-0BSD").read_text()
    assert all((ROOT / name).exists() for name in PROJECT["license-files"])
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= cited.keys(), "what CFF 1.2 asks for"
    assert cited["license"] == PROJECT["license"]
    assert [author["name"] for author in cited["authors"]] == [
        author["name"] for author in PROJECT["authors"]
    ]


def test_notices_name_every_package_that_comes_along() -> None:
    wanted = [*PROJECT["dependencies"]]
    extras = PROJECT["optional-dependencies"]
    for extra in extras.keys() - {"docs", "dev"}:
        wanted += extras[extra]
    text = (ROOT / "THIRD_PARTY.md").read_text()
    table = "".join(line for line in text.splitlines() if line.startswith("|"))
    for requirement in wanted:
        name = re.split(r"[<>=;\[ ]", requirement)[0]
        assert re.search(rf"\b{name}\b", table), name


def test_notices_give_no_extra_a_package_that_it_does_not_bring() -> None:
    rows = re.findall(
        r"^\| `\[(\w+)\]`: (.*?) \|", (ROOT / "THIRD_PARTY.md").read_text(), re.MULTILINE
    )
    assert rows
    for extra, named in rows:
        brought = {re.split("[<>=]", one)[0] for one in PROJECT["optional-dependencies"][extra]}
        assert set(named.replace(" and ", ", ").split(", ")) <= brought


@pytest.mark.skipif(not LIBRARY.exists(), reason="no compiled operations")
@pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf is missing (binutils)")
def test_the_library_of_a_wheel_asks_for_nothing_but_the_c_library() -> None:
    told = subprocess.run(
        ["readelf", "-d", str(LIBRARY)], capture_output=True, text=True, check=True
    ).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", told))
    loader = {name for name in needed if name.startswith("ld-linux")}
    assert {name.split(".")[0] for name in needed - loader} <= {"libc", "libm"}


@pytest.mark.parametrize("form", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_a_file_for_the_host_is_yaml(form: Path) -> None:
    read = yaml.safe_load(form.read_text())
    if form.parent.name == "ISSUE_TEMPLATE" and form.name != "config.yml":
        assert {"name", "description", "body"} <= read.keys()
        assert all({"type", "attributes"} <= part.keys() for part in read["body"])
