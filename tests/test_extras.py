"""A missing package is named once, with what installs it; a broken one with why it fails."""

import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from smidgen.export.onnx import _require
from smidgen.extras import install, needed


def test_a_package_that_is_not_there_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(
        ValueError, match=r"^ONNX needs the package onnx: pip install onnx onnxruntime .*$"
    ):
        _require("onnx")


def test_a_package_that_fails_says_why() -> None:
    broken = ImportError("libonnx.so: cannot open", name="onnx")
    told = str(needed("ONNX", "onnx", "export", broken))
    assert told.endswith(" ai-edge-litert (libonnx.so: cannot open)")
    beneath = ModuleNotFoundError("No module named 'ml_dtypes'", name="ml_dtypes")
    assert str(needed("ONNX", "onnx", "export", beneath)).endswith("(No module named 'ml_dtypes')")


ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("extra", ["export", "hub", "ray", "tensorboard", "trackio"])
def test_packages_of_an_extra_are_installed_by_their_own_names(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    words = shlex.split(install(extra))
    assert words == ["pip", "install", *project["optional-dependencies"][extra]]


def test_no_hint_names_smidgen_which_an_index_may_have_of_others() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        if path.name != "extras.py":
            assert not re.search(r"pip install [^\n]*\bsmidgen\b", path.read_text()), path
